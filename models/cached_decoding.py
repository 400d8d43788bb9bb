"""Writing with a cache of keys and values: what it saves, what it must read, and what that allows per second.

A token's key and value never change once it stands there, since no later token is seen by it. So a step needs the new token's query, key and
value only, and reads all the others. `CachedDecoder` is a trained decoder whose query heads may share keys and values, and whose cache may be
kept in fewer bits than it calculates with; without a cache it reads the whole text again for every token.

The two limits of a machine (Williams et al. 2009): `peak` operations a second and `bandwidth` bytes a second. Whichever takes longer decides.

Shapes: B texts, T new tokens, S tokens in all, C width, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.attention import KeyValues
from models.decoder import Block, Decoder
from models.grouped_query import GroupedQueryAttention, mean_pooled
from models.model_size import Shape, attention_matrices, cache_bytes_per_token, feed_forward_matrices, forward_flops, next_token_flops, total_weights


class CachedDecoder:
    def __init__(self, decoder: Decoder, kv_heads: int, stored: torch.dtype = torch.float32) -> None:
        self.decoder, self.stored = decoder, stored
        heads, C = decoder.config.heads, decoder.config.width
        self.attentions = nn.ModuleList()
        for block in decoder.blocks:
            assert isinstance(block, Block)  # a ModuleList only promises modules
            trained = block.attention
            grouped = GroupedQueryAttention(C, heads, kv_heads, C // heads).requires_grad_(False)
            grouped.query, grouped.out = trained.query, trained.out
            for shared, whole in ((grouped.key, trained.key), (grouped.value, trained.value)):
                shared.weight.copy_(mean_pooled(whole.weight, kv_heads, C // heads))
            self.attentions.append(grouped)

    def new_cache(self) -> list[KeyValues]:
        return [KeyValues() for _ in self.attentions]

    def forward(self, tokens: Tensor, cache: list[KeyValues] | None = None, first: int | None = None) -> Tensor:
        """tokens (B, T), the new ones only if there is a cache -> logits (B, T, V). `first` is the position of the first; it goes on where the cache ends."""
        past = len(cache[0]) if cache is not None else 0
        x = self.decoder.embed(tokens, past if first is None else first)
        for layer, (block, attention) in enumerate(zip(self.decoder.blocks, self.attentions)):
            assert isinstance(block, Block)
            x = x + attention(block.norm_attention(x), cache[layer] if cache is not None else None, self.stored)
            x = x + block.feed_forward(block.norm_feed_forward(x))
        return self.decoder.unembed(x)


class Machine(NamedTuple):
    peak: float  # operations a second
    bandwidth: float  # bytes a second


class Work(NamedTuple):
    """What one pass asks of a machine."""

    flops: float
    bytes: float

    @property
    def intensity(self) -> float:
        """Operations per byte: left of peak / bandwidth the memory decides."""
        return self.flops / self.bytes

    def seconds(self, machine: Machine) -> float:
        return max(self.flops / machine.peak, self.bytes / machine.bandwidth)


def matrix_bytes(shape: Shape, bytes_per_weight: float) -> float:
    """Weights that a pass reads: all but the embedding table, of which it looks up single rows."""
    blocks = shape.layers * (attention_matrices(shape) + feed_forward_matrices(shape))
    return bytes_per_weight * (blocks + shape.vocabulary * shape.width)


def prefill(shape: Shape, n: int, batch: int, cache_number: float, weight: float = 2) -> Work:
    """n tokens of each text at once: the weights are read once for all of them; the cache is written."""
    flops = batch * sum(forward_flops(shape, n).values())
    return Work(flops, matrix_bytes(shape, weight) + batch * n * cache_bytes_per_token(shape, cache_number))


def decode(shape: Shape, past: int, batch: int, cache_number: float, weight: float = 2) -> Work:
    """One token of each text: the weights are read once, and each text's own cache."""
    flops = batch * sum(next_token_flops(shape, past).values())
    return Work(flops, matrix_bytes(shape, weight) + batch * (past + 1) * cache_bytes_per_token(shape, cache_number))


def recompute(shape: Shape, past: int, batch: int, weight: float = 2) -> Work:
    """One token of each text without a cache: all the past + 1 tokens again."""
    return Work(batch * sum(forward_flops(shape, past + 1).values()), matrix_bytes(shape, weight))


def memory(shape: Shape, n: int, batch: int, cache_number: float, weight: float = 2) -> tuple[float, float]:
    """Bytes of the weights, and of all caches."""
    return weight * total_weights(shape), batch * n * cache_bytes_per_token(shape, cache_number)
