"""Progress: what is remembered, measured.

Who sits here: a learner after some weeks, asking "is it working?". In the first ten seconds they want one honest number and
the shape of the coming days. Anki has the most complete statistics; here each picture also says in a sentence what it shows,
has its table behind it, and the schedule is compared with guesses that know nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import numpy as np
import streamlit as st

from backend import stats, store
from backend.deck import read_deck
from backend.topics import list_topics, standings
from screens.parts import desk
from screens.parts.forgetting_curve import draw_curve

EPOCH = date(1970, 1, 1)  # study day 0
DAYS = 365


def day_of(number: int) -> date:
    return EPOCH + timedelta(days=number)


def picture(title: str, figure: object, says: str, key: str) -> None:
    from screens.parts.figure_box import draw_figure

    st.markdown(says)
    draw_figure(title, figure, says=says, key=key)


def calendar(year: stats.Year, today: int) -> None:
    from screens.labs.drawing import axis, figure

    reviews = {day.day: day.reviews for day in year.days}
    last_monday, weeks = today - day_of(today).weekday(), 53
    grid = np.full((7, weeks), np.nan, np.float32)
    words = [["" for _ in range(weeks)] for _ in range(7)]
    for week in range(weeks):
        for weekday in range(7):
            day = last_monday - 7 * (weeks - 1 - week) + weekday
            if day <= today:
                grid[weekday, week] = reviews.get(day, 0)
                words[weekday][week] = f"{day_of(day):%d %b %Y}: {reviews.get(day, 0)} reviews"
    scale = [[0, "rgba(128,136,146,.14)"], [0.001, "#bfe3dd"], [0.5, "#3ba394"], [1, "#075e56"]]
    trace = {"type": "heatmap", "z": grid, "text": words, "hovertemplate": "%{text}<extra></extra>", "colorscale": scale, "zmin": 0}
    trace |= {"xgap": 2, "ygap": 2, "showscale": False}
    months = {week: f"{day_of(last_monday - 7 * (weeks - 1 - week)):%b}" for week in range(0, weeks, 5)}
    drawn = figure([trace], x=axis(ticks=months), y=axis(ticks={0: "Mon", 2: "Wed", 4: "Fri", 6: "Sun"}, down=True), height=190)
    picture("A year of days", drawn, f"{sum(reviews.values())} reviews on {len(reviews)} days of the last {DAYS}.", "calendar")


def forecast(counts: list[int], today: int) -> None:
    from screens.labs.drawing import axis, bars

    days = [f"{day_of(today + n):%d %b}" for n in range(len(counts))]
    drawn = bars(days, counts, x_axis=axis("day"), y_axis=axis("reviews due"), height=260)
    most = int(np.argmax(counts))
    fullest = f"the fullest is {day_of(today + most):%d %B} with {counts[most]}"
    says = f"{sum(counts)} reviews are due in the next {len(counts)} days; {fullest}." if sum(counts) else "Nothing is scheduled yet."
    picture("What is coming", drawn, says, "forecast")


def interval_bars(rates: list[stats.Rate]) -> dict[str, object]:
    """Plotly's error bars for shares with their 95 % intervals."""
    shares = [rate.share or 0.0 for rate in rates]
    above = [rate.bounds[1] - share for rate, share in zip(rates, shares)]
    below = [share - rate.bounds[0] for rate, share in zip(rates, shares)]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def retention(year: stats.Year) -> None:
    from screens.labs.drawing import PALETTE, axis, figure

    rates = {name: year.retention[name] for name in ("young", "mature", "all") if name in year.retention and year.retention[name].reviews}
    if not rates:
        return
    shares = [rate.share for rate in rates.values()]
    trace = {"type": "scatter", "x": list(rates), "y": shares, "error_y": interval_bars(list(rates.values())), "mode": "markers"}
    trace["marker"] = {"size": 14, "color": PALETTE[2]}
    lowest = min(0.5, *(rate.bounds[0] for rate in rates.values()))
    wanted = year.desired_retention
    drawn = figure([trace], x=axis(), y=axis("share recalled", span=(lowest, 1)), height=280, across=[(wanted, f"wanted {wanted:.0%}")])
    low, high = rates["all"].bounds
    says = (
        f"You recalled {rates['all'].share:.0%} of {rates['all'].reviews} due cards (95 % interval {low:.0%} to {high:.0%}); "
        f"you asked for {wanted:.0%}. Mature cards are those with an interval of three weeks or more."
    )
    picture("True retention", drawn, says, "retention")


def distributions(memory: stats.MemoryNow) -> None:
    from screens.labs.drawing import axis, histogram

    if not memory.cards:
        return
    logged = np.log10(np.maximum(memory.stability, 0.1))
    days = axis("stability in days", ticks={-1: "0.1", 0: "1", 1: "10", 2: "100", 3: "1000"})
    drawn = histogram(logged, bins=24, span=(-1, 3.5), x_axis=days, y_axis=axis("share of cards"))
    middle = float(np.median(memory.stability))
    picture("How long memories last", drawn, f"Half of your {memory.cards} started cards fade to 90 % only after {middle:.0f} days or more.", "stability")
    drawn = histogram(memory.difficulty, bins=18, span=(1, 10), x_axis=axis("difficulty, 1 to 10"), y_axis=axis("share of cards"), colour=1)
    picture("How hard the cards are", drawn, f"The middle difficulty is {np.median(memory.difficulty):.1f} of 10.", "difficulty")


def calibration(year: stats.Year, accuracy: stats.Accuracy | None) -> None:
    from screens.labs.drawing import PALETTE, QUIET, axis, figure

    bins = [each for each in year.calibration if each.rate.reviews >= 5]
    if not bins:
        return
    perfect = {"type": "scatter", "x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"dash": "dash", "color": QUIET}, "name": "perfect", "hoverinfo": "skip"}
    real = {"type": "scatter", "x": [b.predicted for b in bins], "y": [b.rate.share for b in bins], "error_y": interval_bars([b.rate for b in bins])}
    real |= {"mode": "markers", "marker": {"size": 10, "color": PALETTE[0]}, "name": "your reviews"}
    drawn = figure([perfect, real], x=axis("predicted chance of recall"), y=axis("share recalled"), height=340)
    off = max(bins, key=lambda b: abs((b.rate.share or 0) - b.predicted))
    says = f"Where the schedule said {off.predicted:.0%}, you recalled {off.rate.share:.0%}: its largest miss in {len(bins)} groups."
    if accuracy:
        verdict = "better than both guesses" if accuracy.helps else "no better than a plain guess yet"
        says += (
            f" Its log loss over {accuracy.reviews} reviews is {accuracy.schedule:.3f}, against {accuracy.constant:.3f} for your average so far and "
            f"{accuracy.moving:.3f} for a moving average (lower is better): {verdict}."
        )
    picture("Predicted against actual", drawn, says, "calibration")


def hours(year: stats.Year) -> None:
    from screens.labs.drawing import axis, bars

    if not year.hours:
        return
    shares = [(year.hours[hour].share or 0.0) if hour in year.hours else 0.0 for hour in range(24)]
    drawn = bars([f"{hour}" for hour in range(24)], shares, x_axis=axis("hour of the day"), y_axis=axis("share passed"), height=260)
    enough = {hour: rate for hour, rate in year.hours.items() if rate.reviews >= 20}
    if enough:
        best = max(enough, key=lambda hour: enough[hour].bounds[0])
        says = f"Your surest hour so far is {best}:00 with {enough[best].share:.0%} of {enough[best].reviews} passed."
    else:
        says = "No hour has twenty reviews yet."
    picture("Hours of the day", drawn, says, "hours")


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
    from backend.card_search import QueryError, find_cards

    query = st.text_input("Find a card", "rated:365", key="curve-query", max_chars=300, help="Words, or the search language: topic:lora prop:lapses>2")
    with store.reading(desk.engine()) as session:
        try:
            found = [card.card for card in find_cards(session, learner=learner, at=at, query=query)]
        except QueryError as problem:
            st.warning(str(problem))
            return
        deck = read_deck(session, learner=learner, cards=found)
    if not found:
        st.caption("No card matches.")
        return

    def label(card: str) -> str:
        question = deck[card].question
        return f"{deck[card].title}: {(question.prompt if question else card)[:90]}"

    card = st.selectbox("Card", found, format_func=label, key="curve-card") or found[0]
    draw_curve(learner=learner, card=card, at=at)


def workload(learner: int, at: int) -> None:
    from screens.labs.drawing import axis
    from screens.labs.drawing import points as scatter

    if not st.toggle("Simulate other retentions over half a year", key="simulate"):
        return
    points = simulated(learner, at // 3_600_000)
    minutes, kept, words = [p.minutes_a_day for p in points], [p.remembered for p in points], [f"{p.retention:.0%}" for p in points]
    drawn = scatter(minutes, kept, words=words, x_axis=axis("minutes a day"), y_axis=axis("cards remembered after 180 days"))
    best = max(points, key=lambda p: p.remembered / max(p.minutes_a_day, 0.1))
    says = f"Per minute you keep most at {best.retention:.0%}: {best.minutes_a_day:.0f} min a day for {best.remembered:.0f} cards. " + "; ".join(
        f"{p.retention:.0%}: {p.minutes_a_day:.0f} min, {p.remembered:.0f} cards" for p in points
    )
    picture("What another retention would cost", drawn, says, "workload")


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
    parts: dict[str, list[Callable[[], None]]] = {
        "Days": [partial(calendar, year, today.day), partial(forecast, counts, today.day), partial(hours, year)],
        "Memory": [partial(retention, year), partial(calibration, year, accuracy), partial(distributions, memory)],
        "Topics": [partial(mastery, learner)],
        "One card": [partial(one_card, learner, at)],
        "Workload": [partial(workload, learner, at)],
    }
    chosen = st.segmented_control("Part", list(parts), default="Days", key="progress-part", label_visibility="collapsed")
    for draw in parts[chosen or "Days"]:
        draw()


main()
