"""LanguageModel: a trained model with its tokenizer and configuration, the main class of the Python interface.

Every text is read after an explicit start, the `<eos>` token, so the first word is predicted too. Log-probabilities are
in nats, surprisal in bits (1 bit = ln 2 nats).

A text is a string of any number of lines, or an iterable of lines: a list, a generator, an array, a column of a data
frame. What a line and a word are is said in `weft.text.rules`, and is the same for the command line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.adaptation import AdaptingModel, Cache, Dynamic
from weft.backends import random_generator
from weft.config import Config
from weft.errors import InputError
from weft.evaluation.evaluate import Evaluation, summed, with_marks
from weft.evaluation.text_readers import ParallelReader, Reading
from weft.inference.frozen_model import StreamingModel
from weft.inference.sampling import Sampling, generate
from weft.inference.text_state import TextState
from weft.model import RNNLM, Steps
from weft.scoring.text_scores import LOGPROB_ALONE, Wanted, score_lines, score_running
from weft.scoring.token_score import TokenScore
from weft.tables.frame import frame_of_lines
from weft.text.given import Text, given_lines, given_pieces, given_text
from weft.text.rules import normalized
from weft.text.size_counter import SizeCounter
from weft.text.tokenizers.base import Tokenizer


class LanguageModel:
    """A language model of text: P(text) = Π P(token | the tokens before it)."""

    def __init__(
        self,
        model: RNNLM,
        tokenizer: Tokenizer,
        config: Config,
        steps: Steps | None = None,
        reading: Reading | None = None,
        run: Path | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.run = run
        self.steps = model if steps is None else steps
        self.reading = ParallelReader.of(model) if reading is None else reading

    def frozen(self, weights: str = "float32", *, kernels: str = "auto", threads: int | None = None) -> LanguageModel:
        """A copy for inference: the current weights, rounded once, and faster steps.

        weights: "float32", "bfloat16" or "int8"; all results of the copy are those of the rounded weights. kernels,
        threads: of the `StreamingModel` that takes single steps (`start`, `next`, `generate`). Kernels are compiled
        here, not at the first step: for tens of seconds where they are not in the compile cache, which a message of
        level INFO of the logger `weft` announces. Raises InputError for an unknown value, and for a model that adapts.
        """
        if isinstance(self.steps, AdaptingModel):
            raise InputError("a model that adapts while it reads cannot be frozen: freeze it first")
        steps = StreamingModel(self.model, weights, kernels=kernels, threads=threads)
        steps.warm_up()
        return LanguageModel(steps.model, self.tokenizer, self.config, steps, run=self.run)

    def adapting(self, dynamic: Dynamic | None = None, cache: Cache | None = None) -> LanguageModel:
        """The same model with dynamic evaluation, a cache, or both.

        Every text starts from this model, which does not change: every line of `score_lines`, every call of
        `perplexity`, every `start`. Batch sizes must be 1, because each token changes the predictions after it. Raises
        InputError if both arguments are None, for dynamic evaluation of rounded weights, and if this model adapts
        already.
        """
        if isinstance(self.steps, AdaptingModel):
            raise InputError("this model adapts already: give dynamic and cache together, to the model before it")
        rounded = isinstance(self.steps, StreamingModel) and self.steps.weights != "float32"
        if rounded and dynamic is not None:
            raise InputError("rounded weights cannot change by dynamic evaluation: take float32, or the cache alone")
        steps = AdaptingModel(self.model, dynamic, cache)
        return LanguageModel(self.model, self.tokenizer, self.config, steps, steps.reading, self.run)

    def __repr__(self) -> str:
        parameters = sum(math.prod(parameter.shape) for parameter in self.model.params)
        facts = [self.model.architecture, f"{self.tokenizer.kind} tokenizer", f"{parameters:,} parameters"]
        if isinstance(self.steps, StreamingModel):
            facts.append(f"frozen {self.steps.weights} weights")
        else:
            facts.append(f"{self.model.params[0].dtype} weights")
            facts += ["adapting"] if isinstance(self.steps, AdaptingModel) else []
        return f"LanguageModel({', '.join(map(str, facts))})"

    def logprob(self, text: Text, eos: bool = True) -> float:
        """ln P(text) in nats, including the end of the last line unless `eos` is False."""
        return math.fsum(score.logprob_nats for score in self.scores(text, eos))

    def surprisal(self, text: Text, eos: bool = True) -> list[tuple[str, float]]:
        """Every token of the text with its surprisal in bits."""
        return [(score.token, score.surprisal_bits) for score in self.scores(text, eos)]

    def scores(self, text: Text, eos: bool = True, wanted: Wanted = LOGPROB_ALONE) -> list[TokenScore]:
        """The score of every token of the text, or of every word; wanted: what to compute besides ln P.

        eos: include the end of the last line, which a text has whether or not it is written.
        """
        whole = text if isinstance(text, str) else given_text(text, self._marker) + "\n"
        return next(self.score_lines([whole], eos=eos, wanted=wanted))

    def score_lines(
        self,
        lines: Iterable[str | None],
        batch_size: int | None = None,
        eos: bool = True,
        wanted: Wanted = LOGPROB_ALONE,
    ) -> Iterator[list[TokenScore]]:
        """The scores of each line, each read from a fresh start; in order and in constant memory.

        lines: an iterable of lines, with or without their line ends, or a string, whose lines are taken. batch_size:
        lines read in parallel; the numbers do not depend on it. None among the elements of a list or generator marks a
        line that could not be read; it has no scores. Raises InputError for an element that is no string, and for a
        missing value in an array or column. See `weft.scoring.text_scores`.
        """
        given = given_lines(lines, gaps=True)
        return score_lines(self.reading, self.tokenizer, given, batch_size, eos, wanted, self._marker)

    def score_running(
        self,
        lines: Iterable[str | None],
        batch_size: int | None = None,
        eos: bool = True,
        wanted: Wanted = LOGPROB_ALONE,
    ) -> Iterator[list[TokenScore]]:
        """As `score_lines`, with the lines read as one running text in which every line end is an `<eos>`."""
        given = given_lines(lines, gaps=True)
        return score_running(self.reading, self.tokenizer, given, batch_size, eos, wanted, self._marker)

    def to_frame(
        self,
        lines: str | Iterable[str | None],
        layout: str | None = None,
        *,
        library: str | None = None,
        **options: Any,
    ) -> Any:
        """The scores of a text, or of lines each read from a fresh start, in a data frame of pandas or polars.

        layout, options: as for `weft.score_frame`. library: "pandas" or "polars"; None: pandas if it is installed, or
        else polars. The lines are in the column "sentence". Raises InputError as `weft.score_frame` does, and if the
        library is not installed.
        """
        return frame_of_lines(self, lines, library, layout=layout, **options)

    def perplexity(self, text: Text, eos: bool = True) -> float:
        """exp(mean nats per token) of the text, read as one running text; raises InputError if it has no token.

        eos: include the end of the last line, which a text has whether or not it is written.
        """
        ids, oov = self.tokenizer.encode_with_oov(given_text(text, self._marker) + "\n" * eos)
        return self.evaluate_chunks([(np.array(ids), np.array(oov, dtype=bool))], batch_size=1).perplexity

    def evaluate(self, text: Text, batch_size: int | None = None, bptt: int | None = None) -> Evaluation:
        """The loss of a running text: a string, lines with or without their line ends, or the pieces of a corpus.

        Every line end is an `<eos>`. The numbers depend neither on `batch_size` nor on `bptt`, and memory does not grow
        with the text.
        """
        counter = SizeCounter()
        pieces = counter.counting(given_pieces(text, self._marker))
        return replace(self.evaluate_chunks(self.chunks(pieces), batch_size, bptt), size=counter.size)

    def evaluate_chunks(
        self,
        chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
        batch_size: int | None = None,
        bptt: int | None = None,
    ) -> Evaluation:
        """As `evaluate`, for a text in chunks of token ids and out-of-vocabulary marks, see `chunks`."""
        reader, eos_id = self.reading(None), self.tokenizer.eos_id
        return summed(
            with_marks(chunks, lambda ids: (rows[:, 0] for rows in reader.running(ids, eos_id, batch_size, bptt)))
        )

    def next(self, text: str = "", k: int = 10) -> list[tuple[str, float]]:
        """The k likeliest tokens after `text` with their probabilities, the likeliest first."""
        return self.start().push(normalized(text, self._marker)).next(k)

    def start(self) -> TextState:
        """The state before the first token; `push` advances it token by token."""
        return TextState.start(self.steps, self.tokenizer, str(self.run) if self.run else None)

    def load_state(self, path: str | Path) -> TextState:
        """The state in a file of `TextState.save`, to be continued with this model.

        Raises MissingFileError if there is no file, CheckpointError if it is damaged, and InputError if it is of
        another model, or of other rounded weights.
        """
        state = TextState.load(path, self.steps, self.tokenizer)
        return replace(state, run=str(self.run) if self.run else None)

    def generate(self, prompt: str = "", max_tokens: int = 100, **options: Any) -> str:
        """The continuation of `prompt` by `max_tokens` tokens; options: those of `generate_pieces`."""
        return "".join(self.generate_pieces(prompt, max_tokens, **options))

    def generate_pieces(
        self,
        prompt: str = "",
        max_tokens: int = 100,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | np.random.Generator | None = None,
        ban: str | Sequence[str] = ("<unk>",),
    ) -> Iterator[str]:
        """The continuation of `prompt`, yielded as it is sampled.

        temperature: 0 takes the likeliest token. top_k, top_p: sample among the likeliest tokens, of equally likely
        ones first among those with lower ids, see `weft.inference.sampling`. ban: tokens that are never sampled. Raises
        InputError for a value out of its bounds, and for a banned token that is not in the vocabulary.
        """
        if max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, got {max_tokens}")
        sampling = Sampling(temperature, top_k, top_p, self._banned([ban] if isinstance(ban, str) else ban))
        rng = seed if isinstance(seed, np.random.Generator) else random_generator(seed)
        prompt = normalized(prompt, self._marker)
        start = self.start().push(prompt)
        decoder = self.tokenizer.decoder()
        for id in self.tokenizer.encode(prompt):
            decoder.push(id)

        # The decoder puts a space between words, which is there already if the prompt ends in one.
        blank = " " if self.tokenizer.unit == "word" and self.tokenizer.words.separates(prompt[-1:]) else ""

        def pieces() -> Iterator[str]:
            ids = islice(generate(self.steps, start.scores, start.state, sampling, rng), max_tokens)
            for index, id in enumerate(ids):
                piece = decoder.push(id)
                yield piece if index else piece.removeprefix(blank)
            yield decoder.flush()

        return pieces()

    def _banned(self, tokens: Sequence[str]) -> frozenset[int]:
        banned = set()
        for token in tokens:
            id = self.tokenizer.id(token)
            if id is not None:
                banned.add(id)
            elif token != "<unk>":  # the default; not every tokenizer has <unk>
                raise InputError(f"cannot ban {token!r}: it is not a token of this model")
        return frozenset(banned)

    @property
    def _marker(self) -> str:
        """The word of a text that ends a line, as the run was trained; "" for none."""
        return self.config.text.line_end_marker

    def chunks(self, pieces: Iterable[str]) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
        """Pieces of text, as those of a corpus -> token ids and marks of words outside the vocabulary, both 1-D.

        Only a "\\n" ends a line. A word ends at the end of a piece.
        """
        for piece in pieces:
            ids, oov = self.tokenizer.encode_with_oov(piece)
            yield np.array(ids, dtype=int), np.array(oov, dtype=bool)
