"""A mixture of experts: many feed-forward networks, of which each token uses a few.

The router scores every expert; the best `chosen` do the work and their answers are mixed with the router's probabilities, scaled to sum to
one (as Mixtral does). A shared expert, if there is one, serves every token, so that the others need not each learn what all need (DeepSeekMoE).

Left alone, routers favour few experts. Against it stand a loss on the load (Switch), a bias that only changes who is chosen (DeepSeek-V3),
and a capacity: so many slots per expert, and whoever comes later passes by on the residual path.

Shapes: N tokens, C width, E experts, K chosen of them.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Routing(NamedTuple):
    logits: Tensor  # (N, E)
    experts: Tensor  # (N, K), which
    weights: Tensor  # (N, K), how much; each row sums to 1


Rule = Callable[[Tensor], Routing]  # logits (N, E) -> who works, and how much it counts
Gate = Literal["softmax", "sigmoid"]


def route(logits: Tensor, chosen: int, *, gate: Gate = "softmax", bias: Tensor | None = None, rescale: bool = True) -> Routing:
    """The best `chosen` of each row. A `bias` (E,) has a say in who is chosen and none in how much it counts (DeepSeek-V3).

    Switch, with its single expert, does not rescale: a weight that is always 1 would leave the router without a gradient.
    """
    scores = torch.softmax(logits.float(), dim=-1) if gate == "softmax" else torch.sigmoid(logits.float())  # (N, E)
    experts = (scores if bias is None else scores + bias).topk(chosen, dim=-1).indices
    weights = scores.gather(-1, experts)  # (N, K)
    return Routing(logits, experts, weights / weights.sum(dim=-1, keepdim=True) if rescale else weights)


def capacity(N: int, K: int, E: int, factor: float) -> int:
    """Slots per expert: the even share of N·K choices, times a factor of reserve."""
    return math.ceil(factor * N * K / E)


def within(routing: Routing, slots: int) -> Tensor:
    """(N, K), True where a token found a free slot: all first choices are served before any second one, tokens in their order."""
    N, K = routing.experts.shape
    in_order = F.one_hot(routing.experts.T.reshape(K * N), routing.logits.shape[-1])  # (K·N, E): (N, K) read column by column
    queue = (in_order.cumsum(dim=0) * in_order).sum(dim=-1)  # (K·N,), place in the queue of its expert, from 1
    return (queue <= slots).view(K, N).T


def drop(routing: Routing, kept: Tensor) -> Routing:
    """What found no slot counts for nothing; the other weights stay as they are."""
    return routing._replace(weights=routing.weights * kept)


def expert_load(routing: Routing) -> Tensor:
    """(E,), the share of all N·K choices that fell on each expert."""
    return torch.bincount(routing.experts.flatten(), minlength=routing.logits.shape[-1]) / routing.experts.numel()


def moved_bias(bias: Tensor, load: Tensor, step: float) -> Tensor:
    """After a batch: up by one fixed step for whoever had less than the even share, down for whoever had more. No gradient is involved."""
    return bias + step * torch.sign(1 / len(load) - load)


def load_balance_loss(routing: Routing) -> Tensor:
    """E · Σₑ fₑ Pₑ: fₑ tokens sent to expert e per token, Pₑ its mean probability. K when the load is even, more when it is not."""
    E = routing.logits.shape[-1]
    share = F.one_hot(routing.experts, E).float().sum(dim=1).mean(dim=0)  # f (E,), sums to K
    probability = torch.softmax(routing.logits.float(), dim=-1).mean(dim=0)  # P (E,), sums to 1
    return E * (share * probability).sum()


def router_z_loss(routing: Routing) -> Tensor:
    """Mean of (ln Σ e^z)²: large logits cost, however they are spread."""
    return torch.logsumexp(routing.logits.float(), dim=-1).square().mean()


class GatedFeedForward(nn.Module):
    """SwiGLU: one projection decides (through SiLU) how much of the other passes."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class MixtureOfExperts(nn.Module):
    def __init__(self, width: int, hidden: int, experts: int, chosen: int, shared: bool) -> None:
        super().__init__()
        if not 1 <= chosen <= experts:
            raise ValueError(f"Between 1 and {experts} of {experts} experts can be chosen, not {chosen}.")
        self.chosen = chosen
        self.router = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(GatedFeedForward(width, hidden) for _ in range(experts))
        self.shared = GatedFeedForward(width, hidden) if shared else None

    def forward(self, x: Tensor, rule: Rule | None = None) -> tuple[Tensor, Routing]:
        """With a `rule`, the tokens are routed by it instead of to the best `chosen`."""
        B, T, C = x.shape
        tokens = x.reshape(B * T, C)
        logits = self.router(tokens)
        routing = route(logits, self.chosen) if rule is None else rule(logits)
        mixed = torch.zeros_like(tokens) if self.shared is None else self.shared(tokens)
        for number, expert in enumerate(self.experts):
            rows, places = torch.where(
                (routing.experts == number) & (routing.weights > 0)
            )  # the tokens that chose this expert, as their which-th choice
            weight = routing.weights[rows, places, None].to(tokens.dtype)
            mixed = mixed.index_add(0, rows, (expert(tokens[rows]) * weight).to(mixed.dtype))
        return mixed.view(B, T, C), routing


def weights_in_use(model: nn.Module, chosen: int) -> tuple[int, int]:
    """How many weights one token is multiplied with, and how many there are: of every layer's experts only `chosen` work."""
    total = sum(p.numel() for p in model.parameters())
    idle = 0
    for layer in model.modules():
        if isinstance(layer, MixtureOfExperts):
            each = sum(p.numel() for p in layer.experts[0].parameters())
            idle += each * (len(layer.experts) - chosen)
    return total - idle, total
