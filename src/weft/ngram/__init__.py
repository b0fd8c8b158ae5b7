"""N-gram models: counting, Kneser-Ney smoothing, back-off models, and ARPA files."""

from weft.ngram.arpa_reader import read_arpa
from weft.ngram.arpa_writer import write_arpa
from weft.ngram.discounts import FALLBACK, Discounts
from weft.ngram.kneser_ney import estimate
from weft.ngram.model import NGramModel, NGramScores, NGramTable, State

__all__ = [
    "FALLBACK",
    "Discounts",
    "NGramModel",
    "NGramScores",
    "NGramTable",
    "State",
    "estimate",
    "read_arpa",
    "write_arpa",
]
