"""Benchmarks of weft's speed and memory against PyTorch and ONNX Runtime; see `python -m benchmarks --help`."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Root of the source tree, the working directory of subprocesses."""
