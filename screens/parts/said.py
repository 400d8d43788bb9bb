"""The sentence that says what a lab's pictures show (said.js): read by people, and aloud when it changes.

Contract. `pictures` names what stands below it, so that an answer to a moved control (live.js) is painted only where it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "said",
    html='<p class="said" role="status"></p>\n',
    css=(HERE / "said.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in ("live.js", "said.js")),
)


def said(sentence: str, *, pictures: Sequence[str], place: str, key: str) -> None:
    _component(key=key, data={"says": sentence, "pictures": list(pictures), "place": place})
