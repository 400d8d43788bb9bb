"""Routing tokens to experts: who is chosen, how much it counts, who finds no slot, and what keeps the load even."""

import pytest
import torch
import torch.nn.functional as F

from models import checkpoints
from models.balanced_training import BalancedTraining, Method, Plan, working
from models.decoder import Trace
from models.mixture import (
    MixtureOfExperts,
    Routing,
    capacity,
    drop,
    expert_load,
    load_balance_loss,
    moved_bias,
    route,
    router_z_loss,
    weights_in_use,
    within,
)
from models.training.steps import windows


def to(*experts: list[int], of: int = 3) -> Routing:
    """A routing in which token after token chose these experts, equally."""
    chosen = torch.tensor(experts)
    return Routing(torch.zeros(len(experts), of), chosen, torch.full(chosen.shape, 1 / chosen.shape[1]))


def test_a_bias_decides_who_is_chosen_and_not_how_much_it_counts() -> None:
    logits = torch.logit(torch.tensor([[0.6, 0.5, 0.3]]))
    plain = route(logits, 2, gate="sigmoid")
    biased = route(logits, 2, gate="sigmoid", bias=torch.tensor([0.0, -0.4, 0.1]))
    assert plain.experts.tolist() == [[0, 1]]
    assert biased.experts.tolist() == [[0, 2]]
    assert biased.weights[0].tolist() == pytest.approx([0.6 / 0.9, 0.3 / 0.9])


def test_a_single_choice_keeps_its_probability_when_it_is_not_rescaled() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    assert route(logits, 1).weights.item() == 1
    assert route(logits, 1, rescale=False).weights.item() == pytest.approx(0.6652, abs=1e-4)  # e² / (e² + e + 1)


def test_first_choices_are_served_before_second_ones_in_the_order_of_the_tokens() -> None:
    routing = to([0, 1], [0, 1], [1, 0], [2, 0])  # expert 0: tokens 0, 1, then 2 and 3 as second choice; expert 1: token 2, then 0 and 1
    assert within(routing, 2).tolist() == [[True, True], [True, False], [True, False], [True, False]]
    assert within(routing, 3).tolist() == [[True, True], [True, True], [True, True], [True, False]]


def test_the_even_share_fits_and_the_factor_is_reserve() -> None:
    assert capacity(1024, 1, 8, 1.25) == 160
    assert capacity(10, 1, 3, 1.0) == 4  # rounded up, so that nothing must be dropped when all is even
    assert capacity(1000, 1, 4, 1.2) == 300


def test_a_token_without_a_slot_passes_by() -> None:
    torch.manual_seed(0)
    layer, x = MixtureOfExperts(8, 16, experts=2, chosen=1, shared=False), torch.randn(1, 4, 8)
    with torch.no_grad():
        whole, routing = layer(x)
        kept = torch.tensor([[True], [False], [True], [False]])
        some, _ = layer(x, lambda logits: drop(route(logits, 1), kept))
    assert torch.equal(some[0, [0, 2]], whole[0, [0, 2]])
    assert torch.equal(some[0, [1, 3]], torch.zeros(2, 8))
    assert routing.weights.min() > 0


def test_the_bias_of_the_busy_falls_and_of_the_idle_rises_by_one_step() -> None:
    load = expert_load(to([0], [0], [0], [1], [2], [2]))
    assert load.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 3])
    assert moved_bias(torch.zeros(3), load, 0.01).tolist() == pytest.approx([-0.01, 0.01, 0.0])


def test_the_z_loss_is_large_for_large_logits_however_they_are_spread() -> None:
    assert router_z_loss(Routing(torch.zeros(5, 4), torch.zeros(5, 1), torch.ones(5, 1))).item() == pytest.approx(1.9218, abs=1e-4)  # (ln 4)²
    assert router_z_loss(Routing(torch.full((5, 4), 7.0), torch.zeros(5, 1), torch.ones(5, 1))).item() > 70


def test_the_card_of_the_trained_mixture_counts_its_working_weights_in_the_same_way() -> None:
    model, _, card = checkpoints.load("toy_mixture")
    assert weights_in_use(model, 2) == (card["figures"]["active_parameters"], card["parameters"])
    assert weights_in_use(model, 8) == (card["parameters"], card["parameters"])


def test_a_decoder_can_be_routed_otherwise_layer_by_layer() -> None:
    model, tokens = checkpoints.load("toy_mixture").model, torch.tensor([[5, 6, 7, 8]])
    seen, trace = [], Trace()

    def to_the_last(layer: int, logits: torch.Tensor) -> Routing:
        seen.append(layer)
        return Routing(logits, torch.full((len(logits), 1), 7), torch.ones(len(logits), 1))

    model(tokens, trace=trace, route_by=to_the_last)
    assert seen == [0, 1]
    assert all((routing.experts == 7).all() for routing in trace.routing)


def test_working_experts_are_counted_by_entropy() -> None:
    assert working(torch.tensor([0.25] * 4)).item() == pytest.approx(4)
    assert working(torch.tensor([0.5, 0.5, 0, 0])).item() == pytest.approx(2)


@pytest.mark.parametrize("method", ["none", "switch", "z", "bias"])
def test_training_learns_and_only_the_bias_method_moves_the_bias(method: Method) -> None:
    stream = torch.arange(8).repeat(100)  # the next token is always the same
    training, generator = BalancedTraining(Plan(method, experts=4, width=16), 8, 8), torch.Generator().manual_seed(0)
    seen = [training.step(*windows(stream, 8, 4, generator)) for _ in range(12)]
    assert seen[-1].loss < 0.7 * seen[0].loss
    assert bool(training.bias.any()) == (method == "bias")
    assert all(each.load.sum().item() == pytest.approx(1) for each in seen)


def test_two_trainings_from_one_seed_are_one_training() -> None:
    stream, first = torch.randint(8, (200,), generator=torch.Generator().manual_seed(1)), []
    for _ in range(2):
        training, generator = BalancedTraining(Plan(seed=3, experts=4, width=16), 8, 8), torch.Generator().manual_seed(0)
        first.append([training.step(*windows(stream, 8, 4, generator)).loss for _ in range(3)])
    assert first[0] == first[1]


def test_the_balance_loss_pushes_down_the_busy_expert() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]] * 5 + [[0.0, 1.0, 0.0]], requires_grad=True)
    load_balance_loss(route(logits, 1)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] > 0).all()  # gradient descent lowers what has a positive gradient
    assert F.one_hot(route(logits, 1).experts, 3).sum(dim=(0, 1)).tolist() == [5, 1, 0]
