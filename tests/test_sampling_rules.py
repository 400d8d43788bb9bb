"""The rules between logits and draw: cases worked by hand, and what must hold for any logits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nucleus import keep_min_p, keep_nucleus, keep_typical
from models.repetition import completes_ngram, forbid_ngrams, penalise, repeated_share, seen_so_far
from models.sampling_chain import USUAL_ORDER, Step, stages, take
from models.temperature import probabilities
from models.top_k import keep_top

FOUR = torch.tensor([0.15, 0.5, 0.1, 0.25], dtype=torch.float64).log()
SETTINGS = {"penalty": 1.3, "temperature": 0.7, "top-k": 3, "top-p": 0.6, "min-p": 0.2, "typical": 0.5}
logit_rows = st.lists(st.floats(-20, 20, allow_nan=False, width=32), min_size=2, max_size=30).map(torch.tensor)


def kept(z: torch.Tensor) -> list[int]:
    return (z > -math.inf).nonzero()[:, 0].tolist()


def test_the_nucleus_takes_the_token_that_crosses() -> None:
    assert kept(keep_nucleus(FOUR, 0.7)) == [1, 3]
    assert probabilities(keep_nucleus(FOUR, 0.7)).tolist() == pytest.approx([0, 2 / 3, 0, 1 / 3])
    assert kept(keep_nucleus(FOUR, 0.3)) == [1]


def test_min_p_compares_with_the_largest() -> None:
    assert kept(keep_min_p(FOUR, 0.25)) == [0, 1, 3]  # the line is 0.125
    assert kept(keep_min_p(FOUR, 0.0)) == [0, 1, 2, 3]


def test_typical_may_drop_the_likeliest() -> None:
    """Entropy 1.208 nats; the surprises are 1.897, 0.693, 2.303, 1.386: the last token lies nearest, then the second."""
    assert kept(keep_typical(FOUR, 0.2)) == [3]
    assert kept(keep_typical(FOUR, 0.26)) == [1, 3]


def test_top_k_keeps_what_ties_with_the_kth() -> None:
    assert kept(keep_top(FOUR, 2)) == [1, 3]
    assert kept(keep_top(torch.tensor([0.0, 1.0, 0.0]), 2)) == [0, 1, 2]


def test_a_penalty_moves_logits_of_either_sign_down() -> None:
    z, seen = torch.tensor([2.0, -2.0, 1.0]), torch.tensor([True, True, False])
    assert penalise(z, seen, 2.0).tolist() == [1.0, -4.0, 1.0]


def test_what_was_seen_stays_seen() -> None:
    assert seen_so_far([2, 0, 2], 4).int().tolist() == [[0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0]]


def test_a_forbidden_ngram_is_one_that_was_there() -> None:
    assert completes_ngram([1, 2, 3, 1, 2], 3) == {3}
    assert completes_ngram([1, 2, 3, 1, 2], 2) == {3}
    assert completes_ngram([1, 2], 1) == {1, 2}
    assert completes_ngram([1], 3) == set()
    assert kept(forbid_ngrams(torch.zeros(5), [1, 2, 3, 1, 2], 3)) == [0, 1, 2, 4]


def test_repeated_share_counts_copies() -> None:
    assert repeated_share([1, 2, 1, 2, 1], 2) == 0.5  # (1,2) (2,1) (1,2) (2,1): two of four are copies
    assert repeated_share([1], 2) == 0.0


@settings(max_examples=60, deadline=None)
@given(z=logit_rows, order=st.permutations(USUAL_ORDER))
def test_whatever_the_order_something_is_left_and_rows_do_not_mix(z: torch.Tensor, order: list[str]) -> None:
    steps = [Step(name, SETTINGS[name]) for name in order]
    seen = torch.zeros_like(z, dtype=torch.bool)
    seen[0] = True
    alone = stages(steps, z, seen)
    together = stages(steps, torch.stack([z, z.flip(0)]), torch.stack([seen, seen.flip(0)]))
    for one, rows in zip(alone, together):
        assert kept(one)
        assert not one.isnan().any()
        assert rows[0].equal(one)


@pytest.mark.parametrize(
    ("rule", "setting"), [("top-p", 0.0), ("top-k", 0), ("min-p", 1.5), ("typical", 2.0), ("penalty", 0.0), ("temperature", 0.0)]
)
def test_a_setting_out_of_range_is_refused_with_its_value(rule: str, setting: float) -> None:
    with pytest.raises(ValueError, match=str(setting)):
        take(Step(rule, setting), FOUR, torch.zeros(4, dtype=torch.bool))
