"""See to a Chromium and print its path: the one named by CHROMIUM, the machine's, Debian's package, or Playwright's download.

A machine where none of these works gets a sentence that says what to install, and a failing test run: never a silent skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def on_machine() -> str | None:
    named = os.environ.get("CHROMIUM")
    if named and Path(named).is_file():
        return named
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def from_debian() -> str | None:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return None
    print("installing Debian's chromium ...", file=sys.stderr)
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium", "fonts-noto-cjk"]):
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}).returncode:
            return None
    return on_machine()


def from_playwright() -> str | None:
    print("asking Playwright for its own Chromium ...", file=sys.stderr)
    if subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], stdout=sys.stderr).returncode:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def find() -> str:
    path = on_machine() or from_debian() or from_playwright()
    if path is None:
        sys.exit("The browser tests need a Chromium: install one (Debian: apt-get install chromium) or set CHROMIUM to its path.")
    return path


if __name__ == "__main__":
    print(find())
