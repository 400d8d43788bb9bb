"""Ask."""

from screens.parts.coming import coming

coming("Ask", "It answers a question from the notes and shows where it stands there.", ["answers quoted from the notes, each sentence with its passage", "a plain word when the notes do not say it", "questions in English and Chinese"])
