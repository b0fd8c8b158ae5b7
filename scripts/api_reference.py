"""The reference of the Python interface, as Markdown, made of the docstrings.

A docstring's paragraphs are prose, except those that are indented or aligned in columns: these stay as they are.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from scripts.file_map import escaped


@dataclass(frozen=True)
class Page:
    """`names`: for each module, the names that the page shows; None: those of its `__all__`."""

    file: str
    title: str
    about: str
    names: dict[str, Sequence[str] | None]


PAGES = (
    Page(
        "language-model",
        "Reference: language models",
        "Training, loading and using a language model.",
        {
            "weft": ("train", "load", "LanguageModel", "score_frame"),
            "weft.inference.text_state": None,
            "weft.inference.sampling": None,
            "weft.scoring.token_score": None,
            "weft.scoring.text_scores": ("Wanted",),
            "weft.tables": ("StudyColumns", "region_figure", "save_figure"),
            "weft.evaluation.evaluate": ("Evaluation",),
            "weft.exporting": None,
            "weft.importing": ("import_model",),
        },
    ),
    Page(
        "adaptation",
        "Reference: adaptation and frozen models",
        "Models that change while they read, and models frozen for inference.",
        {
            "weft.adaptation": None,
            "weft.inference.frozen_model": ("StreamingModel", "join_states", "split_state"),
        },
    ),
    Page(
        "layers",
        "Reference: layers",
        "Every layer with its parameters, forward and backward pass.",
        {"weft.layers": None},
    ),
    Page(
        "model", "Reference: network", "The network without text: token ids in, scores out.", {"weft.model": ("RNNLM",)}
    ),
    Page(
        "ngram",
        "Reference: n-gram models",
        "Counting, smoothing, ARPA files.",
        {"weft.ngram": None, "weft.word_ngram": None},
    ),
    Page(
        "stimuli",
        "Reference: stimuli",
        "Test suites of SyntaxGym and minimal pairs.",
        {
            "weft.stimuli": ("Accuracy", "bootstrap_interval"),
            "weft.stimuli.suite": ("Suite", "read_suite", "suite_of"),
            "weft.stimuli.syntaxgym": (
                "score_suites",
                "evaluate_suite",
                "EvaluatedSuite",
                "EvaluatedItem",
                "RegionValues",
            ),
            "weft.stimuli.regions": ("ScoredToken",),
            "weft.stimuli.formula": ("parse_formula", "Formula", "Reference"),
            "weft.stimuli.alignment": ("read_surprisals", "placed_sentences", "PlacedToken"),
            "weft.stimuli.pairs": ("Pair", "compare_pairs", "ComparedPair", "Tallies", "Tally"),
            "weft.stimuli.pair_layouts": (
                "read_json_pairs",
                "read_tsv_pairs",
                "read_aligned_pairs",
                "read_agreement_pairs",
            ),
        },
    ),
    Page("errors", "Reference: errors", "What weft raises.", {"weft.errors": None}),
)

_CODE = re.compile(r"^\s|\S {2,}\S|^\S+ {2,}", re.MULTILINE)


def reference_pages() -> dict[str, str]:
    """Markdown by the name of its file, without ending."""
    return {page.file: "\n\n".join([f"# {page.title}", page.about, *_entries(page)]) + "\n" for page in PAGES}


def _entries(page: Page) -> Iterator[str]:
    for module_name, names in page.names.items():
        module = importlib.import_module(module_name)
        for name in names if names is not None else _public(module):
            yield from _entry(name, getattr(module, name))


def _public(module: Any) -> list[str]:
    """The names that a module offers: its `__all__`, or else its own classes and functions without an underscore."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = vars(module).items()
    return [
        name
        for name, value in own
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"## {name}"
    if inspect.isclass(thing):
        yield _signature(f"class {name}", thing)
        if bases := _bases(thing, shown=True):
            yield f"Extends {', '.join(f'`{base.__name__}`' for base in bases)}."
        yield _prose(_own_doc(thing))
        for method, value in _methods(thing):
            yield f"### {name}.{method}"
            if not isinstance(value, property):
                yield _signature(f"def {method}", value)
            yield _prose(_docstring(value))
    elif inspect.isfunction(thing):
        yield _signature(f"def {name}", thing)
        yield _prose(_docstring(thing))
    else:
        yield f"`{thing!r}`"


def _bases(of: type, shown: bool) -> list[type]:
    """The bases of a class within weft that the reference shows, or does not."""
    names = {name for page in PAGES for module, names in page.names.items() for name in names or _public_of(module)}
    return [
        base for base in of.__mro__[1:] if base.__module__.startswith("weft.") and (base.__name__ in names) == shown
    ]


def _public_of(module: str) -> list[str]:
    return _public(importlib.import_module(module))


def _methods(of: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class documents; of its bases only those the reference does not show."""
    seen: set[str] = set()
    for base in (of, *_bases(of, shown=False)):
        for name, value in vars(base).items():
            plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if name.startswith("_") or name in seen or not isinstance(plain, FunctionType | property):
                continue
            seen.add(name)
            if _docstring(plain):
                yield name, plain


def _own_doc(of: type) -> str:
    """The docstring of a class, unless a dataclass made it."""
    docstring = inspect.cleandoc(of.__doc__ or "")
    return "" if docstring.startswith(f"{of.__name__}(") else docstring


def _docstring(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _signature(head: str, thing: Any) -> str:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return f"```python\n{head}\n```"
    line = f"{head}{_readable(str(signature))}"
    if len(line) > 100:
        parameters = [_readable(str(each)) for each in signature.parameters.values()]
        returned = signature.return_annotation
        ending = "" if returned is inspect.Signature.empty else f" -> {_readable(inspect.formatannotation(returned))}"
        line = f"{head}(\n" + "".join(f"    {each},\n" for each in parameters) + f"){ending}"
    return f"```text\n{line}\n```"


def _readable(signature: str) -> str:
    """Annotations without quotes and modules."""
    return re.sub(r"\b(?:weft|numpy|pathlib|collections\.abc|typing)\.(?:\w+\.)*", "", signature.replace("'", ""))


def _prose(docstring: str) -> str:
    paragraphs = re.split(r"\n\s*\n", docstring)
    return "\n\n".join(map(_paragraph, filter(str.strip, paragraphs)))


def _paragraph(text: str) -> str:
    if _CODE.search(text):
        return f"```text\n{textwrap.dedent(text)}\n```"
    return escaped(text)
