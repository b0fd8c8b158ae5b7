"""The word tokenizer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import CheckpointError
from weft.text import encode_pieces, fit_tokenizer, load_tokenizer, open_corpus, tokenizer_kinds
from weft.text.tokenizers import word as word_tokenizer

PTB = Path(os.environ.get("WEFT_DATA", "")) / "ptb"


def test_special_tokens_come_first_then_types_by_count_then_alphabet() -> None:
    tokenizer = fit_tokenizer("word", ["b a d\n", "b a c\n", "b\n"])
    assert tokenizer.tokens == ["<unk>", "<eos>", "b", "a", "c", "d"]
    assert tokenizer.counts == [0, 3, 3, 2, 1, 1]
    assert (tokenizer.unk_id, tokenizer.eos_id) == (0, 1)


def test_vocab_size_counts_all_types_and_the_rest_become_unk() -> None:
    tokenizer = fit_tokenizer("word", ["b a c\n", "b a d\n", "b\n"], vocab_size=4)
    assert tokenizer.tokens == ["<unk>", "<eos>", "b", "a"]
    assert tokenizer.counts == [2, 3, 3, 2]
    assert tokenizer.encode("a c b") == [3, 0, 2]


def test_rare_types_become_unk() -> None:
    tokenizer = fit_tokenizer("word", ["b a c\n", "b a d\n", "b\n"], min_count=3)
    assert tokenizer.tokens == ["<unk>", "<eos>", "b"]
    assert tokenizer.counts == [4, 3, 3]


def test_a_literal_unk_is_a_known_word_where_the_training_text_has_it() -> None:
    with_it = fit_tokenizer("word", ["a <unk> b\n"])
    without = fit_tokenizer("word", ["a b\n"])
    assert with_it.vocab_size == without.vocab_size == 4
    assert with_it.counts == [1, 1, 1, 1]
    assert with_it.encode_with_oov("a <unk> z\n") == ([2, 0, 0, 1], [False, False, True, False])
    assert without.encode_with_oov("a <unk> z\n") == ([2, 0, 0, 1], [False, True, True, False])


def test_a_literal_eos_is_a_line_end() -> None:
    tokenizer = fit_tokenizer("word", ["a <eos> b\n"])
    assert tokenizer.tokens == ["<unk>", "<eos>", "a", "b"]
    assert tokenizer.counts == [0, 2, 1, 1]
    assert tokenizer.encode("a <eos>") == [2, 1]


@given(st.lists(st.lists(st.sampled_from(["you", "say", "<unk>", "好", "."])), min_size=1))
def test_decoding_one_by_one_separates_words_by_single_spaces(lines: list[list[str]]) -> None:
    tokenizer = fit_tokenizer("word", ["you say <unk> 好 .\n"])
    text = "\n".join(" ".join(line) for line in lines)
    decoder = tokenizer.decoder()
    assert "".join(decoder.push(id) for id in tokenizer.encode(text)) == text


def test_rare_types_are_dropped_while_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_tokenizer, "MOST_TYPES_COUNTED", 50)
    pieces = [f"often now{n} often {'even' if n % 2 else 'odd'}\n" for n in range(1000)]
    tokenizer = fit_tokenizer("word", pieces)
    assert tokenizer.tokens[2] == "often"
    assert {"even", "odd"} <= set(tokenizer.tokens)
    assert tokenizer.vocab_size <= 52
    assert sum(tokenizer.counts) == 5000
    assert tokenizer.counts[2] == 2000


def test_words_end_at_blanks_and_a_tokenizer_states_it(tmp_path: Path) -> None:
    tokenizer = fit_tokenizer("word", ["10\xa0km\u3000c d\x0ce\n"])
    assert tokenizer.tokens == ["<unk>", "<eos>", "10\xa0km\u3000c", "d\x0ce"]
    tokenizer.save(tmp_path / "tokenizer.json")
    saved = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    assert saved["separators"] == "\0\t\n\r "
    assert load_tokenizer(tmp_path / "tokenizer.json").encode("d\x0ce 10\xa0km") == [3, 0]


@pytest.mark.parametrize("kind", tokenizer_kinds())
def test_a_tokenizer_that_states_no_rule_cuts_at_every_white_space(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tokenizer.json"
    new = fit_tokenizer(kind, ["10 km c\n", "10\xa0km\n"], lowercase=True)
    new.save(path)
    lines = path.read_text("utf-8").split("\n")
    path.write_text("\n".join(line for line in lines if not line.startswith(('"separators"', '"digest"'))), "utf-8")
    old = load_tokenizer(path)
    assert old.words.words("10\xa0km\x0cc") == ["10", "km", "c"]
    assert new.words.words("10\xa0km\x0cc") == ["10\xa0km\x0cc"]
    if kind == "word":
        ids = [old.id(word) for word in ("10", "km", "c")]
        assert old.encode("10\xa0KM\u3000c") == old.encode_many(["10\xa0KM", "c"]).tolist() == ids
        assert old.encode_line_with_spans("10\xa0KM\u3000c").spans == [(0, 2), (3, 5), (6, 7)]
    old.save(tmp_path / "again.json")
    assert "separators" not in json.loads((tmp_path / "again.json").read_text("utf-8"))


def test_an_unknown_rule_of_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    fit_tokenizer("word", ["a\n"]).save(path)
    saved = json.loads(path.read_text("utf-8"))
    del saved["digest"]
    path.write_text(json.dumps({**saved, "separators": " |"}))
    with pytest.raises(CheckpointError, match=r"its words end at ' \|', which this weft does not know"):
        load_tokenizer(path)


@pytest.mark.skipif(not PTB.is_dir(), reason="WEFT_DATA has no folder ptb")
def test_penn_treebank_has_ten_thousand_types() -> None:
    train = open_corpus([PTB / "ptb.train.txt"])
    tokenizer = fit_tokenizer("word", train.pieces())
    assert tokenizer.vocab_size == 10_000
    assert sum(tokenizer.counts) == 929_589
    assert tokenizer.counts[:2] == [45_020, 42_068]
    test = open_corpus([PTB / "ptb.test.txt"])
    assert sum(chunk.size for chunk in encode_pieces(tokenizer, test.pieces())) == 82_430
    assert not any(any(tokenizer.encode_with_oov(piece)[1]) for piece in test.pieces())


@pytest.mark.skipif(not PTB.is_dir(), reason="WEFT_DATA has no folder ptb")
def test_the_first_thousand_tokens_of_penn_treebank_have_418_types() -> None:
    words = [
        word
        for piece in open_corpus([PTB / "ptb.train.txt"]).pieces()
        for word in piece.replace("\n", "<eos>\n").split()
    ]
    assert fit_tokenizer("word", [" ".join(words[:1000])]).vocab_size == 418
