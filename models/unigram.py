"""The unigram language model of subwords (Kudo 2018): every piece has a probability, and a word is cut where the product is largest.

    p(x) = Π p(xᵢ)   for one cut x of a word        Z(word) = Σ p(x) over all its cuts
    encode:  arg max p(x), by Viterbi               train:  maximise Σ f(word) log Z(word), by EM, from far too many pieces down

Training goes the other way round than byte-pair encoding: it starts with every substring that stands twice and drops, round by round, the pieces
that are missed least. Single characters always stay. A character that training never saw has no piece: a run of them is one unknown token.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

LONGEST_PIECE = 8  # characters
UNKNOWN_PENALTY = 10.0  # an unknown character is e^10 times as unlikely as the least likely piece
KEPT = 0.75  # share of the pieces that survives a round of pruning
EM_STEPS = 2  # per round
TRACE = 1e-9  # the count of a piece that no cut uses

Span = tuple[int, int, str]  # a piece of a word, and where it begins and ends
Arc = tuple[int, int, float]  # the same with the logarithm of its weight; the arcs of a word are its lattice


class Round(NamedTuple):
    p: dict[str, float]  # the pieces that are left
    path: list[float]  # Σ f log Z right after the pruning, and after each EM step of the round
    dropped: dict[str, float]  # the pieces that this round began without, and what each of them was worth

    @property
    def log_likelihood(self) -> float:
        return self.path[-1]


class Unigram:
    def __init__(self, p: Mapping[str, float]) -> None:
        self.log_p = {piece: math.log(probability) for piece, probability in p.items()}
        self.unknown = min(self.log_p.values(), default=0.0) - UNKNOWN_PENALTY
        self.longest = max(map(len, self.log_p), default=1)

    def __len__(self) -> int:
        return len(self.log_p)

    def lattice(self, word: str) -> Iterator[Arc]:
        """Every piece that fits somewhere in the word, by where it begins; a character without a piece is an unknown one."""
        for i in range(len(word)):
            for j in range(i + 1, min(i + self.longest, len(word)) + 1):
                log_p = self.log_p.get(word[i:j], self.unknown if j == i + 1 else None)
                if log_p is not None:
                    yield i, j, log_p

    def best_ways(self, word: str) -> tuple[list[float], list[int]]:
        """Viterbi. best[j]: log probability of the best cut of the first j characters; before[j]: where its last piece begins."""
        best = [0.0] + [-math.inf] * len(word)
        before = [0] * (len(word) + 1)
        for i, j, log_p in self.lattice(word):
            if best[i] + log_p > best[j]:
                best[j], before[j] = best[i] + log_p, i
        return best, before

    def cut(self, word: str) -> list[str]:
        """The most probable cut. A piece that is not in `log_p` is a run of unknown characters."""
        _, before = self.best_ways(word)
        return self.walk_back(word, lambda end: before[end])

    def draws(self, word: str, alpha: float, u: Iterator[float]) -> Iterator[list[str]]:
        """Cuts drawn in proportion to p(x)^alpha: from the right, each last piece by its share of what leads up to it.

        `u` gives numbers between 0 and 1, one per piece, and ends the drawing when it ends."""
        arcs = sharpened(self.lattice(word), alpha)
        forward, _ = forward_backward(len(word), arcs)
        into: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for i, j, weight in arcs:
            into[j].append((i, math.exp(forward[i] + weight - forward[j])))

        def drawn(end: int) -> int:
            left = next(u)
            for i, share in into[end]:
                left -= share
                if left < 0:
                    return i
            return into[end][-1][0]  # the shares add up to 1 only as far as floats do

        while True:
            try:
                yield self.walk_back(word, drawn)
            except StopIteration:
                return

    def log_probability(self, pieces: Iterable[str]) -> float:
        """log Π p(xᵢ) of a cut; every character of an unknown run counts."""
        return sum(self.log_p.get(piece, self.unknown * len(piece)) for piece in pieces)

    def walk_back(self, word: str, before: Callable[[int], int]) -> list[str]:
        """From the right end: a last piece, the last piece of what stands before it, and so on. Unknown characters that meet are one run."""
        pieces: list[str] = []
        end, pending = len(word), ""
        while end > 0:
            start = before(end)
            piece, end = word[start:end], start
            if piece in self.log_p:
                pieces += [pending, piece] if pending else [piece]
                pending = ""
            else:
                pending = piece + pending
        return [*([pending] if pending else []), *reversed(pieces)]


def sharpened(arcs: Iterable[Arc], alpha: float) -> list[Arc]:
    return [(i, j, alpha * log_p) for i, j, log_p in arcs]


def forward_backward(length: int, arcs: Sequence[Arc]) -> tuple[list[float], list[float]]:
    """forward[j]: log of the summed weights of all cuts of the first j characters; backward[i]: of all cuts from i on. Z is forward[-1].

    In logarithms, because the product of many small probabilities is no number any more."""
    forward, backward = [0.0] + [-math.inf] * length, [-math.inf] * length + [0.0]
    for i, j, weight in arcs:  # by where they begin: what comes before is complete when it is needed
        forward[j] = log_add(forward[j], forward[i] + weight)
    for i, j, weight in reversed(arcs):
        backward[i] = log_add(backward[i], weight + backward[j])
    return forward, backward


def log_add(a: float, b: float) -> float:
    """log(e^a + e^b)"""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def usage(length: int, arcs: Sequence[Arc]) -> tuple[list[float], float]:
    """For each arc the share of all cuts, by weight, that goes through it; and log Z."""
    forward, backward = forward_backward(length, arcs)
    return [math.exp(forward[i] + weight + backward[j] - forward[-1]) for i, j, weight in arcs], forward[-1]


def learn_pieces(
    words: Mapping[str, int], sizes: Iterable[int], *, start: Mapping[str, float] | None = None, kept: float = KEPT, em_steps: int = EM_STEPS
) -> Iterator[Round]:
    """From all frequent substrings down: one round for each of the sizes asked for (falling), and those in between.

    `words` says how often each word stands in the text; `start` replaces the pieces to begin with."""
    p = dict(start) if start is not None else seed(words)
    spans = {word: spans_of(word, p) for word in words}
    dropped: dict[str, float] = {}
    for size in sizes:
        while True:
            counts, log_likelihood = expect(words, spans, p)
            path = [log_likelihood]
            for _ in range(em_steps):
                p = maximise(counts, p)
                counts, log_likelihood = expect(words, spans, p)
                path.append(log_likelihood)
            yield Round(p, path, dropped)
            target = max(size, int(kept * len(p)), sum(len(piece) == 1 for piece in p))
            if target >= len(p):
                break
            worth = losses(counts, p)
            p = prune(worth, p, target)
            dropped = {piece: loss for piece, loss in worth.items() if piece not in p}
            spans = {word: [span for span in its if span[2] in p] for word, its in spans.items()}


def seed(words: Mapping[str, int], most: int | None = None) -> dict[str, float]:
    """Every character, and every substring that stands at least twice, with the share of the text that it covers.

    With `most` only that many pieces: all characters, then what covers most."""
    counts: Counter[str] = Counter()
    for word, often in words.items():
        for i in range(len(word)):
            for j in range(i + 1, min(i + LONGEST_PIECE, len(word)) + 1):
                counts[word[i:j]] += often
    covered = {piece: count * len(piece) for piece, count in counts.items() if count > 1 or len(piece) == 1}
    if most is not None:
        ranked = sorted(covered, key=lambda piece: (len(piece) > 1, -covered[piece], piece))
        covered = {piece: covered[piece] for piece in ranked[: max(most, sum(len(piece) == 1 for piece in ranked))]}
    total = sum(covered.values())
    return {piece: share / total for piece, share in covered.items()}


def spans_of(word: str, p: Mapping[str, float]) -> list[Span]:
    return [
        (i, j, word[i:j]) for i in range(len(word)) for j in range(i + 1, min(i + LONGEST_PIECE, len(word)) + 1) if word[i:j] in p
    ]  # ordered by where they begin


def expect(words: Mapping[str, int], spans: Mapping[str, list[Span]], p: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """E step: how often each piece is expected to be used, over all cuts of all words, and Σ f log Z."""
    log_p = {piece: math.log(probability) for piece, probability in p.items()}
    counts: defaultdict[str, float] = defaultdict(float)
    log_likelihood = 0.0
    for word, often in words.items():
        shares, log_z = usage(len(word), [(i, j, log_p[piece]) for i, j, piece in spans[word]])
        for (_, _, piece), share in zip(spans[word], shares, strict=True):
            counts[piece] += often * share
        log_likelihood += often * log_z
    return counts, log_likelihood


def maximise(counts: Mapping[str, float], p: Mapping[str, float]) -> dict[str, float]:
    """M step: shares of the expected counts. What nothing uses keeps a trace of probability, or some word might have no cut at all."""
    total = sum(max(counts.get(piece, 0.0), TRACE) for piece in p)
    return {piece: max(counts.get(piece, 0.0), TRACE) / total for piece in p}


def losses(counts: Mapping[str, float], p: Mapping[str, float]) -> dict[str, float]:
    """What the text would lose without each piece: its count times how much less probable its best replacement is."""
    model = Unigram(p)
    return {piece: counts[piece] * (model.log_p[piece] - without(model, piece)) for piece in p if len(piece) > 1}


def prune(worth: Mapping[str, float], p: Mapping[str, float], target: int) -> dict[str, float]:
    """Keep the characters and the pieces that are worth most, `target` in all."""
    characters = [piece for piece in p if len(piece) == 1]
    dearest = sorted(worth, key=lambda piece: (-worth[piece], piece))
    kept = {*characters, *dearest[: max(target - len(characters), 0)]}
    total = sum(p[piece] for piece in kept)
    return {piece: p[piece] / total for piece in p if piece in kept}


def without(model: Unigram, piece: str) -> float:
    """Log probability of the best cut of a piece into others."""
    log_p = model.log_p.pop(piece)
    replaced = sum(model.log_p[part] for part in model.cut(piece))
    model.log_p[piece] = log_p
    return replaced
