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
    return [*rows, f"{total:.3f}", f"{math.log(3):.3f}", f"{3 ** 0.5:.2f}", f"{round(math.exp(2 / 0.2), -3):.0f}"]


FIRST = {"A": 0.6, "B": 0.4}
SECOND = {"A": (0.5, 0.3), "B": (0.9, 0.1)}


def greedy_search():
    first = max(FIRST, key=FIRST.__getitem__)
    found = FIRST[first] * max(SECOND[first])
    totals = {token: FIRST[token] * max(SECOND[token]) for token in FIRST}
    best = max(totals, key=totals.__getitem__)
    return [
        f"takes {first} and ends at $0.6\\cdot0.5={found:.2f}$",
        f"best is {best} with $0.4\\cdot0.9={totals[best]:.2f}$",
        f"{50000**3 / 1e14}\\cdot10^{{14}}",
    ]


def two_step_beam(width):
    kept = sorted(FIRST, key=FIRST.__getitem__, reverse=True)[:width]
    candidates = [FIRST[token] * step for token in kept for step in SECOND[token]]
    return candidates, sorted(candidates, reverse=True)[:width]


def gentle(score, length, alpha):
    return score / ((5 + length) / 6) ** alpha


def prefixes_expanded(width, length):
    return 1 + (length - 1) * width


def beam_search():
    candidates, kept = two_step_beam(2)
    return [
        "{:.2f}, {:.2f}, {:.2f} and {:.2f}".format(*candidates), f"B's {kept[0]:.2f} and A's {kept[1]:.2f}",
        f"${-4 / 4:.2f}$ and ${-5.6 / 7:.2f}$", f"${gentle(-4, 4, 0.6):.2f}$ and ${gentle(-5.6, 7, 0.6):.2f}$",
        f"1+4\\cdot2={prefixes_expanded(2, 5)}",
    ]


def top_k(probabilities, k):
    kept = sorted(probabilities, reverse=True)[:k]
    return [p / sum(kept) for p in kept]


def top_k_sampling():
    six = (0.30, 0.20, 0.125, 0.125, 0.125, 0.125)
    stray = 49 * 0.01 / 1000
    stray /= 0.99 + stray
    return [
        "0.30/0.50={:.1f}$ and $0.20/0.50={:.1f}".format(*top_k(six, 2)), "{:.2f}, {:.2f} and {:.2f}".format(*top_k(six, 3)),
        f"have {100 * stray:.4f}%", f"a {100 * (1 - (1 - stray) ** 500):.0f}% chance", f"keeps {100 * 50 / 2000}%",
    ]


def nucleus(probabilities, mass):
    kept = []
    for p in sorted(probabilities, reverse=True):
        kept.append(p)
        if sum(kept) >= mass - 1e-12:
            break
    return [p / sum(kept) for p in kept]


def top_p_sampling():
    four = (0.5, 0.25, 0.15, 0.1)
    hot = softmax([math.log(p) for p in four], 2)
    assert all(math.isclose(a, b) for a, b in zip(nucleus(four, 0.7), (2 / 3, 1 / 3), strict=True))
    return [
        "({:.3f}, {:.3f}, {:.3f}, {:.3f})".format(*hot), f"hold only {hot[0] + hot[1]:.3f}", f"has {len(nucleus(hot, 0.7))} tokens",
        f"at least {0.1 * 0.9:.2f}", f"at least {0.1 * 0.05:.3f}", f"{len(nucleus([0.001] * 1000, 0.9))}, so top-p",
    ]


def penalised(logit, penalty):
    return logit / penalty if logit > 0 else logit * penalty


def loop_probability(logit):
    return math.exp(logit) / (math.exp(logit) + 2 * math.e)


def repetition():
    free, mild, strong = (loop_probability(penalised(3, theta)) for theta in (1, 1.25, 1.5))
    return [
        f"={free:.3f}$", f"={free**10:.3f}$", f"becomes {penalised(3, 1.25)} and the probability {mild:.3f}", f"now have {mild**10:.3f}",
        f"is {penalised(3, 1.5):.0f} and the probability {strong:.3f}", f"are {penalised(2.0, 1.25)} and ${penalised(-1.0, 1.25)}$",
    ]


TARGET, DRAFT = (0.5, 0.3, 0.2), (0.4, 0.5, 0.1)


def acceptance(target, draft):
    return sum(map(min, target, draft))


def residual(target, draft):
    left = [max(0.0, p - q) for p, q in zip(target, draft, strict=True)]
    return [x / sum(left) for x in left]


def tokens_per_pass(alpha, drafted):
    return sum(alpha**i for i in range(drafted + 1))


def speed_up(alpha, drafted, cost):
    return tokens_per_pass(alpha, drafted) / (drafted * cost + 1)


def speculative_decoding():
    alpha, rest = acceptance(TARGET, DRAFT), residual(TARGET, DRAFT)
    for i, (p, q) in enumerate(zip(TARGET, DRAFT, strict=True)):
        assert math.isclose(q * min(1, p / q) + (1 - alpha) * rest[i], p)
    best = max(range(1, 20), key=lambda drafted: speed_up(0.6, drafted, 0.1))
    return [
        "probabilities {:g}, {:g} and {:g}".format(*(min(1, p / q) for p, q in zip(TARGET, DRAFT, strict=True))),
        f"0.4+0.3+0.1={alpha:.1f}", "({:.1f},{:.0f},{:.1f})".format(*rest), f"is {tokens_per_pass(0.8, 4):.2f} tokens per pass",
        f"speed-up of {speed_up(0.8, 4, 0.05):.2f}", f"gamma={best}$ with {speed_up(0.6, best, 0.1):.2f}", f"only {speed_up(0.6, 8, 0.1):.2f}",
    ]


def cache_bytes(*, layers, kv_heads, head_size, tokens, width=2):
    return 2 * layers * kv_heads * head_size * tokens * width


def kv_cache():
    cache = cache_bytes(layers=32, kv_heads=32, head_size=128, tokens=4096)
    seconds = (14e9 + cache) / 2e12
    return [
        f"{cache / 1e9:.2f} GB of cache", f"{1000 * seconds:.2f} ms", f"most {1 / seconds:.0f} tokens", f"instead of {2e12 / 14e9:.0f}",
        f"{2 * 7e9 * 2000 / 1e13}\\cdot10^{{13}}", f"{2 * 7e9 * 2000 / 200e12:.2f} s at",
        f"least {1000 * 14e9 / 2e12:.0f} ms", f"{300 * 14e9 / 2e12:.1f} s",
    ]


def blocks(tokens, size=16):
    return math.ceil(tokens / size)


def shared_blocks(*, prompt, answer, samples):
    full = prompt // 16
    return full + samples * (blocks(prompt + answer) - full)


def vllm_paged_attention():
    apart, shared = 8 * blocks(1200), shared_blocks(prompt=1000, answer=200, samples=8)
    return [
        f"rceil={blocks(1200)}$ blocks, {apart} in all", f"={shared}$ blocks, {100 * shared / apart:.0f}% of the memory",
        f"rceil={blocks(100)}$ blocks have {16 * blocks(100)} slots", f"and {16 * blocks(100) - 100} wasted slots",
    ]


NUMBERS = {
    "decoding-and-temperature-at-two": lambda: softmax((2, 1, 0), 2)[0],
    "decoding-and-temperature-odds-four": lambda: 4 ** (1 / 0.5),
    "greedy-search-break-even": lambda: 0.6 * 0.5 / 0.4,
    "greedy-search-exhaustive": lambda: 50000**3,
    "beam-search-expanded": lambda: prefixes_expanded(4, 10),
    "beam-search-second-kept": lambda: two_step_beam(2)[1][1],
    "top-k-sampling-four": lambda: top_k((0.4, 0.2, 0.1, 0.1, 0.1, 0.1), 4)[0],
    "top-k-sampling-flat": lambda: 100 * sum([1 / 2000] * 50),
    "top-p-sampling-count": lambda: len(nucleus((0.5, 0.25, 0.15, 0.1), 0.8)),
    "top-p-sampling-min-p-count": lambda: sum(p >= 0.4 * 0.5 for p in (0.5, 0.25, 0.15, 0.1)),
    "repetition-frequency-value": lambda: 2.0 - 0.5 * 3,
    "repetition-penalised-probability": lambda: loop_probability(penalised(3, 1.25)),
    "speculative-decoding-alpha": lambda: acceptance(TARGET, DRAFT),
    "speculative-decoding-residual": lambda: residual(TARGET, DRAFT)[2],
    "speculative-decoding-q04": lambda: tokens_per_pass(0.8, 4),
    "speculative-decoding-speedup": lambda: speed_up(0.8, 4, 0.05),
    "kv-cache-q03": lambda: cache_bytes(layers=32, kv_heads=32, head_size=128, tokens=4096) / 2**30,
    "kv-cache-q02": lambda: 2e12 / 14e9,
    "kv-cache-prefill-time": lambda: 2 * 7e9 * 2000 / 200e12,
    "vllm-paged-attention-waste": lambda: 16 * blocks(1000) - 1000,
    "vllm-paged-attention-static-use": lambda: 100 * sum((10, 20, 30, 100)) / (4 * max(10, 20, 30, 100)),
    "vllm-paged-attention-shared-blocks": lambda: shared_blocks(prompt=1000, answer=200, samples=8),
    "vllm-paged-attention-little": lambda: 5 * 8,
}

EXAMPLES = {
    "decoding-and-temperature": decoding_and_temperature,
    "greedy-search": greedy_search,
    "beam-search": beam_search,
    "top-k-sampling": top_k_sampling,
    "top-p-sampling": top_p_sampling,
    "repetition": repetition,
    "speculative-decoding": speculative_decoding,
    "kv-cache": kv_cache,
    "vllm-paged-attention": vllm_paged_attention,
}
