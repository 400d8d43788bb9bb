"""FFN activations and gating

After attention, every token goes through a small network by itself: widen, bend, narrow. What bends it is a choice. ReLU cuts
negatives off, GELU and SiLU are smooth versions of it, and a **gated** network multiplies the bent numbers with a second projection,
$(\\phi(xW_g)\\odot xW_u)W_d$.

Six such networks are trained here side by side on a small regression, all with the **same number of weights**: the gated ones have three matrices
in place of two and therefore only two thirds of the inner width. What they are to learn is yours to choose: products of inputs, a target with
kinks, or waves.

Say for each target, before you look, which of the six should come out ahead, and why. What a language model would choose
nobody can read off here: that gates help there was found by trial, and a regression on eight numbers cannot tell why.

A ReLU unit is **dead** when it is negative for every example: its slope is zero everywhere, so no gradient reaches its weights. You
can provoke it with the learning rate.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.questions import Form, Question
from models.feed_forward import ACTIVATIONS, PositionWise, dead, equal_inner, gelu, relu, share_unexplained, silu, slope
from screens.labs import Check, Choice, Experiment, Mistake, Progress, Seed, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines

TOPIC = "feed-forward-network"
REFERENCE = "torch.nn.functional.relu, gelu and silu, autograd for their slopes; transformers LlamaMLP with copied weights"
MECHANISM = (relu, gelu, silu, slope, PositionWise.hidden, equal_inner, dead)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M12 66h136M70 12v66" opacity=".4"/>
<path d="M14 66h56l62-50" stroke="#1f77c9" stroke-width="4"/><path d="M14 67c20 0 36 8 56-1s40-34 66-52" stroke="#d4620f" stroke-width="3" stroke-dasharray="8 5"/>
<path d="M14 69c24 4 40 6 56-3s34-28 60-44" stroke="#0f9d77" stroke-width="3" stroke-dasharray="3 4"/></svg>"""

SLUG = "ffn-activations"
WIDTH = 8
STEPS, BATCH, EVERY = 400, 64, 20
EXAMPLES, FRESH = 512, 512
MOST_SHOWN = 2.0  # of the share unexplained: at too high a rate some networks end in the hundreds
TARGETS = {"products": "products of inputs", "kinks": "kinks (piecewise linear)", "waves": "waves"}
LABELS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU"}
GATED = {"relu": "ReGLU", "gelu": "GEGLU", "silu": "SwiGLU"}
NAMES = {(act, gated): (GATED if gated else LABELS)[act] for gated in (False, True) for act in LABELS}
Kind = tuple[str, bool]  # activation, gated
ORDER = [NAMES[kind] for kind in NAMES]


@dataclass(frozen=True)
class Network:
    """One of the six, as far as it has come."""

    weights: int
    units: int
    unexplained: list[float] = field(default_factory=list)  # on fresh examples, at each look
    dead: list[float] = field(default_factory=list)  # share of its units


@dataclass(frozen=True)
class Result:
    kind: Kind
    ratio: int
    target: str
    rate: float
    at: list[int]  # steps at which was looked
    networks: Mapping[Kind, Network]

    @property
    def here(self) -> Network:
        return self.networks[self.kind]

    def end(self, kind: Kind) -> float:
        return self.networks[kind].unexplained[-1]

    @property
    def best(self) -> Kind:
        return min(self.networks, key=self.end)


def compute(
    activation: Annotated[str, Choice(LABELS, label="Activation", help="All six networks are trained; this one is drawn strongly.")] = "silu",
    gate: Annotated[bool, Toggle(label="With a gate")] = True,
    ratio: Annotated[int, Stops(1, 2, 4, 8, label="Expansion ratio", help="Inner width over width, for the networks without a gate.")] = 8,
    target: Annotated[str, Choice(TARGETS, label="To be learned")] = "products",
    rate: Annotated[float, Stops(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, label="Learning rate", help="Of Adam.")] = 0.01,
    seed: Annotated[int, Seed(label="Random start and examples")] = 0,
) -> Iterator[Progress]:
    kept, kind = _kept(ratio, target, rate, seed), (activation, gate)
    if kept:
        at, seen = kept[0]
        done = Result(kind, ratio, target, rate, at, seen)
        yield Progress(STEPS, STEPS, "trained before", done)
        return done
    x, fresh = (_examples(count, seed, at) for at, count in enumerate((EXAMPLES, FRESH)))
    y, wanted = _target(target, x), _target(target, fresh)
    networks = {each: _network(each, ratio, seed) for each in NAMES}
    optimizers = [torch.optim.Adam(network.parameters(), lr=rate) for network in networks.values()]
    at, seen = [], {each: Network(sum(p.numel() for p in network.parameters()), network.up.out_features) for each, network in networks.items()}
    generator = torch.Generator().manual_seed(seed + 3)
    for step in range(STEPS + 1):
        if step:
            batch = torch.randint(EXAMPLES, (BATCH,), generator=generator)  # the same for all six
            for network, optimizer in zip(networks.values(), optimizers, strict=True):
                optimizer.zero_grad(set_to_none=True)
                share_unexplained(network(x[batch]), y[batch]).backward()
                optimizer.step()
        partial = None
        if step % EVERY == 0:
            at, seen = [*at, step], {each: _look(network, seen[each], fresh, wanted) for each, network in networks.items()}
            partial = Result(kind, ratio, target, rate, at, seen)
        yield Progress(step, STEPS, f"{step} of {STEPS} steps", partial)
    kept.append((at, seen))
    return Result(kind, ratio, target, rate, at, seen)


@functools.lru_cache(maxsize=32)
def _kept(ratio: int, target: str, rate: float, seed: int) -> list[tuple[list[int], dict[Kind, Network]]]:
    """Filled at the end of a training, so that looking at another of the six does not train again."""
    return []


def _examples(count: int, seed: int, which: int) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(2 * seed + which))


def _target(name: str, x: Tensor) -> Tensor:
    """(B, C) -> (B, C): each output belongs to neighbouring inputs."""
    beside, second = x.roll(1, dims=-1), x.roll(2, dims=-1)
    if name == "products":
        return x * beside
    if name == "kinks":
        return torch.maximum(beside, second) - x.abs()
    return torch.sin(2 * x + beside)


def _network(kind: Kind, ratio: int, seed: int) -> PositionWise:
    activation, gated = kind
    inner = ratio * WIDTH
    network = PositionWise(WIDTH, equal_inner(inner) if gated else inner, activation, gated=gated)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (network.up, network.gate, network.down):
            if layer is not None:
                for parameter in layer.parameters():
                    bound = layer.in_features**-0.5
                    parameter.uniform_(-bound, bound, generator=generator)
    return network


@torch.no_grad()
def _look(network: PositionWise, before: Network, fresh: Tensor, wanted: Tensor) -> Network:
    return Network(
        before.weights,
        before.units,
        [*before.unexplained, float(share_unexplained(network(fresh), wanted))],
        [*before.dead, float(dead(network, fresh).float().mean())],
    )


def figures(result: Result) -> dict[str, Any]:
    return {
        "What each activation does": _curves({LABELS[name]: phi for name, phi in ACTIVATIONS.items()}, "φ(x)", LABELS[result.kind[0]]),
        "Its slope: where the gradient can pass": _curves(
            {LABELS[name]: functools.partial(slope, name) for name in LABELS}, "φ′(x)", LABELS[result.kind[0]]
        ),
        "A gate sets how much of another feature passes": _gate(result),
        "Six networks of equal size learn": _learning(result),
        "Where they end": _ends(result),
        "Dead units": _dead(result),
    }


def _curves(series: Mapping[str, Any], title: str, strong: str) -> Any:
    x = torch.linspace(-4, 4, 161)
    return lines(x, {name: phi(x) for name, phi in series.items()}, x_axis=axis("x"), y_axis=axis(title), strong=strong, markers=False)


def _gate(result: Result) -> Any:
    phi = ACTIVATIONS[result.kind[0]]
    up = torch.linspace(-3, 3, 7)
    series = {f"gate {value}": phi(torch.tensor(float(value))) * up for value in (-2, -1, 0, 1, 2, 3)}
    return lines(up, series, x_axis=axis("up-projection"), y_axis=axis(f"what the unit passes on, {GATED[result.kind[0]]}"), markers=True)


def _learning(result: Result) -> Any:
    series = {NAMES[kind]: network.unexplained for kind, network in result.networks.items()}
    floor = min(min(values) for values in series.values())
    y = axis("share unexplained, fresh examples", log=True, span=(max(0.5 * floor, 1e-4), 3.0))
    return lines(
        result.at,
        series,
        x_axis=axis("training step"),
        y_axis=y,
        strong=NAMES[result.kind],
        order=ORDER,
        markers=len(result.at) < 3,
        across=[(1, "always saying the mean")],
    )


def _ends(result: Result) -> Any:
    first = next(iter(result.networks.values()))
    ends = [min(result.end(kind), MOST_SHOWN) for kind in result.networks]
    cut = f", cut at {numeral(MOST_SHOWN)}" if max(ends) == MOST_SHOWN else ""
    return bars(
        [NAMES[kind] for kind in result.networks],
        ends,
        x_axis=axis(f"each with about {first.weights:,} weights"),
        y_axis=axis(f"share unexplained{cut}"),
    )


def _dead(result: Result) -> Any:
    shares = [network.dead[-1] for network in result.networks.values()]
    return bars(
        [NAMES[kind] for kind in result.networks],
        shares,
        x_axis=axis(),
        y_axis=axis("share of units", span=(0, max(0.1, 1.1 * max(shares)))),
        colour=1,
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "steps": result.at[-1],
        "rate": result.rate,
        "here": result.here.unexplained[-1],
        "best": result.end(result.best),
        "relu": result.end(("relu", False)),
        "dead": result.here.dead[-1],
        "dead relu": result.networks["relu", False].dead[-1],
        "units": result.here.units,
        "weights": result.here.weights,
        "plain weights": result.networks["relu", False].weights,
        "gated weights": result.networks["relu", True].weights,
    }


def says(result: Result) -> str:
    name, best = NAMES[result.kind], NAMES[result.best]
    after = "Before training" if not result.at[-1] else f"After {result.at[-1]} steps at a learning rate of {numeral(result.rate)}"
    led = f"{name} leads" if name == best else f"{best} leads with {numeral(result.end(result.best))}"
    return (
        f"{after} on {TARGETS[result.target]}, {name} ({result.here.units} units, {result.here.weights} weights) leaves a share of {numeral(result.here.unexplained[-1])} "
        f"unexplained; {led}, of six networks with {result.networks['relu', False].weights} weights or, with a gate, {result.networks['relu', True].weights}. "
        f"A share of {numeral(result.here.dead[-1])} of its units is dead, and of ReLU's {numeral(result.networks['relu', False].dead[-1])}."
    )


TRY = [
    Experiment(
        title="Products of inputs",
        settings={"activation": "silu", "gate": True, "target": "products"},
        ask="The outputs to be learned are products of two inputs. Six networks of equal size: which kind comes out ahead?",
        options=("The gated ones: a gate is a product", "ReLU without a gate: it has more units", "All six about the same: the size decides"),
        right=0,
        why="A gated unit multiplies two linear functions of the input, which is nearly the target itself. A network without a gate must build each product out of bends, "
        "$ab=\\tfrac14\\big((a+b)^2-(a-b)^2\\big)$, and a square out of pieces.",
        look="The fifth picture: each gated network stands lower than the one without a gate that has its activation.",
        holds=lambda result: all(result.end((act, True)) < 0.6 * result.end((act, False)) for act in LABELS),
        tempting={1: "Half as many units again, but each of them can only bend.", 2: "At equal size the shape of the bend decides here."},
    ),
    Experiment(
        title="A target with kinks",
        settings={"activation": "relu", "gate": False, "target": "kinks"},
        ask="Now the target is made of absolute values and maxima: straight pieces that meet in kinks. Which network comes out ahead?",
        options=("SwiGLU again: the gate is the better design", "ReLU without a gate", "GELU: smooth networks learn more easily"),
        right=1,
        why="$|x|=\\mathrm{ReLU}(x)+\\mathrm{ReLU}(-x)$: two units, exactly. A gated unit bends where it should be straight, and a smooth one rounds the corner. The best activation "
        "depends on what is to be learned; no design is better in itself.",
        look="The fifth picture has turned round: ReLU leads, and each gated network leaves more than the one without a gate.",
        holds=lambda result: result.best == ("relu", False) and all(result.end((act, True)) > result.end((act, False)) for act in LABELS),
        tempting={0: "In language models it usually is, found by trial. On this target it is not.", 2: "Smoothness has to be unlearned at a kink."},
    ),
    Experiment(
        title="Too high a learning rate",
        settings={"activation": "relu", "gate": False, "rate": 0.3},
        ask="At a learning rate of 0.01 no ReLU unit dies here. What share of them is dead after 400 steps at 0.3?",
        options=("None: Adam rescales each step", "Between a tenth and three quarters", "All of them"),
        right=1,
        why="One large step can push a unit's bias so far down that it is negative for every example. From then on its slope is zero everywhere, its weights get no gradient, and once Adam's momentum has run out it stays where it is. "
        "SiLU keeps some slope far below zero, so its units can come back: none of them is dead. GELU's slope dies out as fast as a normal density, and at this rate even a few of its units are pushed beyond it.",
        look="The last picture: high bars for ReLU and ReGLU, hardly any for GELU, none for SiLU. The second picture says why: one slope is exactly zero on the left. At 0.1 only the two with ReLU have dead units, at 0.01 none.",
        holds=lambda result: (
            0.1 < result.here.dead[-1] < 0.75
            and all(result.networks["silu", gated].dead[-1] == 0 and result.networks["gelu", gated].dead[-1] < 0.1 for gated in (False, True))
        ),
        tempting={
            0: "Adam makes every step about as large as the rate, which is what does the harm.",
            2: "A unit must be pushed below zero for all examples at once; many are not.",
        },
    ),
    Experiment(
        title="Waves",
        settings={"activation": "silu", "gate": True, "target": "waves"},
        ask="The target is now a sine of two inputs, with several ups and downs. Do the gated networks lead as they did on products?",
        options=("Yes: they can express more", "No: ReLU leads, with more units that each bend sharply", "All six explain it entirely"),
        right=1,
        why="A wave needs many bends at different places. The plain networks have half as many units again as the gated ones, and ReLU can set a sharp bend wherever it is wanted; with 400 steps and some 500 examples nobody gets far. "
        "More steps and examples would change the figures; they need not change the order.",
        look="The fourth picture: all six learn slowly, and ReLU is the quickest of them.",
        holds=lambda result: result.best == ("relu", False) and result.end(("relu", False)) > 0.1,
        tempting={0: "A gate helps with products; a sine is none.", 2: "Look at the share that is left."},
    ),
]


def verify() -> list[Check]:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    x = torch.linspace(-6, 6, 481, dtype=torch.float64)
    theirs = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}
    checks = [
        Check(f"{LABELS[name]}(x), 481 places", f"torch.nn.functional.{name}", float((ACTIVATIONS[name](x) - theirs[name](x)).abs().max()), 1e-12)
        for name in LABELS
    ]
    worst = 0.0
    for name in LABELS:
        z = x.clone().requires_grad_(True)
        (expected,) = torch.autograd.grad(theirs[name](z).sum(), z)
        worst = max(worst, float((slope(name, x) - expected).abs().max()))
    checks.append(Check("the three slopes", "torch.autograd", worst, 1e-12))
    ours = PositionWise(24, 40, "silu", gated=True, bias=False)
    llama = LlamaMLP(
        LlamaConfig(hidden_size=24, intermediate_size=40, num_attention_heads=2, num_key_value_heads=2, hidden_act="silu", mlp_bias=False)
    )
    plain = PositionWise(24, 40, "gelu")
    torchs = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 24))
    rows = torch.randn(9, 24, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert ours.gate is not None
        llama.gate_proj.weight.copy_(ours.gate.weight)
        llama.up_proj.weight.copy_(ours.up.weight)
        llama.down_proj.weight.copy_(ours.down.weight)
        torchs[0].load_state_dict(plain.up.state_dict())
        torchs[2].load_state_dict(plain.down.state_dict())
        checks.append(Check("a SwiGLU network", "transformers LlamaMLP, the same weights", float((ours(rows) - llama(rows)).abs().max()), 1e-6))
        checks.append(Check("a GELU network", "torch.nn.Sequential, the same weights", float((plain(rows) - torchs(rows)).abs().max()), 1e-6))
    return checks


# Computed questions; what was drawn travels in settings["drawn"].


def ask_gated_unit(rng: random.Random) -> Question:
    """What one hidden unit of a gated network passes on."""
    while True:
        name = rng.choice(("silu", "relu"))
        gate, up = rng.choice((-2.0, -1.5, -1.0, 0.5, 1.0, 1.5, 2.0, 3.0)), rng.choice((-3.0, -2.0, -1.0, 2.0, 3.0, 4.0))
        unit = PositionWise(1, 1, name, gated=True, bias=False).double()
        with torch.no_grad():
            unit.gate.weight.fill_(gate)  # type: ignore[union-attr]
            unit.up.weight.fill_(up)
            right = float(unit.hidden(torch.ones(1, 1, dtype=torch.float64)))
        phi, u, g = ACTIVATIONS[name], torch.tensor(up, dtype=torch.float64), torch.tensor(gate, dtype=torch.float64)
        mistakes = [
            Mistake("wrong-side", gate * float(phi(u)), "The activation belongs on the gate; the other projection stays linear."),
            Mistake("no-activation", gate * up, "This multiplies the two projections without bending either."),
            Mistake("activation-after", float(phi(g * u)), "The activation comes before the product."),
            Mistake(
                "plain-sigmoid",
                float(torch.sigmoid(g)) * up,
                "This is the first GLU, whose gate is $\\sigma(g)$. Here the gate is an activation of its own.",
            ),
            Mistake("added", float(phi(g)) + up, "The two are multiplied, not added."),
            Mistake("both-bent", float(phi(g) * phi(u)), "Only the gate goes through the activation."),
        ]
        options = number_options(rng, right, "The activation of the gate, times the up-projection.", mistakes)
        if options and (name == "silu" or gate > 0):
            break
    inner = (
        f"{numeral(gate)}\\,\\sigma({numeral(gate)})={numeral(float(phi(g)))}"
        if name == "silu"
        else f"\\max(0, {numeral(gate)})={numeral(float(phi(g)))}"
    )
    return Question(
        form=Form.CHOICE,
        prompt=f"A hidden unit of a **{GATED[name]}** network has the gate pre-activation {numeral(gate)} and the up-projection {numeral(up)}. What does it pass on to the down-projection?",
        answer=f"$\\mathrm{{{LABELS[name]}}}(g)\\cdot u$.",
        options=options,
        working=(f"gate: ${inner}$", f"times {numeral(up)}: {numeral(right)}"),
        lab=SLUG,
        settings={"activation": name, "gate": True, "drawn": [name, gate, up]},
        level=1,
    )


def second_gated_unit(question: Question) -> float:
    """Plain arithmetic."""
    name, gate, up = question.settings["drawn"]
    return max(gate, 0.0) * up if name == "relu" else gate / (1 + math.exp(-gate)) * up


def ask_size(rng: random.Random) -> Question:
    """Counted on networks that are really built (on no device: only the shapes exist)."""
    while True:
        d, factor, gated = rng.choice((256, 512, 768, 1024, 2048, 4096)), rng.choice((2, 3, 4)), rng.random() < 0.6
        inner = factor * d
        with torch.device("meta"):
            right = sum(weight.numel() for weight in PositionWise(d, inner, "silu" if gated else "gelu", gated=gated, bias=False).parameters())
            other = sum(weight.numel() for weight in PositionWise(d, inner, "silu" if gated else "gelu", gated=not gated, bias=False).parameters())
        mistakes = [
            Mistake("other-kind", other, "A gated network has three matrices, one without a gate has two."),
            Mistake("one-matrix", d * inner, "This is a single matrix."),
            Mistake("square-inner", d * inner + inner * inner, "The down-projection goes from $d_{ff}$ back to $d$, not to $d_{ff}$."),
            Mistake("attention", 4 * d * d, "This is the attention's share of a block."),
            Mistake(
                "already-reduced",
                2 * d * inner if gated else 4 * d * inner,
                "The two thirds are already in $d_{ff}$ where somebody chose it so; here $d_{ff}$ is given.",
            ),
        ]
        options = number_options(rng, right, "One matrix for each arrow between the two widths.", mistakes)
        if options:
            break
    count, kind = (3, "SwiGLU") if gated else (2, "GELU")
    return Question(
        form=Form.CHOICE,
        prompt=f"How many weights, without biases, has a **{kind}** feed-forward network with $d={d}$ and $d_{{ff}}={inner}$?",
        answer=f"${count}\\,d\\,d_{{ff}}$: {'gate, up and down' if gated else 'up and down'}.",
        options=options,
        working=(f"${count}\\cdot{d}\\cdot{inner}={right:,}$",),
        lab=SLUG,
        settings={"gate": gated, "drawn": [d, inner, gated]},
        level=1,
    )


def second_size(question: Question) -> float:
    d, inner, gated = question.settings["drawn"]
    return d * inner * (3 if gated else 2)


def ask_slope(rng: random.Random) -> Question:
    while True:
        name, x = rng.choice(("gelu", "silu")), rng.choice((-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0))
        z = torch.tensor(x, dtype=torch.float64)
        right, other = float(slope(name, z)), "silu" if name == "gelu" else "gelu"
        inner = float(torch.sigmoid(z)) if name == "silu" else 0.5 * (1 + math.erf(x / math.sqrt(2)))
        mistakes = [
            Mistake("relu", float(slope("relu", z)), "This is ReLU's slope. The smooth ones agree with it only far from zero."),
            Mistake("one-factor", inner, "This is only the first term of the product rule."),
            Mistake("value", float(ACTIVATIONS[name](z)), "This is the value there, not the slope."),
            Mistake("other-activation", float(slope(other, z)), f"This is the slope of {LABELS[other]}."),
            Mistake("second-factor", right - inner, "This is only the second term of the product rule."),
        ]
        options = number_options(rng, right, "The product rule on $x$ times a function that rises from 0 to 1.", mistakes)
        if options:
            break
    formula = "\\sigma(x)+x\\,\\sigma(x)(1-\\sigma(x))" if name == "silu" else "\\Phi(x)+x\\,\\varphi(x)"
    return Question(
        form=Form.CHOICE,
        prompt=f"What is the slope of {LABELS[name]} at $x={numeral(x)}$?",
        answer=f"${formula}$" + (" with $\\varphi(x)=e^{-x^2/2}/\\sqrt{2\\pi}$." if name == "gelu" else "."),
        options=options,
        working=(f"first term {numeral(inner)}, second {numeral(right - inner)}", f"together {numeral(right)}; ReLU's slope there is {int(x > 0)}"),
        lab=SLUG,
        settings={"activation": name, "gate": False, "drawn": [name, x]},
        level=3,
    )


def second_slope(question: Question) -> float:
    """A difference quotient of torch's own function."""
    name, x = question.settings["drawn"]
    theirs, h = {"gelu": F.gelu, "silu": F.silu}[name], 1e-5
    ends = theirs(torch.tensor([x + h, x - h], dtype=torch.float64))
    return float(ends[0] - ends[1]) / (2 * h)


questions = {"gated-unit": ask_gated_unit, "weights-of-an-ffn": ask_size, "slope-of-an-activation": ask_slope}
second = {"gated-unit": second_gated_unit, "weights-of-an-ffn": second_size, "slope-of-an-activation": second_slope}
