"""Six readers that look for a needle among passages: three ways to tell places apart, each trained with needles everywhere or mostly near the ends."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.needle_reader import KINDS, LONGEST, PLACES, POSITIONS, PROPERTIES, Places, Positions, Reader, haystacks, place_weights, recall
from models.training.language import Report, rounded
from models.training.steps import Made, Progress, Recipe, train

KIND, TOKENIZER, SEED = "readers", "none", 1
RECIPE = Recipe(steps=1000, batch=64, adamw_rate=5e-3, muon_rate=None, warm_up=30)
MOST_DISTRACTORS = 6
RUNS = tuple((positions, places) for positions in POSITIONS for places in PLACES)


def data() -> str:
    return f"{LONGEST} passages of {PROPERTIES} properties of {KINDS} kinds, up to {MOST_DISTRACTORS} near misses (models/needle_reader.py)"


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    return {"runs": {f"{positions}_{places}": positions for positions, places in RUNS}}


def make(report: Report) -> Made:
    kept = nn.ModuleDict()
    for run, (positions, places) in enumerate(RUNS):
        kept[f"{positions}_{places}"] = trained(positions, places, lambda progress, run=run: report(in_all(progress, run)))
    return Made(kept)


def in_all(progress: Progress, run: int) -> Progress:
    return progress._replace(step=progress.step + run * RECIPE.steps, steps=len(RUNS) * RECIPE.steps, seconds=progress.seconds * (run + 1))


def trained(positions: Positions, places: Places, report: Report) -> Reader:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    reader = Reader(positions)

    def loss_at(_step: int) -> Tensor:
        distractors = int(torch.randint(MOST_DISTRACTORS + 1, (1,), generator=generator))
        texts = haystacks(place_weights(LONGEST, places), distractors, RECIPE.batch, generator)
        return F.cross_entropy(reader(texts), texts.right)

    for progress in train(reader, RECIPE, loss_at):
        report(progress)
    return reader


def measure(model: nn.ModuleDict, count: int = 512) -> dict[str, Any]:
    """Recall at the first, the middle and the last passage, without and with six distractors."""
    generator = torch.Generator().manual_seed(1_000_003)
    return {
        name: {
            f"recall_{distractors}": [rounded(recall(reader, LONGEST, depth, distractors, count, generator)) for depth in (0.0, 0.5, 1.0)]
            for distractors in (0, MOST_DISTRACTORS)
        }
        for name, reader in model.items()
    }
