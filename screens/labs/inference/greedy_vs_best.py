"""Greedy against the best

Greedy search takes the most probable token at every step, $x_t=\\arg\\max_v p(v\\mid x_{<t})$, one pass per token and the same
answer each time. It does not look for the most probable *sequence*: a first token that is a little weaker may lead to a much
better whole, and greedy search never returns to it. What it misses is more probable than what it finds, not less.

Here a language model so small that every sequence can be counted, a Markov chain over two to five words with random
probabilities. The tree shows what greedy takes and what would have been best; the curves repeat it for 300 other chains and ask
when the loss is large. Sharpness multiplies the logits: at 0 all words are equal, at 6 nearly every step is decided.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from backend.questions import Form, Question
from models.markov import all_scores, best, chain, greedy, random_chain, score_of
from screens.labs import Check, Experiment, Mistake, Seed, Slider, number_options, numeral
from screens.labs.drawing import axis, lines
from screens.labs.pictures import Node, Tree

TOPIC = "greedy-search"
REFERENCE = "networkx's shortest path; transformers generate(do_sample=False); every sequence, one by one"
MECHANISM = (greedy, best, all_scores, random_chain)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M20 45 60 22M20 45l40 23M60 22l40-10M60 22l40 14M60 68l40-12M60 68l40 12M100 56l40-8" opacity=".4"/>
<path d="M20 45 60 22l40-10 40 4" stroke="#1f77c9" stroke-width="3" stroke-dasharray="7 4"/><path d="M20 45l40 23 40 12 40-6" stroke="#0f9d77" stroke-width="4"/>
<g fill="currentColor" stroke="none"><circle cx="20" cy="45" r="5"/><circle cx="60" cy="22" r="4"/><circle cx="60" cy="68" r="4"/></g></svg>"""

SLUG = "greedy-vs-best"
WORDS = "ABCDE"
CHAINS = 300
LENGTHS = tuple(range(1, 9))
SHARPNESSES = tuple(round(0.5 * step, 1) for step in range(13))


@dataclass(frozen=True)
class Result:
    words: int
    length: int
    sharpness: float
    start: Tensor  # (V,) log probabilities
    step: Tensor  # (V, V)
    greedy: tuple[int, ...]
    best: tuple[int, ...]
    scores: Tensor  # (V^L,) of all sequences, best first
    over_sharpness: dict[int, Tensor]  # length -> (SHARPNESSES,) mean gap in nats
    over_length: Tensor  # (LENGTHS,) mean gap at this sharpness
    missed: Tensor  # (LENGTHS,) share of chains in which greedy is not the best

    def score(self, words: tuple[int, ...]) -> float:
        return score_of(self.start, self.step, words)

    @property
    def gap(self) -> float:
        return self.score(self.best) - self.score(self.greedy)

    @property
    def rank(self) -> int:
        """The place of the greedy sequence among all; equal scores share the better place."""
        return int((self.scores > self.score(self.greedy) + 1e-9).sum()) + 1


def compute(
    words: Annotated[int, Slider(2, 5, 1, label="Words in the vocabulary")] = 4,
    length: Annotated[int, Slider(2, 6, 1, label="Length of the sequence")] = 4,
    sharpness: Annotated[float, Slider(0.0, 6.0, 0.5, label="Sharpness", help="Multiplies random logits: 0 is uniform, 6 nearly decided.")] = 1.5,
    seed: Annotated[int, Seed(label="Which chain")] = 35,
) -> Result:
    start, step = random_chain(words, sharpness, torch.Generator().manual_seed(seed))
    gaps, missed = _many(words)
    here = SHARPNESSES.index(sharpness)
    return Result(
        words=words,
        length=length,
        sharpness=sharpness,
        start=start,
        step=step,
        greedy=tuple(greedy(start, step, length)[0].tolist()),
        best=tuple(best(start, step, length)[0].tolist()),
        scores=all_scores(start, step, length).flatten().sort(descending=True).values,
        over_sharpness={L: gaps[:, LENGTHS.index(L)] for L in (2, 4, 6, 8)},
        over_length=gaps[here],
        missed=missed[here],
    )


@functools.cache
def _many(V: int) -> tuple[Tensor, Tensor]:
    """(SHARPNESSES, LENGTHS): mean gap in nats over CHAINS chains, and in what share of them greedy misses the best."""
    z = torch.randn(CHAINS, V + 1, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chains = [chain(z, beta) for beta in SHARPNESSES]
    start = torch.stack([first for first, _ in chains])  # (SHARPNESSES, CHAINS, V)
    step = torch.stack([rows for _, rows in chains])  # (SHARPNESSES, CHAINS, V, V)
    gap = torch.stack([best(start, step, L)[1] - greedy(start, step, L)[1] for L in LENGTHS], dim=-1)
    return gap.mean(dim=1), (gap > 1e-9).double().mean(dim=1)


def _spell(words: tuple[int, ...]) -> str:
    return " ".join(WORDS[word] for word in words)


def figures(result: Result) -> dict[str, Any]:
    return {
        "What greedy takes, and what would have been best": _tree(result),
        "Where greedy ranks among all sequences": _ranks(result),
        "The gap grows with length": _lengths(result),
        "How often greedy misses the best": _missed(result),
        "Neither uniform nor decided: where greedy loses most": _sharpness(result),
    }


def _tree(result: Result) -> Tree:
    """Both paths with all their siblings; the rest of the V^L sequences hangs below the siblings and is not drawn."""
    nodes, places = [Node("start", -1, "1", "chosen")], {(): 0}
    shown = sorted(
        {path[:depth] for path in (result.greedy, result.best) for depth in range(result.length)}, key=lambda prefix: (len(prefix), prefix)
    )
    for prefix in shown:
        row = result.start if not prefix else result.step[prefix[-1]]
        for word in range(result.words):
            path = (*prefix, word)
            on_best, on_greedy = path == result.best[: len(path)], path == result.greedy[: len(path)]
            state = "chosen" if on_best else "kept" if on_greedy else "dropped"
            note = "greedy goes here too" if on_best and on_greedy else f"the whole so far has {numeral(math.exp(result.score(path)))}"
            places[path] = len(nodes)
            nodes.append(Node(WORDS[word], places[prefix], f"{row[word].exp().item():.2f} → {math.exp(result.score(path)):.3f}", state, note))
    return Tree(nodes, states={"chosen": "the best sequence", "kept": "greedy, where it differs", "dropped": "not taken"}, height=460)


def _ranks(result: Result) -> Any:
    count = len(result.scores)
    shown = sorted({*range(1, min(count, 40) + 1), *np.geomspace(1, count, 60).astype(int).tolist()})
    return lines(
        shown,
        {"probability": result.scores[torch.tensor(shown) - 1].exp()},
        x_axis=axis("sequences, most probable first", log=True),
        y_axis=axis("probability of the sequence"),
        markers=False,
        upright=[(result.rank, f"greedy: number {result.rank}")],
    )


def _lengths(result: Result) -> Any:
    return lines(LENGTHS, {"mean gap": result.over_length}, x_axis=axis("length"), y_axis=axis("nats lost, mean"), upright=[(result.length, "")])


def _missed(result: Result) -> Any:
    return lines(
        LENGTHS, {"missed": result.missed}, x_axis=axis("length"), y_axis=axis("share of chains", span=(0, 1)), upright=[(result.length, "")]
    )


def _sharpness(result: Result) -> Any:
    series = {f"length {L}": values for L, values in result.over_sharpness.items()}
    return lines(SHARPNESSES, series, x_axis=axis("sharpness"), y_axis=axis("nats lost, mean"), upright=[(result.sharpness, "")])


def facts(result: Result) -> dict[str, float]:
    at = LENGTHS.index(result.length)
    return {
        "sequences": len(result.scores),
        "greedy": math.exp(result.score(result.greedy)),
        "best": math.exp(result.score(result.best)),
        "rank": result.rank,
        "chains": CHAINS,
        "missed": result.missed[at].item(),
        "gap": result.over_length[at].item(),
        "sharpness": result.sharpness,
    }


def says(result: Result) -> str:
    at = LENGTHS.index(result.length)
    same = (
        "which is the best of all"
        if result.gap < 1e-9
        else f"number {result.rank} of {len(result.scores):,}; the best, “{_spell(result.best)}”, has "
    )
    same += "" if result.gap < 1e-9 else numeral(math.exp(result.score(result.best)))
    return (
        f"Greedy search writes “{_spell(result.greedy)}” with probability {numeral(math.exp(result.score(result.greedy)))}, {same}. Over {CHAINS} chains of "
        f"sharpness {numeral(result.sharpness)} it misses the best in a share of {numeral(result.missed[at].item())} and loses {numeral(result.over_length[at].item())} "
        "nats on average."
    )


TRY = [
    Experiment(
        title="A weaker start, a better whole",
        settings={"length": 2},
        ask="Two words, four to choose from. Greedy starts with the likeliest first word. Does it write the most probable pair?",
        options=(
            "Yes: the likeliest first word begins the likeliest pair",
            "No: another first word begins a more probable pair",
            "It finds a less probable first word",
        ),
        right=1,
        why="After greedy's first word the probability is split; after the other word one continuation takes nearly all. A product of two numbers is not decided by its first "
        "factor, and greedy search has committed before it sees the second.",
        look="The tree: compare the second number in each box, the probability of the whole so far.",
        holds=lambda result: result.gap > 0.05 and result.greedy[0] != result.best[0],
        tempting={0: "Often so, but nothing makes it so.", 2: "Its first word is the likeliest one, by construction."},
    ),
    Experiment(
        title="Longer is worse",
        settings={"length": 6, "words": 5, "sharpness": 1.0},
        ask="With five words at sharpness 1, greedy misses the best *pair* in about a fifth of all chains. In what share does it miss the best sequence of six?",
        options=("About a fifth: the rule has not changed", "About a half", "Nearly always"),
        right=1,
        why="Each step is one more place to go wrong, and a wrong turn early is never taken back. The loss in nats grows about in step with the length. The share does not go "
        "on to 1 here: a chain of five words soon runs in a cycle, and where greedy's cycle is the best one, length adds nothing.",
        look="“The gap grows with length” and “How often greedy misses the best”, at 2 and at 6.",
        holds=lambda result: 0.4 < result.missed[5] < 0.6 and 0.15 < result.missed[1] < 0.25 and result.over_length[5] > 4 * result.over_length[1],
        tempting={0: "The rule is the same, the number of steps is not.", 2: "In larger worlds perhaps; five words leave it many ways to be right."},
    ),
    Experiment(
        title="When is greedy safe?",
        settings={"sharpness": 6.0},
        ask="The loss is small when all words are nearly equal: then everything is equally bad. What does it do when every step is nearly decided, at sharpness 6?",
        options=(
            "It falls again: the likeliest word takes nearly all each time",
            "It keeps growing: mistakes cost more",
            "It stays as at sharpness 2",
        ),
        right=0,
        why="Where one word has nearly all the probability at each step, the greedy sequence has nearly all of the whole. Between the two ends lies the hump. A chain drawn at "
        "random still has some undecided rows at 6, so the mean has fallen, not vanished.",
        look="The last picture: the curves rise and fall.",
        holds=lambda result: _falls(result.over_sharpness[4]),
        tempting={1: "They would, if they still happened: they get rare.", 2: "The curves are not flat to the right of their top."},
    ),
]


def _falls(curve: Tensor) -> bool:
    top = int(curve.argmax())
    return 0 < top < len(curve) - 1 and bool(curve[-1] < 0.9 * curve[top]) and bool(curve[0] < 0.05 * curve[top])


def verify() -> list[Check]:
    chains = [(V, *random_chain(V, 1.5, torch.Generator().manual_seed(seed))) for V in (2, 3, 5) for seed in range(6)]
    wrong = {"path": 0.0, "all": 0.0, "generate": 0.0}
    for V, start, step in chains:
        for L in (2, 4, 5):
            wrong["path"] = max(wrong["path"], abs(_shortest(V, start, step, L) - best(start, step, L)[1].item()))
            wrong["all"] = max(
                wrong["all"], abs(max(score_of(start, step, words) for words in product(range(V), repeat=L)) - best(start, step, L)[1].item())
            )
        wrong["generate"] += _generated(V, start, step, 5) != greedy(start, step, 5)[0].tolist()
    return [
        Check("log probability of the best sequence", "networkx shortest_path on -log p", wrong["path"], 1e-9),
        Check("log probability of the best sequence", "every sequence, one by one, by itertools", wrong["all"], 1e-9),
        Check("words that greedy search writes, chains that differ", "transformers generate(do_sample=False)", wrong["generate"], 0),
    ]


def _shortest(V: int, start: Tensor, step: Tensor, L: int) -> float:
    import networkx

    graph = networkx.DiGraph()
    for word in range(V):
        graph.add_edge("start", (0, word), weight=-start[word].item())
        graph.add_edge((L - 1, word), "end", weight=0.0)
        for (at, after), following in product(pairwise(range(L)), range(V)):
            graph.add_edge((at, word), (after, following), weight=-step[word, following].item())
    return -networkx.shortest_path_length(graph, "start", "end", weight="weight")


def _generated(V: int, start: Tensor, step: Tensor, L: int) -> list[int]:
    """The chain as a transformers model whose logits are a table; token V stands for the start."""
    from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutput

    table = torch.cat([torch.cat([step, start[None]]), torch.full((V + 1, 1), -1e9, dtype=torch.float64)], dim=1)  # nothing leads back to the start

    class Chain(PreTrainedModel, GenerationMixin):
        config_class = PretrainedConfig

        def __init__(self) -> None:
            super().__init__(PretrainedConfig(vocab_size=V + 1, is_encoder_decoder=False))
            self.anchor = torch.nn.Parameter(torch.zeros(1))
            self.post_init()

        def forward(self, input_ids: Tensor, **_: object) -> CausalLMOutput:
            return CausalLMOutput(logits=table[input_ids])

    written = Chain().generate(
        torch.tensor([[V]]), attention_mask=torch.ones(1, 1), max_new_tokens=L, do_sample=False, use_cache=False, pad_token_id=V
    )
    return written[0, 1:].tolist()


# Computed questions; what was drawn travels in settings["drawn"].


def _two_steps(rng: random.Random) -> tuple[list[float], list[list[float]]]:
    """A first step and one row per first word, in twentieths."""

    def row(n: int) -> list[float]:
        while True:
            cuts = sorted(rng.sample(range(1, 20), n - 1))
            parts = [(b - a) / 20 for a, b in pairwise([0, *cuts, 20])]
            if parts.count(max(parts)) == 1:
                return parts

    return row(2), [row(3), row(3)]


def _searched(first: list[float], rows: list[list[float]]) -> tuple[float, float]:
    """Greedy's and the best product, by the mechanism itself: rows as a chain that has the two first words as its memory."""
    V = 5
    start = torch.full((V,), -math.inf, dtype=torch.float64)
    start[:2] = torch.tensor(first, dtype=torch.float64).log()
    step = torch.full((V, V), -math.inf, dtype=torch.float64)
    step[:2, 2:] = torch.tensor(rows, dtype=torch.float64).log()
    return math.exp(greedy(start, step, 2)[1].item()), math.exp(best(start, step, 2)[1].item())


def ask_pair(rng: random.Random) -> Question:
    """How probable is what greedy writes, or the best?"""
    while True:
        first, rows = _two_steps(rng)
        found, top = _searched(first, rows)
        if top <= found + 1e-9:
            continue  # only chains in which greedy misses
        wants_best = rng.random() < 0.5
        right, other = (top, found) if wants_best else (found, top)
        mistakes = [
            Mistake("the-other-search", other, "This is what the other search finds."),
            Mistake(
                "last-factor-only",
                max(rows[first.index(max(first))]) if not wants_best else max(max(row) for row in rows),
                "This is the second factor alone.",
            ),
            Mistake("first-factor-only", max(first), "This is the first factor alone."),
            Mistake(
                "best-of-each", max(first) * max(max(row) for row in rows), "This multiplies the best first word by a continuation of the other."
            ),
            Mistake("added", max(first) + max(rows[first.index(max(first))]), "Probabilities along a sequence are multiplied."),
        ]
        options = number_options(rng, right, "The product along the sequence.", [m for m in mistakes if float(m.value) <= 1])
        if options:
            break
    after = "; ".join(f"after {name}: " + ", ".join(f"{word} {p}" for word, p in zip("xyz", row)) for name, row in zip("AB", rows))
    lead = first.index(max(first))
    return Question(
        form=Form.CHOICE,
        prompt=f"First word: A {first[0]}, B {first[1]}. Second word, {after}. What is the probability of the pair that "
        + ("is the most probable of all?" if wants_best else "greedy search writes?"),
        answer="Greedy takes the likeliest word each time; the best pair has the largest product of all six.",
        options=options,
        working=(
            f"greedy: {max(first)} · {max(rows[lead])} = {numeral(found)}",
            f"the other start: {min(first)} · {max(rows[1 - lead])} = {numeral(min(first) * max(rows[1 - lead]))}",
            f"asked for: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"words": 3, "length": 2, "drawn": [first, rows, wants_best]},
        level=1,
    )


def second_pair(question: Question) -> float:
    """All six products written out."""
    first, rows, wants_best = question.settings["drawn"]
    products = {(a, b): first[a] * rows[a][b] for a in range(2) for b in range(3)}
    if wants_best:
        return max(products.values())
    a = 0 if first[0] > first[1] else 1
    return max(value for (start, _), value in products.items() if start == a)


def ask_work(rng: random.Random) -> Question:
    """How many products does each search compare?"""
    while True:
        V, L, exhaustive = rng.choice([3, 4, 5, 10, 20]), rng.choice([3, 4, 5]), rng.random() < 0.5
        right = V**L if exhaustive else V * L
        mistakes = [
            Mistake("the-other-search", V * L if exhaustive else V**L, "This is the count of the other search."),
            Mistake("base-and-power-swapped", L**V, "There are $V$ choices at each of $L$ places: $V^L$, not $L^V$."),
            Mistake("one-step-less", V ** (L - 1) if exhaustive else V * (L - 1), "The first place counts too."),
            Mistake("squared", V**2 * L, "Greedy follows one sequence, not one for every word."),
            Mistake("sum", V + L, "Choices multiply."),
        ]
        options = number_options(rng, right, "Choices per place, over all places.", [m for m in mistakes if float(m.value) < 1e6])
        if options:
            break
    what = (
        "How many complete sequences does exhaustive search compare"
        if exhaustive
        else "How many word probabilities does greedy search look at in all"
    )
    return Question(
        form=Form.CHOICE,
        prompt=f"The vocabulary has {V} words, the sequence {L} places. {what}?",
        answer="Exhaustive search compares all $V^L$ sequences; greedy looks at $V$ words at each of $L$ places.",
        options=options,
        working=(f"${V}^{L}={right:,}$" if exhaustive else f"${V}\\cdot{L}={right}$",),
        lab=SLUG,
        settings={"length": L, "drawn": [V, L, exhaustive]},
        level=1,
    )


def second_work(question: Question) -> float:
    """By growing the sequences place by place, or the looks."""
    V, L, exhaustive = question.settings["drawn"]
    count = 1 if exhaustive else 0
    for _ in range(L):
        count = count * V if exhaustive else count + V
    return count


questions = {"pair-probability": ask_pair, "work-of-search": ask_work}
second = {"pair-probability": second_pair, "work-of-search": second_work}
