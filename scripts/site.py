"""What the site has beyond the pages in `docs`: navigation, generated pages, and generated parts of pages.

Pages stay plain Markdown that a forge shows as it is. The build adds to their text:

    navigation       a list of the pages below a page, from `NAVIGATION`
    generated parts  in place of a comment such as <!-- generated: file map -->
    dark pictures    ![…](pictures/x.svg) becomes a pair where there is a file pictures/x-dark.svg
"""

from __future__ import annotations

import re
import shutil
from configparser import ConfigParser

from benchmarks.pages import benchmark_pages, markdown
from results import RESULTS
from results.readme import table
from scripts import ROOT
from scripts.api_reference import PAGES, reference_pages
from scripts.documentation import DOCS, GENERATED
from scripts.file_map import file_map
from weft.runs.recipes import find_recipe, recipe_names

NAVIGATION: dict[str, dict[str, list[str]]] = {
    "index": {
        "Use": [
            "tutorial", "training", "import", "run-folder", "text", "evaluation", "tables", "psycholinguistics",
            "adaptation", "ngrams", "rescoring", "large-vocabularies", "python", "deployment", "export",
        ],
        "Understand": ["layers", "architecture", "kernels"],
        "Results": ["benchmarks", "recipes", "campaign"],
    },
    "python": {"Reference": [f"generated/api/{page.file}" for page in PAGES]},
    "benchmarks": {"Processors": [f"generated/benchmarks/{name}" for name in benchmark_pages()]},
}  # fmt: skip
"""Below each page: the pages of each caption."""

_PART = re.compile(r"<!-- generated: (?P<name>.*?) -->")
_PICTURE = re.compile(r"^!\[(?P<about>[^\]]*)\]\((?P<path>[^)]*)\.svg\)$", re.MULTILINE)


def write_generated() -> None:
    """Write the pages that are made of code and results, in place of those of the last build."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    for folder, written in (("api", reference_pages()), ("benchmarks", benchmark_pages())):
        (GENERATED / folder).mkdir(parents=True)
        for name, text in written.items():
            (GENERATED / folder / f"{name}.md").write_text(text, "utf-8")


def completed(page: str, text: str) -> str:
    """The text of a page with what the build adds."""
    text = _PART.sub(lambda match: part(match["name"]), text)
    text = _PICTURE.sub(_pair, text)
    return (
        "\n\n".join([text, *(_toctree(caption, pages) for caption, pages in NAVIGATION.get(page, {}).items())]) + "\n"
    )


def part(name: str) -> str:
    """A generated part of a page, as Markdown."""
    parts = {"file map": file_map, "import order": import_order, "results": results, "recipes": recipes}
    return parts[name]()


def import_order() -> str:
    """The layers of the contract between packages in `.importlinter`, the lowest first."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    (packages,) = (each for each in contracts.values() if each.get("containers") == "weft")
    layers = packages["layers"].split("\n")
    rows = [[", ".join(f"`{name.strip()}`" for name in layer.split("|"))] for layer in layers if layer.strip()]
    return markdown([["", "modules"], *([str(n), *row] for n, row in enumerate(reversed(rows), start=1))])


def results() -> str:
    """The table of all results; a link leads to a result's record."""
    return re.sub(r"\]\(results/([^)]*)\)", r"](../results/\1/result.json)", table(RESULTS))


def recipes() -> str:
    """Every recipe as it is written, with the learning curve of its result."""
    return "\n\n".join(map(_recipe, recipe_names()))


def _recipe(name: str) -> str:
    curve = RESULTS / name / "curve.png"
    picture = [f"![Perplexity over the epochs of {name}](../{curve.relative_to(ROOT).as_posix()})"]
    settings = f"```toml\n{find_recipe(name).path.read_text('utf-8')}```"
    return "\n\n".join([f"### {name}", settings, *(picture if curve.exists() else [])])


def _pair(match: re.Match[str]) -> str:
    light, dark = f"{match['path']}.svg", f"{match['path']}-dark.svg"
    if not (DOCS / dark).exists():
        return match[0]
    both = ((light, "only-light"), (dark, "only-dark"))
    return "\n\n".join(f"```{{image}} {path}\n:alt: {match['about']}\n:class: {of}\n```" for path, of in both)


def _toctree(caption: str, pages: list[str]) -> str:
    return "\n".join(["```{toctree}", f":caption: {caption}", ":hidden:", "", *pages, "```"])
