"""The swept slider (swept_picture.js): all states are sent beforehand, the slider moves in the browser, nothing is sent.

Contract. Takes a screens.labs.pictures.Swept; frames travel as float32. Axes stay fixed over all states, so that what
moves on the screen is what changed. Where the picture `sets` a control, letting the slider go sends its place (trigger
"picked", {"index"}).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import streamlit as st

from screens.labs.controls import spell
from screens.labs.pictures import Swept
from screens.parts.payload import pack, script, style

HTML = '<div class="picture swept">\n</div>'
CSS = style("swept_picture")
JS = script("swept_picture")

_component = st.components.v2.component("swept_picture", html=HTML, css=CSS, js=JS)


def swept_picture(swept: Swept, *, says: str, key: str, on_picked: Callable[[object], None] | None = None) -> None:
    def picked() -> None:
        state = st.session_state.get(key)
        sent = state.get("picked") if state is not None else None
        index = sent.get("index") if isinstance(sent, dict) else None
        if on_picked is not None and isinstance(index, int) and 0 <= index < len(swept.stops):
            on_picked(swept.stops[index])

    _component(key=key, data=swept_payload(swept, says=says), on_picked_change=picked)


def swept_payload(swept: Swept, *, says: str) -> bytes:
    frames = np.asarray(swept.frames, dtype=np.float32)
    header = {
        "name": swept.name,
        "stops": [spell(stop) for stop in swept.stops],
        "kind": swept.kind,
        "x": [spell(value) if isinstance(value, str) else float(value) for value in swept.x],
        "series": list(swept.series),
        "x_title": swept.x_title,
        "y_title": swept.y_title,
        "sentences": list(swept.says),
        "start": swept.start,
        "sets": swept.sets,
        "height": swept.height,
        "says": says,
    }
    return pack({**header, "stamp": zlib.crc32(repr(header).encode() + frames.tobytes())}, {"frames": frames})
