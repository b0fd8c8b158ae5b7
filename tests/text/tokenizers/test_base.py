"""Properties of every kind of tokenizer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import CheckpointError, InputError, MissingFileError
from weft.text import Tokenizer, encode_pieces, fit_tokenizer, load_tokenizer, tokenizer_kinds
from weft.text.decoding import BATCH_CHARACTERS

KINDS = tokenizer_kinds()
TEXT = [
    "you say goodbye and i say hello .\n",
    "Ты говоришь привет\n",
    "你 说 再见 , 我 说 你好 。\n",
    "\n",
    "السلام عليكم 😀👩‍👧\n",
    "tab\tand  two spaces \n",
]
ANY_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n ab"))


def fitted(kind: str, lowercase: bool = False) -> Tokenizer:
    return fit_tokenizer(kind, TEXT, lowercase=lowercase)


FITTED = {kind: fitted(kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return FITTED[request.param]


@pytest.mark.parametrize("kind", ["text", "char", "bpe"])
def test_decoding_restores_the_training_text(kind: str) -> None:
    text = "".join(TEXT)
    assert FITTED[kind].decode(FITTED[kind].encode(text)) == text


def test_decoding_words_separates_them_by_single_spaces() -> None:
    expected = "\n".join(" ".join(line.split()) for line in TEXT) + "\n"
    assert FITTED["word"].decode(FITTED["word"].encode("".join(TEXT))) == expected


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT)
def test_every_line_end_is_one_eos_and_lines_are_encoded_separately(kind: str, text: str) -> None:
    tokenizer = FITTED[kind]
    expected: list[int] = []
    for number, line in enumerate(text.split("\n")):
        expected += [tokenizer.eos_id] * (number > 0) + tokenizer.encode(line)
    ids = tokenizer.encode(text)
    assert ids == expected
    assert ids.count(tokenizer.eos_id) == text.count("\n")
    assert all(0 <= id < tokenizer.vocab_size for id in ids)


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=st.lists(ANY_TEXT))
def test_encoding_many_pieces_equals_encoding_each(kind: str, pieces: list[str]) -> None:
    expected = [id for piece in pieces for id in FITTED[kind].encode(piece)]
    assert FITTED[kind].encode_many(pieces).tolist() == expected
    assert [id for chunk in encode_pieces(FITTED[kind], pieces) for id in chunk.tolist()] == expected


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT)
def test_encoding_with_oov_marks_gives_the_same_ids(kind: str, text: str) -> None:
    tokenizer = FITTED[kind]
    ids, oov = tokenizer.encode_with_oov(text)
    assert ids == tokenizer.encode(text)
    assert oov == [id == tokenizer.unk_id for id in ids]


def test_a_long_text_is_encoded_in_bounded_chunks(tokenizer: Tokenizer) -> None:
    pieces = ["you say hello .\n"] * (2 * BATCH_CHARACTERS // 10)
    chunks = list(encode_pieces(tokenizer, pieces))
    assert len(chunks) > 2
    assert max(chunk.size for chunk in chunks) <= BATCH_CHARACTERS + 16
    assert np.concatenate(chunks).tolist() == tokenizer.encode(pieces[0]) * len(pieces)


def test_an_empty_text_gives_no_ids(tokenizer: Tokenizer) -> None:
    assert list(encode_pieces(tokenizer, [])) == []
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""


def test_counts_are_those_of_encoding_the_training_text(tokenizer: Tokenizer) -> None:
    found = Counter(id for piece in TEXT for id in tokenizer.encode(piece))
    assert tokenizer.counts == [found[id] for id in range(tokenizer.vocab_size)]
    assert tokenizer.counts[tokenizer.eos_id] == len(TEXT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_a_loaded_tokenizer_equals_the_saved_one(tmp_path: Path, kind: str, lowercase: bool) -> None:
    tokenizer = fitted(kind, lowercase)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = load_tokenizer(path)
    assert type(loaded) is type(tokenizer)
    assert vars(loaded).keys() == vars(tokenizer).keys()
    assert (loaded.tokens, loaded.counts, loaded.lowercase) == (tokenizer.tokens, tokenizer.counts, lowercase)
    unseen = "<unk> YOU say 未知\nhello"
    assert loaded.encode_with_oov(unseen) == tokenizer.encode_with_oov(unseen)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_file_has_one_readable_line_a_token(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    text = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    saved = json.loads(text)
    assert (saved["format"], saved["kind"]) == (1, tokenizer.kind)
    assert f'["<eos>", {len(TEXT)}]' in text.replace(",\n", "\n").split("\n")


def test_fitting_twice_gives_the_same_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "one.json")
    fitted(tokenizer.kind).save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_lower_casing_is_applied_to_every_text(kind: str) -> None:
    tokenizer = fit_tokenizer(kind, ["Hello hello ÉTÉ\n"], lowercase=True)
    assert tokenizer.encode("HELLO Été") == tokenizer.encode("hello été")
    assert tokenizer.decode(tokenizer.encode("HELLO Été")) == "hello été"
    kept = fit_tokenizer(kind, ["Hello hello ÉTÉ\n"])
    assert kept.encode("Hello") != kept.encode("hello")


def test_tokens_and_ids_are_inverse_for_the_training_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.token(tokenizer.eos_id) == "<eos>"
    assert tokenizer.id("<eos>") == tokenizer.eos_id
    for id in tokenizer.encode("you say hello"):
        assert tokenizer.id(tokenizer.token(id)) == id
    assert tokenizer.id("no such token") is None


@pytest.mark.parametrize("id", [-1, 10_000])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer: Tokenizer, id: int) -> None:
    for use in (tokenizer.token, tokenizer.decoder().push):
        with pytest.raises(InputError, match="not in the vocabulary"):
            use(id)


def test_a_text_is_read_once_and_may_be_an_iterator(tokenizer: Tokenizer) -> None:
    assert fit_tokenizer(tokenizer.kind, iter(TEXT)).counts == tokenizer.counts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [[], ["\n", "\n"]])
def test_a_text_without_tokens_is_refused(kind: str, pieces: list[str]) -> None:
    with pytest.raises(InputError, match="empty"):
        fit_tokenizer(kind, pieces)


@pytest.mark.parametrize(("kind", "smallest"), [("word", 3), ("text", 5), ("char", 3), ("bpe", 257)])
def test_a_vocabulary_without_room_for_the_text_is_refused(kind: str, smallest: int) -> None:
    with pytest.raises(InputError, match=f"vocab_size must be at least {smallest}"):
        fit_tokenizer(kind, TEXT, vocab_size=smallest - 1)
    assert fit_tokenizer(kind, TEXT, vocab_size=smallest).vocab_size == smallest


def test_unknown_kinds_and_counts_are_refused() -> None:
    with pytest.raises(InputError, match=r'did you mean "char"\?'):
        fit_tokenizer("chars", TEXT)
    with pytest.raises(InputError, match="min_count"):
        fit_tokenizer("word", TEXT, min_count=0)


DAMAGE = [
    ("", "not JSON"),
    ("{", "not JSON"),
    ("[1]", "states no format"),
    ('{"kind": "word"}', "states no format"),
    ('{"format": 2}', "upgrade weft"),
    ('{"format": 1}', "'tokens' is missing"),
    ('{"format": 1, "kind": "wort", "lowercase": false, "tokens": []}', r'did you mean "word"\?'),
    ('{"format": 1, "kind": "char", "lowercase": 0, "tokens": []}', "lowercase"),
    ('{"format": 1, "kind": "char", "lowercase": false, "tokens": 7}', "damaged"),
    ('{"format": 1, "kind": "char", "lowercase": false, "tokens": []}', "<unk> and <eos>"),
    ('{"format": 1, "kind": "char", "lowercase": false, "tokens": [["<unk>", -1]]}', "not a token and its count"),
    ('{"format": 1, "kind": "char", "lowercase": false, "tokens": [["<unk>", 0], ["<eos>", 1], ["ab", 1]]}', "'ab'"),
    ('{"format": 1, "kind": "word", "lowercase": false, "tokens": [["<unk>", 0], ["<eos>", 1]]}', "unk_in_text"),
    ('{"format": 1, "kind": "bpe", "lowercase": false, "tokens": [], "pairs": {}}', "no byte-pair encoding"),
]


@pytest.mark.parametrize(("text", "message"), DAMAGE)
def test_damaged_files_are_refused_with_path_and_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tokenizer(path)
    assert str(path) in str(caught.value)


def test_a_file_with_a_repeated_token_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    saved = json.loads(path.read_text(encoding="utf-8"))
    saved["tokens"][5] = saved["tokens"][4]
    path.write_text(json.dumps(saved))
    with pytest.raises(CheckpointError, match="damaged"):
        load_tokenizer(path)


def test_a_file_that_is_not_utf8_or_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"format": "\xff"}')
    with pytest.raises(CheckpointError, match="damaged"):
        load_tokenizer(tmp_path / "bad.json")
    with pytest.raises(MissingFileError, match=r"no tokenizer at .*none\.json"):
        load_tokenizer(tmp_path / "none.json")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(lines=st.lists(ANY_LINE, min_size=1))
def test_any_text_can_be_fitted_saved_and_loaded(
    tmp_path_factory: pytest.TempPathFactory, kind: str, lines: list[str]
) -> None:
    pieces = ["start\n", *(line + "\n" for line in lines)]
    tokenizer = fit_tokenizer(kind, pieces)
    path = tmp_path_factory.mktemp("fit") / "tokenizer.json"
    tokenizer.save(path)
    loaded = load_tokenizer(path)
    ids, oov = loaded.encode_with_oov("".join(pieces))
    assert not any(oov)
    assert len(ids) == sum(tokenizer.counts)
    if tokenizer.splits_words:
        assert loaded.decode(ids) == "".join(pieces)
