"""Public import path of the reporters that `weft.train(reporter=...)` takes; see `weft.runs.reporting`."""

from weft.runs.reporting import OnStream, Reporter, Silent

__all__ = ["OnStream", "Reporter", "Silent"]
