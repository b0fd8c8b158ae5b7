"""Reads a text as one running text, or as separate lines, each from a fresh start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from weft.evaluation.lines import read_separate_lines
from weft.evaluation.readers import Distributions, LogProbabilities, Measures, Reader
from weft.evaluation.running_text import read_running_text
from weft.model import RNNLM

STREAMS = 16
BLOCK_LENGTH = 64
LINES = 32

Ids = NDArray[Any]
Numbers = NDArray[Any]


class TextReader(Protocol):
    """Reads token ids; K numbers for each token, the first of them ln P(token | all tokens before it) in nats."""

    @property
    def width(self) -> int:
        """K."""

    def running(
        self, chunks: Iterable[Ids], first_id: int, batch_size: int | None = None, block_length: int | None = None
    ) -> Iterator[Numbers]:
        """The numbers of one text given in chunks of any lengths: arrays (tokens, K) in order.

        The text is read after the token `first_id`. None for a size: the reader chooses.
        """

    def separate(
        self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None
    ) -> Iterator[Numbers]:
        """The numbers of each line, (tokens, K), each read from a fresh start after the token `first_id`."""


Reading = Callable[[Measures | None], TextReader]
"""Makes the reader that also computes these measures; None: ln P alone."""


class ParallelReader:
    """Reads streams or lines in parallel; the numbers depend neither on the batch size nor on the block length."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.width = reader, reader.width

    @classmethod
    def of(cls, model: RNNLM) -> Reading:
        """Makes readers with a model that does not change."""
        return _ParallelReading(model)

    def running(
        self, chunks: Iterable[Ids], first_id: int, batch_size: int | None = None, block_length: int | None = None
    ) -> Iterator[Numbers]:
        streams = STREAMS if batch_size is None else batch_size
        length = BLOCK_LENGTH if block_length is None else block_length
        return read_running_text(self.reader, chunks, first_id, streams, length)

    def separate(
        self, lines: Iterable[Sequence[int]], first_id: int, batch_size: int | None = None
    ) -> Iterator[Numbers]:
        return read_separate_lines(self.reader, lines, first_id, LINES if batch_size is None else batch_size)


@dataclass(frozen=True)
class _ParallelReading:
    """A `Reading` that can be pickled, as a language model is that holds it."""

    model: RNNLM

    def __call__(self, measures: Measures | None) -> TextReader:
        return ParallelReader(LogProbabilities(self.model) if measures is None else Distributions(self.model, measures))
