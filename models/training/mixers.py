"""Softmax attention, linear attention, a gated recurrence, a convolution and a Fourier transform, each in a small model that learns to look things up."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import toy_pairs
from models.token_mixers import KINDS, Kind, MixerModel
from models.training.language import Report, rounded
from models.training.steps import Made, Progress, Recipe, train

KIND, TOKENIZER, SEED = "mixers", "pairs", 9
RECIPE = Recipe(steps=800, batch=32, adamw_rate=1e-2, muon_rate=None, warm_up=30)
WIDTH = 32
STATES = (8, 16, 32)  # sizes of keys and queries, for the mixers that have them
MOST_PAIRS, MOST_FILLER, QUESTIONS = 32, 16, 16  # in training
PAIRS = (2, 4, 8, 12, 16, 24, 32)
FILLERS = (0, 8, 16, 32, 64)
FEW_PAIRS, USUAL_FILLER = 8, 8


def data() -> str:
    return f"pairs and lines of models/toy_pairs.py, up to {MOST_PAIRS} pairs and {MOST_FILLER} tokens of filler, drawn afresh for every step"


def runs() -> Iterator[tuple[str, Kind, int]]:
    for kind in KINDS:
        for state in STATES if kind in ("softmax", "linear", "gated") else (WIDTH,):
            yield run_name(kind, state), kind, state


def run_name(kind: Kind, state: int) -> str:
    return f"{kind}_{state}" if kind in ("softmax", "linear", "gated") else kind


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    return {name: {"kind": kind, "vocabulary": toy_pairs.VOCABULARY, "width": WIDTH, "state": state} for name, kind, state in runs()}


def make(report: Report) -> Made:
    made: dict[str, nn.Module] = {}
    all_runs = list(runs())
    for at, (name, kind, state) in enumerate(all_runs):
        for progress in one_run(made, name, kind, state):
            steps = progress.steps * len(all_runs)
            report(Progress(at * progress.steps + progress.step, steps, progress.loss, progress.seconds * (at + 1)))
    return Made(nn.ModuleDict(made))


def one_run(made: dict[str, nn.Module], name: str, kind: Kind, state: int) -> Iterator[Progress]:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = made[name] = MixerModel(kind, toy_pairs.VOCABULARY, WIDTH, state)
    return train(model, RECIPE, lambda step: loss(model, kind, step, generator))


def loss(model: MixerModel, kind: Kind, step: int, generator: torch.Generator) -> Tensor:
    """Pairs and lines by turns. A line to copy stands in its own questions, so the Fourier transform, which sees ahead, gets pairs only."""
    pairs, filler = (int(torch.randint(low, high + 1, (1,), generator=generator)) for low, high in ((2, MOST_PAIRS), (0, MOST_FILLER)))
    task: toy_pairs.Task = "copy" if step % 2 and kind != "fourier" else "recall"
    lines = toy_pairs.lines(task, RECIPE.batch, pairs, QUESTIONS, filler, generator)
    return F.cross_entropy(model(lines.tokens)[:, lines.asked].flatten(0, 1), lines.answers.flatten())


def measure(model: nn.ModuleDict, count: int = 64) -> dict[str, Any]:
    """Share of right answers: by the number of pairs, and with few pairs by how much filler stands between them and the questions."""
    return {
        "by_pairs": {
            name: {task: [rounded(accuracy(model[name], task, pairs, USUAL_FILLER, count)) for pairs in PAIRS] for task in tasks(kind)}
            for name, kind, _ in runs()
        },
        "by_filler": {
            name: {task: [rounded(accuracy(model[name], task, FEW_PAIRS, filler, count)) for filler in FILLERS] for task in tasks(kind)}
            for name, kind, _ in runs()
        },
    }


def tasks(kind: Kind) -> tuple[toy_pairs.Task, ...]:
    return ("recall",) if kind == "fourier" else ("recall", "copy")


@torch.inference_mode()
def accuracy(model: MixerModel, task: toy_pairs.Task, pairs: int, filler: int, count: int, seed: int = 91) -> float:
    lines = toy_pairs.lines(task, count, pairs, QUESTIONS, filler, torch.Generator().manual_seed(seed))
    return float((model(lines.tokens)[:, lines.asked].argmax(dim=-1) == lines.answers).float().mean())
