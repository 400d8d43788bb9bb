"""An encoder-decoder from dates as people write them to ISO 8601: its cross-attention shows where each character comes from."""

from dataclasses import asdict
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models import toy_dates
from models.encoder_decoder import CrossTrace, EncoderDecoder, EncoderDecoderConfig
from models.symbols import PAD, START, STOP, SymbolTokenizer
from models.training.language import Report, rounded
from models.training.steps import Made, Recipe, train

KIND, TOKENIZER, SEED = "encoder_decoder", "dates", 6
RECIPE = Recipe(steps=1_200, batch=64, muon_rate=None, adamw_rate=2e-3, warm_up=50)
CASES = 40_000
HELD_OUT_SEED = 1_000_003


def data() -> str:
    return f"dates from {toy_dates.FIRST} to {toy_dates.LAST} in {len(toy_dates.FORMS)} forms (models/toy_dates.py), seed {SEED}"


def config(model: EncoderDecoder) -> dict[str, Any]:
    return asdict(model.config)


def encode(cases: list[toy_dates.Case], tokenizer: SymbolTokenizer) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (B, S), which of their places are real (B, S), and targets (B, 12) from the start to the stop token."""
    sources, real = tokenizer.batch([case.source for case in cases])
    targets = torch.tensor([[START, *tokenizer.encode(case.target), STOP] for case in cases])
    return sources, real, targets


def make(report: Report) -> Made:
    torch.manual_seed(SEED)
    rng, tokenizer = Random(SEED), toy_dates.tokenizer()
    model = EncoderDecoder(EncoderDecoderConfig(len(tokenizer)))
    sources, real, targets = encode([toy_dates.case(rng) for _ in range(CASES)], tokenizer)
    generator = torch.Generator().manual_seed(SEED)

    def loss_at(step: int) -> Tensor:
        rows = torch.randint(CASES, (RECIPE.batch,), generator=generator)
        logits = model(sources[rows], targets[rows, :-1], real[rows])
        return F.cross_entropy(logits.flatten(0, 1), targets[rows, 1:].flatten(), ignore_index=PAD)

    for progress in train(model, RECIPE, loss_at):
        report(progress)
    return Made(model)


@torch.inference_mode()
def measure(model: EncoderDecoder, count: int = 1_000) -> dict[str, Any]:
    rng, tokenizer = Random(HELD_OUT_SEED), toy_dates.tokenizer()
    cases = [toy_dates.case(rng) for _ in range(count)]
    sources, real, _ = encode(cases, tokenizer)
    written = [tokenizer.decode(line) for line in model.answer(sources, START, STOP, real)[:, 1:].tolist()]
    scores = year_alignment(model, cases)
    best = int(scores.argmax())
    return {
        "exact": rounded(sum(text == case.target for text, case in zip(written, cases, strict=True)) / count),
        "year_alignment": rounded(scores.tolist()),
        "best_alignment": [*divmod(best, scores.shape[1]), rounded(float(scores.flatten()[best]))],
    }


@torch.inference_mode()
def year_alignment(model: EncoderDecoder, cases: list[toy_dates.Case]) -> Tensor:
    """(L, H): while the four digits of the year are written, how often a head's largest weight lies on that very digit of the source."""
    sources, real, targets = encode(cases, toy_dates.tokenizer())
    trace = CrossTrace()
    model(sources, targets[:, :-1], real, trace)
    looked_at = trace.cross_attention[:, :, :, :4].argmax(dim=-1)  # (L, B, H, 4): the digit number i is predicted at place i
    wanted = torch.tensor([case.year_at for case in cases])[:, None] + torch.arange(4)  # (B, 4)
    return (looked_at == wanted[None, :, None]).float().mean(dim=(1, 3))
