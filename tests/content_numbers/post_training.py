"""Post-training: every number card and worked example, computed again."""

import math
from statistics import NormalDist

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def training_flops(parameters, tokens):
    return 6 * parameters * tokens


def post_training_decision():
    speed = 4e14
    domain, sft = training_flops(8e9, 1.2e9), training_flops(8e9, 5000 * 600 * 2)
    return [
        f"{0.97**20:.3f}",
        f"{0.995**20:.3f}",
        f"{domain / speed / 3600:.0f} hours",
        f"{sft / speed / 60:.0f} minutes",
        f"{domain / sft:.0f} times",
    ]


def adam_bytes(parameters):
    weight, gradient, master, momentum, variance = 2, 2, 4, 4, 4
    return parameters * (weight + gradient + master + momentum + variance)


def fine_tuning_basics():
    per_epoch = math.ceil(10_000 / 32)
    return [
        f"{10_000 / 32} rounds up to {per_epoch}",
        f"{3 * per_epoch} steps",
        f"{10_000 - 312 * 32} examples",
        f"{adam_bytes(7e9) / 1e9:.0f} GB",
    ]


def causal_pairs(length):
    return length * (length + 1) // 2


def supervised_fine_tuning():
    loss = -sum(math.log(p) for p in (0.5, 0.8, 0.25, 0.9))
    packed, blocked = causal_pairs(100), sum(causal_pairs(n) for n in (30, 50, 20))
    return [f"{loss:.3f}", f"{loss / 4:.3f}", f"{packed} pairs", f"{blocked}", f"{100 * (packed - blocked) / packed:.0f} %"]


def mixing_shares(sizes, cap):
    counted = [min(size, cap) for size in sizes]
    return [c / sum(counted) for c in counted]


def instruction_tuning():
    plain, capped = mixing_shares((500_000, 10_000, 1000), 10**9), mixing_shares((500_000, 10_000, 1000), 3000)
    return [f"{100 * plain[0]:.1f} %", f"{100 * plain[2]:.1f} %", f"{100 * capped[0]:.1f} %", f"{100 * capped[2]:.1f} %"]


def svd_low_rank():
    u, s, vt = np.linalg.svd(np.array([[3.0, 0.0], [4.0, 5.0]]))
    best = s[0] * np.outer(u[:, 0], vt[0])
    error = np.linalg.norm(np.array([[3.0, 0.0], [4.0, 5.0]]) - best)
    full, factors = 4096 * 4096, 8 * (4096 + 4096)
    return [
        f"{s[0]:.3f}",
        f"{s[1]:.3f}",
        rf"\begin{{pmatrix}} {best[0, 0]:.1f} & {best[0, 1]:.1f} \\ {best[1, 0]:.1f} & {best[1, 1]:.1f} \end{{pmatrix}}",
        f"{error**2:.0f} of {9 + 16 + 25}",
        f"{factors:,} numbers",
        f"{full:,}",
        f"{100 * factors / full:.2f} %",
    ]


def lora_parameters(layers, matrices, rank, width):
    return layers * matrices * rank * 2 * width


def lora():
    w0, a, b, x, scale = np.eye(2), np.array([[1.0, 2.0]]), np.array([[0.5], [-0.25]]), np.array([1.0, 1.0]), 2.0
    h = w0 @ x + scale * (b @ (a @ x))
    merged = w0 + scale * b @ a
    assert np.allclose(merged @ x, h)
    gpt3 = lora_parameters(96, 2, 4, 12288)
    return [
        f"({h[0]:g}, {h[1]:g})",
        rf"\begin{{pmatrix}} {merged[0, 0]:g} & {merged[0, 1]:g} \\ {merged[1, 0]:g} & {merged[1, 1]:g} \end{{pmatrix}}",
        f"{gpt3 / 1e6:.1f} million",
        f"{lora_parameters(32, 2, 8, 4096)}",
    ]


def one_step_from_zero(gradient, a, scale, rate):
    b = np.zeros((gradient.shape[0], a.shape[0]))
    gradient_b, gradient_a = scale * gradient @ a.T, scale * b.T @ gradient
    return gradient_a, gradient_b, scale * (b - rate * gradient_b) @ (a - rate * gradient_a)


def lora_initialisation():
    gradient, a = np.diag([1.0, -1.0]), np.array([[1.0, 2.0]])
    gradient_a, gradient_b, update = one_step_from_zero(gradient, a, scale=2.0, rate=0.1)
    assert not gradient_a.any()
    assert np.allclose(update, -0.1 * 4 * gradient @ a.T @ a)
    return [
        f"({gradient_b[0, 0]:g}, {gradient_b[1, 0]:g})",
        rf"\begin{{pmatrix}} {update[0, 0]:g} & {update[0, 1]:g} \\ {update[1, 0]:g} & {update[1, 1]:g} \end{{pmatrix}}",
    ]


def full_flops(d, k):
    return 3 * 2 * d * k


def lora_flops(d, k, r):
    through_frozen = 2 * 2 * d * k
    through_factors = 3 * 2 * r * (d + k)
    return through_frozen + through_factors


def lora_vs_full_finetuning():
    full, thin = full_flops(4096, 4096), lora_flops(4096, 4096, 8)
    return [
        f"{full / 3 / 1e6:.1f} million",
        f"{full / 1e6:.1f} million",
        f"{thin / 1e6:.1f} million",
        f"{thin / full:.2f}",
        f"{2 * 8 * 4096 * 4096 / 1e6:.0f} million",
        f"{2 * 8 * (4096 + 4096):,} ",
        f"{16 * 7e9 / 1e9:.0f} GB",
        f"{2 * 7e9 / 1e9:.0f} GB",
        f"{16 * 4_194_304 / 1e9:.2f} GB",
    ]


def nf4_levels():
    quantile, edge = NormalDist().inv_cdf, 0.9677083
    positive = [quantile(edge + (0.5 - edge) * i / 8) for i in range(8)]
    negative = [-quantile(edge + (0.5 - edge) * i / 7) for i in range(7)]
    return sorted(level / max(positive) for level in [*positive, 0.0, *negative])


def nf4_round_trip(weights):
    scale, levels = max(abs(w) for w in weights), nf4_levels()
    return [scale * min(levels, key=lambda level: abs(level - w / scale)) for w in weights]


def qlora_bits(block=64, outer=256):
    return 4 + 8 / block + 32 / (block * outer)


def qlora():
    levels = nf4_levels()
    assert len(levels) == 16
    back = nf4_round_trip([0.02, -0.05, 0.08, 0.0])
    return [
        f"{levels[10]:.3f}",
        f"{levels[1]:.3f}",
        f"{levels[2]:.3f}",
        f"{back[0]:.4f}",
        f"{back[1]:.4f}",
        f"{levels[8]:.3f}",
        f"{levels[14]:.3f}",
        f"{4 + 32 / 64} bits",
        f"{qlora_bits():.3f}",
        f"{qlora_bits() * 65e9 / 8 / 1e9:.1f} GB",
    ]


def adapter_weights(width, bottleneck):
    down, up = width * bottleneck + bottleneck, bottleneck * width + width
    return down + up


def peft_overview():
    return [
        f"{adapter_weights(768, 64)}",
        f"{2 * 12 * adapter_weights(768, 64) / 1e6:.2f} million",
        f"{500 * 4_194_304 * 2 / 1e9:.1f} GB",
        f"{500 * 14 / 1000:.0f} TB",
    ]


def gate_is_open(log_alpha, beta=2 / 3, low=-0.1, high=1.1):
    return sigmoid(log_alpha - beta * math.log(-low / high))


def diff_pruning():
    kept = 0.005 * 110e6
    return [f"{gate_is_open(0):.3f}", f"{gate_is_open(-3):.3f}", f"{kept / 1e6:.2f} million", f"{kept * 8 / 1e6:.1f} MB", f"{110e6 * 4 / 1e6:.0f} MB"]


def prefix_share(prefix_scores, text_scores):
    prefix, text = sum(map(math.exp, prefix_scores)), sum(map(math.exp, text_scores))
    return prefix / (prefix + text)


def prefix_tuning():
    share = prefix_share([1], [2, 1, 0])
    text = [math.exp(s) / sum(map(math.exp, (2, 1, 0))) for s in (2, 1, 0)]
    return [
        f"{share:.3f}",
        *(f"{p:.3f}" for p in text),
        *(f"{(1 - share) * p:.3f}" for p in text),
        f"{10 * 24 * 2 * 1024}",
        f"{10 * 24 * 2 * 1024 * 2 / 1e6:.2f} MB",
    ]


def loreft(h, r, w, b):
    return h + r.T @ (w @ h + b - r @ h)


def reft():
    r, h = np.array([[0.6, 0.8]]), np.array([2.0, 1.0])
    w, b = np.array([[1.0, 0.0]]), np.array([0.5])
    edited, across = loreft(h, r, w, b), np.array([-0.8, 0.6])
    assert np.allclose(r @ edited, w @ h + b)
    return [
        f"({edited[0]:.1f}, {edited[1]:.1f})",
        f"{(r @ edited)[0]:.1f}",
        f"{across @ h:.0f} before and {across @ edited:.0f} after",
        f"{8 * (2 * 4 * 4096 + 4)}",
    ]


def ewc(fisher, shift, strength=1):
    return strength / 2 * sum(f * s**2 for f, s in zip(fisher, shift, strict=True))


def pulled_back(target, importance):
    return target / (1 + importance)


def catastrophic_forgetting():
    return [f"{ewc((4, 0.1), (0.5, 2))}", f"{ewc((1, 1), (0.5, 2))}", f"{pulled_back(3, 4)}", f"{pulled_back(3, 0.1):.2f}"]


def alignment():
    return [f"{100 * 38 / 250:.1f} %", f"{100 * (62.0 - 59.5) / 62.0:.1f} %", f"{1 - 0.98**100:.2f}"]


def best_of_n_kl(n):
    return math.log(n) - (n - 1) / n


def rlhf_and_rlaif():
    train, frozen = 16 * 7, 2 * 7
    return [f"{2.0 - 0.1 * 5}", f"{2.0 - 0.3 * 5}", f"{best_of_n_kl(16):.2f} nats", f"{2 * train + 2 * frozen} GB"]


def reward_modeling():
    p = sigmoid(2 - 1)
    return [
        f"{p:.3f}",
        f"{-math.log(p):.3f}",
        f"{1 - p:.3f}",
        f"{-math.log(sigmoid(-1)):.3f}",
        f"{math.log(9):.2f}",
        f"{math.comb(9, 2)} pairs",
        f"{math.comb(4, 2)} pairs",
    ]


def returns(rewards, gamma):
    total, out = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        out.append(total)
    return out[::-1]


def score_of_second(action, p2=0.25):
    return (1 if action == 2 else 0) - p2


def estimator(baseline, policy=((1, 0.75, 1.0), (2, 0.25, 3.0))):
    values = [(p, score_of_second(a) * (reward - baseline)) for a, p, reward in policy]
    mean = sum(p * v for p, v in values)
    return mean, sum(p * (v - mean) ** 2 for p, v in values)


def policy_gradient():
    means = [estimator(b)[0] for b in (0, 1.5, -3)]
    assert max(means) - min(means) < 1e-12
    return [f"{means[0]:.3f}", *(f"{estimator(b)[1]:.2f}" for b in (0, 1.5, -3)), f"{returns([1, 0, 2], 0.5)[0]}"]


def surrogate(ratio, advantage, epsilon=0.2):
    return min(ratio * advantage, min(max(ratio, 1 - epsilon), 1 + epsilon) * advantage)


def gae(deltas, gamma_lambda):
    return sum(gamma_lambda**step * delta for step, delta in enumerate(deltas))


def ppo():
    rewards, values, gamma, lam = [0, 0, 1], [0.4, 0.5, 0.8, 0], 1.0, 0.95
    deltas = [r + gamma * values[t + 1] - values[t] for t, r in enumerate(rewards)]
    return [
        f"{surrogate(1.5, 1)}",
        f"{surrogate(1.5, -1)}",
        f"{surrogate(0.5, -1)}",
        f"{surrogate(0.5, 1)}",
        ", ".join(f"{d:.1f}" for d in deltas),
        f"{gae(deltas, gamma * lam):.3f}",
        f"{sum(rewards) - values[0]:.1f}",
    ]


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def kl_estimates(u):
    return -math.log(u), math.log(u) ** 2 / 2, u - 1 - math.log(u)


def spread(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def kl_divergence():
    p, q = (0.5, 0.5), (0.9, 0.1)
    rows = [kl_estimates(b / a) for a, b in zip(p, q, strict=True)]
    k1, k2, k3 = ([row[i] for row in rows] for i in range(3))
    assert math.isclose(sum(k1) / 2, kl(p, q))
    assert math.isclose(sum(k3) / 2, kl(p, q))
    return [
        f"{kl(p, q):.3f}",
        f"{kl(q, p):.3f}",
        *(f"{v:.3f}" for v in (*k1, *k2, *k3)),
        f"{sum(k2) / 2:.3f}",
        f"{spread(k1):.2f}",
        f"{spread(k3):.2f}",
    ]


def dpo_loss(chosen, rejected, beta):
    return -math.log(sigmoid(beta * (chosen - rejected)))


def kl_optimum(reference, rewards, beta):
    tilted = [p * math.exp(r / beta) for p, r in zip(reference, rewards, strict=True)]
    return [t / sum(tilted) for t in tilted]


def dpo():
    soft, hard = kl_optimum((0.8, 0.2), (0, 1), 0.5), kl_optimum((0.8, 0.2), (0, 1), 0.1)
    return [
        f"{dpo_loss(2, -1, 0.1):.3f}",
        f"{sigmoid(-0.3):.3f}",
        f"{dpo_loss(0, 0, 0.1):.3f}",
        f"({soft[0]:.3f}, {soft[1]:.3f})",
        f"{hard[1]:.4f}",
    ]


def group_advantages(rewards):
    mean = sum(rewards) / len(rewards)
    deviation = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    return [(r - mean) / deviation for r in rewards]


def silent_group(success, size):
    return success**size + (1 - success) ** size


def grpo():
    one = group_advantages([1, 0, 0, 0])
    even = group_advantages([1, 0, 0, 1])
    return [
        f"{one[0]:.3f}",
        f"{one[1]:.3f}",
        f"({', '.join(f'{a:.0f}' for a in even)})",
        f"{silent_group(0.1, 8):.2f}",
        f"{silent_group(0.5, 8):.3f}",
        f"{1 / 400}",
    ]


def verifiable_rewards():
    return [
        f"{71.0 / 15.6:.2f}",
        f"{100 * (71.0 - 15.6) / 15.6:.0f} %",
        f"{71.0 - 15.6:.1f} points",
        f"{0.6 + 0.4 * 0.1:.2f}",
        f"{0.6 / (0.6 + 0.4 * 0.1):.3f}",
    ]


def found(success, samples):
    return 1 - (1 - success) ** samples


def offline_vs_online_rl():
    return [f"{found(0.2, 8):.3f}", f"{found(0.002, 8):.3f}", f"{1.01**500:.0f}"]


NUMBERS = {
    "post-training-decision-all-rules": lambda: 0.97**20,
    "post-training-decision-cpt-hours": lambda: training_flops(8e9, 1.2e9) / 4e14 / 3600,
    "fine-tuning-basics-q05": lambda: 3 * math.ceil(10_000 / 32),
    "fine-tuning-basics-memory": lambda: adam_bytes(7e9) / 1e9,
    "supervised-fine-tuning-q05": lambda: len([label for label in [-100] * 30 + [1] * 10 if label != -100]),
    "supervised-fine-tuning-loss": lambda: -sum(math.log(p) for p in (0.5, 0.8, 0.25, 0.9)) / 4,
    "supervised-fine-tuning-leak": lambda: causal_pairs(100) - sum(causal_pairs(n) for n in (30, 50, 20)),
    "instruction-tuning-mixing": lambda: mixing_shares((500_000, 10_000, 1000), 3000)[2],
    "instruction-tuning-seeds": lambda: 52_000 / 175,
    "svd-low-rank-q02": lambda: 8 * (4096 + 4096) / 4096**2 * 100,
    "svd-low-rank-error": lambda: math.sqrt(2**2 + 1**2),
    "svd-low-rank-energy": lambda: (10**2 + 5**2) / (10**2 + 5**2 + 2**2 + 1**2),
    "svd-low-rank-break-even": lambda: 4096 * 4096 / (4096 + 4096),
    "lora-q02": lambda: lora_parameters(32, 2, 8, 4096),
    "lora-rslora": lambda: (16 / math.sqrt(64)) / (16 / 64),
    "lora-example-output": lambda: 1 + (2 / 1) * 0.5 * (1 * 1 + 2 * 1),
    "lora-initialisation-step": lambda: one_step_from_zero(np.diag([1.0, -1.0]), np.array([[1.0, 2.0]]), 2.0, 0.1)[2][1, 1],
    "lora-initialisation-std": lambda: math.sqrt(6 / ((1 + 5) * 4096)) / math.sqrt(3),
    "lora-vs-full-finetuning-q03": lambda: 2 * 4096 * 4096 / 1e6,
    "lora-vs-full-finetuning-ratio": lambda: lora_flops(4096, 4096, 8) / full_flops(4096, 4096),
    "lora-vs-full-finetuning-memory": lambda: (2 * 7e9 + 16 * 4_194_304) / 1e9,
    "qlora-q04": qlora_bits,
    "qlora-q05": lambda: qlora_bits() * 7.0e9 / 8 / 1e9,
    "qlora-saving": lambda: 4 + 32 / 64 - qlora_bits(),
    "qlora-round-trip": lambda: nf4_round_trip([0.02, -0.05, 0.08, 0.0])[1],
    "peft-overview-q03": lambda: adapter_weights(768, 64),
    "peft-overview-storage": lambda: 500 * 4_194_304 * 2 / 1e9,
    "diff-pruning-q03": lambda: 0.005 * 110e6 / 1e6,
    "diff-pruning-gate": lambda: gate_is_open(-3),
    "diff-pruning-file": lambda: 0.005 * 110e6 * (4 + 4) / 1e6,
    "prefix-tuning-q02": lambda: 10 * 24 * 2 * 1024,
    "prefix-tuning-share": lambda: prefix_share([1], [2, 1, 0]),
    "prefix-tuning-prompt-size": lambda: 20 * 4096,
    "reft-q03": lambda: 2 * 4 * 4096 + 4,
    "reft-example": lambda: loreft(np.array([2.0, 1.0]), np.array([[0.6, 0.8]]), np.array([[1.0, 0.0]]), np.array([0.5]))[1],
    "reft-against-lora": lambda: lora_parameters(32, 2, 8, 4096) / (8 * (2 * 4 * 4096 + 4)),
    "catastrophic-forgetting-q04": lambda: ewc((4, 0.1), (0.5, 2)),
    "catastrophic-forgetting-l2": lambda: ewc((1, 1), (0.5, 2)),
    "catastrophic-forgetting-minimum": lambda: pulled_back(3, 4),
    "alignment-refusal-rate": lambda: 38 / 250 * 100,
    "alignment-many-tries": lambda: 1 - 0.98**100,
    "alignment-tax-share": lambda: (62.0 - 59.5) / 62.0 * 100,
    "rlhf-and-rlaif-q04": lambda: 2.0 - 0.1 * 5,
    "rlhf-and-rlaif-best-of-n": lambda: best_of_n_kl(16),
    "rlhf-and-rlaif-memory": lambda: 2 * 16 * 7 + 2 * 2 * 7,
    "reward-modeling-q05": lambda: math.comb(4, 2),
    "reward-modeling-wrong-pair": lambda: -math.log(sigmoid(1 - 2)),
    "reward-modeling-gap": lambda: math.log(0.9 / 0.1),
    "policy-gradient-return": lambda: returns([0, 0, 1], 0.9)[0],
    "policy-gradient-bandit": lambda: estimator(0)[0],
    "policy-gradient-variance": lambda: estimator(1.5)[1],
    "ppo-q06": lambda: gae((1, 2), 0.5),
    "ppo-positive": lambda: surrogate(1.5, 1),
    "ppo-low-negative": lambda: surrogate(0.5, -1),
    "kl-divergence-forward": lambda: kl((0.5, 0.5), (0.9, 0.1)),
    "kl-divergence-k3": lambda: kl_estimates(0.25 / 0.5)[2],
    "kl-divergence-k2-bias": lambda: sum(kl_estimates(u)[1] for u in (1.8, 0.2)) / 2 - kl((0.5, 0.5), (0.9, 0.1)),
    "dpo-q03": lambda: dpo_loss(2, -1, 0.1),
    "dpo-start-loss": lambda: dpo_loss(0, 0, 0.1),
    "dpo-optimum": lambda: kl_optimum((0.8, 0.2), (0, 1), 0.5)[1],
    "dpo-weight": lambda: sigmoid(-0.1 * (2 - -1)),
    "grpo-one-right": lambda: group_advantages([1, 0, 0, 0])[0],
    "grpo-silent-groups": lambda: silent_group(0.1, 8),
    "grpo-length-weight": lambda: (1 / 100) / (1 / 400),
    "verifiable-rewards-factor": lambda: 71.0 / 15.6,
    "verifiable-rewards-leaky": lambda: 0.6 + 0.4 * 0.1,
    "verifiable-rewards-precision": lambda: 0.6 / (0.6 + 0.4 * 0.1),
    "offline-vs-online-rl-kept": lambda: found(0.2, 8),
    "offline-vs-online-rl-ratio": lambda: 1.01**500,
    "offline-vs-online-rl-refresh": lambda: found(0.5, 4) - found(0.2, 4),
}

EXAMPLES = {
    "post-training-decision": post_training_decision,
    "fine-tuning-basics": fine_tuning_basics,
    "supervised-fine-tuning": supervised_fine_tuning,
    "instruction-tuning": instruction_tuning,
    "svd-low-rank": svd_low_rank,
    "lora": lora,
    "lora-initialisation": lora_initialisation,
    "lora-vs-full-finetuning": lora_vs_full_finetuning,
    "qlora": qlora,
    "peft-overview": peft_overview,
    "diff-pruning": diff_pruning,
    "prefix-tuning": prefix_tuning,
    "reft": reft,
    "catastrophic-forgetting": catastrophic_forgetting,
    "alignment": alignment,
    "rlhf-and-rlaif": rlhf_and_rlaif,
    "reward-modeling": reward_modeling,
    "policy-gradient": policy_gradient,
    "ppo": ppo,
    "kl-divergence": kl_divergence,
    "dpo": dpo,
    "grpo": grpo,
    "verifiable-rewards": verifiable_rewards,
    "offline-vs-online-rl": offline_vs_online_rl,
}
