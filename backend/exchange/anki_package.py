"""Anki packages (.apkg, .colpkg), read: old ones with a plain database, new ones with a compressed one.

In a new package `collection.anki2` only asks for an update; the real collection is `collection.anki21b`, packed with zstd,
its note types in tables of protobuf. The database is opened in memory, read-only, with nothing in it allowed to act.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from backend.cards import Card, read_cards, showings, write_card
from backend.exchange.anki_notes import ATTEND, back_html, front_html
from backend.exchange.archive import Archive, check_name, unpack_zstd
from backend.exchange.html_text import LARGEST_FIELD, media_name, to_markdown
from backend.exchange.markdown import plain_slug
from backend.exchange.plain_words import written
from backend.exchange.protobuf import number_of, read_message, text_of
from backend.exchange.records import OWN, CardRecord, MediaRecord, MemoryRecord, Progress, Records, ReviewRecord, Unreadable, quiet
from backend.markup import plain
from backend.questions import Form, Question

LARGEST_COLLECTION = 1_500_000_000
LARGEST_MEDIA = 100_000_000
STEPS = 1_000_000  # of SQLite's machine between two looks at the count
MOST_STEPS = 3000  # of those: a hundred times what a large collection needs; in time, a busy machine would give up on good files
DAY = 86_400
ALL_CLOZE = re.compile(r"\{\{c(\d{1,3})::(.*?)(?:::(.*?))?\}\}", re.DOTALL)


Pieces = tuple[tuple[str, str], ...]  # of a side of a card: words as they stand, or else the name of a field


@dataclass(frozen=True)
class Template:
    """How a note becomes one card. What a hundred thousand notes share is worked out once."""

    question: str
    answer: str

    @cached_property
    def sides(self) -> tuple[str, str]:
        """Without the answer's copy of the question."""
        return _QUESTION_AGAIN.sub("", self.question), _QUESTION_AGAIN.sub("", self.answer)

    @cached_property
    def pieces(self) -> tuple[Pieces, Pieces] | None:
        """None when it depends on the note which of its parts are shown."""
        return None if any(_SECTION.search(side) for side in self.sides) else (_cut(self.sides[0]), _cut(self.sides[1]))

    @cached_property
    def typed(self) -> str:
        """The field that is to be typed, if any."""
        found = _TYPED.search(self.question)
        return found[1].strip() if found else ""

    def filled(self, fields: dict[str, str]) -> tuple[str, str]:
        question, answer = self.pieces or (_cut(_chosen(side, fields)) for side in self.sides)
        return _joined(question, fields), _joined(answer, fields)


@dataclass(frozen=True)
class NoteType:
    name: str
    cloze: bool
    fields: tuple[str, ...]
    templates: tuple[Template, ...]

    @cached_property
    def is_ours(self) -> bool:
        return self.name.startswith(ATTEND)


@dataclass(frozen=True)
class AnkiNote:
    guid: str
    kind: NoteType
    tags: tuple[str, ...]
    fields: dict[str, str]


def read_anki(path: Path, *, progress: Progress = quiet) -> Records:
    records = Records(path.name)
    with Archive(path) as archive:
        data, modern = _collection(archive)
        records.media = list(_media(archive, modern))
    with _opened(data) as database:
        del data
        try:
            _read_collection(database, records, progress)
        except (sqlite3.Error, OverflowError, RecursionError, KeyError, TypeError, AttributeError, IndexError, ValueError) as problem:
            if isinstance(problem, Unreadable):
                raise
            raise Unreadable(f"expected an Anki collection, came a database that cannot be read: {problem}") from None
    return records


# -- the archive -----------------------------------------------------------------------------------------------------------


def _collection(archive: Archive) -> tuple[bytes, bool]:
    """The database's bytes, and whether the package is of the new kind."""
    if "collection.anki21b" in archive:
        return unpack_zstd(archive.read("collection.anki21b"), limit=LARGEST_COLLECTION), True
    version = number_of(read_message(archive.read("meta", limit=1000)), 1) if "meta" in archive else 0
    if version >= 3:
        raise Unreadable("expected collection.anki21b in a package of the new kind, came only the old one's stand-in")
    for name in ("collection.anki21", "collection.anki2"):
        if name in archive:
            return archive.read(name, limit=LARGEST_COLLECTION), False
    raise Unreadable("expected an Anki package with a collection inside, came an archive without one")


def _media(archive: Archive, modern: bool) -> Iterator[MediaRecord]:
    if "media" not in archive:
        return
    listed = archive.read("media", limit=50_000_000)
    if modern:
        entries = read_message(unpack_zstd(listed, limit=50_000_000)).get(1, [])
        names = {str(place): text_of(read_message(entry), 1) for place, entry in enumerate(entries) if isinstance(entry, bytes)}
    else:
        try:
            told = json.loads(listed)
            names = {str(key): str(value) for key, value in told.items()}
        except (ValueError, AttributeError, RecursionError) as problem:
            raise Unreadable(f"expected a list of attachments, came something else ({problem})") from None
    for key, name in names.items():
        check_name(name)
        if key in archive:
            data = archive.read(key, limit=LARGEST_MEDIA)
            yield MediaRecord(name, unpack_zstd(data, limit=LARGEST_MEDIA) if modern else data)


# -- the database ------------------------------------------------------------------------------------------------------------

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
_TABLES = {
    "col", "notes", "cards", "revlog", "graves", "config", "deck_config", "decks", "fields", "notetypes", "tags", "templates", "android_metadata",
    "media", "log", "meta",
}  # fmt: skip


@contextmanager
def _opened(data: bytes) -> Iterator[sqlite3.Connection]:
    if not data.startswith(b"SQLite format 3\0"):
        raise Unreadable("expected an SQLite database in the package, came something else")
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.deserialize(data[:18] + b"\1\1" + data[20:])  # as if written without a write-ahead log: there is none here
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            database.execute("PRAGMA query_only = ON")
            database.create_collation("unicase", lambda a, b: (a.casefold() > b.casefold()) - (a.casefold() < b.casefold()))
            database.text_factory = lambda raw: raw.decode("utf-8", "replace")
            looks = itertools.count()
            database.set_progress_handler(lambda: int(next(looks) > MOST_STEPS), STEPS)
            for kind, name in database.execute("SELECT type, name FROM sqlite_master"):
                if kind in ("trigger", "view"):
                    raise Unreadable(f"expected a database of plain tables, came a {kind} ({str(name)[:40]})")
                if kind == "table" and name not in _TABLES and not str(name).startswith("sqlite_"):
                    raise Unreadable(f"expected Anki's tables, came the table {str(name)[:40]}")
            database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as problem:  # SQLite's own complaint may quote bytes that are no text
            raise Unreadable(f"expected a whole SQLite database, came a damaged one ({problem})") from None
        yield database


def _read_collection(database: sqlite3.Connection, records: Records, progress: Progress) -> None:
    crt, version, models, decks, conf = next(iter(database.execute("SELECT crt, ver, models, decks, conf FROM col")))
    if version >= 15:
        kinds, names, settings = _new_kinds(database), _new_decks(database), _new_settings(database)
    else:
        settings = json.loads(conf or "{}")
        kinds = {int(key): _old_kind(model) for key, model in json.loads(models or "{}").items()}
        names = {int(key): str(deck["name"]) for key, deck in json.loads(decks or "{}").items()}
    first_day = int((int(crt) - 60 * int(settings.get("creationOffset") or 0)) // DAY)
    notes = _notes(database, kinds, records)
    _read_cards(database, records, notes, names, first_day, progress)


def _old_kind(model: dict[str, Any]) -> NoteType:
    fields = tuple(field["name"] for field in sorted(model["flds"], key=lambda field: field["ord"]))
    sides = tuple(Template(t["qfmt"], t["afmt"]) for t in sorted(model["tmpls"], key=lambda t: t["ord"]))
    return NoteType(str(model["name"]), int(model.get("type") or 0) == 1, fields, sides)


def _new_kinds(database: sqlite3.Connection) -> dict[int, NoteType]:
    fields: dict[int, list[str]] = defaultdict(list)
    for kind, name in database.execute("SELECT ntid, name FROM fields ORDER BY ntid, ord"):
        fields[kind].append(str(name))
    sides: dict[int, list[Template]] = defaultdict(list)
    for kind, config in database.execute("SELECT ntid, config FROM templates ORDER BY ntid, ord"):
        told = read_message(bytes(config))
        sides[kind].append(Template(text_of(told, 1), text_of(told, 2)))
    return {
        kind: NoteType(str(name), number_of(read_message(bytes(config)), 1) == 1, tuple(fields[kind]), tuple(sides[kind]))
        for kind, name, config in database.execute("SELECT id, name, config FROM notetypes")
    }


def _new_decks(database: sqlite3.Connection) -> dict[int, str]:
    return {number: str(name).replace("\x1f", "::") for number, name in database.execute("SELECT id, name FROM decks")}


def _new_settings(database: sqlite3.Connection) -> dict[str, Any]:
    return {str(key): json.loads(value) for key, value in database.execute("SELECT key, val FROM config WHERE key IN ('creationOffset')")}


def _notes(database: sqlite3.Connection, kinds: dict[int, NoteType], records: Records) -> dict[int, AnkiNote]:
    notes, lost = {}, 0
    tagged: dict[str, tuple[str, ...]] = {}
    for number, guid, kind_id, tags, fields in database.execute("SELECT id, guid, mid, tags, flds FROM notes"):
        kind = kinds.get(kind_id)
        if kind is None:
            lost += 1
            continue
        values = (told := str(fields)).split("\x1f")
        if len(told) > LARGEST_FIELD and any(len(value) > LARGEST_FIELD for value in values):
            raise Unreadable(f"expected fields of at most {LARGEST_FIELD:,} characters, came a longer one")
        if tags not in tagged:
            tagged[tags] = tuple(re.sub(r"[;,]", "-", tag) for tag in str(tags).split())
        notes[number] = AnkiNote(str(guid), kind, tagged[tags], dict(zip(kind.fields, values)))
    if lost:
        records.notices.append(f"{lost} notes name a note type that is not in the package and were left out")
    return notes


# -- notes to cards ----------------------------------------------------------------------------------------------------------


def _read_cards(
    database: sqlite3.Connection, records: Records, notes: dict[int, AnkiNote], decks: dict[int, str], first_day: int, progress: Progress
) -> None:
    total = len(database.execute("SELECT id FROM cards").fetchall())
    shown: dict[int, str] = {}  # Anki's card -> our showing
    made: dict[str, CardRecord] = {}
    topics = {number: f"anki-{plain_slug(name.replace('::', '-'))}" for number, name in decks.items()}
    sql = "SELECT id, nid, did, ord, type, queue, due, ivl, factor, reps, lapses, odue, odid, flags, data, left FROM cards ORDER BY nid, ord"
    for done, row in enumerate(database.execute(sql)):
        if done % 500 == 0:
            progress(done, total, "reading cards")
        number, nid, did, ord_, *_ = row
        note = notes.get(nid)
        if note is None:
            continue
        home = row[12] or did
        record, showing = _card_of(note, int(ord_), topics.get(home, "anki"), decks.get(home, ""))
        if record is None:
            continue
        made.setdefault(record.id, record)
        shown[number] = showing
        records.memories.append(_memory(showing, row, first_day))
    records.cards = list(made.values())
    records.media = [_with_path(media, records.cards) for media in records.media] if any("/" in card.source for card in records.cards) else records.media
    if len(shown) < total:
        records.notices.append(f"{total - len(shown)} cards have nothing to ask or to answer and were left out")
    _read_reviews(database, records, shown)


def _with_path(media: MediaRecord, cards: list[CardRecord]) -> MediaRecord:
    """The name by which our Markdown calls an attachment: Anki's media have no folders."""
    for card in cards:
        if "/" in card.source:
            for name in _PICTURE.findall(card.source):
                if media_name(unquote(name)) == media.name:
                    return replace(media, name=unquote(name))
    return media


_PICTURE = re.compile(r"!\[[^\]\n]*\]\(<?([^)>\n]+)>?\)")


def _read_reviews(database: sqlite3.Connection, records: Records, shown: dict[int, str]) -> None:
    manual = 0
    for at, card, grade, spent, kind, interval, before, ease in database.execute("SELECT id, cid, ease, time, type, ivl, lastIvl, factor FROM revlog ORDER BY id"):
        if card not in shown:
            continue
        if grade not in (1, 2, 3, 4):
            manual += 1  # rescheduled by hand: no answer was given
        else:
            records.reviews.append(ReviewRecord(shown[card], int(at), int(grade), int(spent), (int(kind), int(interval), int(before), int(ease))))
    if manual:
        records.notices.append(f"{manual} rows of the log are changes of the schedule without an answer; the schedule they led to is kept")


def _memory(showing: str, row: tuple[Any, ...], first_day: int) -> MemoryRecord:
    _, _, _, _, kind, queue, due, interval, factor, reps, lapses, odue, odid, flags, data, left = row
    due = odue if odid and odue else due
    learning = int(kind) if kind in (1, 3) else 0
    due_day: int | None = first_day + int(due) if kind == 2 or (learning and queue == 3) else None
    due_at: int | None = None
    if learning and due_day is None and int(due) > _FIRST_SECOND:  # within the day: a moment, in seconds
        due_day, due_at = int(due) // DAY, int(due) * 1000
    elif learning and due_day is None:  # put aside while it was being learned: a number of days again
        due_day = first_day + int(due)
    told: dict[str, Any] = {}
    if data:
        try:
            told = json.loads(data)
        except ValueError:
            told = {}
    stability, difficulty = (told.get(key) if isinstance(told, dict) else None for key in ("s", "d"))
    known = isinstance(stability, (int, float)) and isinstance(difficulty, (int, float)) and 0 < stability < 1e6 and 1 <= difficulty <= 10
    bounded = due_day if due_day is not None and 0 <= due_day < 200_000 else None
    return MemoryRecord(
        showing, bounded if kind else None, float(stability) if known else None, float(difficulty) if known else None,  # type: ignore[arg-type]
        min(max(int(interval), 0), 36_500) if kind else 0, int(factor) / 1000, queue == -1, int(flags) & 7, int(lapses), int(reps),
        learning if bounded is not None else 0, due_at if bounded is not None else None, int(left) % 1000 if learning else 0,
    )  # fmt: skip


_FIRST_SECOND = 1_000_000_000  # of a moment: no collection has so many days


def _card_of(note: AnkiNote, ord_: int, topic: str, deck: str) -> tuple[CardRecord | None, str]:
    base = ""
    if note.kind.is_ours and (read := _beside(note)):
        ours = _our_card(note, read)
        if ours:
            names = [shown.id for shown in showings(ours.card)]
            return (ours, names[ord_]) if ord_ < len(names) else (None, "")
        base, topic = read.id, note.fields.get("Topic") or topic
        note = replace(note, fields={side: note.fields.get(side, "") for side in ("Front", "Back")})
    base = base or f"{OWN}anki-{hashlib.blake2b(note.guid.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
    origin = {"guid": note.guid, "type": note.kind.name, "deck": deck}
    if note.kind.cloze:
        gaps = _gap_card(note, base)
        if gaps is not None:
            names = [shown.id for shown in showings(gaps)]
            if ord_ < len(names):
                return CardRecord(gaps, topic, why=note.kind.name, origin=origin), names[ord_]
        question, answer = _cloze_sides(note, ord_ + 1)
        name = f"{base}-c{ord_ + 1}"
    else:
        name = base if ord_ == 0 else f"{base}-{ord_ + 1}"
        question, answer = note.kind.templates[ord_].filled(note.fields) if ord_ < len(note.kind.templates) else ("", "")
    record = _record(name, note, ord_, question, answer, topic, origin)
    return record, name if record else ""


def _record(name: str, note: AnkiNote, ord_: int, question: str, answer: str, topic: str, origin: dict[str, Any]) -> CardRecord | None:
    typed = _typed(note, ord_)
    front, back = to_markdown(question), to_markdown(answer)
    if typed:
        back = back.removeprefix(front).strip()  # there the question is told again above the answer
    for card in _tries(name, front, back, typed, note.tags):
        try:
            return CardRecord(card, topic, written(card), note.kind.name, origin=origin)
        except ValueError:
            continue
    return None


def _tries(name: str, front: str, back: str, typed: str, tags: tuple[str, ...]) -> Iterator[Card]:
    """The card as it is, then ever plainer, until our grammar holds it."""
    front, back = front or "(no question)", back or typed
    if typed and "\n" not in typed and len(typed) <= 60:
        rest = "" if back.strip() == typed.strip() else back
        yield Card(name, Question(Form.TERM, front, rest, terms=(typed,)), tags=tags)
    if not back:
        return
    yield Card(name, Question(Form.PROSE, front, back), tags=tags)
    from backend.exchange.html_text import escaped

    plain_front, plain_back = ("\n\n".join(escaped(line) for line in plain(text).split("\n") if line.strip()) for text in (front, back))
    yield Card(name, Question(Form.PROSE, plain_front or "(no question)", plain_back or "(no text)"), tags=tags)
    yield Card(name, Question(Form.PROSE, plain_front or "(no question)", plain_back or "(no text)"))


def _beside(note: AnkiNote) -> Card | None:
    """The card whose Markdown a note of ours carries along."""
    read, _ = read_cards(to_source(note.fields.get("Markdown", "")))
    usable = len(read) == 1 and re.fullmatch(r"[a-z0-9-]{1,120}", note.fields.get("Topic", ""))
    return read[0] if usable else None


def _our_card(note: AnkiNote, card: Card) -> CardRecord | None:
    """A note that we wrote, unless somebody has edited it in Anki since."""
    if (front_html(card), back_html(card)) != (note.fields.get("Front", ""), note.fields.get("Back", "")):
        return None
    kept = replace(card, tags=note.tags) if {tag.replace(" ", "_") for tag in card.tags} != set(note.tags) else card
    source = to_source(note.fields["Markdown"]) if kept == card else ""
    return CardRecord(kept, note.fields["Topic"], source, "written by Attend")


def to_source(field: str) -> str:
    from html import unescape

    return unescape(field.replace("<br>", "\n").replace("<br/>", "\n").replace("<br />", "\n").replace("&nbsp;", " "))


_TAG = re.compile(r"\{\{([^{}]{1,200})\}\}")
_SECTION = re.compile(r"\{\{([#^])([^{}]{1,200})\}\}(.*?)\{\{/\2\}\}", re.DOTALL)
_TYPED = re.compile(r"\{\{type:(?:nc:)?([^{}:]+)\}\}")
_QUESTION_AGAIN = re.compile(r"\{\{FrontSide\}\}\s*(?:<hr[^>]*id=.?answer.?[^>]*>)?|<hr[^>]*id=.?answer.?[^>]*>")


def _chosen(side: str, fields: dict[str, str]) -> str:
    """The template without the parts that this note's empty or filled fields leave out."""
    for _ in range(5):
        changed = _SECTION.sub(lambda found: found[3] if bool(fields.get(found[2].strip(), "").strip()) == (found[1] == "#") else "", side)
        if changed == side:
            break
        side = changed
    return side


def _cut(side: str) -> Pieces:
    words, *rest = _TAG.split(side)
    pieces = [(words, "")]
    for tag, words in zip(rest[::2], rest[1::2]):
        *filters, name = tag.split(":")
        pieces += [("", name.strip() if "type" not in filters else ""), (words, "")]
    return tuple(piece for piece in pieces if any(piece))


def _joined(pieces: Pieces, fields: dict[str, str]) -> str:
    return "".join([fields.get(name, "") if name else words for words, name in pieces]).strip()


def _typed(note: AnkiNote, ord_: int) -> str:
    """What a typed answer must be."""
    if ord_ >= len(note.kind.templates) or note.kind.cloze or not note.kind.templates[ord_].typed:
        return ""
    return plain(to_markdown(note.fields.get(note.kind.templates[ord_].typed, ""))).strip()


def _gap_card(note: AnkiNote, base: str) -> Card | None:
    """A cloze note whose gaps are numbered as they stand, each once, without hints: as our own sentence with gaps."""
    text = next((value for value in note.fields.values() if "{{c" in value), "")
    others = [value for value in note.fields.values() if value != text and value.strip()]
    gaps = ALL_CLOZE.findall(text)
    if not gaps or others or [number for number, *_ in gaps] != [str(place) for place in range(1, len(gaps) + 1)] or any(hint for *_, hint in gaps):
        return None
    marked = ALL_CLOZE.sub("\ue002\\2\ue003", text)
    if "{{c" in marked:
        return None
    prompt = " ".join(to_markdown(marked).split()).replace("\ue002", "==").replace("\ue003", "==")
    card = Card(base, Question(Form.GAP, prompt), tags=note.tags)
    try:
        write_card(card)
    except ValueError:
        return None
    return card if len(showings(card)) == len(gaps) else None


def _cloze_sides(note: AnkiNote, number: int) -> tuple[str, str]:
    """Question and answer of one number of a cloze note, whatever its gaps look like."""
    text = next((value for value in note.fields.values() if "{{c" in value), next(iter(note.fields.values()), ""))
    more = [value for value in note.fields.values() if value != text and value.strip()]
    question, answer = text, text
    for _ in range(8):  # from the inside out: gaps may stand in gaps
        inner = re.compile(r"\{\{c(\d{1,3})::((?:(?!\{\{c|\}\}).)*?)(?:::((?:(?!\{\{c|\}\}|::).)*?))?\}\}", re.DOTALL)
        if not inner.search(question):
            break
        question = inner.sub(lambda found: f"[{found[3] or '…'}]" if int(found[1]) == number else found[2], question)
    for _ in range(8):
        inner = re.compile(r"\{\{c(\d{1,3})::((?:(?!\{\{c|\}\}).)*?)(?:::((?:(?!\{\{c|\}\}|::).)*?))?\}\}", re.DOTALL)
        if not inner.search(answer):
            break
        answer = inner.sub(lambda found: f"<b>{found[2]}</b>" if int(found[1]) == number else found[2], answer)
    return question, "<br><br>".join([answer, *more])
