"""The plot of surprisal: drawn for any text, with notes on what is missing or wrong."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from helpers.visualization_cases import characters_of, score, words_of
from weft.visualization import fonts, surprisal_plot
from weft.visualization.surprisal_plot import SurprisalPlot, write_png

PNG = b"\x89PNG\r\n\x1a\n"


def size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    content = path.read_bytes()
    assert content.startswith(PNG)
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def test_every_line_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    assert write_png(path, [words_of("the cat sat")]) == []
    width, height = size(path)
    assert write_png(path, [words_of("the cat sat"), [], words_of("a dog $x_1$ ran")]) == []
    assert size(path)[0] == width
    assert size(path)[1] > 1.5 * height
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]


def test_the_bars_are_the_surprisals_and_the_labels_the_words() -> None:
    plot = SurprisalPlot()
    plot.add([score("the", 0, 2.5), score("$cat$", 4, 7.0, oov=True), score(" ", 9, math.inf), score("", 10, 1.0)])
    figure = plot._figure([["the", "$cat$", "␣", "↵"]])
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([2.5, 7.0, axes.get_ylim()[1], 1.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["the", "$cat$", "␣", "↵"]
    assert [bar.get_hatch() for bar in axes.patches] == [None, "//", None, None]
    assert axes.get_ylabel() == "surprisal in bits (hatched: OOV)"


def test_a_long_text_is_truncated_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surprisal_plot, "MAX_TOKENS", 30)
    notes = write_png(tmp_path / "plot.png", [characters_of("a" * 20) for _ in range(5)])
    assert notes == ["the picture shows the first 30 of 105 tokens"]
    assert size(tmp_path / "plot.png")[1] < 800


def test_an_empty_plot_can_be_drawn(tmp_path: Path) -> None:
    assert write_png(tmp_path / "plot.png", []) == []
    size(tmp_path / "plot.png")


def test_characters_without_a_font_are_noted_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = fonts._characters_of
    monkeypatch.setattr(fonts, "_characters_of", lambda path: usual(path) if "DejaVuSans.ttf" in path else frozenset())
    (note,) = write_png(tmp_path / "plot.png", [characters_of("我喜欢")])
    assert note.startswith("no installed font has 3 of the characters (喜 我 欢): they are drawn as □; install one")


def test_a_font_that_has_the_characters_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = fonts._characters_of

    def characters(path: str) -> frozenset[str]:
        if "DejaVuSans.ttf" in path:
            return usual(path) - set("我喜")
        return frozenset("我喜") if "DejaVuSerif.ttf" in path else frozenset()

    monkeypatch.setattr(fonts, "_characters_of", characters)
    assert fonts.families_for("a 我喜☃") == (["DejaVu Sans", "DejaVu Serif"], set())
    assert fonts.families_for("我\U000f0000") == (["DejaVu Sans", "DejaVu Serif"], {"\U000f0000"})
    assert fonts.families_for("abc") == (["DejaVu Sans"], set())


def test_a_font_installed_since_the_list_of_fonts_was_made_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import font_manager, get_data_path

    characters = "\ue0dc\ue10f"  # of a private area, which this font of matplotlib has
    listed = font_manager.fontManager.ttflist
    stale = [font for font in listed if not font.name.startswith("STIXNonUnicode")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", stale)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [font.fname for font in stale])
    assert fonts.families_for(characters)[1] == set(characters)
    installed = Path(shutil.copy(Path(get_data_path()) / "fonts/ttf/STIXNonUni.ttf", tmp_path))
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    paths = [str(broken), str(installed), *(font.fname for font in stale)]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: paths)
    assert write_png(tmp_path / "plot.png", [characters_of(characters)]) == []
    assert fonts.families_for(characters) == (["DejaVu Sans", "STIXNonUnicode"], set())


def test_folders_of_fonts_are_searched_only_for_characters_that_are_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: pytest.fail("not needed"))
    assert fonts.families_for("the café") == (["DejaVu Sans"], set())


def test_right_to_left_words_are_noted_where_letters_are_not_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surprisal_plot, "_shapes_text", lambda: True)
    assert write_png(tmp_path / "plot.png", [words_of("שלום שלום")]) == []
    monkeypatch.setattr(surprisal_plot, "_shapes_text", lambda: False)
    (note,) = write_png(tmp_path / "plot.png", [words_of("שלום שלום")])
    assert "right to left" in note
