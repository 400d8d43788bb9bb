"""What the Ask screen needs: the one index of this process, kept fresh, and the encoding of passages in the background."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading

import streamlit as st

from backend import store
from backend.search import Index, fresh
from backend.search_index import count_pending, fill_vectors
from screens.parts import desk

FEW = 400  # passages that are encoded here; more are left to a process of their own, whose torch does not slow the pages


@st.cache_resource(show_spinner=False)
def _held() -> dict[str, Index]:
    return {}


def index() -> Index:
    """The index as the database has it now. Two sessions that find it stale both load it, which does no harm."""
    held = _held()
    with store.reading(desk.engine()) as session:
        held["index"] = fresh(session, held.get("index"))
    return held["index"]


def embed(texts):
    from models import minilm

    return minilm.embed(texts)


def waiting() -> tuple[int, int]:
    """Passages without a vector, and all that want one; where some wait, the encoding is begun."""
    with store.reading(desk.engine()) as session:
        missing, total = count_pending(session)
    if missing:
        _begin_encoding(missing > FEW)
    return missing, total


@st.cache_resource(show_spinner=False)
def _encoders() -> dict[str, threading.Thread | subprocess.Popen]:
    return {}


def _begin_encoding(many: bool) -> None:
    running = _encoders()
    last = running.get("last")
    if isinstance(last, threading.Thread) and last.is_alive():
        return
    if isinstance(last, subprocess.Popen):
        return  # once: what it could not do it cannot do again
    if many:
        command = [sys.executable, "-m", "backend", "sync"]
        step_back = (lambda: os.nice(15)) if hasattr(os, "nice") else None  # pages go first
        process = subprocess.Popen(command, cwd=store.HOUSE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=step_back)
        atexit.register(process.terminate)
        running["last"] = process
    else:
        thread = threading.Thread(target=fill_vectors, args=(desk.engine(), embed), daemon=True)
        running["last"] = thread
        thread.start()
