"""Training steps with a large vocabulary, by output layer: `python -m benchmarks.large_vocabulary [V [SECONDS]]`.

A step is forward, backward, clipping and the update, in float32 on one thread; V tokens, 20 streams, 35 steps, an LSTM
of 200 units. Tokens follow the Zipf-Mandelbrot law, p(v) proportional to 1 / (v + 2.7). All output layers alternate in
one process for SECONDS seconds per optimizer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contender import Step
from benchmarks.timing import interleaved
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
    print("optimizer\toutput\tmilliseconds per step\trelative to full softmax")
    for optimizer in OPTIMIZERS:
        for output, (milliseconds, share) in times_and_shares(V, optimizer, seconds).items():
            print(f"{optimizer}\t{output}\t{milliseconds:.1f}\t{share:.3f}", flush=True)


def times_and_shares(V: int, optimizer: str, seconds: float) -> dict[str, tuple[float, float]]:
    """Milliseconds per step, and the same divided by the time of the full softmax with the same weight tying."""
    steps = {name: (_step(V, OPTIMIZERS[optimizer], *kind), lambda: fused(1)) for name, kind in OUTPUTS.items()}
    times = {name: 1000 * median(calls) for name, calls in interleaved(steps, seconds).items()}
    return {name: (time, time / times["full, tied" if OUTPUTS[name][1] else "full"]) for name, time in times.items()}


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
    cumulative = np.cumsum(1 / (np.arange(V) + 2.7))
    while True:
        xs, ts = np.searchsorted(cumulative / cumulative[-1], rng.random((2, N, T)))
        yield xs, ts


if __name__ == "__main__":
    main()
