"""Cut the tail at k

Top-k sampling keeps the $k$ likeliest tokens, divides their probabilities by what they hold together, and draws. What is cut
is the tail: hundreds of tokens, each unlikely, together often likely enough to derail a text within a few words.

A fixed $k$ knows nothing of the distribution it cuts. Here the same $k$ meets the real logits of a small decoder in five
contexts (its world is made of gifts, lists, sums and brackets): after a decided text nearly everything that $k=20$ keeps is
rubbish, after an open one most of what it cuts is fine. Top-p ([the visualizer](/labs?lab=top-p-lab)) stands beside it: it
fixes the share and lets the count follow.

Temperature comes first here, as in common libraries. Tokens that tie with the $k$-th are kept too, as transformers does;
then more than $k$ can be left.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.nucleus import keep_nucleus
from models.temperature import draw, entropy, probabilities, rescale
from models.top_k import keep_top
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Swept

TOPIC = "top-k-sampling"
REFERENCE = "transformers TopKLogitsWarper and TemperatureLogitsWarper; a chi-squared test of the draws"
MECHANISM = (keep_top, keep_nucleus, rescale, draw)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M10 78h140" opacity=".45"/><g fill="#1f77c9" stroke="none"><rect x="14" y="14" width="9" height="62"/><rect x="26" y="70" width="9" height="6"/>
<rect x="38" y="73" width="9" height="3"/></g><g fill="#0f9d77" stroke="none"><rect x="90" y="48" width="9" height="28"/><rect x="102" y="50" width="9" height="26"/>
<rect x="114" y="51" width="9" height="25"/></g><g fill="#7a7f87" stroke="none" opacity=".55"><rect x="126" y="52" width="9" height="24"/>
<rect x="138" y="53" width="9" height="23"/></g><path d="M50 10v70M124 10v70" stroke="#d4620f" stroke-width="3" stroke-dasharray="5 4"/></svg>"""

SLUG = "top-k-lab"
VOCABULARY = 1024
KS = (1, 2, 3, 4, 5, 10, 20, 30, 50, 100, 200, 500, VOCABULARY)
SHOWN = 20
TEXTS = {
    "gift": "When Ada and Tom went to the park, Ada gave a ball to",
    "verb": "The keys near the boat",
    "bracket": "( [ {",
    "place": "When Ada and Tom went to the",
    "list": "list: lamp",
}
CONTEXTS = {
    "gift": "decided: … Ada gave a ball to",
    "verb": "four verbs: The keys near the boat",
    "bracket": "brackets: ( [ {",
    "place": "a place: … went to the",
    "list": "wide open: list: lamp",
    "peaked": "made up: peaked",
    "flat": "made up: flat",
}
SHORT = {"gift": "decided", "verb": "four verbs", "bracket": "brackets", "place": "a place", "list": "wide open", "peaked": "peaked", "flat": "flat"}


@dataclass(frozen=True)
class Result:
    context: str
    k: int
    top_p: float
    names: list[str]
    likeliest: Tensor  # (SHOWN,) their ids
    p: Tensor  # (V,) after temperature
    kept: Tensor  # (V,) after temperature and top-k
    drawn: Tensor  # (draws,)
    all: dict[str, Tensor]  # context -> (V,) probabilities after temperature

    @property
    def alive(self) -> int:
        return int((self.kept > 0).sum())

    @property
    def mass(self) -> float:
        return self.p[self.kept > 0].sum().item()

    def mass_in(self, context: str) -> float:
        """What k keeps elsewhere."""
        return self.all[context].sort(descending=True).values[: self.k].sum().item()

    def nucleus_in(self, context: str) -> int:
        return int((keep_nucleus(self.all[context].log(), self.top_p) > -math.inf).sum())


def compute(
    k: Annotated[int, Stops(*KS, label="k", help="How many tokens are kept.")] = 20,
    context: Annotated[str, Choice(CONTEXTS, label="Context", help="Whose next token: five texts, and two made-up distributions.")] = "place",
    temperature: Annotated[float, Slider(0.1, 3.0, 0.1, label="Temperature", help="Divides the logits, before the cut.")] = 1.0,
    top_p: Annotated[float, Slider(0.05, 0.95, 0.05, label="Top-p to compare with", help="A cut that adapts, beside the one that does not.")] = 0.9,
    draws: Annotated[int, Stops(10, 30, 100, 300, 1000, 3000, 10000, label="Draws")] = 1000,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    z = {name: rescale(_logits(name), temperature) for name in CONTEXTS}
    kept = probabilities(keep_top(z[context], k))
    likeliest = z[context].topk(SHOWN).indices
    return Result(
        context=context,
        k=k,
        top_p=top_p,
        names=[_name(context, token) for token in likeliest.tolist()],
        likeliest=likeliest,
        p=probabilities(z[context]),
        kept=kept,
        drawn=draw(kept, torch.rand(draws, generator=torch.Generator().manual_seed(seed))),
        all={name: probabilities(each) for name, each in z.items()},
    )


@functools.cache
def _logits(context: str) -> Tensor:
    """(V,) after a text; or logits that fall off from token to token, fast or hardly at all."""
    ranks = torch.arange(VOCABULARY, dtype=torch.float32)
    if context == "peaked":
        return -1.5 * ranks.clamp(max=8) - 0.002 * ranks
    if context == "flat":
        return -0.002 * ranks
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    with torch.inference_mode():
        return model(torch.tensor([tokenizer.encode(TEXTS[context])]))[0, -1].clone()


def _name(context: str, token: int) -> str:
    return checkpoints.load("toy_decoder").tokenizer.show(token).strip() or "␣" if context in TEXTS else f"no. {token + 1}"


def figures(result: Result) -> dict[str, Any]:
    return {
        "Before the cut and after it, for every k": _sweep(result),
        "How much mass k tokens hold": _curves(result),
        "The same k keeps different shares": _masses(result),
        "Top-p adapts its count, top-k does not": _counts(result),
        "The draw against its probabilities": _drawn(result),
    }


def _with_others(p: Tensor, likeliest: Tensor) -> list[float]:
    shares = p[likeliest].tolist()
    return [*shares, max(1 - sum(shares), 0.0)]


def _sweep(result: Result) -> Swept:
    each = [probabilities(keep_top(result.p.log(), k)) for k in KS]
    before = _with_others(result.p, result.likeliest)
    sentences = [
        f"k = {k}: the kept tokens held {numeral(result.p[p > 0].sum().item())} and hold everything now; entropy {numeral(entropy(p).item())} nats."
        for k, p in zip(KS, each)
    ]
    return Swept(
        name="k",
        stops=KS,
        frames=np.array([[before, _with_others(p, result.likeliest)] for p in each]),
        kind="bars",
        series=("before", "after"),
        x=[*result.names, "others"],
        x_title="token, likeliest first",
        y_title="probability",
        says=sentences,
        start=KS.index(result.k),
        sets="k",
        height=280,
    )


def _masses(result: Result) -> Any:
    return bars(
        list(SHORT.values()),
        [result.mass_in(name) for name in CONTEXTS],
        x_axis=axis("context"),
        y_axis=axis(f"share held by the {result.k} likeliest", span=(0, 1.05)),
    )


def _counts(result: Result) -> Any:
    series = {f"top-p {numeral(result.top_p)}": [result.nucleus_in(name) for name in CONTEXTS], f"top-k {result.k}": [result.k] * len(CONTEXTS)}
    return bars(list(SHORT.values()), series, x_axis=axis("context"), y_axis=axis("tokens kept", log=True, span=(0.8, 1500)))


def _curves(result: Result) -> Any:
    ranks = sorted({*range(1, 33), *np.geomspace(32, VOCABULARY, 40).astype(int).tolist()})
    at = torch.tensor(ranks) - 1
    series = {SHORT[name]: p.sort(descending=True).values.cumsum(-1)[at] for name, p in result.all.items()}
    return lines(
        ranks,
        series,
        x_axis=axis("k", log=True, ticks={n: str(n) for n in (1, 3, 10, 30, 100, 300, 1000)}),
        y_axis=axis("share held together", span=(0, 1.05)),
        strong=SHORT[result.context],
        markers=False,
        upright=[(result.k, f"k = {result.k}")],
    )


def _drawn(result: Result) -> Any:
    shares = torch.bincount(result.drawn, minlength=VOCABULARY).double() / len(result.drawn)
    labels = [*(f"{place}: {name}" for place, name in enumerate(result.names, 1)), "others"]
    series = {"probability": _with_others(result.kept, result.likeliest), "share drawn": _with_others(shares, result.likeliest)}
    return bars(labels, series, x_axis=axis("token, likeliest first"), y_axis=axis("share"))


def _elsewhere(result: Result) -> tuple[str, str]:
    """The contexts where k keeps most and least."""
    return max(TEXTS, key=result.mass_in), min(TEXTS, key=result.mass_in)


def facts(result: Result) -> dict[str, float]:
    most, least = _elsewhere(result)
    return {
        "k": result.k,
        "alive": result.alive,
        "vocabulary": VOCABULARY,
        "mass": result.mass,
        "most": result.mass_in(most),
        "least": result.mass_in(least),
        "top-p": result.top_p,
        "nucleus": result.nucleus_in(result.context),
        "entropy before": entropy(result.p).item(),
        "entropy after": entropy(result.kept).item(),
        "draws": len(result.drawn),
        "different": len(result.drawn.unique()),
    }


def says(result: Result) -> str:
    most, least = _elsewhere(result)
    return (
        f"With k = {numeral(result.k)}, {numeral(result.alive)} of {VOCABULARY:,} tokens stay in “{SHORT[result.context]}”; they held {numeral(result.mass)} of "
        f"the probability, and the entropy goes from {numeral(entropy(result.p).item())} to {numeral(entropy(result.kept).item())} nats. Of the five texts the "
        f"same k keeps most in “{SHORT[most]}” ({numeral(result.mass_in(most))}) and least in “{SHORT[least]}” ({numeral(result.mass_in(least))}); top-p "
        f"{numeral(result.top_p)} would keep {numeral(result.nucleus_in(result.context))} here, and {numeral(len(result.drawn))} draws gave "
        f"{numeral(len(result.drawn.unique()))} different tokens."
    )


TRY = [
    Experiment(
        title="One k, five contexts",
        settings={"k": 20, "context": "list"},
        ask="After “… Ada gave a ball to” the 20 likeliest tokens hold practically everything. How much do the 20 likeliest hold after “list: lamp”, where any word may follow?",
        options=("Also nearly everything", "About two thirds", "Less than a third"),
        right=2,
        why="A list in this world takes any of more than a hundred words, all about equally likely: 20 of them hold no more than about a fifth. The other four fifths "
        "were fine continuations, and the cut has thrown them away.",
        look="“The same k keeps different shares”: seven bars of one and the same k.",
        holds=lambda result: result.mass < 1 / 3 and result.mass_in("gift") > 0.95,
        tempting={0: "Only where the model is sure.", 1: "About right for a place name; a list is wider."},
    ),
    Experiment(
        title="k = 20 after a decided text",
        settings={"k": 20, "context": "gift"},
        ask="Only “Tom” makes sense after “… Ada gave a ball to”, and the decoder knows it. With $k=20$, how many tokens that make no sense can still be drawn?",
        options=("None: the model is sure", "Nineteen", "About a thousand"),
        right=1,
        why="Top-k keeps 20 whatever they are. Here the nineteen hold a few hundredths: one draw in some twenty goes astray, at every such place, and heat would lift them "
        "further. Top-p 0.9 keeps one token here, since “Tom” alone passes 0.9.",
        look="“Top-p adapts its count”: top-k draws the same bar everywhere. In the last, the shares drawn beside “Tom”.",
        holds=lambda result: result.alive == 20 and result.names[0] == "Tom" and result.nucleus_in("gift") == 1,
        tempting={0: "Sure is not certain, and the count is fixed.", 2: "That would be without any cut."},
    ),
    Experiment(
        title="k = 1",
        settings={"k": 1, "context": "verb", "temperature": 3.0},
        ask="$k=1$ at temperature 3, a thousand draws after “The keys near the boat”. How many different tokens come?",
        options=("One", "Four: the four verbs", "Hundreds: it is hot"),
        right=0,
        why="With one token left there is nothing to choose: $k=1$ is greedy search at any temperature, because temperature never changes which token is the likeliest.",
        look="The last picture: a single bar. The entropy after the cut is 0.",
        holds=lambda result: len(result.drawn.unique()) == 1 and result.alive == 1,
        tempting={1: "All four are nearly equal, but only the first is kept.", 2: "Temperature works before the cut, and the cut leaves one."},
    ),
    Experiment(
        title="A cut that fits here",
        settings={"k": 4, "context": "verb"},
        ask="After “The keys near the boat” four verbs are right: $k=4$ fits. What share of the right places does the same $k=4$ keep after “… went to the”?",
        options=("Nearly all", "About a half", "Less than a quarter"),
        right=2,
        why="More than twenty places are about equally likely there; four of them hold less than a fifth. No $k$ fits both: 4 is right here and too narrow there, 25 right there and "
        "too wide here. Top-p 0.9 keeps a few here and about 25 there, by the same rule.",
        look="“Top-p adapts its count”: the bars of top-p follow the contexts.",
        holds=lambda result: (
            result.mass > 0.98 and result.mass_in("place") < 0.25 and result.nucleus_in("verb") <= 5 < 20 <= result.nucleus_in("place")
        ),
        tempting={0: "That is what it keeps of the verbs.", 1: "Four of more than twenty."},
    ),
]


def verify() -> list[Check]:
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper

    def largest(k: int, T: float = 1.0) -> float:
        worst = 0.0
        for name in CONTEXTS:
            theirs = TopKLogitsWarper(k)(None, TemperatureLogitsWarper(T)(None, _logits(name)[None]))[0].softmax(-1)
            worst = max(worst, (probabilities(keep_top(rescale(_logits(name), T), k)) - theirs).abs().max().item())
        return worst

    checks = [Check(f"probabilities with k = {k}", "transformers TopKLogitsWarper", largest(k), 1e-6) for k in (1, 4, 20, 200, VOCABULARY)]
    checks.append(Check("temperature 2, then k = 20", "transformers TemperatureLogitsWarper, TopKLogitsWarper", largest(20, 2.0), 1e-6))
    tied = torch.tensor([2.0, 1.0, 1.0, 1.0, 0.0])
    theirs = TopKLogitsWarper(2)(None, tied[None])[0].softmax(-1)
    checks.append(
        Check("tokens that tie with the k-th", "transformers TopKLogitsWarper", (probabilities(keep_top(tied, 2)) - theirs).abs().max().item(), 1e-6)
    )
    n = 20_000
    expected = TopKLogitsWarper(20)(None, _logits("place")[None])[0].double().softmax(-1)
    ours = draw(probabilities(keep_top(_logits("place"), 20)), torch.rand(n, generator=torch.Generator().manual_seed(1)))
    chance = _chance(torch.bincount(ours, minlength=VOCABULARY), n * expected)
    checks.append(Check(f"chi-squared of {n:,} draws: shortfall of p below 0.01", "transformers' probabilities", max(0.01 - chance, 0.0), 0))
    return checks


def _chance(counts: Tensor, expected: Tensor) -> float:
    """How often draws from `expected` would lie at least this far off: the upper tail of chi-squared."""
    alive = expected > 0
    if counts[~alive].any():
        return 0.0
    far = ((counts[alive] - expected[alive]) ** 2 / expected[alive]).sum()
    return torch.special.gammaincc((alive.sum() - 1) / 2.0, far.float() / 2).item()


# Computed questions; what was drawn travels in settings["drawn"].


def _hundredths(rng: random.Random, n: int) -> list[float]:
    """n different shares that sum to 1, likeliest first."""
    while True:
        cuts = sorted(rng.sample(range(2, 99), n - 1))
        parts = sorted((b - a for a, b in zip([0, *cuts], [*cuts, 100])), reverse=True)
        if len(set(parts)) == n:
            return [part / 100 for part in parts]


def ask_share(rng: random.Random) -> Question:
    while True:
        shares, k = _hundredths(rng, 6), rng.randint(2, 4)
        at = rng.randrange(k)
        right = probabilities(keep_top(torch.tensor(shares, dtype=torch.float64).log(), k))[at].item()
        mistakes = [
            Mistake("not-renormalised", shares[at], "This is the probability before the cut; the kept ones must sum to 1."),
            Mistake("one-too-many", shares[at] / sum(shares[: k + 1]), "This keeps one token more than $k$."),
            Mistake("one-too-few", shares[at] / sum(shares[: k - 1]), "This keeps one token less than $k$."),
            Mistake("equal-shares", 1 / k, "The kept tokens keep their proportions; they do not become equal."),
            Mistake(
                "spread-evenly",
                shares[at] + (1 - sum(shares[:k])) / k,
                "This hands the cut mass out evenly; dividing by the sum hands it out in proportion.",
            ),
        ]
        options = number_options(rng, right, "Divide by what the kept tokens hold together.", [m for m in mistakes if float(m.value) <= 1])
        if options:
            break
    listed = rng.sample(shares, 6)
    return Question(
        form=Form.CHOICE,
        prompt=f"Six tokens have the probabilities {', '.join(map(numeral, listed))}. Under top-k with $k={k}$, what probability does the token with {numeral(shares[at])} have "
        "when the draw is made?",
        answer="Keep the $k$ largest and divide each by their sum.",
        options=options,
        working=(
            f"the {k} largest: {', '.join(map(numeral, shares[:k]))}; together {numeral(sum(shares[:k]))}",
            f"{numeral(shares[at])} / {numeral(sum(shares[:k]))} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"k": k, "drawn": [listed, k, shares[at]]},
        level=1,
    )


def second_share(question: Question) -> float:
    """torch.distributions over the tokens that fewer than k others beat."""
    listed, k, wanted = question.settings["drawn"]
    weights = [share if sum(other > share for other in listed) < k else 0.0 for share in listed]
    return torch.distributions.Categorical(probs=torch.tensor(weights, dtype=torch.float64)).probs[listed.index(wanted)].item()


def ask_ties(rng: random.Random) -> Question:
    """Exactly k, or all that tie with the k-th?"""
    while True:
        tied, tie_count, head = rng.choice([0.05, 0.08, 0.1, 0.125]), rng.randint(2, 4), rng.randint(1, 2)
        rest = round(1 - tied * tie_count, 4)
        first = rest if head == 1 else round(rest * rng.choice([0.6, 0.7]), 4)
        tops = [first] if head == 1 else [first, round(rest - first, 4)]
        if min(tops) <= tied + 0.02:
            continue
        shares, k, all_tied = [*tops, *[tied] * tie_count], head + rng.randint(1, tie_count - 1), rng.random() < 0.5
        z = torch.tensor(shares, dtype=torch.float64).log()
        kept = probabilities(keep_top(z, k))[0].item() if all_tied else first / sum(shares[:k])
        other = first / sum(shares[:k]) if all_tied else probabilities(keep_top(z, k))[0].item()
        mistakes = [
            Mistake("other-rule", other, "This is the answer under the other rule for ties."),
            Mistake("not-renormalised", first, "This is the probability before the cut."),
            Mistake("no-tied-token", first / sum(tops), "This drops every token of the tie."),
            Mistake("equal-shares", 1 / k, "The kept tokens keep their proportions."),
        ]
        options = number_options(rng, kept, "Count who is kept, then divide.", mistakes)
        if options:
            break
    rule = "every token that ties with the $k$-th (as transformers does)" if all_tied else "exactly $k$ tokens, ties broken by index"
    total = sum(shares) if all_tied else sum(shares[:k])
    return Question(
        form=Form.CHOICE,
        prompt=f"Tokens have the probabilities {', '.join(map(numeral, shares))}. Top-k with $k={k}$ keeps {rule}. What probability does the first token have afterwards?",
        answer="What is kept sums to 1 afterwards; a tie with the $k$-th decides how much that is.",
        options=options,
        working=(f"kept together: {numeral(total)}", f"{numeral(first)} / {numeral(total)} = {numeral(kept)}"),
        lab=SLUG,
        settings={"k": min(KS, key=lambda stop: abs(stop - k)), "drawn": [shares, k, all_tied]},
        level=2,
    )


def second_ties(question: Question) -> float:
    """In plain numbers: a token is kept when fewer than k are strictly larger, or by its place in the list."""
    shares, k, all_tied = question.settings["drawn"]
    kept: Sequence[float] = [share for share in shares if sum(other > share for other in shares) < k] if all_tied else sorted(shares)[-k:]
    return shares[0] / math.fsum(kept)


questions = {"share-after-top-k": ask_share, "ties-at-k": ask_ties}
second = {"share-after-top-k": second_share, "ties-at-k": second_ties}
