"""Vocabularies of imported models: lists, texts and pickles; ids in weft's order."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from helpers.foreign_models import text_of, vocabulary_of
from weft.errors import InputError
from weft.importing import import_model
from weft.importing.vocabulary import read_vocabulary
from weft.run_folder import CONFIG, held_out_texts

TEXT = text_of()
VOCABULARY = vocabulary_of(TEXT)


def model_of(folder: Path, types: int) -> Path:
    draw = np.random.default_rng(0)
    shapes = ((types, 4), (4, 12), (3, 12), (12,), (3, types), (types,))
    (folder / "model.pkl").write_bytes(pickle.dumps([draw.normal(size=shape) for shape in shapes]))
    return folder / "model.pkl"


def write(path: Path, words: list[str]) -> Path:
    path.write_text("".join(f"{word}\n" for word in words), "utf-8")
    return path


def test_a_list_is_in_the_order_of_the_ids(tmp_path: Path) -> None:
    found = read_vocabulary([write(tmp_path / "vocab.txt", VOCABULARY)], len(VOCABULARY))
    assert found.tokens == VOCABULARY


def test_texts_give_ids_by_first_appearance_over_all_of_them(tmp_path: Path) -> None:
    first, second = tmp_path / "train.txt", tmp_path / "valid.txt"
    first.write_text(" b a \n a\n", "utf-8")
    second.write_text("c b\n", "utf-8")
    found = read_vocabulary([first, second], 4)
    assert found.tokens == ["b", "a", "<eos>", "c"]
    assert found.counts == [2, 2, 3, 1]


def test_a_text_of_one_word_a_line_that_repeats_is_a_text(tmp_path: Path) -> None:
    assert read_vocabulary([write(tmp_path / "text.txt", ["b", "a", "b"])], 3).tokens == ["b", "<eos>", "a"]


@pytest.mark.parametrize(("types", "found"), [(10, "more than 10"), (12, "11")])
def test_a_vocabulary_of_another_size_is_refused_with_both_numbers(tmp_path: Path, types: int, found: str) -> None:
    (tmp_path / "text.txt").write_text(TEXT, "utf-8")
    with pytest.raises(InputError, match=rf"text.txt has {found} types, and the model {types}: give"):
        import_model(model_of(tmp_path, types), tmp_path / "run", vocab=tmp_path / "text.txt")


def test_vocab_txt_next_to_the_file_is_found(tmp_path: Path) -> None:
    write(tmp_path / "vocab.txt", VOCABULARY)
    lm = import_model(model_of(tmp_path, len(VOCABULARY)), tmp_path / "run")
    assert sorted(lm.tokenizer.tokens) == sorted(VOCABULARY)


def test_without_a_vocabulary_the_message_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which words its 11 ids are: give the vocabulary with --vocab"):
        import_model(model_of(tmp_path, 11), tmp_path / "run")


def test_other_names_of_the_line_end_and_the_unknown_word(tmp_path: Path) -> None:
    words = ["<UNK>", "</s>", "a", "b"]
    lm = import_model(
        model_of(tmp_path, 4), tmp_path / "run", vocab=write(tmp_path / "v", words), unk="<UNK>", eos="</s>"
    )
    assert lm.tokenizer.tokens == ["<unk>", "<eos>", "a", "b"]
    with pytest.raises(InputError, match="no '<eos>', the line end: name the token that is, with --eos"):
        import_model(model_of(tmp_path, 4), tmp_path / "other", vocab=tmp_path / "v")


def test_a_model_without_unknown_words_never_predicts_them(tmp_path: Path) -> None:
    words = ["a", "<eos>", "b"]
    notes: list[str] = []
    lm = import_model(model_of(tmp_path, 3), tmp_path / "run", vocab=write(tmp_path / "v", words), note=notes.append)
    assert any("unknown words are read as a mean word" in line for line in notes)
    assert lm.tokenizer.tokens == ["<unk>", "<eos>", "a", "b"]
    assert dict(lm.next("a b", k=4))["<unk>"] == 0
    _ids, oov = lm.tokenizer.encode_with_oov("a x")
    assert oov == [False, True]


def test_words_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "vocab.pkl"
    pickled.write_bytes(pickle.dumps(["a", "<eos>", "a"]))
    with pytest.raises(InputError, match="has words twice: 'a'"):
        import_model(model_of(tmp_path, 3), tmp_path / "run", vocab=pickled)


def test_a_pickle_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    pickled = tmp_path / "vocab.pkl"
    pickled.write_bytes(pickle.dumps({"a": 0, "b": 2}))
    with pytest.raises(InputError, match="a pickle without a vocabulary"):
        import_model(model_of(tmp_path, 2), tmp_path / "run", vocab=pickled)


def test_the_run_has_no_texts_and_says_where_it_is_from(tmp_path: Path) -> None:
    write(tmp_path / "vocab.txt", VOCABULARY)
    import_model(model_of(tmp_path, len(VOCABULARY)), tmp_path / "run")
    assert held_out_texts(tmp_path / "run") == ()
    first = (tmp_path / "run" / CONFIG).read_text("utf-8").splitlines()[0]
    assert first.endswith("Imported from 'model.pkl', a model of the textbook.")


def test_a_run_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    write(tmp_path / "vocab.txt", VOCABULARY)
    file = model_of(tmp_path, len(VOCABULARY))
    import_model(file, tmp_path / "run")
    with pytest.raises(InputError, match="--overwrite"):
        import_model(file, tmp_path / "run")
    import_model(file, tmp_path / "run", overwrite=True)
