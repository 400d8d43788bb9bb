"""What is remembered elsewhere of a card, as the rows and events that hold it here.

A memory comes in as one event with the whole log of the other program inside; marks (suspended, flagged) are events beside it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from sqlmodel import Session

from backend import review
from backend.exchange.records import MemoryRecord, Records, ReviewRecord
from backend.memory import MINUTE_MS, Grade, Phase, day_begins, replay, study_days, whole_interval
from backend.settings import Settings
from backend.statements import Statement

NEW = {
    "topic": "", "state": 0, "step": 0, "stability": 0.0, "difficulty": 0.0, "due_day": 0, "due_at": None, "last_day": 0, "last_at": None, "reps": 0,
    "lapses": 0, "events": 0, "suspended": False, "leech": False, "misconception": False, "buried_day": 0, "flag": 0, "added_day": 0,
}  # fmt: skip
_COLUMNS = ("learner", "card", *NEW)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a card of the learner's stands before the import."""

    state: int
    events: int
    topic: str
    place: int = 0  # of a new card in the order of the tracks


@dataclass
class Told:
    """What the records say of memories, by card."""

    memories: dict[str, MemoryRecord]
    logs: dict[str, list[ReviewRecord]]

    @classmethod
    def of(cls, records: Records, at: int) -> Told:
        logs: dict[str, list[ReviewRecord]] = defaultdict(list)
        for each in records.reviews:
            if each.at <= at:
                logs[each.card].append(each)
        for log in logs.values():
            log.sort(key=lambda each: each.at)
        return cls({memory.card: memory for memory in records.memories}, logs)

    @property
    def cards(self) -> Iterator[str]:
        yield from dict.fromkeys([*self.memories, *self.logs])

    def is_remembered(self, card: str) -> bool:
        memory = self.memories.get(card)
        return bool(self.logs.get(card)) or (memory is not None and (memory.stability is not None or memory.interval > 0))

    def is_marked(self, card: str) -> bool:
        memory = self.memories.get(card)
        return memory is not None and bool(memory.suspended or memory.flag)


@dataclass
class Rows:
    """What is to be written for some cards: their states, and their events."""

    states: dict[str, dict[str, Any]]
    events: list[dict[str, Any]]


def rows_for(cards: Mapping[str, Standing], told: Told, *, learner: int, settings: Settings, at: int) -> Rows:
    """States and events of cards that are new here. Those of which nothing is told are simply new."""
    today = review.today_of(settings, at)
    rows = Rows({}, [])
    for card, standing in cards.items():
        rows.states[card] = NEW | {
            "learner": learner, "card": card, "topic": standing.topic, "events": standing.events, "due_day": standing.place, "added_day": today,
        }  # fmt: skip
    remembered = [card for card in cards if told.is_remembered(card)]
    for card, memory, event in _memories(remembered, told, settings, at):
        state = rows.states[card]
        state |= memory
        rows.events.append({"learner": learner, "card": card, "seq": state["events"], "kind": "import", "topic": state["topic"], "round": ""} | event)
        state["events"] += 1
    for card in filter(told.is_marked, cards):
        _add_marks(rows, told.memories[card], learner, at, today)
    return rows


def _add_marks(rows: Rows, memory: MemoryRecord, learner: int, at: int, today: int) -> None:
    state = rows.states[memory.card]
    for kind, value in (("suspend", int(memory.suspended)), ("flag", memory.flag)):
        if value:
            rows.events.append({
                "learner": learner, "card": memory.card, "seq": state["events"], "kind": kind, "value": value, "at": at,
                "day": max(today, state["last_day"]), "topic": state["topic"], "round": review.BROUGHT,
            })  # fmt: skip
            state["events"] += 1
    state |= {"suspended": memory.suspended, "flag": memory.flag}


def _memories(cards: Sequence[str], told: Told, settings: Settings, at: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """For each card what its row and its one event must say. All logs are replayed at once."""
    logs = told.logs
    ats = np.array([each.at for card in cards for each in logs.get(card, ())], np.int64)
    grades = np.array([each.grade for card in cards for each in logs.get(card, ())], np.int64)
    which = np.repeat(np.arange(len(cards)), [len(logs.get(card, ())) for card in cards])
    zone, rollover = settings.time_zone, settings.rollover_hour
    days = study_days(ats, time_zone=zone, rollover_hour=rollover) if len(ats) else ats
    S, D, _ = replay(which, days, grades, settings.parameters)
    again = (grades == Grade.AGAIN) & (np.diff(days, prepend=days[:1]) > 0) & np.r_[False, which[1:] == which[:-1]] if len(ats) else np.zeros(0, bool)
    today, end = review.today_of(settings, at), 0
    for card in cards:
        log, memory = logs.get(card, []), told.memories.get(card) or MemoryRecord(card)
        start, end = end, end + len(log)
        if log:
            last_day, last_at, stability, difficulty = int(days[end - 1]), log[-1].at, float(S[end - 1]), float(D[end - 1])
        else:
            last_day = min((memory.due_day if memory.due_day is not None else today) - memory.interval, today)
            last_at = min(day_begins(last_day, time_zone=zone, rollover_hour=rollover), at)
            stability, difficulty = sm2_memory(memory.interval, memory.ease or 2.5, settings.parameters)
        if memory.stability is not None and memory.difficulty is not None:
            stability, difficulty = memory.stability, memory.difficulty
        place = _placed(memory, last_day, stability, settings, at)
        reps, lapses = max(memory.reps, len(log)), max(memory.lapses, int(again[start:end].sum()))
        state = place | {"stability": stability, "difficulty": difficulty}
        reviews = [[each.at, each.grade, each.duration, *each.more] for each in log]
        event = state | {"at": last_at, "day": last_day, "data": _json({"reps": reps, "lapses": lapses, "reviews": reviews})}
        yield card, state | {"last_day": last_day, "last_at": last_at, "reps": reps, "lapses": lapses}, event


_json = json.JSONEncoder(separators=(",", ":")).encode  # a log is long, and nobody looks at it


def _placed(memory: MemoryRecord, last_day: int, stability: float, settings: Settings, at: int) -> dict[str, Any]:
    """When it comes back: on a day, or, while it is being learned, at a moment."""
    if memory.learning in (Phase.LEARNING, Phase.RELEARNING):
        steps = settings.relearning_steps if memory.learning == Phase.RELEARNING else settings.learning_steps
        step = min(max(len(steps) - memory.steps_left, 0), max(len(steps) - 1, 0))
        due_at = memory.due_at
        if due_at is None:
            wanted = memory.due_day if memory.due_day is not None else review.today_of(settings, at)
            due_at = max(day_begins(wanted, time_zone=settings.time_zone, rollover_hour=settings.rollover_hour), at - 365 * 24 * 60 * MINUTE_MS)
        return {"state": int(memory.learning), "step": step, "due_at": due_at, "due_day": review.today_of(settings, due_at)}
    due = memory.due_day
    if due is None:
        due = last_day + int(whole_interval(stability, settings.desired_retention, settings.parameters, settings.maximum_interval))
    return {"state": int(Phase.REVIEW), "step": 0, "due_at": None, "due_day": due}


def sm2_memory(interval: int, ease: float, w: Sequence[float]) -> tuple[float, float]:
    """Stability and difficulty that fit an SM-2 card: the interval is taken for the time to 90 %, the ease for how it grows."""
    stability = float(max(interval, 0.1))
    growth = exp(w[8]) * stability ** -w[9] * (exp(0.1 * w[10]) - 1.0)
    return stability, float(min(max(11.0 - (ease - 1.0) / growth, 1.0), 10.0))


# --- writing ------------------------------------------------------------------------------------------------------------


def add_rows(session: Session, rows: Rows) -> None:
    """For cards that join with this import."""
    _ADD.run(session, list(rows.states.values()))
    review.append_many(session, rows.events)


def bring_rows(session: Session, rows: Rows) -> None:
    """For cards that were here, and new."""
    _BRING.run(session, list(rows.states.values()))
    marked = {event["card"] for event in rows.events if event["round"] == review.BROUGHT}
    _MARK.run(session, [state for card, state in rows.states.items() if card in marked])
    review.append_many(session, rows.events)


_ADD = Statement(f"INSERT INTO learner_card ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)})")
_KEPT = ("topic", "due_day", "suspended", "leech", "misconception", "buried_day", "flag", "added_day")
_BRING = Statement(f"""UPDATE learner_card SET {', '.join(f'{name} = :{name}' for name in NEW if name not in _KEPT)},
    due_day = CASE WHEN :state = 0 THEN due_day ELSE :due_day END WHERE learner = :learner AND card = :card""")
_MARK = Statement("UPDATE learner_card SET suspended = :suspended, flag = :flag WHERE learner = :learner AND card = :card")
_STANDING = Statement("SELECT card, state, events, topic FROM learner_card WHERE learner = :learner")


def read_standing(session: Session, *, learner: int) -> dict[str, Standing]:
    return {card: Standing(state, events, topic) for card, state, events, topic in _STANDING.rows(session, {"learner": learner})}

