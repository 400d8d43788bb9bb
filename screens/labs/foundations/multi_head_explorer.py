"""See all heads at once, and switch them off

One softmax is one way of averaging; several heads can read several things at once. Every head projects the *whole* vector
with its own $W_Q^i,W_K^i,W_V^i$ down to $d_{model}/h$ numbers, attends in its own way, and $W_O$ mixes what they said:
$\\mathrm{MHA}(X)=[\\mathrm{head}_1;\\dots;\\mathrm{head}_h]\\,W_O$.

The network is the toy decoder, 4 layers of 4 heads. Four tasks of its world are scored: **copying** (the second showing of a
list of 12 words), **names** (who gets the thing), **agreement** (the verb; four verbs are equally likely, so $\\ln 4=1.39$
nats is the best anybody can do) and **brackets** (which bracket closes). Switch heads of a layer off, and every task is
scored again with zeros in their places.

Expect no neat division of labour. Some heads matter very much, many hardly at all, few for one task only; and a head that
seems useless alone may be the one that takes over when another is gone.

How many heads? At equal width $h$ does not change the number of weights, $4d_{model}^2$, but the rank of each head's
comparison $W_Q^iW_K^{i\\top}$ is at most $d_{model}/h$.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.questions import Form, Question
from models import checkpoints
from models.attention import MultiHeadAttention, merge_heads, split_heads
from models.decoder import Decoder, without
from models.head_importance import TASKS, Exam, Head, exam, loss_without_each, query_key_spectrum, task_loss, task_losses
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import PALETTE, axis, bars, figure, heatmap, small
from screens.labs.pictures import AttentionView

TOPIC = "multi-head-attention"
REFERENCE = "nn.MultiheadAttention with copied weights, whole and with a head's columns of W_O zeroed; torch.linalg.svdvals"
MECHANISM = (MultiHeadAttention.forward, split_heads, merge_heads, without, loss_without_each, query_key_spectrum)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><g opacity=".8"><path d="M12 10h22v22h-22zM40 10h22v22h-22zM12 38h22v22h-22zM40 38h22v22h-22z"/></g>
<g stroke="#1f77c9" stroke-width="4"><path d="m14 12 18 18M42 20l18 10M14 42l18 8"/></g><path d="m40 38 22 22m0-22-22 22" stroke="#d4620f" stroke-width="3"/>
<g stroke="none"><rect x="82" y="54" width="14" height="20" fill="#1f77c9"/><rect x="102" y="18" width="14" height="56" fill="#d4620f"/><rect x="122" y="50" width="14" height="24" fill="#1f77c9"/></g><path d="M76 76h70" opacity=".5"/></svg>"""

SLUG = "multi-head-explorer"
TEXTS = 8  # per task
FEWER = 2  # of them when one more head is tried: sixteen passes at once
SEED = 41
NAMED_FROM = 0.5
NOT_ZERO = 1e-9  # of the largest singular value, in double precision
TASK_WORDS = {"copying": "copying", "names": "names", "agreement": "agreement", "brackets": "brackets"}


@dataclass(frozen=True)
class Result:
    task: str
    layer: int
    silenced: frozenset[Head]
    whole: Mapping[str, float]  # task -> nats per scored token, all heads on
    now: Mapping[str, float]
    alone: Mapping[str, np.ndarray]  # task -> (L, H): what removing this head alone adds
    more: np.ndarray | None  # (L, H) for the chosen task: what removing this one too adds to now
    tokens: list[str]
    weights: np.ndarray  # (L, H, T, T)
    vectors: dict[Head, tuple[np.ndarray, np.ndarray]]
    names: Mapping[Head, str]
    trained: Tensor  # (H, C) singular values of the chosen layer's heads
    fresh_heads: int
    fresh: Tensor  # (C,) of the first head of an untrained attention with that many heads

    @property
    def rank(self) -> int:
        """Of the untrained head's comparison."""
        return int((self.fresh > NOT_ZERO * self.fresh[0]).sum())

    @property
    def worst(self) -> Head:
        return best_place(self.alone[self.task])

    def added(self, task: str) -> float:
        return self.now[task] - self.whole[task]


def best_place(scores: np.ndarray) -> Head:
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    return layer, head


def compute(
    task: Annotated[str, Choice(TASK_WORDS, label="Task", help="Whose texts are shown, and whose loss is looked at closely.")] = "copying",
    layer: Annotated[int, Slider(0, 3, label="Layer", help="The switches below belong to this layer")] = 0,
    head_0: Annotated[bool, Toggle(label="Head 0 on")] = True,
    head_1: Annotated[bool, Toggle(label="Head 1 on")] = True,
    head_2: Annotated[bool, Toggle(label="Head 2 on")] = True,
    head_3: Annotated[bool, Toggle(label="Head 3 on")] = True,
    heads: Annotated[int, Stops(1, 2, 4, 8, 16, 32, 64, 128, label="Heads at width 128", help="Of the untrained attention in the last picture.")] = 8,
    seed: Annotated[int, Seed(label="Random start of the untrained attention")] = 0,
) -> Result:
    model, tokenizer, card = checkpoints.load("toy_decoder")
    silenced = frozenset((layer, head) for head, on in enumerate((head_0, head_1, head_2, head_3)) if not on)
    whole = {name: _loss(name) for name in TASKS}
    first = _exam(task).tokens[:1]
    first = first[:, : int(_exam(task).scored[0].nonzero().max()) + 1]  # up to the last place that is scored
    _, trace = model.look(first, without(silenced))
    return Result(
        task=task,
        layer=layer,
        silenced=silenced,
        whole=whole,
        now={name: _loss(name, silenced) for name in TASKS} if silenced else whole,
        alone={name: _alone(name) for name in TASKS},
        more=_more(task, silenced) if silenced else None,
        tokens=[tokenizer.show(token) for token in first[0].tolist()],
        weights=trace.attention[:, 0].half().numpy(),
        vectors={
            (at, head): (heads.q[0, head].half().numpy(), heads.k[0, head].half().numpy())
            for at, heads in enumerate(trace.heads)
            for head in range(4)
        },
        names=_names(card["figures"]["head_scores"]),
        trained=query_key_spectrum(model.blocks[layer].attention),
        fresh_heads=heads,
        fresh=query_key_spectrum(_untrained(heads, seed))[0],
    )


@functools.cache
def _exam(task: str) -> Exam:
    return exam(task, checkpoints.load("toy_decoder").tokenizer, TEXTS, SEED)


def _model() -> Decoder:
    return checkpoints.load("toy_decoder").model


@functools.lru_cache(maxsize=256)
def _loss(task: str, silenced: frozenset[Head] = frozenset()) -> float:
    return task_loss(_model(), _exam(task), silenced)


@functools.cache
def _alone(task: str) -> np.ndarray:
    return (loss_without_each(_model(), _exam(task)) - _loss(task)).numpy()


@functools.lru_cache(maxsize=64)
def _more(task: str, silenced: frozenset[Head]) -> np.ndarray:
    few = Exam(*(part[:FEWER] for part in _exam(task)))
    return (loss_without_each(_model(), few, silenced) - task_loss(_model(), few, silenced)).numpy()


def _names(scores: Mapping[str, list[list[float]]]) -> dict[Head, str]:
    """The roles that the checkpoint's card found, on the heads where they are strong."""
    named: dict[Head, str] = {}
    for role, table in scores.items():
        for place in np.argwhere(np.array(table) >= NAMED_FROM).tolist():
            named[place[0], place[1]] = role.replace("_", " ")
    return named


@functools.lru_cache(maxsize=32)
def _untrained(heads: int, seed: int) -> MultiHeadAttention:
    generator = torch.Generator().manual_seed(seed)
    attention = MultiHeadAttention(128, heads)
    with torch.no_grad():
        for layer in (attention.query, attention.key):
            layer.weight.normal_(0, 0.02, generator=generator)
    return attention


def figures(result: Result) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        f"All heads on a text of the task {result.task}": AttentionView(
            result.tokens, result.weights, causal=True, head=_shown(result), vectors=result.vectors, names=result.names, silenced=result.silenced,
        ),
        "Loss of the four tasks": _tasks(result),
        f"One head removed: what {result.task} pays": _each(result),
        "One head removed: all four tasks": _matrix(result),
        "More heads, lower rank": _ranks(result),
    }  # fmt: skip
    return drawn


def _shown(result: Result) -> Head:
    """The first silenced head, or the layer's most important one."""
    if result.silenced:
        return min(result.silenced)
    return result.layer, int(result.alone[result.task][result.layer].argmax())


def _tasks(result: Result) -> Any:
    series = {"all heads on": list(result.whole.values())} | ({"now": list(result.now.values())} if result.silenced else {})
    return bars(list(TASKS), series, x_axis=axis("task"), y_axis=axis("nats per scored token"))


def _all_heads(result: Result) -> list[str]:
    layers, heads = result.alone[result.task].shape
    return [f"L{layer}H{head}" for layer in range(layers) for head in range(heads)]


def _matrix(result: Result) -> Any:
    values = np.stack([result.alone[task].flatten() for task in TASKS])
    return heatmap(
        values.clip(min=0), rows=TASKS, columns=_all_heads(result), x_title="the head that is gone", y_title="", bar="nats more", height=230
    )


def _each(result: Result) -> Any:
    series = {"alone": result.alone[result.task].flatten()}
    if result.more is not None:
        gone = np.array([place in result.silenced for place in np.ndindex(result.more.shape)])
        series["on top of yours"] = np.where(gone, 0, result.more.flatten())
    return bars(_all_heads(result), series, x_axis=axis("the head that is gone"), y_axis=axis("nats more"))


def _ranks(result: Result) -> Any:
    places = np.arange(1, result.fresh.shape[0] + 1)
    traces = []
    for head, values in enumerate(result.trained):
        shape = {"color": PALETTE[0], "width": 1.5, "dash": ("solid", "dash", "dot", "dashdot")[head]}
        alive = values > NOT_ZERO * values[0]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": small(places[alive]),
                "y": small((values / values[0])[alive]),
                "name": f"trained, head {head}",
                "line": shape,
            }
        )
    alive = result.fresh > NOT_ZERO * result.fresh[0]
    name = f"untrained, {result.fresh_heads} heads"
    line = {"color": PALETTE[1], "width": 3.5}
    traces.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": small(places[alive]),
            "y": small((result.fresh / result.fresh[0])[alive]),
            "name": name,
            "line": line,
        }
    )
    across_width = axis("singular value of W_Qᵀ W_K, largest first", span=(0, len(places) + 2))
    return figure(traces, x=across_width, y=axis("share of the largest", span=(0, 1.05)), upright=[(result.rank, f"rank {result.rank}")])


def facts(result: Result) -> dict[str, float]:
    worst = result.worst
    return {
        "layer": result.layer,
        "silenced": len(result.silenced),
        "whole": result.whole[result.task],
        "now": result.now[result.task],
        "hardest hit": result.added(_hardest(result)),
        "worst layer": worst[0],
        "worst head": worst[1],
        "worst adds": float(result.alone[result.task][worst]),
        "hardly matter": _hardly(result),
        "little": LITTLE,
        "heads in all": result.alone[result.task].size,
        "fresh heads": result.fresh_heads,
        "rank": result.rank,
        "width": result.fresh.shape[0],
        **{f"head {head}": head for head in range(4)},
    }


LITTLE = 0.1  # nats


def _hardly(result: Result) -> int:
    return int((result.alone[result.task] < LITTLE).sum())


def _hardest(result: Result) -> str:
    return max(TASKS, key=result.added)


def says(result: Result) -> str:
    worst, alone = result.worst, result.alone[result.task]
    heads = "one head" if result.fresh_heads == 1 else f"{result.fresh_heads} heads"
    rank = f"An untrained attention of {heads} at width {result.fresh.shape[0]} compares with rank {result.rank}"
    if not result.silenced:
        return (
            f"With all heads on, {result.task} costs {numeral(result.whole[result.task])} nats per scored token. Of {alone.size} heads, {_hardly(result)} can go alone "
            f"for less than {LITTLE} nats; layer {worst[0]}, head {worst[1]} adds {numeral(float(alone[worst]))}. {rank}."
        )
    which = "its whole layer" if len(result.silenced) == 4 else " and ".join(f"head {head}" for _, head in sorted(result.silenced))
    hardest = _hardest(result)
    return (
        f"Without {which} of layer {result.layer}, {result.task} goes from {numeral(result.whole[result.task])} to {numeral(result.now[result.task])} nats per "
        f"scored token; hardest hit is {hardest}, by {numeral(result.added(hardest))}. {rank}."
    ).replace("its whole layer of layer", "the whole of layer")


def _role(role: str) -> Head:
    """The head that the checkpoint's card names for a role: another training run puts it elsewhere."""
    layer, head, _ = checkpoints.card("toy_decoder")["figures"]["best_heads"][role]
    return layer, head


def _most_missed_by_names() -> Head:
    """The head whose removal, alone, leaves the right name least likely, again by the card."""
    single = [case for case in checkpoints.card("toy_decoder")["figures"]["ablations"] if len(case["removed"]) == 1]
    layer, head = min(single, key=lambda case: case["giving"]["probability"])["removed"][0]
    return layer, head


def _off_head(place: Head) -> dict[str, int | bool]:
    return {"layer": place[0], f"head_{place[1]}": False}


TRY = [
    Experiment(
        title="Take away the best previous-token head",
        settings=_off_head(_role("previous_token")),
        ask="One head reads, nearly everywhere, just the token before. Which task suffers most when it is gone?",
        options=("Copying a list", "The verb's agreement", "Closing brackets", "All about equally"),
        right=0,
        why="Copying works by induction: a later head looks for the place *whose predecessor* is the present word, and this head wrote the predecessors. "
        "Agreement needs the subject and brackets the last open one; neither asks what stood just before.",
        look="The second picture: one bar towers. In the third the column of this head is bright in one row above all.",
        holds=lambda result: (
            _hardest(result) == "copying" and result.added("copying") > 1 and result.added("copying") > 3 * result.added("agreement")
        ),
        tempting={
            1: "The noun that the verb must agree with stands far before it: that is the point of the task.",
            3: "Then the third picture would have no bright spots.",
        },
    ),
    Experiment(
        title="How many heads can go?",
        settings={"task": "agreement"},
        ask="Remove one head at a time and score agreement. How many of the 16 heads can go *alone* for less than 0.1 nats?",
        options=("At most 4", "About half", "12 or more"),
        right=2,
        why="Most single heads are dispensable for most tasks, here as in BERT and in translation models (Michel et al. 2019; Voita et al. 2019). It does not "
        "follow that they can all go together.",
        look="The fourth picture: mostly flat.",
        holds=lambda result: _hardly(result) >= 12,
        tempting={0: "A network this small has little to spare, one would think."},
    ),
    Experiment(
        title="The whole induction layer",
        settings={"task": "copying", "layer": _role("induction")[0], **{f"head_{head}": False for head in range(4)}},
        ask="In the layer of the best induction head, remove each head alone and add up what copying pays; then remove all four at once. How do the two compare?",
        options=("About equal: effects add", "All at once costs much more than the sum", "All at once costs less: they did the same thing"),
        right=1,
        why="The heads of this layer stand in for each other. Alone, each is nearly free, because the others go on copying; together they were the circuit. "
        "Scores of single heads say nothing about groups.",
        look="The fourth picture: the bars “alone” of this layer are small. The second: what their sum could not explain.",
        holds=lambda result: result.added("copying") > 2 * float(result.alone["copying"][result.layer].clip(min=0).sum()),
        tempting={0: "Only if no head could stand in for another.", 2: "Just because they did the same thing, the last one counts for all."},
    ),
    Experiment(
        title="One head, one behaviour?",
        settings=_off_head(_most_missed_by_names()) | {"task": "names"},
        ask="Silence the head that giving sentences miss most: without it the decoder no longer knows who gets the thing. Do only the names suffer?",
        options=("Only the names", "The names and at least one other task", "Only other tasks: the names have backup"),
        right=1,
        why="A head computes one thing from whatever stands before it, and several tasks may find a use for that. Effects on exactly one behaviour are rare; "
        "name a head after a task and you will be surprised on another text.",
        look="The second picture: the step of names, and the others that came with it.",
        holds=lambda result: result.added("names") > 1 and sum(result.added(task) > 0.1 for task in TASKS) >= 2,
        tempting={0: "That is how heads are named in papers, after the texts on which they were found."},
    ),
    Experiment(
        title="16 heads instead of 8",
        settings={"heads": 16},
        ask="Width 128 with 16 heads instead of 8: what becomes of the weights and of each head's comparison $W_Q^iW_K^{i\\top}$?",
        options=(
            "Twice the weights, the same rank",
            "The same weights, rank 8 instead of 16",
            "Half the weights, rank 16",
            "The same weights and the same rank",
        ),
        right=1,
        why="$W_Q$ is 128 by 128 however it is shared out; a head gets 128/16 = 8 of its rows, so its comparison passes through 8 numbers. More ways of looking, "
        "each of them coarser: that is why quality falls again when heads become too many.",
        look="The last picture: the orange line ends at 8.",
        holds=lambda result: result.rank == 8,
        tempting={0: "Heads share the width, they do not add to it.", 2: "Nothing is taken away; it is shared out differently."},
    ),
]


def verify() -> list[Check]:
    """A trained layer against torch's module; a silenced head against zeroed columns of W_O; the batched removals against one at a time."""
    model, spectrum_gap = _model(), 0.0
    x = torch.randn(2, 20, 128, generator=torch.Generator().manual_seed(3))
    hidden = torch.ones(20, 20, dtype=torch.bool).triu(1)
    gaps = {"weights": 0.0, "output": 0.0, "silenced": 0.0}
    for block in model.blocks:
        ours = block.attention
        theirs = _torch_attention(ours)
        with torch.no_grad():
            said, heads = ours(x, mask=~hidden)
            expected, weights = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)
            edited, _ = ours(x, mask=~hidden, edit=lambda heads_said: without([(0, 1)])(0, heads_said))
            theirs.out_proj.weight[:, 32:64] = 0
            zeroed, _ = theirs(x, x, x, attn_mask=hidden)
            full = torch.stack(
                [
                    torch.linalg.svdvals(q.T @ k)
                    for q, k in zip(ours.query.weight.double().view(4, 32, 128), ours.key.weight.double().view(4, 32, 128), strict=True)
                ]
            )
        gaps["weights"] = max(gaps["weights"], _gap(heads.weights, weights))
        gaps["output"] = max(gaps["output"], _gap(said, expected) / expected.abs().max().item())
        gaps["silenced"] = max(gaps["silenced"], _gap(edited, zeroed) / zeroed.abs().max().item())
        spectrum_gap = max(spectrum_gap, _gap(query_key_spectrum(ours), full) / full.max().item())
    few = Exam(*(part[:2] for part in _exam("copying")))
    return [
        Check("weights of all 16 trained heads", "nn.MultiheadAttention, weights copied", gaps["weights"], 1e-5),
        Check("output of the four layers, relative", "nn.MultiheadAttention, weights copied", gaps["output"], 1e-5),
        Check("output with head 1 silenced, relative", "nn.MultiheadAttention, 32 columns of W_O zeroed", gaps["silenced"], 1e-5),
        Check("loss without a head", "a decoder whose W_O has those columns zeroed", _removal_gap(few), 1e-4),
        Check("singular values of the comparison, relative", "torch.linalg.svdvals of the 128 x 128 product", spectrum_gap, 1e-5),
    ]


def _gap(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


def _removal_gap(few: Exam) -> float:
    """Sixteen removals in one batch, against decoders of one's own whose weights were changed instead."""
    batched, gap = loss_without_each(_model(), few), 0.0
    for layer, head in ((0, 0), (1, 3), (2, 1), (3, 2)):
        changed = checkpoints.load_to_train("toy_decoder").model
        with torch.no_grad():
            changed.blocks[layer].attention.out.weight[:, 32 * head : 32 * head + 32] = 0
        gap = max(gap, abs(float(task_losses(changed, few).mean()) - float(batched[layer, head])))
    return gap


def _torch_attention(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(128, ours.heads, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
    return theirs.eval()


# Computed questions


def ask_weights(rng: random.Random) -> Question:
    while True:
        heads, size = rng.choice([4, 6, 8, 12, 16, 20, 32]), rng.choice([32, 48, 64, 96, 128])
        width = heads * size
        right = 4 * width * width
        mistakes = [
            Mistake("times-heads", right * heads, "Heads share the width: each projects to $d_{model}/h$, not to $d_{model}$."),
            Mistake("no-output-matrix", 3 * width * width, "This forgets $W_O$."),
            Mistake("sliced-input", right // heads, "This cuts the input into slices too; every head projects the whole vector."),
            Mistake("one-head", 4 * width * size, "These are the weights of one head; there are more of them."),
        ]
        options = number_options(
            rng, f"{right:,}", "Four matrices of $d_{model}\\times d_{model}$.", [Mistake(m.name, f"{m.value:,}", m.why) for m in mistakes]
        )
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Multi-head attention of width {width:,} with {heads} heads of {size}, no biases: how many weights?",
        answer="$W_Q$, $W_K$, $W_V$ and $W_O$ are each $d_{model}\\times d_{model}$, however many heads share them.",
        options=options,
        working=(f"$4\\cdot{width}^2={right:,}$".replace(",", "\\,"),),
        lab=SLUG,
        settings={"drawn": [width, heads]},
        level=1,
    )


def second_weights(question: Question) -> str:
    """torch's module, counted; on the meta device it has shapes and no numbers."""
    width, heads = question.settings["drawn"]
    return f"{sum(p.numel() for p in nn.MultiheadAttention(width, heads, bias=False, device='meta').parameters()):,}"


def ask_rank(rng: random.Random) -> Question:
    while True:
        width, heads = rng.choice([128, 192, 256, 384, 512]), rng.choice([4, 8, 16, 32, 64])
        right = width // heads
        mistakes = [
            Mistake("full-width", width, "The matrix is $d_{model}\\times d_{model}$, but it is a product through $d_{model}/h$ numbers."),
            Mistake("number-of-heads", heads, "This is the number of heads; the rank is what each head is left with."),
            Mistake("added-both", 2 * right, "A product's rank is at most the smaller of the two ranks, not their sum."),
            Mistake("root", width**0.5, "The root of the width comes into the scale of the scores, not into the rank."),
        ]
        options = number_options(rng, right, "At most $d_{model}/h$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A head compares two vectors of width {width:,} by $x^\\top W_Q^iW_K^{{i\\top}}y$. With {heads} heads at equal width, how large can the rank of "
        "$W_Q^iW_K^{i\\top}$ be?",
        answer="$W_Q^i$ is $d_{model}\\times d_{model}/h$, so the product passes through $d_{model}/h$ numbers.",
        options=options,
        working=(f"$d_k={width}/{heads}={right}$",),
        lab=SLUG,
        settings={"heads": min(heads, 128), "drawn": [width, heads]},
        level=1,
    )


def second_rank(question: Question) -> float:
    """The numerical rank of one product of random matrices."""
    width, heads = question.settings["drawn"]
    q, k = torch.randn(2, width, width // heads, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    probe = torch.randn(width, min(width, 2 * width // heads), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return int(torch.linalg.matrix_rank(q @ (k.T @ probe)))  # seen by twice as many random vectors as it can have dimensions


def ask_silenced(rng: random.Random) -> Question:
    while True:
        said = [[rng.randint(-3, 4) for _ in range(2)] for _ in range(2)]
        row = [[rng.randint(-3, 4) for _ in range(2)] for _ in range(2)]
        parts = [sum(a * b for a, b in zip(*pair)) for pair in zip(said, row)]
        gone = rng.randrange(2)
        mistakes = [
            Mistake("nothing-removed", sum(parts), "This still has both heads in it."),
            Mistake("other-head", parts[gone], "This is what the silenced head would have added."),
            Mistake("made-up-for", 2 * parts[1 - gone], "Zeros are put in its place; nobody scales the others up."),
            Mistake("mean", sum(parts) / 2, "Heads are added through $W_O$, not averaged."),
        ]
        options = number_options(rng, parts[1 - gone], "Only the other head's part is left.", mistakes)
        if options and parts[1 - gone] != 0:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Two heads of size 2 say $({said[0][0]}, {said[0][1]})$ and $({said[1][0]}, {said[1][1]})$. The column of $W_O$ that makes the first output is "
        f"$({row[0][0]}, {row[0][1]}, {row[1][0]}, {row[1][1]})$. What is the first output when head {gone + 1} is silenced?",
        answer="$[\\mathrm{head}_1;\\mathrm{head}_2]W_O$ is a sum of one part per head; the silenced one adds zero.",
        options=options,
        working=(
            f"head {2 - gone} adds ${said[1 - gone][0]}\\cdot({row[1 - gone][0]})+{said[1 - gone][1]}\\cdot({row[1 - gone][1]})={parts[1 - gone]}$",
        ),
        lab=SLUG,
        settings={f"head_{gone}": False, "drawn": [said, row, gone]},
        level=1,
    )


def second_silenced(question: Question) -> float:
    """A linear layer over the concatenated heads, with zeros in the silenced one's places."""
    said, row, gone = question.settings["drawn"]
    heads = torch.tensor(said, dtype=torch.float64)
    heads[gone] = 0
    return nn.functional.linear(heads.flatten(), torch.tensor(row, dtype=torch.float64).flatten()[None]).item()


questions = {"weight-count": ask_weights, "rank-of-a-head": ask_rank, "silenced-by-hand": ask_silenced}
second = {"weight-count": second_weights, "rank-of-a-head": second_rank, "silenced-by-hand": second_silenced}
