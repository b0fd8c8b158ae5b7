"""`weft train`: train a language model on a text. Its options are the fields of `weft.config`."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from weft.commands.data import fetch_with_bar
from weft.commands.option_types import number, whole_number
from weft.commands.run_option import RUNS
from weft.config import SECTIONS, TYPES
from weft.errors import InputError
from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import perplexity
from weft.evaluation.unigram import unigram_loss
from weft.experiment import Trained, stated_settings, train_run
from weft.reporting import OnStream
from weft.run_folder import tokens_path
from weft.text.tokens import open_tokens
from weft.training.progress import perplexity_text


def train_command(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="Training text: files, folders, globs, .gz, '-' for standard input, 'builtin', or a corpus that "
            "`weft data` lists.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run folder.  [default: the text's name, under runs/]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TOML file of settings; options win over it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run where it was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run if there is one.")] = False,
    **settings: Any,
) -> None:
    """Train a language model on a text.

    A setting without a default is chosen for the text, and the choice explained. Ctrl-C saves; --resume goes on.
    """
    if text and settings.get("data"):
        raise InputError("the text is given twice, as an argument and with --data; give it once")
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    stated = stated_settings(config, text or None, given)
    run = out or RUNS / default_name(stated.get("data", ()), resume)
    trained = train_run(
        run, stated, resume=resume, overwrite=overwrite, reporter=OnStream(sys.stderr), fetch=fetch_with_bar
    )
    for line in summary(trained):
        typer.echo(line)


def default_name(data: tuple[str, ...], resume: bool) -> str:
    """The name of a run by its text: `my` for texts/my.txt.gz, `stdin` for "-"."""
    if not data:
        if resume:
            raise InputError("no run is given to go on with: name its folder with --out, or its text")
        raise InputError("no text is given: name a file or folder, or see `weft demo` and `weft data`")
    if data[0] == "-":
        return "stdin"
    path = Path(re.sub(r"[*?\[].*", "", data[0]) or "text")
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.resolve().name or "text"


def summary(trained: Trained) -> list[str]:
    """What came out, for standard output."""
    lm, run = trained.model, trained.run
    steps = trained.result.step
    lines = [f"{trained.result.outcome} after {steps:,} step{'s' * (steps != 1)}; the best model is in {run}"]
    for split, title in (("valid", "validation"), ("test", "test")):
        path = tokens_path(run, split)
        if path.exists():
            ids = open_tokens(path)
            known = trained.result.best if split == "valid" else None
            loss = known or evaluate_tokens(lm.model, ids, lm.tokenizer.eos_id, 16)
            lines.append(
                f"{title} perplexity {perplexity_text(perplexity(loss))} over {loss.tokens:,} tokens "
                f"(unigram: {perplexity_text(perplexity(unigram_loss(lm.tokenizer.counts, [ids])))})"
            )
    if len(lines) == 1 and trained.result.train is not None:
        lines.append(f"training perplexity {perplexity_text(perplexity(trained.result.train))}; nothing was held out")
    return lines


class TrainCommand(TyperCommand):
    """Its help lists the settings under the sections of the configuration file."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options, section by section."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                section = getattr(parameter, "rich_help_panel", None) or usual
                records.setdefault(section, []).append(record)
        for section in sorted(records, key=["Arguments", "Options", *SECTIONS].index):
            with formatter.section(f"Settings, [{section}]" if section in SECTIONS else section):
                formatter.write_dl(records[section])


def _parameter(section: str, item: Field[Any]) -> inspect.Parameter:
    """A field of the configuration as an option that is None when it is not stated."""
    hint = TYPES[item.name]
    text = item.metadata["help"]
    if item.default not in (None, (), MISSING):
        text += f"  [default: {str(item.default).lower() if isinstance(item.default, bool) else item.default}]"
    options: dict[str, Any] = {"help": text, "show_default": False, "rich_help_panel": section}
    if hint in (int, int | None):
        options |= {"metavar": "N", "parser": whole_number}
    elif hint in (float, float | None):
        options |= {"metavar": "X", "parser": number}
    elif hint is not bool:
        options["metavar"] = "|".join(item.metadata["choices"]) or ("TEXT" if hint == tuple[str, ...] else "NAME")
    if hint == tuple[str, ...]:
        options["help"] += "; may be repeated"
    hint = list[str] | None if hint == tuple[str, ...] else hint | None
    annotation = Annotated[hint, typer.Option(**options)]  # type: ignore[valid-type]
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_own = inspect.signature(train_command, eval_str=True)
_flags = [_parameter(section, item) for section, kind in SECTIONS.items() for item in fields(kind)]
_parameters = [parameter for parameter in _own.parameters.values() if parameter.name != "settings"]
train_command.__signature__ = _own.replace(parameters=[*_parameters, *_flags])  # type: ignore[attr-defined]
train_command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*_parameters, *_flags]}
