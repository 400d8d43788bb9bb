"""The loop that writes: a case by hand, torch's own loss, and transformers' GPT-2 with our weights."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.autoregressive import log_probabilities, perplexity, running_perplexity, write
from models.decoder import Decoder, DecoderConfig
from models.gpt2_twin import gpt2_twin

torch.set_num_threads(1)


def test_the_loop_by_hand() -> None:
    """After A comes B with 3 to 1, after B comes A with 4 to 1: from A the likeliest text is B A B, 0.75 · 0.8 · 0.75."""
    table = torch.tensor([[1.0, 3.0], [4.0, 1.0]]).log()
    lengths = []

    def read(tokens: list[int]) -> torch.Tensor:
        lengths.append(len(tokens))
        return table[torch.tensor(tokens)]

    steps = list(write(read, [0], 3, lambda p: int(p.argmax())))
    assert [step.token for step in steps] == [1, 0, 1]
    assert math.exp(sum(step.log_p for step in steps)) == pytest.approx(0.75 * 0.8 * 0.75)
    assert lengths == [1, 2, 3], "each pass reads one token more"


def test_one_pass_scores_every_token_from_the_position_before_it() -> None:
    logits, tokens = torch.randn(3, 6, 9, generator=torch.Generator().manual_seed(0)), torch.tensor([4, 8, 0, 0, 3, 7])
    log_p = log_probabilities(logits, tokens)
    assert log_p.shape == (3, 5)
    for row, theirs in zip(log_p, logits, strict=True):
        assert float(-row.sum()) == pytest.approx(float(F.cross_entropy(theirs[:-1], tokens[1:], reduction="sum")), abs=1e-5)


def test_perplexity_by_hand() -> None:
    log_p = torch.tensor([0.5, 0.2, 0.1], dtype=torch.float64).log()
    assert float(perplexity(log_p)) == pytest.approx(0.01 ** (-1 / 3))
    assert running_perplexity(log_p).tolist() == pytest.approx([2, 0.1**-0.5, 0.01 ** (-1 / 3)])
    assert float(perplexity(torch.full((7,), 1 / 50_000, dtype=torch.float64).log())) == pytest.approx(50_000)


def test_a_decoder_and_its_twin_are_the_same_network() -> None:
    torch.manual_seed(0)
    ours = Decoder(DecoderConfig(vocabulary=30, context=12, layers=2, heads=2, width=16)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        tokens = torch.randint(30, (2, 12))
        assert torch.allclose(ours(tokens), gpt2_twin(ours, end=0)(tokens).logits, atol=1e-5)
