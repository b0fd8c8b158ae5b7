"""Training steps: forward, backward, clipping by the global norm, SGD. A step returns its loss in nats per token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from benchmarks.compiled import compiled, compiled_by_calling, compiled_contender
from benchmarks.contender import BFLOAT16, FUSED, Contender, Step, fused_bfloat16, fused_float32, torch_bfloat16
from benchmarks.workloads import Workload
from weft.model import RNNLM
from weft.training.gradients import clip_factor, global_norm
from weft.training.optimizer import SGD

LR, CLIP = 0.1, 0.25
TorchLoss = Callable[[Any, Any, Any], Any]
"""A function from inputs (N, T), targets (N, T) and a state to the loss and the new state."""


def weft_step(workload: Workload) -> Step:
    return weft_step_of(workload.model(), repeat(workload.tokens()))


def weft_step_of(model: RNNLM, blocks: Iterator[tuple[Any, Any]]) -> Step:
    """The training step of a model; each call reads the next block."""
    optimizer = SGD(model.named_parameters())

    def step() -> float:
        loss = model.loss(*next(blocks))
        model.backward()
        gradients = model.named_gradients()
        optimizer.update(gradients, LR, clip_factor(global_norm(gradients), CLIP))
        return loss.nats / loss.tokens

    return step


def torch_step(workload: Workload) -> Step:
    from benchmarks.torch_model import torch_copy

    model = torch_copy(workload.model(), workload.cell)
    return torch_step_of(model, model.loss, workload)


def torch_bfloat16_step(workload: Workload) -> Step:
    from benchmarks.torch_model import torch_copy

    return torch_bfloat16_step_of(torch_copy(workload.model(), workload.cell), workload)


def torch_bfloat16_step_of(model: Any, workload: Workload) -> Step:
    """The training step of a PyTorch model under autocast."""
    autocast = torch_bfloat16()

    def loss(inputs: Any, targets: Any, state: Any) -> Any:
        with autocast:
            return model.loss(inputs, targets, state)

    return torch_step_of(model, loss, workload)


def compiled_step(workload: Workload, unrolled: bool = False) -> Step:
    from benchmarks.torch_model import torch_copy

    model = torch_copy(workload.model(), workload.cell)
    return compiled_by_calling(torch_step_of(model, compiled(model, "loss", unrolled), workload))


def torch_step_of(model: Any, loss_of: TorchLoss, workload: Workload) -> Step:
    """The training step of a PyTorch model; `loss_of` computes the loss."""
    import torch

    from benchmarks.torch_model import detached

    inputs, targets = (torch.tensor(array) for array in workload.tokens())
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, LR)
    state = model.zero_state(workload.N)

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
    """CONTENDERS and torch.compile, which has `build_seconds` seconds to compile."""
    return [*CONTENDERS, compiled_contender(compiled_step, build_seconds)]


def unrolled_contender(build_seconds: float) -> Contender[Workload]:
    """torch.compile with the recurrent layers unrolled."""
    return compiled_contender(partial(compiled_step, unrolled=True), build_seconds, "PyTorch unrolled")
