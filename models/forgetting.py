"""Fitting a forgetting curve: the 21 parameters of FSRS-6 from one learner's log, by gradient descent.

Memory is two numbers per card, stability S and difficulty D, and every grade moves them by formulas with parameters w.
Between grades recall falls as a power of time: R(t) = (1 + f t/S)^-w20, with f such that R(S) = 0.9. Fitting asks which w make
the grades that really came most likely:

    minimise over w   sum_i a_i * BCE(R_i, recalled_i)  +  |z|^2 / 2,        w = w(z), z = 0 at the published defaults

a_i weighs late reviews more (people change), and the prior |z|^2 keeps a parameter at its default until the log says otherwise:
a log without a single Hard leaves Hard alone. All cards are run side by side, one step per grade, longest history first.

Handed arrays, hands back parameters. Only the first grade of a card on a new study day is predicted; days are whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DEFAULTS = (
    0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
    1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542,
)  # fmt: skip
LOWEST = (0.001,) * 4 + (1.0, 0.001, 0.001, 0.001, 0.0, 0.0, 0.001, 0.001, 0.001, 0.001, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.1)
HIGHEST = (100.0,) * 4 + (10.0, 4.0, 4.0, 0.75, 4.5, 0.8, 3.5, 5.0, 0.25, 0.9, 4.0, 1.0, 6.0, 2.0, 2.0, 0.8, 0.8)
# How far each parameter plausibly strays from its default: a factor for the first stabilities, a difference for the rest.
SPREAD = (1.2, 1.2, 1.0, 1.0, 0.6, 0.3, 0.6, 0.1, 0.4, 0.18, 0.33, 0.3, 0.09, 0.16, 0.57, 0.25, 1.0, 0.31, 0.32, 0.14, 0.15)
LONGEST = 32  # grades of one card that are fitted: few cards have more, and each costs a step of its own
FEWEST = 64  # predicted reviews below which nothing is fitted


@dataclass(frozen=True)
class Histories:
    """Padded, time first. Cards are sorted by length, so that step t concerns the first `alive[t]` of B cards."""

    days: Tensor  # (T, B) whole study days since the card's grade before
    grade: Tensor  # (T, B) 1 to 4
    counted: Tensor  # (T, B) the weight of this review in the loss; 0 where nothing is predicted
    alive: list[int]  # (T)


@dataclass(frozen=True)
class Fit:
    """Parameters, and how they did on the last fifth of the log, which they had not seen."""

    parameters: tuple[float, ...]
    helps: bool
    says: str  # one plain sentence
    reviews: int  # predicted
    default_loss: float  # log loss on the held-out part
    fitted_loss: float


def fit(card: np.ndarray, day: np.ndarray, grade: np.ndarray, *, start: tuple[float, ...] = DEFAULTS) -> Fit:
    """Fit to a log (any order), judged against `start` on its last fifth; `helps` is False where the fit is no better there."""
    card, day, grade = _in_order(card, day, grade)
    counted = predicted_rows(card, day)
    reviews = int(counted.sum())
    if reviews < FEWEST:
        says = f"There are {reviews} reviews to learn from; at least {FEWEST} on later days are needed."
        return Fit(tuple(start), False, says, reviews, float("nan"), float("nan"))
    border = np.quantile(day[counted], 0.8, method="nearest")
    early = day < border
    z = search(pad(card[early], day[early], grade[early]), rounds=12)
    w = parameters_of(z)
    held = counted & ~early
    default_loss, fitted_loss = (float(losses(card, day, grade, of)[held].mean()) for of in (start, w))
    judged = f"on your last {int(held.sum())} reviews the fitted parameters have a log loss of {fitted_loss:.4f}, the present ones {default_loss:.4f}"
    if not fitted_loss < default_loss:
        return Fit(tuple(start), False, f"Nothing to gain: {judged}.", reviews, default_loss, fitted_loss)
    w = parameters_of(search(pad(card, day, grade), rounds=5, z=z))  # the last fifth moves what was found by little
    return Fit(w, True, f"Better: {judged}.", reviews, default_loss, fitted_loss)


def fit_parameters(card: np.ndarray, day: np.ndarray, grade: np.ndarray, *, rounds: int = 12) -> tuple[float, ...]:
    """The parameters that fit a whole log best; the defaults where nothing can be predicted."""
    h = pad(*_in_order(card, day, grade))
    return parameters_of(search(h, rounds=rounds)) if h.counted.sum() > 0 else DEFAULTS


def search(h: Histories, *, rounds: int, z: Tensor | None = None) -> Tensor:
    """(21) the minimum that L-BFGS finds from z, the defaults unless told."""
    z = torch.zeros(21, dtype=torch.float64) if z is None else z.clone()
    z.requires_grad_()
    descent = torch.optim.LBFGS([z], max_iter=rounds, max_eval=rounds + 4, history_size=12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        descent.zero_grad()
        loss = (negative_log_likelihood(w_of(z), h) + 0.5 * (z**2).sum()) / h.counted.sum()
        loss.backward()
        return loss

    descent.step(closure)  # type: ignore[no-untyped-call]
    return z.detach()


def parameters_of(z: Tensor) -> tuple[float, ...]:
    w = w_of(z)
    w[:4] = torch.cummax(w[:4], 0).values  # a better first grade never means a weaker memory
    return tuple(round(value, 4) for value in w.tolist())


def w_of(z: Tensor) -> Tensor:
    """(21) -> (21): standardised to parameters, within their bounds."""
    w0, spread = (torch.tensor(values, dtype=z.dtype) for values in (DEFAULTS, SPREAD))
    w = torch.cat([w0[:4] * torch.exp(z[:4] * spread[:4]), w0[4:] + z[4:] * spread[4:]])
    low, high = (torch.tensor(values, dtype=z.dtype) for values in (LOWEST, HIGHEST))
    return torch.minimum(torch.maximum(w, low), high)


# --- the model, all cards side by side -------------------------------------------------------------------------------


def negative_log_likelihood(w: Tensor, h: Histories) -> Tensor:
    """() the weighted sum of -log p(what happened) over all predicted reviews."""
    total = torch.zeros((), dtype=w.dtype)
    for t, R in run(w, h):
        n = h.alive[t]
        y = (h.grade[t, :n] > 1).to(w.dtype)
        p = R.clamp(1e-4, 1 - 1e-4)
        total = total - (h.counted[t, :n] * (y * p.log() + (1 - y) * (1 - p).log())).sum()
    return total


def run(w: Tensor, h: Histories) -> Iterator[tuple[int, Tensor]]:
    """Yield (t, R) from the second grade on: the predicted recall (n,) of the cards that have a grade t."""
    f = 0.9 ** (-1 / w[20]) - 1
    grow, forget, same = w[8].exp(), (w[17] * w[18]).exp(), (w[17] * (torch.arange(1, 5) - 3 + w[18])).exp()
    D0 = w[4] - (w[5] * torch.arange(4)).exp() + 1  # (4) first difficulty by grade
    S = w[:4][h.grade[0] - 1]  # (B)
    D = D0[h.grade[0] - 1].clamp(1, 10)
    for t in range(1, len(h.alive)):
        n = h.alive[t]
        S, D, g, days = S[:n], D[:n], h.grade[t, :n], h.days[t, :n]
        R = (1 + f * days / S) ** -w[20]
        yield t, R
        again = g == 1
        bonus = torch.where(g == 2, w[15], torch.where(g == 4, w[16], 1.0))
        logS = S.log()
        recalled = S * (1 + grow * (11 - D) * (-w[9] * logS).exp() * (((1 - R) * w[10]).exp() - 1) * bonus)
        forgotten = torch.minimum(w[11] * D ** -w[12] * ((S + 1) ** w[13] - 1) * ((1 - R) * w[14]).exp(), S / forget)
        step = same[g - 1] * (-w[19] * logS).exp()
        crammed = S * torch.where(again, step, step.clamp(min=1))
        S = torch.where(days == 0, crammed, torch.where(again, forgotten, recalled)).clamp(0.001, 36_500)
        D = (w[7] * D0[3] + (1 - w[7]) * (D - w[6] * (g - 3) * (10 - D) / 9)).clamp(1, 10)


def pad(card: np.ndarray, day: np.ndarray, grade: np.ndarray, *, longest: int = LONGEST) -> Histories:
    """Rows (N) of cards that stand together -> histories (T, B), the first `longest` grades of each."""
    begins = np.flatnonzero(np.r_[True, card[1:] != card[:-1]])
    lengths = np.minimum(np.diff(np.r_[begins, len(card)]), longest)
    order = np.argsort(-lengths, kind="stable")
    begins, lengths = begins[order], lengths[order]
    T = int(lengths[0])
    rows = begins + np.arange(T)[:, None]  # (T, B)
    there = np.arange(T)[:, None] < lengths
    rows = np.where(there, rows, 0)
    days = np.where(there & (np.arange(T)[:, None] > 0), day[rows] - day[np.maximum(rows - 1, 0)], 0)
    counted = np.where(there, predicted_rows(card, day)[rows] * recency(day)[rows], 0.0)
    alive = there.sum(1).tolist()
    return Histories(
        torch.from_numpy(np.maximum(days, 0).astype(np.float64)), torch.from_numpy(np.where(there, grade[rows], 3)), torch.from_numpy(counted), alive
    )


def predicted_rows(card: np.ndarray, day: np.ndarray) -> np.ndarray:
    """(N) whether a row is predicted: a card's first grade on a study day later than its last."""
    same_card = np.r_[False, card[1:] == card[:-1]]
    return same_card & np.r_[False, np.diff(day) > 0]


def recency(day: np.ndarray) -> np.ndarray:
    """(N) the weight of a review: a quarter for the oldest, one for the newest."""
    rank = np.empty(len(day))
    rank[np.argsort(day, kind="stable")] = np.arange(len(day)) / max(1, len(day) - 1)
    return 0.25 + 0.75 * rank**3


def losses(card: np.ndarray, day: np.ndarray, grade: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """(N) -log p of what happened at every row; 0 where nothing is predicted."""
    R = predictions(card, day, grade, parameters).clip(1e-4, 1 - 1e-4)
    loss = -np.where(grade > 1, np.log(R), np.log1p(-R))
    return np.where(predicted_rows(card, day), loss, 0.0)


def predictions(card: np.ndarray, day: np.ndarray, grade: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """(N) the predicted recall before every row; 1 for a card's first."""
    begins = np.flatnonzero(np.r_[True, card[1:] != card[:-1]])
    lengths = np.diff(np.r_[begins, len(card)])
    order = np.argsort(-lengths, kind="stable")
    R = np.ones(len(card))
    with torch.no_grad():
        for t, recall in run(torch.tensor(parameters, dtype=torch.float64), pad(card, day, grade, longest=len(card))):
            R[begins[order][: len(recall)] + t] = recall.numpy()
    return R


def _in_order(card: np.ndarray, day: np.ndarray, grade: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By card, then by day; grades of one day keep the order in which they came."""
    card = np.unique(card, return_inverse=True)[1]
    order = np.lexsort((np.arange(len(card)), day, card))
    return card[order], np.asarray(day)[order].astype(np.int64), np.asarray(grade)[order].astype(np.int64)
