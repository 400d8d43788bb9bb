"""Bytes alive at the worst moment: by hand, and against torch's own profiler of the allocator."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from models.model_size import Shape
from models.peak_memory import PeakMemory
from models.sized_decoder import SizedBlock


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_chain_of_three_tensors_by_hand(device: str) -> None:
    x = torch.zeros(1000, device=device)  # was there before: not counted
    with PeakMemory() as memory:
        a = x + 1  # 4,000 bytes
        b = torch.cat([a, a])  # 8,000 more
        del a
        c = b.view(2, 1000)[:, :10]  # views have no memory of their own
        d = b * 2  # 8,000 more, after 4,000 went
    assert memory.peak == 16_000
    assert memory.now == 16_000
    del b, c, d
    assert memory.now == 0


@pytest.mark.parametrize("fused", [False, True])
def test_a_blocks_peak_is_what_torchs_allocator_saw(fused: bool) -> None:
    block, x = SizedBlock(Shape(1, 64, 2, 2, 256, 10)).requires_grad_(False), torch.zeros(1, 96, 64)
    with PeakMemory() as memory:
        block(x, fused)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        block(x, fused)
    now = peak = 0
    for event in sorted((event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"), key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    assert memory.peak == peak
