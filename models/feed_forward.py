"""The feed-forward network of a block and its activations: ReLU (Vaswani et al. 2017), GELU, SiLU, and the gated forms (Shazeer 2020).

    plain    φ(x W₁ + b₁) W₂ + b₂
    gated    (φ(x W_g) ⊙ x W_u) W_d        with φ = SiLU it is SwiGLU, with GELU GEGLU, with ReLU ReGLU

Each position goes through it alone. Shapes: B examples or positions, C width, F inner width, one hidden unit per column of W₁.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relu(x: Tensor) -> Tensor:
    return x.clamp(min=0)


def gelu(x: Tensor) -> Tensor:
    return x * normal_cdf(x)


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def normal_cdf(x: Tensor) -> Tensor:
    """Φ, the distribution function of the standard normal."""
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def slope(name: str, x: Tensor) -> Tensor:
    """φ'(x)."""
    if name == "relu":
        return (x > 0).to(x.dtype)
    if name == "gelu":
        return normal_cdf(x) + x * torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu, "silu": silu}


class PositionWise(nn.Module):
    def __init__(self, width: int, inner: int, activation: str = "relu", *, gated: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.activation = activation
        self.up = nn.Linear(width, inner, bias=bias)
        self.gate = nn.Linear(width, inner, bias=bias) if gated else None
        self.down = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.hidden(x))  # (B, C) -> (B, F) -> (B, C)

    def hidden(self, x: Tensor) -> Tensor:
        """What the units pass on, (B, F)."""
        phi = ACTIVATIONS[self.activation]
        return phi(self.up(x)) if self.gate is None else phi(self.gate(x)) * self.up(x)

    def bent(self, x: Tensor) -> Tensor:
        """What the activation is applied to, (B, F): the gate where there is one."""
        return self.up(x) if self.gate is None else self.gate(x)


def equal_inner(inner: int) -> int:
    """The inner width at which three matrices have as many weights as two of `inner`."""
    return round(2 * inner / 3)


def dead(network: PositionWise, x: Tensor) -> Tensor:
    """(F,) bool: units whose activation is flat on every one of the examples. No gradient reaches their weights, so they stay as they are."""
    return (slope(network.activation, network.bent(x)).abs() < 1e-6).all(dim=0)


def share_unexplained(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error over the variance of what was wanted: 1 for always saying the mean, 0 for getting everything right."""
    return F.mse_loss(made, wanted) / wanted.var(dim=0, correction=0).mean()
