"""A picture with everything that belongs to it: its claim, itself, the table behind it, and its files to take along.

Plotly figures go to plot.py, pictures of screens.labs.pictures to their component; both follow light and dark. PNG and SVG are made in the browser from what is on the screen
(take_picture.js), HTML and CSV here; the HTML opens without a network.
"""

from __future__ import annotations

import csv
import html
import io
from typing import Any

import streamlit as st

from screens.labs.pictures import Picture, Table
from screens.parts.browser_pictures import draw_picture, picture_html
from screens.parts.plot import draw_plot
from screens.parts.take_picture import take_picture

MOST_ROWS = 200  # shown; the CSV holds them all
MOST_COLUMNS = 40


def draw_figure(title: str, figure: Any, *, says: str, key: str, sets: Any = None, compact: bool = False, spec: str = "") -> None:
    with st.container(key=f"{key}-box"):
        st.markdown(f"**{title}**")
        with st.container(key=f"{key}-shot"):
            if isinstance(figure, Picture):
                draw_picture(figure, says=says, key=key, on_set=sets)
            else:
                draw_plot(figure, title=title, says=says, key=key, spec=spec)
        if not compact:
            _behind(title, figure, says=says, key=key)


def _behind(title: str, figure: Any, *, says: str, key: str) -> None:
    opened = st.expander("Numbers and downloads", key=f"{key}-behind", on_change="rerun")
    if not opened.open:
        return
    with opened:
        table = table_of(figure)
        name = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
        with st.container(horizontal=True, gap="small", key=f"{key}-files"):
            take_picture(key=f"{key}-take", of=f"{key}-shot", name=name)
            st.download_button("HTML", lambda: page_of(title, figure, says), f"{name}.html", "text/html", key=f"{key}-html", on_click="ignore")
            st.download_button("CSV", lambda: csv_of(table), f"{name}.csv", "text/csv", key=f"{key}-csv", on_click="ignore")
        st.html(table_html(table, title))


def table_of(figure: Any) -> Table:
    """The numbers of a picture. A plotly figure gives one row per point, or the matrix of a heatmap."""
    if isinstance(figure, Picture):
        return figure.table()
    rows: list[tuple[object, ...]] = []
    for trace in figure.data:
        if trace.type == "heatmap":
            return _matrix(figure, trace)
        xs, ys = _plain(trace.x), _plain(trace.y)
        rows += [(trace.name or "", x, y) for x, y in zip(xs, ys)]
    axes = figure.layout
    return Table(("series", axes.xaxis.title.text or "x", axes.yaxis.title.text or "y"), rows)


def _matrix(figure: Any, trace: Any) -> Table:
    columns = _plain(figure.layout.xaxis.ticktext) or _plain(trace.x) or range(len(trace.z[0]))
    names = _plain(figure.layout.yaxis.ticktext) or _plain(trace.y) or range(len(trace.z))
    return Table(("", *(str(column) for column in columns)), [(name, *_plain(row)) for name, row in zip(names, trace.z)])


def _plain(values: Any) -> list[Any]:
    """Python numbers, rounded to what float32 can mean."""
    return [] if values is None else [float(f"{value:.6g}") if isinstance(value, float) or hasattr(value, "dtype") else value for value in values]


def csv_of(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue().encode("utf-8-sig")  # with a mark, so that spreadsheets read it as UTF-8


def table_html(table: Table, title: str) -> str:
    rows = [row[:MOST_COLUMNS] for row in table.rows[:MOST_ROWS]]
    head = "".join(f'<th scope="col">{html.escape(str(column))}</th>' for column in table.columns[:MOST_COLUMNS])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(_spelled(value))}</td>" for value in row) + "</tr>" for row in rows)
    cut = len(table.rows) > len(rows) or len(table.columns) > MOST_COLUMNS
    note = f"<p>The first {len(rows)} of {len(table.rows):,} rows; the CSV holds them all.</p>" if cut else ""
    return (
        f'<div class="numbers" tabindex="0" role="region" aria-label="Numbers of: {html.escape(title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _spelled(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def page_of(title: str, figure: Any, says: str) -> bytes:
    """One HTML file with the picture, its sentence and its numbers; everything it needs is inside."""
    inside = picture_html(figure, says=says) if isinstance(figure, Picture) else figure.to_html(full_html=False, include_plotlyjs=True)
    style = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}.numbers{overflow:auto;max-height:24rem}"
    style += "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.15rem .5rem;text-align:left}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}</style></head><body>'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(says)}</p>{inside}{table_html(table_of(figure), title)}</body></html>"
    ).encode()
