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
import streamlit as st
from plotly.io.json import to_json_plotly

HERE = Path(__file__).parent
STATIC = HERE.parent.parent / "static"
CONFIG = {"displayModeBar": False}

_component = st.components.v2.component(
    "plot",
    html='<div class="plot">\n</div>',
    css=(HERE / "plot.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in ("live.js", "plot.js")),
    isolate_styles=False,  # plotly keeps its style rules in the document's head
)


def draw_plot(figure: Any, *, title: str, says: str, key: str, spec: str = "") -> None:
    """`spec` is the figure's `spec_of`, where it is known already."""
    height = figure.layout.height or 320
    library = shipped_library()
    if library is None:
        st.plotly_chart(figure, key=key, config=CONFIG, alt=f"{title}. {says}", width="stretch", height=height)
        return
    _component(key=key, data={"library": library, "spec": spec or spec_of(figure), "title": title, "says": says, "height": height}, height=height)


def spec_of(figure: Any) -> str:
    """A figure as JSON without plotly's own template, seven kilobytes that plot.js would replace by the page's theme."""
    spec = figure.to_dict()
    spec["layout"].pop("template", None)
    return to_json_plotly(spec)


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
