"""Cards inside Markdown: `read_cards` finds them, `write_card` writes one so that it reads back the same.

A card starts with a paragraph `Q: ... ^its-id` or `C: ... ==gap== ... ^its-id` at the top level of the text; which form it
has follows from what stands between `Q:` and `A:` and from how the answer begins. Blocks come from `backend.markup`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from backend.markup import Block, Document, Mistake, inline_tokens, lone_dollars, marks, parse, short, trimmed
from backend.questions import Form, Option, Quantity, Question, read_number


@dataclass(frozen=True)
class Card:
    id: str
    question: Question
    aka: tuple[str, ...] = ()  # other ways to ask it
    tags: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    section: str = field(default="", compare=False)  # the anchor of the section it stands in


@dataclass(frozen=True, slots=True)
class Found:
    """Where a card stands: its blocks, counted from 0, the last one excluded. A broken card has none to show."""

    card: Card | None
    first: int
    last: int


def read_cards(text: str, *, path: str = "") -> tuple[list[Card], list[Mistake]]:
    """Every card of a text in its order, and every mistake; a broken card is left out and the rest is read."""
    document = parse(text)
    found, mistakes = find_cards(document, path=path)
    for block in document.blocks:
        mistakes += lone_dollars(block.tokens, path)
    return [each.card for each in found if each.card], sorted(mistakes, key=lambda mistake: mistake.line)


def find_cards(document: Document, *, path: str) -> tuple[list[Found], list[Mistake]]:
    reader = _Reader(document, path)
    found = list(reader.read())
    return found, reader.mistakes


def showings(card: Card) -> list[Card]:
    """What is learned separately: each gap of a text as its own card `id.1`, `id.2`, ...; any other card is itself."""
    if card.question.form is not Form.GAP or card.question.gap:
        return [card]
    count = len(marks(card.question.prompt))
    return [replace(card, id=f"{card.id}.{gap}", question=replace(card.question, gap=gap)) for gap in range(1, count + 1)]


def gap_texts(prompt: str) -> list[str]:
    """What the gaps of a text hold, in order."""
    return [prompt[start + 2 : end - 2] for start, end in marks(prompt)]


def gaps_hidden(prompt: str, gap: int = 0, *, blank: str = "[…]") -> str:
    """The text with the asked gap blanked and the others filled; with gap 0 all are blanked."""
    return _with_gaps(prompt, lambda number, text: blank if gap in (0, number) else text)


def gaps_shown(prompt: str, gap: int = 0) -> str:
    """The whole text with what was asked in bold."""
    return _with_gaps(prompt, lambda number, text: f"**{text}**" if gap in (0, number) else text)


def _with_gaps(prompt: str, show: Callable[[int, str], str]) -> str:
    pieces, position = [], 0
    for number, (start, end) in enumerate(marks(prompt), start=1):
        pieces += [prompt[position:start], show(number, prompt[start + 2 : end - 2])]
        position = end
    return "".join([*pieces, prompt[position:]])


# -- reading -------------------------------------------------------------------------------------------------------------

_ID = re.compile(r"(?:^|\s)\^(\S*)$")
_GOOD_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TERM = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])(?: {1,4}(?! )| |\t|$)")  # five spaces and more are one, and code
_BOX = re.compile(r"\[([ xX])\](?:\s|$)")
_LINES_UNDER = ("aka", "tags", "points")
LONGEST_ID = 120


class _Broken(Exception):
    """A card cannot be used; carries what was expected and what came."""

    def __init__(self, line: int, expected: str, came: str) -> None:
        super().__init__(expected, came)
        self.line, self.expected, self.came = line, expected, came


@dataclass(frozen=True, slots=True)
class _Head:
    """The first paragraph of a card."""

    id: str
    text: str
    aka: tuple[str, ...]
    tags: tuple[str, ...]
    points: tuple[str, ...]
    line: int


class _Reader:
    def __init__(self, document: Document, path: str) -> None:
        self.document, self.blocks, self.path = document, document.blocks, path
        self.mistakes: list[Mistake] = []
        self.lines_of_ids: dict[str, int] = {}
        self.at = 0

    def read(self) -> Iterator[Found]:
        while self.at < len(self.blocks):
            first, letter = self.at, opening(self.document, self.blocks[self.at])
            self.at += 1
            if letter:
                yield Found(self.read_card(first, letter), first, self.at)

    def read_card(self, first: int, letter: str) -> Card | None:
        block = self.blocks[first]
        try:
            if letter == "A":
                raise _Broken(block.start + 1, "a question (Q:) before this answer", self.quoted(block))
            # the blocks are taken before the head is judged, so that a mistake in the head does not set the answer adrift
            body = self.take_body() if letter == "Q" else None
            head = self.read_head(block)
            card = self.make_question_card(head, body) if body else self.make_gap_card(head)
            self.claim(card)
            return card
        except _Broken as broken:
            self.mistakes.append(Mistake(self.path, broken.line, broken.expected, broken.came))
            return None

    def quoted(self, block: Block) -> str:
        return short(self.document.lines[block.start])

    def claim(self, card: Card) -> None:
        if card.id in self.lines_of_ids:
            raise _Broken(card.line, "an id of its own", f"^{card.id}, which line {self.lines_of_ids[card.id]} has")
        self.lines_of_ids[card.id] = card.line

    # the blocks of a question

    def take_body(self) -> _Body:
        """Everything up to the end of the answer; moves past it."""
        start, end = self.at, self.at
        while end < len(self.blocks) and not self.ends_card(end):
            block = self.blocks[end]
            if opening(self.document, block) == "A":
                return self.take_answer(start, end)
            end += 1
            if is_task_list(block):
                break
        if end < len(self.blocks) and end > start and opening(self.document, self.blocks[end]) == "A":
            return self.take_answer(start, end)
        return self.take_unanswered(start, end)

    def take_unanswered(self, start: int, end: int) -> _Body:
        """Options, steps and pairs are a key of their own; otherwise only the question's paragraph is the card's."""
        keys = [at for at in range(start, end) if is_task_list(self.blocks[at]) or is_steps(self.blocks[at]) or is_pairs(self.blocks[at])]
        self.at = keys[0] + 1 if keys else start
        return _Body(self.blocks[start : self.at], None, [])

    def take_answer(self, start: int, answer: int) -> _Body:
        self.at = answer + 1
        text = _after_letter(self.document, self.blocks[answer])
        typed = bool(_is_number(text) or _terms(text)) and not (answer > start and is_task_list(self.blocks[answer - 1]))
        if self.is_lone(self.blocks[answer]) or typed:
            while self.at < len(self.blocks) and not self.ends_answer(self.at):
                self.at += 1
        rest = self.blocks[answer + 1 : self.at]
        if (typed or self.is_lone(self.blocks[answer])) and self.at < len(self.blocks) and _is_stars(self.blocks[self.at]):
            self.at += 1
        return _Body(self.blocks[start:answer], self.blocks[answer], rest)

    def is_lone(self, block: Block) -> bool:
        return self.document.lines[block.start].strip() == "A:"

    def ends_card(self, at: int) -> bool:
        block = self.blocks[at]
        return opening(self.document, block) in ("Q", "C") or block.kind == "heading_open" or _is_stars(block) or is_erratum(self.document, block)

    def ends_answer(self, at: int) -> bool:
        return self.ends_card(at) or opening(self.document, self.blocks[at]) == "A"

    def source(self, blocks: list[Block]) -> str:
        return self.document.source(blocks[0].start, blocks[-1].end) if blocks else ""

    # the first paragraph

    def read_head(self, block: Block) -> _Head:
        line = block.start + 1
        first, *under = [text.strip() for text in self.document.lines[block.start : block.end]]
        found = _ID.search(first)
        if not found:
            raise _Broken(line, "an id such as ^attention-scaling-q01 at the end of the card's first line", short(first))
        name = found[1]
        if not _GOOD_ID.fullmatch(name) or len(name) > LONGEST_ID:
            raise _Broken(line, "an id of lower-case letters, digits and single hyphens", short(f"^{name}"))
        listed = self.read_lines_under(under, line)
        return _Head(name, first[2 : found.start()].strip(), listed["aka"], listed["tags"], listed["points"], line)

    def read_lines_under(self, under: list[str], line: int) -> dict[str, tuple[str, ...]]:
        listed: dict[str, tuple[str, ...]] = dict.fromkeys(_LINES_UNDER, ())
        for offset, text in enumerate(under, start=1):
            name, colon, rest = text.partition(":")
            if name == "A" and colon:
                raise _Broken(line + offset, "an empty line between Q: and A:", short(text))
            if name not in _LINES_UNDER or not colon:
                raise _Broken(line + offset, "aka:, tags:, points: or an empty line under the question", short(text))
            items = split_list(rest, ";," if name == "tags" else ";")
            if listed[name] or not items:
                raise _Broken(line + offset, f"one {name}: line with something in it", short(text))
            listed[name] = items
        return listed

    # the forms

    def make_gap_card(self, head: _Head) -> Card:
        problem = gap_problem(head.text)
        if problem:
            raise _Broken(head.line, *problem)
        return self.make_card(head, Question(Form.GAP, head.text, points=head.points))

    def make_question_card(self, head: _Head, body: _Body) -> Card:
        key = body.question[-1] if body.question else None
        if key and is_task_list(key):
            return self.finish(head, body.question[:-1], Question(Form.CHOICE, "", self.answer_of(body), options=self.read_options(key)))
        text = _after_letter(self.document, body.answer) if body.answer else ""
        if body.answer and _is_number(text):
            quantity = self.read_quantity(text, body.answer.start + 1)
            return self.finish(head, body.question, Question(Form.NUMBER, "", self.source(body.rest), quantity=quantity))
        if terms := _terms(text):
            return self.finish(head, body.question, Question(Form.TERM, "", self.source(body.rest), terms=terms))
        if key and is_steps(key):
            return self.finish(head, body.question[:-1], Question(Form.ORDER, "", self.answer_of(body), steps=self.read_steps(key)))
        if key and is_pairs(key):
            return self.finish(head, body.question[:-1], self.read_match(key, self.answer_of(body)))
        if body.answer is None:
            raise _Broken(head.line, "an answer (A:) after the question", f"none for ^{head.id}")
        return self.finish(head, body.question, Question(Form.PROSE, "", self.answer_of(body)))

    def answer_of(self, body: _Body) -> str:
        if body.answer is None:
            return ""
        first, *others = self.source([body.answer, *body.rest]).split("\n")
        beside = first.lstrip()[2:].strip()
        answer = "\n".join([beside, *others]).rstrip() if beside else trimmed(others)
        if not answer:
            raise _Broken(body.answer.start + 1, "something after A:", "nothing")
        return answer

    def finish(self, head: _Head, blocks: list[Block], question: Question) -> Card:
        prompt = "\n\n".join(part for part in (head.text, self.source(blocks)) if part)
        if not prompt:
            raise _Broken(head.line, "a question after Q:", f"only its id ^{head.id}")
        return self.make_card(head, replace(question, prompt=prompt, points=head.points))

    def make_card(self, head: _Head, question: Question) -> Card:
        return Card(head.id, question, head.aka, head.tags, head.line)

    def read_options(self, block: Block) -> tuple[Option, ...]:
        options = tuple(self.read_option(text, line) for text, line in _items(self.document, block))
        right = sum(option.right for option in options)
        if right != 1:
            raise _Broken(block.start + 1, "one right option, - [x]", f"{right}")
        if len(options) != 4:
            raise _Broken(block.start + 1, "three wrong options, - [ ]", f"{len(options) - right}")
        return options

    def read_option(self, text: str, line: int) -> Option:
        first, _, why = text.partition("\n")
        box, words = _BOX.match(first), first[3:].strip()
        if not box:
            raise _Broken(line, "every option as - [x] or - [ ]", short(first))
        if not words:
            raise _Broken(line, "the option's text beside its box", short(first))
        return Option(words, box[1] != " ", why.strip("\n"))

    def read_steps(self, block: Block) -> tuple[str, ...]:
        steps = tuple(text.strip("\n") for text, _ in _items(self.document, block))
        if len(steps) < 2 or not all(steps):
            raise _Broken(block.start + 1, "at least two steps, none empty", f"{len(steps)}")
        return steps

    def read_match(self, block: Block, answer: str) -> Question:
        heads, *rows = _table(block)
        if len(rows) < 2 or not all(left and right for left, right in rows):
            raise _Broken(block.start + 1, "at least two pairs, no cell empty", f"{len(rows)} rows")
        return Question(Form.MATCH, "", answer, pairs=tuple((left, right) for left, right in rows), heads=(heads[0], heads[1]))

    def read_quantity(self, text: str, line: int) -> Quantity:
        try:
            return read_quantity(text)
        except ValueError as problem:
            expected = "= NUMBER [± TOLERANCE[%]] [UNIT] alone in its paragraph"
            raise _Broken(line, expected, f"{short(text)} ({problem})") from None


@dataclass(frozen=True, slots=True)
class _Body:
    question: list[Block]  # between Q: and A:
    answer: Block | None
    rest: list[Block]  # what an open answer holds besides its first paragraph


def opening(document: Document, block: Block) -> str:
    """Q, C or A when the block is a paragraph that starts a card or an answer, otherwise nothing."""
    if block.kind != "paragraph_open":
        return ""
    first = document.lines[block.start].lstrip()
    return first[0] if first[:1] in ("Q", "C", "A") and first[1:2] == ":" and (len(first) == 2 or first[2].isspace()) else ""


def is_erratum(document: Document, block: Block) -> bool:
    return block.kind == "blockquote_open" and document.lines[block.start].lstrip(" >").casefold().startswith("[!erratum]")


def is_task_list(block: Block) -> bool:
    """A bullet list whose first item has a box; that all of them have one is judged when it is read."""
    if block.kind != "bullet_list_open":
        return False
    return any(token.type == "inline" and token.level == 3 and _BOX.match(token.content) is not None for token in block.tokens)


def is_steps(block: Block) -> bool:
    return block.kind == "ordered_list_open"


def is_pairs(block: Block) -> bool:
    return block.kind == "table_open" and sum(token.type == "th_open" for token in block.tokens) == 2


def gap_problem(prompt: str) -> tuple[str, str] | None:
    """What is wrong with the gaps of a text: what was expected, what came."""
    for child in inline_tokens(prompt):
        if child.type == "math_inline" and "==" in child.content:
            return "gaps that hold whole formulas, ==$x$==", f"== inside {short(child.content)}"
        if child.type == "code_inline" and marks(child.content):
            return "gaps outside code", f"== inside {short(child.content)}"
        if child.type == "text" and re.search(r"\S==|==\S", child.content):
            return "every gap opened and closed, ==gap==", short(child.content)
    gaps = gap_texts(prompt)
    if not gaps:
        return "at least one ==gap==", f"none in {short(prompt)}"
    return None


def read_quantity(text: str) -> Quantity:
    """`= 8`, `= 0.644 ± 0.002`, `= 16 ± 5% GB`: the key of a number card."""
    if "\n" in text:
        raise ValueError("the explanation comes after an empty line")
    number, sign, allowed = text.removeprefix("=").partition("±")
    reading = read_number(number)
    if not sign:
        return Quantity(reading.value, unit=_unit(reading.unit))
    if reading.unit:
        raise ValueError("the unit comes last")
    found = re.fullmatch(r"\s*([^\s%]+)(%?)(?:\s+(\S.*?))?\s*", allowed)
    if not found:
        raise ValueError("I could not read the tolerance")
    tolerance = read_number(found[1])
    if tolerance.value < 0 or (tolerance.unit and found[3]):
        raise ValueError("I could not read the tolerance")
    share = _hundredth(found[1]) if found[2] else tolerance.value
    return Quantity(reading.value, share, bool(found[2]), _unit(tolerance.unit or found[3] or ""))


def _unit(text: str) -> str:
    if len(text.split()) > 4 or len(text) > 40 or (text and (text[0].isdigit() or "±" in text)):
        raise ValueError("the unit is a word or two")
    return text


def _hundredth(text: str) -> float:
    """Exact for decimals, so that 10% is the number 0.1 and not its neighbour."""
    try:
        return float(Decimal(text) / 100)
    except InvalidOperation:
        return read_number(text).value / 100


def split_list(text: str, separators: str) -> tuple[str, ...]:
    """The items of an aka:, tags: or points: line; a separator inside $a formula$ separates nothing."""
    items, current, in_formula, previous = [], "", False, ""
    for letter in text:
        in_formula ^= letter == "$" and previous != "\\"
        if letter in separators and not in_formula:
            items.append(current)
            current = ""
        else:
            current += letter
        previous = letter
    return tuple(item.strip() for item in [*items, current] if item.strip())


def _after_letter(document: Document, block: Block) -> str:
    return document.source(block.start, block.end).lstrip()[2:].strip()


def _is_stars(block: Block) -> bool:
    return block.kind == "hr" and block.tokens[0].markup.startswith("*")


def _is_number(text: str) -> bool:
    return text.startswith("=")


def _terms(text: str) -> tuple[str, ...]:
    """The quoted spellings when the whole text is nothing else."""
    terms, position = [], 0
    while found := _TERM.match(text, position):
        terms.append(re.sub(r'\\(["\\])', r"\1", found[1]))
        rest = text[found.end() :].lstrip()
        if not rest:
            return tuple(terms) if all(term.strip() for term in terms) and "\n" not in text else ()
        if not rest.startswith("|"):
            return ()
        position = len(text) - len(rest[1:].lstrip())
    return ()


def _items(document: Document, block: Block) -> Iterator[tuple[str, int]]:
    """The Markdown of each item of a list, its marker and indent taken off, with its line."""
    for token in block.tokens:
        if token.type == "list_item_open" and token.level == 1 and token.map:
            first, *rest = document.source(token.map[0], token.map[1]).split("\n")
            found = _ITEM.match(first)
            width = found.end() if found else 0
            yield "\n".join([first[width:].rstrip(), *(_dedented(line, width) for line in rest)]), token.map[0] + 1


def _dedented(line: str, width: int) -> str:
    return line[min(width, len(line) - len(line.lstrip())) :].rstrip()


def _table(block: Block) -> list[list[str]]:
    """Rows of cells, the head first."""
    rows: list[list[str]] = []
    for token in block.tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content.strip())
    return rows


# -- writing -------------------------------------------------------------------------------------------------------------


def write_card(card: Card) -> str:
    """The card as Markdown that reads back as the same card; says so when its text does not allow that."""
    why = "its text reads as another card"
    for text in _spellings(card):
        back, mistakes = read_cards(text)
        if back == [card]:
            return text
        if mistakes:
            why = f"expected {mistakes[0].expected}, came {mistakes[0].came}"
    raise ValueError(f"card {card.id} cannot be written as Markdown: {why}")


def _spellings(card: Card) -> Iterator[str]:
    """The card as a person would write it, then with its question or answer as blocks of their own, for texts that need it."""
    question = card.question
    beside = "\n" not in question.prompt and _one_paragraph(question.prompt)
    for head in (_write_head(card, beside=beside), _write_head(card, beside=not beside)):
        for answer in dict.fromkeys((_write_answer(question, is_open(card)), _write_answer(question, True), _write_answer(question, False))):
            yield "\n\n".join(part for part in (head, _write_key(question), answer) if part) + "\n"


def _write_head(card: Card, *, beside: bool) -> str:
    question, lists = card.question, []
    for name, items in (("aka", card.aka), ("tags", card.tags), ("points", question.points)):
        if items:
            lists.append(f"{name}: {'; '.join(items)}")
    if question.form is Form.GAP or beside:
        return "\n".join([f"{'C' if question.form is Form.GAP else 'Q'}: {question.prompt} ^{card.id}", *lists])
    return "\n".join([f"Q: ^{card.id}", *lists, "", question.prompt])


def _write_key(question: Question) -> str:
    match question.form:
        case Form.CHOICE:
            return "\n".join(_indented(f"- [{'x' if option.right else ' '}] ", option.text, option.why) for option in question.options)
        case Form.ORDER:
            return "\n".join(_indented(f"{number}. ", step) for number, step in enumerate(question.steps, start=1))
        case Form.MATCH:
            return "\n".join(map(_row, (question.heads, ("---", "---"), *question.pairs)))
    return ""


def _write_answer(question: Question, in_blocks: bool) -> str:
    if question.form is Form.NUMBER and question.quantity:
        return f"A: {write_quantity(question.quantity)}" + (f"\n\n{question.answer}" if question.answer else "")
    if question.form is Form.TERM:
        terms = " | ".join('"' + term.replace("\\", "\\\\").replace('"', '\\"') + '"' for term in question.terms)
        return f"A: {terms}" + (f"\n\n{question.answer}" if question.answer else "")
    if not question.answer:
        return ""
    return f"A:\n\n{question.answer}" if in_blocks else f"A: {question.answer}"


def is_open(card: Card) -> bool:
    """Does the card, as written, go on until the next card or heading?"""
    question = card.question
    return question.form in (Form.NUMBER, Form.TERM) or bool(question.answer and not _one_paragraph(question.answer))


def write_quantity(quantity: Quantity) -> str:
    parts = ["=", _digits(quantity.value)]
    if quantity.tolerance or quantity.relative:
        parts += ["±", _percent(quantity.tolerance) if quantity.relative else _digits(quantity.tolerance)]
    return " ".join([*parts, quantity.unit] if quantity.unit else parts)


def _percent(share: float) -> str:
    percent = (Decimal(_digits(share)) * 100).normalize()
    spelled = f"{percent:f}"
    return f"{spelled if len(spelled) < 25 else percent}%"


def _digits(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _one_paragraph(text: str) -> bool:
    if text[:1].isalpha() and "\n" not in text:
        return True  # a line that begins with a letter opens nothing else: no need to parse it
    blocks = parse(text).blocks
    return len(blocks) == 1 and blocks[0].kind == "paragraph_open" and not _is_number(text) and not _terms(text)


def _indented(marker: str, text: str, why: str = "") -> str:
    width = 2 if marker.startswith("-") else len(marker)
    first, *rest = f"{text}\n{why}".split("\n") if why else text.split("\n")
    return "\n".join([marker + first, *(" " * width + line if line else "" for line in rest)])


def _row(cells: tuple[str, str]) -> str:
    return f"| {cells[0].replace('|', chr(92) + '|')} | {cells[1].replace('|', chr(92) + '|')} |"
