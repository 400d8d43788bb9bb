"""While a card is being written: the cards that ask nearly the same, with links to them."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

import streamlit as st

from backend import store
from backend.duplicates import Near, find_near
from backend.nearness import Nearness, nearness_stamp, read_nearness
from screens.parts import desk
from screens.parts.harmless_text import as_words
from screens.parts.search_desk import embed


@st.cache_resource(max_entries=1, show_spinner=False)
def _nearness(_engine: object, address: str, stamp: tuple[int, ...]) -> Nearness:
    with store.reading(desk.engine()) as session:
        return read_nearness(session)


def near_cards(question: str, *, leaving_out: Collection[str] = ()) -> list[Near]:
    with store.reading(desk.engine()) as session:
        near = _nearness(desk.engine(), str(desk.engine().url), nearness_stamp(session))
        return find_near(session, learner=desk.learner(), question=question, embed=embed, near=near, leaving_out=leaving_out)


def warn_of_near(question: str, *, leaving_out: Collection[str] = ()) -> None:
    found = near_cards(question, leaving_out=leaving_out)
    if found:
        listed = "\n".join(f"- [{as_words(near.asked)}](/library?card={quote(near.card)}) · {as_words(near.title)} · {likeness(near)}" for near in found)
        st.warning(f"{'A card asks' if len(found) == 1 else f'{len(found)} cards ask'} nearly the same:\n\n{listed}", icon=":material/content_copy:")


def likeness(near: Near) -> str:
    words = f"{near.shared:.0%} of the words"
    return f"{words}, likeness of meaning {near.cosine:.2f}" if near.cosine is not None else words
