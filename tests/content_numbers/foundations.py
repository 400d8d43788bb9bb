"""Foundations: every number card and worked example, computed again."""

import math


def softmax(scores):
    weights = [math.exp(s) for s in scores]
    return [w / sum(weights) for w in weights]


def attention_scaling():
    raw, scaled = softmax([16, 8, 0, -8]), softmax([2, 1, 0, -1])
    steep_raw, steep_scaled = raw[0] * (1 - raw[0]), scaled[0] * (1 - scaled[0])
    return [
        f"{raw[0]:.4f}", f"{raw[1]:.4f}", f"{steep_raw:.4f}",
        *(f"{p:.3f}" for p in scaled), f"{steep_scaled:.3f}",
        f"about {round(steep_scaled / steep_raw, -1):.0f} times",
    ]


def self_attention_qkv():
    scores = [score / math.sqrt(2) for score in (1, 2, 3)]
    weights = softmax(scores)
    output = [sum(w * v for w, v in zip(weights, column)) for column in ((10, 0, 5), (0, 10, 5))]
    return [*(f"{s:.3f}" for s in scores), *(f"{w:.3f}" for w in weights), f"({output[0]:.2f}, {output[1]:.2f})"]


def perplexity(probabilities):
    return math.prod(probabilities) ** (-1 / len(probabilities))


def llm_overview():
    probabilities = [0.4, 0.25, 0.05]
    log_probability = sum(map(math.log, probabilities))
    return [
        f"$ {math.prod(probabilities):.3f}", f"{log_probability:.3f}", f"{-log_probability / 3:.3f}",
        f"{perplexity(probabilities):.2f}",
    ]


def attention_weights(d):
    return 4 * d * d


def ffn_weights(d, d_ff):
    return 2 * d * d_ff


def transformer_architecture():
    attention, ffn = attention_weights(512), ffn_weights(512, 2048)
    encoder, decoder, table = attention + ffn, 2 * attention + ffn, 37_000 * 512
    layers = 6 * (encoder + decoder)
    return [
        *(f"{count:,}" for count in (attention, ffn, encoder, decoder, layers, table)),
        f"about {(layers + table) / 1e6:.1f} million",
    ]


def multi_head_attention():
    head = 3 * 768 * 64
    return [f"{count:,}" for count in (head, 12 * head, 768 * 768, 12 * head + 768 * 768)]


def tied_score_weights():
    vectors = [(2, 0), (math.sqrt(2), math.sqrt(2)), (0, 2)]
    dots = [sum(a * b for a, b in zip(vectors[0], other)) for other in vectors]
    return softmax([dot / math.sqrt(2) for dot in dots])


def cache_mib(tensors, heads=32, d_head=128, tokens=8192, bytes_each=2):
    return tensors * heads * d_head * tokens * bytes_each / 2**20


def shared_kv_projection():
    return [*(f"{w:.3f}" for w in tied_score_weights()), f"take {cache_mib(2):.0f} MiB", f"tied, {cache_mib(1):.0f} MiB"]


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def silu(x):
    return x / (1 + math.exp(-x))


def feed_forward_network():
    rows = [f"| {x} | {max(0, x):.3f} | {gelu(x):.3f} | {silu(x):.3f} |" for x in (-3, -1, 1, 2)]
    rounded_up = 256 * math.ceil(8 / 3 * 4096 / 256)
    return [
        *rows, f"{ffn_weights(768, 3072):,}", f"{attention_weights(768):,}", f"gives {8 / 3 * 4096:.1f}",
        f"to {rounded_up},", f"{3 * 4096 * rounded_up:,}", f"{ffn_weights(4096, 4 * 4096):,}", f"${14_336 / 4096:.1f}\\,d$",
    ]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))


def encoder_only_bert():
    query, documents = (0.6, 0.8), [(0.8, 0.6), (1, 0), (-0.6, -0.8)]
    moved = [cosine([x + 5 for x in query], [x + 5 for x in document]) for document in documents]
    return [
        *(f"{cosine(query, document):.3f}" for document in documents), *(f"{c:.4f}" for c in moved),
        f"{math.comb(10_000, 2):,} passes",
    ]


def decoder_only_gpt():
    scores = [2, 1, 3, 0]
    full, visible = softmax(scores), softmax(scores[:3])
    return [
        "{:.3f}, {:.3f}, {:.3f} and {:.3f}".format(*full), "{:.3f}, {:.3f}, {:.3f} and 0".format(*visible),
        f"in all {sum(j <= i for i in range(4) for j in range(4))} of 16",
    ]


def encoder_decoder_seq2seq():
    return ["{:.3f}, {:.3f} and {:.3f}".format(*softmax([0.5, 1, 3]))]


def span_corrupted_length(tokens, removed, spans):
    source, starts = list(range(tokens)), range(0, tokens, tokens // spans)
    gone = {start + i for start in starts for i in range(removed // spans)}
    return sum(1 for token in source if token not in gone) + len(starts)


def gpt2_small():
    d, layers, vocabulary, positions = 768, 12, 50_257, 1024
    attention = 3 * (d * d + d) + d * d + d
    ffn = d * 4 * d + 4 * d + 4 * d * d + d
    block = attention + ffn + 2 * 2 * d
    parts = {
        "attention": attention, "ffn": ffn, "norms": 4 * d, "block": block, "blocks": layers * block,
        "embedding": vocabulary * d, "positions": positions * d, "final norm": 2 * d,
    }
    parts["total"] = sum(parts[name] for name in ("blocks", "embedding", "positions", "final norm"))
    return parts


def bert_base():
    d, vocabulary = 768, 30_522
    embeddings = (vocabulary + 512 + 2) * d + 2 * d
    layer = 4 * (d * d + d) + 8 * d * d + 5 * d + 2 * 2 * d
    return embeddings + 12 * layer + d * d + d


def gqa_weights(d, kv_heads, d_head):
    return 2 * d * d + 2 * d * kv_heads * d_head


def llama3_8b():
    d = 4096
    block = gqa_weights(d, 8, 128) + 3 * d * 14_336 + 2 * d
    return 32 * block + 2 * 128_256 * d + d


def parameter_and_flop_counting():
    counts = [*gpt2_small().values(), bert_base(), llama3_8b()]
    return [*(f"{count:,}" for count in counts), f"gives {(12 * 12 * 768**2 + 50_257 * 768) / 1e6:.1f} million"]


def calibrated(probability, content_free):
    yes, no = probability / content_free, (1 - probability) / (1 - content_free)
    return yes / (yes + no)


def in_context_learning():
    calibrated_positive = calibrated(0.60, 0.70)
    return [
        f"{0.60 / 0.70:.3f}", f"{0.40 / 0.30:.3f}", f"{calibrated_positive:.3f} and {1 - calibrated_positive:.3f}",
        f"make {8 * 60 + 40} tokens, {(8 * 60 + 40) / 40:.0f} times",
    ]


def attention_share(n, d):
    linear, mixing = 24 * d * d, 4 * n * d
    return mixing / (linear + mixing)


def cache_bytes_per_token(layers=32, kv_heads=8, d_head=128, bytes_each=2):
    return 2 * layers * kv_heads * d_head * bytes_each


def context_window_cost():
    lengths = (1024, 8192, 24_576, 131_072)
    return [
        *(f"| {n:,} | {100 * attention_share(n, 4096):.0f}% |" for n in lengths),
        f"{cache_bytes_per_token() / 2**10:.0f} KiB", f"{131_072 * cache_bytes_per_token() / 2**30:.0f} GiB",
    ]


def lost_in_the_middle():
    ranks = [1, 2, 3, 4, 5]
    layout = ranks[::2] + ranks[1::2][::-1]
    return [
        f"{70 * 0.90:.1f}%", f"{85 * 0.64:.1f}%",
        "\n".join(f"{place}. Rank {rank}" for place, rank in enumerate(layout, start=1)),
    ]


def chinchilla_terms(n, d):
    return 406.4 * n**-0.34, 410.7 * d**-0.28


def scaling_laws():
    rows = []
    for name, weights, tokens, n, d in (("Gopher", "280B", "300B", 280e9, 300e9), ("Chinchilla", "70B", "1.4T", 70e9, 1.4e12)):
        size, data = chinchilla_terms(n, d)
        rows.append(f"| {name} | {weights} | {tokens} | {size:.3f} | {data:.3f} | {1.69 + size + data:.3f} |")
    return [*rows, f"a={0.28 / (0.34 + 0.28):.2f}", f"the re-fit {0.37 / (0.35 + 0.37):.2f}", f"{15e12 / 8e9:.0f} per weight"]


NUMBERS = {
    "context-window-cost-room": lambda: 8192 - 7000,
    "context-window-cost-crossover": lambda: 24 * 4096**2 / (4 * 4096),
    "context-window-cost-q03": lambda: (2 * 1000) ** 2 / 1000**2,
    "context-window-cost-cache": lambda: 131_072 * cache_bytes_per_token() / 2**30,
    "lost-in-the-middle-drop": lambda: 75.8 - 53.8,
    "lost-in-the-middle-softmax-dilution": lambda: softmax([math.log(100)] + [0] * 99)[0],
    "lost-in-the-middle-yield": lambda: 100 * 0.80 * 0.75,
    "scaling-laws-doubling": lambda: (1 / 2) ** 0.076,
    "scaling-laws-q02": lambda: 6 * 10e9 * (20 * 10e9),
    "scaling-laws-infinite-model": lambda: 1.69 + 0.20,
    "scaling-laws-tokens-per-parameter": lambda: 15e12 / 8e9,
    "encoder-decoder-seq2seq-weight": lambda: softmax([0, 0, math.log(8)])[2],
    "encoder-decoder-seq2seq-span-length": lambda: span_corrupted_length(100, 15, 5),
    "parameter-and-flop-counting-q01": lambda: gpt2_small()["total"],
    "parameter-and-flop-counting-q06": lambda: 100 * gpt2_small()["embedding"] / gpt2_small()["total"],
    "parameter-and-flop-counting-gqa-layer": lambda: gqa_weights(4096, 8, 128),
    "parameter-and-flop-counting-q04": lambda: (2 + 4) * 7e9 * 1e12,
    "in-context-learning-first-half-loss": lambda: -math.log(1 / 50),
    "in-context-learning-calibrate": lambda: calibrated(0.6, 0.75),
    "in-context-learning-prompt-length": lambda: (8 * 60 + 40) / 40,
    "shared-kv-projection-self-weight": lambda: tied_score_weights()[0],
    "shared-kv-projection-q04": lambda: cache_mib(2) / cache_mib(1),
    "shared-kv-projection-cache-mib": lambda: cache_mib(1),
    "feed-forward-network-silu": lambda: silu(-1),
    "feed-forward-network-gate-value": lambda: silu(2) * 3,
    "feed-forward-network-q02": lambda: ffn_weights(768, 3072),
    "feed-forward-network-share": lambda: 100 * ffn_weights(1, 4) / (ffn_weights(1, 4) + attention_weights(1)),
    "encoder-only-bert-q05": lambda: 512 * 0.15 * 0.8,
    "encoder-only-bert-cosine": lambda: cosine((0.6, 0.8), (0.8, 0.6)),
    "encoder-only-bert-pairs": lambda: math.comb(1000, 2),
    "decoder-only-gpt-q05": lambda: sum(j <= i for i in range(4) for j in range(4)),
    "decoder-only-gpt-masked-weight": lambda: softmax([0, math.log(4)])[0],
    "decoder-only-gpt-targets": lambda: len(list(zip(range(512), range(1, 512)))),
    "llm-overview-q05": lambda: perplexity([0.5, 0.2, 0.1]),
    "llm-overview-uniform-perplexity": lambda: math.exp(-math.log(1 / 50_000)),
    "transformer-architecture-ratio": lambda: (128**2 * 512) / (128 * 512**2),
    "transformer-architecture-decoder-weights": lambda: 2 * attention_weights(512) + ffn_weights(512, 2048),
    "multi-head-attention-q02": lambda: 12 * 3 * 768 * 64 + 768 * 768,
    "multi-head-attention-weight-count": lambda: 12 * 100**2,
    "self-attention-qkv-q02": lambda: softmax([0, math.log(3)])[1],
    "self-attention-qkv-q05": lambda: 32 * 4096**2 * 2 / 2**30,
    "self-attention-qkv-triple": lambda: 3000**2 / 1000**2,
    "attention-scaling-q05": lambda: math.sqrt(64),
    "attention-scaling-example-weight": lambda: softmax([2, 1, 0, -1])[0],
}

EXAMPLES = {
    "context-window-cost": context_window_cost,
    "lost-in-the-middle": lost_in_the_middle,
    "scaling-laws": scaling_laws,
    "encoder-decoder-seq2seq": encoder_decoder_seq2seq,
    "parameter-and-flop-counting": parameter_and_flop_counting,
    "in-context-learning": in_context_learning,
    "shared-kv-projection": shared_kv_projection,
    "feed-forward-network": feed_forward_network,
    "encoder-only-bert": encoder_only_bert,
    "decoder-only-gpt": decoder_only_gpt,
    "llm-overview": llm_overview,
    "transformer-architecture": transformer_architecture,
    "multi-head-attention": multi_head_attention,
    "self-attention-qkv": self_attention_qkv,
    "attention-scaling": attention_scaling,
}
