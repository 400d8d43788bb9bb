"""Latent attention: absorbed equals expanded exactly where it should, decoding from the cache equals reading at once, DeepSeek's own agrees."""

from __future__ import annotations

import pytest
import torch

from models.grouped_query import cached_bytes
from models.latent_attention import LatentAttention, Latents, Rope, multiplications

WIDTH, T = 24, 11


def layer(rope: Rope = "decoupled", seed: int = 0) -> LatentAttention:
    torch.manual_seed(seed)
    return LatentAttention(WIDTH, heads=3, head_size=8, latent=10, rotary=4, query_latent=12, rope=rope).double().eval()


def inputs() -> torch.Tensor:
    return torch.randn(2, T, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("rope", ["none", "decoupled"])
@torch.inference_mode()
def test_absorbing_changes_nothing_without_a_rotation_in_between(rope: Rope) -> None:
    mla, x = layer(rope), inputs()
    torch.testing.assert_close(mla.absorbed(x), mla.expanded(x))


@torch.inference_mode()
def test_with_naive_rope_the_merged_matrix_loses_the_positions() -> None:
    mla, x = layer("naive"), inputs()
    out, _ = mla.expanded(x)
    wrong, _ = mla.absorbed(x)
    torch.testing.assert_close(wrong[:, 0], out[:, 0])  # a token alone is at distance 0
    assert (wrong - out)[:, 1:].abs().amax(dim=-1).min() > 1e-4


@pytest.mark.parametrize("rope", ["none", "naive", "decoupled"])
@pytest.mark.parametrize("form", ["expanded", "absorbed"])
@torch.inference_mode()
def test_decoding_token_by_token_from_the_cache_gives_the_same(rope: Rope, form: str) -> None:
    mla, x, cache = layer(rope), inputs(), Latents()
    steps = [getattr(mla, form)(x[:, t : t + 1], cache)[0] for t in range(T)]
    torch.testing.assert_close(torch.cat(steps, dim=1), getattr(mla, form)(x)[0])
    assert cached_bytes(cache) == 2 * T * (10 + mla.rotary) * 8


@torch.inference_mode()
def test_the_merged_matrix_gives_the_scores() -> None:
    """c_Qᵀ (W^UQᵀ R W^UK) c at the right distance is what the expanded form scores."""
    mla, x = layer("naive"), inputs()[:1]
    positions = torch.arange(T)
    c_Q, (c, _) = mla.norm_q(mla.W_DQ(x))[0], mla.remember(x, positions)
    _, weights = mla.expanded(x)
    s = torch.stack([torch.einsum("q,hqc,c->h", c_Q[7], mla.merged(torch.tensor([7 - at]))[0], c[0, at]) for at in range(8)], dim=-1) * mla.scale
    torch.testing.assert_close(torch.softmax(s, dim=-1), weights[0, :, 7, :8])


@torch.inference_mode()
def test_deepseeks_attention_of_transformers_agrees() -> None:
    from transformers.models.deepseek_v3.configuration_deepseek_v3 import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention, DeepseekV3RotaryEmbedding

    mla, x = layer(), inputs()
    config = DeepseekV3Config(
        hidden_size=WIDTH, num_attention_heads=3, num_key_value_heads=3, q_lora_rank=12, kv_lora_rank=10, qk_nope_head_dim=8, qk_rope_head_dim=4,
        v_head_dim=8, rope_interleave=False, attn_implementation="eager", num_hidden_layers=1,
    )  # fmt: skip
    theirs = DeepseekV3Attention(config, layer_idx=0).double().eval()
    theirs.q_a_proj.weight.copy_(mla.W_DQ.weight)
    theirs.q_b_proj.weight.copy_(torch.cat([mla.W_UQ.weight.view(3, 8, 12), mla.W_QR.weight.view(3, 4, 12)], dim=1).flatten(0, 1))
    theirs.kv_a_proj_with_mqa.weight.copy_(torch.cat([mla.W_DKV.weight, mla.W_KR.weight]))
    theirs.kv_b_proj.weight.copy_(torch.cat([mla.W_UK.weight.view(3, 8, 10), mla.W_UV.weight.view(3, 8, 10)], dim=1).flatten(0, 1))
    theirs.o_proj.weight.copy_(mla.W_O.weight)
    mask = torch.full((T, T), float("-inf"), dtype=torch.float64).triu(1)[None, None]
    out, weights = theirs(x, DeepseekV3RotaryEmbedding(config)(x, torch.arange(T)[None]), mask)
    torch.testing.assert_close(mla.absorbed(x), (out, weights), atol=1e-6, rtol=1e-6)


def test_multiplications_of_deepseeks_sizes() -> None:
    counted = multiplications(heads=128, head_size=128, latent=512, rotary=64, S=1)
    assert counted["absorbed"] == 128 * (576 + 512)
    assert counted["expanded"] == 128 * (512 * 256 + 192 + 128)
    assert counted["multi-head"] == 128 * 256
