"""Many cards at once: suspend, flag, tag, move, delete; each is one action, and `undo_last` takes the last one back.

Marks are events, taken back as in Review. Tags, moves and deletions change cards of the learner's own library: each leaves a row
of `import_run` with what was there before. Nothing is ever removed: a deleted card is put aside with its whole history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlmodel import Session, col, select

from backend import review
from backend.card_search import index_words
from backend.cards import find_cards, read_cards, write_card
from backend.exchange.markdown import plain_slug
from backend.exchange.records import OWN, TopicRecord
from backend.library_import import WITHOUT_MADE, topic_row, write_sections
from backend.library_index import homes_of, index_changed
from backend.library_plan import own_name
from backend.library_undo import Undoing, find_run
from backend.markup import parse
from backend.notes import read_note
from backend.search_index import index_cards
from backend.settings import read_settings
from backend.statements import Statement
from backend.sync import _sha
from backend.tables import Card, ImportRun, LearnerCard, Overlay, Revision, Topic

BATCH = 500


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
    "flag": Statement("UPDATE learner_card SET flag = :value, events = events + 1 WHERE learner = :learner AND card = :card"),
}


def tag_many(session: Session, *, learner: int, cards: Sequence[str], tag: str, remove: bool, at: int) -> str:
    """Give a tag to cards of the learner's own library, or take it away."""
    tag = "-".join(tag.replace(";", " ").replace(",", " ").split())
    if not tag:
        return "Say which tag."
    review.follow_content(session, learner=learner, at=at)
    rows, shipped = _own_rows(session, learner, cards)
    changed = [row for row in rows if (tag in row.tags) == remove]
    blocks = list(dict.fromkeys(row.block for row in changed))
    if changed:
        made = _before(changed)
        for row in changed:
            _tag(session, row, tag, remove, at)
        for overlay in filter(None, (session.get(Overlay, (learner, block)) for block in blocks)):
            made["overlays_before"].append([overlay.card, overlay.model_dump()])
            overlay.source = _tagged(overlay.source, tag, remove)
        _note(session, learner, at, f"{'without' if remove else 'with'} the tag {tag}", "tag", made, len(blocks))
        index_words(session, [row.id for row in changed])  # where the cards stand and when they come is as before
        index_cards(session, blocks)
        review.note_followed(session, learner=learner)
    left = f" {counted(shipped, 'shipped card')} {'keeps its' if shipped == 1 else 'keep their'} tags." if shipped else ""
    return f"{counted(len(blocks), 'card')} {'lost' if remove else 'got'} the tag {tag}.{left}"


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _tag(session: Session, row: Card, tag: str, remove: bool, at: int) -> None:
    source = _tagged(row.source, tag, remove)
    session.add(Revision(card=row.id, learner=row.owner, at=at, before=row.source, after=source))
    row.tags = [each for each in row.tags if each != tag] if remove else [*row.tags, tag]
    row.source, row.sha = source, _sha(source)


def _tagged(source: str, tag: str, remove: bool) -> str:
    """The card's Markdown with the tag, or without; one that holds no single card stays as it is."""
    written, _ = read_cards(source)
    if len(written) != 1:
        return source
    tags = tuple(each for each in written[0].tags if each != tag)
    return write_card(replace(written[0], tags=tags if remove else (*tags, tag)))


# --- moving and deleting --------------------------------------------------------------------------------------------------


def move_many(session: Session, *, learner: int, cards: Sequence[str], topic: str, at: int) -> str:
    """Put cards of the learner's own library under another topic: one of theirs, a shipped one, or a new one of that title."""
    if not topic.strip():
        return "Say which topic."
    review.follow_content(session, learner=learner, at=at)
    rows, shipped = _own_rows(session, learner, cards)
    target = session.get(Topic, topic.strip())
    if target is not None and target.owner not in (None, learner):
        target = None
    slug = target.slug if target else _own_slug(session, learner, topic)
    moving = [row for row in rows if row.topic != slug]
    if not moving:
        return f"No card was moved.{_left(shipped, 'cannot be moved')}"
    made = _before(moving)
    if session.get(Topic, slug) is None:
        session.add(Topic(**topic_row(TopicRecord(slug, topic.strip(), f"# {topic.strip()}\n"), None, owner=learner)))
        session.flush()
        made["topics"].append(slug)
        made["written"].append([slug, session.get(Topic, slug).sha])  # type: ignore[union-attr]
    _take_out_of_notes(session, learner, moving, made)
    left = homes_of(moving)
    for place, row in enumerate(moving, review.PLACES // 2):
        row.topic, row.section, row.position = slug, "", place
    _note(session, learner, at, f"moved to {slug}", "move", made, len(moving))
    _settle(session, learner, moving, left, made)
    title = session.get(Topic, slug).title  # type: ignore[union-attr]
    return f"{counted(len(moving), 'card')} moved to {title}.{_left(shipped, 'cannot be moved')}"


def delete_many(session: Session, *, learner: int, cards: Sequence[str], at: int) -> str:
    """Put cards of the learner's own library aside for good. Their history stays, and so does the way back."""
    review.follow_content(session, learner=learner, at=at)
    rows, shipped = _own_rows(session, learner, cards)
    if rows:
        made = _before(rows)
        _take_out_of_notes(session, learner, rows, made)
        for row in rows:
            row.orphaned_at = at
            session.add(Revision(card=row.block, learner=learner, at=at, before=row.source, after=""))
        _note(session, learner, at, "deleted", "delete", made, len(rows))
        _settle(session, learner, rows, homes_of(rows), made)
    return f"{counted(len(rows), 'card')} deleted.{_left(shipped, 'can only be suspended')}"


def _left(shipped: int, words: str) -> str:
    return f" {counted(shipped, 'shipped card')} {words}." if shipped else ""


def _own_rows(session: Session, learner: int, cards: Sequence[str]) -> tuple[list[Card], int]:
    """The learner's own cards among these, whole sentences with all their gaps; and how many are shipped."""
    found = [session.get(Card, card) for card in dict.fromkeys(cards)]
    blocks = dict.fromkeys(row.block for row in found if row is not None and row.owner == learner and row.orphaned_at is None)
    rows = [row for block in blocks for row in session.exec(select(Card).where(Card.block == block, Card.owner == learner).order_by(Card.id))]
    return rows, sum(row is not None and row.owner is None for row in found)


def _before(rows: Sequence[Card]) -> dict[str, list[Any]]:
    return defaultdict(list, {"cards_before": [row.model_dump() for row in rows]})


def _own_slug(session: Session, learner: int, title: str) -> str:
    owners = dict(session.exec(select(Topic.slug, Topic.owner).where(col(Topic.owner).is_not(None))).all())
    return own_name(OWN + plain_slug(title).removeprefix(OWN), owners, learner)


def _take_out_of_notes(session: Session, learner: int, rows: Sequence[Card], made: dict[str, list[Any]]) -> None:
    """Cut the cards out of the learner's own notes in which they stand."""
    leaving: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        leaving[row.topic].add(row.block)
    for slug, blocks in leaving.items():
        topic = session.get(Topic, slug)
        if topic is None or topic.owner != learner or (text := without_cards(topic.text, blocks)) == topic.text:
            continue
        made["topics_before"].append(topic.model_dump())
        note, _ = read_note(text, slug=slug, track=topic.track, path=slug)
        for name, value in topic_row(TopicRecord(slug, topic.title, text), note, owner=learner).items():
            setattr(topic, name, value) if name not in ("track", "position", "owner") else None
        session.flush()
        made["written"].append([slug, topic.sha])
        write_sections(session, slug, note)


def without_cards(text: str, blocks: set[str]) -> str:
    """The note without these cards; everything else stands as it stood."""
    document = parse(text)
    lines = list(document.lines)
    for found in reversed(find_cards(document, path="")[0]):
        if found.card is not None and found.card.id in blocks:
            start, end = document.blocks[found.first].start, document.blocks[found.last - 1].end
            while end < len(lines) and not lines[end].strip():
                end += 1
            del lines[start:end]
    return "\n".join(lines)


def _note(session: Session, learner: int, at: int, name: str, action: str, made: dict[str, list[Any]], count: int) -> None:
    session.add(ImportRun(learner=learner, at=at, name=name, report={"action": action, "new": 0, "changed": count}, made=dict(made)))
    session.flush()


def _settle(session: Session, learner: int, rows: Sequence[Card], left: Sequence[str], made: dict[str, list[Any]]) -> None:
    """Let the schedule and the search see where these cards stand now; their words are as before."""
    session.flush()
    review.follow_cards(session, learner=learner, cards=[row.id for row in rows], reordered=bool(made["topics"]))
    notes = [*made["topics"], *(before["slug"] for before in made["topics_before"])]
    index_changed(session, topics=notes, blocks=[row.block for row in rows], left=left)
    review.note_followed(session, learner=learner)


# --- taking back ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back, as a sentence."""

    words: str


_KINDS = {"grade": "the grade of", "cram": "the practice of", "suspend": "suspending", "flag": "the flag of", "bury": "burying", "forget": "beginning anew", "reschedule": "moving"}
_WORDS = {"tag": "the tags", "move": "the move", "delete": "the deletion", "edit": "the wording"}


def undo_last(session: Session, *, learner: int, at: int) -> Undone | None:
    """Take back the learner's last action on cards: a mark or a grade, or a change of the cards themselves."""
    stands = select(ImportRun).where(ImportRun.learner == learner, col(ImportRun.undone_at).is_(None)).order_by(col(ImportRun.id).desc())
    change = next((run for run in session.exec(stands.options(WITHOUT_MADE)) if run.report.get("action")), None)
    event = review.last_action_at(session, learner=learner)
    if change is None and event is None:
        return None
    words = []
    if change is not None and (event is None or change.at >= event):
        found = find_run(session, learner=learner, run=change.id or 0)
        if isinstance(found, str):
            return Undone(f"{_WORDS[change.report['action']].capitalize()} of {counted(change.report['changed'], 'card')} cannot be taken back now. {found}")
        for write in Undoing(session, learner=learner, run=found, at=at).pieces():
            write(session)
        words.append(f"{_WORDS[change.report['action']]} of {counted(change.report['changed'], 'card')}")
    if event is not None and (change is None or event >= change.at):  # an edit that began a card anew is both
        undone = review.undo(session, learner=learner, at=at)
        words += [f"{_KINDS.get(undone.kind, undone.kind)} {counted(len(undone.cards), 'card')}"] if undone else []
    return Undone(f"Took back {' and '.join(words)}.")
