"""A one-layer draft of the toy decoder: small, quick and often right, for speculative decoding."""

from typing import Any

import torch

from models import checkpoints, toy_world
from models.decoder import Decoder, DecoderConfig
from models.training.language import Report, config_of, describe_data, held_out_loss, rounded, train_decoder
from models.training.steps import Made, Recipe

KIND, TOKENIZER, SEED = "decoder", "toy_tokenizer", 3
RECIPE = Recipe(steps=500, batch=32)

data = describe_data
config = config_of


def make(report: Report) -> Made:
    shape = DecoderConfig(vocabulary=len(checkpoints.toy_tokenizer()), layers=1, heads=4, width=64)
    return train_decoder(shape, RECIPE, SEED, report)


def measure(model: Decoder, count: int = 300) -> dict[str, Any]:
    return {"held_out_loss": rounded(held_out_loss(model)), "agreement_with_toy_decoder": rounded(agreement(model, count))}


@torch.inference_mode()
def agreement(draft: Decoder, count: int) -> dict[str, float]:
    """How near the draft is to its target, token by token on held-out documents.

    `overlap` is Σ min(p, q): the chance that a token sampled from the draft is accepted. `same_best`: how often their arg max agrees."""
    target, tokenizer, _ = checkpoints.load("toy_decoder")
    overlaps, same = [], []
    for text in toy_world.documents(29, count):
        tokens = torch.tensor([[tokenizer.end, *tokenizer.encode(text)]])
        p, q = target(tokens)[0].softmax(dim=-1), draft(tokens)[0].softmax(dim=-1)
        overlaps.append(torch.minimum(p, q).sum(dim=-1))
        same.append((p.argmax(dim=-1) == q.argmax(dim=-1)).float())
    return {"overlap": float(torch.cat(overlaps).mean()), "same_best": float(torch.cat(same).mean())}
