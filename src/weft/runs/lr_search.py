"""Finding a learning rate: a text is prepared as for a run, and a fresh model swept over all rates, in a folder that is
removed again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from weft.config import Settings
from weft.errors import InputError
from weft.run_folder import DATA
from weft.runs.kernel_warmup import kernels_of_run
from weft.runs.reporting import Reporter
from weft.runs.text_sources import Fetch
from weft.runs.train import check_stated, fresh_model, prepare
from weft.runs.training_blocks import training_blocks
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
    stated: Settings, *, lowest: float, highest: float, steps: int, reporter: Reporter, fetch: Fetch = fetch_corpus
) -> Sweep:
    """Sweep a fresh model of the settings `stated` over the learning rates from `lowest` to `highest`.

    No run is read or written. Those of `WITHOUT_EFFECT` are not looked at. Raises InputError for what cannot be used.
    """
    if not stated.get("data"):
        raise InputError("no text is given: name a file or folder, 'builtin', or a corpus of `weft data`")
    check_stated(stated)
    settings: dict[str, Any] = {name: value for name, value in stated.items() if name not in WITHOUT_EFFECT}
    settings |= {"lr": lowest, "epochs": 1, "max_steps": steps, "schedule": "constant"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / DATA).mkdir()
        config = prepare(folder, settings, reporter, fetch)
        model = fresh_model(folder, config).model
        blocks = training_blocks(folder, config.training)
        progress = reporter.training()
        try:
            with kernels_of_run(config, reporter):
                return sweep_rates(model, blocks, config.training, lowest, highest, steps, progress)
        finally:
            progress.close()
