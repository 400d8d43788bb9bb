"""Cards as one learner sees them: with their own wording over the shipped one, and with what a screen needs beside the question."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, col, select

from backend.cards import read_cards, showings
from backend.questions import Question, from_dict
from backend.sync import COMPUTED
from backend.tables import Card, Overlay, Report, Topic


@dataclass(frozen=True)
class DeckCard:
    id: str
    topic: str
    title: str  # of its topic
    section: str
    source: str  # Markdown of its block as this learner has it
    question: Question | None  # None: a lab computes it
    lab: str  # the lab that computes it or shows its topic; "" when there is none
    maker: str = ""


def read_deck(session: Session, *, learner: int, cards: Collection[str]) -> dict[str, DeckCard]:
    """The cards by id; ids that nobody knows are left out."""
    rows = session.exec(select(Card, Topic).outerjoin(Topic, Card.topic == Topic.slug).where(col(Card.id).in_(cards)))  # type: ignore[arg-type]
    worded = session.exec(select(Overlay).where(Overlay.learner == learner, col(Overlay.card).in_(_blocks(session, cards))))
    overlays = {overlay.card: overlay.source for overlay in worded}
    deck = {}
    for card, topic in rows:
        title, labs = (topic.title, topic.labs) if topic else (card.topic, [])
        source = overlays.get(card.block, card.source)
        if card.form == COMPUTED:
            shown = DeckCard(card.id, card.topic, title, card.section, source, None, card.question["lab"], card.question["maker"])
        else:
            shown = DeckCard(card.id, card.topic, title, card.section, source, _question(card, source), labs[0] if labs else "")
        deck[card.id] = shown
    return deck


def _blocks(session: Session, cards: Collection[str]) -> list[str]:
    return list(session.exec(select(Card.block).where(col(Card.id).in_(cards))))


def _question(card: Card, source: str) -> Question:
    """The stored question, or that of the learner's wording when it still holds this card."""
    if source != card.source:
        read, _ = read_cards(source)
        for written in read:
            for shown in showings(written):
                if shown.id == card.id:
                    return shown.question
    return from_dict(card.question)


def reword(session: Session, *, learner: int, card: str, source: str, at: int) -> list[str]:
    """Keep the learner's own wording of a card's block. Says what is wrong with it, and then keeps nothing.

    Wording that equals the shipped one is no wording of one's own: the overlay goes away.
    """
    row = session.get(Card, card)
    if row is None:
        return [f"There is no card {card}."]
    read, mistakes = read_cards(source)
    problems = [f"line {m.line}: expected {m.expected}, came {m.came}" for m in mistakes]
    ids = [written.id for written in read]
    if not problems and ids != [row.block]:
        problems = [f"expected one card with the id ^{row.block}, came {', '.join('^' + i for i in ids) or 'none'}"]
    if not problems and card not in {shown.id for shown in showings(read[0])}:
        problems = ["the number of gaps has changed: that needs a card with a new id"]
    if problems:
        return problems
    overlay = session.get(Overlay, (learner, row.block))
    if source.strip() == row.source.strip():
        if overlay:
            session.delete(overlay)
    elif overlay:
        overlay.source, overlay.base, overlay.at = source, row.source, at
    else:
        session.add(Overlay(learner=learner, card=row.block, source=source, base=row.source, at=at))
    return []


def report(session: Session, *, learner: int, card: str, words: str, at: int) -> None:
    """Keep what a learner says is wrong with a card."""
    session.add(Report(learner=learner, card=card, words=words.strip()[:2000], at=at))
