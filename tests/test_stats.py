"""Statistics: sums that follow every grade, and figures worked by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from sqlalchemy import text

from backend import memory, review, stats
from backend.memory import Grade
from backend.settings import change_setting
from backend.stats import Rate
from backend.store import reading, writing
from tests.sample_desk import DAY, HOUR, MINUTE, NOON, make_desk, moment

TODAY = NOON // DAY


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path)


def grade(engine, card: str, grade: int, *, at: int, duration: int = 6000) -> None:
    with writing(engine) as session:
        number = review.showing_of(session, learner=1, card=card, at=at).number
        review.record_grade(session, learner=1, card=card, showing=number, grade=grade, at=at, duration=duration)


def history(engine, *, days: int, seed: int = 1) -> None:
    """A seeded history of some cards, with undos among the grades."""
    rng = random.Random(seed)
    for day in range(days):
        for _ in range(rng.randint(0, 6)):
            at = NOON + (day - days) * DAY + rng.randrange(10) * HOUR
            grade(engine, f"t{rng.randrange(4)}-q{rng.randrange(8):02d}", rng.choice([1, 2, 3, 3, 4]), at=at, duration=rng.randrange(20_000))
            if rng.random() < 0.15:
                with writing(engine) as session:
                    review.undo(session, learner=1, at=at)


def test_a_year_equals_a_full_recount_of_the_log(desk):
    history(desk, days=60)
    with reading(desk) as session:
        assert stats.check_sums(session, learner=1) == []
        year = stats.read_year(session, learner=1, at=NOON)
        rows = session.connection().execute(text("""SELECT day, hour, grade, before, interval, duration, recall, elapsed FROM event e WHERE kind = 'grade'
            AND NOT EXISTS (SELECT 1 FROM event u WHERE u.kind = 'undo' AND u.value = e.id)""")).all()  # fmt: skip
    assert sum(day.reviews for day in year.days) == len(rows)
    assert sum(day.milliseconds for day in year.days) == sum(row.duration for row in rows)
    assert {day.day: day.reviews for day in year.days} == {day: sum(row.day == day for row in rows) for day in {row.day for row in rows}}
    assert {hour: rate.reviews for hour, rate in year.hours.items()} == {hour: sum(row.hour == hour for row in rows) for hour in {row.hour for row in rows}}
    young = [row for row in rows if row.before == 2 and row.interval < 21]
    mature = [row for row in rows if row.before == 2 and row.interval >= 21]
    assert year.retention["young"] == Rate(len(young), sum(row.grade > 1 for row in young))
    assert year.retention["mature"] == Rate(len(mature), sum(row.grade > 1 for row in mature))
    assert year.retention["all"].reviews == len(young) + len(mature) > 20
    predicted = [row.recall / 1e6 for row in rows if row.before == 2 and row.elapsed > 0]
    assert sum(bin.rate.reviews for bin in year.calibration) == len(predicted)
    assert sum(bin.predicted * bin.rate.reviews for bin in year.calibration) == pytest.approx(sum(predicted))


def test_a_span_holds_its_days_only(desk):
    for days_ago in (7, 6, 0):
        grade(desk, "t0-q00", 3, at=NOON - days_ago * DAY)
    with reading(desk) as session:
        year = stats.read_year(session, learner=1, at=NOON, days=7)
    assert [day.day for day in year.days] == [TODAY - 6, TODAY]


def test_a_review_at_night_belongs_to_the_evening_before(desk):
    with writing(desk) as session:
        change_setting(session, learner=1, name="time_zone", value="Europe/Berlin")
    grade(desk, "t0-q00", 3, at=moment("2026-03-03 01:30"))  # 02:30 in Berlin
    with reading(desk) as session:
        year = stats.read_year(session, learner=1, at=moment("2026-03-03 12:00"))
    assert [memory.calendar_date(day.day).isoformat() for day in year.days] == ["2026-03-02"]
    assert list(year.hours) == [2]


def test_the_forecast_counts_every_due_card_once_and_the_overdue_today(desk):
    for number in range(8):
        grade(desk, f"t0-q{number:02d}", 4, at=NOON - 20 * DAY)
    for number in range(8):
        grade(desk, f"t1-q{number:02d}", 4, at=NOON)
    grade(desk, "t2-q00", 1, at=NOON)
    with reading(desk) as session:
        forecast = stats.read_forecast(session, learner=1, at=NOON, days=30)
        due = [row[0] for row in session.connection().execute(text("SELECT due_day FROM learner_card WHERE state > 0"))]
    assert forecast == [sum(max(day, TODAY) == TODAY + ahead for day in due) for ahead in range(30)]
    assert forecast[0] == 9
    assert sum(forecast) == 17


def test_today_knows_what_is_left_and_how_long_it_takes(desk):
    with writing(desk) as session:
        change_setting(session, learner=1, name="new_per_day", value=3)
    for number in range(5):
        grade(desk, f"t0-q{number:02d}", 4, at=NOON - 30 * DAY, duration=20_000)
    grade(desk, "t1-q00", 4, at=NOON, duration=20_000)
    with reading(desk) as session:
        today = stats.read_today(session, learner=1, at=NOON)
    assert (today.due, today.new, today.waiting, today.graded, today.introduced) == (5, 2, 0, 1, 1)
    assert today.minutes_left == pytest.approx((5 * 1.1 + 2 * 3) * 20 / 60)  # twenty seconds each, at this learner's pace
    with writing(desk) as session:
        change_setting(session, learner=1, name="reviews_per_day", value=2)
        today = stats.read_today(session, learner=1, at=NOON)
    assert (today.due, today.waiting) == (2, 3)


@pytest.mark.parametrize(
    ("done", "freezes", "streak", "longest", "frozen"),
    [
        ([], 2, 0, 0, []),
        ([0], 2, 1, 1, []),
        ([1], 2, 1, 1, []),  # today is still to come
        ([0, 1, 2, 3], 0, 4, 4, []),
        ([0, 1, 3, 4], 0, 2, 2, []),
        ([0, 1, 3, 4], 1, 4, 4, [2]),
        ([0, 1, 4, 5, 6], 1, 2, 3, []),  # two missed days and one freeze: broken
        ([0, 1, 4, 5, 6], 2, 5, 5, [3, 2]),
        ([2], 1, 1, 1, [1]),
        ([3], 1, 0, 1, []),
    ],
)
def test_the_streak_by_days_ago(done, freezes, streak, longest, frozen):
    today = 20_540  # the 28th of a month: all of it in one month
    found = stats.streak_of({today - ago for ago in done}, today=today, freeze_days=freezes)
    assert (found.days, found.longest, [today - day for day in found.frozen]) == (streak, longest, frozen)
    assert found.today_done == (0 in done)


def test_freezes_come_back_with_a_new_month():
    first = (memory.dt.date(2026, 4, 1) - memory.dt.date(1970, 1, 1)).days
    done = {first - 3, first - 1, first + 1, first + 3}  # one day missed in March, two in April
    assert stats.streak_of(done, today=first + 3, freeze_days=1).days == 1
    assert stats.streak_of(done - {first + 3}, today=first + 1, freeze_days=1).days == 3


def test_the_wilson_interval_is_the_published_one():
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29 at 95 %."""
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (passed, reviews), bounds in published.items():
        assert stats.wilson(passed, reviews) == pytest.approx(bounds, abs=6e-5)
    assert stats.wilson(0, 0) == (0.0, 1.0)


def test_weakest_topics_need_evidence(desk):
    for number in range(8):
        grade(desk, f"t0-q{number:02d}", 1 if number < 4 else 3, at=NOON)
        grade(desk, f"t1-q{number:02d}", 3, at=NOON)
    grade(desk, "t2-q00", 1, at=NOON)  # one bad grade condemns no topic
    with reading(desk) as session:
        weakest = stats.find_weakest_topics(session, learner=1, at=NOON)
    assert weakest == [("topic-0", Rate(8, 4)), ("topic-1", Rate(8, 8))]


def test_mastery_is_the_mean_recall_over_all_cards_of_a_topic(desk):
    grade(desk, "t0-q00", 4, at=NOON - 10 * DAY)
    grade(desk, "t0-q01", 4, at=NOON)
    with reading(desk) as session:
        mastery = {topic.topic: topic for topic in stats.read_mastery(session, learner=1, at=NOON)}
        now = stats.read_memory(session, learner=1, at=NOON)
    recall = float(memory.retrievability(8.2956, 10))
    assert (mastery["topic-0"].cards, mastery["topic-0"].started, mastery["topic-0"].track) == (10, 2, "first")
    assert mastery["topic-0"].recall == pytest.approx((recall + 1) / 10)
    assert mastery["topic-1"].recall == 0
    assert sorted(now.recall.tolist()) == pytest.approx([recall, 1.0])


def test_a_card_s_curve_passes_through_its_grades(desk):
    with reading(desk) as session:
        assert stats.read_curve(session, learner=1, card="t0-q00", at=NOON) is None
    for days_ago, mark in ((30, 4), (20, 3), (5, 1)):
        grade(desk, "t0-q00", mark, at=NOON - days_ago * DAY)
    grade(desk, "t0-q00", 1, at=NOON - 5 * DAY + MINUTE)
    with writing(desk) as session:
        review.undo(session, learner=1, at=NOON)  # an undone grade is not drawn
        curve = stats.read_curve(session, learner=1, card="t0-q00", at=NOON, ahead=10)
    assert [(day, mark) for day, _, mark in curve.graded] == [(0, Grade.EASY), (10, Grade.GOOD), (25, Grade.AGAIN)]
    assert curve.graded[1][1] == pytest.approx(float(memory.retrievability(8.2956, 10)), abs=1e-6)
    assert (curve.today, curve.days[-1]) == (30, 40)
    assert max(curve.recall) == 1.0
    ends = [place for place in range(len(curve.days) - 1) if curve.recall[place + 1] > curve.recall[place]]
    assert [curve.recall[place] for place in ends] == pytest.approx([curve.graded[1][1], curve.graded[2][1]], abs=1e-6)


def test_log_loss_and_the_baselines_are_what_they_say():
    passed = np.array([1.0, 1.0, 0.0, 1.0])
    assert stats.log_loss(np.full(4, 0.75), passed) == pytest.approx(-(3 * math.log(0.75) + math.log(0.25)) / 4)
    assert stats.moving_average(passed, start=0.5, weight=0.5).tolist() == [0.5, 0.75, 0.875, 0.4375]


def test_accuracy_prefers_the_schedule_where_the_learner_follows_its_curve(desk):
    """A learner who forgets exactly as the model says, reviewed after very different waits."""
    rng = random.Random(3)
    with reading(desk) as session:
        assert stats.read_accuracy(session, learner=1) is None
    for number in range(4):
        for card in range(8):
            name, at = f"t{number}-q{card:02d}", NOON - 4000 * DAY
            grade(desk, name, 4, at=at)
            for _ in range(8):
                at += rng.choice([1, 10, 300]) * DAY
                with reading(desk) as session:
                    recall = review.showing_of(session, learner=1, card=name, at=at).recall
                grade(desk, name, 3 if rng.random() < recall else 1, at=at)
                grade(desk, name, 4, at=at + 20 * MINUTE)
    with reading(desk) as session:
        accuracy = stats.read_accuracy(session, learner=1)
    assert accuracy.reviews == 256
    assert accuracy.helps
    assert accuracy.schedule < accuracy.constant - 0.02


def test_more_retention_costs_more_and_keeps_more(desk):
    for number in range(8):
        grade(desk, f"t0-q{number:02d}", 4, at=NOON)
    with reading(desk) as session:
        plans = stats.simulate_workload(session, learner=1, at=NOON, seed=4, retentions=(0.7, 0.97))
        again = stats.simulate_workload(session, learner=1, at=NOON, seed=4, retentions=(0.7, 0.97))
    low, high = plans
    assert plans == again
    assert low.reviews_a_day < high.reviews_a_day
    assert low.remembered < high.remembered <= 40
    assert low.minutes_a_day == pytest.approx(low.reviews_a_day * 6 / 60)
