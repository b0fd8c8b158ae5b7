"""`weft train`: train a language model on a text. Its options are the fields of `weft.config`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.data import fetch_with_bar
from weft.commands.run_option import RUNS
from weft.commands.setting_options import with_settings
from weft.errors import InputError
from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import perplexity
from weft.evaluation.unigram import unigram_loss
from weft.experiment import Trained, stated_settings, train_run
from weft.reporting import OnStream
from weft.run_folder import tokens_path
from weft.text.tokens import open_tokens
from weft.training.progress import perplexity_text

TextArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT",
        help="Training text: files, folders, globs, .gz, '-' for standard input, 'builtin', or a corpus that "
        "`weft data` lists.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A TOML file of settings; options win over it.")
]


@with_settings()
def train_command(
    text: TextArgument = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run folder.  [default: the text's name, under runs/]")
    ] = None,
    config: ConfigOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run where it was interrupted.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run if there is one.")] = False,
    **settings: Any,
) -> None:
    """Train a language model on a text.

    A setting without a default is chosen for the text, and the choice explained. Ctrl-C saves; --resume goes on.
    """
    stated = stated_on_command_line(config, text, settings)
    run = out or RUNS / default_name(stated.get("data", ()), resume)
    trained = train_run(
        run, stated, resume=resume, overwrite=overwrite, reporter=OnStream(sys.stderr), fetch=fetch_with_bar
    )
    for line in summary(trained):
        typer.echo(line)


def stated_on_command_line(config: Path | None, text: list[str] | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What a person states: in a file, as options that win over it, and the text as an argument."""
    if text and settings.get("data"):
        raise InputError("the text is given twice, as an argument and with --data; give it once")
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    return stated_settings(config, text or None, given)


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
