"""Folders of `weft export hf`, for instance after a training with transformers: the model and its tokenizer.

config.json          sizes and kinds of the layers
model.safetensors    the weights; the last row of the embedding and of the output layer is that of `<pad>`
tokenizer.json       the tokenizer: a vocabulary of words or of characters
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from weft.errors import InputError, quoted, quoted_names
from weft.files import reading
from weft.files.json_fields import JSONFields, parsed
from weft.importing.foreign_model import Floats, ForeignModel
from weft.text.rules import AT_SEPARATORS, AT_WHITE_SPACE
from weft.text.tokenizers.base import Tokenizer
from weft.text.tokenizers.char import CharTokenizer
from weft.text.tokenizers.word import WordTokenizer
from weft.training.safetensors_io import read_tensors

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def hugging_face_model(folder: Path) -> ForeignModel:
    """The model in a folder that `weft export hf` wrote.

    Raises InputError for any other folder, and for an adaptive output layer, a window or byte pairs, which are not
    imported.
    """
    if not all((folder / name).is_file() for name in FILES):
        raise InputError(f"it is a folder without {', '.join(FILES)}, which `weft export hf` writes: name a file")
    config = _fields(folder / "config.json")
    if config.text("model_type") != "weft":
        raise InputError(f"its model_type is {quoted(config.text('model_type'))}, expected weft: an export of weft")
    cell, sizes = config.text("cell"), config.rows("layer_sizes")
    if config.text("output") != "full" or cell == "window":
        raise InputError(f"a model with the output {config.text('output')} and the cell {cell} cannot be imported")
    try:
        tensors = read_tensors(folder / "model.safetensors")
    except (TypeError, ValueError) as error:  # types of numbers that NumPy does not have
        raise InputError(f"its weights cannot be read ({quoted(str(error))}): save the model in float32") from None
    weights = {name: np.asarray(values, np.float32) for name, values in tensors.items() if values.dtype.kind == "f"}
    embedding = _taken(weights, "embedding.weight")[:-1]
    output = embedding if config.truth("tie_word_embeddings") else _taken(weights, "output.weight")[:-1]
    weights.pop("output.weight", None)
    bias = _taken(weights, "output.bias")[:-1]
    layers = [_layer(weights, number) for number in range(len(sizes))]
    if weights:
        raise InputError(f"its weights {quoted_names(weights)} are of no layer")
    settings = {
        "layer_norm": config.truth("layer_norm"),
        "residual": any(each is True for each in config.rows("residual")),
    }
    tokenizer = _tokenizer(folder / "tokenizer.json")
    if tokenizer.vocab_size != len(embedding):
        raise InputError(f"its tokenizer has {tokenizer.vocab_size:,} types, and the model {len(embedding):,}")
    return ForeignModel("an export of weft", cell, embedding, layers, output.T, bias, settings, tokenizer)


def _fields(path: Path) -> JSONFields:
    with reading(str(path)):
        try:
            return JSONFields(parsed(path.read_bytes().decode("utf-8")), path.name)
        except ValueError as error:
            raise InputError(f"{path.name} is not JSON in UTF-8 ({quoted(str(error))})") from None


def _taken(weights: dict[str, Floats], name: str) -> Floats:
    if name not in weights:
        raise InputError(f"it lacks the weights {name}")
    return weights.pop(name)


def _layer(weights: dict[str, Floats], number: int) -> dict[str, Floats]:
    prefix = f"recurrent.{number}."
    own = [name for name in weights if name.startswith(prefix)]
    layer = {name.removeprefix(prefix): weights.pop(name) for name in own}
    if any(layer.get(name, np.zeros(())).ndim != ndim for name, ndim in (("Wx", 2), ("Wh", 2), ("b", 1))):
        raise InputError(f"its layer {number} does not have the matrices Wx and Wh and the vector b")
    return layer


def _tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json` of the package tokenizers. Counts of the training text are not in it."""
    fields = _fields(path)
    model = fields.fields("model")
    if model.text("type") != "WordLevel":
        raise InputError(f"its tokenizer is {quoted(model.text('type'))}, expected words or characters (WordLevel)")
    ids = model.mapping("vocab")
    tokens = sorted(ids, key=lambda token: ids[token] if type(ids[token]) is int else -1)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise InputError("the ids of its tokens are not 0, 1, 2, …")
    steps = fields.fields("normalizer").rows("normalizers")
    lowercase = any(isinstance(step, dict) and step.get("type") == "Lowercase" for step in steps)
    split: Any = fields.fields("pre_tokenizer").mapping("pattern").get("Regex")
    counts = [0] * len(tokens)
    try:
        if split == "(?m:.)":
            return CharTokenizer.from_saved(tokens, counts, lowercase, {})
        tokenizer = WordTokenizer.from_saved(tokens, counts, lowercase, {"unk_in_text": False})
    except ValueError as error:
        raise InputError(f"its vocabulary is none of weft: {error}") from None
    ends = {chr(int(code, 16)) for code in re.findall(r"\\x\{([0-9a-f]{1,5})\}", str(split))}
    tokenizer.words = AT_SEPARATORS if ends | {"\n"} == set(AT_SEPARATORS.separators or "") else AT_WHITE_SPACE
    return tokenizer
