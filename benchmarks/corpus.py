"""Cost per token over the size of the corpus: training and evaluation on memory-mapped files of random token ids.

The cost per token should not depend on the size. The sizes alternate in one process, so that changes of the machine's
speed affect all of them alike. A large corpus is read only in part, as far as the measuring time allows.
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

from benchmarks.contender import Contender, Step, Unavailable
from benchmarks.row import UNITS, Case, Row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.training_steps import weft_step_of
from benchmarks.workloads import SMALL, TINY, Workload
from weft.backends.fused import fused, why_not_fused
from weft.evaluation.running_text import SEGMENT_TOKENS, running_text
from weft.text.batches import Blocks
from weft.text.tokens import open_tokens, token_chunks, write_tokens

MEGABYTES = [1.0, 10.0, 100.0, 1000.0]
TINY_MEGABYTES = [0.05, 0.1]
TOKEN_BYTES = 2
CHUNK_TOKENS = 1 << 20
FREE_SPACE_FACTOR = 3
"""Free disk space that a corpus requires, as a multiple of its size."""
UNIT = "microseconds_per_token"


def cases(setting: Setting) -> list[Case]:
    sizes = TINY_MEGABYTES if setting.tiny else [size for size in MEGABYTES if size <= setting.largest_corpus]
    workload = replace(TINY, V=1000) if setting.tiny else SMALL
    return [Case("cost per token", lambda: row(sizes, workload, setting.seconds))]


def row(sizes: list[float], workload: Workload, seconds: float) -> Row:
    """Microseconds per token of training steps and of evaluation, by corpus size (MB of token ids)."""
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
            except Unavailable as reason:
                missing[f"{size:g} MB"] = str(reason)
        for kind, step_on, tokens in kinds:
            contenders = [
                Contender(f"{kind}, {size:g} MB", partial(step_on, path), fused_if_available)
                for size, path in paths.items()
                if path.exists()
            ]
            result = compare(workload, contenders, seconds)
            figures |= {name: UNITS[UNIT](time, tokens) for name, time in result.seconds.items()}
    return Row("cost per token", UNIT, figures, missing=missing, facts={"shape": workload.shape})


def fused_if_available() -> AbstractContextManager[None]:
    """The fused kernels, or the plain time loop if this machine cannot run them."""
    return nullcontext() if why_not_fused() else fused()


def write_corpus(path: Path, megabytes: float, V: int) -> None:
    """Write random ids below V. Raises Unavailable if less than FREE_SPACE_FACTOR times the size is free on disk."""
    free = shutil.disk_usage(path.parent).free
    if free < FREE_SPACE_FACTOR * megabytes * 1e6:
        needed = FREE_SPACE_FACTOR * megabytes / 1e3
        raise Unavailable(f"only {free / 1e9:.1f} GB are free on the disk, {needed:g} GB are needed")
    rng = np.random.default_rng(0)
    count = int(megabytes * 1e6) // TOKEN_BYTES

    def chunks() -> Iterator[Any]:
        for start in range(0, count, CHUNK_TOKENS):
            yield rng.integers(0, V, min(CHUNK_TOKENS, count - start), dtype=np.int32)

    write_tokens(path, chunks(), V)


def training_step(path: Path, workload: Workload) -> Step:
    """A training step on the next block of the memory map; the N streams start at equally spaced offsets."""
    return weft_step_of(workload.model(), Blocks(open_tokens(path), workload.N, workload.T))


def evaluation_step(path: Path, workload: Workload) -> Step:
    """Evaluate the next `evaluation_tokens` of the file; after the last, continue at the beginning."""
    model, ids = workload.model(), open_tokens(path)
    segments = max(1, len(ids) // evaluation_tokens(workload))

    def endless_segments() -> Iterator[Any]:
        while True:
            yield from islice(running_text(model, token_chunks(ids), 0, workload.N, workload.T), segments)

    nats = endless_segments()
    return lambda: next(nats)


def evaluation_tokens(workload: Workload) -> int:
    """Tokens per call of `evaluation_step`."""
    return workload.N * SEGMENT_TOKENS
