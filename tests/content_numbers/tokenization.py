"""Tokenization: every number card and worked example, computed again."""

from collections import Counter

CORPUS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def pair_counts(words):
    counts = Counter()
    for symbols, frequency in words.items():
        for pair in zip(symbols, symbols[1:]):
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


NUMBERS = {
    "byte-pair-encoding-pair-count": lambda: pair_counts(spelled(CORPUS))["w", "e"],
    "byte-pair-encoding-gpt2-vocab": lambda: 2**8 + 50_000 + 1,
}

EXAMPLES = {
    "byte-pair-encoding": byte_pair_encoding,
}
