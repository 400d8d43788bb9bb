"""Copies of the database: made while it is in use, thinned out with age, and put back with one call.

A copy is made before the first grade of a day and before every change of the tables. Copies of the last fourteen days are
kept, and of every month the first one. Copying uses SQLite's own backup, so a copy is whole even while somebody grades.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from backend.store import StoreError, sqlite_path

KEPT_DAYS = 14
_NAME = re.compile(r"(?P<stamp>\d{8}T\d{6})-(?P<reason>[a-z]+)\.db")
_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Backup:
    path: Path
    at: int  # UTC ms, whole seconds
    reason: str  # daily, migration, restore, asked
    size: int


def backup_folder(engine: Engine) -> Path | None:
    """Where the copies lie: beside the database. A database in memory, or not SQLite, has none."""
    path = sqlite_path(engine)
    return path.parent / f"{path.stem}-backups" if path else None


def back_up(engine: Engine, *, at: int, reason: str = "asked") -> Path | None:
    """Copy the database as it is now and thin out old copies. None where there is no file to copy."""
    source, folder = sqlite_path(engine), backup_folder(engine)
    if source is None or folder is None or not source.exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_moment(at).strftime(_STAMP)}-{reason}.db"
    half = target.with_suffix(".part")
    half.unlink(missing_ok=True)
    try:
        _copy(source, half)
        os.replace(half, target)
    except (sqlite3.Error, OSError) as error:
        half.unlink(missing_ok=True)
        raise StoreError(f"The backup could not be written to {folder}: {error}. The database itself is untouched.") from error
    _thin(folder, at=at)
    return target


def back_up_daily(engine: Engine, *, at: int) -> Path | None:
    """The day's first call makes the daily copy, later ones do nothing. Call it before a sitting begins."""
    today = _moment(at).date()
    if any(backup.reason == "daily" and _moment(backup.at).date() == today for backup in list_backups(engine)):
        return None
    return back_up(engine, at=at, reason="daily")


def list_backups(engine: Engine) -> list[Backup]:
    """All copies, newest first."""
    folder = backup_folder(engine)
    return sorted(_in_folder(folder), key=lambda backup: (backup.at, backup.path.name), reverse=True) if folder else []


def restore(engine: Engine, path: Path, *, at: int) -> Path | None:
    """Put a copy in the database's place. What was there is copied first; gives back where."""
    target = sqlite_path(engine)
    if target is None:
        raise StoreError("Only a database in an SQLite file can be restored from a copy.")
    _examine(path)
    engine.dispose()
    before = back_up(engine, at=at, reason="restore")
    try:
        _copy(path, target)
    except sqlite3.Error as error:
        raise StoreError(f"{path.name} could not be put in place: {error}. Close other windows of the app and try again.") from error
    return before


def _copy(source: Path, target: Path) -> None:
    address = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=30)) as old, closing(sqlite3.connect(target, timeout=30)) as new:
        old.backup(new)  # one step: the copy is of one moment, and lands in one transaction
        if target.suffix == ".part":
            new.execute("PRAGMA journal_mode=DELETE")  # a copy is one file, without companions


def _examine(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"There is no backup {path}.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            verdict = copy.execute("PRAGMA quick_check").fetchone()[0]
            tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise StoreError(f"{path.name} is not a readable database: {error}.") from error
    missing = {"learner", "learner_card", "event"} - tables
    if verdict != "ok" or missing:
        raise StoreError(f"{path.name} is not a whole backup: {verdict if verdict != 'ok' else f'it has no table {min(missing)}'}.")


def _thin(folder: Path, *, at: int) -> None:
    """Keep the last fourteen days, and the first copy of every month."""
    oldest = at - KEPT_DAYS * 86_400_000
    months: set[str] = set()
    for backup in sorted(_in_folder(folder), key=lambda backup: backup.at):
        month = _moment(backup.at).strftime("%Y-%m")
        if backup.at < oldest and month in months:
            backup.path.unlink(missing_ok=True)
        months.add(month)


def _in_folder(folder: Path) -> list[Backup]:
    found = []
    for path in folder.glob("*.db") if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match:
            moment = dt.datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=dt.UTC)
            found.append(Backup(path, int(moment.timestamp()) * 1000, match["reason"], path.stat().st_size))
    return found


def _moment(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC)
