"""How a text is read: as one running text, or line by line, each line from a fresh start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from weft.evaluation.lines import read_lines_apart
from weft.evaluation.readers import Distributions, LogProbabilities, Measures, Reader
from weft.evaluation.running_text import read_running_text
from weft.model import RNNLM

STREAMS = 16
BLOCK_LENGTH = 64
LINES = 32

Ids = NDArray[Any]
Numbers = NDArray[Any]


class TextReader(Protocol):
    """Reads token ids after a first one, and says K numbers of each; the first is ln P(token | all before) in nats."""

    @property
    def width(self) -> int:
        """K."""

    def running(
        self, chunks: Iterable[Ids], first_id: int, batch_size: int | None = None, block_length: int | None = None
    ) -> Iterator[Numbers]:
        """The numbers of one text given in chunks of any lengths: arrays (some tokens, K) in order."""

    def apart(self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None) -> Iterator[Numbers]:
        """The numbers of each line, (tokens, K), each read from a fresh start."""


Reading = Callable[[Measures | None], TextReader]
"""What makes the reader that also says those measures of every distribution; None: ln P alone."""


class SideBySide:
    """Many streams or lines at once: neither the batch size nor the length of blocks changes a number."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.width = reader, reader.width

    @classmethod
    def of(cls, model: RNNLM) -> Reading:
        """The way to read with a model that stays as it is."""

        def reading(measures: Measures | None) -> TextReader:
            return cls(LogProbabilities(model) if measures is None else Distributions(model, measures))

        return reading

    def running(
        self, chunks: Iterable[Ids], first_id: int, batch_size: int | None = None, block_length: int | None = None
    ) -> Iterator[Numbers]:
        streams = STREAMS if batch_size is None else batch_size
        length = BLOCK_LENGTH if block_length is None else block_length
        return read_running_text(self.reader, chunks, first_id, streams, length)

    def apart(self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None) -> Iterator[Numbers]:
        return read_lines_apart(self.reader, lines, first_id, LINES if batch_size is None else batch_size)
