"""A kernel whose second share fails."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.crew import carry_out
from weft.backends.kernels.together import all_done, first_share, next_share, part_of


@compiled
def failing(number: Any, tasks: Any, out: Any) -> None:
    share = first_share(tasks, 0, number)
    while share >= 0:
        out[share] = 1
        if share == 1:
            raise ValueError
        share = next_share(tasks, 0, number)
    all_done(tasks, 0)


_failing = part_of(failing)


@compiled
def failing_opened(control: Any, tasks: Any, arguments: Any) -> Any:
    _failing(tasks, arguments)
    return carry_out(control, tasks.ctypes.data)
