"""Another import path of `weft.inference.frozen_model`: the frozen model and batches of states."""

from weft.inference.frozen_model import StreamingModel, join_states, split_state

__all__ = ["StreamingModel", "join_states", "split_state"]
