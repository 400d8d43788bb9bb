"""Inference: every number card and worked example, computed again."""

import math


def softmax(logits, temperature=1.0):
    weights = [math.exp(z / temperature) for z in logits]
    return [w / sum(weights) for w in weights]


def entropy(probabilities):
    return -sum(p * math.log(p) for p in probabilities)


def decoding_and_temperature():
    rows = []
    for temperature in (0.5, 1, 2):
        p = softmax((2, 1, 0), temperature)
        odds = p[0] / p[2]
        cells = [*(f"{x:.3f}" for x in p), f"{odds:.1f}" if odds > 10 else f"{odds:.2f}", f"{entropy(p):.3f}"]
        rows.append(f"| {temperature} | " + " | ".join(cells) + " |")
    total = sum(math.exp(z) for z in (2, 1, 0))
    return [*rows, f"{total:.3f}", f"{math.log(3):.3f}", f"{3 ** 0.5:.2f}", f"{math.exp(2 / 0.2):.5g}"[:2] + "000"]


NUMBERS = {
    "decoding-and-temperature-at-two": lambda: softmax((2, 1, 0), 2)[0],
    "decoding-and-temperature-odds-four": lambda: 4 ** (1 / 0.5),
}

EXAMPLES = {
    "decoding-and-temperature": decoding_and_temperature,
}
