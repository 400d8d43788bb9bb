"""What search keeps in the database: passages, the words of each for SQLite's FTS5, and vectors.

Passages follow from topics and cards: `index_topics` makes them again where a topic's text or a card has changed. A vector
belongs to words, not to a passage: it is stored under their sha, so whatever interrupts us, a passage finds the vector of
its present words or none yet. What has none is pending, and `fill_vectors` works that off in batches.

A card of a learner's own that stands in no note is indexed by itself, as `topic#learner#block` where a note has its topic's
slug. So one card that changes costs one card, and whose it is stands beside its words: only that learner's search reads it.

The FTS5 tables are made here and not by the migrations: they are SQLite's alone and follow from the rest. On another
database search runs on vectors only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, insert, text
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col, delete, select

from backend import store
from backend.notes import Note, read_note
from backend.passages import ANSWER, NAME, QUESTION, SECTION, Piece, cut_up, pieces_of_card
from backend.tables import Card, ImportRun, Indexed, Passage, Revision, Topic, Vector

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


class Home(NamedTuple):
    """What a passage belongs to: a note, or a learner's card that stands in none."""

    topic: str
    learner: int | None = None
    block: str = ""

    @property
    def name(self) -> str:
        return self.topic if self.learner is None else f"{self.topic}#{self.learner}#{self.block}"


def home_of(name: str) -> Home:
    topic, loose, rest = name.partition("#")
    learner, _, block = rest.partition("#")
    return Home(topic, int(learner), block) if loose else Home(topic)


def index_topics(
    session: Session, notes: Mapping[str, Note] | None = None, *, embed: Embed | None = None, only: Sequence[str] | None = None
) -> list[str]:
    """Make the passages of every topic, and of every card in no note, that changed since they were made; says which those were.

    `notes` are the notes somebody has read already. With `embed` the vectors of the new words are stored in this same
    transaction: right for one edited note. Without it they stay pending: right for many. `only` leaves all but these topics alone.
    """
    _ensure_words(session)
    known = dict(session.exec(select(Indexed.topic, Indexed.sha)).all())
    wanted = _fingerprints(session)
    if only is not None:
        known, wanted = ({slug: shas[slug] for slug in only if slug in shas} for shas in (known, wanted))
    changed = [slug for slug, sha in wanted.items() if known.get(slug) != sha]
    forget(session, [name for name in known if "#" not in name and known[name] != wanted.get(name)])
    for slug in changed:
        topic = session.get(Topic, slug)
        assert topic is not None
        note = (notes or {}).get(slug) or read_note(topic.text, slug=slug, track=topic.track, path=slug)[0]
        _write(session, {slug: cut_up(note) if note else []})
    _note_down(session, {slug: wanted[slug] for slug in changed})
    if only is None:
        changed += index_cards(session)
    if embed is not None and changed:
        _store_vectors(session, embed, _pending(session, homes=changed))
    return changed


def index_cards(session: Session, blocks: Sequence[str] | None = None, *, most: int | None = None) -> list[str]:
    """Make the passages of learners' own cards that stand in no note, where they changed: of all of them or of some blocks, and
    of so many at `most`. Says which homes those were."""
    _ensure_words(session)
    loose = _loose_cards(session, blocks)
    homes = None if blocks is None else list(loose)
    known = _known_cards(session, homes)
    changed = [home for home, (sha, _) in loose.items() if known.get(home) != sha][:most]
    forget(session, [home for home in known if home not in loose] + [home for home in changed if home in known])
    for start in range(0, len(changed), BATCH):
        _write_cards(session, [loose[home][1] for home in changed[start : start + BATCH]])
    _note_down(session, {home: loose[home][0] for home in changed})
    return changed


def _fingerprints(session: Session) -> dict[str, str]:
    """Topic -> sha of all that its passages follow from."""
    shas = session.exec(select(Topic.slug, Topic.sha).order_by(col(Topic.position)))
    return {slug: words_sha(f"{RULES} {sha}") for slug, sha in shas}


def _known_cards(session: Session, homes: Sequence[str] | None) -> dict[str, str]:
    indexed = select(Indexed.topic, Indexed.sha)
    if homes is None:
        return dict(session.exec(indexed.where(col(Indexed.topic).contains("#"))).all())
    some = (homes[start : start + BATCH] for start in range(0, len(homes), BATCH))
    return {home: sha for part in some for home, sha in session.exec(indexed.where(col(Indexed.topic).in_(part)))}


def _loose_cards(session: Session, blocks: Sequence[str] | None) -> dict[str, tuple[str, str]]:
    """Learners' own cards that stand in no note: home -> sha of what its passages follow from, and the card's id."""
    columns = (Card.topic, Card.owner, Card.block, Card.sha, Card.id)
    own = select(*columns).where(col(Card.owner).is_not(None), col(Card.orphaned_at).is_(None))  # type: ignore[call-overload]
    parts = [own] if blocks is None else [own.where(col(Card.block).in_(blocks[start : start + BATCH])) for start in range(0, len(blocks), BATCH)]
    rows = [row for part in parts for row in session.exec(part.order_by(Card.id))]
    if not rows:
        return {}
    own_topics = select(Topic.slug).where(col(Topic.owner).is_not(None))
    in_notes = set(session.exec(select(Passage.card).distinct().where(col(Passage.topic).in_(own_topics), Passage.card != "")))
    found: dict[str, tuple[str, str]] = {}
    for topic, owner, block, sha, card in rows:
        if block not in in_notes:
            found.setdefault(Home(topic, owner, block).name, (f"{RULES} {sha}", card))  # gaps of one sentence share their block
    return found


def _write_cards(session: Session, ids: Sequence[str]) -> None:
    cards = session.exec(select(Card).where(col(Card.id).in_(ids)))
    _write(session, {Home(card.topic, card.owner, card.block).name: pieces_of_card(card.block, card.source, card.plain, card.form) for card in cards})


def _note_down(session: Session, shas: Mapping[str, str]) -> None:
    if shas:
        session.connection().execute(insert(Indexed), [{"topic": name, "sha": sha} for name, sha in shas.items()])


def forget(session: Session, homes: Sequence[str]) -> None:
    connection = session.connection()
    for start in range(0, len(homes), BATCH):
        some = homes[start : start + BATCH]
        if _on_sqlite(session):
            ids = session.exec(select(Passage.id).where(col(Passage.topic).in_(some))).all()
            connection.exec_driver_sql("DELETE FROM passage_words WHERE rowid = ?", [(number,) for number in ids]) if ids else None
        session.exec(delete(Passage).where(col(Passage.topic).in_(some)))  # type: ignore[call-overload]
        session.exec(delete(Indexed).where(col(Indexed.topic).in_(some)))  # type: ignore[call-overload]
    if homes and _on_sqlite(session):  # at once: FTS5 walks through all its rows to find these
        connection.execute(text("DELETE FROM topic_words WHERE topic IN (SELECT value FROM json_each(:homes))"), {"homes": json.dumps(homes)})


def _write(session: Session, pieces: Mapping[str, Sequence[Piece]]) -> None:
    """The passages of some homes, and their words."""
    rows = [
        {
            "topic": home, "section": piece.section, "card": piece.card, "kind": piece.kind, "heading": piece.heading, "words": piece.words,
            "start": piece.start, "end": piece.end, "sha": words_sha(embedded_words(piece.kind, piece.heading, piece.words)),
        }
        for home, cut in pieces.items() for piece in cut
    ]  # fmt: skip
    session.flush()
    before = session.exec(select(func.max(Passage.id))).one() or 0
    if rows:
        session.connection().execute(insert(Passage), rows)
    if _on_sqlite(session):
        _write_words(session, before, pieces)


def _write_words(session: Session, before: int, pieces: Mapping[str, Sequence[Piece]]) -> None:
    connection = session.connection()
    written = select(Passage.id, Passage.heading, Passage.words).where(col(Passage.id) > before, col(Passage.kind).in_((SECTION, ANSWER)))
    lines = [(number, searchable_words(heading), searchable_words(words)) for number, heading, words in session.exec(written)]
    if lines:
        connection.exec_driver_sql("INSERT INTO passage_words (rowid, heading, body) VALUES (?, ?, ?)", lines)
    if pieces:
        connection.exec_driver_sql(
            "INSERT INTO topic_words (topic, names, headings, questions, body) VALUES (?, ?, ?, ?, ?)",
            [(home, *map(searchable_words, _columns(cut))) for home, cut in pieces.items()],
        )


def _columns(pieces: Sequence[Piece]) -> tuple[str, str, str, str]:
    """The words of a whole note: names, headings, questions, everything else."""
    headings = dict.fromkeys(piece.heading.rpartition(" > ")[2] for piece in pieces if piece.kind == SECTION)
    asked = " ".join(piece.words for piece in pieces if piece.kind == QUESTION)
    prose = " ".join(piece.words for piece in pieces if piece.kind in (SECTION, ANSWER))
    return "\n".join(piece.words for piece in pieces if piece.kind == NAME), " ".join(headings), asked, prose


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


def _pending(session: Session, limit: int | None = None, homes: Sequence[str] | None = None) -> dict[str, str]:
    """Sha -> words that wait for their vector. Notes come before cards in none; then short ones: names and questions find the most with the least work."""
    one_each = select(func.min(Passage.id)).where(_without_vector()).group_by(col(Passage.sha))
    if homes is not None:
        one_each = one_each.where(col(Passage.topic).in_(homes))
    query = select(Passage.sha, Passage.kind, Passage.heading, Passage.words).where(col(Passage.id).in_(one_each))
    query = query.order_by(col(Passage.topic).contains("#"), func.length(Passage.words))
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


def own_cards_stamp(session: Session) -> tuple[int, ...]:
    """Changes whenever a learner's own cards do: they come by imports, change by revisions, and leave."""
    owned = select(func.count()).select_from(Card).where(col(Card.owner).is_not(None), col(Card.orphaned_at).is_(None))
    return tuple(session.exec(query).one() or 0 for query in (owned, select(func.max(ImportRun.id)), select(func.max(Revision.id))))


def encode_card(session: Session, block: str, embed: Embed) -> None:
    """Make the vectors of one card in this transaction, where others may wait."""
    homes = session.exec(select(Passage.topic).distinct().where(Passage.card == block, col(Passage.topic).contains("#"))).all()
    if homes:
        _store_vectors(session, embed, _pending(session, homes=homes))


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
