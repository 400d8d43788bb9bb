"""Each heavy library lives in one place. Every package is imported in a fresh process, and what must not come along is asserted."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent


def modules(folder: str) -> list[str]:
    files = sorted((HOUSE / folder).rglob("*.py"))
    return [".".join(file.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__") for file in files if "migrations" not in file.parts]


def loaded_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code + "\nimport sys; print('\\n'.join(sys.modules))"], capture_output=True, text=True, cwd=HOUSE)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n"))


def imports(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names if not name.endswith("__main__"))


def test_backend_loads_neither_streamlit_nor_torch():
    loaded = loaded_after(imports(modules("backend")))
    assert not loaded & {"streamlit", "torch", "sentence_transformers", "transformers", "models", "screens", "plotly"}


def test_models_load_neither_streamlit_nor_the_backend():
    loaded = loaded_after(imports(modules("models")))
    assert not loaded & {"streamlit", "backend", "screens", "sentence_transformers", "sqlmodel", "plotly"}


def test_labs_load_neither_streamlit_nor_the_database():
    loaded = loaded_after(imports(modules("screens/labs")))
    assert not loaded & {"streamlit", "sqlmodel", "sqlalchemy", "transformers", "sentence_transformers"}


def test_the_list_of_labs_needs_no_torch():
    loaded = loaded_after("import screens.labs\nscreens.labs.catalogue()")
    assert not loaded & {"streamlit", "torch", "plotly", "sqlmodel"}


def test_the_first_search_vector_needs_no_torch():
    loaded = loaded_after("import models.minilm\nmodels.minilm.embed(['why divide by the root of d_k?'])")
    assert not loaded & {"torch", "transformers", "sentence_transformers", "sklearn", "pandas"}


def test_only_app_and_screens_import_streamlit():
    found = []
    for file in HOUSE.rglob("*.py"):
        place = file.relative_to(HOUSE)
        if place.parts[0] in {".venv", "tests", "data"} or place == Path("app.py") or (place.parts[0] == "screens" and "labs" not in place.parts[:2]):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "streamlit" for name in names):
                found.append(str(place))
    assert found == []


def test_only_the_embedder_imports_sentence_transformers():
    using = [
        str(file.relative_to(HOUSE))
        for folder in ("backend", "models", "screens")
        for file in (HOUSE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sentence_transformers"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("sentence_transformers") for alias in node.names))
    ]
    assert set(using) <= {"models/embedder.py"}


@pytest.mark.parametrize("screen", ["today", "read", "review", "quiz", "lab_bench", "ask", "progress", "library", "settings"])
def test_no_screen_brings_torch_when_it_is_imported(screen: str):
    """The scripts are run by AppTest elsewhere; here only their imports at the top count."""
    tree = ast.parse((HOUSE / "screens" / f"{screen}.py").read_text(encoding="utf-8"))
    top = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    loaded = loaded_after("\n".join(top))
    assert not loaded & {"torch", "sentence_transformers", "transformers"}
