"""Tokenizers: text to token ids and back. Every file listed here registers its tokenizer."""

# The order is that of the kinds in messages and in `--help`.
# isort: off
from weft.text.tokenizers import word as word
from weft.text.tokenizers import text as text
from weft.text.tokenizers import char as char
from weft.text.tokenizers import bpe as bpe
