"""What an import would do: the records under the names they get here, compared with what is stored. Nothing is written."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, count
from typing import Literal, NamedTuple

from sqlmodel import Session, col, select

from backend.cards import LONGEST_ID
from backend.exchange.records import OWN, CardRecord, Gap, Records, TopicRecord
from backend.notes import LARGEST_NOTE, CardPart, slugify
from backend.statements import Statement
from backend.tables import LearnerCard, Media, Overlay, Topic

FEW = 2000  # cards: fewer are looked up one by one, more are found by reading all
Kind = Literal["new", "changed", "same", "conflict", "kept"]


@dataclass(frozen=True, slots=True)
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


class Stored(NamedTuple):
    """A card as the comparison needs it."""

    id: str
    block: str
    topic: str
    source: str
    owner: int | None
    orphaned_at: int | None


def plan_import(session: Session, *, learner: int, records: Records) -> Plan:
    """Compare the records with the database."""
    here = _without_offers_of_shipped(session, settle_names(session, learner, records))
    changes = [*_topic_changes(session, here), *_card_changes(session, learner, here), *_media_changes(session, learner, here)]
    known = dict(session.exec(select(LearnerCard.card, LearnerCard.state).where(LearnerCard.learner == learner)).all())
    told = [memory.card for memory in here.memories] + [each.card for each in here.reviews]
    fresh = {card for card in told if not known.get(card)}
    return Plan(here, changes, _filled(session, here.gaps), len(fresh), sum(each.card in fresh for each in here.reviews))


def _without_offers_of_shipped(session: Session, records: Records) -> Records:
    """A shipped note that comes back as it left offers nothing: what of it is worth asking has a card."""
    shipped = dict(session.exec(select(Topic.slug, Topic.text).where(col(Topic.owner).is_(None))).all())
    returned = {topic.slug for topic in records.topics if shipped.get(topic.slug) == topic.text}
    offers = {card.id for card in records.cards if card.offered and card.topic in returned}
    if not offers:
        return records
    offers -= dict(_OWNERS.rows(session, {})).keys()
    return replace(records, cards=[card for card in records.cards if card.id not in offers])


# --- names ------------------------------------------------------------------------------------------------------------


def settle_names(session: Session, learner: int, records: Records) -> Records:
    """Slugs and ids of the learner's own begin with `my-`; those of what is shipped stay, and then mean the shipped thing.

    A name that another learner's library has already gets our learner's number, and the second of two that would be called the same
    a digest. The same file finds the same names again, also when something of that name has been shipped in between.
    """
    slugs = _settled_slugs(session, learner, records)
    cards = [card if slugs[card.topic] == card.topic else replace(card, topic=slugs[card.topic]) for card in records.cards]
    names = _settled_ids(session, learner, cards)

    def shown(card: str) -> str:
        block, dot, gap = card.partition(".")
        return f"{names[block]}{dot}{gap}" if block in names else card

    return replace(
        records,
        topics=[replace(with_names(topic, names), slug=slugs[topic.slug]) for topic in records.topics],
        cards=[card.renamed(names[card.id]) if card.id in names else card for card in cards] if names else cards,
        memories=[replace(each, card=shown(each.card)) for each in records.memories] if names else records.memories,
        reviews=[replace(each, card=shown(each.card)) for each in records.reviews] if names else records.reviews,
    )  # fmt: skip


def _settled_slugs(session: Session, learner: int, records: Records) -> dict[str, str]:
    shipped = dict(session.exec(select(Topic.slug, Topic.text).where(col(Topic.owner).is_(None))).all())
    owners = dict(session.exec(select(Topic.slug, Topic.owner).where(col(Topic.owner).is_not(None))).all())
    texts = {topic.slug: topic.text for topic in records.topics}
    slugs: dict[str, str] = {}
    claimed: set[str] = set()
    for slug in sorted(texts.keys() | {card.topic for card in records.cards}, key=_own_first):
        own = _unclaimed(slug, slug if slug.startswith(OWN) else OWN + slug, claimed, owners, learner)
        beside = slug in shipped and OWN + slug in texts  # an export of both
        if slug in shipped and (beside or owners.get(own) != learner or texts.get(slug) == shipped[slug]):
            slugs[slug] = slug
        else:
            slugs[slug] = own
        claimed.add(slugs[slug])
    return slugs


def _settled_ids(session: Session, learner: int, cards: Sequence[CardRecord]) -> dict[str, str]:
    """Old name -> new name, for the cards whose name must change."""
    owners: dict[str, int | None] = dict(_OWNERS.rows(session, {}))
    topics = {card.id: card.topic for card in cards}
    names: dict[str, str] = {}
    claimed: set[str] = set()
    for card in sorted(topics, key=_own_first):
        here = owners.get(card, 0)  # 0: nobody has such a card; None: it is shipped
        if here == learner:
            claimed.add(card)
            continue
        own = _unclaimed(card, card if card.startswith(OWN) else _prefixed(card), claimed, owners, learner)
        if here is None and not (topics[card].startswith(OWN) and owners.get(own, 0) == learner):
            continue  # the shipped card itself
        claimed.add(own)
        if own != card:
            names[card] = own
    return names


_OWNERS = Statement("SELECT DISTINCT block, owner FROM card")


def own_name(name: str, owners: Mapping[str, int | None], learner: int) -> str:
    """The name itself, or with the learner's number, and then a second one, where it is another learner's."""
    numbered = (f"{name}-{learner}{again}" for again in chain([""], (f"-{number}" for number in count(2))))
    return next(free for free in chain([name], numbered) if owners.get(free, learner) == learner)


def _unclaimed(came: str, name: str, claimed: Collection[str], owners: Mapping[str, int | None], learner: int) -> str:
    """The learner's own name for what came. Where another of the same import is called so already, its digest tells the two apart,
    and goes on doing so when it comes alone."""
    told_apart = _digested(name, came)
    if owners.get(told_apart) == learner:
        return told_apart
    own = own_name(name, owners, learner)
    return own_name(told_apart, owners, learner) if own in claimed else own


def _own_first(name: str) -> tuple[bool, str]:
    """Names that need no change claim theirs before the others."""
    return not name.startswith(OWN), name


def _prefixed(name: str) -> str:
    return OWN + name if len(name) <= LONGEST_ID - 12 else _digested(OWN + name, name)


def _digested(name: str, came: str) -> str:
    return f"{name[: LONGEST_ID - 27].rstrip('-')}-{hashlib.blake2b(came.encode(), digest_size=6).hexdigest()}"


_HEAD = re.compile(r"^([QC]:.*\^)([a-z0-9-]+)([ \t]*)$", re.MULTILINE)


def with_ids(text: str, names: Mapping[str, str]) -> str:
    """A note whose cards are called by other names: each closes the first line of its card."""
    return _HEAD.sub(lambda found: f"{found[1]}{names.get(found[2], found[2])}{found[3]}", text) if names and "^" in text else text


def with_names(topic: TopicRecord, names: Mapping[str, str]) -> TopicRecord:
    """The note with its cards called by other names. What was read of it stays true, a little further on."""
    text = with_ids(topic.text, names)
    if text == topic.text:
        return topic
    note = topic.note
    if note is None or len(text.encode("utf-8", "surrogatepass")) > LARGEST_NOTE or any(with_ids(part.markdown, names) != part.markdown for part in note.sections):
        return replace(topic, text=text, note=None)
    heads = [(found.end(2), len(names.get(found[2], found[2])) - len(found[2])) for found in _HEAD.finditer(topic.text)]
    ends, longer = [end for end, _ in heads], [0, *accumulate(by for _, by in heads)]

    def moved(place: int) -> int:
        return place + longer[bisect_right(ends, place)]

    sections = tuple(replace(part, start=moved(part.start), end=moved(part.end)) for part in note.sections)
    parts = tuple(CardPart(replace(part.card, id=names.get(part.card.id, part.card.id))) if isinstance(part, CardPart) else part for part in note.parts)
    return replace(topic, text=text, note=replace(note, text=text, sections=sections, parts=parts))


# --- differences --------------------------------------------------------------------------------------------------------


def _topic_changes(session: Session, records: Records) -> Iterator[Change]:
    stored = {slug: (text, owner) for slug, text, owner in session.exec(select(Topic.slug, Topic.text, Topic.owner)).all()}
    for topic in records.topics:
        old, owner = stored.get(topic.slug, (None, None))
        if old is None:
            yield Change("new", "topic", topic.slug, f"the note {topic.source or topic.title}", after=topic.text)
        elif old == topic.text:
            yield Change("same", "topic", topic.slug)
        elif owner is None:
            yield Change("kept", "topic", topic.slug, "a shipped note keeps its text; its cards can be worded your way", before=old, after=topic.text)
        else:
            yield Change("changed", "topic", topic.slug, "the note has changed", before=old, after=topic.text)


def _card_changes(session: Session, learner: int, records: Records) -> Iterator[Change]:
    stored = stored_blocks(session, [card.id for card in records.cards])
    overlays = {overlay.card: overlay for overlay in session.exec(select(Overlay).where(Overlay.learner == learner))}
    deleted = {card for (card,) in _DELETED.rows(session, {"learner": learner})}
    for record in records.cards:
        rows, came = stored.get(record.id), record.markdown
        if not rows:
            yield Change("new", "card", record.id, record.why, record.offered, after=came)
            continue
        overlay = overlays.get(record.id)
        mine = overlay.source if overlay else rows[0].source
        back = any(row.orphaned_at for row in rows)
        if back and record.id in deleted and rows[0].owner == learner:
            yield Change("conflict", "card", record.id, "you deleted it, and the file still has it", record.offered, "", came)
        elif mine.strip() == came.strip() or (overlay and came.strip() == overlay.base.strip()):
            yield Change("changed" if back else "same", "card", record.id, "it had left its note and comes back" if back else "", record.offered)
        elif rows[0].owner is None:
            yield Change("conflict", "card", record.id, "a shipped card in other words", record.offered, mine, came)
        elif overlay:
            yield Change("conflict", "card", record.id, "you worded it yourself, and the file changed too", record.offered, mine, came)
        else:
            yield Change("changed", "card", record.id, record.why or "the card has changed", record.offered, mine, came)


# a deletion is a revision whose wording afterwards is empty
_DELETED = Statement("""SELECT card FROM revision r WHERE learner = :learner AND "after" = ''
    AND id = (SELECT MAX(id) FROM revision later WHERE later.card = r.card)""")


def _media_changes(session: Session, learner: int, records: Records) -> Iterator[Change]:
    known = dict(session.exec(select(Media.name, Media.sha).where(Media.learner == learner)).all())
    for media in records.media:
        had = known.get(media.name)
        kind: Kind = "new" if had is None else "same" if had == media.sha else "conflict"
        yield Change(kind, "attachment", media.name, f"{len(media.data):,} bytes", before=had or "", after=media.sha)


def stored_blocks(session: Session, names: Sequence[str]) -> dict[str, list[Stored]]:
    """The stored cards of these blocks, gaps in their order."""
    found: dict[str, list[Stored]] = defaultdict(list)
    if len(names) <= FEW:
        for name in dict.fromkeys(names):
            rows = _OF_BLOCK.rows(session, {"block": name})
            if rows:
                found[name] = [Stored._make(row) for row in rows]
        return found
    wanted = set(names)
    for row in _OF_ALL.rows(session, {}):
        if row[1] in wanted:
            found[row[1]].append(Stored._make(row))
    return found


_COLUMNS = ", ".join(Stored._fields)
_OF_BLOCK = Statement(f"SELECT {_COLUMNS} FROM card WHERE block = :block ORDER BY id")
_OF_ALL = Statement(f"SELECT {_COLUMNS} FROM card ORDER BY id")


# --- gaps ---------------------------------------------------------------------------------------------------------------


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

