"""A two-layer decoder with a mixture of experts: eight experts, two chosen for each token, and one shared by all."""

from typing import Any

import torch

from models import checkpoints, toy_world
from models.decoder import Decoder, DecoderConfig
from models.training.language import Report, config_of, describe_data, held_out_loss, rounded, train_decoder
from models.training.steps import Made, Recipe

KIND, TOKENIZER, SEED = "decoder", "toy_tokenizer", 4
RECIPE = Recipe(steps=600, batch=24)

data = describe_data
config = config_of


def make(report: Report) -> Made:
    shape = DecoderConfig(
        vocabulary=len(checkpoints.toy_tokenizer()), layers=2, heads=4, width=96, positions="rotary", experts=8, shared_expert=True, expert_hidden=96
    )
    return train_decoder(shape, RECIPE, SEED, report)


def measure(model: Decoder, count: int = 300) -> dict[str, Any]:
    active = sum(p.numel() for name, p in model.named_parameters() if ".experts." not in name)
    active += sum(p.numel() for name, p in model.named_parameters() if ".experts." in name) * model.config.chosen_experts // model.config.experts
    return {"held_out_loss": rounded(held_out_loss(model)), "active_parameters": active, "load": rounded(load(model, count))}


@torch.inference_mode()
def load(model: Decoder, count: int) -> dict[str, list[list[float]]]:
    """For every kind of document and every layer: the share of all choices that went to each expert."""
    tokenizer, shares = checkpoints.toy_tokenizer(), {}
    rng = torch.Generator().manual_seed(31)
    for kind, write in toy_world.WRITERS.items():
        counts = torch.zeros(model.config.layers, model.config.experts)
        for _ in range(count // len(toy_world.WRITERS)):
            seed = int(torch.randint(2**31, (1,), generator=rng))
            _, trace = model.look(torch.tensor([[tokenizer.end, *tokenizer.encode(write(toy_world.Random(seed)))]]))
            for layer, routing in enumerate(trace.routing):
                counts[layer] += torch.bincount(routing.experts.flatten(), minlength=model.config.experts)
        shares[kind] = (counts / counts.sum(dim=-1, keepdim=True)).tolist()
    return shares
