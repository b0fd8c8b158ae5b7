"""Loading of language models and of saved states, and models of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from weft.backends import Array
from weft.config import ModelConfig
from weft.config.toml import check_unchanged, read_config
from weft.errors import CheckpointError, InputError
from weft.inference.saved_state import run_of_state
from weft.inference.text_state import TextState
from weft.language_model.language_model import LanguageModel
from weft.layers import OutputSettings, Regularization
from weft.model import RNNLM
from weft.model.architecture import ParameterSource, Shapes
from weft.run_folder import CONFIG, TOKENIZER, read_whole, trained_weights
from weft.text.tokenizers.registry import load_tokenizer


def load(run: str | Path, *, weights: str | None = None, threads: int | None = None) -> LanguageModel:
    """The best model of a run folder; without one, that of the newest checkpoint.

    weights: "float32", "bfloat16" or "int8" freezes the model for inference on `threads` threads, see
    `LanguageModel.frozen`; None: the model can be trained further.

    Raises MissingFileError if there is no run, CheckpointError if it is damaged or from a newer weft.
    """
    lm = read_whole(Path(run), _loaded)
    return lm if weights is None else lm.frozen(weights, threads=threads)


def load_state(path: str | Path, lm: LanguageModel | None = None) -> TextState:
    """The state in a file of `TextState.save`.

    lm: the model to continue with; None: loaded from the run folder from which the state's model was loaded, with plain
    weights. Raises as `LanguageModel.load_state` and `load` do, and InputError if the run folder is not known.
    """
    if lm is None:
        run = run_of_state(path)
        if run is None:
            raise InputError(f"{path} is a state of a model without a run folder: give the model, load_state(path, lm)")
        lm = load(run)
    return lm.load_state(path)


def _loaded(run: Path) -> LanguageModel:
    config = read_config(run / CONFIG)
    tokenizer = load_tokenizer(run / TOKENIZER)

    def weights_of_run(shapes: Shapes) -> Mapping[str, Array]:
        return _finite_weights(run, shapes)

    model = build_model(config.model, tokenizer.vocab_size, 0, tokenizer.counts, weights_of_run)
    check_unchanged(run / CONFIG)
    return LanguageModel(model, tokenizer, config, run=run.resolve())


def build_model(
    config: ModelConfig,
    vocab_size: int,
    seed: int,
    counts: Sequence[int] | None = None,
    source: ParameterSource | None = None,
) -> RNNLM:
    """A fresh model of the configured shape; raises InputError if it does not fit into memory.

    counts: occurrences of every token in the training text; None: ids are in order of frequency. source: of the
    parameters, see `RNNLM`.
    """
    try:
        return RNNLM(
            vocab_size,
            config.embedding_size,
            config.hidden_size,
            config.layers,
            config.cell,
            config.dropout,
            config.tied,
            regularization=Regularization.among(vars(config)),
            layer_norm=config.layer_norm,
            residual=config.residual,
            embedding_std=config.embedding_std,
            window=config.window,
            output=OutputSettings.among(vars(config)),
            counts=counts,
            seed=seed,
            source=source,
        )
    except InputError:
        raise
    except (MemoryError, OverflowError, ValueError) as error:  # the last two for sizes beyond those of any array
        raise InputError(
            f"a model of embedding size {config.embedding_size:,} and hidden size {config.hidden_size:,} is too large "
            f"for this machine: {error}"
        ) from error


def _finite_weights(run: Path, shapes: Shapes) -> Mapping[str, Array]:
    """The weights of a run, whose shapes are compared with `shapes` before they are read."""
    weights = trained_weights(run, shapes)
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise CheckpointError(f"{run}: {name} holds values that are not finite numbers")
    return weights
