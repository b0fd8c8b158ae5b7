"""The run that a command uses: `--run`, the environment variable WEFT_RUN, or the newest run under `runs/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from weft.commands.options.completion import RUNS, completing, runs_here
from weft.commands.options.declaration import option
from weft.errors import MissingFileError
from weft.language_model import LanguageModel, load
from weft.presentation.streams import note
from weft.run_folder import CONFIG, METRICS, run_folders

RunOption = Annotated[
    Path | None,
    option(
        "The run folder.",
        "--run",
        "-r",
        metavar="FOLDER",
        envvar="WEFT_RUN",
        show_envvar=False,
        default="WEFT_RUN, or the newest under runs/",
        **completing(runs_here),
    ),
]


def chosen_run(run: Path | None) -> Path:
    """`run`; if None, the newest run under `runs/`, printed on standard error. Raises MissingFileError without runs."""
    if run is not None:
        return run
    runs = run_folders(RUNS)
    if not runs:
        raise MissingFileError(
            "no run is given and there is none under runs/: train one with `weft train`, or name one with --run"
        )
    newest = max(runs, key=_last_used)
    note(f"using {newest}")
    return newest


def load_chosen(run: Path | None) -> LanguageModel:
    """The model of `chosen_run`."""
    return load(chosen_run(run))


def _last_used(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run / CONFIG, run / METRICS) if path.exists())
