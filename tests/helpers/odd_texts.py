"""Odd texts: what real files contain and a tokenizer may stumble over, by name, from a seed, and as a strategy."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import strategies as st

WORDS = ("the", "cat", "dog", "sat", "ran", "on", "a", "mat", "and", "then", "it", "slept", "zebra", "<unk>")
LONG = "supercalifragilistic" * 500
"""A word of 10,000 characters."""

TEXTS: dict[str, str] = {
    "plain": "the cat sat\non a mat\n",
    "no final line end": "the cat sat\non a mat",
    "windows line ends": "the cat sat\r\n\r\non a mat\r\n",
    "windows line ends, the last cut": "the cat sat\r\non a mat\r",
    "marks and carriage returns at the end": "the cat\nsat\n\ufeff\r",
    "carriage returns alone": "the cat\rsat on\ra mat\r",
    "carriage returns within lines": "the\rcat \r sat\r\r\non a\r mat\n",
    "blank lines": "\n\nthe cat\n\n \n\t\nsat\n\n",
    "byte-order mark": "\ufeffthe cat sat\non a mat\n",
    "byte-order marks of joined files": "\ufeffthe cat\n\ufeffsat on\r\n\ufeff\n\ufeff\ufeffa mat\n",
    "byte-order mark within a line": "the cat\ufeffsat on\n\ufeff a \ufeff mat\n",
    "blanks and tabs": " the  cat\t\tsat \n\t on a mat\t \n",
    "no-break spaces": "the\xa0cat sat \xa0 on\na\u202fmat 10\xa0km\n",
    "wide and thin spaces": "the\u3000cat\u2003sat\u200aon \u3000\na\u1680mat\u205f\n",
    "separators of Unicode": "the\u2028cat\u2029sat\x85on\n\x85 a mat \u2028\n",
    "separators of ASCII": "the\x0bcat\x0csat\x1con\x1da\x1emat\x1f\n\x0c\nit ran\n",
    "zero-width characters": "the\u200bcat s\u200dat\u2060 on\u00ad a\u200e mat\n",
    "emoji": "the 😀 sat 👩‍👧‍👦 on 👍🏽 a 🇩🇪 mat\n👩‍👧\n",
    "combining marks": "the café sat\ncafe\u0301 a\u0323\u0307 \u0301\n",
    "letters that change their number": "ﬁ ß İ ŉ the ΑΣ Σ mat\n",
    "Chinese": "我喜欢你，你喜欢我。\n你好　再见\n",
    "Arabic and Hebrew": "السلام عليكم\nשָׁלוֹם the cat\n",
    "Thai": "แมวนั่งบนเสื่อ\nthe แมว\n",
    "a long word": f"the {LONG} sat\n{LONG}\n",
    "long words of spaces": "the " + "cat\xa0" * 1100 + " sat " + "\u3000" * 4500 + "\n",
    "a long line": "the cat sat on a mat and then it slept " * 120 + "\nit\n",
    "a long line with tabs": "the\tcat\tsat  \t on\u3000a" * 250 + "\n",
    "markers": "<s> the cat </s>\n<unk> sat <UNK> <eos> on\n<eos>\n",
    "markers at line ends": "the cat sat <eos>\non a <eos> \nmat <eos>",
    "control characters": "the \x01cat\x07 \x1b[1msat\x7f on\n",
    "characters beyond the first plane": "the 𝔠𝔞𝔱 𠮷 \U0010ffff sat\n",
    "noncharacters": "the \ufffe cat \uffff sat \ufdd0\n",
    "signs": "\"the\" 'cat' & <b>sat</b> on,a;mat\\n %s {0} NA null -0.0\n",
}
"""Texts that every reader reads, by name."""

NOT_TEXT: dict[str, str] = {"NUL": "the cat\nsat\0on a mat\n", "a lone surrogate": "the cat\nsat\udc80 on\n"}
"""Strings that no reader accepts; in a file, the second is a byte that is not UTF-8."""

_PIECES = (
    *(f"{word} " for word in WORDS),
    *(" ", "\t", "\n", "\r\n", "\r", "\ufeff", "\xa0", "\u3000", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"),
    *(" <eos>\n", " </s>\r\n", "<s> ", "<unk>", "é", "e\u0301", "👩‍👧", "好", "שָׁ", "แมว", "\u200b", "𠮷", "İ", "\x1b"),
)


def random_texts(seed: int, longest: int = 60) -> Iterator[str]:
    """Texts without end, of up to `longest` parts, with some word in each; the same for the same seed."""
    draw = random.Random(seed)
    while True:
        parts = draw.choices(_PIECES, k=draw.randint(1, longest))
        parts.insert(draw.randrange(len(parts) + 1), draw.choice((*WORDS, LONG) if draw.random() < 0.1 else WORDS))
        yield "".join(parts)


def odd_texts() -> st.SearchStrategy[str]:
    """A strategy of odd texts with some word in each, for tests of properties."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    part = st.one_of(st.sampled_from(_PIECES), st.text(characters))
    return st.builds(
        lambda before, word, after: "".join((*before, word, *after)),
        st.lists(part, max_size=20),
        st.sampled_from(WORDS),
        st.lists(part, max_size=20),
    )
