"""Tiling with online softmax and an IO counter

A GPU computes faster than it can fetch. Attention written step by step stores $n\\times n$ scores in the large, slow memory (HBM), reads them
back for the softmax, stores the weights and reads those again. **FlashAttention** cuts queries, keys and values into blocks that fit on the
chip, and lets each tile of scores live and die there. Three things are carried per query: the largest score so far $m$, the sum of
exponentials $\\ell$ and the unnormalised output $O$. A larger score multiplies what was summed before by $e^{m-m'}$; at the end comes $O/\\ell$.

Here both ways run in torch on one head, forward and backward, and a counter stands at the border: every number that is loaded from HBM or
stored to it is counted. The chip is a small one, thousands of numbers instead of the tens of thousands of a real multiprocessor, so that you
can watch single tiles. Blocks are as large as fit, in the shape you choose.

The output is the same to rounding, whatever the blocks. The traffic of keys and values follows $n^2d^2/M$ as long as the chip's $M$ numbers
are far fewer than $nd$; watch what happens to it beyond. The products are not fewer: each score is still computed.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models.attention import causal_mask, scaled_dot_product
from models.flash import Forward, backward, block_sizes, forward, online_softmax, sram, standard_traffic, tiled_traffic, tiles
from screens.labs import Check, Choice, Experiment, Mistake, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Frame, Playback

TOPIC = "flash-attention"
REFERENCE = "torch F.scaled_dot_product_attention, its autograd gradients, torch.logsumexp"
MECHANISM = (online_softmax, forward, backward, block_sizes, tiles)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke-opacity=".45"><path d="M40 12h64v64H40zM40 28h64M40 44h64M40 60h64M56 12v64M72 12v64M88 12v64"/></g>
<g fill="#1f77c9" stroke="none" opacity=".75"><path d="M40 12h64v16H40zM40 28h16v16H40z"/></g><path d="M56 28h16v16H56z" fill="#d4620f" stroke="none"/>
<path d="M18 12v64" stroke="#0f9d77" stroke-width="6" stroke-dasharray="14 2"/><path d="M118 36h26m-8-7 8 7-8 7" stroke="#d4620f" stroke-width="3"/></svg>"""

SLUG = "flash-attention-tiling"
LENGTHS = (32, 64, 128, 256)
WIDTHS = (4, 8, 16, 32)
CHIPS = (2048, 4096, 8192, 16384, 32768)
SWEEP = tuple(round(256 * 2 ** (half / 2)) for half in range(17))  # chips of the fourth picture, up to 65,536 numbers
SHAPES = {"square": "square", "tall": "4 queries : 1 key", "wide": "1 query : 4 keys"}
TALL = {"square": 1.0, "tall": 4.0, "wide": 0.25}
ORDERS = {"queries": "queries (version 2)", "keys": "keys (version 1)"}
MOST_BYTES = 80_000  # of a playback; beyond it frames take several tiles


@dataclass(frozen=True)
class Result:
    n: int
    d: int
    M: int
    order: str
    causal: bool
    blocks: tuple[int, int]  # B_r, B_c
    run: Forward
    back: int  # numbers moved by the backward pass
    standard: tuple[int, int]  # forward, backward
    grid: tuple[int, int]  # blocks of queries, blocks of keys
    difference: float  # largest, of the output from attention in one piece
    overflowing: int  # rows whose sum of exponentials is infinite when no maximum is subtracted
    curves: Mapping[str, tuple[float, ...]]  # order -> numbers moved, one per chip of SWEEP; NaN where nothing fits
    law: tuple[float, ...]

    @property
    def moved(self) -> int:
        return self.run.moved


def compute(
    n: Annotated[int, Stops(*LENGTHS, label="Tokens n", help="How many queries, and as many keys.")] = 128,
    d: Annotated[int, Stops(*WIDTHS, label="Head size d", help="How many numbers a query, a key and a value have.")] = 16,
    chip: Annotated[int, Stops(*CHIPS, label="SRAM M, in numbers", help="What fits on the chip at once.")] = 2048,
    shape: Annotated[str, Choice(SHAPES, label="Shape of the tiles", help="How the chip's room is shared by queries and keys.")] = "square",
    order: Annotated[str, Choice(ORDERS, label="Outer loop over", help="Which blocks stay on the chip while the others pass by.")] = "queries",
    causal: Annotated[
        bool, Toggle(label="Causal mask", help="Keys after the query are forbidden; tiles wholly behind the mask are skipped.")
    ] = False,
    spread: Annotated[
        int, Stops(1, 8, 64, label="Spread of the scores", help="Standard deviation of q·k/√d; large ones overflow a naive softmax.")
    ] = 1,
) -> Result:
    q, k, v, do = _draw(n, d)
    q = q * spread
    B_r, B_c = block_sizes(chip, d, n, TALL[shape])
    run = forward(q, k, v, B_r, B_c, order=order, causal=causal)
    moved_back = backward(q, k, v, run.o, run.L, do, *block_sizes(chip, d, n, TALL[shape], backward=True), causal=causal).moved
    whole, overflowing = _in_one_piece(q, k, v, causal)
    return Result(
        n=n,
        d=d,
        M=chip,
        order=order,
        causal=causal,
        blocks=(B_r, B_c),
        run=run,
        back=moved_back,
        standard=standard_traffic(n, d),
        grid=(math.ceil(n / B_r), math.ceil(n / B_c)),
        difference=(run.o - whole).abs().max().item(),
        overflowing=overflowing,
        curves=_curves(n, d, shape, causal),
        law=tuple(4 * (1 + 1 / TALL[shape]) * n**2 * d**2 / M for M in SWEEP),
    )


@functools.lru_cache(maxsize=16)
def _draw(n: int, d: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q, k, v, do = torch.randn(4, LENGTHS[-1], WIDTHS[-1], generator=torch.Generator().manual_seed(0))[:, :n, :d]
    return q, k, v, do


def _in_one_piece(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> tuple[Tensor, int]:
    mask = causal_mask(len(q)) if causal else None
    s = q @ k.T / math.sqrt(q.shape[-1])
    naive = s.exp() if mask is None else s.exp().where(mask, 0)
    return scaled_dot_product(q, k, v, mask)[0], int(naive.sum(dim=-1).isinf().sum())


@functools.lru_cache(maxsize=64)
def _curves(n: int, d: int, shape: str, causal: bool) -> dict[str, tuple[float, ...]]:
    fits = [block_sizes(M, d, n, TALL[shape]) if sram(1, 1, d) <= M else None for M in SWEEP]
    return {order: tuple(tiled_traffic(n, d, *blocks, order, causal) if blocks else math.nan for blocks in fits) for order in ORDERS}


def figures(result: Result) -> dict[str, go.Figure | Playback]:
    return {
        "Tile by tile over the scores": _sweep(result),
        "What the last query carries along": _carried(result),
        "What crosses the border, forward and backward": _traffic(result),
        "The traffic as the chip grows": _larger_chips(result),
    }


def _sweep(result: Result) -> Playback:
    T_r, T_c = result.grid
    count = len(result.run.tiles)
    stride = max(1, math.ceil(count * T_r * (T_c + 3) * 5 / MOST_BYTES))
    stops = [0, *range(stride, count, stride), count]
    return Playback(
        [_frame(result, stop) for stop in dict.fromkeys(stops)],
        row_names=[f"Q{i + 1}" for i in range(T_r)],
        column_names=[*(f"K{j + 1}" for j in range(T_c)), "m", "ℓ", "e^(m−m′)"],
        tones={1: "done", 2: "on the chip now", 3: "behind the mask, skipped"},
        height=380,
        start=min(len(dict.fromkeys(stops)) - 1, T_c + 1),
    )


def _frame(result: Result, stop: int) -> Frame:
    T_r, T_c = result.grid
    done = {(tile.i, tile.j) for tile in result.run.tiles[:stop]}
    planned = {(tile.i, tile.j) for tile in result.run.tiles}
    now = (result.run.tiles[stop - 1].i, result.run.tiles[stop - 1].j) if stop else None
    latest = {tile.i: tile for tile in result.run.tiles[:stop]}

    def cell(i: int, j: int) -> Cell:
        if (i, j) == now:
            return Cell("S", 1, 2, mark=True)
        if (i, j) in done:
            return Cell("·", 0.5, 1)
        return Cell("") if (i, j) in planned else Cell("×", 0, 3)

    def carried(i: int) -> list[Cell]:
        tile = latest.get(i)
        if tile is None:
            return [Cell("−∞"), Cell("0"), Cell("")]
        return [Cell(_brief(tile.m)), Cell(_brief(tile.l)), Cell(_brief(tile.factor))]

    return Frame(_told(result, stop), [[*(cell(i, j) for j in range(T_c)), *carried(i)] for i in range(T_r)])


def _brief(number: float) -> str:
    return "−∞" if number == -math.inf else numeral(number) if abs(number) >= 1e-3 or number == 0 else f"{number:.0e}"


def _told(result: Result, stop: int) -> str:
    count = len(result.run.tiles)
    if not stop:
        return f"Before the first of {count} tiles: m is −∞, ℓ and O are 0, and nothing has been loaded."
    tile = result.run.tiles[stop - 1]
    B_r, B_c = result.blocks
    last_query, last_key = min((tile.i + 1) * B_r, result.n), min((tile.j + 1) * B_c, result.n)
    moved = f"{tile.moved:,} numbers have crossed the border"
    met = f"Tile {stop} of {count}: queries {tile.i * B_r + 1} to {last_query} meet keys {tile.j * B_c + 1} to {last_key}"
    before = [earlier.m for earlier in result.run.tiles[: stop - 1] if earlier.i == tile.i]
    if not before:
        return f"{met}, the first that this block sees. The largest score of query {last_query} is {_brief(tile.m)}; {moved}."
    if tile.m > before[-1]:
        change = f"the largest score of query {last_query} rises from {_brief(before[-1])} to {_brief(tile.m)}, so its old sum and output are multiplied by {_brief(tile.factor)}"
    else:
        change = f"the largest score of query {last_query} stays {_brief(tile.m)}, so the new terms are simply added"
    return f"{met}; {change}; {moved}."


def _carried(result: Result) -> go.Figure:
    T_r, _ = result.grid
    row = [tile for tile in result.run.tiles if tile.i == T_r - 1]
    seen = [min((tile.j + 1) * result.blocks[1], result.n) for tile in row]
    series = {
        "m": [tile.m for tile in row],
        "ℓ": [tile.l for tile in row],
        "m + ln ℓ": [tile.m + math.log(tile.l) for tile in row],
    }
    final = series["m + ln ℓ"][-1]
    return lines(
        seen,
        series,
        x_axis=axis("keys seen so far"),
        y_axis=axis("maximum m, sum ℓ, m + ln ℓ"),
        across=[(final, f"log-sum-exp of the whole row: {numeral(final)}")],
    )


def _traffic(result: Result) -> go.Figure:
    series = {"step by step": list(result.standard), "tile by tile": [result.moved, result.back]}
    return bars(["forward", "backward"], series, x_axis=axis(), y_axis=axis("numbers moved, HBM and chip"))


def _larger_chips(result: Result) -> go.Figure:
    series = {f"outside: {order}": list(curve) for order, curve in result.curves.items()} | {"∝ n²d²/M": list(result.law)}
    floor = 4 * result.n * result.d + result.n
    top = 1.6 * max(*result.law, *(value for curve in result.curves.values() for value in curve if not math.isnan(value)))
    return lines(
        SWEEP,
        series,
        x_axis=axis("SRAM M, numbers", log=True, ticks={M: f"{M:,}" for M in SWEEP[::4]}),
        y_axis=axis("numbers moved, forward", log=True, span=(floor / 2, top), ticks={10**power: f"{10**power:,}" for power in range(2, 8)}),
        strong=f"outside: {result.order}",
        markers=False,
        across=[(result.standard[0], f"step by step: {result.standard[0]:,}"), (floor, "")],
        upright=[(result.M, "")],
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "n": result.n,
        "d": result.d,
        "chip": result.M,
        "queries of a block": result.blocks[0],
        "keys of a block": result.blocks[1],
        "tiles": len(result.run.tiles),
        "moved": result.moved,
        "standard": result.standard[0],
        "share": result.moved / result.standard[0],
        "difference": result.difference,
        "overflowing": result.overflowing,
    }


def says(result: Result) -> str:
    B_r, B_c = result.blocks
    overflow = f"; without subtracting a maximum {result.overflowing} of {result.n} rows would overflow" if result.overflowing else ""
    return (
        f"On a chip of {result.M:,} numbers blocks of {B_r} queries and {B_c} keys of size {result.d} fit: {len(result.run.tiles):,} tiles move {result.moved:,} numbers, "
        f"{numeral(result.moved / result.standard[0])} times the {result.standard[0]:,} of attention step by step, and the output differs from it by at most "
        f"{numeral(result.difference)}{overflow}."
    )


TRY = [
    Experiment(
        title="A chip with room for everything",
        settings={"chip": 32768},
        ask="The traffic falls as the chip grows. With 32,768 numbers of SRAM all of $Q$, $K$, $V$, $O$ (2,048 numbers each) and the scores fit at once. What remains?",
        options=("Nothing: it all happens on the chip", "Each input read once, the output written once", "Half of what step-by-step attention moves"),
        right=1,
        why="Inputs come from HBM and the output must go back: $4nd$ numbers and one log-sum-exp per row, here 8,320. More SRAM cannot help then, and $n^2d^2/M$, "
        "which holds while $M$ is far below $nd$, is no longer the law.",
        look="The fourth picture: the line falls with the dotted law at first, leaves it, and ends on the lower dotted line: every number once.",
        holds=lambda result: result.moved == 4 * result.n * result.d + result.n and len(result.run.tiles) == 1,
        tempting={
            0: "The chip starts empty, and its contents do not outlive the kernel.",
            2: "The scores alone made up most of that, and they never leave.",
        },
    ),
    Experiment(
        title="Wide heads on a small chip",
        settings={"n": 256, "d": 32, "chip": 2048},
        ask="A head of 32 numbers, a chip of 2,048. Does tiling still move fewer numbers than attention step by step?",
        options=("Yes, far fewer", "No, it even moves more", "Exactly as many"),
        right=1,
        why="The traffic goes with $n^2d^2/M$ against $n^2$, so tiling pays when $d^2$ is well below $M$. Here $d^2=1024$ is half of $M$: only 14 queries fit beside "
        "14 keys, and keys and values pass by 19 times. A real chip holds tens of thousands of numbers, and $d$ is 64 to 128.",
        look="The third picture: the second bar is the higher one. In the fourth the line crosses the level of step-by-step attention to the right of where you stand.",
        holds=lambda result: result.moved > result.standard[0],
        tempting={
            0: "That needs blocks with many queries: each block of queries reads all keys again.",
            2: "The two sums have nothing to do with each other.",
        },
    ),
    Experiment(
        title="The mask and the tiles",
        settings={"causal": True},
        ask="A causal mask forbids half of the scores. Without it 36 tiles are worked on, 6 by 6. With it?",
        options=("Still 36: the mask is applied inside the tiles", "21: those below the diagonal and those on it", "18: exactly half"),
        right=1,
        why="A tile wholly behind the mask is skipped and its keys are never loaded. Tiles on the diagonal are partly masked and must be computed. Step-by-step "
        "attention moves its $n^2$ scores all the same, forbidden or not.",
        look="The first picture: the tiles marked × are never visited.",
        holds=lambda result: len(result.run.tiles) == 21 and result.grid == (6, 6),
        tempting={
            0: "That would be correct and wasteful; kernels look at whole tiles first.",
            2: "Half of the scores, yes, but the diagonal cuts tiles in two.",
        },
    ),
    Experiment(
        title="Which loop is outside?",
        settings={"order": "keys"},
        ask="Version 1 of FlashAttention put the keys into the outer loop, version 2 the queries. With keys outside, what happens to the traffic?",
        options=("It stays the same: the same tiles", "It rises: m, ℓ and O come and go with every tile", "It falls: keys are read once only"),
        right=1,
        why="With keys outside each key and value is read once, but every block of queries comes by once per block of keys, and brings along what it carries: O, m "
        "and ℓ are loaded and stored each time. With queries outside they stay on the chip until they are done.",
        look="The fourth picture: the line for keys outside lies above the other over most of the range. The first picture now runs down the columns.",
        holds=lambda result: result.moved > result.curves["queries"][SWEEP.index(2048)],
        tempting={
            0: "The tiles are the same, what accompanies them is not.",
            2: "Reading K and V once is paid for with loading and storing O every time.",
        },
    ),
    Experiment(
        title="Scores that overflow",
        settings={"spread": 64},
        ask="The scores now have standard deviation 64; $e^{89}$ is already more than a 32-bit number can hold. What does the tiled softmax do?",
        options=(
            "It overflows in some rows",
            "It stays exact: no exponent is above 0",
            "It only avoids the overflow if the largest score comes first",
        ),
        right=1,
        why="Every exponent is $s-m$ with the largest score so far, at most 0. When a larger one turns up later, what was summed shrinks by $e^{m-m'}$; that factor "
        "can only be too small to matter, never too large.",
        look="The sentence: most rows would overflow without the maximum, and the output is still the same to rounding.",
        holds=lambda result: result.overflowing > result.n / 2 and result.difference < 1e-4,
        tempting={0: "That is the softmax without a maximum.", 2: "The order does not matter: the old sum is corrected when the maximum moves."},
    ),
]


def verify() -> list[Check]:
    """Outputs in float32 for many block sizes, log-sum-exp and gradients in float64 (in float32 their own rounding would be what we compare)."""
    q, k, v, do = _draw(128, 16)
    settings = [(B_r, B_c, order, causal) for B_r, B_c in ((1, 7), (16, 16), (23, 50), (128, 128)) for order in ORDERS for causal in (False, True)]
    worst = max(
        (forward(q[:61], k[:61], v[:61], B_r, B_c, order=order, causal=causal).o - _torchs(q[:61], k[:61], v[:61], causal)).abs().max().item()
        for B_r, B_c, order, causal in settings
    )
    gradients, sums = 0.0, 0.0
    for causal in (False, True):
        inputs = [tensor[:61].double().requires_grad_() for tensor in (q, k, v)]
        plain = [tensor.detach() for tensor in inputs]
        _torchs(*inputs, causal).backward(do[:61].double())
        made = forward(*plain, 9, 14, causal=causal)
        found = backward(*plain, made.o, made.L, do[:61].double(), 14, 9, causal=causal)
        gradients = max(gradients, *((grad - tensor.grad).abs().max().item() for grad, tensor in zip(found[:3], inputs)))
        s = (plain[0] @ plain[1].T / 4).masked_fill(~causal_mask(61) if causal else torch.tensor(False), -math.inf)
        sums = max(sums, (made.L - torch.logsumexp(s, dim=-1)).abs().max().item())
    counted = sum(
        forward(q, k, v, B_r, B_c, order=order, causal=causal).moved != tiled_traffic(128, 16, B_r, B_c, order, causal)
        for B_r, B_c, order, causal in settings[4:]
    )
    return [
        Check("output, 4 tilings, both orders, causal or not", "torch F.scaled_dot_product_attention", worst, 1e-6),
        Check("gradients of q, k and v (float64)", "autograd through F.scaled_dot_product_attention", gradients, 1e-12),
        Check("log-sum-exp of the rows (float64)", "torch.logsumexp", sums, 1e-12),
        Check("counters in the loop that differ", "the sum from the block sizes", counted, 0),
    ]


def _torchs(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_sum(rng: random.Random) -> Question:
    """The sum after one more block."""
    while True:
        m, l, block = rng.randint(-1, 4), rng.choice([1.2, 1.5, 1.8, 2.2, 2.5, 3.0]), [rng.randint(-2, 6) for _ in range(2)]
        s = torch.tensor([block], dtype=torch.float64)
        new_m, new_l, _, _ = online_softmax(s.new_tensor([m]), s.new_tensor([l]), s.new_zeros(1, 1), s, s.new_ones(2, 1))
        right, top = new_l.item(), new_m.item()
        if not 0 < abs(top - m) <= 3 and rng.random() < 0.8:
            continue  # mostly a maximum that moves: that is where people slip
        terms = sum(math.exp(score - top) for score in block)
        mistakes = [
            Mistake("no-rescaling", l + terms, "The old sum is relative to the old maximum; it must be multiplied by $e^{m-m'}$ first."),
            Mistake("rescaled-upwards", l * math.exp(top - m) + terms, "The factor is $e^{m-m'}$, at most 1; this one is turned round."),
            Mistake(
                "old-maximum",
                l + sum(math.exp(score - m) for score in block),
                "This keeps the old maximum: right up to a factor, but then exponents can overflow.",
            ),
            Mistake("lost-the-old-sum", terms, "This is the new block alone; the old sum has to come along."),
            Mistake(
                "rescaled-all",
                (l + terms) * math.exp(m - top),
                "Only what was summed before is rescaled; the new terms are already relative to $m'$.",
            ),
            Mistake(
                "block-maximum",
                l + sum(math.exp(score - max(block)) for score in block),
                "This subtracts the block's own maximum without bringing the two sums to one scale.",
            ),
        ]
        options = number_options(rng, right, "$e^{m-m'}\\ell+\\sum_je^{s_j-m'}$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"An online softmax holds $m={m}$ and $\\ell={numeral(l)}$. The next block brings the scores {block[0]} and {block[1]}. What is the new $\\ell$?",
        answer="Find the new maximum, shrink the old sum by $e^{m-m'}$, add the block's terms.",
        options=options,
        working=(
            f"$m'=\\max({m},{max(block)})={numeral(top)}$",
            f"old sum: $e^{{{m}-({numeral(top)})}}\\cdot{numeral(l)}={numeral(l * math.exp(m - top))}$",
            f"new terms: {numeral(terms)}; together {numeral(right)}",
        ),
        lab=SLUG,
        settings={"drawn": [m, l, block]},
        level=2,
    )


def second_sum(question: Question) -> float:
    """Through one log-sum-exp over everything, then taken relative to the new maximum."""
    m, l, block = question.settings["drawn"]
    everything = torch.tensor([m + math.log(l), *block], dtype=torch.float64)
    return math.exp(torch.logsumexp(everything, dim=0).item() - max(m, *block))


def ask_output(rng: random.Random) -> Question:
    """Two blocks of two scores with scalar values: the final output."""
    while True:
        s, v = [rng.randint(0, 4) for _ in range(4)], [rng.randint(1, 9) for _ in range(4)]
        if max(s[2:]) <= max(s[:2]):
            continue
        ts, tv = torch.tensor([s], dtype=torch.float64), torch.tensor([v], dtype=torch.float64).T
        state = (ts.new_tensor([-math.inf]), ts.new_zeros(1), ts.new_zeros(1, 1))
        m1, l1, o1, _ = online_softmax(*state, ts[:, :2], tv[:2])
        m2, l2, o2, factor = online_softmax(m1, l1, o1, ts[:, 2:], tv[2:])
        right = (o2[0, 0] / l2[0]).item()
        block = online_softmax(*state, ts[:, 2:], tv[2:])
        mistakes = [
            Mistake(
                "no-rescaling", ((o1 + block[2])[0, 0] / (l1 + block[1])[0]).item(), "Both blocks' sums are added as if they had the same maximum."
            ),
            Mistake("not-divided", o2[0, 0].item(), "This is the unnormalised output; the division by $\\ell$ is missing."),
            Mistake(
                "mean-of-blocks",
                ((o1[0, 0] / l1[0] + block[2][0, 0] / block[1][0]) / 2).item(),
                "Two softmaxes averaged: the blocks do not weigh the same.",
            ),
            Mistake("last-block", (block[2][0, 0] / block[1][0]).item(), "This is the output of the second block alone."),
            Mistake(
                "rescaled-the-sum-only", ((o1 + block[2])[0, 0] / l2[0]).item(), "The old output has to shrink by the same factor as the old sum."
            ),
        ]
        options = number_options(rng, right, "The same as one softmax over all four scores.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"One query's scores are {s[0]}, {s[1]} in the first block and {s[2]}, {s[3]} in the second, the (scalar) values {v[0]}, {v[1]} and {v[2]}, {v[3]}. What does "
        "FlashAttention give as output?",
        answer="Carry $m$, $\\ell$ and $O$ over both blocks, rescale at the second, divide at the end. It is the softmax over all four.",
        options=options,
        working=(
            f"after the first block: $m={numeral(m1.item())}$, $\\ell={numeral(l1.item())}$, $O={numeral(o1.item())}$",
            f"the maximum rises to {numeral(m2.item())}: multiply by {numeral(factor.item())}, then add the second block",
            f"$\\ell={numeral(l2.item())}$, $O={numeral(o2.item())}$, and $O/\\ell={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"drawn": [s, v]},
        level=3,
    )


def second_output(question: Question) -> float:
    """torch's attention over all four scores at once: the scores come in as the mask of a zero query."""
    s, v = (torch.tensor(numbers, dtype=torch.float64) for numbers in question.settings["drawn"])
    zero = torch.zeros(1, 1, 1, dtype=torch.float64)
    return F.scaled_dot_product_attention(zero, torch.zeros(1, 4, 1, dtype=torch.float64), v[None, :, None], attn_mask=s[None, None]).item()


def ask_traffic(rng: random.Random) -> Question:
    while True:
        n, d, B_r, B_c = rng.choice([32, 64]), rng.choice(WIDTHS), rng.choice([4, 8, 16]), rng.choice([8, 16])
        right = forward(*_draw(n, d)[:3], B_r, B_c).moved
        passes = n // B_r
        mistakes = [
            Mistake("keys-read-once", tiled_traffic(n, d, n, n), "Keys and values pass by once for every block of queries, not once in all."),
            Mistake(
                "blocks-of-keys",
                2 * n * d + n + n // B_c * 2 * n * d,
                "The number of passes is the number of blocks of queries; how the keys are cut makes no difference.",
            ),
            Mistake("forgot-the-values", 2 * n * d + n + passes * n * d, "The values travel as often as the keys."),
            Mistake("stored-the-scores", standard_traffic(n, d)[0], "This is attention step by step, with scores and weights stored."),
            Mistake("tiles-times-all", passes * (n // B_c) * 2 * n * d, "A tile loads one block of keys, not all of them."),
            Mistake("forgot-the-output", n * d + passes * 2 * n * d, "The output and a log-sum-exp per row are written as well."),
        ]
        options = number_options(rng, right, "$2nd+n$ once, and $2nd$ per block of queries.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"FlashAttention with the queries in the outer loop, no mask: $n={n}$, $d={d}$, blocks of {B_r} queries and {B_c} keys. How many numbers cross between HBM and "
        "chip in the forward pass? (Queries, keys, values, output, and one log-sum-exp per row.)",
        answer="Queries and output once, keys and values once for every block of queries, a log-sum-exp per row.",
        options=options,
        working=(
            f"queries and output: $2\\cdot{n}\\cdot{d}={2 * n * d:,}$; log-sum-exps: {n}",
            f"$n/B_r={n}/{B_r}={passes}$ passes over keys and values of $2\\cdot{n}\\cdot{d}$: {passes * 2 * n * d:,}",
            f"together {right:,}",
        ),
        lab=SLUG,
        settings={"n": n, "d": d, "drawn": [n, d, B_r]},
        level=3,
    )


def second_traffic(question: Question) -> float:
    """Query by query: each reads itself, writes its output and its sum; a block's first query fetches all keys and values for the others."""
    n, d, B_r = question.settings["drawn"]
    return float(sum(d + d + 1 + (2 * n * d if row % B_r == 0 else 0) for row in range(n)))


questions = {"online-sum": ask_sum, "two-blocks": ask_output, "numbers-moved": ask_traffic}
second = {"online-sum": second_sum, "two-blocks": second_output, "numbers-moved": second_traffic}
