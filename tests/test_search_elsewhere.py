"""The subjects of other books, against which a question is held before the notes are said to answer it."""

import numpy as np

from backend.search_elsewhere import subject_vectors, subject_words, subjects
from models import minilm


def test_the_stored_vectors_are_those_of_the_lines() -> None:
    lines, stored = subjects(), subject_vectors()
    assert len(lines) == len(set(lines)) == len(stored)
    some = np.arange(0, len(lines), 7)
    made = minilm.embed([lines[at] for at in some])
    kept = stored[some] / np.linalg.norm(stored[some], axis=1, keepdims=True)
    assert float((made * kept).sum(axis=1).min()) > 0.99


def test_their_words_are_the_telling_ones() -> None:
    assert {"ridge", "lasso"} <= subject_words()
    assert "and" not in subject_words()
