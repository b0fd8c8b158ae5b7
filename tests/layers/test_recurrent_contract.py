"""The contract of recurrent layers, tested on all cells that `time_layers` finds."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.oracles import StrictBackend, TorchBackend, central_differences, extra_backend
from helpers.recurrent_cases import Case
from weft.backends import backends
from weft.errors import InputError
from weft.layers import TimeRecurrent, time_layers
from weft.layers.recurrent import PlainLoop

every_cell = pytest.mark.parametrize("layer_type", time_layers().values(), ids=time_layers())


@every_cell
def test_gradients_equal_central_differences(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    gradients = case.gradients()
    for name, array in case.inputs().items():
        expected = central_differences(case.objective, array)
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)


@every_cell
def test_gradients_equal_autograd_through_the_same_forward(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type, N=3, T=6, D=2, H=4)
    gradients = case.gradients()
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in case.inputs().items()}
    with extra_backend(TorchBackend()):
        cell = layer_type.cell_type(**{name: tensors[name] for name in case.params})
        initial = tuple(tensors[f"first {name}"] for name in cell.state_names)
        hs, last, _tape = PlainLoop().forward(cell, tensors["xs"], initial)
    objective = (hs * torch.tensor(case.dhs)).sum()
    objective = objective + sum((s * torch.tensor(d)).sum() for s, d in zip(last, case.dlast, strict=True))
    objective.backward()
    for name, tensor in tensors.items():
        expected = (
            torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        )  # None: the output does not depend on it
        np.testing.assert_allclose(gradients[name], expected.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


@every_cell
@settings(max_examples=15, deadline=None)
@given(sizes=st.tuples(*(st.integers(1, 4) for _ in range(4))))
def test_step_by_step_equals_the_whole_block_at_any_size(
    layer_type: type[TimeRecurrent], sizes: tuple[int, int, int, int]
) -> None:
    case = Case(layer_type, *sizes)
    hs, last = case.forward()
    state = case.state
    for t in range(sizes[1]):
        next_state = layer_type.cell_type(**case.params).forward(case.xs[:, t], *state)
        state = next_state if isinstance(next_state, tuple) else (next_state,)
        np.testing.assert_allclose(hs[:, t], state[0], rtol=1e-12, atol=1e-14)
    for part, expected in zip(last, state, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-14)


@every_cell
def test_backward_of_one_step_equals_a_block_of_one(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type, T=1)
    block = {name: gradient.copy() for name, gradient in case.gradients().items()}
    cell = layer_type.cell_type(**case.params)
    cell.forward(case.xs[:, 0], *case.state)
    dh, *rest = case.dlast
    dx, *dstate = cell.backward(case.dhs[:, 0] + dh, *rest)
    np.testing.assert_allclose(dx, block["xs"][:, 0])
    for name, gradient in cell.named(cell.grads).items():
        np.testing.assert_allclose(gradient, block[name])
    for name, gradient in zip(cell.state_names, dstate, strict=True):
        np.testing.assert_allclose(gradient, block[f"first {name}"])


@every_cell
def test_a_block_cut_in_two_continues_forward_and_is_truncated_backward(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type, T=6)
    whole, last = case.forward()
    dxs = case.layer.backward(case.dhs)
    case.layer.set_state(*case.state)
    first = case.layer.forward(case.xs[:, :4])
    dxs_first = case.layer.backward(case.dhs[:, :4])
    second = case.layer.forward(case.xs[:, 4:])
    dxs_second = case.layer.backward(case.dhs[:, 4:])
    assert case.layer.state is not None
    np.testing.assert_allclose(np.concatenate((first, second), axis=1), whole, rtol=1e-12)
    for part, expected in zip(case.layer.state, last, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12)
    np.testing.assert_allclose(dxs_second, dxs[:, 4:], rtol=1e-10)
    assert np.abs(dxs_first - dxs[:, :4]).max() > 1e-3


@every_cell
def test_the_gradient_that_truncation_omits_is_the_one_in_dh(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type, T=6)
    case.forward()
    dxs = case.layer.backward(case.dhs)
    case.layer.set_state(*case.state)
    case.layer.forward(case.xs[:, :4])
    middle = case.layer.state
    assert middle is not None
    case.layer.forward(case.xs[:, 4:])
    case.layer.backward(case.dhs[:, 4:])
    carried = [getattr(case.layer, f"d{name}") for name in case.layer.cell.state_names]
    case.layer.set_state(*case.state)
    case.layer.forward(case.xs[:, :4])
    np.testing.assert_allclose(case.layer.backward(case.dhs[:, :4], *carried), dxs[:, :4], rtol=1e-10)


@every_cell
def test_a_stateless_layer_starts_every_block_from_zeros(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    layer = layer_type(**case.params)
    first = layer.forward(case.xs)
    np.testing.assert_array_equal(layer.forward(case.xs), first)
    np.testing.assert_array_equal(layer.h, first[:, -1])


@every_cell
def test_a_stateful_layer_continues_until_it_is_reset(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    layer = layer_type(**case.params, stateful=True)
    first = layer.forward(case.xs)
    assert np.abs(layer.forward(case.xs) - first).max() > 1e-3
    layer.reset_state()
    assert layer.h is None
    np.testing.assert_array_equal(layer.forward(case.xs), first)


@every_cell
def test_parameters_updated_in_place_are_seen_by_the_next_call(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    case.gradients()
    for param in case.params.values():
        param *= 0.5
    fresh = Case(layer_type)
    for param in fresh.params.values():
        param *= 0.5
    np.testing.assert_array_equal(case.forward()[0], fresh.forward()[0])
    for name, gradient in case.gradients().items():
        np.testing.assert_array_equal(gradient, fresh.gradients()[name])


@every_cell
def test_backward_overwrites_the_same_gradient_arrays(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    arrays = list(case.layer.grads)
    once = [gradient.copy() for gradient in arrays if case.gradients()]
    case.gradients()
    assert all(now is then for now, then in zip(case.layer.grads, arrays, strict=True))
    for gradient, expected in zip(arrays, once, strict=True):
        np.testing.assert_array_equal(gradient, expected)


@every_cell
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_parameters_passes_through(layer_type: type[TimeRecurrent], dtype: str) -> None:
    case = Case(layer_type)
    layer = layer_type(**{name: param.astype(dtype) for name, param in case.params.items()})
    hs = layer.forward(case.xs.astype(dtype))
    dxs = layer.backward(case.dhs.astype(dtype))
    assert {array.dtype.name for array in (hs, dxs, layer.h, layer.dh, *layer.grads)} == {dtype}


@every_cell
def test_unroll_gives_the_numbers_of_forward_and_changes_no_state(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    hs, last = case.forward()
    case.layer.reset_state()
    pure_hs, pure_last = case.layer.unroll(case.xs, case.state)
    np.testing.assert_array_equal(pure_hs, hs)
    for part, expected in zip(pure_last, last, strict=True):
        np.testing.assert_array_equal(part, expected)
    assert case.layer.state is None


@every_cell
def test_only_functions_of_the_array_standard_are_used(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    expected = case.gradients()
    with extra_backend(StrictBackend()):
        strict = array_api_strict.asarray
        layer = layer_type(**{name: strict(param) for name, param in case.params.items()}, stateful=True)
        layer.set_state(*[strict(part) for part in case.state])
        layer.forward(strict(case.xs))
        dxs = layer.backward(strict(case.dhs), *[strict(part) for part in case.dlast])
    np.testing.assert_allclose(np.asarray(dxs), expected["xs"], rtol=1e-10)
    for name, gradient in layer.cell.named(layer.grads).items():
        np.testing.assert_allclose(np.asarray(gradient), expected[name], rtol=1e-10)


@every_cell
def test_a_kernel_of_the_backend_replaces_the_loop(
    layer_type: type[TimeRecurrent], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    class Kernel(layer_type.plain_block):  # type: ignore[misc, name-defined]
        def forward(self, *arguments: Any) -> Any:
            calls.append("forward")
            return super().forward(*arguments)

        def backward(self, *arguments: Any) -> Any:
            calls.append("backward")
            return super().backward(*arguments)

    plain = {name: gradient.copy() for name, gradient in Case(layer_type).gradients().items()}

    class Fused:
        def block_kernel(self, cell: Any, streams: int, steps: int) -> Any:
            return Kernel() if cell.name == layer_type.cell_type.name else None

    monkeypatch.setattr(type(backends[0]), "fused", Fused())
    for name, gradient in Case(layer_type).gradients().items():
        np.testing.assert_array_equal(gradient, plain[name])
    assert calls == ["forward", "backward"]


@every_cell
def test_error_messages_name_wrong_shapes(layer_type: type[TimeRecurrent]) -> None:
    case = Case(layer_type)
    with pytest.raises(InputError, match=r"Wx of .* must have shape \(D, "):
        layer_type(**{**case.params, "Wx": case.params["Wx"][:, :-1]})
    with pytest.raises(InputError, match=r"takes Wx, Wh, b.*, got Wx, Wh, b.*, gain"):
        layer_type(**case.params, gain=case.params["b"])
    for name in layer_type.cell_type.vectors:
        with pytest.raises(InputError, match=rf"{name} of .* must have shape"):
            layer_type(**{**case.params, name: case.params[name][:-1]})
    with pytest.raises(InputError, match=r"xs must have shape \(N, T, 4\), got \(2, 3, 3\)"):
        case.layer.forward(case.xs[:, :, :3])
    case.forward()
    with pytest.raises(InputError, match="reset_state"):
        case.layer.forward(case.xs[:1])
    with pytest.raises(InputError, match="needs a forward before it"):
        layer_type(**case.params).backward(case.dhs)
    case = Case(layer_type)
    case.forward()
    with pytest.raises(InputError, match=r"dhs must have shape \(2, 3, 5\), got \(2, 2, 5\)"):
        case.layer.backward(case.dhs[:, :2])
    with pytest.raises(InputError, match=r"dh must have shape \(2, \d+\), got \(1, "):
        case.layer.backward(case.dhs, *[gradient[:1] for gradient in case.dlast])
    with pytest.raises(InputError, match="at least one stream and one step"):
        layer_type(**case.params).forward(case.xs[:, :0])
