"""What a person is told while a run is prepared and trained. On standard error: standard output is for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from weft.config import TrainingConfig
from weft.model import RNNLM
from weft.training.optimizer import Optimizer
from weft.training.progress import NoProgress, PlainProgress, Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

OnBytes = Callable[[int], None]


class Reporter(Protocol):
    """Told of what is chosen, read and trained."""

    def note(self, line: str) -> None:
        """Something worth a line."""

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        """While a text is read; what the context gives is told of the bytes read so far, if it is not None."""

    def training(self) -> Progress:
        """Told of every training step."""


def note_skipped(reporter: Reporter, skipped: Sequence[str]) -> None:
    """Name the files that were met and not read, if any."""
    if skipped:
        more = f" and {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
        reporter.note(f"not read, because they are empty or binary: {', '.join(skipped[:3])}{more}")


def describe_model(model: RNNLM, config: TrainingConfig, optimizer: Optimizer) -> list[str]:
    """One line a named parameter, their sum, about how much memory training takes, and what its loss means."""
    parameters = model.named_parameters()
    width = max(map(len, parameters))
    lines = [f"  {name:{width}}  {_shape(array.shape):>15}  {array.size:>12,}" for name, array in parameters.items()]
    total = sum(array.size for array in parameters.values())
    copies = (config.accumulate > 1) + bool(config.ema or config.average_after)  # of mean gradients, of mean weights
    remembered = sum(array.nbytes for array in optimizer.state().values())
    remembered += copies * sum(array.nbytes for array in parameters.values())
    megabytes = (model.training_bytes(config.batch_size, config.bptt) + remembered) / 1e6
    needed = f"training takes about {max(1, megabytes):,.0f} MB of memory beside Python and its libraries"
    lines = ["parameters:", *lines, f"  {total:,} in all; {needed}"]
    if loss_is_estimated(model):
        lines.append(
            f"training perplexity is estimated on about {model.output_settings.samples:,} tokens of the vocabulary a "
            "block, and lower than the exact one; validation is exact"
        )
    return lines


def loss_is_estimated(model: RNNLM) -> bool:
    """Whether the loss in training is that of a sample of the vocabulary."""
    return not model.output.exact and model.output_settings.samples < model.vocab_size


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)


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

    def reading(self, what: str, size_in_bytes: int | None) -> AbstractContextManager[OnBytes | None]:
        return self._bar(what, size_in_bytes, _bytes_read)

    def counting(self, what: str, tokens: int) -> AbstractContextManager[Callable[[int], None] | None]:
        """As `reading`, for a text of so many tokens; what the context gives is told how many have been read so far."""
        return self._bar(what, tokens, _tokens_read)

    @contextmanager
    def _bar(
        self, what: str, total: int | None, amount: Callable[[], list[ProgressColumn]]
    ) -> Iterator[Callable[[int], None] | None]:
        """A bar while the context lasts, and what moves it; None, and nothing loaded, where there is no terminal."""
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
