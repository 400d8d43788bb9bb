"""RWKV, version 4 (Peng et al. 2023): an average over the past whose weights fade, in two forms that give the same.

Per channel, with decay w > 0 per step and a bonus u for the present token:

    wkv_t = (Σ_{i<t} e^{-(t-1-i) w + k_i} v_i + e^{u + k_t} v_t) / (the same without v)

In parallel, for training: all exponents at once, and their softmax. As a recurrence, for writing: three numbers a channel are carried along,
whatever the length. No query is compared with the keys; receptance r only decides how much of the average passes.

Shapes: B texts, T tokens, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMPTY = -1e38  # a largest exponent before there was any


class Sums(NamedTuple):
    """The past, to be carried on. The true sums are a e^p and b e^p."""

    a: Tensor  # (B, C) numerator
    b: Tensor  # (B, C) denominator
    p: Tensor  # (B, C) the largest exponent so far


def exponents(w: Tensor, u: Tensor, k: Tensor) -> Tensor:
    """w, u (C,), k (B, T, C) -> (B, T, T, C): what position t's token i is weighed with, before e^; -inf for what lies ahead."""
    T = k.shape[1]
    steps = torch.arange(T)
    back = steps[:, None] - 1 - steps[None, :]  # (T, T): t - 1 - i
    fading = -back[..., None] * w + k[:, None]  # (T, T, C) + (B, 1, T, C) -> (B, T, T, C)
    fading = fading.masked_fill((back < 0)[..., None], -torch.inf)
    present = torch.eye(T, dtype=torch.bool)[..., None]
    return torch.where(present, (u + k)[:, None], fading)


def wkv_parallel(w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """All positions at once: attention whose scores know no query. Takes T² numbers a channel."""
    weights = torch.softmax(exponents(w, u, k), dim=2)  # (B, T, T, C), over i
    return torch.einsum("btic,bic->btc", weights, v)


def wkv_plain(w: Tensor, u: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The recurrence as it stands on paper. In 32 bits e^k overflows from k = 89 on, and then there is nothing but NaN."""
    a, b, rows = torch.zeros_like(k[:, 0]), torch.zeros_like(k[:, 0]), []
    for t in range(k.shape[1]):
        now = torch.exp(u + k[:, t])
        rows.append((a + now * v[:, t]) / (b + now))
        a = torch.exp(-w) * a + torch.exp(k[:, t]) * v[:, t]
        b = torch.exp(-w) * b + torch.exp(k[:, t])
    return torch.stack(rows, dim=1)


def wkv_recurrent(w: Tensor, u: Tensor, k: Tensor, v: Tensor, past: Sums | None = None) -> tuple[Tensor, Sums]:
    """The same with the largest exponent taken out, as in the online softmax. Gives the output and the sums after the last token."""
    sums, rows = past or no_past(k[:, 0]), []
    for t in range(k.shape[1]):
        row, sums = wkv_step(w, u, k[:, t], v[:, t], sums)
        rows.append(row)
    return torch.stack(rows, dim=1), sums


def no_past(like: Tensor) -> Sums:
    return Sums(torch.zeros_like(like), torch.zeros_like(like), torch.full_like(like, EMPTY))


def wkv_step(w: Tensor, u: Tensor, k: Tensor, v: Tensor, past: Sums) -> tuple[Tensor, Sums]:
    """k, v (B, C) of one token."""
    a, b, p = past
    top = torch.maximum(p, u + k)
    old, now = torch.exp(p - top), torch.exp(u + k - top)
    output = (old * a + now * v) / (old * b + now)
    top = torch.maximum(p - w, k)
    old, now = torch.exp(p - w - top), torch.exp(k - top)
    return output, Sums(old * a + now * v, old * b + now, top)


def half_life(w: Tensor) -> Tensor:
    """Steps until a token weighs half as much."""
    return torch.log(torch.tensor(2.0)) / w


class Memory(NamedTuple):
    """The state of one layer: five vectors, whatever the length of the text."""

    sums: Sums
    time: Tensor  # (B, C) the previous input of the time mixing
    channel: Tensor  # (B, C) the previous input of the channel mixing


def shifted(x: Tensor, previous: Tensor | None) -> Tensor:
    """x (B, T, C) -> the same, one token later: every position sees the one before it."""
    first = torch.zeros_like(x[:, :1]) if previous is None else previous[:, None]
    return torch.cat([first, x[:, :-1]], dim=1)


class TimeMixing(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        spread = torch.linspace(0, 1, width)
        self.log_decay = nn.Parameter(-5 + 6 * spread)  # w = e^this: from a half-life of a hundred steps to a fraction of one
        self.bonus = nn.Parameter(torch.full((width,), -1.2))
        self.mix = nn.Parameter(spread.repeat(3, 1))  # (3, C): how much of the present token r, k and v see
        self.receptance = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    @property
    def decay(self) -> Tensor:
        return torch.exp(self.log_decay)

    def forward(self, x: Tensor, past: Memory | None = None) -> tuple[Tensor, Sums | None]:
        before = shifted(x, past and past.time)
        r, k, v = (layer(m * x + (1 - m) * before) for layer, m in zip((self.receptance, self.key, self.value), self.mix))
        if past is None:
            wkv, sums = wkv_parallel(self.decay, self.bonus, k, v), None
        else:
            wkv, sums = wkv_recurrent(self.decay, self.bonus, k, v, past.sums)
        return self.out(torch.sigmoid(r) * wkv), sums


class ChannelMixing(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.linspace(0, 1, width).repeat(2, 1))  # (2, C)
        self.receptance = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, 4 * width, bias=False)
        self.value = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, previous: Tensor | None = None) -> Tensor:
        before = shifted(x, previous)
        r, k = (layer(m * x + (1 - m) * before) for layer, m in zip((self.receptance, self.key), self.mix))
        return torch.sigmoid(r) * self.value(torch.relu(k).square())


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_time = nn.LayerNorm(width)
        self.time = TimeMixing(width)
        self.norm_channel = nn.LayerNorm(width)
        self.channel = ChannelMixing(width)


class RWKV(nn.Module):
    """A language model. Without a memory it reads in parallel; with one it reads on from there, token by token."""

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(vocabulary, width)
        self.norm_in = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def no_memory(self, texts: int) -> list[Memory]:
        empty = torch.zeros(texts, self.width)
        return [Memory(no_past(empty), empty, empty) for _ in self.blocks]

    def forward(self, tokens: Tensor, memory: list[Memory] | None = None) -> Tensor:
        """tokens (B, T) -> logits (B, T, V). A given memory is replaced, layer by layer, by the one after these tokens."""
        x = self.norm_in(self.embedding(tokens))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)  # a ModuleList only promises modules
            past = None if memory is None else memory[layer]
            seen = block.norm_time(x)
            mixed, sums = block.time(seen, past)
            x = x + mixed
            worked = block.norm_channel(x)
            x = x + block.channel(worked, past and past.channel)
            if memory is not None and sums is not None:
                memory[layer] = Memory(sums, seen[:, -1], worked[:, -1])
        return F.linear(self.norm(x), self.embedding.weight)
