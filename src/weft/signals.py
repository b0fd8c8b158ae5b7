"""Signals that ask to stop: SIGINT (Ctrl-C), SIGTERM, and SIGHUP of a terminal that closes.

During training the first signal asks to stop, so that the run is saved first; the second raises KeyboardInterrupt at
once. A signal that the parent process has chosen to ignore, as `nohup` does with SIGHUP, stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class WorkAbandoned(Exception):
    """A signal has ended a part of the work that need not be completed; see `StopRequest.check`."""


class StopRequest:
    """`made`: whether a signal has asked to stop."""

    def __init__(self) -> None:
        self.made = False
        self._abandoning = False

    def signalled(self, signum: int, frame: FrameType | None) -> None:
        if self.made:
            raise KeyboardInterrupt
        self.made = True
        if self._abandoning:
            raise WorkAbandoned

    def check(self) -> None:
        """Raise WorkAbandoned if a signal has asked to stop."""
        if self.made:
            raise WorkAbandoned

    @contextmanager
    def abandoning(self) -> Iterator[None]:
        """A context manager for work that a signal may interrupt anywhere; then the work is left undone."""
        self._abandoning = True
        try:
            yield
        except WorkAbandoned:
            pass
        finally:
            self._abandoning = False


_requests: list[StopRequest] = []


def is_training() -> bool:
    """Whether training is under way in this process, in which signals are requests to stop."""
    return bool(_requests)


def check_stop() -> None:
    """Raise WorkAbandoned if training is under way in this process and a signal has asked to stop it."""
    if _requests:
        _requests[-1].check()


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """A context manager that yields a request, which the first signal makes.

    The second signal raises KeyboardInterrupt at once. Only the main thread can handle signals: in other threads the
    request is never made. The previous handlers are restored at the end.
    """
    request = StopRequest()
    if not in_main_thread():
        yield request
        return
    _requests.append(request)
    try:
        with handled_by(request.signalled):
            yield request
    finally:
        _requests.remove(request)


def in_main_thread() -> bool:
    """Whether this is the thread that can handle signals."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """A context manager in which `handler` handles the STOPPING signals, except those that are ignored."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    handled = [number for number, earlier in before.items() if earlier is not signal.SIG_IGN]
    try:
        for number in handled:
            signal.signal(number, handler)
        yield
    finally:
        for number in handled:
            # None: the handler was not installed by Python, which cannot restore it.
            signal.signal(number, before[number] or signal.SIG_DFL)
