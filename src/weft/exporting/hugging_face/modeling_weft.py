"""A recurrent language model trained by weft, for the library `transformers`, version 5 or later.

    P(w_1 … w_m) = Π_t P(w_t | w_1 … w_{t-1})

    token ids -> embedding -> recurrent layers -> output layer -> logits; P(next token = v) is their softmax

This file needs torch and transformers only, and `AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)`
imports it. N sequences, T positions, D inputs, H hidden units, G gates, V tokens: ids (N, T), hidden states (N, T, H),
logits (N, T, V). σ is the sigmoid, * the product of elements.

Every text is read after an explicit start, the token `<eos>`, as it was in training. It makes no difference whether the
ids begin with `<eos>` (`bos_token` of the tokenizer): if they do not, the model starts from the state after it. In a
text that begins with an empty line, write `<eos>` twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

State = tuple[Tensor, ...]
"""The state of one layer: h (N, H), and c (N, H) of the LSTM, or the last inputs of the window."""

CACHE = next(item.name for item in fields(CausalLMOutputWithPast) if item.name in ("cache", "past_key_values"))
"""What this version of transformers calls the `past_key_values`."""

PAD_LOGIT = -1e4
"""The logit of `<pad>`, whose probability is 0; finite, since 0 · ln 0 would be no number."""


class WeftConfig(PretrainedConfig):
    """The sizes and kinds of the layers.

    vocab_size      V, of which the last token is `<pad>`, which no text contains and the model never predicts
    embedding_size  D of the first layer
    layer_sizes     H of every recurrent layer
    cell            one of CELLS, or "window", which sees the last `window` tokens only
    layer_norm      layer normalisation in the cells
    residual        for every layer whether its input is added to its output
    output          "full", or "adaptive": clusters of rare tokens with the sizes `cluster_sizes` (projection, tokens),
                    after `shortlist` frequent tokens
    """

    model_type = "weft"

    def __init__(
        self,
        vocab_size: int = 3,
        embedding_size: int = 1,
        layer_sizes: Sequence[int] = (1,),
        cell: str = "lstm",
        layer_norm: bool = False,
        window: int = 4,
        residual: Sequence[bool] = (False,),
        output: str = "full",
        shortlist: int = 0,
        cluster_sizes: Sequence[Sequence[int]] = (),
        **kwargs: Any,
    ) -> None:
        self.vocab_size, self.embedding_size, self.layer_sizes = vocab_size, embedding_size, list(layer_sizes)
        self.cell, self.layer_norm, self.window, self.residual = cell, layer_norm, window, list(residual)
        self.output, self.shortlist, self.cluster_sizes = output, shortlist, [list(sizes) for sizes in cluster_sizes]
        self.hidden_size, self.num_hidden_layers = layer_sizes[-1], len(layer_sizes)
        super().__init__(**kwargs)


def normalized(v: Tensor) -> Tensor:
    """Layer normalisation of the last axis: (v - mean) / √(variance + ε)."""
    return functional.layer_norm(v, v.shape[-1:], eps=1e-5)


class Cell(nn.Module):
    """A recurrent layer: the loop over time around `step`, the equation of one time step.

    x (N, D) is multiplied by W_x (D, G·H), the previous h (N, H) by W_h (H, G·H). With layer normalisation (Ba, Kiros &
    Hinton 2016), LN of `normalized` applies to each of the `groups` of consecutive gates separately:

        a_t = x_t W_x + b                               a_t = gain_x * LN(x_t W_x) + b
        u_t = h_{t-1} W_h                               u_t = gain_h * LN(h_{t-1} W_h)
    """

    gates = 1
    groups: tuple[int, ...] = (1,)
    parts: tuple[str, ...] = ("h",)

    def __init__(self, D: int, H: int, layer_norm: bool) -> None:
        super().__init__()
        self.H, self.layer_norm = H, layer_norm
        self.Wx = nn.Parameter(torch.randn(D, self.gates * H) * D**-0.5)
        self.Wh = nn.Parameter(torch.randn(H, self.gates * H) * H**-0.5)
        self.b = nn.Parameter(torch.zeros(self.gates * H))
        if layer_norm:
            self.gain_x, self.gain_h = nn.Parameter(torch.ones_like(self.b)), nn.Parameter(torch.ones_like(self.b))
            if "c" in self.parts:
                self.gain_c, self.bias_c = nn.Parameter(torch.ones(H)), nn.Parameter(torch.zeros(H))

    def forward(self, xs: Tensor, state: State, is_token: Tensor | None) -> tuple[Tensor, State]:
        """xs (N, T, D) and the state before it -> hs (N, T, H) and the state after it.

        is_token (N, T): False at padding, which does not change the state; None: there is no padding.
        """
        a, hs = self.project(xs), []
        for t in range(xs.shape[1]):
            after = self.step(a[:, t], state)
            if is_token is not None:
                keep = is_token[:, t, None]
                after = tuple(torch.where(keep, new, old) for new, old in zip(after, state, strict=True))
            state = after
            hs.append(state[0])
        return torch.stack(hs, dim=1), state

    def project(self, xs: Tensor) -> Tensor:
        """a_t of all steps at once."""
        if not self.layer_norm:
            return xs @ self.Wx + self.b
        groups = torch.split(xs @ self.Wx, [gates * self.H for gates in self.groups], dim=-1)
        return self.gain_x * torch.cat([normalized(group) for group in groups], dim=-1) + self.b

    def recurrent(self, h: Tensor, columns: slice = slice(None)) -> Tensor:
        """u_t, or only the columns of some gates."""
        u = h @ self.Wh[:, columns]
        return self.gain_h[columns] * normalized(u) if self.layer_norm else u

    def step(self, a: Tensor, state: State) -> State:
        """The state after one step, from a_t (N, G·H) and the state before it."""
        raise NotImplementedError

    def zero_state(self, N: int) -> State:
        """The state before the first token."""
        return tuple(self.b.new_zeros(N, self.H) for _part in self.parts)


class RNN(Cell):
    """h_t = tanh(u_t + a_t) (Elman 1990)."""

    def step(self, a: Tensor, state: State) -> State:
        (h,) = state
        return (torch.tanh(self.recurrent(h) + a),)


class ReluRNN(Cell):
    """h_t = max(0, u_t + a_t)."""

    def step(self, a: Tensor, state: State) -> State:
        (h,) = state
        return (torch.relu(self.recurrent(h) + a),)


class LSTM(Cell):
    """f, g, i, o = σ, tanh, σ, σ of u_t + a_t; c_t = f * c_{t-1} + g * i; h_t = o * tanh(c_t).

    (Hochreiter & Schmidhuber 1997; Gers et al. 2000.) With layer normalisation h_t = o * tanh(gain_c * LN(c_t) +
    bias_c).
    """

    gates, groups, parts = 4, (4,), ("h", "c")

    def step(self, a: Tensor, state: State) -> State:
        h, c = state
        f, g, i, o = (self.recurrent(h) + a).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.tanh(g) * torch.sigmoid(i)
        m = self.gain_c * normalized(c) + self.bias_c if self.layer_norm else c
        return torch.sigmoid(o) * torch.tanh(m), c


class GRU(Cell):
    """z, r = σ(u_t + a_t); h̃ = tanh((r * h_{t-1}) W_h + a_t); h_t = (1 - z) * h_{t-1} + z * h̃ (Cho et al. 2014)."""

    gates, groups = 3, (2, 1)

    def step(self, a: Tensor, state: State) -> State:
        (h,) = state
        of_gates, of_candidate = slice(0, 2 * self.H), slice(2 * self.H, None)
        z, r = torch.sigmoid(self.recurrent(h, of_gates) + a[:, of_gates]).chunk(2, dim=-1)
        candidate = torch.tanh(self.recurrent(r * h, of_candidate) + a[:, of_candidate])
        return ((1 - z) * h + z * candidate,)


class GRUAfter(Cell):
    """The GRU of PyTorch, with the reset gate after the product: h̃ = tanh(r * (h_{t-1} W_h + b_h) + a_t)."""

    gates = 3

    def __init__(self, D: int, H: int, layer_norm: bool) -> None:
        super().__init__(D, H, layer_norm)
        self.b_h = nn.Parameter(torch.zeros(H))

    def step(self, a: Tensor, state: State) -> State:
        (h,) = state
        u_z, u_r, v = self.recurrent(h).chunk(3, dim=-1)
        a_z, a_r, a_candidate = a.chunk(3, dim=-1)
        z, r = torch.sigmoid(u_z + a_z), torch.sigmoid(u_r + a_r)
        candidate = torch.tanh(r * (v + self.b_h) + a_candidate)
        return ((1 - z) * h + z * candidate,)


class Window(Cell):
    """h_t = tanh(x_t W_x + [x_{t-n+1} … x_{t-1}] W_h + b) (Bengio et al. 2003); the state is h and these inputs."""

    def __init__(self, D: int, H: int, n: int) -> None:
        super().__init__(D, H, layer_norm=False)
        self.Wh = nn.Parameter(torch.randn((n - 1) * D, H) * (n * D) ** -0.5)

    def project(self, xs: Tensor) -> Tensor:
        return torch.cat((super().project(xs), xs), dim=-1)

    def step(self, a: Tensor, state: State) -> State:
        _h, past = state
        a, x = a[:, : self.H], a[:, self.H :]
        return torch.tanh(past @ self.Wh + a), torch.cat((past, x), dim=-1)[:, x.shape[1] :]

    def zero_state(self, N: int) -> State:
        return self.b.new_zeros(N, self.H), self.b.new_zeros(N, self.Wh.shape[0])


CELLS = {"rnn": RNN, "rnn-relu": ReluRNN, "lstm": LSTM, "gru": GRU, "gru-after": GRUAfter}


class AdaptiveOutput(nn.Module):
    """Adaptive softmax (Grave et al. 2017): ln P of frequent tokens from the head, of rare ones from their cluster.

    P(v) = softmax(x_0)[v]                          v in the shortlist          x_0 = h W_0 + b_0
    P(v) = softmax(x_0)[k] · softmax(x_k)[v]        v in cluster k              x_k = (h P_k) W_k + b_k

    ranks (V - 1,): the frequency rank of every token but `<pad>`.
    """

    ranks: Tensor

    def __init__(self, H: int, shortlist: int, cluster_sizes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.shortlist = shortlist
        self.head = nn.Linear(H, shortlist + len(cluster_sizes))
        self.projections = nn.ModuleList([nn.Linear(H, size, bias=False) for size, _tokens in cluster_sizes])
        self.clusters = nn.ModuleList([nn.Linear(size, tokens) for size, tokens in cluster_sizes])
        tokens = shortlist + sum(count for _size, count in cluster_sizes)
        self.register_buffer("ranks", torch.empty(tokens, dtype=torch.int64))

    def forward(self, hs: Tensor) -> Tensor:
        head = self.head(hs).log_softmax(dim=-1)
        logs = [head[..., : self.shortlist]]
        for k, (projection, cluster) in enumerate(zip(self.projections, self.clusters, strict=True), self.shortlist):
            logs.append(cluster(projection(hs)).log_softmax(dim=-1) + head[..., k : k + 1])
        return functional.pad(torch.cat(logs, dim=-1)[..., self.ranks], (0, 1), value=PAD_LOGIT)


class RecurrentState:
    """What the model remembers of the tokens before: the state of every layer. The `past_key_values` of the model."""

    is_compileable, is_linear = False, (True,)

    def __init__(self, layers: Sequence[State]) -> None:
        self.layers = list(layers)

    def reorder_cache(self, beams: Tensor) -> None:
        """Beam search continues beam `beams[n]` in row n."""
        self.layers = [tuple(part.index_select(0, beams) for part in state) for state in self.layers]


class WeftForCausalLM(PreTrainedModel, GenerationMixin):
    """The language model; see the description of this file."""

    config_class = WeftConfig
    _tied_weights_keys = {"output.weight": "embedding.weight"}  # noqa: RUF012
    _is_stateful = True

    def __init__(self, config: WeftConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        sizes = [config.embedding_size, *config.layer_sizes]
        self.recurrent: Any = nn.ModuleList([_cell(config, D, H) for D, H in pairwise(sizes)])
        if config.output == "adaptive":
            self.output: nn.Module = AdaptiveOutput(sizes[-1], config.shortlist, config.cluster_sizes)
        else:
            self.output = nn.Linear(sizes[-1], config.vocab_size)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: RecurrentState | None = None,
        cache: RecurrentState | None = None,
        labels: Tensor | None = None,
        use_cache: bool = True,
        logits_to_keep: int = 0,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """ids (N, T) -> logits (N, T, V), of the last `logits_to_keep` positions if that is not 0.

        attention_mask (N, T) or longer: 0 at padding, on either side. past_key_values (`cache` is the same): the state
        after the tokens before; None: the text begins. labels (N, T): targets as in other models, that is the
        `input_ids`, -100 where there is none; the label at t is predicted at t - 1.
        """
        is_token = None if attention_mask is None else attention_mask[:, -input_ids.shape[1] :].bool()
        is_token = None if is_token is None or bool(is_token.all()) else is_token
        before = past_key_values or cache
        states = self.initial_states(input_ids, is_token) if before is None else before.layers
        all_hs, states = self.read(input_ids, states, is_token)
        logits = self.output(all_hs[-1][:, -logits_to_keep:])
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        hidden = tuple(all_hs) if output_hidden_states or self.config.output_hidden_states else None
        after = RecurrentState(states) if use_cache else None
        return CausalLMOutputWithPast(loss=loss, logits=logits, hidden_states=hidden, **{CACHE: after})

    def read(self, ids: Tensor, states: Sequence[State], is_token: Tensor | None) -> tuple[list[Tensor], list[State]]:
        """ids (N, T) and the states before them -> the embeddings and every layer's output, and the states after."""
        all_ys, after = [self.embedding(ids)], []
        for layer, residual, state in zip(self.recurrent, self.config.residual, states, strict=True):
            hs, state = layer(all_ys[-1], state, is_token)
            all_ys.append(hs + all_ys[-1] if residual else hs)
            after.append(state)
        return all_ys, after

    def initial_states(self, ids: Tensor, is_token: Tensor | None) -> list[State]:
        """Zeros for texts that begin with `<eos>`, for others the state after it."""
        eos = torch.full((1, 1), self.config.eos_token_id, device=ids.device)
        _hs, after_eos = self.read(eos, [layer.zero_state(1) for layer in self.recurrent], None)
        first = ids[:, :1] if is_token is None else ids.gather(1, is_token.int().argmax(dim=1, keepdim=True))
        return [tuple(torch.where(first == eos, 0.0, part) for part in state) for state in after_eos]

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: RecurrentState | None = None,
        cache: RecurrentState | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The inputs of the next step of `generate`: after the first step, the last token and the state before it."""
        before = past_key_values or cache
        inputs: dict[str, Any] = {name: kwargs[name] for name in ("use_cache", "logits_to_keep") if name in kwargs}
        ids = input_ids if before is None or kwargs.get("is_first_iteration") else input_ids[:, -1:]
        return {**inputs, "input_ids": ids, "attention_mask": attention_mask, CACHE: before}

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # the state is a `RecurrentState`

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def get_output_embeddings(self) -> nn.Module | None:
        return self.output if isinstance(self.output, nn.Linear) else None


def _cell(config: WeftConfig, D: int, H: int) -> Cell:
    if config.cell == "window":
        return Window(D, H, config.window)
    return CELLS[config.cell](D, H, config.layer_norm)
