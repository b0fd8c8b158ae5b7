"""Runs and n-gram models over the same text: every token once, and only models with the same tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.untrained import TEXT, untrained
from weft.errors import InputError, MissingFileError
from weft.evaluation.evaluate import Scored
from weft.language_model import LanguageModel
from weft.mixture.members import ArpaMember, Member, RunMember, check_same_tokens, common_marker, open_member
from weft.mixture.reading import evaluate_mixture, fit, member_nats
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.text import fit_tokenizer, open_corpus
from weft.text.corpus import Corpus
from weft.text.rules import AT_WHITE_SPACE
from weft.word_ngram import WordNGram


def ngram(text: list[str], name: str = "kn", lowercase: bool = False) -> ArpaMember:
    tokenizer = fit_tokenizer("word", text, lowercase=lowercase)
    ids = np.array(tokenizer.encode("".join(text)))
    return ArpaMember(name, WordNGram(estimate(ids, tokenizer.vocab_size, 1, 3, FALLBACK), tokenizer))


def corpus(folder: Path, content: str) -> Corpus:
    path = folder / "text.txt"
    path.write_text(content, encoding="utf-8")
    return open_corpus(path)


RUN, NGRAM = RunMember("run", untrained("word"), batch_size=3), ngram(TEXT)
READ = "you say hello\nsay you say 我喜欢你\n\nhello hello hello . you\n" * 40


def test_all_models_score_the_same_tokens_in_order(tmp_path: Path) -> None:
    parts = list(member_nats([RUN, NGRAM], corpus(tmp_path, READ)))
    nats = np.concatenate([part for part, _oov in parts], axis=1)
    assert nats.shape == (2, len(READ.split()) + READ.count("\n"))
    state = RUN.lm.start().push(READ)
    assert nats[0].sum() == pytest.approx(state.logprob_nats)
    ids = np.array(NGRAM.tokenizer.encode(READ))
    assert nats[1].tolist() == NGRAM.lm.model.log_probabilities(ids).tolist()


def test_the_mixture_is_not_worse_on_its_fitting_text(tmp_path: Path) -> None:
    text = corpus(tmp_path, READ)
    members: list[Member] = [RUN, NGRAM, ngram(TEXT[:1], "small")]
    weights = fit(members, text)
    result = evaluate_mixture(members, weights.values, text)
    assert result.mixture.loss.nats == pytest.approx(-weights.nats)
    assert result.mixture.loss.nats <= min(member.loss.nats for member in result.members)
    assert {member.loss.tokens for member in result.members} == {result.mixture.loss.tokens}


def test_words_known_to_some_models_are_counted(tmp_path: Path) -> None:
    members = [ngram(["a b\n", "b c\n"]), ngram(["b c\n", "c d\n"])]
    result = evaluate_mixture(members, np.array([0.5, 0.5]), corpus(tmp_path, "a b c d e\n"))
    assert [member.oov_loss.tokens for member in result.members] == [2, 2]
    assert (result.mixture.oov_loss.tokens, result.mixture.loss.tokens) == (3, 6)
    assert result.disagreeing == 2
    known = [nats[:, ~oov.any(axis=0)] for nats, oov in member_nats(members, corpus(tmp_path, "a b c d e\n"))]
    halves = np.log(np.exp(np.concatenate(known, axis=1)).mean(axis=0))
    assert result.mixture.perplexity_without_oov == pytest.approx(math.exp(-halves.mean()))


class InSmallParts:
    """A member that yields its scores a few tokens at a time."""

    def __init__(self, member: ArpaMember) -> None:
        self.member, self.name, self.tokenizer = member, member.name, member.tokenizer

    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        for nats, oov in self.member.token_nats(pieces):
            for start in range(0, len(nats), 7):
                yield nats[start : start + 7], oov[start : start + 7]
                yield nats[:0], oov[:0]


def test_models_may_yield_parts_of_any_length(tmp_path: Path) -> None:
    text = corpus(tmp_path, READ)
    parts = [nats for nats, _oov in member_nats([NGRAM, InSmallParts(NGRAM)], text)]
    nats = np.concatenate(parts, axis=1)
    assert nats.shape[1] == len(READ.split()) + READ.count("\n")
    assert np.array_equal(nats[0], nats[1])


class Shorter(InSmallParts):
    def token_nats(self, pieces: Iterable[str]) -> Iterator[Scored]:
        yield from ((nats[:-1], oov[:-1]) for nats, oov in self.member.token_nats(pieces))


def test_different_numbers_of_tokens_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kn finds more tokens in the text than the other models do"):
        list(member_nats([NGRAM, Shorter(NGRAM)], corpus(tmp_path, READ)))


def test_models_with_different_tokens_cannot_be_mixed() -> None:
    with pytest.raises(InputError, match="run predicts tokens of the kind char and kn of the kind word"):
        check_same_tokens([RunMember("run", untrained("char")), NGRAM])
    one, other = untrained("bpe"), untrained("bpe", ["other words altogether , and none of those\n"] * 9)
    check_same_tokens([RunMember("a", one), RunMember("b", one)])
    with pytest.raises(InputError, match="a and b cut words into different pieces"):
        check_same_tokens([RunMember("a", one), RunMember("b", other)])


def test_capital_letters_need_models_that_agree_on_case(tmp_path: Path) -> None:
    members = [ngram(TEXT, "small letters", lowercase=True), NGRAM]
    assert fit(members, corpus(tmp_path, READ)).values.sum() == pytest.approx(1)
    with pytest.raises(InputError, match=r"capital letters \('You'\), which small letters reads as small ones"):
        fit(members, corpus(tmp_path, "say hello\nYou say\n"))
    assert fit([members[0], members[0]], corpus(tmp_path, "You say\n")).values.sum() == pytest.approx(1)


def test_a_model_is_a_run_folder_or_an_arpa_file(tmp_path: Path) -> None:
    NGRAM.lm.save(tmp_path / "kn.arpa")
    found = open_member(tmp_path / "kn.arpa")
    assert isinstance(found, ArpaMember)
    assert found.lm.evaluate([READ]) == NGRAM.lm.evaluate([READ])
    with pytest.raises(MissingFileError, match=r'no run folder or ARPA file .*km\.arpa \(did you mean "kn\.arpa"\?\)'):
        open_member(tmp_path / "km.arpa")
    with pytest.raises(MissingFileError, match=r"is not a run folder: it has no config\.toml"):
        open_member(tmp_path)


def test_models_that_cut_words_differently_refuse_a_text_where_it_matters(tmp_path: Path) -> None:
    older = ngram(TEXT, "older")
    older.tokenizer.words = AT_WHITE_SPACE
    members: list[Member] = [RUN, older]
    assert evaluate_mixture(members, np.array([0.5, 0.5]), corpus(tmp_path, READ)).disagreeing == 0
    with pytest.raises(InputError, match=r"the word '10\\xa0km', which older cuts at white space and run does not"):
        list(member_nats(members, corpus(tmp_path, READ + "you say 10\xa0km\n")))
    alike: list[Member] = [older, older]
    assert sum(nats.shape[1] for nats, _ in member_nats(alike, corpus(tmp_path, "10\xa0km\n"))) == 3


def test_runs_with_different_markers_need_the_marker_of_the_text() -> None:
    text = replace(RUN.lm.config.text, line_end_marker="<eos>")
    lm = LanguageModel(RUN.lm.model, RUN.tokenizer, replace(RUN.lm.config, text=text))
    marked = RunMember("marked", lm)
    assert common_marker([marked, NGRAM]) == "<eos>"
    assert common_marker([NGRAM, NGRAM]) == ""
    with pytest.raises(InputError, match="give the one of this text with --line-end-marker"):
        common_marker([RUN, marked])
