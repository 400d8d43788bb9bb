"""The closed formulas of a model's size, against tensors that were built and operations that torch counted."""

from dataclasses import replace
from random import Random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.model_size import (
    ATTENTION,
    FEED_FORWARD,
    GPT2_SMALL,
    LLAMA_3_8B,
    SCORES,
    Shape,
    block_weights,
    cache_bytes_per_token,
    forward_flops,
    next_token_flops,
    rule_of_thumb,
    total_weights,
    training_bytes,
    weights,
)
from models.sized_decoder import SizedBlock, SizedDecoder, counted_flops, counted_weights


def some_shape(seed: int) -> Shape:
    rng = Random(seed)
    heads = rng.choice([1, 2, 4, 6])
    return Shape(
        layers=rng.randint(1, 3), width=heads * rng.choice([4, 8, 10]), heads=heads, kv_heads=rng.choice([n for n in (1, 2, 3, 6) if heads % n == 0]),
        feed_forward=rng.randint(5, 70), vocabulary=rng.randint(7, 90), tied=rng.random() < 0.5, gated=rng.random() < 0.5, biases=rng.random() < 0.5,
        norm=rng.choice(["layer", "rms"]), learned_positions=rng.choice([0, 40]), head_size=rng.choice([0, 6]),
    )  # fmt: skip


def test_published_sizes_come_out_to_the_last_bias() -> None:
    assert total_weights(GPT2_SMALL) == 124_439_808
    assert total_weights(LLAMA_3_8B) == 8_030_261_248
    assert block_weights(GPT2_SMALL) == {ATTENTION: 2_362_368, FEED_FORWARD: 4_722_432, "norms": 3_072}


@pytest.mark.parametrize("seed", range(20))
def test_formulas_agree_with_the_tensors_and_the_operations_of_a_built_model(seed: int) -> None:
    shape = some_shape(seed)
    assert weights(shape) == counted_weights(shape)
    assert sum(forward_flops(shape, 13).values()) == counted_flops(shape, 13)


def test_attention_has_as_many_weights_as_torchs_own() -> None:
    assert block_weights(GPT2_SMALL)[ATTENTION] == sum(tensor.numel() for tensor in nn.MultiheadAttention(768, 12).parameters())


def test_a_built_model_gives_logits_and_never_looks_ahead() -> None:
    torch.manual_seed(0)
    model = SizedDecoder(replace(some_shape(3), layers=2))
    tokens = torch.randint(7, (1, 12))
    logits = model(tokens)
    changed = tokens.clone()
    changed[0, -1] = (changed[0, -1] + 1) % 7
    assert torch.allclose(model(changed)[:, :-1], logits[:, :-1], atol=1e-6)
    assert not torch.allclose(model(changed)[:, -1], logits[:, -1], atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_fused_and_plain_attention_say_the_same(seed: int) -> None:
    torch.manual_seed(seed)
    shape = some_shape(seed)
    block, x = SizedBlock(shape), torch.randn(2, 9, shape.width)
    assert torch.allclose(block(x), block(x, fused=True), atol=1e-5)


def test_a_cached_token_costs_what_the_last_row_of_a_whole_pass_costs() -> None:
    whole, before = forward_flops(LLAMA_3_8B, 500), forward_flops(LLAMA_3_8B, 499)
    added = next_token_flops(LLAMA_3_8B, 499)
    assert {term: whole[term] - before[term] for term in whole if term != SCORES} == {term: added[term] for term in whole if term != SCORES}
    q, keys = torch.empty(32, 1, 128, device="meta"), torch.empty(32, 500, 128, device="meta")
    with FlopCounterMode(display=False) as counter:
        (q @ keys.transpose(1, 2)) @ keys
    assert added[SCORES] == 32 * counter.get_total_flops()  # 32 layers


def test_bytes_by_hand() -> None:
    assert cache_bytes_per_token(LLAMA_3_8B) == 128 * 1024
    assert sum(training_bytes(GPT2_SMALL).values()) == 16 * 124_439_808
    assert rule_of_thumb(GPT2_SMALL) == 12 * 12 * 768**2 + 50_257 * 768


def test_heads_that_do_not_divide_are_named() -> None:
    with pytest.raises(ValueError, match="12 heads cannot share a width of 100"):
        Shape(1, 100, 12, 12, 400, 10)
    with pytest.raises(ValueError, match="12 query heads cannot be shared out to 5"):
        Shape(1, 120, 12, 5, 400, 10)
