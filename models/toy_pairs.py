"""Lines to remember: pairs of a key and a value, some filler, and then questions; the answers stand nowhere else in the line.

    recall  k₁ v₁ k₂ v₂ k₃ v₃ · · · k₂ k₁      at each key asked for: which value came after it?
    copy    a b c d e · · ·  a b c d           the line again: at each symbol, which one comes next?

In a line to copy all symbols differ, so "what came after this symbol" has one answer, as for the keys.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from models.symbols import SPECIALS, SymbolTokenizer

KEYS = VALUES = 64
FIRST_KEY = len(SPECIALS)
FIRST_VALUE = FIRST_KEY + KEYS
FILLER = FIRST_VALUE + VALUES
VOCABULARY = FILLER + 1
Task = Literal["recall", "copy"]


class Lines(NamedTuple):
    tokens: Tensor  # (B, T)
    asked: Tensor  # (Q,) places of the questions
    answers: Tensor  # (B, Q)


def recall(count: int, pairs: int, questions: int, filler: int, generator: torch.Generator) -> Lines:
    if pairs > KEYS:
        raise ValueError(f"{pairs} pairs need as many different keys; there are {KEYS}.")
    keys = FIRST_KEY + torch.rand(count, KEYS, generator=generator).argsort(dim=1)[:, :pairs]
    values = FIRST_VALUE + torch.randint(VALUES, (count, pairs), generator=generator)
    which = torch.randint(pairs, (count, questions), generator=generator)
    said = torch.stack([keys, values], dim=-1).view(count, 2 * pairs)
    tokens = torch.cat([said, torch.full((count, filler), FILLER), keys.gather(1, which)], dim=1)
    return Lines(tokens, 2 * pairs + filler + torch.arange(questions), values.gather(1, which))


def copy(count: int, length: int, filler: int, generator: torch.Generator) -> Lines:
    """As many questions as the line has symbols, less the last."""
    if not 2 <= length <= KEYS:
        raise ValueError(f"A line to copy has 2 to {KEYS} different symbols; {length} were asked for.")
    line = FIRST_KEY + torch.rand(count, KEYS, generator=generator).argsort(dim=1)[:, :length]
    tokens = torch.cat([line, torch.full((count, filler), FILLER), line[:, :-1]], dim=1)
    return Lines(tokens, length + filler + torch.arange(length - 1), line[:, 1:])


def lines(task: Task, count: int, pairs: int, questions: int, filler: int, generator: torch.Generator) -> Lines:
    return recall(count, pairs, questions, filler, generator) if task == "recall" else copy(count, max(pairs, 2), filler, generator)


def tokenizer() -> SymbolTokenizer:
    """Keys k1, k2, …, values v1, v2, …, and a dot."""
    keys, values = ([f"{letter}{at + 1}" for at in range(KEYS)] for letter in "kv")
    return SymbolTokenizer([*keys, *values, "·"], "word")
