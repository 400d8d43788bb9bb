"""Labs: a mechanism runs, and one may turn every knob.

Who sits here: someone who has read a note and wants to see it happen, or a teacher who wants a picture for a class. In the
first ten seconds they want a live picture and one thing to try. The best explainers (Transformer Explainer, TensorFlow
Playground) give a real computation, linked highlights and settings in the address; they lack a prediction before the
picture, a stated agreement with a reference, and words for those who do not see it.

Addresses: /labs, /labs?lab=slug&control=value, /labs?lab=slug&try=2.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend import store
from backend.predictions import experiments_tried
from backend.topics import list_topics
from screens.labs import Entry, LabError, catalogue
from screens.parts import desk
from screens.parts.lab_gallery import lab_gallery
from screens.parts.lab_view import draw_lab, recorded_badge

HERE = Path(__file__).parent


def page() -> None:
    try:
        labs = in_order(catalogue())
    except LabError as error:
        st.title("Labs", anchor=False)
        st.error(f"A lab file is broken, and so nothing is shown rather than one lab too few. {error}", icon=":material/error:")
        return
    slug = st.query_params.get("lab", "")
    if slug in labs:
        lab_page(labs[slug], labs)
    else:
        gallery(labs, missing=slug)


def in_order(labs: dict[str, Entry]) -> dict[str, Entry]:
    """The labs in the order of the tracks; what belongs to no track comes last."""
    order = [track.slug for track in desk.tracks()]
    return dict(sorted(labs.items(), key=lambda item: order.index(item[1].track) if item[1].track in order else len(order)))


def gallery(labs: dict[str, Entry], *, missing: str = "") -> None:
    st.title("Labs", anchor=False)
    if missing:
        st.warning(f"There is no lab “{missing[:80]}”. These are the ones there are.")
    with store.reading(desk.engine()) as session:
        tried = experiments_tried(session, learner=desk.learner())
    tracks = {entry.track: desk.track_title(entry.track) for entry in labs.values()}
    lab_gallery(
        list(labs.values()),
        tracks=tracks,
        tried=tried,
        on_open=lambda chosen: st.query_params.from_dict({"lab": chosen}) if chosen in labs else None,
    )


def lab_page(entry: Entry, labs: dict[str, Entry]) -> None:
    st.html(HERE / "parts" / "labs.css")
    st.markdown(f"[Labs](/labs) · {desk.track_title(entry.track)}")
    st.title(entry.title, anchor=False)
    if badge := recorded_badge(entry.slug):
        st.markdown(badge, help=f"Reference: {entry.reference}. The tab “Checked against” runs the comparison now.")
    opening, _, rest = entry.lesson.partition("\n\n")
    with st.container(key="lesson"):
        st.markdown(opening)
        if rest:
            with st.expander("The rest of the lesson", key=f"lesson-{entry.slug}"):
                st.markdown(rest)
    draw_lab(entry.slug)
    _around(entry, labs)


def _around(entry: Entry, labs: dict[str, Entry]) -> None:
    """The note this belongs to, and the labs before and after it."""
    with store.reading(desk.engine()) as session:
        titles = {line.slug: line.title for line in list_topics(session, learner=desk.learner())}
    slugs = list(labs)
    at = slugs.index(entry.slug)
    st.divider()
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        if at > 0:
            before = labs[slugs[at - 1]]
            st.page_link("screens/lab_bench.py", label=before.title, icon=":material/arrow_back:", query_params={"lab": before.slug})
        if entry.topic in titles:
            st.page_link("screens/read.py", label=f"Read: {titles[entry.topic]}", icon=":material/menu_book:", query_params={"topic": entry.topic})
        if at + 1 < len(slugs):
            after = labs[slugs[at + 1]]
            st.page_link("screens/lab_bench.py", label=after.title, icon=":material/arrow_forward:", query_params={"lab": after.slug})


page()
