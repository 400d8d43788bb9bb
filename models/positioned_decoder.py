"""One small decoder, many ways to tell it where its tokens stand: what happens beyond the length it was trained on?

    none         the causal mask alone
    sinusoidal   fixed vectors added to the embeddings
    learned      a table of vectors added to the embeddings; it ends with the trained length
    rotary       q and k are turned (models/rotary.py), and may be turned more slowly later (models/rotary_scaling.py)
    alibi        a fixed penalty on distance (models/alibi.py)
    t5           a learned number per bucket of distances (models/relative_buckets.py)
    shaw         a learned vector per clipped offset, in keys and values (models/relative_attention.py)

Shapes: B texts, T tokens, C width, H heads, D = C/H, V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.alibi import alibi_bias
from models.attention import causal_mask, merge_heads, scaled_dot_product, split_heads
from models.decoder import FeedForward, start_small
from models.relative_attention import relative_attention
from models.relative_buckets import BucketBias
from models.rotary import turn
from models.rotary_scaling import scaled_frequencies, score_growth
from models.sinusoidal import sinusoids

SCHEMES = ("none", "learned", "sinusoidal", "rotary", "t5", "alibi", "shaw")
ROTARY_BASE = 10_000.0


@dataclass(frozen=True)
class PositionedConfig:
    vocabulary: int
    scheme: str
    trained: int  # L, the length it is trained on
    layers: int = 2
    heads: int = 4
    width: int = 64
    buckets: int = 16  # t5
    max_distance: int = 32  # t5
    clip: int = 8  # shaw: k
    relative_keys: bool = True  # shaw
    relative_values: bool = True


@dataclass(frozen=True)
class Stretch:
    """What is done after training so that a longer text may be read. The default is nothing."""

    scaling: str = "none"  # of rotary positions: none, pi, ntk, yarn
    s: float = 1.0
    window: int | None = None  # a query sees only so many keys, itself counted


UNSTRETCHED = Stretch()


@dataclass(frozen=True)
class Placing:
    """How one forward pass tells positions apart inside the attention."""

    allowed: Tensor  # (T, T) bool
    bias: Tensor | None = None  # (H, T, T)
    angle: Tensor | None = None  # (T, D/2)
    growth: float = 1.0  # of the scores


class PositionedAttention(nn.Module):
    def __init__(self, config: PositionedConfig) -> None:
        super().__init__()
        C, D = config.width, config.width // config.heads
        self.heads = config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(C, C, bias=False) for _ in range(4))
        shaw = config.scheme == "shaw"
        self.relative_key = nn.Embedding(2 * config.clip + 1, D) if shaw and config.relative_keys else None
        self.relative_value = nn.Embedding(2 * config.clip + 1, D) if shaw and config.relative_values else None

    def forward(self, x: Tensor, placing: Placing) -> tuple[Tensor, Tensor]:
        """x (B, T, C) -> what is added to the stream (B, T, C), weights (B, H, T, T)."""
        q, k, v = (split_heads(linear(x), self.heads) for linear in (self.query, self.key, self.value))  # (B, H, T, D)
        if placing.angle is not None:
            q, k = turn(q, placing.angle) * placing.growth, turn(k, placing.angle)
        if self.relative_key is not None or self.relative_value is not None:
            w_k, w_v = (None if table is None else table.weight for table in (self.relative_key, self.relative_value))
            said, weights = relative_attention(q, k, v, w_k, w_v, placing.allowed)
        elif placing.bias is not None:
            said, weights = scaled_dot_product(q, k, v, placing.bias.masked_fill(~placing.allowed, -math.inf))
        else:
            said, weights = scaled_dot_product(q, k, v, placing.allowed)
        return self.out(merge_heads(said)), weights


class PositionedBlock(nn.Module):
    def __init__(self, config: PositionedConfig) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width)
        self.attention = PositionedAttention(config)
        self.norm_feed_forward = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width)

    def forward(self, x: Tensor, placing: Placing) -> tuple[Tensor, Tensor]:
        added, weights = self.attention(self.norm_attention(x), placing)
        x = x + added
        return x + self.feed_forward(self.norm_feed_forward(x)), weights


class PositionedDecoder(nn.Module):
    def __init__(self, config: PositionedConfig) -> None:
        super().__init__()
        if config.scheme not in SCHEMES:
            raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}; got {config.scheme!r}")
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.trained, config.width) if config.scheme == "learned" else None
        self.bias = BucketBias(config.heads, config.buckets, config.max_distance, causal=True) if config.scheme == "t5" else None
        self.blocks = nn.ModuleList(PositionedBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(start_small)

    def forward(self, tokens: Tensor, stretch: Stretch = UNSTRETCHED) -> Tensor:
        """tokens (B, T) -> logits (B, T, V)."""
        return self.look(tokens, stretch)[0]

    def look(self, tokens: Tensor, stretch: Stretch = UNSTRETCHED) -> tuple[Tensor, list[Tensor]]:
        """The logits, and per layer the weights (B, H, T, T)."""
        x, placing, seen = self.embed(tokens), self.placing(tokens.shape[1], stretch), []
        for block in self.blocks:
            x, weights = block(x, placing)
            seen.append(weights)
        return F.linear(self.norm(x), self.embedding.weight), seen  # tied

    def embed(self, tokens: Tensor) -> Tensor:
        T, config = tokens.shape[1], self.config
        x = self.embedding(tokens)  # (B, T, C)
        if config.scheme == "sinusoidal":
            return x + 0.1 * sinusoids(torch.arange(T), config.width)  # of a size with the embeddings, which start small
        if self.position is not None:
            if config.trained < T:
                raise ValueError(f"The learned table has {config.trained} rows; there is none for position {config.trained} of these {T} tokens.")
            return x + self.position(torch.arange(T))
        return x

    def placing(self, T: int, stretch: Stretch) -> Placing:
        config, allowed = self.config, causal_mask(T)
        if stretch.window is not None:
            allowed = allowed & ~causal_mask(T).tril(-stretch.window)
        if config.scheme == "alibi":
            return Placing(allowed, bias=alibi_bias(config.heads, T))
        if self.bias is not None:
            return Placing(allowed, bias=self.bias(T))
        if config.scheme == "rotary":
            theta = scaled_frequencies(config.width // config.heads, ROTARY_BASE, stretch.scaling, stretch.s, config.trained)
            return Placing(allowed, angle=torch.arange(T)[:, None] * theta, growth=score_growth(stretch.scaling, stretch.s))
        return Placing(allowed)
