"""RWKV: the worked example by hand, three programs that agree, and a memory that carries on."""

import math

import pytest
import torch

from models import checkpoints
from models.rwkv import RWKV, half_life, wkv_parallel, wkv_plain, wkv_recurrent
from models.training.toy_rwkv import felt

LN2 = torch.tensor([math.log(2)])
ZERO_KEYS, VALUES = torch.zeros(1, 3, 1), torch.tensor([4.0, 2.0, 1.0])[None, :, None]


@pytest.mark.parametrize("program", [wkv_parallel, wkv_plain, lambda *given: wkv_recurrent(*given)[0]])
def test_the_worked_example(program) -> None:
    """Decay and bonus ln 2: the past halves at each step, the present counts double. 8/2, (4 + 4)/3, (2 + 2 + 2)/3.5."""
    assert program(LN2, LN2, ZERO_KEYS, VALUES).flatten().tolist() == pytest.approx([4, 8 / 3, 6 / 3.5])


def test_the_sums_go_on_where_they_stopped() -> None:
    _, sums = wkv_recurrent(LN2, LN2, ZERO_KEYS, VALUES)
    assert (sums.a * sums.p.exp()).item() == pytest.approx(3)
    assert (sums.b * sums.p.exp()).item() == pytest.approx(1.75)
    output, _ = wkv_recurrent(LN2, LN2, torch.zeros(1, 1, 1), torch.tensor([[[5.0]]]), sums)
    assert output.item() == pytest.approx(13 / 3.75)


def test_large_keys_overflow_on_paper_and_not_with_a_running_maximum() -> None:
    k = torch.tensor([0.0, 95.0, 1.0])[None, :, None]
    assert not wkv_plain(LN2, LN2, k, VALUES).isfinite().all()
    assert wkv_recurrent(LN2, LN2, k, VALUES)[0].flatten().tolist() == pytest.approx([4, 2, 2])  # the loud second token drowns the others


def test_half_life() -> None:
    assert half_life(LN2).item() == pytest.approx(1)


def test_reading_in_pieces_gives_what_reading_at_once_gives() -> None:
    torch.manual_seed(0)
    model, tokens = RWKV(40, 16, 2), torch.randint(40, (2, 11))
    memory = model.no_memory(2)
    with torch.no_grad():
        pieces = torch.cat([model(tokens[:, :4], memory), model(tokens[:, 4:5], memory), model(tokens[:, 5:], memory)], dim=1)
        assert torch.allclose(model(tokens), pieces, atol=1e-5)
    assert sum(part.numel() for layer in memory for part in (*layer.sums, layer.time, layer.channel)) == 5 * 16 * 2 * 2  # five vectors, layers, texts


def test_the_trained_model_feels_near_tokens_as_its_card_says() -> None:
    model, _, card = checkpoints.load("toy_rwkv")
    assert felt(model, 1, batches=2) == pytest.approx(card["figures"]["felt"]["1"], rel=0.25)
    assert felt(model, 24, batches=1) < 0.01
