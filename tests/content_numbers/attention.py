"""Attention: every number card and worked example, computed again."""

import math


def online_softmax(blocks):
    largest, total, output = -math.inf, 0.0, 0.0
    for scores, values in blocks:
        new = max(largest, *scores)
        shrink = math.exp(largest - new)
        total = shrink * total + sum(math.exp(s - new) for s in scores)
        output = shrink * output + sum(math.exp(s - new) * v for s, v in zip(scores, values, strict=True))
        largest = new
    return largest, total, output


def flash_attention():
    first = online_softmax([((1, 3), (1, 2))])
    both = online_softmax([((1, 3), (1, 2)), ((2, 5), (3, 4))])
    weights = [math.exp(s) for s in (1, 3, 2, 5)]
    direct = sum(w * v for w, v in zip(weights, (1, 2, 3, 4), strict=True)) / sum(weights)
    assert math.isclose(both[2] / both[1], direct)
    return [
        f"{first[1]:.4f}", f"{first[2]:.4f}", f"{math.exp(3 - 5):.4f}", f"{both[1]:.4f}", f"{both[2]:.4f}", f"{direct:.3f}",
        f"{1 / (1 + math.e):.3f}", f"{math.e / (1 + math.e):.3f}", f"{math.log(65504):.1f}",
    ]


def kv_bytes_per_token(*, layers, kv_heads, head_size, width=2):
    return 2 * layers * kv_heads * head_size * width


def mqa_gqa_kv_sharing():
    gqa = kv_bytes_per_token(layers=32, kv_heads=8, head_size=128)
    mha = kv_bytes_per_token(layers=32, kv_heads=32, head_size=128)
    mqa = kv_bytes_per_token(layers=32, kv_heads=1, head_size=128)
    served = 32 * 8192 * gqa
    return [
        f"={gqa}$ bytes, that is {gqa / 1024:.0f} KiB", f"holds {8192 * gqa / 2**30:.0f} GiB", f"MHA would hold {8192 * mha / 2**30:.0f} GiB",
        f"MQA {8192 * mqa / 2**20:.0f} MiB", f"{served / 1e9:.1f} GB of cache", f"{1000 * served / 3.35e12:.1f} ms",
        f"{32 * 8192 * mha / 1e9:.0f} GB for its cache", f"from {2 * 4096 * 4096 / 1e6:.1f} to {2 * 4096 * 1024 / 1e6:.1f} million",
        f"{mha / 1024:.0f} KiB per token",
    ]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def latent_score(query, up, latent):
    expanded = dot(query, [latent * u for u in up])
    absorbed = dot(query, up) * latent
    assert expanded == absorbed
    return absorbed


def quarter_turn(vector):
    x, y = vector
    return (-y, x)


def multi_head_latent_attention():
    query, up, latent = (2, 1), (1, 2), 3
    key = tuple(latent * u for u in up)
    return [
        f"2\\cdot3+1\\cdot6={latent_score(query, up, latent)}", f"W^{{UK}}={dot(query, up)}$",
        f"${quarter_turn(key)}$".replace(" ", ""), f"score is ${dot(query, quarter_turn(key))}$",
        f"is now ${dot(query, quarter_turn(up))}$ instead of {dot(query, up)}",
        f"{576 / (2 * 128)} groups", f"{61 * 576 * 2 / 1024:.1f} KiB", f"32768/576={2 * 128 * 128 / 576:.1f}",
        f"\\approx{100 * (1 - 576 * 60 / (2 * 8 * 128 * 95)):.0f}\\%",
    ]


def causal_pairs(n, window=None):
    return sum(min(i, window or n) for i in range(1, n + 1))


def attention_types_zoo():
    full, local = causal_pairs(100_000), causal_pairs(100_000, 4096)
    share = local / full
    return [
        f"{full / 1e9:.2f}\\cdot10^9", f"{local / 1e8:.2f}\\cdot10^8", f"or {100 * share:.2f}% of that", f"{100 * (5 * share + 1) / 6:.1f}\\%",
        f"{100 * (5 * 1024 + 131072) / (6 * 131072):.1f}%", f"{5 * 1024 + 131072}/{6 * 131072}", f"{32 * 1023:,}".replace(",", " "),
    ]


def linear_state(keys, values):
    width = range(len(keys[0]))
    return [dot([k[i] for k in keys], values) for i in width], [sum(k[i] for k in keys) for i in width]


def read_state(query, state, total):
    return dot(query, state) / dot(query, total)


def self_attention_alternatives():
    keys, values, query = [(1, 0), (0, 1), (1, 1)], (1, 2, 4), (1, 2)
    state, total = linear_state(keys, values)
    weights = [dot(query, k) for k in keys]
    assert math.isclose(read_state(query, state, total), dot(weights, values) / sum(weights))
    return [
        f"S=({state[0]},{state[1]})", f"z=({total[0]},{total[1]})", f"={dot(query, state)}$ over", f"={dot(query, total)}$, that is",
        f"that is {read_state(query, state, total):.3f}", f"weights are {weights[0]}, {weights[1]} and {weights[2]}",
        f"{dot(weights, values)}/{sum(weights)}",
    ]


def wkv_step(a, b, *, key, value, bonus, decay):
    now = math.exp(bonus + key)
    output = (a + now * value) / (b + now)
    return output, math.exp(-decay) * a + math.exp(key) * value, math.exp(-decay) * b + math.exp(key)


def wkv_direct(values, *, bonus, decay):
    *past, last = values
    weights = [math.exp(-(len(past) - 1 - i) * decay) for i in range(len(past))] + [math.exp(bonus)]
    return dot(weights, [*past, last]) / sum(weights)


def rwkv():
    a = b = 0.0
    said = []
    for t, value in enumerate((4, 2, 1), start=1):
        output, a, b = wkv_step(a, b, key=0, value=value, bonus=math.log(2), decay=math.log(2))
        assert math.isclose(output, wkv_direct((4, 2, 1)[:t], bonus=math.log(2), decay=math.log(2)))
        said.append(f"={output:.3f}$")
        said.append(f"={a:g}$" if t > 1 else f"| {a:g} | {b:g} |")
        said += [f"={b:g}$"] if t > 1 else []
    return [*said, f"10^{{{round(math.log10(0.99**5000))}}}", f"{0.9999**5000:.3f}", f"24={2 * 1024 * 24}"]


EXPERT = 3 * 4096 * 14336
MIXTRAL_ATTENTION = 2 * 4096**2 + 2 * 4096 * 1024
MIXTRAL_REST = 32 * MIXTRAL_ATTENTION + 2 * 32000 * 4096 + 32 * 8 * 4096


def softmax(scores):
    weights = [math.exp(s) for s in scores]
    return [w / sum(weights) for w in weights]


def mixture_of_experts():
    return [
        f"{EXPERT / 1e6:.1f}M weights each", f"make {8 * 32 * EXPERT / 1e9:.1f}B", f"{MIXTRAL_ATTENTION / 1e6:.1f}M a layer",
        f"{32 * MIXTRAL_ATTENTION / 1e9:.2f}B in all", f"{2 * 32000 * 4096 / 1e9:.2f}B", f"together {(8 * 32 * EXPERT + MIXTRAL_REST) / 1e9:.1f}B",
        f"{2 * 32 * EXPERT / 1e9:.1f}B, plus", f"shared {MIXTRAL_REST / 1e9:.1f}B", f"gives {(2 * 32 * EXPERT + MIXTRAL_REST) / 1e9:.1f}B",
        f"it was {softmax((2, 1, 0, -1))[0]:.3f}", f"{(6 + 2) * 10}M are active and {(64 + 2) * 10}M exist",
    ]


def balance(loads):
    return len(loads) * sum(f * p for f, p in zip(loads, loads, strict=True))


def slots(*, tokens, experts, factor):
    return factor * tokens / experts


def dropped(chosen, room):
    return sum(max(0, c - room) for c in chosen)


def moe_load_balancing():
    room = slots(tokens=1000, experts=4, factor=1.2)
    return [
        f"={balance((0.7, 0.1, 0.1, 0.1)):.2f}$, against {balance((0.25,) * 4):.0f}", f"{room:.0f} slots",
        f"so {dropped((700, 100, 100, 100), room):.0f} of them", f"leave {room - 100:.0f} slots",
        f"in {math.comb(16, 2)} ways", f"about {math.comb(64, 8) / 1e9:.1f} billion", str(math.comb(64, 8)),
    ]


NUMBERS = {
    "flash-attention-q05": lambda: 8192**2 * 2 / 2**20,
    "flash-attention-example-sum": lambda: online_softmax([((1, 3), (0, 0)), ((2, 5), (0, 0))])[1],
    "mqa-gqa-kv-sharing-q02": lambda: kv_bytes_per_token(layers=32, kv_heads=8, head_size=128) / 1024,
    "mqa-gqa-kv-sharing-q03": lambda: kv_bytes_per_token(layers=32, kv_heads=32, head_size=128)
    / kv_bytes_per_token(layers=32, kv_heads=8, head_size=128),
    "mqa-gqa-kv-sharing-mqa-size": lambda: kv_bytes_per_token(layers=32, kv_heads=1, head_size=128) / 1024,
    "multi-head-latent-attention-absorbed-score": lambda: latent_score((2, 1), (1, 2), 5),
    "multi-head-latent-attention-q04": lambda: 2 * 128 * 128 / (512 + 64),
    "multi-head-latent-attention-equal-precision": lambda: 100 * (1 - 576 * 60 / (2 * 8 * 128 * 95)),
    "attention-types-zoo-q02": lambda: 32 * 1024,
    "attention-types-zoo-mixed-cache": lambda: 100 * (5 * 1024 + 131072) / (6 * 131072),
    "self-attention-alternatives-query-state": lambda: read_state((2, 1), *linear_state([(1, 0), (0, 1), (1, 1)], (1, 2, 4))),
    "self-attention-alternatives-break-even": lambda: 64 * 64 / (2 * 64),
    "rwkv-next-step": lambda: wkv_step(3, 1.75, key=0, value=5, bonus=math.log(2), decay=math.log(2))[0],
    "rwkv-q06": lambda: 5 * 1024 * 24,
    "mixture-of-experts-gate": lambda: softmax((2, 1))[0],
    "mixture-of-experts-mixtral-active": lambda: 2 * EXPERT / 1e6,
    "moe-load-balancing-q06": lambda: slots(tokens=1024, experts=8, factor=1.25),
    "moe-load-balancing-q02": lambda: balance((0.7, 0.1, 0.1, 0.1)),
    "moe-load-balancing-dropped": lambda: dropped((700, 100, 100, 100), slots(tokens=1000, experts=4, factor=1.2)),
    "moe-load-balancing-combinations": lambda: math.comb(16, 2),
}

EXAMPLES = {
    "flash-attention": flash_attention,
    "mqa-gqa-kv-sharing": mqa_gqa_kv_sharing,
    "multi-head-latent-attention": multi_head_latent_attention,
    "attention-types-zoo": attention_types_zoo,
    "self-attention-alternatives": self_attention_alternatives,
    "rwkv": rwkv,
    "mixture-of-experts": mixture_of_experts,
    "moe-load-balancing": moe_load_balancing,
}
