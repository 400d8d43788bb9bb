"""The generated worlds keep their own rules, checked by other means than those that wrote them."""

import datetime
import re
from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import toy_dates, toy_shapes, toy_world

seeds = st.integers(0, 2**32)


def test_the_same_seed_writes_the_same_world_and_another_seed_another() -> None:
    assert list(toy_world.documents(3, 50)) == list(toy_world.documents(3, 50))
    assert list(toy_world.documents(3, 50)) != list(toy_world.documents(4, 50))


def test_kinds_of_document_come_in_their_shares() -> None:
    heads = Counter(text.split(":")[0] for text in toy_world.documents(1, 5_000))
    assert 0.11 < heads["sums"] / 5_000 < 0.17
    assert 0.06 < heads["brackets"] / 5_000 < 0.10


@given(seeds)
def test_the_giver_is_named_twice_and_the_receiver_once(seed: int) -> None:
    gift = toy_world.giving(Random(seed))
    words = re.findall(r"\w+", gift.prompt)
    assert (words.count(gift.giver), words.count(gift.receiver)) == (2, 1)
    assert gift.prompt.endswith(" to")


@given(seeds)
def test_sums_are_right(seed: int) -> None:
    for line in toy_world.sum_document(Random(seed)).removeprefix("sums: ").rstrip(".").split("; "):
        a, sign, b, equals, c = line.split()
        assert equals == "="
        assert {"+": int(a) + int(b), "-": int(a) - int(b)}[sign] == int(c)
        assert 0 <= int(c) <= 20


@given(seeds, st.integers(1, 12))
def test_brackets_vanish_when_closed_pairs_are_rubbed_out(seed: int, pairs: int) -> None:
    line = toy_world.brackets(Random(seed), pairs).replace(" ", "")
    assert len(line) == 2 * pairs
    for _ in range(pairs):
        line = re.sub(r"\(\)|\[\]|\{\}|<>", "", line)
    assert line == ""


@given(seeds)
def test_the_verb_agrees_with_the_first_noun(seed: int) -> None:
    case = toy_world.agreement(Random(seed))
    plurals = {plural for _, plural in (pair.split() for pair in toy_world.NOUNS)}
    assert (case.right in {"are", "were", "look", "seem"}) == (case.prompt.split()[1] in plurals)
    assert case.right != case.wrong


@given(seeds)
def test_a_list_is_its_words_again(seed: int) -> None:
    words = toy_world.repeated_list(Random(seed), 9).removeprefix("list: ").split()
    assert words[:9] == words[9:]
    assert len(set(words)) == 9


FORMATS = {
    "{day} {month} {year}": "%d %B %Y",
    "{month} {day}, {year}": "%B %d, %Y",
    "{weekday}, {day} {month} {year}": "%A, %d %B %Y",
    "{day}. {short}. {year}": "%d. %b. %Y",
    "{day}.{number}.{year}": "%d.%m.%Y",
    "{day}-{short}-{year}": "%d-%b-%Y",
}


@given(st.dates(toy_dates.FIRST, toy_dates.LAST), st.sampled_from(sorted(FORMATS)))
def test_pythons_own_reader_finds_the_same_date(date: datetime.date, form: str) -> None:
    case = toy_dates.write(date, form)
    assert datetime.datetime.strptime(case.source, FORMATS[form]).date().isoformat() == case.target
    assert case.source[case.year_at :][:4] == case.target[:4]


@pytest.mark.parametrize("written", ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "20th", "21st", "22nd", "23rd", "31st"])
def test_ordinals(written: str) -> None:
    assert written[:-2] + toy_dates.ordinal(int(written[:-2])) == written


def test_the_dates_fit_their_alphabet() -> None:
    rng, tokenizer = Random(2), toy_dates.tokenizer()
    for _ in range(300):
        case = toy_dates.case(rng)
        assert tokenizer.decode(tokenizer.encode(case.source)) == case.source.lower()


@pytest.mark.parametrize("pair", toy_shapes.PAIRS, ids=" ".join)
def test_a_picture_shows_its_colour_on_dark_ground(pair: tuple[str, str]) -> None:
    pixels = toy_shapes.picture(Random(5), pair).pixels.astype(int)
    assert pixels.shape == (64, 64, 3)
    wanted = np.array(toy_shapes.COLOURS[pair[0]])
    near = (np.abs(pixels - wanted) <= 13).all(axis=-1)
    assert 60 < near.sum() < 1_400
    assert (pixels[~near].max(axis=-1) <= 60).mean() > 0.95


def test_some_pairs_are_kept_from_training_but_each_colour_and_shape_is_shown() -> None:
    assert len(toy_shapes.SEEN) == 42
    assert not set(toy_shapes.SEEN) & set(toy_shapes.UNSEEN)
    assert {colour for colour, _ in toy_shapes.SEEN} == set(toy_shapes.COLOURS)
    assert {shape for _, shape in toy_shapes.SEEN} == set(toy_shapes.SHAPES)


def test_every_caption_is_made_of_known_words() -> None:
    rng, tokenizer = Random(3), toy_shapes.tokenizer()
    for pair in toy_shapes.PAIRS:
        sentence = toy_shapes.caption(toy_shapes.picture(rng, pair), rng)
        assert tokenizer.decode(tokenizer.encode(sentence)) == sentence
