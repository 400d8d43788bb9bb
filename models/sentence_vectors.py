"""From token vectors to one vector per sentence, and the shape of the space those vectors lie in (Reimers and Gurevych 2019; Ethayarajh 2019).

    cls   the vector of the first token      mean   over all tokens      max   the largest value of each number over all tokens

A space is anisotropic when two unrelated sentences already have a high cosine: all vectors lie in a narrow cone around their common mean.

Shapes: N sentences, B in a batch, T tokens, C = 384 numbers.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.minilm import LAYERS, Array, MiniLM, Tokens

Pooling = Literal["cls", "mean", "max"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max")


def states_of_layers(model: MiniLM, tokens: Tokens) -> list[Array]:
    """(B, T, C) each: the embeddings of the words, then the states after each of the six layers."""
    mask = np.where(tokens.real, 0, -np.inf).astype(np.float32)[:, None, None, :]  # (B, 1, 1, T)
    states = [model.embed_tokens(tokens.ids)]
    for layer in range(LAYERS):
        states.append(model.layer(layer, states[-1], mask, None))
    return states


def pool(states: Array, real: NDArray[np.bool_], how: Pooling) -> Array:
    """(B, T, C), (B, T) -> (B, C); padding counts for nothing."""
    if how == "cls":
        return states[:, 0]
    inside = real[:, :, None]
    if how == "mean":
        return np.where(inside, states, 0).sum(axis=1) / inside.sum(axis=1)
    if how == "max":
        return np.where(inside, states, -np.inf).max(axis=1)
    raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}; got {how!r}")


def scaled_to_one(vectors: Array) -> Array:
    """(N, C), each of length one. A vector of nothing stays nothing."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))


def centred(vectors: Array) -> Array:
    """Without what all of them share: the mean vector."""
    return vectors - vectors.mean(axis=0, keepdims=True)


def cosines(vectors: Array) -> Array:
    """(N, C) -> (N, N)"""
    unit = scaled_to_one(vectors)
    return unit @ unit.T


def mean_over_pairs(table: Array, chosen: NDArray[np.bool_] | None = None) -> float:
    """The mean above the diagonal of (N, N), of all pairs or of the chosen ones; NaN when there is none."""
    pairs = np.triu(np.ones(table.shape, dtype=np.bool_), k=1)
    if chosen is not None:
        pairs &= chosen
    return float(table[pairs].mean()) if pairs.any() else float("nan")


def same_group(groups: Sequence[int]) -> NDArray[np.bool_]:
    """(N, N): do two sentences belong together?"""
    numbers = np.asarray(groups)
    return numbers[:, None] == numbers[None, :]


def principal_components(vectors: Array, count: int = 2) -> tuple[Array, Array]:
    """The directions along which the vectors differ most: coordinates (N, count), and each direction's share of the variance.

    The centred table is U S Vᵀ; its first columns of U S are the coordinates. A direction may be turned round without changing anything, so its
    largest weight is made positive."""
    u, s, v = np.linalg.svd(centred(vectors), full_matrices=False)  # (N, R), (R,), (R, C)
    count = min(count, len(s))
    signs = np.sign(v[np.arange(count), np.abs(v[:count]).argmax(axis=1)])
    coordinates = np.zeros((len(vectors), count), dtype=np.float32)
    coordinates[:] = u[:, :count] * s[:count] * np.where(signs == 0, 1, signs)
    variance = float(np.square(s).sum())
    return coordinates, np.square(s[:count]) / variance if variance > 1e-9 else np.zeros(count, dtype=np.float32)
