"""Evaluation: every number card and worked example, computed again."""

from math import comb, sqrt


def pass_at(k, *, samples, correct):
    return 1 - comb(samples - correct, k) / comb(samples, k)


def standard_error(accuracy, items):
    return sqrt(accuracy * (1 - accuracy) / items)


def majority(right, votes):
    return sum(comb(votes, c) * right**c * (1 - right) ** (votes - c) for c in range(votes // 2 + 1, votes + 1))


def naive_pass_mean(k, *, samples, rate):
    chance = [comb(samples, c) * rate**c * (1 - rate) ** (samples - c) for c in range(samples + 1)]
    return sum(p * (1 - (1 - c / samples) ** k) for c, p in enumerate(chance))


def benchmarks_and_metrics():
    return [
        f"{standard_error(0.7, 200):.4f}", f"{196 * standard_error(0.7, 200):.1f} points to either side",
        f"{100 * standard_error(0.7, 14042):.2f} points", f"{100 * standard_error(0.8, 30):.1f} points",
        f"averages {naive_pass_mean(5, samples=10, rate=0.3):.2f}", f"1-0.7^5={1 - 0.7**5:.2f}",
        f"about {pass_at(5, samples=10, correct=3):.3f}", f"1-{comb(7, 5)}/{comb(10, 5)}",
    ]


NUMBERS = {
    "benchmarks-and-metrics-pass-two": lambda: pass_at(2, samples=10, correct=3),
    "benchmarks-and-metrics-maj-three": lambda: majority(0.6, 3),
    "benchmarks-and-metrics-q04": lambda: 100 * standard_error(0.7, 200),
}

EXAMPLES = {
    "benchmarks-and-metrics": benchmarks_and_metrics,
}
