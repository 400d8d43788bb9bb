"""The Ask screen without a browser: an answer with its sources, a refusal without any, a passage that is marked in its note."""

import os
import re
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as strategies
from sqlmodel import select
from streamlit.testing.v1 import AppTest

from backend import store
from backend.cards import Card as WrittenCard
from backend.exchange.records import CardRecord, Records
from backend.library import apply_import
from backend.notes import read_note
from backend.questions import Form, Question
from backend.search_index import count_pending, index_topics
from backend.sync import sync
from backend.tables import Card, Learner, Passage, Topic
from screens.parts import desk, search_desk
from screens.parts.cited import cut, find_cited
from tests.conftest import note_text
from tests.test_ask import BATS, OWLS
from tests.test_generate import Handler, Server, streaming
from tests.test_screens import open_app, words


@pytest.fixture
def barn(tmp_path, monkeypatch):
    folder = tmp_path / "content"
    (folder / "night").mkdir(parents=True)
    (folder / "tracks.yaml").write_text("- slug: night\n  title: Night\n  topics: [owls, bats]\n")
    (folder / "night" / "owls.md").write_text(OWLS)
    (folder / "night" / "bats.md").write_text(BATS)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'screen.db'}")
    monkeypatch.setenv("CONTENT_DIR", str(folder))
    for name in ("ASK_BASE_URL", "ASK_MODEL", "ASK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    st.cache_resource.clear()
    st.cache_data.clear()
    open_app("ask")  # begins to encode in the background
    engine = store.open_engine(os.environ["DATABASE_URL"])
    deadline = time.monotonic() + 60
    waiting = 1
    while waiting and time.monotonic() < deadline:
        with store.reading(engine) as session:
            waiting, _ = count_pending(session)
        time.sleep(0.05)
    assert not waiting, "the passages were not encoded"
    yield engine
    engine.dispose()
    st.cache_resource.clear()
    st.cache_data.clear()


def links(app: AppTest) -> list[str]:
    return [address for element in app.markdown for address in re.findall(r"\]\(([^)\s]+)\)", element.value)]


def test_an_answer_links_to_its_passage_its_neighbours_and_a_review(barn):
    app = open_app("ask", q="how can owls catch mice when it is dark?")
    assert not app.exception
    assert "By the difference of time between its two ears" in words(app)
    start = OWLS.index("By the difference of time")
    end = OWLS.index("So it needs no light.") + len("So it needs no light.")
    assert f"/read?topic=owls&section=hearing&mark={start}-{end}" in links(app)
    assert "/review?topic=owls&count=5" in links(app)
    assert any(address.startswith("/ask?q=") for address in links(app)), "what others ask"


def test_the_cited_passage_is_marked_in_its_note(barn):
    start = OWLS.index("The leading edge")
    app = open_app("read", topic="owls", section="flight", mark=f"{start}-{start + len('The leading edge of the wing is a comb')}")
    assert not app.exception
    assert ":primary-background[The leading edge of the wing is a comb] that breaks" in words(app)


def test_a_cited_card_is_open(barn):
    start = OWLS.index("By the difference")
    app = open_app("read", topic="owls", section="hearing", mark=f"{start}-{start + 30}")
    assert not app.exception
    assert [expander.proto.expanded for expander in app.expander if expander.label == "Answer"] == [True, False]


@pytest.mark.parametrize("mark", ["", "x", "5-2", "0-999999", "-1-5", "9999999999-99999999999", "1-2-3", "٣-٤"])
def test_a_mark_that_points_nowhere_changes_nothing(barn, mark):
    app = open_app("read", topic="owls", mark=mark)
    assert not app.exception
    assert "primary-background" not in words(app)


def test_under_a_refusal_stands_no_source(barn):
    app = open_app("ask", q="how do I file my taxes in Portugal")
    assert not app.exception
    assert "not in the notes" in words(app)
    assert not [address for address in links(app) if "mark=" in address]


@pytest.mark.parametrize(
    "question", ["", "\0", "🦜" * 400, "'; DROP TABLE topic; --", "<script>alert(1)</script>", "**bold** [x](y)", "\u202egnp", "$x", '"', "x" * 5000]
)
def test_any_question_is_met_with_a_sentence(barn, question):
    app = open_app("ask", q=question)
    assert not app.exception
    assert words(app).strip()


def test_a_question_typed_into_the_field_is_answered_and_stands_in_the_address(barn):
    app = open_app("ask")
    app.text_input(key="question").set_value("how does a bat measure distance?").run()
    assert not app.exception
    assert "By the time its echo takes to come back" in words(app)
    assert app.query_params["q"] in ("how does a bat measure distance?", ["how does a bat measure distance?"])
    app.text_input(key="question").set_value("and how does it hunt?").run()
    assert any("topic=bats" in address for address in links(app)), "it leans on the question before"


def test_a_models_words_stand_below_each_checked(barn, monkeypatch):
    serving = Server(("127.0.0.1", 0), Handler)
    serving.asked, serving.reply = (
        [],
        streaming("A bat measures distance by the time its echo takes to come back [1]. Bats read newspapers in medieval Venice [1].\n"),
    )
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    monkeypatch.setenv("ASK_BASE_URL", f"http://127.0.0.1:{serving.server_address[1]}/v1")
    monkeypatch.setenv("ASK_MODEL", "a-model")
    app = open_app("ask", q="how does a bat measure distance?")
    serving.shutdown()
    serving.server_close()
    assert not app.exception
    said = words(app)
    assert said.index("By the time its echo takes to come back.") < said.index("A bat measures distance by the time"), "the notes first"
    assert "~~Bats read newspapers in medieval Venice" in said
    assert "not supported" in said


def test_an_endpoint_that_is_down_leaves_the_answer_with_a_notice(barn, monkeypatch):
    monkeypatch.setenv("ASK_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ASK_MODEL", "a-model")
    app = open_app("ask", q="how does a bat measure distance?")
    assert not app.exception
    assert "By the time its echo takes to come back." in words(app)
    assert "cannot be reached" in words(app)


# -- the mark --------------------------------------------------------------------------------------------------------------------

MARKDOWN = "First. Second with $x_{[1]}$ in it.\n\n- one\n- two [link](/x)\n\n| a | b |\n|---|---|\n| c | d |\n\n$$\ny\n$$\n\nLast (0, 1] word."


@given(strategies.integers(0, len(MARKDOWN)), strategies.integers(0, len(MARKDOWN)))
def test_marking_loses_and_invents_nothing(one, other):
    start, end = sorted((one, other))
    if start == end:
        return
    before, marked, after = cut(MARKDOWN, start, end)
    plain = marked.replace(":primary-background[" + MARKDOWN[start:end] + "]", MARKDOWN[start:end])
    assert before + plain + after == MARKDOWN


def test_every_span_of_a_note_is_found_in_the_part_that_holds_it():
    text = note_text("alpha")
    note, _ = read_note(text, slug="alpha", track="t", path="t/alpha.md")
    start = text.index("Because of")
    cited = find_cited(note, f"{start}-{start + 10}")
    assert cited is not None
    assert ":primary-background[Because of] $x^2$" in cited.marked
    inside = text.index("And so on")
    found = find_cited(note, f"{inside}-{inside + 9}")
    assert found is not None
    assert found.marked == "", "a card is opened, not cut"


# -- a card of one's own -----------------------------------------------------------------------------------------------------


def own_cards(engine):
    with store.reading(engine) as session:
        return [
            (card.id, card.topic, card.question["prompt"], card.question["answer"])
            for card in session.exec(select(Card).where(Card.owner.is_not(None)))
        ]


def open_ask(question: str) -> AppTest:
    app = open_app("ask", q=question)
    assert not app.exception
    return app


def test_an_answer_becomes_a_card_that_is_kept_and_found_again(barn):
    app = open_ask("how does a bat measure distance?")
    number = next(area.key.rpartition("-")[2] for area in app.text_area if area.key.startswith("own-question-"))
    assert app.text_area(key=f"own-question-{number}").value == "how does a bat measure distance?"
    filled = app.text_area(key=f"own-answer-{number}").value
    assert filled.startswith("By the time its echo takes to come back")
    app.text_area(key=f"own-question-{number}").set_value("What would a walrus say about echoes?")
    app.text_area(key=f"own-answer-{number}").set_value("By the delay of its *echo*, a walrus would say.").run()
    assert "By the delay of its *echo*" in words(app), "the preview"
    app.button(key="keep-card").click().run()
    assert not app.exception
    ((name, topic, asked, told),) = own_cards(barn)
    assert (topic, asked, told) == ("bats", "What would a walrus say about echoes?", "By the delay of its *echo*, a walrus would say.")
    assert f"/library?card={name}" in links(app)
    assert "By the time its echo takes to come back" in words(app), "what was read stays on the screen"
    assert "keep-card" not in {button.key for button in app.button}, "nobody keeps it twice by accident"

    again = open_ask("what would a walrus say about echoes")
    assert f"/library?card={name}" in links(again), "it is found, and cited as one's own card"
    with store.reading(barn) as session:
        assert count_pending(session)[0] == 0, "its vectors came with it"

    library = open_app("library", card=name)
    assert not library.exception
    assert any(f"^{name}" in area.value for area in library.text_area)


@pytest.mark.parametrize(
    ("question", "answer", "told"), [("", "x", "needs its question"), ("x", "  ", "needs its answer"), ("C: ==a== ^b", "Q: c ^d", "cannot be kept")]
)
def test_what_cannot_be_a_card_is_said_and_cannot_be_kept(barn, question, answer, told):
    app = open_ask("how does a bat measure distance?")
    number = next(area.key.rpartition("-")[2] for area in app.text_area if area.key.startswith("own-question-"))
    app.text_area(key=f"own-question-{number}").set_value(question)
    app.text_area(key=f"own-answer-{number}").set_value(answer).run()
    assert not app.exception
    if told == "cannot be kept" and not app.button(key="keep-card").disabled:
        app.button(key="keep-card").click().run()
        assert own_cards(barn)[0][2:] == (question, answer), "the grammar can spell it after all: word for word"
        return
    assert told in words(app)
    assert app.button(key="keep-card").disabled


def test_no_card_is_offered_under_a_refusal(barn):
    app = open_ask("how do I file my taxes in Portugal")
    assert not app.text_area


def test_a_card_in_the_address_of_the_library_that_is_not_ones_own_shows_the_library(barn):
    with store.writing(barn) as session:
        session.add(Learner(id=99, name="other", created_at=0))
        card = session.exec(select(Card)).first()
        session.add(Card(**(card.model_dump() | {"id": "my-secret", "block": "my-secret", "owner": 99})))
    for name in ("my-secret", "no-such-card", "'; --"):
        app = open_app("library", card=name)
        assert not app.exception
        assert not [area for area in app.text_area if "secret" in area.value]


# -- in the background -------------------------------------------------------------------------------------------------------


def pending(engine) -> int:
    with store.reading(engine) as session:
        return count_pending(session)[0]


def encoded(engine, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while pending(engine) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not pending(engine)


@pytest.fixture
def unread(tmp_path, monkeypatch):
    """A desk whose passages all wait for their vectors, and that no app has opened yet."""
    folder = tmp_path / "content"
    (folder / "night").mkdir(parents=True)
    (folder / "tracks.yaml").write_text("- slug: night\n  title: Night\n  topics: [owls, bats]\n")
    (folder / "night" / "owls.md").write_text(OWLS)
    (folder / "night" / "bats.md").write_text(BATS)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'screen.db'}")
    monkeypatch.setenv("CONTENT_DIR", str(folder))
    engine = store.open_engine()
    store.upgrade(engine)
    with store.writing(engine) as session:
        sync(session, folder, at=1)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield engine
    engine.dispose()
    st.cache_resource.clear()
    st.cache_data.clear()


def test_the_encoding_begins_by_itself_soon_after_the_first_screen(unread, monkeypatch):
    monkeypatch.setattr(desk, "AFTER_FIRST_SCREEN", 0.05)
    monkeypatch.setattr(desk, "runtime", SimpleNamespace(exists=lambda: True))
    assert pending(unread)
    app = open_app("today")
    assert not app.exception
    assert encoded(unread), "nobody had to open Ask for it"


def test_where_no_pages_are_served_nothing_is_encoded(unread, monkeypatch):
    monkeypatch.setattr(desk, "AFTER_FIRST_SCREEN", 0.01)
    monkeypatch.setattr(desk, "runtime", SimpleNamespace(exists=lambda: False))
    desk.encode_soon(unread)
    time.sleep(0.3)
    assert pending(unread)


def test_many_are_left_to_a_process_of_their_own_and_a_later_import_starts_another(unread, monkeypatch):
    monkeypatch.setattr(search_desk, "FEW", 0)
    begun = []
    real = subprocess.Popen
    monkeypatch.setattr(
        search_desk.subprocess,
        "Popen",
        type("Popen", (real,), {"__init__": lambda self, *a, **k: (begun.append(a[0]), real.__init__(self, *a, **k))[1]}),
    )
    missing, total = search_desk.tend(unread)
    assert missing == total > 0
    assert search_desk.tend(unread)[0]
    assert len(begun) == 1, "one at a time"
    assert encoded(unread)
    search_desk._last[str(unread.url)].wait(60)
    with store.writing(unread) as session:
        topic = session.get(Topic, "owls")
        topic.text, topic.sha = topic.text.replace("comb", "curry-comb"), "changed"
        index_topics(session)
    search_desk.tend(unread)
    assert len(begun) == 2
    assert encoded(unread)


def test_own_cards_that_were_imported_are_found_as_soon_as_somebody_asks(unread, monkeypatch):
    monkeypatch.setattr(search_desk, "AT_ONCE", 2)
    with store.writing(unread) as session:
        learner = store.local_learner(session)
        cards = [CardRecord(WrittenCard(f"my-zebra-{n}", Question(Form.PROSE, f"What is zebra {n}?", answer="Striped.")), "owls") for n in range(5)]
        apply_import(session, learner=learner, records=Records("deck", cards=cards), at=2)
    search_desk.tend(unread)
    deadline = time.monotonic() + 20
    homes: set[str] = set()
    while len(homes) < 5 and time.monotonic() < deadline:
        with store.reading(unread) as session:
            homes = {home for home in session.exec(select(Passage.topic)) if "#" in home}
        time.sleep(0.02)
    assert len(homes) == 5
    assert encoded(unread)
