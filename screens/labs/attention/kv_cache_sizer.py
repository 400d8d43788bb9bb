"""KV-cache size for MHA, MQA, GQA and MLA

While a model writes, the keys and values of all earlier tokens wait in memory, and each new token reads every one of them. Four ways to have
less of it: multi-head attention (**MHA**) keeps a key and a value per head; grouped queries (**GQA**) let the heads of a group read the same;
multi-query attention (**MQA**) has one key and value for all; latent attention (**MLA**) caches one short vector from which each head's own
keys and values can be made, and beside it a rotary key of half a head's size.

The four modules are built and run here at the sizes you set: they read the whole batch of texts but one token, then that token with the cache,
and the bytes of the cached tensors are added up. They run on torch's *meta* device, where tensors have shapes and types but no contents, so
that a cache of a hundred gigabytes can be measured on a laptop.

The speed is an upper bound from memory alone: each step reads the weights and the whole cache once, and brings one token per text. A real
server does not reach it, but in decoding it is memory that limits, and the *ratio* between the four is what to look at.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import plotly.graph_objects as go
import torch
import torch.nn.functional as F

from backend.questions import Form, Question
from models.attention import KeyValues, split_heads
from models.grouped_query import GroupedQueryAttention, cached_bytes
from models.latent_attention import LatentAttention, Latents
from screens.labs import Check, Choice, Experiment, Mistake, Stops, number_options, numeral
from screens.labs.drawing import axis, bars, lines

TOPIC = "mqa-gqa-kv-sharing"
REFERENCE = "transformers DynamicCache of Llama and DeepSeek-V3; torch SDPA with enable_gqa"
MECHANISM = (GroupedQueryAttention.forward, cached_bytes, LatentAttention.absorbed)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M12 80h138" opacity=".5"/><g stroke="none"><path d="M20 12h24v68H20z" fill="#1f77c9"/><path d="M54 63h24v17H54z" fill="#d4620f"/>
<path d="M88 76h24v4H88z" fill="#0f9d77"/><path d="M122 71h24v9h-24z" fill="#b565a7"/></g>
<g opacity=".55"><path d="M20 20.500h24M20 29h24M20 37.500h24M20 46h24M20 54.500h24M20 63h24M20 71.500h24M54 71.500h24"/></g></svg>"""

SLUG = "kv-cache-sizer"
KINDS = ("MHA", "GQA", "MQA", "MLA")
PRECISIONS = {"fp32": "32 bits", "bf16": "16 bits", "fp8": "8 bits"}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}
BYTES = {"fp32": 4, "bf16": 2, "fp8": 1}
HEADS = (1, 2, 4, 8, 16, 32, 64, 128)
HEAD_SIZES = (32, 64, 128, 256)
LAYERS = (1, 2, 4, 8, 16, 24, 32, 48, 61, 80, 96, 128)
TEXTS = tuple(2**power for power in range(7, 18))  # 128 … 131,072 tokens
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LATENTS = (64, 128, 256, 512, 1024, 2048)
WIDTH = 8  # of the residual stream: what the cache holds does not depend on it
CARD = 80  # GB


@dataclass(frozen=True)
class Result:
    heads: int
    kv_heads: int  # of GQA, at most as many as heads
    head_size: int
    layers: int
    length: int
    batch: int
    precision: str
    latent: int
    weights: int  # GB
    bandwidth: float  # TB/s
    layer_bytes: Mapping[str, int]  # kind -> bytes of one layer's cache, all texts

    @property
    def rotary(self) -> int:
        return self.head_size // 2

    def numbers(self, kind: str) -> float:
        """That one token leaves in one layer."""
        return self.layer_bytes[kind] / BYTES[self.precision] / self.batch / self.length

    def per_token(self, kind: str) -> float:
        """KiB over all layers."""
        return self.layer_bytes[kind] * self.layers / self.batch / self.length / 1024

    def gigabytes(self, kind: str, length: int = 0) -> float:
        return self.layer_bytes[kind] * self.layers * (length or self.length) / self.length / 1e9

    def tokens_per_second(self, kind: str, length: int = 0) -> float:
        """As far as memory allows: one token per text, each time all weights and the whole cache are read."""
        return self.batch * self.bandwidth * 1e3 / (self.weights + self.gigabytes(kind, length))


def compute(
    heads: Annotated[int, Stops(*HEADS, label="Query heads", help="Heads of a layer; MHA has as many keys and values.")] = 32,
    kv_heads: Annotated[int, Stops(*HEADS, label="Key-value heads of GQA", help="How many groups share keys and values; never more than heads.")] = 8,
    head_size: Annotated[int, Stops(*HEAD_SIZES, label="Head size")] = 128,
    layers: Annotated[int, Stops(*LAYERS, label="Layers")] = 32,
    length: Annotated[int, Stops(*TEXTS, label="Tokens per text")] = 8192,
    batch: Annotated[int, Stops(*BATCHES, label="Texts at once", help="The batch; each text has a cache of its own.")] = 32,
    precision: Annotated[str, Choice(PRECISIONS, label="Precision of the cache")] = "bf16",
    latent: Annotated[int, Stops(*LATENTS, label="Latent size of MLA", help="Numbers of the vector cached in place of keys and values.")] = 512,
    weights: Annotated[int, Stops(0, 1, 2, 8, 16, 32, 64, 140, label="Weights", unit="GB", help="Read once per step, whatever the batch.")] = 16,
    bandwidth: Annotated[float, Stops(0.1, 0.5, 0.9, 2.0, 3.35, 8.0, label="Memory bandwidth", unit="TB/s", help="3.35 is an H100's.")] = 3.35,
) -> Result:
    kv_heads = min(kv_heads, heads)
    measured = {kind: _layer_bytes(kind, heads, kv_heads, head_size, latent, length, batch, precision) for kind in KINDS}
    return Result(heads, kv_heads, head_size, layers, length, batch, precision, latent, weights, bandwidth, measured)


@functools.lru_cache(maxsize=256)
def _layer_bytes(kind: str, heads: int, kv_heads: int, head_size: int, latent: int, length: int, batch: int, precision: str) -> int:
    """A layer of this kind reads all but the last token, then the last one with what it remembers."""
    with torch.device("meta"), torch.inference_mode():
        layer = _layer(kind, heads, kv_heads, head_size, latent)
        cache = Latents() if kind == "MLA" else KeyValues()
        read = layer.absorbed if kind == "MLA" else layer
        for tokens in (length - 1, 1):
            read(torch.empty(batch, tokens, WIDTH), cache, stored=TYPES[precision])
    return cached_bytes(cache)


def _layer(kind: str, heads: int, kv_heads: int, head_size: int, latent: int) -> GroupedQueryAttention | LatentAttention:
    if kind == "MLA":
        return LatentAttention(WIDTH, heads, head_size, latent, head_size // 2, query_latent=WIDTH)
    return GroupedQueryAttention(WIDTH, heads, {"MHA": heads, "GQA": kv_heads, "MQA": 1}[kind], head_size)


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "What one token leaves in one layer": bars(
            [_named(result, kind) for kind in KINDS],
            [result.numbers(kind) for kind in KINDS],
            x_axis=axis(),
            y_axis=axis("numbers kept"),
        ),
        f"The whole cache as the texts grow, and the room on a card of {CARD} GB": _growing(result),
        "Tokens per second, as far as memory allows": _speed(result),
    }


def _named(result: Result, kind: str) -> str:
    return {
        "MHA": f"MHA, {result.heads} heads",
        "GQA": f"GQA, {result.kv_heads} KV heads",
        "MQA": "MQA, 1 KV head",
        "MLA": f"MLA, {result.latent} + {result.rotary}",
    }[kind]


def _growing(result: Result) -> go.Figure:
    series = {kind: [result.gigabytes(kind, length) for length in TEXTS] for kind in KINDS}
    left = CARD - result.weights
    if left > 0:
        series[f"room: {left} GB"] = [left] * len(TEXTS)
    return lines(
        TEXTS,
        series,
        x_axis=_lengths(),
        y_axis=_decades("cache of all texts, GB", [result.gigabytes(kind, length) for kind in KINDS for length in (TEXTS[0], TEXTS[-1])]),
        upright=[(result.length, "")],
    )


def _speed(result: Result) -> go.Figure:
    series = {kind: [result.tokens_per_second(kind, length) for length in TEXTS] for kind in KINDS}
    return lines(
        TEXTS,
        series,
        x_axis=_lengths(),
        y_axis=_decades("tokens per second, all texts together", [value for line in series.values() for value in line]),
        upright=[(result.length, "")],
    )


def _lengths() -> dict:
    return axis("tokens per text", log=True, ticks={length: f"{length // 1024}K" if length >= 1024 else str(length) for length in TEXTS[1::2]})


def _decades(title: str, values: list[float]) -> dict:
    marks = {10.0**power: f"{10**power:,}" if power >= 0 else str(10.0**power) for power in range(-5, 10)}
    return axis(title, log=True, span=(min(values) / 1.5, max(values) * 1.8), ticks=marks)


def facts(result: Result) -> dict[str, float]:
    sizes = {kind: result.gigabytes(kind) for kind in KINDS}
    speeds = {f"{kind} speed": result.tokens_per_second(kind) for kind in KINDS}
    plain = ("heads", "kv_heads", "head_size", "layers", "length", "batch", "latent", "weights", "bandwidth", "rotary")
    return {**sizes, **speeds, **{name: getattr(result, name) for name in plain}, "bits": 8 * BYTES[result.precision]}


def says(result: Result) -> str:
    size = {kind: numeral(result.gigabytes(kind)) for kind in KINDS}
    return (
        f"{numeral(result.batch)} texts of {result.length:,} tokens in {result.layers} layers of {result.heads} heads of {result.head_size}, at {8 * BYTES[result.precision]} bits a number, leave "
        f"{size['MHA']} GB of cache with MHA, {size['GQA']} GB with GQA ({result.kv_heads} key-value heads), {size['MQA']} GB with MQA and {size['MLA']} GB with MLA "
        f"({result.latent} + {result.rotary}); beside {result.weights} GB of weights a bandwidth of {numeral(result.bandwidth)} TB/s allows at most "
        f"{numeral(result.tokens_per_second('MHA'))}, {numeral(result.tokens_per_second('GQA'))}, {numeral(result.tokens_per_second('MQA'))} and "
        f"{numeral(result.tokens_per_second('MLA'))} tokens per second."
    )


TRY = [
    Experiment(
        title="Twice the query heads",
        settings={"heads": 64},
        ask="The model has 32 query heads and 8 key-value heads. Double the query heads, leave the key-value heads at 8. What does its cache (GQA) do?",
        options=("It doubles", "It stays as it is", "It halves: more heads share the same"),
        right=1,
        why="Queries are used once and thrown away; the cache holds keys and values, $2\\,n_{kv}\\,d_{head}$ numbers per token and layer. Only the groups grow, from 4 heads to 8.",
        look="The first picture: the bar of MHA has doubled, those of GQA and MQA stand where they stood.",
        holds=lambda result: result.numbers("GQA") == 2 * 8 * 128 and result.numbers("MHA") == 2 * 64 * 128,
        tempting={0: "That is what MHA's does, where each query head has its own key and value.", 2: "Shared by more, but not made smaller."},
    ),
    Experiment(
        title="DeepSeek's sizes",
        settings={"heads": 128, "layers": 61},
        ask="128 heads of 128, a latent of 512 and a rotary key of 64. MQA keeps one key and one value of 128 for all heads. Which cache is smaller, MLA's or MQA's?",
        options=("MLA's: that is the point of it", "They are equal", "MQA's: MLA keeps 2.25 times as much"),
        right=2,
        why="MLA keeps $512+64=576$ numbers per token and layer, MQA $2\\cdot128=256$. For 2.25 times MQA's cache each of the 128 heads has its own keys and values, as views of the latent. MHA would keep 32,768.",
        look="The first picture, and the sentence: MQA's figure is the smallest.",
        holds=lambda result: result.numbers("MLA") / result.numbers("MQA") == 2.25 and result.numbers("MHA") == 32_768,
        tempting={0: "Its point is to come near MQA's size while the heads keep their variety.", 1: "256 against 576 numbers."},
    ),
    Experiment(
        title="One short text",
        settings={"batch": 1, "length": 1024},
        ask="A single text of 1,024 tokens beside 16 GB of weights. How much faster than MHA can MQA write here?",
        options=("32 times: its cache is 32 times smaller", "About 4 times", "Hardly at all, a few percent"),
        right=2,
        why="Each step reads 16 GB of weights and about half a gigabyte of cache. Taking the cache away saves 3% of the reading. A small cache pays with many texts or long ones.",
        look="The third picture: on the left the four lines run together.",
        holds=lambda result: 1 < result.tokens_per_second("MQA") / result.tokens_per_second("MHA") < 1.05,
        tempting={
            0: "The cache is, but the weights are read too, and they are what is large here.",
            1: "That would need a cache three times as large as the weights.",
        },
    ),
    Experiment(
        title="One very long text",
        settings={"batch": 1, "length": 131072},
        ask="One text of 131,072 tokens, GQA with 8 key-value heads. Which does a step read more of: the 16 GB of weights, or the cache?",
        options=("The weights, by far", "The cache, slightly", "The cache, ten times as much"),
        right=1,
        why="128 KiB a token times 131,072 tokens are 17.2 GB. At this length a single text costs as much memory as the model; with MHA it would be four models.",
        look="The second picture: the line of GQA passes 16 GB just left of the mark; MHA's is just above what is left on the card.",
        holds=lambda result: 1 < result.gigabytes("GQA") / result.weights < 1.2,
        tempting={0: "True at 8K tokens: 1 GB.", 2: "That would need about ten such texts."},
    ),
    Experiment(
        title="A card and its batch",
        settings={"batch": 128},
        ask="128 texts of 8,192 tokens, a card of 80 GB that also holds the 16 GB of weights. Whose cache fits?",
        options=("All but MHA's", "Only MQA's and MLA's", "Only MQA's"),
        right=1,
        why="64 GB are left. MHA needs 550 GB and GQA 137; MLA (512 + 64) takes 39 and MQA 17. GQA with 8 heads has room for 59 such texts, which is one reason to go further than GQA or to cache fewer bits.",
        look="The second picture: where each line crosses the upright mark, above or below the room on the card.",
        holds=lambda result: result.gigabytes("GQA") > 64 > result.gigabytes("MLA") > result.gigabytes("MQA"),
        tempting={0: "GQA divides by four here, which still makes 137 GB.", 2: "MLA stays below 40 GB."},
    ),
]


def verify() -> list[Check]:
    """Caches of small models of transformers, byte by byte, and torch's grouped attention."""
    from transformers import DeepseekV3Config, DeepseekV3Model, LlamaConfig, LlamaModel

    tokens = torch.arange(9)[None]
    sizes = {"vocab_size": 16, "hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 8}
    wrong = 0
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        for kv_heads in (8, 2, 1):
            model = LlamaModel(LlamaConfig(**sizes, num_key_value_heads=kv_heads, head_dim=16))
            wrong += _their_bytes(model(tokens, use_cache=True).past_key_values) != 2 * _real_bytes(
                GroupedQueryAttention(32, 8, kv_heads, 16), KeyValues()
            )
        config = DeepseekV3Config(
            **sizes,
            num_key_value_heads=8,
            q_lora_rank=12,
            kv_lora_rank=20,
            qk_nope_head_dim=16,
            qk_rope_head_dim=8,
            v_head_dim=16,
            first_k_dense_replace=2,
        )
        latent = 2 * _real_bytes(LatentAttention(32, 8, 16, 20, 8, 12), Latents())
        off = abs(_their_bytes(DeepseekV3Model(config)(tokens, use_cache=True).past_key_values) - latent)
        meta = sum(
            _layer_bytes(kind, 8, 2, 16, 20, 9, 1, "fp32")
            != _real_bytes(_layer(kind, 8, 2, 16, 20).to_empty(device="cpu"), Latents() if kind == "MLA" else KeyValues())
            for kind in KINDS
        )
        layer, x = GroupedQueryAttention(32, 8, 2, 16), torch.randn(1, 9, 32)
        q, k, v = split_heads(layer.query(x), 8), split_heads(layer.key(x), 2), split_heads(layer.value(x), 2)
        theirs = layer.out(F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2).flatten(2))
    return [
        Check("cached bytes that differ: 8, 2 and 1 KV heads", "transformers Llama with DynamicCache", wrong, 0),
        Check("bytes of the latent cache", "transformers DeepseekV3 with DynamicCache", off, 0),
        Check("kinds whose bytes differ without contents", "the same module with contents", meta, 0),
        Check("output of grouped attention", "torch SDPA, enable_gqa=True", (layer(x) - theirs).abs().max().item(), 1e-6),
    ]


def _their_bytes(cache: object) -> int:
    return sum(tensor.numel() * tensor.element_size() for layer in cache.layers for tensor in (layer.keys, layer.values))


def _real_bytes(layer: GroupedQueryAttention | LatentAttention, cache: KeyValues | Latents) -> int:
    """One text of nine tokens, written one after the other, on tensors with contents."""
    read = layer.absorbed if isinstance(layer, LatentAttention) else layer
    for token in torch.zeros(9, layer.W_DQ.in_features if isinstance(layer, LatentAttention) else layer.query.in_features):
        read(token[None, None], cache)
    return cached_bytes(cache)


# Computed questions; what was drawn travels in settings["drawn"].


def ask_per_token(rng: random.Random) -> Question:
    while True:
        heads, size, layers = rng.choice([16, 32, 64]), rng.choice([64, 128]), rng.choice([16, 24, 32, 48, 80])
        kv_heads, precision = rng.choice([2, 4, 8]), rng.choice(["bf16", "fp8"])
        if heads == kv_heads:
            continue
        right = _layer_bytes("GQA", heads, kv_heads, size, 512, 128, 1, precision) * layers / 128 / 1024
        mistakes = [
            Mistake("keys-only", right / 2, "Each head keeps a key and a value."),
            Mistake("query-heads", right * heads / kv_heads, "Only key-value heads leave something in the cache; queries are thrown away."),
            Mistake("one-layer", right / layers, "This is one layer; each has a cache of its own."),
            Mistake(
                "numbers-for-bytes",
                right / BYTES[precision] if precision == "bf16" else right * 2,
                "Count the bytes of a number: 2 at 16 bits, 1 at 8.",
            ),
            Mistake("one-head", right / kv_heads, "This is one key-value head only."),
        ]
        options = number_options(rng, right, "$2\\cdot L\\cdot n_{kv}\\cdot d_{head}\\cdot$ bytes.", mistakes, digits=4, unit="KiB")
        if options:
            break
    bits = 8 * BYTES[precision]
    return Question(
        form=Form.CHOICE,
        prompt=f"A model has {layers} layers with {heads} query heads, {kv_heads} key-value heads and head size {size}. How much cache does one token take at {bits} bits a number?",
        answer="A key and a value for each layer and key-value head.",
        options=options,
        working=(
            f"numbers: $2\\cdot{layers}\\cdot{kv_heads}\\cdot{size}={2 * layers * kv_heads * size:,}$",
            f"of {BYTES[precision]} byte{'s' if BYTES[precision] > 1 else ''}, over 1,024: {numeral(right, 4)} KiB",
        ),
        lab=SLUG,
        settings={
            "heads": heads,
            "kv_heads": kv_heads,
            "head_size": size,
            "layers": layers,
            "precision": precision,
            "drawn": [layers, kv_heads, size, bits],
        },
        level=1,
    )


def second_per_token(question: Question) -> float:
    """Built up layer by layer and head by head."""
    layers, kv_heads, size, bits = question.settings["drawn"]
    return sum(2 * size * bits / 8 for _ in range(layers) for _ in range(kv_heads)) / 1024


def ask_groups(rng: random.Random) -> Question:
    """How many groups of GQA cost as much as MLA?"""
    while True:
        latent, size, heads = rng.choice([128, 256, 512, 1024]), rng.choice([64, 128]), rng.choice([16, 32, 64, 128])
        rotary = size // 2
        right = _layer_bytes("MLA", heads, 1, size, latent, 128, 1, "bf16") / _layer_bytes("MQA", heads, 1, size, latent, 128, 1, "bf16")
        mistakes = [
            Mistake("no-rotary-key", latent / (2 * size), "The rotary key is cached too."),
            Mistake("keys-only", (latent + rotary) / size, "A group keeps a key and a value, $2d_{head}$ numbers."),
            Mistake("rotary-per-head", (latent + heads * rotary) / (2 * size), "There is one rotary key for all heads."),
            Mistake("latent-twice", (2 * latent + rotary) / (2 * size), "Keys and values come from one and the same latent."),
            Mistake("share-of-mha", 2 * heads * size / (latent + rotary), "This is how many times smaller it is than multi-head attention."),
        ]
        options = number_options(rng, right, "$(d_c+d^R)/(2d_{head})$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Latent attention caches a latent of {latent} numbers and one rotary key of {rotary}; the model has {heads} heads of size {size}. How many groups could grouped-query "
        "attention with the same head size have at this cache?",
        answer="Divide what MLA keeps per token and layer by what one group keeps.",
        options=options,
        working=(
            f"MLA: {latent} + {rotary} = {latent + rotary}",
            f"a group: $2\\cdot{size}={2 * size}$",
            f"{latent + rotary} / {2 * size} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"heads": heads, "head_size": size, "latent": latent, "drawn": [latent, rotary, size]},
        level=2,
    )


def second_groups(question: Question) -> float:
    """Take groups away from the latent's budget until nothing is left, the last one in parts."""
    latent, rotary, size = question.settings["drawn"]
    left, groups = latent + rotary, 0.0
    while left >= 2 * size:
        left, groups = left - 2 * size, groups + 1
    return groups + left / (2 * size)


def ask_reading_time(rng: random.Random) -> Question:
    while True:
        batch, length, kv_heads = rng.choice([8, 16, 32, 64]), rng.choice([2048, 4096, 8192]), rng.choice([4, 8])
        bandwidth, heads, size, layers = rng.choice([0.9, 2.0, 3.35]), 32, 128, 32
        cached = _layer_bytes("GQA", heads, kv_heads, size, 512, length, batch, "bf16") * layers
        right = cached / bandwidth / 1e9  # bytes over TB/s, in milliseconds
        mistakes = [
            Mistake("one-text", right / batch, "All texts of the batch take their step together, and each reads its own cache."),
            Mistake("all-heads", right * heads / kv_heads, "Only key-value heads are cached."),
            Mistake("keys-only", right / 2, "Values are read as well."),
            Mistake("wrong-thousand", right * 1000, "A terabyte per second is a gigabyte per millisecond."),
            Mistake("one-token", right / length, "Each new token reads all earlier ones, not just one."),
        ]
        options = number_options(rng, right, "Bytes of the cache over bytes per second.", mistakes, unit="ms")
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A model keeps {numeral(cached / batch / length / 1024)} KiB of cache per token ({kv_heads} key-value heads for its {heads} query heads). {batch} texts of {length:,} tokens are served "
        f"at once from memory of {numeral(bandwidth)} TB/s. How long does reading the cache take in each step?",
        answer="Cache of all texts over bandwidth.",
        options=options,
        working=(
            f"cache: {batch} · {length:,} · {numeral(cached / batch / length / 1024)} KiB = {numeral(cached / 1e9)} GB",
            f"{numeral(cached / 1e9)} GB / {numeral(bandwidth)} TB/s = {numeral(right)} ms",
        ),
        lab=SLUG,
        settings={"kv_heads": kv_heads, "batch": batch, "length": length, "bandwidth": bandwidth, "drawn": [batch, length, kv_heads, bandwidth]},
        level=2,
    )


def second_reading_time(question: Question) -> float:
    batch, length, kv_heads, bandwidth = question.settings["drawn"]
    texts = [length * 32 * kv_heads * (128 + 128) * 2 for _ in range(batch)]
    return 1000 * sum(texts) / (bandwidth * 10**12)


questions = {"cache-per-token": ask_per_token, "groups-of-mla": ask_groups, "reading-time": ask_reading_time}
second = {"cache-per-token": second_per_token, "groups-of-mla": second_groups, "reading-time": second_reading_time}
