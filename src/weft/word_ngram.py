"""WordNGram: an n-gram model with its words, trained on a text or read from an ARPA file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from weft.evaluation.evaluate import Evaluation, Scored, summed
from weft.ngram.arpa_reader import read_arpa
from weft.ngram.arpa_writer import write_arpa
from weft.ngram.model import NGramModel
from weft.text.decoding import batches_of
from weft.text.given import Text, given_pieces
from weft.text.tokenizers.base import Tokenizer
from weft.text.tokenizers.word import WordTokenizer


class WordNGram:
    """P(text) = Π P(token | the n-1 tokens before it in its line); the line end is a token.

    model      the n-gram model over token ids
    tokenizer  the words; for an ARPA file, which has no counts, all their counts are 0
    """

    def __init__(self, model: NGramModel, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        """ln P in nats of every token of a text, with marks of words outside the vocabulary; in constant memory.

        pieces: lines with their "\\n", or parts of a line.
        """
        state = self.model.start()
        for batch in batches_of(pieces):
            ids: list[int] = []
            oov: list[bool] = []
            for piece in batch:
                new_ids, new_oov = self.tokenizer.encode_with_oov(piece)
                ids += new_ids
                oov += new_oov
            yield self.model.score(np.array(ids, dtype=np.int64), state).nats, np.array(oov, dtype=np.bool_)
            state = self.model.state_after(state, ids)

    def evaluate(self, text: Text) -> Evaluation:
        """The loss of a text: a string, lines with or without their line ends, or the pieces of a corpus."""
        return summed(self.token_nats(given_pieces(text)))

    def perplexity(self, text: Text) -> float:
        """exp(mean nats per token) of the text with its last line end."""
        return self.evaluate(text).perplexity

    def save(self, path: str | Path) -> None:
        """Write an ARPA file, compressed if the name ends in .gz; raises InputError as `write_arpa` does."""
        write_arpa(Path(path), self.model, self.tokenizer.tokens)


def load_arpa(path: str | Path) -> WordNGram:
    """The model of an ARPA file, plain or .gz; raises MissingFileError and InputError as `read_arpa` does.

    A word that the file lacks is out of the vocabulary. So is a literal `<unk>` in a text, unless the file has longer
    n-grams with `<unk>`: then it was a word of the training text.
    """
    model, tokens = read_arpa(Path(path))
    unk_in_text = any(_has_word(model, WordTokenizer.unk_id))
    return WordNGram(model, WordTokenizer(tokens, [0] * len(tokens), lowercase=False, unk_in_text=unk_in_text))


def unreachable_words(path: str | Path, tokenizer: Tokenizer) -> list[str]:
    """A note, if there are any, on the words of an ARPA file that no text contains: those with a separator in them."""
    found = [word for word in tokenizer.tokens if tokenizer.words.words(word) != [word]]
    if not found:
        return []
    some = ", ".join(map(repr, found[:3])) + (", …" if len(found) > 3 else "")
    return [f"{path}: words that cannot occur in a text, in which a word ends at NUL: {len(found):,} ({some})"]


def _has_word(model: NGramModel, word: int) -> Iterator[bool]:
    """For each order from 2 on, whether an n-gram ends in `word`."""
    for table in model.tables[1:]:
        yield bool((table.keys % (model.vocab_size + 1) == word).any())
