"""How well the memory model predicts, by time split: python -m tests.benchmarks.bench_memory

The log is cut into six parts of equally many predicted reviews; each of the last five is predicted from all before it. Only a
card's first review on a new study day is predicted. Lower log loss and RMSE(bins) are better, higher AUC is better.
REVIEW_LOG names a person's log; without it a seeded one is made up. Also times the fit.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from models import forgetting
from tests.sample_log import ReviewLog, made_up_log, review_log

PARTS = 6


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    p = p.clip(1e-4, 1 - 1e-4)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def rmse_bins(p: np.ndarray, y: np.ndarray, gap: np.ndarray, past: np.ndarray, lapses: np.ndarray) -> float:
    """Bins as in the FSRS benchmark: by the days gone by, the number of reviews and of lapses, each on a growing scale."""

    def scale(x: np.ndarray, first: float, ratio: float) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.where(x > 0, np.round(first * ratio ** np.floor(np.log(np.maximum(x, 1e-9)) / np.log(ratio)), 2), 0.0)

    keys = np.stack([scale(gap, 2.48, 3.62), scale(past, 1.99, 1.89), scale(lapses, 1.65, 1.73)], 1)
    _, where = np.unique(keys, axis=0, return_inverse=True)
    number = np.bincount(where)
    error = np.bincount(where, y) / number - np.bincount(where, p) / number
    return float(np.sqrt(np.sum(number * error**2) / number.sum()))


def auc(p: np.ndarray, y: np.ndarray) -> float:
    _, where, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    n1 = y.sum()
    return float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(y) - n1)))


def bootstrap(better: np.ndarray, worse: np.ndarray, *, seed: int = 0, times: int = 1000) -> tuple[float, float]:
    """The 95 % interval of the mean difference of paired losses."""
    difference = better - worse
    rng = np.random.default_rng(seed)
    means = [difference[rng.integers(0, len(difference), len(difference))].mean() for _ in range(times)]
    return tuple(np.quantile(means, [0.025, 0.975]).tolist())


def rolling_days(log: ReviewLog, order: np.ndarray) -> np.ndarray:
    """A day number whose differences within a card are whole days of 24 hours since the card's review before."""
    card, at = log.card[order], log.at[order]
    same = np.r_[False, card[1:] == card[:-1]]
    return np.cumsum(np.where(same, np.diff(at, prepend=at[0]) // 86_400_000, 0))


def measure(log: ReviewLog, rollover_hour: int) -> None:
    day = log.days(rollover_hour)
    order = np.lexsort((np.arange(len(log.at)), day, np.unique(log.card, return_inverse=True)[1]))
    card, days, grade = log.card[order], day[order], log.grade[order]
    counted = forgetting.predicted_rows(card, days)
    y_all = (grade > 1).astype(float)
    begins = np.flatnonzero(np.r_[True, card[1:] != card[:-1]])
    first = np.repeat(begins, np.diff(np.r_[begins, len(card)]))
    past = np.arange(len(card)) - first
    before = np.cumsum(1 - y_all) - (1 - y_all)
    lapses, gap = before - before[first], np.diff(days, prepend=days[0])
    rolling = rolling_days(log, order)

    moments = np.sort(order[counted])
    borders = [0, *(int(moments[len(moments) * part // PARTS]) for part in range(1, PARTS)), len(order)]
    found: dict[str, list[np.ndarray]] = {}
    tests: list[np.ndarray] = []
    for part in range(1, PARTS):
        train, test = order < borders[part], np.flatnonzero(counted & (order >= borders[part]) & (order < borders[part + 1]))
        test = test[np.argsort(order[test])]
        tests.append(test)
        known = np.flatnonzero(counted & train)
        known = known[np.argsort(order[known])]
        running, moving = float(y_all[known].mean()), []
        for outcome in np.r_[y_all[known], y_all[test]]:  # follows the last hundred or so
            moving.append(running)
            running += 0.01 * (outcome - running)
        for name, predicted in {
            "constant average": np.full(len(test), y_all[known].mean()),
            "moving average": np.array(moving[len(known) :]),
            "FSRS-6, defaults": forgetting.predictions(card, days, grade, forgetting.DEFAULTS)[test],
            "FSRS-6, fitted": forgetting.predictions(card, days, grade, forgetting.fit_parameters(card[train], days[train], grade[train]))[test],
            "rolling 24 hours, fitted": forgetting.predictions(
                card, rolling, grade, forgetting.fit_parameters(card[train], rolling[train], grade[train])
            )[test],
        }.items():
            found.setdefault(name, []).append(predicted)
    test = np.concatenate(tests)
    y = y_all[test]
    print(f"\n{log.name}, study days begin at {rollover_hour:02d}:00 UTC, n = {len(test)}")
    print(f"{'':26}{'log loss':>10}{'RMSE(bins)':>12}{'AUC':>8}")
    losses = {}
    for name, parts in found.items():
        p = np.concatenate(parts)
        clipped = p.clip(1e-4, 1 - 1e-4)
        losses[name] = -np.where(y == 1, np.log(clipped), np.log1p(-clipped))
        print(f"{name:26}{log_loss(p, y):10.4f}{rmse_bins(p, y, gap[test], past[test], lapses[test]):12.4f}{auc(p, y):8.4f}")
    low, high = bootstrap(losses["FSRS-6, fitted"], losses["FSRS-6, defaults"])
    print(f"fitted minus defaults, log loss: {(losses['FSRS-6, fitted'] - losses['FSRS-6, defaults']).mean():+.4f} (95 %: {low:+.4f} to {high:+.4f})")


def time_fit(log: ReviewLog) -> None:
    begin, worked = time.perf_counter(), time.process_time()
    fit = forgetting.fit(log.card, log.days(8), log.grade)
    took, worked = time.perf_counter() - begin, time.process_time() - worked
    print(f"fit of {len(log.at)} reviews ({log.name}): {took:.2f} s, {worked:.2f} s of one core. {fit.says}")


if __name__ == "__main__":
    torch.set_num_threads(1)  # the arrays of one step are small: a second thread would only wait
    log = review_log()
    for rollover_hour in (0, 8):
        measure(log, rollover_hour)
    time_fit(log)
    time_fit(made_up_log(seed=2, cards=11_000, days=210))
