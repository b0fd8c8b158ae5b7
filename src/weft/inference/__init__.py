"""Inference with state as a value: frozen models, a text read so far, sampling."""
