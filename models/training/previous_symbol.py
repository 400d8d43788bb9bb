"""One-layer networks that name the symbol before each place, with positions from a table, a GRU, an ODE or a learned rotation."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.generated_positions import GENERATORS, PreviousConfig, PreviousSymbol
from models.training.language import Report, rounded
from models.training.steps import Made, Progress, Recipe, train

KIND, TOKENIZER, SEED = "previous_symbol", "letters", 0
RECIPE = Recipe(steps=900, batch=64, warm_up=30, muon_rate=None)
TRAINED = (16, 32)
REACH = 4  # times the trained length
LENGTHS = (16, 32, 64, 128, 256)  # at which making the positions is timed


def data() -> str:
    return f"lines of {TRAINED[0]} or {TRAINED[1]} random symbols of 16, seed {SEED}"


def shapes() -> dict[str, PreviousConfig]:
    return {f"{generator}_{L}": PreviousConfig(generator, L) for L in TRAINED for generator in GENERATORS}


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    return {run: asdict(shape) for run, shape in shapes().items()}


def make(report: Report) -> Made:
    wanted, kept = shapes(), nn.ModuleDict()
    for at, (run, shape) in enumerate(wanted.items()):
        kept[run] = one_run(shape, lambda progress, at=at: report(in_all(progress, at, len(wanted))))
    return Made(kept)


def in_all(progress: Progress, at: int, runs: int) -> Progress:
    return progress._replace(step=progress.step + at * RECIPE.steps, steps=runs * RECIPE.steps, seconds=progress.seconds * (at + 1))


def one_run(config: PreviousConfig, report: Report) -> PreviousSymbol:
    torch.manual_seed(SEED)
    generator, model = torch.Generator().manual_seed(SEED), PreviousSymbol(config)

    def loss_at(_step: int) -> Tensor:
        tokens = torch.randint(config.symbols, (RECIPE.batch, config.trained), generator=generator)
        return F.cross_entropy(model(tokens)[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())

    for progress in train(model, RECIPE, loss_at):
        report(progress)
    return model


@torch.inference_mode()
def measure(model: nn.ModuleDict, count: int = 64) -> dict[str, Any]:
    """The share of right answers in each stretch of half a trained length, and the microseconds it takes to make so many positions."""
    return {run: {"right": right(reader, count), "microseconds": timed(reader)} for run, reader in model.items()}


def right(reader: PreviousSymbol, count: int) -> list[float]:
    L, table = reader.config.trained, reader.config.generator == "table"
    tokens = torch.randint(reader.config.symbols, (count, L if table else REACH * L), generator=torch.Generator().manual_seed(1_000_003))
    named = (reader(tokens)[:, 1:].argmax(dim=-1) == tokens[:, :-1]).float().mean(dim=0)
    return [rounded(float(part.mean())) for part in named.split(L // 2)]


def timed(reader: PreviousSymbol, repeats: int = 5) -> list[float]:
    """The quickest of some tries; a table has nothing beyond its rows."""
    lengths = [T for T in LENGTHS if reader.config.generator != "table" or reader.config.trained >= T]
    return [round(min(seconds(reader, T) for _ in range(repeats)) * 1e6, 1) for T in lengths]


def seconds(reader: PreviousSymbol, T: int) -> float:
    began = time.perf_counter()
    reader.positions(T)
    return time.perf_counter() - began
