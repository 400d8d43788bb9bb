"""The token strip (token_strip.js): rows of tokens that wrap, with shading, marks and a note for each.

Contract. Takes a screens.labs.pictures.TokenStrip. Hover, focus and arrow keys read a token's note; a click pins it, and
where the strip `sets` a control, sends its place (trigger "picked", {"row", "index"}), from which `TokenStrip.clicked` reads
what the control is set to.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import streamlit as st

from screens.labs.pictures import TokenStrip
from screens.parts.payload import pack, script, style

HTML = '<div class="picture strip">\n</div>'
CSS = style("token_strip")
JS = script("token_strip")

_component = st.components.v2.component("token_strip", html=HTML, css=CSS, js=JS)


def token_strip(strip: TokenStrip, *, says: str, key: str, on_picked: Callable[[int | str], None] | None = None) -> None:
    def picked() -> None:
        state = st.session_state.get(key)
        sent = state.get("picked") if state is not None else None
        row, index = (sent.get("row"), sent.get("index")) if isinstance(sent, dict) else (None, None)
        if on_picked is None or not (isinstance(row, int) and isinstance(index, int)):
            return
        asked = strip.clicked(row, index)
        if asked is not None:
            on_picked(asked)

    _component(key=key, data=strip_payload(strip, says=says), on_picked_change=picked)


def strip_payload(strip: TokenStrip, *, says: str) -> bytes:
    header = {
        "rows": [
            {
                "name": row.name,
                "tokens": list(row.tokens),
                "values": [round(float(value), 4) for value in row.values],
                "marks": list(row.marks),
                "notes": list(row.notes),
                "groups": [int(group) for group in row.groups],
            }
            for row in strip.rows
        ],
        "value": strip.value_name,
        "sets": strip.sets,
        "says": says,
    }
    return pack({**header, "stamp": zlib.crc32(repr(header).encode())})
