"""ARPA files: exact round trips, agreement with KenLM, and errors with their line."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from weft.errors import InputError, MissingFileError
from weft.ngram.arpa_reader import read_arpa
from weft.ngram.arpa_writer import write_arpa
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.text import fit_tokenizer
from weft.word_ngram import WordNGram, load_arpa

GOLDEN = Path(__file__).parent / "golden"
TEXT = (GOLDEN / "harbour.txt").read_text(encoding="utf-8")
UNSEEN = "the gull waits for the zebra\n\nquiet at dawn 海 the <unk> boats\nthe the the\n"


def trained(order: int, text: str = TEXT) -> WordNGram:
    tokenizer = fit_tokenizer("word", [text])
    ids = np.array(tokenizer.encode(text))
    return WordNGram(estimate(ids, tokenizer.vocab_size, 1, order, FALLBACK), tokenizer)


def scores(lm: WordNGram, text: str) -> list[float]:
    return [nat for nats, _oov in lm.token_nats(text.splitlines(keepends=True)) for nat in nats.tolist()]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["kn.arpa", "kn.arpa.gz"])
def test_a_written_model_is_read_exactly(tmp_path: Path, order: int, name: str) -> None:
    lm = trained(order)
    lm.save(tmp_path / name)
    again = load_arpa(tmp_path / name)
    assert again.tokenizer.tokens == lm.tokenizer.tokens
    assert scores(again, TEXT + UNSEEN) == scores(lm, TEXT + UNSEEN)
    for read, written in zip(again.model.tables, lm.model.tables, strict=True):
        assert np.array_equal(read.keys, written.keys)
        assert np.array_equal(read.log10_backoffs, written.log10_backoffs)


def test_compressed_files_are_deterministic(tmp_path: Path) -> None:
    for name in ("a.arpa.gz", "b.arpa.gz"):
        trained(2).save(tmp_path / name)
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()
    trained(2).save(tmp_path / "plain.arpa")
    assert gzip.decompress((tmp_path / "a.arpa.gz").read_bytes()) == (tmp_path / "plain.arpa").read_bytes()


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("boats", "<unk>")], ids=["words", "with <unk>"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_gives_the_same_scores(tmp_path: Path, order: int, text: str) -> None:
    lm = trained(order, text)
    lm.save(tmp_path / "kn.arpa")
    theirs = pytest.importorskip("kenlm").Model(str(tmp_path / "kn.arpa"))
    for line in (text + UNSEEN).splitlines():
        ids, oov = lm.tokenizer.encode_with_oov(line)
        ours = lm.model.score(np.array([*ids, 1]))
        expected = list(theirs.full_scores(line))
        assert (ours.nats / math.log(10)).tolist() == pytest.approx([log10 for log10, _, _ in expected], abs=1e-4)
        assert ours.lengths.tolist() == [length for _, length, _ in expected]
        assert [id == 0 for id in ids] == [unknown for _, _, unknown in expected[:-1]]
        assert all(id == 0 for id, unknown in zip(ids, oov, strict=True) if unknown)


def test_a_file_of_lmplz_has_the_scores_of_kenlm() -> None:
    lm = load_arpa(GOLDEN / "harbour.lmplz.arpa")
    theirs = pytest.importorskip("kenlm").Model(str(GOLDEN / "harbour.lmplz.arpa"))
    for line in (TEXT + UNSEEN).splitlines():
        found = sum(scores(lm, f"{line}\n")) / math.log(10)
        assert found == pytest.approx(theirs.score(line), abs=1e-4)


def test_unk_in_the_text_is_a_word_if_the_training_text_had_it(tmp_path: Path) -> None:
    trained(2, TEXT.replace("boats", "<unk>")).save(tmp_path / "with.arpa")
    trained(2).save(tmp_path / "without.arpa")
    for name, expected in (("with", 1), ("without", 2)):
        result = load_arpa(tmp_path / f"{name}.arpa").evaluate(["the <unk> and the zebra\n"])
        assert (result.loss.tokens, result.oov_loss.tokens) == (6, expected)


FOREIGN = r"""
a comment of the program that made this

\data\
ngram  1 = 4
ngram 2=2

\1-grams:
-99	<s>	-0.5
-0.75   </s>
-0.25	你好	 -0.125
-1e0 b

\2-grams:
-0.5 <s> 你好
-0.0625	你好 b   0

\end\
"""


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    for name, ends in (("unix", "\n"), ("windows", "\r\n")):
        path = tmp_path / f"{name}.arpa"
        path.write_bytes(("\ufeff" * (name == "windows") + FOREIGN.lstrip().replace("\n", ends)).encode())
        lm = load_arpa(path)
        assert lm.tokenizer.tokens == ["<unk>", "<eos>", "你好", "b"]
        found = [nat / math.log(10) for nat in scores(lm, "你好 b\nb 海\n")]
        assert found == pytest.approx([-0.5, -0.0625, -0.75, -0.5 - 1, -100, -0.75])


def test_unk_in_capitals_is_read(tmp_path: Path) -> None:
    path = tmp_path / "upper.arpa"
    path.write_text(FOREIGN.replace("-1e0 b", "-1.5 <UNK>").replace("你好 b", "你好 <UNK>"), encoding="utf-8")
    assert scores(load_arpa(path), "你好 b\n")[1] == pytest.approx(-0.0625 * math.log(10))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("\\data\\", "\\dat\\", "bad.arpa is not an ARPA file: it has no line \\data\\"),
        (FOREIGN, "mmap lm http://kheafield.com/code format version 5\n\0", "KenLM's binary format"),
        ("ngram 2=2", "ngram 3=2", "line 6: expected a line like 'ngram 2=1000', got 'ngram 3=2'"),
        ("ngram 2=2", "gibberish", "line 6: expected a line like 'ngram 2=1000', got 'gibberish'"),
        ("ngram  1 = 4\nngram 2=2\n", "", "no line like 'ngram 1=1000' stands after \\data\\"),
        ("ngram 2=2", "ngram 2=3", "line 18: here end 2 2-grams, but \\data\\ says that there are 3"),
        ("ngram 2=2", "ngram 2=1", "here end 2 2-grams, but \\data\\ says that there are 1"),
        ("\\1-grams:", "\\1-gram:", "line 8: expected \\1-grams:, got '\\\\1-gram:'"),
        ("\\2-grams:", "\\3-grams:", "line 14: expected \\2-grams:, got '\\\\3-grams:'"),
        ("\\end\\", "\\3-grams:", "line 18: expected \\end\\, got '\\\\3-grams:'"),
        ("\\end\\", "", "bad.arpa is cut short: it ends after line 18, without \\end\\"),
        ("\\end\\", "\\end\\\n\n\\data\\", "line 20: expected the end of the file after \\end\\, got '\\\\data\\\\'"),
        ("ngram 2=2", f"ngram 2={'9' * 5000}", "line 6: expected a line like 'ngram 2=1000', got 'ngram 2=9999"),
        ("-1e0 b", "-1e0", "line 12: expected a log10 probability, 1 word and perhaps a back-off weight, got 1 fields"),
        ("-0.5 <s> 你好", "-0.5 <s> 你好 0 0", "line 15: expected a log10 probability, 2 words and perhaps"),
        ("-1e0 b", "x b", "line 12: expected a number, got 'x'"),
        ("-1e0 b", "nan b", "line 12: expected a number, got 'nan'"),
        (" -0.125", "b", "line 11: expected a number, got 'b'"),
        ("-1e0 b", "-1_0 b", "line 12: expected a number, got '-1_0'"),
        ("-1e0 b", "-1\x0b b", "line 12: expected a number, got '-1\\x0b'"),
        ("-1e0 b", "inf b", "line 12: expected a number, got 'inf'"),
        ("-1e0 b", "1 b", "line 12: the log10 probability 1 is above 0"),
        ("-1e0 b", "2e-6 b", "line 12: the log10 probability 2e-06 is above 0"),
        ("-1e0 b", "-1001 b", "line 12: the log10 probability -1001 is below -1,000"),
        ("-1e0 b", "-1e400 b", "line 12: the log10 probability -inf is below -1,000"),
        (" -0.125", " 99", "line 11: the log10 back-off weight 99 is above 10"),
        (" -0.125", " -2e3", "line 11: the log10 back-off weight -2000 is below -1,000"),
        (" -0.125", " 1_0", "line 11: expected a number, got '1_0'"),
        ("好 b   0", "好 b   99", "line 16: the log10 back-off weight 99 is above 10"),
        ("-0.5 <s> 你好", "0.5 <s> 你好", "line 15: the log10 probability 0.5 is above 0"),
        ("-1e0 b", "-1e0 你好", "line 12: the word '你好' is there twice"),
        ("-1e0 b", "-1e0 <eos>", "line 12: the word <eos> is how weft writes the line end"),
        ("-0.75   </s>", "-0.75   c", "the 1-grams have no </s>"),
        ("<s> 你好", "<s> c", "line 15: the word 'c' is not among the 1-grams"),
        ("<s> 你好", "你好 b", "line 16: the 2-gram of line 15 is there again"),
    ],
)
def test_an_error_names_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in FOREIGN
    path = tmp_path / "bad.arpa"
    path.write_text(FOREIGN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_arpa(path)
    assert expected in str(raised.value)


def written(folder: Path, content: str) -> Path:
    path = folder / "some.arpa"
    path.write_bytes(content.encode())
    return path


def test_a_word_can_be_any_character_but_the_white_space_of_the_format(tmp_path: Path) -> None:
    for word in ("\x0b", "\x0c", "\x1c", "\xa0", "\u2028", "a\x0bb"):
        content = FOREIGN.replace("-1e0 b", f"-0.30103\t{word}\t-0.30").replace("你好 b", f"你好 {word}")
        model, tokens = read_arpa(written(tmp_path, content))
        assert tokens[3] == word
        assert model.tables[0].log10_probabilities[3] == -0.30103
        assert model.tables[0].log10_backoffs[3] == -0.30


def test_long_quotes_are_cut(tmp_path: Path) -> None:
    for old, new in (
        ("-1e0 b", "x" * 100_000 + " b"),
        ("<s> 你好", "<s> \x1b" + "y" * 100_000),
        ("ngram 2", "z" * 9999),
    ):
        with pytest.raises(InputError) as raised:
            read_arpa(written(tmp_path, FOREIGN.replace(old, new)))
        assert len(str(raised.value)) < len(str(tmp_path)) + 200
        assert str(raised.value).isprintable()


def test_a_file_of_one_endless_line_is_refused(tmp_path: Path) -> None:
    for size in (2 << 20, 9 << 20):
        with pytest.raises(InputError, match="it has a line of more than 1,048,576 bytes"):
            read_arpa(written(tmp_path, f"\\data\\\nngram 1=1\n\\1-grams:\n-1 {'x' * size}\n\\end\\\n"))


def test_a_section_is_longer_than_a_block(tmp_path: Path) -> None:
    words = [f"word{number:0200}" for number in range(30_000)]
    rows = "".join(f"-6\t{word}\t0\n\n" for word in words)
    model, tokens = read_arpa(
        written(tmp_path, f"\\data\\\nngram 1={len(words) + 1}\n\\1-grams:\n{rows}-1 </s>\n\\end\\\n")
    )
    assert tokens[2:] == words
    assert model.tables[0].log10_probabilities.tolist() == [-100, -1, *[-6] * len(words), -99]
    with pytest.raises(InputError, match=r"line 60,004: the log10 probability 6 is above 0"):
        read_arpa(written(tmp_path, f"\\data\\\nngram 1={len(words) + 1}\n\\1-grams:\n{rows}6 </s>\n\\end\\\n"))


def test_zeros_of_single_precision_are_read_as_zero(tmp_path: Path) -> None:
    content = FOREIGN.replace("-0.5 <s> 你好", "1.4e-07 <s> 你好").replace("-1e0 b", "-inf b")
    assert scores(load_arpa(written(tmp_path, content)), "你好 海 b\n") == pytest.approx(
        [0, (-100 - 0.125) * math.log(10), -99 * math.log(10), -0.75 * math.log(10)]
    )


def test_backoff_weights_above_1_are_read_if_no_probability_is(tmp_path: Path) -> None:
    lm = load_arpa(written(tmp_path, FOREIGN.replace("-0.125", "0.75")))
    assert scores(lm, "你好\n")[1] == 0  # 10^(0.75 - 0.75)
    lm = load_arpa(written(tmp_path, FOREIGN.replace("-0.125", "0.7504")))
    assert scores(lm, "你好\n")[1] == 0  # the rounding of numbers with four decimals
    lm = load_arpa(written(tmp_path, FOREIGN.replace("-0.125", "0.8")))
    assert scores(lm, "你好 b\n")[1] < 0
    with pytest.raises(
        InputError,
        match=r"some\.arpa: the probability of '<eos>' after '你好' is 10\^0\.05, above 1: the back-off weights",
    ):
        lm.evaluate(["你好\n"])


def test_an_ngram_without_its_prefix_is_an_error(tmp_path: Path) -> None:
    more = FOREIGN.replace("ngram 2=2\n", "ngram 2=2\nngram 3=1\n").replace(
        "\\end\\", "\\3-grams:\n-0.1 b 你好 b\n\\end\\"
    )
    path = tmp_path / "bad.arpa"
    path.write_text(more, encoding="utf-8")
    with pytest.raises(InputError, match=r"line 20: the 3-gram 'b 你好 b' is there, but not all .* up to 'b 你好'"):
        read_arpa(path)


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"there is no file .*nowhere"):
        read_arpa(tmp_path / "nowhere.arpa")
    (tmp_path / "plain.arpa.gz").write_text(FOREIGN, encoding="utf-8")
    with pytest.raises(InputError, match="is not a gzip file"):
        read_arpa(tmp_path / "plain.arpa.gz")
    (tmp_path / "cut.arpa.gz").write_bytes(gzip.compress(FOREIGN.encode())[:-20])
    with pytest.raises(InputError, match="is cut short: the end of the compressed data is missing"):
        read_arpa(tmp_path / "cut.arpa.gz")
    (tmp_path / "zipped.arpa").write_bytes(gzip.compress(FOREIGN.encode()))
    with pytest.raises(InputError, match=r"compressed with gzip; give it a name that ends in \.gz"):
        read_arpa(tmp_path / "zipped.arpa")
    (tmp_path / "latin.arpa").write_bytes(FOREIGN.replace("-1e0 b", "-1e0 é").encode("latin-1", errors="replace"))
    with pytest.raises(InputError, match=r"line 12: the word '\\\\xe9' is not UTF-8"):
        read_arpa(tmp_path / "latin.arpa")


@pytest.mark.parametrize("word", ["<s>", "</s>", "two words", "", " "])
def test_words_that_cannot_be_written_are_refused(tmp_path: Path, word: str) -> None:
    lm = trained(1, "a b\n")
    with pytest.raises(InputError, match="ARPA file"):
        write_arpa(tmp_path / "kn.arpa", lm.model, ["<unk>", "<eos>", "a", word])
    assert not any(tmp_path.iterdir())
