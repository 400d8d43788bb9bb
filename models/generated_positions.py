"""Position vectors that are made one from the other by a learned step, instead of being looked up: p_{t+1} = f(p_t).

    table   row t of a learned table: T vectors, and none after them
    gru     f is a GRU cell without input: gates decide how much of each entry is kept, how much is written anew (Cho et al. 2014)
    ode     time is continuous: dp/dτ = h(τ, p), one position per unit of time, solved by Euler steps (FLOATER, Liu et al. 2020)
    turn    f is a learned rotation: a sinusoid whose speeds are learned

The recursive ones never end, and must be made in order: position t needs t steps. `PreviousSymbol` is the little network that learns them: at every
place it shall name the symbol one place before, which nobody can do who does not know positions.

Shapes: B lines, T positions, C width of a position vector and of the network, V symbols.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.attention import causal_mask
from models.encoder import Encoder

GENERATORS = ("table", "gru", "ode", "turn")


class TablePositions(nn.Module):
    def __init__(self, C: int, rows: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, C)

    def forward(self, T: int) -> Tensor:
        """(T, C)"""
        if T > self.table.num_embeddings:
            raise ValueError(f"The table has {self.table.num_embeddings} rows; there is none for position {T - 1}.")
        return self.table.weight[:T]


class GruPositions(nn.Module):
    """The cell of Cho et al. with nothing to read, so only what is remembered and the biases act."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.start = nn.Parameter(0.5 * torch.randn(C))
        self.gates = nn.Linear(C, 3 * C)  # of what is remembered: reset, update, new
        self.bias = nn.Parameter(torch.zeros(C))  # of the new value, outside the reset gate

    def step(self, p: Tensor) -> Tensor:
        r, z, n = self.gates(p).chunk(3, dim=-1)
        n = torch.tanh(self.bias + torch.sigmoid(r) * n)
        z = torch.sigmoid(z)
        return (1 - z) * n + z * p

    def forward(self, T: int) -> Tensor:
        p: list[Tensor] = [self.start]
        while len(p) < T:
            p.append(self.step(p[-1]))
        return torch.stack(p[:T])  # (T, C)


class OdePositions(nn.Module):
    """h(τ, p) is a small network; τ goes in as one more entry, in units of the trained length."""

    def __init__(self, C: int, hidden: int, trained: int) -> None:
        super().__init__()
        self.trained = trained
        self.start = nn.Parameter(0.5 * torch.randn(C))
        self.inner = nn.Linear(C + 1, hidden)
        self.outer = nn.Linear(hidden, C)

    def velocity(self, tau: Tensor, p: Tensor) -> Tensor:
        """h: tau (1,), p (C,) -> dp/dτ (C,)."""
        return self.outer(torch.tanh(self.inner(torch.cat([p, tau / self.trained]))))

    def forward(self, T: int, steps: int = 1) -> Tensor:
        """(T, C), with that many Euler steps from one position to the next."""
        p: Tensor = self.start
        kept = [p]
        for t in range(T - 1):
            for step in range(steps):
                tau = p.new_tensor([t + step / steps])
                p = p + self.velocity(tau, p) / steps
            kept.append(p)
        return torch.stack(kept[:T])


class TurnPositions(nn.Module):
    """A linear step that can only turn: p_{t+1} = A p_t with A = exp(S - Sᵀ), so every vector is as long as the first."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.start = nn.Parameter(0.5 * torch.randn(C))
        self.generator = nn.Parameter(torch.randn(C, C) / C**0.5)

    def step_matrix(self) -> Tensor:
        return torch.matrix_exp(self.generator - self.generator.T)

    def forward(self, T: int) -> Tensor:
        A = self.step_matrix()
        p: list[Tensor] = [self.start]
        while len(p) < T:
            p.append(A @ p[-1])
        return torch.stack(p[:T])  # (T, C)


@dataclass(frozen=True)
class PreviousConfig:
    generator: str
    trained: int  # the length it learns at
    symbols: int = 16
    width: int = 32


def position_maker(config: PreviousConfig) -> nn.Module:
    C, L = config.width, config.trained
    if config.generator == "table":
        return TablePositions(C, L)
    if config.generator == "gru":
        return GruPositions(C)
    if config.generator == "ode":
        return OdePositions(C, 2 * C, L)
    if config.generator == "turn":
        return TurnPositions(C)
    raise ValueError(f"generator must be one of {', '.join(GENERATORS)}; got {config.generator!r}")


class PreviousSymbol(nn.Module):
    """One causal layer with one head. `logits[:, t]` names the symbol at t - 1."""

    def __init__(self, config: PreviousConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.symbols, config.width)
        self.positions = position_maker(config)
        self.encoder = Encoder(config.width, heads=1, layers=1)
        self.out = nn.Linear(config.width, config.symbols)

    def forward(self, tokens: Tensor, p: Tensor | None = None) -> Tensor:
        """tokens (B, T) -> logits (B, T, V). p (T, C): other position vectors than its own."""
        return self.look(tokens, p)[0]

    def look(self, tokens: Tensor, p: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The logits, and the weights of its one head (B, T, T)."""
        T = tokens.shape[1]
        x, heads = self.encoder(self.embedding(tokens) + (self.positions(T) if p is None else p), causal_mask(T))
        return self.out(x), heads[0].weights[:, 0]
