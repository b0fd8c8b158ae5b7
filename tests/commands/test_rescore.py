"""`weft rescore`: the best hypothesis of each utterance, in order; tuned weights; errors in lists and options."""

from __future__ import annotations

import json
import math
import signal
import subprocess
from pathlib import Path

import pytest

import weft
from helpers.command_line import RunWeft, StartWeft

WORDS = {"utt2": ["the cat sat", "the zebra sat", "the cat"], "utt1": ["a mat", "", "on a mat"]}
KALDI = ["nbest", "--format", "kaldi", "--acoustic-costs", "ac"]


@pytest.fixture(autouse=True)
def lists(elsewhere: None) -> None:
    """The same lists in every layout."""
    rows = [(id, number, text) for id, texts in WORDS.items() for number, text in enumerate(texts, start=1)]
    Path("nbest").write_text("".join(f"{id}-{number} {text}\n" for id, number, text in rows))
    Path("ac").write_text("".join(f"{id}-{number} {10 + number / 4}\n" for id, number, _text in rows))
    Path("nbest.jsonl").write_text(
        "".join(json.dumps({"id": id, "text": text, "am": -10 - number / 4}) + "\n" for id, number, text in rows)
    )
    Path("columns").write_text(
        "".join(f"{id} {(-10 - number / 4) / math.log(10)} 0 {len(text.split())} {text}\n" for id, number, text in rows)
    )
    Path("references").write_text("utt1 on a mat\nutt2 the cat\n")


def test_the_best_hypotheses_have_the_highest_totals(run_weft: RunWeft, trained: Path) -> None:
    lm = weft.load(trained)
    best = {
        id: max(
            (2 * lm.logprob(text) - 0.5 * len(text.split()) - number / 4, text) for number, text in enumerate(texts)
        )
        for id, texts in WORDS.items()
    }
    answer = run_weft("rescore", *KALDI, "--lm-weight", 2, "--word-weight", -0.5, "--run", trained)
    assert answer.out == "".join(f"{id} {text}".rstrip() + "\n" for id, (_total, text) in best.items())
    assert "6 hypotheses of 2 utterances; 1 of 19 tokens (5.26%) are out of the vocabulary" in answer.err


def test_every_layout_gives_the_same_choice(run_weft: RunWeft, trained: Path) -> None:
    flags = ["--lm-weight", 0.4, "--word-weight", 0.3, "--run", trained]
    expected = run_weft("rescore", *KALDI, *flags)
    assert expected.code == 0
    for layout in (
        ["nbest.jsonl", "--format=jsonl", "--acoustic-key=am"],
        ["columns", "--format=srilm", "--columns", "id,ascore,lscore,nwords,text"],
        ["columns", "--format=srilm", "--columns", "id ascore - nwords text", "--base=10", "--batch-size=1"],
    ):
        assert run_weft("rescore", *layout, *flags) == expected
    stdin = Path("nbest.jsonl").read_bytes()
    assert run_weft("rescore", "--format=jsonl", "--acoustic-key=am", *flags, stdin=stdin) == expected


def test_written_scores_can_be_read_as_costs(run_weft: RunWeft, trained: Path) -> None:
    lm = weft.load(trained)
    costs = run_weft("rescore", *KALDI, "--scores", "--run", trained)
    rows = [line.split() for line in costs.out.splitlines()]
    texts = [text for texts in WORDS.values() for text in texts]
    assert [float(cost) for _id, cost in rows] == pytest.approx([-lm.logprob(text) for text in texts], abs=1e-4)
    Path("lm").write_text(costs.out)
    twice = run_weft("rescore", *KALDI, "--lm-costs", "lm", "--old-lm-weight", 1, "--lm-weight", 1, "--run", trained)
    assert twice.out == run_weft("rescore", *KALDI, "--lm-weight", 2, "--run", trained).out


def test_every_hypothesis_as_json(run_weft: RunWeft, trained: Path) -> None:
    lm = weft.load(trained)
    rows = list(map(json.loads, run_weft("rescore", *KALDI, "--jsonl", "--run", trained).out.splitlines()))
    assert [(row["id"], row["text"]) for row in rows] == [(id, text) for id, texts in WORDS.items() for text in texts]
    for row in rows:
        assert row["weft_logprob_nats"] == pytest.approx(lm.logprob(row["text"]), abs=1e-4)
        assert row["weft_total_nats"] == pytest.approx(row["acoustic_nats"] + row["weft_logprob_nats"], abs=2e-6)
    assert [row["weft_oov_tokens"] for row in rows] == [0, 1, 0, 0, 0, 0]
    assert sorted(row["weft_rank"] for row in rows) == [1, 1, 2, 2, 3, 3]


def test_weights_are_tuned_written_and_read_back(run_weft: RunWeft, trained: Path) -> None:
    tuned = run_weft("rescore", *KALDI, "--references", "references", "--tune", "w.toml", "--run", trained)
    rows = dict(line.split("\t") for line in tuned.out.splitlines())
    assert (rows["utterances"], rows["hypotheses"], rows["reference_words"]) == ("2", "6", "5")
    # First hypotheses: one inserted, one deleted, of 5 words. The correct ones are third.
    assert (rows["wer_first_percent"], rows["wer_oracle_percent"]) == ("40.0000", "0.0000")
    assert float(rows["wer_after_percent"]) <= float(rows["wer_before_percent"])
    again = run_weft("rescore", *KALDI, "--references", "references", "--weights", "w.toml", "--run", trained)
    assert f"{float(rows['wer_after_percent']):.2f}%; of the first hypotheses 40.00%" in again.err
    assert again.out.splitlines()[0].split()[0] == "utt2"
    start = run_weft(
        "rescore", *KALDI, "--references", "references", "--tune", "v.toml", "--weights", "w.toml", "--run", trained
    )
    assert dict(line.split("\t") for line in start.out.splitlines())["wer_before_percent"] == rows["wer_after_percent"]


def test_an_empty_list_gives_no_lines(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("rescore", "--format", "kaldi", "--run", trained)
    assert (answer.code, answer.out) == (0, "")


def test_lines_before_an_error_are_written(run_weft: RunWeft, trained: Path) -> None:
    rows = [*Path("nbest.jsonl").read_text().splitlines(), '{"text": "no id"}']
    answer = run_weft("rescore", "--format=jsonl", "--batch-size=1", "--run", trained, stdin="\n".join(rows).encode())
    assert answer.code == 2
    assert [line.split()[0] for line in answer.out.splitlines()] == ["utt2"]
    assert answer.err == "weft: standard input, line 7: there is no key 'id'; it has 'text'\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nbest --format kaldi --lm-key lm", "--lm-key is for --format jsonl; the format is kaldi"),
        ("nbest --format kaldi --base 10", "--base is for --format srilm or --format jsonl; the format is kaldi"),
        ("nbest --format kladi", '(did you mean "kaldi"?)'),
        ("nbest", "Missing option '--format'"),
        ("nbest --format jsonl --base 3", "--base must be one of 2, e, 10, got '3'"),
        ("columns --format srilm --columns id,ascore,txt", "unknown column 'txt' (did you mean \"text\"?)"),
        ("columns --format srilm --columns id,text --scores", "there is no column lscore"),
        ("nbest --format kaldi --scores --jsonl", "--best, --scores and --jsonl exclude each other"),
        (
            "nbest --format kaldi --acoustic-weight 2",
            "there is a weight acoustic_weight, but no such score is declared",
        ),
        ("nbest --format kaldi --old-lm-weight 2", "there is a weight old_lm_weight, but no such score is declared"),
        ("nbest --format kaldi --weights old.toml", "there is a weight old_lm_weight, but no such score is declared"),
        ("nbest --format kaldi --weights gone.toml", "there are no weights at gone.toml"),
        ("nbest --format kaldi --lm-weight nan", "lm_weight must be a finite number, got nan"),
        ("nbest --format kaldi --tune w.toml", "--tune needs --references"),
        (
            "nbest --format kaldi --references references --tune no/w.toml",
            "there is no folder no for the weights, w.toml: make it first",
        ),
        ("nbest --format kaldi --references references --tune .", ". is a folder: name a file for the weights"),
        (
            "nbest --format kaldi --references references --tune w.toml --best",
            "--tune writes weights and no hypotheses",
        ),
        ("nbest --format kaldi --references few --tune w.toml", "the utterance 'utt2' has no reference"),
        ("nbest --format kaldi --references empty", "the utterance 'utt2' has no reference; there are no references"),
        ("nbest --format kaldi --references many --tune w.toml", "1 of 3 references are of utterances without"),
        ("silent --format kaldi --references silence --tune w.toml", "needs references with words"),
        ("- --format kaldi --references -", "standard input can be read only once"),
        ("spaces --format jsonl", "the id 'u 1' has white space in it"),
        ("huge --format jsonl --acoustic-key am", "huge, line 1: 'am' must be a finite number from -1e+15 to 1e+15"),
        (
            "nbest --format kaldi --acoustic-costs ac --acoustic-weight 1e308",
            "the utterance 'utt2': the total of hypothesis 1 is not a finite number",
        ),
        ("nbest --format kaldi --batch-size 0", "'--batch-size': expected at least 1, got 0"),
        ("nbest --format kaldi --nbest-weight 1", "no such option --nbest-weight"),
    ],
)
def test_unusable_options_and_lists_are_errors(run_weft: RunWeft, trained: Path, line: str, expected: str) -> None:
    Path("old.toml").write_text("old_lm_weight = 1\n")
    Path("few").write_text("utt1 on a mat\n")
    Path("many").write_text("utt1 on a mat\nutt2 the cat\nutt3 it\n")
    Path("empty").touch()
    Path("silent").write_text("utt-1 the\n")
    Path("silence").write_text("utt\n")
    Path("huge").write_text('{"id": "u", "text": "a", "am": 1e308}\n')
    Path("spaces").write_text('{"id": "u 1", "text": "a"}\n')
    assert expected in run_weft("rescore", *line.split(), "--run", trained).refusal()
    assert not Path("w.toml").exists()


def test_a_closed_reader_is_not_an_error(start_weft: StartWeft, trained: Path) -> None:
    Path("long").write_text("".join(f"u{number}-1 the cat sat\n" for number in range(20_000)))
    process = start_weft("rescore", "long", "--format", "kaldi", "--run", trained)
    assert process.stdout is not None
    assert process.stdout.readline() == b"u0 the cat sat\n"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_ctrl_c_ends_in_one_line(start_weft: StartWeft, trained: Path) -> None:
    process = start_weft("rescore", "--format", "kaldi", "--batch-size", 1, "--run", trained, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"u-1 the cat\nv-1 the dog\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"u the cat\n"
    process.send_signal(signal.SIGINT)
    process.wait(60)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"weft: stopped\n")
