"""The style sheet of the page of surprisal; it needs no other file, font or script."""

from __future__ import annotations

from weft.presentation.palette import VERMILION
from weft.visualization.colour_scale import BACKGROUNDS, FOREGROUNDS

_STYLE = """\
:root { color-scheme: light; print-color-adjust: exact; -webkit-print-color-adjust: exact }
body { margin: 0 auto; max-width: 60em; padding: 1em 1em 14em; color: #000; background: #fff; font: 1.1em/1.9 serif }
header, footer { font: 0.85em/1.6 sans-serif }
h1 { font-size: 1.3em; margin: 0 }
#scale b { display: inline-block; font-weight: normal; padding: 0 0.6em }
main p { margin: 0; min-height: 1.9em; white-space: pre-wrap; overflow-wrap: anywhere }
main span { padding: 0.2em 0 }
.oov { text-decoration: underline dotted 2px }
.end::before { content: "↵" }
.part::before { content: "·" }
main span:hover, main span:focus { outline: 3px solid VERMILION }
main span:hover::after, main span:focus::after {
  content: attr(data-tip); position: fixed; left: 0; bottom: 0; z-index: 1; padding: 0.6em 1em; max-width: 90vw;
  direction: ltr; text-align: left; white-space: pre-wrap; font: 14px/1.4 monospace;
  color: #000; background: #fff; border: 2px solid VERMILION
}
main span:hover::after { z-index: 2 }
@media print { body { padding-bottom: 0 } main p { break-inside: avoid } }
"""


def style() -> str:
    """The style sheet, with the classes `s0`, `s1`, … for the levels of surprisal."""
    pairs = enumerate(zip(BACKGROUNDS, FOREGROUNDS, strict=True))
    return _STYLE.replace("VERMILION", VERMILION) + "".join(
        f".s{number} {{ background: {background}; color: {text} }}\n" for number, (background, text) in pairs
    )
