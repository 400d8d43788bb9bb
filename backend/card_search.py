"""The search language for cards: a line of words and filters becomes one SQL condition with bound values.

    attention scaling          both words            "exact phrase"          -word         a or b          (a or b) c
    track:NAME topic:NAME tag:NAME                   is:due new learning review leech flagged suspended buried misconception
    prop:r<0.8 prop:s>30 prop:d>=7 prop:lapses>3 prop:reps=0 prop:due<7      rated:7 rated:7:1 added:30 flag:2

Nothing a person types is ever put into the SQL text. A line that cannot be read is answered with a sentence that says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text
from sqlmodel import Session

from backend.memory import DEFAULT_PARAMETERS, Phase, exact_interval, retrievability, study_day
from backend.settings import read_settings
from backend.statements import Statement


class QueryError(ValueError):
    """A search that cannot be read; the message is a sentence for the person who typed it."""


LONGEST, DEEPEST = 500, 20
FILTERS = ("track", "topic", "tag", "is", "prop", "rated", "added", "flag")
_TOKEN = re.compile(r'\s*(?:(?P<open>\()|(?P<close>\))|(?P<minus>-(?=\S))|(?P<term>(?:[^\s()"]*"[^"]*"|[^\s()"]+)))')


def compile_query(
    query: str, *, today: int, parameters: Sequence[float] = DEFAULT_PARAMETERS, index: WordIndex | None = None
) -> tuple[str, dict[str, Any]]:
    """The condition on `lc` (learner_card) and `c` (card), and its values; an empty query gives an empty condition.

    With an `index` (`word_index`) tags and rare words are looked up in it; without, every card is looked at.
    """
    if len(query) > LONGEST:
        raise QueryError(f"The search has {len(query)} characters; {LONGEST} is the most.")
    tokens = _tokens(query)
    if not tokens:
        return "", {}
    reader = _Reader(tokens, today, parameters, index)
    condition = reader.alternatives(0)
    if reader.place < len(tokens):
        raise QueryError("There is a ) without a ( before it.")
    return condition, reader.values


def _tokens(query: str) -> list[tuple[str, str]]:
    if query.count('"') % 2:
        raise QueryError('A quote " was opened and not closed.')
    found, place = [], 0
    query = query.strip()
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise QueryError(f"“{query[place:].strip()}” cannot be read.")
        place = match.end()
        kind = match.lastgroup or ""
        value = match.group(kind)
        found.append(("or", value) if kind == "term" and value.lower() == "or" else (kind, value))
    return found


@dataclass
class _Reader:
    tokens: list[tuple[str, str]]
    today: int
    parameters: Sequence[float]
    index: WordIndex | None
    values: dict[str, Any] = field(default_factory=dict)
    place: int = 0

    def alternatives(self, depth: int) -> str:
        if depth > DEEPEST:
            raise QueryError(f"Parentheses go {DEEPEST} deep at most.")
        parts = [self.together(depth)]
        while self.peek() == "or":
            self.place += 1
            parts.append(self.together(depth))
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def together(self, depth: int) -> str:
        parts = []
        while self.peek() in ("open", "minus", "term"):
            parts.append(self.one(depth))
        if not parts:
            raise QueryError("Something is missing beside “or”, or between parentheses.")
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def one(self, depth: int) -> str:
        kind, value = self.tokens[self.place]
        self.place += 1
        if kind == "minus":
            if self.peek() not in ("open", "term", "minus"):
                raise QueryError("After - there must be a word, a filter or a parenthesis.")
            return f"NOT {self.one(depth)}"
        if kind == "open":
            inner = self.alternatives(depth + 1)
            if self.peek() != "close":
                raise QueryError("There is a ( without a ) after it.")
            self.place += 1
            return f"({inner})"
        return self.term(value)

    def peek(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else ""

    def bind(self, value: Any) -> str:
        name = f"q{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def term(self, term: str) -> str:
        name, colon, value = term.partition(":")
        if term.startswith('"') or not colon or not name.isalpha():
            return self.words(term.replace('"', ""))
        value = value.replace('"', "")
        if name.lower() not in FILTERS:
            known = ", ".join(f"{filter}:" for filter in FILTERS)
            raise QueryError(f"There is no filter “{name}:”; there are {known}. Put the text in quotes to look for it.")
        if not value:
            raise QueryError(f"After “{name}:” a value is missing.")
        return getattr(self, f"filter_{name.lower()}")(value)

    def words(self, words: str) -> str:
        if not words.strip():
            raise QueryError("There is nothing between the quotes.")
        if self.index and self.index.is_rare(words):
            return f"lc.card IN (SELECT card FROM card_words WHERE card_words MATCH {self.bind(phrase(words))})"
        return f"c.plain LIKE {self.bind(like(words))} ESCAPE '\\'"

    def filter_track(self, value: str) -> str:
        return f"lc.topic IN (SELECT slug FROM topic WHERE track = {self.bind(value.lower())})"

    def filter_topic(self, value: str) -> str:
        return f"lc.topic = {self.bind(value.lower())}"

    def filter_tag(self, value: str) -> str:
        if self.index:
            return f"lc.card IN (SELECT card FROM card_tag WHERE tag = {self.bind(value.lower())})"
        return f"""CAST(c.tags AS TEXT) LIKE {self.bind(like(f'"{value}"'))} ESCAPE '\\'"""

    def filter_is(self, value: str) -> str:
        no, yes, today = self.bind(False), self.bind(True), self.bind(self.today)
        either = f"lc.suspended IN ({no}, {yes}) AND"  # always true, and lets the index of states be used
        states = {
            "new": f"({either} lc.state = 0)",
            "learning": f"({either} lc.state IN (1, 3))",
            "review": f"({either} lc.state = 2)",
            "leech": "lc.leech",
            "flagged": "lc.flag > 0",
            "suspended": f"lc.suspended = {yes}",
            "buried": f"lc.buried_day = {today}",
            "misconception": "lc.misconception",
            "due": f"(lc.suspended = {no} AND lc.state IN (1, 2, 3) AND lc.due_day <= {today} AND lc.buried_day <> {today})",
        }
        if value.lower() not in states:
            raise QueryError(f"“is:{value}” is not known; there are {', '.join(f'is:{state}' for state in states)}.")
        return states[value.lower()]

    def filter_prop(self, value: str) -> str:
        match = re.fullmatch(r"([a-z]+)(<=|>=|!=|<|>|=)(-?\d+(?:\.\d+)?)", value.lower())
        if match is None:
            raise QueryError(f"“prop:{value}” should read like prop:lapses>3 or prop:r<0.8.")
        name, sign, number = match.group(1), match.group(2), float(match.group(3))
        if name == "r":
            return self.recall(sign, number)
        wait = f"lc.due_day - {self.bind(self.today)}"
        columns = {"s": "lc.stability", "d": "lc.difficulty", "lapses": "lc.lapses", "reps": "lc.reps", "due": wait}
        if name not in columns:
            raise QueryError(f"“prop:{name}” is not known; there are r, {', '.join(columns)}.")
        known = "lc.state > 0 AND " if name in ("s", "d", "due") else ""
        return f"({known}{columns[name]} {'<>' if sign == '!=' else sign} {self.bind(number)})"

    def recall(self, sign: str, number: float) -> str:
        """Recall falls as elapsed / stability grows, so a bound on one is the opposite bound on the other."""
        if not 0 < number <= 1:
            raise QueryError(f"prop:r is a chance of recall between 0 and 1, not {number:g}.")
        turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "<>"}[sign]
        bound = float(exact_interval(1.0, number, self.parameters))
        return f"(lc.state > 0 AND ({self.bind(self.today)} - lc.last_day) {turned} {self.bind(bound)} * lc.stability)"

    def filter_rated(self, value: str) -> str:
        match = re.fullmatch(r"(\d{1,5})(?::([1-4]))?", value)
        if match is None:
            raise QueryError(f"“rated:{value}” should read like rated:7 (the last 7 days) or rated:7:1 (graded Again in them).")
        since = self.bind(self.today - int(match.group(1)))
        grade = f" AND e.grade = {self.bind(int(match.group(2)))}" if match.group(2) else ""
        return f"""(lc.last_day > {since} AND EXISTS (SELECT 1 FROM event e WHERE e.learner = lc.learner AND e.card = lc.card AND e.kind = 'grade'
            AND e.day > {since}{grade} AND NOT EXISTS (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo'
            AND u.value = e.id)))"""

    def filter_added(self, value: str) -> str:
        if not re.fullmatch(r"\d{1,5}", value):
            raise QueryError(f"“added:{value}” should be a number of days, like added:30.")
        return f"lc.added_day > {self.bind(self.today - int(value))}"

    def filter_flag(self, value: str) -> str:
        if not re.fullmatch(r"[0-7]", value):
            raise QueryError(f"“flag:{value}” should be a number from 0 to 7.")
        return f"lc.flag = {self.bind(int(value))}"


def like(words: str) -> str:
    """A pattern that finds these very characters anywhere."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", words) + "%"


def phrase(words: str) -> str:
    """The same for the index of words, as one quoted phrase."""
    return '"' + words.replace('"', '""') + '"'


# --- the index of words ----------------------------------------------------------------------------------------------

FEW = 500  # cards: below that the index leads to them faster than looking at one card after the other


def index_words(session: Session, cards: Sequence[str] | None = None, *, learner: int | None = None) -> None:
    """Bring the index of words and tags up to date: for some cards, or for all that are shipped or the learner's own.

    It follows from the cards, and only SQLite has it.
    """
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        return
    asked: str = "1"
    values: tuple[Any, ...] = ()
    if not _make_index(connection):  # where it has just been made, nobody's cards are in it
        if cards is not None:
            asked, values = "c.id IN (SELECT value FROM json_each(?))", (json.dumps(list(cards)),)
        elif learner is not None:
            asked, values = "(c.owner IS NULL OR c.owner = ?)", (learner,)
    _write_words(connection, asked, values)
    _write_tags(connection, asked, values)


def _make_index(connection: Connection) -> bool:
    """Says whether there was none."""
    if connection.exec_driver_sql(_INDEX_THERE).scalar_one() == 4:
        return False
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS card_words_row (id INTEGER PRIMARY KEY, card TEXT UNIQUE NOT NULL, words TEXT NOT NULL)")
    how = "content='card_words_row', content_rowid='id', tokenize='trigram'"
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE IF NOT EXISTS card_words USING fts5(card UNINDEXED, words, {how})")
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS card_tag (tag TEXT, card TEXT, PRIMARY KEY (tag, card)) WITHOUT ROWID")
    connection.exec_driver_sql("CREATE INDEX IF NOT EXISTS ix_card_tag_card ON card_tag (card)")
    return True


_INDEX_THERE = "SELECT COUNT(*) FROM sqlite_master WHERE name IN ('card_words_row', 'card_words', 'card_tag', 'ix_card_tag_card')"


def _write_words(connection: Connection, asked: str, values: tuple[Any, ...]) -> None:
    sql = f"SELECT r.id, c.id, r.words, c.plain FROM card c LEFT JOIN card_words_row r ON r.card = c.id WHERE r.words IS NOT c.plain AND {asked}"
    changed = connection.exec_driver_sql(sql, values).fetchall()
    _take_out(connection, [(number, card, words) for number, card, words, _ in changed if number is not None])
    last = connection.exec_driver_sql("SELECT COALESCE(MAX(id), 0) FROM card_words_row").scalar_one()
    rows = [(last + place, card, words) for place, (_, card, _, words) in enumerate(changed, 1)]
    if rows:
        connection.exec_driver_sql("INSERT INTO card_words_row (id, card, words) VALUES (?, ?, ?)", rows)
        connection.exec_driver_sql("INSERT INTO card_words (rowid, card, words) VALUES (?, ?, ?)", rows)


def _take_out(connection: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
    """The index keeps no text of its own: it must be told what it was given."""
    if rows:
        connection.exec_driver_sql("INSERT INTO card_words (card_words, rowid, card, words) VALUES ('delete', ?, ?, ?)", list(rows))
        connection.exec_driver_sql("DELETE FROM card_words_row WHERE id = ?", [(number,) for number, *_ in rows])


def _write_tags(connection: Connection, asked: str, values: tuple[Any, ...]) -> None:
    """Tags that went and tags that came; those that stay are only looked at, which is quicker than writing them again."""
    told = set(connection.exec_driver_sql(f"SELECT LOWER(tag.value), c.id FROM card c, json_each(c.tags) tag WHERE c.tags <> '[]' AND {asked}", values).fetchall())
    known = set(connection.exec_driver_sql(f"SELECT t.tag, t.card FROM card c JOIN card_tag t ON t.card = c.id WHERE {asked}", values).fetchall())
    gone, came = [tuple(row) for row in known - told], [tuple(row) for row in told - known]
    if gone:
        connection.exec_driver_sql("DELETE FROM card_tag WHERE tag = ? AND card = ?", gone)
    if came:
        connection.exec_driver_sql("INSERT INTO card_tag (tag, card) VALUES (?, ?)", sorted(came))


def forget_words(session: Session, cards: Sequence[str]) -> None:
    """Take cards that are gone out of the index."""
    if not cards or word_index(session) is None:
        return
    connection = session.connection()
    rows = connection.exec_driver_sql("SELECT id, card, words FROM card_words_row WHERE card IN (SELECT value FROM json_each(?))", (json.dumps(list(cards)),))
    _take_out(connection, [tuple(row) for row in rows.fetchall()])  # type: ignore[misc]
    connection.exec_driver_sql("DELETE FROM card_tag WHERE card = ?", [(card,) for card in cards])


@dataclass(frozen=True, slots=True)
class WordIndex:
    session: Session

    def is_rare(self, words: str) -> bool:
        """Whether few cards hold these words; the index knows nothing shorter than three characters."""
        return len(words) >= 3 and _HOLDING.value(self.session, {"words": phrase(words), "few": FEW}) < FEW


def word_index(session: Session) -> WordIndex | None:
    """The index where there is one: on SQLite, once the content was followed."""
    there = session.connection().dialect.name == "sqlite" and _INDEXED.row(session, {})
    return WordIndex(session) if there else None


_INDEXED = Statement("SELECT 1 FROM sqlite_master WHERE name = 'card_tag'")
_HOLDING = Statement("SELECT COUNT(*) FROM (SELECT 1 FROM card_words WHERE card_words MATCH :words LIMIT :few)")

# --- finding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundCard:
    card: str
    topic: str
    phase: Phase
    due_day: int | None  # None for a new card
    recall: float | None
    stability: float
    difficulty: float
    lapses: int
    reps: int
    flag: int
    suspended: bool
    leech: bool
    misconception: bool


def find_cards(session: Session, *, learner: int, at: int, query: str, limit: int = 50, offset: int = 0) -> list[FoundCard]:
    """`limit` cards that the query finds, after the first `offset`: in the order in which they are found, which is quickest."""
    settings = read_settings(session, learner=learner)
    today = study_day(at, time_zone=settings.time_zone, rollover_hour=settings.rollover_hour)
    condition, values = compile_query(query, today=today, parameters=settings.parameters, index=word_index(session))
    sql = f"""SELECT lc.card, lc.topic, lc.state, lc.due_day, lc.last_day, lc.stability, lc.difficulty, lc.lapses, lc.reps, lc.flag,
        lc.suspended, lc.leech, lc.misconception FROM learner_card lc JOIN card c ON c.id = lc.card
        WHERE lc.learner = :learner AND lc.topic <> ''{f" AND {condition}" if condition else ""} LIMIT :limit OFFSET :offset"""
    rows = session.connection().execute(text(sql), {"learner": learner, "limit": limit, "offset": offset} | values).all()
    recalls = retrievability([row.stability for row in rows], [today - row.last_day for row in rows], settings.parameters).tolist()
    return [
        FoundCard(
            card=row.card, topic=row.topic, phase=Phase(row.state), due_day=row.due_day if row.state else None,
            recall=recall if row.state else None, stability=row.stability, difficulty=row.difficulty, lapses=row.lapses, reps=row.reps,
            flag=row.flag, suspended=bool(row.suspended), leech=bool(row.leech), misconception=bool(row.misconception),
        )
        for row, recall in zip(rows, recalls, strict=True)
    ]  # fmt: skip


def count_cards(session: Session, *, learner: int, at: int, query: str) -> int:
    """How many cards the query finds."""
    settings = read_settings(session, learner=learner)
    today = study_day(at, time_zone=settings.time_zone, rollover_hour=settings.rollover_hour)
    condition, values = compile_query(query, today=today, parameters=settings.parameters, index=word_index(session))
    sql = f"""SELECT COUNT(*) FROM learner_card lc JOIN card c ON c.id = lc.card
        WHERE lc.learner = :learner AND lc.topic <> ''{f" AND {condition}" if condition else ""}"""
    return session.connection().execute(text(sql), {"learner": learner} | values).scalar_one()
