"""What a person is told while a run is prepared and trained. On standard error: standard output is for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TextIO

from weft.training.progress import NoProgress, Progress, progress_on

OnBytes = Callable[[int], None]


class Reporter(Protocol):
    """Told of what is chosen, read and trained."""

    def note(self, line: str) -> None:
        """Something worth a line."""

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        """While a text is read; what the context gives is told of the bytes read so far, if it is not None."""

    def training(self) -> Progress:
        """Told of every training step."""


class Silent:
    """Says nothing."""

    def note(self, line: str) -> None: ...

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        return nullcontext()

    def training(self) -> Progress:
        return NoProgress()


class OnStream:
    """Lines on a text stream, with bars where it is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def note(self, line: str) -> None:
        print(line, file=self.stream, flush=True)

    @contextmanager
    def reading(self, what: str, size_in_bytes: int | None) -> Iterator[OnBytes | None]:
        if not self.stream.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Bars(*columns, console=Console(file=self.stream), transient=True) as bars:
            task = bars.add_task(what, total=size_in_bytes)
            yield lambda done: bars.update(task, completed=done)

    def training(self) -> Progress:
        return progress_on(self.stream)
