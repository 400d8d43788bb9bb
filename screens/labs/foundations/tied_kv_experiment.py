"""Tie Q, K or V and watch what breaks

Attention has three matrices per head: queries ask, keys are found, values are carried away. Must they be three? Here the same small
Transformer is trained three times: with three matrices, with keys used as values (K = V), and with queries used as keys (Q = K).

The task is **recall**. A line of letters is made of pairs, and the pairs come again in another order: `ab cd ef … cd ab …`. From the second
round on, whoever can look up what followed this letter the last time knows the second letter of each pair; which pair comes next is drawn at random.
Half of the training lines are of this kind, the other half repeat a stretch in its order, which teaches the wiring sooner. The exam has lines
that were never seen.

To look something up, a position must find *another* one: the letter after an earlier occurrence has to have written down which letter stood
before it. With $W_Q=W_K=W$ the score of two positions is $x_iWW^\\top x_j^\\top$: symmetric, and at equal lengths largest for a position with
itself. With $W_K=W_V$ the score keeps its freedom; what a token is found by and what it hands over must then be one vector, and the cache
keeps one tensor in place of two.

The network has two layers of two heads and learned positions. It trains while you look: about ten seconds for all three.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.questions import Form, Question
from models.attention import MultiHeadAttention, attention_scores, scaled_dot_product
from models.attention_only import repeated
from models.decoder import Decoder, DecoderConfig
from models.tied_projections import asked, cache_bytes, seen_before, shuffled_pairs, symmetric_share, tie
from models.training.steps import Recipe, train
from screens.labs import Check, Choice, Experiment, Mistake, Progress, Seed, Stops, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines
from screens.labs.pictures import AttentionView, Strip, TokenStrip

TOPIC = "shared-kv-projection"
REFERENCE = "torch.nn.MultiheadAttention with tied in_proj weights; a loss written out with einsum; autograd's sum rule"
MECHANISM = (tie, cache_bytes, symmetric_share, shuffled_pairs, MultiHeadAttention.forward)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 10v66h136" opacity=".45"/>
<path d="M18 70c20-2 34-4 46-10s14-38 26-42 30-4 56-4" stroke="#1f77c9" stroke-width="4"/><path d="M18 70c24-2 38-4 50-10s16-36 28-40 26-3 50-4" stroke="#0f9d77" stroke-width="3" stroke-dasharray="7 5"/>
<path d="M18 71c24-3 40-10 60-12s40-3 68-5" stroke="#d4620f" stroke-width="4" stroke-dasharray="2 4"/></svg>"""

SLUG = "tied-kv-experiment"
SYMBOLS, LENGTH = 16, 32  # letters in the alphabet and in a line
STRETCH = (4, 12)  # of the lines that repeat in their order
LINES = 32  # in the exam
EVEN = sum(1 / (at + 1) for at in range(LENGTH // 2, LENGTH)) / (LENGTH - LENGTH // 2)  # weight on itself of a head that looks everywhere alike
EVERY = 10  # steps between two looks
NAMES = {"none": "separate", "kv": "K = V", "qk": "Q = K"}


@dataclass
class Watched:
    """One of the three networks, as the exam has found it so far."""

    recall: list[float] = field(default_factory=list)  # share of right answers on shuffled pairs
    copying: list[float] = field(default_factory=list)  # on stretches that repeat in their order
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (L, H, T, T) on the first line of the exam
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (L, H, T, T) before mask and softmax
    symmetry: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (L, H)
    to_itself: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (L, H) mean weight of a position on itself
    right: list[float] = field(default_factory=list)  # probability of the right next letter along the first line
    cache: int = 0  # bytes per token
    matrices: int = 0  # entries of its attention's projections


@dataclass(frozen=True)
class Result:
    tying: str
    width: int
    pairs: int
    at: list[int]  # steps at which was looked
    watched: Mapping[str, Watched]
    line: list[str]

    @property
    def here(self) -> Watched:
        return self.watched[self.tying]

    def recall(self, tying: str) -> float:
        return self.watched[tying].recall[-1]

    @property
    def guessing(self) -> float:
        """One of the second letters that stand in the line."""
        return 1 / self.pairs


def compute(
    tying: Annotated[str, Choice(NAMES, label="Look at", help="All three are trained; this one is drawn in full.")] = "qk",
    width: Annotated[int, Stops(16, 32, 48, label="Width", help="Of the residual stream; two heads share it.")] = 48,
    pairs: Annotated[int, Stops(4, 8, label="Pairs per line", help="More pairs, fewer rounds: a line has 32 letters.")] = 8,
    steps: Annotated[int, Stops(50, 100, 150, 200, 300, label="Training steps", help="Of 32 lines each.")] = 200,
    seed: Annotated[int, Seed(label="Random start and lines")] = 0,
) -> Iterator[Progress]:
    exam = shuffled_pairs(LINES, pairs, _rounds(pairs), SYMBOLS, torch.Generator().manual_seed(seed + 20_000))
    line = ["abcdefghijklmnop"[token] for token in exam[0].tolist()]
    kept = _kept(width, pairs, steps, seed)
    if kept:
        at, watched = kept[0]
        yield Progress(steps, steps, "trained before", Result(tying, width, pairs, at, watched, line))
        return Result(tying, width, pairs, at, watched, line)
    at, watched = [], {name: Watched() for name in NAMES}
    networks = {name: _network(name, width, seed) for name in NAMES}
    copies = repeated(LINES, LENGTH, STRETCH, SYMBOLS, torch.Generator().manual_seed(seed + 30_000))
    training = [_training(network, pairs, steps, seed) for network in networks.values()]
    for step in range(steps + 1):
        if step:
            for run in training:
                next(run)
        note = f"{step} of {steps} steps"
        if step % EVERY == 0:
            found = {}
            for name in NAMES:
                yield Progress(step, steps, note)
                found[name] = _look(networks[name], exam, copies, pairs, watched[name])
            at, watched = [*at, step], found
            yield Progress(step, steps, note, Result(tying, width, pairs, at, watched, line))
        else:
            yield Progress(step, steps, note)
    kept.append((at, watched))
    return Result(tying, width, pairs, at, watched, line)


@functools.lru_cache(maxsize=16)
def _kept(width: int, pairs: int, steps: int, seed: int) -> list[tuple[list[int], dict[str, Watched]]]:
    """Filled at the end of a training, so that looking at another of its three networks does not train again."""
    return []


def _rounds(pairs: int) -> int:
    return LENGTH // (2 * pairs)


def _network(tying: str, width: int, seed: int) -> Decoder:
    model = Decoder(DecoderConfig(SYMBOLS, LENGTH, layers=2, heads=2, width=width))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, 0.02, generator=generator)
    for attention in _attentions(model):
        tie(attention, tying)  # type: ignore[arg-type]
    return model


def _attentions(model: Decoder) -> list[MultiHeadAttention]:
    return [block.attention for block in model.blocks]  # type: ignore[union-attr, misc]


def _training(model: Decoder, pairs: int, steps: int, seed: int) -> Iterator[Any]:
    generator = torch.Generator().manual_seed(seed + 10_000)  # the same lines for all three

    def loss_at(_step: int) -> Tensor:
        in_order = repeated(16, LENGTH, STRETCH, SYMBOLS, generator)
        shuffled = shuffled_pairs(16, pairs, _rounds(pairs), SYMBOLS, generator)
        can_be_known = torch.stack([seen_before(in_order), seen_before(shuffled)])  # (2, 16, T)
        can_be_known[1, :, 1::2] = False  # which pair comes next
        tokens, known = torch.cat([in_order, shuffled]), can_be_known.flatten(0, 1)[:, :-1]
        return F.cross_entropy(model(tokens)[:, :-1][known], tokens[:, 1:][known])

    recipe = Recipe(steps, 32, adamw_rate=4e-3, muon_rate=0.03, warm_up=20, decay_share=0.3)
    return train(model, recipe, loss_at)


@torch.no_grad()
def _look(model: Decoder, exam: Tensor, copies: Tensor, pairs: int, before: Watched) -> Watched:
    logits, trace = model.look(exam)
    places = asked(pairs, _rounds(pairs))
    known = seen_before(copies)[:, :-1]
    copied = model(copies)[:, :-1].argmax(dim=-1) == copies[:, 1:]
    scores = torch.stack([attention_scores(heads.q, heads.k) for heads in trace.heads])  # (L, B, H, T, T)
    attentions = _attentions(model)
    p = logits[0, :-1].softmax(dim=-1).gather(1, exam[0, 1:, None])[:, 0]
    return Watched(
        recall=[*before.recall, float((logits[:, places].argmax(dim=-1) == exam[:, places + 1]).float().mean())],
        copying=[*before.copying, float(copied[known].float().mean())],
        weights=trace.attention[:, 0].half().numpy(),
        scores=scores[:, 0].numpy(),
        symmetry=symmetric_share(scores).mean(dim=1).numpy(),
        to_itself=trace.attention.diagonal(dim1=-2, dim2=-1)[..., LENGTH // 2 :].mean(dim=(1, 3)).numpy(),
        right=[0.0, *p.tolist()],
        cache=sum(cache_bytes(attention) for attention in attentions),
        matrices=sum(weight.numel() for attention in attentions for weight in attention.parameters()),
    )


def figures(result: Result) -> dict[str, Any]:
    return {
        "Recall of shuffled pairs while they learn": _recall(result),
        "Copying in order while they learn": _copying(result),
        f"The exam's first line, read with {WORDS[result.tying]}": _line(result),
        "Scores of one head: does i need j as j needs i?": _scores(result),
        "How symmetric the scores are": _by_head(result, {name: watched.symmetry for name, watched in result.watched.items()}, "symmetric share", [(0.5, "unrelated numbers")]),
        "How much a position reads itself": _by_head(
            result, {name: watched.to_itself for name, watched in result.watched.items()}, "mean weight on itself", [(EVEN, "even shares")]
        ),
        "What a token costs in the cache": bars(
            list(NAMES.values()), [float(watched.cache) for watched in result.watched.values()], x_axis=axis(), y_axis=axis("bytes per token, 16-bit"), colour=2
        ),
        "Where the heads look": AttentionView(result.line, result.here.weights, causal=True, head=(1, 0)),
    }  # fmt: skip


def _recall(result: Result) -> Any:
    return _learning(
        result, {NAMES[name]: watched.recall for name, watched in result.watched.items()}, [(result.guessing, "one of the letters in the line")]
    )


def _copying(result: Result) -> Any:
    return _learning(result, {NAMES[name]: watched.copying for name, watched in result.watched.items()}, [])


def _learning(result: Result, series: Mapping[str, list[float]], across: list[tuple[float, str]]) -> Any:
    return lines(
        result.at, series, x_axis=axis("training step"), y_axis=axis("share of right answers", span=(0, 1.05)), strong=NAMES[result.tying], across=across,
        markers=len(result.at) < 40,
    )  # fmt: skip


def _line(result: Result) -> TokenStrip:
    rows, length = [], 2 * result.pairs
    for number in range(_rounds(result.pairs)):
        part = range(number * length, (number + 1) * length)
        known = [at % 2 == 1 and number > 0 for at in part]
        rows.append(
            Strip(
                f"round {number + 1}",
                [result.line[at] for at in part],
                [result.here.right[at] if can else 0.0 for at, can in zip(part, known, strict=True)],
                [f"{result.here.right[at]:.2f}" if can else "" for at, can in zip(part, known, strict=True)],
                [
                    f"It had {result.here.right[at]:.3f} before it came." if can else "Not asked: chance decided it."
                    for at, can in zip(part, known, strict=True)
                ],
                [at // 2 for at in range(length)] if not number else [_pair_of(result, at) for at in part],
            )
        )
    return TokenStrip(rows, value_name="probability before it came")


def _pair_of(result: Result, at: int) -> int:
    """Which of the first round's pairs stands here again."""
    return result.line[: 2 * result.pairs].index(result.line[at - at % 2]) // 2


def _scores(result: Result) -> Any:
    """The head of the second layer whose scores reach furthest."""
    scores = result.here.scores[1]
    head = int(np.abs(scores).max(axis=(1, 2)).argmax())
    shown = scores[head][: 2 * result.pairs, : 2 * result.pairs]
    names = [f"{at}: {letter}" for at, letter in enumerate(result.line[: 2 * result.pairs], 1)]
    return heatmap(
        shown, rows=names, columns=names, x_title="key j", y_title=f"query i, layer 1 head {head}", bar="score", diverging=True, height=360
    )


def _by_head(result: Result, values: Mapping[str, np.ndarray], title: str, across: list[tuple[float, str]]) -> Any:
    heads = [f"layer {layer}, head {head}" for layer in range(2) for head in range(2)]
    series = {NAMES[name]: per_head.flatten() for name, per_head in values.items()}
    return bars(heads, series, x_axis=axis(), y_axis=axis(title, span=(0, 1.05)), across=across)


def facts(result: Result) -> dict[str, float]:
    return {
        "steps": result.at[-1],
        "pairs": result.pairs,
        "width": result.width,
        **{f"recall {name}": watched.recall[-1] for name, watched in result.watched.items()},
        "guessing": result.guessing,
        "symmetry": float(result.here.symmetry.mean()),
        "bytes": result.watched["none"].cache,
        "bytes tied": result.watched["kv"].cache,
    }


WORDS = {"none": "three matrices", "kv": "K = V", "qk": "Q = K"}


def says(result: Result) -> str:
    shares = [numeral(result.recall(name)) for name in NAMES]
    after = "Before training" if not result.at[-1] else f"After {result.at[-1]} step{'s' * (result.at[-1] != 1)}"
    return (
        f"{after} at width {result.width}, with {result.pairs} pairs, the share of right answers is {shares[0]} with three matrices, {shares[1]} with keys as values and "
        f"{shares[2]} with queries as keys; guessing among the line's letters gives {numeral(result.guessing)}. The scores with {WORDS[result.tying]} are symmetric to a share of "
        f"{numeral(float(result.here.symmetry.mean()))}. A token costs {result.watched['none'].cache} bytes of cache, and {result.watched['kv'].cache} with keys as values."
    )


TRY = [
    Experiment(
        title="Queries as keys",
        settings={"tying": "qk"},
        ask="After 200 steps the network with three matrices answers nearly all of the exam. Where does Q = K stand then?",
        options=("Just as far: a score is a score", "A little behind, above 0.8", "Far behind: it gets no more than half"),
        right=2,
        why="Recall needs a position to single out another one: its predecessor first, and then the letter whose predecessor was this one. A symmetric score cannot say “I need you, you do not need me”, and at equal "
        "lengths it is largest for the position itself. What it does learn is to guess among the letters of the line, and some copying by place.",
        look="The first picture: one line stays near the bottom. The fourth: a map that is its own mirror image. The sixth: every head gives a position itself more than an even share. The second shows that copying in order gets further.",
        holds=lambda result: (
            result.recall("qk") < 0.5
            and result.recall("none") > 0.9
            and float(result.here.symmetry.min()) > 0.999
            and float(result.here.to_itself.min()) > EVEN
        ),
        tempting={
            0: "It is one number per pair of positions, the same in both directions.",
            1: "It does not lag, it stands on a plateau. With many more steps it may yet leave it.",
        },
    ),
    Experiment(
        title="Keys as values",
        settings={"tying": "kv"},
        ask="Now one vector is both what a token is found by and what it hands over. How does K = V learn the same task?",
        options=("It stalls like Q = K", "About as fast as with three matrices", "It reaches half and stays there"),
        right=1,
        why="The score keeps two different matrices, so a position can still look for what it needs. The vector that is carried away is less free, but $W_O$ and the next layer can sort it out, and there is room for both jobs "
        "even in a head of 24 numbers. On language one study measured a loss of about 3 % in perplexity.",
        look="The first picture: two lines rise together. The order of the two, and the step at which they rise, change with the seed.",
        holds=lambda result: result.recall("kv") > 0.9 and result.recall("none") > 0.9,
        tempting={
            0: "What breaks Q = K is the symmetry of the score, and this score is not bound to it.",
            2: "The limit on a head's freedom does not show on this task.",
        },
    ),
    Experiment(
        title="Which one saves memory?",
        settings={"tying": "kv", "steps": 50},
        ask="Each tying removes one matrix of three. Which of them makes the KV cache smaller?",
        options=("Both: a third less", "Both: half", "Only K = V: half", "Neither"),
        right=2,
        why="The cache holds keys and values. If they are the same numbers, they are kept once. Queries were never cached: a past query is not needed again, so sharing its matrix with the keys saves weights and no cache.",
        look="The picture of the cache: one bar of half the height.",
        holds=lambda result: (
            2 * result.watched["kv"].cache == result.watched["none"].cache == result.watched["qk"].cache
            and result.watched["kv"].matrices == result.watched["qk"].matrices
        ),
        tempting={0: "A third of the projection weights is not a third of the cache.", 1: "The weights shrink alike, the cache does not."},
    ),
    Experiment(
        title="Too small to tell",
        settings={"tying": "kv", "width": 16},
        ask="The same comparison at width 16, 200 steps. What does it say about tying?",
        options=("That K = V costs much when heads are small", "That all three are equally good", "Nothing: none of them has learned the task"),
        right=2,
        why="With heads of 8 numbers not even three matrices find the wiring in 200 steps. Where nobody has learned anything, the curves lie together for that reason. A comparison needs a setting in which at least one "
        "side succeeds.",
        look="The first picture: three lines near the bottom.",
        holds=lambda result: max(result.recall(name) for name in NAMES) < 0.5,
        tempting={0: "Three matrices did no better here.", 1: "Equally bad, and for a reason that has nothing to do with tying."},
    ),
]


def verify() -> list[Check]:
    """Tied attention against torch's with tied rows, its loss written out once more, and its gradient as a sum of two."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(2, 9, 16, generator=generator)
    wanted = torch.randint(16, (2, 9), generator=generator)
    checks = []
    for tying, name in NAMES.items():
        ours = MultiHeadAttention(16, 2)
        with torch.no_grad():
            for parameter in ours.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        tie(ours, tying)  # type: ignore[arg-type]
        theirs = nn.MultiheadAttention(16, 2, bias=False, batch_first=True)
        with torch.no_grad():
            theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
            theirs.out_proj.weight.copy_(ours.out.weight)
        mask = torch.ones(9, 9, dtype=torch.bool).tril()
        mine, expected = ours(x, mask=mask)[0], theirs(x, x, x, attn_mask=~mask)[0]
        checks.append(Check(f"output, {name}", "torch.nn.MultiheadAttention, in_proj tied", float((mine - expected).detach().abs().max()), 1e-6))
        loss, theirs_loss = F.cross_entropy(mine.flatten(0, 1), wanted.flatten()), F.cross_entropy(expected.flatten(0, 1), wanted.flatten())
        by_hand = _loss_by_einsum(x, wanted, *(layer.weight.detach() for layer in (ours.query, ours.key, ours.value, ours.out)))
        checks.append(Check(f"loss, {name}", "the same loss written out with einsum", abs(float(loss.detach() - by_hand)), 1e-6))
        if tying != "none":
            loss.backward()
            theirs_loss.backward()
            q, k, v = theirs.in_proj_weight.grad.chunk(3)  # type: ignore[union-attr]
            both = k + v if tying == "kv" else q + k
            checks.append(
                Check(
                    f"gradient of the shared matrix, {name}",
                    "the sum of both parts' gradients in torch",
                    float((ours.key.weight.grad - both).abs().max()),
                    1e-6,
                )
            )
    return checks


def _loss_by_einsum(x: Tensor, wanted: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor) -> Tensor:
    q, k, v = (torch.einsum("btc,hdc->bhtd", x, w.view(2, 8, 16)) for w in (w_q, w_k, w_v))
    scores = torch.einsum("bhtd,bhsd->bhts", q, k) / 8**0.5
    e = scores.exp() * torch.ones(9, 9).tril()
    said = torch.einsum("bhts,bhsd->bthd", e / e.sum(dim=-1, keepdim=True), v).reshape(2, 9, 16)
    log_p = torch.einsum("btc,oc->bto", said, w_o)
    log_p = log_p - log_p.exp().sum(dim=-1, keepdim=True).log()
    return -log_p.gather(-1, wanted[..., None]).mean()


# Computed questions; what was drawn travels in settings["drawn"].


def ask_self_weight(rng: random.Random) -> Question:
    while True:
        d = rng.choice((2, 4))
        rows = [[rng.randint(-2, 2) for _ in range(d)] for _ in range(3)]
        at = rng.randrange(3)
        x = torch.tensor(rows, dtype=torch.float64)
        right = float(scaled_dot_product(x, x, x)[1][at, at])
        others = [place for place in range(3) if place != at]
        scores = attention_scores(x, x)[at]
        mistakes = [
            Mistake("no-scaling", float(torch.softmax(scores * d**0.5, dim=0)[at]), "This leaves out the division by $\\sqrt{d_k}$."),
            Mistake("divided-by-d", float(torch.softmax(scores / d**0.5, dim=0)[at]), "This divides by $d_k$; the rule divides by its root."),
            Mistake("heaviest-other", float(torch.softmax(scores, dim=0)[others].max()), "This is the weight of another token."),
            Mistake("even", 1 / 3, "Equal weights come only from equal scores."),
            Mistake(
                "cosine",
                float(torch.softmax(F.normalize(x, dim=-1) @ F.normalize(x, dim=-1)[at], dim=0)[at]),
                "This makes the vectors unit long first. Dot-product attention keeps their lengths.",
            ),
            Mistake(
                "without-itself",
                float(torch.softmax(scores[others], dim=0).max()),
                "This hides the token from itself, as Reformer does; the question does not.",
            ),
        ]
        if not 0.02 < right < 0.98 or not any(rows[at]):
            continue
        options = number_options(rng, right, "Its squared length over $\\sqrt{d_k}$ is its own score; then the softmax.", mistakes)
        if options:
            break
    listed = ", ".join("$(" + ", ".join(map(str, row)) + ")$" for row in rows)
    spelled = [numeral(float(score)) for score in scores]
    return Question(
        form=Form.CHOICE,
        prompt=f"A head of scaled dot-product attention uses one matrix for queries and keys. Three tokens have the query-key vectors {listed}; there is no mask. What weight does token {at + 1} give itself?",
        answer="Scores are dot products of the tied vectors over $\\sqrt{d_k}$; a token's own score is its squared length over $\\sqrt{d_k}$.",
        options=options,
        working=(f"scores of token {at + 1}: {', '.join(spelled)} (divided by $\\sqrt{{{d}}}$)", f"softmax: {numeral(right)} on itself"),
        lab=SLUG,
        settings={"tying": "qk", "steps": 50, "drawn": [rows, at]},
        level=2,
    )


def second_self_weight(question: Question) -> float:
    """torch's attention; with the identity as values, its output is the weights."""
    rows, at = question.settings["drawn"]
    x = torch.tensor(rows, dtype=torch.float64)[None]
    return float(F.scaled_dot_product_attention(x, x, torch.eye(3, dtype=torch.float64)[None])[0, at, at])


def ask_cache(rng: random.Random) -> Question:
    """Counted on an attention that is really built and tied (on no device: only the shapes exist)."""
    while True:
        heads, size, layers = rng.choice((4, 8, 16, 32)), rng.choice((64, 128)), rng.choice((1, 2, 4, 24, 32))
        tokens, tying = rng.choice((1024, 2048, 4096, 8192)), rng.choice(("kv", "qk", "none"))
        with torch.device("meta"):
            attention = MultiHeadAttention(heads * size, heads)
        tie(attention, tying)  # type: ignore[arg-type]
        right = cache_bytes(attention) * layers * tokens / 2**20
        whole = 2 * 2 * heads * size * layers * tokens / 2**20
        mistakes = [
            Mistake(
                "other-tying", whole / 2 if tying != "kv" else whole, "Only K = V makes two cached tensors into one; queries are not in the cache."
            ),
            Mistake("queries-cached", right + whole / 2, "Queries are not cached: a past query is never asked again."),
            Mistake("bytes-forgotten", right / 2, "In fp16 a number takes two bytes."),
            Mistake("one-head", right / heads, "Every head has its own keys."),
            Mistake("one-layer", right / layers, "Every layer has its own cache."),
            Mistake("four-bytes", 2 * right, "Four bytes would be fp32."),
            Mistake("thirds", whole * 2 / 3, "One of three matrices is gone, but only two of the three were ever cached."),
        ]
        options = number_options(rng, right, "Cached tensors times layers, tokens, width and two bytes.", mistakes, unit="MiB")
        if options:
            break
    told = {
        "none": "separate queries, keys and values",
        "kv": "keys and values from one shared matrix",
        "qk": "queries and keys from one shared matrix",
    }[tying]
    count = 1 if tying == "kv" else 2
    return Question(
        form=Form.CHOICE,
        prompt=f"A model has {layers} layer{'s' * (layers > 1)} of {heads} heads of {size} (as many key and value heads as query heads), with {told}. How much cache do {tokens:,} tokens need in fp16?",
        answer="Keys and values are cached, queries are not; keys that are also the values are kept once.",
        options=options,
        working=(
            f"${count}\\cdot{heads}\\cdot{size}\\cdot2$ bytes per token and layer $={count * heads * size * 2:,}$",
            f"times {layers} layers and {tokens:,} tokens: {numeral(right)} MiB",
        ),
        lab=SLUG,
        settings={"tying": tying, "steps": 50, "drawn": [heads, size, layers, tokens, tying]},
        level=2,
    )


def second_cache(question: Question) -> float:
    """The bytes of tensors of that shape, asked of torch."""
    heads, size, layers, tokens, tying = question.settings["drawn"]
    one = torch.empty(layers, tokens, heads, size, dtype=torch.float16, device="meta")
    return one.numel() * one.element_size() * (1 if tying == "kv" else 2) / 2**20


questions = {"weight-on-itself": ask_self_weight, "cache-of-a-tied-layer": ask_cache}
second = {"weight-on-itself": second_self_weight, "cache-of-a-tied-layer": second_cache}
