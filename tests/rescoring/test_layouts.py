"""Layouts of n-best lists: reading, writing with new scores, and invalid lists."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from weft.errors import InputError, MissingFileError
from weft.rescoring import ColumnLayout, Hypothesis, JsonLayout, KaldiLayout, Utterance, Weights, rescore
from weft.rescoring.json_layout import plain_objects
from weft.rescoring.layout import Layout
from weft.rescoring.prefix_scorer import TextScore
from weft.rescoring.references import read_references
from weft.scoring.units import BANS, BITS

LN10 = math.log(10)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Constant:
    """ln P = -ln 10 for each token, the end included."""

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [TextScore(-LN10 * (len(text.split()) + 1), len(text.split()) + 1, 0) for text in texts]


def read(layout: Layout, *files: str) -> list[Utterance]:
    return list(layout.read(files))


def scored(layout: Layout, *files: str) -> list[str]:
    return [
        line for utterance in rescore(layout.read(files), Constant(), Weights()) for line in layout.scored(utterance)
    ]


def by_id(layout: Layout, *files: str) -> list[tuple[str, list[tuple[str, int, float | None, float | None]]]]:
    return [(utterance.id, [plain(found) for found in utterance.hypotheses]) for utterance in read(layout, *files)]


def plain(hypothesis: Hypothesis) -> tuple[str, int, float | None, float | None]:
    return hypothesis.text, hypothesis.words, hypothesis.acoustic_nats, hypothesis.old_lm_nats


def test_srilm_lists_with_one_utterance_per_file() -> None:
    folder = Path("lists")
    folder.mkdir()
    (folder / "utt2.score").write_text("-20.5 -3 2 the  cat\n-21 -2 0\n", encoding="utf-8")
    with gzip.open(folder / "utt1.score.gz", "wt", encoding="utf-8") as file:
        file.write("-10 -1.5 9 你 好\n")
    (folder / ".hidden").write_text("no list")
    first, second = read(ColumnLayout(), "lists")
    assert (first.id, second.id) == ("utt1", "utt2")
    assert [plain(hypothesis) for hypothesis in (*first.hypotheses, *second.hypotheses)] == [
        ("你 好", 9, -10 * LN10, -1.5 * LN10), ("the cat", 2, -20.5 * LN10, -3 * LN10), ("", 0, -21 * LN10, -2 * LN10),
    ]  # fmt: skip
    assert scored(ColumnLayout(), "lists") == [
        "utt1 -10 -3.000000 9 你 好", "utt2 -20.5 -3.000000 2 the  cat", "utt2 -21 -1.000000 0",
    ]  # fmt: skip


def test_declared_columns() -> None:
    Path("list.txt").write_text("7 u1 skipped -2 a b\n8 u1 skipped -3\n9 u2 skipped -4 c\n")
    layout = ColumnLayout(["nwords", "id", "-", "lscore", "text"], unit=BITS)
    assert by_id(layout, "list.txt") == [
        ("u1", [("a b", 7, None, -2 * math.log(2)), ("", 8, None, -3 * math.log(2))]),
        ("u2", [("c", 9, None, -4 * math.log(2))]),
    ]
    assert scored(layout, "list.txt")[0] == f"7 u1 skipped {-3 * math.log2(10):.6f} a b"


def test_a_list_of_ids_and_words() -> None:
    Path("list.txt").write_text("u1 a b\nu1\nu2 c\n")
    layout = ColumnLayout(["id", "text"])
    assert [len(utterance.hypotheses) for utterance in read(layout, "list.txt")] == [2, 1]
    with pytest.raises(InputError, match="no column lscore"):
        scored(layout, "list.txt")


def test_written_scores_can_be_read() -> None:
    Path("u1.score").write_text("-10 -1 1 a\n-11 -2 2 a b\n")
    Path("again.txt").write_text("\n".join(scored(ColumnLayout(), "u1.score")))
    again = ColumnLayout(["id", "ascore", "lscore", "nwords", "text"])
    (utterance,) = read(again, "again.txt")
    assert utterance.id == "u1"
    assert [hypothesis.old_lm_nats for hypothesis in utterance.hypotheses] == pytest.approx([-2 * LN10, -3 * LN10])


def test_a_score_of_zero_has_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Constant, "score", lambda _self, texts: [TextScore(0.0, 1, 0) for _ in texts])
    Path("u1.score").write_text("-10 -1 1 a\n")
    Path("words").write_text("u-1 a\n")
    Path("u1.jsonl").write_text('{"id": 1, "text": "a"}\n')
    assert scored(ColumnLayout(), "u1.score") == ["u1 -10 0.000000 1 a"]
    assert scored(KaldiLayout(), "words") == ["u-1 0.000000"]
    assert '"weft_logprob_nats": 0.0' in scored(JsonLayout(), "u1.jsonl")[0]


def test_kaldi_lists_with_costs() -> None:
    Path("words").write_text("a-b-1 the cat\na-b-2\nc-10 dog \nc-2 dog\n")
    Path("ac").write_text("a-b-1 100.5\na-b-2 101\nc-10 7\nc-2 -3\n")
    Path("lm").write_text("a-b-1 9\na-b-2 8\nc-10 7.5\nc-2 6e0\n")
    layout = KaldiLayout("ac", "lm")
    assert by_id(layout, "words") == [
        ("a-b", [("the cat", 2, -100.5, -9), ("", 0, -101, -8)]), ("c", [("dog", 1, -7, -7.5), ("dog", 1, 3, -6)]),
    ]  # fmt: skip
    assert scored(layout, "words") == [
        f"a-b-1 {3 * LN10:.6f}", f"a-b-2 {LN10:.6f}", f"c-10 {2 * LN10:.6f}", f"c-2 {2 * LN10:.6f}",
    ]  # fmt: skip


def test_json_lines() -> None:
    rows = [
        {"utt": 7, "hyp": " a  b", "am": -2, "lm": -1.5, "more": ["kept", "好"]},
        {"utt": 7, "hyp": "", "am": -3, "lm": 0},
    ]
    Path("list.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    layout = JsonLayout("utt", "hyp", "am", "lm", unit=BANS)
    (utterance,) = read(layout, "list.jsonl")
    assert utterance.id == "7"
    assert [plain(found) for found in utterance.hypotheses] == [
        ("a b", 2, -2 * LN10, -1.5 * LN10),
        ("", 0, -3 * LN10, 0),
    ]
    first, second = map(json.loads, scored(layout, "list.jsonl"))
    assert first == {
        **rows[0], "weft_logprob_nats": round(-3 * LN10, 6), "weft_oov_tokens": 0,
        "weft_total_nats": round(-5 * LN10, 6), "weft_rank": 2,
    }  # fmt: skip
    assert second["weft_rank"] == 1
    assert '"好"' in scored(layout, "list.jsonl")[0]


def test_any_list_can_be_written_as_json() -> None:
    Path("u1.score").write_text("-10 -1 1 a\n")
    (rescored,) = rescore(ColumnLayout(["-", "lscore", "nwords", "text"]).read(["u1.score"]), Constant(), Weights())
    (row,) = map(json.loads, plain_objects(rescored))
    assert (row["id"], row["text"], row["words"], row["old_lm_nats"]) == ("u1", "a", 1, round(-LN10, 6))
    assert "acoustic_nats" not in row


ID_FIRST = ColumnLayout(["id", "ascore", "text"])
INVALID: list[tuple[Layout, bytes, str]] = [
    (ColumnLayout(), b"-1 -2 3 a\n-1 -2\n", "line 2: expected the columns ascore lscore nwords text, got 2 of 3"),
    (ColumnLayout(), b"-1 -2 x a\n", "line 1: nwords must be a number of words, got 'x'"),
    (ColumnLayout(), b"-1 the 3 a\n", "line 1: lscore must be a finite number, got 'the'"),
    (ColumnLayout(), b"-inf -2 3 a\n", "line 1: ascore must be a finite number, got '-inf'"),
    (ColumnLayout(), b"NBestList2.0\n", "line 1: this is Decipher's format"),
    (ColumnLayout(), b"-1 -2 3 a\n\n", "line 2: expected the columns"),
    (ColumnLayout(), b"", "list: the utterance 'list' has no hypotheses"),
    (ColumnLayout(), b"-1 -2 3 caf\xe9\n", "list is not UTF-8: line 1, byte 11"),
    (ID_FIRST, b"u1 -1 a\n -1 a\n", "line 2: there is no id at its beginning"),
    (ID_FIRST, b"u1 -1 a\n\nu2 -1 a\n", "line 2: there is no id at its beginning"),
    (ID_FIRST, b"u1 -1 a\nu2 -1 b\nu1 -2 c\n", "line 3: the utterance 'u1' was there before"),
    (KaldiLayout(), b"utt1-1 a\nutt1 b\n", "line 2: 'utt1' is not the id of a hypothesis: expected UTTERANCE-NUMBER"),
    (KaldiLayout(), b"utt1-1 a\n utt1-2 b\n", "line 2: there is no id at its beginning"),
    (KaldiLayout(), b"u-1 a\nu-2 b\nu-1 c\n", "line 3: the hypothesis 'u-1' was there before"),
    (KaldiLayout(), b"u-1 a\nv-1 b\nu-2 c\n", "line 3: the utterance 'u' was there before"),
    (KaldiLayout("short"), b"u-1 a\nu-2 b\n", "short ends before the cost of 'u-2'"),
    (KaldiLayout("short"), b"v-1 a\n", "short, line 1: expected the cost of 'v-1', got 'u-1'"),
    (KaldiLayout("short"), b"", "short, line 1: this cost is of no hypothesis"),
    (KaldiLayout("broken"), b"u-1 a\n", "broken, line 1: the cost must be a finite number, got '1 2'"),
    (KaldiLayout("gone"), b"u-1 a\n", "there is no file gone"),
    (JsonLayout(), b'{"id": "u", "text": "a"}\n{"text": "b"}', "line 2: there is no key 'id'; it has 'text'"),
    (JsonLayout(), b'{"id": "u"}', "line 1: there is no key 'text'; it has 'id'"),
    (JsonLayout(), b'{"id": null, "text": "a"}', "line 1: the id 'id' must be a string or a whole number, got None"),
    (JsonLayout(), b'{"id": "", "text": "a"}', "line 1: the id 'id' must be a string or a whole number, got ''"),
    (JsonLayout(), b'{"id": "u", "text": ["a"]}', "line 1: the text 'text' must be a string"),
    (JsonLayout(acoustic="am"), b'{"id": "u", "text": "a"}', "line 1: there is no key 'am'"),
    (JsonLayout(acoustic="am"), b'{"id": "u", "text": "a", "am": "-1"}', "line 1: 'am' must be a number"),
    (JsonLayout(acoustic="am"), b'{"id": "u", "text": "a", "am": NaN}', "line 1: not a JSON object"),
    (JsonLayout(acoustic="am"), b'{"id": "u", "text": "a", "am": true}', "line 1: 'am' must be a finite number"),
    (JsonLayout(acoustic="am"), b'{"id": 1, "text": "", "am": 1%s}' % (b"0" * 400), "'am' must be a finite number"),
    (JsonLayout(), b'["u", "a"]', "line 1: expected a JSON object, got"),
    (JsonLayout(), b"u a\n", "line 1: not a JSON object"),
    (JsonLayout(), b"[" * 100_000, "line 1: not a JSON object"),
]


@pytest.mark.parametrize(("layout", "content", "expected"), INVALID, ids=range(len(INVALID)))
def test_an_invalid_line_is_an_error_with_its_number(layout: Layout, content: bytes, expected: str) -> None:
    Path("list").write_bytes(content)
    Path("short").write_text("u-1 5\n")
    Path("broken").write_text("u-1 1 2\n")
    with pytest.raises((InputError, MissingFileError)) as refused:
        read(layout, "list")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_files_of_the_same_name_are_an_error() -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, "u.score").write_text("-1 -2 3 a\n")
    with pytest.raises(InputError, match=r"two.u\.score, line 1: the utterance 'u' was there before"):
        read(ColumnLayout(), "one", "two")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "acsore", "text"], "unknown column 'acsore' (did you mean \"ascore\"?)"),
        (["id", "id", "text"], "the column id is declared twice"),
        (["text", "id"], "the last column must be text, got text,id"),
        ([], "the last column must be text, got none"),
    ],
)
def test_invalid_columns_are_refused(columns: list[str], expected: str) -> None:
    with pytest.raises(InputError) as refused:
        ColumnLayout(columns)
    assert expected in str(refused.value)


@pytest.mark.parametrize(("damage", "expected"), [(slice(None, -5), "cut short"), (slice(5, None), "not a gzip file")])
def test_a_damaged_gzip_file_is_an_error(damage: slice, expected: str) -> None:
    Path("u.gz").write_bytes(gzip.compress(b"-1 -2 3 a\n" * 1000)[damage])
    with pytest.raises(InputError, match=rf"u\.gz is {expected}"):
        read(ColumnLayout(), "u.gz")


def test_missing_sources_are_errors() -> None:
    Path("empty").mkdir()
    with pytest.raises(InputError, match="the folder empty holds no files"):
        read(ColumnLayout(), "empty")
    with pytest.raises(MissingFileError, match="there is no file gone"):
        read(KaldiLayout(), "gone")
    with pytest.raises(InputError, match="declare a column id"):
        read(ColumnLayout(), "-")


def test_references() -> None:
    Path("references").write_text("u1 the  cat\nu2\nu3 好\nu4 x\nu5 y\n", encoding="utf-8")
    references = read_references("references")
    assert (references.of("u1"), references.of("u2"), references.of("u1")) == ("the cat", "", "the cat")
    with pytest.raises(
        InputError, match=r"the utterance 'u9' has no reference; there are references of 'u1', 'u2', 'u3'"
    ):
        references.of("u9")
    with pytest.raises(InputError, match=r"3 of 5 references are of utterances without hypotheses: 'u3', 'u4', 'u5'$"):
        references.refuse_unused()


@pytest.mark.parametrize(
    ("content", "expected"),
    [("u1 a\nu1 b\n", "line 2: the utterance 'u1' has a reference already"), ("u1 a\n b\n", "line 2: there is no id")],
)
def test_invalid_references_are_refused(content: str, expected: str) -> None:
    Path("references").write_text(content)
    with pytest.raises(InputError, match=expected):
        read_references("references")
