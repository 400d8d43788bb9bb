"""Matching terms to what they mean, made of the glossary: a note's title, and the sentence with which the note begins."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlmodel import Session

from backend.markup import plain
from backend.nearness import likeness
from backend.questions import Form, Question
from backend.statements import Statement

PAIRS = 4
LONGEST, SHORTEST = 210, 30  # characters of a meaning
ALIKE = 0.3  # meanings that share so many words may fit each other's terms


@dataclass(frozen=True, slots=True)
class Meaning:
    topic: str
    term: str  # the name that the sentence begins with
    says: str  # the rest of it, as Markdown
    names: tuple[str, ...]  # every other way to call it


def read_meanings(session: Session) -> dict[str, Meaning]:
    """Topic -> what its name means, where the note's first sentence says so. The search's passages know where that stands."""
    found = {}
    for slug, title, aliases, sentence in _FIRST.rows(session, {}):
        meaning = meaning_of(slug, title, tuple(json.loads(aliases) if isinstance(aliases, str) else aliases or ()), sentence)
        if meaning:
            found[slug] = meaning
    return found


_FIRST = Statement("""
    SELECT topic.slug, topic.title, topic.aliases, substr(topic.text, passage.start + 1, passage.end - passage.start)
    FROM (SELECT min(id) AS id FROM passage WHERE kind = 'sentence' AND section = 'top' GROUP BY topic) AS first
    JOIN passage ON passage.id = first.id JOIN topic ON topic.slug = passage.topic
""")

_WIKILINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]")
_ARTICLE = re.compile(r"\**(?:(?:an?|the)\s+)?\**", re.IGNORECASE)
_BEHIND = re.compile(r"\**(?:\s+\([^)]*\))?\**(?:\s+(?:models?|layers?|sampling|search|decoding))?\**\s+(?=[a-z])")  # a noun that belongs to the name
_IN_BRACKETS = re.compile(r"\s*\(.*?\)")


@lru_cache(maxsize=2048)
def meaning_of(slug: str, title: str, aliases: tuple[str, ...], sentence: str) -> Meaning | None:
    """The sentence cut behind its subject; None when it does not begin with a name of the topic, or gives that name away further on."""
    text = " ".join(sentence.split())
    names = [name for name in dict.fromkeys((title, _IN_BRACKETS.sub("", title), slug.replace("-", " "), *aliases)) if name.isascii()]
    article = _ARTICLE.match(text)
    begin = article.end() if article else 0
    for name in sorted(names, key=len, reverse=True):
        opening = _BEHIND.match(text, begin + len(name)) if text[begin : begin + len(name)].casefold() == name.casefold() else None
        if opening:
            says = _first_clause(_WIKILINK.sub(r"\1", text[opening.end() :].strip()))
            clean = "[[" not in says and SHORTEST <= len(says) <= LONGEST and not _gives_away(says, name) and not _speaks_of(says, names)
            return Meaning(slug, _term(text[: opening.end()]), f"… {says}", tuple(names)) if clean else None
    return None


def _term(subject: str) -> str:
    """The subject as an entry of a glossary: without its article, with a capital."""
    bare = re.sub(r"^\W*(?:(?:an?|the)\s+)?", "", subject.strip(), flags=re.IGNORECASE).replace("*", "").strip()
    return bare[:1].upper() + bare[1:]


def _gives_away(says: str, name: str) -> bool:
    """Does the meaning hold a word of the name that few other names have?"""
    return bool(_stems(name) & _stems(plain(says)) - _EVERYWHERE)


def _speaks_of(says: str, names: Sequence[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", says, re.IGNORECASE) for name in names if name.casefold() in says.casefold())


def _first_clause(says: str) -> str:
    """What comes behind a semicolon tells of something else, or of more than a definition."""
    first = says.partition(";")[0].rstrip()
    return first if first.endswith(".") or len(first) < SHORTEST else f"{first}."


def _stems(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[a-z]{4,}", text.casefold())}


_EVERYWHERE = {
    stem for word in """attention model models language encoding embedding position positional training learning network layer transformer decoding sampling
    weights tokens vector loss gradient method neural large with from that which multi head query norm data text image rate
    """.split() for stem in _stems(word)
}  # fmt: skip


def match_terms(own: Meaning, others: Sequence[Meaning], *, seed: int) -> Question | None:
    """Four terms of one field and what each means; None when there are too few whose meanings cannot be mixed up."""
    rng = random.Random(seed)
    chosen = [own]
    for other in others:
        if len(chosen) == PAIRS:
            break
        if all(_clearly_different(other, one) for one in chosen):
            chosen.append(other)
    if len(chosen) < PAIRS:
        return None
    rng.shuffle(chosen)
    told = " · ".join(f"[{one.term}](/read?topic={one.topic})" for one in chosen)
    return Question(
        Form.MATCH, "Match each term with what it means.", pairs=tuple((one.term, one.says) for one in chosen), heads=("term", "meaning"),
        answer=f"Each is the first sentence of its note: {told}",
    )  # fmt: skip


def _clearly_different(one: Meaning, other: Meaning) -> bool:
    known = {name.casefold() for name in one.names}
    nested = any(name.casefold() in known for name in other.names) or _inside(one, other) or _inside(other, one)
    return not nested and likeness(one.says, other.says) < ALIKE


def _inside(one: Meaning, other: Meaning) -> bool:
    """Is one term part of the other, or spoken of in the other's meaning? Then either could be meant."""
    term = re.escape(one.term.casefold())
    return re.search(rf"\b{term}\b", f"{other.term} {plain(other.says)}".casefold()) is not None


def others_for(own: Meaning, meanings: Mapping[str, Meaning], tracks: Mapping[str, str], *, seed: int) -> list[Meaning]:
    """The other terms in an order that the seed decides; those of the same track first, since they are the ones to be mixed up."""
    others = [meaning for topic, meaning in meanings.items() if topic != own.topic and topic in tracks]
    random.Random(seed).shuffle(others)
    return sorted(others, key=lambda meaning: tracks[meaning.topic] != tracks[own.topic])
