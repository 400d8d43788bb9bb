"""The training loop that all recipes share: a learning-rate schedule, one or two optimizers, and a report after every step.

It is a generator, so whoever trains can draw a curve, stop at any step, or look at the model half-way.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Loss = Callable[[int], Tensor]  # step -> the loss on that step's batch


@dataclass(frozen=True)
class Recipe:
    steps: int
    batch: int
    adamw_rate: float = 3e-3
    adamw_betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    muon_rate: float | None = 0.02  # None: AdamW does everything
    warm_up: int = 100
    decay_share: float = 0.4  # the last part of the steps, over which the rate falls to zero in a straight line
    clip: float = 1.0


class Progress(NamedTuple):
    step: int
    steps: int
    loss: float
    seconds: float


class Made(NamedTuple):
    """What a recipe hands over."""

    model: nn.Module
    development: list[dict[str, Any]] = []  # what was noted at certain steps on the way, if anything


def train(model: nn.Module, recipe: Recipe, loss_at: Loss) -> Iterator[Progress]:
    optimizers = optimizers_for(model, recipe)
    full_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    began = time.perf_counter()
    model.train()
    for step in range(recipe.steps):
        for optimizer, rates in zip(optimizers, full_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * share_of_rate(step, recipe)
        loss = loss_at(step)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        for optimizer in optimizers:
            optimizer.step()
        yield Progress(step + 1, recipe.steps, loss.item(), time.perf_counter() - began)
    model.eval()


def share_of_rate(step: int, recipe: Recipe) -> float:
    """Up in a straight line, flat, and down to zero: warm-up, stable, decay."""
    decay_from = recipe.steps * (1 - recipe.decay_share)
    rising = (step + 1) / max(1, recipe.warm_up)
    falling = (recipe.steps - step) / max(1.0, recipe.steps - decay_from)
    return min(1.0, rising, falling)


def optimizers_for(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside blocks, where orthogonal steps make sense; AdamW for tables, biases and gains."""
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        inside = recipe.muon_rate is not None and parameter.ndim == 2 and "blocks." in name
        (matrices if inside else rest).append(parameter)
    chosen: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=recipe.adamw_rate, betas=recipe.adamw_betas, weight_decay=recipe.weight_decay)
    ]
    if matrices and recipe.muon_rate is not None:
        chosen.append(torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="original"))
    return chosen


def windows(stream: Tensor, length: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random stretches of a token stream: inputs (B, T) and, one place further on, the tokens to predict (B, T)."""
    starts = torch.randint(len(stream) - length, (batch, 1), generator=generator)
    stretch = stream[starts + torch.arange(length + 1)]
    return stretch[:, :-1], stretch[:, 1:]


def stream_of(encoded: Iterable[list[int]], end: int) -> Tensor:
    """All documents in one line of tokens, each after an end-of-document token."""
    return torch.tensor([token for document in encoded for token in (end, *document)])
