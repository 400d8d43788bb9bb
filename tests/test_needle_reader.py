"""The haystack is what it says, and the reader looks where it says: against torch's attention, and by exchanging passages."""

import pytest
import torch
import torch.nn.functional as F

from models import checkpoints
from models.needle_reader import (
    ANSWERS,
    LONGEST,
    PLACES,
    POSITIONS,
    PROPERTIES,
    REWORDED,
    Haystacks,
    Reader,
    at_depth,
    best_at_the_ends,
    exact_matches,
    haystacks,
    place_weights,
    places_of,
    recall,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_needle_has_what_is_asked_but_for_rewording() -> None:
    texts = haystacks(at_depth(20, 0.5), 4, 4000, generator())
    assert (texts.needle == 10).all()
    said = texts.properties[torch.arange(4000), texts.needle] == texts.question
    assert said.float().mean() == pytest.approx(1 - REWORDED * 7 / 8, abs=0.01)  # another word is the same one in an eighth of cases


def test_distractors_are_near_misses_and_others_are_not() -> None:
    for distractors in (0, 5):
        texts = haystacks(at_depth(20, 0.0), distractors, 3000, generator(1))
        right = (texts.properties == texts.question[:, None]).sum(dim=-1)[:, 1:]  # without the needle
        two = (right == 2).float().sum(dim=1).mean()
        assert two == pytest.approx(0.64 if distractors == 0 else 4.0, abs=0.6)
        assert (right == 3).float().sum(dim=1).mean() < 0.2


def test_needles_near_the_ends_are_near_the_ends() -> None:
    weights = place_weights(LONGEST, "ends")
    assert weights.sum() == pytest.approx(1)
    assert weights[:6].sum() + weights[-6:].sum() == pytest.approx(0.96)
    assert place_weights(8, "uniform").tolist() == [1 / 8] * 8
    texts = haystacks(weights, 0, 2000, generator(2))
    inside = ((texts.needle >= 6) & (texts.needle < LONGEST - 6)).float().mean()
    assert inside == pytest.approx(0.04, abs=0.015)


def test_too_many_distractors_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="8 distractors and a needle do not fit into 8 passages"):
        haystacks(place_weights(8, "uniform"), 8, 1, generator())


def test_depths_lie_one_after_the_other() -> None:
    assert places_of(9, [0.0, 0.5, 1.0], 2).argmax(dim=1).tolist() == [0, 0, 4, 4, 8, 8]


@pytest.mark.parametrize("positions", POSITIONS)
def test_only_a_reader_with_positions_notices_when_passages_change_places(positions: str) -> None:
    torch.manual_seed(0)
    reader = Reader(positions)  # type: ignore[arg-type]
    for parameter in reader.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    texts = haystacks(place_weights(12, "uniform"), 3, 6, generator(3))
    order = torch.randperm(12, generator=generator(4))
    moved = Haystacks(texts.properties[:, order], texts.answers[:, order], torch.argsort(order)[texts.needle], texts.question)
    assert torch.equal(moved.right, texts.right)
    same = torch.allclose(reader(texts), reader(moved), atol=1e-4)
    assert same == (positions == "none")


def test_the_question_reads_passages_through_torchs_attention() -> None:
    torch.manual_seed(1)
    reader, texts = Reader("learned"), haystacks(place_weights(10, "uniform"), 2, 5, generator(5))
    x = reader.embed(torch.cat([texts.properties, texts.question[:, None]], dim=1), torch.cat([texts.answers, torch.full((5, 1), ANSWERS)], dim=1))
    theirs = torch.nn.MultiheadAttention(x.shape[-1], reader.heads, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([reader.query.weight, reader.key.weight, reader.value.weight]))
        theirs.out_proj.weight.copy_(reader.out.weight)
        normed = reader.norm(x)
        said, weights = theirs(normed[:, -1:], normed[:, :-1], normed[:, :-1], average_attn_weights=False)
        asked = x[:, -1] + said[:, 0]
        logits = reader.answers(asked + reader.feed_forward(reader.norm_feed_forward(asked)))
        own, looked = reader.look(texts)
    assert torch.allclose(own, logits, atol=1e-5)
    assert torch.allclose(looked, weights[:, :, 0], atol=1e-6)
    assert exact_matches(F.one_hot(texts.right, ANSWERS).float(), texts).all()
    assert PROPERTIES == texts.question.shape[1]


@pytest.mark.parametrize("places", PLACES)
def test_recall_on_fresh_texts_is_what_the_card_says(places: str) -> None:
    reader, kept = checkpoints.load("needle").model[f"learned_{places}"], checkpoints.card("needle")["figures"][f"learned_{places}"]
    found = [recall(reader, LONGEST, depth, 6, 512, generator(7)) for depth in (0.0, 0.5, 1.0)]
    assert found == pytest.approx(kept["recall_6"], abs=0.08)


def test_training_near_the_ends_digs_a_dip_that_training_everywhere_does_not() -> None:
    figures = checkpoints.card("needle")["figures"]
    for positions in ("learned", "rotary"):
        first, middle, last = figures[f"{positions}_ends"]["recall_6"]
        assert middle < min(first, last) - 0.1
    for name in ("learned_uniform", "rotary_uniform", "none_uniform", "none_ends"):
        assert max(figures[name]["recall_6"]) - min(figures[name]["recall_6"]) < 0.1


def test_the_strongest_lie_at_the_ends() -> None:
    assert best_at_the_ends(5) == [1, 3, 5, 4, 2]
    assert best_at_the_ends(6) == [1, 3, 5, 6, 4, 2]
