"""Review at 100,000 cards and 400,000 reviews: python -m tests.benchmarks.bench_review [folder]

Medians in ms unless said. The database is made once in `folder` (a temporary one unless named) by the schedule's own rules, so
that its log replays to its state; every figure is then measured through the public door.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, insert, text

from backend import card_search, memory, replay, review, stats
from backend.memory import Grade
from backend.store import open_engine, reading, writing
from backend.tables import Card, Learner, Table, Topic
from tests.sample_desk import DAY, HOUR, MINUTE, NOON

CARDS, TOPICS, TRACKS, REVIEWS_EACH = 100_000, 120, 13, 5
TODAY = NOON // DAY


def build(folder: Path) -> Engine:
    """80 % of the cards started, each with five grades; about a tenth of those due today."""
    engine = open_engine(f"sqlite:///{folder / 'bench.db'}")
    Table.metadata.create_all(engine)
    with engine.connect() as connection:
        if connection.execute(text("SELECT COUNT(*) FROM learner")).scalar_one():
            return engine
    rng = np.random.default_rng(1)
    words = ["attention", "gradient", "token", "layer", "loss", "cache", "query", "norm", "softmax", "kernel"]
    with writing(engine) as session:
        connection = session.connection()
        session.add_all([Learner(id=n, name=f"learner {n}", created_at=0) for n in range(1, 51)])
        session.flush()
        for n in range(TOPICS):
            session.add(Topic(slug=f"topic-{n:03d}", track=f"track-{n % TRACKS}", position=n, title=f"Topic {n}", text="", sha=""))
        session.flush()
        cards = [
            {
                "id": f"card-{n:06d}", "block": f"card-{n:06d}", "topic": f"topic-{n % TOPICS:03d}", "position": n // TOPICS,
                "tags": [f"tag{n % 50}"], "form": "prose", "source": f"Q: number {n}", "sha": "",
                "plain": f"{' '.join(rng.choice(words, 7))} number {n} " + ("rarely" if n % 1000 == 7 else "often") + " seen " * 10,
            }
            for n in range(CARDS)
        ]  # fmt: skip
        connection.execute(insert(Card), [{"question": {}, "aka": [], "section": ""} | card for card in cards])
        review.follow_content(session, learner=1, at=NOON)
        _write_history(session, rng)
    return engine


def _write_history(session, rng: np.random.Generator) -> None:
    """Five grades for each of the first 80,000 cards over two years; about a tenth of them is due today."""
    started = int(CARDS * 0.8)
    S, D = np.zeros(started), np.zeros(started)
    gaps = np.stack([np.zeros(started, np.int64), *(rng.integers(low, high, started) for low, high in ((1, 4), (3, 12), (8, 40), (20, 90)))])
    grades = np.where(rng.random((REVIEWS_EACH, started)) < 0.9, Grade.GOOD, Grade.AGAIN)
    grades[0] = Grade.EASY
    for grade, elapsed in zip(grades, gaps, strict=True):
        S, D = memory.next_memory(S, D, elapsed, grade)
    waited = np.where(rng.random(started) < 0.03, rng.uniform(1, 4, started), rng.uniform(0, 1.08, started))  # a few are neglected
    last = TODAY - 1 - (waited * memory.whole_interval(S, 0.9).clip(max=400)).astype(np.int64)
    days = last + np.cumsum(gaps, 0) - gaps.sum(0)
    S, D, due = np.zeros(started), np.zeros(started), np.zeros(started, np.int64)
    events, before = [], np.zeros(started, np.int64)
    lapses = np.zeros(started, np.int64)
    for number in range(REVIEWS_EACH):
        grade = grades[number]
        elapsed = gaps[number]
        recall = np.where(number > 0, memory.retrievability(S, elapsed) * 1e6, 0).astype(np.int64)
        interval = due - (days[number - 1] if number else 0)
        S, D = memory.next_memory(S, D, elapsed, grade)
        due = days[number] + memory.whole_interval(S, 0.9)
        lapses += (number > 0) & (grade == Grade.AGAIN)
        for n in range(started):
            events.append({
                "learner": 1, "card": f"card-{n:06d}", "seq": number, "kind": "grade", "value": 0, "at": int(days[number][n]) * DAY + 18 * HOUR + n,
                "day": int(days[number][n]), "hour": 18 + n % 4, "topic": f"topic-{n % TOPICS:03d}", "grade": int(grade[n]), "state": 2, "step": 0,
                "due_day": int(due[n]), "stability": float(S[n]), "difficulty": float(D[n]), "before": int(before[n]),
                "interval": int(interval[n]) if number else 0, "elapsed": int(elapsed[n]) if number else None,
                "recall": int(recall[n]) if number else None, "duration": 4000 + n % 9000, "round": "bench",
            })  # fmt: skip
        before[:] = 2
    events.sort(key=lambda event: event["at"])
    review.append_many(session, events)
    rows = [
        {
            "card": f"card-{n:06d}", "S": float(S[n]), "D": float(D[n]), "due": int(due[n]), "last": int(days[-1][n]),
            "at": int(days[-1][n]) * DAY + 18 * HOUR + n, "reps": REVIEWS_EACH, "lapses": int(lapses[n]),
        }
        for n in range(started)
    ]  # fmt: skip
    connection = session.connection()
    connection.execute(text("""UPDATE learner_card SET state = 2, stability = :S, difficulty = :D, due_day = :due, last_day = :last, last_at = :at,
        reps = :reps, events = :reps, lapses = :lapses WHERE learner = 1 AND card = :card"""), rows)  # fmt: skip
    for measure, sql in stats._RECOUNT.items():
        connection.execute(text(f"""INSERT INTO day_stat (learner, measure, day, bucket, reviews, passed, introduced, milliseconds, expected)
            SELECT 1, '{measure}', * FROM ({sql})"""), {"learner": 1})  # fmt: skip
    connection.execute(text("ANALYZE"))


def median(times: int, work: Callable[[int], object]) -> tuple[float, float, float]:
    """Median and 95th percentile in ms after a warm-up, and the processor time of one call."""
    work(-1)
    took, worked = [], time.process_time()
    for number in range(times):
        begin = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.median(took), float(np.quantile(took, 0.95)), (time.process_time() - worked) * 1000 / times


def once(work: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds of one call."""
    begin, worked = time.perf_counter(), time.process_time()
    assert not work()
    took = time.perf_counter() - begin
    return took, took, time.process_time() - worked


def line(name: str, took: tuple[float, float, float], bound: float, unit: str = "ms") -> None:
    verdict = "" if took[0] <= bound else "<-- too slow"
    print(f"{name:58}{took[0]:9.2f} {unit}  p95 {took[1]:8.2f}  processor {took[2]:8.2f}   wanted {bound:g}  {verdict}", flush=True)


def grading(engine: Engine) -> None:
    with writing(engine) as session:
        sitting = review.plan_round(session, learner=1, at=NOON)
    load = text("SELECT question, source, form FROM card WHERE id = :card")
    after = [0]

    def one(number: int) -> None:
        with writing(engine) as session:
            shown = review.next_showings(session, learner=1, at=NOON + number, round=sitting, after=after[0])[0]
            session.connection().execute(load, {"card": shown.card}).one()
            after[0] = (shown.place or 0) + 1
            days = shown.intervals[Grade.GOOD].days
            review.record_grade(
                session, learner=1, card=shown.card, showing=shown.number, grade=3, at=NOON + number, duration=5000, round=sitting.id, promised=days
            )

    line("fetch + load + grade, one transaction", median(180, one), 1.0)

    def take_back(number: int) -> None:
        with writing(engine) as session:
            assert review.undo(session, learner=1, at=NOON) is not None

    line("undo", median(100, take_back), 2.0)


def asking(engine: Engine) -> None:
    def read(work):
        def run(number: int):
            with reading(engine) as session:
                return work(session)

        return run

    line("counts by track", median(30, read(lambda s: review.count_due(s, learner=1, at=NOON))), 2.0)
    line("plan a round", median(20, read(lambda s: review.plan_round(s, learner=1, at=NOON))), 20)
    line("today", median(20, read(lambda s: stats.read_today(s, learner=1, at=NOON))), 20)
    line("forecast of 30 days", median(20, read(lambda s: stats.read_forecast(s, learner=1, at=NOON, days=30))), 20)
    line("one year of statistics", median(20, read(lambda s: stats.read_year(s, learner=1, at=NOON))), 20)
    line("mastery of every topic", median(5, read(lambda s: stats.read_mastery(s, learner=1, at=NOON))), 250)
    for query in (
        "attention", "rarely", "attention rarely", "unheardof", '"number 4242"', "tag:tag7", "track:track-3", "topic:topic-017", "is:due", "is:new",
        "is:suspended", "is:flagged", "prop:r<0.8", "prop:r<0.3", "prop:lapses>3", "rated:7:1", "rated:1", "added:30", "(tag:tag7 or tag:tag9) -is:new softmax",
    ):  # fmt: skip
        line(f"first 50 of  {query}", median(10, read(lambda s, q=query: card_search.find_cards(s, learner=1, at=NOON, query=q))), 5)


def checking(engine: Engine) -> None:
    with reading(engine) as session:
        line("replay of the whole log, compared with the state", once(lambda: replay.check_states(session, learner=1)), 3, "s ")
        line("recount of all sums", once(lambda: stats.check_sums(session, learner=1)), 3, "s ")
        line("workload simulator, seven retentions", once(lambda: stats.simulate_workload(session, learner=1, at=NOON, seed=1)[7:]), 5, "s ")


def many_learners(folder: Path, learners: int = 50, grades: int = 40) -> None:
    """Fifty people grading at once on one process, each with a thought of 50 ms between two grades."""
    from tests.sample_desk import make_desk

    (folder / "many").mkdir(exist_ok=True)
    (folder / "many" / "desk.db").unlink(missing_ok=True)
    engine = make_desk(folder / "many", topics=8, cards=50)
    with writing(engine) as session:
        session.add_all([Learner(id=n, name=f"learner {n}", created_at=0) for n in range(2, learners + 1)])
        session.flush()
        for learner in range(2, learners + 1):
            review.follow_content(session, learner=learner, at=NOON)
    took: list[float] = []
    errors: list[BaseException] = []

    def sit(learner: int) -> None:
        rng = np.random.default_rng(learner)
        for number in range(grades):
            card = f"t{number % 8}-q{number // 8:02d}"
            time.sleep(float(rng.uniform(1.5, 2.5)))
            begin = time.perf_counter()
            try:
                with writing(engine) as session:
                    done = review.record_grade(session, learner=learner, card=card, showing=0, grade=3, at=NOON + number * MINUTE)
                    assert done.status == "recorded"
            except BaseException as error:
                errors.append(error)
            took.append((time.perf_counter() - begin) * 1000)

    people = [threading.Thread(target=sit, args=(learner,)) for learner in range(1, learners + 1)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert errors == [], errors[:3]
    line(f"a grade with {learners} learners at once (p95 wanted)", (float(np.quantile(took, 0.95)), max(took), 0.0), 60)


def main(folder: Path) -> None:
    begin = time.perf_counter()
    engine = build(folder)
    size = (folder / "bench.db").stat().st_size / 1e6
    print(f"{CARDS} cards, {int(CARDS * 0.8) * REVIEWS_EACH} reviews, {size:.0f} MB; made in {time.perf_counter() - begin:.0f} s")
    grading(engine)
    asking(engine)
    checking(engine)
    many_learners(folder, grades=5)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
