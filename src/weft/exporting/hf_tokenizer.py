"""A tokenizer of weft as `tokenizer.json` of the package `tokenizers`, with the same tokens for every text.

    word   text is cut at the characters that separate words, and every word looked up
    char   every code point is looked up
    bpe    the byte pairs, which are of that package already

Every line end is `<eos>`, and lower-casing is that of Python, which has a second small sigma at the end of a word. In
contrast to weft, `<eos>`, `<unk>` and `<pad>` in a text are these tokens wherever they are written: programs mark the
beginning of a text so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from weft.errors import InputError
from weft.text.tokenizers.base import EOS, UNK, Tokenizer

Json = dict[str, Any]

FINAL_SIGMA = r"\p{Cased}\p{Case_Ignorable}*\KΣ(?!\p{Case_Ignorable}*\p{Cased})"
"""Where Python lower-cases Σ as ς, in the syntax of Oniguruma."""


@dataclass(frozen=True)
class HFTokenizer:
    """files: by name, as JSON. pad_id: of `<pad>`, a token after those of weft."""

    files: dict[str, Json]
    pad_id: int


def hf_tokenizer(tokenizer: Tokenizer, saved: str) -> HFTokenizer:
    """The files of a tokenizer; saved: the text of its `tokenizer.json` in a run folder.

    Raises InputError for a tokenizer that cannot be exported.
    """
    if tokenizer.kind not in _DECODERS:
        raise InputError(
            f"the tokenizer {tokenizer.kind!r} cannot be exported to transformers, only {', '.join(_DECODERS)}; "
            "`weft export onnx` exports the network"
        )
    pad_id, pairs = tokenizer.vocab_size, json.loads(saved).get("pairs", {})
    known = pairs["model"]["vocab"] if pairs else {token: id for id, token in enumerate(tokenizer.tokens)}
    eos = EOS if not pairs else _free(EOS, known)
    pad = _free("<pad>", known)
    special = {eos: tokenizer.eos_id, pad: pad_id}
    if tokenizer.unk_id is not None:
        special[UNK] = tokenizer.unk_id
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(name, id) for name, id in sorted(special.items(), key=lambda item: item[1])],
        "normalizer": _normalizer(tokenizer, eos, pairs.get("normalizer")),
        "pre_tokenizer": pairs.get("pre_tokenizer") or _split(tokenizer),
        "post_processor": None,
        "decoder": _DECODERS[tokenizer.kind],
        "model": pairs.get("model") or {"type": "WordLevel", "vocab": known, "unk_token": UNK},
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": eos,
        "eos_token": eos,
        "pad_token": pad,
        **({} if tokenizer.unk_id is None else {"unk_token": UNK}),
        "padding_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    return HFTokenizer({"tokenizer.json": whole, "tokenizer_config.json": settings}, pad_id)


_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_DECODERS = {"word": None, "char": {"type": "Fuse"}, "bpe": _BYTE_LEVEL}
"""How the tokens of each kind of tokenizer become a text; None: with blanks between them."""


def separators(tokenizer: Tokenizer) -> str:
    """The characters at which a word tokenizer cuts words, found by asking it; without the line end."""
    candidates = (chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace() or code == 0)
    return "".join(c for c in candidates if c != "\n" and len(tokenizer.encode(f"x{c}x")) == 2)


def _normalizer(tokenizer: Tokenizer, eos: str, own: Json | None) -> Json:
    steps = [_replace({"Regex": r"\r+\n"}, "\n"), _replace({"Regex": r"^\x{feff}+"}, "")]  # see weft.text.rules
    if tokenizer.lowercase:
        steps += [_replace({"Regex": FINAL_SIGMA}, "ς"), {"type": "Lowercase"}]
    steps.append(_replace({"String": "\n"}, eos))
    return {"type": "Sequence", "normalizers": [*steps, *([own] if own else [])]}


def _split(tokenizer: Tokenizer) -> Json:
    if tokenizer.kind == "char":
        return {"type": "Split", "pattern": {"Regex": "(?m:.)"}, "behavior": "Isolated", "invert": False}
    ends = "".join(f"\\x{{{ord(character):x}}}" for character in separators(tokenizer))
    return {"type": "Split", "pattern": {"Regex": f"[{ends}]+"}, "behavior": "Removed", "invert": False}


def _replace(pattern: Json, content: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _special(content: str, id: int) -> Json:
    sides = {"single_word": False, "lstrip": False, "rstrip": False}
    return {"id": id, "content": content, **sides, "normalized": True, "special": True}


def _free(name: str, known: Collection[str]) -> str:
    """`name`, or a form of it with bars if a word of the vocabulary is written like it."""
    while name in known:
        name = f"<|{name.strip('<>')}|>"
    return name
