"""Language models of PyTorch: an embedding, recurrent layers of `torch.nn`, and a linear layer.

    word_language_model, its descendants      encoder.weight, rnn.weight_ih_l0 …, decoder.weight, decoder.bias
    AWD-LSTM                                  rnns.0.module.weight_hh_l0_raw under a WeightDrop, one module a layer

The names of the embedding and of the linear layer may be others; those of recurrent layers are PyTorch's own.
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

import numpy as np

from weft.errors import InputError, quoted, quoted_names
from weft.importing.foreign_model import TORCH, Floats, ForeignModel, converted
from weft.importing.pickles.values import Instance, Tensor
from weft.importing.pytorch.containers import TorchFile
from weft.importing.pytorch.modules import Parameters, parameters_of

_LAYER = re.compile(r"(?P<module>.*?)(?P<kind>weight_ih|weight_hh|bias_ih|bias_hh)_l(?P<number>\d{1,3})(?P<raw>_raw)?")
_MODES = {4: "LSTM", 3: "GRU"}
_CELLS = {"rnn": "RNN_TANH", "rnn-relu": "RNN_RELU"}

Layers = dict[tuple[str, int], dict[str, Tensor]]


def torch_model(file: TorchFile, cell: str | None = None) -> ForeignModel:
    """The language model in a file of PyTorch.

    cell: "rnn" or "rnn-relu", for a state_dict, which does not say which. Raises InputError for a model that weft
    cannot have.
    """
    found = parameters_of(file.value)
    layers, others = _sorted_out(found.tensors)
    matrices = {name: tensor for name, tensor in others.items() if len(tensor.shape) == 2}
    vectors = {name: tensor for name, tensor in others.items() if len(tensor.shape) != 2}
    if not layers or not 1 <= len(matrices) <= 2 or len(vectors) > 1:
        raise InputError(
            "a language model has an embedding, recurrent layers and one linear layer; this one has "
            f"{len(layers)} recurrent layers and besides {quoted_names(others) or 'nothing'}"
        )
    embedding = next((name for name in matrices if re.search("enc|emb|wte", name.lower())), next(iter(matrices)))
    output = next((name for name in matrices if name != embedding), embedding)
    mode = _mode(found, layers, cell)
    E = file.array(matrices[embedding])
    same = output == embedding or _is_same(matrices[embedding], matrices[output])
    W = E.T if same else file.array(matrices[output]).T
    bias = file.array(next(iter(vectors.values()))) if vectors else np.zeros(W.shape[1], np.float32)
    made = [dict(converted(TORCH[mode], *_arrays(file, place, layer))) for place, layer in layers.items()]
    return ForeignModel(found.about, TORCH[mode].cell, E, made, W, bias, _dropouts(found, len(made)))


def _sorted_out(tensors: dict[str, Tensor]) -> tuple[Layers, dict[str, Tensor]]:
    """Parameters by recurrent layer, in their order, and all others. Raises InputError for what weft does not have."""
    layers: Layers = {}
    others: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith("_reverse"):
            raise InputError(f"it is bidirectional ({quoted(name)}): such a model does not predict the next word")
        if "weight_hr_l" in name:
            raise InputError(f"its LSTM has projections ({quoted(name)}), which weft does not have")
        match = _LAYER.fullmatch(name)
        if match is None:
            others[name] = tensor
            continue
        layer = layers.setdefault((match["module"], int(match["number"])), {})
        if match["raw"] or match["kind"] not in layer:  # _raw is the trained weight, the other one that of a last pass
            layer[match["kind"]] = tensor
    modules = {module: place for place, module in enumerate(dict.fromkeys(module for module, _number in layers))}
    return dict(sorted(layers.items(), key=lambda item: (modules[item[0][0]], item[0][1]))), others


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same numbers of the file."""
    places = [(t.storage.key, t.storage.start + t.offset, t.shape, t.strides) for t in (one, other)]
    return places[0] == places[1]


def _arrays(file: TorchFile, place: tuple[str, int], layer: dict[str, Tensor]) -> tuple[Floats, Floats, list[Floats]]:
    missing = [kind for kind in ("weight_ih", "weight_hh") if kind not in layer]
    if missing:
        raise InputError(f"its recurrent layer {quoted(place[0])} lacks {missing[0]}_l{place[1]}")
    biases = [file.array(layer[kind]) for kind in ("bias_ih", "bias_hh") if kind in layer]
    return file.array(layer["weight_ih"]), file.array(layer["weight_hh"]), biases


def _mode(found: Parameters, layers: Layers, cell: str | None) -> str:
    """LSTM, GRU, RNN_TANH or RNN_RELU, the same for all layers; raises InputError for another or several."""
    modes = {_mode_of_module(module, state) for module, state in found.recurrent.items()}
    if not modes:  # a state_dict: the number of gates tells all but the kind of a plain RNN
        shapes = [layer["weight_hh"].shape for layer in layers.values() if "weight_hh" in layer]
        gates = {shape[0] // shape[1] if len(shape) == 2 and shape[1] else 0 for shape in shapes}
        modes = {_MODES.get(number, "RNN") for number in gates}
        if modes == {"RNN"}:
            if cell not in _CELLS:
                raise InputError("a state_dict does not say whether an RNN is one of tanh or of ReLU: give --cell")
            modes = {_CELLS[cell]}
    if len(modes) != 1:
        raise InputError(f"its layers are of several kinds, {', '.join(sorted(modes))}; in weft all are of one")
    (mode,) = modes
    if mode not in TORCH:
        raise InputError(f"its recurrent layers are of the kind {quoted(mode)}; known: {', '.join(TORCH)}")
    return mode


def _mode_of_module(module: str, state: dict[Any, Any]) -> str:
    if state.get("bidirectional"):
        raise InputError(f"its {quoted(module[:-1])} is bidirectional: such a model does not predict the next word")
    if state.get("proj_size"):
        raise InputError(f"its {quoted(module[:-1])} has projections (proj_size), which weft does not have")
    return str(state.get("mode"))


def _dropouts(found: Parameters, layers: int) -> dict[str, Any]:
    """The dropouts that the model was trained with, as settings of weft."""
    attributes = found.attributes
    if "dropouth" in attributes:  # AWD-LSTM
        given = {
            "dropout_in": attributes.get("dropouti"),
            "dropout_between": attributes.get("dropouth") if layers > 1 else 0.0,
            "dropout_out": attributes.get("dropout"),
            "embedding_dropout": attributes.get("dropoute"),
            "weight_dropout": found.weight_drop,
        }
        settings: dict[str, Any] = {name: float(value) for name, value in given.items() if _is_share(value)}
        return {"dropout": 0.0, **settings, **({"dropout_locked": True} if any(settings.values()) else {})}
    modules = attributes.get("_modules")
    drop = modules.get("drop") if isinstance(modules, dict) else None
    share = drop.state.get("p") if isinstance(drop, Instance) else None
    return {"dropout": float(share) if _is_share(share) else 0.0}


def _is_share(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and 0 < value < 1
