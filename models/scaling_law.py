"""Scaling laws: how the loss falls with weights N and training tokens D, and how to split a compute budget between them.

    hoffmann    L = E + A/N^α + B/D^β                          (Hoffmann et al. 2022, "Chinchilla")
    no floor    the same with E = 0
    kaplan      L = ((N_c/N)^(α_N/α_D) + D_c/D)^(α_D)          (Kaplan et al. 2020, equation 1.5)

Fitted in logarithms by L-BFGS, as Hoffmann et al. did (they used the Huber loss; here it is the plain square of the difference of log L, which
other least-squares fits can be compared with). Training takes C = 6ND operations.

Shapes: R runs; N, D, L (R,); θ the parameters of a form, all logarithms but the exponents.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Form = Literal["hoffmann", "no floor", "kaplan"]
FORMS: tuple[Form, ...] = ("hoffmann", "no floor", "kaplan")
CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}  # as published
EXPONENTS = torch.linspace(0.05, 1.2, 24, dtype=torch.float64)  # where the search for a start looks


def log_loss(form: Form, theta: Tensor, log_n: Tensor, log_d: Tensor) -> Tensor:
    """(R,) log L. A sum of powers is a logsumexp of straight lines."""
    if form == "kaplan":
        log_nc, log_dc, alpha_n, alpha_d = theta
        return alpha_d * torch.logaddexp(alpha_n / alpha_d * (log_nc - log_n), log_dc - log_d)
    a, b, alpha, beta = theta[:4]
    powers = torch.logaddexp(a - alpha * log_n, b - beta * log_d)
    return powers if form == "no floor" else torch.logaddexp(powers, theta[4].expand_as(powers))


@dataclass(frozen=True)
class Law:
    form: Form
    theta: tuple[float, ...]
    error: float  # root mean square of log L, predicted minus measured

    def loss(self, N: float, D: float) -> float:
        """Also at infinity: what remains with endless weights, or endless text."""
        huge = [torch.tensor(min(value, 1e300), dtype=torch.float64).log() for value in (N, D)]
        return float(log_loss(self.form, torch.tensor(self.theta, dtype=torch.float64), *huge).exp())

    @property
    def floor(self) -> float:
        """E: 0 in the forms that have none."""
        return math.exp(self.theta[4]) if self.form == "hoffmann" else 0.0

    @property
    def exponents(self) -> tuple[float, float]:
        """α and β; in Kaplan's form α_N and α_D."""
        return self.theta[2], self.theta[3]

    @property
    def growth(self) -> float:
        """a in N_opt ∝ C^a. Setting D = C/6N and the derivative to zero gives β/(α+β); in Kaplan's form the inner powers are α_N/α_D and 1."""
        alpha, beta = self.exponents
        return 1 / (1 + alpha / beta) if self.form == "kaplan" else beta / (alpha + beta)

    def best_size(self, C: float) -> float:
        """N_opt: where a weight more and a token more are worth the same."""
        if self.form == "kaplan":
            log_nc, log_dc, alpha_n, alpha_d = self.theta
            alpha, beta, a, b = alpha_n / alpha_d, 1.0, alpha_n / alpha_d * log_nc, log_dc
        else:
            a, b, alpha, beta = self.theta[:4]
        log_g = (math.log(alpha / beta) + a - b) / (alpha + beta)  # αA/N^α = βB(6N/C)^β
        return math.exp(log_g + beta / (alpha + beta) * math.log(C / 6))


def fit(form: Form, N: Tensor, D: Tensor, L: Tensor) -> Law:
    log_n, log_d, log_l = N.double().log(), D.double().log(), L.double().log()
    middle_n, middle_d = log_n.mean(), log_d.mean()
    x, y = log_n - middle_n, log_d - middle_d  # about their middles heights and exponents hardly depend on each other, and the descent is short
    theta = start(form, x, y, L.double()).requires_grad_(True)
    minimise(theta, lambda: (log_loss(form, theta, x, y) - log_l).square().sum())
    with torch.no_grad():
        found = uncentred(form, theta, middle_n, middle_d)
        error = (log_loss(form, found, log_n, log_d) - log_l).square().mean().sqrt()
    return Law(form, tuple(found.tolist()), float(error))


def uncentred(form: Form, theta: Tensor, middle_n: Tensor, middle_d: Tensor) -> Tensor:
    """The same law for N and D as they are: N_c and D_c move with them, log A and log B by the exponent times the shift."""
    moved = theta.clone()
    if form == "kaplan":
        moved[0], moved[1] = theta[0] + middle_n, theta[1] + middle_d
    else:
        moved[0], moved[1] = theta[0] + theta[2] * middle_n, theta[1] + theta[3] * middle_d
    return moved


def minimise(theta: Tensor, objective: Callable[[], Tensor], iterations: int = 200) -> None:
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=iterations, tolerance_grad=1e-10, tolerance_change=1e-13, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        return loss

    optimizer.step(closure)


def start(form: Form, log_n: Tensor, log_d: Tensor, L: Tensor) -> Tensor:
    """For centred log N and log D. Once α and β are given, A, B and E follow by linear least squares: a grid of exponents, the best with all positive."""
    if form == "kaplan":
        return torch.tensor([3.0, 1.0, 0.1, 0.25], dtype=torch.float64)
    alpha, beta = (grid.flatten() for grid in torch.meshgrid(EXPONENTS, EXPONENTS, indexing="ij"))  # (G,)
    columns = [torch.exp(-alpha[:, None] * log_n), torch.exp(-beta[:, None] * log_d)]  # (G, R), about 1
    if form == "hoffmann":
        columns.append(torch.ones_like(columns[0]))
    table = torch.stack(columns, dim=-1) / L[:, None]  # (G, R, 2 or 3): divided by L, so that differences are relative as in logarithms
    heights = torch.linalg.lstsq(table, torch.ones(len(alpha), len(L), 1, dtype=torch.float64)).solution  # (G, 2 or 3, 1)
    errors = (table @ heights - 1).square().sum(dim=(1, 2)) + (heights <= 1e-6).any(dim=1).squeeze(-1) * 1e6
    best = int(errors.argmin())
    powers = heights[best, :, 0].clamp(min=1e-6).log()
    return torch.stack([powers[0], powers[1], alpha[best], beta[best], *powers[2:]])


def lowest_of_parabola(N: Tensor, L: Tensor) -> float:
    """Runs of equal compute: a parabola through their losses over log N, and where its lowest point lies (Hoffmann et al. 2022, approach 2)."""
    x = N.double().log()
    middle = x.mean()
    table = torch.stack([(x - middle) ** 2, x - middle, torch.ones_like(x)], dim=1)  # (R, 3)
    square, slope, _ = torch.linalg.lstsq(table, L.double()[:, None]).solution[:, 0].tolist()
    return float(torch.exp(middle - slope / (2 * square))) if square > 0 else float("nan")
