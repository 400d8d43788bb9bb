"""What the log adds up to: sums by day that every grade keeps, and the figures that are drawn from them.

A grade adds itself to a handful of `day_stat` rows in its own transaction and an undo takes it out again, so a year of
statistics costs the same for one card and for a hundred thousand. `check_sums` proves that the sums equal a recount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from backend.memory import Grade, Phase, calendar_date, next_memory, retrievability, study_day, whole_interval
from backend.settings import Settings, read_settings
from backend.statements import Statement

MATURE = 21  # days: an interval that long makes a card mature
BINS = 20  # of predicted recall
MILLION = 1_000_000

# --- the sums that a grade keeps -------------------------------------------------------------------------------------


def add_to_day(session: Session, event: Mapping[str, Any], *, sign: int = 1) -> None:
    """Add a grade's event to its day, or take it out again."""
    _ADD.run(session, [row | {"learner": event["learner"], "day": event["day"]} for row in _parts(event, sign)])


_ADD = Statement("""
    INSERT INTO day_stat (learner, measure, day, bucket, reviews, passed, introduced, milliseconds, expected)
    VALUES (:learner, :measure, :day, :bucket, :reviews, :passed, :introduced, :milliseconds, :expected)
    ON CONFLICT (learner, measure, day, bucket) DO UPDATE SET reviews = day_stat.reviews + excluded.reviews,
        passed = day_stat.passed + excluded.passed, introduced = day_stat.introduced + excluded.introduced,
        milliseconds = day_stat.milliseconds + excluded.milliseconds, expected = day_stat.expected + excluded.expected
""")


def _parts(event: Mapping[str, Any], sign: int) -> list[dict[str, Any]]:
    cram = event["kind"] == "cram"
    sums = {
        "reviews": sign,
        "passed": sign * (event["grade"] > Grade.AGAIN),
        "introduced": sign * (not cram and event["before"] == Phase.NEW),
        "milliseconds": sign * (event["duration"] or 0),
        "expected": 0,
    }
    if cram:
        return [sums | {"measure": "cram", "bucket": ""}]
    parts = [
        sums | {"measure": measure, "bucket": bucket}
        for measure, bucket in (
            ("day", ""),
            ("topic", event["topic"]),
            ("hour", f"{event['hour']:02d}"),
            ("answer", f"{maturity(event['before'], event['interval'])}-{event['grade']}"),
        )
    ]
    if event["before"] == Phase.REVIEW and event["elapsed"]:  # what the model predicted across days is what is judged
        bucket = min(BINS - 1, event["recall"] * BINS // MILLION)
        parts.append(sums | {"measure": "recall", "bucket": f"{bucket:02d}", "expected": sign * event["recall"]})
    return parts


def maturity(before: int, interval: int) -> str:
    if before == Phase.REVIEW:
        return "mature" if interval >= MATURE else "young"
    return "new" if before == Phase.NEW else "learning"


_STANDS = "e.learner = :learner AND e.id NOT IN (SELECT value FROM event WHERE learner = :learner AND kind = 'undo')"
_MATURITY = f"CASE before WHEN 2 THEN CASE WHEN interval >= {MATURE} THEN 'mature' ELSE 'young' END WHEN 0 THEN 'new' ELSE 'learning' END"
_SUMS = "COUNT(*), SUM(grade > 1), SUM(kind = 'grade' AND before = 0), SUM(COALESCE(duration, 0))"
_RECOUNT = {
    "day": f"SELECT day, '', {_SUMS}, 0 FROM event e WHERE {_STANDS} AND kind = 'grade' GROUP BY day",
    "topic": f"SELECT day, topic, {_SUMS}, 0 FROM event e WHERE {_STANDS} AND kind = 'grade' GROUP BY day, topic",
    "hour": f"SELECT day, printf('%02d', hour), {_SUMS}, 0 FROM event e WHERE {_STANDS} AND kind = 'grade' GROUP BY day, hour",
    "answer": f"SELECT day, {_MATURITY} || '-' || grade AS bucket, {_SUMS}, 0 FROM event e WHERE {_STANDS} AND kind = 'grade' GROUP BY day, bucket",
    "recall": f"""SELECT day, printf('%02d', MIN({BINS - 1}, recall * {BINS} / {MILLION})) AS bucket, {_SUMS}, SUM(recall) FROM event e
        WHERE {_STANDS} AND kind = 'grade' AND before = 2 AND elapsed > 0 GROUP BY day, bucket""",
    "cram": f"SELECT day, '', {_SUMS}, 0 FROM event e WHERE {_STANDS} AND kind = 'cram' GROUP BY day",
}


def check_sums(session: Session, *, learner: int) -> list[str]:
    """Where the kept sums differ from a full recount of the log; empty when all is well."""
    connection = session.connection()
    found: list[str] = []
    for measure, sql in _RECOUNT.items():
        counted = {(day, bucket): tuple(sums) for day, bucket, *sums in connection.execute(text(sql), {"learner": learner})}
        kept = {(day, bucket): tuple(sums) for day, bucket, *sums in connection.execute(_KEPT, {"learner": learner, "measure": measure})}
        kept = {key: sums for key, sums in kept.items() if any(sums)}
        for key in counted.keys() | kept.keys():
            if counted.get(key) != kept.get(key):
                found.append(f"{measure} {key[1] or 'sum'} of {calendar_date(key[0])}: kept {kept.get(key)}, counted {counted.get(key)}")
    return found


def recount(session: Session, *, learner: int) -> None:
    """Count all of a learner's sums again from the log."""
    connection = session.connection()
    connection.execute(text("DELETE FROM day_stat WHERE learner = :learner"), {"learner": learner})
    names = ("day", "bucket", "reviews", "passed", "introduced", "milliseconds", "expected")
    for measure, sql in _RECOUNT.items():
        rows = [dict(zip(names, row, strict=True)) | {"learner": learner, "measure": measure} for row in connection.execute(text(sql), {"learner": learner})]
        _ADD.run(session, rows)


_KEPT = text("""SELECT day, bucket, reviews, passed, introduced, milliseconds, expected FROM day_stat
    WHERE learner = :learner AND measure = :measure""")

# --- a year ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of passes with its 95 % interval (Wilson)."""

    reviews: int
    passed: int

    @property
    def share(self) -> float | None:
        return self.passed / self.reviews if self.reviews else None

    @property
    def bounds(self) -> tuple[float, float]:
        return wilson(self.passed, self.reviews)


def wilson(passed: int, reviews: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval that holds the true share in 95 of 100 such samples; sensible for few reviews and at 0 and 1."""
    if reviews == 0:
        return 0.0, 1.0
    share, scale = passed / reviews, 1 + z * z / reviews
    middle = (share + z * z / (2 * reviews)) / scale
    reach = z * sqrt(share * (1 - share) / reviews + z * z / (4 * reviews * reviews)) / scale
    return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True)
class Day:
    day: int
    reviews: int
    passed: int
    introduced: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Cards for which about the same chance of recall was predicted."""

    predicted: float
    rate: Rate


@dataclass(frozen=True, slots=True)
class Year:
    """What the sums of a span of days say."""

    days: tuple[Day, ...]  # days on which something was graded, oldest first
    hours: Mapping[int, Rate]
    answers: Mapping[str, Mapping[Grade, int]]  # new, learning, young, mature
    retention: Mapping[str, Rate]  # young, mature, all
    calibration: tuple[Bin, ...]
    desired_retention: float


def read_year(session: Session, *, learner: int, at: int, days: int = 365) -> Year:
    """The sums of the last `days` days."""
    connection, settings = session.connection(), read_settings(session, learner=learner)
    today = _today(settings, at)
    span = {"learner": learner, "first": today - days + 1, "last": today}
    sums = connection.execute(_SPAN, span).all()
    of = {measure: [row for row in sums if row.measure == measure] for measure in ("hour", "answer", "recall")}
    answers: dict[str, dict[Grade, int]] = {}
    for row in of["answer"]:
        kind, grade = row.bucket.split("-")
        answers.setdefault(kind, {})[Grade(int(grade))] = row.reviews
    retention = {kind: _rate_of(answers.get(kind, {})) for kind in ("young", "mature")}
    retention["all"] = Rate(sum(rate.reviews for rate in retention.values()), sum(rate.passed for rate in retention.values()))
    return Year(
        days=tuple(Day(*row) for row in connection.execute(_DAYS, span)),
        hours={int(row.bucket): Rate(row.reviews, row.passed) for row in of["hour"]},
        answers=answers, retention=retention,
        calibration=tuple(Bin(row.expected / MILLION / row.reviews, Rate(row.reviews, row.passed)) for row in of["recall"]),
        desired_retention=settings.desired_retention,
    )  # fmt: skip


def _rate_of(answers: Mapping[Grade, int]) -> Rate:
    reviews = sum(answers.values())
    return Rate(reviews, reviews - answers.get(Grade.AGAIN, 0))


_SPAN = text("""SELECT measure, bucket, SUM(reviews) AS reviews, SUM(passed) AS passed, SUM(expected) AS expected FROM day_stat
    WHERE learner = :learner AND measure IN ('hour', 'answer', 'recall') AND day BETWEEN :first AND :last
    GROUP BY measure, bucket HAVING SUM(reviews) > 0 ORDER BY measure, bucket""")
_DAYS = text("""SELECT day, reviews, passed, introduced, milliseconds FROM day_stat
    WHERE learner = :learner AND measure = 'day' AND day BETWEEN :first AND :last AND reviews > 0 ORDER BY day""")


def _today(settings: Settings, at: int) -> int:
    return study_day(at, time_zone=settings.time_zone, rollover_hour=settings.rollover_hour)


# --- today and the next days -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Today:
    day: int
    due: int  # reviews and learning cards that the limits let through
    new: int
    waiting: int  # due, but beyond today's limit
    graded: int
    introduced: int
    minutes_left: float
    streak: Streak


@dataclass(frozen=True, slots=True)
class Streak:
    days: int  # days with reviews, without a gap that freezes could not cover
    longest: int
    frozen: tuple[int, ...]  # the missed days that freezes covered in the present streak
    freezes_left: int  # this month
    today_done: bool


def read_today(session: Session, *, learner: int, at: int) -> Today:
    """What is in front of the learner now, with minutes from their own pace."""
    settings = read_settings(session, learner=learner)
    today = _today(settings, at)
    values = {"learner": learner, "today": today, "no": False}
    learning, due, new, resting = (count.value(session, values) for count in (_LEARNING, _DUE, _NEW, _RESTING))
    new -= resting  # buried today
    rows = _TODAY.rows(session, {"learner": learner, "today": today})
    done = {(measure, bucket): (reviews, fresh) for measure, bucket, reviews, fresh in rows}
    graded, introduced = done.get(("day", ""), (0, 0))
    reviewed = sum(reviews for (measure, bucket), (reviews, _) in done.items() if measure == "answer" and bucket.startswith(("young", "mature")))
    new_limit, review_limit = settings.limits(today)
    due_now, new_now = min(due, max(0, review_limit - reviewed)), min(new, max(0, new_limit - introduced))
    showings = learning + due_now * 1.1 + new_now * (1 + len(settings.learning_steps))  # about one review in ten is shown again
    return Today(
        today, due_now + learning, new_now, due - due_now, graded, introduced,
        showings * seconds_per_card(session, learner=learner, today=today) / 60, read_streak(session, learner=learner, at=at),
    )  # fmt: skip


_OF_TOPIC = "(SELECT COUNT(*) FROM learner_card WHERE learner = :learner AND suspended = :no AND topic = slug AND {})"
_IN_ALL = f"SELECT COALESCE(SUM({_OF_TOPIC}), 0) FROM topic"  # one short walk of the index for each topic
_LEARNING = Statement(_IN_ALL.format("state IN (1, 3) AND due_day <= :today AND buried_day <> :today"))
_DUE = Statement(_IN_ALL.format("state = 2 AND due_day <= :today AND buried_day <> :today"))
_NEW = Statement(_IN_ALL.format("state = 0"))
_RESTING = Statement("""SELECT COUNT(*) FROM learner_card
    WHERE learner = :learner AND suspended = :no AND buried_day > 0 AND buried_day = :today AND state = 0 AND topic > ''""")
_TODAY = Statement("SELECT measure, bucket, reviews, introduced FROM day_stat WHERE learner = :learner AND measure IN ('day', 'answer') AND day = :today")


def seconds_per_card(session: Session, *, learner: int, today: int) -> float:
    """The learner's pace over the last 30 days; ten seconds until they have one."""
    values = {"learner": learner, "first": today - 30, "last": today}
    row = session.connection().execute(_PACE, values).one()
    return row[1] / row[0] / 1000 if row[0] and row[1] else 10.0


_PACE = text("""SELECT SUM(reviews), SUM(milliseconds) FROM day_stat
    WHERE learner = :learner AND measure = 'day' AND day BETWEEN :first AND :last""")


def read_forecast(session: Session, *, learner: int, at: int, days: int = 14) -> list[int]:
    """Cards due on each of the coming days; the first entry is today with all that is overdue."""
    settings = read_settings(session, learner=learner)
    today = _today(settings, at)
    counts = [0] * days
    for state in (Phase.LEARNING, Phase.REVIEW, Phase.RELEARNING):  # one by one, so that the index already has them by day
        for due_day, number in _COMING.rows(session, {"learner": learner, "no": False, "state": int(state), "last": today + days - 1}):
            counts[max(0, due_day - today)] += number
    return counts


_COMING = Statement("""SELECT due_day, COUNT(*) FROM learner_card WHERE learner = :learner AND suspended = :no AND state = :state
    AND due_day <= :last GROUP BY due_day""")


def read_streak(session: Session, *, learner: int, at: int) -> Streak:
    """Days in a row with at least one grade; each month a few missed days do not break it."""
    settings = read_settings(session, learner=learner)
    today = _today(settings, at)
    done = {day for (day,) in session.connection().execute(_STUDIED, {"learner": learner, "today": today})}
    return streak_of(done, today=today, freeze_days=settings.freeze_days)


_STUDIED = text("SELECT day FROM day_stat WHERE learner = :learner AND measure = 'day' AND reviews > 0 AND day <= :today")


def streak_of(done: set[int], *, today: int, freeze_days: int) -> Streak:
    """The streak that ends today (or yesterday, while today is still to come) and the longest there ever was."""
    length, longest = 0, 0
    frozen: list[int] = []
    gap: list[int] = []  # missed days that freezes cover so far
    used: dict[tuple[int, int], int] = {}
    for day in range(min(done, default=today), today + 1):
        if day in done:
            length, frozen, gap = length + 1, frozen + gap, []
            longest = max(longest, length)
        elif day < today and length:
            date = calendar_date(day)
            month = (date.year, date.month)
            used[month] = used.get(month, 0) + 1
            if used[month] > freeze_days:
                used[month] -= 1
                for missed in gap:  # freezes spent on a gap that broke the streak after all are given back
                    other = calendar_date(missed)
                    used[other.year, other.month] -= 1
                length, frozen, gap = 0, [], []
            else:
                gap.append(day)
    date = calendar_date(today)
    left = max(0, freeze_days - used.get((date.year, date.month), 0))
    return Streak(length, longest, tuple(frozen + gap if length else ()), left, today in done)


# --- memory now ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mastery:
    topic: str
    track: str
    cards: int
    started: int
    recall: float  # mean chance of recall now over all its cards, 0 for those not started
    mature: int
    lapses: int


@dataclass(frozen=True, slots=True)
class MemoryNow:
    """The learner's cards as arrays, for drawing: one entry per started card."""

    cards: int
    stability: np.ndarray
    difficulty: np.ndarray
    recall: np.ndarray


def read_memory(session: Session, *, learner: int, at: int) -> MemoryNow:
    """Stability, difficulty and present chance of recall of every started card."""
    settings = read_settings(session, learner=learner)
    rows = session.connection().execute(_MEMORY, {"learner": learner}).cursor.fetchall()
    values = np.array(rows, float).reshape(-1, 3)
    recall = retrievability(values[:, 0], _today(settings, at) - values[:, 2], settings.parameters)
    return MemoryNow(len(values), values[:, 0], values[:, 1], recall)


_MEMORY = text("SELECT stability, difficulty, last_day FROM learner_card WHERE learner = :learner AND state > 0 AND topic <> ''")


def read_mastery(session: Session, *, learner: int, at: int) -> list[Mastery]:
    """Every topic with how much of it would be recalled now, in the order of the tracks."""
    settings = read_settings(session, learner=learner)
    connection = session.connection()
    rows = connection.execute(_BY_TOPIC, {"learner": learner}).cursor.fetchall()
    topics = connection.execute(text("SELECT slug, track FROM topic ORDER BY position, slug")).all()
    code = {topic: place for place, (topic, _) in enumerate(topics)}
    rows = [row for row in rows if row[0] in code]
    where = np.array([code[row[0]] for row in rows], np.int64)
    values = np.array([row[1:] for row in rows], float).reshape(-1, 5)
    state, stability, last_day, interval, lapses = values.T
    recall = np.where(state > 0, retrievability(stability, _today(settings, at) - last_day, settings.parameters), 0.0)

    def total(weights: np.ndarray | None = None) -> list[float]:
        return np.bincount(where, weights, minlength=len(topics)).tolist()

    columns = zip(topics, total(), total(state > 0), total(recall), total((state == Phase.REVIEW) & (interval >= MATURE)), total(lapses), strict=True)
    return [
        Mastery(topic, track, int(cards), int(started), known / cards if cards else 0.0, int(mature), int(lapsed))
        for (topic, track), cards, started, known, mature, lapsed in columns
    ]


_BY_TOPIC = text("""SELECT topic, state, stability, last_day, due_day - last_day, lapses FROM learner_card
    WHERE learner = :learner AND topic <> ''""")


def find_weakest_topics(session: Session, *, learner: int, at: int, days: int = 60, at_most: int = 5) -> list[tuple[str, Rate]]:
    """Topics with the lowest share of passes lately: by the upper bound of the share, so that two bad grades do not condemn a topic."""
    today = _today(read_settings(session, learner=learner), at)
    topics = _TOPICS.rows(session, {"learner": learner, "first": today - days + 1, "last": today})
    known = [(topic, Rate(reviews, passed)) for topic, reviews, passed in topics if reviews >= 5 and topic]
    return sorted(known, key=lambda pair: pair[1].bounds[1])[:at_most]


_TOPICS = Statement("""SELECT bucket, SUM(reviews), SUM(passed) FROM day_stat
    WHERE learner = :learner AND measure = 'topic' AND day BETWEEN :first AND :last GROUP BY bucket""")


# --- one card --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """A card's chance of recall over time, with its real grades on it."""

    days: tuple[float, ...]  # since the first grade
    recall: tuple[float, ...]
    graded: tuple[tuple[int, float, Grade], ...]  # day, the chance that had been predicted, grade
    today: int


def read_curve(session: Session, *, learner: int, card: str, at: int, ahead: int = 30) -> Curve | None:
    """The forgetting curve of one card as it was lived, and `ahead` days on; None for a card that was never graded."""
    settings = read_settings(session, learner=learner)
    today = _today(settings, at)
    rows = session.connection().execute(_OF_CARD, {"learner": learner, "card": card}).all()
    if all(row.grade is None for row in rows):
        return None
    first = rows[0].day
    days, recall = [], []
    graded: list[tuple[int, float, Grade]] = []
    ends = [row.day for row in rows[1:]] + [max(today, rows[-1].day) + ahead]
    for row, end in zip(rows, ends, strict=True):
        if row.grade is None:  # begun anew: from here to the next grade nothing is remembered
            continue
        graded.append((row.day - first, 1.0 if row.recall is None else row.recall / MILLION, Grade(row.grade)))
        span = np.linspace(0.0, end - row.day, 25 if end > row.day else 1)
        days += (row.day - first + span).tolist()
        recall += retrievability(row.stability, span, settings.parameters).tolist()
    return Curve(tuple(days), tuple(recall), tuple(graded), today - first)


_OF_CARD = text("""SELECT day, grade, stability, recall FROM event e WHERE learner = :learner AND card = :card AND kind IN ('grade', 'forget')
    AND NOT EXISTS (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id) ORDER BY seq""")


# --- how good the predictions were -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Log loss (lower is better) of what was predicted at the time, beside two guesses that know no memory model."""

    reviews: int
    schedule: float
    constant: float  # always the share of passes so far
    moving: float  # a running share of passes that follows the last hundred or so

    @property
    def helps(self) -> bool:
        return self.schedule < min(self.constant, self.moving)


def read_accuracy(session: Session, *, learner: int, at_most: int = 5000) -> Accuracy | None:
    """The predictions of the latest reviews against what happened; None before there are twenty."""
    rows = session.connection().execute(_PREDICTED, {"learner": learner, "most": at_most}).all()
    if len(rows) < 20:
        return None
    passed = np.array([row[1] > Grade.AGAIN for row in reversed(rows)], float)
    predicted = np.array([row[0] for row in reversed(rows)], float) / MILLION
    before = np.arange(len(passed))
    constant = (np.r_[0.0, np.cumsum(passed)[:-1]] + 0.9) / (before + 1)
    return Accuracy(len(rows), log_loss(predicted, passed), log_loss(constant, passed), log_loss(moving_average(passed), passed))


_PREDICTED = text("""SELECT recall, grade FROM event e WHERE learner = :learner AND kind = 'grade' AND before = 2 AND elapsed > 0
    AND NOT EXISTS (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id)
    ORDER BY id DESC LIMIT :most""")


def log_loss(predicted: np.ndarray, passed: np.ndarray) -> float:
    p = np.clip(predicted, 1e-4, 1 - 1e-4)
    return float(-np.mean(passed * np.log(p) + (1 - passed) * np.log(1 - p)))


def moving_average(passed: np.ndarray, *, start: float = 0.9, weight: float = 0.01) -> np.ndarray:
    """For each review the running share of passes before it."""
    running, found = start, np.empty(len(passed))
    for place, outcome in enumerate(passed):
        found[place] = running
        running += weight * (outcome - running)
    return found


# --- how much work another retention would be --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Workload:
    retention: float
    minutes_a_day: float
    reviews_a_day: float
    remembered: float  # cards, expected, at the end


def simulate_workload(
    session: Session, *, learner: int, at: int, seed: int, days: int = 180, retentions: Sequence[float] = (0.75, 0.80, 0.85, 0.90, 0.93, 0.95, 0.97)
) -> list[Workload]:
    """What each desired retention would cost and bring over `days`, from the learner's cards as they are."""
    settings = read_settings(session, learner=learner)
    today = _today(settings, at)
    rows = np.array(session.connection().execute(_CARDS, {"learner": learner, "no": False}).cursor.fetchall(), float).reshape(-1, 4)
    pace = seconds_per_card(session, learner=learner, today=today)
    sample = rows
    rng = np.random.default_rng(seed)
    if len(rows) > 3000:
        sample = rows[rng.choice(len(rows), 3000, replace=False)]
    scale = len(rows) / max(1, len(sample))
    return [
        _simulate(sample, retention, today, days, settings, np.random.default_rng([seed, place]), pace, scale)
        for place, retention in enumerate(retentions)
    ]


_CARDS = text("""SELECT state, stability, difficulty, last_day FROM learner_card WHERE learner = :learner AND suspended = :no AND topic <> ''
    ORDER BY state = 0, due_day""")


def _simulate(
    cards: np.ndarray, retention: float, today: int, days: int, settings: Settings, rng: np.random.Generator, pace: float, scale: float
) -> Workload:
    state, S, D, last = (column.copy() for column in cards.T)
    new_a_day = settings.new_per_day / scale
    w, longest = settings.parameters, settings.maximum_interval
    due = np.where(state > 0, last + whole_interval(np.maximum(S, 0.001), retention, w, longest), np.inf)
    waiting = list(np.flatnonzero(state == 0)[::-1])
    showings, owed = 0, 0.0
    for day in range(today, today + days):
        owed += new_a_day
        while owed >= 1 and waiting:
            due[waiting.pop()] = day
            owed -= 1
        now = np.flatnonzero(due <= day)
        if len(now) == 0:
            continue
        recall = retrievability(S[now], day - last[now], w)
        grade = np.where(rng.random(len(now)) < np.where(S[now] > 0, recall, 0.6), Grade.GOOD, Grade.AGAIN)
        S[now], D[now] = next_memory(S[now], D[now], np.where(S[now] > 0, day - last[now], 0), grade, w)
        again = now[grade == Grade.AGAIN]
        S[again], D[again] = next_memory(S[again], D[again], 0, Grade.GOOD, w)  # shown once more the same day
        last[now] = day
        due[now] = day + whole_interval(S[now], retention, w, longest)
        showings += len(now) + len(again)
    started = S > 0
    remembered = float(retrievability(S[started], today + days - last[started], w).sum())
    per_day = showings * scale / days
    return Workload(retention, per_day * pace / 60, per_day, remembered * scale)
