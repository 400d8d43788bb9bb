"""Retrieval and infrastructure: every number card and worked example, computed again."""

import math


def fusion(*ranks):
    return sum(1 / (60 + rank) for rank in ranks)


def mean_reciprocal_rank(first_hits):
    return sum(1 / rank if rank else 0 for rank in first_hits) / len(first_hits)


def retrieval_augmented_generation():
    return [f"1/61+1/63={fusion(1, 3):.5f}", f"1/62+1/62={fusion(2, 2):.5f}", f"1/61={fusion(1):.5f}"]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def contrast(similarities, temperature):
    weights = [math.exp(s / temperature) for s in similarities]
    return weights[0] / sum(weights)


def index_bytes(vectors, bytes_each):
    return vectors * bytes_each


def embeddings_and_vector_search():
    a, b = (0.6, 0.8), (0.8, 0.6)
    squared = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    assert math.isclose(squared, 2 - 2 * dot(a, b))
    assert math.isclose(dot(a, a), 1)
    full, small = index_bytes(100_000, 384 * 4), index_bytes(100_000, 48)
    return [
        f"dot product is {dot(a, b):.2f}", f"={squared:.2f}=2-2", f"take {full / 1e6} MB in fp32",
        f"take {small / 1e6} MB, {full / small:.0f} times less",
        f"costs {100_000 * 384 / 1e6} million", f"={contrast((0.8, 0.5, 0.3), 0.1):.3f}$", f"vectors: {100 * (1000 + 10 * 1000) / 1e6:.1f}%",
    ]


def ring_bytes(size, ranks):
    sent, piece = 0.0, size / ranks
    for _phase in ("reduce-scatter", "all-gather"):
        for _step in range(ranks - 1):
            sent += piece
    return sent


def bubble(stages, micro_batches):
    """Idle share of one stage when forward and backward each take one slot per micro-batch."""
    total = micro_batches + stages - 1
    return (total - micro_batches) / total


def utilisation(parameters, tokens_per_second, peak):
    return 6 * parameters * tokens_per_second / peak


def training_infrastructure():
    sent = ring_bytes(14, 8)
    return [
        f"each sends {sent} GB, which takes {1000 * sent / 450:.0f} ms", f"={6 * 7e9 * 9000 / 1e12:.0f}$ TFLOP/s",
        f"MFU of {100 * utilisation(7e9, 9000, 989e12):.0f}%", f"efficiency of {100 * 3 / 8}%", f"378/989={utilisation(7e9, 9000, 989e12):.3f}",
    ]


def deepspeed():
    weights, gradients, optimiser = 13 * 2, 13 * 2, 13 * 12
    return [
        f"make {weights + gradients + optimiser} GB", f"fp16 take {weights} GB", f"the optimiser {optimiser} GB",
        f"={gradients + optimiser}$ GB there", f"remaining {32 - weights} GB",
        f"these {weights + gradients} GB take {(weights + gradients) / 25:.1f} s",
    ]


NUMBERS = {
    "retrieval-augmented-generation-q04": lambda: fusion(1, 3),
    "retrieval-augmented-generation-mrr": lambda: mean_reciprocal_rank((1, 3, None)),
    "embeddings-and-vector-search-infonce-value": lambda: contrast((0.8, 0.5, 0.3), 0.1),
    "embeddings-and-vector-search-ivf-count": lambda: 1000 + 10 * (1_000_000 / 1000),
    "embeddings-and-vector-search-q03": lambda: index_bytes(100_000, 384 * 4) / 1e6,
    "training-infrastructure-q01": lambda: 100 * bubble(4, 12),
    "training-infrastructure-ring-bytes": lambda: ring_bytes(14, 8),
    "training-infrastructure-mfu-value": lambda: 100 * utilisation(7e9, 9000, 989e12),
    "deepspeed-q02": lambda: 4 * 8 * 16,
    "deepspeed-accumulation": lambda: 256 / (4 * 16),
    "deepspeed-host-memory": lambda: 13 * (2 + 12),
    "deepspeed-stage-three-share": lambda: 13 * 16 / 16,
}

EXAMPLES = {
    "retrieval-augmented-generation": retrieval_augmented_generation,
    "embeddings-and-vector-search": embeddings_and_vector_search,
    "training-infrastructure": training_infrastructure,
    "deepspeed": deepspeed,
}
