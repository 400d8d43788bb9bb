"""A mixture of experts: many feed-forward networks, of which each token uses a few.

The router scores every expert; the best `chosen` do the work and their answers are mixed with the router's probabilities, scaled to sum to
one (as Mixtral does). A shared expert, if there is one, serves every token, so that the others need not each learn what all need (DeepSeekMoE).

Shapes: N tokens, C width, E experts, K chosen of them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Routing(NamedTuple):
    logits: Tensor  # (N, E)
    experts: Tensor  # (N, K), which
    weights: Tensor  # (N, K), how much; each row sums to 1


def route(logits: Tensor, chosen: int) -> Routing:
    weights, experts = torch.softmax(logits.float(), dim=-1).topk(chosen, dim=-1)
    return Routing(logits, experts, weights / weights.sum(dim=-1, keepdim=True))


def load_balance_loss(routing: Routing) -> Tensor:
    """E · Σₑ fₑ Pₑ: fₑ tokens sent to expert e per token, Pₑ its mean probability. K when the load is even, more when it is not."""
    E = routing.logits.shape[-1]
    share = F.one_hot(routing.experts, E).float().sum(dim=1).mean(dim=0)  # f (E,), sums to K
    probability = torch.softmax(routing.logits.float(), dim=-1).mean(dim=0)  # P (E,), sums to 1
    return E * (share * probability).sum()


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

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        B, T, C = x.shape
        tokens = x.reshape(B * T, C)
        routing = route(self.router(tokens), self.chosen)
        mixed = torch.zeros_like(tokens) if self.shared is None else self.shared(tokens)
        for number, expert in enumerate(self.experts):
            rows, places = torch.where(routing.experts == number)  # the tokens that chose this expert, as their which-th choice
            weight = routing.weights[rows, places, None].to(tokens.dtype)
            mixed = mixed.index_add(0, rows, (expert(tokens[rows]) * weight).to(mixed.dtype))
        return mixed.view(B, T, C), routing
