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


def softmax(scores):
    weights = [math.exp(s) for s in scores]
    return [w / sum(weights) for w in weights]


def identity_attention(tokens, causal):
    """Attention with identity projections: every token is its own query, key and value."""
    d, outputs = len(tokens[0]), []
    for i, query in enumerate(tokens):
        visible = tokens[: i + 1] if causal else tokens
        weights = softmax([sum(a * b for a, b in zip(query, key)) / math.sqrt(d) for key in visible])
        outputs.append([sum(w * value[c] for w, value in zip(weights, visible)) for c in range(d)])
    return outputs


def mean(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors)]


def positional_encoding_overview():
    a, b = (1, 0), (0, 1)
    first, second = identity_attention([a, b], causal=False)
    pooled = [mean(identity_attention(order, causal=True)) for order in ([a, b], [b, a])]
    assert mean([first, second]) == mean(identity_attention([b, a], causal=False))
    vectors = [first, second, *pooled]
    return [*(f"({x:.3f}, {y:.3f})" for x, y in vectors), f"weights are {first[0]:.3f} and {first[1]:.3f}"]


def sinusoid(position, d):
    return [f(position * omega) for omega in frequencies(d) for f in (math.sin, math.cos)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def sinusoidal_encoding():
    rows = ["| " + " | ".join([str(p), *(f"{x:.3f}" for x in sinusoid(p, 4))]) + " |" for p in (0, 1, 3)]
    dots = [f"{dot(sinusoid(k, 4), sinusoid(0, 4)):.3f}" for k in range(5)]
    return [*rows, ", ".join(dots[:4]) + " and " + dots[4]]


def stretched(values, length):
    """Linear interpolation with both ends kept."""
    out = []
    for row in range(length):
        place = row * (len(values) - 1) / (length - 1)
        left = min(int(place), len(values) - 2)
        out.append(values[left] + (place - left) * (values[left + 1] - values[left]))
    return out


def learned_position_embedding():
    table = stretched([0, 2, 6, 4], 7)
    return [f"it becomes {', '.join(f'{value:g}' for value in table)}:", f"| {(224 // 16) ** 2 + 1} | 768 |"]


NUMBERS = {
    "positional-encoding-overview-causal-mean": lambda: mean(identity_attention([(1, 0), (0, 1)], causal=True))[0],
    "sinusoidal-encoding-length": lambda: dot(sinusoid(17, 512), sinusoid(17, 512)),
    "sinusoidal-encoding-dot": lambda: dot(sinusoid(5, 4), sinusoid(4, 4)),
    "learned-position-embedding-q02": lambda: 1024 * 768,
    "learned-position-embedding-vit-rows": lambda: (448 // 16) ** 2 + 1,
    "learned-position-embedding-stretch": lambda: stretched([0, 4, 2], 5)[3],
    "rotary-position-embedding-q05": lambda: frequencies(4)[1],
    "rotary-position-embedding-score-d2": lambda: rope_score([1, 0], [1, 0], 7, 4),
    "rotary-position-embedding-ntk-base": lambda: ntk_base(10_000, 32_768 / 4096, 128),
}

EXAMPLES = {
    "positional-encoding-overview": positional_encoding_overview,
    "sinusoidal-encoding": sinusoidal_encoding,
    "learned-position-embedding": learned_position_embedding,
    "rotary-position-embedding": rotary_position_embedding,
}
