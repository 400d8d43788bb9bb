"""The recipes of the trained models: `python -m models.training NAME` makes a checkpoint again from nothing.

A recipe is a module of this folder with a docstring (its first line is the title), a `SEED` and `make(show) -> Made`. It generates its data,
trains, measures what came out, and hands all of it over to be kept; no figure on a card is typed by hand.
"""

RECIPES = (  # in the order in which they need each other
    "toy_tokenizer",
    "toy_decoder",
    "toy_decoder_rotary",
    "toy_draft",
    "toy_mixture",
    "toy_masked",
    "toy_rwkv",
    "mixers",
    "dates",
    "induction",
    "reversal",
    "shapes",
    "lengths",
    "previous_symbol",
    "needle",
)
