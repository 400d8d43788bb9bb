"""JSON: a learner's whole library in one readable file, and, as an archive, every row of a database.

The library file, version 1:

    {"format": "attend", "version": 1,
     "topics":   [{"slug", "title", "text"}],                    the notes, Markdown
     "cards":    [{"id", "topic", "section", "source", "origin"}],   source is the card's Markdown with its ^id
     "media":    [{"name", "data"}],                             base64
     "memories": [{"card", "due_day", "stability", "difficulty", "interval", "ease", "suspended", "flag", "lapses", "reps",
                   "learning", "due_at", "steps_left"}],                    learning: 1, again after a lapse: 3, else 0
     "reviews":  [{"card", "at", "grade", "duration", "more"}]}      at in UTC ms, duration in ms

`due_day` counts days from 1970-01-01 on the learner's calendar. What a later version adds, version 1 readers pass over.
The archive (`.attend`) is a zip of `archive.json` and one `<table>.jsonl` for each table, a row a line.
"""

from __future__ import annotations

import base64
import binascii
import json
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, LargeBinary, Table, func, insert, select

from backend.cards import read_cards
from backend.exchange.archive import Archive
from backend.exchange.records import CardRecord, MediaRecord, MemoryRecord, Progress, Records, ReviewRecord, TopicRecord, Unreadable, quiet
from backend.tables import Table as OurTable

VERSION = 1
LARGEST = 1_000_000_000
DERIVED = {"passage", "vector", "indexed"}  # made again from the rest
BATCH = 2000


def write_json(records: Records, path: Path, *, progress: Progress = quiet) -> None:
    """A value a line, written as it goes: the whole text at once would take more memory than the records."""
    lists: dict[str, Iterator[dict[str, Any]]] = {
        "topics": ({"slug": topic.slug, "title": topic.title, "text": topic.text} for topic in records.topics),
        "cards": ({"id": c.id, "topic": c.topic, "section": c.card.section, "source": c.markdown, "origin": c.origin} for c in records.cards),
        "media": ({"name": media.name, "data": base64.b64encode(media.data).decode()} for media in records.media),
        "memories": map(_plain_memory, records.memories),
        "reviews": ({"card": r.card, "at": r.at, "grade": r.grade, "duration": r.duration, "more": r.more} for r in records.reviews),
    }
    encode = json.JSONEncoder(ensure_ascii=False).encode
    total, done = len(records.topics) + len(records.cards) + len(records.media) + len(records.memories) + len(records.reviews), 0
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(f'{{\n"format": "attend",\n"version": {VERSION}')
        for name, rows in lists.items():
            file.write(f',\n"{name}": [')
            for place, row in enumerate(rows):
                if done % BATCH == 0:
                    progress(done, total, f"writing {name}")
                file.write(("\n" if place == 0 else ",\n") + encode(row))
                done += 1
            file.write("]")
        file.write("\n}\n")


def _plain_memory(memory: MemoryRecord) -> dict[str, Any]:
    return {each.name: getattr(memory, each.name) for each in fields(MemoryRecord)}


def read_json(path: Path, *, progress: Progress = quiet) -> Records:
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"expected at most {LARGEST:,} bytes, came {path.stat().st_size:,}: {path.name}")
    try:
        told = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        if not isinstance(told, dict) or told.get("format") != "attend":
            raise Unreadable('expected JSON with "format": "attend", came something else')
        if not isinstance(told.get("version"), int) or told["version"] > VERSION:
            raise Unreadable(f"expected version {VERSION} at most, came {told.get('version')!r}: update the app to read this file")
        return _records(told, path.name)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error) as problem:
        if isinstance(problem, Unreadable):
            raise
        raise Unreadable(f"expected a library in JSON, came something broken: {type(problem).__name__} {problem}") from None


def _records(told: dict[str, Any], name: str) -> Records:
    records = Records(name)
    records.topics = [TopicRecord(_text(t["slug"]), _text(t["title"]), _text(t["text"])) for t in told.get("topics", ())]
    for each in told.get("cards", ()):
        source = _text(each["source"])
        read, mistakes = read_cards(source)
        if len(read) != 1 or read[0].id != each["id"]:
            came = str(mistakes[0]) if mistakes else f"{len(read)} cards"
            records.notices.append(f"left out: card {each['id']!r}, expected one card of that id, came {came}")
            continue
        origin = each.get("origin") or {}
        records.cards.append(CardRecord(_placed(read[0], _text(each.get("section", ""))), _text(each["topic"]), source, origin=dict(origin)))
    records.media = [MediaRecord(_text(m["name"]), base64.b64decode(m["data"], validate=True)) for m in told.get("media", ())]
    records.memories = [_made(MemoryRecord, each) for each in told.get("memories", ())]
    records.reviews = [_made(ReviewRecord, each | {"more": tuple(each.get("more", ()))}) for each in told.get("reviews", ())]
    return records


def _placed(card: Any, section: str) -> Any:
    from dataclasses import replace

    return replace(card, section=section)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, came {value!r:.60}")
    return value


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "int | None": (int, type(None)), "float | None": (int, float, type(None)),
    "tuple[int, ...]": (tuple,),
}  # fmt: skip


def _made(kind: type, told: dict[str, Any]) -> Any:
    """A record of plain values, each of the kind it must be and within what a database can hold."""
    values = {}
    for each in fields(kind):
        if each.name not in told:
            continue
        value = told[each.name]
        numbers = value if isinstance(value, tuple) else [value] if isinstance(value, (int, float)) else []
        if not isinstance(value, _KINDS[str(each.type)]) or any(not isinstance(n, (int, float)) or not abs(n) < 1 << 53 for n in numbers):
            raise TypeError(f"expected {each.type} for {each.name}, came {value!r:.60}")
        values[each.name] = value
    made = kind(**values)
    if isinstance(made, ReviewRecord) and made.grade not in (1, 2, 3, 4):
        raise TypeError(f"expected a grade from 1 to 4, came {made.grade}")
    if isinstance(made, MemoryRecord):
        _check_memory(made)
    return made


def _check_memory(memory: MemoryRecord) -> None:
    bad = [
        memory.stability is not None and not 0 < memory.stability < 1e6, memory.difficulty is not None and not 1 <= memory.difficulty <= 10,
        not 0 <= memory.flag <= 7, memory.due_day is not None and not 0 <= memory.due_day < 200_000, not 0 <= memory.interval <= 36_500,
        memory.learning not in (0, 1, 3), not 0 <= memory.steps_left < 100, memory.due_at is not None and not 0 <= memory.due_at < 1 << 45,
    ]  # fmt: skip
    if any(bad):
        raise TypeError(f"expected a memory that can be, came {memory}")


# -- everything --------------------------------------------------------------------------------------------------------------


def _tables() -> list[Table]:
    return [table for table in OurTable.metadata.sorted_tables if table.name not in DERIVED]


def write_archive(engine: Engine, path: Path, *, revision: str, progress: Progress = quiet) -> None:
    """Every row of every table that does not follow from others."""
    with engine.connect() as connection, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        tables = _tables()
        told = {"format": "attend archive", "version": VERSION, "revision": revision, "tables": [table.name for table in tables]}
        archive.writestr("archive.json", json.dumps(told))
        for done, table in enumerate(tables):
            progress(done, len(tables), table.name)
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as file:
                for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings():
                    file.write(json.dumps({name: _out(value) for name, value in row.items()}, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")


def _out(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def read_archive(engine: Engine, path: Path, *, revision: str, progress: Progress = quiet) -> int:
    """Fill an empty database with the archive's rows, all or none. Says how many there were."""
    with Archive(path, limit=LARGEST * 4) as archive:
        try:
            told = json.loads(archive.read("archive.json", limit=1_000_000))
            if told["format"] != "attend archive" or told["version"] > VERSION:
                raise Unreadable(f"expected an archive of version {VERSION}, came {told['version']!r}")
            if told["revision"] != revision:
                raise Unreadable(f"expected tables of revision {revision}, came {told['revision']!r}: use the app that wrote the archive, then update")
            return _fill(engine, archive, progress)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            if isinstance(problem, Unreadable):
                raise
            raise Unreadable(f"expected a whole archive, came something broken: {type(problem).__name__} {problem}") from None


def _fill(engine: Engine, archive: Archive, progress: Progress) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    tables, count = _tables(), 0
    try:
        with engine.begin() as connection:
            if any(connection.execute(select(func.count()).select_from(table)).scalar() for table in tables):
                raise Unreadable("expected an empty database to restore into, came one with rows")
            for done, table in enumerate(tables):
                progress(done, len(tables), table.name)
                rows = list(_rows(archive, table))
                count += len(rows)
                for start in range(0, len(rows), BATCH):
                    connection.execute(insert(table), rows[start : start + BATCH])
    except SQLAlchemyError as problem:
        raise Unreadable(f"expected rows that fit the tables, came others: {str(problem).splitlines()[0][:200]}") from None
    return count


def _rows(archive: Archive, table: Table) -> Iterator[dict[str, Any]]:
    binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    known = {column.name for column in table.columns}
    for line in archive.read(f"{table.name}.jsonl", limit=LARGEST).split(b"\n"):
        if line:
            row = json.loads(line)
            if set(row) != known:
                raise Unreadable(f"expected the columns of {table.name}, came others")
            yield {name: base64.b64decode(value["base64"]) if name in binary else value for name, value in row.items()}
