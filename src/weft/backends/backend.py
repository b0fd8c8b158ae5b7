"""What a backend provides: an array namespace, the few operations the array standard lacks, and fused kernels.

The arithmetic of the layers is written once, in the functions of the Python array API standard
(https://data-apis.org/array-api/), reached through `Backend.xp`. A backend adds what the standard has no name for and
what must be fast.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = Any
"""An array of any library that follows the Python array API standard."""

State: TypeAlias = tuple[Array, ...]
"""The state of one recurrent layer: (h,) or (h, c), each (N, H)."""


class BlockKernel(Protocol):
    """A whole block of one cell type, forward and backward, in place of the plain time loop.

    It is handed the cell at every call and reads `cell.params` anew, since they change in place between calls.
    """

    def forward(self, cell: Any, xs: Array, state: State) -> tuple[Array, State, Any]:
        """xs (N, T, D), initial state -> hs (N, T, H), last state, and a tape for `backward`."""

    def backward(self, cell: Any, dhs: Array, dstate: State, tape: Any) -> tuple[Array, State]:
        """dhs (N, T, H), gradient at the last state -> dxs (N, T, D), gradient at the initial state.

        For `DeduplicatedInputs` (see `Backend.reads_rows`) the first result is the gradient of their values (U, D).
        Parameter gradients are written into `cell.grads`.
        """


class OutputKernel(Protocol):
    """Scores, softmax, loss and gradients of the output layer for rows h (R, H), W (H, V), b (V,), targets t (R,)."""

    def loss(
        self, h: Array, t: Array, W: Array, b: Array, ignore_label: int, dW: Array, db: Array, tokens: int
    ) -> tuple[Array, Array]:
        """The nats of every row (R,), zero where ignored, and dh (R, H); dW and db are overwritten.

        The gradients are those of the sum over the rows that are not ignored, divided by `tokens`.
        """

    def target_nats(self, h: Array, t: Array, W: Array, b: Array, ignore_label: int) -> Array:
        """The first result of `loss` alone."""

    def log_sums(
        self, h: Array, excluded: Array, extra_logit: Array, W: Array, b: Array, scale: Array, dW: Array, db: Array
    ) -> tuple[Array, Array]:
        """ln(exp beside + Σ_v exp(h w_v + b_v)) of every row (R,), over all v but the row's `excluded` (-1: none).

        beside (R,): a score that stands beside those of the columns of W. And dh (R, H), the gradient of
        Σ_rows scale · ln(…); dW and db are overwritten.
        """


class UpdateKernel(Protocol):
    """In-place updates of parameters w by gradients g, all of them in one pass; the n-th arrays of a call are alike.

    `factor`: what the gradients are multiplied by as they are read.
    """

    def squared_norm(self, arrays: Sequence[Array]) -> float:
        """The sum of the squares of all elements; not finite if any is not."""

    def scale(self, arrays: Sequence[Array], factor: float) -> None:
        """array <- factor · array"""

    def move_towards(self, arrays: Sequence[Array], targets: Sequence[Array], fraction: float) -> None:
        """array <- array + fraction · (target - array): what keeps an average"""

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
        """v <- mu v + g, w <- w - lr v"""

    def adamw(
        self,
        ws: Sequence[Array],
        gs: Sequence[Array],
        ms: Sequence[Array],
        vs: Sequence[Array],
        betas: tuple[float, float],
        rate: float,
        root_correction: float,
        eps: float,
        decays: Sequence[float],
        factor: float,
    ) -> None:
        """m and v move towards g and g²; w <- (1 - decay) w - rate m / (√v / root_correction + eps)"""

    def adamw_rows(
        self,
        w: Array,
        rows: Array,
        values: Array,
        m: Array,
        v: Array,
        betas: tuple[float, float],
        rate: float,
        root_correction: float,
        eps: float,
        decay: float,
        factor: float,
    ) -> None:
        """The same for a matrix w (V, D), g being `values` (U, D) at the `rows` (U,), ascending, and zero elsewhere."""


class CapturedCalls(Protocol):
    """Kernels that were called, and their arguments."""

    def replay(self) -> None:
        """All of it once more, with what the arrays hold now."""


class Capture(Protocol):
    """Records the kernels that are called."""

    def captured(self) -> CapturedCalls:
        """What was recorded since this was asked last."""


class Backend(Protocol):
    """One array library, as the layers see it."""

    name: str
    xp: Any

    def owns(self, array: Array) -> bool:
        """Whether `array` is one of this backend's."""

    def asarray(self, values: np.ndarray[Any, Any]) -> Array:
        """A NumPy array as an array of this backend; it may share memory."""

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """An array of this backend as a NumPy array; it may share memory."""

    def bounds(self, numbers: Array) -> tuple[int, int]:
        """The lowest and the highest of some whole numbers."""

    def total(self, numbers: Array) -> float:
        """The sum of all elements, in float64."""

    def copy_if_in_range(self, numbers: Array, count: int, place: Array) -> bool:
        """Whether all whole numbers (N, T) lie in [0, count); then place (N, T) is a copy of them, else it may be."""

    def add_rows(self, target: Array, rows: Array, values: Array) -> None:
        """target[rows[k]] += values[k] for every k, in place; a row named twice receives both."""

    def take_rows(self, W: Array, rows: Array) -> Array:
        """W[rows] (K, D) for rows (K,) of W (V, D), all of them in [0, V)."""

    def unique(self, ids: Array, count: int) -> tuple[Array, Array]:
        """The different numbers among ids, all below `count`, ascending (U,); the place of each id, in its shape."""

    def sum_rows(self, rows: Array, values: Array) -> tuple[Array, Array]:
        """The different numbers among `rows`, ascending (U,), and the sum of the values (U, D) of each."""

    def softmax_loss(self, scores: Array, targets: Array, ignore_label: int) -> tuple[Array, Array]:
        """Negative log-likelihood and its gradient, row by row.

        scores (R, V), targets (R,) -> nats (R,) = log sum_v exp(scores_v) - scores_target, and the gradient of
        sum(nats) by the scores (R, V) = softmax(scores) - onehot(target). Rows whose target is `ignore_label` give
        zero and a zero gradient. `scores` is left as it is.
        """

    def target_nats(self, scores: Array, targets: Array, ignore_label: int) -> Array:
        """The first result of `softmax_loss` alone."""

    def keep_mask(self, shape: tuple[int, ...], ratio: float, rng: np.random.Generator, dtype: Any) -> Array:
        """A dropout mask: 0 with probability `ratio`, else 1 / (1 - ratio)."""

    def rounding(self, dtype: Any) -> float:
        """How far apart, beside max(1, |x|), the same state worked out in two ways may be: a few roundings."""

    def block_kernel(self, cell: Any, streams: int, steps: int) -> BlockKernel | None:
        """The fused kernel for a cell and blocks of such a shape, or None: the plain loop runs."""

    def reads_rows(self, cell: Any, streams: int, steps: int) -> bool:
        """Whether the inputs of blocks of such a shape may be `DeduplicatedInputs`."""

    def capture_key(self) -> Hashable | None:
        """What stands for the kernels that are switched on and for who calls them; a recording is good for this one
        only. None: nothing can be recorded."""

    def can_capture(
        self, embedding: Array, cells: Sequence[Any], output: Sequence[Array], streams: int, steps: int
    ) -> bool:
        """Whether all that is worked out in a block of such a shape is done by kernels that can be recorded, for an
        embedding (V, D), these cells and a full output layer with the parameters W and b."""

    def capturing(self) -> AbstractContextManager[Capture]:
        """Within the block the kernels that are called are recorded."""

    def update_kernel(self, dtype: Any) -> UpdateKernel | None:
        """Fused updates for a precision, or None: they are array arithmetic."""

    def output_kernel(self, dtype: Any) -> OutputKernel | None:
        """The fused output layer for a precision, or None: it is worked out in slices."""
