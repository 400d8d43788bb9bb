"""Labs in Chromium on a warm server: from a link to the first picture, from a changed control to what is painted.

    python -m tests.benchmarks.bench_labs
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import find
from tests.browser.conftest import FLAGS, READY, free_port, start_app

LABS = ("attention-heatmap", "tokenizer-playground", "top-p-lab", "temperature-lab", "scaled-softmax-saturation", "rope-rotator", "beam-search-tree")
PICTURE = ".js-plotly-plot .main-svg, .large canvas, button.token, .picture svg, .picture canvas"
WATCH = """() => {
    const said = [...document.querySelectorAll('[data-testid=stMain] *')].map(box => box.shadowRoot?.querySelector('.said')).find(Boolean);
    window.painted = new Promise(done => {
        let start = 0, told = 0, last = 0;
        document.addEventListener('keydown', () => { start = performance.now(); }, {capture: true, once: true});
        const frame = () => new Promise(requestAnimationFrame);
        const words = new MutationObserver(async () => { await frame(); told ||= performance.now(); });
        words.observe(said, {subtree: true, childList: true, characterData: true});
        const drawn = new MutationObserver(async () => { await frame(); last = performance.now(); });
        for (const plot of document.querySelectorAll('.plot')) {
            const {top, bottom} = plot.getBoundingClientRect();
            if (bottom > 0 && top < innerHeight) drawn.observe(plot, {subtree: true, childList: true, attributes: true});
        }
        const look = () => {
            const now = performance.now();
            if (start && ((told && now - Math.max(told, last) > 600) || now - start > 5000)) {
                words.disconnect();
                drawn.disconnect();
                done([told - start, Math.max(last, told) - start]);
            } else setTimeout(look, 20);
        };
        look();
    });
}"""


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(share * len(times)), len(times) - 1)]


def open_lab(page: Page, base: str, slug: str) -> float:
    start = time.perf_counter()
    page.goto(f"{base}/labs?lab={slug}")
    page.wait_for_selector(PICTURE, timeout=60_000)
    spent = time.perf_counter() - start
    page.wait_for_selector(READY)
    return spent


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="attend-bench-"))
    try:
        process = start_app(place / "attend.db", port := free_port())
        base = f"http://127.0.0.1:{port}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            for slug in LABS:
                open_lab(page, base, slug)  # the server loads the lab and its model
            for slug in LABS:
                times = [open_lab(page, base, slug) for _ in range(3)]
                print(f"{slug:28} page load -> first picture   {statistics.median(times):6.2f} s (aim < 2.5)")
            open_lab(page, base, "scaled-softmax-saturation")
            page.wait_for_timeout(1000)
            moves = []
            for number in range(20):
                slider = page.locator("input[type=range]").nth(number % 2)
                slider.focus()
                page.evaluate(WATCH)
                page.keyboard.press("ArrowRight" if number % 4 < 2 else "ArrowLeft")
                moves.append(page.evaluate("window.painted"))
                page.wait_for_timeout(300)
            for name, times in zip(("control -> sentence painted", "control -> last figure in sight"), zip(*moves)):
                print(f"{name:28} p50 {statistics.median(times):6.0f} ms   p95 {quantile(list(times), 0.95):6.0f} ms (aim 150)")
            browser.close()
        process.kill()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
