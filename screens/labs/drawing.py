"""Plotly figures that look alike: one palette that the colour-blind can tell apart, fixed heights, quiet axes.

A lab calls `lines`, `bars`, `histogram`, `points` or `heatmap`, or hands traces as plain dicts to `figure`. The page adds
the light or dark theme; labs name no text or background colour. Lines differ by dash and symbol too, because colour must
never be the only cue.

Figures are built unvalidated, in one go: plotly's checks cost 10 to 30 ms a figure, which a moving slider cannot afford.
Change a figure through the arguments here rather than by `update_layout` afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

# Okabe and Ito's hues, darkened or lightened until each stands at 3:1 or better on white and on near-black.
PALETTE = ("#1f77c9", "#d4620f", "#0f9d77", "#b565a7", "#a87b00", "#7a7f87", "#c4456b", "#3f9fb5")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "triangle-down", "star")
HEAT = "Cividis"  # rises in lightness from end to end, so it survives printing and colour blindness
DIVERGING = [[0.0, "#1f5fa8"], [0.5, "#f2f2f2"], [1.0, "#c2570c"]]
HEIGHT = 320
QUIET = "#7a7f87"  # for guides that explain the picture but are not data

Numbers = Sequence[float] | np.ndarray
Guide = tuple[float, str]  # where, and the words at its end


def small(values: Numbers) -> np.ndarray:
    """float32, which plotly ships as bytes: a sixth of the size of a list."""
    return np.asarray(values, dtype=np.float32)


def axis(
    title: str = "", *, log: bool = False, span: tuple[float, float] | None = None, ticks: Mapping[Any, str] | None = None, down: bool = False
) -> dict[str, Any]:
    """`span` is in the data's own units, also on a log axis; `ticks` maps places to words; `down` turns the axis round."""
    made: dict[str, Any] = {"title": {"text": title}, "automargin": True, "zeroline": False}
    if log:
        made["type"] = "log"
    if span:
        made["range"] = [float(end) for end in (np.log10(span) if log else span)]
    if ticks:
        made |= {"tickmode": "array", "tickvals": list(ticks), "ticktext": list(ticks.values())}
    if down:
        made["autorange"] = "reversed"
    return made


def figure(
    traces: Sequence[dict[str, Any]], *, x: dict[str, Any], y: dict[str, Any], height: int = HEIGHT, across: Sequence[Guide] = (), upright: Sequence[Guide] = (),
    **layout: Any,
) -> go.Figure:  # fmt: skip
    """Traces as plotly's own dicts, axes by `axis`. Guides are thin dotted lines: `across` at a height, `upright` at a place."""
    many = len(traces) > 1
    x_of = (lambda place: float(np.log10(place))) if x.get("type") == "log" else float
    y_of = (lambda place: float(np.log10(place))) if y.get("type") == "log" else float
    dotted = {"color": QUIET, "dash": "dot", "width": 1.5}
    shapes = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": place, "y1": place, "line": dotted} for place, _ in across]
    shapes += [{"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": place, "x1": place, "line": dotted} for place, _ in upright]
    plain = {"showarrow": False, "font": {"size": 11}}
    notes = [
        plain | {"xref": "paper", "x": 1, "xanchor": "right", "y": y_of(place), "yanchor": "bottom", "text": words}
        for place, words in across
        if words
    ]
    notes += [
        plain | {"yref": "paper", "y": 0, "yanchor": "bottom", "x": x_of(place), "xanchor": "left", "text": words}
        for place, words in upright
        if words
    ]
    made = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "uirevision": "constant",  # a new result keeps the zoom
        "showlegend": many,
        # rows of three, whatever the width: a legend that becomes a column would eat the plot
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "x": 0,
            "entrywidth": 0.32 if len(traces) > 2 else 0.48,
            "entrywidthmode": "fraction",
            "font": {"size": 11},
        },
        "bargap": 0.15,
        "hovermode": "closest",
        "shapes": shapes,
        "annotations": notes,
        "xaxis": x,
        "yaxis": y,
        "template": {},  # the page brings its own; setting plotly's up costs more than all the rest of a figure
        **layout,
    }
    return go.Figure(data=list(traces), layout=made, _validate=False)


def lines(
    x: Numbers, series: Mapping[str, Numbers], *, x_axis: dict[str, Any], y_axis: dict[str, Any], strong: str = "", order: Sequence[str] = (),
    markers: bool = True, **more: Any,
) -> go.Figure:  # fmt: skip
    """One line per name. `strong` is drawn wide, the others thin; `order` fixes colours when only some are shown."""
    names = list(order) or list(series)
    traces = []
    for name, values in series.items():
        index = names.index(name) % len(PALETTE)
        faint = bool(strong) and name != strong
        traces.append(
            {
                "type": "scatter",
                "x": small(x),
                "y": small(values),
                "name": name,
                "mode": "lines+markers" if markers else "lines",
                "opacity": 0.75 if faint else 1.0,
                "line": {"color": PALETTE[index], "dash": DASHES[index], "width": 1.5 if faint else 3.5 if strong else 2.5},
                "marker": {"symbol": SYMBOLS[index], "size": 5 if faint else 8, "color": PALETTE[index]},
            }
        )
    return figure(traces, x=x_axis, y=y_axis, **more)


def points(
    x: Numbers, y: Numbers, *, x_axis: dict[str, Any], y_axis: dict[str, Any], words: Sequence[str] = (), colour: int = 0, name: str = "", **more: Any
) -> go.Figure:
    trace = {
        "type": "scatter",
        "x": small(x),
        "y": small(y),
        "name": name,
        "mode": "markers+text" if words else "markers",
        "text": list(words),
        "textposition": "top center",
        "marker": {"size": 9, "color": PALETTE[colour]},
    }
    return figure([trace], x=x_axis, y=y_axis, **more)


def bars(
    labels: Sequence[Any], series: Mapping[str, Numbers] | Numbers, *, x_axis: dict[str, Any], y_axis: dict[str, Any], colour: int = 0, **more: Any
) -> go.Figure:
    """Bars over labels; several named series stand side by side."""
    named = series if isinstance(series, Mapping) else {y_axis["title"]["text"]: series}
    traces = [
        {"type": "bar", "x": list(labels), "y": small(values), "name": name, "marker": {"color": PALETTE[(colour + at) % len(PALETTE)]}}
        for at, (name, values) in enumerate(named.items())
    ]
    return figure(traces, x=x_axis, y=y_axis, **more)


def histogram(
    values: Numbers, *, bins: int, span: tuple[float, float], x_axis: dict[str, Any], y_axis: dict[str, Any], colour: int = 0, **more: Any
) -> go.Figure:
    """Shares per bin, counted here and not in the browser: bytes sent do not grow with the sample."""
    counts, edges = np.histogram(np.clip(np.asarray(values), *span), bins=bins, range=span)
    middles = (edges[:-1] + edges[1:]) / 2
    trace = {
        "type": "bar",
        "x": small(middles),
        "y": small(counts / max(counts.sum(), 1)),
        "name": y_axis["title"]["text"],
        "marker": {"color": PALETTE[colour]},
    }
    return figure([trace], x=x_axis, y=y_axis, **{"bargap": 0.02, **more})


def heatmap(
    values: np.ndarray,
    *,
    rows: Sequence[Any],
    columns: Sequence[Any],
    x_title: str,
    y_title: str,
    bar: str = "",
    diverging: bool = False,
    **more: Any,
) -> go.Figure:
    """A matrix, first row on top. Labels may repeat: positions carry the numbers, ticks the words."""
    limit = float(np.abs(values).max()) if diverging and values.size else None
    trace = {
        "type": "heatmap",
        "z": small(values),
        "colorscale": DIVERGING if diverging else HEAT,
        "colorbar": {"title": {"text": bar}, "thickness": 12},
        "hovertemplate": "%{y} · %{x}: %{z:.4f}<extra></extra>",
    }
    if limit:
        trace |= {"zmin": -limit, "zmax": limit}
    return figure(
        [trace],
        x=axis(x_title, ticks={place: str(word) for place, word in enumerate(columns)}),
        y=axis(y_title, ticks={place: str(word) for place, word in enumerate(rows)}, down=True),
        **more,
    )
