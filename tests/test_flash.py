"""Attention by tiles: the same output and gradients as torch's own, and the traffic that the loops themselves cause."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from models import flash

SHAPES = [(1, 1), (3, 5), (8, 2), (7, 30), (64, 64)]


def drawn(n: int = 19, d: int = 8, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(4, n, d, generator=torch.Generator().manual_seed(3), dtype=dtype))


@pytest.mark.parametrize(("blocks", "order", "causal"), list(itertools.product(SHAPES, ("queries", "keys"), (False, True))))
def test_tiles_give_torchs_output_and_log_sum_exp(blocks: tuple[int, int], order: flash.Order, causal: bool) -> None:
    q, k, v, _ = drawn()
    made = flash.forward(q, k, v, *blocks, order=order, causal=causal)
    torch.testing.assert_close(made.o, F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0])
    s = q @ k.T / math.sqrt(8)
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -math.inf)
    torch.testing.assert_close(made.L, torch.logsumexp(s, dim=-1))


@pytest.mark.parametrize(("blocks", "causal"), list(itertools.product(SHAPES, (False, True))))
def test_weights_made_again_give_autograds_gradients(blocks: tuple[int, int], causal: bool) -> None:
    *inputs, do = drawn()
    q, k, v = (tensor.clone().requires_grad_() for tensor in inputs)
    F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0].backward(do)
    made = flash.forward(*inputs, 4, 4, causal=causal)
    dq, dk, dv, _ = flash.backward(*inputs, made.o, made.L, do, *blocks, causal=causal)
    torch.testing.assert_close((dq, dk, dv), (q.grad, k.grad, v.grad))


@pytest.mark.parametrize(("blocks", "order", "causal"), list(itertools.product(SHAPES, ("queries", "keys"), (False, True))))
def test_the_counter_in_the_loops_agrees_with_the_sum_from_sizes(blocks: tuple[int, int], order: flash.Order, causal: bool) -> None:
    q, k, v, _ = drawn()
    B_r, B_c = (min(size, 19) for size in blocks)
    assert flash.forward(q, k, v, B_r, B_c, order=order, causal=causal).moved == flash.tiled_traffic(19, 8, B_r, B_c, order, causal)


def test_traffic_of_a_case_counted_by_hand() -> None:
    # n = 4, d = 2, blocks of 2: q 8, o 8, L 4, and two passes over keys and values of 16 numbers
    assert flash.tiled_traffic(4, 2, 2, 2) == 8 + 8 + 4 + 2 * 16
    # keys outside: k, v 16; each of 2 meetings of 2 blocks loads q, o, m, l (12); the first stores o, m, l (8), the last o, L (6)
    assert flash.tiled_traffic(4, 2, 2, 2, "keys") == 16 + 4 * 12 + 2 * 8 + 2 * 6
    # causal: the first block of queries meets one block of keys only
    assert flash.tiled_traffic(4, 2, 2, 2, causal=True) == 8 + 8 + 4 + 8 + 16


def test_the_worked_example_of_four_scores_in_two_blocks() -> None:
    s, v = torch.tensor([[1.0, 3.0, 2.0, 5.0]]), torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    m, l, o = torch.tensor([-math.inf]), torch.zeros(1), torch.zeros(1, 1)
    m, l, o, _ = flash.online_softmax(m, l, o, s[:, :2], v[:2])
    assert (m.item(), round(l.item(), 4), round(o.item(), 4)) == (3, 1.1353, 2.1353)
    m, l, o, factor = flash.online_softmax(m, l, o, s[:, 2:], v[2:])
    assert [round(x.item(), 4) for x in (factor, l, o)] == [0.1353, 1.2034, 4.4383]
    assert round((o / l[:, None]).item(), 3) == 3.688


def test_scores_of_a_thousand_do_not_overflow_in_half_precision() -> None:
    s, v = torch.tensor([[1000.0, 1001.0]], dtype=torch.float16), torch.eye(2, dtype=torch.float16)
    _, l, o, _ = flash.online_softmax(
        torch.full((1,), -math.inf, dtype=torch.float16), torch.zeros(1, dtype=torch.float16), torch.zeros(1, 2, dtype=torch.float16), s, v
    )
    assert torch.allclose((o / l[:, None]).float(), torch.tensor([[1 / (1 + math.e), math.e / (1 + math.e)]]), atol=1e-3)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("tall", [0.25, 1.0, 4.0])
def test_the_blocks_are_the_largest_that_fit(tall: float, backward: bool) -> None:
    B_r, B_c = flash.block_sizes(2048, 16, 1000, tall, backward)
    assert flash.sram(B_r, B_c, 16, backward) <= 2048
    step = (max(tall, 1), max(1 / tall, 1))
    assert flash.sram(round(B_r + step[0]), round(B_c + step[1]), 16, backward) > 2048
    assert flash.block_sizes(10**6, 16, 32) == (32, 32)


def test_a_chip_too_small_for_one_query_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 259 numbers on the chip, it holds 100"):
        flash.block_sizes(100, 64, 8)
