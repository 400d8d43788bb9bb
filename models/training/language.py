"""What the recipes on the toy world share: its text as one stream of tokens, and next-token training of a decoder on it."""

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models import checkpoints, circuits, toy_world
from models.decoder import Decoder, DecoderConfig, Trace
from models.mixture import load_balance_loss
from models.training.steps import Made, Progress, Recipe, stream_of, train, windows

DOCUMENTS = 150_000  # about 4 million tokens: a training run sees most of them once
TEXT_SEED, HELD_OUT_SEED = 1, 2
BALANCE = 0.01  # weight of the load-balance loss in a mixture of experts
DATA = "the toy world (models/toy_world.py), {documents:,} documents of seed {seed}; held out: documents of seed {held_out}"

Report = Callable[[Progress], None]


def describe_data() -> str:
    return DATA.format(documents=DOCUMENTS, seed=TEXT_SEED, held_out=HELD_OUT_SEED)


@cache
def toy_stream(seed: int = TEXT_SEED, documents: int = DOCUMENTS) -> Tensor:
    tokenizer = checkpoints.toy_tokenizer()
    return stream_of((tokenizer.encode(text) for text in toy_world.documents(seed, documents)), tokenizer.end)


def train_decoder(config: DecoderConfig, recipe: Recipe, seed: int, report: Report, note_every: int = 0) -> Made:
    """With `note_every`, the circuits are measured every so many steps: when do they appear?"""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model, stream = Decoder(config), toy_stream()
    development: list[dict[str, Any]] = []

    def loss_at(step: int) -> Tensor:
        inputs, targets = windows(stream, config.context, recipe.batch, generator)
        return next_token_loss(model, inputs, targets)

    for progress in train(model, recipe, loss_at):
        if note_every and progress.step % note_every == 0:
            development.append({"step": progress.step, "loss": rounded(progress.loss)} | circuits_now(model))
        report(progress)
    return Made(model, development)


def circuits_now(model: Decoder, count: int = 40) -> dict[str, float]:
    """The best head's score in every role, and what the circuits achieve, on a small sample."""
    tokenizer = checkpoints.toy_tokenizer()
    scores = circuits.head_scores(model, tokenizer, count)
    now = {role: circuits.best_head(scores[role])[1] for role in circuits.ROLES}
    now["giving_right"] = circuits.gift_skill(model, tokenizer, count).right
    now["copying_accuracy"] = circuits.copy_skill(model, tokenizer, count).accuracy
    return rounded(now)


def next_token_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Tensor:
    trace = Trace() if model.config.experts else None
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(inputs, trace=trace)
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
    if trace is not None:
        loss = loss + BALANCE * torch.stack([load_balance_loss(routing) for routing in trace.routing]).mean()
    return loss


@torch.inference_mode()
def held_out_loss(model: Decoder, count: int = 64) -> float:
    """Nats per token on text of a seed that was not trained on."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = windows(toy_stream(HELD_OUT_SEED, 5_000), model.config.context, count, generator)
    return float(F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()))


def skills(model: Decoder, count: int) -> dict[str, Any]:
    tokenizer = checkpoints.toy_tokenizer()
    return {
        "held_out_loss": rounded(held_out_loss(model)),
        "giving": rounded(circuits.gift_skill(model, tokenizer, count)._asdict()),
        "copying_24_words": rounded(circuits.copy_skill(model, tokenizer, count // 3, length=24)._asdict()),
        "agreement": rounded(circuits.agreement_skill(model, tokenizer, count)),
        "brackets": rounded(circuits.bracket_skill(model, tokenizer, count // 3)),
        "sums": rounded(circuits.sum_skill(model, tokenizer, count)),
    }


def circuit_figures(model: Decoder, count: int = 100) -> dict[str, Any]:
    tokenizer = checkpoints.toy_tokenizer()
    scores = circuits.head_scores(model, tokenizer, count)
    return {
        "best_heads": {role: [*head, rounded(score)] for role, (head, score) in ((r, circuits.best_head(scores[r])) for r in circuits.ROLES)},
        "head_scores": {role: rounded(scores[role].tolist()) for role in circuits.ROLES},
        "ablations": [
            {"removed": a.removed, "giving": rounded(a.gifts._asdict()), "copying": rounded(a.copies._asdict())}
            for a in circuits.ablations(model, tokenizer, scores, count)
        ],
    }


def config_of(model: Decoder) -> dict[str, Any]:
    return asdict(model.config)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
