"""Cards that other programs, or nobody yet, see in a note.

- obsidian-spaced-repetition: `front::back`, `front:::back` (both ways), lines around `?` or `??`, `==cloze==`, in notes that carry
  `#flashcards`, with the plugin's scheduling comments;
- hashcards: `Q:` and `A:` on neighbouring lines, `C: text with [a gap]`;
- plain notes: a heading that asks something with its text for answer, `**Term**: meaning`, the rows of a table. These are
  offers, to be chosen before anything is written.
An id follows from the note and the question, so that reading again finds the same card.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backend.cards import Card, showings
from backend.exchange.plain_words import written
from backend.exchange.records import OWN, CardRecord, MemoryRecord
from backend.markup import Block, Document, marks, parse, plain_inline
from backend.questions import Form, Question

_COMMENT = re.compile(r"[ \t]*<!--SR:(!?[^>]*?)-->")
_COMMENT_LINE = re.compile(r"\n[ \t]*<!--SR:(!?[^>]*?)-->[ \t]*(?=\n|\Z)|[ \t]*<!--SR:(!?[^>]*?)-->")
_SCHEDULE = re.compile(r"(\d{4}-\d{2}-\d{2}),([\d.]+),(\d+)")
_DECK = re.compile(r"(?:^|\s)#flashcards(?:/[\w/-]+)?(?=\s|$)", re.MULTILINE)
_ASKS = re.compile(r"(?:why|what|how|when|where|which|who|do|does|did|is|are|can|could|should|would|explain|compare)\b", re.IGNORECASE)
_DEFINITION = re.compile(r"(?:[-*+] |\d+[.)] )?(\*\*|__)(?P<term>[^*_\n]{1,80}?):?\1\s*(?:[:：]|[-–—] |(?<=:\*\*)\s)\s*(?P<means>\S.*)", re.DOTALL)
_OWN_ID = re.compile(r"\^[a-z0-9]+(?:-[a-z0-9]+)*\s*$")
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Found:
    prompt: str
    answer: str
    why: str
    form: Form = Form.PROSE
    offered: bool = False
    schedules: tuple[tuple[str, str, str], ...] = ()  # date, days, ease in percent, one for each showing


def without_schedules(text: str) -> str:
    """The note without the plugin's comments: what they say goes where schedules live."""
    return _COMMENT_LINE.sub("", text)


def find_foreign(text: str, *, topic: str) -> tuple[list[CardRecord], list[MemoryRecord], list[str]]:
    """Cards, what the comments say of them, and what could not be taken."""
    records: dict[str, CardRecord] = {}
    memories: list[MemoryRecord] = []
    notices: list[str] = []
    document = parse(without_schedules(text))
    sections = _sections(document)
    for found in [*_hashcards(text), *_plugin(text), *_headings(document), *_definitions(document), *_tables(document)]:
        name = card_id(topic, found.prompt)
        if name in records:
            continue
        readable = _readable(Card(name, Question(found.form, found.prompt, found.answer)))
        if readable is None:
            notices.append(f"left as text: “{' '.join(found.prompt.split())[:60]}” cannot be a card as it stands")
            continue
        card, source = replace(readable[0], section=sections.get(_first_line(found.prompt), "")), readable[1]
        records[name] = CardRecord(card, topic, source, why=found.why, offered=found.offered)
        for shown, (date, days, ease) in zip(showings(card), found.schedules):
            memories.append(_memory(shown.id, date, days, ease))
    return list(records.values()), memories, notices


def card_id(topic: str, prompt: str) -> str:
    base = topic.removeprefix(OWN)[:60].strip("-")
    return f"{OWN}{base}-{hashlib.blake2b(' '.join(prompt.split()).encode('utf-8', 'surrogatepass'), digest_size=5).hexdigest()}"


def _readable(card: Card) -> tuple[Card, str] | None:
    """The card and its Markdown when our grammar can hold it. Lone marks that would start something else are tried once more, escaped."""
    question = card.question
    for prompt in (question.prompt, _calm(question.prompt)):
        for answer in (question.answer, _calm(question.answer)):
            tried = replace(card, question=replace(question, prompt=prompt, answer=answer))
            try:
                return tried, written(tried)
            except ValueError:
                continue
    return None


def _calm(text: str) -> str:
    """Headings and lines that would open another card, made plain."""
    lines = []
    for line in text.strip("\n").split("\n"):
        bare = line.lstrip()
        if bare.startswith("#"):
            line = f"**{bare.lstrip('#').strip()}**" if bare.lstrip("#").strip() else ""
        elif re.match(r"[QCA]:|\*\*\*\s*$", bare):
            line = f"\\{bare}" if bare.startswith("*") else f"{bare[0]}\\{bare[1:]}"
        lines.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _memory(card: str, date: str, days: str, ease: str) -> MemoryRecord:
    try:
        due = (dt.date.fromisoformat(date) - _EPOCH).days
    except ValueError:
        due = None
    return MemoryRecord(card, due_day=due, interval=min(round(float(days or 0)), 36_500) or 1, ease=min(int(ease), 1000) / 100, reps=1)


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0].strip()


def _sections(document: Document) -> dict[str, str]:
    """A question heading's words -> its anchor."""
    from backend.markup import slugify

    found: dict[str, str] = {}
    for block in document.blocks:
        if block.kind == "heading_open":
            words = document.lines[block.start].lstrip("#").strip()
            found.setdefault(words, slugify(plain_inline(block.tokens[1].children or ())))
    return found


# -- chunks of lines -----------------------------------------------------------------------------------------------------


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Every line, and whether it stands inside a fence or the front matter."""
    fence, lines = "", text.split("\n")
    front = bool(lines) and lines[0].strip() == "---" and any(line.strip() == "---" for line in lines[1:200])
    for number, line in enumerate(lines):
        if front:
            yield line, True
            front = not (number and line.strip() == "---")
            continue
        opening = re.match(r" {0,3}(```+|~~~+)", line)
        if fence:
            yield line, True
            if opening and opening[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opening:
            fence = opening[1]
            yield line, True
        else:
            yield line, False


def _chunks(text: str) -> Iterator[list[str]]:
    """Runs of lines between empty ones; an empty line inside a fence ends nothing."""
    run: list[str] = []
    for line, inside in _lines(text):
        if line.strip() or inside:
            run.append(line)
        elif run:
            yield run
            run = []
    if run:
        yield run


# -- obsidian-spaced-repetition ------------------------------------------------------------------------------------------


def _plugin(text: str) -> Iterator[Found]:
    marked = bool(_DECK.search(text)) or bool(re.search(r"^\s*(?:-\s*|tags:.*)#?flashcards", text, re.MULTILINE))
    for chunk in _chunks(text):
        joined = "\n".join(chunk)
        schedules = tuple(found for comment in _COMMENT.findall(joined) for found in _SCHEDULE.findall(comment))
        lines = [_COMMENT.sub("", line) for line in chunk if _COMMENT.sub("", line).strip()]
        lines = [line for line in (_DECK.sub("", line).rstrip() if marked else line for line in lines) if line.strip()]
        if not lines or lines[0].lstrip().startswith(("```", "~~~", "|", "Q:", "C:", "A:")) or lines[0].strip() == "---":
            continue
        yield from _plugin_chunk(lines, schedules, marked)


def _plugin_chunk(lines: list[str], schedules: tuple[tuple[str, str, str], ...], marked: bool) -> Iterator[Found]:
    for separator, both in (("??", True), ("?", False)):
        places = [number for number, line in enumerate(lines) if line.strip() == separator]
        if places and 0 < places[0] < len(lines) - 1:
            front, back = "\n".join(lines[: places[0]]).strip(), "\n".join(lines[places[0] + 1 :]).strip()
            yield Found(front, back, f"lines around {separator}", offered=not marked, schedules=schedules)
            if both:
                yield Found(back, front, f"lines around {separator}, the other way", offered=not marked, schedules=schedules[1:])
            return
    for line in lines:
        yield from _single_line(line, schedules, marked)
    gaps = "\n".join(lines)
    if marked and not lines[0].startswith("#") and marks(gaps):
        whole = re.sub(r"^[-*+] ", "", " ".join(line.strip() for line in lines))
        yield Found(whole, "", "a highlight ==…==", Form.GAP, schedules=schedules)


def _single_line(line: str, schedules: tuple[tuple[str, str, str], ...], marked: bool) -> Iterator[Found]:
    for separator, both in ((":::", True), ("::", False)):
        front, found, back = _outside_code(line, separator)
        if found:
            front, back = re.sub(r"^(?:[-*+]|\d+[.)])\s+|^#+\s+", "", front.strip()), back.strip()
            if front and back:
                yield Found(front, back, f"a line with {separator}", offered=not marked, schedules=schedules)
                if both:
                    yield Found(back, front, f"a line with {separator}, the other way", offered=not marked, schedules=schedules[1:])
            return


def _outside_code(line: str, separator: str) -> tuple[str, bool, str]:
    """The line cut at the first separator that stands in neither code nor a formula."""
    inside = ""
    for place, letter in enumerate(line):
        if letter in "`$":
            inside = "" if inside == letter else inside or letter
        elif not inside and line.startswith(separator, place):
            return line[:place], True, line[place + len(separator) :]
    return line, False, ""


# -- hashcards -------------------------------------------------------------------------------------------------------------


def _hashcards(text: str) -> Iterator[Found]:
    """Cards whose first line has no id of ours."""
    kind, current = "", ""
    collected: dict[str, list[str]] = {"Q": [], "A": [], "C": []}

    def card() -> Iterator[Found]:
        front, back, gap = ("\n".join(collected[each]).strip() for each in "QAC")
        if kind == "Q" and front and back and not any(_OWN_ID.search(line) for line in collected["Q"][:1]):
            yield Found(front, back, "Q: and A:")
        if kind == "C" and gap and not _OWN_ID.search(collected["C"][0]) and "==" not in gap:
            prompt = bracket_gaps(" ".join(_up_to_last_gap(gap).split()))
            if marks(prompt):
                yield Found(prompt, "", "C: with a gap in brackets", Form.GAP)

    for line, inside in _lines(without_schedules(text)):
        start = re.match(r"([QAC]):(?:\s|$)", line) if not inside else None
        ends = not inside and (line.startswith("#") or line.strip() in ("---", "***"))
        if (start and start[1] in "QC") or ends:
            yield from card()
            kind, current, collected = (start[1] if start else ""), (start[1] if start else ""), {"Q": [], "A": [], "C": []}
        elif start and kind == "Q":
            current = "A"
        if current and not ends:
            collected[current].append(line[2:].strip() if start else line)
    yield from card()


def _up_to_last_gap(text: str) -> str:
    """A card goes on to the next one; of a note that goes on with other things only the paragraphs with gaps are the card."""
    paragraphs = re.split(r"\n[ \t]*\n", text)
    with_gaps = [place for place, each in enumerate(paragraphs) if not re.match(r"\s*(?:[|>]|```|~~~)", each) and marks(bracket_gaps(" ".join(each.split())))]
    return "\n\n".join(paragraphs[: with_gaps[-1] + 1]) if with_gaps else text


def bracket_gaps(text: str) -> str:
    """`[gap]` as `==gap==`; links, pictures, escaped brackets and formulas stay."""
    pieces, at, inside = [], 0, ""
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            pieces.append(text[at + 1] if text[at + 1] in "[]" else text[at : at + 2])
            at += 2
            continue
        if letter in "`$":
            inside = "" if inside == letter else inside or letter
        close = text.find("]", at) if letter == "[" and not inside else -1
        link = (close > 0 and text[close + 1 : close + 2] in ("(", "[")) or (at and text[at - 1] in "!]")
        if close > at + 1 and not link and text[at + 1] != "[":
            pieces.append(f"=={text[at + 1 : close].strip()}==")
            at = close + 1
            continue
        pieces.append(letter)
        at += 1
    return "".join(pieces)


# -- plain notes -----------------------------------------------------------------------------------------------------------


def _headings(document: Document) -> Iterator[Found]:
    blocks = document.blocks
    for number, block in enumerate(blocks):
        if block.kind != "heading_open":
            continue
        words = document.lines[block.start].strip().lstrip("#").strip().rstrip("#").strip()
        if not words or not (words.endswith(("?", "？")) or _ASKS.match(words)):
            continue
        end = next((later for later in range(number + 1, len(blocks)) if blocks[later].kind == "heading_open"), len(blocks))
        body = document.source(block.end, blocks[end].start if end < len(blocks) else len(document.lines))
        if body.strip() and not _has_cards(body):
            yield Found(words, body, "a question for a heading, answered by its section", offered=True)


def _has_cards(body: str) -> bool:
    return bool(re.search(r"^ {0,3}[QC]:(?:\s|$)", body, re.MULTILINE))


def _definitions(document: Document) -> Iterator[Found]:
    for text in _paragraphs(document):
        found = _DEFINITION.match(text)
        if found and len(found["means"]) >= 10:
            yield Found(f"What does **{found['term'].strip()}** mean here?", found["means"].strip(), "a definition", offered=True)


def _paragraphs(document: Document) -> Iterator[str]:
    """Top paragraphs and the first paragraph of every list item."""
    for block in document.blocks:
        if block.kind == "paragraph_open":
            yield document.source(block.start, block.end)
        elif block.kind in ("bullet_list_open", "ordered_list_open"):
            for before, token in zip(block.tokens, block.tokens[1:]):
                if before.type == "list_item_open" and token.type == "paragraph_open" and token.map:
                    lines = document.lines[token.map[0] : token.map[1]]
                    yield re.sub(r"^\s*(?:[-*+]|\d+[.)])\s+", "", "\n".join(line.strip() for line in lines))


def _tables(document: Document) -> Iterator[Found]:
    for block in document.blocks:
        if block.kind == "table_open":
            yield from _table_rows(_cells(block))


def _cells(block: Block) -> list[list[str]]:
    rows: list[list[str]] = []
    for token in block.tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(re.sub(r"^\*\*([^*]+)\*\*", r"\1", token.content.strip()))
    return rows


def _table_rows(rows: Sequence[Sequence[str]]) -> Iterator[Found]:
    head, *body = rows
    for row in body:
        told = [(name, cell) for name, cell in zip(head[1:], row[1:]) if cell]
        if not row or not row[0] or not told:
            continue
        asked = ", ".join(name for name, _ in told if name) or "what goes with it"
        answer = told[0][1] if len(told) == 1 else "\n".join(f"- **{name}**: {cell}" if name else f"- {cell}" for name, cell in told)
        subject = f"{head[0]} {row[0]}" if head[0] and len(head[0]) < 30 else row[0]
        yield Found(f"{subject}: {asked}?", answer, "a row of a table", offered=True)
