"""One card of the Library: its words and how they look, what happened to it, what it said before."""

from __future__ import annotations

from html import escape

import streamlit as st
from sqlmodel import Session, col, select

from backend import store
from backend.cards import read_cards, showings
from backend.deck import DeckCard
from backend.revisions import Wording, changed_upstream, edit_card, keep_mine, list_wordings, word_diff
from backend.tables import Card, Event
from screens.parts import desk
from screens.parts.attached import draw_pictures, with_plain_pictures
from screens.parts.card_face import back, front
from screens.parts.forgetting_curve import draw_curve
from screens.parts.harmless_text import as_words, without_remote_pictures
from screens.parts.near_cards import warn_of_near

GRADES = {1: "Again", 2: "Hard", 3: "Good", 4: "Easy"}
WORDS = {
    "cram": "practised, schedule untouched", "undo": "the action before was taken back", "reschedule": "moved to another day", "bury": "hidden until the next day",
    "import": "came with an import, with its memory", "forget": "begun anew", "parameters": "new memory parameters",
}  # fmt: skip
MEANINGS = {"same": "No: same meaning, the schedule stays", "changed": "Yes: it asks or says something else"}
THEN = {"keep": "Keep its schedule all the same", "anew": "Begin it anew, as a new card (its history stays)"}


def say(words: str) -> None:
    st.session_state["library-said"] = words


def draw_card_desk(card: DeckCard) -> None:
    with st.container(key="one-card"):
        st.subheader(as_words(card.title), anchor=False)
        section = f"&section={card.section}" if card.section else ""
        st.markdown(f"[In its note](/read?topic={card.topic}{section}) · `{card.id}`")
        if card.question is None:
            st.markdown(f"A lab computes this card afresh: [{desk.lab_title(card.lab)}](/labs?lab={card.lab}).")
        parts = {"Words": words, "History": history, "Earlier wordings": wordings} if card.question else {"History": history}
        chosen = st.segmented_control("About this card", list(parts), default=next(iter(parts)), key="about-card", label_visibility="collapsed")
        parts.get(chosen or "", next(iter(parts.values())))(card)


# --- its words --------------------------------------------------------------------------------------------------------------


def words(card: DeckCard) -> None:
    upstream(card)
    left, right = st.columns(2)
    with left:
        source = st.text_area(
            "The card, in Markdown", card.source, height=280, key=f"edit-{card.id}",
            help="Its id stays. A shipped card gets your own wording over it, which updates never overwrite.",
        )  # fmt: skip
        if source.strip() != card.source.strip():
            save_form(card, source)
    with right:
        preview(source)
        read, _ = read_cards(source)
        if read and source.strip() != card.source.strip():
            warn_of_near(read[0].question.prompt, leaving_out={read[0].id})


def save_form(card: DeckCard, source: str) -> None:
    meaning = st.radio("Does the card mean something else now?", list(MEANINGS), format_func=MEANINGS.__getitem__, key=f"meaning-{card.id}")
    anew = meaning == "changed" and st.radio("What you remember of it", list(THEN), format_func=THEN.__getitem__, key=f"then-{card.id}") == "anew"
    st.button("Save", on_click=save, args=(card.id, source, meaning, anew), key="save-card", type="primary")


def save(card: str, source: str, meaning: str, anew: bool) -> None:
    with store.writing(desk.engine()) as session:
        problems = edit_card(session, learner=desk.learner(), card=card, source=source, at=store.now(), meaning="changed" if meaning == "changed" else "same", anew=anew)
    say("Not saved: " + "; ".join(problems) if problems else "Saved; the card begins anew." if anew else "Saved; what you remember of it stays.")


def upstream(card: DeckCard) -> None:
    """A shipped card that was changed after the learner had worded it: both are shown, nothing is taken silently."""
    with store.reading(desk.engine()) as session:
        told = changed_upstream(session, learner=desk.learner(), card=card.id)
    if told is None:
        return
    with st.container(border=True, key="upstream"):
        st.markdown("**The shipped wording has changed since you made yours.** What changed there:")
        draw_diff(told.base, told.now)
        left, right = st.columns(2)
        left.button("Keep mine", on_click=stay, args=(card.id,), key="keep-mine", width="stretch")
        right.button("Take the shipped one", on_click=save, args=(card.id, told.now, "same", False), key="take-shipped", width="stretch")


def stay(card: str) -> None:
    with store.writing(desk.engine()) as session:
        keep_mine(session, learner=desk.learner(), card=card)


def preview(source: str) -> None:
    read, mistakes = read_cards(source)
    for mistake in mistakes:
        st.warning(f"Line {mistake.line}: expected {as_words(mistake.expected)}, came {as_words(mistake.came)}")
    for written in read[:1]:
        for number, shown in enumerate(showings(written)[:4]):
            with st.container(border=True):
                st.markdown(without_remote_pictures(front(shown.question)))
                with st.container(key=f"back-preview-{number}"):
                    st.markdown(without_remote_pictures(back(shown.question)))
    draw_pictures(with_plain_pictures(source))


# --- what happened ------------------------------------------------------------------------------------------------------------


def history(card: DeckCard) -> None:
    draw_curve(learner=desk.learner(), card=card.id, at=store.now())
    with store.reading(desk.engine()) as session:
        lines = list(events(session, card.id))
    st.markdown("\n".join(lines) if lines else "Nothing happened to this card yet.")


def events(session: Session, card: str) -> list[str]:
    found = session.exec(select(Event).where(Event.learner == desk.learner(), Event.card == card).order_by(col(Event.seq).desc()).limit(40)).all()
    return [f"- {desk.moment(event.at)}: {what_happened(event)}" for event in found]


def what_happened(event: Event) -> str:
    if event.kind == "grade" and event.grade:
        recall = f", {event.recall / 1e6:.0%} expected" if event.recall is not None else ""
        return f"**{GRADES[event.grade]}**{recall}"
    if event.kind == "suspend":
        return "suspended" if event.value else "taken up again"
    if event.kind == "flag":
        return f"flag {event.value}" if event.value else "flag taken away"
    return WORDS.get(event.kind, event.kind)


# --- what it said before --------------------------------------------------------------------------------------------------------


def wordings(card: DeckCard) -> None:
    with store.reading(desk.engine()) as session:
        told = list_wordings(session, learner=desk.learner(), card=card.id)
        row = session.get(Card, card.id)
        own = row is not None and row.owner is not None
    if not told:
        st.markdown("Its wording was never changed.")
    for place, wording in enumerate(told[:20]):
        with st.container(border=True):
            st.markdown(f"{desk.moment(wording.at)} · {whose(wording, own)}" + (" · **another meaning**" if wording.meaning_changed else ""))
            draw_diff(wording.before, wording.after)
            if wording.before.strip() and wording.before.strip() != card.source.strip():
                st.button("Take the wording before this", on_click=save, args=(card.id, wording.before, "same", False), key=f"back-to-{place}")


def whose(wording: Wording, own: bool) -> str:
    if not wording.after:
        return "deleted"
    return "worded by you" if wording.mine and not own else "changed by you or an import" if wording.mine else "changed with the content"


def draw_diff(before: str, after: str) -> None:
    """Word by word; what went is struck through, what came is underlined, so that colour alone tells nothing."""
    tags = {"gone": "del", "came": "ins"}
    pieces = [f"<{tags[kind]}>{escape(text)}</{tags[kind]}>" if kind in tags else escape(text) for kind, text in word_diff(before.strip(), after.strip())]
    st.html(f'<div class="diff">{"".join(pieces)}</div>')
