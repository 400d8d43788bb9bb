"""Temperature: divide the logits by T before the softmax, then draw.

    p_i(T) = exp(z_i / T) / Σ_j exp(z_j / T)        so   p_i / p_j = exp((z_i - z_j) / T), the odds at T = 1 to the power 1/T

T reshapes the distribution and decides nothing; chance comes in with the draw. T → 0 leaves the largest logit, T → ∞ makes
all V tokens equal, with entropy ln V. Shapes: z (V,) logits, p (V,) probabilities.
"""

import torch
from torch import Tensor


def rescale(z: Tensor, T: float) -> Tensor:
    if T <= 0:
        raise ValueError(f"A temperature is above 0, and {T} came; for T → 0 take the largest logit.")
    return z / T


def probabilities(z: Tensor) -> Tensor:
    e = torch.exp(z - z.amax(dim=-1, keepdim=True))  # exp(-inf) = 0: a token that was ruled out stays out
    return e / e.sum(dim=-1, keepdim=True)


def entropy(p: Tensor) -> Tensor:
    """In nats."""
    return -torch.special.xlogy(p, p).sum(dim=-1)


def draw(p: Tensor, u: Tensor) -> Tensor:
    """Tokens for uniform numbers u (n,) in [0, 1): stack the probabilities and see in which piece each number falls."""
    edges = p.double().cumsum(dim=-1)
    edges[-1] = 1.0  # rounding must not leave a gap at the top
    return torch.searchsorted(edges, u.double(), right=True)
