"""Positional encoding: every number card and worked example, computed again."""

import cmath
import math


def frequencies(d, base=10_000):
    return [base ** (-2 * i / d) for i in range(d // 2)]


def rope_score(q, k, m, n, base=10_000):
    """q and k as flat lists of neighbouring pairs; each pair is one complex number that is turned by position times frequency."""
    total = 0.0
    for i, theta in enumerate(frequencies(len(q), base)):
        turned_q = complex(*q[2 * i : 2 * i + 2]) * cmath.exp(1j * m * theta)
        turned_k = complex(*k[2 * i : 2 * i + 2]) * cmath.exp(1j * n * theta)
        total += (turned_q * turned_k.conjugate()).real
    return total


def ntk_base(base, stretch, d):
    return base * stretch ** (d / (d - 2))


def rotary_position_embedding():
    q, k = [1, 0, 1, 0], [0, 1, 1, 0]
    rows = [f"| {m} | {n} | {n - m} | {rope_score(q, k, m, n):.3f} |" for m, n in ((3, 1), (103, 101), (1, 3))]
    turns = [2 * math.pi / theta for theta in frequencies(128)]
    return [*rows, f"about {turns[-1]:,.0f} tokens", f"{sum(turn > 4096 for turn in turns)} of the 64 pairs"]


NUMBERS = {
    "rotary-position-embedding-q05": lambda: frequencies(4)[1],
    "rotary-position-embedding-score-d2": lambda: rope_score([1, 0], [1, 0], 7, 4),
    "rotary-position-embedding-ntk-base": lambda: ntk_base(10_000, 32_768 / 4096, 128),
}

EXAMPLES = {
    "rotary-position-embedding": rotary_position_embedding,
}
