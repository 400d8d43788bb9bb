"""The database: tables reload, old ones are upgraded after a backup, writers do not trip over each other."""

import importlib
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import select

from backend import store, tables


def test_the_migrations_make_exactly_the_tables(engine):
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.Table.metadata) == []


def test_the_tables_may_be_loaded_again():
    names = set(tables.Table.metadata.tables)
    assert set(importlib.reload(tables).Table.metadata.tables) == names


def test_the_files_of_the_migrations_are_named_by_their_order(engine):
    scripts = ScriptDirectory.from_config(store.migrations(engine))
    assert store.known_revisions() == [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert store.current_revision(engine) == scripts.get_current_head()


def test_upgrading_twice_does_nothing(engine):
    assert store.upgrade(engine) is False


def test_a_database_from_the_future_is_refused_with_a_sentence(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(store.StoreError, match="newer Attend"):
        store.upgrade(engine)


def test_sqlite_is_in_wal_mode_and_keeps_its_references(engine):
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_the_local_learner_is_made_once(engine):
    with store.writing(engine) as session:
        first = store.local_learner(session)
    with store.writing(engine) as session:
        assert store.local_learner(session) == first
        assert len(session.exec(select(tables.Learner)).all()) == 1


def test_an_error_undoes_the_whole_transaction(engine):
    def write_and_fail() -> None:
        with store.writing(engine) as session:
            store.local_learner(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.reading(engine) as session:
        assert session.exec(select(tables.Learner)).all() == []


def test_many_writers_who_read_first_all_get_through(engine):
    """The classic trap: a transaction that read and then writes fails at once when another wrote in between."""
    with store.writing(engine) as session:
        learner = store.local_learner(session)
        session.add(tables.Setting(learner=learner, name="count", value="0"))
    problems = []

    def count_up():
        try:
            for _ in range(25):
                with store.writing(engine) as session:
                    row = session.get(tables.Setting, (learner, "count"))
                    row.value = str(int(row.value) + 1)
        except Exception as problem:  # collected and asserted below
            problems.append(problem)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert problems == []
    with store.reading(engine) as session:
        assert session.get(tables.Setting, (learner, "count")).value == "100"
