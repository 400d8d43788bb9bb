"""Anki packages, written: the old format (schema 11), which every Anki reads, with media, tags, stable guids, memory and log.

Each note carries its card's own Markdown beside what Anki shows. So a card that nobody edited there comes back exactly.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

from backend.cards import Card, gap_texts, showings
from backend.exchange.html_text import media_name, to_html
from backend.exchange.records import CardRecord, MemoryRecord, Progress, Records, ReviewRecord, quiet
from backend.markup import marks
from backend.questions import Form, show_quantity

ATTEND = "Attend"
DAY_MS = 86_400_000
BATCH = 2000
_CSS = ".card { font-family: sans-serif; font-size: 20px; text-align: left; color: black; background: white; }\n.cloze { font-weight: bold; color: blue; }"
_BASIC, _CLOZE = 1_700_000_000_001, 1_700_000_000_002
_FIELDS = ("Front", "Back", "Markdown", "Topic")


def front_html(card: Card) -> str:
    question = card.question
    if question.form is Form.GAP:
        return _cloze(question.prompt)
    parts = [to_html(question.prompt)]
    if question.form is Form.CHOICE:
        parts.append("<ol type=\"A\">" + "".join(f"<li>{to_html(option.text)}</li>" for option in question.options) + "</ol>")
    if question.form is Form.ORDER:
        parts.append("<ul>" + "".join(f"<li>{to_html(step)}</li>" for step in sorted(question.steps)) + "</ul>")
    if question.form is Form.MATCH:
        lefts, rights = ("".join(f"<li>{to_html(text)}</li>" for text in texts) for texts in ([a for a, _ in question.pairs], sorted(b for _, b in question.pairs)))
        parts.append(f"<ol>{lefts}</ol><ul>{rights}</ul>")
    return "".join(parts)


def back_html(card: Card) -> str:
    question = card.question
    key = ""
    if question.form is Form.CHOICE:
        key = "<ol type=\"A\">" + "".join(f"<li>{'<b>' if o.right else ''}{to_html(o.text)}{'</b>' if o.right else ''} {to_html(o.why)}</li>" for o in question.options) + "</ol>"
    elif question.form is Form.NUMBER and question.quantity:
        key = escape(show_quantity(question.quantity), quote=False)
    elif question.form is Form.TERM:
        key = " / ".join(escape(term, quote=False) for term in question.terms)
    elif question.form is Form.ORDER:
        key = "<ol>" + "".join(f"<li>{to_html(step)}</li>" for step in question.steps) + "</ol>"
    elif question.form is Form.MATCH:
        key = "<table>" + "".join(f"<tr><td>{to_html(a)}</td><td>{to_html(b)}</td></tr>" for a, b in question.pairs) + "</table>"
    return "<br>".join(part for part in (key, to_html(question.answer) if question.answer else "") if part)


def _cloze(prompt: str) -> str:
    """The gaps as {{c1::...}}; braces that Anki would take for its own get a space between."""
    pieces, at = [], 0
    for number, ((start, end), text) in enumerate(zip(marks(prompt), gap_texts(prompt)), 1):
        pieces += [prompt[at:start], f"\ue004{number}\ue005{text}\ue006"]
        at = end
    html = to_html("".join([*pieces, prompt[at:]])).replace("{{", "{ {").replace("}}", "} }")
    html = re.sub("\ue005(.*?)\ue006", lambda found: "\ue005" + found[1].replace("::", ": :") + (" " if found[1].endswith("}") else "") + "\ue006", html, flags=re.DOTALL)
    return re.sub("\ue004(\\d+)\ue005", r"{{c\1::", html).replace("\ue006", "}}")


# -- the package -----------------------------------------------------------------------------------------------------------


def write_anki(records: Records, path: Path, *, at: int, rollover_hour: int = 4, minutes_west: int = 0, progress: Progress = quiet) -> None:
    """Everything of the records that Anki has a place for. `at` is the present; due days are the learner's calendar days."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "collection.anki2"
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"):  # nobody else will ever see it
                database.execute(f"PRAGMA {setting}")
            database.execute("BEGIN")
            _Writer(database, records, at, rollover_hour, minutes_west, progress).write()
            database.execute("COMMIT")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(file, "collection.anki2")
            archive.writestr("media", json.dumps({str(number): media_name(media.name) for number, media in enumerate(records.media)}))
            for number, media in enumerate(records.media):
                archive.writestr(str(number), media.data)


_SCHEMA = """
CREATE TABLE col (id integer primary key, crt integer not null, mod integer not null, scm integer not null, ver integer not null, dty integer not null,
  usn integer not null, ls integer not null, conf text not null, models text not null, decks text not null, dconf text not null, tags text not null);
CREATE TABLE notes (id integer primary key, guid text not null, mid integer not null, mod integer not null, usn integer not null, tags text not null,
  flds text not null, sfld integer not null, csum integer not null, flags integer not null, data text not null);
CREATE TABLE cards (id integer primary key, nid integer not null, did integer not null, ord integer not null, mod integer not null, usn integer not null,
  type integer not null, queue integer not null, due integer not null, ivl integer not null, factor integer not null, reps integer not null,
  lapses integer not null, left integer not null, odue integer not null, odid integer not null, flags integer not null, data text not null);
CREATE TABLE revlog (id integer primary key, cid integer not null, usn integer not null, ease integer not null, ivl integer not null,
  lastIvl integer not null, factor integer not null, time integer not null, type integer not null);
CREATE TABLE graves (usn integer not null, oid integer not null, type integer not null)
"""
_INDEXES = """
CREATE INDEX ix_notes_usn on notes (usn); CREATE INDEX ix_cards_usn on cards (usn); CREATE INDEX ix_revlog_usn on revlog (usn);
CREATE INDEX ix_cards_nid on cards (nid); CREATE INDEX ix_cards_sched on cards (did, queue, due); CREATE INDEX ix_revlog_cid on revlog (cid);
CREATE INDEX ix_notes_csum on notes (csum)
"""


class _Writer:
    def __init__(self, database: sqlite3.Connection, records: Records, at: int, rollover_hour: int, minutes_west: int, progress: Progress) -> None:
        self.database, self.records, self.at, self.progress = database, records, at, progress
        self.rollover, self.west = rollover_hour, minutes_west
        days = [each.at // DAY_MS for each in records.reviews]
        days += [m.due_day for m in records.memories if m.due_day is not None]
        self.first_day = min([at // DAY_MS, *days]) - 1
        self.second = at // 1000
        self.taken: set[int] = set()  # numbers of cards
        self.notes: list[tuple[Any, ...]] = []
        self.cards: list[tuple[Any, ...]] = []
        self.decks = {topic.slug: (_number("deck", topic.slug), topic.title) for topic in records.topics}

    def write(self) -> None:
        for statement in _SCHEMA.split(";"):
            self.database.execute(statement)
        numbers: dict[str, int] = {}
        memories = {memory.card: memory for memory in self.records.memories}
        used: set[int] = set()
        total = len(self.records.cards)
        for done, (number, place, record) in enumerate(self.in_order()):
            if done % BATCH == 0:
                self.progress(done, total, "writing cards")
                self.flush()
            self.write_note(record, number, place, memories, numbers, used)
        self.flush()
        self.progress(total, total, "writing reviews")
        self.write_log(numbers)
        self.write_head()
        for statement in _INDEXES.split(";"):  # quicker made at the end than kept up
            self.database.execute(statement)

    def in_order(self) -> list[tuple[int, int, CardRecord]]:
        """Each record with its number and its place among the new ones, by number: so the tables grow at their ends only."""
        place, found = 1, []
        for record in self.records.cards:
            found.append((_number("note", record.id), place, record))
            place += len(showings(record.card))
        return sorted(found, key=lambda each: each[:2])

    def flush(self) -> None:
        """Write the notes and cards that have gathered: one statement for many is much quicker than one for each."""
        self.database.executemany("INSERT INTO notes VALUES (?,?,?,?,?,?,?,?,?,?,?)", self.notes)
        self.database.executemany("INSERT INTO cards VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", self.cards)
        self.notes.clear()
        self.cards.clear()

    def deck(self, topic: str) -> int:
        if topic not in self.decks:
            self.decks[topic] = (_number("deck", topic), topic.replace("-", " ").capitalize())
        return self.decks[topic][0]

    def write_note(
        self, record: CardRecord, note: int, place: int, memories: dict[str, MemoryRecord], numbers: dict[str, int], used: set[int]
    ) -> None:
        card = record.card
        while note in used:
            note += 1
        used.add(note)
        gap = card.question.form is Form.GAP
        front = front_html(card)
        fields = "\x1f".join((front, back_html(card), escape(record.markdown, quote=False).replace("\n", "<br>"), record.topic))
        tags = f" {' '.join(tag.replace(' ', '_') for tag in card.tags)} " if card.tags else ""
        first = re.sub(r"<[^>]*>", "", front) if "<" in front else front
        checksum = int(hashlib.sha1(first.encode("utf-8", "surrogatepass")).hexdigest()[:8], 16)
        guid = record.origin.get("guid") or record.id
        values = (note, guid, _CLOZE if gap else _BASIC, self.second, -1, tags, fields, first, checksum, 0, "")
        self.notes.append(values)
        for ord_, shown in enumerate(showings(card)):
            number = note + ord_
            while number in self.taken:
                number += 1
            self.taken.add(number)
            numbers[shown.id] = number
            self.write_card(number, note, self.deck(record.topic), ord_, memories.get(shown.id), place=place + ord_)

    def write_card(self, number: int, note: int, deck: int, ord_: int, memory: MemoryRecord | None, *, place: int) -> None:
        kind, queue, due, interval, left, data = 0, 0, place, 0, 0, ""
        if memory and memory.due_day is not None and (memory.stability is not None or memory.interval):
            kind, queue, due, interval = 2, 2, memory.due_day - self.first_day, max(memory.interval, 1)
            if memory.learning:
                left = 1000 + max(memory.steps_left, 1)  # of today, and of all
                kind, queue, due = memory.learning, 1, (memory.due_at or self.at) // 1000
            if memory.stability is not None:
                data = f'{{"s":{round(memory.stability, 4)},"d":{round(memory.difficulty or 5.0, 3)}}}'
        flags, reps, lapses = (memory.flag, memory.reps, memory.lapses) if memory else (0, 0, 0)
        queue = -1 if memory and memory.suspended else queue
        factor = (round((memory.ease or 2.5) * 1000) if memory else 2500) if kind else 0
        row = (number, note, deck, ord_, self.second, -1, kind, queue, due, interval, factor, reps, lapses, left, 0, 0, flags, data)
        self.cards.append(row)

    def write_log(self, numbers: dict[str, int]) -> None:
        self.database.executemany("INSERT INTO revlog VALUES (?,?,?,?,?,?,?,?,?)", self.log_rows(numbers))

    def log_rows(self, numbers: dict[str, int]) -> Iterator[tuple[int, ...]]:
        """In the order of time. Anki names a review by its millisecond, so that two of the same one are a millisecond apart."""
        told = _log_rows(self.records.reviews)
        rows = [(each.at, numbers[each.card], -1, each.grade, *days, factor, each.duration, kind) for each, days, kind, factor in told if each.card in numbers]
        rows.sort()
        last = 0
        for row in rows:
            last = max(row[0], last + 1)
            yield row if row[0] == last else (last, *row[1:])

    def write_head(self) -> None:
        # the collection begins at the rollover of its first day on the learner's clock
        begun = self.first_day * 86_400 + self.rollover * 3600 + self.west * 60
        conf = {"curDeck": 1, "nextPos": 1, "schedVer": 2, "rollover": self.rollover, "creationOffset": self.west, "sortType": "noteFld", "newSpread": 0}
        conf |= {"curModel": _BASIC, "activeDecks": [1], "collapseTime": 1200, "timeLim": 0, "estTimes": True, "dueCounts": True, "addToCur": True}
        decks = {number: self.deck_entry(number, name) for number, name in [(1, "Default"), *self.named_decks()]}
        models = {_BASIC: _model(_BASIC, cloze=False, at=self.second), _CLOZE: _model(_CLOZE, cloze=True, at=self.second)}
        row = (1, begun, self.at, self.at, 11, 0, 0, 0, *(json.dumps(each) for each in (conf, models, decks, {1: _OPTIONS}, {})))
        self.database.execute("INSERT INTO col VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)

    def named_decks(self) -> Iterator[tuple[int, str]]:
        names: set[str] = set()
        for slug, (number, title) in self.decks.items():
            name = title.replace("::", ": :").replace('"', "'").strip() or slug
            yield number, f"{ATTEND}::{name if name not in names else f'{name} ({slug})'}"
            names.add(name)

    def deck_entry(self, number: int, name: str) -> dict[str, Any]:
        zeros = {key: [0, 0] for key in ("newToday", "revToday", "lrnToday", "timeToday")}
        return {"id": number, "name": name, "mod": self.second, "usn": 0, "desc": "", "dyn": 0, "conf": 1, "collapsed": False, "extendNew": 0, "extendRev": 0, **zeros}


def _log_rows(reviews: Sequence[ReviewRecord]) -> Iterator[tuple[ReviewRecord, tuple[int, int], int, int]]:
    """Each review with its interval and the one before, kind and factor: as they came, or as the days between tell."""
    by_card: dict[str, list[ReviewRecord]] = defaultdict(list)
    for each in reviews:
        by_card[each.card].append(each)
    for log in by_card.values():
        log.sort(key=lambda each: each.at)
        before = 0
        for place, each in enumerate(log):
            if len(each.more) == 4:
                kind, interval, before_it, factor = each.more
                yield each, (interval, before_it), kind, factor
                before = interval
                continue
            later = (log[place + 1].at - each.at) // DAY_MS if place + 1 < len(log) else max(before, 1)
            yield each, (int(later), int(before)), 0 if place == 0 else 1, 2500
            before = int(later)


def _number(kind: str, name: str) -> int:
    """A stable id in the range of Anki's, which are milliseconds."""
    digest = hashlib.blake2b(f"{kind}:{name}".encode(), digest_size=6).digest()
    return 1_000_000_000_000 + int.from_bytes(digest, "big") % 600_000_000_000 // 100 * 100


def _model(number: int, *, cloze: bool, at: int) -> dict[str, Any]:
    fields = [
        {"name": name, "ord": place, "sticky": False, "rtl": False, "font": "Arial", "size": 20, "media": [], "description": ""}
        for place, name in enumerate(_FIELDS)
    ]
    side = ("{{cloze:Front}}", "{{cloze:Front}}<br>{{Back}}") if cloze else ("{{Front}}", "{{FrontSide}}<hr id=answer>{{Back}}")
    template = {"name": "Card 1", "ord": 0, "qfmt": side[0], "afmt": side[1], "bqfmt": "", "bafmt": "", "did": None, "bfont": "", "bsize": 0}
    return {
        "id": number, "name": f"{ATTEND} {'gaps' if cloze else 'question'}", "type": int(cloze), "mod": at, "usn": 0, "sortf": 0, "did": 1, "tmpls": [template],
        "flds": fields, "css": _CSS, "latexPre": "", "latexPost": "", "latexsvg": False, "req": [[0, "any", [0]]], "tags": [], "vers": [],
    }  # fmt: skip


_OPTIONS = {
    "id": 1, "name": "Default", "mod": 0, "usn": 0, "maxTaken": 60, "autoplay": True, "timer": 0, "replayq": True, "dyn": False,
    "new": {"delays": [1, 10], "ints": [1, 4, 0], "initialFactor": 2500, "order": 1, "perDay": 20, "bury": False},
    "rev": {"perDay": 200, "ease4": 1.3, "ivlFct": 1, "maxIvl": 36500, "bury": False, "hardFactor": 1.2},
    "lapse": {"delays": [10], "mult": 0, "minInt": 1, "leechFails": 8, "leechAction": 0},
}  # fmt: skip
