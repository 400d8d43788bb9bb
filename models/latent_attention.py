"""Multi-head latent attention, MLA (DeepSeek-AI 2024, DeepSeek-V2, sections 2.1.2 and 2.1.3).

One latent c per token stands for the keys and values of all heads, and is what the cache holds:

    c^KV = W^DKV h      k^C = W^UK c^KV      v^C = W^UV c^KV      c^Q = W^DQ h      q^C = W^UQ c^Q

Expanded: keys and values are built from the latents, then attention as ever. Absorbed: q·(W^UK c) = (W^UKᵀ q)·c, so the query is carried into
the space of the latents instead, which then serve as one key and one value for all heads; W^UV comes after the averaging. The same numbers.

A rotation between W^UQ and W^UK depends on the distance and cannot be merged (rope "naive"). Decoupled RoPE gives each head a short rotary
query q^R and the token one rotary key k^R for all heads, beside the content parts; only k^R joins the latent in the cache.

Shapes: B texts, T positions that ask, S that answer, h heads of D numbers, d_c the latent, d_R the rotary part, d_Q the queries' latent.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from models.attention import causal_mask, merge_heads, scaled_dot_product, split_heads
from models.rotary import angles, rotate, turn

Rope = Literal["none", "naive", "decoupled"]


class Latents:
    """The cache of one layer: a latent and a rotary key per token, none of them per head."""

    def __init__(self) -> None:
        self.c: Tensor | None = None
        self.k_R: Tensor | None = None

    def __len__(self) -> int:
        return 0 if self.c is None else self.c.shape[1]

    def append(self, c: Tensor, k_R: Tensor) -> tuple[Tensor, Tensor]:
        self.c = c if self.c is None else torch.cat([self.c, c], dim=1)
        self.k_R = k_R if self.k_R is None else torch.cat([self.k_R, k_R], dim=1)
        return self.c, self.k_R


class LatentAttention(nn.Module):
    def __init__(self, width: int, heads: int, head_size: int, latent: int, rotary: int, query_latent: int, rope: Rope = "decoupled") -> None:
        super().__init__()
        self.heads, self.head_size, self.rope = heads, head_size, rope
        self.rotary = rotary if rope == "decoupled" else 0
        self.W_DQ = nn.Linear(width, query_latent, bias=False)
        self.norm_q = nn.RMSNorm(query_latent, eps=1e-6)
        self.W_UQ = nn.Linear(query_latent, heads * head_size, bias=False)
        self.W_DKV = nn.Linear(width, latent, bias=False)
        self.norm_kv = nn.RMSNorm(latent, eps=1e-6)
        self.W_UK = nn.Linear(latent, heads * head_size, bias=False)
        self.W_UV = nn.Linear(latent, heads * head_size, bias=False)
        self.W_O = nn.Linear(heads * head_size, width, bias=False)
        if self.rotary:
            self.W_QR = nn.Linear(query_latent, heads * rotary, bias=False)
            self.W_KR = nn.Linear(width, rotary, bias=False)

    @property
    def scale(self) -> float:
        return 1 / math.sqrt(self.head_size + self.rotary)

    def queries(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) -> content queries (B, h, T, D), not turned, and rotary queries (B, h, T, d_R), turned."""
        c_Q = self.norm_q(self.W_DQ(x))  # (B, T, d_Q)
        q_C = split_heads(self.W_UQ(c_Q), self.heads)
        return q_C, rotate(split_heads(self.W_QR(c_Q), self.heads), positions) if self.rotary else q_C[..., :0]

    def remember(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) -> what the cache gets: latents (B, T, d_c) and the rotary key (B, T, d_R), turned before it is stored."""
        c = self.norm_kv(self.W_DKV(x))
        return c, rotate(self.W_KR(x), positions) if self.rotary else c[..., :0]

    def expanded(self, x: Tensor, cache: Latents | None = None, stored: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """Output (B, T, C) and weights (B, h, T, S). Keys and values of every cached token are built again."""
        (q, q_R), (c, k_R), now = self._see(x, cache, stored)
        k, v = split_heads(self.W_UK(c), self.heads), split_heads(self.W_UV(c), self.heads)  # (B, h, S, D)
        if self.rope == "naive":
            q, k = rotate(q, now), rotate(k, torch.arange(c.shape[1]))
        q = torch.cat([q, q_R], dim=-1)  # (B, h, T, D + d_R)
        k = torch.cat([k, k_R[:, None].expand(-1, self.heads, -1, -1)], dim=-1)  # the one rotary key beside each head's own content
        said, weights = scaled_dot_product(q, k, v, causal_mask(x.shape[1], c.shape[1]), self.scale)
        return self.W_O(merge_heads(said)), weights

    def absorbed(self, x: Tensor, cache: Latents | None = None, stored: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """The same without any key or value: exact as long as no rotation stands between W^UQ and W^UK.

        With naive RoPE the one merged matrix has no place for a rotation, so positions are lost: this is what goes wrong, run."""
        (q, q_R), (c, k_R), _ = self._see(x, cache, stored)
        up_k = self.W_UK.weight.view(self.heads, self.head_size, -1)  # (h, D, d_c)
        up_v = self.W_UV.weight.view(self.heads, self.head_size, -1)
        q = torch.cat([q @ up_k, q_R], dim=-1)  # (B, h, T, D) @ (h, D, d_c) -> (B, h, T, d_c), then + d_R
        k = torch.cat([c, k_R], dim=-1)[:, None]  # (B, 1, S, d_c + d_R): one key for all heads, straight from the cache
        mixed, weights = scaled_dot_product(q, k, c[:, None], causal_mask(x.shape[1], c.shape[1]), self.scale)  # mixed (B, h, T, d_c)
        return self.W_O(merge_heads(mixed @ up_v.transpose(-2, -1))), weights  # (h, d_c, D): each head's own view of the mixture

    def merged(self, distances: Tensor) -> Tensor:
        """W^UQᵀ R W^UK per head, (N, h, d_Q, d_c): the matrix between the two latents when query and key are so far apart (N,)."""
        up_q = self.W_UQ.weight.view(self.heads, 1, self.head_size, -1)  # (h, 1, D, d_Q)
        up_k = self.W_UK.weight.view(self.heads, 1, self.head_size, -1)  # (h, 1, D, d_c)
        if self.rope == "naive":  # the key is earlier: turned back by the distance
            columns = up_k.permute(0, 3, 1, 2).expand(-1, -1, len(distances), -1)  # (h, d_c, N, D)
            up_k = turn(columns, angles(-distances, self.head_size)).permute(0, 2, 3, 1)  # (h, N, D, d_c)
        between = up_q.transpose(-2, -1) @ up_k  # (h, N, d_Q, d_c); without a rotation one for all distances
        return between.expand(-1, len(distances), -1, -1).transpose(0, 1)

    def _see(self, x: Tensor, cache: Latents | None, stored: torch.dtype | None) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
        """Queries of the new tokens, latents of all so far, positions of the new. `stored` is the cache's precision where it differs from x's."""
        first = 0 if cache is None else len(cache)
        now = torch.arange(first, first + x.shape[1])
        c, k_R = self.remember(x, now)
        if cache is not None:
            c, k_R = cache.append(c.to(stored or c.dtype), k_R.to(stored or k_R.dtype))
        return self.queries(x, now), (c.to(x.dtype), k_R.to(x.dtype)), now


def multiplications(heads: int, head_size: int, latent: int, rotary: int, S: int) -> dict[str, int]:
    """For one new token over S cached ones, the parts that grow with S: scores and mixing, and the building of keys and values."""
    return {
        "expanded": S * heads * (latent * 2 * head_size + (head_size + rotary) + head_size),
        "absorbed": S * heads * ((latent + rotary) + latent),
        "multi-head": S * heads * 2 * head_size,
    }
