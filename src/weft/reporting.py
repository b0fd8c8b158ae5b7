"""Another import path of `weft.runs.reporting`: what `weft.train(reporter=...)` is given."""

from weft.runs.reporting import OnStream, Reporter, Silent

__all__ = ["OnStream", "Reporter", "Silent"]
