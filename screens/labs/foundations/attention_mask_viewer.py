"""Encoder, decoder, prefix and sliding-window masks

A mask is added to the scores before the softmax: 0 where a query may look, $-\\infty$ where it may not. Nothing else about attention
changes, and yet it decides what kind of model one has.

| mask | query $i$ reads key $j$ when | known from |
|---|---|---|
| full | always | encoders (BERT) |
| causal | $j\\le i$ | decoders (GPT) |
| prefix | $j\\le i$, or $j$ is in the prefix | prefix language models |
| window | $i-W<j\\le i$ | a causal sliding window (Mistral) |

The weights are always the same: the toy decoder, trained on its small world with the causal mask. You lay another mask over it and look at three
things: the attention that is left, the **influence** (one token is exchanged for another: which outputs move?), and the loss.
Influence is the honest test of a mask. It needs no access to the scores, and it finds a leak anywhere in the model: under a causal mask nothing
before the changed token may move by more than rounding.
"""

from __future__ import annotations

import copy
import functools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.questions import Form, Question
from models import checkpoints
from models.attention import attention_scores, attention_weights, scaled_dot_product
from models.attention_masks import additive, attention_mask, exchanged, influence, read_masked
from models.decoder import Decoder
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Text, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines
from screens.labs.pictures import AttentionView, Strip, TokenStrip

TOPIC = "decoder-only-gpt"
REFERENCE = "F.scaled_dot_product_attention(is_causal=True); nn.Transformer.generate_square_subsequent_mask; transformers.masking_utils"
MECHANISM = (attention_mask, additive, attention_scores, attention_weights, read_masked, exchanged, influence)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5">
<g stroke="none" fill="#1f77c9"><path d="M16 14h12v12H16zM16 28h12v12H16zM30 28h12v12H30zM16 42h12v12H16zM30 42h12v12H30zM44 42h12v12H44zM16 56h12v12H16zM30 56h12v12H30zM44 56h12v12H44zM58 56h12v12H58z"/></g>
<path d="M15 13h57v57H15z" opacity=".5"/><g stroke="none" fill="#0f9d77"><path d="M90 14h12v12H90zM104 14h12v12h-12zM90 28h12v12H90zM104 28h12v12h-12zM90 42h12v12H90zM104 42h12v12h-12zM118 42h12v12h-12z"/><path d="M90 56h12v12H90zM104 56h12v12h-12zM118 56h12v12h-12zM132 56h12v12h-12z"/></g>
<path d="M89 13h57v57H89z" opacity=".5"/><path d="M44 80h60m-6-4 6 4-6 4" stroke="#d4620f" stroke-width="2.5"/></svg>"""

SLUG = "attention-mask-viewer"
READ = 16  # tokens of the text
LAYERS = 4
STILL = 1e-12  # relative, in double precision: below it an output has not moved but been rounded
SAMPLES = {
    "A gift": "When Ada and Tom went to the park, Ada gave a lamp to",
    "A list": "list: lamp river stone key bell. lamp river stone key",
    "Agreement": "The keys near the boat are heavy. The boat near the keys is",
}
KINDS = {"causal": "causal (decoder)", "full": "full (encoder)", "prefix": "prefix", "window": "sliding window"}


@dataclass(frozen=True)
class Result:
    kind: str
    window: int
    prefix: int
    layers: int
    tokens: list[str]
    left_out: int
    at: int  # the token that is exchanged, from 0
    instead: str
    mask: Tensor  # (T, T) bool
    weights: np.ndarray  # (L, H, T, T)
    influence: Tensor  # (T, T): row j exchanged, column i moved
    reach: Mapping[str, list[int]]  # mask -> how many tokens the last output depends on, after 1, 2, … layers
    loss: Mapping[str, float]  # mask -> nats per token of the whole decoder

    @property
    def moved(self) -> Tensor:
        return self.influence > STILL

    @property
    def moved_here(self) -> int:
        return int(self.moved[self.at].sum())

    @property
    def before(self) -> int:
        """Outputs before the exchanged token that moved."""
        return int(self.moved[self.at, : self.at].sum())


def compute(
    kind: Annotated[str, Choice(KINDS, label="Mask")] = "causal",
    window: Annotated[int, Slider(1, 8, 1, label="Window W", help="Oneself and W − 1 tokens before. Only for the sliding window.")] = 3,
    prefix: Annotated[int, Slider(1, 12, 1, label="Prefix length", help="Read in both directions. Only for the prefix mask.")] = 5,
    token: Annotated[int, Slider(1, READ, 1, label="Token to exchange", help="Counted from 1. Beyond the end it is the last one.")] = 6,
    layers: Annotated[int, Slider(1, LAYERS, 1, label="Layers")] = 2,
    text: Annotated[str, Text(label="Text", limit=120, samples=SAMPLES, help="Its first 16 tokens are read.")] = SAMPLES["A gift"],
) -> Result:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    typed = tokenizer.encode(text)
    typed = typed if len(typed) > 1 else [tokenizer.end, *(typed or [tokenizer.end])]  # a mask over one token would have nothing to hide
    ids = tuple(typed[:READ])
    at = min(token, len(ids)) - 1
    mask = _mask(kind, len(ids), prefix, window)
    with torch.inference_mode():
        trace = read_masked(model, torch.tensor([ids]), mask, layers)
    return Result(
        kind=kind, window=window, prefix=prefix, layers=layers, tokens=[tokenizer.show(one) for one in ids], left_out=len(typed) - len(ids), at=at,
        instead=tokenizer.show(_other(ids[at])), mask=mask, weights=trace.attention[:, 0].half().numpy(),
        influence=_influence(ids, kind, prefix, window)[layers],
        reach={name: [int((_influence(ids, name, prefix, window)[depth][:, -1] > STILL).sum()) for depth in range(1, LAYERS + 1)] for name in KINDS},
        loss={name: _loss(ids, name, prefix, window) for name in KINDS},
    )  # fmt: skip


def _model() -> Decoder:
    return checkpoints.load("toy_decoder").model


@functools.cache
def _exact() -> Decoder:
    """In double precision a faint influence can be told from rounding."""
    return copy.deepcopy(_model()).double()


def _other(token: int) -> int:
    """Any other token will do, as long as it is always the same."""
    return (token + 341) % _model().config.vocabulary


def _mask(kind: str, T: int, prefix: int, window: int) -> Tensor:
    return attention_mask(kind, T, prefix=prefix, window=window)  # type: ignore[arg-type]


def _influence(ids: tuple[int, ...], kind: str, prefix: int, window: int) -> list[Tensor]:
    """After 0, 1, … layers: (T, T) each. A mask that has no prefix or no window is not computed again when that control moves."""
    return _influences_of(ids, kind, prefix if kind == "prefix" else 1, window if kind == "window" else 1)


@functools.lru_cache(maxsize=256)
def _influences_of(ids: tuple[int, ...], kind: str, prefix: int, window: int) -> list[Tensor]:
    with torch.inference_mode():
        return [influence(x) for x in read_masked(_exact(), exchanged(ids, _other), _mask(kind, len(ids), prefix, window), LAYERS).residual]


@functools.lru_cache(maxsize=256)
def _loss(ids: tuple[int, ...], kind: str, prefix: int, window: int) -> float:
    with torch.inference_mode():
        logits = _model().unembed(read_masked(_model(), torch.tensor([ids]), _mask(kind, len(ids), prefix, window), LAYERS).residual[-1])[0]
    return float(F.cross_entropy(logits[:-1], torch.tensor(ids[1:])))


def figures(result: Result) -> dict[str, Any]:
    return {
        "The mask: who may read whom": _grid(result),
        f"Exchange token {result.at + 1}: which outputs move": _strip(result),
        "Influence of every token on every output": _influences(result),
        "The attention that the mask leaves": _view(result),
        "Layers carry information further than one mask allows": _reach(result),
        "The loss of this decoder under each mask": _losses(result),
    }


def _numbered(result: Result) -> list[str]:
    return [f"{at}: {token.strip()[:9] or '␣'}" for at, token in enumerate(result.tokens, 1)]


def _grid(result: Result) -> Any:
    names = _numbered(result)
    return heatmap(result.mask.numpy().astype(float), rows=names, columns=names, x_title="key", y_title="query", bar="1: may read", height=360)


def _strip(result: Result) -> TokenStrip:
    moves, moved = result.influence[result.at], result.moved[result.at]
    strength = (moves / moves.max().clamp(min=1e-9)).clamp(max=1).sqrt() * 0.9  # the root, so that small movements can be seen
    marks = ["exchanged" if at == result.at else "moved" if moved[at] else "still" for at in range(len(result.tokens))]
    notes = [
        f"Output {at}: moved by {float(move):.2g} of its length." if moving else f"Output {at}: not moved."
        for at, (move, moving) in enumerate(zip(moves, moved), 1)
    ]
    name = f"“{result.instead}” in the place of token {result.at + 1}; click another token to exchange that one"
    places = [str(at) for at in range(1, len(result.tokens) + 1)]
    return TokenStrip([Strip(name, result.tokens, strength.tolist(), marks, notes, sends=places)], value_name="movement, root", sets="token")


def _influences(result: Result) -> Any:
    names = _numbered(result)
    return heatmap(
        result.influence.clamp(max=1.5).sqrt().numpy(),
        rows=names,
        columns=names,
        x_title="output",
        y_title="token exchanged",
        bar="moved, root",
        height=380,
    )


def _view(result: Result) -> AttentionView:
    return AttentionView(result.tokens, result.weights, head=(result.layers - 1, 0))


def _reach(result: Result) -> Any:
    return lines(
        list(range(1, LAYERS + 1)), result.reach, x_axis=axis("layers", ticks={depth: str(depth) for depth in range(1, LAYERS + 1)}),
        y_axis=axis("tokens the last output depends on", span=(0, len(result.tokens) + 1)), strong=result.kind, upright=[(result.layers, "")],
    )  # fmt: skip


def _losses(result: Result) -> Any:
    return bars(
        [KINDS[name] for name in result.loss],
        list(result.loss.values()),
        x_axis=axis(),
        y_axis=axis(f"nats per token, all {LAYERS} layers"),
        colour=1,
        across=[(math.log(1024), "ln 1,024: guessing")],
    )


def facts(result: Result) -> dict[str, float]:
    T = len(result.tokens)
    return {
        "tokens": T,
        "left out": result.left_out,
        "entries": T * T,
        "visible": int(result.mask.sum()),
        "token": result.at + 1,
        "layers": result.layers,
        "moved": result.moved_here,
        "before": result.before,
        "window": result.window,
        "prefix": result.prefix,
        "loss": result.loss[result.kind],
        "causal loss": result.loss["causal"],
    }


def says(result: Result) -> str:
    T, here = len(result.tokens), result.at + 1
    name = {"full": "full mask", "causal": "causal mask", "prefix": f"prefix mask of {result.prefix}", "window": f"window of {result.window}"}[
        result.kind
    ]
    where = "none of them before it" if not result.before else f"{result.before} of them before it"
    layers = "1 layer" if result.layers == 1 else f"{result.layers} layers"
    cut = f" The text's last {result.left_out} tokens are left out." if result.left_out else ""
    trained = "" if result.kind == "causal" else f", against {numeral(result.loss['causal'])} under the causal mask it was trained with"
    return (
        f"The {name} shows {int(result.mask.sum())} of {T * T} pairs. When token {here} is exchanged, {result.moved_here} of {T} outputs move after {layers}, "
        f"{where}; this decoder's loss under the mask is {numeral(result.loss[result.kind])} nats per token{trained}.{cut}"
    )


TRY = [
    Experiment(
        title="Change one token in a decoder",
        settings={"kind": "causal", "token": 6},
        ask="Fourteen tokens, the causal mask, two layers. Token 6 is exchanged for another. Which outputs move?",
        options=("Only output 6", "Outputs 7 to 14: position $i$ predicts $i+1$", "Outputs 6 to 14", "All of them, a little"),
        right=2,
        why="Position 6 reads itself, and every later position may read it; the positions before it cannot, in any layer. So their outputs are the same numbers as before. This is "
        "why keys and values of old tokens can be kept while the text grows.",
        look="The second picture: “still” up to token 5. The third: everything below the diagonal is empty, for every token.",
        holds=lambda result: result.moved[result.at].nonzero().flatten().tolist() == list(range(5, 14)),
        tempting={
            0: "Attention carries it on to those who may read it.",
            1: "The position itself is visible to itself: its own vector is what predicts the next token.",
            3: "Under the full mask, yes.",
        },
    ),
    Experiment(
        title="The prompt in both directions",
        settings={"kind": "prefix", "prefix": 5, "token": 5},
        ask="A prefix of five tokens is read in both directions, the rest causally. The *last* token of the prefix is exchanged. Which outputs move?",
        options=("Outputs 5 to 14, as under the causal mask", "All 14", "Only 1 to 5: the prefix is a block of its own"),
        right=1,
        why="Inside the prefix everybody reads everybody, so the four outputs before it move too; everything after it reads the whole prefix anyway. Exchange token 6 instead, and only outputs 6 to 14 move.",
        look="The first picture: five full columns. The second: no token is still.",
        holds=lambda result: result.moved_here == len(result.tokens) and not result.moved[5, :5].any(),
        tempting={0: "That is so for tokens behind the prefix.", 2: "The continuation reads the prefix; only the other direction is closed."},
    ),
    Experiment(
        title="A window of three, four layers",
        settings={"kind": "window", "window": 3, "layers": 4, "token": 6},
        ask="Each token reads itself and the two before it. After four layers, on how many tokens does the last output depend?",
        options=("3: the window", "9: two more with each layer", "12: three with each layer", "All 14"),
        right=1,
        why="In each layer a token reads two places further back, but what stands there has already read two places further back itself: $L(W-1)+1=4\\cdot2+1=9$. A window is no limit of memory; depth reaches "
        "beyond it, though what has passed through many hands is weaker.",
        look="The fifth picture: the strong line climbs by two per layer. In the third the band is nine wide and pale at its edge.",
        holds=lambda result: result.reach["window"] == [3, 5, 7, 9],
        tempting={
            0: "That is one layer.",
            2: "The token itself is counted once, not once per layer.",
            3: "With a longer text and more layers it would go on; four layers are not enough for 14 tokens.",
        },
    ),
    Experiment(
        title="Take the mask off a trained decoder",
        settings={"kind": "full"},
        ask="This decoder was trained with the causal mask. Now it reads with the full mask: at each position, the token to be predicted stands in plain sight. What happens to its loss?",
        options=("It falls to nearly zero: the answer can be copied", "It stays: the heads never look ahead anyway", "It rises, several times over"),
        right=2,
        why="Only a model that is *trained* without the mask learns to copy from the right. This one has never seen a token from the future; its heads spread over keys that never were there, and its predictions suffer. "
        "So a missing mask shows in two ways: in training as a loss that is too good, in use as one that is too bad.",
        look="The last picture: one bar towers over the others.",
        holds=lambda result: result.loss["full"] > 3 * result.loss["causal"],
        tempting={
            0: "That takes training without the mask. There the loss falls, and what is then written is garbage.",
            1: "Nothing taught them not to: the mask did it for them.",
        },
    ),
]


def verify() -> list[Check]:
    from transformers.masking_utils import and_masks, causal_mask_function, or_masks, sliding_window_overlay

    generator = torch.Generator().manual_seed(3)
    q, k, v = (torch.randn(2, 3, 11, 8, generator=generator) for _ in range(3))
    ours = scaled_dot_product(q, k, v, attention_mask("causal", 11))[0]
    added = scaled_dot_product(q, k, v, additive(attention_mask("causal", 11)))[0]
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    square = nn.Transformer.generate_square_subsequent_mask(11)
    rules = {
        "window": and_masks(sliding_window_overlay(4), causal_mask_function),
        "prefix": or_masks(lambda b, h, i, j: j < 5, causal_mask_function),
    }
    different = {
        kind: sum(bool(_mask(kind, 11, 5, 4)[i, j]) != bool(rule(0, 0, torch.tensor(i), torch.tensor(j))) for i, j in np.ndindex(11, 11))
        for kind, rule in rules.items()
    }
    worst = max(
        float((scaled_dot_product(q, k, v, mask)[0] - F.scaled_dot_product_attention(q, k, v, attn_mask=mask)).abs().max())
        for mask in (_mask(kind, 11, 5, 4) for kind in KINDS)
    )
    return [
        Check("output under the causal mask", "F.scaled_dot_product_attention(is_causal=True)", float((ours - theirs).abs().max()), 1e-6),
        Check("the same with −∞ added to the scores", "F.scaled_dot_product_attention(is_causal=True)", float((added - theirs).abs().max()), 1e-6),
        Check("output under each of the four masks", "F.scaled_dot_product_attention(attn_mask=)", worst, 1e-6),
        Check(
            "entries of the added causal mask that differ",
            "nn.Transformer.generate_square_subsequent_mask",
            float((additive(attention_mask("causal", 11)) != square).sum()),
            0,
        ),
        Check("entries of the window mask that differ", "transformers sliding_window_overlay and causal_mask_function", different["window"], 0),
        Check("entries of the prefix mask that differ", "transformers or_masks over causal_mask_function", different["prefix"], 0),
    ]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_visible(rng: random.Random) -> Question:
    """Counted on the mask itself."""
    while True:
        kind, T = rng.choice(("causal", "prefix", "window")), rng.randint(5, 12)
        size = rng.randint(2, T - 2)
        right = int(_mask(kind, T, size, size).sum())
        mistakes = [
            Mistake("self-hidden", right - T, "This hides each token from itself. Its own position stays visible."),
            Mistake("no-mask", T * T, "This is the whole square: nothing is hidden."),
            Mistake("hidden-counted", T * T - right, "These are the entries that are hidden."),
            *_mistakes_with(kind, T, size),
        ]
        options = number_options(rng, right, "Row by row: what each query may read.", mistakes)
        if options:
            break
    told = {
        "causal": f"A causal mask over {T} tokens",
        "prefix": f"A prefix mask over {T} tokens, the first {size} being the prefix,",
        "window": f"A causal sliding window of {size} (the token itself and {size - 1} before it) over {T} tokens",
    }[kind]
    rows = [int(row) for row in _mask(kind, T, size, size).sum(dim=1)]
    return Question(
        form=Form.CHOICE,
        prompt=f"{told} leaves how many of the {T * T} score entries visible?",
        answer="Count row by row what each query may read, itself included.",
        options=options,
        working=(f"rows: {' + '.join(map(str, rows))}", f"together {right}"),
        lab=SLUG,
        settings={"kind": kind, "prefix": min(size, 12), "window": min(size, 8), "drawn": [kind, T, size]},
        level=1,
    )


def _mistakes_with(kind: str, T: int, size: int) -> list[Mistake]:
    """Those that only this kind of mask invites: no number of a prefix or a window where the question has none."""
    causal = T * (T + 1) // 2
    if kind == "causal":
        return [
            Mistake("one-ahead", causal + T - 1, "This also shows each token the one after it, the one to be predicted."),
            Mistake("diagonal-alone", T, "This is the diagonal alone. Each token also reads those before it."),
        ]
    plain = Mistake("causal-mask", causal, "This is the plain causal mask.")
    if kind == "prefix":
        return [plain, Mistake("block-alone", size * size, "This counts the square of the prefix and leaves out the other rows.")]
    return [plain, Mistake("whole-window-everywhere", T * size, f"This gives every row {size} keys; the first rows have fewer.")]


def second_visible(question: Question) -> float:
    """By formula: triangles and rectangles."""
    kind, T, size = question.settings["drawn"]
    triangle = T * (T + 1) // 2
    if kind == "causal":
        return triangle
    if kind == "prefix":
        return triangle + size * (size - 1) // 2
    return triangle - (T - size) * (T - size + 1) // 2


def ask_weight(rng: random.Random) -> Question:
    """Scores as logarithms of whole numbers, so that the weights are fractions."""
    while True:
        T = 5
        parts = [rng.randint(1, 9) for _ in range(T)]
        kind = rng.choice(("causal", "window"))
        i = rng.randint(2, T)  # the query, from 1
        window = rng.randint(2, i) if kind == "window" else T
        first = max(1, i - window + 1)
        j = rng.randint(first, i)
        scores = torch.tensor(parts, dtype=torch.float64).log()
        mask = _mask(kind, T, 1, window)[i - 1]
        right = float(attention_weights(scores + additive(mask))[j - 1])
        unmasked = float(attention_weights(scores)[j - 1])
        before = sum(parts[first - 1 : i - 1])
        mistakes = [
            Mistake("no-mask", unmasked, "This lets the query see all five keys."),
            Mistake("self-hidden", parts[j - 1] / before if before else 2.0, "This hides the query's own position, which stays visible."),
            Mistake(
                "hidden-as-zero",
                parts[j - 1] / (sum(parts[first - 1 : i]) + T - (i - first + 1)),
                "This sets hidden scores to 0, and $e^0=1$ still takes its share. Hidden means $-\\infty$.",
            ),
            Mistake(
                "one-ahead",
                parts[j - 1] / sum(parts[first - 1 : i + 1]) if i < T else 2.0,
                "This also shows the key after the query, the one to be predicted.",
            ),
            Mistake(
                "raw-scores",
                float(scores[j - 1] / scores[first - 1 : i].sum()) if scores[first - 1 : i].sum() > 0 else 2.0,
                "This divides the scores themselves; the softmax takes exponentials first.",
            ),
            Mistake("causal-only", parts[j - 1] / sum(parts[:i]), "This forgets that the window also hides what lies too far back."),
        ]
        options = number_options(
            rng, right, "The exponentials of the visible scores, and this one's share of them.", [one for one in mistakes if 0 < one.value < 1]
        )
        if options:
            break
    told = "a causal mask" if kind == "causal" else f"a causal sliding window of {window} (itself and {window - 1} before)"
    listed = ", ".join("0" if part == 1 else f"\\ln {part}" for part in parts)
    return Question(
        form=Form.CHOICE,
        prompt=f"The query at position {i} has the scores $({listed})$ for the keys at positions 1 to 5, under {told}. Positions count from 1. What weight does position {j} get?",
        answer="Hidden scores become $-\\infty$, whose exponential is 0; the rest is an ordinary softmax.",
        options=options,
        working=(
            f"visible: positions {first} to {i}, exponentials {' + '.join(str(part) for part in parts[first - 1 : i])} = {sum(parts[first - 1 : i])}",
            f"{parts[j - 1]}/{sum(parts[first - 1 : i])} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"kind": kind, "window": min(window, 8), "drawn": [parts, first, i, j]},
        level=2,
    )


def second_weight(question: Question) -> float:
    """A fraction of whole numbers."""
    parts, first, i, j = question.settings["drawn"]
    return parts[j - 1] / sum(parts[first - 1 : i])


def ask_reach(rng: random.Random) -> Question:
    """Found by exchanging tokens in a stack that only averages what its mask shows."""
    while True:
        L, W = rng.randint(2, 6), rng.randint(2, 6)
        T = L * W + 6
        right = _averaging_reach(T, W, L)
        mistakes = [
            Mistake("one-layer", W, "This is one layer's window."),
            Mistake("window-times-layers", L * W, "The token where one window ends begins the next: it is counted once."),
            Mistake("one-too-far", L * W + 1, "The window of $W$ includes the token itself, so it reaches $W-1$ back."),
            Mistake("self-forgotten", L * (W - 1), "These are the tokens before it; the output also depends on its own token."),
            Mistake("whole-text", T, "Nothing hides the past for ever, but so few layers do not reach the beginning."),
            Mistake("powers", W**L, "Reach adds up with each layer; it does not multiply."),
        ]
        options = number_options(rng, right, "$L(W-1)+1$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder of {L} layers uses in each a causal sliding window of {W} tokens, the token itself among them. The text has {T} tokens. On how many of them can the **last output** depend?",
        answer="Each layer reaches $W-1$ places further back: $L(W-1)+1$.",
        options=options,
        working=(f"${L}\\cdot({W}-1)+1={right}$",),
        lab=SLUG,
        settings={"kind": "window", "window": W, "layers": min(L, LAYERS), "drawn": [T, W, L]},
        level=2,
    )


def _averaging_reach(T: int, W: int, L: int) -> int:
    """L layers of attention with equal scores, run on T different numbers: how many of them does the last output depend on?"""
    mask = attention_mask("window", T, window=W)

    x = exchanged(range(T), lambda token: token + 1).double()[..., None] + 1
    for _ in range(L):
        x = x + attention_weights(additive(mask)).double() @ x
    return int((influence(x)[:, -1] > 1e-15).sum())


def second_reach(question: Question) -> float:
    """Walking back by hand."""
    T, W, L = question.settings["drawn"]
    first = T
    for _ in range(L):
        first = max(1, first - (W - 1))
    return T - first + 1


questions = {"visible-entries": ask_visible, "masked-weight": ask_weight, "reach-of-a-window": ask_reach}
second = {"visible-entries": second_visible, "masked-weight": second_weight, "reach-of-a-window": second_reach}
