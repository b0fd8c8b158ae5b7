"""Reporting of a run to the user: notes, progress of reading and training, and a description of the model.

The command line reports to standard error, since standard output is for results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from weft.config import TrainingConfig
from weft.model import RNNLM
from weft.presentation.escapes import one_line
from weft.presentation.lasting_stream import lasting
from weft.training.optimizer import Optimizer
from weft.training.progress import NoProgress, PlainProgress, Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

OnBytes = Callable[[int], None]
"""Called with the number of bytes read so far."""


class Reporter(Protocol):
    """Receives notes and progress of a run; see `OnStream` and `Silent`."""

    def note(self, line: str) -> None:
        """A message of one line."""

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        """A context manager around the reading of a text. It yields a function to call with the bytes read, or None.

        size_in_bytes  size of the text, None if unknown
        """

    def training(self) -> Progress:
        """The receiver of every training step."""


def describe_model(model: RNNLM, config: TrainingConfig, optimizer: Optimizer) -> list[str]:
    """The size of every parameter and of all parameters, and the approximate memory of training, as lines of text."""
    parameters = model.named_parameters()
    width = max(map(len, parameters))
    lines = [f"  {name:{width}}  {_shape(array.shape):>15}  {array.size:>12,}" for name, array in parameters.items()]
    total = sum(array.size for array in parameters.values())
    copies = (config.accumulate > 1) + bool(config.ema or config.average_after)  # mean gradients and mean weights
    kept = sum(array.nbytes for array in optimizer.state().values())
    kept += copies * sum(array.nbytes for array in parameters.values())
    megabytes = (model.training_bytes(config.batch_size, config.bptt) + kept) / 1e6
    needed = f"training takes about {max(1, megabytes):,.0f} MB of memory, besides Python and its libraries"
    lines = ["parameters:", *lines, f"  {total:,} in all; {needed}"]
    if loss_is_estimated(model):
        lines.append(
            f"training perplexity is estimated on about {model.output_settings.samples:,} tokens of the vocabulary a "
            "block, and lower than the exact one; validation is exact"
        )
    return lines


def loss_is_estimated(model: RNNLM) -> bool:
    """Whether the training loss is estimated from a sample of the vocabulary."""
    return not model.output.exact and model.output_settings.samples < model.vocab_size


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)


class Silent:
    """Reports nothing."""

    def note(self, line: str) -> None: ...

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        return nullcontext()

    def training(self) -> Progress:
        return NoProgress()


class OnStream:
    """Writes lines to a text stream, and progress bars if it is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = lasting(stream)

    def note(self, line: str) -> None:
        print(one_line(line), file=self.stream, flush=True)

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        return self._bar(what, size_in_bytes, _bytes_read)

    def counting(self, what: str, tokens: int) -> AbstractContextManager[Callable[[int], None] | None]:
        """As `reading`, for a text of `tokens` tokens; the function is called with the number of tokens read."""
        return self._bar(what, tokens, _tokens_read)

    @contextmanager
    def _bar(
        self, what: str, total: int | None, amount: Callable[[], list[ProgressColumn]]
    ) -> Iterator[Callable[[int], None] | None]:
        """A context manager that shows a progress bar and yields a function that moves it; None without a terminal."""
        if not self.stream.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), *amount(), TimeRemainingColumn())
        with Bars(*columns, console=Console(file=self.stream), transient=True) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    def training(self) -> Progress:
        return progress_on(self.stream)


def progress_on(stream: TextIO) -> Progress:
    """Live progress if `stream` is a terminal that can show it, plain lines otherwise."""
    stream = lasting(stream)
    if not stream.isatty():
        return PlainProgress(stream)
    from rich.console import Console

    from weft.training.live_progress import LiveProgress

    console = Console(file=stream)
    return PlainProgress(stream) if console.is_dumb_terminal else LiveProgress(console)


def _bytes_read() -> list[ProgressColumn]:
    from rich.progress import DownloadColumn

    return [DownloadColumn()]


def _tokens_read() -> list[ProgressColumn]:
    from rich.progress import MofNCompleteColumn, TextColumn

    return [MofNCompleteColumn(), TextColumn("tokens")]
