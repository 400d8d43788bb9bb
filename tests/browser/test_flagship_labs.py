"""The three labs people see first, by mouse and by keyboard, and under axe: attention, tokenizer, sampling."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_accessibility import LOOKS, serious

ATTENTION, TOKENIZER, SAMPLING = (f"/labs?lab={slug}" for slug in ("attention-heatmap", "tokenizer-playground", "top-p-lab"))


def readout(page: Page) -> str:
    return page.locator(".readout").first.inner_text()


def drawn(visitor: Visitor, address: str, selector: str) -> Page:
    page = visitor.open(address)
    page.wait_for_selector(selector, timeout=60_000)
    visitor.rest()
    return page


def test_attention_is_read_cell_by_cell_with_the_arrow_keys(visitor: Visitor):
    page = drawn(visitor, ATTENTION, ".large canvas")
    page.locator(".large").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    first = readout(page)
    page.keyboard.press("ArrowRight")
    second = readout(page)
    assert first != second
    assert re.search(r"\d\.\d", second), "a cell says its weight"
    page.keyboard.press("Enter")
    page.mouse.move(5, 5)
    assert readout(page) == second, "a pinned cell stays"
    page.keyboard.press("Escape")
    expect(page.locator(".large").first).to_have_attribute("aria-label", re.compile("Attention of layer"))


def test_attention_answers_the_mouse(visitor: Visitor):
    page = drawn(visitor, ATTENTION, ".large canvas")
    before = readout(page)
    canvas = page.locator(".large canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.75)
    expect(page.locator(".readout").first).not_to_have_text(before)
    head = page.locator(".heads button").nth(7)
    head.click()
    expect(page.locator(".heads button[aria-pressed=true]")).to_have_count(1)


def test_a_token_can_be_reached_and_read_by_keyboard_and_by_mouse(visitor: Visitor):
    page = drawn(visitor, TOKENIZER, "button.token")
    tokens = page.locator("button.token")
    tokens.nth(2).click()
    clicked = readout(page)
    assert clicked
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".readout").first).not_to_have_text(clicked)


def test_typed_text_is_cut_into_tokens_at_once(visitor: Visitor):
    page = drawn(visitor, TOKENIZER, "button.token")
    field = page.get_by_label(re.compile("^Text"))
    field.fill("zebra 你好 👋🏽")
    field.press("Control+Enter")
    expect(page).to_have_url(re.compile("zebra"), timeout=15_000)
    visitor.rest()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.locator("button.token", has_text="zebra").count() + page.locator("button.token", has_text="z").count() > 0


def test_a_token_can_be_forced_and_the_text_rewound(visitor: Visitor):
    page = drawn(visitor, SAMPLING, "button.token")
    url = page.url
    page.locator("button.token").last.scroll_into_view_if_needed()
    words = page.locator("[data-testid=stMain]").inner_text()
    # the pictures name what a click does; the first token of "The next token" forces it
    box = page.locator(".st-key-column, [data-testid=stVerticalBlock]", has_text="The next token").last
    box.locator("button.token").first.click()
    page.wait_for_timeout(1500)
    visitor.rest()
    assert page.url != url or page.locator("[data-testid=stMain]").inner_text() != words
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("address", [ATTENTION, TOKENIZER, SAMPLING])
def test_axe_finds_nothing_serious_in_a_flagship(chromium, app, address, look):
    width, height, scheme = LOOKS[look]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    visitor = Visitor(context.new_page(), app)
    page = drawn(visitor, address, "button.token, .large canvas")
    assert serious(page) == []
    assert visitor.outside == []
    context.close()
