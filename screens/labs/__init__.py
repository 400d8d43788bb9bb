"""The labs: one mechanism each, running, with controls, pictures, experiments, questions and a check against a reference.

One lab is one file in a track's folder, and its shape is the whole interface:

    docstring          first line the title, then the lesson in Markdown
    TOPIC, REFERENCE   the note it belongs to; the independent implementation it agrees with
    THUMBNAIL          optional: a small SVG (viewBox 0 0 160 90, `currentColor`, no text) for the gallery
    compute(...)       the control panel is this signature; pure, seeded, calls models/; a generator when it takes long
    figures(result)    title -> plotly figure (screens.labs.drawing) or a picture of screens.labs.pictures
    says(result)       one sentence: what the pictures show at these settings
    facts(result)      optional: the numbers the sentence may state, by name; tests compare the two
    TRY                experiments: settings, a prediction to commit to, what was right and why
    verify()           a list of Check: what, against what, the largest difference, the tolerance
    questions          {"maker-name": function(rng: random.Random) -> Question}
    second             {"maker-name": function(question) -> the key}, found by another way from question.settings["drawn"]
    MECHANISM          optional: the functions of models/ whose source the page shows; otherwise all that are imported

This package imports neither torch nor streamlit, and nothing registers anywhere: being in the folder is enough.
"""

from .address import lab_address, read_settings, write_settings
from .catalogue import Entry, Lab, LabError, Makers, catalogue, load
from .controls import Choice, Control, Seed, Slider, Stops, Text, Toggle, Value
from .making import Mistake, close_number, number_options, numeral
from .shape import Check, Experiment, Progress

__all__ = [
    "Check", "Choice", "Control", "Entry", "Experiment", "Lab", "LabError", "Makers", "Mistake", "Progress", "Seed", "Slider", "Stops", "Text", "Toggle", "Value",
    "catalogue", "close_number", "lab_address", "load", "number_options", "numeral", "read_settings", "write_settings",
]  # fmt: skip
