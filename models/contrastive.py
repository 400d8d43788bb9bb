"""Pictures and sentences in one space (CLIP): a vision transformer and a text encoder, trained so that what belongs together points the same way.

A picture is cut into patches of 8 x 8 pixels; each patch becomes a vector, as if it were a word. The sentence goes through a transformer of its
own. In a batch of B pairs every picture must pick its sentence among B, and every sentence its picture (InfoNCE). Recognition needs no
training on classes afterwards: describe each class in words and take the nearest sentence (zero-shot).

Shapes: B pairs, P patches, T words, C width, E size of the shared space.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import Heads, padding_mask
from models.encoder import Encoder


@dataclass(frozen=True)
class ContrastiveConfig:
    vocabulary: int
    side: int = 64
    patch: int = 8
    words: int = 16
    width: int = 64
    heads: int = 4
    picture_layers: int = 3
    text_layers: int = 2
    shared: int = 64


class VisionTransformer(nn.Module):
    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.patches = nn.Linear(3 * config.patch**2, config.width)
        self.position = nn.Embedding((config.side // config.patch) ** 2, config.width)
        self.encoder = Encoder(config.width, config.heads, config.picture_layers)

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Heads]]:
        """pixels (B, 3, side, side) in -1 … 1 -> patch states (B, P, C)."""
        cut = F.unfold(pixels, self.patch, stride=self.patch).transpose(1, 2)  # (B, P, 3·patch²)
        return self.encoder(self.patches(cut) + self.position.weight)


class TextEncoder(nn.Module):
    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.position = nn.Embedding(config.words, config.width)
        self.encoder = Encoder(config.width, config.heads, config.text_layers)

    def forward(self, tokens: Tensor, real: Tensor) -> tuple[Tensor, list[Heads]]:
        x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1]))
        return self.encoder(x, padding_mask(real))


class Contrastive(nn.Module):
    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionTransformer(config)
        self.text = TextEncoder(config)
        self.picture_to_shared = nn.Linear(config.width, config.shared, bias=False)
        self.text_to_shared = nn.Linear(config.width, config.shared, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # torch's own start for the rest: near-zero weights learned far slower here

    def embed_pictures(self, pixels: Tensor) -> Tensor:
        states, _ = self.vision(pixels)
        return F.normalize(self.picture_to_shared(states.mean(dim=1)), dim=-1)  # (B, E)

    def embed_texts(self, tokens: Tensor, real: Tensor) -> Tensor:
        states, _ = self.text(tokens, real)
        weight = real[:, :, None].float()
        mean = (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return F.normalize(self.text_to_shared(mean), dim=-1)

    def forward(self, pixels: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
        """Similarities times a learned scale: (pictures, texts)."""
        scale = self.log_scale.exp().clamp(max=100)
        return scale * self.embed_pictures(pixels) @ self.embed_texts(tokens, real).T


def info_nce(similarities: Tensor) -> Tensor:
    """The mean of two classifications over the same table (B, B): by rows which text, by columns which picture. The diagonal is right."""
    right = torch.arange(len(similarities))
    return (F.cross_entropy(similarities, right) + F.cross_entropy(similarities.T, right)) / 2


def to_pixels(pictures: Tensor) -> Tensor:
    """uint8 (B, side, side, 3) -> float (B, 3, side, side) in -1 … 1."""
    return pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
