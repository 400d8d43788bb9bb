"""MLA with absorbed matrices

Multi-head latent attention caches one short vector $c_s$ per token, from which the keys and values of every head can be rebuilt. Rebuilding
them at each step would be wasteful, and is not needed: $q^\\top(W^{UK}c)=(W^{UK\\top}q)^\\top c$, so the query is carried into the space of the
latents and meets the cache as it stands. That is **absorption**, and it is exact.

Unless something stands in between. RoPE turns query and key by their positions, and $W^{UQ\\top}R_{t-s}W^{UK}$ is another matrix for every
distance: there is no single one to precompute. **Decoupled RoPE** leaves the content parts unturned and adds a short rotary query per head and
*one* rotary key for all heads; only that key joins the latent in the cache.

Here one layer of width 64 with heads of 16 reads random inputs, in both forms: expanded (keys and values built) and absorbed (straight from the
latents, token by token out of the cache). Three modes share the same weights: no RoPE, naive RoPE (absorbed all the same, with the only fixed
matrix there is, so that you see what goes wrong), and decoupled RoPE.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import plotly.graph_objects as go
import torch
from torch import Tensor, nn

from backend.questions import Form, Question
from models.attention import KeyValues
from models.grouped_query import GroupedQueryAttention, cached_bytes
from models.latent_attention import LatentAttention, Latents, multiplications
from models.rotary import turn
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Stops, number_options, numeral
from screens.labs.drawing import axis, bars, heatmap, lines

TOPIC = "multi-head-latent-attention"
REFERENCE = "transformers DeepseekV3Attention with the same weights, and its DynamicCache"
MECHANISM = (LatentAttention.expanded, LatentAttention.absorbed, LatentAttention.queries, LatentAttention.remember, LatentAttention.merged)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M66 34h28v22H66z" fill="#1f77c9" stroke="none"/><path d="M94 34h10v22H94z" fill="#d4620f" stroke="none"/>
<g opacity=".6"><path d="M66 45C48 45 50 18 32 18M66 45C48 45 50 36 32 36M66 45C48 45 50 54 32 54M66 45C48 45 50 72 32 72"/>
<rect x="14" y="11" width="18" height="14" rx="2"/><rect x="14" y="29" width="18" height="14" rx="2"/><rect x="14" y="47" width="18" height="14" rx="2"/>
<rect x="14" y="65" width="18" height="14" rx="2"/></g><circle cx="126" cy="45" r="17" stroke="#d4620f"/><path d="M126 45l12-12" stroke="#d4620f" stroke-width="3"/></svg>"""

SLUG = "mla-decoupled-rope"
WIDTH, HEAD_SIZE, QUERY_LATENT = 64, 16, 32
MODES = {"none": "no RoPE", "naive": "naive RoPE", "decoupled": "decoupled RoPE"}
EXACT = 1e-5
FLOOR = 1e-9  # differences below it are drawn there: a logarithmic axis has no zero


@dataclass(frozen=True)
class Both:
    """One mode in both forms."""

    difference: Tensor  # (T,) largest over the outputs of a position
    weights: tuple[Tensor, Tensor]  # of the last query in the first head: expanded, absorbed
    change: Tensor  # (T,) of the merged matrix at a distance, relative to distance 0, mean over heads
    spread: float  # standard deviation of the expanded outputs


@dataclass(frozen=True)
class Result:
    latent: int
    rotary: int
    heads: int
    mode: str
    length: int
    modes: Mapping[str, Both]
    cache: Tensor  # (T, d_c + d_R) as left by decoding
    kept: Mapping[str, int]  # kind -> bytes of a layer's cache at 16 bits
    rank: int  # of the first head's merged matrix

    @property
    def here(self) -> Both:
        return self.modes[self.mode]

    @property
    def worst(self) -> float:
        return self.here.difference.max().item()

    @property
    def per_token(self) -> int:
        return self.cache.shape[1]


def compute(
    latent: Annotated[int, Stops(2, 4, 8, 16, 32, 64, label="Latent size", help="Numbers of the cached vector c.")] = 16,
    rotary: Annotated[int, Stops(2, 4, 8, 16, label="Rotary size", help="Numbers of the rotary query and key; used by decoupled RoPE only.")] = 8,
    heads: Annotated[int, Stops(1, 2, 4, 8, label="Heads", help="Each of 16 numbers.")] = 4,
    mode: Annotated[str, Choice(MODES, label="Positions")] = "decoupled",
    length: Annotated[int, Stops(8, 16, 24, 32, 48, 64, label="Tokens")] = 32,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    layer = _layer(latent, rotary, heads, mode, seed)
    x = _inputs(length, seed)
    return Result(
        latent=latent,
        rotary=rotary,
        heads=heads,
        mode=mode,
        length=length,
        modes={name: _in_both_forms(latent, rotary, heads, name, length, seed) for name in MODES},
        cache=_cache_after(layer, x),
        kept=_kept(layer, x),
        rank=int(torch.linalg.matrix_rank(layer.merged(torch.zeros(1))[0, 0], rtol=1e-4)),
    )


def _inputs(length: int, seed: int) -> Tensor:
    return torch.randn(1, 64, WIDTH, generator=torch.Generator().manual_seed(seed))[:, :length]


@functools.lru_cache(maxsize=64)
def _layer(latent: int, rotary: int, heads: int, mode: str, seed: int) -> LatentAttention:
    """Weights that keep every vector's entries near 1, the same in all modes; queries twice as long, so that heads choose."""
    with torch.device("meta"):
        layer = LatentAttention(WIDTH, heads, HEAD_SIZE, latent, rotary, QUERY_LATENT, mode)
    layer = layer.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        for name, part in layer.named_children():
            if isinstance(part, nn.Linear):
                factor = 2 if name in ("W_UQ", "W_QR") else 1
                part.weight.copy_(factor * torch.randn(part.weight.shape, generator=generator) / part.in_features**0.5)
            else:
                part.weight.fill_(1)
    return layer


@functools.lru_cache(maxsize=64)
@torch.inference_mode()
def _in_both_forms(latent: int, rotary: int, heads: int, mode: str, length: int, seed: int) -> Both:
    layer, x = _layer(latent, rotary, heads, mode, seed), _inputs(length, seed)
    (out, weights), (absorbed, their_weights) = layer.expanded(x), layer.absorbed(x)
    matrices = layer.merged(torch.arange(length))  # (T, h, d_Q, d_c)
    change = (matrices - matrices[0]).norm(dim=(-2, -1)) / matrices[0].norm(dim=(-2, -1))
    return Both((out - absorbed).abs().amax(dim=-1)[0], (weights[0, 0, -1], their_weights[0, 0, -1]), change.mean(dim=-1), out.std().item())


@torch.inference_mode()
def _cache_after(layer: LatentAttention, x: Tensor) -> Tensor:
    """What the cache holds (T, d_c + d_R) after all but the last token were read at once, and the last one by itself."""
    cache = Latents()
    for part in (x[:, :-1], x[:, -1:]):
        layer.absorbed(part, cache)
    return torch.cat([cache.c, cache.k_R], dim=-1)[0]


@torch.inference_mode()
def _kept(layer: LatentAttention, x: Tensor) -> dict[str, int]:
    """Bytes after reading x, of this layer and of others with as many heads."""
    caches: dict[str, KeyValues | Latents] = {}
    for kind, groups in {"MHA": layer.heads, f"GQA, {max(layer.heads // 4, 1)} KV": max(layer.heads // 4, 1)}.items():
        with torch.device("meta"):
            caches[kind] = KeyValues()
            GroupedQueryAttention(WIDTH, layer.heads, groups, HEAD_SIZE)(x.to("meta"), caches[kind], stored=torch.bfloat16)
    caches["MLA"] = Latents()
    layer.absorbed(x, caches["MLA"], stored=torch.bfloat16)
    return {kind: cached_bytes(cache) for kind, cache in caches.items()}


def figures(result: Result) -> dict[str, go.Figure]:
    return {
        "All that is cached: one row per token, for all heads": _cached(result),
        "How far the two forms are apart": _differences(result),
        "Whom the last token listens to, in both forms": _listening(result),
        "Is there one matrix to merge into?": _changes(result),
        "The cache beside others": bars(
            list(result.kept), list(result.kept.values()), x_axis=axis(), y_axis=axis(f"bytes after {result.length} tokens, 16 bits")
        ),
        "What one more token multiplies": _work(result),
    }


def _cached(result: Result) -> go.Figure:
    columns = [""] * result.per_token
    columns[0], title = "c", f"latent: {result.latent}"
    if result.per_token > result.latent:
        columns[result.latent], title = "k", f"{title}, rotary key: {result.per_token - result.latent}"
    rows = [str(t) if t % 8 == 0 else "" for t in range(result.length)]
    return heatmap(result.cache.numpy(), rows=rows, columns=columns, x_title=title, y_title="token", bar="value", diverging=True)


def _listening(result: Result) -> go.Figure:
    expanded, absorbed = result.here.weights
    return lines(
        list(range(result.length)),
        {"expanded": expanded, "absorbed": absorbed},
        x_axis=axis("token"),
        y_axis=axis("weight, first head", span=(0, 1.05 * max(expanded.max().item(), absorbed.max().item()))),
        strong="expanded",  # wide below, so that the other one shows on top where they agree
        markers=False,
    )


def _differences(result: Result) -> go.Figure:
    return lines(
        list(range(result.length)),
        {MODES[name]: both.difference.clamp(min=FLOOR) for name, both in result.modes.items()},
        x_axis=axis("token"),
        y_axis=axis("largest difference of the outputs", log=True, span=(FLOOR, 30), ticks={10.0**power: f"1e{power}" for power in range(-9, 2, 2)}),
        strong=MODES[result.mode],
        across=[(EXACT, "below: rounding")],
    )


def _changes(result: Result) -> go.Figure:
    series = {MODES[name]: both.change for name, both in result.modes.items()}
    return lines(
        list(range(result.length)),
        series,
        x_axis=axis("distance of query and key"),
        y_axis=axis("change of the merged matrix", span=(-0.05, max(1.0, *(line.max().item() for line in series.values())) * 1.1)),
        strong=MODES[result.mode],
    )


def _work(result: Result) -> go.Figure:
    counted = multiplications(result.heads, HEAD_SIZE, result.latent, result.per_token - result.latent, result.length)
    return bars(list(counted), list(counted.values()), x_axis=axis(), y_axis=axis(f"products, {result.length} tokens"))


def facts(result: Result) -> dict[str, float]:
    return {
        "latent": result.latent,
        "rotary": result.per_token - result.latent,
        "heads": result.heads,
        "head size": HEAD_SIZE,
        "difference": result.worst,
        "spread": result.here.spread,
        "kept": result.per_token,
        "multi-head keeps": 2 * result.heads * HEAD_SIZE,
    }


def says(result: Result) -> str:
    rotary = f" and a rotary key of {result.rotary}" if result.mode == "decoupled" else ""
    if result.worst < EXACT:
        verdict = "the same to rounding, so keys and values are never needed"
    else:
        verdict = "not the same attention, since the matrix to merge into changes with the distance"
    return (
        f"With {MODES[result.mode]}, a latent of {result.latent}{rotary}, absorbed and expanded outputs differ by at most {numeral(result.worst)} (they have standard deviation "
        f"{numeral(result.here.spread)}): {verdict}; the cache keeps {result.per_token} numbers per token where multi-head attention keeps {2 * result.heads * HEAD_SIZE} "
        f"for its {result.heads} {'head' if result.heads == 1 else 'heads'} of {HEAD_SIZE}."
    )


TRY = [
    Experiment(
        title="Naive RoPE, absorbed all the same",
        settings={"mode": "naive"},
        ask="Turn content queries and keys by RoPE, and still merge $W^{UK}$ into the query side with one fixed matrix. How far is the output from the right one?",
        options=(
            "Only rounding: rotations keep lengths",
            "Far: as large as the outputs themselves, after the first tokens",
            "Far only for tokens at large distances",
        ),
        right=1,
        why="The right score is $q^\\top R_{t-s}W^{UK}c$. The fixed matrix leaves $R$ out, so the fast pairs are wrong from distance 1 on and the weights are those of a model without "
        "positions. To be right one would have to rebuild all keys at every step.",
        look="The third picture: the lines part. The second: naive RoPE lies many powers of ten above the others, from the second token on.",
        holds=lambda result: result.worst > 0.5 * result.here.spread and result.here.difference[0] < EXACT < result.here.difference[1],
        tempting={
            0: "Lengths are kept, products of two vectors turned differently are not.",
            2: "The fastest pairs turn by a whole radian per position.",
        },
    ),
    Experiment(
        title="A tiny latent",
        settings={"latent": 2},
        ask="Squeeze each token into a latent of 2 numbers. Do absorbed and expanded outputs still agree?",
        options=("Yes, to rounding: absorption only regroups a product", "No: the squeeze loses too much", "Only in the first head"),
        right=0,
        why="Both forms work from the same latent. What a small latent loses is variety: the matrix between the latents has rank 2 at most, so keys and values of all heads lie in a plane.",
        look="The second picture: decoupled RoPE stays at rounding. The first picture has two columns beside the rotary key.",
        holds=lambda result: result.worst < EXACT and result.rank == 2,
        tempting={
            1: "The squeeze happened before, on the way into the latent; both forms see what is left.",
            2: "Every head looks at the same latent.",
        },
    ),
    Experiment(
        title="Eight heads instead of four",
        settings={"heads": 8},
        ask="Twice as many heads. What do the caches do: multi-head attention's, and the latent one?",
        options=("Both double", "Multi-head doubles, the latent stays", "Both stay: queries are not cached"),
        right=1,
        why="The latent and the one rotary key belong to the token and not to a head. Multi-head attention keeps a key and a value for each head.",
        look="The fifth picture against the setting before: MLA's bar has not moved.",
        holds=lambda result: result.kept["MHA"] == 2 * result.length * 2 * 4 * HEAD_SIZE * 2 and result.kept["MLA"] == result.length * (16 + 8) * 2,
        tempting={
            0: "Each head has its own up-projection, but these are weights, not cache.",
            2: "More heads are more keys in multi-head attention.",
        },
    ),
    Experiment(
        title="No RoPE at all",
        settings={"mode": "none"},
        ask="Leave the rotation out altogether. What becomes of absorption, and how much do the scores know of distance?",
        options=("Exact, and no score knows a distance", "Exact, and the mask gives the scores the distance", "Inexact as with naive RoPE"),
        right=0,
        why="Nothing stands between the matrices, so they merge. But no score depends on how far apart two tokens are: that is what the rotary parts are for, and why they were set apart instead of dropped.",
        look="The fourth picture: the change is 0 at every distance, as in decoupled RoPE, whose rotary part stands beside the merged matrix.",
        holds=lambda result: result.worst < EXACT and result.here.change.max() == 0 and result.per_token == result.latent,
        tempting={
            1: "The mask says which tokens are earlier, and no score changes with how much earlier.",
            2: "There is no rotation that could be in the way.",
        },
    ),
    Experiment(
        title="The price of not rebuilding",
        settings={"latent": 64},
        ask="A latent of 64, heads of 16 and a rotary key of 8 are in DeepSeek's proportions. For one more token, does absorbed attention multiply less than ordinary multi-head attention with a full cache?",
        options=("Less: the cache is smaller", "More: each head compares the whole latent", "The same number"),
        right=1,
        why="Each head's query meets 64 + 8 entries and mixes 64, where an ordinary head meets 16 and mixes 16. That is cheap where memory is the limit, as in decoding. Rebuilding all keys and values would be far dearer still.",
        look="The sixth picture: absorbed stands above multi-head and far below expanded, which rebuilds all keys and values.",
        holds=lambda result: (counted := multiplications(4, HEAD_SIZE, 64, 8, 32))["multi-head"] < counted["absorbed"] < counted["expanded"] / 5,
        tempting={0: "Fewer numbers are read, but each of them is used by every head.", 2: "Only if the latent had the size of a head."},
    ),
]


def verify() -> list[Check]:
    from transformers.cache_utils import DynamicCache
    from transformers.models.deepseek_v3.configuration_deepseek_v3 import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention, DeepseekV3RotaryEmbedding
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    h, D, d_c, d_R, T = 4, HEAD_SIZE, 16, 8, 24
    layer, x = _layer(d_c, d_R, h, "decoupled", 3), _inputs(T, 3)
    config = DeepseekV3Config(
        hidden_size=WIDTH, num_attention_heads=h, num_key_value_heads=h, q_lora_rank=QUERY_LATENT, kv_lora_rank=d_c, qk_nope_head_dim=D, qk_rope_head_dim=d_R,
        v_head_dim=D, rope_interleave=False, attn_implementation="eager", num_hidden_layers=1,
    )  # fmt: skip
    with torch.device("meta"):
        theirs = DeepseekV3Attention(config, layer_idx=0)
    theirs = theirs.to_empty(device="cpu").eval()
    with torch.inference_mode():
        for norm in (theirs.q_a_layernorm, theirs.kv_a_layernorm):
            norm.weight.fill_(1)
        theirs.q_a_proj.weight.copy_(layer.W_DQ.weight)
        theirs.q_b_proj.weight.copy_(_by_head(h, layer.W_UQ, layer.W_QR))
        theirs.kv_a_proj_with_mqa.weight.copy_(torch.cat([layer.W_DKV.weight, layer.W_KR.weight]))
        theirs.kv_b_proj.weight.copy_(_by_head(h, layer.W_UK, layer.W_UV))
        theirs.o_proj.weight.copy_(layer.W_O.weight)
        mask = torch.full((T, T), float("-inf")).triu(1)[None, None]
        cache = DynamicCache(config=config)
        turns = DeepseekV3RotaryEmbedding(config)(x, torch.arange(T)[None])
        out, weights = theirs(x, turns, mask, past_key_values=cache)
        (expanded, our_weights), ours = layer.expanded(x), Latents()
        said = torch.cat([layer.absorbed(x[:, t : t + 1], ours)[0][0] for t in range(T)])
        kept = torch.cat([ours.c, ours.k_R], dim=-1)[0]
        their_cache = torch.cat([cache.layers[0].keys, cache.layers[0].values], dim=-1)[0, 0]
        # naive RoPE has no model of its own: torch's attention over Llama's rotation
        naive = _layer(d_c, d_R, h, "naive", 3)
        wide = DeepseekV3RotaryEmbedding(DeepseekV3Config(qk_rope_head_dim=D))(x, torch.arange(T)[None])
        c = naive.norm_kv(naive.W_DKV(x))
        q, k, v = (part.view(1, T, h, D).transpose(1, 2) for part in (naive.W_UQ(naive.norm_q(naive.W_DQ(x))), naive.W_UK(c), naive.W_UV(c)))
        turned = torch.nn.functional.scaled_dot_product_attention(*apply_rotary_pos_emb(q, k, *wide), v, is_causal=True)
        naive_out = naive.W_O(turned.transpose(1, 2).flatten(2))
        naive_off = (naive.expanded(x)[0] - naive_out).abs().max().item()
    scale = out.std().item()
    return [
        Check("expanded output, relative to its spread", "transformers DeepseekV3Attention", (expanded - out).abs().max().item() / scale, 5e-6),
        Check("absorbed, token by token from the cache", "transformers DeepseekV3Attention", (said - out[0]).abs().max().item() / scale, 5e-6),
        Check("attention weights", "transformers DeepseekV3Attention", (our_weights - weights).abs().max().item(), 1e-6),
        Check("what the cache holds", "transformers DynamicCache of latents", (kept - their_cache).abs().max().item(), 5e-6),
        Check("naive RoPE, expanded", "torch SDPA over Llama's rotation", naive_off / scale, 5e-6),
    ]


def _by_head(h: int, first: nn.Linear, second: nn.Linear) -> Tensor:
    """Two up-projections head by head, (h·(a + b), in): transformers keeps both parts of a head together."""
    return torch.cat([layer.weight.view(h, -1, layer.in_features) for layer in (first, second)], dim=1).flatten(0, 1)


# Computed questions; what was drawn travels in settings["drawn"].


def ask_absorbed(rng: random.Random) -> Question:
    """The score from the latent, by way of the absorbed query."""
    while True:
        up = [[rng.randint(-2, 3) for _ in range(2)] for _ in range(2)]
        q, c = [rng.randint(-2, 4) for _ in range(2)], [rng.choice([-3, -2, 2, 3, 4, 5]) for _ in range(2)]
        W, tq, tc = torch.tensor(up, dtype=torch.float64), torch.tensor(q, dtype=torch.float64), torch.tensor(c, dtype=torch.float64)
        carried = tq @ W
        right = (carried @ tc).item()
        mistakes = [
            Mistake("not-transposed", (W @ tq @ tc).item(), "The query is multiplied with $W^{UK\\top}$: it must end up where the latents live."),
            Mistake("no-up-projection", (tq @ tc).item(), "Query and latent live in different spaces; $W^{UK}$ stands between them."),
            Mistake("sum-of-the-key", (W @ tc).sum().item(), "This adds up the expanded key without the query."),
            Mistake("first-column", (carried[0] * tc[0]).item(), "The second entry of the latent is missing."),
            Mistake("scaled-twice", (carried @ tc).item() * 2, "Absorption changes sides, it does not count anything twice."),
        ]
        options = number_options(rng, right, "$(W^{UK\\top}q)\\cdot c=q\\cdot(W^{UK}c)$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A head has $W^{{UK}}={_matrix(up)}$ and the query $q=({q[0]},{q[1]})$, no rotation. A token's cached latent is $c=({c[0]},{c[1]})$. What is the score, before any scaling?",
        answer="Carry the query over with $W^{UK\\top}$ and take the product with the latent.",
        options=options,
        working=(
            f"absorbed query: $W^{{UK\\top}}q=({numeral(carried[0].item())},{numeral(carried[1].item())})$",
            f"times the latent: ${numeral(carried[0].item())}\\cdot({c[0]})+{numeral(carried[1].item())}\\cdot({c[1]})={numeral(right)}$",
        ),
        lab=SLUG,
        settings={"mode": "none", "latent": 2, "heads": 1, "drawn": [up, q, c]},
        level=1,
    )


def _matrix(rows: list[list[int]]) -> str:
    return "\\begin{pmatrix}" + "\\\\".join("&".join(map(str, row)) for row in rows) + "\\end{pmatrix}"


def second_absorbed(question: Question) -> float:
    """Expanded: the key first, then the product."""
    up, q, c = question.settings["drawn"]
    key = [sum(w * entry for w, entry in zip(row, c)) for row in up]
    return float(sum(a * b for a, b in zip(q, key)))


def ask_turned(rng: random.Random) -> Question:
    """One number stands for the merged matrix of a head of size 2 and a latent of size 1; a rotation changes it."""
    while True:
        up, q, quarters = [rng.randint(-3, 4) for _ in range(2)], [rng.randint(-3, 4) for _ in range(2)], rng.choice([1, 2, 3])

        def merged(turns: int, up: list[int] = up, q: list[int] = q) -> float:
            angle = torch.tensor([[turns * torch.pi / 2]], dtype=torch.float64)
            return round((turn(torch.tensor([up], dtype=torch.float64), angle)[0] @ torch.tensor(q, dtype=torch.float64)).item(), 9)

        right = merged(quarters)
        mistakes = [
            Mistake("no-rotation", merged(0), "This is the number without the rotation; it would be right at distance 0 only."),
            Mistake("turned-the-other-way", merged(-quarters), "The key is turned counter-clockwise: $(a,b)$ goes to $(-b,a)$ at 90 degrees."),
            Mistake("one-quarter-short", merged(quarters - 1), "This turns by 90 degrees too little."),
            Mistake("swapped-only", up[1] * q[0] + up[0] * q[1], "Exchanging the entries is a reflection; a turn by 90 degrees also changes a sign."),
            Mistake("sum-of-entries", float(sum(up)), "The query is missing."),
        ]
        options = number_options(rng, right, "The query times the turned column.", mistakes)
        if options and right != merged(0):
            break
    turned = turn(torch.tensor([up], dtype=torch.float64), torch.tensor([[quarters * torch.pi / 2]], dtype=torch.float64))[0].round().tolist()
    return Question(
        form=Form.CHOICE,
        prompt=f"A head of size 2 has $W^{{UK}}=({up[0]},{up[1]})^\\top$ for a latent of one number, and the query $({q[0]},{q[1]})$. Naive RoPE turns the key counter-clockwise by "
        f"{90 * quarters} degrees at some distance. By what would the latent have to be multiplied to give the score there?",
        answer="Turn the column $W^{UK}$, then take the product with the query. At every angle it is another number, so none can be stored.",
        options=options,
        working=(
            f"turned: $({up[0]},{up[1]})$ becomes $({numeral(turned[0] + 0.0)},{numeral(turned[1] + 0.0)})$",
            f"times the query: {numeral(right)}; without rotation it would be {numeral(merged(0))}",
        ),
        lab=SLUG,
        settings={"mode": "naive", "heads": 1, "latent": 2, "drawn": [up, q, quarters]},
        level=2,
    )


def second_turned(question: Question) -> float:
    """As complex numbers: a quarter turn is a multiplication with i, and the product of two vectors the real part of q times the conjugate."""
    up, q, quarters = question.settings["drawn"]
    return float(((complex(*up) * 1j**quarters) * complex(*q).conjugate()).real)


def ask_times_fewer(rng: random.Random) -> Question:
    while True:
        heads, size, latent, rotary = rng.choice([16, 32, 64, 128]), rng.choice([64, 128]), rng.choice([256, 384, 512, 768]), rng.choice([32, 64])
        right = 2 * heads * size / (latent + rotary)
        mistakes = [
            Mistake("keys-only", right / 2, "Multi-head attention keeps values as well as keys."),
            Mistake("no-rotary-key", 2 * heads * size / latent, "The rotary key is cached as well."),
            Mistake("latent-twice", 2 * heads * size / (2 * latent + rotary), "One latent serves for keys and values both."),
            Mistake("rotary-per-head", 2 * heads * size / (latent + heads * rotary), "All heads share one rotary key."),
            Mistake("one-head", (latent + rotary) / (2 * size), "This compares with a single head's key and value."),
        ]
        options = number_options(rng, right, "$2n_hd_h/(d_c+d_h^R)$.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A layer has {heads} heads of size {size}. How many times fewer numbers per token does latent attention cache, with a latent of {latent} and a rotary key of {rotary}, than "
        "multi-head attention?",
        answer="Multi-head attention keeps a key and a value per head, latent attention one latent and one rotary key.",
        options=options,
        working=(
            f"multi-head: $2\\cdot{heads}\\cdot{size}={2 * heads * size:,}$",
            f"latent: {latent} + {rotary} = {latent + rotary}",
            f"quotient: {numeral(right)}",
        ),
        lab=SLUG,
        settings={"drawn": [heads, size, latent, rotary]},
        level=1,
    )


def second_times_fewer(question: Question) -> float:
    """Both layers read one token without contents; their caches' bytes are compared."""
    return _times_fewer(*question.settings["drawn"])


@functools.lru_cache(maxsize=128)
def _times_fewer(heads: int, size: int, latent: int, rotary: int) -> float:
    with torch.device("meta"), torch.inference_mode():
        full, small = KeyValues(), Latents()
        GroupedQueryAttention(8, heads, heads, size)(torch.empty(1, 1, 8), full)
        LatentAttention(8, heads, size, latent, rotary, 8).absorbed(torch.empty(1, 1, 8), small)
    return cached_bytes(full) / cached_bytes(small)


questions = {"absorbed-score": ask_absorbed, "turned-in-between": ask_turned, "times-fewer": ask_times_fewer}
second = {"absorbed-score": second_absorbed, "turned-in-between": second_turned, "times-fewer": second_times_fewer}
