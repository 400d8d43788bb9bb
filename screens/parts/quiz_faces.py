"""What follows an answer: the key, why, the reason behind each option, the working, and where to go on."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import streamlit as st

from backend.attempts import JUDGED, Sheet
from backend.questions import Form, Question
from screens.parts.attached import draw_back_pictures
from screens.parts.card_face import choices
from screens.parts.card_face import key as key_of
from screens.parts.harmless_text import without_remote_pictures

INSIDE = "drawn"  # what a maker drew its numbers from stands among its settings, and is no control of the lab


def draw_back(sheet: Sheet, question: Question, *, key: str) -> None:
    st.markdown(explanation(question))
    draw_back_pictures(question)
    if told := reasons(question):
        with st.container(key=f"reasons-{key}"):
            st.markdown(told)
    if question.form is Form.PROSE and question.points:
        st.markdown("A complete answer names:\n\n" + "\n".join(f"- {point}" for point in question.points))
    if question.working:
        st.markdown("\n\n".join(question.working))
    st.markdown(" · ".join(ways_on(sheet, question)))


def explanation(question: Question) -> str:
    return without_remote_pictures("\n\n".join(part for part in (key_of(question), question.answer) if part))


def reasons(question: Question) -> str:
    """One line for each option, so that the one taken can be pointed at: its mistake by name, and what it would imply."""
    if not any(option.why or option.mistake for option in question.options):
        return ""
    lines = []
    for number, option in enumerate(question.options, 1):
        name = f"*{option.mistake.replace('-', ' ')}*: " if option.mistake else ""
        lines.append(f"- {'✓' if option.right else '✗'} **{number}.** {name}{option.why or option.text}")
    return without_remote_pictures("\n".join(lines))


def ways_on(sheet: Sheet, question: Question) -> list[str]:
    """The passage in the note, the lab with these numbers, and the question put to Ask."""
    section = f"&section={quote(sheet.section)}" if sheet.section else ""
    links = [f"[In the note](/read?topic={quote(sheet.topic)}{section})"]
    lab = question.lab or (sheet.card.partition(".")[0] if sheet.kind == "computed" else "")
    if lab:
        settings = {name: str(value) for name, value in question.settings.items() if name != INSIDE}
        links.append(f"[Open the lab with these numbers](/labs?{urlencode({'lab': lab, **settings})})")
    asked = " ".join(question.prompt.split())[:300]
    links.append(f"[Ask about this](/ask?q={quote(asked, safe='')})")
    return links


def shown_answer(sheet: Sheet, question: Question) -> str:
    """What was answered, as a person reads it."""
    given = sheet.given
    if not sheet.answered:
        return "not answered"
    if question.form is Form.CHOICE:
        return f"{given + 1}. {without_remote_pictures(question.options[given].text)}" if isinstance(given, int) and given < len(question.options) else "no option"
    if question.form is Form.ORDER:
        return " → ".join(question.steps[index] for index in given or []) or "nothing"
    if question.form is Form.MATCH:
        return "; ".join(f"{question.pairs[row][0]}: {question.pairs[index][1]}" for row, index in enumerate(given or [])) or "nothing"
    return str(given).strip()[:2000] or "nothing"


def listed_choices(question: Question) -> str:
    """What could be chosen, in the order in which it lay there."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(choices(question), 1))


def score_word(score: float | None, answered: bool) -> str:
    if score is None:
        return "to be judged" if answered else "not answered"
    return "right" if score >= 1 else "wrong" if score <= 0 else JUDGED.get(score, f"{score:.0%}").lower()
