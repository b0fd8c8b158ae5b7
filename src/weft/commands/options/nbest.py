"""How n-best lists are written down: the options of each layout, and what they make together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from weft.commands.options.types import one_of
from weft.errors import InputError
from weft.rescoring import ColumnLayout, JsonLayout, KaldiLayout
from weft.rescoring.column_layout import SRILM_COLUMNS
from weft.rescoring.layout import Layout
from weft.scoring.units import UNITS, Unit

FORMATS = {
    "srilm": ("--columns", "--base"),
    "kaldi": ("--acoustic-costs", "--lm-costs"),
    "jsonl": ("--id-key", "--text-key", "--acoustic-key", "--lm-key", "--base"),
}
"""The options that belong to each format."""


def _option(metavar: str, help: str) -> Any:
    return typer.Option(metavar=metavar, help=help, show_default=False)


FormatOption = Annotated[str, typer.Option(metavar="|".join(FORMATS), help="How the lists are written.")]
ColumnsOption = Annotated[
    str | None,
    _option(
        "NAMES",
        "srilm: the columns, from id, ascore, lscore, nwords, - (passed over), and text at the end. Without id the "
        f"file's name is the utterance's id.  [default: {','.join(SRILM_COLUMNS)}]",
    ),
]
BaseOption = Annotated[
    str | None,
    _option("|".join(UNITS), "srilm, jsonl: the base of the logarithms read.  [default: 10 for srilm, e for jsonl]"),
]
AcousticCostsOption = Annotated[
    str | None, _option("FILE", "kaldi: acoustic costs, 'utt-1 123.4' a line: negative natural logarithms.")
]
LmCostsOption = Annotated[
    str | None, _option("FILE", "kaldi: costs of the language model that made the lists, likewise.")
]
IdKeyOption = Annotated[str | None, _option("KEY", "jsonl: the key of the utterance's id.  [default: id]")]
TextKeyOption = Annotated[str | None, _option("KEY", "jsonl: the key of the words.  [default: text]")]
AcousticKeyOption = Annotated[str | None, _option("KEY", "jsonl: the key of the acoustic log score.  [default: none]")]
LmKeyOption = Annotated[
    str | None, _option("KEY", "jsonl: the key of the log score of the language model before.  [default: none]")
]


def layout_of(format: str, **options: str | None) -> Layout:
    """The layout of a format with its options by name, None where not given; refuses those of another format."""
    one_of("--format", format, FORMATS)
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is not None and flag not in FORMATS[format]:
            owners = " or ".join(f"--format {owner}" for owner, flags in FORMATS.items() if flag in flags)
            raise InputError(f"{flag} is for {owners}; the format is {format}")
    if format == "kaldi":
        return KaldiLayout(options["acoustic_costs"], options["lm_costs"])
    if format == "srilm":
        columns = options["columns"]
        names = SRILM_COLUMNS if columns is None else columns.replace(",", " ").split()
        return ColumnLayout(names, _unit(options["base"] or "10"))
    return JsonLayout(
        options["id_key"] or "id",
        options["text_key"] or "text",
        options["acoustic_key"],
        options["lm_key"],
        _unit(options["base"] or "e"),
    )


def _unit(base: str) -> Unit:
    return UNITS[one_of("--base", base, UNITS)]
