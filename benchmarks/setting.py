"""Settings of all parts, from the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """Settings of all parts.

    seconds          measuring time per row
    build_seconds    time limit of torch.compile per step
    largest_corpus   megabytes of token ids
    tiny             smallest sizes, to check that everything runs
    """

    seconds: float = 20.0
    build_seconds: float = 120.0
    largest_corpus: float = 1000.0
    tiny: bool = False

    @property
    def further_build_seconds(self) -> float:
        """`build_seconds` of the parts other than training: 0 with `tiny`, where compilation would dominate."""
        return 0.0 if self.tiny else self.build_seconds

    @property
    def warmup_processes(self) -> int:
        """Discarded processes before the measured ones: they fill the system's caches and compile the kernels."""
        return 0 if self.tiny else 1

    @property
    def repeats(self) -> int:
        """Measured processes per command."""
        return 1 if self.tiny else 5
