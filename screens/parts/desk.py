"""What every screen needs: the open database, the learner, and the page's own style.

Streamlit runs a full garbage collection after every script run unless told otherwise (`runner.postScriptGC`). Python's own
automatic one would still walk everything that torch or streamlit brought along, so what is loaded is frozen once:
`settle()` is called here after warm-up and by every part that loads something heavy.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlmodel import Session
from streamlit import runtime

from backend import store
from backend.backups import back_up_daily
from backend.markup import Mistake
from backend.notes import Track, read_tracks
from backend.review import follow_content, today_of
from backend.settings import SettingError, change_setting, read_settings
from backend.stats import seconds_per_card
from backend.sync import known_mistakes, sync
from backend.tables import Setting

HERE = Path(__file__).parent
AFTER_FIRST_SCREEN = 5.0  # seconds


def content_folder() -> Path:
    return Path(os.environ.get("CONTENT_DIR") or store.HOUSE / "content")


def settle() -> None:
    """Collect, then exempt all that is loaded from later collections. Once per load, never per session or run."""
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner="Opening your desk ...")
def _open() -> tuple[Engine, int]:
    """The one engine of this process, on tables that are up to date and agree with content/, and the local learner's id."""
    from screens.labs import Makers

    opened = store.open_engine()
    store.upgrade(opened)
    with store.writing(opened) as session:
        sync(session, content_folder(), at=store.now(), makers=Makers())
        learner = store.local_learner(session)
        adopt_time_zone(session, learner)
        follow_content(session, learner=learner, at=store.now())  # a link may lead a newcomer past Today, straight to a note with cards
    settle()
    encode_soon(opened)
    return opened, learner


def encode_soon(opened: Engine) -> None:
    """Passages that wait for their vector get it in the background, once the first screen has been painted."""

    def begin() -> None:
        if runtime.exists():  # or nobody serves pages any more
            from screens.parts.search_desk import tend

            with contextlib.suppress(OperationalError, OSError):  # the Ask screen will try again, and say what is wrong
                tend(opened)

    timer = threading.Timer(AFTER_FIRST_SCREEN, begin)
    timer.daemon = True
    timer.start()


def engine() -> Engine:
    return _open()[0]


def learner() -> int:
    return _open()[1]


def adopt_time_zone(session: Session, learner: int) -> None:
    """Study days follow the learner's clock: at the first visit the browser's time zone becomes the setting."""
    if session.get(Setting, (learner, "time_zone")) is None and st.context.timezone:
        with contextlib.suppress(SettingError):  # a browser that names no zone we know leaves UTC, which Settings shows
            change_setting(session, learner=learner, name="time_zone", value=st.context.timezone)


@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def tracks() -> list[Track]:
    return read_tracks(content_folder())


def track_title(slug: str) -> str:
    return next((track.title for track in tracks() if track.slug == slug), slug.replace("-", " ").capitalize())


def lab_is_built(slug: str) -> bool:
    from screens.labs import catalogue

    return slug in catalogue()


def lab_title(slug: str) -> str:
    """A lab's title, read from its file without running it; a lab that is still to be built says so."""
    from screens.labs import catalogue

    entry = catalogue().get(slug)
    return entry.title if entry else f"{slug.replace('-', ' ').capitalize()} (not built yet)"


def mistakes() -> list[Mistake]:
    """What is wrong in the notes, as the last sync found it."""
    with store.reading(engine()) as session:
        return known_mistakes(session)


def daily_backup() -> str:
    """A copy of the database before the first grade of a day; asked at every grade, done once. Says what went wrong, if anything:
    a copy that cannot be made is no reason to lose the grade as well."""
    try:
        back_up_daily(engine(), at=store.now())
    except store.StoreError as problem:
        return str(problem)
    return ""


@st.cache_data(ttl=600, max_entries=64, show_spinner=False)
def _pace(learner: int) -> float:
    with store.reading(engine()) as session:
        return seconds_per_card(session, learner=learner, today=today_of(read_settings(session, learner=learner), store.now()))


def pace() -> int:
    """Milliseconds the learner takes for a card."""
    return int(_pace(learner()) * 1000)


def moment(at: int) -> str:
    """A time as the learner's clock shows it."""
    with store.reading(engine()) as session:
        zone = read_settings(session, learner=learner()).time_zone
    return f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%d %b %Y, %H:%M}"


def plain_reason(problem: Exception) -> str:
    """Why something could not be saved, in words for a person."""
    told = str(getattr(problem, "orig", problem)).splitlines()[0][:200]
    known = {"database or disk is full": "the disk is full", "database is locked": "the database is busy", "readonly": "the database may not be written to"}
    return next((words for sign, words in known.items() if sign in told), told)


def lay_out() -> None:
    """The style and the way of following links that all screens share."""
    st.html(HERE / "style.css")
    st.html(f"<script>{(HERE / 'links.js').read_text(encoding='utf-8')}</script>", unsafe_allow_javascript=True)
