"""A masked language model on the toy world: three layers that see both sides of each gap."""

from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models import checkpoints, toy_world
from models.byte_pair import BytePairTokenizer
from models.circuits import one_token
from models.encoder import MaskedLanguageModel
from models.training.language import HELD_OUT_SEED, Report, describe_data, rounded, toy_stream
from models.training.steps import Made, Recipe, train, windows

KIND, TOKENIZER, SEED = "masked", "toy_tokenizer", 5
RECIPE = Recipe(steps=3_000, batch=32)
SHARE = 0.25  # of all tokens, to be guessed: more than the 15 % of BERT teaches a small model faster
CONTEXT = 64

data = describe_data


def config(model: MaskedLanguageModel) -> dict[str, Any]:
    return model.config


def make(report: Report) -> Made:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    tokenizer, stream = checkpoints.toy_tokenizer(), toy_stream()
    model = MaskedLanguageModel(len(tokenizer), CONTEXT)

    def loss_at(step: int) -> Tensor:
        tokens, _ = windows(stream, CONTEXT, RECIPE.batch, generator)
        return masked_loss(model, tokens, tokenizer, generator)

    for progress in train(model, RECIPE, loss_at):
        report(progress)
    return Made(model)


def masked_loss(model: MaskedLanguageModel, tokens: Tensor, tokenizer: BytePairTokenizer, generator: torch.Generator) -> Tensor:
    shown, chosen = hide(tokens, tokenizer, generator)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(shown)
    return F.cross_entropy(logits[chosen].float(), tokens[chosen])


def hide(tokens: Tensor, tokenizer: BytePairTokenizer, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """BERT's rule: of the chosen tokens 80 % become the mask, 10 % a random token, 10 % stay, so that no token can be trusted blindly."""
    mask = tokenizer.specials.index("<|mask|>")
    chosen = torch.rand(tokens.shape, generator=generator) < SHARE
    fate = torch.rand(tokens.shape, generator=generator)
    anything = torch.randint(len(tokenizer.specials), len(tokenizer), tokens.shape, generator=generator)
    shown = torch.where(chosen & (fate < 0.8), mask, tokens)
    return torch.where(chosen & (fate >= 0.9), anything, shown), chosen


@torch.inference_mode()
def measure(model: MaskedLanguageModel, count: int = 300) -> dict[str, Any]:
    tokenizer = checkpoints.toy_tokenizer()
    generator = torch.Generator().manual_seed(0)
    tokens, _ = windows(toy_stream(HELD_OUT_SEED, 5_000), CONTEXT, count, generator)
    shown, chosen = hide(tokens, tokenizer, generator)
    logits = model(shown)[chosen]
    return {
        "held_out_loss": rounded(float(F.cross_entropy(logits, tokens[chosen]))),
        "masked_accuracy": rounded(float((logits.argmax(dim=-1) == tokens[chosen]).float().mean())),
        "agreement": rounded(agreement(model, tokenizer, count)),
    }


def agreement(model: MaskedLanguageModel, tokenizer: BytePairTokenizer, count: int) -> float:
    """The verb is hidden: how often the one that agrees with the far noun is more likely than the one that agrees with the near noun."""
    rng, right, mask = Random(37), 0, tokenizer.specials.index("<|mask|>")
    for _ in range(count):
        case = toy_world.agreement(rng)
        before, after = tokenizer.encode(case.prompt), tokenizer.encode(f" {case.ending}.")
        logits = model(torch.tensor([[tokenizer.end, *before, mask, *after, tokenizer.end]]))[0, len(before) + 1]
        right += bool(logits[one_token(tokenizer, case.right)] > logits[one_token(tokenizer, case.wrong)])
    return right / count
