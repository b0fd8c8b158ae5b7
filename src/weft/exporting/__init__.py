"""Export of a trained model to the formats of other programs: a folder for Hugging Face transformers, an ONNX graph."""

from __future__ import annotations

from weft.exporting.hf import export_hf
from weft.exporting.onnx_file import export_onnx

__all__ = ["export_hf", "export_onnx"]
