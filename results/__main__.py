"""Run recipes from the first command to the last, keep what came out, and write the README's table of it.

It stands at the top of the source tree. `run NAME...` is `weft train --recipe NAME`, then `weft eval` on the validation
and test text, plain and by each variant of the recipe; what comes out is kept in results/NAME once all of it has ended.
A run that is the first on a machine compiles the kernels, and the time of that counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from results.readme import README, with_results
from results.record import Result
from results.running import Workplace, evaluate_again, run_recipes
from weft.errors import InputError, WeftError
from weft.files import write_text_atomically


def main(arguments: Sequence[str] | None = None, place: Workplace | None = None, readme: Path = README) -> None:
    options = command_line().parse_args(arguments)
    place = place or Workplace()
    try:
        if options.command == "run":
            for result in run_recipes(options.names, changes(options.changed), place):
                print(kept(result, place), flush=True)
        elif options.command == "evaluate":
            for name in options.names:
                print(kept(evaluate_again(name, place), place), flush=True)
        else:
            write_table(readme, place.results, options.check)
    except WeftError as error:
        print(f"results: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("results: stopped; of the recipe that was running nothing is recorded", file=sys.stderr)
        sys.exit(130)


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m results", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run recipes, one after another, and keep their results")
    run.add_argument("names", nargs="+", metavar="NAME", help="recipes; each is told the time of those before it")
    run.add_argument(
        "--with",
        dest="changed",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="a setting other than the recipe's, as kernels=plain or seed=2; kept as a result of its own",
    )
    evaluate = commands.add_parser("evaluate", help="do the evaluations of results again, without training")
    evaluate.add_argument("names", nargs="+", metavar="NAME", help="results")
    table = commands.add_parser("table", help="write the table in the README")
    table.add_argument("--check", action="store_true", help="write nothing; fail if the README has another table")
    return parser


def changes(given: Sequence[str]) -> dict[str, str]:
    """The settings changed, by name."""
    changed = {}
    for change in given:
        name, equals, value = change.partition("=")
        if not (name and equals and value):
            raise InputError(f"--with takes SETTING=VALUE, as kernels=plain; got {change!r}")
        changed[name.replace("-", "_")] = value
    return changed


def kept(result: Result, place: Workplace) -> str:
    """What a person is told at the end."""
    folder = place.results / result.name
    return f"{folder}: {result.measure} {result.reached:.5g} in {result.seconds:.0f} seconds"


def write_table(readme: Path, results: Path, check: bool) -> None:
    """Bring the README's table up to date; with `check` raise InputError if it is not."""
    text = readme.read_text("utf-8")
    new = with_results(text, results)
    if check and new != text:
        raise InputError(f"the table in {readme} is not that of {results}; python -m results table writes it")
    if not check:
        write_text_atomically(readme, new)


if __name__ == "__main__":
    main()
