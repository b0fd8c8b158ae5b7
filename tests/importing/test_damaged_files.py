"""Damaged and hostile files: one clear line, little memory, no waiting, and nothing is executed.

WEFT_MUTATIONS is the number of mutated files of each kind; the usual one is small.
"""

from __future__ import annotations

import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from helpers.foreign_models import RNNModel, randomized, save, text_of, vocabulary_of
from helpers.mutations import mutated
from helpers.untrained import untrained
from weft.errors import InputError
from weft.exporting import export_hf
from weft.importing import budget, read_model
from weft.importing.budget import TIMES
from weft.importing.hugging_face import FILES as FILES_OF_A_FOLDER
from weft.importing.vocabulary import read_vocabulary

MUTATIONS = int(os.environ.get("WEFT_MUTATIONS", "60"))
SECONDS = 5
VOCABULARY = vocabulary_of(text_of())
V = len(VOCABULARY)


def torch_file(folder: Path, legacy: bool) -> bytes:
    model = randomized(RNNModel("LSTM", V, 6, 5, 2, 0.2))
    return save(model, folder / "whole", legacy=legacy).read_bytes()


def textbook_file(folder: Path) -> bytes:
    from importing.test_textbook import parameters

    return pickle.dumps(parameters("lstm"), 3)


def onnx_file(folder: Path) -> bytes:
    from importing.test_onnx import recurrent_model

    return bytes(recurrent_model("GRU", linear_before_reset=1).SerializeToString())


FILES: dict[str, Callable[[Path], bytes]] = {
    "zip": lambda folder: torch_file(folder, legacy=False),
    "legacy": lambda folder: torch_file(folder, legacy=True),
    "textbook": textbook_file,
    "ONNX": onnx_file,
}


def check(file: Path, content: bytes, read: Callable[[], Any]) -> str | None:
    """The message of `read` on a file with this content, None if it can be read; within limits."""
    file.write_bytes(content)
    tracemalloc.start()
    began = time.process_time()
    try:
        read()
        message = None
    except InputError as error:
        message = str(error)
        assert len(message) < 500, message
        assert message.isprintable(), repr(message)
    finally:
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert time.process_time() - began < SECONDS
    assert peak < (1 << 20) + budget.FLOOR + 2 * TIMES * len(content), (
        f"{peak:,} bytes for a file of {len(content):,}: {message}"
    )
    return message


@pytest.mark.parametrize("kind", FILES)
def test_mutated_files_give_one_line(tmp_path: Path, kind: str) -> None:
    whole = FILES[kind](tmp_path)
    file = tmp_path / "file"
    assert check(file, whole, lambda: read_model(file)) is None
    messages = [check(file, mutated(whole, seed), lambda: read_model(file)) for seed in range(MUTATIONS)]
    refused = [message for message in messages if message is not None]
    assert len(refused) > MUTATIONS / 5
    assert [message for message in refused if not message.startswith(f"cannot import {file}: ")] == []


def test_mutated_folders_of_hugging_face_give_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    export_hf(untrained(), folder)
    whole = {name: (folder / name).read_bytes() for name in FILES_OF_A_FOLDER}
    for seed in range(MUTATIONS):
        name = FILES_OF_A_FOLDER[seed % len(whole)]
        message = check(folder / name, mutated(whole[name], seed), lambda: read_model(folder))
        assert message is None or message.startswith(f"cannot import {folder}: ")
        (folder / name).write_bytes(whole[name])


def test_mutated_vocabularies_give_one_line(tmp_path: Path) -> None:
    whole = pickle.dumps(({word: id for id, word in enumerate(VOCABULARY)}, dict(enumerate(VOCABULARY))))
    file = tmp_path / "vocab.pkl"
    for seed in range(MUTATIONS):
        check(file, mutated(whole, seed), lambda: read_vocabulary([file], V))


PICKLES: dict[str, bytes] = {
    "a tower of tuples": b"\x80\x02" + b"(" * 30_000,
    "lists": b"\x80\x02" + b"]" * 30_000 + b".",
    "lists that double": b"\x80\x02]q\x00" + b"h\x00h\x00e" * 5 + b"(" + b"h\x00" * 20 + b"e" + b"2e" * 20 + b".",
    "tuples that double": b"\x80\x02]" + b"2\x86" * 5000 + b".",
    "a length beyond any": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x" * 10,
    "a frame beyond any": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "a memo beyond any": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "no stack": b"\x80\x020.",
    "no mark": b"\x80\x02t.",
    "not a function": b"\x80\x02NN\x85R.",
    "a long number": b"\x80\x02I" + b"9" * 1_000_000 + b"\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a protocol of later": b"\x80\x09N.",
    "nothing": b"\x80",
    "a call of protocol 0": b"(S'touch executed'\nios\nsystem\n.",
    "a call of an object": b"\x80\x02(cposix\nsystem\nX\x01\x00\x00\x00xo.",
    "a call of a builtin": b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x00x\x85R.",
    "an array beyond any": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    b"(K\x01\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85cnumpy\ndtype\nX\x02\x00\x00\x00f4\x85R\x89C\x00tb.",
}


@pytest.mark.parametrize("name", PICKLES)
def test_hostile_pickles_give_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "FLOOR", 1 << 20)
    file = tmp_path / "file.pkl"
    assert check(file, PICKLES[name], lambda: read_model(file)) is not None


def test_tensors_beyond_their_storage_are_refused(tmp_path: Path) -> None:
    state = randomized(RNNModel("LSTM", V, 6, 5, 2, 0.2)).state_dict()
    whole = save(state, tmp_path / "file").read_bytes()
    shape = b"K" + bytes([V]) + b"K\x06\x86"  # (V, 6)
    assert shape in whole
    file = tmp_path / "file"
    message = check(file, whole.replace(shape, b"K\xffK\xff\x86"), lambda: read_model(file))
    assert message is not None
    assert "beyond the end of its storage" in message


def test_modules_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    model: Any = RNNModel("LSTM", V, 6, 5, 2, 0.2)
    inner: Any = torch.nn.ModuleList()
    for _ in range(40):
        outer = torch.nn.ModuleList()
        outer._modules.update({"a": inner, "b": inner, "c": inner})
        inner = outer
    model.more = inner
    file = tmp_path / "file"
    content = save(model, file).read_bytes()
    message = check(file, content, lambda: read_model(file))
    assert message is not None
    assert "nested too deeply, or too many" in message


def test_layers_that_share_a_storage_cannot_fill_the_memory(tmp_path: Path) -> None:
    shared = torch.zeros(512 * 512 * 4)
    state = {"encoder.weight": shared[: V * 512].view(V, 512), "decoder.weight": shared[: V * 512].view(V, 512)}
    for n in range(900):
        state[f"rnn.weight_ih_l{n}"] = state[f"rnn.weight_hh_l{n}"] = shared.view(2048, 512)
    file = tmp_path / "file"
    message = check(file, save(state, file).read_bytes(), lambda: read_model(file))
    assert message is not None
    assert "far more memory than the file" in message


def test_members_that_are_compressed_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02N.")
        archive.writestr("a/data/0", bytes(50_000_000))
    message = check(file, file.read_bytes(), lambda: read_model(file))
    assert message is not None
    assert "is compressed or encrypted" in message


def test_an_onnx_file_that_is_a_circle_is_refused(tmp_path: Path) -> None:
    from importing.test_onnx import recurrent_model

    model: onnx.ModelProto = recurrent_model("LSTM", layers=1)
    for node in model.graph.node:
        if node.op_type == "LSTM":
            node.input[0] = "x1"  # its own output
    file = tmp_path / "file"
    message = check(file, bytes(model.SerializeToString()), lambda: read_model(file))
    assert message is not None
    assert "circle" in message
