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
        f"={(224 // 16) ** 2}$ patches",
        f"{low} tokens",
        f"{high} tokens",
        f"{3 * 16**2} numbers",
        f"{3 * 16**2 * 768 + 768:,} weights",
        f"{(high / low) ** 2:.1f} times",
        f"{high / low:.1f} times",
    ]


def clip_loss(cosines, scale):
    n = len(cosines)

    def cross_entropy(rows):
        return sum(math.log(sum(math.exp(scale * s) for s in row)) - scale * row[i] for i, row in enumerate(rows)) / n

    return (cross_entropy(cosines) + cross_entropy(list(zip(*cosines, strict=True)))) / 2


def clip_contrastive():
    pair = [[0.3, 0.2], [0.2, 0.3]]
    return [
        f"{clip_loss(pair, 1):.3f}",
        f"{clip_loss(pair, 10):.3f}",
        f"{1 / (1 + math.exp(-10)):.5f}",
        f"{math.log(32768):.1f}",
        f"{32768**2 / 1e9:.2f} billion",
        f"{1 / 0.07:.1f}",
    ]


def linear(inputs, outputs):
    return inputs * outputs + outputs


def vision_language_connector():
    mlp = linear(1024, 4096) + linear(4096, 4096)
    return [
        f"{mlp / 1e6:.1f} million",
        f"{(448 // 14) ** 2} patches",
        f"{(448 // 14) ** 2 // 4} tokens",
        f"{7 * 256} tokens",
        f"{188e6 / mlp:.0f} times",
    ]


def llava():
    return [
        f"{linear(1024, 4096):,} weights",
        f"{58 + 23 + 77}k",
        f"{(224 // 14) ** 2} patch tokens",
        f"{(336 // 14) ** 2} tokens",
        f"{100 * linear(1024, 4096) / 7e9:.2f} %",
    ]


def visible_pairs(queries, text):
    return {
        "ITC": queries**2 + text**2,
        "ITM": (queries + text) ** 2,
        "ITG": queries**2 + text * queries + text * (text + 1) // 2,
    }


def blip2_qformer():
    pairs = visible_pairs(32, 8)
    shrunk = 257 * 1024 / (32 * 768)
    return [*(str(pairs[loss]) for loss in ("ITC", "ITM", "ITG")), f"{257 * 1024:,} numbers", f"{32 * 768:,}", f"{shrunk:.1f} times"]


def gated(x, gate, layer_output):
    return x + math.tanh(gate) * layer_output


def cross_attention_multimodal():
    y = gated(1.0, 0.5, 0.8)
    out = gated(y, 0.2, -0.5)
    added = 8 * 12 * 4096**2
    return [
        f"{math.tanh(0.5):.3f}",
        f"{y:.3f}",
        f"{math.tanh(0.2):.3f}",
        f"{out:.3f}",
        f"{added / 1e9:.2f} billion",
        f"{5 * 64} latents",
        f"={5 * 576}$ places",
    ]


def nearest_code(z, codebook):
    distances = [sum((a - b) ** 2 for a, b in zip(z, code, strict=True)) for code in codebook]
    return distances.index(min(distances)), distances


def native_multimodal():
    best, distances = nearest_code((0.9, 0.2), ((1, 0), (0, 1), (0.5, 0.5)))
    assert best == 0
    codes, bits = (512 // 16) ** 2, int(math.log2(8192))
    return [
        *(f"{d:.2f}" for d in distances),
        f"{0.25 * distances[0]:.4f}",
        f"{codes} codes",
        f"{bits} bits",
        f"{codes * bits // 8} bytes",
        f"{512 * 512 * 3 / (codes * bits / 8):.0f} times",
    ]


def gemini_multimodality():
    video, audio = 10 * 60 * 258, 10 * 60 * 32
    return [f"{video:,} tokens", f"{audio:,}", f"{video + audio:,}", f"{16_000 // 32} samples"]


def swiglu_weights(width, inner):
    return 3 * width * inner


def ernie45_multimodality():
    text, vision, shared = (swiglu_weights(2560, f) for f in (1536, 512, 3072))
    per_text, per_visual = 6 * text + shared, 6 * vision + shared
    return [
        f"{text / 1e6:.2f} million",
        f"{vision / 1e6:.2f} million",
        f"{shared / 1e6:.1f} million",
        f"{per_text / 1e6:.1f} million",
        f"{per_visual / 1e6:.1f} million",
        f"{per_visual / per_text:.2f}",
        f"{80 / 10:.0f} times",
    ]


def area(box):
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def iou(one, other):
    overlap = area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    return overlap / (area(one) + area(other) - overlap)


def group_advantages(rewards):
    mean = sum(rewards) / len(rewards)
    deviation = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    return [(r - mean) / deviation for r in rewards]


def multimodal_grpo():
    smooth, hard = group_advantages((0.1, 0.5, 0.6, 0.8)), group_advantages((0, 1, 1, 1))
    return [
        f"{iou((0, 0, 2, 2), (1, 1, 3, 3)):.3f}",
        f"({smooth[0]:.2f}, {smooth[1]:.2f}, {smooth[2]:.2f}, {smooth[3]:.2f})",
        f"{hard[1]:.3f}",
        f"{hard[0]:.3f}",
        f"{3 / 30:.2f}",
    ]


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
    "cross-attention-multimodal-q03": lambda: math.tanh(0.5),
    "cross-attention-multimodal-output": lambda: gated(1.0, 0.5, 0.8),
    "cross-attention-multimodal-added": lambda: 8 * 12 * 4096**2 / 1e9,
    "native-multimodal-q03": lambda: (512 // 16) ** 2,
    "native-multimodal-bytes": lambda: (512 // 16) ** 2 * math.log2(8192) / 8,
    "native-multimodal-nearest": lambda: nearest_code((0.9, 0.2), ((1, 0), (0, 1), (0.5, 0.5)))[1][0],
    "gemini-multimodality-video-tokens": lambda: 10 * 60 * (258 + 32),
    "gemini-multimodality-audio-compression": lambda: 16_000 / 32,
    "gemini-multimodality-frames-fit": lambda: 32_768 // 258,
    "ernie45-multimodality-q03": lambda: swiglu_weights(2560, 512) / swiglu_weights(2560, 1536),
    "ernie45-multimodality-active": lambda: (6 * 512 + 3072) / (6 * 1536 + 3072),
    "ernie45-multimodality-orthogonal": lambda: 1 * 0.6 + 0 * 0.8,
    "ernie45-multimodality-token-weight": lambda: (1 / 10) / (1 / 80),
    "multimodal-grpo-q02": lambda: iou((0, 0, 2, 2), (1, 1, 3, 3)),
    "multimodal-grpo-shifted": lambda: iou((0, 0, 10, 10), (1, 0, 11, 10)),
    "multimodal-grpo-advantage": lambda: group_advantages((0.1, 0.5, 0.6, 0.8))[3],
    "multimodal-grpo-precision": lambda: 3 / 30,
}

EXAMPLES = {
    "multimodal-overview": multimodal_overview,
    "vision-transformer": vision_transformer,
    "clip-contrastive": clip_contrastive,
    "vision-language-connector": vision_language_connector,
    "llava": llava,
    "blip2-qformer": blip2_qformer,
    "cross-attention-multimodal": cross_attention_multimodal,
    "native-multimodal": native_multimodal,
    "gemini-multimodality": gemini_multimodality,
    "ernie45-multimodality": ernie45_multimodality,
    "multimodal-grpo": multimodal_grpo,
}
