"""Token mixers on recall

Five ways for positions to exchange information sit in the same small model: an embedding of width 32, one mixer, one feed-forward network. Each was trained
on the same two tasks. **Recall**: pairs of a key and a value, some filler, then keys alone; which value came after each? **Copy**: a line of different symbols, filler, the line
again; which symbol comes next?

| mixer | how a position hears of others | keeps of $T$ tokens |
|---|---|---|
| softmax | compares its query with every key | all keys and values |
| linear | reads a matrix $S=\\sum_j\\phi(k_j)v_j^\\top$ with $\\phi(q)$, normalised | $D\\times(C+1)$ numbers |
| gated | the same, and a gate computed from each token lets $S$ fade | $D\\times(C+1)$ numbers |
| convolution | fixed weights over the last 8 positions | 7 positions |
| Fourier | the real part of a Fourier transform, no weights at all (it sees ahead, so it is not asked to copy) | everything |

$C=32$ is the width and $D$ the size of queries and keys, the **state size** below. Every mixer sees the token before beside the present one, so that one layer can bind a key to the
value after it; a model without that needs two layers, and attention with two layers can find the same circuit (the [induction heads](/labs?lab=induction-head-icl)).

The lines you see and their share of right answers are computed now, on lines drawn afresh. The curves over the number of pairs were measured in the same way when the models were made.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints, toy_pairs
from models.token_mixers import (
    KINDS,
    Kind,
    MixerModel,
    TokenMixer,
    as_recurrence,
    features,
    in_chunks,
    in_parallel,
    kept_numbers,
    normalised,
    with_ones,
)
from models.toy_pairs import Lines, Task
from models.training import mixers as recipe
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Stops, number_options, numeral
from screens.labs.drawing import axis, heatmap, lines
from screens.labs.pictures import Strip, TokenStrip

TOPIC = "self-attention-alternatives"
REFERENCE = "Mamba-2's segment_sum and Qwen3-Next's recurrent gated delta rule in transformers, FNetBasicFourierTransform, F.scaled_dot_product_attention, numpy.convolve"
MECHANISM = (TokenMixer.parts, TokenMixer.forward, in_parallel, as_recurrence, in_chunks, normalised, kept_numbers)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 10v66h136" opacity=".45"/>
<path d="M18 16h128" stroke="#1f77c9" stroke-width="4"/><path d="M18 20c30 3 52 30 128 38" stroke="#d4620f" stroke-width="4"/><path d="M18 18c30 1 60 14 128 22" stroke="#0f9d77" stroke-width="3" stroke-dasharray="7 5"/>
<path d="M18 73h128" stroke="#b565a7" stroke-width="3" stroke-dasharray="2 5"/></svg>"""

SLUG = "token-mixer-shootout"
MODEL = "mixers"
NAMES: dict[str, str] = {"softmax": "softmax", "linear": "linear", "gated": "gated", "convolution": "convolution", "fourier": "Fourier"}
TASKS = {"recall": "recall: key → value", "copy": "copy: the next symbol"}
COUNT = 24  # lines that are asked
TIMED, CHUNK = (128, 256, 512, 1024), 64
LINES_OF = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # tokens, for what must be kept
WITH_STATE = ("softmax", "linear", "gated")


@dataclass(frozen=True)
class Result:
    task: Task
    mixer: Kind
    state: int
    pairs: int
    filler: int
    line: list[str]  # the first line, up to the questions
    writes: list[float]  # per token of it: how much it enters the state, or how much the first question attends to it; 0 to 1
    asked: list[str]
    said: list[str]
    wanted: list[str]
    right: Mapping[str, float]  # mixer -> share of right answers now
    gate: float  # mean gate of the gated recurrence on these lines
    kept: Tensor  # what the mixer keeps of the first line
    by_pairs: Mapping[str, list[float]]  # mixer -> one share per entry of recipe.PAIRS, at this state size
    by_state: Mapping[int, list[float]]  # state size -> the same for the chosen mixer
    times: Mapping[str, list[float]]  # mixer -> milliseconds per length of TIMED

    @property
    def questions(self) -> int:
        return COUNT * len(self.asked)

    @property
    def share(self) -> float:
        return self.right[self.mixer]

    @property
    def kept_now(self) -> int:
        return kept_numbers(self.mixer, len(self.line), recipe.WIDTH, self.state)

    @property
    def cache_now(self) -> int:
        return kept_numbers("softmax", len(self.line), recipe.WIDTH, self.state)


def compute(
    task: Annotated[str, Choice(TASKS, label="Task")] = "recall",
    mixer: Annotated[str, Choice(NAMES, label="Mixer", help="Whose line, state and curves are shown large.")] = "linear",
    state: Annotated[int, Stops(*recipe.STATES, label="State size D", help="Of queries and keys. Convolution and Fourier have none.")] = 16,
    pairs: Annotated[int, Stops(*recipe.PAIRS, label="Pairs", help="Or symbols in the line to copy.")] = 16,
    filler: Annotated[
        int, Stops(*recipe.FILLERS, label="Filler", help="Tokens that say nothing, between the pairs and the questions. Up to 16 in training.")
    ] = 8,
    seed: Annotated[int, Seed(label="Random lines")] = 0,
) -> Result:
    if task == "copy" and mixer == "fourier":
        mixer = "linear"  # the lesson says why it is not asked
    asked = _lines(task, pairs, filler, seed)
    kinds = [kind for kind in KINDS if task in recipe.tasks(kind)]
    said = {kind: _answers(kind, state, task, pairs, filler, seed) for kind in kinds}
    figures = checkpoints.card(MODEL)["figures"]["by_pairs"]
    show = checkpoints.load(MODEL).tokenizer.show
    model, first = _model(mixer, state), asked.tokens[:1, : int(asked.asked[0])]
    with torch.inference_mode():
        kept = model.remembers(first)
    return Result(
        task=task,  # type: ignore[arg-type]
        mixer=mixer,  # type: ignore[arg-type]
        state=state,
        pairs=pairs,
        filler=filler,
        line=[show(token) for token in first[0].tolist()],
        writes=_writes(model, asked),
        asked=[show(token) for token in asked.tokens[0, asked.asked].tolist()],
        said=[show(token) for token in said[mixer][0].tolist()],
        wanted=[show(token) for token in asked.answers[0].tolist()],
        right={kind: float((answers == asked.answers).float().mean()) for kind, answers in said.items()},
        gate=_mean_gate(state, asked),
        kept=kept,
        by_pairs={kind: figures[recipe.run_name(kind, state)][task] for kind in kinds},
        by_state={size: figures[recipe.run_name(mixer, size)][task] for size in (recipe.STATES if mixer in WITH_STATE else (recipe.WIDTH,))},
        times=_times(state, time.perf_counter),
    )


def _model(kind: str, state: int) -> MixerModel:
    return checkpoints.load(MODEL).model[recipe.run_name(kind, state)]


@functools.lru_cache(maxsize=64)
def _lines(task: Task, pairs: int, filler: int, seed: int) -> Lines:
    return toy_pairs.lines(task, COUNT, pairs, recipe.QUESTIONS, filler, torch.Generator().manual_seed(seed))


@functools.lru_cache(maxsize=256)
def _answers(kind: Kind, state: int, task: Task, pairs: int, filler: int, seed: int) -> Tensor:
    asked = _lines(task, pairs, filler, seed)
    with torch.inference_mode():
        return _model(kind, state)(asked.tokens)[:, asked.asked].argmax(dim=-1)


@torch.inference_mode()
def _writes(model: MixerModel, asked: Lines) -> list[float]:
    """Of the first line: by φ(k) times v for the recurrences, by the weight that the first question gives for softmax; empty for the others."""
    if model.mixer.kind not in WITH_STATE:
        return []
    q, k, v, _ = model.mixer.parts(model.norm_mixer(model.embedding(asked.tokens[:1])))
    place = int(asked.asked[0])
    if model.mixer.kind == "softmax":
        strength = torch.softmax(q[0, place] @ k[0, : place + 1].T / k.shape[-1] ** 0.5, dim=-1)[:place]
    else:
        strength = k[0, :place].norm(dim=-1) * v[0, :place, :-1].norm(dim=-1)
    return (strength / strength.max().clamp_min(1e-9)).tolist()


@torch.inference_mode()
def _mean_gate(state: int, asked: Lines) -> float:
    model = _model("gated", state)
    return float(model.mixer.parts(model.norm_mixer(model.embedding(asked.tokens)))[3].exp().mean())


@functools.lru_cache(maxsize=8)
def _times(state: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """One text through the mixer alone, the better of two runs."""
    return {kind: [_milliseconds(_model(kind, state).mixer, n, clock) for n in TIMED] for kind in KINDS}


@torch.inference_mode()
def _milliseconds(mixer: TokenMixer, n: int, clock: Callable[[], float]) -> float:
    x, took = torch.randn(1, n, recipe.WIDTH, generator=torch.Generator().manual_seed(0)), []
    for _ in range(2):
        began = clock()
        mixer(x, chunk=CHUNK)
        took.append(clock() - began)
    return 1e3 * min(took)


def figures(result: Result) -> dict[str, Any]:
    drawn = {
        "One line, and what the model answers": _line(result),
        "Right answers by the number of pairs": _by_pairs(result),
        f"By size of the state: {NAMES[result.mixer]}": _by_state(result),
        "What is kept of the line": _state(result),
        "How much must be kept": _kept(result),
        "Time for one text": _timing(result),
    }
    if result.mixer not in WITH_STATE:
        del drawn[f"By size of the state: {NAMES[result.mixer]}"]
    return drawn


def _line(result: Result) -> TokenStrip:
    shading = {
        "softmax": "how much the first question attends",
        "linear": "how much it writes into the state",
        "gated": "how much it writes into the state",
    }
    line = Strip("the line", result.line, result.writes)
    marks = [f"✓ {said}" if said == wanted else f"✗ {said}" for said, wanted in zip(result.said, result.wanted)]
    notes = [
        f"Asked after {key}: the answer is {wanted}, the model says {said}." for key, said, wanted in zip(result.asked, result.said, result.wanted)
    ]
    groups = [2 if said == wanted else 1 for said, wanted in zip(result.said, result.wanted)]
    return TokenStrip(
        [line, Strip("asked, and answered", result.asked, marks=marks, notes=notes, groups=groups)], value_name=shading.get(result.mixer, "value")
    )


def _by_pairs(result: Result) -> Any:
    series = {NAMES[kind]: shares for kind, shares in result.by_pairs.items()}
    return _over_pairs(result, series, strong=NAMES[result.mixer], order=list(NAMES.values()))


def _by_state(result: Result) -> Any:
    return _over_pairs(result, {f"D = {size}": shares for size, shares in result.by_state.items()}, strong=f"D = {result.state}")


def _over_pairs(result: Result, series: dict[str, list[float]], **more: Any) -> Any:
    words = "pairs" if result.task == "recall" else "symbols to copy"
    return lines(
        recipe.PAIRS,
        series,
        x_axis=axis(words, log=True, ticks={n: str(n) for n in recipe.PAIRS}),
        y_axis=axis("share of right answers", span=(-0.03, 1.05)),
        upright=[(result.pairs, "")],
        **more,
    )


def _state(result: Result) -> Any:
    """For softmax and Fourier a row per token, for the recurrences a row per dimension of the key."""
    rows, columns = result.kept.shape
    by_key = result.mixer in ("linear", "gated")
    y = "dimension of φ(k)" if by_key else "token"
    names = [str(at + 1) for at in range(rows)] if by_key else result.line[-rows:]
    every = max(rows // 16, 1)
    ticks = ["v" if at % 8 == 0 and at < columns - 1 else "Σ" if at == columns - 1 and by_key else "" for at in range(columns)]
    return heatmap(
        result.kept.numpy(),
        rows=[name if at % every == 0 else "" for at, name in enumerate(names)],
        columns=ticks,
        x_title="channel",
        y_title=y,
        diverging=True,
    )


def _kept(result: Result) -> Any:
    series = {NAMES[kind]: [kept_numbers(kind, n, recipe.WIDTH, result.state) for n in LINES_OF] for kind in KINDS}
    x = axis("tokens read", log=True, ticks={n: f"{n:,}" for n in (16, 64, 256, 1024, 4096)})
    return lines(LINES_OF, series, x_axis=x, y_axis=axis("numbers in one layer", log=True), strong=NAMES[result.mixer])


def _timing(result: Result) -> Any:
    series = {NAMES[kind]: times for kind, times in result.times.items()}
    x = axis("tokens", log=True, ticks={n: f"{n:,}" for n in TIMED})
    return lines(TIMED, series, x_axis=x, y_axis=axis("milliseconds", log=True), strong=NAMES[result.mixer])


def facts(result: Result) -> dict[str, float]:
    return {
        "state": result.state, "pairs": result.pairs, "filler": result.filler, "questions": result.questions, "kept": result.kept_now, "cache": result.cache_now, "tokens": len(result.line),
        **{f"right {kind}": share for kind, share in result.right.items()},
    }  # fmt: skip


def says(result: Result) -> str:
    others = ", ".join(f"{NAMES[kind]} {numeral(share)}" for kind, share in result.right.items() if kind != result.mixer)
    what = f"{result.pairs} pairs" if result.task == "recall" else f"lines of {result.pairs} symbols to copy"
    versus = "" if result.mixer == "softmax" else f", where softmax attention keeps {result.cache_now:,}"
    size = f" with state size {result.state}" if result.mixer in WITH_STATE else ""
    return (
        f"On {what} the {NAMES[result.mixer]} mixer{size} answers a share of {numeral(result.share)} of {result.questions} questions right (the others: {others}); of the {len(result.line)} tokens "
        f"before the questions it keeps {result.kept_now:,} numbers in a layer{versus}."
    )


TRY = [
    Experiment(
        title="More pairs than dimensions",
        settings={"mixer": "softmax", "state": 8, "pairs": 32},
        ask="Keys of 8 numbers, and 32 pairs to remember. Eight directions at most can be at right angles to each other. What becomes of *softmax attention*?",
        options=("It falls to about 8/32", "It stays near 1", "It fails: the keys blur"),
        right=1,
        why="It does not need right angles. All keys are kept, and the exponential makes a small lead in the score into almost all of the weight. Linear attention, which adds everything into one "
        "matrix and has no exponential, gets about a quarter right here.",
        look="The second picture: the line of softmax lies at the top from end to end, that of linear attention falls.",
        holds=lambda result: result.right["softmax"] > 0.97 and result.right["linear"] < 0.45,
        tempting={
            0: "That would be a count of directions; scores need only differ.",
            2: "They overlap, but they are still separate entries of a list.",
        },
    ),
    Experiment(
        title="A state four times as large",
        settings={"mixer": "linear", "state": 32, "pairs": 16},
        ask="Linear attention with state size 8 answers a share of about 0.46 on 16 pairs. What does a state size of 32 give?",
        options=("About the same: 16 pairs are 16 pairs", "Between 0.8 and 0.95", "Exactly 1, as 32 is more than 16"),
        right=1,
        why="Pairs whose keys overlap answer for each other, and in more dimensions keys overlap less. Training does not make them exactly orthogonal, all the less as $\\phi$ allows only "
        "positive features, so it is a slope and not a step.",
        look="The third picture: three lines, each falling once the pairs pass about half of its $D$.",
        holds=lambda result: 0.8 < result.share < 0.95 and result.by_state[8][recipe.PAIRS.index(16)] < 0.55,
        tempting={
            0: "The number of pairs is the load; the state is what bears it.",
            2: "That needs 16 keys at right angles, whichever 16 of the 64 come.",
        },
    ),
    Experiment(
        title="Sixty-four words of nothing",
        settings={"mixer": "linear", "filler": 64, "pairs": 8},
        ask="Between the pairs and the questions stand 64 tokens of filler, four times as many as ever in training. Linear attention adds *every* token into its state. What happens to it?",
        options=("It drops to nothing: 64 against 8", "It loses about half", "Nothing at all"),
        right=2,
        why="It has learned what to write. After a filler token $\\phi(k)$ is practically zero, and zero times anything adds nothing, however often. What a state forgets is decided when writing.",
        look="The first picture: the shading shows what each token writes. Filler is blank, and so are the keys; a value writes, together with the key before it. Move the filler: the share does not change.",
        holds=lambda result: abs(result.share - _share_without_filler(result)) < 0.02 and max(result.writes[-64 + 1 :]) < 0.05,
        tempting={0: "It would, if filler wrote as strongly as pairs do.", 1: "The pairs' share of the state is as large as before."},
    ),
    Experiment(
        title="A gate that may forget",
        settings={"mixer": "gated", "pairs": 16},
        ask="The gated recurrence can let its state fade, token by token. Is it better than linear attention at recalling 16 pairs?",
        options=("Clearly better: it can make room", "About the same", "Clearly worse: it forgets"),
        right=1,
        why="Any pair may be asked for, so there is nothing to forget, and it has learned exactly that: its gate stays open, at 1.00 on average. Gates pay where old things become "
        "irrelevant. To make room for a *changed* pair one would have to erase what this key stored and nothing else: the delta rule.",
        look="The second picture: two lines that nearly coincide.",
        holds=lambda result: abs(result.right["gated"] - result.right["linear"]) < 0.15 and result.gate > 0.995,
        tempting={0: "Room for what? Everything is needed.", 2: "A gate can learn to stay open."},
    ),
    Experiment(
        title="Hearing everything is not choosing",
        settings={"mixer": "fourier", "pairs": 2, "filler": 0},
        ask="Two pairs and no filler: the Fourier mixer hears every position at once. What share of the questions does it answer?",
        options=("Nearly all", "About half: it guesses between two values", "Hardly any"),
        right=2,
        why="Its weights are the same for every text: at no position can it ask for the value *after this key*. The feed-forward network behind it gets one fixed mixture of everything and would "
        "have to take it apart for every place at which a pair may stand. The convolution's weights are fixed too. FNet works on tasks where the mixture itself says enough.",
        look="The second picture: both lines lie on the floor. In the first, the answers are values, but not those of this line.",
        holds=lambda result: result.right["fourier"] < 0.15 and result.right["convolution"] < 0.15 and result.right["softmax"] > 0.97,
        tempting={0: "It hears them all at once, mixed.", 1: "To guess between the two it would have to know which two are there."},
    ),
]


def _share_without_filler(result: Result) -> float:
    asked = _lines(result.task, result.pairs, 0, 0)
    return float((_answers(result.mixer, result.state, result.task, result.pairs, 0, 0) == asked.answers).float().mean())


def verify() -> list[Check]:
    from transformers.models.mamba2.modeling_mamba2 import segment_sum

    generator = torch.Generator().manual_seed(6)
    q, k = (features(torch.randn(2, 150, 16, generator=generator)) for _ in range(2))
    v, log_g = torch.randn(2, 150, 32, generator=generator), F.logsigmoid(3 + torch.randn(2, 150, generator=generator))
    ours = in_parallel(q, k, v, log_g)
    size = float(ours.abs().max())  # sums of 150 products: differences are told relative to the largest
    masked = (q @ k.transpose(1, 2) * torch.exp(segment_sum(log_g))) @ v
    return [
        Check(
            "gated sums in parallel, relative",
            "the decay matrix of transformers' Mamba-2, segment_sum",
            float((ours - masked).abs().max()) / size,
            1e-5,
        ),
        Check(
            "as a recurrence, relative (another path of ours)",
            "the parallel form",
            float((as_recurrence(q, k, v, log_g)[0] - ours).abs().max()) / size,
            1e-5,
        ),
        Check("in chunks, relative (another path of ours)", "the parallel form", float((in_chunks(q, k, v, log_g) - ours).abs().max()) / size, 1e-5),
        Check("linear attention", "the formula in double precision, position by position in NumPy", _against_the_formula(q, k, v), 1e-5),
        Check("recurrence on keys at right angles", "transformers' Qwen3-Next recurrent gated delta rule", _against_delta_rule(), 1e-5),
        *_other_mixers(),
    ]


def _against_the_formula(q: Tensor, k: Tensor, v: Tensor) -> float:
    ours = normalised(in_parallel(q, k, with_ones(v), torch.zeros(q.shape[:2]))).double().numpy()
    Q, K, V = (part.double().numpy() for part in (q, k, v))
    worst = 0.0
    for text in range(len(Q)):
        for t in range(Q.shape[1]):
            scores = K[text, : t + 1] @ Q[text, t]
            worst = max(worst, float(np.abs(scores @ V[text, : t + 1] / scores.sum() - ours[text, t]).max()))
    return worst


def _against_delta_rule() -> float:
    """With orthonormal keys there is nothing to erase, and the delta rule is a plain sum. It divides queries by the root of their size."""
    from transformers.models.qwen3_next.modeling_qwen3_next import torch_recurrent_gated_delta_rule

    generator = torch.Generator().manual_seed(7)
    k = torch.linalg.qr(torch.randn(16, 16, generator=generator))[0][None, :12]  # (1, T, D)
    q, v = torch.randn(1, 12, 16, generator=generator), torch.randn(1, 12, 8, generator=generator)
    log_g = F.logsigmoid(2 + torch.randn(1, 12, generator=generator))
    theirs, _ = torch_recurrent_gated_delta_rule(q[:, :, None], k[:, :, None], v[:, :, None], log_g[..., None], torch.ones(1, 12, 1))
    return float((as_recurrence(q / 4, k, v, log_g)[0] - theirs[:, :, 0]).abs().max())


@torch.inference_mode()
def _other_mixers() -> list[Check]:
    from transformers import FNetConfig
    from transformers.models.fnet.modeling_fnet import FNetBasicFourierTransform

    x = torch.randn(1, 20, recipe.WIDTH, generator=torch.Generator().manual_seed(8))
    both = torch.cat([x, F.pad(x, (0, 0, 1, 0))[:, :-1]], dim=-1)
    softmax, fourier, convolution = (_model(kind, 16).mixer for kind in ("softmax", "fourier", "convolution"))
    attended = F.scaled_dot_product_attention(softmax.query(both), softmax.key(both), softmax.value(both), is_causal=True)
    transformed = FNetBasicFourierTransform(FNetConfig(hidden_size=recipe.WIDTH))(fourier.value(both))[0] / (20 * recipe.WIDTH) ** 0.5
    values = convolution.value(both)[0].T.numpy()  # (C, T)
    taps, offsets = convolution.kernel.weight[:, 0].numpy(), convolution.kernel.bias.numpy()
    slid = np.stack([np.convolve(channel, tap[::-1])[:20] + offset for channel, tap, offset in zip(values, taps, offsets)])
    return [
        Check("softmax mixer", "F.scaled_dot_product_attention", float((softmax(x) - softmax.out(attended)).abs().max()), 1e-5),
        Check("Fourier mixer", "transformers FNetBasicFourierTransform", float((fourier(x) - fourier.out(transformed)).abs().max()), 1e-5),
        Check("convolution", "numpy.convolve", float((convolution(x) - convolution.out(torch.tensor(slid.T[None]))).abs().max()), 1e-5),
    ]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_read_out(rng: random.Random) -> Question:
    """Three tokens with positive features and scalar values; what does a query read?"""
    while True:
        keys = [[rng.randint(0, 3) for _ in range(2)] for _ in range(3)]
        values, q = [rng.randint(-4, 9) for _ in range(3)], [rng.randint(1, 4) for _ in range(2)]
        k, v, query = (torch.tensor(part, dtype=torch.float64)[None] for part in (keys, [[value] for value in values], [[0, 0], [0, 0], q]))
        summed = in_parallel(query, k, with_ones(v), torch.zeros(1, 3, dtype=torch.float64))[0, -1]
        if summed[1] == 0:
            continue
        right = normalised(summed).item()
        scores = [sum(a * b for a, b in zip(key, q)) for key in keys]
        soft = torch.softmax(torch.tensor(scores, dtype=torch.float64), dim=0) @ v[0, :, 0]
        mistakes = [
            Mistake("not-normalised", summed[0].item(), "Divide by $\\phi(q)^\\top z$, the sum of the weights."),
            Mistake("softmax", soft.item(), "There is no exponential: the weights are the products $\\phi(q)^\\top\\phi(k_j)$ themselves."),
            Mistake("plain-mean", sum(values) / 3, "The tokens do not count equally."),
            Mistake("divided-by-tokens", summed[0].item() / 3, "The normaliser is the sum of the weights, not the number of tokens."),
            Mistake("best-only", float(values[scores.index(max(scores))]), "All tokens contribute, not the best match alone."),
        ]
        options = number_options(rng, right, "$\\phi(q)^\\top S/\\phi(q)^\\top z$.", mistakes) if right else None
        if options:
            break
    S, z = ([sum(key[d] * weight for key, weight in zip(keys, by)) for d in range(2)] for by in (values, [1, 1, 1]))
    return Question(
        form=Form.CHOICE,
        prompt=f"Linear attention has read three tokens with key features {_vector(keys[0])}, {_vector(keys[1])}, {_vector(keys[2])} and scalar values {values[0]}, {values[1]}, {values[2]}. "
        f"What does a query with features {_vector(q)} get?",
        answer="Form $S=\\sum_j\\phi(k_j)v_j$ and $z=\\sum_j\\phi(k_j)$; the output is $\\phi(q)^\\top S/\\phi(q)^\\top z$.",
        options=options,
        working=(
            f"$S={_vector(S)}$, $z={_vector(z)}$",
            f"$({q[0]}\\cdot{S[0]}+{q[1]}\\cdot{S[1]})/({q[0]}\\cdot{z[0]}+{q[1]}\\cdot{z[1]})={numeral(summed[0].item())}/{numeral(summed[1].item())}={numeral(right)}$".replace(
                "+{-", "-{"
            ),
        ),
        lab=SLUG,
        settings={"mixer": "linear", "drawn": [keys, values, q]},
        level=2,
    )


def _vector(numbers: list[int]) -> str:
    return "(" + ", ".join(map(str, numbers)) + ")"


def second_read_out(question: Question) -> float:
    """The long way: one weight per token."""
    keys, values, q = question.settings["drawn"]
    weights = [sum(a * b for a, b in zip(key, q)) for key in keys]
    return sum(weight * value for weight, value in zip(weights, values)) / sum(weights)


def ask_break_even(rng: random.Random) -> Question:
    """From how many tokens on does a cache hold more than a matrix state?"""
    while True:
        D, C = rng.choice([16, 32, 64, 128]), rng.choice([32, 64, 96, 128, 256])
        held = kept_numbers("linear", 1, C, D)
        right = next(n for n in range(1, 10_000) if kept_numbers("softmax", n, C, D) > held)
        mistakes = [
            Mistake("keys-only", -(-held // D), "A cached token has a value of $C$ numbers too."),
            Mistake("values-only", -(-held // C), "A cached token has a key of $D$ numbers too."),
            Mistake("state-size", D, "This is the key's size; compare the numbers that are held."),
            Mistake("all-numbers", held, "This is the number of entries of the state, not a number of tokens."),
            Mistake("both-sizes", D + C, "This is one cached token."),
        ]
        options = number_options(rng, right, "State entries over numbers per cached token.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A layer of linear attention has keys of $D={D}$ and values of $C={C}$ numbers and keeps $D\\times(C+1)$ numbers, its normaliser included. A KV cache holds a key and a value per token. "
        "From which token on does the cache hold more?",
        answer="$D(C+1)$ against $D+C$ for each token.",
        options=options,
        working=(
            f"state: ${D}\\cdot{C + 1}={held}$",
            f"a cached token: ${D}+{C}={D + C}$",
            f"${held}/{D + C}={numeral(held / (D + C), 4)}$, so from token {right} on",
        ),
        lab=SLUG,
        settings={"mixer": "linear", "drawn": [D, C]},
        level=2,
    )


def second_break_even(question: Question) -> float:
    D, C = question.settings["drawn"]
    return D * (C + 1) // (D + C) + 1


def ask_regrouped(rng: random.Random) -> Question:
    """How many times fewer multiplications the right order of the products takes."""
    while True:
        n, d = rng.choice([256, 512, 1024, 2048, 4096]), rng.choice([16, 32, 64, 128])
        right = (2 * n * n * d) / (2 * n * d * d)
        mistakes = [
            Mistake("square", right**2, "Both orders have one factor $n$ and one factor $d$ in common."),
            Mistake("root", right**0.5, "The costs are $n^2d$ and $nd^2$: their ratio is not a root."),
            Mistake("length", float(n), "The right order still costs $nd^2$, not $d$."),
            Mistake("width", float(d), "The ratio grows with the length and falls with the width."),
            Mistake("inverse", d / n, "This is the ratio the other way round."),
        ]
        options = number_options(rng, right, "$n^2d/(nd^2)=n/d$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Without a causal mask linear attention is a product of three matrices, $\\phi(Q)\\phi(K)^\\top V$, each of them ${n}\\times{d}$. How many times fewer multiplications does "
        "$\\phi(Q)(\\phi(K)^\\top V)$ take than $(\\phi(Q)\\phi(K)^\\top)V$?",
        answer="$2n^2d$ against $2nd^2$: a factor of $n/d$.",
        options=options,
        working=(f"left first: $2\\cdot{n}^2\\cdot{d}$", f"right first: $2\\cdot{n}\\cdot{d}^2$", f"${n}/{d}={numeral(right)}$"),
        lab=SLUG,
        settings={"mixer": "linear", "drawn": [n, d]},
        level=1,
    )


def second_regrouped(question: Question) -> float:
    """Both orders run on shapes without numbers, and torch counts."""
    from torch.utils.flop_counter import FlopCounterMode

    n, d = question.settings["drawn"]
    Q, K, V = (torch.empty(n, d, device="meta") for _ in range(3))
    with FlopCounterMode(display=False) as left:
        (Q @ K.T) @ V
    with FlopCounterMode(display=False) as right:
        Q @ (K.T @ V)
    return left.get_total_flops() / right.get_total_flops()


questions = {"read-the-state": ask_read_out, "cache-or-state": ask_break_even, "order-of-products": ask_regrouped}
second = {"read-the-state": second_read_out, "cache-or-state": second_break_even, "order-of-products": second_regrouped}
