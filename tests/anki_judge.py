"""Anki itself, asked in its own environment and process: `.venv-anki/bin/python tests/anki_judge.py VERB ...` prints one JSON object.

    take IN.apkg OUT.apkg [--old] [--twice]   import a package into an empty collection, say what is in it, export it again
    make OUT.apkg [--old]                     a collection with Anki's own note types, media and history, exported
"""

import json
import sys
import tempfile
from pathlib import Path

from anki.collection import Collection, ExportAnkiPackageOptions, ImportAnkiPackageOptions, ImportAnkiPackageRequest


def contents(col: Collection) -> dict:
    notes = [
        {"guid": guid, "tags": col.get_note(number).tags, "fields": dict(col.get_note(number).items())}
        for number, guid in col.db.all("select id, guid from notes order by guid")
    ]
    cards = [list(row) for row in col.db.all("select n.guid, c.ord, c.type, c.queue, c.due, c.ivl, c.reps, c.lapses, c.flags, c.data from cards c join notes n on n.id = c.nid")]
    log = [list(row) for row in col.db.all("select n.guid, c.ord, r.id, r.ease, r.time from revlog r join cards c on c.id = r.cid join notes n on n.id = c.nid")]
    media = sorted(path.name for path in Path(col.media.dir()).iterdir())
    return {"notes": notes, "cards": cards, "log": log, "media": media, "today": col.sched.today, "decks": [deck.name for deck in col.decks.all_names_and_ids()]}


def take(source: str, target: str, *, old: bool, twice: bool) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        col = Collection(str(Path(folder) / "collection.anki2"))
        options = ImportAnkiPackageOptions(with_scheduling=True, merge_notetypes=True)
        done = [col.import_anki_package(ImportAnkiPackageRequest(package_path=source, options=options)).log for _ in range(1 + twice)]
        col.export_anki_package(
            out_path=target, limit=None, options=ExportAnkiPackageOptions(with_scheduling=True, with_deck_configs=True, with_media=True, legacy=old)
        )
        told = contents(col) | {"new": [len(log.new) for log in done], "updated": [len(log.updated) for log in done]}
        col.close()
        return told


def make(target: str, *, old: bool) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        col = Collection(str(Path(folder) / "collection.anki2"))
        Path(col.media.dir(), "curve.png").write_bytes(b"\x89PNG a curve")
        deck = col.decks.id("Deep::Learning")

        def add(kind: str, *values: str, tags: str = "") -> None:
            note = col.new_note(col.models.by_name(kind))
            note.fields[: len(values)] = values
            note.tags = tags.split()
            col.add_note(note, deck)

        add("Basic", "What is <b>attention</b>?", r"A weighted mean: \(\sum_i a_i v_i\)<br><img src=\"curve.png\">".replace('\\"', '"'), tags="ml hard::yes")
        add("Basic (and reversed card)", "query", "what asks")
        add("Cloze", "The {{c1::softmax}} of {{c2::scores}} sums to one.")
        add("Cloze", "{{c1::A}} and {{c1::B}} before {{c2::C::a letter}}", "More on it")
        add("Basic (type in the answer)", "Capital of France?", "Paris")
        add("Basic", "<script>alert(1)</script>Hostile <a href='javascript:alert(2)'>link</a>", "<img src='http://example.org/spy.png' onerror='alert(3)'>fine")
        add("Basic", "中文问题?", "答案 🦜")
        col.decks.select(deck)
        col.set_config("fsrs", True)
        for _ in range(3):
            card = col.sched.getCard()
            card.start_timer()
            col.sched.answerCard(card, 4)
        col.export_anki_package(
            out_path=target, limit=None, options=ExportAnkiPackageOptions(with_scheduling=True, with_deck_configs=True, with_media=True, legacy=old)
        )
        told = contents(col)
        col.close()
        return told


if __name__ == "__main__":
    verb, *paths = [word for word in sys.argv[1:] if not word.startswith("--")]
    flags = {"old": "--old" in sys.argv} | ({"twice": "--twice" in sys.argv} if verb == "take" else {})
    print(json.dumps({"take": take, "make": make}[verb](*paths, **flags)))
