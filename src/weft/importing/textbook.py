"""The models of "Deep Learning from Scratch 2" (Saito 2018): `save_params` pickles a list of arrays of float16.

    embedding W (V, D), then Wx, Wh and b of every layer, then the affine W (H, V) and b (V,)

The layers are weft's own: LSTM columns f, g, i, o; GRU columns z, r, h̃. BetterRnnlm saves tied weights twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.errors import InputError
from weft.importing.budget import Budget
from weft.importing.foreign_model import Floats, ForeignModel
from weft.importing.pickles.values import ArrayValue

CELLS = {1: "rnn", 3: "gru", 4: "lstm"}


def textbook_model(value: Any, budget: Budget) -> ForeignModel:
    """The model of a list of arrays. Raises InputError for any other object, and for other numbers of arrays."""
    if not isinstance(value, list) or not value or not all(isinstance(each, ArrayValue) for each in value):
        raise InputError("it is a pickle of something else than a list of NumPy arrays or a model of PyTorch")
    arrays = [_floats(each, budget) for each in value]
    shapes = [array.ndim for array in arrays]
    layers = len(arrays) // 3 - 1
    if layers < 1 or shapes != [2, *(2, 2, 1) * layers, 2, 1]:
        raise InputError(
            f"it is a list of {len(arrays)} arrays; a model is an embedding, three arrays for each layer, and W and b "
            "of the output layer"
        )
    named = [dict(zip(("Wx", "Wh", "b"), arrays[1 + 3 * n : 4 + 3 * n], strict=True)) for n in range(layers)]
    gates = {_gates(layer) for layer in named}
    if len(gates) != 1 or not gates <= CELLS.keys():
        raise InputError("its recurrent layers are none of RNN, LSTM and GRU: Wx (D, G·H), Wh (H, G·H) and b (G·H,)")
    return ForeignModel("a model of the textbook", CELLS[gates.pop()], arrays[0], named, arrays[-2], arrays[-1])


def _floats(value: ArrayValue, budget: Budget) -> Floats:
    if value.values is None:
        raise InputError("an array in it has numbers of another type than float16, float32 and float64")
    budget.spend(4 * value.values.size)
    with np.errstate(over="ignore"):  # numbers beyond the range of float32 are found later, as infinite
        return np.ascontiguousarray(value.values, np.float32)


def _gates(layer: dict[str, Floats]) -> int:
    H, columns = layer["Wh"].shape
    return columns // H if H and columns % H == 0 and layer["Wx"].shape[1:] == layer["b"].shape == (columns,) else 0
