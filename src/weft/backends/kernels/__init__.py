"""Fused kernels through Numba, for float32: whole blocks of a cell, the output layer, and updates.

They equal the plain loop within rounding, and replace it where `weft.backends.fused` asks for them.
"""
