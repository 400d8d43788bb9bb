"""Token mixers: three forms of one recurrence, tasks whose answers can be looked up, and what the trained models can do."""

import pytest
import torch
import torch.nn.functional as F

from models import checkpoints, toy_pairs
from models.token_mixers import KINDS, MixerModel, TokenMixer, as_recurrence, features, in_chunks, in_parallel, kept_numbers, normalised, with_ones
from models.training import mixers


def test_the_worked_example_of_linear_attention() -> None:
    """Keys (1,0), (0,1), (1,1), values 1, 2, 4: S = (5, 6), z = (2, 2); the query (1, 2) reads 17/6."""
    k, v = torch.tensor([[[1.0, 0], [0, 1], [1, 1]]]), torch.tensor([[[1.0], [2], [4]]])
    q, no_gate = torch.tensor([[1.0, 2]]).expand(1, 3, 2), torch.zeros(1, 3)
    read, S = as_recurrence(q, k, with_ones(v), no_gate)
    assert S[0].tolist() == [[5, 2], [6, 2]]
    assert normalised(read)[0, -1].item() == pytest.approx(17 / 6)


@pytest.mark.parametrize("length", [1, 7, 64, 65, 150])
def test_all_forms_of_the_recurrence_agree(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    q, k = (features(torch.randn(2, length, 5, generator=generator)) for _ in range(2))
    v, log_g = torch.randn(2, length, 3, generator=generator), F.logsigmoid(torch.randn(2, length, generator=generator))
    parallel = in_parallel(q, k, v, log_g)
    assert torch.allclose(as_recurrence(q, k, v, log_g)[0], parallel, atol=1e-4)
    assert torch.allclose(in_chunks(q, k, v, log_g), parallel, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_fourier_transform_sees_ahead(kind) -> None:
    torch.manual_seed(1)
    mixer, x = TokenMixer(kind, 8, 4), torch.randn(1, 12, 8)
    other = x.clone()
    other[:, -1] += 1
    with torch.no_grad():
        unchanged = torch.allclose(mixer(x)[:, :-1], mixer(other)[:, :-1], atol=1e-6)
    assert unchanged == (kind != "fourier")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_has_as_many_numbers_as_promised(kind) -> None:
    model = MixerModel(kind, 20, width=8, state=4)
    with torch.no_grad():
        assert model.remembers(torch.randint(20, (2, 30))).numel() == kept_numbers(kind, 30, 8, 4)


def test_every_answer_stands_in_the_line_after_what_is_asked() -> None:
    for task in ("recall", "copy"):
        lines = toy_pairs.lines(task, 6, 9, 12, 5, torch.Generator().manual_seed(2))
        first = int(lines.asked[0])
        for tokens, answers in zip(lines.tokens.tolist(), lines.answers.tolist()):
            for place, answer in zip(lines.asked.tolist(), answers):
                assert tokens[:first].count(tokens[place]) == 1
                assert tokens[tokens.index(tokens[place]) + 1] == answer


def test_too_many_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="65 pairs need as many different keys; there are 64"):
        toy_pairs.recall(1, 65, 1, 0, torch.Generator())


def test_an_unknown_mixer_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no token mixer 'blender'.*softmax, linear"):
        TokenMixer("blender", 8, 4)  # type: ignore[arg-type]


def test_recall_falls_with_the_pairs_in_a_fixed_state_and_not_in_attention() -> None:
    model = checkpoints.load("mixers").model
    right = {
        (run, pairs): mixers.accuracy(model[run], "recall", pairs, 8, 16, seed=5)
        for run in ("softmax_8", "linear_8", "linear_32")
        for pairs in (4, 32)
    }
    assert right["softmax_8", 32] > 0.97
    assert right["linear_8", 32] < 0.5 < right["linear_8", 4]
    assert right["linear_32", 32] > right["linear_8", 32] + 0.2
    assert right["linear_8", 32] == pytest.approx(checkpoints.card("mixers")["figures"]["by_pairs"]["linear_8"]["recall"][-1], abs=0.1)
