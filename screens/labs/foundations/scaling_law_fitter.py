"""Fit a scaling law on real tiny runs

Sixty-five small language models were trained for this lab: eight sizes times eight amounts of text, and one run larger than all
others. Every point is the loss on text that the model has not seen; every run had its own learning-rate schedule.
Choose which of them you are allowed to see, fit a law, and let it predict the rest:

$$L(N,D)=E+\\frac{A}{N^{\\alpha}}+\\frac{B}{D^{\\beta}}$$

$N$ are the weights that multiply, $D$ the letters trained on, and $C=6ND$ the operations. Sizes and amounts double from one run to
the next, so runs of **equal compute** lie on diagonals, and on each diagonal one size is best: smaller models cannot use the text,
larger ones have seen too little of it. Where that best size moves as $C$ grows is the question of Chinchilla.

The models predict the next letter from the eight before it with one hidden layer (Bengio et al. 2003). The text is made-up words with
Zipf's frequencies, so that the best possible loss is known: 1.10 nats per letter, the entropy of the words. That makes this a fair
judge of the fitted floor $E$, which in real text nobody knows.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import plotly.graph_objects as go
import torch

from backend.questions import Form as QuestionForm
from backend.questions import Question
from models.scaling_law import CHINCHILLA, FORMS, Law, fit, log_loss, lowest_of_parabola, start
from models.training.scaling_runs import HIDDEN, TOKENS, Run, kept, make_run
from models.window_model import WindowModel
from models.zipf_words import lexicon
from screens.labs import Check, Choice, Experiment, Mistake, Stops, number_options, numeral
from screens.labs.drawing import DASHES, PALETTE, SYMBOLS, axis, bars, figure, small

TOPIC = "scaling-laws"
REFERENCE = "scipy curve_fit on the same runs; a table made from the published Chinchilla constants; scipy minimize_scalar for the best size"
MECHANISM = (log_loss, fit, start, Law.best_size, lowest_of_parabola, make_run, WindowModel.forward)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 8v70h136" opacity=".45"/>
<path d="M20 14c12 24 30 24 44 2" stroke="#1f77c9" stroke-width="3"/><path d="M40 24c16 28 36 28 54 2" stroke="#d4620f" stroke-width="3"/>
<path d="M66 36c18 32 42 32 62 4" stroke="#0f9d77" stroke-width="3"/><path d="M34 26 108 70" stroke-dasharray="3 4"/>
<g fill="currentColor" stroke="none"><circle cx="41" cy="31" r="3.5"/><circle cx="67" cy="45" r="3.5"/><circle cx="97" cy="62" r="3.5"/></g></svg>"""

SLUG = "scaling-law-fitter"
FORM_WORDS = {"hoffmann": "E + A/N^α + B/D^β", "no floor": "the same with E = 0", "kaplan": "Kaplan's: ((N_c/N)^… + D_c/D)^…"}
SHORT_WORDS = {"hoffmann": "with E", "no floor": "E = 0", "kaplan": "Kaplan's"}
NEAREST = 5  # runs around the best of a diagonal that its parabola goes through
DIAGONALS = range(4, 11)  # those with five sizes or more
SMALLEST = kept()[0].flops
BUDGETS = tuple(float(f"{SMALLEST * 2**step / 1e9:.3g}") for step in DIAGONALS)  # billions of operations
LIMIT = 1e12  # “endless” text or weights, for drawing what each alone would leave


@dataclass(frozen=True)
class Result:
    largest: int
    most_text: int
    step: int  # which diagonal is looked at
    budget: float  # operations
    law: Law
    others: Mapping[str, Law]  # every form, fitted to the same runs
    seen: tuple[Run, ...]
    held: tuple[Run, ...]

    @property
    def diagonal(self) -> tuple[Run, ...]:
        return diagonal(self.step)

    @property
    def best(self) -> Run:
        return min(self.diagonal, key=lambda run: run.loss)

    @property
    def last(self) -> Run:
        return kept()[-1]

    @property
    def predicted(self) -> float:
        return self.law.loss(self.last.weights, self.last.tokens)

    @property
    def miss(self) -> float:
        """Percent by which the large run's loss is mispredicted."""
        return 100 * (self.predicted / self.last.loss - 1)


def compute(
    largest: Annotated[
        int,
        Stops(*HIDDEN[3:], label="Largest model in the fit", unit="hidden units", help="Larger ones are held out; 91 weights for each hidden unit."),
    ] = 128,
    most_text: Annotated[int, Stops(*TOKENS[2:], label="Most text in the fit", unit="letters", help="Runs on more text are held out.")] = 2**19,
    form: Annotated[str, Choice(FORM_WORDS, label="Form of the law")] = "hoffmann",
    budget: Annotated[
        float, Stops(*BUDGETS, label="Compute budget", unit="billion operations", help="Which runs of equal compute to look at closely.")
    ] = BUDGETS[3],
) -> Result:
    laws = _laws(largest, most_text)
    seen = tuple(run for run in kept() if run.hidden <= largest and run.tokens <= most_text)
    step = DIAGONALS[BUDGETS.index(budget)]
    return Result(largest, most_text, step, SMALLEST * 2**step, laws[form], laws, seen, tuple(run for run in kept() if run not in seen))


@functools.lru_cache(maxsize=64)
def _laws(largest: int, most_text: int) -> dict[str, Law]:
    runs = [run for run in kept() if run.hidden <= largest and run.tokens <= most_text]
    return {form: fit(form, *columns(runs)) for form in FORMS}


def columns(runs: Sequence[Run]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """N, D and L, (R,) each."""
    rows = torch.tensor([(run.weights, run.tokens, run.loss) for run in runs], dtype=torch.float64)
    return rows[:, 0], rows[:, 1], rows[:, 2]


@functools.cache
def diagonal(step: int) -> tuple[Run, ...]:
    """All runs of one compute budget, smallest first."""
    return tuple(sorted((run for run in kept() if math.isclose(run.flops, SMALLEST * 2**step)), key=lambda run: run.weights))


@functools.cache
def measured_best(step: int) -> float:
    """The size at the lowest point of a parabola through the runs around the best one."""
    runs = diagonal(step)
    place = min(range(len(runs)), key=lambda at: runs[at].loss)
    first = min(max(place - NEAREST // 2, 0), len(runs) - NEAREST)
    N, _, L = columns(runs[first : first + NEAREST])
    return lowest_of_parabola(N, L)


@functools.cache
def measured_growth() -> float:
    """The slope of log N over log C through the lowest points of all diagonals."""
    steps = list(DIAGONALS)
    return float(np.polyfit([step * math.log(2) for step in steps], [math.log(measured_best(step)) for step in steps], 1)[0])


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "More text lowers the loss until the model is full": _over_text(result),
        "At equal compute one size is best": _equal_compute(result),
        "The best size grows along a straight line": _growth(result),
        "What the law says of runs it has not seen": _predictions(result),
        "What the loss of the large run is made of": _parts(result),
    }


def _dots(runs: Sequence[Run], x: Sequence[float], name: str, colour: int, hollow: bool = False) -> dict:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": small(x),
        "y": small([run.loss for run in runs]),
        "name": name,
        "marker": {"symbol": SYMBOLS[colour % 8] + ("-open" if hollow else ""), "size": 8, "color": PALETTE[colour % 8]},
    }


def _line(x: Sequence[float], y: Sequence[float], name: str, colour: int, width: float = 2, dash: str | None = None) -> dict:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": small(x),
        "y": small(y),
        "name": name,
        "line": {"color": PALETTE[colour % 8], "width": width, "dash": dash or DASHES[colour % 8]},
    }


def _over_text(result: Result) -> go.Figure:
    """Dots are runs, filled where the fit may see them; lines are the law."""
    traces = []
    amounts = [2.0**power for power in np.arange(14, 22.5, 0.5)]
    for colour, hidden in enumerate(HIDDEN[::2]):
        runs = [run for run in kept() if run.hidden == hidden]
        inside = [run for run in runs if run in result.seen]
        outside = [run for run in runs if run not in result.seen]
        name = f"N = {runs[0].weights:,}"
        traces.append(_line(amounts, [result.law.loss(runs[0].weights, amount) for amount in amounts], f"{name}: law", colour, 1.5))
        traces.append(_dots(inside, [run.tokens for run in inside], f"{name}: seen", colour))
        if outside:
            traces.append(_dots(outside, [run.tokens for run in outside], f"{name}: held out", colour, hollow=True))
    entropy = lexicon().entropy
    y = axis("loss, nats per letter", log=True, ticks={value: str(value) for value in (1, 1.5, 2, 2.5, 3)})
    x = axis("letters trained on", log=True, ticks=_amounts())
    return figure(traces, x=x, y=y, height=420, across=[(entropy, "the best that is possible")])


def _amounts() -> dict[int, str]:
    return {2**power: f"{2**power // 1024}k" if power < 20 else f"{2 ** (power - 20)}M" for power in range(14, 23, 2)}


def _sizes() -> dict[int, str]:
    return {run.weights: f"{run.weights:,}" for run in kept()[: len(HIDDEN) : 2]}


def _equal_compute(result: Result) -> go.Figure:
    traces = []
    for colour, step in enumerate(DIAGONALS[::2] if result.step in DIAGONALS[::2] else DIAGONALS[1::2]):
        runs, strong = diagonal(step), step == result.step
        name = f"{BUDGETS[DIAGONALS.index(step)]:g} billion"
        traces.append(_line([run.weights for run in runs], [run.loss for run in runs], name, colour, 3 if strong else 1) | {"mode": "lines+markers"})
        if strong:
            sizes = np.geomspace(runs[0].weights, runs[-1].weights, 25)
            losses = [result.law.loss(size, result.budget / (6 * size)) for size in sizes]
            traces.append(_line(sizes, losses, "what the law says of it", 5, 2, "dot"))
    y = axis("loss, nats per letter")
    return figure(traces, x=axis("weights N", log=True, ticks=_sizes()), y=y, height=380, upright=[(measured_best(result.step), "lowest")])


def _growth(result: Result) -> go.Figure:
    budgets = [SMALLEST * 2**step for step in DIAGONALS]
    measured = _line(budgets, [measured_best(step) for step in DIAGONALS], "lowest points", 0, 1) | {"mode": "markers"}
    measured["marker"] = {"size": 10, "color": PALETTE[0]}
    middle = math.exp(sum(math.log(measured_best(step)) for step in DIAGONALS) / len(DIAGONALS))
    centre = math.sqrt(budgets[0] * budgets[-1])
    traces = [
        measured,
        _line(budgets, [middle * (C / centre) ** measured_growth() for C in budgets], f"through them: C^{numeral(measured_growth(), 2)}", 0),
        _line(budgets, [result.law.best_size(C) for C in budgets], f"the law: C^{numeral(result.law.growth, 2)}", 1),
    ]
    x = axis("compute, operations", log=True, ticks={1e9: "1 billion", 1e10: "10 billion"})
    y = axis("best size N", log=True, ticks={size: f"{size:,}" for size in (2000, 5000, 10_000, 20_000, 50_000)})
    return figure(traces, x=x, y=y, upright=[(result.budget, "")])


def _predictions(result: Result) -> go.Figure:
    losses = [run.loss for run in kept()]
    span = (min(losses) * 0.95, max(losses) * 1.03)
    traces = [_line(span, span, "predicted as measured", 5, 1, "dot")]
    groups = [
        ("seen by the fit", result.seen, 0, False),
        ("held out", [run for run in result.held if run != result.last], 1, True),
        ("the large run", [result.last], 6, False),
    ]
    for name, runs, colour, hollow in groups:
        if runs:
            traces.append(_dots(list(runs), [result.law.loss(run.weights, run.tokens) for run in runs], name, colour, hollow))
    return figure(traces, x=axis("predicted loss", span=span), y=axis("measured loss", span=span), height=380)


def _parts(result: Result) -> go.Figure:
    """For every form: what is left with endless weights and text, what the finite size adds, what the finite text adds."""
    run = result.last
    names, parts = [], []
    for form, law in result.others.items():
        floor = law.loss(math.inf, math.inf) if form == "hoffmann" else 0.0
        size = law.loss(run.weights, math.inf) - floor
        names.append(SHORT_WORDS[form] + (" ◂" if law is result.law else ""))
        parts.append((floor, size, law.loss(run.weights, run.tokens) - floor - size))
    series = {"floor E": [part[0] for part in parts], "size": [part[1] for part in parts], "text": [part[2] for part in parts]}
    marks = [(lexicon().entropy, "true floor"), (run.loss, "measured")]
    return bars(names, series, x_axis=axis("form of the law"), y_axis=axis("nats per letter"), barmode="stack", across=marks)


def facts(result: Result) -> dict[str, float]:
    alpha, beta = result.law.exponents
    return {
        "runs": len(result.seen),
        "alpha": alpha,
        "beta": beta,
        "error": 100 * result.law.error,
        "predicted": result.predicted,
        "measured": result.last.loss,
        "miss": abs(result.miss),
        "budget": BUDGETS[DIAGONALS.index(result.step)],
        "best weights": result.best.weights,
        "best text": result.best.tokens,
        "growth": result.law.growth,
        "measured growth": measured_growth(),
    }


def says(result: Result) -> str:
    alpha, beta = result.law.exponents
    side = "above" if result.miss > 0 else "below"
    return (
        f"Fitted to {len(result.seen)} runs, the law has the exponents {numeral(alpha)} for size and {numeral(beta)} for text and is off by {numeral(100 * result.law.error)}% on "
        f"them; it predicts {numeral(result.predicted)} for the large run, {numeral(abs(result.miss))}% {side} the measured {numeral(result.last.loss)}. At "
        f"{BUDGETS[DIAGONALS.index(result.step)]:g} billion operations the best run has {result.best.weights:,} weights and {result.best.tokens:,} letters; the best size grows as C to the power "
        f"{numeral(measured_growth())} by the lowest points, {numeral(result.law.growth)} by the law."
    )


TRY = [
    Experiment(
        title="Eight times the compute",
        settings={"budget": BUDGETS[3]},
        ask="From 0.573 to 4.58 billion operations the compute grows eightfold. By what factor does the best size grow, by the lowest points of the curves?",
        options=(
            "About 8: everything into the model",
            "Between 3 and 4: part goes into more text",
            "Not at all: a small model with eight times the text is best",
        ),
        right=1,
        why="The lowest point moves to the right by 3.6, and the text by the rest, $8/3.6=2.2$. On logarithmic axes the lowest points lie on a straight line: $N\\propto C^a$ with $a$ a little above one half.",
        look="The second picture: each curve is a bowl, and the bowls move right and down. The third picture has their lowest points alone.",
        holds=lambda result: 2.5 < measured_best(result.step) / measured_best(DIAGONALS[0]) < 4 and 0.5 < measured_growth() < 0.6,
        tempting={0: "That was close to Kaplan's advice, an exponent of 0.73.", 2: "The left arms of the bowls: small models cannot use more text."},
    ),
    Experiment(
        title="Predict a run with 32 times the compute",
        settings={},
        ask="The law sees runs of up to 128 hidden units and 524,288 letters. The large run has four times the size and eight times the text. How far off is the prediction of its loss?",
        options=("Within 1%: a law is a law", "Roughly a tenth: 5 to 15%", "By half: nothing can be said so far out"),
        right=1,
        why="1.46 predicted, 1.32 measured: too pessimistic by 10.7%. On the runs it has seen the law errs by 1.7%. A small bend of the measured curves against the assumed form grows with the distance; "
        "teams that plan large runs extrapolate the same way, and check with runs in between.",
        look="The fourth picture: seen runs lie on the diagonal, the held-out ones leave it on one side, the further the larger they are.",
        holds=lambda result: abs(result.miss - 10.7) < 0.1 and result.law.error < 0.02,
        tempting={
            0: "That is about how well it fits what it has seen.",
            2: "It is not as bad as that: runs with losses from 1.7 to 2.9 lead to 1.46 for a run far outside.",
        },
    ),
    Experiment(
        title="Where is the floor?",
        settings={"largest": 64, "most_text": 2**17},
        ask="The best possible loss is known here: 1.10 nats, the entropy of the words. Fit the small runs only. What does the law take for $E$?",
        options=("About 1.1: the curves bend towards it", "Far less, under 0.6", "Far more: no small model comes near"),
        right=1,
        why="The lowest loss among these runs is 1.97, so the data say next to nothing about the floor; a little less exponent and a little less floor fit as well. Three forms with floors of 0.36, 0 and 0 all fit within 1.1%. "
        "Published values of $E$ for real text are of the same kind: they belong to the fit.",
        look="The last picture: compare the three floors with the dotted line of the true one. All three bars end at about the same height.",
        holds=lambda result: (
            result.law.floor < 0.6 < lexicon().entropy
            and all(law.error < 0.0115 for law in result.others.values())
            and round(min(run.loss for run in result.seen), 2) == 1.97
        ),
        tempting={0: "The curves bend too, but for lack of size or text, long before the floor is felt."},
    ),
    Experiment(
        title="The best fit, the worst forecast",
        settings={"largest": 256, "most_text": 2**16},
        ask="Now the fit may see sizes up to 256, but only runs on at most 65,536 letters. It agrees with them better than before, within 1.1%. And with the large run?",
        options=("Better than before, too", "About as before", "It errs in the other direction: far too hopeful"),
        right=2,
        why="On so little text hardly any run was limited by its size, so the exponent for size rests on almost nothing. A forecast needs runs that spread over what is to be forecast, not a low error where they are.",
        look="The fourth picture: the dots of the held-out runs now lie above the diagonal; the first shows lines that fall far below the hollow dots.",
        holds=lambda result: result.law.error < 0.0115 and result.miss < -5,
        tempting={0: "The error on seen runs says how well the form bends, not where it leads."},
    ),
]


def verify() -> list[Check]:
    """The fit against scipy's, the recovery of published constants, the best size against a numerical search, and one run made again."""
    from scipy.optimize import curve_fit, minimize_scalar

    runs = [run for run in kept() if run.hidden <= 128 and run.tokens <= 2**19]
    N, D, L = (column.numpy() for column in columns(runs))
    law = fit("hoffmann", *columns(runs))

    def curve(x: np.ndarray, a: float, b: float, alpha: float, beta: float, e: float) -> np.ndarray:
        return np.log(np.exp(a - alpha * x[0]) + np.exp(b - beta * x[1]) + np.exp(e))

    theirs, _ = curve_fit(curve, np.stack([np.log(N), np.log(D)]), np.log(L), p0=(3, 3, 0.3, 0.3, 0.0), maxfev=20_000, xtol=1e-14, ftol=1e-14)
    ours = np.array([law.loss(n, d) for n, d in zip(N, D)])
    checks = [
        Check(
            "fitted losses of all runs, relative",
            "scipy curve_fit",
            float(np.abs(ours / np.exp(curve(np.stack([np.log(N), np.log(D)]), *theirs)) - 1).max()),
            1e-5,
        ),
        Check("the two exponents", "scipy curve_fit", float(np.abs(np.array(law.exponents) - theirs[2:4]).max()), 1e-3),
    ]
    constants = dict(CHINCHILLA)
    generator = torch.Generator().manual_seed(0)
    sizes, texts = 10 ** (torch.rand(2, 48, generator=generator, dtype=torch.float64) * 3 + torch.tensor([[7.5], [9.0]]))
    table = constants["E"] + constants["A"] / sizes ** constants["alpha"] + constants["B"] / texts ** constants["beta"]
    found = fit("hoffmann", sizes, texts, table)
    recovered = (found.floor, math.exp(found.theta[0]), math.exp(found.theta[1]), *found.exponents)
    off = max(abs(own / true - 1) for own, true in zip(recovered, constants.values()))
    checks.append(Check("five constants, relative", "a table made from Hoffmann et al.'s constants", off, 1e-4))
    for form in FORMS:
        fitted = fit(form, *columns(runs))
        search = minimize_scalar(
            lambda log_n, fitted=fitted: fitted.loss(math.exp(log_n), 1e10 / (6 * math.exp(log_n))),
            bounds=(2, 18),
            method="bounded",
            options={"xatol": 1e-9},
        )
        checks.append(
            Check(f"best size for 10 billion operations, {form}", "scipy minimize_scalar", abs(math.log(fitted.best_size(1e10)) - search.x), 1e-4)
        )
    again = next(run for run in kept() if run.hidden == 16 and run.tokens == TOKENS[0])
    checks.append(Check("a run of the table, trained again", "the kept loss", abs(make_run(again.hidden, again.tokens).loss - again.loss), 2e-3))
    return checks


# Computed questions: what was drawn travels in settings["drawn"], so that `second` can answer by another way.


def ask_growth(rng: random.Random) -> Question:
    while True:
        alpha, beta, times = rng.choice([0.25, 0.3, 0.34, 0.4, 0.5]), rng.choice([0.2, 0.28, 0.35, 0.45, 0.6]), rng.choice([4, 10, 16, 100, 1000])
        right = times ** Law("hoffmann", (0.0, 0.0, alpha, beta, 0.0), 0.0).growth
        mistakes = [
            Mistake(
                "exponents-exchanged",
                times ** (alpha / (alpha + beta)),
                "This is the growth of the text. A large β means that text pays off quickly, so weights get more.",
            ),
            Mistake("all-into-the-model", times, "Then nothing is left for more text."),
            Mistake("root", times**0.5, "Equal growth holds only for $\\alpha=\\beta$."),
            Mistake("beta-alone", times**beta, "The exponent is $\\beta/(\\alpha+\\beta)$."),
            Mistake("alpha-alone", times**alpha, "The exponent is $\\beta/(\\alpha+\\beta)$."),
        ]
        options = number_options(rng, right, "$C^{\\beta/(\\alpha+\\beta)}$.", mistakes)
        if options:
            break
    power = beta / (alpha + beta)
    return Question(
        form=QuestionForm.CHOICE,
        prompt=f"A law $L=E+A/N^{{{alpha}}}+B/D^{{{beta}}}$ was fitted. With {times:,} times the compute, by what factor should the number of weights grow?",
        answer="With $D=C/6N$ and a zero derivative, $N_{opt}\\propto C^{\\beta/(\\alpha+\\beta)}$.",
        options=options,
        working=(f"$\\beta/(\\alpha+\\beta)={numeral(power)}$", f"${times}^{{{numeral(power)}}}={numeral(right)}$"),
        lab=SLUG,
        settings={"drawn": [alpha, beta, times]},
        level=2,
    )


def second_growth(question: Question) -> float:
    """Both optima by a search over sizes, nothing derived."""
    alpha, beta, times = question.settings["drawn"]

    def best(C: float) -> float:
        low, high = -40.0, 60.0
        for _ in range(200):  # the loss falls, then rises: cut away the worse third
            one, two = low + (high - low) / 3, high - (high - low) / 3
            worse = math.exp(-alpha * one) + math.exp(-beta * (math.log(C) - one)) > math.exp(-alpha * two) + math.exp(-beta * (math.log(C) - two))
            low, high = (one, high) if worse else (low, two)
        return math.exp(low)

    return best(1e9 * times) / best(1e9)


def ask_rule(rng: random.Random) -> Question:
    while True:
        C, ratio = rng.choice([1.2, 2.4, 3, 5, 6, 9.6]) * 10.0 ** rng.choice([20, 21, 22, 23, 24]), rng.choice([20, 20, 10, 40])
        right = math.sqrt(C / (6 * ratio)) / 1e9
        mistakes = [
            Mistake("no-six", math.sqrt(C / ratio) / 1e9, "Training takes $6ND$, not $ND$."),
            Mistake("tokens", ratio * right, "This is the number of tokens."),
            Mistake("equal-numbers", math.sqrt(C / 6) / 1e9, "This has as many tokens as weights."),
            Mistake("multiplied", math.sqrt(C * ratio / 6) / 1e9, "The ratio belongs under the line: more tokens per weight leave fewer weights."),
            Mistake("no-root", C / (6 * ratio) / 1e18, "Weights and tokens grow together, so a root is taken."),
        ]
        options = number_options(rng, right, "$C=6\\cdot N\\cdot rN$, so $N=\\sqrt{C/6r}$.", mistakes, unit="billion")
        if options:
            break
    return Question(
        form=QuestionForm.CHOICE,
        prompt=f"${numeral(C / 10 ** math.floor(math.log10(C)))}\\cdot10^{{{math.floor(math.log10(C))}}}$ operations are to be spent on training with {ratio} tokens per weight. How many weights has the model?",
        answer=f"$C=6ND$ with $D={ratio}N$ gives $N=\\sqrt{{C/{6 * ratio}}}$.",
        options=options,
        working=(
            f"$C/{6 * ratio}={numeral(C / (6 * ratio))}$",
            f"its root: {numeral(right)} billion weights, and {numeral(right * ratio)} billion tokens",
        ),
        lab=SLUG,
        settings={"drawn": [C, ratio]},
        level=1,
    )


def second_rule(question: Question) -> float:
    """Halving the interval until the compute fits."""
    C, ratio = question.settings["drawn"]
    low, high = 0.0, 1e15
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if 6 * middle * (ratio * middle) < C else (low, middle)
    return low / 1e9


def ask_terms(rng: random.Random) -> Question:
    while True:
        floor, size, data = rng.choice([1.2, 1.5, 1.69, 1.8]), rng.choice([0.1, 0.2, 0.3, 0.4]), rng.choice([0.1, 0.15, 0.25, 0.5])
        power, times, grows = rng.choice([0.25, 0.34, 0.5]), rng.choice([2, 4, 10, 16]), rng.choice(["weights", "tokens"])
        moving, still = (size, data) if grows == "weights" else (data, size)
        right = floor + moving / times**power + still
        mistakes = [
            Mistake("wrong-term", floor + moving + still / times**power, "The other term shrinks; this one belongs to what stays the same."),
            Mistake("both-terms", floor + (moving + still) / times**power, "Only one of the two terms depends on what grows."),
            Mistake("floor-too", (floor + moving) / times**power + still, "The irreducible loss does not shrink."),
            Mistake("no-exponent", floor + moving / times + still, "The term falls by the power, not in proportion."),
            Mistake("gone", floor + still, "That is the limit of endless growth."),
        ]
        options = number_options(rng, right, "One term shrinks, floor and other term stay.", mistakes, digits=4)
        if options:
            break
    return Question(
        form=QuestionForm.CHOICE,
        prompt=f"A run has the loss {numeral(floor + size + data, 4)}: irreducible {floor}, size term {size}, data term {data}. The exponent of the {'size' if grows == 'weights' else 'data'} term is {power}. "
        f"What loss does the law predict with {times} times the {grows}, all else equal?",
        answer="Each term falls by its own power law; the irreducible loss and the other term stay.",
        options=options,
        working=(
            f"the term becomes ${moving}/{times}^{{{power}}}={numeral(moving / times**power)}$",
            f"${floor}+{numeral(moving / times**power)}+{still}={numeral(right, 4)}$",
        ),
        lab=SLUG,
        settings={"drawn": [floor, size, data, power, times, grows]},
        level=1,
    )


def second_terms(question: Question) -> float:
    """The fitted form itself, with logarithms of these constants."""
    floor, size, data, power, times, grows = question.settings["drawn"]
    law = Law("hoffmann", (math.log(size), math.log(data), power, power, math.log(floor)), 0.0)
    return law.loss(times if grows == "weights" else 1, times if grows == "tokens" else 1)


questions = {"best-size": ask_growth, "tokens-per-weight": ask_rule, "one-term-shrinks": ask_terms}
second = {"best-size": second_growth, "tokens-per-weight": second_rule, "one-term-shrinks": second_terms}
