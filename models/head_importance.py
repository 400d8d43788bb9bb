"""Which heads matter, and for what: take one away and measure what each task then costs (Michel et al. 2019, with zeros for a head's output).

An exam is a batch of texts of one task with the places that are scored marked, so that only what the task asks for counts.

Shapes: B texts, T tokens, H heads per layer, L layers.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models import circuits, toy_world
from models.attention import MultiHeadAttention
from models.byte_pair import BytePairTokenizer
from models.decoder import Decoder, Edit, without

Head = tuple[int, int]  # (layer, head), both from 0
LISTED = 12  # words of a list, before it is said again
TASKS = ("copying", "names", "agreement", "brackets")


class Exam(NamedTuple):
    tokens: Tensor  # (B, T), the end token after short texts
    scored: Tensor  # (B, T-1) bool: True where the next token is asked for


def exam(task: str, tokenizer: BytePairTokenizer, count: int, seed: int) -> Exam:
    """copying: the second showing of a list, its first word left out. names: who gets the thing. agreement: the verb. brackets: what closes."""
    rng = Random(seed)
    if task == "copying":
        whole = circuits.LIST_HEADING + 2 * LISTED  # a few words of the world are two tokens: lists with one of them are left out
        tried = ([tokenizer.end, *tokenizer.encode(toy_world.repeated_list(rng, LISTED))] for _ in range(100 * count))
        tokens = torch.tensor(list(islice((line for line in tried if len(line) == whole), count)))
        scored = torch.zeros(count, whole - 1, dtype=torch.bool)
        scored[:, circuits.LIST_HEADING + LISTED :] = True
        return Exam(tokens, scored)
    if task == "brackets":
        lines = [[tokenizer.end, *tokenizer.encode(f"brackets: {toy_world.brackets(rng, 6)}")] for _ in range(count)]
        tokens, _ = padded(lines, tokenizer.end)
        closing = torch.tensor([circuits.one_token(tokenizer, bracket) for bracket in toy_world.PAIRS.values()])
        return Exam(tokens, torch.isin(tokens[:, 1:], closing))
    lines = [[tokenizer.end, *tokenizer.encode(sentence)] for sentence in sentences(task, rng, count)]
    tokens, lengths = padded(lines, tokenizer.end)
    return Exam(tokens, F.one_hot(lengths - 2, tokens.shape[1] - 1).bool())  # the last word alone


def sentences(task: str, rng: Random, count: int) -> list[str]:
    if task == "names":
        gifts = (toy_world.giving(rng) for _ in range(count))
        return [f"{gift.prompt} {gift.receiver}" for gift in gifts]
    if task == "agreement":
        cases = (toy_world.agreement(rng) for _ in range(count))
        return [f"{case.prompt} {case.right}" for case in cases]
    raise ValueError(f"There is no exam in '{task}'. There are: {', '.join(TASKS)}.")


def padded(lines: list[list[int]], end: int) -> tuple[Tensor, Tensor]:
    """(B, T) filled up at the end, where causal attention never looks, and each line's own length (B,)."""
    lengths = torch.tensor([len(line) for line in lines])
    return torch.tensor([line + [end] * (int(lengths.max()) - len(line)) for line in lines]), lengths


@torch.inference_mode()
def task_losses(model: Decoder, exam: Exam, edit: Edit | None = None) -> Tensor:
    """Nats per scored token of each text, (B,)."""
    logits = model(exam.tokens[:, :-1], edit=edit)
    nll = F.cross_entropy(logits.transpose(1, 2), exam.tokens[:, 1:], reduction="none")  # (B, T-1)
    return (nll * exam.scored).sum(dim=1) / exam.scored.sum(dim=1)


def task_loss(model: Decoder, exam: Exam, silenced: Collection[Head] = ()) -> float:
    return float(task_losses(model, exam, without(silenced)).mean())


def loss_without_each(model: Decoder, exam: Exam, silenced: Collection[Head] = ()) -> Tensor:
    """(L, H): the loss when this head is silenced too. One pass does all: the batch is repeated once per head, each copy without its own."""
    L, H, B = model.config.layers, model.config.heads, len(exam.tokens)
    also = without(silenced)

    def each_its_own(layer: int, said: Tensor) -> Tensor:
        said = also(layer, said).clone()  # (L·H·B, H, T, D)
        for head in range(H):
            copy = (layer * H + head) * B
            said[copy : copy + B, head] = 0
        return said

    repeated = Exam(exam.tokens.repeat(L * H, 1), exam.scored.repeat(L * H, 1))
    return task_losses(model, repeated, each_its_own).view(L, H, B).mean(dim=2)


@torch.no_grad()
def query_key_spectrum(attention: MultiHeadAttention) -> Tensor:
    """(H, C): the singular values of each head's W_Qᵀ W_K, the C × C form by which it compares two vectors of the stream.

    The form passes through D = C/H numbers, so at most D singular values are not zero: many heads, low rank each."""
    C, H = attention.query.weight.shape[1], attention.heads
    q, k = (layer.weight.double().view(H, C // H, C).transpose(1, 2) for layer in (attention.query, attention.key))  # (H, C, D)
    r_q, r_k = torch.linalg.qr(q).R, torch.linalg.qr(k).R  # (H, D, D): the orthogonal parts change no singular value
    values = torch.linalg.svdvals(r_q @ r_k.transpose(1, 2))  # (H, D)
    return F.pad(values, (0, C - values.shape[1]))
