"""Training steps: forward, backward, clipping by the global norm, SGD. Every step returns its loss in nats a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from benchmarks.compiled import built, compiled, compiled_contender
from benchmarks.contender import BFLOAT16, FUSED, Contender, Step, fused_bfloat16, fused_float32, torch_bfloat16
from benchmarks.workloads import Workload
from weft.model import RNNLM
from weft.training.gradients import clip_factor, global_norm
from weft.training.optimizer import SGD

LR, CLIP = 0.1, 0.25
TorchLoss = Callable[[Any, Any, Any], Any]
"""From inputs (N, T), targets (N, T) and a state to the loss and the state after them."""


def weft_step(workload: Workload) -> Step:
    return weft_step_of(workload.model(), repeat(workload.tokens()))


def weft_step_of(model: RNNLM, blocks: Iterator[tuple[Any, Any]]) -> Step:
    """The training step of a model that reads the next block at every call."""
    optimizer = SGD(model.named_parameters())

    def step() -> float:
        loss = model.loss(*next(blocks))
        model.backward()
        gradients = model.named_gradients()
        optimizer.update(gradients, LR, clip_factor(global_norm(gradients), CLIP))
        return loss.nats / loss.tokens

    return step


def torch_step(workload: Workload) -> Step:
    from benchmarks.torch_model import torch_twin

    twin = torch_twin(workload.model(), workload.cell)
    return torch_step_of(twin, twin.loss, workload)


def torch_bfloat16_step(workload: Workload) -> Step:
    from benchmarks.torch_model import torch_twin

    return torch_bfloat16_step_of(torch_twin(workload.model(), workload.cell), workload)


def torch_bfloat16_step_of(twin: Any, workload: Workload) -> Step:
    """The training step of a PyTorch model under autocast."""
    autocast = torch_bfloat16()

    def loss(inputs: Any, targets: Any, state: Any) -> Any:
        with autocast:
            return twin.loss(inputs, targets, state)

    return torch_step_of(twin, loss, workload)


def compiled_step(workload: Workload, unrolled: bool = False) -> Step:
    from benchmarks.torch_model import torch_twin

    twin = torch_twin(workload.model(), workload.cell)
    return built(torch_step_of(twin, compiled(twin, "loss", unrolled), workload))


def torch_step_of(twin: Any, loss_of: TorchLoss, workload: Workload) -> Step:
    """The training step of a PyTorch model whose loss `loss_of` gives."""
    import torch

    from benchmarks.torch_model import detached

    inputs, targets = (torch.tensor(array) for array in workload.tokens())
    parameters = list(twin.parameters())
    optimizer = torch.optim.SGD(parameters, LR)
    state = twin.zero_state(workload.N)

    def step() -> float:
        nonlocal state
        optimizer.zero_grad(set_to_none=True)
        loss, after = loss_of(inputs, targets, state)
        state = detached(after)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


CONTENDERS = [
    Contender(FUSED, weft_step, fused_float32),
    Contender(BFLOAT16, weft_step, fused_bfloat16),
    Contender("weft plain", weft_step),
    Contender("PyTorch f32", torch_step),
    Contender("PyTorch bf16", torch_bfloat16_step),
]


def contenders(build_seconds: float) -> list[Contender[Workload]]:
    """With the step through torch.compile, where that builds it within so many seconds."""
    return [*CONTENDERS, compiled_contender(compiled_step, build_seconds)]


def unrolled_contender(build_seconds: float) -> Contender[Workload]:
    """The step through torch.compile with its recurrent layers unrolled."""
    return compiled_contender(partial(compiled_step, unrolled=True), build_seconds, "PyTorch unrolled")
