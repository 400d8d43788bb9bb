"""The sampling visualizer: top-p and its relatives

Between the logits and the token that is written stands a chain of small rules. Some reshape the distribution (repetition
penalty, temperature), some cut it: top-k keeps a count, **top-p** keeps the likeliest tokens until they hold the share
$p$ together, min-p keeps every $p_i\\ge p_{\\min}\\max_j p_j$, typical keeps what is about as surprising as the entropy says
one should expect. Each looks at the distribution that the rule before it has left, so the order matters.

All of it runs here on the real logits of a small decoder (four layers, 1,024 tokens, trained on a toy world of gifts,
lists, sums and brackets). Every picture can be touched:

- **click a token to force it**, also one that was ruled out; **click an earlier token to rewind** to it; **click in the tree**
  to follow another draw;
- click a step of the chain to move it one place earlier;
- the numbers under the text count the tokens that were allowed at each place. The nucleus breathes: one token where the
  text is decided, dozens where it is open. In ordinary language it is open at the start of words; in this world it is open
  where a name, a place or a thing is free, and inside the second round of a list nothing is.
"""

from __future__ import annotations

import functools
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Option, Question
from models import checkpoints
from models.nucleus import keep_min_p, keep_nucleus, keep_typical
from models.repetition import penalise, seen_so_far
from models.sampling_chain import USUAL_ORDER, Step, stages
from models.temperature import draw, entropy, probabilities, rescale
from models.top_k import keep_top
from screens.labs import Check, Experiment, Mistake, Seed, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Node, Strip, Swept, TokenStrip, Tree
from screens.labs.small_pictures import bar_picture, between_two

TOPIC = "top-p-sampling"
REFERENCE = "transformers TopPLogitsWarper, MinPLogitsWarper, TypicalLogitsWarper, TopKLogitsWarper, RepetitionPenaltyLogitsProcessor"
MECHANISM = (keep_nucleus, keep_min_p, keep_typical, keep_top, penalise, stages)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M12 78h138" opacity=".45"/><g fill="#1f77c9" stroke="none"><rect x="18" y="34" width="13" height="42"/><rect x="35" y="46" width="13" height="30"/>
<rect x="52" y="56" width="13" height="20"/></g><g fill="#7a7f87" stroke="none" opacity=".55"><rect x="69" y="64" width="13" height="12"/>
<rect x="86" y="69" width="13" height="7"/><rect x="103" y="72" width="13" height="4"/><rect x="120" y="74" width="13" height="2"/></g>
<path d="M67 12v68" stroke="#d4620f" stroke-width="3" stroke-dasharray="5 4"/><path d="M18 60c20-26 34-38 52-42s40-5 70-5" stroke="#0f9d77" stroke-width="3"/></svg>"""

SLUG = "top-p-lab"
VOCABULARY = 1024
MOST_FORCED = 16  # tokens of the path
AHEAD = 7  # tokens per drawn continuation
BRANCHES = 4
CONTEXT = 96  # tokens of the text that are read: 128 positions less what comes after
SHOWN = 20
HISTOGRAM = 10
ALLOWED, RULED_OUT = 24, 12  # tokens offered to be forced
SAMPLES = {
    "Open": "When Ada and Tom went to the",
    "Decided": "When Ada and Tom went to the park, Ada gave a ball to",
    "A list": "list: lamp river stone lamp river",
    "Agreement": "The keys near the boat",
    "Brackets": "( [ {",
}
ORDERS = {"Usual": " ".join(USUAL_ORDER), "Temperature last": "penalty top-k top-p min-p typical temperature"}
NEUTRAL = {"penalty": 1.0, "temperature": 1.0, "top-k": VOCABULARY, "top-p": 1.0, "min-p": 0.0, "typical": 1.0}


@dataclass(frozen=True)
class Branch:
    tokens: list[int]
    shares: list[float]  # probability of each token after the chain, when it was drawn
    allowed: list[int]  # tokens allowed at its place


@dataclass(frozen=True)
class Result:
    prompt: list[int]
    cut: bool  # did the text have more tokens than the decoder reads?
    path: list[int]  # tokens that were forced or taken over after it
    order: tuple[str, ...]  # all six steps
    steps: tuple[Step, ...]  # those that do something, in this order
    seed: int
    logits: list[Tensor]  # (V,) at the present place: the model's own, then after each step
    allowed: list[int]  # at each place of prompt + path: how many tokens could have come there
    shares: list[float]  # and the probability of the one that came, after the chain
    branches: list[Branch]
    drawn: Tensor  # (draws,) token ids for the present place

    @property
    def p(self) -> Tensor:
        return probabilities(self.logits[-1])

    @property
    def plain(self) -> Tensor:
        return probabilities(self.logits[0])

    @property
    def alive(self) -> int:
        return int((self.p > 0).sum())

    @property
    def kept_mass(self) -> float:
        """What the model itself gives the tokens that are left."""
        return self.plain[self.p > 0].sum().item()


def compute(
    text: Annotated[str, Text(label="Text", limit=300, samples=SAMPLES, help="What the decoder reads.")] = SAMPLES["Open"],
    top_p: Annotated[float, Slider(0.05, 1.0, 0.05, label="Top-p", help="Keep the likeliest tokens that hold this share; 1 keeps all.")] = 0.9,
    temperature: Annotated[float, Slider(0.1, 3.0, 0.1, label="Temperature", help="Divides the logits; 1 leaves them.")] = 1.0,
    top_k: Annotated[int, Stops(1, 2, 3, 5, 10, 20, 50, 100, 200, VOCABULARY, label="Top-k", help="Keep this many; 1024 keeps all.")] = VOCABULARY,
    min_p: Annotated[float, Stops(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, label="Min-p", help="Share of the largest probability; 0 keeps all.")] = 0.0,
    typical: Annotated[float, Slider(0.1, 1.0, 0.1, label="Typical", help="Mass of the tokens nearest to the expected surprise; 1 keeps all.")] = 1.0,
    penalty: Annotated[float, Slider(1.0, 2.0, 0.1, label="Repetition penalty", help="Pushes down what the text already has; 1 leaves it.")] = 1.0,
    order: Annotated[
        str, Text(label="Order of the steps", limit=80, samples=ORDERS, help="Names of steps; clicking one in the chain moves it.")
    ] = ORDERS["Usual"],
    path: Annotated[
        str, Text(label="Tokens chosen after the text", limit=100, help="Token numbers. Clicks fill this in; empty it to start again.")
    ] = "",
    draws: Annotated[int, Stops(10, 30, 100, 300, 1000, 3000, label="Draws")] = 300,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    _, tokenizer, _ = checkpoints.load("toy_decoder")
    encoded = tokenizer.encode(text)
    prompt, chosen = (encoded or [tokenizer.end])[-CONTEXT:], read_path(path)
    named = read_order(order)
    settings = {"penalty": penalty, "temperature": temperature, "top-k": top_k, "top-p": top_p, "min-p": min_p, "typical": typical}
    steps = tuple(Step(name, settings[name]) for name in named if settings[name] != NEUTRAL[name])
    allowed, shares = _along(tuple(prompt + chosen), steps)
    z, seen = _read(tuple(prompt + chosen))
    logits = stages(steps, z[-1], seen[-1])
    uniform = torch.rand(draws, generator=torch.Generator().manual_seed(seed))
    return Result(
        prompt=prompt,
        cut=len(encoded) > CONTEXT,
        path=chosen,
        order=named,
        steps=steps,
        seed=seed,
        logits=logits,
        allowed=allowed,
        shares=shares,
        branches=_branches(prompt + chosen, steps, seed),
        drawn=draw(probabilities(logits[-1]), uniform),
    )


def read_path(path: str) -> list[int]:
    """Token numbers in whatever a person or an address wrote; what is no token of this vocabulary is passed over."""
    numbers = (int(found) for found in re.findall(r"(?<![\w.-])[0-9]{1,4}(?![\w.])", path, flags=re.ASCII))
    return [number for number in numbers if number < VOCABULARY][:MOST_FORCED]


def write_path(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens))


def read_order(order: str) -> tuple[str, ...]:
    """The steps named, each once, and behind them the others as they usually come."""
    named = [word for word in re.findall(r"[a-z-]+", order.lower()) if word in USUAL_ORDER]
    return tuple(dict.fromkeys([*named, *USUAL_ORDER]))


@functools.lru_cache(maxsize=64)
def _read(tokens: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(T, V) logits after each token, and (T, V) which tokens had occurred by then."""
    model = checkpoints.load("toy_decoder").model
    with torch.inference_mode():
        return model(torch.tensor([tokens]))[0].clone(), seen_so_far(tokens, VOCABULARY)


@functools.lru_cache(maxsize=64)
def _along(tokens: tuple[int, ...], steps: tuple[Step, ...]) -> tuple[list[int], list[float]]:
    """For each token but the first: how many were allowed at its place, and the probability it had there."""
    z, seen = _read(tokens)
    p = probabilities(stages(steps, z[:-1], seen[:-1])[-1])  # (T - 1, V)
    came = p.gather(-1, torch.tensor(tokens[1:], dtype=torch.long)[:, None])[:, 0]
    return [0, *(p > 0).sum(dim=-1).tolist()], [0.0, *came.tolist()]


def _branches(tokens: list[int], steps: Sequence[Step], seed: int) -> list[Branch]:
    """BRANCHES continuations drawn side by side, each with its own seed: the tokens are a batch of equal texts at first."""
    model = checkpoints.load("toy_decoder").model
    u = torch.stack([torch.rand(AHEAD, generator=torch.Generator().manual_seed(seed + at)) for at in range(BRANCHES)])
    _, seen_all = _read(tuple(tokens))
    seen = seen_all[-1].repeat(BRANCHES, 1)
    branches = [Branch([], [], []) for _ in range(BRANCHES)]
    cache = model.new_cache()
    with torch.inference_mode():
        z = model(torch.tensor([tokens] * BRANCHES), cache=cache)[:, -1]
        for place in range(AHEAD):
            p = probabilities(stages(steps, z, seen)[-1])  # (BRANCHES, V)
            tokens_now = [int(draw(p[at], u[at, place : place + 1])) for at in range(BRANCHES)]
            for at, (branch, token) in enumerate(zip(branches, tokens_now)):
                branch.tokens.append(token)
                branch.shares.append(float(p[at, token]))
                branch.allowed.append(int((p[at] > 0).sum()))
                seen[at, token] = True
            if place + 1 < AHEAD:
                z = model(torch.tensor(tokens_now)[:, None], cache=cache)[:, -1]
    return branches


# --- pictures ---------------------------------------------------------------------------------------------------------


def figures(result: Result) -> dict[str, Any]:
    return {
        "How many tokens were allowed at each place (click one to rewind to it)": _text(result),
        "The next token (click one to force it)": _candidates(result),
        "The chain of steps (click one to move it earlier)": _chain(result),
        "The distribution before and after each step": _before_and_after(result),
        "Four ways on (click a token to go there)": _tree(result),
        "Sorted and summed: where the nucleus ends": _cumulative(result),
        "The draw against its probabilities": _drawn(result),
    }


def _show(token: int) -> str:
    return checkpoints.load("toy_decoder").tokenizer.show(token)


def _word(token: int) -> str:
    return _show(token).strip() or "␣"


def _breath(allowed: Sequence[int]) -> list[float]:
    """1 token to V tokens as 0 to 1, on a log scale."""
    return [math.log(max(count, 1)) / math.log(VOCABULARY) for count in allowed]


def _text(result: Result) -> TokenStrip:
    first, drawn = len(result.prompt), result.branches[0]
    marks = ["start", *(str(count) for count in result.allowed[1:])]
    notes = ["Nothing came before it."] + [
        f"{count} tokens were allowed here, this one " + (f"with probability {numeral(share)}." if share else "not among them.")
        for count, share in zip(result.allowed[1:], result.shares[1:])
    ]
    shades = _breath(result.allowed)

    def row(name: str, tokens: list[int], part: slice, sends: list[str]) -> Strip:
        return Strip(name, [_show(token) for token in tokens], shades[part], marks[part], notes[part], sends=sends)

    rows = [row("your text" + (f", its last {CONTEXT} tokens" if result.cut else ""), result.prompt, slice(0, first), [""] * first)]
    if result.path:
        rows.append(row("chosen", result.path, slice(first, None), [write_path(result.path[: at + 1]) for at in range(len(result.path))]))
    rows.append(
        Strip(
            f"drawn next with seed {result.seed}",
            [_show(token) for token in drawn.tokens],
            _breath(drawn.allowed),
            [str(count) for count in drawn.allowed],
            [f"{count} tokens were allowed here, this one with probability {numeral(share)}." for count, share in zip(drawn.allowed, drawn.shares)],
            sends=_onwards(result, drawn.tokens),
        )
    )
    return TokenStrip(rows, value_name="openness (0: one token, 1: all)", sets="path")


def _onwards(result: Result, tokens: Sequence[int]) -> list[str]:
    return [write_path([*result.path, *tokens[: at + 1]][:MOST_FORCED]) for at in range(len(tokens))]


def _candidates(result: Result) -> TokenStrip:
    p, plain = result.p, result.plain
    allowed = p.topk(min(ALLOWED, result.alive)).indices.tolist()
    out = plain.masked_fill(p > 0, -1).topk(min(RULED_OUT, VOCABULARY - result.alive)).indices.tolist() if result.alive < VOCABULARY else []
    rows = [
        Strip(
            f"allowed: {result.alive}" + (f", the first {ALLOWED} of them" if result.alive > ALLOWED else ""),
            [_show(token) for token in allowed],
            p[allowed].tolist(),
            [numeral(share, 2) for share in p[allowed].tolist()],
            [f"The model itself gives {numeral(share)}." for share in plain[allowed].tolist()],
            sends=[write_path([*result.path, token][:MOST_FORCED]) for token in allowed],
        )
    ]
    if out:
        rows.append(
            Strip(
                f"ruled out: {VOCABULARY - result.alive:,}; the likeliest of them",
                [_show(token) for token in out],
                [0.0] * len(out),
                [f"cut by {_culprit(result, token)}" for token in out],
                [f"The model gives it {numeral(plain[token].item())}." for token in out],
                sends=[write_path([*result.path, token][:MOST_FORCED]) for token in out],
            )
        )
    return TokenStrip(rows, value_name="probability", sets="path")


def _culprit(result: Result, token: int) -> str:
    return next((step.name for step, z in zip(result.steps, result.logits[1:]) if math.isinf(z[token].item())), "rounding")


def _chain(result: Result) -> TokenStrip:
    counts = {step.name: int((z > -math.inf).sum()) for step, z in zip(result.steps, result.logits[1:])}
    settings = {step.name: step.setting for step in result.steps}
    earlier = []
    for at in range(len(result.order)):
        moved = list(result.order)
        moved[max(at - 1, 0) : at + 1] = reversed(moved[max(at - 1, 0) : at + 1])
        earlier.append(" ".join(moved))
    return TokenStrip(
        [
            Strip(
                "from the logits to the draw",
                list(result.order),
                [0.35 if name in counts else 0.0 for name in result.order],
                [numeral(settings[name]) if name in settings else "off" for name in result.order],
                [f"After it {counts[name]:,} tokens are left." if name in counts else "At this setting it changes nothing." for name in result.order],
                sends=earlier,
            )
        ],
        value_name="in use",
        sets="order",
    )


def _with_others(p: Tensor, likeliest: Tensor) -> list[float]:
    shares = p[likeliest].tolist()
    return [*shares, max(1 - sum(shares), 0.0)]


def _before_and_after(result: Result) -> Swept:
    likeliest = result.plain.topk(SHOWN).indices
    each = [probabilities(z) for z in result.logits]
    pairs = list(pairwise(each)) or [(each[0], each[0])]
    names = [f"{at}. {step.name} {numeral(step.setting)}" for at, step in enumerate(result.steps, 1)] or ["no step in use"]
    sentences = [
        f"{name}: {int((before > 0).sum()):,} tokens before, {int((after > 0).sum()):,} after; entropy {numeral(entropy(before).item())} before, "
        f"{numeral(entropy(after).item())} after."
        for name, (before, after) in zip(names, pairs)
    ]
    return Swept(
        name="Step",
        stops=names,
        frames=np.array([[_with_others(before, likeliest), _with_others(after, likeliest)] for before, after in pairs]),
        kind="bars",
        series=("before", "after"),
        x=[*(_word(token) for token in likeliest.tolist()), "others"],
        x_title="token, the model's likeliest first",
        y_title="probability",
        says=sentences,
        start=0,
        height=280,
    )


def _cumulative(result: Result) -> Any:
    sums = result.plain.sort(descending=True).values.cumsum(dim=-1)
    temperature = next((step.setting for step in result.steps if step.name == "temperature"), 1.0)
    series = {"the model": sums}
    if temperature != 1:
        series[f"at temperature {numeral(temperature)}"] = (
            probabilities(rescale(result.logits[0], temperature)).sort(descending=True).values.cumsum(-1)
        )
    top_p = next((step.setting for step in result.steps if step.name == "top-p"), 1.0)
    ranks = sorted({*range(1, 65), *np.geomspace(64, VOCABULARY, 40).astype(int).tolist()})
    return lines(
        ranks,
        {name: values[torch.tensor(ranks) - 1] for name, values in series.items()},
        x_axis=axis("tokens, likeliest first", log=True, ticks={n: str(n) for n in (1, 10, 100, 1000)}),
        y_axis=axis("share held together", span=(0, 1.08)),
        markers=False,
        across=[(top_p, f"p = {numeral(top_p)}")],
        upright=[(result.alive, f"{result.alive} left after the whole chain")],
    )


def _drawn(result: Result) -> Any:
    shares = torch.bincount(result.drawn, minlength=VOCABULARY).double() / len(result.drawn)
    likeliest = result.plain.topk(HISTOGRAM).indices
    labels = [*(f"{place}: {_word(token)}" for place, token in enumerate(likeliest.tolist(), 1)), "others"]
    series = {"probability": _with_others(result.p, likeliest), "share drawn": _with_others(shares, likeliest)}
    return bars(labels, series, x_axis=axis("token, the model's likeliest first"), y_axis=axis("share"))


def _tree(result: Result) -> Tree:
    """The four branches grown together: where two agree so far, they share their nodes."""
    here = (result.path or result.prompt)[-1]
    nodes = [Node(_show(here), -1, "you are here", "chosen", sends=write_path(result.path))]
    places: dict[tuple[int, ...], int] = {(): 0}
    for number, branch in enumerate(result.branches):
        onwards = _onwards(result, branch.tokens)
        for at in range(AHEAD):
            key = tuple(branch.tokens[: at + 1])
            if key in places:
                continue
            places[key] = len(nodes)
            note = f"{branch.allowed[at]} tokens were allowed; drawn with seed {result.seed + number}"
            state = "chosen" if number == 0 else "open"
            nodes.append(Node(_show(key[-1]), places[key[:-1]], f"{branch.shares[at]:.2f} of {branch.allowed[at]}", state, note, onwards[at]))
    return Tree(nodes, states={"chosen": "drawn with the seed chosen", "open": "with the seeds after it"}, sets="path", height=320)


def facts(result: Result) -> dict[str, float]:
    return {
        **{step.name: step.setting for step in result.steps},
        "alive": result.alive,
        "vocabulary": VOCABULARY,
        "mass": result.kept_mass,
        "entropy": entropy(result.p).item(),
        "plain entropy": entropy(result.plain).item(),
        "likeliest": result.p.max().item(),
        "draws": len(result.drawn),
        "different": len(result.drawn.unique()),
    }


def says(result: Result) -> str:
    chain = ", then ".join(f"{step.name} {numeral(step.setting)}" for step in result.steps) or "no step at all"
    tokens = "token is" if result.alive == 1 else "tokens are"
    return (
        f"After {chain}, {numeral(result.alive)} of {VOCABULARY:,} {tokens} allowed here, to which the model itself gives {numeral(result.kept_mass)}; the "
        f"likeliest, “{_word(int(result.p.argmax()))}”, now has probability {numeral(result.p.max().item())}, the entropy went from "
        f"{numeral(entropy(result.plain).item())} to {numeral(entropy(result.p).item())} nats, and {numeral(len(result.drawn))} draws gave "
        f"{numeral(len(result.drawn.unique()))} different tokens."
    )


# --- experiments ------------------------------------------------------------------------------------------------------


def _alive_with(result: Result, steps: Sequence[Step]) -> int:
    z, seen = _read(tuple(result.prompt + result.path))
    return int((probabilities(stages(steps, z[-1], seen[-1])[-1]) > 0).sum())


TRY = [
    Experiment(
        title="The nucleus breathes",
        settings={"text": "list: lamp river stone key lamp river stone"},
        ask="A list of words comes, then the same list again. Top-p stays at 0.9. How many tokens are allowed where the *second* “stone” stands, "
        "against the place of the first?",
        options=(
            "About the same: p did not change",
            "About a hundred the first time, one or two the second",
            "More the second time: any word may follow",
        ),
        right=1,
        why="Top-p fixes a share of the probability, not a count. The first time any of a hundred words may come and 0.9 needs most of them; the second time the "
        "decoder has seen what follows “river”, puts nearly everything on one token, and that token alone passes 0.9.",
        look="The first picture: the small number under each token. Dark and three digits in the first round, pale and 1 in the second.",
        holds=lambda result: _allowed_at(result, " stone", 0) > 80 and _allowed_at(result, " stone", 1) <= 2,
        tempting={0: "The share is the same; the number of tokens needed to reach it is not.", 2: "Any word may, but this decoder knows which will."},
    ),
    Experiment(
        title="Temperature before or after the cut",
        settings={"text": SAMPLES["Agreement"], "temperature": 2.5, "top_p": 0.9, "order": ORDERS["Temperature last"]},
        ask="After “The keys near the boat” four verbs hold nearly everything. At temperature 2.5 with the usual order (temperature, then top-p 0.9) hundreds of tokens "
        "are allowed. Now top-p comes first and temperature last. How many?",
        options=("Just as many: the same two numbers are set", "Exactly four", "More: a late temperature spreads what is left"),
        right=1,
        why="Cut first, and the nucleus is that of the model's own sharp distribution: four verbs. Temperature then reshapes these four and cannot bring back what "
        "is gone. Cut second, and top-p looks at the flattened curve, where 0.9 takes a crowd.",
        look="Click “temperature” in the chain to move it earlier step by step, and watch the count in the sentence jump as it passes top-p.",
        holds=lambda result: result.alive == 4 and _alive_with(result, [Step("temperature", 2.5), Step("top-p", 0.9)]) > 100,
        tempting={0: "Each step sees what the one before it left.", 2: "Temperature moves probability about; a ruled-out token has none to regain."},
    ),
    Experiment(
        title="Min-p under heat",
        settings={"text": SAMPLES["Agreement"], "temperature": 2.5, "top_p": 1.0, "min_p": 0.1},
        ask="Same text, temperature 2.5 first, but now min-p 0.1 cuts in place of top-p 0.9 (which kept hundreds). How many tokens are left?",
        options=("Hundreds again: the curve is flat", "A handful", "One: min-p keeps only the top"),
        right=1,
        why="Min-p compares with the likeliest token, so the long tail of small probabilities cannot add up against it: it asks each token alone. The four verbs are "
        "close to the top at any temperature; the tail is far below a tenth of it. Whether texts get better for it is another question: a re-analysis did not find so.",
        look="Where the sums are drawn, the hot curve crosses 0.9 far to the right, while the upright line of what is left stands near the left edge.",
        holds=lambda result: 2 <= result.alive <= 12 and _alive_with(result, [Step("temperature", 2.5), Step("top-p", 0.9)]) > 100,
        tempting={0: "Flat in the tail, but the tail lies a factor of ten and more below the top.", 2: "It keeps all that reach a tenth of the top."},
    ),
    Experiment(
        title="Typical may drop the favourite",
        settings={"text": SAMPLES["Agreement"], "top_p": 1.0, "typical": 0.2},
        ask="After “The keys near the boat” the decoder gives about a quarter to each of four verbs, and to “look” a little more than to the others. Typical sampling "
        "with mass 0.2 keeps the tokens whose surprise lies nearest to the entropy. Is “look”, the likeliest, kept?",
        options=("Yes: the likeliest always is", "No: it is less surprising than one should expect", "Yes, and it is the only one"),
        right=1,
        why="The entropy is about $\\ln 4$: one should expect a surprise of about 1.4 nats. “look” surprises by a little less, another verb by almost exactly that, and "
        "with a mass of 0.2 the nearest one is enough. None of the other rules here would ever cut the likeliest token.",
        look="The second picture: “look” stands among the ruled out, cut by typical. Raise the mass and see it come back last of the four.",
        holds=lambda result: result.p[int(result.plain.argmax())].item() == 0 and _word(int(result.plain.argmax())) == "look" and result.alive == 1,
        tempting={0: "True of top-k, top-p and min-p; not of typical.", 2: "It would be the only one under top-p 0.2."},
    ),
    Experiment(
        title="Force a token that was ruled out",
        settings={"text": SAMPLES["Agreement"], "path": write_path([0])},
        ask="Top-p 0.9 after “The keys near the boat” allows four verbs. Force the end-of-text token instead, which was ruled out. What does the decoder do next?",
        options=("It returns to the sentence with a verb", "It starts a new text", "All tokens become equally likely"),
        right=1,
        why="The decoder conditions on whatever stands there; it does not know who chose it. After the end of a text comes the start of one: “list”, “sums”, “The”, “When”. "
        "One unlikely token is enough to leave the track, which is why the tail is cut at all.",
        look="The tree: four ways on, all of them first words. Rewind with a click on the text.",
        holds=lambda result: result.shares[-1] == 0 and all(_show(branch.tokens[0])[:1] != " " for branch in result.branches),
        tempting={0: "Nothing pulls a text back: each step reads what is there.", 2: "The beginnings of texts are well known to it."},
    ),
]


def _allowed_at(result: Result, word: str, time: int) -> int:
    places = [at for at, token in enumerate(result.prompt) if _show(token) == word]
    return result.allowed[places[time]]


def verify() -> list[Check]:
    """Every rule alone, and chains of all six in three orders, on real logits against transformers' own classes."""
    from transformers.generation.logits_process import (
        LogitsProcessorList,
        MinPLogitsWarper,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
        TypicalLogitsWarper,
    )

    theirs = {
        "penalty": RepetitionPenaltyLogitsProcessor,
        "temperature": TemperatureLogitsWarper,
        "top-k": lambda k: TopKLogitsWarper(int(k)),
        "top-p": TopPLogitsWarper,
        "min-p": MinPLogitsWarper,
        "typical": TypicalLogitsWarper,
    }
    texts = [tuple(checkpoints.load("toy_decoder").tokenizer.encode(text)) for text in SAMPLES.values()]

    def largest(steps: Sequence[Step]) -> float:
        worst = 0.0
        for ids in texts:
            z, seen = _read(ids)
            chain = LogitsProcessorList([theirs[step.name](step.setting) for step in steps])
            ours = probabilities(stages(steps, z[-1], seen[-1])[-1])
            expected = chain(torch.tensor([ids]), z[-1:].clone())[0].softmax(-1)
            worst = max(worst, (ours - expected).abs().max().item())
        return worst

    names = {name: getattr(made, "__name__", "TopKLogitsWarper") for name, made in theirs.items()} | {"top-k": "TopKLogitsWarper"}
    alone = {"top-p": (0.3, 0.9), "min-p": (0.05, 0.5), "typical": (0.2, 0.9), "top-k": (1, 50), "penalty": (1.3,), "temperature": (0.5, 2.5)}
    checks = [
        Check(f"probabilities after {name} {numeral(setting)}", f"transformers {names[name]}", largest([Step(name, setting)]), 1e-6)
        for name, each in alone.items()
        for setting in each
    ]
    settings = {"penalty": 1.3, "temperature": 1.7, "top-k": 40, "top-p": 0.85, "min-p": 0.02, "typical": 0.9}
    for order in (USUAL_ORDER, USUAL_ORDER[::-1], ("top-p", "penalty", "min-p", "temperature", "typical", "top-k")):
        chain = [Step(name, settings[name]) for name in order]
        checks.append(Check(f"a chain of six, {order[0]} first", "transformers LogitsProcessorList", largest(chain), 1e-6))
    return checks


# --- computed questions; what was drawn travels in settings["drawn"] ---------------------------------------------------


def _shares_of(rng: random.Random, n: int) -> list[float]:
    """n different shares in hundredths, likeliest first."""
    while True:
        cuts = sorted(rng.sample(range(3, 98), n - 1))
        parts = sorted((b - a for a, b in zip([0, *cuts], [*cuts, 100])), reverse=True)
        if len(set(parts)) == n and parts[-1] >= 2:
            return [part / 100 for part in parts]


def _kept_total(shares: Sequence[float], kept: Tensor) -> float:
    return torch.tensor(shares, dtype=torch.float64)[kept].sum().item()


def ask_nucleus_share(rng: random.Random) -> Question:
    """What does a kept token have after renormalising?"""
    while True:
        shares, top_p = _shares_of(rng, 5), rng.choice([0.5, 0.6, 0.7, 0.75, 0.8, 0.9])
        sums = [sum(shares[: at + 1]) for at in range(5)]
        if min(abs(total - top_p) for total in sums) < 0.015:
            continue  # on the very line, rounding would decide
        z = torch.tensor(shares, dtype=torch.float64).log()
        kept = keep_nucleus(z, top_p) > -math.inf
        count = int(kept.sum())
        if not 2 <= count <= 4:
            continue
        at = rng.randrange(count)
        right = probabilities(keep_nucleus(z, top_p))[at].item()
        mistakes = [
            Mistake(
                "stopped-before-crossing",
                shares[at] / sum(shares[: count - 1]),
                "This leaves out the token that crosses $p$; it belongs to the nucleus.",
            ),
            Mistake("one-too-many", shares[at] / sum(shares[: count + 1]), "This keeps one token more; the sum had already reached $p$."),
            Mistake("not-renormalised", shares[at], "This is the probability before the cut; what is left must sum to 1."),
            Mistake("divided-by-p", shares[at] / top_p, "This divides by $p$; the kept tokens together hold more than $p$."),
            Mistake("equal-shares", 1 / count, "Top-p does not make the kept tokens equal."),
        ]
        mistakes = [mistake for mistake in mistakes if float(mistake.value) <= 1]
        options = number_options(rng, right, "Add up until the sum reaches $p$, the crossing token included, then divide by that sum.", mistakes)
        if options:
            break
    listed = rng.sample(shares, 5)
    return Question(
        form=Form.CHOICE,
        prompt=f"Five tokens have the probabilities {', '.join(map(numeral, listed))}. Under top-p with $p={numeral(top_p)}$, what probability does the token with "
        f"{numeral(shares[at])} have when the draw is made?",
        answer="Sort, add up until the sum reaches $p$ (the crossing token included), divide by the sum.",
        options=options,
        working=(
            f"sorted: {', '.join(map(numeral, shares))}",
            f"sums: {', '.join(map(numeral, sums[:count]))}; the last one reaches {numeral(top_p)}",
            f"{numeral(shares[at])} / {numeral(sums[count - 1])} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"top_p": top_p, "drawn": [listed, top_p, shares[at]]},
        level=2,
    )


def second_nucleus_share(question: Question) -> float:
    """From below, as transformers does it: throw away the smallest tokens while they hold at most 1 - p together."""
    listed, top_p, wanted = question.settings["drawn"]
    kept = [share for share in listed if sum(other for other in listed if other <= share) > 1 - top_p + 1e-12]
    return wanted / sum(kept)


def ask_how_many(rng: random.Random) -> Question:
    """How many tokens does each rule leave?"""
    while True:
        shares = _shares_of(rng, 6)
        rule, setting = rng.choice([("top-p", 0.6), ("top-p", 0.8), ("top-p", 0.9), ("min-p", 0.05), ("min-p", 0.1), ("min-p", 0.2), ("min-p", 0.5)])
        if rule == "top-p" and min(abs(sum(shares[: at + 1]) - setting) for at in range(6)) < 0.015:
            continue
        if rule == "min-p" and min(abs(share - setting * shares[0]) for share in shares) < 0.004:
            continue
        z = torch.tensor(shares, dtype=torch.float64).log()
        right = int(((keep_nucleus if rule == "top-p" else keep_min_p)(z, setting) > -math.inf).sum())
        by_mass, by_share = int((keep_nucleus(z, setting) > -math.inf).sum()), int((keep_min_p(z, setting) > -math.inf).sum())
        absolute = sum(share >= setting for share in shares)
        mistakes = [
            Mistake("stopped-before-crossing", right - 1, "One too few: the token that crosses the line, or just passes it, is kept."),
            Mistake("one-too-many", right + 1, "One too many: the line was reached before."),
            Mistake(
                "the-other-rule", by_share if rule == "top-p" else by_mass, f"This is what {'min-p' if rule == 'top-p' else 'top-p'} would leave."
            ),
            Mistake("absolute-threshold", absolute, f"This counts tokens with at least {numeral(setting)} themselves."),
            Mistake("all", 6, "Something is always cut where the line lies below the whole."),
        ]
        mistakes = [mistake for mistake in mistakes if 0 <= float(mistake.value) <= 6]
        options = number_options(rng, right, "Counted by the rule.", mistakes)
        if options and right < 6:
            break
    line = numeral(setting * shares[0])
    working = (
        f"sums: {', '.join(numeral(sum(shares[: at + 1])) for at in range(right))}; the last reaches {numeral(setting)}"
        if rule == "top-p"
        else f"the line is {numeral(setting)} · {numeral(shares[0])} = {line}; {right} tokens reach it"
    )
    return Question(
        form=Form.CHOICE,
        prompt=f"Six tokens have the probabilities {', '.join(map(numeral, shares))}. How many does {rule} with {numeral(setting)} leave?",
        answer="Top-p adds up from the likeliest until the share is reached; min-p keeps all that reach its share of the largest.",
        options=options,
        working=(working,),
        lab=SLUG,
        settings={"top_p" if rule == "top-p" else "min_p": setting, **({"top_p": 1.0} if rule == "min-p" else {}), "drawn": [shares, rule, setting]},
        level=1,
    )


def second_how_many(question: Question) -> float:
    """The definition, by trying every size of set, in whole hundredths."""
    shares, rule, setting = question.settings["drawn"]
    parts = [round(100 * share) for share in shares]
    if rule == "top-p":
        return next(size for size in range(1, 7) if sum(parts[:size]) >= round(100 * setting))
    return sum(100 * part >= round(100 * setting) * max(parts) for part in parts)


def ask_penalised(rng: random.Random) -> Question:
    """A repetition penalty on logits of either sign."""
    while True:
        logits = rng.sample([-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 2.5], 3)
        penalty, at = rng.choice([1.2, 1.5, 2.0]), rng.randrange(3)
        z = torch.tensor(logits, dtype=torch.float64)
        seen = torch.arange(3) == at
        right = probabilities(penalise(z, seen, penalty))[at].item()

        def with_logit(value: float, z: Tensor = z, at: int = at) -> float:
            changed = z.clone()
            changed[at] = value
            return probabilities(changed)[at].item()

        turned = logits[at] / penalty if logits[at] < 0 else logits[at] * penalty
        mistakes = [
            Mistake("wrong-way", with_logit(turned), "This moves the logit up: a positive one is divided, a negative one multiplied."),
            Mistake(
                "subtracted",
                with_logit(logits[at] - penalty),
                "This subtracts the penalty (that is a presence penalty); this one divides or multiplies.",
            ),
            Mistake("no-penalty", probabilities(z)[at].item(), "This is the probability without the penalty."),
            Mistake("divided-the-probability", probabilities(z)[at].item() / penalty, "The penalty acts on the logit, before the softmax."),
            Mistake(
                "all-tokens",
                probabilities(penalise(z, torch.ones(3, dtype=torch.bool), penalty))[at].item(),
                "Only tokens already in the text are touched.",
            ),
        ]
        options = number_options(rng, right, "Positive logits are divided, negative ones multiplied; then the softmax.", mistakes)
        if options:
            break
    moved = logits[at] * penalty if logits[at] < 0 else logits[at] / penalty
    return Question(
        form=Form.CHOICE,
        prompt=f"Three tokens have the logits $({', '.join(map(numeral, logits))})$; token {at + 1} already stands in the text. With a repetition penalty of "
        f"{numeral(penalty)}, what is its probability?",
        answer="A positive logit is divided by the penalty, a negative one multiplied; then comes the softmax.",
        options=options,
        working=(
            f"its logit {numeral(logits[at])} becomes {numeral(moved)}",
            f"after the softmax: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"penalty": penalty, "drawn": [logits, at, penalty]},
        level=2,
    )


def second_penalised(question: Question) -> float:
    """In plain numbers, by the smaller of the two products."""
    logits, at, penalty = question.settings["drawn"]
    moved = [min(z * penalty, z / penalty) if index == at else z for index, z in enumerate(logits)]
    return math.exp(moved[at]) / sum(map(math.exp, moved))


def ask_picture(rng: random.Random) -> Question:
    """Which of four pictures shows what top-p leaves?"""
    while True:
        shares, top_p = _shares_of(rng, 5), rng.choice([0.5, 0.6, 0.7, 0.75, 0.8, 0.9])
        if min(abs(sum(shares[: at + 1]) - top_p) for at in range(5)) < 0.015:
            continue  # on the very line, rounding would decide
        z = torch.tensor(shares, dtype=torch.float64).log()
        kept = keep_nucleus(z, top_p)
        count = int((kept > -math.inf).sum())
        if not 2 <= count <= 4:
            continue
        shown = {
            "": probabilities(kept).tolist(),
            "stopped-before-crossing": probabilities(keep_top(z, count - 1)).tolist(),
            "not-renormalised": [share if at < count else 0.0 for at, share in enumerate(shares)],
            "equal-shares": [1 / count if at < count else 0.0 for at in range(5)],
        }
        drawn = list(shown.values())
        apart = all(sum(abs(a - b) for a, b in zip(one, other)) > 0.15 for at, one in enumerate(drawn) for other in drawn[:at])
        if apart and not any(between_two(100 * share) for share in shown[""]):
            break
    whys = {
        "": "The smallest set that reaches $p$, divided by what it holds.",
        "stopped-before-crossing": "The token that crosses $p$ belongs to the nucleus; here it is cut.",
        "not-renormalised": "The cut is right, but the bars no longer sum to 100: what is left must be divided by its sum.",
        "equal-shares": "Top-p does not make the kept tokens equal: their proportions stay.",
    }
    options = [Option(bar_picture(p), right=not name, why=whys[name], mistake=name) for name, p in shown.items()]
    return Question(
        form=Form.CHOICE,
        prompt=f"Five tokens have the probabilities {', '.join(map(numeral, shares))}. Which picture shows them, in percent, after top-p with $p={numeral(top_p)}$?",
        answer="Keep from the likeliest on until the sum reaches $p$, the crossing token included, and divide by that sum.",
        options=tuple(rng.sample(options, len(options))),
        working=(
            f"sums: {', '.join(numeral(sum(shares[: at + 1])) for at in range(count))}; the last reaches {numeral(top_p)}",
            f"each of the {count} kept tokens is divided by {numeral(sum(shares[:count]))}",
        ),
        lab=SLUG,
        settings={"top_p": top_p, "drawn": [shares, top_p]},
        level=2,
    )


def second_picture(question: Question) -> str:
    """The definition, by trying every size of set, in whole hundredths."""
    shares, top_p = question.settings["drawn"]
    parts = [round(100 * share) for share in shares]
    size = next(size for size in range(1, 6) if sum(parts[:size]) >= round(100 * top_p))
    return bar_picture([part / sum(parts[:size]) if at < size else 0.0 for at, part in enumerate(parts)])


questions = {"nucleus-share": ask_nucleus_share, "how-many-left": ask_how_many, "penalised-share": ask_penalised, "which-picture": ask_picture}
second = {"nucleus-share": second_nucleus_share, "how-many-left": second_how_many, "penalised-share": second_penalised, "which-picture": second_picture}
