"""Two buttons that save what a container shows as PNG or SVG, made in the browser (take_picture.js).

`of` is the key of the keyed container with the picture in it: a plotly chart, or one of our components, which offers its
drawing as `element.picture()`. Nothing is sent to the server.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "take_picture",
    html='<div class="row">\n<button type="button" data-kind="png">PNG</button>\n<button type="button" data-kind="svg">SVG</button>\n</div>',
    css=(HERE / "take_picture.css").read_text(encoding="utf-8"),
    js=(HERE / "take_picture.js").read_text(encoding="utf-8"),
)


def take_picture(*, key: str, of: str, name: str) -> None:
    _component(key=key, data={"of": of, "name": name}, width="content")
