"""The tokenizer of written text: words and punctuation marks are tokens, and white space is kept exactly.

A line is cut at blanks, and between blanks at the word boundaries of Unicode (UAX #29, default rules): "don't" and
"3.14" are one token, "e-mail" is three, and each ideograph is one. A blank that `weft.text.tokenizers.spacing` expects
is no token. Every other blank is the token " ", and `<join>` is a token where a blank is expected and there is none.
Ids 0 to 3 are `<unk>`, `<eos>`, `<join>` and " ", then types by descending count.

Source: https://www.unicode.org/reports/tr29/#Default_Word_Boundaries, in the version of Unicode of the package `regex`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError
from weft.text.decoding import batches_of
from weft.text.tokenizers.base import EOS, UNK, Tokenizer
from weft.text.tokenizers.encoded import Encoded, original_spans
from weft.text.tokenizers.registry import register_tokenizer
from weft.text.tokenizers.spacing import Spacing
from weft.text.tokenizers.vocabulary import check_vocab_size, check_vocabulary, most_frequent
from weft.text.tokenizers.word import MOST_TYPES_COUNTED

if TYPE_CHECKING:
    import regex

JOIN = "<join>"
BLANK = " "
SPECIAL = (UNK, EOS, JOIN, BLANK)
LONGEST_CACHED = 40
"""Characters up to which the segments of a string without blanks are remembered."""


class _Unit(NamedTuple):
    """A token before it has an id. special: `JOIN`, `BLANK` or "" if it is a segment of the text."""

    text: str
    start: int
    special: str = ""


@register_tokenizer
class TextTokenizer(Tokenizer):
    """One token a word, punctuation mark or ideograph. A literal `<unk>` or `<eos>` in a text is its characters.

    A subclass with another `kind` and its own `segments` is a tokenizer with another segmenter.
    """

    kind = "text"
    unit = "word"
    separates_punctuation = True
    unk_id: int = 0
    eos_id: int = 1
    join_id: int = 2
    blank_id: int = 3

    @classmethod
    def segments(cls, chunk: str) -> Sequence[str]:
        """The segments of a string that is not empty and contains no blank; joined they must be the string again."""
        places = [0, *(found.start() for found in _boundaries().finditer(chunk)), len(chunk)]
        return [chunk[start:end] for start, end in pairwise(places) if start < end]

    @classmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> TextTokenizer:
        """The tokenizer of a training text; see `fit_tokenizer`. Rarest types are dropped as by `WordTokenizer`."""
        check_vocab_size(vocab_size, SPECIAL)
        counts: Counter[str] = Counter()
        special: Counter[str] = Counter()
        total = rarest = 0
        for batch in batches_of(pieces):
            text = "".join(batch)
            special[EOS] += text.count("\n")
            for piece in batch:
                for line in (piece.lower() if lowercase else piece).removesuffix("\n").split("\n"):
                    units = list(cls._units(line))
                    special.update(unit.special for unit in units if unit.special)
                    counts.update(unit.text for unit in units if not unit.special)
                    total += sum(not unit.special for unit in units)
            while len(counts) > MOST_TYPES_COUNTED:
                rarest += 1
                counts = Counter({token: count for token, count in counts.items() if count > rarest})
        if total == 0:
            raise InputError("the training text has no words: it is empty or only blanks")
        size = None if vocab_size is None else vocab_size - len(SPECIAL) + 2
        kept = most_frequent({token: n for token, n in counts.items() if token not in SPECIAL}, size, min_count)
        special[UNK] = total - sum(count for _, count in kept)
        rows = [*((token, special[token]) for token in SPECIAL), *kept]
        return cls([token for token, _ in rows], [count for _, count in rows], lowercase=lowercase)

    def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
        ids = self.encode(text)
        return ids, [id == self.unk_id for id in ids]

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        normalised = self._normalised(line)
        units = list(self._units(normalised))
        ids = [self._id_of(unit) for unit in units]
        spans = [(unit.start, unit.start + len(unit.text)) for unit in units]
        return Encoded(ids, [id == self.unk_id for id in ids], original_spans(line, normalised, spans))

    def encode_many(self, pieces: Sequence[str]) -> NDArray[np.int32]:
        return np.array([id for piece in pieces for id in self.encode(piece)], dtype=np.int32)

    def decoder(self) -> TextDecoder:
        return TextDecoder(self)

    @classmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> TextTokenizer:
        check_vocabulary(tokens, SPECIAL)
        if "" in tokens:
            raise ValueError("a token is empty")
        return cls(tokens, counts, lowercase=lowercase)

    def _encode_line(self, line: str) -> list[int]:
        return list(map(self._id_of, self._units(line)))

    def _id_of(self, unit: _Unit) -> int:
        if unit.special:
            return self.join_id if unit.special == JOIN else self.blank_id
        # A segmenter can return a segment that is written as a special token is; it is no special token.
        return self._ids.get(unit.text, self.unk_id) if unit.text not in SPECIAL else self.unk_id

    @classmethod
    def _units(cls, line: str) -> Iterator[_Unit]:
        """The tokens of a line, which is lower-cased already if it is to be. Raises InputError as `_segments`."""
        spacing = Spacing()
        place = blanks = 0  # `blanks`: the number of blanks right before `place`
        for number, chunk in enumerate(line.split(BLANK)):
            if number:
                place, blanks = place + 1, blanks + 1
            for segment in _segments(cls, chunk):
                after_space = place == 0 or line[place - 1].isspace()
                if blanks != spacing.expects_blank(segment):
                    yield from _blanks(place, blanks) if blanks else [_Unit("", place, JOIN)]
                yield _Unit(segment, place)
                spacing.add(segment, after_space)
                place, blanks = place + len(segment), 0
        yield from _blanks(place, blanks)


class TextDecoder:
    """Writes a blank before a token where one is expected; see `weft.text.tokenizers.spacing`."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._start_line()

    def _start_line(self) -> None:
        self._spacing, self._after_space = Spacing(), True

    def push(self, id: int, /) -> str:
        token = self._tokenizer.token(id)
        if id == self._tokenizer.eos_id:
            self._start_line()
            return "\n"
        if id in (self._tokenizer.join_id, self._tokenizer.blank_id):
            self._spacing.join()
            self._after_space = self._after_space or id == self._tokenizer.blank_id
            return BLANK * (id == self._tokenizer.blank_id)
        blank = BLANK * self._spacing.expects_blank(token)
        self._spacing.add(token, self._after_space or bool(blank))
        self._after_space = token[-1].isspace()
        return blank + token

    def flush(self) -> str:
        return ""


def _blanks(end: int, count: int) -> Iterator[_Unit]:
    return (_Unit(BLANK, place, BLANK) for place in range(end - count, end))


def _segments(tokenizer: type[TextTokenizer], chunk: str) -> Sequence[str]:
    """The segments of a string without blanks. Raises InputError if they are not the parts of the string."""
    if not chunk:
        return ()
    return _short(tokenizer, chunk) if len(chunk) <= LONGEST_CACHED else _checked(tokenizer, chunk)


def _checked(tokenizer: type[TextTokenizer], chunk: str) -> Sequence[str]:
    segments = tuple(tokenizer.segments(chunk))
    if "".join(segments) != chunk or "" in segments:
        raise InputError(
            f"the segmenter of the tokenizer {tokenizer.kind} must cut a string into its parts; it cut {chunk[:40]!r} "
            f"into {segments[:10]!r}"
        )
    return segments


_short = lru_cache(maxsize=1 << 16)(_checked)


@cache
def _boundaries() -> regex.Pattern[str]:
    import regex

    return regex.compile(r"(?w)\b")
