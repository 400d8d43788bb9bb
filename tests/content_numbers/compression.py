"""Compression: every number card and worked example, computed again."""

import math


def symmetric(values, bits):
    scale = max(abs(x) for x in values) / (2 ** (bits - 1) - 1)
    codes = [round(x / scale) for x in values]
    return scale, codes, [scale * c for c in codes]


def quantization():
    scale, codes, back = symmetric((0.5, -1.0, 0.25), 8)
    wide, rough, lost = symmetric((0.5, -1.0, 0.25, 100.0), 8)
    return [
        f"{scale:.5f}", f"codes are {codes[0]}, ${codes[1]}$ and {codes[2]}", f"{back[0]:.4f}, ${back[1]:.0f}$ and {back[2]:.4f}",
        f"{wide:.3f}", f"codes become {rough[0]}, ${rough[1]}$ and {rough[2]}", f"{lost[0]:.3f}, ${lost[1]:.3f}$ and {lost[2]:.0f}",
        f"below about {wide / 2:.2f}", f"{16 / 128:.3f} bits",
    ]


def gigabytes(weights, bits):
    return weights * bits / 8 / 1e9


def compression_overview():
    return [
        f"take {gigabytes(7e9, 16):.0f} GB in fp16, {gigabytes(7e9, 8):.0f} GB in int8 and {gigabytes(7e9, 4)} GB in int4",
        f"fp16 ({gigabytes(3e9, 16):.0f} GB) at no more than {50 / gigabytes(3e9, 16):.1f}",
        f"({gigabytes(3e9, 4)} GB) at no more than {50 / gigabytes(3e9, 4):.0f}.",
        f"in 4 bits still {gigabytes(46.7e9, 4):.0f} GB",
    ]


def left_after(rounds, share):
    weights = 1.0
    for _ in range(rounds):
        weights -= share * weights
    return weights


def kept(scores, count):
    return sorted(sorted(range(len(scores)), key=lambda i: -scores[i])[:count])


def pruning():
    weights, norms = (0.1, -0.5, 0.4, 0.2), (10, 1, 1, 3)
    scores = [abs(w) * n for w, n in zip(weights, norms, strict=True)]
    by_size, by_score = kept([abs(w) for w in weights], 2), kept(scores, 2)
    return [
        f"By magnitude ${weights[by_size[0]]}$ and {weights[by_size[1]]} stay", "scores are {:.1f}, {:.1f}, {:.1f} and {:.1f}".format(*scores),
        f"so {weights[by_score[0]]} and {weights[by_score[1]]} stay",
    ]


def rounds_until_below(limit, share):
    rounds = 0
    while left_after(rounds, share) >= limit:
        rounds += 1
    return rounds


def lottery_ticket():
    return [
        f"{100 * left_after(1, 0.2):.0f}% are left after one round, {100 * left_after(5, 0.2):.1f}% after five",
        f"{100 * left_after(10, 0.2):.1f}% after ten, and {100 * left_after(11, 0.2):.1f}% after eleven",
        f"{math.log(0.1) / math.log(0.8):.1f}$, rounded up", f"makes {rounds_until_below(0.1, 0.2) + 1} trainings",
    ]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def binary_kl(p, q):
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / q)


def knowledge_distillation():
    soft, hard = sigmoid((4 - 2) / 2), sigmoid(4 - 2)
    pull = (0.5 - soft) / 2
    return [
        f"sigma(1)={soft:.3f}$ and {1 - soft:.3f}", f"were {hard:.3f} and {1 - hard:.3f}", f"={binary_kl(soft, 0.5):.3f}$", f"={pull:.3f}$",
        f"it is ${4 * pull:.3f}$", f"near the ${0.5 - hard:.3f}$",
        f"={soft * math.log(soft / 0.5):.3f}-{-(1 - soft) * math.log((1 - soft) / 0.5):.3f}={binary_kl(soft, 0.5):.3f}",
    ]


def fake_quantised(x, step, low=-8, high=7):
    return step * min(high, max(low, round(x / step)))


def updates_until(goal, *, start, gain, step):
    count = 0
    while not math.isclose(fake_quantised(start + count * gain, step), goal):
        count += 1
    return count


def quantization_aware_training():
    before, after = 0.33 + 19 * 0.001, 0.33 + 21 * 0.001
    return [
        f"becomes {fake_quantised(0.33, 0.1):.1f}; it is inside", f"becomes {fake_quantised(0.95, 0.1):.1f}, and gets",
        f"{before:.3f} and still rounds to {fake_quantised(before, 0.1):.1f}", f"is {after:.3f} and rounds to {fake_quantised(after, 0.1):.1f}",
        f"range is ${-8 * 0.1}$ to {7 * 0.1:.1f}",
    ]


NUMBERS = {
    "quantization-outlier-scale": lambda: symmetric((100.0, 0.5), 8)[0],
    "quantization-seventy-b": lambda: 70e9 * (4 + 16 / 128) / 8 / 1e9,
    "compression-overview-rank-share": lambda: 100 * 2 * 4096 * 512 / 4096**2,
    "compression-overview-phone-speed": lambda: 50 / gigabytes(3e9, 4),
    "pruning-q02": lambda: 100 * left_after(5, 0.2),
    "pruning-wanda-score": lambda: abs(-0.05) * 12,
    "pruning-two-four-storage": lambda: 100 * (2 * 16 + 2 * 2) / (4 * 16),
    "lottery-ticket-q03": lambda: rounds_until_below(0.1, 0.2),
    "lottery-ticket-half-rounds": lambda: 100 * left_after(4, 0.5),
    "knowledge-distillation-q04": lambda: sigmoid((4 - 2) / 2),
    "knowledge-distillation-kl-value": lambda: binary_kl(sigmoid(1), 0.5),
    "quantization-aware-training-clipped": lambda: fake_quantised(0.95, 0.1),
    "quantization-aware-training-updates": lambda: updates_until(0.2, start=0.12, gain=0.004, step=0.1),
}

EXAMPLES = {
    "quantization": quantization,
    "compression-overview": compression_overview,
    "pruning": pruning,
    "lottery-ticket": lottery_ticket,
    "knowledge-distillation": knowledge_distillation,
    "quantization-aware-training": quantization_aware_training,
}
