"""Decoding with a cache: the same logits as without, whatever is shared; and the limits of a machine, as the note works them."""

import pytest
import torch

from models import checkpoints
from models.cached_decoding import CachedDecoder, Machine, Work, decode, matrix_bytes, memory, prefill, recompute
from models.model_size import Shape

LLAMA_7B = Shape(32, 4096, 32, 32, 11_008, 32_000, tied=False, gated=True, biases=False, norm="rms")


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@torch.inference_mode()
def test_with_and_without_a_cache_the_logits_agree(kv_heads: int) -> None:
    decoder = CachedDecoder(checkpoints.load("toy_decoder").model, kv_heads)
    tokens, cache = torch.randint(1024, (2, 30), generator=torch.Generator().manual_seed(0)), decoder.new_cache()
    parts = [decoder.forward(part, cache) for part in (tokens[:, :20], *tokens[:, 20:].split(1, dim=1))]
    assert (torch.cat(parts, dim=1) - decoder.forward(tokens)).abs().max() < 1e-3
    assert cache[0].k.shape == (2, kv_heads, 30, 32)


@torch.inference_mode()
def test_with_all_heads_it_is_the_trained_decoder() -> None:
    model, tokens = checkpoints.load("toy_decoder").model, torch.arange(40)[None]
    assert (CachedDecoder(model, 4).forward(tokens) - model(tokens)).abs().max() < 1e-3


@torch.inference_mode()
def test_a_cache_in_fewer_bits_is_kept_in_them() -> None:
    decoder = CachedDecoder(checkpoints.load("toy_decoder").model, 4, torch.float8_e4m3fn)
    cache = decoder.new_cache()
    decoder.forward(torch.arange(8)[None], cache)
    assert cache[0].k.dtype == torch.float8_e4m3fn


def test_the_cache_of_4096_tokens_takes_two_gibibytes() -> None:
    assert memory(LLAMA_7B, 4096, 1, 2)[1] == 2**31
    assert decode(LLAMA_7B, 4095, 1, 2).bytes - matrix_bytes(LLAMA_7B, 2) == 2**31


def test_the_slower_limit_decides() -> None:
    machine = Machine(peak=100, bandwidth=10)
    assert Work(flops=500, bytes=10).seconds(machine) == 5
    assert Work(flops=500, bytes=80).seconds(machine) == 8


def test_prefill_is_limited_by_arithmetic_and_decode_by_memory() -> None:
    balance = 312e12 / 2e12
    assert decode(LLAMA_7B, 2000, 1, 2).intensity < 2 < balance < prefill(LLAMA_7B, 2000, 1, 2).intensity
    assert recompute(LLAMA_7B, 1999, 1).flops == prefill(LLAMA_7B, 2000, 1, 2).flops
