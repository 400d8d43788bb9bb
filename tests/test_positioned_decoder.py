"""Position schemes: by hand, against other implementations, and what the trained decoders' card promises beyond their length."""

import math

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from models import checkpoints, toy_letters
from models.alibi import alibi_bias, slopes
from models.extrapolation import recall, stretched, text_loss
from models.positioned_decoder import SCHEMES, UNSTRETCHED, PositionedConfig, PositionedDecoder, Stretch
from models.recall import copies, needle
from models.relative_attention import clipped_offsets, gather_scores, gather_values, relative_attention, skew
from models.relative_buckets import BucketBias, bucket, offsets
from models.sinusoidal import sinusoids
from models.training import lengths


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Biases


def test_eight_heads_get_the_slopes_of_the_paper() -> None:
    assert slopes(8).tolist() == [2**-h for h in range(1, 9)]


@pytest.mark.parametrize("heads", [1, 4, 6, 12, 16])
def test_alibi_is_blooms_up_to_a_constant_per_row(heads: int) -> None:
    theirs = build_alibi_tensor(torch.ones(1, 9), heads, torch.float32)[:, 0]
    ours = alibi_bias(heads, 1, 9)[:, 0]
    assert torch.allclose(ours - ours[:, :1], theirs - theirs[:, :1], atol=1e-6)


def test_alibi_by_hand() -> None:
    assert alibi_bias(4, 2, 3)[0].tolist() == [[-0.25, 0, -0.25], [-0.5, -0.25, 0]]


@pytest.mark.parametrize(("causal", "buckets", "farthest"), [(True, 32, 128), (False, 32, 128), (True, 16, 16), (True, 16, 12)])
def test_buckets_are_t5s(causal: bool, buckets: int, farthest: int) -> None:
    offset = torch.arange(-200, 201)
    theirs = T5Attention._relative_position_bucket(offset, bidirectional=not causal, num_buckets=buckets, max_distance=farthest)
    assert torch.equal(bucket(offset, buckets, farthest, causal=causal), theirs)


def test_buckets_without_room_for_wide_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="16 buckets a side keep 8 distances exact; the largest distance must be beyond that, got 8"):
        bucket(torch.arange(3), 16, 8, causal=True)


def test_a_bucket_bias_reads_its_table() -> None:
    bias = BucketBias(heads=2, buckets=8, max_distance=16, causal=True)
    number = bucket(offsets(5), 8, 16, causal=True)
    assert torch.equal(bias(5)[1], bias.table.weight[number, 1])


# Relative vectors


def test_the_offsets_of_five_tokens_clipped_at_two() -> None:
    assert clipped_offsets(5, 2).tolist() == [[0, 1, 2, 2, 2], [-1, 0, 1, 2, 2], [-2, -1, 0, 1, 2], [-2, -2, -1, 0, 1], [-2, -2, -2, -1, 0]]


def test_gathered_parts_are_those_of_the_whole_tensor() -> None:
    q, weights, w, at = torch.randn(2, 6, 4), torch.rand(2, 6, 6), torch.randn(5, 4), clipped_offsets(6, 2)
    a = w[at + 2]  # (T, T, D): what nobody builds
    assert torch.allclose(gather_scores(q, w, at), torch.einsum("hid,ijd->hij", q, a), atol=1e-5)
    assert torch.allclose(gather_values(weights, w, at), torch.einsum("hij,ijd->hid", weights, a), atol=1e-5)


def test_the_skew_puts_offset_zero_on_the_diagonal() -> None:
    per_distance = torch.arange(-3, 1).expand(4, 4).float()  # the entry is its own offset
    assert torch.equal(skew(per_distance).tril(), clipped_offsets(4, 3).float().tril())


def test_shaws_score_by_hand() -> None:
    """Query (1, 2), key (1, 0) one place before, vector (0, 0.5) for offset -1: 2 / √2 against the query's own key with nothing."""
    q, k = torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    w = torch.tensor([[0.0, 0.5], [0.0, 0.0], [0.0, 0.0]])
    _, weights = relative_attention(q, k, torch.zeros(2, 2), w, None, torch.ones(2, 2, dtype=torch.bool).tril())
    assert weights[1, 0].item() == pytest.approx(1 / (1 + math.exp(-math.sqrt(2))))


# The decoder


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_later_letter_changes_nothing_before_it(scheme: str) -> None:
    model, tokens = PositionedDecoder(PositionedConfig(20, scheme, 8)), torch.randint(20, (2, 8), generator=generator())
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 20
    assert torch.allclose(model(tokens)[:, :5], model(changed)[:, :5], atol=1e-6)
    assert not torch.allclose(model(tokens)[:, 5:], model(changed)[:, 5:], atol=1e-4)


@pytest.mark.parametrize("scheme", ["rotary", "t5", "alibi", "shaw"])
def test_relative_schemes_do_not_know_where_the_text_begins(scheme: str) -> None:
    """With a window that hides the beginning, a shifted line looks the same to a relative scheme: one layer, as each layer sees a window further."""
    model = PositionedDecoder(PositionedConfig(20, scheme, 8, layers=1))
    line = torch.randint(20, (1, 12), generator=generator())
    window = Stretch(window=4)
    assert torch.allclose(model(line, window)[:, 8:], model(line[:, 3:], window)[:, 5:], atol=1e-5)


def test_a_window_shows_so_many_keys() -> None:
    model = PositionedDecoder(PositionedConfig(20, "rotary", 8))
    _, weights = model.look(torch.zeros(1, 9, dtype=torch.long), Stretch(window=3))
    assert (weights[0] > 0).sum(dim=-1).flatten().tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3] * 4


def test_a_learned_table_ends() -> None:
    model = PositionedDecoder(PositionedConfig(20, "learned", 8))
    with pytest.raises(ValueError, match="The learned table has 8 rows; there is none for position 8 of these 9 tokens"):
        model(torch.zeros(1, 9, dtype=torch.long))
    losses = text_loss(model, torch.zeros(1, 13, dtype=torch.long), UNSTRETCHED)
    assert losses.isnan().tolist() == [False] * 8 + [True] * 4


def test_sinusoids_by_hand() -> None:
    assert torch.allclose(sinusoids(torch.tensor([3]), 4)[0], torch.tensor([math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]))


# Recall


def test_copies_repeat_a_stretch_of_different_symbols() -> None:
    tokens, known = copies(20, 30, 4, 12, 26, generator())
    for line, can_be_known in zip(tokens.tolist(), known.tolist()):
        period = can_be_known.index(True)
        assert 4 <= period <= 12
        assert len(set(line[:period])) == period
        assert line[period:] == line[:-period]


def test_a_needle_stands_once_and_its_follower_is_the_answer() -> None:
    lines = needle(50, 20, 7, 26, generator())
    for line in lines.tolist():
        assert [at for at, symbol in enumerate(line[:20]) if symbol == line[19]] == [12, 19]
        assert line[20] == line[13]


def test_a_needle_before_the_line_is_refused() -> None:
    with pytest.raises(ValueError, match="In a line of 10 symbols the needle can stand 2 to 9 places back; got 10"):
        needle(1, 10, 10, 26, generator())


def test_a_model_that_knows_the_answer_recalls_it() -> None:
    """The trained rotary decoder finds what is within its window and nothing outside of it."""
    model, window = checkpoints.load("lengths").model["rotary_32"], stretched("window", 4, 32)
    assert recall(model, 96, 16, 32, window) > 0.8
    assert recall(model, 96, 70, 32, window) < 0.2


# What the card promises


@pytest.mark.parametrize(("run", "scaling", "times"), [("alibi_32", "none", 8), ("rotary_16", "ntk", 4), ("t5_32_far", "none", 8)])
def test_the_figures_on_the_card_are_met_again(run: str, scaling: str, times: int) -> None:
    model, tokenizer, card = checkpoints.load("lengths")
    L = model[run].config.trained
    kept = card["figures"][run]["none" if scaling == "none" else f"{scaling}_{times}"]
    stream = lengths.text_stream(5, 120)[: 16 * (4 * L + 1)].view(16, -1)
    again = text_loss(model[run], stream, stretched(scaling, times, L)).view(4, L).mean(dim=-1)
    promised = torch.tensor(kept["text"][:16]).view(4, 4).mean(dim=-1)
    assert torch.allclose(again, promised, atol=0.35)
    assert recall(model[run], 2 * L, round(0.8 * L), 48, stretched(scaling, times, L), seed=3) == pytest.approx(kept["recall"][4][1], abs=0.3)
    assert len(tokenizer) == model[run].config.vocabulary == 4 + len(toy_letters.LETTERS) + len(toy_letters.SYMBOLS)
