"""Retrieval and infrastructure: every number card and worked example, computed again."""


def fusion(*ranks):
    return sum(1 / (60 + rank) for rank in ranks)


def mean_reciprocal_rank(first_hits):
    return sum(1 / rank if rank else 0 for rank in first_hits) / len(first_hits)


def retrieval_augmented_generation():
    return [f"1/61+1/63={fusion(1, 3):.5f}", f"1/62+1/62={fusion(2, 2):.5f}", f"1/61={fusion(1):.5f}"]


NUMBERS = {
    "retrieval-augmented-generation-q04": lambda: fusion(1, 3),
    "retrieval-augmented-generation-mrr": lambda: mean_reciprocal_rank((1, 3, None)),
}

EXAMPLES = {
    "retrieval-augmented-generation": retrieval_augmented_generation,
}
