"""Evaluation: every number card and worked example, computed again."""

from math import comb, exp, log, log10, sqrt


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


def expected(rating, other):
    return 1 / (1 + 10 ** ((other - rating) / 400))


def played(rating, other, score, step=32):
    """Both ratings after one game in which the first player scored `score`."""
    change = step * (score - expected(rating, other))
    return rating + change, other - change


def bradley_terry_gap(wins, losses):
    gap = 0.0
    for _ in range(200):  # gradient ascent on the log-likelihood of the logistic model
        gap += wins / (wins + losses) - 1 / (1 + exp(-gap))
    return gap


def votes_needed(elo, deviations):
    return (deviations * 0.5 / (expected(elo, 0) - 0.5)) ** 2


def arena_and_judges():
    first_win, first_loss = played(1000, 1000, 1), played(1000, 1000, 0)
    gap = bradley_terry_gap(3, 1)
    return [
        f"to {first_win[0]:.0f} and B falls to {first_win[1]:.0f}", f"expected to score {expected(*first_win):.3f}",
        f"={played(*first_win, 0)[0]:.1f}$, below B", f"A ends at {played(*first_loss, 1)[0]:.1f}",
        f"={gap:.3f}$", f"={400 * gap / log(10):.0f}$ points", f"0.7597)={played(1200, 1000, 0)[0]:.1f}", f"gives: {played(1200, 1000, 0)[1]:.1f}",
        f"={400 * log10(3):.1f}$", f"rate is {expected(20, 0):.4f}", f"about {round(votes_needed(20, 1.96 + 0.8416), -1):.0f}",
    ]


NUMBERS = {
    "benchmarks-and-metrics-pass-two": lambda: pass_at(2, samples=10, correct=3),
    "benchmarks-and-metrics-maj-three": lambda: majority(0.6, 3),
    "benchmarks-and-metrics-q04": lambda: 100 * standard_error(0.7, 200),
    "arena-and-judges-q01": lambda: expected(1200, 1000),
    "arena-and-judges-q02": lambda: played(1200, 1000, 0)[0],
    "arena-and-judges-gap-from-wins": lambda: 400 * bradley_terry_gap(3, 1) / log(10),
    "arena-and-judges-q06": lambda: votes_needed(20, 1.96),
}

EXAMPLES = {
    "benchmarks-and-metrics": benchmarks_and_metrics,
    "arena-and-judges": arena_and_judges,
}
