"""Search: which topics a question is about, and which passages say something on it.

Every topic gets a handful of features for a question: the best cosine among its names, questions, answers, sections and
sentences; BM25 of the whole note and of its best passages; how much of the question's weight a name of the topic or its
text covers. Their weighted sum ranks topics; the weights are fitted (tests/fit_search.py) and stand, with where they come
from, in search_weights.json. The vectors are one NumPy matrix in memory: at our size an exact product beats every index.

An index is one learner's: the shipped notes, and what stands in this learner's own library. Of anybody else's notes and
cards not even a word gets into it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, or_, select

from backend.passages import ANSWER, KINDS, NAME, SECTION
from backend.query import Lexicon, Query, all_words, chinese_terms, content_words, is_common, is_figure, name_key, read_query
from backend.search_elsewhere import subject_vectors
from backend.search_index import MODEL, WIDTH, Embed, home_of, read_vectors
from backend.statements import Statement
from backend.tables import Card, Passage, Topic

Floats = NDArray[np.float32]

FEATURES = (
    *KINDS,  # best cosine among the topic's passages of this kind
    "broad",  # mean of the topic's four best cosines of any kind
    "note_words",  # BM25 of the whole note, over the best note's
    "section_words", "answer_words",  # BM25 of the topic's best passage of this kind, over the best passage's
    "named",  # share of the question's weight that names of the topic in it cover
    "covered",  # share of the question's weight whose words stand in the note
    "titled",  # the same for the one weightiest name, shared with the other topics that have it
)  # fmt: skip
LEXICAL_HITS = 120
BROAD = 4
NEAREST = 400  # rows that can count towards it


Numbers = NDArray[np.int32]
ENOUGH = 0.8  # share of the notes' passages that must have a vector before vectors are used
RANKED = 100  # topics that a ranking names; the scores have all
REMEMBERED = 4000  # words whose topics an index remembers
NOT_READY = "Most passages have no vector yet, so words alone decided."


@dataclass(frozen=True)
class Index:
    """What search holds in memory. Rows are passages with a vector, ordered by kind and within it by topic."""

    stamp: tuple[int, ...]
    learner: int | None  # whose own notes and cards are in it
    strangers: bool  # are there notes or cards of other learners, which are not?
    topics: tuple[str, ...]
    titles: Mapping[str, str]
    lexicon: Lexicon
    ids: NDArray[np.int64]
    topic_of: Numbers
    matrix: Floats
    kinds: Mapping[str, slice]
    runs: Mapping[str, tuple[NDArray[np.int64], Numbers]]  # of each kind: where each topic's rows begin, and which topic it is
    words_of: Mapping[int, int]  # row of topic_words -> number of its topic
    waiting: int = 0  # passages whose words have no vector yet, of
    wanting: int = 0  # those that want one
    ready: bool = True  # do enough of the notes' passages have their vector? Until then words alone decide
    broken: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # passages whose vector cannot be read
    remembered: dict[str, Numbers] = field(default_factory=dict)  # word -> the topics that have it, once it was asked for

    @cached_property
    def number(self) -> Mapping[str, int]:
        return {slug: at for at, slug in enumerate(self.topics)}

    @cached_property
    def owned(self) -> Floats:
        """How near each subject of other books comes to the name of a note."""
        return (subject_vectors() @ self.matrix[self.kinds[NAME]].T).max(axis=1, initial=0.0)

    @property
    def problems(self) -> tuple[str, ...]:
        count = len(self.broken)
        return (f"{count} stored vectors cannot be read and are left out; python -m backend sync makes them again",) if count else ()

    def place(self, home: str) -> int | None:
        """The number of the topic that a passage's home belongs to; None when it is not this learner's to see."""
        at = self.number.get(home)
        if at is not None or "#" not in home:
            return at
        topic, learner, _ = home_of(home)
        return self.number.get(topic) if learner == self.learner else None


@dataclass(frozen=True)
class Ranked:
    topic: str
    score: float


@dataclass(frozen=True)
class Found:
    """What a search came to, with the evidence that an answer weighs."""

    query: Query
    ranking: tuple[Ranked, ...]  # the first of them
    scores: Floats  # of every topic, in the index's order
    features: Floats  # topics x FEATURES, in the index's order
    vector: Floats  # the question's; empty where words alone decided
    similar: Floats  # its cosine to every row of the index; empty as well then
    lexical: Mapping[int, float]  # passage id -> BM25
    weight: Mapping[str, float]  # word -> how much it tells
    missing: tuple[str, ...]  # words of the question that stand in no note
    notice: str = ""  # why there are no vectors, if there are none


@dataclass(frozen=True)
class Hit:
    """A passage as a list of results shows it."""

    id: int
    topic: str
    title: str
    section: str
    card: str
    heading: str
    words: str
    start: int
    end: int
    score: float


# -- the index -----------------------------------------------------------------------------------------------------------


def current_stamp(session: Session) -> tuple[int, ...]:
    """Changes whenever a passage or vector came or went: their ids never come again."""
    return tuple(map(int, _STAMP.rows(session, {})[0]))


def fresh(session: Session, index: Index | None = None, *, learner: int | None = None) -> Index:
    """The index of a learner (None: shipped notes alone) as the database has it now; the one at hand when nothing changed."""
    if index is not None and index.learner != learner:
        index = None
    stamp = current_stamp(session)
    return index if index is not None and index.stamp == stamp else load_index(session, stamp, index, learner=learner)


def load_index(session: Session, stamp: tuple[int, ...] | None = None, old: Index | None = None, *, learner: int | None = None) -> Index:
    """Read the index from the database. Of an older one every vector that still counts is taken over: an edit costs little."""
    stamp = stamp or current_stamp(session)
    mine = or_(col(Topic.owner).is_(None), Topic.owner == learner)
    shipped_first = (col(Topic.owner).is_not(None), col(Topic.position))
    known = session.exec(select(Topic.slug, Topic.title, Topic.aliases).where(mine).order_by(*shipped_first)).all()
    topics = tuple(slug for slug, _, _ in known)
    empty = Index(
        stamp=stamp, learner=learner, strangers=_strangers(session, learner), topics=topics, titles={slug: title for slug, title, _ in known},
        lexicon=Lexicon(), ids=np.zeros(0, np.int64), topic_of=np.zeros(0, np.int32), matrix=np.zeros((0, WIDTH), np.float32), kinds={}, runs={}, words_of={},
    )  # fmt: skip
    rows, broken = _new_rows(session, empty.place, old)
    if old is not None:
        there = np.array([number for (number,) in _IDS.rows(session, {})], dtype=np.int64)
        broken = np.union1d(broken, np.setdiff1d(np.intersect1d(old.broken, there), rows.ids))
        rows = _joined(_kept_rows(empty, old, rows, there), rows)
    order = np.lexsort((rows.ids, rows.topic_of, rows.kind_of))
    kind_of, topic_of = rows.kind_of[order], rows.topic_of[order]
    kinds = {kind: slice(*map(int, np.searchsorted(kind_of, [at, at + 1]))) for at, kind in enumerate(KINDS)}
    wanting = _wanting(session, empty)
    return replace(
        empty, lexicon=_lexicon(session, empty, known, old), ids=rows.ids[order], topic_of=topic_of, matrix=rows.matrix[order], kinds=kinds,
        runs=_runs(topic_of, kinds), words_of=_words_of(session, empty.place), waiting=max(wanting - len(rows.ids) - len(broken), 0), wanting=wanting,
        ready=len(rows.ids) >= ENOUGH * _OF_NOTES.rows(session, {})[0][0], broken=broken,
    )  # fmt: skip


class _Rows(NamedTuple):
    ids: NDArray[np.int64]
    topic_of: Numbers
    kind_of: NDArray[np.int8]
    matrix: Floats


def _new_rows(session: Session, place: Callable[[str], int | None], old: Index | None) -> tuple[_Rows, NDArray[np.int64]]:
    """Passages with a whole vector, where an older index does not know the one or the other; and those whose vector is broken."""
    since = {"model": MODEL, "passage": old.stamp[0] if old else 0, "vector": old.stamp[2] if old else 0}
    found = {number: (home, kind, numbers) for number, home, kind, numbers in (_NEW if old else _ALL).rows(session, since)}
    seen = [(number, at, kind, numbers) for number, (home, kind, numbers) in found.items() if (at := place(home)) is not None]
    matrix, sound = read_vectors([numbers for *_, numbers in seen])
    kinds = np.array([KINDS.index(kind) for _, _, kind, _ in seen], dtype=np.int8)
    ids, topic_of = np.array([row[0] for row in seen], dtype=np.int64), np.array([row[1] for row in seen], dtype=np.int32)
    whole = slice(None) if sound.all() else sound  # a slice copies nothing
    return _Rows(ids[whole], topic_of[whole], kinds[whole], matrix[whole]), ids[~sound]


def _kept_rows(index: Index, old: Index, new: _Rows, there: NDArray[np.int64]) -> _Rows:
    """What an older index holds and still counts: its passage is there, and no newer vector has come for it."""
    topic_of = np.array([index.number.get(slug, -1) for slug in old.topics] or [0], dtype=np.int32)[old.topic_of]
    kept = np.isin(old.ids, there, assume_unique=True) & ~np.isin(old.ids, new.ids) & (topic_of >= 0)
    kind_of = np.zeros(len(old.ids), np.int8)
    for at, kind in enumerate(KINDS):
        kind_of[old.kinds[kind]] = at
    return _Rows(old.ids[kept], topic_of[kept], kind_of[kept], old.matrix[kept])


def _joined(one: _Rows, other: _Rows) -> _Rows:
    if not len(other.ids):
        return one
    ids, topic_of = np.concatenate([one.ids, other.ids]), np.concatenate([one.topic_of, other.topic_of])
    return _Rows(ids, topic_of, np.concatenate([one.kind_of, other.kind_of]), np.concatenate([one.matrix, other.matrix]))


def _strangers(session: Session, learner: int | None) -> bool:
    """Does anybody else keep notes or cards here?"""
    kept = [select(table.owner).where(col(table.owner).is_not(None), col(table.owner).is_distinct_from(learner)).limit(1) for table in (Topic, Card)]
    return any(session.exec(query).first() is not None for query in kept)


def _wanting(session: Session, index: Index) -> int:
    """How many of the passages in sight want a vector."""
    if not index.strangers:
        return _WANTING.rows(session, {})[0][0]
    return sum(count for home, count in _WANTING_BY_HOME.rows(session, {}) if index.place(home) is not None)


def _words_of(session: Session, place: Callable[[str], int | None]) -> dict[int, int]:
    rows = _rows(session, _HOMES_OF_WORDS)
    return {row: at for row, home in rows if (at := place(home)) is not None}


_STAMP = Statement("""SELECT coalesce((SELECT max(id) FROM passage), 0), (SELECT count(*) FROM passage), coalesce((SELECT max(id) FROM vector), 0)""")
_IDS = Statement("SELECT id FROM passage")
_OF_NOTES = Statement("SELECT count(*) FROM passage WHERE sha <> '' AND topic NOT LIKE '%#%'")  # these are encoded first
_WANTING = Statement("SELECT count(*) FROM passage WHERE sha <> ''")
_WANTING_BY_HOME = Statement("SELECT topic, count(*) FROM passage WHERE sha <> '' GROUP BY topic")
_ALL = Statement("SELECT passage.id, topic, kind, numbers FROM passage JOIN vector ON vector.sha = passage.sha WHERE model = :model")
_NEW = Statement("""
    SELECT passage.id, topic, kind, numbers FROM passage JOIN vector ON vector.sha = passage.sha WHERE model = :model AND passage.id > :passage
    UNION ALL
    SELECT passage.id, topic, kind, numbers FROM vector JOIN passage ON passage.sha = vector.sha WHERE model = :model AND vector.id > :vector
""")
_HOMES_OF_WORDS = Statement("SELECT rowid, topic FROM topic_words")


def _runs(topic_of: NDArray[np.int32], kinds: Mapping[str, slice]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int32]]]:
    runs = {}
    for kind, rows in kinds.items():
        topics = topic_of[rows]
        starts = np.flatnonzero(np.diff(topics, prepend=-1))
        runs[kind] = (starts, topics[starts])
    return runs


def _lexicon(session: Session, index: Index, known: Iterable[tuple[str, str, Sequence[str]]], old: Index | None) -> Lexicon:
    names: dict[str, list[str]] = {}
    chinese: dict[str, str] = {}
    for slug, title, aliases in known:
        for name in (slug.replace("-", " "), title, *aliases):
            key = name_key(name)
            if len(key) > 1:
                names.setdefault(key, []).append(slug)
        latin = next((alias for alias in aliases if alias.isascii()), title)
        for alias in aliases:
            if not alias.isascii():
                chinese.setdefault(name_key(alias), chinese_terms().get(alias, latin))
    vocabulary: set[str] = set(old.lexicon.vocabulary) if old else set()  # a word that left the notes may stay until the next start
    for home, *texts in _rows(session, _WRITTEN, since=old.stamp[0] if old else 0):
        if index.place(home) is not None:
            for words in texts:
                vocabulary.update(all_words(words))
    return Lexicon({key: tuple(dict.fromkeys(slugs)) for key, slugs in names.items()}, chinese, frozenset(vocabulary))


_WRITTEN = Statement("""
    SELECT topic, names, headings, questions, body FROM topic_words
    WHERE topic IN (SELECT topic FROM passage WHERE id > :since)
""")


# -- searching -----------------------------------------------------------------------------------------------------------


def find(session: Session, index: Index, typed: str, *, embed: Embed | None, boost: Mapping[str, float] | None = None) -> Found:
    """Rank the topics for a question. Without an encoder, or when it fails, words alone decide, and that is said."""
    query = read_query(typed, index.lexicon)
    homes = {term: topics_with(session, index, term) for term in (*query.words, *query.pairs)}
    weight = {term: _weight(term, len(homes[term]), len(index.topics)) for term in query.words}
    vector, notice = _encoded(index, query, embed)
    similar = index.matrix @ vector if len(vector) else vector
    lexical, by_kind = _passages_with(session, index, query, weight)
    features = np.zeros((len(index.topics), len(FEATURES)), dtype=np.float32)
    _dense_features(features, index, similar)
    _word_features(features, session, index, query, by_kind)
    _name_features(features, index, query, homes, weight)
    scores = features @ weights().ranking
    for slug, more in (boost or {}).items():
        if slug in index.number:
            scores[index.number[slug]] += more
    order = np.argsort(-scores, kind="stable")[:RANKED]
    ranking = tuple(Ranked(index.topics[at], round(float(scores[at]), 5)) for at in order) if not query.empty else ()
    missing = tuple(word for word in query.words if not len(homes[word]))
    return Found(query, ranking, scores, features, vector, similar, lexical, weight, missing, notice)


def _encoded(index: Index, query: Query, embed: Embed | None) -> tuple[Floats, str]:
    if embed is None or not query.english or not index.ready or not len(index.ids):
        return np.zeros(0, dtype=np.float32), "" if index.ready and len(index.ids) else NOT_READY
    try:
        return np.asarray(embed([query.english]), dtype=np.float32)[0], ""
    except Exception as problem:  # a broken model file or encoder: search goes on with words
        return np.zeros(0, dtype=np.float32), f"The encoder could not be used, so words alone decided. {problem}"


def _dense_features(features: Floats, index: Index, similar: Floats) -> None:
    if not len(similar):
        return
    for column, kind in enumerate(KINDS):
        starts, topics = index.runs[kind]
        if len(starts):
            features[topics, column] = np.maximum.reduceat(similar[index.kinds[kind]], starts)
    best = largest(similar, NEAREST)
    numbers = index.topic_of[best]
    grouped = np.argsort(numbers, kind="stable")  # within a topic the order of `best` stays: nearest first
    place = np.arange(len(best)) - np.searchsorted(numbers[grouped], numbers[grouped])
    kept = grouped[place < BROAD]
    features[:, 5] = np.bincount(numbers[kept], weights=similar[best[kept]], minlength=len(features)) / BROAD


def largest(values: Floats, count: int) -> NDArray[np.int64]:
    """The indices of the largest values, the largest first."""
    some = np.argpartition(-values, count)[:count] if len(values) > count else np.arange(len(values))
    return some[np.argsort(-values[some], kind="stable")]


def _quoted(terms: Iterable[str]) -> str:
    return " OR ".join('"' + term.replace('"', "") + '"' for term in terms)


def topics_with(session: Session, index: Index, term: str) -> Numbers:
    """The numbers of the topics that have a word; the full-text index is asked once for each."""
    known = index.remembered.get(term)
    if known is None:
        rows = _rows(session, _HAVE, sought=_quoted([term]))
        known = np.unique(np.array([at for (row,) in rows if (at := index.words_of.get(row)) is not None], dtype=np.int32))
        if len(index.remembered) >= REMEMBERED:
            index.remembered.clear()
        index.remembered[term] = known
    return known


def _passages_with(session: Session, index: Index, query: Query, weight: Mapping[str, float]) -> tuple[dict[int, float], dict[str, dict[int, float]]]:
    """The passages that have the question's words: id -> BM25, and the best by kind and topic."""
    by_id: dict[int, float] = {}
    best: dict[str, dict[int, float]] = {SECTION: {}, ANSWER: {}}
    sought = _quoted((*query.words, *query.more, *query.pairs))
    values = {"sought": sought, "most": LEXICAL_HITS, "learner": index.learner, "own": f"%#{index.learner}#%"}
    for number, score, kind, home in _rows(session, _HITS_IN_SIGHT if index.strangers else _HITS, **values):
        at = index.place(home)
        if at is not None:
            by_id[number] = score
            best[kind][at] = max(best[kind].get(at, 0.0), score)
    return by_id, best


def _word_features(features: Floats, session: Session, index: Index, query: Query, best: Mapping[str, Mapping[int, float]]) -> None:
    notes: dict[int, float] = {}
    for row, score in _rows(session, _NOTES, sought=_quoted((*query.words, *query.more, *query.pairs))):
        at = index.words_of.get(row)
        if at is not None:
            notes[at] = max(notes.get(at, 0.0), score)
    for column, scores in ((6, notes), (7, best[SECTION]), (8, best[ANSWER])):
        top = max(scores.values(), default=0.0)
        if top > 0:
            features[list(scores), column] = np.array(list(scores.values())) / top


_HAVE = Statement("SELECT rowid FROM topic_words WHERE topic_words MATCH :sought")
_NOTES = Statement("SELECT rowid, -bm25(topic_words, 0.0, 8.0, 3.0, 2.0, 1.0) FROM topic_words WHERE topic_words MATCH :sought")
_BEST = """
    SELECT hit.id, hit.score, passage.kind, passage.topic FROM
    (SELECT rowid AS id, -bm25(passage_words, 3.0, 1.0) AS score FROM passage_words WHERE passage_words MATCH :sought {} ORDER BY score DESC LIMIT :most) AS hit
    JOIN passage ON passage.id = hit.id
"""
_HITS = Statement(_BEST.format(""))
_HITS_IN_SIGHT = Statement(_BEST.format("""
    AND rowid IN (SELECT id FROM passage WHERE topic LIKE :own OR topic IN (SELECT slug FROM topic WHERE owner IS NULL OR owner = :learner))
"""))  # fmt: skip


def _rows(session: Session, statement: Statement, **values: object) -> list[tuple]:
    """Rows from the FTS5 tables; none where there are none: another database, or nothing indexed yet."""
    if values.get("sought") == "":
        return []
    try:
        return statement.rows(session, values)
    except OperationalError:
        return []


def _weight(word: str, homes: int, topics: int) -> float:
    """How much a word tells: rare in the notes is much, but everyday English that is absent from them is little."""
    if is_figure(word):
        return 0.2 * math.log(topics + 2)
    if not homes:
        return 0.35 * math.log(topics + 2) if is_common(word) else math.log(topics + 2)
    return math.log((topics + 1) / (homes + 0.5)) * (0.6 if is_common(word) else 1.0) + 0.05


def _name_features(features: Floats, index: Index, query: Query, homes: Mapping[str, Numbers], weight: Mapping[str, float]) -> None:
    number = index.number
    total = sum(weight.values()) + 0.8 * len(query.pairs) * (not query.words)
    if not total:
        return
    for name, slugs in query.names.items():
        own = index.lexicon.chinese.get(name)
        words = content_words(own) if own else name.split()
        worth = min(1.0, sum(weight.get(word, 0.0) for word in words) / total if weight else 0.8 * (len(name) - 1) / total)
        for slug in slugs:
            if slug in number:
                features[number[slug], 9] += worth
                own_name = name in (slug.replace("-", " "), name_key(index.titles[slug]))
                features[number[slug], 11] = max(features[number[slug], 11], worth if own_name else worth / len(slugs))
    for word, value in weight.items():
        features[homes[word], 10] += value / total
    np.minimum(features[:, 9], 1.0, out=features[:, 9])


# -- passages --------------------------------------------------------------------------------------------------------------


def best_passages(session: Session, index: Index, found: Found, *, count: int = 10) -> list[Hit]:
    """Sections and card answers, the best first: cosine, words and the standing of their topic together."""
    top = float(found.scores.max(initial=0.0))
    scores: dict[int, float] = {}
    most = max(found.lexical.values(), default=0.0) or 1.0
    if len(found.similar):
        for kind in (SECTION, ANSWER):
            rows = index.kinds[kind]
            best = largest(found.similar[rows], 5 * count) + rows.start
            for row in best:
                scores[int(index.ids[row])] = float(found.similar[row])
    for number, score in found.lexical.items():
        scores[number] = scores.get(number, 0.2) + 0.5 * score / most
    homes = session.exec(select(Passage.id, Passage.topic).where(col(Passage.id).in_(list(scores))))
    placed = ((number, index.place(home)) for number, home in homes)
    scored = [(scores[number] + 0.15 * (float(found.scores[at]) - top), number) for number, at in placed if number and at is not None]
    chosen = sorted(scored, reverse=True)[:count]
    passages = {row.id: row for row in read_rows(session, [number for _, number in chosen])}
    return [_hit(index, passages[number], score) for score, number in chosen if number in passages]


def _hit(index: Index, row: Row, score: float) -> Hit:
    title = index.titles.get(row.topic, row.topic)
    return Hit(row.id, row.topic, title, row.section, row.card, row.heading, row.words, row.start, row.end, round(score, 5))


class Row(NamedTuple):
    """A passage's columns, without the weight of an object that the session watches."""

    id: int
    topic: str
    section: str
    card: str
    heading: str
    words: str
    start: int
    end: int
    kind: str

    @property
    def loose(self) -> bool:
        """Is it of a card in no note? Then it stands in the card's own Markdown."""
        return not self.section


ROW = (Passage.id, Passage.topic, Passage.section, Passage.card, Passage.heading, Passage.words, Passage.start, Passage.end, Passage.kind)


def read_rows(session: Session, ids: Sequence[int]) -> list[Row]:
    return [as_row(row) for row in session.exec(select(*ROW).where(col(Passage.id).in_(ids)))]  # type: ignore[call-overload]


def as_row(columns: Sequence) -> Row:
    row = Row(*columns)
    return row._replace(topic=home_of(row.topic).topic) if "#" in row.topic else row


def pending_notice(index: Index) -> str:
    if not index.waiting:
        return ""
    return f"{index.wanting - index.waiting} of {index.wanting} passages have their vector; the others are found by their words meanwhile."


# -- fitted numbers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    """Everything that was fitted, and on what."""

    ranking: Floats  # one for each of FEATURES
    evidence: Mapping[str, float] = field(default_factory=dict)  # feature of the evidence -> weight, with "bias"
    evidence_by_words: Mapping[str, float] = field(default_factory=dict)  # the same where there are no vectors
    answer_from: float = 0.5  # the confidence from which on a question is answered
    related_from: float = 0.1  # and from which on what was found is shown as related
    provenance: str = ""


@cache
def weights() -> Weights:
    return read_weights(Path(__file__).parent / "search_weights.json")


def read_weights(file: Path) -> Weights:
    stored = json.loads(file.read_text(encoding="utf-8"))
    ranking = np.array([stored["ranking"].get(name, 0.0) for name in FEATURES], dtype=np.float32)
    return Weights(ranking, stored["evidence"], stored.get("evidence_by_words", {}), stored["answer_from"], stored["related_from"], stored["provenance"])
