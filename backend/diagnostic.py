"""Where a newcomer stands: twenty questions over the graph of prerequisites, and a plan from what they show.

Each topic carries the odds that it is known. An answer moves the odds of its topic; a right one also speaks for what the
topic rests on, a wrong one against what rests on it, less with every step, and either tells a little about the rest of its
track and of the house. The next question goes where it tells most: a topic still open, with many open ones around it.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from backend.quiz import Drawn, Item, Setup, Stock, eligible

KNOWS, GUESSES = 0.9, 0.25  # the chance of a right answer with and without the knowledge; one of four options is a guess
PRIOR = 0.4
FADE = 0.7  # how much an answer tells about a topic one step away
SAME_TRACK, ELSEWHERE = 0.3, 0.08  # and about topics that no chain of prerequisites joins: who knows one often knows the others
SKIP = 0.75  # from here on a topic can be skipped
FORMS = ("choice", "term", "number", "match", "order", "error", "gap", "prose")  # what is graded exactly and quickly comes first
READING_MINUTES, CARD_MINUTES = 12, 0.7


@dataclass(frozen=True)
class Placement:
    """What twenty answers say about every topic."""

    known: Mapping[str, float]  # topic -> the chance that it is known
    skip: tuple[str, ...]
    start: tuple[str, ...]  # open topics whose prerequisites can be skipped, in the order of the tracks
    rest: tuple[str, ...]  # all that is to be learned, prerequisites first


@dataclass(frozen=True, slots=True)
class StudyDay:
    day: date
    topics: tuple[str, ...]
    minutes: int


@dataclass(frozen=True)
class Graph:
    """What rests on what, and which topics belong together."""

    needs: Mapping[str, Sequence[str]]
    tracks: Mapping[str, str]

    def reach(self, topic: str, *, right: bool) -> dict[str, float]:
        """How much a right or a wrong answer on a topic tells about each: 1 about itself."""
        told = {other: SAME_TRACK if self.tracks.get(other) == self.tracks.get(topic) else ELSEWHERE for other in self.needs}
        return told | {other: FADE**steps for other, steps in _within(self.needs if right else self.leads, topic).items()}

    @cached_property
    def leads(self) -> dict[str, list[str]]:
        return _turned(self.needs)


def beliefs(graph: Graph, answers: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Topic -> the chance that it is known, after these answers (topic, score)."""
    odds = {topic: math.log(PRIOR / (1 - PRIOR)) for topic in graph.needs}
    right, wrong = math.log(KNOWS / GUESSES), math.log((1 - KNOWS) / (1 - GUESSES))
    for topic, score in answers:
        if topic in odds:
            weight = score * right + (1 - score) * wrong
            for other, told in graph.reach(topic, right=weight > 0).items():
                odds[other] += weight * told
    return {topic: 1 / (1 + math.exp(-value)) for topic, value in odds.items()}


def next_topic(graph: Graph, known: Mapping[str, float], asked: Iterable[str], *, askable: Iterable[str]) -> str | None:
    """The topic whose answer would tell most; one that was asked already only when none is left."""
    seen = set(asked)
    open_topics = [topic for topic in askable if topic in known]
    fresh = [topic for topic in open_topics if topic not in seen] or open_topics
    unsure = {topic: p * (1 - p) for topic, p in known.items()}

    def tells(topic: str) -> float:
        p = known[topic]
        below = sum(unsure[other] * told for other, told in graph.reach(topic, right=True).items())
        above = sum(unsure[other] * told for other, told in graph.reach(topic, right=False).items())
        return unsure[topic] * (p * below + (1 - p) * above)

    return max(fresh, key=tells, default=None)


def next_drawn(stock: Stock, setup: Setup, answered: Sequence[tuple[str, str, float]], asked: Sequence[tuple[str, str]]) -> Drawn | None:
    """The next question. `answered` is (card, topic, score), `asked` (card, topic) of all that were put so far."""
    by_topic: dict[str, list[Item]] = defaultdict(list)
    used = {card for card, _ in asked}
    for item in eligible(stock, Setup()):
        if item.id not in used and item.form in FORMS:
            by_topic[item.topic].append(item)
    graph = Graph(stock.needs, stock.tracks)
    known = beliefs(graph, [(topic, score) for _, topic, score in answered])
    topic = next_topic(graph, known, [topic for _, topic in asked], askable=by_topic)
    if topic is None:
        return None
    rng = random.Random(setup.seed * 1009 + len(asked))
    best = min(FORMS.index(item.form) for item in by_topic[topic])
    return Drawn(rng.choice([item for item in by_topic[topic] if FORMS.index(item.form) == best]), rng.randrange(2**31))


def place(graph: Graph, answers: Iterable[tuple[str, float]]) -> Placement:
    """What can be skipped, where to start, and everything that is left, prerequisites first."""
    needs, known = graph.needs, beliefs(graph, answers)
    skip = tuple(topic for topic in needs if known[topic] >= SKIP)
    passed = set(skip)
    rest = _in_order(needs, [topic for topic in needs if topic not in passed])
    start = tuple(topic for topic in rest if all(need in passed for need in needs[topic] if need in needs))
    return Placement(known, skip, start, rest)


def study_plan(rest: Sequence[str], cards: Mapping[str, int], *, first: date, last: date) -> list[StudyDay]:
    """The topics spread over the days from the first to the last, in order, as evenly as their length allows."""
    days = max((last - first).days + 1, 1)
    costs = [READING_MINUTES + CARD_MINUTES * cards.get(topic, 0) for topic in rest]
    total, done = sum(costs), 0.0
    by_day: dict[int, list[tuple[str, float]]] = defaultdict(list)
    for topic, cost in zip(rest, costs):
        by_day[min(int((done + cost / 2) / total * days), days - 1)].append((topic, cost))
        done += cost
    return [StudyDay(first + timedelta(days=day), tuple(t for t, _ in found), round(sum(c for _, c in found))) for day, found in sorted(by_day.items())]


def _turned(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    leads: dict[str, list[str]] = {topic: [] for topic in needs}
    for topic, needed in needs.items():
        for need in needed:
            if need in leads:
                leads[need].append(topic)
    return leads


def _within(graph: Mapping[str, Sequence[str]], topic: str) -> dict[str, int]:
    """Everything that can be reached from a topic, with the number of steps; the topic itself at 0."""
    steps, waiting = {topic: 0}, [topic]
    for here in waiting:
        for other in graph.get(here, ()):
            if other in graph and other not in steps:
                steps[other] = steps[here] + 1
                waiting.append(other)
    return steps


def _in_order(needs: Mapping[str, Sequence[str]], topics: Sequence[str]) -> tuple[str, ...]:
    """Prerequisites before what rests on them; otherwise as they came."""
    wanted, found = set(topics), dict[str, None]()

    def visit(topic: str, above: frozenset[str]) -> None:
        for need in needs.get(topic, ()):
            if need in wanted and need not in found and need not in above:
                visit(need, above | {topic})
        found.setdefault(topic)

    for topic in topics:
        visit(topic, frozenset())
    return tuple(found)
