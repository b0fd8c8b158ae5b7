"""The spinning thread pool, parallel jobs made of phases and chunks, per-thread workspace, captured kernels."""
