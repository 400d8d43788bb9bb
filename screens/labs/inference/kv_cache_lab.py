"""With and without cache

A decoder writes token by token. Under a causal mask old positions never see new ones, so their keys and values never change: keep them, and a step needs the new token's query, key
and value only. Queries are not kept, as an old one never asks again.

The **toy decoder** (4 layers of 4 heads) writes here with a cache written by hand, and every logit is compared with a full recomputation. Let its query heads share keys and values (the groups' mean of
its weights, without any training after it, so the text suffers; the cache does not care), keep the cache in fewer bits, or build in one of the classic faults and see which step gives it away.

The sizes and times are those of a **7B model** in Llama-2's shape: 32 layers, 32 heads of 128, 16-bit weights, on a machine with 312 TFLOP/s and 2 TB/s. A step takes at least

$$t\\ \\ge\\ \\max\\left(\\frac{\\text{operations}}{\\text{peak}},\\ \\frac{\\text{bytes of weights}+\\text{bytes of cache}}{\\text{bandwidth}}\\right).$$

**Prefill** reads the whole prompt at once and is limited by arithmetic; **decode** uses every weight once per text and is limited by memory. Batching lets one reading of the weights serve many texts, but each brings a
cache of its own.
"""

from __future__ import annotations

import functools
import math
import random
import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.attention import KeyValues
from models.cached_decoding import CachedDecoder, Machine, Work, decode, matrix_bytes, memory, prefill, recompute
from models.grouped_query import GroupedQueryAttention
from models.model_size import Shape, cache_bytes_per_token
from screens.labs import Check, Choice, Experiment, Mistake, Stops, Text, Toggle, number_options, numeral
from screens.labs.drawing import PALETTE, QUIET, SYMBOLS, axis, figure, lines, small
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "kv-cache"
REFERENCE = "the decoder's own full forward pass; transformers GPT2LMHeadModel with DynamicCache; torch's FlopCounterMode"
MECHANISM = (CachedDecoder.forward, KeyValues.append, GroupedQueryAttention.forward, decode, recompute, prefill, Work.seconds)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><g fill="#0f9d77" stroke="none" opacity=".55"><rect x="14" y="58" width="14" height="14"/>
<rect x="32" y="58" width="14" height="14"/><rect x="50" y="58" width="14" height="14"/><rect x="68" y="58" width="14" height="14"/></g><rect x="86" y="58" width="14" height="14" fill="#d4620f" stroke="none"/>
<g opacity=".3"><path d="M14 10h14v14h-14zM14 26h14v14h-14zM32 26h14v14h-14zM14 42h14v14h-14zM32 42h14v14h-14zM50 42h14v14h-14z"/></g>
<path d="M112 70c12-2 20-30 36-58" stroke="#7a7f87" stroke-width="3" stroke-dasharray="5 4"/><path d="M112 70l36-6" stroke="#1f77c9" stroke-width="4"/></svg>"""

SLUG = "kv-cache-lab"
LLAMA_7B = Shape(32, 4096, 32, 32, 11_008, 32_000, tied=False, gated=True, biases=False, norm="rms")
MACHINE = Machine(peak=312e12, bandwidth=2e12)
GPU_BYTES = 80e9
LENGTHS = (128, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
WRITTEN = 16  # tokens by the toy decoder
PROMPT = 48  # of the typed text
STORED = {"full": "as calculated", "bf16": "bfloat16", "fp8": "8-bit float"}
DTYPES = {"full": torch.float32, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}
BYTES = {"full": 2, "bf16": 2, "fp8": 1}  # per number of the 7B model, which calculates in 16 bits
FAULTS = {"none": "none", "restart": "positions restart at 0", "stale": "cache of an earlier prompt", "short": "last prompt token not stored"}
STALE = "list: door window chair"
ROUNDING = 1e-3  # of logits, in 32 bits: what lies below is rounding
SAMPLES = {
    "A list twice": "list: lamp river stone key lamp",
    "A gift": "When Ada and Tom went to the park, Tom gave a ball to",
    "A sum": "sums: 7 + 5 =",
    "A story": "Once Mina lived near",
}
MEASURED_AT = (8, 32, 64, 96, 127)
STEPS = 7  # tokens in the playback
TENS = {10**power: f"{10**power:,}" for power in range(7)}


@dataclass(frozen=True)
class Result:
    length: int
    cached: bool
    group: int
    stored: str
    batch: int
    fault: str
    prompt: list[str]
    wrote: list[str]  # by the toy decoder with this cache
    instead: list[str]  # what a full recomputation of the same text would have written at each place
    off: Tensor  # (WRITTEN,) largest difference of the logits at each step
    measured: dict[str, list[float]]  # milliseconds of processor time per token on this machine, at MEASURED_AT

    @property
    def shape(self) -> Shape:
        return shape_with(self.group)

    @property
    def work(self) -> Work:
        return self.step(self.length)

    def step(self, past: int) -> Work:
        """The next token after `past` tokens, at these settings."""
        if self.cached:
            return decode(self.shape, past, self.batch, BYTES[self.stored])
        return recompute(self.shape, past, self.batch)

    @property
    def seconds(self) -> float:
        return self.work.seconds(MACHINE)

    @property
    def memory(self) -> tuple[float, float]:
        weights, cache = memory(self.shape, self.length, self.batch, BYTES[self.stored])
        return weights, cache if self.cached else 0.0

    @property
    def bound_by_memory(self) -> bool:
        return self.work.bytes / MACHINE.bandwidth > self.work.flops / MACHINE.peak

    @property
    def first_difference(self) -> int | None:
        """The first step whose logits differ by more than rounding."""
        late = (self.off > ROUNDING).nonzero()
        return int(late[0]) + 1 if len(late) else None


def shape_with(group: int) -> Shape:
    return Shape(**{**vars(LLAMA_7B), "kv_heads": LLAMA_7B.heads // group})


def compute(
    cached: Annotated[bool, Toggle(label="Cache", help="Off: every step reads the whole text again.")] = True,
    length: Annotated[int, Stops(*LENGTHS, label="Tokens so far", help="Of the 7B model: prompt and answer together.")] = 4096,
    batch: Annotated[
        int, Stops(1, 2, 4, 8, 16, 32, 64, 128, 256, label="Texts at once", help="The batch: all share one reading of the weights.")
    ] = 1,
    group: Annotated[
        int,
        Stops(
            1, 2, 4, label="Query heads per key-value head", help="1: every head its own. 4: the 7B model has 8 key-value heads, the toy decoder one."
        ),
    ] = 1,
    stored: Annotated[
        str, Choice(STORED, label="Cache kept in", help="Calculated is in 32 bits in the toy decoder and in 16 in the 7B model.")
    ] = "full",
    fault: Annotated[str, Choice(FAULTS, label="Built-in fault", help="What goes wrong with real caches; in the toy decoder.")] = "none",
    text: Annotated[str, Text(label="Prompt", limit=300, samples=SAMPLES)] = SAMPLES["A list twice"],
) -> Result:
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    prompt = (tokenizer.encode(text) or [tokenizer.end])[:PROMPT]
    wrote, instead, off = _write(tuple(prompt), group, stored if cached else "full", fault if cached else "none", cached)
    show = tokenizer.show
    return Result(
        length, cached, group, stored, batch, fault if cached else "none", [show(token) for token in prompt], [show(token) for token in wrote],
        [show(token) for token in instead], off, _measured(),
    )  # fmt: skip


@functools.lru_cache(maxsize=16)
def _toy(group: int, stored: str) -> CachedDecoder:
    model = checkpoints.load("toy_decoder").model
    return CachedDecoder(model, model.config.heads // group, DTYPES[stored])


@functools.lru_cache(maxsize=128)
@torch.inference_mode()
def _write(prompt: tuple[int, ...], group: int, stored: str, fault: str, cached: bool) -> tuple[list[int], list[int], Tensor]:
    """Tokens written, tokens that a full recomputation of the same text prefers, and by how much the logits differ at each step."""
    decoder = _toy(group, stored)
    steps = _steps(decoder, list(prompt), fault) if cached else _steps_again(decoder, list(prompt))
    wrote = [int(logits.argmax()) for logits in steps]
    whole = decoder.forward(torch.tensor([[*prompt, *wrote[:-1]]]))[0, len(prompt) - 1 :]  # (WRITTEN, V): one pass over all of it
    return wrote, whole.argmax(dim=-1).tolist(), (torch.stack(steps) - whole).abs().amax(dim=-1)


def _steps(decoder: CachedDecoder, prompt: list[int], fault: str) -> list[Tensor]:
    """With a cache: the prompt at once, then one token at a time."""
    cache, made, new, at = decoder.new_cache(), [], prompt, 0
    if fault == "stale":
        decoder.forward(torch.tensor([checkpoints.load("toy_decoder").tokenizer.encode(STALE)]), cache)
    for step in range(WRITTEN):
        position = 0 if fault == "restart" else at  # of the first new token; the stale cache's owner believes that the text begins with the prompt
        made.append(decoder.forward(torch.tensor([new]), cache, position)[0, -1])
        if fault == "short" and not step:
            for layer in cache:
                layer.cut(len(prompt) - 1)
        at += len(new)
        new = [int(made[-1].argmax())]
    return made


def _steps_again(decoder: CachedDecoder, prompt: list[int]) -> list[Tensor]:
    """Without a cache: the whole text for every token."""
    text, made = list(prompt), []
    for _ in range(WRITTEN):
        made.append(decoder.forward(torch.tensor([text]))[0, -1])
        text.append(int(made[-1].argmax()))
    return made


@functools.cache
@torch.inference_mode()
def _measured() -> dict[str, list[float]]:
    """Milliseconds of processor time for the token after so many, on the machine that runs this; measured once."""
    decoder, found = _toy(1, "full"), {"with the cache": [], "without": []}
    for past in MEASURED_AT:
        text = torch.arange(past + 1)[None] % 500 + 100
        cache = decoder.new_cache()
        decoder.forward(text[:, :-1], cache)

        def with_cache(text: Tensor = text, cache: list[KeyValues] = cache, past: int = past) -> None:
            decoder.forward(text[:, -1:], cache)
            for layer in cache:
                layer.cut(past)

        found["with the cache"].append(_milliseconds(with_cache))
        found["without"].append(_milliseconds(lambda text=text: decoder.forward(text)))
    return found


def _milliseconds(work: Any, tries: int = 3) -> float:
    times = []
    for _ in range(tries):
        began = time.thread_time()  # other people's work on the machine does not count
        work()
        times.append(time.thread_time() - began)
    return min(times) * 1e3


def figures(result: Result) -> dict[str, Any]:
    return {
        "What each step calculates, and what it reads": _playback(result.cached),
        "The same text, with this cache and recomputed": _texts(result),
        "How far the logits differ from a recomputation": _differences(result),
        "At least so long for one token (7B)": _times(result),
        "Memory: weights and caches (7B)": _memory(result),
        "Which limit a pass meets (7B)": _roofline(result),
        "Measured here: the toy decoder": _here(result),
    }


@functools.cache
def _playback(cached: bool) -> Playback:
    """A row per token of the text, a column per key it may see: which scores does a step form?"""
    frames, prompt, formed = [], 3, 0
    for n in range(prompt, STEPS + 1):
        old = 0 if n == prompt else n - 1  # tokens that have been through the network before
        rows = [[_cell(i, j, n, old, cached) for j in range(STEPS)] for i in range(STEPS)]
        scores = n if cached and old else n * (n + 1) // 2
        formed += scores
        through = n - old if cached else n
        what = f"Step {n - prompt}" if old else "Prefill"
        reads = f", reading the keys and values of {old} tokens" if old and cached else ""
        frames.append(Frame(f"{what}: {through} token{'s' * (through > 1)} through the network{reads}, {scores} scores; {formed} so far.", rows))
    tones = {1: "new in this step", 3: "key and value from the cache"} if cached else {1: "new in this step", 2: "calculated again, for nothing"}
    return Playback(frames, row_names=[f"query {i}" for i in range(STEPS)], column_names=[f"key {j}" for j in range(STEPS)], tones=tones, height=360)


def _cell(i: int, j: int, n: int, old: int, cached: bool) -> Cell | None:
    """Query i and key j in a step that brings the text from `old` to n tokens."""
    if j > i or i >= n:
        return None
    if i >= old:
        return Cell("q·k", 0.6, 1)
    if cached:  # old queries are gone; of each old token only its key and value are left
        return Cell("k, v", 0.4, 3) if i == j else None
    return Cell("q·k", 0.4, 2)


def _texts(result: Result) -> TokenStrip:
    same = [ours == theirs for ours, theirs in zip(result.wrote, result.instead)]
    name = f"with the cache, {STORED[result.stored]}" if result.cached else "without a cache, step by step"
    rows = [
        Strip("prompt", result.prompt),
        Strip(name, result.wrote, marks=["" if equal else "other" for equal in same], groups=[0 if equal else 1 for equal in same]),
        Strip(
            "one pass over that text",
            result.instead,
            marks=["" if equal else "other" for equal in same],
            groups=[0 if equal else 1 for equal in same],
        ),
    ]
    return TokenStrip(rows)


def _differences(result: Result) -> Any:
    shown = result.off.clamp(min=1e-7).numpy()
    return lines(
        np.arange(1, WRITTEN + 1), {"largest difference": shown}, x_axis=axis("token written"),
        y_axis=axis("difference of the logits", log=True, span=(5e-8, 100), ticks={10.0**power: f"1e{power}" for power in range(-7, 3, 2)}),
        across=[(ROUNDING, "rounding lies below")],
    )  # fmt: skip


def _times(result: Result) -> Any:
    series = {
        "cached": [1e3 * decode(result.shape, n, result.batch, BYTES[result.stored]).seconds(MACHINE) for n in LENGTHS],
        "without": [1e3 * recompute(result.shape, n, result.batch).seconds(MACHINE) for n in LENGTHS],
    }
    return lines(
        LENGTHS, series, x_axis=_lengths(), y_axis=axis("milliseconds per step", log=True, ticks=TENS), strong="cached" if result.cached else "without",
        upright=[(result.length, "")], across=[(1e3 * matrix_bytes(LLAMA_7B, 2) / MACHINE.bandwidth, "reading the weights once")],
    )  # fmt: skip


def _lengths() -> dict[str, Any]:
    return axis("tokens so far", log=True, ticks={n: f"{n:,}" for n in LENGTHS[::2]})


def _memory(result: Result) -> Any:
    series = {}
    for group in (1, 2, 4):
        kv = LLAMA_7B.heads // group
        series[f"{kv} KV heads"] = [sum(memory(shape_with(group), n, result.batch, BYTES[result.stored])) / 1e9 for n in LENGTHS]
    return lines(
        LENGTHS, series, x_axis=_lengths(), y_axis=axis("gigabytes", log=True, ticks={gb: f"{gb:,}" for gb in (10, 20, 40, 80, 160, 320, 640, 1280)}), strong=f"{LLAMA_7B.heads // result.group} KV heads",
        across=[(GPU_BYTES / 1e9, "80 GB"), (memory(LLAMA_7B, 0, 1, 2)[0] / 1e9, "the weights alone")], upright=[(result.length, "")],
    )  # fmt: skip


def _roofline(result: Result) -> Any:
    reach = np.geomspace(0.3, 30_000, 60)
    roof = np.minimum(MACHINE.peak, reach * MACHINE.bandwidth) / 1e12
    passes = {
        "decode": decode(result.shape, result.length, result.batch, BYTES[result.stored]),
        "prefill": prefill(result.shape, result.length, result.batch, BYTES[result.stored]),
        "no cache": recompute(result.shape, result.length, result.batch),
    }
    traces = [{"type": "scatter", "x": small(reach), "y": small(roof), "mode": "lines", "name": "roof", "line": {"color": QUIET, "width": 3}}]
    traces += [
        {
            "type": "scatter",
            "x": [work.intensity],
            "y": [work.flops / work.seconds(MACHINE) / 1e12],
            "mode": "markers",
            "name": name,
            "marker": {"size": 14, "symbol": SYMBOLS[at], "color": PALETTE[at]},
        }
        for at, (name, work) in enumerate(passes.items())
    ]
    x = axis("operations per byte read", log=True, span=(0.3, 30_000), ticks={1: "1", 10: "10", 100: "100", 1000: "1,000", 10_000: "10,000"})
    return figure(traces, x=x, y=axis("TFLOP/s at most", log=True, ticks={1: "1", 10: "10", 100: "100"}))


def _here(result: Result) -> Any:
    at = [past + 1 for past in MEASURED_AT]
    return lines(
        at,
        result.measured,
        x_axis=axis("tokens so far"),
        y_axis=axis("milliseconds of processor time"),
        strong="with the cache" if result.cached else "without",
    )


def facts(result: Result) -> dict[str, float]:
    weights, cache = result.memory
    return {
        "length": result.length,
        "batch": result.batch,
        "gigabytes of weights": weights / 1e9,
        "gigabytes of cache": cache / 1e9,
        "milliseconds": 1e3 * result.seconds,
        "tokens a second": result.batch / result.seconds,
        "written": WRITTEN,
        "difference": result.off.max().item(),
        "step": result.first_difference or 0,
        "size": 7,
    }


def says(result: Result) -> str:
    weights, cache = result.memory
    limit = "memory" if result.bound_by_memory else "arithmetic"
    kept = (
        f"{numeral(cache / 1e9)} GB of cache beside {numeral(weights / 1e9)} GB of weights"
        if result.cached
        else f"{numeral(weights / 1e9)} GB of weights and no cache"
    )
    texts = "texts" if result.batch > 1 else "text"
    head = (
        f"For {result.batch} {texts} of {result.length:,} tokens the 7B model keeps {kept}; a step takes at least {numeral(1e3 * result.seconds)} milliseconds, limited by {limit}: at most "
        f"{numeral(result.batch / result.seconds)} tokens a second in all"
    )
    step = result.first_difference
    toy = f"differ from a recomputation by {numeral(result.off.max().item())} at most" + (
        f", first at token {step}" if step else ", which is rounding"
    )
    return f"{head}. The toy decoder's logits {toy}."


TRY = [
    Experiment(
        title="The price of forgetting",
        settings={"cached": False, "length": 4096},
        ask="With the cache, a step at 4,096 tokens takes the 7B model at least 7.7 ms. Without it, the whole text is read again for each token. How long then?",
        options=("About 15 ms: twice as long", "About 200 ms", "More than 10 s: 4,096 times as long"),
        right=1,
        why="4,097 times as many operations, and yet not 4,097 times the time: with the cache a step is limited by reading the weights, and the arithmetic stands idle. Without it, the same reading serves 4,097 tokens, and now arithmetic "
        "is the limit. It is still 25 times slower, and grows with every token.",
        look="Fourth picture: the line without cache leaves the floor at a few hundred tokens. Sixth: the point moves from the slope to the flat roof.",
        holds=lambda result: (
            0.17 < result.seconds < 0.21
            and not result.bound_by_memory
            and math.isclose(decode(LLAMA_7B, 4096, 1, 2).seconds(MACHINE), 0.0077, rel_tol=0.02)
        ),
        tempting={
            0: "It reads the weights once in both cases, but calculates 4,097 times as much.",
            2: "The arithmetic was idle before; it had that much to give.",
        },
    ),
    Experiment(
        title="Does the text change?",
        settings={"cached": True},
        ask="The toy decoder writes with its cache, and a pass without cache over the same text is compared. How far apart are the logits?",
        options=("Exactly equal", "By rounding: below 0.001", "By something one would notice"),
        right=1,
        why="The same sums, formed in another order: one row at a time instead of a whole matrix. In 32 bits that leaves differences in the last digits. The test for a cache is not equality, but agreement up to rounding.",
        look="Third picture: all points far below the dotted line. Second: the same tokens in both rows.",
        holds=lambda result: 0 < result.off.max().item() < ROUNDING,
        tempting={0: "Nearly; sums in another order round otherwise.", 2: "Old keys and values are the same numbers, kept instead of recomputed."},
    ),
    Experiment(
        title="Positions that restart",
        settings={"fault": "restart"},
        ask="A classic bug: after the prompt, the new token's position is counted from 0 again. Which is the first written token whose logits are wrong?",
        options=("The first", "The second", "None: keys carry their own positions"),
        right=1,
        why="The first token comes from the prefill, where positions are right. The bug lives in the decode steps: the token fed back gets position 0. So the first difference tells where to look: at 1 the prefill (mask, padding, stale cache), at 2 what a decode "
        "step does otherwise.",
        look="Third picture: the first point lies at rounding, the second far above.",
        holds=lambda result: result.first_difference == 2,
        tempting={
            0: "The prefill has all tokens with their right positions.",
            2: "Those of old keys are right; the new query and key get a wrong one.",
        },
    ),
    Experiment(
        title="One reading for many",
        settings={"batch": 64, "length": 128},
        ask="Decode 64 texts at once instead of one, all of 128 tokens so far. How do the tokens per second, over all texts, change?",
        options=("They stay: each text needs its own step", "About 50 times as many", "Exactly 64 times as many"),
        right=1,
        why="The weights are read once for all 64, and at one text that reading was nearly all the time. Each text adds the reading of its own cache: little at 128 tokens. At 4,096 tokens the caches of 64 texts weigh ten times as much as the weights, and the "
        "gain is a few times only.",
        look="The sentence. Then raise the tokens so far to 4,096 and read it again. Sixth picture: decode climbs the slope as texts join.",
        holds=lambda result: 40 < result.batch / result.seconds * decode(LLAMA_7B, 128, 1, 2).seconds(MACHINE) < 60,
        tempting={0: "Their steps run together, through the same weights.", 2: "Not quite: every text brings a cache to be read."},
    ),
    Experiment(
        title="Fewer bits in the cache",
        settings={"stored": "fp8"},
        ask="The toy decoder keeps keys and values in 8-bit floats and calculates in 32 bits. What happens to logits and text on this prompt?",
        options=("Logits move visibly, the text stays the same here", "Nothing: softmax evens it out", "The text becomes rubbish"),
        right=0,
        why="An 8-bit float has 3 bits of mantissa: every number is off by up to 6 percent, errors of either sign. The likeliest token often stays the likeliest, as its lead is large; where two are close, the text takes another turn. Try other prompts.",
        look="Third picture: the points lie far above the dotted line. Second: no token is marked.",
        holds=lambda result: result.off.max().item() > 0.1 and result.wrote == result.instead,
        tempting={
            1: "It hides small errors in the weights, not those in the values.",
            2: "Not as long as the lead of the first is larger than the errors.",
        },
    ),
]


def verify() -> list[Check]:
    """The cache against full recomputation and against transformers' own; operations against torch's counter."""
    checks = []
    for group in (1, 2, 4):
        prompt = tuple(checkpoints.load("toy_decoder").tokenizer.encode(SAMPLES["A gift"]))
        off = max(_write(prompt, group, "full", "none", True)[2].max().item(), _write(prompt, group, "full", "none", False)[2].max().item())
        checks.append(Check(f"logits of {WRITTEN} steps, {4 // group} key-value heads", "one forward pass over the whole text", off, 1e-3))
    return [*checks, *_against_gpt2(), _against_counter()]


def _against_gpt2() -> list[Check]:
    """The toy decoder's weights in a GPT-2 of the same shape, decoded with DynamicCache."""
    from transformers import DynamicCache

    from models.gpt2_twin import gpt2_twin

    decoder, tokenizer, _ = checkpoints.load("toy_decoder")
    twin = gpt2_twin(decoder, tokenizer.end)
    tokens, ours, theirs = torch.arange(40)[None] * 7 + 20, [], []
    cache, their_cache = _toy(1, "full").new_cache(), DynamicCache(config=twin.config)
    with torch.inference_mode():
        for part in (tokens[:, :30], *tokens[:, 30:].split(1, dim=1)):
            ours.append(_toy(1, "full").forward(part, cache)[:, -1])
            theirs.append(twin(part, past_key_values=their_cache, use_cache=True).logits[:, -1])
    keys = max((layer.k - theirs_.keys).abs().max().item() for layer, theirs_ in zip(cache, their_cache.layers))
    return [
        Check(
            "logits of a prefill and ten steps",
            "transformers GPT2LMHeadModel with DynamicCache",
            (torch.cat(ours) - torch.cat(theirs)).abs().max().item(),
            1e-3,
        ),
        Check("keys in the cache after 40 tokens", "transformers DynamicCache", keys, 1e-4),
    ]


def _against_counter() -> Check:
    """The matrix products that torch sees in one decode step of the toy decoder."""
    from torch.utils.flop_counter import FlopCounterMode

    decoder, config = _toy(2, "full"), checkpoints.load("toy_decoder").model.config
    shape = Shape(config.layers, config.width, config.heads, config.heads // 2, 4 * config.width, config.vocabulary, tied=True)
    cache = decoder.new_cache()
    with torch.inference_mode():
        decoder.forward(torch.zeros(3, 20, dtype=torch.long), cache)
        with FlopCounterMode(display=False) as counter:
            decoder.forward(torch.zeros(3, 1, dtype=torch.long), cache)
    return Check(
        "operations of a decode step, 3 texts, 20 tokens so far",
        "torch FlopCounterMode",
        abs(counter.get_total_flops() - decode(shape, 20, 3, 2).flops),
        0,
    )


# Computed questions; what was drawn travels in settings["drawn"].


def ask_size(rng: random.Random) -> Question:
    while True:
        layers, kv, d = rng.choice((24, 32, 40, 80)), rng.choice((8, 16, 32, 40)), rng.choice((64, 128))
        n, b = rng.choice((1024, 2048, 4096, 8192)), rng.choice((1, 2))
        shape = Shape(layers, 64, kv, kv, 64, 64, head_size=d)
        right = cache_bytes_per_token(shape, b) * n / 2**30
        mistakes = [
            Mistake("keys-only", right / 2, "Keys and values are both kept: the factor 2."),
            Mistake("one-layer", right / layers, "Every layer has a cache of its own."),
            Mistake("one-head", right / kv, "Every key-value head has its own keys and values."),
            Mistake("bits-for-bytes", right * 8, "This counts bits."),
            Mistake("with-queries", right * 1.5, "Queries are not kept: an old query never asks again."),
            Mistake("scores", layers * kv * n * n * b / 2**30, "This would keep the scores, one per pair of tokens."),
        ]
        options = number_options(rng, right, "$2\\,n_{layer}\\,n_{kv}\\,d_{head}\\,n\\,b$ bytes.", mistakes, unit="GiB")
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A model has {layers} layers with {kv} key-value heads of size {d}; its cache takes {b} byte{'s' * (b > 1)} per number. How large is the cache of one text of {n:,} tokens, in GiB ($2^{{30}}$ bytes)?",
        answer="$2\\,n_{layer}\\,n_{kv}\\,d_{head}\\,n\\,b$ bytes.",
        options=options,
        working=(f"$2\\cdot{layers}\\cdot{kv}\\cdot{d}\\cdot{n}\\cdot{b}={int(right * 2**30):,}$ bytes", f"divided by $2^{{30}}$: {numeral(right)}"),
        lab=SLUG,
        settings={"length": n, "drawn": [layers, kv, d, n, b]},
        level=1,
    )


def second_size(question: Question) -> float:
    """By filling the caches of one layer with tensors that have shapes but no numbers, and adding up their bytes."""
    layers, kv, d, n, b = question.settings["drawn"]
    cache = KeyValues()
    dtype = torch.int8 if b == 1 else torch.float16
    for part in (n - 1, 1):
        cache.append(torch.empty(1, kv, part, d, dtype=dtype, device="meta"), torch.empty(1, kv, part, d, dtype=dtype, device="meta"))
    return layers * sum(tensor.numel() * tensor.element_size() for tensor in vars(cache).values()) / 2**30


def ask_speed(rng: random.Random) -> Question:
    while True:
        billions, bandwidth = rng.choice((1, 3, 7, 8, 13, 34, 70)), rng.choice((0.5, 1, 2, 3.35))
        bytes_per_weight, cache_gb = rng.choice((1, 2)), rng.choice((0, 0.5, 2, 6))
        work = Work(2e9 * billions, 1e9 * (billions * bytes_per_weight + cache_gb))
        right = 1 / work.seconds(Machine(1e18, bandwidth * 1e12))
        weights_gb = billions * bytes_per_weight
        mistakes = [
            Mistake("forgot-the-cache", 1000 * bandwidth / weights_gb if cache_gb else math.nan, "The cache is read too, at every step."),
            Mistake("forgot-bytes-per-weight", 1000 * bandwidth / (billions + cache_gb), f"Each weight takes {bytes_per_weight} bytes."),
            Mistake(
                "two-operations",
                1000 * bandwidth / (2 * weights_gb + cache_gb),
                "Two operations per weight are arithmetic; read is each weight once.",
            ),
            Mistake("seconds", weights_gb / (1000 * bandwidth), "This is the time of one token, in seconds."),
            Mistake("cache-for-weights", 1000 * bandwidth / max(cache_gb, 0.1), "All the weights are read for every token as well."),
            Mistake("bits", 1000 * bandwidth / (8 * (weights_gb + cache_gb)), "Bandwidth and sizes are both in bytes."),
        ]
        options = number_options(rng, right, "Bandwidth over bytes of weights and cache.", mistakes)
        if options:
            break
    beside = f" and a cache of {numeral(cache_gb)} GB" if cache_gb else "; leave the cache out of account"
    return Question(
        form=Form.CHOICE,
        prompt=f"A model of {billions} billion weights at {bytes_per_weight} byte{'s' * (bytes_per_weight > 1)} each decodes one text on a GPU that reads {numeral(bandwidth)} TB/s{beside}. How many tokens a second at most?",
        answer="Every step reads all weights and the cache once: bandwidth divided by their bytes.",
        options=options,
        working=(
            f"bytes per step: {numeral(weights_gb)} + {numeral(cache_gb)} = {numeral(weights_gb + cache_gb)} GB",
            f"${numeral(1000 * bandwidth)}/{numeral(weights_gb + cache_gb)}={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"batch": 1, "drawn": [billions, bandwidth, bytes_per_weight, cache_gb]},
        level=1,
    )


def second_speed(question: Question) -> float:
    """How many whole readings fit into an hour, over its seconds."""
    billions, bandwidth, bytes_per_weight, cache_gb = question.settings["drawn"]
    per_step = billions * 10**9 * bytes_per_weight + cache_gb * 10**9
    return 3600 * bandwidth * 10**12 / per_step / 3600


def ask_scores(rng: random.Random) -> Question:
    while True:
        prompt, new = rng.choice((4, 6, 10, 20, 50, 100)), rng.choice((2, 3, 4, 5, 10, 20))
        cached = rng.random() < 0.5
        right = scores_formed(prompt, new, cached)
        mistakes = [
            Mistake("other-way", scores_formed(prompt, new, not cached), "This is the count for the other way of decoding."),
            Mistake("no-mask", sum(n * n for n in range(prompt, prompt + new)), "Under the causal mask a token meets only those up to itself."),
            Mistake("no-prefill", scores_formed(prompt, new, cached) - prompt * (prompt + 1) // 2, "The prefill forms scores too."),
            Mistake("steps-only", prompt * new, "A step's row grows by one with every token."),
            Mistake("whole-square", (prompt + new) ** 2, "No step forms the whole square."),
            Mistake("one-more", scores_formed(prompt, new + 1, cached), "The last token written is not read any more."),
        ]
        options = number_options(rng, right, "Row by row under the causal mask.", mistakes, digits=9)
        if options:
            break
    how = "with a KV cache" if cached else "without a cache"
    first = f"prefill (which gives token 1): ${prompt}\\cdot{prompt + 1}/2={prompt * (prompt + 1) // 2}$"
    rest = f"then rows of {prompt + 1} to {prompt + new - 1}" if cached else f"then whole triangles of {prompt + 1} to {prompt + new - 1} tokens"
    return Question(
        form=Form.CHOICE,
        prompt=f"One head under a causal mask: a prompt of {prompt} tokens, and {new} tokens are written {how} (the first comes out of the prefill, the last is not read any more). How many scores (query-key pairs) are formed in all?",
        answer="With a cache each step forms one new row; without it the whole triangle again.",
        options=options,
        working=(first, f"{rest}: {right:,} in all"),
        lab=SLUG,
        settings={"cached": cached, "drawn": [prompt, new, cached]},
        level=2,
    )


def scores_formed(prompt: int, new: int, cached: bool) -> int:
    lengths = range(prompt + 1, prompt + new)
    return prompt * (prompt + 1) // 2 + sum(n if cached else n * (n + 1) // 2 for n in lengths)


def second_scores(question: Question) -> float:
    """By asking the causal mask, pass by pass."""
    from models.attention import causal_mask

    prompt, new, cached = question.settings["drawn"]
    passes = [causal_mask(prompt), *(causal_mask(1 if cached else n, n) for n in range(prompt + 1, prompt + new))]
    return float(sum(int(mask.sum()) for mask in passes))


questions = {"cache-size": ask_size, "tokens-a-second": ask_speed, "scores-formed": ask_scores}
second = {"cache-size": second_size, "tokens-a-second": second_speed, "scores-formed": second_scores}
