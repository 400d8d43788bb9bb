"""Beam search: keep the B best partial sequences by their summed log probability, step by step.

    score(y) = Σ log p(yₜ | y<ₜ)         final(y) = score(y) / |y|^α        the end token counts

Every step scores all V continuations of every live sequence and keeps B of them: B at any time, not B^L. All B may come from one parent. A
sequence that ends among the best B goes to the finished pool, and the best of the pool by its final score is the answer. With diverse groups
(Vijayakumar et al. 2016) each group has a beam of its own and pays λ for a token as often as earlier groups have taken it at the same step.

Shapes: n live sequences, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

Sequences = Sequence[tuple[int, ...]]
NextLogP = Callable[[Sequences], Tensor]  # n sequences -> (n, V) log probabilities of what comes next
Fate = Literal["live", "dropped", "finished"]


@dataclass(frozen=True)
class Hypothesis:
    tokens: tuple[int, ...] = ()
    score: float = 0.0  # Σ log p
    log_p: float = 0.0  # of the last token
    fate: Fate = "live"
    group: int = 0

    def final(self, alpha: float) -> float:
        return penalised(self.score, len(self.tokens), alpha)


@dataclass
class Search:
    steps: list[list[Hypothesis]] = field(default_factory=list)  # per step the 2B best continuations of each group, best first
    finished: list[Hypothesis] = field(default_factory=list)  # best final score first
    expanded: int = 0  # prefixes that the model was asked about
    scored: int = 0  # continuations that were compared: V per prefix

    @property
    def best(self) -> Hypothesis:
        return self.finished[0]


def penalised(score: float, length: int, alpha: float) -> float:
    """Log probabilities only fall, so without a penalty (α = 0) short sequences win; α = 1 compares the mean per token."""
    return score / length**alpha


def best_continuations(scores: Tensor, log_p: Tensor, count: int) -> list[tuple[int, int]]:
    """scores (n,) + log_p (n, V) -> the best `count` of the n·V continuations as (which sequence, which token)."""
    n, V = log_p.shape
    total = (scores[:, None] + log_p).reshape(n * V)
    best = total.topk(min(count, int(total.isfinite().sum()))).indices
    return [(place // V, place % V) for place in best.tolist()]


def beam_search(
    next_log_p: NextLogP, *, width: int, steps: int, end: int, alpha: float = 1.0, groups: int = 1, diversity: float = 0.0
) -> Search:
    """`next_log_p` is asked about all live sequences of a step at once. At the last step everything counts as finished."""
    search = Search()
    sizes = list(shares(width, groups))
    live = [[Hypothesis(group=group)] for group in range(len(sizes))]
    pools: list[list[Hypothesis]] = [[] for _ in sizes]
    for length in range(1, steps + 1):
        asked = [hypothesis.tokens for group in live for hypothesis in group]
        if not asked:
            break
        log_p = next_log_p(asked)  # (n, V)
        search.expanded += len(asked)
        search.scored += log_p.numel()
        taken = torch.zeros(log_p.shape[-1])  # how often earlier groups took each token at this step
        considered: list[Hypothesis] = []
        for group, rows in enumerate(log_p.split([len(group) for group in live])):
            if not live[group]:
                continue
            found = continue_group(live[group], rows, diversity * taken, sizes[group], end, length == steps)
            considered += found
            pools[group] = sorted([*pools[group], *(h for h in found if h.fate == "finished")], key=lambda h: -h.final(alpha))[: sizes[group]]
            live[group] = [] if closed(found, pools[group], sizes[group], alpha) else [h for h in found if h.fate == "live"]
            for hypothesis in found:
                taken[hypothesis.tokens[-1]] += hypothesis.fate != "dropped"
        search.steps.append(considered)
    search.finished = sorted((h for pool in pools for h in pool), key=lambda h: -h.final(alpha))
    return search


def continue_group(live: Sequence[Hypothesis], log_p: Tensor, price: Tensor, size: int, end: int, last: bool) -> list[Hypothesis]:
    """The 2B best continuations and what becomes of each. Twice as many as are kept: if all B best end, B others can go on."""
    scores = torch.tensor([hypothesis.score for hypothesis in live])
    found: list[Hypothesis] = []
    going_on = 0
    for rank, (parent, token) in enumerate(best_continuations(scores, log_p - price, 2 * size)):
        fate: Fate = "dropped"
        if last or token == end:
            fate = "finished" if rank < size else "dropped"
        elif going_on < size:
            fate, going_on = "live", going_on + 1
        step = log_p[parent, token].item()
        found.append(Hypothesis((*live[parent].tokens, token), live[parent].score + step, step, fate, live[parent].group))
    return found


def closed(found: Sequence[Hypothesis], pool: Sequence[Hypothesis], size: int, alpha: float) -> bool:
    """The pool is full, and the best live sequence would not enter it if it ended now."""
    best = max((hypothesis.final(alpha) for hypothesis in found if hypothesis.fate == "live"), default=None)
    return best is None or (len(pool) == size and best <= pool[-1].final(alpha))


def shares(width: int, groups: int) -> Iterator[int]:
    """The beams of each group, as even as they can be."""
    groups = min(groups, width)
    return (width // groups + (place < width % groups) for place in range(groups))


def all_sequences(next_log_p: NextLogP, *, steps: int, end: int) -> list[Hypothesis]:
    """Exhaustive search, for vocabularies that fit on a hand: every sequence that ends, or has all its steps, with its score."""
    live, finished = [Hypothesis()], []
    for length in range(1, steps + 1):
        log_p = next_log_p([hypothesis.tokens for hypothesis in live])
        grown = [
            Hypothesis((*hypothesis.tokens, token), hypothesis.score + row[token].item(), row[token].item())
            for hypothesis, row in zip(live, log_p, strict=True)
            for token in row.isfinite().nonzero().flatten().tolist()
        ]
        finished += [hypothesis for hypothesis in grown if hypothesis.tokens[-1] == end or length == steps]
        live = [hypothesis for hypothesis in grown if hypothesis.tokens[-1] != end]
        if not live:
            break
    return finished
