"""Looking into a network while part of it is switched off: silence heads, or zero what stands for one token at the start.

Reading attention shows what a head looks at. What it is good for shows only when it is gone: the same text runs again with zeros where the
head's output was, and everything after it has to make do. MiniLM and the toy decoder come out in one shape, so that one picture serves both.

Shapes: L layers, H heads, T tokens, D numbers per head, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.attention import causal_mask
from models.decoder import Decoder, Trace, without
from models.minilm import LAYERS, MiniLM, Reading, Tokens, mean_of_tokens

Head = tuple[int, int]  # (layer, head), both from 0


@dataclass(frozen=True)
class Look:
    """One text's way through a network."""

    ids: Tensor  # (T,)
    q: Tensor  # (L, H, T, D)
    k: Tensor  # (L, H, T, D)
    v: Tensor  # (L, H, T, D)
    weights: Tensor  # (L, H, T, T)
    states: Tensor  # (T, C) after the last layer
    made: Tensor  # what the network is for: (T, V) next-token logits, or (C,) the embedding of the text
    causal: bool


@torch.inference_mode()
def look_into_decoder(model: Decoder, ids: list[int], silenced: Collection[Head] = (), zeroed: int | None = None) -> Look:
    tokens, trace = torch.tensor([ids]), Trace()
    x = model.embed(tokens)  # (1, T, C)
    if zeroed is not None:
        x[:, zeroed] = 0
    for layer, block in enumerate(model.blocks):
        x = model.through(block, x, causal_mask(len(ids)), layer, None, without(silenced), trace)
    v = torch.stack([heads.v for heads in trace.heads])
    return Look(tokens[0], trace.queries[:, 0], trace.keys[:, 0], v[:, 0], trace.attention[:, 0], x[0], model.unembed(x)[0], causal=True)


def look_into_minilm(model: MiniLM, tokens: Tokens, silenced: Collection[Head] = (), zeroed: int | None = None) -> Look:
    """`tokens` of one text (`MiniLM.tokenize`)."""
    x = model.embed_tokens(tokens.ids)  # (1, T, C)
    if zeroed is not None:
        x[:, zeroed] = 0
    nothing_hidden = np.zeros((1, 1, 1, x.shape[1]), dtype=np.float32)
    reading = Reading(tokens, x[:, 0], x)
    for layer in range(LAYERS):
        x = model.layer(layer, x, nothing_hidden, reading, [head for at, head in silenced if at == layer])
    q, k, v, weights = (torch.from_numpy(np.stack(part)[:, 0]) for part in (reading.queries, reading.keys, reading.values, reading.attention))
    embedding = mean_of_tokens(x, tokens.real)[0]
    return Look(torch.from_numpy(tokens.ids[0]), q, k, v, weights, torch.from_numpy(x[0]), torch.from_numpy(embedding), causal=False)


