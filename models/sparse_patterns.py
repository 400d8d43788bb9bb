"""Sparse attention: which pairs of positions may meet, how far information travels over several layers, and what can be skipped.

Every pattern is a mask (n, n), True where query i may look at key j; a causal mask is laid over it if wanted. A token always sees itself.

    full      everybody
    window    the w nearest on a side, oneself included (Mistral; Longformer's local part)
    dilated   w on a side too, but only every r-th (Longformer)
    strided   a window, and every w-th position however far (Sparse Transformer)
    blocks    the text in blocks of w; everybody in one's own block
    global    a window, and g first tokens that see all and are seen by all (Longformer)
    random    the same, and two more keys per query drawn at random (BigBird)
    sinks     a window, and s first tokens that are seen by all (StreamingLLM)
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from models.attention import causal_mask, scaled_dot_product

Pattern = Literal["full", "window", "dilated", "strided", "blocks", "global", "random", "sinks"]
RANDOM_KEYS = 2


def pattern_mask(
    pattern: Pattern, n: int, *, w: int = 4, r: int = 2, g: int = 1, s: int = 1, causal: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """(n, n) bool."""
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    far = (i - j).abs()  # (n, n)
    window = far < w
    first = (i < g) | (j < g)  # rows and columns of the global tokens
    masks = {
        "full": lambda: torch.ones(n, n, dtype=torch.bool),
        "window": lambda: window,
        "dilated": lambda: (far < w * r) & (far % r == 0),
        "strided": lambda: window | (far % w == 0),
        "blocks": lambda: i // w == j // w,
        "global": lambda: window | first,
        "random": lambda: window | first | random_keys(n, causal, generator),
        "sinks": lambda: window | (j < s),
    }
    if pattern not in masks:
        raise ValueError(f"There is no pattern '{pattern}'. There are: {', '.join(masks)}.")
    mask = masks[pattern]()
    return mask & causal_mask(n) if causal else mask


def random_keys(n: int, causal: bool, generator: torch.Generator | None) -> Tensor:
    """RANDOM_KEYS keys for every query, under a causal mask from its past."""
    lots = torch.rand(n, n, generator=generator)
    if causal:
        lots = lots.masked_fill(~causal_mask(n), -1)
    chosen = lots.topk(min(RANDOM_KEYS, n), dim=-1).indices
    return torch.zeros(n, n, dtype=torch.bool).scatter(1, chosen, True)


def layers_needed(mask: Tensor, most: int) -> Tensor:
    """(n, n): in which layer position i first hears of position j; 0 where `most` layers are not enough.

    One layer is one product of boolean matrices: i hears of j if it may look at somebody who has heard of j.
    """
    step = (mask | torch.eye(len(mask), dtype=torch.bool)).float()  # the residual stream keeps what was there
    heard = step > 0
    needed = heard.long()
    for layer in range(2, most + 1):
        heard = step @ heard.float() > 0
        new = heard & (needed == 0)
        if not new.any():
            break
        needed[new] = layer
    return needed


def pairs(mask: Tensor) -> int:
    return int(mask.sum())


def needed_tiles(mask: Tensor, size: int) -> Tensor:
    """(rows, columns) bool: which size × size tiles hold a pair at all. Hardware skips whole tiles, never single pairs."""
    n = len(mask)
    full = math.ceil(n / size) * size
    padded = torch.zeros(full, full, dtype=torch.bool)
    padded[:n, :n] = mask
    return padded.view(full // size, size, full // size, size).any(dim=3).any(dim=1)


class Block(NamedTuple):
    """What a block of queries needs."""

    rows: slice
    columns: Tensor  # (m,) the keys of all tiles that hold a pair
    mask: Tensor  # (rows, m)


def tile_plan(mask: Tensor, size: int) -> list[Block]:
    """Made once for a mask, used for every head and layer."""
    places, blocks = torch.arange(len(mask)), []
    for row, needed in enumerate(needed_tiles(mask, size)):
        rows = slice(row * size, (row + 1) * size)
        columns = places[needed[places // size]]
        blocks.append(Block(rows, columns, mask[rows][:, columns]))
    return blocks


def tile_skipping(q: Tensor, k: Tensor, v: Tensor, plan: list[Block]) -> Tensor:
    """q, k, v (n, d): the same output as attention with this mask, without ever touching a tile that holds no pair."""
    return torch.cat([scaled_dot_product(q[block.rows], k[block.columns], v[block.columns], block.mask)[0] for block in plan])
