"""Signals in a command: SIGINT, SIGTERM and SIGHUP end it within two seconds, whatever it is doing.

Python calls the handler of a signal between two of its own instructions. A call of a compiled library, as in compiling
a kernel, can take longer: a thread then ends the process. What is on disk by then is valid, as after a crash. It does
not do so during training, which saves first.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from weft.signals import STOPPING, handled_by, in_main_thread, is_training

SECONDS_TO_HANDLE = 1.5
STOPPED = 130
"""The exit code of a command that a signal has ended."""


@contextmanager
def stoppable() -> Iterator[None]:
    """A context manager in which the stopping signals raise KeyboardInterrupt, or end the process.

    They end it if the exception is not raised within SECONDS_TO_HANDLE. Only the main thread can handle signals: in
    other threads nothing changes. Signals that the parent process has chosen to ignore stay ignored.
    """
    if not in_main_thread():
        yield
        return
    watch = _Watch()
    with handled_by(watch.signalled):
        try:
            yield
        finally:
            watch.close()


class _Watch:
    """A thread that the system wakes at each signal; it waits for Python's handler."""

    def __init__(self) -> None:
        self._handled = threading.Event()
        self._ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self._theirs = theirs
        self._previous = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._wait, name="weft-signals", daemon=True).start()

    def signalled(self, signum: int, frame: FrameType | None) -> NoReturn:
        self._handled.set()
        raise KeyboardInterrupt

    def close(self) -> None:
        signal.set_wakeup_fd(self._previous)
        self._theirs.close()  # ends the thread

    def _wait(self) -> None:
        while data := self._ours.recv(1):
            if data[0] not in STOPPING:
                continue
            if not self._handled.wait(SECONDS_TO_HANDLE) and not is_training():
                sys.stderr.write("weft: stopped\n")
                sys.stderr.flush()
                os._exit(STOPPED)
            self._handled.clear()
        self._ours.close()
