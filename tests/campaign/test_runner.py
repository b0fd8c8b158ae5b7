"""The campaign finds what it looks for: hangs, crashes, traces, wrong output, growth; and it is reproducible."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from campaign.damage import CONTENTS, PLACES, damage
from campaign.kind import Failure, Kind, Room, Verdict
from campaign.kinds import KINDS
from campaign.processes import Answer, Running
from campaign.verdicts import check_numbers, verdict
from helpers.paths import ROOT, TESTS

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # threads of other tests do not matter here
]


def print_and_exit(out: str, err: str, code: int) -> Callable[[], None]:
    def action() -> None:
        print(out, end="")
        print(err, end="", file=sys.stderr)
        raise SystemExit(code)

    return action


def answer_of(action: Callable[[], object], folder: Path, seconds: float = 60) -> Answer:
    return Running(action, folder).wait(seconds)


@pytest.mark.parametrize(
    ("out", "err", "code", "expected"),
    [
        ("", "a note\nweft: no\n", 2, Verdict.REFUSED),
        ("fine\n", "a note\n", 0, Verdict.SAME),
        ("perplexity\t2.5\n", "", 0, Verdict.OTHER),
        ("", "weft: no\nweft: no\n", 2, "not in one line"),
        ("", "weft: no\nmore\n", 2, "not the last line"),
        ("", f"weft: {'x' * 500}\n", 2, "an error of 506 characters"),
        ("", "weft: \x1b[31m\n", 2, "a control character"),
        ("half", "weft: no\n", 2, "with output before"),
        ("", "Traceback\nweft: no\n", 2, "not in one line"),
        ("fine\n", "Traceback\n", 0, "a trace"),
        ("", "weft: unexpected ValueError\n", 1, "exit code 1"),
        ("perplexity\t0.5\n", "", 0, "perplexity is 0.5"),
    ],
)
def test_the_verdict_on_a_command(tmp_path: Path, out: str, err: str, code: int, expected: Verdict | str) -> None:
    answer = answer_of(print_and_exit(out, err, code), tmp_path)
    if isinstance(expected, Verdict):
        assert verdict(answer, "fine\n", may_differ=True) == expected
    else:
        with pytest.raises(Failure, match=expected):
            verdict(answer, "fine\n", may_differ=True)


def test_another_output_is_a_failure_where_there_is_a_digest(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="'2' for '1'"):
        verdict(answer_of(lambda: print(2), tmp_path), "1\n")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda: time.sleep(60), "no end within"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended by signal 9"),
        (lambda: len(b"x" * 700_000_000), "MB"),
        (lambda: 1 // 0, "ZeroDivisionError"),
    ],
)
def test_hangs_crashes_memory_and_errors_of_python_are_failures(
    tmp_path: Path, action: Callable[[], object], expected: str
) -> None:
    with pytest.raises(Failure, match=expected):
        verdict(answer_of(action, tmp_path, seconds=0.2 if expected == "no end within" else 60), "", may_differ=True)


@pytest.mark.parametrize(
    "line",
    [
        '{"logprob_nats": 0.1}', '{"surprisal_bits": -0.1}', '{"logprob_nats": NaN}', "token\tprobability\na\t1.5",
        "test perplexity nan over 3 tokens", "perplexity_including_oov\tinf",
    ],
)  # fmt: skip
def test_impossible_numbers_are_failures(line: str) -> None:
    with pytest.raises(Failure, match=" is "):
        check_numbers(line)


@pytest.mark.parametrize("name", KINDS)
def test_a_seed_draws_the_same_cases_which_can_be_pasted(name: str) -> None:
    kind = KINDS[name]
    cases = list(kind.cases(7, count=12))
    assert cases == list(kind.cases(7, count=12))
    assert cases != list(kind.cases(8, count=12))
    module = sys.modules[kind.check.__module__]
    assert [eval(repr(case), vars(module)) for case in cases] == cases


@pytest.mark.parametrize("change", [*CONTENTS, *PLACES])
def test_damage_changes_the_file_and_is_the_same_for_a_seed(tmp_path: Path, change: str) -> None:
    content = b'{"a": 12, "b": [3.5, true],\n"c": "text"}\nanother line 7\n'
    found = []
    for number in range(2):
        path = tmp_path / str(number) / "file"
        path.parent.mkdir()
        path.write_bytes(content)
        assert damage(path, change, seed=4)
        found.append(path.read_bytes() if path.is_file() else "no file")
    assert found[0] == found[1] != content


def dying(case: int, room: Room) -> Verdict:
    assert not list(room.folder.iterdir())
    (room.folder / "left").touch()
    if case == 2:
        os._exit(3)
    if case == 3:
        raise ValueError("of the check")
    return Verdict.SAME


def numbers(random: Random) -> Iterator[int]:
    return iter(range(100))


def test_regressions_come_first_and_the_short_form_has_quick_cases() -> None:
    kind = Kind("numbers", "", 3, 5, lambda path: None, numbers, dying, (99,), quick=lambda case: case % 2 == 0)
    assert list(kind.cases(1)) == [99, 0, 1, 2, 3, 4]
    assert list(kind.cases(1, short=True)) == [99, 0, 2, 4]
    assert list(islice(kind.cases(1, count=1), 9)) == [99, 0]


RUNNER = """
import sys
from campaign.kind import Kind
from campaign.runner import run_kind
from campaign.test_runner import dying, numbers

kind = Kind("numbers", "", 3, 5, lambda path: None, numbers, dying)
outcome = run_kind(kind, kind.cases(1, count=6), jobs=2)
print(outcome.verdicts.total(), sorted(outcome.failures))
"""


def test_a_process_that_dies_is_a_failure_and_is_replaced(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(TESTS), str(ROOT)])
    command = [sys.executable, "-c", RUNNER]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    assert ended.stderr == ""
    died = "the process that checked the case has died or was too slow"
    assert ended.stdout == f"4 {[('2', died), ('3', 'ValueError: of the check')]}\n"
