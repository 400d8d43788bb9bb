"""The Library screen without a browser: a table that is searched and changed, notes that come in, exports that are made."""

import pytest
from sqlmodel import select
from streamlit.testing.v1 import AppTest

from backend import store
from backend.exchange.records import MediaRecord, Records
from backend.library import apply_import, mark_many, tag_many
from backend.tables import Card, LearnerCard
from screens.parts import desk as open_desk
from tests.test_screens import HOUSE, desk, open_app, words  # noqa: F401 - the fixture


def part(app, name: str):
    app.session_state["library-part"] = name
    return app.run()


def card_of(name: str) -> LearnerCard:
    with store.reading(open_desk.engine()) as session:
        return session.exec(select(LearnerCard).where(LearnerCard.card == name)).one()


def test_all_cards_are_listed_and_a_search_narrows_them(desk):  # noqa: F811
    app = open_app("library")
    assert not app.exception
    assert len(app.dataframe[0].value) == 8
    app.text_input(key="library-query").set_value("topic:beta").run()
    assert set(app.dataframe[0].value["Topic"]) == {"Beta"}
    app.text_input(key="library-query").set_value("prop:nonsense>2").run()
    assert not app.exception
    assert app.warning


def test_many_cards_are_changed_at_once_and_one_undo_takes_all_back(desk):  # noqa: F811
    app = open_app("library")
    cards = ["alpha-q01", "alpha-q02", "beta-q01"]
    with store.writing(open_desk.engine()) as session:
        assert mark_many(session, learner=open_desk.learner(), cards=cards, kind="suspend", value=1, at=store.now()) == 3
        assert mark_many(session, learner=open_desk.learner(), cards=cards, kind="suspend", value=1, at=store.now()) == 0
    assert all(card_of(card).suspended for card in cards)
    app.button(key="many-undo").click().run()
    assert not app.exception
    assert not any(card_of(card).suspended for card in cards)


def test_a_note_is_written_previewed_taken_in_and_taken_back(desk):  # noqa: F811
    app = part(open_app("library"), "Write")
    app.text_input(key="new-title").set_value("Momentum")
    app.text_area(key="new-text").set_value("## Why momentum?\n\nBecause it remembers.\n\n## More\n\nQ: What is it? ^momentum-q01\n\nA: A mean.\n").run()
    assert not app.exception
    assert "**2** new cards" in words(app)
    app.button(key="do-import").click().run()
    assert not app.exception
    assert card_of("momentum-q01").topic == "my-momentum"
    with store.writing(open_desk.engine()) as session:
        said = tag_many(session, learner=open_desk.learner(), cards=["momentum-q01", "alpha-q01"], tag="mine", remove=False, at=store.now())
        assert said == "1 cards got the tag mine. 1 shipped cards keep their tags."
        assert session.get(Card, "momentum-q01").tags == ["mine"]
        assert "tags: mine" in session.get(Card, "momentum-q01").source
    part(app, "Bring in")
    for run in (2, 1):
        app.button(key=f"undo-{run}").click().run()
        assert not app.exception
    with store.reading(open_desk.engine()) as session:
        assert session.get(Card, "momentum-q01") is None


@pytest.mark.parametrize("kind", ["Anki package", "Markdown notes", "JSON", "Everything, every row"])
def test_an_export_is_prepared(desk, kind):  # noqa: F811
    app = part(open_app("library"), "Take out")
    app.selectbox(key="out-kind").set_value(kind).run()
    app.button(key="out-prepare").click().run()
    assert not app.exception
    _, data, said = app.session_state["out"]
    assert len(data) > 500
    assert said


def test_an_attached_picture_is_shown_and_a_broken_one_only_named(desk):  # noqa: F811
    app = part(open_app("library"), "Write")
    good = (HOUSE / "static" / "attend.png").read_bytes()
    with store.writing(open_desk.engine()) as session:
        records = Records("pictures", media=[MediaRecord("good.png", good), MediaRecord("bad.png", b"\x89PNG not really")])
        apply_import(session, learner=open_desk.learner(), records=records, at=store.now())
    source = "Q: What is shown? ^shown-1\n\nA: ![](good.png) ![](bad.png) ![x](https://example.org/spy.png)\n"
    shown = AppTest.from_string(f"import screens.library as library\nlibrary.preview({source!r})", default_timeout=60).run()
    assert not app.exception
    assert not shown.exception
    assert any("Attached: bad.png" in caption.value for caption in shown.caption)
    assert not any("![" in element.value for element in shown.markdown), "no request leaves the page"
