"""Pictures small enough to be an option of a question: a line of Markdown that holds the whole drawing and says it in words."""

from __future__ import annotations

import base64
from collections.abc import Sequence

BAR, GAP, TALL = 34, 8, 72  # pixels
INK, QUIET = "#2f86c4", "#80888f"  # to be seen on light and on dark


def bar_picture(shares: Sequence[float]) -> str:
    """Bars of shares between 0 and 1, each with its percentage, as a Markdown image. The alternative text says the same numbers."""
    percents = [round(100 * share) for share in shares]
    width = len(percents) * (BAR + GAP) + GAP
    drawn = "".join(_bar(GAP + place * (BAR + GAP), percent) for place, percent in enumerate(percents))
    line = f'<path d="M0 {TALL + 16}h{width}" stroke="{QUIET}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TALL + 20}" font-family="sans-serif" font-size="12">{drawn}{line}</svg>'
    return f"![bars of {', '.join(map(str, percents))} percent](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _bar(left: int, percent: int) -> str:
    high = round(TALL * percent / 100)
    top = TALL + 16 - high
    number = f'<text x="{left + BAR // 2}" y="{top - 4}" fill="{QUIET}" text-anchor="middle">{percent}</text>'
    return f'<rect x="{left}" y="{top}" width="{BAR}" height="{high}" fill="{INK}"/>{number}'
