"""Options that declare the format of n-best lists."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from weft.commands.options.declaration import choice_option, option
from weft.commands.options.values import one_of
from weft.errors import InputError
from weft.rescoring import ColumnLayout, JsonLayout, KaldiLayout
from weft.rescoring.column_layout import SRILM_COLUMNS
from weft.rescoring.layout import Layout
from weft.scoring.units import UNITS, Unit

SRILM, KALDI, JSONL = "The format srilm", "The format kaldi", "The format jsonl"
FORMATS = {
    "srilm": ("--columns", "--base"),
    "kaldi": ("--acoustic-costs", "--lm-costs"),
    "jsonl": ("--id-key", "--text-key", "--acoustic-key", "--lm-key", "--base"),
}
"""The options that belong to each format."""

FormatOption = Annotated[str, choice_option(FORMATS, "The format of the lists.")]


def _key(content: str, default: str) -> Any:
    return option(f"Key of {content}.", metavar="KEY", default=default, group=JSONL)


@dataclass(frozen=True)
class NBestOptions:
    """The options of all formats as given, None where not given."""

    columns: Annotated[
        str | None,
        option(
            "The columns: id, ascore, lscore, nwords, - (ignored), and text last. Without id, a file is an utterance "
            "and its name the id.",
            metavar="NAMES",
            default=",".join(SRILM_COLUMNS),
            group=SRILM,
        ),
    ] = None
    base: Annotated[
        str | None,
        choice_option(
            UNITS,
            "Base of the logarithms in the list, also for jsonl.",
            default="10 for srilm, e for jsonl",
            group=SRILM,
        ),
    ] = None
    acoustic_costs: Annotated[
        str | None,
        option("Acoustic costs, lines of 'utt-1 123.4': negative natural logarithms.", metavar="FILE", group=KALDI),
    ] = None
    lm_costs: Annotated[
        str | None, option("Costs of the first-pass language model, likewise.", metavar="FILE", group=KALDI)
    ] = None
    id_key: Annotated[str | None, _key("the utterance's id", "id")] = None
    text_key: Annotated[str | None, _key("the words", "text")] = None
    acoustic_key: Annotated[str | None, _key("the acoustic log score", "none")] = None
    lm_key: Annotated[str | None, _key("the log score of the first-pass language model", "none")] = None

    def layout(self, format: str) -> Layout:
        """The layout of `format`; raises InputError for an unknown format and for options of another one."""
        one_of("--format", format, FORMATS)
        for item in fields(self):
            flag = f"--{item.name.replace('_', '-')}"
            if getattr(self, item.name) is not None and flag not in FORMATS[format]:
                owners = " or ".join(f"--format {owner}" for owner, flags in FORMATS.items() if flag in flags)
                raise InputError(f"{flag} is for {owners}; the format is {format}")
        if format == "kaldi":
            return KaldiLayout(self.acoustic_costs, self.lm_costs)
        if format == "srilm":
            names = SRILM_COLUMNS if self.columns is None else self.columns.replace(",", " ").split()
            return ColumnLayout(names, _unit(self.base or "10"))
        return JsonLayout(
            self.id_key or "id",
            self.text_key or "text",
            self.acoustic_key,
            self.lm_key,
            _unit(self.base or "e"),
        )


def _unit(base: str) -> Unit:
    return UNITS[one_of("--base", base, UNITS)]
