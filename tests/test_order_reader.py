"""Which readers can tell order at all, by what their attention is given."""

import pytest
import torch

from models.order_reader import OrderReader, lines_of_words
from models.positioned_decoder import SCHEMES, PositionedConfig

LINE = torch.tensor([[0, 3, 1, 2, 5]])
ROTATED = LINE.roll(1, dims=1)


def reader(scheme: str, *, causal: bool) -> OrderReader:
    torch.manual_seed(0)
    return OrderReader(PositionedConfig(6, scheme, 5, layers=1, heads=2, width=16, buckets=8, max_distance=16, clip=3), causal=causal)


def mean_output(scheme: str, words: torch.Tensor, *, causal: bool = False) -> torch.Tensor:
    with torch.no_grad():
        return reader(scheme, causal=causal).states(words).mean(dim=1)


def test_without_positions_and_mask_every_word_keeps_its_vector_wherever_it_stands() -> None:
    blind = reader("none", causal=False)
    with torch.no_grad():
        assert torch.allclose(blind.states(ROTATED), blind.states(LINE).roll(1, dims=1), atol=1e-6)
        assert torch.allclose(blind(ROTATED), blind(LINE), atol=1e-6)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "none"])
def test_every_scheme_notices_a_word_moved_to_the_front(scheme: str) -> None:
    assert (mean_output(scheme, LINE) - mean_output(scheme, ROTATED)).norm() > 1e-3


def test_a_penalty_on_distance_alone_does_not_notice_a_mirror_image() -> None:
    mirrored = LINE.flip(-1)
    assert torch.allclose(mean_output("alibi", LINE), mean_output("alibi", mirrored), atol=1e-6)
    for scheme in ("rotary", "t5", "shaw"):
        assert (mean_output(scheme, LINE) - mean_output(scheme, mirrored)).norm() > 1e-3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_mask_alone_tells_order(scheme: str) -> None:
    assert (mean_output(scheme, LINE, causal=True) - mean_output(scheme, LINE.flip(-1), causal=True)).norm() > 1e-3


def test_lines_hold_each_of_the_two_words_once_and_come_with_their_mirror_images() -> None:
    words, first = lines_of_words(40, 6, 9, torch.Generator().manual_seed(2))
    assert words.shape == (40, 6)
    for word in (0, 1):
        assert ((words == word).sum(dim=1) == 1).all()
    places = [(line == word).nonzero().item() for line in words for word in (0, 1)]
    assert [int(one < zero) for zero, one in zip(places[::2], places[1::2], strict=True)] == first.tolist()
    assert torch.equal(words[20:], words[:20].flip(-1))
    assert torch.equal(first[20:], 1 - first[:20])
