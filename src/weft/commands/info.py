"""`weft info`: the contents of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.options.completion import completing, runs_here
from weft.commands.options.run import RunOption, chosen_run
from weft.config import effective
from weft.language_model import load
from weft.presentation.streams import write_rows, write_text
from weft.run_folder import METRICS, SPLITS, check_files, check_run, tokens_path
from weft.text.tokens import open_tokens
from weft.training import newest_checkpoint, read_metrics
from weft.training.progress import epoch_line


def info(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="The run folder; the same as --run.", show_default=False, **completing(runs_here)
        ),
    ] = None,
    run: RunOption = None,
) -> None:
    """Check the files of a run; show its settings, parameters and history.

    Settings that have no effect on this run are left out: those of other cells, output layers, optimizers, schedules.

    Examples:
      weft info
      weft info runs/mine
    """
    folder = chosen_run(folder or run)
    check_run(folder)
    files = check_files(folder)
    lm = load(folder)
    rows = [("run", str(folder))]
    for section in (lm.config.text, lm.config.model, lm.config.training):
        rows += [(name, _shown(value)) for name, value in effective(section).items() if value not in (None, ())]
    rows.append(("vocabulary", str(lm.tokenizer.vocab_size)))
    for split in SPLITS:
        if tokens_path(folder, split).exists():
            rows.append((f"{split}_tokens", str(len(open_tokens(tokens_path(folder, split))))))
    parameters = lm.model.named_parameters()
    rows += [(f"parameter {name}", " x ".join(map(str, array.shape))) for name, array in parameters.items()]
    rows.append(("parameters", str(sum(array.size for array in parameters.values()))))
    checkpoint = newest_checkpoint(folder)
    rows.append(("last_checkpoint", checkpoint.name if checkpoint else ""))
    rows += [(f"digest {file.name}", file.digest or "none") for file in files]
    write_rows(*rows)
    write_text("".join(f"{epoch_line(metrics)}\n" for metrics in read_metrics(folder / METRICS)))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
