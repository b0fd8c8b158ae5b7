"""Export to a folder that Hugging Face transformers loads: configuration, model file, weights, tokenizer.

config.json, generation_config.json     sizes and kinds of layers, ids of special tokens
modeling_weft.py                        the model in torch, complete in itself
model.safetensors                       the weights in float32
tokenizer.json, tokenizer_config.json   the tokenizer, see `weft.exporting.hf_tokenizer`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from weft.errors import InputError
from weft.exporting.hf_tokenizer import hf_tokenizer
from weft.exporting.network import FullOutput, Network, model_of, network_of, saved_tokenizer
from weft.files.folders import new_folder
from weft.language_model import LanguageModel
from weft.version import __version__

MODEL_FILE = Path(__file__).parent / "hugging_face" / "modeling_weft.py"
PAD_LOGIT = -1e4
"""The output bias of `<pad>`, as in MODEL_FILE."""


def export_hf(model: LanguageModel | str | Path, folder: str | Path, *, overwrite: bool = False) -> None:
    """Write a folder that `AutoModelForCausalLM` and `AutoTokenizer` load, with trust_remote_code=True.

    model: a language model or a run folder. overwrite: replace an earlier export in `folder`. The log-probabilities are
    those of weft up to rounding in float32. `<eos>` is the beginning and the end of a text; a token `<pad>` with the
    probability 0 is added.

    Raises InputError for a model that cannot be exported and for a folder that cannot be written, and as `weft.load`
    does for a run folder. Needs neither torch nor transformers.
    """
    folder = Path(folder)
    check_folder(folder, overwrite)
    lm = model_of(model)
    network, tokenizer = network_of(lm.model), hf_tokenizer(lm.tokenizer, saved_tokenizer(lm))
    ids = {"bos_token_id": lm.tokenizer.eos_id, "eos_token_id": lm.tokenizer.eos_id, "pad_token_id": tokenizer.pad_id}
    banned = {} if lm.tokenizer.unk_id is None else {"suppress_tokens": [lm.tokenizer.unk_id]}
    files = {
        **tokenizer.files,
        "config.json": {**_config(network), **ids},
        "generation_config.json": {**ids, **banned},
    }
    with new_folder(folder) as written:
        for name, content in files.items():
            (written / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
        (written / MODEL_FILE.name).write_bytes(MODEL_FILE.read_bytes())
        _save_weights(written / "model.safetensors", _weights(network))


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise InputError unless `folder` can become an export: it does not exist, is empty, or is to be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder for the export")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"there is no folder {folder.absolute().parent} for the export, {folder.name}: make it first")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MODEL_FILE.name).is_file():
        raise InputError(f"{folder} exists and is not an export of weft; give another folder")
    if not overwrite:
        raise InputError(f"{folder} holds an export already: replace it with --overwrite, or give another folder")


def _config(network: Network) -> dict[str, Any]:
    output = network.output
    config = {
        "architectures": ["WeftForCausalLM"],
        "auto_map": {
            "AutoConfig": "modeling_weft.WeftConfig",
            "AutoModelForCausalLM": "modeling_weft.WeftForCausalLM",
        },
        "model_type": "weft",
        "weft_version": __version__,
        "dtype": "float32",
        "vocab_size": network.V + 1,
        "embedding_size": network.embedding.shape[1],
        "layer_sizes": [layer.H for layer in network.layers],
        "cell": network.cell,
        "layer_norm": network.layer_norm,
        "window": network.window,
        "residual": [layer.residual for layer in network.layers],
        "tie_word_embeddings": network.tied,
        "output": "full",
    }
    if not isinstance(output, FullOutput):
        sizes = [list(W.shape) for _P, W, _b in output.clusters]
        config |= {"output": "adaptive", "shortlist": output.W.shape[1] - len(sizes), "cluster_sizes": sizes}
    return config


def _weights(network: Network) -> dict[str, Any]:
    """The arrays by their names in MODEL_FILE; `<pad>` has zeros, and no row in an adaptive output layer."""
    output = network.output
    weights: dict[str, Any] = {"embedding.weight": _with_row(network.embedding, 0)}
    for number, layer in enumerate(network.layers):
        weights |= {f"recurrent.{number}.{name}": array for name, array in layer.arrays.items()}
    if isinstance(output, FullOutput):
        if not network.tied:
            weights["output.weight"] = _with_row(output.W.T, 0)
        return weights | {"output.bias": _with_row(output.b, PAD_LOGIT)}
    weights |= {"output.head.weight": output.W.T, "output.head.bias": output.b, "output.ranks": output.ranks}
    for number, (P, W, b) in enumerate(output.clusters):
        weights[f"output.projections.{number}.weight"] = P.T
        weights |= {f"output.clusters.{number}.weight": W.T, f"output.clusters.{number}.bias": b}
    return weights


def _with_row(array: Any, value: float) -> Any:
    return np.concatenate((array, np.full_like(array[:1], value)))


def _save_weights(path: Path, weights: dict[str, Any]) -> None:
    from safetensors.numpy import save_file

    path.touch()
    mode = path.stat().st_mode
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, path, metadata={"format": "pt"})
    path.chmod(mode)  # safetensors makes the file private; here the umask decides
