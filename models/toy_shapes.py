"""Pictures of coloured shapes and sentences about them: enough for a network to learn that words and pixels can mean the same.

Eight colours times six shapes make 48 pairs. Six pairs are never shown in training: whether they are recognised all the same tells if "purple"
and "star" were learned apart or only "purple star" as a whole.
"""

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.symbols import SymbolTokenizer

COLOURS = {
    "red": (225, 45, 45),
    "green": (50, 175, 70),
    "blue": (55, 95, 230),
    "yellow": (240, 215, 50),
    "purple": (150, 65, 190),
    "orange": (245, 140, 35),
    "white": (240, 240, 240),
    "cyan": (70, 215, 225),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
UNSEEN = (("red", "star"), ("green", "ring"), ("blue", "triangle"), ("yellow", "circle"), ("purple", "cross"), ("cyan", "square"))
PAIRS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
SEEN = tuple(pair for pair in PAIRS if pair not in UNSEEN)
SIZES = {"small": 11, "large": 18}  # radius in pixels
CORNERS = ((21, 21), (43, 21), (21, 43), (43, 43))
SIDE = 64
CAPTIONS = (
    "a photo of a {colour} {shape}",
    "a {size} {colour} {shape}",
    "the {shape} is {colour}",
    "there is a {colour} {shape} on a dark ground",
    "one {size} {shape} painted {colour}",
)
PROMPT = CAPTIONS[0]


class Picture(NamedTuple):
    pixels: NDArray[np.uint8]  # (64, 64, 3)
    colour: str
    shape: str
    size: str


def tokenizer() -> SymbolTokenizer:
    words = {word for caption in CAPTIONS for word in caption.split() if "{" not in word}
    return SymbolTokenizer([*sorted(words), *COLOURS, *SHAPES, *SIZES], "word")


def caption(picture: Picture, rng: Random) -> str:
    return rng.choice(CAPTIONS).format(colour=picture.colour, shape=picture.shape, size=picture.size)


def prompts(pairs: Sequence[tuple[str, str]] = PAIRS) -> list[str]:
    return [PROMPT.format(colour=colour, shape=shape) for colour, shape in pairs]


def picture(rng: Random, pair: tuple[str, str]) -> Picture:
    """The pair somewhere near a corner, a little moved, tinted and turned, on dark noise."""
    colour, shape = pair
    size = rng.choice(list(SIZES))
    image = Image.fromarray(dark_noise(rng))
    x, y = (place + rng.uniform(-3, 3) for place in rng.choice(CORNERS))
    tint = tuple(max(0, min(255, channel + rng.randint(-12, 12))) for channel in COLOURS[colour])
    draw(ImageDraw.Draw(image), shape, x, y, SIZES[size] * rng.uniform(0.9, 1.1), rng.uniform(-0.2, 0.2), tint)
    return Picture(np.asarray(image), colour, shape, size)


def dark_noise(rng: Random) -> NDArray[np.uint8]:
    numbers = np.random.default_rng(rng.getrandbits(32))
    ground = numbers.integers(0, 50, 3)
    return np.clip(ground + numbers.integers(-10, 11, (SIDE, SIDE, 1)), 0, 255).astype(np.uint8)


def draw(canvas: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, turn: float, colour: tuple[int, ...]) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        canvas.ellipse(box, fill=colour)
    elif shape == "ring":
        canvas.ellipse(box, outline=colour, width=max(3, round(radius * 0.35)))
    elif shape == "cross":
        for direction in (turn + math.pi / 4, turn + 3 * math.pi / 4):
            across, along = radius * math.cos(direction), radius * math.sin(direction)
            canvas.line((x - across, y - along, x + across, y + along), fill=colour, width=max(4, round(radius * 0.45)))
    else:
        canvas.polygon(outline(shape, x, y, radius, turn), fill=colour)


def outline(shape: str, x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    """The corners of a square, a triangle, or a star of five points (long and short radius by turns)."""
    corners = {"square": 4, "triangle": 3, "star": 10}[shape]
    start = turn - math.pi / 2 + (math.pi / 4 if shape == "square" else 0)
    radii = [radius * (0.42 if shape == "star" and corner % 2 else 1.0) for corner in range(corners)]
    return [
        (x + r * math.cos(start + 2 * math.pi * corner / corners), y + r * math.sin(start + 2 * math.pi * corner / corners))
        for corner, r in enumerate(radii)
    ]
