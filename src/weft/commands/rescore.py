"""`weft rescore`: choose anew among the hypotheses of n-best lists."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.commands.options.nbest import (
    AcousticCostsOption,
    AcousticKeyOption,
    BaseOption,
    ColumnsOption,
    FormatOption,
    IdKeyOption,
    LmCostsOption,
    LmKeyOption,
    TextKeyOption,
    layout_of,
)
from weft.commands.options.output_file import check_place
from weft.commands.options.run import RunOption, load_chosen
from weft.commands.options.types import BatchSize, at_least_one, number
from weft.errors import InputError
from weft.rescoring.counts import Counts, ErrorCounts
from weft.rescoring.json_layout import JsonLayout, plain_objects
from weft.rescoring.layout import Layout
from weft.rescoring.prefix_scorer import PrefixScorer
from weft.rescoring.references import References, read_references
from weft.rescoring.rescore import RescoredUtterance, rescore
from weft.rescoring.tuning import DevelopmentSet
from weft.rescoring.tuning import tune as tune_weights
from weft.rescoring.weights import NAMES, TUNED, Weights, read_weights, write_weights
from weft.rescoring.word_errors import jiwer_package

Writer = Callable[[RescoredUtterance], Iterator[str]]


def _weight(help: str) -> Any:
    return typer.Option(parser=number, metavar="X", help=help, show_default=False)


def rescore_lists(
    format: FormatOption,
    lists: Annotated[
        list[str] | None,
        typer.Argument(metavar="LIST", help="Files, .gz or not, or folders.  [default: standard input]"),
    ] = None,
    run: RunOption = None,
    columns: ColumnsOption = None,
    base: BaseOption = None,
    acoustic_costs: AcousticCostsOption = None,
    lm_costs: LmCostsOption = None,
    id_key: IdKeyOption = None,
    text_key: TextKeyOption = None,
    acoustic_key: AcousticKeyOption = None,
    lm_key: LmKeyOption = None,
    best: Annotated[bool, typer.Option("--best", help="Write the best hypotheses, 'id words'.  [default]")] = False,
    scores: Annotated[bool, typer.Option("--scores", help="Write every line with the model's score in place.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Write every hypothesis with all scores, as JSON.")] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights that --tune wrote; flags win over them.")
    ] = None,
    acoustic_weight: Annotated[float | None, _weight("Of the acoustic score in nats.  [default: 1]")] = None,
    lm_weight: Annotated[float | None, _weight("Of ln P of the model.  [default: 1]")] = None,
    old_lm_weight: Annotated[float | None, _weight("Of the list's own language-model score.  [default: 0]")] = None,
    word_weight: Annotated[float | None, _weight("Nats a word; below 0 favours short ones.  [default: 0]")] = None,
    oov_penalty: Annotated[
        float | None, _weight("Nats off ln P for each token out of the vocabulary.  [default: 0]")
    ] = None,
    references: Annotated[
        str | None, typer.Option(metavar="FILE", help="What was said, 'id words': word error rates are reported.")
    ] = None,
    tune: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Fit the weights to the references, and write them here.")
    ] = None,
    batch_size: BatchSize = 1000,
) -> None:
    """Choose anew among the hypotheses of n-best lists.

    The total of a hypothesis is the weighted sum of its acoustic score, ln P of the model, the list's own score of a
    language model, and its number of words; all scores are natural logarithms once read. What is read is declared: a
    line without its id or a score is an error that names it.
    """
    layout = layout_of(
        format, columns=columns, base=base, acoustic_costs=acoustic_costs, lm_costs=lm_costs,
        id_key=id_key, text_key=text_key, acoustic_key=acoustic_key, lm_key=lm_key,
    )  # fmt: skip
    at_least_one(batch_size=batch_size)
    write = _writer(layout, best, scores, jsonl)
    sources = lists or ["-"]
    if [*sources, references, acoustic_costs, lm_costs].count("-") > 1:
        raise InputError("standard input can be read only once: name a file for the others")
    flags = (acoustic_weight, lm_weight, old_lm_weight, word_weight, oov_penalty)
    start = _weights(layout, weights, dict(zip(NAMES, flags, strict=True)))
    if tune is not None:
        _check_tuning(tune, references, best or scores or jsonl)
    if references is not None:
        jiwer_package()
    spoken = None if references is None else read_references(references)
    lm = load_chosen(run)
    rescored = rescore(layout.read(sources), PrefixScorer(lm.model, lm.tokenizer), start, batch_size)
    if tune is not None and spoken is not None:
        _tune(layout, rescored, start, spoken, tune)
    else:
        _print(rescored, write, spoken)


def _writer(layout: Layout, best: bool, scores: bool, jsonl: bool) -> Writer:
    if best + scores + jsonl > 1:
        raise InputError("--best, --scores and --jsonl exclude each other: give one")
    if scores or (jsonl and isinstance(layout, JsonLayout)):
        return layout.scored
    return plain_objects if jsonl else _best


def _best(rescored: RescoredUtterance) -> Iterator[str]:
    id = rescored.utterance.id
    if id.split() != [id]:
        raise InputError(f"the id {id!r} has white space in it, which a line of 'id words' cannot have: use --jsonl")
    yield f"{id} {rescored.utterance.hypotheses[rescored.best].text}".rstrip()


def _weights(layout: Layout, file: Path | None, flags: dict[str, float | None]) -> Weights:
    stated = {} if file is None else read_weights(file)
    stated |= {name: value for name, value in flags.items() if value is not None}
    for name, there in (("acoustic_weight", layout.has_acoustic), ("old_lm_weight", layout.has_old_lm)):
        if stated.get(name) and not there:
            raise InputError(f"there is a weight {name}, but no such score is declared: see weft rescore --help")
    return Weights(**stated)


def _check_tuning(file: Path, references: str | None, output: bool) -> None:
    if references is None:
        raise InputError("--tune needs --references, a file of 'id words'")
    if output:
        raise InputError("--tune writes weights and no hypotheses: rescore with --weights afterwards")
    check_place(file, "the weights")


def _print(rescored: Iterator[RescoredUtterance], write: Writer, references: References | None) -> None:
    tally, errors = Counts(), None if references is None else ErrorCounts(references)
    for utterance in tally.counting(rescored if errors is None else errors.counting(rescored)):
        for line in write(utterance):
            print(line)
        sys.stdout.flush()
    _note(f"{tally.hypotheses:,} hypotheses of {tally.utterances:,} utterances; {_unknown(tally)}")
    if errors is not None:
        chosen = f"{errors.best.errors:,} errors in {errors.best.words:,} words, {errors.best.percent:.2f}%"
        first, oracle = f"{errors.first.percent:.2f}%", f"{errors.oracle.percent:.2f}%"
        _note(f"word error rate: {chosen}; of the first hypotheses {first}, of the best there are {oracle}")


def _tune(
    layout: Layout, rescored: Iterator[RescoredUtterance], start: Weights, references: References, file: Path
) -> None:
    tally, development = Counts(), DevelopmentSet()
    for utterance in tally.counting(rescored):
        development.add(utterance, references.of(utterance.utterance.id))
    references.refuse_unused()
    used = [name for name, there in zip(TUNED, _present(layout), strict=True) if there]
    before = development.with_weights(start.vector())
    tuned = tune_weights(development, start, used[1:])  # the first one sets the scale
    after = development.with_weights(tuned.vector())
    found = {"first": development.first, "before": before, "after": after, "oracle": development.oracle}
    rates = {name: errors.percent for name, errors in found.items()}
    written = {name: getattr(tuned, name) for name in (*used, "oov_penalty_nats")}
    write_weights(file, written, f"{after.errors} errors in {after.words} words where these weights were tuned")
    rows = [("utterances", tally.utterances), ("hypotheses", tally.hypotheses), ("reference_words", after.words)]
    rows += [("tokens", tally.tokens), ("oov_tokens", tally.oov_tokens)]
    for name, value in rows:
        print(name, value, sep="\t")
    for name, rate in rates.items():
        print(f"wer_{name}_percent", f"{rate:.4f}", sep="\t")
    for name, weight in written.items():
        print(name, f"{weight:.6g}", sep="\t")
    _note(f"the weights are in {file}; weft rescore --weights {file} uses them")


def _present(layout: Layout) -> tuple[bool, ...]:
    return layout.has_acoustic, True, layout.has_old_lm, True


def _unknown(tally: Counts) -> str:
    share = 100 * tally.oov_tokens / max(tally.tokens, 1)
    return f"{tally.oov_tokens:,} of {tally.tokens:,} tokens ({share:.2f}%) are out of the vocabulary"


def _note(text: str) -> None:
    """Tell what is no result."""
    print(text, file=sys.stderr)
