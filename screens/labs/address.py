"""A lab's settings as parameters of its address, there and back.

Only what differs from the default is written, so the plain address is the default picture. Reading never fails: each
value that is not allowed becomes the nearest allowed one, with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from .controls import Control, Value, spell

RESERVED = frozenset({"lab", "try"})  # names that the page itself uses


class Settled(NamedTuple):
    settings: dict[str, Value]
    notices: tuple[str, ...]  # one sentence for each value that had to be changed


def read_settings(controls: Mapping[str, Control], defaults: Mapping[str, Value], given: Mapping[str, object]) -> Settled:
    """Every control's value: from `given` where it is named there, brought into range, else the default."""
    settings = dict(defaults)
    notices = []
    for name, control in controls.items():
        if name in given:
            settings[name], notice = control.fit(given[name], defaults[name])
            if notice:
                notices.append(f"{name}: {notice}")
    return Settled(settings, tuple(notices))


def write_settings(defaults: Mapping[str, Value], settings: Mapping[str, Value]) -> dict[str, str]:
    return {name: spell(value) for name, value in settings.items() if value != defaults[name]}


def lab_address(slug: str, parameters: Mapping[str, str]) -> str:
    return "/labs?" + urlencode({"lab": slug, **parameters})
