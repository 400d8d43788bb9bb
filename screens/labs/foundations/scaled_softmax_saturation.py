"""Dot-product variance and softmax saturation

A query and a key with independent entries of unit variance have a dot product of variance $d_k$. Feed such scores to a
softmax and a wide head decides almost everything by its largest score: the weights become one-hot, and the gradient
that could correct them, $\\partial o/\\partial s = (\\mathrm{diag}(p) - pp^\\top)\\,v$, shrinks to nothing.

This lab draws 256 queries and up to 256 keys from a unit normal, applies one of six rules to the scores, and measures
three things: how far the scores lie apart, how soft the weights are (their entropy, at most $\\ln n$ for $n$ keys), and
how much gradient reaches the scores. The value behind each key is a unit normal too. The gradient is taken at the
scores after scaling and before any cap, because a gradient at $q$ would also carry the size of $k$.

| rule | what is done to $q\\cdot k$ | known from |
|---|---|---|
| none | nothing | |
| 1/√d | divided by $\\sqrt{d_k}$ | the Transformer |
| 1/d | divided by $d_k$ | μP |
| T5 init | nothing, but $W_Q$ starts smaller by $\\sqrt{d_k}$ | T5 |
| QK-norm | cosine times a fixed 10 | Swin V2's starting value |
| soft-cap | $50\\tanh(s/50)$, no scaling | Gemma 2 has the cap on top of the scale |
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models.attention_scaling import (
    RULES,
    SOFT_CAP,
    entropy,
    query_std,
    score_gradient,
    score_std,
    scores,
    softmax,
    softmax_jacobian,
    weights,
)
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Stops, number_options, numeral
from screens.labs.drawing import Guide, axis, bars, histogram, lines

TOPIC = "attention-scaling"
REFERENCE = "torch.autograd through F.scaled_dot_product_attention; transformers T5Attention's initialisation"
MECHANISM = (scores, query_std, weights, score_gradient)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M14 10v66h136" opacity=".45"/><path d="M18 20h130" stroke-dasharray="2 5" opacity=".5"/>
<path d="M18 32h130" stroke="#1f77c9" stroke-width="4"/><path d="M18 30c16 2 22 34 44 40s60 5 86 5" stroke="#d4620f" stroke-width="4"/>
<path d="M18 30c30-1 60-8 130-9" stroke="#0f9d77" stroke-width="3" stroke-dasharray="7 5"/></svg>"""

SLUG = "scaled-softmax-saturation"
QUERIES = 256
WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
KEYS = (2, 4, 8, 16, 32, 64, 128, 256)
MOST_BARS = 24  # of the heaviest keys; behind them nothing can be seen
NAMES = {"none": "no scaling", "sqrt": "1/√d", "linear": "1/d", "t5": "T5 init", "qk-norm": "QK-norm ×10", "soft-cap": "soft-cap 50"}


@dataclass(frozen=True)
class Measured:
    """What one rule does at one head size."""

    spread: float  # standard deviation of the scores that reach the softmax
    entropy: float  # mean over queries, nats
    gradient: float  # mean norm over queries


@dataclass(frozen=True)
class Result:
    d_k: int
    rule: str
    n_keys: int
    scores: Tensor  # (QUERIES, n_keys) at these settings
    weights: Tensor  # (QUERIES, n_keys)
    curves: Mapping[str, tuple[Measured, ...]]  # rule -> one entry per width of WIDTHS

    @property
    def here(self) -> Measured:
        return self.at(self.rule)

    def at(self, rule: str) -> Measured:
        return self.curves[rule][WIDTHS.index(self.d_k)]


def compute(
    d_k: Annotated[int, Stops(*WIDTHS, label="Head size dₖ", help="How many entries a query and a key have.")] = 64,
    rule: Annotated[str, Choice(NAMES, label="Scaling rule", help="What happens to q·k before the softmax.")] = "none",
    n_keys: Annotated[int, Stops(*KEYS, label="Number of keys", help="How many keys each query chooses from.")] = 64,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    q, k, _ = _draw(n_keys, seed)
    s = scores(q[:, :d_k] * query_std(rule, d_k), k[:, :d_k], rule)
    return Result(d_k, rule, n_keys, s, weights(s, rule), _curves(n_keys, seed))


@functools.lru_cache(maxsize=16)
def _draw(n_keys: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Drawn once at the largest width; a narrower head reads the first entries, so curves over d_k are smooth."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(QUERIES, WIDTHS[-1], generator=generator)
    v = torch.randn(QUERIES, KEYS[-1], generator=generator)[:, :n_keys]
    k = torch.randn(KEYS[-1], WIDTHS[-1], generator=generator)[:n_keys]
    return q, k, v


@functools.lru_cache(maxsize=16)
def _curves(n_keys: int, seed: int) -> dict[str, tuple[Measured, ...]]:
    q, k, v = _draw(n_keys, seed)
    return {rule: tuple(_measure(q[:, :d], k[:, :d], v, rule) for d in WIDTHS) for rule in RULES}


def _measure(q: Tensor, k: Tensor, v: Tensor, rule: str) -> Measured:
    s = scores(q * query_std(rule, q.shape[-1]), k, rule)
    gradient = score_gradient(s, v, rule).norm(dim=-1).mean()
    return Measured(s.std().item(), entropy(weights(s, rule)).mean().item(), gradient.item())


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "How far apart the scores lie": _spread(result),
        "How a query shares its attention": _shares(result),
        "How soft the weights stay as heads widen": _entropy_curves(result),
        "How much gradient reaches the scores": _gradient_curves(result),
    }


def _spread(result: Result) -> go.Figure:
    reach = max(4.0, math.ceil(3 * result.here.spread / 4) * 4)
    return histogram(
        result.scores.flatten(),
        bins=48,
        span=(-reach, reach),
        x_axis=axis("score after scaling"),
        y_axis=axis("share of scores"),
        colour=RULES.index(result.rule),
        upright=[(-1, ""), (1, "±1: unit spread")],
    )


def _shares(result: Result) -> go.Figure:
    shares = result.weights.sort(descending=True).values.mean(dim=0)[:MOST_BARS]
    return bars(
        list(range(1, len(shares) + 1)),
        shares,
        x_axis=axis("keys, heaviest first"),
        y_axis=axis("weight, mean over queries", span=(0, 1.02)),
        colour=RULES.index(result.rule),
    )


def _entropy_curves(result: Result) -> go.Figure:
    most = math.log(result.n_keys)
    return _over_widths(
        result,
        {NAMES[rule]: [point.entropy for point in result.curves[rule]] for rule in RULES},
        axis("entropy, nats", span=(0, most * 1.2)),
        across=[(most, f"ln {result.n_keys} = {numeral(most)}: all keys equal")],
    )


def _gradient_curves(result: Result) -> go.Figure:
    series = {NAMES[rule]: [point.gradient for point in result.curves[rule]] for rule in RULES}
    return _over_widths(result, series, axis("gradient norm at the scores", span=(0, 1.05 * max(map(max, series.values())))))


def _over_widths(result: Result, series: dict[str, list[float]], y: dict, across: Sequence[Guide] = ()) -> go.Figure:
    x = axis("head size dₖ", log=True, ticks={d: str(d) for d in WIDTHS})
    return lines(WIDTHS, series, x_axis=x, y_axis=y, strong=NAMES[result.rule], across=across, upright=[(result.d_k, "")])


def facts(result: Result) -> dict[str, float]:
    return {
        "d_k": result.d_k,
        "keys": result.n_keys,
        "spread": result.here.spread,
        "entropy": result.here.entropy,
        "most entropy": math.log(result.n_keys),
        "gradient": result.here.gradient,
        "gradient under 1/√d": result.at("sqrt").gradient,
        "cap": SOFT_CAP,
    }


def says(result: Result) -> str:
    here, most = result.here, math.log(result.n_keys)
    measured = (
        f"At head size {result.d_k} with {RULE_WORDS[result.rule]}, the scores have standard deviation {numeral(here.spread)} and the entropy over "
        f"{result.n_keys} keys is {numeral(here.entropy)} of at most {numeral(most)} nats"
    )
    return f"{measured}; the gradient at the scores is {numeral(here.gradient)} (under 1/√d it is {numeral(result.at('sqrt').gradient)}): {_verdict(result)}."


RULE_WORDS = {
    "none": "no scaling",
    "sqrt": "scores divided by √d",
    "linear": "scores divided by d",
    "t5": "T5's initialisation",
    "qk-norm": "QK-norm",
    "soft-cap": "a soft-cap alone",
}


def _verdict(result: Result) -> str:
    share = result.here.entropy / math.log(result.n_keys)
    if share < 0.35:
        return "the softmax has saturated on very few keys"
    if share > 0.95:
        return "the weights are nearly uniform, so the head hardly chooses"
    return "the weights are soft and still choose"


TRY = [
    Experiment(
        title="A wide head with no scaling",
        settings={"rule": "none", "d_k": 512},
        ask="With $1/\\sqrt{d_k}$ the entropy over 64 keys is near 3.7 nats at every width. Take the factor away at $d_k=512$. What is left?",
        options=("About 3.7: softmax normalises anyway", "About 1.8: roughly half", "Less than 0.5: one key takes almost everything"),
        right=2,
        why="The scores now have standard deviation $\\sqrt{512}\\approx 22.6$. The largest of 64 such scores leads the second by several units, and a "
        "lead of 5 already means a factor of $e^5\\approx 148$ in weight.",
        look="The second picture: the first bar holds nearly the whole weight. In the third the line for no scaling lies on the floor at 512.",
        holds=lambda result: result.here.entropy < 0.5 and abs(result.at("sqrt").entropy - 3.7) < 0.1,
        tempting={
            0: "Normalising makes the weights sum to 1; it says nothing about how evenly.",
            1: "Entropy does not fall in step with $\\sqrt{d_k}$.",
        },
    ),
    Experiment(
        title="T5 divides by nothing",
        settings={"rule": "t5", "d_k": 512},
        ask="T5's attention has no $1/\\sqrt{d_k}$ anywhere. At initialisation, what does its entropy do at $d_k=512$?",
        options=("It collapses like no scaling", "It is the same as with $1/\\sqrt{d_k}$", "It rises to $\\ln n$"),
        right=1,
        why="T5 draws $W_Q$ with standard deviation $(d_{model}d_k)^{-1/2}$ instead of $d_{model}^{-1/2}$. The factor has moved into the weights, so at "
        "the start of training the scores are the same. Nothing holds it there once training moves $W_Q$.",
        look="In the third and fourth pictures the markers of T5 init and of 1/√d lie on each other at every width.",
        holds=lambda result: abs(result.here.entropy - result.at("sqrt").entropy) < 0.02,
        tempting={
            0: "There is no factor in the attention, but there is one in the weights.",
            2: "That would need scores that shrink as heads widen.",
        },
    ),
    Experiment(
        title="QK-norm with a temperature that stands still",
        settings={"rule": "qk-norm", "d_k": 1024},
        ask="QK-norm makes every score a cosine times a temperature, here a fixed 10. What happens to the weights of a very wide head?",
        options=("They become nearly uniform", "They keep the softness they have at $d_k=64$", "They become one-hot: cosines are scale free"),
        right=0,
        why="The cosine of two random vectors has standard deviation $1/\\sqrt{d_k}$: in wide spaces almost everything is orthogonal. Times 10 that is "
        "only 0.31 at $d_k=1024$. This is why the temperature is learned, and why it should start higher in wider heads.",
        look="The first picture shows all scores near 0. In the third the line of QK-norm climbs towards the dotted limit.",
        holds=lambda result: result.here.entropy > 0.95 * math.log(result.n_keys),
        tempting={
            1: "Bounded is not the same as constant: the bound is 10, the typical score far below it.",
            2: "A cosine ignores lengths, not width.",
        },
    ),
    Experiment(
        title="Can a soft-cap replace the scale?",
        settings={"rule": "soft-cap", "d_k": 512},
        ask="Gemma 2 squeezes its scores through $50\\tanh(s/50)$. Use that cap alone, without the scale. How much gradient reaches the scores at 512?",
        options=("As much as with $1/\\sqrt{d_k}$: no score passes 50", "Less than half of it: the softmax saturates anyway", "Exactly none"),
        right=1,
        why="A cap of 50 leaves the scores room to differ by 100, while a softmax over 64 keys saturates at differences near 10. Where the cap does bite, "
        "its own slope $1-\\tanh^2$ takes gradient away as well. Gemma 2 uses the cap on top of the scale, against rare outliers.",
        look="In the fourth picture the line of the soft-cap follows the one of no scaling all the way down.",
        holds=lambda result: 0 < result.here.gradient < 0.5 * result.at("sqrt").gradient,
        tempting={0: "The bound is five times as wide as what the softmax can bear.", 2: "Small, not zero: no weight is exactly 1."},
    ),
]


def verify() -> list[Check]:
    """Every rule's gradient against autograd through torch's own attention, and T5's weights as transformers draws them."""
    checks = [
        Check(f"gradient at the scores, {NAMES[rule]}", "autograd through F.scaled_dot_product_attention", _against_sdpa(rule), 1e-6)
        for rule in RULES
    ]
    return [*checks, *_against_t5()]


def _against_sdpa(rule: str, d: int = 32, n: int = 24) -> float:
    """Largest difference. An additive bias of zeros is where autograd can read the gradient at the scores."""
    q, k, v = (drawn[:64] for drawn in _draw(32, 7))
    q, k, v = q[:, :d] * query_std(rule, d), k[:n, :d], v[:, :n]
    bias = torch.zeros(64, 1, n, requires_grad=True)
    queries, keys, scale, mask = q, k, {"sqrt": d**-0.5, "linear": 1 / d, "qk-norm": 10.0}.get(rule, 1.0), bias
    if rule == "qk-norm":
        queries, keys = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    if rule == "soft-cap":  # torch has no capped attention: the capped scores come in as the bias, and autograd goes through the cap
        queries, mask = torch.zeros_like(q), SOFT_CAP * torch.tanh(((q @ k.T)[:, None] + bias) / SOFT_CAP)
    output = F.scaled_dot_product_attention(queries[:, None], keys.expand(64, n, d), v[..., None], attn_mask=mask, scale=scale)
    (expected,) = torch.autograd.grad(output.sum(), bias)
    return (score_gradient(scores(q, k, rule), v, rule) - expected[:, 0]).abs().max().item()


def _against_t5() -> list[Check]:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(d_model=512, d_kv=64, num_heads=8, num_layers=1, d_ff=64, vocab_size=32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention = T5EncoderModel(config).encoder.block[0].layer[0].SelfAttention
        x, y = torch.randn(2, 512, 512)
    drawn = attention.q.weight.std().item() * math.sqrt(512)  # times sqrt(d_model): the spread of q for a unit input
    with torch.no_grad():
        heads_q, heads_k = (layer(rows).view(512, 8, 64).transpose(0, 1) for layer, rows in ((attention.q, x), (attention.k, y)))
        measured = (heads_q @ heads_k.transpose(1, 2)).std().item()
    source = "transformers T5Attention, freshly initialised"
    return [
        Check("spread of the query entries, relative", source, abs(drawn / query_std("t5", 64) - 1), 0.01),
        Check("spread of q·k, relative to 1/√d on unit entries", source, abs(measured / score_std(1, 1, 64, "sqrt") - 1), 0.03),
    ]


# Computed questions: fresh numbers, the key by running the mechanism, wrong options by running named mistakes. What was drawn
# travels in settings["drawn"], so that `second` can answer the same question by another way.


def ask_weight(rng: random.Random) -> Question:
    while True:
        q, keys = _whole_vectors(rng)
        tq, tk = torch.tensor([q], dtype=torch.float64), torch.tensor(keys, dtype=torch.float64)
        s = scores(tq, tk, "none")[0]
        share = {rule: weights(scores(tq, tk, rule), rule)[0, 0].item() for rule in ("none", "sqrt", "linear")}
        mistakes = [
            Mistake("no-scaling", share["none"], "This leaves out the division by $\\sqrt{d_k}=2$."),
            Mistake("divided-by-d", share["linear"], "This divides by $d_k=4$; the rule divides by its root."),
            Mistake("other-key", 1 - share["sqrt"], "This is the weight of the second key."),
            Mistake(
                "root-of-keys", softmax(s / 2**0.5)[0].item(), "This divides by the root of the number of keys, 2; $d_k$ is the vectors' length, 4."
            ),
            Mistake("sign-flipped", softmax(-s)[0].item(), "This has the sign of the scores turned round and no scaling."),
        ]
        options = number_options(rng, share["sqrt"], "Scores divided by $\\sqrt{4}=2$, then the softmax.", mistakes)
        if options:
            break
    s1, s2 = s.tolist()
    return Question(
        form=Form.CHOICE,
        prompt=f"A query $q={_row(q)}$ meets two keys, $k_1={_row(keys[0])}$ and $k_2={_row(keys[1])}$. With scaled dot-product attention, what "
        "weight does $k_1$ get?",
        answer="Divide both dot products by $\\sqrt{d_k}=2$, then take the softmax.",
        options=options,
        working=(
            f"$q\\cdot k_1={numeral(s1)}$ and $q\\cdot k_2={numeral(s2)}$",
            f"divided by $\\sqrt{{4}}=2$: {numeral(s1 / 2)} and {numeral(s2 / 2)}",
            f"$p_1=1/(1+e^{{{numeral(s2 / 2)}-({numeral(s1 / 2)})}})={numeral(share['sqrt'])}$",
        ),
        lab=SLUG,
        settings={"rule": "sqrt", "d_k": 4, "n_keys": 2, "drawn": [q, *keys]},
        level=2,
    )


def _whole_vectors(rng: random.Random) -> tuple[list[int], list[list[int]]]:
    while True:
        q = [rng.randint(-2, 3) for _ in range(4)]
        keys = [[rng.randint(-2, 3) for _ in range(4)] for _ in range(2)]
        gap = sum(a * (b - c) for a, b, c in zip(q, *keys, strict=True))
        if 1 <= abs(gap) <= 6:  # further apart, every rule would round to 0 or 1
            return q, keys


def _row(numbers: list[int]) -> str:
    return "(" + ", ".join(str(number) for number in numbers) + ")"


def second_weight(question: Question) -> float:
    """torch's own attention; with the identity as values, its output is the weights."""
    q, *keys = question.settings["drawn"]
    tensors = (torch.tensor(rows, dtype=torch.float64)[None] for rows in ([q], keys, [[1, 0], [0, 1]]))
    return F.scaled_dot_product_attention(*tensors)[0, 0, 0].item()


def ask_spread(rng: random.Random) -> Question:
    while True:
        d = rng.choice([16, 25, 36, 49, 64, 81, 100, 121, 144, 256])
        std_q, std_k, scaled = rng.choice([0.5, 1.5, 2.0, 3.0]), rng.choice([0.5, 1.5, 2.5, 4.0]), rng.random() < 0.5
        right = score_std(std_q, std_k, d, "sqrt" if scaled else "none")
        one_term = std_q * std_k / (math.sqrt(d) if scaled else 1)
        mistakes = [
            Mistake("variance-for-spread", right**2, "This is the variance; the standard deviation is its root."),
            Mistake("added-nothing", one_term, "This is the spread of a single product; $d_k$ of them add up, and their variances with them."),
            Mistake("added-deviations", one_term * d, "Standard deviations do not add over independent terms, variances do."),
            Mistake("forgot-the-key", right / std_k, "This leaves out the spread of the key's entries."),
            Mistake("forgot-the-query", right / std_q, "This leaves out the spread of the query's entries."),
        ]
        options = number_options(rng, right, "The variances of the $d_k$ products add, then comes the root.", mistakes)
        if options:
            break
    where = "after the division by $\\sqrt{d_k}$" if scaled else "before any scaling"
    total = d * std_q**2 * std_k**2
    last = (f"divided by $\\sqrt{{{d}}}={numeral(math.sqrt(d))}$: {numeral(right)}",) if scaled else ()
    return Question(
        form=Form.CHOICE,
        prompt=f"The entries of $q$ and $k$ are independent with mean 0; those of $q$ have standard deviation {numeral(std_q)}, those of $k$ {numeral(std_k)}. "
        f"With $d_k={d}$, what is the standard deviation of the scores {where}?",
        answer="Each product has variance $\\sigma_q^2\\sigma_k^2$; $d_k$ of them add up; the standard deviation is the root of that.",
        options=options,
        working=(
            f"variance of one product: ${numeral(std_q)}^2\\cdot{numeral(std_k)}^2={numeral(std_q**2 * std_k**2, 6)}$",
            f"of {d} of them: {numeral(total, 6)}; the root is {numeral(math.sqrt(total))}",
            *last,
        ),
        lab=SLUG,
        settings={"rule": "sqrt" if scaled else "none", "d_k": min(WIDTHS, key=lambda width: abs(width - d)), "drawn": [d, std_q, std_k, scaled]},
        level=2 if scaled else 1,
    )


def second_spread(question: Question) -> float:
    """The exact distribution for entries of ±σ: a binomial, its deviation summed value by value."""
    d, std_q, std_k, scaled = question.settings["drawn"]
    step = std_q * std_k / (math.sqrt(d) if scaled else 1)
    return math.sqrt(sum(math.comb(d, ups) / 2**d * (step * (2 * ups - d)) ** 2 for ups in range(d + 1)))


def ask_jacobian(rng: random.Random) -> Question:
    while True:
        tenths = rng.choice([(1, 2, 7), (1, 3, 6), (1, 4, 5), (2, 3, 5), (1, 1, 8), (2, 2, 6)])
        p, (i, j) = [part / 10 for part in rng.sample(tenths, 3)], rng.sample(range(3), 2)
        right = softmax_jacobian(torch.tensor(p, dtype=torch.float64))[i, j].item()
        mistakes = [
            Mistake("lost-the-sign", p[i] * p[j], "Off the diagonal the entry is negative: raising one score takes weight from the others."),
            Mistake("used-the-diagonal", p[i] * (1 - p[i]), "That is the entry on the diagonal, $p_i(1-p_i)$."),
            Mistake("no-outer-product", 0.0, "Only $\\mathrm{diag}(p)$ is zero here; the term $-pp^\\top$ is not."),
            Mistake("mixed-both", p[i] * (1 - p[j]), "This takes the 1 of the diagonal to a place off it."),
        ]
        options = number_options(rng, right, "$-p_ip_j$, since $i\\neq j$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A softmax gives three keys the weights $p=({', '.join(map(str, p))})$. What is $\\partial p_{i + 1}/\\partial s_{j + 1}$, the change of "
        f"weight {i + 1} with score {j + 1}?",
        answer="The Jacobian of a softmax is $\\mathrm{diag}(p)-pp^\\top$; off the diagonal that leaves $-p_ip_j$.",
        options=options,
        working=(f"$-p_{i + 1}p_{j + 1}=-{p[i]}\\cdot{p[j]}={numeral(right)}$",),
        lab=SLUG,
        settings={"n_keys": 4, "drawn": [p, i, j]},
        level=2,
    )


def second_jacobian(question: Question) -> float:
    """Autograd through torch's softmax, at scores that give these weights."""
    p, i, j = question.settings["drawn"]
    s = torch.tensor(p, dtype=torch.float64).log()
    return torch.autograd.functional.jacobian(lambda row: F.softmax(row, dim=0), s)[i, j].item()


questions = {"weight-by-hand": ask_weight, "score-spread": ask_spread, "jacobian-entry": ask_jacobian}
second = {"weight-by-hand": second_weight, "score-spread": second_spread, "jacobian-entry": second_jacobian}
