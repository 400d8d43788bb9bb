"""Which columns a learner wants to see in the table of cards. The choice is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlmodel import Session

from backend.statements import Statement

COLUMNS = (
    "Question", "Topic", "State", "Due", "Recall", "Stability, days", "Difficulty", "Reviews", "Lapses", "Tags", "Marks", "Form", "Yours", "Id",
)  # fmt: skip
USUAL = ("Question", "Topic", "State", "Recall", "Stability, days", "Reviews", "Lapses", "Marks", "Id")


def read_columns(session: Session, *, learner: int) -> list[str]:
    """In the table's order; what was kept and is no column any more is passed over."""
    kept = _READ.value(session, {"learner": learner})
    try:
        wanted = json.loads(kept) if kept else USUAL
    except ValueError:
        wanted = USUAL
    return [column for column in COLUMNS if column in wanted] or list(USUAL)


def keep_columns(session: Session, *, learner: int, columns: Sequence[str]) -> None:
    """No column at all means the usual ones."""
    _KEEP.run(session, {"learner": learner, "value": json.dumps([column for column in COLUMNS if column in columns] or list(USUAL))})


_READ = Statement("SELECT value FROM setting WHERE learner = :learner AND name = 'library-columns'")
_KEEP = Statement("""INSERT INTO setting (learner, name, value) VALUES (:learner, 'library-columns', :value)
    ON CONFLICT (learner, name) DO UPDATE SET value = excluded.value""")
