"""Start, sync and reading: medians of several runs.

    python -m tests.benchmarks.bench_house

start -> Today painted counts from the start of the process, with a database that is ready; the browser is already open.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from backend import store
from backend.sync import sync
from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, HOUSE, READY, free_port, start_app

RUNS = 5
NOTES = ("self-attention-qkv", "lora", "flash-attention", "attention-scaling", "optimizers", "beam-search", "vision-transformer", "ppo", "quantization", "rwkv")


def row(what: str, times: list[float], aim: str) -> None:
    print(f"{what:46} {statistics.median(times):9.3f} s   min {min(times):.3f}   max {max(times):.3f}   aim {aim}")


def time_sync(place: Path) -> None:
    first, again = [], []
    for number in range(RUNS):
        engine = store.open_engine(f"sqlite:///{place / f'sync{number}.db'}")
        store.upgrade(engine)
        for times in (first, again):
            start = time.perf_counter()
            with store.writing(engine) as session:
                report = sync(session, HOUSE / "content", at=1)
            times.append(time.perf_counter() - start)
    row(f"sync of {report.topics} notes into an empty database", first, "< 3")
    row("sync of an unchanged tree", again, "< 0.5")


def time_start(page: Page, place: Path) -> None:
    ready, painted = [], []
    database = place / "start.db"
    process = start_app(database, port := free_port())
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("h1")
    stop(process)
    for _ in range(RUNS):
        port = free_port()
        start = time.perf_counter()
        process = start_app(database, port)
        ready.append(time.perf_counter() - start)
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_role("heading", name="Today").wait_for()
        page.get_by_role("button", name="Start", exact=True).wait_for()
        painted.append(time.perf_counter() - start)
        stop(process)
    row("process start -> server answers", ready, "")
    row("process start -> Today painted", painted, "< 2.5")


def time_notes(page: Page, place: Path) -> None:
    process = start_app(place / "start.db", port := free_port())
    page.goto(f"http://127.0.0.1:{port}/read")
    page.wait_for_selector(READY)
    times = []
    for slug in NOTES * 2:
        page.evaluate("slug => { const a = document.createElement('a'); a.href = '/read?topic=' + slug; a.id = 'probe'; a.textContent = slug; document.body.append(a); }", slug)
        # painted: the new title and the first section stand on the screen, two frames after they were put there
        spent = page.evaluate("""async slug => {
            const before = document.querySelector('h1').textContent;
            const start = performance.now();
            document.getElementById('probe').click();
            await new Promise(done => {
                const look = () => {
                    const title = document.querySelector('h1');
                    const drawn = document.querySelectorAll('[class*=st-key-section-] [data-testid=stMarkdownContainer]').length;
                    if (title && title.textContent !== before && drawn > 3) done(); else requestAnimationFrame(look);
                };
                look();
            });
            await new Promise(requestAnimationFrame);
            document.getElementById('probe').remove();
            return performance.now() - start;
        }""", slug)
        times.append(spent / 1000)
        page.wait_for_selector(READY)
        page.wait_for_timeout(200)
    stop(process)
    row("a note opens, first time (click -> painted)", times[: len(NOTES)], "")
    row("a note opens (click -> painted)", times, "< 0.3")


def time_imports() -> None:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        code = "import screens.parts.desk, sys; assert 'torch' not in sys.modules and 'sentence_transformers' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=HOUSE, capture_output=True)
        times.append(time.perf_counter() - start)
    row("import of the desk (no torch, asserted)", times, "")


def stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="attend-bench-"))
    try:
        time_imports()
        time_sync(place)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            time_start(page, place)
            time_notes(page, place)
            browser.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
