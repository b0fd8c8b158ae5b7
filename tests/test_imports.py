"""The imports between the modules of weft, late ones and those for type checking included.

Which package may import which other is in `.importlinter`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

KERNELS = "weft.backends.kernels"
MOST_LEVELS_OF_KERNELS = 5
ARRAY_LIBRARIES = {"numpy", "array_api_compat", "torch"}

Edges = Mapping[str, set[str]]
"""The modules, or rooms, that each one imports."""


@pytest.fixture(scope="module")
def modules() -> Edges:
    graph = grimp.build_graph("weft", cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


@pytest.fixture(scope="module")
def kernel_rooms(modules: Edges) -> Edges:
    """Imports between the folders, and single modules, directly in the folder of the kernels."""

    def room(module: str) -> str:
        return module.removeprefix(f"{KERNELS}.").partition(".")[0]

    rooms: dict[str, set[str]] = {}
    for module, imported in modules.items():
        if module.startswith(f"{KERNELS}."):
            others = {room(other) for other in imported if other.startswith(f"{KERNELS}.")}
            rooms.setdefault(room(module), set()).update(others - {room(module)})
    return rooms


def circles(edges: Edges) -> Iterator[str]:
    """Circles of imports, as `a -> b -> a`, no two of which share a module; none only if there is no circle at all."""
    left = {module: set(imported) for module, imported in edges.items()}
    while True:
        try:
            tuple(TopologicalSorter(left).static_order())
        except CycleError as error:
            circle = error.args[1][::-1]  # the sorter lists every module after those it imports
            yield " -> ".join(circle)
            left = {module: imported - set(circle) for module, imported in left.items() if module not in circle}
        else:
            return


def levels(edges: Edges) -> int:
    """The number of modules in the longest chain of imports."""
    depth: dict[str, int] = {}
    for module in TopologicalSorter(edges).static_order():
        depth[module] = 1 + max((depth[imported] for imported in edges.get(module, ())), default=0)
    return max(depth.values())


def test_circles_are_found_and_levels_are_counted() -> None:
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": set()})) == []
    assert [set(circle.split(" -> ")) for circle in circles({"a": {"b"}, "b": {"c"}, "c": {"b"}})] == [{"b", "c"}]
    assert len(list(circles({"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"c"}}))) == 2
    assert levels({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == 3


def test_no_modules_import_each_other_in_a_circle(modules: Edges) -> None:
    assert len(modules) > 200
    assert list(circles(modules)) == []


def test_the_kernel_rooms_import_in_one_direction_on_few_levels(kernel_rooms: Edges) -> None:
    assert {"jit", "threads", "matmul", "recurrent", "output", "update", "streaming", "cells", "kernel_set"} <= set(
        kernel_rooms
    )
    assert list(circles(kernel_rooms)) == []
    assert levels(kernel_rooms) <= MOST_LEVELS_OF_KERNELS


def test_layers_import_no_array_library_at_run_time() -> None:
    graph = grimp.build_graph(
        "weft", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    layers = graph.find_descendants("weft.layers")
    found = {layer: graph.find_modules_directly_imported_by(layer) & ARRAY_LIBRARIES for layer in layers}
    assert {layer: libraries for layer, libraries in found.items() if libraries} == {}
