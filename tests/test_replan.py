"""Moving many cards at once: shown first, under the cap, and taken back by one undo."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from backend import memory, replan, replay, review, stats
from backend.memory import Grade
from backend.replan import StalePlan
from backend.settings import change_setting, read_settings
from backend.store import reading, writing
from tests.sample_desk import DAY, NOON, make_desk

TODAY = NOON // DAY
STRICT = (0.05, 0.3, 0.6, 2.0, *memory.DEFAULT_PARAMETERS[4:])  # someone who forgets much faster


@pytest.fixture
def desk(tmp_path):
    """Sixty cards of which forty were begun over a month and reviewed once more."""
    engine = make_desk(tmp_path, topics=4, cards=15, gaps=False)
    with writing(engine) as session:
        for number in range(40):
            card, at = f"t{number % 4}-q{number // 4:02d}", NOON - (45 - number) * DAY
            review.record_grade(session, learner=1, card=card, showing=0, grade=4, at=at)
            review.record_grade(session, learner=1, card=card, showing=1, grade=3, at=at + (number % 9) * DAY)
    return engine


def states(engine) -> dict[str, tuple]:
    with reading(engine) as session:
        sql = text("SELECT card, state, step, stability, difficulty, due_day, last_day, reps, lapses FROM learner_card ORDER BY card")
        return {row[0]: tuple(row[1:]) for row in session.connection().execute(sql)}


def due_days(engine) -> list[int]:
    return sorted(row[4] for row in states(engine).values() if row[0] == 2)


def change(engine, **values) -> None:
    with writing(engine) as session:
        for name, value in values.items():
            change_setting(session, learner=1, name=name, value=value)


def make(engine, plan, **more):
    with reading(engine) as session:
        return plan(session, learner=1, at=NOON, **more)


def carry_out(engine, plan) -> int:
    with writing(engine) as session:
        return replan.apply_plan(session, learner=1, plan=plan, at=NOON)


def take_back(engine):
    with writing(engine) as session:
        return review.undo(session, learner=1, at=NOON)


def assert_log_and_state_agree(engine) -> None:
    with reading(engine) as session:
        assert replay.check_states(session, learner=1) == []
        assert stats.check_sums(session, learner=1) == []


def test_new_parameters_give_every_card_the_memory_its_history_deserves(desk):
    plan = make(desk, replan.plan_parameters, parameters=STRICT)
    before = states(desk)
    assert states(desk) == before  # a plan changes nothing
    assert carry_out(desk, plan) == len(plan.moves) > 20
    for number in range(40):
        S, D = memory.next_memory(0, 0, 0, 4, STRICT)
        S, D = memory.next_memory(S, D, number % 9, 3, STRICT)
        row = states(desk)[f"t{number % 4}-q{number // 4:02d}"]
        assert (row[2], row[3]) == pytest.approx((float(S), float(D)))
    with reading(desk) as session:
        assert read_settings(session, learner=1).parameters == STRICT
    assert_log_and_state_agree(desk)


@pytest.mark.parametrize("cap", [3, 7, 100])
def test_no_day_rises_above_the_cap_after_new_parameters(desk, cap):
    change(desk, day_cap=cap)
    plan = make(desk, replan.plan_parameters, parameters=STRICT)
    carry_out(desk, plan)
    due = np.array(due_days(desk))
    counts = np.bincount(np.maximum(due, TODAY) - TODAY)
    assert counts.max() <= cap
    assert tuple(counts) == plan.days
    assert replan.days_of(plan) == {TODAY + ahead: number for ahead, number in enumerate(counts)}
    assert f"your cap is {cap}" in plan.says


def test_one_undo_takes_all_of_it_back(desk):
    before = states(desk)
    carry_out(desk, make(desk, replan.plan_parameters, parameters=STRICT))
    undone = take_back(desk)
    assert undone.kind == "parameters"
    assert states(desk) == {card: pytest.approx(row) for card, row in before.items()}
    assert due_days(desk) == sorted(row[4] for row in before.values() if row[0] == 2)
    with reading(desk) as session:
        assert read_settings(session, learner=1).parameters == memory.DEFAULT_PARAMETERS
    assert_log_and_state_agree(desk)
    assert take_back(desk).kind == "grade"  # and the next undo goes on before it
    assert_log_and_state_agree(desk)


def test_grades_after_new_parameters_are_undone_to_the_new_memory(desk):
    carry_out(desk, make(desk, replan.plan_parameters, parameters=STRICT))
    middle = states(desk)
    with writing(desk) as session:
        shown = review.showing_of(session, learner=1, card="t0-q00", at=NOON)
        review.record_grade(session, learner=1, card="t0-q00", showing=shown.number, grade=1, at=NOON)
    take_back(desk)
    assert states(desk) == {card: pytest.approx(row) for card, row in middle.items()}
    assert_log_and_state_agree(desk)


def test_new_parameters_can_leave_the_days_alone(desk):
    before = states(desk)
    plan = make(desk, replan.plan_parameters, parameters=STRICT, reschedule=False)
    assert plan.moves == ()
    carry_out(desk, plan)
    after = states(desk)
    assert [row[4] for row in after.values()] == [row[4] for row in before.values()]
    assert after["t0-q00"][2] != before["t0-q00"][2]
    assert_log_and_state_agree(desk)


def test_the_same_parameters_move_nothing_but_the_overdue(desk):
    plan = make(desk, replan.plan_parameters, parameters=memory.DEFAULT_PARAMETERS)
    assert all(move.from_day < TODAY for move in plan.moves)


def test_a_plan_is_refused_once_something_was_graded(desk):
    plan = make(desk, replan.plan_parameters, parameters=STRICT)
    with writing(desk) as session:
        review.flag(session, learner=1, card="t0-q00", at=NOON, flag=1)
    before = states(desk)
    with pytest.raises(StalePlan, match="since this plan was made"):
        carry_out(desk, plan)
    assert states(desk) == before


def test_a_backlog_is_spread_under_the_cap_the_weakest_first(desk):
    change(desk, day_cap=4)
    later = NOON + 300 * DAY
    with reading(desk) as session:
        plan = replan.plan_spread(session, learner=1, at=later)
    assert plan.days == (4,) * 10
    recall = {card: float(memory.retrievability(row[2], TODAY + 300 - row[5])) for card, row in states(desk).items() if row[0] == 2}
    moved = {move.card: move.to_day for move in plan.moves}
    days = [moved.get(card, TODAY + 300) for card in sorted(recall, key=recall.get)]
    assert days == sorted(days)
    with writing(desk) as session:
        assert replan.apply_plan(session, learner=1, plan=plan, at=later) == 36
    assert_log_and_state_agree(desk)
    assert take_back(desk).kind == "reschedule"
    assert_log_and_state_agree(desk)


def test_an_exam_brings_its_tracks_to_the_wanted_recall_and_no_others(desk):
    exam = TODAY + 10
    plan = make(desk, replan.plan_exam, tracks=["first"], day=exam, retention=0.97)
    before = states(desk)
    assert plan.moves
    assert {move.card[:2] for move in plan.moves} <= {"t0", "t1"}
    assert all(TODAY <= move.to_day < exam <= move.from_day for move in plan.moves)
    assert plan.recall_after > plan.recall_before
    carry_out(desk, plan)
    for move in plan.moves:  # pass that review, and the card is there on the day
        _, _, S, D, due, last, *_ = states(desk)[move.card]
        S, _ = memory.next_memory(S, D, due - last, Grade.GOOD)
        assert float(memory.retrievability(S, exam - due)) >= 0.97
        assert before[move.card][2:4] == states(desk)[move.card][2:4]
    assert_log_and_state_agree(desk)
    take_back(desk)
    assert states(desk) == before


def test_an_exam_keeps_to_the_cap_and_says_what_finds_no_place(desk):
    change(desk, day_cap=1)
    plan = make(desk, replan.plan_exam, tracks=["first", "second"], day=TODAY + 4, retention=0.99)
    assert plan.left_out > 0
    assert f"{plan.left_out} find no place under your cap of 1 a day" in plan.says
    days = [move.to_day for move in plan.moves]
    assert len(days) == len(set(days)) <= 4
    assert plan.new_a_day == pytest.approx(20 / 4)


@pytest.mark.parametrize(("day", "retention", "says"), [(TODAY, 0.9, "must be after today"), (TODAY + 5, 1.2, "between 0.5 and 0.99, not 1.2")])
def test_an_exam_that_cannot_be_planned_is_refused(desk, day, retention, says):
    with pytest.raises(ValueError, match=says):
        make(desk, replan.plan_exam, tracks=["first"], day=day, retention=retention)


def test_a_desk_without_reviews_can_be_planned_too(tmp_path):
    engine = make_desk(tmp_path, topics=1, cards=3)
    exam = {"tracks": [], "day": TODAY + 3, "retention": 0.9}
    for planned, more in ((replan.plan_parameters, {"parameters": STRICT}), (replan.plan_spread, {}), (replan.plan_exam, exam)):
        plan = make(engine, planned, **more)
        assert plan.moves == ()
        assert carry_out(engine, plan) == 0
    assert_log_and_state_agree(engine)
