"""Questions that a lab computes. Loading a lab brings torch, so it happens in the background, ahead of need."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection

import streamlit as st

from backend.questions import Question

_loading: set[str] = set()
_loaded: set[str] = set()
_lock = threading.Lock()


def ready(lab: str) -> bool:
    return lab in _loaded


def warm(labs: Collection[str]) -> None:
    """Load labs in a background thread; ones that are loaded or on their way are left alone."""
    with _lock:
        wanted = [lab for lab in labs if lab not in _loaded and lab not in _loading]
        _loading.update(wanted)
    if wanted:
        threading.Thread(target=_load, args=(wanted,), daemon=True, name="warm-labs").start()


def _load(labs: list[str]) -> None:
    from screens.labs import load
    from screens.parts.desk import settle

    for lab in labs:
        try:
            loaded = load(lab)
            for maker in loaded.questions.values():
                maker(random.Random(0))  # the first draw loads the lab's model
            _loaded.add(lab)
        finally:
            _loading.discard(lab)
    settle()


@st.cache_data(max_entries=512, show_spinner=False)
def computed_question(lab: str, maker: str, seed: int) -> Question:
    """The question that this seed makes: the same whenever it is shown again."""
    from screens.labs import load

    return load(lab).questions[maker](random.Random(seed))
