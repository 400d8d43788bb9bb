"""The unigram model against all cuts listed one by one, and against the tokenizers library."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from tokenizers.models import Unigram as TheirUnigram

from models.byte_pair import words_of
from models.languages import HELD_OUT, PROSE
from models.unigram import Unigram, expect, learn_pieces, maximise, spans_of

P = {"h": 0.1, "u": 0.1, "g": 0.1, "s": 0.1, "hu": 0.2, "ug": 0.15, "hug": 0.15, "gs": 0.1}
WORDS = Counter(words_of(PROSE))


def all_cuts(word: str, known: set[str]) -> list[list[str]]:
    if not word:
        return [[]]
    return [[word[:end], *rest] for end in range(1, len(word) + 1) if word[:end] in known for rest in all_cuts(word[end:], known)]


def probability(cut: list[str]) -> float:
    return math.prod(P[piece] for piece in cut)


@pytest.mark.parametrize("word", ["hugs", "ugh", "guhgs", "h", "sssugug"])
def test_the_cut_is_the_most_probable_of_all(word: str) -> None:
    best = max(map(probability, all_cuts(word, set(P))))
    assert probability(Unigram(P).cut(word)) == pytest.approx(best)


def test_expected_counts_are_those_of_all_cuts_listed() -> None:
    words = {"hugs": 3, "ughug": 2}
    wanted: Counter[str] = Counter()
    log_likelihood = 0.0
    for word, often in words.items():
        cuts = all_cuts(word, set(P))
        z = sum(map(probability, cuts))
        log_likelihood += often * math.log(z)
        for its in cuts:
            for piece in its:
                wanted[piece] += often * probability(its) / z  # type: ignore[assignment]
    counts, found = expect(words, {word: spans_of(word, P) for word in words}, P)
    assert found == pytest.approx(log_likelihood)
    assert counts == pytest.approx(dict(wanted))


def test_an_em_step_never_makes_the_text_less_likely() -> None:
    words = {word: often for word, often in WORDS.items() if len(word) > 4}
    p = next(learn_pieces(words, [400])).p
    spans = {word: spans_of(word, p) for word in words}
    found = []
    for _ in range(6):
        counts, log_likelihood = expect(words, spans, p)
        p = maximise(counts, p)
        found.append(log_likelihood)
    assert all(after >= before - 1e-6 for before, after in pairwise(found))
    assert found[-1] > found[0]


def test_training_falls_to_the_sizes_asked_for_and_keeps_every_character() -> None:
    rounds = list(learn_pieces(WORDS, [400, 300]))
    assert [len(its.p) for its in rounds if len(its.p) in (300, 400)]
    assert len(rounds[-1].p) == 300
    assert {char for word in WORDS for char in word} <= set(rounds[-1].p)
    assert sum(rounds[-1].p.values()) == pytest.approx(1)


def test_words_are_cut_as_the_tokenizers_library_cuts_them_and_unknown_characters_are_one_token() -> None:
    ours = Unigram(list(learn_pieces(WORDS, [350]))[-1].p)
    theirs = TheirUnigram([("<unk>", 0.0), *ours.log_p.items()], unk_id=0)
    for text in (*HELD_OUT.values(), "cats🦜🦜dogs", "🦜", ""):
        for word in words_of(text):
            assert ours.cut(word) == [token.value for token in theirs.tokenize(word)]
    assert ours.cut("the🦜🦜")[-1] == "🦜🦜"
