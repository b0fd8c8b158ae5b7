"""All fused kernels. Importing them imports Numba.

The first call of each compiles it, which takes seconds; the result is kept on disk for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weft.backends.kernels import gru_kernel, lstm_kernel, rnn_kernel
from weft.backends.kernels.compiling import compile_what_was_left
from weft.backends.kernels.output_kernel import FusedOutput
from weft.backends.kernels.panel_block import PanelBlock, Passes
from weft.backends.kernels.recording import Recorder
from weft.backends.kernels.together import Together
from weft.backends.kernels.update_kernel import FusedUpdate
from weft.backends.kernels.words import FLOATS, PAIRS

ROUNDING = {"float32": 2.0**-20, "bfloat16": 2.0**-9}
"""How far apart a state worked out in two ways may be: 8 eps, and a rounding of a factor, as which it is fed back."""


CELLS: dict[str, Passes] = {"rnn": rnn_kernel.PASSES, "lstm": lstm_kernel.PASSES, "gru": gru_kernel.PASSES}


@dataclass(frozen=True)
class Kernels:
    """The fused kernels, which are carried out together by so many threads."""

    blocks: Mapping[str, PanelBlock]
    output: FusedOutput
    update: FusedUpdate
    rounding: float
    with_recorder: Callable[[], tuple[Recorder, Kernels]]
    """A recorder and kernels that it records."""

    @classmethod
    def on(cls, together: Together, precision: str) -> Kernels:
        """All kernels, carried out by `together`; precision: "float32" or "bfloat16" factors of the matrix products."""
        kind = PAIRS if precision == "bfloat16" else FLOATS
        if kind == PAIRS:
            compile_what_was_left()
        blocks = {name: PanelBlock(passes, together, kind) for name, passes in CELLS.items()}

        def with_recorder() -> tuple[Recorder, Kernels]:
            recorder = Recorder(together.threads)
            return recorder, cls.on(recorder, precision)

        return cls(blocks, FusedOutput(together, kind), FusedUpdate(together), ROUNDING[precision], with_recorder)
