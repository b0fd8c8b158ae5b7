"""Characters that would control a terminal or break a row are shown escaped; writing of any script is not."""

from __future__ import annotations

import pytest

from weft.presentation.escapes import for_terminal, one_line, printable, unbroken, visible

CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\u202e", "\u2066", "\udcff"]
SCRIPTS = ["naïve café", "你好，世界。", "שָׁלוֹם\u200f", "नमस्ते क्\u200dष", "می\u200cخواهم", "👩‍👧", "a\u00a0b", "a\u3000b"]


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_no_control_reaches_a_terminal(control: str) -> None:
    kept = control in "\t\n"
    assert (control in for_terminal(f"a{control}b")) == kept
    for escape in (one_line, printable, visible, unbroken):
        shown = escape(f"a{control}b")
        assert control not in shown
        assert shown.startswith("a\\")
        assert shown.endswith("b")


@pytest.mark.parametrize("text", SCRIPTS)
def test_the_writing_of_any_script_is_kept_for_people(text: str) -> None:
    assert for_terminal(text) == one_line(text) == text


def test_a_token_shows_its_spaces() -> None:
    assert visible(" a b\u200d") == "␣a␣b\\u200d"
    assert printable(" a b\t") == " a b\\t"
    assert unbroken(" a\u2028") == "\\x20a\\u2028"
