"""Pictures small enough to be an option of a question: a line of Markdown that holds the whole drawing and says it in words."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

BAR, GAP, TALL = 34, 8, 72  # pixels
CELL, RADIUS = 30, 44
INK, QUIET = "#2f86c4", "#80888f"  # to be seen on light and on dark
DARK = "#10202b"


def bar_picture(shares: Sequence[float]) -> str:
    """Bars of shares between 0 and 1, each with its percentage, as a Markdown image. The alternative text says the same numbers."""
    percents = [round(100 * share) for share in shares]
    width = len(percents) * (BAR + GAP) + GAP
    drawn = "".join(_bar(GAP + place * (BAR + GAP), percent) for place, percent in enumerate(percents))
    line = f'<path d="M0 {TALL + 16}h{width}" stroke="{QUIET}"/>'
    return _image(f"bars of {', '.join(map(str, percents))} percent", width, TALL + 20, f"{drawn}{line}")


def rows_picture(rows: Sequence[Sequence[float]]) -> str:
    """A square for every share, the darker the larger, with its percentage; shares of 0 stay empty."""
    percents = [[round(100 * share) for share in row] for row in rows]
    squares = "".join(_square(CELL * at, CELL * down, percent) for down, row in enumerate(percents) for at, percent in enumerate(row))
    told = "; ".join(" ".join(map(str, row)) for row in percents)
    return _image(f"rows of percentages, from above: {told}", CELL * len(percents[0]) + 2, CELL * len(percents) + 2, squares)


def dial_picture(radians: float) -> str:
    """A clock face with two hands: a grey one to the right, and a blue one turned from there against the clock."""
    degrees = whole_degrees(radians)
    middle = RADIUS + 8
    x, y = middle + RADIUS * math.cos(math.radians(degrees)), middle - RADIUS * math.sin(math.radians(degrees))
    face = f'<circle cx="{middle}" cy="{middle}" r="{RADIUS}" fill="none" stroke="{QUIET}" opacity=".6"/>'
    start = f'<path d="M{middle} {middle}h{RADIUS}" stroke="{QUIET}" stroke-width="2" stroke-dasharray="4 3"/>'
    hand = f'<path d="M{middle} {middle}L{x:.1f} {y:.1f}" stroke="{INK}" stroke-width="4"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{INK}"/>'
    return _image(f"a hand turned by {degrees} degrees against the clock", 2 * middle, 2 * middle, f"{face}{start}{hand}")


def whole_degrees(radians: float) -> int:
    """0 to 359, as a dial shows an angle."""
    return round(math.degrees(radians)) % 360


def between_two(number: float) -> bool:
    """Does rounding to whole numbers hang on the last digits? A picture of it would be a matter of luck."""
    return abs(number % 1 - 0.5) < 0.02


def _image(told: str, width: int, height: int, drawn: str) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">{drawn}</svg>'
    return f"![{told}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _square(left: int, top: int, percent: int) -> str:
    """On paper of its own, so that its number can be read on light and on dark."""
    shade = "#" + "".join(f"{round(255 - 0.0085 * percent * (255 - part)):02x}" for part in bytes.fromhex(INK[1:]))
    frame = f'<rect x="{left + 1}" y="{top + 1}" width="{CELL}" height="{CELL}" fill="{shade}" stroke="{QUIET}"/>'
    number = f'<text x="{left + 1 + CELL // 2}" y="{top + 5 + CELL // 2}" fill="{DARK}" text-anchor="middle">{percent}</text>'
    return f"{frame}{number}" if percent else frame


def _bar(left: int, percent: int) -> str:
    high = round(TALL * percent / 100)
    top = TALL + 16 - high
    number = f'<text x="{left + BAR // 2}" y="{top - 4}" fill="{QUIET}" text-anchor="middle">{percent}</text>'
    return f'<rect x="{left}" y="{top}" width="{BAR}" height="{high}" fill="{INK}"/>{number}'
