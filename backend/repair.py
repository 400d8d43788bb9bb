"""Mending a database: what `check` finds, where the truth about it is still there.

The log of events is the truth. States, daily sums, indexes and the search follow from it and from the cards, and are made again.
No event is ever changed or removed. First it is said what would be done, then the database is copied, then it is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlmodel import Session, select

from backend import review, store
from backend.library import take_back, unfinished_imports
from backend.replay import check_states, put_back, read_log, states_of
from backend.search_index import index_topics
from backend.settings import read_settings
from backend.statements import Statement
from backend.stats import check_sums, recount
from backend.tables import Learner

DERIVED = {"section", "passage", "vector", "indexed", "day_stat", "learner_card"}  # rows that follow from others


@dataclass(frozen=True)
class Repair:
    """Something that can be mended: what is wrong, and what will be done about it."""

    wrong: str
    does: str
    do: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.wrong}: {self.does}"


def plan_repair(engine: Engine, *, at: int) -> list[Repair]:
    """Everything that could be mended now, in the order in which it should be."""
    found = [*_broken_indexes(engine), *_lost_learners(engine), *_lost_references(engine)]
    with store.reading(engine) as session:
        learners = [number for number in session.exec(select(Learner.id)) if number is not None]
        for learner in learners:
            found += _states(engine, session, learner)
            found += _unfinished(engine, session, learner, at)
            found += _sums(engine, session, learner)
        found += _unreadable_json(engine, session)
    return found


def repair(engine: Engine, repairs: list[Repair], *, at: int) -> list[str]:
    """Do it. Says what could not be done, and why."""
    failed = []
    for each in repairs:
        try:
            each.do()
        except Exception as problem:  # one that fails must not keep the others from being done
            failed.append(f"{each.wrong}: not mended ({str(problem).splitlines()[0][:200]})")
    with store.writing(engine) as session:
        for learner in session.exec(select(Learner.id)).all():
            assert learner is not None
            _NO_STAMP.run(session, {"learner": learner})
            review.follow_content(session, learner=learner, at=at)
        index_topics(session)
    return failed


_NO_STAMP = Statement("DELETE FROM setting WHERE learner = :learner AND name = 'content'")


# --- the file -----------------------------------------------------------------------------------------------------------


def _broken_indexes(engine: Engine) -> list[Repair]:
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        said = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    wrong = [line for line in said if "index" in line]
    if not wrong:
        return []

    def do() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # REINDEX takes the lock by itself
            connection.exec_driver_sql("REINDEX")

    return [Repair(f"the file has {len(wrong)} entries of indexes that do not fit their tables", "the indexes are made again from the tables", do)]


def _violations(engine: Engine) -> list[tuple[str, int | None, str, int]]:
    """Table, row, the table it refers to, and which of its references."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))]  # type: ignore[misc]


def _lost_learners(engine: Engine) -> list[Repair]:
    """Rows of a learner who is missing keep their reviews: the learner is made again under another name."""
    tables = sorted({table for table, _, parent, _ in _violations(engine) if parent == "learner"})
    if not tables:
        return []
    union = " UNION ".join(f"SELECT learner FROM {table}" for table in tables)
    with engine.connect() as connection:
        lost = [row[0] for row in connection.execute(text(f"SELECT learner FROM ({union}) WHERE learner NOT IN (SELECT id FROM learner)"))]

    def maker(learner: int) -> Callable[[], None]:
        def do() -> None:
            with store.writing(engine) as session:
                session.add(Learner(id=learner, name=f"found-again-{learner}", created_at=0))

        return do

    return [Repair(f"learner {learner} is missing, and reviews or settings of theirs are there", f"the learner is made again as “found-again-{learner}”", maker(learner)) for learner in lost]


def _lost_references(engine: Engine) -> list[Repair]:
    """Rows that follow from others and refer to what is gone: they go too, and come again where they are needed."""
    counts: dict[tuple[str, str], list[int]] = {}
    for table, row, parent, _ in _violations(engine):
        if parent != "learner" and table in DERIVED and row is not None:
            counts.setdefault((table, parent), []).append(row)

    def remover(table: str, rows: list[int]) -> Callable[[], None]:
        def do() -> None:
            with store.writing(engine) as session:
                session.connection().exec_driver_sql(f"DELETE FROM {table} WHERE rowid = ?", [(row,) for row in rows])

        return do

    return [
        Repair(f"{len(rows)} rows of {table} refer to a missing {parent}", "they go: such rows are made again from the notes", remover(table, rows))
        for (table, parent), rows in counts.items()
    ]


# --- what follows from the log --------------------------------------------------------------------------------------------


def _unfinished(engine: Engine, session: Session, learner: int, at: int) -> list[Repair]:
    def undoer(run: int) -> Callable[[], None]:
        def do() -> None:
            take_back(engine, learner=learner, run=run, at=at)

        return do

    return [
        Repair(f"learner {learner}: the import of {run.name} was interrupted", "it is taken back; import the file again", undoer(run.id or 0))
        for run in unfinished_imports(session, learner=learner, at=at)
    ]


def _states(engine: Engine, session: Session, learner: int) -> list[Repair]:
    wrong = check_states(session, learner=learner, at_most=1_000_000)
    if not wrong:
        return []
    cards = len({mismatch.card for mismatch in wrong})

    def do() -> None:
        with store.writing(engine) as session:
            _add_missing(session, learner)
            _orphan_states(session, learner)
            log = read_log(session, learner=learner)
            put_back(session, states_of(log, read_settings(session, learner=learner).parameters), learner=learner)

    return [Repair(f"learner {learner}: what is kept of {cards} cards does not follow from their log", "their states are computed again from the log", do)]


def _add_missing(session: Session, learner: int) -> None:
    """Cards of which there are events and no state."""
    _MISSING.run(session, {"learner": learner, "no": False})


_MISSING = Statement("""
    INSERT INTO learner_card (learner, card, topic, state, step, stability, difficulty, due_day, last_day, reps, lapses, events,
                              suspended, leech, misconception, buried_day, flag, added_day)
    SELECT :learner, e.card, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, :no, :no, :no, 0, 0, MIN(e.day) FROM event e
    WHERE e.learner = :learner AND e.card <> '' AND NOT EXISTS (SELECT 1 FROM learner_card l WHERE l.learner = :learner AND l.card = e.card)
    GROUP BY e.card
""")


def _orphan_states(session: Session, learner: int) -> None:
    """States that no event tells of: the cards are new."""
    _NEW_AGAIN.run(session, {"learner": learner, "no": False})


_NEW_AGAIN = Statement("""UPDATE learner_card SET state = 0, step = 0, stability = 0, difficulty = 0, due_at = NULL, last_day = 0, last_at = NULL, reps = 0,
    lapses = 0, events = 0, suspended = :no, leech = :no, misconception = :no, buried_day = 0, flag = 0
    WHERE learner = :learner AND NOT EXISTS (SELECT 1 FROM event e WHERE e.learner = :learner AND e.card = learner_card.card)""")


def _sums(engine: Engine, session: Session, learner: int) -> list[Repair]:
    wrong = check_sums(session, learner=learner)
    if not wrong:
        return []

    def do() -> None:
        with store.writing(engine) as session:
            recount(session, learner=learner)

    return [Repair(f"learner {learner}: {len(wrong)} sums of days differ from the log", "all sums are counted again from the log", do)]


def _unreadable_json(engine: Engine, session: Session) -> list[Repair]:
    """Settings that cannot be read fall back to their defaults when they are read; here they go for good."""
    broken = [(learner, name) for learner, name, value in _SETTINGS.rows(session, {}) if not _is_json(value)]
    if not broken:
        return []

    def do() -> None:
        with store.writing(engine) as session:
            _NO_SETTING.run(session, [{"learner": learner, "name": name} for learner, name in broken])

    return [Repair(f"{len(broken)} settings cannot be read", "they go back to their defaults", do)]


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


_SETTINGS = Statement("SELECT learner, name, value FROM setting")
_NO_SETTING = Statement("DELETE FROM setting WHERE learner = :learner AND name = :name")
