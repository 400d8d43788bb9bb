"""What the Ask screen needs: the one index of this process, kept fresh, and the encoding of passages in the background."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading

import streamlit as st
from sqlalchemy import Engine

from backend import store
from backend.search import Index, fresh
from backend.search_index import count_pending, fill_vectors, index_cards, own_cards_stamp
from screens.parts import desk

AT_ONCE = 1000  # own cards whose words are indexed while somebody waits
FEW = 100  # passages that are encoded here; more are left to a process of their own, unless ENCODE_IN_BACKGROUND=0 forbids it


@st.cache_resource(show_spinner=False)
def _held() -> dict[int, Index]:
    return {}


def index() -> Index:
    """The index as the database has it now. Two sessions that find it stale both load it, which does no harm."""
    held = _held()
    with store.reading(desk.engine()) as session:
        held[desk.learner()] = fresh(session, held.get(desk.learner()), learner=desk.learner())
    return held[desk.learner()]


def embed(texts):
    from models import minilm

    return minilm.embed(texts)


def waiting() -> tuple[int, int]:
    """Passages without a vector, and all that want one; where some wait, the encoding is begun."""
    return tend(desk.engine())


# -- encoding --------------------------------------------------------------------------------------------------------------

_last: dict[str, threading.Thread | subprocess.Popen] = {}  # by database: who encoded last
_seen: dict[str, tuple[int, ...]] = {}  # by database: the own cards that were there when somebody looked
_turn = threading.Lock()


def tend(engine: Engine) -> tuple[int, int]:
    """Passages without a vector, and all that want one; where some wait, somebody begins to encode them."""
    _see_own_cards(engine)
    with store.reading(engine) as session:
        missing, total = count_pending(session)
    if missing:
        with _turn:
            _begin_encoding(engine, many=missing > FEW)
    return missing, total


def _see_own_cards(engine: Engine) -> None:
    """Own cards that came or changed since anybody looked get their words into the index; after a large import the rest does so in the background."""
    with store.reading(engine) as session:
        stamp = own_cards_stamp(session)
    if _seen.get(str(engine.url)) != stamp:
        _seen[str(engine.url)] = stamp
        if _index_some(engine):
            threading.Thread(target=_index_rest, args=(engine,), daemon=True).start()


def _index_some(engine: Engine) -> bool:
    with store.writing(engine) as session:
        return len(index_cards(session, most=AT_ONCE)) == AT_ONCE


def _index_rest(engine: Engine) -> None:
    while _index_some(engine):
        pass


def _begin_encoding(engine: Engine, *, many: bool) -> None:
    last = _last.get(str(engine.url))
    if isinstance(last, threading.Thread) and last.is_alive():
        return
    if isinstance(last, subprocess.Popen) and last.poll() != 0:
        return  # still at it; or it failed, and what it could not do it cannot do again
    if many:
        if os.environ.get("ENCODE_IN_BACKGROUND") == "0":
            return
        command = [sys.executable, "-m", "backend", "sync"]
        step_back = (lambda: os.nice(15)) if hasattr(os, "nice") else None  # pages go first
        process = subprocess.Popen(command, cwd=store.HOUSE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=step_back)
        atexit.register(process.terminate)
        _last[str(engine.url)] = process
    else:
        thread = threading.Thread(target=fill_vectors, args=(engine, embed), daemon=True)
        _last[str(engine.url)] = thread
        thread.start()
