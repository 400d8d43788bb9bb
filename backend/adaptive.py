"""A quiz that follows its learner: two right answers in a row make the next question harder, a wrong one easier."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from backend.quiz import ASKABLE, WEIGHTS, Drawn, Setup, Stock, eligible

FIRST_LEVEL = 2


def level_after(scores: Sequence[float]) -> int:
    """The level of the next question, 1 to 3, after these scores in their order."""
    level, run = FIRST_LEVEL, 0
    for score in scores:
        run = run + 1 if score >= 1 else 0
        if score < 1:
            level = max(level - 1, 1)
        elif run == 2:
            level, run = min(level + 1, 3), 0
    return level


def next_drawn(stock: Stock, setup: Setup, answered: Sequence[tuple[str, str, float]], asked: Sequence[tuple[str, str]]) -> Drawn | None:
    """The next question: of the level that the answers lead to, or the nearest there is, from the topic that came up least."""
    used = {card for card, _ in asked}
    blocks = {item.block for item in stock.items if item.id in used}
    pool = [item for item in eligible(stock, replace(setup, level=0)) if item.block not in blocks]
    if not pool:
        return None
    rng = random.Random(setup.seed * 1009 + len(asked))
    level, topics = level_after([score for _, _, score in answered]), Counter(topic for _, topic in asked)
    best = min((abs(item.level - level), topics[item.topic]) for item in pool)
    nearest = [item for item in pool if (abs(item.level - level), topics[item.topic]) == best]
    forms = sorted({item.form for item in nearest})
    form = rng.choices(forms, [WEIGHTS[form] for form in forms])[0]
    item = rng.choice([item for item in nearest if item.form == form])
    return Drawn(item, rng.randrange(2**31), item.form not in set(setup.forms or ASKABLE))
