"""A vision transformer and a text encoder trained together on coloured shapes: zero-shot recognition, also of pairs never shown."""

from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import toy_shapes
from models.contrastive import Contrastive, ContrastiveConfig, info_nce, to_pixels
from models.training.language import Report, rounded
from models.training.steps import Made, Recipe, train

KIND, TOKENIZER, SEED = "contrastive", "shapes", 8
PER_PAIR = 160  # pictures of each of the 42 pairs in training
SHOWN_AT_ONCE = 2  # of each pair in a batch: a random batch would hold many pairs twice and punish them as wrong
RECIPE = Recipe(
    steps=700, batch=SHOWN_AT_ONCE * len(toy_shapes.SEEN), muon_rate=None, adamw_rate=2e-3, weight_decay=0.05, warm_up=40, decay_share=0.5
)
HELD_OUT_SEED = 1_000_003


def data() -> str:
    return (
        f"{PER_PAIR} pictures of each of {len(toy_shapes.SEEN)} colour-shape pairs (models/toy_shapes.py), seed {SEED}; "
        f"{len(toy_shapes.UNSEEN)} of {len(toy_shapes.PAIRS)} pairs never shown"
    )


def config(model: Contrastive) -> dict[str, Any]:
    return asdict(model.config)


def make(report: Report) -> Made:
    torch.manual_seed(SEED)
    rng, tokenizer = Random(SEED), toy_shapes.tokenizer()
    model = Contrastive(ContrastiveConfig(len(tokenizer)))
    pictures = [toy_shapes.picture(rng, pair) for pair in toy_shapes.SEEN for _ in range(PER_PAIR)]
    pixels = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))  # (42·160, 64, 64, 3) of uint8
    generator = torch.Generator().manual_seed(SEED)
    first = torch.arange(len(toy_shapes.SEEN)) * PER_PAIR

    def loss_at(step: int) -> Tensor:
        rows = torch.cat([first + torch.randint(PER_PAIR, first.shape, generator=generator) for _ in range(SHOWN_AT_ONCE)])
        tokens, real = tokenizer.batch([toy_shapes.caption(pictures[row], rng) for row in rows.tolist()])
        with torch.autocast("cpu", torch.bfloat16):
            similarities = model(to_pixels(pixels[rows]), tokens, real)
        return info_nce(similarities.float())

    for progress in train(model, RECIPE, loss_at):
        report(progress)
    return Made(model)


@torch.inference_mode()
def measure(model: Contrastive, count: int = 1_200) -> dict[str, Any]:
    seen, unseen = recognised(model, toy_shapes.SEEN, count), recognised(model, toy_shapes.UNSEEN, count // 2)
    return {
        "zero_shot_seen": rounded(float(seen.mean())),
        "zero_shot_unseen": rounded(float(unseen.mean())),
        "unseen_by_pair": {
            " ".join(pair): rounded(float(unseen[place :: len(toy_shapes.UNSEEN)].mean())) for place, pair in enumerate(toy_shapes.UNSEEN)
        },
        "chance": rounded(1 / len(toy_shapes.PAIRS)),
    }


def recognised(model: Contrastive, pairs: Sequence[tuple[str, str]], count: int) -> Tensor:
    """Fresh pictures, the pairs by turns: 1 where the nearest of all 48 prompts is the right one."""
    rng = Random(HELD_OUT_SEED)
    wanted = [pairs[i % len(pairs)] for i in range(count)]
    pictures = torch.from_numpy(np.stack([toy_shapes.picture(rng, pair).pixels for pair in wanted]))
    tokens, real = toy_shapes.tokenizer().batch(toy_shapes.prompts())
    texts = model.embed_texts(tokens, real)
    nearest = torch.cat([(model.embed_pictures(to_pixels(part)) @ texts.T).argmax(dim=-1) for part in pictures.split(100)])
    return (nearest == torch.tensor([toy_shapes.PAIRS.index(pair) for pair in wanted])).float()
