"""What search keeps in the database: passages, the words of each for SQLite's FTS5, and vectors.

Passages follow from topics and cards: `index_topics` makes them again where a topic's text or cards have changed. A vector
belongs to words, not to a passage: it is stored under their sha, so whatever interrupts us, a passage finds the vector of
its present words or none yet. What has none is pending, and `fill_vectors` works that off in batches.

The FTS5 tables are made here and not by the migrations: they are SQLite's alone and follow from the rest. On another
database search runs on vectors only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, text
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col, delete, select

from backend import store
from backend.notes import Note, read_note
from backend.passages import ANSWER, NAME, QUESTION, SECTION, Piece, cut_up
from backend.tables import Indexed, Passage, Topic, Vector

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

MODEL = "all-MiniLM-L6-v2"
WIDTH = 384
BATCH = 256
RULES = "1"  # goes up when passages are cut or worded in another way: everything is then made again

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")


# -- words -----------------------------------------------------------------------------------------------------------------


def han_pairs(text: str) -> list[str]:
    """Chinese has no spaces: each two neighbouring characters are a word to look for."""
    return [run[at : at + 2] for run in _HAN.findall(text) for at in range(max(1, len(run) - 1))]


def without_han(text: str) -> str:
    """The encoder reads English only; Chinese characters would all look alike to it."""
    return " ".join(_HAN.sub(" ", text).split())


def searchable_words(text: str) -> str:
    """The text as FTS5 gets it: Chinese as pairs of characters."""
    return f"{_HAN.sub(' ', text)} {' '.join(han_pairs(text))}"


def embedded_words(kind: str, heading: str, words: str) -> str:
    """What the encoder reads for a passage: prose under its last two headings, cards as they ask."""
    context = ": ".join(heading.split(" > ")[-2:])
    latin = without_han(words)
    if not re.search(r"[A-Za-z]{2}", latin):
        return ""
    return latin if kind in (NAME, QUESTION, ANSWER) or not context else f"{context}: {latin}"


def words_sha(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest() if words else ""


# -- passages --------------------------------------------------------------------------------------------------------------


def index_topics(session: Session, notes: Mapping[str, Note] | None = None, *, embed: Embed | None = None) -> list[str]:
    """Make the passages of every topic that changed since they were made; says which topics those were.

    `notes` are the notes somebody has read already. With `embed` the vectors of the new words are stored in this same
    transaction: right for one edited note. Without it they stay pending: right for many.
    """
    _ensure_words(session)
    wanted = _fingerprints(session)
    known = dict(session.exec(select(Indexed.topic, Indexed.sha)).all())
    changed = [slug for slug, sha in wanted.items() if known.get(slug) != sha]
    gone = [slug for slug in known if slug not in wanted]
    for slug in (*gone, *changed):
        _forget(session, slug)
    for slug in changed:
        topic = session.get(Topic, slug)
        assert topic is not None
        note = (notes or {}).get(slug) or read_note(topic.text, slug=slug, track=topic.track, path=slug)[0]
        _write(session, topic, cut_up(note) if note else [])
        session.add(Indexed(topic=slug, sha=wanted[slug]))
    session.flush()
    if embed is not None and changed:
        _store_vectors(session, embed, _pending(session, topics=changed))
    return changed


def _fingerprints(session: Session) -> dict[str, str]:
    """Topic -> sha of all that its passages follow from."""
    shas = session.exec(select(Topic.slug, Topic.sha).order_by(col(Topic.position)))
    return {slug: words_sha(f"{RULES} {sha}") for slug, sha in shas}


def _forget(session: Session, slug: str) -> None:
    ids = list(session.exec(select(Passage.id).where(Passage.topic == slug)))
    if _on_sqlite(session):
        session.connection().exec_driver_sql("DELETE FROM passage_words WHERE rowid = ?", [(number,) for number in ids]) if ids else None
        session.connection().execute(text("DELETE FROM topic_words WHERE topic = :slug"), {"slug": slug})
    session.exec(delete(Passage).where(col(Passage.topic) == slug))  # type: ignore[call-overload]
    session.exec(delete(Indexed).where(col(Indexed.topic) == slug))  # type: ignore[call-overload]


def _write(session: Session, topic: Topic, pieces: Sequence[Piece]) -> None:
    rows = [
        Passage(
            topic=topic.slug, section=piece.section, card=piece.card, kind=piece.kind, heading=piece.heading, words=piece.words,
            start=piece.start, end=piece.end, sha=words_sha(embedded_words(piece.kind, piece.heading, piece.words)),
        )
        for piece in pieces
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    if _on_sqlite(session):
        names = "\n".join(piece.words for piece in pieces if piece.kind == NAME)
        _write_words(session, topic, rows, searchable_words(names))


def _write_words(session: Session, topic: Topic, rows: Sequence[Passage], names: str) -> None:
    connection = session.connection()
    lines = [(row.id, searchable_words(row.heading), searchable_words(row.words)) for row in rows if row.kind in (SECTION, ANSWER)]
    if lines:
        connection.exec_driver_sql("INSERT INTO passage_words (rowid, heading, body) VALUES (?, ?, ?)", lines)
    headings = " ".join(dict.fromkeys(row.heading.rpartition(" > ")[2] for row in rows if row.kind == SECTION))
    asked = " ".join(row.words for row in rows if row.kind == QUESTION)
    prose = " ".join(row.words for row in rows if row.kind in (SECTION, ANSWER))
    connection.exec_driver_sql(
        "INSERT INTO topic_words (topic, names, headings, questions, body) VALUES (?, ?, ?, ?, ?)",
        (topic.slug, names, searchable_words(headings), searchable_words(asked), searchable_words(prose)),
    )


def _on_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _ensure_words(session: Session) -> None:
    """Make the FTS5 tables. Where they had to be made, nothing counts as indexed any more: all words come back with the passages."""
    if not _on_sqlite(session):
        return
    connection = session.connection()
    there = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name IN ('passage_words', 'topic_words')").scalar()
    if there == 2:
        return
    how = "tokenize='porter unicode61 remove_diacritics 2'"
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE IF NOT EXISTS passage_words USING fts5(heading, body, {how})")
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE IF NOT EXISTS topic_words USING fts5(topic UNINDEXED, names, headings, questions, body, {how})")
    for table in ("passage_words", "topic_words"):
        connection.exec_driver_sql(f"DELETE FROM {table}")
    session.exec(delete(Passage))  # type: ignore[call-overload]
    session.exec(delete(Indexed))  # type: ignore[call-overload]


# -- vectors ---------------------------------------------------------------------------------------------------------------


def _without_vector() -> ColumnElement[bool]:
    has_one = select(Vector.id).where(Vector.sha == Passage.sha, Vector.model == MODEL).exists()
    return (col(Passage.sha) != "") & ~has_one


def _pending(session: Session, limit: int | None = None, topics: Sequence[str] | None = None) -> dict[str, str]:
    """Sha -> words that wait for their vector. Short ones come first: names and questions find the most with the least work."""
    one_each = select(func.min(Passage.id)).where(_without_vector()).group_by(col(Passage.sha))
    if topics is not None:
        one_each = one_each.where(col(Passage.topic).in_(topics))
    query = select(Passage.sha, Passage.kind, Passage.heading, Passage.words).where(col(Passage.id).in_(one_each)).order_by(func.length(Passage.words))
    return {sha: embedded_words(kind, heading, words) for sha, kind, heading, words in session.exec(query.limit(limit))}


def count_pending(session: Session) -> tuple[int, int]:
    """How many different words wait for a vector, and how many want one."""
    count = select(func.count(func.distinct(Passage.sha)))
    waiting = session.exec(count.where(_without_vector())).one()
    return waiting, session.exec(count.where(Passage.sha != "")).one()


def fill_vectors(engine: Engine, embed: Embed, *, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Encode everything that is pending, a batch at a time; the database is never held while the encoder works."""
    _drop_broken(engine)
    with store.reading(engine) as session:
        total, _ = count_pending(session)
    done = 0
    while True:
        with store.reading(engine) as session:
            batch = _pending(session, BATCH)
        if not batch:
            break
        vectors = _encoded(embed, list(batch.values()))
        with store.writing(engine) as session:
            _add_vectors(session, batch, vectors)
        done += len(batch)
        progress(min(done, total), max(done, total))
    with store.writing(engine) as session:
        _drop_unused(session)
    return done


def _store_vectors(session: Session, embed: Embed, pending: Mapping[str, str]) -> None:
    if pending:
        _add_vectors(session, pending, _encoded(embed, list(pending.values())))


def _encoded(embed: Embed, words: Sequence[str]) -> NDArray[np.float32]:
    vectors = np.asarray(embed(words), dtype="<f4")
    if vectors.shape != (len(words), WIDTH):
        raise ValueError(f"expected an encoder that gives {WIDTH} numbers for each of {len(words)} texts, came {vectors.shape}")
    return vectors


def _add_vectors(session: Session, shas: Iterable[str], vectors: NDArray[np.float32]) -> None:
    rows = {sha: vector.tobytes() for sha, vector in zip(shas, vectors)}
    # another process may have been quicker, or an older model's vector may stand there
    for row in session.exec(select(Vector).where(col(Vector.sha).in_(list(rows)))):
        session.delete(row)
    session.flush()
    session.add_all(Vector(sha=sha, model=MODEL, numbers=numbers) for sha, numbers in rows.items())
    session.flush()


def read_vectors(rows: Sequence[bytes]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The rows as a matrix, and which of them are whole: the right number of numbers, together of length one."""
    long_enough = np.array([len(row) == WIDTH * 4 for row in rows], dtype=np.bool_)
    whole = b"".join(row if good else bytes(WIDTH * 4) for row, good in zip(rows, long_enough))
    matrix = np.frombuffer(whole, dtype="<f4").reshape(len(rows), WIDTH)
    with np.errstate(invalid="ignore", over="ignore"):
        return matrix, long_enough & (np.abs(np.einsum("ij,ij->i", matrix, matrix) - 1) < 0.01)


def _drop_broken(engine: Engine) -> None:
    """Vectors that cannot be read go, and are then pending like any other."""
    with store.reading(engine) as session:
        stored = session.exec(select(Vector.id, Vector.numbers)).all()
    _, sound = read_vectors([numbers for _, numbers in stored])
    broken = [number for (number, _), good in zip(stored, sound) if not good]
    if broken:
        with store.writing(engine) as session:
            session.exec(delete(Vector).where(col(Vector.id).in_(broken)))  # type: ignore[call-overload]


def _drop_unused(session: Session) -> None:
    used = select(Passage.id).where(Passage.sha == Vector.sha).exists()
    session.exec(delete(Vector).where(~used))  # type: ignore[call-overload]
