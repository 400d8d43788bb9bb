"""Computed questions on a lab's page, graded on the spot, and experiments kept as cards."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from backend import store
from backend.predictions import is_kept, keep_as_card
from backend.questions import Form, Mark, Option, Question, mark
from screens.labs import Experiment, Lab
from screens.parts import desk
from screens.parts.card_face import back, front

TYPED = (Form.NUMBER, Form.TERM)


def draw_quiz(lab: Lab, *, show: Callable[[Mapping[str, Any]], None]) -> None:
    """One question after another, each with fresh numbers; `show` puts its settings on the controls."""
    if not lab.questions:
        st.caption("This lab has no computed questions.")
        return
    state = st.session_state.setdefault(f"quiz:{lab.slug}", {"number": 0, "seed": random.SystemRandom().randrange(10**6), "mark": None})
    makers = list(lab.questions)
    maker = makers[state["number"] % len(makers)]
    question = lab.questions[maker](random.Random(state["seed"] + state["number"]))
    key = f"quiz-{lab.slug}-{state['number']}"
    st.markdown(question.prompt)
    _answer(question, key, state)
    if state["mark"] is not None:
        _feedback(question, state["mark"])

    def advance() -> None:
        state.update(number=state["number"] + 1, mark=None)

    with st.container(horizontal=True):
        if state["mark"] is None:
            st.button("Answer", key=f"{key}-go", type="primary", on_click=lambda: state.update(mark=_mark(question, st.session_state.get(key))))
        st.button("Next question", key=f"{key}-next", icon=":material/arrow_forward:", on_click=advance)
        if state["mark"] is not None:
            st.button("See it in the lab", key=f"{key}-show", icon=":material/science:", type="tertiary", on_click=lambda: show(question.settings))


def _answer(question: Question, key: str, state: Mapping[str, Any]) -> None:
    done = state["mark"] is not None
    if question.form is Form.CHOICE:
        texts = [option.text for option in question.options]
        st.radio("Your answer", range(len(texts)), format_func=texts.__getitem__, index=None, key=key, disabled=done, on_change="ignore")
    elif question.form in TYPED:
        unit = question.quantity.unit if question.quantity else ""
        st.text_input(f"Your answer{f', in {unit}' if unit else ''}", key=key, max_chars=80, disabled=done, on_change="ignore")
    else:
        st.markdown(front(question))


def _mark(question: Question, response: Any) -> Mark:
    return mark(question, response) if question.form is Form.CHOICE or question.form in TYPED else Mark(0.0, None, "Compare with the answer below.")


def _feedback(question: Question, marked: Mark) -> None:
    chosen = marked.detail.get("chosen")
    option: Option | None = question.options[chosen] if isinstance(chosen, int) else None
    said = f"**{marked.said}** {option.why if option else ''}"
    (st.success if marked.right else st.warning)(said, icon=":material/check:" if marked.right else ":material/close:")
    if question.form not in (Form.CHOICE, *TYPED):
        st.markdown(back(question))
        return
    right = next((option.text for option in question.options if option.right), "")
    lines = [f"The answer is **{right}**." if right and not marked.right else "", question.answer, *(f"- {line}" for line in question.working)]
    st.markdown("\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]))


# --- an experiment as a card ------------------------------------------------------------------------------------------


def card_id(lab: Lab, number: int) -> str:
    return f"try-{lab.slug}-{number + 1}-{desk.learner()}"


def kept_experiment(lab: Lab, number: int) -> bool:
    with store.reading(desk.engine()) as session:
        return is_kept(session, card=card_id(lab, number))


def keep_experiment(lab: Lab, experiment: Experiment, number: int) -> None:
    with store.writing(desk.engine()) as session:
        keep_as_card(
            session, learner=desk.learner(), card=card_id(lab, number), topic=lab.entry.topic, question=as_question(experiment), at=store.now()
        )


def as_question(experiment: Experiment) -> Question:
    """With four options a choice, as notes have them; with fewer the same in prose, since a card must stand without its lab."""
    if len(experiment.options) == 4:
        tempting = experiment.tempting or {}
        options = tuple(
            Option(text, right=index == experiment.right, why=experiment.why if index == experiment.right else tempting.get(index, ""))
            for index, text in enumerate(experiment.options)
        )
        return Question(form=Form.CHOICE, prompt=experiment.ask, options=options)
    right = experiment.options[experiment.right].rstrip(".")
    return Question(form=Form.PROSE, prompt=experiment.ask, answer=f"{right}. {experiment.why}")
