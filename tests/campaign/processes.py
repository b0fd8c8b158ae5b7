"""Commands in forked processes: a fork starts in milliseconds, and a crash, a hang or memory stay in it."""

from __future__ import annotations

import io
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import weft
from weft.commands.cli import main, typer_command
from weft.commands.registry import COMMANDS
from weft.files import replace_atomically
from weft.training import plots

SECONDS = 20.0
"""How long a command may take."""
CRASHED = 70
"""The exit code of a process whose function ended with an error that is not SystemExit."""
MEGABYTES = 300
"""How much more memory a command may take than the process that starts it."""
Action = Callable[[], object]


@dataclass(frozen=True)
class Answer:
    """How a command ended. code: the exit code, or minus the number of the signal; None after a hang."""

    code: int | None
    out: str
    err: str
    megabytes: float


class Running:
    """A function that runs in a forked process, with its output in files of `folder`."""

    def __init__(self, action: Action, folder: Path, name: str = "answer") -> None:
        """Run `action` in `folder`; its standard output is the file `.NAME.out`, its standard error `.NAME.err`."""
        self._out, self._err = folder / f".{name}.out", folder / f".{name}.err"
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run_and_exit(action, folder, self._out, self._err)
        self._ended = os.pidfd_open(self.pid)

    def wait(self, seconds: float = SECONDS) -> Answer:
        """Wait for the end; after `seconds` the process is killed."""
        ended, _, _ = select.select([self._ended], [], [], seconds)
        if not ended:
            self.kill()
        os.close(self._ended)
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status) if ended else None
        out, err = (path.read_text("utf-8", errors="replace") for path in (self._out, self._err))
        self._out.unlink()
        self._err.unlink()
        return Answer(code, out, err, usage.ru_maxrss / 1024)

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return bool(select.select([self._ended], [], [], 0)[0])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal."""
        os.kill(self.pid, number)


def run(action: Action, folder: Path) -> Answer:
    """Run a function in a forked process; see `Running`."""
    return Running(action, folder).wait()


def run_weft(folder: Path, *arguments: object, before: Action | None = None, seconds: float = SECONDS) -> Answer:
    """Run the command line in a forked process in `folder`, after a call of `before`."""
    return start_weft(folder, *arguments, before=before).wait(seconds)


def start_weft(folder: Path, *arguments: object, before: Action | None = None, name: str = "answer") -> Running:
    """Start the command line in a forked process; see `run_weft`."""

    def action() -> None:
        if before is not None:
            before()
        main([str(argument) for argument in arguments])

    return Running(action, folder, name)


def import_commands(folder: Path) -> None:
    """Do in this process, in `folder`, what imports modules late, so that forked processes have them."""
    for name in COMMANDS:
        typer_command(name)
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        main(["recipes"])
    (folder / "text.txt").write_text("the cat sat\n" * 20, encoding="utf-8")
    weft.train(folder / "text.txt", kernels="plain", epochs=1, hidden_size=4, embedding_size=4)
    plots._save_plot = _write_no_plot


def _write_no_plot(path: Path, plot: object) -> None:
    """The file operations of a plot; drawing takes longer than all else that a small training does."""
    with replace_atomically(path) as file:
        file.write(b"no plot")


def own_megabytes() -> float:
    """The largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run_and_exit(action: Action, folder: Path, out: Path, err: Path) -> None:
    code: object = CRASHED
    try:
        for path, descriptor in ((os.devnull, 0), (out, 1), (err, 2)):
            opened = os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        sys.stdin, sys.stdout, sys.stderr = (
            open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            for descriptor, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        os.chdir(folder)
        action()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code if isinstance(code, int) else CRASHED)
