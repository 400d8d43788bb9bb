"""Relative keys and values

Shaw et al. drop absolute positions and give attention a learned vector for every **offset** $j-i$ between query $i$ and key $j$: one is added to the key, and one from a second table to the value.

$$e_{ij}=\\frac{q_i\\cdot(k_j+a^K_{ij})}{\\sqrt{d_k}},\\qquad z_i=\\sum_j\\alpha_{ij}\\,(v_j+a^V_{ij}),\\qquad a_{ij}=w_{\\mathrm{clip}(j-i,\\,-k,\\,k)}.$$

It is the offset that is clipped to $[-k,k]$, so there are $2k+1$ vectors, and all that is further away shares the outermost ones. The score falls into two
parts, content $q_i\\cdot k_j$ and position $q_i\\cdot a^K_{ij}$: the same offset may please one query and not another.

Small decoders (2 layers of 4 heads, letters of a toy world) were trained on 32 letters with $k$ = 2, 8 and 64, with both tables, with the keys' alone, and with
the values' alone. They are causal, so only offsets up to 0 are ever used. Switch a table of a trained model off, and read texts longer than 32: with $k$ below the
trained length, offsets never met share a vector that was; with $k$ beyond it, they look up vectors that nobody ever trained.

Nobody builds $a^K$ with its $n^2d_k$ numbers: $q_i\\cdot w_r$ takes $2k+1$ values per query and is gathered, or moved into place by the **skew** of the Music Transformer, which
you can watch step by step.
"""

from __future__ import annotations

import copy
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
from models.attention import causal_mask, split_heads
from models.extrapolation import text_loss
from models.positioned_decoder import UNSTRETCHED, PositionedDecoder
from models.relative_attention import clipped_offsets, gather_scores, gather_values, relative_attention, skew
from screens.labs import Check, Experiment, Mistake, Slider, Stops, Text, Toggle, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines
from screens.labs.pictures import Cell, Frame, Playback

TOPIC = "relative-position-shaw"
REFERENCE = "a double loop over i and j; transformers Wav2Vec2BertSelfAttention (relative keys); F.scaled_dot_product_attention with all tables zero"
MECHANISM = (clipped_offsets, gather_scores, gather_values, skew, relative_attention)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><path d="M12 10h70v70h-70z" opacity=".4"/>
<g stroke-width="7"><path d="m16 14 62 62" stroke="#7a7f87"/><path d="m16 28 48 48M30 14l48 48" stroke="#1f77c9"/><path d="m16 42 34 34M44 14l34 34" stroke="#d4620f"/></g>
<g stroke="#0f9d77" stroke-width="3"><path d="M104 72c4-40 36-40 40 0"/><path d="M104 72c2-18 14-18 18 0"/></g>
<g fill="currentColor" stroke="none"><circle cx="104" cy="74" r="4"/><circle cx="123" cy="74" r="4"/><circle cx="144" cy="74" r="4"/></g></svg>"""

SLUG = "shaw-relative-attention"
TRAINED = 32
LENGTHS = (32, 64, 128, 256)
SHOWN = 24  # letters in the matrices
HEADS, LAYERS = 4, 2
SKEWED = 5  # positions in the playback
CLIPS = (2, 8, 64)
AT_TRAINED = 1  # of the lengths at which recall was measured
SAMPLES = {"A list twice": "list: lamp key lamp key", "A gift": "ada gave a ball to tom.", "A sum": "sums: 7 + 5 = 12; 3 + 4"}
LINES = {
    "shaw_32_k2": "k = 2",
    "shaw_32_k8": "k = 8",
    "shaw_32_k64": "k = 64",
    "shaw_32_k8_keys": "k = 8, keys only",
    "shaw_32_k8_values": "k = 8, values only",
    "none_32": "no positions",
}


@dataclass(frozen=True)
class Result:
    k: int
    keys: bool
    values: bool
    length: int
    layer: int
    head: int
    tokens: list[str]
    content: Tensor  # (T, T) q·k/√D on the typed text
    position: Tensor  # (T, T) q·a/√D, zero when the keys' table is off
    measured: Tensor  # (length,) nats per letter at these settings, over some held-out lines
    curves: dict[str, list[float]]  # model -> nats per quarter of the trained length
    recalled: dict[str, float]  # model -> share of symbols recalled in a line of the trained length

    @property
    def offsets(self) -> Tensor:
        return clipped_offsets(len(self.tokens), self.k)

    @property
    def allowed(self) -> Tensor:
        return causal_mask(len(self.tokens))

    @property
    def within(self) -> float:
        return self.measured[TRAINED // 2 : TRAINED].mean().item()

    @property
    def beyond(self) -> float:
        return self.measured[self.length * 3 // 4 :].mean().item()

    def spread(self, part: Tensor) -> float:
        """Standard deviation over the pairs that a query may see."""
        seen = part[self.allowed]
        return seen.std(correction=0).item()

    def curve(self, run: str, first: int, last: int) -> float:
        step = TRAINED // 4
        part = self.curves[run][first // step : last // step]
        return sum(part) / len(part)


def compute(
    k: Annotated[int, Stops(*CLIPS, label="Clip k", help="Offsets beyond k look up the vector of k.")] = 8,
    keys: Annotated[bool, Toggle(label="Relative keys", help="Off: the trained model runs without the table in its keys.")] = True,
    values: Annotated[bool, Toggle(label="Relative values", help="Off: the trained model runs without the table in its values.")] = True,
    length: Annotated[int, Stops(*LENGTHS, label="Test length", help="Letters; the models were trained on 32 at a time.")] = 128,
    layer: Annotated[int, Slider(0, LAYERS - 1, 1, label="Layer")] = 0,
    head: Annotated[int, Slider(0, HEADS - 1, 1, label="Head")] = 0,
    text: Annotated[str, Text(label="Text", limit=200, samples=SAMPLES, help="Read as small letters; the first 24 are shown.")] = SAMPLES[
        "A list twice"
    ],
) -> Result:
    tokenizer, card = checkpoints.load("lengths").tokenizer, checkpoints.load("lengths").card
    typed = (tokenizer.encode(text) or [tokenizer.number["\n"]])[:SHOWN]
    content, position = _parts(k, keys, values, tuple(typed), layer, head)
    return Result(
        k=k,
        keys=keys,
        values=values,
        length=length,
        layer=layer,
        head=head,
        tokens=[tokenizer.show(token) for token in typed],
        content=content,
        position=position,
        measured=_loss(k, keys, values)[:length],
        curves={run: card["figures"][run]["none"]["text"] for run in LINES},
        recalled={run: float(np.mean(card["figures"][run]["none"]["recall"][AT_TRAINED])) for run in LINES},
    )


@functools.lru_cache(maxsize=16)
def _model(k: int, keys: bool, values: bool) -> PositionedDecoder:
    """The model trained with both tables; those that are switched off are taken out."""
    trained = checkpoints.load("lengths").model[f"shaw_{TRAINED}_k{k}"]
    if keys and values:
        return trained
    model = copy.deepcopy(trained)
    for block in model.blocks:
        block.attention.relative_key = block.attention.relative_key if keys else None
        block.attention.relative_value = block.attention.relative_value if values else None
    return model


@functools.lru_cache(maxsize=128)
def _parts(k: int, keys: bool, values: bool, tokens: tuple[int, ...], layer: int, head: int) -> tuple[Tensor, Tensor]:
    """The two parts of one head's scores."""
    model, T = _model(k, keys, values), len(tokens)
    x, placing = model.embed(torch.tensor([tokens])), model.placing(T, UNSTRETCHED)
    for block in model.blocks[:layer]:
        x, _ = block(x, placing)
    block = model.blocks[layer]
    q, key = (split_heads(project(block.norm_attention(x)), HEADS)[0, head] for project in (block.attention.query, block.attention.key))  # (T, D)
    scale = 1 / math.sqrt(q.shape[-1])
    table = block.attention.relative_key
    position = gather_scores(q, table.weight, clipped_offsets(T, k)) * scale if table is not None else torch.zeros(T, T)
    return q @ key.T * scale, position


@functools.lru_cache(maxsize=16)
def _loss(k: int, keys: bool, values: bool) -> Tensor:
    """(LENGTHS[-1],) over four held-out lines, once per model."""
    return text_loss(_model(k, keys, values), _held_out(), UNSTRETCHED)


@functools.cache
def _held_out() -> Tensor:
    tokenizer, T = checkpoints.load("lengths").tokenizer, LENGTHS[-1] + 1
    letters = tokenizer.encode("\n".join(toy_world.documents(7, 60)))
    return torch.tensor(letters[: 4 * T]).view(4, T)


def figures(result: Result) -> dict[str, Any]:
    return {
        "Which vector each pair looks up": _index(result),
        "The skew, step by step": _skew_frames(),
        "The score, first part: content": _part(result, result.content, "q·k / √d"),
        "The score, second part: position": _part(result, result.position, "q·a / √d"),
        "Loss beyond the trained length": _curves(result),
    }


def _labels(result: Result) -> list[str]:
    return [{" ": "␣", "\n": "⏎"}.get(token, token) for token in result.tokens]


def _numbers(result: Result) -> list[str]:
    return [str(at) if at % 4 == 0 else "" for at in range(len(result.tokens))]


def _index(result: Result) -> Any:
    return heatmap(
        result.offsets.numpy(),
        rows=_labels(result),
        columns=_numbers(result),
        x_title="key j",
        y_title="query i",
        bar="clipped j - i",
        diverging=True,
        height=380,
    )


def _part(result: Result, part: Tensor, name: str) -> Any:
    """Both parts in one span of colours, so that they can be compared; what a query may not see is left out."""
    span = max(result.content[result.allowed].abs().max().item(), result.position[result.allowed].abs().max().item(), 1e-6)
    shown = part.masked_fill(~result.allowed, float("nan")).numpy()
    made = heatmap(shown, rows=_labels(result), columns=_numbers(result), x_title="key j", y_title="query i", bar=name, height=380)
    made.data[0].update(colorscale=[[0.0, "#1f5fa8"], [0.5, "#f2f2f2"], [1.0, "#c2570c"]], zmin=-span, zmax=span)
    return made


def _curves(result: Result) -> Any:
    bins = result.length * 4 // TRAINED
    at = (np.arange(bins) + 0.5) * TRAINED / 4
    series = {name: result.curves[run][:bins] for run, name in LINES.items()}
    if not (result.keys and result.values):
        series = {"at these settings": result.measured.view(bins, -1).mean(-1).tolist()} | series
    strong = f"k = {result.k}" if result.keys and result.values else "at these settings"
    return lines(
        at, series, x_axis=axis("position of the letter"), y_axis=axis("nats per letter"), strong=strong, order=[*LINES.values(), "at these settings"],
        upright=[(TRAINED, "trained length")], height=380,
    )  # fmt: skip


@functools.cache
def _skew_frames() -> Playback:
    """T = 5, followed as words: entry "2·-1" is the score of query 2 with the vector of offset -1."""
    T = SKEWED
    start: list[list[Cell | None]] = [[_product(i, c - (T - 1)) for c in range(T)] for i in range(T)]
    padded: list[list[Cell | None]] = [[Cell("0", 0.2, 2), *row] for row in start]
    flat = [cell for row in padded for cell in row]
    read = [flat[T * row : T * (row + 1)] for row in range(T + 1)]
    placed = read[1:]
    masked: list[list[Cell | None]] = [[cell if j <= i else Cell("", 0.0) for j, cell in enumerate(row)] for i, row in enumerate(placed)]
    marked = [[cell._replace(mark=j == i) if cell else None for j, cell in enumerate(row)] for i, row in enumerate(placed)]
    return Playback(
        [
            Frame("Each query with every offset's vector: one matrix product. The columns are offsets -4 to 0, not keys.", start),
            Frame("A column of zeros goes in front: every row is now one longer.", padded),
            Frame("The same memory, read in rows of 5: every row begins one further on than the one before.", read),
            Frame("The first row goes. Now column j of row i holds offset j - i: offset 0 stands on the diagonal.", marked),
            Frame("What stands above the diagonal are leftovers; the causal mask removes them.", masked),
        ],
        row_names=[f"row {row}" for row in range(T + 1)],
        tones={1: "offset 0", 2: "padding", 3: "never needed: the key would stand before the text"},
        height=330,
    )


def _product(i: int, offset: int) -> Cell:
    needed = i + offset >= 0
    return Cell(f"{i}·{offset}" if offset else f"{i}·0", 0.5 if offset == 0 else 0.25 if needed else 0.1, 1 if offset == 0 else 0 if needed else 3)


def facts(result: Result) -> dict[str, float]:
    return {
        "k": result.k,
        "vectors": 2 * result.k + 1,
        "used": result.k + 1,
        "content": result.spread(result.content),
        "position": result.spread(result.position),
        "within": result.within,
        "beyond": result.beyond,
        "length": result.length,
        "trained": TRAINED,
        "layer": result.layer,
        "head": result.head,
    }


def says(result: Result) -> str:
    off = [name for name, on in (("keys", result.keys), ("values", result.values)) if not on]
    switched = f" With the relative {' and '.join(off)} switched off, the" if off else " The"
    position = f"position for {numeral(result.spread(result.position))}" if result.keys else "position for nothing"
    loss = f"{switched} model needs {numeral(result.within)} nats per letter at the end of the trained {TRAINED}"
    far = f" and {numeral(result.beyond)} at the end of {result.length}" if result.length > TRAINED else ""
    return (
        f"With k = {result.k} there are {2 * result.k + 1} vectors. In layer {result.layer}, head {result.head}, content accounts for a spread of "
        f"{numeral(result.spread(result.content))} in the scores and {position}.{loss}{far}."
    )


TRY = [
    Experiment(
        title="Far is far",
        settings={"k": 2},
        ask="With $k=2$, how many different vectors does a text of 24 letters look up in its keys, in both directions?",
        options=("5", "24", "47"),
        right=0,
        why="There are 47 offsets from -23 to 23, and the clip leaves $-2,-1,0,1,2$. Three diagonals have a vector of their own, and everything else looks up one of two. (A causal "
        "decoder uses three of the five.)",
        look="First picture: away from the diagonal the colour is constant.",
        holds=lambda result: len(result.offsets.unique()) == 5,
        tempting={1: "One for each position would be an absolute table.", 2: "So many offsets there are, before they are clipped."},
    ),
    Experiment(
        title="A clip beyond the trained length",
        settings={"k": 64, "length": 256},
        ask="Trained on 32 letters, with vectors for offsets to 64. Is it better beyond 32 than the model with $k=8$?",
        options=("Yes: it can tell more distances apart", "No difference: it never clips either way", "No, it is a little worse"),
        right=2,
        why="The vectors of offsets -32 to -64 were never looked up in training: they are still where they started. With $k=8$ everything from 8 on shares a vector that every "
        "training text has used. The difference is about a tenth of a nat here, as untouched vectors are near zero and say little rather than something wrong. Clipping below the trained length is what lets unseen distances reuse something learned.",
        look="Last picture: the lines for 8 and 64 part beyond the trained length.",
        holds=lambda result: result.curve("shaw_32_k64", 192, 256) > result.curve("shaw_32_k8", 192, 256) + 0.05,
        tempting={0: "It has vectors for them, and nobody trained those.", 1: "Within 32 letters, hardly any; beyond it is another matter."},
    ),
    Experiment(
        title="Take the keys' table away",
        settings={"keys": False},
        ask="The model was trained with both tables. Run it without the keys' table. What happens to the loss within the trained length?",
        options=("Hardly anything: values carry positions too", "It rises a lot", "It falls: the score is all content now"),
        right=1,
        why="The keys' table decides *where* a head looks: previous letter, the one before. Without it the scores know content and the causal mask only, and the values' table can "
        "merely add what was looked at from where. This is a model that counted on both; one trained with values alone does better than this.",
        look="Last picture: the line at these settings lies far above the others, also before the trained length.",
        holds=lambda result: result.within > result.curve("shaw_32_k8", 16, 32) + 0.5,
        tempting={
            0: "They say from how far something came, once it has been looked at.",
            2: "Content alone cannot say “the letter before this one”.",
        },
    ),
    Experiment(
        title="Values alone",
        settings={"k": 8, "length": 32},
        ask="Now compare models that were *trained* with one table. Which of the two alone gets further on text, within the trained length?",
        options=("The keys' table", "The values' table", "Neither does better than no positions"),
        right=0,
        why="With relative keys a head can look at the letter before and read it. With relative values alone it must look by content, and learns from the mixture how far away things were. "
        "Later work often keeps the keys' part only. (Text is near letters. Asked to recall symbols from further back, which so short a training taught none of them well, the model with values alone does better here.)",
        look="Last picture, before the trained length: “k = 8, keys only” lies with “k = 8”, “values only” between them and “no positions”.",
        holds=lambda result: (
            result.curve("shaw_32_k8_keys", 16, 32) < result.curve("shaw_32_k8_values", 16, 32) < result.curve("none_32", 16, 32)
            and result.recalled["shaw_32_k8_keys"] < result.recalled["shaw_32_k8_values"] < 0.6
        ),
        tempting={1: "Values come after the choice of where to look.", 2: "Both do, by different amounts."},
    ),
]


def verify() -> list[Check]:
    """Against the formula written as a double loop, against a speech encoder's relative keys, and with nothing in the tables."""
    from transformers import Wav2Vec2BertConfig
    from transformers.models.wav2vec2_bert.modeling_wav2vec2_bert import Wav2Vec2BertSelfAttention

    generator = torch.Generator().manual_seed(0)
    T, D, H = 14, 8, 3
    q, k, v = torch.randn(3, H, T, D, generator=generator)
    w_k, w_v = torch.randn(2, 9, D, generator=generator)
    allowed = causal_mask(T)
    z, weights = relative_attention(q, k, v, w_k, w_v, allowed)
    naive_z, naive_weights = _naive(q, k, v, w_k, w_v)
    plain = relative_attention(q, k, v, torch.zeros(9, D), torch.zeros(9, D), allowed)[0]
    sdpa = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    w = torch.randn(T, D, generator=generator)  # one vector for each offset -(T-1) … 0
    full = torch.cat([w, torch.zeros(T - 1, D)])
    skewed = (skew(q @ w.T) - gather_scores(q, full, clipped_offsets(T, T - 1)))[..., allowed].abs().max().item()
    config = Wav2Vec2BertConfig(
        hidden_size=H * D,
        num_attention_heads=H,
        position_embeddings_type="relative_key",
        left_max_position_embeddings=4,
        right_max_position_embeddings=4,
        num_hidden_layers=1,
    )
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = Wav2Vec2BertSelfAttention(config).eval()
    x = torch.randn(1, T, H * D, generator=generator)
    with torch.inference_mode():
        heads = [split_heads(linear(x), H)[0] for linear in (theirs.linear_q, theirs.linear_k, theirs.linear_v)]
        _, ours = relative_attention(*heads, theirs.distance_embedding.weight, None, torch.ones(T, T, dtype=torch.bool))
        difference = (ours - theirs(x)[1][0]).abs().max().item()
    return [
        Check("output with both tables, k = 4", "a double loop over i and j", (z - naive_z).abs().max().item(), 1e-5),
        Check("weights with both tables, k = 4", "a double loop over i and j", (weights - naive_weights).abs().max().item(), 1e-6),
        Check("weights with relative keys, both directions", "transformers Wav2Vec2BertSelfAttention (relative_key)", difference, 1e-6),
        Check("output with all tables zero", "F.scaled_dot_product_attention", (plain - sdpa).abs().max().item(), 1e-6),
        Check("the skew", "the gather, on and below the diagonal", skewed, 1e-5),
    ]


def _naive(q: Tensor, k: Tensor, v: Tensor, w_k: Tensor, w_v: Tensor) -> tuple[Tensor, Tensor]:
    """The paper's formulas, one pair at a time, causal."""
    H, T, D = q.shape
    clip = len(w_k) // 2
    z, alpha = torch.zeros(H, T, D), torch.zeros(H, T, T)
    for h in range(H):
        for i in range(T):
            e = [float(q[h, i] @ (k[h, j] + w_k[max(-clip, min(clip, j - i)) + clip])) / math.sqrt(D) for j in range(i + 1)]
            total = sum(math.exp(each - max(e)) for each in e)
            for j in range(i + 1):
                alpha[h, i, j] = math.exp(e[j] - max(e)) / total
                z[h, i] += alpha[h, i, j] * (v[h, j] + w_v[max(-clip, min(clip, j - i)) + clip])
    return z, alpha


# Computed questions; what was drawn travels in settings["drawn"].


def ask_index(rng: random.Random) -> Question:
    while True:
        k, T = rng.choice((2, 3, 4, 8, 16)), 40
        i, j = rng.sample(range(1, T + 1), 2)
        right = int(clipped_offsets(T, k)[i - 1, j - 1])
        mistakes = [
            Mistake("not-clipped", j - i, "The offset is clipped to $[-k,k]$ before the lookup."),
            Mistake("query-minus-key", max(-k, min(k, i - j)), "The offset is key minus query, $j-i$."),
            Mistake("clipped-position", min(j, k), "The offset is clipped, not the position."),
            Mistake("off-by-one", max(-k + 1, min(k - 1, j - i)), "The ends $-k$ and $k$ themselves have vectors."),
            Mistake("row-of-the-table", right + k, "This is the row counted from 0, with $-k$ as row 0; asked is the clipped offset."),
        ]
        options = number_options(rng, right, "$j-i$, clipped.", mistakes)
        if options and abs(j - i) > 1:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Shaw's relative keys with $k={k}$; tokens are numbered from 1. Which offset does query {i} look up for key {j}?",
        answer="Key minus query, clipped to $[-k,k]$.",
        options=options,
        working=(f"$j-i={j}-{i}={j - i}$", f"clipped to $[-{k},{k}]$: {right}"),
        lab=SLUG,
        settings={"k": min(CLIPS, key=lambda clip: abs(clip - k)), "drawn": [k, i, j]},
        level=1,
    )


def second_index(question: Question) -> float:
    """By walking: one step at a time from the query to the key, at most k of them."""
    k, i, j = question.settings["drawn"]
    offset = 0
    while i + offset != j and abs(offset) < k:
        offset += 1 if j > i else -1
    return offset


def ask_score(rng: random.Random) -> Question:
    while True:
        q, key, a = ([rng.randint(-2, 3) for _ in range(4)] for _ in range(3))
        tq, tk, ta = (torch.tensor([row], dtype=torch.float64) for row in (q, key, a))
        # two positions and k = 1, all three offsets with the same vector: any entry is the score asked for
        right = ((tq @ tk.T + gather_scores(tq, ta.expand(3, 4), torch.zeros(1, 1, dtype=torch.long))) / 2).item()
        mistakes = [
            Mistake("content-only", _dot(q, key) / 2, "The relative vector is missing."),
            Mistake("position-only", _dot(q, a) / 2, "The content key is missing."),
            Mistake("not-scaled", _dot(q, key) + _dot(q, a), "The sum is divided by $\\sqrt{d_k}$ too."),
            Mistake(
                "scaled-content-only",
                _dot(q, key) / 2 + _dot(q, a),
                "Both parts are divided by $\\sqrt{d_k}$: the relative vector stands inside the bracket.",
            ),
            Mistake("key-meets-vector", (_dot(q, key) + _dot(key, a)) / 2, "The relative vector is added to the key and meets the query."),
            Mistake("divided-by-d", (_dot(q, key) + _dot(q, a)) / 4, "Divided by $d_k$ where the rule has its root."),
        ]
        options = number_options(rng, right, "$q\\cdot(k+a)/\\sqrt{d_k}$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Query $q={_row(q)}$, content key $k={_row(key)}$, relative key vector of their offset $a^K={_row(a)}$. What is Shaw's score ($d_k=4$)?",
        answer="Add the relative vector to the key, then the scaled dot product.",
        options=options,
        working=(
            f"$q\\cdot k={numeral(_dot(q, key))}$, $q\\cdot a^K={numeral(_dot(q, a))}$",
            f"$({numeral(_dot(q, key))}+({numeral(_dot(q, a))}))/2={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"drawn": [q, key, a]},
        level=2,
    )


def _dot(x: list[int], y: list[int]) -> float:
    return float(sum(a * b for a, b in zip(x, y)))


def _row(numbers: list[int]) -> str:
    return "(" + ", ".join(map(str, numbers)) + ")"


def second_score(question: Question) -> float:
    """The other way round: the shifted key first, entry by entry."""
    q, key, a = question.settings["drawn"]
    return sum(x * (y + z) for x, y, z in zip(q, key, a)) / math.sqrt(len(q))


def ask_memory(rng: random.Random) -> Question:
    while True:
        n, d, k = rng.choice((256, 512, 1024, 2048)), rng.choice((32, 64, 128)), rng.choice((8, 16, 64))
        naive = rng.random() < 0.5
        right = n * n * d if naive else n * (2 * k + 1)
        mistakes = [
            Mistake("gathered-for-naive", n * (2 * k + 1), "This is how many products of queries with vectors there are, before they are gathered."),
            Mistake("naive-for-gathered", n * n * d, "This is the size of the tensor that nobody builds."),
            Mistake("scores", n * n, "This counts the scores: one per pair."),
            Mistake("table", (2 * k + 1) * d, "This is the table of vectors itself."),
            Mistake("one-side", n * k, "Offsets run from $-k$ to $k$."),
        ]
        options = number_options(rng, right, "Count what is written.", [each for each in mistakes if each.value != right], digits=8)
        if options:
            break
    what = (
        "the relative key vectors $a^K_{ij}$ of one head, written out for every pair"
        if naive
        else "the products $q_i\\cdot w_r$ of one head, from which its position scores are gathered"
    )
    return Question(
        form=Form.CHOICE,
        prompt=f"A text of $n={n}$ tokens, heads of $d_k={d}$, clip $k={k}$. How many numbers are {what}?",
        answer="Written out: $n^2d_k$. Gathered: $2k+1$ products for each query.",
        options=options,
        working=((f"${n}^2\\cdot{d}={right:,}$",) if naive else (f"${n}\\cdot(2\\cdot{k}+1)={right:,}$",)),
        lab=SLUG,
        settings={"k": min(CLIPS, key=lambda clip: abs(clip - k)), "drawn": [n, d, k, naive]},
        level=1,
    )


def second_memory(question: Question) -> float:
    """By building them, as shapes without numbers."""
    n, d, k, naive = question.settings["drawn"]
    w = torch.empty(2 * k + 1, d, device="meta")
    if naive:
        return w[torch.zeros(n, n, dtype=torch.long, device="meta")].numel()
    return (torch.empty(n, d, device="meta") @ w.T).numel()


questions = {"clipped-offset": ask_index, "score-by-hand": ask_score, "numbers-to-store": ask_memory}
second = {"clipped-offset": second_index, "score-by-hand": second_score, "numbers-to-store": second_memory}
