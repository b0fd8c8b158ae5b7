"""Scoring a running text: many streams of one text side by side, every token predicted once, nothing learned.

A call of each scores the whole text. Weft's result is exact, whatever the number of streams (it reads the beginning of
each again); PyTorch's is that of streams that begin from zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.contender import BFLOAT16, FUSED, Contender, Step, fused_bfloat16, fused_float32
from benchmarks.row import Case, Row, timed_row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.workloads import PTB_SMALL, TINY, Workload
from weft.evaluation.evaluate import evaluate_tokens

PTB_TEST_TOKENS = 82_430
TINY_TOKENS = 500


@dataclass(frozen=True)
class Text:
    """`tokens` random ids for the model of `workload`, read in blocks of its N streams and T steps."""

    workload: Workload
    tokens: int

    def ids(self) -> Any:
        return np.random.default_rng(0).integers(0, self.workload.V, self.tokens)


def weft_scoring(text: Text) -> Step:
    ids, model = text.ids(), text.workload.model()
    w = text.workload
    return lambda: evaluate_tokens(model, ids, 0, w.N, w.T).nats


def torch_scoring(text: Text) -> Step:
    import torch

    from benchmarks.torch_model import torch_twin

    w = text.workload
    twin = torch_twin(w.model(), w.cell)
    length = text.tokens // w.N
    targets = torch.tensor(text.ids()[: w.N * length]).reshape(w.N, length)
    inputs = torch.cat((torch.zeros(w.N, 1, dtype=torch.int64), targets[:, :-1]), dim=1)

    def step() -> float:
        nats, state = 0.0, twin.zero_state(w.N)
        with torch.inference_mode():
            for block in (slice(start, start + w.T) for start in range(0, length, w.T)):
                loss, state = twin.loss(inputs[:, block], targets[:, block], state, reduction="sum")
                nats += float(loss)
        return nats

    return step


def torch_bfloat16_scoring(text: Text) -> Step:
    import torch

    step = torch_scoring(text)

    def with_autocast() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return step()

    return with_autocast


CONTENDERS = [
    Contender(FUSED, weft_scoring, fused_float32),
    Contender(BFLOAT16, weft_scoring, fused_bfloat16),
    Contender("weft plain", weft_scoring),
    Contender("PyTorch f32", torch_scoring),
    Contender("PyTorch bf16", torch_bfloat16_scoring),
]


def cases(setting: Setting) -> list[Case]:
    text = Text(TINY, TINY_TOKENS) if setting.tiny else Text(replace(PTB_SMALL, N=16, T=64), PTB_TEST_TOKENS)

    name = text.workload.name

    def row() -> Row:
        result = compare(text, CONTENDERS, setting.seconds)
        return timed_row(name, "tokens_per_second", text.tokens, result, shape=text.workload.shape)

    return [Case(name, row)]
