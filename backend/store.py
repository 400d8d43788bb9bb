"""The database: where it is, how it is opened, and how an old one is brought up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, create_engine, select

from backend.tables import Learner

HOUSE = Path(__file__).resolve().parent.parent
LOCAL_LEARNER = "me"


class StoreError(Exception):
    """The database cannot be used; the message says why and what to do."""


class Busy(StoreError):
    """Somebody else kept the database to themselves for too long; nothing was written."""


class DiskFull(StoreError):
    """There was no room for what was to be written; nothing of it was."""


def database_url() -> str:
    return os.environ.get("DATABASE_URL") or f"sqlite:///{HOUSE / 'data' / 'attend.db'}"


def now() -> int:
    """The present in UTC milliseconds. Callers pass it on; nothing below reads a clock by itself."""
    return time.time_ns() // 1_000_000


def open_engine(url: str | None = None) -> Engine:
    """An engine on the database; its folder is made when missing. One per process is enough."""
    url = url or database_url()
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 15} if url.startswith("sqlite") else {})
    if engine.dialect.name == "sqlite":
        path = sqlite_path(engine)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _tune_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def sqlite_path(engine: Engine) -> Path | None:
    """The database's file, or None when it is in memory or not SQLite."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name and name != ":memory:" else None


def _tune_sqlite(connection, _record) -> None:
    # Python's sqlite3 opens transactions by itself, too late and not for every statement: we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=15000")
    cursor.execute("PRAGMA cache_size=-32768")  # 32 MB: a hundred thousand cards can be looked through without reading them twice
    cursor.close()


def _begin(connection) -> None:
    # A transaction that reads first and writes later fails at once, busy timeout or not, when another writer came between.
    # `writing` takes the write lock at the start; readers never wait in WAL mode.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """One transaction that holds the write lock from its first statement: committed at the end, undone by any error."""
    try:
        with engine.connect().execution_options(writing=True) as connection, Session(connection) as session, session.begin():
            yield session
    except OperationalError as error:
        if "full" in str(error.orig):
            raise DiskFull("The disk is full, so nothing was saved just now. Make some room and try again: what you saved before is safe.") from error
        if "locked" in str(error.orig):
            raise Busy("The database was busy for too long, so nothing was saved just now. Is another program writing to it? Try again.") from error
        raise


def migrations(engine: Engine):
    """Alembic's configuration for this database. Alembic is imported here: on the way to the first screen it is rarely needed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HOUSE / "backend" / "migrations"))
    config.attributes["engine"] = engine
    return config


def known_revisions() -> list[str]:
    """The revisions of backend/migrations/versions in their order: their files are named by them."""
    return sorted(path.name.split("_")[0] for path in (HOUSE / "backend" / "migrations" / "versions").glob("[0-9]*_*.py"))


def current_revision(engine: Engine) -> str | None:
    """The revision the database is at; None when it is new."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> bool:
    """Bring the tables up to date; an existing database is backed up first. Says whether anything was done."""
    here, known = current_revision(engine), known_revisions()
    if here == known[-1]:
        return False
    if here is not None and here not in known:
        raise StoreError(
            f"The database was made by a newer Attend (revision {here}, this one knows up to {known[-1]}). Update the app, or restore an older backup."
        )
    if here is not None:
        from backend.backups import back_up  # which opens the store itself

        back_up(engine, at=now(), reason="migration")
    from alembic import command

    command.upgrade(migrations(engine), "head")
    return True


def local_learner(session: Session) -> int:
    """The id of the one local learner; made at first use."""
    found = session.exec(select(Learner).where(Learner.name == LOCAL_LEARNER)).first()
    if found is None:
        found = Learner(name=LOCAL_LEARNER, created_at=now())
        session.add(found)
        session.flush()
    assert found.id is not None
    return found.id
