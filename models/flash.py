"""FlashAttention (Dao et al. 2022; loop order of version 2, Dao 2023): exact attention, tile by tile, without ever storing n × n scores.

The chip's memory holds M numbers. A block of B_r queries and one of B_c keys and values are loaded, their scores live and die on the chip,
and three things are carried per query: the largest score so far m, the sum of exponentials ℓ relative to it, the unnormalised output O.

    m' = max(m, max_j s_j)      ℓ' = e^(m - m') ℓ + Σ_j e^(s_j - m')      O' = e^(m - m') O + Σ_j e^(s_j - m') v_j

Backward stores nothing of size n² either: from L = m + ln ℓ, one number a row, each tile of weights is computed again as e^(s - L).

Shapes: q, k, v, o (n, d), one head. `HBM` is the slow memory: what passes through it is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Order = Literal["queries", "keys"]  # which blocks the outer loop walks over: version 2, version 1


@dataclass
class HBM:
    """High-bandwidth memory, which is the slow one here. Counts the numbers that cross between it and the chip."""

    read: int = 0
    written: int = 0

    def load(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        self.read += sum(tensor.numel() for tensor in tensors)
        return tensors

    def store(self, *pairs: tuple[Tensor, Tensor]) -> None:
        for place, computed in pairs:
            place.copy_(computed)
            self.written += computed.numel()

    @property
    def moved(self) -> int:
        return self.read + self.written


class Tile(NamedTuple):
    """One tile after it was worked on, as seen by the last query of its block."""

    i: int  # block of queries
    j: int  # block of keys
    m: float  # running maximum, after this tile
    l: float  # running sum
    factor: float  # e^(m - m'), what the old sum and output were multiplied by
    moved: int  # numbers that had crossed the border by then


@dataclass(frozen=True)
class Forward:
    o: Tensor  # (n, d)
    L: Tensor  # (n,) log-sum-exp of each row of scores
    moved: int
    tiles: list[Tile] = field(repr=False)


def sram(B_r: int, B_c: int, d: int, backward: bool = False) -> int:
    """Numbers on the chip at once: q, o | k, v | scores | m, ℓ. Backward: q, do, dq | k, v, dk, dv | weights and their gradient | L, D."""
    if backward:
        return 3 * B_r * d + 4 * B_c * d + 2 * B_r * B_c + 2 * B_r
    return 2 * B_r * d + 2 * B_c * d + B_r * B_c + 2 * B_r


def block_sizes(M: int, d: int, n: int, tall: float = 1.0, backward: bool = False) -> tuple[int, int]:
    """The largest blocks with about B_r = tall · B_c that fit into M numbers, none longer than n."""
    if sram(1, 1, d, backward) > M:
        raise ValueError(
            f"Not even one query and one key of {d} numbers fit: that takes {sram(1, 1, d, backward)} numbers on the chip, it holds {M}."
        )
    best = (1, 1)
    for B in range(1, n * 8 + 1):  # B counts the shorter side, times whatever the shape asks for
        B_r, B_c = min(max(round(B * max(tall, 1)), 1), n), min(max(round(B * max(1 / tall, 1)), 1), n)
        if sram(B_r, B_c, d, backward) > M:
            break
        best = (B_r, B_c)
        if best == (n, n):
            break
    return best


def tiles(n: int, B_r: int, B_c: int, order: Order = "queries", causal: bool = False) -> Iterator[tuple[int, int]]:
    """(i, j) in the order they are worked on; tiles that lie wholly behind the causal mask are left out."""
    T_r, T_c = math.ceil(n / B_r), math.ceil(n / B_c)
    every = ((i, j) for i in range(T_r) for j in range(T_c)) if order == "queries" else ((i, j) for j in range(T_c) for i in range(T_r))
    return ((i, j) for i, j in every if not causal or j * B_c <= min((i + 1) * B_r, n) - 1)


def scores(q: Tensor, k: Tensor, i0: int, j0: int, causal: bool) -> Tensor:
    """(B_r, d), (B_c, d) -> (B_r, B_c): scaled, -inf where the key at j0 + column comes after the query at i0 + row."""
    s = q @ k.T / math.sqrt(q.shape[-1])
    if causal and j0 + len(k) > i0 + 1:
        rows, columns = torch.arange(i0, i0 + len(q)), torch.arange(j0, j0 + len(k))
        s = s.masked_fill(columns[None, :] > rows[:, None], -math.inf)
    return s


def online_softmax(m: Tensor, l: Tensor, o: Tensor, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """m, l (B_r,), o (B_r, d), scores s (B_r, B_c), v (B_c, d) -> the new m, l, o, and the factor e^(m - m') (B_r,)."""
    m_new = torch.maximum(m, s.amax(dim=-1))
    anchor = torch.where(m_new == -math.inf, 0.0, m_new)  # a row that has seen nothing yet has no maximum to subtract
    factor = torch.exp(m - anchor)
    p = torch.exp(s - anchor[:, None])  # (B_r, B_c), every exponent at most 0: nothing overflows
    return m_new, factor * l + p.sum(dim=-1), factor[:, None] * o + p @ v, factor


def forward(q: Tensor, k: Tensor, v: Tensor, B_r: int, B_c: int, *, order: Order = "queries", causal: bool = False) -> Forward:
    """With the queries outside, a block's m, ℓ, O stay on the chip until its row is done; with the keys outside they come and go each time."""
    n, _ = q.shape
    hbm, seen = HBM(), []
    o, m, l, L = torch.zeros_like(q), q.new_full((n,), -math.inf), q.new_zeros(n), q.new_zeros(n)
    path = list(tiles(n, B_r, B_c, order, causal))
    last_of_row = {i: at for at, (i, _) in enumerate(path)}
    for at, (i, j) in enumerate(path):
        rows, columns = slice(i * B_r, min((i + 1) * B_r, n)), slice(j * B_c, min((j + 1) * B_c, n))
        entering = at == 0 or path[at - 1][0 if order == "queries" else 1] != (i if order == "queries" else j)
        if order == "queries":
            if entering:
                hbm.load(q[rows])
            hbm.load(k[columns], v[columns])
        else:
            if entering:
                hbm.load(k[columns], v[columns])
            hbm.load(q[rows], o[rows], m[rows], l[rows])
        s = scores(q[rows], k[columns], rows.start, columns.start, causal)
        m[rows], l[rows], o[rows], factor = online_softmax(m[rows], l[rows], o[rows], s, v[columns])
        done = last_of_row[i] == at
        if done:
            hbm.store((o[rows], o[rows] / l[rows, None]), (L[rows], m[rows] + l[rows].log()))
        elif order == "keys":
            hbm.store((o[rows], o[rows]), (m[rows], m[rows]), (l[rows], l[rows]))
        seen.append(Tile(i, j, m[rows][-1].item(), l[rows][-1].item(), factor[-1].item(), hbm.moved))
    return Forward(o, L, hbm.moved, seen)


class Gradients(NamedTuple):
    dq: Tensor
    dk: Tensor
    dv: Tensor
    moved: int


def backward(q: Tensor, k: Tensor, v: Tensor, o: Tensor, L: Tensor, do: Tensor, B_r: int, B_c: int, *, causal: bool = False) -> Gradients:
    """Keys outside: dk and dv of a block gather on the chip, dq goes back and forth. The weights are made again, tile by tile."""
    n, d = q.shape
    hbm = HBM()
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    D = (do * o).sum(dim=-1)  # (n,) Σ_j p_ij dp_ij, without any p
    hbm.load(do, o)
    hbm.written += n
    for j in range(math.ceil(n / B_c)):
        columns = slice(j * B_c, min((j + 1) * B_c, n))
        kj, vj = hbm.load(k[columns], v[columns])
        dkj, dvj = torch.zeros_like(kj), torch.zeros_like(vj)
        for i in (i for i, at in tiles(n, B_r, B_c, "keys", causal) if at == j):
            rows = slice(i * B_r, min((i + 1) * B_r, n))
            qi, doi, dqi, Li, Di = hbm.load(q[rows], do[rows], dq[rows], L[rows], D[rows])
            p = torch.exp(scores(qi, kj, rows.start, columns.start, causal) - Li[:, None])  # (B_r, B_c), the very weights of the forward pass
            ds = p * (doi @ vj.T - Di[:, None])  # the softmax's Jacobian, row by row
            dvj = dvj + p.T @ doi
            dkj = dkj + ds.T @ qi / math.sqrt(d)
            hbm.store((dq[rows], dqi + ds @ kj / math.sqrt(d)))
        hbm.store((dk[columns], dkj), (dv[columns], dvj))
    return Gradients(dq, dk, dv, hbm.moved)


def standard_traffic(n: int, d: int) -> tuple[int, int]:
    """Numbers that step-by-step attention moves, forward and backward: every step reads its inputs from HBM and writes its result there.

    Forward: S = QKᵀ (2nd + n²), P = softmax S (2n²), O = PV (n² + 2nd).
    Backward: dV = PᵀdO (n² + 2nd), dP = dO Vᵀ (2nd + n²), dS from P and dP (3n²), dQ = dS K (n² + 2nd), dK = dSᵀQ (n² + 2nd).
    """
    return 4 * n * n + 4 * n * d, 7 * n * n + 8 * n * d


def tiled_traffic(n: int, d: int, B_r: int, B_c: int, order: Order = "queries", causal: bool = False) -> int:
    """What `forward` moves, counted from the sizes alone."""
    T_r, T_c = math.ceil(n / B_r), math.ceil(n / B_c)
    rows = [min(B_r, n - i * B_r) for i in range(T_r)]
    columns = [min(B_c, n - j * B_c) for j in range(T_c)]
    met = [T_c if not causal else (min((i + 1) * B_r, n) - 1) // B_c + 1 for i in range(T_r)]  # key blocks that query block i meets
    if order == "queries":  # q once, o and L once, keys and values once for every block of queries
        return 2 * n * d + n + sum(2 * d * sum(columns[:count]) for count in met)
    # keys and values once; each meeting loads q, o, m, ℓ and stores o, m, ℓ, the last one o and L instead
    return 2 * n * d + sum(b * (count * (2 * d + 2) + (count - 1) * (d + 2) + d + 1) for b, count in zip(rows, met))
