"""Do the notes answer this at all? What speaks for it and against it, and how much that comes to.

How near the notes come says little by itself: a question on random forests is near to every note on training. So it is also
held against what other books are about (elsewhere.txt): what comes nearer to one of those subjects than to any passage is
not answered here. A subject that a note is named after is not elsewhere, so a note of one's own on random forests counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np
from sqlmodel import Session

from backend.passages import ANSWER, KINDS, NAME, SECTION
from backend.query import count_han, is_common, is_figure, singular
from backend.search import FEATURES, Floats, Found, Index, best_passages, largest, topics_with, weights
from backend.search_elsewhere import subject_vectors, subject_words

UNREAD_HAN = 1.2  # what a Chinese character that no term explains weighs
MANY = 200  # rows near a question whatever it asks
OWNED = 0.3  # how much the nearness of a subject to the name of a note takes away from it
SEVERAL = 5  # subjects or words
LEADING = 3  # topics
HARDLY = 3  # notes


def evidence(session: Session, index: Index, found: Found) -> dict[str, float]:
    """What speaks for and against an answer standing in the notes, each number between about 0 and 1."""
    if not found.ranking:
        return {}
    first = index.number[found.ranking[0].topic]
    row = dict(zip(FEATURES, map(float, found.features[first])))
    cosine = {kind: float(found.similar[index.kinds[kind]].max(initial=0.0)) if len(found.similar) else 0.0 for kind in KINDS}
    total = sum(found.weight.values()) or 1.0
    unread = UNREAD_HAN * found.query.unread * count_han(found.query.text)  # Chinese that nobody could translate counts as absent words
    read = total / (total + unread)
    absent = sum(found.weight[word] for word in found.missing) + unread
    scores = [ranked.score for ranked in found.ranking[:6]]
    nearest, several = _elsewhere(index, found)
    return {
        "best": max(value for kind, value in cosine.items() if kind != NAME),
        "section": cosine[SECTION],
        "answer": cosine[ANSWER],
        "name": cosine[NAME],
        "own_name": row[NAME],
        "broad": row["broad"],
        "stands_out": _stands_out(found.similar),
        "elsewhere": nearest,
        "elsewhere_broad": several,
        "elsewhere_words": _elsewhere_words(session, index, found, total),
        "margin": (scores[0] - scores[-1]) / 10,
        "covered": row["covered"] * read,
        "covered_near": _covered_near(session, index, found, total) * read,
        "named": row["named"] * read,
        "absent": absent / (total + unread),
        "strange": _some(word for word in found.missing if _technical(word)),
        "technical": _some(word for word in found.query.words if not is_common(word)),
        "together": _together(session, index, found, total) * read,
        "words": min(max(found.lexical.values(), default=0.0) / 20, 1.5),
    }


def _technical(word: str) -> bool:
    return not is_common(word) and not is_figure(word)


def _some(words: Iterable[str]) -> float:
    """Few or several: beyond a handful one word more says nothing."""
    return min(sum(1 for _ in words), SEVERAL) / SEVERAL


def _stands_out(similar: Floats) -> float:
    """By how much the nearest passage is nearer than many others: a question that is near to everything is near to nothing."""
    best = largest(similar, MANY)
    return float(similar[best[0]] - similar[best[-1]]) if len(best) else 0.0


def _elsewhere(index: Index, found: Found) -> tuple[float, float]:
    """How near the question is to the nearest subject that is not ours, and to several."""
    if not len(found.vector):
        return 0.0, 0.0
    near = np.sort(subject_vectors() @ found.vector - OWNED * index.owned)[::-1]
    return float(near[0]), float(near[:SEVERAL].mean())


def _elsewhere_words(session: Session, index: Index, found: Found, total: float) -> float:
    """The share of the question's weight in words that those subjects have and hardly a note."""
    known = {word for word in found.weight if word in subject_words() or singular(word) in subject_words() or f"{word}s" in subject_words()}
    return sum(found.weight[word] for word in known if len(topics_with(session, index, word)) <= HARDLY) / total


def _covered_near(session: Session, index: Index, found: Found, total: float) -> float:
    """The largest share of the question's weight whose words stand in one of the leading topics."""
    homes = {word: topics_with(session, index, word) for word in found.weight}
    leading = [index.number[ranked.topic] for ranked in found.ranking[:LEADING]]
    return max(sum(value for word, value in found.weight.items() if topic in homes[word]) for topic in leading) / total


def _together(session: Session, index: Index, found: Found, total: float) -> float:
    """The largest share of the question's weight whose words stand together in one passage."""
    if not found.query.words:
        return 0.0
    return max((share_of(hit.words, found.weight, total) for hit in best_passages(session, index, found, count=6)), default=0.0)


_PLAIN_WORD = re.compile(r"[a-z0-9]+")


def share_of(words: str, weight: Mapping[str, float], total: float) -> float:
    """How much of the question's weight stands in these words; endings do not matter."""
    held = {_stem(word) for word in _PLAIN_WORD.findall(words.casefold())}
    return sum(value for word, value in weight.items() if _stem(word) in held) / total


def _stem(word: str) -> str:
    return word[: max(4, len(word) - 3)]


def confidence(signs: Mapping[str, float], *, by_words: bool = False) -> float:
    """The chance that the notes answer the question, as a logistic model sees it; where words alone decided, one of its own."""
    if not signs:
        return 0.0
    fitted = weights().evidence_by_words if by_words else weights().evidence
    logit = fitted.get("bias", 0.0) + sum(fitted.get(name, 0.0) * value for name, value in signs.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))
