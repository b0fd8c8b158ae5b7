"""What the processor can do: how wide its vectors are, and how many of them a micro-kernel can keep."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import numba
from llvmlite import binding


@dataclass(frozen=True)
class Tiling:
    """The register blocking of the micro-kernel: `rows` x `vectors` accumulators of `width` float32 lanes."""

    width: int
    vectors: int
    rows: int

    @property
    def columns(self) -> int:
        """Columns of one packed panel."""
        return self.width * self.vectors


TILINGS = {
    "avx512": Tiling(width=16, vectors=2, rows=10),  # 20 of 32 registers accumulate
    "avx2": Tiling(width=8, vectors=2, rows=6),  # 12 of 16
    "neon": Tiling(width=4, vectors=4, rows=6),  # 24 of 32
}


def usable_tilings() -> list[str]:
    """The names of the tilings that this processor can run, the widest first."""
    features = binding.get_host_cpu_features()
    needed = {"avx512": ("avx512f",), "avx2": ("avx2", "fma"), "neon": ("neon",)}
    return [name for name, all_of in needed.items() if all(features.get(feature, False) for feature in all_of)]


@cache
def host_tiling() -> Tiling | None:
    """The tiling for this processor, or None where its vectors are not known here.

    The environment variable WEFT_SIMD names a narrower one, for tests and comparisons; kernels that were compiled for
    another one must not be found then, so NUMBA_CACHE_DIR has to name another folder too.
    """
    usable = usable_tilings()
    asked = os.environ.get("WEFT_SIMD")
    if asked in usable:
        return TILINGS[asked]
    return TILINGS[usable[0]] if usable else None


def why_not() -> str | None:
    """Why kernels cannot be compiled on this machine, or None if they can."""
    if numba.config.DISABLE_JIT:
        return "compiling is switched off by NUMBA_DISABLE_JIT"
    return None if host_tiling() else "this processor's vector instructions are not known to weft"
