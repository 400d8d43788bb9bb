"""Distance biases compared

The plainest way to tell attention about distance is to add a number to every score. **ALiBi** fixes it: head $h$ of $H$ subtracts
$m_h(i-j)$, with $m_h=2^{-8h/H}$ (for $H$ a power of two). **T5** learns it: one number per head and bucket of distances, small distances each with a
bucket of their own, larger ones sharing wider and wider buckets, and everything beyond a largest distance in the last.

Both run here inside the same small decoder (2 layers of 4 heads, letters of a toy world), trained on 32 letters at a time and
then read with longer texts. Choose a method and look at its lines, at the attention that results, and at the loss beyond 32.

What to look for: what does each method say of a distance that training never met? How much attention then goes further back than the trained length,
and what does that cost? And what number stands in a bucket that training never filled?

The trained T5 bias has 16 buckets here, 8 of them exact, and a largest distance of 16 or, for the experiment, 128; T5 itself has 32 and 128, and texts of
512. Sharing one table among the layers is T5's way too.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints, toy_world
from models.alibi import alibi_bias, slopes
from models.attention import scaled_dot_product
from models.positioned_decoder import UNSTRETCHED, PositionedDecoder
from models.relative_buckets import bucket
from screens.labs import Check, Choice, Experiment, Mistake, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, lines
from screens.labs.pictures import AttentionView

TOPIC = "relative-position-bias"
REFERENCE = (
    "transformers build_alibi_tensor (BLOOM) and T5Attention._relative_position_bucket; F.scaled_dot_product_attention with the bias as its mask"
)
MECHANISM = (slopes, alibi_bias, bucket, PositionedDecoder.placing)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 8v70h136" opacity=".45"/>
<path d="M14 14 150 26M14 14 150 46M14 14 96 76" stroke="#1f77c9" stroke-width="3"/>
<path d="M14 22h8v8h8v7h10v8h16v8h22v8h72" stroke="#d4620f" stroke-width="4"/></svg>"""

SLUG = "alibi-t5-bias"
TRAINED = 32
LENGTHS = (32, 64, 128, 256)
LONGEST = 48  # letters of the typed text that are read
FAR = {16: "t5_32", 128: "t5_32_far"}  # largest distance -> the model trained with it
BUCKETS = 16
METHODS = {"alibi": "ALiBi", "t5": "T5 buckets"}
HEADS = 4  # of the trained models
SAMPLES = {
    "A list twice": "list: lamp river stone lamp river stone",
    "A gift": "ada gave a ball to tom. tom thanked ada.",
    "A sum": "sums: 7 + 5 = 12; 3 + 4 = 7; 9 - 2 =",
    "Brackets": "brackets: ( [ { } ] ) < >",
}


@dataclass(frozen=True)
class Result:
    method: str
    heads: int
    buckets: int
    farthest: int
    length: int
    distance: Tensor  # (length,)
    bias: Tensor  # (heads, length): what is added at each distance
    number: Tensor  # (length,): the bucket of each distance under the chosen buckets
    tokens: list[str]
    cut: bool
    weights: np.ndarray  # (2, 4, T, T) of the trained model on the typed text
    reach: dict[str, Tensor]  # method -> (length,): share of attention at this distance or beyond, of the last letters of a long text
    loss: dict[str, list[float]]  # by model, one value per quarter of the trained length

    @property
    def run(self) -> str:
        return run_of(self.method, self.farthest)

    def mean_loss(self, run: str, first: int, last: int) -> float:
        """Over positions from `first` to `last`."""
        step = TRAINED // 4
        part = self.loss[run][first // step : last // step]
        return sum(part) / len(part)

    def within(self, run: str) -> float:
        """The second half of the trained length: the first letters of a line are always hard."""
        return self.mean_loss(run, TRAINED // 2, TRAINED)

    def beyond(self, run: str) -> float:
        """The last quarter of the test length."""
        return self.mean_loss(run, self.length * 3 // 4, self.length)

    def far_share(self, method: str) -> float:
        """Attention further back than the trained length."""
        return self.reach[method][TRAINED].item() if self.length > TRAINED else 0.0


def compute(
    method: Annotated[str, Choice(METHODS, label="Method", help="Whose lines and attention are shown.")] = "alibi",
    heads: Annotated[int, Stops(2, 4, 6, 8, 16, label="ALiBi: heads", help="They share out the slopes. The trained models have 4.")] = 4,
    buckets: Annotated[int, Stops(8, 16, 32, label="T5: buckets", help="Half of them exact. The trained models have 16.")] = 16,
    farthest: Annotated[int, Stops(*FAR, label="T5: largest distance", help="Everything from here on shares the last bucket.")] = 16,
    length: Annotated[int, Stops(*LENGTHS, label="Test length", help="Letters; the models were trained on 32 at a time.")] = 256,
    text: Annotated[str, Text(label="Text", limit=300, samples=SAMPLES, help="Read as small letters; the first 48 are shown.")] = SAMPLES[
        "A list twice"
    ],
) -> Result:
    tokenizer = checkpoints.load("lengths").tokenizer
    typed = tokenizer.encode(text) or [tokenizer.number["\n"]]
    distance = torch.arange(length)
    farthest_here = max(farthest, buckets // 2 + 1)  # there must be room for wide buckets
    return Result(
        method=method,
        heads=heads if method == "alibi" else HEADS,
        buckets=buckets,
        farthest=farthest,
        length=length,
        distance=distance,
        bias=alibi_bias(heads, 1, length)[:, 0].flip(-1) if method == "alibi" else _learned(farthest, length),
        number=bucket(-distance, buckets, farthest_here, causal=True),
        tokens=[tokenizer.show(token) for token in typed[:LONGEST]],
        cut=len(typed) > LONGEST,
        weights=_look(run_of(method, farthest), tuple(typed[:LONGEST])),
        reach={name: _reach(run_of(name, farthest), length) for name in METHODS},
        loss={run: figures_of(run)["none"]["text"] for run in ("alibi_32", "t5_32", "t5_32_far", "sinusoidal_32")},
    )


def run_of(method: str, farthest: int) -> str:
    return "alibi_32" if method == "alibi" else FAR[farthest]


def figures_of(run: str) -> dict[str, Any]:
    return checkpoints.load("lengths").card["figures"][run]


def _model(run: str) -> PositionedDecoder:
    return checkpoints.load("lengths").model[run]


def _learned(farthest: int, length: int) -> Tensor:
    """(4, length): the numbers that T5's table gives to each distance."""
    return _model(FAR[farthest]).bias(1, length)[:, 0].flip(-1)


@functools.lru_cache(maxsize=64)
def _look(run: str, tokens: tuple[int, ...]) -> np.ndarray:
    _, weights = _model(run).look(torch.tensor([tokens]))
    return torch.cat(weights).half().numpy()  # (L, H, T, T)


@functools.lru_cache(maxsize=32)
def _reach(run: str, length: int) -> Tensor:
    """Mean over layers, heads and the last 8 letters of a held-out text: how much attention goes this far back or further."""
    _, weights = _model(run).look(_held_out()[:length][None])
    last = torch.cat(weights)[:, :, -8:]  # (L, H, 8, T)
    here = torch.arange(length - 8, length)[:, None] - torch.arange(length)  # distance of every key from these queries
    return torch.stack([(last * (here >= d)).sum(-1).mean() for d in range(length)])


@functools.cache
def _held_out() -> Tensor:
    tokenizer = checkpoints.load("lengths").tokenizer
    return torch.tensor(tokenizer.encode("\n".join(toy_world.documents(7, 12))))


def figures(result: Result) -> dict[str, Any]:
    return {
        "What is added to a score": _bias(result),
        "Which distances share a number": _buckets(result),
        "The attention that comes of it": AttentionView(result.tokens, result.weights, causal=True, head=(0, 0)),
        "How far back attention goes": _reaches(result),
        "Loss beyond the trained length": _losses(result),
    }


def _names(result: Result) -> list[str]:
    if result.method == "alibi":
        return [f"slope {numeral(m)}" for m in slopes(result.heads).tolist()]
    return [f"head {head}" for head in range(HEADS)]


def _bias(result: Result) -> Any:
    names = _names(result)
    shown = sorted({round(at) for at in np.linspace(0, len(names) - 1, min(len(names), 8))})
    return lines(
        result.distance.numpy(),
        {names[at]: result.bias[at].numpy() for at in shown},
        x_axis=axis("distance of the key"),
        y_axis=axis("bias", span=(-12, 4) if result.method == "alibi" else None),
        markers=False,
        upright=[(TRAINED, "trained length")] if result.length > TRAINED else [],
    )


def _buckets(result: Result) -> Any:
    series = {"T5's bucket": result.number.numpy(), "ALiBi: each its own": result.distance.numpy()}
    made = lines(
        result.distance.numpy() + 1,
        series,
        x_axis=axis("distance + 1", log=True, ticks={1: "1", 10: "10", 100: "100"}),
        y_axis=axis("number of the bucket", span=(0, result.buckets * 1.1)),
        markers=False,
        strong="T5's bucket",
        across=[(result.buckets - 1, "the last bucket")],
    )
    made.data[0].line.shape = "hv"  # stairs: a bucket is one number
    return made


def _reaches(result: Result) -> Any:
    series = {METHODS[name]: reach.numpy() for name, reach in result.reach.items()}
    return lines(
        result.distance.numpy(), series, x_axis=axis("distance"), y_axis=axis("share of attention this far or further", span=(0, 1.02)), markers=False,
        strong=METHODS[result.method], upright=[(TRAINED, "trained length")] if result.length > TRAINED else [],
    )  # fmt: skip


LOSS_NAMES = {"alibi_32": "ALiBi", "t5_32": "T5, up to 16", "t5_32_far": "T5, up to 128", "sinusoidal_32": "sinusoidal"}


def _losses(result: Result) -> Any:
    bins = result.length * 4 // TRAINED
    at = (np.arange(bins) + 0.5) * TRAINED / 4
    series = {name: result.loss[run][:bins] for run, name in LOSS_NAMES.items()}
    return lines(
        at, series, x_axis=axis("position of the letter"), y_axis=axis("nats per letter", span=(0, 6)), strong=LOSS_NAMES[result.run],
        upright=[(TRAINED, "trained length")],
    )  # fmt: skip


def facts(result: Result) -> dict[str, float]:
    made = {
        "length": result.length,
        "trained": TRAINED,
        "within": result.within(result.run),
        "beyond": result.beyond(result.run),
        "share beyond the trained length": 100 * result.far_share(result.method),
    }
    if result.method == "alibi":
        m = slopes(result.heads)
        return made | {
            "heads": result.heads,
            "steepest": m.max().item(),
            "gentlest": m.min().item(),
            "penalty": m.min().item() * (result.length - 1),
            "distance": result.length - 1,
        }
    return made | {"buckets": BUCKETS, "exact": BUCKETS // 2, "last from": _last_from(result.farthest)}


def _last_from(farthest: int) -> int:
    """The first distance in the last bucket of the trained table."""
    numbers = bucket(-torch.arange(farthest + 1), BUCKETS, farthest, causal=True)
    return int((numbers == BUCKETS - 1).nonzero()[0])


def says(result: Result) -> str:
    if result.method == "alibi":
        m = slopes(result.heads)
        rule = (
            f"ALiBi with {result.heads} heads has slopes from {numeral(m.max().item())} down to {numeral(m.min().item())}; at distance {result.length - 1} the gentlest takes "
            f"{numeral(m.min().item() * (result.length - 1))} off a score"
        )
    else:
        rule = f"T5's {BUCKETS} buckets tell {BUCKETS // 2} distances apart exactly, and everything from {_last_from(result.farthest)} on shares one learned number"
    loss = f"{numeral(result.within(result.run))} nats per letter at the end of the trained {TRAINED}"
    if result.length == TRAINED:
        return f"{rule}. The trained model needs {loss}."
    return (
        f"{rule}. The trained model needs {loss} and {numeral(result.beyond(result.run))} at the end of {result.length}, where {numeral(100 * result.far_share(result.method))} percent "
        "of its attention goes further back than it was trained on."
    )


TRY = [
    Experiment(
        title="Eight times the trained length",
        settings={"method": "alibi", "length": 256},
        ask="Trained on 32 letters, read with 256. Sinusoids are lost at once (the last line of the last picture). What does ALiBi's loss do?",
        options=("It climbs as steeply", "It stays nearly flat", "It falls to half: eight times the context"),
        right=1,
        why="The penalty is defined at any distance and makes every further key fainter, so most of the attention at letter 250 falls where it fell in training. The gentler a head's slope, the further back it can look. That longer context does no "
        "harm is not to say that it is used: a window over the last letters would look the same.",
        look="Last picture: ALiBi's line against the one for sinusoids. Fourth picture: more than half of its attention lies within the trained length, and far less of T5's.",
        holds=lambda result: (
            result.beyond("alibi_32") - result.within("alibi_32") < 0.4
            and result.beyond("sinusoidal_32") - result.within("sinusoidal_32") > 1.5
            and result.far_share("alibi") < 0.45 < 0.55 < result.far_share("t5")
        ),
        tempting={0: "It would if far keys counted as much as near ones.", 2: "Near letters decide nearly everything in this text."},
    ),
    Experiment(
        title="To T5, far is far",
        settings={"method": "t5", "length": 256},
        ask="Two keys with the same content stand 40 and 200 letters back. The trained T5 bias has 16 buckets up to distance 16. Which gets more attention?",
        options=("The nearer", "The farther, as its bucket is wider", "Both the same: they share one number"),
        right=2,
        why="Beyond the largest distance all offsets fall into the last bucket. The bias says *far*, and not how far. With the length grows the number of keys there, and each keeps its "
        "weight: together they take more than they ever did in training.",
        look="First picture: flat from the last bucket on. Fourth: T5's line falls off far more slowly than ALiBi's.",
        holds=lambda result: bool((result.bias[:, 40] == result.bias[:, 200]).all()) and result.far_share("t5") > result.far_share("alibi"),
        tempting={0: "That is ALiBi: its line goes on.", 1: "A bucket holds one number, however wide it is."},
    ),
    Experiment(
        title="Buckets that training never filled",
        settings={"method": "t5", "farthest": 128, "length": 256},
        ask="Give the buckets room to 128, and train on 32 letters as before: the outer buckets are never met. What happens beyond 32, compared with a largest distance of 16?",
        options=("It is better: far distances are told apart", "It makes no difference", "It is worse: their numbers were never learned"),
        right=2,
        why="A number that no training example touches stays where it started, near 0, while the numbers for distances that were met have moved. A bias of about 0 is no whisper: next to learned "
        "biases it can be loud. Distances must be met in training, or share a bucket with one that was.",
        look="First picture: the lines jump near the trained length. Last picture: the line for T5 up to 128 stands above the one for 16.",
        holds=lambda result: result.beyond("t5_32_far") > result.beyond("t5_32") + 0.2,
        tempting={
            0: "They have numbers of their own, and nobody has ever corrected these.",
            1: "Within the trained length, hardly; beyond it the untouched buckets come into play.",
        },
    ),
    Experiment(
        title="More heads, gentler slopes?",
        settings={"method": "alibi", "heads": 16, "length": 256},
        ask="ALiBi's gentlest slope is $2^{-8}$ with 4 heads. With 16 heads?",
        options=("$2^{-8}$ again", "$2^{-32}$", "$2^{-16}$"),
        right=0,
        why="$m_h=2^{-8h/H}$: the last head has $h=H$, whatever power of two $H$ is. More heads fill the range from 1 to $2^{-8}$ more densely and do not look further.",
        look="First picture: the flattest line takes less than 1 off at distance 255, as with 4 heads.",
        holds=lambda result: math.isclose(slopes(16).min().item(), 2**-8) and math.isclose(slopes(4).min().item(), 2**-8),
        tempting={1: "The exponent is a share of 8, not 2 more per head.", 2: "That would be $-h$; the exponent is $-8h/H$."},
    ),
]


def verify() -> list[Check]:
    """Slopes, buckets, and whole attentions with each bias."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.t5.modeling_t5 import T5Attention

    generator = torch.Generator().manual_seed(0)
    checks = []
    for heads in (4, 6, 8, 16, 20):
        theirs = build_alibi_tensor(torch.ones(1, 64), heads, torch.float32)[:, 0]  # slope times position of the key
        ours = alibi_bias(heads, 1, 64)[:, 0] - alibi_bias(heads, 1, 64)[:, 0, :1]  # a row may differ by a constant: softmax does not see it
        checks.append(
            Check(
                f"ALiBi, {heads} heads", "transformers build_alibi_tensor (BLOOM)", (ours - theirs).abs().max().item(), 0 if heads in (4, 8) else 1e-5
            )
        )
    offset = torch.arange(-300, 301)
    for causal, buckets, farthest in ((True, 32, 128), (False, 32, 128), (True, 16, 16), (False, 16, 64)):
        theirs = T5Attention._relative_position_bucket(offset, bidirectional=not causal, num_buckets=buckets, max_distance=farthest)
        different = int((bucket(offset, buckets, farthest, causal=causal) != theirs).sum())
        kind = "causal" if causal else "both directions"
        checks.append(Check(f"buckets of 601 offsets that differ, {kind}, {buckets} up to {farthest}", "transformers T5Attention", different, 0))
    q, k, v = torch.randn(3, 1, HEADS, 64, 12, generator=generator)
    for run in ("alibi_32", "t5_32"):
        placing = _model(run).placing(64, UNSTRETCHED)
        bias = placing.bias.masked_fill(~placing.allowed, -math.inf)
        theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        difference = (scaled_dot_product(q, k, v, bias)[0] - theirs).abs().max().item()
        checks.append(Check(f"attention with the bias of {run}", "F.scaled_dot_product_attention", difference, 1e-6))
    return checks


# Computed questions; what was drawn travels in settings["drawn"].


def ask_penalty(rng: random.Random) -> Question:
    while True:
        heads = rng.choice((4, 8, 16))
        h, distance = rng.randint(1, heads), rng.choice((10, 20, 64, 100, 500, 1000, 4000))
        m = slopes(heads)[h - 1].item()
        right = m * distance
        mistakes = [
            Mistake("power-of-the-head", 2.0**-h * distance, "The exponent is $-8h/H$; this is $-h$, right for 8 heads only."),
            Mistake("counted-from-nought", 2 ** (-8 * (h - 1) / heads) * distance, "Heads are counted from 1: the first slope is $2^{-8/H}$, not 1."),
            Mistake("turned-round", 2 ** (-8 * (heads + 1 - h) / heads) * distance, "This counts the heads from the gentle end."),
            Mistake("linear-slopes", (1 - h / (heads + 1)) * distance, "Slopes make a geometric series, not an arithmetic one."),
            Mistake("slope-only", m, "This is the slope; it is multiplied by the distance."),
        ]
        options = number_options(rng, right, "$2^{-8h/H}$ times the distance.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"ALiBi with {heads} heads: how much does head {h} (counted from 1) take off the score of a key {distance:,} tokens back?",
        answer="The slope $m_h=2^{-8h/H}$ times the distance.",
        options=options,
        working=(f"$m_{{{h}}}=2^{{-8\\cdot{h}/{heads}}}={numeral(m)}$", f"${numeral(m)}\\cdot{distance}={numeral(right)}$"),
        lab=SLUG,
        settings={"method": "alibi", "heads": heads, "drawn": [heads, h, distance]},
        level=1,
    )


def second_penalty(question: Question) -> float:
    """Slope by slope: each is the one before times the first."""
    heads, h, distance = question.settings["drawn"]
    slope = 1.0
    for _ in range(h):
        slope *= 0.5 ** (8 / heads)
    return slope * distance


def ask_bucket(rng: random.Random) -> Question:
    while True:
        causal = rng.random() < 0.5
        buckets, farthest = rng.choice(((32, 128), (16, 64), (32, 256), (16, 128)))
        side = buckets if causal else buckets // 2
        exact, distance = side // 2, rng.randint(1, 200)
        right = int(bucket(torch.tensor(-distance), buckets, farthest, causal=causal))
        share = math.log(max(distance, exact) / exact) / math.log(farthest / exact)
        other_side = buckets // 2 if causal else buckets
        mistakes = [
            Mistake("distance-itself", distance, "Only the first half of the buckets holds one distance each."),
            Mistake("forgot-the-exact", math.floor(share * (side - exact)), "The wide buckets come after the exact ones: their number is added."),
            Mistake(
                "other-direction",
                int(bucket(torch.tensor(-distance), other_side, farthest, causal=True)),
                "A causal decoder spends all buckets on the past, an encoder half of them.",
            ),
            Mistake(
                "evenly-wide",
                min(exact + math.floor((distance - exact) / (farthest - exact) * (side - exact)), side - 1),
                "The buckets widen logarithmically, not evenly.",
            ),
            Mistake("last-bucket", side - 1, "The last bucket begins near the largest distance."),
            Mistake("one-further", right + 1, "The logarithm is rounded down."),
        ]
        options = number_options(rng, right, "Exact below half the buckets, logarithmic above.", [each for each in mistakes if each.value >= 0])
        if options and distance > exact:
            break
    kind = "causal decoder, all buckets looking back" if causal else "encoder, half of the buckets for each direction"
    return Question(
        form=Form.CHOICE,
        prompt=f"T5's position bias with {buckets} buckets and a largest distance of {farthest} ({kind}; buckets counted from 0): into which bucket falls a key {distance} places "
        "before the query?",
        answer="Half of a direction's buckets are exact; the others widen logarithmically up to the largest distance.",
        options=options,
        working=(
            f"buckets for this direction: {side}, of which {exact} are exact",
            f"${exact}+\\lfloor{side - exact}\\cdot\\ln({distance}/{exact})/\\ln({farthest}/{exact})\\rfloor={right}$"
            + (f", at most {side - 1}" if share >= 1 else ""),
        ),
        lab=SLUG,
        settings={"method": "t5", "drawn": [causal, buckets, farthest, distance]},
        level=2,
    )


def second_bucket(question: Question) -> float:
    """By the edges: the bucket a distance falls into is the number of edges at or below it."""
    causal, buckets, farthest, distance = question.settings["drawn"]
    side = buckets if causal else buckets // 2
    exact = side // 2
    edges = [*range(1, exact), *(exact * (farthest / exact) ** (step / (side - exact)) for step in range(side - exact))]
    return sum(distance >= edge * (1 - 1e-6) for edge in edges)


def ask_weight(rng: random.Random) -> Question:
    while True:
        m, near, far = rng.choice((0.5, 0.25, 0.0625, 0.125)), rng.randint(0, 4), rng.randint(5, 24)
        lead = rng.choice((0, 0, 1, 2))  # by how much the far key matches better
        scores = torch.tensor([0.0, float(lead)], dtype=torch.float64)
        penalties = m * torch.tensor([near, far], dtype=torch.float64)

        def far_weight(s: Tensor) -> float:
            return torch.softmax(s, dim=0)[1].item()

        right = far_weight(scores - penalties)
        mistakes = [
            Mistake("added-the-penalty", far_weight(scores + penalties), "The penalty is taken off: this favours the far key."),
            Mistake("no-bias", far_weight(scores), "This leaves the bias out."),
            Mistake("near-key", 1 - right, "This is the weight of the near key."),
            Mistake("penalty-on-the-far-only", far_weight(scores - penalties * torch.tensor([0, 1])), "The near key pays for its distance too."),
            Mistake("after-the-softmax", max(far_weight(scores) - m * far, 0.0), "The bias is added to the scores, before the softmax."),
        ]
        options = number_options(rng, right, "Penalties off the scores, then the softmax.", mistakes)
        if options and right > 0.005:
            break
    better = f"; the far key matches better, by {lead} in the score" if lead else " and match it equally well"
    return Question(
        form=Form.CHOICE,
        prompt=f"In a head with ALiBi slope {numeral(m)}, two keys stand {near} and {far} places before the query{better}. What weight does the far key get?",
        answer="Take slope times distance off each score, then the softmax.",
        options=options,
        working=(
            f"near: $0-{numeral(m)}\\cdot{near}={numeral(-m * near)}$; far: ${lead}-{numeral(m)}\\cdot{far}={numeral(lead - m * far)}$",
            f"$1/(1+e^{{{numeral(lead_gap(m, near, far, lead))}}})={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"method": "alibi", "drawn": [m, near, far, lead]},
        level=2,
    )


def lead_gap(m: float, near: int, far: int, lead: int) -> float:
    """By how much the near key's biased score lies above the far one's."""
    return m * (far - near) - lead


def second_weight(question: Question) -> float:
    """torch's own attention with the bias as its mask; the identity as values gives the weights."""
    m, near, far, lead = question.settings["drawn"]
    q, k = torch.tensor([[[1.0]]], dtype=torch.float64), torch.tensor([[[0.0], [lead]]], dtype=torch.float64)
    bias = torch.tensor([[[-m * near, -m * far]]], dtype=torch.float64)
    return F.scaled_dot_product_attention(q, k, torch.eye(2, dtype=torch.float64)[None], attn_mask=bias, scale=1.0)[0, 0, 1].item()


questions = {"penalty": ask_penalty, "bucket-of-a-distance": ask_bucket, "weight-of-a-far-key": ask_weight}
second = {"penalty": second_penalty, "bucket-of-a-distance": second_bucket, "weight-of-a-far-key": second_weight}
