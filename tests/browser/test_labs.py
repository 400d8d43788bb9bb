"""The lab bench in a real browser: gallery, sliders by keyboard, a picture that moves without the server, downloads, axe."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocket, expect

from screens.labs import catalogue
from tests.browser.conftest import Visitor
from tests.browser.test_accessibility import LOOKS, serious

SOFTMAX = "/labs?lab=scaled-softmax-saturation"
TEMPERATURE = "/labs?lab=temperature-lab"


def sentence(page: Page) -> str:
    return page.locator(".said").first.inner_text()


def bytes_sent(page: Page) -> list[int]:
    sent: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda data: sent.append(len(data)))

    page.on("websocket", listen)
    return sent


def test_the_gallery_searches_filters_and_opens_a_lab(visitor: Visitor) -> None:
    page = visitor.open("/labs")
    expect(page.get_by_role("status").filter(has_text="labs")).to_have_text(f"{len(catalogue())} labs")
    page.get_by_placeholder("Search the labs").fill("softmax saturation")
    expect(page.get_by_role("status").filter(has_text="lab")).to_have_text("1 lab")
    page.get_by_placeholder("Search the labs").fill("")
    page.get_by_role("button", name="Inference and decoding").click()
    page.get_by_role("link", name="Temperature and entropy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Temperature and entropy")
    expect(page).to_have_url(re.compile(r"lab=temperature-lab"))


def test_a_slider_moves_by_keyboard_and_the_address_brings_the_picture_back(visitor: Visitor) -> None:
    page = visitor.open(SOFTMAX)
    slider = page.get_by_role("slider", name="Head size")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("d_k=512"))
    visitor.rest()
    said = sentence(page)
    assert "At head size 512" in said
    expect(slider).to_be_focused()
    page.reload()
    visitor.rest()
    assert sentence(page) == said
    page.go_back()
    visitor.rest()


def test_quick_moves_of_several_controls_end_where_the_hand_did(visitor: Visitor) -> None:
    """The page paints ahead of the server; when both have come to rest they say the same, and so does the address."""
    answers: list[str] = []
    visitor.page.on("response", lambda answer: answers.append(answer.url) if "/live/pictures" in answer.url else None)
    page = visitor.open(SOFTMAX)
    head, keys = page.get_by_role("slider", name="Head size"), page.get_by_role("slider", name="Number of keys")
    rule = page.get_by_role("combobox", name="Scaling rule")
    head.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    keys.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    rule.select_option(label="1/√d")
    expect(page.locator(".said")).to_contain_text("At head size 1024 with scores divided by √d")
    expect(page.locator(".said")).to_contain_text("over 16 keys")
    assert answers, "the pictures came without a run of the script"
    expect(page).to_have_url(re.compile("rule=sqrt"))
    visitor.rest()
    page.wait_for_timeout(600)  # what the page held back is drawn by now
    said = sentence(page)
    assert said.startswith("At head size 1024 with scores divided by √d")
    assert "over 16 keys" in said
    figure = page.locator(".plot").first.get_attribute("aria-label") or ""
    assert figure.endswith(said)
    assert [slider.get_attribute("aria-valuetext") for slider in (head, keys)] == ["1024", "16"]
    page.reload()
    visitor.rest()
    assert sentence(page) == said
    assert visitor.errors == []


def test_a_lost_answer_leaves_the_drawing_to_the_server(visitor: Visitor) -> None:
    visitor.page.route("**/live/pictures*", lambda route: route.abort())
    page = visitor.open(SOFTMAX)
    page.get_by_role("slider", name="Head size").press("ArrowRight")
    expect(page.locator(".said")).to_contain_text("At head size 128")
    assert visitor.errors == []


def test_a_swept_picture_moves_without_a_word_to_the_server(visitor: Visitor) -> None:
    sent = bytes_sent(visitor.page)
    page = visitor.open(TEMPERATURE)
    swept = page.locator(".st-key-bench-temperature-lab-picture-0-shot")
    before = swept.get_by_role("img").get_attribute("aria-label")
    quiet = len(sent)
    swept.get_by_role("slider").evaluate("range => { range.value = 29; range.dispatchEvent(new Event('input')); }")
    expect(swept.locator(".readout")).to_contain_text("At T = 3.0")
    assert swept.get_by_role("img").get_attribute("aria-label") != before
    assert len(sent) == quiet, "the slider moved in the browser alone"
    swept.get_by_role("slider").evaluate("range => range.dispatchEvent(new Event('change'))")
    expect(page).to_have_url(re.compile("temperature=3"))


@pytest.mark.parametrize(
    ("typed", "kept"), [("", "0 of 300"), ("注意力 👩🏽‍🔬 مرحبا <b>x</b> $y$", "of 300"), ("word " * 2000, "300 of 300")]
)  # fmt: skip
def test_typed_text_never_breaks_the_picture(visitor: Visitor, typed: str, kept: str) -> None:
    page = visitor.open(TEMPERATURE)
    field = page.get_by_role("textbox", name=re.compile("^Text"))
    field.fill(typed)
    field.press("Control+Enter")
    expect(page.get_by_text(kept)).to_be_visible()
    visitor.rest()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert visitor.errors == []


def test_a_picture_is_saved_as_image_page_and_numbers(visitor: Visitor) -> None:
    page = visitor.open(SOFTMAX)
    page.get_by_text("Numbers and downloads").nth(2).click()
    visitor.rest()
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg", "HTML": b"<!doctype html>", "CSV": b"\xef\xbb\xbfseries"}
    for name, start in starts.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        content = open(download.value.path(), "rb").read()  # noqa: SIM115
        assert content.startswith(start), name
        assert download.value.suggested_filename.startswith("how-soft-the-weights-stay")
    assert visitor.outside == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("address", [SOFTMAX, TEMPERATURE])
def test_axe_finds_nothing_serious_in_a_lab(chromium, app, address: str, look: str) -> None:
    width, height, scheme = LOOKS[look]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    visitor = Visitor(context.new_page(), app)
    page = visitor.open(address)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.errors == []
    context.close()
