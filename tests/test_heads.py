"""What is said about heads: patterns counted by hand, silencing against changed weights, and the small models that grow a circuit."""

import math

import numpy as np
import pytest
import torch

from models import checkpoints, minilm
from models.attention_only import AttentionOnly, AttentionOnlyConfig, losses, repeated
from models.decoder import without
from models.head_importance import TASKS, Exam, exam, loss_without_each, query_key_spectrum, task_loss
from models.head_patterns import induction_keys, offset_keys, patterns, place_keys, same_keys, weight_on
from models.interventions import look_into_decoder, look_into_minilm

torch.set_num_threads(1)
WORD = torch.tensor([ord(letter) for letter in "abcab"])


# Patterns


def places(keys: torch.Tensor) -> dict[int, list[int]]:
    return {query: row.nonzero()[:, 0].tolist() for query, row in enumerate(keys) if row.any()}


def test_the_patterns_of_a_short_word_are_those_counted_by_hand() -> None:
    assert places(same_keys(WORD)) == {3: [0], 4: [1]}
    assert places(induction_keys(WORD)) == {3: [1], 4: [2]}
    assert places(offset_keys(5, -1)) == {1: [0], 2: [1], 3: [2], 4: [3]}
    assert places(offset_keys(3, 1)) == {0: [1], 1: [2]}
    assert places(place_keys(3, 2)) == {0: [2], 1: [2]}


@pytest.mark.parametrize("text", ["a", "ab", "aaaa"])
def test_every_pattern_stays_inside_the_text_and_looks_back_where_it_must(text: str) -> None:
    tokens = torch.tensor([ord(letter) for letter in text])
    for name, keys in patterns(tokens).items():
        assert keys.shape == (len(text), len(text)), name
        if name in ("previous", "same"):
            assert not keys.triu().any(), name
        if name == "induction":
            assert not keys.triu(1).any()


def test_a_score_is_the_mean_over_those_that_have_something_to_look_at() -> None:
    weights = torch.full((5, 5), 0.2)
    weights[3, 1], weights[4, 2] = 0.9, 0.3
    assert float(weight_on(weights, induction_keys(WORD))) == pytest.approx(0.6)
    assert float(weight_on(weights, same_keys(torch.arange(5)))) == 0  # nothing repeats


# Looking in, with a part switched off


def test_a_look_into_the_decoder_is_its_own_forward_pass() -> None:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    ids = [tokenizer.end, *tokenizer.encode("list: lamp river stone lamp river")]
    look = look_into_decoder(model, ids)
    logits, trace = model.look(torch.tensor([ids]))
    assert torch.equal(look.made, logits[0])
    assert torch.equal(look.weights, trace.attention[:, 0])
    gone = look_into_decoder(model, ids, [(0, 1), (2, 0)])
    assert torch.equal(gone.made, model(torch.tensor([ids]), edit=without([(0, 1), (2, 0)]))[0])


def test_a_zeroed_token_changes_nothing_before_it() -> None:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    ids = [tokenizer.end, *tokenizer.encode("The keys near the boat are new.")]
    look, zeroed = look_into_decoder(model, ids), look_into_decoder(model, ids, zeroed=4)
    assert torch.equal(look.made[:4], zeroed.made[:4])
    assert not torch.allclose(look.made[4:], zeroed.made[4:])


def test_a_look_into_minilm_ends_in_its_embedding_and_silencing_all_leaves_the_residual_stream() -> None:
    model = minilm.load()
    tokens = model.tokenize(["Every token looks at every token."])
    look = look_into_minilm(model, tokens)
    assert np.allclose(look.made.numpy(), model.embed(["Every token looks at every token."])[0], atol=1e-6)
    everything = [(layer, head) for layer in range(6) for head in range(12)]
    silent = look_into_minilm(model, tokens, everything)
    alone = [look_into_minilm(model, model.tokenize([text]), everything).states[1] for text in ("word", "word after word")]
    assert torch.allclose(alone[0], alone[1], atol=1e-5)  # nobody hears the others any more
    assert not torch.allclose(silent.made, look.made)


# What a removed head costs


@pytest.mark.parametrize("task", TASKS)
def test_all_removals_at_once_cost_what_they_cost_one_by_one(task: str) -> None:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    few = exam(task, tokenizer, 3, seed=5)
    assert few.scored.any(dim=1).all()
    together = loss_without_each(model, few, [(1, 2)])
    for place in ((0, 0), (1, 2), (3, 3)):
        assert float(together[place]) == pytest.approx(task_loss(model, few, {(1, 2), place}), abs=1e-4)


def test_only_the_scored_places_count() -> None:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    whole = exam("agreement", tokenizer, 4, seed=5)
    longer = Exam(torch.cat([whole.tokens, torch.full((4, 3), 9)], dim=1), torch.nn.functional.pad(whole.scored, (0, 3)))
    assert task_loss(model, longer) == pytest.approx(task_loss(model, whole), abs=1e-5)


def test_an_unknown_task_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no exam in 'chess'.*copying"):
        exam("chess", checkpoints.toy_tokenizer(), 2, seed=1)


@pytest.mark.parametrize("heads", [1, 4, 16])
def test_a_heads_comparison_has_the_rank_that_its_share_of_the_width_allows(heads: int) -> None:
    model = AttentionOnly(AttentionOnlyConfig(8, layers=1, heads=heads, width=16))
    attention = model.blocks[0].attention
    spectrum = query_key_spectrum(attention)
    q, k = (layer.weight.double().view(heads, 16 // heads, 16) for layer in (attention.query, attention.key))
    expected = torch.linalg.svdvals(q.transpose(1, 2) @ k)
    assert torch.allclose(spectrum, expected, atol=1e-9)
    assert int((spectrum[0] > 1e-9 * spectrum[0, 0]).sum()) == 16 // heads


# The models that grow


def test_a_stretch_repeats_without_a_letter_twice_in_it() -> None:
    tokens = repeated(8, 30, (6, 9), 26, torch.Generator().manual_seed(1))
    for line in tokens.tolist():
        length = next(n for n in range(6, 10) if line[n] == line[0])
        assert line == [line[place % length] for place in range(30)]
        assert len(set(line[:length])) == length
    with pytest.raises(ValueError, match="more than the 5"):
        repeated(1, 10, 6, 5, torch.Generator())


def test_what_stands_later_changes_no_earlier_prediction() -> None:
    model = AttentionOnly(AttentionOnlyConfig(26)).eval()
    tokens = repeated(2, 20, 7, 26, torch.Generator().manual_seed(2))
    other = tokens.clone()
    other[:, 12:] = 0
    assert torch.allclose(model(tokens)[:, :12], model(other)[:, :12], atol=1e-6)


def test_the_card_of_the_induction_runs_tells_what_their_last_steps_do() -> None:
    stages, _, card = checkpoints.load("induction")
    figures = card["figures"]
    assert figures["random_2_800"]["copy_nll_16"] < 0.1 < 1 < figures["random_1_800"]["copy_nll_16"]
    assert figures["fixed_1_800"]["copy_nll_16"] < 0.1
    assert figures["fixed_1_800"]["copy_nll_20"] > math.log(26)  # confidently wrong
    tokens = repeated(16, 48, 13, 26, torch.Generator().manual_seed(6))
    for name, most in (("random_2_800", 0.3), ("random_2_0", 4.0)):
        assert float(losses(stages[name](tokens), tokens)[:, 13:].mean()) < most


def test_the_card_of_the_reversal_runs_tells_what_its_last_step_does() -> None:
    figures = checkpoints.card("reversal")["figures"]
    assert figures["reversal_1000"]["exact"] >= 0.99
    assert figures["reversal_1000"]["alignment"] >= 0.9
    assert figures["reversal_0"]["exact"] == 0
