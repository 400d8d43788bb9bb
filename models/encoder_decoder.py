"""An encoder-decoder (the original Transformer's shape): one side reads, the other writes and looks back at what was read.

The encoder reads the whole source in both directions. The decoder writes one character at a time; in every layer it attends first to what it
has written (causally), then, with queries of its own, to keys and values made from the encoder's output: cross-attention. Its weights say
which part of the source each written character comes from.

Shapes: B pairs, S source positions, T target positions, C width, H heads, V characters, L layers.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Heads, MultiHeadAttention, causal_mask, padding_mask
from models.decoder import FeedForward, start_small
from models.encoder import Encoder


@dataclass(frozen=True)
class EncoderDecoderConfig:
    vocabulary: int
    source_context: int = 40
    target_context: int = 16
    layers: int = 2
    heads: int = 4
    width: int = 64


@dataclass
class CrossTrace:
    """What every head of every layer did, on the three paths of attention."""

    encoder: list[Heads] = field(default_factory=list)
    decoder: list[Heads] = field(default_factory=list)
    cross: list[Heads] = field(default_factory=list)

    @property
    def cross_attention(self) -> Tensor:
        """(L, B, H, T, S)"""
        return torch.stack([heads.weights for heads in self.cross])


class CrossBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.norm_cross = nn.LayerNorm(width)
        self.cross = MultiHeadAttention(width, heads)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, memory: Tensor, causal: Tensor, readable: Tensor) -> tuple[Tensor, Heads, Heads]:
        added, own = self.attention(self.norm_attention(x), mask=causal)
        x = x + added
        added, crossed = self.cross(self.norm_cross(x), memory, mask=readable)
        x = x + added
        return x + self.feed_forward(self.norm_feed_forward(x)), own, crossed


class Written(NamedTuple):
    text: str
    trace: CrossTrace


class EncoderDecoder(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.source_position = nn.Embedding(config.source_context, config.width)
        self.target_position = nn.Embedding(config.target_context, config.width)
        self.encoder = Encoder(config.width, config.heads, config.layers)
        self.blocks = nn.ModuleList(CrossBlock(config.width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(start_small)

    def forward(self, source: Tensor, target: Tensor, real: Tensor | None = None, trace: CrossTrace | None = None) -> Tensor:
        """source (B, S), target so far (B, T), real (B, S) False at padding -> logits (B, T, V)."""
        memory, seen = self.read(source, real)
        if trace is not None:
            trace.encoder.extend(seen)
        return self.write(memory, target, real, trace)

    def read(self, source: Tensor, real: Tensor | None = None) -> tuple[Tensor, list[Heads]]:
        S = source.shape[1]
        if S > self.config.source_context:
            raise ValueError(f"The source has {S} tokens; this model reads at most {self.config.source_context}.")
        x = self.embedding(source) + self.source_position(torch.arange(S))
        return self.encoder(x, None if real is None else padding_mask(real))

    def write(self, memory: Tensor, target: Tensor, real: Tensor | None = None, trace: CrossTrace | None = None) -> Tensor:
        T = target.shape[1]
        x = self.embedding(target) + self.target_position(torch.arange(T))
        readable = torch.ones(memory.shape[:2], dtype=torch.bool) if real is None else real
        for block in self.blocks:
            x, own, crossed = block(x, memory, causal_mask(T), padding_mask(readable))
            if trace is not None:
                trace.decoder.append(own)
                trace.cross.append(crossed)
        return F.linear(self.norm(x), self.embedding.weight)

    @torch.inference_mode()
    def answer(self, source: Tensor, start: int, stop: int, real: Tensor | None = None) -> Tensor:
        """The most likely target, written greedily for all B sources at once: (B, T) with the start token and everything after it."""
        memory, _ = self.read(source, real)
        target = torch.full((len(source), 1), start)
        done = torch.zeros(len(source), dtype=torch.bool)
        while target.shape[1] < self.config.target_context and not done.all():
            token = self.write(memory, target, real)[:, -1].argmax(dim=-1)
            token = torch.where(done, torch.tensor(stop), token)
            target = torch.cat([target, token[:, None]], dim=1)
            done |= token == stop
        return target
