"""The fused cell that the documentation adds equals the plain loop, over a block and in streaming."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.documentation import DOCS, blocks
from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

CHECK = """
import numpy as np
from weft.backends import default_backend, random_generator
from weft.backends.fused import fused
from weft.inference.frozen_model import StreamingModel
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

for threads, N in ((1, 4), (2, 1), (2, 4)):
    xs, ts = random_generator(0).integers(0, 50, (2, N, 9))
    exact, ours = (RNNLM(50, 24, 40, 2, "ugrnn", seed=1, dtype=dtype) for dtype in ("float64", "float32"))
    expected = exact.loss(xs, ts).nats
    exact.backward()
    with fused(threads):
        assert default_backend.fused.block_kernel(ours.recurrent[0].cell, N, 9) is not None
        np.testing.assert_allclose(ours.loss(xs, ts).nats, expected, rtol=1e-5)
        ours.backward()
    for gradient, exact_gradient in zip(map(dense, ours.grads), map(dense, exact.grads), strict=True):
        np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-3, atol=1e-6)

frozen = StreamingModel(ours, kernels="fused", threads=1)
ids = np.array([1, 2])
given, wanted = frozen.zero_state(2), ours.zero_state(2)
for _ in range(3):
    scores, given = frozen.step(ids, given)
    expected, wanted = ours.step(ids, wanted)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
"""


def block_of(page: str, part: str) -> str:
    """The only example of a page that contains `part`."""
    (text,) = (block.text for block in blocks((DOCS / page).read_text("utf-8")) if part in block.text)
    return text


def test_the_documented_fused_cell_equals_the_plain_loop(tmp_path: Path) -> None:
    (tmp_path / "ugrnn_layer.py").write_text(block_of("layers.md", "(Cell)"), "utf-8")
    (tmp_path / "ugrnn_kernel.py").write_text(block_of("kernels.md", 'FusedCell("ugrnn"'), "utf-8")
    # In a process of its own, so that other tests do not find the cell among weft's.
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    program = "import ugrnn_layer, ugrnn_kernel\n" + CHECK
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_an_edited_cell_is_compiled_again(tmp_path: Path) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    from weft.backends.kernels.cells import fused_cell
    from weft.backends.kernels.jit.compile import source_key
    from weft.backends.kernels.recurrent.driver import FusedCell, block_passes

    path, keys, names = tmp_path / "cell.py", [], []
    for value in (1, 22):
        path.write_text(f"def steps(s):\n    return {value}\n", "utf-8")
        spec = spec_from_file_location("cell", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        keys.append(source_key(module.steps))
        names.append(block_passes(FusedCell("edited", 1, module.steps, module.steps, ((0, 1),)))[0].__qualname__)
    assert len({"", *keys}) == 3
    assert names[0] != names[1]
    lstm = fused_cell("lstm")
    assert lstm is not None
    assert source_key(lstm.steps, lstm.steps_backward) == ""  # the cache key covers weft's own files
