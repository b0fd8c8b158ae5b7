"""Import of language models of other programs: PyTorch, the textbook's pickles, ONNX.

The files are read without the libraries that wrote them, and nothing in them is executed.
"""

from __future__ import annotations

from weft.importing.importer import import_model, read_model

__all__ = ["import_model", "read_model"]
