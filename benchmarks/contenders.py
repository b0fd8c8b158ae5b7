"""Who takes part: weft on its fused kernels and on the plain loop, and PyTorch. Each gives a function that does one
training step (forward, backward, clipping by global norm, SGD) and returns the loss in nats per token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks.workloads import Workload
from weft.backends.fusing import fused
from weft.model import RNNLM
from weft.training.gradients import clip_by_global_norm
from weft.training.optimizer import SGD

LR, CLIP = 0.1, 0.25
Step = Callable[[], float]


@dataclass(frozen=True)
class Contender:
    """`make` prepares a workload and gives its training step; the step runs within `context`."""

    name: str
    make: Callable[[Workload], Step]
    context: Callable[[], AbstractContextManager[None]] = nullcontext


def weft_step(workload: Workload) -> Step:
    xs, ts = workload.tokens()
    w = workload
    model = RNNLM(w.V, w.D, w.H, w.layers, w.cell, seed=0)
    optimizer = SGD(model.named_parameters())

    def step() -> float:
        loss = model.loss(xs, ts)
        model.backward()
        clip_by_global_norm(model.named_gradients(), CLIP)
        optimizer.update(model.named_gradients(), LR)
        return loss.nats / loss.tokens

    return step


def torch_step(workload: Workload, bfloat16: bool) -> Step:
    import torch

    torch.manual_seed(0)
    w = workload
    inputs, targets = (torch.tensor(array) for array in w.tokens())
    embedding = torch.nn.Embedding(w.V, w.D)
    kind: Any = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[w.cell]
    recurrent = kind(w.D, w.H, w.layers, batch_first=True)
    output = torch.nn.Linear(w.H, w.V)
    parameters = [*embedding.parameters(), *recurrent.parameters(), *output.parameters()]
    optimizer = torch.optim.SGD(parameters, LR)
    state: Any = None

    def step() -> float:
        nonlocal state
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
            hs, after = recurrent(embedding(inputs), state)
            loss: Any = torch.nn.functional.cross_entropy(output(hs).reshape(-1, w.V), targets.reshape(-1))
        state = tuple(part.detach() for part in after) if isinstance(after, tuple) else after.detach()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


def contenders(threads: int | None = None) -> list[Contender]:
    """All that take part, weft's fused kernels first; `threads` are theirs (None: all cores)."""
    return [
        Contender("weft fused", weft_step, lambda: fused(threads)),
        Contender("weft bf16", weft_step, lambda: fused(threads, "bfloat16")),
        Contender("weft plain", weft_step),
        Contender("PyTorch f32", lambda workload: torch_step(workload, bfloat16=False)),
        Contender("PyTorch bf16", lambda workload: torch_step(workload, bfloat16=True)),
    ]
