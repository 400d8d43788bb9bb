"""Attention without positions cannot tell order

Attention sums over all words, and everything else in a block is done for each word alone. If $P$ rearranges the words, then
$\\mathrm{Attn}(PX)=P\\,\\mathrm{Attn}(X)$: every word becomes the same vector as before, in another row. A mean over the rows does not change at all.

Here seven small readers, alike but for the way they tell positions apart, read the same sentence in another order (first to third picture, with random
weights), and then learn to answer a question about order: lines of six words contain *one* and *two* somewhere among fillers, and the reader has to say
which of them comes first. It sees the mean of its outputs only, so what it knows about order has to come in through the attention.

| scheme | what it changes |
|---|---|
| none | nothing |
| sinusoidal, learned | a vector per position is added to the embeddings |
| rotary | queries and keys are turned by their position |
| T5, ALiBi | a number for the offset is added to the score: learned, or minus the distance times a slope |
| Shaw | a vector for the offset is added to keys and values |

The causal mask is a switch of its own: under it each word sees itself and what stands before it, and nothing is added to any vector.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models.attention import causal_mask, scaled_dot_product
from models.order_reader import OrderReader, lines_of_words
from models.positioned_decoder import PositionedConfig
from screens.labs import Check, Choice, Experiment, Mistake, Progress, Seed, Text, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines
from screens.labs.pictures import Strip, TokenStrip
from screens.labs.watched import Watched

TOPIC = "positional-encoding-overview"
REFERENCE = "torch.nn.MultiheadAttention, whose outputs are permuted with its inputs"
MECHANISM = (OrderReader, lines_of_words, scaled_dot_product)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<rect x="16" y="10" width="36" height="18" rx="4" stroke="#1f77c9"/><rect x="62" y="10" width="36" height="18" rx="4" stroke="#d4620f"/><rect x="108" y="10" width="36" height="18" rx="4" stroke="#0f9d77"/>
<path d="M34 32 122 58M80 32v24M126 32 38 58" opacity=".5"/>
<rect x="16" y="62" width="36" height="18" rx="4" stroke="#0f9d77" fill="#0f9d77" fill-opacity=".3"/><rect x="62" y="62" width="36" height="18" rx="4" stroke="#d4620f" fill="#d4620f" fill-opacity=".3"/>
<rect x="108" y="62" width="36" height="18" rx="4" stroke="#1f77c9" fill="#1f77c9" fill-opacity=".3"/></svg>"""

SLUG = "order-blindness"
NAMES = {"none": "none", "learned": "learned", "sinusoidal": "sinusoidal", "rotary": "rotary", "alibi": "ALiBi", "t5": "T5", "shaw": "Shaw"}
PERMUTATIONS = {
    "reverse": "reversed",
    "ends": "first and last swapped",
    "neighbours": "first two swapped",
    "rotate": "last word to the front",
    "shuffle": "shuffled",
}
SPOKEN = {
    "reverse": "reversing the sentence",
    "ends": "swapping its first and last word",
    "neighbours": "swapping its first two words",
    "rotate": "moving its last word to the front",
    "shuffle": "shuffling its words",
}
SAMPLES = {"Three words": "dog bites man", "Longer": "the old man sees the young dog", "One word twice": "no dog no cat"}
MOST_WORDS = 12
WIDTH, HEADS = 16, 2
LINE, VOCABULARY = 6, 8  # of the task: words in a line, words there are
STEPS, BATCH, RATE = 140, 64, 3e-3
LOOKS = (0, 1, 2, 4, 7, *range(10, STEPS + 1, 10))  # steps after which the readers are examined
EXAMINED = 200
NOTHING = 1e-5  # relative; below it a difference is rounding


Moves = Mapping[str, Mapping[str, float]]
OwnMoves = Mapping[str, Mapping[str, list[float]]]


@dataclass(frozen=True)
class Curves:
    """Share of right answers of each scheme, after each look so far."""

    steps: tuple[int, ...]
    right: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Result:
    scheme: str
    causal: bool
    permutation: str
    words: list[str]
    order: list[int]  # the permuted sentence: which word of the sentence stands at each place
    moved: Moves  # scheme -> permutation -> how far the mean output moves, in lengths of it
    changed: list[float]  # per word of the sentence: how far its own output moves, for the scheme chosen
    curves: Curves

    @property
    def here(self) -> float:
        return self.moved[self.scheme][self.permutation]

    @property
    def accuracy(self) -> float:
        return self.curves.right[self.scheme][-1]


def compute(
    scheme: Annotated[str, Choice({scheme: NAMES[scheme] for scheme in NAMES}, label="Scheme")] = "none",
    causal: Annotated[bool, Toggle(label="Causal mask", help="Each word sees itself and what stands before it.")] = False,
    permutation: Annotated[str, Choice(PERMUTATIONS, label="The sentence again,")] = "reverse",
    text: Annotated[str, Text(label="Sentence", limit=80, samples=SAMPLES, rows=1)] = SAMPLES["Three words"],
    seed: Annotated[int, Seed(label="Random weights")] = 0,
) -> Iterator[Progress]:
    words = text.split()[:MOST_WORDS] or ["nothing"]
    moved, changed = _rearranged(causal, tuple(words), seed)
    order = _order(permutation, len(words), seed)
    for curves in _training(causal, seed):
        result = Result(scheme, causal, permutation, words, order, moved, changed[scheme][permutation], curves)
        yield Progress(curves.steps[-1], STEPS, f"step {curves.steps[-1]}", result)
    return result


def _order(permutation: str, T: int, seed: int) -> list[int]:
    places = list(range(T))
    if permutation == "reverse":
        return places[::-1]
    if permutation == "ends" and T > 1:
        return [places[-1], *places[1:-1], places[0]]
    if permutation == "neighbours" and T > 1:
        return [1, 0, *places[2:]]
    if permutation == "rotate":
        return [places[-1], *places[:-1]]
    if permutation == "shuffle":
        return random.Random(seed).sample(places, T)
    return places


def _reader(scheme: str, causal: bool, vocabulary: int, length: int, seed: int) -> OrderReader:
    config = PositionedConfig(vocabulary, scheme, length, layers=1, heads=HEADS, width=WIDTH, buckets=8 if causal else 16, max_distance=16, clip=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OrderReader(config, causal=causal)


@functools.lru_cache(maxsize=32)
@torch.no_grad()
def _rearranged(causal: bool, words: tuple[str, ...], seed: int) -> tuple[Moves, OwnMoves]:
    """For each scheme and rearrangement: how far the mean output moves, and how far each word's own, in lengths of themselves."""
    number = {word: place for place, word in enumerate(dict.fromkeys(words))}
    ids = torch.tensor([number[word] for word in words])
    orders = {way: torch.tensor(_order(way, len(words), seed)) for way in PERMUTATIONS}
    lines = torch.stack([ids, *(ids[order] for order in orders.values())])
    moved: dict[str, dict[str, float]] = {}
    changed: dict[str, dict[str, list[float]]] = {}
    for scheme in NAMES:
        before, *others = _reader(scheme, causal, MOST_WORDS, MOST_WORDS, seed).states(lines)  # (T, C) each
        mean, size = before.mean(dim=0), before.norm(dim=-1)
        moved[scheme], changed[scheme] = {}, {}
        for (way, order), after in zip(orders.items(), others):
            moved[scheme][way] = _without_rounding(((after.mean(dim=0) - mean).norm() / mean.norm()).item())
            back = after[order.argsort()]  # each word's output in its old row
            changed[scheme][way] = [_without_rounding(value) for value in ((back - before).norm(dim=-1) / size).tolist()]
    return moved, changed


def _without_rounding(value: float) -> float:
    return value if value > NOTHING else 0.0


@functools.lru_cache(maxsize=12)
def _training(causal: bool, seed: int) -> Watched[Curves]:
    """The seven readers learn side by side, from the same lines."""
    return Watched(_learn(causal, seed))


def _learn(causal: bool, seed: int) -> Iterator[Curves]:
    readers = {scheme: _reader(scheme, causal, VOCABULARY, LINE, seed) for scheme in NAMES}
    optimizers = {scheme: torch.optim.AdamW(reader.parameters(), lr=RATE) for scheme, reader in readers.items()}
    generator = torch.Generator().manual_seed(seed)
    asked, truth = lines_of_words(EXAMINED, LINE, VOCABULARY, torch.Generator().manual_seed(seed + 1))
    right: dict[str, tuple[float, ...]] = dict.fromkeys(readers, ())
    for step in range(STEPS + 1):
        if step in LOOKS:
            right = {scheme: (*right[scheme], _share_right(reader, asked, truth)) for scheme, reader in readers.items()}
            yield Curves(tuple(look for look in LOOKS if look <= step), right)
        words, first = lines_of_words(BATCH, LINE, VOCABULARY, generator)
        for scheme, reader in readers.items():
            optimizers[scheme].zero_grad()
            F.cross_entropy(reader(words), first).backward()
            optimizers[scheme].step()


@torch.no_grad()
def _share_right(reader: OrderReader, words: Tensor, first: Tensor) -> float:
    """A reader whose two answers differ by rounding only has not answered: it is right half of the time."""
    logits = reader(words)
    lead = logits[:, 1] - logits[:, 0]
    mirrored = lead.roll(len(words) // 2)  # the second half of the lines mirrors the first
    if (lead - mirrored).abs().max() < NOTHING:
        return 0.5
    return (logits.argmax(dim=-1) == first).float().mean().item()


def figures(result: Result) -> dict[str, Any]:
    return {
        "How far the mean output moves": _bars(result),
        "Which reader notices which rearrangement": _grid(result),
        "What becomes of each word": _strip(result),
        "Learning which of two words comes first": _curves(result),
    }


def _bars(result: Result) -> go.Figure:
    chosen = [result.moved[scheme][result.permutation] if scheme == result.scheme else 0.0 for scheme in NAMES]
    others = [0.0 if scheme == result.scheme else result.moved[scheme][result.permutation] for scheme in NAMES]
    top = max(*chosen, *others, 0.01)
    return bars(
        list(NAMES.values()),
        {"chosen": chosen, "others": others},
        x_axis=axis("scheme"),
        y_axis=axis("move, in lengths of the mean output", span=(0, 1.1 * top)),
        barmode="stack",
        across=[(0, "")],
    )


def _grid(result: Result) -> go.Figure:
    values = np.array([[result.moved[scheme][way] for way in PERMUTATIONS] for scheme in NAMES])
    names = ["reversed", "ends swapped", "first two", "last first", "shuffled"]
    return heatmap(values, rows=list(NAMES.values()), columns=names, x_title="rearrangement", y_title="scheme", bar="move", height=340)


def _strip(result: Result) -> TokenStrip:
    most = max(*result.changed, 1e-9)
    changed = {place: result.changed[place] for place in range(len(result.words))}

    def row(name: str, places: Sequence[int]) -> Strip:
        return Strip(
            name,
            [result.words[place] for place in places],
            values=[0.7 * changed[place] / most if changed[place] else 0.0 for place in places],
            marks=["same" if not changed[place] else f"{changed[place]:.0%}" for place in places],
            notes=[
                "Its output is the same vector in both sentences."
                if not changed[place]
                else f"Its output moves by {changed[place]:.1%} of its length."
                for place in places
            ],
            groups=[place % 8 for place in places],
        )

    return TokenStrip([row("the sentence", range(len(result.words))), row(PERMUTATIONS[result.permutation], result.order)], value_name="change")


def _curves(result: Result) -> go.Figure:
    return lines(
        result.curves.steps,
        {NAMES[scheme]: result.curves.right[scheme] for scheme in NAMES},
        x_axis=axis("training steps", span=(0, STEPS)),
        y_axis=axis("share of right answers", span=(0.4, 1.03)),
        strong=NAMES[result.scheme],
        across=[(0.5, "chance")],
        height=360,
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "moved percent": 100 * result.here,
        "words": len(result.words),
        "same": sum(change == 0 for change in result.changed),
        "steps": result.curves.steps[-1],
        "right percent": round(100 * result.accuracy),
        "best percent": round(100 * max(values[-1] for values in result.curves.right.values())),
    }


def says(result: Result) -> str:
    mask = "a causal mask" if result.causal else "no mask"
    same = sum(change == 0 for change in result.changed)
    kept = f"{same} of {len(result.words)} words keep their own output"
    moved = f"moves the mean output by {numeral(100 * result.here)} per cent" if result.here else "does not move the mean output at all"
    step = result.curves.steps[-1]
    trained = f"after {step} step{'s' * (step != 1)} it names the first of two words in {round(100 * result.accuracy)} per cent of the lines"
    best = round(100 * max(values[-1] for values in result.curves.right.values()))
    return f"With {_scheme_words(result.scheme)} and {mask}, {SPOKEN[result.permutation]} {moved}, and {kept}; {trained} (the best of the seven schemes: {best})."


def _scheme_words(scheme: str) -> str:
    return {"none": "no positions", "learned": "learned positions", "sinusoidal": "sinusoidal positions", "rotary": "rotary positions"}.get(
        scheme, f"{NAMES[scheme]} positions"
    )


TRY = [
    Experiment(
        title="Dog bites man",
        settings={},
        ask="No positions, no mask. The sentence is read backwards: “man bites dog”. What happens to the three output vectors?",
        options=("All three change", "They are the same three vectors in another order", "Only the verb stays: it has not moved"),
        right=1,
        why="The weight of “dog” on “man” is computed from the two vectors alone, and a sum does not know the order of its terms. So each word becomes what it became before, and their mean is "
        "the same number for number.",
        look="Third picture: every word is marked “same”. Fourth: the line of “none” stays at chance however long it trains.",
        holds=lambda result: result.here == 0 and not any(result.changed) and result.accuracy == 0.5,
        tempting={0: "They would, if any score depended on a place.", 2: "For this reader no word has moved, for there are no places."},
    ),
    Experiment(
        title="A mask, and nothing else",
        settings={"causal": True},
        ask="Still no positions, but now a causal mask. Can the reader learn which of two words comes first?",
        options=("No: nothing tells it where a word stands", "Yes, almost without error", "A little: clearly above chance, far from perfect"),
        right=1,
        why="Under the mask the later word sees the earlier one and not the other way round, so the two no longer play the same part. The number of visible words depends on the place, and "
        "order can be computed from that.",
        look="Fourth picture: the line of “none” leaves chance and reaches the top together with the others.",
        holds=lambda result: result.accuracy > 0.95,
        tempting={
            0: "Nothing was added to a vector, but something was taken from the sums.",
            2: "For so short a line the mask gives all that is needed.",
        },
    ),
    Experiment(
        title="Distance without direction",
        settings={"scheme": "alibi"},
        ask="ALiBi lowers a score in proportion to the distance. Without a causal mask, can its reader learn which of two words comes first?",
        options=("Yes: it knows how far apart words are", "No: it stays at chance", "Yes, but more slowly than the others"),
        right=1,
        why="$|i-j|$ is the same in a sentence and in its mirror image, so the two have the same outputs in mirrored rows, and the same mean. ALiBi was made for decoders, where the mask supplies the "
        "direction. Move the last word to the front, and it does notice.",
        look="First picture: no bar over ALiBi; choose “last word to the front”, and there is one. Fourth: its line lies on that of “none”.",
        holds=lambda result: result.here == 0 and result.accuracy == 0.5 and result.moved["alibi"]["rotate"] > 0.001,
        tempting={0: "How far, yes; on which side, no.", 2: "There is nothing to learn from: both answers get the same input."},
    ),
    Experiment(
        title="Who needs vectors?",
        settings={"scheme": "rotary", "permutation": "ends"},
        ask="Rotary positions add no vector to any word; they turn queries and keys. Without a mask, does the order reach the mean of the outputs?",
        options=("No: values are not turned, so the mean stays", "Yes: the weights change, and with them the sums"),
        right=1,
        why="The values carry no position, but what each word gathers is weighted by scores that depend on $i-j$, with its sign. Other weights make other sums, and the reader learns the task.",
        look="First picture: the bar of rotary. Fourth: its line reaches the top.",
        holds=lambda result: result.here > 0.001 and result.accuracy > 0.95,
        tempting={0: "The values stay; their mixture does not."},
    ),
]


def verify() -> list[Check]:
    reader, causal = (_reader("none", masked, MOST_WORDS, MOST_WORDS, 3) for masked in (False, True))
    x = torch.randn(4, 9, WIDTH, generator=torch.Generator().manual_seed(5))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(6))
    source = "torch.nn.MultiheadAttention"
    with torch.no_grad():
        theirs = _as_multihead(reader)
        plain = theirs(x, x, x, need_weights=False)[0]
        permuted = theirs(x[:, order], x[:, order], x[:, order], need_weights=False)[0]
        ours, _ = reader.block.attention(x, reader.placing(9))
        ours_permuted, _ = reader.block.attention(x[:, order], reader.placing(9))
        masked, _ = causal.block.attention(x, causal.placing(9))
        masked_theirs = _as_multihead(causal)(x, x, x, need_weights=False, attn_mask=~causal_mask(9))[0]
    return [
        Check("attention without a mask", source, (ours - plain).abs().max().item(), 1e-6),
        Check("attention with a causal mask", source, (masked - masked_theirs).abs().max().item(), 1e-6),
        Check("theirs: output of permuted words, put back in order", source, (permuted - plain[:, order]).abs().max().item(), 1e-6),
        Check("ours: output of permuted words, against theirs", source, (ours_permuted - plain[:, order]).abs().max().item(), 1e-6),
    ]


def _as_multihead(reader: OrderReader) -> torch.nn.MultiheadAttention:
    attention = reader.block.attention
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, bias=False, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]).data
    theirs.out_proj.weight.data = attention.out.weight.data
    return theirs.eval()


# Computed questions; what was drawn travels in settings["drawn"].


def ask_causal_mean(rng: random.Random) -> Question:
    while True:
        a, b = rng.choice([0.5, 1.0, 1.5, 2.0]), rng.choice([0.5, 1.0, 1.5, 2.0])
        x = torch.tensor([[a, 0.0], [0.0, b]], dtype=torch.float64)
        said, p = scaled_dot_product(x, x, x, causal_mask(2))
        plain, _ = scaled_dot_product(x, x, x)
        unscaled, _ = scaled_dot_product(x, x, x, causal_mask(2), scale=1.0)
        right = said[:, 0].mean().item()
        mistakes = [
            Mistake("no-mask", plain[:, 0].mean().item(), "This is without the mask: the first token may only see itself."),
            Mistake("not-scaled", unscaled[:, 0].mean().item(), "This leaves out the division by $\\sqrt{d_k}=\\sqrt2$."),
            Mistake("sum", 2 * right, "This is the sum of the two outputs; the mean is asked for."),
            Mistake("input-mean", a / 2, "This is the mean of the inputs; the second token also takes from the first."),
            Mistake("first-token-only", a, "This is the output of the first token alone."),
            Mistake(
                "weights-swapped", (a + a * p[1, 1].item()) / 2, "The second token gives itself the larger weight, and only the rest to the first."
            ),
        ]
        options = number_options(rng, right, "The first token keeps its vector, the second takes its share of it.", mistakes)
        if options:
            break
    weight = p[1, 0].item()
    return Question(
        form=Form.CHOICE,
        prompt=f"Two tokens, $a=({numeral(a)},0)$ and $b=(0,{numeral(b)})$, pass through causal attention in the order $a\\,b$, with identity projections, $d_k=2$ and no positions. "
        "What is the first coordinate of the mean of the two outputs?",
        answer="The first token sees only itself; the second weighs the first by the softmax of 0 against its own score.",
        options=options,
        working=(
            f"own score of b: {numeral(b)}²/√2 = {numeral(b * b / math.sqrt(2))}; with a it is 0",
            f"weight of a: 1/(1 + e^{numeral(b * b / math.sqrt(2))}) = {numeral(weight)}",
            f"({numeral(a)} + {numeral(weight)} · {numeral(a)})/2 = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"scheme": "none", "causal": True, "drawn": [a, b]},
        level=2,
    )


def second_causal_mean(question: Question) -> float:
    """torch's own attention."""
    a, b = question.settings["drawn"]
    x = torch.tensor([[[a, 0.0], [0.0, b]]], dtype=torch.float64)
    return F.scaled_dot_product_attention(x, x, x, is_causal=True)[0, :, 0].mean().item()


LETTERS = "ABCD"


def ask_permuted_row(rng: random.Random) -> Question:
    while True:
        x = [[rng.choice([-2, -1, 0, 1, 2, 3]) for _ in range(2)] for _ in LETTERS]
        order = rng.sample(range(4), 4)
        place = rng.randrange(4)
        said, _ = scaled_dot_product(*[torch.tensor(x, dtype=torch.float64)] * 3)
        rows = [_row(vector) for vector in said.tolist()]
        right = rows[order[place]]
        mistakes = [
            Mistake("same-row", rows[place], "This is the old output of that row: the outputs have moved with their tokens."),
            Mistake("inverse-order", rows[order.index(place)], "This follows the permutation the wrong way round."),
            Mistake("the-mean", _row(said.mean(dim=0).tolist()), "This is the mean of the outputs; each token keeps its own."),
            Mistake("the-input", _row(x[order[place]]), "This is the token's input; attention has mixed the others into it."),
            *(Mistake(f"token-{LETTERS[other].lower()}", rows[other], f"This is the output of {LETTERS[other]}.") for other in range(4)),
        ]
        options = number_options(rng, right, "Without positions a token's output does not depend on its place.", mistakes)
        if order[place] != place and len(set(rows)) == 4 and options:
            break
    listed = ", ".join(f"{letter}: {row}" for letter, row in zip(LETTERS, rows))
    arranged = " ".join(LETTERS[at] for at in order)
    return Question(
        form=Form.CHOICE,
        prompt=f"Self-attention without mask and without positions reads the tokens A B C D and gives the outputs {listed}. The same tokens now come in the order {arranged}. "
        f"What is output number {place + 1}?",
        answer="The outputs are permuted as the inputs were: $\\mathrm{Attn}(PX)=P\\,\\mathrm{Attn}(X)$.",
        options=options,
        working=(f"number {place + 1} in the new order is {LETTERS[order[place]]}", f"its output is still {right}"),
        lab=SLUG,
        settings={"scheme": "none", "causal": False, "drawn": [x, order, place]},
        level=1,
    )


def _row(vector: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value + 0.0:.2f}" for value in vector) + ")"


def second_permuted_row(question: Question) -> str:
    """The permuted tokens through torch's own attention."""
    x, order, place = question.settings["drawn"]
    permuted = torch.tensor([[x[at] for at in order]], dtype=torch.float64)
    return _row(F.scaled_dot_product_attention(permuted, permuted, permuted)[0, place].tolist())


questions = {"causal-mean": ask_causal_mean, "permuted-row": ask_permuted_row}
second = {"causal-mean": second_causal_mean, "permuted-row": second_permuted_row}
