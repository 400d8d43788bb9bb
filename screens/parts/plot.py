"""A lab's plotly figure, drawn so that a moving slider can afford it (plot.js).

Streamlit's own chart is taken down and built anew whenever its numbers change, and lays itself out twice: 55 ms a figure
and step in the browser. This one keeps the drawing and hands plotly the difference: 16 ms. The library is the plotly.js
that comes with the Python package, put once where the app's static files lie; where that folder cannot be written,
Streamlit's chart does the work.
"""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import Any

import plotly
import plotly.io
import streamlit as st

HERE = Path(__file__).parent
STATIC = HERE.parent.parent / "static"
CONFIG = {"displayModeBar": False}

_component = st.components.v2.component(
    "plot",
    html='<div class="plot">\n</div>',
    css=(HERE / "plot.css").read_text(encoding="utf-8"),
    js=(HERE / "plot.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly keeps its style rules in the document's head
)


def draw_plot(figure: Any, *, says: str, key: str) -> None:
    height = figure.layout.height or 320
    library = shipped_library()
    if library is None:
        st.plotly_chart(figure, key=key, config=CONFIG, alt=says, width="stretch", height=height)
        return
    spec = plotly.io.to_json(figure, validate=False)
    _component(key=key, data={"library": library, "spec": spec, "says": says, "height": height}, height=height)


@functools.cache
def shipped_library(static: Path = STATIC) -> str | None:
    """The name of plotly.js among the static files; None where it cannot be put there."""
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    target = static / f"plotly-{plotly.__version__}.min.js"
    try:
        if not target.exists():
            part = target.with_suffix(f".{os.getpid()}.part")  # two processes may start at once: the last one to rename wins
            shutil.copyfile(source, part)
            os.replace(part, target)
    except OSError:
        return None
    return target.name
