"""The compile cache is optional: whatever happens to its files, kernels run, with one warning at most."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.backends.fused import why_not_fused

if why_not_fused() is not None:
    pytest.skip(f"no fused kernels: {why_not_fused()}", allow_module_level=True)

import numba
from numba.core.caching import IndexDataCacheFile

from weft.backends.kernels.jit import disk_cache
from weft.backends.kernels.jit.compile import c_function, jit

Damage = Callable[[Path], Any]


def replace_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Damage] = {
    "emptied": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "one byte changed": lambda file: file.write_bytes(file.read_bytes()[:-9] + b"\xff" + file.read_bytes()[-8:]),
    "text": lambda file: file.write_bytes(b"not a cache"),
    "removed": lambda file: file.unlink(),
    "a folder": replace_by_a_folder,
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the compile cache, and no warning yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(disk_cache, "_warned", False)
    return tmp_path


def new_kernel() -> Any:
    """A kernel that has not been compiled in this process."""

    def double_in_test(x: Any) -> Any:
        return 2 * x

    return jit(double_in_test)


def files(cache: Path, ending: str) -> list[Path]:
    return sorted(cache.rglob(f"*.{ending}"))


def hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


def test_a_kernel_is_loaded_from_the_cache_when_it_is_compiled_next(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert new_kernel()(2) == 4
    assert len(files(cache, "nbi")) == len(files(cache, "nbc")) == 1
    again = new_kernel()
    assert again(3) == 6
    assert hits(again) == 1
    assert not caplog.records


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_file_is_replaced_with_one_warning_at_most(
    damage: str, ending: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert new_kernel()(2) == 4
    (file,) = files(cache, ending)
    DAMAGES[damage](file)
    for _ in range(2):
        assert new_kernel()(3) == 6
    assert len(caplog.records) <= 1
    if damage in ("emptied", "truncated", "one byte changed", "text"):
        assert "damaged" in caplog.text
        again = new_kernel()
        assert again(4) == 8
        assert hits(again) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_full_or_read_only_disk_costs_the_compilation_alone(
    code: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_arguments: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", fails)
    for _ in range(3):
        assert new_kernel()(2) == 4
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert os.strerror(code) in caplog.text


def test_a_disk_that_fills_up_in_the_middle_of_a_write_leaves_a_usable_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Any, name: str, data: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(disk_cache.CheckedFiles, "_save_data", fails)
        assert new_kernel()(2) == 4
    assert not files(cache, "nbc")
    assert new_kernel()(2) == 4
    again = new_kernel()
    assert again(2) == 4
    assert hits(again) == 1


def test_without_a_place_for_the_cache_kernels_are_compiled_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk_cache.KernelCache._impl_class, "_locator_classes", [])
    assert new_kernel()(2) == new_kernel()(2) == 4
    assert len(caplog.records) == 1


def test_c_functions_are_cached_too() -> None:
    signature = numba.types.int64(numba.types.int64, numba.types.int64)
    cached = []
    for _ in range(2):

        def add_in_test(x, y):  # type: ignore[no-untyped-def]
            return x + y

        cached.append(c_function(add_in_test, signature)._cache_hits)
    assert cached == [0, 1]


def test_a_command_on_kernels_ends_well_with_an_emptied_cache(cache: Path) -> None:
    program = """
import numpy as np
from weft.backends.kernels.threads.parallel import ParallelRunner, parallel

@parallel
def fill(chunk, chunks, out):
    out[chunk] = 7

out = np.zeros(1)
ParallelRunner(1).run(fill, 1, True, out)
print(out[0])
"""
    (cache / "program.py").write_text(program, "utf-8")
    folder = cache / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(Path(weft.__file__).parents[1])}
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, cache / "program.py"], env=environment, capture_output=True, text=True, check=True
        )
        assert run.stdout == "7.0\n"
        assert run.stderr.count("\n") <= 1
        for file in (*files(folder, "nbi"), *files(folder, "nbc")[::2]):
            DAMAGES["emptied"](file)
