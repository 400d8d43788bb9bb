"""Speculative decoding (Leviathan et al. 2023): a draft writes γ tokens, the target checks them all in one pass.

    keep draft token x with probability min(1, p(x) / q(x));   at the first refusal draw from  r = max(p - q, 0) / Σ max(p - q, 0)  and stop
    when all γ are kept, the same pass of the target has one more token to give

What is written follows the target's distribution p exactly, whatever the draft: q(x) min(1, p(x)/q(x)) + P(refusal) r(x) = p(x).
Shapes: p, q (V,) or (γ, V) probabilities of target and draft, u uniform numbers in [0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.temperature import draw


class Round(NamedTuple):
    drafted: list[int]
    chances: list[float]  # min(1, p/q) of each drafted token
    kept: int
    token: int  # the one that the target gives: in place of the first refused, or after all


def chance(p: Tensor, q: Tensor, x: int) -> float:
    return min(1.0, float(p[x] / q[x]))


def overlap(p: Tensor, q: Tensor) -> float:
    """α: how probable it is that a drafted token is kept, Σ min(p, q)."""
    return float(torch.minimum(p, q).sum())


def residual(p: Tensor, q: Tensor) -> Tensor:
    """What the target draws from after a refusal: the part of p that q did not cover."""
    left = (p - q).clamp(min=0)
    return left / left.sum() if left.sum() > 0 else p


def written(p: Tensor, q: Tensor) -> Tensor:
    """The distribution of the token that comes out: kept ones and replaced ones together."""
    kept = torch.minimum(p, q)  # q(x) · min(1, p(x)/q(x))
    return kept + (1 - kept.sum()) * residual(p, q)


def check(drafted: Sequence[int], p: Tensor, q: Tensor, u: Tensor, u_last: Tensor) -> Round:
    """p (γ + 1, V) from one pass of the target, q (γ, V) from the draft, u (γ,) for keeping, u_last (1,) for the target's token."""
    chances = [chance(p[at], q[at], x) for at, x in enumerate(drafted)]
    kept = next((at for at, c in enumerate(chances) if not u[at] < c), len(drafted))
    source = p[kept] if kept == len(drafted) else residual(p[kept], q[kept])
    return Round(list(drafted), chances, kept, int(draw(source, u_last)))


def one_round(
    tokens: Sequence[int], gamma: int, target: Callable[[Sequence[int], int], Tensor], draft: Callable[[Sequence[int], int], Tensor], u: Tensor
) -> Round:
    """`target` and `draft` give the probabilities after the last n positions: (tokens, n) -> (n, V). u (2γ + 1,)."""
    text, rows = list(tokens), []
    for at in range(gamma):
        rows.append(draft(text, 1)[-1])
        text.append(int(draw(rows[-1], u[at : at + 1])))
    p = target(text, gamma + 1)  # one pass for all γ + 1 places
    return check(text[len(tokens) :], p, torch.stack(rows), u[gamma : 2 * gamma], u[2 * gamma :])


def expected_tokens(alpha: float, gamma: int) -> float:
    """Per pass of the target, when each drafted token is kept with probability α: 1 + α + α² + ... + α^γ."""
    return sum(alpha**power for power in range(gamma + 1))


def speed_up(alpha: float, gamma: int, cost: float) -> float:
    """Against the target alone, when one pass of the draft costs `cost` passes of the target."""
    return expected_tokens(alpha, gamma) / (gamma * cost + 1)
