"""Which labs there are, and what each is called: read from the files, without running any of them.

A lab is in the catalogue because its file is in a track's folder. `catalogue` reads titles, topics and question makers
from the syntax tree, so lists and counts need no torch; `load` imports one lab and checks its whole shape. A file that
is not a lab stops both with a sentence that names it: a lab never goes missing quietly.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, get_type_hints

from .address import RESERVED
from .controls import CONTROL_TYPES, Control, Value
from .shape import Check, Experiment

FOLDER = Path(__file__).parent
RECORD = FOLDER / "verified.json"  # the last `python -m screens.labs verify --record`
_PARSING = threading.Lock()  # Python 3.11 counts the depth of all threads' parsing in one place and stops when they mix (CPython issue 106905)
FUNCTIONS = ("compute", "figures", "says", "verify")


class LabError(Exception):
    """A file in a lab folder that is not a whole lab, or a lab that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be said about a lab without importing it."""

    slug: str  # kebab-case, its address
    title: str
    lesson: str  # Markdown: the docstring after its first line
    topic: str  # slug of the note it belongs to
    track: str  # kebab-case name of its folder
    reference: str  # the implementation it agrees with
    makers: tuple[str, ...]  # names of its question makers, kebab-case
    thumbnail: str  # an SVG drawing, or empty
    path: Path

    @property
    def module(self) -> str:
        return f"screens.labs.{self.path.parent.name}.{self.path.stem}"


@dataclass(frozen=True)
class Lab:
    """A lab that is loaded and whole."""

    entry: Entry
    module: ModuleType
    controls: dict[str, Control]
    defaults: dict[str, Value]

    @property
    def slug(self) -> str:
        return self.entry.slug

    @property
    def title(self) -> str:
        return self.entry.title

    @property
    def compute(self) -> Callable[..., Any]:
        return self.module.compute

    @property
    def is_long(self) -> bool:
        return inspect.isgeneratorfunction(self.module.compute)

    @property
    def figures(self) -> Callable[[Any], Mapping[str, Any]]:
        return self.module.figures

    @property
    def says(self) -> Callable[[Any], str]:
        return self.module.says

    @property
    def facts(self) -> Callable[[Any], Mapping[str, float]] | None:
        return getattr(self.module, "facts", None)

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        return tuple(self.module.TRY)

    @property
    def verify(self) -> Callable[[], list[Check]]:
        return self.module.verify

    @property
    def questions(self) -> Mapping[str, Callable[..., Any]]:
        return self.module.questions

    @property
    def second(self) -> Mapping[str, Callable[..., Any]]:
        return self.module.second

    @property
    def mechanism(self) -> tuple[Callable[..., Any], ...]:
        """The functions of models/ that the lab shows: MECHANISM where it says so, else all it imports by name."""
        named = getattr(self.module, "MECHANISM", None)
        if named is not None:
            return tuple(named)
        return tuple(value for value in vars(self.module).values() if isinstance(value, FunctionType) and value.__module__.startswith("models."))


def catalogue(folder: Path = FOLDER) -> dict[str, Entry]:
    """All labs by slug, in order of track folder and file name."""
    found: dict[str, Entry] = {}
    for path in _files(folder):
        entry = _read(path, path.stat().st_mtime_ns)
        if entry.slug in found:
            raise LabError(f"two labs are called {entry.slug}: {found[entry.slug].path} and {path}")
        found[entry.slug] = entry
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*/*.py")) if path.parent.name != "__pycache__" and path.name != "__init__.py"]


class Makers(Mapping[str, Sequence[str]]):
    """What every lab can compute, by slug. The files are parsed when somebody asks; `stamp` tells cheaply whether they are as before."""

    def __init__(self, folder: Path = FOLDER):
        self.folder = folder

    @functools.cached_property
    def stamp(self) -> str:
        files = hashlib.sha256()
        for path in _files(self.folder):
            files.update(path.stem.encode() + b"\0" + path.read_bytes())
        return files.hexdigest()

    @functools.cached_property
    def _read(self) -> dict[str, tuple[str, ...]]:
        return {slug: entry.makers for slug, entry in catalogue(self.folder).items()}

    def __getitem__(self, slug: str) -> Sequence[str]:
        return self._read[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def load(slug: str, folder: Path = FOLDER) -> Lab:
    """The lab itself: imported, its shape checked, its controls read from the signature of `compute`."""
    entries = catalogue(folder)
    if slug not in entries:
        raise LabError(f"there is no lab “{slug}”; `python -m screens.labs` lists the {len(entries)} there are")
    entry = entries[slug]
    try:
        module = importlib.import_module(entry.module)
    except Exception as error:
        raise LabError(f"{entry.path.name} does not import: {error}") from error
    _one_thread()
    controls, defaults = _control_panel(entry, module.compute)
    for name in ("TRY", "questions", "second"):
        if not hasattr(module, name):
            raise LabError(f"{entry.path.name} has no {name}")
    if set(module.questions) != set(module.second):
        raise LabError(f"{entry.path.name}: `second` must answer every maker; {sorted(module.questions)} against {sorted(module.second)}")
    _experiments_fit(entry, module.TRY, controls, defaults)
    return Lab(entry, module, controls, defaults)


def recorded() -> dict[str, dict[str, float]]:
    """What the last recorded comparison of each lab found: how many checks, the closest call, its tolerance."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def _one_thread() -> None:
    # Two torch threads on a busy machine wait for each other; one is two to ten times faster for work this small.
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@functools.lru_cache(maxsize=1024)
def _read(path: Path, _changed: int) -> Entry:
    with _PARSING:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    docstring = ast.get_docstring(tree)
    if not docstring:
        raise LabError(f"{path}: a lab opens with a docstring: its title, a blank line, the lesson")
    title, _, lesson = docstring.partition("\n")
    values = {name: node for node in tree.body for name in _names(node)}
    missing = [name for name in (*FUNCTIONS, "TOPIC", "REFERENCE") if name not in values]
    if missing:
        raise LabError(f"{path} is in a lab folder but has no {', '.join(missing)}")
    return Entry(
        slug=path.stem.replace("_", "-"),
        title=title.strip().rstrip("."),
        lesson=lesson.strip(),
        topic=_text(path, values, "TOPIC"),
        track=path.parent.name.replace("_", "-"),
        reference=_text(path, values, "REFERENCE"),
        makers=_keys(path, values.get("questions")),
        thumbnail=_text(path, values, "THUMBNAIL") if "THUMBNAIL" in values else "",
        path=path,
    )


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _text(path: Path, values: Mapping[str, ast.stmt], name: str) -> str:
    try:
        value = ast.literal_eval(values[name].value)  # type: ignore[attr-defined]
    except (ValueError, AttributeError):
        value = None
    if not isinstance(value, str):
        raise LabError(f"{path}: {name} must be a plain string written in place")
    return value


def _keys(path: Path, node: ast.stmt | None) -> tuple[str, ...]:
    if node is None:
        return ()
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Dict) or not all(isinstance(key, ast.Constant) for key in value.keys):
        raise LabError(f"{path}: questions must be a dict written in place, names as plain strings")
    return tuple(str(key.value) for key in value.keys if isinstance(key, ast.Constant))


def _control_panel(entry: Entry, compute: Callable[..., Any]) -> tuple[dict[str, Control], dict[str, Value]]:
    hints = get_type_hints(compute, include_extras=True)
    controls: dict[str, Control] = {}
    defaults: dict[str, Value] = {}
    for name, parameter in inspect.signature(compute).parameters.items():
        found = [extra for extra in getattr(hints.get(name), "__metadata__", ()) if isinstance(extra, CONTROL_TYPES)]
        if len(found) != 1 or parameter.default is inspect.Parameter.empty:
            raise LabError(f"{entry.path.name}: compute's {name} needs one control, as in `{name}: Annotated[float, Slider(0, 1, 0.1)] = 0.5`")
        if name in RESERVED:
            raise LabError(f"{entry.path.name}: no control may be called “{name}”, the page's address uses that word")
        value, notice = found[0].fit(parameter.default, parameter.default)
        if notice or value != parameter.default:
            raise LabError(f"{entry.path.name}: {name} = {parameter.default!r} is not a value of its own control. {notice}")
        controls[name], defaults[name] = found[0], value
    return controls, defaults


def _experiments_fit(entry: Entry, experiments: Any, controls: Mapping[str, Control], defaults: Mapping[str, Value]) -> None:
    for experiment in experiments:
        for name, value in experiment.settings.items():
            if name not in controls:
                raise LabError(f"{entry.path.name}: experiment “{experiment.title}” sets {name}, which compute does not have")
            _, notice = controls[name].fit(value, defaults[name])
            if notice:
                raise LabError(f"{entry.path.name}: experiment “{experiment.title}”, {name}: {notice}")
