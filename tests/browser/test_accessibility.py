"""axe finds nothing serious on any screen, in light, dark and on a phone; a whole review goes by keyboard alone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Visitor

SCREENS = ["/", "/read", "/read?topic=attention-scaling", "/read?view=map", "/read?view=errata", "/review", "/quiz", "/labs", "/ask", "/progress",
           "/library", "/settings"]  # fmt: skip
LOOKS = {"light": (1280, 900, "light"), "phone, dark": (390, 844, "dark")}


def serious(page: Page) -> list[str]:
    """What axe calls serious or worse, once the page has come to rest: a card half faded in has no contrast yet."""
    for _ in range(5):
        found = [violation for violation in Axe().run(page).response["violations"] if violation["impact"] in ("serious", "critical")]
        if not found:
            return []
        page.wait_for_timeout(500)
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]} {v['nodes'][0].get('failureSummary', '')[:200]}" for v in found]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("address", SCREENS)
def test_axe_finds_nothing_serious(chromium, app, address, look):
    width, height, scheme = LOOKS[look]
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = Visitor(context.new_page(), app).open(address)
    assert serious(page) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_review_table_is_accessible_on_both_sides(chromium, app, scheme):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    visitor = Visitor(context.new_page(), app)
    page = visitor.open("/review")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector("[data-card]")
    visitor.rest()
    assert serious(page) == []
    page.keyboard.press("Space")
    page.wait_for_selector("[data-side=back]")
    assert serious(page) == []
    assert page.evaluate("document.activeElement.tagName") != "BODY", "focus went where it belongs"
    context.close()
