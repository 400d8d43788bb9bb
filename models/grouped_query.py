"""Attention whose query heads share keys and values: multi-query (Shazeer 2019), grouped-query (Ainslie et al. 2023).

h query heads stand in n_kv groups. The heads of a group ask different questions of the same keys and values, so a token leaves 2·n_kv·D
numbers in the cache of a layer. n_kv = h is multi-head attention, n_kv = 1 multi-query attention.

Shapes: B texts, T positions that ask, S that answer, h query heads, g = n_kv key-value heads, r = h/g heads of a group, D numbers per head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.attention import KeyValues, causal_mask, merge_heads, scaled_dot_product, split_heads


class GroupedQueryAttention(nn.Module):
    def __init__(self, width: int, heads: int, kv_heads: int, head_size: int, bias: bool = False) -> None:
        super().__init__()
        if heads % kv_heads:
            raise ValueError(f"{heads} query heads cannot be shared out to {kv_heads} key-value heads.")
        self.heads, self.kv_heads = heads, kv_heads
        self.query = nn.Linear(width, heads * head_size, bias=bias)
        self.key = nn.Linear(width, kv_heads * head_size, bias=bias)
        self.value = nn.Linear(width, kv_heads * head_size, bias=bias)
        self.out = nn.Linear(heads * head_size, width, bias=bias)

    def forward(self, x: Tensor, cache: KeyValues | None = None, stored: torch.dtype | None = None) -> Tensor:
        """x (B, T, C), the newest T tokens -> (B, T, C). `stored` is the cache's precision where it differs from x's."""
        q, k, v = self.project(x)
        if cache is not None:
            k, v = cache.append(k.to(stored or k.dtype), v.to(stored or v.dtype))  # (B, g, S, D)
            k, v = k.to(x.dtype), v.to(x.dtype)
        grouped = q.unflatten(1, (self.kv_heads, self.heads // self.kv_heads))  # (B, g, r, T, D): heads 0 … r-1 are the first group
        said, _ = scaled_dot_product(grouped, k[:, :, None], v[:, :, None], causal_mask(x.shape[1], k.shape[2]))  # k, v broadcast over r
        return self.out(merge_heads(said.flatten(1, 2)))  # (B, g, r, T, D) -> (B, h, T, D) -> (B, T, C)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, C) -> q (B, h, T, D), k and v (B, g, T, D)"""
        return split_heads(self.query(x), self.heads), split_heads(self.key(x), self.kv_heads), split_heads(self.value(x), self.kv_heads)


def mean_pooled(weight: Tensor, kv_heads: int, head_size: int) -> Tensor:
    """W_K or W_V of multi-head attention (h·D, C) -> (n_kv·D, C): each group's heads averaged, where uptraining starts."""
    C = weight.shape[-1]
    groups = weight.view(kv_heads, -1, head_size, C)  # (g, r, D, C)
    return groups.mean(dim=1).reshape(kv_heads * head_size, C)


def cached_bytes(cache: object) -> int:
    """What the tensors of a cache take, added up."""
    return sum(tensor.numel() * tensor.element_size() for tensor in vars(cache).values() if isinstance(tensor, Tensor))
