"""`weft score --html` and `--png`: pictures that leave standard output unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command_line import RunWeft


def test_pictures_do_not_change_the_output(run_weft: RunWeft, trained: Path) -> None:
    lines = b"the cat zebra\n\na <b>dog</b>\n"
    plain = run_weft("score", "--run", trained, "--batch-size", 2, stdin=lines)
    for path in ("page.html", "plot.png"):
        assert not Path(path).exists()
    drawn = run_weft(
        "score", "--run", trained, "--batch-size", 2, "--html", "page.html", "--png", "plot.png", stdin=lines
    )
    assert (drawn.code, drawn.out) == (plain.code, plain.out)
    page = Path("page.html").read_text("utf-8")
    assert page.count('<p dir="auto">') == 3
    assert page.index(">zebra</span>") < page.index(">&lt;b&gt;dog&lt;/b&gt;</span>")
    assert "3 lines, 8 tokens, 2 out of the vocabulary" in page
    assert Path("plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_has_rank_entropy_and_alternatives(run_weft: RunWeft, trained: Path) -> None:
    for given, shown in (((), 5), (("--alternatives", 2), 2)):
        run_weft("score", "the cat", "--no-eos", "--run", trained, "--html", "page.html", *given)
        first, *_rest = Path("page.html").read_text("utf-8").split("<span")[1:]
        assert "&#10;rank  " in first
        assert "&#10;entropy  " in first
        assert first.partition("likeliest here:")[2].partition('">')[0].count("&#10;") == shown


@pytest.mark.parametrize("words", [(), ("--words",)])
def test_characters_and_their_words_are_drawn_too(run_weft: RunWeft, text: Path, words: tuple[str, ...]) -> None:
    run_weft(
        "train", text, "--tokenizer", "char", "--epochs", 1, "--max-steps", 2, "--hidden-size", 4, "--out", "chars"
    )
    answer = run_weft("score", "the  cat", "--run", "chars", "--html", "page.html", *words)
    assert answer.code == 0, answer.err
    page = Path("page.html").read_text("utf-8")
    assert ("rank" in page.partition("<main")[2]) == (not words)
    assert ("</span>  <span" in page) == bool(words)


def test_a_line_that_cannot_be_read_is_left_empty(run_weft: RunWeft, trained: Path) -> None:
    lines = b"the cat\n\xff\na dog\n"
    assert run_weft("score", "--run", trained, "--on-error", "skip", "--html", "page.html", stdin=lines).code == 0
    page = Path("page.html").read_text("utf-8")
    assert '\n<p dir="auto"></p>\n' in page
    assert page.count('<p dir="auto">') == 3
    Path("page.html").write_text("old")
    assert run_weft("score", "--run", trained, "--html", "page.html", stdin=lines).code == 2
    assert Path("page.html").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--html", "no/where.html"), "there is no folder no for the picture, where.html: make it first"),
        (("--html", "a", "--png", "a"), "--html and --png both name a: give each picture a file of its own"),
        (("--png", "."), ". is a folder: name a file for the picture"),
        (("--html", "page.html", "--both"), "a picture shows the text read in one way: leave --both out"),
    ],
)
def test_unusable_picture_files_are_errors(
    run_weft: RunWeft, trained: Path, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in run_weft("score", "the cat", "--run", trained, *arguments).refusal()


def test_missing_fonts_are_reported(run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.visualization.fonts._characters_of", lambda path: frozenset("the↵□"))
    answer = run_weft("score", "the 我", "--run", trained, "--png", "plot.png")
    assert answer.code == 0
    assert "weft: plot.png: no installed font has 1 of the characters" in answer.err
