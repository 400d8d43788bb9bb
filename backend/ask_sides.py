"""What a comparison compares: "LoRA vs prefix tuning" has two sides, each with a note of its own, or with none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backend.query import chinese_mentioned, content_words, is_common, is_figure, mentioned
from backend.search import Found, Index

STANDING = 8  # how high the topic of a side must stand

_COMPARES = re.compile(r"\b(?:vs\.?|versus|against|compared?|difference|diff(?= between)|differ|better|worse|or)\b|区别|比较|对比|还是|不同|差异", re.IGNORECASE)
_BETWEEN = re.compile(r"\b(?:vs\.?|versus|against|or|and|than|from|compared (?:to|with))(?=\s|$)|还是|对比|和|与|跟|比", re.IGNORECASE)


def compared(index: Index, found: Found) -> tuple[str, ...]:
    """The two topics a comparison is about, in the order of the question; none where both sides stand in one note."""
    standing = {ranked.topic: place for place, ranked in enumerate(found.ranking[:STANDING])}
    for left, right in _cuts(found):
        before, after = list(_named(index, left).items()), list(_named(index, right).items())
        if not before or not after:
            continue
        (one, ours), (other, theirs) = before[-1], after[0]
        if set(ours) & set(theirs):
            return ()
        sides = [_topic_of(name, [slug for slug in slugs if slug in standing], standing) for name, slugs in ((one, ours), (other, theirs))]
        if all(sides):
            return tuple(sides)
    return ()


def lacks_a_side(found: Found) -> bool:
    """Does it compare with something that stands in no note?"""
    strange = {word for word in found.missing if not is_common(word) and not is_figure(word)}
    return bool(strange) and any(strange & {*content_words(left)[-1:], *content_words(right)[:1]} for left, right in _cuts(found))


def _cuts(found: Found) -> Iterator[tuple[str, str]]:
    """What stands before and after each word that may part the two sides."""
    text = found.query.text if found.query.pairs else found.query.english
    if _COMPARES.search(text):
        for between in _BETWEEN.finditer(text):
            yield text[: between.start()], text[between.end() :]


def _named(index: Index, text: str) -> dict[str, tuple[str, ...]]:
    return mentioned(text, index.lexicon.names) or chinese_mentioned(text, index.lexicon.names)


def _topic_of(name: str, slugs: list[str], standing: dict[str, int]) -> str:
    own = name.replace(" ", "-")
    return own if own in slugs else min(slugs, key=standing.__getitem__, default="")
