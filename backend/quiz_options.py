"""Choices that nobody wrote: options from the answers to confusable cards, and the error to spot among corrections.

A learner must not be able to choose by looks. So of all options that could stand beside the key those are taken with which
the key falls on a place in the order of length, and of likeness to the others, that the seed has drawn.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from backend.nearness import likeness
from backend.questions import Form, Option, Question, normalised

OPTIONS = 4
LONGEST_OPTION = 190  # characters
SHORTEST_OPTION = 24
ALSO_RIGHT = 0.5  # an answer that shares so many of the key's words may be right as well
AT_MOST = 9  # candidates that are looked at together: 84 ways to take three of them


@dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    why: str


def compose_choice(question: Question, others: Sequence[Question], *, seed: int) -> Question | None:
    """A card in prose as a choice: its answer's first sentence among those of other cards. None when too few would do."""
    key = first_sentence(question.answer)
    if key is None or question.form is not Form.PROSE:
        return None
    candidates = []
    for other in others:
        text = first_sentence(other.answer)
        if text and kind_of(other.prompt) == kind_of(question.prompt) != "other" and _clearly_wrong(text, key):
            candidates.append(Candidate(text, f"This answers another question: {other.prompt}"))
    options = honest_options(Option(key, right=True), candidates, seed=seed)
    return replace(question, form=Form.CHOICE, options=options, points=()) if options else None


def spot_the_error(erratum: Mapping[str, str], others: Sequence[Mapping[str, str]], *, seed: int) -> Question | None:
    """A widespread mistake among three statements that are right."""
    said = erratum["said"]
    if not stands_alone(said):
        return None
    why = f"This is the mistake. Right is: {erratum['right']}"
    candidates = [
        Candidate(other["right"], f"This is right, and corrects the claim that says: “{other['said']}”")
        for other in others
        if stands_alone(other["right"]) and likeness(other["right"], erratum["right"]) < ALSO_RIGHT
    ]
    options = honest_options(Option(said, right=True, why=why), candidates, seed=seed)
    if not options:
        return None
    source = f" ({erratum['source']})" if erratum.get("source") else ""
    return Question(Form.CHOICE, "Three of these statements hold. Which one is a widespread mistake?", options=options, answer=f"{erratum['right']}{source}")


def honest_options(key: Option, candidates: Sequence[Candidate], *, seed: int) -> tuple[Option, ...] | None:
    """The key and three candidates, so chosen that neither its length nor its likeness to the others tells which it is."""
    rng = random.Random(seed)
    usable = _of_both_lengths(key, _different(key, _of_both_lengths(key, candidates, 2 * AT_MOST)), AT_MOST)
    if len(usable) < OPTIONS - 1:
        return None
    wanted_length, wanted_centre = rng.randrange(OPTIONS), rng.randrange(OPTIONS)
    texts = [key.text, *(each.text for each in usable)]
    alike = [[likeness(one, other) for other in texts] for one in texts]
    trios = list(combinations(range(1, len(texts)), OPTIONS - 1))
    rng.shuffle(trios)

    def miss(trio: tuple[int, ...]) -> float:
        shown = (0, *trio)
        length = _place([len(texts[at]) for at in shown])
        centre = _place([sum(alike[at][other] for other in shown) for at in shown])
        return abs(length - wanted_length) + abs(centre - wanted_centre)

    chosen = [usable[at - 1] for at in min(trios, key=miss)]
    options = [key, *(Option(each.text, why=each.why) for each in chosen)]
    return tuple(rng.sample(options, OPTIONS))


def _of_both_lengths(key: Option, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """The first `count`, half of them shorter than the key where there are such: else its length would give it away."""
    shorter = [each for each in candidates if len(each.text) < len(key.text)]
    longer = [each for each in candidates if len(each.text) >= len(key.text)]
    taken = shorter[: max((count + 1) // 2, count - len(longer))]
    return taken + longer[: count - len(taken)]


def _place(values: Sequence[float]) -> float:
    """How many of the others are greater than the first; an equal one counts half."""
    return sum((value > values[0]) + 0.5 * (value == values[0]) for value in values[1:])


def _different(key: Option, candidates: Sequence[Candidate]) -> list[Candidate]:
    seen = {normalised(key.text)}
    kept: list[Candidate] = []
    for each in candidates:
        name = normalised(each.text)
        if name not in seen and all(likeness(each.text, other.text) < ALSO_RIGHT for other in kept):
            seen.add(name)
            kept.append(each)
    return kept


def _clearly_wrong(text: str, key: str) -> bool:
    return likeness(text, key) < ALSO_RIGHT and normalised(text) not in normalised(key) and normalised(key) not in normalised(text)


_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9$*`\[(“\"])")
_ABBREVIATED = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|et al|approx|resp|Fig|Eq|Sec|No)\.)$")
_POINTS_BACK = frozenset(
    "he it its itself she they them their this that these those both such there then here so yes not neither none any one two three "
    "former latter which same because and but or as also".split()
)


def first_sentence(answer: str) -> str | None:
    """The answer itself: the first sentence of what a card says, when it can stand as one option."""
    if "\n" in answer.strip() or "```" in answer:
        return None
    sentence = ""
    for part in _SENTENCE_END.split(answer.strip()):
        sentence = f"{sentence} {part}".strip()
        if not _ABBREVIATED.search(sentence) and sentence.count("$") % 2 == 0:
            break
    return sentence if SHORTEST_OPTION <= len(sentence) <= LONGEST_OPTION else None


@lru_cache(maxsize=4096)
def stands_alone(statement: str) -> bool:
    """Can this be understood without what was said before it?"""
    first = normalised(statement.split(maxsplit=1)[0]) if statement.strip() else ""
    return SHORTEST_OPTION <= len(statement) <= LONGEST_OPTION and first not in _POINTS_BACK and "\n" not in statement


_KINDS = {
    "why": "why", "how": "how", "what": "what", "which": "what", "name": "what", "when": "when", "where": "when", "does": "yes or no", "do": "yes or no",
    "is": "yes or no", "are": "yes or no", "can": "yes or no", "must": "yes or no", "compare": "compare",
}  # fmt: skip


def kind_of(prompt: str) -> str:
    """What kind of answer a question wants, told by its opening: an answer of another kind could be dismissed by its form."""
    words = normalised(prompt).split()
    first, rest = (words[0] if words else ""), prompt.casefold()
    if first in ("how", "what") and " differ" in rest:
        return "compare"
    return _KINDS.get(first, "other")
