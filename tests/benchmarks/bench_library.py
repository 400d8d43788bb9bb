"""The library at size: a large Anki package in, everything out, the first page of the table."""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from backend import store
from backend.card_search import find_cards
from backend.deck import read_deck
from backend.exchange.anki_notes import _SCHEMA, _Writer
from backend.exchange.anki_package import read_anki
from backend.exchange.formats import write_path
from backend.exchange.records import Records
from backend.library import apply_import, collect
from tests.sample_desk import DAY, NOON


def big_package(path: Path, cards: int) -> None:
    """A deck as years of Anki leave it: two-sided notes, four reviews a card, FSRS states."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    for statement in _SCHEMA.split(";"):
        database.execute(statement)
    _Writer(database, Records(), NOON, 4, 0, lambda *_: None).write_head()
    models = json.loads(database.execute("SELECT models FROM col").fetchone()[0])
    model = min(models)
    models[model] |= {"name": "Basic", "flds": models[model]["flds"][:2]}
    database.execute("UPDATE col SET models = ?", (json.dumps(models),))
    words = "the attention of a model weighs what it has read before and sums it up".split()
    notes, rows, log = [], [], []
    for n in range(cards):
        text = " ".join(words[(n * 7 + k * 3) % len(words)] for k in range(12))
        fields = f"Question {n}: {text}?\x1fAnswer <b>{n}</b> {text}" if n % 4 == 0 else f"Question {n} {text}?\x1fAnswer {n} {text}"
        notes.append((n + 1, f"guid{n}", int(model), 0, 0, " tag ", fields, "", 0, 0, ""))
        rows.append((n + 1, n + 1, 1, 0, 0, 0, 2, 2, 30 + n % 100, 20, 2500, 4, 0, 0, 0, 0, 0, '{"s":20.5,"d":5.5}'))
        log += [(NOON - (100 - 20 * k) * DAY + n, n + 1, 0, 3, 10, 5, 2500, 5000, 1) for k in range(4)]
    database.execute("BEGIN")
    database.executemany("INSERT INTO notes VALUES (?,?,?,?,?,?,?,?,?,?,?)", notes)
    database.executemany("INSERT INTO cards VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
    database.executemany("INSERT INTO revlog VALUES (?,?,?,?,?,?,?,?,?)", [(row[0], row[1], 0, *row[3:]) for row in log])
    database.execute("COMMIT")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("collection.anki2", database.serialize())
        archive.writestr("media", "{}")


def main(cards: int = 100_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big_package(folder / "big.apkg", cards)
        engine = store.open_engine(f"sqlite:///{folder / 'attend.db'}")
        store.upgrade(engine)
        began = time.perf_counter()
        records = read_anki(folder / "big.apkg")
        read = time.perf_counter()
        with store.writing(engine) as session:
            learner = store.local_learner(session)
            report = apply_import(session, learner=learner, records=records, at=NOON)
        done = time.perf_counter()
        print(f"{report.new} cards, {report.reviews} reviews: read {read - began:.1f} s, written {done - read:.1f} s")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
        del records
        with store.reading(engine) as session:
            for query in ("", "attention", "prop:lapses>3"):
                began = time.perf_counter()
                found = find_cards(session, learner=learner, at=NOON, query=query, limit=100)
                read_deck(session, learner=learner, cards=[card.card for card in found])
                print(f"first page of {query or 'all'!r}: {1e3 * (time.perf_counter() - began):.0f} ms")
            began = time.perf_counter()
            out = collect(session, learner=learner)
            print(f"collected in {time.perf_counter() - began:.1f} s")
        for suffix in (".apkg", ".csv", ".json", ".zip"):
            began = time.perf_counter()
            write_path(out, folder / f"out{suffix}", at=NOON)
            print(f"written as {suffix} in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
