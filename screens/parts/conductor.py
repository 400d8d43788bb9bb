"""The conductor: a browser component that shows one card of a ring at a time and takes the learner's keys (conductor.js).

Contract. The screen draws every ring entry in a container with key `slot-{n}`, its answer inside it in one with key
`back-{n}`, clickable options or steps in one with key `options-{n}`; n counts grades of one numbering, `token` names the
numbering. The component sends {"token", "outbox": [{n, card, grade, ms, confidence, response}], "act": {kind, n, card} | None};
`accepted` says which of the outbox are next in line. A new token tells the component to forget its outbox and begin at `seq`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
CONFIDENCES = (1, 2, 3)
LONGEST_RESPONSE = 400

_component = st.components.v2.component(
    "conductor",
    html=(HERE / "conductor.html").read_text(encoding="utf-8"),
    css=(HERE / "conductor.css").read_text(encoding="utf-8"),
    js=(HERE / "conductor.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Grading:
    """One grade out of the outbox, checked: plain values of the right type."""

    n: int
    card: str
    grade: int
    milliseconds: int
    confidence: int | None
    response: Any


def conduct(data: dict[str, Any], *, on_sent: Callable[[], None], key: str = "conductor") -> None:
    _component(key=key, data=data, on_sent_change=on_sent)


def sent(key: str = "conductor") -> dict[str, Any]:
    """What the component sent in this run; an empty dict when it is not what we expect."""
    state = st.session_state.get(key)
    value = state.get("sent") if state is not None else None
    return value if isinstance(value, dict) else {}


def accepted(outbox: Any, *, seq: int, ring: Sequence[tuple[int, str]]) -> list[Grading]:
    """The gradings that are next in line, in order: each must carry the next number and the card that the ring holds there.

    What was accepted before, what is from the future, and what is not a grading at all is passed over: the component sends
    its whole outbox every time, so nothing is lost by that.
    """
    expected = dict(ring)
    taken: list[Grading] = []
    for entry in sorted((e for e in outbox if isinstance(e, dict) and isinstance(e.get("n"), int)), key=lambda e: e["n"]) if isinstance(outbox, list) else []:
        n, card, grade = entry["n"], expected.get(entry["n"]), entry.get("grade")
        if n != seq or card is None or card != entry.get("card") or grade not in (1, 2, 3, 4):
            continue
        confidence, spent = entry.get("confidence"), entry.get("ms")
        taken.append(
            Grading(
                n=n, card=card, grade=grade,
                milliseconds=int(spent) if isinstance(spent, int | float) and 0 <= spent < 3_600_000 else 0,
                confidence=confidence if confidence in CONFIDENCES else None,
                response=plain_response(entry.get("response")),
            )
        )  # fmt: skip
        seq += 1
    return taken


def plain_response(value: Any) -> Any:
    """An option's index, typed text, or a list of indices; anything else is no response."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and 0 <= value < 100:
        return value
    if isinstance(value, str):
        return value[:LONGEST_RESPONSE]
    if isinstance(value, list) and len(value) <= 30 and all(isinstance(item, int) and not isinstance(item, bool) for item in value):
        return value
    return None
