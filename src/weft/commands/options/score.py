"""What the options of `weft score` ask for: the format, its layout, and what has to be worked out for it."""

from __future__ import annotations

from dataclasses import dataclass

from weft.commands.options.types import one_of
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
OF_DISTRIBUTION = ("entropy", "entropy_reduction", "rank", "alternatives")
"""Columns that need the whole predicted distribution."""


@dataclass(frozen=True)
class ScoreOptions:
    """The options of `weft score` that say what is shown, as they were given."""

    format: str
    words: bool = False
    running: bool = False
    both: bool = False
    columns: str | None = None
    alternatives: int = 0
    base: str | None = None
    detail: str | None = None

    def checked(self) -> Format:
        """The format that is asked for; raises InputError for what does not exist or does not go together."""
        chosen = FORMATS[one_of("--format", self.format, FORMATS)]
        given = {
            "--columns": self.columns,
            "--base": self.base,
            "--alternatives": self.alternatives,
            "--both": self.both,
        }
        for option, value in given.items():
            if value and not chosen.columns:
                raise InputError(f"{option} is for the formats {', '.join(WITH_COLUMNS)}, not for {self.format}")
        if self.detail is not None and not chosen.detail:
            raise InputError(f"--detail is for the formats {', '.join(WITH_DETAIL)}, not for {self.format}")
        if self.alternatives < 0:
            raise InputError(f"--alternatives must be at least 0, got {self.alternatives}")
        if self.running and self.both:
            raise InputError("--both is with and without --running; give one of the two")
        return chosen

    def layout(self, source: str) -> Layout:
        """How the scores of the text called `source` are laid out."""
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
        )

    def wanted(self, pieces: bool) -> Wanted:
        """What has to be worked out; `pieces`: the tokens of the model are characters or pieces of words.

        Raises InputError for what is not defined for words made of pieces.
        """
        chosen = self.checked()
        columns = self._columns(chosen)
        words = (self.words or chosen.words) and pieces
        undefined = [name for name in OF_DISTRIBUTION if name in columns]
        if words and undefined:
            raise InputError(
                f"{undefined[0]} is not defined for words made of pieces: leave it out, or leave out --words"
            )
        return Wanted(
            words=words,
            entropy=not words and (chosen.entropy or "entropy" in columns or "entropy_reduction" in columns),
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
