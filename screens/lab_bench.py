"""Labs."""

from screens.parts.coming import coming

coming("Labs", "Each lab runs one mechanism, on small models, under your hands.", ["a gallery of labs by track"])
