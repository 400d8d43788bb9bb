"""Grading: what counts as right, what is said, and that questions survive storage and shuffling."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.questions import (
    Form,
    Option,
    Quantity,
    Question,
    from_dict,
    mark,
    normalised,
    read_number,
    same_unit,
    show_quantity,
    shuffled,
    to_dict,
)

OPTIONS = (Option("four", right=True, why="2 + 2"), Option("five", why="one too many", mistake="counted from one"), Option("three"), Option("22"))
CHOICE = Question(Form.CHOICE, "2 + 2?", options=OPTIONS)
ORDER = Question(Form.ORDER, "Order", steps=("tokenise", "embed", "attend", "unembed"))
MATCH = Question(Form.MATCH, "Match", pairs=(("BERT", "encoder"), ("GPT", "decoder"), ("T5", "both"), ("LLaMA", "decoder")), heads=("model", "kind"))
TERM = Question(Form.TERM, "Name it", terms=("Kullback-Leibler divergence", "KL divergence"))


def number(value: float, tolerance: float = 0.0, *, relative: bool = False, unit: str = "") -> Question:
    return Question(Form.NUMBER, "How many?", quantity=Quantity(value, tolerance, relative, unit))


# -- numbers


@pytest.mark.parametrize(
    "typed",
    [
        "0.5", ".5", "1/2", "50%", "50 %", "5e-1", "5E-1", "5·10^-1", "5 × 10^{-1}", "5*10**-1", "5·10⁻¹", "2^-1", " 0.50 ", "= 0.5",
        "≈ 0.5", "½", "+0.5", "０.５",
    ],
)  # fmt: skip
def test_one_half_is_read_however_it_is_written(typed: str):
    assert mark(number(0.5), typed).right is True


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("1,024", 1024), ("1 024", 1024), ("1\u202f024", 1024), ("1_024", 1024), ("1'024", 1024), ("1,234,567.25", 1234567.25),
        ("12 345 678", 12345678),
        ("−3", -3), ("–3", -3), ("-1/4", -0.25), ("2 1/2", 2.5), ("3½", 3.5), ("10^6", 1e6), ("10⁶", 1e6), ("-2^3", -8),
        ("1e3", 1000), ("6.02·10^23", 6.02e23),
        ("12 m²", 12), ("007", 7), ("5.", 5), ("0", 0),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(typed: str, value: float):
    assert read_number(typed).value == value


@pytest.mark.parametrize(
    "typed",
    [
        "", "   ", "abc", "inf", "-inf", "nan", "NaN", "Infinity", "1/0", "1e999", "10^9999", "1.2.3", "1,2,3", "--5", "1/2/3", "½½",
        "5 = 5", "0x10", "$", "²",
    ],
)  # fmt: skip
def test_what_is_no_number_is_said_so_and_is_not_right(typed: str):
    grade = mark(number(5), typed)
    assert grade.right is False
    assert grade.score == 0
    assert grade.said.startswith(("I could not read", "The answer is asked without a unit"))
    assert grade.detail["unread"] is True


def test_a_decimal_comma_gets_a_hint():
    assert mark(number(0.5), "0,5").said == "I could not read “0,5” as a number: write the decimals after a point, 0.5."
    assert mark(number(0.125), "0,125").said.endswith("0.125.")


def test_a_flood_of_text_is_refused_at_once():
    for form in (number(5), TERM):
        for flood in ("9" * 100_000, "1," * 50_000, " " * 100_000, "a" * 100_000, "1e" * 50_000):
            start = time.process_time()
            grade = mark(form, flood)
            assert time.process_time() - start < 0.05
            assert grade.right is False
            assert len(grade.said) < 200


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
def test_every_float_reads_back_from_its_own_spelling(value: float):
    assert read_number(repr(value)).value == value


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_fractions_agree_with_exact_arithmetic(top: int, bottom: int):
    assert read_number(f"{top}/{bottom}").value == float(Fraction(top, bottom))


@given(st.integers(0, 10**15))
def test_thousands_separators_change_nothing(value: int):
    for separated in (f"{value:,}", f"{value:,}".replace(",", " "), f"{value:_}"):
        assert read_number(separated).value == value


@given(st.text(max_size=60))
def test_no_typed_text_raises(typed: str):
    assert mark(number(5, unit="GB"), typed).right in (True, False)
    assert mark(TERM, typed).right in (True, False)


@pytest.mark.parametrize(("typed", "right"), [("0.642", True), ("0.646", True), ("0.6419", False), ("0.6461", False), ("0.644", True)])
def test_the_ends_of_a_tolerance_belong_to_it(typed: str, right: bool):
    assert mark(number(0.644, 0.002), typed).right is right


def test_a_relative_tolerance_is_a_share_of_the_value():
    question = number(-200, 0.1, relative=True)
    assert [mark(question, typed).right for typed in ("-180", "-220", "-179", "-221", "200")] == [True, True, False, False, False]


def test_exact_means_exact_but_for_rounding():
    third = number(0.1 + 0.2)
    assert mark(third, "0.3").right is True
    assert mark(number(1000), "1000.01").right is False
    assert mark(number(0), "0.0000001").right is False


def test_a_wrong_number_is_told_its_side_and_the_answer():
    assert mark(number(8), "64").said == "Too high: it is 8."
    assert mark(number(8, 0.5, unit="GB"), "2").said == "Too low: it is 8 ± 0.5 GB."


@pytest.mark.parametrize(
    ("unit", "typed", "right"),
    [
        ("GB", "16", True), ("GB", "16 GB", True), ("GB", "16gb", True), ("GB", "16 gigabytes", True), ("GB", "16 MB", False),
        ("GB", "16 tokens", False),
        ("token", "16 tokens", True), ("tokens", "16 Token", True), ("tokens/s", "16 tokens per second", True), ("ms", "16 milliseconds", True),
        ("%", "16%", True), ("%", "16 percent", True), ("%", "16", True), ("", "1600%", True), ("", "16 GB", False), ("", "16k", False),
        ("queries", "16 query", True), ("classes", "16 class", True),
    ],
)  # fmt: skip
def test_a_unit_may_be_left_out_but_must_agree_when_given(unit: str, typed: str, right: bool):
    assert mark(number(16, unit=unit), typed).right is right


def test_a_percentage_key_is_not_its_hundredth():
    assert mark(number(50, unit="%"), "0.5").right is False
    assert mark(number(50, unit="%"), "50").right is True


def test_units_that_disagree_are_named():
    assert mark(number(16, unit="GB"), "16 MB").said == "The answer is asked in GB, and “MB” came."
    assert mark(number(1500), "1.5k").said == "I could not read “1.5k” as a number: write it out, without the letter."


def test_units_are_not_converted_or_confused():
    assert not same_unit("s", "ms")
    assert not same_unit("GB", "GiB")
    assert not same_unit("bit", "byte")
    assert same_unit("Bytes", "B")


def test_a_quantity_is_shown_as_it_was_written():
    shown = [Quantity(8), Quantity(0.644, 0.002), Quantity(16, 0.05, True, "GB"), Quantity(50, unit="%"), Quantity(1e-5)]
    assert [show_quantity(quantity) for quantity in shown] == ["8", "0.644 ± 0.002", "16 ± 5% GB", "50%", "1e-05"]


# -- terms


@pytest.mark.parametrize(
    "typed",
    [
        "KL divergence", "kl-divergence", "  KL   Divergence. ", "“KL divergence”", "Kullback–Leibler divergence",
        "kullback leibler DIVERGENCE", "ＫＬ divergence",
    ],
)  # fmt: skip
def test_a_term_may_differ_in_case_spaces_hyphens_and_quotes(typed: str):
    assert mark(TERM, typed).right is True


@pytest.mark.parametrize("typed", ["", "JS divergence", "KLdivergence", "divergence", "KL divergences"])
def test_another_word_is_another_term(typed: str):
    grade = mark(TERM, typed)
    assert grade.right is False
    assert "Kullback-Leibler divergence" in grade.said


def test_accents_do_not_matter_and_scripts_are_left_whole():
    assert normalised("Résumé naïve Ångström") == "resume naive angstrom"
    assert normalised("Straße") == normalised("STRASSE")
    assert normalised("缩放点积注意力。") == "缩放点积注意力"
    assert normalised("か") != normalised("が")  # the voicing mark makes another word
    assert normalised("한국어") == "한국어"
    assert normalised("C++") != normalised("C")
    assert normalised("?") == "?"


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str):
    assert normalised(normalised(text)) == normalised(text)


# -- choice, order, matching, prose


def test_a_choice_says_why_and_names_the_mistake():
    right, wrong, none = mark(CHOICE, 0), mark(CHOICE, 1), mark(CHOICE, None)
    assert (right.score, right.right, right.detail["why"]) == (1.0, True, "2 + 2")
    assert (wrong.score, wrong.right, wrong.detail["mistake"]) == (0.0, False, "counted from one")
    assert (none.score, none.right, none.said) == (0.0, False, "No option was chosen.")


@pytest.mark.parametrize("response", [4, -1, "0", True, [0], 0.0])
def test_a_response_of_the_wrong_kind_names_what_came(response: object):
    with pytest.raises(ValueError, match="expected the index of an option, 0 to 3, came"):
        mark(CHOICE, response)  # type: ignore[arg-type]


def test_order_gives_credit_for_pairs_in_the_right_order():
    for given_order in permutations(range(4)):
        pairs = [(a, b) for i, a in enumerate(given_order) for b in given_order[i + 1 :]]
        grade = mark(ORDER, given_order)
        assert grade.score == sum(a < b for a, b in pairs) / 6
        assert grade.right is (given_order == (0, 1, 2, 3))
    assert mark(ORDER, [0, 1, 3, 2]).said == "5 of 6 pairs of steps are in the right order."


def test_equal_steps_may_change_places():
    norm_twice = replace(ORDER, steps=("add and norm", "attend", "add and norm"))
    assert mark(norm_twice, [2, 1, 0]).right is True
    assert mark(norm_twice, [1, 0, 2]).right is False


def test_matching_counts_pairs_and_accepts_equal_right_sides():
    assert mark(MATCH, [0, 3, 2, 1]).right is True  # both decoders
    partly = mark(MATCH, [1, 1, 2, None])
    assert (partly.score, partly.right, partly.said) == (0.5, False, "2 of 4 pairs fit.")
    assert mark(MATCH, None).score == 0


def test_an_order_with_a_step_twice_is_refused():
    with pytest.raises(ValueError, match="expected each step once"):
        mark(ORDER, [0, 0, 1, 2])


@pytest.mark.parametrize("form", [Form.PROSE, Form.GAP])
def test_only_the_learner_grades_prose(form: Form):
    assert mark(Question(form, "Why ==so==?", "Because."), "anything").right is None


# -- shuffling


@given(st.integers(0, 2**32))
def test_shuffled_options_keep_their_key(seed: int):
    laid = shuffled(CHOICE, seed)
    assert sorted(laid.options, key=str) == sorted(OPTIONS, key=str)
    assert [mark(laid, index).right for index in range(4)] == [option is OPTIONS[0] for option in laid.options]
    assert laid == shuffled(CHOICE, seed)


@given(st.integers(0, 2**32))
def test_shuffled_steps_and_pairs_are_graded_by_what_they_are(seed: int):
    order, match = shuffled(ORDER, seed), shuffled(MATCH, seed)
    assert sorted(order.shown) == sorted(match.shown) == [0, 1, 2, 3]
    assert order.shown != (0, 1, 2, 3)
    assert mark(order, sorted(order.shown)).right is True
    assert mark(order, order.shown).right is False
    assert mark(match, [0, 1, 2, 3]).right is True


def test_every_place_is_as_likely_for_the_right_option():
    places = [next(i for i, option in enumerate(shuffled(CHOICE, seed).options) if option.right) for seed in range(2000)]
    assert all(400 < places.count(place) < 600 for place in range(4))


def test_other_forms_are_left_as_they_are():
    assert shuffled(TERM, 3) is TERM


# -- storing

WORDS = st.text(max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
QUESTIONS = st.builds(
    Question,
    form=st.sampled_from(Form),
    prompt=WORDS,
    answer=WORDS,
    options=st.lists(st.builds(Option, WORDS, st.booleans(), WORDS, WORDS), max_size=4).map(tuple),
    quantity=st.none() | st.builds(Quantity, FLOATS, FLOATS, st.booleans(), WORDS),
    terms=st.lists(WORDS, max_size=3).map(tuple),
    steps=st.lists(WORDS, max_size=3).map(tuple),
    pairs=st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple),
    heads=st.tuples(WORDS, WORDS),
    points=st.lists(WORDS, max_size=3).map(tuple),
    gap=st.integers(0, 5),
    working=st.lists(WORDS, max_size=2).map(tuple),
    lab=WORDS,
    settings=st.dictionaries(WORDS, st.booleans() | st.integers(-99, 99) | FLOATS | WORDS, max_size=3),
    level=st.integers(0, 3),
    shown=st.lists(st.integers(0, 9), max_size=3).map(tuple),
)


@given(QUESTIONS)
def test_a_question_survives_json(question: Question):
    assert from_dict(json.loads(json.dumps(to_dict(question)))) == question


def test_what_is_empty_is_not_stored():
    assert to_dict(Question(Form.PROSE, "Why?", "So.")) == {"form": "prose", "prompt": "Why?", "answer": "So."}


def test_questions_and_marks_can_be_keys():
    by_question = {CHOICE: "a", replace(CHOICE): "b"}
    assert by_question == {CHOICE: "b"}
    assert len({mark(CHOICE, 0), mark(CHOICE, 1)}) == 2
