"""Options of dynamic evaluation and the cache, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from weft.adaptation import Cache, DynamicRMS, DynamicSGD, GradientRMS, measure_gradient_rms
from weft.commands.help import ADAPTATION
from weft.commands.options.declaration import choice_option, number_option, option, whole_number_option
from weft.commands.options.values import one_of
from weft.errors import InputError, MissingFileError
from weft.language_model import LanguageModel
from weft.run_folder import text_of
from weft.text.batches import Blocks

RULES = ("sgd", "rms")

RMS_BLOCKS = 200
"""Most blocks of the training text on which the RMS of gradients is measured."""

RMS_STREAMS = 20
"""Most streams in these blocks."""

DynamicOption = Annotated[
    bool,
    option(
        "Dynamic evaluation: the weights learn from the text. The run stays as it is.", "--dynamic", group=ADAPTATION
    ),
]
DynamicRuleOption = Annotated[
    str | None,
    choice_option(
        RULES,
        "sgd: a weight moves by its gradient; rms: by its gradient over the RMS it had on the training text.",
        "--dynamic-rule",
        default="sgd",
        group=ADAPTATION,
    ),
]
DynamicLrOption = Annotated[
    float | None,
    number_option(
        "Learning rate.",
        "--dynamic-lr",
        default=f"{DynamicSGD.lr:g}, or {DynamicRMS.lr:g} with rms",
        group=ADAPTATION,
    ),
]
DynamicDecayOption = Annotated[
    float | None,
    number_option(
        "After every block the weights move this share of the way back to the trained weights.",
        "--dynamic-decay",
        default=f"{DynamicSGD.decay:g}, or {DynamicRMS.decay:g} with rms",
        group=ADAPTATION,
    ),
]
DynamicBlockOption = Annotated[
    int | None,
    whole_number_option(
        "Tokens between two updates of the weights.", "--dynamic-block", default=str(DynamicSGD.block), group=ADAPTATION
    ),
]
CacheOption = Annotated[
    int | None,
    whole_number_option(
        "Cache of the last N tokens: each becomes likelier, the more the state before it resembles the present one.",
        "--cache",
        group=ADAPTATION,
    ),
]
CacheWeightOption = Annotated[
    float | None,
    number_option(
        "Share of the cache in a probability, below 1.", "--cache-weight", default=f"{Cache.weight:g}", group=ADAPTATION
    ),
]
CacheFlatnessOption = Annotated[
    float | None,
    number_option(
        "Weight of the similarity of states; at 0 all N tokens count the same.",
        "--cache-flatness",
        default=f"{Cache.flatness:g}",
        group=ADAPTATION,
    ),
]


@dataclass(frozen=True)
class AdaptationOptions:
    """The options as given. Raises InputError for unknown values and for options that exclude each other."""

    dynamic: DynamicOption = False
    dynamic_rule: DynamicRuleOption = None
    dynamic_lr: DynamicLrOption = None
    dynamic_decay: DynamicDecayOption = None
    dynamic_block: DynamicBlockOption = None
    cache: CacheOption = None
    cache_weight: CacheWeightOption = None
    cache_flatness: CacheFlatnessOption = None

    def __post_init__(self) -> None:
        for name in ("dynamic_rule", "dynamic_lr", "dynamic_decay", "dynamic_block"):
            self._check_needs("dynamic", self.dynamic, name)
        for name in ("cache_weight", "cache_flatness"):
            self._check_needs("cache", self.cache is not None, name)
        one_of("--dynamic-rule", self.dynamic_rule or RULES[0], RULES)
        self.cache_settings()
        if self.dynamic:
            DynamicSGD(**self._dynamic_settings())

    def _check_needs(self, option: str, given: bool, name: str) -> None:
        if getattr(self, name) is not None and not given:
            raise InputError(f"--{name.replace('_', '-')} is about --{option}: give that too, or leave it out")

    def check(self, weights: str, **sizes: int | None) -> None:
        """Raise InputError where other options, by their names, exclude adaptation."""
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

    def adapted(self, lm: LanguageModel, run: Path) -> LanguageModel:
        """The model of the folder `run` with the adaptation asked for; `lm` itself if none is."""
        if not self.dynamic and self.cache is None:
            return lm
        return lm.adapting(self.dynamic_settings(lm, run), self.cache_settings())

    def dynamic_settings(self, lm: LanguageModel, run: Path) -> DynamicSGD | DynamicRMS | None:
        """Dynamic evaluation of the model of `run`; None without --dynamic."""
        if not self.dynamic:
            return None
        if self.dynamic_rule == "rms":
            block = self.dynamic_block or DynamicRMS.block
            return DynamicRMS(rms_on_training_text(lm, run, block), **self._dynamic_settings())
        return DynamicSGD(**self._dynamic_settings())

    def _dynamic_settings(self) -> dict[str, Any]:
        return _given(lr=self.dynamic_lr, decay=self.dynamic_decay, block=self.dynamic_block)

    def cache_settings(self) -> Cache | None:
        """The cache; None without --cache."""
        if self.cache is None:
            return None
        return Cache(self.cache, **_given(weight=self.cache_weight, flatness=self.cache_flatness))


def rms_on_training_text(lm: LanguageModel, run: Path, block: int) -> GradientRMS:
    """The RMS of gradients on the training text of the run, over blocks of `block` tokens spread over the text."""
    ids = text_of(run, "train")
    if ids is None:
        raise MissingFileError(
            f"{run} has no training text (data/), on which --dynamic-rule rms measures gradients: take the rule sgd"
        )
    blocks = Blocks(ids, max(1, min(RMS_STREAMS, len(ids) // block)), min(block, len(ids)))
    return measure_gradient_rms(lm.model, islice(blocks, min(RMS_BLOCKS, blocks.blocks_per_epoch)))


def _given(**values: float | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
