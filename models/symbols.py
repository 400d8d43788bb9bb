"""The simplest tokenizer: a fixed list of symbols (characters or words), each with its number; anything else is unknown."""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

PAD, START, STOP, UNKNOWN = range(4)
SPECIALS = ("<pad>", "<start>", "<stop>", "<unknown>")


class SymbolTokenizer:
    def __init__(self, symbols: Iterable[str], unit: Literal["character", "word"]) -> None:
        self.unit = unit
        self.symbols = [*SPECIALS, *symbols]
        self.number = {symbol: place for place, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def pieces(self, text: str) -> list[str]:
        text = text.lower()
        return list(text) if self.unit == "character" else text.split()

    def encode(self, text: str) -> list[int]:
        return [self.number.get(piece, UNKNOWN) for piece in self.pieces(text)]

    def decode(self, tokens: Iterable[int]) -> str:
        """The symbols up to the stop; special tokens are left out."""
        kept = []
        for token in tokens:
            if token == STOP:
                break
            if token >= len(SPECIALS):
                kept.append(self.symbols[token])
        return ("" if self.unit == "character" else " ").join(kept)

    def show(self, token: int) -> str:
        return self.symbols[token]

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """tokens (B, T) filled up with padding, and real (B, T), False at padding."""
        lines = [self.encode(text) for text in texts]
        tokens = torch.full((len(lines), max(map(len, lines))), PAD)
        for row, line in enumerate(lines):
            tokens[row, : len(line)] = torch.tensor(line, dtype=torch.long)
        return tokens, tokens != PAD
