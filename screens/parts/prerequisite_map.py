"""The map of topics: what needs what, coloured by where the learner stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from backend.topics import Standing, TopicLine, depths

# one colour and one shape each, so that colour is never the only sign
LOOKS = {"not started": ("#9aa3ad", "circle-open"), "learning": ("#d98a1f", "diamond"), "known": ("#0b8a7d", "circle")}


def positions(topics: Sequence[TopicLine]) -> dict[str, tuple[float, float]]:
    """Right is later: x is the longest chain of prerequisites. Tracks are bands from top to bottom."""
    depth = depths({topic.slug: topic.needs for topic in topics})
    bands = {track: number for number, track in enumerate(dict.fromkeys(topic.track for topic in topics))}
    crowd: dict[tuple[str, int], list[str]] = defaultdict(list)
    for topic in topics:
        crowd[topic.track, depth[topic.slug]].append(topic.slug)
    places = {}
    for (track, step), slugs in crowd.items():
        for number, slug in enumerate(slugs):
            places[slug] = (step + 0.11 * (number // 4), -bands[track] - 0.72 * ((number % 4) + 0.5) / min(max(len(slugs), 1), 4))
    return places


def prerequisite_map(topics: Sequence[TopicLine], standings: Mapping[str, Standing], titles: Mapping[str, str]) -> go.Figure:
    places = positions(topics)
    figure = go.Figure()
    edge_x, edge_y = [], []
    for topic in topics:
        for need in topic.needs:
            if need in places:
                (x0, y0), (x1, y1) = places[need], places[topic.slug]
                edge_x += [x0, x1, None]
                edge_y += [y0, y1, None]
    figure.add_scatter(x=edge_x, y=edge_y, mode="lines", line={"width": 0.8, "color": "rgba(128,136,146,.35)"}, hoverinfo="skip", showlegend=False)
    for word, (colour, shape) in LOOKS.items():
        group = [topic for topic in topics if standings.get(topic.slug, Standing()).word == word]
        figure.add_scatter(
            x=[places[topic.slug][0] for topic in group],
            y=[places[topic.slug][1] for topic in group],
            mode="markers",
            name=word,
            marker={"size": 13, "color": colour, "symbol": shape, "line": {"width": 1.6, "color": colour}},
            customdata=[topic.slug for topic in group],
            text=[topic.title for topic in group],
            hovertemplate="%{text}<extra></extra>",
        )
    bands = list(dict.fromkeys(topic.track for topic in topics))
    figure.update_layout(
        height=max(420, 64 * len(bands) + 90),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"visible": False},
        yaxis={"tickvals": [-number - 0.36 for number in range(len(bands))], "ticktext": [titles.get(t, t) for t in bands], "showgrid": False, "zeroline": False},
        legend={"orientation": "h", "y": 1.04, "x": 0},
        uirevision="map",
        hovermode="closest",
        clickmode="event+select",
    )
    return figure
