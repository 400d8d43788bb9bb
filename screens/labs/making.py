"""What question makers share: spelling numbers, and options that come from named mistakes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from backend.questions import Option

T = TypeVar("T")


class Mistake(NamedTuple):
    name: str  # kebab-case, what was done wrong: "divided-by-d"
    value: float | str  # what one gets by doing it
    why: str  # Markdown: what the mistake is and where it goes wrong


def numeral(value: float, digits: int = 3) -> str:
    """A number as people write it: `digits` significant digits at most, no exponent between a millionth and a million."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}"
    if not 1e-6 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def close_number(text: str) -> float:
    """The number that `numeral` wrote."""
    return float(text.replace(",", "").replace("−", "-"))


def number_options(
    rng: random.Random, right: float | str, why: str, mistakes: Iterable[Mistake], *, digits: int = 3, wrong: int = 3, unit: str = ""
) -> tuple[Option, ...] | None:
    """The right option and `wrong` others in random order, or None when too few mistakes lead elsewhere.

    Two mistakes that give the same number are one option; a mistake that gives the right number is none at all. A
    maker that gets None draws other numbers: a question must not depend on luck being noticed by its reader.
    """
    spelled = _spell(right, digits, unit)
    options: dict[str, Option] = {spelled: Option(spelled, right=True, why=why)}
    for mistake in _shuffled(rng, mistakes):
        text = _spell(mistake.value, digits, unit)
        if len(options) <= wrong and text not in options and _tells_apart(mistake.value, right):
            options[text] = Option(text, why=mistake.why, mistake=mistake.name)
    return tuple(_shuffled(rng, options.values())) if len(options) == wrong + 1 else None


def _spell(value: float | str, digits: int, unit: str) -> str:
    text = value if isinstance(value, str) else numeral(value, digits)
    return f"{text} {unit}".strip()


def _tells_apart(value: float | str, right: float | str) -> bool:
    """Are they further apart than rounding on paper can bring them?"""
    if isinstance(value, str) or isinstance(right, str):
        return value != right
    return math.isfinite(value) and not math.isclose(value, right, rel_tol=0.04, abs_tol=1e-9)


def _shuffled(rng: random.Random, items: Iterable[T]) -> list[T]:
    pool: Sequence[T] = list(items)
    return rng.sample(pool, len(pool))
