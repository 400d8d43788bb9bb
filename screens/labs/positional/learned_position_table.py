"""A learned table and its limit

A learned position table has one row per position, trained like a word embedding: $h_i=E_{x_i}+P_i$. Nothing says that row 7 has to do with row 8, and
after the last row there is none.

Here a small encoder learns to guess hidden tokens in lines whose tokens tend to stay the same for a while, so that the best hint stands next to the
gap. It starts from a random table and trains while you watch. First question: what do the rows look like afterwards? Then the lines become longer than the table, and rows
have to come from somewhere:

| way | the rows after the end |
|---|---|
| interpolated | the whole table is read as a curve, at finer steps, ends kept |
| the last row again | an index beyond the end is set to the last (some code does this silently) |
| the table again | row 0 follows the last one |
| new random rows | as before training |

At last the model is trained on, with the longer lines. Loss is measured in nats per hidden token, on lines that training never saw.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.encoder import MaskedLanguageModel
from models.position_table import (
    WAYS,
    hidden_loss,
    interpolate,
    lingering,
    loss_by_position,
    row_similarity,
    similarity_by_distance,
    stretch,
    with_table,
)
from models.training.steps import Recipe, train
from screens.labs import Check, Choice, Experiment, Mistake, Progress, Seed, Stops, number_options, numeral
from screens.labs.drawing import axis, figure, heatmap, lines, small
from screens.labs.watched import Watched

TOPIC = "learned-position-embedding"
REFERENCE = "torch.nn.Embedding; torch.nn.functional.interpolate; torch.corrcoef"
MECHANISM = (MaskedLanguageModel.look, stretch, interpolate, row_similarity, loss_by_position)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="none" fill="#1f77c9"><rect x="16" y="12" width="40" height="7"/><rect x="16" y="22" width="40" height="7" opacity=".85"/><rect x="16" y="32" width="40" height="7" opacity=".7"/>
<rect x="16" y="42" width="40" height="7" opacity=".55"/><rect x="16" y="52" width="40" height="7" opacity=".4"/></g><path d="M12 64h48" stroke="#d4620f" stroke-width="3"/>
<rect x="16" y="70" width="40" height="7" stroke-dasharray="3 3" opacity=".6"/><path d="M76 70C92 70 96 24 148 18" stroke="#d4620f"/><path d="M76 74c30 0 44-8 72-10" stroke="#1f77c9" stroke-width="3"/></svg>"""

SLUG = "learned-position-table"
KINDS, STAY, HIDDEN = 8, 0.85, 0.25
WIDTH, HEADS, BATCH = 32, 2, 32
STEPS, TUNING = 300, 80
RECIPE = Recipe(steps=STEPS, batch=BATCH, muon_rate=None, weight_decay=0.0, warm_up=10, decay_share=0.3)
TUNING_RECIPE = Recipe(steps=TUNING, batch=BATCH, adamw_rate=1.5e-3, muon_rate=None, weight_decay=0.0, warm_up=5, decay_share=0.0)
LOOKS = (0, 1, 3, 10, *range(20, STEPS + 1, 20))
TUNING_LOOKS = (0, 5, 10, 20, 40, 80)
EXAMINED = 400  # lines
NAMES = {"linear": "interpolated", "clamp": "the last row again", "repeat": "the table again", "fresh": "new random rows"}

SPOKEN = NAMES | {"linear": "the table interpolated"}


@dataclass(frozen=True)
class Trained:
    """The training so far."""

    steps: tuple[int, ...]
    losses: tuple[float, ...]  # at the trained length, one per look
    table: Tensor  # (L, C) now
    start: Tensor  # (L, C) before training
    by_position: Tensor  # (L,)
    model: MaskedLanguageModel | None = None  # when it is done

    @property
    def loss(self) -> float:
        return self.losses[-1]


@dataclass(frozen=True)
class Tuned:
    """One way to stretch, after the tuning steps of `TUNING_LOOKS` that have been done."""

    losses: tuple[float, ...]
    by_position: tuple[Tensor, ...]  # (T,) each
    table: Tensor  # (T, C) before tuning


@dataclass(frozen=True)
class Result:
    length: int  # L
    test: int  # T
    way: str
    tuning: int
    trained: Trained
    tuned: Mapping[str, Tuned] = field(default_factory=dict)  # way -> …; empty while the first training goes on

    @property
    def here(self) -> Tuned | None:
        return self.tuned.get(self.way)

    def at(self, way: str) -> int:
        """Which look at this way belongs to the tuning steps asked for, as far as there are so many."""
        return min(TUNING_LOOKS.index(self.tuning), len(self.tuned[way].losses) - 1)

    def loss(self, way: str) -> float:
        return self.tuned[way].losses[self.at(way)]

    def parts(self, way: str, look: int | None = None) -> tuple[float, float]:
        """The loss within the old table's length, and beyond it."""
        by_position = self.tuned[way].by_position[self.at(way) if look is None else look]
        beyond = by_position[self.length :]
        return by_position[: self.length].mean().item(), (beyond if len(beyond) else by_position).mean().item()


def compute(
    length: Annotated[int, Stops(12, 16, 24, 32, label="Trained length", help="Rows of the table.")] = 24,
    times: Annotated[float, Stops(1.0, 1.5, 2.0, 3.0, label="Test length, in trained lengths")] = 2.0,
    way: Annotated[str, Choice({way: NAMES[way] for way in WAYS}, label="Rows beyond the end")] = "linear",
    tuning: Annotated[int, Stops(*TUNING_LOOKS, label="Steps of fine-tuning", help="On lines of the test length, all weights.")] = 0,
    seed: Annotated[int, Seed(label="Random start")] = 0,
) -> Iterator[Progress]:
    test = int(length * times)
    total = STEPS + len(WAYS) * TUNING
    trained = None
    for trained in _training(length, seed):
        yield Progress(trained.steps[-1], total, f"step {trained.steps[-1]} at length {length}", Result(length, test, way, tuning, trained))
    assert trained is not None
    result = Result(length, test, way, tuning, trained)
    for done, tuned in enumerate(_tuning(length, test, seed), 1):
        result = Result(length, test, way, tuning, trained, tuned)
        yield Progress(min(STEPS + done * TUNING // len(TUNING_LOOKS), total), total, f"longer lines: {test} tokens", result)
    return result


@functools.lru_cache(maxsize=8)
def _training(length: int, seed: int) -> Watched[Trained]:
    return Watched(_train(length, seed))


@functools.lru_cache(maxsize=8)
def _tuning(length: int, test: int, seed: int) -> Watched[dict[str, Tuned]]:
    return Watched(_tune_all(length, test, seed))


def _batches(length: int, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return lambda: lingering(BATCH, length, KINDS, STAY, HIDDEN, generator)


@functools.lru_cache(maxsize=8)
def _examination(length: int) -> tuple[Tensor, Tensor, Tensor]:
    return lingering(EXAMINED, length, KINDS, STAY, HIDDEN, torch.Generator().manual_seed(10_007))


@torch.no_grad()
def _examine(model: MaskedLanguageModel, length: int) -> tuple[float, Tensor]:
    """Nats per hidden token, overall and by position."""
    seen, truth, hide = _examination(length)
    by_position, often = loss_by_position(model, seen, truth, hide), hide.sum(dim=0)
    return ((by_position * often).sum() / often.sum()).item(), by_position


def _train(length: int, seed: int) -> Iterator[Trained]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MaskedLanguageModel(KINDS + 1, context=length, layers=1, heads=HEADS, width=WIDTH)
    start, batch = model.position.weight.detach().clone(), _batches(length, seed)
    loss, by_position = _examine(model, length)
    losses = [loss]
    yield Trained((0,), (loss,), start, start, by_position)
    for progress in train(model, RECIPE, lambda _: hidden_loss(model, *batch())):
        if progress.step in LOOKS:
            loss, by_position = _examine(model, length)
            losses.append(loss)
            steps = tuple(look for look in LOOKS if look <= progress.step)
            table = model.position.weight.detach().clone()
            yield Trained(steps, tuple(losses), table, start, by_position, model if progress.step == STEPS else None)


def _tune_all(length: int, test: int, seed: int) -> Iterator[dict[str, Tuned]]:
    """All four ways before any tuning first, then each of them in turn."""
    *_, trained = _training(length, seed)
    models = {way: with_table(trained.model, stretch(trained.table, test, way, torch.Generator().manual_seed(seed))) for way in WAYS}
    tuned: dict[str, Tuned] = {}
    for way, model in models.items():
        loss, by_position = _examine(model, test)
        tuned[way] = Tuned((loss,), (by_position,), model.position.weight.detach().clone())
    yield dict(tuned)
    for way, model in models.items():
        batch = _batches(test, seed + 1)
        for progress in train(model, TUNING_RECIPE, lambda _, model=model, batch=batch: hidden_loss(model, *batch())):
            if progress.step in TUNING_LOOKS:
                loss, by_position = _examine(model, test)
                before = tuned[way]
                tuned[way] = Tuned((*before.losses, loss), (*before.by_position, by_position), before.table)
                yield dict(tuned)


def figures(result: Result) -> dict[str, Any]:
    return {
        "Neighbouring rows have become similar": _similarity(result),
        "Similarity by distance, before and after": _by_distance(result),
        "Loss by position": _by_position(result),
        "Loss after stretching, and after tuning": _after(result),
        "One direction of the table": _coordinate(result),
    }


def _similarity(result: Result) -> go.Figure:
    step = max(1, result.length // 8)
    names = [str(at) if at % step == 0 else "" for at in range(result.length)]
    values = row_similarity(result.trained.table).numpy()
    return heatmap(values, rows=names, columns=names, x_title="row", y_title="row", bar="cosine", diverging=True, height=360)


def _by_distance(result: Result) -> go.Figure:
    text = similarity_by_distance(_decoder_table())[: result.length]
    return lines(
        list(range(result.length)),
        {
            "random start": similarity_by_distance(result.trained.start),
            "now": similarity_by_distance(result.trained.table),
            "a decoder of text": text,
        },
        x_axis=axis("distance of two rows"),
        y_axis=axis("mean cosine", span=(-1.05, 1.05)),
        strong="now",
        markers=False,
        across=[(0, "")],
    )


@functools.cache
def _decoder_table() -> Tensor:
    """Of the small decoder that ships with this house: 128 rows, trained on text."""
    return checkpoints.load("toy_decoder").model.position.weight.detach()


def _by_position(result: Result) -> go.Figure:
    if not result.tuned:
        series = {"at the trained length": result.trained.by_position}
    else:
        series = {NAMES[way]: result.tuned[way].by_position[result.at(way)] for way in WAYS}
    most = max(float(values.max()) for values in series.values())
    return lines(
        list(range(len(next(iter(series.values()))))),
        series,
        x_axis=axis("position"),
        y_axis=axis("nats per hidden token", span=(0, 1.05 * most)),
        strong=NAMES[result.way] if result.tuned else "at the trained length",
        order=list(NAMES.values()) if result.tuned else (),
        markers=False,
        upright=[(result.length - 0.5, "the table ended here")] if result.tuned else (),
    )


def _after(result: Result) -> go.Figure:
    if not result.tuned:
        return lines(
            result.trained.steps,
            {"at the trained length": result.trained.losses},
            x_axis=axis("training steps", span=(0, STEPS)),
            y_axis=axis("nats per hidden token", span=(0, 1.05 * result.trained.losses[0])),
        )
    traces = lines(
        TUNING_LOOKS,
        {NAMES[way]: result.tuned[way].losses for way in WAYS},
        x_axis=axis("steps of fine-tuning", span=(-2, TUNING + 2)),
        y_axis=axis("nats per hidden token", span=(0, 1.05 * max(max(each.losses) for each in result.tuned.values()))),
        strong=NAMES[result.way],
        order=list(NAMES.values()),
        across=[(result.trained.loss, f"trained length: {numeral(result.trained.loss)}")],
        upright=[(result.tuning, "")],
    )
    return traces


def _coordinate(result: Result) -> go.Figure:
    """Along the direction in which the trained rows differ most; the stretched rows are projected onto the same one."""
    table = result.trained.table
    mean = table.mean(dim=0)
    direction = torch.linalg.svd(table - mean, full_matrices=False).Vh[0]
    traces = []
    if result.here is not None:
        stretched = (result.here.table - mean) @ direction
        traces.append(_dotted(stretched, f"stretched: {NAMES[result.way]}", "#d4620f", "square"))
    traces.append(_dotted((table - mean) @ direction, "trained rows", "#1f77c9", "circle"))
    return figure(traces, x=axis("row"), y=axis("place along the direction"), height=280, upright=[(result.length - 0.5, "")])


def _dotted(values: Tensor, name: str, colour: str, symbol: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": small(range(len(values))),
        "y": small(values),
        "name": name,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 1.5},
        "marker": {"color": colour, "symbol": symbol, "size": 6},
    }


def facts(result: Result) -> dict[str, float]:
    known = {
        "length": result.length,
        "test": result.test,
        "steps": result.trained.steps[-1],
        "loss": result.trained.loss,
        "neighbours": similarity_by_distance(result.trained.table)[1].item(),
        "neighbours at the start": similarity_by_distance(result.trained.start)[1].item(),
        "tuning": result.tuning,
    }
    if result.here is None:
        return known
    within, beyond = result.parts(result.way)
    return known | {
        "stretched": result.loss(result.way),
        "untuned": result.here.losses[0],
        "within": within,
        "beyond": beyond,
        "tuning so far": TUNING_LOOKS[result.at(result.way)],
    }


def says(result: Result) -> str:
    now, start = (similarity_by_distance(table)[1].item() for table in (result.trained.table, result.trained.start))
    step = result.trained.steps[-1]
    rows = f"After {step} step{'s' * (step != 1)} at length {result.length} neighbouring rows have a mean cosine of {numeral(now)} (at the start {numeral(start)})"
    loss = f"and the loss is {numeral(result.trained.loss)} nats per hidden token"
    if result.here is None:
        return f"{rows}, {loss}."
    way, steps = SPOKEN[result.way], TUNING_LOOKS[result.at(result.way)]
    if result.test == result.length:
        return f"{rows}, {loss}; the test is as long as the table, so no row is missing."
    within, beyond = result.parts(result.way)
    longer = f"at length {result.test} with {way} and {steps} steps of tuning it is {numeral(result.loss(result.way))}"
    return f"{rows}, {loss}; {longer}: {numeral(within)} within the old length and {numeral(beyond)} beyond it."


TRY = [
    Experiment(
        title="Do rows know their neighbours?",
        settings={},
        ask="The rows start at random and no term of the loss ties them together. After training, what is the mean cosine of neighbouring rows (with the common part of all rows taken away)?",
        options=("About 0: each row is on its own", "Above 0.8", "Negative: the model must tell neighbours apart"),
        right=1,
        why="Neighbours help with the same gaps, so they get similar gradients, and similar rows let one pattern of queries and keys serve everywhere. Nearness is learned, from lines in which near "
        "means alike. The decoder of text in the second picture has found a weaker form of it.",
        look="First picture: a broad band along the diagonal. Second: the line for now falls slowly with distance, the one for the start at once.",
        holds=lambda result: similarity_by_distance(result.trained.table)[1] > 0.8 > 0.3 > similarity_by_distance(result.trained.start)[1].abs(),
        tempting={0: "That is how they start.", 2: "It can tell them apart and still place them side by side."},
    ),
    Experiment(
        title="Beyond the end, at random",
        settings={"way": "fresh"},
        ask="The lines become twice as long, and the missing rows are random. The loss was between 0.5 and 0.6 nats. What happens to it, without tuning?",
        options=("It rises a little everywhere", "It stays within the old length and is several times as large beyond", "The model fails everywhere"),
        right=1,
        why="Attention finds neighbours by their rows. Where the rows are known it goes on as before; a random row points nowhere in particular, so the hints there are missed or the wrong ones are taken.",
        look="Third picture: a step where the table ended.",
        holds=lambda result: result.parts("fresh", 0)[0] < 1.4 * result.trained.loss and result.parts("fresh", 0)[1] > 3 * result.trained.loss,
        tempting={0: "The known part has not changed.", 2: "Random rows get little attention from the others."},
    ),
    Experiment(
        title="Start again from row 0",
        settings={"way": "repeat"},
        ask="Now the old table follows itself: position 24 gets row 0, and so on. Every part of the line has well-trained rows. And the loss?",
        options=("As good as at the trained length", "Bad beyond the end only", "Bad everywhere, within the old length too"),
        right=2,
        why="Every row now stands for two places. A query that looks for its neighbourhood finds two of them, equally good by their rows, and one is about something else. Good rows are not enough: "
        "they have to say where.",
        look="Third picture: the line lies high on both sides of the end.",
        holds=lambda result: min(result.parts("repeat", 0)) > 2 * result.trained.loss,
        tempting={0: "The rows are good, and ambiguous.", 1: "A position within the old length also sees its double beyond the end."},
    ),
    Experiment(
        title="Read the table at finer steps",
        settings={"way": "linear"},
        ask="Interpolation to twice the length: every row lies between two old ones. Without any tuning, how does it compare?",
        options=(
            "As bad as random rows",
            "A little worse than at the trained length, and far better than the other ways",
            "Exactly as good as at the trained length",
        ),
        right=1,
        why="Similar neighbours make the table a curve, and a curve can be read in between. But steps are now half as long: the model still looks for hints within the old distance along the curve, which are twice as "
        "many tokens, and the further ones mislead.",
        look="Third picture: the strong line is flat and just above the others' best parts. Fourth: the points at 0 steps.",
        holds=lambda result: (
            result.trained.loss + 0.03
            < result.tuned["linear"].losses[0]
            < 0.75 * min(result.tuned[way].losses[0] for way in ("clamp", "repeat", "fresh"))
        ),
        tempting={0: "Look at how smooth the table is in the fifth picture.", 2: "Familiar rows stand at unfamiliar distances."},
    ),
    Experiment(
        title="Then tune",
        settings={"way": "linear", "tuning": 80},
        ask="80 steps of tuning with the longer lines, for each of the four ways. Does it matter where one started?",
        options=(
            "No: tuning repairs all of them",
            "Yes: interpolation is nearly back at the old loss, the others are still worse than it was untuned",
        ),
        right=1,
        why="Interpolation leaves a small error that is the same everywhere, a scale, which a few steps correct. Random rows must be learned one by one, and each only gets the gradient of its own place. So a "
        "vision model that is moved to larger images gets its table interpolated and is then tuned.",
        look="Fourth picture: the lowest line reaches the dotted one; the others fall towards where it began.",
        holds=lambda result: (
            result.loss("linear") < result.trained.loss + 0.12
            and min(result.loss(way) for way in ("clamp", "repeat", "fresh")) > result.tuned["linear"].losses[0]
        ),
        tempting={0: "With enough steps it would; here are 80, against 300 of training."},
    ),
]


def verify() -> list[Check]:
    import torch.nn.functional as F

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = MaskedLanguageModel(KINDS + 1, context=24, layers=1, heads=HEADS, width=WIDTH)
    seen, _, _ = lingering(4, 24, KINDS, STAY, HIDDEN, torch.Generator().manual_seed(2))
    P = model.position.weight.detach()
    table = torch.nn.Embedding.from_pretrained(P)
    with torch.no_grad():
        embedded = F.embedding(seen, model.embedding.weight) + table(torch.arange(24))
        expected = F.linear(model.encoder(embedded)[0], model.embedding.weight)
        difference = (model(seen) - expected).abs().max().item()
    stretched = max(
        (stretch(P, n, "linear") - F.interpolate(P.T[None], size=n, mode="linear", align_corners=True)[0].T).abs().max().item()
        for n in (24, 36, 48, 72)
    )
    centred = P - P.mean(dim=0)
    similar = (row_similarity(P) - torch.corrcoef(torch.cat([centred, -centred], dim=1))).abs().max().item()
    return [
        Check("logits with rows looked up for positions 0 … 23", "torch.nn.Embedding", difference, 1e-6),
        Check("a table of 24 rows read at 24, 36, 48 and 72", "torch.nn.functional.interpolate, ends kept", stretched, 1e-6),
        Check("similarity of all rows", "torch.corrcoef of the mirrored rows", similar, 1e-5),
        Check(
            "indices beyond the end that are accepted", "torch.nn.Embedding refuses them", float(_accepts(table, 24)) + float(_accepts(model, 25)), 0
        ),
    ]


def _accepts(reader: Any, number: int) -> bool:
    """Is index `number` of a table, or a line of `number` tokens, read without an error?"""
    try:
        reader(torch.tensor([number]) if isinstance(reader, torch.nn.Embedding) else torch.zeros(1, number, dtype=torch.long))
    except (IndexError, ValueError):
        return False
    return True


# Computed questions; what was drawn travels in settings["drawn"].


def ask_stretched_value(rng: random.Random) -> Question:
    while True:
        rows, new = rng.choice([3, 4, 5]), 0
        values = [rng.randint(-6, 9) for _ in range(rows)]
        new = rng.choice([2 * rows - 1, 3 * rows - 2, 2 * rows])
        place = rng.randrange(1, new - 1)
        right = round(interpolate(torch.tensor(values, dtype=torch.float32)[:, None], new)[place].item(), 4)
        at = place * (rows - 1) / (new - 1)
        corner = (place + 0.5) * rows / new - 0.5
        low, high = int(at), min(int(at) + 1, rows - 1)
        mistakes = [
            Mistake("nearest-row", float(values[round(at)]), "This takes the nearest old row; linear interpolation mixes two."),
            Mistake("middle", (values[low] + values[high]) / 2, "This takes the middle of the two rows, wherever the new one lies between them."),
            Mistake(
                "mixed-the-wrong-way",
                values[low] * (at - low) + values[high] * (1 - at + low),
                "The nearer row gets the larger share, not the smaller.",
            ),
            Mistake("ends-not-kept", _between(values, corner), "This places the rows in the middles of equal cells; here the ends are kept."),
            Mistake(
                "divided-by-lengths", _between(values, place * rows / new), "The steps are $(L-1)/(n-1)$, for the last new row is the last old one."
            ),
            Mistake("counted-from-one", _between(values, (place - 1) * (rows - 1) / (new - 1)), "Rows are counted from 0."),
            Mistake(
                "clamped",
                float(values[min(place, rows - 1)]),
                "This reads the old table at the new index and sets indices beyond its end to the last row.",
            ),
        ]
        options = number_options(rng, right, "Between two old rows, by nearness.", mistakes)
        if options and right and abs(at - round(at)) > 1e-6:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"One coordinate of a position table with {rows} rows reads {', '.join(map(str, values))}. The table is stretched linearly to {new} rows, ends kept. What is the value in row "
        f"{place} (counted from 0)?",
        answer="Row $i$ of $n$ lies at $i\\,(L-1)/(n-1)$ of the old rows; the two around it are mixed by nearness.",
        options=options,
        working=(
            f"place in the old table: {place} · {rows - 1}/{new - 1} = {numeral(at)}",
            f"between {values[low]} and {values[high]}, {numeral(at - low)} of the way: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"way": "linear", "drawn": [values, new, place]},
        level=2,
    )


def _between(values: list[int], at: float) -> float:
    at = min(max(at, 0.0), len(values) - 1)
    low = min(int(at), len(values) - 2)
    return values[low] * (1 - at + low) + values[low + 1] * (at - low)


def second_stretched_value(question: Question) -> float:
    """torch's own interpolation."""
    values, new, place = question.settings["drawn"]
    signal = torch.tensor([[values]], dtype=torch.float64)
    return torch.nn.functional.interpolate(signal, size=new, mode="linear", align_corners=True)[0, 0, place].item()


def ask_rows_without_a_place(rng: random.Random) -> Question:
    while True:
        rows = rng.choice([128, 256, 512, 1024])
        tokens = rows + rng.randint(2, rows)
        beyond = tokens - rows
        mistakes = [
            Mistake("only-those-beyond", beyond, f"The last regular position, {rows - 1}, has that row as well."),
            Mistake("two-more", beyond + 2, f"Only one position within the table has the last row: {rows - 1}."),
            Mistake("all-tokens", tokens, "Within the table every position still has a row of its own."),
            Mistake("table-length", rows, "This is the number of rows; most of them are used once."),
            Mistake("one-row", 1, "One row is shared; the question is by how many tokens."),
        ]
        options = number_options(rng, beyond + 1, "The last row's own position and all beyond it.", mistakes, digits=4)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A model has a learned table of {rows} positions and reads a text of {tokens} tokens. The framework silently sets larger indices to the last row. How many tokens share one "
        "position and so lose their order?",
        answer=f"The tokens at index {rows - 1} and beyond all get row {rows - 1}.",
        options=options,
        working=(f"indices 0 to {tokens - 1}, rows 0 to {rows - 1}", f"{tokens} - {rows - 1} = {beyond + 1} tokens have index {rows - 1} or more"),
        lab=SLUG,
        settings={"way": "clamp", "drawn": [rows, tokens]},
        level=1,
    )


def second_rows_without_a_place(question: Question) -> float:
    """Every index is looked up, and the largest group counted."""
    rows, tokens = question.settings["drawn"]
    found = stretch(torch.arange(rows)[:, None], tokens, "clamp").flatten()
    return float(torch.bincount(found).max())


def ask_trained_by(rng: random.Random) -> Question:
    while True:
        lengths = sorted(rng.sample(range(2, 13), 4))
        often = [rng.randint(2, 40) * 10 for _ in lengths]
        row = rng.randrange(1, lengths[-1])
        right = sum(count for length, count in zip(lengths, often) if length > row)
        mistakes = [
            Mistake(
                "row-as-length",
                sum(count for length, count in zip(lengths, often) if length >= row),
                f"A text of {row} tokens has the rows 0 to {row - 1}: row {row} is not among them.",
            ),
            Mistake(
                "shorter-ones", sum(count for length, count in zip(lengths, often) if length <= row), "These are the texts that do not reach the row."
            ),
            Mistake("all-texts", sum(often), "Only texts that are long enough give a row a gradient."),
            Mistake("longest-only", often[-1], "Every text that reaches the row counts, not only the longest ones."),
            Mistake(
                "tokens",
                sum(length * count for length, count in zip(lengths, often) if length > row),
                "Each text uses a row once, however long it is.",
            ),
        ]
        options = number_options(rng, right, "All texts with more tokens than the number of the row.", mistakes, digits=6)
        if options and right:
            break
    listed = ", ".join(f"{count} of {length} tokens" for length, count in zip(lengths, often))
    return Question(
        form=Form.CHOICE,
        prompt=f"A training set has these texts: {listed}. In one pass over it, how many texts give row {row} of a learned position table a gradient (rows counted from 0)?",
        answer=f"Row {row} is used by the texts with at least {row + 1} tokens.",
        options=options,
        working=(f"texts with more than {row} tokens: {' + '.join(str(count) for length, count in zip(lengths, often) if length > row)} = {right}",),
        lab=SLUG,
        settings={"drawn": [lengths, often, row]},
        level=2,
    )


def second_trained_by(question: Question) -> float:
    """The gradient itself, of a loss that adds up everything a text looks up."""
    lengths, often, row = question.settings["drawn"]
    table = torch.nn.Embedding(max(lengths), 1)
    sum(count * table(torch.arange(length)).sum() for length, count in zip(lengths, often)).backward()
    return table.weight.grad[row].item()


questions = {"stretched-value": ask_stretched_value, "clamped-tokens": ask_rows_without_a_place, "rows-trained": ask_trained_by}
second = {"stretched-value": second_stretched_value, "clamped-tokens": second_rows_without_a_place, "rows-trained": second_trained_by}
