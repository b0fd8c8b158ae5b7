"""Files of token ids."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from weft.errors import CheckpointError, InputError, MissingFileError
from weft.text import Blocks, open_tokens, tokens, write_tokens


@given(st.lists(st.lists(st.integers(0, 299), max_size=9), max_size=5))
def test_ids_are_read_back_in_order(tmp_path_factory: pytest.TempPathFactory, chunks: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("tokens") / "ids.safetensors"
    expected = [id for chunk in chunks for id in chunk]
    assert write_tokens(path, (np.array(chunk, dtype=np.int32) for chunk in chunks), 300) == len(expected)
    assert np.asarray(open_tokens(path)).tolist() == expected


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.int32)])
def test_the_safetensors_library_reads_the_file(tmp_path: Path, vocab_size: int, dtype: type) -> None:
    ids = np.array([0, 5, vocab_size - 1])
    write_tokens(tmp_path / "ids.safetensors", [ids[:1], ids[1:]], vocab_size, "word")
    with safe_open(tmp_path / "ids.safetensors", "numpy") as file:
        assert file.get_tensor("ids").tolist() == ids.tolist()
        assert file.get_tensor("ids").dtype == dtype
        digest = tokens.tokens_digest(tmp_path / "ids.safetensors")
        assert file.metadata() == {"vocab_size": str(vocab_size), "kind": "word", "digest": digest}
    assert open_tokens(tmp_path / "ids.safetensors").dtype == dtype


def test_the_ids_are_read_only(tmp_path: Path) -> None:
    write_tokens(tmp_path / "ids", [np.arange(10)], 10)
    ids = open_tokens(tmp_path / "ids")
    assert isinstance(ids, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


@pytest.fixture(params=[0, 1 << 28], ids=["from the file", "in memory"])
def any_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "IN_MEMORY_BYTES", request.param)
    monkeypatch.setattr(tokens, "READING_BYTES", 64)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("vocab_size", [500, 70_000])
def test_blocks_and_slices_are_those_of_the_array(tmp_path: Path, vocab_size: int) -> None:
    expected = np.random.default_rng(0).integers(0, vocab_size, 203)
    write_tokens(tmp_path / "ids", [expected], vocab_size)
    ids = open_tokens(tmp_path / "ids")
    np.testing.assert_array_equal(np.asarray(ids), expected)
    np.testing.assert_array_equal(ids[190:300], expected[190:])
    np.testing.assert_array_equal(np.concatenate(list(tokens.token_chunks(ids, 10))), expected)
    blocks, wanted = Blocks(ids, 3, 50), Blocks(expected, 3, 50)
    for _ in range(5):
        for found, right in zip(next(blocks), next(wanted), strict=True):
            np.testing.assert_array_equal(found, right)


@pytest.mark.usefixtures("any_size")
def test_a_changed_byte_of_the_ids_is_refused(tmp_path: Path) -> None:
    write_tokens(tmp_path / "ids", [np.arange(400)], 400)
    data = (tmp_path / "ids").read_bytes()
    for place in (512, 800, len(data) - 1):
        (tmp_path / "ids").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match="do not have the digest"):
            open_tokens(tmp_path / "ids")
    (tmp_path / "ids").write_bytes(data.replace(b'"vocab_size": "400"', b'"vocab_size": "401"'))
    with pytest.raises(CheckpointError, match="do not have the digest"):
        open_tokens(tmp_path / "ids")


def test_a_file_without_a_digest_is_read(tmp_path: Path) -> None:
    save_file({"ids": np.arange(7, dtype=np.int32)}, tmp_path / "ids", metadata={"vocab_size": "7", "kind": ""})
    assert np.asarray(open_tokens(tmp_path / "ids")).tolist() == list(range(7))
    assert tokens.tokens_digest(tmp_path / "ids") is None


def test_a_file_that_is_truncated_while_it_is_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "IN_MEMORY_BYTES", 0)
    write_tokens(tmp_path / "ids", [np.arange(9000)], 9000)
    blocks = Blocks(open_tokens(tmp_path / "ids"), 3, 50)
    next(blocks)
    with (tmp_path / "ids").open("rb+") as file:
        file.truncate(700)
    with pytest.raises(CheckpointError, match="has become shorter"):
        list(islice(blocks, 50))


@pytest.mark.parametrize("wrong", [-1, 10, 70_000])
def test_an_id_outside_the_vocabulary_is_refused_and_the_old_file_kept(tmp_path: Path, wrong: int) -> None:
    write_tokens(tmp_path / "ids", [np.arange(10)], 10)
    with pytest.raises(InputError, match="from 0 to 9"):
        write_tokens(tmp_path / "ids", [np.arange(3), np.array([wrong])], 10)
    assert np.asarray(open_tokens(tmp_path / "ids")).tolist() == list(range(10))
    assert [path.name for path in tmp_path.iterdir()] == ["ids"]


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 511, 512, 531])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "ids"
    write_tokens(path, [np.arange(10)], 10)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged"):
        open_tokens(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ids"', b'"odd"'),
        (b'"U16"', b'"F16"'),
        (b"[10]", b"[12]"),
        (b"[10]", b"[-1]"),
        (b"[10]", b"[{}]"),
        (b"[0, 20]", b"[2, 20]"),
        (b"[0, 20]", b"[0.,20]"),
        (b'{"__', b"[[[["),
        (b"\xf8\x01", b"\xff\xff"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "ids"
    write_tokens(path, [np.arange(10)], 10)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(CheckpointError, match="damaged"):
        open_tokens(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="ids"):
        open_tokens(tmp_path / "ids")
    with pytest.raises(InputError, match="cannot read"):
        open_tokens(tmp_path)


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    def peak(chunks: int) -> int:
        tracemalloc.start()
        write_tokens(tmp_path / "ids", (np.zeros(10_000, dtype=np.int32) for _ in range(chunks)), 10)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(2)
    assert peak(100) < 2 * peak(5)
