"""The toy world's tokens: byte-level BPE, learned from its own text."""

from models import toy_world
from models.byte_pair import BytePairTokenizer
from models.checkpoints import TRAINED

SEED = 0
DOCUMENTS = 20_000
VOCABULARY = 1_024
SPECIALS = ("<|end|>", "<|mask|>")


def make() -> BytePairTokenizer:
    return BytePairTokenizer.train(toy_world.documents(SEED, DOCUMENTS), VOCABULARY, SPECIALS)


def keep(tokenizer: BytePairTokenizer) -> None:
    tokenizer.save(TRAINED / "toy_tokenizer.tokens.json")
