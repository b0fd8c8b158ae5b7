"""The site: Sphinx reads the Markdown pages of this folder. `python -m scripts docs` builds it, from the top."""

from __future__ import annotations

from sphinx.application import Sphinx

from scripts import site
from weft import __version__

project = "weft"
copyright = "the authors of weft"
release = version = __version__
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
root_doc = "index"
nitpicky = True
html_theme = "furo"
html_title = f"weft {release}"
html_copy_source = False
myst_heading_anchors = 4
pygments_style, pygments_dark_style = "friendly", "monokai"


def complete(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = site.completed(docname, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", complete)
