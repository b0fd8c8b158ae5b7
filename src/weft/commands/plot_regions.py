"""`weft plot-regions`: a picture of the surprisal by region and condition in tables of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weft.commands.help import OUTPUT
from weft.commands.options.declaration import option
from weft.commands.options.writable import check_writable
from weft.errors import InputError
from weft.presentation.streams import note
from weft.tables.readers import read_table
from weft.tables.region_means import Study, StudyColumns
from weft.tables.region_plot import check_picture, draw_study, save_figure


def plot_regions(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Tables of scores, one for each model; '-' is standard input."),
    ],
    output: Annotated[
        Path,
        option("The picture: its name ends in .png, .svg or .pdf.", "--output", "-o", metavar="FILE", group=OUTPUT),
    ],
    region: Annotated[str, option("The column of the regions, or of words.", metavar="NAME")] = "region",
    condition: Annotated[str | None, option("The column of the conditions.", metavar="NAME")] = None,
    item: Annotated[str | None, option("The column of the items.", metavar="NAME", default="each row is one")] = None,
    value: Annotated[
        str | None, option("The column to average.", metavar="NAME", default="surprisal_sum_bits, or surprisal_bits")
    ] = None,
    model: Annotated[str | None, option("The column of the models.", metavar="NAME", default="the file names")] = None,
    words: Annotated[str, option("The column of the words of a region, shown below it.", metavar="NAME")] = "words",
    title: Annotated[str | None, option("A heading.", metavar="TEXT", group=OUTPUT)] = None,
) -> None:
    """Draw the mean surprisal by region and condition.

    The tables are those of weft score with --regions, or others with a row for each region. The intervals are those of
    95% over items. Several models are drawn below each other on the same axes.

    Examples:
      weft plot-regions regions.csv --item item -o study.png
      weft plot-regions lstm.csv gru.csv --item item \\
        --condition condition -o models.svg
    """
    check_picture(output)
    check_writable(output, "the picture")
    if len(set(map(_name, files))) < len(files):
        raise InputError("two tables have the same name: a model is called by the name of its file")
    study = Study(StudyColumns(value, region, condition, item, model, words))
    for file in files:
        table = read_table(file)
        try:
            study.add(table.rows, table.columns, _name(file) if len(files) > 1 else "")
        except InputError as error:
            raise InputError(str(error) if file in str(error) else f"{file}: {error}") from None
    figure, notes = draw_study(study, title)
    save_figure(figure, output)
    for line in notes:
        note(line)


def _name(file: str) -> str:
    name = Path(file).name
    return name.split(".", 1)[0] or name
