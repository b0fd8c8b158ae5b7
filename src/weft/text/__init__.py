"""Text: from files to token ids, and from token ids to blocks for training."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.submodules import import_submodule
from weft.text.batches import Blocks
from weft.text.corpus import Corpus, open_corpus
from weft.text.split import Part, PieceSource, Split, split_corpus
from weft.text.statistics import TextStatistics, text_statistics
from weft.text.tokenizers.base import EOS, UNK, Decoder, Extra, Tokenizer, encode_pieces
from weft.text.tokenizers.registry import fit_tokenizer, load_tokenizer, register_tokenizer, tokenizer_kinds
from weft.text.tokens import open_tokens, write_tokens

__all__ = [
    "EOS",
    "UNK",
    "Blocks",
    "Corpus",
    "Decoder",
    "Extra",
    "Part",
    "PieceSource",
    "Split",
    "TextStatistics",
    "Tokenizer",
    "encode_pieces",
    "fit_tokenizer",
    "load_tokenizer",
    "open_corpus",
    "open_tokens",
    "register_tokenizer",
    "split_corpus",
    "text_statistics",
    "tokenizer_kinds",
    "write_tokens",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)
