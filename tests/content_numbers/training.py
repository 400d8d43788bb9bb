"""Initialisation, normalisation and optimisation: every number card and worked example, computed again."""

import math
from statistics import NormalDist, fmean, median, pvariance

STANDARD = NormalDist()


def times_ten(value, digits):
    """A number as the notes write it in LaTeX: 3.1\\times10^{-5}."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return rf"{mantissa}\times10^{{{int(exponent)}}}"


def truncated_variance(cut):
    return 1 - 2 * cut * STANDARD.pdf(cut) / (2 * STANDARD.cdf(cut) - 1)


def random_and_truncated_init():
    kept = math.sqrt(truncated_variance(2))
    small, large = math.sqrt(1024) * 0.02, math.sqrt(1024) * 0.05
    return [
        f"{truncated_variance(2):.4f}", f"{kept:.4f}", f"{1 / kept:.4f}", f"{0.02 * kept:.4f}", f"{0.02 / kept:.5f}",
        f"{small:.2f}", f"{small**10:.4f}", f"{large:.1f}", f"{large**10:.0f} times", f"{0.02 / math.sqrt(2 * 12):.4f}",
    ]


def xavier_variance(fan_in, fan_out):
    return 2 / (fan_in + fan_out)


def tanh_variance(layers, points=2001):
    """Variance after tanh layers of unit gain: the Gaussian integral of tanh squared, layer by layer."""
    grid = [-8 + 16 * i / (points - 1) for i in range(points)]
    weights = [STANDARD.pdf(z) for z in grid]
    variance = 1.0
    for _ in range(layers):
        spread = math.sqrt(variance)
        variance = sum(w * math.tanh(spread * z) ** 2 for w, z in zip(weights, grid, strict=True)) / sum(weights)
    return variance


def xavier_init():
    variance = xavier_variance(300, 100)
    return [
        f"{variance:.3f}", f"{math.sqrt(variance):.4f}", f"{math.sqrt(3 * variance):.4f}", f"{300 * variance:.1f}", f"{100 * variance:.1f}",
        "2^{-25}=" + times_ten(2.0**-25, 0), f"{math.sqrt(tanh_variance(10)):.2f} after 10 layers", f"{math.sqrt(tanh_variance(50)):.2f} after 50",
    ]


def kaiming_init():
    return [
        f"2^{{-15}}$, about ${times_ten(0.5 ** (30 / 2), 1)}", f"6^{{-15}}$, about ${times_ten((1 / 6) ** (30 / 2), 1)}",
        f"9\\times64={3 * 3 * 64}",
    ]


def step_of_output(width, rate, *, ntk):
    """Change of a layer's output in one SGD step, all inputs 1 and error signal 1."""
    factor = 1 / math.sqrt(width) if ntk else 1.0
    step_of_weight = -rate * factor
    return sum(factor * step_of_weight for _ in range(width))


def ntk_parameterisation():
    move = -0.1 / math.sqrt(4)
    return [
        f"{move:.2f}".replace("-", "−"), f"{move / math.sqrt(4):.3f}".replace("-", "−"),
        f"{step_of_output(4, 0.1, ntk=False):.1f}".replace("-", "−"), f"{step_of_output(4, 0.1, ntk=True):.1f}".replace("-", "−"),
        f"{step_of_output(1024, 0.1, ntk=False):.1f}".replace("-", "−"),
    ]


def steps_to_a_tenth(rate):
    steps, value = 0, 1.0
    while value > 0.1:
        steps, value = steps + 1, value * (1 - rate)
    return steps


def adam(gradient, start, rate, steps):
    """Positions, and the corrected moments of the last step, of one weight under Adam."""
    weight, first, second, path = start, 0.0, 0.0, []
    for step in range(1, steps + 1):
        slope = gradient(weight, step)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        mean, size = first / (1 - 0.9**step), math.sqrt(second / (1 - 0.999**step))
        weight -= rate * mean / (size + 1e-8)
        path.append(weight)
    return path, mean, size


def optimizers():
    (steep, mean, size), (flat, flat_mean, flat_size) = (adam(lambda w, _, c=c: c * w, 1.0, 0.1, 2) for c in (100, 1))
    return [
        f"{steep[0]:.1f}", f"{steep[1]:.4f}", f"{flat[1]:.4f}", f"{mean:.1f}", f"{flat_mean:.3f}", f"{size:.1f}", f"{flat_size:.3f}",
        f"{steps_to_a_tenth(0.01)} steps",
    ]


def batch_vs_layer_norm():
    values = [2, 4, 0, 0]
    spread = math.sqrt(pvariance(values))
    first, second = ((x - fmean(values)) / spread for x in (2, 4))
    return [f"{fmean(values)}", f"{pvariance(values)}", f"({first:.3f},{second:.3f})"]


def layer_normed(vector):
    mean, spread = fmean(vector), math.sqrt(pvariance(vector))
    return [(x - mean) / spread for x in vector]


def null_directions_of_layer_norm(vector):
    """Size of the vector minus the rank of LayerNorm's Jacobian, by elimination."""
    size, normed, spread = len(vector), layer_normed(vector), math.sqrt(pvariance(vector))
    rows = [[((i == j) - 1 / size - normed[i] * normed[j] / size) / spread for j in range(size)] for i in range(size)]
    rank = 0
    for column in range(size):
        pivot = max(range(rank, size), key=lambda r: abs(rows[r][column]), default=rank)
        if rank == size or abs(rows[pivot][column]) < 1e-9:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for r in range(rank + 1, size):
            share = rows[r][column] / rows[rank][column]
            rows[r] = [a - share * b for a, b in zip(rows[r], rows[rank], strict=True)]
        rank += 1
    return size - rank


def layer_norm():
    result = layer_normed([2, 4, 4, 6])
    shifted = layer_normed([120, 140, 140, 160])
    unchanged = all(math.isclose(a, b, abs_tol=1e-12) for a, b in zip(result, shifted, strict=True))
    same = "(120,140,140,160)" if unchanged else "LayerNorm changed under shift and scale"
    return [f"({result[0]:.3f},{result[1]:.0f},{result[2]:.0f},{result[3]:.3f})", same, f"{(2 * 12 + 1) * 2 * 768:,}".replace(",", r"\,")]


def rms(vector):
    return math.sqrt(fmean([x * x for x in vector]))


def rms_norm():
    def normed(vector):
        return "(" + ",".join(f"{x / rms(vector):.3f}" for x in vector) + ")"

    return [f"{rms([3, 4]):.3f}", normed([3, 4]), f"{rms([13, 14]):.3f}", normed([13, 14])]


def scale_normed(vector, length):
    return [length * x / math.hypot(*vector) for x in vector]


def norm_alternatives():
    small, large = scale_normed([3, 4], 10), scale_normed([100, 1, 1, 1], 2)
    return [
        f"({small[0]:.0f},{small[1]:.0f})", f"{math.hypot(100, 1, 1, 1):.3f}",
        f"({large[0]:.4f}," + ",".join(f"{x:.4f}" for x in large[1:]) + ")",
    ]


def pre_vs_post_norm():
    return [f"\\sqrt{{97}}={math.sqrt(1 + 2 * 48):.2f}", f"{100 / math.sqrt(2 * 48):.1f}%", f"2^{{-12}}={2 ** (-24 / 2):.5f}"]


def cosine_rate(step, *, peak, floor, warmup, total):
    if step < warmup:
        return peak * step / warmup
    return floor + (peak - floor) / 2 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def rate_of_the_example(step):
    return cosine_rate(step, peak=3e-4, floor=3e-5, warmup=2000, total=100_000)


def warmup():
    return [times_ten(rate_of_the_example(1000), 1), times_ten(rate_of_the_example(51_000), 2), times_ten(rate_of_the_example(100_000), 0)]


RECENT_NORMS = [0.42, 0.38, 0.40, 0.41, 0.39]


def batch_skipping():
    return [
        ", ".join(f"{n:.2f}" for n in RECENT_NORMS[:-1]), f"median {median(RECENT_NORMS):.2f}", f"threshold is {5 * median(RECENT_NORMS):.1f}",
        f"{300 * 2048 * 2048 / 1e9:.2f} billion",
    ]


def half_life(rate, decay):
    return math.log(2) / (rate * decay)


def weight_decay():
    return [
        f"{1 - 3e-4 * 0.1:.5f}", f"{round(half_life(3e-4, 0.1), -2):,.0f}".replace(",", " "), f"10^{{{math.log10(0.001 * 0.1 / 10):.0f}}}",
        f"10^{{{math.log10(0.001 * 0.1 / 0.1):.0f}}}", f"10^{{{math.log10(0.001 * 0.1):.0f}}}", f"{math.sqrt(2 * 3e-4 * 0.1):.4f}",
    ]


def poisoned_root(quiet_steps):
    """How many times too large Adam's root of v is, so many steps after one gradient a thousand times the usual."""
    second = 0.999 * 1e-4 + 0.001 * 10**2
    for _ in range(quiet_steps):
        second = 0.999 * second + 0.001 * 1e-4
    return math.sqrt(second) / 0.01


def turn_by_value_clipping():
    return math.degrees(math.atan2(10, 1) - math.atan2(1, 1))


def gradient_clipping():
    factor = 1 / math.hypot(3, 4)
    return [
        f"({3 * factor:.1f},{4 * factor:.1f})", f"{math.degrees(math.atan2(10, 1)):.1f}°", f"{turn_by_value_clipping():.1f}°",
        f"{poisoned_root(0):.0f} times", f"{poisoned_root(1000):.0f} times",
    ]


def zero_bytes(stage, ranks):
    """Bytes per parameter and rank: half-precision weights and gradients, fp32 master, momentum and variance."""
    shared_from = {3: 2.0, 2: 2.0, 1: 4.0 + 4.0 + 4.0}
    return sum(size / ranks if stage >= first else size for first, size in shared_from.items())


def zero_sharding():
    plain, *sharded = (7.5 * zero_bytes(stage, 64) for stage in range(4))
    return [f"{plain:.0f} GB", *(f"{gigabytes:.1f} GB" for gigabytes in sharded)]


NUMBERS = {
    "random-and-truncated-init-q02": lambda: math.sqrt(truncated_variance(2)),
    "random-and-truncated-init-uniform-bound": lambda: 0.02 * math.sqrt(3),
    "random-and-truncated-init-gain": lambda: math.sqrt(1024) * 0.02,
    "random-and-truncated-init-corrected": lambda: 0.02 / math.sqrt(truncated_variance(2)),
    "random-and-truncated-init-gpt2-residual": lambda: 0.02 / math.sqrt(2 * 12),
    "xavier-init-q02": lambda: math.sqrt(xavier_variance(300, 100)),
    "xavier-init-uniform": lambda: math.sqrt(3 * xavier_variance(300, 100)),
    "xavier-init-forward-gain": lambda: 300 * xavier_variance(300, 100),
    "xavier-init-relu-fifty": lambda: math.sqrt(0.5**50),
    "kaiming-init-q02": lambda: math.sqrt(2 / 512),
    "kaiming-init-conv": lambda: math.sqrt(2 / (3 * 3 * 64)),
    "kaiming-init-xavier-thirty": lambda: math.sqrt(0.5**30),
    "kaiming-init-default-ratio": lambda: math.sqrt((2 / 512) / (1 / (3 * 512))),
    "ntk-parameterisation-step": lambda: step_of_output(1024, 0.1, ntk=True),
    "ntk-parameterisation-kernel": lambda: sum(a / math.sqrt(2) * b / math.sqrt(2) for a, b in zip((1, 2), (3, 1), strict=True)),
    "optimizers-sgd-valley": lambda: steps_to_a_tenth(0.01),
    "optimizers-q02": lambda: 0 - adam(lambda _, step: 0.001, 0.0, 0.1, 1)[0][0],
    "optimizers-two-steps": lambda: adam(lambda _, step: (100, 90)[step - 1], 1.0, 0.1, 2)[0][1],
    "optimizers-q06": lambda: 2 * 4 * 7e9 / 1e9,
    "optimizers-sixteen-bytes": lambda: (2 + 2 + 4 + 4 + 4) * 7e9 / 1e9,
    "batch-vs-layer-norm-groups": lambda: 8 * 4,
    "batch-vs-layer-norm-padding": lambda: (4 - fmean([2, 4, 0, 0])) / math.sqrt(pvariance([2, 4, 0, 0])),
    "batch-vs-layer-norm-unbiased": lambda: 2 / (2 - 1),
    "layer-norm-example": lambda: layer_normed([2, 4, 4, 6])[-1],
    "layer-norm-length": lambda: math.hypot(*layer_normed([math.sin(i) for i in range(1024)])),
    "layer-norm-q05": lambda: (2 * 12 + 1) * 2 * 768,
    "layer-norm-null-directions": lambda: null_directions_of_layer_norm([2.0, 4.0, 5.0, 7.0, 1.0]),
    "rms-norm-rms": lambda: rms([3, 4]),
    "rms-norm-parameters": lambda: (2 * 32 + 1) * 4096,
    "norm-alternatives-outlier": lambda: scale_normed([100, 1, 1, 1], 2)[1],
    "norm-alternatives-deepnorm-alpha": lambda: (2 * 128) ** 0.25,
    "pre-vs-post-norm-last-update": lambda: 100 / math.sqrt(1 + 95),
    "pre-vs-post-norm-post-damping": lambda: math.sqrt(2) ** -24,
    "warmup-q02": lambda: 512**-0.5 * min(4000**-0.5, 4000 * 4000**-1.5),
    "warmup-cosine-middle": lambda: rate_of_the_example(51_000),
    "warmup-linear": lambda: rate_of_the_example(500),
    "warmup-llama-share": lambda: 100 * 8000 / 1_200_000,
    "batch-skipping-q04": lambda: 1e-4 * 10**2,
    "batch-skipping-threshold": lambda: 5 * median(RECENT_NORMS),
    "batch-skipping-tokens": lambda: 300 * 2048 * 2048 / 1e9,
    "weight-decay-half-life": lambda: half_life(1e-3, 0.1),
    "weight-decay-adamw-step": lambda: 0.001 * 0.1 * 1,
    "weight-decay-rotation": lambda: math.sqrt(2 * 3e-4 * 0.1),
    "gradient-clipping-global-norm": lambda: math.hypot(3, 4, 12),
    "gradient-clipping-turn": turn_by_value_clipping,
    "gradient-clipping-poison": lambda: poisoned_root(0),
    "zero-sharding-q05": lambda: (1 + 1 + 1) / (1 + 1),
    "zero-sharding-thirteen-b": lambda: 13 * zero_bytes(1, 8),
}


EXAMPLES = {
    "random-and-truncated-init": random_and_truncated_init,
    "xavier-init": xavier_init,
    "kaiming-init": kaiming_init,
    "ntk-parameterisation": ntk_parameterisation,
    "optimizers": optimizers,
    "batch-vs-layer-norm": batch_vs_layer_norm,
    "layer-norm": layer_norm,
    "rms-norm": rms_norm,
    "norm-alternatives": norm_alternatives,
    "pre-vs-post-norm": pre_vs_post_norm,
    "warmup": warmup,
    "batch-skipping": batch_skipping,
    "weight-decay": weight_decay,
    "gradient-clipping": gradient_clipping,
    "zero-sharding": zero_sharding,
}
