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
from weft.run_folder import METRICS, SPLITS, check_files, read_whole, tokens_path
from weft.text.tokens import count_tokens
from weft.training import EpochMetrics, newest_checkpoint, read_metrics
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
    rows, history = read_whole(folder, _described)
    write_rows(*rows)
    write_text("".join(f"{epoch_line(metrics)}\n" for metrics in history))


def _described(run: Path) -> tuple[list[tuple[str, str]], list[EpochMetrics]]:
    """Names and values of what is in a run folder, and the metrics of its epochs."""
    files = check_files(run)
    lm = load(run)
    rows = [("run", str(run))]
    for section in (lm.config.text, lm.config.model, lm.config.training):
        rows += [(name, _shown(value)) for name, value in effective(section).items() if value not in (None, ())]
    rows.append(("vocabulary", str(lm.tokenizer.vocab_size)))
    for split in SPLITS:
        if tokens_path(run, split).exists():
            rows.append((f"{split}_tokens", str(count_tokens(tokens_path(run, split)))))
    parameters = lm.model.named_parameters()
    rows += [(f"parameter {name}", " x ".join(map(str, array.shape))) for name, array in parameters.items()]
    rows.append(("parameters", str(sum(array.size for array in parameters.values()))))
    checkpoint = newest_checkpoint(run)
    rows.append(("last_checkpoint", checkpoint.name if checkpoint else ""))
    rows += [(f"digest {file.name}", file.digest or "none") for file in files]
    return rows, read_metrics(run / METRICS)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
