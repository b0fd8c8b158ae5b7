"""`weft train`: its output, the run folder it makes, and unusable input, which leaves no files."""

from __future__ import annotations

import gzip
import json
import os
import pty
from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RUN_FILES, RunWeft, StartWeft, names, write_text
from weft.config.toml import read_config


def test_a_text_alone_is_enough(run_weft: RunWeft, text: Path) -> None:
    answer = run_weft("train", text, "--epochs", 1)
    assert answer.code == 0
    assert names(Path("runs")) == ["my"]
    assert names(Path("runs/my")) == RUN_FILES
    first, *perplexities = answer.out.splitlines()
    assert first.endswith("the best model is in runs/my")
    assert all("perplexity" in line and ("unigram" in line or "bits per character" in line) for line in perplexities)
    for choice in ("tokenizer char: ", "valid_fraction 0.1: ", "cell lstm: ", "parameters:", "MB of memory", "epoch 1"):
        assert choice in answer.err
    assert "\x1b" not in answer.out + answer.err
    config = read_config(Path("runs/my/config.toml"))
    assert (config.text.data, config.text.tokenizer) == ((str(text),), "char")
    assert len(Path("runs/my/metrics.jsonl").read_text().splitlines()) == 1


def test_a_training_perplexity_says_why_that_of_eval_differs(run_weft: RunWeft) -> None:
    Path("sentence.txt").write_text("you say goodbye and i say hello .\n", encoding="utf-8")
    answer = run_weft("train", "sentence.txt", "--tokenizer", "word", "--epochs", 2, "--max-steps", 5)
    _first, figure, why = answer.out.splitlines()
    assert figure.startswith("training perplexity ")
    assert "`weft eval` reads it once, from a fresh start" in why


def test_options_override_the_file_and_the_file_overrides_defaults(run_weft: RunWeft, text: Path) -> None:
    lines = ["[text]", f"data = {json.dumps([str(text)])}", "[model]", "hidden_size = 9", "embedding_size = 7"]
    Path("my.toml").write_text("\n".join([*lines, "[training]", "epochs = 1"]), encoding="utf-8")
    assert run_weft("train", "--config", "my.toml", "--hidden-size", 6, "--out", "run").code == 0
    config = read_config(Path("run/config.toml"))
    assert (config.model.hidden_size, config.model.embedding_size, config.model.layers) == (6, 7, 1)


def test_every_regularization_is_an_option_and_the_model_can_be_used(run_weft: RunWeft, text: Path) -> None:
    options = "--dropout-in 0.1 --dropout-between 0.2 --dropout-out 0.3 --dropout-locked --embedding-dropout 0.1"
    penalties = "--weight-dropout 0.2 --activation-penalty 2 --temporal-penalty 1"
    shape = "--embedding-size 6 --hidden-size 8 --layers 3 --tied --residual --layer-norm --batch-size 2 --bptt 10"
    assert run_weft("train", text, "--epochs", 1, *f"{options} {penalties} {shape}".split()).code == 0
    model = read_config(Path("runs/my/config.toml")).model
    assert (model.dropout, model.dropout_in, model.dropout_between, model.dropout_out) == (0.0, 0.1, 0.2, 0.3)
    assert (model.weight_dropout, model.temporal_penalty, model.dropout_locked) == (0.2, 1.0, True)
    scored = [run_weft("score", "a line", "--format", "tsv").out for _ in range(2)]
    assert scored[0] == scored[1] != ""
    assert run_weft("generate", "--max-tokens", 5).code == 0


def test_standard_input_can_be_the_text(run_weft: RunWeft, text: Path) -> None:
    assert run_weft("train", "-", *FLAGS, "--epochs", 1, stdin=text.read_bytes()).code == 0
    run_weft("train", text, *FLAGS, "--epochs", 1)
    weights = [Path(f"runs/{name}/model.safetensors").read_bytes() for name in ("stdin", "my")]
    assert weights[0] == weights[1]


def test_skipped_files_are_named(run_weft: RunWeft, text: Path) -> None:
    folder = Path("texts")
    folder.mkdir()
    text.rename(folder / "my.txt")
    (folder / "nothing.txt").touch()
    (folder / "picture.txt").write_bytes(b"\x89PNG\0\0")
    told = "not read, because they are empty or binary: texts/nothing.txt, texts/picture.txt\n"
    assert told in run_weft("train", folder, *FLAGS, "--epochs", 1, "--out", "run").err
    assert told in run_weft("eval", folder, "--run", "run").err


WRONG_TEXTS = {
    "empty.txt": (b"", "empty.txt is empty"),
    "blank.txt": (b" \n\n", "only white space in blank.txt"),
    "binary.txt": (b"abc\0def", "binary.txt looks binary: there is a zero byte at byte 3"),
    "latin.txt": (
        "hello\ncafé ol".encode("latin-1"),
        "latin.txt is not UTF-8: invalid continuation byte 0xe9 at byte 9",
    ),
    "utf16.txt": ("hello".encode("utf-16"), "utf16.txt looks like UTF-16"),
    "text.gz": (b"plain", "text.gz is not a gzip file"),
}


@pytest.mark.parametrize("name", WRONG_TEXTS)
def test_an_unreadable_text_is_an_error_with_the_position(run_weft: RunWeft, name: str) -> None:
    content, expected = WRONG_TEXTS[name]
    Path(name).write_bytes(content)
    assert expected in run_weft("train", name).refusal()
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "no text is given: name a file or folder"),
        ("mi.txt", 'there is no file, folder or corpus mi.txt (did you mean "my.txt"?)'),
        ("ptbb", 'there is no file, folder or corpus ptbb (did you mean "ptb"?)'),
        ("builtn", 'there is no file, folder or corpus builtn (did you mean "builtin"?)'),
        ("nowhere/my.txt", "there is no file or folder nowhere/my.txt"),
        ("*.text", "no file matches the pattern *.text"),
        ("my.txt ptb", "the corpus ptb is given with other texts"),
        ("my.txt --data my.txt", "the text is given twice"),
        ("my.txt --config mine.toml", "no configuration file at mine.toml"),
        ("my.txt --cell lsmt", "unknown cell 'lsmt' (did you mean \"lstm\"?)"),
        ("my.txt --tokenizer chars", '(did you mean "char"?)'),
        ("my.txt --optimizer adam", '(did you mean "adamw"?)'),
        ("my.txt --hidden-size 0", "hidden_size must be at least 1, got 0"),
        ("my.txt --layers -1", "layers must be at least 1, got -1"),
        ("my.txt --batch-size 0", "batch_size must be at least 1, got 0"),
        ("my.txt --bptt 0", "bptt must be at least 1, got 0"),
        ("my.txt --epochs 1.5", "'--epochs': expected a whole number, got '1.5'"),
        ("my.txt --dropout 1", "dropout must be below 1, got 1.0"),
        ("my.txt --dropout -0.1", "dropout must be at least 0, got -0.1"),
        ("my.txt --lr nan", "lr must be a finite number, got nan"),
        ("my.txt --lr 0", "lr must be above 0, got 0.0"),
        ("my.txt --clip inf", "clip must be a finite number, got inf"),
        (
            "my.txt --hidden-size 9000000000000000000 --epochs 1",
            "hidden size 9,000,000,000,000,000,000 is too large for",
        ),
        ("my.txt --tied --hidden-size 8 --embedding-size 4", "tied weights need embedding_size = hidden_size, got 4"),
        ("my.txt --residual", "residual has no effect where no layer has the size of the one below it"),
        ("my.txt --layer-norm --cell window", "layer_norm goes with the cells gru, lstm, rnn, not with 'window'"),
        ("my.txt --weight-dropout 0.2 --cell window", "the cell 'window' has none: leave it out"),
        (
            "my.txt --dropout-between 0.2",
            "dropout_between 0.2 has no effect with layers 1: leave it out, or set layers",
        ),
        ("my.txt --dropout-locked --dropout 0", "dropout_locked has no effect without dropout"),
        ("my.txt --temporal-penalty -1", "temporal_penalty must be at least 0, got -1.0"),
        ("my.txt --valid-fraction 0.7 --test-fraction 0.7", "together below 1"),
        ("my.txt --resume --overwrite --out there", "give only one of them"),
        ("my.txt --resume", "no run folder at runs/my"),
        ("--resume", "no run is given to go on with"),
        ("my.txt --out my.txt", "my.txt is a file; give another folder with --out"),
        ("my.txt --out my.txt/run", "cannot write the run folder my.txt/run"),
    ],
)
def test_unusable_input_is_one_line_and_leaves_no_files(
    run_weft: RunWeft, text: Path, tmp_path: Path, arguments: str, expected: str
) -> None:
    assert expected in run_weft("train", *arguments.split()).refusal()
    assert names(tmp_path) == ["my.txt"]


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[model]\nhiden_size = 3", "unknown key 'hiden_size' in [model] (did you mean \"hidden_size\"?)"),
        ("[modle]\nlayers = 3", 'unknown table [modle] (did you mean "model"?)'),
        ("[model]\nlayers = 0", "layers must be at least 1, got 0"),
        ("[training]\nlr = nan", "lr must be a finite number, got nan"),
        ("layers: 3", "is not valid TOML"),
    ],
)
def test_errors_in_the_settings_file_name_the_file(run_weft: RunWeft, text: Path, toml: str, expected: str) -> None:
    Path("my.toml").write_text(toml, encoding="utf-8")
    refusal = run_weft("train", text, "--config", "my.toml").refusal()
    assert refusal.startswith("my.toml")
    assert expected in refusal


def test_the_error_for_a_short_text_gives_the_required_length(run_weft: RunWeft) -> None:
    Path("short.txt").write_text("you say goodbye and i say hello .\n", encoding="utf-8")
    answer = run_weft("train", "short.txt", "--tokenizer", "word", "--batch-size", 5, "--bptt", 3)
    assert "the text has 9 tokens, but 5 streams with a block of 3 tokens need at least 15" in answer.refusal()
    assert answer.err.count("\n") == 1


def test_one_sentence_is_enough(run_weft: RunWeft) -> None:
    Path("short.txt").write_text("you say goodbye and i say hello .\n", encoding="utf-8")
    assert run_weft("train", "short.txt", "--epochs", 1).code == 0
    assert run_weft("next", "you say").out.startswith("token\tprobability\n")


def test_diverged_training_stops_with_the_step(run_weft: RunWeft, text: Path) -> None:
    flags = [*FLAGS, "--optimizer", "sgd", "--lr", "1e9", "--clip", "1e30", "--epochs", 1, "--out", "run"]
    answer = run_weft("train", text, *flags)
    assert answer.code == 2
    assert answer.out == ""
    last = answer.err.splitlines()[-1]
    assert last.startswith("weft: training diverged: ")
    assert "at step " in last
    assert "start again with --overwrite and a lower --lr" in last


def test_every_script_can_be_trained_and_generated(run_weft: RunWeft) -> None:
    text = Path("中文.txt")
    text.write_text("我 喜欢 你 😀\n你 喜欢 我 👩‍👧\n今天 天气 很好 🎉\n" * 20, encoding="utf-8")
    for tokenizer in ("char", "word", "bpe"):
        size = ["--vocab-size", 270] if tokenizer == "bpe" else []
        assert (
            run_weft("train", text, *FLAGS, *size, "--epochs", 1, "--tokenizer", tokenizer, "--out", tokenizer).code
            == 0
        )
        run = ("--run", tokenizer)
        assert "oov_tokens\t0\n" in run_weft("eval", text, *run).out
        scored = run_weft("score", "你 喜欢 😀", *run).out.splitlines()
        assert all(line.endswith("\t0") for line in scored[1:])
        written = run_weft("generate", "--prompt", "你 喜欢", "--max-tokens", 30, "--seed", 1, *run).out
        assert written.startswith("你 喜欢")
        assert "\ufffd" not in written or tokenizer == "bpe"


def test_a_run_is_named_after_its_text(run_weft: RunWeft) -> None:
    Path("texts").mkdir()
    Path("texts/a.b.txt.gz").write_bytes(gzip.compress(write_text(Path("x.txt")).read_bytes()))
    for given, name in (("texts/a.b.txt.gz", "a.b"), ("texts/*.gz", "texts"), ("texts/", "texts2")):
        out = ["--out", f"runs/{name}"] if name == "texts2" else []
        assert run_weft("train", given, *FLAGS, "--epochs", 1, *out).code == 0
        assert Path("runs", name, "model.safetensors").exists()


def test_a_progress_bar_on_a_terminal_does_not_reach_the_results(start_weft: StartWeft, text: Path) -> None:
    ours, theirs = pty.openpty()
    process = start_weft("train", text, *FLAGS, "--epochs", 2, "--out", "run", stderr=theirs)
    os.close(theirs)
    shown = bytearray()
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # Linux reports the closed end of a terminal as an error
        pass
    out, _err = process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[" in shown
    assert b"epoch 2 done" in shown
    assert b"\x1b" not in out
    assert out.splitlines()[0].endswith(b"the best model is in run")
