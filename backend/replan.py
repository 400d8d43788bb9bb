"""Moving many cards at once: new parameters, an exam date, a backlog. Always a plan first, shown before it is applied.

A plan is plain values: which cards move from which day to which, and what every day then holds. Applying it is one transaction
and one action: its events share a batch, and one `review.undo` takes all of it back. No plan puts more cards on a day than the
learner's cap; what does not fit goes to the days after, the least likely to be recalled first in line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from backend.memory import Grade, Ints, calendar_date, fuzz_range, next_memory, retrievability, whole_interval
from backend.replay import put_back, read_log, states_of
from backend.review import append_event, append_many, next_numbers, today_of
from backend.settings import Settings, change_setting, read_settings


class StalePlan(ValueError):
    """Something was graded or changed since the plan was made: make it again."""


@dataclass(frozen=True, slots=True)
class Move:
    card: str
    from_day: int
    to_day: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change. `days` is the number of reviews due on each day afterwards, today first."""

    kind: str  # parameters, exam, spread
    day: int  # the study day it was made on
    moves: tuple[Move, ...]
    days: tuple[int, ...]
    cap: int
    says: str  # one sentence for the person who decides
    made_from: int  # the learner's last event when it was made
    parameters: tuple[float, ...] | None = None
    recall_before: float | None = None  # of an exam: the mean chance of recall on its day without the plan, and with it
    recall_after: float | None = None
    left_out: int = 0  # cards that would need a place before the exam and find none
    new_a_day: float = 0.0  # new cards a day needed to have begun all of them


@dataclass
class _Deck:
    """The learner's review cards as arrays."""

    cards: list[str]
    stability: np.ndarray
    difficulty: np.ndarray
    last_day: Ints
    due_day: Ints
    chosen: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def plan_parameters(session: Session, *, learner: int, at: int, parameters: Sequence[float], reschedule: bool = True) -> Plan:
    """What new parameters would do. Every memory is computed again; due days move only with `reschedule`."""
    settings = read_settings(session, learner=learner)
    today, w = today_of(settings, at), tuple(map(float, parameters))
    deck = _read_deck(session, learner)
    states = states_of(read_log(session, learner=learner), w)
    place = {card: number for number, card in enumerate(states.names)}
    known = np.array([place[card] for card in deck.cards], np.int64)
    deck.stability, deck.difficulty = states.stability[known], states.difficulty[known]
    interval = whole_interval(deck.stability, settings.desired_retention, w, settings.maximum_interval)
    ranges = [fuzz_range(days, maximum=settings.maximum_interval) for days in interval.tolist()]
    low, high = (np.array([pair[side] for pair in ranges], np.int64) for side in (0, 1))
    stays = (deck.due_day >= deck.last_day + low) & (deck.due_day <= deck.last_day + high)
    wanted = np.where(stays | (not reschedule), deck.due_day, deck.last_day + interval)
    cap = _cap(settings)
    placed = _place(deck, wanted, today, cap, w) if reschedule else deck.due_day
    plan = _plan("parameters", session, learner, deck, placed, today, cap, parameters=w)
    sooner, later = sum(m.to_day < m.from_day for m in plan.moves), sum(m.to_day > m.from_day for m in plan.moves)
    fullest = max(plan.days, default=0)
    return _saying(plan, f"{sooner} cards come sooner and {later} later; the fullest day holds {fullest} cards (your cap is {cap}).")


def plan_spread(session: Session, *, learner: int, at: int) -> Plan:
    """Spread a backlog: what is overdue goes to today and the days after, no day above the cap."""
    settings = read_settings(session, learner=learner)
    today, cap, deck = today_of(settings, at), _cap(settings), _read_deck(session, learner)
    placed = _place(deck, deck.due_day, today, cap, settings.parameters)
    placed = np.where((deck.due_day < today) & (placed == today), deck.due_day, placed)  # due today anyway: no need to touch it
    plan = _plan("spread", session, learner, deck, placed, today, cap)
    over = int((deck.due_day <= today).sum())
    return _saying(plan, f"{len(plan.moves)} of {over} due cards move to later days; no day holds more than {max(plan.days, default=0)}.")


def plan_exam(session: Session, *, learner: int, at: int, tracks: Sequence[str], day: int, retention: float) -> Plan:
    """Bring the cards of some tracks to the wanted chance of recall on an exam's study day.

    A card whose next review falls on the exam or later, and which would be below `retention` by then, is given a review early
    enough before. Cards that are due before the exam come anyway.
    """
    settings = read_settings(session, learner=learner)
    today, cap, w = today_of(settings, at), _cap(settings), settings.parameters
    if day <= today:
        raise ValueError(f"The exam's day must be after today ({calendar_date(today)}), not {calendar_date(day)}.")
    if not 0.5 <= retention <= 0.99:
        raise ValueError(f"The wanted chance of recall must be between 0.5 and 0.99, not {retention}.")
    deck = _read_deck(session, learner, tracks)
    examined = deck.chosen
    before = _recall_on(deck, deck.due_day, day, today, w)
    needy = np.flatnonzero(examined & (deck.due_day >= day) & (before < retention))
    load = np.bincount(np.clip(deck.due_day, today, day) - today, minlength=day - today + 1)[:-1]
    placed, left_out = deck.due_day.copy(), 0
    for row in needy[np.argsort(before[needy], kind="stable")]:
        first = _first_day_that_lasts(deck, row, today, day, retention, w)
        open_days = [d for d in range(first, day) if load[d - today] < cap]
        if not open_days:
            left_out += 1
            continue
        placed[row] = min(open_days, key=lambda d: (load[d - today], -d))
        load[placed[row] - today] += 1
    after = _recall_on(deck, placed, day, today, w)
    plan = _plan("exam", session, learner, deck, placed, today, cap)
    values = {"learner": learner, "no": False} | _track_values(tracks)
    new = session.connection().execute(text(_NEW_IN.format(_in_tracks(tracks))), values).scalar_one()
    mean_before, mean_after = (float(recall[examined].mean()) if examined.any() else None for recall in (before, after))
    says = f"{len(plan.moves)} of {int(examined.sum())} started cards get a review before {calendar_date(day)}"
    if mean_before is not None and mean_after is not None:
        says += f": the chance of recall on that day goes from {mean_before:.0%} to {mean_after:.0%}"
    says += f"; {left_out} find no place under your cap of {cap} a day" if left_out else ""
    says += f"; {new} cards are not started yet, {new / (day - today):.1f} a day would begin them all." if new else "."
    return _saying(plan, says, recall_before=mean_before, recall_after=mean_after, left_out=left_out, new_a_day=new / (day - today))


def apply_plan(session: Session, *, learner: int, plan: Plan, at: int) -> int:
    """Carry out a plan as one action that can be undone. Gives back how many cards moved."""
    if _last_event(session, learner) != plan.made_from:
        raise StalePlan("Cards were graded or changed since this plan was made. Look at it again before applying it.")
    settings = read_settings(session, learner=learner)
    day = today_of(settings, at)
    numbers = next_numbers(session, learner=learner, cards=[move.card for move in plan.moves] + ([""] if plan.parameters else []))
    common = {"learner": learner, "at": at, "day": day}
    events: list[dict] = []
    if plan.parameters:
        data = json.dumps({"parameters": plan.parameters, "before": settings.parameters})
        events.append(common | {"card": "", "seq": numbers[""], "kind": "parameters", "data": data})
    events += [
        common | {"card": move.card, "seq": numbers[move.card], "kind": "reschedule", "state": 2, "step": 0, "due_day": move.to_day}
        for move in plan.moves
    ]  # fmt: skip
    if not events:
        return 0
    first = append_event(session, events[0])
    append_many(session, [event | {"batch": first} for event in events[1:]])
    if plan.moves:
        rows = [{"learner": learner, "card": move.card, "due_day": move.to_day} for move in plan.moves]
        session.connection().execute(_MOVE, rows)
    if plan.parameters:
        change_setting(session, learner=learner, name="parameters", value=plan.parameters)
        put_back(session, states_of(read_log(session, learner=learner), plan.parameters), learner=learner)
    return len(plan.moves)


# --- how it is done --------------------------------------------------------------------------------------------------

_MOVE = text("UPDATE learner_card SET due_day = :due_day, due_at = NULL, step = 0, events = events + 1 WHERE learner = :learner AND card = :card")
_DECK = """SELECT card, stability, difficulty, last_day, due_day, {} FROM learner_card
    WHERE learner = :learner AND suspended = :no AND state = 2 AND topic <> '' ORDER BY card"""
_NEW_IN = "SELECT COUNT(*) FROM learner_card WHERE learner = :learner AND suspended = :no AND state = 0 AND {}"


def _in_tracks(tracks: Sequence[str]) -> str:
    names = ", ".join(f":track{number}" for number in range(len(tracks)))
    return f"topic IN (SELECT slug FROM topic WHERE track IN ({names}))" if tracks else "topic <> ''"


def _track_values(tracks: Sequence[str]) -> dict[str, str]:
    return {f"track{number}": track for number, track in enumerate(tracks)}


def _read_deck(session: Session, learner: int, tracks: Sequence[str] = ()) -> _Deck:
    sql = _DECK.format(_in_tracks(tracks))
    rows = session.connection().execute(text(sql), {"learner": learner, "no": False} | _track_values(tracks)).all()
    columns = list(zip(*rows, strict=True)) or [()] * 6
    return _Deck(
        list(columns[0]), np.array(columns[1], float), np.array(columns[2], float), np.array(columns[3], np.int64), np.array(columns[4], np.int64),
        np.array(columns[5], bool),
    )  # fmt: skip


def _cap(settings: Settings) -> int:
    return settings.day_cap or max(1, settings.reviews_per_day)


def _place(deck: _Deck, wanted: Ints, today: int, cap: int, w: Sequence[float]) -> Ints:
    """Each card on its wanted day or, when that is full, on the next with room; none before today."""
    wanted = np.maximum(wanted, today)
    recall = retrievability(deck.stability, wanted - deck.last_day, w)
    order = np.lexsort((recall, wanted))
    placed = np.empty_like(wanted)
    day, used = today, 0
    for row in order:
        if wanted[row] > day:
            day, used = int(wanted[row]), 0
        if used == cap:
            day, used = day + 1, 0
        placed[row] = day
        used += 1
    return placed


def _recall_on(deck: _Deck, due: Ints, exam: int, today: int, w: Sequence[float]) -> np.ndarray:
    """The chance of recall on the exam's day when every review until then is passed: those due before it happen."""
    due = np.maximum(due, today)
    reviewed = due < exam
    S, _ = next_memory(deck.stability, deck.difficulty, due - deck.last_day, Grade.GOOD, w)
    return np.where(reviewed, retrievability(S, exam - due, w), retrievability(deck.stability, exam - deck.last_day, w))


def _first_day_that_lasts(deck: _Deck, row: int, today: int, exam: int, retention: float, w: Sequence[float]) -> int:
    """The earliest day from which a passed review still holds on the exam's day; the day before the exam if none does."""
    days = np.arange(today, exam)
    S, _ = next_memory(deck.stability[row], deck.difficulty[row], days - deck.last_day[row], Grade.GOOD, w)
    lasts = retrievability(S, exam - days, w) >= retention
    return int(days[np.argmax(lasts)]) if lasts.any() else exam - 1


def _plan(
    kind: str, session: Session, learner: int, deck: _Deck, placed: Ints, today: int, cap: int, parameters: tuple[float, ...] | None = None
) -> Plan:
    changed = np.flatnonzero(placed != deck.due_day)
    moves = tuple(Move(deck.cards[row], int(deck.due_day[row]), int(placed[row])) for row in changed)
    days = np.bincount(np.maximum(placed, today) - today) if len(placed) else np.zeros(0, np.int64)
    return Plan(kind, today, moves, tuple(days.tolist()), cap, "", _last_event(session, learner), parameters)


def _saying(plan: Plan, says: str, **more: object) -> Plan:
    return replace(plan, says=says, **more)  # type: ignore[arg-type]


def _last_event(session: Session, learner: int) -> int:
    return session.connection().execute(text("SELECT COALESCE(MAX(id), 0) FROM event WHERE learner = :learner"), {"learner": learner}).scalar_one()


def days_of(plan: Plan) -> Mapping[int, int]:
    """Reviews by study day after the plan."""
    return {plan.day + place: number for place, number in enumerate(plan.days)}
