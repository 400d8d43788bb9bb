"""A card that a learner makes of a question and its answer: written as any card is, and brought into their own library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

from sqlmodel import Session, col, select

from backend.cards import Card as WrittenCard
from backend.cards import write_card
from backend.exchange.markdown import plain_slug
from backend.exchange.records import OWN, CardRecord, Records
from backend.library import apply_import
from backend.questions import Form, Question
from backend.search_index import Embed, encode_card, index_cards
from backend.tables import Card

LONGEST_QUESTION, LONGEST_CARD_ANSWER = 500, 5000  # characters
LONGEST_NAME = 60  # of an id


@dataclass(frozen=True)
class Kept:
    """What became of it: the card's id, or what has to be put right first."""

    card: str = ""
    problem: str = ""


def as_card(question: str, answer: str, *, name: str = "my-card") -> tuple[WrittenCard | None, str]:
    """The card as it would be kept, or why it cannot be one."""
    asked, told = question.strip(), answer.strip()
    for what, text, most in (("question", asked, LONGEST_QUESTION), ("answer", told, LONGEST_CARD_ANSWER)):
        if not text:
            return None, f"A card needs its {what}."
        if len(text) > most:
            return None, f"The {what} has {len(text)} characters; {most} is the most."
    card = WrittenCard(name, Question(Form.PROSE, asked, answer=told))
    try:
        write_card(card)
    except ValueError as problem:
        return None, f"This cannot be kept as a card yet: {problem}"
    return card, ""


def without_links(markdown: str) -> str:
    """The words of links to our own screens, which would lead nowhere when the card is taken along; pictures and other links stay."""
    return re.sub(r"(?<!!)\[([^\]\[]*)\]\(/[^)\s]*\)", r"\1", markdown)


def keep_card(session: Session, *, learner: int, question: str, answer: str, topic: str, at: int, embed: Embed | None = None) -> Kept:
    """Write the card into the learner's library, under the topic that it is about. With `embed` it is found by its meaning at once.

    It is an import of one card, so that the Library shows it among the others and takes it back like them.
    """
    card, problem = as_card(question, answer, name=_free_name(session, question))
    if card is None:
        return Kept(problem=problem)
    records = Records(f"a card from Ask: {' '.join(question.split())[:80]}", cards=[CardRecord(card, topic, why="made of an answer")])
    apply_import(session, learner=learner, records=records, at=at)
    if session.get(Card, card.id) is None:
        return Kept(problem="The card could not be kept under its name; please change the question a little.")
    index_cards(session, [card.id])
    if embed is not None:
        encode_card(session, card.id, embed)
    return Kept(card.id)


def _free_name(session: Session, question: str) -> str:
    """An id from the question's words that no card has, or had."""
    name = f"{OWN}{plain_slug(question)[:LONGEST_NAME].strip('-')}"
    taken = set(session.exec(select(Card.block).where(col(Card.block).startswith(name, autoescape=True))))
    return next(free for number in count(1) if (free := name if number == 1 else f"{name}-{number}") not in taken)
