"""Draw and time attention patterns

Full attention forms $n^2$ pairs. A **pattern** says which of them may meet: the near ones, every second one, all with a few chosen ones. It is
nothing but a mask over the same attention, and two things follow from the mask alone: what it costs, and how far information travels when layers are
stacked. One layer moves it along the allowed pairs; $L$ layers are the $L$-th power of the mask as a boolean matrix.

| pattern | who sees whom | known from |
|---|---|---|
| window | the $w$ nearest, oneself included (without a causal mask: on either side) | Mistral 7B, Gemma 3's local layers |
| dilated | $w$ again, but only every $r$-th | Longformer |
| strided | a window, and every $w$-th position however far | Sparse Transformer |
| blocks | everybody in one's own block of $w$ | |
| global | a window, and $g$ first tokens that see all and are seen by all | Longformer |
| random | the same, and two more keys per query, drawn at random | BigBird |
| sinks | a window, and $s$ first tokens that are seen by all | StreamingLLM |

The text has 48 tokens, so that every pair can be seen. Times are measured on this machine, for one head of 32 numbers, and vary from run to run: a mask
alone saves nothing, since masked scores are computed and thrown away. Time is saved where whole tiles of 48 × 48 scores hold no pair and are never formed.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from backend.questions import Form, Question
from models.attention import scaled_dot_product
from models.sparse_patterns import Pattern, layers_needed, needed_tiles, pairs, pattern_mask, random_keys, tile_plan, tile_skipping
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Toggle, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines
from screens.labs.pictures import Swept

TOPIC = "attention-types-zoo"
REFERENCE = "F.scaled_dot_product_attention with attn_mask; torch's flex_attention; transformers' sliding-window mask; powers of the mask in NumPy"
MECHANISM = (pattern_mask, random_keys, layers_needed, needed_tiles, tile_plan, tile_skipping, scaled_dot_product)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="1.5"><g opacity=".6"><path d="M10 11h68v68H10zM88 11h62v68H88z"/></g>
<g stroke="none" fill="#1f77c9"><path d="M10 11h17l51 51v17H61L10 28z"/></g><g stroke="none" fill="#d4620f" opacity=".85"><path d="M10 11h68v8H10zM10 19h8v60h-8z"/></g>
<path d="M90 74c10-2 14-8 20-22s16-28 38-32" stroke="#1f77c9" stroke-width="4"/><path d="M90 74c4-20 6-48 10-56h48" stroke="#d4620f" stroke-width="3" stroke-dasharray="6 4"/></svg>"""

SLUG = "attention-pattern-zoo"
N = 48  # tokens in the pictures
LAYERS = 12
HEAD = 32  # numbers per head
LENGTHS = (32, 64, 128, 256, 512)
TIMED, TILE = (192, 384, 768), 48
NAMES = {
    "full": "full",
    "window": "window",
    "dilated": "dilated",
    "strided": "strided",
    "blocks": "blocks",
    "global": "window + global",
    "random": "global + random",
    "sinks": "window + sinks",
}


@dataclass(frozen=True)
class Shape:
    """Everything that makes a pattern but the text's length; hashable."""

    pattern: Pattern
    w: int
    r: int
    g: int
    s: int
    causal: bool
    seed: int

    def mask(self, n: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return pattern_mask(self.pattern, n, w=self.w, r=self.r, g=self.g, s=self.s, causal=self.causal, generator=generator)

    def of(self, pattern: str) -> Shape:
        return Shape(pattern, self.w, self.r, self.g, self.s, self.causal, self.seed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Result:
    shape: Shape
    layers: int
    mask: Tensor  # (N, N)
    needed: Tensor  # (N, N) layer in which i first hears of j, 0: not within LAYERS
    weights: Tensor  # (N, N) what the attention makes of random scores under this mask
    heard: Mapping[str, list[int]]  # pattern -> tokens that the last one has heard of, after 0, 1, … LAYERS layers
    shares: Mapping[str, list[float]]  # pattern -> share of all n² pairs, per length of LENGTHS
    tiles: float  # share of the tiles that hold a pair, at the longest of TIMED
    times: Mapping[str, list[float]]  # way -> milliseconds per length of TIMED

    @property
    def pairs(self) -> int:
        return pairs(self.mask)

    @property
    def allowed(self) -> int:
        """Pairs of full attention, under a causal mask if there is one."""
        return N * (N + 1) // 2 if self.shape.causal else N * N

    @property
    def last_hears(self) -> int:
        return self.heard[self.shape.pattern][self.layers]

    @property
    def to_connect(self) -> int:
        """Layers until everybody has heard of everybody that a causal mask, if there is one, permits; 0: not within LAYERS."""
        wanted = self.needed if not self.shape.causal else self.needed[torch.ones(N, N).tril().bool()]
        return 0 if bool((wanted == 0).any()) else int(wanted.max())


def compute(
    pattern: Annotated[str, Choice(NAMES, label="Pattern")] = "window",
    causal: Annotated[bool, Toggle(label="Causal mask", help="Nobody sees what comes later.")] = True,
    window: Annotated[
        int,
        Stops(
            2,
            3,
            4,
            6,
            8,
            12,
            16,
            label="Window w",
            help="Tokens that are seen, oneself included; without a causal mask on either side. Also the stride and the block.",
        ),
    ] = 4,
    dilation: Annotated[int, Slider(1, 4, label="Dilation r", help="For the dilated pattern: every r-th.")] = 2,
    globals: Annotated[int, Slider(0, 4, label="Global tokens g", help="The first ones; for global and random.")] = 1,
    sinks: Annotated[int, Slider(0, 4, label="Sinks s", help="The first ones; for sinks.")] = 1,
    layers: Annotated[int, Slider(1, LAYERS, label="Layers L")] = 3,
    seed: Annotated[int, Seed(label="Random draw", help="Of the random keys and of the scores in the weights' picture.")] = 0,
) -> Result:
    shape = Shape(pattern, window, dilation, globals, sinks, causal, seed)  # type: ignore[arg-type]
    needed = _needed(shape)
    tiles = needed_tiles(shape.mask(TIMED[-1]), TILE).float().mean().item()
    return Result(
        shape=shape,
        layers=layers,
        mask=shape.mask(N),
        needed=needed,
        weights=_weights(shape),
        heard={name: _heard(shape.of(name)) for name in NAMES},
        shares={name: _shares(shape.of(name)) for name in NAMES},
        tiles=tiles,
        times=_times(shape, time.perf_counter),
    )


@functools.lru_cache(maxsize=256)
def _needed(shape: Shape) -> Tensor:
    return layers_needed(shape.mask(N), LAYERS)


@functools.lru_cache(maxsize=512)
def _heard(shape: Shape) -> list[int]:
    last = _needed(shape)[-1]
    return [1, *(int(((last > 0) & (last <= layer)).sum()) for layer in range(1, LAYERS + 1))]


@functools.lru_cache(maxsize=512)
def _shares(shape: Shape) -> list[float]:
    return [pairs(shape.mask(n)) / n**2 for n in LENGTHS]


@functools.lru_cache(maxsize=64)
def _weights(shape: Shape) -> Tensor:
    q, k, v = torch.randn(3, N, HEAD, generator=torch.Generator().manual_seed(shape.seed))
    return scaled_dot_product(q, k, v, shape.mask(N))[1]


@functools.lru_cache(maxsize=64)
def _times(shape: Shape, clock: Callable[[], float]) -> dict[str, list[float]]:
    both = [_milliseconds(shape, n, clock) for n in TIMED]
    return {"masked": [masked for masked, _ in both], "skipping": [skipped for _, skipped in both]}


def _milliseconds(shape: Shape, n: int, clock: Callable[[], float]) -> tuple[float, float]:
    q, k, v = torch.randn(3, n, HEAD, generator=torch.Generator().manual_seed(0))
    mask = shape.mask(n)
    plan = tile_plan(mask, TILE)
    return _best_of_three(lambda: scaled_dot_product(q, k, v, mask), clock), _best_of_three(lambda: tile_skipping(q, k, v, plan), clock)


def _best_of_three(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    took = []
    for _ in range(3):
        began = clock()
        run()
        took.append(clock() - began)
    return 1e3 * min(took)


def figures(result: Result) -> dict[str, Any]:
    return {
        "Who has heard of whom, layer by layer": _reach(result),
        "How many tokens the last one has heard of": _hearing(result),
        "What it costs: the share of all pairs": _costs(result),
        "What it takes: milliseconds on this machine": _timing(result),
        "The attention under this mask": _attention(result),
    }


def _reach(result: Result) -> Swept:
    """Brightest what one layer connects; the more layers a connection needs, the darker it is."""
    needed = result.needed.numpy()
    shade = np.where(needed > 0, np.maximum(needed, 1) ** -0.7, 0.0)
    frames = np.stack([np.where((needed > 0) & (needed <= layer), shade, 0.0) for layer in range(1, LAYERS + 1)])
    numbers = [str(at + 1) for at in range(N)]
    connected = [int(((needed > 0) & (needed <= layer)).sum()) for layer in range(1, LAYERS + 1)]
    return Swept(
        "Layers L", list(range(1, LAYERS + 1)), frames, "heat", x=numbers, series=numbers, x_title="position heard of", y_title="position",
        says=[f"After {layer} layer{'s' * (layer > 1)}, {count:,} of {result.allowed:,} pairs are connected." for layer, count in enumerate(connected, 1)],
        start=result.layers - 1, sets="layers", height=470,
    )  # fmt: skip


def _hearing(result: Result) -> Any:
    series = {NAMES[name]: heard for name, heard in result.heard.items()}
    return lines(
        list(range(LAYERS + 1)), series, x_axis=axis("layers"), y_axis=axis(f"tokens of {N}", span=(0, N * 1.1)), strong=NAMES[result.shape.pattern],
        across=[(N, "all")], upright=[(result.layers, "")],
    )  # fmt: skip


def _costs(result: Result) -> Any:
    series = {NAMES[name]: shares for name, shares in result.shares.items()}
    x = axis("tokens", log=True, ticks={n: str(n) for n in LENGTHS})
    return lines(LENGTHS, series, x_axis=x, y_axis=axis("share of n² pairs", log=True), strong=NAMES[result.shape.pattern])


def _timing(result: Result) -> Any:
    return bars([f"{n} tokens" for n in TIMED], dict(result.times), x_axis=axis(), y_axis=axis("milliseconds"))


def _attention(result: Result) -> Any:
    places = [str(at + 1) if at % 6 == 0 else "" for at in range(N)]
    return heatmap(result.weights.numpy(), rows=places, columns=places, x_title="key", y_title="query", bar="weight", height=420)


def facts(result: Result) -> dict[str, float]:
    shape = result.shape
    return {
        "w": shape.w, "r": shape.r, "g": shape.g, "s": shape.s, "n": N, "pairs": result.pairs, "allowed": result.allowed, "share": result.pairs / result.allowed,
        "layers": result.layers, "hears": result.last_hears, "to connect": result.to_connect, "most": LAYERS, "tiles": result.tiles, "timed": TIMED[-1], "random": 2,
    }  # fmt: skip


def says(result: Result) -> str:
    shape = result.shape
    layers = f"{result.layers} layer{'s' * (result.layers > 1)}"
    whom = "everybody before it" if shape.causal else "everybody"
    connect = (
        f"after {result.to_connect} layer{'s' * (result.to_connect > 1)} every token has heard of {whom}"
        if result.to_connect
        else f"{LAYERS} layers are not enough for every token to hear of {whom}"
    )
    return (
        f"{_described(shape)}{', under a causal mask,' if shape.causal else ''} {result.pairs:,} of {result.allowed:,} pairs are left ({numeral(result.pairs / result.allowed)}). After {layers} the "
        f"last of {N} tokens has heard of {result.last_hears}, and {connect}. At {TIMED[-1]} tokens a share of {numeral(result.tiles)} of the tiles holds a pair."
    )


def _described(shape: Shape) -> str:
    return {
        "full": "With full attention",
        "window": f"With a window of {shape.w}",
        "dilated": f"With a window of {shape.w}, dilated {shape.r} times",
        "strided": f"With a window of {shape.w} and every position at a multiple of {shape.w}",
        "blocks": f"In blocks of {shape.w}",
        "global": f"With a window of {shape.w} and {_some(shape.g, 'global token')}",
        "random": f"With a window of {shape.w}, {_some(shape.g, 'global token')} and 2 random keys for each query",
        "sinks": f"With a window of {shape.w} and {_some(shape.s, 'sink')}",
    }[shape.pattern]


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


TRY = [
    Experiment(
        title="How far does a window of 4 reach?",
        settings={"window": 4, "layers": 3},
        ask="Each token sees four: itself and the three before it. After three layers, how many tokens has the last one heard of, itself included?",
        options=("4", "10", "12"),
        right=1,
        why="A layer reaches $w-1=3$ further back, since one of the four places is the token itself: $3\\cdot3+1=10$. The usual “about $Lw$” is this number for large windows: with $w=4096$ nobody "
        "misses the one.",
        look="The second picture: the line of the window rises by 3 a layer. In the first, move the layers and watch the band grow.",
        holds=lambda result: result.last_hears == 10,
        tempting={
            0: "That is one layer. What a neighbour has heard is handed on in the next.",
            2: "$Lw$ counts the token itself once in every layer.",
        },
    ),
    Experiment(
        title="One global token, no causal mask",
        settings={"pattern": "global", "causal": False, "globals": 1, "layers": 2},
        ask="An encoder with a window of 4 on 48 tokens. Its first token alone may see all and be seen by all. How many layers until everybody has heard of everybody?",
        options=("2", "About 16, as with the window alone", "Never"),
        right=0,
        why="In the first layer the global token reads everybody, in the second everybody reads it. Whether one vector can carry all that is another question; the path is there.",
        look="The first picture: after one layer a cross of a row and a column beside the band, after two everything. Set the global tokens to 0 to see the band alone.",
        holds=lambda result: result.to_connect == 2,
        tempting={
            1: "From window to window it would take about 16. Here is a shortcut.",
            2: "Follow one path: somebody, the global token, somebody else.",
        },
    ),
    Experiment(
        title="The same global token in a decoder",
        settings={"pattern": "global", "causal": True, "globals": 1, "layers": 2},
        ask="Now the causal mask is laid over it. After two layers, how many of the 48 tokens has the last one heard of?",
        options=("All 48, as before", "8: those of the window's two steps, and the first token", "7: the global token does nothing at all"),
        right=1,
        why="The first token sees only itself: it can be heard by all but has nobody's news to tell. It broadcasts and cannot gather. Two steps of a window of 4 reach 7 tokens, and the first one "
        "is heard besides. The mask is now the same as that of one attention sink.",
        look="The first picture: a bright first column, no row. Choose window + sinks: the same mask. The second picture: the lines of both lie on each other.",
        holds=lambda result: result.last_hears == 8 and bool((result.mask == result.shape.of("sinks").mask(N)).all()),
        tempting={
            0: "Its row, with which it gathered, lies in the future of everything it would have to read.",
            2: "It is itself heard by everybody.",
        },
    ),
    Experiment(
        title="Looking twice as far for the same price",
        settings={"pattern": "dilated", "window": 4, "dilation": 2, "layers": 12},
        ask="A dilated window sees every second token, so it reaches twice as far with as few pairs. After twelve layers, of how many of the 48 tokens has the last one heard?",
        options=("All 48", "24", "13"),
        right=1,
        why="From an even position only even ones can be reached, in any number of layers: two texts are read side by side that never hear of each other. Models that dilate give "
        "different heads or layers different dilations.",
        look="The first picture stays a chessboard however many layers there are. The second: the line stops half-way up.",
        holds=lambda result: result.last_hears == N // 2,
        tempting={0: "It is fast, but it never changes between even and odd.", 2: "In twelve layers it comes to the beginning of the text."},
    ),
    Experiment(
        title="Few pairs, but where?",
        settings={"pattern": "strided", "window": 16},
        ask="A window of 16 and every 16th position beyond it: about an eighth of the pairs of causal attention at 768 tokens. Hardware skips whole tiles of 48 × 48. What share of "
        "*all* the tiles, those above the diagonal included, holds a pair?",
        options=("About an eighth", "About a quarter", "About half: every tile that the causal mask leaves"),
        right=2,
        why="Every tile below the diagonal has some 16th position in it. The pairs are few, but nothing can be skipped, unless keys are first sorted so that those that belong together "
        "lie together. Patterns that are fast on hardware are made of blocks.",
        look="The fourth picture at 768 tokens: with the window most of the time is saved, with the strided pattern only what lies above the diagonal. The sentence states both shares.",
        holds=lambda result: result.tiles > 0.5 and pairs(result.shape.mask(TIMED[-1])) < 0.15 * TIMED[-1] * (TIMED[-1] + 1) / 2,
        tempting={0: "So it would be if pairs could be skipped one by one.", 1: "No tile is spared."},
    ),
]


def verify() -> list[Check]:
    generator = torch.Generator().manual_seed(3)
    q, k, v = torch.randn(3, N, HEAD, generator=generator)
    shapes = [Shape(name, 5, 3, 2, 2, causal, 1) for name in NAMES for causal in (False, True)]  # type: ignore[arg-type]
    expected = {shape: F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=shape.mask(N))[0] for shape in shapes}
    plain = max((scaled_dot_product(q, k, v, shape.mask(N))[0] - right).abs().max().item() for shape, right in expected.items())
    skipped = max((tile_skipping(q, k, v, tile_plan(shape.mask(N), 7)) - right).abs().max().item() for shape, right in expected.items())
    unequal = sum(float((_heard_by_powers(shape) != (layers_needed(shape.mask(N), LAYERS) > 0).numpy()).sum()) for shape in shapes)
    return [
        Check("output of all patterns", "F.scaled_dot_product_attention with attn_mask", plain, 1e-6),
        Check("output when empty tiles are skipped", "F.scaled_dot_product_attention with attn_mask", skipped, 1e-6),
        Check("pairs connected after 12 layers that differ", "powers of the mask by numpy.linalg.matrix_power", unequal, 0),
        *_against_masks_of_others(q, k, v),
    ]


def _heard_by_powers(shape: Shape) -> np.ndarray:
    step = (shape.mask(N) | torch.eye(N).bool()).numpy().astype(float)
    return np.linalg.matrix_power(step, LAYERS) > 0


def _against_masks_of_others(q: Tensor, k: Tensor, v: Tensor) -> list[Check]:
    from torch.nn.attention.flex_attention import create_mask
    from transformers.masking_utils import sliding_window_causal_mask_function

    def longformer(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return ((query - key < 5) & (key - query < 5)) | (query < 2) | (key < 2)

    flex = create_mask(longformer, 1, 1, N, N, device="cpu")[0, 0]
    places = torch.arange(N)
    theirs = sliding_window_causal_mask_function(5)(0, 0, places[:, None], places[None, :])
    ours = {name: Shape(name, 5, 2, 2, 1, causal, 0).mask(N) for name, causal in (("global", False), ("window", True))}  # type: ignore[arg-type]
    return [
        Check("pairs of window + global that differ", "torch flex_attention's create_mask", float((ours["global"] != flex).sum()), 0),
        Check(
            "pairs of the causal window that differ", "transformers sliding_window_causal_mask_function", float((ours["window"] != theirs).sum()), 0
        ),
    ]


# Computed questions; what was drawn travels in settings["drawn"].


def ask_reach(rng: random.Random) -> Question:
    while True:
        w, L = rng.randint(3, 12), rng.randint(2, 6)
        n = w * L + 5
        right = int((layers_needed(pattern_mask("window", n, w=w, causal=True), L)[-1] > 0).sum())
        mistakes = [
            Mistake("windows-added", w * L, "One place of every window is the token itself: a layer reaches $w-1$ further."),
            Mistake("one-layer", w, "This is the reach of a single layer."),
            Mistake("without-itself", right - 1, "These are the tokens before it; it has heard of itself too."),
            Mistake("both-sides", 2 * L * (w - 1) + 1, "Under a causal mask nothing comes from the other side."),
            Mistake("power", w**2, "Reach is added layer by layer, not multiplied."),
        ]
        options = number_options(rng, right, "$L(w-1)+1$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"In a causal sliding window of $w={w}$ tokens each token sees itself and the {w - 1} before it. After {L} layers, of how many tokens has a token far inside the text heard, itself included?",
        answer="A layer reaches $w-1$ further back.",
        options=options,
        working=(f"${L}\\cdot({w}-1)+1={right}$",),
        lab=SLUG,
        settings={"window": min((2, 3, 4, 6, 8, 12, 16), key=lambda stop: abs(stop - w)), "layers": L, "drawn": [w, L]},
        level=1,
    )


def second_reach(question: Question) -> float:
    """Walk: whoever is reached hands the word to those in its window."""
    w, L = question.settings["drawn"]
    reached = {0}
    for _ in range(L):
        reached |= {far + back for far in reached for back in range(w)}
    return len(reached)


def ask_pairs(rng: random.Random) -> Question:
    while True:
        n, w, s = rng.choice([16, 20, 24, 32, 40]), rng.randint(3, 8), rng.choice([0, 0, 1, 2])
        right = pairs(pattern_mask("sinks", n, w=w, s=s, causal=True))
        window = n * w - w * (w - 1) // 2
        mistakes = [
            Mistake("full-windows", n * w, "The first tokens have fewer than $w$ before them."),
            Mistake("all-causal", n * (n + 1) // 2, "This is full causal attention."),
            Mistake("both-sides", pairs(pattern_mask("sinks", n, w=w, s=s)), "This leaves out the causal mask."),
            Mistake("all", n * n, "This is full attention without any mask."),
        ]
        if s:
            mistakes.append(
                Mistake(
                    "sinks-twice",
                    window + n * s,
                    "For queries near the start the sinks lie inside the window, or after the query, and count no second time.",
                )
            )
            mistakes.append(Mistake("no-sinks", window, "The sinks are seen by all later queries as well."))
        options = number_options(rng, right, "Count row by row.", mistakes)
        if options:
            break
    sinks = f" and the first {s} token{'s' * (s > 1)} as sinks" if s else ""
    return Question(
        form=Form.CHOICE,
        prompt=f"Causal attention over {n} tokens with a window of {w} (oneself included){sinks}. How many query-key pairs are left?",
        answer="Row by row: at most $w$ in the window, and the sinks beyond it.",
        options=options,
        working=(
            f"window: ${n}\\cdot{w}-{w}\\cdot{w - 1}/2={window}$",
            *((f"sinks beyond the window: ${right - window}$",) if s else ()),
            f"together {right}",
        ),
        lab=SLUG,
        settings={"pattern": "sinks", "window": min((2, 3, 4, 6, 8, 12, 16), key=lambda stop: abs(stop - w)), "sinks": s, "drawn": [n, w, s]},
        level=2,
    )


def second_pairs(question: Question) -> float:
    """Row by row, without a matrix."""
    n, w, s = question.settings["drawn"]
    return sum(len({*range(max(i - w + 1, 0), i + 1), *range(min(s, i + 1))}) for i in range(n))


def ask_mixed_cache(rng: random.Random) -> Question:
    """Local and global layers: the share of the cache."""
    while True:
        local, w, n = rng.choice([1, 2, 3, 4, 5, 7]), rng.choice([512, 1024, 2048, 4096]), rng.choice([8192, 16384, 32768, 65536, 131072])
        if w * 2 > n:
            continue
        right = 100 * (local * w + n) / ((local + 1) * n)
        mistakes = [
            Mistake("only-global", 100 / (local + 1), "The local layers keep their windows."),
            Mistake("only-local", 100 * w / n, "This is the share of a local layer."),
            Mistake(
                "ratio-of-layers",
                100 * (local * w + n) / (local * n),
                f"In every {local + 1} layers one is global, and it counts below the line too.",
            ),
            Mistake("saved", 100 - right, "This is what is saved."),
            Mistake("exchanged", 100 * (w + local * n) / ((local + 1) * n), "This exchanges local and global layers."),
        ]
        options = number_options(rng, right, "Tokens held over tokens of a full cache.", mistakes, unit="%")
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"Of every {local + 1} layers {local} {'have' if local > 1 else 'has'} a sliding window of {w} tokens and one is global. At a context of {n} tokens, what percentage of the full KV cache is held?",
        answer="A local layer holds $w$ tokens, a global one all.",
        options=options,
        working=(f"held: ${local}\\cdot{w}+{n}={local * w + n}$", f"in full: ${local + 1}\\cdot{n}={(local + 1) * n}$", f"{numeral(right)} %"),
        lab=SLUG,
        settings={"drawn": [local, w, n]},
        level=2,
    )


def second_mixed_cache(question: Question) -> float:
    """The mean over layers of what the last query's row of the mask holds."""
    local, w, n = question.settings["drawn"]
    last = n - 1
    held = [sum(1 for _ in range(max(last - w + 1, 0), n))] * local + [n]
    return 100 * sum(held) / len(held) / n


questions = {"reach": ask_reach, "pairs-left": ask_pairs, "mixed-cache": ask_mixed_cache}
second = {"reach": second_reach, "pairs-left": second_pairs, "mixed-cache": second_mixed_cache}
