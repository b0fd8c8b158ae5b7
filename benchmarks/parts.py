"""The parts of the benchmarks, and which of their cases a person means."""

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
    """`about`: what is measured, as a heading."""

    name: str
    about: str
    cases: Callable[[Setting], list[Case]]


PARTS = [
    Part("training", "a training step: forward, backward, clipping, SGD", training.cases),
    Part("scoring", "scoring a text as long as the Penn Treebank's test part", scoring.cases),
    Part("streaming", "sessions that read one token each and want the scores of the next", streaming.cases),
    Part("start", "cold start, a fresh process each", start.cases),
    Part("memory", "memory of training steps, a fresh process each", memory.cases),
    Part("growth", "a training step of a small LSTM, one size growing", growth.cases),
    Part("corpus", "weft on token files of growing size", corpus.cases),
]


def chosen(names: Sequence[str], setting: Setting) -> list[tuple[Part, list[Case]]]:
    """The cases that `names` mean, by parts: "part", "part/case", patterns with * and ? in them; none: everything.

    Raises InputError for a name that means nothing.
    """
    known = {f"{part.name}/{case.name}": (part, case) for part in PARTS for case in part.cases(setting)}
    for name in names:
        if not any(means(name, full) for full in known):
            close = nearest(name, [part.name for part in PARTS] + list(known))
            raise InputError(f"there is no benchmark {name!r}{close}; the parts are {', '.join(p.name for p in PARTS)}")
    wanted = [found for full, found in known.items() if not names or any(means(name, full) for name in names)]
    return [(part, cases) for part in PARTS if (cases := [case for of, case in wanted if of is part])]


def means(name: str, full: str) -> bool:
    return fnmatchcase(full, name) or fnmatchcase(full, f"{name}/*")
