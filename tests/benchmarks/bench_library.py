"""The library at size: a large Anki package in, everything out, the first page of the table."""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

from sqlalchemy import Engine

from backend import review, store
from backend.card_search import find_cards
from backend.deck import read_deck
from backend.exchange.anki_notes import _SCHEMA, _Writer
from backend.exchange.formats import read_path, write_path
from backend.exchange.records import Records
from backend.library import collect, import_records, index_pending, take_back
from backend.tables import Card, Learner
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


def figures(what: str, begun: tuple[float, float]) -> None:
    """Wall time, and the processor's, which other work on the machine does not lengthen."""
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print(f"{what}: {wall:.1f} s, {cpu:.1f} s of the processor", flush=True)


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def study(engine: Engine, waits: list[float], over: threading.Event) -> None:
    """Another learner who grades a card every fifty milliseconds."""
    with store.writing(engine) as session:
        session.add(Learner(id=2, name="other", created_at=0))
        session.add(Card(id="theirs", block="theirs", topic="none", form="prose", source="", sha="", owner=2))
        session.flush()
        review.follow_content(session, learner=2, at=NOON)
    while not over.wait(0.05):
        began = time.perf_counter()
        with store.writing(engine) as session:
            shown = review.showing_of(session, learner=2, card="theirs", at=NOON)
            review.record_grade(session, learner=2, card="theirs", showing=shown.number, grade=3, at=NOON + len(waits), duration=1)
        waits.append(time.perf_counter() - began)


def main(cards: int = 100_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big_package(folder / "big.apkg", cards)
        engine = store.open_engine(f"sqlite:///{folder / 'attend.db'}")
        store.upgrade(engine)
        with store.writing(engine) as session:
            learner = store.local_learner(session)
        waits: list[float] = []
        over = threading.Event()
        other = threading.Thread(target=study, args=(engine, waits, over))
        other.start()
        begun = whole = clock()
        records = read_path(folder / "big.apkg")
        figures("package read", begun)
        begun = clock()
        report = import_records(engine, learner=learner, records=records, at=NOON)
        figures(f"{report.new} cards, {report.reviews} reviews written", begun)
        figures("the whole import", whole)
        begun = clock()
        index_pending(engine)
        figures("the search finds it", begun)
        over.set()
        other.join()
        waits.sort()
        print(f"another learner's {len(waits)} grades: p50 {waits[len(waits) // 2]:.3f} s, p95 {waits[int(len(waits) * 0.95)]:.3f} s, longest {waits[-1]:.2f} s")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
        del records
        with store.reading(engine) as session:
            for query in ("", "attention", "prop:lapses>3"):
                began = time.perf_counter()
                found = find_cards(session, learner=learner, at=NOON, query=query, limit=100)
                read_deck(session, learner=learner, cards=[card.card for card in found])
                print(f"first page of {query or 'all'!r}: {1e3 * (time.perf_counter() - began):.0f} ms")
            begun = whole = clock()
            out = collect(session, learner=learner)
            figures("collected", begun)
        for suffix in (".apkg", ".csv", ".json", ".zip"):
            begun = clock()
            write_path(out, folder / f"out{suffix}", at=NOON)
            figures(f"written as {suffix}", begun)
        del out
        begun = clock()
        take_back(engine, learner=learner, run=report.run or 0, at=NOON + 1)
        figures("taken back", begun)


def many_notes(count: int = 10_000) -> None:
    """A vault of short notes with a card, a question heading and a definition each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "vault"
        folder.mkdir()
        for n in range(count):
            text = f"# Note {n}\n\n## Why {n}?\n\nBecause of note {n}, in $x_{{{n}}}$.\n\n**Term {n}**: what it means here.\n\nQ: What is {n}? ^note-{n}\n\nA: A number.\n"
            (folder / f"note-{n}.md").write_text(text, encoding="utf-8")
        engine = store.open_engine(f"sqlite:///{Path(name) / 'attend.db'}")
        store.upgrade(engine)
        with store.writing(engine) as session:
            learner = store.local_learner(session)
        begun = whole = clock()
        records = read_path(folder)
        figures(f"{count} notes read", begun)
        begun = clock()
        report = import_records(engine, learner=learner, records=records, at=NOON)
        figures(f"{report.new} cards of {report.topics} notes written", begun)
        figures("the whole import", whole)


if __name__ == "__main__":
    many_notes(*(int(number) // 10 for number in sys.argv[1:2]))
    main(*map(int, sys.argv[1:2]))
