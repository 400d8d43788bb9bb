"""The command line's part of the library: `cards`, `import`, `export`, and restoring an archive of everything."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine

from backend import review, store
from backend.card_search import count_cards, find_cards
from backend.deck import read_deck
from backend.exchange.formats import READS, WRITES, read_path, write_path
from backend.exchange.json_file import read_archive, write_archive
from backend.library import Plan, collect, import_records, index_pending, list_imports, plan_import, take_back
from backend.markup import plain
from backend.memory import minutes_west
from backend.settings import read_settings

DONE, FOUND = 0, 1
EVERYTHING = ".attend"
FEW = 20


def cards_arguments(made: argparse.ArgumentParser) -> None:
    made.add_argument("query", nargs="*", help="words, or the search language of Review: topic:lora is:due prop:lapses>2")
    made.add_argument("--limit", type=int, default=50)
    made.add_argument("--offset", type=int, default=0)


def import_arguments(made: argparse.ArgumentParser) -> None:
    made.add_argument("path", nargs="?", help=f"a folder of notes, or a file: {', '.join(READS)}")
    made.add_argument("--preview", action="store_true", help="say what would be made and why, and write nothing")
    made.add_argument("--no-offers", action="store_true", help="leave out cards that are guessed from plain text")
    made.add_argument("--theirs", action="append", default=[], metavar="ID", help="a conflict in which the file's wording wins; may be repeated")
    made.add_argument("--undo", type=int, metavar="NUMBER", help="take that import back")
    made.add_argument("--list", action="store_true", help="list the imports so far")


def export_arguments(made: argparse.ArgumentParser) -> None:
    made.add_argument("file", help=f"where to: {', '.join(WRITES)}, or {EVERYTHING} for every row of the database")
    made.add_argument("query", nargs="*", help="only the cards that this finds")


def say(arguments: argparse.Namespace, result: dict, sentence: str) -> None:
    print(json.dumps(result, ensure_ascii=False) if arguments.json else sentence)


def bar(done: int, total: int, what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{what[:50]:50} {done}{f'/{total}' if total else ''}", end="", file=sys.stderr, flush=True)


def run_cards(arguments: argparse.Namespace, engine: Engine) -> int:
    at, query = store.now(), " ".join(arguments.query)
    with store.writing(engine) as session:
        learner = store.local_learner(session)
        review.follow_content(session, learner=learner, at=at)
    with store.reading(engine) as session:
        found = find_cards(session, learner=learner, at=at, query=query, limit=max(arguments.limit, 0), offset=max(arguments.offset, 0))
        total = count_cards(session, learner=learner, at=at, query=query)
        deck = read_deck(session, learner=learner, cards=[card.card for card in found])
    asked = {name: " ".join(plain(card.question.prompt).split()) if card.question else "(computed afresh)" for name, card in deck.items()}
    rows = [asdict(card) | {"phase": card.phase.name.lower(), "question": asked.get(card.card, "")} for card in found]
    lines = [f"{row['card']:40} {row['phase']:10} {row['question'][:90]}" for row in rows]
    say(arguments, {"total": total, "cards": rows}, "\n".join([*lines, f"{len(rows)} of {total} cards"]))
    return DONE


def run_import(arguments: argparse.Namespace, engine: Engine) -> int:
    with store.writing(engine) as session:
        learner = store.local_learner(session)
    if arguments.list:
        with store.reading(engine) as session:
            runs = [{"number": r.id, "name": r.name, "at": r.at, "report": r.report, "undone": r.undone_at is not None} for r in list_imports(session, learner=learner)]
        lines = [f"{run['number']:4}  {run['name']}{'  (taken back)' if run['undone'] else ''}" for run in runs]
        say(arguments, {"imports": runs}, "\n".join(lines) or "Nothing was imported yet.")
        return DONE
    if arguments.undo is not None:
        told = take_back(engine, learner=learner, run=arguments.undo, at=store.now())
        say(arguments, {"undone": told}, told)
        return DONE
    if not arguments.path:
        print("expected a file or a folder to import, came none", file=sys.stderr)
        return FOUND
    records = read_path(Path(arguments.path), progress=bar)
    if arguments.preview:
        with store.reading(engine) as session:
            return show_plan(arguments, plan_import(session, learner=learner, records=records))
    chosen: set[str] | None = set() if arguments.no_offers else None
    report = import_records(engine, learner=learner, records=records, at=store.now(), chosen=chosen, theirs=set(arguments.theirs), progress=bar)
    index_pending(engine, progress=bar)
    back = f"Take it back with: python -m backend import --undo {report.run}"
    say(arguments, asdict(report), "\n".join([*report.notices[:FEW], str(report), back]))
    return DONE


def show_plan(arguments: argparse.Namespace, plan: Plan) -> int:
    changes = [asdict(change) for change in plan.changes if change.kind != "same"]
    lines = [f"{c['kind']:9} {c['what']:10} {c['id']}  {c['why']}{'  (offered)' if c['offered'] else ''}" for c in changes]
    gaps = [f"gap       {gap.heading}{f'  see {slug}' if slug else ''}" for gap, slug in plan.gaps]
    result: dict[str, object] = {"changes": changes, "gaps": [{"file": gap.file, "heading": gap.heading, "topic": slug} for gap, slug in plan.gaps]}
    result |= {"memories": plan.memories, "reviews": plan.reviews, "notices": plan.records.notices}
    say(arguments, result, "\n".join([*lines, *gaps, *plan.records.notices[:FEW], f"{plan.count('new')} cards would be made; nothing was written."]))
    return DONE


def run_export(arguments: argparse.Namespace, engine: Engine) -> int:
    path, query, at = Path(arguments.file), " ".join(arguments.query), store.now()
    if path.suffix == EVERYTHING:
        write_archive(engine, path, revision=store.known_revisions()[-1], progress=bar)
        say(arguments, {"exported": str(path)}, f"everything is in {path}; restore it elsewhere with: python -m backend restore {path.name}")
        return DONE
    with store.writing(engine) as session:
        learner = store.local_learner(session)
        review.follow_content(session, learner=learner, at=at)
    with store.reading(engine) as session:
        cards = None
        if query:
            cards = [card.card for card in find_cards(session, learner=learner, at=at, query=query, limit=1_000_000)]
        records = collect(session, learner=learner, cards=cards, name=path.name, progress=bar)
        settings = read_settings(session, learner=learner)
    west = minutes_west(at, time_zone=settings.time_zone)
    write_path(records, path, at=at, rollover_hour=settings.rollover_hour, minutes_west=west, progress=bar)
    result: dict[str, object] = {"exported": str(path), "cards": len(records.cards), "topics": len(records.topics), "reviews": len(records.reviews), "notices": records.notices}
    say(arguments, result, "\n".join([*records.notices, f"{len(records.cards)} cards of {len(records.topics)} topics are in {path}"]))
    return DONE


def run_restore(arguments: argparse.Namespace, engine: Engine) -> int:
    store.upgrade(engine)
    count = read_archive(engine, Path(arguments.file), revision=store.known_revisions()[-1], progress=bar)
    say(arguments, {"restored": arguments.file, "rows": count}, f"restored {count} rows from {arguments.file}")
    return DONE
