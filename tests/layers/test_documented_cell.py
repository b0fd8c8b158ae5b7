"""The cell that the documentation adds is complete and correct."""

from __future__ import annotations

import os
import subprocess
import sys

from helpers.paths import TESTS
from scripts.documentation import DOCS, blocks

CHECK = """
import numpy as np
from helpers.oracles import central_differences
from helpers.recurrent_cases import Case
from weft.layers import time_layer

case = Case(time_layer("ugrnn"))
gradients = case.gradients()
for name, array in case.inputs().items():
    expected = central_differences(case.objective, array)
    np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)
"""


def test_the_documented_cell_is_found_and_its_gradients_equal_central_differences() -> None:
    page = (DOCS / "layers.md").read_text("utf-8")
    (cell,) = (block.text for block in blocks(page) if "(Cell)" in block.text)
    # In a process of its own, so that other tests do not find it among the cells.
    paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    run = subprocess.run([sys.executable, "-c", cell + CHECK], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
