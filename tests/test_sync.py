"""Sync through its public door: idempotent, atomic, and history hangs on card ids."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlmodel import Session, select

from backend import store
from backend.sync import known_mistakes, sync
from backend.tables import Card, Revision, Section, Topic
from screens.labs import Makers
from tests.conftest import note_text

CARDS = {f"{slug}-{end}" for slug in ("alpha", "beta") for end in ("q01", "q02", "gap.1", "gap.2")}


def live(session: Session) -> set[str]:
    return {card.id for card in session.exec(select(Card)) if card.orphaned_at is None}


def test_sync_writes_topics_sections_and_cards(session, content):
    report = sync(session, content, at=1)
    assert (report.topics, set(report.new), report.changed, report.orphaned, report.mistakes) == (2, CARDS, [], [], [])
    assert live(session) == CARDS
    beta = session.get(Topic, "beta")
    assert (beta.title, beta.track, beta.position, beta.needs) == ("Beta", "basics", 1, ["alpha"])
    for section in session.exec(select(Section)):
        text = session.get(Topic, section.topic).text
        assert text[section.start : section.end].strip(), "a section's offsets hold its words"


def test_sync_twice_changes_nothing(session, content):
    sync(session, content, at=1)
    before = [card.model_dump() for card in session.exec(select(Card).order_by(Card.id))]
    report = sync(session, content, at=2)
    assert (report.new, report.changed, report.orphaned) == ([], [], [])
    assert [card.model_dump() for card in session.exec(select(Card).order_by(Card.id))] == before


def test_a_changed_card_keeps_its_id_and_its_old_wording(session, content):
    sync(session, content, at=1)
    file = content / "basics" / "alpha.md"
    file.write_text(file.read_text().replace("Because. And so on.", "Because it is so."))
    report = sync(session, content, at=2)
    assert (report.new, report.changed, report.orphaned) == ([], ["alpha-q01"], [])
    revision = session.exec(select(Revision)).one()
    assert (revision.card, "And so on" in revision.before, "it is so" in revision.after) == ("alpha-q01", True, True)


def test_a_card_that_left_is_orphaned_and_comes_back(session, content):
    sync(session, content, at=1)
    file = content / "basics" / "alpha.md"
    whole = file.read_text()
    file.write_text(whole[: whole.index("C: A")])
    assert sync(session, content, at=2).orphaned == ["alpha-gap.1", "alpha-gap.2"]
    assert session.get(Card, "alpha-gap.1").orphaned_at == 2
    file.write_text(whole)
    report = sync(session, content, at=3)
    assert (report.new, report.orphaned) == ([], [])
    assert session.get(Card, "alpha-gap.1").orphaned_at is None


def test_a_removed_note_leaves_its_cards_orphaned(session, content):
    sync(session, content, at=1)
    (content / "basics" / "beta.md").unlink()
    assert set(sync(session, content, at=2).orphaned) == {card for card in CARDS if card.startswith("beta")}
    assert session.get(Topic, "beta") is None
    assert session.get(Card, "beta-q01") is not None


def test_a_note_that_broke_keeps_its_last_readable_state(session, content):
    sync(session, content, at=1)
    (content / "basics" / "beta.md").write_text("---\ntitle: [unclosed\n---\n")
    report = sync(session, content, at=2)
    assert report.orphaned == []
    assert [mistake.path for mistake in report.mistakes if mistake.path.startswith("basics/beta")]
    assert session.get(Topic, "beta").title == "Beta"
    assert known_mistakes(session), "the Read screen can say what was left out"


def test_duplicate_ids_across_notes_are_reported_and_the_first_stands(session, content):
    (content / "basics" / "beta.md").write_text(note_text("beta").replace("^beta-q01", "^alpha-q01"))
    report = sync(session, content, at=1)
    assert any("alpha-q01" in str(mistake) for mistake in report.mistakes)
    assert session.get(Card, "alpha-q01").topic == "alpha"


def test_a_cycle_of_needs_is_named_and_the_notes_stand(session, content):
    (content / "basics" / "alpha.md").write_text(note_text("alpha", needs="beta"))
    report = sync(session, content, at=1)
    assert any("beta" in m.came and "alpha" in m.came for m in report.mistakes)
    assert live(session) == CARDS


def test_a_lab_s_makers_join_its_topic_as_cards(session, content):
    file = content / "basics" / "alpha.md"
    file.write_text(file.read_text().replace("sources:", "labs: [the-lab]\nsources:"))
    sync(session, content, at=1, makers={"the-lab": ["weights", "entropy"]})
    computed = session.exec(select(Card).where(Card.form == "computed").order_by(Card.id)).all()
    assert [(card.id, card.topic) for card in computed] == [("the-lab.entropy", "alpha"), ("the-lab.weights", "alpha")]
    assert sync(session, content, at=2, makers={"the-lab": ["weights"]}).orphaned == ["the-lab.entropy"]


def test_labs_that_say_they_are_as_before_are_not_read(session, content, tmp_path):
    lab = tmp_path / "labs" / "basics" / "the_lab.py"
    lab.parent.mkdir(parents=True)
    parts = ['"""The lab.\n\nIt runs."""', "TOPIC = 'alpha'", "REFERENCE = 'none'", "questions = {'weights': None}"]
    parts += [f"def {name}(): ..." for name in ("compute", "figures", "says", "verify")]
    lab.write_text("\n".join(parts))
    file = content / "basics" / "alpha.md"
    file.write_text(file.read_text().replace("sources:", "labs: [the-lab]\nsources:"))
    sync(session, content, at=1, makers=Makers(tmp_path / "labs"))
    assert session.get(Card, "the-lab.weights") is not None
    again = Makers(tmp_path / "labs")
    sync(session, content, at=2, makers=again)
    assert "_read" not in vars(again)
    lab.write_text(lab.read_text().replace("weights", "entropy"))
    assert sync(session, content, at=3, makers=Makers(tmp_path / "labs")).orphaned == ["the-lab.weights"]


KILLED = """
import sys, pathlib
from backend import store
from backend.sync import sync
engine = store.open_engine(sys.argv[1])
print("ready", flush=True)
with store.writing(engine) as session:
    sync(session, pathlib.Path(sys.argv[2]), at=5)
"""


def test_killed_at_any_moment_the_next_run_heals_it(engine, content, tmp_path):
    for number in range(60):
        (content / "basics" / f"n{number}.md").write_text(note_text(f"n{number}"))
    url = str(engine.url)
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, url, str(content)], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with store.reading(engine) as session:
            assert len(live(session)) in (0, 62 * 4), "all or nothing"
    with store.writing(engine) as session:
        sync(session, content, at=6)
        assert len(live(session)) == 62 * 4
