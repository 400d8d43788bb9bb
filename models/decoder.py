"""A decoder in the style of GPT: pre-LayerNorm blocks on a residual stream, small enough to read and to run in a millisecond.

    x = token embedding (+ position embedding)
    for each layer:  x = x + attention(norm(x));  x = x + feed_forward(norm(x))
    logits = norm(x) · token embeddingᵀ          (the same table at both ends: tied)

Positions are learned vectors, or rotations of q and k inside the attention; the feed-forward network is dense, or a mixture of experts.
Anyone may look inside (`Trace`) or interfere (`edit`): switch a head off, or replace what it said by what it said about another text.

Shapes: B texts, T tokens, C width, H heads, V vocabulary, L layers.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Heads, KeyValues, MultiHeadAttention, causal_mask
from models.mixture import MixtureOfExperts, Routing

Edit = Callable[[int, Tensor], Tensor]  # (layer, what its heads said (B, H, T, D)) -> what they shall have said
RouteBy = Callable[[int, Tensor], Routing]  # (layer, its router's logits (B·T, E)) -> which experts shall work


@dataclass(frozen=True)
class DecoderConfig:
    vocabulary: int
    context: int = 128
    layers: int = 4
    heads: int = 4
    width: int = 128
    positions: Literal["learned", "rotary"] = "learned"
    rotary_base: float = 10_000.0
    experts: int = 0  # 0: one dense network per layer
    chosen_experts: int = 2
    shared_expert: bool = False
    expert_hidden: int = 128


@dataclass
class Trace:
    """Everything a forward pass computed on its way, one entry per layer (the residual stream has one more: the start)."""

    heads: list[Heads] = field(default_factory=list)
    residual: list[Tensor] = field(default_factory=list)  # (B, T, C): the embeddings, then the stream after each layer
    from_attention: list[Tensor] = field(default_factory=list)  # (B, T, C): what each attention added
    from_feed_forward: list[Tensor] = field(default_factory=list)
    routing: list[Routing] = field(default_factory=list)  # only in a mixture of experts

    @property
    def attention(self) -> Tensor:
        """(L, B, H, T, S)"""
        return torch.stack([heads.weights for heads in self.heads])

    @property
    def queries(self) -> Tensor:
        """(L, B, H, T, D)"""
        return torch.stack([heads.q for heads in self.heads])

    @property
    def keys(self) -> Tensor:
        """(L, B, H, S, D)"""
        return torch.stack([heads.k for heads in self.heads])


class Cache(list[KeyValues]):
    """One `KeyValues` per layer. Feed only the new tokens; the old ones are remembered."""

    def __init__(self, layers: int) -> None:
        super().__init__(KeyValues() for _ in range(layers))

    @property
    def length(self) -> int:
        return len(self[0])

    def cut(self, length: int) -> None:
        for layer in self:
            layer.cut(length)


def without(heads: Collection[tuple[int, int]]) -> Edit:
    """An edit that silences the given (layer, head) pairs: what they said becomes zero, so they add nothing to the stream."""

    def silence(layer: int, said: Tensor) -> Tensor:
        silent = [head for at, head in heads if at == layer]
        if not silent:
            return said
        said = said.clone()
        said[:, silent] = 0
        return said

    return silence


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        rotary = config.rotary_base if config.positions == "rotary" else None
        self.norm_attention = nn.LayerNorm(config.width)
        self.attention = MultiHeadAttention(config.width, config.heads, rotary_base=rotary)
        self.norm_feed_forward = nn.LayerNorm(config.width)
        self.feed_forward: FeedForward | MixtureOfExperts = (
            MixtureOfExperts(config.width, config.expert_hidden, config.experts, config.chosen_experts, config.shared_expert)
            if config.experts
            else FeedForward(config.width)
        )


class Decoder(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.context, config.width) if config.positions == "learned" else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(start_small)

    def new_cache(self) -> Cache:
        return Cache(self.config.layers)

    def forward(
        self, tokens: Tensor, *, cache: Cache | None = None, edit: Edit | None = None, trace: Trace | None = None, route_by: RouteBy | None = None
    ) -> Tensor:
        """tokens (B, T) -> logits (B, T, V): at each position, the scores of every possible next token."""
        past = 0 if cache is None else cache.length
        x = self.embed(tokens, past)  # (B, T, C)
        T = tokens.shape[1]
        mask = causal_mask(T, past + T)
        if trace is not None:
            trace.residual.append(x)
        for layer, block in enumerate(self.blocks):
            x = self.through(block, x, mask, layer, cache, edit, trace, route_by)
        return self.unembed(x)

    def embed(self, tokens: Tensor, past: int = 0) -> Tensor:
        T = tokens.shape[1]
        if past + T > self.config.context:
            raise ValueError(f"{past + T} tokens are more than the {self.config.context} positions this decoder was trained on.")
        x = self.embedding(tokens)
        return x if self.position is None else x + self.position(torch.arange(past, past + T))

    def through(
        self, block: nn.Module, x: Tensor, mask: Tensor, layer: int, cache: Cache | None, edit: Edit | None, trace: Trace | None,
        route_by: RouteBy | None = None,
    ) -> Tensor:  # fmt: skip
        """One block: attention moves information between positions, the feed-forward network works on each position alone."""
        assert isinstance(block, Block)  # a ModuleList only promises modules
        edit_here = None if edit is None else (lambda said: edit(layer, said))
        added, heads = block.attention(block.norm_attention(x), mask=mask, cache=cache and cache[layer], edit=edit_here)
        x = x + added
        routing = None
        if isinstance(block.feed_forward, MixtureOfExperts):
            rule = None if route_by is None else (lambda logits: route_by(layer, logits))
            worked, routing = block.feed_forward(block.norm_feed_forward(x), rule)
        else:
            worked = block.feed_forward(block.norm_feed_forward(x))
        x = x + worked
        if trace is not None:
            trace.heads.append(heads)
            trace.from_attention.append(added)
            trace.from_feed_forward.append(worked)
            trace.residual.append(x)
            trace.routing.extend([routing] if routing is not None else [])
        return x

    def unembed(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, V). Applied to an earlier layer's residual stream this is the logit lens."""
        return F.linear(self.norm(x), self.embedding.weight)

    def look(self, tokens: Tensor, edit: Edit | None = None) -> tuple[Tensor, Trace]:
        """The logits, and everything on the way to them."""
        trace = Trace()
        return self(tokens, edit=edit, trace=trace), trace

    def continue_greedily(self, tokens: list[int], stop: Collection[int] = ()) -> Iterator[int]:
        """The most likely next token, again and again, one forward pass per token, until a stop token or a full context."""
        cache, new = self.new_cache(), list(tokens)
        while cache.length + len(new) <= self.config.context:
            logits = self(torch.tensor([new]), cache=cache)
            token = int(logits[0, -1].argmax())
            if token in stop:
                return
            yield token
            new = [token]


def start_small(module: nn.Module) -> None:
    """GPT-2's start: weights near zero (std 0.02), so that at first every block adds little to the stream."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
