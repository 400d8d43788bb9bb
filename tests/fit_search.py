"""Fit search's weights on the "fit" part of the question set: python -m tests.fit_search [--write]

The subjects of other books (backend/elsewhere.txt) get their vectors. Ranking: a softmax over topics whose scores are a
weighted sum of features (listwise logistic regression). Evidence: a logistic model that tells answerable questions from the
others. Both with a ridge, both by Newton's or gradient steps in NumPy. The "report" part of the questions is only ever reported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from backend import search, store
from backend.search import FEATURES, Index, find, fresh
from backend.search_elsewhere import keep_vectors, subjects
from backend.search_evidence import evidence
from models import minilm

QUESTIONS = Path(__file__).parent / "samples" / "questions.jsonl"
WEIGHTS = Path(search.__file__).parent / "search_weights.json"
RIDGE, STEPS = 0.02, 3000
EVIDENCE_RIDGE = 0.05  # this, and which signs there are: by ten-fold cross-validation on the fitting part
FOLDS = 10
ANSWERED = 0.96  # share of the answerable questions that are to be answered; of other people's it will be a little less

RELATED = 0.15  # share of the questions from another field that may be shown what comes near: most of them play with the notes' own examples


def read_questions(part: str = "") -> list[dict]:
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if part in ("", row["part"])]


def fit_ranking(features: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weights that make the right topics likely, from questions x topics x features and questions x topics; all are kept at 0 or
    above, since every feature speaks for its topic."""
    weights = np.ones(features.shape[-1])
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        scores = features @ weights
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        wanted = share * right
        wanted /= wanted.sum(axis=1, keepdims=True)
        gradient = RIDGE * weights / 10 + np.tensordot(share - wanted, features, axes=2) / len(features)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        weights -= 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights, 0)
    return weights


def fit_evidence(rows: np.ndarray, answerable: np.ndarray) -> np.ndarray:
    """Logistic regression with a ridge by Newton's method; the last weight is the bias. The ridge weighs on every sign alike,
    whatever its scale: they are brought to mean 0 and deviation 1, and the weights back again."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    x = np.hstack([(rows - mean) / deviation, np.ones((len(rows), 1))])
    importance = np.where(answerable, 0.5 / answerable.mean(), 0.5 / (1 - answerable.mean()))
    ridge = EVIDENCE_RIDGE * len(rows) * np.diag([*[1.0] * rows.shape[1], 0.0])
    weights = np.zeros(x.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (importance * (chance - answerable)) + ridge @ weights
        curve = (x * (importance * chance * (1 - chance))[:, None]).T @ x + ridge
        weights -= np.linalg.solve(curve + 1e-9 * np.eye(len(curve)), slope)
    signs = weights[:-1] / deviation
    return np.array([*signs, weights[-1] - signs @ mean])


def unseen(rows: np.ndarray, answerable: np.ndarray) -> np.ndarray:
    """The chance that each question gets from a model that has not seen it: what thresholds are to be set by."""
    chance, fold = np.zeros(len(rows)), np.random.default_rng(0).permutation(len(rows)) % FOLDS
    for left_out in range(FOLDS):
        weights = fit_evidence(rows[fold != left_out], answerable[fold != left_out])
        chance[fold == left_out] = 1 / (1 + np.exp(-(rows[fold == left_out] @ weights[:-1] + weights[-1])))
    return chance


def main() -> None:
    if "--write" in sys.argv:
        keep_vectors(minilm.embed(subjects()))
    engine = store.open_engine()
    with store.reading(engine) as session:
        index: Index = fresh(session)
        fit = read_questions("fit")
        told = [row for row in fit if row["topics"]]
        features = np.stack([find(session, index, row["question"], embed=minilm.embed).features.astype(float) for row in told])
        right = np.array([[slug in row["topics"] for slug in index.topics] for row in told])
        ranking = fit_ranking(features, right)
        write(dict(zip(FEATURES, ranking.round(3).tolist())), {}, {}, 0.5, 0.1)
        signs = [evidence(session, index, find(session, index, row["question"], embed=minilm.embed)) for row in fit]
        by_words = [evidence(session, index, find(session, index, row["question"], embed=None)) for row in fit]
    names = list(next(sign for sign in signs if sign))
    rows = np.array([[sign.get(name, 0.0) for name in names] for sign in signs])
    answerable = np.array([bool(row["topics"]) for row in fit])
    weights = fit_evidence(rows, answerable)
    chance = unseen(rows, answerable)
    answer_from = float(np.quantile(chance[answerable], 1 - ANSWERED))
    far = np.array([row["kind"] == "off" for row in fit])
    related_from = min(float(np.quantile(chance[far], 1 - RELATED)), 0.9 * answer_from)
    fitted = [dict(zip([*names, "bias"], each.round(3).tolist())) for each in (weights, fit_by_words(by_words, names, answerable, answer_from))]
    write(dict(zip(FEATURES, ranking.round(3).tolist())), *fitted, round(answer_from, 4), round(related_from, 4))


def fit_by_words(signs: list[dict[str, float]], names: list[str], answerable: np.ndarray, answer_from: float) -> np.ndarray:
    """The evidence without vectors, its bias moved so that the same threshold lets the same share through."""
    rows = np.array([[sign.get(name, 0.0) for name in names] for sign in signs])
    weights, chance = fit_evidence(rows, answerable), unseen(rows, answerable)
    lets_through = float(np.quantile(chance[answerable], 1 - ANSWERED))
    weights[-1] += np.log(answer_from / (1 - answer_from)) - np.log(lets_through / (1 - lets_through))
    return weights


def write(ranking: dict[str, float], signs: dict[str, float], by_words: dict[str, float], answer_from: float, related_from: float) -> None:
    count = len(read_questions("fit"))
    provenance = f"python -m tests.fit_search on the {count} questions of part 'fit' in tests/samples/questions.jsonl"
    told = {"provenance": provenance, "ranking": ranking, "evidence": signs, "evidence_by_words": by_words, "answer_from": answer_from, "related_from": related_from}
    target = WEIGHTS if "--write" in sys.argv else Path("/dev/stdout")
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    search.weights.cache_clear()


if __name__ == "__main__":
    main()
