"""`weft tune`: the numbers for --dynamic and --cache that suit a text, by grid search."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from weft.adaptation import Cache, Dynamic, DynamicRMS, DynamicSGD
from weft.adaptation.grid_search import best, cache_losses, caches_with, rule_losses
from weft.commands.options.adaptation import (
    RULES,
    AdaptationOptions,
    CacheOption,
    DynamicBlockOption,
    DynamicOption,
    DynamicRuleOption,
)
from weft.commands.options.declaration import choice_option, whole_number_option
from weft.commands.options.run import RunOption, chosen_run
from weft.commands.options.speed import KernelsOption, ThreadsOption, kernels_of
from weft.commands.options.text import MarkerOption, OptionalText, check_split, with_marker
from weft.commands.options.text_chunks import Chunks, load_with_text, text_chunks
from weft.commands.options.values import at_least_one
from weft.errors import InputError, TrainingDivergedError
from weft.evaluation.evaluate import evaluate_tokens
from weft.evaluation.perplexity import perplexity
from weft.language_model import LanguageModel
from weft.loss import Loss
from weft.presentation.streams import write
from weft.run_folder import HELD_OUT
from weft.runs.reporting import OnStream

SGD_RATES = (0.03, 0.1, 0.3, 1.0)
RMS_RATES = (0.00003, 0.0001, 0.0003, 0.001)
DECAYS = (0.001, 0.003, 0.01, 0.03)
WEIGHTS = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3)
FLATNESSES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)

Ids = NDArray[Any]


def tune(
    text: OptionalText = None,
    run: RunOption = None,
    split: Annotated[str, choice_option(HELD_OUT, "Which text of the run, or of a named corpus.")] = "valid",
    tokens: Annotated[int, whole_number_option("Tokens to read, from the beginning of the text.")] = 5000,
    line_end_marker: MarkerOption = None,
    dynamic: DynamicOption = False,
    dynamic_rule: DynamicRuleOption = None,
    dynamic_block: DynamicBlockOption = None,
    cache: CacheOption = None,
    kernels: KernelsOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Find the best numbers for --dynamic and --cache.

    They are tried on a text that the run was not trained on. The text is read once for each learning rate and decay in
    a grid, then once for all caches together, with the best of these. The best options go to standard output.

    Examples:
      weft tune --cache 2000
      weft eval $(weft tune --dynamic --cache 2000)
    """
    check_split(split)
    at_least_one(tokens=tokens)
    options = AdaptationOptions(dynamic, dynamic_rule, dynamic_block=dynamic_block, cache=cache)
    if not dynamic and cache is None:
        raise InputError("say what is to be tuned: --dynamic, --cache N, or both")
    folder = chosen_run(run)
    loaded, own_text = load_with_text(folder, text or [], split)
    lm = with_marker(loaded, line_end_marker)
    reporter = OnStream(sys.stderr)
    with text_chunks(lm, own_text, text or [], split) as chunks:
        ids = _first(chunks, tokens)
    with kernels_of(lm, kernels, threads):
        reporter.note(f"perplexities over {len(ids):,} tokens; as it is: {_shown(_static(lm, ids))}")
        rule, flags = options.dynamic_settings(lm, folder), []
        if rule is not None:
            rule = _best_rule(lm, rule, ids, reporter)
            flags += ["--dynamic", f"--dynamic-rule {dynamic_rule or RULES[0]}", f"--dynamic-lr {rule.lr:g}"]
            flags += [f"--dynamic-decay {rule.decay:g}", f"--dynamic-block {rule.block}"]
        found = options.cache_settings()
        if found is not None:
            found = _best_cache(lm, rule, found, ids, reporter)
            flags += [f"--cache {found.size}", f"--cache-weight {found.weight:g}"]
            flags += [f"--cache-flatness {found.flatness:g}"]
    write(" ".join(flags) + "\n")


def _first(chunks: Chunks, count: int) -> Ids:
    """The first `count` token ids of a text; raises InputError if it has none."""
    parts: list[Ids] = [np.zeros(0, dtype=np.int64)]
    for ids, _oov in chunks:
        parts.append(ids)
        if sum(map(len, parts)) >= count:
            break
    first = np.concatenate(parts)[:count]
    if not len(first):
        raise InputError("the text to tune on has no token")
    return first


def _best_rule(
    lm: LanguageModel, rule: DynamicSGD | DynamicRMS, ids: Ids, reporter: OnStream
) -> DynamicSGD | DynamicRMS:
    rates = RMS_RATES if isinstance(rule, DynamicRMS) else SGD_RATES
    rules = [replace(rule, lr=lr, decay=decay) for lr in rates for decay in DECAYS]
    losses = []
    for tried, loss in zip(rules, rule_losses(lm.model, rules, ids, lm.tokenizer.eos_id), strict=True):
        reporter.note(f"lr {tried.lr:g}, decay {tried.decay:g}: {_shown(loss)}")
        losses.append(loss)
    if not any(math.isfinite(perplexity(loss)) for loss in losses):
        raise TrainingDivergedError(
            "the weights diverged with every learning rate that was tried: adapt by the other rule, or by a cache alone"
        )
    return rules[best(losses)]


def _best_cache(lm: LanguageModel, rule: Dynamic | None, cache: Cache, ids: Ids, reporter: OnStream) -> Cache:
    caches = caches_with(cache, WEIGHTS, FLATNESSES)
    losses = cache_losses(lm.model, rule, caches, ids, lm.tokenizer.eos_id)
    for tried, loss in zip(caches, losses, strict=True):
        reporter.note(f"cache weight {tried.weight:g}, flatness {tried.flatness:g}: {_shown(loss)}")
    return caches[best(losses)]


def _static(lm: LanguageModel, ids: Ids) -> Loss:
    return evaluate_tokens(lm.model, ids, lm.tokenizer.eos_id)


def _shown(loss: Loss) -> str:
    return f"{perplexity(loss):.2f}"
