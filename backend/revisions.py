"""One card's wording: changing it, what it said before, and the difference word by word.

A change of wording keeps the schedule when its meaning is the same. When the meaning has changed the learner decides: keep what
is scheduled, or begin the card anew. Beginning anew is an event, so the log alone still gives the state (`replay.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from sqlmodel import Session, col, select

from backend import review
from backend.deck import reword
from backend.tables import Card, ImportRun, Overlay, Revision

LONGEST = 4000  # words: beyond that the whole text counts as replaced
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Wording:
    """One change of a card's wording."""

    at: int
    mine: bool  # made by this learner; otherwise it came with the content
    before: str
    after: str  # "": the card was deleted
    meaning_changed: bool


def edit_card(session: Session, *, learner: int, card: str, source: str, at: int, meaning: Literal["same", "changed"] = "same", anew: bool = False) -> list[str]:
    """Keep the learner's own wording of a card's block. Says what is wrong with it, and then keeps nothing."""
    row = session.get(Card, card)
    if row is None:
        return [f"There is no card {card}."]
    overlay = session.get(Overlay, (learner, row.block))
    before, kept = (overlay.source if overlay else row.source), (overlay.model_dump() if overlay else None)
    if source.strip() == before.strip():
        return []
    problems = reword(session, learner=learner, card=card, source=source, at=at)
    if problems:
        return problems
    session.add(Revision(card=row.block, learner=learner, at=at, before=before, after=source, meaning_changed=meaning == "changed"))
    made = {"overlays_before": [[row.block, kept]]}
    session.add(ImportRun(learner=learner, at=at, name=f"wording of {row.block}", report={"action": "edit", "new": 0, "changed": 1}, made=made))
    session.flush()
    if anew and meaning == "changed":
        siblings = session.exec(select(Card.id).where(Card.block == row.block, col(Card.orphaned_at).is_(None)).order_by(Card.id))
        review.begin_anew(session, learner=learner, cards=list(siblings), at=at)
    return []


def list_wordings(session: Session, *, learner: int, card: str) -> list[Wording]:
    """Every change of the card's wording that this learner made or that came with the content, newest first."""
    row = session.get(Card, card)
    if row is None:
        return []
    names = {row.block, *session.exec(select(Card.id).where(Card.block == row.block))}
    seen = (col(Revision.learner).is_(None)) | (Revision.learner == learner)
    rows = session.exec(select(Revision).where(col(Revision.card).in_(names), seen).order_by(col(Revision.id).desc()))
    told = [Wording(each.at, each.learner == learner, each.before, each.after, each.meaning_changed) for each in rows]
    return list(dict.fromkeys(told))  # gaps of one sentence change together


@dataclass(frozen=True, slots=True)
class Upstream:
    """The shipped wording has changed since the learner made a wording of their own from it."""

    base: str
    now: str


def changed_upstream(session: Session, *, learner: int, card: str) -> Upstream | None:
    row = session.get(Card, card)
    overlay = session.get(Overlay, (learner, row.block)) if row else None
    if row is None or overlay is None or overlay.base == row.source:
        return None
    return Upstream(overlay.base, row.source)


def keep_mine(session: Session, *, learner: int, card: str) -> None:
    """The learner has seen the new shipped wording and stays with their own."""
    row = session.get(Card, card)
    overlay = session.get(Overlay, (learner, row.block)) if row else None
    if row and overlay:
        overlay.base = row.source


Part = tuple[Literal["same", "gone", "came"], str]


def word_diff(before: str, after: str) -> list[Part]:
    """What stayed, what went and what came, in reading order; joined without "came" it is `before`, without "gone" `after`."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if max(len(old), len(new)) > LONGEST:
        return [("gone", before), ("came", after)]
    parts: list[Part] = []
    for kind, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("same", "".join(old[old_start:old_end])))
            continue
        for what, words in (("gone", old[old_start:old_end]), ("came", new[new_start:new_end])):
            if words:
                parts.append((what, "".join(words)))  # type: ignore[arg-type]
    return parts
