"""The vocabulary of an imported model: which token has which id, and weft's order of ids.

A vocabulary is a list, a word a line in the order of the ids; or the training text, whose words got ids in the order in
which they first appear, with <eos> at every line end; or a pickle of Python's that has the words and their ids. weft's
own order begins with <unk> and <eos>, so the rows of the embedding and the columns of the output layer are permuted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weft.errors import InputError, quoted, quoted_names
from weft.files import opened, reading
from weft.importing.bounded_file import BoundedFile
from weft.importing.budget import Budget
from weft.importing.foreign_model import Floats, ForeignModel
from weft.importing.pickles.machine import run
from weft.importing.pickles.values import Instance
from weft.text.corpus import open_corpus
from weft.text.rules import AT_WHITE_SPACE
from weft.text.tokenizers.base import EOS, UNK
from weft.text.tokenizers.word import WordTokenizer

NEVER = -1e4
"""The bias of a token that a model never predicts: its probability is 0 in float32."""


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of the ids, and how often each is in the training text, 0 where that is not known."""

    tokens: list[str]
    counts: list[int]


def read_vocabulary(files: Sequence[Path], types: int) -> Vocabulary:
    """The vocabulary in the files, which are texts that were read one after the other, or a single list or pickle.

    types: the number of token types of the model. Raises InputError for files with more or fewer.
    """
    names = ", ".join(map(str, files))
    single = len(files) == 1
    words = _pickled(files[0]) if single and _is_pickle(files[0]) else _listed(files[0], types) if single else None
    found = _of_text(files, types) if words is None else Vocabulary(words, [0] * len(words))
    if len(found.tokens) != types:
        more = f"more than {types:,}" if len(found.tokens) > types else f"{len(found.tokens):,}"
        raise InputError(
            f"{names} has {more} types, and the model {types:,}: give the vocabulary with --vocab, a word a line in "
            "the order of the ids, or all texts from which it was made, in their order, each with --vocab"
        )
    return found


def with_tokenizer(
    model: ForeignModel, vocabulary: Vocabulary, unk: str, eos: str
) -> tuple[WordTokenizer, dict[str, Floats], bool]:
    """The tokenizer, the parameters by their names in weft in its order of ids, and whether <unk> was added.

    unk, eos: the names of the unknown word and of the line end in the vocabulary. A model without the former gets a
    row for it, with the mean of the embedding, that it never predicts. Raises InputError without the latter.
    """
    ids = {token: id for id, token in enumerate(vocabulary.tokens)}
    if len(ids) != len(vocabulary.tokens):
        twice = [token for token, count in Counter(vocabulary.tokens).items() if count > 1]
        raise InputError(f"the vocabulary has words twice: {quoted_names(twice)}")
    if eos not in ids:
        raise InputError(f"the vocabulary has no {quoted(eos)}, the line end: name the token that is, with --eos")
    for name, own in ((unk, UNK), (eos, EOS)):
        if name != own and own in ids:
            raise InputError(f"the vocabulary has {own} and {quoted(name)}: leave out the option that names the latter")
    if unk == eos:
        raise InputError(f"{quoted(unk)} is named as the unknown word and as the line end")
    added = unk not in ids
    if added:
        E = np.concatenate((model.embedding, model.embedding.mean(axis=0, keepdims=True)))
        W = np.concatenate((model.W, model.W.mean(axis=1, keepdims=True)), axis=1)
        model = replace(model, embedding=E, W=E.T if model.tied else W, b=np.append(model.b, np.float32(NEVER)))
        ids[unk] = len(ids)
    first = [ids.pop(unk), ids.pop(eos)]
    order = [*first, *ids.values()]
    counts = [*vocabulary.counts, 0]
    tokenizer = WordTokenizer([UNK, EOS, *ids], [counts[id] for id in order], lowercase=False, unk_in_text=not added)
    tokenizer.words = AT_WHITE_SPACE  # as str.split of the authors' programs
    return tokenizer, model.parameters(order), added


def _listed(file: Path, types: int) -> list[str] | None:
    """The words of a list, one a line; None if the file is none: a line has several words, or some are there twice."""
    words: list[str] = []
    for piece in _pieces([file]):
        line = piece.split()
        if len(line) > 1 or len(words) > types:
            return None
        words += line
    return words if len(set(words)) == len(words) else None


def _of_text(files: Sequence[Path], types: int) -> Vocabulary:
    """The words of texts in the order of their first appearance, with <eos> at every line end."""
    counts: Counter[str] = Counter()
    for piece in _pieces(files):
        counts.update(piece.split())
        if piece.endswith("\n"):
            counts[EOS] += 1
        if len(counts) > types + 1:
            break
    return Vocabulary(list(counts), list(counts.values()))


def _pieces(files: Sequence[Path]) -> Iterable[str]:
    return open_corpus(list(files)).pieces()


def _is_pickle(file: Path) -> bool:
    with opened(file) as source:
        return source.read(1) == b"\x80"


def _pickled(file: Path) -> list[str]:
    """The words in a pickle: a list of them, or a dictionary from words to ids, alone or in a tuple or an object."""
    with reading(str(file)), file.open("rb") as source:
        try:
            value = run(BoundedFile(source), Budget(file.stat().st_size))
        except InputError as error:
            raise InputError(f"cannot read the vocabulary {file}: {error}") from None
    values = value.state.values() if isinstance(value, Instance) else value if isinstance(value, tuple) else [value]
    for each in list(values)[:10]:
        if isinstance(each, dict) and each and all(isinstance(word, str) for word in each):
            words = sorted(each, key=lambda word: each[word] if type(each[word]) is int else -1)
            if [each[word] for word in words] == list(range(len(words))):
                return words
        elif isinstance(each, list) and each and all(isinstance(word, str) for word in each):
            return each
    raise InputError(f"{file} is a pickle without a vocabulary: a list of words, or a dictionary from words to ids")
