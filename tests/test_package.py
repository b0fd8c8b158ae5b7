"""The package as a whole: its imports, its public names, and its modules."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import weft

PACKAGE = Path(weft.__file__).parent
MODEL_FILE = PACKAGE / "exporting" / "hugging_face" / "modeling_weft.py"
"""Copied into exported folders, where it must be a single file."""
SOURCES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 300
HEAVY = {"jiwer", "matplotlib", "torch", "numba", "rich", "typer", "tokenizers", "numpy", "pandas", "polars", "pyarrow"}


def packages_loaded_by(code: str) -> set[str]:
    """The top-level packages, without the standard library, that `code` imports in a new interpreter."""
    script = f"""
import sys
before = set(sys.modules)
{code}
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*(loaded - sys.stdlib_module_names))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_importing_weft_loads_nothing_but_the_standard_library() -> None:
    assert packages_loaded_by("import weft") == {"weft"}


def test_using_a_model_loads_neither_plotting_nor_the_command_line() -> None:
    loaded = packages_loaded_by("from weft import LanguageModel, load, train")
    assert loaded & HEAVY == {"numpy"}


def test_the_command_line_imports_a_command_only_when_it_is_called() -> None:
    assert packages_loaded_by("import weft.commands.cli") & HEAVY == {"typer"}


def test_no_command_imports_plotting_or_kernels_before_it_runs() -> None:
    loaded = packages_loaded_by("from weft.commands.registry import COMMANDS\nfor e in COMMANDS.values(): e.load()")
    assert not loaded & {"matplotlib", "torch", "numba", "tokenizers", "jiwer"}


def test_no_module_needs_more_than_the_run_time_dependencies() -> None:
    names = [module.name for module in pkgutil.walk_packages(weft.__path__, "weft.")]
    assert "weft.training.trainer" in names
    blocked = ["torch", "torch.nn", "transformers", "tokenizers", "onnx", "onnxruntime", "jiwer", "pandas", "polars"]
    blocked += ["pyarrow", "pytest", "hypothesis", "array_api_strict"]
    packages_loaded_by(
        f"import importlib\nsys.modules.update(dict.fromkeys({blocked}))\n"
        f"for name in {names}: importlib.import_module(name)"
    )


@pytest.mark.parametrize("package", ["weft", *(f"weft.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py"))])
def test_public_names_exist(package: str) -> None:
    module = importlib.import_module(package)
    public = getattr(module, "__all__", [])
    assert len(set(public)) == len(public)
    for name in public:
        assert getattr(module, name) is not None


def test_dir_of_weft_lists_its_public_names_and_its_documented_modules_only() -> None:
    assert sorted(dir(weft)) == sorted([*weft.__all__, *weft.MODULES])
    with pytest.raises(AttributeError, match="module 'weft' has no attribute 'lode'"):
        _ = weft.lode


@pytest.mark.parametrize("module", weft.MODULES)
def test_documented_modules_are_attributes_of_weft_after_its_import(module: str) -> None:
    assert "weft" in packages_loaded_by(f"import weft; assert weft.{module}.__doc__")


def test_modules_that_the_documentation_names_need_no_import_of_their_own() -> None:
    named = {
        match[1]
        for page in (PACKAGE.parents[1] / "docs").glob("*.md")
        for match in re.finditer(r"^from (weft\.[a-z_.]+) import", page.read_text("utf-8"), re.MULTILINE)
        if ".kernels." not in match[1]
    }
    assert {"weft.layers", "weft.scoring.text_scores", "weft.inference.frozen_model"} <= named
    packages_loaded_by("import weft\n" + "\n".join(f"{name}.__doc__" for name in sorted(named)))


def test_help_of_a_package_shows_its_description() -> None:
    text = pydoc.plain(pydoc.render_doc(weft.layers))
    assert "Layers with forward and backward passes derived by hand." in text


@pytest.mark.parametrize("package", ["inference", "scoring", "text", "backends", "training", "runs"])
def test_a_module_that_a_package_lacks_is_an_attribute_error(package: str) -> None:
    module = getattr(weft, package)
    with pytest.raises(AttributeError, match=f"module 'weft.{package}' has no attribute 'nothing'"):
        _ = module.nothing


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_module_has_a_docstring_and_is_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= MOST_LINES or path == MODEL_FILE, "too long: does the module do two things?"
