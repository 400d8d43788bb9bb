"""The blocks of the original Transformer (Vaswani et al. 2017, section 3.1), with a note taken after every step.

    encoder layer:  self-attention, feed-forward network
    decoder layer:  masked self-attention, cross-attention to the encoder's output, feed-forward network

Around each of these sub-layers stands a frame. As published it adds and then normalises (post-norm); most later models normalise first
(pre-norm). Without `residual` it leaves the addition out, to see what it is there for.

    post-norm:  LayerNorm(x + sublayer(x))        pre-norm:  x + sublayer(LayerNorm(x))

Shapes: B texts, T target positions, S source positions, C width d_model, F inner width d_ff, H heads, D = C / H.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Heads, MultiHeadAttention, causal_mask
from models.feed_forward import PositionWise

Norm = Literal["post", "pre"]
SubLayer = Callable[[Tensor], Tensor]


class Step(NamedTuple):
    """One sub-layer in its frame."""

    name: str
    x: Tensor  # (B, T, C) what came in
    said: Tensor  # (B, T, C) what the sub-layer made of it
    out: Tensor  # (B, T, C) what leaves the frame
    heads: Heads | None = None  # in the two kinds of attention


class Frame(NamedTuple):
    """How a sub-layer is wrapped."""

    norm: Norm = "post"
    residual: bool = True

    def wrap(self, x: Tensor, sublayer: SubLayer, layer_norm: nn.Module) -> tuple[Tensor, Tensor]:
        """What the sub-layer said, and what leaves the frame: both (B, T, C)."""
        said = sublayer(layer_norm(x) if self.norm == "pre" else x)
        out = x + said if self.residual else said
        return said, layer_norm(out) if self.norm == "post" else out


PUBLISHED = Frame()


class Layer(nn.Module):
    """An encoder layer, or with `cross` a decoder layer."""

    def __init__(self, width: int, heads: int, inner: int, *, cross: bool = False) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, bias=True)
        self.cross = MultiHeadAttention(width, heads, bias=True) if cross else None
        self.feed_forward = PositionWise(width, inner)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None, frame: Frame = PUBLISHED) -> list[Step]:
        """x (B, T, C), memory (B, S, C) in a decoder layer -> one step per sub-layer; the last one's `out` is the layer's."""
        norms = iter(self.norms)
        steps = [attend("self-attention" if mask is None else "masked self-attention", self.attention, x, None, mask, next(norms), frame)]
        if self.cross is not None:
            steps.append(attend("cross-attention", self.cross, steps[-1].out, memory, None, next(norms), frame))
        x = steps[-1].out
        return [*steps, Step("feed-forward", x, *frame.wrap(x, self.feed_forward, next(norms)))]


def attend(
    name: str, attention: MultiHeadAttention, x: Tensor, memory: Tensor | None, mask: Tensor | None, layer_norm: nn.Module, frame: Frame
) -> Step:
    seen: list[Heads] = []

    def sublayer(x: Tensor) -> Tensor:
        said, heads = attention(x, memory, mask)
        seen.append(heads)
        return said

    return Step(name, x, *frame.wrap(x, sublayer, layer_norm), seen[0])


def stack(layers: int, width: int, heads: int, inner: int, *, cross: bool = False) -> nn.ModuleList:
    return nn.ModuleList(Layer(width, heads, inner, cross=cross) for _ in range(layers))


def through(layers: Iterable[nn.Module], x: Tensor, memory: Tensor | None = None, frame: Frame = PUBLISHED) -> list[list[Step]]:
    """The steps of every layer. With a memory it is the decoder's stack, and the mask hides the future."""
    mask = None if memory is None else causal_mask(x.shape[1])
    steps: list[list[Step]] = []
    for layer in layers:
        steps.append(layer(steps[-1][-1].out if steps else x, memory, mask, frame))
    return steps


def start_even(module: nn.Module, generator: torch.Generator) -> None:
    """Glorot's start: uniform, so that a matrix keeps the variance of what goes through it. Biases start at zero."""
    for parameter in module.parameters():
        if parameter.ndim == 2:
            bound = math.sqrt(6 / sum(parameter.shape))
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def mean_cosine(x: Tensor) -> Tensor:
    """x (..., T, C) -> (...): over all pairs of different positions; 1 means that all point the same way."""
    return (cosines(x).sum(dim=(-2, -1)) - x.shape[-2]) / (x.shape[-2] * (x.shape[-2] - 1))


def cosines(x: Tensor) -> Tensor:
    """(..., T, C) -> (..., T, T)"""
    unit = F.normalize(x, dim=-1)
    return unit @ unit.transpose(-2, -1)
