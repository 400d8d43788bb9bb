"""How fast notes are read: the shipped ones, each parsed whole, in one process.

Run it by itself: python -m tests.benchmarks.bench_notes
"""

from __future__ import annotations

import time
from pathlib import Path

from backend.notes import read_note

CONTENT = Path(__file__).parents[2] / "content"
ROUNDS = 5
WANTED = 0.8  # MB per second


def megabytes_per_second(texts: list[bytes], rounds: int = ROUNDS) -> float:
    """The best of some rounds over all texts, in time of this process: what else the machine does is not ours to measure."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for text in texts:
            read_note(text, slug="note", track="track", path="note.md")
        best = min(best, time.process_time() - start)
    return sum(map(len, texts)) / best / 1e6


def main() -> None:
    texts = [path.read_bytes() for path in sorted(CONTENT.glob("*/*.md"))]
    speed = megabytes_per_second(texts)
    print(f"{len(texts)} notes, {sum(map(len, texts)) / 1e3:.0f} kB: {speed:.2f} MB/s (wanted: {WANTED} MB/s)")


if __name__ == "__main__":
    main()
