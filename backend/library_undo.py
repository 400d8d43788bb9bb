"""Taking an import back: what it made goes, what it changed is as before. What was learned since stays, with its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, col, delete

from backend import review
from backend.library_import import write_sections
from backend.notes import read_note
from backend.replay import put_back, read_log, states_of
from backend.search_index import index_topics
from backend.settings import read_settings
from backend.statements import Statement
from backend.tables import Card, ImportRun, Media, Overlay, Revision, Section, Setting, Topic

CHUNK = 1000  # cards of one piece

WITHOUT_MADE = defer(ImportRun.made)  # type: ignore[arg-type]  # of a large import it is megabytes, and a list has no use for it

Piece = Callable[[Session], None]


class Undoing:
    """One import being taken back. It may have been written in part only: what is not there need not go."""

    def __init__(self, session: Session, *, learner: int, run: ImportRun, at: int) -> None:
        self.learner, self.run, self.at = learner, run.id, at
        self.made: dict[str, list[Any]] = defaultdict(list, run.made)
        self.used = {card for (card,) in _USED.rows(session, {})}
        self.learned = [card for card in self.made["cards"] if card in self.used]
        self.gone = [card for card in self.made["cards"] if card not in self.used]

    def pieces(self) -> Iterator[Piece]:
        joined = set(self.made["cards"])
        for chunk in _chunks([card for card in self.made["memories"] if card not in self.used and card not in joined]):
            yield partial(_forget_memories, learner=self.learner, cards=chunk, at=self.at)
        for chunk in _chunks(self.gone):
            yield partial(self._remove, cards=chunk)
        yield self._bring_back
        yield self._close

    def _remove(self, session: Session, cards: Sequence[str]) -> None:
        values = [{"card": card, "learner": self.learner} for card in cards]
        for statement in (_NO_EVENTS, _NO_MEMORY, _NO_CARD):
            statement.run(session, values)

    def _bring_back(self, session: Session) -> None:
        _ORPHAN.run(session, [{"card": card, "at": self.at} for card in self.learned])
        _NO_ORIGIN.run(session, [{"card": card} for card in self.made["origins"]])
        session.expire_all()
        for before in self.made["cards_before"][::-1]:
            self._restore_card(session, before)
        for block, overlay in self.made["overlays_before"]:
            session.exec(delete(Overlay).where(col(Overlay.learner) == self.learner, col(Overlay.card) == block))  # type: ignore[call-overload]
            if overlay:
                session.add(Overlay(**overlay))
        for name in self.made["media"]:
            session.exec(delete(Media).where(col(Media.learner) == self.learner, col(Media.name) == name))  # type: ignore[call-overload]
        self._restore_topics(session)

    def _restore_card(self, session: Session, before: dict[str, Any]) -> None:
        card = session.get(Card, before["id"])
        if card is None or card.model_dump() == before:
            return
        gone = before["orphaned_at"] is None and card.orphaned_at is not None
        if card.source != before["source"] or gone:
            session.add(Revision(card=card.id, learner=self.learner, at=self.at, before="" if gone else card.source, after=before["source"]))
        for name, value in before.items():
            setattr(card, name, value)

    def _restore_topics(self, session: Session) -> None:
        for before in self.made["topics_before"]:
            topic = session.get(Topic, before["slug"])
            if topic:
                for name, value in before.items():
                    setattr(topic, name, value)
                session.flush()
                write_sections(session, topic.slug, read_note(topic.text, slug=topic.slug, track=topic.track, path=topic.slug)[0])
        for slug in self.made["topics"]:
            topic = session.get(Topic, slug)
            if topic:
                session.exec(delete(Section).where(col(Section.topic) == slug))  # type: ignore[call-overload]
                session.delete(topic)

    def _close(self, session: Session) -> None:
        row = session.get(ImportRun, self.run)
        assert row is not None
        row.undone_at = self.at
        if "unfinished" in row.report:
            row.report = {"new": 0, "changed": 0, "interrupted": True}
        session.flush()
        session.exec(delete(Setting).where(col(Setting.learner) == self.learner, col(Setting.name) == "content"))  # type: ignore[call-overload]
        review.follow_content(session, learner=self.learner, at=self.at)
        index_topics(session)

    @property
    def words(self) -> str:
        stayed = f"; {len(self.learned)} cards that you have learned since are put aside with their history" if self.learned else ""
        return f"Taken back: {len(self.gone)} cards and {len(self.made['topics'])} topics are gone, {len(self.made['cards_before'])} cards are as before{stayed}."


def find_run(session: Session, *, learner: int, run: int) -> ImportRun | str:
    """The import, or why it cannot be taken back."""
    row = session.get(ImportRun, run)
    if row is None or row.learner != learner:
        return "There is no such import."
    return row if row.undone_at is None else "This import was taken back before."


def _chunks(cards: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(cards), CHUNK):
        yield list(cards[start : start + CHUNK])


def _forget_memories(session: Session, learner: int, cards: Sequence[str], at: int) -> None:
    """What an import brought to cards that were there before: other events say that it no longer counts."""
    settings = read_settings(session, learner=learner)
    day = review.today_of(settings, at)
    numbers = review.next_numbers(session, learner=learner, cards=cards)
    events = []
    for card in cards:
        for seq, (event,) in enumerate(_BROUGHT.rows(session, {"learner": learner, "card": card, "round": review.BROUGHT}), numbers[card]):
            events.append({"learner": learner, "card": card, "seq": seq, "kind": "undo", "batch": event, "value": event, "at": at, "day": day})
    review.append_many(session, events)
    put_back(session, states_of(read_log(session, learner=learner, cards=list(cards)), settings.parameters), learner=learner)


_USED = Statement("SELECT DISTINCT card FROM event WHERE kind IN ('grade', 'cram') UNION SELECT card FROM answer UNION SELECT card FROM overlay")
_BROUGHT = Statement("""SELECT id FROM event e WHERE learner = :learner AND card = :card AND (kind = 'import' OR round = :round) AND NOT EXISTS
    (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id) ORDER BY seq""")
_NO_EVENTS = Statement("DELETE FROM event WHERE card = :card AND learner = :learner")
_NO_MEMORY = Statement("DELETE FROM learner_card WHERE learner = :learner AND card = :card")
_NO_CARD = Statement("DELETE FROM card WHERE id = :card AND owner = :learner")
_NO_ORIGIN = Statement("DELETE FROM origin WHERE card = :card")
_ORPHAN = Statement("UPDATE card SET orphaned_at = :at WHERE id = :card")
