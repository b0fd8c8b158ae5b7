"""Instruction sets of the processor, and the register blocking of the micro-kernel for each vector width."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
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

FEATURES = {
    "amx": ("amx-tile", "amx-bf16", "amx-int8", "avx512f"),
    "avx512bf16": ("avx512bf16", "avx512f"),
    "vnni": ("avx512vnni", "avx512f"),
    "avx512": ("avx512f", "avx512bw"),
    "avx2": ("avx2", "fma"),
    "neon": ("neon",),
}
"""Instruction sets that kernels use, the most capable first, and the processor features each one needs."""


def usable_instructions() -> list[str]:
    """The names of the sets in `FEATURES` that this processor has, the most capable first."""
    features = _features()
    names = [name for name, needed in FEATURES.items() if all(features.get(feature, False) for feature in needed)]
    return [name for name in names if name != "amx" or _request_tile_registers()]


def _features() -> dict[str, bool]:
    """The processor's features as LLVM reports them; on some systems it reports none."""
    try:
        features = dict(binding.get_host_cpu_features())
    except RuntimeError:
        features = {}
    if platform.machine().lower() in ("aarch64", "arm64"):
        features.setdefault("neon", True)  # part of the architecture
    return features


@cache
def chosen_instructions() -> list[str]:
    """The instruction sets in use: the usable ones, from the one that the environment variable WEFT_SIMD names on."""
    usable = usable_instructions()
    requested = os.environ.get("WEFT_SIMD")
    return usable[usable.index(requested) :] if requested in usable else usable


def host_tiling() -> Tiling | None:
    """The tiling for this processor, or None if none of its vector instruction sets has one."""
    return next((TILINGS[name] for name in chosen_instructions() if name in TILINGS), None)


def has_amx() -> bool:
    """True if matrix products use the AMX tile registers."""
    return "amx" in chosen_instructions()


def has_bfloat16() -> bool:
    """True if there are instructions that multiply bfloat16 values."""
    return has_amx() or "avx512bf16" in chosen_instructions()


def has_vnni() -> bool:
    """True if integer dot products of 8-bit values are used."""
    return "vnni" in chosen_instructions()


def has_vnni_int16() -> bool:
    """True if dot products of pairs of 16-bit integers are used, for lack of 8-bit ones."""
    return not has_vnni() and any(name in chosen_instructions() for name in ("avx512", "avx2"))


@cache
def _request_tile_registers() -> bool:
    """Request permission to use the tile registers, as Linux requires; returns True if it is granted."""
    if sys.platform != "linux":
        return False
    system_call_arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(system_call_arch_prctl, request_permission, tile_data) == 0)


def why_not() -> str | None:
    """The reason why kernels cannot be compiled on this machine, or None if they can."""
    if numba.config.DISABLE_JIT:
        return "compiling is switched off by NUMBA_DISABLE_JIT"
    if sys.platform == "win32":
        return "they need a system like Linux or macOS; on Windows there is its subsystem for Linux"
    requested = os.environ.get("WEFT_SIMD")
    if requested and requested not in usable_instructions():
        known = ", ".join(FEATURES)
        return f"WEFT_SIMD is {requested!r}, which is none of {known} or is not what this processor has"
    return None if host_tiling() else "this processor's vector instructions are not known to weft"


def why_not_bfloat16() -> str | None:
    """The reason why matrix products cannot be in bfloat16 on this machine, or None if they can."""
    return None if has_bfloat16() else "this processor has no instructions for bfloat16 (AMX or AVX512-BF16)"
