"""Activations and the network around them: torch's own, autograd for the slopes, and a dead unit made by hand."""

import pytest
import torch
import torch.nn.functional as F

from models.feed_forward import ACTIVATIONS, PositionWise, dead, equal_inner, share_unexplained, slope

torch.set_num_threads(1)
THEIRS = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


@pytest.mark.parametrize("name", THEIRS)
def test_activations_and_slopes_are_torchs(name: str) -> None:
    x = torch.linspace(-5, 5, 100, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(THEIRS[name](x).sum(), x)
    assert torch.allclose(ACTIVATIONS[name](x), THEIRS[name](x), atol=1e-12)
    assert torch.allclose(slope(name, x.detach()), expected, atol=1e-12)


def test_the_table_of_the_note() -> None:
    x = torch.tensor([-3.0, -1.0, 1.0, 2.0])
    assert ACTIVATIONS["gelu"](x).tolist() == pytest.approx([-0.004, -0.159, 0.841, 1.954], abs=6e-4)
    assert ACTIVATIONS["silu"](x).tolist() == pytest.approx([-0.142, -0.269, 0.731, 1.762], abs=6e-4)


def test_three_matrices_of_two_thirds_are_two_whole_ones() -> None:
    sizes = [
        sum(p.numel() for p in PositionWise(96, inner, gated=gated, bias=False).parameters())
        for inner, gated in ((384, False), (equal_inner(384), True))
    ]
    assert sizes[0] == sizes[1] == 2 * 96 * 384


def test_no_position_sees_another() -> None:
    network, x = PositionWise(8, 16, "gelu", gated=True), torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 2] += 1
    moved = (network(x) - network(changed)).abs().amax(dim=-1)[0] > 0
    assert moved.tolist() == [False, False, True, False, False]


def test_a_unit_pushed_below_zero_is_dead_and_gets_no_gradient() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    network = PositionWise(4, 6, "relu")
    with torch.no_grad():
        network.up.bias[3] = -100
    assert dead(network, x).tolist() == [False] * 3 + [True] + [False] * 2
    network(x).square().sum().backward()
    assert network.up.weight.grad is not None
    assert (network.up.weight.grad[3] == 0).all()
    assert (network.up.weight.grad[[0, 1, 2, 4, 5]] != 0).any(dim=1).all()


def test_always_saying_the_mean_explains_nothing() -> None:
    wanted = torch.randn(40, 3, generator=torch.Generator().manual_seed(2))
    assert float(share_unexplained(wanted.mean(dim=0).expand_as(wanted), wanted)) == pytest.approx(1, abs=1e-5)
    assert float(share_unexplained(wanted, wanted)) == 0
