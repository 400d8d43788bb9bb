"""Speculative decoding: what comes out follows the target, whatever the draft."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.speculative import check, expected_tokens, overlap, residual, speed_up, written

weights = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda row: torch.tensor(row, dtype=torch.float64) / sum(row))


@settings(max_examples=80, deadline=None)
@given(p=weights, q=weights)
def test_kept_and_replaced_tokens_together_follow_the_target(p: torch.Tensor, q: torch.Tensor) -> None:
    assert written(p, q).tolist() == pytest.approx(p.tolist(), abs=1e-12)


def test_a_case_by_hand() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.3, 0.5])
    assert overlap(p, q) == pytest.approx(0.7)
    assert residual(p, q).tolist() == pytest.approx([1, 0, 0])


def test_the_first_refusal_ends_the_round() -> None:
    p, q = torch.tensor([[0.5, 0.5], [0.1, 0.9], [0.5, 0.5]]), torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    made = check([0, 0], p, q, torch.tensor([0.99, 0.5]), torch.tensor([0.5]))
    assert (made.kept, made.token) == (1, 1)
    made = check([0, 1], p, q, torch.tensor([0.99, 0.99]), torch.tensor([0.2]))
    assert (made.kept, made.token) == (2, 0)


def test_tokens_per_pass_and_speed() -> None:
    """α = 0.5, γ = 2: 1 + 0.5 + 0.25; with a draft at a quarter of the cost, 1.75 / 1.5."""
    assert expected_tokens(0.5, 2) == 1.75
    assert speed_up(0.5, 2, 0.25) == pytest.approx(1.75 / 1.5)
    assert expected_tokens(1.0, 4) == 5
