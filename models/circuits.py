"""Circuits in a trained decoder: what each head attends to, and what breaks without it.

A score is a mean attention weight on the place where a textbook head would look; a head is called by its score, never by its number, since
another seed puts the same circuit into other heads. A score only describes: whether a head matters is shown by silencing it.

    previous token   from every word of a list to the word before it
    duplicate token  from a word's second occurrence to its first
    induction        from a word's second occurrence to what followed the first (what it should predict)
    name mover       in "When A and B went …, B gave a ball to", from the last token to A, the name to say
    giver's name     in the same sentence, from the last token to the first B: a head that looks there as often as at A fetches a name, whoever's
    subject finder   in the same sentence, from the last token to the second B, the name not to say
"""

from collections.abc import Collection, Iterator
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models import toy_world
from models.byte_pair import BytePairTokenizer
from models.decoder import Decoder, Edit, without

Head = tuple[int, int]  # (layer, head), both from 0
ROLES = ("previous_token", "duplicate_token", "induction", "name_mover", "giver_first", "subject_finder")
LIST_HEADING = 3  # <|end|> "list" ":"


class Gifts(NamedTuple):
    """Prompts of one template, all of the same length, and where their names stand."""

    tokens: Tensor  # (B, T)
    receiver: Tensor  # (B,) the right next token
    giver: Tensor  # (B,) the wrong one
    receiver_at: Tensor  # (B,)
    giver_first_at: Tensor  # (B,)
    giver_again_at: Tensor  # (B,)


def gifts(tokenizer: BytePairTokenizer, count: int, seed: int) -> Iterator[Gifts]:
    """`count` giving sentences, shared out over the templates."""
    rng, templates = Random(seed), len(toy_world.GIFTS)
    for template in range(templates):
        yield encode_gifts(tokenizer, [toy_world.giving(rng, template, plain=True) for _ in range(-(-(count - template) // templates))])


def encode_gifts(tokenizer: BytePairTokenizer, sentences: list[toy_world.Giving]) -> Gifts:
    tokens = torch.tensor([[tokenizer.end, *tokenizer.encode(s.prompt)] for s in sentences])
    receiver = torch.tensor([one_token(tokenizer, s.receiver) for s in sentences])
    giver = torch.tensor([one_token(tokenizer, s.giver) for s in sentences])
    return Gifts(tokens, receiver, giver, first_place(tokens, receiver), first_place(tokens, giver), last_place(tokens, giver))


def one_token(tokenizer: BytePairTokenizer, word: str) -> int:
    tokens = tokenizer.encode(f" {word}")
    if len(tokens) != 1:
        raise ValueError(f"'{word}' should be one token, but it is {len(tokens)}: {[tokenizer.show(t) for t in tokens]}")
    return tokens[0]


def first_place(tokens: Tensor, wanted: Tensor) -> Tensor:
    return (tokens == wanted[:, None]).int().argmax(dim=1)


def last_place(tokens: Tensor, wanted: Tensor) -> Tensor:
    return tokens.shape[1] - 1 - (tokens.flip(1) == wanted[:, None]).int().argmax(dim=1)


def lists(tokenizer: BytePairTokenizer, count: int, length: int, seed: int) -> Tensor:
    """(B, 3 + 2·length): the heading, the words, the words again."""
    rng = Random(seed)
    lines = [tokenizer.encode(toy_world.repeated_list(rng, length)) for _ in range(count)]
    tokens = torch.tensor([[tokenizer.end, *line] for line in lines])
    if tokens.shape[1] != LIST_HEADING + 2 * length:
        raise ValueError(f"A list of {length} words twice should be {LIST_HEADING + 2 * length} tokens, but it is {tokens.shape[1]}.")
    return tokens


# What heads attend to


@torch.inference_mode()
def head_scores(model: Decoder, tokenizer: BytePairTokenizer, count: int = 100, seed: int = 7, length: int = 20) -> dict[str, Tensor]:
    """Each role's score for every head, (L, H)."""
    attention = model.look(lists(tokenizer, count, length, seed))[1].attention.mean(dim=1)  # (L, H, T, T)
    second = torch.arange(LIST_HEADING + length, LIST_HEADING + 2 * length)
    after_a_word = torch.arange(LIST_HEADING + 1, LIST_HEADING + 2 * length)
    scores = {
        "previous_token": attention[:, :, after_a_word, after_a_word - 1].mean(dim=-1),
        "duplicate_token": attention[:, :, second, second - length].mean(dim=-1),
        "induction": attention[:, :, second, second - length + 1].mean(dim=-1),
    }
    to_names = [from_the_last_token(model, batch) for batch in gifts(tokenizer, count, seed)]
    for role, weights in zip(("name_mover", "giver_first", "subject_finder"), zip(*to_names, strict=True), strict=True):
        scores[role] = torch.cat(weights).mean(dim=0)
    return scores


def from_the_last_token(model: Decoder, batch: Gifts) -> tuple[Tensor, Tensor, Tensor]:
    """How strongly each head looks at the receiver, at the giver, and at the giver's second mention: three tensors (B, L, H)."""
    last = model.look(batch.tokens)[1].attention[:, :, :, -1].permute(1, 0, 2, 3)  # (B, L, H, T)
    rows = torch.arange(len(last))
    return last[rows, :, :, batch.receiver_at], last[rows, :, :, batch.giver_first_at], last[rows, :, :, batch.giver_again_at]


def best_head(scores: Tensor) -> tuple[Head, float]:
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    return (layer, head), float(scores[layer, head])


def heads_above(scores: Tensor, threshold: float) -> list[Head]:
    return [(int(layer), int(head)) for layer, head in torch.nonzero(scores >= threshold)]


# What a decoder can do


class GiftSkill(NamedTuple):
    right: float  # how often the receiver's name gets a higher logit than the giver's
    on_top: float  # how often it is the most likely token of all
    logit_difference: float  # receiver minus giver
    probability: float  # of the receiver


@torch.inference_mode()
def gift_skill(model: Decoder, tokenizer: BytePairTokenizer, count: int = 300, seed: int = 11, edit: Edit | None = None) -> GiftSkill:
    differences, tops, probabilities = [], [], []
    for batch in gifts(tokenizer, count, seed):
        last = model(batch.tokens, edit=edit)[:, -1]  # (B, V)
        rows = torch.arange(len(last))
        differences.append(last[rows, batch.receiver] - last[rows, batch.giver])
        tops.append(last.argmax(dim=-1) == batch.receiver)
        probabilities.append(last.softmax(dim=-1)[rows, batch.receiver])
    difference = torch.cat(differences)
    return GiftSkill(
        right=float((difference > 0).float().mean()),
        on_top=float(torch.cat(tops).float().mean()),
        logit_difference=float(difference.mean()),
        probability=float(torch.cat(probabilities).mean()),
    )


class CopySkill(NamedTuple):
    first_nll: float  # nats per word where nothing can be known
    second_nll: float  # nats per word of the copy, its unpredictable first word left out
    accuracy: float  # of the copy's words, the first left out
    copy_nll: float  # nats per word of the copy with its first word, as the ablation table reports it


@torch.inference_mode()
def copy_skill(
    model: Decoder, tokenizer: BytePairTokenizer, count: int = 100, length: int = 20, seed: int = 13, edit: Edit | None = None
) -> CopySkill:
    tokens = lists(tokenizer, count, length, seed)
    logits = model(tokens[:, :-1], edit=edit)
    nll = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")[:, LIST_HEADING - 1 :]  # (B, 2·length)
    hits = (logits.argmax(dim=-1) == tokens[:, 1:])[:, LIST_HEADING - 1 :]
    return CopySkill(
        first_nll=float(nll[:, :length].mean()),
        second_nll=float(nll[:, length + 1 :].mean()),
        accuracy=float(hits[:, length + 1 :].float().mean()),
        copy_nll=float(nll[:, length:].mean()),
    )


@torch.inference_mode()
def agreement_skill(model: Decoder, tokenizer: BytePairTokenizer, count: int = 300, seed: int = 17) -> float:
    """How often the verb that agrees is more likely than the one that does not."""
    rng, right = Random(seed), 0
    for _ in range(count):
        case = toy_world.agreement(rng)
        last = model(torch.tensor([[tokenizer.end, *tokenizer.encode(case.prompt)]]))[0, -1]
        right += bool(last[one_token(tokenizer, case.right)] > last[one_token(tokenizer, case.wrong)])
    return right / count


@torch.inference_mode()
def sum_skill(model: Decoder, tokenizer: BytePairTokenizer, count: int = 200, seed: int = 19) -> float:
    """Exactly right answers, after one worked example in the prompt."""
    rng, right = Random(seed), 0
    stops = (tokenizer.encode(";")[0], tokenizer.encode(".")[0], tokenizer.end)
    for _ in range(count):
        example, case = toy_world.small_sum(rng), toy_world.small_sum(rng)
        prompt = tokenizer.encode(f"sums: {example.prompt} {example.answer}; {case.prompt}")
        written = []
        for token in model.continue_greedily([tokenizer.end, *prompt], stops):
            written.append(token)
            if len(written) == 4:
                break
        right += tokenizer.decode(written).strip() == str(case.answer)
    return right / count


@torch.inference_mode()
def bracket_skill(model: Decoder, tokenizer: BytePairTokenizer, count: int = 100, seed: int = 23) -> float:
    """Wherever a bracket closes: how often the right kind is the most likely of the four closing ones."""
    rng, right, asked = Random(seed), 0, 0
    closing = torch.tensor([one_token(tokenizer, bracket) for bracket in toy_world.PAIRS.values()])
    for _ in range(count):
        tokens = torch.tensor([[tokenizer.end, *tokenizer.encode(f"brackets: {toy_world.brackets(rng, 8)}")]])
        best = closing[model(tokens)[0, :-1, closing].argmax(dim=-1)]  # (T-1,)
        closes = torch.isin(tokens[0, 1:], closing)
        right += int((best == tokens[0, 1:])[closes].sum())
        asked += int(closes.sum())
    return right / asked


# What breaks without a head


class Ablation(NamedTuple):
    removed: tuple[Head, ...]
    gifts: GiftSkill
    copies: CopySkill


def ablation(model: Decoder, tokenizer: BytePairTokenizer, heads: Collection[Head], count: int = 100) -> Ablation:
    edit = without(heads)
    return Ablation(
        tuple(sorted(heads)), gift_skill(model, tokenizer, count, edit=edit), copy_skill(model, tokenizer, count // 2, edit=edit)
    )


def ablations(model: Decoder, tokenizer: BytePairTokenizer, scores: dict[str, Tensor], count: int = 100) -> list[Ablation]:
    """Nothing removed; every head alone; then all induction heads together, and all name movers together."""
    every = [(layer, head) for layer in range(model.config.layers) for head in range(model.config.heads)]
    groups: list[list[Head]] = [[], *([head] for head in every)]
    groups += [heads_above(scores["induction"], 0.8), heads_above(scores["name_mover"], 0.5)]
    distinct = list(dict.fromkeys(tuple(group) for group in groups))
    return [ablation(model, tokenizer, group, count) for group in distinct]
