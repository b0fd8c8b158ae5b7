"""Import of a language model of another program: from its file and its vocabulary to a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from weft.config import Config
from weft.config.toml import config_of, write_config
from weft.errors import InputError, quoted
from weft.files import reading
from weft.importing.bounded_file import BoundedFile
from weft.importing.budget import Budget
from weft.importing.foreign_model import ForeignModel
from weft.importing.hugging_face import hugging_face_model
from weft.importing.onnx.models import onnx_model
from weft.importing.pickles.machine import run
from weft.importing.pytorch.containers import MAGIC, open_archive, open_sequence
from weft.importing.pytorch.models import torch_model
from weft.importing.textbook import textbook_model
from weft.importing.vocabulary import read_vocabulary, with_tokenizer
from weft.language_model import LanguageModel, load
from weft.layers import OutputSettings
from weft.model.architecture import Architecture
from weft.run_folder import CONFIG, TOKENIZER, WEIGHTS, check_free, locked, new_run, recover
from weft.text.tokenizers.base import EOS, UNK, Tokenizer
from weft.training.safetensors_io import write_tensors

OTHER_FORMATS = {
    b"\x89HDF": "a file of HDF5, as Keras writes it: convert the model to ONNX first",
    b"\x1f\x8b": "compressed by gzip: decompress it first",
    b"version https://git-lfs": "a pointer of Git LFS to a file that has not been downloaded",
}


def import_model(
    file: str | Path,
    out: str | Path,
    *,
    vocab: str | Path | Sequence[str | Path] = (),
    unk: str = UNK,
    eos: str = EOS,
    cell: str | None = None,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda line: None,
) -> LanguageModel:
    """Write the language model in a file of another program as a run folder, and return it.

    file       a model of PyTorch (the whole module, or a state_dict), of the textbook, or of ONNX, or a folder of
               `weft export hf`; nothing in it is executed
    out        the run folder
    vocab      the words in the order of their ids, a word a line; or the texts from which the ids were given, in their
               order; or a pickle of either. Without one, the file vocab.txt next to `file`
    unk, eos   the names of the unknown word and of the line end in the vocabulary
    cell       "rnn" or "rnn-relu", for a state_dict of such a network
    overwrite  replace the run at `out`
    note       receives lines about what was found

    Raises MissingFileError and InputError for files that cannot be used, and for models that weft cannot have.
    """
    file, out = Path(file), Path(out)
    check_free(out, overwrite)
    model = read_model(file, cell)
    V = model.embedding.shape[0]
    tokenizer: Tokenizer
    if model.tokenizer is not None:
        if vocab:
            raise InputError(f"{file} has a vocabulary of its own: leave out the other one")
        tokenizer, parameters, added = model.tokenizer, model.parameters(), False
    else:
        vocabulary = read_vocabulary(_vocabulary_files(file, vocab, V), V)
        tokenizer, parameters, added = with_tokenizer(model, vocabulary, unk, eos)
    config = _config(model, tokenizer)
    architecture = _architecture(config, tokenizer.vocab_size)
    note(f"{file} is {model.about}: {architecture}")
    if added:
        note(f"the vocabulary has no {quoted(unk)}: unknown words are read as a mean word, and never predicted")
    shapes = {name: tuple(array.shape) for name, array in parameters.items()}
    if shapes != dict(architecture.shapes()):
        raise InputError(f"{file} has parameters of other shapes than those of {architecture}")
    with locked(out):
        recover(out)
        check_free(out, overwrite)
        with new_run(out) as folder:
            tokenizer.save(folder / TOKENIZER)
            write_tensors(folder / WEIGHTS, parameters)
            write_config(folder / CONFIG, config, {}, origin=f"Imported from {quoted(file.name)}, {model.about}.")
    return load(out)


def read_model(file: Path, cell: str | None = None) -> ForeignModel:
    """The model in a file, whose kind its first bytes tell.

    Raises MissingFileError if there is no file, and InputError, with the name of the file, if it cannot be used.
    """
    with reading(str(file)):
        try:
            return hugging_face_model(file) if file.is_dir() else _read(file, cell)
        except InputError as error:
            raise InputError(f"cannot import {file}: {error}") from None


def _read(file: Path, cell: str | None) -> ForeignModel:
    size = file.stat().st_size
    budget = Budget(size)
    with file.open("rb") as opened:
        source = BoundedFile(opened)
        start = source.read(512)
        source.seek(0)
        for beginning, what in OTHER_FORMATS.items():
            if start.startswith(beginning):
                raise InputError(f"it is {what}")
        if start[257:262] == b"ustar":
            raise InputError("it is a tar archive, as PyTorch 0.1.1 wrote: save the model again with a later version")
        if start.startswith(b"PK\x03\x04"):
            return torch_model(open_archive(source, budget), cell)
        if start.startswith(b"\x80"):
            value = run(source, budget)
            if value == MAGIC and type(value) is int:
                return torch_model(open_sequence(source, budget), cell)
            return textbook_model(value, budget)
        if not size:
            raise InputError("it is empty")
        if start[0] != 0x08:  # the first field of a model of ONNX: its version, a whole number
            raise InputError("it is neither a file of PyTorch, nor a pickle, nor a model of ONNX")
        return onnx_model(memoryview(source.read()), budget)


def _vocabulary_files(file: Path, vocab: str | Path | Sequence[str | Path], types: int) -> list[Path]:
    files = [Path(vocab)] if isinstance(vocab, (str, Path)) else [Path(each) for each in vocab]
    beside = file.with_name("vocab.txt")
    if not files and not beside.exists():
        raise InputError(
            f"{file} does not say which words its {types:,} ids are: give the vocabulary with --vocab, a word a line "
            "in the order of the ids, or the texts from which it was made"
        )
    return files or [beside]


def _config(model: ForeignModel, tokenizer: Tokenizer) -> Config:
    """The configuration of the run. That of the training is weft's usual one, since the file does not tell it."""
    settings: dict[str, Any] = {
        "data": (), "valid_fraction": 0.0, "test_fraction": 0.0, "tokenizer": tokenizer.kind,
        "lowercase": tokenizer.lowercase,
        "cell": model.cell, "embedding_size": model.embedding.shape[1], "hidden_size": model.hidden_size,
        "layers": len(model.layers), "tied": model.tied,
        "batch_size": 20, "bptt": 35, "epochs": 1, "optimizer": "adamw", "lr": 1e-3, "schedule": "cosine",
        "kernels": "plain",
    }  # fmt: skip
    return config_of({**settings, **model.settings})


def _architecture(config: Config, vocab_size: int) -> Architecture:
    model = config.model
    return Architecture(
        vocab_size, model.embedding_size, model.hidden_size, model.layers, model.cell, model.tied, model.layer_norm,
        model.window, model.embedding_std, OutputSettings.among(vars(model)),
    )  # fmt: skip
