"""Small decoders that differ only in how they know positions, trained at 16 or 32 letters: which of them can read further?"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import toy_letters, toy_world
from models.extrapolation import recall, stretched, text_loss
from models.positioned_decoder import PositionedConfig, PositionedDecoder
from models.recall import copies
from models.training.language import Report
from models.training.steps import Made, Progress, Recipe, stream_of, train, windows

KIND, TOKENIZER, SEED = "positioned", "toy_letters", 0
RECIPE = Recipe(steps=900, batch=64, warm_up=30, muon_rate=0.03)  # 64 lines of 16, or 32 of 32: 1,024 tokens a step
SHARE_OF_TEXT = 0.4  # of the lines; the others are symbols to be recalled
TRAINED = (16, 32)
SCHEMES = ("none", "learned", "sinusoidal", "rotary", "t5", "alibi")  # at both; Shaw's vectors at 32 only
SCALINGS = ("none", "pi", "ntk", "yarn", "window")  # of the rotary models
TIMES = (0.5, 1, 1.25, 1.5, 2, 3, 4, 6, 8)  # the trained length: where recall is measured
SHARES_BACK = (0.2, 0.4, 0.6, 0.8, 0.95)  # of the line, to the needle
BINS_PER_LENGTH, LONGEST = 4, 8
TEXT_SEED, HELD_OUT_SEED = 1, 2


def data() -> str:
    return (
        f"40 % letters of the toy world (models/toy_world.py, 12,000 documents of seed {TEXT_SEED}; held out: seed {HELD_OUT_SEED}), "
        f"60 % stretches of 4 or more of {len(toy_letters.SYMBOLS)} symbols, repeated (models/recall.py)"
    )


def shapes() -> dict[str, PositionedConfig]:
    """Every scheme at both lengths; at the longer also a T5 bias whose last buckets are never met, and Shaw's vectors in several forms."""
    runs = {f"{scheme}_{L}": shape(scheme, L) for L in reversed(TRAINED) for scheme in SCHEMES}
    L = TRAINED[-1]
    runs[f"t5_{L}_far"] = shape("t5", L, max_distance=4 * L)
    for clip in (2, 8, 64):
        runs[f"shaw_{L}_k{clip}"] = shape("shaw", L, clip=clip)
    runs[f"shaw_{L}_k8_keys"] = shape("shaw", L, clip=8, relative_values=False)
    runs[f"shaw_{L}_k8_values"] = shape("shaw", L, clip=8, relative_keys=False)
    return runs


def shape(scheme: str, L: int, **more: Any) -> PositionedConfig:
    return PositionedConfig(len(toy_letters.tokenizer()), scheme, L, **{"width": 48, "max_distance": max(L // 2, 12), **more})


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    return {run: asdict(made) for run, made in shapes().items()}


def make(report: Report) -> Made:
    wanted = shapes()
    kept = nn.ModuleDict()
    for at, run in enumerate(wanted):
        kept[run] = one_run(wanted[run], lambda progress, at=at: report(in_all(progress, at, len(wanted))))
    return Made(kept)


def in_all(progress: Progress, at: int, runs: int) -> Progress:
    return progress._replace(step=progress.step + at * RECIPE.steps, steps=runs * RECIPE.steps, seconds=progress.seconds * (at + 1))


def one_run(config: PositionedConfig, report: Report) -> PositionedDecoder:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model, stream, L = PositionedDecoder(config), text_stream(TEXT_SEED, 12_000), config.trained
    recipe = replace(RECIPE, batch=RECIPE.batch * TRAINED[0] // L)
    of_text = round(recipe.batch * SHARE_OF_TEXT)

    def loss_at(_step: int) -> Tensor:
        inputs, targets = windows(stream, L, of_text, generator)
        lines, known = copies(recipe.batch - of_text, L + 1, 4, L * 7 // 8, len(toy_letters.SYMBOLS), generator)
        lines = lines + toy_letters.FIRST_SYMBOL
        logits = model(torch.cat([inputs, lines[:, :-1]]))  # (B, L, V)
        counts = torch.cat([torch.ones_like(targets, dtype=torch.bool), known[:, 1:]])
        return F.cross_entropy(logits[counts], torch.cat([targets, lines[:, 1:]])[counts])

    for progress in train(model, recipe, loss_at):
        report(progress)
    return model


@cache
def text_stream(seed: int, documents: int) -> Tensor:
    tokenizer = toy_letters.tokenizer()
    return stream_of((tokenizer.encode(text) for text in toy_world.documents(seed, documents)), tokenizer.number["\n"])


@torch.inference_mode()
def measure(model: nn.ModuleDict, count: int = 32) -> dict[str, Any]:
    """Per model, and for rotary ones per scaling and stretch: the loss in stretches of a quarter of the trained length, and recall by length and place."""
    figures: dict[str, Any] = {}
    for run, decoder in model.items():
        figures[run] = {"none": measured(decoder, "none", LONGEST, count)}
        if decoder.config.scheme == "rotary":
            for scaling in SCALINGS[1:]:
                for times in (LONGEST,) if scaling == "window" else (2, 4, LONGEST):
                    figures[run][scaling if scaling == "window" else f"{scaling}_{times}"] = measured(decoder, scaling, times, count)
    return figures


def measured(decoder: PositionedDecoder, scaling: str, times: int, count: int) -> dict[str, Any]:
    L = decoder.config.trained
    stretch = stretched(scaling, times, L)
    inputs, targets = windows(text_stream(HELD_OUT_SEED, 800), LONGEST * L, count, torch.Generator().manual_seed(HELD_OUT_SEED))
    lines = torch.cat([inputs, targets[:, -1:]], dim=1)
    text = torch.stack([text_loss(decoder, part, stretch) for part in lines.split(8)]).mean(dim=0)
    grid = [[recall(decoder, n, places_back(n, share), count, stretch) for share in SHARES_BACK] for n in (round(L * times) for times in TIMES)]
    return {
        "text": [rounded(value) for value in text.view(-1, L // BINS_PER_LENGTH).mean(dim=-1).tolist()],
        "recall": [[rounded(value) for value in row] for row in grid],
    }


def places_back(length: int, share: float) -> int:
    """To the needle in a line of so many symbols: training never asked for less than four, and there is nothing before the line."""
    return min(max(4, round(length * share)), length - 1)


def rounded(value: float) -> float | None:
    """None where the model cannot run: JSON knows no NaN."""
    return None if math.isnan(value) else round(value, 4)
