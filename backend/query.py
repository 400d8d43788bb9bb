"""A question as a person types it, made ready for search: words, translated Chinese, names it mentions, spelling put right.

Nothing here knows the database: what the notes call things arrives as a `Lexicon`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from backend.formulas import spoken
from backend.markup import plain

HERE = Path(__file__).parent
LONGEST = 600  # characters of a question that are looked at
LONGEST_NAME = 7  # words
MOST_WORDS = 40
COMMON = 2500  # words up to this rank are everyday English

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_COMMAND = re.compile(r"\\[A-Za-z]{2,}")

STOP = frozenset(
    """a about after again all also am an and any anyone are as at be because been before being both but by can cannot could did do does doing don
    done dont each either else even ever every few for from further get gets getting give given go goes going gonna got had has have having he her
    here hers him his how however i id if ill im in instead into is isnt it its ive just kind kinds know let lets like lot made make makes making
    many may maybe me mean means might more most much must my need needs no nor not now of off often ok okay on one ones only onto or other others
    our out over own people per please possible quite rather really reason same say says see seem seems shall she should show so some someone
    something sort still such take tell than thanks that the their them then there these they thing things think this those though through thus to
    too understand up upon us use used uses using very want was way ways we well went were what whats when where whether which while who whole whom
    whose why will with within without wont work works would yes yet you your yours explain describe difference between compare versus vs
    question answer does't actually basically exactly simply happen happens come comes put tends tend try trying call called
    aint arent cant couldnt didnt doesnt hadnt hasnt havent hows isn shouldnt thats theres theyre wasnt werent whats wheres whos whys wouldnt youre
    anyway anyways bro btw dude gotta guys hey hmm imo lol okay pls plz realy simple stuff sup thx tho thru tldr ur wanna wat wut ya yeah
    """.split()
)
# Filler that names the whole field says nothing about which part of it is meant.
FILLER = re.compile(
    r"^(?:hi|hello|hey)[,!. ]+|\b(?:can|could|would) you (?:please )?(?:explain|tell me|describe)(?: to me)?\b|\bplease\b|\bin simple (?:terms|words)\b"
    r"|\bw/o?(?= )|\b(?:i was wondering|i wonder|i want to know|i don'?t (?:get|understand)|help me understand)\b|\b(?:thanks|thank you)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Lexicon:
    """What the notes call things."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # a name in `name_key` spelling -> topics
    chinese: Mapping[str, str] = field(default_factory=dict)  # a Chinese name -> English words for it
    vocabulary: frozenset[str] = frozenset()  # every word that stands in the notes

    @cached_property
    def spellings(self) -> Mapping[tuple[str, int], tuple[str, ...]]:
        """The vocabulary by first letter and length, in order: where a slip of the fingers is looked for."""
        found: dict[tuple[str, int], list[str]] = {}
        for word in sorted(self.vocabulary):
            found.setdefault((word[0], len(word)), []).append(word)
        return {key: tuple(words) for key, words in found.items()}


@dataclass(frozen=True)
class Query:
    text: str  # as typed, cut to size
    english: str  # what the encoder reads; empty when there is nothing for it
    words: tuple[str, ...]  # content words, lower case, in order
    more: tuple[str, ...]  # what notes call some of them: looked for as well, never required
    pairs: tuple[str, ...]  # Chinese as pairs of characters
    names: Mapping[str, tuple[str, ...]]  # names of topics that stand in it -> topics
    corrected: Mapping[str, str]  # what was typed -> what it was taken for
    unread: float = 0.0  # the share of its Chinese that no term or name explains

    @property
    def empty(self) -> bool:
        return not (self.words or self.pairs or self.names)


def read_query(text: str, lexicon: Lexicon) -> Query:
    """Any text whatever is a query; one without words is an empty one."""
    cleaned = clean(text)
    translated, unread = translate(cleaned, lexicon.chinese)
    asked = FILLER.sub(" ", translated)
    corrected = {typed: taken for typed, taken in spelling(asked, lexicon).items() if typed in cleaned.casefold()}  # our own translation has no slips
    for typed, taken in corrected.items():
        asked = re.sub(rf"\b{re.escape(typed)}\b", taken, asked, flags=re.IGNORECASE)
    words = content_words(asked)
    joined = [first + second for first, second in pairwise(words) if first + second in lexicon.vocabulary]
    names = mentioned(asked, lexicon.names) | chinese_mentioned(cleaned, lexicon.names)
    english = " ".join(asked.split()) if re.search(r"[A-Za-z0-9]", asked) else ""
    own = tuple(dict.fromkeys([*words, *joined]))[:MOST_WORDS]
    more = dict.fromkeys(term for word in own for term in content_words(everyday_words().get(word, "")) if term not in own)
    return Query(cleaned, english, own, tuple(more), han_pairs(cleaned), names, corrected, unread)


def clean(text: str) -> str:
    """One line without control characters, in compatible forms: full-width letters and ligatures become ordinary ones."""
    cut = text[:LONGEST].encode("utf-8", "ignore").decode("utf-8")
    folded = unicodedata.normalize("NFKC", cut)
    shown = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in folded)
    if _COMMAND.search(shown):  # a pasted formula is looked up the way notes have it beside their LaTeX
        shown = spoken(shown.replace("$", " "))
    return " ".join(shown.replace("√", " sqrt ").split())


def content_words(text: str) -> list[str]:
    return [word for word in all_words(text) if word not in STOP]


def all_words(text: str) -> list[str]:
    return [word.replace("'", "") for word in _WORD.findall(text.casefold().replace("’", "'"))]


def han_pairs(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run[at : at + 2] for run in _HAN.findall(text) for at in range(max(1, len(run) - 1))))


def count_han(text: str) -> int:
    return sum(map(len, _HAN.findall(text)))


# -- names -------------------------------------------------------------------------------------------------------------------


def name_key(name: str) -> str:
    """The spelling in which names are compared: words with one space between, Chinese without any."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(_HAN.findall(folded)) if _HAN.search(folded) and not re.search(r"[a-z]", folded) else " ".join(_WORD.findall(folded))


def mentioned(text: str, names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The names of topics in a text; of two that overlap the longer one."""
    words, found, at = _WORD.findall(text.casefold()), {}, 0
    while at < len(words):
        for length in range(min(LONGEST_NAME, len(words) - at), 0, -1):
            key = " ".join(words[at : at + length])
            known = next((k for k in (key, singular(key)) if k in names), None)
            if known and (length > 1 or known not in STOP):
                found[known] = names[known]
                at += length - 1
                break
        at += 1
    return found


def singular(key: str) -> str:
    return key[:-1] if key.endswith("s") and not key.endswith("ss") and len(key) > 3 else key


def chinese_mentioned(text: str, names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found = {}
    for run in _HAN.findall(text):
        at = 0
        while at < len(run):
            for length in range(min(16, len(run) - at), 1, -1):
                if run[at : at + length] in names:
                    found[run[at : at + length]] = names[run[at : at + length]]
                    at += length - 1
                    break
            at += 1
    return found


# -- Chinese -----------------------------------------------------------------------------------------------------------------


SMALL_HAN = frozenset(
    "的了吗呢吧是在有和与及或把被给让对就也都还很更最不没这那它他她我你们个一上下中里会能要去来到从为以而所之其后前时得地着过么啊哪"
)


@cache
def chinese_terms() -> dict[str, str]:
    """Terms of the field and the small words of questions, in English."""
    lines = (HERE / "chinese_terms.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[misc]


def translate(text: str, names: Mapping[str, str]) -> tuple[str, float]:
    """Chinese terms in English, longest first, and the share of the Chinese that nobody knows and that is dropped."""
    terms = chinese_terms()
    unread = 0

    def english(found: re.Match[str]) -> str:
        nonlocal unread
        run, said, at = found.group(), [], 0
        while at < len(run):
            length = next((n for n in range(min(16, len(run) - at), 0, -1) if run[at : at + n] in names or run[at : at + n] in terms), 0)
            if length:
                said.append(names.get(run[at : at + length]) or terms[run[at : at + length]])
            elif run[at] not in SMALL_HAN:
                unread += 1
            at += length or 1
        return f" {' '.join(said)} "

    said = " ".join(_HAN.sub(english, text).split())
    return said, unread / max(1, count_han(text))


# -- spelling ----------------------------------------------------------------------------------------------------------------


@cache
def known_words() -> dict[str, int]:
    """English words and their rank: the head of the encoder's own vocabulary, which is ordered by how often words occur."""
    return {word: rank for rank, word in enumerate((HERE / "common_words.txt").read_text(encoding="utf-8").split())}


def is_common(word: str) -> bool:
    return known_words().get(word, COMMON) < COMMON


_FIGURE = re.compile(r"\d+(?:[kmbtx]|gb|mb|tb|bit|bits|th|nd|rd|st)?")


def is_figure(word: str) -> bool:
    """A number, with its unit or without: 7b, 48gb, 8x. It tells which case is meant, and little about which subject."""
    return _FIGURE.fullmatch(word) is not None


ENDINGS = ("s", "es", "ed", "d", "ing", "er", "r", "ly")


def is_inflected(word: str) -> bool:
    """A form of an English word, and thus no slip of the fingers."""
    stems = (word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending))
    return any(len(stem) > 2 and (stem in known_words() or f"{stem}e" in known_words()) for stem in stems)


@cache
def everyday_words() -> dict[str, str]:
    """What people say -> what notes call it."""
    lines = (HERE / "everyday_words.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[misc]


def spelling(text: str, lexicon: Lexicon) -> dict[str, str]:
    """Words that stand nowhere in the notes, each with the word or two words of the notes it was most likely meant to be."""
    vocabulary = lexicon.vocabulary
    if not vocabulary:
        return {}
    found = {}
    for word in dict.fromkeys(all_words(text)):
        known = word in vocabulary or singular(word) in vocabulary or word in known_words() or word in STOP
        if known or len(word) < 5 or not word.isalpha():
            continue
        taken = split_in_two(word, vocabulary) or ("" if is_inflected(word) else nearest_word(word, lexicon.spellings))
        if taken and taken.removeprefix(word) not in ENDINGS[:3]:  # one word in two forms
            found[word] = taken
    return found


def split_in_two(word: str, vocabulary: Collection[str]) -> str:
    """`finetuning` for `fine tuning`."""
    for at in range(4, len(word) - 3):
        if word[:at] in vocabulary and word[at:] in vocabulary and word[:at] not in STOP:
            return f"{word[:at]} {word[at:]}"
    return ""


def nearest_word(word: str, spellings: Mapping[tuple[str, int], Sequence[str]]) -> str:
    """The one word within one slip of the fingers (two in a long word); none when the first letter differs as well."""
    allowed = 1 if len(word) < 8 else 2
    letters = set(word)
    near = sorted(known for length in range(len(word) - allowed, len(word) + allowed + 1) for known in spellings.get((word[0], length), ()))
    best, least = "", allowed + 1
    for known in near:
        if len(letters.symmetric_difference(known)) > 2 * allowed:
            continue
        distance = slips(word, known)
        if distance < least:
            best, least = known, distance
    return best


def slips(one: str, other: str) -> int:
    """Letters put in, left out, swapped for another or changed in order (the restricted Damerau-Levenshtein distance)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def without_markup(text: str) -> str:
    """Markdown as words: formulas spoken, marks dropped."""
    return " ".join(plain(text).split())
