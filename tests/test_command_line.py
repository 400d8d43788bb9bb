"""python -m backend, as a script would call it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent


@pytest.fixture
def run(tmp_path, content):
    def call(*arguments: str) -> subprocess.CompletedProcess:
        place = {"DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}", "CONTENT_DIR": str(content)}
        return subprocess.run([sys.executable, "-m", "backend", *arguments], capture_output=True, text=True, cwd=HOUSE, env={**os.environ, **place})

    return call


def test_sync_reports_and_is_idempotent(run):
    first = run("sync", "--json")
    assert first.returncode == 0, first.stderr
    assert (json.loads(first.stdout)["topics"], len(json.loads(first.stdout)["new"])) == (2, 8)
    assert json.loads(run("sync", "--json").stdout)["new"] == []


def test_check_is_clean_on_sound_notes(run):
    done = run("check")
    assert (done.returncode, done.stdout.strip()) == (0, "0 findings")


def test_check_finds_a_mistake_and_says_where(run, content):
    (content / "basics" / "alpha.md").write_text("---\ntitle: Alpha\n---\n\nText.\n\nQ: No id here\n\nA: Yes.\n")
    done = run("check")
    assert done.returncode == 1
    assert "basics/alpha.md:7" in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], [], ["restore"]])
def test_a_wrong_call_is_answered_with_the_usage(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert "Traceback" not in done.stderr
