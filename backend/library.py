"""The learner's own library: what comes in from outside, how it is taken back, and what goes out.

An importer (`backend/exchange/`) reads a path into plain records. Here the database is made to agree with them:

    plan_import(session, learner=, records=)          -> Plan     what would be made and why; writes nothing
    apply_import(session, learner=, records=, at=, ...) -> Report  one transaction: all of it or nothing
    undo_import(session, learner=, run=, at=)         -> str      takes an import back; what was learned since stays
    collect(session, learner=, cards=)                -> Records  the way out

Cards are found again by their id. A wording of the learner's own is never overwritten: it is a conflict, shown side by side,
and the incoming wording is taken only where the learner says so (`theirs`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
from sqlalchemy import insert
from sqlmodel import Session, col, delete, select

from backend import review
from backend.cards import Card as WrittenCard
from backend.cards import read_cards
from backend.deck import reword
from backend.exchange.records import CardRecord, Gap, MediaRecord, MemoryRecord, Progress, Records, ReviewRecord, TopicRecord, quiet
from backend.markup import Mistake
from backend.memory import day_begins, replay, study_days, whole_interval
from backend.notes import Note, read_note, slugify
from backend.questions import from_dict, to_dict
from backend.replay import put_back, read_log, states_of
from backend.search_index import index_topics
from backend.settings import Settings, read_settings
from backend.statements import Statement
from backend.sync import COMPUTED, _sha, card_row
from backend.tables import Card, ImportRun, LearnerCard, Media, Origin, Overlay, Revision, Section, Setting, Topic

LIBRARY = "library"  # the track of what learners brought in
PREFIX = "my-"  # their topics' slugs begin so, and can never meet one that is shipped later
LAST_PLACE = 1_000_000
BATCH = 500

Kind = Literal["new", "changed", "same", "conflict", "kept"]


@dataclass(frozen=True)
class Change:
    """One line of the preview."""

    kind: Kind
    what: Literal["topic", "card", "attachment"]
    id: str
    why: str = ""
    offered: bool = False
    before: str = ""  # what the learner has now
    after: str = ""  # what came


@dataclass
class Plan:
    """What an import would do. `records` have the names they would get here."""

    records: Records
    changes: list[Change]
    gaps: list[tuple[Gap, str]]  # and the topic of ours that fills each, "" when none does
    memories: int  # cards that would get a memory
    reviews: int

    def count(self, kind: Kind, what: str = "card") -> int:
        return sum(change.kind == kind and change.what == what for change in self.changes)

    @property
    def conflicts(self) -> list[Change]:
        return [change for change in self.changes if change.kind == "conflict"]


@dataclass
class Report:
    """What an import did."""

    run: int | None = None
    new: int = 0
    changed: int = 0
    same: int = 0
    kept: int = 0  # conflicts in which the learner's own wording stayed
    topics: int = 0
    media: int = 0
    memories: int = 0
    reviews: int = 0
    notices: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.new} new, {self.changed} changed, {self.same} unchanged cards"]
        parts += [f"{count} {what}" for count, what in ((self.topics, "topics"), (self.media, "attachments")) if count]
        if self.memories:
            parts.append(f"{self.memories} cards with what is remembered of them, {self.reviews} reviews")
        if self.kept:
            parts.append(f"{self.kept} conflicts left as they were")
        return "; ".join(parts) + "."


# --- what would happen ------------------------------------------------------------------------------------------------


def plan_import(session: Session, *, learner: int, records: Records) -> Plan:
    """Compare the records with the database."""
    here = _settle_names(session, learner, records)
    changes = [*_topic_changes(session, here), *_card_changes(session, learner, here), *_media_changes(session, learner, here)]
    known = dict(session.exec(select(LearnerCard.card, LearnerCard.state).where(LearnerCard.learner == learner)).all())
    told = [memory.card for memory in here.memories] + [each.card for each in here.reviews]
    fresh = {card for card in told if not known.get(card)}
    return Plan(here, changes, _filled(session, here.gaps), len(fresh), sum(each.card in fresh for each in here.reviews))


def _settle_names(session: Session, learner: int, records: Records) -> Records:
    """Slugs with the library's prefix; and names that another learner's library has already get our learner's number."""
    shipped = set(session.exec(select(Topic.slug).where(col(Topic.owner).is_(None))))
    owners = dict(session.exec(select(Topic.slug, Topic.owner).where(col(Topic.owner).is_not(None))).all())
    slugs: dict[str, str] = {}
    for slug in {topic.slug for topic in records.topics} | {card.topic for card in records.cards}:
        name = slug if slug in shipped or slug.startswith(PREFIX) else PREFIX + slug
        slugs[slug] = name if owners.get(name, learner) == learner else f"{name}-{learner}"
    others = set(session.exec(select(Card.block).where(col(Card.owner).is_not(None), Card.owner != learner)))
    taken = {card.id: f"{card.id}-{learner}" for card in records.cards if card.id in others}

    def shown(card: str) -> str:
        block, dot, gap = card.partition(".")
        return f"{taken[block]}{dot}{gap}" if block in taken else card

    cards = [replace(c.renamed(taken[c.id]) if c.id in taken else c, topic=slugs[c.topic]) for c in records.cards]
    return replace(
        records, topics=[replace(topic, slug=slugs[topic.slug]) for topic in records.topics], cards=cards,
        memories=[replace(m, card=shown(m.card)) for m in records.memories] if taken else records.memories,
        reviews=[replace(r, card=shown(r.card)) for r in records.reviews] if taken else records.reviews,
    )  # fmt: skip


def _topic_changes(session: Session, records: Records) -> Iterator[Change]:
    stored = {topic.slug: topic for topic in session.exec(select(Topic))}
    for topic in records.topics:
        old = stored.get(topic.slug)
        if old is None:
            yield Change("new", "topic", topic.slug, f"the note {topic.source or topic.title}", after=topic.text)
        elif old.text == topic.text:
            yield Change("same", "topic", topic.slug)
        elif old.owner is None:
            yield Change("kept", "topic", topic.slug, "a shipped note keeps its text; its cards can be worded your way", before=old.text, after=topic.text)
        else:
            yield Change("changed", "topic", topic.slug, "the note has changed", before=old.text, after=topic.text)


def _card_changes(session: Session, learner: int, records: Records) -> Iterator[Change]:
    stored = _blocks(session, [card.id for card in records.cards])
    overlays = {overlay.card: overlay for overlay in session.exec(select(Overlay).where(Overlay.learner == learner))}
    for record in records.cards:
        rows, came = stored.get(record.id), record.markdown
        if not rows:
            yield Change("new", "card", record.id, record.why, record.offered, after=came)
            continue
        mine = overlays[record.id].source if record.id in overlays else rows[0].source
        if mine.strip() == came.strip() or (record.id in overlays and came.strip() == overlays[record.id].base.strip()):
            back = any(row.orphaned_at for row in rows)
            yield Change("changed" if back else "same", "card", record.id, "it had left its note and comes back" if back else "", record.offered)
        elif rows[0].owner is None:
            yield Change("conflict", "card", record.id, "a shipped card in other words", record.offered, mine, came)
        elif record.id in overlays:
            yield Change("conflict", "card", record.id, "you worded it yourself, and the file changed too", record.offered, mine, came)
        else:
            yield Change("changed", "card", record.id, record.why or "the card has changed", record.offered, mine, came)


def _media_changes(session: Session, learner: int, records: Records) -> Iterator[Change]:
    known = dict(session.exec(select(Media.name, Media.sha).where(Media.learner == learner)).all())
    for media in records.media:
        had = known.get(media.name)
        kind: Kind = "new" if had is None else "same" if had == media.sha else "conflict"
        yield Change(kind, "attachment", media.name, f"{len(media.data):,} bytes", before=had or "", after=media.sha)


def _blocks(session: Session, names: Sequence[str]) -> dict[str, list[Card]]:
    found: dict[str, list[Card]] = defaultdict(list)
    for start in range(0, len(names), BATCH):
        for row in session.exec(select(Card).where(col(Card.block).in_(names[start : start + BATCH])).order_by(Card.id)):
            found[row.block].append(row)
    return found


def _filled(session: Session, gaps: Sequence[Gap]) -> list[tuple[Gap, str]]:
    """For each empty heading the shipped topic whose names share most words with it."""
    if not gaps:
        return []
    names = session.exec(select(Topic.slug, Topic.title, Topic.aliases).where(col(Topic.owner).is_(None))).all()
    words = [(slug, _words(name)) for slug, title, aliases in names for name in (title, slug.replace("-", " "), *aliases)]
    return [(gap, _nearest(_words(gap.heading), words)) for gap in gaps]


_FILLERS = set("a an and are as at be by can do does for from how in is it of on or the to use what when which why with you your".split())


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in slugify(text).split("-")} - _FILLERS - {""}


def _nearest(wanted: set[str], named: Sequence[tuple[str, set[str]]]) -> str:
    scored = [(len(wanted & words) / len(wanted | words), slug) for slug, words in named if wanted & words]
    score, slug = max(scored, default=(0.0, ""))
    return slug if score >= 0.4 else ""


# --- doing it -----------------------------------------------------------------------------------------------------------


def apply_import(
    session: Session,
    *,
    learner: int,
    records: Records,
    at: int,
    chosen: Collection[str] | None = None,
    theirs: Collection[str] = (),
    progress: Progress = quiet,
) -> Report:
    """Make the database agree with the records, in the caller's transaction.

    `chosen`: the offered cards to take (None: all of them). `theirs`: conflicts in which the incoming wording wins.
    """
    progress(0, 4, "comparing")
    plan = plan_import(session, learner=learner, records=records)
    taken = {c.id for c in plan.records.cards if not c.offered or chosen is None or c.id in chosen}
    done = _Doing(session, learner, at, Report(notices=list(records.notices)), set(theirs))
    progress(1, 4, "writing notes")
    done.write_topics(plan)
    progress(2, 4, "writing cards")
    done.write_cards(plan, taken)
    done.write_media(plan)
    session.flush()
    review.follow_content(session, learner=learner, at=at)
    progress(3, 4, "bringing memories")
    done.bring_memories(plan.records)
    progress(4, 4, "done")
    return done.close(records.name)


class _Doing:
    """One import while it happens: writes, and notes down what will take it back."""

    def __init__(self, session: Session, learner: int, at: int, report: Report, theirs: set[str]) -> None:
        self.session, self.learner, self.at, self.report, self.theirs = session, learner, at, report, theirs
        self.made: dict[str, list[Any]] = defaultdict(list)

    def write_topics(self, plan: Plan) -> None:
        kinds = {change.id: change.kind for change in plan.changes if change.what == "topic"}
        for topic in plan.records.topics:
            if kinds[topic.slug] in ("new", "changed"):
                self.write_topic(topic)
        for slug in dict.fromkeys(card.topic for card in plan.records.cards):
            if self.session.get(Topic, slug) is None:  # a deck without a note of its own
                title = slug.removeprefix(PREFIX).replace("-", " ").capitalize()
                self.write_topic(TopicRecord(slug, title, f"---\ntitle: {json.dumps(title, ensure_ascii=False)}\n---\n"))

    def write_topic(self, topic: TopicRecord) -> None:
        self.report.topics += 1
        note, mistakes = read_note(topic.text, slug=topic.slug, track=LIBRARY, path=topic.source or topic.slug)
        self.report.notices += [str(mistake) for mistake in mistakes if not _expected_outside(mistake)]
        row = self.session.get(Topic, topic.slug)
        if row is None:
            row = Topic(slug=topic.slug, track=LIBRARY, position=LAST_PLACE, title="", text="", sha="", owner=self.learner)
            self.made["topics"].append(topic.slug)
        else:
            self.made["topics_before"].append(row.model_dump())
            self.let_go(row.text, topic)
        row.title, row.text, row.sha = topic.title, topic.text, _sha(topic.text)
        if note:
            row.aliases, row.needs, row.labs, row.sources = list(note.aliases), list(note.needs), list(note.labs), list(note.sources)
            row.links = sorted({link.slug for link in note.links if link.slug})
            row.errata = [{"said": e.said, "right": e.right, "source": e.source, "section": e.section} for e in note.errata]
        self.session.add(row)
        self.session.flush()
        write_sections(self.session, topic.slug, note)

    def let_go(self, old: str, topic: TopicRecord) -> None:
        """Cards that stood in the note and do so no longer are orphaned, as `sync` does with shipped ones."""
        gone = {card.id for card in read_cards(old)[0]} - {card.id for card in read_cards(topic.text)[0]}
        for rows in _blocks(self.session, sorted(gone)).values():
            for row in rows:
                if row.owner == self.learner and row.topic == topic.slug and row.orphaned_at is None:
                    self.made["cards_before"].append(row.model_dump())
                    row.orphaned_at = self.at

    def write_cards(self, plan: Plan, taken: set[str]) -> None:
        kinds = {change.id: change for change in plan.changes if change.what == "card"}
        fresh: list[dict[str, Any]] = []
        origins: list[dict[str, Any]] = []
        known_origins = set(self.session.exec(select(Origin.card)))
        places: dict[str, int] = defaultdict(int)
        for record in plan.records.cards:
            if record.id not in taken:
                continue
            change = kinds[record.id]
            place = places[record.topic]
            places[record.topic] += 1
            if change.kind == "new":
                self.report.new += 1
                fresh += [row | {"position": place} for row in rows_of(record, owner=self.learner)]
            elif change.kind == "same":
                self.report.same += 1
            elif change.kind == "conflict" and record.id not in self.theirs:
                self.report.kept += 1
            else:
                self.report.changed += 1
                self.rewrite(record, place)
            if record.origin and record.id not in known_origins and change.kind in ("new", "same", "changed"):
                known_origins.add(record.id)
                origins.append({"card": record.id, "learner": self.learner, "data": record.origin})
        fresh = list({row["id"]: row for row in fresh}.values())
        if fresh:
            self.session.execute(insert(Card), fresh)
            self.made["cards"] += [row["id"] for row in fresh]
        if origins:
            self.session.execute(insert(Origin), origins)
            self.made["origins"] += [row["card"] for row in origins]

    def rewrite(self, record: CardRecord, place: int) -> None:
        rows = _blocks(self.session, [record.id])[record.id]
        overlay = self.session.get(Overlay, (self.learner, record.id))
        self.made["overlays_before"].append([record.id, overlay.model_dump() if overlay else None])
        if rows[0].owner is None:
            problems = reword(self.session, learner=self.learner, card=rows[0].id, source=record.markdown, at=self.at)
            self.report.notices += [f"{record.id}: {problem}" for problem in problems]
            return
        if overlay:
            self.session.delete(overlay)
        old = {row.id: row for row in rows}
        for values in rows_of(record, owner=self.learner):
            row = old.pop(values["id"], None)
            if row is None:
                self.session.add(Card(**values, position=place))
                self.made["cards"].append(values["id"])
                continue
            self.made["cards_before"].append(row.model_dump())
            self.session.add(Revision(card=row.id, learner=self.learner, at=self.at, before=row.source, after=values["source"]))
            for name, value in values.items():
                setattr(row, name, value)
            row.orphaned_at = None
        for row in old.values():
            self.made["cards_before"].append(row.model_dump())
            row.orphaned_at = self.at

    def write_media(self, plan: Plan) -> None:
        kinds = {change.id: change.kind for change in plan.changes if change.what == "attachment"}
        for media in plan.records.media:
            row = self.session.get(Media, (self.learner, media.name))
            if kinds[media.name] == "same" or (row and media.name not in self.theirs):
                self.report.kept += kinds[media.name] == "conflict"
                continue
            if row:
                self.report.notices.append(f"the attachment {media.name} was replaced")
                self.session.delete(row)
                self.session.flush()
            self.session.add(Media(learner=self.learner, name=media.name, sha=media.sha, data=media.data))
            self.made["media"].append(media.name)
            self.report.media += 1

    def bring_memories(self, records: Records) -> None:
        brought, reviews, kept = bring_memories(self.session, learner=self.learner, records=records, at=self.at)
        self.made["memories"] = brought
        self.report.memories, self.report.reviews = len(brought), reviews
        if kept:
            self.report.notices.append(f"{kept} cards have a memory of their own here and keep it")

    def close(self, name: str) -> Report:
        index_topics(self.session)
        told = {key: value for key, value in self.report.__dict__.items() if key not in ("run", "notices")}
        told["notices"] = self.report.notices[:200]
        run = ImportRun(learner=self.learner, at=self.at, name=name, report=told, made=dict(self.made))
        self.session.add(run)
        self.session.flush()
        self.report.run = run.id
        return self.report


def _expected_outside(mistake: Mistake) -> bool:
    """Notes from elsewhere have their own front matter, and links to notes that did not come along."""
    return mistake.expected.startswith(("front matter with a title", "title, aliases", "a title in the front")) or " as a list, [" in mistake.expected


def write_sections(session: Session, slug: str, note: Note | None) -> None:
    stored = {section.anchor: section for section in session.exec(select(Section).where(Section.topic == slug))}
    for position, section in enumerate(note.sections if note else ()):
        row = stored.pop(section.anchor, None) or Section(
            topic=slug, anchor=section.anchor, position=0, heading="", markdown="", plain="", start=0, end=0, sha=""
        )
        row.position, row.heading, row.markdown, row.plain = position, " > ".join(section.path), section.markdown, section.plain
        row.start, row.end, row.sha = section.start, section.end, _sha(f"{row.heading}\n{section.plain}")
        session.add(row)
    for row in stored.values():
        session.delete(row)
    session.flush()


def rows_of(record: CardRecord, *, owner: int) -> list[dict[str, Any]]:
    """The card's rows, one for each showing."""
    source = record.markdown
    rows = []
    for name, question in record.questions():
        if record.plain is not None:
            rows.append({
                "id": name, "block": record.id, "topic": record.topic, "section": record.card.section, "form": question.form.value, "source": source,
                "question": to_dict(question), "aka": list(record.card.aka), "tags": list(record.card.tags), "plain": record.plain,
                "sha": _sha(source), "owner": owner,
            })  # fmt: skip
            continue
        shown = replace(record.card, id=name, question=question)
        row = card_row(shown, block=record.id, source=source, topic=record.topic, owner=owner).model_dump()
        del row["orphaned_at"], row["position"]
        rows.append(row)
    return rows


# --- memories -------------------------------------------------------------------------------------------------------------


def bring_memories(session: Session, *, learner: int, records: Records, at: int) -> tuple[list[str], int, int]:
    """Give new cards the memory they have elsewhere. Which cards got one, with how many reviews, and how many had one already."""
    told = {memory.card: memory for memory in records.memories}
    logs: dict[str, list[ReviewRecord]] = defaultdict(list)
    for each in records.reviews:
        if each.at <= at:
            logs[each.card].append(each)
    standing = {card: (state, events, topic) for card, state, events, topic in _STANDING.rows(session, {"learner": learner})}
    settings = read_settings(session, learner=learner)
    wanted = [card for card in dict.fromkeys([*told, *logs]) if card in standing]
    fresh = [card for card in wanted if standing[card][0] == 0 and (logs.get(card) or _is_remembered(told.get(card)))]
    kept = sum(standing[card][0] != 0 for card in wanted)
    events, states, count = [], [], 0
    for card, memory in _memories(fresh, told, logs, settings, at):
        _, seq, topic = standing[card]
        count += len(logs[card])
        events.append(memory.pop("event") | {"learner": learner, "card": card, "seq": seq, "kind": "import", "topic": topic, "step": 0})
        states.append(memory | {"learner": learner, "card": card})
    review.append_many(session, events)
    _BRING.run(session, states)
    _bring_marks(session, learner, [told[card] for card in wanted if card in told], standing, set(fresh), at, settings)
    return list(fresh), count, kept


def _is_remembered(memory: MemoryRecord | None) -> bool:
    return memory is not None and (memory.stability is not None or memory.interval > 0)


def _memories(
    cards: Sequence[str], told: dict[str, MemoryRecord], logs: dict[str, list[ReviewRecord]], settings: Settings, at: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each card what its row and its one event must say. All logs are replayed at once."""
    for card in cards:
        logs[card].sort(key=lambda each: each.at)
    ats = np.array([each.at for card in cards for each in logs[card]], np.int64)
    grades = np.array([each.grade for card in cards for each in logs[card]], np.int64)
    which = np.repeat(np.arange(len(cards)), [len(logs[card]) for card in cards])
    zone, rollover = settings.time_zone, settings.rollover_hour
    days = study_days(ats, time_zone=zone, rollover_hour=rollover) if len(ats) else ats
    today = review.today_of(settings, at)
    S, D, _ = replay(which, days, grades, settings.parameters)
    again = (grades == 1) & (np.diff(days, prepend=days[:1]) > 0) & np.r_[False, which[1:] == which[:-1]] if len(ats) else np.zeros(0, bool)
    end = 0
    for card in cards:
        log, memory = logs[card], told.get(card) or MemoryRecord(card)
        start, end = end, end + len(log)
        if log:
            last_day, last_at, stability, difficulty = int(days[end - 1]), log[-1].at, float(S[end - 1]), float(D[end - 1])
        else:
            last_day = min((memory.due_day if memory.due_day is not None else today) - memory.interval, today)
            last_at = min(day_begins(last_day, time_zone=zone, rollover_hour=rollover), at)
            stability, difficulty = sm2_memory(memory.interval, memory.ease or 2.5, settings.parameters)
        if memory.stability is not None and memory.difficulty is not None:
            stability, difficulty = memory.stability, memory.difficulty
        due = memory.due_day
        if due is None:
            due = last_day + int(whole_interval(stability, settings.desired_retention, settings.parameters, settings.maximum_interval))
        reps, lapses = max(memory.reps, len(log)), max(memory.lapses, int(again[start:end].sum()))
        state = {"state": 2, "due_day": due, "stability": stability, "difficulty": difficulty}
        data = {"reps": reps, "lapses": lapses, "reviews": [[each.at, each.grade, each.duration, *each.more] for each in log]}
        event = state | {"at": last_at, "day": last_day, "data": json.dumps(data, separators=(",", ":"))}
        yield card, state | {"last_day": last_day, "last_at": last_at, "reps": reps, "lapses": lapses, "event": event}


def sm2_memory(interval: int, ease: float, w: Sequence[float]) -> tuple[float, float]:
    """Stability and difficulty that fit an SM-2 card: the interval is taken for the time to 90 %, the ease for how it grows."""
    stability = float(max(interval, 0.1))
    growth = exp(w[8]) * stability ** -w[9] * (exp(0.1 * w[10]) - 1.0)
    return stability, float(min(max(11.0 - (ease - 1.0) / growth, 1.0), 10.0))


def _bring_marks(
    session: Session, learner: int, memories: Iterable[MemoryRecord], standing: dict[str, tuple], fresh: set[str], at: int, settings: Settings
) -> None:
    """Suspended cards and flags of cards that are new here."""
    day = review.today_of(settings, at)
    batch = None
    for memory in memories:
        state, seq, topic = standing[memory.card]
        if state or (seq and memory.card not in fresh):
            continue
        seq += memory.card in fresh
        for kind, value in (("suspend", int(memory.suspended)), ("flag", memory.flag)):
            if value:
                event = {"learner": learner, "card": memory.card, "seq": seq, "kind": kind, "value": value, "at": at, "day": day, "topic": topic}
                number = review.append_event(session, event | {"batch": batch})
                batch = batch or number
                seq += 1
                _MARK[kind].run(session, {"learner": learner, "card": memory.card, "value": value, "truth": True})


_STANDING = Statement("SELECT card, state, events, topic FROM learner_card WHERE learner = :learner")
_BRING = Statement("""UPDATE learner_card SET state = :state, step = 0, stability = :stability, difficulty = :difficulty, due_day = :due_day,
    due_at = NULL, last_day = :last_day, last_at = :last_at, reps = reps + :reps, lapses = lapses + :lapses, events = events + 1
    WHERE learner = :learner AND card = :card""")
_MARK = {
    "suspend": Statement("UPDATE learner_card SET suspended = :truth, events = events + 1 WHERE learner = :learner AND card = :card"),
    "flag": Statement("UPDATE learner_card SET flag = :value, events = events + 1 WHERE learner = :learner AND card = :card"),
}


# --- taking it back -----------------------------------------------------------------------------------------------------


def list_imports(session: Session, *, learner: int) -> list[ImportRun]:
    """Newest first."""
    return list(session.exec(select(ImportRun).where(ImportRun.learner == learner).order_by(col(ImportRun.id).desc())))


def undo_import(session: Session, *, learner: int, run: int, at: int) -> str:
    """Take an import back: what it made goes, what it changed is as before. A card learned since is put aside with its history."""
    row = session.get(ImportRun, run)
    if row is None or row.learner != learner:
        return "There is no such import."
    if row.undone_at is not None:
        return "This import was taken back before."
    made = defaultdict(list, row.made)
    used = {card for (card,) in _USED.rows(session, {})}
    learned = used & set(made["cards"])
    _forget_memories(session, learner, [card for card in made["memories"] if card not in used], at)
    gone = [card for card in made["cards"] if card not in learned]
    for sql in (_NO_EVENTS, _NO_MEMORY, _NO_CARD):
        sql.run(session, [{"card": card, "learner": learner} for card in gone])
    _ORPHAN.run(session, [{"card": card, "at": at} for card in learned])
    _NO_ORIGIN.run(session, [{"card": card} for card in made["origins"]])
    session.expire_all()
    for before in made["cards_before"][::-1]:
        card = session.get(Card, before["id"])
        if card:
            session.add(Revision(card=card.id, learner=learner, at=at, before=card.source, after=before["source"]))
            for name, value in before.items():
                setattr(card, name, value)
    for block, overlay in made["overlays_before"]:
        session.exec(delete(Overlay).where(col(Overlay.learner) == learner, col(Overlay.card) == block))  # type: ignore[call-overload]
        if overlay:
            session.add(Overlay(**overlay))
    for name in made["media"]:
        session.exec(delete(Media).where(col(Media.learner) == learner, col(Media.name) == name))  # type: ignore[call-overload]
    _restore_topics(session, made)
    row.undone_at = at
    session.flush()
    session.exec(delete(Setting).where(col(Setting.learner) == learner, col(Setting.name) == "content"))  # type: ignore[call-overload]
    review.follow_content(session, learner=learner, at=at)
    index_topics(session)
    stayed = f"; {len(learned)} cards that you have learned since are put aside with their history" if learned else ""
    return f"Taken back: {len(gone)} cards and {len(made['topics'])} topics are gone, {len(made['cards_before'])} cards are as before{stayed}."


def _forget_memories(session: Session, learner: int, cards: Sequence[str], at: int) -> None:
    """The imported memories of cards that were there before: another event says that they no longer count."""
    if not cards:
        return
    there = dict(_IMPORTS.rows(session, {"learner": learner}))
    numbers = review.next_numbers(session, learner=learner, cards=[card for card in cards if card in there])
    day = review.today_of(read_settings(session, learner=learner), at)
    events = [
        {"learner": learner, "card": card, "seq": numbers[card], "kind": "undo", "batch": there[card], "value": there[card], "at": at, "day": day}
        for card in cards if card in there
    ]  # fmt: skip
    review.append_many(session, events)
    log = read_log(session, learner=learner, cards=list(cards))
    put_back(session, states_of(log, read_settings(session, learner=learner).parameters), learner=learner)


def _restore_topics(session: Session, made: dict[str, list[Any]]) -> None:
    for before in made["topics_before"]:
        topic = session.get(Topic, before["slug"])
        if topic:
            for name, value in before.items():
                setattr(topic, name, value)
            session.flush()
            write_sections(session, topic.slug, read_note(topic.text, slug=topic.slug, track=topic.track, path=topic.slug)[0])
    for slug in made["topics"]:
        topic = session.get(Topic, slug)
        if topic:
            session.exec(delete(Section).where(col(Section.topic) == slug))  # type: ignore[call-overload]
            session.delete(topic)


_USED = Statement("""SELECT DISTINCT card FROM event WHERE kind IN ('grade', 'cram') UNION SELECT card FROM answer UNION SELECT card FROM overlay""")
_IMPORTS = Statement("SELECT card, MAX(id) FROM event WHERE learner = :learner AND kind = 'import' GROUP BY card")
_NO_EVENTS = Statement("DELETE FROM event WHERE card = :card AND learner = :learner")
_NO_MEMORY = Statement("DELETE FROM learner_card WHERE learner = :learner AND card = :card")
_NO_CARD = Statement("DELETE FROM card WHERE id = :card AND owner = :learner")
_NO_ORIGIN = Statement("DELETE FROM origin WHERE card = :card")
_ORPHAN = Statement("UPDATE card SET orphaned_at = :at WHERE id = :card")


# --- the way out ----------------------------------------------------------------------------------------------------------


def collect(session: Session, *, learner: int, cards: Collection[str] | None = None, name: str = "") -> Records:
    """The learner's cards (all, or those with these ids) in their own wording, with their notes, attachments, memories and reviews."""
    wanted = None if cards is None else set(cards)
    mine = (col(Card.owner).is_(None) | (Card.owner == learner)) & col(Card.orphaned_at).is_(None)
    overlays = {overlay.card: overlay.source for overlay in session.exec(select(Overlay).where(Overlay.learner == learner))}
    origins = dict(session.exec(select(Origin.card, Origin.data).where(Origin.learner == learner)).all())
    records, seen, computed, ids = Records(name), set(), 0, set()
    for row in session.exec(select(Card).where(mine).order_by(Card.topic, col(Card.position), Card.id)):
        if wanted is not None and row.id not in wanted:
            continue
        ids.add(row.id)
        if row.form == COMPUTED:
            computed += 1
        elif row.block not in seen:
            seen.add(row.block)
            records.cards.append(_record_of(row, overlays.get(row.block), dict(origins.get(row.block, {}))))
    topics = {record.topic for record in records.cards}
    for topic in session.exec(select(Topic).where(col(Topic.owner).is_(None) | (Topic.owner == learner)).order_by(col(Topic.position), Topic.slug)):
        if topic.slug in topics or (wanted is None and topic.owner == learner):
            records.topics.append(TopicRecord(topic.slug, topic.title, topic.text, topic.slug))
    records.media = [MediaRecord(media.name, media.data) for media in session.exec(select(Media).where(Media.learner == learner).order_by(Media.name))]
    records.memories, records.reviews = _collect_memories(session, learner, ids)
    if computed:
        records.notices.append(f"{computed} cards are computed afresh by labs and have no fixed text; only what you remember of them can leave")
    return records


def _record_of(row: Card, overlay: str | None, origin: dict[str, Any]) -> CardRecord:
    if overlay:
        read, _ = read_cards(overlay)
        if read and read[0].id == row.block:
            return CardRecord(replace(read[0], section=row.section), row.topic, overlay, origin=origin)
    question = replace(from_dict(row.question), gap=0)
    return CardRecord(WrittenCard(row.block, question, tuple(row.aka), tuple(row.tags), section=row.section), row.topic, row.source, origin=origin)


def _collect_memories(session: Session, learner: int, ids: set[str]) -> tuple[list[MemoryRecord], list[ReviewRecord]]:
    memories, reviews = [], []
    rows = session.exec(select(LearnerCard).where(LearnerCard.learner == learner).order_by(LearnerCard.card))
    for row in rows:
        if row.card in ids and (row.state or row.suspended or row.flag):
            started = row.state > 0
            memories.append(MemoryRecord(
                row.card, row.due_day if started else None, row.stability if started else None, row.difficulty if started else None,
                max(row.due_day - row.last_day, 0) if started else 0, 0.0, row.suspended, row.flag, row.lapses, row.reps,
            ))  # fmt: skip
    undone = {value for (value,) in _UNDONE.rows(session, {"learner": learner})}
    for number, card, kind, at, grade, duration, data in _LOG.rows(session, {"learner": learner}):
        if card not in ids or number in undone:
            continue
        if kind == "grade":
            reviews.append(ReviewRecord(card, at, grade, duration or 0))
        else:
            told = json.loads(data) if isinstance(data, str) else data
            reviews += [ReviewRecord(card, when, each, spent or 0, tuple(more)) for when, each, spent, *more in told.get("reviews", ())]
    return memories, reviews


_UNDONE = Statement("SELECT value FROM event WHERE learner = :learner AND kind = 'undo'")
_LOG = Statement("""SELECT id, card, kind, at, grade, duration, CASE WHEN kind = 'import' THEN data END FROM event
    WHERE learner = :learner AND kind IN ('grade', 'import') ORDER BY card, seq""")


def find_media(session: Session, *, learner: int, markdown: str) -> list[MediaRecord]:
    """The attachments that a text shows: by the name it uses, or by the file's name alone when that is unmistakable."""
    wanted = [unquote(name or wiki).split("|")[0].strip() for name, wiki in _SHOWN.findall(markdown)]
    names = list(session.exec(select(Media.name).where(Media.learner == learner))) if wanted else []
    found = []
    for name in dict.fromkeys(wanted):
        alike = [each for each in names if each == name] or [each for each in names if each.rpartition("/")[2] == name.rpartition("/")[2]]
        row = session.get(Media, (learner, alike[0])) if len(alike) == 1 else None
        if row:
            found.append(MediaRecord(row.name, row.data))
    return found


_SHOWN = re.compile(r"!\[[^\]\n]{0,500}\]\(<?([^)>\n]{1,500})>?\)|!\[\[([^\]\n]{1,500})\]\]")


# --- many cards at once ---------------------------------------------------------------------------------------------------


def mark_many(session: Session, *, learner: int, cards: Sequence[str], kind: Literal["suspend", "flag"], value: int, at: int) -> int:
    """Suspend (1) or resume (0), or flag (0 to 7), as one action: `review.undo` takes all of it back. Says how many changed."""
    day = review.today_of(read_settings(session, learner=learner), at)
    column = {"suspend": LearnerCard.suspended, "flag": LearnerCard.flag}[kind]
    batch: int | None = None
    changed = 0
    for start in range(0, len(cards), BATCH):
        here = col(LearnerCard.card).in_(cards[start : start + BATCH])
        rows = session.exec(select(LearnerCard.card, LearnerCard.events, LearnerCard.topic, LearnerCard.last_day, column).where(LearnerCard.learner == learner, here))  # type: ignore[call-overload]
        for card, seq, topic, last_day, now in rows.all():
            if int(now) == value:
                continue
            event = {"learner": learner, "card": card, "seq": seq, "kind": kind, "value": value, "at": at, "day": max(day, last_day), "topic": topic}
            number = review.append_event(session, event | {"batch": batch})
            batch = batch or number
            changed += 1
            _SET[kind].run(session, {"learner": learner, "card": card, "value": value, "truth": bool(value), "no": False, "yes": True})
    return changed


_SET = {
    "suspend": Statement("""UPDATE learner_card SET suspended = :truth, leech = CASE WHEN :truth = :yes THEN leech ELSE :no END, events = events + 1
        WHERE learner = :learner AND card = :card"""),
    "flag": _MARK["flag"],
}


def tag_many(session: Session, *, learner: int, cards: Sequence[str], tag: str, remove: bool, at: int) -> str:
    """Give a tag to cards of the learner's own library, or take it away: an import of its own, which can be taken back."""
    tag = "-".join(tag.replace(";", " ").replace(",", " ").split())
    if not tag:
        return "Say which tag."
    records = collect(session, learner=learner, cards=cards, name=f"{'without' if remove else 'with'} the tag {tag}")
    own = set(session.exec(select(Card.block).where(Card.owner == learner)))
    changed = [_tagged(record, tag, remove) for record in records.cards if record.id in own and (tag in record.card.tags) == remove]
    if changed:
        wanted = Records(records.name, cards=changed)
        apply_import(session, learner=learner, records=wanted, at=at, theirs={record.id for record in changed})
    shipped = len(records.cards) - sum(record.id in own for record in records.cards)
    left = f" {shipped} shipped cards keep their tags." if shipped else ""
    return f"{len(changed)} cards {'lost' if remove else 'got'} the tag {tag}.{left}"


def _tagged(record: CardRecord, tag: str, remove: bool) -> CardRecord:
    tags = tuple(each for each in record.card.tags if each != tag) if remove else (*record.card.tags, tag)
    return replace(record, card=replace(record.card, tags=tags), source="")
