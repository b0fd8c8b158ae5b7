"""Output for programs: numbers, JSON lines, and tab-separated rows that Python's csv, pandas and R read back.

A row is quoted as `csv` does: a field with a quotation mark is put in quotation marks and the mark doubled, and so is
the empty field of a row with no other. Unprintable characters are escaped, so a line is a row. A zero has no sign.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from weft.errors import InputError
from weft.presentation.escapes import CONTROLS, printable

_ESCAPED_IN_JSON = re.compile(f"[{CONTROLS}]")


def decimal(number: float, digits: int = 6) -> str:
    """A number with `digits` decimals; zero has no minus sign."""
    text = f"{number:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def quoted(field: str) -> str:
    """A printable field of a row with several fields."""
    return '"' + field.replace('"', '""') + '"' if '"' in field else field


def joined(fields: Sequence[str]) -> str:
    """The row of fields that are printable and quoted, with its line end."""
    row = "\t".join(fields)
    return f"{row}\n" if row else '""\n'  # csv and pandas skip a blank line


def tsv_row(fields: Sequence[str]) -> str:
    """The row of any fields, with its line end."""
    return joined([quoted(printable(field)) for field in fields])


def tsv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and rows."""
    return "".join(map(tsv_row, (header, *rows)))


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON on one line, which every reader of lines reads as one; with `indent` on several, for people.

    DEL, C1, the separators of lines and paragraphs, directions of text and surrogates are escaped. Raises InputError
    for a number that is not finite, which JSON cannot hold.
    """
    try:
        text = json.dumps(_without_signed_zero(value), ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:
        raise InputError(f"JSON holds finite numbers only, and there is another one in {value!r:.200}") from None
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _without_signed_zero(value: Any) -> Any:
    match value:
        case float():
            return value + 0.0
        case dict():
            return {key: _without_signed_zero(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_signed_zero(item) for item in value]
        case _:
            return value
