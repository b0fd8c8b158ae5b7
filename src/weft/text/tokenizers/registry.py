"""The registry of tokenizers: every kind by its name, to be fitted to a text or loaded from a file.

A tokenizer's file registers its class, and `weft.text.tokenizers` imports the file. All other code asks this registry
which kinds there are, and the class for its facts: `unit`, `unk_id` and `extra`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from weft.errors import CheckpointError, InputError, MissingFileError, nearest
from weft.files.json_fields import check_digest, parsed
from weft.text.rules import AT_SEPARATORS, AT_WHITE_SPACE, WordRule
from weft.text.tokenizers.base import FORMAT, Tokenizer

Registered = TypeVar("Registered", bound=type[Tokenizer])

TOKENIZERS: dict[str, type[Tokenizer]] = {}
"""Registered tokenizers by kind, in the order of registration."""


def register_tokenizer(tokenizer: Registered) -> Registered:
    """Class decorator that registers a tokenizer under its `kind`. Raises ValueError if another class has the kind."""
    registered = TOKENIZERS.setdefault(tokenizer.kind, tokenizer)
    if registered is not tokenizer:
        raise ValueError(f"the tokenizer kind {tokenizer.kind!r} is registered by {registered.__qualname__} already")
    return tokenizer


def tokenizer_kinds() -> tuple[str, ...]:
    """The kinds of all registered tokenizers."""
    return tuple(TOKENIZERS)


def tokenizer_class(kind: str) -> type[Tokenizer]:
    """The tokenizer of `kind`. Raises InputError, with the known kinds, if there is none."""
    if kind not in TOKENIZERS:
        raise InputError(_unknown(kind))
    return TOKENIZERS[kind]


def fit_tokenizer(
    kind: str, pieces: Iterable[str], *, lowercase: bool = False, vocab_size: int | None = None, min_count: int = 1
) -> Tokenizer:
    """The tokenizer of `kind` (see `tokenizer_kinds`) for a training text, which is read once, in constant memory.

    lowercase   lower-case the text first
    vocab_size  most token types to keep, the special ones included; None: no limit (bpe: at most 8,000, depending on
                the size of the text)
    min_count   token types seen less often become `<unk>`; bpe: pairs seen less often are not merged

    Raises InputError for an unknown kind or one whose extra is not installed, for a text without tokens, and for a
    vocab_size that leaves no room besides the special tokens.
    """
    if min_count < 1:
        raise InputError(f"min_count must be at least 1, got {min_count}")
    tokenizer = tokenizer_class(kind)
    tokenizer.check_installed()
    return tokenizer.fit(pieces, lowercase=lowercase, vocab_size=vocab_size, min_count=min_count)


def load_tokenizer(path: Path | str) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote.

    Raises MissingFileError if there is no file, CheckpointError if the file is damaged or from a newer version of weft,
    and InputError if the file cannot be read or the extra that its kind needs is not installed.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
        saved = parsed(text)
    except FileNotFoundError:
        raise MissingFileError(f"there is no tokenizer at {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: not JSON in UTF-8 ({error})") from None
    if not isinstance(saved, dict) or type(saved.get("format")) is not int:
        raise CheckpointError(f"{path} is not a tokenizer of weft: it states no format")
    if saved["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has format {saved['format']}, but this weft knows formats up to {FORMAT}: upgrade weft"
        )
    try:
        tokenizer = _tokenizer_from(saved)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path} is damaged: {reason}") from None
    check_digest(text, str(path))
    return tokenizer


def _tokenizer_from(saved: dict[str, Any]) -> Tokenizer:
    rows, lowercase = saved["tokens"], saved["lowercase"]
    if not isinstance(lowercase, bool):
        raise TypeError("'lowercase' is neither true nor false")
    tokens: list[str] = []
    counts: list[int] = []
    for row in rows:
        match row:
            case [str(token), int(count)] if count >= 0 and type(count) is int:
                tokens.append(token)
                counts.append(count)
            case _:
                raise ValueError(f"{row!r} is not a token and its count")
    kind = saved["kind"]
    if not isinstance(kind, str) or kind not in TOKENIZERS:
        raise ValueError(_unknown(kind))
    TOKENIZERS[kind].check_installed()
    tokenizer = TOKENIZERS[kind].from_saved(tokens, counts, lowercase, saved)
    tokenizer.words = _word_rule(saved)
    return tokenizer


def _word_rule(saved: dict[str, Any]) -> WordRule:
    """The rule that a saved tokenizer states. Those without one cut at every white space of Unicode."""
    if "separators" not in saved:
        return AT_WHITE_SPACE
    if saved["separators"] != AT_SEPARATORS.separators:
        raise ValueError(f"its words end at {saved['separators']!r}, which this weft does not know")
    return AT_SEPARATORS


def _unknown(kind: object) -> str:
    kinds = tokenizer_kinds()
    return f"the tokenizer must be one of {', '.join(kinds)}, got {kind!r}{nearest(str(kind), kinds)}"
