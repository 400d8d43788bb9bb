"""Which format a path has: by its suffix, for reading and for writing."""

from __future__ import annotations

import os
from pathlib import Path

from backend.exchange.anki_notes import write_anki
from backend.exchange.anki_package import read_anki
from backend.exchange.json_file import read_json, write_json
from backend.exchange.markdown import NOTES, read_markdown, write_markdown
from backend.exchange.records import Progress, Records, Unreadable, quiet, uncollected
from backend.exchange.rows import is_table, read_rows, write_rows

READS = (".apkg", ".colpkg", ".csv", ".tsv", ".txt", ".json", ".zip", *NOTES)
WRITES = (".apkg", ".csv", ".tsv", ".json", ".zip")


@uncollected()
def read_path(path: Path, *, progress: Progress = quiet) -> Records:
    """Whatever lies at a path, as records."""
    suffix = path.suffix.lower()
    if path.is_symlink() or not path.exists():
        raise Unreadable(f"expected a file or a folder, came {'a link' if path.is_symlink() else 'nothing'}: {path}")
    if path.is_dir() or suffix in (".zip", *NOTES) or (suffix == ".txt" and not is_table(path)):
        return read_markdown(path, progress=progress)
    if suffix in (".apkg", ".colpkg"):
        return read_anki(path, progress=progress)
    if suffix == ".json":
        return read_json(path, progress=progress)
    if suffix in (".csv", ".tsv", ".txt"):
        return read_rows(path, progress=progress)
    raise Unreadable(f"expected a file that ends in {', '.join(READS)}, came {path.name}")


@uncollected()
def write_path(records: Records, path: Path, *, at: int, rollover_hour: int = 4, minutes_west: int = 0, progress: Progress = quiet) -> None:
    """The records in the format that the path's suffix names. A file is there whole or not at all, also when `progress` cancels."""
    suffix = path.suffix.lower()
    if suffix not in WRITES and not (path.is_dir() or not suffix):
        raise Unreadable(f"expected a path that ends in {', '.join(WRITES)}, came {path.name}")
    if suffix not in WRITES:
        return write_markdown(records, path, progress=progress)
    half = path.with_name(f".{path.stem}.part{suffix}")
    try:
        if suffix == ".apkg":
            write_anki(records, half, at=at, rollover_hour=rollover_hour, minutes_west=minutes_west, progress=progress)
        else:
            {".json": write_json, ".zip": write_markdown}.get(suffix, write_rows)(records, half, progress=progress)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
