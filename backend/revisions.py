"""One card's wording: changing it, what it said before, and the difference word by word.

A change of wording keeps the schedule when its meaning is the same. When the meaning has changed the learner decides: keep what
is scheduled, or begin the card anew. Beginning anew is an event, so the log alone still gives the state (`replay.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session, col, select

from backend import review
from backend.deck import reword
from backend.tables import Card, ImportRun, Overlay, Revision

MOST_PAIRS = 1_000_000  # of words in both texts: beyond that all between their equal beginnings and ends counts as replaced
_WORD = re.compile(r"([\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]|^(?=\s))(\s*)")  # with the space after it


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
    parts: list[Part] = []
    old_start = new_start = 0
    for old_end, new_end in [*_kept([word for word, _ in old], [word for word, _ in new]), (len(old), len(new))]:
        _add(parts, "gone", "".join(word + space for word, space in old[old_start:old_end]))
        _add(parts, "came", "".join(word + space for word, space in new[new_start:new_end]))
        if old_end < len(old) and new_end < len(new):
            (word, space), (_, other) = old[old_end], new[new_end]
            _add(parts, "same", word + space if space == other else word)
            if space != other:
                _add(parts, "gone", space)
                _add(parts, "came", other)
        old_start, new_start = old_end + 1, new_end + 1
    return parts


def _add(parts: list[Part], kind: Literal["same", "gone", "came"], text: str) -> None:
    if text and parts and parts[-1][0] == kind:
        parts[-1] = (kind, parts[-1][1] + text)
    elif text:
        parts.append((kind, text))


def _kept(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Where the words that stayed stand in both: equal beginnings and ends, and between them a longest common subsequence.

    Its cost is known beforehand, one step for each pair of words; difflib's grows with the cube when one word stands between all others."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    between = _longest_common(old, new, range(head, len(old) - tail), range(head, len(new) - tail))
    return [*((at, at) for at in range(head)), *between, *((len(old) - at, len(new) - at) for at in range(tail, 0, -1))]


def _longest_common(old: list[str], new: list[str], old_places: range, new_places: range) -> list[tuple[int, int]]:
    shared = {old[at] for at in old_places} & {new[at] for at in new_places}  # other words are in no common subsequence
    rows, columns = [at for at in old_places if old[at] in shared], [at for at in new_places if new[at] in shared]
    if len(rows) * len(columns) > MOST_PAIRS:
        return []
    here = [new[at] for at in columns]
    lengths = [[0] * (len(columns) + 1)]  # [row][column]: of what is common from there on; built from the last row upwards
    for at in reversed(rows):
        lengths.append(_row_above(old[at], here, lengths[-1]))
    lengths.reverse()
    found, row, column = [], 0, 0
    while row < len(rows) and column < len(columns):
        if old[rows[row]] == here[column]:
            found.append((rows[row], columns[column]))
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


def _row_above(word: str, here: list[str], below: list[int]) -> list[int]:
    row = [0] * len(below)
    best = 0
    for column in range(len(here) - 1, -1, -1):
        if here[column] == word:
            best = below[column + 1] + 1
        elif below[column] > best:
            best = below[column]
        row[column] = best
    return row
