"""The playback (playback.js): the steps of an algorithm as a grid of cells; step, play, pause and scrub in the browser.

Contract. Takes a screens.labs.pictures.Playback. Nothing is sent back. Frames share their cells' words in one table, and
each frame is five bytes a cell, so a hundred steps over a grid of two hundred cells stay below 110 KiB.
"""

from __future__ import annotations

import zlib

import numpy as np
import streamlit as st

from screens.labs.pictures import Cell, Playback
from screens.parts.payload import pack, script, style

HTML = '<div class="picture playback">\n</div>'
CSS = style("playback")
JS = script("playback")

_component = st.components.v2.component("playback", html=HTML, css=CSS, js=JS)
HOLE = -1


def playback(steps: Playback, *, says: str, key: str) -> None:
    _component(key=key, data=playback_payload(steps, says=says))


def playback_payload(steps: Playback, *, says: str) -> bytes:
    rows = max(len(frame.rows) for frame in steps.frames)
    columns = max((len(row) for frame in steps.frames for row in frame.rows), default=0)
    words: dict[str, int] = {}
    texts = np.full((len(steps.frames), rows, columns), HOLE, dtype=np.int32)
    looks = np.zeros((len(steps.frames), rows, columns, 3), dtype=np.uint8)  # level, tone, mark
    for at, frame in enumerate(steps.frames):
        for line, row in enumerate(frame.rows):
            for place, cell in enumerate(row):
                if isinstance(cell, Cell):
                    texts[at, line, place] = words.setdefault(cell.text, len(words))
                    looks[at, line, place] = (round(255 * min(max(cell.level, 0), 1)), cell.tone % 256, cell.mark)
    header = {
        "words": list(words),
        "sentences": [frame.says for frame in steps.frames],
        "rows": list(steps.row_names),
        "columns": list(steps.column_names),
        "tones": {str(tone): name for tone, name in steps.tones.items()},
        "start": steps.start,
        "height": steps.height,
        "says": says,
    }
    stamp = zlib.crc32(repr(header).encode() + texts.tobytes() + looks.tobytes())
    return pack({**header, "stamp": stamp}, {"texts": texts, "looks": looks})
