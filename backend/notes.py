"""Notes: one Markdown file per topic, read into parts that a screen draws from top to bottom and sections that search cites.

`read_note` reports every mistake at once and uses whatever can be used. `read_tree` reads the whole of content/ in the order
of its tracks, and `check_tree` looks at what only shows between notes: links, prerequisites, ids.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from backend.cards import Card, Found, find_cards, is_open, write_card
from backend.markup import (
    Block,
    Document,
    Link,
    Mistake,
    linked,
    lone_dollars,
    parse,
    plain,
    plain_inline,
    plain_of,
    short,
    slugify,
    unclosed_fence,
    wikilinks,
)

__all__ = [
    "Callout", "CardPart", "Erratum", "Link", "Mistake", "Note", "Part", "Prose", "Section", "Track",
    "check_tree", "linked", "plain", "read_note", "read_tracks", "read_tree", "slugify", "write_note",
]  # fmt: skip

LARGEST_NOTE = 100_000  # bytes
LONGEST_HEADING = 200  # characters of it that stand in paths and addresses
TOP = "top"  # the anchor of what stands above the first heading


@dataclass(frozen=True)
class Prose:
    """A run of Markdown, word for word, with the heading that opens its section if there is one."""

    markdown: str
    section: str = TOP
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class CardPart:
    card: Card


@dataclass(frozen=True)
class Erratum:
    """A widespread note is wrong here: what it says, what is right, who says so."""

    said: str
    right: str
    source: str
    section: str = TOP
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Callout:
    kind: str  # in lower case: note, tip, warning ...
    title: str
    markdown: str
    section: str = TOP
    line: int = field(default=0, compare=False)


Part = Prose | CardPart | Erratum | Callout


@dataclass(frozen=True)
class Section:
    """The text under one heading up to the next; together the sections cover the note without gaps."""

    anchor: str
    path: tuple[str, ...]  # headings from the top down to this one
    level: int  # 0 above the first heading
    markdown: str  # without the heading, cards and errata
    plain: str
    start: int = field(default=0, compare=False)  # note.text[start:end] is the section as written, cards and all
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Note:
    slug: str
    track: str
    title: str
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    sections: tuple[Section, ...] = ()
    links: tuple[Link, ...] = ()
    text: str = field(default="", compare=False, repr=False)
    path: str = field(default="", compare=False)

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(part.card for part in self.parts if isinstance(part, CardPart))

    @property
    def errata(self) -> tuple[Erratum, ...]:
        return tuple(part for part in self.parts if isinstance(part, Erratum))


@dataclass(frozen=True)
class Track:
    slug: str
    title: str
    topics: tuple[str, ...]


# -- reading a note ------------------------------------------------------------------------------------------------------


def read_note(text: str | bytes, *, slug: str, track: str, path: str) -> tuple[Note | None, list[Mistake]]:
    """The note with every mistake in it; None only when nothing of it can be used."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(raw) > LARGEST_NOTE:
        return None, [Mistake(path, 1, f"a note of at most {LARGEST_NOTE // 1000} KB; split it into two topics", f"{len(raw) / 1000:.0f} KB")]
    decoded, mistakes = _decode(text, path)
    document = parse(decoded)
    front, front_mistakes = _read_front(document, path)
    mistakes += front_mistakes
    if front is None:
        return None, mistakes
    found, card_mistakes = find_cards(document, path=path)
    body = _Body(document, found, path, _line_starts(decoded))
    body.read()
    mistakes += card_mistakes + body.mistakes + unclosed_fence(document, path)
    note = Note(
        slug=slug, track=track, title=front.title or slug, aliases=front.aliases, needs=front.needs, labs=front.labs, sources=front.sources,
        parts=tuple(body.parts), sections=tuple(body.sections), links=tuple(body.links), text=decoded, path=path,
    )  # fmt: skip
    return note, sorted(mistakes, key=lambda mistake: mistake.line)


def _decode(text: str | bytes, path: str) -> tuple[str, list[Mistake]]:
    if isinstance(text, str):
        return text, []
    try:
        return text.decode("utf-8"), []
    except UnicodeDecodeError as problem:
        line = text.count(b"\n", 0, problem.start) + 1
        return text.decode("utf-8", "replace"), [Mistake(path, line, "text in UTF-8", f"the byte 0x{text[problem.start]:02x}")]


_LINE_END = re.compile(r"\r\n?|\n")


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in _LINE_END.finditer(text)), len(text)]


class _Body:
    """Walks the blocks below the front matter once and sorts them into parts and sections."""

    def __init__(self, document: Document, found: list[Found], path: str, line_starts: list[int]) -> None:
        self.document, self.path, self.line_starts = document, path, line_starts
        self.cards = {each.first: each for each in found}
        self.parts: list[Part] = []
        self.sections: list[Section] = []
        self.links: list[Link] = []
        self.mistakes: list[Mistake] = []
        self.anchors: dict[str, int] = {TOP: 1}  # how often each was asked for
        self.headings: list[tuple[int, str]] = []  # the open ones: level and words
        self.run: list[Block] = []  # blocks of prose that no part has taken yet
        self.run_end = 0
        self.open_section(TOP, 0, 0)

    def read(self) -> None:
        blocks = self.document.blocks
        at = 0
        if blocks and blocks[0].kind == "front_matter":
            at, self.start = 1, blocks[0].end
        while at < len(blocks):
            at = self.take(at)
        self.close_run()
        self.close_section(len(self.document.lines))

    def take(self, at: int) -> int:
        """Sorts the block at this place, or the card that starts there, and says where to go on."""
        block = self.document.blocks[at]
        if at in self.cards:
            self.close_run()
            end = self.cards[at].last
            self.take_card(self.cards[at])
            self.look_into(self.document.blocks[at:end])
            return end
        self.look_into([block])
        if block.kind == "heading_open":
            self.take_heading(block)
        elif block.kind == "blockquote_open" and (callout := _callout(self.document, block)):
            self.close_run()
            self.take_callout(block, *callout)
        else:
            self.run.append(block)
        return at + 1

    def look_into(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self.links += wikilinks(block.tokens)
            self.mistakes += lone_dollars(block.tokens, self.path)

    def take_card(self, found: Found) -> None:
        if found.card:
            self.parts.append(CardPart(replace(found.card, section=self.anchor)))

    def take_heading(self, block: Block) -> None:
        self.close_run()
        self.close_section(block.start)
        level = int(block.tokens[0].tag[1:])
        words = plain_inline(block.tokens[1].children or ())[:LONGEST_HEADING]
        self.headings = [(above, text) for above, text in self.headings if above < level] + [(level, words)]
        self.open_section(self.new_anchor(words), level, block.start)
        self.run = [block]

    def new_anchor(self, words: str) -> str:
        base = anchor = slugify(words) or "section"
        while anchor in self.anchors:
            self.anchors[base] += 1
            anchor = f"{base}-{self.anchors[base]}"
        self.anchors[anchor] = 1
        return anchor

    def open_section(self, anchor: str, level: int, start: int) -> None:
        self.anchor, self.level, self.start = anchor, level, start
        self.prose: list[str] = []
        self.plain: list[str] = []

    def close_section(self, end_line: int) -> None:
        start, end = self.line_starts[self.start], self.line_starts[min(end_line, len(self.line_starts) - 1)]
        words = tuple(text for _, text in self.headings)
        self.sections.append(Section(self.anchor, words, self.level, "\n\n".join(self.prose), "\n".join(self.plain), start, end))

    def close_run(self) -> None:
        """Makes one part of the prose gathered so far."""
        if not self.run:
            return
        blocks, self.run = self.run, []
        markdown = self.document.source(blocks[0].start, blocks[-1].end)
        below = blocks[1:] if blocks[0].kind == "heading_open" else blocks
        if below:
            self.prose.append(self.document.source(below[0].start, below[-1].end))
            self.plain.append(plain_of(token for block in below for token in block.tokens))
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Prose) and last.section == self.anchor:  # a broken card stood between
            self.parts[-1] = replace(last, markdown=f"{last.markdown}\n\n{markdown}")
        else:
            self.parts.append(Prose(markdown, self.anchor, blocks[0].start + 1))

    def take_callout(self, block: Block, kind: str, title: str, body: str) -> None:
        line = block.start + 1
        if kind == "erratum":
            self.take_erratum(body, line)
            return
        callout = Callout(kind, title, body, self.anchor, line)
        self.parts.append(callout)
        self.prose.append(_write_callout(callout))
        self.plain.append("\n".join(text for text in (title, plain(body)) if text))

    def take_erratum(self, body: str, line: int) -> None:
        said = _labelled(body, ("Said", "Right", "Source"))
        missing = [f"{name}:" for name, text in said.items() if not text]
        if missing:
            came = f"none or an empty {' and '.join(missing)}"
            self.mistakes.append(Mistake(self.path, line, "an erratum of three lines, Said:, Right: and Source:", came))
            return
        self.parts.append(Erratum(said["Said"], said["Right"], said["Source"], self.anchor, line))


def _callout(document: Document, block: Block) -> tuple[str, str, str] | None:
    """Kind, title and the Markdown inside, when the quote starts with [!kind]."""
    first, *rest = [_unquoted(line) for line in document.source(block.start, block.end).split("\n")]
    head = first.strip()
    kind, bracket, title = head[2:].partition("]")
    if not head.startswith("[!") or not bracket or not kind.replace("-", "").isalnum():
        return None
    return kind.lower(), title.lstrip("+-").strip(), "\n".join(rest).strip("\n")


def _unquoted(line: str) -> str:
    bare = line.lstrip(" ")
    return bare[1:].removeprefix(" ") if bare.startswith(">") else line


def _labelled(body: str, names: Sequence[str]) -> dict[str, str]:
    """The text after each `Name:`; a line without a name goes on with the one before."""
    found = dict.fromkeys(names, "")
    current = ""
    for line in body.split("\n"):
        name, colon, text = line.strip().partition(":")
        if colon and name in found and not found[name]:
            current, found[name] = name, text.strip()
        elif line.strip() and current:
            found[current] = f"{found[current]} {line.strip()}".strip()
    return found


# -- front matter --------------------------------------------------------------------------------------------------------

_LISTS = ("aliases", "needs", "labs", "sources")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass
class _Front:
    title: str = ""
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class _BrokenFront(Exception):
    def __init__(self, line: int, expected: str, came: str) -> None:
        super().__init__(expected, came)
        self.line, self.expected, self.came = line, expected, came


def _read_front(document: Document, path: str) -> tuple[_Front | None, list[Mistake]]:
    """The front matter, or None when it is broken; a note without any is read under its slug."""
    first = document.blocks[0] if document.blocks else None
    if first is None or first.kind != "front_matter":
        if document.lines[0].strip() == "---":
            return None, [Mistake(path, 1, "front matter that ends in a line ---", "none")]
        return _Front(), [Mistake(path, 1, "front matter with a title between two lines ---", short(document.lines[0]) if first else "an empty note")]
    try:
        values = dict(_plain_yaml(first.tokens[0].content))
    except _BrokenFront as broken:
        return None, [Mistake(path, broken.line + 2, broken.expected, broken.came)]
    mistakes = list(_front_mistakes(values, path))
    lists = {name: _front_list(name, values[name][0]) for name in _LISTS if name in values}
    title = values.get("title", ("", 0))[0]
    return _Front(title if isinstance(title, str) else ", ".join(title), **lists), mistakes


def _front_list(name: str, value: str | tuple[str, ...]) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    return tuple(item for item in items if item and (name not in ("needs", "labs") or _SLUG.fullmatch(item)))


def _front_mistakes(values: dict[str, tuple[str | tuple[str, ...], int]], path: str) -> Iterator[Mistake]:
    if not values.get("title", ("", 0))[0]:
        yield Mistake(path, 1, "a title in the front matter", "none")
    for name, (value, line) in values.items():
        if name == "title" and not isinstance(value, str):
            yield Mistake(path, line + 2, "one title", "a list")
        elif name in _LISTS and isinstance(value, str) and value:
            yield Mistake(path, line + 2, f"{name} as a list, [one, another]", short(value))
        elif name != "title" and name not in _LISTS:
            yield Mistake(path, line + 2, f"title, {', '.join(_LISTS)}", short(name))
        if name in ("needs", "labs"):
            for item in (value,) if isinstance(value, str) else value:
                if item and not _SLUG.fullmatch(item):
                    yield Mistake(path, line + 2, f"a slug of lower-case letters, digits and hyphens under {name}", short(item))


def _plain_yaml(text: str) -> Iterator[tuple[str, tuple[str | tuple[str, ...], int]]]:
    """Keys with texts or flat lists of texts, and the line of each.

    YAML's events are read one by one and the first that is anything else ends the reading: no aliases that multiply, no
    objects, no nesting.
    """
    try:
        events = (event for event in yaml.parse(text, Loader=yaml.SafeLoader))
        for wanted in (yaml.StreamStartEvent, yaml.DocumentStartEvent):
            event = next(events)
            if not isinstance(event, wanted):
                return
        event = next(events)
        if not isinstance(event, yaml.MappingStartEvent) or event.anchor or event.tag:
            raise _BrokenFront(0, "front matter of lines such as title: ...", "something else")
        seen: set[str] = set()
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _yaml_text(event)
            if key in seen:
                raise _BrokenFront(_yaml_line(event), f"{key} once", "twice")
            seen.add(key)
            yield key, (_yaml_value(next(events), events), _yaml_line(event))
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        raise _BrokenFront(mark.line if mark else 0, "front matter in YAML", str(getattr(problem, "problem", None) or "unreadable text")) from None


def _yaml_value(event: yaml.Event, events: Iterator[yaml.Event]) -> str | tuple[str, ...]:
    if not isinstance(event, yaml.SequenceStartEvent) or event.anchor or event.tag:
        return _yaml_text(event)
    items = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        items.append(_yaml_text(event))
    return tuple(item for item in items if item)


def _yaml_text(event: yaml.Event) -> str:
    if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
        raise _BrokenFront(_yaml_line(event), "plain text or a list of plain texts", _YAML_NAMES.get(type(event), "an anchor or a tag"))
    return event.value.strip()


def _yaml_line(event: yaml.Event) -> int:
    return event.start_mark.line if event.start_mark else 0


_YAML_NAMES = {yaml.AliasEvent: "an alias (*)", yaml.MappingStartEvent: "a mapping (a colon inside?)", yaml.SequenceStartEvent: "a list in a list"}


# -- writing a note ------------------------------------------------------------------------------------------------------


def write_note(note: Note) -> str:
    """The note as Markdown that reads back as the same note."""
    pieces = [_write_front(note)]
    for place, part in enumerate(note.parts):
        before = note.parts[place - 1] if place else None
        if isinstance(before, CardPart) and is_open(before.card) and _would_be_swallowed(part, before.card):
            pieces.append("***")
        pieces.append(_write_part(part))
    return "\n\n".join(pieces) + "\n"


def _would_be_swallowed(part: Part, card: Card) -> bool:
    """Would an answer that runs to the next card or heading take this part in?"""
    return isinstance(part, Callout) or (isinstance(part, Prose) and part.section == card.section)


def _write_part(part: Part) -> str:
    match part:
        case Prose():
            return part.markdown
        case CardPart():
            return write_card(part.card).rstrip("\n")
        case Erratum():
            return f"> [!erratum]\n> Said: {part.said}\n> Right: {part.right}\n> Source: {part.source}"
        case Callout():
            return _write_callout(part)


def _write_callout(callout: Callout) -> str:
    lines = [f"[!{callout.kind}] {callout.title}".rstrip(), *(callout.markdown.split("\n") if callout.markdown else [])]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _write_front(note: Note) -> str:
    values: dict[str, object] = {"title": note.title}
    values |= {name: list(getattr(note, name)) for name in _LISTS if getattr(note, name)}
    dumped = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, default_flow_style=None, width=10**6)
    return f"---\n{dumped}---"


# -- the tree of notes ---------------------------------------------------------------------------------------------------


def read_tracks(folder: Path) -> list[Track]:
    """The tracks of content/tracks.yaml in their order."""
    file = folder / "tracks.yaml"
    listed = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    return [Track(each["slug"], each["title"], tuple(each.get("topics") or ())) for each in listed or ()]


def read_tree(folder: Path) -> tuple[list[Note], list[Mistake]]:
    """Every content/<track>/<slug>.md, in the order of the tracks; what tracks.yaml does not list comes last, by name."""
    listed = [topic for track in read_tracks(folder) for topic in track.topics]
    order = {topic: place for place, topic in enumerate(listed)}
    paths = sorted(folder.glob("*/*.md"), key=lambda path: (order.get(path.stem, len(order)), path.stem, path.parent.name))
    notes, mistakes = [], []
    for path in paths:
        shown = path.relative_to(folder.parent).as_posix()
        note, found = read_note(path.read_bytes(), slug=path.stem, track=path.parent.name, path=shown)
        mistakes += found
        if note:
            notes.append(note)
    return notes, mistakes


def check_tree(notes: Sequence[Note], *, labs: Collection[str]) -> tuple[list[Mistake], list[Mistake]]:
    """What only shows between notes; and, apart from that, the labs that notes name and nobody has built yet."""
    slugs = {note.slug for note in notes}
    mistakes = [*_twice(notes), *_unresolved(notes, slugs), *_cycles(notes)]
    unbuilt = [Mistake(note.path, 1, "labs that are built", lab) for note in notes for lab in note.labs if lab not in labs]
    return mistakes, unbuilt


def _twice(notes: Sequence[Note]) -> Iterator[Mistake]:
    topics: dict[str, Note] = {}
    cards: dict[str, tuple[Note, Card]] = {}
    for note in notes:
        other = topics.setdefault(note.slug, note)
        if other is not note:
            yield Mistake(note.path, 1, "a slug of its own", f"{note.slug}, which {other.path} has")
        for card in note.cards:
            there, first = cards.setdefault(card.id, (note, card))
            if first is not card:
                yield Mistake(note.path, card.line, "an id of its own", f"^{card.id}, which {there.path}:{first.line} has")


def _unresolved(notes: Sequence[Note], slugs: Collection[str]) -> Iterator[Mistake]:
    anchors = {note.slug: {section.anchor for section in note.sections} for note in notes}
    for note in notes:
        for need in note.needs:
            if need not in slugs:
                yield Mistake(note.path, 1, "a topic that exists under needs", need)
        for link in note.links:
            if link.slug and link.slug not in slugs:
                yield Mistake(note.path, link.line, "a link to a topic that exists", f"[[{link.slug}]]")
            elif link.section and slugify(link.section) not in anchors[link.slug or note.slug]:
                yield Mistake(note.path, link.line, "a link to a section that exists", f"[[{link.slug}#{link.section}]]")


def _cycles(notes: Sequence[Note]) -> Iterator[Mistake]:
    """Each circle of prerequisites once, named from its first topic around to it again."""
    by_slug = {note.slug: note for note in notes}
    done: set[str] = set()
    for note in notes:
        trail: list[str] = []
        waiting: list[tuple[str, Iterator[str]]] = []

        def enter(slug: str) -> None:
            trail.append(slug)  # noqa: B023 - used only within this turn of the loop
            waiting.append((slug, iter(by_slug[slug].needs)))  # noqa: B023

        if note.slug not in done:
            enter(note.slug)
        while waiting:
            slug, needs = waiting[-1]
            need = next(needs, None)
            if need is None:
                waiting.pop()
                done.add(trail.pop())
            elif need in trail:
                circle = [*trail[trail.index(need) :], need]
                yield Mistake(by_slug[slug].path, 1, "prerequisites without a circle", " -> ".join(circle))
            elif need in by_slug and need not in done:
                enter(need)
