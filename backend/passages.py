"""What search looks through: a note cut into pieces that each know where they stand in its text.

Five kinds. A *name* is a title or an alias. A *section* is up to about a hundred words of prose under one heading. A
*sentence* is what an answer can quote: one sentence, list item, table or formula. A *question* is a way to ask a card,
an *answer* is a card's question with its answer. `note.text[start:end]` is always exactly what a citation shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from backend.cards import Card, gaps_shown
from backend.markup import Block, parse, plain, plain_of
from backend.notes import Callout, CardPart, Erratum, Note, Prose, Section
from backend.questions import Form, Question, show_quantity

NAME, SECTION, SENTENCE, QUESTION, ANSWER = KINDS = ("name", "section", "sentence", "question", "answer")
LONGEST_ASKED, LONGEST_CARD = 400, 4000  # characters of a card in no note: it may have come from anywhere
WORDS_IN_A_SECTION = 100  # MiniLM reads 256 pieces of words; a longer passage also blurs what it is about


@dataclass(frozen=True, slots=True)
class Piece:
    kind: str
    section: str  # anchor
    card: str
    heading: str
    words: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A piece of prose that can stand by itself: where it is, and how it reads."""

    start: int
    end: int
    words: str


def cut_up(note: Note) -> list[Piece]:
    """Every piece of a note that search looks at, its cards included."""
    return [*_names(note), *_prose(note), *_cards(note)]


def _names(note: Note) -> Iterator[Piece]:
    for name in dict.fromkeys((note.title, *note.aliases)):
        yield Piece(NAME, "top", "", "", plain(name), 0, 0)


# -- prose -----------------------------------------------------------------------------------------------------------------


def _prose(note: Note) -> Iterator[Piece]:
    lines = line_starts(note.text)
    by_anchor = {section.anchor: section for section in note.sections}
    quotes: dict[str, list[Quote]] = {}
    for part in note.parts:
        if isinstance(part, Prose):
            quotes.setdefault(part.section, []).extend(quotes_of(note.text, part.markdown, lines[min(part.line, len(lines)) - 1]))
        elif isinstance(part, Erratum):
            quotes.setdefault(part.section, []).extend(
                _found(note.text, part.right, by_anchor[part.section], f"Not so: {plain(part.said)} Right: {plain(part.right)}")
            )
        elif isinstance(part, Callout):
            quotes.setdefault(part.section, []).extend(_found(note.text, part.markdown, by_anchor[part.section], plain(part.markdown)))
    for anchor, found in quotes.items():
        path = heading_path(note.title, by_anchor[anchor])
        for quote in found:
            yield Piece(SENTENCE, anchor, "", path, quote.words, quote.start, quote.end)
        for group in grouped(found):
            yield Piece(SECTION, anchor, "", path, "\n".join(quote.words for quote in group), group[0].start, group[-1].end)


def heading_path(title: str, section: Section) -> str:
    return " > ".join(dict.fromkeys([plain(title), *section.path]))


def grouped(quotes: Sequence[Quote]) -> Iterator[list[Quote]]:
    """Neighbours together, up to about a hundred words; a short rest joins what is before it."""
    total = sum(len(quote.words.split()) for quote in quotes)
    aim = total / max(1, round(total / WORDS_IN_A_SECTION))
    group: list[Quote] = []
    count = 0
    for quote in quotes:
        length = len(quote.words.split())
        if group and count + length / 2 > aim:
            yield group
            group, count = [], 0
        group.append(quote)
        count += length
    if group:
        yield group


def _found(text: str, exact: str, section: Section, words: str) -> Iterator[Quote]:
    """One quote where the section has these very words; wrapped lines of a quoted block do not, and are left out."""
    start = text.find(exact, section.start, section.end) if exact else -1
    if start >= 0 and words:
        yield Quote(start, start + len(exact), words)


def line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer(r"\r\n?|\n", text)), len(text)]


def quotes_of(text: str, markdown: str, start: int) -> Iterator[Quote]:
    """The sentences, items, tables and formulas of a run of prose that begins at `start` of the note's text."""
    start = text.find(markdown, start)
    if start < 0:  # line ends of another system: the run is not there letter by letter, and what is not exact is not quoted
        return
    lines = line_starts(markdown)
    pending: Quote | None = None
    for block in parse(markdown).blocks:
        for quote in _of_block(markdown, block, lines):
            if block.kind == "math_block" and pending:  # a formula belongs to the sentence that leads to it
                pending = Quote(pending.start, quote.end, f"{pending.words} {quote.words}")
                continue
            if pending:
                yield _moved(pending, start)
            pending = quote
    if pending:
        yield _moved(pending, start)


def _moved(quote: Quote, by: int) -> Quote:
    return Quote(quote.start + by, quote.end + by, quote.words)


def _of_block(markdown: str, block: Block, lines: Sequence[int]) -> Iterator[Quote]:
    begin, end = lines[block.start], lines[min(block.end, len(lines) - 1)]
    if block.kind == "paragraph_open":
        yield from sentences(markdown, begin, end)
    elif block.kind in ("bullet_list_open", "ordered_list_open"):
        for token in block.tokens:
            if token.type == "list_item_open" and token.level == 1 and token.map:
                first, last = lines[token.map[0]], lines[min(token.map[1], len(lines) - 1)]
                marker = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+").match(markdown, first)
                yield from _whole(markdown, marker.end() if marker else first, last)
    elif block.kind not in ("heading_open", "hr"):
        words = plain_of(block.tokens)
        if words:
            yield from _whole(markdown, begin, end, words)


def _whole(markdown: str, begin: int, end: int, words: str = "") -> Iterator[Quote]:
    begin, end = _trimmed(markdown, begin, end)
    words = words or plain(markdown[begin:end])
    if words:
        yield Quote(begin, end, words)


def _trimmed(text: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end


# -- sentences -------------------------------------------------------------------------------------------------------------

_MASKED = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$|`[^`]*`|\[\[[^\]]*\]\]|\[[^\]]*\]\([^)]*\)", re.DOTALL)
_END = re.compile(r"(?<=[.!?])[\"”’)*_]{0,3}\s+(?=[\"“(*_\[$]{0,3}[A-Z0-9\x01])|(?<=[。！？])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|al|Fig|Eq|Sec|No|approx|resp|ca|St|Dr|Mr|Ms|[A-Z])\.|\d\.)$")


def sentences(text: str, begin: int = 0, end: int | None = None) -> Iterator[Quote]:
    """The sentences of one paragraph; points inside formulas, code and links end nothing."""
    end = len(text) if end is None else end
    masked = _MASKED.sub(lambda found: "\x01" * len(found.group()), text[begin:end])
    at = 0
    for found in _END.finditer(masked):
        head = masked[at : found.start()].rstrip('"”’)*_')
        if _ABBREVIATION.search(head) and not re.search(r"\d{2,}\.$", head):
            continue
        yield from _whole(text, begin + at, begin + found.end())
        at = found.end()
    yield from _whole(text, begin + at, end)


# -- cards -----------------------------------------------------------------------------------------------------------------


def _cards(note: Note) -> Iterator[Piece]:
    lines = line_starts(note.text)
    by_anchor = {section.anchor: section for section in note.sections}
    cards = [part.card for part in note.parts if isinstance(part, CardPart)]
    for number, card in enumerate(cards):
        begin = lines[card.line - 1]
        section = by_anchor[card.section]
        end = min(section.end, lines[cards[number + 1].line - 1] if number + 1 < len(cards) else len(note.text))
        start, stop = answer_span(note.text, card, begin, max(end, begin))
        path = heading_path(note.title, section)
        asked, answer = plain(gaps_shown(card.question.prompt) if card.question.form is Form.GAP else card.question.prompt), key_words(card.question)
        if card.question.form is not Form.GAP:
            for way in dict.fromkeys((asked, *card.aka)):
                yield Piece(QUESTION, card.section, card.id, path, way, start, stop)
        both = "\n".join(text for text in (asked, *card.aka, answer) if text)
        yield Piece(ANSWER, card.section, card.id, path, both, start, stop)


def pieces_of_card(block: str, source: str, words: str, form: str) -> list[Piece]:
    """A card that stands in no note: its source is what a citation shows, and its words are those the library keeps of it."""
    start, stop = _answer_in(source, form)
    asked, _, rest = words.partition("\n")
    pieces = [Piece(QUESTION, "", block, "", asked[:LONGEST_ASKED], start, stop)] if asked.strip() and form != Form.GAP else []
    return [*pieces, Piece(ANSWER, "", block, "", f"{asked}\n{rest}"[:LONGEST_CARD].strip(), start, stop)]


def _answer_in(source: str, form: str) -> tuple[int, int]:
    """Where a card's source answers: the right option, the sentence with its gaps filled, what stands after `A:`, or the list."""
    if form == Form.CHOICE and (right := re.search(r"^- \[[xX]\] +(.+)$", source, re.MULTILINE)):
        return right.span(1)
    if form == Form.GAP and (sentence := re.match(r"C:\s*(.+?)\s*\^\S+\s*$", source, re.MULTILINE | re.DOTALL)):
        return sentence.span(1)
    opening = re.search(r"^A:[ \t]*", source, re.MULTILINE)
    return _trimmed(source, opening.end() if opening else max(source.find("\n\n"), 0), len(source))


def answer_span(text: str, card: Card, begin: int, end: int) -> tuple[int, int]:
    """Where a card's answer stands. The right option is a choice's; a whole sentence is a gap's."""
    question = card.question
    if question.form is Form.CHOICE:
        sought = next((option.text for option in question.options if option.right), "")
        marked = text.find(sought, max(begin, *(text.find(box, begin, end) for box in ("[x]", "[X]"))), end)
        return (marked, marked + len(sought)) if marked >= 0 and sought else _first_line(text, begin, end)
    if question.form is Form.GAP:
        found = text.find(question.prompt, begin, end)
        return (found, found + len(question.prompt)) if found >= 0 else _first_line(text, begin, end)
    opening = re.compile(r"^A:[ \t]*", re.MULTILINE).search(text, begin, end)
    if question.form is Form.PROSE and opening:
        found = text.find(question.answer, opening.end(), end)
        if found >= 0:
            return found, found + len(question.answer)
    if opening and question.form in (Form.NUMBER, Form.TERM):
        found = text.find(question.answer, opening.end(), end) if question.answer else -1
        last = found + len(question.answer) if found >= 0 else _line_end(text, opening.end(), end)
        return _trimmed(text, opening.end(), last)
    return _first_line(text, begin, end)


def _first_line(text: str, begin: int, end: int) -> tuple[int, int]:
    return _trimmed(text, begin, _line_end(text, begin, end))


def _line_end(text: str, begin: int, end: int) -> int:
    found = text.find("\n", begin, end)
    return end if found < 0 else found


def key_words(question: Question) -> str:
    """A card's answer in plain words."""
    parts: Iterable[str] = ()
    match question.form:
        case Form.CHOICE:
            parts = [text for option in question.options if option.right for text in (option.text, option.why)]
        case Form.NUMBER if question.quantity:
            parts = [show_quantity(question.quantity)]
        case Form.TERM:
            parts = question.terms
        case Form.ORDER:
            parts = question.steps
        case Form.MATCH:
            parts = [f"{left}: {right}" for left, right in question.pairs]
    return "\n".join(text for text in (*map(plain, parts), plain(question.answer)) if text)
