"""Generate positions by recurrence or ODE

A table of position vectors ends; a formula never ends and cannot learn. A **recursive** encoding does something third: it learns a *step*, and makes every
vector from the one before, $p_{t+1}=f(p_t)$. One can always take another step.

Four generators run here, each trained inside the same one-layer network, whose task is all about order: name the symbol one place before. A **table**
with one row per position; a **GRU** cell with nothing to read; an **ODE**, $dp/d\\tau=h(\\tau,p)$, solved by Euler steps as in FLOATER; and a **rotation**
$p_{t+1}=Ap_t$ with a learned orthogonal $A$, a sinusoid whose speeds are learned.

All of them are perfect within the trained length. Beyond it the table has nothing, and the others carry on: whether what they make is still of use is another
question. A step that contracts lets positions run together; one that expands carries them to places the network has never seen; one that turns keeps
them bounded and apart. What a step costs is order: made in this way, position $t$ has to wait for $t-1$.

Do not conclude too much from one small network and one seed; look at the vectors themselves.
"""

from __future__ import annotations

import copy
import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.questions import Form, Question
from models import checkpoints
from models.generated_positions import GENERATORS, GruPositions, OdePositions, PreviousSymbol, TurnPositions
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Stops, number_options, numeral
from screens.labs.drawing import PALETTE, axis, figure, heatmap, lines, small

TOPIC = "recursive-position-encoding"
REFERENCE = "torch.nn.GRUCell; scipy.integrate.solve_ivp; numpy.linalg.matrix_power"
MECHANISM = (GruPositions.step, OdePositions.velocity, OdePositions.forward, TurnPositions.forward, PreviousSymbol.look)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><circle cx="44" cy="46" r="30" stroke="#0f9d77" stroke-width="3"/>
<g fill="#0f9d77" stroke="none"><circle cx="74" cy="46" r="4"/><circle cx="59" cy="20" r="4"/><circle cx="29" cy="20" r="4"/><circle cx="14" cy="46" r="4"/></g>
<path d="M100 46c2-10 16-10 16 2s-22 14-24-2 24-30 40-10 2 46-24 40" stroke="#1f77c9" stroke-width="3"/><path d="m136 22 8 4-6 6" stroke="#1f77c9" stroke-width="2"/></svg>"""

SLUG = "recursive-positions"
TRAINED = (16, 32)
REACH = 4  # times the trained length: how far accuracy is measured
LINES = 64
NAMES = {"table": "table", "gru": "GRU", "ode": "ODE", "turn": "rotation"}
TIMED = (16, 32, 64, 128, 256)  # lengths at which making the positions was timed
NOTHING = 1e-3  # a step as short as this moves no vector that anybody could tell apart


@dataclass(frozen=True)
class Result:
    generator: str
    trained: int
    length: int
    substeps: int
    p: Tensor  # (T, C) position vectors; as many as the generator can make
    shadow: Tensor  # (T, 2) on their two main axes
    share: float  # of the variance that lies on those axes
    right: dict[str, Tensor]  # generator -> (T,) share of right answers at each position; NaN where there is no vector
    weights: Tensor  # (T', T') of the network on one line
    microseconds: dict[str, list[float]]

    @property
    def beyond(self) -> float:
        """Mean share of right answers from the trained length to the test length."""
        part = self.right[self.generator][self.trained : self.length]
        return part.mean().item() if len(part) and not part.isnan().any() else 0.0

    @property
    def last_step(self) -> float:
        return (self.p[-1] - self.p[-2]).norm().item()

    @property
    def first_step(self) -> float:
        return (self.p[1] - self.p[0]).norm().item()

    @property
    def norms(self) -> Tensor:
        return self.p.norm(dim=-1)


def compute(
    generator: Annotated[str, Choice(NAMES, label="Generator", help="What makes the position vectors.")] = "gru",
    trained: Annotated[int, Choice(*TRAINED, label="Trained length", help="Symbols in a line of the training.")] = 16,
    length: Annotated[int, Slider(16, 128, 16, label="Test length", help="At most four times the trained length is measured.")] = 64,
    substeps: Annotated[int, Stops(1, 2, 4, 8, label="ODE: Euler steps per position", help="The models were trained with one.")] = 1,
) -> Result:
    far = min(length, REACH * trained)
    p = _positions(generator, trained, far, substeps)
    shadow, share = _shadow(p)
    return Result(
        generator=generator,
        trained=trained,
        length=far,
        substeps=substeps,
        p=p,
        shadow=shadow,
        share=share,
        right={name: _right(name, trained, substeps if name == "ode" else 1)[:far] for name in GENERATORS},
        weights=_look(generator, trained, len(p), substeps),
        microseconds={name: checkpoints.load("previous_symbol").card["figures"][f"{name}_{trained}"]["microseconds"] for name in GENERATORS},
    )


def _model(generator: str, trained: int) -> PreviousSymbol:
    return checkpoints.load("previous_symbol").model[f"{generator}_{trained}"]


@functools.lru_cache(maxsize=64)
def _positions(generator: str, trained: int, length: int, substeps: int) -> Tensor:
    maker = _model(generator, trained).positions
    if generator == "table":
        return maker(min(length, trained))
    return maker(length, substeps) if generator == "ode" else maker(length)


def _shadow(p: Tensor) -> tuple[Tensor, float]:
    """The two directions in which the vectors differ most (PCA), and the share of their variance found there."""
    centred = p - p.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    return centred @ axes[:2].T, (sizes[:2].square().sum() / sizes.square().sum()).item()


def _lines(trained: int, length: int) -> Tensor:
    return torch.randint(16, (LINES, length), generator=torch.Generator().manual_seed(5 + trained))


@functools.lru_cache(maxsize=32)
def _right(generator: str, trained: int, substeps: int) -> Tensor:
    """(REACH · trained,): the share of lines whose answer at this position is right. Position 0 has nothing before it and counts as right."""
    length = REACH * trained
    p, tokens = _positions(generator, trained, length, substeps), _lines(trained, length)
    T = len(p)
    named = _model(generator, trained)(tokens[:, :T], p)[:, 1:].argmax(dim=-1) == tokens[:, : T - 1]  # (B, T - 1)
    return torch.cat([torch.ones(1), named.float().mean(dim=0), torch.full((length - T,), math.nan)])


@functools.lru_cache(maxsize=64)
def _look(generator: str, trained: int, length: int, substeps: int) -> Tensor:
    p = _positions(generator, trained, length, substeps)
    return _model(generator, trained).look(_lines(trained, REACH * trained)[:1, :length], p)[1][0]


def figures(result: Result) -> dict[str, Any]:
    return {
        "The path of the position vectors": _path(result),
        "How long the vectors are, and their steps": _norms(result),
        "Right answers, within and beyond the trained length": _accuracy(result),
        "Where the network looks": _attention(result),
        "Time to make so many positions": _time(result),
    }


def _path(result: Result) -> Any:
    x, y = result.shadow.T.numpy()
    inside = min(result.trained, len(x))
    parts = [("trained", 0, inside, 0), ("beyond", inside - 1, len(x), 1)]
    traces = [
        {
            "type": "scatter",
            "x": small(x[first:last]),
            "y": small(y[first:last]),
            "name": name,
            "mode": "lines+markers",
            "line": {"color": PALETTE[colour], "width": 1.5, "dash": "dot" if colour else "solid"},
            "marker": {"size": 7, "symbol": "square" if colour else "circle", "color": PALETTE[colour]},
            "text": [f"position {at}" for at in range(first, last)],
            "hovertemplate": "%{text}<extra></extra>",
        }
        for name, first, last, colour in parts
        if last - first > 1
    ]
    return figure(traces, x=axis("first main axis"), y=axis("second main axis"), height=360)


def _norms(result: Result) -> Any:
    steps = (result.p[1:] - result.p[:-1]).norm(dim=-1)
    series = {"vector": result.norms[1:].numpy(), "step to it": steps.numpy()}
    return lines(
        np.arange(1, len(result.p)),
        series,
        x_axis=axis("position"),
        y_axis=axis("length", log=result.norms.max().item() > 40),
        markers=False,
        upright=_end(result),
    )


def _end(result: Result) -> list[tuple[float, str]]:
    return [(result.trained, "trained length")]


def _accuracy(result: Result) -> Any:
    at = np.arange(result.length)
    series = {NAMES[name]: _smooth(right[: result.length]) for name, right in result.right.items()}
    return lines(
        at, series, x_axis=axis("position"), y_axis=axis("share of right answers", span=(0, 1.04)), markers=False, strong=NAMES[result.generator],
        across=[(1 / 16, "guessing")], upright=_end(result),
    )  # fmt: skip


def _smooth(right: Tensor, width: int = 4) -> np.ndarray:
    return np.array([right[max(at - width + 1, 0) : at + 1].mean().item() for at in range(len(right))])


def _attention(result: Result) -> Any:
    T = len(result.weights)
    every = max(T // 8, 1)
    labels = [str(at) if at % every == 0 else "" for at in range(T)]
    return heatmap(
        result.weights.numpy(), rows=labels, columns=labels, x_title="position looked at", y_title="position that looks", bar="weight", height=360
    )


def _time(result: Result) -> Any:
    series = {NAMES[name]: [*times, *[math.nan] * (len(TIMED) - len(times))] for name, times in result.microseconds.items()}
    return lines(
        TIMED, series, x_axis=axis("positions", log=True, ticks={T: str(T) for T in TIMED}), y_axis=axis("microseconds", log=True, ticks={10**power: f"{10**power:,}" for power in range(7)}), strong=NAMES[result.generator]
    )  # fmt: skip


def facts(result: Result) -> dict[str, float]:
    return {
        "trained": result.trained,
        "made": len(result.p),
        "percent beyond": 100 * result.beyond,
        "length": result.length,
        "first": result.norms[0].item(),
        "last": result.norms[-1].item(),
        "first step": result.first_step,
        "last step": result.last_step,
        "sequential": (len(result.p) - 1) * (result.substeps if result.generator == "ode" else 1),
    }


def says(result: Result) -> str:
    if result.generator == "table":
        missing = f" For the {result.length} positions of this test there is none." if result.length > result.trained else ""
        return f"The table has {result.trained} rows, one for each position it was trained on, and finds each at once.{missing}"
    sequential = (len(result.p) - 1) * (result.substeps if result.generator == "ode" else 1)
    start = f"{WORDS[result.generator]}, trained at {result.trained}, makes {len(result.p)} positions in {sequential} steps, one after another"
    last = numeral(result.last_step) if result.last_step > NOTHING else "next to nothing"
    steps = f"the first step is {numeral(result.first_step)} long and the last {last}"
    if result.length <= result.trained:
        return f"{start}; {steps}."
    return f"{start}; {steps}. Beyond the trained length {numeral(100 * result.beyond)} percent of the answers are right."


WORDS = {"gru": "The GRU", "ode": "The ODE", "turn": "The rotation"}

TRY = [
    Experiment(
        title="The GRU runs on",
        settings={"generator": "gru", "length": 64},
        ask="The GRU was trained on 16 positions and is perfect there. Let it run to 64. What becomes of its vectors?",
        options=("They grow without bound", "They run together: later steps become tiny", "They go on circling at a constant pace"),
        right=1,
        why="A GRU mixes what it remembers with a value between -1 and 1: it cannot explode, and here it settles. Soon all late positions have nearly the same vector, and nobody can tell by it which "
        "place stands before which. Training only ever asked that the first 16 could be told apart.",
        look="Second picture: the length of the step falls away, that of the vector stays. Third: right answers sink to guessing.",
        holds=lambda result: result.last_step < 0.1 * result.first_step and result.beyond < 0.5,
        tempting={0: "Gates and a tanh keep every entry within bounds.", 2: "That is what the rotation does."},
    ),
    Experiment(
        title="A step that turns",
        settings={"generator": "turn", "length": 64},
        ask="A rotation keeps every vector at the same length. Will the network, trained on 16 positions, be perfect up to 64?",
        options=(
            "Yes: rotated positions never run together",
            "It holds on longer than the GRU, and is not perfect",
            "No: it fails at once, as it was never trained there",
        ),
        right=1,
        why="Here the same relation holds between neighbours everywhere: $p_{t-1}=A^{-1}p_t$. The network could use that, and in part does. But it was only asked to tell 16 places apart, and speeds that are far "
        "enough apart for 16 may come near each other again later.",
        look="Third picture: the rotation's line stands above the others beyond the trained length. First picture: the vectors stay on the same rings.",
        holds=lambda result: result.beyond > 0.3 and result.beyond < 0.98 and torch.nanmean(result.right["gru"][16:64]).item() < result.beyond,
        tempting={
            0: "Apart, yes; the network must also keep looking at the right one among many more.",
            2: "New positions, but old relations between neighbours.",
        },
    ),
    Experiment(
        title="Finer Euler steps",
        settings={"generator": "ode", "substeps": 8, "length": 32},
        ask="The ODE was trained with one Euler step per position. Solve it with eight. What happens to the right answers within the trained length?",
        options=(
            "Nothing much: it is the same curve, better solved",
            "They become wrong: the vectors are others now",
            "More of them become right: the vectors are more exact",
        ),
        right=0,
        why="The velocity it learned is smooth enough that one step per position was already near the true curve. Eight times the evaluations of $h$ buy nothing here. (Nothing guarantees this: a network may learn "
        "to rely on the errors of its solver.)",
        look="Third picture: the ODE's line is at 1 up to the trained length. The sentence counts the steps: eight times as many.",
        holds=lambda result: result.right["ode"][1:16].mean().item() > 0.95,
        tempting={1: "They move a little, and the network forgives it.", 2: "All of them were right already."},
    ),
    Experiment(
        title="The end of the table",
        settings={"generator": "table", "length": 64},
        ask="The table was trained on 16 positions. Which vector does it have for position 40?",
        options=("That of position 8: 40 modulo 16 and so on", "That of the last row", "None"),
        right=2,
        why="A table is as long as it is. One can make it longer in advance, but rows that no training text has used are random numbers. The recursive generators carry on, well or badly.",
        look="Third picture: the table's line ends. First picture: only the trained positions are there.",
        holds=lambda result: len(result.p) == 16 and bool(result.right["table"][16:].isnan().all()),
        tempting={0: "Nothing wraps round in a lookup.", 1: "A clipped lookup could be programmed; this one stops."},
    ),
]


def verify() -> list[Check]:
    """The GRU against torch's cell, the ODE against scipy's solver, the rotation against powers of its matrix."""
    from scipy.integrate import solve_ivp

    checks = []
    for trained in TRAINED:
        gru = _model("gru", trained).positions
        theirs = _their_gru(gru, 64)
        checks.append(Check(f"64 positions, GRU trained at {trained}", "torch.nn.GRUCell with no input", (gru(64) - theirs).abs().max().item(), 1e-5))
    ode = copy.deepcopy(_model("ode", 16).positions).to(torch.float64)  # `to` changes a module in place
    times = np.arange(17.0)
    solved = solve_ivp(
        lambda tau, p: ode.velocity(torch.tensor([tau]), torch.from_numpy(p)).numpy(),
        (0, 16),
        ode.start.detach().numpy(),
        t_eval=times,
        rtol=1e-9,
        atol=1e-9,
    ).y.T
    size = np.abs(solved).max()
    off = {steps: np.abs(ode(17, steps).numpy() - solved).max() / size for steps in (16, 32)}
    checks.append(Check("17 positions, 32 Euler steps each, relative", "scipy.integrate.solve_ivp (RK45)", float(off[32]), 1e-2))
    checks.append(Check("halving the Euler step halves the error", "first order of Euler's method", float(abs(off[16] / off[32] - 2)), 0.15))
    turn = copy.deepcopy(_model("turn", 16).positions).to(torch.float64)
    powers = np.stack([np.linalg.matrix_power(turn.step_matrix().numpy(), t) @ turn.start.numpy() for t in range(64)])
    checks.append(Check("64 positions, rotation", "numpy.linalg.matrix_power", float(np.abs(turn(64).numpy() - powers).max()), 1e-10))
    return checks


def _their_gru(gru: GruPositions, T: int) -> Tensor:
    """torch's cell with our weights. Its input is zero, so only the input's bias of the new value acts."""
    C = len(gru.start)
    cell = nn.GRUCell(C, C).requires_grad_(False)
    cell.weight_hh.copy_(gru.gates.weight)
    cell.bias_hh.copy_(gru.gates.bias)
    cell.bias_ih.zero_()
    cell.bias_ih[2 * C :] = gru.bias
    made = [gru.start[None]]
    while len(made) < T:
        made.append(cell(torch.zeros(1, C), made[-1]))
    return torch.cat(made)


# Computed questions; what was drawn travels in settings["drawn"].


def ask_iterate(rng: random.Random) -> Question:
    while True:
        a, b, p0, t = rng.choice((0.5, -0.5, 2.0, 0.8, 1.5)), rng.choice((1, 2, -1, 3)), rng.choice((0, 1, 2)), rng.randint(3, 5)
        right = _iterated(a, b, p0, t)
        mistakes = [
            Mistake("one-step-less", _iterated(a, b, p0, t - 1), "This is the position before."),
            Mistake("one-step-more", _iterated(a, b, p0, t + 1), "One step too many: $p_0$ is the start, before any step."),
            Mistake("bias-once", a**t * p0 + b, "The constant is added at every step, not once."),
            Mistake("power-only", a**t * p0, "The constant is missing."),
            Mistake("linear", p0 + t * (a * p0 + b - p0), "The first step repeated: a step depends on where one stands."),
        ]
        options = number_options(rng, right, "Step by step.", mistakes, digits=4)
        if options and right != 0:
            break
    path = [_iterated(a, b, p0, step) for step in range(t + 1)]
    return Question(
        form=Form.CHOICE,
        prompt=f"A recursive encoding has one coordinate, $p_0={p0}$ and $p_{{t+1}}={numeral(a)}\\,p_t{b:+d}$. What is $p_{{{t}}}$?",
        answer="Apply the step that often.",
        options=options,
        working=("$" + "\\to ".join(numeral(value, 4) for value in path) + "$",),
        lab=SLUG,
        settings={"generator": "turn", "drawn": [a, b, p0, t]},
        level=1,
    )


def _iterated(a: float, b: float, p: float, t: int) -> float:
    for _ in range(t):
        p = a * p + b
    return p


def second_iterate(question: Question) -> float:
    """In closed form: about the fixed point b / (1 - a) the step only stretches."""
    a, b, p0, t = question.settings["drawn"]
    rest = b / (1 - a)
    return rest + a**t * (p0 - rest)


def ask_euler(rng: random.Random) -> Question:
    while True:
        rate, goal, p0 = rng.choice((1, 2, 0.5)), rng.choice((0, 1, 2, 4)), rng.choice((0, 1, 3))
        n = rng.choice((2, 4))  # Euler steps over one unit of time
        right = _euler(rate, goal, p0, n)
        mistakes = [
            Mistake("one-big-step", p0 + rate * (goal - p0), "This takes the whole unit in one step."),
            Mistake("exact", goal + (p0 - goal) * math.exp(-rate), "This is the exact solution; Euler's steps cut the corner."),
            Mistake("same-velocity", p0 + n * rate * (goal - p0), "The velocity is multiplied by the step size, $1/n$."),
            Mistake("one-step-less", _euler_part(rate, goal, p0, n, n - 1), "One step is missing."),
            Mistake("halved-once", p0 + rate * (goal - p0) / n, "This stops after the first step."),
        ]
        options = number_options(rng, right, "Velocity times step size, again and again.", mistakes, digits=4)
        if options and right != p0:
            break
    path = [_euler_part(rate, goal, p0, n, step) for step in range(n + 1)]
    return Question(
        form=Form.CHOICE,
        prompt=f"One coordinate of a position obeys $p'(t)={numeral(rate)}\\,({goal}-p(t))$ with $p(0)={p0}$. What does Euler's method with {n} steps give at $t=1$?",
        answer="Each step adds velocity times step size.",
        options=options,
        working=(f"step size $1/{n}={numeral(1 / n)}$", "$" + "\\to ".join(numeral(value, 4) for value in path) + "$"),
        lab=SLUG,
        settings={"generator": "ode", "substeps": n, "drawn": [rate, goal, p0, n]},
        level=2,
    )


def _euler(rate: float, goal: float, p: float, n: int) -> float:
    return _euler_part(rate, goal, p, n, n)


def _euler_part(rate: float, goal: float, p: float, n: int, steps: int) -> float:
    for _ in range(steps):
        p = p + rate * (goal - p) / n
    return p


def second_euler(question: Question) -> float:
    """In closed form: every step leaves the share 1 - rate/n of the way."""
    rate, goal, p0, n = question.settings["drawn"]
    return goal + (p0 - goal) * (1 - rate / n) ** n


def ask_weights(rng: random.Random) -> Question:
    while True:
        C, rows = rng.choice((32, 64, 128, 256)), rng.choice((512, 1024, 2048, 4096))
        right = C * C + C
        mistakes = [
            Mistake("table", rows * C, "So many has the table; a step is shared by all positions."),
            Mistake("no-constant", C * C, "The constant vector $b$ is missing."),
            Mistake("per-position", rows * (C * C + C), "The step is the same at every position: its weights count once."),
            Mistake("vector-only", 2 * C, "A is a matrix: it has $d^2$ entries."),
        ]
        options = number_options(rng, right, "$d^2+d$.", mistakes, digits=9)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Positions of width {C} are made by an affine step $p\\mapsto Ap+b$, for texts of {rows:,} tokens. How many weights does the step have?",
        answer="$d^2+d$, however long the text.",
        options=options,
        working=(f"${C}^2+{C}={right:,}$ (a table would need ${rows}\\cdot{C}={rows * C:,}$)",),
        lab=SLUG,
        settings={"generator": "turn", "drawn": [C, rows]},
        level=1,
    )


def second_weights(question: Question) -> float:
    """Count those of torch's own affine layer."""
    C, _ = question.settings["drawn"]
    return sum(parameter.numel() for parameter in nn.Linear(C, C, device="meta").parameters())


questions = {"iterate-a-step": ask_iterate, "euler-by-hand": ask_euler, "weights-of-a-step": ask_weights}
second = {"iterate-a-step": second_iterate, "euler-by-hand": second_euler, "weights-of-a-step": second_weights}
