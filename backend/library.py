"""The learner's own library: what comes in from outside, how it is taken back, and what goes out.

An importer (`backend/exchange/`) reads a path into plain records. Here the database is made to agree with them:

    plan_import(session, learner=, records=)            -> Plan     what would be made and why; writes nothing
    apply_import(session, learner=, records=, at=, ...) -> Report   in the caller's transaction: all of it or nothing
    import_records(engine, learner=, records=, at=, ..) -> Report   the same for any size: others can write meanwhile, and it can be cancelled
    undo_import(session, learner=, run=, at=)           -> str      takes an import back; what was learned since stays
    collect(session, learner=, cards=)                  -> Records  the way out

Cards are found again by their id, which begins with `my-` unless it is a shipped one's. A wording of the learner's own is
never overwritten: it is a conflict, shown side by side, and the incoming wording is taken only where the learner says so
(`theirs`). Many cards at once: `library_changes.py`. One card's wording: `revisions.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from backend import review, store
from backend.exchange.records import OWN, Cancelled, Progress, Records, Unreadable, quiet, uncollected
from backend.library_changes import Undone, delete_many, mark_many, move_many, tag_many, undo_last
from backend.library_export import collect, find_media
from backend.library_import import LIBRARY, MEANWHILE, WITHOUT_MADE, Import, Report
from backend.library_plan import Change, Plan, plan_import
from backend.library_undo import TAKING_BACK, Undoing, find_run
from backend.search_index import index_cards, index_topics
from backend.tables import Card, ImportRun, Indexed, Topic

__all__ = [
    "LIBRARY", "OWN", "Change", "Plan", "Report", "Undone", "apply_import", "collect", "delete_many", "find_media", "import_records", "index_pending", "list_imports",
    "mark_many", "move_many", "plan_import", "tag_many", "take_back", "take_back_unfinished", "undo_import", "undo_last",
]  # fmt: skip
NOTES_AT_ONCE, CARDS_AT_ONCE = 50, 300  # that the search takes in one transaction
OTHERS = 0.03  # seconds that others' turn lasts at most: who waits for SQLite's lock looks for it every 25 ms at first, and later every 100
BEAT = 5_000  # ms between two signs of life
STILL = 120_000  # ms without a sign of life after which an unfinished import has died


def apply_import(
    session: Session, *, learner: int, records: Records, at: int, chosen: Collection[str] | None = None, theirs: Collection[str] = (),
    progress: Progress = quiet,
) -> Report:  # fmt: skip
    """Make the database agree with the records, in the caller's transaction.

    `chosen`: the offered cards to take (None: all of them). `theirs`: conflicts in which the incoming wording wins.
    """
    review.follow_content(session, learner=learner, at=at)
    work = Import(session, learner=learner, records=records, at=at, chosen=chosen, theirs=theirs)
    work.refuse_others(session)
    for done, what, write in work.pieces():
        progress(done, work.size, what)
        write(session)
    work.close_run(session)
    index_topics(session)
    return work.report


@uncollected()
def import_records(
    engine: Engine, *, learner: int, records: Records, at: int, chosen: Collection[str] | None = None, theirs: Collection[str] = (),
    progress: Progress = quiet, clock: Callable[[], int] = store.now,
) -> Report:  # fmt: skip
    """`apply_import` in short transactions, so that nobody waits for long. When `progress` raises Cancelled, or anything fails,
    what was written is taken back before the error goes on. A large import leaves the search to `index_pending`."""
    take_back_unfinished(engine, learner=learner, at=clock())
    turns = _Turns(engine)
    with store.writing(engine) as session:
        review.follow_content(session, learner=learner, at=at)
    with store.reading(engine) as session:
        work = Import(session, learner=learner, records=records, at=at, chosen=chosen, theirs=theirs)
    if work.is_small:
        progress(0, work.size, "writing")
        with _meanwhile(), store.writing(engine) as session:
            work.refuse_others(session)
            for _, _, write in work.pieces():
                write(session)
            work.close_run(session)
            index_topics(session)
        return work.report
    with store.writing(engine) as session:
        work.refuse_others(session)
        run = work.open_run(session, beat=clock())
    try:
        for done, what, write in work.pieces():
            progress(done, work.size, what)
            with _meanwhile(), turns.writing() as session:
                _sign_of_life(session, run, clock())
                write(session)
        with turns.writing() as session:
            _sign_of_life(session, run, clock())
            work.close_run(session)
    except BaseException:
        take_back(engine, learner=learner, run=run, at=at)
        raise
    return work.report


class _Turns:
    """Short transactions one after the other, with a moment between them that is others' turn to write."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.begun, self.over = engine, 0.0, 0.0

    @contextmanager
    def writing(self) -> Iterator[Session]:
        now = time.monotonic()
        time.sleep(max(self.over + min(self.over - self.begun, OTHERS) - now, 0.0))
        with store.writing(self.engine) as session:
            self.begun = time.monotonic()
            yield session
        self.over = time.monotonic()


@contextmanager
def _meanwhile() -> Iterator[None]:
    """What was planned does not fit what is there now: somebody else has written in between."""
    try:
        yield
    except IntegrityError as problem:
        raise Unreadable(MEANWHILE) from problem


def index_pending(engine: Engine, *, progress: Progress = quiet) -> None:
    """Let the search find what a large import brought, in short transactions. Whatever stops it, the rest comes with the next sync."""
    with store.reading(engine) as session:
        known = set(session.exec(select(Indexed.topic)))
        topics = [slug for slug in session.exec(select(Topic.slug).where(col(Topic.owner).is_not(None))) if slug not in known]
        own = session.exec(select(Card.block, Card.topic, Card.owner).where(col(Card.owner).is_not(None), col(Card.orphaned_at).is_(None)))
        blocks = list(dict.fromkeys(block for block, topic, owner in own if f"{topic}#{owner}#{block}" not in known))
    turns = _Turns(engine)
    for items, index, at_once in ((topics, _index_some_topics, NOTES_AT_ONCE), (sorted(blocks), index_cards, CARDS_AT_ONCE)):
        for start in range(0, len(items), at_once):
            progress(start, len(items), "preparing the search")
            with turns.writing() as session:
                index(session, items[start : start + at_once])


def _index_some_topics(session: Session, slugs: list[str]) -> None:
    index_topics(session, only=slugs)


def _sign_of_life(session: Session, run: int, now: int) -> None:
    """Says that the import still runs; one that was taken back meanwhile, or is just being so, is over."""
    told = session.exec(select(ImportRun.report).where(ImportRun.id == run)).first()
    if told is None or "unfinished" not in told or TAKING_BACK in told:
        raise Cancelled("This import was taken back from elsewhere.")
    if now - told["unfinished"] > BEAT:  # not at every piece: what takes a large import back stands in the same row
        session.exec(update(ImportRun).where(col(ImportRun.id) == run).values(report={"unfinished": now}))  # type: ignore[call-overload]


def list_imports(session: Session, *, learner: int) -> list[ImportRun]:
    """Newest first."""
    runs = select(ImportRun).where(ImportRun.learner == learner).order_by(col(ImportRun.id).desc())
    return list(session.exec(runs.options(WITHOUT_MADE)))


def undo_import(session: Session, *, learner: int, run: int, at: int) -> str:
    """Take an import back: what it made goes, what it changed is as before. A card learned since is put aside with its history."""
    found = find_run(session, learner=learner, run=run)
    if isinstance(found, str):
        return found
    work = Undoing(session, learner=learner, run=found, at=at)
    for write in work.pieces():
        write(session)
    return work.words


def take_back(engine: Engine, *, learner: int, run: int, at: int) -> str:
    """`undo_import` in short transactions; begun again, it goes on where it stopped."""
    with store.reading(engine) as session:
        found = find_run(session, learner=learner, run=run)
        if isinstance(found, str):
            return found
        work = Undoing(session, learner=learner, run=found, at=at)
    turns = _Turns(engine)
    for write in work.pieces():
        with turns.writing() as session:
            write(session)
    return work.words


def take_back_unfinished(engine: Engine, *, learner: int, at: int) -> list[str]:
    """Take back imports that died in the middle, and say which."""
    with store.reading(engine) as session:
        dead = [(run.id, run.name) for run in unfinished_imports(session, learner=learner, at=at)]
    for run, _ in dead:
        assert run is not None
        take_back(engine, learner=learner, run=run, at=at)
    return [f"The import of {name} had been interrupted and was taken back; nothing of it is left." for _, name in dead]


def unfinished_imports(session: Session, *, learner: int, at: int) -> list[ImportRun]:
    """Imports that were begun, are not finished, and have given no sign of life for two minutes."""
    open_runs = session.exec(select(ImportRun).where(ImportRun.learner == learner, col(ImportRun.undone_at).is_(None)).options(WITHOUT_MADE))
    return [run for run in open_runs if "unfinished" in run.report and at - run.report["unfinished"] > STILL]
