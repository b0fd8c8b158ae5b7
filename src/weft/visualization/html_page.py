"""One self-contained HTML page of text coloured by surprisal.

Pointing at a token, or moving to it with Tab, shows its numbers. The page is written line by line, so memory does not
grow with the text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import BinaryIO

from weft.evaluation.evaluate import Evaluation
from weft.evaluation.perplexity import mean_bits
from weft.files import replace_atomically
from weft.loss import NOTHING, Loss
from weft.presentation.escapes import visible
from weft.scoring.token_score import TokenScore
from weft.visualization.colour_scale import level, level_names
from weft.visualization.html_style import style

BITS_PER_NAT = 1 / math.log(2)
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) != "\t"} | {0x7F: 0x2421}
"""Control characters, which HTML forbids -> the symbols for them (Unicode Control Pictures)."""


def write_html(path: Path, lines: Iterable[str], scores: Iterable[Sequence[TokenScore]]) -> None:
    """Write the page of `lines` and the scores of each to `path`, replaced atomically. Both are iterated once.

    Raises ValueError if their numbers differ.
    """
    with html_page(path) as page:
        for line, line_scores in zip(lines, scores, strict=True):
            page.add(line, line_scores)


@contextmanager
def html_page(path: Path) -> Iterator[HtmlPage]:
    """A page to fill line by line; it replaces `path` when the context ends without an error."""
    with replace_atomically(path) as file:
        page = HtmlPage(file)
        yield page
        page.finish()


class HtmlPage:
    """A page that is written into a binary file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines = 0
        self._evaluation = Evaluation(NOTHING, NOTHING)
        self._write(_HEAD.format(style=style(), legend=_legend()))

    def add(self, line: str, scores: Sequence[TokenScore]) -> None:
        """Write the next line of the text; scores: those of its tokens in order."""
        shown = []
        done = 0
        for score in scores:
            start = max(score.start, done)  # the bytes of a character share its span: it is shown once
            end = max(score.end, start)
            shown += [_text(line[done:start]), _token(score, line[start:end])]
            done = end
            self._count(score)
        shown.append(_text(line[done:]))
        self._lines += 1
        self._write(f'<p dir="auto">{"".join(shown)}</p>\n')

    def finish(self) -> None:
        """Write the totals and the end of the page."""
        tokens, oov_tokens = self._evaluation.loss.tokens, self._evaluation.oov_loss.tokens
        facts = [f"{self._lines:,} lines, {tokens:,} tokens, {oov_tokens:,} out of the vocabulary"]
        if tokens:
            facts.append(f"{mean_bits(self._evaluation.loss):.3f} bits per token")
            facts.append(f"perplexity {self._evaluation.perplexity:,.2f} including words out of the vocabulary")
        known = self._evaluation.perplexity_without_oov
        if oov_tokens and known is not None:
            facts.append(f"{known:,.2f} excluding them")
        self._write(f"</main>\n<footer><p>{'; '.join(facts)}.</p></footer>\n</body>\n</html>\n")

    def _count(self, score: TokenScore) -> None:
        loss = Loss(score.surprisal_nats, 1)
        self._evaluation = self._evaluation.plus(Evaluation(loss, loss if score.oov else NOTHING))

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", errors="replace"))


_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Surprisal</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>Surprisal</h1>
<p>The darker, the less expected: surprisal is -log2 P(token | everything before it), in bits. Point at a token, or
press Tab, to see its numbers. Words outside the vocabulary are underlined; ↵ is the end of a line.</p>
<p id="scale">bits: {legend}</p>
</header>
<main lang="">
"""


def _legend() -> str:
    return "".join(f'<b class="s{number}">{escape(name)}</b>' for number, name in enumerate(level_names()))


def _token(score: TokenScore, text: str) -> str:
    classes = [f"s{level(score.surprisal_bits)}"]
    if score.oov:
        classes.append("oov")
    if score.is_line_end:
        classes.append("end")
        text = text.replace("\r", "")
    elif not text:
        classes.append("part")
    return f'<span class="{" ".join(classes)}" tabindex="0" data-tip="{_attribute(_tip(score))}">{_text(text)}</span>'


def _tip(score: TokenScore) -> str:
    rows = [
        visible(score.token) + ("  (out of the vocabulary)" if score.oov else ""),
        f"probability  {math.exp(score.logprob_nats):.4g}",
        f"surprisal    {score.surprisal_bits:.3f} bits",
    ]
    if score.rank is not None:
        rows.append(f"rank         {score.rank:,}")
    if score.entropy_nats is not None:
        rows.append(f"entropy      {score.entropy_nats * BITS_PER_NAT:.3f} bits")
    if score.entropy_reduction_nats is not None:
        rows.append(f"entropy reduction  {score.entropy_reduction_nats * BITS_PER_NAT:.3f} bits")
    if score.alternatives:
        rows.append("likeliest here:")
        rows += [f"  {math.exp(nats):.4f}  {visible(token)}" for token, nats in score.alternatives]
    return "\n".join(rows)


def _text(text: str) -> str:
    return escape(text.translate(_CONTROLS), quote=False)


def _attribute(text: str) -> str:
    return "&#10;".join(escape(row.translate(_CONTROLS)) for row in text.split("\n"))
