"""Plotly figures that look alike: one palette that the colour-blind can tell apart, fixed heights, quiet axes.

A lab calls `lines`, `bars`, `histogram` or `heatmap`, or builds its own `go.Figure` and passes it through `settle`. The
page adds the light or dark theme; labs name no text or background colour. Lines differ by dash and symbol too, because
colour must never be the only cue.
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


def small(values: Numbers) -> np.ndarray:
    """float32, which plotly ships as bytes: a sixth of the size of a list."""
    return np.asarray(values, dtype=np.float32)


def settle(figure: go.Figure, *, x: str = "", y: str = "", height: int = HEIGHT, log_x: bool = False, log_y: bool = False) -> go.Figure:
    """Axis titles, height, legend above the plot, and a constant `uirevision` so that a new result keeps the zoom."""
    one = len(figure.data) <= 1
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12 if one else 8, "b": 8},
        uirevision="constant",
        showlegend=not one,
        # rows of three, whatever the width: a legend that becomes a column would eat the plot
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "entrywidth": 0.32, "entrywidthmode": "fraction", "font": {"size": 11}},
        bargap=0.15,
        hovermode="closest",
    )
    figure.update_xaxes(title=x, type="log" if log_x else None, automargin=True, zeroline=False)
    figure.update_yaxes(title=y, type="log" if log_y else None, automargin=True, zeroline=False)
    return figure


def lines(
    x: Numbers, series: Mapping[str, Numbers], *, x_title: str, y_title: str, strong: str = "", log_x: bool = False, log_y: bool = False,
    height: int = HEIGHT, order: Sequence[str] = (),
) -> go.Figure:  # fmt: skip
    """One line per name. `strong` is drawn wide, the others thin; `order` fixes colours when only some are shown."""
    names = list(order) or list(series)
    figure = go.Figure()
    for name, values in series.items():
        index = names.index(name) % len(PALETTE)
        faint = bool(strong) and name != strong
        figure.add_scatter(
            x=small(x), y=small(values), name=name, mode="lines+markers", opacity=0.75 if faint else 1.0,
            line={"color": PALETTE[index], "dash": DASHES[index], "width": 1.5 if faint else 3.5},
            marker={"symbol": SYMBOLS[index], "size": 5 if faint else 9, "color": PALETTE[index]},
        )  # fmt: skip
    return settle(figure, x=x_title, y=y_title, height=height, log_x=log_x, log_y=log_y)


def bars(labels: Sequence[Any], values: Numbers, *, x_title: str, y_title: str, colour: int = 0, name: str = "", height: int = HEIGHT) -> go.Figure:
    figure = go.Figure(go.Bar(x=list(labels), y=small(values), name=name or y_title, marker={"color": PALETTE[colour]}))
    return settle(figure, x=x_title, y=y_title, height=height)


def histogram(values: Numbers, *, bins: int, low: float, high: float, x_title: str, y_title: str = "share", colour: int = 0) -> go.Figure:
    """Shares per bin, counted here and not in the browser: bytes sent do not grow with the sample."""
    counts, edges = np.histogram(np.clip(np.asarray(values), low, high), bins=bins, range=(low, high))
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(go.Bar(x=small(middles), y=small(counts / max(counts.sum(), 1)), name=y_title, marker={"color": PALETTE[colour]}))
    figure.update_layout(bargap=0.02)
    return settle(figure, x=x_title, y=y_title)


def heatmap(
    values: np.ndarray, *, rows: Sequence[Any], columns: Sequence[Any], x_title: str, y_title: str, bar: str = "",
    diverging: bool = False, height: int = HEIGHT,
) -> go.Figure:  # fmt: skip
    """A matrix, first row on top. Labels may repeat: positions carry the numbers, ticks the words."""
    limit = float(np.abs(values).max()) if diverging and values.size else None
    figure = go.Figure(
        go.Heatmap(
            z=small(values),
            colorscale=DIVERGING if diverging else HEAT,
            zmin=-limit if limit else None,
            zmax=limit,
            colorbar={"title": bar, "thickness": 12},
            hovertemplate="%{y} · %{x}: %{z:.4f}<extra></extra>",
        )  # fmt: skip
    )
    settle(figure, x=x_title, y=y_title, height=height)
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(columns))), ticktext=[str(word) for word in columns])
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(rows))), ticktext=[str(word) for word in rows], autorange="reversed")
    return figure


def guide(figure: go.Figure, y: float, words: str) -> go.Figure:
    """A thin horizontal line with words at its end: a limit the data can be read against."""
    figure.add_hline(y=y, line={"color": QUIET, "dash": "dot", "width": 1.5}, annotation_text=words, annotation_position="top right", annotation_font_size=11)
    return figure
