"""`weft rescore`: choose the best hypotheses of n-best lists with a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.help import OUTPUT, SPEED
from weft.commands.options.declaration import number_option, option, whole_number_option, with_options
from weft.commands.options.nbest import FormatOption, NBestOptions
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.text import MarkerOption
from weft.commands.options.values import at_least_one
from weft.commands.options.writable import check_writable
from weft.errors import InputError, quoted
from weft.presentation.records import decimal
from weft.presentation.streams import note, write_rows, write_text
from weft.presentation.streams import write as write_output
from weft.rescoring.counts import Counts, ErrorCounts
from weft.rescoring.hypotheses import with_line_ends
from weft.rescoring.json_layout import JsonLayout, plain_objects
from weft.rescoring.layout import Layout
from weft.rescoring.prefix_scorer import PrefixScorer
from weft.rescoring.references import References, read_references
from weft.rescoring.rescore import RescoredUtterance, rescore
from weft.rescoring.tuning import DevelopmentSet
from weft.rescoring.tuning import tune as tune_weights
from weft.rescoring.weights import NAMES, TUNED, Weights, read_weights, write_weights
from weft.rescoring.word_errors import jiwer_package
from weft.text.rules import AT_SEPARATORS

WEIGHTS, ERRORS = "Weights of the scores", "Word errors"
Writer = Callable[[RescoredUtterance], Iterator[str]]


def _weight(help: str, default: str) -> Any:
    return number_option(help, default=default, group=WEIGHTS)


@with_options
def rescore_lists(
    format: FormatOption,
    nbest: NBestOptions,
    lists: Annotated[
        list[str] | None,
        typer.Argument(metavar="LIST", help="Files, .gz or not, or folders.  [default: standard input]"),
    ] = None,
    run: RunOption = None,
    best: Annotated[bool, option("Write the best hypotheses, 'id words'.  [default]", "--best", group=OUTPUT)] = False,
    scores: Annotated[
        bool, option("Write every line with the model's score in place of the old one.", "--scores", group=OUTPUT)
    ] = False,
    jsonl: Annotated[bool, option("Write every hypothesis with all scores, as JSON.", "--jsonl", group=OUTPUT)] = False,
    weights: Annotated[
        Path | None, option("A file of weights from --tune; options override it.", metavar="FILE", group=WEIGHTS)
    ] = None,
    acoustic_weight: Annotated[float | None, _weight("Weight of the acoustic score.", "1")] = None,
    lm_weight: Annotated[float | None, _weight("Weight of ln P of the model.", "1")] = None,
    old_lm_weight: Annotated[float | None, _weight("Weight of the list's own language-model score.", "0")] = None,
    word_weight: Annotated[float | None, _weight("Nats per word; below 0 favours short hypotheses.", "0")] = None,
    oov_penalty: Annotated[
        float | None, _weight("Nats subtracted from ln P for each token out of the vocabulary.", "0")
    ] = None,
    references: Annotated[
        str | None,
        option("The spoken words, 'id words'; word error rates are reported.", metavar="FILE", group=ERRORS),
    ] = None,
    tune: Annotated[
        Path | None, option("Fit the weights to the references, and write them here.", metavar="FILE", group=ERRORS)
    ] = None,
    line_end_marker: MarkerOption = None,
    batch_size: Annotated[
        int, whole_number_option("Hypotheses scored together; the numbers do not depend on it.", group=SPEED)
    ] = 1000,
) -> None:
    """Rescore n-best lists with a language model.

    The total of a hypothesis is the weighted sum of its acoustic score, ln P of the model, the language-model score in
    the list, and its number of words; all scores are converted to natural logarithms. A line without a declared id or
    score is an error, reported with file and line.

    Examples:
      weft rescore lists/ --format srilm
      weft rescore nbest.jsonl --format jsonl --acoustic-key am
      weft rescore dev --format kaldi --references dev.ref \\
        --acoustic-costs dev.ac --tune weights.toml
    """
    layout = nbest.layout(format)
    at_least_one(batch_size=batch_size)
    write = _writer(layout, best, scores, jsonl)
    sources = lists or ["-"]
    if [*sources, references, nbest.acoustic_costs, nbest.lm_costs].count("-") > 1:
        raise InputError("standard input can be read only once: name a file for the others")
    flags = (acoustic_weight, lm_weight, old_lm_weight, word_weight, oov_penalty)
    start = _weights(layout, weights, dict(zip(NAMES, flags, strict=True)))
    if tune is not None:
        _check_tuning(tune, references, best or scores or jsonl)
    if references is not None:
        jiwer_package()
    spoken = None if references is None else read_references(references)
    lm = load_chosen(run)
    marker = lm.config.text.line_end_marker if line_end_marker is None else line_end_marker
    utterances = with_line_ends(layout.read(sources), marker) if marker else layout.read(sources)
    rescored = rescore(utterances, PrefixScorer(lm.model, lm.tokenizer), start, batch_size)
    if tune is not None and spoken is not None:
        _tune(layout, rescored, start, spoken, tune)
    else:
        in_json = jsonl or (scores and isinstance(layout, JsonLayout))
        _print(rescored, write, write_output if in_json else write_text, spoken)


def _writer(layout: Layout, best: bool, scores: bool, jsonl: bool) -> Writer:
    if best + scores + jsonl > 1:
        raise InputError("--best, --scores and --jsonl exclude each other: give one")
    if scores or (jsonl and isinstance(layout, JsonLayout)):
        return layout.scored
    return plain_objects if jsonl else _best


def _best(rescored: RescoredUtterance) -> Iterator[str]:
    id = rescored.utterance.id
    if AT_SEPARATORS.words(id) != [id]:
        raise InputError(
            f"the id {quoted(id)} has white space in it, which a line of 'id words' cannot have: use --jsonl"
        )
    yield f"{id} {rescored.utterance.hypotheses[rescored.best].text}".rstrip()


def _weights(layout: Layout, file: Path | None, flags: dict[str, float | None]) -> Weights:
    given = {} if file is None else read_weights(file)
    given |= {name: value for name, value in flags.items() if value is not None}
    for name, declared in (("acoustic_weight", layout.has_acoustic), ("old_lm_weight", layout.has_old_lm)):
        if given.get(name) and not declared:
            raise InputError(f"there is a weight {name}, but no such score is declared: see weft rescore --help")
    return Weights(**given)


def _check_tuning(file: Path, references: str | None, output: bool) -> None:
    if references is None:
        raise InputError("--tune needs --references, a file of 'id words'")
    if output:
        raise InputError("--tune writes weights and no hypotheses: rescore with --weights afterwards")
    check_writable(file, "the weights")


def _print(
    rescored: Iterator[RescoredUtterance],
    lines: Writer,
    write: Callable[[str], None],
    references: References | None,
) -> None:
    counts, errors = Counts(), None if references is None else ErrorCounts(references)
    for utterance in counts.counting(rescored if errors is None else errors.counting(rescored)):
        write("".join(f"{line}\n" for line in lines(utterance)))
    note(f"{counts.hypotheses:,} hypotheses of {counts.utterances:,} utterances; {_unknown(counts)}")
    if errors is not None:
        chosen = f"{errors.best.errors:,} errors in {errors.best.words:,} words, {errors.best.percent:.2f}%"
        first, oracle = f"{errors.first.percent:.2f}%", f"{errors.oracle.percent:.2f}%"
        note(f"word error rate: {chosen}; of the first hypotheses {first}, of the best there are {oracle}")


def _tune(
    layout: Layout, rescored: Iterator[RescoredUtterance], start: Weights, references: References, file: Path
) -> None:
    counts, development = Counts(), DevelopmentSet()
    for utterance in counts.counting(rescored):
        development.add(utterance, references.of(utterance.utterance.id))
    references.refuse_unused()
    used = [name for name, declared in zip(TUNED, _declared(layout), strict=True) if declared]
    before = development.with_weights(start.vector())
    tuned = tune_weights(development, start, used[1:])  # the first one sets the scale
    after = development.with_weights(tuned.vector())
    found = {"first": development.first, "before": before, "after": after, "oracle": development.oracle}
    rates = {name: errors.percent for name, errors in found.items()}
    written = {name: getattr(tuned, name) for name in (*used, "oov_penalty_nats")}
    write_weights(file, written, f"{after.errors} errors in {after.words} words where these weights were tuned")
    rows = {"utterances": counts.utterances, "hypotheses": counts.hypotheses, "reference_words": after.words}
    rows |= {"tokens": counts.tokens, "oov_tokens": counts.oov_tokens}
    write_rows(
        *((name, str(value)) for name, value in rows.items()),
        *((f"wer_{name}_percent", decimal(rate, 4)) for name, rate in rates.items()),
        *((name, f"{weight + 0.0:.6g}") for name, weight in written.items()),
    )
    note(f"the weights are in {file}; weft rescore --weights {file} uses them")


def _declared(layout: Layout) -> tuple[bool, ...]:
    """For each of TUNED, whether the list and the model have its score."""
    return layout.has_acoustic, True, layout.has_old_lm, True


def _unknown(counts: Counts) -> str:
    share = 100 * counts.oov_tokens / max(counts.tokens, 1)
    return f"{counts.oov_tokens:,} of {counts.tokens:,} tokens ({share:.2f}%) are out of the vocabulary"
