"""One running app and one Chromium for all browser tests; a fresh context for each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import find

HOUSE = Path(__file__).parent.parent.parent
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
READY = "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
QUIET = """() => new Promise(done => {
  let timer = setTimeout(done, 150);
  const seen = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(() => { seen.disconnect(); done(); }, 150); });
  seen.observe(document.body, {childList: true, subtree: true, attributes: true, characterData: true});
  setTimeout(() => { seen.disconnect(); done(); }, 5000);
})"""

expect.set_options(timeout=20_000)  # a machine that does other work as well is slow, not wrong


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_app(database: Path, port: int, **environment: str) -> subprocess.Popen:
    """The app as `make run` starts it; returns when it answers."""
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{database}", "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1", "--server.port", str(port), "--server.headless", "true"]
    log = open(database.with_suffix(".log"), "w")  # noqa: SIM115 - it lives as long as the server
    process = subprocess.Popen(command, cwd=HOUSE, env=env, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return process
        except OSError:
            assert process.poll() is None, database.with_suffix(".log").read_text()
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the app did not answer within a minute: " + database.with_suffix(".log").read_text())


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    process = start_app(tmp_path_factory.mktemp("app") / "attend.db", port, ENCODE_IN_BACKGROUND="0")  # three minutes of one core
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A person at the app: opens screens, waits until they are at rest, and remembers what went wrong."""

    def __init__(self, page: Page, base: str):
        self.page, self.base = page, base
        self.outside: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.outside.append(request.url) if not request.url.startswith((base, "data:", "blob:", "ws://127.0.0.1")) else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, address: str) -> Page:
        self.page.goto(self.base + address)
        self.rest()
        return self.page

    def rest(self) -> None:
        self.page.wait_for_selector(READY, timeout=30_000)
        self.page.evaluate(QUIET)


@pytest.fixture
def visitor(chromium: Browser, app: str) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield Visitor(context.new_page(), app)
    context.close()


@pytest.fixture
def phone(chromium: Browser, app: str) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    yield Visitor(context.new_page(), app)
    context.close()
