"""Balance losses, bias and a shared expert

Routing feeds on itself: an expert that is chosen learns, becomes better and is chosen more often; one that is never chosen gets no
gradient and stays as it was drawn. Here you watch it happen, and what is done against it.

A decoder of one layer, width 32, learns the toy world for 200 steps of 192 tokens. Its feed-forward network is a mixture of experts, and four
ways of training it can be compared:

| method | what is added |
|---|---|
| none | nothing |
| Switch loss | $\\alpha E\\sum_e f_eP_e$, with $f_e$ the tokens sent to expert $e$ per token and $P_e$ its mean probability; it pushes down the probabilities of busy experts |
| z-loss | $\\alpha$ times the mean of $(\\ln\\sum_e e^{z_e})^2$; it keeps the logits $z$ small |
| bias | nothing in the loss: a bias per expert has a say in *who* is chosen and is moved by a fixed step after each batch, up for the idle, down for the busy |

Beside your run two more are trained without any balancing, on the same batches: one from the same random start, and one from another. The gap between
those two is what luck alone does to the loss; a difference smaller than that means nothing. No token is dropped in this training; it is only
counted how many would have been at a capacity factor of 1.25.

With $k=1$ the gate of the single expert is not rescaled to 1, as in Switch: a weight that is always 1 would leave the router without a gradient.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints, toy_world
from models.balanced_training import BalancedTraining, Method, Plan, Seen, working
from models.mixture import Routing, load_balance_loss, moved_bias, route, router_z_loss
from models.training.steps import stream_of, windows
from screens.labs import Check, Choice, Experiment, Mistake, Progress, Seed, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines

TOPIC = "moe-load-balancing"
REFERENCE = "transformers load_balancing_loss_func (Mixtral), router_z_loss_func (Switch) and DeepseekV3TopkRouter"
MECHANISM = (BalancedTraining.step, load_balance_loss, router_z_loss, moved_bias, route, working)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 76h58M88 76h58" opacity=".5"/>
<g stroke="none" fill="#d4620f"><rect x="18" y="14" width="10" height="62"/><rect x="32" y="58" width="10" height="18"/><rect x="46" y="70" width="10" height="6"/><rect x="60" y="74" width="10" height="2"/></g>
<g stroke="none" fill="#1f77c9"><rect x="92" y="42" width="10" height="34"/><rect x="106" y="38" width="10" height="38"/><rect x="120" y="44" width="10" height="32"/><rect x="134" y="41" width="10" height="35"/></g>
<path d="M14 41h132" stroke-dasharray="3 5" opacity=".6"/></svg>"""

SLUG = "moe-load-balance"
STEPS, TEXTS, CONTEXT = 200, 12, 16
LAST = 25  # steps that the final figures are the mean of
SMOOTH = 10  # steps
SHOWN_EVERY = 4  # in the picture of the load
METHODS = {"none": "none", "switch": "Switch loss", "z": "z-loss", "bias": "bias on the choice"}
WORDS = {"none": "without balancing", "switch": "with the Switch loss", "z": "with the z-loss", "bias": "with a bias on the choice"}
OTHER_START = 5000  # added to the seed


@dataclass(frozen=True)
class Run:
    """One training so far."""

    seen: Sequence[Seen]

    @functools.cached_property
    def load(self) -> Tensor:
        """(steps, E)"""
        return torch.stack([each.load for each in self.seen])

    @property
    def last_load(self) -> Tensor:
        return self.load[-LAST:].mean(dim=0)

    @property
    def working(self) -> float:
        return float(working(self.last_load))

    @property
    def busiest(self) -> float:
        """In even shares."""
        return float(self.last_load.max() * len(self.last_load))

    @property
    def idlest(self) -> float:
        return float(self.last_load.min() * len(self.last_load))

    def last(self, name: str) -> float:
        return float(np.mean(self.curve(name)[-LAST:]))

    def curve(self, name: str) -> list[float]:
        return [getattr(each, name) for each in self.seen]


@dataclass(frozen=True)
class Result:
    plan: Plan
    chosen: Run
    plain: Run  # no balancing, the same start; the chosen one itself when that has none
    other: Run  # no balancing, another start

    @property
    def steps(self) -> int:
        return len(self.chosen.seen)

    @property
    def runs(self) -> dict[str, Run]:
        own = {METHODS[self.plan.method]: self.chosen} if self.plan.method != "none" else {}
        return own | {"no balancing": self.plain, "other start": self.other}


def compute(
    method: Annotated[str, Choice(METHODS, label="Balancing", help="Two runs without any are trained beside it.")] = "switch",
    alpha: Annotated[
        float, Stops(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, label="Weight α of the added loss", help="For the Switch loss and the z-loss.")
    ] = 0.1,
    bias_step: Annotated[float, Stops(0.001, 0.003, 0.01, 0.03, 0.1, label="Step of the bias", help="How far it moves after each batch.")] = 0.01,
    shared: Annotated[bool, Toggle(label="A shared expert", help="One more expert, which serves every token.")] = False,
    experts: Annotated[int, Stops(4, 8, 16, label="Experts, E")] = 8,
    k: Annotated[int, Stops(1, 2, 4, label="Experts per token, k")] = 1,
    seed: Annotated[int, Seed(label="Random start", help="Of the weights. The batches are always the same.")] = 0,
) -> Generator[Progress, None, Result]:
    plan = Plan(_method(method), alpha, bias_step, experts, k, shared, seed)
    yield Progress(0, STEPS, "The text is being cut into tokens.")
    stream, vocabulary = _stream(), len(checkpoints.toy_tokenizer())
    yield Progress(0, STEPS, "The weights are being drawn.")
    starts = [plan, Plan("none", alpha, bias_step, experts, k, shared, seed), Plan("none", alpha, bias_step, experts, k, shared, seed + OTHER_START)]
    trainings = [BalancedTraining(each, vocabulary, CONTEXT) for each in (starts[1:] if plan.method == "none" else starts)]
    histories: list[list[Seen]] = [[] for _ in trainings]
    generator = torch.Generator().manual_seed(0)
    for step in range(1, STEPS + 1):
        inputs, targets = windows(stream, CONTEXT, TEXTS, generator)
        for training, history in zip(trainings, histories):
            history.append(training.step(inputs, targets))
        if step == 1 or step % 10 == 0:
            result = _result(plan, histories)
            yield Progress(step, STEPS, f"Language loss {numeral(result.chosen.seen[-1].loss)} nats per token.", result)
    return _result(plan, histories)


def _method(name: str) -> Method:
    return name  # type: ignore[return-value]


def _result(plan: Plan, histories: list[list[Seen]]) -> Result:
    runs = [Run(tuple(history)) for history in histories]
    return Result(plan, runs[0], runs[-2], runs[-1])


@functools.cache
def _stream() -> Tensor:
    tokenizer = checkpoints.toy_tokenizer()
    return stream_of((tokenizer.encode(text) for text in toy_world.documents(1, 3_000)), tokenizer.end)


def figures(result: Result) -> dict[str, Any]:
    return {
        "Where the load goes, step by step": _load_over_training(result),
        "The load at the end": _final_load(result),
        "How many experts do the work": _working(result),
        "Choices that would find no slot": _curves(result, "dropped", "share dropped", span=(0, 1)),
        "How sure the router is": _curves(
            result, "entropy", "entropy of the router, nats", across=[(math.log(result.plan.experts), f"ln {result.plan.experts}")]
        ),
        "The language loss": _curves(result, "loss", "nats per token"),
    }


def _load_over_training(result: Result) -> Any:
    """In even shares, experts sorted by their load at the end."""
    load = result.chosen.load * result.plan.experts
    order = result.chosen.last_load.argsort(descending=True)
    steps = list(range(0, result.steps, SHOWN_EVERY))
    pooled = torch.stack([load[at : at + SHOWN_EVERY].mean(dim=0) for at in steps])[:, order]  # (shown, E)
    ticks = [str(at + 1) if at % 40 == 0 else "" for at in steps]
    return heatmap(
        pooled.T.numpy(),
        rows=[f"expert {expert}" for expert in order.tolist()],
        columns=ticks,
        x_title="training step",
        y_title="",
        bar="even shares",
        height=300,
    )


def _final_load(result: Result) -> Any:
    series = {name: (run.last_load * result.plan.experts).sort(descending=True).values.numpy() for name, run in result.runs.items()}
    places = list(range(1, result.plan.experts + 1))
    return bars(places, series, x_axis=axis("expert, busiest first"), y_axis=axis("even shares"), across=[(1, "even")])


def _working(result: Result) -> Any:
    series = {name: _smooth(working(run.load).tolist()) for name, run in result.runs.items()}
    return _over_steps(result, series, "experts’ worth of load", span=(0, result.plan.experts * 1.1), across=[(result.plan.experts, "all alike")])


def _curves(result: Result, name: str, title: str, **more: Any) -> Any:
    return _over_steps(result, {label: _smooth(run.curve(name)) for label, run in result.runs.items()}, title, **more)


def _over_steps(result: Result, series: dict[str, list[float]], title: str, span: tuple[float, float] | None = None, **more: Any) -> Any:
    order = [*list(METHODS.values())[1:], "no balancing", "other start"]
    x = axis("training step", span=(1, STEPS))
    return lines(
        list(range(1, result.steps + 1)),
        series,
        x_axis=x,
        y_axis=axis(title, span=span),
        strong=next(iter(series)),
        order=order,
        markers=result.steps < 3,
        **more,
    )


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean over the last steps, so that single batches do not hide the way."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - SMOOTH, 0)
    return ((sums[ends] - sums[starts]) / (ends - starts)).tolist()


def facts(result: Result) -> dict[str, float]:
    own, plain, other, plan = result.chosen, result.plain, result.other, result.plan
    return {
        "steps": result.steps,
        "experts": plan.experts,
        "k": plan.chosen,
        "alpha": plan.alpha,
        "bias step": plan.bias_step,
        "busiest": own.busiest,
        "idlest": own.idlest,
        "busiest plain": plain.busiest,
        "idlest plain": plain.idlest,
        "busiest other": other.busiest,
        "idlest other": other.idlest,
        "factor": plan.capacity_factor,
        "dropped": own.last("dropped"),
        "dropped plain": plain.last("dropped"),
        "loss": own.last("loss"),
        "loss plain": plain.last("loss"),
        "loss other": other.last("loss"),
    }


def says(result: Result) -> str:
    own, plain, other, plan = result.chosen, result.plain, result.other, result.plan
    strength = {"switch": f" (α = {numeral(plan.alpha)})", "z": f" (α = {numeral(plan.alpha)})", "bias": f" (step {numeral(plan.bias_step)})"}.get(
        plan.method, ""
    )
    steps = f"{result.steps} step{'s' * (result.steps > 1)}"
    start = (
        f"After {steps} {WORDS[plan.method]}{strength}, with k = {plan.chosen}, the busiest of {plan.experts} experts has {numeral(own.busiest)} times its even share and the idlest "
        f"{numeral(own.idlest)}"
    )
    if plan.method == "none":
        return (
            f"{start}; from another start {numeral(other.busiest)} and {numeral(other.idlest)}. At capacity factor {numeral(plan.capacity_factor)} a share of "
            f"{numeral(own.last('dropped'))} of the choices would find no slot. The language loss is {numeral(own.last('loss'))} nats per token, from another start "
            f"{numeral(other.last('loss'))}."
        )
    return (
        f"{start}; without balancing {numeral(plain.busiest)} and {numeral(plain.idlest)}. At capacity factor {numeral(plan.capacity_factor)} a share of {numeral(own.last('dropped'))} of "
        f"the choices would find no slot, without balancing {numeral(plain.last('dropped'))}. The language loss is {numeral(own.last('loss'))} nats per token, without balancing "
        f"{numeral(plain.last('loss'))}, and {numeral(other.last('loss'))} from another start."
    )


TRY = [
    Experiment(
        title="Nobody keeps the balance",
        settings={"method": "none"},
        ask="Eight experts, one for each token, nothing but the language loss. After 200 steps, how does the busiest expert stand?",
        options=("Near its even share: the tokens are varied enough", "At twice its even share or more, while some experts are all but idle"),
        right=1,
        why="Which expert is ahead at first is chance. Being ahead brings gradients, gradients bring better answers, better answers bring more tokens. It is not always one expert "
        "that wins; but some end up with next to nothing, and their weights were for nothing.",
        look="The first picture: rows that fade. The third: of eight experts the load is worth five or six.",
        holds=lambda result: result.chosen.busiest > 1.9 and result.chosen.idlest < 0.25,
        tempting={0: "Varied tokens do not help an expert whom the router hardly ever asks."},
    ),
    Experiment(
        title="Balance without a gradient",
        settings={"method": "bias"},
        ask="A bias per expert is moved by 0.01 after each batch, and only decides along who is chosen. It adds nothing to the loss. How even does the load become?",
        options=(
            "Hardly more even: without a gradient the router learns nothing about it",
            "More even than without balancing, but the idlest stays below half its share",
            "Nearly even",
        ),
        right=2,
        why="The router need not learn it. The bias is a controller: whoever has too little is raised until it is chosen, whoever has too much is lowered. The weight with which an "
        "expert counts still comes from the score without the bias.",
        look="The second picture: bars near the dotted line. The fourth: fewer choices without a slot.",
        holds=lambda result: result.chosen.working > 0.95 * result.plan.experts and result.chosen.idlest > 0.5,
        tempting={
            0: "Learning is one way to change a choice; adding a number to the score is another.",
            1: "The steps are small but never stop pushing.",
        },
    ),
    Experiment(
        title="A bias that moves in leaps",
        settings={"method": "bias", "bias_step": 0.1},
        ask="The bias now moves by 0.1 after each batch, ten times as far. The mean load over many batches stays even. And within a batch: how many choices would find no slot?",
        options=("As few as with a step of 0.01", "Many more"),
        right=1,
        why="Eight experts' probabilities are 1/8 on average, and a step of 0.1 is of that size: it turns many choices over at once. Whoever was idle is flooded in the next batch, and the "
        "controller swings to and fro. DeepSeek-V3 moves its bias by 0.001.",
        look="The fourth picture: the line of the bias stays high. The first is striped, while the bars of the second, means over 25 batches, look even.",
        holds=lambda result: result.chosen.last("dropped") > 0.2 and result.chosen.working > 0.9 * result.plan.experts,
        tempting={0: "That would need a router whose choices hardly depend on the bias."},
    ),
    Experiment(
        title="Does the z-loss balance?",
        settings={"method": "z", "alpha": 0.1},
        ask="The router z-loss keeps the logits small, and small logits make soft gates. Is the load then more even?",
        options=("Yes: soft gates spread the tokens", "No"),
        right=1,
        why="Tokens go to the expert with the *largest* score, however small its lead. The z-loss looks at the size of the logits and not at who is chosen: it is there for numerical "
        "calm and used beside a balance loss, not in its place.",
        look="The third picture: the line of the z-loss does not rise above those without balancing.",
        holds=lambda result: result.chosen.working < result.plain.working + 0.5,
        tempting={0: "The gates may well be soft, and the same expert may still be in front for nearly everybody."},
    ),
    Experiment(
        title="What does balance cost in language?",
        settings={"method": "switch", "alpha": 0.1},
        ask="The Switch loss adds a gradient that has nothing to do with language. Compare the language losses with and without it, and with a second run without it.",
        options=(
            "With balancing it is worse by more than 0.3 nats",
            "The three lie within 0.3 nats of each other",
            "With balancing it is better by more than 0.3 nats",
        ),
        right=1,
        why="At this size the three runs differ by about as much as two random starts do, sometimes one way and sometimes the other. In large models the terms are weighed carefully "
        "because small differences count there; a picture like this one could not show them.",
        look="The last picture: three lines that cross.",
        holds=lambda result: (
            max(run.last("loss") for run in result.runs.values()) - min(run.last("loss") for run in result.runs.values()) < 0.3
            and result.chosen.working > result.plain.working
        ),
        tempting={
            0: "With so small a weight the router is moved and the rest of the model is not.",
            2: "Idle experts are wasted weights; so small a model hardly misses them.",
        },
    ),
    Experiment(
        title="More experts per token",
        settings={"method": "none", "k": 4},
        ask="Without balancing again, but now each token goes to four of the eight experts. The load becomes …",
        options=("… more uneven: the favourites win four times", "… smoother than with one expert per token"),
        right=1,
        why="Nobody can be chosen twice for the same token, so a favourite has at most a quarter of all choices, and experts that are never first come second or fourth, and learn. "
        "The price is four times the work of the experts per token.",
        look="The third picture: near eight experts' worth of load, with $k=1$ it was five or six. Compare the fourth picture too.",
        holds=lambda result: result.chosen.working > 6.3 and result.chosen.busiest <= 2.0 + 1e-6,
        tempting={0: "Once for each token is the most."},
    ),
]


def verify() -> list[Check]:
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func
    from transformers.models.switch_transformers.modeling_switch_transformers import router_z_loss_func

    generator = torch.Generator().manual_seed(5)
    logits, bias = 2 * torch.randn(96, 8, generator=generator), 0.3 * torch.randn(8, generator=generator)
    config = DeepseekV3Config(
        hidden_size=8, n_routed_experts=8, num_experts_per_tok=3, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=1.0
    )
    theirs = DeepseekV3TopkRouter(config).eval()
    with torch.inference_mode():
        theirs.weight.copy_(torch.eye(8))  # so that what goes in are the logits
        theirs.e_score_correction_bias.copy_(bias)
        _, weights, experts = theirs(logits[None])
    ours = route(logits, 3, gate="sigmoid", bias=bias)
    uneven = sum(float(set(mine) != set(their)) for mine, their in zip(ours.experts.tolist(), experts.tolist()))
    return [
        *(
            Check(
                f"balance loss, k = {k}",
                "transformers load_balancing_loss_func",
                abs(float(load_balance_loss(route(logits, k)) - load_balancing_loss_func((logits,), 8, k))),
                1e-5,
            )
            for k in (1, 2, 4)
        ),
        Check(
            "router z-loss", "transformers router_z_loss_func", abs(float(router_z_loss(route(logits, 1)) - router_z_loss_func(logits[None]))), 1e-5
        ),
        Check("who is chosen with a bias: tokens of 96 that differ", "transformers DeepseekV3TopkRouter", uneven, 0),
        Check(
            "weights of the chosen, without the bias",
            "transformers DeepseekV3TopkRouter",
            float((_laid_out(ours) - torch.zeros(96, 8).scatter(1, experts, weights)).abs().max()),
            1e-6,
        ),
    ]


def _laid_out(routing: Routing) -> Tensor:
    """(N, E)"""
    return torch.zeros_like(routing.logits).scatter(1, routing.experts, routing.weights)


# Computed questions; what was drawn travels in settings["drawn"].


def ask_switch_loss(rng: random.Random) -> Question:
    """Loads in tenths and mean probabilities, both given: the sum only."""
    while True:
        E = rng.choice([3, 4])
        f, P = ([part / 20 for part in _parts(rng, 20, E)] for _ in range(2))
        right = E * sum(a * b for a, b in zip(f, P))
        mistakes = [
            Mistake("forgot-the-experts", right / E, "The factor $N$, the number of experts, is missing; with it an even load gives 1."),
            Mistake("squared-the-loads", E * sum(a * a for a in f), "This multiplies the loads with themselves instead of with the probabilities."),
            Mistake(
                "squared-the-probabilities", E * sum(b * b for b in P), "This multiplies the probabilities with themselves instead of with the loads."
            ),
            Mistake("only-the-busiest", E * max(f) * P[f.index(max(f))], "All experts enter the sum, not the busiest alone."),
            Mistake("even", 1.0, "1 is the value of an even load."),
        ]
        options = number_options(rng, right, "The number of experts times the sum of the products.", mistakes)
        if options:
            break
    products = "+".join(f"{numeral(a)}\\cdot{numeral(b)}" for a, b in zip(f, P))
    return Question(
        form=Form.CHOICE,
        prompt=f"Of a batch, {E} experts get the shares $f=({', '.join(map(numeral, f))})$ of the tokens (top-1); the router's mean probabilities are $P=({', '.join(map(numeral, P))})$. "
        "What is $N\\sum_i f_iP_i$, the Switch loss without its weight $\\alpha$ ($N$ is the number of experts)?",
        answer="$N\\sum_i f_iP_i$ with $N$ the number of experts.",
        options=options,
        working=(f"${products}={numeral(right / E, 4)}$", f"times {E}: {numeral(right)}"),
        lab=SLUG,
        settings={"k": 1, "drawn": [f, P]},
        level=2,
    )


def _parts(rng: random.Random, total: int, count: int) -> list[int]:
    cuts = sorted(rng.sample(range(1, total), count - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total])]


def second_switch_loss(question: Question) -> float:
    """The trained mechanism itself, on twenty tokens that have these shares and these mean probabilities."""
    f, P = question.settings["drawn"]
    loads = [round(20 * share) for share in f]
    experts = torch.tensor([expert for expert, load in enumerate(loads) for _ in range(load)])[:, None]
    logits = torch.tensor(P, dtype=torch.float64).log().expand(20, -1)
    return float(load_balance_loss(Routing(logits, experts, torch.ones(20, 1))))


def ask_biased_choice(rng: random.Random) -> Question:
    """Which two are chosen, and with what weight the better one of them counts."""
    while True:
        s = [part / 20 for part in rng.sample(range(2, 19), 4)]
        b = [rng.choice([-0.2, -0.1, 0.0, 0.1, 0.2, 0.3]) for _ in range(4)]
        z = torch.logit(torch.tensor([s], dtype=torch.float64))
        biased, plain = route(z, 2, gate="sigmoid", bias=torch.tensor(b, dtype=torch.float64)), route(z, 2, gate="sigmoid")
        sums = [one + two for one, two in zip(s, b)]
        at, other = sorted(biased.experts[0].tolist(), key=lambda expert: -s[expert])
        close = sorted(sums)
        if set(plain.experts[0].tolist()) == {at, other} or close[2] - close[1] < 0.04:
            continue  # the bias must decide, and clearly
        right = s[at] / (s[at] + s[other])
        mistakes = [
            Mistake(
                "bias-in-the-weight",
                sums[at] / (sums[at] + sums[other]),
                "The bias decides only who is chosen; the weights come from the scores alone.",
            ),
            Mistake("ignored-the-bias", float(plain.weights[0, 0]), "The bias has a say in who is chosen, and here it brings another expert in."),
            Mistake("not-rescaled", s[at], "The weights of the chosen are rescaled to sum to 1."),
            Mistake("other-expert", 1 - right, "This is the weight of the other chosen expert."),
            Mistake("half", 0.5, "The scores of the two differ."),
        ]
        options = number_options(rng, right, "Chosen by score plus bias, weighed by score.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A router with bias-based balancing has sigmoid scores $s=({', '.join(map(numeral, s))})$ and biases $b=({', '.join(map(numeral, b))})$. Two experts are chosen and their "
        "weights rescaled to sum to 1. What is the larger of the two weights?",
        answer="The bias decides along who is chosen; the weights come from the scores without it.",
        options=options,
        working=(
            f"$s+b=({', '.join(numeral(value) for value in sums)})$: experts {min(at, other) + 1} and {max(at, other) + 1} are chosen",
            f"${numeral(s[at])}/({numeral(s[at])}+{numeral(s[other])})={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"method": "bias", "k": 2, "drawn": [s, b]},
        level=3,
    )


def second_biased_choice(question: Question) -> float:
    """All pairs of experts: the pair with the largest sum of score and bias wins."""
    s, b = question.settings["drawn"]
    pairs = [(i, j) for i in range(4) for j in range(i)]
    i, j = max(pairs, key=lambda pair: sum(s[at] + b[at] for at in pair))
    return max(s[i], s[j]) / (s[i] + s[j])


def ask_z_loss(rng: random.Random) -> Question:
    while True:
        z = [float(value) for value in rng.choices(range(-2, 5), k=3)]
        right = float(router_z_loss(Routing(torch.tensor([z], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1))))
        log_sum = math.log(sum(map(math.exp, z)))
        mistakes = [
            Mistake("not-squared", log_sum, "The logarithm of the sum is squared."),
            Mistake(
                "squared-logits", sum(value**2 for value in z), "This is the sum of the squared logits; the z-loss squares $\\ln\\sum_ie^{z_i}$."
            ),
            Mistake("largest-squared", max(z) ** 2, "The largest logit alone is only an approximation of $\\ln\\sum_ie^{z_i}$."),
            Mistake("log-of-mean", (log_sum - math.log(3)) ** 2, "There is a sum inside the logarithm, not a mean."),
            Mistake("sum-squared", sum(z) ** 2, "The exponentials are missing."),
        ]
        options = number_options(rng, right, "The square of $\\ln\\sum_ie^{z_i}$.", mistakes) if right > 0.05 else None
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"For one token a router gives the logits $z=({', '.join(map(numeral, z))})$. What does this token add to the router z-loss (before the mean over tokens and without its "
        "weight)?",
        answer="$\\left(\\ln\\sum_ie^{z_i}\\right)^2$",
        options=options,
        working=(f"$\\sum_ie^{{z_i}}={numeral(math.exp(log_sum), 4)}$", f"its logarithm: {numeral(log_sum, 4)}", f"squared: {numeral(right)}"),
        lab=SLUG,
        settings={"method": "z", "drawn": z},
        level=1,
    )


def second_z_loss(question: Question) -> float:
    """Softplus after softplus: ln(eᵃ + eᵇ) = a + ln(1 + e^(b - a))."""
    total, *rest = question.settings["drawn"]
    for value in rest:
        total += math.log1p(math.exp(value - total))
    return total**2


questions = {"switch-loss": ask_switch_loss, "biased-choice": ask_biased_choice, "z-loss": ask_z_loss}
second = {"switch-loss": second_switch_loss, "biased-choice": second_biased_choice, "z-loss": second_z_loss}
