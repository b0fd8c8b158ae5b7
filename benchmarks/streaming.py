"""Streaming: one session, or a batch of N, reads one token per call and computes the scores of the next.

Each contender is a function from ids (N,) to scores (N, V) that keeps its recurrent state between calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.compiled import compiled, compiled_by_calling, compiled_contender
from benchmarks.contender import BFLOAT16, FUSED, INT8, Contender, Step, Unavailable, torch_bfloat16
from benchmarks.row import Case, Row, timed_row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.workloads import STREAMING, TINY, Workload
from weft.errors import InputError
from weft.inference.frozen_model import StreamingModel
from weft.model import Steps

BATCHES = (1, 16, 64)
Reader = Callable[[NDArray[np.int64]], Any]


def weft_plain_reader(workload: Workload) -> Reader:
    return weft_reader_of(workload.model(), workload.N)


def weft_float32_reader(workload: Workload) -> Reader:
    return weft_reader_of(frozen_model(workload, "float32"), workload.N)


def weft_bfloat16_reader(workload: Workload) -> Reader:
    return weft_reader_of(frozen_model(workload, "bfloat16"), workload.N)


def weft_int8_reader(workload: Workload) -> Reader:
    return weft_reader_of(frozen_model(workload, "int8"), workload.N)


def frozen_model(workload: Workload, weights: str) -> StreamingModel:
    """A model on the streaming kernels, with `weights` float32, bfloat16 or int8. Raises Unavailable without them."""
    try:
        return StreamingModel(workload.model(), weights, kernels="fused")
    except InputError as error:
        raise Unavailable(str(error)) from error


def weft_reader_of(model: Steps, streams: int) -> Reader:
    state = model.zero_state(streams)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        scores, state = model.step(ids, state)
        return scores

    return read


def torch_reader(workload: Workload) -> Reader:
    from benchmarks.torch_model import torch_copy

    model = torch_copy(workload.model(), workload.cell)
    return torch_reader_of(model, model.forward, workload)


def compiled_reader(workload: Workload) -> Reader:
    from benchmarks.torch_model import torch_copy

    model = torch_copy(workload.model(), workload.cell)
    return torch_reader_of(model, compiled(model, "forward", unrolled=True), workload)


def torch_reader_of(model: Any, forward: Callable[..., Any], workload: Workload) -> Reader:
    """A reader on a PyTorch model; `forward` computes the scores."""
    import torch

    from benchmarks.torch_model import inference

    state = model.zero_state(workload.N)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        with inference():
            scores, state = forward(torch.from_numpy(ids)[:, None], state)
        return scores[:, 0].float().numpy()

    return read


def onnx_reader(workload: Workload) -> Reader:
    from benchmarks.onnx_model import session

    return onnx_reader_of(session(workload.model()), workload)


def onnx_int8_reader(workload: Workload) -> Reader:
    from benchmarks.onnx_model import int8_session

    return onnx_reader_of(int8_session(workload.model()), workload)


def onnx_reader_of(session: Any, workload: Workload) -> Reader:
    """A reader on a session of ONNX Runtime."""
    names = [node.name for node in session.get_inputs() if node.name != "ids"]
    zeros = np.zeros((1, workload.N, workload.H), np.float32)
    state = dict.fromkeys(names, zeros)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        scores, *after = session.run(None, {"ids": ids, **state})
        state = dict(zip(names, after, strict=True))
        return scores

    return read


def reader_step(make: Callable[[Workload], Reader], workload: Workload) -> Step:
    """A step of the reader that `make` returns: one random token per session."""
    read = make(workload)
    ids = cycle(list(np.random.default_rng(0).integers(0, workload.V, (1000, workload.N))))
    return lambda: read(next(ids))


def compiled_reader_step(workload: Workload) -> Step:
    return compiled_by_calling(reader_step(compiled_reader, workload))


CONTENDERS = [
    Contender(FUSED, partial(reader_step, weft_float32_reader)),
    Contender(BFLOAT16, partial(reader_step, weft_bfloat16_reader)),
    Contender(INT8, partial(reader_step, weft_int8_reader)),
    Contender("weft plain", partial(reader_step, weft_plain_reader)),
    Contender("ONNX f32", partial(reader_step, onnx_reader)),
    Contender("ONNX int8", partial(reader_step, onnx_int8_reader)),
    Contender("PyTorch f32", partial(reader_step, torch_reader)),
    Contender("PyTorch bf16", partial(reader_step, torch_reader), torch_bfloat16),
]


def contenders(build_seconds: float) -> list[Contender[Workload]]:
    """CONTENDERS and torch.compile, which has `build_seconds` seconds to compile."""
    return [*CONTENDERS, compiled_contender(compiled_reader_step, build_seconds)]


def cases(setting: Setting) -> list[Case]:
    models, batches = ([TINY], BATCHES[:2]) if setting.tiny else (STREAMING, BATCHES)

    def case(workload: Workload) -> Case:
        unit = "microseconds_per_token" if workload.N == 1 else "tokens_per_second"
        name = f"{workload.name}, batch {workload.N}"

        def row() -> Row:
            result = compare(workload, contenders(setting.further_build_seconds), setting.seconds)
            return timed_row(name, unit, workload.N, result, shape=workload.shape)

        return Case(name, row)

    return [case(replace(model, N=N)) for N in batches for model in models]
