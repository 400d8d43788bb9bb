"""The command line: python -m backend sync | check | ask | search | cards | import | export | backup | restore."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from backend import ask_command, library_command, store
from backend.ask_command import ask_arguments, search_arguments
from backend.card_search import QueryError
from backend.check import check_content, check_database
from backend.exchange.records import Unreadable
from backend.search_index import count_pending, fill_vectors
from backend.sync import sync

DONE, FOUND, STOPPED = 0, 1, 130
FEW = 400  # passages


def content_folder() -> Path:
    return Path(os.environ.get("CONTENT_DIR") or store.HOUSE / "content")


def lab_makers() -> Mapping[str, Sequence[str]]:
    from screens.labs import Makers  # composing is this file's business; nothing else in backend/ knows the screens

    return Makers()


def say(arguments: argparse.Namespace, result: dict, sentence: str) -> None:
    print(json.dumps(result, ensure_ascii=False) if arguments.json else sentence)


def bar(done: int, total: int, what: str = "reading notes") -> None:
    """A progress bar on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        return
    filled = 30 * done // total
    end = "\n" if done == total else ""
    print(f"\r{what} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}", end=end, file=sys.stderr, flush=True)


def embed_query(texts):  # the encoder in NumPy: there at once
    from models.minilm import embed

    return embed(texts)


def embed_many(texts):  # the original encoder: slow to start, quick with many
    from models.embedder import embed

    return embed(texts)


def complete_vectors(engine) -> None:
    """Encode what has no vector yet; a handful is not worth starting the original encoder."""
    with store.reading(engine) as session:
        waiting, _ = count_pending(session)
    if waiting:
        fill_vectors(engine, embed_many if waiting > FEW else embed_query, progress=partial(bar, what="encoding passages"))


def run_ask(arguments: argparse.Namespace) -> int:
    engine = store.open_engine()
    store.upgrade(engine)
    return ask_command.run_ask(arguments, engine, embed=embed_query, complete=lambda: complete_vectors(engine))


def run_search(arguments: argparse.Namespace) -> int:
    engine = store.open_engine()
    store.upgrade(engine)
    return ask_command.run_search(arguments, engine, embed=embed_query)


def run_sync(arguments: argparse.Namespace) -> int:
    engine = store.open_engine()
    store.upgrade(engine)
    with store.writing(engine) as session:
        store.local_learner(session)
        report = sync(session, content_folder(), at=store.now(), makers=lab_makers(), progress=bar)
    if not arguments.no_vectors:
        complete_vectors(engine)
    for mistake in report.mistakes:
        print(mistake, file=sys.stderr)
    mistakes = [str(mistake) for mistake in report.mistakes]
    result = {"topics": report.topics, "new": report.new, "changed": report.changed, "orphaned": report.orphaned, "mistakes": mistakes}
    say(arguments, result, str(report))
    return DONE


def run_check(arguments: argparse.Namespace) -> int:
    findings = check_content(content_folder(), makers=lab_makers())
    engine = store.open_engine()
    store.upgrade(engine)
    if arguments.repair:
        return run_repair(arguments, engine, findings)
    findings += check_database(engine)
    say(arguments, {"findings": findings}, "\n".join([*findings, f"{len(findings)} findings"]))
    return FOUND if findings else DONE


def run_repair(arguments: argparse.Namespace, engine: Engine, in_content: list[str]) -> int:
    """Say what will be mended, copy the database, mend it, and check again."""
    from backend.backups import back_up
    from backend.repair import plan_repair, repair

    at = store.now()
    wanted = plan_repair(engine, at=at)
    if not arguments.json:
        print("\n".join(map(str, wanted)) or "There is nothing to mend.", flush=True)
    copy, failed = None, []
    if wanted:
        copy = back_up(engine, at=at, reason="repair")
        failed = repair(engine, wanted, at=at)
    left = [*in_content, *check_database(engine)]
    result = {"repairs": [str(each) for each in wanted], "failed": failed, "backup": str(copy) if copy else None, "findings": left}
    kept = f"The database as it was is in {copy}." if copy else ""
    restored = "What is left cannot be mended here: restore a backup (python -m backend restore FILE)." if check_database(engine) else ""
    say(arguments, result, "\n".join(filter(None, [*failed, kept, *left, restored, f"{len(left)} findings left"])))
    return FOUND if left else DONE


def run_backup(arguments: argparse.Namespace) -> int:
    from backend.backups import back_up

    path = back_up(store.open_engine(), at=store.now(), reason="asked")
    say(arguments, {"backup": str(path)}, f"backed up to {path}")
    return DONE


def run_restore(arguments: argparse.Namespace) -> int:
    from backend.backups import restore

    if arguments.file.endswith(".attend"):
        return library_command.run_restore(arguments, store.open_engine())
    restore(store.open_engine(), Path(arguments.file), at=store.now())
    say(arguments, {"restored": arguments.file}, f"restored from {arguments.file}; what was there before is kept among the backups")
    return DONE


def run_on_library(run: Callable[[argparse.Namespace, Engine], int]) -> Callable[[argparse.Namespace], int]:
    def opened(arguments: argparse.Namespace) -> int:
        engine = store.open_engine()
        store.upgrade(engine)
        return run(arguments, engine)

    return opened


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m backend", description="Attend without the browser.")
    verbs = top.add_subparsers(dest="verb", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help)
        made.add_argument("--json", action="store_true", help="print one JSON object")
        made.set_defaults(run=run)
        return made

    verb("sync", run_sync, "bring the database to what content/ holds").add_argument(
        "--no-vectors", action="store_true", help="leave the encoding of passages to the running app; search finds words meanwhile"
    )
    verb("check", run_check, "verify content and database; exit 1 on any finding").add_argument(
        "--repair", action="store_true", help="say what can be mended, copy the database, and mend it; no review is lost"
    )
    ask_arguments(verb("ask", run_ask, "answer questions from the notes, each sentence with its citation"))
    search_arguments(verb("search", run_search, "find passages"))
    library_command.cards_arguments(verb("cards", run_on_library(library_command.run_cards), "list and find cards"))
    library_command.import_arguments(verb("import", run_on_library(library_command.run_import), "bring notes and cards into your own library"))
    library_command.export_arguments(verb("export", run_on_library(library_command.run_export), "take everything out, or what a search finds"))
    verb("backup", run_backup, "copy the database aside, safely, while it is in use")
    verb("restore", run_restore, "put a backup in the database's place").add_argument("file")
    return top


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (store.StoreError, Unreadable, QueryError) as error:
        print(error, file=sys.stderr)
        return FOUND
    except KeyboardInterrupt:
        print("\nStopped. What was begun and not finished was taken back.", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
