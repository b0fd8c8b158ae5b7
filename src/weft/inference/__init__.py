"""Inference with the state as a value: frozen models, the state after a text, sampling."""
