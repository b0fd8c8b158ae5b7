"""The parts of the benchmarks, and the selection of cases by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from benchmarks import corpus, growth, memory, scoring, start, streaming, training
from benchmarks.row import Case
from benchmarks.setting import Setting
from weft.errors import InputError, nearest


@dataclass(frozen=True)
class Part:
    """A group of cases; `about` is the heading of its output."""

    name: str
    about: str
    cases: Callable[[Setting], list[Case]]


PARTS = [
    Part("training", "a training step: forward, backward, clipping, SGD", training.cases),
    Part("scoring", "scoring a text of the length of the Penn Treebank's test text", scoring.cases),
    Part("streaming", "streaming: each session reads one token and computes the scores of the next", streaming.cases),
    Part("start", "cold start, in a new process each", start.cases),
    Part("memory", "memory of training steps, in a new process each", memory.cases),
    Part("growth", "a training step of a small LSTM as one size grows", growth.cases),
    Part("corpus", "weft on token files of increasing size", corpus.cases),
]


def selected_cases(names: Sequence[str], setting: Setting) -> list[tuple[Part, list[Case]]]:
    """The cases that match any of `names`, by part; all cases without names.

    A name is "part", "part/case" or a pattern with * and ?. Raises InputError for a name that matches no case.
    """
    known = {f"{part.name}/{case.name}": (part, case) for part in PARTS for case in part.cases(setting)}
    for name in names:
        if not any(matches(name, full) for full in known):
            close = nearest(name, [part.name for part in PARTS] + list(known))
            raise InputError(f"there is no benchmark {name!r}{close}; the parts are {', '.join(p.name for p in PARTS)}")
    wanted = [entry for full, entry in known.items() if not names or any(matches(name, full) for name in names)]
    return [(part, cases) for part in PARTS if (cases := [case for owner, case in wanted if owner is part])]


def matches(name: str, full: str) -> bool:
    """True if the pattern `name` matches the case "part/case", or its part."""
    return fnmatchcase(full, name) or fnmatchcase(full, f"{name}/*")
