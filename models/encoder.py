"""Encoder blocks: every token looks at every other, in both directions. Used by the masked language model, the vision transformer, the text
side of the contrastive model, and (with a second, crossing attention) by the encoder-decoder.

    x = x + attention(norm(x));  x = x + feed_forward(norm(x))

Shapes: B texts or images, T positions, C width, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Heads, MultiHeadAttention, padding_mask
from models.decoder import FeedForward, start_small


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Heads]:
        added, heads = self.attention(self.norm_attention(x), mask=mask)
        x = x + added
        return x + self.feed_forward(self.norm_feed_forward(x)), heads


class Encoder(nn.Module):
    """A stack of blocks and a last norm: (B, T, C) -> (B, T, C), and what the heads of each layer did."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Heads]]:
        seen = []
        for block in self.blocks:
            x, heads = block(x, mask)
            seen.append(heads)
        return self.norm(x), seen


class MaskedLanguageModel(nn.Module):
    """Says what stands behind each mask, from both sides: BERT's task with a pre-LayerNorm encoder."""

    def __init__(self, vocabulary: int, context: int = 64, layers: int = 3, heads: int = 4, width: int = 96) -> None:
        super().__init__()
        self.config = {"vocabulary": vocabulary, "context": context, "layers": layers, "heads": heads, "width": width}
        self.context = context
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.encoder = Encoder(width, heads, layers)
        self.apply(start_small)

    def forward(self, tokens: Tensor, real: Tensor | None = None) -> Tensor:
        """tokens (B, T), real (B, T) False at padding -> logits (B, T, V)."""
        return self.look(tokens, real)[0]

    def look(self, tokens: Tensor, real: Tensor | None = None) -> tuple[Tensor, list[Heads]]:
        T = tokens.shape[1]
        if T > self.context:
            raise ValueError(f"{T} tokens are more than the {self.context} positions this model was trained on.")
        x = self.embedding(tokens) + self.position(torch.arange(T))
        x, heads = self.encoder(x, None if real is None else padding_mask(real))
        return F.linear(x, self.embedding.weight), heads
