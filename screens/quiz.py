"""Quiz: a short, deliberate test, graded exactly, that explains itself.

Who sits here: a learner before an interview or after a chapter, who wants to know what they really know. In the first ten
seconds they want one button and a fair first question. Kahoot and Moodle give points; here every number is computed
afresh, a wrong option names the thought behind it, and the end says how well one's confidence was placed.

An address: /quiz?scope=track:attention&n=10&seed=7&mode=exam&minutes=15 is one quiz, the same for everyone who opens it;
/quiz?attempt=12 is one that was begun or sat. The ring of questions is drawn by Streamlit and conducted by a component
(screens/parts/examiner.py). Every answer is written once, in the callback that brings it; an exam ships no answers.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from backend import adaptive, attempts, diagnostic, store
from backend.attempts import Sheet, Sitting
from backend.key_points import seems_missing
from backend.nearness import Nearness, nearness_stamp, read_nearness
from backend.questions import Form, Question
from backend.quiz import ASKABLE, COMPUTED, FEWEST, LEVELS, MOST, Drawn, Setup, Stock, draw, pose, read_stock
from backend.quiz_address import LARGEST_SEED, SECONDS_A_QUESTION, quiz_parameters, read_address
from screens.parts import desk
from screens.parts.attached import draw_front_pictures
from screens.parts.card_face import choices, laid_out, lefts, prompt
from screens.parts.computed import computed_question, ready, warm
from screens.parts.copy_link import copy_link
from screens.parts.examiner import Given, Judged, examine, read_outbox, sent
from screens.parts.harmless_text import as_words
from screens.parts.quiz_after import after_page, history
from screens.parts.quiz_faces import draw_back

RING = 6  # questions in the browser at once: the next ones are there before they are wanted
DAY_MS, WEEK = 86_400_000, 7
FORM_NAMES = {
    "choice": "choose one of four", "number": "numbers", "term": "short terms", "gap": "gaps", "order": "bring into order", "match": "match",
    "prose": "in your own words", "computed": "computed by a lab", "error": "spot the error",
    "glossary": "terms and what they mean",
}  # fmt: skip
MODE_NAMES = {
    "practice": "Practice: told after each question", "exam": "Exam: told at the end", "diagnostic": "Diagnostic: 20 questions that place you",
}  # fmt: skip


@dataclass
class Seat:
    """An attempt as this browser tab holds it: plain values, no rows."""

    attempt: int
    passed: set[int] = field(default_factory=set)  # feedback read
    later: list[int] = field(default_factory=list)  # put off, in that order
    verdicts: dict[int, dict[str, Any]] = field(default_factory=dict)
    notice: str = ""


def seat_of(sitting: Sitting) -> Seat:
    seat = st.session_state.get("quiz-seat")
    if seat is None or seat.attempt != sitting.id:
        passed = {sheet.number for sheet in sitting.sheets if sheet.answered and sheet.score is not None}
        seat = st.session_state["quiz-seat"] = Seat(sitting.id, passed)
    return seat


# --- building ---------------------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=2, show_spinner=False)
def _nearness(_engine: object, address: str, stamp: tuple[int, ...]) -> Nearness:
    with store.reading(desk.engine()) as session:
        return read_nearness(session)


def nearness() -> Nearness:
    with store.reading(desk.engine()) as session:
        stamp = nearness_stamp(session)
    return _nearness(desk.engine(), str(desk.engine().url), stamp)


def stock_for(scope: str) -> Stock:
    kind, _, written = scope.partition(":")
    days = int(written) if written.isascii() and written.isdecimal() and len(written) < 5 else WEEK
    since = store.now() - days * DAY_MS if kind == "missed" else None
    with store.reading(desk.engine()) as session:
        return read_stock(session, learner=desk.learner(), missed_since=since)


def follows_its_learner(setup: Setup) -> bool:
    return setup.adaptive or setup.mode == "diagnostic"


def begin(setup: Setup) -> None:
    """Draw the quiz and keep it: from now on it is an attempt with an address."""
    stock, near = stock_for(setup.scope), nearness()
    first = first_two(stock, setup) if follows_its_learner(setup) else draw(stock, setup, near)
    with store.writing(desk.engine()) as session:
        posed = pose(session, first, learner=desk.learner(), stock=stock, near=near)
        attempt = attempts.begin_attempt(session, learner=desk.learner(), setup=setup, posed=posed, at=store.now())
    warm({each.card.partition(".")[0] for each in posed if each.question is None})
    st.session_state.pop("quiz-seat", None)
    st.query_params.from_dict({"attempt": str(attempt)})


def first_two(stock: Stock, setup: Setup) -> list[Drawn]:
    """A quiz that follows its learner is always one question ahead, so that the next is there at once."""
    found: list[Drawn] = []
    for _ in range(2):
        if drawn := next_of(stock, setup, [], [(each.item.id, each.item.topic) for each in found]):
            found.append(drawn)
    return found


def next_of(stock: Stock, setup: Setup, answered: Sequence[tuple[str, str, float]], asked: Sequence[tuple[str, str]]) -> Drawn | None:
    return (diagnostic if setup.mode == "diagnostic" else adaptive).next_drawn(stock, setup, answered, asked)


def grow(sitting: Sitting) -> Sitting:
    """One more question for a quiz that follows its learner, while there are to be more."""
    sheets, setup = sitting.sheets, sitting.setup
    if len(sheets) >= setup.count or len(sheets) - sum(sheet.answered for sheet in sheets) >= 2:
        return sitting
    stock = stock_for(setup.scope)
    answered = [(sheet.card, sheet.topic, sheet.score) for sheet in sheets if sheet.score is not None]
    drawn = next_of(stock, setup, answered, [(sheet.card, sheet.topic) for sheet in sheets])
    if drawn is None:
        return sitting
    with store.writing(desk.engine()) as session:
        held = attempts.read_sitting(session, learner=desk.learner(), attempt=sitting.id)
        if held is not None and len(held.sheets) == len(sheets):  # another tab may have been quicker
            posed = pose(session, [drawn], learner=desk.learner(), stock=stock, near=nearness())
            attempts.add_questions(session, attempt=sitting.id, posed=posed, first=len(sheets))
        return attempts.read_sitting(session, learner=desk.learner(), attempt=sitting.id) or sitting


# --- the table --------------------------------------------------------------------------------------------------------------


def ring_of(sitting: Sitting, seat: Seat) -> list[Sheet]:
    """The next questions in order, those put off last. What a lab has not computed yet comes when it is ready."""
    told_at_once = sitting.mode == "practice"
    open_sheets = [sheet for sheet in sitting.sheets if (sheet.number not in seat.passed if told_at_once else not sheet.answered)]
    open_sheets.sort(key=lambda sheet: (seat.later.index(sheet.number) + 1 if sheet.number in seat.later else 0, sheet.number))
    ring: list[Sheet] = []
    waiting: list[Sheet] = []
    for sheet in open_sheets:
        if len(ring) == RING:
            break
        if sheet.question is None and not ready(lab_of(sheet)):
            waiting.append(sheet)
        else:
            ring.append(computed(sitting, sheet))
    warm({lab_of(sheet) for sheet in waiting})
    return ring or [computed(sitting, sheet) for sheet in waiting[:1]]


def lab_of(sheet: Sheet) -> str:
    return sheet.card.partition(".")[0] if sheet.kind == COMPUTED else ""


def computed(sitting: Sitting, sheet: Sheet) -> Sheet:
    """The sheet with its question: a computed one is made now and kept."""
    if sheet.question is not None:
        return sheet
    lab, _, maker = sheet.card.partition(".")
    question = computed_question(lab, maker, sheet.seed)
    with store.writing(desk.engine()) as session:
        attempts.keep_computed(session, attempt=sitting.id, number=sheet.number, question=question)
    return replace(sheet, question=question, form=question.form.value)


def draw_sheet(sheet: Sheet, *, tell: bool, titles: dict[str, str]) -> None:
    question = sheet.question
    assert question is not None
    with st.container(key=f"slot-{sheet.number}"):
        st.caption(as_words(titles.get(sheet.topic, sheet.topic)) if tell else f"Question {sheet.number + 1}")
        st.markdown(prompt(question))
        if listed := lefts(question):
            st.markdown(listed)
        if picked := choices(question):
            with st.container(key=f"options-{sheet.number}"):
                st.markdown("\n".join(f"{number}. {text}" for number, text in enumerate(picked, 1)))
        draw_front_pictures(question)
        if tell:
            with st.container(key=f"back-{sheet.number}", border=False):
                draw_back(sheet, question, key=str(sheet.number))


def ring_entry(sheet: Sheet, *, tell: bool) -> dict[str, Any]:
    """What the component needs to know of a question; which option is right only where it is told at once."""
    question = sheet.question
    assert question is not None
    entry: dict[str, Any] = {
        "n": sheet.number, "form": question.form.value, "options": len(question.options), "steps": len(question.steps or question.pairs),
        "unit": question.quantity.unit if question.quantity else "", "answered": sheet.answered,
    }  # fmt: skip
    if tell:
        entry["right"] = next((index for index, option in enumerate(question.options) if option.right), -1)
        entry["given"] = sheet.given if sheet.answered else None
    return entry


@st.fragment
def table() -> None:
    sitting = read_attempt(st.query_params.get("attempt", ""))
    if sitting is None or sitting.finished_at is not None:
        st.rerun()
    seat = seat_of(sitting)
    if follows_its_learner(sitting.setup):
        sitting = grow(sitting)
    tell = sitting.mode == "practice"
    ring = ring_of(sitting, seat)
    titles = topic_titles()
    with st.container(key="ring", gap=None):
        for sheet in sorted(ring, key=lambda sheet: sheet.number % RING):
            draw_sheet(sheet, tell=tell, titles=titles)
    with st.container(key="dock"):
        examine(table_data(sitting, seat, ring, tell=tell), on_sent=take)


def table_data(sitting: Sitting, seat: Seat, ring: list[Sheet], *, tell: bool) -> dict[str, Any]:
    return {
        "token": f"{desk.learner()}-{sitting.id}-{sitting.started_at}", "mode": sitting.mode,
        "total": max(sitting.setup.count if follows_its_learner(sitting.setup) else 0, len(sitting.sheets)),
        "taken": [sheet.number for sheet in sitting.sheets if sheet.answered],
        "judged": [sheet.number for sheet in sitting.sheets if sheet.score is not None],
        "ring": [ring_entry(sheet, tell=tell) for sheet in ring],
        "verdicts": {str(number): verdict for number, verdict in seat.verdicts.items()} if tell else {},
        "endsAt": sitting.ends_at, "confidence": True, "notice": seat.notice, "over": sitting.finished_at is not None,
    }  # fmt: skip


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def _titles(learner: int) -> dict[str, str]:
    from backend.topics import list_topics

    with store.reading(desk.engine()) as session:
        return {topic.slug: topic.title for topic in list_topics(session, learner=learner)}


def topic_titles() -> dict[str, str]:
    return _titles(desk.learner())


# --- what comes back ----------------------------------------------------------------------------------------------------------


def take() -> None:
    """The component's message: keep every answer that is new, then do what was asked."""
    message = sent()
    sitting = read_attempt(st.query_params.get("attempt", ""))
    if sitting is None or message.get("token") != f"{desk.learner()}-{sitting.id}-{sitting.started_at}":
        return
    seat = seat_of(sitting)
    seat.notice = desk.daily_backup()
    try:
        for entry in read_outbox(message.get("outbox")):
            record(sitting, seat, entry)
        perform(sitting, seat, message.get("act"))
    except (DBAPIError, OSError, store.StoreError) as problem:
        seat.notice = f"This answer could not be saved yet; it waits in this browser: {desk.plain_reason(problem)}"


def record(sitting: Sitting, seat: Seat, entry: Given | Judged) -> None:
    """One answer or judgement, in a transaction of its own."""
    sheet = next((sheet for sheet in sitting.sheets if sheet.number == entry.number), None)
    if sheet is None or sheet.question is None:
        return
    with store.writing(desk.engine()) as session:
        if isinstance(entry, Judged):
            attempts.judge_answer(session, learner=desk.learner(), attempt=sitting.id, number=entry.number, score=entry.score, at=store.now())
            return
        response = as_held(sheet.question, entry.response)
        taken = attempts.take_answer(
            session, learner=desk.learner(), attempt=sitting.id, number=entry.number, response=response, at=store.now(), given_at=entry.at,
            confidence=entry.confidence, duration=entry.milliseconds,
        )  # fmt: skip
    if taken.status == "late":
        seat.notice = "That answer came after the time was up and does not count."
    elif taken.mark is not None:
        seat.verdicts[entry.number] = verdict_on(sheet.question, taken.mark.right, taken.mark.said, response)


def as_held(question: Question, response: Any) -> Any:
    """Places on the table as the question counts its steps and pairs; an answer of the wrong kind is none."""
    if question.form in (Form.ORDER, Form.MATCH):
        lying = laid_out(question)
        return [lying[index] for index in response if 0 <= index < len(lying)] if isinstance(response, list) else None
    if question.form is Form.CHOICE:
        return response if isinstance(response, int) and response < len(question.options) else None
    return response if isinstance(response, str) else None


def verdict_on(question: Question, right: bool | None, said: str, response: Any) -> dict[str, Any]:
    """What stands under the answer. Of prose only what it does not seem to say: the verdict is the learner's."""
    if right is not None or question.form is not Form.PROSE or not question.points or not (isinstance(response, str) and response.strip()):
        return {"right": right, "said": said}
    missing = seems_missing(question.points, response)
    told = f"Your text does not seem to mention: {'; '.join(missing)}." if missing else "Your text seems to touch every key point."
    return {"right": None, "said": f"{told} Compare, and judge yourself."}


def perform(sitting: Sitting, seat: Seat, asked: Any) -> None:
    kind, number = (asked.get("kind"), asked.get("n")) if isinstance(asked, dict) else (None, None)
    if kind == "pass" and isinstance(number, int):
        seat.passed.add(number)
        seat.verdicts.pop(number, None)
    elif kind == "later" and isinstance(number, int):
        seat.later = [*[n for n in seat.later if n != number][-MOST:], number]
    elif kind == "finish":
        with store.writing(desk.engine()) as session:
            attempts.finish_attempt(session, learner=desk.learner(), attempt=sitting.id, at=store.now())


def read_attempt(written: str) -> Sitting | None:
    if not (written.isascii() and written.isdecimal() and len(written) < 19):
        return None
    with store.reading(desk.engine()) as session:
        return attempts.read_sitting(session, learner=desk.learner(), attempt=int(written))


# --- setting up -----------------------------------------------------------------------------------------------------------------


def scope_names() -> dict[str, str]:
    """What a list can offer: everything, the tracks, what was missed, then every topic alone and with all it rests on."""
    titles = topic_titles()
    names = {"all": "Everything", "missed:7": "What I missed in the last 7 days"}
    names |= {f"track:{track.slug}": f"Track: {track.title}" for track in desk.tracks()}
    names |= {f"topic:{slug}": f"Topic: {title}" for slug, title in titles.items()}
    return names | {f"needs:{slug}": f"{title}, with all it rests on" for slug, title in titles.items()}


def first_seed() -> int:
    """A fresh quiz for a fresh page; it stays while its set-up is changed."""
    return st.session_state.setdefault("quiz-fresh-seed", secrets.randbelow(LARGEST_SEED))


def set_up_page() -> None:
    given = {name: st.query_params.get(name, "") for name in ("scope", "n", "minutes", "forms", "level", "mode", "adaptive", "seed") if name in st.query_params}
    stock = stock_for(given.get("scope", "all").strip().casefold())
    understood = read_address(given, stock, fresh_seed=first_seed())
    setup = understood.setup
    names = scope_names()
    with st.container(key="column"):
        st.title("Quiz", anchor=False)
        for notice in understood.notices:
            st.info(notice, icon=":material/info:")
        st.markdown(described(setup, names))
        st.button("Start", type="primary", key="start-quiz", width="stretch", on_click=begin, args=(setup,), disabled=not stock.items)
        if given:
            copy_link(quiz_parameters(setup), key="share-quiz")
        with st.expander("Change what is asked", expanded=False):
            choose(setup, names)
        history()


def described(setup: Setup, names: dict[str, str]) -> str:
    if setup.mode == "diagnostic":
        return "**Diagnostic**: 20 questions go where they tell most, over all topics and what they rest on. Then: what you can skip, where to start, and a plan by day."
    scope = names.get(setup.scope, f"What I missed in the last {setup.scope.partition(':')[2]} days" if setup.scope.startswith("missed:") else setup.scope)
    time = f"{setup.minutes} minutes" if setup.mode == "exam" and setup.minutes else f"about {max(round(setup.count * SECONDS_A_QUESTION / 60), 1)} minutes"
    parts = [f"**{scope}**", f"{setup.count} questions", time, "exam" if setup.mode == "exam" else "practice, told after each"]
    if setup.adaptive:
        parts.append("adaptive")
    if setup.level:
        parts.append(f"only “{LEVELS[setup.level]}”")
    if setup.forms:
        parts.append("only " + ", ".join(FORM_NAMES[form] for form in setup.forms))
    return " · ".join(parts)


def choose(setup: Setup, names: dict[str, str]) -> None:
    """The set-up as a form; what it says becomes the address."""
    scopes = list(names) if setup.scope in names else [setup.scope, *names]
    with st.form("quiz-setup", border=False):
        st.selectbox("What about", scopes, index=scopes.index(setup.scope), format_func=lambda scope: names.get(scope, scope), key="quiz-scope")
        left, right = st.columns(2)
        left.number_input("Questions", FEWEST, MOST, min(max(setup.count, FEWEST), MOST), key="quiz-count")
        right.number_input("Minutes, for an exam (0: no limit)", 0, 240, setup.minutes, key="quiz-minutes")
        st.radio("Mode", list(MODE_NAMES), index=list(MODE_NAMES).index(setup.mode), format_func=MODE_NAMES.__getitem__, key="quiz-mode")
        st.multiselect("Forms (none chosen: all)", ASKABLE, list(setup.forms), format_func=FORM_NAMES.__getitem__, key="quiz-forms")
        left, right = st.columns(2)
        left.selectbox("Difficulty", [0, *LEVELS], index=setup.level, format_func=lambda level: LEVELS.get(level, "every level").capitalize(), key="quiz-level")
        right.checkbox("Adaptive: harder after right answers (practice)", setup.adaptive, key="quiz-adaptive")
        st.form_submit_button("Use this set-up", on_click=adopt)


def adopt() -> None:
    state = st.session_state
    chosen = Setup(
        scope=state["quiz-scope"], count=int(state["quiz-count"]), minutes=int(state["quiz-minutes"]), forms=tuple(state["quiz-forms"]),
        level=int(state["quiz-level"]), mode=state["quiz-mode"], adaptive=bool(state["quiz-adaptive"]), seed=first_seed(),
    )  # fmt: skip
    st.query_params.from_dict(quiz_parameters(chosen))


def main() -> None:
    written = st.query_params.get("attempt")
    sitting = read_attempt(written) if written is not None else None
    if sitting is None:
        if written is not None:
            st.warning("There is no such attempt of yours; here is a new quiz.")
        set_up_page()
    elif sitting.finished_at is None:
        table()
    else:
        after_page(sitting, titles=topic_titles())


main()
