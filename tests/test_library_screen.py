"""The Library screen without a browser: a table that is searched and changed, notes that come in, exports that are made."""

import io
import time

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from sqlmodel import select
from streamlit.testing.v1 import AppTest

from backend import review, store
from backend.columns import COLUMNS, read_columns
from backend.exchange.markdown import read_text
from backend.exchange.records import MediaRecord, Records
from backend.library import apply_import, mark_many, move_many, tag_many
from backend.memory import Grade
from backend.tables import Card, LearnerCard, Overlay
from screens.parts import desk as open_desk
from screens.parts import long_work
from screens.parts.harmless_text import as_words, without_remote_pictures
from tests.test_screens import HOUSE, desk, open_app, words  # noqa: F401 - the fixture


def part(app, name: str):
    app.session_state["library-part"] = name
    return app.run()


def finished(app):
    """The page once work that runs beside it is done."""
    until = time.monotonic() + 30
    while "long-work" in app.session_state and time.monotonic() < until:
        app.session_state["long-work"].over.wait(5)
        app.run()
    assert "long-work" not in app.session_state
    return app


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
    finished(app.button(key="do-import").click().run())
    assert not app.exception
    assert card_of("my-momentum-q01").topic == "my-momentum"
    app.text_area(key="new-text").set_value("Other words.\n").run()
    assert any("You have a note of that name" in warning.value for warning in app.warning), "nothing is replaced silently"
    with store.writing(open_desk.engine()) as session:
        said = tag_many(session, learner=open_desk.learner(), cards=["my-momentum-q01", "alpha-q01"], tag="mine", remove=False, at=store.now())
        assert said == "1 card got the tag mine. 1 shipped card keeps its tags."
        assert session.get(Card, "my-momentum-q01").tags == ["mine"]
        assert "tags: mine" in session.get(Card, "my-momentum-q01").source
    part(app, "Bring in")
    for run in (2, 1):
        finished(app.button(key=f"undo-{run}").click().run())
        assert not app.exception
    with store.reading(open_desk.engine()) as session:
        assert session.get(Card, "my-momentum-q01") is None


@pytest.mark.parametrize("kind", ["Anki package", "Markdown notes", "JSON", "Everything, every row"])
def test_an_export_is_prepared(desk, kind):  # noqa: F811
    app = part(open_app("library"), "Take out")
    app.selectbox(key="out-kind").set_value(kind).run()
    finished(app.button(key="out-prepare").click().run())
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
    shown = AppTest.from_string(f"from screens.parts.card_desk import preview\npreview({source!r})", default_timeout=60).run()
    assert not app.exception
    assert not shown.exception
    assert any("Attached: bad.png" in caption.value for caption in shown.caption)
    assert not any("![" in element.value for element in shown.markdown), "no request leaves the page"


def saved(picture: Image.Image, form: str) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, form)
    return kept.getvalue()


def unshowable() -> dict[str, bytes]:
    """Files whose first bytes promise a picture; each ended the page."""
    noise = np.random.default_rng(0).integers(0, 256, (600, 1000, 3), dtype=np.uint8)
    wide = Image.fromarray(noise)
    jpeg, gif = saved(wide, "JPEG"), saved(wide.convert("P"), "GIF")
    deep = Image.fromarray(noise[:200, :300, 0].astype(np.uint16) * 257)
    return {"cut.jpg": jpeg[: len(jpeg) // 2], "cut.gif": gif[: len(gif) // 2], "deep.png": saved(deep, "PNG"), "flat.png": saved(Image.new("L", (3000, 1)), "PNG")}


def pictures_drawn(media: list[MediaRecord], source: str) -> AppTest:
    open_app("library")
    with store.writing(open_desk.engine()) as session:
        apply_import(session, learner=open_desk.learner(), records=Records("pictures", media=media), at=store.now())
    return AppTest.from_string(f"from screens.parts.attached import draw_pictures\ndraw_pictures({source!r})", default_timeout=60).run()


@pytest.mark.parametrize("name", sorted(unshowable()))
def test_a_picture_that_cannot_be_decoded_or_scaled_is_named(desk, name):  # noqa: F811
    shown = pictures_drawn([MediaRecord(name, unshowable()[name])], f"![]({name})")
    assert not shown.exception
    assert not shown.get("image")
    assert [caption.value.partition(",")[0] for caption in shown.caption] == [f"Attached: {name}"]


SPY = "![x](https://example.org/a.png)"


def calls_out(markdown: str) -> bool:
    """Would a picture be fetched if this were drawn?"""
    return any(child.type == "image" for token in MarkdownIt("commonmark").parse(markdown) for child in token.children or ())


def drawn(app: AppTest) -> list[str]:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info, app.warning, app.error)
    return [element.value for kind in kinds for element in kind] + [expander.label for expander in app.expander]


def test_no_name_of_a_file_calls_another_host(desk):  # noqa: F811
    assert calls_out(SPY)
    good = (HOUSE / "static" / "attend.png").read_bytes()
    source = "".join(f"![a](%21%5Bx%5D%28https%3A//example.org/a.png%29{end})" for end in (".pdf", ".png"))
    shown = pictures_drawn([MediaRecord(f"{SPY}.pdf", b"%PDF"), MediaRecord(f"{SPY}.png", good)], source)
    assert not shown.exception
    told = [caption.value for caption in shown.caption] + [image.proto.imgs[0].caption for image in shown.get("image")]
    assert len(told) == 2
    assert not [text for text in told if calls_out(text)]


def test_no_progress_and_no_message_calls_another_host(desk):  # noqa: F811
    app = open_app("library")
    work = long_work.Work(f"Reading {SPY}", run=lambda progress: None, then=lambda result: None, done=1, total=2, what=SPY)
    app.session_state["long-work"] = work
    app.session_state["library-said"] = f"{SPY}: 1 new"
    app.session_state["library-problem"] = f"It was not read: {SPY}."
    part(app, "Bring in")
    assert not app.exception
    bars = [element.proto.text for element in app.get("progress")]
    assert bars
    assert any("It was not read" in text for text in drawn(app))
    assert any("1 new" in text for text in drawn(app))
    assert not [text for text in [*drawn(app), *bars] if calls_out(text)]


def test_no_title_calls_another_host(desk):  # noqa: F811
    open_app("library")
    records = Records(SPY)
    source = f'- "{SPY}"'
    text = f"---\ntitle: '{SPY}'\naliases:\n{source}\nsources:\n{source}\n---\n\nWords.\n\nQ: What spies? ^spy-1\n\nA: It.\n"
    read_text(records, text, slug="spy", file="spy.md")
    with store.writing(open_desk.engine()) as session:
        apply_import(session, learner=open_desk.learner(), records=records, at=store.now())
    pages = [
        open_app("read", topic="my-spy"), open_app("read"), open_app("read", view="glossary"), open_app("read", view="map"), open_app("read", topic="my-sp"),
        open_app("library", card="my-spy-1"), part(open_app("library"), "Bring in"), open_app("review", topic="my-spy"), open_app("today"),
    ]  # fmt: skip
    for page in pages:
        assert not page.exception
        assert not [text for text in drawn(page) if calls_out(text)]
    assert [title.value for title in pages[0].title] == [as_words(SPY)]


@pytest.mark.parametrize("name", [SPY, "a_b*c*", "`code", "<b>", "# $x$ | ~y~", "[a](/b)", "\\[x](https://example.org)", "![x][y]\n\n[y]: https://example.org/z.png"])
def test_a_name_is_drawn_letter_by_letter(name):
    tokens = MarkdownIt("commonmark").parse(as_words(name))
    assert [child.type for token in tokens for child in token.children or ()] in (["text"], ["text", "text_special"])
    assert "".join(child.content for token in tokens for child in token.children or ()) == " ".join(name.split())


def test_the_choice_of_columns_is_kept(desk):  # noqa: F811
    app = open_app("library")
    app.pills(key="library-columns").set_value(["Question", "Tags", "Due"]).run()
    assert not app.exception
    with store.reading(open_desk.engine()) as session:
        assert read_columns(session, learner=open_desk.learner()) == ["Question", "Due", "Tags"]
    again = open_app("library")
    assert again.pills(key="library-columns").value == ["Question", "Due", "Tags"]
    again.pills(key="library-columns").set_value([]).run()
    assert set(again.dataframe[0].value.columns) >= set(COLUMNS)
    with store.reading(open_desk.engine()) as session:
        assert "Question" in read_columns(session, learner=open_desk.learner())


def test_one_card_shows_its_curve_and_its_wordings_and_a_new_meaning_begins_it_anew(desk):  # noqa: F811
    open_app("library")
    with store.writing(open_desk.engine()) as session:
        at = store.now() - 30 * 86_400_000
        for number in range(3):
            review.record_grade(session, learner=open_desk.learner(), card="alpha-q01", showing=number, grade=Grade.GOOD, at=at + number * 86_400_000 * 6)
    app = open_app("library", card="alpha-q01")
    app.session_state["about-card"] = "History"
    app.run()
    assert not app.exception
    assert "3 reviews, 3 recalled" in words(app)
    assert words(app).count("**Good**") == 3
    app.session_state["about-card"] = "Words"
    app.run()
    app.text_area(key="edit-alpha-q01").set_value("Q: Why alpha, and not beta? ^alpha-q01\n\nA: Because. And so on.\n").run()
    app.radio(key="meaning-alpha-q01").set_value("changed").run()
    app.radio(key="then-alpha-q01").set_value("anew").run()
    app.button(key="save-card").click().run()
    assert not app.exception
    assert (card_of("alpha-q01").state, card_of("alpha-q01").reps) == (0, 0)
    app.session_state["about-card"] = "Earlier wordings"
    app.run()
    diff = "".join(element.proto.body for element in app.get("html"))
    assert "<ins>, and not beta</ins>" in diff.replace("</ins><ins>", "")
    app.button(key="back-to-0").click().run()
    assert not app.exception
    with store.reading(open_desk.engine()) as session:
        assert session.get(Overlay, (open_desk.learner(), "alpha-q01")) is None


def test_a_link_to_no_card_says_so(desk):  # noqa: F811
    for name in ("nothing", "../x", "'; DROP TABLE card; --"):
        assert "There is no such card" in words(open_app("library", card=name))


def test_a_near_duplicate_is_told_while_a_card_is_written(desk):  # noqa: F811
    app = part(open_app("library"), "Write")
    app.text_input(key="new-title").set_value("Mine")
    app.text_area(key="new-text").set_value("Q: Which one is the fourth of the alpha? ^mine-1\n\nA: x\n").run()
    assert not app.warning
    with store.writing(open_desk.engine()) as session:
        records = Records("n")
        read_text(records, "# N\n\nQ: Which optimiser keeps two moving means? ^two-means\n\nA: Adam.\n", slug="n", file="n.md")
        apply_import(session, learner=open_desk.learner(), records=records, at=store.now())
    app.text_area(key="new-text").set_value("Q: Which optimiser keeps two moving means? ^mine-1\n\nA: x\n").run()
    assert not app.exception
    assert any("/library?card=my-two-means" in warning.value for warning in app.warning)


def test_pictures_are_shown_where_the_learner_meets_them(desk):  # noqa: F811
    open_app("library")
    good = (HOUSE / "static" / "attend.png").read_bytes()
    text = "# Seen\n\nBefore.\n\n![[pic.png|300]]\n\nAfter.\n\nQ: What is ![it](pic.png)? ^seen-1\n\nA: This: ![](pic.png)\n\n![spy](https://example.org/spy.png)\n"
    records = Records("seen", media=[MediaRecord("pic.png", good)])
    read_text(records, text, slug="seen", file="seen.md")
    with store.writing(open_desk.engine()) as session:
        apply_import(session, learner=open_desk.learner(), records=records, at=store.now())
    read = open_app("read", topic="my-seen")
    assert not read.exception
    assert len(read.get("image")) == 3  # in the text, in the question, in the answer
    said = words(read)
    assert "![" not in said
    assert said.index("Before.") < said.index("After.")
    reviewing = open_app("review", topic="my-seen")
    assert not reviewing.exception
    assert len(reviewing.get("image")) == 2
    assert "![" not in words(reviewing)


def test_cards_that_stand_in_no_note_are_read_below_their_topic(desk):  # noqa: F811
    open_app("library")
    records = Records("deck")
    read_text(records, "# N\n\nQ: Which optimiser keeps two means? ^two-means\n\nA: Adam.\n", slug="n", file="n.md")
    with store.writing(open_desk.engine()) as session:
        apply_import(session, learner=open_desk.learner(), records=records, at=store.now())
        move_many(session, learner=open_desk.learner(), cards=["my-two-means"], topic="alpha", at=store.now())
    read = open_app("read", topic="alpha")
    assert not read.exception
    assert "Which optimiser keeps two means?" in words(read)
    assert [expander.label for expander in read.expander].count("Answer") == 4
    assert "Which optimiser" not in words(open_app("read", topic="my-n"))


HIDDEN = [
    "![a [b] c](https://example.org/x.png)", "![x][1]\n\n[1]: https://example.org/x.png", "![](\n  https://example.org/x.png)", "| a |\n|---|\n| `a | ![x [y]](https://example.org/x.png) ` |",
    "```a`b\n\n![x [y]](https://example.org/x.png)\n\n```", "\\`![x [y]](https://example.org/x.png)\\`", "![x](<//example.org/x.png>)", "![![x](https://example.org/y.png)](https://example.org/x.png)",
]  # fmt: skip


@pytest.mark.parametrize("text", HIDDEN)
def test_no_spelling_of_a_picture_calls_another_host(text):
    shown = without_remote_pictures(text)
    for parser in (MarkdownIt("commonmark"), MarkdownIt("commonmark").enable("table"), MarkdownIt("gfm-like", {"linkify": False})):
        assert not [child for token in parser.parse(shown) for child in token.children or () if child.type == "image"]


def test_code_with_an_exclamation_mark_stays_as_it_is():
    assert without_remote_pictures("`vec![1]` and\n\n```\n#![x]\n```") == "`vec![1]` and\n\n```\n#![x]\n```"
