"""`python -m models.training` lists the recipes; `python -m models.training NAME ...` makes those models again (`all` for every one).

`python -m models.training figures NAME ...` measures kept models again and renews the figures on their cards, without training."""

import ast
import hashlib
import importlib
import json
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save_file

from models import checkpoints
from models.training import RECIPES, toy_tokenizer
from models.training.steps import Made, Progress

BAR = 30


def main(wanted: list[str]) -> int:
    if not wanted:
        print("\n".join(f"{name:<20} {title(name)}" for name in RECIPES))
        return 0
    work = remake
    if wanted[0] == "figures":
        work, wanted = measure_again, wanted[1:]
    wanted = list(RECIPES) if wanted == ["all"] else wanted
    unknown = [name for name in wanted if name not in RECIPES]
    if unknown:
        print(f"No recipe is called {', '.join(unknown)}. There are: {', '.join(RECIPES)}.", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for name in wanted:
        work(name)
    return 0


def title(name: str) -> str:
    """The first line of the recipe's docstring, read without running it."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def remake(name: str) -> None:
    began = time.perf_counter()
    if name == "toy_tokenizer":
        tokenizer = toy_tokenizer.make()
        toy_tokenizer.keep(tokenizer)
        checkpoints.toy_tokenizer.cache_clear()
        print(f"{name}: {len(tokenizer)} tokens in {time.perf_counter() - began:.1f} s")
        return
    recipe = recipe_of(name)
    made = recipe.make(show)
    seconds = time.perf_counter() - began
    print(file=sys.stderr)
    keep(name, recipe, made, seconds)


def recipe_of(name: str) -> ModuleType:
    return importlib.import_module(f"models.training.{name}")


def measure_again(name: str) -> None:
    if name == "toy_tokenizer":
        return
    card = checkpoints.card(name)
    card["figures"] = recipe_of(name).measure(checkpoints.read(name).model)
    write_card(name, card)
    print(f"{name}: measured again")


def show(progress: Progress) -> None:
    """One line that rewrites itself: how far, the loss, how long still."""
    share = progress.step / progress.steps
    left = progress.seconds * (1 / share - 1)
    bar = "█" * round(BAR * share) + "·" * (BAR - round(BAR * share))
    line = f"\r{bar} {progress.step:>5}/{progress.steps}  loss {progress.loss:.3f}  {progress.seconds:4.0f} s, {left:4.0f} s left "
    if sys.stderr.isatty() or progress.step % 100 == 0 or progress.step == progress.steps:
        print(line, end="", file=sys.stderr, flush=True)


def keep(name: str, recipe: ModuleType, made: Made, seconds: float) -> None:
    """Weights first, in 16 bits; then the figures of the model as it was kept, so that rounding is part of what they say."""
    model = made.model
    weights = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    file = checkpoints.weights_file(name)
    save_file(weights, file)
    file.chmod(0o644)
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    model.eval()
    card = {
        "name": name,
        "title": title(name),
        "kind": recipe.KIND,
        "tokenizer": recipe.TOKENIZER,
        "data": recipe.data(),
        "seed": recipe.SEED,
        "recipe": asdict(recipe.RECIPE),
        "config": recipe.config(model),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "bytes": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "training_seconds": round(seconds),
        "torch": torch.__version__,
        "figures": recipe.measure(model),
    }
    write_card(name, card | ({"development": made.development} if made.development else {}))
    print(f"{name}: {card['parameters']:,} parameters, {card['bytes']:,} bytes, trained in {card['training_seconds']} s")


def write_card(name: str, card: checkpoints.Card) -> None:
    checkpoints.card_file(name).write_text(as_json(card), encoding="utf-8")


def as_json(card: checkpoints.Card) -> str:
    """Indented, but with each head's numbers on one line, so that the tables in it can be read."""
    text = json.dumps(card, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
