"""The compile cache: machine code is loaded from disk only if no file of the kernels has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


def test_the_cache_key_changes_with_any_file(tmp_path: Path) -> None:
    from weft.backends.kernels.jit.compile import cache_key

    (tmp_path / "caller.py").write_text("a = 1\n", "utf-8")
    (tmp_path / "called.py").write_text("b = 1\n", "utf-8")
    before = cache_key(tmp_path)
    cache_key.cache_clear()
    assert cache_key(tmp_path) == before
    os.utime(tmp_path / "called.py", ns=(0, 1))
    cache_key.cache_clear()
    assert cache_key(tmp_path) != before


def test_the_cache_key_of_the_kernels_covers_every_subfolder(tmp_path: Path) -> None:
    shutil.copytree(Path(weft.__file__).parent, tmp_path / "weft", ignore=shutil.ignore_patterns("__pycache__"))
    program = """
import json, os
from weft.backends.kernels.jit.compile import KERNELS, cache_key
files = [KERNELS / "kernel_set.py", *(path / "__init__.py" for path in KERNELS.iterdir() if path.is_dir())]
keys = [cache_key(KERNELS)]
for file in files:
    if file.exists():
        os.utime(file, ns=(0, 1))
        cache_key.cache_clear()
        keys.append(cache_key(KERNELS))
print(json.dumps([str(KERNELS), keys]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, keys = json.loads(run.stdout)
    assert Path(folder) == tmp_path / "weft" / "backends" / "kernels"
    assert len(keys) == len(set(keys)) > 7


def test_the_cache_key_changes_with_the_instruction_sets_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.backends.kernels.jit import compile as jit_compile

    keys = set()
    for instructions in (["avx512", "avx2"], ["avx2"]):
        monkeypatch.setattr(jit_compile, "chosen_instructions", lambda chosen=instructions: chosen)
        jit_compile.cache_key.cache_clear()
        keys.add(jit_compile.cache_key(tmp_path))
    jit_compile.cache_key.cache_clear()
    assert len(keys) == 2


def test_the_name_of_every_kernel_ends_with_the_cache_key() -> None:
    from weft.backends.kernels.jit import compile as jit_compile
    from weft.backends.kernels.matmul import packed_gemm
    from weft.backends.kernels.update import rules

    for kernel in (rules.scale, packed_gemm._packed_gemm):
        assert kernel.__qualname__.endswith(jit_compile.cache_key(jit_compile.KERNELS))


def test_a_parallel_kernel_outside_the_package_is_compiled_again_after_an_edit(tmp_path: Path) -> None:
    results = []
    for value in (1, 2):
        (tmp_path / "outside.py").write_text(
            f"""
import numpy as np
from weft.backends.kernels.threads.parallel import ParallelRunner, parallel

@parallel
def fill(chunk, chunks, out):
    out[chunk] = {value}

out = np.zeros(1)
ParallelRunner(1).run(fill, 1, True, out)
print(out[0])
""",
            "utf-8",
        )
        run = subprocess.run(
            [sys.executable, tmp_path / "outside.py"],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        results.append(float(run.stdout))
    assert results == [1, 2]


def test_a_message_is_shown_once_if_kernels_have_to_be_compiled() -> None:
    import numba

    from weft.backends.fused import saying_when_compiling

    double, triple = numba.njit(lambda x: 2 * x), numba.njit(lambda x: 3 * x)
    messages: list[str] = []
    with saying_when_compiling(messages.append):
        assert double(2) + triple(2) == 10
        assert len(messages) == 1
    with saying_when_compiling(messages.append):
        assert double(3) == 6
    assert messages == ["compiling the fused kernels; they are kept for the next time"]
