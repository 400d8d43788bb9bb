"""WordPiece by hand and against the tokenizers library with MiniLM's own file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import minilm
from models.languages import HELD_OUT, PARAGRAPHS
from models.wordpiece import UNKNOWN, WordPiece, normalise
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


@pytest.mark.parametrize("text", [*HELD_OUT.values(), *PARAGRAPHS.values(), "unaffable 👩🏽‍🔬 ﬁ _x_ ½ ²\u00ad q", "İstanbul ẞ ΑΣ", "a" * 101, "", " \n "])
def test_texts_become_the_pieces_of_the_tokenizers_library(text: str) -> None:
    assert minilm_pieces().cut(text) == minilm.load().tokenizer.encode(text, add_special_tokens=False).tokens


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF, exclude_categories=["Cn"]), max_size=40))
def test_any_western_text_is_cut_as_the_library_cuts_it(text: str) -> None:
    assert minilm_pieces().cut(text) == minilm.load().tokenizer.encode(text, add_special_tokens=False).tokens
