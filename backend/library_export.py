"""The way out: the learner's cards with their notes, attachments, memories and reviews, as plain records."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from sqlmodel import Session, col, select

from backend.cards import Card as WrittenCard
from backend.cards import read_cards
from backend.exchange.records import CardRecord, MediaRecord, MemoryRecord, Progress, Records, ReviewRecord, TopicRecord, quiet, uncollected
from backend.memory import Phase
from backend.questions import Form, Question, from_dict
from backend.settings import read_settings
from backend.statements import Statement
from backend.sync import COMPUTED
from backend.tables import Media, Overlay, Topic

OFTEN = 2000  # cards between two signs of progress


@uncollected()
def collect(
    session: Session, *, learner: int, cards: Collection[str] | None = None, name: str = "", progress: Progress = quiet
) -> Records:
    """The learner's cards (all, or those with these ids) in their own wording, with their notes, attachments, memories and reviews."""
    wanted = None if cards is None else set(cards)
    overlays = {overlay.card: overlay.source for overlay in session.exec(select(Overlay).where(Overlay.learner == learner))}
    origins = dict(zip(*_columns(_ORIGINS.rows(session, {"learner": learner}), json_in=1)))
    records, computed = Records(name), 0
    seen: set[str] = set()
    ids: set[str] = set()
    rows = _CARDS.rows(session, {"learner": learner})
    for start in range(0, len(rows), OFTEN):
        progress(start, len(rows), "collecting cards")
        some = [row for row in rows[start : start + OFTEN] if wanted is None or row[0] in wanted]
        ids.update(row[0] for row in some)
        computed += sum(row[4] == COMPUTED for row in some)
        fixed = [row for row in some if row[4] != COMPUTED and not (row[1] in seen or seen.add(row[1]))]  # type: ignore[func-returns-value]
        for row, question, aka, tags in zip(fixed, *(read_many([row[place] for row in fixed]) for place in (6, 7, 8))):
            records.cards.append(_record_of(row, question, tuple(aka), tuple(tags), overlays.get(row[1]), origins.get(row[1], {})))
    topics = {record.topic for record in records.cards}
    for topic in session.exec(select(Topic).where(col(Topic.owner).is_(None) | (Topic.owner == learner)).order_by(col(Topic.position), Topic.slug)):
        if topic.slug in topics or (wanted is None and topic.owner == learner):
            records.topics.append(TopicRecord(topic.slug, topic.title, topic.text, topic.slug))
    records.media = [MediaRecord(media.name, media.data) for media in session.exec(select(Media).where(Media.learner == learner).order_by(Media.name))]
    records.memories = _memories(session, learner, ids)
    progress(len(rows), len(rows), "collecting reviews")
    records.reviews = _reviews(session, learner, ids)
    if computed:
        records.notices.append(f"{computed} cards are computed afresh by labs and have no fixed text; only what you remember of them can leave")
    return records


_CARDS = Statement("""SELECT id, block, topic, section, form, source, question, aka, tags FROM card
    WHERE (owner IS NULL OR owner = :learner) AND orphaned_at IS NULL ORDER BY topic, position, id""")


def _record_of(
    row: tuple[Any, ...], question: dict[str, Any], aka: tuple[str, ...], tags: tuple[str, ...], overlay: str | None, origin: dict[str, Any]
) -> CardRecord:
    _, block, topic, section, _, source, *_ = row
    if overlay:
        read, _ = read_cards(overlay)
        if read and read[0].id == block:
            return CardRecord(replace(read[0], section=section), topic, overlay, origin=origin)
    question.pop("gap", None)
    return CardRecord(WrittenCard(block, _question(question), aka, tags, section=section), topic, source, origin=origin)


def _question(stored: dict[str, Any]) -> Question:
    """Most are a prompt and an answer, and those need no looking for all that others may have."""
    if len(stored) == 3 and stored["form"] == "prose" and "answer" in stored:
        return Question(Form.PROSE, stored["prompt"], stored["answer"])
    return from_dict(stored)


def read_many(values: Sequence[Any]) -> list[Any]:
    """JSON columns: texts from SQLite, read all at once, which is twice as quick; from elsewhere they come read."""
    if not values or not isinstance(values[0], str):
        return list(values)
    return json.loads(f"[{','.join(values)}]")


def _columns(rows: Sequence[tuple[Any, ...]], *, json_in: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows)] or [[], []]
    columns[json_in] = read_many(columns[json_in])
    return columns


_ORIGINS = Statement("SELECT card, data FROM origin WHERE learner = :learner")


def _memories(session: Session, learner: int, ids: set[str]) -> list[MemoryRecord]:
    settings = read_settings(session, learner=learner)
    steps = {Phase.LEARNING: len(settings.learning_steps), Phase.RELEARNING: len(settings.relearning_steps)}
    memories = []
    for card, state, step, stability, difficulty, due_day, due_at, last_day, suspended, flag, lapses, reps in _STATES.rows(session, {"learner": learner}):
        if card not in ids:
            continue
        if not state:
            memories.append(MemoryRecord(card, suspended=bool(suspended), flag=flag, lapses=lapses, reps=reps))
            continue
        learning = state if state in steps else 0
        memories.append(MemoryRecord(
            card, due_day, stability, difficulty, max(due_day - last_day, 0), 0.0, bool(suspended), flag, lapses, reps,
            learning, due_at if learning else None, max(steps[state] - step, 1) if learning else 0,
        ))  # fmt: skip
    return memories


_STATES = Statement("""SELECT card, state, step, stability, difficulty, due_day, due_at, last_day, suspended, flag, lapses, reps FROM learner_card
    WHERE learner = :learner AND (state > 0 OR suspended OR flag > 0) ORDER BY card""")


def _reviews(session: Session, learner: int, ids: set[str]) -> list[ReviewRecord]:
    """Every review that stands, those that came with an import among them."""
    undone = {value for (value,) in _UNDONE.rows(session, {"learner": learner})}
    rows = [row for row in _LOG.rows(session, {"learner": learner}) if row[1] in ids and row[0] not in undone]
    brought = iter(read_many([row[6] for row in rows if row[2] == "import"]))
    reviews = []
    for _, card, kind, at, grade, duration, _ in rows:
        if kind == "grade":
            reviews.append(ReviewRecord(card, at, grade, duration or 0))
        else:
            reviews += [ReviewRecord(card, when, each, spent or 0, tuple(more)) for when, each, spent, *more in next(brought).get("reviews", ())]
    return reviews


_UNDONE = Statement("SELECT value FROM event WHERE learner = :learner AND kind = 'undo'")
_LOG = Statement("""SELECT id, card, kind, at, grade, duration, CASE WHEN kind = 'import' THEN data END FROM event
    WHERE learner = :learner AND kind IN ('grade', 'import') ORDER BY card, seq""")


def find_media(session: Session, *, learner: int, markdown: str) -> list[MediaRecord]:
    """The attachments that a text shows: by the name it uses, or by the file's name alone when that is unmistakable."""
    wanted = [unquote(name or wiki).split("|")[0].strip() for name, wiki in _SHOWN.findall(markdown)]
    names = list(session.exec(select(Media.name).where(Media.learner == learner))) if wanted else []
    found = []
    for name in dict.fromkeys(wanted):
        alike = [each for each in names if each == name] or [each for each in names if each.rpartition("/")[2] == name.rpartition("/")[2]]
        row = session.get(Media, (learner, alike[0])) if len(alike) == 1 else None
        if row:
            found.append(MediaRecord(row.name, row.data))
    return found


_SHOWN = re.compile(r"!\[[^\]\n]{0,500}\]\(<?([^)>\n]{1,500})>?\)|!\[\[([^\]\n]{1,500})\]\]")
