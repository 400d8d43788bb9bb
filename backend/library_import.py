"""An import as it happens: prepared without writing, then written piece by piece.

A small import is one transaction. A large one would keep everybody else from writing for many seconds, so it is written in
short transactions, each of whole cards with their memories. Before the first of them a row of `import_run` says that it is
unfinished and what takes it back; whatever stops it (a cancel, an error, a power cut) is followed by `library_undo`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import insert
from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select

from backend import review
from backend.card_search import index_words
from backend.cards import read_cards
from backend.deck import reword
from backend.exchange.markdown import expected_outside
from backend.exchange.plain_words import searched
from backend.exchange.records import OWN, CardRecord, MediaRecord, Records, TopicRecord, Unreadable
from backend.library_memories import Rows, Standing, Told, add_rows, bring_rows, read_standing, rows_for
from backend.library_plan import Plan, plan_import, stored_blocks
from backend.notes import Note, read_note
from backend.questions import Form, Question, to_dict
from backend.settings import Settings, read_settings
from backend.statements import Statement
from backend.sync import _sha, searchable
from backend.tables import Card, ImportRun, Media, Origin, Overlay, Revision, Section, Topic

LIBRARY = "library"  # the track of what learners brought in
LAST_PLACE = 1_000_000
CARDS, NOTES, MEDIA = 500, 40, 20_000_000  # of one piece: cards, notes, bytes
WORDS = 2000  # cards whose words are indexed at once: every time, FTS5 has one more index to merge with the others
SMALL = 2000  # cards, and a tenth as many notes: that much is one transaction

Piece = Callable[[Session], None]
WITHOUT_MADE = defer(ImportRun.made)  # type: ignore[arg-type]  # of a large import it is megabytes, and a list has no use for it
MEANWHILE = "expected a library that stays as it is during an import, came other changes to the same cards: try again"


def names_in(made: Mapping[str, Sequence[Any]]) -> set[tuple[str, str]]:
    """What a run made or changed: each thing's kind and name."""
    told = defaultdict(list, made)
    topics = [*told["topics"], *(before["slug"] for before in told["topics_before"])]
    cards = [*told["cards"], *told["memories"], *(before["id"] for before in told["cards_before"])]
    blocks = [block for block, _ in told["overlays_before"]]
    kinds = {"topic": topics, "card": cards, "wording": blocks, "attachment": told["media"], "origin": told["origins"]}
    return {(kind, name) for kind, names in kinds.items() for name in names}


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


class Import:
    """One import: what will be written is decided here, `pieces` writes it. `made` is what takes it back."""

    def __init__(
        self, session: Session, *, learner: int, records: Records, at: int, chosen: Collection[str] | None, theirs: Collection[str]
    ) -> None:
        self.learner, self.at, self.theirs = learner, at, set(theirs)
        self.report = Report(notices=list(records.notices))
        self.made: dict[str, list[Any]] = defaultdict(list)
        self.settings: Settings = read_settings(session, learner=learner)
        self.plan: Plan = plan_import(session, learner=learner, records=records)
        self.newest_run = _newest_run(session, learner)
        self.name = records.name
        self.content = _content(session)
        taken = {c.id for c in self.plan.records.cards if not c.offered or chosen is None or c.id in chosen}
        self._decide_topics(session)
        self._decide_cards(session, taken)
        self._decide_media(session)
        self._decide_memories(session)

    # what to do, and what it would take to undo it

    def _decide_topics(self, session: Session) -> None:
        kinds = {change.id: change.kind for change in self.plan.changes if change.what == "topic"}
        owners = dict(session.exec(select(Topic.slug, Topic.owner)).all())
        there = set(owners)
        self.topics = [topic for topic in self.plan.records.topics if kinds[topic.slug] in ("new", "changed")]
        told = {topic.slug for topic in self.topics}
        for slug in dict.fromkeys(card.topic for card in self.plan.records.cards):
            if slug not in there and slug not in told:  # a deck without a note of its own
                title = slug.removeprefix(OWN).replace("-", " ").capitalize()
                self.topics.append(TopicRecord(slug, title, f"---\ntitle: {json.dumps(title, ensure_ascii=False)}\n---\n"))
        self.known_topics = there
        self.made["topics"] = [topic.slug for topic in self.topics if topic.slug not in there]
        self.made["written"] = [[topic.slug, _sha(topic.text)] for topic in self.topics]  # a text that is another one later is not taken back
        self.topics_changed = any(topic.slug in there for topic in self.topics)
        self.reordered = bool(self.made["topics"]) and self.learner in owners.values()  # new notes push those after them on
        self.gone: dict[str, list[str]] = {}  # topic -> cards that leave it
        for topic in self.topics:
            if topic.slug in there:
                row = session.get(Topic, topic.slug)
                assert row is not None
                self.made["topics_before"].append(row.model_dump())
                self.gone[topic.slug] = self._leaving(session, row, topic)

    def _leaving(self, session: Session, old: Topic, new: TopicRecord) -> list[str]:
        """Cards that stood in the note and do so no longer are orphaned, as `sync` does with shipped ones."""
        gone = {card.id for card in read_cards(old.text)[0]} - {card.id for card in read_cards(new.text)[0]}
        rows = [row for found in stored_blocks(session, sorted(gone)).values() for row in found]
        leaving = [row.id for row in rows if row.owner == self.learner and row.topic == old.slug and row.orphaned_at is None]
        self.made["cards_before"] += [session.get(Card, name).model_dump() for name in leaving]  # type: ignore[union-attr]
        return leaving

    def _decide_cards(self, session: Session, taken: set[str]) -> None:
        changes = {change.id: change for change in self.plan.changes if change.what == "card"}
        known_origins = set(session.exec(select(Origin.card)))
        self.new: list[tuple[CardRecord, int]] = []  # with the place in its topic
        self.rewritten: list[tuple[CardRecord, int]] = []
        self.origins: dict[str, dict[str, Any]] = {}
        places: dict[str, int] = defaultdict(int)
        seen: set[str] = set()
        for record in self.plan.records.cards:
            if record.id not in taken or record.id in seen:
                continue
            seen.add(record.id)
            kind, place = changes[record.id].kind, places[record.topic]
            places[record.topic] += 1
            if kind == "new":
                self.new.append((record, place))
            elif kind == "same":
                self.report.same += 1
            elif kind == "conflict" and record.id not in self.theirs:
                self.report.kept += 1
            else:
                self.rewritten.append((record, place))
            if record.origin and record.id not in known_origins and kind in ("new", "same", "changed"):
                self.origins[record.id] = record.origin
        # In the order of their ids every index grows at one place. Written as they came, each card would touch pages of its own in all
        # of them, which costs several times as much.
        self.new.sort(key=lambda each: each[0].id)
        self.origins = dict(sorted(self.origins.items()))
        self.report.new, self.report.changed = len(self.new), len(self.rewritten)
        self.made["cards"] = [name for record, _ in self.new for name in _showing_ids(record)]
        self.made["origins"] = list(self.origins)
        self._decide_rewritten(session)

    def _decide_rewritten(self, session: Session) -> None:
        stored = stored_blocks(session, [record.id for record, _ in self.rewritten])
        for record, _ in self.rewritten:
            overlay = session.get(Overlay, (self.learner, record.id))
            self.made["overlays_before"].append([record.id, overlay.model_dump() if overlay else None])
            if stored[record.id][0].owner is not None:
                rows = {row.id: row for row in stored[record.id]}
                self.made["cards_before"] += [session.get(Card, name).model_dump() for name in rows]  # type: ignore[union-attr]
                self.made["cards"] += [name for name in _showing_ids(record) if name not in rows]

    def _decide_media(self, session: Session) -> None:
        kinds = {change.id: change.kind for change in self.plan.changes if change.what == "attachment"}
        self.media = [m for m in self.plan.records.media if kinds[m.name] == "new" or (kinds[m.name] == "conflict" and m.name in self.theirs)]
        self.report.kept += sum(kind == "conflict" and name not in self.theirs for name, kind in kinds.items())
        self.report.notices += [f"the attachment {m.name} was replaced" for m in self.media if kinds[m.name] == "conflict"]
        self.report.media = len(self.media)
        self.made["media"] = [media.name for media in self.media]
        for media in self.media:
            if kinds[media.name] == "conflict" and (had := session.get(Media, (self.learner, media.name))):
                self.made["media_before"].append([had.name, had.sha, b64encode(had.data).decode()])

    def _decide_memories(self, session: Session) -> None:
        self.told = Told.of(self.plan.records, self.at)
        standing = read_standing(session, learner=self.learner)
        joining = set(self.made["cards"])
        wanted = [card for card in self.told.cards if card in standing]
        new_here = {card for card in wanted if standing[card].state == 0 and card not in joining}
        fresh = [card for card in wanted if card in new_here and (self.told.is_remembered(card) or (self.told.is_marked(card) and not standing[card].events))]
        self.fresh = {card: standing[card] for card in fresh}
        remembered = [card for card in self.told.cards if (card in joining or card in self.fresh) and self.told.is_remembered(card)]
        self.made["memories"] = [*remembered, *(card for card in fresh if not self.told.is_remembered(card))]
        self.report.memories = len(remembered)
        self.report.reviews = sum(len(self.told.logs.get(card, ())) for card in remembered)
        if kept := sum(standing[card].state != 0 for card in wanted):
            self.report.notices.append(f"{kept} cards have a memory of their own here and keep it")

    @property
    def is_small(self) -> bool:
        cards = len(self.new) + len(self.rewritten) + len(self.fresh)
        return cards <= SMALL and len(self.topics) <= SMALL // 10 and sum(len(media.data) for media in self.media) <= MEDIA

    @property
    def size(self) -> int:
        """Of the whole work, in cards; a note counts for ten."""
        return 10 * len(self.topics) + len(self.new) + len(self.rewritten) + len(self.fresh)

    def refuse_others(self, session: Session) -> None:
        """Before anything is written: two imports of the same things at once would take back each other's."""
        mine = names_in(self.made)
        told = {("topic", topic.slug) for topic in self.plan.records.topics}  # also what is there already: the other may yet be taken back
        told |= {("card", name) for record in self.plan.records.cards for name in _showing_ids(record)}
        runs = select(ImportRun).where(ImportRun.learner == self.learner, col(ImportRun.undone_at).is_(None)).options(WITHOUT_MADE)
        for run in session.exec(runs).all():
            if "unfinished" in run.report and names_in(run.made) & (mine | told):
                raise Unreadable(f"expected one import of the same cards or notes at a time, came a second while {run.name} is under way: try again when it is done")
            if (run.id or 0) > self.newest_run and names_in(run.made) & mine:
                raise Unreadable(MEANWHILE)

    # writing: what is between two pieces needs no database, and is done while others may write

    def pieces(self) -> Iterator[tuple[int, str, Piece]]:
        """How much of `size` will be done, what is being done, and how to do it."""
        done = 0
        for topics in _chunks(self.topics, NOTES):
            notes = {topic.slug: self._read(topic) for topic in topics}
            done += 10 * len(topics)
            yield done, "writing notes", partial(self._write_topics, topics=topics, notes=notes)
        yield done, "writing cards", self._see_order
        for new in _chunks(self.new, CARDS):
            cards = [row for record, place in new for row in card_rows(record, owner=self.learner, place=place)]
            joining = {row["id"]: Standing(0, 0, row["topic"], self.order.get(row["topic"], 0) + row["position"]) for row in cards}
            brought = rows_for(joining, self.told, learner=self.learner, settings=self.settings, at=self.at)
            done += len(new)
            yield done, "writing cards", partial(_write_new, cards=cards, brought=brought)
        for names in _chunks([name for record, _ in self.new for name in _showing_ids(record)], WORDS):
            yield done, "writing cards", partial(index_words, cards=names)
        for rewritten in _chunks(self.rewritten, NOTES):
            done += len(rewritten)
            yield done, "writing cards", partial(self._write_rewritten, rewritten=rewritten)
        for origins in _chunks(list(self.origins.items()), CARDS):
            rows = [{"card": card, "learner": self.learner, "data": _json(data)} for card, data in origins]
            yield done, "writing cards", partial(_write_origins, rows=rows)
        for media in _chunks_of_media(self.media):
            yield done, "keeping attachments", partial(self._write_media, attachments=media)
        yield done, "bringing memories", self._follow
        for fresh in _chunks(list(self.fresh.items()), CARDS):
            brought = rows_for(dict(fresh), self.told, learner=self.learner, settings=self.settings, at=self.at)
            done += len(fresh)
            yield done, "bringing memories", partial(bring_rows, rows=brought)

    def _read(self, topic: TopicRecord) -> Note | None:
        self.report.topics += 1
        if topic.note is not None:  # what was wrong in it has been said by the one who read it
            return topic.note
        note, mistakes = read_note(topic.text, slug=topic.slug, track=LIBRARY, path=topic.source or topic.slug)
        self.report.notices += [str(mistake) for mistake in mistakes if not expected_outside(mistake)]
        return note

    def _write_topics(self, session: Session, topics: Sequence[TopicRecord], notes: dict[str, Note | None]) -> None:
        new = [topic for topic in topics if topic.slug not in self.known_topics]
        if new:
            session.execute(insert(Topic), [topic_row(topic, notes[topic.slug], owner=self.learner) for topic in new])
            sections = [row for topic in new for row in section_rows(topic.slug, notes[topic.slug])]
            session.execute(insert(Section), sections) if sections else None
        for topic in topics:
            if topic.slug in self.known_topics:
                row = session.get(Topic, topic.slug)
                if row is None or row.owner != self.learner:
                    raise Unreadable(MEANWHILE)
                for name, value in topic_row(topic, notes[topic.slug], owner=self.learner).items():
                    setattr(row, name, value) if name not in ("track", "position", "owner") else None
                session.add(row)
                session.flush()
                write_sections(session, topic.slug, notes[topic.slug])
                _ORPHAN.run(session, [{"card": card, "at": self.at} for card in self.gone[topic.slug]])

    def _follow(self, session: Session) -> None:
        """Cards that only joined stand where they must already: going through all of them would hold everybody up for a second."""
        changed = self.rewritten or self.topics_changed or _content(session) != self.content
        if changed:
            review.follow_content(session, learner=self.learner, at=self.at)
        else:
            if self.reordered:
                review.place_new(session, learner=self.learner)
            review.note_followed(session, learner=self.learner)

    def _see_order(self, session: Session) -> None:
        """Where new cards of each topic stand in the order of the tracks, now that the topics are there."""
        self.order = {slug: place * review.PLACES for place, slug in enumerate(review.topics_in_order(session, learner=self.learner))}

    def _write_rewritten(self, session: Session, rewritten: Sequence[tuple[CardRecord, int]]) -> None:
        for record, place in rewritten:
            rewrite(session, record, place, learner=self.learner, at=self.at, report=self.report)
        session.flush()

    def _write_media(self, session: Session, attachments: Sequence[MediaRecord]) -> None:
        for media in attachments:
            row = session.get(Media, (self.learner, media.name))
            if row:
                session.delete(row)
                session.flush()
            session.add(Media(learner=self.learner, name=media.name, sha=media.sha, data=media.data))

    # the journal

    def open_run(self, session: Session, *, beat: int) -> int:
        """Before the first piece of a large import: that it is unfinished, and what takes it back."""
        run = ImportRun(learner=self.learner, at=self.at, name=self.name, report={"unfinished": beat}, made=dict(self.made))
        session.add(run)
        session.flush()
        assert run.id is not None
        self.report.run = run.id
        return run.id

    def close_run(self, session: Session) -> None:
        """The last thing: the report. An import that was not opened before is written down as a whole."""
        told = {key: value for key, value in self.report.__dict__.items() if key not in ("run", "notices")}
        told |= {"notices": self.report.notices[:200]}
        run = session.get(ImportRun, self.report.run) if self.report.run else None
        if run is None:
            run = ImportRun(learner=self.learner, at=self.at, name=self.name, made=dict(self.made))
        run.report = told
        session.add(run)
        session.flush()
        self.report.run = run.id


def _newest_run(session: Session, learner: int) -> int:
    return session.exec(select(func.max(ImportRun.id)).where(ImportRun.learner == learner)).one() or 0


def _content(session: Session) -> list[tuple]:
    """Changes with every sync."""
    return _FILES.rows(session, {})


_FILES = Statement("SELECT path, sha FROM source_file ORDER BY path")


def _write_new(session: Session, cards: Sequence[dict[str, Any]], brought: Rows) -> None:
    _ADD_CARD.run(session, cards)
    add_rows(session, brought)


def _write_origins(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    _ADD_ORIGIN.run(session, rows)


_ADD_ORIGIN = Statement("INSERT INTO origin (card, learner, data) VALUES (:card, :learner, :data)")


# --- rows ---------------------------------------------------------------------------------------------------------------


Item = TypeVar("Item")


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _chunks_of_media(media: Sequence[MediaRecord]) -> Iterator[list[MediaRecord]]:
    chunk: list[MediaRecord] = []
    for each in media:
        if chunk and sum(len(one.data) for one in chunk) + len(each.data) > MEDIA:
            yield chunk
            chunk = []
        chunk.append(each)
    if chunk:
        yield chunk


def _showing_ids(record: CardRecord) -> list[str]:
    return [record.id] if record.card.question.form is not Form.GAP else [name for name, _ in record.questions()]


def card_rows(record: CardRecord, *, owner: int, place: int) -> list[dict[str, Any]]:
    """The card's rows, one for each showing, as `_ADD_CARD` takes them."""
    source, card = record.markdown, record.card
    common = {
        "block": record.id, "topic": record.topic, "section": card.section, "position": place, "source": source, "aka": _json(card.aka) if card.aka else "[]",
        "tags": _json(card.tags) if card.tags else "[]", "sha": _sha(source), "owner": owner,
    }  # fmt: skip
    return [
        common | {"id": name, "form": question.form.value, "question": _json(to_dict(question)),
                  "plain": _searched(question, card.aka)}
        for name, question in record.questions()
    ]  # fmt: skip


def _searched(question: Question, aka: Sequence[str]) -> str:
    """What `searchable` says, quickly where it can be."""
    words = None if aka else searched(question)
    return searchable(question, aka) if words is None else words


_json = json.JSONEncoder(ensure_ascii=False).encode
_CARD = ("id", "block", "topic", "section", "position", "form", "source", "question", "aka", "tags", "plain", "sha", "owner")
_ADD_CARD = Statement(f"INSERT INTO card ({', '.join(_CARD)}) VALUES ({', '.join(':' + name for name in _CARD)})")
_ORPHAN = Statement("UPDATE card SET orphaned_at = :at WHERE id = :card")


def topic_row(topic: TopicRecord, note: Note | None, *, owner: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "slug": topic.slug, "track": LIBRARY, "position": LAST_PLACE, "title": topic.title, "text": topic.text, "sha": _sha(topic.text), "owner": owner,
        "aliases": [], "needs": [], "labs": [], "sources": [], "links": [], "errata": [],
    }  # fmt: skip
    if note:
        row |= {name: list(getattr(note, name)) for name in ("aliases", "needs", "labs", "sources")}
        row["links"] = sorted({link.slug for link in note.links if link.slug})
        row["errata"] = [{"said": e.said, "right": e.right, "source": e.source, "section": e.section} for e in note.errata]
    return row


def section_rows(slug: str, note: Note | None) -> list[dict[str, Any]]:
    rows = []
    for position, section in enumerate(note.sections if note else ()):
        heading = " > ".join(section.path)
        rows.append({
            "topic": slug, "anchor": section.anchor, "position": position, "heading": heading, "markdown": section.markdown, "plain": section.plain,
            "start": section.start, "end": section.end, "sha": _sha(f"{heading}\n{section.plain}"),
        })  # fmt: skip
    return rows


def write_sections(session: Session, slug: str, note: Note | None) -> None:
    stored = {section.anchor: section for section in session.exec(select(Section).where(Section.topic == slug))}
    for values in section_rows(slug, note):
        row = stored.pop(values["anchor"], None)
        if row is None:
            session.add(Section(**values))
        else:
            for name, value in values.items():
                setattr(row, name, value)
    for row in stored.values():
        session.delete(row)
    session.flush()


def rewrite(session: Session, record: CardRecord, place: int, *, learner: int, at: int, report: Report) -> None:
    """A card that is here, in the words that came: a shipped one gets them as the learner's own wording."""
    rows = list(session.exec(select(Card).where(Card.block == record.id).order_by(Card.id)))
    if not rows or rows[0].owner not in (None, learner):
        raise Unreadable(MEANWHILE)
    if rows[0].owner is None:
        problems = reword(session, learner=learner, card=rows[0].id, source=record.markdown, at=at)
        report.notices += [f"{record.id}: {problem}" for problem in problems]
        return
    overlay = session.get(Overlay, (learner, record.id))
    if overlay:
        session.delete(overlay)
    old = {row.id: row for row in rows}
    came = card_rows(record, owner=learner, place=place)
    for values in came:
        values |= {name: json.loads(values[name]) for name in ("question", "aka", "tags")}
        row = old.pop(values["id"], None)
        if row is None:
            session.add(Card(**values))
            continue
        session.add(Revision(card=row.id, learner=learner, at=at, before=row.source, after=values["source"]))
        for name, value in values.items():
            setattr(row, name, value) if name != "position" else None
        row.orphaned_at = None
    for row in old.values():
        row.orphaned_at = at
