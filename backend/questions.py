"""What a question is and how an answer to it is graded: one place for cards, quizzes and labs.

A question is a plain value. Cards are read from Markdown into questions, labs compute questions from fresh numbers, and
every screen grades through `mark`. Prose is never graded here: only its learner can say whether it was right.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations
from math import isfinite


class Form(StrEnum):
    PROSE = "prose"  # answered in words, graded by the learner
    CHOICE = "choice"  # one right option, three wrong ones
    GAP = "gap"  # a sentence with a hidden piece, graded by the learner
    NUMBER = "number"  # graded by value, tolerance and unit
    TERM = "term"  # a short typed term, graded after normalising
    ORDER = "order"  # steps to bring into the right order
    MATCH = "match"  # pairs to bring together


@dataclass(frozen=True, slots=True)
class Option:
    text: str  # Markdown, one line
    right: bool = False
    why: str = ""  # Markdown: why it is wrong (or right)
    mistake: str = ""  # the name of the mistake that leads here, for computed questions


@dataclass(frozen=True, slots=True)
class Quantity:
    value: float
    tolerance: float = 0.0  # in units of the value, or a share of it when `relative`
    relative: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its key. Which fields are filled depends on the form."""

    form: Form
    prompt: str  # Markdown; for a gap the whole text with ==every gap== marked
    answer: str = ""  # Markdown: the answer in prose; for other forms the explanation
    options: tuple[Option, ...] = ()
    quantity: Quantity | None = None
    terms: tuple[str, ...] = ()  # accepted spellings, the first is shown
    steps: tuple[str, ...] = ()  # in the right order
    pairs: tuple[tuple[str, str], ...] = ()  # left and right of a matching table
    heads: tuple[str, str] = ("", "")  # the matching table's column names
    points: tuple[str, ...] = ()  # what a complete prose answer names
    gap: int = 0  # which gap is hidden, from 1; 0 shows all (the block as written)
    working: tuple[str, ...] = ()  # Markdown lines: the solution with these very numbers
    lab: str = ""  # the lab that computed it, and the settings that show it
    settings: dict[str, object] = field(default_factory=dict, hash=False)
    level: int = 0  # difficulty of a computed question, 1 to 3; 0 when nobody said
    shown: tuple[int, ...] = ()  # the order in which steps, or right sides of pairs, are laid out; () as they stand


@dataclass(frozen=True, slots=True)
class Mark:
    score: float  # 0 to 1; partial credit for order and matching
    right: bool | None  # None when only the learner can say
    said: str  # one plain sentence for the learner
    detail: dict[str, object] = field(default_factory=dict, hash=False)  # what the form can say besides, see its function


Response = int | str | Sequence[int | None] | None


# -- grading -------------------------------------------------------------------------------------------------------------


def mark(question: Question, response: Response) -> Mark:
    """Grade a response: an option's index, typed text, or indices into `steps` or `pairs` as the question holds them."""
    match question.form:
        case Form.PROSE | Form.GAP:
            return Mark(0.0, None, "Compare your answer with this one, and say yourself how it went.")
        case Form.CHOICE:
            return _mark_choice(question, _as_index(response, len(question.options)))
        case Form.NUMBER:
            return _mark_number(question, _as_text(response))
        case Form.TERM:
            return _mark_term(question, _as_text(response))
        case Form.ORDER:
            return _mark_order(question, _as_indices(response, len(question.steps), unique=True))
        case Form.MATCH:
            return _mark_match(question, _as_indices(response, len(question.pairs), unique=False))


def _mark_choice(question: Question, chosen: int | None) -> Mark:
    key = next((index for index, option in enumerate(question.options) if option.right), None)
    if key is None:
        raise ValueError(f"expected a right option in {_short(question.prompt)!r}, came none")
    if chosen is None:
        return Mark(0.0, False, "No option was chosen.", {"chosen": None, "right": key, "why": "", "mistake": ""})
    option = question.options[chosen]
    said = "Right." if option.right else "Not this one."
    return Mark(float(option.right), option.right, said, {"chosen": chosen, "right": key, "why": option.why, "mistake": option.mistake})


def _mark_number(question: Question, typed: str) -> Mark:
    assert question.quantity is not None
    key = question.quantity
    try:
        reading = read_number(typed)
    except ValueError as problem:
        return Mark(0.0, False, str(problem), {"unread": True})
    detail: dict[str, object] = {"value": reading.value, "unit": reading.unit, "unread": False}
    value = _in_unit_of(key, reading)
    if value is None:
        return Mark(0.0, False, _unit_complaint(key, reading), detail | {"unread": True})
    if _close(value, key):
        return Mark(1.0, True, f"Right: {show_quantity(key)}.", detail)
    side = "high" if value > key.value else "low"
    return Mark(0.0, False, f"Too {side}: it is {show_quantity(key)}.", detail | {"difference": value - key.value})


def _mark_term(question: Question, typed: str) -> Mark:
    shown = question.terms[0]
    if len(typed) > LONGEST_TERM:
        return Mark(0.0, False, f"That is {len(typed)} characters; a short term was expected: {shown}.", {"unread": True})
    given = normalised(typed)
    if not given:
        return Mark(0.0, False, f"Nothing was typed; it is {shown}.", {"unread": True})
    if given in {normalised(term) for term in question.terms}:
        return Mark(1.0, True, f"Right: {shown}.", {"given": given, "unread": False})
    return Mark(0.0, False, f"Not that term; it is {shown}.", {"given": given, "unread": False})


def _mark_order(question: Question, given: Sequence[int | None]) -> Mark:
    """Credit is the share of all pairs of steps that stand in the right order; equal steps may change places."""
    steps = question.steps
    equals = {text: sorted(index for index in given if index is not None and steps[index] == text) for text in steps}
    placed = [equals[steps[index]].pop(0) for index in given if index is not None]
    pairs = len(steps) * (len(steps) - 1) // 2
    good = sum(first < second for first, second in combinations(placed, 2))
    places = [index is not None and steps[index] == steps[place] for place, index in enumerate(given)]
    whole = good == pairs
    said = "Right: every step is in its place." if whole else f"{good} of {pairs} pairs of steps are in the right order."
    return Mark(good / pairs if pairs else 1.0, whole, said, {"right_pairs": good, "pairs": pairs, "places": places})


def _mark_match(question: Question, given: Sequence[int | None]) -> Mark:
    rights = [right for _, right in question.pairs]
    padded = [*given, *[None] * (len(rights) - len(given))]
    places = [index is not None and rights[index] == rights[row] for row, index in enumerate(padded)]
    good = sum(places)
    whole = good == len(places)
    said = "Right: every pair fits." if whole else f"{good} of {len(places)} pairs fit."
    return Mark(good / len(places) if places else 1.0, whole, said, {"places": places})


def _as_index(response: Response, count: int) -> int | None:
    if response is None:
        return None
    if isinstance(response, bool) or not isinstance(response, int) or not 0 <= response < count:
        raise ValueError(f"expected the index of an option, 0 to {count - 1}, came {_short(repr(response))}")
    return response


def _as_text(response: Response) -> str:
    if response is None:
        return ""
    if not isinstance(response, str):
        raise ValueError(f"expected typed text, came {_short(repr(response))}")
    return response


def _as_indices(response: Response, count: int, *, unique: bool) -> Sequence[int | None]:
    if response is None:
        return []
    if isinstance(response, (int, str)) or len(response) > count:
        raise ValueError(f"expected up to {count} indices, came {_short(repr(response))}")
    given = [_as_index(index, count) for index in response]
    placed = [index for index in given if index is not None]
    if unique and len(set(placed)) < len(placed):
        raise ValueError(f"expected each step once, came {_short(repr(response))}")
    return given


# -- numbers -------------------------------------------------------------------------------------------------------------

LONGEST_NUMBER = 80  # characters; what is longer was never meant as one number
LONGEST_TERM = 400

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_NARROW = {"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "\N{THIN SPACE}": " "}
_SIGNS = str.maketrans({"−": "-", "–": "-", "‒": "-", "﹣": "-", "\N{FRACTION SLASH}": "/"} | _NARROW)
_VALUE = r"(?:[1-9]\d{0,2}(?:(?P<%s>[, _'])\d{3})(?:(?P=%s)\d{3})*(?:\.\d+)?(?!\d)|\d+(?:\.\d*)?|\.\d+)"
_TIMES_TEN = r"(?:[eE](?P<%s>[+-]?\d{1,4})(?![\d.])|\s*[·×*⋅x]\s*10\s*(?:\^|\*\*)\s*[({]?(?P<%s>[+-]?\d{1,4})[)}]?)?"
_NUMBER = re.compile(r"(?P<sign>[+-]?)\s*(?P<body>" + _VALUE % ("sep", "sep") + ")" + _TIMES_TEN % ("e", "ten"))
_FRACTION = re.compile(r"(?P<sign>[+-]?)\s*(?:(?P<whole>\d{1,15}) )?(?P<top>\d+(?:\.\d+)?)\s*/\s*(?P<bottom>\d+(?:\.\d+)?)(?![\d.,])")
_POWER = re.compile(r"(?P<sign>[+-]?)\s*(?P<base>\d{1,15}(?:\.\d{1,15})?)\s*(?:\^|\*\*)\s*[({]?(?P<power>[+-]?\d{1,4})[)}]?(?![\d.])")
_SHORTHAND = {"k", "K", "M", "B", "G", "T", "m", "bn", "mn"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A number as typed; a percent sign is kept as the unit."""

    value: float
    unit: str = ""


def read_number(typed: str) -> Reading:
    """Read what a person types for a number: 0.5, .5, 1/2, 50%, 5e-1, 5·10^-1, 1,024, 1 024, 2^10, with or without a unit."""
    if len(typed) > LONGEST_NUMBER:
        raise ValueError(f"I could not read {len(typed)} characters as one number.")
    text = _plain_digits(typed).strip().lstrip("=≈~").strip()
    if not text:
        raise ValueError("I could not read an empty answer as a number.")
    for pattern, evaluate in ((_FRACTION, _fraction), (_POWER, _power), (_NUMBER, _decimal)):
        found = pattern.match(text)
        if found:
            value, unit = evaluate(found), text[found.end() :].strip()
            break
    else:
        raise ValueError(_unreadable(typed))
    if not isfinite(value):
        raise ValueError(f"I could not read “{_short(typed.strip())}” as a number: it is too large.")
    if unit and (unit[0] in "0123456789.,+-/^*=()" or len(unit) > 40):
        raise ValueError(_unreadable(typed))
    return Reading(value, unit)


def _plain_digits(typed: str) -> str:
    """Superscripts become powers and fractions such as ½ become 1/2, before compatibility forms are folded together."""
    text = re.sub(r"(?<=\d)[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: "^" + found.group().translate(_SUPERSCRIPTS), typed)
    text = re.sub(r"[¼-¾⅐-⅞]", lambda found: " " + found.group(), text)
    if any(letter in "⁰¹²³⁴⁵⁶⁷⁸⁹" for letter in text):  # as in m²: folding would make it a digit of its own
        return text.translate(_SIGNS)
    return unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)


def _fraction(found: re.Match[str]) -> float:
    bottom = float(found["bottom"])
    if bottom == 0:
        raise ValueError(f"I could not read “{found.group()}” as a number: it divides by zero.")
    return _signed(found, float(found["whole"] or 0) + float(found["top"]) / bottom)


def _power(found: re.Match[str]) -> float:
    try:
        return _signed(found, float(found["base"]) ** int(found["power"]))
    except (OverflowError, ZeroDivisionError):
        return float("inf")


def _decimal(found: re.Match[str]) -> float:
    body = re.sub(r"[, _']", "", found["body"])
    return _signed(found, float(f"{body}e{found['e'] or found['ten'] or 0}"))


def _signed(found: re.Match[str], value: float) -> float:
    return -value if found["sign"] == "-" else value


def _unreadable(typed: str) -> str:
    shown = _short(typed.strip())
    if re.fullmatch(r"[+-]?\d+,\d+", typed.strip()):
        return f"I could not read “{shown}” as a number: write the decimals after a point, {shown.replace(',', '.')}."
    return f"I could not read “{shown}” as a number."


def _in_unit_of(key: Quantity, reading: Reading) -> float | None:
    """The value as the key counts it, or None when the units do not agree. A bare number is taken in the key's unit."""
    if not reading.unit or same_unit(reading.unit, key.unit):
        return reading.value
    if not key.unit and same_unit(reading.unit, "%"):
        return reading.value / 100
    return None


def _unit_complaint(key: Quantity, reading: Reading) -> str:
    if reading.unit in _SHORTHAND:
        return f"I could not read “{reading.value:g}{reading.unit}” as a number: write it out, without the letter."
    wanted = f"in {key.unit}" if key.unit else "without a unit"
    return f"The answer is asked {wanted}, and “{_short(reading.unit)}” came."


def _close(value: float, key: Quantity) -> bool:
    allowed = key.tolerance * abs(key.value) if key.relative else key.tolerance
    return abs(value - key.value) <= allowed + 1e-9 * max(abs(value), abs(key.value))


def show_quantity(quantity: Quantity) -> str:
    number = show_number(quantity.value)
    allowed = ""
    if quantity.tolerance:
        allowed = f" ± {show_number(quantity.tolerance * 100)}%" if quantity.relative else f" ± {show_number(quantity.tolerance)}"
    return f"{number}{allowed}{'' if quantity.unit == '%' and not allowed else ' ' if quantity.unit else ''}{quantity.unit}"


def show_number(value: float) -> str:
    return f"{value:.10g}"


_UNIT_NAMES = {
    "percent": "%", "per cent": "%", "pct": "%", "s": "second", "sec": "second", "ms": "millisecond", "us": "microsecond", "μs": "microsecond",
    "ns": "nanosecond", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "b": "byte", "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte",
    "tb": "terabyte", "kib": "kibibyte", "mib": "mebibyte", "gib": "gibibyte", "tib": "tebibyte", "tok": "token", "param": "parameter",
    "dim": "dimension", "deg": "degree", "°": "degree", "floating point operation": "flop", "×": "times", "x": "times", "-fold": "times",
}  # fmt: skip


def same_unit(one: str, other: str) -> bool:
    """Do two unit names say the same? Case, plural and a few short forms do not matter; nothing is converted."""
    return _unit_name(one) == _unit_name(other)


def _unit_name(unit: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", unit).casefold().split())
    parts = text.replace(" per ", "/").split("/")
    return "/".join(_singular(part.strip().rstrip(".")) for part in parts)


def _singular(name: str) -> str:
    if name in _UNIT_NAMES:
        return _UNIT_NAMES[name]
    if len(name) > 4 and name.endswith("ies"):
        name = name[:-3] + "y"
    elif name.endswith(("sses", "xes", "ches", "shes")):
        name = name[:-2]
    elif len(name) > 2 and name.endswith("s") and not name.endswith("ss"):
        name = name[:-1]
    return _UNIT_NAMES.get(name, name)


# -- terms ---------------------------------------------------------------------------------------------------------------

_AROUND = " \"'`“”‘’«»„‹›()[]{}<>.,;:!?…、。，；：！？「」『』（）【】《》"
_HYPHENS = dict.fromkeys(map(ord, "-‐‑‒–—―−_"), " ") | {ord("’"): "'", ord("‘"): "'"}


def normalised(text: str) -> str:
    """The spelling by which two short terms are compared: case, accents, hyphens, spacing and outer punctuation are evened out."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # only the accents of alphabets: voicing marks of kana and vowel signs of other scripts distinguish words
    bare = "".join(letter for letter in unicodedata.normalize("NFD", folded) if not "\u0300" <= letter <= "\u036f")
    spaced = " ".join(unicodedata.normalize("NFKC", bare).translate(_HYPHENS).split())
    return spaced.strip(_AROUND) or spaced


# -- showing -------------------------------------------------------------------------------------------------------------


def shuffled(question: Question, seed: int) -> Question:
    """The same question laid out in an order that the seed decides. Options move themselves; for steps and pairs `shown` says how they lie."""
    rng = random.Random(seed)
    if question.form is Form.CHOICE:
        return replace(question, options=tuple(rng.sample(question.options, len(question.options))))
    if question.form is Form.MATCH:
        return replace(question, shown=_disorder(len(question.pairs), rng))
    if question.form is Form.ORDER:
        return replace(question, shown=_disorder(len(question.steps), rng))
    return question


def _disorder(count: int, rng: random.Random) -> tuple[int, ...]:
    """A random order that is not the right one, which would give the answer away."""
    order = list(range(count))
    while count > 1 and order == sorted(order):
        rng.shuffle(order)
    return tuple(order)


# -- storing -------------------------------------------------------------------------------------------------------------


def to_dict(question: Question) -> dict[str, object]:
    """Plain values for JSON; what is empty is left out, so stored questions stay short."""
    found: dict[str, object] = {"form": question.form.value, "prompt": question.prompt}
    if question.options:
        found["options"] = [_option_to_dict(option) for option in question.options]
    if question.quantity:
        key = question.quantity
        found["quantity"] = {"value": key.value, "tolerance": key.tolerance, "relative": key.relative, "unit": key.unit}
    if question.pairs:
        found["pairs"] = [list(pair) for pair in question.pairs]
    if question.heads != ("", ""):
        found["heads"] = list(question.heads)
    for name in ("terms", "steps", "points", "working", "shown"):
        if getattr(question, name):
            found[name] = list(getattr(question, name))
    for name in ("answer", "gap", "lab", "settings", "level"):
        if getattr(question, name):
            found[name] = getattr(question, name)
    return found


def from_dict(stored: dict[str, object]) -> Question:
    values: dict[str, object] = dict(stored)
    values["form"] = Form(str(stored["form"]))
    values["options"] = tuple(Option(**option) for option in stored.get("options", ()))  # type: ignore[attr-defined]
    quantity = stored.get("quantity")
    values["quantity"] = Quantity(**quantity) if isinstance(quantity, dict) else None
    values["pairs"] = tuple((left, right) for left, right in stored.get("pairs", ()))  # type: ignore[attr-defined]
    for name in ("heads", "terms", "steps", "points", "working", "shown"):
        if name in stored:
            values[name] = tuple(stored[name])  # type: ignore[arg-type]
    return Question(**values)  # type: ignore[arg-type]


def _option_to_dict(option: Option) -> dict[str, object]:
    found: dict[str, object] = {"text": option.text, "right": option.right}
    return found | {name: value for name, value in (("why", option.why), ("mistake", option.mistake)) if value}


def _short(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
