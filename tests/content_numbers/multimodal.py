"""Multimodal models: every number card and worked example, computed again."""

import math


def multimodal_overview():
    visual = 5 * 576
    per_token = 2 * 32 * 4096 * 2
    return [f"{visual} tokens", f"{4096 - visual}", f"{per_token / 2**20} MiB", f"{visual * per_token / 2**20:.0f} MiB"]


def vit_tokens(side, patch):
    return (side // patch) ** 2 + 1


def vision_transformer():
    low, high = vit_tokens(224, 16), vit_tokens(384, 16)
    return [
        f"{(224 // 16) ** 2} patches", f"{low} tokens", f"{high} tokens", f"{3 * 16**2} numbers", f"{3 * 16**2 * 768 + 768} weights",
        f"{(high / low) ** 2:.1f} times", f"{high / low:.1f} times",
    ]


def clip_loss(cosines, scale):
    n = len(cosines)

    def cross_entropy(rows):
        return sum(math.log(sum(math.exp(scale * s) for s in row)) - scale * row[i] for i, row in enumerate(rows)) / n

    return (cross_entropy(cosines) + cross_entropy(list(zip(*cosines, strict=True)))) / 2


def clip_contrastive():
    pair = [[0.3, 0.2], [0.2, 0.3]]
    return [
        f"{clip_loss(pair, 1):.3f}", f"{clip_loss(pair, 10):.3f}", f"{1 / (1 + math.exp(-10)):.5f}",
        f"{math.log(32768):.1f}", f"{32768**2 / 1e9:.2f} billion", f"{1 / 0.07:.1f}",
    ]


def linear(inputs, outputs):
    return inputs * outputs + outputs


def vision_language_connector():
    mlp = linear(1024, 4096) + linear(4096, 4096)
    return [f"{mlp / 1e6:.1f} million", f"{(448 // 14) ** 2} patches", f"{(448 // 14) ** 2 // 4} tokens", f"{7 * 256} tokens", f"{188e6 / mlp:.0f} times"]


def llava():
    return [f"{linear(1024, 4096)} weights", f"{58 + 23 + 77}k", f"{(224 // 14) ** 2} patch tokens", f"{(336 // 14) ** 2} tokens", f"{100 * linear(1024, 4096) / 7e9:.2f} %"]


def visible_pairs(queries, text):
    return {
        "ITC": queries**2 + text**2,
        "ITM": (queries + text) ** 2,
        "ITG": queries**2 + text * queries + text * (text + 1) // 2,
    }


def blip2_qformer():
    pairs = visible_pairs(32, 8)
    return [str(pairs["ITC"]), str(pairs["ITM"]), str(pairs["ITG"]), f"{257 * 1024} numbers", f"{32 * 768}", f"{257 * 1024 / (32 * 768):.1f} times"]


NUMBERS = {
    "multimodal-overview-q04": lambda: 5 * 576,
    "multimodal-overview-left": lambda: 4096 - 5 * 576,
    "vision-transformer-q01": lambda: vit_tokens(336, 14),
    "vision-transformer-projection": lambda: 3 * 16**2 * 768 + 768,
    "vision-transformer-quadratic": lambda: (vit_tokens(384, 16) / vit_tokens(224, 16)) ** 2,
    "clip-contrastive-q03": lambda: math.log(32768),
    "clip-contrastive-scale-ten": lambda: clip_loss([[0.3, 0.2], [0.2, 0.3]], 10),
    "clip-contrastive-negatives": lambda: 32768 - 1,
    "vision-language-connector-mlp": lambda: (linear(1024, 4096) + linear(4096, 4096)) / 1e6,
    "vision-language-connector-shuffle": lambda: (448 // 14) ** 2 // 4,
    "vision-language-connector-tiles": lambda: (6 + 1) * ((448 // 14) ** 2 // 4),
    "llava-q04": lambda: linear(1024, 4096),
    "llava-instruction-samples": lambda: 58 + 23 + 77,
    "llava-token-growth": lambda: (336 // 14) ** 2 / (224 // 14) ** 2,
    "blip2-qformer-compression": lambda: 257 * 1024 / (32 * 768),
    "blip2-qformer-itg-pairs": lambda: visible_pairs(32, 8)["ITG"],
    "blip2-qformer-itc": lambda: max(0.12, 0.31, 0.25, 0.08),
}

EXAMPLES = {
    "multimodal-overview": multimodal_overview,
    "vision-transformer": vision_transformer,
    "clip-contrastive": clip_contrastive,
    "vision-language-connector": vision_language_connector,
    "llava": llava,
    "blip2-qformer": blip2_qformer,
}
