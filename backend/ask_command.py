"""The verbs `ask` and `search` of the command line. Encoders are passed in by `__main__`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import Engine

from backend import store
from backend.ask import Answer, answer_question, as_dict, feedback
from backend.search import best_passages, find, fresh, pending_notice
from backend.search_index import Embed
from backend.search_report import as_table, evaluate

DONE, FOUND = 0, 1


def ask_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("question", nargs="*", help="a question in English or Chinese, a card's id or a formula")
    verb.add_argument("--batch", metavar="FILE", help='one {"id", "question"} a line; one answer a line comes out')
    verb.add_argument("--evaluate", metavar="FILE", help='questions with their "topics": recall, abstention and latency')
    verb.add_argument("--part", help='only the questions with this "part"')
    verb.add_argument("--feedback", action="store_true", help="what learners thought of answers, one line each")


def search_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("words", nargs="+")
    verb.add_argument("--count", type=int, default=10)


def run_ask(arguments: argparse.Namespace, engine: Engine, *, embed: Embed, complete: Callable[[], None]) -> int:
    """`complete` makes the vectors that are missing; only many questions at once are worth the wait."""
    if arguments.feedback:
        with store.writing(engine) as session:
            learner = store.local_learner(session)
            for line in feedback(session, learner=learner):
                print(json.dumps(line, ensure_ascii=False))
        return DONE
    if arguments.batch or arguments.evaluate:
        complete()
    learner = own_learner(engine)
    with store.reading(engine) as session:
        index = fresh(session, learner=learner)

        def answer(question: str) -> Answer:
            return answer_question(session, index, question, embed=embed)

        if arguments.batch:
            return run_batch(Path(arguments.batch), answer)
        if arguments.evaluate:
            return run_evaluation(arguments, answer)
        given = answer(" ".join(arguments.question))
    print(json.dumps(as_dict(given), ensure_ascii=False) if arguments.json else as_text(given))
    return DONE


def own_learner(engine: Engine) -> int:
    """Who sits at this machine: their own notes and cards are searched along with the shipped ones."""
    with store.writing(engine) as session:
        return store.local_learner(session)


def as_text(answer: Answer) -> str:
    lines = []
    if answer.corrected:
        lines += ["(read as: " + ", ".join(f"{typed} → {taken}" for typed, taken in answer.corrected.items()) + ")"]
    if answer.said:
        for number, said in enumerate(answer.said, 1):
            lines += [f"({said.asked})"] if said.asked else []
            lines += [f"{said.text}  [{number}]", ""]
        lines += [
            f"[{n}] {c.title}" + (f", {c.heading.rpartition(' > ')[2]}" if c.heading else "") + f"  {c.topic}:{c.start}-{c.end}"
            for n, c in enumerate(answer.citations, 1)
        ]
    else:
        lines += [answer.text]
        lines += [f"  near: {hit.heading or hit.title} ({hit.topic})" for hit in answer.near]
    return "\n".join([*lines, *answer.notices])


def run_batch(file: Path, answer: Callable[[str], Answer]) -> int:
    wrong = 0
    for number, row in read_lines(file):
        question = row.get("question") if isinstance(row, dict) else None
        if not isinstance(row, dict) or not isinstance(question, str):
            print(f'{file}:{number}: expected {{"id", "question"}}, came {str(row)[:80]}', file=sys.stderr)
            wrong += 1
            continue
        print(json.dumps({"id": row.get("id"), **as_dict(answer(question))}, ensure_ascii=False), flush=True)
    return FOUND if wrong else DONE


def read_lines(file: Path) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                yield number, line


def run_evaluation(arguments: argparse.Namespace, answer: Callable[[str], Answer]) -> int:
    rows = [row for _, row in read_lines(Path(arguments.evaluate)) if isinstance(row, dict) and arguments.part in (None, row.get("part"))]
    if not rows:
        print(f"{arguments.evaluate} holds no such question.", file=sys.stderr)
        return FOUND
    answer("warm up")  # the encoder is loaded with the first question
    report = evaluate(rows, answer)
    print(json.dumps(asdict(report), ensure_ascii=False) if arguments.json else as_table(report))
    return DONE


def run_search(arguments: argparse.Namespace, engine: Engine, *, embed: Embed) -> int:
    learner = own_learner(engine)
    with store.reading(engine) as session:
        index = fresh(session, learner=learner)
        found = find(session, index, " ".join(arguments.words), embed=embed)
        hits = best_passages(session, index, found, count=max(1, arguments.count))
        notices = [notice for notice in (found.notice, pending_notice(index), *index.problems) if notice]
    if arguments.json:
        print(json.dumps({"passages": [asdict(hit) for hit in hits], "notices": notices}, ensure_ascii=False))
    else:
        lines = [
            f"{hit.score:.3f}  {hit.heading or hit.title}  ({hit.topic}:{hit.start}-{hit.end})\n       {' '.join(hit.words.split())[:140]}"
            for hit in hits
        ]
        print("\n".join([*(lines or ["Nothing was found."]), *notices]))
    return DONE
