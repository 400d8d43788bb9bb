"""The tree (tree_view.js): it grows to the right, one column per token, for beams and for speculative drafts.

Contract. Takes a screens.labs.pictures.Tree. Hover, focus and arrow keys read a node's note; a click pins it, and where the
tree `sets` a control, sends its index (trigger "picked", {"index"}).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import streamlit as st

from screens.labs.pictures import Tree
from screens.parts.payload import pack, script, style

HTML = '<div class="picture tree">\n</div>'
CSS = style("tree_view")
JS = script("tree_view")

_component = st.components.v2.component("tree_view", html=HTML, css=CSS, js=JS)


def tree_view(tree: Tree, *, says: str, key: str, on_picked: Callable[[int | str], None] | None = None) -> None:
    def picked() -> None:
        state = st.session_state.get(key)
        sent = state.get("picked") if state is not None else None
        index = sent.get("index") if isinstance(sent, dict) else None
        if on_picked is not None and isinstance(index, int) and 0 <= index < len(tree.nodes):
            sends = tree.nodes[index].sends
            on_picked(index if sends is None else sends)

    _component(key=key, data=tree_payload(tree, says=says), on_picked_change=picked)


def tree_payload(tree: Tree, *, says: str) -> bytes:
    places = layout(tree)
    header = {
        "nodes": [[node.text, node.parent, node.value, node.state, node.note, *places[at]] for at, node in enumerate(tree.nodes)],
        "states": dict(tree.states),
        "sets": tree.sets,
        "says": says,
        "height": tree.height,
    }
    return pack({**header, "stamp": zlib.crc32(repr(header).encode())})


def layout(tree: Tree) -> list[tuple[int, float]]:
    """(column, line) of each node: leaves on lines of their own, a parent in the middle of its children."""
    children: dict[int, list[int]] = {}
    for at, node in enumerate(tree.nodes):
        children.setdefault(node.parent, []).append(at)
    depth = [0] * len(tree.nodes)
    for at, node in enumerate(tree.nodes):
        depth[at] = depth[node.parent] + 1 if node.parent >= 0 else 0
    lines: dict[int, float] = {}
    waiting = list(reversed(children.get(-1, [])))
    leaves = 0
    while waiting:
        at = waiting[-1]
        below = children.get(at, [])
        if not below:
            lines[at] = leaves
            leaves += 1
            waiting.pop()
        elif below[0] not in lines:
            waiting.extend(reversed(below))
        else:
            lines[at] = (lines[below[0]] + lines[below[-1]]) / 2
            waiting.pop()
    return [(depth[at], lines[at]) for at in range(len(tree.nodes))]
