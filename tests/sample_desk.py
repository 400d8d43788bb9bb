"""A small desk for tests: a database with topics and cards, and moments on a clock that only moves when told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sqlalchemy import Engine, text
from sqlmodel import Session

from backend import review
from backend.store import open_engine, writing
from backend.tables import Card, Learner, Table, Topic

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def moment(written: str) -> int:
    """UTC milliseconds of "2026-03-01 09:00"."""
    return int(dt.datetime.fromisoformat(written).replace(tzinfo=dt.UTC).timestamp() * 1000)


NOON = moment("2026-03-02 12:00")  # a Monday


def make_desk(folder: Path, *, topics: int = 4, cards: int = 10, gaps: bool = True) -> Engine:
    """A fresh database with one learner (id 1), two tracks and `topics` x `cards` cards; every tenth card has a sibling."""
    engine = open_engine(f"sqlite:///{folder / 'desk.db'}")
    Table.metadata.create_all(engine)
    with writing(engine) as session:
        add_content(session, topics=topics, cards=cards, gaps=gaps)
        session.add(Learner(id=1, name="me", created_at=0))
        session.flush()
        review.follow_content(session, learner=1, at=NOON)
    return engine


def add_content(session: Session, *, topics: int, cards: int, gaps: bool = True) -> None:
    for place in range(topics):
        track = "first" if place < topics / 2 else "second"
        session.add(Topic(slug=f"topic-{place}", track=track, position=place, title=f"Topic {place}", text="", sha=""))
        for number in range(cards):
            twin = gaps and number % 10 in (8, 9)
            block = f"t{place}-gap{number // 10}" if twin else f"t{place}-q{number:02d}"
            name = f"{block}.{number % 10 - 7}" if twin else block
            session.add(Card(
                id=name, block=block, topic=f"topic-{place}", position=number, form="prose", source="", sha="",
                tags=["even"] if number % 2 == 0 else ["odd"], plain=f"word{number} of topic {place} about attention",
            ))  # fmt: skip
    session.flush()


def scalar(session: Session, sql: str, **values: object) -> object:
    return session.connection().execute(text(sql), values).scalar()
