"""`weft pairs`: minimal pairs and number agreement, compared by one or several models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.help import OUTPUT, TEXT
from weft.commands.options.declaration import choice_option, option, with_options
from weft.commands.options.run import RunsOption, chosen_runs
from weft.commands.options.scoring import ScoringOptions
from weft.commands.options.values import one_of
from weft.commands.options.writable import check_writable
from weft.commands.pair_output import PairOutput, accuracy_plot
from weft.errors import InputError, nearest, quoted, quoted_names
from weft.presentation.escapes import visible
from weft.presentation.streams import note
from weft.stimuli.pair_layouts import LAYOUTS, PairLayout, layout_of
from weft.stimuli.pairs import COMPARISONS, ComparedPair, Pair, Tallies, Tally, compare_pairs

FORMATS, ROWS = ("table", "tsv", "jsonl"), ("conditions", "pairs")
SHOWN = 5
"""Most unknown words that a note names."""


@with_options
def pairs(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="The pairs; two files with one sentence a line; or '-' for standard input, as a table."
        ),
    ],
    runs: RunsOption = None,
    layout: Annotated[
        str | None,
        choice_option(
            LAYOUTS,
            "jsonl: as BLiMP; tsv: two columns, or a header; lines: a file of right and one of wrong sentences; "
            "agreement: NAME.text and NAME.gold.",
            default="by the names of the files",
            group=TEXT,
        ),
    ] = None,
    compare: Annotated[
        str | None,
        choice_option(
            COMPARISONS,
            "Whole sentences, or the words that differ, given those before them.",
            default="sentence; target for agreement",
            group=TEXT,
        ),
    ] = None,
    eos: Annotated[bool, option("Whole sentences include the line end.", group=TEXT)] = True,
    by: Annotated[
        list[str] | None,
        option(
            "Results by the values of this condition too; may be repeated.",
            metavar="NAME",
            default="UID for jsonl, attractors for agreement",
            group=OUTPUT,
        ),
    ] = None,
    rows: Annotated[str, choice_option(ROWS, "One row for each condition, or for each pair.", group=OUTPUT)] = ROWS[0],
    format: Annotated[
        str | None,
        choice_option(FORMATS, "The output format.", default="table on a terminal, tsv elsewhere", group=OUTPUT),
    ] = None,
    png: Annotated[Path | None, option("Draw the accuracy by condition.", metavar="FILE", group=OUTPUT)] = None,
    *,
    scoring: ScoringOptions,
) -> None:
    """Compare the sentences of minimal pairs with one or several models.

    A pair is correct if its right sentence is likelier than its wrong one; the difference is in bits. Accuracies have
    95% intervals of Wilson, mean differences bootstrap intervals over pairs. Unknown words are counted, and the columns
    known_… are without the pairs that have some.

    Examples:
      weft pairs blimp/anaphor_number_agreement.jsonl
      weft pairs blimp.jsonl --by linguistics_term \\
        --run runs/lstm --run runs/gru --png accuracy.png
      weft pairs generated.gold --rows pairs > pairs.tsv
      weft pairs right.txt wrong.txt --compare target
    """
    shown = one_of("--format", format or ("table" if sys.stdout.isatty() else "tsv"), FORMATS)
    chosen_rows = one_of("--rows", rows, ROWS)
    chosen_layout = _layout(files, layout)
    comparison = compare or chosen_layout.comparison
    one_of("--compare", comparison, COMPARISONS)
    if png is not None:
        check_writable(png, "the picture")
    models = chosen_runs(runs)
    if len(models) > 1 and "-" in files:
        raise InputError("standard input can be read only once: name a file for several runs")
    first = chosen_layout.read(*files)
    names, first = _conditions(first, chosen_layout.by if by is None else by, chosen=by is not None)
    output = PairOutput(shown, chosen_rows, names, several=len(models) > 1)
    results: dict[str, Tallies] = {}
    for model, run in models.items():
        results[model] = Tallies(names)
        read = first if len(results) == 1 else chosen_layout.read(*files)
        found = compare_pairs(
            scoring.scorer(run),
            read,
            "target" if comparison == "target" else "sentence",
            eos=eos,
            batch_size=scoring.batch_size,
        )
        output.pairs(model, _noting_unknown(model, results[model].counting(found)))
        _note_ties(model, results[model].all)
    output.conditions(results)
    if png is not None:
        for line in accuracy_plot(results).draw(png):
            note(f"{png}: {line}")


def _layout(files: list[str], name: str | None) -> PairLayout:
    chosen = one_of("--layout", layout_of(files) if name is None else name, LAYOUTS)
    layout = LAYOUTS[chosen]
    if len(files) != layout.files:
        raise InputError(f"the layout {chosen} is of {layout.files} file{'s' * (layout.files > 1)}, got {len(files)}")
    if files.count("-") > 1:
        raise InputError("standard input can be read only once: name a file for the other sentences")
    return layout


def _conditions(pairs: Iterator[Pair], names: Sequence[str], chosen: bool) -> tuple[list[str], Iterator[Pair]]:
    """The names that the first pair has, and the same pairs; raises InputError if it lacks one that was chosen."""
    first = next(pairs, None)
    if first is None:
        return list(dict.fromkeys(names)), pairs
    there = first.conditions
    for name in names:
        if chosen and name not in there:
            known = f"there are {quoted_names(there, 10)}" if there else "it has none"
            raise InputError(f"the first pair has no condition {quoted(name, 40)}{nearest(name[:80], there)}; {known}")
    return [name for name in dict.fromkeys(names) if name in there], chain([first], pairs)


def _noting_unknown(model: str, compared: Iterator[ComparedPair]) -> Iterator[ComparedPair]:
    """The same pairs; after the last, a note on words outside the vocabulary."""
    number, total = 0, 0
    first: dict[str, None] = {}
    for each in compared:
        total += 1
        number += each.oov
        for word in (*each.good_oov, *each.bad_oov):
            if len(first) <= SHOWN:
                first.setdefault(word)
        yield each
    if number:
        words = ", ".join(map(visible, list(first)[:SHOWN])) + (", …" if len(first) > SHOWN else "")
        note(
            f"{model}: {number:,} of {total:,} pairs have words outside the vocabulary in what is compared, which are "
            f"scored as <unk>: {words}"
        )


def _note_ties(model: str, tally: Tally) -> None:
    if tally.ties:
        note(f"{model}: {tally.ties:,} pairs are ties, which are not correct: both sentences are the same to the model")
    if tally.undefined:
        note(f"{model}: {tally.undefined:,} pairs are left out: one sentence has only words of the other, or P is 0")
