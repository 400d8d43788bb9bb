"""Fit the memory model to the learner's own log: offered only when it predicts the newest reviews better, and undoable."""

from __future__ import annotations

import streamlit as st

from backend import review, store
from backend.replan import Plan, StalePlan, apply_plan, plan_parameters
from backend.replay import read_grades
from backend.settings import read_settings
from screens.parts import desk


def offer_fit() -> None:
    st.markdown("How fast you forget is described by 21 numbers. They can be fitted to your own reviews; the newest fifth of them judges the result.")
    st.button("Fit to my reviews", on_click=fit_now, key="fit")
    for line in st.session_state.get("fit-says", ()):
        st.markdown(line)
    plan: Plan | None = st.session_state.get("fit-plan")
    if plan:
        st.button("Use these and move the cards", on_click=use_plan, args=(plan,), key="fit-use", type="primary")
        st.button("Leave it", on_click=forget_plan, key="fit-leave")
    if st.session_state.get("fit-undo"):
        st.button("Take it back", on_click=undo_fit, key="fit-undo-button")


def fit_now() -> None:
    from models.forgetting import fit  # brings torch: only here, only when asked

    with store.reading(desk.engine()) as session:
        card, day, grade = read_grades(session, learner=desk.learner())
        present = read_settings(session, learner=desk.learner()).parameters
    found = fit(card, day, grade, start=present)
    desk.settle()
    says = [found.says]
    st.session_state.pop("fit-plan", None)
    if found.helps:
        with store.reading(desk.engine()) as session:
            plan = plan_parameters(session, learner=desk.learner(), at=store.now(), parameters=found.parameters)
        says.append(plan.says)
        st.session_state["fit-plan"] = plan
    st.session_state["fit-says"] = says


def use_plan(plan: Plan) -> None:
    try:
        with store.writing(desk.engine()) as session:
            moved = apply_plan(session, learner=desk.learner(), plan=plan, at=store.now())
        st.session_state["fit-says"] = [f"Done: {moved} cards have new days. It can be taken back here or with u in Review."]
        st.session_state["fit-undo"] = True
    except StalePlan as problem:
        st.session_state["fit-says"] = [str(problem)]
    st.session_state.pop("fit-plan", None)


def forget_plan() -> None:
    for name in ("fit-plan", "fit-says"):
        st.session_state.pop(name, None)


def undo_fit() -> None:
    with store.writing(desk.engine()) as session:
        undone = review.undo(session, learner=desk.learner(), at=store.now())
    st.session_state["fit-says"] = [f"Took back: {undone.kind}, {len(undone.cards)} cards." if undone else "There is nothing to undo."]
    st.session_state.pop("fit-undo", None)
