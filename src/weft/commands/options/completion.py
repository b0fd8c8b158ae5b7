"""Values that the shell offers for arguments and options. Where none fits, it completes names of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Values = Callable[[], Iterable[str]]

RUNS = Path("runs")
"""The folder in which runs are looked for."""


def completing(values: Values) -> dict[str, Any]:
    """Settings of an argument or option of Typer whose completions are those of `values` that begin as typed."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return {"autocompletion": complete}


def completing_list(values: Values) -> dict[str, Any]:
    """As `completing`, for the last of several values separated by commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{value}" for value in values() if value.startswith(last)]

    return {"autocompletion": complete}


def runs_here() -> list[str]:
    """The complete runs under `runs/`; nothing is recovered while a command is typed."""
    from weft.run_folder import CONFIG

    return sorted(str(config.parent) for config in RUNS.glob(f"*/{CONFIG}"))


def corpora() -> list[str]:
    """The names of corpora, which are texts besides files."""
    from weft.text.catalogue import CATALOGUE

    return ["builtin", *CATALOGUE]


def texts(incomplete: str) -> list[str]:
    """The names of corpora that begin as typed; none for an empty name, where the files here are likelier."""
    return [name for name in corpora() if incomplete and name.startswith(incomplete)]


def recipes() -> list[str]:
    """The names of recipes."""
    from weft.runs.recipes import recipe_names

    return recipe_names()


def cells() -> list[str]:
    """The cells of `--cell`: those with recurrent layers of their own; `--layer-norm` chooses the normalized forms."""
    from weft.layers import time_layers
    from weft.layers.layer_norm_cell import LayerNormCell

    return sorted(name for name, layer in time_layers().items() if not issubclass(layer.cell_type, LayerNormCell))


def output_layers() -> list[str]:
    """The kinds of `--output`."""
    from weft.layers.output.registry import kinds

    return kinds()
