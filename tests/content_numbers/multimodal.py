"""Multimodal models: every number card and worked example, computed again."""




def multimodal_overview():
    visual = 5 * 576
    per_token = 2 * 32 * 4096 * 2
    return [f"{visual} tokens", f"{4096 - visual}", f"{per_token / 2**20} MiB", f"{visual * per_token / 2**20:.0f} MiB"]


NUMBERS = {
    "multimodal-overview-q04": lambda: 5 * 576,
    "multimodal-overview-left": lambda: 4096 - 5 * 576,
}

EXAMPLES = {
    "multimodal-overview": multimodal_overview,
}
