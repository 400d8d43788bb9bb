"""Today: what is due, and one way to begin.

Who sits here: the learner, opening the app for their ten minutes. In the first ten seconds they want to know how much there
is, and press one button. The best (Anki, Duolingo) say it in one number; we add what the next two weeks hold and which
topics are slipping. No chart library here: this page is the first thing that is painted.
"""

from __future__ import annotations

from datetime import date, timedelta
from html import escape

import streamlit as st

from backend import review, stats, store
from backend.topics import list_topics
from screens.parts import desk
from screens.parts.harmless_text import as_words

DAYS = 14
EPOCH = date(1970, 1, 1)  # study day 0


def main() -> None:
    at, learner = store.now(), desk.learner()
    with store.writing(desk.engine()) as session:
        review.follow_content(session, learner=learner, at=at)
    with store.reading(desk.engine()) as session:
        today = stats.read_today(session, learner=learner, at=at)
        forecast = stats.read_forecast(session, learner=learner, at=at, days=DAYS)
        weakest = stats.find_weakest_topics(session, learner=learner, at=at)
        topics = list_topics(session, learner=learner)
    with st.container(key="column"):
        st.title("Today", anchor=False)
        due(today)
        if topics:
            coming_days(forecast, today.day)
            weak(weakest, {topic.slug: topic.title for topic in topics})
            if not today.graded and not any(forecast):
                first_steps(topics[0].slug, topics[0].title)


def due(today: stats.Today) -> None:
    total = today.due + today.new
    if total:
        parts = [f"**{today.due}** due" if today.due else "", f"**{today.new}** new" if today.new else ""]
        st.markdown(f"{' and '.join(part for part in parts if part)}, about {max(round(today.minutes_left), 1)} min.")
    elif today.graded:
        st.markdown(f"All done: {today.graded} cards graded today.")
    else:
        st.markdown("Nothing is due.")
    if st.button("Start", type="primary", key="start-today", width="stretch", disabled=not total):
        st.switch_page("screens/review.py", query_params={"start": "due"})
    streak = today.streak
    words = [f"{streak.days} day{'' if streak.days == 1 else 's'} in a row" if streak.days else "", f"{today.graded} graded today" if today.graded else ""]
    if today.waiting:
        words.append(f"{today.waiting} more wait beyond today's limit")
    if streak.days and streak.freezes_left:
        words.append(f"{streak.freezes_left} freeze days left this month")
    st.markdown(" · ".join(word for word in words if word) or "The first card starts your streak.")


def coming_days(forecast: list[int], today: int) -> None:
    """Two weeks as small bars: plain boxes, so that the first screen loads no chart library."""
    if not any(forecast):
        return
    st.subheader("The next two weeks", anchor=False)
    most = max(max(forecast), 1)
    days = [EPOCH + timedelta(days=today + offset) for offset in range(len(forecast))]
    bars = "".join(
        f'<div title="{day:%A %d %B}: {count} due"><b>{count or ""}</b><i style="height:{5 * count / most:.2f}rem"></i>'
        f'<span>{"today" if offset == 0 else f"{day:%a}"}</span></div>'
        for offset, (day, count) in enumerate(zip(days, forecast))
    )
    sentence = f"{sum(forecast)} reviews are due in the next {len(forecast)} days, most on {days[forecast.index(most)]:%A} with {most}."
    st.html(f'<div class="bars" role="img" aria-label="{escape(sentence)}">{bars}</div>')
    st.markdown(sentence)


def weak(weakest: list[tuple[str, stats.Rate]], titles: dict[str, str]) -> None:
    shown = [(slug, rate) for slug, rate in weakest if slug in titles and rate.share is not None and rate.share < 0.9]
    if shown:
        st.subheader("Slipping", anchor=False)
        lines = (f"- [{as_words(titles[slug])}](/read?topic={slug}): {rate.passed} of the last {rate.reviews} recalled" for slug, rate in shown)
        st.markdown("\n".join(lines))


def first_steps(slug: str, title: str) -> None:
    st.subheader("New here?", anchor=False)
    st.markdown(
        f"- Read [{as_words(title)}](/read?topic={slug}), then answer its cards here tomorrow.\n"
        "- Touch a mechanism in the [Labs](/labs).\n"
        "- Ask anything: press `/` on any screen."
    )


main()
