"""Byte-pair encoding: start from bytes, and let the most frequent neighbours become one token, again and again.

Training counts every pair of neighbours in the words of a text and merges the most frequent one; encoding replays the merges in the order they
were learned. As there is a token for each of the 256 bytes, no text in any script is ever unknown: at worst it costs many tokens.

Words are cut first (letters together, each digit alone, a blank belongs to the word after it), and no merge crosses a word's border.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

WORD = re.compile(r" ?[^\W\d_]+| ?\d| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")

Pair = tuple[int, int]

# The order of GPT-2's byte alphabet: what prints comes first. Equal counts are decided by it, so it is part of the algorithm.
PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
ALPHABET = [bytes([byte]) for byte in (*PRINTABLE, *(byte for byte in range(256) if byte not in PRINTABLE))]


@dataclass(frozen=True)
class Merge:
    pair: Pair
    count: int  # how often the two stood side by side when they were merged
    token: int  # the id of what they became


def words_of(text: str) -> list[str]:
    return WORD.findall(text)


def learn_merges(texts: Iterable[str], specials: int = 0) -> Iterator[Merge]:
    """The merges one by one, most frequent pair first, smaller ids first among equals, until no pair stands twice.

    Ids below `specials` are reserved for tokens that no text can spell (end of document, mask)."""
    number = {symbol: specials + place for place, symbol in enumerate(ALPHABET)}
    counts = Counter(word for text in texts for word in words_of(text))
    words = [[number[bytes([byte])] for byte in word.encode()] for word in counts]
    return merge_frequent(words, list(counts.values()), specials + len(ALPHABET))


def merge_frequent(words: list[list[int]], often: list[int], token: int) -> Iterator[Merge]:
    """The merges of words that are already written in symbols; `words` is rewritten as they happen, and `token` is the first new id."""
    pairs: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # the words in which a pair stands, so that a merge touches no others
    for place, word in enumerate(words):
        count_pairs(word, often[place], place, pairs, where)
    while pairs:
        pair, count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if count < 2:
            return
        for place in list(where[pair]):
            count_pairs(words[place], -often[place], place, pairs, where)
            words[place] = merge(words[place], pair, token)
            count_pairs(words[place], often[place], place, pairs, where)
        del pairs[pair], where[pair]
        yield Merge(pair, count, token)
        token += 1


def count_pairs(word: list[int], times: int, place: int, pairs: Counter[Pair], where: defaultdict[Pair, set[int]]) -> None:
    """Add the pairs of a word to the counts (or, with negative `times`, take them away)."""
    for pair in pairwise(word):
        pairs[pair] += times
        if times > 0:
            where[pair].add(place)
        else:
            where[pair].discard(place)


def merge(word: list[int], pair: Pair, token: int) -> list[int]:
    """Every occurrence of the pair, from left to right, becomes the token."""
    merged, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            merged.append(token)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


def replay(tokens: list[int], rank: Mapping[Pair, int]) -> Iterator[list[int]]:
    """The symbols as they are, then after each merge that applies, always the one that was learned earliest. `rank` says what a pair becomes."""
    yield tokens
    while applicable := [pair for pair in pairwise(tokens) if pair in rank]:
        pair = min(applicable, key=rank.__getitem__)
        tokens = merge(tokens, pair, rank[pair])
        yield tokens


class BytePairTokenizer:
    def __init__(self, merges: Iterable[Pair], specials: Iterable[str] = ()) -> None:
        self.specials = list(specials)
        self.merges = list(merges)
        self.pieces: list[bytes] = [special.encode() for special in self.specials] + list(ALPHABET)
        for left, right in self.merges:
            self.pieces.append(self.pieces[left] + self.pieces[right])
        first = len(self.specials) + len(ALPHABET)
        self.rank = {pair: first + place for place, pair in enumerate(self.merges)}  # lower id = learned earlier
        self.byte = {symbol: len(self.specials) + place for place, symbol in enumerate(ALPHABET)}
        self.known: dict[str, list[int]] = {}

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int, specials: Iterable[str] = ()) -> "BytePairTokenizer":
        specials = list(specials)
        room = vocabulary - len(specials) - len(ALPHABET)
        if room < 0:
            raise ValueError(f"{len(ALPHABET)} bytes and {len(specials)} special tokens do not fit into a vocabulary of {vocabulary}.")
        learned = zip(range(room), learn_merges(texts, len(specials)), strict=False)
        return cls([step.pair for _, step in learned], specials)

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        return [token for word in words_of(text) for token in self.encode_word(word)]

    def encode_word(self, word: str) -> list[int]:
        if word not in self.known:
            if len(self.known) > 50_000:  # a bound: typed text must not fill the memory
                self.known.clear()
            *_, self.known[word] = self.steps(word)
        return self.known[word]

    def steps(self, word: str) -> Iterator[list[int]]:
        """The word as bytes, then after each merge that applies, always the one that was learned earliest."""
        return replay([self.byte[bytes([byte])] for byte in word.encode(errors="replace")], self.rank)

    def decode(self, tokens: Iterable[int]) -> str:
        """Bytes that are no whole character (a text cut in the middle of an emoji) become the replacement sign."""
        return b"".join(self.pieces[token] for token in tokens).decode(errors="replace")

    def show(self, token: int) -> str:
        return self.decode([token])

    @cached_property
    def end(self) -> int:
        """The token between documents; it also stands before the first one."""
        return self.specials.index("<|end|>")

    def save(self, file: Path) -> None:
        lines = ",\n  ".join(json.dumps(pair) for pair in self.merges)
        file.write_text(f'{{"specials": {json.dumps(self.specials)},\n "merges": [\n  {lines}\n ]}}\n', encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "BytePairTokenizer":
        saved = json.loads(file.read_text(encoding="utf-8"))
        return cls([(left, right) for left, right in saved["merges"]], saved["specials"])
