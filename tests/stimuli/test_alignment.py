"""Tables of surprisals of other programs: their tokens are found in the sentences, or the table is refused."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.damage import CHANGES, NOT_NUMBERS, OTHER_FIELDS
from weft.errors import InputError
from weft.stimuli.alignment import TableToken, placed, placed_sentences, read_surprisals
from weft.stimuli.regions import joined_regions

HEADER = "sentence_id\ttoken_id\ttoken\tsurprisal\n"
WORD = st.text("abc", min_size=1, max_size=4)


def texts(text: str, *tokens: str) -> list[str]:
    return [token.text for token in placed(text, [TableToken(1, token, 1.0) for token in tokens])]


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("The cat sat.", ["the", "cat", "sat", ".", "<eos>"], ["The", "cat", "sat", ".", ""]),
        ("The cat sat.", ["<s>", "The", "Ġcat", "Ġs", "at", "."], ["", "The", "cat", "s", "at", "."]),
        ("The cat sat.", ["▁The", "▁c", "##at", "▁sat", ".", "</s>"], ["The", "c", "at", "sat", ".", ""]),
        ("The gnu sat.", ["The", "<unk>", "sat", "."], ["The", "gnu", "sat", "."]),
        ("The gnu sat.", ["The", "cat", "<unk>", "."], None),
        ("The sat gnu.", ["The", "sat", "<UNK>", "."], ["The", "sat", "gnu", "."]),
        ("The gnu's tail", ["The", "UNK-LC", "'s", "tail"], ["The", "gnu", "'s", "tail"]),
        ("gnu emu sat", ["<unk>", "<unk>", "sat"], ["gnu", "emu", "sat"]),
        ("a gnu emu", ["a", "<unk>", "<unk>", "</s>"], ["a", "gnu", "emu", ""]),
        ("a <unk> b", ["a", "<unk>", "b"], ["a", "<unk>", "b"]),
        ("a b", ["a"], None),
        ("a b", ["a", "b", "c"], None),
        ("a b", ["a", "b", "<unk>"], None),
        ("  ", [], []),
    ],
)
def test_tokens_are_found_in_the_sentence(text: str, tokens: list[str], expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(InputError, match="sentence 1: "):
            texts(text, *tokens)
    else:
        assert texts(text, *tokens) == expected


def test_unknown_words_are_marked() -> None:
    tokens = placed("a gnu", [TableToken(1, "a", 1.0), TableToken(1, "<unk>", 2.5)])
    assert [(token.text, token.oov, token.surprisal_bits) for token in tokens] == [
        ("a", False, 1.0),
        ("gnu", True, 2.5),
    ]


@given(st.lists(WORD, min_size=1, max_size=6), st.data())
def test_words_cut_into_pieces_cover_the_text(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    cuts = data.draw(st.sets(st.integers(1, len(text))))
    bounds = sorted({0, len(text), *cuts})
    pieces = [text[start:end].replace(" ", "Ġ") for start, end in pairwise(bounds)]
    pieces = [part for piece in pieces for part in re.findall("Ġ?[^Ġ]*", piece) if part]
    found = placed(text, [TableToken(1, piece, 1.0) for piece in pieces])
    assert "".join(token.text for token in found) == "".join(words)
    assert all(text[token.start : token.end] == token.text for token in found)


def test_a_table_is_read_by_sentence(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(HEADER + '1\t1\ta\t0.0\n1\t2\t""""\t-0.0\n2\t1\t"\t2e0\n', "utf-8")
    sentences = list(read_surprisals(str(path)))
    assert [[token.token for token in tokens] for tokens in sentences] == [["a", '"'], ['"']]
    given_sentences = [joined_regions(["a", '"']), joined_regions(['"'])]
    found = list(placed_sentences(given_sentences, iter(sentences)))
    assert [[token.surprisal_bits for token in tokens] for tokens in found] == [[0.0, 0.0], [2.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not begin with the columns sentence_id token_id token surprisal"),
        ("a\tb\n", "does not begin with the columns"),
        (HEADER + "1\t1\ta\n", "line 2: expected 4 fields separated by tabs, got 3"),
        (HEADER + "x\t1\ta\t1\n", "line 2: the sentence_id must be a whole number, got 'x'"),
        (HEADER + "1\t1\ta\tnan\n", "line 2: the surprisal must be a finite number, got 'nan'"),
        (HEADER + "1\t1\ta\t1\n3\t1\ta\t1\n", "after sentence 1 comes sentence 3"),
        (HEADER + "0\t1\ta\t1\n", "after sentence 0 comes sentence 0"),
        (HEADER + "1\t1\ta\t1e999\n", "must be a finite number"),
    ],
)
def test_a_mistake_in_a_table_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError) as refused:
        list(read_surprisals(str(path)))
    assert message in str(refused.value)


def test_any_damaged_table_is_refused_in_one_line_or_read(tmp_path: Path) -> None:
    path, draw = tmp_path / "table.tsv", random.Random(3)
    content = (
        HEADER + "".join(f"{s}\t{t}\t{w}\t1.5\n" for s in (1, 2) for t, w in enumerate(["a", "<unk>", "c"], 1))
    ).encode()
    sentences = [joined_regions(["a", "b c"])] * 2
    for _ in range(500):
        path.write_bytes(draw.choice(CHANGES)(content, draw, draw.choice([*NOT_NUMBERS, *OTHER_FIELDS])))
        message = ""
        try:
            list(placed_sentences(sentences, read_surprisals(str(path))))
        except InputError as error:
            message = str(error)
        assert message == "" or message.isprintable()
        assert len(message.replace(str(path), "")) < 300
