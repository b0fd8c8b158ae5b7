"""Where pictures go, and filling them while scores pass by on their way to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import Annotated

import typer

from weft.commands.options.output_file import check_place
from weft.errors import InputError
from weft.scoring import TokenScore, Wanted
from weft.visualization.html_page import HtmlPage, html_page
from weft.visualization.surprisal_plot import SurprisalPlot

ALTERNATIVES = 5
"""Shown on a page unless another number is asked for."""

HtmlOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a page of the text coloured by surprisal; pointing shows probability, rank and alternatives.",
        show_default=False,
    ),
]
PngOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw a plot of surprisal over words.", show_default=False)
]


def wanted_for_page(wanted: Wanted) -> Wanted:
    """The same, and what a page tells of each token; of words made of pieces there is no more to tell."""
    if wanted.words:
        return wanted
    return replace(wanted, entropy=True, rank=True, alternatives=wanted.alternatives or ALTERNATIVES)


@contextmanager
def pictures(html: Path | None, png: Path | None) -> Iterator[Pictures]:
    """Pictures to be filled within the block. They take their places at its end; after an error nothing has changed."""
    if html is not None and html == png:
        raise InputError(f"--html and --png both name {html}: give each picture a file of its own")
    for path in filter(None, (html, png)):
        check_place(path, "the picture")
    plot = None if png is None else SurprisalPlot()
    if html is None:
        yield Pictures(None, plot)
    else:
        with html_page(html) as page:
            yield Pictures(page, plot)
    if plot is not None and png is not None:
        for note in plot.draw(png):
            print(f"weft: {png}: {note}", file=sys.stderr)


class Pictures:
    """Pictures that see every line and its scores."""

    def __init__(self, page: HtmlPage | None, plot: SurprisalPlot | None) -> None:
        self._page, self._plot = page, plot
        self._kept: Iterator[str | None] = iter(())

    def lines(self, lines: Iterable[str | None]) -> Iterable[str | None]:
        """The same lines, of which those are remembered whose scores are still to come."""
        if self._page is None:
            return lines
        taken, self._kept = tee(lines)
        return taken

    def scores(self, scored: Iterator[list[TokenScore]]) -> Iterator[list[TokenScore]]:
        """The same scores, each line of which is drawn as it passes."""
        return scored if self._page is None and self._plot is None else self._drawn(scored)

    def _drawn(self, scored: Iterator[list[TokenScore]]) -> Iterator[list[TokenScore]]:
        for scores in scored:
            if self._page is not None:
                self._page.add(next(self._kept) or "", scores)
            if self._plot is not None:
                self._plot.add(scores)
            yield scores
