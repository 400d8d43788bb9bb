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


def test_notes_come_in_are_found_leave_and_are_taken_back(run, tmp_path):
    run("sync")
    (tmp_path / "mine.md").write_text("# Mine\n\n## Why momentum?\n\nBecause it remembers.\n")
    preview = run("import", str(tmp_path / "mine.md"), "--preview", "--json")
    assert preview.returncode == 0, preview.stderr
    assert [change["kind"] for change in json.loads(preview.stdout)["changes"]] == ["new", "new"]
    done = json.loads(run("import", str(tmp_path / "mine.md"), "--json").stdout)
    assert (done["new"], done["topics"]) == (1, 1)
    found = json.loads(run("cards", "momentum", "--json").stdout)
    assert (found["total"], found["cards"][0]["question"]) == (1, "Why momentum?")
    for name in ("out.apkg", "out.csv", "out.json", "out.zip", "all.attend"):
        out = run("export", str(tmp_path / name), "--json")
        assert out.returncode == 0, out.stderr
        assert (tmp_path / name).stat().st_size > 500
    assert json.loads(run("export", str(tmp_path / "one.json"), "momentum", "--json").stdout)["cards"] == 1
    assert "1 cards and 1 topics are gone" in run("import", "--undo", str(done["run"])).stdout
    assert json.loads(run("cards", "momentum", "--json").stdout)["total"] == 0


def test_a_file_that_cannot_be_imported_gets_one_clear_sentence(run, tmp_path):
    (tmp_path / "broken.apkg").write_bytes(b"PK\x03\x04 not whole")
    for name in ("broken.apkg", "nothing.md", "strange.xyz"):
        done = run("import", str(tmp_path / name))
        assert done.returncode == 1
        assert done.stderr.startswith("expected ")
        assert "Traceback" not in done.stderr
