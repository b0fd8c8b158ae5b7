"""Parameters of PyTorch by name: from a pickled module with its submodules, or from a state_dict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weft.errors import InputError, quoted
from weft.importing.pickles.values import Instance, Tensor

MOST_NAMES = 10_000
DEEPEST = 20
PASSING = {
    "Dropout", "Dropout2d", "Identity", "ModuleList", "ModuleDict", "Sequential", "LockedDropout", "WeightDrop",
    "Embedding", "Linear", "DataParallel", "DistributedDataParallel",
}  # fmt: skip
"""Classes of submodules whose part in a language model is known, besides the recurrent ones."""
RECURRENT = {"LSTM", "GRU", "RNN"}


@dataclass
class Parameters:
    """The parameters of a model by their full names, and what its modules say of themselves.

    recurrent   the name, with its last dot, of every recurrent module -> its attributes; empty for a state_dict
    attributes  of the module at the top
    weight_drop the largest dropout of a WeightDrop
    visits      number of modules that were visited
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    recurrent: dict[str, dict[Any, Any]] = field(default_factory=dict)
    attributes: dict[Any, Any] = field(default_factory=dict)
    about: str = "a state_dict of PyTorch"
    weight_drop: float = 0.0
    visits: int = 0


def parameters_of(value: Any) -> Parameters:
    """The parameters of the one model in `value`, the object of a file of PyTorch.

    Raises InputError if there is none, and for modules whose part in a language model is not known.
    """
    states: list[dict[str, Tensor]] = []
    for candidate in _candidates(value):
        if isinstance(candidate, Instance):
            if _is_module(candidate) and _has_embedding(candidate):
                _check_criterion(value)
                return _of_module(candidate)
        elif any(_is_recurrent(name) for name in candidate):
            states.append({name: tensor for name, tensor in candidate.items() if isinstance(tensor, Tensor)})
    if not states:
        raise InputError(
            "it has no language model of PyTorch: neither a module with an embedding and recurrent layers nor a "
            "state_dict of one"
        )
    return Parameters(tensors=states[0])


def _candidates(value: Any) -> Iterator[Any]:
    """Modules and dictionaries in lists and dictionaries, the outermost first."""
    level = [value]
    seen: set[int] = set()
    for _ in range(4):
        inner: list[Any] = []
        for item in level:
            if len(seen) > MOST_NAMES or id(item) in seen or not isinstance(item, (Instance, dict, list, tuple)):
                continue
            seen.add(id(item))
            if isinstance(item, (Instance, dict)):
                yield item
            if not isinstance(item, Instance):
                inner += list(item.values() if isinstance(item, dict) else item)[: MOST_NAMES - len(inner)]
        level = inner


def _is_module(instance: Instance) -> bool:
    return isinstance(instance.state.get("_modules"), dict) and isinstance(instance.state.get("_parameters"), dict)


def _is_recurrent(name: Any) -> bool:
    return isinstance(name, str) and "weight_hh_l0" in name


def _has_embedding(module: Instance) -> bool:
    """Whether a submodule, or one of theirs, is an embedding."""
    level = [module]
    for _ in range(4):
        inner = [each for outer in level for each in outer.state["_modules"].values()][:MOST_NAMES]
        level = [each for each in inner if isinstance(each, Instance) and _is_module(each)][:100]
        if any(each.of.name == "Embedding" for each in level):
            return True
    return False


def _check_criterion(value: Any) -> None:
    """Raise InputError for an output layer that is not a softmax, which AWD-LSTM saves next to the model."""
    for item in value if isinstance(value, (list, tuple)) else ():
        if isinstance(item, Instance) and item.of.name == "SplitCrossEntropyLoss":
            splits = item.state.get("nsplits", 1)
            if isinstance(splits, int) and splits > 1:
                raise InputError(
                    f"its output layer is a SplitCrossEntropyLoss of {splits} parts, which weft does not have: only a "
                    "softmax over the whole vocabulary can be imported"
                )


def _of_module(module: Instance) -> Parameters:
    found = Parameters(attributes=module.state, about=f"a {quoted(module.of.name)[1:-1]} of PyTorch")
    _walk(module, "", 0, found)
    return found


def _walk(module: Instance, prefix: str, depth: int, found: Parameters) -> None:
    found.visits += 1
    if depth > DEEPEST or found.visits > MOST_NAMES or len(found.tensors) > MOST_NAMES:
        raise InputError("its modules are nested too deeply, or too many")
    name = module.of.name
    if name in RECURRENT:
        found.recurrent[prefix] = module.state
    elif depth and name not in PASSING:
        raise InputError(f"it has a module {quoted(prefix[:-1])} of class {quoted(str(module.of))}, unknown to weft")
    if name == "WeightDrop" and isinstance(module.state.get("dropout"), (int, float)):
        found.weight_drop = max(found.weight_drop, module.state["dropout"])
    for own, tensor in module.state["_parameters"].items():
        if isinstance(tensor, Tensor):
            found.tensors[f"{prefix}{own}"] = tensor
    for own, inner in module.state["_modules"].items():
        if isinstance(inner, Instance) and _is_module(inner):
            _walk(inner, f"{prefix}{own}.", depth + 1, found)
