"""Softmax with loss: the mean negative log-likelihood of the targets, in nats.

    p = softmax(x)          loss = mean of -ln p[target]          dx = (p - onehot(target)) / count

The mean is over the `count` targets that are not `ignore_label`. Scores x (N, V); targets t (N,) are token ids, or
one-hot (N, V).
"""

from __future__ import annotations

from typing import Any

from weft.backends import Array, Backend, backend_of, token_ids
from weft.errors import InputError
from weft.layers.layer import Layer
from weft.loss import NOTHING, Loss


class SoftmaxWithLoss(Layer):
    """`forward(x (N, V), t (N,)) -> mean nats`; `backward(dout=1) -> dx (N, V)`. No parameters.

    Raises InputError for targets of another shape, and for targets outside [0, V) other than `ignore_label`.
    """

    def __init__(self, ignore_label: int = -1) -> None:
        super().__init__()
        self.ignore_label = ignore_label
        self.loss = NOTHING

    def forward(self, x: Array, t: Array) -> float:
        backend = backend_of(x)
        t = checked_labels(backend, t, x.shape, self.ignore_label)
        nats, self._dx = backend.softmax_loss(x, t, self.ignore_label)
        self.loss = Loss(float(backend.xp.sum(nats)), counted(backend.xp, t, self.ignore_label))
        return self.loss.nats / max(self.loss.tokens, 1)

    def backward(self, dout: float = 1) -> Array:
        return self._dx * (dout / max(self.loss.tokens, 1))


class TimeSoftmaxWithLoss(SoftmaxWithLoss):
    """As above for a block: `forward(xs (N, T, V), ts (N, T)) -> mean nats`; `backward(dout=1) -> dxs (N, T, V)`."""

    def forward(self, xs: Array, ts: Array) -> float:
        backend = backend_of(xs)
        xp, ts = backend.xp, checked_labels(backend, ts, xs.shape, self.ignore_label)
        self._shape = xs.shape
        return super().forward(xp.reshape(xs, (-1, xs.shape[-1])), xp.reshape(ts, (-1,)))

    def backward(self, dout: float = 1) -> Array:
        dx = super().backward(dout)
        return backend_of(dx).xp.reshape(dx, self._shape)


def counted(xp: Any, t: Array, ignore_label: int) -> int:
    """The number of targets that are not `ignore_label`."""
    return int(xp.count_nonzero(t != ignore_label))


def checked_labels(backend: Backend, t: Array, shape: tuple[int, ...], ignore_label: int) -> Array:
    """Targets as token ids, one for each row of scores of `shape`; raises InputError if they do not fit the scores."""
    xp = backend.xp
    if backend.owns(t) and tuple(t.shape) == tuple(shape):
        t = xp.argmax(t, axis=-1)
    t = token_ids(backend, t, "targets")
    if tuple(t.shape) != tuple(shape[:-1]):
        raise InputError(f"targets must have shape {tuple(shape[:-1])} to go with scores {tuple(shape)}, got {t.shape}")
    if 0 in t.shape:
        return t
    lowest, highest = backend.bounds(t)
    if lowest >= 0 and highest < shape[-1]:
        return t
    wrong = (t != ignore_label) & ((t < 0) | (t >= shape[-1]))
    if bool(xp.any(wrong)):
        raise InputError(f"targets must be {ignore_label} (ignored) or lie in [0, {shape[-1]}), got {int(t[wrong][0])}")
    return t
