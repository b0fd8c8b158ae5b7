"""dtypes of packed matrix operands: float32, or two bfloat16 values (consecutive k) in one int32."""

from __future__ import annotations

import numpy as np

FLOATS, PAIRS = np.dtype(np.float32), np.dtype(np.int32)
