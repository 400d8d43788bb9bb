"""A decoder of any shape, in GPT-2's manner or in Llama's, built to be counted: its tensors can be added up without a closed formula.

On torch's "meta" device tensors have shapes but no numbers, so a model of 70 billion weights is built in a moment and run in another, and a
counter of operations sees every matrix product on the way. What is computed is a real forward pass; put it on the CPU, and it gives logits.

Shapes: B texts, T tokens, d width, h heads of size D, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.attention import attention_scores, causal_mask, merge_heads
from models.grouped_query import GroupedQueryAttention
from models.model_size import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD, NORMS, POSITIONS, TERMS, Shape


class SizedAttention(GroupedQueryAttention):
    def __init__(self, shape: Shape) -> None:
        super().__init__(shape.width, shape.heads, shape.kv_heads, shape.D, bias=shape.biases)

    def forward(self, x: Tensor, fused: bool = False) -> Tensor:  # type: ignore[override]
        """x (B, T, d) -> (B, T, d): a whole text at once, without a cache."""
        return self.out(merge_heads(mix(*self.project(x), fused)))


def mix(q: Tensor, k: Tensor, v: Tensor, fused: bool = False) -> Tensor:
    """The part that grows with the square of the length: a score for every pair of tokens, and the values mixed by them.

    q (B, h, T, D), k and v (B, h_kv, T, D) -> (B, h, T, D)
    """
    k, v = (shared.repeat_interleave(q.shape[1] // shared.shape[1], dim=1) for shared in (k, v))
    if fused:  # the same numbers, tile by tile: the (T, T) table is never whole in memory
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = attention_scores(q, k, causal_mask(q.shape[-2]).to(q.device))  # (B, h, T, T)
    return torch.softmax(scores, dim=-1) @ v


class SizedFeedForward(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=shape.biases)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=shape.biases) if shape.gated else None
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=shape.biases)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)) if self.gate is None else F.silu(self.gate(x)) * self.up(x))


class SizedBlock(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm_attention, self.norm_feed_forward = norm_of(shape), norm_of(shape)
        self.attention = SizedAttention(shape)
        self.feed_forward = SizedFeedForward(shape)

    def forward(self, x: Tensor, fused: bool = False) -> Tensor:
        x = x + self.attention(self.norm_attention(x), fused)
        return x + self.feed_forward(self.norm_feed_forward(x))


class SizedDecoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.position = nn.Embedding(shape.learned_positions, shape.width) if shape.learned_positions else None
        self.blocks = nn.ModuleList(SizedBlock(shape) for _ in range(shape.layers))
        self.norm = norm_of(shape)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        if shape.tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> logits (B, T, V). Rotary positions would turn q and k; they change no size and are left out."""
        x = self.embedding(tokens)
        if self.position is not None:
            x = x + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def norm_of(shape: Shape) -> nn.Module:
    return nn.LayerNorm(shape.width) if shape.norm == "layer" else nn.RMSNorm(shape.width)


PARTS = {"embedding": EMBEDDING, "position": POSITIONS, "head": HEAD, "norm": NORMS}
PARTS_OF_A_BLOCK = {"attention": ATTENTION, "feed_forward": FEED_FORWARD, "norm_attention": NORMS, "norm_feed_forward": NORMS}


def counted_weights(shape: Shape) -> dict[str, int]:
    """The entries of every tensor of the built model, added up by term. A shared tensor is listed once."""
    with torch.device("meta"):
        model = SizedDecoder(shape)
    counts = dict.fromkeys(TERMS, 0)
    for name, tensor in model.named_parameters():
        place = name.split(".")
        counts[PARTS_OF_A_BLOCK[place[2]] if place[0] == "blocks" else PARTS[place[0]]] += tensor.numel()
    return counts


def counted_flops(shape: Shape, n: int) -> int:
    """Operations of the matrix products while n tokens run through the built model, seen by torch's own counter."""
    with torch.device("meta"):
        model, tokens = SizedDecoder(shape), torch.zeros(1, n, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens)
    return counter.get_total_flops()
