"""The smallest language model: a Markov chain over V words, and the two ends of searching in it.

    p(y) = p(y₁) · Π p(yₜ | yₜ₋₁)          start (..., V) log p(y₁);  step (..., V, V) log p(next | last), rows are the last word

Greedy search takes the likeliest word each time and never looks back. Exhaustive search compares all V^L sequences; in a chain the best one is
also found step by step (Viterbi): of all sequences that end in a word, only the best can be the beginning of the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def random_chain(V: int, sharpness: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Logits from a unit normal, times the sharpness: 0 makes all words equal, a large one leaves hardly a choice."""
    return chain(torch.randn(V + 1, V, generator=generator, dtype=torch.float64), sharpness)


def chain(z: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
    """From logits z (..., V + 1, V): the first row starts, the others follow each of the V words."""
    log_p = torch.log_softmax(sharpness * z, dim=-1)
    return log_p[..., 0, :], log_p[..., 1:, :]


def greedy(start: Tensor, step: Tensor, L: int) -> tuple[Tensor, Tensor]:
    """Words (..., L) and their log probability (...), for as many chains at once as there are leading dimensions."""
    score, word = start.max(dim=-1)
    words = [word]
    for _ in range(L - 1):
        row = step.gather(-2, word[..., None, None].expand(*word.shape, 1, step.shape[-1]))[..., 0, :]  # (..., V)
        gain, word = row.max(dim=-1)
        score = score + gain
        words.append(word)
    return torch.stack(words, dim=-1), score


def best(start: Tensor, step: Tensor, L: int) -> tuple[Tensor, Tensor]:
    """Viterbi: words (..., L) of the most probable sequence and its log probability (...)."""
    score, back = start, []
    for _ in range(L - 1):
        score, parent = (score[..., :, None] + step).max(dim=-2)  # (..., V last, V next) -> (..., V)
        back.append(parent)
    total, word = score.max(dim=-1)
    words = [word]
    for parent in reversed(back):
        word = parent.gather(-1, word[..., None])[..., 0]
        words.append(word)
    return torch.stack(words[::-1], dim=-1), total


def all_scores(start: Tensor, step: Tensor, L: int) -> Tensor:
    """Exhaustive: log probability of every sequence of one chain, (V, V, ..., V) with L axes."""
    scores = start
    for _ in range(L - 1):
        scores = scores[..., None] + step  # (..., V) + (V, V) -> (..., V, V)
    return scores


def score_of(start: Tensor, step: Tensor, words: Sequence[int]) -> float:
    return float(start[words[0]] + sum(step[a, b] for a, b in pairwise(words)))
