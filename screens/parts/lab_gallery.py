"""The gallery of labs (lab_gallery.js): all cards in one component, so that search and filter answer at once.

Contract. `lab_gallery` calls `on_open(slug)` in a callback when a card is opened by click or Enter. Each card is a real
link, so it can also be opened in a new tab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from backend.markup import plain
from screens.labs import Entry

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "lab_gallery",
    html=(HERE / "lab_gallery.html").read_text(encoding="utf-8"),
    css=(HERE / "lab_gallery.css").read_text(encoding="utf-8"),
    js=(HERE / "lab_gallery.js").read_text(encoding="utf-8"),
)


def lab_gallery(
    labs: Sequence[Entry], *, tracks: Mapping[str, str], tried: Mapping[str, int], on_open: Callable[[str], None], key: str = "gallery"
) -> None:
    def opened() -> None:
        state = st.session_state.get(key)
        slug = state.get("opened") if state is not None else None
        if isinstance(slug, str):
            on_open(slug)

    cards = [
        {
            "slug": entry.slug,
            "title": entry.title,
            "track": entry.track,
            "about": _first_sentence(entry.lesson),
            "drawing": entry.thumbnail,
            "questions": len(entry.makers),
            "tried": tried.get(entry.slug, 0),
        }
        for entry in labs
    ]
    _component(key=key, data={"labs": cards, "tracks": dict(tracks)}, on_opened_change=opened)


def _first_sentence(lesson: str) -> str:
    """Plain words for a card: formulas are spelled as the search spells them."""
    sentence = plain(lesson.split("\n\n", 1)[0]).replace("\n", " ").split(". ", 1)[0].rstrip(".")
    return sentence if len(sentence) <= 150 else sentence[:149].rsplit(" ", 1)[0] + " …"
