"""After a quiz: what it came to, what cost most, what to read; and how the quizzes so far have gone."""

from __future__ import annotations

from datetime import date, timedelta
from html import escape
from urllib.parse import quote

import streamlit as st

from backend import attempts, diagnostic, store
from backend.attempts import JUDGED, LEARNER_JUDGES, NO_CARD, Sheet, Sitting
from backend.key_points import seems_missing
from backend.quiz import read_stock
from backend.quiz_address import quiz_address
from backend.quiz_results import CHANCE, CONFIDENCE_WORDS, Calibration, Misconception, Past, Result, Tally, read_history, summarise
from backend.settings import read_settings
from backend.topics import standings
from screens.parts import desk
from screens.parts.card_face import lefts, prompt
from screens.parts.harmless_text import as_words
from screens.parts.quiz_faces import draw_back, listed_choices, score_word, shown_answer

TO_READ = 3
TREND = 14  # finished quizzes in the picture
MODE_WORDS = {"practice": "practice", "exam": "exam", "diagnostic": "diagnostic"}


def after_page(sitting: Sitting, *, titles: dict[str, str]) -> None:
    result = summarise(sitting)
    titles = {slug: as_words(title) for slug, title in titles.items()}
    with st.container(key="column"):
        st.title("How it went", anchor=False)
        headline(sitting, result)
        if result.waiting:
            to_judge(sitting, titles)
        if sitting.mode == "diagnostic":
            placement(sitting, titles)
        calibration(result.calibration)
        misconceptions(result.misconceptions, titles)
        reading(result, titles)
        into_review(sitting, result)
        by_topic_and_form(result, titles)
        question_by_question(sitting, titles)
        again(sitting)


def headline(sitting: Sitting, result: Result) -> None:
    minutes = max(round(result.milliseconds / 60_000), 1)
    left = len(sitting.sheets) - result.answered
    words = [f"**{points(result.score)} of {result.asked}** points ({result.share:.0%})", f"{minutes} min"]
    words.append(f"{left} not answered" if left else "")
    words.append(f"{result.waiting} in your own words wait for your judgement" if result.waiting else "")
    st.markdown(" · ".join(word for word in words if word) + ".")
    st.caption(f"{MODE_WORDS[sitting.mode].capitalize()} of {desk.moment(sitting.started_at)}, seed {sitting.setup.seed}")


def points(score: float) -> str:
    return f"{score:.1f}".rstrip("0").rstrip(".")


# --- prose that its learner judges --------------------------------------------------------------------------------------------


def to_judge(sitting: Sitting, titles: dict[str, str]) -> None:
    st.subheader("Yours to judge", anchor=False)
    st.markdown("Nothing written in prose is graded for you. Compare, and say how it was.")
    for sheet in sitting.sheets:
        if sheet.waits_for_judgement and sheet.question:
            with st.container(key=f"card-judge-{sheet.number}"):
                st.markdown(f"**{titles.get(sheet.topic, sheet.topic)}** {prompt(sheet.question)}")
                st.markdown("You wrote:")
                st.text(shown_answer(sheet, sheet.question))
                if sheet.question.points and (missing := seems_missing(sheet.question.points, str(sheet.given or ""))):
                    st.markdown(f"It does not seem to mention: {'; '.join(missing)}.")
                draw_back(sheet, sheet.question, key=f"judge-{sheet.number}")
                with st.container(horizontal=True):
                    for score, words in JUDGED.items():
                        st.button(words, key=f"judge-{sheet.number}-{score}", on_click=judge, args=(sitting.id, sheet.number, score))


def judge(attempt: int, number: int, score: float) -> None:
    with store.writing(desk.engine()) as session:
        attempts.judge_answer(session, learner=desk.learner(), attempt=attempt, number=number, score=score, at=store.now())


# --- what it came to --------------------------------------------------------------------------------------------------------------


def calibration(told: Calibration) -> None:
    if told.brier is None:
        return
    st.subheader("How sure, and how right", anchor=False)
    rows = "\n".join(f"| {CONFIDENCE_WORDS[level]} | {CHANCE[level]:.0%} | {score / count:.0%} | {count} |" for level, count, score in told.lines)
    st.markdown(f"| you said | that claims | it came to | answers |\n|---|--:|--:|--:|\n{rows}")
    claimed = sum(CHANCE[level] * count for level, count, _ in told.lines) / told.answers
    came = sum(score for _, _, score in told.lines) / told.answers
    verdict = "well placed" if abs(claimed - came) < 0.1 else "higher than what came of it" if claimed > came else "lower than what you know"
    st.markdown(f"Your confidence was {verdict}. Brier score {told.brier:.2f}: 0 is perfect, 0.25 is what a coin would get.")


def misconceptions(found: tuple[Misconception, ...], titles: dict[str, str]) -> None:
    if not found:
        return
    st.subheader("What cost most", anchor=False)
    st.markdown("\n".join(f"- **{each.name.strip().rstrip(chr(46))}.** {each.why} ([{titles.get(each.topic, each.topic)}](/read?topic={quote(each.topic)}))" for each in found))


def reading(result: Result, titles: dict[str, str]) -> None:
    weak = [tally for tally in result.by_topic if tally.share < 1][:TO_READ]
    if not weak:
        return
    sections = {sheet.topic: sheet.section for sheet in reversed(result.missed)}
    st.subheader("What to read", anchor=False)
    st.markdown("\n".join(f"- [{titles.get(tally.name, tally.name)}](/read?topic={quote(tally.name)}{_section(sections.get(tally.name, ''))})" for tally in weak))


def _section(anchor: str) -> str:
    return f"&section={quote(anchor)}" if anchor else ""


def into_review(sitting: Sitting, result: Result) -> None:
    missed = [sheet for sheet in result.missed if sheet.kind not in NO_CARD]
    if not missed:
        return
    done = st.session_state.get(f"quiz-into-review-{sitting.id}")
    label = "1 missed question" if len(missed) == 1 else f"{len(missed)} missed questions"
    st.button(f"Put the {label} into review", key="missed-into-review", icon=":material/style:", on_click=put_into_review, args=(sitting.id,), disabled=done is not None)
    if done is not None:
        come = "1 of them comes" if done == 1 else f"{done} of them come"
        st.markdown(f"{come} back today in [Review](/review)." if done else "They are in review already.")
    else:
        st.caption("Each counts as forgotten and comes back today.")


def put_into_review(attempt: int) -> None:
    with store.writing(desk.engine()) as session:
        count = attempts.put_missed_into_review(session, learner=desk.learner(), attempt=attempt, at=store.now())
    st.session_state[f"quiz-into-review-{attempt}"] = count


def by_topic_and_form(result: Result, titles: dict[str, str]) -> None:
    st.subheader("By topic and by form", anchor=False)
    st.markdown(_table("topic", [(titles.get(tally.name, tally.name), tally) for tally in result.by_topic]))
    st.markdown(_table("form", [(tally.name, tally) for tally in result.by_form]))


def _table(head: str, lines: list[tuple[str, Tally]]) -> str:
    rows = "\n".join(f"| {name} | {points(tally.score)} of {tally.asked} | {tally.share:.0%} |" for name, tally in lines)
    return f"| {head} | points | |\n|---|--:|--:|\n{rows}"


def question_by_question(sitting: Sitting, titles: dict[str, str]) -> None:
    st.subheader("Question by question", anchor=False)
    for sheet in sitting.sheets:
        sign = {"right": "✓", "to be judged": "…"}.get(score_word(sheet.score, sheet.answered), "✗")
        with st.expander(f"{sign} {sheet.number + 1}. {titles.get(sheet.topic, sheet.topic)}: {score_word(sheet.score, sheet.answered)}"):
            opened(sheet)


def opened(sheet: Sheet) -> None:
    question = sheet.question
    if question is None:
        st.markdown("A lab was to compute this question, and it was never reached.")
        return
    st.markdown(prompt(question))
    for part in (lefts(question), listed_choices(question)):
        if part:
            st.markdown(part)
    sure = f" ({CONFIDENCE_WORDS[sheet.confidence]})" if sheet.confidence in CONFIDENCE_WORDS else ""
    st.markdown(f"**Your answer{sure}:**")
    if question.form.value in (*LEARNER_JUDGES, "number", "term"):
        st.text(shown_answer(sheet, question))  # typed by a person: shown as it is, not read as Markdown
    else:
        st.markdown(shown_answer(sheet, question))
    draw_back(sheet, question, key=f"opened-{sheet.number}")


def again(sitting: Sitting) -> None:
    st.markdown(f"[The same questions again]({quiz_address(sitting.setup)}) · [Another quiz](/quiz)")


# --- where a newcomer stands --------------------------------------------------------------------------------------------------------


def placement(sitting: Sitting, titles: dict[str, str]) -> None:
    answers = [(sheet.topic, sheet.score) for sheet in sitting.sheets if sheet.score is not None]
    with store.reading(desk.engine()) as session:
        stock = read_stock(session, learner=desk.learner())
        cards = {topic: standing.cards for topic, standing in standings(session, learner=desk.learner()).items()}
    found = diagnostic.place(diagnostic.Graph(stock.needs, stock.tracks), answers)
    st.subheader("Where you stand", anchor=False)
    st.markdown(f"You can skip **{len(found.skip)}** of {len(stock.needs)} topics. Start with:\n\n{_links(found.start[:5], titles)}" if found.start else "You know it all.")
    if found.skip:
        with st.expander(f"What you can skip ({len(found.skip)})"):
            st.markdown(_links(found.skip, titles))
    if found.rest:
        plan(found.rest, cards, titles)


def _links(topics: tuple[str, ...], titles: dict[str, str]) -> str:
    return "\n".join(f"- [{titles.get(topic, topic)}](/read?topic={quote(topic)})" for topic in topics)


def plan(rest: tuple[str, ...], cards: dict[str, int], titles: dict[str, str]) -> None:
    st.subheader("A plan by day", anchor=False)
    today = _today()
    last = st.date_input("Until", today + timedelta(days=30), min_value=today, max_value=today + timedelta(days=730), key="plan-until")
    days = diagnostic.study_plan(rest, cards, first=today, last=last if isinstance(last, date) else today + timedelta(days=30))
    most = max(day.minutes for day in days)
    st.markdown(f"{len(rest)} topics on {len(days)} days, {most} minutes on the longest.")
    rows = "\n".join(f"| {day.day:%a %d %b} | {', '.join(f'[{titles.get(t, t)}](/read?topic={quote(t)})' for t in day.topics)} | {day.minutes} min |" for day in days)
    st.markdown(f"| day | read and learn | |\n|---|---|--:|\n{rows}")


def _today() -> date:
    from backend.review import today_of

    with store.reading(desk.engine()) as session:
        settings = read_settings(session, learner=desk.learner())
    return date(1970, 1, 1) + timedelta(days=today_of(settings, store.now()))


# --- the history ----------------------------------------------------------------------------------------------------------------------


def history() -> None:
    with store.reading(desk.engine()) as session:
        past = read_history(session, learner=desk.learner())
    begun = [each for each in past if not each.finished]
    for each in begun[:3]:
        st.markdown(f"[Go on with the {MODE_WORDS[each.mode]} of {desk.moment(each.started_at)}](/quiz?attempt={each.id}): {each.answered} of {each.asked} answered.")
    finished = [each for each in past if each.finished]
    if finished:
        st.subheader("So far", anchor=False)
        trend(finished[:TREND][::-1])
        rows = "\n".join(_line(each) for each in finished)
        with st.expander(f"All {len(finished)} quizzes" if len(finished) > 1 else "The quiz you sat"):
            st.markdown(f"| when | what | score | Brier |\n|---|---|--:|--:|\n{rows}")


def _line(each: Past) -> str:
    brier = "" if each.brier is None else f"{each.brier:.2f}"
    return f"| [{desk.moment(each.started_at)}](/quiz?attempt={each.id}) | {MODE_WORDS[each.mode]}, {each.scope} | {each.share:.0%} of {each.asked} | {brier} |"


def trend(finished: list[Past]) -> None:
    """Scores as small bars: plain boxes, no chart library."""
    bars = "".join(
        f'<div title="{escape(desk.moment(each.started_at))}: {each.share:.0%}"><b>{each.share:.0%}</b><i style="height:{5 * each.share:.2f}rem"></i></div>' for each in finished
    )
    half = len(finished) // 2
    sentence = f"The last {len(finished)} quizzes came to {sum(each.share for each in finished) / len(finished):.0%} on average"
    if half >= 2:
        before, after = (sum(each.share for each in part) / len(part) for part in (finished[:half], finished[half:]))
        sentence += f": {before:.0%} in the earlier half, {after:.0%} in the later"
    if len(finished) > 1:
        st.html(f'<div class="bars" role="img" aria-label="{escape(sentence)}">{bars}</div>')
        st.markdown(sentence + ".")


