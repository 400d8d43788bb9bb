"""Training a small mixture of experts with one way, or no way, of keeping its load even.

    none      the language loss alone
    switch    + α · E Σ fₑPₑ, the Switch Transformer's loss, which pushes down the probabilities of busy experts
    z         + α · mean (ln Σ e^z)², the router z-loss, which keeps logits small
    bias      nothing is added to the loss; a bias on each expert decides along with its score who is chosen, and is moved by a fixed step
              after every batch: up for whoever had too little, down for whoever had too much (DeepSeek-V3)

A decoder of one layer learns the toy world. Its gates are a softmax; rescaled to sum to 1 when several experts are chosen, left as they are
for one, as in Switch. Letters: B texts, T tokens each, N = B·T, E experts, K chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.decoder import Decoder, DecoderConfig, Trace
from models.mixture import Routing, capacity, expert_load, load_balance_loss, moved_bias, route, router_z_loss, within

Method = Literal["none", "switch", "z", "bias"]


@dataclass(frozen=True)
class Plan:
    method: Method = "none"
    alpha: float = 0.01  # weight of the added loss
    bias_step: float = 0.01
    experts: int = 8
    chosen: int = 1
    shared: bool = False
    seed: int = 0
    width: int = 32
    rate: float = 1e-2
    capacity_factor: float = 1.25  # nothing is dropped in this training; it is only counted what would have been


class Seen(NamedTuple):
    """One training step, before the weights moved."""

    loss: float  # of the language alone, nats per token
    load: Tensor  # (E,), sums to 1
    dropped: float  # share of the choices that would find no slot
    entropy: float  # of the router's probabilities, mean over tokens, nats


class BalancedTraining:
    def __init__(self, plan: Plan, vocabulary: int, context: int) -> None:
        self.plan = plan
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            self.model = Decoder(
                DecoderConfig(
                    vocabulary, context, layers=1, heads=2, width=plan.width, positions="rotary",
                    experts=plan.experts, chosen_experts=plan.chosen, shared_expert=plan.shared, expert_hidden=plan.width,
                )
            )  # fmt: skip
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=plan.rate)
        self.bias = torch.zeros(plan.experts)

    def route_by(self, _layer: int, logits: Tensor) -> Routing:
        bias = self.bias if self.plan.method == "bias" else None
        return route(logits, self.plan.chosen, bias=bias, rescale=self.plan.chosen > 1)

    def added_loss(self, routing: Routing) -> Tensor | float:
        if self.plan.method == "switch":
            return self.plan.alpha * load_balance_loss(routing)
        return self.plan.alpha * router_z_loss(routing) if self.plan.method == "z" else 0.0

    def step(self, inputs: Tensor, targets: Tensor) -> Seen:
        """inputs and targets (B, T)"""
        trace = Trace()
        logits = self.model(inputs, trace=trace, route_by=self.route_by)  # (B, T, V)
        (routing,) = trace.routing
        language = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        (language + self.added_loss(routing)).backward()
        self.optimizer.step()
        if self.plan.method == "bias":
            self.bias = moved_bias(self.bias, expert_load(routing), self.plan.bias_step)
        return self.seen(language, routing)

    @torch.no_grad()
    def seen(self, language: Tensor, routing: Routing) -> Seen:
        N, E = routing.logits.shape
        slots = capacity(N, self.plan.chosen, E, self.plan.capacity_factor)
        dropped = 1 - within(routing, slots).float().mean()
        p = torch.softmax(routing.logits.float(), dim=-1)
        entropy = -torch.special.xlogy(p, p).sum(dim=-1).mean()
        return Seen(language.item(), expert_load(routing), dropped.item(), entropy.item())


def working(load: Tensor) -> Tensor:
    """How many experts an uneven load is worth: e to its entropy. E when all have the same, 1 when one has everything. (..., E) -> (...)"""
    return torch.exp(-torch.special.xlogy(load, load).sum(dim=-1))
