"""What a head looks at, in words: a pattern says which keys a query would have to look at, and a head's score is the weight it puts there.

    previous     the token just before
    next         the token just after (only without a causal mask)
    itself       the token itself
    first, last  the first or last token of all, where heads rest that have nothing to say ([CLS], [SEP], the start of a text)
    same         earlier tokens that are the same as this one
    induction    what followed them: the prefix-matching pattern of Olsson et al. (2022)

A score describes one text. Whether a head matters is another question; silencing it answers that one.

Shapes: B texts, T tokens, H heads. A pattern is (..., T, T), True at the keys that belong to a query.
"""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("previous", "next", "itself", "first", "last", "same", "induction")


def offset_keys(T: int, offset: int) -> Tensor:
    """(T, T), True at the key `offset` places after its query: -1 is the previous token."""
    return torch.diag(torch.ones(T - abs(offset), dtype=torch.bool), offset)


def same_keys(tokens: Tensor) -> Tensor:
    """tokens (..., T) -> (..., T, T), True at earlier positions that hold the query's own token."""
    T = tokens.shape[-1]
    return (tokens[..., :, None] == tokens[..., None, :]) & torch.ones(T, T, dtype=torch.bool).tril(-1)


def induction_keys(tokens: Tensor) -> Tensor:
    """(..., T, T), True one place after each earlier occurrence of the query's token."""
    same = same_keys(tokens)
    keys = torch.zeros_like(same)
    keys[..., 1:] = same[..., :-1]
    return keys


def place_keys(T: int, place: int) -> Tensor:
    """(T, T), True at one place, for every query that does not stand there itself."""
    keys = torch.zeros(T, T, dtype=torch.bool)
    keys[:, place] = True
    keys[place, place] = False
    return keys


def patterns(tokens: Tensor) -> dict[str, Tensor]:
    """tokens (T,) -> every pattern of this text by name."""
    T = len(tokens)
    return {
        "previous": offset_keys(T, -1),
        "next": offset_keys(T, 1),
        "itself": offset_keys(T, 0),
        "first": place_keys(T, 0),
        "last": place_keys(T, T - 1),
        "same": same_keys(tokens),
        "induction": induction_keys(tokens),
    }


def weight_on(weights: Tensor, keys: Tensor) -> Tensor:
    """weights (..., T, T) -> (...): the weight on the pattern's keys, the mean over the queries that have any; 0 where none has."""
    asked = keys.any(dim=-1)  # (..., T)
    total = (weights * keys).sum(dim=-1) * asked
    return total.sum(dim=-1) / asked.sum(dim=-1).clamp(min=1)
