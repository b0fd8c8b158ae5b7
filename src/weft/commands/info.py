"""`weft info`: the contents of a run folder."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.options.run import RunOption, chosen_run
from weft.language_model import load
from weft.run_folder import METRICS, SPLITS, tokens_path
from weft.text.tokens import open_tokens
from weft.training import newest_checkpoint, read_metrics
from weft.training.progress import epoch_line


def info(
    folder: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="The run folder; the same as --run.", show_default=False)
    ] = None,
    run: RunOption = None,
) -> None:
    """Show the settings, parameters and history of a run.

    Examples:
      weft info
      weft info runs/mine
    """
    folder = chosen_run(folder or run)
    lm = load(folder)
    print(f"run\t{folder}")
    for section in (lm.config.text, lm.config.model, lm.config.training):
        for item in fields(section):
            value = getattr(section, item.name)
            if value not in (None, ()):
                print(f"{item.name}\t{_shown(value)}")
    print(f"vocabulary\t{lm.tokenizer.vocab_size}")
    for split in SPLITS:
        if tokens_path(folder, split).exists():
            print(f"{split}_tokens\t{len(open_tokens(tokens_path(folder, split)))}")
    parameters = lm.model.named_parameters()
    for name, array in parameters.items():
        print(f"parameter {name}\t{' x '.join(map(str, array.shape))}")
    print(f"parameters\t{sum(array.size for array in parameters.values())}")
    checkpoint = newest_checkpoint(folder)
    print(f"last_checkpoint\t{checkpoint.name if checkpoint else ''}")
    for metrics in read_metrics(folder / METRICS):
        print(epoch_line(metrics))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
