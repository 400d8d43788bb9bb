"""Verify content and database: every finding is one sentence, and an empty list means all is well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Engine, text
from sqlmodel import Session, select

from backend import store
from backend.exchange.records import OWN
from backend.library import unfinished_imports
from backend.notes import Note, check_tree, read_tree
from backend.replay import check_states
from backend.stats import check_sums
from backend.tables import Learner


def check_content(folder: Path, *, makers: Mapping[str, Sequence[str]]) -> list[str]:
    """Mistakes inside notes and between them. Labs that are named but not built are not findings."""
    notes, mistakes = read_tree(folder)
    crossing, _not_built = check_tree(notes, labs=list(makers))
    reserved = [f"{note.path}: expected a name of its own, came {name}: what begins with {OWN} belongs to learners" for note in notes for name in _names(note) if name.startswith(OWN)]
    return [*(str(mistake) for mistake in [*mistakes, *crossing]), *reserved]


def _names(note: Note) -> list[str]:
    return [note.slug, *(card.id for card in note.cards)]


def check_database(engine: Engine, *, at: int | None = None) -> list[str]:
    """The file's own integrity, references between tables, and cards whose memory does not follow from their log."""
    findings: list[str] = []
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            findings += [f"database: {row[0]}" for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
            findings += [f"database: a row of {row[0]} refers to a missing row of {row[2]}" for row in connection.execute(text("PRAGMA foreign_key_check"))]
    with Session(engine) as session:
        for learner in session.exec(select(Learner.id)).all():
            assert learner is not None
            findings += [f"learner {learner}: {mismatch}" for mismatch in check_states(session, learner=learner)]
            findings += [f"learner {learner}: {finding}" for finding in check_sums(session, learner=learner)]
            interrupted = unfinished_imports(session, learner=learner, at=store.now() if at is None else at)
            findings += [f"learner {learner}: the import of {run.name} was interrupted: `check --repair` or the Library takes it back" for run in interrupted]
    return findings
