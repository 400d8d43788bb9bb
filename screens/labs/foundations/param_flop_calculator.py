"""Count a model's weights, operations and bytes

The size of a decoder follows from a handful of numbers, and the count comes out exact to the last bias. Set the numbers, and two
counts are made: one by closed formulas, term by term, and one by building the model on a device where tensors have shapes but no
contents, and adding up what is there.

| term | weights |
|---|---|
| token embedding | $Vd$, once if tied with the output head |
| learned positions | $T_{max}d$ (rotary positions have none) |
| attention | $2d\\,hD+2d\\,h_{kv}D$, and with biases $hD+2h_{kv}D+d$, in every block |
| feed-forward | $2d\\,d_{ff}$, gated $3d\\,d_{ff}$, in every block |
| norms | $2d$ each (RMSNorm: $d$), two per block and one at the end |

Operations are those of the matrix products, a multiplication and an addition counted as two: each weight of a matrix is used once
per token, $2$ operations forward and $4$ backward, hence $C\\approx6ND$ for training on $D$ tokens. Attention adds $4n\\,d$ per token
and layer for scores and mixing at $n$ tokens, all pairs counted, the causal half included.

Watch two things. Which term dominates, when the model is narrow and when it is wide? And which of the settings change the weights,
which the operations, and which only the cache?
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import plotly.graph_objects as go
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from backend.questions import Form, Question
from models.model_size import (
    ATTENTION,
    EMBEDDING,
    FEED_FORWARD,
    GPT2_SMALL,
    HEAD,
    LLAMA_3_8B,
    NORMS,
    POSITIONS,
    SCORES,
    TERMS,
    Shape,
    attention_biases,
    attention_matrices,
    block_weights,
    cache_bytes_per_token,
    forward_flops,
    total_weights,
    training_bytes,
    training_flops,
    weights,
)
from models.sized_decoder import SizedDecoder, counted_flops, counted_weights
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines

TOPIC = "parameter-and-flop-counting"
REFERENCE = "transformers GPT2LMHeadModel, LlamaForCausalLM and BertModel: numel() over their tensors; torch's FlopCounterMode over their passes"
MECHANISM = (weights, block_weights, forward_flops, cache_bytes_per_token, counted_weights, SizedDecoder.forward)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 78h134" opacity=".45"/>
<g stroke="none"><path d="M24 14h20v46h-20z" fill="#1f77c9"/><path d="M24 60h20v6h-20z" fill="#0f9d77"/><path d="M24 66h20v12h-20z" fill="#b565a7"/>
<path d="M56 14h20v24h-20z" fill="#1f77c9"/><path d="M56 38h20v13h-20z" fill="#0f9d77"/><path d="M56 51h20v27h-20z" fill="#b565a7"/>
<path d="M88 14h20v9h-20z" fill="#1f77c9"/><path d="M88 23h20v18h-20z" fill="#0f9d77"/><path d="M88 41h20v37h-20z" fill="#b565a7"/>
<path d="M120 14h20v2h-20z" fill="#1f77c9"/><path d="M120 16h20v20h-20z" fill="#0f9d77"/><path d="M120 36h20v42h-20z" fill="#b565a7"/></g></svg>"""

SLUG = "param-flop-calculator"
WIDTHS = (128, 256, 512, 768, 1024, 1280, 1600, 2048, 3072, 4096, 5120, 6144, 8192, 12288, 16384)
HEADS = (1, 2, 4, 8, 12, 16, 20, 25, 32, 40, 48, 64, 96, 128)
INNER = (1, 2, 2.6875, 2.75, 3, 3.5, 4, 5, 6, 8)  # d_ff as a multiple of d; 2.6875 and 3.5 are Llama's
VOCABULARIES = (256, 1024, 8192, 32_000, 50_257, 100_277, 128_256, 151_936, 256_000)
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072)
DRAWN_WIDTHS = (128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
GIB = 2**30


@dataclass(frozen=True)
class Result:
    shape: Shape
    asked_heads: tuple[int, int]  # before they were brought to numbers that divide
    inner: float
    context: int
    formula: Mapping[str, int]
    counted: Mapping[str, int]
    flops: Mapping[str, int]  # of reading `context` tokens at once

    @property
    def total(self) -> int:
        return sum(self.formula.values())

    def share(self, term: str) -> float:
        return self.formula[term] / self.total

    @property
    def largest(self) -> str:
        return max(self.formula, key=self.formula.__getitem__)

    @property
    def scores_share(self) -> float:
        return self.flops[SCORES] / sum(self.flops.values())

    @property
    def cache(self) -> float:
        """Bytes of the whole context's keys and values in 16 bits."""
        return cache_bytes_per_token(self.shape) * self.context


def compute(
    layers: Annotated[int, Slider(1, 96, label="Blocks", help="How many blocks are stacked.")] = 12,
    width: Annotated[int, Stops(*WIDTHS, label="Width d", help="Numbers per token on the residual stream.")] = 768,
    heads: Annotated[
        int, Stops(*HEADS, label="Query heads", help="Each has width / heads numbers; a number that does not divide the width is lowered.")
    ] = 12,
    kv_heads: Annotated[
        int, Stops(*HEADS, label="Key-value heads", help="Shared among the query heads (grouped queries); as many means no sharing.")
    ] = 12,
    inner: Annotated[float, Stops(*INNER, label="Feed-forward width / d", help="The inner width of the feed-forward network.")] = 4,
    gated: Annotated[bool, Toggle(label="Gated feed-forward", help="A third matrix whose output multiplies the inner vector (SwiGLU).")] = False,
    vocabulary: Annotated[int, Stops(*VOCABULARIES, label="Vocabulary", help="Rows of the token embedding.")] = 50_257,
    tied: Annotated[bool, Toggle(label="Output head tied", help="The output head is the token embedding again.")] = True,
    norm: Annotated[str, Choice({"layer": "LayerNorm", "rms": "RMSNorm"}, label="Norm", help="RMSNorm has a gain and no bias.")] = "layer",
    biases: Annotated[bool, Toggle(label="Biases", help="On the projections of attention and feed-forward network.")] = True,
    learned: Annotated[bool, Toggle(label="Learned positions", help="A table with a row for each position; rotary positions need none.")] = True,
    context: Annotated[
        int, Stops(*LENGTHS, label="Context length", help="Rows of the position table; tokens read at once; tokens in the cache.")
    ] = 1024,
) -> Result:
    fitted = divisor(width, heads)
    shape = Shape(
        layers, width, fitted, divisor(fitted, kv_heads), round(inner * width), vocabulary, tied, gated, biases, norm, context if learned else 0,
    )  # fmt: skip
    return Result(shape, (heads, kv_heads), inner, context, weights(shape), _built(shape), forward_flops(shape, context))


def divisor(whole: int, most: int) -> int:
    """The largest number up to `most` that divides `whole`."""
    return next(part for part in range(min(most, whole), 0, -1) if whole % part == 0)


@functools.lru_cache(maxsize=64)
def _built(shape: Shape) -> dict[str, int]:
    return counted_weights(shape)


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "Where the weights are": _shares(result),
        "How the shares move as the model widens": _over_widths(result),
        "The formula against the tensors that were built": _against(result),
        "Operations per token as the text grows": _operations(result),
        "Bytes to hold it, to train it, to serve it": _bytes(result),
    }


def _shares(result: Result) -> go.Figure:
    return bars(TERMS, [100 * result.share(term) for term in TERMS], x_axis=axis("term"), y_axis=axis("share of all weights, %"))


def _over_widths(result: Result) -> go.Figure:
    """Everything as set but the width; the heads keep their number and grow."""
    widths = sorted({*DRAWN_WIDTHS, result.shape.width})
    counts = [
        weights(replace(result.shape, width=d, feed_forward=round(result.inner * d), head_size=max(1, d // result.shape.heads))) for d in widths
    ]
    labels = [f"{d:,} ◂" if d == result.shape.width else f"{d:,}" for d in widths]
    series = {term: [100 * count[term] / sum(count.values()) for count in counts] for term in TERMS}
    return bars(
        labels,
        series,
        x_axis=axis("width d (◂ as set)") | {"type": "category"},
        y_axis=axis("share of all weights, %", span=(0, 100)),
        barmode="stack",
    )


def _against(result: Result) -> go.Figure:
    terms = [term for term in TERMS if result.formula[term] or result.counted[term]]
    series = {
        "by formula": [*(result.formula[term] for term in terms), result.total],
        "counted": [*(result.counted[term] for term in terms), sum(result.counted.values())],
    }
    return bars([*terms, "all"], series, x_axis=axis("term"), y_axis=axis("weights", log=True) | {"dtick": 1})


def _operations(result: Result) -> go.Figure:
    """Per token of a text of n tokens read at once."""
    linear, scores = [], []
    for n in LENGTHS:
        flops = forward_flops(result.shape, n)
        scores.append(flops[SCORES] / n)
        linear.append((sum(flops.values()) - flops[SCORES]) / n)
    series = {"matrices of weights": linear, "scores and mixing": scores, "together": [a + b for a, b in zip(linear, scores)]}
    ticks = {n: f"{n:,}" for n in LENGTHS[::2]}
    return lines(
        LENGTHS, series, x_axis=axis("tokens read at once", log=True, ticks=ticks), y_axis=axis("operations per token, forward", log=True),
        strong="together", upright=[(result.context, "")],
    )  # fmt: skip


def _bytes(result: Result) -> go.Figure:
    sizes = {
        "weights, 16 bit": 2 * result.total,
        "training state": sum(training_bytes(result.shape).values()),
        f"cache of {result.context:,} tokens": result.cache,
    }
    return bars(
        list(sizes), [size / GIB for size in sizes.values()], x_axis=axis("what is kept"), y_axis=axis("GiB", log=True) | {"dtick": 1}, colour=4
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "blocks": result.shape.layers,
        "width": result.shape.width,
        "heads": result.shape.heads,
        "key-value heads": result.shape.kv_heads,
        "weights": result.total,
        "difference": sum(abs(result.formula[term] - result.counted[term]) for term in TERMS),
        "largest share": 100 * result.share(result.largest),
        "tokens": result.context,
        "operations": _scaled(sum(result.flops.values()))[0],
        "scores share": 100 * result.scores_share,
        "cache": _in_bytes(result.cache)[0],
    }


def says(result: Result) -> str:
    shape, (asked, asked_kv) = result.shape, result.asked_heads
    same = "the tensors of the built model add up to the same number" if result.formula == result.counted else "the built model disagrees"
    flops, word = _scaled(sum(result.flops.values()))
    size, unit = _in_bytes(result.cache)
    lowered = (
        f" Heads must divide the width: {shape.heads} query and {shape.kv_heads} key-value heads are counted."
        if (shape.heads, shape.kv_heads) != (asked, asked_kv)
        else ""
    )
    return (
        f"{_some(shape.layers, 'block')} of width {shape.width} make {result.total:,} weights, and {same}; the largest part, "
        f"{numeral(100 * result.share(result.largest))}%, is {WORDS[result.largest]}. Reading {result.context:,} tokens at once takes "
        f"{numeral(flops)} {word}operations, {numeral(100 * result.scores_share)}% of them for scores and mixing, and caching them takes {numeral(size)} {unit}.{lowered}"
    )


WORDS = {
    EMBEDDING: "the token embedding",
    POSITIONS: "the table of positions",
    ATTENTION: "attention",
    FEED_FORWARD: "the feed-forward networks",
    NORMS: "the norms",
    HEAD: "the output head",
}


def _some(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _scaled(value: float) -> tuple[float, str]:
    for size, word in ((1e15, "quadrillion "), (1e12, "trillion "), (1e9, "billion "), (1e6, "million ")):
        if value >= size:
            return value / size, word
    return value, ""


def _in_bytes(value: float) -> tuple[float, str]:
    for size, word in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return value / size, word
    return value, "bytes"


LLAMA = {
    "layers": 32, "width": 4096, "heads": 32, "kv_heads": 8, "inner": 3.5, "gated": True, "vocabulary": 128_256, "tied": False, "norm": "rms",
    "biases": False, "learned": False, "context": 8192,
}  # fmt: skip

TRY = [
    Experiment(
        title="GPT-2 small, exactly",
        settings={},
        ask="GPT-2 small has 12 blocks of width 768 and a vocabulary of 50,257 tokens, tied. What share of its weights is the token embedding?",
        options=("About 6%: it is one matrix of many", "About 31%: one matrix, but with 50,257 rows", "About 62%: embedding and output head together"),
        right=1,
        why="$50257\\cdot768=38.6$ million of 124,439,808. The head is the same matrix, so it is not counted again. Twelve blocks of $12d^2$ are 85 million.",
        look="The first picture. In the third, each pair of bars has the same height: formula and count agree term by term.",
        holds=lambda result: abs(result.share(EMBEDDING) - 0.31) < 0.005 and result.formula == result.counted and result.total == 124_439_808,
        tempting={0: "One matrix, but about as large as five and a half blocks.", 2: "That would be two separate matrices; here they are tied."},
    ),
    Experiment(
        title="A very small model with a large vocabulary",
        settings={"layers": 4, "width": 128, "heads": 4, "kv_heads": 4, "context": 128},
        ask="Keep the vocabulary of 50,257 tokens, but take 4 blocks of width 128. Where are the weights now?",
        options=("Mostly in the feed-forward networks, as in every Transformer", "About half in the blocks, half in the embedding", "Nearly nine tenths in the embedding"),
        right=2,
        why="A block is $12d^2$, the embedding $Vd$: their ratio is $12Ld/V$, here $12\\cdot4\\cdot128/50257=0.12$. This is why tying pays for small "
        "models, and why papers on scaling count without embeddings.",
        look="The first picture, and the left end of the second.",
        holds=lambda result: 0.87 < result.share(EMBEDDING) < 0.91,
        tempting={0: "True from some width on; the second picture shows from which."},
    ),
    Experiment(
        title="Seventy billion weights",
        settings=LLAMA | {"layers": 80, "width": 8192, "heads": 64, "vocabulary": 32_000, "context": 4096},
        ask="This is the shape of Llama 2 70B: 80 blocks of width 8,192, a gated feed-forward network, 8 key-value heads. What share has the feed-forward network?",
        options=("About a third: attention, feed-forward and ends share evenly", "About two thirds, as $8d^2$ of $12d^2$", "More than four fifths"),
        right=2,
        why="Gated, it has $3\\cdot3.5\\,d^2=10.5d^2$ per block, while grouped queries cut attention from $4d^2$ to $2.25d^2$: $10.5/12.75=82\\%$. "
        "The two thirds belong to the classic block without sharing.",
        look="The first picture, and how little the ends have left at the right end of the second.",
        holds=lambda result: 0.8 < result.share(FEED_FORWARD) < 0.83 and abs(result.total / 69e9 - 1) < 0.01,
        tempting={1: "Right for GPT-2's block. Grouped queries shrink attention, and the gate adds a third matrix."},
    ),
    Experiment(
        title="What do fewer key-value heads save?",
        settings=LLAMA,
        ask="Llama 3 8B has 32 query heads and 8 key-value heads. Compared with 32 key-value heads, what becomes four times smaller?",
        options=("The weights of attention", "The operations for scores and mixing", "The cache of keys and values"),
        right=2,
        why="The cache holds $2\\cdot L\\cdot h_{kv}\\cdot D$ numbers per token, so a quarter is left. Attention's weights go from $4d^2$ to $2.5d^2$ "
        "only, since queries and output keep their size; and every query head still meets every key.",
        look="The last picture: the cache of 8,192 tokens is 1 GiB. Move the key-value heads to 32 and it is 4 GiB, while the weights grow by a tenth only.",
        holds=lambda result: _saved_by_sharing(result) == {"cache": 4.0, "attention": 1.6, "scores": 1.0},
        tempting={0: "They fall by three eighths: Q and the output projection stay as they are.", 1: "Keys are shared, but each query head has its own scores."},
    ),
    Experiment(
        title="A long text changes the bill",
        settings=LLAMA | {"context": 131_072},
        ask="Llama 3 8B reads 131,072 tokens at once. Which part of the operations is scores and mixing, which $6ND$ leaves out?",
        options=("A few percent: $6ND$ is a good approximation", "About a third", "More than four fifths"),
        right=2,
        why="Per token and layer $4nd=4\\cdot131072\\cdot4096$, against about $2\\cdot218$ million for the matrices of a block. "
        "At 1,024 tokens it is under 4%, and there $6ND$ is right.",
        look="The fourth picture: the line of scores crosses that of the matrices and carries the sum with it.",
        holds=lambda result: result.scores_share > 0.8 and _scores_share(result.shape, 1024) < 0.04,
        tempting={0: "At the lengths models are mostly trained at this is so; the term grows with the length."},
    ),
]  # fmt: skip


def _saved_by_sharing(result: Result) -> dict[str, float]:
    """How many times larger things were with a key-value head for each query head."""
    shape, alone = result.shape, replace(result.shape, kv_heads=result.shape.heads)
    return {
        "cache": cache_bytes_per_token(alone) / cache_bytes_per_token(shape),
        "attention": attention_matrices(alone) / attention_matrices(shape),
        "scores": forward_flops(alone, 64)[SCORES] / forward_flops(shape, 64)[SCORES],
    }


def _scores_share(shape: Shape, n: int) -> float:
    flops = forward_flops(shape, n)
    return flops[SCORES] / sum(flops.values())


def verify() -> list[Check]:
    """transformers' own models, built without contents: their tensors added up, and their passes counted by torch."""
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    eager = {"attn_implementation": "eager"}
    llama_config = LlamaConfig(
        hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, vocab_size=128_256, **eager,
    )  # fmt: skip
    with torch.device("meta"):
        gpt2, llama, bert = GPT2LMHeadModel(GPT2Config(**eager)), LlamaForCausalLM(llama_config), BertModel(BertConfig())
    bert_shape = Shape(12, 768, 12, 12, 3072, 30_522, learned_positions=512)
    pooler_and_kinds = 768 * 768 + 768 + 2 * 768  # BERT's pooler and its two sentence kinds; its norm after the embedding stands for our last one
    checks = [
        _equal("weights of GPT-2 small", "transformers GPT2LMHeadModel, numel()", total_weights(GPT2_SMALL), _numel(gpt2)),
        _equal("weights of Llama 3 8B", "transformers LlamaForCausalLM, numel()", total_weights(LLAMA_3_8B), _numel(llama)),
        _equal("weights of BERT-base with pooler", "transformers BertModel, numel()", total_weights(bert_shape) + pooler_and_kinds, _numel(bert)),
        _equal("our own built GPT-2 small", "transformers GPT2LMHeadModel, numel()", sum(counted_weights(GPT2_SMALL).values()), _numel(gpt2)),
        _equal(
            "operations of GPT-2 small, 96 tokens",
            "FlopCounterMode over GPT2LMHeadModel",
            sum(forward_flops(GPT2_SMALL, 96).values()),
            _flops(gpt2, 96),
        ),
        _equal(
            "operations of Llama 3 8B, 96 tokens",
            "FlopCounterMode over LlamaForCausalLM",
            sum(forward_flops(LLAMA_3_8B, 96).values()),
            _flops(llama, 96),
        ),
        _equal("our own built Llama's operations", "FlopCounterMode over LlamaForCausalLM", counted_flops(LLAMA_3_8B, 96), _flops(llama, 96)),
    ]
    small = Shape(2, 32, 4, 4, 128, 64, learned_positions=32)
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=32, n_head=4, vocab_size=64, n_positions=32, **eager))
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 24, dtype=torch.long)).logits.sum().backward()
    source = "FlopCounterMode, forward and backward of a small GPT-2"
    return [*checks, _equal("operations of a training pass", source, sum(training_flops(small, 24).values()), counter.get_total_flops())]


def _equal(what: str, against: str, own: int, theirs: int) -> Check:
    return Check(what, against, abs(own - theirs), 0)


def _numel(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def _flops(model: nn.Module, n: int) -> int:
    tokens, mask = torch.zeros(1, n, dtype=torch.long, device="meta"), torch.zeros(1, 1, n, n, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(
            input_ids=tokens, attention_mask=mask, use_cache=False
        )  # without a ready mask transformers would look into the tokens, and there is nothing in them
    return counter.get_total_flops()


# Computed questions: what was drawn travels in settings["drawn"], so that `second` can answer by another way.


def ask_attention(rng: random.Random) -> Question:
    while True:
        D, heads, biases = rng.choice([32, 64, 128]), rng.choice([8, 12, 16, 32]), rng.random() < 0.4
        kv_heads = rng.choice([part for part in (1, 2, 4, 8) if heads % part == 0 and part < heads])
        d = heads * D
        shape = Shape(1, d, heads, kv_heads, 4 * d, 1000, biases=biases)
        right = attention_matrices(shape) + attention_biases(shape)
        plain = replace(shape, biases=False)
        mistakes = [
            Mistake("nothing-shared", 4 * d * d + (4 * d if biases else 0), "This gives every query head keys and values of its own."),
            Mistake(
                "shared-the-queries",
                attention_matrices(plain) - d * d + d * kv_heads * D,
                "The queries keep all their heads; only K and V are shared.",
            ),
            Mistake("keys-only", attention_matrices(plain) - d * kv_heads * D, "K and V have a matrix each; this counts one of them."),
            Mistake("no-output", attention_matrices(plain) - d * d, "The output projection, as large as that of the queries, is missing."),
            Mistake(
                "heads-not-size", 2 * d * d + 2 * d * kv_heads, "K and V have $h_{kv}D$ columns; this takes the number of heads for the columns."
            ),
        ]
        options = number_options(rng, right, "Q and output $d\\times hD$ each, K and V $d\\times h_{kv}D$ each.", mistakes)
        if options:
            break
    with_biases = "with a bias on every projection, counted too" if biases else "without biases"
    last = (f"biases: {heads * D} + 2·{kv_heads * D} + {d} = {attention_biases(shape):,}",) if biases else ()
    return Question(
        form=Form.CHOICE,
        prompt=f"How many weights has one attention layer of width $d={d}$ with {heads} query heads and {kv_heads} key-value head{'s' * (kv_heads > 1)} of size {D}, {with_biases}?",
        answer="Attention has $2d\\,hD+2d\\,h_{kv}D$ weights in its matrices, and $hD+2h_{kv}D+d$ biases where it has any.",
        options=options,
        working=(f"Q and output: $2\\cdot{d}\\cdot{heads * D}={2 * d * d:,}$", f"K and V: $2\\cdot{d}\\cdot{kv_heads * D}={2 * d * kv_heads * D:,}$", *last, f"together {right:,}"),
        lab=SLUG,
        settings={"width": min(WIDTHS, key=lambda width: abs(width - d)), "heads": heads, "kv_heads": kv_heads, "biases": biases, "drawn": [d, heads, kv_heads, D, biases]},
        level=2,
    )  # fmt: skip


def second_attention(question: Question) -> int:
    """The four layers built and their tensors added up."""
    d, heads, kv_heads, D, biases = question.settings["drawn"]
    with torch.device("meta"):
        layers = [nn.Linear(d, columns, bias=biases) for columns in (heads * D, kv_heads * D, kv_heads * D)] + [nn.Linear(heads * D, d, bias=biases)]
    return sum(_numel(layer) for layer in layers)


def ask_training(rng: random.Random) -> Question:
    while True:
        N, D = rng.choice([1, 1.5, 3, 7, 8, 13, 30, 70]) * 1e9, rng.choice([20, 100, 200, 300, 500, 1000, 2000, 15_000]) * 1e9
        right = 6 * N * D
        mistakes = [
            Mistake("forward-only", 2 * N * D, "This is the forward pass; the backward pass takes twice as much on top."),
            Mistake("backward-only", 4 * N * D, "This is the backward pass alone."),
            Mistake("multiplications-only", 3 * N * D, "A multiplication and an addition count as two operations."),
            Mistake("no-factor", N * D, "Every weight is used in six operations per token, not in one."),
            Mistake("twice-forward-backward", 8 * N * D, "Eight would mean that the forward pass is computed twice, as with recomputed activations."),
        ]
        options = number_options(rng, right, "$6ND$.", mistakes, unit="FLOPs")
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"About how many operations does it take to train a model of {numeral(N / 1e9)} billion weights on {numeral(D / 1e9)} billion tokens (short texts, every activation kept)?",
        answer="$C\\approx6ND$: two operations per weight and token forward, four backward.",
        options=options,
        working=(f"$6\\cdot{numeral(N / 1e9)}\\cdot10^9\\cdot{numeral(D / 1e9)}\\cdot10^9={numeral(right)}$",),
        lab=SLUG,
        settings={"drawn": [N, D]},
        level=1,
    )  # fmt: skip


@functools.cache
def _counted_per_weight() -> float:
    """Two layers, so that the first one's output needs a gradient as everywhere inside a model; torch counts what the second one does."""
    first, layer = nn.Linear(8, 16, bias=False), nn.Linear(16, 4, bias=False)
    x = first(torch.ones(5, 8))
    with FlopCounterMode(display=False) as counter:
        torch.autograd.grad(layer(x).sum(), (x, layer.weight))
    return counter.get_total_flops() / (layer.weight.numel() * 5)


def second_training(question: Question) -> float:
    N, D = question.settings["drawn"]
    return _counted_per_weight() * N * D


def ask_forgotten(rng: random.Random) -> Question:
    while True:
        D, heads, layers = rng.choice([32, 64]), rng.choice([4, 8, 12]), rng.choice([2, 3, 4, 6])
        d, V = heads * D, rng.choice([8192, 32_000, 50_257])
        T_max = rng.choice([512, 1024, 2048])
        shape = Shape(layers, d, heads, heads, 4 * d, V, learned_positions=T_max)
        gaps = {
            "tied": V * d,
            "positions": -T_max * d,
            "last-norm": -2 * d,
            "block-norms": -4 * d * layers,
            "biases": -(9 * d) * layers,
            "one-norm-per-block": -2 * d * layers,
        }
        chosen = rng.choice(list(gaps))
        if len(set(gaps.values())) == len(gaps):
            break
    gap = gaps[chosen]
    others = rng.sample([name for name in gaps if name != chosen], 3)
    side = "more" if gap > 0 else "fewer"
    mistakes = [Mistake(name, FORGOTTEN[name], f"That would be {abs(gaps[name]):,} {'more' if gaps[name] > 0 else 'fewer'}.") for name in others]
    options = number_options(rng, FORGOTTEN[chosen], f"That is {abs(gap):,}.", mistakes)
    assert options  # six different texts
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder in GPT-2's manner has {layers} blocks of width $d={d}$ ($d_{{ff}}=4d$, biases, LayerNorm), a vocabulary of {V:,}, {T_max:,} learned positions and a tied output "
        f"head. Somebody counts {abs(gap):,} weights {side} than it has. What went wrong?",
        answer="Compare the difference with the terms: $Vd$ for a head counted apart, $T_{max}d$ for positions, $2d$ for a norm, $9d$ for the biases of a block.",
        options=options,
        working=(f"the model has {total_weights(shape):,} weights", f"the difference is {abs(gap):,} = {numeral(abs(gap) / d)}·d"),
        lab=SLUG,
        settings={"layers": layers, "width": min(WIDTHS, key=lambda width: abs(width - d)), "heads": heads, "kv_heads": heads, "vocabulary": V, "context": T_max, "drawn": [layers, d, heads, V, T_max, gap]},
        level=2,
    )  # fmt: skip


FORGOTTEN = {
    "tied": "The output head was counted, although it is the embedding",
    "positions": "The table of positions was forgotten",
    "last-norm": "The norm after the last block was forgotten",
    "block-norms": "The norms inside the blocks were forgotten",
    "biases": "The biases of attention and feed-forward were forgotten",
    "one-norm-per-block": "Each block was given one norm instead of two",
}


def second_forgotten(question: Question) -> str:
    """The model is built and its tensors are left out, or counted twice, by name."""
    layers, d, heads, V, T_max, gap = question.settings["drawn"]
    with torch.device("meta"):
        model = SizedDecoder(Shape(layers, d, heads, heads, 4 * d, V, learned_positions=T_max))
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    norms = sum(size for name, size in sizes.items() if ".norm_" in name)
    found = {
        model.head.weight.numel(): "tied",
        -sizes["position.weight"]: "positions",
        -(sizes["norm.weight"] + sizes["norm.bias"]): "last-norm",
        -norms: "block-norms",
        -norms // 2: "one-norm-per-block",
        -sum(size for name, size in sizes.items() if name.endswith("bias") and "norm" not in name): "biases",
    }
    return FORGOTTEN[found[gap]]


def ask_cache(rng: random.Random) -> Question:
    while True:
        layers, heads, D, n = (
            rng.choice([16, 24, 32, 40, 48, 80]),
            rng.choice([16, 32, 64]),
            rng.choice([64, 128]),
            rng.choice([2048, 4096, 8192, 32_768]),
        )
        kv_heads = rng.choice([2, 4, 8, heads])
        shape = Shape(layers, heads * D, heads, kv_heads, 4 * heads * D, 32_000)
        right = cache_bytes_per_token(shape) * n / 2**20
        mistakes = [
            Mistake("keys-only", right / 2, "Keys and values are both kept; this counts one of them."),
            Mistake("one-byte", right / 2 / 2, "Each number takes two bytes, and both keys and values are kept."),
            Mistake("all-query-heads", right * heads / kv_heads, "Only the key-value heads are cached, not one for each query head."),
            Mistake("one-layer", right / layers, "Every layer has keys and values of its own."),
            Mistake("four-bytes", right * 2, "16-bit numbers take two bytes, not four."),
        ]
        options = number_options(rng, right, "$2\\cdot L\\cdot h_{kv}\\cdot D$ numbers per token, two bytes each.", mistakes, unit="MiB", digits=4)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A decoder has {layers} layers, {heads} query heads, {kv_heads} key-value heads and head size {D}. How much memory do the cached keys and values of {n:,} tokens take at 16 bits?",
        answer="Per token a key and a value for each layer and key-value head: $2\\cdot L\\cdot h_{kv}\\cdot D$ numbers.",
        options=options,
        working=(
            f"numbers per token: $2\\cdot{layers}\\cdot{kv_heads}\\cdot{D}={2 * layers * kv_heads * D:,}$",
            f"times 2 bytes times {n:,} tokens: {int(right * 2**20):,} bytes",
            f"divided by $2^{{20}}$: {numeral(right, 4)} MiB",
        ),
        lab=SLUG,
        settings={"layers": layers, "heads": heads, "kv_heads": kv_heads, "context": n, "drawn": [layers, kv_heads, D, n]},
        level=2,
    )  # fmt: skip


def second_cache(question: Question) -> float:
    """The tensors themselves, asked for their size."""
    layers, kv_heads, D, n = question.settings["drawn"]
    keys = torch.empty(kv_heads, n, D, dtype=torch.bfloat16, device="meta")
    return sum(2 * keys.numel() * keys.element_size() for _ in range(layers)) / 2**20


questions = {"attention-layer": ask_attention, "training-operations": ask_training, "what-was-forgotten": ask_forgotten, "cache-size": ask_cache}
second = {
    "attention-layer": second_attention,
    "training-operations": second_training,
    "what-was-forgotten": second_forgotten,
    "cache-size": second_cache,
}
