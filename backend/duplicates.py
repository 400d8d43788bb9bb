"""Cards that ask nearly the same: found while a new one is being written, by words and by meaning.

Words: the cards that share most content words. Meaning: the cosine between the question's vector and those that search has
stored; a card found by words that has no vector yet is encoded on the spot. Only the learner's own and shipped cards are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from backend.card_search import phrase, word_index
from backend.markup import plain
from backend.nearness import Nearness, content_words, likeness
from backend.questions import from_dict
from backend.statements import Statement
from backend.sync import COMPUTED
from backend.tables import Card, Topic

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

CLOSE = 0.8  # cosine from which two questions are likely to ask the same: of 500 shipped ones 10 have another that near, paraphrases reach .81 to .96
ALIKE = 0.7  # share of content words from which they are
LOOKED_AT = 24  # cards found by words that are compared
ENCODED = 6  # of them that may be encoded on the spot


@dataclass(frozen=True, slots=True)
class Near:
    card: str  # the first showing of its block
    topic: str
    title: str  # of the topic
    asked: str
    shared: float  # of the content words, 0 to 1
    cosine: float | None  # None: no encoder at hand


def find_near(
    session: Session, *, learner: int, question: str, embed: Embed | None = None, near: Nearness | None = None, leaving_out: Collection[str] = (),
    at_most: int = 3,
) -> list[Near]:  # fmt: skip
    """The cards that ask nearly what `question` (Markdown) asks, nearest first; blocks in `leaving_out` are not looked at."""
    asked = plain(question).strip()
    words = content_words(asked)
    if len(words) < 2:
        return []
    vector = embed([asked])[0] if embed else None
    blocks = dict.fromkeys([*_by_words(session, learner, words), *_by_meaning(vector, near)])
    rows = _rows(session, learner, [block for block in blocks if block not in leaving_out])
    cosines = _cosines(rows, vector, embed, near)
    found = [
        Near(row.id, row.topic, title or row.topic, text, likeness(asked, text), cosines.get(row.block)) for row, title, text in rows
    ]
    close = [each for each in found if each.shared >= ALIKE or (each.cosine or 0.0) >= CLOSE]
    return sorted(close, key=lambda each: -max(each.shared, each.cosine or 0.0))[:at_most]


def _rows(session: Session, learner: int, blocks: Sequence[str]) -> list[tuple[Card, str | None, str]]:
    """The cards with their topic's title and what they ask."""
    seen = col(Card.owner).is_(None) | (Card.owner == learner)
    query = select(Card, Topic.title).outerjoin(Topic, Card.topic == Topic.slug).where(col(Card.block).in_(blocks), seen, col(Card.orphaned_at).is_(None), Card.form != COMPUTED)  # type: ignore[arg-type]
    found: dict[str, tuple[Card, str | None, str]] = {}
    for card, title in session.exec(query.order_by(Card.id)):
        found.setdefault(card.block, (card, title, " ".join(plain(from_dict(card.question).prompt).split())))
    return list(found.values())


def _by_words(session: Session, learner: int, words: Sequence[str]) -> list[str]:
    """Blocks that hold the rarest of these words, those with most of them first."""
    index = word_index(session)
    if index is None:
        return []
    rare = sorted((word for word in dict.fromkeys(words) if len(word) >= 3 and index.is_rare(word)), key=len, reverse=True)[:8]
    if not rare:
        return []
    asked = " OR ".join(phrase(word) for word in rare)
    return [block for (block,) in _HOLDING.rows(session, {"words": asked, "learner": learner, "most": LOOKED_AT})]


_HOLDING = Statement("""SELECT c.block FROM card_words w JOIN card c ON c.id = w.card
    WHERE card_words MATCH :words AND c.orphaned_at IS NULL AND (c.owner IS NULL OR c.owner = :learner) ORDER BY w.rank LIMIT :most""")


def _by_meaning(vector: NDArray[np.float32] | None, near: Nearness | None) -> list[str]:
    if vector is None or near is None or not near.by_meaning:
        return []
    cosines = near.matrix @ vector
    return [near.blocks[place] for place in np.argsort(-cosines)[:LOOKED_AT] if cosines[place] >= CLOSE]


def _cosines(rows: Sequence[tuple[Card, str | None, str]], vector: NDArray[np.float32] | None, embed: Embed | None, near: Nearness | None) -> dict[str, float]:
    if vector is None or embed is None:
        return {}
    known = {row.block: near.matrix[near.row[row.block]] for row, _, _ in rows if near and near.by_meaning and row.block in near.row}
    missing = [(row.block, text) for row, _, text in rows if row.block not in known][:ENCODED]
    if missing:
        known |= dict(zip((block for block, _ in missing), embed([text for _, text in missing])))
    return {block: float(each @ vector) for block, each in known.items()}
