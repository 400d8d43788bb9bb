"""WordPiece against BPE, merge by merge

Both trainers start from single characters and join pairs of neighbours. BPE asks how **often** a pair stands, $f(ab)$. WordPiece
asks how often it stands **measured against its parts**. Textbooks write that as a score; the published criterion is the gain in the
likelihood of the training text, here for $N$ symbols in all:

$$
\\mathrm{score}(a,b)=\\frac{f(ab)}{f(a)\\,f(b)}\\qquad\\qquad \\mathrm{gain}(a,b)\\approx f(ab)\\,\\ln\\frac{N\\,f(ab)}{f(a)\\,f(b)}
$$

The two do not rank pairs alike: the score forgets how frequent a pair is, the gain does not. Google's own trainer was never published.

A piece that continues a word carries the mark `##`, so `l` and `##l` are two symbols. A new word is cut by **longest match**: from
the left, always the longest piece that the vocabulary has, without ever stepping back. If nothing fits at some place, the whole word
becomes `[UNK]`. Both trainers here write words in the same way, so that only the criterion differs. Text is lower-cased and loses its
accents first, as for uncased BERT.
"""

from __future__ import annotations

import functools
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

import plotly.graph_objects as go

from backend.questions import Form, Question
from models import toy_world
from models.byte_pair import Pair, replay
from models.languages import PROSE
from models.wordpiece import (
    CONTINUES,
    UNKNOWN,
    Candidate,
    Rule,
    WordPiece,
    alphabet,
    best,
    candidates,
    joined,
    merge_best,
    normalise,
    symbols,
    words_of,
    worth,
)
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import PALETTE, SYMBOLS, axis, figure, lines, small
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "wordpiece"
REFERENCE = "tokenizers: WordPiece and WordPieceTrainer (which merges by counts); the scores from collections.Counter"
MECHANISM = (worth, candidates, best, merge_best, WordPiece.lookups, WordPiece.cut_word)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<path d="M18 8v70h130" opacity=".45"/><g fill="#7a7f87" stroke="none" opacity=".7"><circle cx="34" cy="62" r="3"/><circle cx="46" cy="54" r="3"/>
<circle cx="52" cy="66" r="3"/><circle cx="64" cy="58" r="3"/><circle cx="74" cy="68" r="3"/><circle cx="88" cy="60" r="3"/><circle cx="100" cy="68" r="3"/><circle cx="60" cy="40" r="3"/></g>
<circle cx="40" cy="18" r="8" fill="#1f77c9" stroke="none"/><rect x="126" y="56" width="15" height="15" fill="#d4620f" stroke="none"/>
<path d="M40 30v6m0 4v6M118 64h-6m-4 0h-6" opacity=".5"/></svg>"""

SLUG = "wordpiece-trainer"
MOST = 150  # merges
TEXTBOOK = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
CORPORA = {"textbook": "four words of a textbook", "english": "English prose", "toy": "the toy world"}
RULES: dict[str, str] = {"score": "textbook score", "gain": "likelihood gain", "count": "count, as BPE does"}
SAMPLES = {
    "Unseen": "lowest slow",
    "Parts": "newer widower",
    "A sentence": "The tower was lower than the others.",
    "Other letters": "naïve 🦜 low 低",
}
RANKED, FOLLOWED = 8, 4  # pairs in a ranking, words in the playback
LONGEST_SHOWN = 16  # characters of a word whose lookups are played
Words = list[list[int]]


@dataclass(frozen=True)
class Trained:
    """A corpus after each merge of one trainer."""

    words: dict[str, int]
    letters: list[str]
    states: list[Words]  # states[n]: the words after n merges
    merges: list[Candidate]

    @functools.cached_property
    def pieces(self) -> list[str]:
        pieces = list(self.letters)
        for step in self.merges:
            pieces.append(joined(pieces[step.pair[0]], pieces[step.pair[1]]))
        return pieces

    @functools.cached_property
    def lengths(self) -> list[float]:
        """Tokens per word of the corpus after 0, 1, 2 … merges."""
        total = sum(self.words.values())
        return [sum(len(word) * often for word, often in zip(state, self.words.values())) / total for state in self.states]

    def learned(self, merges: int) -> list[str]:
        return self.pieces[len(self.letters) : len(self.letters) + merges]

    def tokenizer(self, merges: int) -> WordPiece:
        return WordPiece(self.pieces[: len(self.letters) + merges])

    def replayed(self, word: str, merges: int) -> list[str]:
        """The word cut by replaying the merges, as BPE does; a symbol that training never saw costs the word here too."""
        number = {letter: place for place, letter in enumerate(self.letters)}
        if any(symbol not in number for symbol in symbols(word)):
            return [UNKNOWN]
        rank = {step.pair: len(self.letters) + place for place, step in enumerate(self.merges[:merges])}
        *_, tokens = replay([number[symbol] for symbol in symbols(word)], rank)
        return [self.pieces[token] for token in tokens]


@dataclass(frozen=True)
class Result:
    corpus: str
    rule: Rule
    least: int
    asked: int  # merges asked for
    merges: int  # merges that the rule's trainer has, up to that many
    trained: Trained
    counted: Trained  # the same corpus merged by counts
    found: list[Candidate]  # the rule's candidates now, those that stand often enough
    words: list[str]  # of the text
    cuts: list[list[str]]  # by longest match in the rule's vocabulary
    cuts_counted: list[list[str]]  # by longest match in BPE's
    replays: list[list[str]]  # BPE's merges replayed

    @property
    def counted_merges(self) -> int:
        return min(self.asked, len(self.counted.merges))

    @property
    def next(self) -> Candidate | None:
        return best(self.found, self.rule, self.least)

    @property
    def counted_next(self) -> Candidate | None:
        return best(_candidates(self.counted, self.counted_merges), "count", self.least)

    @property
    def unknown(self) -> int:
        return sum(cut == [UNKNOWN] for cut in self.cuts)


def compute(
    corpus: Annotated[str, Choice(CORPORA, label="Corpus", help="low ×5, lower ×2, newest ×6, widest ×3; or some pages of text.")] = "textbook",
    rule: Annotated[str, Choice(RULES, label="Criterion of the WordPiece trainer", help="BPE beside it always merges by count.")] = "score",
    merges: Annotated[int, Slider(0, MOST, 1, label="Merges learned", help="The vocabulary has this many pieces more than the alphabet.")] = 3,
    least: Annotated[int, Stops(1, 2, 3, 5, 10, 20, label="Least count of a pair", help="Both trainers pass over pairs that stand less often.")] = 2,
    text: Annotated[str, Text(label="Text to cut", limit=120, samples=SAMPLES, help="Cut by longest match.")] = SAMPLES["Unseen"],
) -> Result:
    trained, counted = _train(corpus, rule, least), _train(corpus, "count", least)
    learned, learned_counted = min(merges, len(trained.merges)), min(merges, len(counted.merges))
    words = words_of(normalise(text))
    tokenizer, other = trained.tokenizer(learned), counted.tokenizer(learned_counted)
    return Result(
        corpus=corpus,
        rule=rule,
        least=least,
        asked=merges,
        merges=learned,
        trained=trained,
        counted=counted,
        found=[each for each in _candidates(trained, learned) if each.together >= least],
        words=words,
        cuts=[tokenizer.cut_word(word) for word in words],
        cuts_counted=[other.cut_word(word) for word in words],
        replays=[counted.replayed(word, learned_counted) for word in words],
    )


@functools.cache
def _corpus_words(corpus: str) -> dict[str, int]:
    if corpus == "textbook":
        return TEXTBOOK
    texts = [PROSE] if corpus == "english" else toy_world.documents(0, 150)
    return dict(Counter(word for text in texts for word in words_of(normalise(text))).most_common())


@functools.cache
def _train(corpus: str, rule: Rule, least: int) -> Trained:
    words = _corpus_words(corpus)
    letters = alphabet(words)
    number = {letter: place for place, letter in enumerate(letters)}
    written = [[number[symbol] for symbol in symbols(word)] for word in words]
    states, learned = [list(written)], []
    for _, step in zip(range(MOST), merge_best(written, list(words.values()), len(letters), rule, least)):
        learned.append(step)
        states.append(list(written))
    return Trained(words, letters, states, learned)


def _candidates(trained: Trained, merges: int) -> list[Candidate]:
    return candidates(trained.states[merges], trained.words.values())


def figures(result: Result) -> dict[str, Any]:
    return {
        "Exclusive pairs lie high, frequent pairs lie right": _scatter(result),
        "Three criteria rank the same pairs": _rankings(result),
        "The same words under both trainers": _side_by_side(result),
        "Your text under each vocabulary": _cut_text(result),
        "The longest match, lookup by lookup": _lookups(result),
        "Tokens per word of the corpus": _curves(result),
    }


def _spelled(trained: Trained, pair: Pair) -> str:
    return " + ".join(trained.pieces[part] for part in pair)


def _scatter(result: Result) -> go.Figure:
    """All pairs of the WordPiece trainer's corpus as it stands now, and what each criterion would take."""
    found = result.found
    if not found:
        empty = {"type": "scatter", "x": [1], "y": [1], "mode": "text", "text": ["no pair stands often enough"], "name": "no pair is left"}
        return figure([empty], x=axis("how often the pair stands, f(ab)"), y=axis("textbook score"), height=380)
    traces = [
        _dots([each.together for each in found], [each.worth("score") for each in found], [_spelled(result.trained, each.pair) for each in found])
    ]
    labelled: set[Pair] = set()
    for at, (rule, where) in enumerate({"score": "top center", "gain": "bottom center", "count": "middle left"}.items()):
        taken = best(found, rule, result.least)
        words = "" if taken.pair in labelled else _spelled(result.trained, taken.pair)
        labelled.add(taken.pair)
        traces.append(
            {
                "type": "scatter",
                "x": small([taken.together]),
                "y": small([taken.worth("score")]),
                "mode": "markers+text",
                "text": [words],
                "textposition": where,
                "name": {"score": "most by the score", "gain": "most by the gain", "count": "most frequent"}[rule],
                "marker": {"color": PALETTE[at], "symbol": ("circle", "diamond", "square")[at], "size": (18, 15, 10)[at], "opacity": 0.85},
            }
        )
    counts, scores = [each.together for each in found], [each.worth("score") for each in found]
    return figure(
        traces,
        x=axis(
            "how often the pair stands, f(ab)",
            log=True,
            span=(min(counts) / 1.8, max(counts) * 1.6),
            ticks=_decades(min(counts) / 1.8, max(counts) * 1.6),
        ),
        y=axis(
            "textbook score f(ab) / (f(a) f(b))", log=True, span=(min(scores) / 2, max(scores) * 3), ticks=_decades(min(scores) / 2, max(scores) * 3)
        ),
        height=400,
    )


def _decades(low: float, high: float) -> dict[float, str]:
    """1, 2 and 5 of every power of ten, or the powers alone where those would crowd."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    heads = (1, 2, 5) if len(powers) < 4 else (1,)
    return {head * 10.0**power: numeral(head * 10.0**power) for power in powers for head in heads if low <= head * 10.0**power <= high}


def _dots(x: Sequence[float], y: Sequence[float], words: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": small(x),
        "y": small(y),
        "mode": "markers",
        "text": list(words),
        "hovertemplate": "%{text}: stands %{x}, score %{y:.3g}<extra></extra>",
        "name": "pairs of neighbours",
        "marker": {"color": PALETTE[5], "size": 6, "opacity": 0.6, "symbol": SYMBOLS[0]},
    }


def _rankings(result: Result) -> TokenStrip:
    if not result.found:
        return TokenStrip([Strip("No pair stands often enough any more: the vocabulary", result.trained.pieces[:60])])
    rows = []
    for rule, name in RULES.items():
        ranked = sorted(result.found, key=lambda each: (-each.worth(rule), each.pair))[:RANKED]
        most = ranked[0].worth(rule)
        rows.append(
            Strip(
                name,
                [_spelled(result.trained, each.pair).replace(" ", "") for each in ranked],  # the strip would make the blanks visible
                values=[max(each.worth(rule) / most, 0.0) * 0.6 if most > 0 else 0.0 for each in ranked],
                marks=[numeral(each.worth(rule)) for each in ranked],
                notes=[f"together {each.together:,}, apart {each.left:,} and {each.right:,}, of {each.symbols:,} symbols" for each in ranked],
            )
        )
    return TokenStrip(rows, value_name="share of the first")


def _side_by_side(result: Result) -> Playback:
    """The most frequent words of more than three letters, each once per trainer."""
    names = list(result.trained.words)
    chosen = [place for place, word in enumerate(names) if result.corpus == "textbook" or len(word) > 3][:FOLLOWED]
    width = max(len(names[place]) for place in chosen)
    frames = []
    for step in range(max(result.merges, result.counted_merges) + 1):
        rows: list[list[Cell | None]] = []
        for place in chosen:
            rows += [_cells(result.trained, place, step, 1, width), _cells(result.counted, place, step, 2, width)]
        frames.append(Frame(_step_says(result, step), rows))
    heads = [f"{names[place]} ×{result.trained.words[names[place]]}, {trainer}" for place in chosen for trainer in ("WordPiece", "BPE")]
    return Playback(frames, row_names=heads, tones={1: f"merged by {RULES[result.rule]}", 2: "merged by count"}, start=len(frames) - 1, height=430)


def _cells(trained: Trained, place: int, step: int, tone: int, width: int) -> list[Cell | None]:
    step = min(step, len(trained.merges))
    first = len(trained.letters)
    new = first + step - 1 if step else -1
    word = trained.states[step][place]
    cells = [Cell(trained.pieces[token], level=0.15 * (token >= first), tone=tone * (token >= first), mark=token == new) for token in word]
    return [*cells, *[None] * (width - len(cells))]


def _step_says(result: Result, step: int) -> str:
    if not step:
        return "Every word in single characters; ## marks those that do not begin it."
    return f"Merge {step}: WordPiece {_one_step(result.trained, result.rule, step)}; BPE {_one_step(result.counted, 'count', step)}."


def _one_step(trained: Trained, rule: Rule, step: int) -> str:
    if step > len(trained.merges):
        return "has no pair left"
    made = trained.merges[step - 1]
    value = "" if rule == "count" else f", {rule} {numeral(made.worth(rule))}"
    return f"joins {_spelled(trained, made.pair)} ({made.together:,} times{value})"


def _cut_text(result: Result) -> TokenStrip:
    if not result.words:
        return TokenStrip([Strip("Type a word to see it cut", ["no word"])])
    rows = [
        (f"WordPiece by {RULES[result.rule]}, longest match", result.cuts),
        ("BPE's vocabulary, longest match", result.cuts_counted),
        ("BPE's merges, replayed in order", result.replays),
    ]
    return TokenStrip([_words_strip(name, result.words, cuts) for name, cuts in rows])


def _words_strip(name: str, words: Sequence[str], cuts: Sequence[list[str]]) -> Strip:
    tokens = [piece for cut in cuts for piece in cut]
    unknown = sum(piece == UNKNOWN for piece in tokens)
    return Strip(
        f"{name}: {_some(len(tokens), 'token')}{f', {unknown} unknown' * bool(unknown)}",
        tokens,
        marks=["unknown" if piece == UNKNOWN else "" for piece in tokens],
        notes=[f"a piece of “{word}”" if piece != UNKNOWN else f"“{word}” as a whole" for word, cut in zip(words, cuts) for piece in cut],
        groups=[place % 6 for place, cut in enumerate(cuts) for _ in cut],
    )


def _lookups(result: Result) -> Playback:
    """The first word that is short enough to be played."""
    word = next((word for word in result.words if len(word) <= LONGEST_SHOWN), "")
    if not word:
        note = "No word to cut." if not result.words else f"Only words of up to {LONGEST_SHOWN} characters are played."
        return Playback([Frame(note, [[Cell("–")]])], height=200)
    frames, cut = [Frame(f"The whole word “{word}” is looked up first.", _lookup_rows(word, [], None))], []
    for each in result.trained.tokenizer(result.merges).lookups(word):
        frames.append(Frame(f"“{each.piece}” is {'' if each.known else 'not '}in the vocabulary.", _lookup_rows(word, cut, each)))
        cut += [each] if each.known else []
    if cut and cut[-1].end == len(word):
        frames.append(Frame(f"Cut: {' · '.join(each.piece for each in cut)}.", _lookup_rows(word, cut, None)))
    else:
        frames.append(Frame(f"Nothing fits here, so the whole word becomes {UNKNOWN}.", [[Cell(char, tone=2) for char in word]] * 2))
    return Playback(
        frames, row_names=("looked up", "pieces so far"), tones={1: "in the vocabulary", 2: "not in it"}, start=len(frames) - 1, height=230
    )


def _lookup_rows(word: str, cut: Sequence[Any], now: Any) -> list[list[Cell | None]]:
    tone = 0 if now is None else 1 if now.known else 2
    looked = [Cell(char, 0.2, tone, True) if now and now.start <= at < now.end else Cell(char) for at, char in enumerate(word)]
    owner = {at: number for number, each in enumerate(cut) for at in range(each.start, each.end)}
    done: list[Cell | None] = [
        Cell(CONTINUES * (at > 0 and at == cut[owner[at]].start) + char, 0.15 + 0.25 * (owner[at] % 2), 1) if at in owner else None
        for at, char in enumerate(word)
    ]
    return [list(looked), done]


def _curves(result: Result) -> go.Figure:
    series = {RULES[result.rule]: result.trained.lengths, RULES["count"]: result.counted.lengths}
    longest = max(map(len, series.values()))
    padded = {name: [*values, *[values[-1]] * (longest - len(values))] for name, values in series.items()}  # a trainer that stopped stays where it is
    return lines(
        list(range(longest)),
        padded,
        x_axis=axis("merges"),
        y_axis=axis("tokens per word", span=(0, 1.05 * result.trained.lengths[0])),
        markers=False,
        order=[RULES["score"], RULES["count"], RULES["gain"]],
        upright=[(min(result.asked, longest - 1), "")],
        across=[(1, "one token per word")],
    )


def facts(result: Result) -> dict[str, float]:
    here, other = result.next, result.counted_next
    return {
        "merges": result.merges,
        "alphabet": len(result.trained.letters),
        "pieces": len(result.trained.letters) + result.merges,
        "least": result.least,
        "next together": here.together if here else 0,
        "next worth": here.worth(result.rule) if here else 0,
        "BPE's next together": other.together if other else 0,
        "words": len(result.words),
        "tokens": sum(map(len, result.cuts)),
        "unknown": result.unknown,
    }


def says(result: Result) -> str:
    """Numbers inside “…” are pieces of text."""
    learned = f"After {_some(result.merges, 'merge')} the vocabulary has {result.merges + len(result.trained.letters)} pieces beside “{UNKNOWN}”"
    here, other = result.next, result.counted_next
    if here is None:
        coming = f"; no pair stands {_some(result.least, 'time')} any more, so training has ended"
    else:
        value = "" if result.rule == "count" else f" and has {RULES[result.rule]} {numeral(here.worth(result.rule))}"
        coming = f"; next comes “{_spelled(result.trained, here.pair)}”, which stands {_some(here.together, 'time')}{value}"
    if other is not None and result.rule != "count":
        coming += f", while BPE takes “{_spelled(result.counted, other.pair)}”, which stands {_some(other.together, 'time')}"
    if not result.words:
        return f"{learned}{coming}."
    unknown = f", {result.unknown} of the words unknown" if result.unknown else ""
    words, tokens = _some(len(result.words), "word"), _some(sum(map(len, result.cuts)), "token")
    return f"{learned}{coming}. Your text of {words} becomes {tokens}{unknown}: “{_dotted([piece for cut in result.cuts for piece in cut][:20])}”."


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _dotted(pieces: Sequence[str]) -> str:
    return " · ".join(pieces)


def _shared(result: Result, rule: Rule, merges: int = 100) -> float:
    """Of the first pieces that a rule makes, the share that BPE makes too."""
    theirs = set(result.counted.learned(merges))
    return len(theirs & set(_train(result.corpus, rule, result.least).learned(merges))) / merges


TRY = [
    Experiment(
        title="Frequent or exclusive?",
        settings={"merges": 0},
        ask="The corpus: low ×5, lower ×2, newest ×6, widest ×3. BPE first joins ##e + ##s, which stands 9 times. Which of these pairs has the highest textbook score?",
        options=("##e + ##s as well", "w + ##i, which stands 3 times", "l + ##o, which stands 7 times"),
        right=1,
        why="w begins a word 3 times and ##i stands 3 times, always together: $3/(3\\cdot3)=0.333$. ##e stands 17 times, mostly without ##s: "
        "$9/(17\\cdot9)=0.059$. The score asks how much the two depend on each other, and forgets how much text that explains.",
        look="First picture: the blue point lies highest, the green square furthest to the right. The second picture lists the values.",
        holds=lambda result: _firsts(result) == ("w + ##i", "##e + ##s"),
        tempting={
            0: "That is the most frequent pair, and its parts are frequent too.",
            2: "Exclusive as well, but $7/(7\\cdot7)=0.143$: the score punishes the larger counts.",
        },
    ),
    Experiment(
        title="What the score loves most",
        settings={"corpus": "english", "least": 1, "merges": 20},
        ask="English prose, and every pair may be merged, however rare. What do the first merges by the textbook score produce?",
        options=("th, the, and", "Pieces of numbers such as 24 and 1951", "qu, since q is nearly always followed by u"),
        right=1,
        why="Two symbols that stand once each, side by side, score $1/(1\\cdot1)=1$, and nothing can beat that. Numbers are full of such pairs. So a trainer "
        "with this score needs a least count; set it to 10, and th comes first.",
        look="Second picture, after setting the merges to 0: the first row against the third. First picture: the points at the top left.",
        holds=lambda result: all(any(char.isdigit() for char in piece) for piece in result.trained.learned(10)),
        tempting={
            0: "These are BPE's first choices, and the likelihood gain's.",
            2: "A good guess, and it does come early, but q and u stand more than once.",
        },
    ),
    Experiment(
        title="The published criterion",
        settings={"corpus": "english", "rule": "gain", "merges": 100},
        ask="The likelihood gain takes the logarithm of $N$ times that score, once for every time the pair stands. Of the first 100 pieces that it makes of English prose, how many does BPE make too?",
        options=("Hardly any: it is WordPiece", "More than half", "All of them"),
        right=1,
        why="A gain is a sum over occurrences, so a frequent pair that is only somewhat exclusive beats a rare one that is completely so. The textbook score shares "
        "far fewer pieces with BPE. It is a good way to remember the idea and a poor one to guess a vocabulary.",
        look="Third picture: the two trainers write most words alike in the end. Second picture: the gain's ranking resembles the one by count.",
        holds=lambda result: 0.5 < _shared(result, "gain") < 0.9 and _shared(result, "score") < 0.3,
        tempting={
            0: "That would be the textbook score.",
            2: "The logarithm still counts: ##he is the most frequent pair here, and the gain passes it over for th.",
        },
    ),
    Experiment(
        title="All letters known, word unknown",
        settings={"merges": 12, "text": "slow"},
        ask="The corpus low, lower, newest, widest has every letter of “slow”, and “low” is a piece of its own. How is “slow” cut?",
        options=("s · ##low", "s · ##l · ##o · ##w", "[UNK]"),
        right=2,
        why="Inside a word a piece must carry the mark, and no word of the corpus has an l inside: there is neither ##low nor ##l. The match fails at the second "
        "letter, and with it the whole word. Real vocabularies avoid this by training on enough text, and still lose words with an unknown character.",
        look="Fifth picture: after s every lookup fails, down to ##l.",
        holds=lambda result: result.cuts == [[UNKNOWN]] and set("slow") <= set(result.trained.letters),
        tempting={
            0: "low exists, ##low does not: they are different pieces.",
            1: "The last resort would be single characters, if they were there with the mark.",
        },
    ),
    Experiment(
        title="One vocabulary, two ways to cut",
        settings={"corpus": "english", "rule": "count", "merges": 150, "text": "ring"},
        ask="Both trainers now merge by count, so there is one vocabulary; it has r, ri, ##n, ##g and ##ing. BPE's merges make r · ##ing of “ring”. And the longest match?",
        options=("The same: the pieces are the same", "ri · ##n · ##g", "[UNK]"),
        right=1,
        why="From the left, ri is longer than r and is taken; ##ing has then lost its i, and there is no way back. Longest match and merge replay are two algorithms "
        "on the same list, and a model must be used with the one it was trained with.",
        look="Fourth picture: the first two rows against the third. Fifth: the lookups.",
        holds=lambda result: result.cuts == [["ri", "##n", "##g"]] and result.replays == [["r", "##ing"]],
        tempting={
            0: "The list is the same, but it does not say in which order to try.",
            2: "Every letter of it is there, with and without the mark.",
        },
    ),
    Experiment(
        title="Which vocabulary makes texts shorter?",
        settings={"corpus": "english", "merges": 150},
        ask="After 150 merges BPE needs about two tokens per word of English prose. And the trainer with the textbook score?",
        options=("Fewer: it measures what belongs together", "About as many", "Clearly more, near three"),
        right=2,
        why="Each merge shortens the corpus by as many symbols as the pair stands there, and BPE takes the largest number at every step. The score spends its entries "
        "on exclusive pairs, and many of those stand two or three times in all.",
        look="Sixth picture: one line falls fast and flattens, the other goes down slowly.",
        holds=lambda result: result.counted.lengths[150] < 2.1 and result.trained.lengths[150] > 2.7,
        tempting={0: "Belonging together shortens a text only where it stands often.", 1: "Compare the two lines at the right edge."},
    ),
]


def _firsts(result: Result) -> tuple[str, str]:
    """What the textbook score and the count would take now."""
    score, count = (best(result.found, rule, result.least) for rule in ("score", "count"))
    return _spelled(result.trained, score.pair), _spelled(result.trained, count.pair)


def verify() -> list[Check]:
    """Cuts and merges by count against the library, scores against a recount; a difference is a count of disagreements."""
    return [
        *(_against_wordpiece(corpus, rule) for corpus in CORPORA for rule in ("score", "count")),
        *(_against_trainer(corpus) for corpus in ("textbook", "english")),
        *(_against_counter(corpus) for corpus in ("textbook", "english")),
    ]


def _against_wordpiece(corpus: str, rule: Rule) -> Check:
    from tokenizers.models import WordPiece as TheirWordPiece

    trained = _train(corpus, rule, 2)
    ours = trained.tokenizer(MOST)
    theirs = TheirWordPiece(vocab={**ours.number, UNKNOWN: len(ours)}, unk_token=UNKNOWN, max_input_chars_per_word=100)
    words = [*_corpus_words("english"), *_corpus_words("toy"), "slow", "naive", "低", "🦜", "x" * 101]
    different = sum(ours.cut_word(word) != [token.value for token in theirs.tokenize(word)] for word in words)
    return Check(f"{len(words)} words cut, {corpus}, {RULES[rule]}", "tokenizers WordPiece", different, 0)


def _against_trainer(corpus: str) -> Check:
    """The library's trainer takes the most frequent pair: it is the reference of our merges by count, and of nothing else."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import WordPiece as TheirWordPiece
    from tokenizers.trainers import WordPieceTrainer

    trained = _train(corpus, "count", 2)
    border = "\ue000"
    theirs = Tokenizer(TheirWordPiece(unk_token=UNKNOWN))
    theirs.pre_tokenizer = pre_tokenizers.Split(Regex(border), "removed")
    trainer = WordPieceTrainer(
        vocab_size=len(trained.letters) + MOST,
        min_frequency=2,
        special_tokens=trained.letters,  # first in the library's numbering: ties fall as ours do
        show_progress=False,
    )
    theirs.train_from_iterator([border.join([word] * often) for word, often in trained.words.items()], trainer)
    vocabulary = theirs.get_vocab()
    expected = sorted(vocabulary, key=vocabulary.__getitem__)[len(trained.letters) :]
    ours = list(dict.fromkeys(trained.learned(MOST)))[: len(expected)]
    different = sum(a != b for a, b in zip(ours, expected)) + abs(len(ours) - len(expected))
    return Check(f"{len(expected)} pieces merged by count, {corpus}", "tokenizers WordPieceTrainer", different, 0)


def _against_counter(corpus: str) -> Check:
    """The corpus written out as text, and everything counted anew before each merge, with exact fractions."""
    trained = _train(corpus, "score", 2)
    words = {" ".join(symbols(word)): often for word, often in trained.words.items()}
    different = 0
    for step in trained.merges[:60]:
        f, f_pairs = Counter[str](), Counter[tuple[str, str]]()
        for word, often in words.items():
            parts = word.split(" ")
            f.update(dict.fromkeys(parts, 0))
            for at, part in enumerate(parts):
                f[part] += often
                if at:
                    f_pairs[parts[at - 1], part] += often
        scores = {pair: Fraction(count, f[pair[0]] * f[pair[1]]) for pair, count in f_pairs.items() if count >= 2}
        left, right = (trained.pieces[part] for part in step.pair)
        different += scores[left, right] != max(scores.values()) or abs(float(scores[left, right]) - step.worth("score")) > 1e-15
        whole = re.compile(rf"(?<!\S){re.escape(left)} {re.escape(right)}(?!\S)")
        words = {whole.sub(left + right[len(CONTINUES) :], word): often for word, often in words.items()}
    return Check(f"{min(60, len(trained.merges))} merges with the highest score, {corpus}", "recounted with Counter and fractions", different, 0)


# Computed questions; what was drawn travels in settings["drawn"].

PAIRS = ("un + ##able", "th + ##e", "q + ##u", "##in + ##g", "re + ##do", "##s + ##t", "x + ##y", "##o + ##n", "pre + ##view", "w + ##h")


def ask_which_pair(rng: random.Random) -> Question:
    while True:
        names = rng.sample(PAIRS, 4)
        rows = [_drawn_counts(rng) for _ in names]
        scores = {name: worth("score", *row, 100_000) for name, row in zip(names, rows)}
        by = {rule: max(zip(names, rows), key=lambda item: worth(rule, *item[1], 100_000))[0] for rule in ("score", "gain", "count")}
        by_left = max(zip(names, rows), key=lambda item: item[1][0] / item[1][1])[0]
        rarest = min(zip(names, rows), key=lambda item: item[1][1] * item[1][2])[0]
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        mistakes = [
            Mistake("most-frequent-pair", by["count"], "That is the most frequent pair: BPE's choice."),
            Mistake(
                "likelihood-gain", by["gain"], "That pair has the largest likelihood gain, in which the count weighs again; the score is asked for."
            ),
            Mistake("one-part-only", by_left, "This divides by the count of the first part only; both parts are in the denominator."),
            Mistake("rarest-parts", rarest, "Its parts are the rarest, but they do not stand together often enough."),
            Mistake("runner-up", ranked[1], "This pair comes second."),
            Mistake("third", ranked[2], "This pair comes third."),
        ]
        options = number_options(rng, by["score"], f"Its score is {numeral(scores[by['score']])}, the highest.", mistakes)
        if by["score"] != by["count"] and scores[ranked[0]] > 1.2 * scores[ranked[1]] and options:
            break
    listed = "; ".join(f"`{name}`: $f(ab)={row[0]}$, $f(a)={row[1]}$, $f(b)={row[2]}$" for name, row in zip(names, rows))
    return Question(
        form=Form.CHOICE,
        prompt=f"Four pairs of neighbours, with their counts together and apart: {listed}. Which of them has the highest textbook WordPiece score?",
        answer="The score is $f(ab)/(f(a)\\,f(b))$: the count of the pair measured against those of both parts.",
        options=options,
        working=tuple(f"{name}: {row[0]}/({row[1]} · {row[2]}) = {numeral(scores[name])}" for name, row in zip(names, rows)),
        lab=SLUG,
        settings={"rule": "score", "merges": 0, "drawn": dict(zip(names, rows))},
        level=1,
    )


def _drawn_counts(rng: random.Random) -> tuple[int, int, int]:
    left, right = rng.choice([20, 50, 80, 120, 200, 400]), rng.choice([25, 60, 100, 150, 300, 900])
    return max(2, round(min(left, right) * rng.choice([0.1, 0.3, 0.5, 0.8, 0.9]))), left, right


def second_which_pair(question: Question) -> str:
    """By pointwise mutual information, which ranks as the score does, with exact fractions of an assumed corpus."""
    counts = question.settings["drawn"]
    N = 10**6

    def surprise(name: str) -> Fraction:
        together, left, right = counts[name]
        return Fraction(together, N) / (Fraction(left, N) * Fraction(right, N))

    return max(counts, key=surprise)


def ask_gain(rng: random.Random) -> Question:
    while True:
        together, left, right = _drawn_counts(rng)
        N = rng.choice([10_000, 20_000, 50_000, 100_000])
        value = worth("gain", together, left, right, N)
        score = worth("score", together, left, right, N)
        mistakes = [
            Mistake("no-count-in-front", value / together, "This is what one occurrence gains; the pair stands more than once."),
            Mistake(
                "no-N", abs(together * (value / together - worth("gain", 1, 1, 1, N))), "This leaves $N$ out of the logarithm, and the sign with it."
            ),
            Mistake("base-two", value / worth("gain", 1, 1, 1, 2), "This takes the logarithm to base 2, so it is in bits."),
            Mistake("score-times-count", together * score * N, "This forgets the logarithm."),
            Mistake("times-one-part", left * value / together, "The logarithm counts once for each occurrence of the pair, not of its first part."),
        ]
        options = number_options(rng, value, "The logarithm, once for every occurrence of the pair.", mistakes)
        if value > 1 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"In a corpus of $N={N:,}$ symbols $a$ stands {left} times, $b$ {right} times, and $ab$ side by side {together} times. About how many nats of "
        "log-likelihood does the merge gain?".replace(f"{N:,}", f"{N:,}".replace(",", "\\,")),
        answer="The gain is $f(ab)\\ln\\frac{N f(ab)}{f(a) f(b)}$.",
        options=options,
        working=(
            f"$N f(ab)/(f(a) f(b)) = {numeral(N * score)}$",
            f"its logarithm is {numeral(value / together)}",
            f"times {together}: {numeral(value)}",
        ),
        lab=SLUG,
        settings={"rule": "gain", "drawn": [together, left, right, N]},
        level=2,
    )


def second_gain(question: Question) -> float:
    """As a difference of log-likelihoods: every pair explained by its own share instead of by the product of its parts' shares."""
    together, left, right, N = question.settings["drawn"]
    return together * math.log(together / N) - together * (math.log(left / N) + math.log(right / N))


PARTS = ("un", "re", "play", "able", "ing", "ed", "er", "est", "wide", "low", "ness", "ab", "le", "in", "ly")


def ask_longest_match(rng: random.Random) -> Question:
    while True:
        word = "".join(rng.sample(PARTS, 3))
        if not 6 <= len(word) <= 11:
            continue
        spans = [(i, j) for i in range(len(word)) for j in range(i + 1, min(i + 5, len(word)) + 1)]
        pieces = {CONTINUES * (i > 0) + word[i:j] for i, j in rng.sample(spans, min(9, len(spans)))}
        tokenizer = WordPiece(sorted(pieces))
        right = tokenizer.cut_word(word)
        cuts = _all_cuts(word, pieces)
        if not cuts or len(pieces) > 9:
            continue
        fewest, most = min(cuts, key=len), max(cuts, key=len)
        mistakes = [
            Mistake(
                "stepped-back", _dotted(fewest), "This cut uses the fewest pieces. Longest match looks at one piece at a time and never steps back."
            ),
            Mistake("shortest-first", _dotted(most), "This takes short pieces where longer ones fit."),
            Mistake("from-the-right", _dotted(_from_the_right(word, pieces)), "This matches from the end of the word."),
            Mistake("unknown", UNKNOWN, "A match is found at every place, so nothing is unknown."),
            Mistake(
                "kept-the-start",
                _dotted([*(each.piece for each in tokenizer.lookups(word) if each.known), UNKNOWN]),
                "What does not fit costs the whole word, the matched start included.",
            ),
            Mistake("another-cut", _dotted(rng.choice(cuts)), "Possible with these pieces, but at one place a longer one fits."),
            Mistake("last-known", _dotted([*right[:-1], UNKNOWN]), "Either the whole word is cut or the whole word is unknown."),
        ]
        options = number_options(rng, _dotted(right), "At every place the longest piece that fits.", mistakes)
        if options and (right != fewest or rng.random() < 0.2):
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A WordPiece vocabulary has these pieces: {', '.join(f'`{piece}`' for piece in tokenizer.pieces)}. How does it cut `{word}`?",
        answer="From the left, always the longest piece that fits; if none fits somewhere, the whole word is [UNK].",
        options=options,
        working=tuple(f"`{each.piece}` fits" for each in tokenizer.lookups(word) if each.known)
        + (("then nothing fits",) if right == [UNKNOWN] else ()),
        lab=SLUG,
        settings={"text": word, "drawn": [word, tokenizer.pieces]},
        level=2,
    )


def _all_cuts(word: str, pieces: set[str], start: int = 0) -> list[list[str]]:
    if start == len(word):
        return [[]]
    fitting = [(end, CONTINUES * (start > 0) + word[start:end]) for end in range(start + 1, len(word) + 1)]
    return [[piece, *rest] for end, piece in fitting if piece in pieces for rest in _all_cuts(word, pieces, end)]


def _from_the_right(word: str, pieces: set[str]) -> list[str]:
    cut: list[str] = []
    while word:
        piece = next((piece for start in range(len(word)) if (piece := CONTINUES * (start > 0) + word[start:]) in pieces), None)
        if piece is None:
            return [UNKNOWN]
        cut, word = [piece, *cut], word[: len(word) - len(piece.removeprefix(CONTINUES))]
    return cut


def second_longest_match(question: Question) -> str:
    """By a regular expression whose alternatives stand with the longest first, and which may not step back."""
    word, pieces = question.settings["drawn"]
    starts = sorted((piece for piece in pieces if not piece.startswith(CONTINUES)), key=len, reverse=True)
    goes_on = sorted((piece[2:] for piece in pieces if piece.startswith(CONTINUES)), key=len, reverse=True)
    head = re.match("|".join(starts), word) if starts else None
    if head is None:
        return UNKNOWN
    cut, rest = [head[0]], word[head.end() :]
    while rest:
        found = re.match("|".join(goes_on), rest) if goes_on else None
        if found is None:
            return UNKNOWN
        cut, rest = [*cut, CONTINUES + found[0]], rest[found.end() :]
    return _dotted(cut)


questions = {"which-pair": ask_which_pair, "likelihood-gain": ask_gain, "longest-match": ask_longest_match}
second = {"which-pair": second_which_pair, "likelihood-gain": second_gain, "longest-match": second_longest_match}
