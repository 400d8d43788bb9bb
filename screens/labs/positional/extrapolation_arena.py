"""Train short, test long

A model extrapolates in length if it stays good on texts longer than those it was trained on. Here is the same small decoder (2 layers of 4 heads, letters of a toy world and
symbols to be recalled), trained six times, each time with another way of knowing positions, on 16 or on 32 letters at a time. Then it reads up to eight times as many.

Two things are measured, because they can disagree. **Text**: nats per letter at each position; near letters decide nearly all of it. **Recall**: a symbol comes for the second
time, and the model shall name what followed it the first time; that cannot be done without reaching back.

Rotary positions can be stretched after training, without any tuning: position interpolation (PI), NTK-aware scaling and YaRN slow the rotations for a stretch $s$, here the test length over the trained one.
The window is the humblest way: a query sees as many keys as in training, and no more. All is measured once, when the models are made; where the last symbol looks is computed as you ask.

Press et al. (2021) compared such schemes by the loss on long texts. What do you expect of so small a model, and does it hold for recall as well? One thing known of larger models does not carry over: the decoder
without positions does not shine here as larger ones do on algorithmic tasks, for in so short a training it has hardly begun to read the order off the causal mask.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.attention import merge_heads, split_heads
from models.extrapolation import recall, runs_to, stretched, text_loss
from models.positioned_decoder import PositionedDecoder
from models.recall import needle
from models.rotary import frequencies, turn
from models.rotary_scaling import scaled_frequencies, score_growth
from models.toy_letters import FIRST_SYMBOL, SYMBOLS
from screens.labs import Check, Choice, Experiment, Mistake, Stops, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines

TOPIC = "length-extrapolation"
REFERENCE = "the order of figure 1 in Press et al. 2021; transformers ROPE_INIT_FUNCTIONS, LlamaRotaryEmbedding and build_alibi_tensor with F.scaled_dot_product_attention"
MECHANISM = (PositionedDecoder.placing, PositionedDecoder.embed, text_loss, recall, needle, stretched, scaled_frequencies)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 8v70h136" opacity=".45"/><path d="M56 8v70" stroke-dasharray="3 4" opacity=".6"/>
<path d="M16 40c14 14 26 20 40 22l94 2" stroke="#0f9d77" stroke-width="4"/><path d="M16 38c14 14 26 22 40 23 24 2 26-40 94-44" stroke="#1f77c9" stroke-width="3" stroke-dasharray="8 5"/>
<path d="M16 42c14 14 26 19 40 20 6-44 20-48 94-50" stroke="#d4620f" stroke-width="3" stroke-dasharray="2 5"/></svg>"""

SLUG = "extrapolation-arena"
TRAINED = (16, 32)
TIMES = (0.5, 1, 1.25, 1.5, 2, 3, 4, 6, 8)  # the trained length: where recall was measured
SHARES_BACK = (0.2, 0.4, 0.6, 0.8, 0.95)  # of the line, to the needle
SCHEMES = {
    "none": "no positions",
    "learned": "learned table",
    "sinusoidal": "sinusoidal",
    "rotary": "RoPE",
    "t5": "T5 bias",
    "alibi": "ALiBi",
}
SCALINGS = {"none": "none", "pi": "PI", "ntk": "NTK-aware", "yarn": "YaRN", "window": "window"}
TASKS = {"text": "text", "recall": "recall"}


@dataclass(frozen=True)
class Result:
    scheme: str
    trained: int
    times: int
    task: str
    scaling: str
    back: int  # places to the needle, in percent of the line
    measured: dict[str, dict[str, list]]  # scheme -> text and recall, the rotary one scaled as chosen
    rotary: dict[str, dict[str, list]]  # scaling -> text and recall of the rotary model
    looks: Tensor | None  # (T,) where the last symbol of a needle line looks, in the head that looks best; None when the model cannot run
    spot: int  # the place in that line where the answer stands

    @property
    def length(self) -> int:
        return self.trained * self.times

    def text(self, scheme: str, first: float, last: float) -> float:
        """Mean loss from `first` to `last` times the trained length; NaN where the model cannot run."""
        return _mean(self.measured[scheme]["text"], first, last)

    def stretched_text(self, scaling: str, first: float, last: float) -> float:
        return _mean(self.rotary[scaling]["text"], first, last)

    def recalled(self, scheme: str, times: float) -> float:
        """Mean over the distances of the needle."""
        row = self.measured[scheme]["recall"][TIMES.index(times)]
        return sum(row) / len(row) if None not in row else math.nan

    @property
    def found(self) -> float:
        return 0.0 if self.looks is None else self.looks[self.spot].item()


def _mean(bins: list[float | None], first: float, last: float) -> float:
    """The bins are quarters of the trained length."""
    part = [math.nan if value is None else value for value in bins[round(first * 4) : round(last * 4)]]
    return sum(part) / len(part)


def compute(
    scheme: Annotated[str, Choice(SCHEMES, label="Positions", help="The model that is looked at closely.")] = "rotary",
    trained: Annotated[int, Choice(*TRAINED, label="Trained length", help="Letters in a line of the training.")] = 32,
    times: Annotated[int, Stops(1, 2, 4, 8, label="Test length", unit="times the trained")] = 8,
    task: Annotated[str, Choice(TASKS, label="Task", help="What the first picture measures.")] = "text",
    scaling: Annotated[
        str, Choice(SCALINGS, label="RoPE scaling", help="Of the rotary model, after training, by the test length over the trained one.")
    ] = "none",
    back: Annotated[
        int, Stops(20, 40, 60, 80, 95, label="Needle, how far back", unit="%", help="Of the line, in the picture of where the last symbol looks.")
    ] = 60,
) -> Result:
    figures = checkpoints.load("lengths").card["figures"]
    rotary = {name: figures[f"rotary_{trained}"][_kept(name, times)] for name in SCALINGS}
    measured = {name: figures[f"{name}_{trained}"]["none"] for name in SCHEMES} | {"rotary": rotary[scaling]}
    looks, spot = _look(scheme, trained, times, scaling if scheme == "rotary" else "none", back)
    return Result(scheme, trained, times, task, scaling, back, measured, rotary, looks, spot)


def _kept(scaling: str, times: int) -> str:
    """The name under which these figures stand on the card."""
    if scaling in ("none", "window"):
        return scaling
    return f"{scaling}_{times}" if times > 1 else "none"


def _model(scheme: str, trained: int) -> PositionedDecoder:
    return checkpoints.load("lengths").model[f"{scheme}_{trained}"]


@functools.lru_cache(maxsize=128)
def _look(scheme: str, trained: int, times: int, scaling: str, back: int) -> tuple[Tensor | None, int]:
    """One line with a needle. The head of the last layer that puts most weight on the answer is shown."""
    model, T = _model(scheme, trained), trained * times
    distance = max(4, round(T * back / 100))
    line = needle(1, T, distance, len(SYMBOLS), torch.Generator().manual_seed(1))[:, :-1] + FIRST_SYMBOL
    spot = T - distance  # the symbol after the needle
    if runs_to(model, T) < T:
        return None, spot
    _, weights = model.look(line, stretched(scaling, times, trained))
    last = weights[-1][0, :, -1]  # (H, T)
    return last[last[:, spot].argmax()], spot


def figures(result: Result) -> dict[str, Any]:
    first = (
        {"Loss against position, all schemes": _text(result)}
        if result.task == "text"
        else {"Recall against the length of the text, all schemes": _recall(result)}
    )
    return first | {
        "Recall by length and distance": _grid(result),
        "Where the last symbol looks": _looks(result),
        "RoPE, stretched after training": _stretches(result),
    }


def _text(result: Result) -> Any:
    series = {_name(result, scheme): _values(each["text"][: result.times * 4]) for scheme, each in result.measured.items()}
    return _over_positions(result, series, _name(result, result.scheme))


def _name(result: Result, scheme: str) -> str:
    scaled = scheme == "rotary" and result.scaling != "none"
    return f"RoPE, {SCALINGS[result.scaling]}" if scaled else SCHEMES[scheme]


def _over_positions(result: Result, series: dict[str, list[float]], strong: str) -> Any:
    at = (np.arange(result.times * 4) + 0.5) / 4
    return lines(
        at, series, x_axis=axis("position, in trained lengths"), y_axis=axis("nats per letter", span=(0, 6.5)), strong=strong, upright=[(1, "trained length")],
        markers=result.times < 4, height=380,
    )  # fmt: skip


def _values(row: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in row]


def _rows(result: Result) -> list[int]:
    return [at for at, times in enumerate(TIMES) if times <= result.times]


def _recall(result: Result) -> Any:
    rows = _rows(result)
    series = {_name(result, scheme): [result.recalled(scheme, TIMES[at]) for at in rows] for scheme in SCHEMES}
    return lines(
        [TIMES[at] for at in rows], series, x_axis=axis("length of the text, in trained lengths"), y_axis=axis("share recalled", span=(0, 1.04)), strong=_name(result, result.scheme),
        across=[(1 / len(SYMBOLS), "guessing")], upright=[(1, "trained length")], height=380,
    )  # fmt: skip


def _grid(result: Result) -> Any:
    rows = _rows(result)
    grid = np.array([_values(result.measured[result.scheme]["recall"][at]) for at in rows])
    made = heatmap(
        grid,
        rows=[f"{numeral(TIMES[at])}×" for at in rows],
        columns=[f"{numeral(100 * share)}%" for share in SHARES_BACK],
        x_title="how far back, of the text",
        y_title="length of the text, in trained lengths",
        bar="recalled",
    )
    made.data[0].update(zmin=0, zmax=1)
    return made


def _looks(result: Result) -> Any:
    """The dotted line without words is the trained length."""
    looks = result.looks if result.looks is not None else torch.full((result.length,), math.nan)
    x = axis("position in the line")
    return lines(
        np.arange(result.length), {"weight": looks.numpy()}, x_axis=x, y_axis=axis("attention of the last symbol", span=(0, 1.04)), markers=False,
        upright=[(result.spot, "the answer")] + ([(result.trained, "")] if result.times > 1 else []),
    )  # fmt: skip


def _stretches(result: Result) -> Any:
    series = {SCALINGS[name]: _values(each["text"][: result.times * 4]) for name, each in result.rotary.items()}
    return _over_positions(result, series, SCALINGS[result.scaling])


def facts(result: Result) -> dict[str, float]:
    return {
        "trained": result.trained,
        "length": result.length,
        "within": result.text(result.scheme, 0.5, 1),
        "beyond": result.text(result.scheme, result.times * 0.75, result.times),
        "recalled within": 100 * result.recalled(result.scheme, 1),
        "recalled beyond": 100 * result.recalled(result.scheme, result.times),
        "times": result.times,
    }


def says(result: Result) -> str:
    name = _name(result, result.scheme)
    within = f"{name}, trained on {result.trained} letters, needs {numeral(result.text(result.scheme, 0.5, 1))} nats per letter in the second half of these"
    recalled = f"{numeral(100 * result.recalled(result.scheme, 1))} percent of the symbols in a text of that length"
    if result.times == 1:
        return f"{within}, and recalls {recalled}."
    if result.looks is None:
        return f"{within}, and recalls {recalled}; at {result.length} it cannot run, since its table has {result.trained} rows."
    beyond = result.text(result.scheme, result.times * 0.75, result.times)
    return f"{within} and {numeral(beyond)} at the end of {result.length}; it recalls {recalled}, and {numeral(100 * result.recalled(result.scheme, result.times))} percent in one of {result.length}."


TRY = [
    Experiment(
        title="One step past the end",
        settings={"scheme": "sinusoidal", "times": 2},
        ask="All models were trained on 32 letters. Which of these is worst off in the eight letters right after that?",
        options=("Sinusoidal", "RoPE", "T5's bias", "ALiBi"),
        right=0,
        why="A sinusoid is defined at position 33, and the network has never seen the vector. RoPE turns queries and keys: near letters have the relative angles that training knew, so it takes longer before "
        "far keys with unseen angles spoil the sum. Biases of distance know nothing of position 33.",
        look="First picture: the sinusoidal line jumps at the dotted guide; RoPE's leaves the others later.",
        holds=lambda result: result.text("sinusoidal", 1, 1.25) > 1 + max(result.text(name, 1, 1.25) for name in ("rotary", "t5", "alibi")),
        tempting={1: "It breaks too, further out.", 2: "All that is far shares a bucket that training has filled.", 3: "Its line simply goes on."},
    ),
    Experiment(
        title="A flat loss on long texts",
        settings={"scheme": "rotary", "scaling": "window", "times": 8, "back": 60},
        ask="Give the rotary model a window of 32 keys and let it read 256. Its loss on text stays flat. Does it recall a symbol from 150 places back?",
        options=("Yes: flat loss means that it uses the text", "No: nearly never", "About half of the time"),
        right=1,
        why="What lies outside of the window does not exist for it; through two layers at most two windows can be bridged, and nobody trained it to. Perplexity over long texts cannot tell this "
        "from a model that reads everything, because near letters decide it. Ask for something that must be fetched from far away.",
        look="Second picture: a bright corner within the window, dark elsewhere. Fourth: the flattest line of all is the window's.",
        holds=lambda result: (
            abs(result.text("rotary", 6, 8) - result.text("rotary", 0.5, 1)) < 0.3 and result.measured["rotary"]["recall"][-1][2] < 0.2
        ),
        tempting={
            0: "It means only that long texts do it no harm.",
            2: "Where the needle lies within the window it does far better; at this distance it hardly ever does.",
        },
    ),
    Experiment(
        title="PI or NTK, without tuning",
        settings={"scheme": "rotary", "scaling": "pi", "times": 4},
        ask="Stretch RoPE by $s=4$ without any further training. How does position interpolation do on the *short* part of the text, the first 32 letters?",
        options=("As well as before: angles only shrink", "Badly: neighbours have become hard to tell apart", "Better than before"),
        right=1,
        why="Every angle is divided by 4, also those of the fast pairs: the letter before now stands where a quarter of a letter before would have stood. In letters the neighbour is everything. A thousand steps of "
        "tuning mend that in a large model; NTK-aware scaling spares the fast pairs and needs none up to here.",
        look="Fourth picture: PI lies high from the start, NTK-aware with the others and lasts about four times the trained length.",
        holds=lambda result: (
            result.stretched_text("pi", 0.5, 1) > 1 + result.stretched_text("ntk", 0.5, 1)
            and result.stretched_text("ntk", 2, 3.5) < 1 + result.stretched_text("ntk", 0.5, 1)
        ),
        tempting={0: "No angle is new, but the angles between neighbours are.", 2: "It was trained with the angles that it no longer gets."},
    ),
    Experiment(
        title="The flattest curve",
        settings={"scheme": "alibi", "times": 8, "task": "recall"},
        ask="ALiBi's loss on text is flat up to eight times the trained length. Is it also best at recalling, within the trained length and beyond?",
        options=("Yes, both", "Within, not beyond", "Neither, on this small model"),
        right=2,
        why="To recall, one head must look exactly one place back and another must find the same symbol. ALiBi's fixed slopes favour near keys softly (the steepest of four heads takes $\\tfrac14$ off per place), so it learns this "
        "slowly, and within these few training steps hardly at all. RoPE learns it and loses it beyond. Flat is not the same as good.",
        look="First picture: ALiBi's line lies low at every length.",
        holds=lambda result: result.recalled("alibi", 1) < 0.6 * result.recalled("rotary", 1) and result.recalled("alibi", 8) < 0.5,
        tempting={0: "The loss on text never asked for far symbols.", 1: "That would be RoPE."},
    ),
    Experiment(
        title="YaRN reads on",
        settings={"scheme": "rotary", "scaling": "yarn", "times": 4, "task": "recall"},
        ask="Without scaling RoPE recalls nothing at four times the trained length. With YaRN for $s=4$, and no tuning?",
        options=("Still nothing", "More than half", "Everything, and the loss on text is untouched"),
        right=1,
        why="YaRN slows the hands that never completed a turn in training, so that no angle is new, leaves the fast ones alone, and sharpens the scores for the many more keys. That brings back most of what recall needs. It is not free: the "
        "loss on short texts rises.",
        look="First picture: YaRN's line stays up to four times the trained length. Fourth: its line lies above the plain one before the trained length.",
        holds=lambda result: (
            result.recalled("rotary", 4) > 0.5 and result.stretched_text("none", 0.5, 1) + 0.05 < result.stretched_text("yarn", 0.5, 1)
        ),
        tempting={0: "That is what plain RoPE does.", 2: "The mixture of speeds is not the one it was trained with."},
    ),
]


def verify() -> list[Check]:
    """The order of the schemes against the paper's figure; the scalings and two whole decoders against other implementations."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    figures = checkpoints.load("lengths").card["figures"]
    checks = []
    for L in TRAINED:
        rise = {name: (_rise(text, 1, 1.25), _rise(text, 2, 3)) for name in SCHEMES for text in [figures[f"{name}_{L}"]["none"]["text"]]}
        early = sum(rise["sinusoidal"][0] <= rise[other][0] for other in ("rotary", "t5", "alibi"))
        checks.append(Check(f"schemes that lose more than sinusoids right after {L} letters", "figure 1 of Press et al. 2021", early, 0))
        later = sum(rise[worse][1] <= rise[better][1] for worse, better in pairwise(("rotary", "t5", "alibi")))
        checks.append(Check(f"of RoPE, T5, ALiBi out of order at 2 to 3 times {L} letters", "figure 1 of Press et al. 2021", later, 0))
    D, L = 12, 32
    for method, kind in (("pi", "linear"), ("yarn", "yarn"), ("ntk", "dynamic")):
        rope = {"rope_type": kind, "rope_theta": 10_000.0, "factor": 4.0} | ({"original_max_position_embeddings": L} if kind == "yarn" else {})
        config = LlamaConfig(hidden_size=D, num_attention_heads=1, rope_parameters=rope, max_position_embeddings=L)
        theirs, growth = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=2 * L)
        s = 5.0 if method == "ntk" else 4.0  # "dynamic" grows with the text: at twice the trained length 4 · 2 - 3
        difference = max((scaled_frequencies(D, 10_000.0, method, s, L) - theirs).abs().max().item(), abs(score_growth(method, s) - growth**2))
        checks.append(
            Check(f"rotations of the trained heads under {SCALINGS[method]}", f"transformers ROPE_INIT_FUNCTIONS['{kind}']", difference, 1e-6)
        )

    tokens = needle(2, 64, 40, len(SYMBOLS), torch.Generator().manual_seed(0))[:, :-1] + FIRST_SYMBOL
    config = LlamaConfig(hidden_size=D, num_attention_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})
    cos, sin = LlamaRotaryEmbedding(config)(torch.zeros(1, 64, D), torch.arange(64)[None])
    model = _model("rotary", L)
    theirs = _their_forward(model, tokens, lambda q, k, v: F.scaled_dot_product_attention(*apply_rotary_pos_emb(q, k, cos, sin), v, is_causal=True))
    checks.append(
        Check(
            "logits of the rotary decoder at twice its length",
            "LlamaRotaryEmbedding and F.scaled_dot_product_attention",
            (model(tokens) - theirs).abs().max().item(),
            1e-4,
        )
    )
    penalty = build_alibi_tensor(torch.ones(1, 64), 4, torch.float32).view(1, 4, 1, 64)
    mask = penalty.expand(1, 4, 64, 64).masked_fill(torch.ones(64, 64, dtype=torch.bool).triu(1), -math.inf)
    model = _model("alibi", L)
    theirs = _their_forward(model, tokens, lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    checks.append(
        Check(
            "logits of the ALiBi decoder at twice its length",
            "build_alibi_tensor and F.scaled_dot_product_attention",
            (model(tokens) - theirs).abs().max().item(),
            1e-4,
        )
    )
    return checks


def _rise(text: list[float | None], first: float, last: float) -> float:
    return _mean(text, first, last) - _mean(text, 0.5, 1)


def _their_forward(model: PositionedDecoder, tokens: Tensor, attend: Any) -> Tensor:
    """Our weights, everything else by torch's own functions."""
    x = F.embedding(tokens, model.embedding.weight)
    for block in model.blocks:
        h = F.layer_norm(x, x.shape[-1:], block.norm_attention.weight, block.norm_attention.bias)
        q, k, v = (split_heads(F.linear(h, each.weight), 4) for each in (block.attention.query, block.attention.key, block.attention.value))
        x = x + F.linear(merge_heads(attend(q, k, v)), block.attention.out.weight)
        h = F.layer_norm(x, x.shape[-1:], block.norm_feed_forward.weight, block.norm_feed_forward.bias)
        x = x + F.linear(
            F.gelu(F.linear(h, block.feed_forward.up.weight, block.feed_forward.up.bias)),
            block.feed_forward.down.weight,
            block.feed_forward.down.bias,
        )
    return F.linear(F.layer_norm(x, x.shape[-1:], model.norm.weight, model.norm.bias), model.embedding.weight)


# Computed questions; what was drawn travels in settings["drawn"].


def ask_interpolated(rng: random.Random) -> Question:
    while True:
        L, s, d = rng.choice((1024, 2048, 4096)), rng.choice((2, 4, 8)), rng.choice((64, 128))
        m, i = rng.randint(1, 8) * L // 4, rng.choice((0, 1, 2, 4))
        right = (scaled_frequencies(d, 10_000.0, "pi", float(s), L)[i] * m).item()
        theta = frequencies(d)[i].item()
        mistakes = [
            Mistake("not-scaled", m * theta, "This is the angle without interpolation."),
            Mistake("wrong-way", m * theta * s, "Positions are divided by $s$, so that none leaves the trained range."),
            Mistake("divided-by-length", m * theta * L / (L * s) / s, "The factor $L/L'=1/s$ comes in once."),
            Mistake("clipped", min(m, L - 1) * theta, "Positions are squeezed, not clipped at the trained length."),
            Mistake("scaled-the-base", m * scaled_frequencies(d, 10_000.0, "ntk", float(s), L)[i].item(), "That is NTK-aware scaling."),
        ]
        options = number_options(rng, right, "$m\\theta_i/s$.", mistakes, digits=4)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"RoPE with head size {d} and base 10,000, trained on {L:,} tokens, is stretched to {s * L:,} by position interpolation. By which angle (radians) is pair {i} (counted from 0) of position {m:,} "
        "turned?",
        answer="Position interpolation multiplies positions by $L/L'$.",
        options=options,
        working=(f"$\\theta_{{{i}}}=10000^{{-2\\cdot{i}/{d}}}={numeral(theta, 4)}$", f"${m}\\cdot{numeral(theta, 4)}/{s}={numeral(right, 4)}$"),
        lab=SLUG,
        settings={"scheme": "rotary", "scaling": "pi", "times": s, "drawn": [d, s, m, i]},
        level=1,
    )


def second_interpolated(question: Question) -> float:
    """Turn the pair (1, 0) of the squeezed position in small steps of one radian at most, and add up how far it has come."""
    d, s, m, i = question.settings["drawn"]
    whole = m / s * 10_000 ** (-2 * i / d)
    steps = math.ceil(whole)
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    turned = turn(start, torch.tensor([[whole / steps]], dtype=torch.float64))[0]
    return steps * math.atan2(turned[1].item(), turned[0].item())


def ask_base(rng: random.Random) -> Question:
    while True:
        d, s, base = rng.choice((32, 64, 80, 96, 128)), rng.choice((2, 4, 8, 16)), rng.choice((10_000, 100_000, 500_000))
        right = base * s ** (d / (d - 2))
        mistakes = [
            Mistake(
                "times-s",
                base * s,
                "The power of $s$ is $d/(d-2)$, a little more than 1. Near, and not the rule: the slowest pair would be slowed by less than $s$.",
            ),
            Mistake("times-s-to-d", base * float(s) ** ((d - 2) / d), "The exponent stands upside down."),
            Mistake("half-size", base * s ** (d / 2 / (d / 2 - 2)), "The exponent takes the head size $d$, not the number of pairs."),
            Mistake("divided", base / s ** (d / (d - 2)), "A larger base slows the pairs; this one would speed them up."),
            Mistake("unchanged", base, "This is the trained base."),
            Mistake("squared", base * s**2, "The exponent $d/(d-2)$ is near 1."),
        ]
        near = [mistake for mistake in mistakes if not math.isclose(mistake.value, right, rel_tol=0.05)]
        options = number_options(rng, right, "$b\\,s^{d/(d-2)}$.", near, digits=4)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"By the NTK-aware rule, which base does RoPE with head size $d={d}$ and base {base:,} get for a stretch by $s={s}$?",
        answer="$b\\,s^{d/(d-2)}$: the fastest pair keeps its pace, the slowest is slowed by exactly $s$.",
        options=options,
        working=(f"exponent $d/(d-2)={d}/{d - 2}={numeral(d / (d - 2), 4)}$", f"${base}\\cdot{s}^{{{numeral(d / (d - 2), 4)}}}={numeral(right, 4)}$"),
        lab=SLUG,
        settings={"scheme": "rotary", "scaling": "ntk", "times": min(s, 8), "drawn": [d, s, base]},
        level=2,
    )


def second_base(question: Question) -> float:
    """From what it must do: a base for which the slowest pair turns s times more slowly."""
    d, s, base = question.settings["drawn"]
    slowest = math.log(base) * -(d - 2) / d - math.log(s)  # ln θ of the slowest pair, slowed
    return math.exp(slowest * -d / (d - 2))


def ask_growth(rng: random.Random) -> Question:
    while True:
        s, score = rng.choice((2, 4, 8, 16, 32)), rng.choice((1, 2, 3, 5, 8))
        right = score * score_growth("yarn", float(s))
        factor = 0.1 * math.log(s) + 1
        mistakes = [
            Mistake("once", score * factor, "Queries and keys are both multiplied, so the score gets the factor squared."),
            Mistake("log-ten", score * (0.1 * math.log10(s) + 1) ** 2, "The logarithm is the natural one."),
            Mistake("divided", score / factor**2, "The scores are sharpened, not flattened."),
            Mistake("added", score + 0.1 * math.log(s) + 1, "It is a factor."),
            Mistake("times-s", score * s, "The factor grows with the logarithm of the stretch only."),
        ]
        options = number_options(rng, right, "$(0.1\\ln s+1)^2$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"YaRN for a stretch by $s={s}$ multiplies queries and keys by $0.1\\ln s+1$ each. A pair of them had the score {score} before. What is it now (rotations aside)?",
        answer="The factor enters twice: $(0.1\\ln s+1)^2$.",
        options=options,
        working=(f"$0.1\\ln{s}+1={numeral(factor, 4)}$", f"${score}\\cdot{numeral(factor, 4)}^2={numeral(right)}$"),
        lab=SLUG,
        settings={"scheme": "rotary", "scaling": "yarn", "times": min(s, 8), "drawn": [s, score]},
        level=1,
    )


def second_growth(question: Question) -> float:
    """With vectors: one pair of numbers each, multiplied and compared."""
    s, score = question.settings["drawn"]
    q, k = torch.tensor([score, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    factor = 1 + 0.1 * math.log2(s) / math.log2(math.e)
    return ((q * factor) @ (k * factor)).item()


questions = {"interpolated-angle": ask_interpolated, "ntk-base": ask_base, "yarn-score": ask_growth}
second = {"interpolated-angle": second_interpolated, "ntk-base": second_base, "yarn-score": second_growth}
