"""One training step: read blocks, compute their mean gradient, clip it, and update the parameters.

The learning rate is that of the schedule times l / (k T), for k blocks with l time steps in total and T the configured
block length. So every token has the same weight if the length of the blocks varies (Merity, Keskar and Socher 2018).
"""

from __future__ import annotations

from collections.abc import Callable

from weft.config import TrainingConfig
from weft.errors import InputError
from weft.evaluation.perplexity import perplexity
from weft.loss import NOTHING, Loss
from weft.training.gradients import MeanGradient, clip_factor, global_norm
from weft.training.interfaces import BlockSource, Trainable
from weft.training.optimizer import Optimizer

Check = Callable[[str, float], None]
"""Called with the name of a number and its value; raises if the value is not finite."""


class Stepper:
    """Takes the steps of a run: each trains `model` on the next `config.accumulate` blocks."""

    def __init__(
        self, model: Trainable, blocks: BlockSource, config: TrainingConfig, optimizer: Optimizer, check: Check
    ) -> None:
        self.model, self.blocks, self.config, self.optimizer, self.check = model, blocks, config, optimizer, check
        self._gradient = MeanGradient(config.accumulate)

    def take(self, lr: float) -> Loss:
        """One step with the learning rate `lr` of the schedule. Returns the loss of its blocks before the update.

        Every number that must be finite is passed to `check` before the parameters are updated.
        """
        loss, length = NOTHING, 0
        for _ in range(self.config.accumulate):
            xs, ts = next(self.blocks)
            of_block = self.model.loss(xs, ts)
            self.check("loss", of_block.nats)
            self.check("perplexity", perplexity(of_block))
            self.model.backward()
            self._gradient.add(self.model.named_gradients(), of_block.tokens)
            loss, length = loss.plus(of_block), length + xs.shape[1]
        gradients = self._gradient.pop()
        norm = global_norm(gradients)
        self.check("norm of the gradient", norm)
        lr *= length / (self.config.accumulate * self.config.bptt)
        self.optimizer.update(gradients, lr, clip_factor(norm, self.config.clip))
        return loss


def steps_per_epoch(blocks: BlockSource, config: TrainingConfig) -> int:
    """Whole steps in one pass through the text. Raises InputError if the text has too few blocks for one step."""
    if config.accumulate > blocks.blocks_per_epoch:
        raise InputError(
            f"a step is to accumulate {config.accumulate:,} blocks, but the text has only {blocks.blocks_per_epoch:,}: "
            "lower --accumulate, --batch-size or --bptt, or give more text"
        )
    return blocks.blocks_per_epoch // config.accumulate
