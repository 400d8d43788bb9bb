"""Sinusoidal positions against the example of the lesson, and against torch's matrix exponential."""

import math

import pytest
import torch

from models.sinusoidal import dot_by_distance, offset_matrix, sinusoids, unevenness


def test_the_first_vectors_are_those_worked_by_hand() -> None:
    worked = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.8415, 0.5403, 0.0100, 1.0000], [0.1411, -0.9900, 0.0300, 0.9996]])
    assert torch.allclose(sinusoids(torch.tensor([0, 1, 3]), 4), worked, atol=1e-4)


def test_an_odd_width_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="a width of 5 leaves one entry over"):
        sinusoids(torch.arange(3), 5)


@pytest.mark.parametrize("k", [0, 1, 7])
def test_one_matrix_leads_k_tokens_on_from_every_position(k: int) -> None:
    table = sinusoids(torch.arange(64), 16)
    assert torch.allclose(table[: 64 - k] @ offset_matrix(k, 16).T, table[k:], atol=1e-5)


def test_the_offset_matrix_is_the_exponential_of_a_small_rotation() -> None:
    omega = [1.0, 10_000.0**-0.5]
    small = torch.zeros(4, 4)
    for pair, speed in enumerate(omega):
        small[2 * pair, 2 * pair + 1], small[2 * pair + 1, 2 * pair] = speed, -speed
    assert torch.allclose(offset_matrix(3, 4), torch.matrix_exp(3 * small), atol=1e-6)


def test_dot_products_are_those_worked_by_hand_and_the_same_both_ways() -> None:
    by_hand = torch.tensor([2.000, 1.540, 0.584, 0.010, 0.346])
    assert torch.allclose(dot_by_distance(torch.arange(5), 4), by_hand, atol=1e-3)
    table = sinusoids(torch.arange(40), 4)
    assert torch.allclose(table[30] @ table[25:30].T, table[30] @ table[31:36].flip(0).T, atol=1e-5)
    assert (table[30] @ table[29]).item() == pytest.approx(math.cos(1) + math.cos(0.01), abs=1e-5)


def test_evenness_along_diagonals_is_measured() -> None:
    table = sinusoids(torch.arange(40), 8)
    assert unevenness(table @ table.T) < 1e-6
    assert unevenness(torch.tensor([[1.0, 2.0], [3.0, 1.0]])) == 0  # one number per diagonal
    assert unevenness(torch.diag(torch.tensor([1.0, -1.0]))) == pytest.approx(1)  # nothing but change along the main one
