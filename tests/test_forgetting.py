"""Fitting: the model agrees with the schedule's, finds what a learner is like, and says so when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend import memory
from models import forgetting
from tests.sample_log import TRUE_PARAMETERS, made_up_log, review_log


def in_order(log, rollover_hour: int = 8):
    return forgetting._in_order(log.card, log.days(rollover_hour), log.grade)


def test_parameters_and_bounds_are_those_of_the_schedule_and_of_the_fsrs_package():
    from fsrs import scheduler

    assert forgetting.DEFAULTS == memory.DEFAULT_PARAMETERS == tuple(scheduler.DEFAULT_PARAMETERS)
    assert forgetting.LOWEST == scheduler.LOWER_BOUNDS_PARAMETERS
    assert forgetting.HIGHEST == scheduler.UPPER_BOUNDS_PARAMETERS


@pytest.mark.parametrize("parameters", [forgetting.DEFAULTS, TRUE_PARAMETERS], ids=["default", "other"])
def test_predictions_equal_those_of_the_schedule(parameters):
    card, day, grade = in_order(made_up_log(seed=2, cards=150, days=120))
    ours = forgetting.predictions(card, day, grade, parameters)
    _, _, theirs = memory.replay(card, day, grade, parameters)
    np.testing.assert_allclose(ours, np.where(np.isnan(theirs), 1.0, theirs), rtol=1e-9)


def test_the_gradient_is_that_of_finite_differences():
    h = forgetting.pad(*in_order(made_up_log(seed=3, cards=40, days=60)))
    z = torch.full((21,), 0.05, dtype=torch.float64, requires_grad=True)
    forgetting.negative_log_likelihood(forgetting.w_of(z), h).backward()
    for k in range(21):
        step = torch.zeros(21, dtype=torch.float64)
        step[k] = 1e-5
        with torch.no_grad():
            up, down = (float(forgetting.negative_log_likelihood(forgetting.w_of(z + s), h)) for s in (step, -step))
        assert float(z.grad[k]) == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-3)


def test_a_fit_finds_the_learner_behind_a_log():
    """On a second log of the same learner the fit is far better than the defaults, and close to the truth."""
    found = forgetting.fit_parameters(*in_order(made_up_log(seed=4, cards=600, days=190)))
    fresh = in_order(made_up_log(seed=5, cards=600, days=190))
    counted = forgetting.predicted_rows(*fresh[:2])
    default, fitted, true = (forgetting.losses(*fresh, w)[counted].mean() for w in (forgetting.DEFAULTS, found, TRUE_PARAMETERS))
    assert default - true > 0.005
    assert abs(fitted - true) < 0.1 * (default - true)


def test_grades_that_were_never_pressed_keep_their_parameters():
    found = forgetting.fit_parameters(*in_order(made_up_log(seed=6, cards=200, days=120)))
    assert [found[k] for k in (1, 15, 16)] == [forgetting.DEFAULTS[k] for k in (1, 15, 16)]  # first Hard, Hard penalty, Easy bonus
    assert list(found[:4]) == sorted(found[:4])
    assert all(low <= w <= high for low, w, high in zip(forgetting.LOWEST, found, forgetting.HIGHEST, strict=True))


def test_a_fit_is_offered_with_what_it_gains():
    log = made_up_log(seed=7, cards=500, days=190)
    fit = forgetting.fit(log.card, log.days(8), log.grade)
    assert fit.helps
    assert fit.fitted_loss < fit.default_loss
    assert f"{fit.fitted_loss:.4f}" in fit.says


def test_too_short_a_log_is_refused_with_a_sentence():
    log = made_up_log(seed=8, cards=10, days=20)
    fit = forgetting.fit(log.card, log.days(8), log.grade)
    assert (fit.helps, fit.parameters) == (False, forgetting.DEFAULTS)
    assert fit.says == f"There are {fit.reviews} reviews to learn from; at least 64 on later days are needed."


def test_a_learner_who_changed_is_not_offered_what_no_longer_fits():
    """For four fifths of the log everything is recalled, then nothing is: what was learnt early predicts worse than the defaults."""
    log = made_up_log(seed=9, cards=200, days=150)
    day = log.days(8)
    late = day >= np.quantile(day, 0.87)
    fit = forgetting.fit(log.card, day, np.where(late, 1, 3))
    assert (fit.helps, fit.parameters) == (False, forgetting.DEFAULTS)
    assert fit.says.startswith("Nothing to gain: ")


def test_the_order_of_the_rows_does_not_matter():
    log = made_up_log(seed=10, cards=60, days=90)
    mixed = np.argsort(log.card, kind="stable")
    day = log.days(8)
    assert forgetting.fit_parameters(log.card, day, log.grade) == forgetting.fit_parameters(log.card[mixed], day[mixed], log.grade[mixed])


def test_counting_rolling_days_predicts_much_worse_than_study_days():
    """The same log, the same parameters; only the clock differs."""
    log = review_log()
    by_day = in_order(log)
    counted = forgetting.predicted_rows(*by_day[:2])
    order = np.lexsort((np.arange(len(log.at)), log.days(8), np.unique(log.card, return_inverse=True)[1]))
    at = log.at[order]
    same = np.r_[False, by_day[0][1:] == by_day[0][:-1]]
    gaps = np.where(same, np.diff(at, prepend=at[0]) // 86_400_000, 0)
    rolling_day = np.cumsum(gaps)  # a "day" number whose differences are rolling days; only differences within a card count
    rolling = forgetting.predictions(by_day[0], rolling_day, by_day[2], forgetting.DEFAULTS).clip(1e-4, 1 - 1e-4)
    loss = -np.where(by_day[2] > 1, np.log(rolling), np.log1p(-rolling))[counted].mean()
    assert loss > forgetting.losses(*by_day, forgetting.DEFAULTS)[counted].mean() + 0.1
