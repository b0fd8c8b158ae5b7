"""Options of commands that score stimuli with one run or several, and the scorer of lines that follows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from weft.commands.help import SPEED
from weft.commands.options.declaration import whole_number_option
from weft.commands.options.speed import KernelsOption, ThreadsOption, kernels_for_lines
from weft.commands.options.text import MarkerOption, with_marker
from weft.commands.options.values import at_least_one
from weft.commands.options.weights import WeightsOption, with_weights
from weft.language_model import LanguageModel, load
from weft.scoring import TokenScore, Wanted
from weft.scoring.text_scores import LOGPROB_ALONE
from weft.text.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class ScoringOptions:
    """The options as given."""

    line_end_marker: MarkerOption = None
    batch_size: Annotated[
        int | None,
        whole_number_option("Lines read in parallel; the numbers do not depend on it.", default="32", group=SPEED),
    ] = None
    kernels: KernelsOption = "auto"
    threads: ThreadsOption = None
    weights: WeightsOption = "float32"

    def scorer(self, run: Path) -> RunScorer:
        """The model of a run, on the kernels chosen."""
        at_least_one(batch_size=self.batch_size)
        return RunScorer(
            with_weights(with_marker(load(run), self.line_end_marker), self.weights), self.kernels, self.threads
        )


@dataclass(frozen=True)
class RunScorer:
    """Scores lines on the fused kernels where there are enough lines to pay for loading them."""

    lm: LanguageModel
    kernels: str
    threads: int | None

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model."""
        return self.lm.tokenizer

    def score_lines(
        self,
        lines: Iterable[str | None],
        batch_size: int | None = None,
        eos: bool = True,
        wanted: Wanted = LOGPROB_ALONE,
    ) -> Iterator[list[TokenScore]]:
        """As `LanguageModel.score_lines`."""
        context, source = kernels_for_lines(self.lm, iter(lines), batch_size, self.kernels, self.threads)
        with context:
            yield from self.lm.score_lines(source, batch_size, eos, wanted)
