"""A program: `fused` blocks of two threads overlap, and the linear algebra library gets all its threads back.

It runs in a process of its own, which can be started with several library threads.
"""

from __future__ import annotations

import threading

from threadpoolctl import threadpool_info

from weft.backends.fused import fused


def library_threads() -> dict[str, int]:
    """The number of threads of every linear algebra library that is loaded, by its file."""
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def main() -> None:
    before = library_threads()  # Numba loads another library later, where SciPy is installed
    entered, leave = threading.Event(), threading.Event()

    def hold_block() -> None:
        with fused(1):
            entered.set()
            leave.wait(30)

    first = threading.Thread(target=hold_block)
    first.start()
    assert entered.wait(30)
    with fused(1):
        assert set(library_threads().values()) <= {1}
        leave.set()
        first.join()
    assert before.items() <= library_threads().items()
    with fused(1), fused(1):
        assert set(library_threads().values()) <= {1}
    assert before.items() <= library_threads().items()


if __name__ == "__main__":
    main()
