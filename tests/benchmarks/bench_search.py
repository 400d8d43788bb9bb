"""How fast search is: python -m tests.benchmarks.bench_search

Questions of the question set against made-up desks of 2,000 and 100,000 passages (words drawn from the real notes, vectors at
random around as many centres as topics), one at a time, warm; then the time from an edited note to its first hit, and from a
new process to its first result. On a busy machine trust the medians.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from backend import store
from backend.ask import answer_question
from backend.notes import read_tree
from backend.passages import ANSWER, NAME, QUESTION, SECTION, SENTENCE, cut_up
from backend.search import Index, find, fresh
from backend.search_index import MODEL, WIDTH, fill_vectors, index_topics, words_sha
from backend.sync import sync
from backend.tables import Passage, Topic, Vector
from models import minilm
from tests.bag_of_words import BagOfWords
from tests.fit_search import read_questions

HOUSE = Path(__file__).parent.parent.parent
QUESTIONS = [row["question"] for row in read_questions("report")]
PER_TOPIC = 75
SHARES = ((NAME, 0.16), (SECTION, 0.1), (SENTENCE, 0.37), (QUESTION, 0.22), (ANSWER, 0.15))  # as in the real notes


def main() -> None:
    print(f"{'':<34}{'p50 ms':>9}{'p95 ms':>9}")
    minilm.embed(["warm up"])
    show("encode a question", times(minilm_one, QUESTIONS[:100]))
    words = real_words()
    with tempfile.TemporaryDirectory() as folder:
        for count in (2_000, 100_000):
            measure_desk(Path(folder), count, words)
        measure_edit(Path(folder))
        measure_start(Path(folder))


def minilm_one(question: str) -> None:
    minilm.embed([question])


def times(run, arguments) -> list[float]:
    spent = []
    for argument in arguments:
        began = time.perf_counter()
        run(argument)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def show(name: str, spent: list[float]) -> None:
    print(f"{name:<34}{np.percentile(spent, 50):>9.1f}{np.percentile(spent, 95):>9.1f}", flush=True)


def real_words() -> dict[str, list[str]]:
    notes = read_tree(HOUSE / "content")[0]
    found: dict[str, list[str]] = {}
    for note in notes:
        for piece in cut_up(note):
            found.setdefault(piece.kind, []).append(piece.words)
    return found


def measure_desk(folder: Path, count: int, words: dict[str, list[str]]) -> None:
    engine = store.open_engine(f"sqlite:///{folder / f'{count}.db'}")
    store.upgrade(engine)
    with store.writing(engine) as session:
        index_topics(session)  # makes the tables of words
        make_up(session, count, words)
    with store.reading(engine) as session:
        began = time.perf_counter()
        index: Index = fresh(session)
        print(f"{count:,} passages: loaded in {time.perf_counter() - began:.2f} s", flush=True)
        assert len(index.ids) == count
        find(session, index, "warm up", embed=minilm.embed)
        show("  search, end to end", times(lambda question: find(session, index, question, embed=minilm.embed), QUESTIONS))
        show("  search without the encoder", times(lambda question: find(session, index, question, embed=fixed), QUESTIONS))
        show("  answer with citations", times(lambda question: answer_question(session, index, question, embed=minilm.embed), QUESTIONS[:100]))
    engine.dispose()


FIXED = np.random.default_rng(1).standard_normal((1, WIDTH)).astype(np.float32)


def fixed(texts):
    return FIXED / np.linalg.norm(FIXED)


def make_up(session, count: int, words: dict[str, list[str]]) -> None:
    rng, chance = np.random.default_rng(0), random.Random(0)
    topics = max(1, count // PER_TOPIC)
    centres = rng.standard_normal((topics, WIDTH)).astype(np.float32)
    kinds = chance.choices([kind for kind, _ in SHARES], [share for _, share in SHARES], k=count)
    connection = session.connection()
    text = "made up " * 40
    connection.execute(insert(Topic), [{"slug": f"t{at}", "track": "t", "position": at, "title": f"Topic {at}", "aliases": [], "needs": [], "labs": [],
                                        "sources": [], "links": [], "errata": [], "text": text, "sha": "x", "owner": None} for at in range(topics)])  # fmt: skip
    rows, lines, notes = [], [], [[] for _ in range(topics)]
    for at, kind in enumerate(kinds):
        topic, said = at % topics, chance.choice(words[kind])
        rows.append({"id": at + 1, "topic": f"t{topic}", "section": "s", "card": "", "kind": kind, "heading": "A heading", "words": said, "start": 0,
                     "end": 20, "sha": words_sha(f"{at}")})  # fmt: skip
        if kind in (SECTION, ANSWER):
            lines.append((at + 1, "A heading", said))
            notes[topic].append(said)
    connection.execute(insert(Passage), rows)
    vectors = centres[np.arange(count) % topics] + 1.2 * rng.standard_normal((count, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    connection.execute(insert(Vector), [{"sha": row["sha"], "model": MODEL, "numbers": vector.tobytes()} for row, vector in zip(rows, vectors)])
    connection.exec_driver_sql("INSERT INTO passage_words (rowid, heading, body) VALUES (?, ?, ?)", lines)
    connection.exec_driver_sql(
        "INSERT INTO topic_words (topic, names, headings, questions, body) VALUES (?, ?, ?, ?, ?)",
        [(f"t{at}", f"Topic {at}", "A heading", "", " ".join(said)) for at, said in enumerate(notes)],
    )


def measure_edit(folder: Path) -> None:
    """One sentence of a real note changes: its words and vectors are stored in one transaction, then it is found."""
    engine = store.open_engine(f"sqlite:///{folder / 'edit.db'}")
    store.upgrade(engine)
    with store.writing(engine) as session:
        sync(session, HOUSE / "content", at=1)
    fill_vectors(engine, BagOfWords())
    with store.reading(engine) as session:
        index, original = fresh(session), session.get(Topic, "attention-scaling").text
    spent = []
    for number in range(12):
        began = time.perf_counter()
        with store.writing(engine) as session:
            topic = session.get(Topic, "attention-scaling")
            topic.text = original.replace("The division keeps the scores", f"The division zebra{number} keeps the scores", 1)
            topic.sha = f"edit {number}"
            index_topics(session, embed=minilm.embed)
        with store.reading(engine) as session:
            index = fresh(session, index)
            found = find(session, index, f"zebra{number}", embed=minilm.embed)
        spent.append((time.perf_counter() - began) * 1000)
        assert found.lexical
    show("an edited note to its first hit", spent)
    engine.dispose()


def measure_start(folder: Path) -> None:
    code = (
        "import time; began = time.perf_counter(); start = time.process_time()\n"
        "from backend import store; from backend.search import fresh, find; from models import minilm\n"
        "engine = store.open_engine()\n"
        "with store.reading(engine) as session:\n"
        "    found = find(session, fresh(session), 'why divide by the root of d_k', embed=minilm.embed)\n"
        "assert len(found.similar)\n"
        "print(f'{time.perf_counter() - began:.2f} s on the clock, {time.process_time() - start:.2f} s of work')\n"
    )
    place = {"DATABASE_URL": f"sqlite:///{folder / 'edit.db'}"}
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HOUSE, env={**os.environ, **place}, check=True)
        print("a new process to its first ranked result:", done.stdout.strip())


if __name__ == "__main__":
    main()
