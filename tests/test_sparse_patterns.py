"""Sparse attention: the masks as drawn by hand, how far they carry, and that skipping changes nothing."""

import pytest
import torch

from models.attention import scaled_dot_product
from models.sparse_patterns import layers_needed, needed_tiles, pairs, pattern_mask, random_keys, tile_plan, tile_skipping


def drawn(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def test_patterns_look_as_they_are_drawn() -> None:
    assert torch.equal(pattern_mask("window", 5, w=2, causal=True), drawn("x....", "xx...", ".xx..", "..xx.", "...xx"))
    assert torch.equal(pattern_mask("dilated", 5, w=2, r=2), drawn("x.x..", ".x.x.", "x.x.x", ".x.x.", "..x.x"))
    assert torch.equal(pattern_mask("blocks", 5, w=2), drawn("xx...", "xx...", "..xx.", "..xx.", "....x"))
    assert torch.equal(pattern_mask("global", 5, w=1, g=1), drawn("xxxxx", "xx...", "x.x..", "x..x.", "x...x"))
    assert torch.equal(pattern_mask("sinks", 5, w=2, s=1, causal=True), drawn("x....", "xx...", "xxx..", "x.xx.", "x..xx"))
    assert torch.equal(pattern_mask("strided", 5, w=2), drawn("xxx.x", "xxxx.", "xxxxx", ".xxxx", "x.xxx"))


def test_under_a_causal_mask_a_global_token_is_a_sink() -> None:
    assert torch.equal(pattern_mask("global", 20, g=2, causal=True), pattern_mask("sinks", 20, s=2, causal=True))


def test_random_keys_come_from_the_past_and_are_the_same_for_the_same_seed() -> None:
    first, again = (random_keys(12, True, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not first.triu(1)[2:].any()
    assert (random_keys(12, False, torch.Generator().manual_seed(1)).sum(dim=1) == 2).all()


@pytest.mark.parametrize(("w", "n", "layers"), [(4, 48, 16), (2, 10, 9), (5, 9, 2)])
def test_a_window_needs_one_layer_for_each_step_back(w: int, n: int, layers: int) -> None:
    needed = layers_needed(pattern_mask("window", n, w=w, causal=True), n)
    assert needed[-1, 0] == layers  # (n - 1) / (w - 1), rounded up
    assert needed[0, -1] == 0  # nobody hears of what comes later
    assert needed[-1, -1] == 1


def test_blocks_and_dilation_never_connect_everything() -> None:
    assert pairs(layers_needed(pattern_mask("blocks", 12, w=4), 12) > 0) == 3 * 16
    assert pairs(layers_needed(pattern_mask("dilated", 12, w=3, r=2), 12) > 0) == 2 * 36


def test_tiles_that_hold_no_pair_are_skipped_and_the_output_stays() -> None:
    mask = pattern_mask("window", 50, w=3, causal=True)
    assert needed_tiles(mask, 10).tolist() == [[row - column in (0, 1) for column in range(5)] for row in range(5)]
    q, k, v = torch.randn(3, 50, 8, generator=torch.Generator().manual_seed(0))
    plan = tile_plan(mask, 16)  # 50 is no multiple of 16
    assert [len(block.columns) for block in plan] == [16, 32, 32, 18]
    assert torch.allclose(tile_skipping(q, k, v, plan), scaled_dot_product(q, k, v, mask)[0], atol=1e-6)


def test_an_unknown_pattern_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no pattern 'spiral'.*window, dilated"):
        pattern_mask("spiral", 4)  # type: ignore[arg-type]
