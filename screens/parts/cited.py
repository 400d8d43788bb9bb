"""The mark on a cited span in a note: where it stands among the note's parts, and the Markdown around it.

An address `/read?topic=slug&section=anchor&mark=start-end` marks `note.text[start:end]`. Within one paragraph the very words
are marked; what spans several blocks, a list or a table is marked as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.markup import parse
from backend.notes import CardPart, Note, Prose
from backend.passages import line_starts


@dataclass(frozen=True)
class Cited:
    """The part of the note that a citation points into; prose is cut so that only the marked blocks stand out."""

    part: int
    before: str = ""
    marked: str = ""
    after: str = ""


def find_cited(note: Note, mark: str) -> Cited | None:
    """Where the mark stands; None when it points nowhere in this note."""
    found = re.fullmatch(r"(\d{1,7})-(\d{1,7})", mark)
    if not found:
        return None
    start, end = int(found[1]), int(found[2])
    if not 0 <= start < end <= len(note.text):
        return None
    lines = line_starts(note.text)
    for number, part in enumerate(note.parts):
        if isinstance(part, Prose):
            begin = note.text.find(part.markdown, lines[min(part.line, len(lines)) - 1])
            if 0 <= begin <= start and end <= begin + len(part.markdown):
                return Cited(number, *cut(part.markdown, start - begin, end - begin))
        elif isinstance(part, CardPart):
            begin = lines[min(part.card.line, len(lines)) - 1]
            following = (other.card.line if isinstance(other, CardPart) else other.line for other in note.parts[number + 1 :])
            stop = next((lines[line - 1] for line in following if line), len(note.text))
            if begin <= start and end <= stop:
                return Cited(number)
    return None


def cut(markdown: str, start: int, end: int) -> tuple[str, str, str]:
    """The blocks before the span, those that hold it with the span marked, and those after."""
    lines = line_starts(markdown)
    blocks = [block for block in parse(markdown).blocks if lines[block.start] < end and lines[min(block.end, len(lines) - 1)] > start]
    if not blocks:
        return "", markdown, ""
    begin, stop = lines[blocks[0].start], lines[min(blocks[-1].end, len(lines) - 1)]
    inside = markdown[begin:stop]
    if len(blocks) == 1 and can_be_marked(markdown[start:end]) and blocks[0].kind != "table_open":
        inside = f"{markdown[begin:start]}:primary-background[{markdown[start:end]}]{markdown[end:stop]}"
    return markdown[:begin], inside, markdown[stop:]


def can_be_marked(span: str) -> bool:
    """A mark holds one run of text with its brackets in pairs; pipes, formulas of their own line and bold that begins outside do not fit."""
    depth = 0
    for letter in span:
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            return False
    return depth == 0 and "\n\n" not in span and "$$" not in span and span.count("**") % 2 == 0 and span.count("`") % 2 == 0 and span.count("$") % 2 == 0
