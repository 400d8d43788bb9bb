"""Ask in a real browser: the key /, an answer by keyboard, the passage it leads to, and back; a thumb with its reason."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import HOUSE, Visitor, free_port, start_app
from tests.test_ask import BATS, OWLS


@pytest.fixture(scope="module")
def barn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The app on two notes, encoded before it starts."""
    folder: Path = tmp_path_factory.mktemp("barn")
    (folder / "content" / "night").mkdir(parents=True)
    (folder / "content" / "tracks.yaml").write_text("- slug: night\n  title: Night\n  topics: [owls, bats]\n")
    (folder / "content" / "night" / "owls.md").write_text(OWLS)
    (folder / "content" / "night" / "bats.md").write_text(BATS)
    place = {"CONTENT_DIR": str(folder / "content"), "DATABASE_URL": f"sqlite:///{folder / 'attend.db'}"}
    subprocess.run([sys.executable, "-m", "backend", "sync"], cwd=HOUSE, env={**os.environ, **place}, check=True, capture_output=True)
    port = free_port()
    process = start_app(folder / "attend.db", port, CONTENT_DIR=place["CONTENT_DIR"])
    yield f"http://127.0.0.1:{port}", place
    process.terminate()
    process.wait(10)


@pytest.fixture
def learner(chromium: Browser, barn: tuple[str, dict[str, str]]) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield Visitor(context.new_page(), barn[0])
    context.close()


def test_a_question_by_keyboard_its_passage_and_back(learner):
    page = learner.open("/read?topic=bats")
    page.keyboard.press("/")
    expect(page.get_by_role("heading", name="Ask", level=1)).to_be_visible()
    expect(page.locator(".st-key-question input")).to_be_focused()
    page.keyboard.type("why is the wing of an owl silent in flight?")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ask\?q=why"))
    expect(page.locator(".st-key-answer")).to_contain_text("The leading edge of the wing is a comb")
    page.get_by_role("link", name="Owls · Flight").first.click()
    marked = page.locator(".st-key-cited")
    expect(marked).to_contain_text("The leading edge of the wing")
    expect(marked).to_be_in_viewport()
    page.go_back()
    expect(page.locator(".st-key-answer")).to_contain_text("The leading edge of the wing is a comb")
    assert learner.errors == []
    assert learner.outside == []


def test_a_comparison_stands_side_by_side_and_a_refusal_has_no_source(learner):
    page = learner.open("/ask?q=owl%20vs%20bat")
    answer = page.locator(".st-key-answer")
    expect(answer.get_by_role("heading", name="Owls")).to_be_visible()
    expect(answer.get_by_role("heading", name="Bats")).to_be_visible()
    learner.open("/ask?q=how%20do%20I%20file%20taxes%20in%20Portugal")
    expect(answer).to_contain_text("not in the notes")
    expect(answer.locator("a[href*=mark]")).to_have_count(0)


def test_a_thumb_and_its_reason_are_kept_and_exported(learner, barn):
    page = learner.open("/ask?q=how%20does%20a%20bat%20measure%20distance%3F")
    page.locator(".st-key-thumbs button").nth(1).click()
    reason = page.locator(".st-key-thumbs input")
    reason.fill("too short")
    reason.press("Enter")
    learner.rest()
    exported = subprocess.run([sys.executable, "-m", "backend", "ask", "--feedback"], cwd=HOUSE, env={**os.environ, **barn[1]}, capture_output=True, text=True)
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [(line["question"], line["thumb"], line["reason"]) for line in lines] == [("how does a bat measure distance?", -1, "too short")]


def test_on_a_phone_nothing_is_wider_than_the_screen(chromium, barn):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    visitor = Visitor(context.new_page(), barn[0])
    page = visitor.open("/ask?q=owl%20vs%20bat")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
