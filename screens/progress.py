"""Progress: what is remembered, measured.

Who sits here: a learner after some weeks, asking "is it working?". In the first ten seconds they want one honest number and
the shape of the coming days. Anki has the most complete statistics; here each picture also says in a sentence what it shows,
has its table behind it, and the schedule is compared with guesses that know nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import streamlit as st

from backend import stats, store
from backend.deck import read_deck
from backend.topics import list_topics, standings
from screens.parts import desk

EPOCH = date(1970, 1, 1)  # study day 0
DAYS = 365


def day_of(number: int) -> date:
    return EPOCH + timedelta(days=number)


def picture(title: str, figure: object, says: str, key: str) -> None:
    from screens.parts.figure_box import draw_figure

    st.markdown(says)
    draw_figure(title, figure, says=says, key=key)


def calendar(year: stats.Year, today: int) -> None:
    import plotly.graph_objects as go

    from screens.labs.drawing import settle

    reviews = {day.day: day.reviews for day in year.days}
    last_monday = today - day_of(today).weekday()
    weeks = 53
    grid = np.full((7, weeks), np.nan, np.float32)
    words = [["" for _ in range(weeks)] for _ in range(7)]
    for week in range(weeks):
        for weekday in range(7):
            day = last_monday - 7 * (weeks - 1 - week) + weekday
            if day <= today:
                grid[weekday, week] = reviews.get(day, 0)
                words[weekday][week] = f"{day_of(day):%d %b %Y}: {reviews.get(day, 0)} reviews"
    scale = [[0, "rgba(128,136,146,.14)"], [0.001, "#bfe3dd"], [0.5, "#3ba394"], [1, "#075e56"]]
    figure = go.Figure(go.Heatmap(z=grid, text=words, hovertemplate="%{text}<extra></extra>", colorscale=scale, zmin=0, xgap=2, ygap=2, showscale=False))
    settle(figure, height=190)
    months = [(week, f"{day_of(last_monday - 7 * (weeks - 1 - week)):%b}") for week in range(0, weeks, 5)]
    figure.update_xaxes(tickvals=[week for week, _ in months], ticktext=[name for _, name in months], showgrid=False)
    figure.update_yaxes(tickvals=[0, 2, 4, 6], ticktext=["Mon", "Wed", "Fri", "Sun"], autorange="reversed", showgrid=False)
    total = sum(reviews.values())
    picture("A year of days", figure, f"{total} reviews on {len(reviews)} days of the last {DAYS}.", "calendar")


def forecast(counts: list[int], today: int) -> None:
    from screens.labs.drawing import bars

    figure = bars([f"{day_of(today + n):%d %b}" for n in range(len(counts))], counts, x_title="day", y_title="reviews due", height=260)
    most = int(np.argmax(counts))
    says = f"{sum(counts)} reviews are due in the next {len(counts)} days; the fullest is {day_of(today + most):%d %B} with {counts[most]}." if sum(counts) else "Nothing is scheduled yet."
    picture("What is coming", figure, says, "forecast")


def retention(year: stats.Year) -> None:
    import plotly.graph_objects as go

    from screens.labs.drawing import PALETTE, QUIET, settle

    names = [name for name in ("young", "mature", "all") if year.retention.get(name) and year.retention[name].reviews]
    if not names:
        return
    shares = [year.retention[name].share or 0.0 for name in names]
    bounds = [year.retention[name].bounds for name in names]
    error = {"type": "data", "symmetric": False, "array": [high - s for s, (_, high) in zip(shares, bounds)], "arrayminus": [s - low for s, (low, _) in zip(shares, bounds)]}
    figure = go.Figure(go.Scatter(x=names, y=shares, error_y=error, mode="markers", marker={"size": 14, "color": PALETTE[2]}, name="recalled"))
    figure.add_hline(y=year.desired_retention, line={"dash": "dash", "color": QUIET}, annotation_text="wanted")
    settle(figure, y="share recalled", height=280)
    figure.update_yaxes(range=[min(0.5, *[low for low, _ in bounds]), 1])
    low, high = year.retention["all"].bounds
    says = (
        f"You recalled {year.retention['all'].share:.0%} of {year.retention['all'].reviews} due cards (95 % interval {low:.0%} to {high:.0%}); "
        f"you asked for {year.desired_retention:.0%}. Mature cards are those with an interval of three weeks or more."
    )
    picture("True retention", figure, says, "retention")


def distributions(memory: stats.MemoryNow) -> None:
    from screens.labs.drawing import histogram

    if not memory.cards:
        return
    logged = np.log10(np.maximum(memory.stability, 0.1))
    figure = histogram(logged, bins=24, low=-1, high=3.5, x_title="stability in days", y_title="share of cards")
    figure.update_xaxes(tickvals=[-1, 0, 1, 2, 3], ticktext=["0.1", "1", "10", "100", "1000"])
    middle = float(np.median(memory.stability))
    picture("How long memories last", figure, f"Half of your {memory.cards} started cards would fade to 90 % only after {middle:.0f} days or more.", "stability")
    figure = histogram(memory.difficulty, bins=18, low=1, high=10, x_title="difficulty, 1 to 10", y_title="share of cards", colour=1)
    picture("How hard the cards are", figure, f"The middle difficulty is {np.median(memory.difficulty):.1f} of 10.", "difficulty")


def calibration(year: stats.Year, accuracy: stats.Accuracy | None) -> None:
    import plotly.graph_objects as go

    from screens.labs.drawing import PALETTE, QUIET, settle

    bins = [each for each in year.calibration if each.rate.reviews >= 5]
    if not bins:
        return
    shares = [each.rate.share or 0.0 for each in bins]
    error = {"type": "data", "symmetric": False, "array": [b.rate.bounds[1] - s for b, s in zip(bins, shares)], "arrayminus": [s - b.rate.bounds[0] for b, s in zip(bins, shares)]}
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dash", "color": QUIET}, name="perfect", hoverinfo="skip"))
    figure.add_scatter(x=[b.predicted for b in bins], y=shares, error_y=error, mode="markers", marker={"size": 10, "color": PALETTE[0]}, name="your reviews")
    settle(figure, x="predicted chance of recall", y="share recalled", height=340)
    off = max(bins, key=lambda b: abs((b.rate.share or 0) - b.predicted))
    says = f"Where the schedule said {off.predicted:.0%}, you recalled {off.rate.share:.0%}: its largest miss in {len(bins)} groups."
    if accuracy:
        verdict = "better than both guesses" if accuracy.helps else "no better than a plain guess yet"
        says += (
            f" Its log loss over {accuracy.reviews} reviews is {accuracy.schedule:.3f}, against {accuracy.constant:.3f} for your average so far and "
            f"{accuracy.moving:.3f} for a moving average (lower is better): {verdict}."
        )
    picture("Predicted against actual", figure, says, "calibration")


def hours(year: stats.Year) -> None:
    from screens.labs.drawing import bars

    if not year.hours:
        return
    labels = [f"{hour}" for hour in range(24)]
    shares = [year.hours[hour].share or 0.0 if hour in year.hours else 0.0 for hour in range(24)]
    figure = bars(labels, shares, x_title="hour of the day", y_title="share passed", height=260)
    enough = {hour: rate for hour, rate in year.hours.items() if rate.reviews >= 20}
    best = max(enough, key=lambda hour: enough[hour].bounds[0]) if enough else None
    says = f"Your surest hour so far is {best}:00 with {enough[best].share:.0%} of {enough[best].reviews} passed." if best is not None else "No hour has twenty reviews yet."
    picture("Hours of the day", figure, says, "hours")


def mastery(learner: int) -> None:
    from screens.parts.prerequisite_map import prerequisite_map

    with store.reading(desk.engine()) as session:
        topics, known = list_topics(session, learner=learner), standings(session, learner=learner)
    titles = {topic.track: desk.track_title(topic.track) for topic in topics}
    words = [known[topic.slug].word if topic.slug in known else "not started" for topic in topics]
    says = f"{words.count('known')} topics are known, {words.count('learning')} being learned, {words.count('not started')} not started."
    picture("Mastery by topic", prerequisite_map(topics, known, titles), says, "mastery")


def one_card(learner: int, at: int) -> None:
    """The forgetting curve of any card, with its real reviews on it."""
    import plotly.graph_objects as go

    from backend.card_search import QueryError, find_cards
    from screens.labs.drawing import PALETTE, settle

    query = st.text_input("Find a card", "rated:365", key="curve-query", max_chars=300, help="Words, or the search language: topic:lora prop:lapses>2")
    with store.reading(desk.engine()) as session:
        try:
            found = [card.id for card in find_cards(session, learner=learner, at=at, query=query)]
        except QueryError as problem:
            st.warning(str(problem))
            return
        deck = read_deck(session, learner=learner, cards=found)
    if not found:
        st.caption("No card matches.")
        return
    card = st.selectbox("Card", found, format_func=lambda i: f"{deck[i].title}: {(deck[i].question.prompt if deck[i].question else i)[:90]}", key="curve-card")
    with store.reading(desk.engine()) as session:
        curve = stats.read_curve(session, learner=learner, card=card, at=at)
    if curve is None:
        st.caption("This card has no reviews yet.")
        return
    figure = go.Figure(go.Scatter(x=curve.days, y=curve.recall, mode="lines", name="chance of recall", line={"color": PALETTE[0], "width": 2.5}))
    for passed, name, symbol, colour in ((True, "recalled", "circle", PALETTE[2]), (False, "forgotten", "x", PALETTE[1])):
        points = [(day, recall) for day, recall, grade in curve.graded if (grade > 1) is passed]
        figure.add_scatter(x=[d for d, _ in points], y=[r for _, r in points], mode="markers", name=name, marker={"size": 11, "symbol": symbol, "color": colour})
    figure.add_vline(x=curve.today, line={"dash": "dot"}, annotation_text="today")
    settle(figure, x="days since the first review", y="chance of recall", height=320)
    passed = sum(grade > 1 for _, _, grade in curve.graded)
    picture("Forgetting curve", figure, f"{len(curve.graded)} reviews, {passed} recalled; the curve goes on {curve.days[-1] - curve.today:.0f} days from today.", "curve")


def workload(learner: int, at: int) -> None:
    from screens.labs.drawing import lines

    if not st.toggle("Simulate other retentions over half a year", key="simulate"):
        return
    points = simulated(learner, at // 3_600_000)
    figure = lines([p.minutes_a_day for p in points], {"cards remembered": [p.remembered for p in points]}, x_title="minutes a day", y_title="cards remembered after 180 days")
    figure.data[0].text = [f"{p.retention:.0%}" for p in points]
    figure.data[0].mode = "lines+markers+text"
    figure.data[0].textposition = "top center"
    best = max(points, key=lambda p: p.remembered / max(p.minutes_a_day, 0.1))
    says = f"Per minute you keep most at {best.retention:.0%}: {best.minutes_a_day:.0f} min a day for {best.remembered:.0f} cards. " + "; ".join(
        f"{p.retention:.0%}: {p.minutes_a_day:.0f} min, {p.remembered:.0f} cards" for p in points
    )
    picture("What another retention would cost", figure, says, "workload")


@st.cache_data(max_entries=16, show_spinner="Simulating half a year ...")
def simulated(learner: int, hour: int) -> list[stats.Workload]:
    with store.reading(desk.engine()) as session:
        return stats.simulate_workload(session, learner=learner, at=hour * 3_600_000, seed=7)


def main() -> None:
    at, learner = store.now(), desk.learner()
    with store.reading(desk.engine()) as session:
        today = stats.read_today(session, learner=learner, at=at)
        year = stats.read_year(session, learner=learner, at=at, days=DAYS)
        counts = stats.read_forecast(session, learner=learner, at=at, days=30)
        memory = stats.read_memory(session, learner=learner, at=at)
        accuracy = stats.read_accuracy(session, learner=learner)
    st.title("Progress", anchor=False)
    if not year.days:
        st.markdown("Nothing has been graded yet: after the first sitting this page shows what you remember, and how well that was predicted.")
        mastery(learner)
        return
    share = year.retention["all"].share
    headline = [f"**{memory.cards}** cards started", f"about **{memory.recall.sum():.0f}** you would recall now", f"**{today.streak.days}** days in a row (longest {today.streak.longest})"]
    if share is not None:
        headline.append(f"**{share:.0%}** of due cards recalled")
    st.markdown(" · ".join(headline))
    parts: dict[str, Callable[[], None]] = {
        "Days": lambda: (calendar(year, today.day), forecast(counts, today.day), hours(year))[0],
        "Memory": lambda: (retention(year), calibration(year, accuracy), distributions(memory))[0],
        "Topics": lambda: mastery(learner),
        "One card": lambda: one_card(learner, at),
        "Workload": lambda: workload(learner, at),
    }
    chosen = st.segmented_control("Part", list(parts), default="Days", key="progress-part", label_visibility="collapsed")
    parts[chosen or "Days"]()


main()
