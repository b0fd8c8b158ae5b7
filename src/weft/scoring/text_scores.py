"""From lines of text to the scores of their tokens or words, in order and in constant memory.

    lines -> token ids and spans -> a reader's numbers -> `TokenScore`s, one list for each line

`score_lines` reads every line from a fresh start, `score_running` reads one text in which each line end is an `<eos>`.
None marks a line that could not be read: it has no scores and does not affect other lines. If the iterable of lines
raises an error, the lines before it are scored first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import tee

import numpy as np

from weft.errors import InputError
from weft.evaluation.readers import Measures
from weft.evaluation.text_readers import Reading
from weft.scoring.assembling import Line, Numbers, TokenAssembler, WordAssembler
from weft.scoring.token_score import TokenScore
from weft.scoring.words import word_pieces
from weft.text.rules import check_characters, ends_line
from weft.text.tokenizers.base import Tokenizer
from weft.text.tokenizers.encoded import Encoded, encode_with_spans

NOT_READ = Line("", Encoded([], [], []))


@dataclass(frozen=True)
class Wanted:
    """What to compute besides the log-probability of every token; the last three need the whole distribution.

    words         scores of words, also where the tokens are parts of words
    entropy       the entropy of the predicted distribution, and its reduction
    rank          the rank of the token in the distribution
    alternatives  how many of the likeliest tokens

    The last three are undefined for words that consist of several tokens: no distribution over all words is computed.
    Among words, the entropy is that of the tokens of lines without spaces, see `weft.scoring.words.has_no_spaces`.
    """

    words: bool = False
    entropy: bool = False
    rank: bool = False
    alternatives: int = 0


LOGPROB_ALONE = Wanted()


def score_lines(
    reading: Reading,
    tokenizer: Tokenizer,
    lines: Iterable[str | None],
    batch_size: int | None = None,
    eos: bool = True,
    wanted: Wanted = LOGPROB_ALONE,
    marker: str = "",
) -> Iterator[list[TokenScore]]:
    """The scores of each line, read from a fresh start by the reader that `reading` makes.

    batch_size: lines read in parallel, which changes the speed, not the numbers; with 1, the scores of a line are
    yielded before the next line is read. eos: include the line end. marker: a word that ends lines, see
    `weft.text.rules`. Raises InputError for a size below 1, and for fewer alternatives than 0.
    """
    scorer = _Scorer(reading, tokenizer, eos, wanted, marker)
    encoded = _UntilError(map(scorer.encode, lines))
    taken, kept = tee(encoded)
    rows = scorer.reader.separate((line.encoded.ids for line in taken), tokenizer.eos_id, batch_size)
    for number, (line, numbers) in enumerate(zip(kept, rows, strict=True)):
        yield scorer.scores(number, line, numbers)
    encoded.raise_error()


def score_running(
    reading: Reading,
    tokenizer: Tokenizer,
    lines: Iterable[str | None],
    batch_size: int | None = None,
    eos: bool = True,
    wanted: Wanted = LOGPROB_ALONE,
    marker: str = "",
) -> Iterator[list[TokenScore]]:
    """The scores of each line, the lines read as one running text; otherwise as `score_lines`.

    Line ends are read even if `eos` excludes them from the scores.
    """
    scorer = _Scorer(reading, tokenizer, eos, wanted, marker)
    encoded = _UntilError(map(scorer.encode, lines))
    taken, kept = tee(encoded)
    ids = (np.array(line.encoded.ids, dtype=np.int64) for line in taken)
    rows = _Rows(scorer.reader.running(ids, tokenizer.eos_id, batch_size), scorer.reader.width)
    for number, line in enumerate(kept):
        yield scorer.scores(number, line, rows.take(len(line.encoded.ids)))
    encoded.raise_error()


class _Scorer:
    """Encodes lines and builds their scores, for both ways of reading."""

    def __init__(self, reading: Reading, tokenizer: Tokenizer, eos: bool, wanted: Wanted, marker: str) -> None:
        if wanted.alternatives < 0:
            raise InputError(f"alternatives must be at least 0, got {wanted.alternatives}")
        self.tokenizer, self.eos, self.marker = tokenizer, eos, marker
        self.assembler: TokenAssembler | WordAssembler
        pieces = word_pieces(tokenizer) if wanted.words else None
        if pieces is not None:
            self.reader = reading(Measures(entropy=wanted.entropy, boundary=pieces.boundary))
            self.assembler = WordAssembler(tokenizer, pieces, entropy=wanted.entropy)
            return
        self.assembler = TokenAssembler(
            tokenizer, entropy=wanted.entropy, rank=wanted.rank, alternatives=wanted.alternatives
        )
        measures = Measures(wanted.entropy, wanted.rank, wanted.alternatives)
        self.reader = reading(measures if self.assembler.measured else None)

    def encode(self, text: str | None) -> Line:
        if text is None:
            return NOT_READ
        check_characters(text)
        text = text.rstrip("\r")  # of a line end whose "\n" was taken away
        encoded = encode_with_spans(self.tokenizer, text, self.marker)
        if not ends_line(text, self.marker):
            encoded.ids.append(self.tokenizer.eos_id)
            encoded.oov.append(False)
            encoded.spans.append((len(text), len(text)))
        return Line(text, encoded)

    def scores(self, number: int, line: Line, numbers: Numbers) -> list[TokenScore]:
        scores = self.assembler.scores(number, line, numbers)
        return scores if self.eos else scores[:-1]


class _UntilError(Iterator[Line]):
    """The lines up to an error of their source; `raise_error` raises the error later."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._error: Exception | None = None

    def __next__(self) -> Line:
        if self._error is not None:
            raise StopIteration
        try:
            return next(self._lines)
        except StopIteration:
            raise
        except Exception as error:
            self._error = error
            raise StopIteration from None

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error


class _Rows:
    """Cuts a sequence of arrays into arrays of other lengths."""

    def __init__(self, arrays: Iterator[Numbers], width: int) -> None:
        self._arrays = arrays
        self._rest: Numbers = np.empty((0, width))

    def take(self, count: int) -> Numbers:
        parts, missing = [self._rest], count - len(self._rest)
        while missing > 0:
            parts.append(next(self._arrays))
            missing -= len(parts[-1])
        rows = np.concatenate(parts) if len(parts) > 1 else self._rest
        self._rest = rows[count:]
        return rows[:count]
