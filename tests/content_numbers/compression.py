"""Compression: every number card and worked example, computed again."""


def symmetric(values, bits):
    scale = max(abs(x) for x in values) / (2 ** (bits - 1) - 1)
    codes = [round(x / scale) for x in values]
    return scale, codes, [scale * c for c in codes]


def quantization():
    scale, codes, back = symmetric((0.5, -1.0, 0.25), 8)
    wide, rough, lost = symmetric((0.5, -1.0, 0.25, 100.0), 8)
    return [
        f"{scale:.5f}", f"codes are {codes[0]}, ${codes[1]}$ and {codes[2]}", f"{back[0]:.4f}, ${back[1]:.0f}$ and {back[2]:.4f}",
        f"{wide:.3f}", f"codes become {rough[0]}, ${rough[1]}$ and {rough[2]}", f"{lost[0]:.3f}, ${lost[1]:.3f}$ and {lost[2]:.0f}",
        f"below about {wide / 2:.2f}", f"{16 / 128:.3f} bits",
    ]


NUMBERS = {
    "quantization-outlier-scale": lambda: symmetric((100.0, 0.5), 8)[0],
    "quantization-seventy-b": lambda: 70e9 * (4 + 16 / 128) / 8 / 1e9,
}

EXAMPLES = {
    "quantization": quantization,
}
