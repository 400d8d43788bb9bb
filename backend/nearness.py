"""Which cards are near each other: by the stored vectors of their questions, or by their words while there are none yet."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from backend.statements import Statement

Floats = NDArray[np.float32]

WORDS_WIDTH = 1024  # numbers in which a card's words are counted when there are no vectors
ENOUGH = 0.8  # share of the cards that must have a vector before vectors are used


@dataclass(frozen=True)
class Nearness:
    """Cosine between cards. Gaps of one sentence share a block and a row."""

    row: Mapping[str, int]  # block -> its row
    blocks: tuple[str, ...]
    matrix: Floats  # rows of length one
    by_meaning: bool  # vectors; otherwise words

    @property
    def band(self) -> tuple[float, float]:
        """Close enough to be confused, not so close that it is the same question asked twice."""
        return (0.35, 0.85) if self.by_meaning else (0.08, 0.75)

    def confusable(self, block: str, *, among: Mapping[str, object], count: int) -> list[str]:
        """The blocks of `among` that are most easily confused with this one, nearest first."""
        if block not in self.row:
            return []
        likeness = self.matrix @ self.matrix[self.row[block]]
        low, high = self.band
        within = np.flatnonzero((likeness >= low) & (likeness <= high))
        found: list[str] = []
        for place in within[np.argsort(-likeness[within], kind="stable")]:
            if len(found) == count:
                break
            if self.blocks[place] in among and self.blocks[place] != block:
                found.append(self.blocks[place])
        return found


def read_nearness(session: Session) -> Nearness:
    """From the vectors of the cards' questions where most cards have one, else from the words that search looks at."""
    cards = dict(_PLAIN.rows(session, {}))
    vectors: dict[str, Floats] = {}
    for block, numbers in _VECTORS.rows(session, {}):
        if block in cards and block not in vectors:
            vectors[block] = np.frombuffer(numbers, dtype="<f4")
    if cards and len(vectors) >= ENOUGH * len(cards):
        matrix = np.stack(list(vectors.values()))
        return Nearness({block: place for place, block in enumerate(vectors)}, tuple(vectors), matrix, by_meaning=True)
    return by_words(cards)


def nearness_stamp(session: Session) -> tuple[int, ...]:
    """Changes whenever `read_nearness` would find something else."""
    return tuple(_STAMP.row(session, {}) or ())


def by_words(cards: Mapping[str, str]) -> Nearness:
    """Cosine of weighted word counts. Words are hashed into a fixed number of places, so that no vocabulary is kept."""
    counted = [Counter(zlib.crc32(word.encode()) % WORDS_WIDTH for word in content_words(plain)) for plain in cards.values()]
    spread = Counter(place for words in counted for place in words)
    matrix = np.zeros((len(counted), WORDS_WIDTH), np.float32)
    for row, words in enumerate(counted):
        for place, count in words.items():
            matrix[row, place] = (1 + math.log(count)) * math.log(1 + len(counted) / spread[place])
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return Nearness({block: place for place, block in enumerate(cards)}, tuple(cards), matrix / np.maximum(lengths, 1e-9), by_meaning=False)


_WORD = re.compile(r"[^\W_]{2,}")
_EMPTY_WORDS = frozenset(
    "a an and are as at be because been both but by can do does each every for from has have how if in into is it its itself more most not of on one only "
    "or other so such than that the their them then there these they this those to was what when where which while who why will with would you your".split()
)


def content_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in _EMPTY_WORDS]


@lru_cache(maxsize=4096)
def _word_set(text: str) -> frozenset[str]:
    return frozenset(content_words(text))


def likeness(one: str, other: str) -> float:
    """The share of content words that two texts have in common, 0 to 1."""
    first, second = _word_set(one), _word_set(other)
    return len(first & second) / len(first | second) if first | second else 0.0


_PLAIN = Statement("SELECT block, plain FROM card WHERE orphaned_at IS NULL AND form <> 'computed' ORDER BY topic, position, id")
_VECTORS = Statement("""
    SELECT passage.card, vector.numbers FROM passage JOIN vector ON vector.sha = passage.sha
    WHERE passage.kind = 'question' AND passage.card <> '' ORDER BY passage.id
""")
_STAMP = Statement("""
    SELECT (SELECT count(*) FROM card WHERE orphaned_at IS NULL), (SELECT count(*) FROM revision), (SELECT coalesce(max(id), 0) FROM passage),
        (SELECT coalesce(max(id), 0) FROM vector)
""")
