"""Fixtures that run the command `weft` on small texts and models."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import weft
from helpers.command_line import SIZES, Answer, OnTerminal, RunWeft, StartWeft, WriteIn, Written, write_text
from weft.commands.cli import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, without the settings of the user."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("WEFT_RUN", "WEFT_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run_weft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunWeft:

    def run(*arguments: object, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Answer(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def start_weft() -> StartWeft:
    def start(*arguments: object, before: str = "", **streams: int) -> subprocess.Popen[bytes]:
        # Where SIGINT is ignored (in the background of a script), Python would not raise KeyboardInterrupt.
        own = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{own}\n{before}\nfrom weft.commands.cli import main; main()"
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.Popen(command, stdin=pipes["stdin"], stdout=pipes["stdout"], stderr=pipes["stderr"])

    return start


class Terminal(io.TextIOWrapper):
    """A stream in memory that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def run_on(stream: type[io.TextIOWrapper], encoding: str, arguments: tuple[object, ...]) -> Written:
    """Run the command with standard output and standard error in memory."""
    out, err = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        patch.setattr(sys, "stdout", stream(out, encoding=encoding, newline="\r\n"))
        patch.setattr(sys, "stderr", stream(err, encoding=encoding, newline="\n"))
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        sys.stderr.flush()
        return Written(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def written() -> WriteIn:
    def run(*arguments: object, encoding: str = "utf-8", terminal: bool = False) -> Written:
        return run_on(Terminal if terminal else io.TextIOWrapper, encoding, arguments)

    return run


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    def run(*arguments: object, columns: int = 80, encoding: str = "utf-8", **variables: str) -> Answer:
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm", "COLUMNS": str(columns), **variables}.items():
            monkeypatch.setenv(name, value)
        code, out, err = run_on(Terminal, encoding, arguments)
        return Answer(code, *(content.decode(encoding).replace("\r\n", "\n") for content in (out, err)))

    return run


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A small text of few words."""
    return write_text(tmp_path / "my.txt")


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    text = write_text(folder / "my.txt")
    weft.train(text, out=folder / "run", epochs=1, tokenizer="word", test_fraction=0.1, **SIZES)
    return folder / "run"


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy of a run of one epoch on words."""
    return Path(shutil.copytree(trained_once, tmp_path / "trained"))
