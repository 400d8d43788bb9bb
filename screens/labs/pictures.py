"""Pictures that live in the browser, as plain values: what a lab's `figures` may return beside plotly figures.

A lab fills one of these; the page sends it to the browser once, and hovering, pinning, switching heads, sweeping and
playing then happen there, with nothing sent. Every picture can say itself as a table (`table`), which stands behind it
on the page and in the CSV download, and is what a screen reader reads.

Where a picture has `sets`, a click on one of its parts sets the control of that name: "force this token", "this head".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np


class Table(NamedTuple):
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class AttentionView:
    """Every head of a model as a grid, one head large, tokens down the side.

    `weights` is (layers, heads, queries, keys), rows summing to 1. Above 64 tokens the small heads are pooled and only
    the chosen head travels in full, so 512 tokens still fit. Where `vectors` names a head, hovering a cell shows its
    actual q·k: entries, sum, scaled score.
    """

    tokens: Sequence[str]
    weights: np.ndarray
    columns: Sequence[str] = ()  # key tokens when they differ from the queries (cross-attention)
    causal: bool = False  # keys after the query are empty: only the triangle travels
    head: tuple[int, int] = (0, 0)  # shown first: layer, head
    vectors: Mapping[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # head -> q (T, d), k (S, d)
    names: Mapping[tuple[int, int], str] = field(default_factory=dict)  # head -> a role to print on it, "induction"
    silenced: frozenset[tuple[int, int]] = frozenset()  # ablated heads, drawn crossed out
    sets: Mapping[str, str] = field(default_factory=dict)  # controls that a click on a head sets, "{layer}" and "{head}" filled in
    sets_token: str = ""  # control that gets the number of a pinned query token
    height: int = 460

    def __post_init__(self) -> None:
        columns = self.columns or self.tokens
        if self.weights.ndim != 4 or self.weights.shape[2:] != (len(self.tokens), len(columns)):
            raise ValueError(f"weights must be (layers, heads, {len(self.tokens)}, {len(columns)}) for these tokens; got {tuple(self.weights.shape)}")
        if self.causal and self.columns:
            raise ValueError("a causal view has the same tokens on both sides; leave `columns` empty")

    def table(self) -> Table:
        """The chosen head: one row per query token."""
        columns = self.columns or self.tokens
        weights = np.asarray(self.weights[self.head], dtype=float)
        rows = [(f"{index}: {token}", *(round(float(value), 4) for value in row)) for index, (token, row) in enumerate(zip(self.tokens, weights))]
        return Table(("reads from", *(f"{index}: {token}" for index, token in enumerate(columns))), rows)


@dataclass(frozen=True)
class Strip:
    """One row of tokens."""

    name: str
    tokens: Sequence[str]
    values: Sequence[float] = ()  # 0 to 1, shades the token
    marks: Sequence[str] = ()  # a short word under each token: its id, "new", "×0.2"
    notes: Sequence[str] = ()  # one sentence per token, shown on hover, focus and pin
    groups: Sequence[int] = ()  # tokens of one group share a hue (bytes of one word, pieces of one merge)
    sends: Sequence[str] = ()  # what a click on each token sets the strip's control to; its index when empty

    def __post_init__(self) -> None:
        for part in ("values", "marks", "notes", "groups", "sends"):
            if len(getattr(self, part)) not in (0, len(self.tokens)):
                raise ValueError(f"strip “{self.name}” has {len(self.tokens)} tokens but {len(getattr(self, part))} {part}")


@dataclass(frozen=True)
class TokenStrip:
    """Tokens in rows that wrap, spaces and line breaks made visible."""

    rows: Sequence[Strip]
    value_name: str = "value"
    sets: str = ""  # control that gets the index of a clicked token, or what its row `sends` for it

    def clicked(self, row: int, index: int) -> int | str | None:
        """What a click asks for; None when there is no such token (a click on a picture that has changed since)."""
        if not (0 <= row < len(self.rows) and 0 <= index < len(self.rows[row].tokens)):
            return None
        sends = self.rows[row].sends
        return sends[index] if len(sends) else index

    def table(self) -> Table:
        rows = [
            (strip.name, index, token, *(list(part)[index] if len(part) else "" for part in (strip.values, strip.marks, strip.notes)))
            for strip in self.rows
            for index, token in enumerate(strip.tokens)
        ]
        return Table(("row", "position", "token", self.value_name, "mark", "note"), rows)


NodeState = Literal["open", "kept", "dropped", "chosen"]


@dataclass(frozen=True)
class Node:
    text: str  # the token at this node
    parent: int  # index of its parent in `nodes`, -1 for the root
    value: str = ""  # printed under the text: a probability, a score
    state: NodeState = "open"
    note: str = ""  # one sentence, shown on hover, focus and pin
    sends: str | None = None  # what a click sets the tree's control to; the node's index when None


@dataclass(frozen=True)
class Tree:
    """A tree that grows to the right: beams with their scores, a draft with what was accepted."""

    nodes: Sequence[Node]
    states: Mapping[NodeState, str] = field(default_factory=lambda: {"kept": "kept", "dropped": "dropped", "chosen": "chosen"})
    sets: str = ""  # control that gets the index of a clicked node, or what the node `sends`
    height: int = 420

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            if not -1 <= node.parent < index:
                raise ValueError(f"node {index} (“{node.text}”) names parent {node.parent}; parents come before their children")

    def table(self) -> Table:
        return Table(
            ("node", "after", "token", "value", "state", "note"),
            [
                (index, node.parent, node.text, node.value, self.states.get(node.state, node.state), node.note)
                for index, node in enumerate(self.nodes)
            ],
        )


@dataclass(frozen=True)
class Swept:
    """A picture for every position of a slider, sent once; the slider moves in the browser without a round trip.

    kind "bars" and "lines": frames (states, series, points) over the labels of `x`.
    kind "arrows": frames (states, arrows, 2), each a unit-square vector, `series` naming the arrows.
    kind "heat": frames (states, rows, columns), `series` naming the rows and `x` the columns.
    """

    name: str  # what the slider sets, with its unit
    stops: Sequence[float | str]  # one per state
    frames: np.ndarray
    kind: Literal["bars", "lines", "arrows", "heat"] = "lines"
    x: Sequence[float | str] = ()
    series: Sequence[str] = ("",)
    x_title: str = ""
    y_title: str = ""
    says: Sequence[str] = ()  # one sentence per state, read aloud when the slider moves
    start: int = 0
    height: int = 340
    sets: str = ""  # control that gets the stop where the slider is let go

    def __post_init__(self) -> None:
        shape = tuple(self.frames.shape)
        last = 2 if self.kind == "arrows" else len(self.x)
        if shape != (len(self.stops), len(self.series), last):
            raise ValueError(f"{self.kind} frames must be ({len(self.stops)} stops, {len(self.series)} series, {last}); got {shape}")
        if len(self.says) not in (0, len(self.stops)):
            raise ValueError(f"{len(self.stops)} stops but {len(self.says)} sentences")

    def table(self) -> Table:
        points = ("x", "y") if self.kind == "arrows" else tuple(str(value) for value in self.x)
        rows = [
            (stop, name, *(round(float(value), 6) for value in self.frames[state, line]))
            for state, stop in enumerate(self.stops)
            for line, name in enumerate(self.series)
        ]
        return Table((self.name, "series", *points), rows)


class Cell(NamedTuple):
    text: str = ""
    level: float = 0.0  # 0 to 1, shades the cell
    tone: int = 0  # which hue of the palette; 0 is neutral
    mark: bool = False  # a thick border: look here


@dataclass(frozen=True)
class Frame:
    says: str  # one sentence: what this step did
    rows: Sequence[Sequence[Cell | None]]  # None leaves a hole


@dataclass(frozen=True)
class Playback:
    """Steps of an algorithm as a grid of cells: step, play, pause and scrub happen in the browser."""

    frames: Sequence[Frame]
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()
    tones: Mapping[int, str] = field(default_factory=dict)  # what each hue means, for the legend
    start: int = 0
    height: int = 340

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError("a playback needs at least one frame")

    def table(self) -> Table:
        rows = [
            (step, frame.says, " | ".join(" ".join(cell.text if cell else "·" for cell in row) for row in frame.rows))
            for step, frame in enumerate(self.frames)
        ]
        return Table(("step", "what happened", "cells"), rows)


Picture = AttentionView | TokenStrip | Tree | Swept | Playback
