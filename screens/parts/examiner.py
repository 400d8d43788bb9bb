"""The examiner: a browser component that shows one question of a quiz at a time and takes the answers (examiner.js).

Contract. The screen draws every question of the ring in a container with key `slot-{n}`; what is clicked stands in it in one
with key `options-{n}` and, in practice only, what follows the answer in one with key `back-{n}`. The component sends
{"token", "outbox": [{kind: "answer", n, response, confidence, ms, at} | {kind: "judge", n, score}], "act": {kind, n} | None}
and repeats its outbox until `taken` and `judged` say that the server holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from backend.attempts import JUDGED, LONGEST_ANSWER

HERE = Path(__file__).parent
CONFIDENCES = (1, 2, 3)
MOST_ENTRIES = 200

_component = st.components.v2.component(
    "examiner",
    html=(HERE / "examiner.html").read_text(encoding="utf-8"),
    css=(HERE / "examiner.css").read_text(encoding="utf-8"),
    js=(HERE / "examiner.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer out of the outbox, checked: plain values of the right type."""

    number: int
    response: Any
    confidence: int | None
    milliseconds: int | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    number: int
    score: float


def examine(data: dict[str, Any], *, on_sent: Callable[[], None], key: str = "examiner") -> None:
    _component(key=key, data=data, on_sent_change=on_sent)


def sent(key: str = "examiner") -> dict[str, Any]:
    """What the component sent in this run; an empty dict when it is not what we expect."""
    state = st.session_state.get(key)
    value = state.get("sent") if state is not None else None
    return value if isinstance(value, dict) else {}


def read_outbox(outbox: Any) -> list[Given | Judged]:
    """Answers and judgements in the order they were given; what is neither is passed over."""
    read = [_entry(entry) for entry in outbox[:MOST_ENTRIES]] if isinstance(outbox, list) else []
    return [entry for entry in read if entry is not None]


def _entry(entry: Any) -> Given | Judged | None:
    if not isinstance(entry, dict) or not _is_whole(entry.get("n")) or entry["n"] < 0:
        return None
    if entry.get("kind") == "judge":
        return Judged(entry["n"], float(entry["score"])) if entry.get("score") in JUDGED else None
    if entry.get("kind") != "answer":
        return None
    confidence, spent, at = entry.get("confidence"), entry.get("ms"), entry.get("at")
    return Given(
        entry["n"], plain_answer(entry.get("response")), confidence if confidence in CONFIDENCES else None,
        int(spent) if isinstance(spent, int | float) and 0 <= spent <= 3_600_000 else None, at if isinstance(at, int) and _is_whole(at) and at > 0 else None,
    )  # fmt: skip


def plain_answer(value: Any) -> Any:
    """An option's index, typed text, or a list of indices; anything else is no answer."""
    if _is_whole(value) and 0 <= value < 100:
        return value
    if isinstance(value, str):
        return value[:LONGEST_ANSWER]
    if isinstance(value, list) and len(value) <= 30 and all(_is_whole(item) for item in value):
        return value
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
