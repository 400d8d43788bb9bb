"""The shipped notes: each parses whole, everything it points at exists, and its numbers come out again."""

import importlib
import math
import re
from pathlib import Path

import pytest
import yaml

from backend.markup import Mistake
from backend.notes import Erratum, Note, check_tree, read_tracks, read_tree
from backend.questions import Form
from screens.labs import catalogue

CONTENT = Path(__file__).parent.parent / "content"
NOTES, MISTAKES = read_tree(CONTENT)
BY_SLUG = {note.slug: note for note in NOTES}


def numbers_of(track: str):
    return importlib.import_module(f"tests.content_numbers.{track.replace('-', '_')}")


TRACKS = [track.slug for track in read_tracks(CONTENT)]
NUMBERS = {card: compute for track in TRACKS for card, compute in numbers_of(track).NUMBERS.items()}
EXAMPLES = {topic: compute for track in TRACKS for topic, compute in numbers_of(track).EXAMPLES.items()}
NUMBER_CARDS = {card.id: card for note in NOTES for card in note.cards if card.question.form is Form.NUMBER}


def test_every_note_parses_and_everything_it_points_at_exists():
    crossing, _not_built = check_tree(NOTES, labs=list(catalogue()))
    assert [str(mistake) for mistake in [*MISTAKES, *crossing]] == []


def test_every_listed_topic_has_its_note_in_its_track():
    listed = {slug: track.slug for track in read_tracks(CONTENT) for slug in track.topics}
    assert {note.slug: note.track for note in NOTES} == listed


def test_labs_that_are_named_but_not_built_are_known():
    """Naming a lab before it is built is allowed; naming one that nobody planned is a slip of the pen."""
    named = [lab for note in NOTES for lab in note.labs]
    assert len(named) == len(set(named)), "a lab belongs to one note"
    for entry in catalogue().values():
        assert entry.slug in BY_SLUG[entry.topic].labs, f"{entry.slug} says it belongs to {entry.topic}, whose note does not name it"


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.slug)
def test_a_note_is_whole(note: Note):
    prose = sum(len(re.findall(r"\w+", section.plain)) for section in note.sections)
    assert 250 <= prose <= 1300, f"{note.slug} has {prose} words of prose"
    assert len(note.cards) >= 8, f"{note.slug} has {len(note.cards)} cards"
    assert sum(card.question.form is Form.CHOICE for card in note.cards) >= 2
    assert note.sources, f"{note.slug} names no source"
    assert note.aliases, f"{note.slug} has no other name to be found by"
    assert note.slug in EXAMPLES, f"the worked example of {note.slug} is not computed again in tests/content_numbers"


@pytest.mark.parametrize("topic", EXAMPLES)
def test_the_figures_of_the_worked_example_are_right(topic: str):
    text = BY_SLUG[topic].text
    missing = [figure for figure in EXAMPLES[topic]() if figure not in text]
    assert missing == []


@pytest.mark.parametrize("card", NUMBERS)
def test_a_number_card_has_the_number_that_comes_out(card: str):
    quantity = NUMBER_CARDS[card].question.quantity
    assert quantity is not None
    computed = float(NUMBERS[card]())
    allowed = quantity.tolerance * (abs(quantity.value) if quantity.relative else 1)
    assert math.isfinite(computed)
    assert abs(computed - quantity.value) <= allowed + 1e-9 * abs(quantity.value), f"the card says {quantity.value}, computed {computed}"


def test_no_number_card_is_unverified():
    assert sorted(set(NUMBER_CARDS) - set(NUMBERS)) == []


def test_errata_say_what_is_right_and_who_says_so():
    for note in NOTES:
        for part in note.parts:
            if isinstance(part, Erratum):
                assert all((part.said, part.right, part.source)), note.slug


def test_the_longest_option_is_rarely_the_right_one():
    choices = [card.question.options for note in NOTES for card in note.cards if card.question.form is Form.CHOICE]
    longest = sum(len(right.text) > max(len(o.text) for o in options if not o.right) for options in choices for right in options if right.right)
    assert longest / len(choices) <= 0.30, f"in {longest} of {len(choices)} choice cards the right option is the longest"


def test_options_are_told_apart_and_wrong_ones_explained():
    for note in NOTES:
        for card in note.cards:
            if card.question.form is Form.CHOICE:
                texts = [option.text.casefold() for option in card.question.options]
                assert len(texts) == len(set(texts)) == 4, card.id
                assert all(option.why for option in card.question.options if not option.right), card.id
                assert not any(re.search(r"\b(all|none) of the (above|others)\b", text) for text in texts), card.id


def test_the_tracks_file_is_plain():
    assert isinstance(yaml.safe_load((CONTENT / "tracks.yaml").read_text(encoding="utf-8")), list)


def test_a_mistake_names_file_line_and_both_sides():
    assert str(Mistake("a/b.md", 3, "a blank line", "text")) == "a/b.md:3: expected a blank line, came text"
