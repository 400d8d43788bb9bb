"""Masks against torch's and against lists made by hand, and the test that finds leaks."""

import pytest
import torch
from torch import nn

from models.attention import scaled_dot_product
from models.attention_masks import additive, attention_mask, exchanged, influence, read_masked
from models.decoder import Decoder, DecoderConfig

torch.set_num_threads(1)


def test_each_mask_by_hand() -> None:
    def rows(kind: str) -> list[str]:
        return ["".join(".x"[int(cell)] for cell in row) for row in attention_mask(kind, 5, prefix=3, window=2)]  # type: ignore[arg-type]

    assert rows("full") == ["xxxxx"] * 5
    assert rows("causal") == ["x....", "xx...", "xxx..", "xxxx.", "xxxxx"]
    assert rows("prefix") == ["xxx..", "xxx..", "xxx..", "xxxx.", "xxxxx"]
    assert rows("window") == ["x....", "xx...", ".xx..", "..xx.", "...xx"]


def test_the_added_mask_is_torchs_and_does_what_the_bool_mask_does() -> None:
    mask = attention_mask("causal", 6)
    assert torch.equal(additive(mask), nn.Transformer.generate_square_subsequent_mask(6))
    q, k, v = torch.randn(3, 2, 6, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(scaled_dot_product(q, k, v, mask)[0], scaled_dot_product(q, k, v, additive(mask))[0], atol=1e-7)


def test_every_token_is_exchanged_once_and_the_text_itself_comes_last() -> None:
    assert exchanged([1, 2, 3], lambda token: token + 10).tolist() == [[11, 2, 3], [1, 12, 3], [1, 2, 13], [1, 2, 3]]


def decoder() -> Decoder:
    torch.manual_seed(0)
    model = Decoder(DecoderConfig(vocabulary=20, context=10, layers=3, heads=2, width=16)).eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.mark.parametrize("kind", ["full", "causal", "prefix", "window"])
@pytest.mark.parametrize("layers", [1, 3])
def test_influence_reaches_as_far_as_the_mask_taken_that_many_times(kind: str, layers: int) -> None:
    model, mask = decoder(), attention_mask(kind, 10, prefix=3, window=3)  # type: ignore[arg-type]
    with torch.inference_mode():
        moved = influence(read_masked(model, exchanged(range(10), lambda token: token + 5), mask, layers).residual[-1]) > 1e-12
    assert torch.equal(moved.T, torch.linalg.matrix_power(mask.double(), layers) > 0)


def test_under_its_own_mask_it_is_the_decoder() -> None:
    model, tokens = decoder(), torch.randint(20, (2, 10), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = model.unembed(read_masked(model, tokens, attention_mask("causal", 10), 3).residual[-1])
        assert torch.allclose(ours, model(tokens), atol=1e-12)
