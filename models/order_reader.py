"""An encoder that reads a line of words and answers one question about it: does the order of the words reach the answer?

One block of attention and feed-forward network, with or without a causal mask, and one of seven ways to tell positions apart
(models/positioned_decoder.py has them for decoders). The answer is read off the mean over all positions, which itself forgets every order:
whatever the answer knows about order must have come in through the attention.

    y = mean_t block(x)_t        answer = y W

Shapes: B lines, T words, C width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.alibi import alibi_bias
from models.attention import causal_mask
from models.positioned_decoder import ROTARY_BASE, Placing, PositionedBlock, PositionedConfig
from models.relative_buckets import BucketBias
from models.rotary import angles
from models.sinusoidal import sinusoids


class OrderReader(nn.Module):
    def __init__(self, config: PositionedConfig, *, causal: bool) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.trained, config.width) if config.scheme == "learned" else None
        self.bias = BucketBias(config.heads, config.buckets, config.max_distance, causal=causal) if config.scheme == "t5" else None
        self.block = PositionedBlock(config)
        self.answer = nn.Linear(config.width, 2)

    def forward(self, words: Tensor) -> Tensor:
        """words (B, T) -> two logits per line (B, 2): the first of the pair in question comes first, or the second does."""
        return self.answer(self.states(words).mean(dim=1))

    def states(self, words: Tensor) -> Tensor:
        """(B, T, C): what each word has become."""
        said, _ = self.block(self.embed(words), self.placing(words.shape[1]))
        return said

    def embed(self, words: Tensor) -> Tensor:
        x, T = self.embedding(words), words.shape[1]
        if self.config.scheme == "sinusoidal":
            return x + sinusoids(torch.arange(T), self.config.width)
        return x if self.position is None else x + self.position(torch.arange(T))

    def placing(self, T: int) -> Placing:
        config = self.config
        allowed = causal_mask(T) if self.causal else torch.ones(T, T, dtype=torch.bool)
        if config.scheme == "alibi":
            return Placing(allowed, bias=alibi_bias(config.heads, T))
        if self.bias is not None:
            return Placing(allowed, bias=self.bias(T))
        if config.scheme == "rotary":
            return Placing(allowed, angle=angles(torch.arange(T), config.width // config.heads, ROTARY_BASE))
        return Placing(allowed)


def lines_of_words(count: int, T: int, vocabulary: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Lines (B, T) of filler words in which word 0 and word 1 stand once each, and which of the two comes first (B,): 0 or 1.

    Every line is followed by its mirror image, so a reader that cannot see order is right exactly half of the time."""
    fillers = torch.randint(2, vocabulary, (count // 2, T), generator=generator)
    places = torch.rand(count // 2, T, generator=generator).argsort(dim=-1)[:, :2]  # (B/2, 2), where the two stand
    fillers.scatter_(1, places, torch.tensor([0, 1]).expand(count // 2, 2))
    first = (places[:, 1] < places[:, 0]).long()
    return torch.cat([fillers, fillers.flip(-1)]), torch.cat([first, 1 - first])
