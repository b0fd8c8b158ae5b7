"""The blocks of text that a run trains on."""

from __future__ import annotations

from pathlib import Path

from weft.config import TrainingConfig
from weft.run_folder import tokens_path
from weft.text.batches import Blocks
from weft.text.random_blocks import RandomBlocks
from weft.text.tokens import open_tokens


def training_blocks(run: Path, training: TrainingConfig) -> Blocks:
    """The blocks of the training text that lies in the run folder `run`; raises InputError if it is too short."""
    ids = open_tokens(tokens_path(run, "train"))
    if training.random_bptt:
        return RandomBlocks(ids, training.batch_size, training.bptt, training.seed)
    return Blocks(ids, training.batch_size, training.bptt)
