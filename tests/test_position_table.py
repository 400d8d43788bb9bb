"""A learned table of positions: its end, and the rows that are made beyond it."""

import pytest
import torch
import torch.nn.functional as F

from models.encoder import MaskedLanguageModel
from models.position_table import (
    WAYS,
    hidden_loss,
    interpolate,
    lingering,
    loss_by_position,
    row_similarity,
    similarity_by_distance,
    stretch,
    with_table,
)


def model(context: int = 6) -> MaskedLanguageModel:
    torch.manual_seed(0)
    return MaskedLanguageModel(5, context=context, layers=1, heads=2, width=16)


def test_one_coordinate_stretched_as_worked_by_hand() -> None:
    assert interpolate(torch.tensor([[0.0], [2.0], [6.0], [4.0]]), 7).flatten().tolist() == pytest.approx([0, 1, 2, 4, 6, 5, 4])
    assert interpolate(torch.tensor([[0.0], [4.0], [2.0]]), 5).flatten().tolist() == pytest.approx([0, 2, 4, 3, 2])


@pytest.mark.parametrize("n", [9, 10, 16, 25])
def test_interpolation_is_that_of_torch(n: int) -> None:
    P = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    theirs = F.interpolate(P.T[None], size=n, mode="linear", align_corners=True)[0].T
    assert torch.allclose(stretch(P, n, "linear"), theirs, atol=1e-6)


def test_the_other_ways_keep_the_old_rows_where_they_were() -> None:
    P = torch.arange(8.0).view(4, 2)
    assert torch.equal(stretch(P, 6, "clamp")[4:], P[[3, 3]])
    assert torch.equal(stretch(P, 6, "repeat")[4:], P[[0, 1]])
    fresh = stretch(P, 6, "fresh", torch.Generator().manual_seed(0))
    assert torch.equal(fresh[:4], P)
    assert fresh[4:].abs().max() < 0.1
    for way in WAYS:
        assert torch.equal(stretch(P, 4, way), P)
    with pytest.raises(ValueError, match="cannot be stretched to 3"):
        stretch(P, 3, "linear")


def test_the_table_ends_and_a_longer_one_reads_on() -> None:
    short = model()
    seen = torch.randint(4, (2, 8))
    with pytest.raises(ValueError, match="8 tokens are more than the 6 positions"):
        short(seen)
    longer = with_table(short, stretch(short.position.weight, 8, "repeat"))
    with torch.no_grad():
        assert longer(seen).shape == (2, 8, 5)
        assert torch.equal(longer(seen[:, :6]), short(seen[:, :6]))


def test_similarity_is_the_cosine_of_rows_without_their_common_part() -> None:
    P = torch.randn(7, 5, generator=torch.Generator().manual_seed(3)) + 4
    theirs = torch.corrcoef(torch.cat([P - P.mean(dim=0), -(P - P.mean(dim=0))], dim=1))  # mirrored, every row has mean 0
    assert torch.allclose(row_similarity(P), theirs, atol=1e-5)
    by_distance = similarity_by_distance(P)
    assert by_distance[0].item() == pytest.approx(1)
    assert by_distance[6].item() == pytest.approx(theirs[0, 6].item(), abs=1e-5)


def test_lines_linger_as_often_as_asked_and_hide_what_they_say() -> None:
    seen, truth, hide = lingering(400, 50, 8, 0.85, 0.25, torch.Generator().manual_seed(0))
    assert torch.equal(seen == 8, hide)
    assert torch.equal(seen[~hide], truth[~hide])
    alike = (truth[:, 1:] == truth[:, :-1]).float().mean().item()
    assert alike == pytest.approx(0.85 + 0.15 / 8, abs=0.01)  # a new draw may be the old kind again
    assert hide.float().mean().item() == pytest.approx(0.25, abs=0.01)


def test_the_loss_by_position_adds_up_to_the_training_loss() -> None:
    lines = lingering(64, 6, 4, 0.8, 0.3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        by_position, whole = loss_by_position(model(), *lines), hidden_loss(model(), *lines)
    often = lines[2].sum(dim=0)
    assert ((by_position * often).sum() / often.sum()).item() == pytest.approx(whole.item(), abs=1e-5)
