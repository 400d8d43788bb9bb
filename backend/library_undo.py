"""Taking an import back: what it made goes, what it changed is as before. What was learned since stays, with its history."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlmodel import Session, col, delete, select

from backend import review
from backend.card_search import forget_words
from backend.library_import import WITHOUT_MADE, names_in, write_sections
from backend.library_index import forget_homes, homes_of, index_changed
from backend.notes import read_note
from backend.replay import put_back, read_log, states_of
from backend.search_index import index_topics
from backend.settings import read_settings
from backend.statements import Statement
from backend.tables import Card, ImportRun, Media, Overlay, Revision, Section, Setting, Topic

CHUNK, NOTES = 1000, 100  # cards and notes of one piece
HOMES = 4000  # of them that the search forgets at once: each time it walks through all it has

TAKING_BACK = "taking back"  # in the report of a run: since when; what still writes for it must stop

Piece = Callable[[Session], None]


class Undoing:
    """One import being taken back. It may have been written in part only: what is not there need not go."""

    def __init__(self, session: Session, *, learner: int, run: ImportRun, at: int) -> None:
        self.learner, self.run, self.at = learner, run.id, at
        self.made: dict[str, list[Any]] = defaultdict(list, run.made)
        self.learned: list[str] = []
        self.gone: list[str] = []
        self.left: list[str] = []  # where the search has what goes or is put back
        self.begun_before = TAKING_BACK in run.report

    def pieces(self) -> Iterator[Piece]:
        yield self._begin
        for write in self._steps():
            yield partial(self._unless_done, write=write)

    def _steps(self) -> Iterator[Piece]:
        joined = set(self.made["cards"])
        for chunk in _chunks([card for card in self.made["memories"] if card not in joined]):
            yield partial(self._forget, cards=chunk)
        for chunk in _chunks(self.made["cards"]):
            yield partial(self._remove, cards=chunk)
        for homes in _chunks(self.left, HOMES):
            yield partial(forget_homes, homes=homes)
        self.left.clear()
        yield self._bring_back
        for slugs in _chunks(self.made["topics"], NOTES):
            yield partial(self._remove_topics, slugs=slugs)
        for slugs in _chunks(self.made["topics"], HOMES):
            yield partial(index_changed, topics=slugs)
        yield self._close

    def _begin(self, session: Session) -> None:
        row = session.get(ImportRun, self.run, options=[WITHOUT_MADE])
        if row is not None and row.undone_at is None:
            row.report = {**row.report, TAKING_BACK: self.at}
            session.flush()

    def _unless_done(self, session: Session, write: Piece) -> None:
        """Two may take back the same import; when one of them is done, what comes later is no longer the other's to remove."""
        if _STANDS.value(session, {"run": self.run}):
            write(session)

    def _used(self, session: Session, cards: Sequence[str]) -> set[str]:
        """Those of the cards that were learned, asked or worded. Read where the others are removed: a grade may come at any time."""
        known = {card for statement in (_ASKED, _WORDED) for (card,) in statement.rows(session, {"learner": self.learner})}
        return {card for card in cards if card in known or _GRADED.value(session, {"learner": self.learner, "card": card})}

    def _forget(self, session: Session, cards: Sequence[str]) -> None:
        used = self._used(session, cards)
        _forget_memories(session, learner=self.learner, cards=[card for card in cards if card not in used], at=self.at)

    def _remove(self, session: Session, cards: Sequence[str]) -> None:
        used = self._used(session, cards)
        learned = [card for card in cards if card in used]
        gone = [card for card in cards if card not in used]
        here = select(Card.topic, Card.owner, Card.block).where(col(Card.id).in_(cards), Card.owner == self.learner)
        self.left += homes_of(session.exec(here))  # type: ignore[arg-type]
        forget_words(session, gone)
        values = [{"card": card, "learner": self.learner} for card in gone]
        for statement in (_NO_EVENTS, _NO_MEMORY, _NO_CARD):
            statement.run(session, values)
        _ORPHAN.run(session, [{"card": card, "at": self.at} for card in learned])
        self.learned += learned
        self.gone += gone

    def _bring_back(self, session: Session) -> None:
        _NO_ORIGIN.run(session, [{"card": card} for card in self.made["origins"]])
        session.expire_all()
        self.left += homes_of(filter(None, (session.get(Card, before["id"]) for before in self.made["cards_before"])))
        for before in self.made["cards_before"][::-1]:
            self._restore_card(session, before)
        for block, overlay in self.made["overlays_before"]:
            session.exec(delete(Overlay).where(col(Overlay.learner) == self.learner, col(Overlay.card) == block))  # type: ignore[call-overload]
            if overlay:
                session.add(Overlay(**overlay))
        for name in self.made["media"]:
            session.exec(delete(Media).where(col(Media.learner) == self.learner, col(Media.name) == name))  # type: ignore[call-overload]
        for name, sha, data in self.made["media_before"]:
            session.add(Media(learner=self.learner, name=name, sha=sha, data=b64decode(data)))
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
        written: dict[str, str] = dict(self.made["written"])
        for before in self.made["topics_before"]:
            topic = session.get(Topic, before["slug"])
            if topic and written.get(topic.slug, topic.sha) == topic.sha:
                for name, value in before.items():
                    setattr(topic, name, value)
                session.flush()
                write_sections(session, topic.slug, read_note(topic.text, slug=topic.slug, track=topic.track, path=topic.slug)[0])

    def _remove_topics(self, session: Session, slugs: Sequence[str]) -> None:
        written: dict[str, str] = dict(self.made["written"])
        for slug in slugs:
            topic = session.get(Topic, slug)
            inhabited = session.exec(select(Card.id).where(Card.topic == slug, col(Card.orphaned_at).is_(None)).limit(1)).first()
            if topic and not inhabited and written.get(slug, topic.sha) == topic.sha:
                session.exec(delete(Section).where(col(Section.topic) == slug))  # type: ignore[call-overload]
                session.delete(topic)

    def _close(self, session: Session) -> None:
        row = session.get(ImportRun, self.run)
        assert row is not None
        row.undone_at = self.at
        told = {name: value for name, value in row.report.items() if name != TAKING_BACK}
        row.report = {"new": 0, "changed": 0, "interrupted": True} if "unfinished" in told else told
        session.flush()
        session.exec(delete(Setting).where(col(Setting.learner) == self.learner, col(Setting.name) == "content"))  # type: ignore[call-overload]
        review.follow_content(session, learner=self.learner, at=self.at)
        if self.begun_before:  # what the first attempt took out of the tables is not known here
            index_topics(session)
        else:
            topics = [before["slug"] for before in self.made["topics_before"]]
            index_changed(session, topics=topics, blocks=[before["block"] for before in self.made["cards_before"]], left=self.left)

    @property
    def words(self) -> str:
        stayed = f"; {len(self.learned)} cards that you have learned since are put aside with their history" if self.learned else ""
        return f"Taken back: {len(self.gone)} cards and {len(self.made['topics'])} topics are gone, {len(self.made['cards_before'])} cards are as before{stayed}."


def find_run(session: Session, *, learner: int, run: int) -> ImportRun | str:
    """The import, or why it cannot be taken back."""
    row = session.get(ImportRun, run)
    if row is None or row.learner != learner:
        return "There is no such import."
    if row.undone_at is not None:
        return "This import was taken back before."
    if "unfinished" in row.report or TAKING_BACK in row.report:  # what was begun has to be ended
        return row
    newer = _standing_on(session, row)
    return f"Newer changes stand on it: take those back first ({', '.join(newer[:3])})." if newer else row


def _standing_on(session: Session, run: ImportRun) -> list[str]:
    """Later runs that made or changed what this one did, newest first: taking it back would take away theirs."""
    later = select(ImportRun).where(ImportRun.learner == run.learner, col(ImportRun.id) > run.id, col(ImportRun.undone_at).is_(None))
    newer = session.exec(later.order_by(col(ImportRun.id).desc())).all()
    mine = names_in(run.made) if newer else set()
    return [each.name for each in newer if names_in(each.made) & mine]


def _chunks(names: Sequence[str], size: int = CHUNK) -> Iterator[list[str]]:
    for start in range(0, len(names), size):
        yield list(names[start : start + size])


def _forget_memories(session: Session, learner: int, cards: Sequence[str], at: int) -> None:
    """What an import brought to cards that were there before: other events say that it no longer counts."""
    if not cards:
        return
    settings = read_settings(session, learner=learner)
    day = review.today_of(settings, at)
    numbers = review.next_numbers(session, learner=learner, cards=cards)
    events = []
    for card in cards:
        for seq, (event,) in enumerate(_BROUGHT.rows(session, {"learner": learner, "card": card, "round": review.BROUGHT}), numbers[card] or 0):
            events.append({
                "learner": learner, "card": card, "seq": seq, "kind": "undo", "batch": event, "value": event, "at": at, "day": day,
                "round": review.BROUGHT,  # no more the learner's own doing than what it undoes
            })  # fmt: skip
    review.append_many(session, events)
    put_back(session, states_of(read_log(session, learner=learner, cards=list(cards)), settings.parameters), learner=learner)


_STANDS = Statement("SELECT 1 FROM import_run WHERE id = :run AND undone_at IS NULL")
_GRADED = Statement("SELECT 1 FROM event WHERE learner = :learner AND card = :card AND kind IN ('grade', 'cram') LIMIT 1")
_ASKED = Statement("SELECT DISTINCT answer.card FROM answer JOIN attempt ON attempt.id = answer.attempt WHERE attempt.learner = :learner")
_WORDED = Statement("SELECT card.id FROM overlay JOIN card ON card.block = overlay.card WHERE overlay.learner = :learner")
_BROUGHT = Statement("""SELECT id FROM event e WHERE learner = :learner AND card = :card AND kind <> 'undo' AND (kind = 'import' OR round = :round) AND NOT EXISTS
    (SELECT 1 FROM event u WHERE u.learner = e.learner AND u.card = e.card AND u.kind = 'undo' AND u.value = e.id) ORDER BY seq""")
_NO_EVENTS = Statement("DELETE FROM event WHERE card = :card AND learner = :learner")
_NO_MEMORY = Statement("DELETE FROM learner_card WHERE learner = :learner AND card = :card")
_NO_CARD = Statement("DELETE FROM card WHERE id = :card AND owner = :learner")
_NO_ORIGIN = Statement("DELETE FROM origin WHERE card = :card")
_ORPHAN = Statement("UPDATE card SET orphaned_at = :at WHERE id = :card")
