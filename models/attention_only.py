"""A decoder with nothing but attention: no feed-forward network, so that all it can do is move information between positions.

    x = token embedding
    for each layer:  x = x + attention(norm(x))        (positions come in as rotations of q and k)
    logits = norm(x) · unembedding

Small enough to ask which wiring a task needs. On a random stretch of symbols that repeats, the next symbol is known to whoever can look for an
earlier occurrence of this one and see what followed it. That takes two heads in a row, one layer above the other: the first writes "what stood
before me" into every position, the second looks for it (Elhage et al. 2021; Olsson et al. 2022).

Shapes: B texts, T tokens, C width, H heads, V vocabulary, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import HeadEdit, Heads, MultiHeadAttention, causal_mask
from models.decoder import Edit, start_small


@dataclass(frozen=True)
class AttentionOnlyConfig:
    vocabulary: int
    layers: int = 2
    heads: int = 2
    width: int = 48
    rotary_base: float = 10_000.0


class AttentionLayer(nn.Module):
    def __init__(self, config: AttentionOnlyConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.attention = MultiHeadAttention(config.width, config.heads, rotary_base=config.rotary_base)

    def forward(self, x: Tensor, mask: Tensor, edit: HeadEdit | None) -> tuple[Tensor, Heads]:
        added, heads = self.attention(self.norm(x), mask=mask, edit=edit)
        return x + added, heads


class AttentionOnly(nn.Module):
    def __init__(self, config: AttentionOnlyConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(AttentionLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.unembedding = nn.Linear(config.width, config.vocabulary, bias=False)
        self.apply(start_small)

    def forward(self, tokens: Tensor, edit: Edit | None = None) -> Tensor:
        """tokens (B, T) -> logits (B, T, V)."""
        return self.look(tokens, edit)[0]

    def look(self, tokens: Tensor, edit: Edit | None = None) -> tuple[Tensor, list[Heads]]:
        x, seen = self.embedding(tokens), []  # (B, T, C)
        mask = causal_mask(tokens.shape[1])
        for layer, block in enumerate(self.blocks):
            edit_here = None if edit is None else (lambda said, at=layer: edit(at, said))
            x, heads = block(x, mask, edit_here)
            seen.append(heads)
        return self.unembedding(self.norm(x)), seen


def repeated(count: int, length: int, stretch: int | tuple[int, int], vocabulary: int, generator: torch.Generator) -> Tensor:
    """(B, T): in each line a stretch of different random symbols, over and over. `stretch` is its length, or the range to draw it from.

    No symbol stands twice within a stretch, so an earlier occurrence says for certain what comes next."""
    lowest, highest = (stretch, stretch) if isinstance(stretch, int) else stretch
    if highest > vocabulary:
        raise ValueError(f"A stretch of {highest} different symbols needs more than the {vocabulary} there are.")
    lengths = torch.randint(lowest, highest + 1, (count, 1), generator=generator)  # (B, 1)
    orders = torch.rand(count, vocabulary, generator=generator).argsort(dim=1)  # (B, V): a random order of all symbols per line
    return orders.gather(1, torch.arange(length) % lengths)


def losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Nats per predicted token, (B, T-1): entry t is the loss on token t + 1."""
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
