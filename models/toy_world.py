"""A toy world to learn language from: a small grammar that writes as much text as anyone wants, from a seed.

Six kinds of document, each chosen because a network must grow a particular circuit to predict it:
    giving      who receives the thing? (the name that was said once: indirect objects)
    lists       "list: lamp river lamp river": what came after this word last time? (induction)
    stories     names, places and things that stay the same through a few sentences
    agreement   "The key near the boats is": the verb agrees with the far noun, not with the near one
    sums        adding and taking away, up to 20
    brackets    the last bracket opened is the first to close

`Giving`, `Agreement`, `Sum` and `Brackets` keep the question apart from its answer, so that the same grammar trains and examines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

NAMES = (
    "Ada Alma Amir Anna Ben Boris Carla Chen Clara Dana David Diego Elena Emma Erik Fatima Felix Freya George Grace Hana Hugo Ines Ivan Jack "
    "James Jonas Julia Karim Kate Laila Leo Lina Louis Maria Mark Maya Mei Mina Nadia Nina Noah Olga Omar Oscar Paul Petra Priya Rosa Ruth Sam "
    "Sara Simon Tara Tom Vera"
).split()
PLACES = (
    "park river garden market station school library forest beach bridge castle church farm field harbour hill hotel island kitchen lake mill "
    "museum shop square theatre tower valley village"
).split()
OBJECTS = (
    "ball basket bell blanket book bottle bowl box candle card clock coin cup drum feather flower flute hat kite knife lamp letter map mirror "
    "pencil photo ring rope spoon stone"
).split()
NOUNS = (  # singular and plural, for agreement
    "boat boats|key keys|door doors|tree trees|dog dogs|cat cats|horse horses|bird birds|cow cows|goat goats|wall walls|window windows|chair chairs|"
    "table tables|wheel wheels|cart carts|road roads|house houses|roof roofs|sign signs|poster posters|painting paintings|shoe shoes|coat coats|"
    "pot pots|jar jars|plant plants|stool stools|ladder ladders|bucket buckets"
).split("|")
ADJECTIVES = "new small big red blue green white clean heavy light strong tall".split()
RELATIONS = ("near", "behind", "beside", "under", "above", "with", "next to", "in front of")
VERBS = (("is", "are"), ("was", "were"), ("looks", "look"), ("seems", "seem"))
GIFTS = (  # the two names stand in different places, so that only their content tells who is who
    "When {first} and {second} went to the {place}{time}, {giver} gave a {thing} to {receiver}",
    "After {first} met {second} at the {place}{time}, {giver} handed a {thing} to {receiver}",
    "While {first} was waiting for {second} near the {place}{time}, {giver} passed a {thing} to {receiver}",
    "At noon {first} had lunch with {second} at the {place}{time}. Then {giver} offered a {thing} to {receiver}",
    "One day {first} saw {second} in front of the {place}{time}. Later {giver} sold a {thing} to {receiver}",
    "At the {place} there were {first} and {second}{time}, and {giver} showed a {thing} to {receiver}",
)
TIMES = (" in the morning", " after the rain", " on a cold day", " with two friends")
PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
WORLD_WORDS = (*PLACES, *OBJECTS, *(word for pair in NOUNS for word in pair.split()), *ADJECTIVES)
SHARES = {"giving": 26, "lists": 22, "stories": 14, "agreement": 16, "sums": 14, "brackets": 8}


@dataclass(frozen=True)
class Giving:
    """`prompt` stops before the receiver. The giver is named twice in it, the receiver once."""

    prompt: str
    receiver: str
    giver: str
    template: int


@dataclass(frozen=True)
class Agreement:
    prompt: str
    right: str
    wrong: str
    ending: str


@dataclass(frozen=True)
class Sum:
    prompt: str
    answer: int


def documents(seed: int, count: int) -> Iterator[str]:
    rng = Random(seed)
    return (document(rng) for _ in range(count))


def document(rng: Random) -> str:
    (kind,) = rng.choices(list(SHARES), weights=list(SHARES.values()))
    return WRITERS[kind](rng)


def giving(rng: Random, template: int | None = None, plain: bool = False) -> Giving:
    """Plain sentences of one template have the same words at the same places; otherwise a time and an adjective may push them about."""
    receiver, giver = rng.sample(NAMES, 2)
    first, second = rng.sample((receiver, giver), 2)
    template = rng.randrange(len(GIFTS)) if template is None else template
    thing, time = rng.choice(OBJECTS), ""
    if not plain:
        thing = rng.choice((thing, f"{rng.choice(ADJECTIVES)} {thing}"))
        time = rng.choice(("", rng.choice(TIMES)))
    sentence = GIFTS[template].format(first=first, second=second, place=rng.choice(PLACES), time=time, giver=giver, thing=thing, receiver="")
    return Giving(sentence.rstrip(), receiver, giver, template)


def giving_document(rng: Random) -> str:
    gift = giving(rng)
    thanks = f" {gift.receiver} thanked {gift.giver}." if rng.random() < 0.4 else ""
    return f"{gift.prompt} {gift.receiver}.{thanks}"


def repeated_list(rng: Random, length: int, repeats: int = 2) -> str:
    words = rng.sample(WORLD_WORDS, length)
    return "list: " + " ".join(words * repeats)


def invented_word(rng: Random) -> str:
    return "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 3)))


def list_document(rng: Random) -> str:
    """One list in ten is of invented words, and some have no heading: whoever wants to predict it must copy what was never seen before."""
    if rng.random() < 0.1:
        words = [invented_word(rng) for _ in range(rng.randint(3, 7))]
        return rng.choice(("list: ", "")) + " ".join(words * 2) + "."
    return repeated_list(rng, rng.randint(4, 16), rng.choice((2, 2, 3))) + "."


def agreement(rng: Random) -> Agreement:
    """Three times in four the near noun has the other number than the far one, and misleads."""
    subject, attractor = (pair.split() for pair in rng.sample(NOUNS, 2))
    plural = rng.randrange(2)
    near = 1 - plural if rng.random() < 0.75 else plural
    verb = rng.choice(VERBS)
    prompt = f"The {subject[plural]} {rng.choice(RELATIONS)} the {attractor[near]}"
    return Agreement(prompt, verb[plural], verb[1 - plural], rng.choice(ADJECTIVES))


def agreement_document(rng: Random) -> str:
    sentences = [agreement(rng) for _ in range(rng.randint(1, 3))]
    return " ".join(f"{s.prompt} {s.right} {s.ending}." for s in sentences)


def small_sum(rng: Random) -> Sum:
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    if rng.random() < 0.5 and a + b <= 20:
        return Sum(f"{a} + {b} =", a + b)
    return Sum(f"{max(a, b)} - {min(a, b)} =", abs(a - b))


def sum_document(rng: Random) -> str:
    lines = [small_sum(rng) for _ in range(rng.randint(2, 6))]
    return "sums: " + "; ".join(f"{line.prompt} {line.answer}" for line in lines) + "."


def brackets(rng: Random, pairs: int) -> str:
    """A balanced line: at each step open a new pair or close the last one, with even chances."""
    line: list[str] = []
    still_open: list[str] = []
    to_open = pairs
    while to_open or still_open:
        if to_open and (not still_open or rng.random() < 0.5):
            still_open.append(rng.choice(list(PAIRS)))
            line.append(still_open[-1])
            to_open -= 1
        else:
            line.append(PAIRS[still_open.pop()])
    return " ".join(line)


def bracket_document(rng: Random) -> str:
    return f"brackets: {brackets(rng, rng.randint(2, 10))}"


def story(rng: Random) -> str:
    """Somebody finds a thing, somebody else wants it, and it ends well."""
    hero, friend = rng.sample(NAMES, 2)
    home, place = rng.sample(PLACES, 2)
    thing, adjective = rng.choice(OBJECTS), rng.choice(ADJECTIVES)
    opening = rng.choice(
        (
            f"Once {hero} lived near the {home}.",
            f"{hero} lived near the {home}.",
            f"In the morning {hero} walked from the {home} to the {place}.",
        )
    )
    finding = rng.choice(
        (f"One day {hero} found a {adjective} {thing} at the {place}.", f"At the {place} {hero} saw a {adjective} {thing}.")
    )
    middle = rng.choice(
        (
            f"Then {hero} showed the {thing} to {friend}, and {friend} liked the {thing}.",
            f"But the {thing} was lost, so {hero} asked {friend}, and {friend} looked for the {thing}.",
            f"Then {friend} came to the {place} and played with {hero} and the {thing}.",
        )
    )
    ending = rng.choice(
        (
            f"In the evening {hero} and {friend} went back to the {home}.",
            f"At last {hero} took the {adjective} {thing} home to the {home}.",
            f"So {hero} and {friend} put the {thing} near the {home}, and all was well.",
        )
    )
    return " ".join((opening, finding, middle, ending))


WRITERS = {
    "giving": giving_document,
    "lists": list_document,
    "stories": story,
    "agreement": agreement_document,
    "sums": sum_document,
    "brackets": bracket_document,
}
