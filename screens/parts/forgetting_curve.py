"""A card's forgetting curve with its real reviews on it: Progress and the Library show the same."""

from __future__ import annotations

import streamlit as st

from backend import stats, store
from screens.parts import desk


def draw_curve(*, learner: int, card: str, at: int) -> None:
    with store.reading(desk.engine()) as session:
        curve = stats.read_curve(session, learner=learner, card=card, at=at)
    if curve is None:
        st.caption("This card has no reviews yet.")
        return
    from screens.labs.drawing import PALETTE, axis, figure
    from screens.parts.figure_box import draw_figure

    line = {"type": "scatter", "x": curve.days, "y": curve.recall, "mode": "lines", "name": "chance of recall", "line": {"color": PALETTE[0], "width": 2.5}}
    traces = [line]
    for passed, name, symbol, colour in ((True, "recalled", "circle", PALETTE[2]), (False, "forgotten", "x", PALETTE[1])):
        marks = [(day, recall) for day, recall, grade in curve.graded if (grade > 1) is passed]
        marker = {"size": 11, "symbol": symbol, "color": colour}
        traces.append({"type": "scatter", "x": [d for d, _ in marks], "y": [r for _, r in marks], "mode": "markers", "name": name, "marker": marker})
    drawn = figure(traces, x=axis("days since the first review"), y=axis("chance of recall"), upright=[(curve.today, "today")])
    recalled = sum(grade > 1 for _, _, grade in curve.graded)
    says = f"{len(curve.graded)} reviews, {recalled} recalled; the curve goes on {max(curve.days[-1] - curve.today, 0):.0f} days from today."
    st.markdown(says)
    draw_figure("Forgetting curve", drawn, says=says, key="curve")
