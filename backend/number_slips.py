"""A card that asks for a number, asked as a choice: the wrong options are the numbers that named slips lead to.

First comes what the card itself warns of ("Untied it would be 128 MiB"). The rest are slips of arithmetic that fit the
number: twice or half of it where something is counted once too often, the square where a root was forgotten, bits for bytes,
thousand for 1024, the other share of a whole, one too many. Where too few are plausible there is no choice to offer.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from backend.markup import plain
from backend.questions import Form, Option, Quantity, Question, show_number

OPTIONS = 4
APART = 0.04  # share of the larger by which two options differ at least


@dataclass(frozen=True, slots=True)
class Slip:
    name: str
    value: float
    why: str


def number_choice(question: Question, *, seed: int) -> Question | None:
    """The same question with four options, or None when too few wrong ones would be believed."""
    key = question.quantity
    if question.form is not Form.NUMBER or key is None or not math.isfinite(key.value):
        return None
    rng = random.Random(seed)
    told = list(_apart(key, authored_slips(question)))
    made = list(_apart(key, [*told, *arithmetic_slips(question)]))[len(told) :]
    wrong = _chosen(key, told, made, rng)
    if wrong is None:
        return None
    options = [Option(shown(key, key.value), right=True), *(Option(shown(key, slip.value), why=slip.why, mistake=slip.name) for slip in wrong)]
    return replace(question, form=Form.CHOICE, options=tuple(rng.sample(options, OPTIONS)), quantity=None)


# -- which slips -----------------------------------------------------------------------------------------------------------

_NUMBER = r"(-?\d[\d, ]*\.?\d*)"
_WARNS = re.compile(rf"\b(?:would (?:be|give|get|make|cost|take|need|leave|have)|one would get|not|instead of|rather than)\s+(?:only |about |\$)*{_NUMBER}(?![\d^\\{{/·])")


def authored_slips(question: Question) -> Iterator[Slip]:
    """Other values that the card's own explanation warns of, each with its sentence."""
    for sentence in re.split(r"(?<=[.;!?])\s+", question.answer):
        for found in _WARNS.finditer(sentence):
            digits = re.sub(r"[, ]", "", found[1]).rstrip(".")
            if digits:
                yield Slip("what-the-card-warns-of", float(digits), sentence)


def arithmetic_slips(question: Question) -> Iterator[Slip]:
    """The slips that fit this kind of number, the most telling first."""
    assert question.quantity is not None
    key = question.quantity
    value, unit, words = key.value, key.unit.casefold(), plain(f"{question.prompt} {question.answer}").casefold()
    yield from _slips_of_units(value, unit)
    if value > 0 and re.search(r"sqrt|root|deviation|variance|norm\b|r\.?m\.?s", words):
        yield Slip("forgotten-root", value**2, "This is the square of it: the root was forgotten.")
        yield Slip("root-too-many", math.sqrt(value), "This is its square root: the root was taken once too often.")
    if _is_share(key) and 0.02 < (key.value / 100 if unit == "%" else key.value) < 0.98:
        whole = 100.0 if unit == "%" else 1.0
        yield Slip("the-other-share", whole - value, "This is the rest, what is left when the share that was asked for is taken away.")
    if _is_ratio(unit, words) and value > 0:
        yield Slip("upside-down", 1 / value, "This is the ratio upside down.")
    if value < 0:
        yield Slip("sign", -value, "The size is right, the sign is not.")
    yield Slip("counted-twice", 2 * value, "This is twice as much: something is counted twice.")
    yield Slip("half-left-out", value / 2, "This is half of it: one of two equal parts is left out.")
    if _is_whole(key) and 3 <= abs(value) <= 200 and "how many" in words:
        yield Slip("one-too-many", value + 1, "This is one too many: the last step, or the first, is counted besides.")
        yield Slip("one-too-few", value - 1, "This is one too few: the first, or the last, is not counted.")
    yield Slip("ten-times-too-much", 10 * value, "A power of ten went astray: this is ten times too much.")
    yield Slip("ten-times-too-little", value / 10, "A power of ten went astray: this is a tenth of it.")
    yield Slip("doubled-twice", 4 * value, "This is four times as much: what doubles once was doubled twice.")
    yield Slip("halved-twice", value / 4, "This is a quarter of it: what halves once was halved twice.")


_BINARY = {"kib": 1, "mib": 2, "gib": 3, "tib": 4}
_DECIMAL = {"kb": 1, "mb": 2, "gb": 3, "tb": 4}


def _slips_of_units(value: float, unit: str) -> Iterator[Slip]:
    if unit in _BINARY or unit in _DECIMAL or unit in ("byte", "bytes"):
        yield Slip("bits-for-bytes", 8 * value, "This counts bits; a byte has eight of them.")
        yield Slip("bytes-for-bits", value / 8, "This divides by eight as if the sizes were given in bits; they are in bytes.")
    if unit in _BINARY:
        yield Slip("thousand-for-1024", value * 1.024 ** _BINARY[unit], f"This divides by 1000 where {unit.capitalize()} means 1024.")
    if unit in _DECIMAL:
        yield Slip("1024-for-thousand", value / 1.024 ** _DECIMAL[unit], f"This divides by 1024 where {unit.upper()} means a power of 1000.")
    if unit in ("nat", "nats"):
        yield Slip("bits-for-nats", value / math.log(2), "This is in bits: the logarithm was taken to base 2.")
        yield Slip("base-ten", value / math.log(10), "The logarithm was taken to base 10; nats take the natural one.")
    if unit in ("bit", "bits"):
        yield Slip("nats-for-bits", value * math.log(2), "This is in nats: the natural logarithm was taken.")


def _is_share(key: Quantity) -> bool:
    return (not key.unit and 0 < key.value < 1) or (key.unit == "%" and 0 < key.value < 100)


def _is_ratio(unit: str, words: str) -> bool:
    return unit in ("times", "x") or (not unit and re.search(r"\b(?:what|which) (?:factor|ratio)|how many times|compression ratio", words) is not None)


def _is_whole(key: Quantity) -> bool:
    return float(key.value).is_integer() and not key.tolerance


# -- which of them to show -------------------------------------------------------------------------------------------------


def _apart(key: Quantity, slips: Sequence[Slip] | Iterator[Slip]) -> Iterator[Slip]:
    """Those that are plausible, and clearly different from the key and from each other, as values and as they are written."""
    values, texts = [key.value], {shown(key, key.value)}
    for slip in slips:
        text = shown(key, slip.value)
        if _plausible(key, slip.value) and text not in texts and all(_differ(key, slip.value, value) for value in values):
            values.append(slip.value)
            texts.add(text)
            yield slip


def _plausible(key: Quantity, value: float) -> bool:
    if not math.isfinite(value) or value == 0 or abs(value) >= 1e30 or float(shown_number(key, value)) == 0:
        return False
    if _is_share(key) and not (0 < value < (100 if key.unit == "%" else 1)):
        return False  # no chance is above one
    if _is_whole(key) and not float(value).is_integer() and not _may_be_broken(key):
        return False  # nobody counts two and a half tokens
    return value > 0 or key.value < 0


def _may_be_broken(key: Quantity) -> bool:
    return key.unit.casefold() in {*_BINARY, *_DECIMAL, "%", "times", "nats", "bits", "hours", "s"}


def _differ(key: Quantity, one: float, other: float) -> bool:
    allowed = key.tolerance * max(abs(one), abs(other)) if key.relative else key.tolerance
    return abs(one - other) > max(2.5 * allowed, 0 if _is_whole(key) else APART * max(abs(one), abs(other)))


def _chosen(key: Quantity, told: Sequence[Slip], made: Sequence[Slip], rng: random.Random) -> list[Slip] | None:
    """Three slips, the card's own first, so that the key falls on the place in the order of size that the seed has drawn."""
    told = list(told[: OPTIONS - 1])
    if len(told) + len(made) < OPTIONS - 1:
        return None
    wanted, count = rng.randrange(OPTIONS), OPTIONS - 1 - len(told)
    sets = [[*told, *(made[at] for at in places)] for places in combinations(range(len(made)), count)]
    rank = {at: (abs(sum(slip.value < key.value for slip in some) - wanted), at) for at, some in enumerate(sets)}
    nearest = min(rank.values())[0]
    first = [at for at, (away, _) in rank.items() if away == nearest][:6]  # the most telling slips come first in `made`
    return sets[rng.choice(first)]


# -- how numbers are written -----------------------------------------------------------------------------------------------


def shown(key: Quantity, value: float) -> str:
    """As the key is written: its digits, its unit. So no option stands out by its form."""
    number = shown_number(key, value).replace("-", "−")
    return f"{number}{'' if key.unit == '%' or not key.unit else ' '}{key.unit}"


def shown_number(key: Quantity, value: float) -> str:
    written = show_number(key.value)
    if float(value).is_integer() and float(key.value).is_integer() and "e" not in written:
        return show_number(value)
    if "e" in written or abs(value) < 1e-4 or abs(value) >= 1e10:
        return f"{value:.{max(_significant(written), 2) - 1}e}"
    decimals = len(written.partition(".")[2])
    rounded = f"{value:.{decimals}f}"
    wanted = max(_significant(written), 2)
    return rounded if _significant(rounded) >= min(wanted, 2) else f"{value:.{wanted}g}"


def _significant(written: str) -> int:
    return len(re.sub(r"e.*$|[-.]", "", written).lstrip("0"))
