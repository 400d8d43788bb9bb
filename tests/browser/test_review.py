"""A sitting at the keyboard: nothing is lost, doubled or given to another card."""

import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor, free_port, start_app
from tests.conftest import note_text

VISIBLE = "[data-card]"


@pytest.fixture(scope="module")
def small_desk(tmp_path_factory):
    """An app of its own: 30 small topics, 120 cards, and no limit that stops a fast hand."""
    place = tmp_path_factory.mktemp("review")
    content = place / "content" / "basics"
    content.mkdir(parents=True)
    (place / "content" / "tracks.yaml").write_text("- slug: basics\n  title: Basics\n  topics: []\n")
    for number in range(30):
        (content / f"topic-{number:02}.md").write_text(note_text(f"topic-{number:02}"))
    port = free_port()
    process = start_app(place / "attend.db", port, CONTENT_DIR=str(place / "content"))
    yield f"http://127.0.0.1:{port}", place / "attend.db"
    process.terminate()
    process.wait(10)


def set_limits(database: Path, **settings: object) -> None:
    import json

    with sqlite3.connect(database) as connection:
        for name, value in settings.items():
            connection.execute("INSERT OR REPLACE INTO setting (learner, name, value) VALUES (1, ?, ?)", (name, json.dumps(value)))


@pytest.fixture
def sitting(chromium, small_desk):
    base, database = small_desk
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    visitor = Visitor(context.new_page(), base)
    visitor.open("/review")
    set_limits(database, new_per_day=9999, learning_steps=[], relearning_steps=[], bury_siblings=False)
    visitor.open("/review")
    visitor.page.get_by_role("button", name="Start", exact=True).click()
    visitor.page.wait_for_selector(VISIBLE)
    visitor.rest()
    yield visitor, database
    context.close()


def shown(page: Page) -> tuple[str, str]:
    card = page.locator(VISIBLE)
    return card.get_attribute("data-card"), card.get_attribute("data-side")


def events(database: Path) -> list[tuple]:
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT card, seq, kind, grade FROM event ORDER BY id").fetchall()


def wait_for_events(page: Page, database: Path, count: int) -> list[tuple]:
    for _ in range(100):
        if len(events(database)) >= count:
            break
        page.wait_for_timeout(50)
    return events(database)


def test_space_turns_the_card_and_a_digit_grades_it(sitting):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    card, side = shown(page)
    assert side == "front"
    assert page.locator(VISIBLE).count() == 1
    page.keyboard.press("Space")
    expect(page.locator(f"{VISIBLE}[data-side=back]")).to_be_visible()
    page.keyboard.press("3")
    expect(page.locator(f"[data-card='{card}']")).to_have_count(0)
    assert wait_for_events(page, database, before + 1)[before:] == [(card, 0, "grade", 3)]


def test_digits_before_the_answer_grade_nothing(sitting):
    visitor, database = sitting
    before = len(events(database))
    while visitor.page.locator(f"{VISIBLE} [class*=st-key-options-]").count():
        visitor.page.keyboard.press("Space")
        visitor.page.keyboard.press("3")
        before += 1
        wait_for_events(visitor.page, database, before)
    visitor.page.keyboard.press("3")
    visitor.page.wait_for_timeout(300)
    assert len(events(database)) == before


@pytest.mark.parametrize("gap", [20, 60])
def test_a_fast_hand_loses_nothing(sitting, gap):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    seen = []
    for _ in range(20):
        if page.locator(VISIBLE).count():
            seen.append(shown(page)[0])
        page.keyboard.press("Space")
        page.wait_for_timeout(gap)
        page.keyboard.press("3")
        page.wait_for_timeout(gap)
    page.wait_for_timeout(1500)
    graded = [card for card, _, kind, _ in events(database)[before:] if kind == "grade"]
    assert len(graded) == len(set(graded)), "no card was graded twice"
    assert set(graded) <= set(seen), "only cards that were seen were graded"
    assert len(graded) >= 15


def test_a_held_key_gives_one_grade(sitting):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    page.keyboard.press("Space")
    page.keyboard.down("3")
    for _ in range(10):
        page.keyboard.down("3")
        page.wait_for_timeout(30)
    page.keyboard.up("3")
    page.wait_for_timeout(1000)
    assert len(events(database)) == before + 1


def test_undo_brings_the_card_back(sitting):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    card, _ = shown(page)
    page.keyboard.press("Space")
    page.keyboard.press("1")
    wait_for_events(page, database, before + 1)
    page.keyboard.press("u")
    expect(page.locator(f"[data-card='{card}']")).to_be_visible(timeout=10_000)
    assert [(c, kind) for c, _, kind, _ in wait_for_events(page, database, before + 2)[before:]] == [(card, "grade"), (card, "undo")]


@pytest.mark.parametrize(("key", "kind"), [("b", "bury"), ("s", "suspend"), ("f", "flag")])
def test_a_card_can_be_marked(sitting, key, kind):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    card, _ = shown(page)
    page.keyboard.press(key)
    assert [(c, k) for c, _, k, _ in wait_for_events(page, database, before + 1)[before:]] == [(card, kind)]


def test_two_tabs_never_apply_one_showing_twice(sitting, chromium):
    visitor, database = sitting
    context = chromium.new_context()
    other = Visitor(context.new_page(), visitor.base)
    other.open("/review")
    other.page.get_by_role("button", name="Start", exact=True).click()
    other.page.wait_for_selector(VISIBLE)
    other.rest()
    before = len(events(database))
    for tab in (visitor.page, other.page):
        for _ in range(4):
            tab.keyboard.press("Space")
            tab.wait_for_timeout(80)
            tab.keyboard.press("3")
            tab.wait_for_timeout(150)
    visitor.page.wait_for_timeout(1000)
    rows = events(database)[before:]
    assert len({(card, seq) for card, seq, *_ in rows}) == len(rows)
    context.close()


def test_a_dropped_socket_loses_no_grade(sitting):
    visitor, database = sitting
    page, before = visitor.page, len(events(sitting[1]))
    page.context.set_offline(True)
    graded = []
    for _ in range(3):
        graded.append(shown(page)[0])
        page.keyboard.press("Space")
        page.keyboard.press("3")
        page.wait_for_timeout(100)
    page.context.set_offline(False)
    rows = wait_for_events(page, database, before + 3)[before:]
    assert [card for card, _, kind, _ in rows if kind == "grade"] == graded


def test_editing_keeps_ones_own_wording(sitting):
    visitor, _database = sitting
    page = visitor.page
    page.keyboard.press("e")
    field = page.get_by_label("The card, in Markdown")
    expect(field).to_be_visible(timeout=10_000)
    text = field.input_value()
    field.fill(text.replace("Q: Why", "Q: Tell me why").replace("Q: Which", "Q: Tell me which").replace("C: A", "C: My own A"))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(VISIBLE)).to_contain_text("Tell me" if "Q:" in text else "My own", timeout=10_000)


def test_on_a_phone_the_keys_are_thumb_sized(chromium, small_desk):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visitor = Visitor(context.new_page(), small_desk[0])
    page = visitor.open("/review")
    page.get_by_role("button", name="Start", exact=True).tap()
    page.wait_for_selector(VISIBLE)
    visitor.rest()
    page.locator(".reveal").tap()
    good = page.locator(".judge button").nth(2)
    expect(good).to_be_visible()
    assert good.bounding_box()["height"] >= 44
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    context.close()
