"""The command line as a whole: misspellings, exit codes, and output that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import weft
from helpers.command_line import OnTerminal, RunWeft, StartWeft
from weft.commands import cli


@pytest.mark.parametrize("line", ["--version", "-V", "version"])
def test_version(run_weft: RunWeft, line: str) -> None:
    assert run_weft(line) == (0, f"weft {weft.__version__}\n", "")


@pytest.mark.parametrize("command", ["", "train", "ngram", "ngram eval", "help"])
def test_help_is_a_command_too(run_weft: RunWeft, command: str) -> None:
    assert run_weft("help", *command.split()) == run_weft(*command.split(), "--help")


def test_help_on_an_unknown_command_names_the_nearest(run_weft: RunWeft) -> None:
    assert run_weft("help", "trian").refusal().startswith("no such command 'trian' (did you mean \"train\"?)")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("trian", "no such command 'trian' (did you mean \"train\"?)"),
        ("--versio", 'no such option --versio (did you mean "--version"?)'),
        ("train --hiden-size 3", 'no such option --hiden-size (did you mean "--hidden-size"?)'),
        ("train --hidden_size 3", 'no such option --hidden_size (did you mean "--hidden-size"?)'),
        ("train --nhid 3", "no such option --nhid; here it is called --hidden-size"),
        ("generate --max-token 3", 'no such option --max-token (did you mean "--max-tokens"?)'),
        ("next you say", "unexpected argument 'say': put quotes around a text with spaces"),
        ("next -k x", "expected a whole number, got 'x'"),
        ("next -k 0", "expected at least 1, got 0"),
        ("generate --temperature hot", "expected a number, got 'hot'"),
        ("train --layers", "requires an argument"),
    ],
)
def test_usage_errors_are_one_line_with_the_nearest_name(run_weft: RunWeft, line: str, expected: str) -> None:
    assert expected in run_weft(*line.split()).refusal()


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (OSError(28, "No space left on device", "there.txt"), 2, "cannot read or write there.txt: No space left"),
        (MemoryError("cannot allocate 9 GB"), 2, "not enough memory: cannot allocate 9 GB"),
        (RuntimeError("a fault\nin two lines"), 1, "unexpected RuntimeError: a fault in two lines; run it again with"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_every_error_is_one_line(
    run_weft: RunWeft, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, expected: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    answer = run_weft("next")
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(f"weft: {expected}")
    assert answer.err.count("\n") == 1


def test_debug_shows_the_trace_and_keeps_the_exit_code(run_weft: RunWeft) -> None:
    answer = run_weft("next", "--run", "nowhere", "--debug")
    assert answer.code == 2
    assert "Traceback" in answer.err
    assert answer.err.splitlines()[-1] == "weft: no run folder at nowhere; `weft train` makes one"


def test_debug_can_be_a_text(run_weft: RunWeft, trained: Path) -> None:
    assert "<unk>" in run_weft("score", "--run", trained, "--", "--debug").out


def test_a_closed_reader_is_not_an_error(start_weft: StartWeft, trained: Path) -> None:
    Path("long.txt").write_text("the cat sat\n" * 5000, encoding="utf-8")
    process = start_weft("score", "--run", trained, "--file", "long.txt")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"sentence\t")
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_output_that_cannot_be_written_is_one_line(start_weft: StartWeft, trained: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start_weft("next", "--run", trained, stdout=full.fileno())
    _out, err = process.communicate()
    assert process.returncode == 2
    assert err == b"weft: cannot read or write the output: No space left on device\n"


def test_closed_streams_are_tolerated(start_weft: StartWeft, trained: Path) -> None:
    closed = "import os, sys; os.close(2); sys.stderr = None"
    out, _err = start_weft("next", "--run", trained, before=closed).communicate()
    assert out.startswith(b"token\tprobability\n")


def test_text_is_escaped_for_a_terminal_without_unicode(on_terminal: OnTerminal, trained: Path) -> None:
    line = ("generate", "--run", trained, "--prompt", "你", "--max-tokens", 1)
    assert on_terminal(*line, encoding="ascii").out.startswith("\\u4f60")
    assert on_terminal(*line, encoding="utf-8").out.startswith("你")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("weft tra", "train"),
        ("weft help gen", "generate"),
        ("weft train --recipe ptb-f", "ptb-fast"),
        ("weft train --cell ", "gru gru-after lstm rnn rnn-relu window"),
        ("weft train --output ", "full adaptive sampled"),
        ("weft train --tokenizer ", "word text char bpe"),
        ("weft train --optimizer a", "adamw"),
        ("weft train pt", "ptb"),
        ("weft train --valid wi", "wikitext-2"),
        ("weft data ", "ptb wikitext-2 tinyshakespeare text8"),
        ("weft recipes ptb-r", "ptb-rnn"),
        ("weft score --format ", "table tsv jsonl lm-zoo kenlm srilm surprisal"),
        ("weft score --columns token,entropy_", "token,entropy_reduction"),
        ("weft score --run ", "runs/a runs/b"),
        ("weft eval -r runs/b", "runs/b"),
        ("weft pairs --layout ", "jsonl tsv lines agreement"),
        ("weft pairs --run runs/a --run runs/", "runs/a runs/b"),
        ("weft syntaxgym --rows ", "predictions items regions"),
        ("weft info ", "runs/a runs/b"),
        ("weft compare runs/", "runs/a runs/b"),
        ("weft compare --baseline w", "window2 window4 window8"),
        ("weft rescore --format k", "kaldi"),
        ("weft eval --split ", "valid test"),
        ("weft generate --weights i", "int8"),
        ("weft score --qui", "--quiet"),
        ("weft train --out ", ""),
        ("weft eval ", ""),
    ],
)
def test_completion_offers_commands_options_and_values(
    run_weft: RunWeft, monkeypatch: pytest.MonkeyPatch, line: str, expected: str
) -> None:
    for name in "ab":
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "config.toml").touch()
    words = line.split(" ")
    monkeypatch.setenv("_WEFT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert run_weft("x").out.split() == expected.split()


def test_python_minus_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "weft", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"weft {weft.__version__}\n"
    assert done.stderr == ""
