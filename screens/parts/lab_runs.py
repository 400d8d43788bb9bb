"""Running labs for a screen: loaded once, computed once per settings, and long work in a thread that can be cancelled."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import streamlit as st

from screens.labs import Check, Lab, Progress, Value, load
from screens.labs.pictures import Picture
from screens.parts.desk import settle
from screens.parts.plot import spec_of

Frozen = tuple[tuple[str, Value], ...]


class Drawn(NamedTuple):
    result: Any
    figures: Mapping[str, Any]
    says: str
    specs: Mapping[str, str]  # of the plotly figures, as the browser gets them


@st.cache_resource(show_spinner="Setting up the lab ...", max_entries=512)
def loaded_lab(slug: str) -> Lab:
    lab = load(slug)
    settle()  # what torch and plotly brought along is not to be walked by every later collection
    return lab


def frozen(settings: Mapping[str, Value]) -> Frozen:
    return tuple(sorted(settings.items()))


@st.cache_resource(show_spinner=False, max_entries=128)
def drawn(slug: str, settings: Frozen) -> Drawn:
    """A lab at these settings. Kept by plain values and bounded; nobody may change what comes back."""
    lab = loaded_lab(slug)
    return draw_result(lab, lab.compute(**dict(settings)))


def draw_result(lab: Lab, result: Any) -> Drawn:
    figures = lab.figures(result)
    specs = {title: spec_of(figure) for title, figure in figures.items() if not isinstance(figure, Picture)}
    return Drawn(result, figures, lab.says(result), specs)


@st.cache_resource(show_spinner="Comparing with the reference ...", max_entries=512)
def verified(slug: str) -> list[Check]:
    checks = loaded_lab(slug).verify()
    settle()  # references bring transformers along
    return checks


@dataclass(eq=False)
class Run:
    """Long work under way. The thread writes, the page reads; `cancel` is the only word the page has in it."""

    settings: dict[str, Value]
    started: float
    step: int = 0
    steps: int = 1
    note: str = ""
    partial: Any = None
    result: Any = None
    error: str = ""
    finished: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def left(self, at: float) -> float | None:
        """Seconds still to go, at the pace so far."""
        return (at - self.started) / self.step * (self.steps - self.step) if self.step else None

    def cancel(self) -> None:
        self.cancelled.set()

    def within(self, seconds: float) -> bool:
        """Was it done so soon? A training that is kept answers at once, also when a control looks at it in another way."""
        return self.ended.wait(seconds)


_under_way: set[Run] = set()


def start_run(lab: Lab, settings: Mapping[str, Value]) -> Run:
    run = Run(dict(settings), time.monotonic())
    _under_way.add(run)
    threading.Thread(target=_work, args=(lab.compute(**settings), run), daemon=True, name=f"lab {lab.slug}").start()
    return run


@atexit.register
def stop_all(patience: float = 5.0) -> None:
    """A process that ends while torch still computes in a thread dies with a crash report."""
    for run in list(_under_way):
        run.cancel()
        run.ended.wait(patience)


def _work(work: Generator[Progress, None, Any], run: Run) -> None:
    try:
        while not run.cancelled.is_set():
            _note(next(work), run)
            time.sleep(0)  # lets the threads that draw other people's pages in
    except StopIteration as end:
        run.result = end.value
    except Exception as error:
        run.error = f"{type(error).__name__}: {error}"
    finally:
        work.close()
        run.finished = True
        _under_way.discard(run)
        run.ended.set()


def _note(progress: Progress, run: Run) -> None:
    run.step, run.steps, run.note = progress.step, max(progress.steps, 1), progress.note
    if progress.partial is not None:
        run.partial = progress.partial
