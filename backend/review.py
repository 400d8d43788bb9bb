"""Review: what is due, what a grade does, and how it is undone.

The public door (`session` first, the rest by keyword; times are UTC milliseconds, `at` is always the present that the caller saw):

    follow_content(session, learner=, at=)                   after a sync or a change in the library: cards join, move and leave
    count_due(session, learner=, at=)          -> list[TrackCounts]   due, learning and new by track, limits applied in `today`
    plan_round(session, learner=, at=, scope=) -> Round      the cards of a sitting, in order, decided once; keep it in the session
    next_showings(session, learner=, at=, round=, after=, skip=, count=) -> list[Showing]   what to put on the table now: learning
                                               cards whose time has come, then `round.cards[after:]` (go on after `Showing.place`)
    showing_of(session, learner=, card=, at=)  -> Showing    one card on its own (inline in a note, or from a list)
    record_grade(session, learner=, card=, showing=, grade=, at=, duration=, confidence=, seed=, round=, promised=, cram=) -> Recorded
    undo(session, learner=, at=)               -> Undone | None      takes back the learner's last action, as often as wanted
    bury / suspend / flag(session, learner=, card=, at=, ...)  marks; each is an event and can be undone
    summarise_round(session, learner=, round=, at=) -> Summary  what to say at the end
    begin_anew(session, learner=, cards=, at=)               the cards are new again; what was learned of them stays in the log
    import_memory(session, learner=, card=, reviews=, at=, ...) -> bool   a memory from another program

One grade is one transaction: call `record_grade` inside `store.writing(engine)`; when that block ends without an error the
grade is on disk, with its event and the day's sums. A showing is a learner, a card and `Showing.number`, the count of that
card's events: `record_grade(showing=shown.number)` applies it once; any later or repeated call with the same number answers
`Recorded(status="stale")` and changes nothing. `Recorded.number` is the card's next number.

Elsewhere: `replan.py` moves many cards at once (new parameters, an exam date, a reschedule), `card_search.py` is the search
language, `replay.py` computes states from the log and checks them, `stats.py` adds up, `settings.py` holds what can be set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from backend.card_search import compile_query, index_words, word_index
from backend.memory import (
    HOUR_MS,
    MINUTE_MS,
    Grade,
    Memory,
    Outcome,
    Phase,
    choose_interval,
    fuzz_range,
    local_hour,
    outcomes,
    replay,
    seeded_shares,
    study_day,
    whole_interval,
)  # fmt: skip
from backend.replay import put_back, read_log, states_of
from backend.settings import Settings, change_setting, read_settings
from backend.statements import Statement
from backend.stats import add_to_day

Kind = Literal["due", "ahead", "cram", "missed", "flagged"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sitting is about. `query` is in the search language and narrows every kind ("track:attention -tag:hard").

    due: what the schedule asks for today.   ahead: review cards due in the next `days_ahead` days; grades count.
    cram: any card in the query, grades leave the schedule alone.   missed: cards forgotten today.   flagged: cards with a flag.
    The last two leave the schedule alone for cards that are not due.
    """

    kind: Kind = "due"
    query: str = ""
    days_ahead: int = 1
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One sitting, decided when it began: plain values, safe to keep in a session."""

    id: str
    scope: Scope
    day: int
    cards: tuple[str, ...]  # reviews and new cards in their order; learning cards come in by their own clock
    new: int
    reviews: int
    learning: int
    waiting: frozenset[str] = frozenset()  # learning cards that belong to it

    @property
    def total(self) -> int:
        return self.new + self.reviews + self.learning


@dataclass(frozen=True, slots=True)
class Interval:
    """What a grade's button promises: a wait within the day, or a number of study days."""

    wait: int | None  # ms
    days: int
    label: str  # "10 min", "3 d", "4.2 mo", "1.3 y"


@dataclass(frozen=True, slots=True)
class Showing:
    """A card as it may be put on the table now."""

    card: str
    number: int  # pass it back as `showing`
    phase: Phase
    topic: str
    seed: int  # for computed cards and for shuffling options; the same until this card's next event
    counts: bool  # False: grading will not move the schedule (pass cram=True)
    intervals: Mapping[Grade, Interval]
    recall: float | None  # the predicted chance of recall now; None for a new card
    lapses: int
    reps: int
    flag: int
    leech: bool
    misconception: bool  # its last miss was a confident one
    place: int | None = None  # where it stands in `Round.cards`; None for a learning card


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a grade. Stale: the showing had been graded or changed before; nothing was written."""

    status: Literal["recorded", "stale"]
    card: str
    number: int  # the card's next showing
    phase: Phase = Phase.NEW
    due_day: int = 0
    due_at: int | None = None
    leech: bool = False  # this grade made it a leech: it is put aside
    confident_miss: bool = False
    event: int | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back, for the notice and to put the card back on the table."""

    kind: str
    cards: tuple[str, ...]
    grade: Grade | None = None


@dataclass(frozen=True, slots=True)
class TrackCounts:
    track: str
    learning: int
    due: int
    new: int  # not started yet, all of them


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a sitting."""

    graded: int
    cards: int
    passed: int
    milliseconds: int
    retention: float | None  # of today's reviews of known cards
    hardest: tuple[str, ...] = field(default=())  # card ids, most misses first
    leeches: tuple[str, ...] = field(default=())
    due_tomorrow: int = 0
    next_wait: int | None = None  # ms until the next learning card of today, if one is waiting


class UnknownCard(ValueError):
    """There is no such card."""


LEARN_AHEAD = 20 * MINUTE_MS  # when nothing else is left, a learning card need not wait for the last of its minutes
PLACES = 10_000  # places for new cards in each topic
BROUGHT = "import"  # the round of marks that came with an import
SURE = 3  # confidence 1 guess, 2 think so, 3 sure


# --- content and cards -----------------------------------------------------------------------------------------------


def follow_content(session: Session, *, learner: int, at: int) -> None:
    """Bring the learner's cards in line with the content: new cards join in their order, moved ones move, orphaned ones rest.

    Content is what is shipped and what is in the learner's own library; what others bring into theirs is no concern of this one's.
    """
    content = _content_stamp(session, learner)
    if _STAMP.value(session, {"learner": learner}) == content:
        return
    _JOIN.run(session, {"learner": learner, "no": False, "today": today_of(read_settings(session, learner=learner), at)})
    _MOVE.run(session, {"learner": learner})
    place_new(session, learner=learner)
    index_words(session, learner=learner)
    _KEEP_STAMP.run(session, {"learner": learner, "stamp": content})


def note_followed(session: Session, *, learner: int) -> None:
    """Say that the learner's cards are in line with the content as it is now; for those who have just brought them there."""
    _KEEP_STAMP.run(session, {"learner": learner, "stamp": _content_stamp(session, learner)})


def follow_cards(session: Session, *, learner: int, cards: Sequence[str], reordered: bool) -> None:
    """The same for a few cards that have just moved or left. `reordered`: the topics stand in another order."""
    _MOVE_ONE.run(session, [{"learner": learner, "card": card} for card in cards])
    if reordered:
        place_new(session, learner=learner)
    else:
        order = {topic: place * PLACES for place, topic in enumerate(topics_in_order(session, learner=learner))}
        found = [(card, order.get(_HOME.value(session, {"learner": learner, "card": card}))) for card in cards]
        _PLACE_ONE.run(session, [{"learner": learner, "card": card, "place": place} for card, place in found if place is not None])


def place_new(session: Session, *, learner: int) -> None:
    """Give every new card its place in the order of the tracks."""
    order = enumerate(topics_in_order(session, learner=learner))
    _PLACE.run(session, [{"learner": learner, "topic": topic, "place": place * PLACES} for place, topic in order])


def _content_stamp(session: Session, learner: int) -> str:
    """Changes when a card or topic of the content joins, leaves, moves or is reworded. Whoever changes a card of their own library says
    so by `note_followed` or by joining or leaving; shipped ones change with their files."""
    values = {"learner": learner}
    told = [_TOPICS.rows(session, values), _CARDS.value(session, values), _ORPHANS.value(session, values), _FILES.rows(session, {})]
    return json.dumps(blake2b(repr(told).encode(), digest_size=12).hexdigest())


_CARDS = Statement("SELECT (SELECT COUNT(*) FROM card WHERE owner IS NULL) + (SELECT COUNT(*) FROM card WHERE owner = :learner)")
# The plus keeps SQLite from going through all cards by their owners: few are orphaned.
_ORPHANS = Statement("SELECT COUNT(*) FROM card WHERE orphaned_at IS NOT NULL AND (+owner IS NULL OR +owner = :learner)")
_FILES = Statement("SELECT path, sha FROM source_file ORDER BY path")
_STAMP = Statement("SELECT value FROM setting WHERE learner = :learner AND name = 'content'")
_KEEP_STAMP = Statement("""INSERT INTO setting (learner, name, value) VALUES (:learner, 'content', :stamp)
    ON CONFLICT (learner, name) DO UPDATE SET value = excluded.value""")
_JOIN = Statement("""
    INSERT INTO learner_card (learner, card, topic, state, step, stability, difficulty, due_day, last_day, reps, lapses, events,
                              suspended, leech, misconception, buried_day, flag, added_day)
    SELECT :learner, card.id, card.topic, 0, 0, 0, 0, 0, 0, 0, 0, 0, :no, :no, :no, 0, 0, :today FROM card
    WHERE card.orphaned_at IS NULL AND (card.owner IS NULL OR card.owner = :learner)
      AND NOT EXISTS (SELECT 1 FROM learner_card WHERE learner_card.learner = :learner AND learner_card.card = card.id)
""")
_STANDS = "COALESCE((SELECT card.topic FROM card WHERE card.id = learner_card.card AND card.orphaned_at IS NULL), '')"
_MOVE = Statement(f"UPDATE learner_card SET topic = {_STANDS} WHERE learner = :learner AND topic <> {_STANDS}")
_MOVE_ONE = Statement(f"UPDATE learner_card SET topic = {_STANDS} WHERE learner = :learner AND card = :card")
_HOME = Statement("SELECT topic FROM learner_card WHERE learner = :learner AND card = :card")
_PLACE_ONE = Statement("""UPDATE learner_card SET due_day = :place + (SELECT card.position FROM card WHERE card.id = learner_card.card)
    WHERE learner = :learner AND card = :card AND state = 0""")
_PLACE = Statement("""
    UPDATE learner_card SET due_day = :place + (SELECT card.position FROM card WHERE card.id = learner_card.card)
    WHERE learner = :learner AND suspended IN (0, 1) AND state = 0 AND topic = :topic
      AND due_day <> :place + (SELECT card.position FROM card WHERE card.id = learner_card.card)
""")


def topics_in_order(session: Session, *, learner: int) -> list[str]:
    """The learner's topics in the order of the tracks, each after the topics it needs."""
    needs = {slug: json.loads(wanted) if isinstance(wanted, str) else wanted for slug, wanted in _TOPICS.rows(session, {"learner": learner})}
    order: dict[str, None] = {}

    def visit(slug: str, above: tuple[str, ...]) -> None:
        if slug in order or slug in above:
            return
        for needed in needs[slug]:
            if needed in needs:
                visit(needed, (*above, slug))
        order[slug] = None

    for slug in needs:
        visit(slug, ())
    return list(order)


_TOPICS = Statement("SELECT slug, needs FROM topic WHERE owner IS NULL OR owner = :learner ORDER BY position, slug")


class _Row(NamedTuple):
    """A learner's card as it is stored."""

    card: str
    topic: str
    state: int
    step: int
    stability: float
    difficulty: float
    due_day: int
    due_at: int | None
    last_day: int
    reps: int
    lapses: int
    events: int
    suspended: bool
    leech: bool
    misconception: bool
    buried_day: int
    flag: int
    block: str

    @property
    def memory(self) -> Memory:
        return Memory(Phase(self.state), self.step, self.stability, self.difficulty, self.last_day)

    def is_due(self, today: int) -> bool:
        """Whether the schedule asks for it today."""
        hidden = self.suspended or self.buried_day == today or not self.topic
        return not hidden and (self.state == Phase.NEW or self.due_day <= today)


_ROW = "lc." + ", lc.".join(_Row._fields[:-1]) + ", c.block"
_ONE = Statement(f"SELECT {_ROW} FROM learner_card lc JOIN card c ON c.id = lc.card WHERE lc.learner = :learner AND lc.card = :card")


def _row(session: Session, *, learner: int, card: str, at: int) -> _Row:
    found = _ONE.row(session, {"learner": learner, "card": card})
    if found is None and _THERE.row(session, {"card": card}):
        follow_content(session, learner=learner, at=at)
        found = _ONE.row(session, {"learner": learner, "card": card})
    if found is None:
        raise UnknownCard(f"There is no card {card!r}.")
    return _Row._make(found)


_THERE = Statement("SELECT 1 FROM card WHERE id = :card")


def today_of(settings: Settings, at: int) -> int:
    """The learner's study day at this moment."""
    return study_day(at, time_zone=settings.time_zone, rollover_hour=settings.rollover_hour)


# --- what is due -----------------------------------------------------------------------------------------------------


def count_due(session: Session, *, learner: int, at: int) -> list[TrackCounts]:
    """Learning, due and new cards of every track, before the daily limits."""
    values = {"learner": learner, "today": today_of(read_settings(session, learner=learner), at), "no": False}
    learning, resting = (dict(found.rows(session, values)) for found in (_LEARNING_BY_TOPIC, _BURIED_NEW_BY_TOPIC))
    tracks: dict[str, TrackCounts] = {}
    for topic, track, due, new in _BY_TOPIC.rows(session, values):
        had = tracks.get(track, TrackCounts(track, 0, 0, 0))
        tracks[track] = TrackCounts(track, had.learning + learning.get(topic, 0), had.due + due, had.new + new - resting.get(topic, 0))
    return list(tracks.values())


_OPEN = "learner = :learner AND suspended = :no"
# One short walk of the index for each topic: counting by GROUP BY would sort every due card first.
_OF_TOPIC = f"SELECT COUNT(*) FROM learner_card WHERE {_OPEN} AND topic = slug"
_BY_TOPIC = Statement(f"""SELECT slug, track, ({_OF_TOPIC} AND state = 2 AND due_day <= :today AND buried_day <> :today),
    ({_OF_TOPIC} AND state = 0) FROM topic ORDER BY position, slug""")
_LEARNING_BY_TOPIC = Statement(f"""SELECT topic, COUNT(*) FROM learner_card
    WHERE {_OPEN} AND state IN (1, 3) AND due_day <= :today AND buried_day <> :today GROUP BY topic""")
_BURIED_NEW_BY_TOPIC = Statement(f"""SELECT topic, COUNT(*) FROM learner_card
    WHERE {_OPEN} AND buried_day > 0 AND buried_day = :today AND state = 0 GROUP BY topic""")


def plan_round(session: Session, *, learner: int, at: int, scope: Scope = Scope()) -> Round:
    """Decide a sitting: which cards, in which order, within the day's limits."""
    settings = read_settings(session, learner=learner)
    today = today_of(settings, at)
    choose = _Choice(session, learner, today, settings, scope)
    waiting = choose.learning() if scope.kind == "due" else []
    if scope.kind == "due":
        new_left, reviews_left = _left_today(session, learner=learner, today=today, settings=settings)
        reviews = choose.reviews(reviews_left)
        new = choose.new(new_left, taken={block for _, block in reviews})
        cards = _mix([card for card, _ in reviews], [card for card, _ in new], settings.mix)
        counts = len(new), len(reviews)
    else:
        cards = [card for card, _ in choose.others()]
        counts = 0, len(cards)
    cards = cards[: scope.limit] if scope.limit is not None else cards
    name = f"{learner}-{today}-{blake2b(f'{at}/{scope}'.encode(), digest_size=5).hexdigest()}"
    return Round(name, scope, today, tuple(cards), *counts, learning=len(waiting), waiting=frozenset(waiting))


def _left_today(session: Session, *, learner: int, today: int, settings: Settings) -> tuple[int, int]:
    """New cards and reviews that the day's limits still allow."""
    new_limit, review_limit = settings.limits(today)
    introduced, reviewed = 0, 0
    for measure, bucket, reviews, new in _DONE.rows(session, {"learner": learner, "today": today}):
        introduced += new if measure == "day" else 0
        reviewed += reviews if measure == "answer" and bucket.startswith(("young", "mature")) else 0
    return max(0, new_limit - introduced), max(0, review_limit - reviewed)


_DONE = Statement("SELECT measure, bucket, reviews, introduced FROM day_stat WHERE learner = :learner AND measure IN ('day', 'answer') AND day = :today")
_NO_SIBLING_TODAY = """ AND (c.block = c.id OR NOT EXISTS (
    SELECT 1 FROM card s JOIN learner_card ls ON ls.learner = lc.learner AND ls.card = s.id
    WHERE s.block = c.block AND s.id <> c.id AND ls.reps > 0 AND ls.last_day = :today))"""
_REVIEW_ORDERS = {
    "due": "lc.due_day, lc.card",
    "retrievability": "(:today - lc.last_day) / lc.stability DESC, lc.card",  # recall falls with elapsed / stability
    "overdue": "(:today - lc.due_day) * 1.0 / (lc.due_day - lc.last_day + 1) DESC, lc.card",
    "random": "lc.card",
}


@dataclass(frozen=True, slots=True)
class _Choice:
    """The cards from which a sitting is made. Each method gives (card, block) pairs in order."""

    session: Session
    learner: int
    today: int
    settings: Settings
    scope: Scope

    def learning(self) -> list[str]:
        return [card for card, _ in self._select("lc.state IN (1, 3) AND lc.due_day <= :today", "lc.due_at, lc.card")]

    def reviews(self, limit: int) -> list[tuple[str, str]]:
        return self._without_siblings("lc.state = 2 AND lc.due_day <= :today", self.settings.review_order, limit)

    def new(self, limit: int, *, taken: set[str]) -> list[tuple[str, str]]:
        return self._without_siblings("lc.state = 0", "random" if self.settings.new_order == "random" else "track", limit, taken)

    def others(self) -> list[tuple[str, str]]:
        if self.scope.kind == "ahead":
            found = self._select("lc.state = 2 AND lc.due_day > :today AND lc.due_day <= :until AND lc.last_day < :today", "lc.due_day, lc.card")
        elif self.scope.kind == "missed":
            missed = """EXISTS (SELECT 1 FROM event e WHERE e.learner = lc.learner AND e.card = lc.card AND e.day = :today AND e.grade = 1
                AND e.kind = 'grade' AND NOT EXISTS (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo'
                AND u.value = e.id))"""
            found = self._select(f"lc.last_day = :today AND lc.reps > 0 AND {missed}", "lc.last_at, lc.card")
        elif self.scope.kind == "flagged":
            found = self._select("lc.flag > 0", "lc.flag, lc.card")
        else:
            return self._shuffled(self._select("lc.state >= 0", "lc.card"))
        return found

    def _without_siblings(self, where: str, order: str, limit: int, taken: Iterable[str] = ()) -> list[tuple[str, str]]:
        """The first `limit` in the order, one of each block, none whose sibling was graded today."""
        bury = self.settings.bury_siblings
        by = _REVIEW_ORDERS.get(order, "lc.due_day, lc.card")
        every = order == "random"
        found = self._select(where + (_NO_SIBLING_TODAY if bury else ""), by, None if every else 4 * limit + 100)
        found = self._shuffled(found) if every else found
        seen = set(taken)
        kept: list[tuple[str, str]] = []
        for card, block in found:
            if len(kept) == limit:
                break
            if not bury or block not in seen:
                seen.add(block)
                kept.append((card, block))
        return kept

    def _shuffled(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        shares = seeded_shares(f"{self.learner}/{self.today}", max(1, len(found)))
        return [found[place] for place in shares[: len(found)].argsort()]

    def _select(self, where: str, order: str, limit: int | None = None) -> list[tuple[str, str]]:
        condition, values = compile_query(
            self.scope.query, today=self.today, parameters=self.settings.parameters, index=word_index(self.session)
        )
        hidden = "" if self.scope.kind in ("cram", "flagged") else " AND lc.suspended = :no AND lc.buried_day <> :today"
        sql = f"""SELECT lc.card, c.block FROM learner_card lc JOIN card c ON c.id = lc.card
            WHERE lc.learner = :learner AND lc.topic <> ''{hidden} AND {where}{f" AND {condition}" if condition else ""} ORDER BY {order}"""
        known = {"learner": self.learner, "today": self.today, "until": self.today + self.scope.days_ahead, "no": False}
        sql += f" LIMIT {int(limit)}" if limit is not None else ""
        wanted = {name: value for name, value in known.items() if f":{name}" in sql}
        return [(card, block) for card, block in self.session.connection().execute(text(sql), wanted | values)]


def _mix(reviews: list[str], new: list[str], how: str) -> list[str]:
    if how == "reviews first":
        return reviews + new
    if how == "new first":
        return new + reviews
    rank = [((place + 0.5) / len(cards), card) for cards in (reviews, new) for place, card in enumerate(cards)]
    return [card for _, card in sorted(rank, key=lambda pair: pair[0])]


# --- what to put on the table ----------------------------------------------------------------------------------------


def next_showings(
    session: Session, *, learner: int, at: int, round: Round, after: int = 0, skip: Iterable[str] = (), count: int = 1
) -> list[Showing]:
    """Up to `count` cards to show next: learning cards whose time has come, then the round from place `after` on.

    `skip` names cards that are on the table already. When the round is through, learning cards of the next twenty minutes come early.
    """
    settings = read_settings(session, learner=learner)
    today, skipped = today_of(settings, at), set(skip)
    clock = [(card, due) for card, due in _learning(session, learner=learner, today=today, round=round) if card not in skipped]
    found = [_row(session, learner=learner, card=card, at=at) for card, due in clock if due <= at][:count]
    places: dict[str, int] = {}
    seen = skipped | {row.card for row in found}
    for place in range(after, len(round.cards)):
        if len(found) >= count:
            break
        card = round.cards[place]
        if card in seen:
            continue
        row = _row(session, learner=learner, card=card, at=at)
        if _still_wanted(row, round, today):
            found.append(row)
            places[card] = place
    if not found:
        found = [_row(session, learner=learner, card=card, at=at) for card, due in clock if at < due <= at + LEARN_AHEAD][:count]
    return [_showing(session, row, learner=learner, at=at, settings=settings, scope=round.scope, place=places.get(row.card)) for row in found]


def _learning(session: Session, *, learner: int, today: int, round: Round) -> list[tuple[str, int]]:
    """Learning cards of today that belong to the round, with the moment at which each may come."""
    if round.scope.kind != "due":
        return []
    rows = _CLOCK.rows(session, {"learner": learner, "today": today, "no": False})
    if not round.scope.query:
        return [(card, due or 0) for card, due in rows]
    mine = round.waiting.union(round.cards)
    return [(card, due or 0) for card, due in rows if card in mine]


_CLOCK = Statement(f"""SELECT card, due_at FROM learner_card WHERE {_OPEN} AND state IN (1, 3) AND due_day <= :today
    AND buried_day <> :today AND topic <> '' ORDER BY due_at, card""")


def _still_wanted(row: _Row, round: Round, today: int) -> bool:
    """A card of the round may have been graded elsewhere, buried or suspended since the round was planned."""
    if round.scope.kind == "due":
        return row.is_due(today) and row.state in (Phase.NEW, Phase.REVIEW)
    hidden = row.suspended or row.buried_day == today or not row.topic
    if round.scope.kind == "ahead":
        return not hidden and row.state == Phase.REVIEW and row.last_day < today
    return bool(row.topic)


def showing_of(session: Session, *, learner: int, card: str, at: int) -> Showing:
    """One card on its own: a first exposure in a note, or a card picked from a list."""
    settings = read_settings(session, learner=learner)
    return _showing(session, _row(session, learner=learner, card=card, at=at), learner=learner, at=at, settings=settings, scope=Scope())


def _showing(session: Session, row: _Row, *, learner: int, at: int, settings: Settings, scope: Scope, place: int | None = None) -> Showing:
    today = max(today_of(settings, at), row.last_day)
    found = _outcomes(row, today, settings)
    days = _chosen_days(session, row, found, learner=learner, today=today, settings=settings)
    counts = scope.kind in ("due", "ahead") or (scope.kind in ("missed", "flagged") and row.is_due(today))
    return Showing(
        card=row.card, number=row.events, phase=Phase(row.state), topic=row.topic, seed=_seed(learner, row.card, row.events), counts=counts,
        intervals={grade: Interval(found[grade].wait, days[grade], interval_label(found[grade].wait, days[grade])) for grade in Grade},
        recall=found[Grade.GOOD].recall, lapses=row.lapses, reps=row.reps, flag=row.flag, leech=bool(row.leech),
        misconception=bool(row.misconception), place=place,
    )  # fmt: skip


def _seed(learner: int, card: str, number: int) -> int:
    """The seed of a showing: 48 bits, so that JavaScript keeps it whole."""
    return int.from_bytes(blake2b(f"{learner}/{card}/{number}".encode(), digest_size=6).digest(), "big")


def interval_label(wait: int | None, days: int) -> str:
    """How a button says it: 10 min, 3 d, 4.2 mo, 1.3 y."""
    if wait is not None:
        return f"{max(1, round(wait / MINUTE_MS))} min" if wait < HOUR_MS else f"{round(wait / HOUR_MS, 1):g} h"
    if days < 31:
        return f"{days} d"
    return f"{round(days / 30.4, 1):g} mo" if days < 365 else f"{round(days / 365.25, 1):g} y"


def _outcomes(row: _Row, today: int, settings: Settings) -> dict[Grade, Outcome]:
    return outcomes(
        row.memory, today=today, retention=settings.desired_retention, learning_steps=settings.learning_steps,
        relearning_steps=settings.relearning_steps, maximum=settings.maximum_interval, parameters=settings.parameters,
    )  # fmt: skip


def _chosen_days(
    session: Session, row: _Row, found: Mapping[Grade, Outcome], *, learner: int, today: int, settings: Settings, upto: Grade = Grade.EASY
) -> dict[Grade, int]:
    """The interval of each grade after fuzz and load balance; a better grade never comes back sooner."""

    def load(first: int, last: int) -> dict[int, int]:
        return dict(_LOAD.rows(session, {"learner": learner, "no": False, "first": first, "last": last}))

    def siblings(first: int, last: int) -> dict[int, int]:
        values = {"learner": learner, "block": row.block, "card": row.card, "first": first, "last": last}
        return dict(_SIBLINGS.rows(session, values))

    days: dict[Grade, int] = {}
    least = 0
    for grade in [grade for grade in Grade if grade <= upto]:
        outcome = found[grade]
        days[grade] = 0
        if outcome.wait is None:
            least = days[grade] = max(least, choose_interval(
                outcome.days, today=today, seed=f"{learner}/{row.card}/{row.events}", maximum=settings.maximum_interval, fuzz=settings.fuzz,
                load=load if settings.load_balance else None, siblings=siblings if row.block != row.card else None, easy_days=settings.easy_days,
            ))  # fmt: skip
    return days


_LOAD = Statement(f"SELECT due_day, COUNT(*) FROM learner_card WHERE {_OPEN} AND state = 2 AND due_day BETWEEN :first AND :last GROUP BY due_day")
_SIBLINGS = Statement("""SELECT lc.due_day, COUNT(*) FROM card s JOIN learner_card lc ON lc.card = s.id AND lc.learner = :learner
    WHERE s.block = :block AND s.id <> :card AND lc.state > 0 AND lc.due_day BETWEEN :first AND :last GROUP BY lc.due_day""")


# --- what a grade does -----------------------------------------------------------------------------------------------


def record_grade(
    session: Session,
    *,
    learner: int,
    card: str,
    showing: int,
    grade: int,
    at: int,
    duration: int | None = None,
    confidence: int | None = None,
    seed: int | None = None,
    round: str = "",
    promised: int | None = None,
    cram: bool = False,
) -> Recorded:
    """Apply one grade to one showing, with its event and the day's sums. `promised` is the interval the button showed, in days."""
    grade = Grade(grade)
    settings = read_settings(session, learner=learner)
    row = _row(session, learner=learner, card=card, at=at)
    if showing != row.events:
        return Recorded("stale", card, row.events, Phase(row.state), row.due_day, row.due_at)
    today = max(today_of(settings, at), row.last_day)
    event = {
        "learner": learner, "card": card, "seq": row.events, "at": at, "day": today,
        "hour": local_hour(at, time_zone=settings.time_zone), "topic": row.topic, "grade": int(grade), "before": row.state,
        "interval": row.due_day - (row.last_day if row.state else 0), "duration": duration, "confidence": confidence,
        "seed": seed, "round": round,
    }  # fmt: skip
    if cram:
        return _record_cram(session, row, event)
    found = _outcomes(row, today, settings)
    outcome = found[grade]
    miss = grade == Grade.AGAIN and confidence == SURE
    if outcome.wait is not None:
        due_at: int | None = at + (max(MINUTE_MS // 2, outcome.wait // 3) if miss else outcome.wait)  # a confident miss comes back sooner
        due_day = max(today, today_of(settings, due_at or 0))
    else:
        due_at, due_day = None, today + _kept_promise(session, row, found, grade, promised, learner=learner, today=today, settings=settings)
    lapses = row.lapses + (row.state == Phase.REVIEW and grade == Grade.AGAIN)
    leech = lapses > row.lapses and _is_leech(lapses, settings.leech_lapses)
    after = outcome.memory
    event |= {
        "kind": "grade", "value": int(leech), "state": int(after.phase), "step": after.step, "due_day": due_day, "due_at": due_at,
        "stability": after.stability, "difficulty": after.difficulty, "elapsed": today - row.last_day if row.state else None,
        "recall": None if outcome.recall is None else int(outcome.recall * 1_000_000),
    }  # fmt: skip
    number = append_event(session, event)
    _AFTER_GRADE.run(session, {
        "learner": learner, "card": card, "state": int(after.phase), "step": after.step, "stability": after.stability,
        "difficulty": after.difficulty, "due_day": due_day, "due_at": due_at, "last_day": today, "last_at": at, "lapses": lapses,
        "misconception": miss, "suspended": bool(row.suspended) or leech, "leech": bool(row.leech) or leech,
    })  # fmt: skip
    add_to_day(session, event)
    return Recorded("recorded", card, row.events + 1, after.phase, due_day, due_at, leech, miss, number)


def _kept_promise(
    session: Session, row: _Row, found: Mapping[Grade, Outcome], grade: Grade, promised: int | None, *, learner: int, today: int, settings: Settings
) -> int:
    """The interval that the button showed, as long as it is one this grade may give."""
    low, high = fuzz_range(found[grade].days, maximum=settings.maximum_interval) if settings.fuzz else (found[grade].days,) * 2
    if promised is not None and low <= promised <= high:
        return promised
    return _chosen_days(session, row, found, learner=learner, today=today, settings=settings, upto=grade)[grade]


def _is_leech(lapses: int, limit: int) -> bool:
    """At the limit, and again after every half of it."""
    return limit > 0 and lapses >= limit and (lapses - limit) % max(1, limit // 2) == 0


def _record_cram(session: Session, row: _Row, event: dict[str, Any]) -> Recorded:
    event["kind"] = "cram"
    number = append_event(session, event)
    _COUNT_EVENT.run(session, {"learner": event["learner"], "card": row.card})
    add_to_day(session, event)
    return Recorded("recorded", row.card, row.events + 1, Phase(row.state), row.due_day, row.due_at, event=number)


_EVENT_COLUMNS = (
    "learner", "card", "seq", "kind", "batch", "value", "at", "day", "hour", "topic", "grade", "state", "step", "due_day", "due_at",
    "stability", "difficulty", "before", "interval", "elapsed", "recall", "duration", "confidence", "seed", "round", "data",
)  # fmt: skip
_INSERT = f"INSERT INTO event ({', '.join(_EVENT_COLUMNS)}) VALUES ({', '.join(':' + name for name in _EVENT_COLUMNS)})"
_APPEND, _APPEND_MANY = Statement(_INSERT + " RETURNING id"), Statement(_INSERT)
_EMPTY: dict[str, Any] = dict.fromkeys(_EVENT_COLUMNS) | {"hour": 0, "topic": "", "round": "", "data": "{}"}
_AFTER_GRADE = Statement("""UPDATE learner_card SET state = :state, step = :step, stability = :stability, difficulty = :difficulty,
    due_day = :due_day, due_at = :due_at, last_day = :last_day, last_at = :last_at, reps = reps + 1, lapses = :lapses, events = events + 1,
    misconception = :misconception, suspended = :suspended, leech = :leech WHERE learner = :learner AND card = :card""")
_COUNT_EVENT = Statement("UPDATE learner_card SET events = events + 1 WHERE learner = :learner AND card = :card")


def append_event(session: Session, event: dict[str, Any]) -> int:
    """Append one event and give back its id; it says its learner, card, seq, kind, at and day."""
    return _APPEND.value(session, _EMPTY | event)


def append_many(session: Session, events: Sequence[dict[str, Any]]) -> None:
    """Append events that belong together."""
    _APPEND_MANY.run(session, [_EMPTY | event for event in events])


# --- memories from elsewhere -----------------------------------------------------------------------------------------


def import_memory(
    session: Session,
    *,
    learner: int,
    card: str,
    reviews: Sequence[tuple[int, int, int | None]],
    at: int,
    stability: float | None = None,
    difficulty: float | None = None,
    due_day: int | None = None,
) -> bool:
    """Give a new card the memory it has in another program: its reviews (at, grade, duration), and S, D and due day where known.

    A card with a memory of its own keeps it: the answer is False. What was imported is no action of the learner's, so undo passes it by.
    """
    settings = read_settings(session, learner=learner)
    row = _row(session, learner=learner, card=card, at=at)
    if row.state != Phase.NEW or not reviews:
        return False
    reviews = sorted(reviews)
    days = np.array([min(today_of(settings, when), today_of(settings, at)) for when, *_ in reviews], np.int64)
    grades = np.array([grade for _, grade, _ in reviews], np.int64)
    if stability is None or difficulty is None:
        S, D, _ = replay(np.zeros(len(days), np.int64), days, grades, settings.parameters)
        stability, difficulty = float(S[-1]), float(D[-1])
    last_day = int(days[-1])
    if due_day is None:
        due_day = last_day + int(whole_interval(stability, settings.desired_retention, settings.parameters, settings.maximum_interval))
    lapses = int(((grades == Grade.AGAIN) & (np.diff(days, prepend=days[0]) > 0)).sum())
    memory = {"state": 2, "due_day": due_day, "stability": stability, "difficulty": difficulty}
    brought = {"reps": len(reviews), "lapses": lapses, "reviews": [list(each) for each in reviews]}
    event = {"learner": learner, "card": card, "seq": row.events, "kind": "import", "at": reviews[-1][0], "day": last_day, "topic": row.topic, "step": 0}
    append_event(session, event | memory | {"data": json.dumps(brought)})
    _BRING.run(session, memory | {
        "learner": learner, "card": card, "last_day": last_day, "last_at": reviews[-1][0], "reps": len(reviews), "lapses": lapses,
    })  # fmt: skip
    return True


_BRING = Statement("""UPDATE learner_card SET state = :state, step = 0, stability = :stability, difficulty = :difficulty, due_day = :due_day,
    due_at = NULL, last_day = :last_day, last_at = :last_at, reps = reps + :reps, lapses = lapses + :lapses, events = events + 1
    WHERE learner = :learner AND card = :card""")


# --- marks -----------------------------------------------------------------------------------------------------------


def bury(session: Session, *, learner: int, card: str, at: int, buried: bool = True) -> None:
    """Hide a card until tomorrow."""
    day = today_of(read_settings(session, learner=learner), at)
    _mark(session, learner=learner, card=card, at=at, kind="bury", value=day if buried else 0)


def suspend(session: Session, *, learner: int, card: str, at: int, suspended: bool = True) -> None:
    """Put a card aside until it is taken back; taking it back ends its being a leech."""
    _mark(session, learner=learner, card=card, at=at, kind="suspend", value=int(suspended))


def flag(session: Session, *, learner: int, card: str, at: int, flag: int) -> None:
    """Give a card one of seven flags; 0 takes it away."""
    if not 0 <= flag <= 7:
        raise ValueError(f"A flag is a number from 0 (none) to 7, not {flag}.")
    _mark(session, learner=learner, card=card, at=at, kind="flag", value=flag)


_MARKS = {
    "bury": Statement("UPDATE learner_card SET buried_day = :value, events = events + 1 WHERE learner = :learner AND card = :card"),
    "suspend": Statement("""UPDATE learner_card SET suspended = :truth, leech = CASE WHEN :truth = :yes THEN leech ELSE :no END, events = events + 1
        WHERE learner = :learner AND card = :card"""),
    "flag": Statement("UPDATE learner_card SET flag = :value, events = events + 1 WHERE learner = :learner AND card = :card"),
}


def _mark(session: Session, *, learner: int, card: str, at: int, kind: str, value: int) -> None:
    row = _row(session, learner=learner, card=card, at=at)
    day = max(today_of(read_settings(session, learner=learner), at), row.last_day)
    event = {"learner": learner, "card": card, "seq": row.events, "kind": kind, "value": value, "at": at, "day": day, "topic": row.topic}
    append_event(session, event)
    values: dict[str, Any] = {"learner": learner, "card": card}
    values |= {"truth": bool(value), "yes": True, "no": False} if kind == "suspend" else {"value": value}
    _MARKS[kind].run(session, values)


def begin_anew(session: Session, *, learner: int, cards: Sequence[str], at: int) -> int:
    """Make cards new again, as one action: their grades stay in the log, their memory begins from nothing. Says how many there were."""
    rows = [_row(session, learner=learner, card=card, at=at) for card in dict.fromkeys(cards)]
    day = today_of(read_settings(session, learner=learner), at)
    started = [row for row in rows if row.state != Phase.NEW]
    batch: int | None = None
    for row in started:
        event = {"learner": learner, "card": row.card, "seq": row.events, "kind": "forget", "at": at, "day": max(day, row.last_day), "topic": row.topic}
        number = append_event(session, event | {"batch": batch, "before": row.state})
        batch = batch or number
    if started:
        log = read_log(session, learner=learner, cards=[row.card for row in started])
        put_back(session, states_of(log, read_settings(session, learner=learner).parameters), learner=learner)
        place_new(session, learner=learner)
    return len(started)


# --- undo ------------------------------------------------------------------------------------------------------------


def undo(session: Session, *, learner: int, at: int) -> Undone | None:
    """Take back the learner's last action that still stands; None when there is nothing left. The log keeps both."""
    found = _last_action(session, learner)
    if found is None:
        return None
    first, last = found
    events = _ACTION.rows(session, {"learner": learner, "first": first, "last": last})
    rows = [dict(zip(("id", *_EVENT_COLUMNS), event, strict=True)) for event in events]
    numbers = next_numbers(session, learner=learner, cards=[row["card"] for row in rows])
    day = today_of(read_settings(session, learner=learner), at)
    common = {"learner": learner, "kind": "undo", "batch": first, "at": at, "day": day}
    append_many(session, [common | {"card": row["card"], "seq": numbers[row["card"]], "value": row["id"]} for row in rows])
    for row in rows:
        if row["kind"] in ("grade", "cram"):
            add_to_day(session, row, sign=-1)
        elif row["kind"] == "parameters":
            told = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
            change_setting(session, learner=learner, name="parameters", value=told["before"])
    everything = any(row["kind"] == "parameters" for row in rows)
    log = read_log(session, learner=learner, cards=None if everything else [row["card"] for row in rows])
    put_back(session, states_of(log, read_settings(session, learner=learner).parameters), learner=learner)
    grade = rows[0]["grade"] if len(rows) == 1 and rows[0]["grade"] else None
    return Undone(rows[0]["kind"], tuple(row["card"] for row in rows if row["card"]), Grade(grade) if grade else None)


def last_action_at(session: Session, *, learner: int) -> int | None:
    """The moment of the learner's last action that still stands."""
    found = _last_action(session, learner)
    return _MOMENT.value(session, {"id": found[1]}) if found else None


_MOMENT = Statement("SELECT at FROM event WHERE id = :id")


def _last_action(session: Session, learner: int) -> tuple[int, int] | None:
    """The first and last event of the latest action that was not undone. An undo leads back past what it undid."""
    before = 1 << 62
    while True:
        found = _LATEST.row(session, {"learner": learner, "before": before})
        if found is None:
            return None
        number, kind, batch = found
        if kind == "undo":
            before = batch
        else:
            return (number if batch is None else batch), number


# An import may bring a hundred thousand events, which are no action of the learner's.
_OWN_DOING = f"kind <> 'import' AND round <> '{BROUGHT}'"
# The plus keeps SQLite from choosing an index by learner and sorting everything under it: the newest ids are at the end of the table.
# Nor is taking an import back; the first events that did so do not say it in their round, only by what they undo.
_TAKES_BACK = f"kind = 'undo' AND EXISTS (SELECT 1 FROM event b WHERE b.id = event.batch AND (b.kind = 'import' OR b.round = '{BROUGHT}'))"
_LATEST = Statement(f"""SELECT id, kind, batch FROM event
    WHERE +learner = :learner AND id < :before AND {_OWN_DOING} AND NOT ({_TAKES_BACK}) ORDER BY id DESC LIMIT 1""")
_ACTION = Statement(f"SELECT id, {', '.join(_EVENT_COLUMNS)} FROM event WHERE +learner = :learner AND id BETWEEN :first AND :last AND kind <> 'undo' AND {_OWN_DOING}")
_NUMBERS = Statement("SELECT card, events FROM learner_card WHERE learner = :learner")
_NUMBER = Statement("SELECT events FROM learner_card WHERE learner = :learner AND card = :card")
_NUMBER_OF_ALL = Statement("SELECT COALESCE(MAX(seq) + 1, 0) FROM event WHERE learner = :learner AND card = ''")


def next_numbers(session: Session, *, learner: int, cards: Sequence[str]) -> dict[str, int]:
    """The number that each card's next event gets; the empty name stands for the learner as a whole."""
    if len(cards) > 200:
        numbers: dict[str, int] = dict(_NUMBERS.rows(session, {"learner": learner}))
    else:
        numbers = {card: _NUMBER.value(session, {"learner": learner, "card": card}) for card in cards if card}
    if "" in cards:
        numbers[""] = _NUMBER_OF_ALL.value(session, {"learner": learner})
    return numbers


# --- the end of a sitting --------------------------------------------------------------------------------------------


def summarise_round(session: Session, *, learner: int, round: str, at: int) -> Summary:
    """What a sitting came to. `round` is `Round.id`."""
    today = today_of(read_settings(session, learner=learner), at)
    rows = _OF_ROUND.rows(session, {"learner": learner, "round": round, "today": today})
    misses: dict[str, int] = {}
    for card, grade, *_ in rows:
        misses[card] = misses.get(card, 0) + (grade == Grade.AGAIN)
    known = [grade for _, grade, before, _, _ in rows if before == Phase.REVIEW]
    waiting = _CLOCK.rows(session, {"learner": learner, "today": today, "no": False})
    tomorrow = _LOAD.rows(session, {"learner": learner, "no": False, "first": today + 1, "last": today + 1})
    return Summary(
        graded=len(rows), cards=len(misses), passed=sum(grade > Grade.AGAIN for _, grade, *_ in rows), milliseconds=sum(row[3] or 0 for row in rows),
        retention=sum(grade > Grade.AGAIN for grade in known) / len(known) if known else None,
        hardest=tuple(card for card, number in sorted(misses.items(), key=lambda pair: -pair[1])[:5] if number),
        leeches=tuple(card for card, _, _, _, leech in rows if leech == 1),
        due_tomorrow=sum(number for _, number in tomorrow), next_wait=min((max(0, (due or 0) - at) for _, due in waiting), default=None),
    )  # fmt: skip


_OF_ROUND = Statement("""SELECT card, grade, before, duration, value FROM event e
    WHERE learner = :learner AND day >= :today - 1 AND round = :round AND kind IN ('grade', 'cram') AND NOT EXISTS
    (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id) ORDER BY id""")
