"""Byte-pair encoding on characters: the textbook's corpus by hand, endings, unknown characters, and the tokenizers library."""

from collections import Counter

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer

from models.byte_pair import words_of
from models.character_pair import UNKNOWN, CharacterPairTokenizer, alphabet, learn_merges, symbols
from models.languages import PROSE

TEXTBOOK = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def learned(words: dict[str, int], ending: str, most: int = 500) -> tuple[CharacterPairTokenizer, list[tuple[str, str, int]]]:
    merges = [step for _, step in zip(range(most), learn_merges(words, ending), strict=False)]
    tokenizer = CharacterPairTokenizer(alphabet(words, ending), [step.pair for step in merges], ending)
    return tokenizer, [(*(tokenizer.show(part) for part in step.pair), step.count) for step in merges]


def test_the_three_ways_to_write_a_word() -> None:
    assert symbols("low", "none") == ["l", "o", "w"]
    assert symbols("low", "own") == ["l", "o", "w", "</w>"]
    assert symbols("low", "glued") == ["l", "o", "w</w>"]


def test_the_first_merges_of_the_textbook_corpus_worked_by_hand() -> None:
    """es, st and t+end stand 9 times each; es goes first. Then t+end (smaller ids), then es with what t became; lo stands 7 times."""
    _, merges = learned(TEXTBOOK, "own", 4)
    assert merges == [("e", "s", 9), ("t", "</w>", 9), ("es", "t</w>", 9), ("l", "o", 7)]


def test_an_unseen_word_is_made_of_known_parts_and_a_new_letter_is_unknown() -> None:
    tokenizer, _ = learned(TEXTBOOK, "own", 8)
    assert [tokenizer.show(token) for token in tokenizer.encode_word("lowest")] == ["low", "est</w>"]
    assert tokenizer.encode_word("blow")[0] == UNKNOWN
    assert tokenizer.show(UNKNOWN) == "<unk>"


@pytest.mark.parametrize("ending", ["none", "glued"])
def test_merges_are_those_of_the_tokenizers_library(ending: str) -> None:
    words = dict(Counter(word.strip() for word in words_of(PROSE) if word.strip()))
    suffix = {"end_of_word_suffix": "</w>"} if ending == "glued" else {}
    theirs = Tokenizer(BPE(**suffix))
    theirs.pre_tokenizer = WhitespaceSplit()
    letters = alphabet(words, ending)
    trainer = BpeTrainer(vocab_size=len(letters) + 150, min_frequency=2, special_tokens=letters, show_progress=False, **suffix)
    theirs.train_from_iterator([" ".join([word] * often) for word, often in words.items()], trainer)
    vocabulary = theirs.get_vocab()
    expected = sorted(vocabulary, key=vocabulary.__getitem__)
    tokenizer, _ = learned(words, ending, 150)
    assert tokenizer.pieces == expected
