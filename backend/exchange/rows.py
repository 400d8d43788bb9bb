"""CSV and TSV: one card a row, with Anki's header lines understood and written.

Without headers the delimiter and the columns are guessed; `Records.notices` says how they were read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.cards import Card, read_cards
from backend.exchange.anki_notes import back_html, front_html
from backend.exchange.encodings import decode
from backend.exchange.html_text import escaped, to_markdown
from backend.exchange.markdown import plain_slug
from backend.exchange.plain_words import written
from backend.exchange.records import OWN, CardRecord, Progress, Records, Unreadable, quiet
from backend.questions import Form, Question

LARGEST = 200_000_000
MOST_COLUMNS = 200
LARGEST_CELL = 1_000_000
SAMPLE = 20_000  # bytes that tell a table from a note
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|", "colon": ":"}
_NAMES = {
    "front": ("front", "question", "q", "prompt", "term", "text", "问题"), "back": ("back", "answer", "a", "definition", "meaning", "答案"),
    "tags": ("tags", "tag"), "guid": ("guid", "id", "uid"), "deck": ("deck", "topic"), "markdown": ("markdown",),
}  # fmt: skip
_WRITTEN = ("guid", "deck", "front", "back", "tags", "markdown")


@dataclass
class _Layout:
    separator: str = ""
    html: bool = False
    columns: dict[str, int] = field(default_factory=dict)  # what -> which, from 0
    deck: str = ""
    tags: tuple[str, ...] = ()


def read_rows(path: Path, *, progress: Progress = quiet) -> Records:
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"expected at most {LARGEST:,} bytes, came {path.stat().st_size:,}: {path.name}")
    text, notices = decode(path.read_bytes(), path.name)
    records = Records(path.name, notices=notices)
    layout, lines = _headers(text.lstrip("\ufeff"))
    layout.separator = layout.separator or _guess_separator(lines, path)
    rows = _rows(lines, layout.separator)
    first = next(rows, None)
    if first is None:
        raise Unreadable(f"expected rows of cards, came none: {path.name}")
    named = _named(first)
    if "front" not in layout.columns and {"front", "back"} <= set(named):
        layout.columns = named | layout.columns
    else:
        _guess_columns(layout, len(first))
        _take(records, layout, first, path.stem)
    shown = ", ".join(f"{what} from column {place + 1}" for what, place in sorted(layout.columns.items(), key=lambda item: item[1]))
    mark = {value: name for name, value in _SEPARATORS.items()}.get(layout.separator, layout.separator)
    records.notices.append(f"read as columns between {mark}s: {shown}")
    for done, row in enumerate(rows):
        if done % 1000 == 0:
            progress(done, 0, "reading rows")
        _take(records, layout, row, path.stem)
    return records


def is_table(path: Path) -> bool:
    """Is a .txt file a table, as Anki writes them, or a note?"""
    with path.open("rb") as file:
        begin = file.read(SAMPLE)
    text = begin.decode("utf-16" if begin.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "replace")
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if _ANKI_HEAD.match(text) or (lines and all("\t" in line for line in lines)):
        return True
    counts = [{line.count(mark) for line in lines} for mark in ";,|"]
    return len(lines) > 1 and any(len(found) == 1 and 0 not in found for found in counts)


_ANKI_HEAD = re.compile(r"#(?:separator|html|tags|deck|notetype|columns|[a-z ]+ column):", re.IGNORECASE)


def _headers(text: str) -> tuple[_Layout, str]:
    layout = _Layout()
    while text.startswith("#"):
        line, _, rest = text.partition("\n")
        name, colon, value = line[1:].strip().partition(":")
        if not colon:
            break
        text, name, value = rest, name.strip().lower(), value.strip()
        if name == "separator":
            layout.separator = _SEPARATORS.get(value.lower(), value[:1] if value[:1] not in '"\r\n' else "")
        elif name == "html":
            layout.html = value.lower() == "true"
        elif name == "deck":
            layout.deck = value
        elif name == "tags":
            layout.tags = tuple(value.split())
        elif name == "columns":
            layout.columns = _named(_cells(value, layout.separator or ",")) | layout.columns
        elif name.endswith(" column") and value.isdecimal() and 0 < int(value) <= MOST_COLUMNS:
            layout.columns[name.removesuffix(" column")] = int(value) - 1
    return layout, text


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error as problem:
        raise Unreadable(f"expected the names of columns, came something else: {problem}") from None


def _named(cells: Sequence[str]) -> dict[str, int]:
    if len(cells) > MOST_COLUMNS:
        raise Unreadable(f"expected at most {MOST_COLUMNS} columns, came {len(cells):,}")
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        for what, names in _NAMES.items():
            if cell.strip().lower() in names:
                found.setdefault(what, place)
    return found


def _guess_separator(text: str, path: Path) -> str:
    sample = text[:20_000].split("\n")[:50]
    counts = {mark: [line.count(mark) for line in sample if line.strip()] for mark in ("\t", ";", ",", "|")}
    steady = {mark: min(found, default=0) for mark, found in counts.items()}
    best = max(steady, key=lambda mark: steady[mark])
    return best if steady[best] else "\t" if path.suffix.lower() == ".tsv" else ","


def _rows(text: str, separator: str):
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        for row in reader:
            if len(row) > MOST_COLUMNS:
                raise Unreadable(f"expected at most {MOST_COLUMNS} columns, came {len(row):,} in line {reader.line_num}")
            if any(cell.strip() for cell in row):
                yield row
    except csv.Error as problem:
        raise Unreadable(f"expected rows of text, came something else in line {reader.line_num}: {problem}") from None


def _guess_columns(layout: _Layout, width: int) -> None:
    taken = set(layout.columns.values())
    free = [place for place in range(width) if place not in taken]
    for what in ("front", "back"):
        if what not in layout.columns and free:
            layout.columns[what] = free.pop(0)
    if "front" not in layout.columns or "back" not in layout.columns:
        raise Unreadable("expected two columns at least, a question and an answer, came one")


def _take(records: Records, layout: _Layout, row: list[str], stem: str) -> None:
    cell = {what: row[place] if place < len(row) else "" for what, place in layout.columns.items()}
    topic = plain_slug(cell.get("deck") or layout.deck or stem)
    tags = tuple(dict.fromkeys([*layout.tags, *(tag.replace(";", "-").replace(",", "-") for tag in cell.get("tags", "").split())]))
    ours, _ = read_cards(cell.get("markdown", ""))
    if len(ours) == 1:
        records.cards.append(CardRecord(ours[0], topic, cell["markdown"], "a row"))
        return
    front, back = ((to_markdown(cell[side]) if layout.html else _plain(cell[side])) for side in ("front", "back"))
    if not front or not back:
        records.notices.append(f"left out: a row without {'a question' if not front else 'an answer'} ({(front or back)[:40]})")
        return
    guid = cell.get("guid") or f"{topic}\0{front}"
    name = f"{OWN}row-{hashlib.blake2b(guid.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
    card = Card(name, Question(Form.PROSE, front, back), tags=tags)
    try:
        record = CardRecord(card, topic, written(card), "a row", origin={"guid": cell["guid"]} if cell.get("guid") else {})
    except ValueError as problem:
        records.notices.append(f"left out: {problem}")
        return
    records.cards.append(record)


def _plain(text: str) -> str:
    return "\n\n".join(escaped(line.strip()) for line in text.replace("\0", "").split("\n") if line.strip())


def write_rows(records: Records, path: Path, *, progress: Progress = quiet) -> None:
    """Anki reads question and answer as HTML; the column with our Markdown brings a card back exactly."""
    tab = path.suffix.lower() == ".tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"#separator:{'Tab' if tab else 'Comma'}\n#html:true\n#guid column:1\n#deck column:2\n#tags column:5\n")
        columns = ("\t" if tab else ",").join(_WRITTEN)
        file.write(f"#columns:{columns}\n")
        writer = csv.writer(file, delimiter="\t" if tab else ",", lineterminator="\n")
        for done, record in enumerate(records.cards):
            if done % 500 == 0:
                progress(done, len(records.cards), "writing rows")
            tags = " ".join(tag.replace(" ", "_") for tag in record.card.tags)
            writer.writerow([record.origin.get("guid") or record.id, record.topic, front_html(record.card), back_html(record.card), tags, record.markdown])
