"""A small encoder-decoder while it learns to write letters backwards: its cross-attention turns from noise into an anti-diagonal."""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoder_decoder import CrossTrace, EncoderDecoder, EncoderDecoderConfig
from models.symbols import PAD, START, STOP, SymbolTokenizer
from models.training.language import Report, rounded
from models.training.steps import Made, Recipe, train

KIND, TOKENIZER, SEED = "encoder_decoder_stages", "letters", 3
RECIPE = Recipe(steps=1_000, batch=32, muon_rate=0.02, warm_up=50)
STEPS = (0, 50, 100, 150, 200, 300, 400, 600, 1_000)  # kept on the way
SHORTEST, LONGEST = 3, 12
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHAPE = EncoderDecoderConfig(len(LETTERS) + 4, source_context=LONGEST + 1, target_context=LONGEST + 2, layers=1, heads=2, width=32)


def data() -> str:
    return f"words of {SHORTEST} to {LONGEST} random letters and the same words backwards, seed {SEED}"


def config(_model: nn.ModuleDict) -> dict[str, Any]:
    return {"runs": {"reversal": asdict(SHAPE)}, "steps": list(STEPS)}


def word(rng: Random) -> str:
    return "".join(rng.choices(LETTERS, k=rng.randint(SHORTEST, LONGEST)))


def encode(words: list[str], tokenizer: SymbolTokenizer) -> tuple[Tensor, Tensor, Tensor]:
    """Sources (B, S) that end in the stop token, which of their places are real (B, S), and targets (B, T) from start to stop."""
    sources = [[*tokenizer.encode(source), STOP] for source in words]
    targets = [[START, *tokenizer.encode(source[::-1]), STOP] for source in words]
    filled = [
        torch.nn.utils.rnn.pad_sequence([torch.tensor(line) for line in lines], batch_first=True, padding_value=PAD) for lines in (sources, targets)
    ]
    return filled[0], filled[0] != PAD, filled[1]


def make(report: Report) -> Made:
    torch.manual_seed(SEED)
    rng, tokenizer, model = Random(SEED), SymbolTokenizer(LETTERS, "character"), EncoderDecoder(SHAPE)
    kept = nn.ModuleDict({"reversal_0": copy_of(model)})

    def loss_at(_step: int) -> Tensor:
        return loss(model, *encode([word(rng) for _ in range(RECIPE.batch)], tokenizer))

    for progress in train(model, RECIPE, loss_at):
        if progress.step in STEPS:
            kept[f"reversal_{progress.step}"] = copy_of(model)
        report(progress)
    return Made(kept)


def loss(model: EncoderDecoder, sources: Tensor, real: Tensor, targets: Tensor) -> Tensor:
    logits = model(sources, targets[:, :-1], real)
    return F.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=PAD)


def copy_of(model: EncoderDecoder) -> EncoderDecoder:
    copy = EncoderDecoder(model.config)
    copy.load_state_dict(model.state_dict())
    return copy


@torch.inference_mode()
def measure(model: nn.ModuleDict, count: int = 200) -> dict[str, Any]:
    """At every kept step: nats per letter, exact answers, and the best head's weight on the letter that is being written."""
    rng, tokenizer = Random(1_000_003), SymbolTokenizer(LETTERS, "character")
    words = [word(rng) for _ in range(count)]
    sources, real, targets = encode(words, tokenizer)
    figures = {}
    for name, stage in model.items():
        trace = CrossTrace()
        stage(sources, targets[:, :-1], real, trace)
        written = [tokenizer.decode(line) for line in stage.answer(sources, START, STOP, real)[:, 1:].tolist()]
        exact = sum(text == source[::-1] for text, source in zip(written, words, strict=True)) / count
        figures[name] = rounded({"nll": float(loss(stage, sources, real, targets)), "exact": exact, "alignment": float(alignment(trace, real).max())})
    return figures


def alignment(trace: CrossTrace, real: Tensor) -> Tensor:
    """(L, H): the mean weight on the anti-diagonal, from the place where a letter is predicted to where it stands in the source."""
    lengths = real.sum(dim=1) - 1  # letters, the stop token left out
    weights = trace.cross_attention  # (L, B, H, T, S)
    places = torch.arange(weights.shape[3])
    wanted = (lengths[:, None] - 1 - places).clamp(min=0)  # (B, T)
    found = weights.gather(-1, wanted[None, :, None, :, None].expand(len(weights), -1, weights.shape[2], -1, 1))[..., 0]  # (L, B, H, T)
    asked = (places < lengths[:, None])[None, :, None]
    return (found * asked).sum(dim=(1, 3)) / asked.sum(dim=(1, 3))
