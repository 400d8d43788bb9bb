"""Pooling, cosines and principal components against NumPy's masked arrays, torch and scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA

from models.sentence_vectors import centred, cosines, mean_over_pairs, pool, principal_components, same_group, scaled_to_one

RNG = np.random.default_rng(0)
STATES = RNG.normal(size=(3, 5, 4)).astype(np.float32)
REAL = np.array([[True] * 5, [True] * 2 + [False] * 3, [True] * 4 + [False]])


def test_padding_counts_for_nothing_in_any_pooling() -> None:
    masked = np.ma.masked_array(STATES, mask=np.repeat(~REAL[:, :, None], 4, axis=2))
    assert pool(STATES, REAL, "mean") == pytest.approx(np.asarray(masked.mean(axis=1)), abs=1e-6)
    assert pool(STATES, REAL, "max") == pytest.approx(np.asarray(masked.max(axis=1)))
    assert pool(STATES, REAL, "cls").tolist() == STATES[:, 0].tolist()
    with pytest.raises(ValueError, match="cls, mean, max; got 'sum'"):
        pool(STATES, REAL, "sum")  # type: ignore[arg-type]


def test_cosines_are_torchs() -> None:
    rows = torch.from_numpy(STATES[0])
    assert cosines(STATES[0]) == pytest.approx(F.cosine_similarity(rows[:, None], rows[None], dim=-1).numpy(), abs=1e-6)
    assert np.isfinite(scaled_to_one(np.zeros((2, 4), dtype=np.float32))).all()


def test_an_offset_makes_everything_alike_and_centring_takes_it_away() -> None:
    rows = STATES[0] - STATES[0].mean(axis=0)
    assert cosines(rows + 100)[0, 1:].min() > 0.99
    assert centred(rows + 100) == pytest.approx(rows, abs=1e-4)


def test_pairs_within_and_across_groups_by_hand() -> None:
    table = np.array([[1, 0.8, 0.2], [0.8, 1, 0.4], [0.2, 0.4, 1]])
    same = same_group([0, 0, 1])
    assert mean_over_pairs(table, same) == pytest.approx(0.8)
    assert mean_over_pairs(table, ~same) == pytest.approx(0.3)
    assert mean_over_pairs(table) == pytest.approx(1.4 / 3)
    assert np.isnan(mean_over_pairs(table, same_group([0, 1, 2])))


def test_principal_components_are_scikit_learns_up_to_sign() -> None:
    rows = RNG.normal(size=(9, 6))
    xy, shares = principal_components(rows)
    theirs = PCA(2, svd_solver="full").fit(rows)
    assert np.abs(xy) == pytest.approx(np.abs(theirs.transform(rows)), abs=1e-5)
    assert shares == pytest.approx(theirs.explained_variance_ratio_)
    flat, none = principal_components(np.ones((3, 4), dtype=np.float32))
    assert not flat.any()
    assert not none.any()
