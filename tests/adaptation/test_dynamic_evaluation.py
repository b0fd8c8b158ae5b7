"""Dynamic evaluation: blocks are scored before the weights learn from them, by the equations of both rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.adaptation import AdaptingModel, Cache, Dynamic, DynamicRMS, DynamicSGD, GradientRMS, measure_gradient_rms
from weft.errors import InputError, TrainingDivergedError
from weft.evaluation.running_text import running_text
from weft.layers import OutputSettings, Regularization, time_layers
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM
from weft.training.interfaces import NamedGradients
from weft.training.optimizer import SGD

V, EOS = 7, 1
IDS = np.random.default_rng(0).integers(0, V, 23)


def model(cell: str = "lstm", tied: bool = False, **settings: Any) -> RNNLM:
    made = RNNLM(V, 5, 5, 2, cell, tied=tied, seed=0, dtype="float64", **settings)
    for parameter in made.params:
        parameter *= 3
    return made


def read(adapting: AdaptingModel, ids: Any, chunk: int = 100) -> Any:
    chunks = [ids[start : start + chunk] for start in range(0, len(ids), chunk)]
    return np.concatenate(list(adapting.reading(None).running(chunks, EOS)))[:, 0]


def static(model: RNNLM, ids: Any) -> Any:
    return np.concatenate(list(running_text(model, [ids], EOS)))


def by_hand(model: RNNLM, ids: Any, T: int, moved: Any) -> Any:
    """Blocks scored one by one; `moved(name, w, trained, gradient)` is a parameter after the update."""
    trained = {name: parameter.copy() for name, parameter in model.named_parameters().items()}
    weights = {name: parameter.copy() for name, parameter in trained.items()}
    inputs = np.concatenate(([EOS], ids[:-1]))
    state, result = model.zero_state(1), []
    for start in range(0, len(ids), T):
        xs, ts = inputs[None, start : start + T], ids[None, start : start + T]
        current = model.with_parameters(weights)
        nats, after = current.log_probabilities(xs, ts, state)
        result.append(nats[0])
        current.set_state(state)
        current.loss(xs, ts)
        current.backward()
        gradients = {name: dense(gradient) for name, gradient in current.named_gradients().items()}
        weights = {name: moved(name, w, trained[name], gradients[name]) for name, w in weights.items()}
        state = after
    return np.concatenate(result)


RMS = GradientRMS({name: np.full(p.shape, 0.02) for name, p in model().named_parameters().items()}, 0.05)


def uneven_rms(model: RNNLM) -> GradientRMS:
    rng = np.random.default_rng(1)
    roots = {name: rng.exponential(size=parameter.shape) for name, parameter in model.named_parameters().items()}
    return GradientRMS(roots, sum(root.sum() for root in roots.values()) / sum(root.size for root in roots.values()))


@pytest.mark.parametrize("cell", time_layers())
@pytest.mark.parametrize("tied", [False, True])
def test_the_sgd_rule_equals_its_equation(cell: str, tied: bool) -> None:
    expected = by_hand(model(cell, tied), IDS, 4, lambda _name, w, g, d: w - 0.3 * d + 0.1 * (g - w))
    found = read(AdaptingModel(model(cell, tied), DynamicSGD(0.3, 0.1, block=4)), IDS)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.abs(found - static(model(cell, tied), IDS)).max() > 0.01


@pytest.mark.parametrize("tied", [False, True])
def test_the_rms_rule_equals_its_equation(tied: bool) -> None:
    rms = uneven_rms(model(tied=tied))
    roots, mean, decay = rms.roots, rms.mean, 0.6
    shares = {name: np.minimum(decay * root / mean, 1) for name, root in roots.items()}
    assert max(share.max() for share in shares.values()) == 1  # the bound min(…, 1) is active
    expected = by_hand(
        model(tied=tied), IDS, 4, lambda name, w, g, d: w - 0.5 * d / (roots[name] + mean) + shares[name] * (g - w)
    )
    found = read(AdaptingModel(model(tied=tied), DynamicRMS(rms, 0.5, decay, block=4)), IDS)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_first_block_is_scored_by_the_trained_weights() -> None:
    found, before = read(AdaptingModel(model(), DynamicSGD(5.0, block=6)), IDS), static(model(), IDS)
    np.testing.assert_allclose(found[:6], before[:6], rtol=1e-12)
    assert (found[6:] != before[6:]).all()


@pytest.mark.parametrize("dynamic", [DynamicSGD(0.0, 0.5), DynamicRMS(RMS, 0.0, 0.5)], ids=["sgd", "rms"])
def test_a_learning_rate_of_zero_changes_nothing(dynamic: Dynamic) -> None:
    np.testing.assert_allclose(read(AdaptingModel(model(), dynamic), IDS), static(model(), IDS), rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 23])
def test_the_numbers_do_not_depend_on_the_chunks(chunk: int) -> None:
    adapting = AdaptingModel(model(), DynamicSGD(0.5, 0.1, block=4), Cache(5, 0.3))
    np.testing.assert_allclose(read(adapting, IDS, chunk), read(adapting, IDS), rtol=1e-10)


def test_single_steps_agree_with_blocks_and_states_are_values() -> None:
    adapting = AdaptingModel(model(), DynamicSGD(0.5, 0.1, block=4), Cache(5, 0.3))
    scores, state = adapting.step(np.array([EOS]), adapting.zero_state(1))
    found = []
    for id in IDS:
        np.testing.assert_allclose(np.exp(scores).sum(), 1, rtol=1e-12)
        found.append(scores[0, id])
        # Another reading from this state, long enough to update its weights, must not change it.
        other = state
        for wrong in [0, 3, 2, 5, 5]:
            _, other = adapting.step(np.array([wrong]), other)
        scores, state = adapting.step(np.array([id]), state)
    np.testing.assert_allclose(found, read(adapting, IDS), rtol=1e-10)


def test_the_model_does_not_change() -> None:
    given = model()
    before = [parameter.copy() for parameter in given.params]
    read(AdaptingModel(given, DynamicSGD(0.5)), IDS)
    for parameter, kept in zip(given.params, before, strict=True):
        np.testing.assert_array_equal(parameter, kept)
    assert given.state is None


def test_regularization_is_off_during_adaptation() -> None:
    dropping = model(
        dropout=0.5,
        regularization=Regularization(embedding_dropout=0.5, weight_dropout=0.5, activation_penalty=2.0),
    )
    dynamic = DynamicSGD(0.5, 0.1)
    found, expected = (read(AdaptingModel(given, dynamic), IDS) for given in (dropping, model()))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("tied", [False, True])
def test_a_sampled_softmax_adapts_with_the_exact_one(tied: bool) -> None:
    sampled, full = model(tied=tied, output=OutputSettings(output="sampled", samples=2)), model(tied=tied)
    for name, parameter in full.named_parameters().items():
        own = sampled.named_parameters()[name]
        parameter[...] = own.T if name == "output.W" else own
    blocks = [(IDS[None, :12], IDS[None, 1:13])]
    rms = [measure_gradient_rms(given, blocks) for given in (sampled, full)]
    assert rms[0].mean == pytest.approx(rms[1].mean, rel=1e-12)
    sgd = DynamicSGD(0.3, 0.1, block=4)
    rules: list[tuple[Dynamic, Dynamic]] = [(sgd, sgd), (DynamicRMS(rms[0], block=4), DynamicRMS(rms[1], block=4))]
    for rule, rule_of_full in rules:
        found = read(AdaptingModel(sampled, rule), IDS)
        np.testing.assert_allclose(found, read(AdaptingModel(full, rule_of_full), IDS), rtol=1e-10)
    assert sampled.output.kind == "sampled"


def test_a_repetitive_text_becomes_easier() -> None:
    ids = np.array([3, 5, 2, 6, 4, 1] * 40)
    rms = measure_gradient_rms(model(), [(ids[None, :12], ids[None, 1:13])])
    before = static(model(), ids).mean()
    for dynamic in (DynamicSGD(1.0), DynamicRMS(rms, 0.1)):
        assert read(AdaptingModel(model(), dynamic), ids).mean() > before + 0.5


def test_gradient_rms_is_the_root_mean_square() -> None:
    blocks = [(IDS[None, :5], IDS[None, 1:6]), (IDS[None, 5:10], IDS[None, 6:11])]
    given = model()
    rms = measure_gradient_rms(model(), blocks)
    squares = {name: np.zeros(parameter.shape) for name, parameter in given.named_parameters().items()}
    for xs, ts in blocks:
        given.loss(xs, ts)
        given.backward()
        for name, gradient in given.named_gradients().items():
            squares[name] += dense(gradient) ** 2 / 2
    for name, square in squares.items():
        np.testing.assert_allclose(rms.roots[name], np.sqrt(square), rtol=1e-12)
    everything = np.concatenate([np.sqrt(square).reshape(-1) for square in squares.values()])
    assert rms.mean == pytest.approx(everything.mean())
    with pytest.raises(InputError, match="needs gradients on the training text"):
        measure_gradient_rms(model(), [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DynamicSGD(-1.0), "the learning rate of dynamic evaluation must be at least 0 and finite, got -1"),
        (lambda: DynamicSGD(float("inf")), "must be at least 0 and finite, got inf"),
        (lambda: DynamicRMS(RMS, decay=1.5), r"the decay of dynamic evaluation must lie in \[0, 1\], got 1.5"),
        (lambda: DynamicSGD(block=0), "must have at least 1 token, got 0"),
        (lambda: AdaptingModel(model()), "by dynamic evaluation, a cache, or both"),
        (lambda: AdaptingModel(model(), DynamicSGD()).zero_state(2), "reads one stream, .* got 2"),
        (lambda: AdaptingModel(model(), DynamicSGD()).reading(None).running([], EOS, 4), "batch size out, .* not 4"),
        (lambda: AdaptingModel(model(), DynamicSGD()).reading(None).running([], EOS, 1, 64), "in blocks of its own"),
        (lambda: AdaptingModel(model(), DynamicSGD()).reading(None).separate([], EOS, 2), "batch size out, .* not 2"),
    ],
)
def test_invalid_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


class Diverging(SGD):
    """An optimizer that makes every weight infinite."""

    def update(self, gradients: NamedGradients, lr: float, factor: float = 1.0) -> None:
        for parameter in self.parameters.values():
            parameter[...] = np.inf


def test_diverged_weights_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamicSGD, "optimizer", lambda _self, weights, _trained: Diverging(weights))
    adapting = AdaptingModel(model(), DynamicSGD(block=2))
    with pytest.raises(TrainingDivergedError, match="the weights diverged"):
        read(adapting, IDS)


def test_diverged_weights_are_an_error_in_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamicSGD, "optimizer", lambda _self, weights, _trained: Diverging(weights))
    adapting = AdaptingModel(model(), DynamicSGD(block=2))

    def push_all() -> None:
        state: Any = adapting.zero_state(1)
        for token in IDS:
            _logs, state = adapting.step(np.array([token]), state)

    with pytest.raises(TrainingDivergedError, match="the weights diverged"):
        push_all()
