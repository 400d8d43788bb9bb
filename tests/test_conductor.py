"""What the review screen takes from the browser: each grading once, in order, for the card it was meant for."""

from hypothesis import given
from hypothesis import strategies as st

from screens.parts.conductor import Grading, accepted, plain_response

RING = [(number, f"card-{number}") for number in range(5, 13)]


def entry(number: int, *, card: str | None = None, grade: object = 3) -> dict:
    return {"n": number, "card": card or f"card-{number}", "grade": grade, "ms": 1200, "confidence": None, "response": None}


def numbers(taken: list[Grading]) -> list[int]:
    return [grading.n for grading in taken]


def test_the_next_in_line_are_taken_in_order():
    assert numbers(accepted([entry(6), entry(5), entry(7)], seq=5, ring=RING)) == [5, 6, 7]


def test_what_was_acknowledged_is_not_taken_twice():
    assert numbers(accepted([entry(3), entry(4), entry(5)], seq=5, ring=RING)) == [5]
    assert numbers(accepted([entry(5), entry(5)], seq=5, ring=RING)) == [5]


def test_nothing_is_taken_over_a_hole():
    assert numbers(accepted([entry(5), entry(7)], seq=5, ring=RING)) == [5]


def test_a_grade_is_never_given_to_another_card():
    assert accepted([entry(5, card="card-6")], seq=5, ring=RING) == []
    assert numbers(accepted([entry(12), entry(13)], seq=12, ring=RING)) == [12]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nonsense_is_passed_over(sent):
    assert accepted(sent, seq=5, ring=RING) == []
    assert accepted([entry(5), sent], seq=5, ring=RING)[0].card == "card-5"
    assert plain_response(sent) is None or isinstance(sent, int | str | list)


@given(st.lists(st.integers(0, 20)), st.integers(1, 8))
def test_however_messages_repeat_and_come_out_of_order_each_grade_lands_once(order, size):
    """The component always sends its whole outbox; lost and doubled messages are subsets and repeats of it."""
    seq, landed = 5, []
    for last in order:
        outbox = [entry(n) for n in range(5, min(5 + last, 13))][:size]
        taken = accepted(outbox, seq=seq, ring=RING)
        landed += numbers(taken)
        seq += len(taken)
    assert landed == list(range(5, seq))


def test_wild_values_are_tamed():
    wild = entry(5) | {"ms": 10**12, "confidence": "very", "response": {"a": 1}}
    assert accepted([wild], seq=5, ring=RING) == [Grading(5, "card-5", 3, 0, None, None)]
    assert accepted([entry(5, grade=5)], seq=5, ring=RING) == []
    assert accepted([entry(5, grade="3")], seq=5, ring=RING) == []
    assert len(plain_response("x" * 10**5)) == 400
