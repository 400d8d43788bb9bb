"""The search's part of a change in the library: what changed is indexed again, and nothing else is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlmodel import Session, col, select

from backend.search_index import BATCH, Home, forget, index_cards, index_topics
from backend.tables import Indexed


class Placed(Protocol):
    """A card, or as much of its row as says where it is."""

    @property
    def topic(self) -> str: ...
    @property
    def owner(self) -> int | None: ...
    @property
    def block(self) -> str: ...


def homes_of(cards: Iterable[Placed]) -> list[str]:
    """By which names the search knows these cards as long as they stand in no note."""
    return list(dict.fromkeys(Home(card.topic, card.owner, card.block).name for card in cards))


def index_changed(session: Session, *, topics: Sequence[str] = (), blocks: Sequence[str] = (), left: Sequence[str] = ()) -> None:
    """Notes whose text is another one, cards that are others, and homes that cards have left."""
    session.flush()
    forget_homes(session, left)
    if topics:
        index_topics(session, only=list(dict.fromkeys(topics)))
    if blocks:
        index_cards(session, list(dict.fromkeys(blocks)))


def forget_homes(session: Session, homes: Sequence[str]) -> None:
    """Take out of the search what it has of these."""
    parts = (homes[start : start + BATCH] for start in range(0, len(homes), BATCH))
    known = [home for part in parts for home in session.exec(select(Indexed.topic).where(col(Indexed.topic).in_(part)))]
    forget(session, known)
