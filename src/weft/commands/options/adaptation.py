"""How a model adapts to the text that a command reads: the flags, and what does not go together with them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.adaptation import Cache, DynamicRMS, DynamicSGD, GradientRMS, measure_gradient_rms
from weft.commands.options.types import number, one_of, whole_number
from weft.errors import InputError, MissingFileError
from weft.language_model import LanguageModel
from weft.run_folder import tokens_path
from weft.text.batches import Blocks
from weft.text.tokens import open_tokens

RULES = ("sgd", "rms")
SIZES_BLOCKS = 200
"""Blocks of the training text on which the sizes of gradients are measured, each in as many streams as it can have."""

SIZES_STREAMS = 20

DynamicOption = Annotated[
    bool,
    typer.Option("--dynamic", help="Let the weights follow the text: dynamic evaluation. The run stays as it is."),
]
DynamicRuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(RULES),
        help="Every weight moves by its gradient, or by its gradient over the size it had on the training text.  "
        "[default: sgd]",
        show_default=False,
    ),
]
DynamicLrOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="X",
        help=f"The learning rate.  [default: {DynamicSGD.lr:g}, or {DynamicRMS.lr:g} with rms]",
        show_default=False,
    ),
]
DynamicDecayOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="X",
        help="The share of the way back to the trained weights that is gone after every block.  "
        f"[default: {DynamicSGD.decay:g}, or {DynamicRMS.decay:g} with rms]",
        show_default=False,
    ),
]
DynamicBlockOption = Annotated[
    int | None,
    typer.Option(
        parser=whole_number,
        metavar="N",
        help=f"Tokens after which the weights change.  [default: {DynamicSGD.block}]",
        show_default=False,
    ),
]
CacheOption = Annotated[
    int | None,
    typer.Option(
        parser=whole_number,
        metavar="N",
        help="Make the words that came in the last N places likelier, most where the model was in a state like now.",
        show_default=False,
    ),
]
CacheWeightOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="X",
        help=f"The cache's share in a probability, below 1.  [default: {Cache.weight:g}]",
        show_default=False,
    ),
]
CacheFlatnessOption = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="X",
        help=f"How much more like states count; 0: all places alike.  [default: {Cache.flatness:g}]",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class AdaptationOptions:
    """The flags as they were given. Raises InputError for what does not exist or does not go together."""

    dynamic: bool = False
    rule: str | None = None
    lr: float | None = None
    decay: float | None = None
    block: int | None = None
    cache: int | None = None
    weight: float | None = None
    flatness: float | None = None

    def __post_init__(self) -> None:
        of_dynamic = {"rule": self.rule, "lr": self.lr, "decay": self.decay, "block": self.block}
        _check_needed("dynamic", self.dynamic, of_dynamic)
        _check_needed("cache", self.cache is not None, {"weight": self.weight, "flatness": self.flatness})
        one_of("--dynamic-rule", self.rule or RULES[0], RULES)
        self.cache_settings()
        if self.dynamic:
            DynamicSGD(**self._of_dynamic())

    def check(self, weights: str, **sizes: int | None) -> None:
        """Raise InputError where other options, by their names, do not go together with adapting."""
        if self.dynamic and weights != "float32":
            raise InputError(
                f"--dynamic changes the weights, which --weights {weights} has rounded for good: leave one of them out"
            )
        for name, size in sizes.items():
            if size not in (None, 1) and (self.dynamic or self.cache is not None):
                raise InputError(
                    f"with {'--dynamic' if self.dynamic else '--cache'} tokens are read one after another, since each "
                    f"changes what the next are predicted from: leave --{name.replace('_', '-')} {size} out"
                )

    def applied(self, lm: LanguageModel, run: Path) -> LanguageModel:
        """The model of the folder `run` so that it adapts; as it is where nothing is asked for."""
        if not self.dynamic and self.cache is None:
            return lm
        return lm.adapting(self.dynamic_of(lm, run), self.cache_settings())

    def dynamic_of(self, lm: LanguageModel, run: Path) -> DynamicSGD | DynamicRMS | None:
        """How the weights of the model of `run` change, if they do."""
        if not self.dynamic:
            return None
        if self.rule == "rms":
            block = self.block or DynamicRMS.block
            return DynamicRMS(sizes_on_training_text(lm, run, block), **self._of_dynamic())
        return DynamicSGD(**self._of_dynamic())

    def _of_dynamic(self) -> dict[str, Any]:
        return _given(lr=self.lr, decay=self.decay, block=self.block)

    def cache_settings(self) -> Cache | None:
        """The cache, if there is one."""
        if self.cache is None:
            return None
        return Cache(self.cache, **_given(weight=self.weight, flatness=self.flatness))


def sizes_on_training_text(lm: LanguageModel, run: Path, block: int) -> GradientRMS:
    """How large the gradients of blocks of so many tokens are on the run's training text, places all over it."""
    path = tokens_path(run, "train")
    if not path.exists():
        raise MissingFileError(
            f"{run} has no training text (data/), on which --dynamic-rule rms measures gradients: take the rule sgd"
        )
    ids = open_tokens(path)
    blocks = Blocks(ids, max(1, min(SIZES_STREAMS, len(ids) // block)), min(block, len(ids)))
    return measure_gradient_rms(lm.model, islice(blocks, min(SIZES_BLOCKS, blocks.blocks_per_epoch)))


def _given(**values: float | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _check_needed(option: str, given: bool, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value is not None and not given:
            raise InputError(f"--{option}-{name} is about --{option}: give that too, or leave it out")
