"""The optional fused operations of a backend: whole blocks, output layers and updates, each in one call.

Without them the layers' array arithmetic runs and gives the same numbers, but for rounding. `weft.backends.fused`
switches them on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from weft.backends.array_types import Array, State
from weft.backends.deduplicated_inputs import DeduplicatedInputs


class BlockKernel(Protocol):
    """The forward and backward pass of one cell type over a block of steps, in place of the plain time loop.

    Every call is given the cell and reads `cell.params` again, since the parameters change in place between calls.
    """

    def forward(self, cell: Any, xs: Array, state: State) -> tuple[Array, State, Any]:
        """Inputs xs (N, T, D) and the initial state -> hs (N, T, H), the last state, and a tape for `backward`.

        A fused kernel also accepts `DeduplicatedInputs` for xs.
        """

    def backward(self, cell: Any, dhs: Array, dstate: State, tape: Any) -> tuple[Array, State]:
        """dhs (N, T, H) and the gradient of the last state -> dxs (N, T, D) and the gradient of the initial state.

        After `DeduplicatedInputs` the first result is the gradient of their `values`, (U, D). The gradients of the
        parameters are written into `cell.grads`.
        """


class OutputKernel(Protocol):
    """Scores h W + b, softmax, loss and gradients of an output layer: h (R, H), W (H, V), b (V,), targets t (R,)."""

    def loss(
        self, h: Array, t: Array, W: Array, b: Array, ignore_label: int, dW: Array, db: Array, tokens: int
    ) -> tuple[Array, Array]:
        """The nats of every row (R,), zero where the target is `ignore_label`, and dh (R, H).

        The gradients are those of the sum of the nats divided by `tokens`. dW and db are overwritten.
        """

    def target_nats(self, h: Array, t: Array, W: Array, b: Array, ignore_label: int) -> Array:
        """The first result of `loss` alone."""

    def log_sums(
        self, h: Array, excluded: Array, extra_logit: Array, W: Array, b: Array, scale: Array, dW: Array, db: Array
    ) -> tuple[Array, Array]:
        """ln(exp extra_logit + Σ_v exp(h w_v + b_v)) of every row (R,), and dh (R, H).

        The sum is over all columns v of W except the row's own `excluded` (R,), where -1 excludes none. The gradients
        are those of Σ_rows scale · ln(…) with the extra_logit (R,) held constant. dW and db are overwritten.
        """


class AdamStep(NamedTuple):
    """The numbers of one AdamW step that all parameters share; see `weft.training.optimizer.AdamW`."""

    betas: tuple[float, float]
    """Decay rates of the running means of g and g²."""
    rate: float
    """Learning rate divided by the bias correction 1 - beta1^t of the mean."""
    root_correction: float
    """√(1 - beta2^t), the bias correction of the root of the mean square."""
    eps: float
    factor: float
    """Factor by which gradients are multiplied as they are read: that of gradient clipping."""


class UpdateKernel(Protocol):
    """In-place updates of parameters w by gradients g, all parameters in one pass.

    The n-th arrays of all sequences in one call have the same shape and memory order. Gradients are multiplied by
    `factor`, where there is one, as they are read.
    """

    def squared_norm(self, arrays: Sequence[Array]) -> float:
        """The sum of the squares of all elements; not finite if any element is not."""

    def scale(self, arrays: Sequence[Array], factor: float) -> None:
        """array <- factor · array"""

    def move_towards(self, arrays: Sequence[Array], targets: Sequence[Array], fraction: float) -> None:
        """array <- array + fraction · (target - array): one step of a running mean"""

    def sgd_towards(
        self, ws: Sequence[Array], gs: Sequence[Array], ts: Sequence[Array], lr: float, decay: float
    ) -> None:
        """w <- w - lr g + decay (t - w)"""

    def sgd(self, ws: Sequence[Array], gs: Sequence[Array], lr: float) -> None:
        """w <- w - lr g"""

    def subtract_rows(self, target: Array, rows: Array, values: Array, factor: float) -> None:
        """target[rows[k]] -= factor · values[k] for every k"""

    def rms_towards(
        self,
        ws: Sequence[Array],
        gs: Sequence[Array],
        ts: Sequence[Array],
        roots: Sequence[Array],
        lr: float,
        eps: float,
        decay: float,
    ) -> None:
        """w <- w - lr g / (root + eps) + min(decay root, 1) (t - w)"""

    def momentum(
        self, ws: Sequence[Array], gs: Sequence[Array], vs: Sequence[Array], mu: float, lr: float, factor: float
    ) -> None:
        """v <- mu v + factor g, w <- w - lr v"""

    def adamw(
        self,
        ws: Sequence[Array],
        gs: Sequence[Array],
        ms: Sequence[Array],
        vs: Sequence[Array],
        step: AdamStep,
        decays: Sequence[float],
    ) -> None:
        """m and v move towards g and g²; w <- (1 - decay) w - rate m / (√v / root_correction + eps)"""

    def adamw_rows(
        self, w: Array, rows: Array, values: Array, m: Array, v: Array, step: AdamStep, decay: float
    ) -> None:
        """`adamw` of a matrix w (V, D) whose g is `values` (U, D) at the ascending `rows` (U,) and zero elsewhere."""


class CapturedCalls(Protocol):
    """A sequence of kernel calls together with their arguments."""

    def replay(self) -> None:
        """Run the captured kernels on the current contents of the captured arrays."""


class Capture(Protocol):
    """A capture of kernel calls in progress."""

    def captured(self) -> CapturedCalls:
        """The kernels called since the capture began, or since the last call of this method."""


class FusedOperations(Protocol):
    """What a backend can do in fused kernels. A method returns None where no kernel fits."""

    def block_kernel(self, cell: Any, streams: int, steps: int) -> BlockKernel | None:
        """The kernel for blocks of a cell, or None if there is none or the plain time loop is faster."""

    def output_kernel(self, dtype: Any) -> OutputKernel | None:
        """The kernel of the output layer for parameters of a dtype, or None."""

    def update_kernel(self, dtype: Any) -> UpdateKernel | None:
        """The parameter updates for parameters of a dtype, or None."""

    def deduplicate(self, W: Array, ids: Array, cell: Any) -> DeduplicatedInputs | None:
        """The rows of W (V, D) for ids (N, T) with each distinct row once, where that is faster for the cell's kernel.

        None if the plain rows W[ids] are as fast, and if an id lies outside [0, V).
        """

    def copy_if_in_range(self, ids: Array, count: int, target: Array) -> bool:
        """Copy ids (N, T) to target (N, T) if all of them lie in [0, count); otherwise return False.

        After False the contents of target are undefined.
        """

    def can_capture(
        self, embedding: Array, cells: Sequence[Any], output: Sequence[Array], streams: int, steps: int
    ) -> bool:
        """True if kernels do all arithmetic of a pass over blocks (N, T), in the same order whatever the ids are.

        The pass is that of an embedding (V, D), layers of these cells and a full output layer with W (H, V) and b (V,).
        """

    def capture(self) -> AbstractContextManager[Capture]:
        """Within the block, kernel calls run and are captured."""
