"""Unigram tokenizer by EM and Viterbi

Every piece has a probability, and a cut $\\mathbf x$ of a text has the product of its pieces' probabilities. A text can be cut in many
ways; their sum is $Z$:

$$
P(\\mathbf x)=\\prod_i p(x_i)\\qquad\\qquad Z=\\sum_{\\mathbf x} P(\\mathbf x)
$$

Training goes from large to small. It starts with the substrings that cover most text and repeats two things: **EM** counts how often each piece is
used, averaged over *all* cuts by their probability, and makes these shares the new $p$; **pruning** drops the pieces that the text
would miss least. Single characters always stay.

The sums over all cuts need no list of them: the pieces that fit form a lattice, and one walk to the right and one to the left add up
everything (forward-backward, in logarithms). Replace the sum by a maximum, and the same walk finds the best cut (**Viterbi**). Walk back at
random, and it **draws** cuts in proportion to $P^\\alpha$: subword regularisation.

A blank is written ▁ and belongs to the word after it. A character that training never saw is unknown, and neighbours of that kind are one token.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import plotly.graph_objects as go

from backend.questions import Form, Question
from models import toy_world
from models.byte_pair import words_of
from models.languages import PROSE
from models.unigram import (
    Round,
    Unigram,
    expect,
    forward_backward,
    learn_pieces,
    losses,
    maximise,
    prune,
    seed,
    sharpened,
    spans_of,
    usage,
)
from screens.labs import Check, Choice, Experiment, Mistake, Seed, Slider, Stops, Text, number_options, numeral
from screens.labs.drawing import PALETTE, axis, bars, figure, small
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "sentencepiece-unigram"
REFERENCE = "tokenizers: Unigram (cuts and sampling), UnigramTrainer (likelihood reached); all cuts of short words listed one by one"
MECHANISM = (forward_backward, usage, expect, maximise, losses, prune, learn_pieces, Unigram.best_ways, Unigram.draws)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="none" fill="#7a7f87"><circle cx="16" cy="60" r="4"/><circle cx="48" cy="60" r="4"/><circle cx="80" cy="60" r="4"/><circle cx="112" cy="60" r="4"/><circle cx="144" cy="60" r="4"/></g>
<path d="M16 60h32m0 0h32m0 0h32m0 0h32" opacity=".4"/><path d="M16 56C24 34 72 34 80 56" stroke="#d4620f" stroke-width="4"/>
<path d="M80 56c6-18 26-18 32 0m0 0c6-18 26-18 32 0" stroke="#d4620f" stroke-width="4"/><path d="M48 56C60 8 132 8 144 56M16 64c10 24 86 24 96 0" stroke="#1f77c9" opacity=".6"/></svg>"""

SLUG = "unigram-em"
CORPORA = {"english": "English prose", "family": "one family of words", "toy": "the toy world"}
STEMS = {"walk": 6, "talk": 5, "work": 8, "play": 4, "read": 5, "count": 3}
ENDINGS = {"": 5, "s": 2, "ed": 3, "ing": 4}
STARTS = (100, 200, 400, 800)
ROUNDS = 16
EM_STEPS = 2
DRAWS = 300
SHOWN_CUTS, SHOWN_ARCS, SHOWN_PIECES = 8, 40, 30
LEAST_SHARE = 1e-3  # of an arc that is drawn
SAMPLES = {"Two ways": "together", "Greedy fails": "everything", "A sentence": "the old bridge", "Not in the corpus": "zoë 🦜🦜"}


@dataclass(frozen=True)
class Trained:
    words: Mapping[str, int]
    rounds: list[Round]

    @property
    def characters(self) -> int:
        return sum(len(word) * often for word, often in self.words.items())

    def per_character(self, at: int) -> list[float]:
        """Log-likelihood after the pruning of a round and after each of its EM steps, in nats a character."""
        return [value / self.characters for value in self.rounds[at].path]


@dataclass(frozen=True)
class Result:
    trained: Trained
    corpus: str
    kept: float
    asked: int
    at: int  # rounds of pruning done
    alpha: float
    word: str  # the text with ▁ for blanks
    model: Unigram
    best: list[str]
    arcs: list[tuple[int, int, float]]  # every piece that fits, with its log probability
    shares: list[float]  # of all cuts by P^α, those that go through each arc
    log_z: float  # of P^α
    drawn: Counter[tuple[str, ...]]

    @property
    def here(self) -> Round:
        return self.trained.rounds[self.at]

    def share(self, cut: Sequence[str]) -> float:
        """The share that one cut has among all, by P^α."""
        return math.exp(self.alpha * self.model.log_probability(cut) - self.log_z)

    @property
    def before(self) -> float | None:
        """Nats a character at the end of the round before."""
        return self.trained.per_character(self.at - 1)[-1] if self.at else None


def compute(
    corpus: Annotated[str, Choice(CORPORA, label="Corpus")] = "english",
    start: Annotated[int, Stops(*STARTS, label="Pieces to start with", help="All characters, and the substrings that cover most text.")] = 200,
    kept: Annotated[float, Slider(0.5, 0.9, 0.05, label="Share kept by a pruning", help="The pieces that are missed least go.")] = 0.75,
    rounds: Annotated[int, Slider(0, ROUNDS, 1, label="Prunings done", help="It ends when only characters are left.")] = 2,
    text: Annotated[str, Text(label="Text to cut", limit=24, samples=SAMPLES, rows=1)] = SAMPLES["Two ways"],
    alpha: Annotated[
        float,
        Slider(0.0, 2.0, 0.1, label="α, sharpness of the draws", help="Cuts are drawn by P^α: 0 makes all equal, 1 takes P, more prefers the best."),
    ] = 1.0,
    seed: Annotated[int, Seed(label="Random draw")] = 0,
) -> Result:
    trained = _train(corpus, start, kept)
    at = min(rounds, len(trained.rounds) - 1)
    model = _model(corpus, start, kept, at)
    word = _with_marks(text)
    arcs = list(model.lattice(word))
    shares, log_z = usage(len(word), sharpened(arcs, alpha))
    rng = random.Random(seed)
    draws = itertools.islice(model.draws(word, alpha, iter(rng.random, None)), DRAWS)
    drawn = Counter(map(tuple, draws)) if word else Counter()
    return Result(trained, corpus, kept, rounds, at, alpha, word, model, model.cut(word), arcs, shares, log_z, drawn)


def _with_marks(text: str) -> str:
    """Blanks become ▁, and the text gets one in front, so that its first word is a word like the others."""
    words = text.split()
    return "".join("▁" + word for word in words)


@functools.cache
def _corpus_words(corpus: str) -> dict[str, int]:
    if corpus == "family":
        return {"▁" + stem + ending: often * times for stem, often in STEMS.items() for ending, times in ENDINGS.items()}
    texts = [PROSE] if corpus == "english" else toy_world.documents(0, 60)
    words = Counter(word.strip() if word[:1] != " " else "▁" + word[1:] for text in texts for word in words_of(" " + " ".join(text.split())))
    return {word: often for word, often in words.most_common() if word}


@functools.lru_cache(maxsize=32)
def _train(corpus: str, start: int, kept: float) -> Trained:
    words = _corpus_words(corpus)
    rounds = learn_pieces(words, [0], start=seed(words, start), kept=kept, em_steps=EM_STEPS)
    return Trained(words, list(itertools.islice(rounds, ROUNDS + 1)))


@functools.lru_cache(maxsize=64)
def _model(corpus: str, start: int, kept: float, at: int) -> Unigram:
    return Unigram(_train(corpus, start, kept).rounds[at].p)


def figures(result: Result) -> dict[str, Any]:
    return {
        "The lattice: every piece that fits, and how many cuts use it": _lattice(result),
        "Viterbi keeps one way to each place": _viterbi(result),
        "EM raises the likelihood, late prunings cost some": _likelihood(result),
        "The likeliest pieces, and what the last pruning dropped": _pieces(result),
        "Drawn cuts follow their probabilities": _cuts(result),
    }


def _lattice(result: Result) -> go.Figure:
    """A line per piece from where it begins to where it ends; the best cut lies below, the others on top of it by their share."""
    if not result.word:
        empty = {"type": "scatter", "x": [0], "y": [0], "mode": "text", "text": ["no text to cut"], "name": "no text"}
        return figure([empty], x=axis("place in the text"), y=axis(""))
    chosen = _best_spans(result)
    others = sorted(
        ((i, j, share) for (i, j, _), share in zip(result.arcs, result.shares) if (i, j) not in chosen and share >= LEAST_SHARE),
        key=lambda arc: -arc[2],
    )
    share_of = {(i, j): share for (i, j, _), share in zip(result.arcs, result.shares)}
    laid = [(i, j, share_of.get((i, j), 1.0), 0) for i, j in chosen]
    ends: list[list[tuple[int, int]]] = []
    for i, j, share in others[:SHOWN_ARCS]:
        row = next((row for row, taken in enumerate(ends) if all(j <= first or i >= last for first, last in taken)), len(ends))
        ends += [[]] * (row == len(ends))
        ends[row] = [*ends[row], (i, j)]
        laid.append((i, j, share, row + 1))
    rows = len(ends) + 1
    return figure(
        [_arc(result.word, *arc) for arc in laid],
        x=axis("place in the text", span=(-0.1, len(result.word) + 0.1), ticks={at + 0.5: char for at, char in enumerate(result.word)}),
        y=axis("", span=(-0.5, rows - 0.2), ticks={0: "best cut"}),
        height=max(220, 100 + 44 * rows),
        showlegend=False,
    )


def _best_spans(result: Result) -> list[tuple[int, int]]:
    ends = list(itertools.accumulate(map(len, result.best)))
    return list(zip([0, *ends], ends))


def _arc(word: str, i: int, j: int, share: float, row: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+text",
        "x": small([i + 0.06, (i + j) / 2, j - 0.06]),
        "y": small([row, row, row]),
        "text": ["", f"{word[i:j]} {share:.0%}" if share >= 0.005 else word[i:j], ""],
        "textposition": "top center",
        "textfont": {"size": 12 if j - i > 1 else 11},
        "line": {"color": PALETTE[1] if row == 0 else _faded(PALETTE[0], 0.25 + 0.75 * share), "width": 7 if row == 0 else 5},
        "name": f"{word[i:j]}: {numeral(share)}",
        "hovertemplate": f"“{word[i:j]}”: {share:.3f} of all cuts<extra></extra>",
    }


def _faded(colour: str, opacity: float) -> str:
    """The line only: words on it stay readable."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:.2f})"


def _viterbi(result: Result) -> Playback:
    word, model = result.word, result.model
    if not word:
        return Playback([Frame("No text to cut.", [[Cell("–")]])], height=200)
    best, before = model.best_ways(word)
    frames = [Frame("The beginning needs no piece: log probability 0.", _ways(word, best, before, 0))]
    for end in range(1, len(word) + 1):
        frames.append(Frame(_way_says(result, best, before, end), _ways(word, best, before, end)))
    frames.append(Frame(f"Back from the end, piece by piece: {_dotted(result.best)}.", _ways(word, best, before, len(word), result)))
    return Playback(
        frames,
        row_names=("character", "best log p so far", "last piece of it"),
        tones={1: "being decided", 2: "in the best cut"},
        start=len(frames) - 1,
        height=300,
    )


def _ways(word: str, best: Sequence[float], before: Sequence[int], known: int, result: Result | None = None) -> list[list[Cell | None]]:
    """What is known when the first `known` characters have been decided; with a result, its best cut is marked."""
    ends = {end for _, end in _best_spans(result)} if result else set()
    starts = {end: start for start, end in _best_spans(result)} if result else {}
    rows: list[list[Cell | None]] = [[Cell(char) for char in word], [], []]
    for end in range(1, len(word) + 1):
        now = end == known and result is None
        tone = 1 if now else 2 if end in ends else 0
        if end > known:
            rows[1].append(None)
            rows[2].append(None)
            continue
        last = word[starts.get(end, before[end]) : end]
        rows[1].append(Cell(f"{best[end]:.1f}", 0.2 * (tone > 0), tone, now))
        rows[2].append(Cell(last, 0.2 * (tone > 0), tone, now or end in ends))
    return rows


def _way_says(result: Result, best: Sequence[float], before: Sequence[int], end: int) -> str:
    word = result.word
    ways = sorted(((best[i] + log_p, i) for i, j, log_p in result.arcs if j == end), reverse=True)
    listed = "; ".join(f"{_quoted(word[:i])} and “{word[i:end]}”: {numeral(value)}" for value, i in ways[:3])
    more = f"; {len(ways) - 3} more" if len(ways) > 3 else ""
    kept = f"The first of them is kept: its last piece is “{word[before[end] : end]}”." if len(ways) > 1 else "There is no other way."
    return f"To reach “{word[:end]}”: {listed}{more}. {kept}"


def _quoted(text: str) -> str:
    return f"the best cut of “{text}”" if text else "nothing"


def _likelihood(result: Result) -> go.Figure:
    """Every E step of the training measures the likelihood once: right after a pruning, and after each EM step."""
    x: list[float] = []
    y: list[float] = []
    for at in range(len(result.trained.rounds)):
        values = result.trained.per_character(at)
        x += [at + step / (len(values) + 1) for step in range(len(values))]
        y += values
    pruned = [place for place, where in enumerate(x) if float(where).is_integer()]
    step = {"type": "scatter", "x": small(x), "y": small(y), "mode": "lines+markers", "name": "EM step"}
    drop = {
        "type": "scatter",
        "x": small([x[at] for at in pruned]),
        "y": small([y[at] for at in pruned]),
        "mode": "markers",
        "name": "right after pruning",
    }
    return figure(
        [
            step | {"line": {"color": PALETTE[0], "width": 2.5}, "marker": {"size": 6}},
            drop | {"marker": {"color": PALETTE[1], "symbol": "square", "size": 10}},
        ],
        x=axis("rounds, each with the pieces left in it", ticks={at: f"{len(each.p)}" for at, each in enumerate(result.trained.rounds)}),
        y=axis("log-likelihood, nats per character"),
        upright=[(result.at, "")],
    )


def _pieces(result: Result) -> TokenStrip:
    likeliest = sorted((piece for piece in result.here.p if len(piece) > 1), key=lambda piece: -result.here.p[piece])[:SHOWN_PIECES]
    rows = [_listed("likeliest pieces of more than one character, with p", likeliest, result.here.p)]
    if result.here.dropped:
        dearest = sorted(result.here.dropped, key=lambda piece: -result.here.dropped[piece])[:SHOWN_PIECES]
        rows.append(
            _listed(f"dropped before this round ({len(result.here.dropped)}), dearest first, with the loss in nats", dearest, result.here.dropped)
        )
    return TokenStrip(rows, value_name="share of the first")


def _listed(name: str, pieces: Sequence[str], value: Mapping[str, float]) -> Strip:
    most = max((value[piece] for piece in pieces), default=0) or 1.0
    if not pieces:
        return Strip(name, ["none is left"])
    return Strip(name, pieces, values=[0.6 * value[piece] / most for piece in pieces], marks=[_rounded(value[piece]) for piece in pieces])


def _rounded(value: float) -> str:
    return numeral(value, 2) if value >= 1e-4 else "0"


def _cuts(result: Result) -> go.Figure:
    if not result.drawn:
        return bars(["no text"], [0.0], x_axis=axis("cut"), y_axis=axis("share"))
    known = sorted({*result.drawn, tuple(result.best)}, key=result.share, reverse=True)[:SHOWN_CUTS]
    drawn, expected = [result.drawn[cut] / DRAWS for cut in known], [result.share(cut) for cut in known]
    rest = "all others"
    return bars(
        [*map(_dotted, known), rest],
        {"expected": [*expected, max(1 - sum(expected), 0.0)], f"of {DRAWS} draws": [*drawn, max(1 - sum(drawn), 0.0)]},
        x_axis=axis("cut"),
        y_axis=axis("share", span=(0, 1.02)),
        height=380,
    )


def _dotted(pieces: Sequence[str]) -> str:
    return " · ".join(pieces)


def facts(result: Result) -> dict[str, float]:
    now = result.trained.per_character(result.at)
    return {
        "rounds": result.at,
        "start": len(result.trained.rounds[0].p),
        "pieces": len(result.here.p),
        "now": now[-1],
        "after pruning": now[0],
        "before": result.before or 0,
        "tokens": len(result.best),
        "alpha": result.alpha,
        "share of the best": result.share(result.best),
        "cuts drawn": len(result.drawn),
        "draws": DRAWS,
    }


def says(result: Result) -> str:
    now = result.trained.per_character(result.at)
    done = "Before any pruning" if not result.at else f"After {_some(result.at, 'pruning')}"
    state = f"{done} {_some(len(result.here.p), 'piece')} of {len(result.trained.rounds[0].p):,} are left"
    fit = f"; EM brings the log-likelihood from {numeral(now[0], 4)} to {numeral(now[-1], 4)} nats a character"
    if result.before is not None:
        fit += f" (before the last pruning it was {numeral(result.before, 4)})"
    if not result.word:
        return f"{state}{fit}."
    cut = f"; the best cut of the text has {_some(len(result.best), 'token')}, “{_dotted(result.best)}”"
    return (
        f"{state}{fit}{cut}, and at α = {numeral(result.alpha)} its share of all cuts is {numeral(result.share(result.best))}, "
        f"while {DRAWS} draws gave {_some(len(result.drawn), 'different cut')}."
    )


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


TRY = [
    Experiment(
        title="A quarter of the vocabulary gone",
        settings={"rounds": 1},
        ask="The first pruning drops 50 of 200 pieces. What does it cost the likelihood?",
        options=("About a quarter of it", "Next to nothing", "It rises clearly: fewer pieces are easier to fit"),
        right=1,
        why="The seed is full of pieces that hardly any probable cut uses: `hat` is frequent, but only inside “that”, which is a piece itself. EM has taken their "
        "probability away already, so dropping them changes next to nothing. The price comes later.",
        look="Third picture: the first two squares lie as high as the points before them. Fourth: the losses in nats.",
        holds=lambda result: abs(result.trained.per_character(1)[0] - result.before) < 0.02 and len(result.here.dropped) == 50,
        tempting={
            0: "Pieces are not worth the same: the pruning takes the cheapest.",
            2: "Fewer pieces can only explain less; what they free is handed to others.",
        },
    ),
    Experiment(
        title="When pruning begins to hurt",
        settings={"rounds": 5},
        ask="Round 5 leaves little more than the characters. Right after the pruning the likelihood has dropped. What do the EM steps of that round do?",
        options=("They win all of it back", "They win back a small part", "They lower it further"),
        right=1,
        why="An EM step never lowers the likelihood: it moves probability to the pieces that must now stand in. But characters cannot say what `▁the` said, so most of the "
        "loss is final. Rise within a round, drop between rounds: the likelihood of a small vocabulary is the price of its size.",
        look="Third picture, at the right: each square lies below the point before it, the points after it rise a little.",
        holds=lambda result: result.before - 0.1 > result.trained.per_character(5)[-1] > result.trained.per_character(5)[0],
        tempting={0: "That happens in the first rounds, where nothing was lost.", 2: "EM can only raise the likelihood or leave it."},
    ),
    Experiment(
        title="The longest piece is not the best",
        settings={"text": "everything"},
        ask="After `▁every` the vocabulary has t, hi, h, n, g and `ing`. Longest match from the left would take t, then hi. What does Viterbi choose?",
        options=("t · hi · n · g, the longest each time", "t · h · ing", "Both have the same probability"),
        right=1,
        why="hi blocks `ing`, and n · g costs two factors where `ing` costs one. Viterbi compares whole ways, not next pieces: when it reaches the end, the way over h wins.",
        look="Second picture, the last steps: the way that ends in “ing” beats the one that ends in “g”.",
        holds=lambda result: result.best == ["▁every", "t", "h", "ing"] and {"hi", "n", "g"} <= set(result.here.p),
        tempting={0: "That is WordPiece, which never looks ahead.", 2: "Three pieces against four, and each piece is a factor below 1."},
    ),
    Experiment(
        title="α = 0",
        settings={"alpha": 0.0},
        ask="Cuts are drawn in proportion to $P^\\alpha$. At $\\alpha=1$ one cut of “together” has most of the weight. And at $\\alpha=0$?",
        options=("Still the best one, only less often", "All possible cuts are equally likely", "The text is always cut into characters"),
        right=1,
        why="$P^0=1$ for each cut, so a draw picks any of them. Subword regularisation uses values between, such as 0.1 to 0.5: other cuts appear, and the improbable "
        "ones still stay rare.",
        look="Fifth picture: equal bars of what is expected, and the draws scattered around them. First picture: all pieces have become visible.",
        holds=lambda result: abs(result.share(result.best) - 1 / round(math.exp(result.log_z))) < 1e-9 and len(result.drawn) > 5,
        tempting={0: "That is true of every α between 0 and 1.", 2: "The cut into characters is one of many."},
    ),
    Experiment(
        title="Two birds, how many tokens?",
        settings={"text": "🦜🦜"},
        ask="The corpus has no bird. With the blank in front, how many tokens is “🦜🦜”?",
        options=("Two: ▁ and one unknown", "Three: ▁ and two unknowns", "Nine: ▁ and eight bytes"),
        right=0,
        why="A character without a piece gets a very small probability of its own, so that a cut exists at all, and a run of them is written as one unknown token. The two "
        "birds cannot be told from one. Byte fallback, as in Llama 2, would make eight byte tokens of them.",
        look="First and second picture: the last piece of the best cut.",
        holds=lambda result: result.best == ["▁", "🦜🦜"],
        tempting={1: "Each is unknown on its own, but neighbours are joined.", 2: "That needs the 256 bytes in the vocabulary."},
    ),
]


def verify() -> list[Check]:
    """Cuts, draws and the likelihood against the library; sums over all cuts against a list of them."""
    return [
        *(_against_viterbi(corpus) for corpus in CORPORA),
        *_against_listed_cuts(),
        _against_their_draws(),
        _against_their_trainer(),
    ]


def _against_viterbi(corpus: str) -> Check:
    from tokenizers.models import Unigram as TheirUnigram

    trained = _train(corpus, 200, 0.75)
    words = [*_corpus_words("english"), *_corpus_words("family"), "▁zoë", "▁🦜🦜", "▁低"]
    different = 0
    for at in (0, 2, len(trained.rounds) - 1):
        ours = _model(corpus, 200, 0.75, at)
        theirs = TheirUnigram([("<unk>", 0.0), *ours.log_p.items()], unk_id=0)
        for word in words:
            cut, expected = ours.cut(word), [token.value for token in theirs.tokenize(word)]
            # two cuts may be equally probable; then either is right
            different += cut != expected and abs(ours.log_probability(cut) - ours.log_probability(expected)) > 1e-9
    return Check(f"{3 * len(words)} words cut, {CORPORA[corpus]}", "tokenizers Unigram", different, 0)


def _listed_cuts(word: str, known: Mapping[str, float]) -> Iterator[list[str]]:
    """All cuts, by all ways to choose the places between characters."""
    for places in itertools.product((False, True), repeat=len(word) - 1):
        ends = [at + 1 for at, cut in enumerate(places) if cut]
        pieces = [word[i:j] for i, j in zip([0, *ends], [*ends, len(word)])]
        if all(piece in known for piece in pieces):
            yield pieces


def _against_listed_cuts() -> list[Check]:
    trained = _train("english", 200, 0.75)
    p = trained.rounds[1].p
    model = Unigram(p)
    words = {"▁together": 3, "▁weather": 2, "▁the": 5, "▁bridges": 1}
    counts, log_likelihood = expect(words, {word: spans_of(word, p) for word in words}, p)
    wanted: Counter[str] = Counter()
    likelihood, powered = 0.0, 0.0
    for word, often in words.items():
        cuts = list(_listed_cuts(word, p))
        chances = [math.prod(p[piece] for piece in cut) for cut in cuts]
        likelihood += often * math.log(sum(chances))
        for cut, chance in zip(cuts, chances):
            for piece in cut:
                wanted[piece] += often * chance / sum(chances)
        _, log_z = usage(len(word), sharpened(model.lattice(word), 0.5))
        powered = max(powered, abs(log_z - math.log(sum(chance**0.5 for chance in chances))))
    source = "all cuts listed one by one"
    return [
        Check("expected counts of the E step", source, max(abs(counts[piece] - wanted[piece]) for piece in counts), 1e-9),
        Check("log-likelihood", source, abs(log_likelihood - likelihood), 1e-9),
        Check("log of the sum of P^0.5, which draws divide by", source, powered, 1e-9),
    ]


def _against_their_draws() -> Check:
    """The library draws with a random state of its own, so shares are compared: 20,000 draws, a tolerance of six standard deviations.

    At α = 1 only: at another one the library raises to it again what leads up to a piece, so that cuts of three pieces come out off their share."""
    from tokenizers.models import Unigram as TheirUnigram

    p = {"un": 0.1, "able": 0.1, "u": 0.05, "nable": 0.05, "n": 0.3}
    ours, draws = Unigram(p), 20_000
    theirs = TheirUnigram([("<unk>", -40.0), *ours.log_p.items()], unk_id=0, alpha=1.0)
    drawn = Counter(tuple(token.value for token in theirs.tokenize("unable")) for _ in range(draws))
    _, log_z = usage(6, list(ours.lattice("unable")))
    worst = max(abs(math.exp(ours.log_probability(cut) - log_z) - drawn[tuple(cut)] / draws) for cut in _listed_cuts("unable", p))
    return Check(f"shares of cuts in {draws:,} draws, α = 1", "tokenizers Unigram(alpha=1)", worst, 0.021)


def _against_their_trainer() -> Check:
    """The trainers differ in their seeds and their M step; ours may not explain the text worse than theirs with as many pieces."""
    import json

    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import Unigram as TheirUnigram
    from tokenizers.trainers import UnigramTrainer

    words, border = _corpus_words("english"), "\ue000"
    theirs = Tokenizer(TheirUnigram())
    theirs.pre_tokenizer = pre_tokenizers.Split(Regex(border), "removed")
    trainer = UnigramTrainer(
        vocab_size=200, shrinking_factor=0.75, n_sub_iterations=2, max_piece_length=8, special_tokens=[], unk_token=None, show_progress=False
    )
    theirs.train_from_iterator([border.join([word] * often) for word, often in words.items()], trainer)
    p = {piece: math.exp(log_p) for piece, log_p in json.loads(theirs.to_str())["model"]["vocab"]}
    total = sum(p.values())
    p = {piece: share / total for piece, share in p.items()}
    *_, ours = learn_pieces(words, [len(p)])
    _, their_likelihood = expect(words, {word: spans_of(word, p) for word in words}, p)
    behind = max(their_likelihood - ours.log_likelihood, 0.0) / sum(len(word) * often for word, often in words.items())
    return Check(f"nats per character that {len(p)} pieces fall behind", "tokenizers UnigramTrainer, as many pieces", behind, 0)


# Computed questions; what was drawn travels in settings["drawn"].

STEMS_ASKED = ("unable", "replay", "lowest", "newest", "walked", "higher", "nested")
CHANCES = (0.2, 0.15, 0.1, 0.08, 0.05, 0.04, 0.02, 0.01)


def _two_cuts(rng: random.Random) -> tuple[str, dict[str, float], list[list[str]]]:
    """A word and four pieces that cut it in exactly two ways."""
    word = rng.choice(STEMS_ASKED)
    first, other = rng.sample(range(1, len(word)), 2)
    pieces = [word[:first], word[first:], word[:other], word[other:]]
    p = dict(zip(pieces, rng.choices(CHANCES, k=4)))
    return word, p, [pieces[:2], pieces[2:]]


def _with_chances(p: Mapping[str, float]) -> str:
    return ", ".join(f"$p(\\text{{{piece}}})={chance}$" for piece, chance in p.items())


def ask_expected_count(rng: random.Random) -> Question:
    while True:
        word, p, (one, other) = _two_cuts(rng)
        model = Unigram(p)
        arcs = list(model.lattice(word))
        shares, _ = usage(len(word), arcs)
        right = next(share for (i, j, _), share in zip(arcs, shares) if word[i:j] == one[0] and i == 0)
        a, b = (math.prod(p[piece] for piece in cut) for cut in (one, other))
        mistakes = [
            Mistake("not-divided", a, "This is the probability of the cut itself; its share among all cuts is asked for."),
            Mistake("other-cut", b / (a + b), "This is the share of the other cut."),
            Mistake("best-cut-only", 1.0 if a > b else 0.0, "This counts the best cut only (hard counts); EM weighs all cuts."),
            Mistake("added", (p[one[0]] + p[one[1]]) / sum(p.values()), "The pieces of a cut multiply, they do not add."),
            Mistake("share-of-p", p[one[0]] / (p[one[0]] + p[other[0]]), "This compares the first pieces only; the whole cuts have to be compared."),
            Mistake("odds", a / b, "These are the odds of the two cuts, not a share."),
        ]
        options = number_options(rng, right, "The probability of the one cut, divided by that of all.", mistakes)
        if 0.03 < right < 0.97 and len(p) == 4 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"The pieces that fit “{word}” are {_with_chances(p)}, so it has the cuts {_dotted(one)} and {_dotted(other)}. What expected count does one "
        f"occurrence of the word add for `{one[0]}` in an EM step?",
        answer="Each cut counts with its share of the total probability, $P(\\mathbf x)/Z$.",
        options=options,
        working=(f"{_dotted(one)}: {numeral(a)}", f"{_dotted(other)}: {numeral(b)}", f"{numeral(a)} / {numeral(a + b)} = {numeral(right)}"),
        lab=SLUG,
        settings={"drawn": [word, p, one[0]]},
        level=2,
    )


def second_expected_count(question: Question) -> float:
    """All cuts listed, those that begin with the piece against all."""
    word, p, piece = question.settings["drawn"]
    chances = {tuple(cut): math.prod(p[part] for part in cut) for cut in _listed_cuts(word, p)}
    return sum(chance for cut, chance in chances.items() if cut[0] == piece) / sum(chances.values())


def ask_sampling(rng: random.Random) -> Question:
    while True:
        _, p, (one, other) = _two_cuts(rng)
        alpha = rng.choice([0.25, 0.5, 2.0])
        a, b = sorted((math.prod(p[piece] for piece in cut) for cut in (one, other)), reverse=True)
        right = a**alpha / (a**alpha + b**alpha)
        mistakes = [
            Mistake("alpha-ignored", a / (a + b), "This is $\\alpha=1$: the cuts weighed by $P$ itself."),
            Mistake(
                "divided-by-alpha",
                a ** (1 / alpha) / (a ** (1 / alpha) + b ** (1 / alpha)),
                "This raises to $1/\\alpha$: α is a sharpness, one over a temperature.",
            ),
            Mistake("less-likely", b**alpha / (a**alpha + b**alpha), "This is the share of the less likely cut."),
            Mistake("best-only", 1.0, "Only a very large α always draws the best cut."),
            Mistake("equal", 0.5, "That would be $\\alpha=0$."),
        ]
        options = number_options(rng, right, "Both probabilities to the power α, then the share.", mistakes)
        if a > 1.5 * b and right < 0.98 and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A word has two cuts, with the probabilities {numeral(a, 6)} and {numeral(b, 6)}. Cuts are drawn in proportion to $P^\\alpha$ with $\\alpha={numeral(alpha)}$. "
        "How often, as a share, is the likelier one drawn?",
        answer="Raise both to the power α and divide by their sum.",
        options=options,
        working=(
            f"the ratio of the two is {numeral(a / b)}",
            f"to the power {numeral(alpha)}: {numeral((a / b) ** alpha)}",
            f"share {numeral(right)}",
        ),
        lab=SLUG,
        settings={"alpha": 0.5, "drawn": [a, b, alpha]},
        level=2,
    )


def second_sampling(question: Question) -> float:
    """A logistic function of α times the difference of the logarithms."""
    a, b, alpha = question.settings["drawn"]
    return 1 / (1 + math.exp(-alpha * (math.log(a) - math.log(b))))


def ask_best_cut(rng: random.Random) -> Question:
    while True:
        word = rng.choice(STEMS_ASKED)
        ends = [[0, *sorted(rng.sample(range(1, len(word)), rng.choice([1, 2]))), len(word)] for _ in range(3)]
        pieces = dict.fromkeys(word[i:j] for way in ends for i, j in itertools.pairwise(way))
        p = {piece: rng.choice(CHANCES) for piece in pieces}
        cuts = sorted(_listed_cuts(word, p), key=lambda cut: -math.prod(p[piece] for piece in cut))
        if not 4 <= len(cuts) <= 8:
            continue
        chance = [math.prod(p[piece] for piece in cut) for cut in cuts]
        right = _dotted(Unigram(p).cut(word))
        mistakes = [
            Mistake("longest-match", _dotted(_longest_match(word, p)), "This takes the longest piece from the left each time."),
            Mistake(
                "best-average",
                _dotted(max(cuts, key=lambda cut: sum(p[piece] for piece in cut))),
                "This adds the probabilities; those of a cut multiply.",
            ),
            Mistake("most-pieces", _dotted(max(cuts, key=len)), "Each further piece is a factor below 1."),
            Mistake("fewest-pieces", _dotted(min(cuts, key=len)), "Fewer pieces help, but rare ones cost more than they save."),
            Mistake("runner-up", _dotted(cuts[1]), f"This is the second best, with {numeral(chance[1])}."),
            Mistake("third", _dotted(cuts[2]), f"This one has only {numeral(chance[2])}."),
            Mistake("fourth", _dotted(cuts[3]), f"This one has only {numeral(chance[3])}."),
        ]
        options = number_options(rng, right, f"Its product is the largest, {numeral(chance[0])}.", mistakes)
        if chance[0] > 1.2 * chance[1] and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A Unigram tokenizer has the pieces {_with_chances(p)}. What is the best cut of `{word}`?",
        answer="The cut with the largest product of probabilities.",
        options=options,
        working=tuple(f"{_dotted(cut)}: {numeral(value)}" for cut, value in zip(cuts[:4], chance)),
        lab=SLUG,
        settings={"text": word, "drawn": [word, p]},
        level=2,
    )


def _longest_match(word: str, p: Mapping[str, float]) -> list[str]:
    cut: list[str] = []
    while word:
        size = next((size for size in range(len(word), 0, -1) if word[:size] in p), 1)
        cut, word = [*cut, word[:size]], word[size:]
    return cut


def second_best_cut(question: Question) -> str:
    """The largest sum of logarithms among all cuts, listed."""
    word, p = question.settings["drawn"]
    return _dotted(max(_listed_cuts(word, p), key=lambda cut: sum(map(math.log, (p[piece] for piece in cut)))))


questions = {"expected-count": ask_expected_count, "sampling-share": ask_sampling, "best-cut": ask_best_cut}
second = {"expected-count": second_expected_count, "sampling-share": second_sampling, "best-cut": second_best_cut}
