"""WordPiece by hand and against the tokenizers library: cutting with MiniLM's own file, training with its trainer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece as TheirWordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer

from models import minilm
from models.languages import HELD_OUT, PARAGRAPHS
from models.wordpiece import UNKNOWN, WordPiece, alphabet, best, candidates, joined, merge_best, normalise, symbols, worth
from models.wordpiece import minilm as minilm_pieces


def test_the_longest_match_from_the_left_even_where_fewer_pieces_would_do() -> None:
    """abc is taken although ab + cde would need two pieces; after it only single letters are left."""
    assert WordPiece(["a", "ab", "abc", "##d", "##e", "##cde"]).cut_word("abcde") == ["abc", "##d", "##e"]


def test_one_missing_place_costs_the_whole_word() -> None:
    pieces = WordPiece(["ab", "##c"])
    assert pieces.cut_word("abc") == ["ab", "##c"]
    assert pieces.cut_word("abx") == [UNKNOWN]
    assert pieces.cut_word("ab" * 60) == [UNKNOWN]


def test_accents_capitals_and_control_signs_are_gone_before_anything_is_cut() -> None:
    assert normalise("Zoë\u200d\x07 ÀÉ\t中") == "zoe ae  中 "


@pytest.mark.parametrize(
    "text", [*HELD_OUT.values(), *PARAGRAPHS.values(), "unaffable 👩🏽‍🔬 ﬁ _x_ ½ ²\u00ad q", "İstanbul ẞ ΑΣ", "a" * 101, "", " \n "]
)
def test_texts_become_the_pieces_of_the_tokenizers_library(text: str) -> None:
    assert minilm_pieces().cut(text) == minilm.load().tokenizer.encode(text, add_special_tokens=False).tokens


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF, exclude_categories=["Cn"]), max_size=40))
def test_any_western_text_is_cut_as_the_library_cuts_it(text: str) -> None:
    assert minilm_pieces().cut(text) == minilm.load().tokenizer.encode(text, add_special_tokens=False).tokens


def test_the_longest_piece_is_looked_for_first_and_then_ever_shorter_ones() -> None:
    looked = [(each.piece, each.known) for each in WordPiece(["un", "##a", "##ab", "##le"]).lookups("unable")]
    assert looked[:5] == [("unable", False), ("unabl", False), ("unab", False), ("una", False), ("un", True)]
    assert [piece for piece, known in looked if known] == ["un", "##ab", "##le"]


@pytest.mark.parametrize(
    ("counts", "score", "gain"),
    [((20, 100, 50), 0.004, 119.8), ((900, 1000, 4000), 0.000225, 2802.2)],  # un + able, th + e, worked by hand for 100,000 symbols
)
def test_score_and_gain_may_disagree_about_two_pairs(counts: tuple[int, int, int], score: float, gain: float) -> None:
    assert worth("score", *counts, 100_000) == pytest.approx(score)
    assert worth("gain", *counts, 100_000) == pytest.approx(gain, abs=0.05)
    assert worth("count", *counts, 100_000) == counts[0]


LOWEST = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def written_symbols() -> tuple[list[str], list[list[int]]]:
    letters = alphabet(LOWEST)
    return letters, [[letters.index(symbol) for symbol in symbols(word)] for word in LOWEST]


def test_the_first_merges_of_four_words_worked_by_hand() -> None:
    """w and ##i stand three times, always together; ##e and ##s stand nine times together, but ##e stands seventeen times in all."""
    letters, words = written_symbols()
    found = candidates(words, LOWEST.values())
    wi, es = (best(found, rule, 2) for rule in ("score", "count"))
    assert wi is not None
    assert es is not None
    assert (letters[wi.pair[0]], letters[wi.pair[1]]) == ("w", "##i")
    assert (wi.together, wi.left, wi.right, wi.symbols) == (3, 3, 3, 79)
    assert (letters[es.pair[0]], letters[es.pair[1]]) == ("##e", "##s")
    assert (es.together, es.left, es.right) == (9, 17, 9)


def test_training_joins_until_no_pair_stands_often_enough() -> None:
    letters, words = written_symbols()
    pieces = list(letters)
    for step in merge_best(words, list(LOWEST.values()), len(letters), "score"):
        pieces.append(joined(pieces[step.pair[0]], pieces[step.pair[1]]))
    assert [[pieces[token] for token in word] for word in words] == [["low"], ["lower"], ["newest"], ["widest"]]
    assert list(merge_best(written_symbols()[1], list(LOWEST.values()), len(letters), "score", least=10)) == []


def test_merging_by_count_makes_the_vocabulary_of_the_librarys_trainer() -> None:
    letters, words = written_symbols()
    pieces = list(letters)
    for step in merge_best(words, list(LOWEST.values()), len(letters), "count"):
        pieces.append(joined(pieces[step.pair[0]], pieces[step.pair[1]]))
    theirs = Tokenizer(TheirWordPiece(unk_token=UNKNOWN))
    theirs.pre_tokenizer = WhitespaceSplit()
    trainer = WordPieceTrainer(vocab_size=100, min_frequency=2, special_tokens=letters, show_progress=False)
    theirs.train_from_iterator([" ".join([word] * often) for word, often in LOWEST.items()], trainer)
    vocabulary = theirs.get_vocab()
    assert pieces == sorted(vocabulary, key=vocabulary.__getitem__)
