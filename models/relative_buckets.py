"""T5's position bias: one learned number per head and bucket of offsets, added to the scores (Raffel et al. 2019).

    s_ij = q_i·k_j + b[h, bucket(j - i)]

Small distances have a bucket each, larger ones share buckets that widen logarithmically, and everything beyond the largest distance falls
into the last. In an encoder half of the buckets look ahead; in a causal decoder all of them look back. One table serves all layers.
"""

import math

import torch
from torch import Tensor, nn


def bucket(offset: Tensor, buckets: int = 32, max_distance: int = 128, *, causal: bool) -> Tensor:
    """offset j - i, any shape -> the bucket's number, same shape."""
    if causal:
        first, distance = torch.zeros_like(offset), (-offset).clamp(min=0)
    else:
        buckets //= 2
        first, distance = (offset > 0) * buckets, offset.abs()
    exact = buckets // 2
    if not 1 <= exact < max_distance:
        raise ValueError(f"{buckets} buckets a side keep {exact} distances exact; the largest distance must be beyond that, got {max_distance}.")
    octaves = torch.log(distance.clamp(min=exact).float() / exact) / math.log(max_distance / exact)  # 0 at `exact`, 1 at `max_distance`
    wide = (exact + (octaves * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + torch.where(distance < exact, distance, wide)


def offsets(T: int, S: int | None = None) -> Tensor:
    """j - i (T, S): negative for keys before the query. With S > T the queries are the last T of S positions."""
    S = T if S is None else S
    return torch.arange(S)[None, :] - torch.arange(S - T, S)[:, None]


class BucketBias(nn.Module):
    def __init__(self, heads: int, buckets: int, max_distance: int, *, causal: bool) -> None:
        super().__init__()
        self.buckets, self.max_distance, self.causal = buckets, max_distance, causal
        self.table = nn.Embedding(buckets, heads)

    def forward(self, T: int, S: int | None = None) -> Tensor:
        """(H, T, S)"""
        return self.table(bucket(offsets(T, S), self.buckets, self.max_distance, causal=self.causal)).permute(2, 0, 1)  # (T, S, H) -> (H, T, S)
