"""The sample of a text, its contexts, and the losses by context length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.comparison import context_length
from weft.comparison.context_curve import draw_context_curve
from weft.comparison.context_length import TextSample, context_lengths, measure
from weft.comparison.spooled_text import spooled
from weft.errors import InputError

EOS = 1


def text(length: int, size: int = 1000, longest: int = 100) -> TextSample:
    ids = np.arange(2, 2 + length)
    return TextSample.drawn(ids, ids % 10 == 0, EOS, size, longest)


class Nearby:
    """A model whose log-probabilities identify its input: the token ids, or the length of the context."""

    name = "nearby"

    def log_probabilities(self, chunks: Iterable[Any]) -> Iterator[Any]:
        for ids in chunks:
            yield -ids / 1000.0

    def after(self, contexts: Any, targets: Any) -> Any:
        return -1.0 - contexts.shape[1] + 0.0 * targets


def test_context_lengths_are_in_ones_twos_and_fives() -> None:
    assert context_lengths(100) == (0, 1, 2, 3, 5, 10, 20, 50, 100)
    assert context_lengths(35) == (0, 1, 2, 3, 5, 10, 20, 35)
    assert context_lengths(1) == (0, 1)
    assert context_lengths(0) == (0,)
    assert context_lengths(2000)[-3:] == (500, 1000, 2000)


@pytest.mark.parametrize("length", [1, 2, 5, 30, 201, 1000])
def test_every_sampled_token_has_its_longest_context_in_the_text(length: int) -> None:
    sample = text(length, size=50)
    assert sample.lengths[-1] == min(100, length // 2)
    assert len(set(sample.positions)) == len(sample.positions) == min(50, length - max(0, sample.lengths[-1] - 1))
    assert list(sample.positions) == sorted(sample.positions)
    for count in sample.lengths:
        contexts = sample.contexts(count)
        assert contexts.shape == (len(sample.positions), count)
        for row, position in zip(contexts, sample.positions, strict=True):
            before = np.concatenate(([EOS], sample.ids))[: position + 1]
            np.testing.assert_array_equal(row, before[len(before) - count :])


def test_the_sample_is_deterministic() -> None:
    np.testing.assert_array_equal(text(1000, 20).positions, text(1000, 20).positions)


def test_the_losses_are_those_of_the_sampled_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_length, "CHUNK", 7)
    sample = text(301, size=40)
    measured = measure(Nearby(), sample)
    assert measured.whole.loss.nats == pytest.approx(sample.ids.sum() / 1000)
    assert measured.whole.loss.tokens == 301
    assert measured.whole.oov_loss.tokens == (sample.ids % 10 == 0).sum()
    chosen = sample.ids[sample.positions]
    assert measured.sample.loss.nats == pytest.approx(chosen.sum() / 1000)
    assert measured.sample.oov_loss.nats == pytest.approx(chosen[chosen % 10 == 0].sum() / 1000)
    for length, evaluation in measured.by_context.items():
        assert evaluation.perplexity == pytest.approx(np.exp(1.0 + length))
        assert evaluation.loss.tokens == 40


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(InputError, match="the text has no token to predict"):
        text(0)


def test_a_spooled_text_is_deleted_at_the_end() -> None:
    chunks = [(np.array([5, 6]), np.array([True, False])), (np.array([70_000]), np.array([True]))]
    with spooled(chunks) as (ids, oov):
        assert (ids.tolist(), oov.tolist()) == ([5, 6, 70_000], [True, False, True])
        (folder,) = {Path(str(array.filename)).parent for array in (ids, oov) if isinstance(array, np.memmap)}
    assert not folder.exists()
    with spooled([]) as (ids, oov):
        assert len(ids) == len(oov) == 0


def test_any_name_and_infinite_perplexity_can_be_drawn(tmp_path: Path) -> None:
    class Never(Nearby):
        name = "我 $x$"

        def after(self, contexts: Any, targets: Any) -> Any:
            return np.where(targets > 100, -np.inf, -1.0)

    path = tmp_path / "curve.png"
    draw_context_curve(path, [measure(scorer, text(301)) for scorer in (Nearby(), Never())])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in tmp_path.iterdir()] == ["curve.png"]
