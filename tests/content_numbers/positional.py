"""Positional encoding: every number card and worked example, computed again."""

import cmath
import math
from collections import Counter


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


def euler(velocity, start, step, until):
    path, p = [], start
    for _ in range(round(until / step)):
        p += step * velocity(p)
        path.append(p)
    return path


def iterated(transition, start, steps):
    p = start
    for _ in range(steps):
        p = transition(p)
    return p


def recursive_position_encoding():
    coarse, fine = (euler(lambda p: 1 - p, 0, step, 1) for step in (0.5, 0.25))
    return [
        f"{1 - math.exp(-1):.3f}", f"gives {coarse[0]:g} and then {coarse[1]:g}",
        "{:.3f}, {:.3f}, {:.3f} and {:.3f}".format(*fine),
        f"| {4096 * 64:,} | {4096 - 1} |", f"| {64 * 64 + 64:,} |",
    ]


def clipped_offset(query, key, k):
    return max(-k, min(k, key - query))


def shaw_score(query, key, relative):
    return sum(q * (c + a) for q, c, a in zip(query, key, relative)) / math.sqrt(len(query))


def relative_position_shaw():
    rows = [f"| {i} | " + " | ".join(str(clipped_offset(i, j, 2)) for j in range(1, 6)) + " |" for i in range(1, 6)]
    query, key = (1, 2), (1, 0)
    return [*rows, f"$ {shaw_score(query, key, (0, 0)):.3f}", f"$ {shaw_score(query, key, (0, 0.5)):.3f}"]


def t5_bucket(distance, buckets=16, farthest=128):
    """The bucket within one direction of T5's encoder."""
    exact = buckets // 2
    if distance < exact:
        return distance
    return min(buckets - 1, exact + int(math.log(distance / exact) / math.log(farthest / exact) * (buckets - exact)))


def alibi_slopes(heads):
    return [2 ** (-8 * head / heads) for head in range(1, heads + 1)]


def relative_position_bias():
    distances = (0, 7, 8, 12, 16, 32, 64, 128, 1000)
    slopes = alibi_slopes(8)
    weights = softmax([-slopes[0] * distance for distance in range(4)])
    return [
        "| distance | " + " | ".join(map(str, distances)) + " |",
        "| bucket | " + " | ".join(str(t5_bucket(distance)) for distance in distances) + " |",
        "{:.3f}, {:.3f}, {:.3f} and {:.3f}".format(*weights), f"takes {6000 * slopes[-1]:.1f} off",
    ]


def yarn_factor(stretch):
    return 0.1 * math.log(stretch) + 1


def length_extrapolation():
    stretch = 8192 / 2048
    base = ntk_base(10_000, stretch, 128)
    assert math.isclose(frequencies(128)[-1] / frequencies(128, base)[-1], stretch)
    return [
        f"position 6000 as {6000 / stretch:g}", f"differ by {1 / stretch:g} radians", f"the base to {base:,.0f}:",
        f"from {frequencies(128)[-1]:.7f} to {frequencies(128, base)[-1]:.7f}",
        f"by {yarn_factor(stretch):.3f}, so the scores by {yarn_factor(stretch) ** 2:.3f}",
    ]


NUMBERS = {
    "recursive-position-encoding-euler": lambda: euler(lambda p: 1 - p, 0, 0.5, 1)[-1],
    "recursive-position-encoding-iterate": lambda: iterated(lambda p: 0.5 * p + 1, 0, 3),
    "recursive-position-encoding-affine-weights": lambda: 64 * 64 + 64,
    "relative-position-shaw-q04": lambda: len({clipped_offset(0, key, 4) for key in range(-100, 101)}),
    "relative-position-shaw-clip-index": lambda: clipped_offset(7, 3, 2),
    "relative-position-shaw-example-score": lambda: shaw_score((1, 2), (1, 0), (0, 0.5)),
    "relative-position-shaw-naive-memory": lambda: 1024**2 * 64 * 4 / 2**20,
    "relative-position-bias-q06": lambda: list(Counter(map(t5_bucket, range(129))).values()).count(1),
    "relative-position-bias-bucket-20": lambda: t5_bucket(20),
    "relative-position-bias-slope-16": lambda: alibi_slopes(16)[0],
    "relative-position-bias-penalty": lambda: 6000 * alibi_slopes(8)[-1],
    "relative-position-bias-two-keys": lambda: softmax([0, -alibi_slopes(8)[0] * 2])[0],
    "length-extrapolation-q02": lambda: 2048 / 8192,
    "length-extrapolation-ntk-base": lambda: ntk_base(10_000, 2, 64),
    "length-extrapolation-yarn-temperature": lambda: yarn_factor(4) ** 2,
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
    "recursive-position-encoding": recursive_position_encoding,
    "relative-position-shaw": relative_position_shaw,
    "relative-position-bias": relative_position_bias,
    "length-extrapolation": length_extrapolation,
    "positional-encoding-overview": positional_encoding_overview,
    "sinusoidal-encoding": sinusoidal_encoding,
    "learned-position-embedding": learned_position_embedding,
    "rotary-position-embedding": rotary_position_embedding,
}
