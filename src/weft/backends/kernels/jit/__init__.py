"""Compilation of kernels: compile cache, external functions, structures, pointers, atomics, vector math, processor."""
