"""A slider that reports while it is dragged (live_slider.js); Streamlit's own sends nothing before it is let go.

Contract. `live_slider` shows `stops[index]` and calls `on_moved` when the person moved; `moved(key)` then gives the new
index. Newest wins: one request is in flight at a time, and what the person wished meanwhile is asked for when its answer
comes. `answered` is the number of the request that this drawing answers; the browser waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "live_slider",
    html=(HERE / "live_slider.html").read_text(encoding="utf-8"),
    css=(HERE / "live_slider.css").read_text(encoding="utf-8"),
    js=(HERE / "live_slider.js").read_text(encoding="utf-8"),
)


class Moved(NamedTuple):
    place: int  # in `stops`
    number: int  # of the request, to be given back as `answered`


def live_slider(
    label: str, stops: Sequence[str], *, index: int, answered: int, key: str, on_moved: Callable[..., None], args: tuple = (), help: str = ""
) -> None:
    data = {"label": label, "help": help, "stops": list(stops), "index": index, "answered": answered}
    _component(key=key, data=data, on_moved_change=lambda: on_moved(*args))


def moved(key: str, *, count: int) -> Moved | None:
    """What the browser sent in this run, or None when it is no position of this slider."""
    state = st.session_state.get(key)
    value = state.get("moved") if state is not None else None
    if not isinstance(value, dict):
        return None
    place, number = value.get("index"), value.get("number")
    if type(place) is not int or type(number) is not int or not 0 <= place < count:  # True is no position
        return None
    return Moved(place, number)
