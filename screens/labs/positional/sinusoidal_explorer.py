"""Sinusoids, rotations and dot products

The sinusoidal encoding gives every position a vector of clock hands. Pair $i$ holds the sine and the cosine of $pos\\,\\omega_i$, and the speeds
$\\omega_i=\\text{base}^{-2i/d}$ fall from one radian per token towards one over the base.

Two identities make it more than a label. For each offset $k$ there is **one** matrix $M_k$, a rotation in each pair, that leads from any position to the
one $k$ further on: $PE_{pos+k}=M_k\\,PE_{pos}$. And the dot product of two positions depends on their **distance** alone:

$$
PE_p\\cdot PE_q=\\sum_i\\cos\\bigl(\\omega_i(p-q)\\bigr)
$$

A matrix of such products is the same along each diagonal (a Toeplitz matrix), largest on the main one, and symmetric: which of the two comes first
cannot be read off. Attention compares $W_Q PE_p$ with $W_K PE_q$, however, and nothing obliges these matrices to keep the identity. The switch
below puts two random ones in between.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from backend.questions import Form, Question
from models.sinusoidal import dot_by_distance, offset_matrix, sinusoids, unevenness
from screens.labs import Check, Experiment, Mistake, Seed, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines
from screens.labs.pictures import Swept

TOPIC = "sinusoidal-encoding"
REFERENCE = "transformers MarianSinusoidalPositionalEmbedding; the sum of cosines in float64; torch.matrix_exp; torch.linalg.lstsq"
MECHANISM = (sinusoids, offset_matrix, dot_by_distance, unevenness)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g opacity=".5"><circle cx="34" cy="30" r="20"/><circle cx="80" cy="30" r="20"/><circle cx="126" cy="30" r="20"/></g>
<g stroke-width="4"><path d="M34 30l16 10" stroke="#1f77c9"/><path d="M80 30l10-15" stroke="#d4620f"/><path d="M126 30l5-18" stroke="#0f9d77"/></g>
<path d="M14 72c8-22 16 22 24 0s16 22 24 0 16 22 24 0 16 22 24 0 16 22 24 0" stroke="#1f77c9"/><path d="M14 78c44-20 88 14 132-6" stroke="#0f9d77" opacity=".8"/></svg>"""

SLUG = "sinusoidal-explorer"
WIDTHS = (4, 8, 16, 32, 64, 128)
BASES = (10, 100, 1000, 10_000, 100_000)
LENGTHS = (16, 32, 64, 128)
HANDS = 8  # clocks drawn, spread over the pairs


@dataclass(frozen=True)
class Result:
    d: int
    base: int
    length: int
    offset: int
    projected: bool
    table: Tensor  # (length, d)
    matrix: Tensor  # (d, d), M_offset
    gram: Tensor  # (length, length), of the table or of its projections
    dots: Tensor  # (length,), by distance
    errors: Tensor  # (length - offset,), |M_k PE_pos - PE_(pos+k)|
    moved: Tensor  # (length - offset,), |PE_pos - PE_(pos+k)|: what not turning at all would miss

    @property
    def pairs(self) -> int:
        return self.d // 2

    @property
    def largest_beyond(self) -> tuple[int, float]:
        """The distance of half the length or more at which the dot product comes nearest to its largest value."""
        start = self.length // 2
        at = start + int(self.dots[start:].argmax())
        return at, self.dots[at].item()


def compute(
    d: Annotated[int, Stops(*WIDTHS, label="Width d", help="Half as many clocks as entries.")] = 32,
    base: Annotated[int, Stops(*BASES, label="Base", help="The slowest clock turns about 1/base radians per token.")] = 10_000,
    length: Annotated[int, Stops(*LENGTHS, label="Positions")] = 64,
    offset: Annotated[int, Slider(0, 12, 1, label="Offset k", help="How far M_k leads on.")] = 3,
    projected: Annotated[bool, Toggle(label="Random W_Q and W_K in between", help="The dot products are then taken of W_Q PE and W_K PE.")] = False,
    seed: Annotated[int, Seed(label="Draw of the two matrices")] = 0,
) -> Result:
    table = sinusoids(torch.arange(length), d, float(base))
    matrix = offset_matrix(offset, d, float(base))
    there = table[offset:]
    q, k = _projections(d, seed) if projected else (torch.eye(d), torch.eye(d))
    return Result(
        d=d,
        base=base,
        length=length,
        offset=offset,
        projected=projected,
        table=table,
        matrix=matrix,
        gram=(table @ q.T) @ (table @ k.T).T,  # (length, d) @ (d, length)
        dots=dot_by_distance(torch.arange(length), d, float(base)),
        errors=(table[: length - offset] @ matrix.T - there).norm(dim=-1),
        moved=(table[: length - offset] - there).norm(dim=-1),
    )


@functools.lru_cache(maxsize=16)
def _projections(d: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(d, d, generator=generator) / d**0.5, torch.randn(d, d, generator=generator) / d**0.5


def figures(result: Result) -> dict[str, Any]:
    return {
        "A position is a row of clock hands": _clocks(result),
        "The table: fast columns left, slow ones right": _table(result),
        "Dot products of all positions": _gram(result),
        "The dot product falls with distance, in ripples": _by_distance(result),
        "One matrix leads k tokens on, from anywhere": _errors(result),
        "That matrix turns each pair and mixes no two": _matrix(result),
    }


def _clocks(result: Result) -> Swept:
    chosen = sorted({round(at) for at in np.linspace(0, result.pairs - 1, min(HANDS, result.pairs))})
    hands = result.table.view(result.length, result.pairs, 2)[:, chosen]  # (length, hands, (sin, cos))
    sentences = [f"At position {at} the hands read {', '.join(_reading(hand) for hand in hands[at].tolist())}." for at in range(result.length)]
    return Swept(
        name="position",
        stops=list(range(result.length)),
        frames=hands.flip(-1).numpy(),  # x = cosine, y = sine
        kind="arrows",
        series=[f"pair {at}" for at in chosen],
        says=sentences,
        start=min(result.offset, result.length - 1),
        height=260,
    )


def _reading(hand: list[float]) -> str:
    return f"{math.degrees(math.atan2(hand[0], hand[1])) % 360:.0f}°"


def _table(result: Result) -> go.Figure:
    return heatmap(
        result.table.numpy(),
        rows=_ticks(result.length),
        columns=_ticks(result.d),
        x_title="entry",
        y_title="position",
        bar="PE",
        diverging=True,
        height=360,
    )


def _ticks(count: int) -> list[str]:
    """A word for about every eighth."""
    step = max(1, count // 8)
    return [str(at) if at % step == 0 else "" for at in range(count)]


def _gram(result: Result) -> go.Figure:
    names = _ticks(result.length)
    what = "W_Q PE · W_K PE" if result.projected else "PE · PE"
    return heatmap(
        result.gram.numpy(), rows=names, columns=names, x_title="position q", y_title="position p", bar=what, diverging=result.projected, height=380
    )


def _by_distance(result: Result) -> go.Figure:
    """Measured in the table from both ends, and the sum of cosines: the three lie on each other."""
    plain = result.table @ result.table.T
    return lines(
        list(range(result.length)),
        {"sum of cosines": result.dots, "from the first on": plain[0], "from the last back": plain[-1].flip(0)},
        x_axis=axis("distance"),
        y_axis=axis("dot product"),
        strong="sum of cosines",
        markers=False,
        across=[(result.pairs, f"d/2 = {result.pairs}")],
        upright=[(result.offset, "")],
    )


def _errors(result: Result) -> go.Figure:
    return lines(
        list(range(len(result.errors))),
        {"after M_k": result.errors.clamp(min=1e-9), "without": result.moved.clamp(min=1e-9)},
        x_axis=axis("position"),
        y_axis=axis(
            "distance to the vector k further on", log=True, span=(1e-9, 30), ticks={10.0**at: f"1e{at}" if at else "1" for at in range(-9, 2, 2)}
        ),
        markers=False,
        strong="after M_k",
    )


def _matrix(result: Result) -> go.Figure:
    names = _ticks(result.d)
    return heatmap(
        result.matrix.numpy(),
        rows=names,
        columns=names,
        x_title="entry of PE(pos)",
        y_title="entry of PE(pos + k)",
        bar="M_k",
        diverging=True,
        height=340,
    )


def facts(result: Result) -> dict[str, float]:
    distance, beyond = result.largest_beyond
    return {
        "d": result.d,
        "base": result.base,
        "pairs": result.pairs,
        "offset": result.offset,
        "error": result.errors.max().item(),
        "moved": result.moved.mean().item(),
        "dot at k": result.dots[result.offset].item(),
        "far distance": distance,
        "far dot": beyond,
        "slowest wavelength": 2 * math.pi * result.base ** ((result.d - 2) / result.d),
        "uneven percent": round(100 * unevenness(result.gram)),
    }


def says(result: Result) -> str:
    slowest = 2 * math.pi * result.base ** ((result.d - 2) / result.d)
    distance, beyond = result.largest_beyond
    clocks = f"{result.pairs} clocks at base {result.base:,} have wavelengths from 2π to {numeral(slowest)} tokens"
    turn = f"one matrix leads {result.offset} tokens on from every position, with an error of at most {numeral(result.errors.max().item())}"
    dots = f"the dot product is {result.pairs} for a position with itself, {numeral(result.dots[result.offset].item())} at distance {result.offset} and {numeral(beyond)} at distance {distance}"
    return f"{clocks}; {turn}; {dots}, {_verdict(result)}."


def _verdict(result: Result) -> str:
    percent = round(100 * unevenness(result.gram))
    if not result.projected:
        return "and the matrix of all dot products is the same along each diagonal"
    return f"but through two random matrices {percent} per cent of the variance lies within diagonals: the distance no longer decides"


TRY = [
    Experiment(
        title="Does the matrix depend on the place?",
        settings={"offset": 7, "length": 128},
        ask="$M_7$ leads from position 0 to position 7. You use the same matrix at position 100. How far is the result from $PE_{107}$?",
        options=(
            "Far: each position needs a matrix of its own",
            "It is $PE_{107}$, up to rounding",
            "It is close, and the error grows with every step",
        ),
        right=1,
        why="By the addition formulas the sine and the cosine of $(pos+k)\\omega_i$ are fixed mixtures of those of $pos\\,\\omega_i$; the mixing numbers contain $k$ and not $pos$. "
        "So a layer could learn “seven tokens earlier” once for all places.",
        look="Fifth picture: the lower line is rounding, at every position.",
        holds=lambda result: result.errors.max().item() < 1e-4 < result.moved.min().item(),
        tempting={
            0: "Most encodings would; this one is built of rotations.",
            2: "It is exact; what is left is single precision, of the order of a millionth or less.",
        },
    ),
    Experiment(
        title="Before or after?",
        settings={"offset": 5},
        ask="$PE_{20}\\cdot PE_{25}$ and $PE_{20}\\cdot PE_{15}$: one looks ahead, one back. How do the two products compare?",
        options=("The one ahead is larger", "They are equal", "They have opposite signs"),
        right=1,
        why="Each is the sum of $\\cos(5\\,\\omega_i)$, and a cosine does not change with the sign of its angle. The vectors hold the direction (a rotation can be told from its inverse), the plain "
        "dot product does not.",
        look="Third picture: it is symmetric about its diagonal. Fourth: the line measured back and the one measured on lie on each other.",
        holds=lambda result: abs((result.gram[20, 25] - result.gram[20, 15]).item()) < 1e-4,
        tempting={0: "Nothing in the sum knows which came first.", 2: "That would be a sum of sines."},
    ),
    Experiment(
        title="Two clocks only",
        settings={"d": 4, "length": 64},
        ask="With $d=4$ there are two clocks, one fast and one slow. Is the dot product at a distance of 32 or more always well below that of neighbours?",
        options=("Yes: it falls with distance", "No: at some far distance it is nearly as large as at 0", "It is negative from there on"),
        right=1,
        why="The fast clock returns after $2\\pi\\approx6.28$ tokens, so at 44 it has made almost exactly seven turns, and the slow one has turned by 25 degrees only. Only many speeds "
        "together fall: where one returns, the others have not.",
        look="Fourth picture: peaks that come back to the dotted line every six tokens. Set d to 64 and they are gone.",
        holds=lambda result: result.largest_beyond[0] == 44 and result.largest_beyond[1] > 0.9 * result.pairs,
        tempting={0: "“Tends to fall” is said of many clocks.", 2: "The slow clock still adds 0.8 or more at all these distances."},
    ),
    Experiment(
        title="After the projections",
        settings={"projected": True},
        ask="Attention does not see $PE_p\\cdot PE_q$ but $(W_QPE_p)\\cdot(W_KPE_q)$. With two random matrices, what remains of “only the distance counts”?",
        options=("All of it: linear maps keep the pattern", "Most of it, with a little noise", "Hardly anything"),
        right=2,
        why="The product is $PE_p^\\top W_Q^\\top W_K\\,PE_q$, and only a matrix in between that turns and stretches each pair by itself (such as $M_k$) keeps it a function of $p-q$. Training may find such a matrix; "
        "nothing makes it. This is what rotary embeddings change: they turn after the projections.",
        look="Third picture: the stripes along the diagonals have become patches.",
        holds=lambda result: unevenness(result.gram) > 0.5,
        tempting={0: "Linear maps keep sums, not dot products.", 1: "The measure in the sentence says how much varies within a diagonal."},
    ),
    Experiment(
        title="A small base",
        settings={"base": 10, "d": 64, "length": 128},
        ask="The base is 10 instead of 10,000, so the slowest clock turns once in about 60 tokens. Does the dot product tell a distance of 30 from one of 60?",
        options=(
            "Better than with base 10,000: it falls faster",
            "Hardly: beyond the first ten tokens it is small and ripples around zero",
            "Not at all: it is constant",
        ),
        right=1,
        why="All clocks are fast, so the sum falls within a few tokens and then has no slow part left that could go on falling. A large base keeps slow clocks for long distances; their price is that many "
        "entries hardly move in a short text.",
        look="Fourth picture: steep at first, then flat near zero. Second: no column is calm.",
        holds=lambda result: result.dots[10:60].abs().max().item() < 0.4 * result.pairs,
        tempting={
            0: "It falls faster at first; look at what comes then.",
            2: "It still moves, but without an order that a distance could be read from.",
        },
    ),
]


def verify() -> list[Check]:
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    checks = []
    for d in (8, 64):
        with torch.random.fork_rng(devices=[]):
            theirs = MarianSinusoidalPositionalEmbedding(128, d)
            theirs.weight = torch.nn.Parameter(theirs.create_weight(), requires_grad=False)
            expected = theirs(torch.Size([1, 128]))
        ours = sinusoids(torch.arange(128), d)
        ours = torch.cat([ours[:, 0::2], ours[:, 1::2]], dim=1)  # they keep sines in the first half, cosines in the second
        checks.append(
            Check(f"table, d = {d}, 128 positions", "transformers MarianSinusoidalPositionalEmbedding", (ours - expected).abs().max().item(), 1e-5)
        )
    distance = np.arange(128)
    omega = 10_000.0 ** (-np.arange(0, 64, 2) / 64)
    exact = np.cos(np.outer(distance, omega)).sum(axis=1)
    table = sinusoids(torch.arange(128), 64)
    gram = (table @ table.T).numpy()
    apart = np.abs(distance[:, None] - distance[None, :])
    speeds = torch.tensor(omega).repeat_interleave(2)
    generator = torch.diag(speeds[:-1] * torch.tensor([1.0, 0.0]).repeat(32)[:-1], 1)  # ω above the diagonal of each pair
    return [
        *checks,
        Check("all dot products, d = 64", "the sum of cosines in float64", float(np.abs(gram - exact[apart]).max()), 1e-3),
        Check("M_k for k = 1 … 12", "torch.matrix_exp of the infinitesimal rotation", _against_exponential(generator - generator.T), 1e-6),
        Check("M_5 as the best linear map of 200 pairs of rows", "torch.linalg.lstsq", _against_least_squares(), 1e-5),
    ]


def _against_exponential(generator: Tensor) -> float:
    return max((offset_matrix(k, 64).double() - torch.matrix_exp(k * generator)).abs().max().item() for k in range(1, 13))


def _against_least_squares() -> float:
    """Nobody tells the solver about rotations: it finds them in the table. Few clocks, or slow ones would hardly show."""
    table = sinusoids(torch.arange(205), 8, 100.0).double()
    found = torch.linalg.lstsq(table[:200], table[5:]).solution.T
    return (found - offset_matrix(5, 8, 100.0)).abs().max().item()


# Computed questions; what was drawn travels in settings["drawn"].


def ask_entry(rng: random.Random) -> Question:
    while True:
        d, position = rng.choice([4, 8, 16]), rng.randint(1, 9)
        base = rng.choice([100, 10_000])
        entry = rng.randrange(d)
        pair, wave = entry // 2, ("cos" if entry % 2 else "sin")
        row = sinusoids(torch.tensor([position]), d, float(base))[0]
        right = row[entry].item()
        omega = base ** (-2 * pair / d)
        function, other = (math.cos, math.sin) if entry % 2 else (math.sin, math.cos)
        mistakes = [
            Mistake("other-wave", other(position * omega), "Even entries are sines, odd ones cosines."),
            Mistake(
                "entry-as-pair", function(position * base ** (-2 * entry / d)), "The exponent counts pairs: entries 2i and 2i + 1 share a speed."
            ),
            Mistake("no-factor-two", function(position * base ** (-pair / d)), "The exponent is $-2i/d$, not $-i/d$."),
            Mistake("degrees", function(math.radians(position * omega)), "The angle is in radians, not in degrees."),
            Mistake("next-position", function((position + 1) * omega), "Positions are counted from 0."),
            Mistake("pair-one-on", function(position * base ** (-2 * (pair + 1) / d)), "Pairs are counted from 0: the first has speed 1."),
        ]
        options = number_options(rng, right, f"The {wave} of the position times the speed of its pair.", mistakes)
        if abs(right) > 0.01 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"What is entry {entry} (counted from 0) of the sinusoidal vector of position {position}, with $d={d}$ and base {base:,}?",
        answer="Entry $2i$ is $\\sin(pos\\,\\omega_i)$, entry $2i+1$ is $\\cos(pos\\,\\omega_i)$, with $\\omega_i=\\text{base}^{-2i/d}$.",
        options=options,
        working=(
            f"entry {entry} belongs to pair {pair}, and is its {'cosine' if entry % 2 else 'sine'}",
            f"speed: {base}^(-{2 * pair}/{d}) = {numeral(omega, 4)}",
            f"{wave}({position} · {numeral(omega, 4)}) = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"d": d, "base": base, "drawn": [d, position, base, entry]},
        level=1,
    )


def second_entry(question: Question) -> float:
    """As a power of a complex number on the unit circle."""
    d, position, base, entry = question.settings["drawn"]
    step = complex(math.cos(base ** (-(entry - entry % 2) / d)), math.sin(base ** (-(entry - entry % 2) / d)))
    hand = step**position
    return hand.real if entry % 2 else hand.imag


def ask_dot(rng: random.Random) -> Question:
    while True:
        p, gap = rng.randint(10, 90), rng.randint(1, 9)
        q, base = p - gap if rng.random() < 0.5 else p + gap, rng.choice([100, 10_000])
        right = dot_by_distance(torch.tensor([p - q]), 4, float(base))[0].item()
        slow = base**-0.5
        mistakes = [
            Mistake(
                "sines", math.sin(gap) + math.sin(gap * slow), "Products of sines and of cosines add up to a cosine of the difference, not to a sine."
            ),
            Mistake("sum-of-positions", math.cos(p + q) + math.cos((p + q) * slow), "The angle is the difference of the positions, not their sum."),
            Mistake("all-four-entries", 2 * right, "Four entries make two pairs, and each pair gives one cosine."),
            Mistake("mean", right / 2, "This is the mean over the pairs; a dot product is a sum."),
            Mistake("fast-only", math.cos(gap), "This leaves out the slow clock."),
            Mistake("wrong-speed", math.cos(gap) + math.cos(gap / base), "For $d=4$ the second speed is $\\text{base}^{-2/4}$."),
        ]
        options = number_options(rng, right, "One cosine of the distance for each of the two clocks.", mistakes)
        if abs(right) > 0.05 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"With $d=4$ and base {base:,}, what is the dot product of the sinusoidal vectors of positions {p} and {q}?",
        answer="$\\sum_i\\cos(\\omega_i(p-q))$: only the distance counts.",
        options=options,
        working=(f"distance {gap}, speeds 1 and {numeral(slow)}", f"cos {gap} + cos {numeral(gap * slow)} = {numeral(right)}"),
        lab=SLUG,
        settings={"d": 4, "base": base, "offset": gap, "drawn": [p, q, base]},
        level=2,
    )


def second_dot(question: Question) -> float:
    """Both vectors written out and multiplied."""
    p, q, base = question.settings["drawn"]
    angles = [(position * 1.0, position * base**-0.5) for position in (p, q)]
    vectors = [[math.sin(fast), math.cos(fast), math.sin(slow), math.cos(slow)] for fast, slow in angles]
    return sum(a * b for a, b in zip(*vectors))


def ask_turn(rng: random.Random) -> Question:
    while True:
        k, omega = rng.randint(1, 6), rng.choice([1.0, 0.5, 0.1])
        position = rng.randint(2, 40)
        sine, cosine = (round(value, 3) for value in (math.sin(position * omega), math.cos(position * omega)))
        a, b = math.cos(k * omega), math.sin(k * omega)
        right = a * sine + b * cosine
        mistakes = [
            Mistake("turned-back", a * sine - b * cosine, "This turns the other way and leads k tokens back."),
            Mistake("the-cosine", -b * sine + a * cosine, "This is the new cosine; the sine is asked for."),
            Mistake("swapped", b * sine + a * cosine, "Sine and cosine of the angle have changed places in the row."),
            Mistake("added-the-angle", sine + b, "Sines do not add; use the addition formula."),
            Mistake("one-step", math.cos(omega) * sine + math.sin(omega) * cosine, f"This leads one token on, not {k}."),
        ]
        options = number_options(rng, right, "$\\sin(\\alpha+\\beta)=\\sin\\alpha\\cos\\beta+\\cos\\alpha\\sin\\beta$.", mistakes)
        if abs(right) > 0.05 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"At some position a pair of speed $\\omega={numeral(omega)}$ reads $(\\sin,\\cos)=({sine}, {cosine})$. What is its sine {k} token{'s' * (k > 1)} later?",
        answer="Turn the pair by $k\\omega$: the new sine is $\\cos(k\\omega)\\sin+\\sin(k\\omega)\\cos$.",
        options=options,
        working=(
            f"$k\\omega={numeral(k * omega)}$, its cosine {numeral(a)}, its sine {numeral(b)}",
            f"{numeral(a)} · {sine} + {numeral(b)} · {cosine} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"offset": k, "drawn": [sine, cosine, k, omega]},
        level=2,
    )


def second_turn(question: Question) -> float:
    """The angle is found, increased, and read off again."""
    sine, cosine, k, omega = question.settings["drawn"]
    return math.hypot(sine, cosine) * math.sin(math.atan2(sine, cosine) + k * omega)


questions = {"entry-of-the-table": ask_entry, "dot-product": ask_dot, "turn-by-k": ask_turn}
second = {"entry-of-the-table": second_entry, "dot-product": second_dot, "turn-by-k": second_turn}
