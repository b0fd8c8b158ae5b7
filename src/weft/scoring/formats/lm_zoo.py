"""`lm-zoo`: the table of LM-Zoo's `get-surprisals`, one row for each token, in bits, numbers from 1.

    sentence_id<TAB>token_id<TAB>token<TAB>surprisal

The tokens are those of the vocabulary, `<unk>` for an unknown word and `<eos>` for the line end; a space within a token
is written as Ġ, as in the vocabulary of GPT-2, so that no token has white space in it. `listed_tokens` is the line of
`tokenize`, with the same tokens separated by spaces, `listed_unknown` that of `unkify`, with 1 for an unknown word.

Columns after docs/schemas/get_surprisals_output.json of https://github.com/cpllab/lm-zoo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from weft.presentation.escapes import printable
from weft.presentation.records import decimal, joined, quoted
from weft.scoring.formats.layout import Layout, Lines

HEADER = ("sentence_id", "token_id", "token", "surprisal")
SPACE = "Ġ"


def write_lm_zoo(lines: Lines, layout: Layout) -> Iterator[str]:
    """The header, then the rows of each line as one string."""
    yield joined(HEADER)
    for scores in lines:
        rows = []
        for score in scores:
            surprisal = "" if score.oov and layout.unknown_as_na else decimal(score.surprisal_bits)
            place = str(score.sentence + 1), str(score.position + 1)
            rows.append(joined([*place, quoted(listed_token(score.token)), surprisal]))
        yield "".join(rows)


def listed_token(token: str) -> str:
    """A token without white space; what is not printable is escaped."""
    return printable(token).replace(" ", SPACE)


def listed_tokens(tokens: Iterable[str]) -> str:
    """The tokens of a line, separated by spaces, with a line end."""
    return " ".join(map(listed_token, tokens)) + "\n"


def listed_unknown(oov: Iterable[bool]) -> str:
    """For each token of a line 1 if it is unknown, and 0 otherwise, separated by spaces, with a line end."""
    return " ".join("1" if unknown else "0" for unknown in oov) + "\n"
