"""Sentences that begin with the same tokens get the same surprisals for them, to the last bit.

Lines are scored in batches, and the sums of matrix products are rounded in ways that depend on the shape of the batch.
Two sentences that a model cannot tell apart, such as those with two unknown words in the same place, would therefore
differ by about a millionth of a bit, and which one is likelier would be chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from weft.scoring import TokenScore
from weft.scoring.words import has_no_spaces
from weft.text.tokenizers.base import Tokenizer

_LINE_END = -1
"""In place of the id of the line end, which a sentence can have within it too."""


class EqualPrefixes:
    """The scores of sentences that are compared with each other, by the tokens up to each score.

    The beginnings are the nodes of a tree, whose root is the start of a sentence.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._nodes: dict[tuple[int, int], int] = {}
        self._nats: dict[tuple[int, bool], float] = {}

    def shared(self, text: str, scores: Sequence[TokenScore]) -> list[TokenScore]:
        """The scores of a sentence, those of a beginning that an earlier sentence had with the numbers it got there.

        scores: of tokens or of words; all sentences must have been scored in one of the two ways.
        """
        unspaced = has_no_spaces(text)
        return [
            replace(score, logprob_nats=self._nats.setdefault((node, unspaced), score.logprob_nats))
            for node, score in zip(self._ends(text, scores), scores, strict=True)
        ]

    def _ends(self, text: str, scores: Sequence[TokenScore]) -> Iterator[int]:
        """For each score the node after the last of its tokens."""
        encoded = self._tokenizer.encode_line_with_spans(text)
        within = len(scores) - bool(scores and scores[-1].is_line_end)
        node = read = 0
        for number, score in enumerate(scores, start=1):
            if number > within:
                last = len(encoded.ids)
            elif within == len(encoded.ids):  # one score for each token
                last = number
            else:
                last = read
                while last < len(encoded.ids) and encoded.spans[last][0] < score.end:
                    last += 1
            for id in encoded.ids[read:last]:
                node = self._child(node, id)
            read = max(read, last)
            yield self._child(node, _LINE_END) if number > within else node

    def _child(self, node: int, id: int) -> int:
        return self._nodes.setdefault((node, id), len(self._nodes) + 1)
