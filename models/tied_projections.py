"""One matrix for two of the three: attention whose keys are its values (K = V), or whose queries are its keys (Q = K).

The score of two tokens is x_i W_Q W_Kᵀ x_jᵀ / √D. With W_Q = W_K the matrix in the middle is W Wᵀ: symmetric, and no token of the same length
scores higher with a token than that token itself. With W_K = W_V the score keeps its freedom, and a cache needs to keep one tensor, not two.

The task that tells them apart is recall by pairs, `shuffled_pairs`: what followed this symbol the last time?

Shapes: B lines, T tokens, P pairs, C width, H heads, D numbers per head.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from models.attention import MultiHeadAttention

Tying = Literal["none", "kv", "qk"]


def tie(attention: MultiHeadAttention, tying: Tying) -> None:
    """The same layer takes both parts, so one gradient trains it for both."""
    if tying == "kv":
        attention.value = attention.key
    if tying == "qk":
        attention.key = attention.query


def cache_bytes(attention: MultiHeadAttention, bytes_per_number: int = 2) -> int:
    """Per token. Keys and values are what later tokens need; where both are the same numbers, they are kept once."""
    kept = {id(attention.key): attention.key, id(attention.value): attention.value}
    return sum(layer.out_features for layer in kept.values()) * bytes_per_number


def symmetric_share(scores: Tensor) -> Tensor:
    """scores (..., T, T) -> (...): which share of the squares is in the symmetric part; 1 where s_ij = s_ji, ½ for unrelated numbers."""
    symmetric = (scores + scores.transpose(-2, -1)) / 2
    return symmetric.square().sum(dim=(-2, -1)) / scores.square().sum(dim=(-2, -1))


def shuffled_pairs(B: int, P: int, rounds: int, symbols: int, generator: torch.Generator) -> Tensor:
    """(B, 2 P rounds): P pairs of different symbols, round after round, each time in another order.

    From the second round on, the first of a pair tells the second; which pair comes next, nothing tells."""
    if 2 * P > symbols:
        raise ValueError(f"{P} pairs of different symbols need {2 * P} symbols; there are {symbols}.")
    pairs = torch.rand(B, symbols, generator=generator).argsort(dim=1)[:, : 2 * P].view(B, 1, P, 2)
    order = torch.rand(B, rounds, P, generator=generator).argsort(dim=2)  # (B, R, P)
    shown = pairs.expand(-1, rounds, -1, -1).gather(2, order[..., None].expand(-1, -1, -1, 2))  # (B, R, P, 2)
    return shown.flatten(1)


def asked(P: int, rounds: int) -> Tensor:
    """The places in such a line whose next symbol is known: the first of each pair, from the second round on."""
    return torch.arange(2 * P, 2 * P * rounds, 2)


def seen_before(tokens: Tensor) -> Tensor:
    """(B, T) bool: symbols that stood in the line before."""
    return (tokens[:, :, None] == tokens[:, None, :]).tril(-1).any(dim=-1)
