"""The rotary twin of the four-layer decoder: the same data and shape, but positions are rotations of queries and keys; fewer steps do."""

from typing import Any

from models import checkpoints
from models.decoder import Decoder, DecoderConfig
from models.training.language import Report, circuit_figures, config_of, describe_data, skills, train_decoder
from models.training.steps import Made, Recipe

KIND, TOKENIZER, SEED = "decoder", "toy_tokenizer", 1
RECIPE = Recipe(steps=1_000, batch=24, muon_rate=0.03)

data = describe_data
config = config_of


def make(report: Report) -> Made:
    shape = DecoderConfig(vocabulary=len(checkpoints.toy_tokenizer()), positions="rotary")
    return train_decoder(shape, RECIPE, SEED, report, note_every=50)


def measure(model: Decoder, count: int = 300) -> dict[str, Any]:
    return skills(model, count) | circuit_figures(model, count // 3)
