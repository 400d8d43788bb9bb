"""The review table in Chromium, on a database of 100,000 cards: from a key to what is painted.

    python -m tests.benchmarks.bench_conductor

Painted: the first frame after the key's handler has run, and what the browser does after that frame was drawn (a message that
waits behind it). The reveal and the next card need no round trip; what a grade costs the server is in bench_review.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import insert

from backend import review, store
from backend.questions import Form, Question, to_dict
from backend.tables import Card, Setting, Topic
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, QUIET, READY, free_port, start_app

CARDS, GRADES = 100_000, 100
PRESS = """async key => {
    const state = () => { const card = document.querySelector('[data-card]'); return card ? card.dataset.card + '/' + card.dataset.side : ''; };
    const before = state();
    const start = performance.now();
    document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    for (let frames = 0; frames < 200; frames++) {
        await new Promise(requestAnimationFrame);
        if (state() && state() !== before) break;
    }
    await new Promise(done => { const channel = new MessageChannel(); channel.port1.onmessage = done; channel.port2.postMessage(0); });
    return performance.now() - start;
}"""


def build(database: Path) -> None:
    """The shipped tables with 100,000 cards of the learner's own beside them."""
    engine = store.open_engine(f"sqlite:///{database}")
    store.upgrade(engine)
    with store.writing(engine) as session:
        learner = store.local_learner(session)
        session.add_all([Topic(slug=f"own-{n:03}", track="own", position=1000 + n, title=f"Own {n}", text="", sha="", owner=learner) for n in range(100)])
        rows = []
        for n in range(CARDS):
            question = to_dict(Question(Form.PROSE, f"What is number {n}? $x_{{{n}}}$", answer=f"It is **{n}**, because $\\sqrt{{{n}^2}} = {n}$."))
            name = f"own-card-{n:06}"
            rows.append({"id": name, "block": name, "topic": f"own-{n % 100:03}", "section": "", "position": n, "form": "prose", "source": f"Q: {n}",
                         "question": question, "aka": [], "tags": [], "plain": f"number {n}", "sha": "", "owner": learner})  # fmt: skip
        session.connection().execute(insert(Card), rows)
        for setting, value in (("new_per_day", 9999), ("reviews_per_day", 9999), ("learning_steps", []), ("new_order", "random")):
            session.merge(Setting(learner=learner, name=setting, value=json.dumps(value)))
        session.flush()
        review.follow_content(session, learner=learner, at=store.now())
    engine.dispose()


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(share * len(times)), len(times) - 1)]


def row(what: str, times: list[float], p50: float, p95: float) -> None:
    print(f"{what:40} p50 {statistics.median(times):6.1f} ms (aim {p50:.0f})   p95 {quantile(times, 0.95):6.1f} ms (aim {p95:.0f})   n {len(times)}")


def grades_in(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        return [card for (card,) in connection.execute("SELECT card FROM event WHERE kind = 'grade' ORDER BY id")]


def begin(page: Page, port: int) -> None:
    page.goto(f"http://127.0.0.1:{port}/review")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector("[data-card]", timeout=60_000)
    page.wait_for_selector(READY)
    page.evaluate(QUIET)


def measure(page: Page) -> None:
    reveals, following = [], []
    for _ in range(GRADES):
        reveals.append(page.evaluate(PRESS, " "))
        following.append(page.evaluate(PRESS, "3"))
        page.wait_for_timeout(120)  # a person thinks longer; the ring needs not even this
    row("reveal", reveals, 30, 45)
    row("grade -> next card", following, 20, 40)


def hammer(page: Page, database: Path, gap: int) -> None:
    """Keys every `gap` ms for 40 presses: what was seen and what was written must be the same cards, once each."""
    before = len(grades_in(database))
    seen = []
    for _ in range(20):
        seen.append(page.locator("[data-card]").first.get_attribute("data-card") if page.locator("[data-card]").count() else None)
        page.keyboard.press("Space")
        page.wait_for_timeout(gap)
        page.keyboard.press("3")
        page.wait_for_timeout(gap)
    page.wait_for_timeout(2500)
    written = grades_in(database)[before:]
    twice, strange = len(written) - len(set(written)), len(set(written) - set(seen))
    print(f"{f'{gap} ms between keys':40} {len(written)} of 20 taken, {twice} doubled, {strange} given to a card that was not seen")


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="attend-bench-"))
    database = place / "attend.db"
    try:
        build(database)
        process = start_app(database, port := free_port())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begin(page, port)
            measure(page)
            for gap in (20, 50, 100):
                hammer(page, database, gap)
            browser.close()
        process.kill()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
