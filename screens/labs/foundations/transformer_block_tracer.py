"""Follow one sentence through a block

A sentence goes into a stack of Transformer blocks, and after every step a note is taken: which shape the tensor has, how long a
token's vector is, and how alike the vectors of different tokens are.

The frame around a sub-layer is the thing to play with. As published it is $\\mathrm{LayerNorm}(x+\\mathrm{Sublayer}(x))$
(post-norm); later models compute $x+\\mathrm{Sublayer}(\\mathrm{LayerNorm}(x))$ (pre-norm). And one may leave the $x+$ out
altogether.

The stacks are **untrained**: Glorot's start, as a training would begin, every word a random vector times $\\sqrt{d_{model}}$ plus its
sinusoidal position. So this is about what the architecture does before anything is learned, and whether a signal survives the depth.
The decoder reads the same sentence, one place to the right (it starts with ⟨s⟩), behind a causal mask, and looks across at what the
encoder made of it. The inner width is $d_{ff}=4d_{model}$.

Attention averages, and averages of averages grow alike. What keeps the tokens of a deep untrained stack apart, and for how many layers: the
residual connection, the norm, the place of the norm? Change one of them at a time and watch the mean cosine.
"""

from __future__ import annotations

import functools
import random
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.questions import Form, Question
from models.attention import scaled_dot_product
from models.sinusoidal import sinusoids
from models.transformer_block import Frame, Layer, Step, attend, cosines, mean_cosine, stack, start_even, through
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Text, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Playback, Swept
from screens.labs.pictures import Frame as Still

TOPIC = "transformer-architecture"
REFERENCE = "torch.nn.TransformerEncoderLayer and torch.nn.TransformerDecoderLayer with copied weights"
MECHANISM = (Frame.wrap, Layer.forward, attend, through, mean_cosine)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M10 45h24m24 0h14m34 0h44" stroke="#1f77c9" stroke-width="3"/><rect x="34" y="32" width="24" height="26" rx="5"/><circle cx="80" cy="45" r="8" stroke="#d4620f" stroke-width="3"/>
<path d="M80 40v10m-5-5h10" stroke="#d4620f" stroke-width="3"/><path d="M20 45C20 6 80 6 80 36" stroke="#d4620f" stroke-width="3" stroke-dasharray="6 4"/><rect x="96" y="30" width="12" height="30" rx="4" stroke="#0f9d77" stroke-width="3"/>
<path d="M122 38l8 7-8 7M122 70l26-2M122 74l26-1M122 78h26" stroke="#0f9d77"/></svg>"""

SLUG = "transformer-block-tracer"
DEEPEST = 12
WORDS = 10  # of the text; two marks stand around them
WIDTHS = (8, 16, 32, 64, 128)
START, END = "⟨s⟩", "⟨/s⟩"
SAMPLES = {"A sentence": "The keys near the boat are heavy", "A word again and again": "row row row your boat", "Two words": "Hello there"}
NORMS = {"post": "post-norm (published)", "pre": "pre-norm"}
STACKS = {"encoder": "the encoder", "decoder": "the decoder"}
FRAMES = {
    "post-norm": Frame("post", True),
    "pre-norm": Frame("pre", True),
    "post, no residual": Frame("post", False),
    "pre, no residual": Frame("pre", False),
}


@dataclass(frozen=True)
class Result:
    tokens: list[str]
    left_out: int  # words of the text that were not read
    which: str
    width: int
    heads: int
    frame: str  # a name of FRAMES
    start: Tensor  # (T, C) the vectors that go in
    layers: list[list[Step]]
    alike: Mapping[str, list[float]]  # frame -> mean cosine before the first layer and after each
    lengths: Mapping[str, list[float]]  # frame -> mean length of a token's vector, likewise

    @property
    def steps(self) -> list[Step]:
        return [step for layer in self.layers for step in layer]

    @property
    def end(self) -> float:
        return self.alike[self.frame][-1]

    @property
    def collapsed(self) -> int | None:
        """The first layer after which the mean cosine is above 0.95."""
        return next((at for at, value in enumerate(self.alike[self.frame]) if value > 0.95), None)


def compute(
    text: Annotated[str, Text(label="Sentence", limit=120, samples=SAMPLES, help="Its first ten words are read.")] = SAMPLES["A sentence"],
    which: Annotated[str, Choice(STACKS, label="Follow it through")] = "encoder",
    layers: Annotated[int, Slider(1, DEEPEST, 1, label="Layers")] = 6,
    width: Annotated[int, Stops(*WIDTHS, label="Width d_model")] = 64,
    heads: Annotated[int, Stops(1, 2, 4, 8, label="Heads")] = 4,
    norm: Annotated[str, Choice(NORMS, label="Where the norm stands")] = "post",
    residual: Annotated[bool, Toggle(label="Residual connections")] = True,
    seed: Annotated[int, Seed(label="Random weights and word vectors")] = 0,
) -> Result:
    words = _words(text)
    source = [START, *words[:WORDS], END]
    x = _vectors(source, width, seed)[None]  # (1, S, C)
    frame = next(name for name, its in FRAMES.items() if its == Frame(norm, residual))  # type: ignore[arg-type]
    tokens = source if which == "encoder" else source[:-1]
    with torch.inference_mode():
        traced = {name: _through(which, x, layers, heads, seed, its) for name, its in FRAMES.items()}
    start = x[:, : len(tokens)]
    return Result(
        tokens=tokens, left_out=max(len(words) - WORDS, 0), which=which, width=width, heads=heads, frame=frame, start=start[0], layers=traced[frame],
        alike={name: [float(mean_cosine(out)) for out in _outs(start, steps)] for name, steps in traced.items()},
        lengths={name: [float(out.norm(dim=-1).mean()) for out in _outs(start, steps)] for name, steps in traced.items()},
    )  # fmt: skip


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _vectors(words: Sequence[str], C: int, seed: int) -> Tensor:
    """A word's vector is drawn from its spelling, with entries of standard deviation 1/√C; times √C, plus the position."""
    table = [torch.randn(C, generator=torch.Generator().manual_seed(zlib.crc32(f"{seed} {word}".encode()))) / C**0.5 for word in words]
    return C**0.5 * torch.stack(table) + sinusoids(torch.arange(len(words)), C)


def _through(which: str, x: Tensor, layers: int, heads: int, seed: int, frame: Frame) -> list[list[Step]]:
    encoder = _stack(x.shape[-1], heads, seed, cross=False)[:layers]
    read = through(encoder, x, frame=frame)
    if which == "encoder":
        return read
    decoder = _stack(x.shape[-1], heads, seed, cross=True)[:layers]
    memory = read[-1][-1].out
    if frame.norm == "pre":  # nothing has normalised the stream itself; without this last norm the cross-attention would shout
        memory = nn.functional.layer_norm(memory, memory.shape[-1:])
    return through(decoder, x[:, :-1], memory=memory, frame=frame)


@functools.lru_cache(maxsize=16)
def _stack(width: int, heads: int, seed: int, *, cross: bool) -> list[nn.Module]:
    """Of the full depth; fewer layers are its first ones, so the slider changes nothing but where one stops."""
    made = stack(DEEPEST, width, heads, 4 * width, cross=cross)
    start_even(made, torch.Generator().manual_seed(seed + 10_000 * cross))
    return list(made.requires_grad_(False))


def _outs(start: Tensor, layers: list[list[Step]]) -> list[Tensor]:
    return [start, *(steps[-1].out for steps in layers)]


def figures(result: Result) -> dict[str, Any]:
    return {
        "Through the first layer, step by step": _flow(result),
        "How alike the tokens become": _alike(result),
        "Which tokens point the same way, layer by layer": _cosines(result),
        "The length of a token's vector": _lengths(result),
        "What each sub-layer says, against what came in": _said(result),
    }


def _flow(result: Result) -> Playback:
    rows = [(("sentence", f"({len(result.tokens)}, {result.width})", _size(result.start), _like(result.start)), _begin(result))]
    for step in result.layers[0]:
        rows += _stages(result, step)
    names = [cells[0] for cells, _ in rows]
    frames = [
        Still(says, [[Cell(text, mark=at == now) for text in cells[1:]] if at <= now else [None] * 3 for at, (cells, _) in enumerate(rows)])
        for now, (_, says) in enumerate(rows)
    ]
    return Playback(
        frames, row_names=names, column_names=("shape", "mean length", "mean cosine"), start=len(frames) - 1, height=max(300, 60 + 34 * len(rows))
    )


def _begin(result: Result) -> str:
    return f"{len(result.tokens)} tokens, each a vector of {result.width} numbers: the word's own, times √{result.width}, plus its position's."


def _size(x: Tensor) -> str:
    return f"{float(x.norm(dim=-1).mean()):.2f}"


def _like(x: Tensor) -> str:
    return f"{float(mean_cosine(x)):.2f}"


Row = tuple[tuple[str, str, str, str], str]


def _stages(result: Result, step: Step) -> list[Row]:
    """The rows of one sub-layer: what is computed, its shape, and (where tokens have vectors of the full width) length and cosine."""
    frame, C = FRAMES[result.frame], result.width
    T, F_ = len(result.tokens), 4 * result.width

    def full(name: str, x: Tensor, says: str) -> Row:
        return (name, f"({T}, {C})", _size(x), _like(x)), says

    def inner(name: str, shape: tuple[int, ...], says: str) -> Row:
        return (name, str(shape), "", ""), says

    rows: list[Row] = []
    if frame.norm == "pre":
        rows.append(
            full(
                "LayerNorm",
                nn.functional.layer_norm(step.x[0], (C,)),
                "Pre-norm: the sub-layer reads a normalised copy. The stream itself is left alone.",
            )
        )
    if step.heads is not None:
        H, D, S = step.heads.q.shape[1], step.heads.q.shape[3], step.heads.k.shape[2]
        asked = "from the decoder, keys and values from the encoder" if step.name == "cross-attention" else "queries, keys and values"
        rows += [
            inner(f"{step.name}: q, k, v", (H, T, D), f"{H} heads get {D} numbers each: {asked}."),
            inner("weights", (H, T, S), f"In each head every one of {T} queries shares a weight of 1 over {S} keys."),
            inner("heads speak", (H, T, D), "Each head averages its values with these weights."),
            full("joined, times W_O", step.said[0], "The heads are laid side by side again and mixed."),
        ]
    else:
        rows += [
            inner("feed-forward: W₁, ReLU", (T, F_), f"Each token alone is widened to {F_} numbers, and the negative ones become 0."),
            full("W₂", step.said[0], "And narrowed again."),
        ]
    if frame.residual:
        rows.append(
            full("added to what came in", step.x[0] + step.said[0], "The residual connection: the sub-layer's word is added, nothing is replaced.")
        )
    if frame.norm == "post":
        rows.append(full("LayerNorm", step.out[0], f"Every token's vector gets mean 0 and spread 1, so its length is √{C} = {C**0.5:.2f}."))
    return rows


def _layers(result: Result) -> list[int]:
    return list(range(len(result.layers) + 1))


def _alike(result: Result) -> Any:
    return lines(
        _layers(result), result.alike, x_axis=axis("after layer"), y_axis=axis("mean cosine of two tokens", span=(-0.15, 1.08)), strong=result.frame,
        across=[(1, "all the same direction")],
    )  # fmt: skip


def _cosines(result: Result) -> Swept:
    outs = [out[0] for out in _outs(result.start[None], result.layers)]
    names = [f"{at}: {word[:10]}" for at, word in enumerate(result.tokens)]
    says = [
        f"After layer {at} the mean cosine is {float(mean_cosine(out)):.2f}." if at else f"Going in, it is {float(mean_cosine(out)):.2f}."
        for at, out in enumerate(outs)
    ]
    frames = np.stack([cosines(out).numpy() for out in outs])
    return Swept("after layer", _layers(result), frames, kind="heat", x=names, series=names, says=says, start=len(outs) - 1, height=380)


def _lengths(result: Result) -> Any:
    most = max(max(values) for values in result.lengths.values())
    return lines(
        _layers(result), result.lengths, x_axis=axis("after layer"), y_axis=axis("mean length", span=(0, 1.1 * most)), strong=result.frame,
        across=[(result.width**0.5, f"√{result.width}")],
    )  # fmt: skip


SHORT = {"self-attention": "self", "masked self-attention": "self", "cross-attention": "cross", "feed-forward": "FFN"}


def _said(result: Result) -> Any:
    labels = [f"{at} {SHORT[step.name]}" for at, layer in enumerate(result.layers, 1) for step in layer]
    sizes = {"came in": [step.x for step in result.steps], "said": [step.said for step in result.steps]}
    series = {name: [float(x.norm(dim=-1).mean()) for x in xs] for name, xs in sizes.items()}
    return bars(labels, series, x_axis=axis("layer and sub-layer"), y_axis=axis("mean length of a token's vector"))


def facts(result: Result) -> dict[str, float]:
    return {
        "tokens": len(result.tokens),
        "left out": result.left_out,
        "layers": len(result.layers),
        "width": result.width,
        "heads": result.heads,
        "head size": result.width // result.heads,
        "cosine at first": result.alike[result.frame][0],
        "cosine": result.end,
        "with": result.alike[_other(result)][-1],
        "length": result.lengths[result.frame][-1],
    }


def _other(result: Result) -> str:
    """The same norm with the other choice of residual."""
    frame = FRAMES[result.frame]
    return next(name for name, its in FRAMES.items() if its == Frame(frame.norm, not frame.residual))


def says(result: Result) -> str:
    other = "Without the residual connections" if FRAMES[result.frame].residual else "With the residual connections"
    layers = "1 layer" if len(result.layers) == 1 else f"{len(result.layers)} layers"
    cut = f" Of the sentence, {result.left_out} words or signs at the end were left out." if result.left_out else ""
    head = "1 head" if result.heads == 1 else f"{result.heads} heads"
    return (
        f"{len(result.tokens)} tokens of width {result.width} ({head} of {result.width // result.heads}) went through {layers} of the untrained {result.which} with {result.frame}: "
        f"the mean cosine of two tokens went from {numeral(result.alike[result.frame][0])} to {numeral(result.end)}, and a vector's length is "
        f"{numeral(result.lengths[result.frame][-1])} at the end. {other} the cosine would be {numeral(result.alike[_other(result)][-1])}.{cut}"
    )


TRY = [
    Experiment(
        title="Take the residual away",
        settings={"residual": False, "layers": 2},
        ask="In the published frame, two tokens have a mean cosine of about 0.7 after two untrained layers; they came in with about 0.3. What is it when the sub-layers' outputs are no longer added to "
        "what came in, but replace it?",
        options=("About the same: the norm keeps the tokens apart", "About 0.85", "Above 0.98: all tokens point the same way"),
        right=2,
        why="At the start the attention weights are nearly even, so every token becomes about the same average of all tokens. With the residual connection the token's own "
        "vector is still in the sum; without it, only the average goes on, and the next layer averages the averages. LayerNorm works on each token alone and "
        "cannot bring back a difference that is gone.",
        look="The second picture: the two lines without residual reach the dotted limit within two layers. Sweep the third picture and see the whole map become one colour.",
        holds=lambda result: result.end > 0.98 and 0.6 < result.alike["post-norm"][-1] < 0.8 and 0.2 < result.alike["post-norm"][0] < 0.4,
        tempting={
            0: "The norm sets each vector's length, not its direction relative to the others.",
            1: "It is quicker than that: the averaging compounds with each layer.",
        },
    ),
    Experiment(
        title="Twelve layers of the published frame",
        settings={"layers": 12},
        ask="Now the residual connections stay, post-norm, and the untrained encoder has twelve layers. How alike are the tokens at the end?",
        options=("As different as they came in", "Half way: about 0.5", "Nearly all alike: above 0.95"),
        right=2,
        why="The residual connection slows the averaging down, it does not stop it: every post-norm divides the sum again, so the share of a token's own first vector shrinks layer by layer. "
        "In pre-norm nothing divides the stream: the share shrinks only as the sum grows, more slowly, and the tokens stay further apart. That an untrained stack behaves so says how it starts, not how it ends.",
        look="The second picture: the strong line bends up to the limit, the line of pre-norm stays below it.",
        holds=lambda result: result.end > 0.95 and result.alike["pre-norm"][-1] < result.end - 0.05,
        tempting={
            0: "The residual delays the collapse. Twelve layers are long enough to see it all the same.",
            1: "That is about where one layer stands.",
        },
    ),
    Experiment(
        title="Where does the stream grow?",
        settings={"norm": "pre", "layers": 12},
        ask="With pre-norm, nothing normalises the stream itself. What happens to the length of a token's vector over twelve layers?",
        options=("It stays at $\\sqrt{d_{model}}$", "It more than doubles", "It shrinks towards zero"),
        right=1,
        why="Each sub-layer reads a copy of standard length and adds something of a certain size; 24 additions in partly random directions let the sum grow. Post-norm puts every vector back to "
        "$\\sqrt{d_{model}}$ after each sub-layer. This is why pre-norm models have one more norm at the end of a stack.",
        look="The fourth picture: the strong line climbs, the one of post-norm lies on the dotted guide. In the fifth, what is said stays the same size while what comes in grows.",
        holds=lambda result: (
            result.lengths["pre-norm"][-1] > 2 * result.lengths["pre-norm"][0] and abs(result.lengths["post-norm"][-1] - result.width**0.5) < 0.01
        ),
        tempting={0: "That is post-norm, whose last act is always the norm.", 2: "Nothing scales the stream down: there are only additions."},
    ),
    Experiment(
        title="More heads",
        settings={"heads": 8},
        ask="The same width of 64, but eight heads in place of four. What happens to the tensor that leaves the attention sub-layer?",
        options=("It is twice as wide: eight heads speak", "It keeps its shape", "It is half as wide: each head has half the numbers"),
        right=1,
        why="The width is shared out: eight heads of 8 numbers, laid side by side, are 64 again. What doubles is the number of attention maps, and what halves is the room in which each head compares.",
        look="Step through the first picture: (8, 9, 8), weights (8, 9, 9), and then (9, 64) as before.",
        holds=lambda result: result.steps[0].said.shape == (1, 9, 64) and result.steps[0].heads.weights.shape == (1, 8, 9, 9),
        tempting={
            0: "Each head gets $d_{model}/h$ numbers, not $d_{model}$.",
            2: "Each head's part is half as wide, but there are twice as many parts.",
        },
    ),
]


def verify() -> list[Check]:
    """Encoder and decoder layers, both norms, against torch's own with the same weights, every parameter random."""
    checks = []
    for norm in NORMS:
        for cross in (False, True):
            ours = Layer(32, 4, 96, cross=cross)
            kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
            theirs = kind(32, 4, 96, dropout=0.0, batch_first=True, norm_first=norm == "pre").eval()
            generator = torch.Generator().manual_seed(7)
            with torch.no_grad():
                for parameter in ours.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
                _copy(ours, theirs)
                x, memory = torch.randn(2, 7, 32, generator=generator), torch.randn(2, 9, 32, generator=generator)
                mask = torch.ones(7, 7, dtype=torch.bool).tril() if cross else None
                mine = ours(x, memory if cross else None, mask, Frame(norm, True))[-1].out  # type: ignore[arg-type]
                expected = theirs(x, memory, tgt_mask=~mask) if mask is not None else theirs(x)
            name = f"{'a decoder' if cross else 'an encoder'} layer, {norm}-norm"
            checks.append(Check(name, f"torch.nn.{kind.__name__}", float((mine - expected).abs().max()), 1e-5))
    return checks


def _copy(ours: Layer, theirs: Any) -> None:
    attentions = [(theirs.self_attn, ours.attention)] + ([(theirs.multihead_attn, ours.cross)] if ours.cross is not None else [])
    for their, own in attentions:
        their.in_proj_weight.copy_(torch.cat([own.query.weight, own.key.weight, own.value.weight]))
        their.in_proj_bias.copy_(torch.cat([own.query.bias, own.key.bias, own.value.bias]))
        their.out_proj.load_state_dict(own.out.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.up.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.down.state_dict())
    for at, norm in enumerate(ours.norms, 1):
        getattr(theirs, f"norm{at}").load_state_dict(norm.state_dict())


# Computed questions; what was drawn travels in settings["drawn"].


def ask_frame(rng: random.Random) -> Question:
    """The first entry of what leaves one frame."""
    while True:
        x, said = [rng.randint(-3, 5) for _ in range(4)], [rng.randint(-3, 5) for _ in range(4)]
        norm = rng.choice(list(NORMS))
        tx, ts = torch.tensor(x, dtype=torch.float64), torch.tensor(said, dtype=torch.float64)
        both = tx + ts
        if min(float(row.std()) for row in (tx, ts, both)) < 0.5:
            continue
        normal = nn.LayerNorm(4, eps=0.0, dtype=torch.float64).requires_grad_(False)
        ends = {name: float(frame.wrap(tx, lambda _, ts=ts: ts, normal)[1][0]) for name, frame in FRAMES.items()}
        right = ends[f"{norm}-norm"]
        other = "pre-norm" if norm == "post" else "post-norm"
        mistakes = [
            Mistake("other-norm", ends[other], f"This is {other}: the norm stands in the other place."),
            Mistake("no-residual", ends[f"{norm}, no residual"], "This leaves out the input that is added."),
            Mistake(
                "normalised-then-added",
                float(tx[0] + normal(ts)[0]),
                "This normalises what the sub-layer said and then adds the input; the norm belongs around the sum, or before the sub-layer.",
            ),
            Mistake("sample-deviation", float((both[0] - both.mean()) / both.std()), "This divides by the deviation with $n-1$; LayerNorm uses $n$."),
            Mistake("mean-kept", float(both[0] / both.std(correction=0)), "This divides by the deviation without taking off the mean."),
        ]
        options = number_options(rng, right, "Add, and normalise where the frame says.", mistakes)
        if options:
            break
    where = "the original Transformer (post-norm)" if norm == "post" else "a pre-norm Transformer"
    mean, spread = float(both.mean()), float(both.std(correction=0))
    post = (
        f"mean {numeral(mean)}, standard deviation {numeral(spread)}",
        f"$({int(both[0])}-({numeral(mean)}))/{numeral(spread)}={numeral(right)}$",
    )
    return Question(
        form=Form.CHOICE,
        prompt=f"In {where}, a token's vector $x=({', '.join(map(str, x))})$ comes to a sub-layer, whose output for it is $({', '.join(map(str, said))})$. "
        "What is the **first entry** of what leaves the frame? (Gain 1, bias 0.)",
        answer="$\\mathrm{LayerNorm}(x+\\mathrm{Sublayer}(x))$"
        if norm == "post"
        else "$x+\\mathrm{Sublayer}(\\mathrm{LayerNorm}(x))$: the output given is already the sub-layer's, so only the sum is left.",
        options=options,
        working=(
            f"$x+\\mathrm{{Sublayer}}=({', '.join(str(int(value)) for value in both)})$",
            *(post if norm == "post" else (f"no norm follows: {numeral(right)}",)),
        ),
        lab=SLUG,
        settings={"norm": norm, "layers": 1, "drawn": [x, said, norm]},
        level=2,
    )


def second_frame(question: Question) -> float:
    """Plain arithmetic."""
    x, said, norm = question.settings["drawn"]
    both = [a + b for a, b in zip(x, said, strict=True)]
    if norm == "pre":
        return both[0]
    mean = sum(both) / 4
    return (both[0] - mean) / (sum((value - mean) ** 2 for value in both) / 4) ** 0.5


def ask_weights_shape(rng: random.Random) -> Question:
    """Counted on the weights of an attention that is really run."""
    while True:
        B, H, D = rng.choice((1, 2, 4)), rng.choice((2, 4, 8)), rng.choice((4, 8, 16))
        T, S, crossing = rng.randint(3, 12), rng.randint(3, 15), rng.random() < 0.6
        keys = S if crossing else T
        q, k = torch.zeros(B, H, T, D), torch.zeros(B, H, keys, D)
        right = scaled_dot_product(q, k, k)[1].numel()
        mistakes = [
            Mistake("one-head", right // H, "Every head has its own weights."),
            Mistake("one-text", right // B, "Every text of the batch has its own weights."),
            Mistake("head-size-in", B * H * T * D, "These are the numbers in the queries, (B, H, T, d/h). The weights go from queries to keys."),
            Mistake("source-only", B * H * S * S, "The queries come from the side that writes; only the keys are the source's."),
            Mistake("target-only", B * H * T * T, "The keys come from the source here, not from the side that asks."),
            Mistake("whole-width", B * T * keys * H * D, "The entries of a head's vectors are summed over in the scores; they leave no axis behind."),
        ]
        options = number_options(rng, right, "One number per text, head, query and key.", mistakes)
        if options:
            break
    if crossing:
        where = f"In the cross-attention of a decoder layer, a batch of {B} targets with {T} tokens each looks at sources of {S} tokens"
    else:
        where = f"In an encoder layer, a batch of {B} texts with {T} tokens each attends to itself"
    return Question(
        form=Form.CHOICE,
        prompt=f"{where}, with $d_{{model}}={H * D}$ and {H} heads. How many attention weights are computed in this sub-layer?",
        answer="The weights have the shape (batch, heads, queries, keys).",
        options=options,
        working=(f"shape ({B}, {H}, {T}, {keys})", f"${B}\\cdot{H}\\cdot{T}\\cdot{keys}={right:,}$"),
        lab=SLUG,
        settings={"which": "decoder" if crossing else "encoder", "heads": H, "drawn": [B, H, T, keys]},
        level=1,
    )


def second_weights_shape(question: Question) -> float:
    B, H, T, S = question.settings["drawn"]
    return sum(1 for _ in np.ndindex(B, H, T, S))


def ask_weights(rng: random.Random) -> Question:
    """Matrix entries of a layer that is really built (on no device: only the shapes exist)."""
    while True:
        d, factor, cross = rng.choice((128, 256, 384, 512, 768, 1024)), rng.choice((2, 3, 4)), rng.random() < 0.5
        with torch.device("meta"):
            built = Layer(d, 8, factor * d, cross=cross)
        right = sum(parameter.numel() for parameter in built.parameters() if parameter.ndim == 2)
        attention, network = 4 * d * d, 2 * factor * d * d
        mistakes = [
            Mistake(
                "three-projections",
                right - (2 if cross else 1) * d * d,
                "Queries, keys and values are three matrices; the output projection $W_O$ is the fourth.",
            ),
            Mistake("other-layer", network + attention * (1 if cross else 2), "A decoder layer has two attentions, an encoder layer one."),
            Mistake("one-way", right - network // 2, "The feed-forward network has two matrices, up and down."),
            Mistake("network-alone", network, "These are the weights of the feed-forward network alone."),
            Mistake("per-head", right + 7 * attention, "The heads share the width: eight heads of $d/8$ need as many weights as one of $d$."),
        ]
        options = number_options(rng, right, "Four matrices for each attention, two for the network.", mistakes)
        if options:
            break
    kind = "decoder" if cross else "encoder"
    return Question(
        form=Form.CHOICE,
        prompt=f"How many weights has one **{kind}** layer of the original design with $d_{{model}}={d}$, $d_{{ff}}={factor * d}$ and 8 heads, without biases and norms?",
        answer=f"{'Two attentions' if cross else 'One attention'} of $4d^2$ and a feed-forward network of $2\\,d\\,d_{{ff}}$.",
        options=options,
        working=(f"attention: $4\\cdot{d}^2={attention:,}$" + (", twice" if cross else ""), f"network: $2\\cdot{d}\\cdot{factor * d}={network:,}$", f"together {right:,}"),
        lab=SLUG,
        settings={"which": kind, "drawn": [d, factor, cross]},
        level=2,
    )  # fmt: skip


def second_weights(question: Question) -> float:
    """torch's own layer, counted."""
    d, factor, cross = question.settings["drawn"]
    with torch.device("meta"):
        built = (nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer)(d, 8, factor * d)
    return sum(parameter.numel() for parameter in built.parameters() if parameter.ndim == 2)


questions = {"leaves-the-frame": ask_frame, "attention-weights-computed": ask_weights_shape, "weights-of-a-layer": ask_weights}
second = {"leaves-the-frame": second_frame, "attention-weights-computed": second_weights_shape, "weights-of-a-layer": second_weights}
