"""Training steps with a large vocabulary, by the kind of output layer: `python -m benchmarks.large_vocabulary`.

A step is forward, backward, clipping and the update, in float32 on one thread; V tokens, 20 streams, 35 steps, an LSTM
of 200 units. Tokens are drawn by Zipf's law, the v-th in proportion to 1 / (v + 2.7). All kinds run in turn in one
process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contender import Step
from benchmarks.timing import in_turn
from weft.backends.fused import fused
from weft.layers import OutputSettings
from weft.model import RNNLM
from weft.training.gradients import clip_factor, global_norm
from weft.training.optimizer import SGD, AdamW, Optimizer

N, T, H = 20, 35, 200
LR, CLIP = 1e-3, 0.25
OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adamw": AdamW}
OUTPUTS = {
    "full": (OutputSettings(), False),
    "adaptive": (OutputSettings(output="adaptive"), False),
    "sampled": (OutputSettings(output="sampled"), False),
    "full, tied": (OutputSettings(), True),
    "sampled, tied": (OutputSettings(output="sampled"), True),
}


def main() -> None:
    V = int(sys.argv[1]) if len(sys.argv) > 1 else 256_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    print("optimizer\toutput\tmilliseconds a step\tof the full softmax's")
    for optimizer in OPTIMIZERS:
        for output, (milliseconds, share) in shares_of_full(V, optimizer, seconds).items():
            print(f"{optimizer}\t{output}\t{milliseconds:.1f}\t{share:.3f}", flush=True)


def shares_of_full(V: int, optimizer: str, seconds: float) -> dict[str, tuple[float, float]]:
    """Milliseconds of a step, and their share of those with the full softmax that is tied or not alike."""
    steps = {name: (_step(V, OPTIMIZERS[optimizer], *kind), lambda: fused(1)) for name, kind in OUTPUTS.items()}
    times = {name: 1000 * median(calls) for name, calls in in_turn(steps, seconds).items()}
    return {name: (own, own / times["full, tied" if OUTPUTS[name][1] else "full"]) for name, own in times.items()}


def _step(V: int, make: type[Optimizer], output: OutputSettings, tied: bool) -> Step:
    model = RNNLM(V, H, H, tied=tied, output=output, seed=0)
    optimizer, blocks = make(model.named_parameters()), _blocks(V)

    def step() -> float:
        loss = model.loss(*next(blocks))
        model.backward()
        gradients = model.named_gradients()
        optimizer.update(gradients, LR, clip_factor(global_norm(gradients), CLIP))
        return loss.nats / loss.tokens

    return step


def _blocks(V: int) -> Iterator[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    ends = np.cumsum(1 / (np.arange(V) + 2.7))
    while True:
        xs, ts = np.searchsorted(ends / ends[-1], rng.random((2, N, T)))
        yield xs, ts


if __name__ == "__main__":
    main()
