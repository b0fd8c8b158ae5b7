"""One token at a time: a session, or many stepped together, reads a token each and wants the scores of the next.

Every contender is a function from ids (N,) to scores (N, V) that keeps its state from call to call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contender import BFLOAT16, FUSED, INT8, CannotTakePart, Contender, Step
from benchmarks.row import Case, Row, timed_row
from benchmarks.setting import Setting
from benchmarks.timing import compare
from benchmarks.workloads import STREAMING, TINY, Workload
from weft.errors import InputError
from weft.model import Steps
from weft.streaming_model import StreamingModel

BATCHES = (1, 16, 64)
Reader = Callable[[NDArray[np.int64]], Any]


def weft_plain_reader(workload: Workload) -> Reader:
    return weft_reader_of(workload.model(), workload.N)


def weft_float32_reader(workload: Workload) -> Reader:
    return weft_reader_of(kernels_on(workload, "float32"), workload.N)


def weft_bfloat16_reader(workload: Workload) -> Reader:
    return weft_reader_of(kernels_on(workload, "bfloat16"), workload.N)


def weft_int8_reader(workload: Workload) -> Reader:
    return weft_reader_of(kernels_on(workload, "int8"), workload.N)


def kernels_on(workload: Workload, weights: str) -> StreamingModel:
    """The streaming kernels on weights of this kind; raises CannotTakePart where they do not run."""
    try:
        return StreamingModel(workload.model(), weights, kernels="fused")
    except InputError as error:
        raise CannotTakePart(str(error)) from error


def weft_reader_of(model: Steps, streams: int) -> Reader:
    state = model.zero_state(streams)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        scores, state = model.step(ids, state)
        return scores

    return read


def torch_reader(workload: Workload) -> Reader:
    import torch

    from benchmarks.torch_model import torch_twin

    twin = torch_twin(workload.model(), workload.cell)
    state = twin.zero_state(workload.N)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        with torch.inference_mode():
            scores, state = twin(torch.from_numpy(ids)[:, None], state)
        return scores[:, 0].numpy()

    return read


def onnx_reader(workload: Workload) -> Reader:
    from benchmarks.onnx_model import session

    return reader_of(session(workload.model()), workload)


def onnx_int8_reader(workload: Workload) -> Reader:
    from benchmarks.onnx_model import int8_session

    return reader_of(int8_session(workload.model()), workload)


def reader_of(session: Any, workload: Workload) -> Reader:
    """A reader through a session of ONNX Runtime."""
    names = [place.name for place in session.get_inputs() if place.name != "ids"]
    zeros = np.zeros((1, workload.N, workload.H), np.float32)
    state = dict.fromkeys(names, zeros)

    def read(ids: NDArray[np.int64]) -> Any:
        nonlocal state
        scores, *after = session.run(None, {"ids": ids[None], **state})
        state = dict(zip(names, after, strict=True))
        return scores

    return read


def timed(make: Callable[[Workload], Reader]) -> Callable[[Workload], Step]:
    """From what makes a reader to what makes a step that reads one random token a session."""

    def make_step(workload: Workload) -> Step:
        read = make(workload)
        ids = cycle(list(np.random.default_rng(0).integers(0, workload.V, (1000, workload.N))))
        return lambda: read(next(ids))

    return make_step


READERS: dict[str, Callable[[Workload], Reader]] = {
    FUSED: weft_float32_reader,
    BFLOAT16: weft_bfloat16_reader,
    INT8: weft_int8_reader,
    "weft plain": weft_plain_reader,
    "PyTorch f32": torch_reader,
    "ONNX f32": onnx_reader,
    "ONNX int8": onnx_int8_reader,
}
CONTENDERS = [Contender(name, timed(make)) for name, make in READERS.items()]


def cases(setting: Setting) -> list[Case]:
    models, batches = ([TINY], BATCHES[:2]) if setting.tiny else (STREAMING, BATCHES)

    def case(workload: Workload) -> Case:
        unit = "microseconds_per_token" if workload.N == 1 else "tokens_per_second"
        name = f"{workload.name}, batch {workload.N}"

        def row() -> Row:
            result = compare(workload, CONTENDERS, setting.seconds)
            return timed_row(name, unit, workload.N, result, shape=workload.shape)

        return Case(name, row)

    return [case(replace(model, N=N)) for N in batches for model in models]
