"""A two-layer RWKV of version 4: no attention, but an average over the past whose weights fade."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models import checkpoints
from models.rwkv import RWKV, half_life
from models.training.language import HELD_OUT_SEED, Report, describe_data, rounded, toy_stream
from models.training.steps import Made, Recipe, train, windows

KIND, TOKENIZER, SEED = "rwkv", "toy_tokenizer", 8
RECIPE = Recipe(steps=1_000, batch=16, muon_rate=None)
CONTEXT, WIDTH, LAYERS = 48, 64, 2
DISTANCES = (1, 2, 3, 5, 8, 12, 16, 24, 32, 40)  # tokens back, for what is still felt of them

data = describe_data


def config(model: RWKV) -> dict[str, Any]:
    return {"vocabulary": model.embedding.num_embeddings, "width": model.width, "layers": len(model.blocks)}


def make(report: Report) -> Made:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model, stream = RWKV(len(checkpoints.toy_tokenizer()), WIDTH, LAYERS), toy_stream()

    def loss_at(_step: int) -> Tensor:
        inputs, targets = windows(stream, CONTEXT, RECIPE.batch, generator)
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())

    for progress in train(model, RECIPE, loss_at):
        report(progress)
    return Made(model)


@torch.inference_mode()
def measure(model: RWKV) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    inputs, targets = windows(toy_stream(HELD_OUT_SEED, 5_000), CONTEXT, 64, generator)
    return {
        "held_out_loss": rounded(float(F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()))),
        "half_lives": rounded([half_life(block.time.decay).sort().values.tolist() for block in model.blocks]),
        "felt": felt_by_distance(model),
        "felt_by_toy_mixture": felt_by_distance(checkpoints.load("toy_mixture").model),
    }


def felt_by_distance(model: torch.nn.Module) -> dict[str, float]:
    return {str(back): float(f"{felt(model, back):.3g}") for back in DISTANCES}


@torch.inference_mode()
def felt(model: torch.nn.Module, back: int, batches: int = 6) -> float:
    """How much the last prediction changes, in nats (KL), when the token so many places before the last is replaced by a random one."""
    generator, changes = torch.Generator().manual_seed(3), []
    for _ in range(batches):
        tokens, _ = windows(toy_stream(HELD_OUT_SEED, 5_000), CONTEXT, 64, generator)
        other = tokens.clone()
        other[:, -1 - back] = torch.randint(len(checkpoints.toy_tokenizer()), (len(tokens),), generator=generator)
        before, after = (torch.log_softmax(model(each)[:, -1], dim=-1) for each in (tokens, other))
        changes.append((before.exp() * (before - after)).sum(dim=-1))
    return float(torch.cat(changes).mean())
