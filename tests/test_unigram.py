"""The unigram model against all cuts listed one by one, and against the tokenizers library."""

import math
import random
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
from tokenizers.models import Unigram as TheirUnigram

from models.byte_pair import words_of
from models.languages import HELD_OUT, PROSE
from models.unigram import Unigram, expect, learn_pieces, maximise, seed, sharpened, spans_of, usage

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


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_each_piece_is_used_by_its_share_of_all_cuts(alpha: float) -> None:
    model, word = Unigram(P), "ughugs"
    arcs = list(model.lattice(word))
    shares, log_z = usage(len(word), sharpened(arcs, alpha))
    cuts = all_cuts(word, set(P))
    weights = [probability(its) ** alpha for its in cuts]
    assert log_z == pytest.approx(math.log(sum(weights)))
    for (i, j, _), share in zip(arcs, shares, strict=True):
        using = sum(weight for its, weight in zip(cuts, weights, strict=True) if (i, j) in ends(its))
        assert share == pytest.approx(using / sum(weights))


def ends(cut: list[str]) -> list[tuple[int, int]]:
    places = [sum(map(len, cut[:at])) for at in range(len(cut) + 1)]
    return list(pairwise(places))


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_cuts_are_drawn_in_proportion_to_their_probability(alpha: float) -> None:
    """4,000 draws; no share may be further from its probability than five standard deviations."""
    rng, draws = random.Random(1), 4000
    found = Counter(tuple(next(each)) for each in [Unigram(P).draws("hugs", alpha, iter(rng.random, None))] for _ in range(draws))
    weights = {tuple(its): probability(its) ** alpha for its in all_cuts("hugs", set(P))}
    assert set(found) <= set(weights)
    for cut, weight in weights.items():
        share = weight / sum(weights.values())
        assert found[cut] / draws == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / draws))


def test_drawing_ends_with_its_numbers_and_keeps_unknown_runs_together() -> None:
    drawn = list(Unigram(P).draws("hu🦜🦜", 1.0, iter([0.99] * 20)))
    assert 4 <= len(drawn) <= 7
    assert all(cut[-1] == "🦜🦜" and "".join(cut) == "hu🦜🦜" for cut in drawn)


def test_a_text_of_a_thousand_characters_still_has_a_likelihood() -> None:
    """A float holds nothing below 1e-323; Python's decimals do."""
    word = "hugs" * 250
    z = [Decimal(1)] + [Decimal(0)] * len(word)
    for i, j, piece in spans_of(word, P):
        z[j] += z[i] * Decimal(str(P[piece]))
    assert z[-1] < Decimal("1e-323")
    _, log_likelihood = expect({word: 1}, {word: spans_of(word, P)}, P)
    assert log_likelihood == pytest.approx(float(z[-1].ln()))


def test_rounds_tell_what_was_dropped_and_how_the_likelihood_went() -> None:
    first, second, *_ = learn_pieces(WORDS, [100], start=seed(WORDS, 200), kept=0.5, em_steps=3)
    assert len(first.p) == 200
    assert not first.dropped
    assert len(second.p) == 100
    assert set(second.dropped) == set(first.p) - set(second.p)
    for each in (first, second):
        assert len(each.path) == 4
        assert all(after >= before - 1e-6 for before, after in pairwise(each.path))
    spans = {word: spans_of(word, second.p) for word in WORDS}
    assert expect(WORDS, spans, second.p)[1] == pytest.approx(second.log_likelihood)


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
