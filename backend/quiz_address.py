"""A quiz's set-up as an address, there and back.

Only what differs from the defaults is written. Reading never fails: what cannot be is brought to the nearest that can, with
one sentence for each change, so that a shared or mistyped address always leads to a quiz.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from backend.quiz import ASKABLE, FEWEST, LEVELS, MODES, MOST, Setup, Stock, draw_pool_size

LARGEST_SEED = 2**31 - 1
SECONDS_A_QUESTION = 60  # to turn minutes into a number of questions
MOST_MINUTES = 240
MOST_DAYS = 365
DIAGNOSTIC = 20
SCOPES = ("all", "track", "topic", "needs", "missed")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Understood:
    setup: Setup
    notices: tuple[str, ...]


def quiz_address(setup: Setup) -> str:
    return "/quiz?" + urlencode(quiz_parameters(setup), safe=":,", quote_via=quote)


def quiz_parameters(setup: Setup) -> dict[str, str]:
    """The address's parameters; scope, number, seed and mode always stand in it, so that it can be read."""
    written = {"scope": setup.scope, "n": str(setup.count), "seed": str(setup.seed), "mode": setup.mode}
    if setup.minutes:
        written["minutes"] = str(setup.minutes)
    if setup.forms:
        written["forms"] = ",".join(setup.forms)
    if setup.level:
        written["level"] = str(setup.level)
    if setup.adaptive:
        written["adaptive"] = "1"
    return written


def read_address(given: Mapping[str, str], stock: Stock, *, fresh_seed: int) -> Understood:
    """The set-up that an address asks for, or the nearest one."""
    said: list[str] = []
    mode = _mode(given.get("mode", "practice"), said)
    setup = Setup(
        scope=_scope(given.get("scope", "all"), stock, said),
        count=_count(given, said),
        minutes=_number("minutes", given.get("minutes", "0"), 0, MOST_MINUTES, 0, said),
        forms=_forms(given.get("forms", ""), said),
        level=_level(given.get("level", "0"), said),
        mode=mode,
        adaptive=given.get("adaptive", "").strip() in ("1", "true", "yes", "on") and mode == "practice",
        seed=_seed(given["seed"], said) if "seed" in given else fresh_seed,
    )
    if mode == "diagnostic":
        return Understood(replace(setup, scope="all", count=DIAGNOSTIC, minutes=0, forms=(), level=0, adaptive=True), tuple(said))
    setup, widened = nearest_possible(setup, stock)
    return Understood(setup, (*said, *widened))


def nearest_possible(setup: Setup, stock: Stock) -> tuple[Setup, list[str]]:
    """The set-up itself where its questions exist, else with its narrowest wish given up, then the next."""
    said: list[str] = []
    for wider in (setup, replace(setup, level=0), replace(setup, level=0, forms=()), _next_wider(replace(setup, level=0, forms=()), stock), Setup()):
        found = draw_pool_size(stock, wider)
        wider = replace(wider, count=setup.count, mode=setup.mode, minutes=setup.minutes, adaptive=setup.adaptive, seed=setup.seed)
        if found >= min(FEWEST, setup.count) or (wider.scope == "all" and not wider.forms and not wider.level):
            setup_changed = _what_changed(setup, wider)
            if setup_changed:
                said.append(f"{_counted(draw_pool_size(stock, setup))} for this set-up, so {setup_changed}.")
            if 0 < found < wider.count:
                said.append(f"{_counted(found)} here, not {wider.count}: the quiz has {found}.")
                wider = replace(wider, count=found)
            return wider, said
    return setup, said


def _counted(count: int) -> str:
    return "There is only 1 question" if count == 1 else f"There are only {count} questions" if count else "There is no question"


def _next_wider(setup: Setup, stock: Stock) -> Setup:
    kind, _, value = setup.scope.partition(":")
    return replace(setup, scope=f"track:{stock.tracks[value]}" if kind in ("topic", "needs") and value in stock.tracks else "all")


def _what_changed(asked: Setup, given: Setup) -> str:
    changed = []
    if asked.level != given.level:
        changed.append("every level is allowed")
    if asked.forms != given.forms:
        changed.append("every form is allowed")
    if asked.scope != given.scope:
        changed.append("it draws on everything" if given.scope == "all" else f"it draws on the whole track {given.scope.partition(':')[2]}")
    return " and ".join(changed)


def _scope(written: str, stock: Stock, said: list[str]) -> str:
    kind, _, value = written.strip().partition(":")
    kind, value = kind.casefold(), value.strip().casefold()
    if kind == "all" or not kind:
        return "all"
    if kind == "missed":
        return f"missed:{_number('missed', value or '7', 1, MOST_DAYS, 7, said)}"
    if kind not in SCOPES:
        said.append(f"A scope is all, track:, topic:, needs: or missed:, and “{_short(written)}” is none of these; this quiz draws on everything.")
        return "all"
    known = sorted(set(stock.tracks.values())) if kind == "track" else list(stock.tracks)
    if value in known:
        return f"{kind}:{value}"
    near = difflib.get_close_matches(value[:80], known, n=1, cutoff=0.4)
    if near:
        said.append(f"There is no {'track' if kind == 'track' else 'topic'} “{_short(value)}”; the nearest is {near[0]}.")
        return f"{kind}:{near[0]}"
    said.append(f"There is no {'track' if kind == 'track' else 'topic'} “{_short(value)}” and none like it; this quiz draws on everything.")
    return "all"


def _count(given: Mapping[str, str], said: list[str]) -> int:
    """The number of questions: as written, or as many as go into the minutes."""
    if "n" in given or "minutes" not in given:
        return _number("n", given.get("n", "10"), FEWEST, MOST, 10, said)
    minutes = _number("minutes", given["minutes"], 0, MOST_MINUTES, 10, [])
    return min(max(round(minutes * 60 / SECONDS_A_QUESTION), FEWEST), MOST)


def _number(name: str, written: str, low: int, high: int, default: int, said: list[str]) -> int:
    try:
        number = int(written.strip()[:12])
    except ValueError:
        said.append(f"{name} is a whole number from {low} to {high}, and “{_short(written)}” is none; it is {default}.")
        return default
    if not low <= number <= high:
        nearest = min(max(number, low), high)
        said.append(f"{name} goes from {low} to {high}, and {_short(written)} came; it is {nearest}.")
        return nearest
    return number


def _seed(written: str, said: list[str]) -> int:
    """Any whole number of a seed's size as it is; everything else is brought there, always to the same place."""
    text = written.strip()
    if text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LARGEST_SEED:
        return int(text)
    folded = 0
    for letter in text[:1000]:
        folded = (folded * 31 + ord(letter)) % (LARGEST_SEED + 1)
    said.append(f"A seed is a whole number from 0 to {LARGEST_SEED}; “{_short(written)}” is read as {folded}.")
    return folded


def _forms(written: str, said: list[str]) -> tuple[str, ...]:
    wanted = {part.strip().casefold() for part in written[:500].split(",") if part.strip()}
    unknown = sorted(wanted - set(ASKABLE))
    if unknown:
        said.append(f"There is no form “{_short(unknown[0])}”; there are {', '.join(ASKABLE)}.")
    known = tuple(form for form in ASKABLE if form in wanted)
    return () if len(known) == len(ASKABLE) else known


def _level(written: str, said: list[str]) -> int:
    by_name = {name: level for level, name in LEVELS.items()} | {"": 0, "all": 0}
    name = written.strip().casefold()
    return by_name[name] if name in by_name else _number("level", written, 0, 3, 0, said)


def _mode(written: str, said: list[str]) -> str:
    mode = written.strip().casefold()
    if mode in MODES:
        return mode
    near = difflib.get_close_matches(mode[:40], MODES, n=1, cutoff=0.5)
    said.append(f"There is no mode “{_short(written)}”; there are {', '.join(MODES)}. This is {near[0] if near else 'practice'}.")
    return near[0] if near else "practice"


def _short(text: str) -> str:
    shown = "".join(letter for letter in text[: _SHOWN + 1] if letter.isprintable())
    return shown if len(text) <= _SHOWN else shown[:_SHOWN] + "…"
