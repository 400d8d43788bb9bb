"""Positions made by a learned step: against torch's cell, scipy's solver and powers of a matrix."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

from models import checkpoints
from models.generated_positions import GENERATORS, GruPositions, OdePositions, PreviousConfig, PreviousSymbol, TablePositions, TurnPositions
from models.training import previous_symbol


def test_the_gru_step_is_torchs_cell_with_nothing_to_read() -> None:
    made, cell = GruPositions(6), nn.GRUCell(6, 6)
    with torch.no_grad():
        made.bias.normal_()
        cell.weight_hh.copy_(made.gates.weight)
        cell.bias_hh.copy_(made.gates.bias)
        cell.bias_ih.zero_()
        cell.bias_ih[12:] = made.bias
        p = torch.randn(6)
        assert torch.allclose(made.step(p), cell(torch.zeros(1, 6), p[None])[0], atol=1e-6)


def test_finer_euler_steps_come_nearer_to_scipys_curve() -> None:
    torch.manual_seed(0)
    ode = OdePositions(4, 8, trained=16).double().requires_grad_(False)
    curve = solve_ivp(
        lambda tau, p: ode.velocity(torch.tensor([tau]), torch.from_numpy(p)).numpy(),
        (0, 9),
        ode.start.numpy(),
        t_eval=np.arange(10.0),
        rtol=1e-9,
        atol=1e-9,
    )
    off = [np.abs(ode(10, steps).numpy() - curve.y.T).max() for steps in (4, 8, 16)]
    assert off[0] / off[1] == pytest.approx(2, rel=0.15)
    assert off[1] / off[2] == pytest.approx(2, rel=0.15)


def test_eulers_method_as_the_note_works_it() -> None:
    """p' = 1 - p from 0: steps of a half give 0.5 and 0.75; the network's tanh is nearly the identity for small numbers."""
    ode = OdePositions(1, 1, trained=4).requires_grad_(False)
    for parameter, value in (
        (ode.start, [0.0]),
        (ode.inner.weight, [[-1e-3, 0]]),
        (ode.inner.bias, [1e-3]),
        (ode.outer.weight, [[1e3]]),
        (ode.outer.bias, [0.0]),
    ):
        parameter.copy_(torch.tensor(value))
    assert ode(2, 2)[1].item() == pytest.approx(0.75, abs=1e-5)
    assert ode(2, 4)[1].item() == pytest.approx(0.684, abs=1e-3)


def test_a_rotation_keeps_every_vector_as_long_as_the_first() -> None:
    turn = TurnPositions(6).double().requires_grad_(False)
    assert torch.allclose(turn(30).norm(dim=-1), turn.start.norm().expand(30))
    assert np.allclose(turn(30)[29].numpy(), np.linalg.matrix_power(turn.step_matrix().numpy(), 29) @ turn.start.numpy())


def test_a_table_ends_and_an_unknown_generator_is_named() -> None:
    with pytest.raises(ValueError, match="The table has 4 rows; there is none for position 4"):
        TablePositions(8, 4)(5)
    with pytest.raises(ValueError, match="generator must be one of table, gru, ode, turn; got 'lstm'"):
        PreviousSymbol(PreviousConfig("lstm", 8))


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_trained_networks_do_what_their_card_says(generator: str) -> None:
    model, _, card = checkpoints.load("previous_symbol")
    promised = card["figures"][f"{generator}_16"]["right"]
    assert promised[:2] == pytest.approx([1, 1], abs=0.02)
    assert previous_symbol.right(model[f"{generator}_16"], 32) == pytest.approx(promised, abs=0.08)
