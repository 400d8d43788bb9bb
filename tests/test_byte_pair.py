"""Our byte-pair encoding against the one that the field uses (the tokenizers library), and cases worked by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from models import checkpoints, toy_world
from models.byte_pair import ALPHABET, WORD, BytePairTokenizer, learn_merges

TEXTS = [*toy_world.documents(5, 3_000), "Attention is all you need? 注意力 is all you need! naïve naïve 🙂🙂 x_1 x_2\n\n  two  blanks "]
SPECIALS = ["<|end|>", "<|mask|>"]


@pytest.fixture(scope="module")
def theirs() -> Tokenizer:
    reference = Tokenizer(BPE())
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORD.pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = BpeTrainer(
        vocab_size=900, min_frequency=2, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    reference.train_from_iterator(TEXTS, trainer)
    return reference


@pytest.fixture(scope="module")
def ours() -> BytePairTokenizer:
    return BytePairTokenizer.train(TEXTS, 900, SPECIALS)


def test_the_merges_are_those_of_the_tokenizers_library_in_the_same_order(ours: BytePairTokenizer, theirs: Tokenizer) -> None:
    model = json.loads(theirs.to_str())["model"]
    expected = [(model["vocab"][left], model["vocab"][right]) for left, right in model["merges"]]
    assert len(expected) == 900 - 256 - 2
    assert ours.merges == expected


def test_texts_become_the_same_tokens(ours: BytePairTokenizer, theirs: Tokenizer) -> None:
    unseen = [*toy_world.documents(6, 200), "Encoding something else entirely: 42 + 58 = 100, café, 北京."]
    for text in [*TEXTS[-50:], *unseen]:
        assert ours.encode(text) == theirs.encode(text).ids


def test_merges_of_a_text_worked_by_hand() -> None:
    """a·a stands twice in each of two words: four. Once it is merged, a·b stands in all three words: three. Then aa·ab is left, twice."""
    steps = list(learn_merges(["aaab", "aaab", "ab"]))
    a, b = ALPHABET.index(b"a"), ALPHABET.index(b"b")
    assert [(step.pair, step.count) for step in steps] == [((a, a), 4), ((a, b), 3), ((256, 257), 2)]


def test_encoding_shows_its_steps_from_bytes_to_tokens() -> None:
    tokenizer = BytePairTokenizer.train(["aaab", "aaab", "ab"], 300)
    assert [[tokenizer.show(token) for token in step] for step in tokenizer.steps("aaab")] == [
        ["a", "a", "a", "b"],
        ["aa", "a", "b"],
        ["aa", "ab"],
        ["aaab"],
    ]


@given(st.text(max_size=60))
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    tokenizer = checkpoints.toy_tokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_half_a_character_is_shown_as_the_replacement_sign_and_a_lone_surrogate_is_no_crash() -> None:
    tokenizer = checkpoints.toy_tokenizer()
    assert tokenizer.decode(tokenizer.encode("🙂")[:2]) == "\N{REPLACEMENT CHARACTER}"
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def test_every_word_of_the_toy_world_is_one_token() -> None:
    tokenizer = checkpoints.toy_tokenizer()
    assert {word for word in (*toy_world.NAMES, *toy_world.WORLD_WORDS) if len(tokenizer.encode(f" {word}")) != 1} == set()


def test_a_vocabulary_smaller_than_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes and 2 special tokens do not fit into a vocabulary of 200"):
        BytePairTokenizer.train(["text"], 200, SPECIALS)


def test_a_long_word_is_encoded_in_good_time_and_whole() -> None:
    tokenizer, word = checkpoints.toy_tokenizer(), "garden" * 1_700
    assert tokenizer.decode(tokenizer.encode(word)) == word
