"""Markdown: one note, a folder of notes such as an Obsidian vault, or a zip of either.

A note becomes a topic, word for word. Cards in our own grammar come as they are (`backend.notes`); the syntaxes of the
obsidian-spaced-repetition plugin and of hashcards, question headings, definitions and tables are found by
`backend.exchange.foreign_cards`. Pictures and other attachments come along under the names by which the notes call them.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import yaml

from backend.cards import Card, read_cards
from backend.exchange.archive import Archive
from backend.exchange.encodings import decode
from backend.exchange.foreign_cards import find_foreign, without_schedules
from backend.exchange.plain_words import written
from backend.exchange.records import OWN, CardRecord, Gap, MediaRecord, Progress, Records, TopicRecord, Unreadable, quiet
from backend.markup import Mistake, parse
from backend.notes import LARGEST_NOTE, Note, read_note, slugify

NOTES = (".md", ".markdown")
TEXTS = (*NOTES, ".txt")
ATTACHMENTS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif", ".pdf", ".mp3", ".ogg", ".wav", ".m4a", ".mp4", ".webm")
LARGEST_ATTACHMENT = 25_000_000
LARGEST_TEXT = 10_000_000
MOST_FILES = 50_000
MORE_CARDS = "\n\n<!-- more cards of this note -->\n\n"  # what follows belongs to the note and does not stand in it
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


def read_markdown(path: Path, *, progress: Progress = quiet) -> Records:
    """Everything under a path: a file, a folder, or a zip."""
    records = Records(path.name)
    files = list(_files(path))
    slugs = _slugs([name for name, _ in files if _is_note(name, path)])
    for done, (name, data) in enumerate(files):
        progress(done, len(files), name)
        if _is_note(name, path):
            if len(data) > LARGEST_TEXT:
                raise Unreadable(f"expected notes of at most {LARGEST_TEXT:,} bytes, came {len(data):,}: {name}")
            text, notices = decode(data, name)
            records.notices += notices
            read_text(records, text, slug=slugs[name], file=name)
        else:
            records.media.append(MediaRecord(name, data))
    if not records.topics:
        raise Unreadable(f"expected Markdown notes ({', '.join(TEXTS)}), came none: {path.name}")
    return records


def _is_note(name: str, path: Path) -> bool:
    return name.lower().endswith(TEXTS) or (path.is_file() and not zipfile.is_zipfile(path))


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names, relative and with forward slashes, and what they hold; links and hidden folders are passed by."""
    if path.is_symlink():
        raise Unreadable(f"expected a file or a folder, came a link: {path.name}")
    if path.is_dir():
        yield from _folder_files(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with Archive(path) as archive:
            for name in sorted(archive.names):
                if _wanted(name):
                    yield name, archive.read(name, limit=LARGEST_ATTACHMENT)
    elif path.is_file():
        if path.suffix.lower() == ".zip":
            raise Unreadable(f"expected a whole zip archive, came something broken: {path.name}")
        yield path.name, _bytes(path, path.name)
    else:
        raise Unreadable(f"expected a file or a folder, came nothing: {path}")


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    count = 0
    for where, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(where) / name
            shown = file.relative_to(folder).as_posix()
            if not _wanted(shown) or file.is_symlink() or not file.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                raise Unreadable(f"expected at most {MOST_FILES:,} files, came more: {folder.name}")
            yield shown, _bytes(file, shown)


def _bytes(file: Path, shown: str) -> bytes:
    if file.stat().st_size > LARGEST_ATTACHMENT:
        raise Unreadable(f"expected at most {LARGEST_ATTACHMENT:,} bytes, came {file.stat().st_size:,}: {shown}")
    return file.read_bytes()


def _wanted(name: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    return not hidden and name.lower().endswith(TEXTS + ATTACHMENTS)


def _slugs(names: Sequence[str]) -> dict[str, str]:
    """A slug for every note: its file's name, with its folder's where two are alike."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[plain_slug(PurePosixPath(name).stem)].append(name)
    slugs: dict[str, str] = {}
    for slug, alike in found.items():
        for name in alike:
            slugs[name] = slug if len(alike) == 1 else f"{slug}-{_digest(name)[:6]}"
    return slugs


def plain_slug(name: str) -> str:
    """An address of Latin letters and digits; what has none is called by a digest."""
    slug = re.sub(r"[^a-z0-9]+", "-", slugify(name)).strip("-")[:80].strip("-")
    return slug or f"note-{_digest(name)[:8]}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


# -- one note ------------------------------------------------------------------------------------------------------------


def read_text(records: Records, text: str, *, slug: str, file: str) -> None:
    """One note: its topic, its cards, its gaps."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, _, more = text.partition(MORE_CARDS)
    shown = without_schedules(text)
    pieces = _pieces(shown)
    for number, piece in enumerate(pieces, 1):
        name = slug if number == 1 else f"{slug}-part-{number}"
        note = _readable(records, piece, slug=name, file=file)
        title = _title(note, piece, file) + (f" ({number})" if len(pieces) > 1 else "")
        records.topics.append(TopicRecord(name, title, note.text, file, note))
        _own_cards(records, note, file)
        records.gaps += [Gap(file, heading) for heading in _empty_headings(note)]
    if len(pieces) > 1:
        records.notices.append(f"{file}: longer than {LARGEST_NOTE // 1000} KB, so it became {len(pieces)} notes")
    explicit, mistakes = read_cards(more) if more else ([], [])
    records.notices += [f"{file}: expected {mistake.expected}, came {mistake.came}" for mistake in mistakes]
    records.cards += [CardRecord(card, slug, written(card), why="in our grammar") for card in explicit]
    records.taken.update(card.id for card in explicit)
    cards, memories, notices = find_foreign(text, topic=slug)
    new = [card for card in cards if card.id not in records.taken]
    records.taken.update(card.id for card in new)
    records.cards += new
    records.memories += memories
    records.notices += [f"{file}: {notice}" for notice in notices]


def _readable(records: Records, text: str, *, slug: str, file: str) -> Note:
    """The note as our reader takes it. Front matter that it cannot read is kept as text at the top."""
    note, mistakes = read_note(text, slug=slug, track="library", path=file)
    if note is None:
        found = _FRONT.match(text)
        if found:
            text = f"```yaml\n{found[1]}\n```\n\n{text[found.end() :]}"
            records.notices.append(f"{file}: front matter that is more than plain lists stays as text ({mistakes[0].came})")
        else:
            text = "\n" + text.replace("---", "- - -", 1)
        note, mistakes = read_note(text, slug=slug, track="library", path=file)
    if note is None:
        raise Unreadable(f"{file}: {mistakes[0]}")
    records.notices += [str(mistake) for mistake in mistakes if not expected_outside(mistake)]
    return note


def expected_outside(mistake: Mistake) -> bool:
    """Notes from elsewhere have their own front matter, links to notes that did not come along, and cards of other kinds."""
    return mistake.expected.startswith(_FOREIGN) or " as a list, [" in mistake.expected


_FOREIGN = ("front matter with a title", "title, aliases", "a title in the front", "an id such as", "an empty line between Q: and A:", "a formula between two dollars")


def _own_cards(records: Records, note: Note, file: str) -> None:
    for card in note.cards:
        if card.id in records.taken:
            records.notices.append(f"{file}: expected an id of its own, came ^{card.id} again; the first one stands")
            continue
        records.taken.add(card.id)
        records.cards.append(CardRecord(card, note.slug, written(card), why="in our grammar"))


def _title(note: Note, text: str, file: str) -> str:
    if note.title and note.title != note.slug:
        return note.title
    for line in text.split("\n"):
        if line.startswith("# ") and line[2:].strip():
            return line[2:].strip()[:200]
    return PurePosixPath(file).stem


def _empty_headings(note: Note) -> list[str]:
    """Headings with neither text nor cards nor a deeper heading under them."""
    inhabited = {part.card.section for part in note.parts if hasattr(part, "card")} | {e.section for e in note.errata}
    empty = []
    for section, after in zip(note.sections, [*note.sections[1:], None]):
        deeper = after is not None and after.level > section.level
        if section.level and not section.markdown.strip() and section.anchor not in inhabited and not deeper:
            empty.append(section.path[-1])
    return empty


def _pieces(text: str) -> list[str]:
    """A note that is too long for one topic, cut before headings."""
    limit = LARGEST_NOTE - 4000
    if len(text.encode("utf-8", "surrogatepass")) <= limit:
        return [text]
    lines = text.split("\n")
    starts = [block.start for block in parse(text).blocks if block.kind != "front_matter"]
    pieces, begun, size = [], 0, 0
    cuts = set(starts)
    for number, line in enumerate(lines):
        weight = len(line.encode("utf-8", "surrogatepass")) + 1
        heading_soon = line.startswith("#") and size > limit // 2
        if number in cuts and number > begun and (size + weight > limit * 0.9 or heading_soon):
            pieces.append("\n".join(lines[begun:number]))
            begun, size = number, 0
        size += weight
    return [*pieces, "\n".join(lines[begun:])]


# -- writing -------------------------------------------------------------------------------------------------------------


def write_markdown(records: Records, path: Path, *, progress: Progress = quiet) -> None:
    """One file a topic and every attachment: into a folder, or a zip when the path ends so."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in markdown_files(records, progress):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        return
    for name, data in markdown_files(records, progress):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def markdown_files(records: Records, progress: Progress = quiet) -> Iterator[tuple[str, bytes]]:
    cards: dict[str, list[CardRecord]] = defaultdict(list)
    for card in records.cards:
        cards[card.topic].append(card)
    for done, topic in enumerate(records.topics):
        progress(done, len(records.topics), topic.slug)
        yield f"{topic.slug}.md", note_with_cards(topic, cards.pop(topic.slug, [])).encode("utf-8", "surrogatepass")
    for slug, left in cards.items():
        title = slug.removeprefix(OWN).replace("-", " ").capitalize()
        head = yaml.safe_dump({"title": title}, allow_unicode=True, width=10**6)
        yield f"{slug}.md", note_with_cards(TopicRecord(slug, title, f"---\n{head}---\n"), left).encode("utf-8", "surrogatepass")
    for media in records.media:
        yield media.name, media.data


def note_with_cards(topic: TopicRecord, cards: Sequence[CardRecord]) -> str:
    """The note as it stands; cards that are not in it, or are worded differently there, follow below it."""
    standing = {card.id: card for card in _cards_in(topic.text)}
    more = [card for card in cards if standing.get(card.id) != replace(card.card, section="")]
    if not more:
        return topic.text
    return topic.text + MORE_CARDS + "\n\n***\n\n".join(card.markdown.strip("\n") for card in more) + "\n"


def _cards_in(text: str) -> list[Card]:
    return [replace(card, section="") for card in read_cards(text)[0]]
