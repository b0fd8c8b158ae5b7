"""Compilation of kernels: compile cache, out-of-line functions, pointers, atomics, vector math, CPU features."""
