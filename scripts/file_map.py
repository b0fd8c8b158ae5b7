"""The map of the source tree, as Markdown: every file with the first line of its docstring.

`python -m scripts.file_map` prints it; the site has it at the end of the architecture page.
"""

from __future__ import annotations

import ast
from pathlib import Path

from scripts import ROOT

PACKAGE = ROOT / "src" / "weft"


def file_map(package: Path = PACKAGE) -> str:
    """One section for each folder, one row for each file, in the order of their names."""
    folders = [package, *sorted({path.parent for path in package.rglob("*.py")} - {package})]
    return "\n\n".join(_section(folder, package) for folder in folders)


def first_line(path: Path) -> str:
    """The first sentence or line of a module's docstring; empty if it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]


def _section(folder: Path, package: Path) -> str:
    name = folder.relative_to(package.parent).as_posix()
    about = first_line(folder / "__init__.py") if (folder / "__init__.py").exists() else ""
    files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    rows = [f"| `{path.name}` | {_cell(first_line(path))} |" for path in files]
    head = [f"### `{name}/`", *([escaped(about)] if about else [])]
    return "\n\n".join([*head, *(["\n".join(["| file | what it holds |", "| --- | --- |", *rows])] if rows else [])])


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|")


def escaped(text: str) -> str:
    """Text outside of code in which no character opens an HTML tag."""
    parts = text.split("`")
    return "`".join(
        part if place % 2 else part.replace("<", "&lt;").replace("*", "\\*") for place, part in enumerate(parts)
    )


if __name__ == "__main__":
    print(file_map())
