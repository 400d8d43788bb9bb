"""Search: which topics a question is about, and which passages say something on it.

Every topic gets a handful of features for a question: the best cosine among its names, questions, answers, sections and
sentences; BM25 of the whole note and of its best passages; how much of the question's weight a name of the topic or its
text covers. Their weighted sum ranks topics; the weights are fitted (tests/fit_search.py) and stand, with where they come
from, in search_weights.json. The vectors are one NumPy matrix in memory: at our size an exact product beats every index.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from backend.passages import ANSWER, KINDS, SECTION
from backend.query import Lexicon, Query, all_words, content_words, count_han, is_common, name_key, read_query
from backend.search_index import MODEL, Embed, read_vectors
from backend.tables import Passage, Topic, Vector

Floats = NDArray[np.float32]

FEATURES = (
    "name", "question", "answer", "section", "sentence",  # best cosine among the topic's passages of this kind
    "broad",  # mean of the topic's four best cosines of any kind
    "note_words",  # BM25 of the whole note, over the best note's
    "section_words", "answer_words",  # BM25 of the topic's best passage of this kind, over the best passage's
    "named",  # share of the question's weight that names of the topic in it cover
    "covered",  # share of the question's weight whose words stand in the note
    "titled",  # the same for the one weightiest name, shared with the other topics that have it
)  # fmt: skip
LEXICAL_HITS = 120
BROAD = 4
UNREAD_HAN = 1.2  # what a Chinese character that no term explains weighs
NEAREST = 400  # rows that can count towards it


@dataclass(frozen=True)
class Index:
    """What search holds in memory. Rows are passages with a vector, ordered by kind and within it by topic."""

    stamp: tuple[int, ...]
    topics: tuple[str, ...]
    titles: Mapping[str, str]
    lexicon: Lexicon
    ids: NDArray[np.int64]
    topic_of: NDArray[np.int32]
    matrix: Floats
    kinds: Mapping[str, slice]
    runs: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int32]]]  # of each kind: where each topic's rows begin, and which topic it is
    waiting: int = 0  # passages whose words have no vector yet, of
    wanting: int = 0  # those that want one
    problems: tuple[str, ...] = ()  # vectors that cannot be read, in words

    @property
    def number(self) -> Mapping[str, int]:
        return {slug: at for at, slug in enumerate(self.topics)}


@dataclass(frozen=True)
class Ranked:
    topic: str
    score: float


@dataclass(frozen=True)
class Found:
    """What a search came to, with the evidence that an answer weighs."""

    query: Query
    ranking: tuple[Ranked, ...]
    features: Floats  # topics x FEATURES, in the index's order
    similar: Floats  # cosine of every row of the index; empty when there is no vector for the question
    lexical: Mapping[int, float]  # passage id -> BM25
    weight: Mapping[str, float]  # word -> how much it tells
    missing: tuple[str, ...]  # words of the question that stand in no note
    homes: Mapping[str, frozenset[int]]  # word -> numbers of the topics whose notes have it
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
    passages = session.exec(select(func.coalesce(func.max(Passage.id), 0), func.count(col(Passage.id)))).one()
    vectors = session.exec(select(func.coalesce(func.max(Vector.id), 0))).one()
    return tuple(int(number or 0) for number in (*passages, vectors))


def fresh(session: Session, index: Index | None = None) -> Index:
    """The index as the database has it now; the one at hand when nothing changed."""
    stamp = current_stamp(session)
    return index if index is not None and index.stamp == stamp else load_index(session, stamp, index)


def load_index(session: Session, stamp: tuple[int, ...] | None = None, old: Index | None = None) -> Index:
    """Read the index from the database. Of an older one every vector that still counts is taken over: an edit costs little."""
    stamp = stamp or current_stamp(session)
    known = session.exec(select(Topic.slug, Topic.title, Topic.aliases).order_by(col(Topic.owner).is_not(None), col(Topic.position))).all()
    topics = tuple(slug for slug, _, _ in known)
    number = {slug: at for at, slug in enumerate(topics)}
    joined = select(Passage.id, Passage.topic, Passage.kind).join(Vector, (col(Vector.sha) == Passage.sha) & (col(Vector.model) == MODEL))
    rows = [row for row in session.exec(joined).all() if row[1] in number]
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    topic_of = np.array([number[row[1]] for row in rows], dtype=np.int32)
    kind_of = np.array([KINDS.index(row[2]) for row in rows], dtype=np.int8)
    matrix, sound = _vectors(session, ids, old)
    broken = len(rows) - int(sound.sum())
    order = np.lexsort((topic_of, kind_of))
    order = order[sound[order]]
    kinds = {kind: slice(*map(int, np.searchsorted(kind_of[order], [at, at + 1]))) for at, kind in enumerate(KINDS)}
    wanting = session.exec(select(func.count(col(Passage.id))).where(Passage.sha != "")).one()
    return Index(
        stamp=stamp, topics=topics, titles={slug: title for slug, title, _ in known}, lexicon=_lexicon(session, known, old),
        ids=ids[order], topic_of=topic_of[order], matrix=matrix[order], kinds=kinds, runs=_runs(topic_of[order], kinds),
        waiting=wanting - len(rows), wanting=wanting,
        problems=(f"{broken} stored vectors cannot be read and are left out; python -m backend sync makes them again",) if broken else (),
    )  # fmt: skip


def _vectors(session: Session, ids: NDArray[np.int64], old: Index | None) -> tuple[Floats, NDArray[np.bool_]]:
    """The vector of every passage, from the older index where it has it, and which of them are whole."""
    numbers = select(Passage.id, Vector.numbers).join(Vector, (col(Vector.sha) == Passage.sha) & (col(Vector.model) == MODEL))
    if old is None or not len(old.ids):
        stored = dict(session.exec(numbers).all())
        return read_vectors([stored[number] for number in ids.tolist()])
    by_id = np.argsort(old.ids)
    place = np.minimum(np.searchsorted(old.ids, ids, sorter=by_id), len(old.ids) - 1)
    kept = old.ids[by_id[place]] == ids
    matrix, sound = old.matrix[by_id[place]], kept.copy()
    new = ids[~kept].tolist()
    stored = {}
    for start in range(0, len(new), 500):
        stored |= dict(session.exec(numbers.where(col(Passage.id).in_(new[start : start + 500]))).all())
    matrix[~kept], sound[~kept] = read_vectors([stored[number] for number in new])
    return matrix, sound


def _runs(topic_of: NDArray[np.int32], kinds: Mapping[str, slice]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int32]]]:
    runs = {}
    for kind, rows in kinds.items():
        topics = topic_of[rows]
        starts = np.flatnonzero(np.diff(topics, prepend=-1))
        runs[kind] = (starts, topics[starts])
    return runs


def _lexicon(session: Session, known: Iterable[tuple[str, str, Sequence[str]]], old: Index | None) -> Lexicon:
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
                chinese.setdefault(name_key(alias), latin)
    vocabulary: set[str] = set(old.lexicon.vocabulary) if old else set()  # a word that left the notes may stay until the next start
    since = old.stamp[0] if old else 0
    written = "SELECT names, headings, questions, body FROM topic_words WHERE topic IN (SELECT topic FROM passage WHERE id > ?)"
    try:
        for texts in session.connection().exec_driver_sql(written, (since,)):
            for words in texts:
                vocabulary.update(all_words(words))
    except OperationalError:  # nothing was indexed yet
        pass
    return Lexicon({key: tuple(dict.fromkeys(slugs)) for key, slugs in names.items()}, chinese, frozenset(vocabulary))


# -- searching -----------------------------------------------------------------------------------------------------------


def find(session: Session, index: Index, typed: str, *, embed: Embed | None, boost: Mapping[str, float] | None = None) -> Found:
    """Rank the topics for a question. Without an encoder, or when it fails, words alone decide, and that is said."""
    query = read_query(typed, index.lexicon)
    number = index.number
    homes = {term: _topics_with(session, number, term) for term in (*query.words, *query.pairs)}
    weight = {term: _weight(term, len(homes[term]), len(index.topics)) for term in query.words}
    similar, notice = _cosines(index, query, embed)
    lexical, by_kind = _passages_with(session, number, query)
    features = np.zeros((len(index.topics), len(FEATURES)), dtype=np.float32)
    _dense_features(features, index, similar)
    _word_features(features, session, number, query, by_kind)
    _name_features(features, index, query, homes, weight)
    scores = features @ weights().ranking
    for slug, more in (boost or {}).items():
        if slug in number:
            scores[number[slug]] += more
    order = np.argsort(-scores, kind="stable")
    ranking = tuple(Ranked(index.topics[at], round(float(scores[at]), 5)) for at in order) if not query.empty else ()
    missing = tuple(word for word in query.words if not homes[word])
    return Found(query, ranking, features, similar, lexical, weight, missing, homes, notice)


def _cosines(index: Index, query: Query, embed: Embed | None) -> tuple[Floats, str]:
    if embed is None or not query.english or not len(index.ids):
        return np.zeros(0, dtype=np.float32), "" if len(index.ids) else "No passage has a vector yet, so words alone decided."
    try:
        vector = np.asarray(embed([query.english]), dtype=np.float32)[0]
    except Exception as problem:  # a broken model file or encoder: search goes on with words
        return np.zeros(0, dtype=np.float32), f"The encoder could not be used, so words alone decided. {problem}"
    return index.matrix @ vector, ""


def _dense_features(features: Floats, index: Index, similar: Floats) -> None:
    if not len(similar):
        return
    for column, kind in enumerate(KINDS):
        starts, topics = index.runs[kind]
        if len(starts):
            features[topics, column] = np.maximum.reduceat(similar[index.kinds[kind]], starts)
    best = _largest(similar, NEAREST)
    numbers = index.topic_of[best]
    grouped = np.argsort(numbers, kind="stable")  # within a topic the order of `best` stays: nearest first
    place = np.arange(len(best)) - np.searchsorted(numbers[grouped], numbers[grouped])
    kept = grouped[place < BROAD]
    features[:, 5] = np.bincount(numbers[kept], weights=similar[best[kept]], minlength=len(features)) / BROAD


def _largest(values: Floats, count: int) -> NDArray[np.int64]:
    """The indices of the largest values, the largest first."""
    some = np.argpartition(-values, count)[:count] if len(values) > count else np.arange(len(values))
    return some[np.argsort(-values[some], kind="stable")]


def _quoted(terms: Iterable[str]) -> str:
    return " OR ".join('"' + term.replace('"', "") + '"' for term in terms)


def _topics_with(session: Session, number: Mapping[str, int], term: str) -> frozenset[int]:
    rows = _rows(session, "SELECT topic FROM topic_words WHERE topic_words MATCH :sought", sought=_quoted([term]))
    return frozenset(number[slug] for (slug,) in rows if slug in number)


def _passages_with(session: Session, number: Mapping[str, int], query: Query) -> tuple[dict[int, float], dict[str, dict[int, float]]]:
    """The passages that have the question's words: id -> BM25, and the best by kind and topic."""
    by_id: dict[int, float] = {}
    best: dict[str, dict[int, float]] = {SECTION: {}, ANSWER: {}}
    sought = _quoted((*query.words, *query.more, *query.pairs))
    sql = """SELECT hit.id, hit.score, passage.kind, passage.topic FROM
             (SELECT rowid AS id, -bm25(passage_words, 3.0, 1.0) AS score FROM passage_words WHERE passage_words MATCH :sought ORDER BY score DESC LIMIT :most) AS hit
             JOIN passage ON passage.id = hit.id"""
    for number_of_passage, score, kind, slug in _rows(session, sql, sought=sought, most=LEXICAL_HITS):
        by_id[number_of_passage] = score
        if slug in number:
            best[kind][number[slug]] = max(best[kind].get(number[slug], 0.0), score)
    return by_id, best


def _word_features(features: Floats, session: Session, number: Mapping[str, int], query: Query, best: Mapping[str, Mapping[int, float]]) -> None:
    sql = "SELECT topic, -bm25(topic_words, 0.0, 8.0, 3.0, 2.0, 1.0) FROM topic_words WHERE topic_words MATCH :sought"
    notes = {number[slug]: score for slug, score in _rows(session, sql, sought=_quoted((*query.words, *query.more, *query.pairs))) if slug in number}
    for column, scores in ((6, notes), (7, best[SECTION]), (8, best[ANSWER])):
        top = max(scores.values(), default=0.0)
        for at, score in scores.items():
            features[at, column] = score / top if top > 0 else 0.0


def _rows(session: Session, sql: str, **values: object) -> Sequence[tuple]:
    """Rows from the FTS5 tables; none where there are none: another database, or nothing indexed yet."""
    if not values.get("sought"):
        return []
    try:
        return session.connection().execute(text(sql), values).all()  # type: ignore[return-value]
    except OperationalError:
        return []


def _weight(word: str, homes: int, topics: int) -> float:
    """How much a word tells: rare in the notes is much, but everyday English that is absent from them is little."""
    if not homes:
        return 0.35 * math.log(topics + 2) if is_common(word) else math.log(topics + 2)
    return math.log((topics + 1) / (homes + 0.5)) * (0.6 if is_common(word) else 1.0) + 0.05


def _name_features(features: Floats, index: Index, query: Query, homes: Mapping[str, frozenset[int]], weight: Mapping[str, float]) -> None:
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
        for at in homes[word]:
            features[at, 10] += value / total
    np.minimum(features[:, 9], 1.0, out=features[:, 9])


# -- passages --------------------------------------------------------------------------------------------------------------


def best_passages(session: Session, index: Index, found: Found, *, count: int = 10) -> list[Hit]:
    """Sections and card answers, the best first: cosine, words and the standing of their topic together."""
    topic_score = {ranked.topic: ranked.score for ranked in found.ranking}
    top = max(topic_score.values(), default=0.0)
    scores: dict[int, float] = {}
    most = max(found.lexical.values(), default=0.0) or 1.0
    if len(found.similar):
        for kind in (SECTION, ANSWER):
            rows = index.kinds[kind]
            best = _largest(found.similar[rows], 5 * count) + rows.start
            for row in best:
                scores[int(index.ids[row])] = float(found.similar[row])
    for number, score in found.lexical.items():
        scores[number] = scores.get(number, 0.2) + 0.5 * score / most
    scored = [(score + 0.15 * (topic_score.get(topic, 0.0) - top), number) for number, topic, score in _with_topics(session, index, scores)]
    chosen = sorted(scored, reverse=True)[:count]
    passages = {row.id: row for row in read_rows(session, [number for _, number in chosen])}
    return [_hit(index, passages[number], score) for score, number in chosen if number in passages]


def _hit(index: Index, row: Row, score: float) -> Hit:
    title = index.titles.get(row.topic, row.topic)
    return Hit(row.id, row.topic, title, row.section, row.card, row.heading, row.words, row.start, row.end, round(score, 5))


def _with_topics(session: Session, index: Index, scores: Mapping[int, float]) -> Iterable[tuple[int, str, float]]:
    rows = session.exec(select(Passage.id, Passage.topic).where(col(Passage.id).in_(list(scores)))).all()
    return [(number or 0, topic, scores[number or 0]) for number, topic in rows]


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


ROW = (Passage.id, Passage.topic, Passage.section, Passage.card, Passage.heading, Passage.words, Passage.start, Passage.end, Passage.kind)


def read_rows(session: Session, ids: Sequence[int]) -> list[Row]:
    return [Row(*row) for row in session.exec(select(*ROW).where(col(Passage.id).in_(ids)))]  # type: ignore[call-overload]


def pending_notice(index: Index) -> str:
    if not index.waiting:
        return ""
    return f"{index.wanting - index.waiting} of {index.wanting} passages have their vector; the others are found by their words meanwhile."


# -- is it there at all? -----------------------------------------------------------------------------------------------------


def evidence(session: Session, index: Index, found: Found) -> dict[str, float]:
    """What speaks for and against an answer standing in the notes, each number between about 0 and 1."""
    if not found.ranking:
        return {}
    first = index.number[found.ranking[0].topic]
    row = dict(zip(FEATURES, map(float, found.features[first])))
    cosines = [float(found.similar[index.kinds[kind]].max(initial=0.0)) for kind in KINDS] if len(found.similar) else [0.0] * len(KINDS)
    total = sum(found.weight.values()) or 1.0
    unread = UNREAD_HAN * found.query.unread * count_han(found.query.text)  # Chinese that nobody could translate counts as absent words
    read = total / (total + unread)
    absent = sum(found.weight[word] for word in found.missing) + unread
    strange = sum(not is_common(word) for word in found.missing)
    scores = [ranked.score for ranked in found.ranking[:6]]
    return {
        "best": max(cosines[1:]),
        "question": cosines[1],
        "sentence": cosines[4],
        "name": cosines[0],
        "score": scores[0] / 10,
        "margin": (scores[0] - scores[-1]) / 10,
        "covered": row["covered"] * read,
        "named": row["named"] * read,
        "absent": absent / (total + unread),
        "strange": min(strange, 3) / 3,
        "together": _together(session, index, found, total) * read,
        "words": min(max(found.lexical.values(), default=0.0) / 20, 1.5),
        "unread": found.query.unread,
        "no_words": float(not found.query.words),
    }


def _together(session: Session, index: Index, found: Found, total: float) -> float:
    """The largest share of the question's weight whose words stand together in one passage."""
    if not found.query.words:
        return 0.0
    return max((share_of(hit.words, found.weight, total) for hit in best_passages(session, index, found, count=6)), default=0.0)


_PLAIN_WORD = re.compile(r"[a-z0-9]+")


def share_of(words: str, weight: Mapping[str, float], total: float) -> float:
    """How much of the question's weight stands in these words; endings do not matter."""
    held = {_stem(word) for word in _PLAIN_WORD.findall(words.casefold())}
    return sum(value for word, value in weight.items() if _stem(word) in held) / total


def _stem(word: str) -> str:
    return word[: max(4, len(word) - 3)]


def confidence(signs: Mapping[str, float]) -> float:
    """The chance that the notes answer the question, as a logistic model sees it."""
    if not signs:
        return 0.0
    fitted = weights().evidence
    logit = fitted.get("bias", 0.0) + sum(fitted.get(name, 0.0) * value for name, value in signs.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


# -- fitted numbers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    """Everything that was fitted, and on what."""

    ranking: Floats  # one for each of FEATURES
    evidence: Mapping[str, float] = field(default_factory=dict)  # feature of the evidence -> weight, with "bias"
    answer_from: float = 0.5  # the confidence from which on a question is answered
    related_from: float = 0.1  # and from which on what was found is shown as related
    provenance: str = ""


@cache
def weights() -> Weights:
    return read_weights(Path(__file__).parent / "search_weights.json")


def read_weights(file: Path) -> Weights:
    stored = json.loads(file.read_text(encoding="utf-8"))
    ranking = np.array([stored["ranking"].get(name, 0.0) for name in FEATURES], dtype=np.float32)
    return Weights(ranking, stored["evidence"], stored["answer_from"], stored["related_from"], stored["provenance"])

