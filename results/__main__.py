"""Run recipes, record their results, and write the README's table of results.

Run it from the root of the source tree. `run NAME...` executes `weft train --recipe NAME`, then `weft eval` on the
validation and test text, without options and with those of each variant of the recipe. The result is written to
results/NAME when all commands have succeeded. The first run on a machine compiles the kernels; the recorded time
includes that.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from results.readme import README, with_results
from results.record import Result
from results.running import Runner, evaluate_again, run_recipes
from weft.errors import InputError, WeftError
from weft.files import write_text_atomically


def main(arguments: Sequence[str] | None = None, runner: Runner | None = None, readme: Path = README) -> None:
    options = command_line().parse_args(arguments)
    runner = runner or Runner()
    try:
        if options.command == "run":
            for result in run_recipes(options.names, parse_changes(options.changed), runner):
                print(summary(result, runner), flush=True)
        elif options.command == "evaluate":
            for name in options.names:
                print(summary(evaluate_again(name, runner), runner), flush=True)
        else:
            write_table(readme, runner.results, options.check)
    except WeftError as error:
        print(f"results: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("results: stopped; nothing is recorded for the recipe that was running", file=sys.stderr)
        sys.exit(130)


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run recipes one after another and record their results")
    run.add_argument(
        "names", nargs="+", metavar="NAME", help="recipes; each result also records the times of those before"
    )
    run.add_argument(
        "--with",
        dest="changed",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="change a setting of the recipe, for example kernels=plain or seed=2; recorded as a separate result",
    )
    evaluate = commands.add_parser("evaluate", help="repeat the evaluations of recorded results, without training")
    evaluate.add_argument("names", nargs="+", metavar="NAME", help="results")
    table = commands.add_parser("table", help="write the table in the README")
    table.add_argument("--check", action="store_true", help="write nothing; fail if the README's table is out of date")
    return parser


def parse_changes(given: Sequence[str]) -> dict[str, str]:
    """Changed settings by name, from SETTING=VALUE. Raises InputError for another form."""
    changed = {}
    for change in given:
        name, equals, value = change.partition("=")
        if not (name and equals and value):
            raise InputError(f"--with takes SETTING=VALUE, for example kernels=plain; got {change!r}")
        changed[name.replace("-", "_")] = value
    return changed


def summary(result: Result, runner: Runner) -> str:
    """One line about a recorded result."""
    folder = runner.results / result.name
    return f"{folder}: {result.measure} {result.reached:.5g} in {result.seconds:.0f} seconds"


def write_table(readme: Path, results: Path, check: bool) -> None:
    """Update the README's table; with `check`, write nothing and raise InputError if it is out of date."""
    text = readme.read_text("utf-8")
    new = with_results(text, results)
    if check and new != text:
        raise InputError(f"the table in {readme} is out of date with {results}: run `python -m results table`")
    if not check:
        write_text_atomically(readme, new)


if __name__ == "__main__":
    main()
