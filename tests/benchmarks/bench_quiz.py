"""Building a quiz from the shipped stock, and the next question in Chromium.

    python -m tests.benchmarks.bench_quiz

Built: the stock read, drawn and posed, with the table of what is near what held in memory, as the app holds it; that table
itself is made once for every state of the content. Painted: the first frame after the key's handler has run, and what the
browser does after that frame was drawn (a message that waits behind it).
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from backend import store
from backend.nearness import Nearness, read_nearness
from backend.quiz import Setup, draw, pose, read_stock
from backend.sync import sync
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, QUIET, READY, free_port, start_app

HOUSE = Path(__file__).parent.parent.parent
BUILDS = 60
SETUPS = {
    "10 of everything": Setup(count=10), "20 of everything": Setup(count=20), "50 of everything": Setup(count=50),
    "20 choices, some composed": Setup(scope="track:attention", count=20, forms=("choice",)),
}  # fmt: skip
PRESS = """async key => {
    const state = () => { const top = document.querySelector('[data-question]'); return top ? top.dataset.question + '/' + top.dataset.side : ''; };
    const before = state();
    const start = performance.now();
    document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    for (let frames = 0; frames < 200; frames++) {
        await new Promise(requestAnimationFrame);
        if (state() !== before) break;
    }
    if (state() === before) throw new Error(`nothing followed the key ${key} on ${before}`);
    await new Promise(done => { const channel = new MessageChannel(); channel.port1.onmessage = done; channel.port2.postMessage(0); });
    return performance.now() - start;
}"""


def timed(work: Callable[[], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return found


def line(name: str, found: list[float]) -> None:
    ordered = sorted(found)
    print(f"{name:<46} p50 {statistics.median(ordered):7.1f} ms   p95 {ordered[int(0.95 * (len(ordered) - 1))]:7.1f} ms   n {len(ordered)}")


def building(database: Path) -> None:
    engine = store.open_engine(f"sqlite:///{database}")
    store.upgrade(engine)
    with store.writing(engine) as session:
        sync(session, HOUSE / "content", at=store.now(), makers={})
        store.local_learner(session)
    with store.reading(engine) as session:
        line("table of what is near what, once", timed(lambda: read_nearness(session), 5))
        near = read_nearness(session)
        print(f"{len(read_stock(session, learner=1).items)} things to ask, {len(near.blocks)} cards")

        def build(setup: Setup, near: Nearness) -> None:
            stock = read_stock(session, learner=1)
            pose(session, draw(stock, setup, near), learner=1, stock=stock, near=near)

        for name, setup in SETUPS.items():
            line(f"build: {name}", timed(lambda setup=setup: build(setup, near), BUILDS))
    engine.dispose()


def painting(database: Path) -> None:
    port = free_port()
    app = start_app(database, port)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            feedback, following = practice(page, f"http://127.0.0.1:{port}/quiz?n=40&seed=1&forms=choice")
            line("practice: choice to feedback", feedback)
            line("practice: next question", following)
            line("exam: answer to next question", exam(page, f"http://127.0.0.1:{port}/quiz?n=50&seed=2&forms=choice&mode=exam"))
            browser.close()
    finally:
        app.terminate()
        app.wait(10)


def begin(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(READY)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector("[data-question]")
    page.evaluate(QUIET)


def practice(page: Page, address: str) -> tuple[list[float], list[float]]:
    begin(page, address)
    feedback, following = [], []
    for _ in range(39):
        feedback.append(page.evaluate(PRESS, "2"))
        page.wait_for_timeout(350)  # a quick reader
        following.append(page.evaluate(PRESS, "Enter"))
        page.wait_for_timeout(350)
    return feedback, following


def exam(page: Page, address: str) -> list[float]:
    begin(page, address)
    found = []
    for _ in range(49):
        found.append(page.evaluate(PRESS, "2"))
        page.wait_for_timeout(350)
    return found


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        building(folder / "build.db")
        painting(folder / "paint.db")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
