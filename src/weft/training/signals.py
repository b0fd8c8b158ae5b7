"""Handling of SIGINT (Ctrl-C) and SIGTERM: the first asks to stop after the current step, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """`made`: whether SIGINT or SIGTERM has been received."""

    def __init__(self) -> None:
        self.made = False

    def signalled(self, signum: int, frame: FrameType | None) -> None:
        if self.made:
            raise KeyboardInterrupt
        self.made = True


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """A context manager that yields a request, which the first SIGINT or SIGTERM makes.

    The second signal raises KeyboardInterrupt at once. Only the main thread can handle signals: in other threads the
    request is never made. The previous handlers are restored at the end.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, request.signalled)
        yield request
    finally:
        for number, handler in before.items():
            # None: the handler was not installed by Python, which cannot restore it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
