"""Four attention-only decoders while they learn to copy a stretch of symbols that repeats: one and two layers, at random and at a fixed distance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from models.attention_only import AttentionOnly, AttentionOnlyConfig, losses, repeated
from models.head_patterns import induction_keys, weight_on
from models.training.language import Report, rounded
from models.training.steps import Made, Progress, Recipe, train

KIND, TOKENIZER, SEED = "attention_only", "letters", 1
RECIPE = Recipe(steps=800, batch=32, warm_up=50)
STEPS = (0, 50, 100, 150, 200, 250, 300, 400, 600, 800)  # kept on the way
SYMBOLS, LENGTH = 26, 64
DISTANCES: dict[str, int | tuple[int, int]] = {"random": (6, 24), "fixed": 16}
LAYERS = (1, 2)


def data() -> str:
    return f"lines of {LENGTH} letters: a stretch without a letter twice, repeated; stretches of 6 to 24 (random) or always 16 (fixed)"


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    runs = {f"{distance}_{layers}": asdict(AttentionOnlyConfig(SYMBOLS, layers)) for distance in DISTANCES for layers in LAYERS}
    return {"runs": runs, "steps": list(STEPS)}


def make(report: Report) -> Made:
    kept = nn.ModuleDict()
    for run, (distance, layers) in enumerate((distance, layers) for distance in DISTANCES for layers in LAYERS):
        kept.update(stages(distance, layers, lambda progress, run=run: report(in_all(progress, run))))
    return Made(kept)


def in_all(progress: Progress, run: int) -> Progress:
    runs = len(DISTANCES) * len(LAYERS)
    return progress._replace(step=progress.step + run * RECIPE.steps, steps=runs * RECIPE.steps, seconds=progress.seconds * (run + 1))


def stages(distance: str, layers: int, report: Report) -> dict[str, AttentionOnly]:
    """One training run; copies of the model at the steps of STEPS."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = AttentionOnly(AttentionOnlyConfig(SYMBOLS, layers))
    kept = {f"{distance}_{layers}_0": copy_of(model)}

    def loss_at(_step: int) -> torch.Tensor:
        tokens = repeated(RECIPE.batch, LENGTH, DISTANCES[distance], SYMBOLS, generator)
        return losses(model(tokens), tokens).mean()

    for progress in train(model, RECIPE, loss_at):
        if progress.step in STEPS:
            kept[f"{distance}_{layers}_{progress.step}"] = copy_of(model)
        report(progress)
    return kept


def copy_of(model: AttentionOnly) -> AttentionOnly:
    copy = AttentionOnly(model.config)
    copy.load_state_dict(model.state_dict())
    return copy


@torch.inference_mode()
def measure(model: nn.ModuleDict, count: int = 64) -> dict[str, Any]:
    """At every step: nats per letter from the second copy on, with 16 and with 20 letters between copies, and the best head's induction score."""
    figures: dict[str, Any] = {}
    for name, stage in model.items():
        seen = {}
        for stretch in (16, 20):
            tokens = repeated(count, LENGTH, stretch, SYMBOLS, torch.Generator().manual_seed(1_000_003))
            logits, heads = stage.look(tokens)
            seen[f"copy_nll_{stretch}"] = float(losses(logits, tokens)[:, stretch:].mean())
        keys = induction_keys(tokens)
        seen["induction"] = max(float(weight_on(layer.weights, keys[:, None]).mean(dim=0).max()) for layer in heads)
        figures[name] = rounded(seen)
    return figures
