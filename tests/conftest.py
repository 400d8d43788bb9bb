"""What the tests share: a database of their own, never the learner's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine
from sqlmodel import Session

from backend import store

LONG = os.environ.get("ATTEND_LONG") == "1"

settings.register_profile("short", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("long" if LONG else "short")

NOTE = """---
title: {title}
needs: [{needs}]
sources: ["A paper"]
---

{title} in one sentence.

## Why

Because of $x^2$ and [[{link}]].

Q: Why {slug}? ^{slug}-q01

A: Because. And so on.

Q: Which one? ^{slug}-q02

- [x] this
  It is right.
- [ ] that
  It is not.
- [ ] the third
  Nor this.
- [ ] the fourth
  Nor this one.

C: A ==gap== and ==another== stand here. ^{slug}-gap
"""


def note_text(slug: str, *, title: str | None = None, needs: str = "", link: str | None = None) -> str:
    return NOTE.format(slug=slug, title=title or slug.capitalize(), needs=needs, link=link or slug)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = store.open_engine(f"sqlite:///{tmp_path / 'attend.db'}")
    store.upgrade(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with store.writing(engine) as opened:
        yield opened


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A small content folder: two topics of one track."""
    folder = tmp_path / "content"
    (folder / "basics").mkdir(parents=True)
    (folder / "tracks.yaml").write_text("- slug: basics\n  title: Basics\n  topics: [alpha, beta]\n", encoding="utf-8")
    (folder / "basics" / "alpha.md").write_text(note_text("alpha", link="beta"), encoding="utf-8")
    (folder / "basics" / "beta.md").write_text(note_text("beta", needs="alpha", link="alpha"), encoding="utf-8")
    return folder
