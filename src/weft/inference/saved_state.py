"""The state after a text, in a file: a safetensors file, bound to its model by the digest of the weights.

    state.LAYER.PART    the hidden states, (1, H) each
    scores              of the next token, (1, V)

The metadata contain one value, `weft`: JSON with the digest of the model's weights and vocabulary, the run folder of
the model, ln P of the text, the tokens of the last `push` with their surprisal, and the digest of all this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from weft.backends import backend_of
from weft.errors import CheckpointError, InputError, MissingFileError
from weft.files import replace_atomically
from weft.files.digests import digest_of, tensors_digest
from weft.files.json_fields import JSONFields, parsed
from weft.model import RNNLM, ModelState, Steps
from weft.text.tokenizers.base import Tokenizer

FORMAT = 1
METADATA = "weft"


@dataclass(frozen=True)
class StoredState:
    """What a file contains: see `TextState`, whose fields these are."""

    state: ModelState
    scores: Any
    surprisals: tuple[tuple[str, float], ...]
    logprob_nats: float
    run: str | None


def write_state(path: Path, stored: StoredState, model: Steps, tokenizer: Tokenizer) -> None:
    """Write a state of `model` to a file, which replaces an older one atomically.

    Raises InputError for the state of a model that adapts, whose weights are part of its state, and if the file cannot
    be written.
    """
    tensors = {
        f"state.{layer}.{part}": array for layer, parts in enumerate(stored.state) for part, array in enumerate(parts)
    }
    arrays = {
        name: np.ascontiguousarray(_numpy(array)) for name, array in (tensors | {"scores": stored.scores}).items()
    }
    values: dict[str, Any] = {
        "format": FORMAT,
        "model": _model_digest(model, tokenizer),
        "run": stored.run,
        "logprob_nats": stored.logprob_nats,
        "surprisals": stored.surprisals,
    }
    values["digest"] = _digest(values, arrays)
    try:
        with replace_atomically(path) as file:
            file.write(save(arrays, metadata={METADATA: json.dumps(values)}))
    except OSError as error:
        raise InputError(f"cannot write the state to {path}: {error.strerror or error}") from None


def run_of_state(path: str | Path) -> str | None:
    """The run folder of the model whose state the file has; None if the model was not loaded from one."""
    run = _read(Path(path))[0].values.get("run")
    return run if isinstance(run, str) else None


def read_state(path: Path, model: Steps, tokenizer: Tokenizer) -> StoredState:
    """The state in a file of `write_state`, for the model that it belongs to.

    Raises MissingFileError if there is no file, CheckpointError if it is damaged, and InputError if it is of another
    model.
    """
    saved, arrays = _read(path)
    if saved.text("model") != _model_digest(model, tokenizer):
        raise InputError(f"{path} is the state of another model: the weights or the vocabulary differ")
    expected = model.zero_state(1)
    shapes = {
        f"state.{layer}.{part}": array.shape for layer, parts in enumerate(expected) for part, array in enumerate(parts)
    }
    scores = arrays.pop("scores", None)
    if scores is None or {name: array.shape for name, array in arrays.items()} != shapes:
        raise CheckpointError(f"{path} is damaged: its arrays are not those of a state of this model")
    backend = backend_of(expected[0][0])
    state = tuple(
        tuple(backend.asarray(arrays[f"state.{layer}.{part}"]) for part in range(len(parts)))
        for layer, parts in enumerate(expected)
    )
    surprisals = tuple((str(token), float(bits)) for token, bits in saved.rows("surprisals"))
    run = saved.values.get("run")
    return StoredState(state, scores, surprisals, saved.number("logprob_nats"), run if isinstance(run, str) else None)


def _read(path: Path) -> tuple[JSONFields, dict[str, Any]]:
    if not path.is_file():
        raise MissingFileError(f"there is no saved state at {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            values = parsed((file.metadata() or {}).get(METADATA, "null"))
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not a saved state ({error})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    saved = JSONFields(values, f"{path}: its")
    if saved.whole("format") > FORMAT:
        raise CheckpointError(f"{path} was written by a newer weft, in a format above {FORMAT}: upgrade weft")
    without = {name: value for name, value in saved.values.items() if name != "digest"}
    if saved.text("digest") != _digest(without, arrays):
        raise CheckpointError(f"{path} is damaged: it does not have the digest that was written with it")
    return saved, arrays


def _digest(values: dict[str, Any], arrays: dict[str, Any]) -> str:
    return digest_of(json.dumps(values, sort_keys=True), tensors_digest(arrays))


def _model_digest(model: Steps, tokenizer: Tokenizer) -> str:
    network = model if isinstance(model, RNNLM) else getattr(model, "model", None)
    if not isinstance(network, RNNLM) or not hasattr(model, "zero_state") or hasattr(model, "dynamic"):
        raise InputError("the state of a model that adapts cannot be saved: its weights change with every token")
    weights = {name: _numpy(array) for name, array in network.named_parameters().items()}
    return digest_of(tensors_digest(weights), tokenizer.kind, "\n".join(tokenizer.tokens))


def _numpy(array: Any) -> Any:
    return backend_of(array).to_numpy(array)
