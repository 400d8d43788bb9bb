"""The unigram language model of subwords (Kudo 2018): every piece has a probability, and a word is cut where the product is largest.

    p(x) = Π p(xᵢ)   for one cut x of a word        Z(word) = Σ p(x) over all its cuts
    encode:  arg max p(x), by Viterbi               train:  maximise Σ f(word) log Z(word), by EM, from far too many pieces down

Training goes the other way round than byte-pair encoding: it starts with every substring that stands twice and drops, round by round, the pieces
that are missed least. Single characters always stay. A character that training never saw has no piece: a run of them is one unknown token.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

LONGEST_PIECE = 8  # characters
UNKNOWN_PENALTY = 10.0  # an unknown character is e^10 times as unlikely as the least likely piece
KEPT = 0.75  # share of the pieces that survives a round of pruning
EM_STEPS = 2  # per round
TRACE = 1e-9  # the count of a piece that no cut uses

Span = tuple[int, int, str]  # a piece of a word, and where it begins and ends


class Round(NamedTuple):
    p: dict[str, float]  # the pieces that are left
    log_likelihood: float  # Σ f log Z after the round's last step


class Unigram:
    def __init__(self, p: Mapping[str, float]) -> None:
        self.log_p = {piece: math.log(probability) for piece, probability in p.items()}
        self.unknown = min(self.log_p.values(), default=0.0) - UNKNOWN_PENALTY
        self.longest = max(map(len, self.log_p), default=1)

    def __len__(self) -> int:
        return len(self.log_p)

    def cut(self, word: str) -> list[str]:
        """The most probable cut. A piece that is not in `log_p` is a run of unknown characters."""
        best = [0.0] + [-math.inf] * len(word)  # best[j]: log probability of the best cut of the first j characters
        before = [0] * (len(word) + 1)
        for i in range(len(word)):
            for j in range(i + 1, min(i + self.longest, len(word)) + 1):
                log_p = self.log_p.get(word[i:j], self.unknown if j == i + 1 else None)
                if log_p is not None and best[i] + log_p > best[j]:
                    best[j], before[j] = best[i] + log_p, i
        pieces: list[str] = []
        end, pending = len(word), ""  # pending: unknown characters, collected from the right
        while end > 0:
            piece, end = word[before[end] : end], before[end]
            if piece in self.log_p:
                pieces += [pending, piece] if pending else [piece]
                pending = ""
            else:
                pending = piece + pending
        return [*([pending] if pending else []), *reversed(pieces)]


def learn_pieces(words: Mapping[str, int], sizes: Iterable[int]) -> Iterator[Round]:
    """From all frequent substrings down: one round for each of the sizes asked for (falling), and those in between.

    `words` says how often each word stands in the text."""
    p = seed(words)
    spans = {word: spans_of(word, p) for word in words}
    for size in sizes:
        while True:
            for _ in range(EM_STEPS):
                counts, log_likelihood = expect(words, spans, p)
                p = maximise(counts, p)
            yield Round(p, log_likelihood)
            target = max(size, int(KEPT * len(p)), sum(len(piece) == 1 for piece in p))
            if target >= len(p):
                break
            p = prune(counts, p, target)
            spans = {word: [span for span in its if span[2] in p] for word, its in spans.items()}


def seed(words: Mapping[str, int]) -> dict[str, float]:
    """Every character, and every substring that stands at least twice, with the share of the text that it covers."""
    counts: Counter[str] = Counter()
    for word, often in words.items():
        for i in range(len(word)):
            for j in range(i + 1, min(i + LONGEST_PIECE, len(word)) + 1):
                counts[word[i:j]] += often
    covered = {piece: count * len(piece) for piece, count in counts.items() if count > 1 or len(piece) == 1}
    total = sum(covered.values())
    return {piece: share / total for piece, share in covered.items()}


def spans_of(word: str, p: Mapping[str, float]) -> list[Span]:
    return [
        (i, j, word[i:j]) for i in range(len(word)) for j in range(i + 1, min(i + LONGEST_PIECE, len(word)) + 1) if word[i:j] in p
    ]  # ordered by where they begin: what comes before is complete when it is needed


def expect(words: Mapping[str, int], spans: Mapping[str, list[Span]], p: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """E step: how often each piece is expected to be used, over all cuts of all words, and Σ f log Z.

    forward[j] sums the probabilities of all cuts of the first j characters, backward[i] those of all cuts from i on."""
    counts: defaultdict[str, float] = defaultdict(float)
    log_likelihood = 0.0
    for word, often in words.items():
        forward, backward = [1.0] + [0.0] * len(word), [0.0] * len(word) + [1.0]
        for i, j, piece in spans[word]:
            forward[j] += forward[i] * p[piece]
        for i, j, piece in reversed(spans[word]):
            backward[i] += p[piece] * backward[j]
        z = forward[-1]
        for i, j, piece in spans[word]:
            counts[piece] += often * forward[i] * p[piece] * backward[j] / z
        log_likelihood += often * math.log(z)
    return counts, log_likelihood


def maximise(counts: Mapping[str, float], p: Mapping[str, float]) -> dict[str, float]:
    """M step: shares of the expected counts. What nothing uses keeps a trace of probability, or some word might have no cut at all."""
    total = sum(max(counts.get(piece, 0.0), TRACE) for piece in p)
    return {piece: max(counts.get(piece, 0.0), TRACE) / total for piece in p}


def prune(counts: Mapping[str, float], p: Mapping[str, float], target: int) -> dict[str, float]:
    """Drop the pieces whose loss costs the text least: count times how much less probable their best replacement is."""
    model = Unigram(p)
    losses = {piece: counts[piece] * (model.log_p[piece] - without(model, piece)) for piece in p if len(piece) > 1}
    characters = [piece for piece in p if len(piece) == 1]
    missed = sorted(losses, key=lambda piece: (-losses[piece], piece))
    kept = {*characters, *missed[: max(target - len(characters), 0)]}
    total = sum(p[piece] for piece in kept)
    return {piece: p[piece] / total for piece in p if piece in kept}


def without(model: Unigram, piece: str) -> float:
    """Log probability of the best cut of a piece into others."""
    log_p = model.log_p.pop(piece)
    replaced = sum(model.log_p[part] for part in model.cut(piece))
    model.log_p[piece] = log_p
    return replaced
