"""Make the database agree with content/.

Reading a note is apart from changing the store: `read_tree` says what the files hold, `sync` brings the tables there in one
transaction. Run twice it changes nothing; killed in the middle it has changed nothing. History hangs on card ids and is
never touched: a card that left its note is marked as orphaned and comes back with its memory when it returns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from sqlmodel import Session, col, delete, select

from backend.cards import Card as WrittenCard
from backend.cards import showings, write_card
from backend.markup import Mistake, plain
from backend.notes import Note, Track, check_tree, read_note, read_tracks
from backend.questions import Form, Question, to_dict
from backend.search_index import index_topics
from backend.tables import Card, Revision, Section, SourceFile, Topic

COMPUTED = "computed"  # the form of a card whose question a lab computes afresh at every showing


@dataclass
class SyncReport:
    new: list[str] = field(default_factory=list)  # card ids
    changed: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    topics: int = 0
    mistakes: list[Mistake] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.topics} topics; {len(self.new)} new, {len(self.changed)} changed, {len(self.orphaned)} orphaned cards; "
            f"{len(self.mistakes)} mistakes"
        )


@dataclass(frozen=True)
class SourceNote:
    """A note's file before it is parsed."""

    slug: str
    track: str
    path: str  # relative to the content folder
    data: bytes

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@runtime_checkable
class Stamped(Protocol):
    """What can say that it is as before without being read."""

    @property
    def stamp(self) -> str: ...


def sync(
    session: Session,
    folder: Path,
    *,
    at: int,
    makers: Mapping[str, Sequence[str]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SyncReport:
    """Bring topics, sections and cards to what `folder` holds. `makers` maps a lab's slug to the questions it can compute."""
    makers = {} if makers is None else makers  # not `or`: even the length of a mapping that reads when asked costs a start time
    sources = list(source_notes(folder))
    stamps = {source.path: source.sha for source in sources} | {"tracks.yaml": _stamp(read_tracks(folder), makers)}
    report = SyncReport(topics=len(sources))
    if stamps == dict(session.exec(select(SourceFile.path, SourceFile.sha)).all()):
        report.mistakes = known_mistakes(session)
        index_topics(session)  # a database from before search, or rules of cutting that changed
        return report

    notes: list[Note] = []
    for done, source in enumerate(sources):
        note, mistakes = read_note(source.data, slug=source.slug, track=source.track, path=source.path)
        report.mistakes += mistakes
        if note is not None:
            notes.append(note)
        progress(done + 1, len(sources))
    crossing, _not_built = check_tree(notes, labs=list(makers))
    report.mistakes += crossing

    _write_topics(session, notes, kept={source.slug for source in sources})
    _write_sections(session, notes)
    _write_cards(session, notes, makers, unread={s.slug for s in sources} - {n.slug for n in notes}, at=at, report=report)
    _write_files(session, stamps, report.mistakes)
    session.flush()
    index_topics(session, {note.slug: note for note in notes})
    return report


def source_notes(folder: Path) -> Iterable[SourceNote]:
    """Every note under `folder`, in the order of its tracks; notes that no track lists come last, by name."""
    order = {slug: place for place, slug in enumerate(slug for track in read_tracks(folder) for slug in track.topics)}
    files = sorted(folder.glob("*/*.md"), key=lambda file: (order.get(file.stem, len(order)), file.stem))
    for file in files:
        yield SourceNote(slug=file.stem, track=file.parent.name, path=file.relative_to(folder).as_posix(), data=file.read_bytes())


def known_mistakes(session: Session) -> list[Mistake]:
    """What the last sync found wrong."""
    files = session.exec(select(SourceFile).order_by(SourceFile.path)).all()
    return [Mistake(**mistake) for file in files for mistake in file.mistakes]


def _stamp(tracks: Sequence[Track], makers: Mapping[str, Sequence[str]]) -> str:
    """Changes when the order of topics or the labs' makers do: both are written into the tables."""
    made = makers.stamp if isinstance(makers, Stamped) else {lab: list(names) for lab, names in sorted(makers.items())}
    return _sha(json.dumps([[asdict(track) for track in tracks], made]))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _write_topics(session: Session, notes: Sequence[Note], *, kept: set[str]) -> None:
    stored = {topic.slug: topic for topic in session.exec(select(Topic).where(col(Topic.owner).is_(None)))}
    for slug, topic in stored.items():
        if slug not in kept:  # a note that is there but cannot be read keeps its last readable state
            session.exec(delete(Section).where(col(Section.topic) == slug))  # type: ignore[call-overload]
            session.delete(topic)
    for position, note in enumerate(notes):
        row = stored.get(note.slug) or Topic(slug=note.slug, track="", position=0, title="", text="", sha="")
        row.track, row.position, row.title, row.text, row.sha = note.track, position, note.title, note.text, _sha(note.text)
        row.aliases, row.needs, row.labs = list(note.aliases), list(note.needs), list(note.labs)
        row.sources, row.links = list(note.sources), sorted({link.slug for link in note.links})
        row.errata = [{"said": e.said, "right": e.right, "source": e.source, "section": e.section} for e in note.errata]
        session.add(row)
    session.flush()


def _write_sections(session: Session, notes: Sequence[Note]) -> None:
    stored = {(section.topic, section.anchor): section for section in session.exec(select(Section))}
    for note in notes:
        for position, section in enumerate(note.sections):
            row = stored.pop((note.slug, section.anchor), None) or Section(
                topic=note.slug, anchor=section.anchor, position=0, heading="", markdown="", plain="", start=0, end=0, sha=""
            )
            row.position, row.heading, row.markdown, row.plain = position, " > ".join(section.path), section.markdown, section.plain
            row.start, row.end, row.sha = section.start, section.end, _sha(row.heading + "\n" + section.plain)
            session.add(row)
    read = {note.slug for note in notes}
    for (topic, _), row in stored.items():
        if topic in read:
            session.delete(row)


def _write_cards(
    session: Session, notes: Sequence[Note], makers: Mapping[str, Sequence[str]], *, unread: set[str], at: int, report: SyncReport
) -> None:
    stored = {card.id: card for card in session.exec(select(Card).where(col(Card.owner).is_(None)))}
    owned = set(session.exec(select(Card.id).where(col(Card.owner).is_not(None))))
    seen: set[str] = set()
    for note in notes:
        position = 0
        for card in _rows_of(note, makers):
            if card.id in seen:
                continue  # check_tree has reported the duplicate; the first one stands
            if card.id in owned:  # ids of learners begin with my-, so this one is called wrongly
                report.mistakes.append(Mistake(f"{note.track}/{note.slug}.md", 0, "an id that no learner's card has", f"^{card.id}"))
                continue
            seen.add(card.id)
            card.position, position = position, position + 1
            old = stored.get(card.id)
            if old is None:
                report.new.append(card.id)
                session.add(card)
            else:
                _bring_up_to_date(session, old, card, at=at, report=report)
    for card_id, row in stored.items():
        if card_id not in seen and row.orphaned_at is None and row.topic not in unread:
            row.orphaned_at = at
            report.orphaned.append(card_id)


def _bring_up_to_date(session: Session, old: Card, card: Card, *, at: int, report: SyncReport) -> None:
    if old.sha != card.sha:
        report.changed.append(card.id)
        session.add(Revision(card=card.id, at=at, before=old.source, after=card.source))
    for name in ("block", "topic", "section", "position", "form", "source", "question", "aka", "tags", "plain", "sha"):
        if getattr(old, name) != getattr(card, name):
            setattr(old, name, getattr(card, name))
    old.orphaned_at = None


def _rows_of(note: Note, makers: Mapping[str, Sequence[str]]) -> Iterable[Card]:
    for written in note.cards:
        source = write_card(written)
        for shown in showings(written):
            yield card_row(shown, block=written.id, source=source, topic=note.slug)
    for lab in note.labs:
        for maker in makers.get(lab, ()):
            yield computed_row(lab, maker, topic=note.slug)


def card_row(card: WrittenCard, *, block: str, source: str, topic: str, owner: int | None = None) -> Card:
    return Card(
        id=card.id, block=block, topic=topic, section=card.section, form=card.question.form.value, source=source,
        question=to_dict(card.question), aka=list(card.aka), tags=list(card.tags), plain=searchable(card.question, card.aka),
        sha=_sha(source), owner=owner,
    )  # fmt: skip


def computed_row(lab: str, maker: str, *, topic: str) -> Card:
    source = f"{lab}.{maker}"
    words = f"{lab} {maker}".replace("-", " ").replace("_", " ")
    return Card(id=source, block=source, topic=topic, form=COMPUTED, source=source, question={"lab": lab, "maker": maker}, plain=words, sha=_sha(source))


def searchable(question: Question, aka: Sequence[str] = ()) -> str:
    """The words of a card that a search looks at: the question, its other wordings, the answer."""
    key = [option.text for option in question.options if option.right] if question.form is Form.CHOICE else [*question.terms, *question.steps]
    pairs = [f"{left}: {right}" for left, right in question.pairs]
    return "\n".join(text for text in [plain(question.prompt), *aka, *map(plain, key), *map(plain, pairs), plain(question.answer)] if text)


def _write_files(session: Session, stamps: Mapping[str, str], mistakes: Sequence[Mistake]) -> None:
    stored = {file.path: file for file in session.exec(select(SourceFile))}
    for path, sha in stamps.items():
        row = stored.pop(path, None) or SourceFile(path=path, sha="")
        row.sha, row.mistakes = sha, [asdict(mistake) for mistake in mistakes if mistake.path == path]
        session.add(row)
    for row in stored.values():
        session.delete(row)
