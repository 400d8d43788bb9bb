"""What is stored, on one page.

Times are integer UTC milliseconds (`at`) beside the learner's study-day number (`day`). What a learner did carries the
learner's id. Nothing here is special to SQLite, so that another database can take the same tables.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """Our own registry: Streamlit runs files again when they change, and a shared one would say 'already defined'."""


def json_list() -> Column:
    return Column(JSON, nullable=False, default=list)


def json_object() -> Column:
    return Column(JSON, nullable=False, default=dict)


def milliseconds(*, nullable: bool = False) -> Column:
    return Column(BigInteger, nullable=nullable)


# --- knowledge: written by `sync` from content/, or by a learner in their own library -------------------------------


class Topic(Table, table=True):
    __tablename__ = "topic"
    slug: str = Field(primary_key=True)
    track: str = Field(index=True)
    position: int  # in the order of content/tracks.yaml
    title: str
    aliases: list[str] = Field(default_factory=list, sa_column=json_list())
    needs: list[str] = Field(default_factory=list, sa_column=json_list())
    labs: list[str] = Field(default_factory=list, sa_column=json_list())
    sources: list[str] = Field(default_factory=list, sa_column=json_list())
    links: list[str] = Field(default_factory=list, sa_column=json_list())  # topics its wikilinks lead to
    errata: list[dict] = Field(default_factory=list, sa_column=json_list())  # said, right, source, section
    text: str = Field(sa_column=Column(Text, nullable=False))  # the note as it stands in its file
    sha: str
    owner: int | None = Field(default=None, index=True)  # the learner whose library it is in; nobody: shipped


class Section(Table, table=True):
    """A searchable passage: the prose under one heading."""

    __tablename__ = "section"
    __table_args__ = (UniqueConstraint("topic", "anchor"),)
    id: int | None = Field(default=None, primary_key=True)
    topic: str = Field(foreign_key="topic.slug", index=True)
    anchor: str
    position: int
    heading: str  # the heading path, joined by " > "
    markdown: str = Field(sa_column=Column(Text, nullable=False))
    plain: str = Field(sa_column=Column(Text, nullable=False))
    start: int  # where it stands in the topic's text, in characters
    end: int
    sha: str


class Card(Table, table=True):
    """One thing to remember. Its id is for ever; a card that left its note is orphaned, never deleted."""

    __tablename__ = "card"
    __table_args__ = (
        Index("ix_card_orphaned", "orphaned_at", sqlite_where=text("orphaned_at IS NOT NULL"), postgresql_where=text("orphaned_at IS NOT NULL")),
    )
    id: str = Field(primary_key=True)
    block: str = Field(index=True)  # the id in the note: gaps of one sentence share it and are siblings
    topic: str = Field(index=True)
    section: str = ""  # anchor of the section it stands in
    position: int = 0
    form: str
    source: str = Field(sa_column=Column(Text, nullable=False))  # the Markdown of its block
    question: dict = Field(default_factory=dict, sa_column=json_object())  # questions.to_dict
    aka: list[str] = Field(default_factory=list, sa_column=json_list())
    tags: list[str] = Field(default_factory=list, sa_column=json_list())
    plain: str = Field(default="", sa_column=Column(Text, nullable=False))  # what a word search looks at
    sha: str
    owner: int | None = Field(default=None, index=True)
    orphaned_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))


class SourceFile(Table, table=True):
    """A file of content/ as `sync` last saw it, with what was wrong in it."""

    __tablename__ = "source_file"
    path: str = Field(primary_key=True)
    sha: str
    mistakes: list[dict] = Field(default_factory=list, sa_column=json_list())


class Revision(Table, table=True):
    """What a card said before it was changed."""

    __tablename__ = "revision"
    id: int | None = Field(default=None, primary_key=True)
    card: str = Field(index=True)
    learner: int | None = None  # nobody: the change came with the content
    at: int = Field(sa_column=milliseconds())
    before: str = Field(sa_column=Column(Text, nullable=False))
    after: str = Field(sa_column=Column(Text, nullable=False))
    meaning_changed: bool = False


class Overlay(Table, table=True):
    """A learner's own wording of a shipped card; `base` is the wording it was made from."""

    __tablename__ = "overlay"
    learner: int = Field(foreign_key="learner.id", primary_key=True)
    card: str = Field(primary_key=True)
    source: str = Field(sa_column=Column(Text, nullable=False))
    base: str = Field(sa_column=Column(Text, nullable=False))
    at: int = Field(sa_column=milliseconds())


class Report(Table, table=True):
    """What a learner says is wrong with a card."""

    __tablename__ = "report"
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id")
    card: str = Field(index=True)
    words: str = Field(sa_column=Column(Text, nullable=False))
    at: int = Field(sa_column=milliseconds())


# --- the learner's own library: what came in from outside -------------------------------------------------------------


class Media(Table, table=True):
    """A picture or another attachment that came in with a note or a card."""

    __tablename__ = "media"
    learner: int = Field(foreign_key="learner.id", primary_key=True)
    name: str = Field(primary_key=True)  # as notes and cards call it
    sha: str = Field(index=True)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Origin(Table, table=True):
    """What another program calls a card of ours, so that it is found again there and here."""

    __tablename__ = "origin"
    card: str = Field(primary_key=True)  # its block
    learner: int = Field(foreign_key="learner.id", index=True)
    data: dict = Field(default_factory=dict, sa_column=json_object())


class ImportRun(Table, table=True):
    """One import: what it told, and what takes it back."""

    __tablename__ = "import_run"
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id", index=True)
    at: int = Field(sa_column=milliseconds())
    name: str
    report: dict = Field(default_factory=dict, sa_column=json_object())
    made: dict = Field(default_factory=dict, sa_column=json_object())  # ids that came into being, and rows as they were before
    undone_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))


# --- search: follows from the knowledge and can be made again from it at any time -------------------------------------


class Passage(Table, table=True):
    """A piece of a note or card that search finds and an answer cites. Its vector is found by the sha of its words."""

    __tablename__ = "passage"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(default=None, primary_key=True)
    topic: str = Field(index=True)
    section: str = ""  # anchor
    card: str = ""  # the block it stands in, empty for prose
    kind: str  # name, section, sentence, question, answer
    heading: str = ""  # the path of headings, joined by " > "
    words: str = Field(sa_column=Column(Text, nullable=False))  # plain text: what is embedded and looked through
    start: int  # topic.text[start:end] is what it cites, in characters
    end: int
    sha: str = Field(default="", index=True)  # of heading and words; empty when nothing is to be embedded


class Vector(Table, table=True):
    """What the encoder made of some words. Kept by the words' sha, so that text and vector can never disagree."""

    __tablename__ = "vector"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(default=None, primary_key=True)
    sha: str = Field(unique=True)
    model: str
    numbers: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # float32, little-endian, of length one


class Indexed(Table, table=True):
    """Which state of a topic its passages were made from."""

    __tablename__ = "indexed"
    topic: str = Field(primary_key=True)
    sha: str


# --- the learner ----------------------------------------------------------------------------------------------------


class Learner(Table, table=True):
    __tablename__ = "learner"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    created_at: int = Field(sa_column=milliseconds())


class Setting(Table, table=True):
    __tablename__ = "setting"
    learner: int = Field(foreign_key="learner.id", primary_key=True)
    name: str = Field(primary_key=True)
    value: str = Field(sa_column=Column(Text, nullable=False))  # JSON


class LearnerCard(Table, table=True):
    """What a learner's memory of a card is now. It follows from the events and could be computed from them again."""

    __tablename__ = "learner_card"
    __table_args__ = (
        Index("ix_learner_card_queue", "learner", "suspended", "state", "due_day"),
        Index("ix_learner_card_topic", "learner", "suspended", "state", "topic", "due_day", "buried_day"),
        Index("ix_learner_card_last", "learner", "last_day"),
        Index("ix_learner_card_lapses", "learner", "lapses"),
        Index("ix_learner_card_buried", "learner", "buried_day", sqlite_where=text("buried_day > 0"), postgresql_where=text("buried_day > 0")),
        Index("ix_learner_card_flag", "learner", sqlite_where=text("flag > 0"), postgresql_where=text("flag > 0")),
        Index("ix_learner_card_leech", "learner", sqlite_where=text("leech"), postgresql_where=text("leech")),
        Index("ix_learner_card_misconception", "learner", sqlite_where=text("misconception"), postgresql_where=text("misconception")),
        {"sqlite_with_rowid": False},  # one tree instead of two: a card is found by its learner and id
    )
    learner: int = Field(foreign_key="learner.id", primary_key=True)
    card: str = Field(primary_key=True)
    topic: str = ""  # where the card stands now, so that counting needs no join; empty once it left its note
    state: int = 0  # 0 new, 1 learning, 2 review, 3 relearning
    step: int = 0
    stability: float = 0.0
    difficulty: float = 0.0
    due_day: int = 0  # of a new card: its place in the order of the tracks
    due_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))  # within the day, while learning
    last_day: int = 0
    last_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))
    reps: int = 0
    lapses: int = 0
    events: int = 0  # how many events of this card there are: the number of its next showing
    suspended: bool = False
    leech: bool = False
    misconception: bool = False  # the last miss was a confident one
    buried_day: int = 0  # hidden on this study day
    flag: int = 0
    added_day: int = 0  # the study day on which it joined


class Event(Table, table=True):
    """The append-only log: everything that ever happened to a learner's card. An undone event stays; another says so."""

    __tablename__ = "event"
    __table_args__ = (UniqueConstraint("learner", "card", "seq"), Index("ix_event_day", "learner", "day"))
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id")
    card: str  # empty for what concerns the learner as a whole (new parameters)
    seq: int
    kind: str  # grade, cram, undo, reschedule, parameters, suspend, bury, flag, import, forget
    batch: int | None = None  # the first event of an action that took several; for an undo, of the undone action
    value: int | None = None  # suspend 0/1, flag 0-7, bury the day, undo the undone event, grade 1 when it made a leech
    at: int = Field(sa_column=milliseconds())
    day: int
    hour: int = 0  # on the learner's clock
    topic: str = ""  # where the card stood
    grade: int | None = None
    state: int | None = None  # after the event, as are step, due and memory
    step: int | None = None
    due_day: int | None = None
    due_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))
    stability: float | None = None
    difficulty: float | None = None
    before: int | None = None  # the state before
    interval: int | None = None  # the days that had been planned (of a new card: its place in the order),
    elapsed: int | None = None  # and the days that went by
    recall: int | None = None  # the chance of recall that was predicted, in millionths
    duration: int | None = None  # milliseconds the learner took
    confidence: int | None = None  # 1 guess, 2 think so, 3 sure
    seed: int | None = Field(default=None, sa_column=milliseconds(nullable=True))  # of a computed question: shows the very numbers again
    round: str = ""  # the sitting it belongs to
    data: dict = Field(default_factory=dict, sa_column=json_object())


class DayStat(Table, table=True):
    """A day's grades, added up in the grade's own transaction: by day, by topic, by hour, by answer, by predicted recall."""

    __tablename__ = "day_stat"
    __table_args__ = ({"sqlite_with_rowid": False},)
    learner: int = Field(foreign_key="learner.id", primary_key=True)
    measure: str = Field(primary_key=True)  # day, topic, hour, answer, recall, cram
    day: int = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    reviews: int = 0
    passed: int = 0
    introduced: int = 0
    milliseconds: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    expected: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))  # predicted recalls, in millionths


class Attempt(Table, table=True):
    """One quiz sat by one learner."""

    __tablename__ = "attempt"
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id", index=True)
    seed: int = Field(sa_column=milliseconds())
    mode: str  # practice, exam, diagnostic
    setup: dict = Field(default_factory=dict, sa_column=json_object())  # what its address says
    started_at: int = Field(sa_column=milliseconds())
    day: int
    ends_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))  # of a timed exam
    finished_at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))


class Answer(Table, table=True):
    """One question of an attempt as it was asked and answered. The question is kept whole: it can be opened again when its card has changed."""

    __tablename__ = "answer"
    attempt: int = Field(foreign_key="attempt.id", primary_key=True)
    number: int = Field(primary_key=True)
    card: str  # or what else it was made from
    kind: str  # card, composed (options from other cards), computed, erratum
    topic: str
    section: str = ""
    form: str  # as it was asked
    seed: int = Field(sa_column=milliseconds())
    question: dict = Field(default_factory=dict, sa_column=json_object())  # questions.to_dict; empty until a lab has computed it
    response: dict = Field(default_factory=dict, sa_column=json_object())  # {"given": ...}
    score: float | None = None  # None: unanswered, or prose that its learner has not judged yet
    confidence: int | None = None  # 1 guess, 2 think so, 3 sure
    duration: int | None = None
    at: int | None = Field(default=None, sa_column=milliseconds(nullable=True))  # when it was answered
    reviewed: bool = False  # it was handed to the memory as a review


class Prediction(Table, table=True):
    """What a learner expected of a lab's experiment before it ran."""

    __tablename__ = "prediction"
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id", index=True)
    lab: str = Field(index=True)
    experiment: str
    chosen: str
    right: bool
    settings: dict = Field(default_factory=dict, sa_column=json_object())
    at: int = Field(sa_column=milliseconds())
    day: int


class Asked(Table, table=True):
    """A question put to the notes, what came of it, and what the learner thought of that."""

    __tablename__ = "asked"
    id: int | None = Field(default=None, primary_key=True)
    learner: int = Field(foreign_key="learner.id", index=True)
    at: int = Field(sa_column=milliseconds())
    question: str = Field(sa_column=Column(Text, nullable=False))
    outcome: str  # answered, related, unknown
    confidence: float
    answer: str = Field(sa_column=Column(Text, nullable=False))
    citations: list[dict] = Field(default_factory=list, sa_column=json_list())
    topics: list[str] = Field(default_factory=list, sa_column=json_list())  # the first five of the ranking
    thumb: int | None = None  # 1 up, -1 down
    reason: str = ""
