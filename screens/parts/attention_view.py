"""The attention view (attention_view.js): all heads small, one large, tokens to hover and pin, every cell by keyboard.

Contract. Takes a screens.labs.pictures.AttentionView. Weights travel as the square root in uint8 (error at most .004, finest
near 0), of a causal model the triangle only: 144 heads x 64 tokens are 293 KiB. What is larger goes as pooled small heads
and one head in full; then choosing a head asks the server for it (state "head", [layer, head]), otherwise nothing is sent.
Where the view `sets` controls, choosing a head tells the server too (trigger "chosen", [layer, head]), and so does pinning
a token where it `sets_token` (trigger "pinned", its number).
Vectors q and k of a head travel as float16 and give the readout its q·k. `weights_sent` undoes the packing, for tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from screens.labs.pictures import AttentionView
from screens.parts.payload import pack, script, style, unpack

BUDGET = 300 * 1024  # bytes of one update

HTML = '<div class="picture attention">\n</div>'
CSS = style("attention_view")
JS = script("attention_view")

_component = st.components.v2.component("attention_view", html=HTML, css=CSS, js=JS)


def attention_view(view: AttentionView, *, says: str, key: str, on_set: Callable[[str, object], None] | None = None) -> None:
    state = st.session_state.get(key)
    head = view.head if view.sets else _head(view, state.get("head") if state is not None else None)

    def sent(name: str) -> Any:
        now = st.session_state.get(key)
        return now.get(name) if now is not None else None

    def chosen() -> None:
        layer, place = _head(view, sent("chosen"))
        for control, value in view.sets.items():
            if on_set is not None:
                on_set(control, value.format(layer=layer, head=place))

    def pinned() -> None:
        token = sent("pinned")
        if on_set is not None and view.sets_token and isinstance(token, int) and 0 <= token < len(view.tokens):
            on_set(view.sets_token, token)

    data = attention_payload(view, says=says, head=head)
    _component(key=key, data=data, on_head_change=lambda: None, on_chosen_change=chosen, on_pinned_change=pinned)


def attention_payload(view: AttentionView, *, says: str, head: tuple[int, int] | None = None) -> bytes:
    head = head or view.head
    layers, heads, rows, columns = view.weights.shape
    arrays: dict[str, np.ndarray] = {}
    for place, (q, k) in view.vectors.items():
        arrays[f"q{place[0]}.{place[1]}"], arrays[f"k{place[0]}.{place[1]}"] = (np.asarray(part, dtype=np.float16) for part in (q, k))
    fixed = sum(array.nbytes for array in arrays.values()) + 40 * (rows + columns) + 2048
    size = rows * (rows + 1) // 2 if view.causal else rows * columns
    pool = 1
    if layers * heads * size + fixed > BUDGET:
        arrays["large"] = _packed(view.weights[head], causal=view.causal)
        left = BUDGET - fixed - size
        pool = 2
        while layers * heads * -(-rows // pool) * -(-columns // pool) > max(left, layers * heads * 16):
            pool += 1
        arrays["weights"] = _pooled(view.weights, pool)
    else:
        arrays["weights"] = _packed(view.weights, causal=view.causal)
    header: dict[str, Any] = {
        "tokens": list(view.tokens),
        "columns": list(view.columns),
        "causal": view.causal,
        "shape": [layers, heads, rows, columns],
        "pool": pool,
        "head": list(head),
        "names": {f"{at[0]}.{at[1]}": name for at, name in view.names.items()},
        "silenced": [f"{at[0]}.{at[1]}" for at in sorted(view.silenced)],
        "sets": bool(view.sets),
        "sets_token": bool(view.sets_token),
        "says": says,
        "height": view.height,
    }
    header["stamp"] = zlib.crc32(repr(header).encode() + b"".join(array.tobytes() for array in arrays.values()))
    return pack(header, arrays)


def weights_sent(payload: bytes) -> np.ndarray:
    """(layers, heads, queries, keys) as the browser will read them."""
    header, arrays = unpack(payload)
    layers, heads, rows, columns = header["shape"]
    if header["pool"] > 1:
        return (arrays["weights"] / 255.0) ** 2
    full = np.zeros((layers, heads, rows, columns))
    if header["causal"]:
        full[:, :, *np.tril_indices(rows)] = (arrays["weights"].reshape(layers, heads, -1) / 255.0) ** 2
    else:
        full[:] = (arrays["weights"] / 255.0) ** 2
    return full


def _packed(weights: np.ndarray, *, causal: bool) -> np.ndarray:
    roots = np.rint(np.sqrt(np.clip(np.asarray(weights, dtype=np.float32), 0, 1)) * 255).astype(np.uint8)
    return roots[..., *np.tril_indices(roots.shape[-1])] if causal else roots


def _pooled(weights: np.ndarray, pool: int) -> np.ndarray:
    """The largest weight of each pool x pool block: a thin line must not vanish in a small picture."""
    rows, columns = weights.shape[-2:]
    padded = np.pad(np.asarray(weights, dtype=np.float32), [(0, 0), (0, 0), (0, -rows % pool), (0, -columns % pool)])
    layers, heads, high, wide = padded.shape
    return _packed(padded.reshape(layers, heads, high // pool, pool, wide // pool, pool).max(axis=(3, 5)), causal=False)


def _head(view: AttentionView, sent: Any) -> tuple[int, int]:
    layers, heads = view.weights.shape[:2]
    if isinstance(sent, list) and len(sent) == 2 and all(isinstance(part, int) for part in sent) and 0 <= sent[0] < layers and 0 <= sent[1] < heads:
        return sent[0], sent[1]
    return view.head
