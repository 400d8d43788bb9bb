"""Passages: what is cut out of a note stands in it letter by letter, whatever the note looks like."""

from hypothesis import given
from hypothesis import strategies as st

from backend.notes import read_note
from backend.passages import ANSWER, NAME, SECTION, SENTENCE, cut_up, sentences
from tests.conftest import note_text

FRONT = "---\ntitle: A note\naliases: [other, 别名]\nsources: [\"A paper\"]\n---\n\n"

words = st.text(alphabet="abcdefg xyz.,$`*[]!?é中文\\_-0123", min_size=1, max_size=60).map(str.strip).filter(bool)
blocks = st.one_of(
    words,
    st.just("One sentence. Another one with $x.y$ inside! And a third, e.g. this."),
    st.just("It follows that\n\n$$\na = b.\n$$\n\nwhere $a$ is large."),
    st.just("- first item\n- second item\n  goes on\n- third"),
    st.just("1. one\n2. two"),
    st.just("| a | b |\n|---|---|\n| $x$ | 2 |"),
    st.just("```\ncode. Code.\n```"),
    st.just("> [!erratum]\n> Said: wrong.\n> Right: right as rain.\n> Source: a paper"),
    st.just("> [!tip] Look\n> A hint."),
    st.just("## A heading"),
    st.integers(0, 10**6).map(lambda n: f"Q: What is {n}? ^card-{n}\naka: what about {n}; 什么是 {n}\n\nA: It is a number. It has digits."),
    st.integers(0, 10**6).map(lambda n: f"Q: How many? ^count-{n}\n\nA: = 8 ± 1 bytes\n\nBecause of that."),
    st.integers(0, 10**6).map(lambda n: f"C: A ==gap== stands here. ^gap-{n}"),
    st.integers(0, 10**6).map(lambda n: f"Q: Which? ^choice-{n}\n\n- [ ] that\n  No.\n- [x] this\n  Yes.\n- [ ] third\n- [ ] fourth"),
)


@given(st.lists(blocks, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_piece_of_any_note_is_a_span_of_it(parts, line_end):
    text = (FRONT + "\n\n".join(parts) + "\n").replace("\n", line_end)
    note, _ = read_note(text, slug="a", track="t", path="t/a.md")
    if note is None:
        return
    for piece in cut_up(note):
        if piece.kind == NAME:
            continue
        quote = note.text[piece.start : piece.end]
        assert 0 <= piece.start < piece.end <= len(note.text), piece
        assert quote == quote.strip(), piece
        section = next(section for section in note.sections if section.anchor == piece.section)
        assert section.start <= piece.start <= piece.end <= section.end, piece


def test_points_in_formulas_links_and_abbreviations_end_no_sentence():
    text = "As $a.B$ shows, e.g. in [a note. Or two](/x), it holds. Then `x. Y` runs. 3.5 is a number! Is it? Yes"
    assert [quote.words for quote in sentences(text)] == [
        "As a.B shows, e.g. in a note. Or two, it holds.", "Then x. Y runs.", "3.5 is a number!", "Is it?", "Yes",
    ]  # fmt: skip


def test_a_formula_on_its_own_line_stays_with_the_sentence_before_it():
    text = FRONT + "## Why\n\nIt is so. The sum is\n\n$$\ns = a + b .\n$$\n\nwhere $a$ is 1.\n"
    note, _ = read_note(text, slug="a", track="t", path="t/a.md")
    quotes = [note.text[piece.start : piece.end] for piece in cut_up(note) if piece.kind == SENTENCE]
    assert quotes == ["It is so.", "The sum is\n\n$$\ns = a + b .\n$$", "where $a$ is 1."]


def test_a_cards_answer_is_what_its_citation_shows():
    note, _ = read_note(note_text("alpha"), slug="alpha", track="t", path="t/alpha.md")
    answers = {piece.card: note.text[piece.start : piece.end] for piece in cut_up(note) if piece.kind == ANSWER}
    assert answers == {"alpha-q01": "Because. And so on.", "alpha-q02": "this", "alpha-gap": "A ==gap== and ==another== stand here."}


def test_long_sections_are_cut_into_passages_of_about_a_hundred_words():
    text = FRONT + "## Long\n\n" + " ".join(f"Sentence number {n} has exactly seven words." for n in range(60)) + "\n"
    note, _ = read_note(text, slug="a", track="t", path="t/a.md")
    lengths = [len(piece.words.split()) for piece in cut_up(note) if piece.kind == SECTION]
    assert sum(lengths) == 60 * 7
    assert all(60 <= length <= 150 for length in lengths)
