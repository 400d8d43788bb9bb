"""The controls of a lab that answer while they are moved (live_control.js): slider, buttons, list, switch, number.

Streamlit's own widgets send nothing before they are let go, and each change costs a run of the script before anything is painted.

Contract. `live_control` shows the place `index` among `stops` (a number shows itself) and calls `on_moved` when the person
moved; `moved(key)` then gives the new place. Newest wins: one request is in flight at a time, and what the person wished
meanwhile is asked for when its answer comes. `answered` is the number of the request that this drawing answers; the browser
waits for it. Where `live` says from which address the pictures come ("place", "name", "address" and the "values" behind the
stops), they are painted from there at every step, and `on_moved` is called when the hand rests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import streamlit as st

HERE = Path(__file__).parent
Kind = Literal["slider", "buttons", "list", "switch", "number"]

_component = st.components.v2.component(
    "live_control",
    html=(HERE / "live_control.html").read_text(encoding="utf-8"),
    css=(HERE / "live_control.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in ("live.js", "live_control.js")),
)


class Moved(NamedTuple):
    place: int  # in `stops`, or the number itself
    number: int  # of the request, to be given back as `answered`


def live_control(
    kind: Kind,
    label: str,
    stops: Sequence[str],
    *,
    index: int,
    answered: int,
    key: str,
    on_moved: Callable[[], None],
    help: str = "",
    most: int = 0,
    live: Mapping[str, Any] | None = None,
) -> None:
    data = {"kind": kind, "label": label, "help": help, "stops": list(stops), "most": most, "index": index, "answered": answered, "live": live}
    _component(key=key, data=data, on_moved_change=on_moved)


def moved(key: str, *, count: int) -> Moved | None:
    """What the browser sent in this run, or None when it is none of `count` places."""
    state = st.session_state.get(key)
    value = state.get("moved") if state is not None else None
    if not isinstance(value, dict):
        return None
    place, number = value.get("index"), value.get("number")
    if type(place) is not int or type(number) is not int or not 0 <= place < count:  # True is no place
        return None
    return Moved(place, number)
