"""Tokenization: every number card and worked example, computed again."""

import math
from collections import Counter
from itertools import pairwise

CORPUS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def pair_counts(words):
    counts = Counter()
    for symbols, frequency in words.items():
        for pair in pairwise(symbols):
            counts[pair] += frequency
    return counts


def merged(symbols, pair):
    out = []
    for symbol in symbols:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def train_bpe(words, rounds):
    """The merges with their counts, and the words as they stand afterwards; ties go to the pair seen first."""
    learned = []
    for _ in range(rounds):
        counts = pair_counts(words)
        pair = max(counts, key=counts.get)
        learned.append((pair, counts[pair]))
        words = {merged(symbols, pair): frequency for symbols, frequency in words.items()}
    return learned, words


def spelled(corpus):
    return {(*word, "_"): frequency for word, frequency in corpus.items()}


def total_symbols(words):
    return sum(len(symbols) * frequency for symbols, frequency in words.items())


def encode(word, merges):
    symbols = tuple(word)
    for pair in merges:
        symbols = merged(symbols, pair)
    return symbols


def byte_pair_encoding():
    start = spelled(CORPUS)
    learned, after = train_bpe(start, 5)
    rows = [f"| {a} + {b.replace('_', '`_`')} | {count} |" for (a, b), count in learned]
    lowest = encode("lowest_", [pair for pair, _ in learned])
    return [
        *rows, f"has {len(set().union(*start))} symbols", f"the text {total_symbols(start)} of them",
        f"has {total_symbols(after)} symbols", f"just {len(lowest)} tokens",
    ]


def tokenization_and_oov():
    text = "Grüße, 世界 🙂"
    return [f'"{text}" has {len(text.split())} words by spaces, {len(text)} characters and {len(text.encode())} bytes']


def textbook_score(a, b, pair):
    return pair / (a * b)


def likelihood_gain(a, b, pair, symbols=100_000):
    return pair * math.log(symbols * pair / (a * b))


def wordpiece_cut(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in vocabulary:
                pieces.append(mark + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def wordpiece():
    rows = [
        f"| {name} | {a} | {b} | {pair} | {textbook_score(a, b, pair):g} | {likelihood_gain(a, b, pair):.1f} |"
        for name, a, b, pair in (("un + able", 100, 50, 20), ("th + e", 1000, 4000, 900))
    ]
    choice = wordpiece_cut("unable", {"un", "##a", "##able", "##ab", "##le"})
    stuck = wordpiece_cut("abc", {"ab", "a", "##bc"})
    return [*rows, f"[x] {', '.join(choice)}", f"becomes `{stuck[0]}`"]


UNABLE = {"un": 0.1, "able": 0.1, "u": 0.05, "nable": 0.01}


def cuts(word, pieces):
    if not word:
        return [()]
    return [(piece, *rest) for piece in pieces if word.startswith(piece) for rest in cuts(word[len(piece) :], pieces)]


def cut_probabilities(word, pieces):
    return {cut: math.prod(pieces[piece] for piece in cut) for cut in cuts(word, pieces)}


def share_of_best(word, pieces, alpha=1.0):
    weights = [probability**alpha for probability in cut_probabilities(word, pieces).values()]
    return max(weights) / sum(weights)


def sentencepiece_unigram():
    probabilities = cut_probabilities("unable", UNABLE)
    best, other = sorted(probabilities, key=probabilities.get, reverse=True)
    share = share_of_best("unable", UNABLE)
    return [
        f"The cut {' + '.join(best)} has probability {probabilities[best]:g}, {' + '.join(other)} {probabilities[other]:g}",
        f"has {sum(probabilities.values()):g} in all", f"carries {share:.3f}", f'"u" with {1 - share:.3f}',
    ]


NUMBERS = {
    "tokenization-and-oov-q03": lambda: 128_000 * 4096 / 1e6,
    "tokenization-and-oov-bytes": lambda: len("世界!".encode()),
    "wordpiece-score-qu": lambda: textbook_score(200, 3000, 195),
    "wordpiece-gain-the": lambda: likelihood_gain(1000, 4000, 900),
    "sentencepiece-unigram-posterior": lambda: share_of_best("unable", UNABLE),
    "sentencepiece-unigram-sampling": lambda: share_of_best("unable", UNABLE, alpha=0.5),
    "byte-pair-encoding-pair-count": lambda: pair_counts(spelled(CORPUS))["w", "e"],
    "byte-pair-encoding-gpt2-vocab": lambda: 2**8 + 50_000 + 1,
}

EXAMPLES = {
    "tokenization-and-oov": tokenization_and_oov,
    "wordpiece": wordpiece,
    "sentencepiece-unigram": sentencepiece_unigram,
    "byte-pair-encoding": byte_pair_encoding,
}
