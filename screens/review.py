"""Review: the day's cards, by keyboard, until they are done.

Who sits here: the learner, every day, with ten minutes. In the first ten seconds they want the first card, no questions
asked. Anki gives that, with one key a grade; we add the note and the lab behind each card, and numbers that are never the
same twice.

The cards on the table are a ring that Streamlit draws and a browser component conducts (screens/parts/conductor.py): the
next card is there before the grade has reached the server. State is ids and numbers only; whatever is graded is written in
the callback, one transaction a grade.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from sqlalchemy.exc import DBAPIError

from backend import review, stats, store
from backend.card_search import QueryError
from backend.deck import DeckCard, read_deck, report, reword
from backend.memory import Grade
from backend.questions import Form, Question, mark, shuffled
from backend.review import Round, Scope, Showing
from backend.settings import Settings, read_settings
from screens.parts import desk
from screens.parts.attached import draw_back_pictures, draw_front_pictures
from screens.parts.card_face import back, choices, laid_out, lefts, prompt
from screens.parts.computed import computed_question, ready, warm
from screens.parts.conductor import Grading, accepted, conduct, plain_response, sent
from screens.parts.harmless_text import as_words

RING = 8  # enough that a fast hand never waits: the ring is filled again with every grade that arrives

KINDS = {
    "due": "What is due",
    "ahead": "Study ahead",
    "missed": "Missed today",
    "flagged": "Flagged",
    "cram": "Cram, schedule untouched",
}


@dataclass
class Slot:
    """A card on the table: which grade it waits for, and how it is shown."""

    n: int
    showing: Showing
    question_seed: int


@dataclass
class Sitting:
    """One sitting as this browser tab holds it: plain values, no rows."""

    round: Round
    token: str  # names the numbering; a new one tells the component to forget what it has not sent
    seq: int = 0
    ring: list[Slot] = field(default_factory=list)
    first: list[str] = field(default_factory=list)  # cards to put on the table before all others: after an undo
    done: int = 0
    verdicts: dict[int, dict[str, Any]] = field(default_factory=dict)
    notice: str = ""
    editing: str = ""
    reporting: str = ""

    def renumber(self) -> None:
        """Begin a new numbering: the table is laid anew and an old outbox no longer counts."""
        self.token, self.seq, self.ring, self.verdicts = secrets.token_hex(6), 0, [], {}


def sitting() -> Sitting | None:
    return st.session_state.get("sitting")


def begin(scope: Scope) -> None:
    at = store.now()
    try:
        with store.writing(desk.engine()) as session:
            review.follow_content(session, learner=desk.learner(), at=at)
            planned = review.plan_round(session, learner=desk.learner(), at=at, scope=scope)
    except QueryError as wrong:
        st.session_state["review-problem"] = str(wrong)
        return
    st.session_state.pop("review-problem", None)
    st.session_state["sitting"] = Sitting(round=planned, token=secrets.token_hex(6))


def stop() -> None:
    st.session_state.pop("sitting", None)


# --- the table ----------------------------------------------------------------------------------------------------------


def fill(seat: Sitting, deck: dict[str, DeckCard]) -> None:
    """Put cards on the table until the ring is full. Computed cards wait until their lab is loaded, in the background."""
    missing = RING - len(seat.ring)
    if missing <= 0:
        return
    with store.reading(desk.engine()) as session:
        on_table = {slot.showing.card for slot in seat.ring}
        at = store.now()
        shown: list[Showing] = []
        while seat.first and len(shown) < missing:
            card = seat.first.pop(0)
            if card not in on_table:
                shown.append(review.showing_of(session, learner=desk.learner(), card=card, at=at))
                on_table.add(card)
        shown += review.next_showings(session, learner=desk.learner(), at=at, round=seat.round, skip=on_table, count=missing - len(shown))
        deck |= read_deck(session, learner=desk.learner(), cards=[s.card for s in shown])
    number = seat.seq + len(seat.ring)
    waiting = [s for s in shown if s.card in deck and deck[s.card].question is None and not ready(deck[s.card].lab)]
    warm({deck[s.card].lab for s in waiting})
    later = {s.card for s in waiting} if len(waiting) < len(shown) or seat.ring else set()
    for showing in shown:
        if showing.card in deck and showing.card not in later:
            seat.ring.append(Slot(number, showing, showing.seed))
            number += 1


def question_of(slot: Slot, card: DeckCard) -> Question:
    drawn = card.question if card.question else computed_question(card.lab, card.maker, slot.question_seed)
    return shuffled(drawn, slot.question_seed)


def draw_slot(slot: Slot, card: DeckCard, question: Question) -> None:
    with st.container(key=f"slot-{slot.n}"):
        flags = " · ⚑" if slot.showing.flag else ""
        hint = " · you were sure, and wrong, last time" if slot.showing.misconception else ""
        st.caption(f"{as_words(card.title)}{flags}{hint}")
        st.markdown(prompt(question))
        if listed := lefts(question):
            st.markdown(listed)
        if picked := choices(question):
            with st.container(key=f"options-{slot.n}"):
                st.markdown("\n".join(f"{number}. {text}" for number, text in enumerate(picked, 1)))
        draw_front_pictures(question)
        with st.container(key=f"back-{slot.n}", border=False):
            st.markdown(back(question))
            draw_back_pictures(question)


def ring_entry(slot: Slot, card: DeckCard, question: Question) -> dict[str, Any]:
    """What the component needs to know of a card."""
    settings = "".join(f"&{name}={value}" for name, value in question.settings.items())
    lab = question.lab or card.lab
    return {
        "n": slot.n,
        "card": slot.showing.card,
        "form": question.form.value,
        "options": len(question.options),
        "right": next((index for index, option in enumerate(question.options) if option.right), -1),
        "steps": len(question.steps or question.pairs),
        "labels": [slot.showing.intervals[grade].label for grade in Grade] if slot.showing.counts else ["", "", "", ""],
        "flag": slot.showing.flag,
        "lab": f"/labs?lab={lab}{settings}" if lab else "",
        "note": f"/read?topic={card.topic}" + (f"&section={card.section}" if card.section else ""),
    }


@st.fragment
def table() -> None:
    seat = sitting()
    if seat is None:
        return
    deck: dict[str, DeckCard] = {}
    with store.reading(desk.engine()) as session:
        deck |= read_deck(session, learner=desk.learner(), cards=[slot.showing.card for slot in seat.ring])
        asked = read_settings(session, learner=desk.learner())
    fill(seat, deck)
    seat.ring = [slot for slot in seat.ring if slot.showing.card in deck]
    questions = {slot.n: question_of(slot, deck[slot.showing.card]) for slot in seat.ring}
    # drawn in slot order, so that one grade replaces one slot and the card on screen does not move in the page
    with st.container(key="ring", gap=None):
        for slot in sorted(seat.ring, key=lambda slot: slot.n % RING):
            draw_slot(slot, deck[slot.showing.card], questions[slot.n])
    over = not seat.ring
    with st.container(key="dock"):
        conduct(table_data(seat, deck, questions, asked), on_sent=take)
    if over:
        summary(seat)
    elif seat.editing or seat.reporting:
        edit_or_report(seat, deck)


def table_data(seat: Sitting, deck: dict[str, DeckCard], questions: dict[int, Question], asked: Settings) -> dict[str, Any]:
    """What the component is told: the ring, and where the numbering stands."""
    return {
        "token": seat.token, "seq": seat.seq, "verdicts": seat.verdicts, "notice": seat.notice, "over": not seat.ring, "done": seat.done,
        "ring": [ring_entry(slot, deck[slot.showing.card], questions[slot.n]) for slot in seat.ring],
        "total": max(seat.round.total, seat.done + len(seat.ring)),
        "confidence": asked.ask_confidence, "pace": desk.pace(),
    }  # fmt: skip


# --- what comes back ------------------------------------------------------------------------------------------------------


def take() -> None:
    """The component's message: grade what is next in line, then do what was asked."""
    seat, message = sitting(), sent()
    if seat is None or message.get("token") != seat.token:
        return
    seat.notice = ""
    ring = [(slot.n, slot.showing.card) for slot in seat.ring]
    for grading in accepted(message.get("outbox"), seq=seat.seq, ring=ring):
        if not record(seat, grading):
            return
    if isinstance(asked := message.get("act"), dict):
        perform(seat, asked)


def record(seat: Sitting, grading: Grading) -> bool:
    """Write one grade and take its card off the table. False when it could not be written: the card stays."""
    slot = seat.ring[0]
    shown = slot.showing
    seat.notice = desk.daily_backup()
    try:
        with store.writing(desk.engine()) as session:
            done = review.record_grade(
                session, learner=desk.learner(), card=shown.card, showing=shown.number, grade=Grade(grading.grade), at=store.now(),
                duration=grading.milliseconds, confidence=grading.confidence, seed=slot.question_seed, round=seat.round.id,
                promised=shown.intervals[Grade(grading.grade)].days, cram=not shown.counts,
            )  # fmt: skip
    except (DBAPIError, OSError, store.StoreError) as problem:
        seat.notice = f"This grade could not be saved, and the card stays: {desk.plain_reason(problem)}"
        return False
    seat.ring.pop(0)
    seat.seq += 1
    seat.done += 1
    seat.verdicts.pop(slot.n, None)
    if done.status == "stale":
        seat.notice = "A card had been graded elsewhere meanwhile; that grade stands, this one was dropped."
    elif done.leech:
        seat.notice = "This card keeps escaping you and was put aside as a leech. Its note and its lab may help more than another try."
    elif done.confident_miss:
        seat.notice = "You were sure of that one. It comes back soon: what one is sure of and gets wrong is worth most."
    return True


def perform(seat: Sitting, asked: dict[str, Any]) -> None:
    """Undo, bury, suspend, flag, edit, report or check: only for the card that is on top."""
    kind, number = asked.get("kind"), asked.get("n")
    slot = next((slot for slot in seat.ring if slot.n == number and slot.showing.card == asked.get("card")), None)
    if kind == "check" and slot:
        return check(seat, slot, asked)
    if kind == "undo":
        with store.writing(desk.engine()) as session:
            undone = review.undo(session, learner=desk.learner(), at=store.now())
        seat.notice = f"Took back: {undone.kind}." if undone else "There is nothing to undo."
        seat.first = list(undone.cards[:RING]) if undone else []
        seat.done = max(seat.done - (undone is not None and undone.kind == "grade"), 0)
        return seat.renumber()
    if slot is None:
        return seat.renumber()
    mark_card(seat, str(kind), slot.showing.card)


def mark_card(seat: Sitting, kind: str, card: str) -> None:
    at = store.now()
    with store.writing(desk.engine()) as session:
        if kind == "bury":
            review.bury(session, learner=desk.learner(), card=card, at=at)
            seat.notice = "Buried until tomorrow."
        elif kind == "suspend":
            review.suspend(session, learner=desk.learner(), card=card, at=at)
            seat.notice = "Suspended: it will not come again until you say so in the Library."
        elif kind == "flag":
            flagged = not next(slot.showing.flag for slot in seat.ring if slot.showing.card == card)
            review.flag(session, learner=desk.learner(), card=card, at=at, flag=int(flagged))
            seat.notice = "Flagged." if flagged else "The flag is gone."
            seat.first = [card]
        elif kind == "edit":
            seat.editing, seat.first = card, [card]
        elif kind == "report":
            seat.reporting, seat.first = card, [card]
    seat.renumber()


def check(seat: Sitting, slot: Slot, asked: dict[str, Any]) -> None:
    """Grade a typed or ordered answer; the card is already turned over, the verdict follows."""
    with store.reading(desk.engine()) as session:
        card = read_deck(session, learner=desk.learner(), cards=[slot.showing.card])[slot.showing.card]
    question, response = question_of(slot, card), plain_response(asked.get("response"))
    if question.form in (Form.ORDER, Form.MATCH) and isinstance(response, list):
        lying = laid_out(question)
        response = [lying[index] for index in response if 0 <= index < len(lying)]
    verdict = mark(question, response)
    seat.verdicts[slot.n] = {"right": bool(verdict.right), "said": verdict.said, "score": verdict.score}


# --- beside the table -----------------------------------------------------------------------------------------------------


def edit_or_report(seat: Sitting, deck: dict[str, DeckCard]) -> None:
    card = deck.get(seat.editing or seat.reporting)
    if card is None or card.question is None:
        st.info("This card is computed by a lab and has no text of its own to edit." if card else "This card is not on the table any more.")
        st.button("Close", on_click=close_editor, key="close-editor")
        return
    with st.form("editor"):
        if seat.editing:
            st.text_area("The card, in Markdown. Its id stays; the change is yours alone and survives updates.", card.source, height=260, key="editor-text")
        else:
            st.text_area("What is wrong with this card?", key="report-text", max_chars=2000)
        left, right = st.columns(2)
        left.form_submit_button("Save", on_click=save_editor, args=(card.id,), type="primary")
        right.form_submit_button("Cancel", on_click=close_editor)


def close_editor() -> None:
    seat = sitting()
    if seat:
        seat.editing = seat.reporting = ""


def save_editor(card: str) -> None:
    seat = sitting()
    if seat is None:
        return
    at = store.now()
    with store.writing(desk.engine()) as session:
        if seat.editing:
            problems = reword(session, learner=desk.learner(), card=card, source=st.session_state["editor-text"], at=at)
        else:
            words = st.session_state["report-text"].strip()
            problems = [] if words else ["please say in a few words what is wrong"]
            if words:
                report(session, learner=desk.learner(), card=card, words=words, at=at)
    seat.notice = "Not saved: " + "; ".join(problems) if problems else "Saved."
    if not problems:
        close_editor()
        seat.first = [card]
        seat.renumber()


def summary(seat: Sitting) -> None:
    """The end of a sitting: what was done, what was hard, what tomorrow holds."""
    with store.reading(desk.engine()) as session:
        told = review.summarise_round(session, learner=desk.learner(), round=seat.round.id, at=store.now())
        hardest = read_deck(session, learner=desk.learner(), cards=told.hardest)
    with st.container(key="column"):
        if told.next_wait:
            st.subheader("A short pause", anchor=False)
            st.markdown(f"The next card you are learning comes back in {max(told.next_wait // 60000, 1)} min.")
            st.button("Look again", on_click=seat.renumber, key="look-again", type="primary")
        else:
            st.subheader("Done" if told.graded else "Nothing is due", anchor=False)
        if told.graded:
            kept = f" You knew {told.retention:.0%} of the cards that were due." if told.retention is not None else ""
            st.markdown(f"{told.graded} grades on {told.cards} cards in {max(told.milliseconds // 60000, 1)} min.{kept} Tomorrow: {told.due_tomorrow} due.")
        if hardest:
            lines = "\n".join(f"- [{as_words(card.title)}](/read?topic={card.topic}&section={card.section})" for card in hardest.values())
            st.markdown(f"**Hardest today**\n\n{lines}")
        if told.leeches:
            st.markdown(f"{len(told.leeches)} cards were put aside as leeches: read their notes before you take them up again.")
        left, right = st.columns(2)
        left.button("Finish", on_click=stop, key="finish")
        right.page_link("screens/read.py", label="Read on", icon=":material/menu_book:")


def plural(count: int, one: str, many: str) -> str:
    return f"**{count}** {one if count == 1 else many}"


def start_page() -> None:
    at = store.now()
    with store.writing(desk.engine()) as session:
        review.follow_content(session, learner=desk.learner(), at=at)
    with store.reading(desk.engine()) as session:
        counts = review.count_due(session, learner=desk.learner(), at=at)
        today = stats.read_today(session, learner=desk.learner(), at=at)
    with st.container(key="column"):
        st.title("Review", anchor=False)
        due, fresh = plural(today.due, "card is", "cards are"), plural(today.new, "new one waits", "new ones wait")
        waiting = " and ".join(words for words, count in ((f"{due} due", today.due), (fresh, today.new)) if count)
        st.markdown(f"{waiting}, about {max(round(today.minutes_left), 1)} min." if waiting else "Nothing is due now.")
        st.button("Start", type="primary", key="start", on_click=begin, args=(Scope(),), disabled=not today.due + today.new, width="stretch")
        if problem := st.session_state.get("review-problem"):
            st.warning(problem)
        with st.expander("Choose what to review"), st.form("choose"):
            st.selectbox("Which cards", list(KINDS), format_func=KINDS.__getitem__, key="scope-kind")
            st.text_input("Only those that match", key="scope-query", placeholder="track:attention is:due -tag:hard prop:lapses>3", max_chars=500)
            st.form_submit_button("Start with these", on_click=lambda: begin(Scope(kind=st.session_state["scope-kind"], query=st.session_state["scope-query"].strip())))
        shown = [c for c in counts if c.learning or c.due or c.new]
        if shown:
            rows = "\n".join(f"| {desk.track_title(c.track)} | {c.learning} | {c.due} | {c.new} |" for c in shown)
            with st.expander("By track"):
                st.markdown(f"| | learning | due | not started |\n|---|--:|--:|--:|\n{rows}")


def main() -> None:
    if st.query_params.get("start") == "due":
        st.query_params.clear()
        begin(Scope())
    elif wanted := st.query_params.get("topic"):
        count = st.query_params.get("count", "")
        st.query_params.clear()
        begin(Scope(kind="cram", query=f"topic:{wanted}", limit=int(count[:3]) if count.isdecimal() else None))
    if sitting() is None:
        start_page()
    else:
        table()


main()
