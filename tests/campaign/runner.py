"""Runs the cases of a kind in worker processes, each in an empty folder, and counts the verdicts."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from campaign.kind import Failure, Kind, Room, Verdict
from campaign.processes import import_commands

SECONDS_PER_CASE = 600.0
_FORK = multiprocessing.get_context("fork")


@dataclass
class Outcome:
    """The verdicts on the cases of a kind. failures: a line for REGRESSIONS, and the reason."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        return self.verdicts.total() + len(self.failures)

    def add(self, case: Any, result: Verdict | str) -> None:
        """Count a case; a result that is no verdict is the reason of a failure."""
        if isinstance(result, Verdict):
            self.verdicts[result] += 1
        else:
            self.failures.append((repr(case), result))


def run_kind(
    kind: Kind, cases: Iterator[Any], jobs: int, report: Callable[[Any, str], object] = lambda case, reason: None
) -> Outcome:
    """Check `cases` in `jobs` processes. report: is called with each case that fails, and the reason."""
    began = time.monotonic()
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix=f"campaign-{kind.name}-") as temporary:
        material = Path(temporary) / "material"
        material.mkdir()
        _leave_user_settings()
        with tempfile.TemporaryDirectory() as other:
            import_commands(Path(other))
        kind.prepare(material)
        gc.freeze()  # collections in forked processes do not copy what was there before
        workers = [_Worker(kind, material, Path(temporary) / f"worker-{number}") for number in range(jobs)]
        try:
            for case, result in _results(workers, cases):
                outcome.add(case, result)
                if not isinstance(result, Verdict):
                    report(case, result)
        finally:
            for worker in workers:
                worker.stop()
    outcome.seconds = time.monotonic() - began
    return outcome


class _Worker:
    """A process that checks one case after another; a new one takes the place of one that has died."""

    def __init__(self, kind: Kind, material: Path, folder: Path) -> None:
        self._arguments = (kind, material, folder)
        self.case: Any = None
        self.start()

    def start(self) -> None:
        self.connection, theirs = _FORK.Pipe()
        self.process: BaseProcess = _FORK.Process(target=_work, args=(*self._arguments, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, case: Any) -> None:
        self.case, self.since = case, time.monotonic()
        self.connection.send(case)

    def result(self) -> Verdict | str:
        """The result of the case, which is there, or the reason why it never will be."""
        try:
            result: Verdict | str = self.connection.recv()
            return result
        except (EOFError, ConnectionError):
            self.stop()
            self.start()
            return "the process that checked the case has died or was too slow"

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _results(workers: list[_Worker], cases: Iterator[Any]) -> Iterator[tuple[Any, Verdict | str]]:
    idle, busy = list(workers), dict[Any, _Worker]()
    nothing = object()
    while True:
        while idle and (case := next(cases, nothing)) is not nothing:
            worker = idle.pop()
            worker.give(case)
            busy[worker.connection] = worker
        if not busy:
            return
        ready = wait(list(busy), timeout=1.0)
        for worker in busy.values():
            if time.monotonic() - worker.since > SECONDS_PER_CASE:
                worker.process.kill()
        for connection in ready:
            worker = busy.pop(connection)
            idle.append(worker)
            yield worker.case, worker.result()


def _work(kind: Kind, material: Path, folder: Path, connection: Connection) -> None:
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            result: Verdict | str = kind.check(case, Room(material, folder))
        except Failure as failure:
            result = str(failure)
        except Exception as error:  # an error of the check is a failure of the case
            result = f"{type(error).__name__}: {error}"
        connection.send(result)


def _leave_user_settings() -> None:
    for name in ("WEFT_RUN", "WEFT_DATA"):
        os.environ.pop(name, None)
