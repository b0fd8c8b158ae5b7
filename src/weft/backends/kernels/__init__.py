"""Fused kernels for float32, compiled by Numba: blocks of recurrent layers, the output layer, updates, streaming.

They agree with the layers' array arithmetic within rounding and replace it where `weft.backends.fused` is active.
"""
