"""Kernels kept on disk are found again only where nothing that they are made of has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


def test_the_mark_of_kernels_changes_with_any_of_their_files(tmp_path: Path) -> None:
    from weft.backends.kernels.jit.compile import cache_key

    (tmp_path / "caller.py").write_text("a = 1\n", "utf-8")
    (tmp_path / "called.py").write_text("b = 1\n", "utf-8")
    before = cache_key(tmp_path)
    cache_key.cache_clear()
    assert cache_key(tmp_path) == before
    os.utime(tmp_path / "called.py", ns=(0, 1))
    cache_key.cache_clear()
    assert cache_key(tmp_path) != before


def test_the_mark_of_kernels_changes_with_the_instructions_they_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.backends.kernels.jit import compile as jit_compile

    marks = set()
    for instructions in (["avx512", "avx2"], ["avx2"]):
        monkeypatch.setattr(jit_compile, "chosen_instructions", lambda chosen=instructions: chosen)
        jit_compile.cache_key.cache_clear()
        marks.add(jit_compile.cache_key(tmp_path))
    jit_compile.cache_key.cache_clear()
    assert len(marks) == 2


def test_every_kernel_bears_the_mark() -> None:
    from weft.backends.kernels.jit import compile as jit_compile
    from weft.backends.kernels.matmul import packed_gemm
    from weft.backends.kernels.update import rules

    for kernel in (rules.scale, packed_gemm._packed_gemm):
        assert kernel.__qualname__.endswith(jit_compile.cache_key(jit_compile.KERNELS))


def test_compiling_is_said_once_and_only_where_there_is_something_to_compile() -> None:
    import numba

    from weft.backends.fused import saying_when_compiling

    double, triple = numba.njit(lambda x: 2 * x), numba.njit(lambda x: 3 * x)
    said: list[str] = []
    with saying_when_compiling(said.append):
        assert double(2) + triple(2) == 10
        assert len(said) == 1
    with saying_when_compiling(said.append):
        assert double(3) == 6
    assert said == ["compiling the fused kernels; they are kept for the next time"]
