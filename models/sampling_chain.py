"""Sampling rules one after the other: each takes the logits that the one before it left.

The order matters wherever a rule that reshapes (penalty, temperature) stands among rules that cut by probability, because
a cut looks at the distribution as it is when its turn comes. Shapes: z (..., V) logits, seen (..., V) the context's tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from models.nucleus import keep_min_p, keep_nucleus, keep_typical
from models.repetition import penalise
from models.temperature import rescale
from models.top_k import keep_top

USUAL_ORDER = ("penalty", "temperature", "top-k", "top-p", "min-p", "typical")  # as transformers composes them


class Step(NamedTuple):
    name: str
    setting: float


def take(step: Step, z: Tensor, seen: Tensor) -> Tensor:
    match step.name:
        case "penalty":
            return penalise(z, seen, step.setting)
        case "temperature":
            return rescale(z, step.setting)
        case "top-k":
            return keep_top(z, int(step.setting))
        case "top-p":
            return keep_nucleus(z, step.setting)
        case "min-p":
            return keep_min_p(z, step.setting)
        case "typical":
            return keep_typical(z, step.setting)
    raise ValueError(f"A step is one of {', '.join(USUAL_ORDER)}; {step.name!r} came.")


def stages(steps: Sequence[Step], z: Tensor, seen: Tensor) -> list[Tensor]:
    """The logits themselves, then those after each step."""
    found = [z]
    for step in steps:
        found.append(take(step, found[-1], seen))
    return found
