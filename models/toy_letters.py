"""The toy world letter by letter, and 32 symbols that mean nothing: the alphabet of the decoders that are tested beyond their length.

Text says how well a model predicts; symbols without meaning say whether it can fetch something from a given distance (models/recall.py).
"""

from models.symbols import SymbolTokenizer

LETTERS = "\n abcdefghijklmnopqrstuvwxyz0123456789.,:;+-=()[]{}<>"
SYMBOLS = "αβγδεζηθικλμνξοπρστυφχψω" + "бджлшщюя"
FIRST_SYMBOL = 4 + len(LETTERS)  # after the special tokens and the letters


def tokenizer() -> SymbolTokenizer:
    return SymbolTokenizer(LETTERS + SYMBOLS, "character")
