"""From the log to the state: what every card's memory must be, given the events that were not undone.

A `forget` begins a card anew: the grades before it stay in the log and no longer count for its memory.

The log is the truth and `learner_card` a view of it that is kept for speed. Undo uses this to put cards back, `check` to
prove that nothing drifted: whole numbers agree exactly, stability and difficulty to a millionth.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlmodel import Session

from backend.memory import Floats, Grade, Ints, Phase, replay
from backend.settings import read_settings
from backend.statements import Statement

KINDS = ("grade", "cram", "undo", "reschedule", "parameters", "suspend", "bury", "flag", "import", "forget")
GRADE, CRAM, UNDO, RESCHEDULE, PARAMETERS, SUSPEND, BURY, FLAG, IMPORT, FORGET = range(len(KINDS))
NOTHING = -1  # stands for NULL in a column of whole numbers


@dataclass
class Log:
    """Events of some cards, one array per column, in the order of card and number."""

    names: list[str]  # the cards' ids
    card: Ints  # index into names
    id: Ints
    seq: Ints
    kind: Ints
    value: Ints
    at: Ints
    day: Ints
    grade: Ints
    state: Ints
    step: Ints
    due_day: Ints
    due_at: Ints
    before: Ints
    confidence: Ints
    place: Ints  # of a new card in the order of the tracks
    given: tuple[Floats, Floats]  # stability and difficulty as written in the event
    reps: Ints  # brought along by an import
    lapses: Ints

    def __len__(self) -> int:
        return len(self.id)


WHOLE = ("id", "seq", "value", "at", "day", "grade", "state", "step", "due_day", "due_at", "before", "confidence", "interval")
_SELECT = (
    f"SELECT {', '.join(name if name in ('id', 'seq', 'at', 'day') else f'COALESCE({name}, {NOTHING})' for name in WHOLE)}, "
    "COALESCE(stability, 0.0), COALESCE(difficulty, 0.0), kind, card, CASE WHEN kind = 'import' THEN data END "
    "FROM event WHERE learner = :learner"
)
_ALL = Statement(_SELECT)
_ONE = Statement(_SELECT + " AND card = :card")


def read_log(session: Session, *, learner: int, cards: Sequence[str] | None = None) -> Log:
    """The events of all the learner's cards, or of some."""
    if cards is not None and len(cards) <= 200:
        rows = [row for card in cards for row in _ONE.rows(session, {"learner": learner, "card": card})]
    else:
        rows = _ALL.rows(session, {"learner": learner})
        if cards is not None:
            wanted = set(cards)
            rows = [row for row in rows if row[16] in wanted]
    return _log_of(rows)


def _log_of(rows: list[tuple]) -> Log:
    width = len(WHOLE) + 2
    columns = list(zip(*rows, strict=True)) if rows else [()] * (width + 3)
    whole = {name: np.array(columns[place], np.int64) for place, name in enumerate(WHOLE)}
    codes: dict[str, int] = {}
    card = np.array([codes.setdefault(name, len(codes)) for name in columns[width + 1]], np.int64)
    kind_of = {name: code for code, name in enumerate(KINDS)}
    kind = np.array([kind_of[name] for name in columns[width]], np.int64)
    reps, lapses = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for place in np.flatnonzero(kind == IMPORT):
        told = columns[width + 2][place]
        told = json.loads(told) if isinstance(told, str) else told or {}
        reps[place], lapses[place] = told.get("reps", 0), told.get("lapses", 0)
    order = np.lexsort((whole["seq"], card))
    place_of_new = whole.pop("interval")
    given = (np.array(columns[len(WHOLE)], float)[order], np.array(columns[len(WHOLE) + 1], float)[order])
    return Log(
        names=list(codes), card=card[order], kind=kind[order], given=given, reps=reps[order], lapses=lapses[order],
        place=place_of_new[order], **{name: column[order] for name, column in whole.items()},
    )  # fmt: skip


@dataclass
class States:
    """What `learner_card` must say, one entry for each of `names`."""

    names: list[str]
    state: Ints
    step: Ints
    stability: Floats
    difficulty: Floats
    due_day: Ints
    due_at: Ints
    last_day: Ints
    last_at: Ints
    reps: Ints
    lapses: Ints
    events: Ints
    suspended: Ints
    leech: Ints
    misconception: Ints
    buried_day: Ints
    flag: Ints


def states_of(log: Log, parameters: Sequence[float]) -> States:
    """The state of every card in the log. An undo takes its event out; every event, undone or not, counts as a showing."""
    n = len(log.names)
    stands = ~np.isin(log.id, log.value[log.kind == UNDO]) & (log.kind != UNDO)
    current = stands & (log.seq > _begun_anew(log, stands))
    graded = current & (log.kind == GRADE)
    learnt = current & ((log.kind == GRADE) | (log.kind == IMPORT))
    placed = learnt | (current & (log.kind == RESCHEDULE))
    made_leech = graded & (log.value == 1)
    put_aside = stands & (log.kind == SUSPEND)

    S, D, _ = replay(
        log.card[learnt], log.day[learnt], np.where(log.kind == IMPORT, 0, log.grade)[learnt], parameters,
        given=(log.given[0][learnt], log.given[1][learnt]),
    )  # fmt: skip

    def last(rows: np.ndarray, values: np.ndarray, otherwise: int | float = 0) -> np.ndarray:
        found = np.full(n, otherwise, values.dtype)
        found[log.card[rows]] = values  # later rows of a card overwrite earlier ones
        return found

    def number(rows: np.ndarray, weights: np.ndarray | None = None) -> Ints:
        return np.bincount(log.card[rows], weights, minlength=n).astype(np.int64)

    lapsed = graded & (log.before == Phase.REVIEW) & (log.grade == Grade.AGAIN)
    imported = current & (log.kind == IMPORT)
    leech_rows = made_leech | (put_aside & (log.value == 0))
    aside_rows = made_leech | put_aside
    due_day = np.where(number(placed) > 0, last(placed, log.due_day[placed]), _places(log, n))
    return States(
        names=log.names,
        state=last(placed, log.state[placed]), step=last(placed, log.step[placed]), stability=last(learnt, S), difficulty=last(learnt, D),
        due_day=due_day, due_at=last(placed, log.due_at[placed], NOTHING),
        last_day=last(learnt, log.day[learnt]), last_at=last(learnt, log.at[learnt], NOTHING),
        reps=number(graded) + number(imported, log.reps[imported]), lapses=number(lapsed) + number(imported, log.lapses[imported]),
        events=last(np.ones(len(log), bool), log.seq + 1),
        suspended=last(aside_rows, log.value[aside_rows]), leech=last(leech_rows, log.value[leech_rows]),
        misconception=last(graded, ((log.grade == Grade.AGAIN) & (log.confidence == 3))[graded].astype(np.int64)),
        buried_day=last(stands & (log.kind == BURY), log.value[stands & (log.kind == BURY)]),
        flag=last(stands & (log.kind == FLAG), log.value[stands & (log.kind == FLAG)]),
    )  # fmt: skip


def _begun_anew(log: Log, stands: np.ndarray) -> Ints:
    """For every row the number of its card's last standing `forget`: what came before it is history and no memory."""
    rows = stands & (log.kind == FORGET)
    found = np.full(len(log.names), NOTHING, np.int64)
    found[log.card[rows]] = log.seq[rows]
    return found[log.card]


def _places(log: Log, n: int) -> Ints:
    """Where a card that is new again stands in the order of the tracks: its first grade wrote that down."""
    rows = (log.kind == GRADE) & (log.before == Phase.NEW)
    found = np.full(n, NOTHING, np.int64)
    found[log.card[rows]] = log.place[rows]
    return found


# --- putting cards back ----------------------------------------------------------------------------------------------

_COLUMNS = (
    "state", "step", "stability", "difficulty", "due_day", "due_at", "last_day", "last_at", "reps", "lapses", "events",
    "suspended", "leech", "misconception", "buried_day", "flag",
)  # fmt: skip
_PUT_BACK = Statement(
    f"UPDATE learner_card SET {', '.join(f'{name} = :{name}' for name in _COLUMNS if name != 'due_day')}, "
    f"due_day = CASE WHEN :state = 0 AND :due_day = {NOTHING} THEN due_day ELSE :due_day END WHERE learner = :learner AND card = :card"
)


def put_back(session: Session, states: States, *, learner: int) -> None:
    """Write the computed states into `learner_card`."""
    columns = {name: getattr(states, name).tolist() for name in _COLUMNS}
    for name in ("due_at", "last_at"):
        columns[name] = [None if moment == NOTHING else moment for moment in columns[name]]
    for name in ("suspended", "leech", "misconception"):
        columns[name] = [bool(value) for value in columns[name]]
    rows = [
        {"learner": learner, "card": card} | {name: columns[name][place] for name in _COLUMNS} for place, card in enumerate(states.names) if card
    ]
    _PUT_BACK.run(session, rows)


# --- checking --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mismatch:
    card: str
    column: str
    stored: float | int | None
    replayed: float | int | None

    def __str__(self) -> str:
        return f"{self.card}: {self.column} is {self.stored}, but the log gives {self.replayed}"


def check_states(session: Session, *, learner: int, at_most: int = 100) -> list[Mismatch]:
    """Where the stored states differ from the replayed log; empty when all is well."""
    log = read_log(session, learner=learner)
    states = states_of(log, read_settings(session, learner=learner).parameters)
    stored = _stored(session, learner=learner)
    found: list[Mismatch] = []
    place = {name: number for number, name in enumerate(states.names)}
    where = np.array([place.get(name, NOTHING) for name in stored.pop("card")], np.int64)
    names = np.array([*states.names, ""], object)
    for column in _COLUMNS:
        mine = getattr(states, column)
        expected = np.where(where >= 0, mine[where] if len(mine) else 0, NOTHING if column in ("due_at", "last_at") else 0)
        actual = stored[column]
        if column == "due_day":  # of a card that is new it is a place in the order, which the content may change
            wrong = (actual != expected) & (stored["state"] != 0)
        elif column in ("stability", "difficulty"):
            wrong = np.abs(actual - expected) > 1e-6 * np.maximum(1.0, np.abs(expected))
        else:
            wrong = actual != expected
        for row in np.flatnonzero(wrong)[: at_most - len(found)]:
            found.append(Mismatch(str(names[where[row]]), column, actual[row].item(), expected[row].item()))
    missing = len(set(states.names) - {""}) - int((where >= 0).sum())
    if missing:
        found.append(Mismatch("", "cards without a state", 0, missing))
    return found


def _stored(session: Session, *, learner: int) -> dict[str, np.ndarray]:
    whole = [name for name in _COLUMNS if name not in ("stability", "difficulty")]
    listed = ", ".join(f"COALESCE({name}, {NOTHING})" if name in ("due_at", "last_at") else name for name in whole)
    rows = Statement(f"SELECT {listed}, stability, difficulty, card FROM learner_card WHERE learner = :learner").rows(session, {"learner": learner})
    columns = list(zip(*rows, strict=True)) or [()] * (len(whole) + 3)
    stored = {name: np.array(columns[place], np.int64) for place, name in enumerate(whole)}
    stored["stability"], stored["difficulty"] = np.array(columns[-3], float), np.array(columns[-2], float)
    stored["card"] = columns[-1]  # type: ignore[assignment]
    return stored


def read_grades(session: Session, *, learner: int) -> tuple[Ints, Ints, Ints]:
    """Every grade that stands (what was undone left out) as arrays card, day, grade: what a memory model is fitted to."""
    rows = _GRADES.rows(session, {"learner": learner})
    codes: dict[tuple[str, int], int] = {}  # a card that was begun anew is another one from there on
    card = np.array([codes.setdefault((row[0], row[3]), len(codes)) for row in rows], np.int64)
    return card, np.array([row[1] for row in rows], np.int64), np.array([row[2] for row in rows], np.int64)


_GRADES = Statement("""SELECT card, day, grade, (SELECT COUNT(*) FROM event f WHERE f.learner = e.learner AND f.card = e.card AND f.kind = 'forget' AND f.seq < e.seq)
    FROM event e WHERE learner = :learner AND kind = 'grade' AND NOT EXISTS
    (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id) ORDER BY id""")
