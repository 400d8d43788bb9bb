"""Pre-training and data: every number card and worked example, computed again."""

import math
from statistics import fmean


def losses(probabilities):
    return [-math.log(p) for p in probabilities]


SAT_DOWN = {" cat": 0.25, " sat": 0.10, " down": 0.50}


def causal_lm_loss():
    each = losses(SAT_DOWN.values())
    size = len("".join(SAT_DOWN).encode())
    bits = sum(each) / math.log(2)
    return [
        *(f"{loss:.3f}" for loss in each), f"{sum(each):.3f}", f"{fmean(each):.3f}", f"{math.exp(fmean(each)):.2f}",
        f"{size} bytes", f"{bits:.3f}$ bits", f"{bits / size:.3f} bits per byte",
        f"{math.exp(2):.2f}", f"{2 / math.log(2):.3f}", f"{8192 * 128_256 / 1e9:.2f} billion", f"{8192 * 128_256 * 4 / 1e9:.1f} GB",
    ]


def masked_lm_objective():
    chosen = 0.15 * 128
    sat, mat = losses([0.60, 0.05])
    return [f"{chosen:.1f}", f"{0.8 * chosen:.2f}", f"{0.1 * chosen:.2f}", f"{sat:.3f}", f"{mat:.3f}", f"{fmean([sat, mat]):.3f}"]


def pretraining_self_supervision():
    mantissa, exponent = f"{6 * 7e9 * 2e12:.1e}".split("e+")
    return [f"{1.5e9 / 0.5e6:.0f} steps", rf"{mantissa}\times10^{{{exponent}}}"]


GOOD, BAD = 0.30 * 0.90, 0.70 * 0.20  # shares of all pages that are kept


def data_filtering():
    return [
        f"word length {1040 / 200}", f"per word {12 / 200}", f"{GOOD * 1e6:,.0f}".replace(",", " "), f"{BAD * 1e6:,.0f}".replace(",", " "),
        f"{100 * GOOD / (GOOD + BAD):.0f}%", f"{0.30 * 0.10 * 1e6:,.0f}".replace(",", " "),
    ]


def shingles(text, size=3):
    words = text.lower().split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def jaccard(one, other):
    return len(one & other) / len(one | other)


def candidate(similarity, bands, rows):
    return 1 - (1 - similarity**rows) ** bands


CATS = shingles("the cat sat on the mat"), shingles("the cat sat on the rug")


def deduplication():
    alike = jaccard(*CATS)
    return [
        f"3/5={alike}", f"={candidate(alike, 20, 5):.3f}$", f"{math.sqrt(alike * (1 - alike) / 128):.3f}",
        f"probability {candidate(0.75, 14, 8):.2f}", f"{(1 / 10) ** (1 / 10):.2f}",
    ]


NUMBERS = {
    "causal-lm-loss-perplexity-example": lambda: math.exp(fmean(losses(SAT_DOWN.values()))),
    "causal-lm-loss-q02": lambda: -math.log(1 / 50_257),
    "causal-lm-loss-logits": lambda: 8192 * 128_256 * 4 / 1e9,
    "masked-lm-objective-example": lambda: fmean(losses([0.60, 0.05])),
    "masked-lm-objective-random-share": lambda: 100 * 0.15 * 0.10,
    "pretraining-self-supervision-masked-count": lambda: 0.15 * 512,
    "pretraining-self-supervision-q05": lambda: 1.5e9 / 0.5e6,
    "pretraining-self-supervision-flops": lambda: 6 * 7e9 * 2e12,
    "data-filtering-precision": lambda: 100 * GOOD / (GOOD + BAD),
    "data-filtering-lost": lambda: round(0.30 * (1 - 0.90) * 1e6 / 1e3, 6),
    "data-filtering-symbol-limit": lambda: max(n for n in range(1234) if n / 1234 <= 0.1),
    "deduplication-q02": lambda: candidate(0.8, 20, 5),
    "deduplication-q03": lambda: candidate(0.3, 20, 5),
    "deduplication-threshold": lambda: (1 / 20) ** (1 / 5),
    "deduplication-jaccard": lambda: jaccard(*CATS),
}

EXAMPLES = {
    "causal-lm-loss": causal_lm_loss,
    "masked-lm-objective": masked_lm_objective,
    "pretraining-self-supervision": pretraining_self_supervision,
    "data-filtering": data_filtering,
    "deduplication": deduplication,
}
