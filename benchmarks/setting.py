"""How much is measured: chosen on the command line, the same for all parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """seconds          for each row
    build_seconds    that torch.compile may take for one step
    largest_corpus   in megabytes
    tiny             all sizes are the smallest, to see that everything runs
    """

    seconds: float = 20.0
    build_seconds: float = 120.0
    largest_corpus: float = 1000.0
    tiny: bool = False

    @property
    def further_build_seconds(self) -> float:
        """`build_seconds` of all parts but training: none in the smallest setting, where builds take longest of all."""
        return 0.0 if self.tiny else self.build_seconds

    @property
    def uncounted(self) -> int:
        """Fresh processes before those: they fill the system's caches, and compile kernels."""
        return 0 if self.tiny else 1

    @property
    def repeats(self) -> int:
        """Fresh processes of each kind."""
        return 1 if self.tiny else 5
