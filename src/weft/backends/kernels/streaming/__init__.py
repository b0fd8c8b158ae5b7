"""Streaming inference: a model's weights packed once, and one compiled call per step."""
