"""Public import path of the frozen model and of batches of states; see `weft.inference.frozen_model`."""

from weft.inference.frozen_model import StreamingModel, join_states, split_state

__all__ = ["StreamingModel", "join_states", "split_state"]
