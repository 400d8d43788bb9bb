"""The published blocks: torch's own layers, the frame by hand, and what the residual connection is there for."""

import pytest
import torch
from torch import nn

from models.transformer_block import Frame, Layer, cosines, mean_cosine, stack, start_even, through

torch.set_num_threads(1)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_an_encoder_stack_is_torchs_own(norm: str) -> None:
    torch.manual_seed(0)
    ours = stack(3, 16, 2, 40)
    theirs = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, 40, 0.0, batch_first=True, norm_first=norm == "pre"), 3, enable_nested_tensor=False
    )
    with torch.no_grad():
        for own, its in zip(ours, theirs.layers, strict=True):
            assert isinstance(own, Layer)
            for parameter in own.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.4)
            projections = (own.attention.query, own.attention.key, own.attention.value)
            its.self_attn.in_proj_weight.copy_(torch.cat([one.weight for one in projections]))
            its.self_attn.in_proj_bias.copy_(torch.cat([one.bias for one in projections]))
            its.self_attn.out_proj.load_state_dict(own.attention.out.state_dict())
            its.linear1.load_state_dict(own.feed_forward.up.state_dict())
            its.linear2.load_state_dict(own.feed_forward.down.state_dict())
            its.norm1.load_state_dict(own.norms[0].state_dict())
            its.norm2.load_state_dict(own.norms[1].state_dict())
        x = torch.randn(2, 5, 16)
        steps = through(ours, x, frame=Frame(norm))  # type: ignore[arg-type]
        assert torch.allclose(steps[-1][-1].out, theirs.eval()(x), atol=1e-5)
    assert [step.name for step in steps[0]] == ["self-attention", "feed-forward"]
    assert torch.equal(steps[1][0].x, steps[0][-1].out), "each layer reads what the one before it wrote"


def test_the_four_frames_by_hand() -> None:
    """x = (1, 3) and a sub-layer that doubles: LayerNorm of any rising pair is (-1, 1)."""
    x, norm = torch.tensor([1.0, 3.0]), nn.LayerNorm(2, eps=0.0)
    with torch.no_grad():
        ends = {
            frame: frame.wrap(x, lambda x: 2 * x, norm)[1].tolist()
            for frame in (Frame("post"), Frame("pre"), Frame("post", False), Frame("pre", False))
        }
    assert ends[Frame("post")] == pytest.approx([-1, 1])
    assert ends[Frame("pre")] == pytest.approx([1 - 2, 3 + 2])
    assert ends[Frame("post", False)] == pytest.approx([-1, 1])
    assert ends[Frame("pre", False)] == pytest.approx([-2, 2])


def test_a_decoder_layer_does_not_see_ahead_but_sees_all_of_the_source() -> None:
    layer = stack(1, 16, 2, 32, cross=True)
    start_even(layer, torch.Generator().manual_seed(0))
    x, memory = torch.randn(1, 6, 16), torch.randn(1, 4, 16)
    changed, changed_memory = x.clone(), memory.clone()
    changed[:, 3] += 1
    changed_memory[:, 3] += 1
    with torch.no_grad():
        before, after, across = (through(layer, a, b)[-1][-1].out for a, b in ((x, memory), (changed, memory), (x, changed_memory)))
    moved = (before - after).abs().amax(dim=-1)[0] > 1e-6
    assert moved.tolist() == [False] * 3 + [True] * 3
    assert ((before - across).abs().amax(dim=-1)[0] > 1e-6).all()


def test_without_the_residual_all_tokens_become_one() -> None:
    layers = stack(3, 32, 4, 64)
    start_even(layers, torch.Generator().manual_seed(1))
    x = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ends = {residual: float(mean_cosine(through(layers, x, frame=Frame("post", residual))[-1][-1].out)) for residual in (True, False)}
    assert ends[False] > 0.98
    assert ends[True] < 0.9


def test_cosines_by_hand() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    half = 0.5**0.5
    assert cosines(x).flatten().tolist() == pytest.approx([1, 0, half, 0, 1, half, half, half, 1])
    assert float(mean_cosine(x)) == pytest.approx(2 * half / 3)
