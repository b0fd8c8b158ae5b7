"""RNNLM: the recurrent language model.

    P(w_1 … w_m) = Π_t P(w_t | w_1 … w_{t-1})

    TimeRowEmbedding -> [EmbeddingDropout] -> Stack of TimeRNN | TimeLSTM | TimeGRU | … -> OutputLayer

ids (N, T), embeddings (N, T, D), hidden states (N, T, H), scores (N, T, V). In training the layers carry the state from
block to block. All other methods take a state as an argument, return the next state, and do not change the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from weft.backends import Array, DeduplicatedInputs, backend_of, random_generator, token_ids
from weft.backends.captured_pass import CapturedPasses
from weft.layers import EmbeddingDropout, Loss, OutputSettings, Regularization, RowGradient, Stack, TimeOutputWithLoss
from weft.layers.embedding import TimeRowEmbedding
from weft.layers.layer import check_shape
from weft.layers.named_parameters import NamedParameters
from weft.layers.output import output_layer
from weft.layers.output.base import OutputLayer
from weft.layers.output.frequency import frequency_order
from weft.layers.output.sliced import SLICE_BYTES
from weft.layers.sparse_gradient import Gradient
from weft.model.architecture import Architecture, ParameterSource, under
from weft.model.steps import ModelState, check_state, check_streams


class RNNLM:
    """A recurrent language model over V tokens.

    vocab_size, embedding_size, hidden_size   V, D, H
    layers, cell    number of recurrent layers, and the name of their cell (see `weft.layers.time_layers`)
    dropout         fraction of activations dropped in training after the embedding and after every layer, wherever
                    `regularization` gives no fraction of its own
    tied            the output weights are the embedding, transposed (Press & Wolf 2017; Inan et al. 2017); the last
                    layer then has size D, and a single layer needs H = D
    regularization  further dropouts and penalties
    layer_norm      the cell in its layer-normalised form
    residual        residual connections around the layers, see `Stack`
    embedding_std   standard deviation of the initial embedding; that of other matrices is 1/√rows
    window          number of positions that a layer of the cell 'window' sees
    output, rows    the output layer, and the rows of its slices (see `TimeOutputWithLoss`)
    counts          occurrences of every token (V,) in the training text, for output layers that depend on frequency;
                    without it, ids are taken to be in order of falling frequency
    source          given the shapes, returns the parameters, both by name; called before memory is allocated for them

    `params` and `grads` are lists in the order of `named_parameters()`; parameters are updated in place. The gradient
    of an embedding that is not tied, and of sampled output weights, is a `RowGradient`. Raises InputError for an
    unknown cell, for sizes below 1 and for settings that do not fit together.
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
        source: ParameterSource | None = None,
    ) -> None:
        self.output_settings = output or OutputSettings()
        self.architecture = Architecture(
            vocab_size, embedding_size, hidden_size, layers, cell, tied, layer_norm, window, embedding_std,
            self.output_settings,
        )  # fmt: skip
        self.rng = random_generator(seed)
        self.vocab_size, self.tied = vocab_size, tied
        parameters = self.architecture.parameters(self.rng, dtype, source)
        xp = backend_of(parameters["embedding.W"]).xp
        self.order = None if counts is None else frequency_order(xp, counts, vocab_size)
        self._make_layers(parameters, output_layer(self.output_settings.output), rows)
        regularization = regularization or Regularization()
        self.embedding_dropout = EmbeddingDropout(regularization.embedding_dropout, self.rng)
        self.stack = Stack(self.recurrent, self.rng, dropout, regularization, residual)
        self._layers_changed()

    def _make_layers(self, parameters: Mapping[str, Array], output: type[OutputLayer], rows: int | None) -> None:
        """Layers on these arrays, in the order of `named_parameters()`."""
        E = parameters["embedding.W"]
        layer, numbers = self.architecture.layer, range(self.architecture.layers)
        self.embedding = TimeRowEmbedding(E)
        self.recurrent = [layer(**under(f"recurrent.{n}.", parameters), stateful=True) for n in numbers]
        values = list(under("output.", parameters).values())
        if self.tied:
            values.insert(0, output.tied_parameters(E)[0])
        self.output = output.of(values, self.output_settings, self.rng, self.order, rows)

    def _layers_changed(self) -> None:
        """Name the parameters of the layers and forget everything that was derived from the layers before."""
        self._named = NamedParameters()
        self._named.add("embedding", self.embedding, ["W"])
        for number, layer in enumerate(self.recurrent):
            self._named.add(f"recurrent.{number}", layer, layer.cell.named(layer.params))
        names = self.output.named(self.output.params)
        self._named.add("output", self.output, names, first=1 if self.tied else 0)  # tied weights are the embedding's
        self.params = list(self._named.parameters().values())
        self.deduplicated: DeduplicatedInputs | None = None
        self._captured = CapturedPasses()

    def named_parameters(self) -> dict[str, Array]:
        """The trained arrays by name; tied weights appear once, as the embedding."""
        return self._named.parameters()

    def named_gradients(self) -> dict[str, Gradient]:
        """The gradients under the same names, in the same order."""
        return self._named.gradients()

    @property
    def grads(self) -> list[Gradient]:
        """The gradients, in the order of `params`."""
        return list(self.named_gradients().values())

    def with_parameters(self, parameters: Mapping[str, Array]) -> RNNLM:
        """A model with the same layers on other arrays, by the names of `named_parameters()`, without a state."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        ordered = {name: parameters[name] for name in self.named_parameters()}
        other._make_layers(ordered, type(self.output), self.output.rows)
        other.embedding_dropout = EmbeddingDropout(self.embedding_dropout.ratio, self.rng)
        other.stack = self.stack.of(other.recurrent)
        other._layers_changed()
        return other

    def unregularized(self) -> RNNLM:
        """A model with the same layers on the same arrays that trains without dropout and penalties."""
        other = self.with_parameters(self.named_parameters())
        other.embedding_dropout = EmbeddingDropout(0.0)
        other.stack = self.stack.unregularized(other.recurrent)
        return other

    def with_exact_output(self) -> RNNLM:
        """A model on the same arrays whose `loss` is the exact one, not an estimate; this model if it has that loss."""
        if self.output.exact:
            return self
        other = self.with_parameters(self.named_parameters())
        other.output_settings = OutputSettings()
        other.output = self.output.exactly()
        other._layers_changed()
        return other

    def set_parameters(self, parameters: Iterable[Array]) -> None:
        """Use other arrays, in the order of `params`, in place of the model's own."""
        self._named.replace(parameters)
        if self.tied:
            self.output.params[0] = self.output.tied_parameters(self.embedding.params[0])[0]
        self.params = list(self.named_parameters().values())

    def training_bytes(self, streams: int, steps: int) -> int:
        """About how many bytes training in blocks of (streams, steps) takes, without those of the optimizer."""
        item, parameters = self.params[0].dtype.itemsize, sum(parameter.size for parameter in self.params)
        scores = min(3 * SLICE_BYTES, 3 * self.output.scores_size(streams * steps) * item)
        return int(2 * item * parameters + self.saved_bytes(streams, steps) + scores)

    def saved_bytes(self, streams: int, steps: int) -> int:
        """About how many bytes the layers save of a block of (streams, steps) for the backward pass."""
        size = 3 * self.embedding.params[0].shape[1] + sum(layer.cell.saved_size for layer in self.recurrent)
        return int(self.params[0].dtype.itemsize * streams * steps * size)

    def loss(self, xs: Array, ts: Array) -> Loss:
        """A training pass, with dropout: inputs xs (N, T) and targets ts (N, T) -> the sum of nats and their number.

        The state continues from the call before. Targets of -1 are not counted. Penalties are not included. Raises
        InputError for ids outside [0, V), for targets of another shape, and if the state is of other streams.
        """
        xs, ts = self._ids(xs), self._ids(ts, "targets")
        loss = self._captured.loss(self, xs, ts)  # the same kernels, replayed in one call; for small blocks
        if loss is not None:
            return loss
        self.output.forward(self.forward(xs), ts)
        return self.output.loss

    def forward(self, xs: Array) -> Array:
        """The training pass below the output layer, with dropout: ids xs (N, T) -> hs (N, T, H)."""
        self._captured.current = None
        xs = self._ids(xs)
        check_shape("xs", xs, ("N", "T"))
        return self.stack.forward(self._embed(xs))

    def backward(self) -> None:
        """The gradient of the mean nats of the last `loss` and of the penalties, by truncated BPTT.

        Raises InputError without a `loss` before it.
        """
        captured = self._captured.current
        self._embed_backward(captured.backward(self) if captured else self.stack.backward(self.output.backward()))
        if self.tied:
            (rows,) = self.embedding.grads
            self.embedding.grads[0] = self.output.tied_gradient(rows)

    def _embed(self, ids: Array) -> Array | DeduplicatedInputs:
        """xs (N, T, D) for ids (N, T), or each distinct row once if the first layer's kernel is faster on those."""
        fused = self.embedding.backend.fused
        unchanged = self.embedding_dropout.ratio == 0 and self.stack.dropouts[0].ratio == 0
        W, cell = self.embedding.params[0], self.recurrent[0].cell
        self.deduplicated = fused.deduplicate(W, ids, cell) if fused and unchanged else None
        return self.deduplicated or self.embedding_dropout.forward(self.embedding.forward(ids), ids)

    def _embed_backward(self, dxs: Array) -> None:
        """The embedding's gradient from dxs (N, T, D), or from that of the distinct rows."""
        if self.deduplicated is None:
            self.embedding.backward(self.embedding_dropout.backward(dxs))
        else:
            self.embedding.grads[0] = RowGradient(self.embedding.params[0].shape, self.deduplicated.rows, dxs)

    @property
    def is_static(self) -> bool:
        """True if training passes have no dropout, penalty or residual connection, and the output layer is full."""
        plain = self.embedding_dropout.ratio == 0 and not self.stack.is_regularized and not any(self.stack.residual)
        return plain and type(self.output) is TimeOutputWithLoss

    def step(self, ids: Array, state: ModelState) -> tuple[Array, ModelState]:
        """One token per stream: ids (N,) and the state before them -> scores (N, V), and the state after them.

        P(next token = v) is the softmax of the scores. Pure: the model does not change. Raises InputError for ids that
        are not integers in [0, V), and for a state of other shapes.
        """
        ids = self._ids(ids)
        check_shape("ids", ids, ("N",))
        check_state(state, self.state_sizes, ids.shape[0])
        h, state = self.stack.step(self.embedding.rows(ids), state)
        return self.output.scores(h), state

    def log_probabilities(self, xs: Array, ts: Array, state: ModelState) -> tuple[Array, ModelState]:
        """ln P(ts | all tokens before) in nats (N, T), zero where the target is -1, and the state after the block.

        Pure and without dropout: the same numbers as `step` token by token. Raises InputError as `loss` does.
        """
        hs, state = self.hidden_states(xs, state)
        return self.output.log_probabilities(hs, ts), state

    def hidden_states(self, xs: Array, state: ModelState) -> tuple[Array, ModelState]:
        """The input of the output layer after every id of the block xs (N, T): hs (N, T, H), and the state after it.

        Pure and without dropout. Raises InputError as `loss` does.
        """
        xs = self._ids(xs)
        check_shape("xs", xs, ("N", "T"))
        check_state(state, self.state_sizes, xs.shape[0])
        return self.stack.unroll(self.embedding.rows(xs), state)

    def _ids(self, ids: Any, what: str = "token ids") -> Array:
        return token_ids(self.embedding.backend, ids, what)

    @property
    def state_sizes(self) -> list[int]:
        """The width of every part of the state, layer by layer."""
        return [size for layer in self.recurrent for size in layer.cell.state_sizes]

    def zero_state(self, streams: int) -> ModelState:
        """The state of `streams` streams before their first token; raises InputError for a number below 0."""
        check_streams(streams)
        return tuple(layer.cell.zero_state(streams) for layer in self.recurrent)

    @property
    def state(self) -> ModelState | None:
        """The training state after the last `loss`, or None before the first; the arrays are the layers' own."""
        states = tuple(layer.state for layer in self.recurrent)
        return None if states[0] is None else tuple(state for state in states if state is not None)

    def set_state(self, state: ModelState | None) -> None:
        """The next `loss` continues from `state`; None: from zeros."""
        if state is None:
            self.reset_state()
        else:
            for layer, layer_state in zip(self.recurrent, state, strict=True):
                layer.set_state(*layer_state)

    def reset_state(self) -> None:
        """The next `loss` starts from zeros."""
        for layer in self.recurrent:
            layer.reset_state()

    def __repr__(self) -> str:
        return f"RNNLM({self.architecture}, {sum(math.prod(param.shape) for param in self.params):,} parameters)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy; tied weights share memory again."""
        vars(self).update(state)
        if self.tied:
            self.output.params[0] = self.output.tied_parameters(self.embedding.params[0])[0]
