"""What longer context costs

Reading $n$ tokens costs two things. The **linear layers** use every weight once per token, $24d^2$ operations in a block with a
feed-forward network of $4d$: in proportion to $n$. **Scores and mixing** compare every token with every token, $4nd$ per token and
block: over the text in proportion to $n^2$. Set the two equal, and you see why the square is felt later the wider the model is. (Kernels
that skip the hidden half of a causal mask move that point to twice as many tokens; here all pairs are counted.)

Writing is another matter. With a **cache** of keys and values the next token meets the $n$ tokens so far, which is linear in $n$;
without it, everything before is read again for each new token. The cache itself is a straight line: so many bytes per token.

A **fused** attention (FlashAttention and its kin) computes the same pairs tile by tile. It does not save operations; it never holds the
$n\\times n$ table. The last two pictures are measured, on this machine, in a real block of the same shape (at most 256 wide): CPU time,
and the bytes alive at the worst moment.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from backend.questions import Form, Question
from models.model_size import ATTENTION, FEED_FORWARD, HEAD, SCORES, Shape, cache_bytes_per_token, forward_flops, next_token_flops, total_weights
from models.peak_memory import PeakMemory
from models.sized_decoder import SizedAttention, SizedBlock, mix
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, lines

TOPIC = "context-window-cost"
REFERENCE = "torch's FlopCounterMode over nn.TransformerEncoderLayer and F.scaled_dot_product_attention; the closed formulas 24d² and 4nd"
MECHANISM = (forward_flops, next_token_flops, cache_bytes_per_token, SizedAttention.project, mix, PeakMemory.born)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M16 10v68h132" opacity=".45"/>
<path d="M18 66 146 30" stroke="#1f77c9" stroke-width="4"/><path d="M18 78C60 74 104 62 146 10" stroke="#d4620f" stroke-width="4"/>
<path d="M112 40v38" stroke-dasharray="3 4" opacity=".6"/><circle cx="112" cy="40" r="4" fill="#0f9d77" stroke="none"/></svg>"""

SLUG = "context-cost"
LENGTHS = tuple(2**power for power in range(7, 21))
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
COMPARED = (256, 1024, 4096, 16_384)  # widths in the second picture, beside the one that is set
HEAD_SIZE = 64
MEASURED_LENGTHS = (64, 128, 192, 256, 384, 512)
WIDEST_MEASURED = 256
KINDS = {"naive": "naive: the whole table of scores", "fused": "fused: tile by tile"}
GIB, MIB = 2**30, 2**20


@dataclass(frozen=True)
class Measured:
    """One block at one length on this machine."""

    linear: float  # milliseconds of CPU time in the linear layers and norms
    scores: float  # in scores and mixing
    peak: float  # bytes alive at the worst moment


@dataclass(frozen=True)
class Result:
    length: int
    shape: Shape
    cached: bool
    kind: str
    flops: Mapping[str, int]  # reading `length` tokens
    measured: Mapping[str, tuple[Measured, ...]]  # kind -> one entry per length of MEASURED_LENGTHS

    @property
    def crossover(self) -> int:
        return crossover(self.shape)

    @property
    def share(self) -> float:
        return share_of_scores(self.shape, self.length)

    @property
    def next_token(self) -> int:
        return next_cost(self.shape, self.length, self.cached)

    @property
    def cache(self) -> float:
        return cache_bytes_per_token(self.shape) * self.length

    @property
    def measured_width(self) -> int:
        return min(self.shape.width, WIDEST_MEASURED)


def compute(
    length: Annotated[int, Stops(*LENGTHS, label="Tokens so far", help="Read at once, or already there when the next one is written.")] = 8192,
    width: Annotated[int, Stops(*WIDTHS, label="Width d", help="Heads have 64 numbers; the feed-forward network is 4d wide.")] = 1024,
    layers: Annotated[int, Slider(1, 96, label="Blocks")] = 24,
    cache: Annotated[bool, Toggle(label="Cache of keys and values", help="Off: every new token reads the whole text again.")] = True,
    attention: Annotated[str, Choice(KINDS, label="Measured attention", help="Which way the measured block computes scores and mixing.")] = "naive",
) -> Result:
    shape = shape_of(width, layers)
    measured = {kind: _measured(min(width, WIDEST_MEASURED), kind) for kind in KINDS}
    return Result(length, shape, cache, attention, reading_cost(shape, length), measured)


def shape_of(width: int, layers: int = 1) -> Shape:
    heads = max(1, width // HEAD_SIZE)
    return Shape(layers, width, heads, heads, 4 * width, 50_257, biases=False)


def reading_cost(shape: Shape, n: int) -> dict[str, int]:
    """Operations of the blocks; the output head is left out, it has nothing to do with the length."""
    return {term: flops for term, flops in forward_flops(shape, n).items() if term != HEAD}


def linear_cost(shape: Shape, n: int) -> int:
    flops = reading_cost(shape, n)
    return flops[ATTENTION] + flops[FEED_FORWARD]


def share_of_scores(shape: Shape, n: int) -> float:
    flops = reading_cost(shape, n)
    return flops[SCORES] / sum(flops.values())


def crossover(shape: Shape) -> int:
    """Per token 2 operations for each weight of a matrix against 4·n·h·D for the pairs."""
    return round(linear_cost(shape, 1) / (4 * shape.layers * shape.heads * shape.D))


def next_cost(shape: Shape, past: int, cached: bool) -> int:
    """Operations for one more token: alone, or with all before it read again."""
    flops = next_token_flops(shape, past) if cached else forward_flops(shape, past + 1)
    return sum(count for term, count in flops.items() if term != HEAD)


@functools.lru_cache(maxsize=16)
def _measured(width: int, kind: str) -> tuple[Measured, ...]:
    block = SizedBlock(shape_of(width)).requires_grad_(False)
    return tuple(_measure(block, torch.zeros(1, n, width), kind == "fused") for n in MEASURED_LENGTHS)


def _measure(block: SizedBlock, x: torch.Tensor, fused: bool) -> Measured:
    with PeakMemory() as memory:
        block(x, fused)
    q, k, v = block.attention.project(x)
    whole, scores = _milliseconds(lambda: block(x, fused)), _milliseconds(lambda: mix(q, k, v, fused))
    return Measured(max(whole - scores, 0.0), scores, memory.peak)


def _milliseconds(work: Callable[[], object]) -> float:
    """CPU time of this thread, so that a busy machine does not count."""
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1e6


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "Reading a text: where the operations go": _reading(result),
        "The share of scores and mixing, for narrower and wider models": _shares(result),
        "Writing one more token": _writing(result),
        "The cache grows along a straight line": _cache(result),
        "Measured: time in one block": _times(result),
        "Measured: bytes alive at the worst moment": _peaks(result),
    }


def _length_axis(title: str = "tokens") -> dict:
    return axis(title, log=True, ticks={n: _short(n) for n in LENGTHS[::3]})


def _short(n: int) -> str:
    if n < 1024:
        return str(n)
    return f"{n // 1024}k" if n < 2**20 else f"{n // 2**20}M"


def _reading(result: Result) -> go.Figure:
    linear = [linear_cost(result.shape, n) for n in LENGTHS]
    scores = [reading_cost(result.shape, n)[SCORES] for n in LENGTHS]
    series = {"linear layers": linear, "scores and mixing": scores, "together": [a + b for a, b in zip(linear, scores)]}
    marks = [(result.crossover, f"6d = {result.crossover:,}"), (result.length, "")]
    return lines(LENGTHS, series, x_axis=_length_axis("tokens read at once"), y_axis=axis("operations", log=True), strong="together", upright=marks)


def _shares(result: Result) -> go.Figure:
    widths = sorted({*COMPARED, result.shape.width})
    series = {f"d = {d:,}": [100 * share_of_scores(shape_of(d), n) for n in LENGTHS] for d in widths}
    y = axis("scores and mixing, % of the operations", span=(0, 100))
    strong = f"d = {result.shape.width:,}"
    return lines(LENGTHS, series, x_axis=_length_axis(), y_axis=y, strong=strong, across=[(50, "half")], upright=[(result.length, "")])


def _writing(result: Result) -> go.Figure:
    series = {name: [next_cost(result.shape, n, on) for n in LENGTHS] for name, on in (("cached", True), ("afresh", False))}
    y = axis("operations for the next token", log=True)
    strong = "cached" if result.cached else "afresh"
    return lines(LENGTHS, series, x_axis=_length_axis("tokens so far"), y_axis=y, strong=strong, upright=[(result.length, "")])


def _cache(result: Result) -> go.Figure:
    sizes = [cache_bytes_per_token(result.shape) * n / GIB for n in LENGTHS]
    weights = 2 * total_weights(result.shape) / GIB
    series = {"cache": sizes, "weights": [weights] * len(LENGTHS)}
    return lines(
        LENGTHS, series, x_axis=_length_axis(), y_axis=axis("GiB at 16 bits", log=True), strong="cache", upright=[(result.length, "")], markers=False
    )


def _measured_axis() -> dict:
    return axis("tokens read at once", ticks={n: str(n) for n in MEASURED_LENGTHS})


def _times(result: Result) -> go.Figure:
    seen = result.measured[result.kind]
    series = {"linear": [point.linear for point in seen], "pairs": [point.scores for point in seen]}
    return lines(MEASURED_LENGTHS, series, x_axis=_measured_axis(), y_axis=axis(f"ms of CPU, width {result.measured_width}, {result.kind}"))


def _peaks(result: Result) -> go.Figure:
    series = {kind: [point.peak / MIB for point in result.measured[kind]] for kind in KINDS}
    return lines(MEASURED_LENGTHS, series, x_axis=_measured_axis(), y_axis=axis(f"MiB, width {result.measured_width}"), strong=result.kind)


def facts(result: Result) -> dict[str, float]:
    fused, naive = (result.measured[kind][-1].peak for kind in ("fused", "naive"))
    return {
        "length": result.length,
        "width": result.shape.width,
        "blocks": result.shape.layers,
        "share": 100 * result.share,
        "crossover": result.crossover,
        "next": _scaled(result.next_token)[0],
        "cache": _in_bytes(result.cache)[0],
        "measured length": MEASURED_LENGTHS[-1],
        "fused": fused / MIB,
        "naive": naive / MIB,
    }


def says(result: Result) -> str:
    (flops, word), (size, unit) = _scaled(result.next_token), _in_bytes(result.cache)
    side = "before" if result.length < result.crossover else "at" if result.length == result.crossover else "beyond"
    fused, naive = (result.measured[kind][-1].peak / MIB for kind in ("fused", "naive"))
    return (
        f"When {result.length:,} tokens are read at width {result.shape.width:,}, scores and mixing are {numeral(100 * result.share)}% of the operations, "
        f"{side} the crossover at {result.crossover:,}; the next token takes {numeral(flops)} {word}operations {'with' if result.cached else 'without'} the cache, "
        f"which for all blocks fills {numeral(size)} {unit}. In the measured block {MEASURED_LENGTHS[-1]} tokens need {numeral(naive)} MiB naive and "
        f"{numeral(fused)} MiB fused."
    )


def _scaled(value: float) -> tuple[float, str]:
    for size, word in ((1e18, "quintillion "), (1e15, "quadrillion "), (1e12, "trillion "), (1e9, "billion "), (1e6, "million ")):
        if value >= size:
            return value / size, word
    return value, ""


def _in_bytes(value: float) -> tuple[float, str]:
    for size, word in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return value / size, word
    return value, "bytes"


TRY = [
    Experiment(
        title="Where is the crossover?",
        settings={"length": 4096},
        ask="At width 1,024, at how many tokens do scores and mixing cost as much as the linear layers?",
        options=("At 1,024: when the text is as long as the model is wide", "At 6,144: six times the width", "At about 100,000: the square is a matter of very long texts"),
        right=1,
        why="Per token the linear layers take $24d^2$ and the pairs $4nd$; they are equal at $n=6d$. Before that the cost is nearly linear in the length, whatever is said of quadratic attention.",
        look="The first picture: the two thin lines cross at the dotted mark.",
        holds=lambda result: result.crossover == 6 * 1024 and reading_cost(result.shape, 6144)[SCORES] == linear_cost(result.shape, 6144),
        tempting={0: "There the pairs are one seventh of the work.", 2: "For a model of width 16,384 this is about right."},
    ),
    Experiment(
        title="Twice the prompt, four times the price?",
        settings={"length": 4096, "width": 4096, "layers": 32},
        ask="A model of width 4,096 reads 4,096 tokens instead of 2,048. By what factor do its operations grow?",
        options=("About 2.2", "About 3", "4: attention is quadratic"),
        right=0,
        why="Only the pairs grow fourfold, and here they are 8% of the bill before and 14% after. The other 92% just double.",
        look="The first picture: left of the mark the line of the sum runs parallel to that of the linear layers.",
        holds=lambda result: 2.1 < sum(result.flops.values()) / sum(reading_cost(result.shape, 2048).values()) < 2.25,
        tempting={2: "Four is where it goes in the end, far to the right of 24,576 tokens."},
    ),
    Experiment(
        title="A wider model",
        settings={"width": 16_384, "length": 32_768},
        ask="At 32,768 tokens a model of width 1,024 spends 84% on scores and mixing. And one of width 16,384?",
        options=("More: it has 16 times as many heads", "The same: both grow with the width", "Much less, about a quarter"),
        right=2,
        why="The pairs cost $4nd$, in proportion to $d$; the linear layers $24d^2$. The share is $n/(n+6d)$, so sixteen times the width moves the whole curve sixteen times to the right.",
        look="The second picture: the curves have one shape, each further right than the last.",
        holds=lambda result: 0.2 < result.share < 0.28 and abs(share_of_scores(shape_of(1024), 32_768) - 0.84) < 0.005,
        tempting={0: "More heads of the same size cost more, but the matrices grow with the square of the width."},
    ),
    Experiment(
        title="Switch the cache off",
        settings={"cache": False},
        ask="8,192 tokens stand there. How much more work is the next token when nothing is cached?",
        options=("Twice: keys and values are computed again", "About eight thousand times: everything is read again", "67 million times: the square of the length"),
        right=1,
        why="Without a cache all 8,193 tokens go through all blocks to get one new one. Each of them meets others as the last one does, so it is the cost of one token times the length.",
        look="The third picture: the gap between the two lines is the length itself.",
        holds=lambda result: 0.9 < result.next_token / (next_cost(result.shape, result.length, True) * result.length) < 1.1,
        tempting={2: "The square is in the pairs of the whole text; one token with the cache is one row of them."},
    ),
    Experiment(
        title="What does fused attention save?",
        settings={"attention": "fused", "width": 64},
        ask="FlashAttention is often called the cure for quadratic cost. In the measured block of width 64, what becomes less at 512 tokens?",
        options=("The number of operations", "The bytes alive at the worst moment", "Both"),
        right=1,
        why="Every pair still gets its score. But the table of $512^2$ scores, which the naive way holds twice over, is never whole in memory: what is left grows with $n$, not with $n^2$.",
        look="The last picture: one line bends upwards, the other is straight. The first picture is the same for both.",
        holds=lambda result: result.measured["fused"][-1].peak < 0.7 * result.measured["naive"][-1].peak and _counted(64, 512, True) == _counted(64, 512, False),
        tempting={0: "It would have to leave out pairs for that. Time may fall all the same, because less memory is moved.", 2: "The operations stay."},
    ),
]  # fmt: skip


def _counted(width: int, n: int, fused: bool) -> int:
    """Operations of one block as torch counts them while it runs."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        SizedBlock(shape_of(width))(torch.zeros(1, n, width), fused)
    return counter.get_total_flops()


def verify() -> list[Check]:
    """torch's own encoder layer and attention, counted by torch's own counter."""
    checks = []
    for width, n in ((64, 32), (256, 512), (1024, 8192)):
        own = sum(reading_cost(shape_of(width), n).values())
        with torch.device("meta"), torch.no_grad():
            layer, x = nn.TransformerEncoderLayer(width, width // HEAD_SIZE, 4 * width, batch_first=True), torch.zeros(1, n, width)
            with FlopCounterMode(display=False) as counter:
                layer(x)
        checks.append(
            Check(
                f"operations of a block, d = {width}, n = {n}",
                "FlopCounterMode over nn.TransformerEncoderLayer",
                abs(own - counter.get_total_flops()),
                0,
            )
        )
        checks.append(Check(f"the closed formula, d = {width}, n = {n}", "24nd² + 4n²d", abs(own - (24 * n * width**2 + 4 * n * n * width)), 0))
    checks.append(
        Check(
            "scores and mixing of one more token",
            "FlopCounterMode over F.scaled_dot_product_attention",
            abs(next_token_flops(shape_of(256), 999)[SCORES] - _attended(256, 1000)),
            0,
        )
    )
    torch.manual_seed(0)
    x = torch.randn(1, 70, 256)
    block = SizedBlock(shape_of(256)).requires_grad_(False)
    q, k, v = block.attention.project(x)
    checks.append(
        Check(
            "naive scores and mixing",
            "F.scaled_dot_product_attention",
            (mix(q, k, v) - F.scaled_dot_product_attention(q, k, v, is_causal=True)).abs().max().item(),
            1e-6,
        )
    )
    return checks  # fmt: skip


def _attended(width: int, keys: int) -> int:
    """One query and many keys through torch's attention."""
    heads = width // HEAD_SIZE
    q, kv = torch.empty(1, heads, 1, HEAD_SIZE, device="meta"), torch.empty(1, heads, keys, HEAD_SIZE, device="meta")
    with FlopCounterMode(display=False) as counter:
        F.scaled_dot_product_attention(q, kv, kv)
    return counter.get_total_flops()


# Computed questions: what was drawn travels in settings["drawn"], so that `second` can answer by another way.


def ask_crossover(rng: random.Random) -> Question:
    while True:
        d, times, gated = rng.choice([512, 768, 1024, 2048, 4096, 8192]), rng.choice([2, 3, 4, 8]), rng.random() < 0.4
        shape = Shape(1, d, d // HEAD_SIZE, d // HEAD_SIZE, times * d, 1000, gated=gated, biases=False)
        right = crossover(shape)
        matrices = 3 if gated else 2
        mistakes = [
            Mistake("as-long-as-wide", d, "This compares $n$ with $d$; the linear layers have many matrices of $d\\times d$."),
            Mistake("feed-forward-only", matrices * times * d // 2, "This leaves out the four projections of attention."),
            Mistake("projections-only", 2 * d, "This leaves out the feed-forward network."),
            Mistake("scores-without-mixing", 2 * right, "Scores take $2nd$ per token and mixing the values another $2nd$."),
            Mistake("weights-not-operations", right // 2, "Each weight takes two operations, a multiplication and an addition."),
            Mistake("squared", right * d, "Both sides have a factor $d$ left; this leaves it on one side."),
        ]
        options = number_options(rng, right, "Set $2\\cdot$weights equal to $4nd$.", mistakes, unit="tokens")
        if options:
            break
    total = (4 + matrices * times) * d * d
    return Question(
        form=Form.CHOICE,
        prompt=f"A block has width $d={d:,}$, full multi-head attention and a {'gated ' if gated else ''}feed-forward network with inner width ${times}d$ ({matrices} matrices). "
        "At how many tokens do scores and mixing cost as much as all its linear layers (all pairs counted)?",
        answer="Per token the linear layers take two operations for each weight, scores and mixing $4nd$.",
        options=options,
        working=(f"weights of the matrices: $(4+{matrices}\\cdot{times})d^2={4 + matrices * times}d^2={total:,}$", f"$2\\cdot{4 + matrices * times}d^2=4nd$", f"$n={numeral((4 + matrices * times) / 2)}d={right:,}$"),
        lab=SLUG,
        settings={"width": min(WIDTHS, key=lambda width: abs(width - d)), "drawn": [d, times, gated]},
        level=2,
    )  # fmt: skip


def second_crossover(question: Question) -> float:
    """By running the matrices and the attention without contents and counting; operations are straight lines in n, so two counts give the slope."""
    d, times, gated = question.settings["drawn"]
    with torch.device("meta"):
        layers = [nn.Linear(d, d) for _ in range(4)] + [nn.Linear(d, times * d) for _ in range(2 if gated else 1)] + [nn.Linear(times * d, d)]
        with FlopCounterMode(display=False) as counter:
            for layer in layers:
                layer(torch.empty(1, layer.in_features))
    return counter.get_total_flops() / _attended(d, 1)


def ask_factor(rng: random.Random) -> Question:
    while True:
        d, n, times = rng.choice([512, 1024, 2048, 4096]), rng.choice([1024, 2048, 4096, 8192, 16_384, 32_768]), rng.choice([2, 4])
        before, after = (sum(reading_cost(shape_of(d), length).values()) for length in (n, times * n))
        right = after / before
        share = share_of_scores(shape_of(d), n)
        mistakes = [
            Mistake("all-quadratic", times**2, "Only scores and mixing grow with the square."),
            Mistake("all-linear", times, "This leaves out that each token meets more others."),
            Mistake("shares-exchanged", times * share + times**2 * (1 - share), "The two parts have changed places here."),
            Mistake("plain-mean", (times + times**2) / 2, "The two parts do not weigh the same at this length."),
            Mistake("share-from-d", times + (times**2 - times) * n / (n + d), "The crossover is at $6d$, not at $d$."),
        ]
        options = number_options(rng, right, "Each part by its own factor, weighted by its share.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder of width $d={d:,}$ (feed-forward $4d$) reads {times * n:,} tokens instead of {n:,}. By what factor do the operations of its blocks grow?",
        answer=f"The linear layers grow by {times}, scores and mixing by {times**2}; before, the latter had the share $n/(n+6d)$.",
        options=options,
        working=(f"share of the pairs before: ${n}/({n}+6\\cdot{d})={numeral(share)}$", f"${times}\\cdot{numeral(1 - share)}+{times**2}\\cdot{numeral(share)}={numeral(right)}$"),
        lab=SLUG,
        settings={"width": d, "length": n, "drawn": [d, n, times]},
        level=2,
    )  # fmt: skip


def second_factor(question: Question) -> float:
    """From the operations that torch counts in its own encoder layer; a polynomial of degree two through short lengths gives the long ones."""
    d, n, times = question.settings["drawn"]
    one, two = _encoder_operations(d, 1), _encoder_operations(d, 2)
    square = (two - 2 * one) / 2  # a·n² + b·n through n = 1 and n = 2
    linear = one - square
    return (square * (times * n) ** 2 + linear * times * n) / (square * n * n + linear * n)


@functools.lru_cache(maxsize=32)
def _encoder_operations(d: int, n: int) -> int:
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        nn.TransformerEncoderLayer(d, d // HEAD_SIZE, 4 * d, batch_first=True)(torch.zeros(1, n, d))
    return counter.get_total_flops()


def ask_room(rng: random.Random) -> Question:
    while True:
        layers, kv_heads, D = rng.choice([16, 24, 32, 48, 64, 80]), rng.choice([2, 4, 8, 16]), rng.choice([64, 128])
        room = rng.choice([1, 2, 4, 8, 16, 24, 40])
        shape = replace(shape_of(4096, layers), kv_heads=kv_heads, heads=64, head_size=D)
        right = int(room * GIB // cache_bytes_per_token(shape))
        mistakes = [
            Mistake("keys-only", 2 * right, "Keys and values are both kept."),
            Mistake("one-byte", 4 * right, "Two bytes for each number, and keys as well as values."),
            Mistake("one-layer", right * layers, "Every layer keeps its own keys and values."),
            Mistake("per-head", right * kv_heads, "Each key-value head has its own keys and values."),
            Mistake("four-bytes", right // 2, "16-bit numbers have two bytes."),
        ]
        options = number_options(rng, right, "The room divided by the bytes of one token.", mistakes, unit="tokens")
        if options:
            break
    each = int(cache_bytes_per_token(shape))
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder has {layers} layers with {kv_heads} key-value heads of size {D}, cached at 16 bits. {room} GiB are left for the cache. How many tokens fit, in all conversations together?",
        answer="Per token a key and a value for each layer and key-value head, two bytes per number. The cache grows in a straight line.",
        options=options,
        working=(f"per token $2\\cdot{layers}\\cdot{kv_heads}\\cdot{D}\\cdot2={each:,}$ bytes", f"${room}\\cdot2^{{30}}/{each}={right:,}$ tokens"),
        lab=SLUG,
        settings={"layers": layers, "drawn": [layers, kv_heads, D, room]},
        level=2,
    )  # fmt: skip


def second_room(question: Question) -> int:
    """Tensors for one token, asked for their size, until the room is full."""
    layers, kv_heads, D, room = question.settings["drawn"]
    token = torch.empty(2, layers, kv_heads, D, dtype=torch.float16, device="meta")
    return room * GIB // (token.numel() * token.element_size())


questions = {"crossover-length": ask_crossover, "longer-prompt": ask_factor, "room-for-tokens": ask_room}
second = {"crossover-length": second_crossover, "longer-prompt": second_factor, "room-for-tokens": second_room}
