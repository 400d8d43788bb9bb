"""The controls of a lab: what a person may set, as plain values.

A control stands in the signature of a lab's `compute`, beside the type and the default:
`d_k: Annotated[int, Stops(2, 4, 8, label="Head size $d_k$")] = 64`. It knows four things and draws nothing:
`fit` brings any value, also one typed into the address bar, to the nearest allowed one and says so in a sentence;
`write` spells a value for the address bar; `ends` lists the values a test must try; `draw` picks one at random.
"""

from __future__ import annotations

import math
import random
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Value: TypeAlias = int | float | str | bool


class Fitted(NamedTuple):
    value: Value
    notice: str = ""  # one sentence when the value had to be changed, else empty


def spell(value: Value) -> str:
    """A value as it stands in an address: `fit(spell(value))` gives the value back."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return format(value, ".12g") if isinstance(value, float) else str(value)


def as_number(raw: object) -> float | None:
    try:
        number = float(str(raw))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def shown(raw: object) -> str:
    text = str(raw)
    return text if len(text) <= 40 else text[:39] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    label: str = ""  # plain words, no LaTeX (some controls live in the browser); the parameter's name when empty
    help: str = ""  # one or two sentences: what this control does


@dataclass(frozen=True, slots=True)
class Slider(Described):
    """Evenly spaced numbers. With three whole numbers its values are whole too."""

    low: float
    high: float
    step: float = 1
    unit: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.step > 0):
            raise ValueError(f"Slider needs low < high and step > 0, got {self.low}, {self.high}, {self.step}")

    @property
    def whole(self) -> bool:
        return all(isinstance(part, int) for part in (self.low, self.high, self.step))

    @property
    def stops(self) -> tuple[int | float, ...]:
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        return tuple(self._at(index) for index in range(count + 1))

    def _at(self, index: int) -> int | float:
        value = self.low + index * self.step
        return int(value) if self.whole else round(float(value), 10)

    def fit(self, raw: object, default: Value) -> Fitted:
        number = as_number(raw)
        if number is None:
            return Fitted(default, f"“{shown(raw)}” is not a number; {spell(default)} stands instead.")
        count = math.floor((self.high - self.low) / self.step + 1e-9)
        index = min(max(round((number - self.low) / self.step), 0), count)
        value = self._at(index)
        if math.isclose(value, number, rel_tol=1e-9, abs_tol=1e-9):
            return Fitted(value)
        if not self.low <= number <= self.high:
            return Fitted(value, f"The range is {spell(self.low)} to {spell(self.high)}; {shown(raw)} became {spell(value)}.")
        return Fitted(value, f"Steps are {spell(self.step)}; {shown(raw)} became {spell(value)}.")

    def ends(self) -> tuple[Value, ...]:
        return self.stops[0], self.stops[-1]

    def draw(self, rng: random.Random) -> Value:
        return rng.choice(self.stops)


@dataclass(frozen=True, slots=True, init=False)
class Stops(Described):
    """A slider over the numbers named, evenly spaced or not: `Stops(2, 4, 8, 16)`."""

    stops: tuple[int | float, ...]
    unit: str = ""

    def __init__(self, *stops: int | float, label: str = "", help: str = "", unit: str = "") -> None:
        if len(stops) < 2 or list(stops) != sorted(set(stops)):
            raise ValueError(f"Stops needs at least two rising numbers, got {stops}")
        for name, value in (("stops", stops), ("label", label), ("help", help), ("unit", unit)):
            object.__setattr__(self, name, value)

    def fit(self, raw: object, default: Value) -> Fitted:
        number = as_number(raw)
        if number is None:
            return Fitted(default, f"“{shown(raw)}” is not a number; {spell(default)} stands instead.")
        value = min(self.stops, key=lambda stop: abs(stop - number))
        if value == number:
            return Fitted(value)
        return Fitted(value, f"The nearest step to {shown(raw)} is {spell(value)}.")

    def ends(self) -> tuple[Value, ...]:
        return self.stops[0], self.stops[-1]

    def draw(self, rng: random.Random) -> Value:
        return rng.choice(self.stops)


@dataclass(frozen=True, slots=True, init=False)
class Choice(Described):
    """One of several: `Choice("greedy", "sampled")`, or with labels `Choice({"sqrt": "divide by √d", ...})`."""

    options: tuple[tuple[Value, str], ...]  # value and label

    def __init__(self, *options: Value | dict[str, str], label: str = "", help: str = "") -> None:
        pairs: tuple[tuple[Value, str], ...]
        if len(options) == 1 and isinstance(options[0], dict):
            pairs = tuple(options[0].items())
        else:
            pairs = tuple((option, spell(option)) for option in options if not isinstance(option, dict))
        if len(pairs) < 2:
            raise ValueError(f"Choice needs at least two options, got {options}")
        for name, value in (("options", pairs), ("label", label), ("help", help)):
            object.__setattr__(self, name, value)

    @property
    def values(self) -> tuple[Value, ...]:
        return tuple(value for value, _ in self.options)

    def named(self, value: Value) -> str:
        return dict(self.options)[value]

    def fit(self, raw: object, default: Value) -> Fitted:
        for value in self.values:
            if spell(value) == str(raw) or value == raw:
                return Fitted(value)
        allowed = ", ".join(spell(value) for value in self.values)
        return Fitted(default, f"“{shown(raw)}” is none of {allowed}; {spell(default)} stands instead.")

    def ends(self) -> tuple[Value, ...]:
        return self.values  # a choice has no order, so each option is an end

    def draw(self, rng: random.Random) -> Value:
        return rng.choice(self.values)


@dataclass(frozen=True, slots=True)
class Toggle(Described):
    """On or off."""

    def fit(self, raw: object, default: Value) -> Fitted:
        word = str(raw).strip().lower()
        if word in {"1", "true", "on", "yes"}:
            return Fitted(True)
        if word in {"0", "false", "off", "no"}:
            return Fitted(False)
        return Fitted(default, f"“{shown(raw)}” is neither 1 nor 0; {spell(default)} stands instead.")

    def ends(self) -> tuple[Value, ...]:
        return False, True

    def draw(self, rng: random.Random) -> Value:
        return rng.random() < 0.5


@dataclass(frozen=True, slots=True)
class Seed(Described):
    """Which random draw to look at; the same seed gives the same picture."""

    most: int = 9999

    def fit(self, raw: object, default: Value) -> Fitted:
        number = as_number(raw)
        if number is None:
            return Fitted(default, f"“{shown(raw)}” is not a number; seed {spell(default)} stands instead.")
        value = int(min(max(number, 0), self.most))
        return Fitted(value, "" if value == number else f"Seeds are whole, 0 to {self.most}; {shown(raw)} became {value}.")

    def ends(self) -> tuple[Value, ...]:
        return 0, self.most

    def draw(self, rng: random.Random) -> Value:
        return rng.randint(0, self.most)


AWKWARD = ("", " ", "\n\n", "👩🏽‍🔬🧪 👍", "注意力就是一切", "الانتباه هو كل ما تحتاجه", "<script>alert(1)</script> & $x^2$ `a`", "e\u0301" * 5)


@dataclass(frozen=True, slots=True)
class Text(Described):
    """Words typed by a person: at most `limit` characters, no control characters but line breaks."""

    limit: int = 300
    samples: dict[str, str] = field(default_factory=dict, hash=False)  # name -> text, offered beside the field
    rows: int = 2

    def fit(self, raw: object, default: Value) -> Fitted:
        text = unicodedata.normalize("NFC", str(raw).replace("\r\n", "\n"))
        kept = "".join(char for char in text if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"})
        if len(kept) > self.limit:
            cut = kept[: self.limit]
            return Fitted(cut, f"The text had {len(kept):,} characters; the first {self.limit:,} are shown.")
        return Fitted(kept)

    def ends(self) -> tuple[Value, ...]:
        awkward = tuple(self.fit(text, "").value for text in AWKWARD)
        return *awkward, ("word " * self.limit)[: self.limit], "好" * self.limit

    def draw(self, rng: random.Random) -> Value:
        pool = [*self.samples.values(), *AWKWARD]
        return self.fit(" ".join(rng.choices(pool, k=rng.randint(1, 3))), "").value


Control: TypeAlias = Slider | Stops | Choice | Toggle | Seed | Text
CONTROL_TYPES = (Slider, Stops, Choice, Toggle, Seed, Text)
