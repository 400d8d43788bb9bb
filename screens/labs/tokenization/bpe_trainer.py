"""Train BPE step by step

Byte-pair encoding starts from single symbols and merges the most frequent pair of neighbours, again and again. The ordered
list of merges is the whole tokenizer: a new word is cut by replaying them in the order they were learned.

Choose a corpus and how its words are written: as bytes with the blank before the word (GPT-2's way), or as characters with no
end mark, with an end mark of its own, or with the mark glued to the last character (Sennrich et al.). Then move the number of
merges and see which pair comes next, how the corpus shrinks, and how your own text is built from the merges.

Pairs are counted inside words only, each word as often as it stands in the corpus. Equal counts are decided by the smaller ids,
as in the tokenizers library. A merge joins two current symbols of any length, not two characters.
"""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import plotly.graph_objects as go

from backend.questions import Form, Question
from models import toy_world
from models.byte_pair import ALPHABET, BytePairTokenizer, Merge, Pair, count_pairs, merge, merge_frequent, replay, words_of
from models.character_pair import UNKNOWN, CharacterPairTokenizer, alphabet, symbols
from models.languages import PROSE
from screens.labs import Check, Choice, Experiment, Mistake, Slider, Text, number_options, numeral
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Frame, Node, Playback, Strip, TokenStrip, Tree

TOPIC = "byte-pair-encoding"
REFERENCE = "tokenizers: BpeTrainer and BPE (end_of_word_suffix for the glued mark)"
MECHANISM = (merge_frequent, count_pairs, merge, replay, symbols)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<g stroke="#7a7f87"><rect x="16" y="64" width="18" height="16" rx="3"/><rect x="40" y="64" width="18" height="16" rx="3"/><rect x="64" y="64" width="18" height="16" rx="3"/>
<rect x="102" y="64" width="18" height="16" rx="3"/><rect x="126" y="64" width="18" height="16" rx="3"/></g>
<path d="M25 64l10-10m14 10-10-10M111 64l8-10m16 10-8-10M38 38l8-10m27 36L52 28m71 10L74 16M44 24l20-8" opacity=".5"/>
<g stroke="#1f77c9"><rect x="24" y="38" width="26" height="16" rx="3"/><rect x="110" y="38" width="26" height="16" rx="3"/></g>
<rect x="44" y="8" width="44" height="18" rx="3" stroke="#d4620f" fill="#d4620f" fill-opacity=".25"/></svg>"""

SLUG = "bpe-trainer"
MOST = 200  # merges
TEXTBOOK = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
CORPORA = {"textbook": "four words of a textbook", "english": "English prose", "toy": "the toy world"}
BASES = {"own": "characters and an end mark", "glued": "characters, end mark glued on", "none": "characters, no end mark", "bytes": "bytes, blank in front"}
SAMPLES = {"Unseen": "lowest newer", "Another ending": "estate", "Other letters": "blow 🦜", "A sentence": "The bakers waited near the river."}
LEADERS, FOLLOWED, BRANCHES = 10, 8, 4  # pairs in the first picture, words in the second, words in the tree
TREE_SYMBOLS = 40
Words = list[list[int]]


@dataclass(frozen=True)
class Trained:
    """A corpus after each merge. Words that a merge does not touch are shared between the states."""

    words: dict[str, int]
    states: list[Words]  # states[n]: the words after n merges
    merges: list[Merge]
    first: int  # size of the alphabet
    show: Any  # id -> the piece as text

    def tokenizer(self, base: str, merges: int) -> Any:
        pairs = [step.pair for step in self.merges[:merges]]
        return BytePairTokenizer(pairs) if base == "bytes" else CharacterPairTokenizer(alphabet(self.words, base), pairs, base)


@dataclass(frozen=True)
class Result:
    base: str
    corpus: str
    asked: int  # merges asked for
    merges: int  # merges there are, up to that many
    trained: Trained
    text: list[str]  # its words
    cuts: list[list[list[int]]]  # per word: its symbols, then after each merge that applies
    leaders: list[tuple[Pair, int]]  # the most frequent pairs now, the next one to be merged first
    curves: dict[str, list[float]]  # tokens per word after 0, 1, 2 … merges

    @property
    def tokens(self) -> list[list[int]]:
        return [steps[-1] for steps in self.cuts]

    @property
    def unknown(self) -> int:
        return sum(token == UNKNOWN for word in self.tokens for token in word)


def compute(
    corpus: Annotated[str, Choice(CORPORA, label="Corpus", help="low ×5, lower ×2, newest ×6, widest ×3; or some pages of text.")] = "textbook",
    base: Annotated[str, Choice(BASES, label="How words are written", help="The alphabet that training starts from.")] = "own",
    merges: Annotated[int, Slider(0, MOST, 1, label="Merges learned", help="Training stops early when no pair stands twice.")] = 4,
    text: Annotated[str, Text(label="Text to encode", limit=120, samples=SAMPLES, help="It is cut by replaying the merges learned so far.")] = SAMPLES["Unseen"],
) -> Result:
    trained = _train(corpus, base)
    learned = min(merges, len(trained.merges))
    words = [word for word in words_of(text) if word.strip()]
    words = words if base == "bytes" else [word.strip() for word in words]
    tokenizer = trained.tokenizer(base, learned)
    cuts = [list(tokenizer.steps(word)) for word in words]
    curves = {"your text": _lengths([steps[0] for steps in cuts], trained)} if words else {}
    return Result(base, corpus, merges, learned, trained, words, cuts, _leaders(trained, learned), curves | _corpus_curves(corpus, base))


def _corpus_words(corpus: str, base: str) -> dict[str, int]:
    if corpus == "textbook":
        return {" " + word if base == "bytes" else word: often for word, often in TEXTBOOK.items()}
    texts = [PROSE] if corpus == "english" else list(toy_world.documents(0, 150))
    words = Counter(word if base == "bytes" else word.strip() for text in texts for word in words_of(text) if word.strip())
    return dict(words.most_common())


@functools.cache
def _train(corpus: str, base: str) -> Trained:
    words = _corpus_words(corpus, base)
    letters: Sequence[Any] = ALPHABET if base == "bytes" else alphabet(words, base)
    number = {letter: place for place, letter in enumerate(letters)}
    written = [[number[part] for part in _parts(word, base)] for word in words]
    states, learned = [list(written)], []
    for _, step in zip(range(MOST), merge_frequent(written, list(words.values()), len(letters))):
        learned.append(step)
        states.append(list(written))
    pieces = list(letters)
    for step in learned:
        pieces.append(pieces[step.pair[0]] + pieces[step.pair[1]])
    return Trained(words, states, learned, len(letters), lambda token: "<unk>" if token == UNKNOWN else _as_text(pieces[token]))


def _parts(word: str, base: str) -> Iterable[Any]:
    return (bytes([byte]) for byte in word.encode()) if base == "bytes" else symbols(word, base)


def _as_text(piece: str | bytes) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "‹" + piece.hex("-") + "›"


def _leaders(trained: Trained, merges: int) -> list[tuple[Pair, int]]:
    """Counted afresh from the corpus as it stands now."""
    pairs: Counter[Pair] = Counter()
    for word, often in zip(trained.states[merges], trained.words.values()):
        for pair in pairwise(word):
            pairs[pair] += often
    return sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:LEADERS]


def _lengths(words: Words, trained: Trained) -> list[float]:
    """Tokens per word after 0, 1, 2 … merges; applying them in order is the same as replaying them by rank."""
    lengths = [sum(map(len, words)) / len(words)]
    for step in trained.merges:
        words = [merge(word, step.pair, step.token) for word in words]
        lengths.append(sum(map(len, words)) / len(words))
    return lengths


@functools.cache
def _corpus_curves(corpus: str, base: str) -> dict[str, list[float]]:
    """A corpus of real text falls into its most frequent words and those that stand once."""
    trained = _train(corpus, base)
    often = list(trained.words.values())
    top = sorted(often, reverse=True)[max(len(often) // 10 - 1, 0)]
    groups = {
        f"frequent: {top} or more": [place for place, count in enumerate(often) if count >= top],
        "rare: once": [place for place, count in enumerate(often) if count == 1],
    }
    if corpus == "textbook":
        groups = {f"{word.strip()} ×{count}": [place] for place, (word, count) in enumerate(trained.words.items())}
    return {name: [sum(len(state[place]) for place in places) / len(places) for state in trained.states] for name, places in groups.items() if places}


def figures(result: Result) -> dict[str, Any]:
    return {
        "The next pair to be merged": _pair_bars(result),
        "The corpus, merge by merge": _corpus_frames(result),
        "The merge list": _merge_list(result),
        "How your text is built": _merge_tree(result),
        "Tokens per word": _curves(result),
    }


def _spelled(result: Result, pair: Pair) -> str:
    return " + ".join(result.trained.show(part).replace(" ", "␣") for part in pair)


def _pair_bars(result: Result) -> go.Figure:
    labels = [_spelled(result, pair) for pair, _ in result.leaders] or ["no pair is left"]
    counts = [count for _, count in result.leaders] or [0]
    going = counts[0] > 1
    return bars(
        labels,
        {"merged next": [counts[0] * going, *[0] * (len(counts) - 1)], "waiting": [counts[0] * (not going), *counts[1:]]},
        x_axis=axis("pair of neighbours"),
        y_axis=axis("how often, words weighted by their counts"),
        colour=1,
        barmode="stack",
    )


def _corpus_frames(result: Result) -> Playback:
    """The most frequent words of more than three letters, so that there is something to see."""
    trained = result.trained
    names = list(trained.words)
    chosen = [place for place, word in enumerate(names) if result.corpus == "textbook" or len(word.strip()) > 3][:FOLLOWED]
    width = max(len(trained.states[0][place]) for place in chosen)
    frames = []
    for step in range(result.merges + 1):
        new = trained.merges[step - 1].token if step else -1
        rows: list[list[Cell | None]] = []
        for place in chosen:
            word = trained.states[step][place]
            cells = [Cell(trained.show(token).replace(" ", "␣"), level=0.15 * (token >= trained.first), tone=int(token >= trained.first), mark=token == new) for token in word]
            rows.append([*cells, *[None] * (width - len(cells))])
        frames.append(Frame(_frame_says(result, step), rows))
    heads = [f"{names[place].strip()} ×{trained.words[names[place]]}" for place in chosen]
    return Playback(frames, row_names=heads, tones={1: "made by a merge"}, start=result.merges, height=360)


def _frame_says(result: Result, step: int) -> str:
    if not step:
        return "Every word in single symbols."
    made = result.trained.merges[step - 1]
    return f"Merge {step}: {_spelled(result, made.pair)}, which stood side by side {made.count:,} times."


def _merge_list(result: Result) -> TokenStrip:
    trained = result.trained
    learned = trained.merges[: result.merges]
    if not learned:
        return TokenStrip([Strip("No merge yet: the alphabet alone", [trained.show(token) for token in range(min(trained.first, 60))])])
    strip = Strip(
        f"{len(learned)} merges in the order they were learned, with the count of each; click one to stand just before it",
        [trained.show(step.token) for step in learned],
        values=[step.count / learned[0].count * 0.6 for step in learned],
        marks=[f"{step.count:,}" for step in learned],
        notes=[f"merge {place}: {_spelled(result, step.pair)}" for place, step in enumerate(learned, 1)],
    )
    return TokenStrip([strip], value_name="shade", sets="merges")


def _merge_tree(result: Result) -> Tree:
    """One tree per word: its tokens, and inside each token the two parts it was merged from, down to single symbols."""
    trained, nodes = result.trained, []
    parts = {step.token: (place, step) for place, step in enumerate(trained.merges, 1)}

    def grow(token: int, parent: int) -> None:
        at = len(nodes)
        place, made = parts.get(token, (0, None))
        note = f"merge {place}, learned from {made.count:,} pairs" if made else "not in the alphabet" if token == UNKNOWN else "a symbol of the alphabet"
        nodes.append(Node(trained.show(token).replace(" ", "␣"), parent, f"merge {place}" if made else "", "dropped" if token == UNKNOWN else "open", note))
        for part in made.pair if made else ():
            grow(part, at)

    budget = TREE_SYMBOLS
    for place, (word, steps) in enumerate(zip(result.text, result.cuts)):
        budget -= len(steps[0])
        if place == BRANCHES or (place and budget < 0):
            break
        root = len(nodes)
        count = len(steps[-1])
        nodes.append(Node(word.strip(), -1, f"{count} token{'s' * (count > 1)}", "chosen", f"{count} tokens: {_list(result, steps[-1])}"))
        for token in steps[-1]:
            grow(token, root)
    if not nodes:
        nodes.append(Node("(no word)", -1, note="Type a word, and its merges will stand here."))
    return Tree(nodes, states={"chosen": "word", "dropped": "unknown"}, height=max(260, min(46 * (len(nodes) - len({node.parent for node in nodes}) + 1), 720)))


def _list(result: Result, tokens: Sequence[int]) -> str:
    return ", ".join(result.trained.show(token) for token in tokens[:20])


def _curves(result: Result) -> go.Figure:
    steps = range(len(result.trained.merges) + 1)
    return lines(
        list(steps),
        result.curves,
        x_axis=axis("merges"),
        y_axis=axis("tokens per word", span=(0, 1.05 * max(line[0] for line in result.curves.values()))),
        markers=False,
        strong="your text" if "your text" in result.curves else "",
        order=["your text", *_corpus_curves(result.corpus, result.base)],
        upright=[(result.merges, "")],
        across=[(1, "one token per word")],
    )


def facts(result: Result) -> dict[str, float]:
    next_count = result.leaders[0][1] if result.leaders else 0
    return {
        "merges": result.merges,
        "merges there are": len(result.trained.merges),
        "alphabet": result.trained.first,
        "entries": result.trained.first + result.merges,
        "next count": next_count,
        "words": len(result.text),
        "tokens": sum(map(len, result.tokens)),
        "unknown": result.unknown,
    }


def says(result: Result) -> str:
    """Numbers inside “…” are pieces of text."""
    learned = f"After {_some(result.merges, 'merge')} the vocabulary has {result.trained.first + result.merges} entries"
    if result.leaders and result.leaders[0][1] > 1:
        coming = f"; the next pair is “{_spelled(result, result.leaders[0][0])}”, which stands {numeral(result.leaders[0][1])} times"
    else:
        coming = "; no pair stands twice any more, so training has ended"
    if not result.text:
        return f"{learned}{coming}."
    unknown = f", {result.unknown} of them unknown" if result.unknown else ""
    words, tokens = _some(len(result.text), "word"), _some(sum(map(len, result.tokens)), "token")
    return f"{learned}{coming}. Your text of {words} becomes {tokens}{unknown}: “{_list(result, [token for word in result.tokens for token in word])}”."


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


TRY = [
    Experiment(
        title="What becomes of the runner-up?",
        settings={"merges": 1},
        ask="At the start three pairs stand 9 times each: e + s, s + t and t + end mark. The tie goes to e + s. How often does s + t stand after that merge?",
        options=("9 times: it comes next", "Never", "4 or 5 times: they share"),
        right=1,
        why="Every s in this corpus stood between e and t, and all of them are now inside “es”. The new symbol has inherited the neighbour: es + t stands "
        "9 times. Counts must be kept up to date after each merge; a list of pairs counted once would be wrong from the second merge on.",
        look="First picture: es + t stands beside t + end mark with the same 9 (the smaller ids go first), and s + t is gone.",
        holds=lambda result: ("s", "t") not in _pairs(result) and _pairs(result)[("es", "t")] == 9,
        tempting={0: "It would, if merging one pair left the others alone.", 2: "A symbol cannot be merged with one neighbour and still count with the other."},
    ),
    Experiment(
        title="A word that was never seen",
        settings={"merges": 8, "text": "lowest"},
        ask="The corpus has low, lower, newest and widest, but no “lowest”. How many tokens is it after 8 merges?",
        options=("1: it is an English word", "2: low and est", "7: unseen words stay in symbols"),
        right=1,
        why="Merges know no words, only pairs. “est” with the end mark was learned from newest and widest, “low” from low and lower, and replaying both "
        "makes a word of two known parts. This is how a finite list reads words that nobody counted.",
        look="Fourth picture: two branches, each with the merges it was built by.",
        holds=lambda result: [[result.trained.show(token) for token in word] for word in result.tokens] == [["low", "est</w>"]],
        tempting={0: "Nothing here knows English; it knows four words.", 2: "They start as symbols; then the merges are replayed."},
    ),
    Experiment(
        title="An ending at the beginning",
        settings={"merges": 8, "text": "estest"},
        ask="The text is “estest”. The corpus knows “est” only as an ending, with the end mark as a symbol of its own. How is the text cut?",
        options=("est, est with the end mark", "es, t, est with the end mark", "Seven symbols: the word is unseen"),
        right=1,
        why="Merge 2 joined t with the end mark, and merge 3 joined es with that: the ending was learned together with the end of the word, and inside a "
        "word its t stays alone. Without the mark (choose “no end mark”) both halves are the same token.",
        look="Fourth picture: the first half hangs on two branches, the second on one. The second picture shows merges 1 to 3.",
        holds=lambda result: [[result.trained.show(token) for token in word] for word in result.tokens] == [["es", "t", "est</w>"]],
        tempting={0: "Look at merges 2 and 3: which pair was there to join es and a bare t?", 2: "No word of the corpus is needed, only its pairs."},
    ),
    Experiment(
        title="Does BPE end unknown words?",
        settings={"merges": 8, "text": "blow 🦜"},
        ask="“blow” has a b, and there is a bird; the corpus has neither. Trained on characters, how many unknown symbols does the text have?",
        options=("None: BPE has no unknown words", "Two: the b and the bird", "One: only the bird, letters are always in the alphabet"),
        right=1,
        why="The alphabet is what the corpus has, and this one has no b. Only an alphabet that every text can be written in ends the problem: choose bytes, "
        "and the count goes to zero, at the price of six symbols for the bird and its blank.",
        look="Fourth picture: the crossed-out leaves. Then set “How words are written” to bytes.",
        holds=lambda result: result.unknown == 2,
        tempting={0: "Byte-level BPE has none; BPE on characters does.", 2: "Nobody told it which letters there are: it has seen ten."},
    ),
    Experiment(
        title="Who gets the merges?",
        settings={"corpus": "english", "base": "glued", "merges": 150, "text": "the water was colder"},
        ask="150 merges of English prose. How many tokens do its most frequent words and the words that stand only once need on average?",
        options=("Both about 2", "About 1 and about 2", "Close to 1, and more than 3"),
        right=2,
        why="A pair is merged when it is frequent, so the entries go where the text repeats itself. Rare words get shorter only by the parts they share with "
        "frequent ones: endings, beginnings, common pairs.",
        look="Fifth picture: one line falls to the dotted line at 1 and stops, the other goes on falling slowly.",
        holds=lambda result: _group(result, "frequent") < 1.3 and _group(result, "rare") > 3,
        tempting={0: "The average hides two very different groups.", 1: "Look where the line of the rare words stands at 150."},
    ),
]


def _pairs(result: Result) -> dict[tuple[str, str], int]:
    show = result.trained.show
    return {(show(left), show(right)): count for (left, right), count in result.leaders}


def _group(result: Result, name: str) -> float:
    return next(line for group, line in result.curves.items() if name in group)[result.merges]


def verify() -> list[Check]:
    """Merge lists and cuts against the library; a difference is a count of disagreements."""
    return [_against_tokenizers(corpus, base) for corpus in ("textbook", "english") for base in BASES]


def _against_tokenizers(corpus: str, base: str) -> Check:
    import json

    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    mark, border = "\ue000", "\ue001"  # the end mark as a sign of its own; what stands between words, so that the library cuts where we cut
    trained = _train(corpus, base)
    suffix = {"end_of_word_suffix": "</w>"} if base == "glued" else {}
    letters = [] if base == "bytes" else [letter.replace("</w>", mark) if base == "own" else letter for letter in alphabet(trained.words, base)]
    cutting: list[Any] = [pre_tokenizers.Split(Regex(border), "removed")]
    cutting += [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)] if base == "bytes" else []
    theirs = Tokenizer(BPE(**suffix))
    theirs.pre_tokenizer = pre_tokenizers.Sequence(cutting)
    trainer = BpeTrainer(
        vocab_size=trained.first + MOST + 200,
        min_frequency=2,
        special_tokens=letters,  # first in the library's numbering: the letters get our numbers, and ties fall as ours do
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if base == "bytes" else [],
        show_progress=False,
        **suffix,
    )

    def written(word: str) -> str:
        return word + (mark if base == "own" else "")

    theirs.train_from_iterator([border.join([written(word)] * often) for word, often in trained.words.items()], trainer)
    model = json.loads(theirs.to_str())["model"]
    expected = [tuple(pair) for pair in model["merges"]][:MOST]
    ours = [tuple(_in_their_letters(trained.show(part), base, mark) for part in step.pair) for step in trained.merges]
    different = sum(a != b for a, b in zip(ours, expected)) + abs(len(ours) - len(expected))
    fresh = Tokenizer(BPE(vocab=model["vocab"], merges=expected, **suffix))  # without special tokens, which would be cut out before anything merges
    fresh.pre_tokenizer = theirs.pre_tokenizer
    tokenizer = trained.tokenizer(base, MOST)
    words = [*trained.words, *(first.strip() + second.strip() for first, second in zip(trained.words, [*trained.words][1:]))]
    for word in words:
        cut = [_in_their_letters(trained.show(token), base, mark) for token in tokenizer.encode_word(word)]
        different += cut != fresh.encode(written(word)).tokens
    return Check(f"{len(expected)} merges and {len(words)} words, {corpus}, {BASES[base]}", "tokenizers BpeTrainer and BPE", different, 0)


def _in_their_letters(piece: str, base: str, mark: str) -> str:
    if base == "bytes":
        return piece.replace(" ", "Ġ")  # byte-level alphabets have a printing sign for the blank
    return piece.replace("</w>", mark) if base == "own" else piece


# Computed questions; what was drawn travels in settings["drawn"].

STEMS = ("low", "new", "wide", "slow", "old", "cold", "warm", "long", "near", "late", "kind", "bold")
ENDINGS = ("", "er", "est", "ly", "ing", "ed", "ness")


def _small_corpus(rng: random.Random) -> dict[str, int]:
    words = rng.sample(sorted({stem + ending for stem in rng.sample(STEMS, 3) for ending in rng.sample(ENDINGS, 3)}), 4)
    return {word: rng.randint(2, 9) for word in words}


def _counts(corpus: Mapping[str, int], *, weighted: bool = True) -> Counter[str]:
    pairs: Counter[str] = Counter()
    for word, often in corpus.items():
        for left, right in pairwise(word):
            pairs[f"{left} + {right}"] += often if weighted else 1
    return pairs


def _listed(corpus: Mapping[str, int]) -> str:
    return ", ".join(f"`{word}` ×{often}" for word, often in corpus.items())


def ask_first_merge(rng: random.Random) -> Question:
    while True:
        corpus = _small_corpus(rng)
        counts = _counts(corpus)
        (right, most), *others = counts.most_common()
        unweighted = _counts(corpus, weighted=False).most_common(1)[0][0]
        letters = Counter(char for word, often in corpus.items() for char in word * often)
        longest = max(corpus, key=len)
        heaviest = max(corpus, key=corpus.__getitem__)
        mistakes = [
            Mistake("words-counted-once", unweighted, "This counts each word once; pairs weigh as much as their words are frequent."),
            Mistake("runner-up", others[0][0], f"This pair stands {others[0][1]} times, fewer than the {most} of the first."),
            Mistake("two-frequent-letters", " + ".join(char for char, _ in letters.most_common(2)), "These letters are frequent, but not side by side."),
            Mistake("longest-word", f"{longest[-2]} + {longest[-1]}", "The length of a word does not matter."),
            Mistake("most-frequent-word", f"{heaviest[0]} + {heaviest[1]}", "This only looks at the most frequent word; counts add up over all of them."),
            Mistake("second-runner-up", others[1][0], f"This pair stands only {others[1][1]} times."),
        ]
        options = number_options(rng, right, f"It stands {most} times.", mistakes)
        if most > others[0][1] and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A corpus has these words, each with its count: {_listed(corpus)}. BPE starts from single characters (no end mark). Which pair is merged first?",
        answer="Count every pair of neighbours inside the words, each word as often as it stands, and take the largest.",
        options=options,
        working=tuple(f"{pair}: {count}" for pair, count in counts.most_common(3)),
        lab=SLUG,
        settings={"base": "none", "merges": 0, "drawn": corpus},
        level=2,
    )


def second_first_merge(question: Question) -> str:
    """The corpus written out as text, every pair counted by a search that may overlap."""
    corpus = question.settings["drawn"]
    text = " ".join(word for word, often in corpus.items() for _ in range(often))
    pairs = {text[at : at + 2] for at in range(len(text) - 1) if " " not in text[at : at + 2]}
    best = max(pairs, key=lambda pair: len(re.findall(f"(?={re.escape(pair)})", text)))
    return f"{best[0]} + {best[1]}"


def ask_replay(rng: random.Random) -> Question:
    while True:
        corpus = _small_corpus(rng)
        learned = CharacterPairTokenizer(alphabet(corpus, "none"), [], "none")
        number = learned.number
        written = [[number[char] for char in word] for word in corpus]
        merges = [step.pair for _, step in zip(range(5), merge_frequent(written, list(corpus.values()), len(number)))]
        rng.shuffle(merges)
        merges = [pair for pair in merges if max(pair) < len(number)]  # only pairs of letters can stand in any order
        word = rng.choice(list(corpus)) + rng.choice(list(corpus))
        if len(merges) < 3:
            continue
        tokenizer = CharacterPairTokenizer(learned.pieces, merges, "none")
        names = ["".join(learned.pieces[part] for part in pair) for pair in merges]
        right = _dotted(tokenizer.show(token) for token in tokenizer.encode_word(word))
        turned = CharacterPairTokenizer(learned.pieces, merges[::-1], "none")
        mistakes = [
            Mistake("last-merge-first", _dotted(turned.show(token) for token in turned.encode_word(word)), "This replays the merges from the last to the first."),
            Mistake("left-to-right", _dotted(_longest(word, set(names))), "This goes through the word from the left; the order of the merges decides, not the place."),
            Mistake("first-merge-only", _dotted(_only(word, names[:1])), "This stops after the first merge of the list."),
            Mistake("once-per-merge", _dotted(_once(word, names)), "Each merge is applied wherever its pair stands, not once."),
            Mistake("no-merge", _dotted(word), "These are the characters before any merge."),
            Mistake("without-the-last", _dotted(_only(word, names[:-1])), "This leaves out the last merge."),
        ]
        options = number_options(rng, right, "Merges in their order, each wherever its pair stands.", mistakes)
        if options:
            break
    listed = ", ".join(f"{place}. {name[0]} + {name[1]}" for place, name in enumerate(names, 1))
    return Question(
        form=Form.CHOICE,
        prompt=f"A tokenizer has learned these merges, in this order: {listed}. How does it cut `{word}`?",
        answer="The merges are replayed in the order they were learned, each wherever its pair stands then.",
        options=options,
        working=tuple(_dotted(tokenizer.show(token) for token in step) for step in tokenizer.steps(word)),
        lab=SLUG,
        settings={"text": word, "base": "none", "drawn": [word, names]},
        level=2,
    )


def _dotted(pieces: Iterable[str]) -> str:
    return " · ".join(pieces)


def _only(word: str, names: Sequence[str]) -> list[str]:
    """The merges one after the other, on a word whose symbols stand apart."""
    spaced = f" {' '.join(word)} "
    for name in names:
        spaced = re.sub(rf"(?<= ){re.escape(name[0])} {re.escape(name[1])}(?= )", name, spaced)
    return spaced.split()


def _once(word: str, names: Sequence[str]) -> list[str]:
    spaced = f" {' '.join(word)} "
    for name in names:
        spaced = spaced.replace(f" {name[0]} {name[1]} ", f" {name} ", 1)
    return spaced.split()


def _longest(word: str, names: set[str]) -> list[str]:
    pieces = []
    while word:
        size = 2 if word[:2] in names else 1
        pieces, word = [*pieces, word[:size]], word[size:]
    return pieces


def second_replay(question: Question) -> str:
    """By rewriting text with blanks between symbols, one merge after the other."""
    word, names = question.settings["drawn"]
    return _dotted(_only(word, names))


def ask_symbols(rng: random.Random) -> Question:
    while True:
        corpus = _small_corpus(rng)
        number = {char: place for place, char in enumerate(alphabet(corpus, "none"))}
        written = [[number[char] for char in word] for word in corpus]
        step = next(merge_frequent(written, list(corpus.values()), len(number)))
        right = sum(len(word) * often for word, often in zip(written, corpus.values()))
        total = sum(len(word) * often for word, often in corpus.items())
        counts = _counts(corpus).most_common(2)
        mistakes = [
            Mistake("nothing-saved", total, "This is the number before the merge."),
            Mistake("two-per-merge", total - 2 * step.count, "Two symbols become one, so each merge saves one symbol, not two."),
            Mistake("added", total + step.count, "A merge makes the text shorter; it is the vocabulary that grows."),
            Mistake("each-word-once", sum(map(len, written)), "This counts each word once."),
            Mistake("one-symbol-less", total - 1, "The vocabulary grows by one entry; the text shrinks wherever the pair stands."),
        ]
        options = number_options(rng, right, "Each occurrence of the pair saves one symbol.", mistakes)
        if counts[0][1] > counts[1][1] and options:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A corpus has these words, each with its count: {_listed(corpus)}. Written in single characters it has {total} symbols. How many symbols has it "
        "after the first BPE merge?",
        answer="The most frequent pair becomes one symbol wherever it stands, and each time the text is one symbol shorter.",
        options=options,
        working=(f"{counts[0][0]} stands {counts[0][1]} times", f"{total} - {counts[0][1]} = {numeral(right)}"),
        lab=SLUG,
        settings={"base": "none", "merges": 1, "drawn": corpus},
        level=2,
    )


def second_symbols(question: Question) -> float:
    """Python's own `replace` on the corpus written out as text."""
    corpus = question.settings["drawn"]
    text = " ".join(word for word, often in corpus.items() for _ in range(often))
    pairs = {text[at : at + 2] for at in range(len(text) - 1) if " " not in text[at : at + 2]}
    best = max(pairs, key=text.count)
    return len(text.replace(best, "#").replace(" ", ""))


questions = {"first-merge": ask_first_merge, "replay-the-merges": ask_replay, "symbols-left": ask_symbols}
second = {"first-merge": second_first_merge, "replay-the-merges": second_replay, "symbols-left": second_symbols}
