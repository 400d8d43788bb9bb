"""What the Read screen asks the database: topics and how they hang together, the glossary, the errata, where a learner stands."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func
from sqlmodel import Session, col, or_, select

from backend.tables import Card, LearnerCard, Topic

KNOWN_SHARE = 0.8  # a topic is known when so many of its cards are in review


@dataclass(frozen=True)
class TopicLine:
    """A topic as a list shows it."""

    slug: str
    track: str
    title: str
    aliases: tuple[str, ...]
    needs: tuple[str, ...]
    labs: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """Where a learner stands with a topic's cards."""

    cards: int = 0
    started: int = 0
    learned: int = 0  # in review, not being learned again

    @property
    def share(self) -> float:
        return self.learned / self.cards if self.cards else 0.0

    @property
    def word(self) -> str:
        if not self.started:
            return "not started"
        return "known" if self.share >= KNOWN_SHARE else "learning"


def list_topics(session: Session, *, learner: int) -> list[TopicLine]:
    """Every topic the learner can read, in the order of the tracks; their own library comes last."""
    columns = (Topic.slug, Topic.track, Topic.title, Topic.aliases, Topic.needs, Topic.labs, Topic.links)
    query = select(*columns).where(or_(col(Topic.owner).is_(None), Topic.owner == learner)).order_by(col(Topic.owner).is_not(None), Topic.position)  # type: ignore[call-overload]
    return [TopicLine(slug, track, title, *(tuple(value) for value in lists)) for slug, track, title, *lists in session.exec(query)]


def standings(session: Session, *, learner: int) -> dict[str, Standing]:
    """Topic -> where the learner stands with it."""
    mine = (LearnerCard.card == Card.id) & (LearnerCard.learner == learner)
    started = func.sum(case((col(LearnerCard.reps) > 0, 1), else_=0))
    learned = func.sum(case((col(LearnerCard.state) == 2, 1), else_=0))
    query = (
        select(Card.topic, func.count(), started, learned)
        .outerjoin(LearnerCard, mine)  # type: ignore[arg-type]
        .where(col(Card.orphaned_at).is_(None))
        .group_by(Card.topic)
    )
    return {topic: Standing(cards, began or 0, known or 0) for topic, cards, began, known in session.exec(query)}


def leads_to(topics: Iterable[TopicLine], slug: str) -> list[TopicLine]:
    """The topics that need this one first."""
    return [topic for topic in topics if slug in topic.needs]


def backlinks(topics: Iterable[TopicLine], slug: str) -> list[TopicLine]:
    """The topics whose text links here."""
    return [topic for topic in topics if slug in topic.links and topic.slug != slug]


def neighbours(topics: Sequence[TopicLine], slug: str) -> tuple[TopicLine | None, TopicLine | None]:
    """The topics before and after this one."""
    place = next((index for index, topic in enumerate(topics) if topic.slug == slug), None)
    if place is None:
        return None, None
    return (topics[place - 1] if place else None), (topics[place + 1] if place + 1 < len(topics) else None)


def nearest(topics: Sequence[TopicLine], name: str, *, count: int = 5) -> list[TopicLine]:
    """The topics whose slug, title or alias looks most like what was asked for; input of any length is cut."""
    wanted = name[:80].casefold().replace("-", " ").strip()

    def likeness(topic: TopicLine) -> float:
        names = (topic.slug.replace("-", " "), topic.title, *topic.aliases)
        return max(difflib.SequenceMatcher(None, wanted, known.casefold()).ratio() for known in names)

    return sorted(topics, key=likeness, reverse=True)[:count]


def glossary(topics: Iterable[TopicLine]) -> list[tuple[str, TopicLine]]:
    """Every name a topic goes by, alphabetically, with the topic it leads to."""
    names = {(name.casefold(), topic.slug): (name, topic) for topic in topics for name in (topic.title, *topic.aliases)}
    return [names[key] for key in sorted(names)]


def errata(session: Session) -> list[dict[str, str]]:
    """All corrections: track, topic, title, said, right, source."""
    rows = session.exec(select(Topic.slug, Topic.track, Topic.title, Topic.errata).where(col(Topic.owner).is_(None)).order_by(col(Topic.position)))
    return [{"topic": slug, "track": track, "title": title, **erratum} for slug, track, title, errata in rows for erratum in errata]


def depths(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Topic -> the length of the longest chain of prerequisites below it. A cycle counts as if its last link were missing."""
    depth: dict[str, int] = {}

    def find(slug: str, above: frozenset[str]) -> int:
        if slug not in depth:
            below = [find(need, above | {slug}) for need in needs[slug] if need in needs and need not in above and need != slug]
            depth[slug] = 1 + max(below, default=-1)
        return depth[slug]

    for slug in needs:
        find(slug, frozenset())
    return depth


def by_track(topics: Iterable[TopicLine]) -> dict[str, list[TopicLine]]:
    grouped: dict[str, list[TopicLine]] = defaultdict(list)
    for topic in topics:
        grouped[topic.track].append(topic)
    return dict(grouped)
