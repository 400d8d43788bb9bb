"""One matrix for two parts: what the scores and the cache make of it, and the lines that tell the kinds apart."""

import pytest
import torch
from torch import nn

from models.attention import MultiHeadAttention, attention_scores
from models.tied_projections import asked, cache_bytes, seen_before, shuffled_pairs, symmetric_share, tie

torch.set_num_threads(1)


@pytest.mark.parametrize(("tying", "share", "bytes_", "matrices"), [("none", None, 64, 4), ("kv", None, 32, 3), ("qk", 1.0, 64, 3)])
def test_symmetry_cache_and_weights(tying: str, share: float | None, bytes_: int, matrices: int) -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(16, 2)
    tie(attention, tying)  # type: ignore[arg-type]
    heads = attention(torch.randn(1, 7, 16))[1]
    found = symmetric_share(attention_scores(heads.q, heads.k))
    assert (found - 1).abs().max() < 1e-6 if share else (found < 0.99).all()
    assert torch.equal(heads.k, heads.v) == (tying == "kv")
    assert cache_bytes(attention) == bytes_
    assert sum(weight.numel() for weight in attention.parameters()) == matrices * 256


@pytest.mark.parametrize("tying", ["kv", "qk"])
def test_tied_attention_is_torchs_with_equal_rows(tying: str) -> None:
    torch.manual_seed(1)
    ours, theirs = MultiHeadAttention(12, 3), nn.MultiheadAttention(12, 3, bias=False, batch_first=True)
    tie(ours, tying)  # type: ignore[arg-type]
    x = torch.randn(2, 5, 12)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        assert torch.allclose(ours(x)[0], theirs(x, x, x)[0], atol=1e-6)


def test_the_worked_example_of_the_note() -> None:
    """Tied vectors of equal length: the first token gives itself 0.669."""
    x = torch.tensor([[2.0, 0.0], [2**0.5, 2**0.5], [0.0, 2.0]])
    assert torch.softmax(attention_scores(x, x), dim=-1)[0].tolist() == pytest.approx([0.669, 0.292, 0.040], abs=1e-3)


def test_symmetric_share_by_hand() -> None:
    """[[0, 2], [0, 0]] has the symmetric part [[0, 1], [1, 0]]: 2 of 4."""
    assert float(symmetric_share(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))) == pytest.approx(0.5)


def test_in_every_round_the_first_of_a_pair_is_followed_by_its_second() -> None:
    lines = shuffled_pairs(50, 4, 3, 16, torch.Generator().manual_seed(0))
    assert lines.shape == (50, 24)
    for line in lines.tolist():
        pairs = {line[at]: line[at + 1] for at in range(0, 8, 2)}
        assert len(set(line[:8])) == 8
        for start in (8, 16):
            assert {line[at]: line[at + 1] for at in range(start, start + 8, 2)} == pairs
        assert all(line[at] in pairs for at in asked(4, 3).tolist())
    assert len({tuple(line[8:16:2]) for line in lines.tolist()}) > 1
    assert (seen_before(lines) == (torch.arange(24) >= 8)).all()


def test_too_many_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="9 pairs of different symbols need 18 symbols; there are 16"):
        shuffled_pairs(1, 9, 2, 16, torch.Generator())
