"""Beam search against listing everything, against a case by hand, and its groups against plain beams."""

import pytest
import torch

from models.beam import Hypothesis, all_sequences, beam_search, penalised, shares

END = 3
TABLE = {  # after which token -> probabilities of tokens 0, 1, 2 and the end
    None: [0.5, 0.4, 0.06, 0.04],
    0: [0.31, 0.28, 0.22, 0.19],
    1: [0.05, 0.02, 0.9, 0.03],
    2: [0.13, 0.1, 0.07, 0.7],
}


def next_log_p(prefixes: list[tuple[int, ...]]) -> torch.Tensor:
    return torch.tensor([TABLE[prefix[-1] if prefix else None] for prefix in prefixes]).log()


def test_greedy_search_misses_what_a_beam_of_two_finds() -> None:
    """By hand: 0 looks best (0.5), but 1, 2, end has 0.4 · 0.9 · 0.7 = 0.252, and nothing after 0 comes near it."""
    greedy = beam_search(next_log_p, width=1, steps=3, end=END, alpha=0.0).best
    found = beam_search(next_log_p, width=2, steps=3, end=END, alpha=0.0).best
    assert greedy.tokens[0] == 0
    assert found.tokens == (1, 2, END)
    assert found.score == pytest.approx(torch.tensor(0.252).log().item())


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 2.0])
def test_a_beam_wider_than_the_tree_finds_what_listing_everything_finds(alpha: float) -> None:
    everything = sorted(all_sequences(next_log_p, steps=4, end=END), key=lambda h: -h.final(alpha))
    assert len(everything) == 1 + 3 + 9 + 27 * 4
    found = beam_search(next_log_p, width=200, steps=4, end=END, alpha=alpha).finished
    assert [h.tokens for h in found[:10]] == [h.tokens for h in everything[:10]]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_no_more_than_b_live_and_the_work_is_b_per_step(width: int) -> None:
    search = beam_search(lambda prefixes: torch.arange(9).neg().float().log_softmax(-1).expand(len(prefixes), 9), width=width, steps=5, end=-1)
    assert [sum(h.fate == "live" for h in step) for step in search.steps] == [width] * 4 + [0]
    assert search.expanded == 1 + 4 * width
    assert search.scored == 9 * search.expanded
    assert len(search.finished) == width


def test_the_length_penalty_divides_by_a_power_of_the_length() -> None:
    assert Hypothesis((0, 1, 2, END), -4.0).final(0.5) == penalised(-4.0, 4, 0.5) == -2.0


def test_groups_without_a_price_are_the_same_beam_twice_and_with_one_begin_differently() -> None:
    alike = beam_search(next_log_p, width=4, steps=3, end=END, groups=2, diversity=0.0)
    plain = beam_search(next_log_p, width=2, steps=3, end=END)
    for group in (0, 1):
        assert [h.tokens for h in alike.finished if h.group == group] == [h.tokens for h in plain.finished]
    apart = beam_search(next_log_p, width=2, steps=3, end=END, groups=2, diversity=5.0)
    assert len({h.tokens[0] for h in apart.finished}) == 2
    assert all(h.score == pytest.approx(sum(row[t].item() for row, t in zip(next_log_p([h.tokens[:at] for at in range(len(h.tokens))]), h.tokens))) for h in apart.finished)


def test_beams_are_shared_out_evenly() -> None:
    assert list(shares(5, 2)) == [3, 2]
    assert list(shares(2, 4)) == [1, 1]
