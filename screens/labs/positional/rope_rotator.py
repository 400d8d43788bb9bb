"""Rotate queries and keys

Rotary position embedding turns each pair of numbers of a query or key at position $m$ by the angle $m\\theta_i$, with
$\\theta_i=b^{-2i/D}$: a row of clock hands, the first turning fast, the last hardly moving. Since
$(R_mq)^\\top R_nk=q^\\top R_{n-m}k$, the score depends on $n-m$ only.

A random query and key of unit length stand in for a head. Move the two positions, shift both at once, change the base, and see
what the score does. It is applied with absolute positions and gives a relative score: both are true. Lengths do not change, and
values are not turned.

What it does not do: it does not make every score fall with distance. The bound of Su et al. falls on average; a single
query and key oscillate. And it does not extrapolate by itself: the slow hands meet angles that training never showed. Position
interpolation, NTK-aware scaling and YaRN slow some or all hands down by up to $s$.

There are two layouts for the same rotation, pairs $(i, i+D/2)$ as in Llama, used here, and neighbours $(2i, 2i+1)$. They need
different orders of the weights; copying weights between them without reordering is a classic bug.
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from backend.questions import Form, Option, Question
from models.rotary import angles, frequencies, long_term_bound, rotate, turn
from models.rotary_scaling import METHODS, ramp, scaled_frequencies, score_growth
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines
from screens.labs.pictures import Swept
from screens.labs.small_pictures import between_two, dial_picture, whole_degrees

TOPIC = "rotary-position-embedding"
REFERENCE = "transformers LlamaRotaryEmbedding, apply_rotary_pos_emb and ROPE_INIT_FUNCTIONS; complex numbers in torch"
MECHANISM = (frequencies, angles, turn, long_term_bound, scaled_frequencies, ramp)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g opacity=".5"><circle cx="32" cy="45" r="24"/><circle cx="84" cy="45" r="20"/><circle cx="130" cy="45" r="16"/></g>
<path d="M32 45L50 29" stroke="#1f77c9" stroke-width="4"/><path d="M32 45L27 68" stroke="#d4620f" stroke-width="4"/>
<path d="M84 45l17-9" stroke="#1f77c9" stroke-width="4"/><path d="M84 45l19 5" stroke="#d4620f" stroke-width="4"/>
<path d="M130 45l15-3" stroke="#1f77c9" stroke-width="4"/><path d="M130 45l16 0" stroke="#d4620f" stroke-width="4"/></svg>"""

SLUG = "rope-rotator"
BASES = (100, 1_000, 10_000, 100_000, 1_000_000)
WIDTHS = (4, 8, 16, 32, 64, 128)
TRAINED = 128  # positions, the length that scaling starts from
REACH = 512
HANDS = 6  # shown of all pairs, spread evenly
SURFACE = 24
NAMES = {"none": "none", "pi": "PI", "ntk": "NTK-aware", "yarn": "YaRN"}


@dataclass(frozen=True)
class Result:
    D: int
    base: float
    m: int
    n: int
    shift: int
    method: str
    s: float
    theta: Tensor  # (D/2,) after scaling
    q: Tensor  # (D,)
    k: Tensor

    def score(self, m: int, n: int) -> float:
        return self.scores(torch.tensor([m]), torch.tensor([n])).item()

    def scores(self, m: Tensor, n: Tensor) -> Tensor:
        """m (P,), n (P,) -> the score of the query at m with the key at n (P,)."""
        q, k = (turn(x.expand(len(at), self.D), at.float()[:, None] * self.theta) for x, at in ((self.q, m), (self.k, n)))
        return (q * k).sum(-1) * score_growth(self.method, self.s)

    @property
    def here(self) -> float:
        return self.score(self.m, self.n)

    @property
    def moved(self) -> float:
        return self.score(self.m + self.shift, self.n + self.shift)

    @property
    def never_round(self) -> int:
        """Hands that do not complete a turn within the trained length."""
        return int((self.theta * TRAINED < 2 * math.pi).sum())


def compute(
    D: Annotated[int, Stops(*WIDTHS, label="Head size D", help="Numbers per query and key; they make D/2 pairs, each a clock hand.")] = 32,
    base: Annotated[int, Stops(*BASES, label="Base b", help="The last hand needs about 2π·b positions for a turn.")] = 10_000,
    m: Annotated[int, Slider(0, 127, 1, label="Position of the query m")] = 20,
    n: Annotated[int, Slider(0, 127, 1, label="Position of the key n")] = 12,
    shift: Annotated[int, Slider(0, 384, 1, label="Shift both by")] = 0,
    method: Annotated[str, Choice(NAMES, label="Scaling", help="How hands are slowed for texts beyond the trained length of 128.")] = "none",
    s: Annotated[int, Stops(1, 2, 4, 8, 16, label="Scaling factor s", help="How many times the trained length is to be reached.")] = 4,
    seed: Annotated[int, Seed(label="Random query and key")] = 0,
) -> Result:
    q, k = _draw(D, seed)
    return Result(D, float(base), m, n, shift, method, float(s), scaled_frequencies(D, float(base), method, float(s), TRAINED), q, k)


@functools.lru_cache(maxsize=64)
def _draw(D: int, seed: int) -> tuple[Tensor, Tensor]:
    """A query and a key that like each other when they stand at the same place: half of each is shared."""
    generator = torch.Generator().manual_seed(seed)
    shared, a, b = torch.randn(3, D, generator=generator)
    q, k = shared + 0.6 * a, shared + 0.6 * b
    return q / q.norm(), k / k.norm()


def figures(result: Result) -> dict[str, Any]:
    return {
        "Clock hands: every pair turns at its own pace": _hands(result),
        "The score against the distance": _over_distance(result),
        "Only the difference counts": _surface(result),
        "Shift both, or only one": _shifted(result),
        "How long a hand needs for one turn": _wavelengths(result),
    }


def _shown_pairs(result: Result) -> list[int]:
    pairs = result.D // 2
    return sorted({round(at) for at in np.linspace(0, pairs - 1, min(HANDS, pairs))})


def _hands(result: Result) -> Swept:
    """Unit vectors, all pointing right at position 0."""
    pairs, positions = _shown_pairs(result), torch.arange(TRAINED)
    angle = positions[:, None] * result.theta[pairs]  # (T, hands)
    frames = torch.stack([angle.cos(), angle.sin()], dim=-1).numpy()  # (T, hands, 2)
    turns = angle / (2 * math.pi)
    says = [
        f"At position {position}: " + ", ".join(f"pair {pair} after {numeral(round(turns[position, at].item(), 3))} turns" for at, pair in enumerate(pairs)) + "."
        for position in positions.tolist()
    ]
    return Swept(
        name="Position of the query m",
        stops=list(range(TRAINED)),
        frames=frames,
        kind="arrows",
        series=[f"pair {pair}" for pair in pairs],
        says=says,
        start=result.m,
        sets="m",
    )


def _over_distance(result: Result) -> go.Figure:
    distance = torch.arange(REACH)
    zeros = torch.zeros_like(distance)
    series = {
        "this q and k": result.scores(distance, zeros).numpy(),
        "mean cosine": torch.cos(distance[:, None] * result.theta).mean(-1).numpy() * score_growth(result.method, result.s),
        "bound of Su et al.": long_term_bound(distance, result.theta).numpy(),
    }
    marks = [(TRAINED, "trained length")]
    if result.m >= result.n:
        marks.append((result.m - result.n, "m - n"))
    return lines(distance.numpy(), series, x_axis=axis("distance m - n"), y_axis=axis("score q·k; bound as a share"), markers=False, upright=marks)


def _surface(result: Result) -> go.Figure:
    """Around the chosen positions; the first row and column are where they stand."""
    m = torch.arange(result.m, result.m + SURFACE)
    n = torch.arange(result.n, result.n + SURFACE)
    values = result.scores(m.repeat_interleave(SURFACE), n.repeat(SURFACE)).view(SURFACE, SURFACE)  # (m, n)
    labels = [[str(at) if place % 4 == 0 else "" for place, at in enumerate(each.tolist())] for each in (m, n)]
    return heatmap(values.numpy(), rows=labels[0], columns=labels[1], x_title="position of the key n", y_title="position of the query m", bar="score")


def _shifted(result: Result) -> go.Figure:
    by = torch.arange(0, REACH - 127)
    both = result.scores(result.m + by, result.n + by)
    one = result.scores(result.m + by, torch.full_like(by, result.n))
    series = {"both": both.numpy(), "only q": one.numpy()}
    return lines(by.numpy(), series, x_axis=axis("shifted by"), y_axis=axis("score q·k"), markers=False, strong="both", upright=[(result.shift, "")])


def _wavelengths(result: Result) -> go.Figure:
    pairs = np.arange(result.D // 2)
    series = {NAMES[method]: (2 * math.pi / scaled_frequencies(result.D, result.base, method, result.s, TRAINED)).numpy() for method in METHODS}
    return lines(
        pairs,
        {name: values for name, values in series.items() if name in ("none", NAMES[result.method])},
        x_axis=axis("pair i"),
        y_axis=axis("positions for one turn, 2π/θ", log=True, ticks={10**power: f"{10**power:,}" for power in range(1, 8)}),
        order=list(series),
        strong=NAMES[result.method],
        across=[(TRAINED, "trained length")],
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "m": result.m,
        "n": result.n,
        "difference": result.m - result.n,
        "score": result.here,
        "shift": result.shift,
        "moved": result.moved,
        "off by": abs(result.moved - result.here),
        "pairs": result.D // 2,
        "never round": result.never_round,
        "trained": TRAINED,
        "slowest": 2 * math.pi / result.theta[-1].item(),
        "s": result.s,
    }


def says(result: Result) -> str:
    off = abs(result.moved - result.here)
    shifted = f"; shifted both by {result.shift} it is {numeral(result.moved)}, off by {numeral(off)}" if result.shift else ""
    scaled = f" under {NAMES[result.method]} with s = {numeral(result.s)}" if result.method != "none" else ""
    return (
        f"The query at {result.m} and the key at {result.n} have the score {numeral(result.here)}{scaled}{shifted}. Of {result.D // 2} hands, {result.never_round} do "
        f"not complete a turn within {TRAINED} positions; the slowest needs {numeral(2 * math.pi / result.theta[-1].item())}."
    )


TRY = [
    Experiment(
        title="Move both by 300",
        settings={"shift": 300},
        ask="Query at 20, key at 12. Both move 300 positions to the right, and every hand turns on. What happens to the score?",
        options=("It becomes something else: all angles have changed", "It stays, up to rounding", "It shrinks: later positions count less"),
        right=1,
        why="$(R_mq)^\\top R_nk=q^\\top R_{n-m}k$: a rotation by $m\\theta$ undone by one of $n\\theta$ leaves the difference. What is left over is the rounding of "
        "cosines of large angles in 32 bits, near $10^{-6}$.",
        look="Fourth picture: the thick line is flat, while shifting only the query moves it. Third picture: equal colours along every diagonal.",
        holds=lambda result: abs(result.moved - result.here) < 1e-4,
        tempting={0: "Every angle has, and the differences of the angles have not.", 2: "Nothing in the formula knows where the text begins."},
    ),
    Experiment(
        title="A larger base",
        settings={"base": 1_000_000},
        ask="From base 10,000 to 1,000,000. Which hands become slower?",
        options=("All, by the same factor of 100", "All but the first, the later the more", "Only the last"),
        right=1,
        why="$\\theta_i=b^{-2i/D}$: for $i=0$ that is 1 whatever the base, for the last pair nearly $1/b$. So near positions are told apart as before, and far ones get "
        "hands that are not yet back where they started. Long-context models use bases of a million and more for this reason.",
        look="Fifth picture: the line turns around its left end; more of it lies above the trained length.",
        holds=lambda result: result.theta[0].item() == 1 and _slower(result, 1, 10_000) < _slower(result, -1, 10_000) and _slower(result, -1, 10_000) > 50,
        tempting={0: "The base is raised to a power that differs from pair to pair.", 2: "The last most of all, the others by their share."},
    ),
    Experiment(
        title="Always less with distance?",
        settings={"seed": 3},
        ask="RoPE is often credited with scores that fall as the distance grows. Take one query and one key and move them apart. What does the score do?",
        options=("It falls at every step", "It falls on the whole, and goes up and down on the way", "It stays the same"),
        right=1,
        why="The score is a sum of $D/2$ cosines of different speed. Su et al. prove that an upper bound falls on average; a single pair of vectors oscillates, "
        "and with suitable phases a score can be largest at some distance.",
        look="Second picture: the line of this query and key, and the dotted bound, which at this head size falls on average only; choose D = 128 and it is calmer.",
        holds=lambda result: _ups(result) > 20 and _mean_size(result, 0, 8) > _mean_size(result, 200, 500),
        tempting={0: "Count how often the line rises.", 2: "Only shifting both leaves it the same."},
    ),
    Experiment(
        title="Position interpolation",
        settings={"method": "pi", "s": 4, "m": 80, "n": 40},
        ask="PI with $s=4$ divides every angle by 4. Which score do positions 80 and 40 get?",
        options=("That of 20 and 10 without scaling", "That of 320 and 160 without scaling", "A quarter of the score without scaling"),
        right=0,
        why="Dividing angles by 4 is the same as dividing positions by 4: a text four times as long is squeezed into the trained range. No angle is new, but "
        "neighbours are now only a quarter of a step apart, also on the fast hands that told them apart. NTK and YaRN spare those.",
        look="Fifth picture: the whole line has moved up by a factor of 4.",
        holds=lambda result: abs(result.here - compute(m=20, n=10).here) < 1e-5,
        tempting={1: "That would be multiplying.", 2: "The angle is scaled, not the score."},
    ),
    Experiment(
        title="Which hand does NTK spare?",
        settings={"method": "ntk", "s": 8},
        ask="NTK-aware scaling changes the base to $b\\cdot s^{D/(D-2)}$. By which factors are the first and the last hand slowed for $s=8$?",
        options=("1 and exactly 8", "8 and 8", "8 and 1"),
        right=0,
        why="The first hand has $\\theta_0=1$ for every base. The last has the exponent $-(D-2)/D$, and the power of $s$ was chosen to cancel it: exactly $1/s$. "
        "Between them the factor grows evenly.",
        look="Fifth picture: both lines meet on the left and are a factor of 8 apart on the right.",
        holds=lambda result: result.theta[0].item() == 1 and math.isclose(_slower(result, -1, 10_000), 8, rel_tol=1e-4),
        tempting={1: "That is position interpolation.", 2: "The fast hands tell neighbours apart: they are the ones to spare."},
    ),
]


def _slower(result: Result, pair: int, base: float) -> float:
    """By which factor a hand is slower than without scaling at this base."""
    return (frequencies(result.D, base)[pair] / result.theta[pair]).item()


def _ups(result: Result) -> int:
    distance = torch.arange(REACH)
    return int((result.scores(distance, torch.zeros_like(distance)).diff() > 0).sum())


def _mean_size(result: Result, first: int, last: int) -> float:
    distance = torch.arange(first, last)
    return result.scores(distance, torch.zeros_like(distance)).abs().mean().item()


def verify() -> list[Check]:
    """Against Llama's own rotation, against complex numbers, and the scaling rules against the library's."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    D, T = 64, REACH
    generator = torch.Generator().manual_seed(1)
    q, k = torch.randn(2, 1, 1, T, D, generator=generator)
    positions = torch.arange(T)
    checks = []
    for base in (10_000.0, 500_000.0):
        config = LlamaConfig(hidden_size=D, num_attention_heads=1, rope_parameters={"rope_type": "default", "rope_theta": base}, max_position_embeddings=T)
        cos, sin = LlamaRotaryEmbedding(config)(q, positions[None])
        theirs = apply_rotary_pos_emb(q, k, cos, sin)
        difference = max((rotate(ours, positions, base) - their).abs().max().item() for ours, their in zip((q, k), theirs))
        checks.append(Check(f"turned q and k, {T} positions, base {base:,.0f}", "transformers LlamaRotaryEmbedding and apply_rotary_pos_emb", difference, 1e-6))
    pairs = torch.view_as_complex(torch.stack(q.chunk(2, dim=-1), dim=-1))  # (1, 1, T, D/2): a + ib of each pair
    turned = torch.view_as_real(pairs * torch.polar(torch.ones(T, D // 2), angles(positions, D)))
    difference = (rotate(q, positions) - torch.cat([turned[..., 0], turned[..., 1]], dim=-1)).abs().max().item()
    checks.append(Check("turned q, as complex numbers", "torch.polar and view_as_complex", difference, 1e-6))
    for method, kind in (("pi", "linear"), ("ntk", "dynamic"), ("yarn", "yarn")):
        rope = {"rope_type": kind, "rope_theta": 10_000.0, "factor": 4.0} | ({"original_max_position_embeddings": 2048} if kind == "yarn" else {})
        config = LlamaConfig(hidden_size=D, num_attention_heads=1, rope_parameters=rope, max_position_embeddings=2048)
        # "dynamic" grows with the text: at twice the trained length, a factor of 4 amounts to s = 4 · 2 - 3 = 5
        their_theta, their_growth = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=4096)
        s = 5.0 if method == "ntk" else 4.0
        difference = (scaled_frequencies(D, 10_000.0, method, s, 2048) - their_theta).abs().max().item()
        difference = max(difference, abs(score_growth(method, s) - their_growth**2))
        checks.append(Check(f"frequencies and growth of scores, {NAMES[method]}", f"transformers ROPE_INIT_FUNCTIONS['{kind}']", difference, 1e-7))
    return checks


# Computed questions; what was drawn travels in settings["drawn"].


def ask_frequency(rng: random.Random) -> Question:
    while True:
        D, base = rng.choice((4, 8, 16, 32, 64, 128)), rng.choice((100.0, 10_000.0, 1_000_000.0))
        i = rng.randint(1, D // 2 - 1)
        right = base ** (-2 * i / D)
        mistakes = [
            Mistake("half-the-exponent", base ** (-i / D), "The exponent is $-2i/D$, as there are $D/2$ pairs."),
            Mistake("over-half-the-size", base ** (-4 * i / D), "The exponent is $-2i/D$; this has $2i$ over the number of pairs."),
            Mistake("next-pair", base ** (-2 * (i + 1) / D), "Pairs are counted from 0: this is the next one."),
            Mistake("wavelength", 2 * math.pi * base ** (2 * i / D), "This is the number of positions for one turn, $2\\pi/\\theta_i$."),
            Mistake("lost-the-minus", base ** (2 * i / D), "The exponent is negative: later hands are slower."),
        ]
        options = number_options(rng, frequencies(D, base)[i].item(), "Base to the power $-2i/D$.", mistakes)
        if options and right > 1e-6:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"RoPE with head size $D={D}$ and base {base:,.0f}: what is the angle per position $\\theta_{{{i}}}$ (pairs counted from 0), in radians?",
        answer="$\\theta_i=b^{-2i/D}$.",
        options=options,
        working=(f"exponent $-2\\cdot{i}/{D}={numeral(-2 * i / D)}$", f"${base:.0f}^{{{numeral(-2 * i / D)}}}={numeral(right)}$"),
        lab=SLUG,
        settings={"D": D, "base": int(base), "drawn": [D, base, i]},
        level=1,
    )


def second_frequency(question: Question) -> float:
    """Step by step: each hand is slower than the one before by the D/2-th root of the base."""
    D, base, i = question.settings["drawn"]
    theta = 1.0
    for _ in range(i):
        theta /= base ** (1 / (D / 2))
    return theta


def ask_turned(rng: random.Random) -> Question:
    while True:
        a, b = rng.choice((1, 2, 3, -1, -2)), rng.choice((1, 2, 3, -1, -2))
        theta, m = rng.choice((1.0, 0.5, 0.1, 0.01)), rng.randint(1, 30)
        angle = m * theta
        x = torch.tensor([[float(a), float(b)]], dtype=torch.float64)
        right = turn(x, torch.tensor([[angle]], dtype=torch.float64))[0, 0].item()
        mistakes = [
            Mistake("turned-backwards", a * math.cos(angle) + b * math.sin(angle), "This turns the other way: the sign before the sine is a minus in the first entry."),
            Mistake("second-entry", b * math.cos(angle) + a * math.sin(angle), "This is the second entry."),
            Mistake("forgot-the-position", a * math.cos(theta) - b * math.sin(theta), "This turns by $\\theta$ once; at position $m$ the angle is $m\\theta$."),
            Mistake("only-the-cosine", a * math.cos(angle), "A rotation mixes both entries."),
            Mistake("in-degrees", a * math.cos(math.radians(angle)) - b * math.sin(math.radians(angle)), "The angle is in radians."),
        ]
        options = number_options(rng, right, "$a\\cos m\\theta-b\\sin m\\theta$.", mistakes)
        if options and abs(right) > 0.05:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A pair of a query is $({a}, {b})$, its $\\theta={numeral(theta)}$ and the position $m={m}$. What is the first entry after the rotation?",
        answer="Turn by $m\\theta$: the first entry becomes $a\\cos m\\theta-b\\sin m\\theta$.",
        options=options,
        working=(f"angle $m\\theta={numeral(angle)}$, cosine {numeral(math.cos(angle))}, sine {numeral(math.sin(angle))}", f"${a}\\cdot({numeral(math.cos(angle))})-({b})\\cdot({numeral(math.sin(angle))})={numeral(right)}$"),
        lab=SLUG,
        settings={"m": m, "drawn": [a, b, theta, m]},
        level=1,
    )


def second_turned(question: Question) -> float:
    """As a complex number, multiplied by e^{imθ}."""
    a, b, theta, m = question.settings["drawn"]
    return (complex(a, b) * cmath.exp(1j * m * theta)).real


def ask_relative(rng: random.Random) -> Question:
    while True:
        theta, m, n = rng.choice((0.1, 0.2, 0.05, 0.25)), rng.randint(5, 40), rng.randint(1, 40)
        length = rng.choice((1, 2, 3))
        right = _pair_score(length, theta, m, n)
        mistakes = [
            Mistake("added-positions", length**2 * math.cos((m + n) * theta), "The key is turned too, and in the product its angle is taken away, not added."),
            Mistake("product-of-cosines", length**2 * math.cos(m * theta) * math.cos(n * theta), "The sines make a product of their own: $\\cos a\\cos b+\\sin a\\sin b$."),
            Mistake("only-the-query", length**2 * math.cos(m * theta), "This leaves the key where it was."),
            Mistake("forgot-theta", length**2 * math.cos(m - n), "The angle is $(m-n)\\theta$."),
            Mistake("sine-for-cosine", length**2 * math.sin((m - n) * theta), "At distance 0 the score must be the plain product, which a sine is not."),
            Mistake("one-length", length * math.cos((m - n) * theta), "Both vectors bring their length."),
        ]
        options = number_options(rng, right, "$|q||k|\\cos((m-n)\\theta)$.", mistakes)
        if m != n and options and abs(right) > 0.05:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A head of size 2 has $q=k=({length}, 0)$ and $\\theta={numeral(theta)}$. The query stands at position {m}, the key at {n}. What is $q\\cdot k$ after RoPE "
        "(no scaling by $\\sqrt{d}$)?",
        answer="Only the difference of the angles is left: $|q||k|\\cos((m-n)\\theta)$.",
        options=options,
        working=(f"$(m-n)\\theta={numeral((m - n) * theta)}$", f"${length}\\cdot{length}\\cdot\\cos({numeral((m - n) * theta)})={numeral(right)}$"),
        lab=SLUG,
        settings={"m": m, "n": n, "drawn": [length, theta, m, n]},
        level=2,
    )


def _pair_score(length: float, theta: float, m: int, n: int) -> float:
    x = torch.tensor([[float(length), 0.0]] * 2, dtype=torch.float64)
    q, k = turn(x, torch.tensor([[m * theta], [n * theta]], dtype=torch.float64))
    return (q @ k).item()


def second_relative(question: Question) -> float:
    """In closed form."""
    length, theta, m, n = question.settings["drawn"]
    return length**2 * math.cos((m - n) * theta)


def ask_picture(rng: random.Random) -> Question:
    """Which of four dials shows where a pair points?"""
    while True:
        theta, m = rng.choice((1.0, 0.5, 0.25, 0.1, 0.05)), rng.randint(2, 60)
        x = turn(torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([[m * theta]], dtype=torch.float64))[0]
        pointing = math.atan2(x[1].item(), x[0].item())
        shown = {"": pointing, "turned-backwards": -pointing, "forgot-the-position": theta, "in-degrees": math.radians(m * theta), "half-the-angle": m * theta / 2}
        names = ["", *rng.sample(sorted(set(shown) - {""}), 3)]
        directions = [complex(math.cos(shown[name]), math.sin(shown[name])) for name in names]
        apart = all(abs(one - other) > 0.45 for at, one in enumerate(directions) for other in directions[:at])  # 26 degrees
        if apart and not between_two(math.degrees(m * theta)):
            break
    whys = {
        "": "Turned by $m\\theta$, against the clock.",
        "turned-backwards": "The angle is right, the direction is not: positive angles turn against the clock.",
        "forgot-the-position": "This is one position's turn, $\\theta$; at position $m$ it is $m\\theta$.",
        "in-degrees": "This takes $m\\theta$ for degrees; it is in radians.",
        "half-the-angle": "This is half the turn: every position adds the whole of $\\theta$.",
    }
    options = [Option(dial_picture(shown[name]), right=not name, why=whys[name], mistake=name) for name in names]
    return Question(
        form=Form.CHOICE,
        prompt=f"At position 0 a pair of a query points along the dashed line. Its $\\theta$ is {numeral(theta)} radians. Where does RoPE let it point at position $m={m}$?",
        answer="It is turned by $m\\theta$ against the clock; whole turns do not show.",
        options=tuple(rng.sample(options, len(options))),
        working=(f"$m\\theta={numeral(m * theta)}$ radians $={numeral(math.degrees(m * theta), 4)}$ degrees", f"without whole turns: {whole_degrees(m * theta)} degrees"),
        lab=SLUG,
        settings={"m": m, "drawn": [theta, m]},
        level=1,
    )


def second_picture(question: Question) -> str:
    """As a complex number, multiplied by e^{iθ} once for every position."""
    theta, m = question.settings["drawn"]
    x = complex(1)
    for _ in range(m):
        x *= cmath.exp(1j * theta)
    return dial_picture(cmath.phase(x))


questions = {"frequency-of-a-pair": ask_frequency, "turned-pair": ask_turned, "relative-score": ask_relative, "which-picture": ask_picture}
second = {"frequency-of-a-pair": second_frequency, "turned-pair": second_turned, "relative-score": second_relative, "which-picture": second_picture}
