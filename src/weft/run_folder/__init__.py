"""The run folder: all files of a run, readable without weft.

    config.toml            the resolved configuration, and the number of tokens and the size of each text
    tokenizer.json         the vocabulary
    model.safetensors      the weights of the best model
    data/                  token ids of the training, validation and test text, for resuming and `weft eval`; the
                           weights of the run that this one started from, if any
    checkpoints/           the training state, for resuming
    metrics.jsonl          metrics of every epoch, one line each
    curve.png              perplexity over epochs
    baselines/             models that `weft compare` has trained on the same text
    comparison.png         perplexity of the run and the baselines over the length of the context

The first three are enough to use the model. Names with a dot belong to a process that is writing, or was killed:

    .lock                  locked by the process that writes into the folder; see `weft.run_folder.lock`
    .preparing/            a new run, not complete
    .prepared/             a new run, complete, that is about to replace the old one; see `weft.run_folder.replacement`
    .NAME.PID.tmp          a new version of the file NAME, not complete; see `weft.files.replace_atomically`
    checkpoints/.saving.tmp/   a checkpoint, not complete; see `weft.training.checkpoint`
"""

from __future__ import annotations

from weft.run_folder.integrity import check_files
from weft.run_folder.layout import (
    BASELINES,
    CHECKPOINTS,
    COMPARISON,
    CONFIG,
    CURVE,
    DATA,
    HELD_OUT,
    METRICS,
    SPLITS,
    TOKENIZER,
    WEIGHTS,
    check_free,
    first_weights_path,
    oov_path,
    tokens_path,
    writing,
)
from weft.run_folder.lock import is_locked, locked
from weft.run_folder.replacement import check_run, new_run, read_whole, recover, run_folders
from weft.run_folder.texts import held_out_texts, size_of, text_of
from weft.run_folder.weights import trained_weights

__all__ = [
    "BASELINES",
    "CHECKPOINTS",
    "COMPARISON",
    "CONFIG",
    "CURVE",
    "DATA",
    "HELD_OUT",
    "METRICS",
    "SPLITS",
    "TOKENIZER",
    "WEIGHTS",
    "check_files",
    "check_free",
    "check_run",
    "first_weights_path",
    "held_out_texts",
    "is_locked",
    "locked",
    "new_run",
    "oov_path",
    "read_whole",
    "recover",
    "run_folders",
    "size_of",
    "text_of",
    "tokens_path",
    "trained_weights",
    "writing",
]
