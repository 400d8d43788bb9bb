"""Review through its public door: what is due, what a grade does, what undo takes back, and that nothing is ever lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from backend import memory, replay, review, stats
from backend.memory import Grade, Phase
from backend.review import Scope
from backend.settings import change_setting
from backend.store import Busy, DiskFull, open_engine, reading, writing
from backend.tables import Card, Topic
from tests.sample_desk import DAY, HOUR, MINUTE, NOON, make_desk, moment, scalar


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


def grade(engine, card: str, grade: int, *, at: int = NOON, **more) -> review.Recorded:
    """Grade the card's present showing."""
    with writing(engine) as session:
        shown = review.showing_of(session, learner=1, card=card, at=at)
        return review.record_grade(session, learner=1, card=card, showing=shown.number, grade=grade, at=at, **more)


def graduate(engine, *cards: str, at: int = NOON) -> None:
    """Easy on the first showing: the card leaves learning at once."""
    for card in cards:
        grade(engine, card, Grade.EASY, at=at)


def change(engine, **values) -> None:
    with writing(engine) as session:
        for name, value in values.items():
            change_setting(session, learner=1, name=name, value=value)


def plan(engine, *, at: int = NOON, **scope) -> review.Round:
    with reading(engine) as session:
        return review.plan_round(session, learner=1, at=at, scope=Scope(**scope))


def stored(engine, card: str) -> dict:
    with reading(engine) as session:
        sql = text("SELECT * FROM learner_card WHERE card = :card AND learner = 1")
        return dict(session.connection().execute(sql, {"card": card}).mappings().one())


def assert_log_and_state_agree(engine) -> None:
    with reading(engine) as session:
        assert replay.check_states(session, learner=1) == []
        assert stats.check_sums(session, learner=1) == []


# --- what is due -----------------------------------------------------------------------------------------------------


def test_new_cards_follow_the_tracks_and_each_topic_comes_after_what_it_needs(tmp_path):
    engine = make_desk(tmp_path, topics=4, cards=3)
    with writing(engine) as session:
        session.get(Topic, "topic-0").needs = ["topic-3", "no-such-topic"]
        session.get(Topic, "topic-3").needs = ["topic-0"]  # a ring of needs is survived
        session.flush()
        review.follow_content(session, learner=1, at=NOON)
    topics = [card[:2] for card in plan(engine).cards]
    assert topics == ["t3"] * 3 + ["t0"] * 3 + ["t1"] * 3 + ["t2"] * 3


def test_limits_hold_for_the_day_and_today_only_changes_them_for_today(desk):
    change(desk, new_per_day=5, reviews_per_day=3)
    assert plan(desk).new == 5
    graduate(desk, *plan(desk).cards)
    assert plan(desk).total == 0
    change(desk, today_only={"day": NOON // DAY, "new": 7})
    assert plan(desk).new == 2
    later = NOON + 30 * DAY
    there = plan(desk, at=later)
    assert (there.new, there.reviews) == (5, 3)
    for card in [card for card in there.cards if stored(desk, card)["state"] == Phase.REVIEW][:2]:
        grade(desk, card, 3, at=later)
    assert plan(desk, at=later).reviews == 1


def test_one_gap_of_a_sentence_a_day(desk):
    first = plan(desk, limit=None).cards
    assert "t0-gap0.1" in first
    assert "t0-gap0.2" not in first
    grade(desk, "t0-gap0.1", 4)
    assert "t0-gap0.2" not in plan(desk).cards
    assert "t0-gap0.2" in plan(desk, at=NOON + DAY).cards
    change(desk, bury_siblings=False)
    assert "t0-gap0.2" in plan(desk).cards


def test_reviews_come_in_the_order_that_was_chosen(desk):
    for number, card in enumerate(["t0-q00", "t0-q01", "t0-q02", "t0-q03"]):
        graduate(desk, card, at=NOON - (40 - 7 * number) * DAY)
    for card in ("t0-q01", "t0-q03"):
        grade(desk, card, 1, at=NOON - 10 * DAY)
        grade(desk, card, 3, at=NOON - 10 * DAY + 20 * MINUTE)
    rows = {card: stored(desk, card) for card in ("t0-q00", "t0-q01", "t0-q02", "t0-q03")}
    today = NOON // DAY

    def order(name: str) -> list[str]:
        change(desk, review_order=name, new_per_day=0)
        return list(plan(desk).cards)

    assert order("due") == sorted(rows, key=lambda card: (rows[card]["due_day"], card))
    recall = {card: float(stats.retrievability(row["stability"], today - row["last_day"])) for card, row in rows.items()}
    assert order("retrievability") == sorted(rows, key=lambda card: recall[card])
    late = {card: (today - row["due_day"]) / (row["due_day"] - row["last_day"] + 1) for card, row in rows.items()}
    assert order("overdue") == sorted(rows, key=lambda card: -late[card])
    assert sorted(order("random")) == sorted(rows)
    assert order("random") == order("random")  # the same all day


@pytest.mark.parametrize(("mix", "shape"), [("mix", "RNRNRN"), ("reviews first", "RRRNNN"), ("new first", "NNNRRR")])
def test_new_cards_and_reviews_are_mixed_as_wanted(desk, mix, shape):
    graduate(desk, "t0-q00", "t0-q01", "t0-q02", at=NOON - 60 * DAY)
    change(desk, mix=mix, new_per_day=3)
    assert "".join("R" if stored(desk, card)["state"] else "N" for card in plan(desk).cards) == shape


def test_counts_by_track_are_those_of_the_cards(desk):
    graduate(desk, "t0-q00", "t0-q01", "t3-q00", at=NOON - 60 * DAY)
    grade(desk, "t1-q00", 1)
    with writing(desk) as session:
        review.suspend(session, learner=1, card="t0-q01", at=NOON)
        review.bury(session, learner=1, card="t2-q00", at=NOON)
        counts = review.count_due(session, learner=1, at=NOON)
    assert [(c.track, c.learning, c.due, c.new) for c in counts] == [("first", 1, 1, 17), ("second", 0, 1, 18)]


def test_a_card_that_leaves_its_note_rests_and_comes_back_with_its_memory(desk):
    graduate(desk, "t0-q00")
    before = stored(desk, "t0-q00")
    for orphaned_at, expected in ((NOON, ""), (None, "topic-0")):
        with writing(desk) as session:
            session.get(Card, "t0-q00").orphaned_at = orphaned_at
            session.flush()
            review.follow_content(session, learner=1, at=NOON)
        assert stored(desk, "t0-q00") == before | {"topic": expected}
        assert ("t0-q00" in plan(desk, at=NOON + 60 * DAY).cards) == bool(expected)


def test_a_new_card_is_known_at_once_even_before_the_content_was_followed(desk):
    with writing(desk) as session:
        session.add(Card(id="late", block="late", topic="topic-1", form="prose", source="", sha=""))
        session.flush()
        assert review.showing_of(session, learner=1, card="late", at=NOON).phase is Phase.NEW
        with pytest.raises(review.UnknownCard, match="There is no card 'never'"):
            review.showing_of(session, learner=1, card="never", at=NOON)


# --- a sitting -------------------------------------------------------------------------------------------------------


def test_a_whole_sitting_ends_with_every_card_learnt(desk):
    """As the screen does it: fetch the next card, grade it, and wait for the clock when only waiting cards are left."""
    change(desk, new_per_day=12)
    sitting, at, graded, after = plan(desk), NOON, Counter(), 0
    while True:
        with writing(desk) as session:
            shown = review.next_showings(session, learner=1, at=at, round=sitting, after=after)
            if not shown:
                break
            card = shown[0]
            after = max(after, card.place + 1) if card.place is not None else after
            review.record_grade(session, learner=1, card=card.card, showing=card.number, grade=3, at=at, round=sitting.id, duration=4000)
        graded[card.card] += 1
        at += 5000
    assert graded == Counter(dict.fromkeys(sitting.cards, 2))  # once new, once after the ten-minute step
    with reading(desk) as session:
        summary = review.summarise_round(session, learner=1, round=sitting.id, at=at)
    assert (summary.graded, summary.cards, summary.passed, summary.milliseconds) == (24, 12, 24, 96_000)
    assert summary.retention is None
    assert summary.next_wait is None
    assert_log_and_state_agree(desk)


def test_learning_cards_come_when_their_time_has_come_and_early_when_nothing_else_is_left(desk):
    change(desk, new_per_day=2)
    sitting = plan(desk)
    grade(desk, sitting.cards[0], 1)  # back in a minute

    def fetch(at: int, skip=()) -> list[str]:
        with reading(desk) as session:
            return [shown.card for shown in review.next_showings(session, learner=1, at=at, round=sitting, skip=skip, count=2)]

    assert fetch(NOON + 10_000) == [sitting.cards[1]]
    assert fetch(NOON + MINUTE) == [sitting.cards[0], sitting.cards[1]]
    assert fetch(NOON + 10_000, skip=[sitting.cards[1]]) == [sitting.cards[0]]
    grade(desk, sitting.cards[1], 4)
    grade(desk, sitting.cards[0], 4)
    assert fetch(NOON + 10_000) == []


def test_a_round_passes_over_cards_that_were_graded_or_put_away_elsewhere(desk):
    sitting = plan(desk)
    first, second, third = sitting.cards[:3]
    graduate(desk, first)
    with writing(desk) as session:
        review.bury(session, learner=1, card=second, at=NOON)
        shown = review.next_showings(session, learner=1, at=NOON, round=sitting, count=1)
    assert [s.card for s in shown] == [third]


def test_the_buttons_promise_what_a_grade_then_does(desk):
    with reading(desk) as session:
        shown = review.showing_of(session, learner=1, card="t0-q00", at=NOON)
    assert [shown.intervals[g].label for g in Grade] == ["1 min", "6 min", "10 min", shown.intervals[Grade.EASY].label]
    graduate(desk, "t0-q00")
    at = NOON + 9 * DAY
    with writing(desk) as session:
        shown = review.showing_of(session, learner=1, card="t0-q00", at=at)
        days = [shown.intervals[g].days for g in Grade]
        assert days[0] == 0
        assert days[1] <= days[2] <= days[3]
        good = shown.intervals[Grade.GOOD]
        done = review.record_grade(session, learner=1, card="t0-q00", showing=shown.number, grade=3, at=at, promised=good.days)
    assert done.due_day == at // DAY + good.days
    grade(desk, "t0-q01", 4)
    wild = grade(desk, "t0-q01", 3, at=at, promised=4000)  # no browser can make up an interval
    assert wild.due_day < at // DAY + 100


@pytest.mark.parametrize(
    ("wait", "days", "label"),
    [(30_000, 0, "1 min"), (10 * MINUTE, 0, "10 min"), (90 * MINUTE, 0, "1.5 h"), (None, 1, "1 d"), (None, 128, "4.2 mo"), (None, 475, "1.3 y")],
)
def test_intervals_read_naturally(wait, days, label):
    assert review.interval_label(wait, days) == label


# --- grades ----------------------------------------------------------------------------------------------------------


def test_a_showing_is_applied_once(desk):
    with writing(desk) as session:
        first = review.record_grade(session, learner=1, card="t0-q00", showing=0, grade=3, at=NOON)
    with writing(desk) as session:
        again = review.record_grade(session, learner=1, card="t0-q00", showing=0, grade=1, at=NOON + 50)
        ahead = review.record_grade(session, learner=1, card="t0-q00", showing=7, grade=1, at=NOON + 50)
    assert (first.status, first.number) == ("recorded", 1)
    assert (again.status, again.number, ahead.status) == ("stale", 1, "stale")
    assert stored(desk, "t0-q00")["reps"] == 1
    assert_log_and_state_agree(desk)


def test_evenings_less_than_24_hours_apart_count_as_one_day(desk):
    change(desk, time_zone="Europe/Berlin")
    graduate(desk, "t0-q00", at=moment("2026-03-02 21:00"))
    done = grade(desk, "t0-q00", 3, at=moment("2026-03-03 20:50"))
    with reading(desk) as session:
        elapsed, recall = session.connection().execute(text("SELECT elapsed, recall FROM event WHERE id = :id"), {"id": done.event}).one()
    assert elapsed == 1
    assert recall < 1_000_000


def test_a_confident_miss_is_marked_and_comes_back_sooner(desk):
    sure, unsure = grade(desk, "t0-q00", 1, confidence=3), grade(desk, "t0-q01", 1, confidence=1)
    assert sure.confident_miss
    assert not unsure.confident_miss
    assert sure.due_at < unsure.due_at
    assert stored(desk, "t0-q00")["misconception"]
    grade(desk, "t0-q00", 3, at=NOON + MINUTE)
    assert not stored(desk, "t0-q00")["misconception"]


def test_a_leech_is_put_aside_at_the_limit_and_again_after_half_of_it(desk):
    change(desk, leech_lapses=4, relearning_steps=())
    graduate(desk, "t0-q00")
    at, leeches = NOON, []
    for lapse in range(1, 9):
        at += 30 * DAY
        done = grade(desk, "t0-q00", 1, at=at)
        if done.leech:
            leeches.append(lapse)
            assert stored(desk, "t0-q00")["suspended"]
            with writing(desk) as session:
                review.suspend(session, learner=1, card="t0-q00", at=at, suspended=False)
            assert not stored(desk, "t0-q00")["leech"]
    assert leeches == [4, 6, 8]
    assert_log_and_state_agree(desk)


def test_cramming_is_logged_and_moves_nothing(desk):
    graduate(desk, "t0-q00", "t0-q01")
    before = stored(desk, "t0-q00")
    sitting = plan(desk, kind="cram", query="topic:topic-0")
    assert set(sitting.cards) == {f"t0-q{n:02d}" for n in range(8)} | {"t0-gap0.1", "t0-gap0.2"}
    with writing(desk) as session:
        shown = review.next_showings(session, learner=1, at=NOON, round=sitting, count=99)
        assert len(shown) == 10
        assert not any(card.counts for card in shown)
        number = next(card.number for card in shown if card.card == "t0-q00")
        review.record_grade(session, learner=1, card="t0-q00", showing=number, grade=1, at=NOON, cram=True)
    assert stored(desk, "t0-q00") == before | {"events": before["events"] + 1}
    assert_log_and_state_agree(desk)


def test_studying_ahead_takes_what_is_due_soon_and_counts(desk):
    graduate(desk, "t0-q00", "t0-q01")
    due = stored(desk, "t0-q00")["due_day"]
    soon = plan(desk, at=NOON + DAY, kind="ahead", days_ahead=due - NOON // DAY - 1)
    assert "t0-q00" in soon.cards
    with reading(desk) as session:
        shown = review.next_showings(session, learner=1, at=NOON + DAY, round=soon)
    assert shown[0].counts
    assert 0.9 < shown[0].recall < 1
    assert plan(desk, kind="ahead", days_ahead=30).cards == ()  # graded today: not again


def test_only_what_was_missed_today_and_only_what_is_flagged(desk):
    grade(desk, "t0-q00", 1)
    grade(desk, "t0-q01", 4)
    grade(desk, "t0-q02", 1)
    with writing(desk) as session:
        review.undo(session, learner=1, at=NOON)  # an undone miss is none
        review.flag(session, learner=1, card="t0-q05", at=NOON, flag=2)
    assert plan(desk, kind="missed").cards == ("t0-q00",)
    assert plan(desk, at=NOON + DAY, kind="missed").cards == ()
    assert plan(desk, kind="flagged").cards == ("t0-q05",)
    with pytest.raises(ValueError, match=r"from 0 .* to 7, not 8"), writing(desk) as session:
        review.flag(session, learner=1, card="t0-q05", at=NOON, flag=8)


def test_a_round_can_be_narrowed_by_a_search(desk):
    assert {card[:2] for card in plan(desk, query="track:second -topic:topic-3").cards} == {"t2"}
    grade(desk, "t0-q00", 1)
    narrow = plan(desk, query="topic:topic-2")
    with reading(desk) as session:  # the waiting card of another topic does not creep in
        assert {s.card[:2] for s in review.next_showings(session, learner=1, at=NOON + HOUR, round=narrow, count=30)} == {"t2"}


def test_load_and_siblings_decide_the_day_within_the_fuzz_range(desk):
    with reading(desk) as session:
        shown = review.showing_of(session, learner=1, card="t0-gap0.2", at=NOON)
    free = shown.intervals[Grade.EASY].days
    with writing(desk) as session:  # its sibling is due on that very day
        sql = text("UPDATE learner_card SET state = 2, due_day = :day, stability = 9, last_day = 1 WHERE card = 't0-gap0.1'")
        session.connection().execute(sql, {"day": NOON // DAY + free})
        assert review.showing_of(session, learner=1, card="t0-gap0.2", at=NOON).intervals[Grade.EASY].days != free


def test_the_seed_of_a_showing_stays_until_the_card_moves_on_and_is_kept_in_the_log(desk):
    with writing(desk) as session:
        one, two = (review.showing_of(session, learner=1, card="t0-q00", at=at) for at in (NOON, NOON + DAY))
        assert one.seed == two.seed < 2**53
        review.record_grade(session, learner=1, card="t0-q00", showing=0, grade=3, at=NOON, seed=one.seed)
        assert review.showing_of(session, learner=1, card="t0-q00", at=NOON).seed != one.seed
        assert scalar(session, "SELECT seed FROM event WHERE card = 't0-q00'") == one.seed


# --- undo ------------------------------------------------------------------------------------------------------------


def test_undo_takes_back_everything_in_turn_and_survives_a_restart(desk):
    cards = ["t0-q00", "t0-q01", "t0-gap0.1"]
    start = {card: stored(desk, card) for card in cards}
    for round in range(4):
        for card in cards:
            grade(desk, card, 1 + (round + len(card)) % 4, at=NOON + round * DAY, duration=3000, confidence=3)
    with writing(desk) as session:
        review.suspend(session, learner=1, card="t0-q00", at=NOON)
        review.flag(session, learner=1, card="t0-q01", at=NOON, flag=3)
        review.bury(session, learner=1, card="t0-q01", at=NOON)
    desk.dispose()
    again = open_engine(str(desk.url))
    kinds = []
    while True:
        with writing(again) as session:
            done = review.undo(session, learner=1, at=NOON + 9 * DAY)
        if done is None:
            break
        kinds.append(done.kind)
        assert_log_and_state_agree(again)
    assert kinds == ["bury", "flag", "suspend"] + ["grade"] * 12
    for card in cards:
        assert stored(again, card) == start[card] | {"events": stored(again, card)["events"]}
    with reading(again) as session:
        assert scalar(session, "SELECT SUM(ABS(reviews) + ABS(milliseconds) + ABS(introduced) + ABS(expected)) FROM day_stat") == 0
        assert scalar(session, "SELECT COUNT(*) FROM event") == 30  # nothing was erased


def test_undo_leads_back_past_what_was_undone(desk):
    for card in ("t0-q00", "t0-q01"):
        grade(desk, card, 3)
    with writing(desk) as session:
        assert review.undo(session, learner=1, at=NOON).cards == ("t0-q01",)
    grade(desk, "t0-q02", 3)
    with writing(desk) as session:
        undone = [review.undo(session, learner=1, at=NOON) for _ in range(3)]
    assert [done and (done.cards[0], done.grade) for done in undone] == [("t0-q02", Grade.GOOD), ("t0-q00", Grade.GOOD), None]


def test_a_showing_from_before_an_undo_is_stale(desk):
    grade(desk, "t0-q00", 1)
    with reading(desk) as session:
        shown = review.showing_of(session, learner=1, card="t0-q00", at=NOON)
    with writing(desk) as session:
        review.undo(session, learner=1, at=NOON)
        assert review.record_grade(session, learner=1, card="t0-q00", showing=shown.number, grade=3, at=NOON).status == "stale"
        assert review.record_grade(session, learner=1, card="t0-q00", showing=0, grade=3, at=NOON).status == "stale"


# --- memories from elsewhere -----------------------------------------------------------------------------------------


def test_a_memory_from_elsewhere_is_taken_over_with_its_history(desk):
    reviews = [(NOON - 30 * DAY, 3, 5000), (NOON - 28 * DAY, 3, 4000), (NOON - 17 * DAY, 1, None), (NOON - 17 * DAY + MINUTE, 3, None)]
    with writing(desk) as session:
        assert review.import_memory(session, learner=1, card="t0-q00", reviews=reviews, at=NOON)
        assert not review.import_memory(session, learner=1, card="t0-q00", reviews=reviews, at=NOON)
        given = {"stability": 10.5, "difficulty": 5.25, "due_day": NOON // DAY + 3}
        assert review.import_memory(session, learner=1, card="t0-q01", reviews=reviews, at=NOON, **given)
    first, second = stored(desk, "t0-q00"), stored(desk, "t0-q01")
    S = D = 0.0
    for elapsed, mark in ((0, 3), (2, 3), (11, 1), (0, 3)):
        S, D = (float(x) for x in memory.next_memory(S, D, elapsed, mark))
    assert (first["stability"], first["difficulty"]) == pytest.approx((S, D))
    assert (first["state"], first["reps"], first["lapses"], first["last_day"]) == (Phase.REVIEW, 4, 1, NOON // DAY - 17)
    assert (second["stability"], second["difficulty"], second["due_day"]) == (10.5, 5.25, NOON // DAY + 3)
    assert_log_and_state_agree(desk)
    grade(desk, "t0-q00", 3)
    grade(desk, "t0-q02", 3)
    with writing(desk) as session:
        assert [review.undo(session, learner=1, at=NOON) is not None for _ in range(3)] == [True, True, False]  # an import stays
    assert stored(desk, "t0-q00") == first | {"events": 3}
    assert_log_and_state_agree(desk)


# --- nothing lost ----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grade"] * 6 + ["undo", "undo", "bury", "suspend", "unsuspend", "flag", "cram"]),
        st.integers(0, 11),
        st.integers(1, 4),
        st.sampled_from([0, 0, MINUTE, HOUR, DAY, 3 * DAY, 40 * DAY, -2 * DAY]),  # a clock set back, too
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles"]))
def test_the_replayed_log_always_equals_the_state(tmp_path_factory, steps, zone):
    engine = make_desk(tmp_path_factory.mktemp("property"), topics=1, cards=12)
    change(engine, leech_lapses=2, time_zone=zone, relearning_steps=(10, 30))
    cards = [f"t0-q{n:02d}" for n in range(8)] + ["t0-gap0.1", "t0-gap0.2", "t0-q10", "t0-q11"]
    at = NOON
    for kind, number, mark, later in steps:
        at += later
        card = cards[number]
        with writing(engine) as session:
            if kind == "undo":
                review.undo(session, learner=1, at=at)
            elif kind in ("grade", "cram"):
                shown = review.showing_of(session, learner=1, card=card, at=at)
                more = {"duration": mark * 1000, "confidence": 1 + number % 3, "cram": kind == "cram"}
                done = review.record_grade(session, learner=1, card=card, showing=shown.number, grade=mark, at=at, **more)
                assert done.status == "recorded"
                assert done.due_day >= stored_in(session, card)["last_day"]
            elif kind == "flag":
                review.flag(session, learner=1, card=card, at=at, flag=mark)
            elif kind == "bury":
                review.bury(session, learner=1, card=card, at=at)
            else:
                review.suspend(session, learner=1, card=card, at=at, suspended=kind == "suspend")
    assert_log_and_state_agree(engine)
    engine.dispose()


def stored_in(session, card: str) -> dict:
    return dict(session.connection().execute(text("SELECT * FROM learner_card WHERE card = :card"), {"card": card}).mappings().one())


def test_check_finds_what_drifted(desk):
    grade(desk, "t0-q00", 3)
    with writing(desk) as session:
        session.connection().execute(text("UPDATE learner_card SET due_day = due_day + 1, stability = stability * 1.001 WHERE card = 't0-q00'"))
        session.connection().execute(text("UPDATE day_stat SET passed = passed + 1 WHERE measure = 'hour'"))
        found = {str(mismatch).split(" is ")[0] for mismatch in replay.check_states(session, learner=1)}
        assert found == {"t0-q00: due_day", "t0-q00: stability"}
        assert len(stats.check_sums(session, learner=1)) == 1


GRADER = """
import random, sys
from backend import review
from backend.store import open_engine, writing
from tests.sample_desk import NOON
engine, rng = open_engine(sys.argv[1]), random.Random(int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    card, at = f"t{rng.randrange(4)}-q{rng.randrange(8):02d}", NOON + rng.randrange(10**10)
    with writing(engine) as session:
        shown = review.showing_of(session, learner=1, card=card, at=at)
        grade = rng.randint(1, 4)
        done = review.record_grade(session, learner=1, card=card, showing=shown.number, grade=grade, at=at, duration=1000)
    print(f"{done.status} {card} {shown.number} {grade}", flush=True)  # only after the transaction: this is the acknowledgement
"""


def grader(engine, seed: int, grades: int) -> subprocess.Popen:
    command = [sys.executable, "-c", GRADER, str(engine.url), str(seed), str(grades)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()})


def test_killing_the_process_loses_no_acknowledged_grade_and_doubles_none(desk):
    """SIGKILL after a random number of acknowledgements, over and over, until a thousand grades were acknowledged (300 in the short run)."""
    rng, acknowledged, kills = random.Random(11), [], 0
    while len(acknowledged) < (1000 if os.environ.get("ATTEND_LONG") else 300):
        process = grader(desk, seed=kills, grades=400)
        for _ in range(rng.randint(30, 150)):
            acknowledged.append(process.stdout.readline().split())
        time.sleep(rng.random() * 0.004)  # anywhere within the next grade
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.split() for line in process.stdout.read().splitlines() if line.count(" ") == 3]
        process.wait()
        process.stdout.close()
        kills += 1
    with reading(desk) as session:
        logged = session.connection().execute(text("SELECT card, seq, grade FROM event")).all()
    assert {status for status, *_ in acknowledged} == {"recorded"}
    assert {(card, int(seq), int(grade)) for _, card, seq, grade in acknowledged} <= {tuple(row) for row in logged}
    assert len(logged) <= len(acknowledged) + kills  # at most the one that was being written at each kill
    assert len({(card, seq) for card, seq, _ in logged}) == len(logged)
    assert kills > 2
    assert_log_and_state_agree(desk)


RACER = """
import sys
from backend import review
from backend.store import open_engine, writing
from tests.sample_desk import NOON
engine = open_engine(sys.argv[1])
sys.stdin.readline()
for number in range(100):
    with writing(engine) as session:
        done = review.record_grade(session, learner=1, card=f"t0-q{number % 4:02d}", showing=number // 4, grade=3, at=NOON)
    print(done.status, flush=True)
"""


def test_two_processes_grading_the_same_showings_apply_each_once(desk):
    command = [sys.executable, "-c", RACER, str(desk.url)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    racers = [subprocess.Popen(command, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}, **pipes) for _ in range(2)]
    answers = []
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        out, err = racer.communicate(timeout=60)
        assert err == ""  # never "database is locked"
        answers.append(out.split())
    assert [len(each) for each in answers] == [100, 100]
    pairs = list(zip(*answers, strict=True))
    assert all(sorted(pair) in (["recorded", "stale"],) for pair in pairs)
    with reading(desk) as session:
        assert scalar(session, "SELECT COUNT(*) FROM event") == 100
    assert_log_and_state_agree(desk)


def test_a_full_disk_is_said_plainly_and_the_card_stays(desk):
    with reading(desk) as session:
        pages = scalar(session, "PRAGMA page_count")
    before = stored(desk, "t0-q00")

    def grade_until_full() -> None:
        for number in range(1000):
            with writing(desk) as session:
                session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
                review.record_grade(session, learner=1, card="t0-q01", showing=number, grade=1, at=NOON, round="x" * 200)

    with pytest.raises(DiskFull, match="The disk is full, so nothing was saved just now") as caught:
        grade_until_full()
    assert caught.value.__cause__ is not None
    assert stored(desk, "t0-q00") == before
    with writing(desk) as session:
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1000000")
        card = stored_in(session, "t0-q01")
        assert review.record_grade(session, learner=1, card="t0-q01", showing=card["events"], grade=3, at=NOON).status == "recorded"
    assert_log_and_state_agree(desk)


def test_a_database_that_stays_locked_is_said_plainly(desk):
    impatient = open_engine(str(desk.url))
    event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=30"))
    with writing(desk) as session:
        session.connection()
        with pytest.raises(Busy, match="busy for too long, so nothing was saved"), writing(impatient) as other:
            review.flag(other, learner=1, card="t0-q00", at=NOON, flag=1)
    with writing(impatient) as other:
        review.flag(other, learner=1, card="t0-q00", at=NOON, flag=1)
    assert stored(desk, "t0-q00")["flag"] == 1


def test_a_clock_set_forward_and_back_is_survived(desk):
    graduate(desk, "t0-q00", at=NOON + 400 * DAY)  # the clock was a year ahead
    first = stored(desk, "t0-q00")
    done = grade(desk, "t0-q00", 3, at=NOON)  # and was put right
    assert done.status == "recorded"
    assert stored(desk, "t0-q00")["last_day"] == first["last_day"]
    assert done.due_day >= first["last_day"]
    with reading(desk) as session:
        elapsed = scalar(session, "SELECT elapsed FROM event WHERE id = :id", id=done.event)
    assert elapsed == 0
    assert_log_and_state_agree(desk)


def test_travel_changes_the_border_of_the_day_and_no_history(desk):
    change(desk, time_zone="Asia/Tokyo")
    graduate(desk, "t0-q00", at=moment("2026-03-02 22:00"))
    before = stored(desk, "t0-q00")
    change(desk, time_zone="America/Los_Angeles")
    assert stored(desk, "t0-q00") == before
    assert grade(desk, "t0-q01", 3, at=moment("2026-03-03 10:00")).status == "recorded"
    assert_log_and_state_agree(desk)
