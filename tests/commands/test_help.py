"""Help texts: headings, width, a text for every option, and examples that the command line accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from helpers.command_line import RunWeft
from weft.commands import cli
from weft.commands.help import described
from weft.commands.registry import COMMANDS, GROUPS
from weft.config import SECTIONS

every_command = pytest.mark.parametrize("name", COMMANDS)
TOP_LEVEL = {name: entry for name, entry in (COMMANDS | GROUPS).items() if " " not in name}


def parsed(arguments: list[str]) -> Any:
    """The context of the command that the arguments name: its options are parsed, and it does not run."""
    name = next(name for name in COMMANDS if arguments[: name.count(" ") + 1] == name.split())
    return cli.typer_command(name).make_context(name, arguments[name.count(" ") + 1 :])


def commands_in(example: str) -> Iterator[list[str]]:
    """The arguments of `weft` in a shell command and in its command substitutions, without redirections."""
    for inner in re.findall(r"\$\((.*?)\)", example):
        yield from commands_in(inner)
    program, *arguments = shlex.split(re.sub(r"\$\(.*?\)", "1", example).partition(" > ")[0])
    assert program == "weft"
    yield arguments


def examples(epilog: str) -> list[str]:
    return epilog.replace("\\\n", "").splitlines()


@pytest.mark.parametrize("name", ["", *GROUPS, *COMMANDS])
@pytest.mark.parametrize("columns", [60, 80])
def test_every_help_fits_the_terminal(
    run_weft: RunWeft, monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    answer = run_weft(*name.split(), "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"Usage: weft {name}".rstrip())
    assert max(map(len, answer.out.splitlines())) <= columns
    assert "\x1b" not in answer.out
    assert "\u00a0" not in answer.out


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR"])
def test_the_environment_does_not_change_the_help(
    run_weft: RunWeft, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    plain = run_weft("eval", "--help")
    monkeypatch.setenv(variable, "1")
    assert run_weft("eval", "--help") == plain


def test_without_a_command_the_help_is_shown(run_weft: RunWeft) -> None:
    assert run_weft() == run_weft("--help")


def test_commands_are_listed_under_their_headings(run_weft: RunWeft) -> None:
    found: dict[str, list[str]] = {}
    for part in run_weft("--help").out.split("\n\n"):
        heading, *rows = part.splitlines()
        found[heading.removesuffix(":")] = [row.split()[0] for row in rows if not row.startswith("   ")]
    for heading in {entry.heading for entry in TOP_LEVEL.values()}:
        assert found[heading] == [name for name in found[heading] if TOP_LEVEL[name].heading == heading]
    assert {name for names in found.values() for name in names} >= set(TOP_LEVEL)


def test_no_summary_is_cut_off(run_weft: RunWeft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    words = " ".join(run_weft("--help").out.split())
    for name, entry in TOP_LEVEL.items():
        assert f"{name} {entry.summary}" in words


@every_command
def test_the_summary_is_the_first_line_of_the_help(name: str) -> None:
    assert cli.typer_command(name).help.splitlines()[0] == COMMANDS[name].summary


@every_command
def test_every_option_has_a_help_text(name: str) -> None:
    for parameter in cli.typer_command(name).params:
        assert parameter.help, parameter.name


def test_the_help_of_train_lists_every_setting_under_its_section(run_weft: RunWeft) -> None:
    shown = run_weft("train", "--help").out
    headings = ["Arguments:", "Options:", *(f"Settings, [{section}]:" for section in SECTIONS), "Examples:"]
    places = [shown.index(heading) for heading in headings]
    assert places == sorted(places)
    assert places[1] < shown.index("  --out ") < places[2]
    for number, section in enumerate(SECTIONS.values(), start=2):
        for name, field in section.__dataclass_fields__.items():
            flag = field.metadata["flag"] or f"--{name.replace('_', '-')}"
            assert places[number] < shown.index(f"\n  {flag} ") < places[number + 1], name


def test_the_examples_of_weft_are_commands() -> None:
    for line in examples(described(cli.weft).epilog):
        assert [parsed(arguments) for arguments in commands_in(line)]


@every_command
def test_every_example_is_a_command(name: str) -> None:
    lines = examples(cli.typer_command(name).epilog)
    assert any(line.startswith(f"weft {name}") for line in lines)
    for line in lines:
        assert [parsed(arguments) for arguments in commands_in(line)]


def test_parsing_an_example_finds_an_unknown_option() -> None:
    with pytest.raises(typer.BadParameter.__mro__[2], match="No such option"):
        parsed(["eval", "--dynamci"])
