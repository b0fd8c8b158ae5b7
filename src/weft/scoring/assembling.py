"""Builds the `TokenScore`s of a line from its token ids and a reader's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from weft.evaluation.readers import ALTERNATIVES, BOUNDARY, ENTROPY, LOGPROB, RANK
from weft.scoring.token_score import TokenScore
from weft.scoring.words import Segment, WordPieces, has_no_spaces
from weft.text.tokenizers.base import UNK, Tokenizer
from weft.text.tokenizers.encoded import Encoded

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Line:
    """A line as written and its tokens, line end included; no tokens for a line that could not be read."""

    text: str
    encoded: Encoded


class TokenAssembler:
    """Scores of tokens, with the measures that were computed."""

    def __init__(self, tokenizer: Tokenizer, *, entropy: bool, rank: bool, alternatives: int) -> None:
        self.tokens = tokenizer.tokens
        self.entropy, self.rank, self.alternatives = entropy, rank, alternatives
        self.measured = entropy or rank or alternatives > 0

    def scores(self, number: int, line: Line, numbers: Numbers) -> list[TokenScore]:
        """The scores of line `number` from a reader's numbers (tokens, K)."""
        text, encoded, tokens = line.text, line.encoded, self.tokens
        logprobs = numbers[:, LOGPROB].tolist()
        rows = zip(encoded.ids, encoded.spans, logprobs, encoded.oov, strict=True)
        if not self.measured:
            return [
                TokenScore(number, position, tokens[id], text[start:end], start, end, logprob, None, None, oov)
                for position, (id, (start, end), logprob, oov) in enumerate(rows)
            ]
        return [
            TokenScore(
                number, position, tokens[id], text[start:end], start, end, logprob, entropy, rank, oov, likeliest, less
            )
            for position, ((id, (start, end), logprob, oov), (entropy, less), rank, likeliest) in enumerate(
                zip(rows, self._entropies(numbers), self._ranks(numbers), self._likeliest(numbers), strict=True)
            )
        ]

    def _entropies(self, numbers: Numbers) -> Iterator[tuple[float | None, float | None]]:
        """The entropy before each token in nats, and its reduction by the token."""
        before: list[float | None] = numbers[:, ENTROPY].tolist() if self.entropy else [None] * len(numbers)
        for entropy, after in zip(before, [*before[1:], None], strict=False):  # `before` may be empty
            yield entropy, None if entropy is None or after is None else max(0.0, entropy - after)

    def _ranks(self, numbers: Numbers) -> list[int | None]:
        return [int(rank) for rank in numbers[:, RANK]] if self.rank else [None] * len(numbers)

    def _likeliest(self, numbers: Numbers) -> Iterator[tuple[tuple[str, float], ...]]:
        count = min(self.alternatives, len(self.tokens))
        ids, logprobs = numbers[:, ALTERNATIVES : ALTERNATIVES + count], numbers[:, ALTERNATIVES + count :]
        for row_ids, row_logprobs in zip(ids.astype(int).tolist(), logprobs.tolist(), strict=True):
            yield tuple((self.tokens[id], logprob) for id, logprob in zip(row_ids, row_logprobs, strict=False))


class WordAssembler:
    """Scores of words that consist of several tokens; in a line without spaces, of its characters or larger tokens.

    entropy: whether the entropy of tokens was computed. Words of several tokens have none.
    """

    def __init__(self, tokenizer: Tokenizer, pieces: WordPieces, *, entropy: bool) -> None:
        self.tokenizer, self.pieces = tokenizer, pieces
        self._tokens = TokenAssembler(tokenizer, entropy=entropy, rank=False, alternatives=0)

    def scores(self, number: int, line: Line, numbers: Numbers) -> list[TokenScore]:
        """The scores of line `number` from a reader's numbers (tokens, K)."""
        if has_no_spaces(line.text):
            scores = whole_characters(self._tokens.scores(number, line, numbers))
            return [
                score if score.is_line_end else replace(score, token=self._word(score.text, score.oov))
                for score in scores
            ]
        logprobs, boundaries = numbers[:, LOGPROB].tolist(), numbers[:, BOUNDARY].tolist()
        segments = self.pieces.segments(line.encoded.ids, logprobs, boundaries)
        return [self._score(number, position, segment, line) for position, segment in enumerate(segments)]

    def _score(self, number: int, position: int, segment: Segment, line: Line) -> TokenScore:
        tokens = slice(segment.first, segment.last)
        spans, oov = line.encoded.spans[tokens], any(line.encoded.oov[tokens])
        if segment.is_line_end:
            start, end = spans[-1]
            token = self.tokenizer.tokens[self.tokenizer.eos_id]
        else:
            start, end = self._without_white_space(line.text, spans[0][0], spans[-1][1])
            token = self._word(line.text[start:end], oov)
        text = line.text[start:end]
        return TokenScore(number, position, token, text, start, end, segment.logprob_nats, None, None, oov)

    def _word(self, written: str, oov: bool) -> str:
        return UNK if oov else written.lower() if self.tokenizer.lowercase else written

    def _without_white_space(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The span without white space at its ends; unchanged if it is all white space (unknown to the vocabulary)."""
        within, separators = text[start:end], self.tokenizer.words.separators
        if not within.strip(separators):
            return start, end
        return start + len(within) - len(within.lstrip(separators)), end - len(within) + len(within.rstrip(separators))


def whole_characters(scores: list[TokenScore]) -> list[TokenScore]:
    """The scores of a line, in which tokens that are parts of one character are one; these have no entropy."""
    joined: list[TokenScore] = []
    for score in scores:
        last = joined[-1] if joined else None
        if last is None or score.start >= last.end:
            joined.append(replace(score, position=len(joined)))
        else:
            joined[-1] = replace(
                last,
                text=last.text + score.text[last.end - score.start :],
                end=max(last.end, score.end),
                logprob_nats=last.logprob_nats + score.logprob_nats,
                entropy_nats=None,
                entropy_reduction_nats=None,
            )
    return joined
