"""Pictures that came with a learner's own notes and cards, shown where the text has them. No request leaves the page.

A picture that is alone on its line stands between the texts around it; one inside a line, or in a card, follows the text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from hashlib import sha256

import streamlit as st
from PIL import Image

from backend import store
from backend.library import find_media
from backend.questions import Question
from screens.parts import desk
from screens.parts.harmless_text import as_words, without_remote_pictures

SHOWN = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MOST_PIXELS = 40_000_000
WIDEST = 640  # and no flatter than that: scaled down, a strip of one row has no height left
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # not 16 bits: Streamlit cannot write those
_EMBED = re.compile(r"!\[\[([^\]\n|]{1,500})(?:\|[^\]\n]*)?\]\]")
_ALONE = re.compile(r"\s*!\[([^\]\n]{0,500})\]\(([^)\n]{1,500})\)\s*")


def draw_text(markdown: str, prepare: Callable[[str], str] = lambda text: text) -> None:
    """A text with its pictures; `prepare` does to the words what the screen does to all of them."""
    for text, is_picture_line in pieces(markdown):
        if is_picture_line and draw_pictures(text):
            continue
        if text.strip():
            st.markdown(without_remote_pictures(prepare(text)))
            draw_pictures(text)


def pieces(markdown: str) -> Iterator[tuple[str, bool]]:
    """The text cut at lines that are nothing but a picture; code stays whole."""
    if "![" not in markdown:
        yield markdown, False
        return
    gathered: list[str] = []
    inside = False
    for line in with_plain_pictures(markdown).split("\n"):
        inside ^= line.lstrip().startswith(("```", "~~~"))
        if not inside and _ALONE.fullmatch(line):
            yield "\n".join(gathered), False
            yield line, True
            gathered = []
        else:
            gathered.append(line)
    yield "\n".join(gathered), False


def with_plain_pictures(markdown: str) -> str:
    """Obsidian's embeds in the usual spelling."""
    return _EMBED.sub(lambda found: f"![{found[1].rpartition('/')[2]}](<{found[1].strip()}>)", markdown)


def draw_pictures(markdown: str) -> bool:
    """The pictures that a text names and the library holds; says whether there were any."""
    if "![" not in markdown:
        return False
    with store.reading(desk.engine()) as session:
        found = find_media(session, learner=desk.learner(), markdown=markdown)
    for media in found:
        if not (media.name.lower().endswith(SHOWN) and _drawn(media.name, media.data)):
            st.caption(f"Attached: {as_words(media.name)}, {len(media.data):,} bytes")
    return bool(found)


def _drawn(name: str, data: bytes) -> bool:
    """False when the picture cannot be shown: one bad file must not take the note around it down."""
    if not can_be_shown(data):
        return False
    try:
        st.image(data, caption=as_words(name.rpartition("/")[2]), width=min(width_of(data), WIDEST))
    except Exception:  # Streamlit scales with Pillow, which raises whatever its decoders do
        return False
    return True


def draw_front_pictures(question: Question | None) -> None:
    if question is not None:
        draw_pictures("\n".join([question.prompt, *(option.text for option in question.options), *question.steps]))


def draw_back_pictures(question: Question | None) -> None:
    """Those of the answer that the front has not shown."""
    if question is not None:
        draw_pictures("\n".join([question.answer, *(option.why for option in question.options), *question.working]))


_SIZES: dict[bytes, int] = {}  # a picture's digest -> its width, 0 when it cannot be shown
MOST_SIZES = 2000


def can_be_shown(data: bytes) -> bool:
    """A broken picture, or one of absurd size, is only named."""
    return width_of(data) > 0


def width_of(data: bytes) -> int:
    digest = sha256(data).digest()
    if digest not in _SIZES:
        if len(_SIZES) >= MOST_SIZES:
            _SIZES.clear()
        _SIZES[digest] = _measured(data)
    return _SIZES[digest]


def _measured(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if not (0 < picture.width * picture.height <= MOST_PIXELS and picture.mode in MODES and picture.width <= picture.height * WIDEST):
                return 0
            picture.load()  # verify() would read no pixel of a JPEG: a file that was cut short passes it
            return picture.width
    except Exception:  # Pillow raises whatever its decoders do
        return 0
