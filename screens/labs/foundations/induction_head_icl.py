"""Induction heads and learning in the prompt

A line of letters repeats itself. Nothing in the weights can know the letters, they were drawn a moment ago; whoever predicts
the second showing has *learned in the prompt*. The best understood way to do it is an **induction head**: look for an earlier
occurrence of this letter, and say what followed it.

The networks here have attention and nothing else, one layer or two, two heads each, width 48. They were trained on lines whose
stretch of different letters repeats after a distance that is random (6 to 24 letters) or always 16. Ten moments of each
training run are kept, so you can walk through it.

With random distances the match must go by content, and that takes two layers: a head of the first writes into every position
which letter stood before it, a head of the second looks for the position whose *predecessor* is the present letter. With a
fixed distance no match is needed: "16 back, one on" is a place, and one layer finds it.

The induction score is the prefix-matching score of Olsson et al. (2022): the weight on what followed earlier occurrences. It
describes where a head looks; silencing the head shows whether that matters. In large models the same heads are found, but there
the evidence that they make in-context learning is mostly correlation.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.questions import Form, Question
from models import checkpoints
from models.attention import Heads
from models.attention_only import AttentionOnly, AttentionOnlyConfig, losses, repeated
from models.decoder import without
from models.head_patterns import induction_keys, offset_keys, same_keys, weight_on
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import AttentionView, Strip, TokenStrip

TOPIC = "in-context-learning"
REFERENCE = "the prefix-matching score of Olsson et al. (2022) in plain loops; nn.MultiheadAttention; Llama's rotary embedding"
MECHANISM = (AttentionOnly.look, repeated, losses, induction_keys, weight_on, without)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2"><path d="M14 10v66h136" opacity=".45"/>
<path d="M80 12v62" stroke-dasharray="2 5" opacity=".6"/><path d="M18 26c12-3 22 3 34-1s18 2 28-1l6 2c6 30 8 44 18 46h46" stroke="#d4620f" stroke-width="4"/>
<path d="M18 24c12 2 22-2 34 1s18-2 28 0c14 6 40 12 70 16" stroke="#1f77c9" stroke-width="3" stroke-dasharray="7 5"/></svg>"""

SLUG = "induction-head-icl"
LINES = 24  # lines of letters that every measure is the mean of
TRAINED_ON = 64  # letters per training line
STEPS = (0, 50, 100, 150, 200, 250, 300, 400, 600, 800)
LETTERS = 26
GUESS = math.log(LETTERS)
SILENCE = {"none": "none", "previous": "best previous-letter head", "induction": "best induction head"}
DISTANCES = {"random": "random, 6 to 24", "fixed": "always 16"}
LAYERS = (1, 2)
DEPTH = {1: "one layer", 2: "two layers"}
Place = tuple[int, int]  # layer, head


@dataclass(frozen=True)
class Moment:
    """One network at one step of its training."""

    copies: float  # nats per letter from the second showing on, its first letter left out
    induction: float  # the best head's score


@dataclass(frozen=True)
class Result:
    layers: int
    distance: str
    step: int
    length: int
    showings: int
    nll: Mapping[int, Tensor]  # layers -> (T-1,) mean loss at each predicted letter, of the same distance and step
    history: Mapping[int, tuple[Moment, ...]]  # layers -> one entry per step of STEPS, nothing silenced
    scores: Mapping[str, np.ndarray]  # pattern -> (L, H)
    silenced: Place | None
    line: list[str]  # the first line's letters
    right: Tensor  # (T-1,) probability of its right next letter
    guesses: list[str]  # what was likeliest instead
    weights: np.ndarray  # (L, H, T, T) of this line
    vectors: dict[Place, tuple[np.ndarray, np.ndarray]]

    @property
    def copies(self) -> float:
        """Loss on the later showings with everything that is set here, silenced heads included."""
        return later(self.nll[self.layers], self.length)

    @property
    def last_showing(self) -> float:
        return float(self.nll[self.layers][-self.length + 1 :].mean())

    @property
    def second_showing(self) -> float:
        return float(self.nll[self.layers][self.length : 2 * self.length - 1].mean())

    @property
    def first(self) -> float:
        return float(self.nll[self.layers][: self.length - 1].mean())

    @property
    def best(self) -> Place:
        return best_place(self.scores["induction"])

    def then(self, step: int) -> Moment:
        return self.history[self.layers][STEPS.index(step)]


def later(nll: Tensor, length: int) -> float:
    """Mean over all showings but the first. Entry t is the loss on letter t + 1; that a stretch is over, nobody can know the first time."""
    return float(nll[length:].mean())


def best_place(scores: np.ndarray) -> Place:
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    return layer, head


def compute(
    layers: Annotated[int, Choice({1: "one", 2: "two"}, label="Layers")] = 2,
    distance: Annotated[
        str, Choice(DISTANCES, label="Distance in training", help="How far apart the showings were in the training lines.")
    ] = "random",
    step: Annotated[int, Stops(*STEPS, label="Training step", help="A training step saw 32 lines of 64 letters.")] = 800,
    showings: Annotated[int, Slider(2, 5, label="Showings", help="How often the stretch stands in the line: one, and its shots.")] = 4,
    length: Annotated[int, Slider(4, 26, label="Letters in the stretch", help="The distance between showings in the lines that are read here.")] = 16,
    silence: Annotated[str, Choice(SILENCE, label="Silence", help="Zeros take the place of what this head said.")] = "none",
    seed: Annotated[int, Seed(label="Random letters")] = 0,
) -> Result:
    tokens = _lines(length, showings, seed)
    nll, line, heads, logits, scores, silenced = {}, [], [], tokens, {}, None
    for depth in LAYERS:
        model = _model(distance, depth, step)
        seen = model.look(tokens)
        if depth == layers:
            scores = _scores(seen[1], tokens)
            silenced = None if silence == "none" else best_place(scores["previous" if silence == "previous" else "induction"])
            seen = model.look(tokens, without([silenced])) if silenced else seen
            logits, heads = seen
        nll[depth] = losses(seen[0], tokens).mean(dim=0)
    p = logits[0, :-1].softmax(dim=-1)  # (T-1, V)
    line, guesses = (_letters(row) for row in (tokens[0], p.argmax(dim=-1)))
    return Result(
        layers=layers, distance=distance, step=step, length=length, showings=showings, nll=nll, history=_history(distance, length, seed),
        scores=scores, silenced=silenced, line=line, right=p.gather(1, tokens[0, 1:, None])[:, 0], guesses=guesses,
        weights=torch.stack([layer.weights[0] for layer in heads]).half().numpy(),
        vectors={(at, head): (layer.q[0, head].half().numpy(), layer.k[0, head].half().numpy()) for at, layer in enumerate(heads) for head in range(2)},
    )  # fmt: skip


def _lines(length: int, showings: int, seed: int) -> Tensor:
    return repeated(LINES, length * showings, length, LETTERS, torch.Generator().manual_seed(seed))


def _letters(tokens: Tensor) -> list[str]:
    return ["abcdefghijklmnopqrstuvwxyz"[token] for token in tokens.tolist()]


def _model(distance: str, layers: int, step: int) -> AttentionOnly:
    return checkpoints.load("induction").model[f"{distance}_{layers}_{step}"]


def _scores(heads: list[Heads], tokens: Tensor) -> dict[str, np.ndarray]:
    """Each pattern's score for every head, the mean over the lines: (L, H)."""
    keys = {"previous": offset_keys(tokens.shape[1], -1), "same": same_keys(tokens)[:, None], "induction": induction_keys(tokens)[:, None]}
    return {name: torch.stack([weight_on(layer.weights, pattern).mean(dim=0) for layer in heads]).numpy() for name, pattern in keys.items()}


@functools.lru_cache(maxsize=64)
def _history(distance: str, length: int, seed: int) -> dict[int, tuple[Moment, ...]]:
    return {layers: tuple(_moment(_model(distance, layers, step), length, seed) for step in STEPS) for layers in LAYERS}


def _moment(model: AttentionOnly, length: int, seed: int) -> Moment:
    tokens = _lines(length, 2, seed)[:12]
    logits, heads = model.look(tokens)
    return Moment(later(losses(logits, tokens).mean(dim=0), length), float(_scores(heads, tokens)["induction"].max()))


def figures(result: Result) -> dict[str, Any]:
    copies = {DEPTH[layers]: [moment.copies for moment in result.history[layers]] for layers in LAYERS}
    scores = {DEPTH[layers]: [moment.induction for moment in result.history[layers]] for layers in LAYERS}
    here = [(result.step, f"step {result.step}")]
    strong = DEPTH[result.layers]
    return {
        "Loss at each position: one layer beside two": _positions(result),
        "What it predicts, letter by letter": _strip(result),
        "Loss on the second showing while it learns": lines(
            STEPS, copies, x_axis=axis("training step"), y_axis=axis("nats per letter"), strong=strong, upright=here,
            across=[(GUESS, f"ln 26 = {numeral(GUESS)}: guessing")],
        ),
        "The best head's induction score while it learns": lines(
            STEPS, scores, x_axis=axis("training step"), y_axis=axis("induction score", span=(0, 1.05)), strong=strong, upright=here
        ),
        "What each head looks at": _patterns(result),
        "The heads on the first line": _view(result),
    }  # fmt: skip


def _positions(result: Result) -> Any:
    places = np.arange(2, result.length * result.showings + 1)
    starts = [(showing * result.length + 1, f"showing {showing + 1}") for showing in range(1, result.showings)]
    return lines(
        places, {DEPTH[layers]: result.nll[layers] for layers in LAYERS}, x_axis=axis("letter of the line"), y_axis=axis("nats per letter"),
        strong=DEPTH[result.layers], markers=False, across=[(GUESS, f"ln 26 = {numeral(GUESS)}: guessing")], upright=starts,
    )  # fmt: skip


def _strip(result: Result) -> TokenStrip:
    rows = []
    shares = [0.0, *result.right.tolist()]  # nothing predicts the first letter
    guesses = ["", *result.guesses]
    for showing in range(result.showings):
        part = range(showing * result.length, (showing + 1) * result.length)
        notes = [
            f"The right letter “{result.line[at]}” had {shares[at]:.2f}; likeliest was “{guesses[at]}”." if at else "Nothing comes before."
            for at in part
        ]
        rows.append(
            Strip(
                f"showing {showing + 1}",
                [result.line[at] for at in part],
                [shares[at] for at in part],
                [f"{shares[at]:.2f}" if at else "–" for at in part],
                notes,
            )
        )
    return TokenStrip(rows, value_name="probability of this letter before it came")


def _patterns(result: Result) -> Any:
    series = {name: scores.flatten() for name, scores in result.scores.items()}
    heads = [f"layer {layer}, head {head}" for layer in range(result.layers) for head in range(2)]
    return bars(heads, series, x_axis=axis(), y_axis=axis("mean weight on the pattern", span=(0, 1.05)))


def _view(result: Result) -> AttentionView:
    names = {}
    for place in np.ndindex(result.scores["induction"].shape):
        name = max(result.scores, key=lambda name: result.scores[name][place])
        if result.scores[name][place] >= 0.3:
            names[place] = {"previous": "previous letter", "same": "same letter", "induction": "induction"}[name]
    silenced = frozenset([result.silenced] if result.silenced else [])
    return AttentionView(result.line, result.weights, causal=True, head=result.best, vectors=result.vectors, names=names, silenced=silenced)


def facts(result: Result) -> dict[str, float]:
    return {
        "layers": result.layers,
        "step": result.step,
        "length": result.length,
        "showings": result.showings,
        "first showing": result.first,
        "later showings": result.copies,
        "guessing": GUESS,
        "score": float(result.scores["induction"].max()),
        "layer": result.best[0],
        "head": result.best[1],
        "silenced layer": result.silenced[0] if result.silenced else 0,
        "silenced head": result.silenced[1] if result.silenced else 0,
        "trained on": TRAINED_ON,
    }


def says(result: Result) -> str:
    where = "at random distances" if result.distance == "random" else "at a fixed distance"
    silenced = f" With layer {result.silenced[0]}, head {result.silenced[1]} silenced," if result.silenced else " Here"
    longer = f" The line is longer than the {TRAINED_ON} letters it was trained on." if result.length * result.showings > TRAINED_ON else ""
    return (
        f"{DEPTH[result.layers].capitalize()}, {result.step} steps {where}: the best induction score is {numeral(float(result.scores['induction'].max()))} (layer "
        f"{result.best[0]}, head {result.best[1]}).{silenced} a letter of the first showing costs {numeral(result.first)} nats and one of the later showings "
        f"{numeral(result.copies)}; guessing costs {numeral(GUESS)}.{longer}"
    )


TRY = [
    Experiment(
        title="One layer, random distances",
        settings={"layers": 1},
        ask="With random distances, two layers bring the loss on later showings from 3.3 nats down to 0.002. How far does one layer get in the same training?",
        options=("Just as far", "Nowhere: it stays at guessing", "It beats guessing, but a letter still costs more than a nat"),
        right=2,
        why="One layer can attend to earlier occurrences of the present letter, but what it reads there is that letter, not its successor: nobody has "
        "written the successor or the predecessor anywhere. It gains something in cruder ways: what was said a moment ago will not come again soon, so "
        "letters not heard for longest are better guesses.",
        look="The first picture: two lines that part where the second showing begins.",
        holds=lambda result: 1 < result.copies < GUESS - 0.5 and later(result.nll[2], result.length) < 0.1,
        tempting={0: "Width does not help: the match needs a step before it.", 1: "Copying is not the only thing to learn from a line that repeats."},
    ),
    Experiment(
        title="How does it come?",
        settings={"layers": 2, "step": 250},
        ask="The two-layer network needs 400 steps from 3.3 nats to 0.2. When does most of the fall happen?",
        options=("Evenly over the 400 steps", "In the first 100 steps, then slowly", "After a plateau, mostly between steps 150 and 300"),
        right=2,
        why="Until the first layer marks predecessors, the second layer's match is useless, and the other way round: neither is worth much alone. Once both "
        "begin to exist, each makes the other pay, and the loss drops with the induction score rising. In large models a bump in the loss curve at the "
        "moment when induction heads form is the best known sign of them.",
        look="The third and fourth picture: the loss falls where the score rises.",
        holds=lambda result: result.then(0).copies - result.then(150).copies < 0.8 and result.then(150).copies - result.then(300).copies > 1.5,
        tempting={0: "That is how a single feature is learned; here two must meet."},
    ),
    Experiment(
        title="A fixed distance, one layer",
        settings={"layers": 1, "distance": "fixed"},
        ask="Now the distance in training was always 16, and the lines here repeat after 16 letters too. What does one layer do?",
        options=("Still more than a nat: induction takes two layers", "It copies nearly perfectly"),
        right=1,
        why="The source of the next letter always lies 15 places back. A head that attends by relative position needs no match and no second layer. Its "
        "induction *score* is high all the same, because that place holds what followed the earlier occurrence.",
        look="The first picture, and the last: a clean diagonal in one layer.",
        holds=lambda result: result.copies < 0.1 and float(result.scores["induction"].max()) > 0.5,
        tempting={0: "Two layers are needed for a match by content. Nothing forces a match here."},
    ),
    Experiment(
        title="Take the distance away",
        settings={"layers": 1, "distance": "fixed", "length": 20},
        ask="The same network, trained at distance 16, reads lines that repeat after 20 letters. What does a letter of the later showings cost?",
        options=("About as little as at 16", "About 3.3 nats, as much as guessing", "Much more than guessing"),
        right=2,
        why="It still looks 15 places back and copies with full confidence what stands there: confidently wrong is worse than not knowing. A high "
        "induction score on one kind of text did not mean that the head matches anything. Only a change of the text, or of the head, could tell.",
        look="The first picture: the line of one layer rises above the dotted one. The two-layer network of this training fails as well.",
        holds=lambda result: result.copies > GUESS + 2,
        tempting={0: "That is what the network trained at random distances does.", 1: "It would have to notice that something is wrong."},
    ),
    Experiment(
        title="Silence the previous-letter head",
        settings={"silence": "previous"},
        ask="In the two-layer network, silence one first-layer head: the one that reads the letter before. It never looks at the answer. What happens to the later showings?",
        options=("Little: the induction heads are still there", "They cost more than three nats again", "They cost about one nat"),
        right=1,
        why="The second layer looks for the position whose predecessor is the present letter. The mark that says so came from the first layer.",
        look="The first picture: the line of two layers no longer falls. In the last the induction head's diagonal is broken.",
        holds=lambda result: result.copies > 2.5 and result.silenced is not None and result.silenced[0] == 0,
        tempting={0: "A head is only as good as what it can read."},
    ),
    Experiment(
        title="More shots",
        settings={"step": 250, "showings": 4},
        ask="At step 250 the two-layer network half knows how to copy. Is the *last* of four showings cheaper than the second?",
        options=("No: once is enough to copy from", "Yes, clearly cheaper", "No, it costs more: more letters distract"),
        right=1,
        why="Each showing is one more place where the match can succeed, and the weights on all of them add up to the same letter. A trained circuit needs one "
        "shot; a weak one gains from more. The weights of the network are the same at every showing: only what stands in the prompt grew.",
        look="The first picture: steps down from showing to showing.",
        holds=lambda result: result.last_showing < 0.75 * result.second_showing,
        tempting={0: "True at step 800."},
    ),
]


def verify() -> list[Check]:
    """Scores against plain loops, attention against torch's module without positions, and rotated scores against Llama's rotation."""
    from transformers.models.llama.modeling_llama import LlamaConfig, LlamaRotaryEmbedding, apply_rotary_pos_emb

    tokens = repeated(2, 40, 9, LETTERS, torch.Generator().manual_seed(5))
    model = _model("random", 2, 800)
    _, heads = model.look(tokens)
    found = weight_on(heads[1].weights, induction_keys(tokens)[:, None])
    looped = torch.tensor([[_prefix_matching(heads[1].weights[line, head], tokens[line].tolist()) for head in range(2)] for line in range(2)])

    attention, x = model.blocks[0].attention, model.blocks[0].norm(model.embedding(tokens))
    T = tokens.shape[1]
    unrotated = AttentionOnly(AttentionOnlyConfig(LETTERS)).blocks[0].attention
    unrotated.load_state_dict(attention.state_dict())
    unrotated.rotary_base = None
    theirs = _torch_attention(attention)
    hidden = torch.ones(T, T, dtype=torch.bool).triu(1)
    with torch.no_grad():
        said, own = unrotated(x, mask=~hidden)
        expected, weights = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)

    config = LlamaConfig(hidden_size=48, num_attention_heads=2, rope_parameters={"rope_type": "default", "rope_theta": model.config.rotary_base})
    cos, sin = LlamaRotaryEmbedding(config)(x, torch.arange(T)[None])
    q, k = apply_rotary_pos_emb(own.q, own.k, cos, sin)
    through = F.scaled_dot_product_attention(q, k, torch.eye(T).expand(2, 2, T, T), is_causal=True)
    return [
        Check("induction score of the trained heads", "prefix matching in plain loops", (found - looped).abs().max().item(), 1e-6),
        Check("weights of the trained first layer, no positions", "nn.MultiheadAttention, weights copied", (own.weights - weights).abs().max().item(), 1e-6),
        Check("its output", "nn.MultiheadAttention, weights copied", (said - expected).abs().max().item(), 1e-5),
        Check("weights of the trained first layer, rotated", "Llama's rotary embedding, then F.scaled_dot_product_attention", (heads[0].weights - through).abs().max().item(), 1e-5),
    ]  # fmt: skip


def _prefix_matching(weights: Tensor, letters: list[int]) -> float:
    """Per letter that occurred before: the weight on everything that stood right after an earlier occurrence. Then the mean."""
    found = []
    for now, letter in enumerate(letters):
        places = [before + 1 for before in range(now) if letters[before] == letter]
        if places:
            found.append(sum(float(weights[now, place]) for place in places))
    return sum(found) / len(found)


def _torch_attention(ours: Any) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(ours.query.weight.shape[0], ours.heads, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
    return theirs.eval()


# Computed questions


def ask_target(rng: random.Random) -> Question:
    while True:
        pool = rng.sample("abcdefghkmnprstuwxyz", 6)
        first = rng.choices(pool, k=rng.randint(6, 8))
        last = rng.choice(first[:-2])
        word = [*first, last]
        tokens = torch.tensor([ord(letter) for letter in word])
        keys = torch.nonzero(induction_keys(tokens)[-1])[:, 0].tolist()
        if len(keys) != 1 or word[keys[0]] == last:
            continue
        place = keys[0]
        right = word[place]
        mistakes = [
            Mistake("same-letter", last, "That is what the head matches, not what it copies: it would be a duplicate-token head."),
            Mistake(
                "the-one-before",
                word[place - 2] if place >= 2 else word[-2],
                "That stood *before* the earlier occurrence; what followed it is copied.",
            ),
            Mistake("previous-letter", word[-2], "That is what a previous-token head reads."),
            Mistake("first-letter", word[0], "Heads with nothing to do rest on the first token; this one has something to do."),
        ]
        options = number_options(rng, right, "The letter after the earlier occurrence of the last one.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A line reads `{' '.join(word)}`. Which letter does a perfect induction head make likely to come next?",
        answer="It looks one place after the earlier occurrence of the last letter and copies what stands there.",
        options=options,
        working=(f"the last letter, {last}, stood at place {place} before", f"after it, at place {place + 1}, stands {right}"),
        lab=SLUG,
        settings={"drawn": word},
        level=1,
    )


def second_target(question: Question) -> str:
    """The same by searching in text."""
    word = "".join(question.settings["drawn"])
    return word[word[:-1].rindex(word[-1]) + 1]


def ask_score(rng: random.Random) -> Question:
    while True:
        a, b = rng.sample("abcdefghkm", 2)
        rows = [_shares(rng, 3), _shares(rng, 4)]
        weights = torch.zeros(4, 4, dtype=torch.float64)
        weights[0, 0], weights[1, :2] = 1, torch.tensor([0.5, 0.5])
        weights[2, :3], weights[3, :] = torch.tensor(rows[0]) / 10, torch.tensor(rows[1]) / 10
        tokens = torch.tensor([0, 1, 0, 1])
        right = float(weight_on(weights, induction_keys(tokens)))
        mistakes = [
            Mistake(
                "same-token",
                float(weight_on(weights, same_keys(tokens))),
                "This is the weight on the earlier occurrences themselves; the score asks for what followed them.",
            ),
            Mistake("previous-token", float((weights[2, 1] + weights[3, 2] + weights[1, 0]) / 3), "This is the previous-token score."),
            Mistake("sum", 2 * right, "This adds the two queries; the score is their mean."),
            Mistake("all-queries", right / 2, "This divides by all four queries; only those with an earlier occurrence count."),
        ]
        options = number_options(rng, right, "The mean over the two letters that occurred before.", mistakes)
        if options:
            break
    third, fourth = (", ".join(f"0.{share}" for share in row) for row in rows)
    return Question(
        form=Form.CHOICE,
        prompt=f"On the line `{a} {b} {a} {b}` a head's weights on places 1, 2, ... are $({third})$ for the third letter and $({fourth})$ for the fourth. What is its "
        "induction (prefix-matching) score on this line?",
        answer="For each letter that occurred before, the weight on the place after that occurrence; then the mean.",
        options=options,
        working=(
            f"third letter, {a}: occurred at 1, so place 2: {numeral(float(weights[2, 1]))}",
            f"fourth letter, {b}: occurred at 2, so place 3: {numeral(float(weights[3, 2]))}",
            f"mean: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"length": 4, "showings": 2, "drawn": [f"{a}{b}{a}{b}", weights.tolist()]},
        level=2,
    )


def _shares(rng: random.Random, count: int) -> list[int]:
    """Tenths, each at least one, that sum to ten."""
    cuts = sorted(rng.sample(range(1, 10), count - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, 10], strict=True)]


def second_score(question: Question) -> float:
    word, weights = question.settings["drawn"]
    return _prefix_matching(torch.tensor(weights, dtype=torch.float64), [ord(letter) for letter in word])


questions = {"induction-target": ask_target, "prefix-score": ask_score}
second = {"induction-target": second_target, "prefix-score": second_score}
