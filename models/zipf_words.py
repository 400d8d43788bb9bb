"""An endless text whose best possible prediction is known: made-up words, the r-th most frequent in a share of about 1/r (Zipf's law).

Words are drawn independently and written with a blank after each. Whoever knows the lexicon and sees the word so far can do no better than the
entropy of the word frequencies, shared out over the letters: that is the irreducible loss, and here it can be computed.
"""

import random
import string
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

LETTERS = " " + string.ascii_lowercase
WORDS, SHORTEST, LONGEST = 4096, 2, 7


@dataclass(frozen=True)
class Lexicon:
    words: tuple[str, ...]
    shares: np.ndarray  # (words,), falling, summing to 1

    @property
    def letters_per_word(self) -> float:
        """With the blank."""
        return float(self.shares @ np.array([len(word) + 1 for word in self.words]))

    @property
    def entropy(self) -> float:
        """Nats per letter that nobody can predict."""
        return float(-(self.shares * np.log(self.shares)).sum() / self.letters_per_word)


@cache
def lexicon(seed: int = 0) -> Lexicon:
    rng = random.Random(seed)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(rng.choices(string.ascii_lowercase, k=rng.randint(SHORTEST, LONGEST)))] = None
    shares = 1 / np.arange(1, WORDS + 1)
    return Lexicon(tuple(words), shares / shares.sum())


def text(letters: int, seed: int) -> Tensor:
    """(letters,) numbers of letters, the blank being 0."""
    known = lexicon()
    rng = np.random.default_rng(seed)
    chosen = rng.choice(WORDS, size=round(1.2 * letters / known.letters_per_word) + 64, p=known.shares)
    written = " ".join(known.words[word] for word in chosen)[:letters]
    return torch.from_numpy(np.frombuffer(written.encode(), dtype=np.uint8).astype(np.int64)).sub(96).clamp(min=0)
