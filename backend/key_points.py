"""What a prose answer does not seem to say. A hint for its learner, never a grade: words are compared, meaning is not."""

from __future__ import annotations

from collections.abc import Sequence

from backend.nearness import content_words

ROOT = 5  # letters by which two forms of a word are taken for the same
SAID = 0.5  # share of a point's words that must turn up
LONGEST_READ = 20_000


def seems_missing(points: Sequence[str], text: str) -> list[str]:
    """The key points of which less than half the words turn up in the text."""
    said = {word[:ROOT] for word in content_words(text[:LONGEST_READ])}
    missing = []
    for point in points:
        roots = {word[:ROOT] for word in content_words(point)}
        if roots and len(roots & said) < SAID * len(roots):
            missing.append(point)
    return missing
