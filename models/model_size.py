"""How large a decoder is: its weights, operations and bytes, term by term, from the few numbers that describe it (Kaplan et al. 2020, section 2.1).

    block   attention  d·hD + 2·d·h_kv·D + hD·d   (Q; K and V; output)      feed-forward  2·d·d_ff, gated 3·d·d_ff      two norms
    ends    token embedding V·d, once if tied with the output head; learned positions T_max·d; a last norm

Operations count a multiplication and an addition as two, and only matrix products, as everybody does. Every weight of a matrix is used once per
token (2 operations); a score and the mixing of a value take 2D each per head and pair of tokens, and the causal half is not skipped.

Letters: L layers, d width, h heads of size D, h_kv key-value heads, d_ff inner width of the feed-forward network, V vocabulary, n tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EMBEDDING, POSITIONS, ATTENTION, FEED_FORWARD, NORMS, HEAD = "token embedding", "positions", "attention", "feed-forward", "norms", "output head"
TERMS = (EMBEDDING, POSITIONS, ATTENTION, FEED_FORWARD, NORMS, HEAD)
SCORES = "scores and mixing"
TRAINING_BYTES = {"weights": 2, "gradients": 2, "master copy": 4, "Adam's two averages": 8}  # per weight, the usual mixed precision


@dataclass(frozen=True)
class Shape:
    layers: int
    width: int
    heads: int
    kv_heads: int
    feed_forward: int  # d_ff
    vocabulary: int
    tied: bool = True
    gated: bool = False
    biases: bool = True
    norm: Literal["layer", "rms"] = "layer"
    learned_positions: int = 0  # rows of the position table; 0 for rotary positions, which have no weights
    head_size: int = 0  # D; 0 means d/h

    def __post_init__(self) -> None:
        if not self.head_size and self.width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width} equally; give head_size, or a number that divides it.")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} query heads cannot be shared out to {self.kv_heads} key-value heads.")

    @property
    def D(self) -> int:
        return self.head_size or self.width // self.heads


GPT2_SMALL = Shape(12, 768, 12, 12, 3072, 50_257, learned_positions=1024)
LLAMA_3_8B = Shape(32, 4096, 32, 8, 14_336, 128_256, tied=False, gated=True, biases=False, norm="rms")


def attention_matrices(shape: Shape) -> int:
    """Q and output see all heads, K and V only the key-value heads."""
    d, D = shape.width, shape.D
    return 2 * d * shape.heads * D + 2 * d * shape.kv_heads * D


def attention_biases(shape: Shape) -> int:
    return shape.D * (shape.heads + 2 * shape.kv_heads) + shape.width if shape.biases else 0


def feed_forward_matrices(shape: Shape) -> int:
    return (3 if shape.gated else 2) * shape.width * shape.feed_forward


def feed_forward_biases(shape: Shape) -> int:
    return (2 if shape.gated else 1) * shape.feed_forward + shape.width if shape.biases else 0


def norm_weights(shape: Shape) -> int:
    """LayerNorm has a gain and a bias for every number of the stream, RMSNorm a gain only."""
    return shape.width * (2 if shape.norm == "layer" else 1)


def block_weights(shape: Shape) -> dict[str, int]:
    return {
        ATTENTION: attention_matrices(shape) + attention_biases(shape),
        FEED_FORWARD: feed_forward_matrices(shape) + feed_forward_biases(shape),
        NORMS: 2 * norm_weights(shape),
    }


def weights(shape: Shape) -> dict[str, int]:
    """Of the whole model, by term; the values add up to what is called its number of parameters."""
    block = block_weights(shape)
    return {
        EMBEDDING: shape.vocabulary * shape.width,
        POSITIONS: shape.learned_positions * shape.width,
        ATTENTION: shape.layers * block[ATTENTION],
        FEED_FORWARD: shape.layers * block[FEED_FORWARD],
        NORMS: shape.layers * block[NORMS] + norm_weights(shape),  # and the last one
        HEAD: 0 if shape.tied else shape.vocabulary * shape.width,
    }


def total_weights(shape: Shape) -> int:
    return sum(weights(shape).values())


def rule_of_thumb(shape: Shape) -> int:
    """N ≈ 12 L d² + V d."""
    return 12 * shape.layers * shape.width**2 + shape.vocabulary * shape.width


def forward_flops(shape: Shape, n: int) -> dict[str, int]:
    """For n tokens read at once. Looking up a row of the embedding multiplies nothing; the output head does, tied or not."""
    return {
        ATTENTION: 2 * n * shape.layers * attention_matrices(shape),
        FEED_FORWARD: 2 * n * shape.layers * feed_forward_matrices(shape),
        SCORES: 4 * n * n * shape.layers * shape.heads * shape.D,
        HEAD: 2 * n * shape.vocabulary * shape.width,
    }


def training_flops(shape: Shape, n: int) -> dict[str, int]:
    """The backward pass forms two products for each one of the forward pass: gradients of its inputs and of its weights."""
    return {term: 3 * flops for term, flops in forward_flops(shape, n).items()}


def next_token_flops(shape: Shape, past: int) -> dict[str, int]:
    """One more token after `past` tokens whose keys and values are cached: it meets all of them and itself."""
    return forward_flops(shape, 1) | {SCORES: 4 * (past + 1) * shape.layers * shape.heads * shape.D}


def cache_bytes_per_token(shape: Shape, bytes_per_number: float = 2) -> float:
    """A key and a value for each layer and key-value head."""
    return 2 * shape.layers * shape.kv_heads * shape.D * bytes_per_number


def training_bytes(shape: Shape, per_weight: Mapping[str, int] = TRAINING_BYTES) -> dict[str, int]:
    """What has to be kept for training, activations apart."""
    return {part: bytes_ * total_weights(shape) for part, bytes_ in per_weight.items()}
