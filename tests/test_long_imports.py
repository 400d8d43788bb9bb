"""Large imports: in short transactions, cancelled without a trace, taken back when they die, and never in another learner's way."""

import json
import sqlite3
import threading
import time

import pytest
from sqlmodel import select

from backend import library, review, store
from backend.__main__ import main
from backend.check import check_database
from backend.exchange.formats import write_path
from backend.exchange.records import Cancelled, CardRecord, MemoryRecord, Records, ReviewRecord, TopicRecord, Unreadable
from backend.library import apply_import, import_records, list_imports, take_back, take_back_unfinished
from backend.library_import import SMALL
from backend.library_undo import Undoing
from backend.memory import Grade
from backend.repair import plan_repair, repair
from backend.sync import sync
from backend.tables import Card, Event, ImportRun, Learner, LearnerCard
from tests.sample_desk import DAY, NOON
from tests.test_library import everything
from tests.test_library import learner as learner  # the fixture

COUNT = SMALL + 1200


def large(count: int = COUNT) -> Records:
    from backend.cards import Card as Written
    from backend.questions import Form, Question

    records = Records("large", topics=[TopicRecord(f"deck-{n}", f"Deck {n}", f"---\ntitle: Deck {n}\n---\n\nWords of deck {n}.\n") for n in range(30)])
    for n in range(count):
        card = Written(f"large-{n}", Question(Form.PROSE, f"Question {n} of many?", f"Answer {n}."), tags=("big",))
        records.cards.append(CardRecord(card, f"deck-{n % 30}", f"Q: Question {n} of many? ^large-{n}\ntags: big\n\nA: Answer {n}.\n"))
        if n % 2:
            records.memories.append(MemoryRecord(card.id, NOON // DAY + n % 90, 20.0, 5.0, 30, suspended=n % 11 == 0, flag=n % 8, reps=2))
            records.reviews += [ReviewRecord(card.id, NOON - days * DAY + n, 3, 4000) for days in (40, 20)]
    return records


def rows(engine) -> dict[str, list]:
    """Every row but the list of imports and the stamp."""
    return everything(engine, "import_run", "setting")


def test_written_in_pieces_it_is_what_one_transaction_writes(engine, learner, content, tmp_path):
    other = store.open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    store.upgrade(other)
    with store.writing(other) as session:
        sync(session, content, at=NOON)
        review.follow_content(session, learner=store.local_learner(session), at=NOON)
        whole = apply_import(session, learner=1, records=large(), at=NOON)
    seen: list[tuple[int, int]] = []
    report = import_records(engine, learner=learner, records=large(), at=NOON, progress=lambda done, total, what: seen.append((done, total)))
    assert (report.new, report.memories, report.reviews) == (whole.new, whole.memories, whole.reviews) == (COUNT, COUNT // 2, COUNT)
    mine, theirs = rows(engine), rows(other)
    for found in (mine, theirs):
        found.pop("learner")  # made at another moment
    assert mine == theirs
    assert check_database(engine) == []
    assert len(seen) > 6
    assert all(done <= total for done, total in seen)
    assert take_back(engine, learner=learner, run=report.run, at=NOON + 1).startswith(f"Taken back: {COUNT} cards")
    with store.reading(engine) as session:
        assert session.exec(select(Card).where(Card.owner == learner)).first() is None


@pytest.mark.parametrize("after", [1, 4, 8])
def test_a_cancelled_import_leaves_nothing(engine, learner, after):
    before = rows(engine)
    calls = 0

    def impatient(done: int, total: int, what: str) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_records(engine, learner=learner, records=large(), at=NOON, progress=impatient)
    assert rows(engine) == before
    assert check_database(engine) == []
    with store.reading(engine) as session:
        assert [(run.undone_at, run.report["interrupted"]) for run in list_imports(session, learner=learner)] == [(NOON, True)]


def killed(engine, learner) -> None:
    """An import whose process ends in the middle: nobody takes back what it had written."""
    with store.reading(engine) as session:
        work = library.Import(session, learner=learner, records=large(), at=NOON, chosen=None, theirs=())
    with store.writing(engine) as session:
        work.open_run(session, beat=NOON)
    for number, (_, _, write) in enumerate(work.pieces()):
        if number == 5:
            return
        with store.writing(engine) as session:
            write(session)


def test_an_import_that_died_is_found_and_taken_back(engine, learner):
    before = rows(engine)
    killed(engine, learner)
    assert rows(engine) != before
    assert take_back_unfinished(engine, learner=learner, at=NOON + 1000) == [], "it may still be running elsewhere"
    assert any("interrupted" in finding for finding in check_database(engine, at=NOON + DAY))
    said = take_back_unfinished(engine, learner=learner, at=NOON + DAY)
    assert said == ["The import of large had been interrupted and was taken back; nothing of it is left."]
    assert rows(engine) == before
    assert check_database(engine, at=NOON + DAY) == []


def test_an_import_that_is_taken_back_while_it_runs_stops(engine, learner):
    def meddle(done: int, total: int, what: str) -> None:
        with store.reading(engine) as session:
            run = list_imports(session, learner=learner)[0]
        if done > 1000 and run.undone_at is None:
            take_back(engine, learner=learner, run=run.id, at=NOON)

    before = rows(engine)
    with pytest.raises(Cancelled, match="from elsewhere"):
        import_records(engine, learner=learner, records=large(), at=NOON, progress=meddle)
    assert rows(engine) == before


def test_an_import_that_is_just_being_taken_back_writes_no_more(engine, learner):
    before = rows(engine)
    work: list[Undoing] = []

    def meddle(done: int, total: int, what: str) -> None:
        if done <= 1000 or work:
            return
        with store.reading(engine) as session:
            work.append(Undoing(session, learner=learner, run=list_imports(session, learner=learner)[0], at=NOON))
        with store.writing(engine) as session:
            next(work[0].pieces())(session)

    with pytest.raises(Cancelled, match="from elsewhere"):
        import_records(engine, learner=learner, records=large(), at=NOON, progress=meddle)
    assert rows(engine) == before
    import_records(engine, learner=learner, records=large(), at=NOON + 1)
    again = rows(engine)
    for write in work[0].pieces():  # the other one wakes up when it is all over
        with store.writing(engine) as session:
            write(session)
    assert rows(engine) == again


def test_a_card_graded_while_its_import_is_taken_back_stays(engine, learner):
    report = import_records(engine, learner=learner, records=large(), at=NOON)
    with store.reading(engine) as session:
        work = Undoing(session, learner=learner, run=session.get(ImportRun, report.run), at=NOON + 2)
    for number, write in enumerate(work.pieces()):
        if number == 1:
            with store.writing(engine) as session:
                shown = review.showing_of(session, learner=learner, card="my-large-2", at=NOON + 1)
                review.record_grade(session, learner=learner, card="my-large-2", showing=shown.number, grade=Grade.GOOD, at=NOON + 1, duration=1000)
        with store.writing(engine) as session:
            write(session)
    assert "1 cards that you have learned since" in work.words
    with store.reading(engine) as session:
        assert [(card.id, card.orphaned_at) for card in session.exec(select(Card).where(Card.owner == learner))] == [("my-large-2", NOON + 2)]
        assert [event.kind for event in session.exec(select(Event))] == ["grade"]
    assert check_database(engine) == []


def test_of_two_imports_of_the_same_cards_the_second_is_refused(engine, learner):
    refused: list[str] = []

    def second(done: int, total: int, what: str) -> None:
        if done > 1000 and len(refused) < 2:
            for records in (large(), large(40)):
                with pytest.raises(Unreadable) as problem:
                    import_records(engine, learner=learner, records=records, at=NOON + 1)
                refused.append(str(problem.value))

    report = import_records(engine, learner=learner, records=large(), at=NOON, progress=second)
    assert (report.new, [("large is under way" in words) for words in refused]) == (COUNT, [True, True])
    with store.reading(engine) as session:
        assert len(session.exec(select(Card.id).where(Card.owner == learner)).all()) == COUNT
        assert len(list_imports(session, learner=learner)) == 1
    assert check_database(engine) == []


@pytest.mark.parametrize("count", [COUNT, 40])
def test_what_came_in_after_an_import_was_planned_is_not_taken_back_with_it(engine, learner, monkeypatch, count):
    class Overtaken(library.Import):
        def __init__(self, *arguments, **more) -> None:
            super().__init__(*arguments, **more)
            monkeypatch.setattr(library, "Import", type(self).__base__)
            import_records(engine, learner=learner, records=large(40), at=NOON)

    monkeypatch.setattr(library, "Import", Overtaken)
    with pytest.raises(Unreadable, match="try again"):
        import_records(engine, learner=learner, records=large(count), at=NOON)
    with store.reading(engine) as session:
        assert len(session.exec(select(Card.id).where(Card.owner == learner)).all()) == 40


def test_a_card_that_came_in_between_is_told_in_words(engine, learner):
    def meddle(done: int, total: int, what: str) -> None:
        with store.writing(engine) as session:
            if session.get(Card, "my-large-3000") is None:
                session.add(Card(id="my-large-3000", block="my-large-3000", topic="alpha", form="prose", source="", sha=""))

    with pytest.raises(Unreadable, match="other changes to the same cards: try again"):
        import_records(engine, learner=learner, records=large(), at=NOON, progress=meddle)
    with store.reading(engine) as session:
        assert session.get(Card, "my-large-3000") is not None
        assert session.exec(select(Card).where(Card.owner == learner)).all() == []


def test_another_learner_hardly_waits(engine, learner):
    with store.writing(engine) as session:
        session.add(Learner(id=2, name="other", created_at=0))
        session.flush()
        review.follow_content(session, learner=2, at=NOON)
    waits: list[float] = []
    over = threading.Event()

    def study() -> None:
        while not over.is_set():
            begun = time.perf_counter()
            with store.writing(engine) as session:
                shown = review.showing_of(session, learner=2, card="alpha-q01", at=NOON)
                review.record_grade(session, learner=2, card="alpha-q01", showing=shown.number, grade=Grade.GOOD, at=NOON + len(waits), duration=1)
            waits.append(time.perf_counter() - begun)
            over.wait(0.02)

    grading = threading.Thread(target=study)
    grading.start()
    report = import_records(engine, learner=learner, records=large(6000), at=NOON)
    over.set()
    grading.join()
    assert report.new == 6000
    assert len(waits) > 10
    assert sorted(waits)[int(len(waits) * 0.95)] < 1.0
    assert check_database(engine) == []


def test_a_cancelled_export_leaves_no_file(tmp_path):
    def impatient(done: int, total: int, what: str) -> None:
        if done:
            raise Cancelled

    for suffix in (".apkg", ".csv", ".json", ".zip"):
        with pytest.raises(Cancelled):
            write_path(large(5000), tmp_path / f"out{suffix}", at=NOON, progress=impatient)
    assert list(tmp_path.iterdir()) == []


# -- mending ---------------------------------------------------------------------------------------------------------------


def grades(engine) -> list:
    with store.reading(engine) as session:
        return [event.model_dump() for event in session.exec(select(Event).order_by(Event.id))]


def test_a_broken_database_is_mended_without_losing_a_review(engine, learner):
    for number, card in enumerate(["alpha-q01", "alpha-q02", "beta-q01"]):
        with store.writing(engine) as session:
            review.record_grade(session, learner=learner, card=card, showing=0, grade=Grade.GOOD, at=NOON + number, duration=1000)
    killed(engine, learner)
    sound = grades(engine)
    mended = everything(engine, "import_run", "setting")["learner_card"]
    for statement in (
        "UPDATE learner_card SET stability = 99, lapses = 7 WHERE card = 'alpha-q01'",
        "DELETE FROM learner_card WHERE card = 'alpha-q02'",
        "UPDATE learner_card SET state = 2, reps = 3 WHERE card = 'beta-q02'",
        "UPDATE day_stat SET reviews = 400 WHERE measure = 'day'",
        "UPDATE setting SET value = '{' WHERE name = 'content'",
    ):
        with store.writing(engine) as session:
            session.connection().exec_driver_sql(statement)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("INSERT INTO setting (learner, name, value) VALUES (77, 'fuzz', 'true')")
        connection.exec_driver_sql(
            "INSERT INTO section (topic, anchor, position, heading, markdown, plain, start, \"end\", sha) VALUES ('gone', 'a', 0, '', '', '', 0, 0, '')"
        )
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    findings = check_database(engine, at=NOON + DAY)
    assert len(findings) >= 6
    planned = plan_repair(engine, at=NOON + DAY)
    told = "\n".join(map(str, planned))
    for words in ("learner 77 is missing", "1 rows of section", "interrupted", "does not follow", "sums of days", "cannot be read"):
        assert words in told
    assert repair(engine, planned, at=NOON + DAY) == []
    assert check_database(engine, at=NOON + DAY) == []
    kept = [event for event in grades(engine) if event["kind"] == "grade"]
    assert kept == [event for event in sound if event["kind"] == "grade"]
    now = everything(engine)["learner_card"]
    assert [line for line in now if not line.startswith("(77,")] == [line for line in mended if "large" not in line]
    assert plan_repair(engine, at=NOON + DAY) == []


def test_a_sound_database_has_nothing_to_mend(engine, learner):
    assert plan_repair(engine, at=NOON) == []
    with store.reading(engine) as session:
        assert session.exec(select(ImportRun)).all() == []
        assert session.exec(select(LearnerCard)).first() is not None


def test_the_command_line_says_what_it_mends_keeps_a_copy_and_mends_it(engine, learner, content, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", str(engine.url))
    monkeypatch.setenv("CONTENT_DIR", str(content))
    with store.writing(engine) as session:
        review.record_grade(session, learner=learner, card="alpha-q01", showing=0, grade=Grade.GOOD, at=NOON, duration=1000)
    with store.writing(engine) as session:
        session.connection().exec_driver_sql("UPDATE learner_card SET stability = 99 WHERE card = 'alpha-q01'")
    assert main(["check"]) == 1
    capsys.readouterr()
    assert main(["check", "--repair", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == told["failed"] == []
    assert told["repairs"] == [f"learner {learner}: what is kept of 1 cards does not follow from their log: their states are computed again from the log"]
    with sqlite3.connect(told["backup"]) as copy:
        assert copy.execute("SELECT stability FROM learner_card WHERE card = 'alpha-q01'").fetchone() == (99.0,)
    assert main(["check", "--repair"]) == 0
    assert "There is nothing to mend." in capsys.readouterr().out
