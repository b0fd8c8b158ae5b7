"""One step of training: blocks are read, their mean gradient is clipped, the parameters are updated once.

The learning rate is that of the schedule times l / (k T), for k blocks of l time steps together where k of length T are
expected: where the length of blocks varies, every token keeps its weight (Merity, Keskar and Socher 2018).
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
"""Told of a number by its name; raises if it is not finite."""


class Stepper:
    """Takes the steps of a run: `model` on `config.accumulate` of the next `blocks`, then `optimizer`."""

    def __init__(
        self, model: Trainable, blocks: BlockSource, config: TrainingConfig, optimizer: Optimizer, check: Check
    ) -> None:
        self.model, self.blocks, self.config, self.optimizer, self.check = model, blocks, config, optimizer, check
        self._gradient = MeanGradient(config.accumulate)

    def take(self, lr: float) -> Loss:
        """One step with the learning rate `lr`; returns what its blocks cost before it.

        `check` sees every number that must be finite before the parameters are touched.
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
    """Whole steps in one pass through the text; raises InputError if it has too few blocks for one."""
    if config.accumulate > blocks.blocks_per_epoch:
        raise InputError(
            f"a step is to accumulate {config.accumulate:,} blocks, but the text has only {blocks.blocks_per_epoch:,}: "
            "lower --accumulate, --batch-size or --bptt, or give more text"
        )
    return blocks.blocks_per_epoch // config.accumulate
