"""A screen that is still to be built says so, and what it will hold."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st


def coming(title: str, sentence: str, holds: Sequence[str]) -> None:
    st.title(title, anchor=False)
    with st.container(key="column"):
        st.info(f"This screen is not built yet. {sentence}", icon=":material/construction:")
        st.markdown("It will hold:\n\n" + "\n".join(f"- {item}" for item in holds))
        st.page_link("screens/read.py", label="Read the notes meanwhile", icon=":material/menu_book:")
