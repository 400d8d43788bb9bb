"""Pooling and the shape of embedding space

An encoder gives one vector per token; a search needs one per sentence. How the tokens are **pooled** (the first token's vector, the
mean, or the maximum of each number), and **which layer** is read, decides what the result is good for.

The encoder is MiniLM, six layers, tuned so that the *mean over the tokens of the last layer* puts sentences of like meaning close
together. Nothing was asked of the other places. How do sentences lie there? A space is called **anisotropic** when its vectors crowd
into a narrow cone; then even unrelated sentences have a high cosine.

One sentence per line; an empty line begins a new group. A group is only your opinion of what belongs together: the encoder never
sees it. Compare two numbers: the mean cosine of pairs *within* groups and of pairs *across* them. Only their difference says
something; a cosine of 0.7 alone says nothing.

The vectors can be used as they are (dot products), scaled to length one (then the dot product is the cosine), or with their common
mean taken away first.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import plotly.graph_objects as go
import torch
import torch.nn.functional as F

from backend.questions import Form, Question
from models import minilm
from models.minilm import LAYERS, Array
from models.sentence_vectors import (
    POOLINGS,
    Pooling,
    centred,
    cosines,
    mean_over_pairs,
    pool,
    principal_components,
    same_group,
    scaled_to_one,
    states_of_layers,
)
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Text, number_options, numeral
from screens.labs.drawing import HEAT, PALETTE, SYMBOLS, axis, bars, figure, small

TOPIC = "encoder-only-bert"
REFERENCE = "sentence-transformers encode() and Pooling; transformers BertModel's hidden states; sklearn PCA"
MECHANISM = (states_of_layers, pool, scaled_to_one, centred, cosines, principal_components)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 80h58M14 80V14" opacity=".4"/><path d="M88 80h58M88 80V14" opacity=".4"/>
<path d="M14 80 50 22M14 80 56 27M14 80 61 33" stroke="#7a7f87" stroke-width="3"/><g stroke="none"><circle cx="50" cy="22" r="4" fill="#1f77c9"/>
<circle cx="56" cy="27" r="4" fill="#d4620f"/><circle cx="61" cy="33" r="4" fill="#0f9d77"/><circle cx="98" cy="22" r="4" fill="#1f77c9"/><circle cx="106" cy="27" r="4" fill="#1f77c9"/>
<circle cx="136" cy="38" r="4" fill="#d4620f"/><circle cx="128" cy="31" r="4" fill="#d4620f"/><circle cx="118" cy="70" r="4" fill="#0f9d77"/><circle cx="108" cy="64" r="4" fill="#0f9d77"/></g></svg>"""

SLUG = "sentence-embedding-space"
MOST, LONGEST = 16, 48  # sentences that are read, and tokens of each
TOPICS = """The chef adds garlic to the hot pan.
Bake the bread until the crust is golden.
This soup needs more salt and pepper.
She whisked the eggs with a little cream.

The striker scored in the last minute.
Our team lost the final on penalties.
The goalkeeper saved a difficult shot.
Fans sang in the stadium all evening.

The spacecraft entered orbit around Mars.
A telescope spotted a distant galaxy.
Astronauts repaired the solar panel.
The rocket launch was delayed by wind."""
NEGATED = """The film was good.
I enjoyed the movie.

The film was not good.
The movie was terrible."""
TURNED = """The dog bites the man.
A dog bit somebody.

The man bites the dog.
He drank a cup of tea."""
SAMPLES = {"Three topics": TOPICS, "Good and not good": NEGATED, "Who bites whom": TURNED}
POOLING_WORDS = {"cls": "first token, [CLS]", "mean": "mean over the tokens", "max": "maximum of each number"}
SCALES = {"raw": "as they are (dot product)", "unit": "scaled to length one (cosine)", "centred": "common mean taken away, then length one"}


@dataclass(frozen=True)
class Result:
    sentences: list[str]
    groups: list[int]
    notice: str
    pooling: Pooling
    layer: int
    scale: str
    vectors: Array  # (N, C) as chosen
    table: Array  # (N, N): dot products of these vectors
    average: dict[str, list[tuple[float, float]]]  # pooling -> per layer: mean cosine within groups, across groups

    @property
    def within(self) -> float:
        return self.average[self.pooling][self.layer][0]

    @property
    def across(self) -> float:
        return self.average[self.pooling][self.layer][1]

    @property
    def paired(self) -> bool:
        """Are there pairs within and pairs across?"""
        return not (np.isnan(self.within) or np.isnan(self.across))

    @property
    def neighbours(self) -> int:
        """How many sentences have their nearest neighbour, by the table, in their own group."""
        others = self.table.copy()
        np.fill_diagonal(others, -np.inf)
        return int(same_group(self.groups)[np.arange(len(others)), others.argmax(axis=1)].sum())


def compute(
    sentences: Annotated[
        str, Text(label="Sentences", limit=1200, samples=SAMPLES, rows=8, help="One per line; an empty line begins a new group.")
    ] = TOPICS,
    pooling: Annotated[str, Choice(POOLING_WORDS, label="Pooling", help="How the token vectors become one vector.")] = "mean",
    layer: Annotated[int, Slider(0, LAYERS, label="Layer", help="0: word embeddings before any layer; 6: the last layer.")] = LAYERS,
    scale: Annotated[str, Choice(SCALES, label="Vectors", help="What is done to the vectors before they are multiplied.")] = "unit",
) -> Result:
    lines, groups, notice = _lines(sentences)
    every = np.stack([_vectors(line) for line in lines])  # (N, layers, poolings, C)
    same = same_group(groups)
    average = {
        how: [_averages(_scaled(every[:, at, place], "centred" if scale == "centred" else "unit"), same) for at in range(LAYERS + 1)]
        for place, how in enumerate(POOLINGS)
    }
    chosen: Pooling = next(how for how in POOLINGS if how == pooling)
    vectors = _scaled(every[:, layer, POOLINGS.index(chosen)], scale)
    return Result(lines, groups, notice, chosen, layer, scale, vectors, vectors @ vectors.T, average)


def _lines(text: str) -> tuple[list[str], list[int], str]:
    """Sentences and the number of their group. Two at least are needed; more than MOST are not read."""
    lines: list[str] = []
    groups: list[int] = []
    group = 0
    for line in text.split("\n"):
        if line.strip():
            lines.append(line.strip())
            groups.append(group)
        elif lines and groups[-1] == group:
            group += 1
    if len(lines) < 2:
        fill = [line for line in TOPICS.split("\n") if line][::5][: 2 - len(lines)]
        return [*lines, *fill], [*groups, *range(len(groups), 2)], f"Two sentences are needed; “{fill[-1]}” stands in."
    notice = f"The first {MOST} of {len(lines)} sentences are read." if len(lines) > MOST else ""
    return lines[:MOST], groups[:MOST], notice


@functools.lru_cache(maxsize=256)
def _vectors(sentence: str) -> Array:
    """(layers, poolings, C): kept per sentence, so that editing one line reads one line again."""
    encoder = minilm.load()
    tokens = encoder.tokenize([sentence], LONGEST)
    return np.stack([np.concatenate([pool(states, tokens.real, how) for how in POOLINGS]) for states in states_of_layers(encoder, tokens)])


def _scaled(vectors: Array, scale: str) -> Array:
    if scale == "raw":
        return vectors
    return scaled_to_one(centred(vectors) if scale == "centred" else vectors)


def _averages(vectors: Array, same: np.ndarray) -> tuple[float, float]:
    table = vectors @ vectors.T
    return mean_over_pairs(table, same), mean_over_pairs(table, ~same)


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "How alike any two sentences are": _table(result),
        "The sentences on a plane": _plane(result),
        "Layer by layer: pairs within groups and across": _layers(result),
        "The three poolings at this layer": _poolings(result),
    }


def _table(result: Result) -> go.Figure:
    values = small(result.table)
    size = len(values)
    cosine = result.scale != "raw"
    trace = {
        "type": "heatmap",
        "z": values,
        "colorscale": HEAT,
        "zmin": min(0.0, float(values.min())) if cosine else float(values.min()),
        "zmax": 1.0 if cosine else float(values.max()),
        "colorbar": {"title": {"text": "cosine" if cosine else "dot product"}, "thickness": 12},
        "hovertemplate": "%{y}<br>%{x}: %{z:.4f}<extra></extra>",
    }
    if size <= 8:  # more numbers would lie on each other
        trace |= {"texttemplate": "%{z:.2f}" if cosine else "%{z:.0f}", "textfont": {"size": 10}}
    names = {place: f"{place + 1} {_short(sentence, 20)}" for place, sentence in enumerate(result.sentences)}
    columns = {place: str(place + 1) for place in range(size)}
    return figure([trace], x=axis("sentence", ticks=columns), y=axis(ticks=names, down=True), height=max(280, 70 + 26 * size))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _plane(result: Result) -> go.Figure:
    xy, shares = principal_components(result.vectors)
    flat = np.zeros((len(xy), 2), dtype=np.float32)
    flat[:, : xy.shape[1]] = xy
    traces = []
    for group in sorted(set(result.groups)):
        rows = [place for place, own in enumerate(result.groups) if own == group]
        traces.append(
            {
                "type": "scatter",
                "x": small(flat[rows, 0]),
                "y": small(flat[rows, 1]),
                "name": f"group {group + 1}",
                "mode": "markers+text",
                "text": [str(place + 1) for place in rows],
                "textposition": "top center",
                "customdata": [result.sentences[place] for place in rows],
                "hovertemplate": "%{customdata}<extra></extra>",
                "marker": {"size": 11, "color": PALETTE[group % len(PALETTE)], "symbol": SYMBOLS[group % len(SYMBOLS)]},
            }
        )
    explained = [float(share) for share in shares] + [0.0, 0.0]
    titles = [f"{order} direction, {100 * explained[place]:.0f}% of the variance" for place, order in enumerate(("first", "second"))]
    return figure(traces, x=axis(titles[0]), y=axis(titles[1]), height=380)


def _layers(result: Result) -> go.Figure:
    labels = [f"{layer} ◂" if layer == result.layer else str(layer) for layer in range(LAYERS + 1)]
    return _pairs(labels, result.average[result.pooling], f"layer ({POOLING_WORDS[result.pooling]})")


def _poolings(result: Result) -> go.Figure:
    labels = [f"{how} ◂" if how == result.pooling else how for how in POOLINGS]
    return _pairs(labels, [result.average[how][result.layer] for how in POOLINGS], f"pooling at layer {result.layer}")


def _pairs(labels: Sequence[str], averages: Sequence[tuple[float, float]], title: str) -> go.Figure:
    columns = np.nan_to_num(np.asarray(averages, dtype=np.float32))  # no pair of that kind: no bar
    lowest = min(0.0, float(columns.min()) * 1.1)
    series = {"within": columns[:, 0], "across": columns[:, 1]}
    y = axis("mean cosine", span=(lowest, 1.02))
    return bars(labels, series, x_axis=axis(title) | {"type": "category"}, y_axis=y)


def facts(result: Result) -> dict[str, float]:
    return {
        "layer": result.layer,
        "layers": LAYERS,
        "sentences": len(result.sentences),
        "groups": len(set(result.groups)),
        "within": result.within,
        "across": result.across,
        "neighbours": result.neighbours,
        "most": MOST,
    }


def says(result: Result) -> str:
    where = (
        f"{HOW_WORDS[result.pooling]} after layer {result.layer} of {LAYERS}"
        if result.layer
        else f"{HOW_WORDS[result.pooling]} of the word embeddings"
    )
    taken = " with the common mean taken away" if result.scale == "centred" else ""
    if not result.paired:
        rest = _one_kind(result)
    else:
        found = f"; by {'dot product' if result.scale == 'raw' else 'cosine'}, {result.neighbours} of {len(result.sentences)} have their nearest neighbour in their own group"
        rest = f"two sentences of one group have a cosine of {numeral(result.within)} on average, of different groups {numeral(result.across)}{found}: {_verdict(result)}."
    notice = f" “{result.notice}”." if result.notice else ""
    return f"Taking {where}{taken}, {rest}{notice}"


HOW_WORDS = {"cls": "the first token's vector", "mean": "the mean over all tokens", "max": "the maximum of each number"}


def _one_kind(result: Result) -> str:
    """Only one group, or only groups of one."""
    value = result.across if np.isnan(result.within) else result.within
    return f"two of these {len(result.sentences)} sentences have a cosine of {numeral(value)} on average; with two groups of two or more there would be something to compare."


def _verdict(result: Result) -> str:
    if result.across > 0.9:
        return "everything looks like everything else"
    gap = result.within - result.across
    if gap > 0.15 and result.across < 0.25:
        return "the groups stand apart, and what is unrelated is near nought"
    if gap > 0.05:
        return "the groups differ, but on top of a likeness that all share" if result.across > 0.25 else "the groups differ"
    return "the groups hardly differ"


TRY = [
    Experiment(
        title="The first token of a middle layer",
        settings={"pooling": "cls", "layer": 3},
        ask="Take the vector of [CLS] after layer 3. What is the mean cosine of two sentences on *different* topics, say cooking and space travel?",
        options=("Near 0: they have nothing in common", "About 0.5", "Above 0.99"),
        right=2,
        why="The tuning never asked this vector to tell sentences apart: it averaged the last layer's tokens. It is almost the same vector "
        "for every text. A threshold such as “similar above 0.8” would call everything similar.",
        look="The first picture is one colour; in the third the two bars of layers 1 to 5 cannot be told apart.",
        holds=lambda result: result.across > 0.99,
        tempting={
            0: "So it is in the tuned place, the mean of the last layer.",
            1: "That is where the mean over tokens stands in the middle layers.",
        },
    ),
    Experiment(
        title="The place that was tuned",
        settings={},
        ask="Now the mean over the tokens of the last layer, as the model is meant to be used. Two sentences on *different* topics have a mean cosine of …",
        options=("below 0.1", "about 0.5, as in the layer before", "about 0.9"),
        right=0,
        why="Contrastive tuning pushes apart whatever does not belong together. Layer 5 still has 0.56 for the same pairs; the last layer takes the "
        "common part away, and pairs on one topic keep a clearly higher cosine.",
        look="The third picture: both bars drop at layer 6, and what remains of the first stands far above the second.",
        holds=lambda result: result.across < 0.1 and abs(result.average["mean"][5][1] - 0.56) < 0.03 and result.within > 0.2,
        tempting={1: "Right for the layer before. The step from 5 to 6 is the largest of all."},
    ),
    Experiment(
        title="Take the common mean away",
        settings={"layer": 2, "scale": "centred"},
        ask="After layer 2 the mean cosine across topics is 0.66. Subtract the mean vector of these twelve sentences from each. What is it then?",
        options=("Still about 0.6", "Below 0", "Exactly 0"),
        right=1,
        why="Much of the likeness was one vector that all sentences share. Without it the groups point apart. Twelve vectors that sum to zero must "
        "have negative cosines somewhere, so below nought is no surprise. Before and after, all twelve have their nearest neighbour on their own topic; it was the absolute height that misled.",
        look="Third picture: layers 1 to 5 now show a positive bar and a negative one. Switch “Vectors” back and forth.",
        holds=lambda result: -0.3 < result.across < 0 and result.within > 0.1,
        tempting={
            0: "Then the likeness would be in the differences, too.",
            2: "All pairs together, each vector with itself among them, sum to nought (weighted by lengths); those across groups lie below.",
        },
    ),
    Experiment(
        title="Dot products of unequal vectors",
        settings={"pooling": "max", "layer": 4, "scale": "raw"},
        ask="Pool by the maximum after layer 4 and compare by plain dot products. How many of the twelve sentences have their nearest neighbour on their own topic? By cosine all twelve do.",
        options=("All twelve: scaling changes no angle", "About eight", "Four: one long vector is everybody's neighbour"),
        right=2,
        why="The dot product is cosine times both lengths. The sentence with the longest vector wins for nearly all others, so only its own topic is "
        "served. A length belongs to one text alone and says nothing of how alike two are. Scaling to length one removes that.",
        look="The first picture: one column is brighter than all others in almost every row.",
        holds=lambda result: result.neighbours == 4,
        tempting={0: "No angle changes, but the ranking by dot product does not go by angles alone."},
    ),
    Experiment(
        title="Good and not good",
        settings={"sentences": NEGATED},
        ask="Which is nearer to “The film was good”: “I enjoyed the movie” or “The film was not good”?",
        options=(
            "“I enjoyed the movie”: it means the same",
            "“The film was not good”: it shares the topic and the words",
            "“The movie was terrible”",
        ),
        right=1,
        why="0.79 against 0.78. An embedding of this kind measures what a text is about; whether it affirms or denies is a small part of it. "
        "A search by meaning finds the review that says the opposite as readily. The two sentences differ in one word of five.",
        look="The first picture, first row.",
        holds=lambda result: result.table[0, 2] > result.table[0, 1] > result.table[0, 3] and abs(result.table[0, 2] - 0.79) < 0.01,
        tempting={0: "Close behind. A model that reads the pair together, a cross-encoder, is better placed to see the difference."},
    ),
]


def verify() -> list[Check]:
    """The same model through sentence-transformers and transformers, and scikit-learn's principal components."""
    from sklearn.decomposition import PCA

    from models.embedder import load as load_original

    lines = [line for line in TOPICS.split("\n") if line]
    encoder = minilm.load()
    tokens = encoder.tokenize(lines)
    own = states_of_layers(encoder, tokens)
    original = load_original()
    with torch.inference_mode():
        states = original[0].auto_model(torch.tensor(tokens.ids), torch.tensor(tokens.real).long(), output_hidden_states=True).hidden_states
    real = tokens.real[:, :, None]
    checks = [
        Check(
            f"token vectors after layer {layer}",
            "transformers BertModel, hidden_states",
            _furthest(own[layer] * real, states[layer].numpy() * real),
            1e-5,
        )
        for layer in (0, 3, LAYERS)
    ]
    for how in POOLINGS:
        given = {"token_embeddings": states[3].clone(), "attention_mask": torch.tensor(tokens.real).long()}
        theirs = type(original[1])(minilm.WIDTH, pooling_mode=how)(given)["sentence_embedding"].numpy()
        checks.append(Check(f"{how} pooling, layer 3", "sentence-transformers Pooling", _furthest(pool(own[3], tokens.real, how), theirs), 1e-5))
    last = pool(own[LAYERS], tokens.real, "mean")
    checks.append(
        Check(
            "the whole way: mean, last layer, length one",
            "sentence-transformers encode()",
            _furthest(scaled_to_one(last), original.encode(lines)),
            1e-5,
        )
    )
    fitted = PCA(2, svd_solver="full").fit(last.astype(np.float64))
    xy, shares = principal_components(last)
    checks.append(
        Check("coordinates on the plane, up to sign", "sklearn PCA", _furthest(np.abs(xy), np.abs(fitted.transform(last.astype(np.float64)))), 1e-4)
    )
    checks.append(Check("shares of variance", "sklearn PCA", _furthest(shares, fitted.explained_variance_ratio_), 1e-6))
    return checks


def _furthest(own: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(own - theirs).max())


# Computed questions: what was drawn travels in settings["drawn"], so that `second` can answer by another way.


def ask_pooled(rng: random.Random) -> Question:
    while True:
        real = rng.choice([2, 3, 4])
        rows = [[rng.randint(-4, 6) for _ in range(2)] for _ in range(5)]
        states, mask = np.array([rows], dtype=np.float32), np.array([[place < real for place in range(5)]])
        everything = np.ones_like(mask)
        right = float(pool(states, mask, "mean")[0, 0])
        mistakes = [
            Mistake("padding-counted", float(pool(states, everything, "mean")[0, 0]), "This averages over the padding, too."),
            Mistake(
                "padding-divided", float(states[0, :real, 0].sum() / 5), "This leaves the padding out of the sum, but divides by all five places."
            ),
            Mistake("first-token", float(pool(states, mask, "cls")[0, 0]), "This is the vector of the first token."),
            Mistake("maximum", float(pool(states, mask, "max")[0, 0]), "This is max pooling."),
            Mistake("not-divided", float(states[0, :real, 0].sum()), "This is the sum; the mean divides by the number of real tokens."),
        ]
        options = number_options(rng, right, "Sum over the real tokens, divided by their number.", mistakes)
        if options:
            break
    shown = ", ".join(f"({a}, {b})" for a, b in rows)
    return Question(
        form=Form.CHOICE,
        prompt=f"A text of {real} tokens is padded to 5. The last layer's vectors are {shown}, padding included. What is the *first* number of the mean-pooled vector?",
        answer="The mean is taken over real tokens only: padding neither enters the sum nor the number it is divided by.",
        options=options,
        working=(
            " + ".join(f"({row[0]})" for row in rows[:real]) + f" = {numeral(float(sum(row[0] for row in rows[:real])))}",
            f"divided by {real}: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"pooling": "mean", "drawn": [rows, real]},
        level=1,
    )


def second_pooled(question: Question) -> float:
    """NumPy's masked arrays."""
    rows, real = question.settings["drawn"]
    hidden = [[place >= real] * 2 for place in range(len(rows))]
    return float(np.ma.masked_array(np.array(rows, dtype=float), mask=hidden).mean(axis=0)[0])


def ask_offset(rng: random.Random) -> Question:
    while True:
        a, b = ([rng.choice([-3, -2, -1, 1, 2, 3]) for _ in range(2)] for _ in range(2))
        offset = rng.choice([2, 3, 4, 5, 10])
        moved = np.array([a, b], dtype=np.float64) + offset
        if not moved.any(axis=1).all() or abs(float(np.dot(a, b))) == float(np.linalg.norm(a) * np.linalg.norm(b)):
            continue
        right = float(cosines(moved)[0, 1])
        plain = float(cosines(np.array([a, b], dtype=np.float64))[0, 1])
        length = float(np.linalg.norm(moved[0]) * np.linalg.norm(moved[1]))
        mistakes = [
            Mistake("nothing-changes", plain, "This is the cosine before the shift. Scaling leaves a cosine alone, adding a vector does not."),
            Mistake("dot-product", float(moved[0] @ moved[1]), "This is the dot product, not divided by the lengths."),
            Mistake("old-dot", float(np.dot(a, b)) / length, "This divides the old dot product by the new lengths."),
            Mistake(
                "old-lengths",
                float(moved[0] @ moved[1]) / float(np.linalg.norm(a) * np.linalg.norm(b)),
                "This divides the new dot product by the old lengths.",
            ),
            Mistake("turned-round", -plain, "An equal shift does not turn the angle round."),
        ]
        options = number_options(rng, right, "Shift both, then dot product over lengths.", mistakes)
        if options:
            break
    (p, q), (r, s) = moved.astype(int).tolist()
    return Question(
        form=Form.CHOICE,
        prompt=f"Two vectors are $({a[0]},{a[1]})$ and $({b[0]},{b[1]})$. An anisotropic encoder adds the same $({offset},{offset})$ to both. What is their cosine now?",
        answer="A common vector brings the cosine of any two near 1 once it is long: only the difference between pairs still tells something.",
        options=options,
        working=(f"shifted: $({p},{q})$ and $({r},{s})$", f"dot product {p * r + q * s}, lengths {numeral(float(np.hypot(p, q)))} and {numeral(float(np.hypot(r, s)))}", f"cosine {numeral(right)}; before it was {numeral(plain)}"),
        lab=SLUG,
        settings={"pooling": "cls", "layer": 3, "drawn": [a, b, offset]},
        level=2,
    )  # fmt: skip


def second_offset(question: Question) -> float:
    a, b, offset = question.settings["drawn"]
    return F.cosine_similarity(torch.tensor([a], dtype=torch.float64) + offset, torch.tensor([b], dtype=torch.float64) + offset).item()


def ask_neighbour(rng: random.Random) -> Question:
    while True:
        query = [rng.randint(1, 4) for _ in range(2)]
        documents = [[rng.randint(-3, 9) for _ in range(2)] for _ in range(4)]
        rows = np.array([query, *documents], dtype=np.float64)
        if (np.linalg.norm(rows, axis=1) == 0).any():
            continue
        by_cosine, by_dot = cosines(rows)[0, 1:], rows[1:] @ rows[0]
        by_distance, lengths = -np.linalg.norm(rows[1:] - rows[0], axis=1), np.linalg.norm(rows[1:], axis=1)
        clear = all(np.diff(np.sort(scores))[-1] > 0.02 for scores in (by_cosine, by_dot, by_distance, lengths))
        picks = [int(scores.argmax()) for scores in (by_cosine, by_dot, by_distance, -by_cosine)]
        if clear and len(set(picks)) == 4:
            break
    names = [f"({x}, {y})" for x, y in documents]
    mistakes = [
        Mistake("dot-product", names[picks[1]], "It has the largest dot product, because it is long."),
        Mistake("euclidean", names[picks[2]], "It is the nearest point; cosine does not look at distance but at direction."),
        Mistake("turned-round", names[picks[3]], "It has the smallest cosine."),
    ]
    options = number_options(rng, names[picks[0]], "Its direction is the query's.", mistakes)
    assert options  # four different documents
    return Question(
        form=Form.CHOICE,
        prompt=f"A query has the vector $({query[0]},{query[1]})$, four documents have {', '.join(names)}. Which document does a search by *cosine* put first?",
        answer="Cosine compares directions: dot product divided by both lengths.",
        options=options,
        working=tuple(
            f"{name}: cosine {numeral(float(cosine))}, dot product {numeral(float(dot))}" for name, cosine, dot in zip(names, by_cosine, by_dot)
        ),
        lab=SLUG,
        settings={"scale": "unit", "drawn": [query, documents]},
        level=2,
    )


def second_neighbour(question: Question) -> str:
    """The smallest angle, by the arc tangent."""
    query, documents = question.settings["drawn"]
    angles = [abs((np.arctan2(y, x) - np.arctan2(query[1], query[0]) + np.pi) % (2 * np.pi) - np.pi) for x, y in documents]
    x, y = documents[int(np.argmin(angles))]
    return f"({x}, {y})"


questions = {"mean-without-padding": ask_pooled, "shifted-cosine": ask_offset, "nearest-by-cosine": ask_neighbour}
second = {"mean-without-padding": second_pooled, "shifted-cosine": second_offset, "nearest-by-cosine": second_neighbour}
