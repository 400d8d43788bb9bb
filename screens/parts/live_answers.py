"""The pictures of a lab at given settings as one answer to one request: what a moved control paints (live.js).

A script run costs the browser more than the pictures do: everything around them is compared and laid out again. A control
therefore asks here first (live_route.py), and tells Streamlit when the hand rests. Read only: settings come from the address and are brought
into range; what cannot be answered (a lab that trains, an unknown lab, settings at which it stops) is left to the screen.

The answer is a payload (payload.py): "says", "pictures" (what stands on the page, in order) and one array of bytes for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import numpy as np

from screens.labs import Lab, Value, catalogue, read_settings, write_settings
from screens.labs.pictures import Picture
from screens.parts.lab_runs import Drawn, drawn, frozen, loaded_lab
from screens.parts.live_route import PATH
from screens.parts.payload import pack


def live_address(lab: Lab, settings: Mapping[str, Value]) -> str:
    """Where the page asks for this lab's pictures; empty for labs that train, whose runs are started and watched."""
    return "" if lab.is_long else f"{PATH}?{urlencode({'lab': lab.slug, **write_settings(lab.defaults, settings)})}"


def on_the_page(picture: Drawn) -> list[str]:
    """The pictures by kind and title: an answer with others than these cannot be painted into a page that stands."""
    return [f"{type(figure).__name__}: {title}" for title, figure in picture.figures.items()]


def answer_of(picture: Drawn) -> bytes:
    from screens.parts.browser_pictures import payload_of

    parts = {}
    for number, (title, figure) in enumerate(picture.figures.items()):
        sent = payload_of(figure, says=picture.says)[0] if isinstance(figure, Picture) else picture.specs[title].encode()
        parts[str(number)] = np.frombuffer(sent, dtype=np.uint8)
    return pack({"says": picture.says, "pictures": on_the_page(picture)}, parts)


def pictures_at(slug: str, given: Mapping[str, str]) -> bytes | None:
    if slug not in catalogue():
        return None
    lab = loaded_lab(slug)
    if lab.is_long:
        return None
    named = {name: value for name, value in given.items() if name in lab.controls}
    return answer_of(drawn(slug, frozen(read_settings(lab.controls, lab.defaults, named).settings)))
