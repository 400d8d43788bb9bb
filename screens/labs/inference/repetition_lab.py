"""Loops and penalties

A decoder that always takes the likeliest token runs into loops: what stands in the text twice is likely to come a third time,
because the heads that copy (induction heads) find it there. Two rules work against it. A **repetition penalty** divides the logit
of every token already seen when it is positive, and multiplies it when it is negative. **No-repeat n-grams** forbid the token
that would complete an n-gram that was there before.

Neither knows what a loop is. Commas, brackets, the word “the” and the digits of a sum must come again, and both rules push them
away: a mild penalty breaks the loop, a strong one breaks the format. Here you see both on a small decoder (its world is made of gifts, lists, sums and brackets).

The last picture asks whether each repeat makes the next one likelier. In this decoder the second round of a list is the whole story:
it was trained on lists said two or three times, so after the second round nothing is left to rise, and a plain sentence
that is repeated does not become likelier at all. In large models the rise goes on over several rounds.
"""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from backend.questions import Form, Question
from models import checkpoints
from models.repetition import completes_ngram, forbid_ngrams, penalise, repeated_share, seen_so_far
from models.temperature import draw, probabilities
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Stops, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Strip, TokenStrip

TOPIC = "repetition"
REFERENCE = "transformers RepetitionPenaltyLogitsProcessor and NoRepeatNGramLogitsProcessor; rep-n counted in plain Python"
MECHANISM = (penalise, completes_ngram, forbid_ngrams, repeated_share)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M14 45h34" opacity=".5"/><circle cx="80" cy="45" r="29" stroke="#d4620f" stroke-width="4" stroke-dasharray="26 10"/>
<path d="m104 26 8 6-10 4" stroke="#d4620f" stroke-width="3"/><path d="M109 45h38" stroke="#0f9d77" stroke-width="4"/><path d="M100 66l18-42" stroke="#1f77c9" stroke-width="4"/></svg>"""

SLUG = "repetition-lab"
PENALTIES = (1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0)
WRITTEN = 32
CONTEXT = 80
ROUNDS = 6
SIZES = (1, 2, 3, 4)
SAMPLES = {"A list": "list: lamp river stone", "A sentence": "Ada and Tom", "A sum": "sums: 7 + 5 =", "Brackets": "( [ {"}
PHRASES = {"Five words": "list: lamp river stone key bell", "Three words": "list: lamp river stone", "A sentence": "Ada went to the park."}


@dataclass(frozen=True)
class Continuation:
    """One continuation."""

    tokens: list[int]
    shares: list[float]  # the model's own probability of each token, before the rules
    again: list[bool]  # does it complete a 3-gram that was there before?

    def repeated(self, n: int) -> float:
        return repeated_share(self.tokens, n)


@dataclass(frozen=True)
class Result:
    prompt: list[int]
    penalty: float
    ngram: int
    plain: Continuation
    ruled: Continuation
    by_penalty: dict[float, Continuation]
    rounds: list[float]  # mean probability of the phrase's tokens, per round


def compute(
    text: Annotated[str, Text(label="Text", limit=200, samples=SAMPLES)] = SAMPLES["A list"],
    penalty: Annotated[float, Stops(*PENALTIES, label="Repetition penalty", help="1 changes nothing.")] = 1.3,
    ngram: Annotated[int, Stops(0, 2, 3, 4, label="Forbid repeated n-grams, n", help="0 forbids nothing.")] = 0,
    decoding: Annotated[str, Choice({"greedy": "greedy", "drawn": "drawn"}, label="Decoding")] = "greedy",
    phrase: Annotated[str, Text(label="Phrase to repeat", limit=60, samples=PHRASES, help="For the last picture: said again and again.")] = PHRASES[
        "Five words"
    ],
    seed: Annotated[int, Seed(label="Random draw", help="Only when drawn.")] = 0,
) -> Result:
    tokenizer = checkpoints.load("toy_decoder").tokenizer
    prompt = (tokenizer.encode(text) or [tokenizer.end])[-CONTEXT:]
    texts = _write(tuple(prompt), ngram, seed if decoding == "drawn" else None)
    by_penalty = dict(zip(PENALTIES, texts))
    return Result(prompt, penalty, ngram, texts[-1], by_penalty[penalty], by_penalty, _rounds(phrase))


@functools.lru_cache(maxsize=64)
def _write(prompt: tuple[int, ...], ngram: int, seed: int | None) -> list[Continuation]:
    """One continuation per penalty, side by side in a batch, and a last one without any rule."""
    model = checkpoints.load("toy_decoder").model
    penalties = [*PENALTIES, 1.0]
    rows = [list(prompt) for _ in penalties]
    seen = seen_so_far(prompt, model.config.vocabulary)[-1].repeat(len(rows), 1)  # (rows, V)
    strength = torch.tensor(penalties)[:, None]
    u = torch.rand(WRITTEN, generator=torch.Generator().manual_seed(seed)) if seed is not None else None
    shares: list[list[float]] = [[] for _ in rows]
    cache, feed = model.new_cache(), torch.tensor(rows)
    with torch.inference_mode():
        for place in range(WRITTEN):
            z = model(feed, cache=cache)[:, -1]  # (rows, V)
            own = probabilities(z)
            z = penalise(z, seen, strength)
            if ngram:
                z = torch.stack([*(forbid_ngrams(one, row, ngram) for one, row in zip(z[:-1], rows)), z[-1]])
            chosen = z.argmax(dim=-1) if u is None else torch.cat([draw(p, u[place : place + 1]) for p in probabilities(z)])
            for at, token in enumerate(chosen.tolist()):
                rows[at].append(token)
                shares[at].append(float(own[at, token]))
            seen[torch.arange(len(rows)), chosen] = True
            feed = chosen[:, None]
    start = len(prompt)
    return [
        Continuation(row[start:], share, [row[at] in completes_ngram(row[:at], 3) for at in range(start, len(row))])
        for row, share in zip(rows, shares)
    ]


@functools.lru_cache(maxsize=64)
def _rounds(phrase: str) -> list[float]:
    """What stands before a colon is said once, the rest ROUNDS times; the mean probability of its tokens in each round."""
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    head, colon, rest = phrase.rpartition(":")
    once, again = tokenizer.encode(head + colon) or [tokenizer.end], tokenizer.encode(" " + rest.strip())
    rounds = min(ROUNDS, (model.config.context - len(once)) // len(again)) if rest.strip() else 0
    if not rounds:
        return [0.0]
    ids = once + again * rounds
    with torch.inference_mode():
        p = probabilities(model(torch.tensor([ids]))[0, :-1]).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
    return p[len(once) - 1 :].reshape(rounds, len(again)).mean(dim=1).tolist()


def figures(result: Result) -> dict[str, Any]:
    return {
        "What it writes, without the rules and with them": _texts(result),
        "Share of n-grams that are copies": _shares(result),
        "The loop against the penalty": _penalties(result),
        "Does a repeat make the next one likelier?": _curve(result),
    }


def _rules(result: Result) -> str:
    parts = [f"penalty {numeral(result.penalty)}"] if result.penalty != 1 else []
    return " and ".join([*parts, *([f"no {result.ngram}-gram twice"] if result.ngram else [])]) or "no rule"


def _texts(result: Result) -> TokenStrip:
    show = checkpoints.load("toy_decoder").tokenizer.show

    def row(name: str, text: Continuation) -> Strip:
        notes = [f"The model itself gave it {numeral(share)}." for share in text.shares]
        return Strip(name, [show(token) for token in text.tokens], text.shares, ["again" if again else "" for again in text.again], notes)

    rows = [Strip("your text", [show(token) for token in result.prompt]), row("no rule", result.plain)]
    if _rules(result) != "no rule":
        rows.append(row(_rules(result), result.ruled))
    return TokenStrip(rows, value_name="the model's own probability")


def _shares(result: Result) -> Any:
    series = {"without rules": [result.plain.repeated(n) for n in SIZES], "with them": [result.ruled.repeated(n) for n in SIZES]}
    return bars([f"n = {n}" for n in SIZES], series, x_axis=axis("size of the n-gram"), y_axis=axis("share of copies", span=(0, 1.05)))


def _penalties(result: Result) -> Any:
    series = {f"n = {n}": [text.repeated(n) for text in result.by_penalty.values()] for n in (1, 4)}
    return lines(PENALTIES, series, x_axis=axis("penalty"), y_axis=axis("share of copies", span=(-0.02, 1.05)), upright=[(result.penalty, "")])


def _curve(result: Result) -> Any:
    return lines(
        list(range(1, len(result.rounds) + 1)),
        {"probability": result.rounds},
        x_axis=axis("round of the phrase", ticks={at: str(at) for at in range(1, ROUNDS + 1)}),
        y_axis=axis("mean probability of its tokens", span=(0, 1.05)),
    )


def facts(result: Result) -> dict[str, float]:
    return {
        "penalty": result.penalty,
        "n": result.ngram,
        "plain": result.plain.repeated(4),
        "ruled": result.ruled.repeated(4),
        "four": 4,
        "tokens": WRITTEN,
        "first": result.rounds[0],
        "last": result.rounds[-1],
        "rounds": len(result.rounds),
    }


def says(result: Result) -> str:
    rules = f"with {_rules(result).replace('no ' + str(result.ngram) + '-gram twice', 'n-grams of ' + str(result.ngram) + ' forbidden')}"
    return (
        f"Of the 4-grams in {WRITTEN} tokens a share of {numeral(result.plain.repeated(4))} are copies without rules and "
        f"{numeral(result.ruled.repeated(4))} {rules}; the tokens of the repeated phrase have a mean probability of {numeral(result.rounds[0])} in the "
        f"first round and {numeral(result.rounds[-1])} in round {len(result.rounds)}."
    )


def _sums(tokens: Sequence[int]) -> list[bool]:
    """Every sum in the text: is it right?"""
    text = checkpoints.load("toy_decoder").tokenizer.decode(tokens)
    found = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", text)
    return [(int(a) + int(b) if sign == "+" else int(a) - int(b)) == int(c) for a, sign, b, c in found]


TRY = [
    Experiment(
        title="Greedy runs in circles",
        settings={"text": SAMPLES["A sentence"]},
        ask="“Ada and Tom”, 32 tokens, always the likeliest, no rule. What share of the 4-grams it writes are copies of earlier ones?",
        options=("Next to none", "More than a third", "All of them"),
        right=1,
        why="It ends its sentence, begins a list, and in a list the next word is best guessed from the words before it: once a word has come twice, it is the likeliest to come again.",
        look="The first picture: the tokens marked “again”. They are shaded dark: the decoder is sure of them.",
        holds=lambda result: 1 / 3 < result.plain.repeated(4) < 1,
        tempting={0: "That is what drawing gives; try it.", 2: "It had to write each once before it could repeat it."},
    ),
    Experiment(
        title="A strong penalty does not do sums",
        settings={"text": SAMPLES["A sum"], "penalty": 2.0},
        ask="“sums: 7 + 5 =” goes on with right sums as long as no rule interferes. With a penalty of 2 the loop is broken. What else?",
        options=("Nothing: the sums stay right", "A sum comes out wrong", "It writes no digits at all"),
        right=1,
        why="A digit that has occurred cannot be told from one that loops: the right digit's logit is halved and another takes its place. Lists, code and sums must repeat; this is "
        "why penalties stay near 1.1, or look only at the latest tokens.",
        look="The first picture, second and third row: read the sums.",
        holds=lambda result: all(_sums([*result.prompt, *result.plain.tokens])) and not all(_sums([*result.prompt, *result.ruled.tokens])),
        tempting={0: "They would if the penalty knew which repeats are needed.", 2: "Digits not yet seen are still free."},
    ),
    Experiment(
        title="What a ban on 3-grams leaves",
        settings={"text": SAMPLES["A sentence"], "ngram": 3, "penalty": 1.0},
        ask="No 3-gram may come twice. What is left of the repetition?",
        options=("None: nothing repeats any more", "Single words still repeat, no 3-gram does", "3-grams repeat less"),
        right=1,
        why="The ban is exact at its size and blind below it: two words may alternate with something new in between. It is as blind to need: a heading of three tokens can stand in the "
        "text only once.",
        look="The second picture: bars at $n=1$ and $2$, none at $3$ and $4$.",
        holds=lambda result: result.ruled.repeated(3) == 0 and result.ruled.repeated(1) > 0.05,
        tempting={0: "Only what is three tokens long or longer.", 2: "It is a ban, not a penalty: exactly none."},
    ),
    Experiment(
        title="Round after round",
        settings={"phrase": PHRASES["Five words"]},
        ask="A list of five words is said over and over. How does the probability of its words go from round to round?",
        options=("It rises a little with each round", "It jumps in the second round and stays about there", "It falls: repeats are dull"),
        right=1,
        why="In the first round any word may come; from the second on the induction heads find the word after the last one and copy. This decoder was trained on lists of two or three rounds: "
        "there was no more to learn from the fourth. Large models show a longer rise.",
        look="The last picture. Then take the sentence: said again and again it does not rise, because repeated sentences did not occur in training.",
        holds=lambda result: result.rounds[1] > 10 * result.rounds[0] and abs(result.rounds[-1] - result.rounds[1]) < 0.2,
        tempting={0: "So it is told of large models; look at the figures here.", 2: "It does fall for sentences here, a little."},
    ),
]


def verify() -> list[Check]:
    from transformers.generation.logits_process import NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

    tokenizer = checkpoints.load("toy_decoder").tokenizer
    model = checkpoints.load("toy_decoder").model
    checks = []
    texts = [tokenizer.encode(text) * 3 for text in SAMPLES.values()]
    with torch.inference_mode():
        logits = [model(torch.tensor([ids]))[0, -1] for ids in texts]

    def largest(ours: Any, theirs: Any) -> float:
        found = ((probabilities(ours(z, ids)), theirs(torch.tensor([ids]), z[None].clone())[0].softmax(-1)) for z, ids in zip(logits, texts))
        return max((mine - other).abs().max().item() for mine, other in found)

    def seen(ids: list[int]) -> Tensor:
        return seen_so_far(ids, model.config.vocabulary)[-1]

    for penalty in (1.2, 2.0):
        worst = largest(lambda z, ids, penalty=penalty: penalise(z, seen(ids), penalty), RepetitionPenaltyLogitsProcessor(penalty))
        checks.append(Check(f"probabilities with penalty {penalty}", "transformers RepetitionPenaltyLogitsProcessor", worst, 1e-6))
    for n in (1, 2, 3, 4):
        worst = largest(lambda z, ids, n=n: forbid_ngrams(z, ids, n), NoRepeatNGramLogitsProcessor(n))
        checks.append(Check(f"probabilities with {n}-grams forbidden", "transformers NoRepeatNGramLogitsProcessor", worst, 1e-6))
    rng, worst = random.Random(0), 0.0
    for n in SIZES:
        tokens = [rng.randrange(4) for _ in range(60)]
        worst = max(worst, abs(repeated_share(tokens, n) - _copies(tokens, n)))
    checks.append(Check("share of copied n-grams", "counted with collections.Counter", worst, 1e-12))
    return checks


def _copies(tokens: Sequence[Any], n: int) -> float:
    """Every n-gram's count less one, added up."""
    counts = Counter(zip(*(tokens[at:] for at in range(n))))
    return sum(count - 1 for count in counts.values()) / counts.total()


# Computed questions; what was drawn travels in settings["drawn"].


def ask_share(rng: random.Random) -> Question:
    while True:
        n, words = rng.choice([1, 2, 3]), [rng.choice("abc") for _ in range(rng.randint(7, 10))]
        tokens = ["abc".index(word) for word in words]
        right = repeated_share(tokens, n)
        grams = len(words) - n + 1
        if not 0.1 < right < 0.9:
            continue
        mistakes = [
            Mistake("share-of-different", 1 - right, "This is the share of n-grams that are different; the copies are the rest."),
            Mistake("divided-by-tokens", right * grams / len(words), "There are fewer n-grams than tokens."),
            Mistake("wrong-size", repeated_share(tokens, n + 1), f"This counts {n + 1}-grams."),
            Mistake("first-one-counted", sum(count for count in Counter(zip(*(words[at:] for at in range(n)))).values() if count > 1) / grams,
                    "The first occurrence is no copy."),
            Mistake("smaller-size", repeated_share(tokens, max(n - 1, 1)), "This counts shorter n-grams."),
        ]  # fmt: skip
        options = number_options(rng, right, "Copies over all n-grams.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A text of {len(words)} tokens: {' '.join(words)}. What share of its {n}-grams are copies of an earlier one (rep-{n})?",
        answer="All n-grams less the different ones, divided by all.",
        options=options,
        working=(
            f"{len(words)} tokens have {grams} {n}-grams",
            f"{round((1 - right) * grams)} of them are different, {round(right * grams)} are copies",
            f"{round(right * grams)} / {grams} = {numeral(right)}",
        ),
        lab=SLUG,
        settings={"drawn": [words, n]},
        level=1,
    )


def second_share(question: Question) -> float:
    words, n = question.settings["drawn"]
    return _copies(words, n)


def ask_banned(rng: random.Random) -> Question:
    """Which token may not come next?"""
    while True:
        n, words = rng.choice([2, 3]), [rng.choice("abcd") for _ in range(rng.randint(7, 9))]
        banned = {"abcd"[token] for token in completes_ngram(["abcd".index(word) for word in words], n)}
        other = {"abcd"[token] for token in completes_ngram(["abcd".index(word) for word in words], 5 - n)}
        if len(banned) != 1 or banned == other:
            continue
        (right,) = banned
        wrong = [word for word in "abcd" if word != right]
        mistakes = [
            Mistake(
                f"not-{word}",
                word,
                f"“{' '.join([*words[len(words) - n + 1 :], word])}” has not been there"
                + ("; as a shorter or longer n-gram it counts not." if word in other else "."),
            )
            for word in wrong
        ]
        options = number_options(rng, right, f"“{' '.join([*words[len(words) - n + 1 :], right])}” stood there before.", mistakes)
        if options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"The text so far: {' '.join(words)}. No {n}-gram may come twice. Which token is forbidden next?",
        answer="The one that followed the last tokens when they stood there before.",
        options=options,
        working=(f"the last {n - 1}: {' '.join(words[len(words) - n + 1 :])}", f"followed before by {right}"),
        lab=SLUG,
        settings={"ngram": n, "drawn": [words, n]},
        level=1,
    )


def second_banned(question: Question) -> str:
    """Try each token, and look for its n-gram in the text as a string."""
    words, n = question.settings["drawn"]
    text = "".join(words)
    (found,) = [word for word in "abcd" if (text + word)[-n:] in text]
    return found


questions = {"copied-share": ask_share, "forbidden-token": ask_banned}
second = {"copied-share": second_share, "forbidden-token": second_banned}
