"""The trained models by name: `load("toy_decoder")` gives the model, its tokenizer and its card, once per process.

A checkpoint is two files in models/trained/: NAME.safetensors with the weights (16-bit) and NAME.json, the card: how it was made and what it can do.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import nn

from models import toy_dates, toy_letters, toy_pairs, toy_shapes
from models.attention_only import AttentionOnly, AttentionOnlyConfig
from models.byte_pair import BytePairTokenizer
from models.contrastive import Contrastive, ContrastiveConfig
from models.decoder import Decoder, DecoderConfig
from models.encoder import MaskedLanguageModel
from models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from models.generated_positions import PreviousConfig, PreviousSymbol
from models.needle_reader import Reader
from models.positioned_decoder import PositionedConfig, PositionedDecoder
from models.rwkv import RWKV
from models.symbols import SymbolTokenizer
from models.token_mixers import MixerModel

TRAINED = Path(__file__).parent / "trained"
Card = dict[str, Any]


class Checkpoint(NamedTuple):
    model: Any  # the class that the card's "kind" names
    tokenizer: Any  # what its texts are cut with
    card: Card


def names() -> list[str]:
    return sorted(file.stem for file in TRAINED.glob("*.safetensors"))


@cache
def load(name: str) -> Checkpoint:
    """The one copy of this process, for looking: it is not to be trained (see `load_to_train`)."""
    torch.set_num_threads(1)  # for models this small a second thread costs more than it brings
    checkpoint = read(name)
    checkpoint.model.requires_grad_(False)
    return checkpoint


def load_to_train(name: str) -> Checkpoint:
    """A copy of one's own, whose weights may change."""
    return read(name)


def card(name: str) -> Card:
    return json.loads(card_file(name).read_text(encoding="utf-8"))


def read(name: str) -> Checkpoint:
    if name not in names():
        raise ValueError(f"There is no trained model '{name}'. There are: {', '.join(names()) or 'none'}.")
    its_card = card(name)
    model = BUILDERS[its_card["kind"]](its_card["config"])
    weights = load_file(weights_file(name))
    model.load_state_dict({key: weight.float() for key, weight in weights.items()})
    return Checkpoint(model.eval(), TOKENIZERS[its_card["tokenizer"]](), its_card)


def weights_file(name: str) -> Path:
    return TRAINED / f"{name}.safetensors"


def card_file(name: str) -> Path:
    return TRAINED / f"{name}.json"


@cache
def toy_tokenizer() -> BytePairTokenizer:
    return BytePairTokenizer.load(TRAINED / "toy_tokenizer.tokens.json")


def stages(config: dict[str, Any], build: Callable[[dict[str, Any]], nn.Module]) -> nn.ModuleDict:
    """One model per training run and kept step: "random_2_300" is the run "random_2" after 300 steps."""
    return nn.ModuleDict({f"{run}_{step}": build(shape) for run, shape in config["runs"].items() for step in config["steps"]})


BUILDERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "decoder": lambda config: Decoder(DecoderConfig(**config)),
    "masked": lambda config: MaskedLanguageModel(**config),
    "encoder_decoder": lambda config: EncoderDecoder(EncoderDecoderConfig(**config)),
    "attention_only": lambda config: stages(config, lambda shape: AttentionOnly(AttentionOnlyConfig(**shape))),
    "encoder_decoder_stages": lambda config: stages(config, lambda shape: EncoderDecoder(EncoderDecoderConfig(**shape))),
    "mixers": lambda config: nn.ModuleDict({run: MixerModel(**shape) for run, shape in config.items()}),
    "rwkv": lambda config: RWKV(**config),
    "contrastive": lambda config: Contrastive(ContrastiveConfig(**config)),
    "readers": lambda config: nn.ModuleDict({run: Reader(positions) for run, positions in config["runs"].items()}),
    "positioned": lambda config: nn.ModuleDict({run: PositionedDecoder(PositionedConfig(**shape)) for run, shape in config.items()}),
    "previous_symbol": lambda config: nn.ModuleDict({run: PreviousSymbol(PreviousConfig(**shape)) for run, shape in config.items()}),
}
TOKENIZERS: dict[str, Callable[[], Any]] = {
    "toy_tokenizer": toy_tokenizer,
    "dates": toy_dates.tokenizer,
    "shapes": toy_shapes.tokenizer,
    "toy_letters": toy_letters.tokenizer,
    "pairs": toy_pairs.tokenizer,
    "none": lambda: None,  # what is read is made of numbers from the start
    "letters": lambda: SymbolTokenizer("abcdefghijklmnopqrstuvwxyz", "character"),
}
