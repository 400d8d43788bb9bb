"""Blocks: taken, shared, copied and given back; attention through a table is attention over the cache in one piece."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F

from models.attention import scaled_dot_product
from models.paged_cache import BlockPool, BlockTable, OutOfBlocks, PagedKeyValues


def test_a_hundred_tokens_in_blocks_of_sixteen_take_seven_and_waste_twelve_slots() -> None:
    pool = BlockPool(20, 16)
    BlockTable(pool).append(100)
    assert (pool.used, pool.used * 16 - sum(pool.filled)) == (7, 12)


def test_eight_samples_of_one_prompt_hold_166_blocks() -> None:
    pool = BlockPool(700, 16)
    first = BlockTable(pool)
    first.append(1000)
    samples = [first, *(first.fork() for _ in range(7))]
    assert pool.used == 63
    copies = [copy for _ in range(200) for sample in samples for copy in sample.append()]
    assert pool.used == 62 + 8 * 13
    assert len(copies) == 7  # the last one to write has the block for itself
    for sample in samples:
        sample.release()
    assert (pool.used, sum(pool.users), sum(pool.filled)) == (0, 0, 0)


def test_room_is_given_wholly_or_not_at_all() -> None:
    pool = BlockPool(3, 4)
    table = BlockTable(pool)
    table.append(6)
    with pytest.raises(OutOfBlocks, match="7 more tokens need 2 blocks, 1 are free"):
        table.append(7)
    assert (table.length, pool.used) == (6, 2)


def test_a_stretch_needs_neighbours() -> None:
    pool = BlockPool(5, 4)
    tables = [BlockTable(pool) for _ in range(5)]
    for table in tables:
        table.append(4)
    for table in tables[::2]:
        table.release()
    with pytest.raises(OutOfBlocks, match="No 2 neighbouring blocks are free; 3 are free in all"):
        pool.take_stretch(2)
    tables[1].release()
    assert pool.take_stretch(3) == [0, 1, 2]
    assert pool.take() == 4


@pytest.mark.parametrize("size", [1, 3, 16])
def test_attention_through_blocks_is_torchs_over_the_cache_in_one_piece(size: int) -> None:
    """Three sequences grow in turns, one of them forked halfway: their blocks are well mixed."""
    torch.manual_seed(size)
    rng, pool = random.Random(size), BlockPool(200, size)
    cache = PagedKeyValues(pool, heads=2, head_size=8)
    tables = [BlockTable(pool), BlockTable(pool)]
    whole = [torch.zeros(2, 0, 2, 8), torch.zeros(2, 0, 2, 8)]
    for turn in range(30):
        if turn == 12:
            tables.append(tables[0].fork())
            whole.append(whole[0])
        at, new = rng.randrange(len(tables)), torch.randn(2, rng.choice([1, 1, 1, 5]), 2, 8)
        cache.append(tables[at], *new)
        whole[at] = torch.cat([whole[at], new], dim=1)
    for table, (k, v) in zip(tables, whole):
        assert torch.equal(torch.stack(cache.gather(table)), torch.stack([k, v]))
        q = torch.randn(2, 8)
        theirs = F.scaled_dot_product_attention(q[:, None], k.transpose(0, 1), v.transpose(0, 1))[:, 0]
        torch.testing.assert_close(cache.attend(q, table), theirs)
        assert torch.equal(cache.attend(q, table), scaled_dot_product(q[:, None], k.transpose(0, 1), v.transpose(0, 1))[0][:, 0])
