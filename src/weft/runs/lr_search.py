"""Search for a learning rate: prepare a text as for a run, in a temporary folder, and sweep an untrained model over all
learning rates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from weft.config import Settings
from weft.errors import InputError
from weft.run_folder import DATA
from weft.runs.kernel_warmup import kernels_of_run
from weft.runs.prepare import prepare, training_blocks, untrained_model
from weft.runs.reporting import Reporter
from weft.runs.settings import check_given
from weft.runs.starting_run import settings_from_run
from weft.runs.text_sources import Fetch
from weft.text.download import fetch_corpus
from weft.training.lr_range_test import Sweep, sweep_rates

WITHOUT_EFFECT = (
    "lr",
    "epochs",
    "max_steps",
    "schedule",
    "warmup",
    "hold",
    "final_lr",
    "ema",
    "average_after",
    "patience",
    "save_every",
)
"""Settings that a sweep does not depend on."""


def find_lr(
    given: Settings, *, lowest: float, highest: float, steps: int, reporter: Reporter, fetch: Fetch = fetch_corpus
) -> Sweep:
    """Sweep an untrained model of the settings `given` over the learning rates from `lowest` to `highest`.

    No run folder is read or written. Settings in WITHOUT_EFFECT are ignored. Raises InputError or MissingFileError for
    settings and texts that cannot be used, and TrainingDivergedError if the loss explodes in the first steps.
    """
    if not given.get("data"):
        raise InputError("no text is given: name a file or folder, 'builtin', or a corpus of `weft data`")
    given = settings_from_run(given)
    check_given(given)
    settings: dict[str, Any] = {name: value for name, value in given.items() if name not in WITHOUT_EFFECT}
    settings |= {"lr": lowest, "epochs": 1, "max_steps": steps, "schedule": "constant"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / DATA).mkdir()
        config = prepare(folder, settings, reporter, fetch)
        model = untrained_model(folder, config).model
        blocks = training_blocks(folder, config.training)
        progress = reporter.training()
        try:
            with kernels_of_run(config, reporter):
                return sweep_rates(model, blocks, config.training, lowest, highest, steps, progress)
        finally:
            progress.close()
