"""The memory model against two implementations we did not write, a history worked by hand, and the clock's traps."""

from __future__ import annotations

import ast
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import fsrs
import fsrs_rs_python
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import memory
from backend.memory import DEFAULT_PARAMETERS, Grade, Memory, Phase
from tests.sample_desk import DAY, HOUR, MINUTE, moment

OTHER_PARAMETERS = (
    0.5, 1.1, 3.1, 12.0, 6.9, 0.62, 2.7, 0.04, 1.6, 0.12, 0.95, 1.8, 0.09, 0.31, 1.9, 0.45, 2.2, 0.61, 0.15, 0.11, 0.21,
)  # fmt: skip


def random_histories(seed: int, cards: int) -> list[list[tuple[int, int]]]:
    """For each card (study day, grade): gaps from none to half a year."""
    rng = np.random.default_rng(seed)
    histories = []
    for _ in range(cards):
        gaps = rng.choice([0, 0, 1, 1, 2, 4, 9, 25, 60, 180], rng.integers(1, 15))
        histories.append([(20_000 + int(day), int(rng.integers(1, 5))) for day in np.cumsum(gaps)])
    return histories


def our_states(history: list[tuple[int, int]], parameters) -> list[tuple[float, float]]:
    S = D = 0.0
    found, before = [], history[0][0]
    for day, grade in history:
        S, D = map(float, memory.next_memory(S, D, day - before, grade, parameters))
        found.append((S, D))
        before = day
    return found


def midnight(day: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)


@pytest.mark.parametrize("parameters", [DEFAULT_PARAMETERS, OTHER_PARAMETERS], ids=["default", "other"])
def test_stability_and_difficulty_agree_with_the_fsrs_package(parameters):
    scheduler = fsrs.Scheduler(parameters, learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    for number, history in enumerate(random_histories(1, 150)):
        card = fsrs.Card(card_id=number + 1)
        for (day, grade), (S, D) in zip(history, our_states(history, parameters), strict=True):
            # the package counts rolling days: handed midnights, it counts ours
            card, _ = scheduler.review_card(card, fsrs.Rating(grade), midnight(day).astimezone(dt.timezone.utc))  # noqa: UP017
            assert (card.stability, card.difficulty) == pytest.approx((S, D), rel=1e-9)
            days = int(memory.whole_interval(S, 0.9, parameters))
            assert (card.due - midnight(day)).days == days


@pytest.mark.parametrize("parameters", [DEFAULT_PARAMETERS, OTHER_PARAMETERS], ids=["default", "other"])
def test_stability_difficulty_and_interval_agree_with_the_rust_engine(parameters):
    engine = fsrs_rs_python.FSRS(list(parameters))
    for history in random_histories(2, 150):
        days = [day for day, _ in history]
        gaps = np.diff([days[0], *days]).tolist()
        reviews = [fsrs_rs_python.FSRSReview(grade, gap) for (_, grade), gap in zip(history, gaps, strict=True)]
        for length, (S, D) in enumerate(our_states(history, parameters), 1):
            theirs = engine.memory_state(fsrs_rs_python.FSRSItem(reviews[:length]))
            assert (theirs.stability, theirs.difficulty) == pytest.approx((S, D), rel=1e-4)
            for retention in (0.7, 0.9, 0.97):
                assert engine.next_interval(S, retention, 3) == pytest.approx(float(memory.exact_interval(S, retention, parameters)), rel=1e-4)


def test_always_good_gives_the_known_intervals():
    card, day, seen = Memory(), 20_000, []
    for _ in range(7):
        outcome = memory.outcomes(card, today=day, retention=0.9, learning_steps=(1, 10), relearning_steps=(10,))[Grade.GOOD]
        seen.append(f"{outcome.wait // MINUTE} min" if outcome.wait else outcome.days)
        card, day = outcome.memory, day + outcome.days
    assert seen == ["10 min", 2, 11, 46, 163, 498, 1348]


def test_steps_follow_the_fsrs_package_through_learning_and_relearning():
    """Random grades from the first showing on: the same state, step and due moment."""
    rng = np.random.default_rng(3)
    for learning, relearning in (((1, 10), (10,)), ((5,), ()), ((), (2, 8)), ((1, 6, 30), (3, 9))):
        theirs_of = [[dt.timedelta(minutes=minutes) for minutes in steps] for steps in (learning, relearning)]
        scheduler = fsrs.Scheduler(learning_steps=theirs_of[0], relearning_steps=theirs_of[1], enable_fuzzing=False)
        for number in range(60):
            theirs, ours, at = fsrs.Card(card_id=number + 1), Memory(), moment("2026-03-02 00:00")
            for grade in rng.choice([1, 1, 2, 3, 3, 4], 12):
                day = at // DAY
                outcome = memory.outcomes(ours, today=day, retention=0.9, learning_steps=learning, relearning_steps=relearning)[Grade(grade)]
                when = dt.datetime.fromtimestamp(at / 1000, dt.timezone.utc)  # noqa: UP017
                theirs, _ = scheduler.review_card(theirs, fsrs.Rating(int(grade)), when)
                ours = outcome.memory
                assert (int(theirs.state), theirs.step or 0) == (int(ours.phase), ours.step)
                if theirs.stability > 30_000:
                    break  # a century: ours stops there
                assert (theirs.stability, theirs.difficulty) == pytest.approx((ours.stability, ours.difficulty), rel=1e-9)
                wait = outcome.wait if outcome.wait is not None else outcome.days * DAY
                assert round((theirs.due - when).total_seconds() * 1000) == wait
                at += wait  # whole days keep the time of day: here, and only here, rolling days and study days agree


def test_one_function_serves_one_card_and_many_alike():
    rng = np.random.default_rng(4)
    S, D, t, g = rng.uniform(0.1, 300, 500), rng.uniform(1, 10, 500), rng.integers(0, 200, 500), rng.integers(1, 5, 500)
    many = memory.next_memory(S, D, t, g)
    for row in range(500):
        one = memory.next_memory(S[row], D[row], t[row], g[row])
        assert (float(one[0]), float(one[1])) == pytest.approx((many[0][row], many[1][row]), rel=1e-12)


def test_a_replayed_log_equals_its_cards_one_by_one():
    histories = random_histories(5, 80)
    rows = [(card, day, grade) for card, history in enumerate(histories) for day, grade in history]
    S, D, R = memory.replay(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))
    expected = [state for history in histories for state in our_states(history, DEFAULT_PARAMETERS)]
    np.testing.assert_allclose(np.column_stack([S, D]), expected, rtol=1e-12)
    firsts = np.cumsum([0] + [len(history) for history in histories[:-1]])
    assert np.isnan(R[firsts]).all()
    assert np.isnan(R).sum() == len(firsts)


def test_a_replay_can_begin_from_a_given_memory():
    card, day, grade = np.array([7, 7, 7]), np.array([100, 110, 130]), np.array([0, 3, 1])
    S, D, _ = memory.replay(card, day, grade, given=(np.array([10.5, 0, 0]), np.array([5.25, 0, 0])))
    assert (S[0], D[0]) == (10.5, 5.25)
    step = memory.next_memory(10.5, 5.25, 10, 3)
    assert (S[2], D[2]) == pytest.approx(tuple(map(float, memory.next_memory(*step, 20, 1))))


@given(
    S=st.floats(0.001, 36_500), D=st.floats(1, 10), t=st.integers(0, 40_000), g=st.integers(1, 4),
)  # fmt: skip
def test_memory_stays_within_its_bounds_and_a_lapse_never_strengthens(S, D, t, g):
    after_S, after_D = map(float, memory.next_memory(S, D, t, g))
    assert 0.001 <= after_S <= 36_500
    assert 1 <= after_D <= 10
    if g == Grade.AGAIN and t > 0:
        assert after_S <= S
    if g >= Grade.HARD and S > 0.01:
        assert after_S >= S * (1 - 1e-12)


# --- days ------------------------------------------------------------------------------------------------------------

BERLIN = {"time_zone": "Europe/Berlin", "rollover_hour": 4}


def test_two_evenings_less_than_24_hours_apart_are_one_study_day_apart():
    first, second = moment("2026-03-02 21:00"), moment("2026-03-03 20:50")  # 22:00 and 21:50 in Berlin
    assert second - first < DAY
    assert memory.study_day(second, **BERLIN) - memory.study_day(first, **BERLIN) == 1


def test_a_night_that_crosses_midnight_is_one_study_day():
    evening, night, morning = moment("2026-03-02 22:00"), moment("2026-03-03 02:59"), moment("2026-03-03 03:00")  # 03:59 and 04:00 in Berlin
    assert memory.study_day(evening, **BERLIN) == memory.study_day(night, **BERLIN)
    assert memory.study_day(morning, **BERLIN) == memory.study_day(night, **BERLIN) + 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "UTC"])
@pytest.mark.parametrize("rollover", [0, 2, 3, 4, 12])
def test_study_days_equal_the_local_date_through_a_year_with_clock_changes(zone, rollover):
    """Against Python's own calendar: local wall time minus the rollover hour."""
    moments = np.arange(moment("2026-01-01 00:00"), moment("2027-01-01 00:00"), 20 * MINUTE + 17)
    ours = memory.study_days(moments, time_zone=zone, rollover_hour=rollover)
    for at, day in zip(moments[::7].tolist(), ours[::7].tolist(), strict=True):
        local = dt.datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
        expected = local.date() - dt.timedelta(days=local.hour < rollover)
        assert memory.calendar_date(day) == expected
        assert memory.study_day(at, time_zone=zone, rollover_hour=rollover) == day
    assert set(np.diff(ours).tolist()) <= {0, 1}  # no day is skipped, none comes twice


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("rollover", [0, 2, 3, 4])
def test_a_day_begins_at_its_first_moment_even_when_the_clock_skips_it(zone, rollover):
    where = {"time_zone": zone, "rollover_hour": rollover}
    for day in range(memory.study_day(moment("2026-01-05 12:00"), **where), memory.study_day(moment("2026-12-20 12:00"), **where)):
        begins = memory.day_begins(day, **where)
        assert memory.study_day(begins, **where) == day
        assert memory.study_day(begins - 1, **where) == day - 1


def test_travel_moves_the_border_and_loses_nothing():
    """From Tokyo to Los Angeles the local date repeats: no negative days, and the card is not taken for overdue."""
    tokyo, los_angeles = ({"time_zone": zone, "rollover_hour": 4} for zone in ("Asia/Tokyo", "America/Los_Angeles"))
    graded = memory.study_day(moment("2026-03-02 22:00"), **tokyo)  # 3 March, 07:00
    landed = memory.study_day(moment("2026-03-03 10:00"), **los_angeles)  # 3 March, 02:00: still the study day of 2 March
    assert landed == graded - 1
    card = Memory(Phase.REVIEW, 0, 20.0, 5.0, graded)
    outcome = memory.outcomes(card, today=landed, retention=0.9, learning_steps=(), relearning_steps=())[Grade.GOOD]
    assert outcome.recall == 1.0
    assert outcome.memory.last_day == graded


def test_rolling_hours_are_a_trap_that_we_do_not_fall_into():
    """Good, Good ten minutes later, Good 23.9 hours after that: the package says nothing was learnt, a study day says it was."""
    evening = moment("2026-03-02 20:00")
    scheduler, theirs, ours = fsrs.Scheduler(enable_fuzzing=False), fsrs.Card(card_id=1), Memory()
    for at in (evening, evening + 10 * MINUTE, evening + 10 * MINUTE + round(23.9 * HOUR)):
        theirs, _ = scheduler.review_card(theirs, fsrs.Rating.Good, dt.datetime.fromtimestamp(at / 1000, dt.timezone.utc))  # noqa: UP017
        today = memory.study_day(at, **BERLIN)
        ours = memory.outcomes(ours, today=today, retention=0.9, learning_steps=(1, 10), relearning_steps=(10,))[Grade.GOOD].memory
    assert theirs.stability == pytest.approx(2.3065, rel=1e-3)
    expected = memory.next_memory(*memory.next_memory(*memory.next_memory(0, 0, 0, 3), 0, 3), 1, 3)
    assert ours.stability == pytest.approx(float(expected[0]))
    assert ours.stability > 5


def test_only_the_clock_functions_divide_time_into_days():
    """No other line of the schedule may turn milliseconds or a timedelta into days: elapsed time is a difference of study days."""
    allowed = {"study_day", "study_days", "day_begins", "calendar_date"}
    found = []
    for name in ("memory", "review", "replay", "replan", "stats", "card_search", "settings"):
        tree = ast.parse((Path(memory.__file__).parent / f"{name}.py").read_text())
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name not in allowed]:
            for node in ast.walk(function):
                divides = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod))
                names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if divides else set()
                numbers = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)} if divides else set()
                rolling = isinstance(node, ast.Attribute) and node.attr in ("timedelta", "total_seconds")
                if names & {"DAY_MS"} or numbers & {86_400, 86_400_000} or rolling:
                    found.append(f"{name}.{function.name}")
    assert found == []


# --- fuzz ------------------------------------------------------------------------------------------------------------


def test_the_fuzz_range_is_that_of_fsrs():
    """Their package keeps the range to itself, but its draws at both ends of chance reveal it."""
    scheduler = fsrs.Scheduler(enable_fuzzing=True)
    for days in [1, 2, 3, 5, 7, 10, 20, 45, 100, 365, 2000]:
        low, high = memory.fuzz_range(days)
        seen = {scheduler._get_fuzzed_interval(interval=dt.timedelta(days=days)).days for _ in range(4000 if days < 50 else 400)}
        assert min(seen) >= low
        assert max(seen) <= high + 1  # theirs may pass its own upper bound by one
        if days < 50:
            assert {low, high} <= seen


def test_the_same_showing_gets_the_same_day_and_another_may_not():
    draws = [memory.choose_interval(40, today=20_000, seed=f"1/card/{number}") for number in range(200)]
    assert draws == [memory.choose_interval(40, today=20_000, seed=f"1/card/{number}") for number in range(200)]
    low, high = memory.fuzz_range(40)
    assert set(draws) == set(range(low, high + 1))
    assert np.mean(draws) == pytest.approx(40, abs=0.4)


def test_a_seed_means_the_same_on_every_machine():
    assert memory.seeded_shares("1/attention-scaling-q01/3", 3).tolist() == pytest.approx(SHARES, abs=1e-12)


SHARES = [0.02178442042674958, 0.8638082117590457, 0.031313552536047]


def test_fuzz_can_be_switched_off_and_keeps_to_the_longest_interval():
    assert memory.choose_interval(40, today=0, seed="x", fuzz=False) == 40
    assert max(memory.choose_interval(40, today=0, seed=str(n), maximum=41) for n in range(100)) == 41


def test_the_day_with_fewest_siblings_then_least_load_is_chosen():
    low, high = memory.fuzz_range(40)
    load = dict.fromkeys(range(low, high + 1), 5) | {39: 1, 42: 0}
    near = {42: 1}
    chosen = [
        memory.choose_interval(40, today=0, seed=str(n), load=lambda first, last: load, siblings=lambda first, last: near) for n in range(20)
    ]
    assert set(chosen) == {39}
    assert memory.choose_interval(40, today=0, seed="x", load=lambda first, last: load) == 42


def test_an_easy_day_counts_as_fuller_and_a_free_day_is_avoided():
    low, high = memory.fuzz_range(40)
    level = dict.fromkeys(range(low, high + 1), 6)
    half = [1, 1, 1, 1, 1, 0.5, 0.5]
    free = [1, 1, 1, 1, 1, 0, 0]
    for shares in (half, free):
        chosen = {memory.choose_interval(40, today=20_000, seed=str(n), load=lambda first, last: level, easy_days=shares) for n in range(200)}
        assert {memory.weekday(20_000 + days) for days in chosen} <= {0, 1, 2, 3, 4}
        assert len(chosen) >= 3
    nothing_else = [0.0] * 7
    assert low <= memory.choose_interval(40, today=0, seed="x", easy_days=nothing_else) <= high


@pytest.mark.parametrize("days", [5, 10, 30, 80])
def test_load_balance_does_not_lengthen_intervals(days):
    """Four hundred cards for four hundred days: later days are emptier, and still no card is put off for that."""
    rng, counts, due = np.random.default_rng(1), {}, {}
    for card in range(400):
        due.setdefault(int(rng.integers(days)), []).append(card)
    ratios = []
    for today in range(400):
        for card in due.pop(today, ()):
            wanted = max(2, round(days * rng.uniform(0.6, 1.4)))
            chosen = memory.choose_interval(wanted, today=today, seed=f"{card}/{today}", load=lambda first, last: counts)
            counts[today + chosen] = counts.get(today + chosen, 0) + 1
            due.setdefault(today + chosen, []).append(card)
            ratios += [chosen / wanted] if today > 200 else []
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    settled = [counts.get(day, 0) for day in range(220, 400)]
    assert np.std(settled) < 0.5 * np.sqrt(np.mean(settled))  # far more even than chance would have it


def test_load_is_not_looked_at_far_ahead():
    low, high = memory.fuzz_range(400)
    load = dict.fromkeys(range(low, high + 1), 5) | {400: 0}
    assert len({memory.choose_interval(400, today=0, seed=str(n), load=lambda first, last: load) for n in range(50)}) > 10


def test_load_balance_evens_out_a_year():
    """A thousand cards whose intervals clump: balanced days differ less than fuzzed ones, and much less than raw ones."""

    def fullest(*, fuzz: bool, balance: bool) -> int:
        counts: dict[int, int] = {}
        for number in range(1000):
            today = 20_000 + 10 * (number // 100)
            load = (lambda first, last: counts) if balance else None
            day = today + memory.choose_interval(30, today=today, seed=str(number), fuzz=fuzz, load=load)
            counts[day] = counts.get(day, 0) + 1
        return max(counts.values())

    assert fullest(fuzz=True, balance=True) < fullest(fuzz=True, balance=False) < fullest(fuzz=False, balance=False) == 100
