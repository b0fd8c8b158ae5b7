"""The page of coloured text: well formed, self-contained, with the unchanged text and its numbers."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.visualization_cases import characters_of, line_end, score, words_of
from weft.scoring.token_score import TokenScore
from weft.visualization.colour_scale import BACKGROUNDS
from weft.visualization.html_page import html_page, write_html

VOID = {"meta"}


class Page(HTMLParser):
    """The page as parsed by a browser: paragraphs, tokens with their tips; every element must be closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.lines: list[str] = []
        self.tokens: list[tuple[str, list[str], str]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.content = path.read_text("utf-8")
        self.feed(self.content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += attrs
        assert len(dict(attrs)) == len(attrs)
        if tag == "p" and "main" in self.open:
            self.lines.append("")
        if tag == "span":
            found = dict(attrs)
            self.tokens.append(("", (found["class"] or "").split(), found["data-tip"] or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-2:] == ["main", "p"] or self.open[-1:] == ["span"]:
            self.lines[-1] += data
        if self.open[-1:] == ["span"]:
            text, classes, tip = self.tokens[-1]
            self.tokens[-1] = (text + data, classes, tip)


def drawn(tmp_path: Path, lines: list[str], scores: list[list[TokenScore]]) -> Page:
    path = tmp_path / "page.html"
    write_html(path, lines, scores)
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
    return Page(path)


@pytest.mark.parametrize(
    "line",
    [
        "The cat  sat.",
        "  leading, trailing and\tinner blanks  ",
        "",
        "我喜欢你，你喜欢我。",
        "شكرا جزيلا يا صديقي",
        "<script>alert('1 & 2')</script> &amp; \"quoted\" </span>",
        "👩‍👩‍👧 é {braces}",
    ],
)
def test_the_text_is_shown_unchanged(tmp_path: Path, line: str) -> None:
    lines = [line, "another"]
    for scores_of in (words_of, characters_of):
        page = drawn(tmp_path, lines, [scores_of(line) for line in lines])
        assert page.lines == lines
        assert [text for text, _classes, _tip in page.tokens] == [
            score.text for line in lines for score in scores_of(line)
        ]


def test_the_page_is_self_contained_and_has_no_script(tmp_path: Path) -> None:
    page = drawn(tmp_path, ["<script src=x> http://a.example"], [words_of("<script src=x> http://a.example")])
    assert not {name for name, _value in page.attributes} & {"src", "href", "onclick", "onload", "style"}
    assert "<script" not in page.content
    style = page.content.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_every_token_is_focusable_and_shows_its_numbers(tmp_path: Path) -> None:
    full = score(
        "cat", 4, 5.0, oov=True, token="<unk>", rank=1234, entropy_nats=3 * math.log(2),
        alternatives=(("dog", math.log(0.25)), ("a b", math.log(0.125))), entropy_reduction_nats=0.5 * math.log(2),
    )  # fmt: skip
    bare = score("the", 0, 0.5, rank=None, entropy_nats=None)
    page = drawn(tmp_path, ["the cat"], [[bare, full, line_end("the cat")]])
    assert [value for name, value in page.attributes if name == "tabindex"] == ["0"] * 3
    (the, the_classes, the_tip), (_cat, cat_classes, cat_tip), (end, end_classes, _tip) = page.tokens
    assert (the, the_classes) == ("the", ["s0"])
    assert the_tip == f"the\nprobability  {2**-0.5:.4g}\nsurprisal    0.500 bits"
    assert cat_classes == ["s4", "oov"]
    assert cat_tip.split("\n") == [
        "<unk>  (out of the vocabulary)",
        "probability  0.03125",
        "surprisal    5.000 bits",
        "rank         1,234",
        "entropy      3.000 bits",
        "entropy reduction  0.500 bits",
        "likeliest here:",
        "  0.2500  dog",
        "  0.1250  a␣b",
    ]
    assert (end, end_classes) == ("", ["s1", "end"])


def test_every_level_has_its_colour_and_its_bits_in_the_legend(tmp_path: Path) -> None:
    page = drawn(tmp_path, [], [])
    for number, colour in enumerate(BACKGROUNDS):
        assert f".s{number} {{ background: {colour};" in page.content
        assert f'<b class="s{number}">' in page.content
    assert "in bits" in page.content


def test_a_character_of_several_tokens_is_shown_once(tmp_path: Path) -> None:
    pieces = [score("我", 0, token=f"<{byte:02x}>") for byte in "我".encode()]
    page = drawn(tmp_path, ["我!"], [[*pieces, score("!", 1)]])
    assert page.lines == ["我!"]
    assert [(text, "part" in classes) for text, classes, _tip in page.tokens] == [
        ("我", False), ("", True), ("", True), ("!", False),
    ]  # fmt: skip


def test_characters_forbidden_in_html_are_replaced_by_symbols(tmp_path: Path) -> None:
    line = "a\x1b[1m\x00b\udcff"
    page = drawn(tmp_path, [line], [words_of(line)])
    assert page.lines == ["a␛[1m␀b?"]


def test_the_footer_has_the_totals(tmp_path: Path) -> None:
    line = "a b"
    page = drawn(tmp_path, [line], [[score("a", 0, 2.0), score("b", 2, 4.0, oov=True)]])
    assert "1 lines, 2 tokens, 1 out of the vocabulary; 3.000 bits per token; perplexity 8.00 including" in page.content
    assert "4.00 excluding them" in page.content
    impossible = score("a", 0, math.inf)
    assert "perplexity inf" in drawn(tmp_path, ["a"], [[impossible]]).content


def test_an_error_keeps_the_old_page(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def stopped() -> None:
        with html_page(path) as page:
            page.add("a", words_of("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    def many(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"line {number} of some words"

    def peak(count: int) -> int:
        tracemalloc.start()
        write_html(tmp_path / "page.html", many(count), map(words_of, many(count)))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(10)
    few = peak(200)
    assert peak(2000) < 1.5 * few + 50_000
    assert (tmp_path / "page.html").stat().st_size > 1_000_000
