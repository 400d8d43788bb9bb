"""Attention with relative positions (Shaw et al. 2018): a learned vector for every clipped offset, in the keys and in the values.

    e_ij = q_i · (k_j + aᴷ_ij) / √D        z_i = Σ_j α_ij (v_j + aⱽ_ij)        a_ij = w[clip(j - i, -k, k)]

Written out, aᴷ is a tensor of T·T·D numbers. Nobody builds it: q_i·aᴷ_ij takes only 2k + 1 values per query, so these are computed and
gathered; and the weights that fall on one offset are added up before they meet its value vector.

Shapes: T positions, D numbers per head, R = 2k + 1 offsets; "..." stands for texts and heads.
"""

import math

import torch
from torch import Tensor

from models.attention import scaled_dot_product


def clipped_offsets(T: int, k: int) -> Tensor:
    """clip(j - i, -k, k) (T, T)."""
    return (torch.arange(T)[None, :] - torch.arange(T)[:, None]).clamp(-k, k)


def gather_scores(q: Tensor, w: Tensor, offsets: Tensor) -> Tensor:
    """q (..., T, D), w (R, D), offsets (T, T) -> q_i · w[offset_ij] (..., T, T)."""
    k = len(w) // 2
    per_offset = q @ w.T  # (..., T, R)
    return per_offset.gather(-1, (offsets + k).expand(*q.shape[:-1], -1))


def gather_values(weights: Tensor, w: Tensor, offsets: Tensor) -> Tensor:
    """weights (..., T, T), w (R, D) -> Σ_j α_ij w[offset_ij] (..., T, D)."""
    k = len(w) // 2
    per_offset = weights.new_zeros(*weights.shape[:-1], len(w))  # (..., T, R)
    per_offset = per_offset.scatter_add(-1, (offsets + k).expand(weights.shape), weights)
    return per_offset @ w


def skew(per_distance: Tensor) -> Tensor:
    """The Music Transformer's way to do without a gather (Huang et al. 2018), for causal attention with k = T - 1.

    per_distance (..., T, T): column c of row i holds the score of the offset c - (T - 1), so the last column is offset 0. One column
    of padding and another reading of the same memory move every row to its place. Entries above the diagonal are leftovers: mask them.
    """
    *lead, T, _ = per_distance.shape
    padded = torch.nn.functional.pad(per_distance, (1, 0))  # (..., T, T + 1)
    return padded.reshape(*lead, T + 1, T)[..., 1:, :]  # (..., T, T)


def relative_attention(q: Tensor, k: Tensor, v: Tensor, w_k: Tensor | None, w_v: Tensor | None, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """q, k, v (..., T, D), tables w_k and w_v (R, D) or None, allowed (T, T) bool -> output (..., T, D), weights (..., T, T)."""
    T, D = q.shape[-2:]
    bias = torch.zeros(T, T).masked_fill(~allowed, -math.inf)
    if w_k is not None:
        bias = bias + gather_scores(q, w_k, clipped_offsets(T, len(w_k) // 2)) / math.sqrt(D)
    z, weights = scaled_dot_product(q, k, v, bias)
    if w_v is not None:
        z = z + gather_values(weights, w_v, clipped_offsets(T, len(w_v) // 2))
    return z, weights
