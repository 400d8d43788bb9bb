"""Shared keys and values: torch's own grouped attention agrees, the ends are multi-head and multi-query, a cache changes nothing but its size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from models.attention import KeyValues, MultiHeadAttention, split_heads
from models.grouped_query import GroupedQueryAttention, cached_bytes, mean_pooled


def layer(kv_heads: int) -> GroupedQueryAttention:
    torch.manual_seed(kv_heads)
    return GroupedQueryAttention(width=20, heads=6, kv_heads=kv_heads, head_size=4).double()


X = torch.randn(2, 9, 20, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
@torch.inference_mode()
def test_torchs_grouped_attention_agrees(kv_heads: int) -> None:
    gqa = layer(kv_heads)
    q, k, v = split_heads(gqa.query(X), 6), split_heads(gqa.key(X), kv_heads), split_heads(gqa.value(X), kv_heads)
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(gqa(X), gqa.out(theirs.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("kv_heads", [1, 3, 6])
@torch.inference_mode()
def test_decoding_from_the_cache_gives_the_same_and_the_bytes_are_those_of_the_kv_heads(kv_heads: int) -> None:
    gqa, cache = layer(kv_heads), KeyValues()
    steps = [gqa(X[:, t : t + 1], cache) for t in range(9)]
    torch.testing.assert_close(torch.cat(steps, dim=1), gqa(X))
    assert cached_bytes(cache) == 2 * 2 * 9 * kv_heads * 4 * 8  # key and value, 2 texts, 9 tokens, heads of 4, 8 bytes


@torch.inference_mode()
def test_a_cache_of_lower_precision_is_smaller_and_nearly_the_same() -> None:
    gqa, cache = layer(2), KeyValues()
    rough = torch.cat([gqa(X[:, t : t + 1], cache, stored=torch.bfloat16) for t in range(9)], dim=1)
    assert cached_bytes(cache) == 2 * 2 * 9 * 2 * 4 * 2
    assert 0 < (rough - gqa(X)).abs().max() < 0.02


@torch.inference_mode()
def test_with_as_many_kv_heads_as_heads_it_is_multi_head_attention() -> None:
    gqa, mha = layer(6), MultiHeadAttention(24, 6).double()
    gqa.query, gqa.key, gqa.value, gqa.out = mha.query, mha.key, mha.value, mha.out
    x = torch.randn(1, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(gqa(x), mha(x, mask=torch.ones(7, 7, dtype=torch.bool).tril())[0])


def test_mean_pooling_averages_the_heads_of_a_group() -> None:
    weight = torch.arange(4.0).repeat_interleave(2)[:, None].expand(8, 3)  # four heads of size 2, head i filled with i
    assert mean_pooled(weight, kv_heads=2, head_size=2)[:, 0].tolist() == [0.5, 0.5, 2.5, 2.5]


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="6 query heads cannot be shared out to 4"):
        layer(4)


def test_shapes_can_be_followed_without_numbers() -> None:
    with torch.device("meta"):
        gqa, cache = GroupedQueryAttention(8, 64, 8, 128).to(torch.bfloat16), KeyValues()
        gqa(torch.empty(32, 131_072, 8, dtype=torch.bfloat16), cache)
    assert cached_bytes(cache) == 2 * 32 * 131_072 * 8 * 128 * 2
