"""Sinusoidal position vectors (Vaswani et al. 2017, section 3.5): each pair of entries is a clock hand, the first fast, the last slow.

    PE(t, 2i) = sin(t ωᵢ)        PE(t, 2i + 1) = cos(t ωᵢ)        ωᵢ = base^(-2i/C)
"""

import torch
from torch import Tensor


def sinusoids(positions: Tensor, C: int, base: float = 10_000.0) -> Tensor:
    """positions (T,) -> (T, C), sines at even and cosines at odd places. C is even."""
    if C % 2:
        raise ValueError(f"Sinusoids come in pairs of sine and cosine: a width of {C} leaves one entry over.")
    omega = base ** (-torch.arange(0, C, 2, dtype=torch.float32) / C)  # (C/2,)
    angle = positions.to(torch.float32)[:, None] * omega  # (T, C/2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)  # (T, C/2, 2) -> (T, C)


def offset_matrix(k: int, C: int, base: float = 10_000.0) -> Tensor:
    """M_k (C, C) with PE(t + k) = M_k PE(t) at every t: each pair turns by k ωᵢ, so a fixed offset is one linear map."""
    angle = k * base ** (-torch.arange(0, C, 2, dtype=torch.float32) / C)  # (C/2,)
    cos, sin = angle.cos(), angle.sin()
    turns = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)  # (C/2, 2, 2)
    return torch.block_diag(*turns)


def dot_by_distance(distance: Tensor, C: int, base: float = 10_000.0) -> Tensor:
    """distance (P,) -> PE(t)·PE(t + distance) = Σᵢ cos(distance ωᵢ) (P,): the same for every t, and for both directions."""
    omega = base ** (-torch.arange(0, C, 2, dtype=torch.float32) / C)
    return torch.cos(distance.to(torch.float32)[:, None] * omega).sum(dim=-1)


def unevenness(gram: Tensor) -> float:
    """How far a matrix of dot products (T, T) is from depending on the distance alone: the share of its variance within diagonals."""
    T = len(gram)
    within = sum(((line := gram.diagonal(at)) - line.mean()).square().sum() for at in range(1 - T, T))
    return float(within / (gram - gram.mean()).square().sum())
