"""The Library in a browser: a file comes in, is looked at, changed, taken back, and nothing leaves the page."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.test_accessibility import serious

NOTE = """# Seen things

Q: What is shown here? ^seen-1

A: A picture from elsewhere: ![spy](https://example.org/spy.png) and ![a [b] c](https://example.org/spy2.png)

Q: What else is shown? ^seen-2

A: Nothing.
"""


def test_a_note_comes_in_is_changed_and_taken_back(visitor, tmp_path):
    (tmp_path / "seen.md").write_text(NOTE, encoding="utf-8")
    page = visitor.page
    visitor.open("/library")
    page.get_by_text("Bring in", exact=True).click()
    page.locator("input[type=file]").set_input_files(str(tmp_path / "seen.md"))
    expect(page.get_by_text("2 new cards")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("2 new, 0 changed, 0 unchanged cards")).to_be_visible(timeout=30_000)

    visitor.open("/library?card=my-seen-1")
    editor = page.get_by_role("textbox", name="The card, in Markdown")
    editor.fill(editor.input_value().replace("shown here", "to be seen here"))
    page.keyboard.press("Control+Enter")
    page.get_by_text("Yes: it asks or says something else").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("what you remember of it stays")).to_be_visible(timeout=30_000)
    page.get_by_text("Earlier wordings", exact=True).click()
    expect(page.locator(".diff ins").first).to_contain_text("to be seen")
    assert serious(page) == []

    visitor.open("/library")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Took back the wording of 1 card.")).to_be_visible(timeout=30_000)
    page.get_by_text("Bring in", exact=True).click()
    page.get_by_role("button", name="Take back").first.click()
    expect(page.get_by_text("2 cards and 1 topics are gone")).to_be_visible(timeout=30_000)
    assert visitor.outside == []
