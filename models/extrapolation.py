"""Train short, test long: how a decoder does beyond the length it was trained on, measured on text and on recall.

Text: nats per letter at every position. Recall: the share of lines in which the symbol after the needle is the most likely one.
A model that cannot run at a length (a learned table that has ended) gets NaN there.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.positioned_decoder import PositionedDecoder, Stretch
from models.recall import needle
from models.toy_letters import FIRST_SYMBOL, SYMBOLS


def text_loss(model: PositionedDecoder, lines: Tensor, stretch: Stretch) -> Tensor:
    """lines (B, T + 1) -> (T,): the mean loss on the letter after position t, over the lines."""
    T = runs_to(model, lines.shape[1] - 1)
    logits = model(lines[:, :T], stretch)
    losses = F.cross_entropy(logits.transpose(1, 2), lines[:, 1 : T + 1], reduction="none").mean(dim=0)
    return F.pad(losses, (0, lines.shape[1] - 1 - T), value=float("nan"))


def recall(model: PositionedDecoder, length: int, back: int, count: int, stretch: Stretch, seed: int = 0) -> float:
    if runs_to(model, length) < length:
        return float("nan")
    lines = needle(count, length, back, len(SYMBOLS), torch.Generator().manual_seed(seed)) + FIRST_SYMBOL
    return (model(lines[:, :-1], stretch)[:, -1].argmax(dim=-1) == lines[:, -1]).float().mean().item()


def runs_to(model: PositionedDecoder, length: int) -> int:
    """A learned table ends; all else can be computed at any length, which says nothing about how good it is there."""
    return min(length, model.config.trained) if model.position is not None else length


def stretched(scaling: str, times: float, trained: int) -> Stretch:
    """What is done to read `times` the trained length: nothing, a window as wide as it, or slower rotations."""
    if scaling == "window":
        return Stretch(window=trained)
    return Stretch(scaling, times) if times > 1 else Stretch()
