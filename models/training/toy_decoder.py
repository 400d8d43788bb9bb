"""A four-layer decoder on the toy world, with learned positions: the model whose circuits are known.

Another seed puts the same circuits into other heads, and not always the same circuits. With this one the previous-token, duplicate, induction and
subject-finding heads are as sharp as in a textbook. Who receives is found without a name mover in the strict sense: several heads fetch the name at
one place of the sentence, be it the receiver's or the giver's (on the card the best `name_mover` and the best `giver_first` score alike).
"""

from typing import Any

from models import checkpoints
from models.decoder import Decoder, DecoderConfig
from models.training.language import Report, circuit_figures, config_of, describe_data, skills, train_decoder
from models.training.steps import Made, Recipe

KIND, TOKENIZER, SEED = "decoder", "toy_tokenizer", 1
RECIPE = Recipe(steps=1_300, batch=32, muon_rate=0.035)

data = describe_data
config = config_of


def make(report: Report) -> Made:
    shape = DecoderConfig(vocabulary=len(checkpoints.toy_tokenizer()))
    return train_decoder(shape, RECIPE, SEED, report, note_every=50)


def measure(model: Decoder, count: int = 300) -> dict[str, Any]:
    return skills(model, count) | circuit_figures(model, count // 3)
