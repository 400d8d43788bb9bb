"""Writing as classification, again and again (an autoregressive language model).

    p(x₁, …, x_T) = Π p(xₜ | x₁ … xₜ₋₁)        log p = Σ log p(xₜ | x₁ … xₜ₋₁)        perplexity = exp(-log p / T)

The network reads what is there and scores every possible next token; a softmax makes probabilities of the scores, one token is chosen and
appended, and the loop begins again. Nothing is kept between two passes here: a KV cache would save work and change no number.

Shapes: T tokens read, V vocabulary, N tokens written.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Read = Callable[[Sequence[int]], Tensor]  # T tokens -> logits (T, V): at each position, the scores of what comes next
Choose = Callable[[Tensor], int]  # probabilities (V,) -> a token


class Step(NamedTuple):
    """One turn of the loop."""

    z: Tensor  # (V,) logits at the last position
    p: Tensor  # (V,)
    token: int

    @property
    def log_p(self) -> float:
        return float(self.p[self.token].log())


def write(read: Read, prompt: Sequence[int], N: int, choose: Choose) -> Iterator[Step]:
    text = list(prompt)
    for _ in range(N):
        z = read(text)[-1]  # (V,): every position has a prediction, only the last one is about something new
        p = torch.softmax(z, dim=-1)
        token = choose(p)
        text.append(token)
        yield Step(z, p, token)


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """log p(xₜ | x₁ … xₜ₋₁) for t = 2 … T, all from one pass: logits (..., T, V), tokens (T,) -> (..., T - 1)."""
    log_p = torch.log_softmax(logits[..., :-1, :], dim=-1)  # what stands at the last position predicts nothing that is there
    return log_p.gather(-1, tokens[1:].expand(log_p.shape[:-1])[..., None])[..., 0]


def perplexity(log_p: Tensor) -> Tensor:
    """(..., N) -> (...): among how many equally likely tokens one would have to guess to do as badly."""
    return (-log_p.mean(dim=-1)).exp()


def running_perplexity(log_p: Tensor) -> Tensor:
    """After 1, 2, … N tokens: (..., N) -> (..., N)."""
    counts = torch.arange(1, log_p.shape[-1] + 1)
    return (-log_p.cumsum(dim=-1) / counts).exp()
