"""SQL that runs many times a second, with named values, inside the session's transaction.

A statement through SQLAlchemy costs ten times what SQLite itself needs for a small one. So these go straight to the driver
where that is SQLite, on the same connection and in the same transaction, and through SQLAlchemy on any other database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session

Values = Mapping[str, Any]


class Statement:
    """One SQL statement. `rows`, `row` and `value` read; `run` writes, once or for many values."""

    def __init__(self, sql: str) -> None:
        self.sql = " ".join(sql.split())
        self.portable = text(self.sql)

    def rows(self, session: Session, values: Values) -> list[tuple]:
        driver = _driver(session)
        if driver is None:
            return [tuple(row) for row in session.connection().execute(self.portable, dict(values))]
        try:
            return driver.execute(self.sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise OperationalError(self.sql, values, error) from error

    def row(self, session: Session, values: Values) -> tuple | None:
        found = self.rows(session, values)
        return found[0] if found else None

    def value(self, session: Session, values: Values) -> Any:
        found = self.rows(session, values)
        return found[0][0] if found else None

    def run(self, session: Session, values: Values | Sequence[Values]) -> None:
        many = not isinstance(values, Mapping)
        if many and not values:
            return
        driver = _driver(session)
        if driver is None:
            session.connection().execute(self.portable, [dict(each) for each in values] if many else dict(values))  # type: ignore[arg-type]
            return
        try:
            (driver.executemany if many else driver.execute)(self.sql, values)  # type: ignore[operator]
        except sqlite3.IntegrityError as error:
            raise IntegrityError(self.sql, None, error) from error
        except sqlite3.OperationalError as error:
            raise OperationalError(self.sql, None, error) from error


def _driver(session: Session) -> sqlite3.Connection | None:
    driver = session.connection().connection.dbapi_connection
    return driver if isinstance(driver, sqlite3.Connection) else None
