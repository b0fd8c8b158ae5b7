"""Scoring a running text: many streams of one text side by side, every token predicted once, nothing learned.

A call of each scores the whole text. Weft's result is exact, whatever the number of streams (it reads the beginning of
each again); PyTorch's is that of streams that begin from zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.compiled import built, compiled, compiled_contender
from benchmarks.contender import BFLOAT16, FUSED, Contender, Step, fused_bfloat16, fused_float32, torch_bfloat16
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
    from benchmarks.torch_model import torch_twin

    twin = torch_twin(text.workload.model(), text.workload.cell)
    return torch_scoring_of(twin, twin.loss, text)


def compiled_scoring(text: Text) -> Step:
    from benchmarks.torch_model import torch_twin

    twin = torch_twin(text.workload.model(), text.workload.cell)
    loss = compiled(twin, "loss")
    built(torch_scoring_of(twin, loss, beginning(text)))
    return torch_scoring_of(twin, loss, text)


def beginning(text: Text) -> Text:
    """A short text with blocks like those of `text`: the first, one that another precedes, and the shorter last one."""
    N, T = text.workload.N, text.workload.T
    return replace(text, tokens=N * (2 * T + text.tokens // N % T))


def torch_scoring_of(twin: Any, loss_of: Callable[..., Any], text: Text) -> Step:
    """The scoring by a PyTorch model whose loss `loss_of` gives."""
    import torch

    from benchmarks.torch_model import inference

    w = text.workload
    length = text.tokens // w.N
    targets = torch.tensor(text.ids()[: w.N * length]).reshape(w.N, length)
    inputs = torch.cat((torch.zeros(w.N, 1, dtype=torch.int64), targets[:, :-1]), dim=1)
    # Copies: what torch.compile builds for a view depends on the length of the whole text.
    blocks = [
        [ids[:, start : start + w.T].clone(memory_format=torch.contiguous_format) for ids in (inputs, targets)]
        for start in range(0, length, w.T)
    ]

    def step() -> float:
        nats, state = 0.0, twin.zero_state(w.N)
        with inference():
            for block in blocks:
                loss, state = loss_of(*block, state, reduction="sum")
                nats += float(loss)
        return nats

    return step


CONTENDERS = [
    Contender(FUSED, weft_scoring, fused_float32),
    Contender(BFLOAT16, weft_scoring, fused_bfloat16),
    Contender("weft plain", weft_scoring),
    Contender("PyTorch f32", torch_scoring),
    Contender("PyTorch bf16", torch_scoring, torch_bfloat16),
]


def contenders(build_seconds: float) -> list[Contender[Text]]:
    """With the scoring through torch.compile, where that builds it within so many seconds."""
    return [*CONTENDERS, compiled_contender(compiled_scoring, build_seconds)]


def cases(setting: Setting) -> list[Case]:
    text = Text(TINY, TINY_TOKENS) if setting.tiny else Text(replace(PTB_SMALL, N=16, T=64), PTB_TEST_TOKENS)

    name = text.workload.name

    def row() -> Row:
        result = compare(text, contenders(setting.further_build_seconds), setting.seconds)
        return timed_row(name, "tokens_per_second", text.tokens, result, shape=text.workload.shape)

    return [Case(name, row)]
