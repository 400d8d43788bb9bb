"""Rotary positions and their scaling: by hand, and against what transformers computes."""

import math

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from models.rotary import frequencies, long_term_bound, rotate, turn
from models.rotary_scaling import ramp, scaled_frequencies, score_growth

L = 2048


@pytest.mark.parametrize(("method", "kind"), [("pi", "linear"), ("yarn", "yarn")])
@pytest.mark.parametrize("s", [1.5, 4.0, 16.0])
@pytest.mark.parametrize("D", [32, 128])
def test_frequencies_are_those_of_transformers(method: str, kind: str, s: float, D: int) -> None:
    rope = {"rope_type": kind, "rope_theta": 10_000.0, "factor": s} | ({"original_max_position_embeddings": L} if kind == "yarn" else {})
    config = LlamaConfig(hidden_size=D, num_attention_heads=1, rope_parameters=rope, max_position_embeddings=L)
    theirs, growth = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"))
    assert (scaled_frequencies(D, 10_000.0, method, s, L) - theirs).abs().max() < 1e-7
    assert score_growth(method, s) == pytest.approx(growth**2)


def test_a_far_position_is_turned_as_llama_turns_it() -> None:
    q = torch.randn(1, 1, 1024, 64, generator=torch.Generator().manual_seed(0))
    config = LlamaConfig(hidden_size=64, num_attention_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})
    cos, sin = LlamaRotaryEmbedding(config)(q, torch.arange(1024)[None])
    assert (rotate(q, torch.arange(1024)) - apply_rotary_pos_emb(q, q, cos, sin)[0]).abs().max() < 1e-6


def test_ntk_spares_the_first_hand_and_slows_the_last_by_s() -> None:
    slower = frequencies(64) / scaled_frequencies(64, 10_000.0, "ntk", 8.0, L)
    assert slower[0] == 1
    assert slower[-1] == pytest.approx(8, rel=1e-4)
    assert (slower.diff() > 0).all()


def test_yarn_leaves_fast_hands_alone_and_slows_the_slow_ones_by_s() -> None:
    turns = L * frequencies(128) / (2 * math.pi)
    slowed = ramp(128, 10_000.0, L)
    assert (slowed[turns > 40] == 0).all()
    assert (slowed[turns < 0.8] == 1).all()


def test_a_quarter_turn_by_hand() -> None:
    turned = turn(torch.tensor([[1.0, 2.0]]), torch.tensor([[math.pi / 2]]))
    assert torch.allclose(turned, torch.tensor([[-2.0, 1.0]]), atol=1e-6)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(ValueError, match="method must be one of none, pi, ntk, yarn; got 'abf'"):
        scaled_frequencies(8, 10_000.0, "abf", 2.0, L)


def test_the_bound_of_su_is_one_at_the_same_place_and_holds_for_equal_pairs() -> None:
    """By hand for two pairs: (1 + |e^{iθ₀} + e^{iθ₁}|) / 3. Any distance takes something off."""
    theta, distance = frequencies(4), torch.arange(50)
    by_hand = [(1 + abs(complex(math.cos(m), math.sin(m)) + complex(math.cos(0.01 * m), math.sin(0.01 * m)))) / 3 for m in range(50)]
    assert long_term_bound(distance, theta).tolist() == pytest.approx(by_hand, abs=1e-6)
    assert long_term_bound(torch.tensor([0]), frequencies(64)).item() == pytest.approx(1)
    assert (long_term_bound(torch.arange(1, 300), frequencies(128)) < 1).all()
