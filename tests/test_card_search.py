"""The search language for cards: every query against the same question asked in Python, and sentences for what cannot be read."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from backend import memory, review
from backend.card_search import QueryError, compile_query, count_cards, find_cards
from backend.store import reading, writing
from backend.tables import Card
from tests.sample_desk import DAY, NOON, make_desk

TODAY = NOON // DAY


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Forty cards with a seeded history, so that every filter finds some and leaves some out."""
    engine, rng = make_desk(tmp_path_factory.mktemp("search")), random.Random(5)
    cards = [f"t{topic}-q{number:02d}" for topic in range(4) for number in range(8)]
    for day in range(90, -1, -1):
        for _ in range(4):
            with writing(engine) as session:
                shown = review.showing_of(session, learner=1, card=rng.choice(cards[:26]), at=NOON - day * DAY)
                mark = rng.choice([1, 1, 2, 3, 4])
                review.record_grade(
                    session, learner=1, card=shown.card, showing=shown.number, grade=mark, at=NOON - day * DAY, confidence=rng.choice([1, 3])
                )
                if rng.random() < 0.1:
                    review.undo(session, learner=1, at=NOON - day * DAY)
    with writing(engine) as session:
        review.suspend(session, learner=1, card="t0-q02", at=NOON)
        review.flag(session, learner=1, card="t3-q07", at=NOON, flag=4)
        review.bury(session, learner=1, card="t1-q01", at=NOON)
        session.add(Card(id="odd", block="odd", topic="topic-3", form="prose", source="", sha="", plain='100% of "snake_case" 注意力', tags=["C++"]))
        session.flush()
        review.follow_content(session, learner=1, at=NOON + 40 * DAY)  # it joins forty days later
    return engine


def found(engine, query: str, at: int = NOON) -> set[str]:
    with reading(engine) as session:
        cards = find_cards(session, learner=1, at=at, query=query, limit=1000)
        assert count_cards(session, learner=1, at=at, query=query) == len(cards)
    return {card.card for card in cards}


def rows(engine) -> list[dict]:
    with reading(engine) as session:
        sql = "SELECT lc.*, c.plain, c.tags, t.track FROM learner_card lc JOIN card c ON c.id = lc.card JOIN topic t ON t.slug = lc.topic"
        return [dict(row) for row in session.connection().execute(text(sql)).mappings()]


def graded_since(engine, day: int, grade: int | None = None) -> set[str]:
    with reading(engine) as session:
        undone = {row[0] for row in session.connection().execute(text("SELECT value FROM event WHERE kind = 'undo'"))}
        events = session.connection().execute(text("SELECT id, card, day, grade FROM event WHERE kind = 'grade'")).all()
    return {card for number, card, when, mark in events if number not in undone and when > day and grade in (None, mark)}


def recall(row: dict) -> float:
    return float(memory.retrievability(row["stability"], TODAY - row["last_day"]))


EXPECTED = {
    "": lambda row: True,
    "track:second": lambda row: row["track"] == "second",
    "topic:topic-1": lambda row: row["topic"] == "topic-1",
    "tag:even": lambda row: '"even"' in row["tags"],
    "tag:c++": lambda row: row["card"] == "odd",
    "is:new": lambda row: row["state"] == 0,
    "is:learning": lambda row: row["state"] in (1, 3),
    "is:review": lambda row: row["state"] == 2,
    "is:due": lambda row: row["state"] > 0 and row["due_day"] <= TODAY and not row["suspended"] and row["buried_day"] != TODAY,
    "is:suspended": lambda row: row["suspended"],
    "is:leech": lambda row: row["leech"],
    "is:flagged": lambda row: row["card"] == "t3-q07",
    "flag:4": lambda row: row["card"] == "t3-q07",
    "is:buried": lambda row: row["card"] == "t1-q01",
    "is:misconception": lambda row: row["misconception"],
    "prop:lapses>1": lambda row: row["lapses"] > 1,
    "prop:reps=0": lambda row: row["reps"] == 0,
    "prop:reps!=0": lambda row: row["reps"] != 0,
    "prop:s>=2.5": lambda row: row["state"] > 0 and row["stability"] >= 2.5,
    "prop:d<9": lambda row: row["state"] > 0 and row["difficulty"] < 9,
    "prop:due<=-3": lambda row: row["state"] > 0 and row["due_day"] - TODAY <= -3,
    "prop:r<0.8": lambda row: row["state"] > 0 and recall(row) < 0.8,
    "prop:r>=0.95": lambda row: row["state"] > 0 and recall(row) >= 0.95,
    "attention word3": lambda row: "attention" in row["plain"] and "word3" in row["plain"],
    "WORD3": lambda row: "word3" in row["plain"],
    '"topic 2 about"': lambda row: "topic 2 about" in row["plain"],
    "100%": lambda row: row["card"] == "odd",
    "snake_case": lambda row: row["card"] == "odd",
    "注意": lambda row: row["card"] == "odd",
    "注意力": lambda row: row["card"] == "odd",
    "-attention": lambda row: row["card"] == "odd",
    "track:first or tag:odd": lambda row: row["track"] == "first" or '"odd"' in row["tags"],
    "-(track:first or tag:odd)": lambda row: not (row["track"] == "first" or '"odd"' in row["tags"]),
    "track:first tag:odd or topic:topic-3": lambda row: (row["track"] == "first" and '"odd"' in row["tags"]) or row["topic"] == "topic-3",
    "track:first (tag:odd or topic:topic-1) -is:new": lambda row: row["track"] == "first"
    and ('"odd"' in row["tags"] or row["topic"] == "topic-1")
    and row["state"] != 0,
    "--is:new": lambda row: row["state"] == 0,
}


@pytest.mark.parametrize("query", EXPECTED)
def test_a_query_finds_what_it_says(desk, query):
    expected = {row["card"] for row in rows(desk) if EXPECTED[query](row)}
    assert found(desk, query) == expected
    assert expected or query == "is:leech"


@pytest.mark.parametrize(("query", "days", "grade"), [("rated:7", 7, None), ("rated:1", 1, None), ("rated:30:1", 30, 1), ("rated:7:4", 7, 4)])
def test_what_was_graded_lately_leaves_out_what_was_undone(desk, query, days, grade):
    expected = graded_since(desk, TODAY - days, grade)
    assert found(desk, query) == expected
    assert expected


def test_what_was_added_lately(desk):
    assert found(desk, "added:30", at=NOON + 40 * DAY) == {"odd"}
    assert len(found(desk, "added:50", at=NOON + 40 * DAY)) == 41


def test_pages_follow_each_other_without_gap_or_repeat(desk):
    with reading(desk) as session:
        pages = [find_cards(session, learner=1, at=NOON, query="attention", limit=7, offset=offset) for offset in range(0, 49, 7)]
    ids = [card.card for page in pages for card in page]
    assert len(ids) == len(set(ids)) == 40


def test_the_answer_tells_what_a_list_shows(desk):
    by_id = {row["card"]: row for row in rows(desk)}
    with reading(desk) as session:
        for card in find_cards(session, learner=1, at=NOON, query="", limit=1000):
            row = by_id[card.card]
            assert (card.phase, card.lapses, card.reps, card.flag) == (row["state"], row["lapses"], row["reps"], row["flag"])
            assert card.recall == (pytest.approx(recall(row)) if row["state"] else None)
            assert card.due_day == (row["due_day"] if row["state"] else None)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("colour:red", "There is no filter “colour:”; there are track:, topic:, tag:, is:, prop:, rated:, added:, flag:."),
        ("is:purple", "“is:purple” is not known; there are is:new, is:learning"),
        ("topic:", "After “topic:” a value is missing."),
        ("prop:r", "“prop:r” should read like prop:lapses>3 or prop:r<0.8."),
        ("prop:r<80", "prop:r is a chance of recall between 0 and 1, not 80."),
        ("prop:ease>2", "“prop:ease” is not known; there are r, s, d, lapses, reps, due."),
        ("rated:soon", "“rated:soon” should read like rated:7"),
        ("rated:7:9", "“rated:7:9” should read like rated:7"),
        ("added:x", "“added:x” should be a number of days, like added:30."),
        ("flag:9", "“flag:9” should be a number from 0 to 7."),
        ('"unclosed', 'A quote " was opened and not closed.'),
        ('""', "There is nothing between the quotes."),
        ("(a or b", "There is a ( without a ) after it."),
        ("a) b", "There is a ) without a ( before it."),
        ("a or", "Something is missing beside “or”"),
        ("or a", "Something is missing beside “or”"),
        ("()", "Something is missing beside “or”, or between parentheses."),
        ("x" * 501, "The search has 501 characters; 500 is the most."),
        ("(" * 30 + "a" + ")" * 30, "Parentheses go 20 deep at most."),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_sentence(desk, query, says):
    with pytest.raises(QueryError) as caught:
        found(desk, query)
    assert says in str(caught.value)


PIECES = [*"ab\"()-:<>=%_\\';0 ", "or ", "is:due ", "tag:", "prop:", "rated:", "DROP TABLE card; --"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_whatever_is_typed_becomes_bound_values_or_a_sentence(desk, pieces):
    query = "".join(pieces)
    try:
        condition, _ = compile_query(query, today=TODAY)
    except QueryError as problem:
        assert len(str(problem)) > 10  # noqa: PT017  both endings are right
        return
    assert "DROP" not in condition
    found(desk, query)  # SQLite can run it


def test_text_from_a_person_never_stands_in_the_sql():
    condition, values = compile_query("track:zebra \"it's; DROP TABLE card\" tag:x'y", today=0)
    assert "zebra" not in condition
    assert "DROP" not in condition
    assert "x'y" not in condition
    assert {"zebra", "%it's; DROP TABLE card%"} <= set(values.values())


def test_the_index_of_words_follows_the_cards(tmp_path):
    engine = make_desk(tmp_path, topics=1, cards=2)
    with writing(engine) as session:
        session.get(Card, "t0-q00").plain = "a quite different sentence"
        session.get(Card, "t0-q00").tags = ["fresh"]
        session.add(Card(id="new", block="new", topic="topic-0", form="prose", source="", sha="", plain="zebra crossing", tags=["fresh"]))
        session.flush()
        review.follow_content(session, learner=1, at=NOON)
    assert found(engine, "different") == {"t0-q00"}
    assert found(engine, "word0") == set()
    assert found(engine, "zebra") == {"new"}
    assert found(engine, "tag:fresh") == {"t0-q00", "new"}
    assert found(engine, "tag:even") == set()
