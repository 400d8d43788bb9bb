"""Needle position against recall

A text of up to 32 passages, one of which answers the question. Does a reader find it wherever it stands? The reader is one attention
layer, small and trained for this alone: the question asks once, every passage offers a key, and what is taken from them names one of
sixteen answers.

A passage states a fact about something with three properties. The **needle** has the three that are asked for, a **distractor** two
of them. Passages reword a property in one case of eight, so that needle and near miss cannot always be told apart by their words.

Six readers were trained: with a learned vector per place, with rotary positions, and without any; each with needles **everywhere**,
and with needles **mostly near the ends** (96% of them in the first or last fifth). Several large language models were found to read thus: best at
the start and at the end of a long input, worst in the middle (Liu et al. 2023). Is that a law of attention, or something that was learned?

MiniLM can be asked, too: it embeds every passage by itself and takes the nearest to the question, so it cannot know of places at all.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints, minilm
from models.attention import attention_weights
from models.needle_reader import (
    ANSWERS,
    LONGEST,
    PLACES,
    Haystacks,
    Reader,
    best_at_the_ends,
    exact_matches,
    haystacks,
    place_weights,
    places_of,
)
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, figure, lines, small
from screens.labs.pictures import Strip, TokenStrip

TOPIC = "lost-in-the-middle"
REFERENCE = "F.scaled_dot_product_attention and transformers' rotary positions with the same weights; exact match counted in plain Python"
MECHANISM = (Reader.look, Reader.embed, haystacks, place_weights, exact_matches)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 8v70h136" opacity=".45"/>
<path d="M20 24h124" stroke="#1f77c9" stroke-width="3" stroke-dasharray="7 5"/><path d="M20 26c14 2 22 36 62 38 40-2 48-36 62-38" stroke="#d4620f" stroke-width="4"/>
<g fill="currentColor" stroke="none" opacity=".6"><circle cx="20" cy="26" r="3.5"/><circle cx="51" cy="53" r="3.5"/><circle cx="82" cy="64" r="3.5"/><circle cx="113" cy="53" r="3.5"/><circle cx="144" cy="26" r="3.5"/></g></svg>"""

SLUG = "needle-position"
LENGTHS = (8, 12, 16, 20, 24, 28, 32)
EIGHTHS = 8
DEPTHS = tuple(eighth / EIGHTHS for eighth in range(EIGHTHS + 1))
MOST_DISTRACTORS = 6
IN_A_CELL, IN_A_POINT = 40, 128  # texts per cell of the map, per point of the curves
POSITION_WORDS = {"learned": "a learned vector per place", "rotary": "rotary", "none": "none"}
SHORT_WORDS = {"uniform": "everywhere", "ends": "near the ends"}
PLACE_WORDS = {"uniform": "everywhere", "ends": "mostly near the ends"}
COLOURS, MATERIALS, THINGS = ("red", "blue", "green", "white"), ("wooden", "iron", "glass", "paper"), ("box", "door", "lamp", "boat")
SPOKEN = 4  # kinds of each property that have words, for MiniLM


@dataclass(frozen=True)
class Result:
    eighth: int
    length: int
    distractors: int
    positions: str
    places: str
    asked_minilm: bool
    table: np.ndarray  # (lengths, depths) recall
    curves: Mapping[str, np.ndarray]  # how it was trained -> (depths,) at this length
    minilm: np.ndarray | None  # (depths,)
    by_distractors: Mapping[str, np.ndarray]  # first, middle, last -> (0 … MOST_DISTRACTORS,)
    looks: np.ndarray  # (S,) mean attention on each place, needles everywhere
    text: Haystacks  # one text, with the needle at this depth
    weights: np.ndarray  # (S,) of that text, mean over heads
    answer: int

    @property
    def curve(self) -> np.ndarray:
        return self.curves[self.places]

    @property
    def ends(self) -> float:
        return float((self.curve[0] + self.curve[-1]) / 2)

    @property
    def middle(self) -> float:
        """Mean over the inner half."""
        return float(self.curve[EIGHTHS // 4 : -(EIGHTHS // 4)].mean())


def compute(
    eighth: Annotated[int, Slider(0, EIGHTHS, label="Depth of the needle, in eighths", help="0: the first passage; 8: the last one.")] = 4,
    length: Annotated[
        int, Stops(*LENGTHS, label="Passages", help="The readers were trained on 32; shorter texts end where the trained ones had their middle.")
    ] = 32,
    distractors: Annotated[int, Slider(0, MOST_DISTRACTORS, label="Distractors", help="Near misses among the other passages.")] = 3,
    positions: Annotated[str, Choice(POSITION_WORDS, label="Positions", help="How the reader can tell places apart.")] = "learned",
    places: Annotated[str, Choice(PLACE_WORDS, label="Needles in training", help="Where they stood while the reader learned.")] = "uniform",
    ask_minilm: Annotated[bool, Toggle(label="Ask MiniLM as well", help="It embeds every passage by itself. The first time takes a second.")] = False,
    seed: Annotated[int, Seed(label="Fresh texts")] = 0,
) -> Result:
    reader = _reader(positions, places)
    text = haystacks(places_of(length, [eighth / EIGHTHS], 1), distractors, 1, _generator(seed))
    with torch.inference_mode():
        logits, weights = reader.look(text)
    return Result(
        eighth, length, distractors, positions, places, ask_minilm,
        table=np.stack([_recalls(positions, places, S, DEPTHS, distractors, IN_A_CELL, seed) for S in LENGTHS]),
        curves={training: _recalls(positions, training, length, DEPTHS, distractors, IN_A_POINT, seed) for training in PLACES},
        minilm=_minilm_recalls(length, distractors, seed) if ask_minilm else None,
        by_distractors=_by_distractors(positions, places, length, seed),
        looks=_looks(positions, places, length, distractors, seed),
        text=text, weights=weights[0].mean(dim=0).numpy(), answer=int(logits[0].argmax()),
    )  # fmt: skip


def _reader(positions: str, places: str) -> Reader:
    reader = checkpoints.load("needle").model[f"{positions}_{places}"]
    assert isinstance(reader, Reader)
    return reader


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@functools.lru_cache(maxsize=64)
def _texts(S: int, depths: tuple[float, ...], distractors: int, count: int, seed: int) -> Haystacks:
    """`count` texts for each depth; all readers get the same ones."""
    return haystacks(places_of(S, depths, count), distractors, len(depths) * count, _generator(seed))


@functools.lru_cache(maxsize=512)
@torch.inference_mode()
def _recalls(positions: str, places: str, S: int, depths: tuple[float, ...], distractors: int, count: int, seed: int) -> np.ndarray:
    """(depths,)"""
    texts = _texts(S, depths, distractors, count, seed)
    return exact_matches(_reader(positions, places)(texts), texts).float().view(len(depths), count).mean(dim=1).numpy()


def _by_distractors(positions: str, places: str, S: int, seed: int) -> dict[str, np.ndarray]:
    found = [_recalls(positions, places, S, (0.0, 0.5, 1.0), distractors, IN_A_POINT, seed) for distractors in range(MOST_DISTRACTORS + 1)]
    return dict(zip(("first", "middle", "last"), np.stack(found, axis=1)))


@functools.lru_cache(maxsize=64)
@torch.inference_mode()
def _looks(positions: str, places: str, S: int, distractors: int, seed: int) -> np.ndarray:
    texts = haystacks(place_weights(S, "uniform"), distractors, 2 * IN_A_POINT, _generator(seed + 3))
    return _reader(positions, places).look(texts)[1].mean(dim=(0, 1)).numpy()


@functools.cache
def _sentences() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of all passages and of all questions that have words, (SPOKEN³, C) each."""
    named = [f"the {COLOURS[a]} {MATERIALS[b]} {THINGS[c]}" for a in range(SPOKEN) for b in range(SPOKEN) for c in range(SPOKEN)]
    encoder = minilm.load()
    return encoder.embed([f"Here is the code of {name}." for name in named]), encoder.embed([f"What is the code of {name}?" for name in named])


@functools.lru_cache(maxsize=64)
def _minilm_recalls(S: int, distractors: int, seed: int) -> np.ndarray:
    """(depths,) the nearest passage by cosine, its answer read off. Equal passages: the one that stands first."""
    passages, questions = _sentences()
    texts = haystacks(places_of(S, DEPTHS, IN_A_POINT), distractors, len(DEPTHS) * IN_A_POINT, _generator(seed + 4), kinds=SPOKEN)
    radix = torch.tensor([SPOKEN**2, SPOKEN, 1])
    likeness = torch.from_numpy(questions @ passages.T)  # (questions, passages)
    scores = likeness[(texts.question * radix).sum(-1)[:, None], (texts.properties * radix).sum(-1)]  # (B, S)
    found = texts.answers.gather(1, scores.argmax(dim=1, keepdim=True))[:, 0] == texts.right
    return found.float().view(len(DEPTHS), IN_A_POINT).mean(dim=1).numpy()


def figures(result: Result) -> dict[str, Any]:
    return {
        "Recall over depth, at this length": _curves(result),
        "Where the question looks, needles being everywhere": _attention(result),
        "Distractors lower recall at every depth": _distractors(result),
        "Recall by depth and length": _map(result),
        "One text, passage by passage": _passages(result),
    }


def _map(result: Result) -> go.Figure:
    trace = {
        "type": "heatmap",
        "z": small(100 * result.table),
        "zmin": 0,
        "zmax": 100,
        "colorscale": "Cividis",
        "colorbar": {"title": {"text": "recall, %"}, "thickness": 12},
        "texttemplate": "%{z:.0f}",
        "textfont": {"size": 10},
        "hovertemplate": "%{y} passages, depth %{x}: %{z:.0f}%<extra></extra>",
    }
    columns = {at: _depth(at) for at in range(len(DEPTHS))}
    rows = {at: str(S) for at, S in enumerate(LENGTHS)}
    return figure([trace], x=axis("depth of the needle", ticks=columns), y=axis("passages", ticks=rows), height=300)


def _depth(eighth: int) -> str:
    return {0: "first", EIGHTHS // 2: "middle", EIGHTHS: "last"}.get(eighth, f"{eighth}/8")


def _curves(result: Result) -> go.Figure:
    series = {SHORT_WORDS[training]: 100 * result.curves[training] for training in PLACES}
    order = [*series, "MiniLM"]
    if result.minilm is not None:
        series[order[-1]] = 100 * result.minilm
    x = axis("depth of the needle", ticks={eighth: _depth(eighth) for eighth in range(0, EIGHTHS + 1, 2)})
    y = axis("recall, %", span=(0, 102))
    across = [(100 / ANSWERS, "guessing")]
    return lines(
        list(range(EIGHTHS + 1)),
        series,
        x_axis=x,
        y_axis=y,
        strong=SHORT_WORDS[result.places],
        order=order,
        upright=[(result.eighth, "")],
        across=across,
    )


def _distractors(result: Result) -> go.Figure:
    series = {f"needle {name}": 100 * values for name, values in result.by_distractors.items()}
    x = axis("distractors among the passages")
    return lines(list(range(MOST_DISTRACTORS + 1)), series, x_axis=x, y_axis=axis("recall, %", span=(0, 102)), upright=[(result.distractors, "")])


def _attention(result: Result) -> go.Figure:
    places = list(range(1, result.length + 1))
    even = 100 / result.length
    return bars(
        places, 100 * result.looks, x_axis=axis("place in the text"), y_axis=axis("mean attention, %"), colour=3, across=[(even, "shared evenly")]
    )


def _passages(result: Result) -> TokenStrip:
    text = result.text
    same = (text.properties[0] == text.question[0]).sum(dim=1).tolist()
    needle = int(text.needle[0])
    words = [_spelled(row, answer) for row, answer in zip(text.properties[0].tolist(), text.answers[0].tolist())]
    marks = ["needle" if at == needle else f"{count} of 3" if count > 1 else "" for at, count in enumerate(same)]
    notes = [
        f"place {at + 1}: {count} of the question's 3 properties, attention {weight:.3f}"
        for at, (count, weight) in enumerate(zip(same, result.weights))
    ]
    asked = _spelled(text.question[0].tolist(), None)
    verdict = "right" if result.answer == int(text.right[0]) else f"wrong, the needle says {int(text.right[0])}"
    found = [f"question {asked}", f"answer {result.answer}: {verdict}"]
    strongest = max(float(result.weights.max()), 1e-9)
    return TokenStrip(
        [
            Strip("What is asked and answered", found),
            Strip("The passages; the shade is the question's attention", words, [float(w) / strongest for w in result.weights], marks, notes),
        ],
        value_name="attention, largest = 1",
    )


def _spelled(properties: Sequence[int], answer: int | None) -> str:
    """Letters for the kinds: A to H for the first property, and so on."""
    letters = "".join("ABCDEFGH"[kind] for kind in properties)
    return f"{letters}=?" if answer is None else f"{letters}={answer}"


def facts(result: Result) -> dict[str, float]:
    return {
        "passages": result.length,
        "distractors": result.distractors,
        "ends": 100 * result.ends,
        "middle": 100 * result.middle,
        "lowest": 100 * float(result.curve.min()),
        "eighth": int(result.curve.argmin()),
        "eighths": EIGHTHS,
        **({"minilm": 100 * float(result.minilm.mean())} if result.minilm is not None else {}),
    }


def says(result: Result) -> str:
    known = {"learned": "a learned vector per place", "rotary": "rotary positions", "none": "no positions"}[result.positions]
    extra = (
        f" MiniLM, passage by passage, finds {numeral(100 * float(result.minilm.mean()))}% at all depths together."
        if result.minilm is not None
        else ""
    )
    return (
        f"With {known} and needles {PLACE_WORDS[result.places]} in training, the reader answers {numeral(100 * result.ends)}% at the ends of {result.length} passages and "
        f"{numeral(100 * result.middle)}% in the inner half ({result.distractors} distractor{'s' * (result.distractors != 1)}), lowest at depth {int(result.curve.argmin())} of {EIGHTHS} with "
        f"{numeral(100 * float(result.curve.min()))}%: {_verdict(result)}.{extra}"
    )


def _verdict(result: Result) -> str:
    dip = result.ends - result.middle
    if dip > 0.1:
        return "a dip in the middle"
    return "nearly flat" if abs(dip) <= 0.06 else "a slight tilt"


TRY = [
    Experiment(
        title="Needles everywhere in training",
        settings={"places": "uniform"},
        ask="Several large language models have shown a U over depth. This small reader was trained with needles at every depth alike. What does its curve look like over 32 passages?",
        options=("A U: attention favours both ends", "It falls from first to last", "Nearly flat"),
        right=2,
        why="When one question looks over all passages in a single layer, a preference for a place has to be learned, and here there was nothing to gain by one. "
        "For the U of large models causal masks over many layers and the habits of training texts are named as causes; none is settled.",
        look="The first picture: the strong line is level. The second: attention is shared evenly over the places.",
        holds=lambda result: abs(result.ends - result.middle) < 0.06 and float(result.curve.max() - result.curve.min()) < 0.2,
        tempting={0: "So it is in Liu et al.; theirs are large models that have read the web."},
    ),
    Experiment(
        title="Needles near the ends in training",
        settings={"places": "ends"},
        ask="The same reader, but 96% of its training needles lay in the first or last fifth. Ask it for a needle in the middle, with three distractors.",
        options=(
            "As good as at the ends: it learned to compare words, not places",
            "About half as good as at the ends",
            "It finds nothing there at all",
        ),
        right=1,
        why="When the words of needle and near miss are alike, it pays to trust the place where needles usually stand. The reader learned that, and in the middle "
        "this knowledge works against it: 79% at the ends, 42% inside. Needles whose words stand out are still found there.",
        look="First picture: the U. Second picture: the question looks at the ends even though these needles are everywhere.",
        holds=lambda result: abs(result.ends - 0.79) < 0.01 and abs(result.middle - 0.42) < 0.01,
        tempting={0: "It does compare words; where they do not decide, the place does.", 2: "Guessing would be one in sixteen."},
    ),
    Experiment(
        title="Where is the end of a shorter text?",
        settings={"places": "ends", "length": 16},
        ask="The reader with learned places was trained on 32 passages, needles near both ends. Give it only 16. Where does it find needles now?",
        options=("At both ends of the 16", "At the front only", "At the end only"),
        right=1,
        why="Its table knows places by their number: the first six, and 27 to 32. A text of 16 has none of the latter. Rotary positions count from the question "
        "backwards, so there it is the other way round: the end is found, the front is lost. Try it.",
        look="The fourth picture, row of 16 passages. Then switch the positions to rotary and compare.",
        holds=lambda result: (
            result.curve[:3].mean() - result.curve[-3:].mean() > 0.2
            and _recalls("rotary", "ends", 16, DEPTHS, 3, IN_A_POINT, 0)[-3:].mean()
            - _recalls("rotary", "ends", 16, DEPTHS, 3, IN_A_POINT, 0)[:3].mean()
            > 0.2
        ),
        tempting={
            0: "That would need places in proportion to the length.",
            2: "Right for rotary positions, which know the distance from the question.",
        },
    ),
    Experiment(
        title="No way to tell places apart",
        settings={"places": "ends", "positions": "none"},
        ask="Take the positions away altogether and train with needles near the ends. Is there a dip?",
        options=("Yes: the training texts are the same", "No: nothing in the reader can know where a passage stands", "A smaller one"),
        right=1,
        why="Without positions a text is a set of passages to this reader: exchange two of them and every number stays the same. What cannot be told apart "
        "cannot be preferred. MiniLM, which embeds each passage by itself, is in the same position: switch it on.",
        look="The first picture: both lines are level, whatever the training.",
        holds=lambda result: abs(result.ends - result.middle) < 0.06,
        tempting={0: "The habit is in the texts, but there is no place in the model to keep it."},
    ),
    Experiment(
        title="More near misses",
        settings={"distractors": 6, "places": "uniform"},
        ask="Raise the distractors from none to six, in the reader with the flat curve. Where does recall fall?",
        options=("Only in the middle", "At every depth", "Only at the end, where they are nearest to the question"),
        right=1,
        why="Each near miss takes some of the attention, wherever the needle stands: $p=e^{s^*}/(e^{s^*}+\\sum e^{s_j})$. This is why fewer, better passages can "
        "beat many: what search gains in recall, reading may lose.",
        look="The third picture: the lines fall together, within the unsteadiness of 128 texts a point.",
        holds=lambda result: (
            all(values[:2].mean() - values[-2:].mean() > 0.02 for values in result.by_distractors.values())
            and abs(result.ends - result.middle) < 0.06
        ),
        tempting={0: "In the reader that was trained on the ends they do the most harm in the middle; here they do not."},
    ),
]


def verify() -> list[Check]:
    """The reader with torch's attention and transformers' rotation in its place, and exact match counted without tensors."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    generator = _generator(11)
    texts = haystacks(place_weights(LONGEST, "uniform"), 3, 64, generator)
    checks = []
    for positions in POSITION_WORDS:
        reader = _reader(positions, "ends")
        with torch.inference_mode():
            checks.append(
                Check(
                    f"logits, positions {positions}",
                    "F.scaled_dot_product_attention, transformers' rotation",
                    _furthest(reader(texts), _by_torch(reader, texts, apply_rotary_pos_emb)),
                    1e-5,
                )
            )
    with torch.inference_mode():
        logits = _reader("learned", "ends")(texts)
    own = exact_matches(logits, texts).tolist()
    theirs = [
        max(range(ANSWERS), key=row.__getitem__) == answers[place]
        for row, answers, place in zip(logits.tolist(), texts.answers.tolist(), texts.needle.tolist())
    ]
    checks.append(Check("exact match of 64 texts", "plain Python over lists", sum(a != b for a, b in zip(own, theirs)), 0))
    return checks  # fmt: skip


def _by_torch(reader: Reader, texts: Haystacks, rotation: Any) -> Tensor:
    B, S = texts.answers.shape
    x = reader.embed(torch.cat([texts.properties, texts.question[:, None]], dim=1), torch.cat([texts.answers, torch.full((B, 1), ANSWERS)], dim=1))
    normed = F.layer_norm(x, x.shape[-1:], reader.norm.weight, reader.norm.bias)
    D = x.shape[-1] // reader.heads
    q, k, v = (F.linear(normed, layer.weight).unflatten(-1, (reader.heads, D)).transpose(1, 2) for layer in (reader.query, reader.key, reader.value))
    if reader.positions == "rotary":
        angle = torch.arange(S + 1)[:, None] / 10_000 ** (torch.arange(0, D, 2) / D)
        angle = torch.cat([angle, angle], dim=-1)[None]
        q, k = rotation(q, k, angle.cos(), angle.sin())
    said = F.scaled_dot_product_attention(q[:, :, -1:], k[:, :, :-1], v[:, :, :-1])
    asked = x[:, -1] + F.linear(said.transpose(1, 2).flatten(2)[:, 0], reader.out.weight)
    worked = F.linear(
        F.gelu(
            F.linear(
                F.layer_norm(asked, asked.shape[-1:], reader.norm_feed_forward.weight, reader.norm_feed_forward.bias),
                reader.feed_forward.up.weight,
                reader.feed_forward.up.bias,
            )
        ),
        reader.feed_forward.down.weight,
        reader.feed_forward.down.bias,
    )
    return F.linear(asked + worked, reader.answers.weight, reader.answers.bias)  # fmt: skip


def _furthest(own: Tensor, theirs: Tensor) -> float:
    return (own - theirs).abs().max().item()


# Computed questions: what was drawn travels in settings["drawn"], so that `second` can answer by another way.


def ask_dilution(rng: random.Random) -> Question:
    while True:
        others, lead, near = rng.choice([9, 19, 49, 99, 199, 999]), rng.choice([2, 3, 4, 5]), rng.choice([0, 0, 1, 2, 4])
        if near >= others:
            continue
        s = torch.cat([torch.tensor([float(lead)]), torch.full((near,), lead - 1.0), torch.zeros(others - near)]).double()
        right = float(attention_weights(s)[0])
        top = math.exp(lead)
        mistakes = [
            Mistake("forgot-itself", top / (others - near + near * math.exp(lead - 1)), "The key's own term belongs in the sum as well."),
            Mistake("forgot-the-others", top / (top + near * math.exp(lead - 1) + 1), "There are many keys at 0, and each adds 1 to the sum."),
            Mistake(
                "scores-not-exponentials",
                lead / (lead + near * (lead - 1)) if near else lead / (lead + others),
                "The softmax weighs by $e^s$, not by $s$.",
            ),
            Mistake("near-misses-ignored", top / (top + others), "The near misses count $e^{s}$ each, not 1."),
            Mistake("shared-evenly", 1 / (others + 1), "The scores are not equal."),
            Mistake("two-keys-only", top / (top + 1), "This is the softmax over two keys."),
        ]
        options = number_options(rng, right, "Its exponential over the sum of all.", mistakes)
        if options:
            break
    misses = f", {near} near miss{'es have' if near > 1 else ' has'} {lead - 1}" if near else ""
    return Question(
        form=Form.CHOICE,
        prompt=f"A needle's key has the score {lead}{misses}, and the other {others - near} keys have 0. What attention weight does the needle get?",
        answer="$p=e^{s^*}/\\sum e^{s_j}$: every further key makes it smaller, near misses the most.",
        options=options,
        working=(f"$e^{{{lead}}}={numeral(top)}$", f"sum: {numeral(top)} + {near}·{numeral(math.exp(lead - 1))} + {others - near}" if near else f"sum: {numeral(top)} + {others}", f"weight {numeral(right)}"),
        lab=SLUG,
        settings={"distractors": min(near, MOST_DISTRACTORS), "drawn": [others, lead, near]},
        level=2,
    )  # fmt: skip


def second_dilution(question: Question) -> float:
    """torch's attention, with the identity's first column as values."""
    others, lead, near = question.settings["drawn"]
    keys = torch.tensor([[float(lead)], *[[lead - 1.0]] * near, *[[0.0]] * (others - near)], dtype=torch.float64)
    values = torch.zeros(others + 1, 1, dtype=torch.float64)
    values[0] = 1
    return F.scaled_dot_product_attention(torch.ones(1, 1, 1, dtype=torch.float64), keys[None], values[None], scale=1.0).item()


def ask_yield(rng: random.Random) -> Question:
    while True:
        found, read, guess = rng.choice([60, 70, 75, 80, 85, 90, 95]), rng.choice([50, 60, 64, 70, 80, 90]), rng.choice([0, 0, 10, 20])
        right = (found * read + (100 - found) * guess) / 100
        mistakes = [
            Mistake("recall-alone", found, "A passage that was found is not yet read rightly."),
            Mistake("reading-alone", read, "This holds only where the passage was found."),
            Mistake("mean-of-both", (found + read) / 2, "The two steps follow each other: shares multiply."),
            Mistake("missed-is-wrong", found * read / 100, "Where the passage is missing, some answers are right by luck or memory."),
            Mistake("guess-always-added", found * read / 100 + guess, "Guessing helps only where the passage was not found."),
            Mistake("both-fail", 100 - (100 - found) * (100 - read) / 100, "This is the chance that one of the two steps works."),
        ]
        options = number_options(rng, right, "Found and read, plus not found and guessed.", mistakes, unit="%")
        if options:
            break
    lucky = f", and in {guess}% of cases without it" if guess else ", and never without it"
    return Question(
        form=Form.CHOICE,
        prompt=f"Search puts the right passage among those in the prompt in {found}% of cases. The reader answers rightly in {read}% of cases when it is there{lucky}. What share of questions is answered rightly?",
        answer="Both factors multiply; recall of the search alone says little.",
        options=options,
        working=(f"${found / 100}\\cdot{read / 100}={numeral(found * read / 1e4)}$", f"${numeral((100 - found) / 100)}\\cdot{guess / 100}={numeral((100 - found) * guess / 1e4)}$", f"together {numeral(right)}%"),
        lab=SLUG,
        settings={"drawn": [found, read, guess]},
        level=1,
    )  # fmt: skip


def second_yield(question: Question) -> float:
    """Ten thousand questions, laid out in a square and counted."""
    found, read, guess = question.settings["drawn"]
    return sum(column < (read if row < found else guess) for row in range(100) for column in range(100)) / 100


def ask_layout(rng: random.Random) -> Question:
    while True:
        count = rng.randint(6, 12)
        place = rng.randint(2, count - 1)
        order = best_at_the_ends(count)
        right = order[place - 1]
        mistakes = [
            Mistake("best-first", place, "This is plain falling order; then the second best stands where it is read worst."),
            Mistake("best-last", count + 1 - place, "This is rising order."),
            Mistake("ends-exchanged", order[::-1][place - 1], "The best stands first and the second best last, not the other way round."),
            Mistake("best-in-the-middle", count + 1 - right, "This puts the best into the middle and the weakest at the ends."),
            Mistake(
                "other-half",
                [*range(1, count + 1, 2), *range(2, count + 1, 2)][place - 1],
                "The even ranks are laid from the back, so that they fall towards the middle.",
            ),
        ]
        options = number_options(rng, right, "Odd ranks from the front, even ranks from the back.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"{count} reranked passages are laid out so that the strongest lie at the ends: the best first, the second best last, and so on towards the middle. Which rank stands at place {place}?",
        answer="Odd ranks run down from the front, even ranks from the back.",
        options=options,
        working=("order: " + ", ".join(map(str, order)),),
        lab=SLUG,
        settings={"drawn": [count, place]},
        level=1,
    )


def second_layout(question: Question) -> int:
    """Places are given away one by one, from the front and from the back in turn."""
    count, place = question.settings["drawn"]
    free, ranks = list(range(1, count + 1)), {}
    for rank in range(1, count + 1):
        ranks[free.pop(0 if rank % 2 else -1)] = rank
    return ranks[place]


questions = {"diluted-weight": ask_dilution, "found-and-read": ask_yield, "strongest-at-the-ends": ask_layout}
second = {"diluted-weight": second_dilution, "found-and-read": second_yield, "strongest-at-the-ends": second_layout}
