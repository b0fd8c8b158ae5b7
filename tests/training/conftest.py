"""A tiny run: 11 token types, 3 streams of blocks of 4 steps, 16 blocks in an epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.config import TrainingConfig
from weft.layers import Loss
from weft.model import RNNLM
from weft.text.batches import Blocks
from weft.text.random_blocks import RandomBlocks
from weft.training import NoProgress, Trainer, run_writer
from weft.training.progress import Progress

VOCAB_SIZE, BATCH_SIZE, BPTT = 11, 3, 4

MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs plot no curve, which would take most of their time."""
    monkeypatch.setattr(run_writer, "draw_curve", lambda path, metrics: None)


@pytest.fixture
def make_trainer(tmp_path: Path) -> MakeTrainer:
    """A function that makes a trainer from training settings by name, and `model_seed`, `run`, `held_out`, ..."""
    text = np.cumsum(np.random.default_rng(7).integers(0, 4, 200)) % VOCAB_SIZE
    held_out_text = np.cumsum(np.random.default_rng(8).integers(0, 4, 25)) % VOCAB_SIZE

    def make(
        run: Path | None = tmp_path / "run",
        model_seed: int = 1,
        held_out: bool = True,
        progress: Progress | None = None,
        model_settings: dict[str, Any] | None = None,
        validate: Callable[[], Loss] | None = None,
        **settings: Any,
    ) -> Trainer:
        shape: dict[str, Any] = {"layers": 2, "dropout": 0.3, **(model_settings or {})}
        model = RNNLM(VOCAB_SIZE, 6, 5, seed=model_seed, **shape)
        chosen: dict[str, Any] = {
            "batch_size": BATCH_SIZE,
            "bptt": BPTT,
            "epochs": 3,
            "optimizer": "sgd",
            "lr": 0.5,
            "schedule": "constant",
            "kernels": "plain",
            **settings,
        }
        if chosen["optimizer"] == "adamw":
            chosen.setdefault("weight_decay", 0.01)
        if chosen["schedule"] == "cosine":
            chosen.setdefault("warmup", 5)
        config = TrainingConfig(**chosen)
        blocks = Blocks(text, config.batch_size, config.bptt)
        if config.random_bptt:
            blocks = RandomBlocks(text, config.batch_size, config.bptt, config.seed)

        def loss_on_held_out_text() -> Loss:
            logs, _ = model.log_probabilities(held_out_text[None, :-1], held_out_text[None, 1:], model.zero_state(1))
            return Loss(-float(logs.sum()), logs.size)

        return Trainer(
            model,
            blocks,
            config,
            run=run,
            validate=validate or (loss_on_held_out_text if held_out else None),
            progress=progress or NoProgress(),
        )

    return make
