"""A lab's controls as widgets. The settings are a plain dict in session state; each widget writes its own entry into it.

All but the text field are live (live_control.py). What a widget says is brought into range by the control itself before
anybody reads it: limits that only the browser enforces are no limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from screens.labs import Choice, Control, Seed, Slider, Stops, Text, Toggle, Value
from screens.labs.controls import spell
from screens.parts.live_control import Kind, live_control, moved

LONG_CHOICE = 44  # characters of all labels together; beyond that a list takes less room than buttons

Change = Callable[[str, object], None]  # (control, what the widget says)


def draw_controls(controls: Mapping[str, Control], settings: Mapping[str, Value], *, prefix: str, on_change: Change, live: str = "") -> None:
    """One widget per control. `prefix` keeps the keys of several labs on a page apart; `on_change` runs in the widget's callback.
    `live` is the address that answers with the pictures at these settings, where there is one."""
    for name, control in controls.items():
        label = control.label or name.replace("_", " ").capitalize()
        if isinstance(control, Text):
            _text(name, control, settings[name], label, f"{prefix}-{name}", on_change)
        else:
            _live(name, control, settings[name], label, prefix, on_change, live)


class Face(NamedTuple):
    """How a control looks: what stands at each of its places, and the values behind them (none for a number, which is its own place)."""

    kind: Kind
    stops: Sequence[str] = ()
    values: Sequence[Value] = ()


def face_of(control: Control) -> Face:
    if isinstance(control, Slider | Stops):
        return Face("slider", [f"{spell(stop)} {control.unit}".strip() for stop in control.stops], control.stops)
    if isinstance(control, Choice):
        labels = [label for _, label in control.options]
        return Face("buttons" if sum(map(len, labels)) <= LONG_CHOICE else "list", labels, control.values)
    if isinstance(control, Toggle):
        return Face("switch", ("off", "on"), (False, True))
    return Face("number")


def _live(name: str, control: Control, value: Value, label: str, prefix: str, on_change: Change, live: str) -> None:
    face, key = face_of(control), f"{prefix}-{name}"
    most = control.most if isinstance(control, Seed) else 0
    answered = f"{key}-answered"

    def changed() -> None:
        found = moved(key, count=len(face.values) or most + 1)
        if found is not None:
            st.session_state[answered] = found.number
            on_change(name, face.values[found.place] if face.values else found.place)

    asks: dict[str, Any] | None = None
    if live:
        asks = {"place": prefix, "name": name, "address": live, "values": [spell(each) for each in face.values] or None}
    live_control(
        face.kind,
        label,
        face.stops,
        index=place_of(value, face.values) if face.values else int(value),
        answered=st.session_state.get(answered, 0),
        key=key,
        on_moved=changed,
        help=control.help,
        most=most,
        live=asks,
    )


def place_of(value: Value, values: Sequence[Value]) -> int:
    """Where a value stands; sliders' values come from additions and may be off by the last digit."""
    if value in values:
        return values.index(value)
    return min(range(len(values)), key=lambda at: abs(float(values[at]) - float(value)))


def _text(name: str, control: Text, value: Value, label: str, key: str, on_change: Change) -> None:
    # Streamlit forgets a widget's value when it is not drawn for a run: the settings remember, and seed it again.
    st.session_state[key] = value

    def changed() -> None:
        on_change(name, st.session_state[key])

    st.text_area(
        f"{label} ({len(str(value)):,} of {control.limit:,} characters)", height=24 + 28 * max(control.rows, 2), key=key, help=control.help or None, on_change=changed
    )
    if control.samples:
        picked = f"{key}-sample"

        def taken() -> None:
            choice = st.session_state[picked]
            if choice is not None:
                on_change(name, control.samples[choice])
                st.session_state[picked] = None

        st.pills("Or take one of ours", list(control.samples), key=picked, on_change=taken)
