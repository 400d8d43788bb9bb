"""A quiz: what is asked, drawn from a set-up and its seed.

`read_stock` lists what can be asked without reading a single question; `draw` decides which of it is, and in which order;
`pose` turns what was drawn into questions. The same set-up on the same stock gives the same quiz. What a lab computes is
left open (a question of None) for whoever may load labs.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlmodel import Session

from backend.deck import read_deck
from backend.nearness import Nearness
from backend.number_slips import number_choice
from backend.questions import Form, Question, from_dict, shuffled
from backend.quiz_glossary import Meaning, match_terms, others_for, read_meanings
from backend.quiz_options import compose_choice, spot_the_error, stands_alone
from backend.statements import Statement

FEWEST, MOST = 5, 50
MODES = ("practice", "exam", "diagnostic")
COMPUTED, ERROR, GLOSSARY = "computed", "error", "glossary"
ASKABLE = ("choice", "number", "term", "gap", "order", "match", "prose", COMPUTED, ERROR, GLOSSARY)
COMPOSED = ("prose", "number")  # forms of cards that are asked as a choice where choices are wanted and these are not
LEVELS = {1: "recognise", 2: "recall", 3: "produce"}
# How often a form comes up where all of them are at hand: what can be graded exactly comes before prose.
WEIGHTS = {"choice": 6, "number": 4, "computed": 4, "prose": 3, "gap": 2, "order": 2, "match": 2, "term": 2, "error": 2, "glossary": 2}
LEVEL_OF_FORM = {"choice": 1, "match": 1, "error": 1, "glossary": 1, "gap": 2, "term": 2, "order": 2, "number": 3, "prose": 3, "computed": 3}
MEETING = 0.35  # the chance that a card's most confusable neighbour comes along
NEIGHBOURS = 24  # cards near one that are looked at for options
LOOKED_AT = 60  # corrections that are looked at for the other options of an error


@dataclass(frozen=True, slots=True)
class Setup:
    """What a quiz's address says."""

    scope: str = "all"  # all, track:slug, topic:slug, needs:slug (a topic with all it rests on), missed:days
    count: int = 10
    minutes: int = 0  # of an exam; 0 for as long as it takes
    forms: tuple[str, ...] = ()  # () is every form
    level: int = 0  # 0 is every level
    mode: str = "practice"
    adaptive: bool = False
    seed: int = 0


class Item(NamedTuple):
    """Something that can be asked."""

    id: str
    block: str
    topic: str
    track: str
    section: str
    form: str  # of ASKABLE
    level: int
    number: int = 0  # of an erratum: which of its topic's


@dataclass(frozen=True)
class Stock:
    """All that can be asked, in the order of the tracks."""

    items: tuple[Item, ...]
    errata: Mapping[str, Sequence[Mapping[str, str]]]  # topic -> its errata
    needs: Mapping[str, Sequence[str]]
    tracks: Mapping[str, str]  # topic -> track
    missed: frozenset[str] = frozenset()  # cards answered wrong within the scope's days
    meanings: Mapping[str, Meaning] = field(default_factory=dict)  # topic -> what its name means


@dataclass(frozen=True, slots=True)
class Drawn:
    item: Item
    seed: int
    composed: bool = False  # a card in prose or with a number, asked as a choice


@dataclass(frozen=True, slots=True)
class Posed:
    """A question as it will be asked, laid out. `question` is None where a lab still has to compute it."""

    card: str
    kind: str  # card, composed, computed, erratum, glossary
    topic: str
    section: str
    form: str
    seed: int
    question: Question | None = field(hash=False)


# -- the stock -------------------------------------------------------------------------------------------------------------


def read_stock(session: Session, *, learner: int, missed_since: int | None = None) -> Stock:
    """What this learner can be asked. `missed_since` (UTC ms) also finds what was answered wrong since then."""
    needs: dict[str, list[str]] = {}
    tracks: dict[str, str] = {}
    errata: dict[str, list[dict[str, str]]] = {}
    for slug, track, needed, wrong in _TOPICS.rows(session, {"learner": learner}):
        tracks[slug], needs[slug] = track, _decoded(needed)
        if said := _decoded(wrong):
            errata[slug] = said
    items = [
        Item(card, block, topic, tracks[topic], section, form, _level(form, difficulty, reps))
        for card, block, topic, section, form, difficulty, reps in _CARDS.rows(session, {"learner": learner})
        if topic in tracks
    ]
    for topic, wrong in errata.items():
        for number, erratum in enumerate(wrong):
            if stands_alone(erratum["said"]):
                name = f"erratum-{topic}-{number}"
                items.append(Item(name, name, topic, tracks[topic], erratum.get("section", ""), ERROR, LEVEL_OF_FORM[ERROR], number))
    meanings = {topic: meaning for topic, meaning in read_meanings(session).items() if topic in tracks}
    items += [Item(f"glossary-{topic}", f"glossary-{topic}", topic, tracks[topic], "top", GLOSSARY, LEVEL_OF_FORM[GLOSSARY]) for topic in meanings]
    missed = frozenset() if missed_since is None else frozenset(card for (card,) in _MISSED.rows(session, {"learner": learner, "since": missed_since}))
    return Stock(tuple(items), errata, needs, tracks, missed, meanings)


def _decoded(stored: object) -> list:
    return json.loads(stored) if isinstance(stored, str | bytes) else list(stored or [])  # type: ignore[call-overload]


def _level(form: str, difficulty: float | None, reps: int | None) -> int:
    """How hard this card is: by the learner's own memory once they have met it, before that by what its form asks for."""
    if reps and difficulty:
        return 1 if difficulty < 4 else 2 if difficulty < 7 else 3
    return LEVEL_OF_FORM.get(form, 2)


def chain(needs: Mapping[str, Sequence[str]], topic: str) -> set[str]:
    """A topic and everything it rests on."""
    found: set[str] = set()
    waiting = [topic]
    while waiting:
        slug = waiting.pop()
        if slug not in found and slug in needs:
            found.add(slug)
            waiting.extend(needs[slug])
    return found


def in_scope(stock: Stock, scope: str) -> list[Item]:
    kind, _, value = scope.partition(":")
    if kind == "track":
        return [item for item in stock.items if item.track == value]
    if kind == "topic":
        return [item for item in stock.items if item.topic == value]
    if kind == "needs":
        wanted = chain(stock.needs, value)
        return [item for item in stock.items if item.topic in wanted]
    if kind == "missed":
        return [item for item in stock.items if item.id in stock.missed]
    return list(stock.items)


def eligible(stock: Stock, setup: Setup) -> list[Item]:
    """What the set-up lets be asked."""
    forms = set(setup.forms or ASKABLE)
    found = [item for item in in_scope(stock, setup.scope) if item.form in forms or (item.form in COMPOSED and "choice" in forms)]
    return [item for item in found if not setup.level or item.level == setup.level]


def draw_pool_size(stock: Stock, setup: Setup) -> int:
    """How many questions the set-up could have: siblings count once."""
    return len({item.block for item in eligible(stock, setup)})


# -- drawing ---------------------------------------------------------------------------------------------------------------


def draw(stock: Stock, setup: Setup, near: Nearness) -> list[Drawn]:
    """Which questions are asked, in order. Never two gaps of one sentence; confusable cards come along and meet."""
    rng = random.Random(setup.seed)
    pool = eligible(stock, setup)
    chosen = _interleaved(_with_neighbours(_chosen(pool, setup, rng), pool, setup, near, rng), rng)
    forms = set(setup.forms or ASKABLE)
    return [Drawn(item, rng.randrange(2**31), item.form not in forms) for item in chosen]


def _chosen(pool: Sequence[Item], setup: Setup, rng: random.Random) -> list[Item]:
    """As many as wanted: a form by its weight, then a card of the topic that has come up least."""
    forms = set(setup.forms or ASKABLE)
    buckets: dict[str, list[Item]] = defaultdict(list)
    for item in pool:
        buckets[item.form if item.form in forms else "reserve"].append(item)
    for bucket in buckets.values():
        rng.shuffle(bucket)
    asked: Counter[str] = Counter()
    blocks: set[str] = set()
    found: list[Item] = []
    while len(found) < setup.count:
        open_forms = [form for form in buckets if buckets[form] and form != "reserve"] or [form for form in buckets if buckets[form]]
        if not open_forms:
            break
        form = rng.choices(open_forms, [WEIGHTS.get(form, 1) for form in open_forms])[0]
        bucket = buckets[form]
        place = min(range(len(bucket)), key=lambda place: asked[bucket[place].topic])
        item = bucket.pop(place)
        if item.block not in blocks:
            blocks.add(item.block)
            asked[item.topic] += 1
            found.append(item)
    return found


def _with_neighbours(chosen: list[Item], pool: Sequence[Item], setup: Setup, near: Nearness, rng: random.Random) -> list[Item]:
    """Every now and then the card that is most easily confused with one takes the place of the last one chosen."""
    here = {item.block: item for item in pool if item.form in set(setup.forms or ASKABLE) - {COMPUTED, ERROR, GLOSSARY}}
    kept, taken = list(chosen), {item.block for item in chosen}
    for item in chosen[: len(chosen) // 2]:
        if rng.random() >= MEETING:
            continue
        neighbour = next((block for block in near.confusable(item.block, among=here, count=3) if block not in taken), None)
        if neighbour and kept[-1] not in chosen[: len(chosen) // 2]:
            taken.discard(kept.pop().block)
            kept.insert(kept.index(item) + 1, here[neighbour])
            taken.add(neighbour)
    return kept


def _interleaved(chosen: Sequence[Item], rng: random.Random) -> list[Item]:
    """Topics take turns: what belongs together is never asked in a row where that can be helped."""
    waiting, order = list(chosen), list[Item]()
    while waiting:
        last = order[-1].topic if order else ""
        item = next((item for item in waiting if item.topic != last), waiting[0])
        waiting.remove(item)
        order.append(item)
    return order


# -- posing ----------------------------------------------------------------------------------------------------------------


def pose(session: Session, drawn: Sequence[Drawn], *, learner: int, stock: Stock, near: Nearness) -> list[Posed]:
    """The questions themselves, each laid out by its seed. A card that finds no honest options is asked as it is written."""
    composing = {each.item.id: _likely_options(each, stock, near) for each in drawn if each.composed and each.item.form == "prose"}
    wanted = {each.item.id for each in drawn if each.item.form not in (ERROR, GLOSSARY)}
    questions = _read_questions(session, wanted.union(*composing.values()), learner=learner)
    posed = (_posed(each, questions, composing.get(each.item.id, ()), stock) for each in drawn if each.item.id in questions or each.item.id not in wanted)
    return [each for each in posed if each is not None]


def _posed(each: Drawn, questions: Mapping[str, Question | None], neighbours: Sequence[str], stock: Stock) -> Posed | None:
    item = each.item
    if item.form in (ERROR, GLOSSARY):
        return _erratum(each, stock) if item.form == ERROR else _glossary(each, stock)
    question = questions[item.id]
    if question is None:
        return Posed(item.id, "computed", item.topic, item.section, COMPUTED, each.seed, None)
    others = [other for name in neighbours if (other := questions.get(name))]
    composed = None
    if each.composed:
        composed = number_choice(question, seed=each.seed) or compose_choice(question, others, seed=each.seed)
    kind = "composed" if composed else "card"
    asked = composed or shuffled(question, each.seed)
    return Posed(item.id, kind, item.topic, item.section, asked.form.value, each.seed, asked)


def _likely_options(each: Drawn, stock: Stock, near: Nearness) -> list[str]:
    """Cards in prose near this one: the answers of others would be seen to be off the subject."""
    prose = {item.block: item.id for item in stock.items if item.form == "prose" and item.id != each.item.id}
    return [prose[block] for block in near.confusable(each.item.block, among=prose, count=NEIGHBOURS)]


def _erratum(each: Drawn, stock: Stock) -> Posed:
    item = each.item
    erratum = stock.errata[item.topic][item.number]
    others = [(topic, other) for topic, wrong in stock.errata.items() for other in wrong if other is not erratum and stands_alone(other["right"])]
    random.Random(each.seed).shuffle(others)
    others.sort(key=lambda found: (found[0] != item.topic, stock.tracks[found[0]] != item.track))  # the same subject first: it should be a choice
    asked = spot_the_error(erratum, [other for _, other in others[:LOOKED_AT]], seed=each.seed)
    if asked is None:
        asked = Question(Form.PROSE, f"A note says: “{erratum['said']}” What is wrong with it?", answer=erratum["right"])
    return Posed(item.id, "erratum", item.topic, item.section, asked.form.value, each.seed, asked)


def _glossary(each: Drawn, stock: Stock) -> Posed | None:
    """Four terms of one field to be matched; None where there are too few that differ clearly."""
    own = stock.meanings[each.item.topic]
    asked = match_terms(own, others_for(own, stock.meanings, stock.tracks, seed=each.seed), seed=each.seed)
    if asked is None:
        return None
    return Posed(each.item.id, "glossary", each.item.topic, each.item.section, asked.form.value, each.seed, shuffled(asked, each.seed))


def _read_questions(session: Session, cards: Collection[str], *, learner: int) -> dict[str, Question | None]:
    """The cards' questions in this learner's own wording; None for what a lab computes."""
    if not cards:
        return {}
    names = {f"c{place}": card for place, card in enumerate(sorted(cards))}
    listed = ", ".join(f":{name}" for name in names)
    rows = Statement(f"SELECT id, form, question FROM card WHERE id IN ({listed})").rows(session, names)
    found: dict[str, Question | None] = {}
    for card, form, stored in rows:
        found[card] = None if form == COMPUTED else from_dict(json.loads(stored) if isinstance(stored, str) else stored)
    reworded = [card for (card,) in _REWORDED.rows(session, {"learner": learner}) if card in found]
    for card, shown in (read_deck(session, learner=learner, cards=reworded) if reworded else {}).items():
        found[card] = shown.question
    return found


_TOPICS = Statement("SELECT slug, track, needs, errata FROM topic WHERE owner IS NULL OR owner = :learner ORDER BY owner IS NOT NULL, position")
_CARDS = Statement("""
    SELECT card.id, card.block, card.topic, card.section, card.form, mine.difficulty, mine.reps
    FROM card JOIN topic ON topic.slug = card.topic LEFT JOIN learner_card AS mine ON mine.card = card.id AND mine.learner = :learner
    WHERE card.orphaned_at IS NULL AND (card.owner IS NULL OR card.owner = :learner) ORDER BY topic.position, card.position, card.id
""")
_MISSED = Statement("""
    SELECT DISTINCT card FROM event WHERE learner = :learner AND kind IN ('grade', 'cram') AND grade = 1 AND at >= :since
    UNION SELECT DISTINCT answer.card FROM answer JOIN attempt ON attempt.id = answer.attempt
    WHERE attempt.learner = :learner AND answer.score < 1 AND answer.at >= :since
""")
_REWORDED = Statement("SELECT card.id FROM overlay JOIN card ON card.block = overlay.card WHERE overlay.learner = :learner")
