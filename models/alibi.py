"""ALiBi: no position vector anywhere; a penalty that grows with the distance is added to the scores (Press et al. 2021).

    s_ij = q_i·k_j / √D - m_h (i - j)        m_h = 2^(-8h/H), h = 1 … H

Nothing is learned. A head with a steep slope sees its neighbourhood, one with a gentle slope far back; the line never ends, so it is
defined at any distance. H heads, T queries, S keys (the queries are the last T of them).
"""

import math

import torch
from torch import Tensor


def slopes(H: int) -> Tensor:
    """m (H,). For H not a power of two: the slopes of the next smaller power, then every second one of the next larger."""
    if H < 1:
        raise ValueError(f"ALiBi needs at least one head, got {H}.")
    whole = 2 ** math.floor(math.log2(H))
    m = [2 ** (-8 * h / whole) for h in range(1, whole + 1)]
    m += [2 ** (-8 * h / (2 * whole)) for h in range(1, 2 * (H - whole), 2)]
    return torch.tensor(m)


def alibi_bias(H: int, T: int, S: int | None = None) -> Tensor:
    """(H, T, S): 0 on the diagonal, -m further away with every step back. Keys after the query are for the causal mask to remove."""
    S = T if S is None else S
    i, j = torch.arange(S - T, S)[:, None], torch.arange(S)[None, :]
    return -slopes(H)[:, None, None] * (i - j).abs()  # (H, 1, 1) · (T, S)
