"""What an attempt came to, and how attempts go over time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from backend.attempts import Sheet, Sitting
from backend.questions import Form
from backend.statements import Statement

CHANCE = {1: 0.35, 2: 0.65, 3: 0.95}  # what "guess", "think so" and "sure" are taken to mean
CONFIDENCE_WORDS = {1: "guess", 2: "think so", 3: "sure"}


@dataclass(frozen=True, slots=True)
class Tally:
    name: str
    asked: int
    score: float  # the sum of scores

    @property
    def share(self) -> float:
        return self.score / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Misconception:
    """A wrong option that was taken: what it says, and why it is wrong."""

    name: str
    why: str
    topic: str
    cost: float


@dataclass(frozen=True)
class Calibration:
    lines: tuple[tuple[int, int, float], ...]  # confidence, how many answers, the sum of their scores
    brier: float | None  # mean squared distance between what was claimed and what came; 0 is perfect, 0.25 is a coin

    @property
    def answers(self) -> int:
        return sum(count for _, count, _ in self.lines)


@dataclass(frozen=True)
class Result:
    asked: int
    answered: int
    score: float
    waiting: int  # prose that its learner still has to judge
    milliseconds: int
    by_topic: tuple[Tally, ...]  # weakest first
    by_form: tuple[Tally, ...]
    misconceptions: tuple[Misconception, ...]  # the three that cost most
    calibration: Calibration
    missed: tuple[Sheet, ...]

    @property
    def share(self) -> float:
        return self.score / self.asked if self.asked else 0.0


def summarise(sitting: Sitting) -> Result:
    """The whole of an attempt. An unanswered question counts as missed; prose that is not judged yet counts nothing, either way."""
    graded = [sheet for sheet in sitting.sheets if not sheet.waits_for_judgement]
    missed = tuple(sheet for sheet in graded if (sheet.score or 0.0) < 1)
    return Result(
        asked=len(graded),
        answered=sum(sheet.answered for sheet in sitting.sheets),
        score=sum(sheet.score or 0.0 for sheet in graded),
        waiting=len(sitting.sheets) - len(graded),
        milliseconds=sum(sheet.duration or 0 for sheet in sitting.sheets),
        by_topic=tallies(graded, "topic"),
        by_form=tallies(graded, "form"),
        misconceptions=costliest(missed),
        calibration=calibrate(graded),
        missed=missed,
    )


def tallies(sheets: Sequence[Sheet], by: str) -> tuple[Tally, ...]:
    sums: dict[str, tuple[int, float]] = {}
    for sheet in sheets:
        asked, score = sums.get(getattr(sheet, by), (0, 0.0))
        sums[getattr(sheet, by)] = (asked + 1, score + (sheet.score or 0.0))
    found = [Tally(name, asked, score) for name, (asked, score) in sums.items()]
    return tuple(sorted(found, key=lambda tally: (tally.share, -tally.asked)))


def costliest(missed: Sequence[Sheet], count: int = 3) -> tuple[Misconception, ...]:
    """The wrong options that were taken, the surest first: what one is sure of and gets wrong costs most."""
    costs: dict[str, Misconception] = {}
    for sheet in missed:
        question = sheet.question
        if question is None or question.form is not Form.CHOICE or not isinstance(sheet.given, int) or not 0 <= sheet.given < len(question.options):
            continue
        option = question.options[sheet.given]
        name = option.mistake.replace("-", " ") if option.mistake else option.text
        cost = CHANCE[sheet.confidence or 2] + (costs[name].cost if name in costs else 0.0)
        costs[name] = Misconception(name, option.why, sheet.topic, cost)
    return tuple(sorted(costs.values(), key=lambda each: -each.cost)[:count])


def calibrate(sheets: Sequence[Sheet]) -> Calibration:
    claimed = [(sheet.confidence, sheet.score) for sheet in sheets if sheet.confidence in CHANCE and sheet.score is not None]
    lines = []
    for confidence in CHANCE:
        scores = [score for said, score in claimed if said == confidence and score is not None]
        if scores:
            lines.append((confidence, len(scores), sum(scores)))
    squares = [(CHANCE[said] - score) ** 2 for said, score in claimed if said is not None and score is not None]
    return Calibration(tuple(lines), sum(squares) / len(squares) if squares else None)


@dataclass(frozen=True, slots=True)
class Past:
    """One line of the history."""

    id: int
    mode: str
    scope: str
    started_at: int
    finished: bool
    asked: int
    answered: int
    share: float
    brier: float | None


def read_history(session: Session, *, learner: int, limit: int = 50) -> list[Past]:
    """Attempts, newest first."""
    return [
        Past(number, mode, _scope_of(setup), started, finished is not None, asked, answered, score / asked if asked else 0.0, brier)
        for number, mode, setup, started, finished, asked, answered, score, brier in _HISTORY.rows(session, {"learner": learner, "limit": limit})
    ]


def _scope_of(setup: Any) -> str:
    return (json.loads(setup) if isinstance(setup, str) else setup).get("scope", "all")


_HISTORY = Statement(f"""
    SELECT attempt.id, attempt.mode, attempt.setup, attempt.started_at, attempt.finished_at, count(answer.number),
        count(answer.at), coalesce(sum(answer.score), 0.0),
        avg(CASE WHEN answer.score IS NULL THEN NULL WHEN answer.confidence = 1 THEN ({CHANCE[1]} - answer.score) * ({CHANCE[1]} - answer.score)
            WHEN answer.confidence = 2 THEN ({CHANCE[2]} - answer.score) * ({CHANCE[2]} - answer.score)
            WHEN answer.confidence = 3 THEN ({CHANCE[3]} - answer.score) * ({CHANCE[3]} - answer.score) END)
    FROM attempt LEFT JOIN answer ON answer.attempt = attempt.id
    WHERE attempt.learner = :learner GROUP BY attempt.id ORDER BY attempt.id DESC LIMIT :limit
""")
