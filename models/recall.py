"""Recall: what followed this symbol the last time? Lines of symbols that mean nothing, so that the answer must be fetched from the line itself.

copies   a stretch of different symbols, over and over: to learn from
needle   random symbols, and one of them just once before, a chosen number of places back: to examine with
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Copies(NamedTuple):
    tokens: Tensor  # (B, T)
    known: Tensor  # (B, T) bool: from the second time on, when it can be known


def copies(count: int, length: int, shortest: int, longest: int, symbols: int, generator: torch.Generator) -> Copies:
    """Every line has its own stretch, of its own length between shortest and longest."""
    if longest > symbols:
        raise ValueError(f"A stretch of {longest} different symbols needs more than the {symbols} there are.")
    lengths = torch.randint(shortest, longest + 1, (count, 1), generator=generator)  # (B, 1)
    orders = torch.rand(count, symbols, generator=generator).argsort(dim=1)  # (B, symbols): a random order per line
    at = torch.arange(length)
    return Copies(orders.gather(1, at % lengths), at >= lengths)


def needle(count: int, length: int, back: int, symbols: int, generator: torch.Generator) -> Tensor:
    """(B, T + 1): the last symbol of the line stands once before, `back` places earlier; the token after the line is what followed it there."""
    if not 2 <= back < length:
        raise ValueError(f"In a line of {length} symbols the needle can stand 2 to {length - 1} places back; got {back}.")
    line = torch.randint(1, symbols, (count, length + 1), generator=generator)  # 0 is kept for the needle
    line[:, [length - 1 - back, length - 1]] = 0
    line[:, length] = line[:, length - back]
    names = torch.rand(count, symbols, generator=generator).argsort(dim=1)  # then all are renamed: the needle may be any symbol
    return names.gather(1, line)
