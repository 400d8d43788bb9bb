"""Read in a real browser: links, reload, formulas, no request to anyone else."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import LONG

SLUGS = sorted(path.stem for path in (Path(__file__).parent.parent.parent / "content").glob("*/*.md"))
SCREENS = ["/", "/read", "/read?view=map", "/read?view=glossary", "/read?view=errata", "/review", "/quiz", "/labs", "/ask", "/progress", "/library", "/settings"]


def test_no_screen_asks_an_outside_host_or_breaks(visitor):
    for address in SCREENS:
        page = visitor.open(address)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert visitor.outside == []
    assert visitor.errors == []


def test_a_link_between_notes_opens_in_place_and_back_returns(visitor):
    page = visitor.open("/read?topic=attention-scaling")
    page.evaluate("window.same = true")
    page.get_by_role("link", name="Self-attention and the roles of Q, K and V").first.click()
    expect(page).to_have_url(re.compile("topic=self-attention-qkv"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Self-attention")
    assert page.evaluate("window.same"), "the page was not loaded again"
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why attention divides")


def test_a_deep_link_survives_reload(visitor):
    page = visitor.open("/read?topic=attention-scaling")
    page.reload()
    visitor.rest()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why attention divides")


def test_an_answer_opens_on_demand(visitor):
    page = visitor.open("/read?topic=attention-scaling")
    card = page.locator(".st-key-card-attention-scaling-q01")
    expect(card.get_by_text("To keep the scores at unit spread")).not_to_be_visible()
    card.get_by_text("Answer", exact=True).click()
    expect(card.get_by_text("To keep the scores at unit spread")).to_be_visible()


def test_a_topic_is_found_by_its_chinese_name(visitor):
    page = visitor.open("/read")
    page.get_by_role("combobox").click()
    page.keyboard.type("缩放点积")
    page.get_by_role("option").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why attention divides")


def test_a_wrong_link_is_met_kindly(visitor):
    page = visitor.open("/read?topic=atention-scalling")
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no such topic")
    expect(page.get_by_test_id("stMain").get_by_role("link", name="Why attention divides by √dₖ")).to_be_visible()


def test_the_map_opens_a_topic(visitor):
    page = visitor.open("/read?view=map")
    page.wait_for_selector(".js-plotly-plot .points path")
    visitor.rest()
    page.locator(".js-plotly-plot .points path").first.click(force=True)
    expect(page).to_have_url(re.compile("topic="))


def test_a_phone_reads_without_sideways_scrolling(phone):
    page = phone.open("/read?topic=attention-scaling")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("slug", SLUGS if LONG else SLUGS[::6])
def test_a_note_shows_no_math_error_and_no_raw_markup(visitor, slug):
    page = visitor.open(f"/read?topic={slug}")
    page.wait_for_selector("h1")
    assert page.locator(".katex-error").count() == 0, page.locator(".katex-error").first.text_content()
    # hidden answers count as well: read the text of everything, without what KaTeX keeps for screen readers and code
    text = page.evaluate("""() => {
        const copy = document.querySelector('[data-testid=stMain]').cloneNode(true);
        copy.querySelectorAll('.katex, code, pre, script, style').forEach(node => node.remove());
        return copy.textContent;
    }""")
    assert not re.search(r"(?<![\w\\])\$[^\s\d]", text), "a raw dollar stands in the text"
    assert "[[" not in text
    assert not re.search(r"\|\s*:?-{3,}", text), "a table did not become one"
    assert not re.search(r"==\S[^=]*==", text), "a gap stands raw"


def test_a_card_in_the_text_can_be_graded_and_a_missed_one_comes_back(visitor):
    page = visitor.open("/read?topic=deepspeed")
    card = page.locator(".st-key-card-deepspeed-q01")
    card.get_by_text("Answer", exact=True).click()
    card.get_by_role("button", name="Forgot").click()
    again = page.locator(".st-key-card-again-deepspeed-q01")
    expect(again).to_be_visible()
    again.get_by_text("Answer", exact=True).click()
    again.get_by_role("button", name="Knew it").click()
    expect(again).to_have_count(0)
