"""Text: from files to token ids, and from token ids to blocks."""

from weft.text.batches import Blocks
from weft.text.corpus import Corpus, open_corpus
from weft.text.split import Part, PieceSource, Split, split_corpus
from weft.text.statistics import TextStatistics, text_statistics
from weft.text.tokenizers.base import EOS, UNK, Decoder, Tokenizer, encode_pieces, fit_tokenizer, load_tokenizer
from weft.text.tokens import open_tokens, write_tokens

__all__ = [
    "EOS",
    "UNK",
    "Blocks",
    "Corpus",
    "Decoder",
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
    "split_corpus",
    "text_statistics",
    "write_tokens",
]
