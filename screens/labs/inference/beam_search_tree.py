"""Grow and prune the beam tree

Beam search keeps the $B$ best partial sequences by $\\sum\\log p$. Each step scores all $B\\cdot V$ continuations and keeps $B$ of
them, wherever they come from; a sequence that ends among the best goes to a pool, and the best of the pool by
$\\sum\\log p\\,/\\,|y|^{\\alpha}$ is the answer.

Two models to search in. The **tiny grammar** has ten words and next-word probabilities you can check by hand: it is small enough
to list every sentence, so you see when the beam misses the best one. The **decoder** has four layers and 1,024 tokens and
goes on with your text; it was trained on a toy world of gifts, lists, sums and brackets.

With $\\alpha=0$ the score is the log probability itself. It only falls with every token, so short sequences win; $\\alpha=1$ takes
the mean per token. With groups (diverse beam search) each group has its own beam and pays for tokens that earlier
groups have taken at the same step. Live hypotheses number $B$ at any time, and the work is $L\\cdot B\\cdot V$ scores: $B^L$
would be branching without pruning, $V^L$ listing everything.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.beam import Hypothesis, Search, all_sequences, beam_search, best_continuations, continue_group, penalised
from models.gpt2_twin import gpt2_twin
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Text, number_options, numeral
from screens.labs.drawing import axis, lines
from screens.labs.pictures import Node, Strip, TokenStrip, Tree

TOPIC = "beam-search"
REFERENCE = "transformers generate(num_beams=B) on the same weights; exhaustive search"
MECHANISM = (beam_search, continue_group, best_continuations, penalised, all_sequences)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="#7a7f87" stroke-dasharray="4 4"><path d="M20 45L60 72M60 45l40-19M60 18l40-8M100 58l40 16M100 34l40-14"/></g>
<g stroke="#1f77c9" stroke-width="3"><path d="M20 45L60 18l40 16 40 4"/></g><g stroke="#0f9d77" stroke-width="4"><path d="M20 45h40l40 13 40-6"/></g>
<g fill="currentColor" stroke="none"><circle cx="20" cy="45" r="5"/><circle cx="60" cy="18" r="4"/><circle cx="60" cy="45" r="4"/><circle cx="100" cy="34" r="4"/>
<circle cx="100" cy="58" r="4"/></g></svg>"""

SLUG = "beam-search-tree"
WORLDS = {"grammar": "the tiny grammar", "decoder": "the decoder"}
END = "■"
GRAMMAR: Mapping[str, Mapping[str, float]] = {
    "": {"red": 0.43, "big": 0.33, END: 0.16, "old": 0.08},
    "red": {"cup": 0.34, "car": 0.33, "kite": 0.33},
    "big": {"dog": 0.9, "car": 0.1},
    "old": {"dog": 0.5, "car": 0.5},
    "cup": {"falls": 0.4, END: 0.6},
    "car": {"falls": 0.3, END: 0.7},
    "kite": {"falls": 0.5, END: 0.5},
    "dog": {"runs": 0.9, END: 0.1},
    "runs": {"home": 0.55, "away": 0.4, END: 0.05},
    "home": {END: 0.9, "away": 0.1},
    "away": {END: 1.0},
    "falls": {END: 1.0},
}
WORDS = ("red", "big", "old", "cup", "car", "kite", "dog", "runs", "home", "away", "falls", END)
SAMPLES = {
    "A gift": "When Ada and Tom went to the park, Ada gave a",
    "A story": "Sara went to the",
    "Agreement": "The keys near the boat",
    "A sum": "7 + 5 =",
}
WIDTHS = tuple(range(1, 9))
MOST_STEPS = 12
CONTEXT = 60  # tokens of the text that the decoder reads
REMEMBERED = 4000  # prefixes whose next-token probabilities are kept


@dataclass(frozen=True)
class Result:
    world: str
    prompt: str
    width: int
    steps: int
    alpha: float
    groups: int
    search: Search
    others: dict[int, Search]  # by beam width, without groups
    everything: list[Hypothesis]  # all sequences, best final score first; only of the grammar
    words: Sequence[str]  # by token
    end: int

    @property
    def best(self) -> Hypothesis:
        return self.search.best

    @property
    def live_at_most(self) -> int:
        return max(sum(h.fate == "live" for h in step) for step in self.search.steps)

    def text(self, hypothesis: Hypothesis) -> str:
        words = [self.words[token].strip() or "␣" for token in hypothesis.tokens if token != self.end]
        return " ".join(words) or "(empty)"


def compute(
    world: Annotated[str, Choice(WORLDS, label="Model", help="Ten words with known probabilities, or a small trained network.")] = "grammar",
    width: Annotated[int, Slider(1, 8, 1, label="Beam size B", help="How many sequences live after each step; 1 is greedy search.")] = 2,
    steps: Annotated[int, Slider(1, MOST_STEPS, 1, label="Steps at most L", help="Tokens that may be written, the end token included.")] = 6,
    alpha: Annotated[float, Slider(0.0, 2.0, 0.1, label="Length penalty α", help="Final score: log probability divided by length to the power α.")] = 1.0,
    groups: Annotated[int, Slider(1, 4, 1, label="Groups", help="Diverse beam search: groups with beams of their own. 1 is plain.")] = 1,
    diversity: Annotated[float, Slider(0.0, 3.0, 0.5, label="Price λ of a taken token", help="Only matters with two groups or more.")] = 1.0,
    text: Annotated[str, Text(label="Text for the decoder", limit=200, samples=SAMPLES, help="The tiny grammar starts from nothing.")] = SAMPLES["A story"],
) -> Result:
    prompt, words, end, next_log_p = _model(world, text)
    return Result(
        world=world,
        prompt=prompt,
        width=width,
        steps=steps,
        alpha=alpha,
        groups=min(groups, width),
        search=beam_search(next_log_p, width=width, steps=steps, end=end, alpha=alpha, groups=groups, diversity=diversity),
        others={at: beam_search(next_log_p, width=at, steps=steps, end=end, alpha=alpha) for at in WIDTHS},
        everything=_everything(steps, alpha) if world == "grammar" else [],
        words=words,
        end=end,
    )


def _model(world: str, text: str) -> tuple[str, Sequence[str], int, Any]:
    if world == "grammar":
        return "a", WORDS, WORDS.index(END), _grammar_log_p
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    ids = tuple((tokenizer.encode(text) or [tokenizer.end])[-CONTEXT:])
    return tokenizer.decode(ids[-6:]), _decoder_words(), tokenizer.end, lambda prefixes: _decoder_log_p(ids, prefixes)


@functools.cache
def _decoder_words() -> tuple[str, ...]:
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    return tuple(END if token == tokenizer.end else tokenizer.show(token) for token in range(len(tokenizer)))


@functools.cache
def _grammar_row(after: str) -> Tensor:
    return torch.tensor([GRAMMAR[after].get(word, 0.0) for word in WORDS], dtype=torch.float64).log().float()


def _grammar_log_p(prefixes: Sequence[tuple[int, ...]]) -> Tensor:
    return torch.stack([_grammar_row(WORDS[prefix[-1]] if prefix else "") for prefix in prefixes])


@functools.cache
def _everything(steps: int, alpha: float) -> list[Hypothesis]:
    return sorted(all_sequences(_grammar_log_p, steps=steps, end=WORDS.index(END)), key=lambda h: -h.final(alpha))


_known: dict[tuple[int, ...], Tensor] = {}


def _decoder_log_p(ids: tuple[int, ...], prefixes: Sequence[tuple[int, ...]]) -> Tensor:
    """All prefixes of a step have one length, so they are one batch. What was asked before is remembered: beams of all widths share prefixes."""
    model = checkpoints.load("toy_decoder").model
    missing = [ids + prefix for prefix in prefixes if ids + prefix not in _known]
    if len(_known) > REMEMBERED:
        _known.clear()
        missing = [ids + prefix for prefix in prefixes]
    if missing:
        with torch.inference_mode():
            log_p = model(torch.tensor(missing))[:, -1].log_softmax(-1)
        _known.update(zip(missing, log_p))
    return torch.stack([_known[ids + prefix] for prefix in prefixes])


def figures(result: Result) -> dict[str, Any]:
    return {
        "The tree, grown and pruned": _tree(result),
        "The pool of finished sequences": _pool(result),
        "How much is kept and how much is not": _counters(result),
        "What a wider beam finds": _by_width(result),
        "The best of each length, at every penalty": _by_penalty(result),
    }


def _tree(result: Result) -> Tree:
    nodes = [Node(result.prompt.strip() or "start", -1, "", "chosen", "where the search starts")]
    place: dict[tuple[int, tuple[int, ...]], int] = {}
    best = result.best
    for step in result.search.steps:
        for hypothesis in step:
            parent = place.get((hypothesis.group, hypothesis.tokens[:-1]), 0)
            on_the_way = hypothesis.group == best.group and best.tokens[: len(hypothesis.tokens)] == hypothesis.tokens
            state = "chosen" if on_the_way else "dropped" if hypothesis.fate == "dropped" else "kept"
            if hypothesis.fate == "live":
                place[hypothesis.group, hypothesis.tokens] = len(nodes)
            nodes.append(Node(result.words[hypothesis.tokens[-1]].replace(" ", "␣"), parent, numeral(hypothesis.score), state, _node_note(result, hypothesis)))
    leaves = len(nodes) - len({node.parent for node in nodes}) + 1
    return Tree(nodes, states={"chosen": "the answer", "kept": "kept", "dropped": "pruned"}, height=max(240, min(48 * leaves, 620)))


def _node_note(result: Result, hypothesis: Hypothesis) -> str:
    group = f"group {hypothesis.group + 1}: " if result.groups > 1 else ""
    fate = {"live": "goes on", "dropped": "pruned", "finished": f"finished, final score {numeral(hypothesis.final(result.alpha))}"}[hypothesis.fate]
    return f"{group}probability {numeral(math.exp(hypothesis.log_p))}, sum of logs {numeral(hypothesis.score)}; {fate}"


def _pool(result: Result) -> TokenStrip:
    rows = []
    for rank, hypothesis in enumerate(result.search.finished, 1):
        name = f"{rank}. {numeral(hypothesis.score)} / {len(hypothesis.tokens)}^{numeral(result.alpha)} = {numeral(hypothesis.final(result.alpha))}"
        logs = _token_logs(result, hypothesis)
        tokens = [result.words[token] for token in hypothesis.tokens]
        rows.append(Strip(name, tokens, values=[math.exp(log) for log in logs], marks=[f"{math.exp(log):.2f}" for log in logs]))
    return TokenStrip(rows, value_name="probability")


def _token_logs(result: Result, hypothesis: Hypothesis) -> list[float]:
    """Every prefix of a finished sequence was kept at its step."""
    known = {(h.group, h.tokens): h.log_p for step in result.search.steps for h in step}
    return [known[hypothesis.group, hypothesis.tokens[: at + 1]] for at in range(len(hypothesis.tokens))]


def _counters(result: Result) -> go.Figure:
    reach = list(range(1, result.steps + 1))
    vocabulary, width = len(result.words), result.width
    live = [min(width, vocabulary)] * len(reach)
    scored = [vocabulary * (1 + width * (step - 1)) for step in reach]
    series = {
        "live: B": live,
        "scored so far": scored,
        "B^L unpruned": [float(width) ** step for step in reach],
        "V^L in all": [float(vocabulary) ** step for step in reach],
    }
    tops = max(series["V^L in all"][-1], 10)
    return lines(reach, series, x_axis=axis("steps L"), y_axis=axis("how many", log=True, span=(0.7, tops * 3)), strong="live: B", order=list(series))


def _by_width(result: Result) -> go.Figure:
    best = {at: search.best for at, search in result.others.items()}
    series = {
        "final score": [best[at].final(result.alpha) for at in WIDTHS],
        "log probability": [best[at].score for at in WIDTHS],
    }
    across = []
    if result.everything:
        across = [(result.everything[0].final(result.alpha), f"the best of all {len(result.everything)} sequences")]
    y = axis("score, higher is better", span=(1.1 * min(min(line) for line in series.values()), 0))
    return lines(WIDTHS, series, x_axis=axis("beam size B"), y_axis=y, across=across, upright=[(result.width, "")])


ALPHAS = tuple(round(0.1 * step, 1) for step in range(21))


def _by_penalty(result: Result) -> go.Figure:
    """Of the grammar among all sequences; of the decoder among those that some beam has found."""
    found = result.everything or [*result.search.finished, *(search.best for search in result.others.values())]
    series = {}
    for length in sorted({len(hypothesis.tokens) for hypothesis in found})[:6]:
        best = max((h for h in found if len(h.tokens) == length), key=lambda h: h.score)
        text = result.text(best)
        series[f"{length} tokens: {text if len(text) < 26 else text[:25] + '…'}"] = [best.final(alpha) for alpha in ALPHAS]
    names = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "entrywidth": 0.9, "entrywidthmode": "fraction", "font": {"size": 11}}  # one a row
    return lines(
        ALPHAS, series, x_axis=axis("length penalty α"), y_axis=axis("final score"), markers=False, upright=[(result.alpha, "")], legend=names, height=400
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "B": result.width,
        "L": result.steps,
        "live": result.live_at_most,
        "expanded": result.search.expanded,
        "scored": result.search.scored,
        "branching": float(result.width) ** result.steps,
        "tokens": len(result.best.tokens),
        "score": result.best.score,
        "final": result.best.final(result.alpha),
        "alpha": result.alpha,
        "groups": result.groups,
        "place": _place(result),
        "all": len(result.everything),
    }


def _place(result: Result) -> int:
    """Which place the answer takes among all sequences there are."""
    return 1 + sum(h.final(result.alpha) > result.best.final(result.alpha) + 1e-6 for h in result.everything)


def says(result: Result) -> str:
    """Words inside “…” are the model's."""
    groups = f" in {result.groups} groups" if result.groups > 1 else ""
    best = result.best
    found = (
        f"A beam of {result.width}{groups} over at most {result.steps} steps asks the model about {result.search.expanded} prefixes and compares "
        f"{numeral(result.search.scored)} continuations. Its answer “{result.text(best)}” has log probability {numeral(best.score)}, "
        f"and {numeral(best.final(result.alpha))} after the length penalty {numeral(result.alpha)}"
    )
    if not result.everything:
        return f"{found}."
    place = _place(result)
    among = f"the best of all {len(result.everything)} sequences" if place == 1 else f"number {place} of all {len(result.everything)} sequences"
    return f"{found}: {among}."


TRY = [
    Experiment(
        title="Two to the power of five?",
        settings={"width": 2, "steps": 5},
        ask="Beam size 2, five steps. How many hypotheses live after the fifth step, and how many prefixes was the model asked about?",
        options=("32 live: they double at every step", "2 live, at most 9 prefixes", "10 live, 10 prefixes"),
        right=1,
        why="After each step everything but the two best is dropped. The first step asks about one prefix, each of the four others about two: "
        "$1+4\\cdot2=9$, and fewer where a sequence ends early. $2^5=32$ would be branching without pruning.",
        look="Third picture: the thick line lies flat at 2 while the dotted ones climb.",
        holds=lambda result: result.live_at_most == 2 and result.search.expanded <= 9 < 2**5,
        tempting={0: "That is the tree without pruning.", 2: "Two per step are asked about, but they replace each other."},
    ),
    Experiment(
        title="Greedy walks past the best sentence",
        settings={"width": 1},
        ask="“red” is the likeliest first word (0.43 against 0.33 for “big”). Does greedy search, a beam of 1, find the best sentence?",
        options=("Yes: the likeliest words make the likeliest sentence", "No: after “red” the probability is split three ways", "No: greedy search never finds the best"),
        right=1,
        why="After “red” three words share the probability, after “big” nearly everything goes to “dog”. Greedy search has committed before it could know. "
        "A beam of 2 keeps “big” for one more step, and that is enough.",
        look="Fourth picture: the line rises from 1 to 2 and reaches the dotted one. First picture: with B = 2 the two paths cross over at the second word.",
        holds=lambda result: _place(result) > 1 and result.words[result.best.tokens[0]] == "red" and result.others[2].best.final(result.alpha) > result.best.final(result.alpha),
        tempting={0: "It is a product: a good first factor can be followed by bad ones.", 2: "Where one word dominates at every step it does."},
    ),
    Experiment(
        title="A wider beam, a worse answer",
        settings={"width": 4, "alpha": 0.0},
        ask="No length penalty. With B = 2 the answer is “big dog runs home”. What does B = 4 answer?",
        options=("The same: it was the best of its kind", "A longer sentence", "Nothing: the empty sentence"),
        right=2,
        why="The end token has only 0.16 at the start, but a sentence pays for every word, and the likeliest one, “big dog runs home”, has 0.13 in all. With "
        "B = 2 the early end was pruned; from B = 3 on it is in the pool, and nothing beats it. Translators with very wide beams return empty or short text for "
        "the same reason: what the model thinks likeliest is short.",
        look="Fifth picture: the flat line of the one-token sequence leads at α = 0 and is last at α = 1.",
        holds=lambda result: result.text(result.best) == "(empty)" and result.text(result.others[2].best) == "big dog runs home",
        tempting={0: "A wider beam looks at more, also at endings.", 1: "Every further word multiplies by something below 1."},
    ),
    Experiment(
        title="Paid by the word",
        settings={"width": 4, "alpha": 1.0},
        ask="The same beam of 4 with $\\alpha=1$: log probability divided by length. What wins now?",
        options=("Still the empty sentence", "“big dog runs home”", "The shortest with a word in it"),
        right=1,
        why="Divided by length, every token counts with its mean log probability. The empty sentence has one token at $\\ln 0.16=-1.83$; five tokens with "
        "most of them near 1 have a mean near $-0.4$.",
        look="Fifth picture: the lines cross. Move α between 0 and 1 to see the answer change.",
        holds=lambda result: result.text(result.best) == "big dog runs home",
        tempting={0: "Its mean is its only factor, and a bad one.", 2: "Short helps only where the sum counts."},
    ),
    Experiment(
        title="Three hypotheses, one idea",
        settings={"width": 3, "groups": 3, "diversity": 3.0},
        ask="A plain beam of 3 ends with “big dog runs home”, “big dog runs away” and one other. Now three groups, and a price of 3 for every token that an earlier "
        "group took. How do the first words look?",
        options=("All three begin with “big”", "Three different ones, and one of them is the end", "One “big” and two “red”"),
        right=1,
        why="A price of 3 in log probability is a factor of $e^3\\approx20$. The first group takes “red”, the second finds it taken and begins with “big”, the third "
        "is left with the end. The final scores are counted without the price. On the decoder the effect is plainer still: a plain beam of 4 changes one late word.",
        look="First picture: three branches leave the root, one per group. Then choose the decoder, B = 4, and compare one group with four.",
        holds=lambda result: len({h.tokens[0] for h in result.search.finished}) == 3 > len({h.tokens[0] for h in result.others[3].finished}),
        tempting={0: "That is the plain beam, or a price of zero.", 2: "The third group pays for both words."},
    ),
]


def verify() -> list[Check]:
    """Token for token against transformers on our weights, and against listing every sequence where that is possible."""
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    theirs = gpt2_twin(model, tokenizer.end)
    checks = []
    with torch.inference_mode():
        for width, alpha, steps in ((2, 1.0, 12), (4, 0.0, 10), (5, 1.5, 12)):
            different = 0
            for text in SAMPLES.values():
                ids = tokenizer.encode(text)
                made = theirs.generate(
                    torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), num_beams=width, length_penalty=alpha,
                    max_new_tokens=steps, do_sample=False,
                )[0, len(ids) :].tolist()  # fmt: skip
                ours = beam_search(_model("decoder", text)[3], width=width, steps=steps, end=tokenizer.end, alpha=alpha).best.tokens
                different += list(ours) != made[: len(ours)]
            checks.append(Check(f"answers to {len(SAMPLES)} texts, B = {width}, α = {alpha}", "transformers generate(num_beams) on the same weights", different, 0))
    wide = beam_search(_grammar_log_p, width=200, steps=6, end=WORDS.index(END), alpha=1.0).finished
    everything = _everything(6, 1.0)
    gap = max(abs(a.final(1.0) - b.final(1.0)) for a, b in zip(wide[:20], everything[:20]))
    return [*checks, Check("the 20 best scores of a beam wider than the tree", "every sequence, listed", gap, 1e-6)]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_work(rng: random.Random) -> Question:
    while True:
        width, steps, vocabulary = rng.randint(2, 5), rng.randint(3, 7), rng.choice((10, 20, 50, 100))
        search = beam_search(_uniform(vocabulary), width=width, steps=steps, end=-1)
        about_scores = rng.random() < 0.5
        right = search.scored if about_scores else search.expanded
        each = vocabulary if about_scores else 1
        mistakes = [
            Mistake("no-pruning", width**steps, "That is $B^L$, branching without pruning; after each step only $B$ are left."),
            Mistake("first-step-too-wide", each * width * steps, "The first step has one prefix, not $B$."),
            Mistake("one-step", each * width, "This is a single step after the first."),
            Mistake("only-live", width, "This many live at any time; the question is about all steps together."),
            Mistake("greedy", each * steps, "This is greedy search, a beam of 1."),
        ]
        options = number_options(rng, right, "One prefix at the first step, $B$ at each later one.", mistakes)
        if options:
            break
    what = "continuations are scored in all" if about_scores else "prefixes is the model asked about in all"
    return Question(
        form=Form.CHOICE,
        prompt=f"Beam size {width}, {steps} steps, a vocabulary of {vocabulary}; nothing ends early. How many {what}?",
        answer="The first step expands one prefix, each later step $B$ of them; every prefix has $V$ continuations.",
        options=options,
        working=(
            f"prefixes: $1+{steps - 1}\\cdot{width}={search.expanded}$",
            *((f"continuations: ${search.expanded}\\cdot{vocabulary}={numeral(right)}$",) if about_scores else ()),
        ),
        lab=SLUG,
        settings={"width": width, "steps": steps, "drawn": [width, steps, vocabulary, about_scores]},
        level=1,
    )


def _uniform(vocabulary: int) -> Any:
    row = torch.arange(vocabulary).neg().float().log_softmax(-1)  # no ties
    return lambda prefixes: row.expand(len(prefixes), vocabulary)


def second_work(question: Question) -> float:
    """By the formula."""
    width, steps, vocabulary, about_scores = question.settings["drawn"]
    return (1 + (steps - 1) * width) * (vocabulary if about_scores else 1)


def ask_survivors(rng: random.Random) -> Question:
    while True:
        first, second_p = sorted((rng.choice((0.5, 0.45, 0.4, 0.6)), rng.choice((0.3, 0.25, 0.2, 0.35))), reverse=True)
        rows = [_three_parts(rng), _three_parts(rng)]
        log_p = torch.tensor(rows, dtype=torch.float64).log()
        scores = torch.tensor([first, second_p], dtype=torch.float64).log()
        right = _named(best_continuations(scores, log_p, 2))
        products = sorted((a * p for a, row in zip((first, second_p), rows) for p in row), reverse=True)
        if products[1] / products[2] < 1.05:
            continue
        ranked = best_continuations(scores, log_p, 3)
        mistakes = [
            Mistake("best-child-of-each", _named([(at, max(range(3), key=row.__getitem__)) for at, row in enumerate(rows)]), "One from each parent is not the rule: the two best may share a parent."),
            Mistake("last-step-only", _named(best_continuations(torch.zeros(2, dtype=torch.float64), log_p, 2)), "This looks at the last probability alone and forgets what stood before it."),
            Mistake("third-for-second", _named([ranked[0], ranked[2]]), "The second of these has a smaller product than the one it displaces."),
            Mistake("only-the-first-beam", _named([(0, token) for token in torch.tensor(rows[0]).topk(2).indices.tolist()]), "This only continues the better beam."),
            Mistake("only-the-second-beam", _named([(1, token) for token in torch.tensor(rows[1]).topk(2).indices.tolist()]), "This only continues the worse beam."),
            Mistake("second-and-third", _named(ranked[1:]), "This drops the best of all."),
        ]
        options = number_options(rng, right, "The two largest products.", mistakes)
        if options:
            break
    table = "; ".join(f"after {name}: " + ", ".join(f"{token} {p}" for token, p in zip("xyz", row)) for name, row in zip("AB", rows))
    working = [f"{name}{token}: {numeral(a)} · {numeral(p)} = {numeral(a * p)}" for name, a, row in zip("AB", (first, second_p), rows) for token, p in zip("xyz", row)]
    return Question(
        form=Form.CHOICE,
        prompt=f"A beam of 2 holds A with probability {first} and B with {second_p}. The next-token probabilities are: {table}. Which two sequences are kept?",
        answer="All six products compete, and the two largest are kept, whichever beams they come from.",
        options=options,
        working=tuple(working),
        lab=SLUG,
        settings={"width": 2, "drawn": [[first, second_p], rows]},
        level=1,
    )


def _three_parts(rng: random.Random) -> list[float]:
    tenths = rng.choice(((7, 2, 1), (5, 4, 1), (6, 3, 1), (5, 3, 2), (8, 1, 1), (4, 4, 2), (9, 1, 0)))
    return [part / 10 for part in rng.sample([max(part, 0.5) for part in tenths], 3)]


def _named(found: Sequence[tuple[int, int]]) -> str:
    return " and ".join(sorted("AB"[at] + "xyz"[token] for at, token in found))


def second_survivors(question: Question) -> str:
    """All products in a list, sorted; no logarithms."""
    beams, rows = question.settings["drawn"]
    products = [(a * p, name + token) for name, a, row in zip("AB", beams, rows) for token, p in zip("xyz", row)]
    return " and ".join(sorted(name for _, name in sorted(products, reverse=True)[:2]))


def ask_penalty(rng: random.Random) -> Question:
    while True:
        length, alpha = rng.randint(4, 12), rng.choice((0.5, 0.6, 0.8, 1.0, 1.5))
        score = -round(rng.uniform(1.5, 9.0), 1)
        right = penalised(score, length, alpha)
        mistakes = [
            Mistake("no-penalty", score, "This is the log probability itself, $\\alpha=0$."),
            Mistake("times-alpha", score / (length * alpha), "$\\alpha$ is a power of the length, not a factor."),
            Mistake("multiplied", score * length**alpha, "This multiplies; it would punish long sequences even more."),
            Mistake("other-rule", score / ((5 + length) / 6) ** alpha, "This is the rule $((5+|y|)/6)^\\alpha$; asked was $|y|^\\alpha$."),
            Mistake("mean", score / length, "This is the mean per token, $\\alpha=1$."),
        ]
        options = number_options(rng, right, "The sum divided by $|y|^\\alpha$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A finished sequence of {length} tokens has $\\sum\\log p={numeral(score)}$. With the length penalty $|y|^\\alpha$ and $\\alpha={numeral(alpha)}$, what is its "
        "final score?",
        answer="Divide the sum of log probabilities by $|y|^\\alpha$.",
        options=options,
        working=(f"${length}^{{{numeral(alpha)}}}={numeral(length**alpha)}$", f"${numeral(score)}/{numeral(length**alpha)}={numeral(right)}$"),
        lab=SLUG,
        settings={"alpha": alpha, "drawn": [score, length, alpha]},
        level=1,
    )


def second_penalty(question: Question) -> float:
    """In logarithms: the length enters as α ln |y|."""
    score, length, alpha = question.settings["drawn"]
    return -math.exp(math.log(-score) - alpha * math.log(length))


questions = {"work-of-a-beam": ask_work, "survivors": ask_survivors, "length-penalty": ask_penalty}
second = {"work-of-a-beam": second_work, "survivors": second_survivors, "length-penalty": second_penalty}
