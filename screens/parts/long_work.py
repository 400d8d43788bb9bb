"""Work that may take minutes: it runs beside the page, says how far it is, and can be cancelled.

The work is a function of `progress(done, total, what)`; to cancel it, `progress` raises Cancelled, and it leaves nothing behind.
It must not draw anything. One at a time in each browser tab; what it gave is fetched once by the page's next run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from backend.exchange.records import Cancelled, Progress
from screens.parts.harmless_text import as_words

KEY = "long-work"
AT_ONCE = 1.2  # seconds that the page waits: most work is done by then and needs no progress


@dataclass
class Work:
    title: str
    run: Callable[[Progress], Any]
    then: Callable[[Any], None]  # with its result, when the page draws again
    done: int = 0
    total: int = 0
    what: str = ""
    result: Any = None
    problem: Exception | None = None
    begun: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int, what: str) -> None:
        self.done, self.total, self.what = done, total, what
        if self.cancelled.is_set():
            raise Cancelled

    def perform(self) -> None:
        try:
            self.result = self.run(self.progress)
        except Exception as problem:
            self.problem = problem
        finally:
            self.over.set()


def begin(title: str, run: Callable[[Progress], Any], then: Callable[[Any], None]) -> None:
    """Start; call it in a callback. Anything that went wrong is handed to `then` as the exception itself."""
    if busy():
        return
    work = Work(title, run, then)
    st.session_state[KEY] = work
    threading.Thread(target=work.perform, name=title, daemon=True).start()
    work.over.wait(AT_ONCE)


def busy() -> bool:
    work = st.session_state.get(KEY)
    return work is not None and not work.over.is_set()


def fetch() -> None:
    """Hand over what is done. Call it before the page draws anything that depends on it."""
    work: Work | None = st.session_state.get(KEY)
    if work is not None and work.over.is_set():
        del st.session_state[KEY]
        work.then(work.problem or work.result)


def watch() -> None:
    """How far it is, and the way to stop it; nothing when nothing runs."""
    if busy():
        _watched()


@st.fragment(run_every=0.5)
def _watched() -> None:
    work: Work | None = st.session_state.get(KEY)
    if work is None or work.over.is_set():
        st.rerun()
    assert work is not None
    share = min(work.done / work.total, 1.0) if work.total else 0.0
    what = as_words(work.what)
    how_far = f"{what}: {work.done:,} of {work.total:,}" if work.total else what
    waited = time.monotonic() - work.begun
    with st.container(key="long-work", border=True):
        st.progress(share, text=f"**{as_words(work.title)}** · {how_far} · {waited:.0f} s")
        stopping = work.cancelled.is_set()
        st.button("Stopping ..." if stopping else "Cancel", on_click=work.cancelled.set, key="cancel-work", disabled=stopping)


def stop() -> None:
    """Ask the work to stop; for tests and for a page that is left."""
    with contextlib.suppress(KeyError):
        st.session_state[KEY].cancelled.set()
