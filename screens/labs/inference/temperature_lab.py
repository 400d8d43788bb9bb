"""Temperature and entropy

A decoder ends in one number per token, its logits $z$. Temperature divides them before the softmax,
$p_i=e^{z_i/T}/\\sum_j e^{z_j/T}$: below 1 the likely become likelier, above 1 the distribution flattens. The odds of two
tokens are raised to the power $1/T$, so what temperature does depends on how far apart the logits lie.

Here a small decoder with four layers and 1,024 tokens reads your text; it was trained on a toy world of gifts, lists, sums
and brackets, so that is what it writes. You see the probabilities of its next token for every temperature (drag the slider
in the picture: nothing is computed anew), the entropy that goes from 0 towards $\\ln V$, a seeded draw against the
probabilities it came from, and what the decoder writes when it goes on like this.

Temperature itself decides nothing and is not random: chance comes in with the draw. Where top-p is below 1, it matters
whether the temperature or the cut comes first.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Option, Question
from models import checkpoints
from models.decoder import Decoder
from models.nucleus import keep_nucleus
from models.temperature import draw, entropy, probabilities, rescale
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Strip, Swept, TokenStrip
from screens.labs.small_pictures import bar_picture

TOPIC = "decoding-and-temperature"
REFERENCE = "transformers TemperatureLogitsWarper and TopPLogitsWarper; torch.distributions.Categorical"
MECHANISM = (rescale, probabilities, entropy, draw, keep_nucleus)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M10 78h140" opacity=".45"/><g fill="#1f77c9" stroke="none"><rect x="18" y="18" width="11" height="58"/><rect x="36" y="60" width="11" height="16"/>
<rect x="54" y="70" width="11" height="6"/></g><g fill="#d4620f" stroke="none"><rect x="96" y="46" width="11" height="30"/><rect x="114" y="52" width="11" height="24"/>
<rect x="132" y="57" width="11" height="19"/></g><path d="M72 40h16m-5-5 5 5-5 5"/></svg>"""

SLUG = "temperature-lab"
TEMPERATURES = tuple(round(0.1 * step, 1) for step in range(1, 31))
SHOWN = 10  # of the likeliest tokens; the rest together make one more bar
WRITTEN = 14  # tokens per continuation
CONTEXT = 96  # tokens of the text that the decoder reads: 128 positions less what it writes
SAMPLES = {
    "Agreement": "The keys near the boat",
    "A gift": "When Ada and Tom went to the park, Ada gave a ball to",
    "A sum": "7 + 5 =",
    "A place": "Sara went to the",
    "A list": "list: lamp river stone lamp river",
}
Written = list[tuple[str, float]]  # tokens with the probability each had when it was chosen
ORDERS = {"temperature-first": "temperature, then top-p", "top-p-first": "top-p, then temperature"}


@dataclass(frozen=True)
class Result:
    prompt: list[str]  # its tokens
    cut: bool  # did the text have more tokens than the decoder reads?
    temperature: float
    top_p: float
    logits: Tensor  # (V,)
    p: Tensor  # (V,) after temperature and top-p, in the chosen order
    order: str
    names: list[str]  # of the likeliest tokens at T = 1
    likeliest: Tensor  # their ids
    drawn: Tensor  # (draws,) token ids
    written: dict[str, Written]  # by how each token was chosen

    @property
    def entropy(self) -> float:
        return entropy(self.p).item()

    @property
    def alive(self) -> int:
        return int((self.p > 0).sum())


def compute(
    text: Annotated[str, Text(label="Text", limit=300, samples=SAMPLES, help="What the decoder reads before it chooses the next token.")] = SAMPLES[
        "Agreement"
    ],
    temperature: Annotated[float, Slider(0.1, 3.0, 0.1, label="Temperature T", help="Divides the logits: below 1 sharpens, above 1 flattens.")] = 1.0,
    top_p: Annotated[
        float, Slider(0.1, 1.0, 0.05, label="Top-p", help="Keep the likeliest tokens that together reach this share; 1 keeps all.")
    ] = 1.0,
    order: Annotated[str, Choice(ORDERS, label="Order", help="Only matters with top-p below 1.")] = "temperature-first",
    draws: Annotated[int, Stops(10, 30, 100, 300, 1000, 3000, label="Draws")] = 300,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    ids, z, likely = _read(text)
    p = chosen_from(z, temperature, top_p, order)
    likeliest = z.topk(SHOWN).indices
    written = {"always the likeliest": likely}
    for number in (seed, seed + 1):
        generator = torch.Generator().manual_seed(number)
        written[f"drawn at T = {numeral(temperature)}, seed {number}"] = _write(
            model, ids, lambda z: chosen_from(z, temperature, top_p, order), generator
        )
    return Result(
        prompt=[tokenizer.show(token) for token in ids],
        cut=len(tokenizer.encode(text)) > CONTEXT,
        temperature=temperature,
        top_p=top_p,
        logits=z,
        p=p,
        order=order,
        names=[tokenizer.show(token) for token in likeliest.tolist()],
        likeliest=likeliest,
        drawn=draw(p, torch.rand(draws, generator=torch.Generator().manual_seed(seed))),
        written=written,
    )


@functools.lru_cache(maxsize=64)
def _read(text: str) -> tuple[list[int], Tensor, Written]:
    """What does not depend on temperature: the tokens that are read, the logits after them, the likeliest way on."""
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    ids = (tokenizer.encode(text) or [tokenizer.end])[-CONTEXT:]
    with torch.inference_mode():
        z = model(torch.tensor([ids]))[0, -1].clone()
    return ids, z, _write(model, ids, probabilities, None)


def chosen_from(z: Tensor, temperature: float, top_p: float, order: str) -> Tensor:
    """The distribution that the draw comes from. Cutting after rescaling cuts the flattened curve; before, the model's own."""
    if order == "temperature-first":
        return probabilities(keep_nucleus(rescale(z, temperature), top_p))
    return probabilities(rescale(keep_nucleus(z, top_p), temperature))


def _write(model: Decoder, ids: list[int], choose: Callable[[Tensor], Tensor], generator: torch.Generator | None) -> Written:
    """WRITTEN further tokens and the probability of each when it was chosen; without a generator always the likeliest."""
    tokenizer, cache = checkpoints.load("toy_decoder").tokenizer, model.new_cache()
    written, feed = [], ids
    with torch.inference_mode():
        for _ in range(WRITTEN):
            p = choose(model(torch.tensor([feed]), cache=cache)[0, -1])
            token = int(p.argmax()) if generator is None else int(draw(p, torch.rand(1, generator=generator)))
            written.append((tokenizer.show(token), float(p[token])))
            feed = [token]
    return written


def figures(result: Result) -> dict[str, Any]:
    return {
        "The next token at every temperature": _sweep(result),
        "Entropy against temperature": _entropy(result),
        "The draw against its probabilities": _drawn(result),
        "What it writes like this": _written(result),
    }


def _others(p: Tensor, likeliest: Tensor) -> list[float]:
    shares = p[likeliest].tolist()
    return [*shares, max(1 - sum(shares), 0.0)]


def _sweep(result: Result) -> Swept:
    each = [chosen_from(result.logits, T, result.top_p, result.order) for T in TEMPERATURES]
    sentences = [
        f"At T = {T}: “{result.names[0].strip()}” has {numeral(p[result.likeliest[0]].item())}, the entropy is {numeral(entropy(p).item())} nats."
        for T, p in zip(TEMPERATURES, each)
    ]
    return Swept(
        name="Temperature",
        stops=TEMPERATURES,
        frames=np.array([[_others(p, result.likeliest)] for p in each]),
        kind="bars",
        x=[*(name.strip() or name for name in result.names), "others"],
        x_title="token, likeliest first",
        y_title="probability",
        says=sentences,
        start=TEMPERATURES.index(round(result.temperature, 1)),
        sets="temperature",
        height=260,
    )


def _entropy(result: Result) -> Any:
    curve = [entropy(chosen_from(result.logits, T, result.top_p, result.order)).item() for T in TEMPERATURES]
    most = math.log(len(result.logits))
    return lines(
        TEMPERATURES,
        {"entropy": curve},
        x_axis=axis("temperature"),
        y_axis=axis("entropy, nats", span=(0, most * 1.12)),
        markers=False,
        across=[(most, f"ln {len(result.logits):,} = {numeral(most)}: all tokens equal")],
        upright=[(result.temperature, f"T = {numeral(result.temperature)}")],
    )


def _drawn(result: Result) -> Any:
    shares = torch.bincount(result.drawn, minlength=len(result.p)).double() / len(result.drawn)
    labels = [f"{place}: {name.strip() or '␣'}" for place, name in enumerate(result.names, 1)]
    series = {"probability": _others(result.p, result.likeliest), "share drawn": _others(shares, result.likeliest)}
    return bars([*labels, "others"], series, x_axis=axis("token, likeliest first"), y_axis=axis("share"))


def _written(result: Result) -> TokenStrip:
    rows = [Strip("your text" + (f", its last {CONTEXT} tokens" if result.cut else ""), result.prompt)]
    for how, written in result.written.items():
        shares = [share for _, share in written]
        rows.append(Strip(how, [token for token, _ in written], values=shares, marks=[f"{share:.2f}" for share in shares]))
    return TokenStrip(rows, value_name="probability when chosen")


def facts(result: Result) -> dict[str, float]:
    top = result.likeliest[0]
    return {
        "temperature": result.temperature,
        "top-p": result.top_p,
        "top probability": result.p[top].item(),
        "plain top probability": probabilities(result.logits)[top].item(),
        "entropy": result.entropy,
        "most": math.log(len(result.logits)),
        "alive": result.alive,
        "draws": len(result.drawn),
        "different": len(result.drawn.unique()),
    }


def says(result: Result) -> str:
    top = result.likeliest[0]
    cut = f" and top-p {numeral(result.top_p)}, which leaves {numeral(result.alive)} tokens," if result.top_p < 1 else ""
    return (
        f"At temperature {numeral(result.temperature)}{cut} the likeliest token, “{result.names[0].strip()}”, has probability {numeral(result.p[top].item())} "
        f"(the model itself gives {numeral(probabilities(result.logits)[top].item())}); the entropy is {numeral(result.entropy)} of at most "
        f"{numeral(math.log(len(result.logits)))} nats, and {numeral(len(result.drawn))} draws gave {numeral(len(result.drawn.unique()))} different tokens."
    )


def _odds(result: Result) -> float:
    """Of the likeliest token against the second."""
    first, second_place = result.p[result.likeliest[:2]].tolist()
    return first / second_place


TRY = [
    Experiment(
        title="Cold, and still not greedy",
        settings={"temperature": 0.1},
        ask="After “The keys near the boat” four verbs lie close together (0.29, 0.24, 0.23, 0.23). At $T=0.1$, is the draw as good as always taking the "
        "likeliest?",
        options=(
            "Yes: 0.1 is as good as zero",
            "No: the likeliest gets about two thirds, others are still drawn",
            "No: nothing changes, temperature only adds noise",
        ),
        right=1,
        why="Temperature raises odds to the power $1/T$. Odds of 1.17 to the power 10 are about 4.9: the lead grows, but it grows from a small one. How cold "
        "is cold enough depends on how far apart the logits lie.",
        look="In the first picture two bars stand at the far left of the slider; in the third the draws hit both.",
        holds=lambda result: 0.6 < result.p.max().item() < 0.75 and len(result.drawn.unique()) > 1,
        tempting={
            0: "It would be for a large lead; here the two best differ by 0.16 in their logits.",
            2: "Temperature adds no noise at all: it reshapes.",
        },
    ),
    Experiment(
        title="Odds as a power",
        settings={"text": SAMPLES["A sum"], "temperature": 0.5},
        ask="After “7 + 5 =” the likeliest token leads the second by odds of about 83 at $T=1$. What are the odds at $T=0.5$?",
        options=("About 42: half", "About 170: twice", "About 7,000: squared"),
        right=2,
        why="$p_i/p_j=e^{(z_i-z_j)/T}$. Halving $T$ doubles the exponent, and doubling an exponent squares the odds: $83.5^2\\approx 7{,}000$.",
        look="The table behind the first picture has both columns; divide one by the other at 0.5 and at 1.",
        holds=lambda result: math.isclose(_odds(result), _plain_odds(result) ** 2, rel_tol=1e-3) and abs(_odds(result) - 7000) < 300,
        tempting={
            0: "The logits are divided, not the odds, and dividing by a number below 1 makes them larger.",
            1: "The logits double; odds live in the exponent.",
        },
    ),
    Experiment(
        title="Hot, but not uniform",
        settings={"text": SAMPLES["A gift"], "temperature": 2.0},
        ask="The decoder is sure that the ball goes to Tom ($p=0.95$). At $T=2$ the odds against each other token become their square roots. What does Tom keep?",
        options=("Nearly everything: 0.9", "About a half: a thousand small roots add up", "Less than 0.05: almost uniform"),
        right=1,
        why="Each single rival stays far behind, but there are 1,023 of them, and a root lifts small numbers most. This tail is what makes hot samples go "
        "astray, and what top-p cuts off.",
        look="The first picture at 2.0: the bar of the others has grown from nothing. Then set top-p to 0.75 and look at it again.",
        holds=lambda result: 0.4 < result.p[result.likeliest[0]].item() < 0.5,
        tempting={
            0: "True against any single rival, not against all of them together.",
            2: "Uniform is the limit at $T\\to\\infty$; 2 is far from it.",
        },
    ),
    Experiment(
        title="Which comes first?",
        settings={"text": SAMPLES["A sum"], "temperature": 2.0, "top_p": 0.9, "order": "top-p-first"},
        ask="$T=2$ and top-p 0.9 after “7 + 5 =”. Temperature first leaves dozens of tokens. How many are left when top-p cuts first?",
        options=("As many: both keep 0.9", "More", "Far fewer, about as many as at $T=1$"),
        right=2,
        why="Cut first, and the nucleus is that of the model's own sharp distribution; temperature then only reshapes what is left. Cut second, and the "
        "flattened curve needs many more tokens to reach 0.9. Libraries usually put temperature first.",
        look="The sentence above the pictures counts the tokens that are left; switch the order and count again.",
        holds=lambda result: result.alive * 4 <= _alive(result, "temperature-first") and result.alive == _alive_at_one(result),
        tempting={0: "Both keep 0.9, but 0.9 of different distributions.", 1: "Sharper distributions need fewer tokens to reach a share."},
    ),
]


def _plain_odds(result: Result) -> float:
    first, second_place = probabilities(result.logits)[result.likeliest[:2]].tolist()
    return first / second_place


def _alive(result: Result, order: str) -> int:
    return int((chosen_from(result.logits, result.temperature, result.top_p, order) > 0).sum())


def _alive_at_one(result: Result) -> int:
    return int((chosen_from(result.logits, 1.0, result.top_p, "temperature-first") > 0).sum())


def verify() -> list[Check]:
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

    rows = torch.stack([_read(text)[1] for text in SAMPLES.values()])

    def largest(ours: Any, theirs: Any) -> float:
        return max((ours(z) - theirs(z[None])[0]).abs().max().item() for z in rows)

    checks = [
        Check(
            f"probabilities at T = {T}", "transformers TemperatureLogitsWarper",
            largest(lambda z, T=T: probabilities(rescale(z, T)), lambda z, T=T: TemperatureLogitsWarper(T)(None, z).softmax(-1)), 1e-6,
        )
        for T in (0.1, 0.7, 2.5)
    ]  # fmt: skip
    checks += [
        Check(
            f"probabilities with top-p {share}", "transformers TopPLogitsWarper",
            largest(lambda z, share=share: probabilities(keep_nucleus(z, share)), lambda z, share=share: TopPLogitsWarper(share)(None, z).softmax(-1)), 1e-6,
        )
        for share in (0.3, 0.9)
    ]  # fmt: skip
    p = probabilities(rows)
    checks.append(
        Check(
            "entropy",
            "torch.distributions.Categorical",
            (entropy(p) - torch.distributions.Categorical(logits=rows).entropy()).abs().max().item(),
            1e-5,
        )
    )
    return checks


# Computed questions; what was drawn travels in settings["drawn"].


def ask_share(rng: random.Random) -> Question:
    while True:
        z = rng.sample([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], 3)
        T, at = rng.choice([0.5, 2.0, 3.0]), rng.randrange(3)
        logits = torch.tensor(z, dtype=torch.float64)
        right = probabilities(rescale(logits, T))[at].item()
        plain = probabilities(logits)
        mistakes = [
            Mistake("temperature-left-out", plain[at].item(), "This is the probability at $T=1$."),
            Mistake("multiplied", probabilities(logits * T)[at].item(), "This multiplies the logits by $T$; they are divided."),
            Mistake("divided-afterwards", plain[at].item() / T, "This divides the probability; the division belongs before the softmax."),
            Mistake("no-exponential", abs(z[at]) / sum(map(abs, z)), "This takes shares of the logits themselves, without the exponential."),
            Mistake("other-token", probabilities(rescale(logits, T))[(at + 1) % 3].item(), "This is another token's probability."),
        ]
        options = number_options(rng, right, "Divide, exponentiate, normalise.", mistakes)
        if options:
            break
    scaled = [value / T for value in z]
    raised = [math.exp(value) for value in scaled]
    return Question(
        form=Form.CHOICE,
        prompt=f"Three tokens have the logits $({', '.join(map(numeral, z))})$. At temperature $T={numeral(T)}$, what is the probability of token {at + 1}?",
        answer="Divide every logit by $T$, take the exponential, divide by the sum.",
        options=options,
        working=(
            f"divided by {numeral(T)}: {', '.join(map(numeral, scaled))}",
            f"exponentials: {', '.join(map(numeral, raised))}, together {numeral(sum(raised))}",
            f"{numeral(raised[at])} / {numeral(sum(raised))} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"temperature": T, "drawn": [z, T, at]},
        level=1,
    )


def second_share(question: Question) -> float:
    """torch.distributions, from logits that are scaled on the way in."""
    z, T, at = question.settings["drawn"]
    return torch.distributions.Categorical(logits=torch.tensor(z, dtype=torch.float64) / T).probs[at].item()


def ask_odds(rng: random.Random) -> Question:
    while True:
        odds, T = rng.choice([2.0, 3.0, 4.0, 5.0, 9.0, 16.0]), rng.choice([0.2, 0.5, 2.0, 2.5])
        z = torch.tensor([math.log(odds), 0.0], dtype=torch.float64)
        p = probabilities(rescale(z, T))
        right = (p[0] / p[1]).item()
        mistakes = [
            Mistake("power-of-T", odds**T, "This raises the odds to the power $T$; the power is $1/T$."),
            Mistake("divided-the-odds", odds / T, "This divides the odds; it is the logits, their logarithms, that are divided."),
            Mistake("multiplied-the-odds", odds * T, "This multiplies the odds by $T$."),
            Mistake("unchanged", odds, "Only the order of the tokens is unchanged, not their odds."),
            Mistake("added", odds + 1 / T, "This adds where a power is taken."),
        ]
        options = number_options(rng, right, "The odds to the power $1/T$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"At $T=1$ token A is {numeral(odds)} times as likely as token B. How many times as likely is it at $T={numeral(T)}$?",
        answer="$p_A/p_B=e^{(z_A-z_B)/T}$ is the odds at $T=1$ to the power $1/T$.",
        options=options,
        working=(f"${numeral(odds)}^{{1/{numeral(T)}}}={numeral(odds)}^{{{numeral(1 / T)}}}={numeral(right)}$",),
        lab=SLUG,
        settings={"temperature": T, "drawn": [odds, T]},
        level=2,
    )


def second_odds(question: Question) -> float:
    """The power by itself, without a softmax."""
    odds, T = question.settings["drawn"]
    return odds ** (1 / T)


def ask_picture(rng: random.Random) -> Question:
    """Which of four pictures shows these logits at this temperature?"""
    while True:
        z = rng.sample([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0], 4)
        T = rng.choice([0.5, 2.0, 3.0])
        logits = torch.tensor(z, dtype=torch.float64)
        shown = {
            "": probabilities(rescale(logits, T)),
            "temperature-left-out": probabilities(logits),
            "multiplied": probabilities(logits * T),
            "taken-for-greedy": torch.nn.functional.one_hot(logits.argmax(), len(z)).double(),
        }
        drawn = list(shown.values())
        if all((one - other).abs().sum() > 0.15 for at, one in enumerate(drawn) for other in drawn[:at]):
            break
    whys = {
        "": "The logits are divided, then come the exponentials.",
        "temperature-left-out": "This is $T=1$: the logits as they are.",
        "multiplied": "This multiplies the logits by $T$; they are divided.",
        "taken-for-greedy": "All on one token: that is the limit $T\\to 0$, not this temperature.",
    }
    options = [Option(bar_picture(p.tolist()), right=not name, why=whys[name], mistake=name) for name, p in shown.items()]
    return Question(
        form=Form.CHOICE,
        prompt=f"Four tokens have the logits $({', '.join(map(numeral, z))})$. Which picture shows their probabilities at $T={numeral(T)}$, in percent?",
        answer="Below 1 the likeliest gains, above 1 all draw together; their order stays.",
        options=tuple(rng.sample(options, len(options))),
        working=(f"divided by {numeral(T)}: {', '.join(numeral(value / T) for value in z)}",),
        lab=SLUG,
        settings={"temperature": T, "drawn": [z, T]},
        level=2,
    )


def second_picture(question: Question) -> str:
    """By plain powers: the share of a token is its exponential's T-th root over the sum of all."""
    z, T = question.settings["drawn"]
    roots = [math.exp(value) ** (1 / T) for value in z]
    return bar_picture([root / sum(roots) for root in roots])


questions = {"share-at-temperature": ask_share, "odds-at-temperature": ask_odds, "which-picture": ask_picture}
second = {"share-at-temperature": second_share, "odds-at-temperature": second_odds, "which-picture": second_picture}
