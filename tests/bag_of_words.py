"""An encoder for tests, worked by hand: a word is always the same direction, a text the sum of its words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class BagOfWords:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen += texts
        return np.stack([vector_of(text) for text in texts]) if texts else np.zeros((0, 384), dtype=np.float32)


def vector_of(text: str) -> NDArray[np.float32]:
    vector = np.zeros(384, dtype=np.float32)
    for word in re.findall(r"[a-z0-9]+", text.casefold()) or ["nothing"]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        vector += np.random.default_rng(seed).standard_normal(384).astype(np.float32)
    return vector / np.linalg.norm(vector)
