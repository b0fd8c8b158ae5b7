"""Options of `weft score` for tables: the column of the texts, the layout, and how regions are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from weft.commands.help import TABLE
from weft.commands.options.declaration import choice_option, option
from weft.commands.options.score_options import OF_DISTRIBUTION, ScoreOptions
from weft.commands.options.values import one_of
from weft.errors import InputError
from weft.scoring.units import UNITS
from weft.tables.layouts import Layout, LayoutSettings
from weft.tables.readers import FORMATS
from weft.tables.regions import KINDS, RegionMarks

LAYOUTS = ("long", "wide")


@dataclass(frozen=True)
class TableOptions:
    """The options as given."""

    text_column: Annotated[
        str | None,
        option(
            "Read a table (CSV, TSV, JSON lines, Parquet) with the texts in this column; write its columns and the "
            "scores, in its format or in --format.",
            metavar="NAME",
            group=TABLE,
        ),
    ] = None
    layout_name: Annotated[
        str | None,
        choice_option(
            LAYOUTS,
            "A row for each token, or for each text.",
            "--layout",
            default="long; with --regions, a row a region",
            group=TABLE,
        ),
    ] = None
    regions: Annotated[
        str | None,
        option(
            f"Sum over regions, one row each: {', '.join(KINDS)}. See docs/tables.md.",
            metavar="HOW",
            group=TABLE,
        ),
    ] = None

    def check_unused(self) -> None:
        """Raise InputError for options of tables without --text-column."""
        for name, value in {"--layout": self.layout_name, "--regions": self.regions}.items():
            if value is not None:
                raise InputError(f"{name} is for tables: name the column of the texts with --text-column")

    def marks(self) -> RegionMarks | None:
        """How regions are given. Raises InputError for an unknown way."""
        return None if self.regions is None else RegionMarks.of(self.regions)

    def layout(self, output: ScoreOptions) -> Layout:
        """The layout of the rows. Raises InputError for unknown values and options that exclude each other."""
        given = {"--both": output.both, "--alternatives": output.alternatives, "--detail": output.detail}
        for name, value in given.items():
            if value:
                raise InputError(f"{name} is for lines of text, not for tables")
        if output.format is not None:
            one_of("--format", output.format, FORMATS)
        unit = None if output.base is None else UNITS[one_of("--base", output.base, UNITS)]
        layout = None if self.layout_name is None else one_of("--layout", self.layout_name, LAYOUTS)
        settings = LayoutSettings(layout, self.regions is not None, columns_of(output), unit, output.unknown_as_na)
        return settings.chosen()


def columns_of(output: ScoreOptions) -> list[str]:
    """The names in --columns, none if it is not given. 'sentence' is left out: the column 'row' has the number."""
    if output.columns is None:
        return []
    if output.columns == "all":
        from weft.scoring.formats.columns import COLUMNS

        return [name for name in COLUMNS if name not in ("alternatives", "sentence")]
    return [name.strip() for name in output.columns.split(",")]


def check_defined(columns: list[str], words_of_pieces: bool) -> None:
    """Raise InputError for columns that are undefined for words made of several tokens."""
    undefined = [name for name in OF_DISTRIBUTION if name in columns]
    if words_of_pieces and undefined:
        raise InputError(f"{undefined[0]} is not defined for words made of pieces: leave it out, or leave out --words")
