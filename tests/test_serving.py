"""Schedulers: histories worked by hand, and what must hold of any history."""

from __future__ import annotations

import random

import pytest

from models.paged_cache import BlockPool
from models.serving import Request, Scheduler, serve


def drawn(seed: int, count: int = 40) -> list[Request]:
    rng, step, made = random.Random(seed), 0, []
    for number in range(count):
        step += rng.choice([0, 1, 2, 7])
        made.append(Request(number, step, rng.randint(12, 30), rng.randint(1, 40)))
    return made


def test_a_static_batch_ends_with_its_longest() -> None:
    requests = [Request(number, 0, 10, answer) for number, answer in enumerate((10, 20, 30, 100))]
    served = serve(requests, "static", BlockPool(1000, 1), longest=100)
    assert set(served.finished.values()) == {99}
    assert sum(served.writing) / (4 * served.steps) == 0.4


def test_a_static_batch_lets_nobody_in_and_a_continuous_one_does() -> None:
    requests = [Request(0, 0, 4, 10), Request(1, 3, 4, 2)]
    assert serve(requests, "static", BlockPool(100, 4), longest=10).finished == {0: 9, 1: 11}
    assert serve(requests, "reserved", BlockPool(100, 4), longest=10).finished == {0: 9, 1: 4}
    assert serve(requests, "paged", BlockPool(100, 4), longest=10).finished == {0: 9, 1: 4}


def test_reservations_keep_out_whom_pages_let_in() -> None:
    requests = [Request(number, 0, 4, 4) for number in range(4)]
    assert max(serve(requests, "reserved", BlockPool(12, 4), longest=20).in_system) == 4
    assert serve(requests, "reserved", BlockPool(12, 4), longest=20).writing[0] == 2  # (4 + 20) / 4 = 6 blocks each
    assert serve(requests, "reserved", BlockPool(12, 4), longest=20).waiting[0] == 2
    assert serve(requests, "paged", BlockPool(12, 4), longest=20).writing[0] == 4


def test_the_last_to_come_is_put_off_and_still_gets_its_answer() -> None:
    requests = [Request(0, 0, 4, 8), Request(1, 0, 4, 8)]
    served = serve(requests, "paged", BlockPool(4, 4), longest=8)  # 12 tokens each: 3 blocks, and there are 4
    assert served.put_off == 1
    assert served.finished[0] == 7
    assert sum(served.writing) == 16


def test_a_shared_prefix_is_stored_once_and_its_half_full_block_copied() -> None:
    requests = [Request(number, 0, 10, 2) for number in range(3)]
    served = serve(requests, "paged", BlockPool(40, 4), longest=2, prefix=6)
    # prefix 6: blocks of 4 and 2, kept; each request copies the second one and needs 12 / 4 - 1 = 2 blocks of its own
    assert served.used[-1] == 2 + 3 * 2
    assert served.copies == 3
    assert serve(requests, "paged", BlockPool(40, 4), longest=2).used[-1] == 9


@pytest.mark.parametrize("scheduler", ["static", "reserved", "paged"])
@pytest.mark.parametrize("seed", range(4))
def test_littles_law_holds_and_no_token_is_lost(scheduler: Scheduler, seed: int) -> None:
    requests = drawn(seed)
    pool = BlockPool(20, 8)
    served = serve(requests, scheduler, pool, longest=40, prefix=12, watch=range(0, 1000, 7))
    assert sum(served.writing) == sum(request.answer for request in requests)
    mean_time = sum(served.finished[request.number] - request.arrives + 1 for request in requests) / len(requests)
    assert sum(served.in_system) / served.steps == pytest.approx(len(requests) / served.steps * mean_time)
    assert pool.used == (2 if scheduler == "paged" else 0)  # the prefix alone
    for step, blocks in served.maps.items():
        assert sum(bool(block.owners) for block in blocks) == served.used[step]
        assert sum(block.filled for block in blocks) == served.filled[step]


def test_a_request_that_can_never_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="Request 0 of 50 tokens fits into no empty memory"):
        serve([Request(0, 0, 50, 1)], "paged", BlockPool(4, 4), longest=1)
