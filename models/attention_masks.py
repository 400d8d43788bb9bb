"""Who may read whom, and who then depends on whom: masks, and the test that finds a leak.

    full     everybody reads everybody           an encoder (BERT)
    causal   j ≤ i                               a decoder (GPT)
    prefix   j ≤ i, or j in the prefix           a prefix language model: the prompt in both directions, the rest causal
    window   i - W < j ≤ i                       a causal sliding window (Mistral): oneself and W - 1 before

The mask is added to the scores, 0 where a query may look and -∞ where it may not. Whether a model keeps to it is tested from outside: change
one token and see which outputs move.

Shapes: T tokens, C width.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from models.attention import causal_mask
from models.decoder import Decoder, Trace
from models.sparse_patterns import pattern_mask

Kind = Literal["full", "causal", "prefix", "window"]


def attention_mask(kind: Kind, T: int, *, prefix: int = 1, window: int = 1) -> Tensor:
    """(T, T) bool, rows are queries: True where they may look."""
    if kind == "full":
        return torch.ones(T, T, dtype=torch.bool)
    if kind == "prefix":
        return causal_mask(T) | (torch.arange(T) < prefix)  # every query reads the whole prefix
    if kind == "window":
        return pattern_mask("window", T, w=window, causal=True)
    return causal_mask(T)


def additive(mask: Tensor) -> Tensor:
    """What is added to the scores."""
    return torch.zeros(mask.shape).masked_fill(~mask, -math.inf)


def read_masked(model: Decoder, tokens: Tensor, mask: Tensor, layers: int) -> Trace:
    """The first layers of a decoder on tokens (B, T), with this mask in the place of its causal one."""
    trace, x = Trace(), model.embed(tokens)
    trace.residual.append(x)
    for layer, block in enumerate(model.blocks[:layers]):
        x = model.through(block, x, mask, layer, None, None, trace)
    return trace


def exchanged(tokens: Sequence[int], other: Callable[[int], int]) -> Tensor:
    """(T + 1, T): the text with its first token exchanged, with its second, …, and at last the text itself."""
    T = len(tokens)
    texts = torch.tensor(tokens).repeat(T + 1, 1)
    texts[torch.arange(T), torch.arange(T)] = torch.tensor([other(token) for token in tokens])
    return texts


def influence(x: Tensor) -> Tensor:
    """What a network made of such texts, (T + 1, T, C) -> (T, T): how far output i (column) moves, relative to its length, when token j (row) is
    exchanged. A zero is a promise: nothing there depends on that token."""
    return (x[:-1] - x[-1]).norm(dim=-1) / x[-1].norm(dim=-1)
