"""A review log to measure on: a person's own, if REVIEW_LOG names one, or a seeded one of a learner we made up.

The file has the columns card_id, review_rating and review_time (ISO, with its zone). The made-up learner studies in the
evening across midnight UTC, forgets by parameters that are not the defaults, and never presses Hard or Easy.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
from dataclasses import dataclass

import numpy as np

from backend import memory
from backend.memory import Grade
from tests.sample_desk import DAY, HOUR, MINUTE, moment

TRUE_PARAMETERS = (
    0.12, 1.2931, 3.4, 8.2956, 6.7, 0.95, 2.4, 0.01, 1.55, 0.12, 0.62, 1.55, 0.03, 0.40, 1.8, 0.6014, 1.8729, 0.65, 0.15, 0.16, 0.45,
)  # fmt: skip


@dataclass(frozen=True)
class ReviewLog:
    """Rows in the order of time."""

    card: np.ndarray
    at: np.ndarray  # UTC ms
    grade: np.ndarray
    name: str

    def days(self, rollover_hour: int) -> np.ndarray:
        return memory.study_days(self.at, time_zone="UTC", rollover_hour=rollover_hour)


def review_log() -> ReviewLog:
    path = os.environ.get("REVIEW_LOG")
    return read_log(path) if path else made_up_log(seed=1, cards=1200, days=190)


def read_log(path: str) -> ReviewLog:
    with open(path, newline="") as file:
        rows = [
            (int(row["card_id"]), round(dt.datetime.fromisoformat(row["review_time"]).timestamp() * 1000), int(row["review_rating"]))
            for row in csv.DictReader(file)
        ]
    card, at, grade = (np.array(column, np.int64) for column in zip(*sorted(rows, key=lambda row: row[1]), strict=True))
    return ReviewLog(card, at, grade, "REVIEW_LOG")


def made_up_log(*, seed: int, cards: int, days: int, parameters: tuple[float, ...] = TRUE_PARAMETERS) -> ReviewLog:
    """Evenings of a learner with these parameters who follows the default schedule and shows failed cards again until they pass."""
    rng = np.random.default_rng(seed)
    S, D = np.zeros(cards), np.zeros(cards)  # the learner's real memory
    planned_S, planned_D = np.zeros(cards), np.zeros(cards)  # what the schedule believes
    last, due = np.zeros(cards, np.int64), np.full(cards, 1 << 40)
    due[:] = np.sort(rng.integers(0, int(days * 0.7), cards))  # the day on which each is introduced
    begin = moment("2025-03-01 20:30")
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for day in range(days):
        if rng.random() < 0.1:
            continue  # nobody studies every day
        clock = begin + day * DAY + int(rng.integers(-HOUR, 3 * HOUR))
        now = rng.permutation(np.flatnonzero(due <= day))
        for _attempt in range(4):
            if len(now) == 0:
                break
            fresh = S[now] == 0
            recall = np.where(fresh, 0.55, memory.retrievability(S[now], day - last[now], parameters))
            recall = np.where((last[now] == day) & ~fresh, 0.85, recall)  # a second try the same evening
            grade = np.where(rng.random(len(now)) < recall, Grade.GOOD, Grade.AGAIN).astype(np.int64)
            gone = np.where(fresh, 0, day - last[now])
            S[now], D[now] = memory.next_memory(S[now], D[now], gone, grade, parameters)
            planned_S[now], planned_D[now] = memory.next_memory(planned_S[now], planned_D[now], gone, grade)
            last[now] = day
            due[now] = day + memory.whole_interval(planned_S[now], 0.9)
            moments = clock + np.arange(len(now)) * 9_000
            rows.append((now, moments, grade))
            clock = int(moments[-1]) + MINUTE
            now = now[grade == Grade.AGAIN]
    card, at, grade = (np.concatenate(column) for column in zip(*rows, strict=True))
    return ReviewLog(card, at, grade, f"made up, seed {seed}")
