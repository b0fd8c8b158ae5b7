"""The verdict on a command: refused in one line, same output, or another valid output."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from campaign.kind import Failure, Verdict
from campaign.processes import MEGABYTES, SECONDS, Answer, own_megabytes

LONGEST_LINE = 500
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PERPLEXITY = re.compile(r"^[a-z ]*perplexity (\S+) over", re.MULTILINE)


def verdict(answer: Answer, expected: str | None = None, *, may_differ: bool = False, streams: bool = False) -> Verdict:
    """The verdict on `answer`; Failure if there is none.

    expected: the standard output of the undisturbed command. may_differ: whether another valid output is right.
    streams: whether the command may have answered a part of its input before it refuses the rest.
    """
    check_ended(answer)
    if answer.code == 2:
        check_refusal(answer, streams)
        return Verdict.REFUSED
    if answer.code != 0:
        raise Failure(f"exit code {answer.code}: {_end(answer)}")
    if "Traceback" in answer.err:
        raise Failure(f"a trace, with exit code 0: {_end(answer)}")
    if answer.out == expected:
        return Verdict.SAME
    if not may_differ:
        raise Failure(f"another output: {_first_difference(answer.out, expected or '')}")
    check_numbers(answer.out)
    return Verdict.OTHER


def check_ended(answer: Answer) -> None:
    """Raise Failure after a hang, a crash, or too much memory."""
    if answer.code is None:
        raise Failure(f"no end within {SECONDS:g} seconds")
    if answer.code < 0:
        raise Failure(f"ended by signal {-answer.code}: {_end(answer)}")
    if answer.megabytes > own_megabytes() + MEGABYTES:
        raise Failure(f"took {answer.megabytes:.0f} MB: {_end(answer)}")


def check_refusal(answer: Answer, streams: bool = False) -> str:
    """The error of a refused command; raises Failure unless it is one line and the only output."""
    check_ended(answer)
    lines = answer.err.split("\n")[:-1]
    if answer.code != 2:
        raise Failure(f"exit code {answer.code} in place of 2: {_end(answer)}")
    if answer.out and not streams:
        raise Failure(f"refused, with output before: {answer.out[:80]!r}; {_end(answer)}")
    if "Traceback" in answer.err or sum(line.startswith("weft: ") for line in lines) != 1:
        raise Failure(f"refused, not in one line: {_end(answer)}")
    if not lines[-1].startswith("weft: "):
        raise Failure(f"the error is not the last line: {_end(answer)}")
    if len(lines[-1]) >= LONGEST_LINE:
        raise Failure(f"an error of {len(lines[-1])} characters: {lines[-1][:200]!r}")
    if control := _CONTROL.search(answer.err.replace("\n", "")):
        raise Failure(f"a control character {control[0]!r} on standard error: {_end(answer)}")
    if "not enough memory" in lines[-1]:
        raise Failure(lines[-1])
    return lines[-1].removeprefix("weft: ")


def check_numbers(out: str) -> None:
    """Raise Failure unless all numbers in JSON lines, in tables and after "perplexity" are possible ones."""
    for found in _PERPLEXITY.findall(out):
        _check("perplexity", found)
    header: list[str] = []
    for line in out.split("\n"):
        if line.startswith("{"):
            _check_object(json.loads(line))
        elif "\t" in line:
            cells = line.split("\t")
            if len(cells) == 2 and not header:
                _check(*cells)  # a row of `weft eval`
            elif len(cells) == len(header):
                for name, value in zip(header, cells, strict=True):
                    _check(name, value)
            if "probability" in cells or "perplexity_including_oov" in cells:
                header = cells


def _check_object(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check(name, value)


def _check(name: str, value: object) -> None:
    """Raise Failure if `value` is a number that the column `name` cannot have; other columns may hold anything."""
    if value == "":
        return
    try:
        number = float(str(value).replace(",", ""))
    except ValueError:
        return
    bounds = {"perplexity": (1, math.inf), "surprisal": (0, math.inf), "logprob": (-math.inf, 0)}
    bounds |= {"nats_per_token": (0, math.inf), "probability": (0, 1), "weight": (0, 1)}
    known = [limits for word, limits in bounds.items() if word in name]
    if isinstance(value, float) and not math.isfinite(number):
        raise Failure(f"{name} is {value}")
    for low, high in known:
        if not (math.isfinite(number) and low <= number <= high):
            raise Failure(f"{name} is {value}")


def _first_difference(out: str, expected: str) -> str:
    pairs = zip([*out.split("\n"), ""], [*expected.split("\n"), ""], strict=False)
    return next((f"{line!r} for {known!r}" for line, known in pairs if line != known), f"{out[-80:]!r}")[:300]


def _end(answer: Answer) -> str:
    return repr(answer.err[-400:])
