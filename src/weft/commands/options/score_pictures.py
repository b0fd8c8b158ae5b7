"""The options --html and --png of `weft score`: pictures that are filled while the scores are printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import Annotated

from weft.commands.help import OUTPUT
from weft.commands.options.declaration import option
from weft.commands.options.writable import check_writable
from weft.errors import InputError
from weft.presentation.streams import note
from weft.scoring import TokenScore, Wanted
from weft.visualization.html_page import HtmlPage, html_page
from weft.visualization.surprisal_plot import SurprisalPlot

ALTERNATIVES = 5
"""Alternatives on a page when --alternatives is not given."""

HtmlOption = Annotated[
    Path | None,
    option(
        "Write a page of the text coloured by surprisal, with probability, rank and alternatives of each token.",
        metavar="FILE",
        group=OUTPUT,
    ),
]
PngOption = Annotated[Path | None, option("Draw the surprisal of each token.", metavar="FILE", group=OUTPUT)]


def wanted_for_page(wanted: Wanted) -> Wanted:
    """`wanted` and the measures that a page shows; they are undefined for words made of several tokens."""
    if wanted.words:
        return wanted
    return replace(wanted, entropy=True, rank=True, alternatives=wanted.alternatives or ALTERNATIVES)


@contextmanager
def score_pictures(html: Path | None, png: Path | None) -> Iterator[ScorePictures]:
    """Pictures to fill within the context. The files are replaced at its end, and left as they are after an error."""
    if html is not None and html == png:
        raise InputError(f"--html and --png both name {html}: give each picture a file of its own")
    for path in filter(None, (html, png)):
        check_writable(path, "the picture")
    plot = None if png is None else SurprisalPlot()
    if html is None:
        yield ScorePictures(None, plot)
    else:
        with html_page(html) as page:
            yield ScorePictures(page, plot)
    if plot is not None and png is not None:
        for line in plot.draw(png):
            note(f"weft: {png}: {line}")


class ScorePictures:
    """A page and a plot, each of which may be None; both receive every line and its scores."""

    def __init__(self, page: HtmlPage | None, plot: SurprisalPlot | None) -> None:
        self._page, self._plot = page, plot
        self._lines: Iterator[str | None] = iter(())

    def lines(self, lines: Iterable[str | None]) -> Iterable[str | None]:
        """The same lines; the page keeps each until its scores have been computed."""
        if self._page is None:
            return lines
        taken, self._lines = tee(lines)
        return taken

    def scores(self, scored: Iterator[list[TokenScore]]) -> Iterator[list[TokenScore]]:
        """The same scores; each line is added to the pictures before it is yielded."""
        return scored if self._page is None and self._plot is None else self._added(scored)

    def _added(self, scored: Iterator[list[TokenScore]]) -> Iterator[list[TokenScore]]:
        for scores in scored:
            if self._page is not None:
                self._page.add(next(self._lines) or "", scores)
            if self._plot is not None:
                self._plot.add(scores)
            yield scores
