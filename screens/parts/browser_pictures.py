"""Which component draws which picture of screens.labs.pictures, on the page and in a file of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from screens.labs.pictures import AttentionView, Picture, Playback, Swept, TokenStrip, Tree
from screens.parts import attention_view, playback, swept_picture, token_strip, tree_view

OnSet = Callable[[str, object], None]


def draw_picture(picture: Picture, *, says: str, key: str, on_set: OnSet | None = None) -> None:
    """Mount the picture. `on_set(control, index)` runs in a callback when a click in it sets a control."""
    if isinstance(picture, AttentionView):
        attention_view.attention_view(picture, says=says, key=key, on_set=on_set)
    elif isinstance(picture, TokenStrip):
        token_strip.token_strip(picture, says=says, key=key, on_picked=_sets(picture.sets, on_set))
    elif isinstance(picture, Tree):
        tree_view.tree_view(picture, says=says, key=key, on_picked=_sets(picture.sets, on_set))
    elif isinstance(picture, Swept):
        swept_picture.swept_picture(picture, says=says, key=key, on_picked=_sets(picture.sets, on_set))
    else:
        playback.playback(picture, says=says, key=key)


def _sets(control: str, on_set: OnSet | None) -> Callable[[Any], None] | None:
    return (lambda value: on_set(control, value)) if control and on_set else None


def payload_of(picture: Picture, *, says: str) -> tuple[bytes, str, str, str]:
    """The bytes a picture sends, and the markup, style and script that draw them."""
    if isinstance(picture, AttentionView):
        return attention_view.attention_payload(picture, says=says), attention_view.HTML, attention_view.CSS, attention_view.JS
    if isinstance(picture, TokenStrip):
        return token_strip.strip_payload(picture, says=says), token_strip.HTML, token_strip.CSS, token_strip.JS
    if isinstance(picture, Tree):
        return tree_view.tree_payload(picture, says=says), tree_view.HTML, tree_view.CSS, tree_view.JS
    if isinstance(picture, Swept):
        return swept_picture.swept_payload(picture, says=says), swept_picture.HTML, swept_picture.CSS, swept_picture.JS
    if isinstance(picture, Playback):
        return playback.playback_payload(picture, says=says), playback.HTML, playback.CSS, playback.JS
    raise TypeError(f"no component draws a {type(picture).__name__}")


LIGHT = {
    "--st-font": "system-ui, sans-serif",
    "--st-code-font": "ui-monospace, monospace",
    "--st-text-color": "#0f1720",
    "--st-background-color": "#ffffff",
    "--st-secondary-background-color": "#f2efe8",
    "--st-border-color": "#c9c4b8",
    "--st-primary-color": "#0b6e6e",
    "--st-base-radius": "8px",
    "--st-button-radius": "8px",
}


def picture_html(picture: Picture, *, says: str) -> str:
    """The same component in a page without Streamlit: its script, its style and its numbers inside, nothing fetched."""
    data, markup, style, script = payload_of(picture, says=says)
    encoded = base64.b64encode(data).decode()
    variables = ";".join(f"{name}:{value}" for name, value in LIGHT.items())
    body = script.replace("export default function", "const draw = function", 1)
    return (
        f'<div id="stage" style="{variables}"></div><script type="module">\n{body}\n'
        f'const root = document.getElementById("stage").attachShadow({{mode: "open"}});\n'
        f"root.innerHTML = {json.dumps(f'<style>{style}</style>{markup}').replace('</', chr(60) + chr(92) + '/')};\n"
        f'const data = Uint8Array.from(atob("{encoded}"), (sign) => sign.charCodeAt(0));\n'
        "draw({ data, parentElement: root, setTriggerValue() {}, setStateValue() {} });\n</script>"
    )
