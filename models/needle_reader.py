"""A reader with one attention layer, a question, and a haystack of passages: does it find the one that answers, wherever it stands?

A passage states a fact about something described by three properties; its vector is the sum of their embeddings and of its answer's. The question
has the same three properties and no answer. Distractors are near misses: two of the three properties are right.

    needle       round  blue   wooden  -> "seven"
    distractor   round  green  wooden  -> "two"
    question     round  blue   wooden  -> ?

The question looks at all passages once (one query, S keys), and what it takes from them names the answer. Where needles stood in training is a
choice (`place_weights`). It is learned like everything else, if the reader can tell places apart at all.

Passages do not always use the question's words: each property is called something else in one case of eight. So a needle cannot always be told from a
near miss by its words alone, and then it pays to know where needles usually stand.

Shapes: B texts, S passages, P = 3 properties, C width, H heads of D numbers, V answers.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import attention_scores, attention_weights, merge_heads, split_heads
from models.decoder import FeedForward, start_small
from models.rotary import angles, turn

PROPERTIES, KINDS, ANSWERS = 3, 8, 16
REWORDED = 1 / 8  # how often a passage uses another word for a property
LONGEST = 32  # passages; every training text has as many
Positions = Literal["learned", "rotary", "none"]
Places = Literal["uniform", "ends"]
POSITIONS: tuple[Positions, ...] = ("learned", "rotary", "none")
PLACES: tuple[Places, ...] = ("uniform", "ends")
EDGE = 0.2  # the share of the text, at either end, that counts as its end
MIDDLE_SHARE = 0.04  # of the needles that stand elsewhere, when training is heavy on the ends


class Haystacks(NamedTuple):
    properties: Tensor  # (B, S, P) whole numbers below KINDS: the words that the passages use
    answers: Tensor  # (B, S)
    needle: Tensor  # (B,) which passage answers
    question: Tensor  # (B, P)

    @property
    def right(self) -> Tensor:
        """(B,)"""
        return self.answers[torch.arange(len(self.needle)), self.needle]


def place_weights(S: int, places: Places) -> Tensor:
    """(S,) how likely a needle of a training text stands at each place."""
    if places == "uniform":
        return torch.full((S,), 1 / S)
    depth = (torch.arange(S) + 0.5) / S
    edge = (depth < EDGE) | (depth > 1 - EDGE)
    return torch.where(edge, (1 - MIDDLE_SHARE) / edge.sum(), MIDDLE_SHARE / (~edge).sum().clamp(min=1))


def at_depth(S: int, depth: float) -> Tensor:
    """(S,) all weight on one place: depth 0 is the first, 1 the last."""
    return F.one_hot(torch.tensor(round(depth * (S - 1))), S).float()


def haystacks(weights: Tensor, distractors: int, batch: int, generator: torch.Generator, kinds: int = KINDS) -> Haystacks:
    """weights (S,) or (B, S) for the needle's place. Distractors stand anywhere else, evenly; the other passages have two properties or more that are wrong."""
    S = weights.shape[-1]
    if not 0 <= distractors < S:
        raise ValueError(f"{distractors} distractors and a needle do not fit into {S} passages.")
    rows = torch.arange(batch)
    needle = torch.multinomial(weights.expand(batch, S), 1, replacement=True, generator=generator)[:, 0]
    asked = torch.randint(kinds, (batch, 1, PROPERTIES), generator=generator)
    order = torch.rand(batch, S, generator=generator).scatter(1, needle[:, None], 2.0).argsort(dim=1)  # the needle last
    near = torch.zeros(batch, S, dtype=torch.bool).scatter(1, order[:, :distractors], True)
    wrong = torch.rand(batch, S, PROPERTIES, generator=generator).argsort(dim=-1) < torch.where(near, 1, PROPERTIES - 1)[..., None]
    wrong |= ~near[..., None] & (torch.rand(batch, S, PROPERTIES, generator=generator) < 0.7)
    shift = torch.randint(1, kinds, (batch, S, PROPERTIES), generator=generator)
    properties = torch.where(wrong, (asked + shift) % kinds, asked)
    properties[rows, needle] = asked[:, 0]
    other_word = torch.rand(batch, S, PROPERTIES, generator=generator) < REWORDED
    properties = torch.where(other_word, torch.randint(kinds, properties.shape, generator=generator), properties)
    return Haystacks(properties, torch.randint(ANSWERS, (batch, S), generator=generator), needle, asked[:, 0])


class Reader(nn.Module):
    def __init__(self, positions: Positions, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.positions, self.heads = positions, heads
        self.property = nn.Embedding(PROPERTIES * KINDS, width)
        self.answer = nn.Embedding(ANSWERS + 1, width)  # the last one marks a question
        self.position = nn.Embedding(LONGEST + 1, width) if positions == "learned" else None
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.norm, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)
        self.answers = nn.Linear(width, ANSWERS)
        self.apply(start_small)

    def forward(self, texts: Haystacks) -> Tensor:
        """logits (B, V)"""
        return self.look(texts)[0]

    def look(self, texts: Haystacks) -> tuple[Tensor, Tensor]:
        """logits (B, V), and the question's attention weights (B, H, S)."""
        B, S = texts.answers.shape
        marks = torch.full((B, 1), ANSWERS)
        x = self.embed(torch.cat([texts.properties, texts.question[:, None]], dim=1), torch.cat([texts.answers, marks], dim=1))  # (B, S + 1, C)
        normed = self.norm(x)
        q = split_heads(self.query(normed[:, -1:]), self.heads)  # (B, H, 1, D)
        k, v = (split_heads(layer(normed[:, :-1]), self.heads) for layer in (self.key, self.value))  # (B, H, S, D)
        if self.positions == "rotary":
            angle = angles(torch.arange(S + 1), q.shape[-1])
            q, k = turn(q, angle[-1:]), turn(k, angle[:-1])
        weights = attention_weights(attention_scores(q, k))  # (B, H, 1, S)
        asked = x[:, -1] + self.out(merge_heads(weights @ v))[:, 0]  # (B, C)
        asked = asked + self.feed_forward(self.norm_feed_forward(asked))
        return self.answers(asked), weights[:, :, 0]

    def embed(self, properties: Tensor, answers: Tensor) -> Tensor:
        """(B, T, P), (B, T) -> (B, T, C)"""
        x = self.property(properties + KINDS * torch.arange(PROPERTIES)).sum(dim=2) + self.answer(answers)
        if self.position is None:
            return x
        T = x.shape[1]
        return x + self.position(
            torch.cat([torch.arange(T - 1), torch.tensor([LONGEST])])
        )  # the question has the last vector, also in a shorter text


def exact_matches(logits: Tensor, texts: Haystacks) -> Tensor:
    """(B,) bool: is the likeliest answer the needle's?"""
    return logits.argmax(dim=-1) == texts.right


def places_of(S: int, depths: Sequence[float], count: int) -> Tensor:
    """(depths · count, S): `count` texts for each depth, one after the other."""
    return torch.stack([at_depth(S, depth) for depth in depths]).repeat_interleave(count, dim=0)


def best_at_the_ends(count: int) -> list[int]:
    """Ranks 1 … count in the order of the prompt: the best first, the second best last, the weakest in the middle."""
    return [*range(1, count + 1, 2), *reversed(range(2, count + 1, 2))]


@torch.inference_mode()
def recall(reader: Reader, S: int, depth: float, distractors: int, count: int, generator: torch.Generator) -> float:
    """The share of `count` fresh texts answered rightly with the needle at this depth."""
    texts = haystacks(at_depth(S, depth), distractors, count, generator)
    return float(exact_matches(reader(texts), texts).float().mean())
