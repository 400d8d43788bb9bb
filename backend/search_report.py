"""How good search is: ranking, abstention and speed on a set of questions whose topics are known.

A question is a line `{"id", "question", "topics", "kind", ...}`; without topics it cannot be answered, and `kind` says how
far off it is. The figures: recall@1 and @5, MRR, nDCG@10, the area under the ROC curve of the confidence, and how many
unanswerable questions are answered when the threshold lets 95 % of the answerable ones through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.ask import Answer

ANSWERED_SHARE = 0.95


@dataclass(frozen=True)
class Ranking:
    """How high the right topics stood, over some questions."""

    questions: int
    recall_1: float
    recall_5: float
    mrr: float
    ndcg_10: float


@dataclass(frozen=True)
class Report:
    ranking: Mapping[str, Ranking]  # by language, and "all"
    auroc: Mapping[str, float]  # by kind of unanswerable question
    false_answers: Mapping[str, float]  # share answered at 95 % answered
    answered: float  # share of the answerable questions that are answered as shipped
    answered_wrongly: Mapping[str, float]  # share of each kind of unanswerable question that is answered as shipped
    latency: Mapping[str, float]  # milliseconds


def evaluate(rows: Sequence[Mapping[str, object]], answer: Callable[[str], Answer]) -> Report:
    answers: list[Answer] = []
    spent: list[float] = []
    for row in rows:
        began = time.perf_counter()
        answers.append(answer(str(row["question"])))
        spent.append((time.perf_counter() - began) * 1000)
    pairs = list(zip(rows, answers))
    answerable = [(row, given) for row, given in pairs if row.get("topics")]
    others: dict[str, list[Answer]] = {}
    for row, given in pairs:
        if not row.get("topics"):
            others.setdefault(str(row.get("kind", "unanswerable")), []).append(given)
    sure = np.array([given.confidence for _, given in answerable])
    threshold = float(np.quantile(sure, 1 - ANSWERED_SHARE)) if len(sure) else 0.0
    return Report(
        ranking={name: ranking(group) for name, group in by_language(answerable).items() if group},
        auroc={kind: auroc(sure, [given.confidence for given in group]) for kind, group in others.items()},
        false_answers={kind: share(given.confidence >= threshold for given in group) for kind, group in others.items()},
        answered=share(not given.abstained for _, given in answerable),
        answered_wrongly={kind: share(not given.abstained for given in group) for kind, group in others.items()},
        latency={f"p{at}": float(np.percentile(spent, at)) for at in (50, 95, 99)} if spent else {},
    )


Pair = tuple[Mapping[str, object], Answer]


def by_language(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    languages = sorted({str(row.get("language", "en")) for row, _ in pairs})
    return {language: [pair for pair in pairs if pair[0].get("language", "en") == language] for language in languages} | {"all": list(pairs)}


def ranking(pairs: Sequence[Pair]) -> Ranking:
    ranks, gains = [], []
    for row, given in pairs:
        right = set(row["topics"])  # type: ignore[call-overload]
        places = [place for place, (topic, _) in enumerate(given.ranking) if topic in right]
        ranks.append(places[0] if places else math.inf)
        best = sum(1 / math.log2(place + 2) for place in range(min(10, len(right))))
        gains.append(sum(1 / math.log2(place + 2) for place in places if place < 10) / best)
    count = len(ranks)
    return Ranking(count, sum(r < 1 for r in ranks) / count, sum(r < 5 for r in ranks) / count, sum(1 / (r + 1) for r in ranks) / count, sum(gains) / count)


def auroc(good: Iterable[float], bad: Iterable[float]) -> float:
    """The chance that an answerable question gets more confidence than an unanswerable one; ties count half."""
    higher, lower = np.array(list(good)), np.array(list(bad))
    if not len(higher) or not len(lower):
        return float("nan")
    return float(np.mean([(higher > one).mean() + 0.5 * (higher == one).mean() for one in lower]))


def share(flags: Iterable[bool]) -> float:
    listed = list(flags)
    return sum(listed) / len(listed) if listed else float("nan")


def as_table(report: Report) -> str:
    lines = [f"{'questions':<12}{'count':>7}{'R@1':>8}{'R@5':>8}{'MRR':>8}{'nDCG@10':>9}"]
    lines += [f"{name:<12}{r.questions:>7}{r.recall_1:>8.3f}{r.recall_5:>8.3f}{r.mrr:>8.3f}{r.ndcg_10:>9.3f}" for name, r in report.ranking.items()]
    lines += ["", f"{'unanswerable':<14}{'AUROC':>8}{'answered at 95 %':>18}{'answered as shipped':>21}"]
    lines += [f"{kind:<14}{report.auroc[kind]:>8.3f}{report.false_answers[kind]:>18.3f}{report.answered_wrongly[kind]:>21.3f}" for kind in report.auroc]
    lines += ["", f"answerable questions answered as shipped: {report.answered:.3f}"]
    lines += ["milliseconds a question, end to end: " + ", ".join(f"{name} {value:.1f}" for name, value in report.latency.items())]
    return "\n".join(lines)
