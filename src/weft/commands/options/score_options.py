"""Options of `weft score` that determine its output: the format, its layout, and the measures it needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

from weft.commands.help import OUTPUT, TEXT
from weft.commands.options.completion import completing_list
from weft.commands.options.declaration import choice_option, option, whole_number_option
from weft.commands.options.values import one_of
from weft.errors import InputError
from weft.scoring import Wanted
from weft.scoring.formats import DETAILS, FORMATS, Format
from weft.scoring.formats.columns import COLUMNS, columns_in_units
from weft.scoring.formats.layout import Layout
from weft.scoring.units import UNITS

ON_ERROR = ("stop", "skip")
BOTH = ("sentence", "running")
WITH_COLUMNS = tuple(name for name, format in FORMATS.items() if format.columns)
WITH_DETAIL = tuple(name for name, format in FORMATS.items() if format.detail)
WITHOUT_DETAIL = tuple(name for name, format in FORMATS.items() if not format.detail)
OF_DISTRIBUTION = ("entropy", "entropy_reduction", "rank", "alternatives")
"""Columns that need the whole predicted distribution."""


def _columns() -> list[str]:
    return ["all", *(name for name in COLUMNS if name != "alternatives")]


@dataclass(frozen=True)
class ScoreOptions:
    """The options as given."""

    format: Annotated[
        str | None, choice_option(FORMATS, "The output format.", default="table on a terminal, tsv elsewhere")
    ] = None
    words: Annotated[bool, option("Score words even if the tokens are parts of words.", "--words", group=TEXT)] = False
    running: Annotated[bool, option("Read the lines as one running text.", "--running", group=TEXT)] = False
    both: Annotated[
        bool, option("Score with and without --running; the column 'mode' tells which.", "--both", group=TEXT)
    ] = False
    columns: Annotated[
        str | None,
        option(
            "Columns of table, tsv and jsonl, among them entropy, entropy_reduction and rank; or 'all'.",
            metavar="NAME,…",
            group=OUTPUT,
            **completing_list(_columns),
        ),
    ] = None
    alternatives: Annotated[
        int, whole_number_option("Add the K likeliest tokens at every position.", metavar="K", group=OUTPUT)
    ] = 0
    base: Annotated[
        str | None,
        choice_option(
            UNITS,
            "Base of the logarithms: bits, nats or bans.",
            default="e for log-probabilities, 2 for the others",
            group=OUTPUT,
        ),
    ] = None
    unknown_as_na: Annotated[
        bool,
        option(
            "Leave the scores of unknown words undefined: an empty field, null in jsonl, NA in surprisal.",
            "--unknown-as-na",
            group=OUTPUT,
        ),
    ] = False
    detail: Annotated[
        str | None,
        choice_option(
            DETAILS,
            "Detail of kenlm (its -v) and srilm (its -debug).",
            default="word for kenlm, summary for srilm",
            group=OUTPUT,
        ),
    ] = None

    @property
    def format_name(self) -> str:
        """The format given; by default the one for a terminal or for a pipe."""
        return self.format or ("table" if sys.stdout.isatty() else "tsv")

    def checked(self) -> Format:
        """The format; raises InputError for unknown values and for options that exclude each other."""
        chosen = FORMATS[one_of("--format", self.format_name, FORMATS)]
        given = {
            "--columns": self.columns,
            "--base": self.base,
            "--alternatives": self.alternatives,
            "--both": self.both,
        }
        for name, value in given.items():
            if value and not chosen.columns:
                raise InputError(f"{name} is for the formats {', '.join(WITH_COLUMNS)}, not for {self.format_name}")
        if self.detail is not None and not chosen.detail:
            raise InputError(f"--detail is for the formats {', '.join(WITH_DETAIL)}, not for {self.format_name}")
        if self.unknown_as_na and chosen.detail:
            raise InputError(
                f"--unknown-as-na is for the formats {', '.join(WITHOUT_DETAIL)}: {self.format_name} marks unknown "
                "words and has sums without them"
            )
        if self.alternatives < 0:
            raise InputError(f"--alternatives must be at least 0, got {self.alternatives}")
        if self.running and self.both:
            raise InputError("--both is with and without --running; give one of the two")
        return chosen

    def layout(self, source: str) -> Layout:
        """The layout of the scores of a text called `source`."""
        chosen = self.checked()
        columns = self._columns(chosen)
        unit = None if self.base is None else UNITS[one_of("--base", self.base, UNITS)]
        columns_in_units(columns, unit)
        return Layout(
            columns=columns,
            unit=unit,
            modes=BOTH if self.both else (),
            running=self.running,
            detail=None if self.detail is None else _detail(self.detail),
            source=source,
            unknown_as_na=self.unknown_as_na,
        )

    def wanted(self, tokens_are_words: bool) -> Wanted:
        """The measures that the output needs.

        Raises InputError for columns that are undefined for words made of several tokens.
        """
        chosen = self.checked()
        columns = self._columns(chosen)
        words = (self.words or chosen.words) and not tokens_are_words
        undefined = [name for name in OF_DISTRIBUTION if name in columns]
        if words and undefined:
            raise InputError(
                f"{undefined[0]} is not defined for words made of pieces: leave it out, or leave out --words"
            )
        return Wanted(
            words=words,
            entropy=chosen.entropy or "entropy" in columns or "entropy_reduction" in columns,
            rank="rank" in columns,
            alternatives=self.alternatives,
        )

    def _columns(self, chosen: Format) -> tuple[str, ...]:
        names = [name for name in COLUMNS if name != "alternatives"]
        if self.columns is None:
            names = list(chosen.columns)
        elif self.columns != "all":
            names = [name.strip() for name in self.columns.split(",")]
        if "alternatives" in names:
            raise InputError("the column 'alternatives' comes with --alternatives K")
        return (*names, "alternatives") if self.alternatives > 0 else tuple(names)


def _detail(given: str) -> str:
    numbers = dict(zip("012", DETAILS, strict=True))
    return numbers.get(given) or one_of("--detail", given, DETAILS)
