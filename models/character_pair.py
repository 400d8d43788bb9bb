"""Byte-pair encoding on characters (Sennrich et al. 2016): the same merges, another alphabet.

Three ways to write a word, all of them found in textbooks. They learn different merges, because an ending is only an ending where the end is marked:

    none    l o w e s t             nothing tells the "est" of lowest from that of estate
    own     l o w e s t </w>        the end is a symbol of its own and takes part in merges
    glued   l o w e s t</w>         the last character carries it: one symbol fewer, and twice as many letters

The alphabet is what the training text has. Any other character is unknown: what byte-level encoding was made to avoid.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from models.byte_pair import Merge, Pair, merge_frequent, replay

END = "</w>"
UNKNOWN = -1
Ending = Literal["none", "own", "glued"]


def symbols(word: str, ending: Ending) -> list[str]:
    if ending == "own":
        return [*word, END]
    if ending == "glued":
        return [*word[:-1], word[-1] + END]
    return list(word)


def alphabet(words: Mapping[str, int], ending: Ending) -> list[str]:
    """All symbols, those with the end mark first. The order decides between pairs that are equally frequent.

    A character that only ever ends words is in the list without the mark as well, for words in which it does not."""
    return sorted({symbol for word in words for symbol in (*word, *symbols(word, ending))}, key=lambda symbol: (not symbol.endswith(END), symbol))


def learn_merges(words: Mapping[str, int], ending: Ending) -> Iterator[Merge]:
    """`words` says how often each word stands in the text."""
    letters = alphabet(words, ending)
    number = {symbol: place for place, symbol in enumerate(letters)}
    written = [[number[symbol] for symbol in symbols(word, ending)] for word in words]
    return merge_frequent(written, list(words.values()), len(letters))


class CharacterPairTokenizer:
    def __init__(self, letters: list[str], merges: list[Pair], ending: Ending) -> None:
        self.ending = ending
        self.pieces = list(letters)
        for left, right in merges:
            self.pieces.append(self.pieces[left] + self.pieces[right])
        self.number = {symbol: place for place, symbol in enumerate(letters)}
        self.rank = {pair: len(letters) + place for place, pair in enumerate(merges)}

    def steps(self, word: str) -> Iterator[list[int]]:
        """The word's symbols, then after each merge; a character that training never saw is UNKNOWN and merges with nothing."""
        return replay([self.number.get(symbol, UNKNOWN) for symbol in symbols(word, self.ending)], self.rank)

    def encode_word(self, word: str) -> list[int]:
        *_, tokens = self.steps(word)
        return tokens

    def show(self, token: int) -> str:
        return "<unk>" if token == UNKNOWN else self.pieces[token]
