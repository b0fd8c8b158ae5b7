"""Two threads on the fused kernels at once, and what becomes of the threads of the linear algebra library: run as a
program, since a process may have been given one such thread only."""

from __future__ import annotations

import threading

from threadpoolctl import threadpool_info

from weft.backends.fused import fused


def library_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def main() -> None:
    before = library_threads()
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with fused(1):
            entered.set()
            leave.wait(30)

    first = threading.Thread(target=stay)
    first.start()
    assert entered.wait(30)
    with fused(1):
        assert set(library_threads()) <= {1}
        leave.set()
        first.join()
    assert library_threads() == before
    with fused(1), fused(1):
        assert set(library_threads()) <= {1}
    assert library_threads() == before


if __name__ == "__main__":
    main()
