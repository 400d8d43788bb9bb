"""What a lab hands to the page beside its functions: experiments, checks, and progress of long work. Plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .controls import Value


@dataclass(frozen=True, slots=True)
class Experiment:
    """A guided experiment: commit to a prediction, then run it. `holds` proves the stated answer on the result itself."""

    title: str
    settings: Mapping[str, Value]  # controls that differ from their defaults
    ask: str  # Markdown: the prediction to commit to before anything runs
    options: tuple[str, ...]  # two to five, Markdown
    right: int  # index of the right option
    why: str  # Markdown: what was right, and why
    look: str  # Markdown: where in the pictures it shows
    holds: Callable[[Any], bool]  # given compute's result at these settings: is the right option true of it?
    tempting: Mapping[int, str] | None = None  # option index -> why it tempts and where it fails

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= 5 or len(set(self.options)) != len(self.options):
            raise ValueError(f"experiment “{self.title}” needs two to five different options, got {self.options}")
        if not 0 <= self.right < len(self.options):
            raise ValueError(f"experiment “{self.title}”: right={self.right} names none of its {len(self.options)} options")


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of the lab's mechanism with an implementation that we did not write."""

    what: str
    against: str
    difference: float  # the largest one found; 0 for things that must be equal and are
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance  # False for NaN, as it should be


def closest_call(checks: Sequence[Check]) -> Check:
    """The comparison that used up most of its tolerance."""
    return max(checks, key=lambda check: check.difference / check.tolerance if check.tolerance else check.difference)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a long `compute` yields while it works; it returns its result at the end.

    A generator function is long work: the page runs it in a thread, draws `partial` as it comes and can cancel it.
    """

    step: int
    steps: int
    note: str = ""
    partial: Any = None  # a result that `figures` and `says` can already draw
