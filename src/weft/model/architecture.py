"""The architecture of a language model: what the names, shapes and initial values of its parameters follow from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weft.backends import Array, ShapeGenerator
from weft.errors import InputError
from weft.layers import OutputSettings, TimeRecurrent, layer_normalized, time_layer
from weft.layers.output import output_layer
from weft.layers.stack import layer_sizes

if TYPE_CHECKING:
    import numpy as np

Shapes = Mapping[str, tuple[int, ...]]
"""Parameter name -> shape."""

ParameterSource = Callable[[Shapes], Mapping[str, Array]]
"""Returns the parameters of a model by name for their shapes."""


@dataclass(frozen=True)
class Architecture:
    """The sizes and the kinds of the layers, see `weft.model.RNNLM`.

    Raises InputError for an unknown cell, for sizes below 1 and for settings that do not fit together.
    """

    vocab_size: int
    embedding_size: int
    hidden_size: int
    layers: int
    cell: str
    tied: bool
    layer_norm: bool
    window: int
    embedding_std: float
    output: OutputSettings

    def __post_init__(self) -> None:
        for name in ("vocab_size", "embedding_size", "hidden_size", "layers", "window"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        _checked = self.layer_sizes, self.layer  # which raise InputError

    @property
    def layer_sizes(self) -> list[int]:
        """The sizes of the layers' hidden states."""
        return layer_sizes(self.embedding_size, self.hidden_size, self.layers, self.tied)

    @property
    def layer(self) -> type[TimeRecurrent]:
        """The class of the recurrent layers."""
        return layer_normalized(self.cell) if self.layer_norm else time_layer(self.cell)

    def initial_parameters(self, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """The names of the parameters and their initial values in float64, one after the other."""
        E = rng.normal(0, self.embedding_std, (self.vocab_size, self.embedding_size))
        yield "embedding.W", E
        cell, sizes = self.layer.cell_type, self.layer_sizes
        settings = {"window": self.window} if "window" in cell.settings else {}
        for number, (D, H) in enumerate(zip((self.embedding_size, *sizes), sizes, strict=False)):
            for name, values in cell.named(cell.initial_parameters(rng, D, H, **settings)).items():
                yield f"recurrent.{number}.{name}", values
        output = output_layer(self.output.output)
        if self.tied:
            parameters = output.tied_parameters(E)
        else:
            parameters = output.initial_parameters(rng, sizes[-1], self.vocab_size, self.output)
        named = output.__new__(output).named(parameters)  # names do not depend on the layer, which does not exist yet
        for name, values in list(named.items())[1 if self.tied else 0 :]:
            yield f"output.{name}", values

    def shapes(self) -> Shapes:
        """The shape of every parameter by name; no memory is allocated for the parameters."""
        rng: Any = ShapeGenerator()
        return {name: tuple(values.shape) for name, values in self.initial_parameters(rng)}

    def parameters(self, rng: np.random.Generator, dtype: str, source: ParameterSource | None) -> dict[str, Array]:
        """The parameters by name: those of `source`, or random ones."""
        if source is None:
            return {name: values.astype(dtype) for name, values in self.initial_parameters(rng)}
        shapes = self.shapes()
        given = source(shapes)
        return {name: given[name].astype(dtype, copy=False) for name in shapes}

    def __str__(self) -> str:
        """In one line, for example "lstm, 2 layers of 650, embedding of 650, vocabulary of 10,000"."""
        sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(self.layer_sizes))
        layers = f"{self.layers} layer{'' if self.layers == 1 else 's'} of {sizes}"
        facts = [self.layer.cell_type.name, layers, f"embedding of {self.embedding_size:,}"]
        facts += [f"vocabulary of {self.vocab_size:,}", *(["tied"] if self.tied else [])]
        return ", ".join(facts + ([f"{self.output.output} output"] if self.output.output != "full" else []))


def under(prefix: str, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in parameters.items() if name.startswith(prefix)}
