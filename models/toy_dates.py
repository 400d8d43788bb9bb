"""Dates as people write them, and as ISO 8601 writes them: a translation so regular that every written character has a visible source."""

import datetime
from dataclasses import dataclass
from random import Random

from models.symbols import SymbolTokenizer

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
FORMS = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{weekday}, {day} {month} {year}",
    "{weekday} {month} {day}, {year}",
    "{day}. {short}. {year}",
    "{short} {day} {year}",
    "{year}, {month} {day}",
    "the {day}{ordinal} of {month} {year}",
    "{day}.{number}.{year}",
    "{day}-{short}-{year}",
)
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789 -.,/'"


@dataclass(frozen=True)
class Case:
    source: str
    target: str  # YYYY-MM-DD
    year_at: int  # where the year's four digits stand in the source


def tokenizer() -> SymbolTokenizer:
    return SymbolTokenizer(CHARACTERS, "character")


def case(rng: Random) -> Case:
    date = FIRST + datetime.timedelta(days=rng.randint(0, (LAST - FIRST).days))
    return write(date, rng.choice(FORMS))


def write(date: datetime.date, form: str) -> Case:
    source = form.format(
        day=date.day,
        number=date.month,
        month=MONTHS[date.month - 1],
        short=MONTHS[date.month - 1][:3],
        year=date.year,
        weekday=WEEKDAYS[date.weekday()],
        ordinal=ordinal(date.day),
    )
    return Case(source, date.isoformat(), source.index(str(date.year)))


def ordinal(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
