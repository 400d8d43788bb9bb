"""Rotary position embedding (RoPE): turn queries and keys by an angle proportional to their position.

A pair of numbers (a, b) of the vector at position m is turned by m·θᵢ. The dot product of two turned vectors depends on the difference of
their angles only, hence on m - n: absolute rotations, relative attention. Slow pairs (small θ) tell far positions apart, fast ones near.

    θᵢ = base^(-2i/D),  i = 0 … D/2 - 1        pairs are (i, i + D/2), as in Llama
"""

import torch
from torch import Tensor


def frequencies(D: int, base: float = 10_000.0) -> Tensor:
    """θ (D/2,), from one radian per position down to about 1/base."""
    if D % 2:
        raise ValueError(f"Rotary positions turn pairs of numbers: a head of {D} numbers leaves one alone.")
    return 1 / base ** (torch.arange(0, D, 2, dtype=torch.float32) / D)  # in this order: Llama rounds so too, and at position 512 one sees it


def angles(positions: Tensor, D: int, base: float = 10_000.0) -> Tensor:
    """positions (T,) -> m·θᵢ (T, D/2) in radians."""
    return positions.to(torch.float32)[:, None] * frequencies(D, base)[None, :]


def rotate(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    """x (..., T, D), positions (T,) -> the same vectors, turned."""
    return turn(x, angles(positions, x.shape[-1], base))


def turn(x: Tensor, angle: Tensor) -> Tensor:
    """x (..., T, D), angle (T, D/2) -> every pair turned by its angle."""
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def long_term_bound(distance: Tensor, theta: Tensor) -> Tensor:
    """distance (P,), theta (D/2,) -> (P,): how far the bound of Su et al. (2021, section 3.4.3) has fallen, 1 at distance 0.

    The score is the real part of Σ hᵢ exp(i·distance·θᵢ). Summed by parts it is at most max|hᵢ₊₁ - hᵢ| times Σ |Sⱼ|, Sⱼ = Σ_{i<j} exp(i·distance·θᵢ)."""
    steps = distance.to(torch.float32)[:, None] * theta  # (P, D/2)
    partial = torch.polar(torch.ones_like(steps), steps).cumsum(dim=-1).abs().sum(dim=-1)  # Σ |Sⱼ|
    return partial / (len(theta) * (len(theta) + 1) / 2)  # without rotation |Sⱼ| = j
