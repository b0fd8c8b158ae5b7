"""Export to a file of ONNX, which ONNX Runtime and other programs run: graph, weights, vocabulary and settings."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from weft.errors import InputError
from weft.exporting.network import model_of, network_of, saved_tokenizer
from weft.exporting.onnx_builder import check_installed
from weft.exporting.onnx_model import onnx_model
from weft.files import replace_atomically
from weft.language_model import LanguageModel
from weft.version import __version__


def export_onnx(
    model: LanguageModel | str | Path,
    file: str | Path,
    *,
    form: str = "block",
    int8: bool = False,
    log_probabilities: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a file of ONNX, in opset 17; needs the extra `onnx`.

    model: a language model or a run folder. form: "block" for blocks of any length, or "step" for one token per stream;
    see `weft.exporting.onnx_model` for the inputs and outputs. int8: round the matrices to 8 bits, and the inputs of
    their products when they are computed; those of rnn and gru cells remain float32, for which ONNX Runtime has no
    operator. log_probabilities: give ln P in nats in place of the scores. overwrite: replace an existing file.

    The metadata of the file are strings: `vocabulary` (a JSON array of the tokens), `tokenizer.json` (as in a run
    folder), `eos` and `unk` (ids; no `unk` if nothing is outside the vocabulary), `settings` (a JSON object),
    `weft_version`.

    Raises InputError for a model that cannot be exported, for a file that cannot be written and if the extra is not
    installed, and as `weft.load` does for a run folder.
    """
    file = Path(file)
    check_installed("onnx", *(["onnxruntime"] if int8 else []))
    check_file(file, overwrite)
    lm = model_of(model)
    graph = onnx_model(
        network_of(lm.model),
        form,
        log_probabilities=log_probabilities,
        whole_weights=int8,
        metadata={} if int8 else _metadata(lm),
    )
    data = quantized(graph, _metadata(lm)) if int8 else graph.SerializeToString()
    import onnx

    onnx.checker.check_model(onnx.load_from_string(data) if int8 else graph)
    with replace_atomically(file) as written:
        written.write(data)


def check_file(file: Path, overwrite: bool) -> None:
    """Raise InputError unless `file` can be written."""
    if file.is_dir():
        raise InputError(f"{file} is a folder: name a file for the graph")
    if not file.absolute().parent.is_dir():
        raise InputError(f"there is no folder {file.absolute().parent} for the graph, {file.name}: make it first")
    if file.exists() and not overwrite:
        raise InputError(f"{file} is there already: replace it with --overwrite, or name another file")


def quantized(
    model: Any, metadata: dict[str, str] | None = None, *, per_channel: bool = True, reduce_range: bool = True
) -> bytes:
    """The file of an `onnx.ModelProto` with int8 weights.

    per_channel: one scale for every column of a matrix. reduce_range: 7 bits for the weights; with 8 bits, sums of two
    products overflow on processors without VNNI.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it recommends preprocessing, which does not change this graph
        try:
            quantize_dynamic(
                model, path, per_channel=per_channel, reduce_range=reduce_range, extra_options={"EnableSubgraph": True}
            )
        finally:
            logging.disable(logging.NOTSET)
        written = onnx.load(path)
    onnx.helper.set_model_props(written, metadata or {})
    data: bytes = written.SerializeToString()
    return data


def _metadata(lm: LanguageModel) -> dict[str, str]:
    unknown = {} if lm.tokenizer.unk_id is None else {"unk": str(lm.tokenizer.unk_id)}
    return {
        "vocabulary": json.dumps(lm.tokenizer.tokens, ensure_ascii=False),
        "tokenizer.json": saved_tokenizer(lm),
        "eos": str(lm.tokenizer.eos_id),
        **unknown,
        "settings": json.dumps(asdict(lm.config), ensure_ascii=False),
        "weft_version": __version__,
    }
