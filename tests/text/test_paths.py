"""Names of files as a user gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.errors import InputError, MissingFileError
from weft.text.lines import read_lines
from weft.text.paths import check_name, looks_like_text, missing, shown, user_path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_tilde_is_the_home_folder_unless_a_file_has_the_name(tmp_path: Path) -> None:
    assert user_path("~/a.txt") == tmp_path / "home" / "a.txt"
    assert user_path("~") == tmp_path / "home"
    assert user_path("~no-such-user.txt") == Path("~no-such-user.txt")
    Path("~").mkdir()
    Path("~/a.txt").touch()
    assert user_path("~/a.txt") == Path("~/a.txt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("you say\ngoodbye\n", r"got you say\\ngoodbye\\n; this looks like a text, not a name"),
        ("x" * 300, "got x{60}…; this looks like a text, not a name"),
        ("C:\temp\new.txt", r"got C:\\temp\\new.txt; the name contains control characters.*single quotes"),
        ("C:\new.txt", r"got C:\\new.txt; the name contains control characters.*single quotes"),
    ],
)
def test_a_text_in_place_of_a_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_name(name)


def test_a_file_may_have_an_odd_name() -> None:
    for name in ("two\nlines", "C:\temp", "what do you say"):
        Path(name).touch()
        check_name(name)


@pytest.mark.parametrize("name", ["my notes.txt", "texts/the first book", "a b", "*.txt of mine", "my long name.md"])
def test_names_with_blanks_do_not_look_like_texts(name: str) -> None:
    assert not looks_like_text(name)
    assert looks_like_text("you say goodbye .")


def test_the_message_about_a_missing_file_says_what_to_do() -> None:
    Path("train.txt").touch()
    assert str(missing(Path("tain.txt"))) == 'there is no file or folder tain.txt (did you mean "train.txt"?)'
    assert "this looks like a text" in str(missing(Path("you say goodbye")))
    Path("circle").symlink_to("circle")
    with pytest.raises(MissingFileError, match="circle is a symbolic link that leads in a circle"):
        list(read_lines("circle"))
    with pytest.raises(MissingFileError, match="there is no file nowhere"):
        list(read_lines("nowhere"))


def test_unprintable_characters_of_a_name_are_escaped() -> None:
    assert shown("a\x1b[1mé\u202e.txt") == "a\\x1b[1mé\\u202e.txt"
