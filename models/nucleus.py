"""Nucleus (top-p) sampling and its relatives: rules that keep few tokens where the model is sure and many where it is not.

    top-p     the smallest set of the likeliest tokens that holds at least the share p          Holtzman et al. 2019
    min-p     every token with p_i >= min_p · max_j p_j                                         Nguyen et al. 2024
    typical   the tokens whose surprise -ln p_i lies nearest to the entropy, until they hold m  Meister et al. 2022

Shapes: z (..., V) logits; ruled-out tokens get -inf, and at least one token always stays.
"""

import torch
from torch import Tensor

from models.temperature import entropy, probabilities


def keep_nucleus(z: Tensor, top_p: float) -> Tensor:
    """The token that crosses the line is kept, so the set is never empty."""
    if not 0 < top_p <= 1:
        raise ValueError(f"top-p is a share above 0 and at most 1, and {top_p} came.")
    return keep_first(z, torch.argsort(z, dim=-1, descending=True, stable=True), top_p)


def keep_min_p(z: Tensor, min_p: float) -> Tensor:
    if not 0 <= min_p <= 1:
        raise ValueError(f"min-p is a share of the largest probability, 0 to 1, and {min_p} came.")
    p = probabilities(z)
    return z.masked_fill(p < min_p * p.amax(dim=-1, keepdim=True), float("-inf"))


def keep_typical(z: Tensor, mass: float) -> Tensor:
    """Neither too likely nor too unlikely: the likeliest token itself may go."""
    if not 0 < mass <= 1:
        raise ValueError(f"The typical mass is a share above 0 and at most 1, and {mass} came.")
    p = probabilities(z)
    distance = (-torch.log(p) - entropy(p)[..., None]).abs()  # +inf for a token that was ruled out before: it comes last
    return keep_first(z, torch.argsort(distance, dim=-1, stable=True), mass)


def keep_first(z: Tensor, order: Tensor, mass: float) -> Tensor:
    """Walk through the tokens in this order and keep them until their probabilities reach `mass`."""
    ordered = z.gather(-1, order)
    p = torch.softmax(ordered, dim=-1)
    before = p.cumsum(dim=-1) - p  # what the tokens in front hold together
    kept = ordered.masked_fill(before >= mass, float("-inf"))
    return torch.full_like(z, float("-inf")).scatter(-1, order, kept)
