"""A learned table of positions (Gehring et al. 2017, BERT, GPT-2): one trained row per position, and no row after the last.

    h_i = E[x_i] + P[i],   P (L, C)

To read a longer text one needs more rows. `stretch` makes them in the ways that are tried in practice; the interpolation reads the table as samples
of a curve, at finer steps, with both ends kept. To see what a table learns, `lingering` makes lines in which neighbours tend to be alike,
so that a hidden token is best guessed from those around it.

Shapes: B lines, T positions, L rows of the table, C width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoder import MaskedLanguageModel

WAYS = ("linear", "clamp", "repeat", "fresh")
START_STD = 0.02  # of rows that nobody has trained


def stretch(P: Tensor, n: int, way: str, generator: torch.Generator | None = None) -> Tensor:
    """P (L, C) -> (n, C) for n >= L."""
    L = len(P)
    if n < L:
        raise ValueError(f"A table of {L} rows cannot be stretched to {n}; for shorter texts its first rows do.")
    if way == "linear":
        return interpolate(P, n)
    if way == "clamp":  # what a framework does that hides the error
        return P[torch.arange(n).clamp(max=L - 1)]
    if way == "repeat":
        return P[torch.arange(n) % L]
    if way == "fresh":  # the old rows, and new ones at random
        return torch.cat([P, torch.randn(n - L, P.shape[1], generator=generator) * START_STD])
    raise ValueError(f"way must be one of {', '.join(WAYS)}; got {way!r}")


def interpolate(P: Tensor, n: int) -> Tensor:
    """Row i of n lies at i (L - 1) / (n - 1) of the old rows: between two of them, a mixture by nearness."""
    at = torch.linspace(0, len(P) - 1, n)
    below = at.long().clamp(max=len(P) - 2)
    share = (at - below)[:, None]  # (n, 1)
    return P[below] * (1 - share) + P[below + 1] * share


def row_similarity(P: Tensor) -> Tensor:
    """(L, L): cosines of the rows after their mean is taken away. What all rows share says nothing about where one is."""
    rows = F.normalize(P - P.mean(dim=0), dim=1)
    return rows @ rows.T


def similarity_by_distance(P: Tensor) -> Tensor:
    """(L,): the mean cosine of rows 0, 1, 2 … apart."""
    S = row_similarity(P)
    return torch.stack([S.diagonal(distance).mean() for distance in range(len(P))])


def lingering(B: int, T: int, kinds: int, stay: float, hidden: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Lines whose next token is the same again with probability `stay`: what is seen (B, T), with the mask token `kinds` where it is
    hidden; the truth (B, T); and which are hidden (B, T)."""
    drawn = torch.randint(kinds, (B, T), generator=generator)
    changes = torch.rand(B, T, generator=generator) >= stay
    changes[:, 0] = True
    last_change = torch.where(changes, torch.arange(T), 0).cummax(dim=1).values  # (B, T)
    truth = drawn.gather(1, last_change)
    hide = torch.rand(B, T, generator=generator) < hidden
    return truth.masked_fill(hide, kinds), truth, hide


def hidden_loss(model: MaskedLanguageModel, seen: Tensor, truth: Tensor, hide: Tensor) -> Tensor:
    """The training loss: nats per hidden token."""
    return F.cross_entropy(model(seen)[hide], truth[hide])


def loss_by_position(model: MaskedLanguageModel, seen: Tensor, truth: Tensor, hide: Tensor) -> Tensor:
    """(T,): the same, position by position."""
    losses = F.cross_entropy(model(seen).transpose(1, 2), truth, reduction="none")  # (B, T)
    return (losses * hide).sum(dim=0) / hide.sum(dim=0).clamp(min=1)


def with_table(model: MaskedLanguageModel, P: Tensor) -> MaskedLanguageModel:
    """A copy of the model that reads as far as its new table."""
    sizes = {**model.config, "context": len(P)}
    copy = MaskedLanguageModel(**sizes)
    copy.load_state_dict({**model.state_dict(), "position.weight": P.detach().clone()})
    return copy
