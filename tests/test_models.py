"""The trained models that are shipped: they load, they are small, and what their cards say is true of them."""

import hashlib
import importlib
import json
from dataclasses import asdict

import pytest
import torch

from models import checkpoints, circuits, toy_world
from models.decoder import Decoder, without
from models.symbols import START, STOP
from models.training import RECIPES, dates, shapes, toy_draft, toy_masked, toy_mixture
from models.training.__main__ import main
from models.training.language import held_out_loss
from models.training.steps import Recipe, share_of_rate

MODELS = [name for name in RECIPES if name != "toy_tokenizer"]
DECODERS = [name for name in MODELS if name.startswith("toy_decoder")]


def figures(name: str) -> dict:
    return checkpoints.card(name)["figures"]


def test_every_recipe_has_its_checkpoint_and_every_checkpoint_its_recipe() -> None:
    assert sorted(MODELS) == checkpoints.names()


def test_all_checkpoints_together_stay_under_16_megabytes() -> None:
    assert sum(file.stat().st_size for file in checkpoints.TRAINED.iterdir()) < 16e6


@pytest.mark.parametrize("name", MODELS)
def test_a_card_describes_the_very_file_beside_it(name: str) -> None:
    model, _, card = checkpoints.load(name)
    file = checkpoints.weights_file(name)
    assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["bytes"] == file.stat().st_size
    assert card["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_a_card_tells_the_recipe_that_is_in_the_folder(name: str) -> None:
    recipe, card = importlib.import_module(f"models.training.{name}"), checkpoints.card(name)
    assert card["recipe"] == json.loads(json.dumps(asdict(recipe.RECIPE)))
    assert (card["seed"], card["kind"], card["tokenizer"]) == (recipe.SEED, recipe.KIND, recipe.TOKENIZER)
    assert card["data"] == recipe.data()
    assert card["title"] == recipe.__doc__.splitlines()[0]


def test_a_model_is_loaded_once_but_a_copy_to_train_is_ones_own() -> None:
    assert checkpoints.load("toy_draft") is checkpoints.load("toy_draft")
    own = checkpoints.load_to_train("toy_draft").model
    assert own is not checkpoints.load("toy_draft").model
    assert all(parameter.requires_grad for parameter in own.parameters())


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"no trained model 'gpt5'.*toy_decoder"):
        checkpoints.load("gpt5")


# What the cards promise


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoders_circuits_are_where_its_card_says(name: str) -> None:
    model, tokenizer, _ = checkpoints.load(name)
    scores = circuits.head_scores(model, tokenizer, count=40, seed=101)
    for role in circuits.ROLES:
        assert torch.allclose(scores[role], torch.tensor(figures(name)["head_scores"][role]), atol=0.12), role


def test_the_decoder_with_learned_positions_has_the_textbook_circuits() -> None:
    best = {role: score for role, (_, _, score) in figures("toy_decoder")["best_heads"].items()}
    assert best["previous_token"] >= 0.95
    assert best["induction"] >= 0.95
    assert best["duplicate_token"] >= 0.8
    assert best["subject_finder"] >= 0.8
    assert best["name_mover"] >= 0.5
    assert figures("toy_decoder")["giving"]["right"] >= 0.99


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoders_skills_hold_on_fresh_examples(name: str) -> None:
    model, tokenizer, _ = checkpoints.load(name)
    promised = figures(name)
    assert circuits.gift_skill(model, tokenizer, 60, seed=102).right >= promised["giving"]["right"] - 0.05
    assert circuits.copy_skill(model, tokenizer, 20, length=24, seed=103).accuracy >= promised["copying_24_words"]["accuracy"] - 0.05
    assert circuits.agreement_skill(model, tokenizer, 60, seed=104) >= promised["agreement"] - 0.1
    assert circuits.bracket_skill(model, tokenizer, 20, seed=105) >= promised["brackets"] - 0.08
    assert circuits.sum_skill(model, tokenizer, 40, seed=106) >= promised["sums"] - 0.15


def test_the_ablations_on_the_card_bite_again() -> None:
    """Without its induction heads the decoder cannot copy; without any one silent head nothing much happens. Both are on the card."""
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    for kept in figures("toy_decoder")["ablations"]:
        if len(kept["removed"]) == 1:
            continue
        again = circuits.ablation(model, tokenizer, [tuple(head) for head in kept["removed"]], count=40)
        assert again.gifts.logit_difference == pytest.approx(kept["giving"]["logit_difference"], abs=2.0)
        assert again.copies.copy_nll == pytest.approx(kept["copying"]["copy_nll"], abs=0.8)


def test_induction_needs_its_heads() -> None:
    ablations = {tuple(map(tuple, kept["removed"])): kept["copying"]["copy_nll"] for kept in figures("toy_decoder")["ablations"]}
    scores = torch.tensor(figures("toy_decoder")["head_scores"]["induction"])
    assert ablations[()] < 0.5
    assert ablations[tuple(circuits.heads_above(scores, 0.8))] > 2


def test_the_development_shows_the_circuits_appear() -> None:
    first, *_, last = checkpoints.card("toy_decoder_rotary")["development"]
    assert first["induction"] < 0.2 < 0.9 < last["induction"]
    assert first["loss"] > last["loss"]


def test_the_mixture_uses_all_its_experts() -> None:
    model, _, card = checkpoints.load("toy_mixture")
    assert held_out_loss(model, count=16) == pytest.approx(card["figures"]["held_out_loss"], abs=0.15)
    overall = torch.tensor(list(toy_mixture.load(model, 60).values())).mean(dim=0)  # (L, E)
    assert torch.allclose(overall.sum(dim=-1), torch.ones(2), atol=1e-5)
    assert overall.min() > 0.02


def test_the_draft_is_as_near_to_its_target_as_promised() -> None:
    model, _, card = checkpoints.load("toy_draft")
    assert toy_draft.agreement(model, 60)["overlap"] == pytest.approx(card["figures"]["agreement_with_toy_decoder"]["overlap"], abs=0.06)


def test_the_masked_model_guesses_as_well_as_promised() -> None:
    model, _, card = checkpoints.load("toy_masked")
    again = toy_masked.measure(model, count=80)
    assert again["masked_accuracy"] == pytest.approx(card["figures"]["masked_accuracy"], abs=0.05)
    assert again["agreement"] >= card["figures"]["agreement"] - 0.08


def test_dates_are_translated_exactly_and_the_years_digits_are_looked_at() -> None:
    model, tokenizer, card = checkpoints.load("dates")
    again = dates.measure(model, count=200)
    assert card["figures"]["exact"] >= 0.99
    assert again["exact"] >= 0.985
    assert torch.allclose(torch.tensor(again["year_alignment"]), torch.tensor(card["figures"]["year_alignment"]), atol=0.1)
    source, real = tokenizer.batch(["the 29th of February 2024"])
    assert tokenizer.decode(model.answer(source, START, STOP, real)[0, 1:].tolist()) == "2024-02-29"


def test_shapes_are_recognised_zero_shot_as_well_as_promised() -> None:
    model, _, card = checkpoints.load("shapes")
    assert card["figures"]["zero_shot_seen"] >= 0.9
    again = shapes.measure(model, count=168)
    assert again["zero_shot_seen"] >= card["figures"]["zero_shot_seen"] - 0.06
    assert again["zero_shot_unseen"] == pytest.approx(card["figures"]["zero_shot_unseen"], abs=0.12)


@pytest.mark.parametrize("name", DECODERS)
def test_a_trained_decoder_says_the_same_with_and_without_its_cache(name: str) -> None:
    model, tokenizer, _ = checkpoints.load(name)
    tokens = torch.tensor([[tokenizer.end, *tokenizer.encode("When Anna and Ben went to the park, Ben gave a ball to")]])
    cache = model.new_cache()
    pieces = torch.cat([model(token, cache=cache) for token in tokens.split(1, dim=1)], dim=1)
    assert torch.allclose(pieces, model(tokens), atol=1e-4)
    assert tokenizer.show(int(pieces[0, -1].argmax())) == " Anna"


# Measuring itself


def test_a_head_that_looks_one_back_by_construction_scores_one() -> None:
    """The weights are replaced by ones that look exactly one back: what the scores must say is then known."""

    class OneBack(Decoder):
        def look(self, tokens, edit=None):
            logits, trace = super().look(tokens, edit)
            T = tokens.shape[1]
            weights = torch.eye(T).roll(-1, dims=1).tril()
            weights[0, 0] = 1
            trace.heads = [heads._replace(weights=weights.expand_as(heads.weights)) for heads in trace.heads]
            return logits, trace

    tokenizer = checkpoints.toy_tokenizer()
    model = OneBack(checkpoints.load("toy_decoder").model.config).eval()
    scores = circuits.head_scores(model, tokenizer, count=10)
    assert scores["previous_token"].min() == 1
    assert scores["induction"].max() == scores["name_mover"].max() == 0


def test_the_names_in_a_giving_prompt_are_found_where_they_stand() -> None:
    tokenizer = checkpoints.toy_tokenizer()
    sentence = toy_world.Giving("When Ben and Anna went to the park, Ben gave a ball to", "Anna", "Ben", 0)
    batch = circuits.encode_gifts(tokenizer, [sentence])
    shown = [tokenizer.show(token) for token in batch.tokens[0].tolist()]
    assert (shown.index(" Anna"), len(shown) - 1 - shown[::-1].index(" Ben")) == (int(batch.receiver_at), int(batch.giver_again_at))


def test_silencing_every_head_leaves_the_feed_forward_networks_only() -> None:
    model, tokenizer, _ = checkpoints.load("toy_decoder")
    every = [(layer, head) for layer in range(4) for head in range(4)]
    _, trace = model.look(torch.tensor([tokenizer.encode("one thing")]), edit=without(every))
    assert all((added == 0).all() for added in trace.from_attention)


# Training


def test_the_rate_warms_up_stays_and_falls() -> None:
    recipe = Recipe(steps=100, batch=1, warm_up=10, decay_share=0.4)
    shares = [share_of_rate(step, recipe) for step in (0, 4, 9, 30, 60, 80, 99)]
    assert shares == pytest.approx([0.1, 0.5, 1.0, 1.0, 1.0, 0.5, 0.025])


def test_the_recipes_are_listed_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(RECIPES)
    assert main(["no_such_model"]) == 2
    assert "no_such_model" in capsys.readouterr().err
