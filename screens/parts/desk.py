"""What every screen needs: the open database, the learner, and the page's own style.

Streamlit runs a full garbage collection after every script run unless told otherwise (`runner.postScriptGC`). Python's own
automatic one would still walk everything that torch or streamlit brought along, so what is loaded is frozen once:
`settle()` is called here after warm-up and by every part that loads something heavy.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import streamlit as st
from sqlalchemy import Engine

from backend import store
from backend.markup import Mistake
from backend.notes import Track, read_tracks
from backend.sync import known_mistakes, sync

HERE = Path(__file__).parent


def content_folder() -> Path:
    return Path(os.environ.get("CONTENT_DIR") or store.HOUSE / "content")


def settle() -> None:
    """Collect, then exempt all that is loaded from later collections. Once per load, never per session or run."""
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner="Opening your desk ...")
def engine() -> Engine:
    """The one engine of this process, on tables that are up to date and agree with content/."""
    opened = store.open_engine()
    store.upgrade(opened)
    with store.writing(opened) as session:
        sync(session, content_folder(), at=store.now(), makers=lab_makers())
        store.local_learner(session)
    settle()
    return opened


@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def tracks() -> list[Track]:
    return read_tracks(content_folder())


def track_title(slug: str) -> str:
    return next((track.title for track in tracks() if track.slug == slug), slug.replace("-", " ").capitalize())


def lab_title(slug: str) -> str:
    """A lab's title, read from its file without running it; a lab that is still to be built says so."""
    from screens.labs import catalogue

    entry = catalogue().get(slug)
    return entry.title if entry else f"{slug.replace('-', ' ').capitalize()} (not built yet)"


def lab_makers() -> dict[str, list[str]]:
    from screens.labs import catalogue

    return {slug: list(entry.makers) for slug, entry in catalogue().items()}


def mistakes() -> list[Mistake]:
    """What is wrong in the notes, as the last sync found it."""
    with store.reading(engine()) as session:
        return known_mistakes(session)


@st.cache_resource
def _local_learner() -> int:
    with store.writing(engine()) as session:
        return store.local_learner(session)


def learner() -> int:
    return _local_learner()


def lay_out() -> None:
    """The style and the way of following links that all screens share."""
    st.html(HERE / "style.css")
    st.html(f"<script>{(HERE / 'links.js').read_text(encoding='utf-8')}</script>", unsafe_allow_javascript=True)
