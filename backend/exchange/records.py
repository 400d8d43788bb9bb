"""What every outside format is read into and written from: plain records, which know neither the database nor a file format."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from backend.cards import Card, showings, write_card
from backend.notes import Note
from backend.questions import Question

Progress = Callable[[int, int, str], None]  # done, of how many, at what; to cancel, it raises Cancelled

OWN = "my-"  # ids and slugs of a learner's own library begin so: content/ may never use it, so the two can never meet


class Unreadable(ValueError):
    """A file cannot be imported; the message says what was expected and what came."""


class Cancelled(Exception):
    """The person stopped the work; nothing was written."""


@contextmanager
def uncollected() -> Iterator[None]:
    """While a million records are made Python would walk through all of them again and again in search of cycles, of which they
    have none: reading, collecting and writing take up to twice as long with it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def quiet(done: int, total: int, what: str) -> None:
    """The progress of somebody who does not look."""


@dataclass(frozen=True)
class TopicRecord:
    slug: str
    title: str
    text: str  # the whole note, front matter and cards and all
    source: str = ""  # the file it came from
    note: Note | None = field(default=None, compare=False, repr=False)  # as it was read, to spare reading it again


@dataclass(frozen=True)
class CardRecord:
    """One block of cards; `showings` are what is learned separately."""

    card: Card
    topic: str  # slug
    source: str = ""  # its Markdown; empty: as `write_card` writes it
    why: str = ""  # why it was made, for the preview
    offered: bool = False  # guessed from plain text: taken only when chosen
    origin: dict[str, Any] = field(default_factory=dict)  # what the other program calls it, to find it again there

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def markdown(self) -> str:
        return self.source or write_card(self.card)

    def questions(self) -> list[tuple[str, Question]]:
        return [(shown.id, shown.question) for shown in showings(self.card)]

    def renamed(self, name: str) -> CardRecord:
        """The same card under another id. Its Markdown is kept as it stands where its id closes the first line, as it should."""
        first, line_end, rest = self.source.partition("\n")
        bare, mark = first.rstrip(), f"^{self.id}"
        source = f"{bare.removesuffix(mark)}^{name}{line_end}{rest}" if bare.endswith(mark) else ""
        return replace(self, card=replace(self.card, id=name), source=source)


@dataclass(frozen=True)
class MediaRecord:
    name: str
    data: bytes

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """One row of a review log."""

    card: str  # the id of a showing
    at: int  # UTC ms
    grade: int  # 1 to 4
    duration: int = 0  # ms
    more: tuple[int, ...] = ()  # what else the other program wrote down: kind, interval, interval before, ease


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """What is remembered of a card, as far as the other program knew."""

    card: str  # the id of a showing
    due_day: int | None = None  # days since 1970, on the learner's calendar
    stability: float | None = None
    difficulty: float | None = None
    interval: int = 0  # days
    ease: float = 0.0  # SM-2's factor, where there is no stability: 2.5
    suspended: bool = False
    flag: int = 0
    lapses: int = 0
    reps: int = 0
    learning: int = 0  # 1 being learned, 3 being learned again after a lapse, 0 neither
    due_at: int | None = None  # UTC ms, while it is being learned
    steps_left: int = 0  # of its learning steps


@dataclass(frozen=True)
class Gap:
    """A heading with nothing under it."""

    file: str
    heading: str


@dataclass
class Records:
    """Everything that was read from one path, in the order in which it stood there."""

    name: str = ""
    topics: list[TopicRecord] = field(default_factory=list)
    cards: list[CardRecord] = field(default_factory=list)
    media: list[MediaRecord] = field(default_factory=list)
    memories: list[MemoryRecord] = field(default_factory=list)
    reviews: list[ReviewRecord] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)  # what was repaired or left out, a sentence each
    taken: set[str] = field(default_factory=set, repr=False, compare=False)  # ids of cards that notes have used
