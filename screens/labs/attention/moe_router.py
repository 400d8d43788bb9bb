"""Route tokens to experts

A mixture of experts replaces the one feed-forward network of a layer by several, and a **router** chooses for every token
which $k$ of them work: $y=\\sum_{i\\in\\mathrm{TopK}(g(x))}g_i(x)\\,E_i(x)$. The model owns the weights of all experts; a token
is multiplied with those of its own.

The model is a decoder of two layers that was trained on the toy world with eight experts per layer, two chosen for each token, gates
from a softmax rescaled to sum to 1, and one more expert that serves every token. Its routing is yours to change: how many experts a token
gets, softmax or sigmoid, a temperature, noise on the router's logits, experts taken out of service, and a **capacity**. With a capacity
factor $c$ an expert has $\\lceil c\\cdot Nk/E\\rceil$ slots for $N$ tokens; all first choices are served before any second one, and whoever
finds no slot passes by on the residual path.

The model itself is not trained again, so its loss says how well it bears your routing, not how good a model built for it would be.
It was trained with a loss that keeps the load even over many texts. What happens to a router without one is shown where routers are trained:
[balance losses, bias and a shared expert](/labs?lab=moe-load-balance).
"""

from __future__ import annotations

import functools
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints, toy_world
from models.decoder import RouteBy, Trace
from models.mixture import Gate, MixtureOfExperts, Routing, capacity, drop, expert_load, route, weights_in_use, within
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "mixture-of-experts"
REFERENCE = "transformers MixtralSparseMoeBlock, DeepseekV3TopkRouter and SwitchTransformersTop1Router"
MECHANISM = (route, capacity, within, MixtureOfExperts.forward, weights_in_use)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="#7a7f87"><rect x="100" y="8" width="46" height="14" rx="3"/><rect x="100" y="28" width="46" height="14" rx="3"/><rect x="100" y="48" width="46" height="14" rx="3"/><rect x="100" y="68" width="46" height="14" rx="3"/></g>
<g stroke="none"><circle cx="18" cy="24" r="6" fill="#1f77c9"/><circle cx="18" cy="46" r="6" fill="#d4620f"/><circle cx="18" cy="68" r="6" fill="#0f9d77"/>
<rect x="103" y="11" width="12" height="8" fill="#1f77c9"/><rect x="119" y="11" width="12" height="8" fill="#d4620f"/><rect x="103" y="51" width="12" height="8" fill="#0f9d77"/><rect x="103" y="71" width="12" height="8" fill="#d4620f" opacity=".5"/></g>
<path d="M26 24 96 15M26 44 96 17" stroke-width="3"/><path d="M26 48 96 74M26 68l70-12M26 26 96 54" opacity=".45"/></svg>"""

SLUG = "moe-router"
MODEL = "toy_mixture"
MOST_TOKENS = 40
MOST_FRAMES = 48
KS = (1, 2, 4, 8)
LENGTH, PER_KIND = 32, 2  # of the texts on which the loss is measured
GATES = {"softmax": "softmax", "sigmoid": "sigmoid"}
SAMPLES = {
    "A gift": "When Ada and Tom went to the park, Ada gave a lamp to Tom.",
    "A list": "list: lamp river stone key bell lamp river stone key bell.",
    "Sums": "sums: 7 + 5 = 12; 14 - 6 = 8; 3 + 9 = 12.",
    "Brackets": "brackets: ( [ ] ) { < > } ( [ { } ] )",
    "Not of its world": "Attention is all you need, said the paper 🙂",
}


@dataclass(frozen=True)
class Settings:
    """How to route; hashable, so that what it leads to is computed once."""

    gate: Gate
    temperature: float
    noise: float
    factor: float  # 0: no limit
    experts: int  # those in service
    seed: int

    def rule(self, k: int) -> RouteBy:
        generator = torch.Generator().manual_seed(self.seed)
        k = min(k, self.experts)

        def route_by(_layer: int, logits: Tensor) -> Routing:
            z = logits / self.temperature
            if self.noise:
                z = z + self.noise * torch.randn(z.shape, generator=generator)
            if self.experts < z.shape[-1]:
                z = torch.cat([z[:, : self.experts], torch.full_like(z[:, self.experts :], -math.inf)], dim=-1)
            routing = route(z, k, gate=self.gate)
            if not self.factor:
                return routing
            return drop(routing, within(routing, capacity(len(z), k, self.experts, self.factor)))

        return route_by


@dataclass(frozen=True)
class Measured:
    """The model on the same texts of every kind, routed by some rule."""

    loss: float
    load: Tensor  # (kinds, E) at each layer: (L, kinds, E)


@dataclass(frozen=True)
class Result:
    tokens: list[str]
    cut: bool  # was the text longer?
    layer: int
    k: int
    settings: Settings
    routings: list[Routing]  # of the text, by layer; weights of 0 where there was no slot
    logits: Tensor  # (N, E) as the router gave them
    slots: int  # per expert; 0: no limit
    measured: Mapping[int, Measured]  # by k
    as_trained: float  # loss
    active: int
    total: int

    @property
    def routing(self) -> Routing:
        return self.routings[self.layer]

    @property
    def chosen(self) -> int:
        """No more than there are."""
        return min(self.k, self.settings.experts)

    @property
    def load(self) -> Tensor:
        return expert_load(self.routing)[: self.settings.experts]

    @property
    def dropped(self) -> int:
        return int((self.routing.weights == 0).sum())

    @property
    def first_gate(self) -> float:
        """Mean weight of the first choice, before any is dropped."""
        return float(route(self.routing.logits, self.chosen, gate=self.settings.gate).weights[:, 0].mean())

    @property
    def loss(self) -> float:
        return self.measured[self.k].loss

    def moved(self) -> int:
        """Tokens with other experts than the router itself would choose."""
        own = route(self.logits, self.chosen).experts.sort(dim=-1).values
        return int((self.routing.experts.sort(dim=-1).values != own).any(dim=-1).sum())


def compute(
    text: Annotated[str, Text(label="Text", limit=160, samples=SAMPLES)] = SAMPLES["A gift"],
    layer: Annotated[int, Slider(0, 1, label="Layer", help="Every layer has a router and experts of its own.")] = 1,
    k: Annotated[int, Stops(*KS, label="Experts per token, k", help="The model was trained with 2.")] = 2,
    factor: Annotated[float, Stops(0.0, 0.5, 1.0, 1.25, 1.5, 2.0, label="Capacity factor", help="0: no limit, nobody is turned away.")] = 0.0,
    gate: Annotated[str, Choice(GATES, label="Gate", help="What makes weights of the router's logits. Both are rescaled to sum to 1.")] = "softmax",
    temperature: Annotated[float, Stops(0.25, 0.5, 1.0, 2.0, 4.0, label="Temperature", help="The logits are divided by it.")] = 1.0,
    noise: Annotated[float, Stops(0.0, 0.5, 1.0, 2.0, 4.0, label="Noise", help="Standard deviation of what is added to every logit.")] = 0.0,
    experts: Annotated[int, Stops(2, 4, 6, 8, label="Experts in service", help="The others are gone: no token may choose them.")] = 8,
    seed: Annotated[int, Seed(label="Random draw of the noise")] = 0,
) -> Result:
    model, tokenizer, _ = checkpoints.load(MODEL)
    ids = [tokenizer.end, *tokenizer.encode(text)]
    settings = Settings(gate, temperature, noise, factor, experts, seed)  # type: ignore[arg-type]
    seen: list[Tensor] = []

    def route_by(at: int, logits: Tensor) -> Routing:
        seen.append(logits)
        return rule(at, logits)

    rule, trace = settings.rule(k), Trace()
    with torch.inference_mode():
        model(torch.tensor([ids[:MOST_TOKENS]]), trace=trace, route_by=route_by)
    chosen = min(k, experts)
    N, E = trace.routing[layer].logits.shape
    active, total = weights_in_use(model, chosen)
    return Result(
        tokens=[tokenizer.show(token) for token in ids[:MOST_TOKENS]],
        cut=len(ids) > MOST_TOKENS,
        layer=layer,
        k=k,
        settings=settings,
        routings=trace.routing,
        logits=seen[layer],
        slots=capacity(N, chosen, experts, factor) if factor else 0,
        measured={each: _measure(settings, each) for each in KS},
        as_trained=_measure(Settings("softmax", 1.0, 0.0, 0.0, 8, 0), 2).loss,
        active=active,
        total=total - (weights_in_use(model, E)[0] - weights_in_use(model, experts)[0]),
    )


@functools.cache
def _texts() -> Tensor:
    """(kinds · PER_KIND, LENGTH + 1) tokens, kind after kind."""
    tokenizer, rows = checkpoints.toy_tokenizer(), []
    for write in toy_world.WRITERS.values():
        rng, ids = Random(5), []
        while len(ids) < PER_KIND * (LENGTH + 1):
            ids += [tokenizer.end, *tokenizer.encode(write(rng))]
        rows.append(torch.tensor(ids[: PER_KIND * (LENGTH + 1)]).view(PER_KIND, LENGTH + 1))
    return torch.cat(rows)


@functools.lru_cache(maxsize=256)
def _measure(settings: Settings, k: int) -> Measured:
    texts, trace = _texts(), Trace()
    with torch.inference_mode():
        logits = checkpoints.load(MODEL).model(texts[:, :-1], trace=trace, route_by=settings.rule(k))
    kinds, E = len(toy_world.WRITERS), trace.routing[0].logits.shape[-1]
    chose = torch.stack([F.one_hot(routing.experts, E).sum(dim=1) for routing in trace.routing]).float()  # (L, B·T, E)
    share = chose.view(len(trace.routing), kinds, -1, E).mean(dim=2)  # (L, kinds, E), sums to K
    return Measured(F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten()).item(), share / share.sum(dim=-1, keepdim=True))


def figures(result: Result) -> dict[str, Any]:
    return {
        "Token after token finds its experts": _walk(result),
        "Whom each token prefers, layer by layer": _preferences(result),
        "The load of this text": _loads(result),
        "Which experts serve which kind of text": _kinds(result),
        "Weights that work and weights that wait": _weights(result),
        "How well the model bears the routing": _losses(result),
    }


def _walk(result: Result) -> Playback:
    """A row per expert, filling up in the order in which slots are given away."""
    routing, E = result.routing, result.settings.experts
    N, K = routing.experts.shape
    stride = math.ceil(N * K / MOST_FRAMES)
    queues: list[list[Cell]] = [[] for _ in range(E)]
    turned_away: list[Cell] = []
    frames = [
        Frame("Every expert is free." if not result.slots else f"Every expert is free and has {result.slots} slots.", _rows(result, queues, []))
    ]
    for start in range(0, N * K, stride):
        for queue in (*queues, turned_away):
            queue[:] = [cell._replace(mark=False) for cell in queue]
        said = []
        for place in range(start, min(start + stride, N * K)):
            choice, token = divmod(place, N)
            expert, weight = int(routing.experts[token, choice]), float(routing.weights[token, choice])
            word = result.tokens[token].strip() or "␣"
            cell = Cell(word, level=weight, tone=1 if choice == 0 else 2, mark=True)
            if weight:
                queues[expert].append(cell)
                said.append(f"“{word}” goes to expert {expert} with weight {numeral(weight, 2)}")
            else:
                turned_away.append(cell._replace(tone=3, level=0.5))
                said.append(f"“{word}” finds no slot at expert {expert}")
        frames.append(Frame(f"{_choice_words(start, N)}: {'; '.join(said)}.", _rows(result, queues, turned_away)))
    names = [*(f"expert {expert}" for expert in range(E)), *(["no slot"] if result.slots else [])]
    return Playback(frames, row_names=names, tones=_tones(result), start=len(frames) - 1, height=360)


def _choice_words(place: int, N: int) -> str:
    return ("First choice", "Second choice", "Third choice")[place // N] if place // N < 3 else f"Choice {place // N + 1}"


def _tones(result: Result) -> dict[int, str]:
    return {1: "first choice", **({2: "further choice"} if result.chosen > 1 else {}), **({3: "turned away"} if result.slots else {})}


def _rows(result: Result, queues: list[list[Cell]], turned_away: list[Cell]) -> list[list[Cell | None]]:
    """Free slots are empty cells."""
    free = min(result.slots, len(result.tokens)) if result.slots else 0
    rows: list[list[Cell | None]] = [[*queue, *[Cell()] * max(free - len(queue), 0 if queue or free else 1)] for queue in queues]
    return [*rows, list(turned_away)] if result.slots else rows


def _preferences(result: Result) -> TokenStrip:
    """The first choice under each token; a pointed-at token names all its experts."""
    rows = []
    for layer, routing in enumerate(result.routings):
        first = routing.weights[:, 0].tolist()
        notes = [
            "; ".join(_expert_words(expert, weight) for expert, weight in zip(experts, weights)) + "."
            for experts, weights in zip(routing.experts.tolist(), routing.weights.tolist())
        ]
        marks = [f"{expert}: {numeral(weight, 2)}" for expert, weight in zip(routing.experts[:, 0].tolist(), first)]
        rows.append(Strip(f"layer {layer}: expert and its weight", result.tokens, first, marks, notes, groups=routing.experts[:, 0].tolist()))
    return TokenStrip(rows, value_name="weight of the first choice")


def _expert_words(expert: int, weight: float) -> str:
    return f"expert {expert} with weight {numeral(weight, 2)}" if weight else f"expert {expert} had no slot"


def _loads(result: Result) -> Any:
    counts = result.load * result.routing.experts.numel()
    kept = torch.bincount(result.routing.experts[result.routing.weights > 0], minlength=result.routing.logits.shape[-1])[: len(counts)]
    series = {"served": kept.numpy()} | ({"turned away": (counts - kept).numpy()} if result.slots else {})
    guides = [(float(counts.sum()) / len(counts), "even share")] + ([(result.slots, f"{result.slots} slots")] if result.slots else [])
    return bars(list(range(len(counts))), series, x_axis=axis("expert"), y_axis=axis("tokens"), across=guides, barmode="stack")


def _kinds(result: Result) -> Any:
    share = result.measured[result.k].load[result.layer, :, : result.settings.experts]
    return heatmap(
        share.numpy(), rows=list(toy_world.WRITERS), columns=range(share.shape[1]), x_title=f"expert of layer {result.layer}", y_title="", bar="share"
    )


def _weights(result: Result) -> Any:
    counts = [weights_in_use(checkpoints.load(MODEL).model, min(k, result.settings.experts))[0] for k in KS]
    return bars(
        [f"k = {k}" for k in KS],
        {"at work": counts, "waiting": [result.total - count for count in counts]},
        x_axis=axis("experts per token"),
        y_axis=axis("weights"),
        barmode="stack",
    )


def _losses(result: Result) -> Any:
    values = [result.measured[k].loss for k in KS]
    return lines(
        KS, {"loss": values}, x_axis=axis("experts per token, k", log=True, ticks={k: str(k) for k in KS}), y_axis=axis("nats per token", span=(min(1.8, *values) - 0.1, max(2.4, *values) + 0.1)),
        across=[(result.as_trained, "routed as trained")], upright=[(result.k, "")],
    )  # fmt: skip


def facts(result: Result) -> dict[str, float]:
    return {
        "tokens": len(result.tokens),
        "layer": result.layer,
        "chosen": result.chosen,
        "experts": result.settings.experts,
        "busiest": float(result.load.max()),
        "idlest": float(result.load.min()),
        "even": 1 / result.settings.experts,
        "first gate": result.first_gate,
        "slots": result.slots,
        "dropped": result.dropped,
        "choices": result.routing.experts.numel(),
        "moved": result.moved(),
        "active": result.active,
        "total": result.total,
        "loss": result.loss,
        "as trained": result.as_trained,
    }


def says(result: Result) -> str:
    text = f"the first {len(result.tokens)} tokens" if result.cut else f"{len(result.tokens)} token{'s' * (len(result.tokens) > 1)}"
    limit = (
        f" Each expert has {result.slots} slots, and {result.dropped} of {result.routing.experts.numel()} choices find none." if result.slots else ""
    )
    return (
        f"In layer {result.layer} the router sends {text} to {result.chosen} of {result.settings.experts} experts each: the busiest gets a share of {numeral(float(result.load.max()))} "
        f"of the choices and the idlest {numeral(float(result.load.min()))} (even would be {numeral(1 / result.settings.experts)}), and the first choice counts "
        f"{numeral(result.first_gate)} on average.{limit} Of {result.total:,} weights {result.active:,} work for a token. On texts of all kinds the model loses "
        f"{numeral(result.loss, 4)} nats per token, routed as trained {numeral(result.as_trained, 4)}."
    )


def _most_uneven() -> tuple[str, int]:
    """The kind of text and the layer in which one expert has the largest share, by the model's card: another training run has another."""
    load = checkpoints.card(MODEL)["figures"]["load"]
    return max(((kind, layer) for kind in KIND_TEXTS for layer in range(len(load[kind]))), key=lambda place: max(load[place[0]][place[1]]))


KIND_TEXTS = {"giving": SAMPLES["A gift"], "lists": SAMPLES["A list"], "sums": SAMPLES["Sums"], "brackets": SAMPLES["Brackets"]}
UNEVEN_KIND, UNEVEN_LAYER = _most_uneven()

TRY = [
    Experiment(
        title="A hotter router",
        settings={"temperature": 4.0},
        ask="The router's logits are divided by 4 before the softmax. How many of the tokens get other experts than the router ranks highest?",
        options=("None", "About a quarter of them", "Nearly all"),
        right=0,
        why="Dividing all logits of a token by the same number keeps their order, and top-$k$ asks only for the order. What changes is the mixture: the two weights move "
        "towards one half each. The sigmoid keeps the order too.",
        look="The second picture: under each token the same expert as before, with a smaller weight. In the first picture the queues stay as they were.",
        holds=lambda result: result.moved() == 0 and result.first_gate < _cooler(result) - 0.05,
        tempting={1: "In sampling a higher temperature changes what is drawn; here nothing is drawn.", 2: "The weights do change for nearly all."},
    ),
    Experiment(
        title="One kind of text, one expert each",
        settings={"text": KIND_TEXTS[UNEVEN_KIND], "layer": UNEVEN_LAYER, "k": 1},
        ask="This router was trained to spread its load evenly over many texts. Give it a single text of one kind, and each token one expert only. What share does the busiest "
        "of the eight experts get?",
        options=("About 1/8: the load was balanced", "About 1/4", "More than half"),
        right=2,
        why="Balanced over a batch is not balanced within a text. Tokens of one kind resemble each other, so the router sends them to the same few experts. With $k=2$ the "
        "second choices fall elsewhere and smooth the load, for more work per token.",
        look="The third picture, against the dotted line; the fourth shows how differently the kinds of text are spread. Then move $k$ to 2 and to 4.",
        holds=lambda result: float(result.load.max()) > 0.5,
        tempting={
            0: "Its balance loss looked at batches in which all kinds of text are mixed.",
            1: "That is nearer to what two experts per token give.",
        },
    ),
    Experiment(
        title="Was the second expert for nothing?",
        settings={"k": 1},
        ask="In training every token had two experts. Now it gets only its first choice, whose weight becomes 1. How much does the loss of about 1.9 nats per token rise?",
        options=("By less than 0.05", "By about 0.5", "It doubles"),
        right=0,
        why="The router is rather sure of itself: the first choice had most of the weight already, so little is lost with the second. The shared expert works in any case. Do not "
        "conclude that $k=2$ was useless: in training the second choice is how a router hears about an expert that it would not have put first.",
        look="The last picture: the line is almost flat. In the fifth the working part shrinks.",
        holds=lambda result: abs(result.loss - result.as_trained) < 0.05 and _cooler(result, k=2) > 0.7,
        tempting={
            1: "So much is lost when experts are chosen wrongly, see the next experiment.",
            2: "Then the two experts would have to say quite different things at equal weight.",
        },
    ),
    Experiment(
        title="Are experts interchangeable?",
        settings={"noise": 4.0},
        ask="Noise with a standard deviation of 4 is added to every logit, so that the choice is nearly random; two experts work for each token as before. What does the loss do?",
        options=("Hardly anything: two of eight are as good as two others", "It rises clearly"),
        right=1,
        why="Experts have become different: the one that a token's vector asks for has learned what such tokens need. In training, a little noise keeps a router from settling too "
        "early (Shazeer et al. learn how much); so much of it makes the choice worthless.",
        look="The last picture, against the dotted line. It rises at every $k$ but comes nearest at 8, where nothing is left to choose.",
        holds=lambda result: result.loss > result.as_trained + 0.2 and result.measured[8].loss < result.loss,
        tempting={0: "That would mean that the router had learned nothing worth following."},
    ),
    Experiment(
        title="Throw two experts away",
        settings={"experts": 6},
        ask="Each token uses two experts of eight, so six always wait. To save memory, two of the eight are deleted. What happens?",
        options=("Nothing: enough of them waited anyway", "The loss rises clearly"),
        right=1,
        why="A different pair waits for every token. Over a batch all experts are at work, which is why all must be in memory: compute follows the active weights, memory the "
        "total ones.",
        look="The last picture rises above the dotted line. The fifth shows what was saved: waiting weights, and no work at all.",
        holds=lambda result: (
            result.loss > result.as_trained + 0.2
            and result.active == weights_in_use(checkpoints.load(MODEL).model, 2)[0]
            and result.total < weights_in_use(checkpoints.load(MODEL).model, 2)[1]
        ),
        tempting={0: "The fourth picture shows that none waits for all kinds of text."},
    ),
]


def _cooler(result: Result, k: int | None = None) -> float:
    """Mean weight of the first choice at temperature 1, no noise."""
    return float(route(result.logits, k or result.chosen).weights[:, 0].mean())


def verify() -> list[Check]:
    from transformers import SwitchTransformersConfig
    from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersTop1Router

    x = torch.randn(1, 40, 96, generator=torch.Generator().manual_seed(3))
    blocks = checkpoints.load(MODEL).model.blocks
    switch = SwitchTransformersTop1Router(SwitchTransformersConfig(hidden_size=96, num_experts=8, expert_capacity=capacity(40, 1, 8, 1.0))).eval()
    with torch.inference_mode():
        switch.classifier.weight.copy_(blocks[0].feed_forward.router.weight)
        served, gates, _ = switch(x)  # (1, N, E) with one-hot rows, empty where there was no slot
        routing = route(blocks[0].feed_forward.router(x[0]), 1, rescale=False)
        ours = F.one_hot(routing.experts[:, 0], 8) * within(routing, capacity(40, 1, 8, 1.0))
    return [
        *(
            Check(f"output of layer {at}, two of eight experts", "transformers MixtralSparseMoeBlock", _against_mixtral(block.feed_forward, x), 1e-5)
            for at, block in enumerate(blocks)
        ),
        Check("weights of the sigmoid gate", "transformers DeepseekV3TopkRouter", _against_deepseek(blocks[0].feed_forward, x), 1e-6),
        Check("who is served with one slot for one token, of 320", "transformers SwitchTransformersTop1Router", float((served[0] != ours).sum()), 0),
        Check(
            "weight of a single choice, not rescaled",
            "transformers SwitchTransformersTop1Router",
            float((gates[0] - routing.weights).abs().max()),
            1e-6,
        ),
    ]


def _against_mixtral(layer: MixtureOfExperts, x: Tensor) -> float:
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = MixtralConfig(hidden_size=96, intermediate_size=96, num_local_experts=8, num_experts_per_tok=2, num_attention_heads=4)
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config).eval()
    with torch.inference_mode():
        theirs.gate.weight.copy_(layer.router.weight)
        for number, expert in enumerate(layer.experts):
            theirs.experts.gate_up_proj[number].copy_(torch.cat([expert.gate.weight, expert.up.weight]))
            theirs.experts.down_proj[number].copy_(expert.down.weight)
        expected = theirs(x)
        return float((layer(x)[0] - layer.shared(x) - expected).abs().max())


def _against_deepseek(layer: MixtureOfExperts, x: Tensor) -> float:
    """Their order within the chosen is not ours, so the weights are laid out over all experts."""
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

    config = DeepseekV3Config(
        hidden_size=96, n_routed_experts=8, num_experts_per_tok=3, n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=1.0
    )
    theirs = DeepseekV3TopkRouter(config).eval()
    with torch.inference_mode():
        theirs.weight.copy_(layer.router.weight)
        logits, weights, experts = theirs(x[0])
        ours = route(logits, 3, gate="sigmoid")
        return float((torch.zeros(40, 8).scatter(1, experts, weights) - torch.zeros(40, 8).scatter(1, ours.experts, ours.weights)).abs().max())


# Computed questions; what was drawn travels in settings["drawn"].


def ask_gate(rng: random.Random) -> Question:
    while True:
        z, k, rank = rng.sample([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], 4), rng.choice([2, 2, 3]), rng.randrange(2)
        tz = torch.tensor([z], dtype=torch.float64)
        routing = route(tz, k)
        expert, right = int(routing.experts[0, rank]), routing.weights[0, rank].item()
        mistakes = [
            Mistake(
                "not-rescaled",
                route(tz, k, rescale=False).weights[0, rank].item(),
                "This is the softmax over all four experts; the chosen weights must sum to 1.",
            ),
            Mistake("equal-shares", 1 / k, "The chosen experts do not count equally; the router's probabilities weigh them."),
            Mistake(
                "sigmoid", route(tz, k, gate="sigmoid").weights[0, rank].item(), "This makes the weights with a sigmoid; a softmax was asked for."
            ),
            Mistake("other-expert", routing.weights[0, 1 - rank].item(), "This is the weight of the other of the two best."),
            Mistake("one-more", route(tz, k + 1).weights[0, rank].item(), f"This mixes {k + 1} experts."),
        ]
        options = number_options(rng, right, "The softmax over the chosen experts' logits alone.", mistakes)
        if options:
            break
    top = ", ".join(numeral(value) for value in sorted(z, reverse=True)[:k])
    return Question(
        form=Form.CHOICE,
        prompt=f"A router gives four experts the logits $({', '.join(numeral(value) for value in z)})$. A softmax makes gates of them, the best {k} experts are chosen and their gates "
        f"rescaled to sum to 1. With what weight does expert {expert + 1} count?",
        answer="Rescaled, the gates are the softmax over the chosen logits alone.",
        options=options,
        working=(
            f"chosen logits: {top}",
            f"$e^{{{numeral(z[expert])}}}/({'+'.join(f'e^{{{numeral(value)}}}' for value in sorted(z, reverse=True)[:k])})={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"k": 2, "drawn": [z, k, expert]},
        level=2,
    )


def second_gate(question: Question) -> float:
    """What is not chosen gets a logit of minus infinity before one softmax; the chosen ones are found by counting who is better."""
    z, k, expert = question.settings["drawn"]
    masked = [value if sum(other > value for other in z) < k else -math.inf for value in z]
    return F.softmax(torch.tensor(masked, dtype=torch.float64), dim=0)[expert].item()


def ask_active(rng: random.Random) -> Question:
    while True:
        C, H, E = rng.choice([4, 8, 16]), rng.choice([8, 12, 16, 24]), rng.choice([4, 6, 8])
        k, shared = rng.randint(1, 3), rng.random() < 0.5
        with torch.device("meta"):  # shapes are enough to count
            layer = MixtureOfExperts(C, H, E, k, shared)
        right, total = weights_in_use(layer, k)
        each = 3 * C * H
        mistakes = [
            Mistake("all-experts", total, "These are all weights there are; memory follows them, the work does not."),
            Mistake("two-matrices", C * E + (k + shared) * 2 * C * H, "A SwiGLU expert has three matrices: gate, up and down."),
            Mistake("waiting-ones", total - right, "These are the weights that wait."),
            Mistake("one-expert-more", right + each, "This counts an expert that does not work for this token."),
        ]
        if shared:
            mistakes.append(Mistake("forgot-the-shared", right - each, "The shared expert works for every token, chosen or not."))
        options = number_options(rng, right, "Router, chosen experts, and the shared one if there is one.", mistakes, digits=6)
        if options:
            break
    also = " and one shared expert of the same shape that serves every token" if shared else ""
    return Question(
        form=Form.CHOICE,
        prompt=f"A layer of width {C} has {E} routed SwiGLU experts with {H} hidden units each (three matrices, no biases){also}. The router is a matrix of "
        f"${C}\\times{E}$ and chooses {k}. With how many weights is one token multiplied?",
        answer="The router's, and those of the experts that work.",
        options=options,
        working=(
            f"one expert: $3\\cdot{C}\\cdot{H}={each:,}$".replace(",", "{,}"),
            f"router: ${C}\\cdot{E}={C * E}$",
            f"${C * E}+{k + shared}\\cdot{each}={right}$",
        ),
        lab=SLUG,
        settings={"k": min(KS, key=lambda stop: abs(stop - k)), "drawn": [C, H, E, k, shared]},
        level=2,
    )


def second_active(question: Question) -> float:
    """Twice the weights are the operations of one token, counted by torch while the layer runs."""
    from torch.utils.flop_counter import FlopCounterMode

    C, H, E, k, shared = question.settings["drawn"]
    layer = MixtureOfExperts(C, H, E, k, shared)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        layer(torch.zeros(1, 1, C))
    return counter.get_total_flops() / 2


def ask_dropped(rng: random.Random) -> Question:
    while True:
        E, N, factor = rng.choice([3, 4]), rng.choice([12, 16, 24]), rng.choice([1.0, 1.25, 1.5])
        choices = rng.choices(range(E), weights=rng.sample([6, 3, 2, 1], E), k=N)
        logits = 9.0 * F.one_hot(torch.tensor(choices), E)
        slots = capacity(N, 1, E, factor)
        right = int((~within(route(logits, 1), slots)).sum())
        loads = [choices.count(expert) for expert in range(E)]
        mistakes = [
            Mistake(
                "free-slots",
                sum(max(slots - load, 0) for load in loads),
                "These are the slots that stay free; a token does not move to another expert by itself.",
            ),
            Mistake("no-reserve", sum(max(load - capacity(N, 1, E, 1.0), 0) for load in loads), "This forgets the capacity factor."),
            Mistake("whole-queue", max(loads), "The first ones in the queue are served."),
            Mistake("slots", slots, "This is the number of slots of one expert."),
            Mistake("served", N - right, "These are the tokens that are served."),
        ]
        options = number_options(rng, right, "Every expert turns away what exceeds its slots.", mistakes) if right else None
        if options:
            break
    wishes = ", ".join(f"{load} {'chooses' if load == 1 else 'choose'} {name}" for name, load in zip("ABCD", loads))
    return Question(
        form=Form.CHOICE,
        prompt=f"{N} tokens choose one of {E} experts each: {wishes}. The capacity factor is {numeral(factor)}. How many tokens "
        "pass by without an expert?",
        answer="Slots per expert: the factor times the even share, rounded up. What exceeds them is turned away.",
        options=options,
        working=(
            f"slots: $\\lceil{numeral(factor)}\\cdot{N}/{E}\\rceil={slots}$",
            f"turned away: ${'+'.join(str(max(load - slots, 0)) for load in loads)}={right}$",
        ),
        lab=SLUG,
        settings={"k": 1, "factor": factor, "drawn": [choices, E, factor]},
        level=1,
    )


def second_dropped(question: Question) -> float:
    """Token by token, each taking a slot if one is left."""
    choices, E, factor = question.settings["drawn"]
    left = Counter({expert: -(-int(factor * 100) * len(choices) // (100 * E)) for expert in range(E)})
    turned_away = 0
    for expert in choices:
        turned_away += left[expert] <= 0
        left[expert] -= 1
    return turned_away


questions = {"gate-by-hand": ask_gate, "weights-at-work": ask_active, "turned-away": ask_dropped}
second = {"gate-by-hand": second_gate, "weights-at-work": second_active, "turned-away": second_dropped}
