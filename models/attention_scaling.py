"""Scaled dot-product scores and the rules that keep them in range (Vaswani et al. 2017, section 3.2.1).

A softmax whose inputs lie far apart puts all weight on one key, and its Jacobian diag(p) - p pᵀ goes to zero with it.
Each rule below says what is done to q·k before the softmax so that the spread of the scores does not grow with d.
Letters: q (B, d) one query per row, k (N, d) the keys they share, s (B, N) scores, p (B, N) weights, v (B, N) one value
per query and key, so that the output is o = Σ p v.
"""

from __future__ import annotations

import torch
from torch import Tensor

RULES = ("none", "sqrt", "linear", "t5", "qk-norm", "soft-cap")
QK_NORM_SCALE = 10.0  # where Swin V2 starts its learned temperature; here it stays fixed, which is the point
SOFT_CAP = 50.0  # the attention cap of Gemma 2, which stands on top of the scale there and alone here


def query_std(rule: str, d: int) -> float:
    """Standard deviation of the entries that W_Q hands over, for an input of unit variance.

    T5 has no factor in the attention; it draws W_Q with std (d_model d)^(-1/2) where others use d_model^(-1/2), so its
    queries come out smaller by sqrt(d).
    """
    return d**-0.5 if rule == "t5" else 1.0


def scores(q: Tensor, k: Tensor, rule: str) -> Tensor:
    """q·k after scaling. Entries of q and k have unit variance, except those of q under "t5": see query_std."""
    d = q.shape[-1]
    if rule == "qk-norm":  # cosine times a temperature
        q, k = q / q.norm(dim=-1, keepdim=True), k / k.norm(dim=-1, keepdim=True)
    s = q @ k.transpose(-2, -1)  # (B, d) @ (d, N) -> (B, N)
    if rule == "sqrt":
        return s / d**0.5
    if rule == "linear":
        return s / d
    if rule == "qk-norm":
        return s * QK_NORM_SCALE
    if rule in ("none", "t5", "soft-cap"):
        return s
    raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")


def score_std(std_q: float, std_k: float, d: int, rule: str = "none") -> float:
    """Spread of q·k for independent entries of mean 0: each product has variance std_q² std_k², and variances add."""
    return (d * std_q**2 * std_k**2) ** 0.5 / {"none": 1.0, "sqrt": d**0.5, "linear": d}[rule]


def softmax(s: Tensor) -> Tensor:
    e = torch.exp(s - s.amax(dim=-1, keepdim=True))  # subtracting the largest changes nothing but the overflow
    return e / e.sum(dim=-1, keepdim=True)


def weights(s: Tensor, rule: str) -> Tensor:
    return softmax(SOFT_CAP * torch.tanh(s / SOFT_CAP) if rule == "soft-cap" else s)


def softmax_jacobian(p: Tensor) -> Tensor:
    """∂p_i/∂s_j = p_i (1[i = j] - p_j) for one row of weights: (N,) -> (N, N)."""
    return torch.diag(p) - torch.outer(p, p)


def entropy(p: Tensor) -> Tensor:
    """In nats, per row: ln N when all keys weigh the same, 0 when one has everything."""
    return -torch.special.xlogy(p, p).sum(dim=-1)  # xlogy takes 0 log 0 as 0


def score_gradient(s: Tensor, v: Tensor, rule: str) -> Tensor:
    """∂o/∂s for the output o = Σ p v: the Jacobian times v, without building the Jacobian. (B, N)"""
    p = weights(s, rule)
    gradient = p * (v - (p * v).sum(dim=-1, keepdim=True))
    if rule == "soft-cap":  # the cap itself is flat where it bites: d/ds of C tanh(s/C) is 1 - tanh²
        gradient = gradient * (1 - torch.tanh(s / SOFT_CAP) ** 2)
    return gradient
