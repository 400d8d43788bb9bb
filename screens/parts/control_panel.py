"""A lab's controls as widgets. The settings are a plain dict in session state; each widget writes its own entry into it.

Sliders are live (live_slider.py); all else is Streamlit's own. What a widget says is brought into range by the control
itself before anybody reads it: limits that only the browser enforces are no limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from screens.labs import Choice, Control, Seed, Slider, Stops, Text, Toggle, Value
from screens.labs.controls import spell
from screens.parts.live_slider import live_slider, moved

LONG_CHOICE = 44  # characters of all labels together; beyond that a list takes less room than buttons

Change = Callable[[str, object], None]  # (control, what the widget says)


def draw_controls(controls: Mapping[str, Control], settings: Mapping[str, Value], *, prefix: str, on_change: Change) -> None:
    """One widget per control. `prefix` keeps the keys of several labs on a page apart; `on_change` runs in the widget's callback."""
    for name, control in controls.items():
        _draw(name, control, settings[name], key=f"{prefix}-{name}", on_change=on_change)


def _draw(name: str, control: Control, value: Value, *, key: str, on_change: Change) -> None:
    label = control.label or name.replace("_", " ").capitalize()
    if isinstance(control, Slider | Stops):
        return _slider(name, control, value, label, key, on_change)
    # Streamlit forgets a widget's value when it is not drawn for a run: the settings remember, and seed it again.
    st.session_state[key] = value

    def changed() -> None:
        on_change(name, st.session_state[key])

    common: dict[str, Any] = {"key": key, "help": control.help or None, "on_change": changed}
    if isinstance(control, Choice):
        names = dict(control.options)
        if sum(map(len, names.values())) <= LONG_CHOICE:
            st.segmented_control(label, control.values, format_func=names.__getitem__, required=True, width="stretch", **common)
        else:
            st.selectbox(label, control.values, format_func=names.__getitem__, **common)
    elif isinstance(control, Toggle):
        st.toggle(label, **common)
    elif isinstance(control, Seed):
        st.number_input(label, min_value=0, max_value=control.most, step=1, **common)
    elif isinstance(control, Text):
        _text(name, control, label, key, on_change, common)


def _slider(name: str, control: Slider | Stops, value: Value, label: str, key: str, on_change: Change) -> None:
    stops = control.stops
    answered = f"{key}-answered"

    def changed() -> None:
        found = moved(key, count=len(stops))
        if found is not None:
            st.session_state[answered] = found.number
            on_change(name, stops[found.place])

    live_slider(
        label,
        [f"{spell(stop)} {control.unit}".strip() for stop in stops],
        index=min(range(len(stops)), key=lambda at: abs(stops[at] - float(value))),
        answered=st.session_state.get(answered, 0),
        key=key,
        on_moved=changed,
        help=control.help,
    )


def _text(name: str, control: Text, label: str, key: str, on_change: Change, common: dict[str, Any]) -> None:
    st.text_area(f"{label} ({len(str(st.session_state[key])):,} of {control.limit:,} characters)", height=24 + 28 * max(control.rows, 2), **common)
    if control.samples:
        picked = f"{key}-sample"

        def taken() -> None:
            choice = st.session_state[picked]
            if choice is not None:
                on_change(name, control.samples[choice])
                st.session_state[picked] = None

        st.pills("Or take one of ours", list(control.samples), key=picked, on_change=taken)
