"""The character tokenizer."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from weft.text import fit_tokenizer

ANY_CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="\n")


def test_every_code_point_is_a_token() -> None:
    tokenizer = fit_tokenizer("char", ["aa好😀👍🏽\n"])
    assert tokenizer.tokens == ["<unk>", "<eos>", "a", *sorted("好😀👍🏽")]
    assert tokenizer.counts == [0, 1, 2, 1, 1, 1, 1]
    assert len(tokenizer.encode("👍🏽")) == 2


def test_unseen_rare_and_surplus_characters_are_unk() -> None:
    pieces = ["aaabbc\n"]
    assert fit_tokenizer("char", pieces).encode_with_oov("az\n") == ([2, 0, 1], [False, True, False])
    rare = fit_tokenizer("char", pieces, min_count=2)
    assert (rare.tokens, rare.counts) == (["<unk>", "<eos>", "a", "b"], [1, 1, 3, 2])
    small = fit_tokenizer("char", pieces, vocab_size=3)
    assert (small.tokens, small.counts) == (["<unk>", "<eos>", "a"], [3, 1, 3])


def test_names_of_special_tokens_in_the_text_are_ordinary_characters() -> None:
    tokenizer = fit_tokenizer("char", ["<unk> <eos>\n"])
    assert tokenizer.unk_id not in tokenizer.encode("<unk> <eos>")
    assert tokenizer.decode(tokenizer.encode("<unk> <eos>")) == "<unk> <eos>"


def test_a_lone_surrogate_is_unknown() -> None:
    tokenizer = fit_tokenizer("char", ["a\n"])
    assert tokenizer.encode("a\udcff") == tokenizer.encode_many(["a\udcff"]).tolist() == [2, 0]


@given(st.lists(st.text(ANY_CHARACTER, min_size=1), min_size=1))
def test_counts_equal_naive_counting(lines: list[str]) -> None:
    tokenizer = fit_tokenizer("char", [line + "\n" for line in lines])
    expected = Counter("".join(lines))
    assert dict(zip(tokenizer.tokens[2:], tokenizer.counts[2:], strict=True)) == expected
    assert tokenizer.counts[:2] == [0, len(lines)]


@given(st.lists(st.text(ANY_CHARACTER, min_size=1), min_size=1))
def test_many_pieces_are_lower_cased_separately(lines: list[str]) -> None:
    tokenizer = fit_tokenizer("char", ["abc ς σ i\n"], lowercase=True)
    lines.append("ΑΣ")  # in lower case, a sigma looks different at the end of a word
    pieces = [*lines, "Α"]
    assert tokenizer.encode_many(pieces).tolist() == [id for piece in pieces for id in tokenizer.encode(piece)]
