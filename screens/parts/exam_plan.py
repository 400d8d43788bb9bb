"""Bring chosen tracks to the wanted retention by an exam's date: the plan is shown before it is applied."""

from __future__ import annotations

from datetime import date, timedelta

import streamlit as st

from backend import store
from backend.replan import Plan, StalePlan, apply_plan, days_of, plan_exam
from screens.parts import desk

EPOCH = date(1970, 1, 1)  # study day 0


def offer_exam_plan() -> None:
    st.markdown("Name a day and what it is about: cards that would have faded by then get one more review before it.")
    slugs = [track.slug for track in desk.tracks()]
    with st.form("exam"):
        tracks = st.multiselect("Tracks", slugs, format_func=desk.track_title, key="exam-tracks", placeholder="All tracks")
        day = st.date_input("The day", date.today() + timedelta(days=30), min_value=date.today() + timedelta(days=1), key="exam-day")
        wanted = st.slider("Chance of recall wanted on that day", 70, 99, 90, format="%d%%", key="exam-retention")
        made = st.form_submit_button("Show the plan")
    if made and isinstance(day, date):
        with store.reading(desk.engine()) as session:
            plan = plan_exam(session, learner=desk.learner(), at=store.now(), tracks=tracks or slugs, day=(day - EPOCH).days, retention=wanted / 100)
        st.session_state["exam-plan"] = plan
        st.session_state.pop("exam-says", None)
    if shown := st.session_state.get("exam-plan"):
        show(shown)
    if says := st.session_state.get("exam-says"):
        st.markdown(says)


def show(plan: Plan) -> None:
    st.markdown(plan.says)
    rows = [(EPOCH + timedelta(days=day), count) for day, count in days_of(plan).items() if count][:60]
    with st.expander("Reviews by day, as planned"):
        st.markdown("| day | reviews |\n|---|--:|\n" + "\n".join(f"| {day:%a %d %b} | {count} |" for day, count in rows))

    def use() -> None:
        try:
            with store.writing(desk.engine()) as session:
                moved = apply_plan(session, learner=desk.learner(), plan=plan, at=store.now())
            st.session_state["exam-says"] = f"Done: {moved} cards have new days. `u` in Review takes it back."
        except StalePlan as problem:
            st.session_state["exam-says"] = str(problem)
        st.session_state.pop("exam-plan", None)

    st.button("Use this plan", on_click=use, key="exam-use", type="primary", disabled=not plan.moves)
    st.button("Drop it", on_click=lambda: st.session_state.pop("exam-plan", None), key="exam-drop")
