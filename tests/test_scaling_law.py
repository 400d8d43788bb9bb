"""Scaling laws: known constants are found again, the best size is where a search finds it, and the kept runs are what training gives."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from models.scaling_law import CHINCHILLA, FORMS, Law, fit, lowest_of_parabola
from models.training.scaling_runs import HIDDEN, LARGEST, TOKENS, kept, make_run
from models.window_model import WINDOW, WindowModel, multiplying_weights, next_letter_loss
from models.zipf_words import LETTERS, lexicon, text

LAWS = {
    "hoffmann": (math.log(406.4), math.log(410.7), 0.34, 0.28, math.log(1.69)),
    "no floor": (2.0, 3.0, 0.2, 0.3),
    "kaplan": (math.log(8.8e13), math.log(5.4e13), 0.076, 0.095),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_made_from_a_law_gives_the_law_back(form: str) -> None:
    true = Law(form, LAWS[form], 0.0)  # type: ignore[arg-type]
    N, D = torch.meshgrid(torch.logspace(7, 10, 6), torch.logspace(8, 11, 6), indexing="ij")
    L = torch.tensor([true.loss(float(n), float(d)) for n, d in zip(N.flatten(), D.flatten())])
    found = fit(form, N.flatten(), D.flatten(), L)  # type: ignore[arg-type]
    assert found.error < 1e-6
    assert found.exponents == pytest.approx(true.exponents, rel=2e-3)
    assert found.growth == pytest.approx(true.growth, rel=2e-3)
    assert found.floor == pytest.approx(true.floor, rel=2e-3)


@pytest.mark.parametrize("form", FORMS)
def test_the_best_size_is_where_a_search_finds_it(form: str) -> None:
    law, C = Law(form, LAWS[form], 0.0), 1e21  # type: ignore[arg-type]
    search = minimize_scalar(lambda x: law.loss(math.exp(x), C / (6 * math.exp(x))), bounds=(10, 40), method="bounded", options={"xatol": 1e-10})
    assert math.log(law.best_size(C)) == pytest.approx(search.x, abs=1e-4)
    assert law.best_size(1000 * C) / law.best_size(C) == pytest.approx(1000**law.growth, rel=1e-6)


def test_gopher_and_chinchilla_as_worked_in_the_note() -> None:
    law = Law("hoffmann", LAWS["hoffmann"], 0.0)
    assert CHINCHILLA["E"] == pytest.approx(law.floor)
    assert law.loss(280e9, 300e9) == pytest.approx(1.993, abs=5e-4)
    assert law.loss(70e9, 1.4e12) == pytest.approx(1.937, abs=5e-4)
    assert law.loss(math.inf, math.inf) == pytest.approx(1.69)


def test_the_lowest_point_of_a_parabola_by_hand() -> None:
    N = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    assert lowest_of_parabola(N, (N.log() - math.log(30)) ** 2 + 2) == pytest.approx(30, rel=1e-4)
    assert math.isnan(lowest_of_parabola(N, -(N.log() ** 2)))


def test_the_kept_runs_are_a_full_table_and_one_more() -> None:
    runs = kept()
    assert [(run.hidden, run.tokens) for run in runs] == [*((hidden, tokens) for tokens in TOKENS for hidden in HIDDEN), LARGEST]
    assert all(run.weights == multiplying_weights(len(LETTERS), run.hidden) for run in runs)
    assert runs[-1].flops == 4 * max(run.flops for run in runs[:-1]) / 2
    assert min(run.loss for run in runs) > lexicon().entropy, "nobody predicts better than the best"


def test_a_run_trained_again_gives_the_kept_loss() -> None:
    run = next(run for run in kept() if run.hidden == 8)
    assert make_run(run.hidden, run.tokens).loss == pytest.approx(run.loss, abs=2e-3)


def test_words_follow_zipf_and_their_entropy_is_the_textbooks() -> None:
    known = lexicon()
    assert len(set(known.words)) == len(known.words) == len(known.shares)
    assert known.shares[0] / known.shares[9] == pytest.approx(10)
    bits = sum(-p * math.log2(p) for p in known.shares)
    assert known.entropy == pytest.approx(bits * math.log(2) / sum(p * (len(w) + 1) for p, w in zip(known.shares, known.words)))


def test_text_is_made_of_words_with_blanks_between() -> None:
    letters = text(5000, 3)
    assert len(letters) == 5000
    assert torch.equal(letters, text(5000, 3))
    written = "".join(LETTERS[letter] for letter in letters)
    assert set(written.split()[:-1]) <= set(lexicon().words)
    assert all(pair != (" ", " ") for pair in pairwise(written))


def test_a_window_sees_the_letters_before_and_never_the_one_to_be_predicted() -> None:
    torch.manual_seed(0)
    model, stream = WindowModel(len(LETTERS), 5), text(200, 1)
    assert sum(p.numel() for p in (model.first.weight, model.second.weight)) == multiplying_weights(len(LETTERS), 5)
    own = next_letter_loss(model, stream, torch.tensor([50]))
    logits = model(stream[50 - WINDOW : 50][None])[0]
    assert own.item() == pytest.approx(-torch.log_softmax(logits, -1)[stream[50]].item())
    after = stream.clone()
    after[51:] = 0
    assert next_letter_loss(model, after, torch.tensor([50])).item() == pytest.approx(own.item())
    assert np.isfinite(own.item())
