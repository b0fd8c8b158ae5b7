"""Kernels whose second share fails: at once, or in its third turn."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import compiled
from weft.backends.kernels.threads.parallel import (
    LOST,
    OPENING,
    become_job,
    first_share,
    first_share_in,
    next_share,
    next_share_in,
)
from weft.backends.kernels.threads.thread_pool import carry_out


@compiled
def failing(number: Any, tasks: Any, control: Any, out: Any) -> None:
    if number == OPENING:
        become_job(tasks, control, (out,))
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    share = first_share(tasks, 0, number)
    while share >= 0:
        out[share] = 1
        if share == 1:
            raise ValueError
        share = next_share(tasks, 0, number)


@compiled
def failing_later(number: Any, tasks: Any, control: Any, out: Any) -> None:
    if number == OPENING:
        become_job(tasks, control, (out,))
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    for turn in range(4):
        share = first_share_in(tasks, 0, number, turn)
        while share >= 0:
            out[share] += 1
            if share == 1 and turn == 2:
                raise ValueError
            share = next_share_in(tasks, 0, number, turn)
