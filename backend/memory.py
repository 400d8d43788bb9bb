"""The memory model: FSRS-6 over whole study days, for one card or a million at once.

A card's memory is two numbers: stability S (the days after which recall has fallen to 90 %) and difficulty D (1 to 10).
A grade moves both; the time between two grades is counted in study days and nothing else. A study day begins at the
learner's rollover hour in the learner's time zone, so an evening at 22:00 and the next at 21:50 are one day apart.
Everything here is pure: numbers in, numbers out. Arguments may be plain numbers or arrays of any one shape.

What is left out: who is due (`review.py`), what is stored (`tables.py`) and how parameters are fitted (`models/forgetting.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MINUTE_MS = 60_000

# The published FSRS-6 defaults: w0-w3 first stabilities, w4-w7 difficulty, w8-w10 and w15-w16 recall,
# w11-w14 forgetting, w17-w19 several grades in one day, w20 how fast the curve falls.
DEFAULT_PARAMETERS: tuple[float, ...] = (
    0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
    1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542,
)  # fmt: skip
STABILITY_MIN, STABILITY_MAX = 0.001, 36_500.0
DIFFICULTY_MIN, DIFFICULTY_MAX = 1.0, 10.0


class Grade(IntEnum):
    AGAIN = 1  # not recalled
    HARD = 2  # recalled, with effort; never a fail
    GOOD = 3
    EASY = 4


class Phase(IntEnum):
    NEW = 0
    LEARNING = 1
    REVIEW = 2
    RELEARNING = 3


# --- the clock -----------------------------------------------------------------------------------------------------


def study_day(at: int, *, time_zone: str, rollover_hour: int) -> int:
    """The number of the study day (days since 1970-01-01) in which the moment `at` (UTC, ms) falls for this learner."""
    return (at + _offset(at, time_zone) - rollover_hour * HOUR_MS) // DAY_MS


def study_days(at: Ints, *, time_zone: str, rollover_hour: int) -> Ints:
    """`study_day` of many moments. Offsets change on quarter hours only, so each quarter hour is looked up once."""
    quarter, where = np.unique(at // (15 * MINUTE_MS), return_inverse=True)
    offsets = np.array([_offset(int(q) * 15 * MINUTE_MS, time_zone) for q in quarter], np.int64)
    return (at + offsets[where] - rollover_hour * HOUR_MS) // DAY_MS


def day_begins(day: int, *, time_zone: str, rollover_hour: int) -> int:
    """The first moment (UTC, ms) of a study day. A rollover that a clock change skips begins when the clock has jumped."""
    wall = dt.datetime(1970, 1, 1) + dt.timedelta(days=day, hours=rollover_hour)
    moment = int(wall.replace(tzinfo=_zone(time_zone)).timestamp() * 1000)
    before = moment - 1
    if study_day(before, time_zone=time_zone, rollover_hour=rollover_hour) >= day:  # the skipped hour: back to the jump itself
        moment -= _offset(moment, time_zone) - _offset(moment - HOUR_MS, time_zone)
    return moment


def local_hour(at: int, *, time_zone: str) -> int:
    """The hour on the learner's clock, 0 to 23."""
    return (at + _offset(at, time_zone)) // HOUR_MS % 24


def minutes_west(at: int, *, time_zone: str) -> int:
    """How many minutes behind UTC the learner's clock is: Anki calls it the offset of a collection."""
    return -_offset(at, time_zone) // MINUTE_MS


def calendar_date(day: int) -> dt.date:
    """The date a study day carries: the local date on which it began."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


def weekday(day: int) -> int:
    """0 is Monday."""
    return (int(day) + 3) % 7


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _offset(at: int, time_zone: str) -> int:
    moved = dt.datetime.fromtimestamp(at // 1000, _zone(time_zone)).utcoffset()
    assert moved is not None
    return (moved.days * 86_400 + moved.seconds) * 1000


# --- the curve -----------------------------------------------------------------------------------------------------


def retrievability(stability: ArrayLike, elapsed: ArrayLike, parameters: Sequence[float] = DEFAULT_PARAMETERS) -> Floats:
    """The chance of recall `elapsed` study days after the last grade."""
    decay = -parameters[20]
    factor = 0.9 ** (1 / decay) - 1
    days = np.maximum(np.asarray(elapsed, float), 0.0)
    return (1 + factor * days / np.maximum(np.asarray(stability, float), STABILITY_MIN)) ** decay


def exact_interval(stability: ArrayLike, retention: ArrayLike, parameters: Sequence[float] = DEFAULT_PARAMETERS) -> Floats:
    """The days after which the chance of recall has fallen to `retention`; not rounded."""
    decay = -parameters[20]
    factor = 0.9 ** (1 / decay) - 1
    return np.asarray(stability, float) / factor * (np.asarray(retention, float) ** (1 / decay) - 1)


def whole_interval(
    stability: ArrayLike, retention: ArrayLike, parameters: Sequence[float] = DEFAULT_PARAMETERS, maximum: int = 36_500
) -> Ints:
    """The interval in whole study days, at least 1 and at most `maximum`."""
    return np.clip(np.rint(exact_interval(stability, retention, parameters)), 1, maximum).astype(np.int64)


# --- what a grade does to a memory -----------------------------------------------------------------------------------


def next_memory(
    stability: ArrayLike, difficulty: ArrayLike, elapsed: ArrayLike, grade: ArrayLike, parameters: Sequence[float] = DEFAULT_PARAMETERS
) -> tuple[Floats, Floats]:
    """Stability and difficulty after a grade, `elapsed` whole study days after the one before.

    A card that was never graded has stability 0. Grades on the same study day follow the short-term rule.
    """
    w = parameters
    S, D, g = (np.asarray(x, float) for x in (stability, difficulty, grade))
    t = np.maximum(np.asarray(elapsed, float), 0.0)
    new = S <= 0
    S, D = np.maximum(S, STABILITY_MIN), np.clip(D, DIFFICULTY_MIN, DIFFICULTY_MAX)
    R = retrievability(S, t, w)

    again, same_day = g == Grade.AGAIN, t == 0
    growth = np.exp(w[8]) * (11 - D) * S ** -w[9] * np.expm1((1 - R) * w[10])
    recalled = S * (1 + growth * np.where(g == Grade.HARD, w[15], np.where(g == Grade.EASY, w[16], 1.0)))
    forgotten = np.minimum(
        w[11] * D ** -w[12] * ((S + 1) ** w[13] - 1) * np.exp((1 - R) * w[14]),
        S / np.exp(w[17] * w[18]),  # a lapse never leaves a memory stronger than it was
    )
    step = np.exp(w[17] * (g - 3 + w[18])) * S ** -w[19]
    crammed = S * np.where(again, step, np.maximum(step, 1.0))
    first = np.choose(g.astype(int) - 1, w[:4])

    after = np.where(new, first, np.where(same_day, crammed, np.where(again, forgotten, recalled)))
    moved = D - w[6] * (g - 3) * (10 - D) / 9  # the harder it is, the smaller the step
    reverted = w[7] * _first_difficulty(Grade.EASY, w) + (1 - w[7]) * moved
    D = np.where(new, _first_difficulty(g, w), reverted)
    return np.clip(after, STABILITY_MIN, STABILITY_MAX), np.clip(D, DIFFICULTY_MIN, DIFFICULTY_MAX)


def _first_difficulty(grade: ArrayLike, w: Sequence[float]) -> Floats:
    return w[4] - np.exp(w[5] * (np.asarray(grade, float) - 1)) + 1


# --- steps within a day ----------------------------------------------------------------------------------------------


def next_step(
    phase: int, step: int, grade: int, *, learning_steps: Sequence[float], relearning_steps: Sequence[float]
) -> tuple[Phase, int, int | None]:
    """Phase, step and the wait in ms that a grade leads to; no wait means that days decide. Steps are in minutes."""
    if phase == Phase.REVIEW:
        if grade == Grade.AGAIN and relearning_steps:
            return Phase.RELEARNING, 0, _minutes(relearning_steps[0])
        return Phase.REVIEW, 0, None
    steps = relearning_steps if phase == Phase.RELEARNING else learning_steps
    stays = Phase.RELEARNING if phase == Phase.RELEARNING else Phase.LEARNING
    if not steps or grade == Grade.EASY:
        return Phase.REVIEW, 0, None
    if grade == Grade.AGAIN:
        return stays, 0, _minutes(steps[0])
    if step >= len(steps):  # the setting became shorter since
        return Phase.REVIEW, 0, None
    if grade == Grade.HARD:
        return stays, step, _minutes(_hard_wait(step, steps))
    if step + 1 == len(steps):
        return Phase.REVIEW, 0, None
    return stays, step + 1, _minutes(steps[step + 1])


def _hard_wait(step: int, steps: Sequence[float]) -> float:
    if step > 0:
        return steps[step]
    return steps[0] * 1.5 if len(steps) == 1 else (steps[0] + steps[1]) / 2


def _minutes(minutes: float) -> int:
    return round(minutes * MINUTE_MS)


# --- which day: fuzz, load balance, easy days ------------------------------------------------------------------------


def fuzz_range(interval: int, *, maximum: int = 36_500) -> tuple[int, int]:
    """The whole days around an interval among which FSRS lets chance choose: wider for longer intervals, none below 2.5."""
    if interval < 2.5:
        return interval, interval
    reach = 1.0
    for begin, end, share in ((2.5, 7.0, 0.15), (7.0, 20.0, 0.10), (20.0, float("inf"), 0.05)):
        reach += share * max(min(interval, end) - begin, 0.0)
    high = min(round(interval + reach), maximum)
    return min(max(2, round(interval - reach)), high), high


def seeded_shares(seed: str, count: int) -> Floats:
    """`count` numbers in [0, 1) that depend on the seed alone, the same on every machine and in every version."""
    digest = b"".join(blake2b(f"{seed}/{block}".encode(), digest_size=64).digest() for block in range((count + 7) // 8))
    return np.frombuffer(digest, dtype="<u8", count=count).astype(float) / 2.0**64


BALANCED = 90  # days: further ahead a day's load says little, most of what will be due then is not planned yet


def choose_interval(
    interval: int,
    *,
    today: int,
    seed: str,
    maximum: int = 36_500,
    fuzz: bool = True,
    load: Callable[[int, int], Mapping[int, int]] | None = None,
    siblings: Callable[[int, int], Mapping[int, int]] | None = None,
    easy_days: Sequence[float] = (1, 1, 1, 1, 1, 1, 1),
) -> int:
    """The interval within the fuzz range whose day has the fewest siblings, then the least load for its place; the seed breaks ties.

    `load(first, last)` and `siblings(first, last)` count by day what is already due there. `easy_days` gives each weekday's
    share of a normal load, Monday first: at 0.5 a day counts as twice as full, at 0 it is taken only if the range has no other.
    Load is looked at for intervals of up to ninety days.
    """
    if not fuzz:
        return interval
    low, high = fuzz_range(interval, maximum=maximum)
    if low == high:
        return low
    if interval > BALANCED:
        load = None
    days = np.arange(today + low, today + high + 1)
    share = np.asarray(easy_days, float)[(days + 3) % 7]
    near = _counts(siblings, days)
    crowd = (_level(_counts(load, days)) + (share < 1)) / np.where(share > 0, share, 1.0) if load else near * 0.0
    best = np.lexsort((seeded_shares(seed, len(days)), crowd, near, share <= 0))[0]  # the last key weighs most
    return low + int(best)


def _level(load: Floats) -> Floats:
    """Loads without their downward slope. A later day is always emptier, for it has had less time to fill: taking the emptiest
    as it stands would take the last day nearly always, and lengthen intervals of ten days by a fifth."""
    place = np.arange(len(load)) - (len(load) - 1) / 2
    slope = min(0.0, float(place @ load / (place @ place)))
    return np.maximum(load - slope * place, 0.0).round(6)


def _counts(of: Callable[[int, int], Mapping[int, int]] | None, days: Ints) -> Floats:
    counts = np.zeros(len(days))
    if of is not None:
        for day, number in of(int(days[0]), int(days[-1])).items():
            if days[0] <= day <= days[-1]:
                counts[day - days[0]] = number
    return counts


# --- the four answers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known about one card's memory. A card never graded has phase NEW and stability 0."""

    phase: Phase = Phase.NEW
    step: int = 0
    stability: float = 0.0
    difficulty: float = 0.0
    last_day: int = 0  # study day of the last grade


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where one grade leads: the memory after it, and either a wait in ms or an interval in study days."""

    memory: Memory
    recall: float | None  # the chance of recall that was predicted for this grade; None for a new card
    wait: int | None
    days: int


def outcomes(
    memory: Memory,
    *,
    today: int,
    retention: float,
    learning_steps: Sequence[float],
    relearning_steps: Sequence[float],
    maximum: int = 36_500,
    parameters: Sequence[float] = DEFAULT_PARAMETERS,
) -> dict[Grade, Outcome]:
    """What each of the four grades would do now, before any fuzz."""
    today = max(today, memory.last_day)  # a clock that was set back must not count a negative day
    elapsed = today - memory.last_day if memory.phase else 0
    grades = np.arange(1, 5)
    S, D = next_memory(memory.stability, memory.difficulty, elapsed, grades, parameters)
    days = whole_interval(S, retention, parameters, maximum)
    recall = float(retrievability(memory.stability, elapsed, parameters)) if memory.phase else None
    found: dict[Grade, Outcome] = {}
    for grade in Grade:
        phase, step, wait = next_step(memory.phase, memory.step, grade, learning_steps=learning_steps, relearning_steps=relearning_steps)
        after = Memory(phase, step, float(S[grade - 1]), float(D[grade - 1]), today)
        found[grade] = Outcome(after, recall, wait, 0 if wait is not None else int(days[grade - 1]))
    _spread(found, maximum)
    return found


def _spread(found: dict[Grade, Outcome], maximum: int) -> None:
    """Among days, a better grade never comes back sooner than a worse one."""
    least = 0
    for grade in Grade:
        outcome = found[grade]
        if outcome.wait is None:
            days = min(max(outcome.days, least), maximum)
            found[grade] = Outcome(outcome.memory, outcome.recall, None, days)
            least = days


# --- a whole log -----------------------------------------------------------------------------------------------------


def replay(
    card: Ints,
    day: Ints,
    grade: Ints,
    parameters: Sequence[float] = DEFAULT_PARAMETERS,
    *,
    given: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Stability and difficulty after every row, and the predicted recall before it (NaN for a card's first).

    Rows of one card stand together and in order; `card` may hold any numbers. A row of grade 0 sets the memory to its
    `given` stability and difficulty (a card that came from elsewhere without its history).
    """
    n = len(card)
    S, D, R = np.zeros(n), np.zeros(n), np.full(n, np.nan)
    if n == 0:
        return S, D, R
    begins = np.flatnonzero(np.r_[True, card[1:] != card[:-1]])
    lengths = np.diff(np.r_[begins, n])
    longest_first = np.argsort(-lengths, kind="stable")
    begins, lengths = begins[longest_first], lengths[longest_first]
    for k in range(int(lengths[0])):  # the k-th row of every card that has so many, all cards at once
        rows = begins[: np.searchsorted(-lengths, -k, side="left")] + k
        before = rows - 1 if k else None
        s, d = (S[before], D[before]) if before is not None else (np.zeros(len(rows)), np.zeros(len(rows)))
        elapsed = day[rows] - day[before] if before is not None else np.zeros(len(rows), np.int64)
        known = s > 0
        R[rows[known]] = retrievability(s[known], elapsed[known], parameters)
        S[rows], D[rows] = next_memory(s, d, elapsed, np.clip(grade[rows], 1, 4), parameters)
        told = grade[rows] == 0
        if given is not None and told.any():
            S[rows[told]], D[rows[told]] = given[0][rows[told]], given[1][rows[told]]
    return S, D, R
