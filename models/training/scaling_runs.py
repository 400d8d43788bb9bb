"""Small language models in eight sizes and eight amounts of text, each run trained on its own: the table that a scaling law is fitted to.

`python -m models.training.scaling_runs` trains them all again (a few minutes) and writes models/trained/scaling_runs.json.

The models are window models (models/window_model.py), the text is made-up words with Zipf's frequencies (models/zipf_words.py), each letter
predicted once. Sizes and amounts both double, so runs of equal compute 6ND lie on the diagonals of the table. Every run has a learning-rate
schedule of its own length: a long run stopped half-way is not a short run (Hoffmann et al. 2022).
"""

import json
import time
from dataclasses import asdict, dataclass
from functools import cache

import torch
from torch import Tensor

from models.checkpoints import TRAINED
from models.window_model import WINDOW, WindowModel, multiplying_weights, next_letter_loss
from models.zipf_words import LETTERS, lexicon, text

FILE = TRAINED / "scaling_runs.json"
HIDDEN = (4, 8, 16, 32, 64, 128, 256, 512)
TOKENS = tuple(2**power for power in range(14, 22))
LARGEST = (512, 2**22)  # one run beyond them all: four times the compute of the largest of the table
BATCH, RATE, WARM_UP = 512, 0.03, 0.05
TEXT_SEED, EXAM_SEED, SEED, EXAM = 1, 2, 0, 65_536


@dataclass(frozen=True)
class Run:
    hidden: int
    weights: int  # N: entries of the matrices
    tokens: int  # D: letters predicted in training
    loss: float  # nats per letter on text it has not seen

    @property
    def flops(self) -> float:
        return 6.0 * self.weights * self.tokens


@cache
def kept() -> tuple[Run, ...]:
    """The runs as they were made, smallest amounts of text first; the last one is the large one that stands alone."""
    return tuple(Run(**run) for run in json.loads(FILE.read_text(encoding="utf-8"))["runs"])


@cache
def lesson() -> Tensor:
    return text(LARGEST[1] + WINDOW, TEXT_SEED)


@cache
def exam() -> Tensor:
    return text(EXAM + WINDOW, EXAM_SEED)


def make_run(hidden: int, tokens: int) -> Run:
    """One pass over `tokens` letters in random order; the rate rises for a moment and then falls to nothing in a straight line."""
    torch.manual_seed(SEED)
    model = WindowModel(len(LETTERS), hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0)
    order, steps = torch.randperm(tokens, generator=torch.Generator().manual_seed(SEED)) + WINDOW, tokens // BATCH
    for step in range(steps):
        share = min(1.0, (step + 1) / (WARM_UP * steps)) * (1 - step / steps)
        optimizer.param_groups[0]["lr"] = RATE * share
        loss = next_letter_loss(model, lesson(), order[step * BATCH : (step + 1) * BATCH])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        left = float(next_letter_loss(model, exam(), torch.arange(WINDOW, EXAM + WINDOW)))
    return Run(hidden, multiplying_weights(len(LETTERS), hidden), tokens, round(left, 4))


def main() -> None:
    torch.set_num_threads(1)
    began, runs = time.perf_counter(), []
    for hidden, tokens in [*((hidden, tokens) for tokens in TOKENS for hidden in HIDDEN), LARGEST]:
        runs.append(make_run(hidden, tokens))
        print(runs[-1], flush=True)
    told = {
        "title": __doc__.splitlines()[0],
        "data": f"{len(lexicon().words):,} made-up words with Zipf's frequencies, {LARGEST[1]:,} letters of seed {TEXT_SEED}; loss on {EXAM:,} of seed {EXAM_SEED}",
        "entropy": round(lexicon().entropy, 6),
        "training_seconds": round(time.perf_counter() - began),
        "torch": torch.__version__,
    }
    lines = ",\n  ".join(json.dumps(asdict(run)) for run in runs)
    FILE.write_text(json.dumps(told, indent=1)[:-2] + f',\n "runs": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
