"""Papers and tech reports: every number card and worked example, computed again."""

import math
from statistics import fmean, pstdev

FOUR_OF_SIXTEEN = [1] * 4 + [0] * 12


def advantages(rewards):
    return [(r - fmean(rewards)) / pstdev(rewards) for r in rewards]


def deepseek_r1_tech_report():
    right, wrong = max(advantages(FOUR_OF_SIXTEEN)), min(advantages(FOUR_OF_SIXTEEN))
    return [
        f"{fmean(FOUR_OF_SIXTEEN)}", f"{pstdev(FOUR_OF_SIXTEEN):.3f}", f"{right:.3f}", f"{wrong:.3f}".replace("-", "−"),
        f"nearly {2788 / 147:.0f} times",
    ]


def vote(samples, right):
    """Chance that more than half of an odd number of independent samples are right."""
    return sum(math.comb(samples, k) * right**k * (1 - right) ** (samples - k) for k in range(samples // 2 + 1, samples + 1))


def gemini_tech_report():
    return [f"{vote(5, 0.6):.3f}", f"{vote(5, 0.4):.3f}", f"{100 * 20 / 32:.1f}%", f"{100 * 28 / 32:.1f}%"]


def tokens_per_second(utilisation, peak, active):
    return utilisation * peak / (6 * active)


def ernie45_tech_report():
    return [
        f"{100 * 47 / 300:.1f}", f"{0.47 * 989:.0f} teraFLOP/s", rf"{6 * 47e9 / 1e11:.2f}\times10^{{11}}",
        f"{tokens_per_second(0.47, 989e12, 47e9):.0f} tokens per second", f"{47 / 2:.1f}%", f"{21e9 * 4 / 8 / 1e9:.1f} GB",
    ]


OPERATIONS = 6 * 37e9 * 14.8e12
PER_GPU = OPERATIONS / (2.664e6 * 3600)


def reading_list():
    return [rf"{OPERATIONS / 1e24:.2f}\times10^{{24}}", f"{PER_GPU / 1e12:.0f} teraFLOP/s", f"{100 * PER_GPU / 989e12:.0f}%"]


NUMBERS = {
    "deepseek-r1-tech-report-q04": lambda: 100 * 200 / (600 + 200),
    "deepseek-r1-tech-report-advantage": lambda: max(advantages(FOUR_OF_SIXTEEN)),
    "deepseek-r1-tech-report-hours": lambda: 294_000 / 2 / 1000,
    "gemini-tech-report-nano": lambda: 3.25e9 * 4 / 8 / 1e9,
    "gemini-tech-report-routing-gain": lambda: round(90.04 - 84.99, 2),
    "gemini-tech-report-vote": lambda: vote(5, 0.6),
    "ernie45-tech-report-q02": lambda: 100 * 47 / 300,
    "ernie45-tech-report-small-share": lambda: 100 * 3 / 21,
    "ernie45-tech-report-tokens": lambda: tokens_per_second(0.47, 989e12, 47e9),
    "ernie45-tech-report-two-bit": lambda: 300e9 * 2 / 8 / 1e9,
    "reading-list-flops": lambda: OPERATIONS,
    "reading-list-throughput": lambda: PER_GPU / 1e12,
}

EXAMPLES = {
    "deepseek-r1-tech-report": deepseek_r1_tech_report,
    "gemini-tech-report": gemini_tech_report,
    "ernie45-tech-report": ernie45_tech_report,
    "reading-list": reading_list,
}
