"""Copies of the database: whole, thinned out, and put back."""

from __future__ import annotations

import sqlite3

import pytest

from backend import backups, review
from backend.store import StoreError, reading, writing
from tests.sample_desk import DAY, NOON, make_desk, moment, scalar


def graded(engine) -> int:
    with reading(engine) as session:
        return scalar(session, "SELECT COUNT(*) FROM event")


def grade_one(engine, card: str, showing: int = 0) -> None:
    with writing(engine) as session:
        review.record_grade(session, learner=1, card=card, showing=showing, grade=3, at=NOON)


def test_a_copy_taken_while_a_grade_is_being_written_is_whole_and_without_it(tmp_path):
    engine = make_desk(tmp_path)
    grade_one(engine, "t0-q00")
    with writing(engine) as session:
        review.record_grade(session, learner=1, card="t0-q01", showing=0, grade=3, at=NOON)
        copy = backups.back_up(engine, at=NOON)
    with sqlite3.connect(copy) as there:
        assert there.execute("SELECT card FROM event").fetchall() == [("t0-q00",)]
        assert there.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert graded(engine) == 2
    assert [file.name for file in copy.parent.iterdir()] == ["20260302T120000-asked.db"]  # no half copy, no companions


def test_the_daily_copy_is_made_once_a_day(tmp_path):
    engine = make_desk(tmp_path)
    assert backups.back_up_daily(engine, at=NOON) is not None
    assert backups.back_up_daily(engine, at=NOON + 3_600_000) is None
    assert backups.back_up_daily(engine, at=NOON + DAY) is not None
    assert [copy.reason for copy in backups.list_backups(engine)] == ["daily", "daily"]


def test_fourteen_days_and_the_first_of_every_month_are_kept(tmp_path):
    engine = make_desk(tmp_path)
    for day in range(100):
        backups.back_up_daily(engine, at=moment("2026-01-10 08:00") + day * DAY)
    kept = [copy.path.name[:8] for copy in reversed(backups.list_backups(engine))]
    months = ["20260110", "20260201", "20260301", "20260401"]
    fortnight = [f"202604{day:02d}" for day in range(5, 20)]  # the last day and the fourteen before it
    assert kept == months + fortnight


def test_restoring_brings_the_copy_back_and_keeps_what_was_there(tmp_path):
    engine = make_desk(tmp_path)
    grade_one(engine, "t0-q00")
    copy = backups.back_up(engine, at=NOON)
    grade_one(engine, "t0-q01")
    replaced = backups.restore(engine, copy, at=NOON + 60_000)
    assert graded(engine) == 1
    grade_one(engine, "t0-q02")  # the restored database can be written to
    assert graded(engine) == 2
    with sqlite3.connect(replaced) as before:
        assert before.execute("SELECT COUNT(*) FROM event").fetchone() == (2,)


def test_another_open_connection_sees_the_restored_state(tmp_path):
    engine = make_desk(tmp_path)
    copy = backups.back_up(engine, at=NOON)
    grade_one(engine, "t0-q00")
    with sqlite3.connect(tmp_path / "desk.db") as elsewhere:
        assert elsewhere.execute("SELECT COUNT(*) FROM event").fetchone() == (1,)
        elsewhere.commit()
        backups.restore(engine, copy, at=NOON + 60_000)
        assert elsewhere.execute("SELECT COUNT(*) FROM event").fetchone() == (0,)


@pytest.mark.parametrize(("content", "says"), [(b"not a database at all" * 50, "not a readable database"), (b"", "no table event")])
def test_a_file_that_is_no_backup_is_refused_and_nothing_is_touched(tmp_path, content, says):
    engine = make_desk(tmp_path)
    grade_one(engine, "t0-q00")
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(content)
    with pytest.raises(StoreError, match=says):
        backups.restore(engine, wrong, at=NOON)
    assert graded(engine) == 1


def test_a_missing_backup_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"There is no backup .*gone\.db"):
        backups.restore(make_desk(tmp_path), tmp_path / "gone.db", at=NOON)


def test_a_copy_that_cannot_be_written_leaves_no_half(tmp_path):
    engine = make_desk(tmp_path)
    backups.backup_folder(engine).write_text("a file where the folder should be")
    with pytest.raises((StoreError, OSError)):
        backups.back_up(engine, at=NOON)
    grade_one(engine, "t0-q00")
    assert graded(engine) == 1
