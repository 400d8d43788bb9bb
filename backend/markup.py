"""The Markdown that notes and cards are written in: one parser, its plain text, its wikilinks.

CommonMark with tables, front matter, `$formulas$`, `[[wikilinks]]` and `==marks==`. Raw HTML is text. Notes and cards read
the blocks that come out of `parse`; nothing searches the text of a note with patterns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from backend.formulas import spoken

DEEPEST = 20  # nested quotes and lists beyond this are kept as text
DEEPEST_BRACKET = 5


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a note that its writer should put right; the rest of the note is used all the same."""

    path: str
    line: int
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: expected {self.expected}, came {self.came}"


@dataclass(frozen=True, slots=True)
class Link:
    """A wikilink: [[slug]], [[slug|words]] or [[slug#Section]]."""

    slug: str
    section: str = ""
    words: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """One block at the top of a document, with its tokens and its lines [start, end) counted from 0."""

    kind: str  # the type of its first token, such as "paragraph_open" or "fence"
    start: int
    end: int
    tokens: Sequence[Token]


@dataclass(frozen=True, slots=True)
class Document:
    lines: list[str]
    blocks: list[Block]

    def source(self, start: int, end: int) -> str:
        """The exact Markdown of these lines, without empty lines around it."""
        return trimmed(self.lines[start:end])


def trimmed(lines: Sequence[str]) -> str:
    start, end = 0, len(lines)
    while end > start and not lines[end - 1].strip():
        end -= 1
    while start < end and not lines[start].strip():
        start += 1
    return "\n".join(lines[start:end])


def parse(text: str) -> Document:
    normal = _LINE_END.sub("\n", text).replace("\0", "\ufffd")
    if normal.startswith("\ufeff"):
        normal = normal[1:]
    return Document(normal.split("\n"), list(_blocks(_PARSER.parse(normal))))


def short(text: str, length: int = 60) -> str:
    """A piece of a note as an error message quotes it."""
    line = " ".join(text[: 2 * length].split())
    return f"“{line if len(line) <= length else line[: length - 1] + '…'}”"


_LINE_END = re.compile(r"\r\n?")


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    start = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            first = tokens[start]
            lines = first.map or [0, 0]
            yield Block(first.type, lines[0], lines[1], tokens[start : index + 1])
            start = index + 1


# -- the parser ----------------------------------------------------------------------------------------------------------


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST}).enable(["table", "strikethrough"])
    parser.use(front_matter_plugin)
    # link definitions are left out: a card stands alone, and its text may not hang on a line elsewhere
    parser.disable(["reference", "lheading", "html_block", "html_inline", "text_join"])
    parser.block.ruler.before("fence", "math_block", _math_block)
    parser.inline.ruler.before("escape", "math", _math)
    parser.inline.ruler.before("link", "wikilink", _wikilink)
    parser.inline.ruler.before("emphasis", "gap", _gap)
    parser.inline.ruler.at("link", _shallow(link))
    parser.inline.ruler.at("image", _shallow(image))
    return parser


def _shallow(rule: Callable[[StateInline, bool], bool]) -> Callable[[StateInline, bool], bool]:
    """A bracket in a bracket in a bracket ... is looked into only so far: each level multiplies the work that a flood of [ costs."""

    def bounded(state: StateInline, silent: bool) -> bool:
        if state.level < DEEPEST_BRACKET or state.src[state.pos] not in "[!":
            return rule(state, silent)
        if silent:  # a search for the closing bracket: give the search up, as the parser itself does at its own limit
            state.pos = state.posMax
        return silent

    return bounded


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`$$` to `$$` over lines of one container, without an empty line between."""
    if state.is_code_block(start) or not _line_of(state, start).startswith("$$"):
        return False
    first = _line_of(state, start)[2:].rstrip()
    found, rows = start, [first.removesuffix("$$")]
    closed = first.endswith("$$") and len(first) > 2
    if "$$" in rows[0]:
        return False
    while not closed:
        found += 1
        row = _line_of(state, found).rstrip() if found < end and state.sCount[found] >= state.blkIndent else ""
        if not row:
            return False
        closed = row.endswith("$$")
        rows.append(row.removesuffix("$$"))
    if silent:
        return True
    token = state.push("math_block", "math", 0)
    token.block, token.content, token.map = True, "\n".join(rows).strip(), [start, found + 1]
    state.line = found + 1
    return True


def _line_of(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _math(state: StateInline, silent: bool) -> bool:
    """`$formula$` with no space just inside the dollars, so that prices stay prices; `$$formula$$` within a line too."""
    src, start, limit = state.src, state.pos, state.posMax
    if src[start] != "$":
        return False
    dollars = "$$" if src.startswith("$$", start) else "$"
    inner = start + len(dollars)
    if inner >= limit or src[inner].isspace():
        return False
    close = src.find(dollars, inner, limit)
    while close > inner and _escaped(src, close, inner):
        close = src.find(dollars, close + 1, limit)
    if close <= inner or src[close - 1].isspace():
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.markup = src[inner:close], dollars
    state.pos = close + len(dollars)
    return True


def _escaped(src: str, position: int, start: int) -> bool:
    before = position
    while before > start and src[before - 1] == "\\":
        before -= 1
    return (position - before) % 2 == 1


def _wikilink(state: StateInline, silent: bool) -> bool:
    src, start = state.src, state.pos
    if not src.startswith("[[", start):
        return False
    close = src.find("]]", start, min(state.posMax, start + 300))
    inner = src[start + 2 : close] if close > 0 else ""
    if not inner.strip() or "[" in inner or "]" in inner or "\n" in inner:
        return False
    if not silent:
        token = state.push("wikilink", "", 0)
        token.content, token.meta = inner, {"start": start}
    state.pos = close + 2
    return True


def _gap(state: StateInline, silent: bool) -> bool:
    """`==gap==`: no space just inside, whole formulas and code only, closed within its paragraph."""
    src, start, limit = state.src, state.pos, state.posMax
    if not src.startswith("==", start) or start + 2 >= limit or src[start + 2].isspace() or src[start + 2] == "=":
        return False
    close = _gap_end(state, start + 2, limit)
    if close < 0:
        return False
    if not silent:
        token = state.push("mark_open", "mark", 1)
        token.meta = {"start": start, "end": close + 2}
        state.pos, state.posMax = start + 2, close
        state.md.inline.tokenize(state)
        state.push("mark_close", "mark", -1)
    state.pos, state.posMax = close + 2, limit
    return True


def _gap_end(state: StateInline, position: int, limit: int) -> int:
    # once a search up to `limit` failed, no later one can succeed: remembered so that ==a ==b ==c ... stays linear
    failed = -1 - limit
    if failed in state.cache:
        return -1
    src, saved = state.src, state.pos
    begin = state.pos = position
    while state.pos < limit:
        if src.startswith("==", state.pos):
            if state.pos > begin and not src[state.pos - 1].isspace() and state.pos + 2 <= limit:
                found, state.pos = state.pos, saved
                return found
            state.pos += 2
        else:
            state.md.inline.skipToken(state)
    state.pos = saved
    state.cache[failed] = 0
    return -1


_PARSER = _parser()


# -- reading inline tokens -----------------------------------------------------------------------------------------------


def inlines(tokens: Iterable[Token]) -> Iterator[tuple[int, Token]]:
    """Every inline container with the line it starts on, counted from 0; a table's cells have their row's line."""
    line = 0
    for token in tokens:
        if token.map:
            line = token.map[0]
        if token.type == "inline":
            yield line, token


def children_by_line(line: int, container: Token) -> Iterator[tuple[int, Token]]:
    for child in container.children or ():
        yield line, child
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type in ("math_inline", "code_inline"):
            line += child.content.count("\n")


def wikilinks(tokens: Iterable[Token]) -> list[Link]:
    return [
        link_from(child.content, at + 1)
        for line, container in inlines(tokens)
        if "[[" in container.content
        for at, child in children_by_line(line, container)
        if child.type == "wikilink"
    ]


def link_from(inner: str, line: int = 0) -> Link:
    target, _, words = inner.partition("|")
    slug, _, section = target.partition("#")
    return Link(slug.strip().removesuffix("\\"), section.strip().removesuffix("\\"), words.strip(), line)


def unclosed_fence(document: Document, path: str) -> list[Mistake]:
    """A code fence that is never closed swallows all that follows: only the last block of a text can be one."""
    last = document.blocks[-1] if document.blocks else None
    if last is None or last.kind != "fence":
        return []
    fence = last.tokens[0].markup
    closing = document.source(last.start, last.end).split("\n")[-1].strip() if last.end - last.start > 1 else ""
    if len(closing) >= len(fence) and set(closing) == set(fence[0]):
        return []
    return [Mistake(path, last.start + 1, f"a line {fence} that closes the code", "the end of the note")]


def lone_dollars(tokens: Iterable[Token], path: str) -> list[Mistake]:
    """A dollar that opens no formula: it was meant as one, or as money and wants a backslash."""
    found = []
    for line, container in inlines(tokens):
        if "$" not in container.content:
            continue
        lines = [at for at, child in children_by_line(line, container) if child.type == "text" and "$" in child.content]
        for at in dict.fromkeys(lines):
            found.append(Mistake(path, at + 1, "a formula between two dollars, or \\$ for money", f"a lone $ in {short(container.content)}"))
    return found


def inline_tokens(text: str) -> list[Token]:
    """The inline tokens of one paragraph's text, whatever blocks it might look like."""
    return _PARSER.parseInline(text)[0].children or [] if text else []


def marks(text: str) -> list[tuple[int, int]]:
    """Where ==marked== pieces stand in one paragraph's text, from the first = to after the last."""
    if "==" not in text:
        return []
    return [(child.meta["start"], child.meta["end"]) for child in inline_tokens(text) if child.type == "mark_open"]


# -- plain text ----------------------------------------------------------------------------------------------------------


def plain(markdown: str) -> str:
    """The text as it is read aloud or searched: no marks, formulas in words and symbols, tables row by row."""
    return plain_of(token for block in parse(markdown).blocks for token in block.tokens)


def plain_of(tokens: Iterable[Token]) -> str:
    paragraphs: list[str] = []
    row: list[str] | None = None
    for token in tokens:
        if token.type == "inline":
            text = plain_inline(token.children or ())
            paragraphs.append(text) if row is None else row.append(text)
        elif token.type in ("fence", "code_block"):
            paragraphs.append(token.content.rstrip())
        elif token.type == "math_block":
            paragraphs.append(spoken(token.content))
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close" and row is not None:
            paragraphs.append("; ".join(cell for cell in row if cell))
            row = None
    return "\n".join(text for text in paragraphs if text)


def plain_inline(children: Iterable[Token]) -> str:
    return "".join(map(_plain_token, children)).strip()


def _plain_token(token: Token) -> str:
    match token.type:
        case "text" | "text_special" | "code_inline":
            return token.content
        case "math_inline":
            return spoken(token.content)
        case "softbreak" | "hardbreak":
            return " "
        case "wikilink":
            link = link_from(token.content)
            return link.words or link.section or link.slug.replace("-", " ")
        case "image":
            return plain_inline(token.children or ())
    return ""


def slugify(heading: str) -> str:
    """A heading as an address: letters and digits of any script in lower case, hyphens between."""
    folded = unicodedata.normalize("NFKC", heading).casefold()
    words = "".join(letter if letter.isalnum() or unicodedata.category(letter).startswith("M") else " " for letter in folded).split()
    return "-".join(words)


# -- links that a screen can follow --------------------------------------------------------------------------------------


def linked(markdown: str, title_of: Callable[[str], str | None]) -> str:
    """The same Markdown with its wikilinks as ordinary links to the reading screen; code and formulas are left alone."""
    if "[[" not in markdown:
        return markdown
    document = parse(markdown)
    lines = list(document.lines)
    for block in document.blocks:
        before: dict[int, str] = {}  # what the earlier cells of a table row hold
        edits: dict[int, list[tuple[int, int, str]]] = {}
        for line, container in inlines(block.tokens):
            _find_edits(lines, line, container, before, edits, title_of)
        for line, changes in edits.items():
            for start, end, text in sorted(changes, reverse=True):
                lines[line] = lines[line][:start] + text + lines[line][end:]
    return "\n".join(lines)


def _find_edits(
    lines: list[str],
    line: int,
    container: Token,
    before: dict[int, str],
    edits: dict[int, list[tuple[int, int, str]]],
    title_of: Callable[[str], str | None],
) -> None:
    """Where the source has each wikilink of a container: on its line, the same occurrence of its text as in the parsed content."""
    content = container.content
    starts = [0, *(index + 1 for index, letter in enumerate(content) if letter == "\n")]
    for child in container.children or ():
        if child.type != "wikilink":
            continue
        raw, start = f"[[{child.content}]]", child.meta["start"]
        row = max(index for index, begin in enumerate(starts) if begin <= start)
        nth = content.count(raw, starts[row], start) + before.get(line + row, "").count(raw)
        place = _nth(lines[line + row], (raw, raw.replace("|", "\\|")), nth)
        if place:
            edits.setdefault(line + row, []).append((*place, _markdown_link(link_from(child.content), title_of)))
    before[line] = before.get(line, "") + content


def _nth(line: str, spellings: tuple[str, ...], nth: int) -> tuple[int, int] | None:
    for raw in spellings:
        position = -1
        for _ in range(nth + 1):
            position = line.find(raw, position + 1)
            if position < 0:
                break
        if position >= 0:
            return position, position + len(raw)
    return None


def _markdown_link(link: Link, title_of: Callable[[str], str | None]) -> str:
    anchor = f"#{slugify(link.section)}" if link.section else ""
    if not link.slug:
        return f"[{_label(link.words or link.section)}]({anchor})"
    title = title_of(link.slug)
    if title is None:
        return f"{_label(link.words or link.slug)} (no such topic)"
    words = link.words or (f"{title}: {link.section}" if link.section else title)
    return f"[{_label(words)}](/read?topic={quote(link.slug)}{anchor})"


def _label(words: str) -> str:
    return words.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
