"""RNNLM: the recurrent language model.

    P(w_1 … w_m) = Π_t P(w_t | w_1 … w_{t-1})

    TimeRowEmbedding -> [EmbeddingDropout] -> Stack of TimeRNN | TimeLSTM | TimeGRU | … -> OutputLayer

ids (N, T), embeddings (N, T, D), hidden states (N, T, H), scores (N, T, V). Training carries the state in the layers;
everything else passes it as a value: `step` and `log_probabilities` take a state, return the next, and touch nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from weft.backends import Array, random_generator
from weft.backends.captured_pass import CapturedPasses
from weft.errors import InputError
from weft.layers import (
    EmbeddingDropout,
    Layer,
    Loss,
    OutputSettings,
    Regularization,
    RowGradient,
    Stack,
    TimeRecurrent,
    TimeRowEmbedding,
    layer_normalized,
    time_layer,
)
from weft.layers.output.sliced import SLICE_BYTES
from weft.layers.stack import StackState, layer_sizes

Gradient = Array | RowGradient

ModelState = StackState


class Steps(Protocol):
    """What goes on by one token a stream: an `RNNLM`, or a `StreamingModel`."""

    def step(self, ids: Array, state: ModelState) -> tuple[Array, ModelState]:
        """ids (N,) and the state before them -> scores (N, V) of the next token, and the state after."""

    def zero_state(self, streams: int) -> ModelState:
        """The state of streams that have read nothing."""


class RNNLM:
    """A recurrent language model over V tokens.

    vocab_size V, embedding_size D, hidden_size H, and `layers` recurrent layers of the cell type named `cell`.
    `dropout`: share of activations dropped after the embedding and after every layer, while training, where
    `regularization` says nothing else. `tied`: the output weights are the embedding's, transposed (Press & Wolf 2017;
    Inan et al. 2017), and the last layer is of size D, which must be H if it is the only one. `layer_norm`: the cell in
    its layer-normalised form. `residual`: layers add to what they read (see `Stack`). `embedding_std`: standard
    deviation of the embedding to start training from; the other matrices have one over the root of their number of
    rows. `window`: the positions that a layer of the cell 'window' sees. `output`: the output layer; where it is not
    the full one, `counts` are the occurrences of every token in the training text, without which the ids are taken to
    be in order of frequency. `rows`: the output layer's slice (see `TimeOutputWithLoss`).

    Raises InputError for an unknown cell or wrong sizes.

    `params` and `grads` are lists in the order of `named_parameters()`; the parameters are updated in place. The
    gradient of an embedding that is not tied, and of sampled output weights, is a `RowGradient`, every other one an
    array.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        layers: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
        tied: bool = False,
        *,
        regularization: Regularization | None = None,
        layer_norm: bool = False,
        residual: bool = False,
        embedding_std: float = 0.1,
        window: int = 4,
        output: OutputSettings | None = None,
        counts: Sequence[int] | None = None,
        seed: int | None = None,
        dtype: str = "float32",
        rows: int | None = None,
    ) -> None:
        sizes = {"vocab_size": vocab_size, "embedding_size": embedding_size, "hidden_size": hidden_size}
        for name, size in {**sizes, "layers": layers, "window": window}.items():
            if size < 1:
                raise InputError(f"{name} must be at least 1, got {size}")
        sizes_of_layers = layer_sizes(embedding_size, hidden_size, layers, tied)
        self.output_settings = output or OutputSettings()
        self.output_settings.check(tied)
        self.rng = random_generator(seed)
        self.vocab_size, self.tied = vocab_size, tied
        layer_type = layer_normalized(cell) if layer_norm else time_layer(cell)
        settings = {"window": window} if "window" in layer_type.cell_type.settings else {}

        def array(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return values.astype(dtype)

        output_type = self.output_settings.layer
        self.embedding = TimeRowEmbedding(array(self.rng.normal(0, embedding_std, (vocab_size, embedding_size))))
        self.recurrent: list[TimeRecurrent] = []
        for inputs, size in zip((embedding_size, *sizes_of_layers), sizes_of_layers, strict=False):
            values = layer_type.cell_type.initial_parameters(self.rng, inputs, size, **settings)
            self.recurrent.append(layer_type(**layer_type.cell_type.named(map(array, values)), stateful=True))
        self.order = None if counts is None else _frequency_order(counts, vocab_size)
        if tied:
            values = output_type.tied_parameters(self.embedding.params[0])
        else:
            values = output_type.initial_parameters(self.rng, hidden_size, vocab_size, self.output_settings)
            values = list(map(array, values))
        self.output = output_type.of(values, self.output_settings, self.rng, self.order, rows)
        regularization = regularization or Regularization()
        self.embedding_dropout = EmbeddingDropout(regularization.embedding_dropout, self.rng)
        self.stack = Stack(self.recurrent, self.rng, dropout, regularization, residual)
        self._settle()

    def named_parameters(self) -> dict[str, Array]:
        """The trained arrays by name; tied weights are named once, as the embedding's."""
        return {name: layer.params[index] for name, layer, index in self._places}

    @property
    def grads(self) -> list[Gradient]:
        """The gradients, in the order of `params`."""
        return list(self.named_gradients().values())

    def named_gradients(self) -> dict[str, Gradient]:
        """The gradients under the same names, in the same order."""
        return {name: layer.grads[index] for name, layer, index in self._places}

    def _settle(self) -> None:
        """Take note of where the parameters are; to be called whenever the layers are others."""
        self._places, self._recorded = self._found_places(), CapturedPasses()
        self.params = list(self.named_parameters().values())

    def _found_places(self) -> list[tuple[str, Layer, int]]:
        places: list[tuple[str, Layer, int]] = [("embedding.W", self.embedding, 0)]
        for number, layer in enumerate(self.recurrent):
            names = layer.cell.named(layer.params)
            places += [(f"recurrent.{number}.{name}", layer, index) for index, name in enumerate(names)]
        names = self.output.named(self.output.params)
        places += [(f"output.{name}", self.output, index) for index, name in enumerate(names)]
        return [place for place in places if not self._is_tied(place)]

    def _is_tied(self, place: tuple[str, Layer, int]) -> bool:
        """Whether what is there is the embedding."""
        _name, layer, index = place
        return self.tied and layer is self.output and index == 0

    def with_parameters(self, parameters: Mapping[str, Array]) -> RNNLM:
        """A model of the same layers on other arrays, by the names of `named_parameters()`; it has read nothing."""
        twin = copy.copy(self)
        twin.embedding = type(self.embedding)(parameters["embedding.W"])
        twin.recurrent = []
        for number, layer in enumerate(self.recurrent):
            own = {name: parameters[f"recurrent.{number}.{name}"] for name in layer.cell.named(layer.params)}
            twin.recurrent.append(type(layer)(**own, stateful=True))
        output = [parameters.get(f"output.{name}") for name in self.output.named(self.output.params)]
        if self.tied:
            output[0] = self.output.tied_parameters(parameters["embedding.W"])[0]
        twin.output = self.output.of(output, self.output_settings, self.rng, self.order, self.output.rows)
        twin.embedding_dropout = EmbeddingDropout(self.embedding_dropout.ratio, self.rng)
        twin.stack = self.stack.of(twin.recurrent)
        twin._settle()
        return twin

    def unregularized(self) -> RNNLM:
        """A model of the same layers on the same arrays, which trains without dropout and penalties."""
        twin = self.with_parameters(self.named_parameters())
        twin.embedding_dropout = EmbeddingDropout(0.0)
        twin.stack = self.stack.unregularized(twin.recurrent)
        return twin

    def with_exact_output(self) -> RNNLM:
        """A model on the same arrays whose `loss` is of all tokens, not of a sample; this one, where it is already."""
        if self.output.exact:
            return self
        twin = self.with_parameters(self.named_parameters())
        twin.output_settings = OutputSettings()
        twin.output = self.output.exactly()
        twin._settle()
        return twin

    def set_parameters(self, parameters: Iterable[Array]) -> None:
        """Go on with other arrays, in the order of `params`, in place of the model's own."""
        for (_name, layer, index), parameter in zip(self._places, parameters, strict=True):
            layer.params[index] = parameter
        if self.tied:
            self.output.params[0] = self.output.tied_parameters(self.embedding.params[0])[0]
        self.params = list(self.named_parameters().values())

    def training_bytes(self, streams: int, steps: int) -> int:
        """About how many bytes training takes in blocks of (streams, steps), what an optimizer remembers left out.

        Parameters and gradients; what the layers keep for the backward pass; the slices of scores.
        """
        item = self.params[0].dtype.itemsize
        parameters = sum(parameter.size for parameter in self.params)
        scores = min(3 * SLICE_BYTES, 3 * self.output.scores_size(streams * steps) * item)
        return int(2 * item * parameters + self.kept_bytes(streams, steps) + scores)

    def kept_bytes(self, streams: int, steps: int) -> int:
        """About how many bytes the layers keep of such a block for the backward pass."""
        W = self.embedding.params[0]
        sizes = 3 * W.shape[1] + sum(layer.cell.kept_sizes for layer in self.recurrent)
        return int(W.dtype.itemsize * streams * steps * sizes)

    def loss(self, xs: Array, ts: Array) -> Loss:
        """A training pass: what the targets ts (N, T) cost after the inputs xs (N, T), with dropout.

        The hidden state goes on from the call before. Targets of -1 are not counted, and penalties are not in it.
        """
        loss = self._recorded.loss(self, xs, ts)  # what the layers do below, where all of it is a few small kernels
        if loss is not None:
            return loss
        self.output.forward(self.forward(xs), ts)
        return self.output.loss

    def forward(self, xs: Array) -> Array:
        """The training pass up to what the output layer sees: xs (N, T) -> hs (N, T, H), with dropout."""
        self._recorded.current = None
        may_repeat = self.embedding.may_repeat(xs) and self.embedding_dropout.ratio == 0
        if may_repeat and self.stack.reads_rows(*xs.shape):
            return self.stack.forward(self.embedding.forward_rows(xs))
        return self.stack.forward(self.embedding_dropout.forward(self.embedding.forward(xs), xs))

    def backward(self) -> None:
        """The gradient of the mean nats of the last `loss` and the penalties, by truncated BPTT."""
        recorded = self._recorded.current
        dembedded = recorded.backward(self) if recorded else self.stack.backward(self.output.backward())
        self.embedding.backward(self.embedding_dropout.backward(dembedded))
        if self.tied:
            (rows,) = self.embedding.grads
            self.embedding.grads[0] = self.output.tied_gradient(rows)

    def step(self, ids: Array, state: ModelState) -> tuple[Array, ModelState]:
        """One token a stream: ids (N,) and the state before it -> scores (N, V) of the next token, and the state after.

        P(next = v) is the softmax of the scores. Pure: the model is left as it is.
        """
        h, state = self.stack.step(self.embedding.rows(ids), state)
        return self.output.scores(h), state

    def log_probabilities(self, xs: Array, ts: Array, state: ModelState) -> tuple[Array, ModelState]:
        """ln P(ts | everything before) in nats (N, T), zero where the target is -1, and the state after the block.

        Pure and without dropout: the same numbers as `step`, token by token.
        """
        hs, state = self.hidden_states(xs, state)
        return self.output.log_probabilities(hs, ts), state

    def hidden_states(self, xs: Array, state: ModelState) -> tuple[Array, ModelState]:
        """What the output layer sees after every input of the block xs (N, T): hs (N, T, H), and the state after it.

        Pure and without dropout.
        """
        return self.stack.unroll(self.embedding.rows(xs), state)

    def zero_state(self, streams: int) -> ModelState:
        """The state of `streams` streams that have read nothing."""
        return tuple(layer.cell.zero_state(streams) for layer in self.recurrent)

    @property
    def state(self) -> ModelState | None:
        """The training state after the last `loss`, or None before any; the arrays are the layers' own."""
        states = tuple(layer.state for layer in self.recurrent)
        return None if states[0] is None else tuple(state for state in states if state is not None)

    def set_state(self, state: ModelState | None) -> None:
        """Let the next `loss` go on from `state`; None: from zeros."""
        if state is None:
            return self.reset_state()
        for layer, layer_state in zip(self.recurrent, state, strict=True):
            layer.set_state(*layer_state)
        return None

    def reset_state(self) -> None:
        """Let the next `loss` start from zeros."""
        for layer in self.recurrent:
            layer.reset_state()


def _frequency_order(counts: Sequence[int], vocab_size: int) -> np.ndarray[Any, Any] | None:
    """The token ids from the most frequent on, equal ones as they are; None where all are in that order."""
    if len(counts) != vocab_size:
        raise InputError(f"counts must be of {vocab_size} tokens, got {len(counts)}")
    order = np.argsort(-np.asarray(counts), kind="stable")
    return None if np.array_equal(order, np.arange(vocab_size)) else order
