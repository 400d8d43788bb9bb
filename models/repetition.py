"""Against repetition: the penalty of CTRL (Keskar et al. 2019), n-grams that may not come twice, and how repetition is counted.

Shapes: z (..., V) logits, seen (..., V) True for tokens that stand in the context.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def penalise(z: Tensor, seen: Tensor, penalty: float | Tensor) -> Tensor:
    """Seen tokens lose: a positive logit is divided, a negative one multiplied, so that both move down."""
    if torch.as_tensor(penalty).le(0).any():
        raise ValueError(f"A repetition penalty is above 0 (1 changes nothing), and {penalty} came.")
    return torch.where(seen, torch.where(z < 0, z * penalty, z / penalty), z)


def seen_so_far(tokens: Sequence[int], V: int) -> Tensor:
    """(T, V): after each of the T tokens, which of the V have occurred."""
    once = torch.zeros(len(tokens), V, dtype=torch.bool)
    once[torch.arange(len(tokens)), torch.tensor(tokens, dtype=torch.long)] = True
    return once.cumsum(dim=0) > 0


def completes_ngram(tokens: Sequence[int], n: int) -> set[int]:
    """Tokens that would make the last n - 1 tokens into an n-gram that was there before."""
    if n < 1:
        raise ValueError(f"An n-gram has at least one token, and n = {n} came.")
    tail = tuple(tokens[len(tokens) - n + 1 :]) if n > 1 else ()
    return {tokens[at + n - 1] for at in range(len(tokens) - n + 1) if tuple(tokens[at : at + n - 1]) == tail}


def forbid_ngrams(z: Tensor, tokens: Sequence[int], n: int) -> Tensor:
    """For one context: z (V,)."""
    banned = sorted(completes_ngram(tokens, n))
    return z.index_fill(-1, torch.tensor(banned, dtype=torch.long), float("-inf")) if banned else z


def repeated_share(tokens: Sequence[int], n: int) -> float:
    """rep-n: the share of n-grams that are copies of an earlier one (Welleck et al. 2020)."""
    ngrams = [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
