"""A learner's settings: each typed, bounded and explained in one sentence.

A setting that was never changed is not stored. `read_settings` gives all of them; a stored value that no longer fits its
bounds is read as the default, so that nothing a person once typed can keep them from their cards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlmodel import Session

from backend.memory import DEFAULT_PARAMETERS
from backend.statements import Statement


class SettingError(ValueError):
    """A value that a setting cannot take; the message says what it can."""


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    group: str  # the heading under which a person finds it
    default: Any
    says: str  # what it does and what it changes for tomorrow
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    label: str = ""

    def checked(self, value: Any) -> Any:
        """The value in this setting's type, or a SettingError that says what would be right."""
        try:
            return _CHECKS[type(self.default)](self, value)
        except (TypeError, ValueError) as wrong:
            raise SettingError(f"{self.name}: {wrong}") from None


def _check_bool(setting: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected yes or no, got {value!r}")
    return value


def _check_int(setting: Setting, value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"expected a whole number, got {value!r}")
    return int(_in_bounds(setting, int(value)))


def _check_float(setting: Setting, value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {value!r}")
    return float(_in_bounds(setting, float(value)))


def _in_bounds(setting: Setting, value: float) -> float:
    low, high = setting.low, setting.high
    if not (low is None or value >= low) or not (high is None or value <= high):
        raise ValueError(f"expected a value from {low} to {high}, got {value}")
    return value


def _check_str(setting: Setting, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {value!r}")
    if setting.name == "time_zone":
        if value not in available_timezones():
            raise ValueError(f"expected the name of a time zone such as Europe/Berlin, got {value!r}")
        ZoneInfo(value)
    elif setting.choices and value not in setting.choices:
        raise ValueError(f"expected one of {', '.join(setting.choices)}, got {value!r}")
    return value


def _check_numbers(setting: Setting, value: Any) -> tuple[float, ...]:
    if isinstance(value, (str, bytes)):
        value = [float(part.rstrip("m")) for part in str(value).replace(",", " ").split()]
    numbers = tuple(_in_bounds(setting, float(number)) for number in value)
    wanted = {"easy_days": 7, "parameters": 21}.get(setting.name)
    if wanted and len(numbers) != wanted:
        raise ValueError(f"expected {wanted} numbers, got {len(numbers)}")
    return numbers


def _check_overrides(setting: Setting, value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping) or not set(value) <= {"day", "new", "reviews"}:
        raise ValueError(f"expected the keys day, new and reviews, got {value!r}")
    return {key: int(number) for key, number in value.items()}


_CHECKS = {bool: _check_bool, int: _check_int, float: _check_float, str: _check_str, tuple: _check_numbers, dict: _check_overrides}

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "desired_retention", "Schedule", 0.90,
        "How likely you want to be to recall a card when it comes back; higher means shorter intervals and more reviews from tomorrow on.",
        low=0.70, high=0.99, label="Desired retention",
    ),
    Setting(
        "learning_steps", "Schedule", (1.0, 10.0),
        "Minutes between the first showings of a new card; leave it empty and a new card is next seen tomorrow or later.",
        low=0.1, high=1440, label="Learning steps (minutes)",
    ),
    Setting(
        "relearning_steps", "Schedule", (10.0,),
        "Minutes until a forgotten card is shown again; leave it empty and it is next seen tomorrow or later.",
        low=0.1, high=1440, label="Relearning steps (minutes)",
    ),
    Setting(
        "maximum_interval", "Schedule", 36_500,
        "No card stays away for more days than this; a low value brings well-known cards back more often.",
        low=1, high=36_500, label="Longest interval (days)",
    ),
    Setting(
        "new_per_day", "Limits", 20,
        "How many new cards a day; each costs about seven to ten reviews over the coming weeks.",
        low=0, high=9999, label="New cards a day",
    ),
    Setting(
        "reviews_per_day", "Limits", 200,
        "How many reviews a day; what goes beyond waits, and is due again tomorrow.",
        low=0, high=9999, label="Reviews a day",
    ),
    Setting(
        "today_only", "Limits", {},
        "Other limits for one day; tomorrow the usual ones hold again.",
        label="Today only",
    ),
    Setting(
        "day_cap", "Limits", 0,
        "When cards are rescheduled, no day is given more than this many; 0 takes the reviews a day. It moves cards to later days, never away.",
        low=0, high=9999, label="Most cards on a rescheduled day",
    ),
    Setting(
        "review_order", "Order", "due",
        "Which due cards come first: by day, by the lowest chance of recall, by how overdue they are, or at random; it matters when you stop early.",
        choices=("due", "retrievability", "overdue", "random"), label="Order of reviews",
    ),
    Setting(
        "new_order", "Order", "track",
        "Whether new cards follow the tracks, prerequisites first, or come at random; tomorrow's number of cards stays the same.",
        choices=("track", "random"), label="Order of new cards",
    ),
    Setting(
        "mix", "Order", "mix",
        "Whether new cards are spread among the reviews, or come after or before them; the day's total stays the same.",
        choices=("mix", "reviews first", "new first"), label="New cards and reviews",
    ),
    Setting(
        "bury_siblings", "Order", True,
        "After one gap of a sentence its other gaps wait until tomorrow, because the first gives them away.",
        label="One gap of a sentence a day",
    ),
    Setting(
        "fuzz", "Schedule", True,
        "Moves long intervals by a few days so that cards learnt together do not stay together; off, they come back in lumps.",
        label="Vary intervals a little",
    ),
    Setting(
        "load_balance", "Schedule", True,
        "Within that little room, takes the day with the fewest cards; tomorrow and the days after it become more even.",
        label="Even out the days",
    ),
    Setting(
        "easy_days", "Schedule", (1.0,) * 7,
        "How much of a normal day each weekday takes, Monday first: 0.5 is about half, 0 keeps a day free where the interval allows it.",
        low=0, high=1, label="Share of each weekday",
    ),
    Setting(
        "rollover_hour", "Day", 4,
        "The hour at which your study day begins; what you do before it still counts for the evening before.",
        low=0, high=23, label="A new day begins at",
    ),
    Setting(
        "time_zone", "Day", "UTC",
        "Where you are; when you travel, only the beginning of your day moves, nothing is lost.",
        label="Time zone",
    ),
    Setting(
        "leech_lapses", "Cards", 8,
        "After this many lapses a card is put aside with a hint to its note; it stops costing time tomorrow. 0 never does.",
        low=0, high=99, label="Lapses that make a leech",
    ),
    Setting(
        "ask_confidence", "Cards", False,
        "Asks how sure you are before the answer; a confident miss is marked and comes back sooner in the session.",
        label="Ask for confidence",
    ),
    Setting(
        "quiz_reviews", "Cards", False,
        "Lets quiz answers count as reviews: a miss brings the card back today, a right answer moves it further away.",
        label="Quiz answers count as reviews",
    ),
    Setting(
        "freeze_days", "Day", 2,
        "How many missed days a month leave the streak whole; it changes no card.",
        low=0, high=31, label="Streak freezes a month",
    ),
    Setting(
        "parameters", "Memory", DEFAULT_PARAMETERS,
        "The 21 numbers of the memory model, fitted to your own log; they change when every card comes back.",
        low=0, high=100, label="Memory parameters",
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one learner, with their defaults."""

    desired_retention: float = 0.90
    learning_steps: tuple[float, ...] = (1.0, 10.0)
    relearning_steps: tuple[float, ...] = (10.0,)
    maximum_interval: int = 36_500
    new_per_day: int = 20
    reviews_per_day: int = 200
    today_only: Mapping[str, int] = field(default_factory=dict)
    day_cap: int = 0
    review_order: str = "due"
    new_order: str = "track"
    mix: str = "mix"
    bury_siblings: bool = True
    fuzz: bool = True
    load_balance: bool = True
    easy_days: tuple[float, ...] = (1.0,) * 7
    rollover_hour: int = 4
    time_zone: str = "UTC"
    leech_lapses: int = 8
    ask_confidence: bool = False
    quiz_reviews: bool = False
    freeze_days: int = 2
    parameters: tuple[float, ...] = DEFAULT_PARAMETERS

    def limits(self, day: int) -> tuple[int, int]:
        """New cards and reviews allowed on this study day, "today only" included."""
        today = self.today_only if self.today_only.get("day") == day else {}
        return today.get("new", self.new_per_day), today.get("reviews", self.reviews_per_day)


def read_settings(session: Session, *, learner: int) -> Settings:
    return _understood(tuple(_READ.rows(session, {"learner": learner})))


@lru_cache(maxsize=256)
def _understood(rows: tuple[tuple[str, str], ...]) -> Settings:
    found: dict[str, Any] = {}
    for name, stored in rows:
        setting = BY_NAME.get(name)
        if setting is None:
            continue
        try:
            found[name] = setting.checked(json.loads(stored))
        except ValueError:
            continue
    return Settings(**found)


def change_setting(session: Session, *, learner: int, name: str, value: Any) -> Any:
    """Store one setting and give back the value as it was understood. The memory's parameters have a door of their own in review.py."""
    setting = BY_NAME.get(name)
    if setting is None:
        raise SettingError(f"There is no setting {name!r}; there are {', '.join(BY_NAME)}.")
    checked = setting.checked(value)
    _WRITE.run(session, {"learner": learner, "name": name, "value": json.dumps(checked)})
    return checked


def reset_setting(session: Session, *, learner: int, name: str) -> None:
    _FORGET.run(session, {"learner": learner, "name": name})


_READ = Statement("SELECT name, value FROM setting WHERE learner = :learner")
_WRITE = Statement(
    "INSERT INTO setting (learner, name, value) VALUES (:learner, :name, :value) ON CONFLICT (learner, name) DO UPDATE SET value = excluded.value"
)
_FORGET = Statement("DELETE FROM setting WHERE learner = :learner AND name = :name")
