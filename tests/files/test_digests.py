"""Digests find every changed byte of a text, and are stable."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from weft.files.digests import PLACE, RunningDigest, digest_of, is_damaged, stated_digest, with_digest


def test_the_digest_is_that_of_the_xxh3_specification() -> None:
    assert digest_of() == "99aa06d3014798d86001c324468d497f"  # XXH3, 128 bits, of no bytes
    running = RunningDigest()
    running.add(b"")
    assert running.digest() == digest_of()


def test_parts_are_separate() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("abc") == digest_of(b"abc") == digest_of(np.frombuffer(b"abc", np.uint8))
    assert digest_of(np.zeros(0)) == digest_of("")


@given(st.dictionaries(st.text(), st.integers()), st.data())
def test_every_changed_character_of_a_text_is_found(values: dict[str, int], data: st.DataObject) -> None:
    text = with_digest(json.dumps({"digest": PLACE, "values": values}, ensure_ascii=False))
    assert not is_damaged(text)
    assert stated_digest(text) is not None
    place = data.draw(st.integers(text.index("values"), len(text) - 1))
    new = data.draw(st.characters(codec="utf-8").filter(lambda character: character != text[place]))
    assert is_damaged(text[:place] + new + text[place + 1 :])
    digit = text.index(":") + 3
    assert is_damaged(text[:digit] + ("0" if text[digit] != "0" else "1") + text[digit + 1 :])


def test_a_text_without_a_digest_is_not_damaged() -> None:
    assert not is_damaged('{"step": 1}')
    assert stated_digest('{"step": 1}') is None
