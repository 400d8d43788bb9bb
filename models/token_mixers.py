"""Five ways for positions to exchange information, all in the same small model, so that they can be compared.

    softmax      attention: every token is kept, and compared with
    linear       φ(q)ᵀ Σ φ(k_j) v_jᵀ over φ(q)ᵀ Σ φ(k_j), with φ = elu + 1 (Katharopoulos et al. 2020)
    gated        the same sums, but S_t = g_t S_{t-1} + φ(k_t) v_tᵀ: a gate g_t in (0, 1), computed from the token, lets the past fade
    convolution  each channel's last few values, with fixed weights
    fourier      the real part of a Fourier transform over positions and channels, no weights at all (Lee-Thorp et al. 2021)

Linear attention and the gated recurrence are one mechanism, a matrix state of D × C numbers, and it stands here in three forms: `in_parallel` for
training, `as_recurrence` for writing, `in_chunks` for long texts. Every mixer sees the token before beside the present one (a token shift), so that one
layer can bind a key to the value after it; without it two layers would be needed.

Shapes: B texts, T tokens, C width, D size of keys and queries.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import causal_mask, scaled_dot_product

Kind = Literal["softmax", "linear", "gated", "convolution", "fourier"]
KINDS: tuple[Kind, ...] = ("softmax", "linear", "gated", "convolution", "fourier")
KERNEL = 8  # tokens that the convolution reaches


def features(x: Tensor) -> Tensor:
    """φ: positive, as the numbers that a softmax would make are."""
    return F.elu(x) + 1


def in_parallel(q: Tensor, k: Tensor, v: Tensor, log_g: Tensor) -> Tensor:
    """q, k (B, T, D), v (B, T, C), log_g (B, T) -> (B, T, C). What lies between i and t has faded by all gates on the way."""
    total = log_g.cumsum(dim=1)  # (B, T)
    fading = (total[:, :, None] - total[:, None, :]).masked_fill(~causal_mask(q.shape[1]), -math.inf)  # (B, T, T)
    return (q @ k.transpose(1, 2) * torch.exp(fading)) @ v


def as_recurrence(q: Tensor, k: Tensor, v: Tensor, log_g: Tensor, S: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The same, token by token, and the state after the last one (B, D, C)."""
    state = torch.zeros(len(q), q.shape[-1], v.shape[-1]) if S is None else S
    rows = []
    for t in range(q.shape[1]):
        state = torch.exp(log_g[:, t])[:, None, None] * state + k[:, t, :, None] * v[:, t, None, :]
        rows.append(torch.einsum("bd,bdc->bc", q[:, t], state))
    return torch.stack(rows, dim=1), state


def in_chunks(q: Tensor, k: Tensor, v: Tensor, log_g: Tensor, size: int = 64) -> Tensor:
    """The same, in parallel within a chunk and by the state from chunk to chunk: the cost grows with T and not with T²."""
    S = torch.zeros(len(q), q.shape[-1], v.shape[-1])
    rows = []
    for start in range(0, q.shape[1], size):
        here = slice(start, start + size)
        total = log_g[:, here].cumsum(dim=1)[..., None]  # (B, t, 1)
        rows.append(in_parallel(q[:, here], k[:, here], v[:, here], log_g[:, here]) + torch.exp(total) * (q[:, here] @ S))
        left = torch.exp(total[:, -1:] - total) * k[:, here]  # what is left of each key at the end of the chunk
        S = torch.exp(total[:, -1:]) * S + left.transpose(1, 2) @ v[:, here]
    return torch.cat(rows, dim=1)


def with_ones(v: Tensor) -> Tensor:
    """A channel of ones beside the values: the state's last column is then Σ φ(k), the normaliser of linear attention."""
    return torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)


def normalised(summed: Tensor) -> Tensor:
    return summed[..., :-1] / summed[..., -1:].clamp_min(1e-6)


class TokenMixer(nn.Module):
    def __init__(self, kind: Kind, width: int, state: int) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"There is no token mixer '{kind}'. There are: {', '.join(KINDS)}.")
        self.kind = kind
        if kind in ("softmax", "linear", "gated"):
            self.query, self.key = (nn.Linear(2 * width, state, bias=False) for _ in range(2))
        if kind == "gated":
            self.gate = nn.Linear(2 * width, 1)
            nn.init.constant_(self.gate.bias, 4.0)  # at first next to nothing is forgotten
        if kind == "convolution":
            self.kernel = nn.Conv1d(width, width, KERNEL, groups=width)
        self.value = nn.Linear(2 * width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k (B, T, D), v (B, T, C), with the ones C + 1, and log_g (B, T), of the mechanisms that have them."""
        both = with_token_before(x)
        q, k, v = self.query(both), self.key(both), self.value(both)
        if self.kind == "softmax":
            return q, k, v, torch.zeros(x.shape[:2])
        log_g = F.logsigmoid(self.gate(both))[..., 0] if self.kind == "gated" else torch.zeros(x.shape[:2])
        return features(q), features(k), with_ones(v), log_g

    def forward(self, x: Tensor, chunk: int = 0) -> Tensor:
        """x (B, T, C) -> the same shape. With a `chunk` the recurrences run in chunks of so many tokens."""
        if self.kind == "fourier":
            return self.out(torch.fft.fft2(self.value(with_token_before(x))).real / math.sqrt(x.shape[1] * x.shape[2]))
        if self.kind == "convolution":
            v = self.value(with_token_before(x)).transpose(1, 2)  # (B, C, T)
            return self.out(self.kernel(F.pad(v, (KERNEL - 1, 0))).transpose(1, 2))
        q, k, v, log_g = self.parts(x)
        if self.kind == "softmax":
            return self.out(scaled_dot_product(q, k, v, causal_mask(x.shape[1]))[0])
        mixed = in_chunks(q, k, v, log_g, chunk) if chunk else in_parallel(q, k, v, log_g)
        return self.out(normalised(mixed))

    def remembers(self, x: Tensor) -> Tensor:
        """What must be kept after these tokens to go on, of the first text: the state, the cache, the kernel's reach, or everything."""
        if self.kind in ("linear", "gated"):
            return as_recurrence(*self.parts(x))[1][0]  # (D, C + 1)
        if self.kind == "softmax":
            _, k, v, _ = self.parts(x)
            return torch.cat([k, v], dim=-1)[0]  # (T, D + C)
        values = self.value(with_token_before(x))[0]
        return values[-KERNEL + 1 :] if self.kind == "convolution" else values


def with_token_before(x: Tensor) -> Tensor:
    """(B, T, C) -> (B, T, 2C)"""
    before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
    return torch.cat([x, before], dim=-1)


def kept_numbers(kind: Kind, T: int, width: int, state: int) -> int:
    """Numbers that one layer must keep of T tokens in order to go on."""
    return {
        "softmax": T * (state + width),
        "linear": state * (width + 1),
        "gated": state * (width + 1),
        "convolution": min(T, KERNEL - 1) * width,
        "fourier": T * width,
    }[kind]


class MixerModel(nn.Module):
    """Embedding, one mixer, one feed-forward network, logits."""

    def __init__(self, kind: Kind, vocabulary: int, width: int = 32, state: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.5)
        self.norm_mixer = nn.LayerNorm(width)
        self.mixer = TokenMixer(kind, width, state)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> logits (B, T, V)"""
        x = self.embedding(tokens)
        x = x + self.mixer(self.norm_mixer(x))
        x = x + self.feed_forward(self.norm_feed_forward(x))
        return self.head(self.norm(x))

    def remembers(self, tokens: Tensor) -> Tensor:
        return self.mixer.remembers(self.norm_mixer(self.embedding(tokens)))
