"""The Ask screen without a browser: an answer with its sources, a refusal without any, a passage that is marked in its note."""

import os
import re
import threading
import time

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as strategies
from streamlit.testing.v1 import AppTest

from backend import store
from backend.notes import read_note
from backend.search_index import count_pending
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


@pytest.mark.parametrize("question", ["", "\0", "🦜" * 400, "'; DROP TABLE topic; --", "<script>alert(1)</script>", "**bold** [x](y)", "\u202egnp", "$x", '"', "x" * 5000])
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
    serving.asked, serving.reply = [], streaming("A bat measures distance by the time its echo takes to come back [1]. Bats read newspapers in medieval Venice [1].\n")
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
