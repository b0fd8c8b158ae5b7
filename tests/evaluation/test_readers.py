"""Readers of blocks: the same numbers for every slice size, and zeros where there is no target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.evaluation.readers import BOUNDARY, ENTROPY, LOGPROB, RANK, Distributions, LogProbabilities, Measures
from weft.model import RNNLM

V = 11
MEASURES = Measures(entropy=True, rank=True, alternatives=4, boundary=np.array([1, 5]))


def model(scale: float = 1.0) -> RNNLM:
    made = RNNLM(V, 3, 5, 2, "gru", seed=0, dtype="float64")
    made.output.params[0][...] *= scale
    return made


XS = np.random.default_rng(0).integers(0, V, (3, 7))
TS = np.where(np.random.default_rng(1).random((3, 7)) < 0.2, -1, np.roll(XS, -1, axis=1))


def test_both_readers_give_the_log_probability_and_the_state() -> None:
    state = model().zero_state(3)
    plain, after = LogProbabilities(model()).read(XS, TS, state)
    full, after_too = Distributions(model(), MEASURES).read(XS, TS, state)
    assert plain.shape == (3, 7, 1)
    np.testing.assert_allclose(full[..., LOGPROB], plain[..., 0], rtol=1e-12)
    for part, part_too in zip(sum(after, ()), sum(after_too, ()), strict=True):
        np.testing.assert_array_equal(part, part_too)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_the_numbers_do_not_depend_on_the_slice_size(rows: int) -> None:
    state = model().zero_state(3)
    whole, _ = Distributions(model(), MEASURES).read(XS, TS, state)
    sliced, _ = Distributions(model(), MEASURES, rows).read(XS, TS, state)
    np.testing.assert_allclose(sliced, whole, rtol=1e-12)


def test_positions_without_a_target_are_zero() -> None:
    numbers, _ = Distributions(model(), MEASURES).read(XS, TS, model().zero_state(3))
    assert (TS == -1).any()
    assert not numbers[TS == -1].any()
    assert (numbers[TS != -1][:, RANK] >= 1).all()


def test_slices_of_a_large_vocabulary_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    large = RNNLM(100_000, 2, 2, cell="rnn", seed=0)
    sizes = []
    original = large.output.scores

    def watched(h: Any) -> Any:
        sizes.append(h.shape[0] * 100_000 * 4)
        return original(h)

    monkeypatch.setattr(large.output, "scores", watched)
    ids = np.ones((10, 10), dtype=np.int64)
    Distributions(large, Measures(rank=True)).read(ids, ids, large.zero_state(10))
    assert max(sizes) <= 16 * 2**20
    assert len(sizes) > 1


def test_the_boundary_is_the_probability_of_all_its_tokens() -> None:
    one_by_one = [
        Distributions(model(), Measures()).read(XS, np.full_like(XS, id), model().zero_state(3))[0][..., LOGPROB]
        for id in (1, 5)
    ]
    numbers, _ = Distributions(model(), MEASURES).read(XS, XS, model().zero_state(3))
    np.testing.assert_allclose(numbers[..., BOUNDARY], np.logaddexp(*one_by_one), rtol=1e-10)


def test_underflowing_probabilities_give_finite_numbers() -> None:
    certain = model(scale=1e5)
    numbers, _ = Distributions(certain, MEASURES).read(XS, XS, certain.zero_state(3))
    assert np.isfinite(numbers).all()
    assert (numbers[..., ENTROPY] >= 0).all()
