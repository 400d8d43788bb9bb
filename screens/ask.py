"""Ask: a question in one's own words, answered from the notes, or an honest word that they do not say.

Who sits here: a learner in the middle of something who does not know where it stands. In the first ten seconds they want the
answer, and a reason to believe it. Search engines give pages and chatbots give sentences without a home; here every sentence
is quoted from a note, with the passage one key away, and nothing is said that is not there.

An address: /ask?q=question. The key / leads here from anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st
from sqlalchemy.exc import DBAPIError

from backend import store
from backend.ask import ANSWERED, RELATED, Answer, Citation, Said, answer_question, history, judge, keep
from backend.generate import Claim, Trouble, endpoint, generated
from backend.markup import linked, plain
from backend.own_card import LONGEST_CARD_ANSWER, LONGEST_QUESTION, as_card, keep_card, without_links
from backend.search import Hit
from backend.topics import TopicLine, list_topics
from screens.parts import desk, search_desk
from screens.parts.harmless_text import letter_by_letter, without_remote_pictures

EXAMPLES = ["why divide by the square root of d_k?", "LoRA vs prefix tuning", "为什么Transformer用LN不用BN", "my loss suddenly jumps up, what now"]
LONGEST = 500  # characters of a question that is kept
REVIEWED = 5  # cards of a review that starts here


def cited_address(cited: Citation) -> str:
    """Where a citation leads: the marked passage of its note, or the learner's own card."""
    if not cited.section:
        return f"/library?card={quote(cited.card)}"
    return read_address(cited.topic, cited.section, start=cited.start, end=cited.end)


def read_address(topic: str, section: str, *, start: int = 0, end: int = 0) -> str:
    return f"/read?topic={quote(topic)}" + (f"&section={quote(section)}" if section else "") + (f"&mark={start}-{end}" if end else "")


def ask_address(question: str) -> str:
    return f"/ask?q={quote(question, safe='')}"


def main() -> None:
    with st.container(key="column"):
        st.title("Ask", anchor=False)
        question = ask_field()
        say_progress()
        if not question.strip():
            return before_asking()
        answer, number = answered(question)
        with store.reading(desk.engine()) as session:
            topics = {topic.slug: topic for topic in list_topics(session, learner=desk.learner())}
        titles = {slug: topic.title for slug, topic in topics.items()}
        with st.container(key="answer"):
            if answer.outcome == ANSWERED:
                draw_answer(answer, titles)
                generate_below(answer, titles)
                thumbs(number)
                offer_card(answer, number, titles)
                draw_beside(answer, topics)
            else:
                draw_refusal(answer)
                thumbs(number)
        asked_before()


def ask_field() -> str:
    """The field and the address say the same; whichever changed last wins. On the way back from a note the field is empty again."""
    in_address = st.query_params.get("q", "")
    if st.session_state.get("asked-address") != in_address or "question" not in st.session_state:
        st.session_state["asked-address"] = in_address
        st.session_state["question"] = in_address

    def asked() -> None:
        typed = st.session_state["question"] or ""
        st.session_state["asked-address"] = typed
        if typed.strip():
            st.query_params["q"] = typed
        else:
            st.query_params.clear()

    st.text_input(
        "Your question, in English or Chinese", key="question", on_change=asked, max_chars=LONGEST, type="search",
        placeholder="In your own words: a question, two things to compare, a formula, a card's id", label_visibility="collapsed",
    )  # fmt: skip
    return st.session_state["question"] or ""


@st.fragment(run_every=3)
def progress_line() -> None:
    missing, total = search_desk.waiting()
    if missing:
        st.progress((total - missing) / max(total, 1), text=f"Getting to know the notes: {total - missing} of {total} passages. The others are found by their words meanwhile.")
    else:
        st.rerun()  # the question is asked again, with everything there is


def say_progress() -> None:
    if search_desk.waiting()[0]:
        progress_line()


def before_asking() -> None:
    st.markdown("Every answer is quoted from a note, with its passage. What the notes do not say is not answered.")
    st.markdown("For example:\n\n" + "\n".join(f"- [{example}]({ask_address(example)})" for example in EXAMPLES))
    asked_before()


# -- the answer ------------------------------------------------------------------------------------------------------------


def answered(question: str) -> tuple[Answer, int]:
    """The answer and the number under which it is kept. Asked once, however often the page is drawn; an edit of the notes asks again."""
    index = search_desk.index()
    held = st.session_state.get("answer")
    if held and held[0] == question and held[1] == index.stamp:
        return held[2], held[3]
    before = [topic for topic, _ in held[2].ranking[:1]] if held and held[0] != question and held[2].outcome == ANSWERED else []
    with store.reading(desk.engine()) as session:
        answer = answer_question(session, index, question, embed=search_desk.embed, before=before)
    number = held[3] if held and held[0] == question else 0
    if answer.ranking and not number:
        with store.writing(desk.engine()) as session:
            number = keep(session, answer, learner=desk.learner(), at=store.now())
    st.session_state["answer"] = (question, index.stamp, answer, number)
    return answer, number


def draw_answer(answer: Answer, titles: dict[str, str]) -> None:
    read_as(answer)
    numbered = list(enumerate(answer.said, 1))
    if answer.sides:
        columns = st.columns(2, gap="large")
        for column, side in zip(columns, answer.sides):
            with column:
                st.markdown(f"##### {titles.get(side, side)}")
                draw_said([(number, said) for number, said in numbered if said.citation.topic == side], titles)
    else:
        draw_said(numbered, titles)
    st.markdown("\n".join(source_line(number, said.citation) for number, said in numbered))


def draw_said(numbered: Sequence[tuple[int, Said]], titles: dict[str, str]) -> None:
    for number, said in numbered:
        text = linked(said.text, titles.get)
        cited = said.citation
        mark = f"[\\[{number}\\]]({cited_address(cited)})"
        if said.asked:
            st.caption(linked(said.asked, titles.get))
        ends_in_block = re.search(r"(\$\$|```|\|)\s*\Z", text)
        st.markdown(f"{text}\n\n{mark}" if ends_in_block else f"{text} {mark}")


def source_line(number: int, cited: Citation) -> str:
    place = cited.heading.rpartition(" > ")[2] if " > " in cited.heading else ""
    kind = "" if not cited.card else " · card" if cited.section else " · your own card"
    where = f"{cited.title}" + (f" · {place}" if place else "") + kind
    return f"- :gray[\\[{number}\\]] [{letter_by_letter(where)}]({cited_address(cited)})"


def in_label(markdown: str) -> str:
    """Markdown that may stand inside a link: formulas stay, links and brackets do not."""
    return plain(markdown) if "[" in markdown else markdown.replace("\n", " ")


def read_as(answer: Answer) -> None:
    if answer.corrected:
        st.caption("Read as: " + ", ".join(f"{letter_by_letter(typed)} → **{letter_by_letter(taken)}**" for typed, taken in answer.corrected.items()))
    for notice in answer.notices:
        if "passages have their vector" not in notice:  # the bar above says that
            st.info(notice, icon=":material/info:")


def draw_refusal(answer: Answer) -> None:
    read_as(answer)
    st.markdown(f"**{letter_by_letter(answer.text)}**")
    if answer.outcome == RELATED and answer.near:
        st.markdown("Nearest in the notes:\n\n" + "\n".join(f"- {near_line(hit)}" for hit in unique(answer.near)))
    elif answer.ranking:
        st.markdown("Perhaps under another name: the [glossary](/read?view=glossary) lists every name the notes know.")


def unique(hits: Sequence[Hit]) -> list[Hit]:
    return list({(hit.topic, hit.section): hit for hit in reversed(hits)}.values())[::-1][:3]


def near_line(hit: Hit) -> str:
    place = hit.heading.rpartition(" > ")[2] if " > " in hit.heading else ""
    if not hit.section:
        return f"[{letter_by_letter(hit.title)} · your own card](/library?card={quote(hit.card)})"
    return f"[{letter_by_letter(hit.title)}{' · ' + letter_by_letter(place) if place else ''}]({read_address(hit.topic, hit.section)})"


# -- a language model, if there is one -----------------------------------------------------------------------------------------


def generate_below(answer: Answer, titles: dict[str, str]) -> None:
    """Under the answer that is already there: a model's own words, each sentence checked against the passage it cites."""
    asked = endpoint(os.environ)
    if asked is None:
        return
    with st.container(key="generated", border=True):
        st.caption(f"In the words of {letter_by_letter(asked.model)}, checked sentence by sentence")
        held = st.session_state.get("generated")
        if held and held[0] == answer.question:
            st.markdown("\n\n".join(held[1]))
            return
        lines: list[str] = []
        place = st.empty()
        place.markdown(":gray[…]")
        passages = [said.citation.quote for said in answer.said]
        for piece in generated(asked, answer.question, passages, embed=search_desk.embed):
            lines.append(claim_line(piece))
            place.markdown("\n\n".join(lines))
        st.session_state["generated"] = (answer.question, lines)


def claim_line(piece: Claim | Trouble) -> str:
    if isinstance(piece, Trouble):
        return f":orange[{letter_by_letter(piece.said)}]"
    numbers = "".join(f" \\[{number}\\]" for number in piece.cited)
    text = letter_by_letter(piece.text) if not piece.supported else piece.text
    return f"{text}{numbers}" if piece.supported else f"~~{text}~~{numbers} :orange[not supported: {letter_by_letter(piece.why_not)}]"


# -- beside the answer ---------------------------------------------------------------------------------------------------------


def thumbs(number: int) -> None:
    if not number:
        return

    def save() -> None:
        thumb = st.session_state.get(f"thumb-{number}")
        if thumb is not None:
            with store.writing(desk.engine()) as session:
                judge(session, learner=desk.learner(), asked=number, thumb=1 if thumb else -1, reason=st.session_state.get(f"reason-{number}") or "")

    with st.container(key="thumbs", horizontal=True, vertical_alignment="center"):
        st.caption("Did this help?", width="content")
        st.feedback("thumbs", key=f"thumb-{number}", on_change=save)
        if st.session_state.get(f"thumb-{number}") is not None:
            st.text_input("Why?", key=f"reason-{number}", on_change=save, placeholder="What was right or wrong about it", label_visibility="collapsed", max_chars=500)


def offer_card(answer: Answer, number: int, titles: dict[str, str]) -> None:
    """The question and its answer as a card of the learner's own: filled in, to be made shorter, looked at and kept."""
    if made := st.session_state.get(f"own-made-{number}"):
        with st.container(key="own-made"):
            st.markdown(f":green[:material/check:] Kept as a card of your own: [open it in the Library](/library?card={quote(made)}). It is new in your reviews.")
        return
    with st.expander("Make a card of this", icon=":material/add_card:", key="make-card"):
        question = st.text_area("Question", answer.question, key=f"own-question-{number}", max_chars=LONGEST_QUESTION, height=80)
        told = st.text_area(
            "Answer", answer_of(answer, titles), key=f"own-answer-{number}", max_chars=LONGEST_CARD_ANSWER, height=160,
            help="The shorter the answer, the better it can be recalled. Markdown and formulas as in the notes.",
        )  # fmt: skip
        card, problem = as_card(question, told)
        with st.container(border=True, key="own-preview"):
            if card is not None:
                st.markdown(without_remote_pictures(f"**{question.strip()}**\n\n{told.strip()}"))
            else:
                st.markdown(f":orange[{letter_by_letter(problem)}]")
        topic = answer.citations[0].topic
        st.caption(f"It joins your own cards on {letter_by_letter(titles.get(topic, topic))}; the shipped note stays as it is.")
        st.button("Keep this card", type="primary", key="keep-card", on_click=keep_own_card, args=(answer, number, topic), disabled=card is None)
    if said := st.session_state.pop("own-problem", ""):
        st.warning(said)


def answer_of(answer: Answer, titles: dict[str, str]) -> str:
    """What was shown, without its links: inside a card they would lead nowhere when it is taken along."""
    return without_links("\n\n".join(linked(said.text, titles.get) for said in answer.said))


def keep_own_card(answer: Answer, number: int, topic: str) -> None:
    question, told = (str(st.session_state.get(f"own-{part}-{number}") or "") for part in ("question", "answer"))
    try:
        with store.writing(desk.engine()) as session:
            kept = keep_card(session, learner=desk.learner(), question=question, answer=told, topic=topic, at=store.now(), embed=search_desk.embed)
    except (DBAPIError, OSError, store.StoreError) as problem:
        st.session_state["own-problem"] = f"The card could not be kept: {desk.plain_reason(problem)}"
        return
    st.session_state["own-problem"] = kept.problem
    if kept.card:
        st.session_state[f"own-made-{number}"] = kept.card
        asked = st.session_state["answer"][0]
        st.session_state["answer"] = (asked, search_desk.index().stamp, answer, number)  # what is read stays, though the card would answer now
        st.toast("Kept as a card of your own.", icon=":material/check:")


def draw_beside(answer: Answer, topics: dict[str, TopicLine]) -> None:
    cited = list(dict.fromkeys([*answer.sides, *(citation.topic for citation in answer.citations)]))
    first = topics.get(cited[0]) if cited else None
    if answer.suggestions:
        st.markdown("###### People also ask")
        st.markdown("\n".join(f"- [{in_label(suggestion.prompt)}]({ask_address(suggestion.question)})" for suggestion in answer.suggestions))
    if first is None:
        return
    labs = [lab for slug in cited if slug in topics for lab in topics[slug].labs]
    lines = [f"[Review {REVIEWED} cards on {letter_by_letter(topics[slug].title)}](/review?topic={quote(slug)}&count={REVIEWED})" for slug in cited if slug in topics]
    lines += [f"See it run: [{letter_by_letter(desk.lab_title(lab))}](/labs?lab={quote(lab)})" for lab in dict.fromkeys(labs) if desk.lab_is_built(lab)]
    st.markdown("###### Go on\n\n" + "\n".join(f"- {line}" for line in lines))


def asked_before() -> None:
    with store.reading(desk.engine()) as session:
        rows = [(row.question, row.outcome) for row in history(session, learner=desk.learner(), count=30)]
    seen = list(dict.fromkeys(rows))[:12]
    if seen:
        with st.expander("Asked before"):
            st.markdown("\n".join(f"- [{letter_by_letter(question)}]({ask_address(question)})" + ("" if outcome == ANSWERED else f" :gray[{outcome}]") for question, outcome in seen))


main()
