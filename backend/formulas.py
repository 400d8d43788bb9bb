"""Formulas as plain text: `\\sqrt{d_k}` becomes `sqrt(d_k)`, so that search and screen readers have words to work with."""

from __future__ import annotations

import re

_DEEPEST = 24  # nested braces beyond this are left as they stand
_PIECE = re.compile(r"\\(?:[A-Za-z]+\*?|.)|[{}^_&~]|\s+|[^\\{}^_&~\s]+", re.DOTALL)

_LOOSE = re.compile(r" (?=[_^,;)]|\.$)")  # the space after a word such as theta, where a script or a comma follows

_WORDS = {
    "times": "×", "cdot": "·", "div": "÷", "pm": "±", "mp": "∓", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠",
    "approx": "≈", "sim": "~", "equiv": "≡", "propto": "∝", "ll": "≪", "gg": "≫", "in": "∈", "notin": "∉", "subset": "⊂", "cup": "∪", "cap": "∩",
    "to": "→", "rightarrow": "→", "longrightarrow": "→", "succ": "≻", "prec": "≺", "Rightarrow": "⇒", "leftarrow": "←", "gets": "←", "mapsto": "↦", "infty": "∞", "partial": "∂",
    "nabla": "∇", "sum": "sum", "prod": "product", "int": "integral", "odot": "⊙", "otimes": "⊗", "oplus": "⊕", "circ": "∘", "top": "T",
    "ldots": "...", "cdots": "...", "dots": "...", "vdots": "...", "mid": "|", "vert": "|", "Vert": "||", "|": "||", "lVert": "||", "rVert": "||",
    "lvert": "|", "rvert": "|", "langle": "<", "rangle": ">", "lfloor": "floor(", "rfloor": ")", "lceil": "ceil(", "rceil": ")", "forall": "for all",
    "exists": "exists", "neg": "not", "land": "and", "lor": "or", "quad": " ", "qquad": " ", "prime": "'", "ast": "*", "star": "*", "ell": "l",
    "backslash": "\\", "epsilon": "epsilon", "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "lt": "<", "gt": ">",
}  # fmt: skip
_SILENT = {
    "left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "bigg", "Bigg", "biggl", "biggr",
    "displaystyle", "textstyle", "scriptstyle", "limits",
    "nolimits", "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathbb", "mathcal", "boldsymbol", "bm", "text", "textbf", "textit",
    "textrm", "texttt",
    "operatorname", "operatorname*", "mathop", "mathbin", "mathrel", "mathopen", "mathclose", "!", ",", ";", ":", ">", "hline", "tag",
}  # fmt: skip
_SPACES = {",", ";", ":", ">", "quad", "qquad", " "}
_ACCENTS = {"hat": "hat", "bar": "bar", "tilde": "tilde", "vec": "vec", "widehat": "hat", "overline": "bar", "dot": "dot", "widetilde": "tilde"}
_FRACTIONS = {"frac", "dfrac", "tfrac", "cfrac"}


def spoken(formula: str) -> str:
    """The formula in one line of words and symbols."""
    pieces = _PIECE.findall(formula)
    text, _ = _sequence(pieces, 0, 0)
    return _LOOSE.sub("", " ".join(text.split()))


def _sequence(pieces: list[str], position: int, depth: int) -> tuple[str, int]:
    """Everything up to the closing brace, or the end."""
    said: list[str] = []
    while position < len(pieces) and pieces[position] != "}":
        text, position = _item(pieces, position, depth)
        said.append(text)
    return "".join(said), position


def _item(pieces: list[str], position: int, depth: int) -> tuple[str, int]:
    piece = pieces[position]
    if piece == "{":
        if depth >= _DEEPEST:
            return "(", position + 1
        text, end = _sequence(pieces, position + 1, depth + 1)
        return text, end + 1
    if piece in "^_":
        text, end = _argument(pieces, position + 1, depth)
        return _script(piece, text), end
    if piece in ("&", "~") or piece.isspace():
        return " ", position + 1
    if piece.startswith("\\") and len(piece) > 1:
        return _command(pieces, position, depth)
    return piece, position + 1


def _argument(pieces: list[str], position: int, depth: int) -> tuple[str, int]:
    """What a command or a script applies to: a group in braces, a command, or one character."""
    while position < len(pieces) and pieces[position].isspace():
        position += 1
    if position >= len(pieces) or pieces[position] == "}" or depth >= _DEEPEST:
        return "", position
    if pieces[position][0] in "\\{^_":
        text, end = _item(pieces, position, depth + 1)
        return text.strip(), end
    letter, rest = pieces[position][0], pieces[position][1:]
    if rest:
        pieces[position] = rest
    return letter, position + (not rest)


def _script(mark: str, text: str) -> str:
    if text == "'":
        return text
    return f"{mark}{text}" if len(text) <= 1 or text.isalnum() or _in_parentheses(text) else f"{mark}({text})"


def _in_parentheses(text: str) -> bool:
    return text.startswith("(") and text.endswith(")") and text.count("(") == 1


def _command(pieces: list[str], position: int, depth: int) -> tuple[str, int]:
    name = pieces[position][1:]
    if name in _FRACTIONS:
        top, position = _argument(pieces, position + 1, depth)
        bottom, position = _argument(pieces, position, depth)
        return f"{_grouped(top)}/{_grouped(bottom)}", position
    if name == "binom":
        top, position = _argument(pieces, position + 1, depth)
        bottom, position = _argument(pieces, position, depth)
        return f"({top} choose {bottom})", position
    if name == "sqrt":
        inside, end = _argument(pieces, position + 1, depth)
        return f"sqrt({inside})", end
    if name in _ACCENTS:
        inside, end = _argument(pieces, position + 1, depth)
        return f"{inside}_{_ACCENTS[name]}" if len(inside) > 1 else f"{inside} {_ACCENTS[name]}", end
    if name in ("begin", "end"):  # the name of the environment is no part of what is said
        return " ", _argument(pieces, position + 1, depth)[1]
    if name in _SPACES:
        return " ", position + 1
    if name in _SILENT:
        return "", position + 1
    if name == "\\":
        return " ", position + 1
    said = _WORDS.get(name, name)
    # a word next to a word needs a space to stay one: \alpha x, \log p
    return (f" {said} " if said[0].isalpha() and len(said) > 1 else f" {said} " if said in "×·÷±≤≥≠≈∈∝→⇒←≪≫≡≻≺" else said), position + 1


def _grouped(text: str) -> str:
    return text if text.isalnum() or (text.endswith(")") and text.count("(") == 1) or text.replace("_", "").isalnum() else f"({text})"
