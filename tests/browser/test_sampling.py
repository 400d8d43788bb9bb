"""The sampling visualizer in a real browser: force, rewind, branch and reorder, by mouse and by keyboard; axe."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_accessibility import LOOKS, serious

ADDRESS = "/labs?lab=top-p-lab"
TEXT, NEXT, CHAIN, TREE = 0, 1, 2, 4


def picture(page: Page, number: int) -> Locator:
    return page.locator(f".st-key-bench-top-p-lab-picture-{number}-shot")


def path(page: Page) -> list[str]:
    found = re.search(r"path=([\d+]*)", page.url)
    return found[1].split("+") if found else []


def test_a_token_is_forced_the_text_rewound_and_a_branch_taken(visitor: Visitor) -> None:
    page = visitor.open(ADDRESS)
    allowed, ruled_out = (picture(page, NEXT).locator(".row").nth(at) for at in (0, 1))
    allowed.get_by_role("button").nth(2).click()
    expect(page).to_have_url(re.compile("path="))
    visitor.rest()
    assert len(path(page)) == 1
    ruled_out.get_by_role("button").first.press("Enter")
    expect(page).to_have_url(re.compile(r"path=\d+\+\d+"))
    visitor.rest()
    picture(page, TEXT).locator(".row").nth(1).get_by_role("button").first.click()  # back to the first chosen token
    expect(page).to_have_url(re.compile(r"path=\d+$"))
    visitor.rest()
    picture(page, TREE).get_by_role("button").nth(3).click()
    expect(page).to_have_url(re.compile(r"path=\d+\+\d+\+\d+\+\d+$"))
    visitor.rest()
    picture(page, TEXT).locator(".row").first.get_by_role("button").first.click()  # back to the text as typed
    expect(page).not_to_have_url(re.compile("path="))
    assert visitor.errors == []


def test_a_step_of_the_chain_moves_earlier(visitor: Visitor) -> None:
    page = visitor.open(ADDRESS)
    picture(page, CHAIN).get_by_role("button", name=re.compile("min-p")).press("Enter")
    expect(page).to_have_url(re.compile(r"order=penalty\+temperature\+top-k\+min-p\+top-p\+typical"))


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_in_the_visualizer(chromium, app, look: str) -> None:
    width, height, scheme = LOOKS[look]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    visitor = Visitor(context.new_page(), app)
    page = visitor.open(ADDRESS + "&temperature=2&min_p=0.05")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.errors == []
    context.close()
