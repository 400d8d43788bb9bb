"""Greedy search and the best sequence of a Markov chain: one case by hand, many against counting them all."""

from __future__ import annotations

import math

import pytest
import torch

from models.markov import all_scores, best, chain, greedy, random_chain, score_of


def test_a_weaker_first_word_leads_to_the_better_pair() -> None:
    """First A 0.6 or B 0.4; after A the best is 0.5, after B it is 0.9: greedy writes AA with 0.30, best is BB with 0.36."""
    start, step = torch.tensor([0.6, 0.4]).log(), torch.tensor([[0.5, 0.5], [0.1, 0.9]]).log()
    words, score = greedy(start, step, 2)
    assert words[0] == 0
    assert math.exp(score) == pytest.approx(0.3)
    words, score = best(start, step, 2)
    assert words.tolist() == [1, 1]
    assert math.exp(score) == pytest.approx(0.36)


@pytest.mark.parametrize("V", [2, 4])
@pytest.mark.parametrize("L", [1, 3, 5])
def test_the_best_is_the_largest_of_all_and_the_probabilities_sum_to_one(V: int, L: int) -> None:
    start, step = random_chain(V, 2.0, torch.Generator().manual_seed(L))
    words, score = best(start, step, L)
    scores = all_scores(start, step, L)
    assert score.item() == pytest.approx(scores.max().item())
    assert score_of(start, step, words.tolist()) == pytest.approx(score.item())
    assert scores.exp().sum().item() == pytest.approx(1)
    assert greedy(start, step, L)[1] <= score + 1e-12


def test_many_chains_at_once_are_the_same_as_one_by_one() -> None:
    z = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
    for search in (greedy, best):
        words, scores = search(*chain(z, 1.0), 4)
        for at in range(6):
            alone = search(*chain(z[at], 1.0), 4)
            assert words[at].equal(alone[0])
            assert scores[at].equal(alone[1])
