"""Rotary positions beyond the trained length: three ways to slow the hands down, so that far positions show angles that training has seen.

    PI      θᵢ / s                                 all hands slower by s (Chen et al. 2023)
    NTK     base' = base · s^(D / (D - 2))         the fastest hand keeps its pace, the slowest becomes slower by s (bloc97 2023)
    YaRN    a mixture per hand: θᵢ where a hand turns more than 32 times within the trained length, θᵢ / s where it turns less than once,
            and a ramp between; scores grow by (0.1 ln s + 1)² (Peng et al. 2023)

s is how many times the trained length L is to be exceeded.
"""

import math

import torch
from torch import Tensor

from models.rotary import frequencies

METHODS = ("none", "pi", "ntk", "yarn")
FAST, SLOW = 32, 1  # turns within the trained length: above FAST a hand is left alone, below SLOW it is slowed by s


def scaled_frequencies(D: int, base: float, method: str, s: float, L: int) -> Tensor:
    """θ (D/2,)"""
    plain = frequencies(D, base)
    if method == "none" or s == 1:
        return plain
    if method == "pi":
        return plain / s
    if method == "ntk":
        return frequencies(D, base * s ** (D / (D - 2)))
    if method == "yarn":
        slowed = ramp(D, base, L)
        return plain * (1 - slowed) + plain / s * slowed
    raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")


def ramp(D: int, base: float, L: int) -> Tensor:
    """(D/2,) from 0 for hands that turn often within L positions to 1 for those that never complete a turn."""
    first = max(math.floor(pair_with_turns(FAST, D, base, L)), 0)
    last = min(math.ceil(pair_with_turns(SLOW, D, base, L)), D - 1)
    width = last - first or 0.001  # all hands on one side: a step instead of a ramp
    return ((torch.arange(D // 2, dtype=torch.float32) - first) / width).clamp(0, 1)


def pair_with_turns(turns: float, D: int, base: float, L: int) -> float:
    """The (fractional) i whose hand turns that often: L θᵢ = 2π · turns, solved for i."""
    return D * math.log(L / (turns * 2 * math.pi)) / (2 * math.log(base))


def score_growth(method: str, s: float) -> float:
    """YaRN multiplies cos and sin of queries and keys alike, hence the square."""
    return (0.1 * math.log(s) + 1) ** 2 if method == "yarn" and s > 1 else 1.0
