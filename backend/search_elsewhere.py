"""What other books are about: elsewhere.txt, one subject a line, and the encoder's vectors of these lines in elsewhere.npy.

`python -m tests.fit_search --write` makes the vectors again after the lines have changed; a test compares them.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.query import STOP, all_words, content_words, is_common, singular

SUBJECTS = Path(__file__).parent / "elsewhere.txt"
VECTORS = Path(__file__).parent / "elsewhere.npy"
FULL = 400  # stands for 1; no number of these vectors comes near 0.3, and a byte for each is as good as four


def subjects() -> list[str]:
    return SUBJECTS.read_text(encoding="utf-8").splitlines()


@cache
def subject_words() -> frozenset[str]:
    """Every telling word of the subjects."""
    return frozenset(word for line in subjects() for word in content_words(line) if not is_common(word))


@cache
def subject_pairs() -> frozenset[str]:
    """Neighbouring words of the subjects, which together are the name of something."""
    lines = [all_words(line) for line in subjects()]
    return frozenset(f"{one} {singular(other)}" for words in lines for one, other in pairwise(words) if {one, other}.isdisjoint(STOP))


@cache
def subject_vectors() -> NDArray[np.float32]:
    return np.load(VECTORS).astype(np.float32) / FULL


def keep_vectors(vectors: NDArray[np.float32]) -> None:
    np.save(VECTORS, np.round(vectors * FULL).clip(-127, 127).astype(np.int8))
    subject_vectors.cache_clear()
