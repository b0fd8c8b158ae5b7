"""Scoring a running text: the text is split into N parallel streams, and each token is predicted once.

One call scores the whole text, without training. weft's result does not depend on the number of streams, because it
rereads the start of each stream until the state is exact. The PyTorch streams start from zero states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.compiled import compiled, compiled_by_calling, compiled_contender
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
    from benchmarks.torch_model import torch_copy

    model = torch_copy(text.workload.model(), text.workload.cell)
    return torch_scoring_of(model, model.loss, text)


def compiled_scoring(text: Text) -> Step:
    from benchmarks.torch_model import torch_copy

    model = torch_copy(text.workload.model(), text.workload.cell)
    loss = compiled(model, "loss")
    compiled_by_calling(torch_scoring_of(model, loss, warmup_text(text)))
    return torch_scoring_of(model, loss, text)


def warmup_text(text: Text) -> Text:
    """A short text with every kind of block of `text`: the first, one after another block, and the shorter last."""
    N, T = text.workload.N, text.workload.T
    return replace(text, tokens=N * (2 * T + text.tokens // N % T))


def torch_scoring_of(model: Any, loss_of: Callable[..., Any], text: Text) -> Step:
    """Scoring by a PyTorch model; `loss_of` computes the loss."""
    import torch

    from benchmarks.torch_model import inference

    w = text.workload
    length = text.tokens // w.N
    targets = torch.tensor(text.ids()[: w.N * length]).reshape(w.N, length)
    inputs = torch.cat((torch.zeros(w.N, 1, dtype=torch.int64), targets[:, :-1]), dim=1)
    # Copies, because the strides of a view depend on the text's length, and torch.compile specializes on strides.
    blocks = [
        [ids[:, start : start + w.T].clone(memory_format=torch.contiguous_format) for ids in (inputs, targets)]
        for start in range(0, length, w.T)
    ]

    def step() -> float:
        nats, state = 0.0, model.zero_state(w.N)
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
    """CONTENDERS and torch.compile, which has `build_seconds` seconds to compile."""
    return [*CONTENDERS, compiled_contender(compiled_scoring, build_seconds)]


def cases(setting: Setting) -> list[Case]:
    text = Text(TINY, TINY_TOKENS) if setting.tiny else Text(replace(PTB_SMALL, N=16, T=64), PTB_TEST_TOKENS)

    name = text.workload.name

    def row() -> Row:
        result = compare(text, contenders(setting.further_build_seconds), setting.seconds)
        return timed_row(name, "tokens_per_second", text.tokens, result, shape=text.workload.shape)

    return [Case(name, row)]
