"""Corpora that grow: training and evaluation read token files of random ids as memory maps.

Here the sizes are what runs in turn, so that the claim, a cost per token that does not grow with the corpus, is not
blurred by what the machine does meanwhile. Of large ones only a part is read: as much as fits the time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contender import CannotTakePart, Contender, Step
from benchmarks.row import UNITS, Case, Row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.training_steps import weft_step_of
from benchmarks.workloads import SMALL, TINY, Workload
from weft.backends.fused import fused, why_not_fused
from weft.evaluation.running_text import SEGMENT_TOKENS, running_text
from weft.text.batches import Blocks
from weft.text.tokens import open_tokens, write_tokens

MEGABYTES = [1.0, 10.0, 100.0, 1000.0]
TINY_MEGABYTES = [0.05, 0.1]
TOKEN_BYTES = 2
CHUNK_TOKENS = 1 << 20
SPARE = 3
"""How many times the size of a corpus must be free on the disk."""
UNIT = "microseconds_per_token"


def cases(setting: Setting) -> list[Case]:
    sizes = TINY_MEGABYTES if setting.tiny else [size for size in MEGABYTES if size <= setting.largest_corpus]
    workload = replace(TINY, V=1000) if setting.tiny else SMALL
    return [Case("cost per token", lambda: row(sizes, workload, setting.seconds))]


def row(sizes: list[float], workload: Workload, seconds: float) -> Row:
    """What a token costs in a training step, and in evaluation, of corpora of all sizes (MB of token ids)."""
    kinds: list[tuple[str, Callable[[Path, Workload], Step], int]] = [
        ("training", training_step, workload.N * workload.T),
        ("evaluation", evaluation_step, evaluation_tokens(workload)),
    ]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size:g}.safetensors" for size in sizes}
        missing = {}
        for size, path in paths.items():
            try:
                write_corpus(path, size, workload.V)
            except CannotTakePart as reason:
                missing[f"{size:g} MB"] = str(reason)
        for kind, step_on, tokens in kinds:
            contenders = [
                Contender(f"{kind}, {size:g} MB", partial(step_on, path), kernels)
                for size, path in paths.items()
                if path.exists()
            ]
            result = compare(workload, contenders, seconds)
            figures |= {name: UNITS[UNIT](time, tokens) for name, time in result.seconds.items()}
    return Row("cost per token", UNIT, figures, missing=missing, facts={"shape": workload.shape})


def kernels() -> AbstractContextManager[None]:
    """The fused kernels where they run."""
    return nullcontext() if why_not_fused() else fused()


def write_corpus(path: Path, megabytes: float, V: int) -> None:
    """Random ids below V; raises CannotTakePart where the disk has no room to spare."""
    free = shutil.disk_usage(path.parent).free
    if free < SPARE * megabytes * 1e6:
        raise CannotTakePart(f"only {free / 1e9:.1f} GB are free on the disk")
    rng = np.random.default_rng(0)
    count = int(megabytes * 1e6) // TOKEN_BYTES

    def chunks() -> Iterator[Any]:
        for start in range(0, count, CHUNK_TOKENS):
            yield rng.integers(0, V, min(CHUNK_TOKENS, count - start), dtype=np.int32)

    write_tokens(path, chunks(), V)


def training_step(path: Path, workload: Workload) -> Step:
    """Reads a block from the map and learns from it; the streams stand at places all over the file."""
    return weft_step_of(workload.model(), Blocks(open_tokens(path), workload.N, workload.T))


def evaluation_step(path: Path, workload: Workload) -> Step:
    """Evaluates the next `evaluation_tokens` of the file, from the beginning again after the last."""
    model, ids = workload.model(), open_tokens(path)
    turns = max(1, len(ids) // evaluation_tokens(workload))

    def evaluated() -> Iterator[Any]:
        while True:
            yield from islice(running_text(model, [ids], 0, workload.N, workload.T), turns)

    nats = evaluated()
    return lambda: next(nats)


def evaluation_tokens(workload: Workload) -> int:
    """Tokens of a call of `evaluation_step`."""
    return workload.N * SEGMENT_TOKENS
