"""Attention: every position asks a question, every position offers a key and a value.

`scaled_dot_product` is the one attention of this project: the decoder, the encoder-decoder, the masked language model and the vision
transformer all call it, with different masks. It returns the weights beside the output, because the weights are what we came to see.

    weights = softmax(q kᵀ / √d + mask)        output = weights v

Shapes: B texts, H heads, T positions that ask, S positions that answer, D numbers per head, C = H·D the width of the residual stream.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.rotary import rotate

HeadEdit = Callable[[Tensor], Tensor]  # (B, H, T, D) -> the same shape: what the heads shall have said instead


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None) -> tuple[Tensor, Tensor]:
    """q (..., T, D), k and v (..., S, D) -> output (..., T, D) and weights (..., T, S).

    A bool mask says where a query may look (True = may); a float mask is added to the scores (a bias such as ALiBi).
    A query that may look nowhere gets weights of zero, not NaN.
    """
    weights = attention_weights(attention_scores(q, k, mask, scale))
    return weights @ v, weights


def attention_scores(q: Tensor, k: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """The numbers before the softmax: q·k for every pair, divided by √D, with -inf where the mask forbids."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = q @ k.transpose(-2, -1) * scale  # (..., T, S)
    if mask is None:
        return scores
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, -math.inf)
    return scores + mask


def attention_weights(scores: Tensor) -> Tensor:
    """Softmax over the keys. A row of -inf has no softmax (0/0); here its weights are zero."""
    if scores.is_meta:  # shapes without numbers: no row can be looked at
        return torch.softmax(scores, dim=-1)
    nothing_to_see = torch.isneginf(scores.detach().amax(dim=-1, keepdim=True))
    if not nothing_to_see.any():
        return torch.softmax(scores, dim=-1)
    return torch.softmax(scores.masked_fill(nothing_to_see, 0), dim=-1).masked_fill(nothing_to_see, 0)


def causal_mask(T: int, S: int | None = None) -> Tensor:
    """(T, S), True where the key is not later than the query. With S > T the queries are the last T of S positions (a KV cache)."""
    S = T if S is None else S
    if S < T:
        raise ValueError(f"The last {T} of {S} positions cannot be asked for: a query needs at least its own key.")
    return torch.ones(T, S, dtype=torch.bool).tril(diagonal=S - T)


def padding_mask(real: Tensor) -> Tensor:
    """real (B, S), True for real tokens -> (B, 1, 1, S): nobody, in any head, looks at padding."""
    return real[:, None, None, :]


def split_heads(x: Tensor, heads: int) -> Tensor:
    B, T, C = x.shape
    if C % heads:
        raise ValueError(f"A width of {C} cannot be shared equally by {heads} heads.")
    return x.view(B, T, heads, C // heads).transpose(1, 2)  # (B, H, T, D)


def merge_heads(x: Tensor) -> Tensor:
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)  # (B, T, C)


class Heads(NamedTuple):
    """What the heads of one layer did, for those who want to look."""

    q: Tensor  # (B, H, T, D), after rotation if there is any
    k: Tensor  # (B, H, S, D)
    v: Tensor  # (B, H, S, D)
    weights: Tensor  # (B, H, T, S)
    said: Tensor  # (B, H, T, D), before the output projection mixes the heads


class KeyValues:
    """The keys and values of one layer so far: a token's key and value never change, so nobody computes them twice."""

    def __init__(self) -> None:
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def __len__(self) -> int:
        return 0 if self.k is None else self.k.shape[2]

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.k = k if self.k is None else torch.cat([self.k, k], dim=2)
        self.v = v if self.v is None else torch.cat([self.v, v], dim=2)
        return self.k, self.v

    def cut(self, length: int) -> None:
        """Forget everything after the first `length` positions (speculative decoding takes back what was refused)."""
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[:, :, :length], self.v[:, :, :length]


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each on its own D = C/H slice. Self-attention, or cross-attention when `memory` is given."""

    def __init__(self, width: int, heads: int, *, bias: bool = False, rotary_base: float | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_base = rotary_base
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KeyValues | None = None,
        edit: HeadEdit | None = None,
    ) -> tuple[Tensor, Heads]:
        """x (B, T, C), memory (B, S, C) -> what is added to the residual stream (B, T, C), and what each head did."""
        source = x if memory is None else memory
        q = split_heads(self.query(x), self.heads)  # (B, H, T, D)
        k = split_heads(self.key(source), self.heads)  # (B, H, S, D)
        v = split_heads(self.value(source), self.heads)
        if self.rotary_base is not None:
            first = 0 if cache is None else len(cache)
            positions = torch.arange(first, first + x.shape[1])
            q, k = rotate(q, positions, self.rotary_base), rotate(k, positions, self.rotary_base)
        if cache is not None:
            k, v = cache.append(k, v)
        said, weights = scaled_dot_product(q, k, v, mask)
        if edit is not None:
            said = edit(said)
        return self.out(merge_heads(said)), Heads(q, k, v, weights, said)
